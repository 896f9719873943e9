//! What runs an application behind the web server says of its requests and of itself: uWSGI, Uvicorn,
//! PHP-FPM.

use super::date::{self, CLF_BYTES, Dates};
use super::draft::{Draft, Field, Unit};
use super::envelope::Envelope;
use super::scan::{Cursor, address_and_port};
use super::{Line, LineError, target};
use memchr::{memchr, memmem};
use seawall_model::Timestamp;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::observation::{BackendEvent, BackendEventKind, Observation, Request};

/// Reads uWSGI's `[pid: 12|app: 0|req: 1/1] 198.51.100.7 (anna) {40 vars in 623 bytes} [Wed Mar  6 08:55:28
/// 2024] GET /a?b => generated 1234 bytes in 17 msecs (HTTP/1.1 200) 3 headers in 100 bytes …`.
pub(super) fn uwsgi<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Request<'a>, LineError> {
    let error = |reason, cursor: &Cursor<'_>| LineError { reason, at_byte: cursor.at() };
    let mut cursor = Cursor::new(line);
    if !cursor.eat(b"[pid: ") || cursor.until(b']').is_none() {
        return Err(error("no [pid: …] in front", &cursor));
    }
    cursor.skip_spaces();
    let mut draft = Draft::new(dates);
    draft.set(Field::Peer, cursor.token().unwrap_or(b""), dates);
    if cursor.eat(b"(") {
        draft.set(Field::User, cursor.until(b')').unwrap_or(b""), dates);
    }
    let stamp = cursor.until(b'[').and_then(|_| cursor.until(b']')).and_then(date::apache_error);
    let time = stamp.ok_or(error("no [date]", &cursor))?;
    dates.saw(time);
    draft.time = Some(time);
    cursor.skip_spaces();
    draft.set(Field::Method, cursor.token().unwrap_or(b""), dates);
    let rest = cursor.rest();
    let words = b" => generated ";
    let at = memmem::rfind(rest, words).ok_or(error("no size of an answer", &cursor))?;
    draft.set(Field::Target, &rest[..at], dates);
    cursor.skip(at + words.len());
    draft.set(Field::ResponseBytes, cursor.token().unwrap_or(b""), dates);
    cursor.eat(b"bytes in ");
    let (number, unit) = (cursor.token().unwrap_or(b""), cursor.token());
    let unit = if unit == Some(b"micros") { Unit::Microseconds } else { Unit::Milliseconds };
    draft.set(Field::Duration(unit), number, dates);
    if cursor.eat(b"(") {
        draft.set(Field::Version, cursor.token().unwrap_or(b""), dates);
        draft.set(Field::Status, cursor.until(b')').unwrap_or(b""), dates);
    }
    draft.finish()
}

/// Reads Uvicorn's `INFO:     198.51.100.7:51714 - "GET /a?b HTTP/1.1" 200 OK`, whose date is its carrier's.
pub(super) fn uvicorn<'a>(dates: &Dates, envelope: &Envelope<'a>) -> Result<Request<'a>, LineError> {
    let mut cursor = Cursor::new(envelope.body);
    // A carrier without a program's name takes the level for one.
    if !cursor.eat(b"INFO:") && envelope.program != b"INFO" {
        return Err(LineError { reason: "no level in front", at_byte: 0 });
    }
    cursor.skip_spaces();
    let mut draft = Draft::new(dates);
    draft.time = envelope.time.or_else(|| dates.latest());
    draft.peer = cursor.token().unwrap_or(b"");
    let asked = cursor.eat(b"- ").then(|| cursor.quoted()).flatten();
    let asked = asked.ok_or(LineError { reason: "no quoted request", at_byte: cursor.at() })?;
    draft.peer_address = address_and_port(draft.peer).map(|(address, _)| address);
    target::request_line(&mut draft.request, asked);
    let status = cursor.token().and_then(super::draft::status);
    draft.request.status = status.ok_or(LineError { reason: "no status", at_byte: cursor.at() })?;
    draft.finish()
}

/// Reads a line of PHP-FPM's own log or, of its access log, one in the format that it has unless told otherwise:
/// `10.0.0.7 -  06/Mar/2024:08:55:28 +0000 "GET /index.php" 200`.
pub(super) fn php_fpm<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Line<'a>, LineError> {
    let Some(inside) = line.strip_prefix(b"[") else {
        return php_access(dates, line).map(|r| Line::Observation(Observation::Request(r)));
    };
    let said = date::named_prefix(inside).and_then(|(time, rest)| Some((time, rest.strip_prefix(b"] ")?)));
    let (time, said) = said.ok_or(LineError { reason: "no [date] of PHP-FPM", at_byte: 0 })?;
    if ![&b"NOTICE: "[..], b"WARNING: ", b"ERROR: ", b"ALERT: "].iter().any(|level| said.starts_with(level)) {
        return Err(LineError { reason: "no level after the date", at_byte: line.len() - said.len() });
    }
    dates.saw(time);
    Ok(php_message(time, said))
}

fn php_message(time: Timestamp, said: &[u8]) -> Line<'_> {
    let says = |words: &[u8]| memmem::find(said, words).is_some();
    let pool = memmem::find(said, b"[pool ").map_or(&b""[..], |at| &said[at + 6..]);
    let backend = &pool[..memchr(b']', pool).unwrap_or(0)];
    let kind = match () {
        () if says(b"reached pm.max_children") || says(b"reached max_children") => {
            BackendEventKind::Exhausted
        }
        () if says(b" execution timed out ") => BackendEventKind::UpstreamTimedOut,
        () if says(b"ready to handle connections") => {
            let text = "php-fpm: started".to_owned();
            return Line::Change(Change { time, kind: ChangeKind::Configuration, text });
        }
        () => return Line::Nothing,
    };
    Line::Observation(Observation::Backend(BackendEvent { time, kind, backend, server: b"", text: said }))
}

