//! Amazon's load balancers: Application (HTTP), Classic (HTTP and TCP) and Network (TLS), by the
//! tables "access log entries" of their user guides. All times are when the request or connection
//! ended, except an Application balancer's creation time, which is taken where it is there.

use super::date::{self, Dates};
use super::draft::{Draft, Field, Unit};
use super::scan::{Cursor, address_and_port, address_then_port, given, integer};
use super::{Line, LineError, haproxy};
use memchr::memmem;
use seawall_model::Timestamp;
use seawall_model::observation::{ConnectionEvent, Ending, Observation, Request};

/// Reads a line of an Application Load Balancer.
pub(super) fn application<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Request<'a>, LineError> {
    let mut cursor = Cursor::new(line);
    let kinds: [&[u8]; 6] = [b"http", b"https", b"h2", b"ws", b"wss", b"grpcs"];
    if !cursor.token().is_some_and(|kind| kinds.contains(&kind)) {
        return Err(LineError { reason: "no protocol in front", at_byte: 0 });
    }
    let time = time(dates, &mut cursor)?;
    let mut draft = balanced(dates, &mut cursor)?;
    draft.time = Some(time);
    let at_byte = cursor.at();
    let request = cursor.quoted().ok_or(LineError { reason: "no quoted request", at_byte })?;
    super::target::request_line(&mut draft.request, request);
    draft.set(Field::UserAgent, cursor.quoted().unwrap_or(b""), dates);
    cursor.token();
    cursor.token();
    let group = cursor.token().unwrap_or(b"");
    cursor.field();
    draft.set(Field::Host, cursor.field().unwrap_or(b""), dates);
    cursor.field();
    cursor.token();
    draft.set(Field::StartTime, cursor.token().unwrap_or(b""), dates);
    let actions = cursor.field().unwrap_or(b"");
    if let Some(at) = memmem::find(group, b"targetgroup/") {
        draft.request.backend = group[at + 12..].split(|&b| b == b'/').next().unwrap_or(b"");
    }
    let r = &mut draft.request;
    if r.server.is_empty() {
        r.ending = match r.status {
            403 if memmem::find(actions, b"waf").is_some() => Ending::Denied,
            503 => Ending::NoUpstream,
            _ => r.ending,
        };
    }
    draft.finish()
}

/// Reads a line of a Classic Load Balancer; TCP listeners give connections.
pub(super) fn classic<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Line<'a>, LineError> {
    let mut cursor = Cursor::new(line);
    let time = time(dates, &mut cursor)?;
    let mut draft = balanced(dates, &mut cursor)?;
    draft.time = Some(time);
    let at_byte = cursor.at();
    let request = cursor.quoted().ok_or(LineError { reason: "no quoted request", at_byte })?;
    if request.starts_with(b"- - -") {
        let mut connection =
            haproxy::connection(time, address_then_port(draft.peer), ConnectionEvent::Closed)?;
        connection.client_bytes = draft.request.request_bytes.unwrap_or(0);
        connection.server_bytes = draft.request.response_bytes;
        connection.duration_us = draft.request.duration_us.unwrap_or(0);
        return Ok(Line::Observation(Observation::Connection(connection)));
    }
    super::target::request_line(&mut draft.request, request);
    draft.set(Field::UserAgent, cursor.quoted().unwrap_or(b""), dates);
    Ok(Line::Observation(Observation::Request(draft.finish()?)))
}

/// Reads a line of a Network Load Balancer's TLS listener: `tls 2.0 time balancer listener
/// client:port destination:port connection-ms handshake-ms received sent alert …`.
pub(super) fn network<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Line<'a>, LineError> {
    let mut cursor = Cursor::new(line);
    if !cursor.eat(b"tls ") {
        return Err(LineError { reason: "no protocol in front", at_byte: 0 });
    }
    cursor.token();
    let time = time(dates, &mut cursor)?;
    cursor.token();
    cursor.token();
    let client = cursor.token().unwrap_or(b"");
    let server = address_and_port(cursor.token().unwrap_or(b""));
    let duration = cursor.token().and_then(|t| Unit::Milliseconds.microseconds(t));
    let handshake = cursor.token().and_then(integer);
    let event = if handshake.is_some() { ConnectionEvent::Closed } else { ConnectionEvent::TlsAbandoned };
    let mut connection = haproxy::connection(time, address_then_port(client), event)?;
    if let Some((address, port)) = server {
        (connection.server, connection.server_port) = (address, port);
    }
    connection.duration_us = duration.unwrap_or(0);
    connection.client_bytes = cursor.token().and_then(integer).unwrap_or(0);
    connection.server_bytes = cursor.token().and_then(integer).unwrap_or(0);
    Ok(Line::Observation(Observation::Connection(connection)))
}

fn time(dates: &mut Dates, cursor: &mut Cursor<'_>) -> Result<Timestamp, LineError> {
    let at_byte = cursor.at();
    let time = cursor.token().and_then(date::iso).ok_or(LineError { reason: "no date", at_byte })?;
    dates.saw(time);
    Ok(time)
}

