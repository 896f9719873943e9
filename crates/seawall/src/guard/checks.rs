//! Checks of what the service needs beside itself: databases, other services. One that fails is
//! told of in its own words: evidence for a slow or dead supplier, beside what the requests show. It
//! is evidence of what has changed alone: one that has never been good, or that fails for long while
//! the site does well, says that the check is wrong.
//!
//! Each check has a thread of its own, asks once a second, and waits for an answer no longer than it
//! may take. Nothing is kept open: a connection that is refused is a part of what is checked.

use super::clock;
use super::postgres;
use crate::config::{CheckConfig, CheckKind};
use seawall_detection::Window;
use seawall_model::observation::{BackendEvent, BackendEventKind, Observation};
use seawall_model::{Timestamp, hash};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often each check is made.
const EVERY: Duration = Duration::from_secs(1);
/// After so long what fails is how things are now.
const NEWS_S: f64 = 600.0;
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;
/// Bytes of an answer that are looked at.
const ANSWER_BYTES: usize = 512;

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Good,
    /// It takes no connection.
    Refused,
    /// It did not answer in time.
    Late,
    /// It answered with an error, in its own words.
    Bad(String),
}

/// One check, as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub name: String,
    /// `None`: it has not been made yet.
    pub finding: Option<Finding>,
}

/// The checks of a guard. Dropping it ends them.
pub struct Checks {
    board: Arc<Board>,
}

struct Board {
    rows: Mutex<Vec<Row>>,
    window: Mutex<Window>,
    is_over: AtomicBool,
}

/// One check, and what it has found so far.
struct Row {
    shown: Shown,
    was_good: bool,
    failing_since: Option<Timestamp>,
}

impl Row {
    /// Takes what was found; true if it is news that something fails.
    fn note(&mut self, finding: Finding, now: Timestamp) -> bool {
        let is_good = finding == Finding::Good;
        self.shown.finding = Some(finding);
        self.was_good |= is_good;
        let begun = self.failing_since.unwrap_or(now);
        self.failing_since = (!is_good).then_some(begun);
        !is_good && self.was_good && now.since_s(begun) < NEWS_S
    }
}

impl Checks {
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(all: &[CheckConfig]) -> io::Result<Self> {
        let shown = |check: &CheckConfig| Shown { name: check.name.clone(), finding: None };
        let row = |check| Row { shown: shown(check), was_good: false, failing_since: None };
        let rows = all.iter().map(row).collect();
        let board = Arc::new(Board {
            rows: Mutex::new(rows),
            window: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let checks = Self { board };
        for (at, check) in all.iter().cloned().enumerate() {
            let board = Arc::clone(&checks.board);
            std::thread::Builder::new().name("check".into()).spawn(move || {
                let mut known = vec![check.socket];
                while !board.is_over.load(Ordering::Relaxed) {
                    let begun = clock::instant();
                    let finding = make(&check, &mut known);
                    board.note(at, &check, finding, clock::now());
                    std::thread::sleep(EVERY.saturating_sub(begun.elapsed()));
                }
            })?;
        }
        Ok(checks)
    }

    /// What was found since the last call.
    #[must_use]
    pub fn take_window(&self) -> Window {
        std::mem::take(&mut *lock(&self.board.window))
    }

    /// All checks, and what each has found last.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        lock(&self.board.rows).iter().map(|row| row.shown.clone()).collect()
    }

    /// Those that fail and have never been good.
    #[must_use]
    pub fn never_good(&self) -> Vec<Shown> {
        let rows = lock(&self.board.rows);
        rows.iter().filter(|r| !r.was_good && r.failing_since.is_some()).map(|r| r.shown.clone()).collect()
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.board.is_over.store(true, Ordering::Relaxed);
    }
}

impl Board {
    fn note(&self, at: usize, check: &CheckConfig, finding: Finding, now: Timestamp) {
        let told = told(check, &finding);
        let is_news = lock(&self.rows).get_mut(at).is_some_and(|row| row.note(finding, now));
        let Some(text) = told.filter(|_| is_news) else { return };
        let event = BackendEvent {
            time: now,
            kind: BackendEventKind::CheckFailed,
            backend: b"",
            server: check.name.as_bytes(),
            text: text.as_bytes(),
        };
        let priority = hash::combine(at as u64, now.0 as u64);
        lock(&self.window).observe(&Observation::Backend(event), priority);
    }
}

/// What a check that has failed tells.
fn told(check: &CheckConfig, finding: &Finding) -> Option<String> {
    let CheckConfig { name, within_ms, .. } = check;
    match finding {
        Finding::Good => None,
        Finding::Refused => Some(format!("check `{name}`: it takes no connection")),
        Finding::Late => Some(format!("check `{name}`: no answer within {within_ms} ms")),
        Finding::Bad(words) => Some(format!("check `{name}`: it answered {words}")),
    }
}

/// Makes a check once, where its name leads now; where that cannot be told, at the `known` addresses.
#[must_use]
pub fn make(check: &CheckConfig, known: &mut Vec<SocketAddr>) -> Finding {
    if let Ok(mut found) = check.address.to_socket_addrs().map(|all| all.take(MOST_ADDRESSES).peekable())
        && found.peek().is_some()
    {
        *known = found.collect();
    }
    let until = clock::instant() + Duration::from_millis(u64::from(check.within_ms));
    let stream = match connect(known, until) {
        Ok(stream) => stream,
        Err(error) if is_late(&error) => return Finding::Late,
        Err(_) => return Finding::Refused,
    };
    let mut timed = Timed { stream, until };
    let asked = match &check.kind {
        CheckKind::Tcp => Ok(Finding::Good),
        CheckKind::Http { path } => http(&mut timed, &check.address, path),
        CheckKind::Redis => redis(&mut timed),
        CheckKind::Mysql => mysql(&mut timed),
        CheckKind::PostgreSql { login } => postgres::ask(&mut timed, login.as_ref()),
    };
    match asked {
        Ok(finding) => finding,
        Err(error) if is_late(&error) => Finding::Late,
        Err(error) => Finding::Bad(format!("nothing whole ({error})")),
    }
}

/// Connects to the first of these addresses that takes a connection; each may take its share of the time.
fn connect(all: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut connected = Err(ErrorKind::AddrNotAvailable.into());
    for (address, left) in all.iter().zip((1..=all.len() as u32).rev()) {
        let within = until.saturating_duration_since(clock::instant()) / left;
        if within.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        connected = TcpStream::connect_timeout(address, within);
        if connected.is_ok() {
            break;
        }
    }
    connected
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

/// A connection on which all is to be said by a moment.
pub struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(clock::instant());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(part)
    }
}

