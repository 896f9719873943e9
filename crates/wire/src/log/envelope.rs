//! What carries log lines from one place to another and leaves its own words in front of them:
//! syslog (RFC 3164, RFC 5424, rsyslog's ISO stamps), container runtimes, `docker compose`.

use super::date::{self, Dates, SYSLOG_BYTES};
use super::names;
use super::scan::{Cursor, integer};
use memchr::{memchr, memmem};
use seawall_model::Timestamp;

/// Layers that are taken off; a line that was forwarded twice has two.
const LAYERS: usize = 4;

/// A line without its carrier's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    /// The innermost carrier's date.
    pub(super) time: Option<Timestamp>,
    /// The program as syslog names it, without its process number; empty: not told.
    pub(super) program: &'a [u8],
    pub(super) body: &'a [u8],
}

/// Takes off whatever carriers left. A line without any is its own body.
pub(super) fn open<'a>(dates: &mut Dates, line: &'a [u8]) -> Envelope<'a> {
    let mut envelope = Envelope { time: None, program: b"", body: without_service(line) };
    for _ in 0..LAYERS {
        let before = envelope.body.len();
        envelope = layer(dates, envelope);
        if envelope.body.len() == before {
            break;
        }
    }
    envelope
}

fn layer<'a>(dates: &mut Dates, outer: Envelope<'a>) -> Envelope<'a> {
    let body = without_priority(outer.body);
    if let Some(inner) = rfc5424(dates, body) {
        return inner;
    }
    if let Some(stamp) = body.get(..SYSLOG_BYTES)
        && body.get(SYSLOG_BYTES) == Some(&b' ')
        && let Some(time) = dates.syslog(stamp)
    {
        let (program, body) = host_and_program(&body[SYSLOG_BYTES + 1..]);
        return Envelope { time: Some(time), program, body };
    }
    if let Some((time, rest)) = date::iso_prefix(body)
        && let Some(inner) = after_iso(time, rest)
    {
        dates.saw(time);
        return inner;
    }
    Envelope { body, ..outer }
}

/// `<34>` in front.
fn without_priority(text: &[u8]) -> &[u8] {
    let Some(b'<') = text.first() else { return text };
    match memchr(b'>', &text[..text.len().min(6)]) {
        Some(end) if integer(&text[1..end]).is_some() => &text[end + 1..],
        _ => text,
    }
}

/// `1 2025-11-05T20:47:03+00:00 host program process message-id [data] message`, RFC 5424
/// section 6. The structured data may be absent.
fn rfc5424<'a>(dates: &mut Dates, text: &'a [u8]) -> Option<Envelope<'a>> {
    let mut cursor = Cursor::new(text);
    if !cursor.eat(b"1 ") {
        return None;
    }
    let time = date::iso(cursor.token()?)?;
    cursor.token()?;
    let program = cursor.token()?;
    cursor.token()?;
    cursor.token()?;
    while cursor.peek() == Some(b'[') {
        let end = memmem::find(cursor.rest(), b"]")?;
        cursor.skip(end + 1);
        if cursor.peek() != Some(b'[') {
            cursor.skip_spaces();
        }
    }
    cursor.eat(b"- ");
    dates.saw(time);
    let body = cursor.rest();
    Some(Envelope { time: Some(time), program, body: body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body) })
}

/// After an ISO date: `stdout F` of a container runtime, `host program[1]:` of rsyslog and
/// journald, a JSON object (a host before it: Fastly), or `key=value`. Other text is left alone, since
/// the date may be its own.
fn after_iso(time: Timestamp, rest: &[u8]) -> Option<Envelope<'_>> {
    let rest = rest.strip_prefix(b" ")?;
    for stream in [&b"stdout "[..], b"stderr "] {
        if let Some(inner) = rest.strip_prefix(stream) {
            let body = inner.strip_prefix(b"F ").or_else(|| inner.strip_prefix(b"P ")).unwrap_or(inner);
            return Some(Envelope { time: Some(time), program: b"", body });
        }
    }
    if rest.first() == Some(&b'{') || names::is_pair(rest) {
        return Some(Envelope { time: Some(time), program: b"", body: rest });
    }
    let after_host = rest[memchr(b' ', rest).unwrap_or(rest.len())..].trim_ascii_start();
    if after_host.first() == Some(&b'{') {
        return Some(Envelope { time: Some(time), program: b"", body: after_host });
    }
    let (program, body) = host_and_program(rest);
    (!program.is_empty()).then_some(Envelope { time: Some(time), program, body })
}

