//! An upstream that does what its path says, an edge before it, and raw clients.

use seawall_http_edge::{Counter, Edge, Limits, Settings, Site, Speaks, Upstream};
use seawall_model::plan::{Action, Measure, Plan, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::ShareEstimate;
use seawall_model::{Cause, Timestamp};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// When edges are started.
pub const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Longest that a test waits for anything: a machine may be busy, and who passes does not wait so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether `/sick-after-once` has been asked for; by one test only.
static WAS_WELL: AtomicBool = AtomicBool::new(false);

/// A server on a port of its own, for as long as the process runs.
#[derive(Clone)]
pub struct Origin {
    pub address: SocketAddr,
    /// Heads and bodies of requests as they came.
    seen: Arc<Mutex<Vec<String>>>,
    /// `/up` is answered with an error.
    is_sick: Arc<AtomicBool>,
}

impl Origin {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let origin = Self {
            address: listener.local_addr().expect("an address"),
            seen: Arc::default(),
            is_sick: Arc::default(),
        };
        let serving = origin.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let origin = serving.clone();
                std::thread::spawn(move || serve(stream, &origin));
            }
        });
        origin
    }

    /// One whose page for health checks is an error, while others are as they should be.
    pub fn sick() -> Self {
        let origin = Self::start();
        origin.is_sick.store(true, Ordering::Relaxed);
        origin
    }

    /// What has come since the last call.
    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("no panic"))
    }

    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

/// Serves one connection. Errors end it: the client went away.
fn serve(stream: TcpStream, origin: &Origin) -> Option<()> {
    let seen = &origin.seen;
    let mut is_used = false;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut head = String::new();
        loop {
            let before = head.len();
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
            if &head[before..] == "\r\n" {
                break;
            }
        }
        let path = head.split(' ').nth(1)?.to_owned();
        if path.starts_with("/unread") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly").ok()?;
            seen.lock().ok()?.push(head);
            return None;
        }
        let body = read_body(&head, &mut reader, &mut stream)?;
        seen.lock().ok()?.push(format!("{head}{}", String::from_utf8_lossy(&body)));
        if path == "/only-first" && is_used {
            return None;
        }
        is_used = true;
        let is_error = path == "/up" && origin.is_sick.load(Ordering::Relaxed);
        answer(if is_error { "/error" } else { &path }, &body, &mut stream, &mut reader)?;
    }
}

fn read_body(head: &str, reader: &mut BufReader<TcpStream>, stream: &mut TcpStream) -> Option<Vec<u8>> {
    let lower = head.to_ascii_lowercase();
    if lower.contains("expect: 100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = Vec::new();
    if let Some(at) = lower.find("content-length: ") {
        let length: usize = lower[at + 16..].split("\r\n").next()?.parse().ok()?;
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
    } else if lower.contains("transfer-encoding: chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
            if size == 0 {
                break;
            }
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..size]);
        }
        let mut trailers = String::new();
        while reader.read_line(&mut trailers).ok()? > 2 {}
        body.extend_from_slice(trailers.trim_end().as_bytes());
    }
    Some(body)
}

