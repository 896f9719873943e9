//! Query logs of name servers: BIND, Unbound, dnsdist, dnsmasq, and those of [`super::dns_servers`]. Knot DNS
//! and NSD write none; what they see is in their dnstap.
//!
//! A query that BIND refused is told as a query (a client asked), with response code 5. What its
//! rate limit held back and what failed is told as a response: the query has a line of its own.

use super::date::{self, Dates};
use super::envelope::Envelope;
use super::scan::{Cursor, address, address_and_port, integer};
use super::{Line, LineError, dns_servers};
use memchr::{memchr, memmem};
use seawall_model::observation::{BackendEvent, BackendEventKind, Dns, Observation};
use seawall_model::time::SECOND_NS;
use seawall_model::{Timestamp, dns_type};
use std::net::{IpAddr, Ipv4Addr};

/// SERVFAIL and REFUSED, RFC 1035 section 4.1.1.
pub(super) const SERVFAIL: u8 = 2;
const REFUSED: u8 = 5;
/// For a failure that is told in words without a number here.
const OTHER_CODE: u8 = 15;

/// What a line tells of a question.
pub(super) struct Question<'a> {
    pub(super) time: Option<Timestamp>,
    pub(super) client: IpAddr,
    pub(super) port: u16,
    pub(super) name: &'a [u8],
    pub(super) query_type: u16,
    pub(super) response_code: Option<u8>,
    pub(super) response_us: Option<u64>,
    pub(super) flags: &'a [u8],
    pub(super) refused: bool,
    pub(super) truncated: bool,
}

impl<'a> Question<'a> {
    pub(super) fn of(client: IpAddr, port: u16, name: &'a [u8], query_type: u16) -> Self {
        Self {
            time: None,
            client,
            port,
            name,
            query_type,
            response_code: None,
            response_us: None,
            flags: b"",
            refused: false,
            truncated: false,
        }
    }
}

/// Whether the text looks like a line of a query log, so that [`read`] should have it.
pub(super) fn is_one(envelope: &Envelope<'_>) -> bool {
    let is_unbound = envelope.program == b"unbound" || is_unbound(envelope.body);
    is_unbound
        || envelope.program.starts_with(b"dnsmasq")
        || dnsdist_words(envelope.body).is_some()
        || is_bind_limit(envelope.body)
        || trouble(envelope.body).is_some()
        || bind_client(envelope.body).is_some()
        || dns_servers::question(envelope.body).is_some()
}

/// What BIND's rate limit says of a network, which is no query.
fn is_bind_limit(text: &[u8]) -> bool {
    memmem::find(&text[..text.len().min(64)], b"rate-limit: ").is_some()
}

fn is_unbound(text: &[u8]) -> bool {
    memmem::find(&text[..text.len().min(64)], b"unbound[").is_some()
}

