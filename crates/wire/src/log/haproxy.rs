//! HAProxy: HTTP and TCP sessions. Fields and their meaning are those of section 8.2 of HAProxy's
//! configuration manual; both the timers since 1.7 (TR/Tw/Tc/Tr/Ta) and before (Tq/…/Tt) are read
//! by position, and -1 means that the phase was never reached.
//!
//! The accept date in the line is the session's beginning and is taken as the request's time.

use super::common::find_date;
use super::date::Dates;
use super::draft::{Draft, Field, Unit, forwarded_client};
use super::scan::{Cursor, address_then_port, given, integer, is_host};
use super::{Line, LineError, haproxy_event};
use memchr::memchr;
use seawall_model::Timestamp;
use seawall_model::observation::{
    BackendEvent, BackendEventKind, Connection, ConnectionEvent, Ending, Observation, Presence,
};
use std::net::{IpAddr, Ipv4Addr};

/// Reads one line of an HAProxy log: an HTTP or TCP session, a failed handshake, or what it says
/// of its servers and itself.
pub(super) fn read<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Line<'a>, LineError> {
    match session(dates, line) {
        Ok(read) => Ok(read),
        Err(error) => haproxy_event::read(dates, line).ok_or(error),
    }
}

/// What stands before the timers.
struct Opening<'a> {
    time: Timestamp,
    client: &'a [u8],
    backend: &'a [u8],
    server: &'a [u8],
}

fn session<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Line<'a>, LineError> {
    let dated = find_date(line).ok_or(LineError { reason: "no [accept date]", at_byte: 0 })?;
    let at_byte = dated.head.len();
    let time = dates.clf(dated.date).ok_or(LineError { reason: "date that cannot be read", at_byte })?;
    let client = memchr::memrchr(b' ', dated.head).map_or(dated.head, |at| &dated.head[at + 1..]);
    let mut cursor = Cursor::new(line);
    cursor.skip(dated.after);
    let ends = |reason| LineError { reason, at_byte: line.len() };
    let frontend = cursor.token().ok_or(ends("line ends before the frontend"))?;
    if frontend.ends_with(b":") {
        return failed_connection(time, client, cursor.rest());
    }
    let server = cursor.token().ok_or(ends("line ends before the server"))?;
    let slash =
        memchr(b'/', server).ok_or(LineError { reason: "no backend/server", at_byte: cursor.at() })?;
    let opening = Opening { time, client, backend: &server[..slash], server: &server[slash + 1..] };
    let timers = cursor.token().ok_or(ends("line ends before the timers"))?;
    match timers.iter().filter(|&&b| b == b'/').count() {
        4 => http(&opening, timers, &mut cursor, dates),
        2 => tcp(&opening, timers, &mut cursor),
        _ => Err(LineError { reason: "timers that are neither HTTP's nor TCP's", at_byte: cursor.at() }),
    }
}

/// `status bytes cookie cookie termination connections queues {headers} {headers} "request"`.
fn http<'a>(
    opening: &Opening<'a>,
    timers: &'a [u8],
    cursor: &mut Cursor<'a>,
    dates: &mut Dates,
) -> Result<Line<'a>, LineError> {
    let mut draft = Draft::new(dates);
    draft.time = Some(opening.time);
    draft.peer = opening.client;
    draft.peer_address = address_then_port(opening.client).map(|(address, _)| address);
    let r = &mut draft.request;
    (r.backend, r.server) = (opening.backend, opening.server);
    let mut parts = timers.split(|&b| b == b'/').map(timer_us).skip(1);
    r.queue_us = parts.next().flatten();
    r.upstream_us = parts.nth(1).flatten();
    r.duration_us = parts.next().flatten();
    let at_byte = cursor.at();
    let short = LineError { reason: "line ends before the termination state", at_byte };
    let status = cursor.token().ok_or(short)?;
    r.status = integer(status).and_then(|s| u16::try_from(s).ok()).filter(|&s| s < 1000).unwrap_or(0);
    r.response_bytes = integer(plain(cursor.token().ok_or(short)?)).unwrap_or(0);
    if given(cursor.token().ok_or(short)?) != b"" {
        r.cookie = Presence::Present;
    }
    cursor.token().ok_or(short)?;
    let termination = cursor.token().ok_or(short)?;
    if !is_termination(termination, 4) {
        return Err(LineError { reason: "no termination state", at_byte });
    }
    r.ending = ending(termination, r.status, opening.server);
    let connections = cursor.token().unwrap_or(b"");
    r.open_connections = connections.split(|&b| b == b'/').next().and_then(integer).map(clamp);
    cursor.token();
    captures(&mut draft, cursor, dates);
    request(&mut draft, cursor);
    tls(&mut draft, cursor);
    Ok(Line::Observation(Observation::Request(draft.finish()?)))
}