fn answer(path: &str, body: &[u8], stream: &mut TcpStream, reader: &mut BufReader<TcpStream>) -> Option<()> {
    let with_length = |status: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nX-From: origin\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    match path {
        "/echo" => stream.write_all(&with_length("200 OK", body)),
        "/big" => stream.write_all(&with_length("200 OK", &vec![b'x'; 1 << 20])),
        "/huge" => stream.write_all(&with_length("200 OK", &vec![b'x'; 64 << 20])),
        "/none" => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "/not-modified" => stream.write_all(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
        "/chunks" => stream.write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n",
        ),
        "/to-end" => {
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nuntil the end").ok()?;
            return None;
        }
        "/early-hints" => {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").ok()?;
            stream.write_all(&with_length("200 OK", b"ok"))
        }
        "/events" => {
            // The second event comes only after the client has acknowledged the first.
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked";
            stream.write_all(format!("{head}\r\n\r\n3\r\none\r\n").as_bytes()).ok()?;
            let mut rest = [0; 1];
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = reader.read(&mut rest);
            return None;
        }
        "/silent" => {
            let mut rest = [0; 1];
            let _ = reader.read(&mut rest);
            return None;
        }
        "/private" => stream
            .write_all(b"HTTP/1.1 200 OK\r\nCache-Control: private\r\nContent-Length: 6\r\n\r\nsecret"),
        "/sick-after-once" if WAS_WELL.swap(true, Ordering::Relaxed) => {
            stream.write_all(&with_length("503 Service Unavailable", b"sick"))
        }
        "/sick-after-once" => stream
            .write_all(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=1\r\nContent-Length: 4\r\n\r\nwell"),
        "/error" => stream.write_all(&with_length("503 Service Unavailable", b"no")),
        "/drop" => return None,
        "/cut" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").ok()?;
            return None;
        }
        "/split" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        "/large-head" => {
            let field = format!("X-Large: {}\r\n", "x".repeat(70_000));
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 0\r\n\r\n").as_bytes())
        }
        "/many-fields" => {
            let fields = "X-Many: x\r\n".repeat(1_001);
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n").as_bytes())
        }
        "/bare-lf" => stream.write_all(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        "/spaced" => stream.write_all(b"HTTP/1.1 200 OK\r\nX-Foo : a\r\nContent-Length: 0\r\n\r\n"),
        "/chat" => {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi")
                .ok()?;
            let mut said = [0; 5];
            reader.read_exact(&mut said).ok()?;
            stream.write_all(&said).ok()?;
            return None;
        }
        _ => stream.write_all(&with_length("200 OK", path.as_bytes())),
    }
    .ok()
}

/// Settings with one plain site before these upstreams.
pub fn settings(upstreams: &[SocketAddr]) -> Settings {
    let upstreams = upstreams
        .iter()
        .enumerate()
        .map(|(i, a)| Upstream { name: format!("web{i}"), addresses: vec![*a], speaks: Speaks::Http1 })
        .collect();
    let site = Site {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        upstreams,
        tls: None,
        proxy_protocol: false,
        health_path: None,
        upstream_trust: None,
        rate_limits: Vec::new(),
        names: Vec::new(),
    };
    Settings {
        sites: vec![site],
        limits: Limits::default(),
        trusted_proxies: Vec::new(),
        trusted_field: Default::default(),
        threads: 1,
        access_log: None,
        enforce: true,
    }
}

pub fn start(settings: Settings) -> Edge {
    Edge::start(settings, &Policy::default(), NOW, &[7; 32]).expect("an edge")
}

/// Puts a plan of one measure for everything in force.
pub fn enforce(edge: &Edge, cause: Cause, action: Action) {
    enforce_for(edge, cause, [(Scope::All, action)]);
}

/// Puts a plan in force.
pub fn enforce_for(edge: &Edge, cause: Cause, measures: impl IntoIterator<Item = (Scope, Action)>) {
    let none = ShareEstimate { share: 0.0, low: 0.0, high: 0.0 };
    let expires = NOW.plus_ns(600_000_000_000);
    let measure = |(number, (scope, action))| Measure {
        id: format!("m{number}"),
        action,
        scope,
        target: None,
        predicted_effect: none,
        predicted_harm: Some(none),
        expires,
        initial_share: 1.0,
    };
    let measures = measures.into_iter().enumerate().map(measure).collect();
    let plan = Plan { generation: 1, parent: None, cause, created: NOW, expires, measures };
    edge.enforce(&plan, &enforcing(), NOW).expect("a plan for an edge");
}

pub fn enforcing() -> Policy {
    Policy { mode: Mode::Enforce, ..Policy::default() }
}

/// An edge with other limits before an upstream.
pub fn limited(change: impl FnOnce(&mut Limits)) -> (Edge, Origin) {
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    change(&mut settings.limits);
    (start(settings), origin)
}

pub fn plain() -> (Edge, Origin) {
    limited(|_| {})
}

pub fn connect(edge: &Edge) -> TcpStream {
    let stream = TcpStream::connect(edge.addresses()[0]).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends bytes and reads what comes until the edge closes.
pub fn talk(edge: &Edge, bytes: &[u8]) -> String {
    let mut stream = connect(edge);
    // The edge may have refused before the last byte.
    let _ = stream.write_all(bytes);
    read_to_end(&mut stream)
}

/// Reads until the end, or a reset, which ends it as well.
pub fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(n) => all.extend_from_slice(&part[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(e) => panic!("the connection stays open ({e}) after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `end` has come.
pub fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    let mut byte = [0; 1];
    while !all.ends_with(end.as_bytes()) {
        match stream.read(&mut byte) {
            Ok(1) => all.push(byte[0]),
            other => panic!("{other:?} before {end:?}, after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// A GET that closes afterwards.
pub fn get(edge: &Edge, path: &str) -> String {
    talk(edge, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
}

/// Waits until something is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the edge has counted so many: it counts after it has answered, or closed.
pub fn counted(edge: &Edge, counter: Counter, wanted: u64) {
    eventually(&format!("{counter:?} is {wanted}"), || edge.count(counter) == wanted);
}