/// What name servers say of zones and back ends. Unbound (`log-servfail`, `val-log-level`): `error: SERVFAIL
/// <www.example.org. A IN>: …`, `info: validation failure <www.example.org. A IN>: signature expired …`;
/// BIND: `zone example.org/IN: expired`, `lame server resolving 'www.example.org' …`, `no valid RRSIG
/// resolving 'www.example.org/A/IN': …`; dnsdist: `Marking downstream 192.0.2.1:53 as 'down'`; CoreDNS:
/// `plugin/errors: 2 example.org. A: read udp 10.0.0.1:41000->192.0.2.1:53: i/o timeout`.
fn trouble(text: &[u8]) -> Option<(BackendEventKind, &[u8])> {
    use BackendEventKind::{ConnectFailed, ServerDown, ServerUp, UpstreamTimedOut, ZoneBroken};
    let after = |words: &[u8]| memmem::find(text, words).map(|at| &text[at + words.len()..]);
    let until = |rest: &'_ [u8], end: u8| memchr(end, rest);
    if let Some(rest) = after(b"Marking downstream ") {
        let (server, state) = rest.split_at(until(rest, b' ')?);
        let kind = if state.starts_with(b" as 'down'") { ServerDown } else { ServerUp };
        return Some((kind, server));
    }
    if let Some(rest) = after(b"plugin/errors: ") {
        let server = memmem::find(rest, b"->").map_or(&b""[..], |at| &rest[at + 2..]);
        let server = &server[..memmem::find(server, b": ").unwrap_or(server.len())];
        let failed = [&b"refused"[..], b"unreachable", b"no route", b"no healthy"];
        let kind = match () {
            () if rest.ends_with(b"i/o timeout") => UpstreamTimedOut,
            () if failed.iter().any(|words| memmem::find(rest, words).is_some()) => ConnectFailed,
            () => return None,
        };
        return Some((kind, server));
    }
    if let Some(rest) = after(b"validation failure <") {
        return Some((ZoneBroken, &rest[..until(rest, b' ')?]));
    }
    if let Some(rest) = after(b": SERVFAIL <") {
        // A server that is silent has a trouble of its own.
        let refused = [&b"REFUSED"[..], b"lame", b"expired", b"signature", b"bogus"];
        let is_zones = refused.iter().any(|word| memmem::find(rest, word).is_some());
        return is_zones.then_some((ZoneBroken, &rest[..until(rest, b' ')?]));
    }
    if let Some(rest) = after(b"lame server resolving '").or_else(|| after(b"no valid RRSIG resolving '")) {
        return Some((ZoneBroken, &rest[..until(rest, b'\'')?]));
    }
    let rest = after(b"zone ")?;
    let (zone, said) = rest.split_at(until(rest, b' ')?);
    said.starts_with(b" expired").then(|| (ZoneBroken, zone.strip_suffix(b":").unwrap_or(zone)))
}

/// The epoch in front of Unbound's lines.
fn unbound_time(text: &[u8]) -> Option<Timestamp> {
    let stamp = text.strip_prefix(b"[")?;
    date::epoch(&stamp[..memchr(b']', stamp)?])
}

/// Reads a message whose carrier has been taken off; names are copied to `lower` in lower case.
pub(super) fn read<'a>(
    dates: &mut Dates,
    lower: &'a mut Vec<u8>,
    envelope: &Envelope<'a>,
) -> Result<Line<'a>, LineError> {
    let text = envelope.body;
    if let Some((kind, zone)) = trouble(text) {
        let (own, _) = date::named_prefix(text).or_else(|| date::iso_prefix(text)).unzip();
        let time = own.or_else(|| unbound_time(text)).or(envelope.time).or_else(|| dates.latest());
        let time = time.ok_or(LineError { reason: "no date that can be read", at_byte: 0 })?;
        let event = BackendEvent { time, kind, backend: zone, server: b"", text };
        return Ok(Line::Observation(Observation::Backend(event)));
    }
    let question = match () {
        () if envelope.program.starts_with(b"dnsmasq") => dnsmasq(text),
        () if envelope.program == b"unbound" || is_unbound(text) => unbound(text),
        () if dnsdist_words(text).is_some() => dnsdist(text),
        () => bind(text).or_else(|| dns_servers::question(text)),
    };
    let Some(q) = question else { return Ok(Line::Nothing) };
    let time = q.time.or(envelope.time).or_else(|| dates.latest());
    let time = time.ok_or(LineError { reason: "no date that can be read", at_byte: 0 })?;
    if let Some(own) = q.time {
        dates.saw(own);
    }
    lower.clear();
    lower.extend(q.name.strip_suffix(b".").unwrap_or(q.name).iter().map(u8::to_ascii_lowercase));
    let is_response = q.response_code.is_some();
    Ok(Line::Observation(Observation::Dns(Dns {
        time,
        client: q.client,
        server: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        client_port: q.port,
        is_response,
        over_tcp: memchr(b'T', q.flags).is_some(),
        name: lower,
        query_type: q.query_type,
        opcode: 0,
        response_code: if q.refused { REFUSED } else { q.response_code.unwrap_or(0) },
        authoritative: false,
        truncated: q.truncated,
        recursion_desired: q.flags.first() == Some(&b'+'),
        records: 0,
        message_bytes: 0,
        unsolicited: false,
        response_us: q.response_us,
        malformed: false,
    })))
}