/// Header values that the administrator had captured, `{value|value}`, told apart by what they
/// look like: the line does not name them.
fn captures<'a>(draft: &mut Draft<'a>, cursor: &mut Cursor<'a>, dates: &mut Dates) {
    while cursor.eat(b"{") {
        let Some(block) = cursor.until(b'}') else { return };
        cursor.skip_spaces();
        for value in block.split(|&b| b == b'|').filter(|v| !v.is_empty()) {
            if forwarded_client(value).is_some() {
                draft.set(Field::ForwardedFor, value, dates);
            } else if value.starts_with(b"http://") || value.starts_with(b"https://") {
                draft.set(Field::Referrer, value, dates);
            } else if draft.request.host.is_empty() && is_host(value) && memchr(b'.', value).is_some() {
                draft.set(Field::Host, value, dates);
            } else if draft.request.user_agent.is_empty() && memchr(b'/', value).is_some() {
                draft.set(Field::UserAgent, value, dates);
            }
        }
    }
}

fn request<'a>(draft: &mut Draft<'a>, cursor: &mut Cursor<'a>) {
    let Some(text) = cursor.quoted() else { return };
    super::target::request_line(&mut draft.request, text);
    if text == b"<BADREQ>" {
        // HAProxy's word for "no request could be read"; the bytes are not in the log.
        draft.request.path = b"";
    }
}

/// What `option httpslog` adds: five error codes, then `sni/version/ciphers`.
fn tls<'a>(draft: &mut Draft<'a>, cursor: &mut Cursor<'a>) {
    let (Some(_), Some(names)) = (cursor.token(), cursor.token()) else { return };
    let sni = names.split(|&b| b == b'/').next().unwrap_or(b"");
    if draft.request.host.is_empty() && is_host(sni) {
        draft.request.host = sni;
    }
}

/// `bytes termination connections queues`. Trouble of the server is told as an event of the
/// backend, everything else as the end of a connection.
fn tcp<'a>(opening: &Opening<'a>, timers: &'a [u8], cursor: &mut Cursor<'a>) -> Result<Line<'a>, LineError> {
    let at_byte = cursor.at();
    let bytes = cursor.token().and_then(|b| integer(plain(b)));
    let bytes = bytes.ok_or(LineError { reason: "size is no number", at_byte })?;
    let state = cursor.token().unwrap_or(b"");
    if !is_termination(state, 2) {
        return Err(LineError { reason: "no termination state", at_byte });
    }
    let kind = match ending(state, 0, opening.server) {
        Ending::NoUpstream => Some(BackendEventKind::PoolEmpty),
        Ending::UpstreamFailed if state[1] == b'C' => Some(BackendEventKind::ConnectFailed),
        Ending::UpstreamTimedOut if state[1] == b'C' => Some(BackendEventKind::UpstreamTimedOut),
        Ending::QueueTimedOut => Some(BackendEventKind::Exhausted),
        _ => None,
    };
    if let Some(kind) = kind {
        let event = BackendEvent {
            time: opening.time,
            kind,
            backend: opening.backend,
            server: opening.server,
            text: state,
        };
        return Ok(Line::Observation(Observation::Backend(event)));
    }
    let event = if state[0] == b'P' { ConnectionEvent::Refused } else { ConnectionEvent::Closed };
    let mut connection = connection(opening.time, address_then_port(opening.client), event)?;
    connection.server_bytes = bytes;
    connection.duration_us = timers.rsplit(|&b| b == b'/').next().and_then(timer_us).unwrap_or(0);
    Ok(Line::Observation(Observation::Connection(connection)))
}

