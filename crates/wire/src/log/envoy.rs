//! Envoy's default text access log, and its response flags, which its JSON log has too. The date
//! in front is when the request began.

use super::date::Dates;
use super::draft::{Draft, Field, Unit};
use super::scan::{Cursor, address_and_port};
use super::{Line, LineError, date, haproxy};
use seawall_model::Timestamp;
use seawall_model::observation::{BackendEvent, BackendEventKind, ConnectionEvent, Ending, Observation};

/// The columns after the count of bytes received, as in Envoy's documentation ("default format
/// string"), and those that Istio adds after them.
const COLUMNS: [Field; 12] = [
    Field::ResponseBytes,
    Field::Duration(Unit::Milliseconds),
    Field::Upstream(Unit::Milliseconds),
    Field::ForwardedFor,
    Field::UserAgent,
    Field::Ignored,
    Field::Host,
    Field::Server,
    Field::Backend,
    Field::Ignored,
    Field::Ignored,
    Field::Peer,
];

/// Stands for the client where the line names none.
const UNKNOWN: &[u8] = b"(unknown)";

/// Reads `[2016-04-15T20:17:00.310Z] "POST /x HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "agent"
/// "id" "host" "tcp://10.0.2.1:80"`; newer versions put words about the answer after the flags. A stream has
/// `"- - -"` for its request.
pub(super) fn read<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Line<'a>, LineError> {
    let mut cursor = Cursor::new(line);
    let error = |reason, cursor: &Cursor<'_>| LineError { reason, at_byte: cursor.at() };
    if !cursor.eat(b"[") {
        return Err(error("no [start time]", &cursor));
    }
    let time = cursor.until(b']').and_then(date::iso).ok_or(error("no [start time]", &cursor))?;
    dates.saw(time);
    cursor.skip_spaces();
    let mut draft = Draft::new(dates);
    draft.time = Some(time);
    let request = cursor.quoted().ok_or(error("no quoted request after the date", &cursor))?;
    super::target::request_line(&mut draft.request, request);
    draft.set(Field::Status, cursor.token().unwrap_or(b""), dates);
    draft.set(Field::EnvoyFlags, cursor.token().unwrap_or(b""), dates);
    // Details of the answer are words; the count of bytes received is the first number.
    while cursor.peek().is_some_and(|b| !b.is_ascii_digit()) {
        cursor.field();
    }
    draft.set(Field::RequestBytes, cursor.token().unwrap_or(b""), dates);
    // The downstream address is not in the default format; the last forwarder stands for it.
    draft.peer = UNKNOWN;
    for field in COLUMNS {
        let Some(text) = cursor.field() else { break };
        draft.set(field, text.strip_prefix(b"tcp://").unwrap_or(text), dates);
    }
    if request == b"- - -" {
        return Ok(stream(time, &draft, line));
    }
    Ok(Line::Observation(Observation::Request(draft.finish()?)))
}

/// A stream whose upstream failed is told as trouble of the back end, any other as a connection.
fn stream<'a>(time: Timestamp, draft: &Draft<'a>, text: &'a [u8]) -> Line<'a> {
    let r = &draft.request;
    let kind = match r.ending {
        Ending::NoUpstream => BackendEventKind::PoolEmpty,
        Ending::UpstreamFailed => BackendEventKind::ConnectFailed,
        Ending::UpstreamTimedOut => BackendEventKind::UpstreamTimedOut,
        _ => {
            let client = address_and_port(draft.peer);
            let Ok(mut connection) = haproxy::connection(time, client, ConnectionEvent::Closed) else {
                return Line::Nothing;
            };
            connection.client_bytes = r.request_bytes.unwrap_or(0);
            connection.server_bytes = r.response_bytes;
            connection.duration_us = r.duration_us.unwrap_or(0);
            return Line::Observation(Observation::Connection(connection));
        }
    };
    let event = BackendEvent { time, kind, backend: r.backend, server: r.server, text };
    Line::Observation(Observation::Backend(event))
}

/// What the flags say of the ending; several are joined by commas, the first that means
/// something counts (Envoy documentation, "response flags").
pub(super) fn ending(flags: &[u8]) -> Ending {
    let of = |flag: &[u8]| match flag {
        b"UH" | b"UO" | b"NC" => Ending::NoUpstream,
        b"UF" | b"UC" | b"LH" | b"LR" | b"UR" | b"UPE" | b"URX" => Ending::UpstreamFailed,
        b"UT" | b"UMSDR" => Ending::UpstreamTimedOut,
        b"DC" | b"DR" => Ending::ClientAborted,
        b"RL" | b"UAEX" | b"RLSE" | b"IH" | b"OM" => Ending::Denied,
        b"DPE" => Ending::ClientInvalid,
        b"SI" | b"DT" => Ending::ClientTimedOut,
        _ => Ending::Normal,
    };
    flags.split(|&b| b == b',').map(of).find(|e| *e != Ending::Normal).unwrap_or(Ending::Normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_lines_with_every_field() {
        for details in [
            "",
            " upstream_reset_before_response_started{connection_failure} - \"delayed connect error: 111\"",
        ] {
            let line = format!(
                r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations?x=1 HTTP/2" 204 UF,URX{details} 154 17 226 100 "198.51.100.28" "nsq2http" "cc21d9b0" "locations.example" "tcp://10.0.2.1:80""#
            );
            let Line::Observation(Observation::Request(r)) =
                read(&mut Dates::default(), line.as_bytes()).unwrap()
            else {
                panic!("{line}")
            };
            assert_eq!(r.time.to_string(), "2016-04-15T20:17:00.310Z");
            assert_eq!(r.client.to_string(), "198.51.100.28");
            assert_eq!((r.path, r.query, r.status), (&b"/api/v1/locations"[..], Some(&b"x=1"[..]), 204));
            assert_eq!((r.request_bytes, r.response_bytes), (Some(154), 17));
            assert_eq!((r.duration_us, r.upstream_us), (Some(226_000), Some(100_000)));
            assert_eq!((r.user_agent, r.host), (&b"nsq2http"[..], &b"locations.example"[..]));
            assert_eq!((r.server, r.ending), (&b"10.0.2.1:80"[..], Ending::UpstreamFailed));
        }
    }

    #[test]
    fn streams_of_a_mesh_are_no_requests() {
        let line = |flags: &str| {
            format!(
                r#"[2024-03-06T08:55:30.903Z] "- - -" 0 {flags} - - "-" 12 34 1000 - "-" "-" "-" "-" "10.0.0.1:443" outbound|443||db - 10.44.1.27:443 198.51.100.7:37652 - -"#
            )
        };
        let closed = line("-");
        let Ok(Line::Observation(Observation::Connection(c))) =
            read(&mut Dates::default(), closed.as_bytes())
        else {
            panic!("no connection")
        };
        assert_eq!((c.client.to_string().as_str(), c.client_port), ("198.51.100.7", 37652));
        assert_eq!((c.client_bytes, c.server_bytes, c.duration_us), (12, 34, 1_000_000));
        let failed = line("UF,URX");
        let Ok(Line::Observation(Observation::Backend(b))) = read(&mut Dates::default(), failed.as_bytes())
        else {
            panic!("no backend event")
        };
        assert_eq!((b.kind, b.server), (BackendEventKind::ConnectFailed, &b"10.0.0.1:443"[..]));
    }
}