/// `19-Oct-2022 05:34:02.425 queries: info: client @0x7f 198.51.100.7#3076 (example.com): query:
/// example.com IN A +E(0)K (10.0.0.1)`, `… query (cache) 'example.com/ANY/IN' denied`, `… rate limit
/// drop NXDOMAIN response to 198.51.100.0/24 …` and `… query failed (SERVFAIL) for …`.
fn bind(text: &[u8]) -> Option<Question<'_>> {
    let own = date::named_prefix(text).map(|(time, _)| time);
    let own = own.or_else(|| date::iso_prefix(text).map(|(time, _)| time));
    let (client, port, rest) = bind_client(text)?;
    let mut question = Question { time: own, ..Question::of(client, port, b"", 0) };
    if let Some(at) = memmem::find(rest, b"query: ") {
        let mut cursor = Cursor::new(&rest[at + 7..]);
        question.name = cursor.token()?;
        cursor.token()?;
        question.query_type = query_type(cursor.token()?);
        question.flags = cursor.token().unwrap_or(b"");
        return Some(question);
    }
    if let Some(inside) = rest.strip_prefix(b"(") {
        let (name, said) = inside.split_at(memmem::find(inside, b"): ")?);
        question.name = name;
        question.response_code = bind_outcome(&said[3..]);
        question.truncated = said.starts_with(b"): rate limit slip ");
        if question.response_code.is_some() {
            return Some(question);
        }
    }
    memmem::find(rest, b"denied")?;
    let quoted = &rest[memchr(b'\'', rest)? + 1..];
    let quoted = &quoted[..memchr(b'\'', quoted)?];
    let mut parts = quoted.rsplitn(3, |&b| b == b'/');
    let (_class, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    (question.name, question.query_type, question.refused) = (name, query_type(kind), true);
    Some(question)
}

/// The response code of what BIND says became of a query.
fn bind_outcome(said: &[u8]) -> Option<u8> {
    if let Some(failed) = said.strip_prefix(b"query failed (") {
        // Any other reason (`zone not loaded`, `timed out`, `broken trust chain`) goes out as SERVFAIL.
        return Some(response_code(&failed[..memchr(b')', failed)?]).unwrap_or(SERVFAIL));
    }
    let limited = said.strip_prefix(b"rate limit ")?;
    let mut cursor = Cursor::new(limited);
    let is_held_back = matches!(cursor.token()?, b"drop" | b"slip");
    let code = match cursor.token()? {
        b"NXDOMAIN" => 3,
        // An error of any kind is limited as one.
        b"error" => 2,
        _ => 0,
    };
    is_held_back.then_some(code)
}

/// `client @0x7f 198.51.100.7#3076 …` or `client 198.51.100.7#3076: …`, and what follows.
fn bind_client(text: &[u8]) -> Option<(IpAddr, u16, &[u8])> {
    let mut cursor = Cursor::new(text);
    cursor.skip(memmem::find(text, b"client ")? + 7);
    if cursor.peek() == Some(b'@') {
        cursor.token();
    }
    let who = cursor.token()?;
    let hash = memchr(b'#', who)?;
    let port = who[hash + 1..].strip_suffix(b":").unwrap_or(&who[hash + 1..]);
    Some((address(&who[..hash])?, u16::try_from(integer(port)?).ok()?, cursor.rest()))
}

/// `[1667480000] unbound[123:0] info: 198.51.100.7 example.com. A IN`, with `log-replies` also
/// `NOERROR 0.000123 0 56`, and with `log-tag-queryreply` another word for `info`. The number in
/// front is an epoch.
fn unbound(text: &[u8]) -> Option<Question<'_>> {
    let mut cursor = Cursor::new(text);
    let time = if cursor.eat(b"[") { cursor.until(b']').and_then(date::epoch) } else { None };
    let rest = cursor.rest();
    let after = |word: &[u8]| memmem::find(rest, word).map(|at| &rest[at + word.len()..]);
    let mut cursor =
        Cursor::new(after(b"info: ").or_else(|| after(b"query: ")).or_else(|| after(b"reply: "))?);
    let (client, port) = address_and_port(cursor.token()?)?;
    let (name, kind) = (cursor.token()?, cursor.token()?);
    cursor.token()?;
    let code = cursor.token().and_then(response_code);
    let seconds = cursor.token().and_then(|t| super::draft::Unit::Seconds.microseconds(t));
    Some(Question {
        time,
        response_code: code,
        response_us: seconds.filter(|_| code.is_some()),
        ..Question::of(client, port, name, query_type(kind))
    })
}

