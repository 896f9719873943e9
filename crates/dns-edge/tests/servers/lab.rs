//! Real name servers in folders of their own, and an edge in front of them.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use seawall_dns_edge::message::{name, proxy};
use seawall_dns_edge::talk::Key;
use seawall_dns_edge::{Backend, Edge, Limits, Pool, Settings, Tls, ZoneSource};
use seawall_model::Timestamp;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

pub const ZONE: &str = "$ORIGIN example.org.
$TTL 300
@ IN SOA ns1 admin 7 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
www A 192.0.2.1
www AAAA 2001:db8::1
short 1 A 192.0.2.5
*.wild A 192.0.2.7
_sip._tcp SRV 0 0 5060 www
";
/// The key that signed transfers need.
pub const SECRET: &str = "c2Vhd2FsbCBzZWF3YWxsIHNlYXdhbGwgc2Vhd2FsbCE=";

/// Longest that anything is waited for, and between attempts.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);
/// For an answer that must come: a machine may be busy.
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);
/// For an answer that need not come.
const GLIMPSE: Duration = Duration::from_secs(1);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// Tries until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    #[allow(clippy::disallowed_methods, reason = "real servers answer in real time")]
    let from = std::time::Instant::now();
    while !is_so() {
        assert!(from.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// A real server that serves `example.org`.
pub struct Server {
    pub name: &'static str,
    pub address: SocketAddr,
    process: Child,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.pause(false);
        // Its children end with it.
        let _ = self.signal("-TERM");
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// `None`: not installed.
    pub fn start_nsd() -> Option<Self> {
        Self::start("nsd", |folder, port| {
            format!(
                "server:\n ip-address: 127.0.0.1@{port}\n server-count: 1\n username: \"\"\n chroot: \"\"\n \
                 database: \"\"\n rrl-ratelimit: 0\n zonesdir: \"{folder}\"\n pidfile: \"{folder}/pid\"\n \
                 xfrdfile: \"{folder}/xfrd\"\n zonelistfile: \"{folder}/list\"\n xfrdir: \"{folder}\"\n\
                 remote-control:\n control-enable: no\nzone:\n name: example.org\n zonefile: zone\n \
                 provide-xfr: 127.0.0.1 NOKEY\n"
            )
        })
    }

    /// `None`: not installed.
    pub fn start_knot() -> Option<Self> {
        Self::start("knotd", |folder, port| {
            format!(
                "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{folder}\"\n  udp-workers: 1\n  \
                 tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: \"{folder}\"\nacl:\n  - id: x\n    \
                 address: 127.0.0.1\n    action: transfer\nzone:\n  - domain: example.org\n    \
                 file: \"{folder}/zone\"\n    acl: x\n"
            )
        })
    }

    /// Gives the zone to whoever has the key, and nobody else. `None`: not installed.
    pub fn start_signed_nsd() -> Option<Self> {
        Self::start("nsd", |folder, port| {
            format!(
                "server:\n ip-address: 127.0.0.1@{port}\n server-count: 1\n username: \"\"\n chroot: \"\"\n \
                 database: \"\"\n zonesdir: \"{folder}\"\n pidfile: \"{folder}/pid\"\n \
                 xfrdfile: \"{folder}/xfrd\"\n zonelistfile: \"{folder}/list\"\n xfrdir: \"{folder}\"\n\
                 remote-control:\n control-enable: no\n\
                 key:\n name: transfer\n algorithm: hmac-sha256\n secret: \"{SECRET}\"\n\
                 zone:\n name: example.org\n zonefile: zone\n provide-xfr: 127.0.0.1 transfer\n"
            )
        })
    }

    /// The same; it keeps the differences between the versions of its zone.
    pub fn start_signed_knot() -> Option<Self> {
        Self::start("knotd", |folder, port| {
            format!(
                "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{folder}\"\n  udp-workers: 1\n  \
                 tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: \"{folder}\"\n\
                 key:\n  - id: transfer\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
                 acl:\n  - id: x\n    key: transfer\n    action: transfer\nzone:\n  - domain: example.org\n    \
                 file: \"{folder}/zone\"\n    acl: x\n    zonefile-load: difference\n    zonefile-sync: -1\n    \
                 journal-content: changes\n"
            )
        })
    }

    /// What a program of Knot's says about its configuration.
    pub fn knot_says(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.join("conf")).args(arguments);
        let path = std::env::var("PATH").unwrap_or_default();
        let said = command.env("PATH", format!("{path}:/usr/sbin")).output().expect("it runs");
        assert!(said.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Knot reads its zone again, with a word in place of another.
    pub fn change(&self, before: &str, after: &str) {
        let path = self.folder.join("zone");
        let zone = fs::read_to_string(&path).expect("a zone");
        assert!(zone.contains(before), "{before}");
        fs::write(&path, zone.replace(before, after)).expect("a zone");
        self.knot_says("knotc", &["-b", "zone-reload", "example.org"]);
    }

    fn start(name: &'static str, config: impl FnOnce(&str, u16) -> String) -> Option<Self> {
        let mut zone = ZONE.to_owned();
        (0..50).for_each(|i| zone.push_str(&format!("host{i} A 192.0.2.{}\n", i + 10)));
        zone.push_str(&format!("big TXT{}\n", format!(" \"{}\"", "x".repeat(200)).repeat(15)));
        Self::start_with(name, &zone, config)
    }

    /// A server with a zone in the file `zone`.
    pub fn start_with(
        name: &'static str,
        zone: &str,
        config: impl FnOnce(&str, u16) -> String,
    ) -> Option<Self> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("seawall-dns-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("zone"), zone).expect("a zone");
        let address = seawall_ports::free().expect("a free port");
        let text = config(&folder.display().to_string(), address.port());
        fs::write(folder.join("conf"), text).expect("a configuration");
        let Ok(process) = command(name, &folder).spawn() else {
            let _ = fs::remove_dir_all(&folder);
            println!("{name} is not installed: not tried");
            return None;
        };
        let mut server = Self { name, address, process, folder };
        // dnsdist, as it is set up here, takes nothing without a header.
        let mut asked = Vec::new();
        if name == "dnsdist" {
            proxy::write_local(&mut asked);
        }
        asked.extend(query("www.example.org", 1));
        until("the server answers", || {
            server.must_run();
            message_within(GLIMPSE, server.address, &asked).is_some()
        });
        Some(server)
    }

    /// # Panics
    /// With what it said, if it has ended.
    fn must_run(&mut self) {
        if let Some(status) = self.process.try_wait().expect("a child") {
            let said = fs::read_to_string(self.folder.join("said")).unwrap_or_default();
            panic!("{} has ended ({status}):\n{said}", self.name);
        }
    }

    /// Stops it where it stands, or lets it go on.
    pub fn pause(&self, is_paused: bool) {
        let signal = if is_paused { "-STOP" } else { "-CONT" };
        assert!(self.signal(signal), "a signal is sent");
    }

    /// NSD answers in a child of a child.
    fn signal(&self, signal: &str) -> bool {
        let mut all = vec![self.process.id()];
        let mut at = 0;
        while let Some(parent) = all.get(at).copied() {
            let path = format!("/proc/{parent}/task/{parent}/children");
            let children = fs::read_to_string(path).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|c| c.parse::<u32>().ok()));
            at += 1;
        }
        let ids = all.iter().map(ToString::to_string);
        Command::new("kill").arg(signal).args(ids).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    }
}

/// Runs in the foreground, and writes what it says into its folder.
fn command(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(name);
    let option = match name {
        "nsd" => &["-d", "-c"][..],
        "dnsdist" => &["--supervised", "-C"],
        _ => &["-c"],
    };
    let said = fs::File::create(folder.join("said")).expect("a file");
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(option).arg(folder.join("conf")).env("PATH", format!("{path}:/usr/sbin"));
    command.stdin(Stdio::null()).stdout(said.try_clone().expect("the same file")).stderr(said);
    command
}

/// A server to which no name exists.
pub struct Liar {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Liar {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
        socket.set_read_timeout(Some(PAUSE)).expect("a timeout");
        let (address, stop) = (socket.local_addr().expect("bound"), Arc::<AtomicBool>::default());
        let told = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut message = [0; 2_048];
            while !told.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut message) else { continue };
                message[2] |= 0x84;
                message[3] = 3;
                let _ = socket.send_to(&message[..length], from);
            }
        });
        Self { address, stop }
    }
}

