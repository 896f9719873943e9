//! `seawall reroute` with real servers: Knot as primary, as parent and as provider, and with a guard
//! that is in the middle of an incident. Where Knot is not installed, the test says so in one line
//! and passes.

#![allow(clippy::disallowed_methods, reason = "tests over real sockets wait in real time")]

use seawall::Status;
use seawall::console::Console;
use seawall_ports::Running;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const SECRET: &str = "c2Vhd2FsbCBzZWF3YWxsIHNlYXdhbGwgc2Vhd2FsbCE=";
const ZONE: &str = "$ORIGIN example.org.\n$TTL 300\n@ SOA ns1 admin 7 3600 600 86400 60\n@ NS ns1\n\
                    ns1 A 127.0.0.1\nwww A 192.0.2.1\nwww AAAA 2001:db8::1\n";
const EMPTY: &str = "$ORIGIN example.org.\n$TTL 300\n@ SOA ns1.second.example. admin 1 3600 600 86400 60\n\
                     @ NS ns1.second.example.\n";
const PARENT: &str = "$ORIGIN org.\n$TTL 3600\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n\
                      example 1800 NS ns1.example\nns1.example 900 A 127.0.0.1\n";

/// Longest that anything is waited for. Who passes does not wait for so long.
const PATIENCE: Duration = Duration::from_secs(120);

struct Knot {
    _process: Running,
    port: u16,
}

impl Knot {
    /// `None`: not installed.
    fn start(folder: &Path, apex: &str, zone: &str) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("zone"), zone).expect("a zone");
        let port = seawall_ports::free().expect("a port").port();
        let shown = folder.display();
        let config = format!(
            "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{shown}\"\n  udp-workers: 1\n  tcp-workers: 1\n  \
             background-workers: 1\ndatabase:\n  storage: \"{shown}\"\nkey:\n  - id: transfer\n    \
             algorithm: hmac-sha256\n    secret: {SECRET}\nacl:\n  - id: x\n    key: transfer\n    \
             action: [transfer, update]\nzone:\n  - domain: {apex}\n    file: \"{shown}/zone\"\n    acl: x\n    \
             zonefile-sync: -1\n"
        );
        fs::write(folder.join("conf"), config).expect("a configuration");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("knotd");
        command.arg("-c").arg(folder.join("conf")).env("PATH", format!("{path}:/usr/sbin"));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let knot = Self { _process: process.into(), port };
        let from = Instant::now();
        while !knot.answers() {
            assert!(from.elapsed() < PATIENCE, "knotd does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(knot)
    }

    fn answers(&self) -> bool {
        let ask = || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            socket.connect(("127.0.0.1", self.port))?;
            socket.send(b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x03org\0\0\x06\0\x01")?;
            socket.recv(&mut [0; 512])
        };
        ask().is_ok_and(|n| n >= 12)
    }
}

struct Bench {
    folder: PathBuf,
    config: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Bench {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("seawall-reroute-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let key = format!("key \"transfer\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n");
        fs::write(folder.join("key"), key).expect("a key");
        Self { config: folder.join("seawall.toml"), folder }
    }

    fn configure(&self, primary: u16, parent: u16, change: &str, provider: u16) {
        let folder = self.folder.display();
        let text = format!(
            "[guard]\nstate-folder = \"{folder}/state\"\n[[reroute]]\nzone = \"example.org\"\n\
             primary = \"127.0.0.1:{primary}\"\nkey = \"{folder}/key\"\nparents = [\"127.0.0.1:{parent}\"]\n{change}\n\
             providers = [{{ name = \"second\", hosts = [\"ns1.second.example\"], servers = [\"127.0.0.1:{provider}\"], \
             update = {{ server = \"127.0.0.1:{provider}\", key = \"{folder}/key\" }} }}]\n"
        );
        fs::write(&self.config, text).expect("a configuration");
    }

    /// Status, and what was said on either stream.
    fn run(&self, verb: &str) -> (Status, String) {
        self.run_on("nobody.sock", verb)
    }

