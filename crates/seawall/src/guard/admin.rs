//! The admin socket: a small HTTP server on a Unix socket with threads of its own, so that it
//! answers while the data plane is saturated, and while another client of it is silent.

use super::clock;
use super::prometheus::{self, Metric, label};
use crate::config;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use seawall_http_edge::Edge;
use seawall_http_edge::counters::Counter;
use seawall_http_edge::http1::head::{self, Scanner};
use seawall_http_edge::http1::{Framing, HeadLimits};
use seawall_model::change::{Change, ChangeKind};
use seawall_model::observation::Method;
use seawall_model::{Prefix, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest that one client may take to ask, and to be answered.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest for the control loop to carry an order out: a new program is started and heard of.
const ORDER_PATIENCE: Duration = Duration::from_secs(40);
/// Clients at once that have not asked yet; for one more, the one that was silent for longest goes.
const CLIENTS: usize = 64;
/// Commands that wait for the control loop.
const COMMANDS: usize = 16;
const LIMITS: HeadLimits = HeadLimits { head_bytes: 8_192, target_bytes: 1_024, fields: 50 };
const BODY_BYTES: usize = 8_192;
/// Most of a body that is too long that is read before it is refused.
const DRAINED_BYTES: u64 = 4 << 20;

/// What is said of a change that says nothing: it would be evidence for nothing.
pub const NO_TEXT: &str = "the change has no text: say what was changed, such as \"deploy 1.4.2\"";

/// What the control loop shows, as JSON, renewed every second.
#[derive(Clone, Debug)]
pub struct Shown {
    pub state: String,
    pub plan: String,
    pub incidents: String,
    pub protected: String,
}

/// What the control loop is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    Undo,
    /// What was undone may be done again.
    EndUndo,
    /// Read the configuration again.
    Reload,
    /// Let the program that is installed now take over.
    Upgrade,
    Change {
        kind: ChangeKind,
        text: String,
    },
    Protect(Prefix),
    /// An order to protect is taken back.
    Unprotect(Prefix),
}

impl Order {
    /// The change that an order tells of.
    #[must_use]
    pub fn as_change(&self, time: Timestamp) -> Option<Change> {
        match self {
            Self::Change { kind, text } => Some(Change { time, kind: *kind, text: text.clone() }),
            _ => None,
        }
    }
}

/// The socket's side that the control loop holds.
#[derive(Debug)]
pub struct Admin {
    pub shown: Arc<Mutex<Shown>>,
    /// Metrics of what the edge does not count, in the text format.
    pub metrics: Arc<Mutex<String>>,
    /// Orders, each with where to say what came of it.
    pub orders: Receiver<(Order, Reply)>,
}

/// Takes what came of an order: JSON, or why it was not carried out.
pub type Reply = SyncSender<Result<String, String>>;

struct Server {
    shown: Arc<Mutex<Shown>>,
    metrics: Arc<Mutex<String>>,
    orders: SyncSender<(Order, Reply)>,
    edge: Arc<Edge>,
}

struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

/// A socket that clients can come to: they are served once there is something to show.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    edge: Arc<Edge>,
}

/// Listens on a socket that only its owner may use. A socket left by a program that is gone is
/// replaced; one that answers only by a program that takes over from it.
///
/// # Errors
/// If another guard listens there, or the socket cannot be made.
pub fn listen(path: &Path, edge: Arc<Edge>, takes_over: bool) -> io::Result<Listening> {
    if !takes_over && UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another guard listens there"));
    }
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {}
        Ok(_) => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file is there that is no socket"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Beside its place and moved there, so that there is always somebody to give orders to.
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let _ = std::fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&beside, path)?;
    Ok(Listening { listener, edge })
}