/// Limits with which a server that the machine has no time for is waited for.
pub fn patient() -> Limits {
    Limits { backend_timeout_ms: 10_000, ..Limits::default() }
}

/// An edge on a port that the system chose.
pub struct Lab {
    pub edge: Edge,
    pub address: SocketAddr,
    /// Where it takes TLS, and what it shows there.
    pub tls_address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Lab {
    pub fn start(servers: &[&Server], primary: Option<&Server>, limits: Limits) -> Self {
        let backends: Vec<_> = servers.iter().map(|s| (s.name, s.address)).collect();
        Self::with(&backends, primary.map(|p| (p, None)), limits)
    }

    pub fn with_limits(backends: &[(&str, SocketAddr)], limits: Limits) -> Self {
        Self::with(backends, None, limits)
    }

    pub fn before(backends: &[(&str, SocketAddr)]) -> Self {
        Self::with(backends, None, patient())
    }

    /// Goes on with these servers.
    pub fn reload(&mut self, backends: Vec<Backend>, limits: Limits) {
        let pools = vec![Pool { suffix: Box::new([0]), backends }];
        let settings = Settings { pools, limits, ..self.edge.settings().clone() };
        self.edge.reload(settings);
    }

    /// Transfers are signed with this key.
    pub fn signed(server: &Server, key: Key, limits: Limits) -> Self {
        Self::with(&[(server.name, server.address)], Some((server, Some(key))), limits)
    }

    fn with(
        backends: &[(&str, SocketAddr)],
        primary: Option<(&Server, Option<Key>)>,
        limits: Limits,
    ) -> Self {
        let apex = || name::parse("example.org").expect("a name");
        let (certificate, config) = certified();
        let settings = Settings {
            tls: Some(Tls { listeners: vec![([127, 0, 0, 1], 0).into()], config }),
            listeners: vec![([127, 0, 0, 1], 0).into()],
            pools: vec![Pool {
                suffix: Box::new([0]),
                backends: backends.iter().map(|(n, a)| backend(n, *a)).collect(),
            }],
            zones: primary
                .into_iter()
                .map(|(p, key)| ZoneSource { apex: apex(), primary: p.address, key })
                .collect(),
            limits,
            threads: 2,
            enforce: true,
        };
        let edge = Edge::start(settings, now(), &[7; 32]).expect("the edge starts");
        let (address, tls_address) = (edge.addresses()[0], edge.addresses()[1]);
        Self { edge, address, tls_address, certificate }
    }

    /// Asks several questions at once over one TLS connection; the answers by their ids.
    pub fn ask_tls(&self, names: &[String]) -> std::collections::BTreeMap<u16, Vec<u8>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = "localhost".try_into().expect("a name");
        let client = ClientConnection::new(Arc::new(config), host).expect("a connection");
        let stream = TcpStream::connect(self.tls_address).expect("connects");
        stream.set_read_timeout(Some(ANSWER_PATIENCE)).expect("a timeout");
        let mut stream = StreamOwned::new(client, stream);
        let mut all = Vec::new();
        for (id, name) in (0_u16..).zip(names) {
            let mut message = query(name, 1);
            message[..2].copy_from_slice(&id.to_be_bytes());
            all.extend((message.len() as u16).to_be_bytes());
            all.extend(message);
        }
        stream.write_all(&all).expect("sends");
        let mut read = || {
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("an answer over TLS");
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut answer).expect("a whole answer over TLS");
            (u16::from_be_bytes([answer[0], answer[1]]), answer)
        };
        names.iter().map(|_| read()).collect()
    }
}

