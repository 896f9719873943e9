//! Fronts of name servers as the operator has them: another configuration under load.

use super::guard::{Folder, Guard, PATIENCE, eventually};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// A limit with which a name server that the machine has no time for is waited for.
const PATIENT: &str = "backend-timeout-ms = 10000";

/// A name server to which every name has the address 192.0.2.`last`.
pub fn name_server(last: u8) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut message) {
            // The OPT record, where there is one, goes.
            let Some(name) = message[12..length].iter().position(|b| *b == 0) else { continue };
            let mut answer = message[..12 + name + 5].to_vec();
            answer[2] |= 0x84;
            answer[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
            answer.extend(b"\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\xC0\0\x02");
            answer.push(last);
            // Whoever asked may have gone.
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

/// The last byte of the address that a name has, if it is told.
fn ask(server: SocketAddr, name: &str) -> Option<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.connect(server).ok()?;
    let mut message = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    socket.send(&message).ok()?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).ok()?;
    (answer[3] & 15 == 0 && answer[7] == 1).then(|| answer[length - 1])
}

fn write(path: &Path, listen: &str, servers: &[SocketAddr], more: &str) {
    let servers: Vec<String> = servers.iter().map(|s| format!("\"{s}\"")).collect();
    let text = format!("[[dns]]\nlisten = [\"{listen}\"]\nservers = [{}]\n{more}\n", servers.join(", "));
    std::fs::write(path, text).expect("written");
}

#[test]
fn reloads_of_name_servers_under_load_lose_no_question() {
    let folder = Folder::new("names");
    let path = folder.path().join("seawall.toml");
    let (one, two) = (name_server(1), name_server(2));
    let limits = |hedge_ms| format!("limits = {{ hedge-ms = {hedge_ms}, {PATIENT} }}");
    write(&path, "127.0.0.1:0", &[one], &limits(20));
    let guard = Guard::with(&folder, &["--config", path.to_str().expect("plain")]);
    let front = guard.address();
    let (stop, names, asked) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let lost = std::thread::scope(|scope| {
        let client = || {
            let mut lost = Vec::new();
            while !stop.load(Relaxed) {
                let name = format!("n{}.example.org", names.fetch_add(1, Relaxed));
                if ask(front, &name).is_none() {
                    lost.push(name);
                }
                asked.fetch_add(1, Relaxed);
            }
            lost
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        for round in 0..16_u64 {
            let servers = [vec![one], vec![two], vec![one, two]][round as usize % 3].clone();
            write(&path, "127.0.0.1:0", &servers, &limits(21 + round));
            let answer = guard.ask("POST", "/v1/reload", "");
            assert!(answer.contains("\"notes\":[]"), "{answer}");
            let before = asked.load(Relaxed);
            eventually("questions go on", || (asked.load(Relaxed) >= before + 50).then_some(()));
        }
        stop.store(true, Relaxed);
        clients.into_iter().flat_map(|c| c.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert_eq!(lost, Vec::<String>::new(), "of {}", asked.load(Relaxed));
    // The last word was the first server alone; what the others said before is kept.
    let mut n = 0;
    eventually("it is asked", || {
        n += 1;
        (ask(front, &format!("last{n}.example.org")) == Some(1)).then_some(())
    });
}

#[test]
fn a_bad_configuration_of_name_servers_changes_nothing_and_what_must_wait_is_told() {
    let folder = Folder::new("names-bad");
    let path = folder.path().join("seawall.toml");
    let (one, two) = (name_server(1), name_server(2));
    write(&path, "127.0.0.1:0", &[one], &format!("limits = {{ {PATIENT} }}"));
    let guard = Guard::with(&folder, &["--config", path.to_str().expect("plain")]);
    let front = guard.address();
    assert_eq!(ask(front, "a.example.org"), Some(1));
    for bad in
        ["limits = { hedge = 1 }", "zones = [{ name = \"a.b\", primary = \"::1\", key = \"/nowhere\" }]"]
    {
        write(&path, "127.0.0.1:0", &[two], bad);
        let told = guard.order(&["reload"]);
        assert!(!told.status.success(), "{told:?}");
        assert_eq!(ask(front, &format!("{}.example.org", bad.len())), Some(1), "{bad}");
    }
    write(
        &path,
        "127.0.0.1:0",
        &[two],
        "limits = { cache-bytes = 1000000, backend-timeout-ms = 10000 }\n[[dns]]\nlisten = [\"127.0.0.1:0\", \"[::1]:0\"]\nservers = [\"::1\"]",
    );
    let answer = guard.ask("POST", "/v1/reload", "");
    assert!(
        answer.contains("what [[dns]] listens on stays") && answer.contains("cache-bytes, learnt-names"),
        "{answer}"
    );
    let mut n = 0;
    eventually("the other server is asked", || {
        n += 1;
        (ask(front, &format!("b{n}.example.org")) == Some(2)).then_some(())
    });
}

/// Broke: what fronts of name servers count was shown nowhere that metrics are collected from.
#[test]
fn fronts_of_name_servers_have_metrics() {
    let folder = Folder::new("names-metrics");
    let path = folder.path().join("seawall.toml");
    let server = name_server(1);
    write(&path, "127.0.0.1:0", &[server], &format!("limits = {{ {PATIENT} }}"));
    let guard = Guard::with(&folder, &["--config", path.to_str().expect("plain")]);
    assert_eq!(ask(guard.address(), "a.example.org"), Some(1));
    let metric = |name: &str| guard.metric(name);
    eventually("the question is counted", || {
        (metric("seawall_dns_queries_total{front=\"0\"}") == 1).then_some(())
    });
    assert_eq!(metric(&format!("seawall_dns_backend_up{{front=\"0\",backend=\"{server}\"}}")), 1);
}