impl Listening {
    /// Serves who waits and who comes, with what is shown first.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn serve(self, shown: Shown) -> io::Result<Admin> {
        let Self { listener, edge } = self;
        let (sender, orders) = sync_channel(COMMANDS);
        let shown = Arc::new(Mutex::new(shown));
        let metrics = Arc::<Mutex<String>>::default();
        let server =
            Server { shown: Arc::clone(&shown), metrics: Arc::clone(&metrics), orders: sender, edge };
        std::thread::Builder::new().name("admin".into()).spawn(move || accept(&listener, server))?;
        Ok(Admin { shown, metrics, orders })
    }
}

fn accept(listener: &UnixListener, server: Server) {
    let (server, silent) = (Arc::new(server), Arc::<Silent>::default());
    for (number, stream) in (0_u64..).zip(listener.incoming().flatten()) {
        silent.make_room();
        silent.add(number, &stream);
        let (server, silent) = (Arc::clone(&server), Arc::clone(&silent));
        // Where there is no thread for it, a client is sent away. One that goes away harms
        // nobody but itself.
        let _ = std::thread::Builder::new().name("admin".into()).spawn(move || {
            let _ = server.serve(stream, || silent.remove(number));
            silent.remove(number);
        });
    }
}

/// Asks a running guard. Returns status and body.
///
/// # Errors
/// If nothing answers on the socket.
pub fn ask(path: &Path, method: &str, target: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(path)?;
    // In a folder that everybody writes to, anybody may have been there first. Root's own guard listens
    // where nobody else writes, and that of another user is one that root has named.
    let (answers, own) = (socket_peercred(&stream)?.uid, geteuid());
    if answers != own && !answers.is_root() && !own.is_root() {
        let reason = "the program that listens there belongs to another user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    stream.set_read_timeout(Some(ORDER_PATIENCE + PATIENCE))?;
    let length = body.len();
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: seawall\r\nContent-Length: {length}\r\n\r\n{body}")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.get(9..12).and_then(|s| s.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Server {
    fn serve(&self, mut stream: UnixStream, asked: impl FnOnce()) -> io::Result<()> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let said = match read(&mut Patient { stream: &mut stream, until: clock::instant() + PATIENCE }) {
            Err(error) if is_late(&error) => Said::Late,
            said => said?,
        };
        asked();
        let answer = match said {
            Said::Request(method, path, body) => self.answer(method, &path, &body),
            Said::TooLong => error(
                "413 Content Too Large",
                &format!("more than {BODY_BYTES} bytes are no order: shorten the text"),
            ),
            Said::CutShort => error(
                "400 Bad Request",
                "the request ended before it was whole: its body is shorter than Content-Length says",
            ),
            Said::Late => error(
                "408 Request Timeout",
                "the request was not whole within 2 s: its body may be shorter than Content-Length says",
            ),
            Said::Nonsense => error("400 Bad Request", "this is no request of HTTP/1.1, which has a Host"),
        };
        let Answer { status, content_type, body } = answer;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn answer(&self, method: Method, path: &str, body: &[u8]) -> Answer {
        let shown = || self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (method, path) {
            (Method::Get, "/v1/state") => json(shown().state),
            (Method::Get, "/v1/plan") => json(shown().plan),
            (Method::Get, "/v1/incidents") => json(shown().incidents),
            (Method::Get, "/v1/protected") => json(shown().protected),
            (Method::Get, "/metrics") => Answer {
                status: "200 OK",
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                body: metrics(&self.edge) + &self.metrics.lock().unwrap_or_else(PoisonError::into_inner),
            },
            (Method::Post, "/v1/undo") => self.order(Order::Undo),
            (Method::Delete, "/v1/undo") => self.order(Order::EndUndo),
            (Method::Post, "/v1/reload") => self.order(Order::Reload),
            (Method::Post, "/v1/upgrade") => self.order(Order::Upgrade),
            (Method::Post, "/v1/changes") => match change(body) {
                Ok(change) => self.order(change),
                Err(reason) => error("400 Bad Request", &reason),
            },
            (Method::Post, "/v1/protected") => match protected(body) {
                Ok(prefix) => self.order(Order::Protect(prefix)),
                Err(reason) => error("400 Bad Request", &reason),
            },
            (Method::Delete, "/v1/protected") => match protected(body) {
                Ok(prefix) => self.order(Order::Unprotect(prefix)),
                Err(reason) => error("400 Bad Request", &reason),
            },
            (
                _,
                "/v1/state" | "/v1/plan" | "/v1/incidents" | "/v1/protected" | "/v1/undo" | "/v1/reload"
                | "/v1/upgrade" | "/v1/changes" | "/metrics",
            ) => error("405 Method Not Allowed", "this address takes another method"),
            _ => error(
                "404 Not Found",
                "known are /v1/state, /v1/plan, /v1/incidents, /v1/protected, /v1/changes, /v1/undo, /v1/reload, /v1/upgrade and /metrics",
            ),
        }
    }

    fn order(&self, order: Order) -> Answer {
        let (done, answer) = sync_channel(1);
        if self.orders.try_send((order, done)).is_err() {
            return error("503 Service Unavailable", "too many orders wait");
        }
        match answer.recv_timeout(ORDER_PATIENCE) {
            Ok(Ok(text)) => json(text),
            Ok(Err(reason)) => error("409 Conflict", &reason),
            Err(_) => error("503 Service Unavailable", "the control loop did not answer in time"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeRow {
    #[serde(default)]
    kind: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProtectedRow {
    prefix: String,
}

fn change(body: &[u8]) -> Result<Order, String> {
    let row: ChangeRow =
        serde_json::from_slice(body).map_err(|e| format!("{{\"kind\", \"text\"}} is expected: {e}"))?;
    if row.text.trim().is_empty() {
        return Err(NO_TEXT.to_owned());
    }
    let unknown = || format!("kind: there is no {:?}; known are {}", row.kind, ChangeKind::NAMES.join(", "));
    let kind = ChangeKind::named(&row.kind).ok_or_else(unknown)?;
    Ok(Order::Change { kind, text: row.text })
}

fn protected(body: &[u8]) -> Result<Prefix, String> {
    let row: ProtectedRow =
        serde_json::from_slice(body).map_err(|e| format!("{{\"prefix\"}} is expected: {e}"))?;
    config::protected(&row.prefix).map_err(|reason| format!("prefix: {reason}"))
}

/// A client that has until a moment to say all that it has to say.
struct Patient<'a> {
    stream: &'a mut UnixStream,
    until: Instant,
}

impl Read for Patient<'_> {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(clock::instant());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(part)
    }
}

/// Clients that have not asked yet, by their numbers: the oldest first.
#[derive(Default)]
struct Silent(Mutex<BTreeMap<u64, UnixStream>>);

impl Silent {
    fn add(&self, number: u64, stream: &UnixStream) {
        // Without a second descriptor it is only not sent away.
        if let Ok(stream) = stream.try_clone() {
            self.all().insert(number, stream);
        }
    }

    fn remove(&self, number: u64) {
        self.all().remove(&number);
    }

    fn make_room(&self) {
        let mut all = self.all();
        while all.len() >= CLIENTS {
            let Some((_, oldest)) = all.pop_first() else { return };
            // Its thread sees the end, and ends as well.
            let _ = oldest.shutdown(std::net::Shutdown::Both);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, UnixStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client said.
#[derive(Debug, PartialEq)]
enum Said {
    /// Method, path, body.
    Request(Method, String, Vec<u8>),
    /// Its body is longer than any order's; as much of it was read as anybody may send.
    TooLong,
    /// It ended in the middle of its body.
    CutShort,
    /// It did not end in time.
    Late,
    Nonsense,
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// Reads one request.
fn read(stream: &mut impl Read) -> io::Result<Said> {
    let (mut buffer, mut scanner) = (Vec::new(), Scanner::default());
    let mut part = [0; 1_024];
    let end = loop {
        match scanner.find_end(&buffer, &LIMITS) {
            Ok(Some(end)) => break end,
            Ok(None) => {}
            Err(_) => return Ok(Said::Nonsense),
        }
        match stream.read(&mut part)? {
            0 => return Ok(Said::Nonsense),
            n => buffer.extend_from_slice(&part[..n]),
        }
    };
    let Ok(head) = head::request(&buffer, end, &LIMITS, &mut Vec::new()) else { return Ok(Said::Nonsense) };
    let length = match head.framing {
        Framing::None => 0,
        Framing::Length(length) if length <= BODY_BYTES as u64 => length as usize,
        Framing::Length(length) => {
            // Read to its end, or the client would see a broken connection and no answer.
            let left = length.saturating_sub((buffer.len() - end) as u64).min(DRAINED_BYTES);
            // One that does not send it all is told the same.
            let _ = io::copy(&mut stream.by_ref().take(left), &mut io::sink());
            return Ok(Said::TooLong);
        }
        Framing::Chunked | Framing::ToEnd => return Ok(Said::Nonsense),
    };
    while buffer.len() < end + length {
        match stream.read(&mut part)? {
            0 => return Ok(Said::CutShort),
            n => buffer.extend_from_slice(&part[..n]),
        }
    }
    let path = String::from_utf8_lossy(head.path.of(&buffer)).into_owned();
    Ok(Said::Request(head.method, path, buffer[end..end + length].to_vec()))
}

fn json(body: String) -> Answer {
    Answer { status: "200 OK", content_type: "application/json", body: body + "\n" }
}

fn error(status: &'static str, reason: &str) -> Answer {
    let body = serde_json::json!({ "error": reason }).to_string() + "\n";
    Answer { status, content_type: "application/json", body }
}

/// All counters and gauges in the text format of Prometheus.
fn metrics(edge: &Edge) -> String {
    let mut out = String::new();
    let mut one =
        |metric: Metric<'_>, value: u64| prometheus::add(&mut out, metric, [(String::new(), value)]);
    for counter in Counter::ALL {
        let name = format!("{}_total", counter.name());
        one((&name, "counter", counter.help().trim()), edge.count(*counter));
    }
    one(("connections_open", "gauge", "connections open now"), u64::from(edge.open_connections()));
    one(("requests_active", "gauge", "requests under way"), u64::from(edge.active()));
    let up = edge.upstreams().into_iter().map(|(site, name, is_up)| {
        (format!("{{site=\"{site}\",upstream=\"{}\"}}", label(&name)), u8::from(is_up))
    });
    prometheus::add(&mut out, ("upstream_up", "gauge", "whether the upstream is up"), up);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says a text, and then nothing more for as long as anybody waits.
    struct Stalls<'a>(&'a [u8]);

    impl Read for Stalls<'_> {
        fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(part) }
        }
    }

    /// Broke: whoever announced a body and did not send all of it was sent away without a word.
    #[test]
    fn a_body_that_does_not_come_whole_is_answered() {
        let short = &b"POST /v1/changes HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{}"[..];
        assert_eq!(read(&mut { short }).ok(), Some(Said::CutShort));
        assert!(read(&mut Stalls(short)).is_err_and(|error| is_late(&error)));
        let long = &b"POST /v1/changes HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n{}"[..];
        assert_eq!(read(&mut Stalls(long)).ok(), Some(Said::TooLong));
        assert_eq!(read(&mut { long }).ok(), Some(Said::TooLong));
    }
    /// Broke: a kind that is misspelt was taken without a word, as if none had been given.
    #[test]
    fn a_kind_of_change_that_there_is_not_is_refused() {
        let of = |kind: &str| change(format!(r#"{{"kind": "{kind}", "text": "4.2"}}"#).as_bytes());
        let is_kind = |said: &str, kind| of(said) == Ok(Order::Change { kind, text: "4.2".to_owned() });
        assert!(is_kind("release", ChangeKind::Deploy) && is_kind("", ChangeKind::Other));
        let reason = of("deplyo").expect_err("misspelt");
        assert!(reason.contains("deplyo") && reason.contains("deploy, configuration"), "{reason}");
    }
}