/// `frontend/listener: SSL handshake failure`: no request ever came. Trouble with TLS is told as
/// a handshake without data after it, other trouble as a refused connection.
fn failed_connection<'a>(time: Timestamp, client: &[u8], text: &[u8]) -> Result<Line<'a>, LineError> {
    let tls = [&b"SSL"[..], b"TLS", b"heartbeat"];
    let about_tls = tls.iter().any(|word| memchr::memmem::find(text, word).is_some());
    let event = if about_tls { failed_handshake(text) } else { ConnectionEvent::Refused };
    Ok(Line::Observation(Observation::Connection(connection(time, address_then_port(client), event)?)))
}

/// What a failed handshake was, by the alert of the client that OpenSSL quotes (RFC 8446 section 6.2): who
/// refuses our certificate says so.
pub(super) fn failed_handshake(text: &[u8]) -> ConnectionEvent {
    let refusals: [&[u8]; 4] = [
        b"alert certificate ",
        b"alert bad certificate",
        b"alert unknown ca",
        b"alert unsupported certificate",
    ];
    let is_refused = refusals.iter().any(|alert| memchr::memmem::find(text, alert).is_some());
    if is_refused { ConnectionEvent::CertificateRefused } else { ConnectionEvent::TlsAbandoned }
}

/// A connection of which the log tells only the client's side.
pub(super) fn connection(
    time: Timestamp,
    client: Option<(IpAddr, u16)>,
    event: ConnectionEvent,
) -> Result<Connection, LineError> {
    let (client, client_port) = client.ok_or(LineError { reason: "no client address", at_byte: 0 })?;
    Ok(Connection {
        time,
        event,
        client,
        server: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        client_port,
        server_port: 0,
        client_bytes: 0,
        server_bytes: 0,
        duration_us: 0,
        requests: 0,
        ja4: 0,
    })
}

/// How the session ended, from the first two letters of the termination state (section 8.5).
fn ending(state: &[u8], status: u16, server: &[u8]) -> Ending {
    match (state[0], state[1]) {
        (b'C', _) => Ending::ClientAborted,
        (b'c', _) => Ending::ClientTimedOut,
        (b's', b'Q') => Ending::QueueTimedOut,
        (b's', _) => Ending::UpstreamTimedOut,
        (b'S', b'C') if server == b"<NOSRV>" => Ending::NoUpstream,
        (b'S' | b'D' | b'I', _) => Ending::UpstreamFailed,
        (b'P', b'H' | b'D') => Ending::AnswerRefused,
        (b'R', _) | (b'P', b'C') => Ending::NoUpstream,
        (b'P', b'R') if status == 400 => Ending::ClientInvalid,
        // A redirect or an answer of HAProxy's own is no refusal.
        (b'P', b'R') if (100..400).contains(&status) => Ending::Normal,
        (b'P' | b'K', _) => Ending::Denied,
        _ => Ending::Normal,
    }
}

fn is_termination(text: &[u8], letters: usize) -> bool {
    text.len() == letters && text.iter().all(|b| b.is_ascii_alphabetic() || *b == b'-')
}

/// Milliseconds to microseconds; -1 is `None`. A leading `+` says that the log was written early.
fn timer_us(text: &[u8]) -> Option<u64> {
    Unit::Milliseconds.microseconds(plain(text))
}

fn plain(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"+").unwrap_or(text)
}

