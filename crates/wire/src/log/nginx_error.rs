//! nginx's error log: trouble with upstreams, refusals by limits, failed logins, failed TLS.
//!
//! Errors about single files or requests are passed over: the access log tells of the same
//! requests with their status.

use super::date::{self, Dates};
use super::draft::{Draft, Field};
use super::scan::{Cursor, address, address_and_port};
use super::{Line, LineError, haproxy, target};
use memchr::{memchr, memmem};
use seawall_model::Timestamp;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::observation::{BackendEvent, BackendEventKind, Ending, Login, Observation};

/// Reads `2021/09/30 09:23:53 [error] 19258#19258: *17 message, client: …, server: …, request:
/// "…", upstream: "…", host: "…"`.
pub(super) fn read<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Line<'a>, LineError> {
    let error = |reason, at_byte| LineError { reason, at_byte };
    let stamp = line.get(..19).filter(|s| s[4] == b'/').and_then(date::iso);
    let time = stamp.ok_or(error("no date of an error log", 0))?;
    let mut cursor = Cursor::new(line);
    cursor.skip(19);
    if !cursor.eat(b" [") || cursor.until(b']').is_none_or(|level| level.len() > 8) {
        return Err(error("no [level]", 19));
    }
    cursor.skip_spaces();
    let process = cursor.token().unwrap_or(b"");
    if memchr(b'#', process).is_none() {
        return Err(error("no process#thread", cursor.at()));
    }
    dates.saw(time);
    if cursor.peek() == Some(b'*') {
        cursor.token();
    }
    Ok(message(time, cursor.rest(), dates))
}

fn message<'a>(time: Timestamp, text: &'a [u8], dates: &mut Dates) -> Line<'a> {
    let details = Details::of(text);
    if let Some(kind) = backend_kind(details.words) {
        return Line::Observation(Observation::Backend(BackendEvent {
            time,
            kind,
            backend: details.part(b"server: "),
            server: authority(details.quoted(b"upstream: \"")),
            text,
        }));
    }
    if let Some((succeeded, service, user)) = login(&details) {
        let Some(client) = address(details.client()) else { return Line::Nothing };
        return Line::Observation(Observation::Login(Login {
            time,
            client,
            succeeded,
            challenged: false,
            service,
            user,
        }));
    }
    if details.says(b"SSL_do_handshake() failed") || details.says(b"in SSL handshake") {
        let connection =
            haproxy::connection(time, address_and_port(details.client()), haproxy::failed_handshake(text));
        return connection.map_or(Line::Nothing, |c| Line::Observation(Observation::Connection(c)));
    }
    let refusals: [&[u8]; 4] = [
        b"limiting requests",
        b"limiting connections",
        b"access forbidden by rule",
        b"ModSecurity: Access denied",
    ];
    if refusals.iter().any(|words| details.says(words)) {
        return refused(time, &details, dates);
    }
    if details.words.starts_with(b"reconfiguring") {
        let text = "nginx: reconfiguring".to_owned();
        return Line::Change(Change { time, kind: ChangeKind::Configuration, text });
    }
    Line::Nothing
}

/// A request that a rule or limit turned away. A dry run turns nothing away.
fn refused<'a>(time: Timestamp, details: &Details<'a>, dates: &mut Dates) -> Line<'a> {
    if details.says(b"dry run") {
        return Line::Nothing;
    }
    let mut draft = Draft::new(dates);
    draft.time = Some(time);
    draft.peer = details.client();
    draft.request.ending = Ending::Denied;
    target::request_line(&mut draft.request, details.quoted(b"request: \""));
    draft.set(Field::Host, details.quoted(b"host: \""), dates);
    draft.set(Field::Referrer, details.quoted(b"referrer: \""), dates);
    draft.finish().map_or(Line::Nothing, |r| Line::Observation(Observation::Request(r)))
}

fn backend_kind(words: &[u8]) -> Option<BackendEventKind> {
    let signs: [(&[u8], BackendEventKind); 10] = [
        (b"upstream timed out", BackendEventKind::UpstreamTimedOut),
        (b"no live upstreams", BackendEventKind::PoolEmpty),
        (b"while connecting to upstream", BackendEventKind::ConnectFailed),
        (b"upstream prematurely closed", BackendEventKind::ConnectFailed),
        (b"while reading response header from upstream", BackendEventKind::ConnectFailed),
        (b"upstream server temporarily disabled", BackendEventKind::ServerDown),
        (b"worker_connections are not enough", BackendEventKind::Exhausted),
        (b"Too many open files", BackendEventKind::Exhausted),
        (b"Cannot allocate memory", BackendEventKind::Exhausted),
        (b"connect() failed", BackendEventKind::ConnectFailed),
    ];
    signs.iter().find(|(sign, _)| memmem::find(words, sign).is_some()).map(|(_, kind)| *kind)
}

/// Basic authentication and the mail proxy.
fn login<'a>(details: &Details<'a>) -> Option<(bool, &'static str, &'a [u8])> {
    let basic = details.words.strip_prefix(b"user \"").and_then(|rest| {
        let end = memchr(b'"', rest)?;
        let after = &rest[end + 1..];
        let failed = after.starts_with(b" was not found") || after.starts_with(b": password mismatch");
        failed.then_some(&rest[..end])
    });
    if let Some(user) = basic {
        return Some((false, "http-basic", user));
    }
    let user = details.quoted(b"login: \"");
    if details.words.starts_with(b"client login failed") {
        return Some((false, "mail", user));
    }
    details.words.starts_with(b"client logged in").then_some((true, "mail", user))
}

