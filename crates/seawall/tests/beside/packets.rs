//! On an interface: a flood is named by its packets and dropped in the kernel, and nothing of it is
//! left when the guard is killed.

use super::peer::{Peer, inside, run};
use super::{Folder, Guard};
use std::net::UdpSocket;
use std::process::{Command, Stdio};

/// Something usual, and after some seconds answers of time servers that nobody asked for, until it is
/// killed. On a busy machine a flood begins slowly: without anything before it, that would be what is
/// usual.
const FLOOD: &str = "
import socket, time
usual = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
usual.bind(('192.0.2.3', 0))
begun = time.monotonic()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('192.0.2.2', 123))
while True:
    usual.sendto(b'hello', ('192.0.2.1', 4002))
    for _ in range(40 if time.monotonic() - begun > 6 else 0):
        s.sendto(b'\\xd7\\x00\\x03\\x2a' + bytes(436), ('192.0.2.1', 4001))
    time.sleep(0.01)
";

#[test]
fn a_flood_of_packets_is_dropped_in_the_kernel_and_a_killed_guard_leaves_nothing() {
    let name = "packets::a_flood_of_packets_is_dropped_in_the_kernel_and_a_killed_guard_leaves_nothing";
    if inside(name) != Some(true) {
        return;
    }
    let peer = Peer::new();
    let _usual = UdpSocket::bind("192.0.2.1:4002").expect("a socket");
    let folder = Folder::new("packets");
    let guard = Guard::start(&folder.0, &["--interface", "near"]);
    assert!(guard.story().contains("XDP in the driver"), "{}", guard.story());
    let mut flood = Command::new("nsenter")
        .args(["--net", "--target", &peer.child(), "python3", "-c", FLOOD])
        .stdout(Stdio::null())
        .spawn()
        .expect("a flood");
    guard.wait_for("drop in the kernel", || {});
    // It begins on a share of flows, and this is one flow.
    let mut seen = String::new();
    guard.wait_until("drops by signature", || {
        seen = run(env!("CARGO_BIN_EXE_seawall"), &["kernel", "status"]);
        seen.contains(" by signature") && !seen.contains(" 0 by signature")
    });
    assert!(seen.contains("filter on near") && seen.contains("source port = 123"), "{seen}");
    assert!(peer.arrives("192.0.2.3"), "who has no part in it is heard");
    drop(guard);
    assert!(!run("ip", &["-d", "link", "show", "near"]).contains("xdp"), "a killed guard leaves nothing");
    flood.kill().expect("the flood ends");
    flood.wait().expect("it ended");
}