fn clamp(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{HttpVersion, Method, Request};

    fn read_one(line: &str) -> Line<'_> {
        read(&mut Dates::default(), line.as_bytes()).unwrap()
    }

    fn http_of(line: &str) -> Request<'_> {
        match read_one(line) {
            Line::Observation(Observation::Request(r)) => r,
            other => panic!("{other:?}"),
        }
    }

    const HTTP: &str = r#"Apr  4 14:30:19 lb haproxy[39463]: 198.51.100.7:55032 [04/Apr/2024:14:30:18.885] front~ app/web1 1/2/3/169/175 404 1541 abc - --VN 5715/616/96/15/0 7/8 {shop.example.com|Mozilla/5.0 (X11)} {} "PROPFIND /remote.php?x HTTP/1.1""#;

    #[test]
    fn http_sessions_with_every_field() {
        let r = http_of(HTTP);
        assert_eq!(r.time.to_string(), "2024-04-04T14:30:18.885Z");
        assert_eq!((r.client.to_string().as_str(), r.peer), ("198.51.100.7", None));
        assert_eq!((r.backend, r.server), (&b"app"[..], &b"web1"[..]));
        assert_eq!((r.queue_us, r.upstream_us, r.duration_us), (Some(2_000), Some(169_000), Some(175_000)));
        assert_eq!((r.status, r.response_bytes, r.cookie), (404, 1541, Presence::Present));
        assert_eq!((r.open_connections, r.ending), (Some(5715), Ending::Normal));
        assert_eq!((r.host, r.user_agent), (&b"shop.example.com"[..], &b"Mozilla/5.0 (X11)"[..]));
        assert_eq!((r.method, r.path, r.query), (Method::Propfind, &b"/remote.php"[..], Some(&b"x"[..])));
        assert_eq!((r.version, r.malformed), (HttpVersion::Http11, false));
    }

    #[test]
    fn termination_states_become_endings() {
        for (server, timers, status, state, expected) in [
            ("app/<NOSRV>", "0/-1/-1/-1/0", "503", "SC--", Ending::NoUpstream),
            ("app/web1", "0/0/-1/-1/3001", "503", "SC--", Ending::UpstreamFailed),
            ("app/web1", "0/0/-1/-1/3001", "503", "sC--", Ending::UpstreamTimedOut),
            ("app/web1", "0/0/1/-1/30001", "504", "sH--", Ending::UpstreamTimedOut),
            ("app/web1", "0/0/1/-1/10", "502", "SH--", Ending::UpstreamFailed),
            ("app/web1", "0/0/1/-1/10", "502", "PH--", Ending::AnswerRefused),
            ("app/<NOSRV>", "0/5000/-1/-1/5000", "503", "sQ--", Ending::QueueTimedOut),
            ("app/web1", "0/0/0/10/10", "200", "CD--", Ending::ClientAborted),
            ("front/<NOSRV>", "10000/-1/-1/-1/10000", "408", "cR--", Ending::ClientTimedOut),
            ("front/<NOSRV>", "-1/-1/-1/-1/0", "400", "PR--", Ending::ClientInvalid),
            ("front/<NOSRV>", "0/-1/-1/-1/0", "403", "PR--", Ending::Denied),
            ("front/<NOSRV>", "0/-1/-1/-1/5000", "500", "PT--", Ending::Denied),
            ("front/<NOSRV>", "0/-1/-1/-1/0", "302", "LR--", Ending::Normal),
        ] {
            let line = format!(
                r#"198.51.100.7:5 [04/Apr/2024:14:30:18.885] front {server} {timers} {status} 212 - - {state} 1/1/0/0/0 0/0 "GET / HTTP/1.1""#
            );
            let r = http_of(&line);
            assert_eq!(r.ending, expected, "{state} {server}");
            assert_eq!(r.status.to_string(), status);
        }
    }

    #[test]
    fn sessions_that_never_became_a_request() {
        let r = http_of(
            r#"198.51.100.7:5 [04/Apr/2024:14:30:18.885] front front/<NOSRV> -1/-1/-1/-1/5000 -1 0 - - CR-- 9/9/0/0/0 0/0 "<BADREQ>""#,
        );
        assert_eq!((r.malformed, r.status, r.ending), (true, 0, Ending::ClientAborted));
        assert_eq!((r.queue_us, r.upstream_us, r.duration_us), (None, None, Some(5_000_000)));
        assert_eq!(r.path, b"");
    }

    #[test]
    fn a_secure_frontend_names_the_host() {
        let r = http_of(
            r#"198.51.100.7:5 [04/Apr/2024:14:30:18.885] front~ app/web1 0/0/0/1/+1 200 +212 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1" 0/0000000000000000/0/0/0 shop.example.com/TLSv1.3/TLS_AES_256_GCM_SHA384"#,
        );
        assert_eq!((r.host, r.response_bytes, r.duration_us), (&b"shop.example.com"[..], 212, Some(1_000)));
    }

    #[test]
    fn tcp_sessions_become_connections_or_backend_trouble() {
        let Line::Observation(Observation::Connection(c)) = read_one(
            "haproxy[14387]: 198.51.100.7:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
        ) else {
            panic!("no connection")
        };
        assert_eq!((c.client.to_string().as_str(), c.client_port), ("198.51.100.7", 33313));
        assert_eq!((c.event, c.server_bytes, c.duration_us), (ConnectionEvent::Closed, 212, 5_007_000));
        let Line::Observation(Observation::Backend(b)) = read_one(
            "198.51.100.7:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/-1/3007 0 SC 0/0/0/0/3 0/0",
        ) else {
            panic!("no backend event")
        };
        assert_eq!(
            (b.kind, b.backend, b.server),
            (BackendEventKind::ConnectFailed, &b"bck"[..], &b"srv1"[..])
        );
    }

    #[test]
    fn the_port_after_a_bare_ipv6_address_is_no_part_of_it() {
        for (client, address) in [
            ("2001:db8::7:58430", "2001:db8::7"),
            ("2001:db8::7:443", "2001:db8::7"),
            ("2001:db8:1:2:3:4:5:6:443", "2001:db8:1:2:3:4:5:6"),
            ("::ffff:198.51.100.7:443", "198.51.100.7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
        ] {
            let request = format!(
                r#"{client} [04/Apr/2024:14:30:18.885] front app/web1 0/0/0/1/1 200 212 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1""#
            );
            let r = http_of(&request);
            assert_eq!((r.client.to_string().as_str(), r.client_name), (address, &b""[..]), "{client}");
            let refused = format!("{client} [04/Apr/2024:14:30:18.885] front/1: SSL handshake failure");
            let Line::Observation(Observation::Connection(c)) = read_one(&refused) else {
                panic!("{client}")
            };
            assert_eq!(c.client.to_string(), address, "{client}");
            assert!(matches!(c.client_port, 443 | 58430), "{client}");
        }
    }

    #[test]
    fn failed_handshakes_are_connections_without_a_request() {
        for (text, event) in [
            ("SSL handshake failure (error:0A0000C1)", ConnectionEvent::TlsAbandoned),
            (
                "SSL handshake failure (error:0A000415:SSL routines::sslv3 alert certificate expired)",
                ConnectionEvent::CertificateRefused,
            ),
            ("Stopped a TLSv1 heartbeat attack (CVE-2014-0160)", ConnectionEvent::TlsAbandoned),
            ("Received something which does not look like a PROXY protocol header", ConnectionEvent::Refused),
        ] {
            let line = format!("198.51.100.7:50033 [28/Feb/2025:02:43:10.123] front/1: {text}");
            let Line::Observation(Observation::Connection(c)) = read_one(&line) else { panic!("{text}") };
            assert_eq!((c.event, c.time.to_string().as_str()), (event, "2025-02-28T02:43:10.123Z"), "{text}");
        }
    }
}