/// `balancer client:port target:port request-s target-s response-s status target-status received
/// sent`, which both HTTP balancers share. -1 is "not known".
fn balanced<'a>(dates: &Dates, cursor: &mut Cursor<'a>) -> Result<Draft<'a>, LineError> {
    let at_byte = cursor.at();
    let mut columns: [&[u8]; 10] = [b""; 10];
    for column in &mut columns {
        *column = cursor.token().ok_or(LineError { reason: "line ends before the request", at_byte })?;
    }
    let [balancer, client, target, request_s, target_s, response_s, status, _, received, sent] = columns;
    let (address, _) = address_then_port(client).ok_or(LineError { reason: "no client address", at_byte })?;
    let mut draft = Draft::new(dates);
    (draft.peer, draft.peer_address) = (client, Some(address));
    let r = &mut draft.request;
    r.backend = balancer;
    r.server = given(target);
    r.upstream_us = Unit::Seconds.microseconds(target_s);
    let parts = [request_s, target_s, response_s].map(|part| Unit::Seconds.microseconds(part));
    r.duration_us = parts.into_iter().try_fold(0_u64, |sum, part| Some(sum.saturating_add(part?)));
    r.status = super::draft::status(status).unwrap_or(0);
    r.request_bytes = integer(received);
    r.response_bytes = integer(sent).unwrap_or(0);
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: &str = r#"https 2023-04-26T12:23:00.186641Z app/my-lb/490d 198.51.100.11:44740 10.0.0.1:80 0.086 0.048 0.037 200 200 12 57 "GET https://www.example.com:443/robots.txt?a HTTP/1.1" "curl/7.46.0" ECDHE TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:1:targetgroup/my-targets/73e2 "Root=1-58" "www.example.com" "arn:aws:acm" 1 2023-04-26T12:23:00.010000Z "waf,forward" "-" "-" "10.0.0.1:80" "200" "-" "-""#;

    #[test]
    fn application_balancers_with_every_field() {
        let r = application(&mut Dates::default(), APPLICATION.as_bytes()).unwrap();
        assert_eq!(r.time.to_string(), "2023-04-26T12:23:00.010Z");
        assert_eq!(r.client.to_string(), "198.51.100.11");
        assert_eq!((r.server, r.backend), (&b"10.0.0.1:80"[..], &b"my-targets"[..]));
        assert_eq!((r.duration_us, r.upstream_us), (Some(171_000), Some(48_000)));
        assert_eq!((r.status, r.request_bytes, r.response_bytes), (200, Some(12), 57));
        assert_eq!(
            (r.host, r.path, r.query),
            (&b"www.example.com"[..], &b"/robots.txt"[..], Some(&b"a"[..]))
        );
        assert_eq!((r.user_agent, r.ending), (&b"curl/7.46.0"[..], Ending::Normal));
    }

    #[test]
    fn requests_without_a_target_say_why() {
        let line = APPLICATION.replace("10.0.0.1:80 0.086 0.048 0.037 200 200", "- -1 -1 -1 503 -");
        let r = application(&mut Dates::default(), line.as_bytes()).unwrap();
        assert_eq!((r.ending, r.duration_us, r.server), (Ending::NoUpstream, None, &b""[..]));
        let line = line.replace("-1 503", "-1 403");
        assert_eq!(application(&mut Dates::default(), line.as_bytes()).unwrap().ending, Ending::Denied);
    }

    #[test]
    fn classic_balancers_give_requests_and_connections() {
        let http = r#"2021-05-13T23:39:43.945958Z my-lb 198.51.100.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 3 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#;
        let Line::Observation(Observation::Request(r)) =
            classic(&mut Dates::default(), http.as_bytes()).unwrap()
        else {
            panic!("no request")
        };
        assert_eq!(
            (r.duration_us, r.backend, r.user_agent),
            (Some(1_178), &b"my-lb"[..], &b"curl/7.38.0"[..])
        );
        let tcp = r#"2021-05-13T23:39:45.945958Z my-lb 198.51.100.39:2817 10.0.0.1:80 0.001069 0.000028 0.000041 - - 82 305 "- - - " "-" - -"#;
        let Line::Observation(Observation::Connection(c)) =
            classic(&mut Dates::default(), tcp.as_bytes()).unwrap()
        else {
            panic!("no connection")
        };
        assert_eq!((c.client_bytes, c.server_bytes, c.duration_us, c.client_port), (82, 305, 1_138, 2817));
    }

    #[test]
    fn network_balancers_give_connections() {
        let line = "tls 2.0 2022-04-01T08:51:42 net/my-nlb/c6 g3 198.51.100.154:51341 172.100.100.185:443 5 2 98 246 - arn - ECDHE tlsv12 - my-nlb h2 h2 \"h2\"";
        for (line, event) in [
            (line.to_owned(), ConnectionEvent::Closed),
            (line.replace(" 5 2 98 ", " 5 -1 98 "), ConnectionEvent::TlsAbandoned),
        ] {
            let Line::Observation(Observation::Connection(c)) =
                network(&mut Dates::default(), line.as_bytes()).unwrap()
            else {
                panic!("no connection")
            };
            assert_eq!((c.event, c.duration_us, c.client_bytes, c.server_bytes), (event, 5_000, 98, 246));
            assert_eq!((c.server.to_string().as_str(), c.server_port), ("172.100.100.185", 443));
        }
    }
}