impl Write for Timed {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn http<S: Read + Write>(stream: &mut S, host: &str, path: &str) -> io::Result<Finding> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: seawall-check\r\nConnection: close\r\n\r\n"
    )?;
    let line = first_line(stream)?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or_default();
    let is_good = status.starts_with('2') || status.starts_with('3');
    Ok(if is_good { Finding::Good } else { Finding::Bad(format!("`{line}`")) })
}

/// A server that asks for a password has answered.
fn redis<S: Read + Write>(stream: &mut S) -> io::Result<Finding> {
    stream.write_all(b"PING\r\n")?;
    let line = first_line(stream)?;
    let is_good = line.starts_with("+PONG") || line.starts_with("-NOAUTH");
    Ok(if is_good { Finding::Good } else { Finding::Bad(format!("`{line}`")) })
}

/// The greeting of the MySQL protocol: length in three bytes, a number, then version 10, or 255 and
/// an error, such as that there are too many connections.
fn mysql<S: Read>(stream: &mut S) -> io::Result<Finding> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8;
    let mut rest = vec![0; length.saturating_sub(1).min(ANSWER_BYTES)];
    stream.read_exact(&mut rest)?;
    Ok(match head[4] {
        10 => Finding::Good,
        255 => Finding::Bad(shown(rest.get(2..).unwrap_or_default())),
        _ => Finding::Bad("no greeting of MySQL".to_owned()),
    })
}

fn first_line<S: Read>(stream: &mut S) -> io::Result<String> {
    let (mut bytes, mut part) = (Vec::new(), [0; 128]);
    while bytes.len() < ANSWER_BYTES && !bytes.contains(&b'\n') {
        match stream.read(&mut part)? {
            0 if bytes.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
            0 => break,
            n => bytes.extend_from_slice(&part[..n]),
        }
    }
    Ok(shown(bytes.split(|b| *b == b'\n').next().unwrap_or_default()))
}