/// `host program[1]: message` or `program: message`; without a program the host is taken off.
/// Unbound writes its own file as `unbound[1:0] info: message`, which stays with its message.
fn host_and_program(text: &[u8]) -> (&[u8], &[u8]) {
    const UNBOUND: &[u8] = b"unbound";
    let mut cursor = Cursor::new(text);
    let Some(first) = cursor.token() else { return (b"", text) };
    if first.strip_prefix(UNBOUND).is_some_and(|rest| rest.starts_with(b"[") && rest.ends_with(b"]")) {
        return (UNBOUND, cursor.rest());
    }
    if let Some(program) = program(first) {
        return (program, cursor.rest());
    }
    let after_host = cursor.rest();
    match cursor.token().and_then(program) {
        Some(program) => (program, cursor.rest()),
        None => (b"", after_host),
    }
}

/// `program[1]:` or `program:` without number and colon.
fn program(word: &[u8]) -> Option<&[u8]> {
    let name = word.strip_suffix(b":")?;
    let end = memchr(b'[', name).unwrap_or(name.len());
    let plausible = end > 0
        && name[..end]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'(' | b')'));
    (plausible && name.first().is_some_and(u8::is_ascii_alphabetic)).then_some(&name[..end])
}

/// `name-1  | ` in front, as `docker compose logs` writes it.
fn without_service(text: &[u8]) -> &[u8] {
    let head = &text[..text.len().min(80)];
    let Some(bar) = memmem::find(head, b" | ") else { return text };
    let name = head[..bar].trim_ascii_end();
    let plausible = !name.is_empty()
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'));
    if plausible { &text[bar + 3..] } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_come_off_layer_by_layer() {
        for (line, time, program, body) in [
            ("plain text", None, "", "plain text"),
            ("<34>Oct 11 22:14:15 web su[12]: failed", Some("2023-10-11T22:14:15Z"), "su", "failed"),
            ("Oct 11 22:14:15 web haproxy[1]: a b", Some("2023-10-11T22:14:15Z"), "haproxy", "a b"),
            ("Jun  8 14:34:33 kernel: [1.0] IN=x", Some("2023-06-08T14:34:33Z"), "kernel", "[1.0] IN=x"),
            (
                "<171>1 2025-11-05T20:47:03.5+01:00 fw.lan nginx - - - 2025/11/05 x",
                Some("2025-11-05T19:47:03.500Z"),
                "nginx",
                "2025/11/05 x",
            ),
            (
                r#"<1>1 2025-11-05T20:47:03Z fw app 1 - [a b="c"][d e="f"] text"#,
                Some("2025-11-05T20:47:03Z"),
                "app",
                "text",
            ),
            ("2025-12-31T17:37:40.49+01:00 stdout F {}", Some("2025-12-31T16:37:40.490Z"), "", "{}"),
            (r#"2025-12-31T17:37:40Z 192.0.2.1  {"a":1}"#, Some("2025-12-31T17:37:40Z"), "", r#"{"a":1}"#),
            ("2025-12-31T17:37:40+00:00 web sshd[1]: x", Some("2025-12-31T17:37:40Z"), "sshd", "x"),
            ("web_1  | hello | there", None, "", "hello | there"),
            (
                "2025-12-31T17:37:40Z stdout F Oct 11 22:14:15 web su: x",
                Some("2025-10-11T22:14:15Z"),
                "su",
                "x",
            ),
            (
                "2021-05-13T23:39:43Z my-balancer 1.2.3.4:5",
                None,
                "",
                "2021-05-13T23:39:43Z my-balancer 1.2.3.4:5",
            ),
        ] {
            let mut dates = Dates::in_year(2023);
            let envelope = open(&mut dates, line.as_bytes());
            assert_eq!(envelope.time.map(|t| t.to_string()).as_deref(), time, "{line}");
            assert_eq!(envelope.program, program.as_bytes(), "{line}");
            assert_eq!(envelope.body, body.as_bytes(), "{line}");
        }
    }
}
