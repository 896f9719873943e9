//! Apache's error log: failed logins, exhausted workers, trouble with back ends, failed TLS,
//! restarts, requests that ModSecurity refused. Other errors about single requests are passed over,
//! the access log tells of them.

use super::date::{self, Dates};
use super::draft::{Draft, Field};
use super::envelope::Envelope;
use super::scan::{Cursor, address_and_port, address_then_port};
use super::{Line, LineError, haproxy};
use memchr::{memchr, memmem};
use seawall_model::Timestamp;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::observation::{
    BackendEvent, BackendEventKind, ConnectionEvent, Ending, Login, Observation,
};
use std::net::IpAddr;

/// Reads `[Thu Oct 13 12:24:49.880562 2022] [auth_basic:error] [pid 10:tid 14] [client
/// 198.51.100.7:50229] AH01618: user x not found: /`; behind syslog the date is its own.
pub(super) fn read<'a>(dates: &mut Dates, envelope: &Envelope<'a>) -> Result<Line<'a>, LineError> {
    let mut cursor = Cursor::new(envelope.body);
    let stamp = if cursor.eat(b"[") { cursor.until(b']') } else { None };
    let own = stamp.and_then(date::apache_error);
    let is_apaches = [&b"httpd"[..], b"apache"].iter().any(|name| envelope.program.starts_with(name));
    let carried = envelope.time.filter(|_| is_apaches && stamp.is_some());
    let time = own.or(carried).ok_or(LineError { reason: "no [date] of an error log", at_byte: 0 })?;
    dates.saw(time);
    let rest = cursor.rest();
    let tagged = memmem::find(rest, b"[client ").map_or(&b""[..], |at| &rest[at + 8..]);
    let (who, said) = tagged.split_at(memmem::find(tagged, b"] ").unwrap_or(0));
    // The lines of Apache 2.4 have the process in front and a port at the end of every address.
    let read = if memmem::find(rest, b"[pid ").is_some() { address_then_port } else { address_and_port };
    let client = read(who);
    let says = |words: &[u8]| memmem::find(rest, words).is_some();
    if let Some(kind) = backend_kind(rest) {
        let event = BackendEvent { time, kind, backend: b"", server: b"", text: rest.trim_ascii_start() };
        return Ok(Line::Observation(Observation::Backend(event)));
    }
    if let Some(user) = failed_user(said)
        && let Some((client, _)) = client
    {
        let login = Login { time, client, succeeded: false, challenged: false, service: "http-basic", user };
        return Ok(Line::Observation(Observation::Login(login)));
    }
    if says(b"AH02006") || says(b"AH01998") || says(b"AH02008") {
        let connection = haproxy::connection(time, client, ConnectionEvent::TlsAbandoned);
        return Ok(connection.map_or(Line::Nothing, |c| Line::Observation(Observation::Connection(c))));
    }
    if says(b"ModSecurity: Access denied") {
        return Ok(refused(time, client.map(|(address, _)| address), rest, dates));
    }
    if says(b"Graceful restart requested") || says(b"resuming normal operations") {
        let text = "apache: restarted".to_owned();
        return Ok(Line::Change(Change { time, kind: ChangeKind::Configuration, text }));
    }
    Ok(Line::Nothing)
}

/// `ModSecurity: Access denied with code 403 … [hostname "shop.example"] [uri "/a"]`.
fn refused<'a>(time: Timestamp, client: Option<IpAddr>, text: &'a [u8], dates: &mut Dates) -> Line<'a> {
    let tag = |name: &[u8]| {
        let value = memmem::rfind(text, name).map_or(&b""[..], |at| &text[at + name.len()..]);
        &value[..memchr(b'"', value).unwrap_or(value.len())]
    };
    let mut draft = Draft::new(dates);
    draft.time = Some(time);
    draft.peer_address = client;
    draft.request.ending = Ending::Denied;
    draft.set(Field::Target, tag(b"[uri \""), dates);
    draft.set(Field::Host, tag(b"[hostname \""), dates);
    draft.finish().map_or(Line::Nothing, |r| Line::Observation(Observation::Request(r)))
}

fn backend_kind(text: &[u8]) -> Option<BackendEventKind> {
    let signs: [(&[u8], BackendEventKind); 7] = [
        (b"reached MaxRequestWorkers", BackendEventKind::Exhausted),
        (b"reached MaxClients", BackendEventKind::Exhausted),
        (b"server is within MinSpareThreads of MaxRequestWorkers", BackendEventKind::Exhausted),
        (b"The timeout specified has expired", BackendEventKind::UpstreamTimedOut),
        (b"failed to make connection to backend", BackendEventKind::ConnectFailed),
        (b"AH00957", BackendEventKind::ConnectFailed),
        (b"AH01102", BackendEventKind::ConnectFailed),
    ];
    signs.iter().find(|(sign, _)| memmem::find(text, sign).is_some()).map(|(_, kind)| *kind)
}

