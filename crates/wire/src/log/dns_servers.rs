//! Query logs of CoreDNS, PowerDNS and Amazon's Route 53, one line to one question.

use super::date;
use super::dns_log::{Question, SERVFAIL, query_type, response_code};
use super::draft::Unit;
use super::scan::{Cursor, address, address_and_port};
use memchr::{memchr, memmem};

/// The question of a line, if it is one of these servers'. A date in front is its time.
pub(super) fn question(text: &[u8]) -> Option<Question<'_>> {
    let (time, rest) = date::iso_prefix(text).map_or((None, text), |(time, rest)| (Some(time), rest));
    let rest = rest.trim_ascii_start();
    let found = coredns(rest).or_else(|| route53(rest)).or_else(|| powerdns(rest))?;
    Some(Question { time: found.time.or(time), ..found })
}

/// `[INFO] 198.51.100.7:42114 - 64820 "A IN example.com. udp 57 false 1232" NOERROR qr,aa,rd 66
/// 0.000150566s`. Where a plugin failed the code is a dash; the client then gets SERVFAIL.
fn coredns(text: &[u8]) -> Option<Question<'_>> {
    let mut cursor = Cursor::new(text.strip_prefix(b"[INFO] ")?);
    let (client, port) = address_and_port(cursor.token()?)?;
    cursor.eat(b"- ").then_some(())?;
    cursor.token()?;
    let mut asked = Cursor::new(cursor.quoted()?);
    let (kind, _class, name, protocol) = (asked.token()?, asked.token()?, asked.token()?, asked.token()?);
    let (code, flags, _bytes) = (cursor.token()?, cursor.token()?, cursor.token()?);
    Some(Question {
        response_code: Some(if code == b"-" { SERVFAIL } else { response_code(code)? }),
        response_us: cursor.token().and_then(|took| Unit::Written.microseconds(took)),
        flags: flags_of(flags.split(|&b| b == b',').any(|flag| flag == b"rd"), protocol),
        ..Question::of(client, port, name, query_type(kind))
    })
}

/// `1.0 2017-12-13T08:16:02.130Z Z123 example.com A NOERROR UDP FRA6 198.51.100.7 -`.
fn route53(text: &[u8]) -> Option<Question<'_>> {
    let mut cursor = Cursor::new(text.strip_prefix(b"1.0 ")?);
    let time = cursor.token().and_then(date::iso)?;
    let _zone = cursor.token()?;
    let (name, kind, code, protocol) = (cursor.token()?, cursor.token()?, cursor.token()?, cursor.token()?);
    let _edge = cursor.token()?;
    Some(Question {
        time: Some(time),
        response_code: Some(response_code(code)?),
        flags: flags_of(false, protocol),
        ..Question::of(address(cursor.token()?)?, 0, name, query_type(kind))
    })
}

/// The authoritative server's `Remote 198.51.100.7 wants 'example.com|A', do = 0, …`, the recursor's
/// `2 [395002/1] question for 'example.com|A' from 198.51.100.7:56765` and, since it logs pairs,
/// `msg="Question" … proto="udp" qname="example.com" qtype="A" remote="198.51.100.7:56765"`.
fn powerdns(text: &[u8]) -> Option<Question<'_>> {
    if memmem::find(text, b"msg=\"Question\"").is_some() {
        let value = |name: &[u8]| {
            let value = &text[memmem::find(text, name)? + name.len()..];
            Some(&value[..memchr(b'"', value)?])
        };
        let (client, port) = address_and_port(value(b" remote=\"")?)?;
        let flags = flags_of(false, value(b" proto=\"").unwrap_or(b""));
        let kind = query_type(value(b" qtype=\"")?);
        return Some(Question { flags, ..Question::of(client, port, value(b" qname=\"")?, kind) });
    }
    let (before, wants) =
        split_at_words(text, b" wants '").or_else(|| split_at_words(text, b"question for '"))?;
    let asked = &wants[..memchr(b'\'', wants)?];
    let bar = memchr::memrchr(b'|', asked)?;
    let after = &wants[asked.len() + 1..];
    let who = match after.strip_prefix(b" from ") {
        Some(from) => Cursor::new(from).token()?,
        None => before.rsplit(|&b| b == b' ').next()?,
    };
    let (client, port) = address_and_port(who)?;
    let protocol = if before.starts_with(b"TCP") { &b"TCP"[..] } else { b"UDP" };
    let flags = flags_of(false, protocol);
    Some(Question { flags, ..Question::of(client, port, &asked[..bar], query_type(&asked[bar + 1..])) })
}

fn split_at_words<'a>(text: &'a [u8], words: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    memmem::find(text, words).map(|at| (&text[..at], &text[at + words.len()..]))
}

/// As BIND flags a query: `+` for recursion wanted, `T` for TCP.
fn flags_of(recursion: bool, protocol: &[u8]) -> &'static [u8] {
    match (recursion, protocol.eq_ignore_ascii_case(b"tcp")) {
        (true, true) => b"+T",
        (true, false) => b"+",
        (false, true) => b"T",
        (false, false) => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::super::dns_log::tests::of;

    #[test]
    fn queries_of_coredns_powerdns_and_route_53() {
        for (line, expected) in [
            (
                r#"2022-11-21T19:22:39.213456Z stdout F [INFO] 198.51.100.7:36413 - 21583 "A IN Example.com. udp 43 false 512" NXDOMAIN qr,aa,rd 136 0.000102078s"#,
                "2022-11-21T19:22:39.213Z response 198.51.100.7#36413 example.com 1 3 true false",
            ),
            (
                r#"2022-11-21T19:22:39.213Z [INFO] [2001:db8::7]:36413 - 21583 "AAAA IN example.com. tcp 43 false 512" - - 0 2.000102078s"#,
                "2022-11-21T19:22:39.213Z response 2001:db8::7#36413 example.com 28 2 false true",
            ),
            (
                "Nov 21 19:22:39 ns pdns_server[2367]: Remote 198.51.100.7 wants 'example.com|TXT', do = 1, bufsize = 1232: packetcache MISS",
                "2022-11-21T19:22:39Z query 198.51.100.7#0 example.com 16 0 false false",
            ),
            (
                "Nov 21 19:22:39 ns pdns_recursor[12]: 2 [395002/1] question for 'example.com|A' from [2001:db8::7]:56765",
                "2022-11-21T19:22:39Z query 2001:db8::7#56765 example.com 1 0 false false",
            ),
            (
                r#"Nov 21 19:22:39 ns pdns-recursor[12]: msg="Question" subsystem="syncres" level="0" prio="Info" tid="2" ts="1669058559.120" ecs="" proto="tcp" qname="example.com" qtype="A" remote="198.51.100.7:40000""#,
                "2022-11-21T19:22:39Z query 198.51.100.7#40000 example.com 1 0 false true",
            ),
            (
                "1.0 2022-11-21T19:22:39.130Z Z123412341234 example.com ANY REFUSED UDP FRA6 2001:db8::7 2001:db8:abcd::/48",
                "2022-11-21T19:22:39.130Z response 2001:db8::7#0 example.com 255 5 false false",
            ),
        ] {
            assert_eq!(of(line), expected, "{line}");
        }
    }
}