/// What dnsdist's `LogAction`, its `LogResponseAction` and its verbose mode begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dnsdist {
    Packet,
    Answer,
    Got,
}

/// What kind of line of dnsdist it is, and what follows its first words.
fn dnsdist_words(text: &[u8]) -> Option<(Dnsdist, &[u8])> {
    let text = match text.first() {
        Some(b'[') => text.get(memchr(b']', &text[..text.len().min(32)])? + 2..)?,
        _ => text,
    };
    let words = [
        (Dnsdist::Packet, &b"Packet from "[..]),
        (Dnsdist::Answer, b"Answer to "),
        (Dnsdist::Got, b"Got query for "),
    ];
    words.into_iter().find_map(|(kind, word)| Some((kind, text.strip_prefix(word)?)))
}

/// `[1667480000.5489851] Packet from 198.51.100.7:3076 for example.com. A with id 7`, the same as
/// `Answer to … A (No Error) with id 7`, and `Got query for example.com|A from 198.51.100.7:3076
/// (UDP, 40 bytes), relayed to …`.
fn dnsdist(text: &[u8]) -> Option<Question<'_>> {
    let (kind, rest) = dnsdist_words(text)?;
    let mut cursor = Cursor::new(rest);
    if kind == Dnsdist::Got {
        let asked = cursor.token()?;
        let bar = memchr::memrchr(b'|', asked)?;
        let (client, port) =
            cursor.eat(b"from ").then(|| cursor.token()).flatten().and_then(address_and_port)?;
        // As BIND flags what came over TCP.
        let flags: &[u8] = if cursor.eat(b"(UDP") { b"" } else { b"T" };
        return Some(Question {
            flags,
            ..Question::of(client, port, &asked[..bar], query_type(&asked[bar + 1..]))
        });
    }
    let (client, port) = address_and_port(cursor.token()?)?;
    let (name, kind_of) = cursor.eat(b"for ").then(|| cursor.token().zip(cursor.token())).flatten()?;
    let code = (kind == Dnsdist::Answer && cursor.eat(b"(")).then(|| cursor.until(b')')).flatten();
    Some(Question {
        time: dnsdist_time(text),
        response_code: code.map(|code| dnsdist_code(code).unwrap_or(OTHER_CODE)),
        ..Question::of(client, port, name, query_type(kind_of))
    })
}

/// Seconds and nanoseconds, each a whole number: the second one is not padded with zeros.
fn dnsdist_time(text: &[u8]) -> Option<Timestamp> {
    let stamp = text.strip_prefix(b"[")?;
    let stamp = &stamp[..memchr(b']', stamp)?];
    let (seconds, part) = stamp.split_at(memchr(b'.', stamp)?);
    let seconds = i64::try_from(integer(seconds)?).ok()?.checked_mul(SECOND_NS)?;
    let part = i64::try_from(integer(&part[1..])?).ok().filter(|ns| *ns < SECOND_NS)?;
    seconds.checked_add(part).map(Timestamp)
}

/// A response code in dnsdist's words.
fn dnsdist_code(words: &[u8]) -> Option<u8> {
    Some(match words {
        b"No Error" => 0,
        b"Form Error" => 1,
        b"Server Failure" => 2,
        b"Non-Existent domain" => 3,
        b"Not Implemented" => 4,
        b"Query Refused" => REFUSED,
        _ => return None,
    })
}