/// Text of another program, so that it can be told in a line.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().filter(|c| !c.is_control()).take(120).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// What a server says, whatever it is asked.
    struct Says(Cursor<&'static [u8]>);

    impl Read for Says {
        fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
            self.0.read(part)
        }
    }

    impl Write for Says {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            Ok(part.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn says(bytes: &'static [u8]) -> Says {
        Says(Cursor::new(bytes))
    }

    #[test]
    fn answers_are_told_from_errors() {
        let is_good = |finding: io::Result<Finding>| matches!(finding, Ok(Finding::Good));
        assert!(is_good(http(&mut says(b"HTTP/1.1 204 No Content\r\n\r\n"), "a", "/")));
        assert!(!is_good(http(&mut says(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), "a", "/")));
        assert!(is_good(redis(&mut says(b"+PONG\r\n"))));
        assert!(is_good(redis(&mut says(b"-NOAUTH Authentication required.\r\n"))));
        let loading = redis(&mut says(b"-LOADING Redis is loading the dataset in memory\r\n"));
        assert!(matches!(loading, Ok(Finding::Bad(words)) if words.contains("LOADING")));
        assert!(is_good(mysql(&mut says(b"\x04\0\0\0\x0a8.0"))));
        let full = mysql(&mut says(b"\x17\0\0\0\xff\x10\x04Too many connections"));
        assert_eq!(full.ok(), Some(Finding::Bad("Too many connections".to_owned())));
        assert!(redis(&mut says(b"")).is_err());
    }

    fn orders() -> CheckConfig {
        CheckConfig {
            name: "orders".to_owned(),
            kind: CheckKind::Tcp,
            address: "127.0.0.1:1".to_owned(),
            socket: ([127, 0, 0, 1], 1).into(),
            within_ms: 200,
        }
    }

    /// The board of one check that no thread makes.
    fn still() -> Checks {
        let checks = Checks::start(&[]).expect("no thread");
        let shown = Shown { name: "orders".to_owned(), finding: None };
        lock(&checks.board.rows).push(Row { shown, was_good: false, failing_since: None });
        checks
    }

    /// Broke: a check that could never succeed opened an incident in calm times, and hid an attack.
    #[test]
    fn a_check_that_always_fails_is_no_evidence() {
        let (check, checks) = (orders(), still());
        for s in 0..30 {
            checks.board.note(0, &check, Finding::Refused, Timestamp::from_seconds(s));
        }
        assert!(checks.take_window().is_empty());
        assert_eq!(checks.never_good().len(), 1);
        checks.board.note(0, &check, Finding::Good, Timestamp::from_seconds(30));
        assert!(checks.never_good().is_empty());
        for s in 31..631 {
            checks.board.note(0, &check, Finding::Late, Timestamp::from_seconds(s));
        }
        assert!(!checks.take_window().is_empty());
        checks.board.note(0, &check, Finding::Late, Timestamp::from_seconds(640));
        assert!(checks.take_window().is_empty(), "no news any more");
    }

    #[test]
    fn a_failure_is_told_as_evidence_in_the_words_of_the_check() {
        let (check, checks) = (orders(), still());
        checks.board.note(0, &check, Finding::Good, Timestamp::from_seconds(1));
        assert!(checks.take_window().is_empty());
        checks.board.note(0, &check, Finding::Late, Timestamp::from_seconds(2));
        let window = checks.take_window();
        let backends = window.backends.expect("an event");
        assert_eq!(backends.count(BackendEventKind::CheckFailed), 1);
        assert_eq!(backends.events[0].2, "check `orders`: no answer within 200 ms");
        let closed = seawall_ports::free().expect("the loopback has a free port");
        let elsewhere = CheckConfig { address: closed.to_string(), ..check };
        assert_eq!(make(&elsewhere, &mut Vec::new()), Finding::Refused);
    }

    /// Broke: the name of a check was looked up once, and what had moved was looked for where it had been.
    #[test]
    fn a_check_is_made_where_its_name_leads_now() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = server.local_addr().expect("an address");
        let closed = seawall_ports::free().expect("the loopback has a free port");
        let mut known = vec![closed];
        let check = CheckConfig { address: here.to_string(), within_ms: 60_000, ..orders() };
        assert_eq!(make(&check, &mut known), Finding::Good);
        // A name that is gone leads where it did.
        let gone = CheckConfig { address: "no port".to_owned(), ..check };
        assert_eq!((make(&gone, &mut known), &known[..]), (Finding::Good, &[here][..]));
        assert_eq!(make(&gone, &mut vec![closed, here]), Finding::Good, "all its addresses are tried");
        assert_eq!(make(&gone, &mut vec![closed]), Finding::Refused);
    }
}