fn php_access<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Request<'a>, LineError> {
    let quote = memchr(b'"', line).unwrap_or(0);
    let (head, rest) = line.split_at(quote);
    let head = head.trim_ascii_end();
    let (who, stamp) = head.split_at(head.len().saturating_sub(CLF_BYTES));
    let time = date::looks_like_clf(stamp).then(|| dates.clf(stamp)).flatten();
    let mut words = Cursor::new(who);
    let mut draft = Draft::new(dates);
    draft.time = Some(time.ok_or(LineError { reason: "no date before the request", at_byte: who.len() })?);
    draft.set(Field::Peer, words.token().unwrap_or(b""), dates);
    words.eat(b"- ");
    draft.set(Field::User, words.rest().trim_ascii(), dates);
    let mut cursor = Cursor::new(rest);
    let asked = cursor.quoted().unwrap_or(b"");
    let (method, path) = asked.split_at(memchr(b' ', asked).unwrap_or(asked.len()));
    draft.set(Field::Method, method, dates);
    draft.set(Field::Target, path.trim_ascii_start(), dates);
    draft.set(Field::Status, cursor.token().unwrap_or(b""), dates);
    draft.finish()
}

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;
    use seawall_model::observation::{HttpVersion, Method};

    #[test]
    fn requests_of_uwsgi() {
        let line = b"[pid: 12|app: 0|req: 7/31] 198.51.100.7 (anna) {40 vars in 623 bytes} [Wed Mar  6 08:55:28 2024] GET /a?b=[c] => generated 1234 bytes in 17 msecs (HTTP/1.1 502) 3 headers in 100 bytes (1 switches on core 0)";
        let r = uwsgi(&mut Dates::default(), line).unwrap();
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2024-03-06T08:55:28Z".into(), "198.51.100.7".into())
        );
        assert_eq!((r.method, r.path, r.query), (Method::Get, &b"/a"[..], Some(&b"b=[c]"[..])));
        assert_eq!((r.status, r.response_bytes, r.duration_us), (502, 1234, Some(17_000)));
        assert_eq!((r.user, r.version), (&b"anna"[..], HttpVersion::Http11));
        assert!(uwsgi(&mut Dates::default(), b"[pid: 12|app: 0|req: 7/31] 198.51.100.7 (").is_err());
    }

    #[test]
    fn requests_of_uvicorn_have_the_date_of_their_carrier() {
        for line in [
            r#"2024-03-06T08:55:28Z stdout F INFO:     198.51.100.7:51714 - "GET /a?b=c HTTP/1.1" 404 Not Found"#,
            r#"2024-03-06T08:55:28Z INFO:     198.51.100.7:51714 - "GET /a?b=c HTTP/1.1" 404 Not Found"#,
            r#"Mar 06 08:55:28 web uvicorn[12]: INFO:     198.51.100.7:51714 - "GET /a?b=c HTTP/1.1" 404"#,
        ] {
            let mut dates = Dates::in_year(2024);
            let envelope = envelope::open(&mut dates, line.as_bytes());
            let r = uvicorn(&dates, &envelope).unwrap();
            assert_eq!(
                (r.time.to_string(), r.client.to_string()),
                ("2024-03-06T08:55:28Z".into(), "198.51.100.7".into())
            );
            assert_eq!((r.path, r.query, r.status), (&b"/a"[..], Some(&b"b=c"[..]), 404), "{line}");
        }
        let mut dates = Dates::default();
        let started =
            envelope::open(&mut dates, b"2024-03-06T08:55:28Z INFO:     Started server process [1]");
        assert!(uvicorn(&dates, &started).is_err());
    }

    #[test]
    fn php_fpm_tells_of_requests_and_of_too_few_workers() {
        let of = |line: &str| match php_fpm(&mut Dates::default(), line.as_bytes()) {
            Ok(Line::Observation(Observation::Request(r))) => {
                let path = String::from_utf8_lossy(r.path).into_owned();
                format!("{} {} {:?} {path} {}", r.time, r.client, r.method, r.status)
            }
            Ok(Line::Observation(Observation::Backend(b))) => {
                format!("{} {:?} {}", b.time, b.kind, String::from_utf8_lossy(b.backend))
            }
            Ok(Line::Change(change)) => change.text,
            other => format!("{other:?}"),
        };
        let stamp = "[06-Mar-2024 08:55:28]";
        for (line, expected) in [
            (
                r#"10.0.0.7 -  06/Mar/2024:08:55:28 +0000 "GET /index.php" 200"#.to_owned(),
                "2024-03-06T08:55:28Z 10.0.0.7 Get /index.php 200",
            ),
            (
                format!(
                    "{stamp} WARNING: [pool www] server reached pm.max_children setting (5), consider raising it"
                ),
                "2024-03-06T08:55:28Z Exhausted www",
            ),
            (
                format!(
                    "{stamp} WARNING: [pool www] child 7, script '/a.php' (request: \"GET /a\") execution timed out (30.1 sec), terminating"
                ),
                "2024-03-06T08:55:28Z UpstreamTimedOut www",
            ),
            (format!("{stamp} NOTICE: ready to handle connections"), "php-fpm: started"),
            (format!("{stamp} NOTICE: [pool www] child 12 started"), "Ok(Nothing)"),
        ] {
            assert_eq!(of(&line), expected, "{line}");
        }
    }
}