/// `AH01618: user x not found`, `user x: authentication failure`, ``Digest: user `x' in realm …``: right
/// after the client, since further on stands text of the client's own.
fn failed_user(said: &[u8]) -> Option<&[u8]> {
    let said = said.strip_prefix(b"] ")?;
    let said = if said.starts_with(b"AH") { &said[memmem::find(said, b": ")? + 2..] } else { said };
    let rest = said.strip_prefix(b"Digest: ").unwrap_or(said).strip_prefix(b"user ")?;
    if let Some(quoted) = rest.strip_prefix(b"`") {
        return Some(&quoted[..memchr(b'\'', quoted)?]);
    }
    let ends = [&b" not found"[..], b": authentication failure", b": password mismatch"];
    Some(&rest[..ends.iter().find_map(|end| memmem::find(rest, end))?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Result<Line<'_>, LineError> {
        let mut dates = Dates::in_year(2022);
        let envelope = super::super::envelope::open(&mut dates, line.as_bytes());
        read(&mut dates, &envelope)
    }

    #[test]
    fn messages_mean_what_they_say() {
        let read_one = |text: &str| {
            let line = format!("[Thu Oct 13 12:24:49.880562 2022] [x:error] [pid 10:tid 14] {text}");
            match read_line(&line).unwrap() {
                Line::Observation(Observation::Backend(b)) => format!("{:?}", b.kind),
                Line::Observation(Observation::Login(l)) => {
                    format!("{} {} {} {}", l.time, l.succeeded, l.client, String::from_utf8_lossy(l.user))
                }
                Line::Observation(Observation::Connection(c)) => format!("{:?} {}", c.event, c.client),
                Line::Observation(Observation::Request(r)) => {
                    let (host, path) = (String::from_utf8_lossy(r.host), String::from_utf8_lossy(r.path));
                    format!("{:?} {} {host}{path}", r.ending, r.client)
                }
                Line::Change(change) => change.text,
                other => format!("{other:?}"),
            }
        };
        for (text, expected) in [
            (
                "[client 198.51.100.7:50229] AH01618: user sss not found: /",
                "2022-10-13T12:24:49.880Z false 198.51.100.7 sss",
            ),
            (
                r#"[client 198.51.100.7:5] AH01617: user a b: authentication failure for "/": Password Mismatch"#,
                "2022-10-13T12:24:49.880Z false 198.51.100.7 a b",
            ),
            (
                r#"[client 198.51.100.7:5] [client 198.51.100.7] ModSecurity: Access denied with code 403 (phase 2). [id "949110"] [hostname "shop.example"] [uri "/a"] [unique_id "Y"]"#,
                "Denied 198.51.100.7 shop.example/a",
            ),
            ("AH00484: server reached MaxRequestWorkers setting, consider raising it", "Exhausted"),
            (
                "(111)Connection refused: AH00957: HTTP: attempt to connect to 10.0.0.1:80 failed",
                "ConnectFailed",
            ),
            (
                "(70007)The timeout specified has expired: [client 1.2.3.4:5] AH01102: error reading",
                "UpstreamTimedOut",
            ),
            (
                "(70014)End of file found: [client 198.51.100.7:5] AH02006: SSL handshake stopped",
                "TlsAbandoned 198.51.100.7",
            ),
            ("AH00163: Apache/2.4 configured -- resuming normal operations", "apache: restarted"),
            ("[client 198.51.100.7:5] AH00126: Invalid URI in request GET /x HTTP/1.1", "Nothing"),
        ] {
            assert_eq!(read_one(text), expected, "{text}");
        }
    }

    #[test]
    fn failed_logins_of_every_apache_name_client_and_user() {
        let digest = "[Sat Jul 20 21:45:28.890523 2013] [auth_digest:error] [pid 17:tid 14]";
        for (line, expected) in [
            (
                "[Thu Jul 11 01:21:43 2013] [error] [client 198.51.100.7] user a not found: /",
                "198.51.100.7 a",
            ),
            (
                "[Thu Jul 11 01:21:43 2013] [error] [client 2001:db8::7:1] user a not found: /",
                "2001:db8::7:1 a",
            ),
            (
                &format!("{digest} [client 2001:db8::7:443] AH01792: user a: password mismatch: /b/"),
                "2001:db8::7 a",
            ),
            (
                &format!("{digest} [client [2001:db8::7]:443] AH01790: user `a' in realm `b c' not found: /"),
                "2001:db8::7 a",
            ),
            (
                "Feb 16 22:32:48 web apache2[22]: [auth_basic:error] [pid 22] [client 198.51.100.7:5] AH01618: user a not found: /",
                "198.51.100.7 a",
            ),
        ] {
            let Line::Observation(Observation::Login(l)) = read_line(line).unwrap() else { panic!("{line}") };
            assert_eq!(format!("{} {}", l.client, String::from_utf8_lossy(l.user)), expected, "{line}");
        }
        // What follows the path is the client's own text.
        let forged = "[Sat Jun 01 02:17:42 2013] [error] [client 198.51.100.7] File does not exist: /a/[client 192.0.2.1] user b not found";
        assert!(matches!(read_line(forged).unwrap(), Line::Nothing));
        assert!(read_line("Feb 16 22:32:48 web app[22]: [error] user a not found").is_err());
    }
}