/// A message with the details that nginx appends to it.
struct Details<'a> {
    words: &'a [u8],
    details: &'a [u8],
}

impl<'a> Details<'a> {
    fn of(text: &'a [u8]) -> Self {
        let (words, details) = text.split_at(memmem::find(text, b", client: ").unwrap_or(text.len()));
        Self { words, details }
    }

    fn says(&self, words: &[u8]) -> bool {
        memmem::find(self.words, words).is_some()
    }

    /// The text after `, name` up to the next comma.
    fn part(&self, name: &[u8]) -> &'a [u8] {
        let Some(at) = memmem::find(self.details, name) else { return b"" };
        let rest = &self.details[at + name.len()..];
        &rest[..memchr(b',', rest).unwrap_or(rest.len())]
    }

    fn client(&self) -> &'a [u8] {
        let client = self.part(b"client: ");
        &client[..memchr(b' ', client).unwrap_or(client.len())]
    }

    /// The text after `name"` up to the quote that ends a detail.
    fn quoted(&self, name: &[u8]) -> &'a [u8] {
        let Some(at) = memmem::find(self.details, name) else { return b"" };
        let rest = &self.details[at + name.len()..];
        let end = memmem::find(rest, b"\", ").or_else(|| memchr::memrchr(b'"', rest)).unwrap_or(rest.len());
        &rest[..end]
    }
}

/// `10.0.0.1:8080` of `http://10.0.0.1:8080/path`.
fn authority(url: &[u8]) -> &[u8] {
    let rest = memmem::find(url, b"://").map_or(url, |at| &url[at + 3..]);
    &rest[..memchr(b'/', rest).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> String {
        let line = format!("2021/09/30 09:23:53 [error] 19#19: {message}");
        match read(&mut Dates::default(), line.as_bytes()).unwrap() {
            Line::Observation(Observation::Backend(b)) => {
                format!(
                    "{:?} {} {}",
                    b.kind,
                    String::from_utf8_lossy(b.backend),
                    String::from_utf8_lossy(b.server)
                )
            }
            Line::Observation(Observation::Login(l)) => {
                format!(
                    "login {} {} {} {}",
                    l.succeeded,
                    l.service,
                    l.client,
                    String::from_utf8_lossy(l.user)
                )
            }
            Line::Observation(Observation::Request(r)) => {
                let (host, path) = (String::from_utf8_lossy(r.host), String::from_utf8_lossy(r.path));
                format!("{:?} {} {host}{path}", r.ending, r.client)
            }
            Line::Observation(Observation::Connection(c)) => format!("{:?} {}", c.event, c.client),
            Line::Change(change) => change.text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn messages_mean_what_they_say() {
        let tail = r#"client: 198.51.100.7, server: shop, request: "GET /a HTTP/1.1", upstream: "http://10.0.0.1:8080/a", host: "shop.example.com""#;
        for (message, expected) in [
            (
                "upstream timed out (110: Connection timed out) while reading response header from upstream",
                "UpstreamTimedOut shop 10.0.0.1:8080",
            ),
            (
                "connect() failed (111: Connection refused) while connecting to upstream",
                "ConnectFailed shop 10.0.0.1:8080",
            ),
            ("no live upstreams while connecting to upstream", "PoolEmpty shop 10.0.0.1:8080"),
            (r#"limiting requests, excess: 5.428 by zone "z""#, "Denied 198.51.100.7 shop.example.com/a"),
            (
                r#"[client 198.51.100.7] ModSecurity: Access denied with code 403 (phase 2)"#,
                "Denied 198.51.100.7 shop.example.com/a",
            ),
            (r#"limiting requests, dry run, excess: 5.428 by zone "z""#, "Nothing"),
            (r#"user "foo" was not found in "/tmp/a""#, "login false http-basic 198.51.100.7 foo"),
            (r#"user "foo": password mismatch"#, "login false http-basic 198.51.100.7 foo"),
            ("SSL_do_handshake() failed (SSL: error:1)", "TlsAbandoned 198.51.100.7"),
            (r#"open() "/x" failed (2: No such file or directory)"#, "Nothing"),
        ] {
            assert_eq!(of(&format!("*17 {message}, {tail}")), expected, "{message}");
        }
        assert_eq!(of("1024 worker_connections are not enough"), "Exhausted  ");
        assert_eq!(of("reconfiguring"), "nginx: reconfiguring");
        assert_eq!(
            of(
                r#"*1 client login failed: "x" while in http auth state, client: 198.51.100.7 using starttls, server: 0.0.0.0:25, login: "a@b""#
            ),
            "login false mail 198.51.100.7 a@b"
        );
        assert_eq!(
            of(
                r#"*1 client logged in, client: 198.51.100.7, server: 0.0.0.0:25, login: "a@b", upstream: 10.0.0.1:25"#
            ),
            "login true mail 198.51.100.7 a@b"
        );
    }
}
