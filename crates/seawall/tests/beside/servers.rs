//! Measures in a real HAProxy, configured as the manual says: in force, left behind by a guard that
//! was killed, cleared by the next one.

use super::log::line;
use super::{Folder, Guard, PATIENCE};
use seawall_ports::Running;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const TOOL: &str = "python-requests/2.31";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0";

/// A running HAProxy; killed when dropped.
struct HaProxy {
    _child: Running,
    port: u16,
}

impl HaProxy {
    /// `None`: there is none on this machine.
    fn start(folder: &Path) -> Option<Self> {
        let port = seawall_ports::free().expect("a port").port();
        let manual = include_str!("../../../../docs/operate/beside.md");
        let place = format!("{}/", folder.display());
        let mut blocks = manual.split("```haproxy\n").skip(1).filter_map(|b| b.split("```").next());
        let mut next = || blocks.next().expect("in the manual").replace("/etc/haproxy/", &place);
        let (tables, rules) = (next(), next());
        for name in ["protected", "deny", "limits", "ask"] {
            std::fs::write(folder.join(format!("seawall-{name}.map")), "").expect("a map");
        }
        let configuration = format!(
            "global\n stats socket {place}haproxy.sock level admin\ndefaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 60s\n{tables}frontend site\n bind 127.0.0.1:{port}\n{rules}  http-request return status 200\n"
        );
        let path = folder.join("haproxy.cfg");
        std::fs::write(&path, configuration).expect("a configuration");
        let started = Command::new("haproxy")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin")
            .args(["-db", "-q", "-f"])
            .arg(&path)
            .stdin(Stdio::null())
            .spawn();
        match started {
            Ok(child) => Some(Self { _child: child.into(), port }),
            Err(_) => {
                eprintln!("skipped: no haproxy on this machine");
                None
            }
        }
    }

    /// The status of an answer; `None`: it does not listen yet.
    fn ask(&self, agent: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let request = format!(
            "GET /search?q=5eed HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.get(9..12)?.parse().ok()
    }

    /// Whether it answers so within some time, and does what is to be done meanwhile.
    fn answers(&self, agent: &str, status: u16, mut meanwhile: impl FnMut()) -> bool {
        #[allow(clippy::disallowed_methods, reason = "a server starts and answers in real time")]
        let from = std::time::Instant::now();
        while self.ask(agent) != Some(status) {
            if from.elapsed() > PATIENCE {
                return false;
            }
            meanwhile();
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }
}

#[test]
fn a_flood_in_the_log_is_refused_by_haproxy_and_what_a_killed_guard_leaves_is_cleared() {
    let folder = Folder::new("haproxy");
    let Some(server) = HaProxy::start(&folder.0) else { return };
    let log = folder.0.join("access.log");
    std::fs::write(&log, "").expect("a log");
    let socket = folder.0.join("haproxy.sock");
    let arguments = ["--log", log.to_str().expect("text"), "--haproxy", socket.to_str().expect("text")];
    assert!(server.answers(TOOL, 200, || {}), "the manual's lines are taken, and refuse nobody");
    let guard = Guard::start(&folder.0, &arguments);
    let mut number = 0_u32;
    let mut write = |count: u32, flood: bool| {
        let mut text = String::new();
        for _ in 0..count {
            number += 1;
            let (a, b, c) = (20 + number % 180, number * 7 % 250, number * 13 % 250);
            text += &if flood {
                let path = format!("/search?q={:x}", number.wrapping_mul(2_654_435_761));
                line(&format!("{a}.{b}.{c}.7"), &path, TOOL)
            } else {
                line(&format!("192.0.2.{}", number % 200 + 1), &format!("/page/{}", number % 40), BROWSER)
            };
        }
        let mut file = OpenOptions::new().append(true).open(&log).expect("the log");
        file.write_all(text.as_bytes()).expect("written");
    };
    for _ in 0..100 {
        write(1, false);
        std::thread::sleep(Duration::from_millis(100));
    }
    guard.wait_for("measures in force", || write(30, true));
    // It may act on a share of the clients first.
    assert!(server.answers(TOOL, 403, || write(30, true)), "{}", guard.story());
    assert!(server.answers(BROWSER, 200, || write(30, true)), "a browser is served");
    drop(guard);
    assert!(server.answers(TOOL, 403, || {}), "a killed guard cannot take its measures back");
    let guard = Guard::start(&folder.0, &arguments);
    assert!(server.answers(TOOL, 200, || {}), "the next one does: {}", guard.story());
}
