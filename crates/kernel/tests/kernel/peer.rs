//! Two network namespaces with a pair of virtual interfaces between them, that go with the
//! processes in them. A test starts itself again inside.

use seawall_kernel::XdpFilter;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// For a datagram that has been sent, and may have been dropped.
const ON_ITS_WAY: Duration = Duration::from_millis(700);
/// Datagrams of which one must arrive.
const ATTEMPTS: u32 = 20;

/// Set in the process that runs inside.
const INSIDE: &str = "SEAWALL_TEST_INSIDE";

/// Runs this test again in a network namespace of its own. Returns whether it is inside already;
/// `None`: this machine does not allow it.
pub fn inside(test: &str) -> Option<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Some(true);
    }
    if let Err(error) = XdpFilter::load() {
        assert!(std::env::var_os("SEAWALL_KERNEL_TESTS").is_none(), "asked for, and not possible: {error}");
        eprintln!("skipped: {error}");
        return None;
    }
    for tool in ["unshare", "nsenter", "ip", "nft", "bpftool", "python3"] {
        let path = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin";
        let is_there = path.split(':').any(|folder| std::path::Path::new(folder).join(tool).exists());
        if !is_there {
            eprintln!("skipped: no {tool} on this machine");
            return None;
        }
    }
    let me = std::env::current_exe().expect("the test's own path");
    let status = Command::new("unshare")
        .args(["--net", "--fork", "--kill-child"])
        .arg(me)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare runs");
    assert!(status.success(), "{test} inside its namespace");
    Some(false)
}

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Another host: 192.0.2.2 and 192.0.2.3, with 192.0.2.1 here on the interface `near`.
pub struct Peer {
    holder: Child,
    pub socket: UdpSocket,
}

impl Peer {
    pub fn new() -> Self {
        let holder = Command::new("unshare")
            .args(["--net", "--fork", "--kill-child", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare runs");
        let pid = format!("/proc/{}/task/{}/children", holder.id(), holder.id());
        let child = wait_for(|| {
            let children = std::fs::read_to_string(&pid).ok()?;
            children.split_whitespace().next().map(str::to_owned)
        });
        let there = |arguments: &[&str]| {
            run("nsenter", &[&["--net", "--target", child.as_str()], arguments].concat());
        };
        run("ip", &["link", "add", "near", "type", "veth", "peer", "name", "far"]);
        // The child unshares after it was made; until then the move would go nowhere.
        wait_for(|| {
            let own = std::fs::read_link("/proc/self/ns/net").ok()?;
            let other = std::fs::read_link(format!("/proc/{child}/ns/net")).ok()?;
            (own != other).then_some(())
        });
        run("ip", &["link", "set", "far", "netns", &child]);
        run("ip", &["address", "add", "192.0.2.1/24", "dev", "near"]);
        run("ip", &["link", "set", "near", "up"]);
        there(&["ip", "address", "add", "192.0.2.2/24", "dev", "far"]);
        there(&["ip", "address", "add", "192.0.2.3/24", "dev", "far"]);
        there(&["ip", "link", "set", "far", "up"]);
        let socket = UdpSocket::bind("192.0.2.1:4000").expect("a socket");
        socket.set_read_timeout(Some(ON_ITS_WAY)).expect("a deadline");
        let peer = Self { holder, socket };
        wait_for(|| peer.hears("192.0.2.3", &child).then_some(()));
        peer
    }

    pub fn child(&self) -> String {
        let path = format!("/proc/{0}/task/{0}/children", self.holder.id());
        std::fs::read_to_string(path).expect("children").trim().to_owned()
    }

    /// Whether a datagram from there arrives here, of some: on a busy machine one may be late.
    pub fn arrives(&self, source: &str) -> bool {
        let child = self.child();
        (0..ATTEMPTS).any(|_| self.hears(source, &child))
    }

    /// Whether a datagram from there does not arrive here.
    #[allow(dead_code, reason = "not every test binary that has this file asks for it")]
    pub fn is_dropped(&self, source: &str) -> bool {
        !self.hears(source, &self.child())
    }

    /// Sends a datagram of its own kind: one of before that was late is no sign of anything.
    fn hears(&self, source: &str, child: &str) -> bool {
        static SENT: AtomicU32 = AtomicU32::new(0);
        let word = format!("hello {}", SENT.fetch_add(1, Ordering::Relaxed));
        let script = format!(
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('{source}', 0)); s.sendto(b'{word}', ('192.0.2.1', 4000))"
        );
        run("nsenter", &["--net", "--target", child, "python3", "-c", &script]);
        let mut buffer = [0; 64];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            if buffer[..length] == *word.as_bytes() {
                return from.ip().to_string() == source;
            }
        }
        false
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

pub fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    #[allow(clippy::disallowed_methods, reason = "the kernel and other processes act in real time")]
    let from = Instant::now();
    while from.elapsed() < PATIENCE {
        if let Some(value) = ready() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not come about in {PATIENCE:?}")
}