/// `query[A] example.com from 198.51.100.7`; answers do not name their client.
fn dnsmasq(text: &[u8]) -> Option<Question<'_>> {
    let at = memmem::find(text, b"query[")?;
    let rest = &text[at + 6..];
    let close = memchr(b']', rest)?;
    let mut cursor = Cursor::new(rest[close + 1..].trim_ascii_start());
    let name = cursor.token()?;
    let client = if cursor.eat(b"from ") { address(cursor.token()?)? } else { return None };
    Some(Question::of(client, 0, name, query_type(&rest[..close])))
}

/// The number of a type by its name (IANA), `TYPE65`, or 0.
pub(super) fn query_type(name: &[u8]) -> u16 {
    if let Some(number) = dns_type::number(name) {
        return number;
    }
    name.strip_prefix(b"TYPE").and_then(integer).and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
}

pub(super) fn response_code(name: &[u8]) -> Option<u8> {
    Some(match name {
        b"NOERROR" => 0,
        b"FORMERR" => 1,
        b"SERVFAIL" => 2,
        b"NXDOMAIN" => 3,
        b"NOTIMPL" | b"NOTIMP" => 4,
        b"REFUSED" => 5,
        _ => return None,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::envelope;
    use super::*;

    pub(in super::super) fn of(line: &str) -> String {
        let (mut dates, mut lower) = (Dates::in_year(2022), Vec::new());
        let envelope = envelope::open(&mut dates, line.as_bytes());
        assert!(is_one(&envelope), "{line}");
        match read(&mut dates, &mut lower, &envelope) {
            Ok(Line::Observation(Observation::Dns(d))) => {
                let name = String::from_utf8_lossy(d.name).into_owned();
                let kind = if d.is_response { "response" } else { "query" };
                let (rd, tcp) = (d.recursion_desired, d.over_tcp);
                format!(
                    "{} {kind} {}#{} {name} {} {} {rd} {tcp}",
                    d.time, d.client, d.client_port, d.query_type, d.response_code
                )
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn servers_tell_of_zones_that_they_cannot_serve() {
        for (line, expected) in [
            (
                "[1795324776] unbound[19177:0] error: SERVFAIL <www.example.org. A IN>: all the configured stub or forward servers failed, at zone example.org. from 203.0.113.11 got REFUSED",
                Some((BackendEventKind::ZoneBroken, "www.example.org.")),
            ),
            (
                "[1795324776] unbound[19177:0] error: SERVFAIL <www.example.org. A IN>: all the configured stub or forward servers failed, at zone example.org. from 203.0.113.11 upstream server timeout",
                None,
            ),
            (
                "[1795324776] unbound[19177:0] info: validation failure <www.example.org. A IN>: signature expired from 203.0.113.11",
                Some((BackendEventKind::ZoneBroken, "www.example.org.")),
            ),
            (
                "19-Oct-2022 05:34:02.425 general: info: zone example.org/IN: expired",
                Some((BackendEventKind::ZoneBroken, "example.org/IN")),
            ),
            (
                "19-Oct-2022 05:34:02.425 lame-servers: info: lame server resolving 'www.example.org' (in 'example.org'?): 192.0.2.1#53",
                Some((BackendEventKind::ZoneBroken, "www.example.org")),
            ),
            (
                "[ERROR] plugin/errors: 2 example.org. A: read udp 10.0.0.1:41000->192.0.2.1:53: i/o timeout",
                Some((BackendEventKind::UpstreamTimedOut, "192.0.2.1:53")),
            ),
            (
                "Marking downstream 192.0.2.1:53 as 'down'",
                Some((BackendEventKind::ServerDown, "192.0.2.1:53")),
            ),
            ("19-Oct-2022 05:34:02.425 general: info: zone example.org/IN: loaded serial 7", None),
        ] {
            let said = trouble(line.as_bytes());
            let said = said.map(|(kind, zone)| (kind, std::str::from_utf8(zone).unwrap_or("")));
            assert_eq!(said, expected, "{line}");
        }
    }

    #[test]
    fn queries_of_every_server() {
        for (line, expected) in [
            (
                "19-Oct-2022 05:34:02.425 queries: info: client @0x7f 198.51.100.7#3076 (Example.COM): query: Example.COM IN AAAA +E(0)TK (10.0.0.1)",
                "2022-10-19T05:34:02.425Z query 198.51.100.7#3076 example.com 28 0 true true",
            ),
            (
                "19-Oct-2022 05:34:02.425 client 198.51.100.7#3076 (example.com): query (cache) 'example.com/ANY/IN' denied",
                "2022-10-19T05:34:02.425Z query 198.51.100.7#3076 example.com 255 5 false false",
            ),
            (
                "Nov 13 10:59:46 ns named[2075772]: client @0x7f ::1#62449 (a.b): zone transfer 'a.b/AXFR/IN' denied",
                "2022-11-13T10:59:46Z query ::1#62449 a.b 252 5 false false",
            ),
            (
                "19-Oct-2022 05:34:02.425 query-errors: info: client @0x7f 198.51.100.7#3076 (a.b): query failed (zone not loaded) for a.b/IN/A at query.c:5871",
                "2022-10-19T05:34:02.425Z response 198.51.100.7#3076 a.b 0 2 false false",
            ),
            (
                "[1667480000] unbound[123:0] info: 198.51.100.7 example.com. A IN",
                "2022-11-03T12:53:20Z query 198.51.100.7#0 example.com 1 0 false false",
            ),
            (
                "[1667480000] unbound[123:0] info: 198.51.100.7 nx.example.com. TYPE65 IN NXDOMAIN 0.000123 0 56",
                "2022-11-03T12:53:20Z response 198.51.100.7#0 nx.example.com 65 3 false false",
            ),
            (
                "Nov 13 10:59:46 ns dnsmasq[12]: query[A] example.com from 198.51.100.7",
                "2022-11-13T10:59:46Z query 198.51.100.7#0 example.com 1 0 false false",
            ),
            (
                "Nov 21 19:21:55 unbound[15008:0] reply: 198.51.100.7 example.com. MX IN NOERROR 0.000000 1 75",
                "2022-11-21T19:21:55Z response 198.51.100.7#0 example.com 15 0 false false",
            ),
            (
                "Nov 21 19:21:55 unbound[15008:0] info: 198.51.100.7 example.com. MX IN",
                "2022-11-21T19:21:55Z query 198.51.100.7#0 example.com 15 0 false false",
            ),
            (
                "[1795288916.15489851] Packet from 198.51.100.7:3076 for x.example.org. A with id 4096",
                "2026-11-21T19:21:56.015Z query 198.51.100.7#3076 x.example.org 1 0 false false",
            ),
            (
                "[1795288916.15489851] Answer to [2001:db8::1]:3076 for x.example.org. A (Non-Existent domain) with id 4096",
                "2026-11-21T19:21:56.015Z response 2001:db8::1#3076 x.example.org 1 3 false false",
            ),
            (
                "Nov 21 19:21:55 ns dnsdist[7]: Got query for example.org|AAAA from 198.51.100.7:3076 (TCP, 31 bytes), relayed to 127.0.0.1:53",
                "2022-11-21T19:21:55Z query 198.51.100.7#3076 example.org 28 0 false true",
            ),
            (
                "21-Nov-2022 19:22:39.217 rate-limit: info: client @0x7f 198.51.100.7#4267 (x1.example.org): rate limit slip NXDOMAIN response to 198.51.100.0/24 for example.org  (8d48d6db)",
                "2022-11-21T19:22:39.217Z response 198.51.100.7#4267 x1.example.org 0 3 false false",
            ),
            (
                "21-Nov-2022 19:22:55.105 query-errors: info: client @0x7f 198.51.100.7#3616 (example.net): query failed (REFUSED) for example.net/IN/A at query.c:5708",
                "2022-11-21T19:22:55.105Z response 198.51.100.7#3616 example.net 0 5 false false",
            ),
            (
                "21-Nov-2026 19:22:39.213 rate-limit: info: limit NXDOMAIN responses to 127.0.0.0/24 for example.org",
                "Ok(Nothing)",
            ),
            ("Nov 13 10:59:46 ns dnsmasq[12]: reply example.com is 1.2.3.4", "Ok(Nothing)"),
        ] {
            assert_eq!(of(line), expected, "{line}");
        }
    }
}