    /// The same, told to the guard on a socket of the folder.
    fn run_on(&self, socket: &str, verb: &str) -> (Status, String) {
        let socket = self.folder.join(socket);
        let words = ["seawall", "reroute", verb, "--config"].map(Into::into).into_iter();
        let words = words.chain([self.config.clone().into(), "--admin-socket".into(), socket.into()]);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = seawall::run(words, &Console::PIPE, &mut out, &mut err);
        let said = [out, err].concat();
        // Figures are kept together with their units.
        (status, String::from_utf8_lossy(&said).replace('\u{a0}', " "))
    }
}

#[test]
fn a_zone_is_prepared_rehearsed_switched_and_taken_back() {
    let bench = Bench::new("whole");
    let start = |name: &str, apex, zone| Knot::start(&bench.folder.join(name), apex, zone);
    let Some(primary) = start("primary", "example.org", ZONE) else {
        return println!("knotd is not installed: not tried");
    };
    let parent = start("parent", "org", PARENT).expect("Knot was there");
    let provider = start("second", "example.org", EMPTY).expect("Knot was there");
    let update = format!(
        "update = {{ server = \"127.0.0.1:{}\", key = \"{}/key\" }}",
        parent.port,
        bench.folder.display()
    );
    bench.configure(primary.port, parent.port, &update, provider.port);

    let (status, said) = bench.run("back");
    assert_eq!((status, said.contains("it was not rerouted")), (Status::CouldNotRun, true), "{said}");
    let (status, said) = bench.run("rehearse");
    assert_eq!(status, Status::Quiet, "{said}");
    for line in [
        "copy        3 record sets differed and were updated",
        "4 record sets asked of 1 servers, all alike",
        "parent      delegates to ns1.example.org",
        "signatures  the parent asks for none",
        "change      would be taken",
        "time        the last resolver moves 30 min after the switch",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // The primary is out, which is what this is for: what was proven counts.
    drop(primary);
    let (status, said) = bench.run("switch");
    assert_eq!(status, Status::Quiet, "{said}");
    assert!(said.contains("4 record sets were alike at ") && said.contains("not told to a guard"), "{said}");
    let (_, said) = bench.run("status");
    assert!(said.contains("delegated to ns1.second.example\n  at second since "), "{said}");
    let (status, said) = bench.run("switch");
    assert_eq!((status, said.contains("already")), (Status::CouldNotRun, true), "{said}");
    let (status, said) = bench.run("back");
    assert_eq!(
        (status, said.contains("delegated to ns1.example.org again")),
        (Status::Quiet, true),
        "{said}"
    );
    let (_, said) = bench.run("status");
    assert!(said.starts_with("example.org: delegated to ns1.example.org\n  second: "), "{said}");
}

#[test]
fn nothing_is_switched_that_was_never_proven_or_that_the_registrar_refuses() {
    let bench = Bench::new("refused");
    let start = |name: &str, apex, zone| Knot::start(&bench.folder.join(name), apex, zone);
    let Some(parent) = start("parent", "org", PARENT) else {
        return println!("knotd is not installed: not tried");
    };
    let provider = start("second", "example.org", ZONE).expect("Knot was there");
    let refuses = "command = [\"/bin/sh\", \"-c\", \"echo no such account >&2; exit 1\"]";
    // Nothing listens at the primary's port.
    bench.configure(9, parent.port, refuses, provider.port);
    let (status, said) = bench.run("switch");
    assert_eq!(status, Status::CouldNotRun, "{said}");
    assert!(said.contains("and nothing was proven lately"), "{said}");
    assert!(said.contains("`/bin/sh rehearse`: no such account"), "{said}");
    assert!(said.contains("not switched, for the rehearsal found: "), "{said}");
    assert!(bench.run("status").1.starts_with("example.org: delegated to ns1.example.org\n"));
}

/// For so long there is nothing but the usual before an attack.
const USUAL: Duration = Duration::from_secs(12);

/// A running guard and its events; killed when dropped.
struct Guard {
    _process: Running,
    events: mpsc::Receiver<serde_json::Value>,
}

impl Guard {
    fn start(config: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_seawall"))
            .args(["guard", "--json", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let out = BufReader::new(process.stdout.take().expect("its output"));
        let (tell, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        Self { _process: process.into(), events }
    }

    fn wait_for(&self, event: &str) -> serde_json::Value {
        self.wait_until(event, |told| told["event"] == event)
    }

    /// The first event from now on of which something is so. What an incident is called first may be
    /// a guess, and each better name is told as another event.
    fn wait_until(&self, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let from = Instant::now();
        let mut others = Vec::new();
        while let Ok(told) = self.events.recv_timeout(PATIENCE.saturating_sub(from.elapsed())) {
            if is_so(&told) {
                return told;
            }
            others.push(told.to_string());
        }
        panic!("no event `{what}` after {:?}, but:\n{}", from.elapsed(), others.join("\n"));
    }
}

/// Asks for `www`, and from a moment on for random names as well, until the sender is dropped.
fn crowd(front: SocketAddr, flood_per_ms: Arc<AtomicU32>) -> mpsc::Sender<()> {
    let (stop, stopped) = mpsc::channel();
    std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let mut n = 0_u32;
        while stopped.recv_timeout(Duration::from_millis(2)) == Err(mpsc::RecvTimeoutError::Timeout) {
            let base = n;
            let made_up = |i| format!("x{:x}", base.wrapping_add(i).wrapping_mul(0x9E37_79B1));
            let names = (0..2 * flood_per_ms.load(Relaxed)).map(made_up);
            for name in names.chain(["www".to_owned()]) {
                n = n.wrapping_add(1);
                let mut message =
                    vec![(n >> 8) as u8, n as u8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() as u8];
                message.extend(name.bytes());
                message.extend(b"\x07example\x03org\0\0\x01\0\x01");
                // What finds no room is lost, as on any wire.
                let _ = socket.send_to(&message, front);
            }
        }
    });
    stop
}

#[test]
fn a_switch_in_the_middle_of_an_incident_is_in_its_write_up() {
    let bench = Bench::new("live");
    let start = |name: &str, apex, zone| Knot::start(&bench.folder.join(name), apex, zone);
    let Some(primary) = start("primary", "example.org", ZONE) else {
        return println!("knotd is not installed: not tried");
    };
    let parent = start("parent", "org", PARENT).expect("Knot was there");
    let provider = start("second", "example.org", EMPTY).expect("Knot was there");
    let folder = bench.folder.display();
    let update = format!("update = {{ server = \"127.0.0.1:{}\", key = \"{folder}/key\" }}", parent.port);
    bench.configure(primary.port, parent.port, &update, provider.port);
    let text = fs::read_to_string(&bench.config).expect("a configuration");
    let text =
        text.replace("[guard]\n", &format!("[guard]\nadmin-socket = \"{folder}/guard.sock\"\nthreads = 1\n"));
    let front = format!("[[dns]]\nlisten = [\"127.0.0.1:0\"]\nservers = [\"127.0.0.1:{}\"]\n", primary.port);
    fs::write(&bench.config, text + &front).expect("a configuration");

    let guard = Guard::start(&bench.config);
    let front = guard.wait_for("listening")["dns"][0]["addresses"][0].clone();
    let front: SocketAddr = front.as_str().and_then(|a| a.parse().ok()).expect("an address");
    let flood_per_ms = Arc::<AtomicU32>::default();
    let stop = crowd(front, Arc::clone(&flood_per_ms));
    // The usual for a while, so that there is one.
    let begun = Instant::now();
    while begun.elapsed() < USUAL {
        let _ = guard.events.recv_timeout(USUAL.saturating_sub(begun.elapsed()));
    }
    flood_per_ms.store(4, Relaxed);
    guard.wait_until("named an attack", |told| {
        told["event"] == "named" && told["verdict"]["class"] == "attack"
    });
    let (status, said) = bench.run_on("guard.sock", "switch");
    assert_eq!((status, said.contains("the guard has it in its incident")), (Status::Quiet, true), "{said}");
    let (status, said) = bench.run_on("guard.sock", "back");
    assert_eq!((status, said.contains("the guard has it in its incident")), (Status::Quiet, true), "{said}");
    flood_per_ms.store(0, Relaxed);
    let ended = guard.wait_for("ended");
    drop(stop);
    let written = PathBuf::from(ended["folder"].as_str().expect("a folder"));
    let files = fs::read_dir(&written).expect("a write-up").flatten();
    let all: String = files.filter_map(|f| fs::read_to_string(f.path()).ok()).collect();
    for change in [
        "example.org rerouted to second; the last resolver has moved by",
        "example.org taken back from second",
    ] {
        assert!(all.contains(change), "{change}: {all}");
    }
}