pub fn backend(name: &str, address: SocketAddr) -> Backend {
    Backend { name: name.to_owned(), address, weight: 1, tier: 0, proxy_protocol: false }
}

/// The key of the servers that want signed transfers, or one that is not theirs.
pub fn key(is_theirs: bool) -> Key {
    let secret = if is_theirs { SECRET } else { "b3RoZXIgb3RoZXIgb3RoZXI=" };
    Key::new("transfer", "hmac-sha256", secret).expect("a key")
}

/// A certificate for `localhost`, and what a server shows it with.
fn certified() -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a key that fits");
    (certificate, Arc::new(config))
}

/// Real servers take a signature's time as it is.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    Timestamp::from_seconds(since.as_secs() as i64)
}

/// The code of an answer.
pub fn code(answer: &[u8]) -> u8 {
    answer[3] & 15
}

/// Whether an answer has a record with this address.
pub fn has(answer: &[u8], address: [u8; 4]) -> bool {
    let record = [&[0, 4][..], &address].concat();
    answer.windows(record.len()).any(|w| w == record)
}

/// A query that keeps the case of its letters.
fn query(asked: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in asked.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// A query that asks for proofs (DO), and a resolver to find them.
pub fn query_with_proof(name: &str, kind: u16) -> Vec<u8> {
    let mut message = query(name, kind);
    message[2] = 1;
    message[11] = 1;
    message.extend([0, 0, 41, 4, 0xD0, 0, 0, 0x80, 0, 0, 0]);
    message
}

fn try_udp(server: SocketAddr, name: &str, kind: u16) -> Option<Vec<u8>> {
    try_message(server, &query(name, kind))
}

pub fn try_message(server: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
    message_within(ANSWER_PATIENCE, server, message)
}

fn message_within(patience: Duration, server: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_read_timeout(Some(patience)).ok()?;
    socket.connect(server).ok()?;
    socket.send(message).ok()?;
    let mut answer = vec![0; 4_096];
    let length = socket.recv(&mut answer).ok()?;
    answer.truncate(length);
    Some(answer)
}

/// Asks from an address of this machine.
pub fn ask_from(source: [u8; 4], over_tcp: bool, server: SocketAddr, name: &str) -> Option<Vec<u8>> {
    use socket2::{Domain, SockAddr, Socket, Type};
    let kind = if over_tcp { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(Domain::IPV4, kind, None).ok()?;
    socket.bind(&SockAddr::from(SocketAddr::from((source, 0)))).ok()?;
    socket.set_read_timeout(Some(ANSWER_PATIENCE)).ok()?;
    socket.connect(&server.into()).ok()?;
    let message = query(name, 1);
    let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    (&socket).write_all(if over_tcp { &framed } else { &message }).ok()?;
    let mut answer = vec![0; 4_096];
    let length = (&socket).read(&mut answer).ok()?;
    answer.truncate(length);
    Some(if over_tcp { answer.get(2..)?.to_vec() } else { answer })
}

pub fn ask_udp(server: SocketAddr, name: &str, kind: u16) -> Vec<u8> {
    (0..3).find_map(|_| try_udp(server, name, kind)).expect("an answer over UDP")
}

/// One question, to which an answer need not come.
pub fn glimpse(server: SocketAddr, name: &str, kind: u16) -> Option<Vec<u8>> {
    message_within(GLIMPSE, server, &query(name, kind))
}

/// One question, once.
pub fn try_ask(server: SocketAddr, name: &str, kind: u16) -> Option<Vec<u8>> {
    try_udp(server, name, kind)
}

pub fn ask_tcp(server: SocketAddr, name: &str, kind: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).expect("connects");
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).expect("a timeout");
    let message = query(name, kind);
    let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    // In two pieces, as a slow client sends.
    stream.write_all(&framed[..5]).expect("sends");
    stream.write_all(&framed[5..]).expect("sends");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("an answer over TCP");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).expect("a whole answer over TCP");
    answer
}
