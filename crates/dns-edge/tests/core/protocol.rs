//! What the RFCs ask of whoever stands between clients and servers.

use crate::bench::{Bench, PORT, Sent, Setup, answer, query, query_of, tcp, udp};
use seawall_dns_edge::core::reply::From;
use seawall_dns_edge::message::Query;
use seawall_dns_edge::{Counter, Limits};

const ADDRESS: &[u8] = b"\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\x7F\0\0\x01";
const OPT: &[u8] = b"\0\0\x29\x04\xD0\0\0\0\0\0\0";
/// Bits in the third and fourth byte of a header.
const AUTHENTIC: u8 = 0x20;
const RECURSION_AVAILABLE: u8 = 0x80;

/// A query without EDNS.
fn plain(name: &str) -> Vec<u8> {
    let mut m = query(name, b"");
    m.truncate(m.len() - OPT.len());
    m[11] = 0;
    m
}

/// A query with DO.
fn proof_wanted(name: &str) -> Vec<u8> {
    let mut m = query(name, b"");
    let at = m.len() - 4;
    m[at] = 0x80;
    m
}

/// An answer with these flags and records: answer, authority, additional.
fn said(question: &[u8], flags: [u8; 2], sections: [&[&[u8]]; 3]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|b| *b == 0).expect("a name") + 5;
    let mut m = question[..end].to_vec();
    m[2..4].copy_from_slice(&flags);
    let counts = sections.map(|s| s.len() as u8);
    m[4..12].copy_from_slice(&[0, 1, 0, counts[0], 0, counts[1], 0, counts[2]]);
    sections.into_iter().flatten().for_each(|r| m.extend(*r));
    m
}

/// One client asks, the server says something of it, and the client gets that.
fn told(bench: &mut Bench, message: &[u8], say: impl Fn(&[u8]) -> Vec<u8>) -> Sent {
    let (mut sent, passed) = bench.ask(&udp(1), message);
    for p in passed {
        sent.extend(bench.say(p.backend, &say(&p.bytes)).0);
    }
    sent.pop().expect("an answer")
}

/// Broke: a message with two questions or none, with bytes behind its end, or with an operation that does not
/// exist, was dropped, so that its sender asked again and thought the server dead (RFC 9619, RFC 8906).
#[test]
fn what_is_no_query_is_told_so() {
    let good = query("www.example.org", b"");
    let with = |at: usize, to: u8| {
        let mut m = good.clone();
        m[at] = to;
        m
    };
    let trailing = [&good[..], &[0]].concat();
    let header_only = with(5, 0)[..12].to_vec();
    let wrong = [with(5, 2), with(5, 0), with(12, 0xC0), with(7, 1), trailing, header_only];
    let mut bench = Setup::default().bench();
    for asker in [udp(1), tcp(1)] {
        for message in &wrong {
            let (sent, passed) = bench.ask(&asker, message);
            assert!(passed.is_empty() && sent[0].bytes.len() == 12, "{message:?}");
            assert_eq!(sent[0].bytes[..4], [0xAA, 0xBB, 0x80, 1], "{message:?}");
        }
        let mut unknown = with(2, 15 << 3 | 7)[..12].to_vec();
        (unknown[3], unknown[5]) = (0xF0, 0);
        let (sent, _) = bench.ask(&asker, &unknown);
        assert_eq!(sent[0].bytes[2..], [0x80 | 15 << 3, 4, 0, 0, 0, 0, 0, 0, 0, 0], "no such operation");
        let (sent, _) = bench.ask(&asker, &with(2, 0x80));
        assert!(sent.is_empty(), "nobody answers an answer");
    }
    assert_eq!((bench.count(Counter::malformed), bench.unanswered), (16, 1));
    assert!(bench.ask(&udp(1), &good[..11]).0.is_empty(), "no header");
}

#[test]
fn a_flood_of_what_is_no_query_gets_no_answers() {
    let limits = Limits { loud_bytes_per_s: 1_000, ..Limits::default() };
    let mut bench = Setup { limits, ..Setup::default() }.bench();
    let wrong = [&query("www.example.org", b"")[..], &[0]].concat();
    let answered: usize = (0..1_000).map(|_| bench.ask(&udp(1), &wrong).0.len()).sum();
    assert!((1..100).contains(&answered), "{answered} of 1000");
    assert_eq!(bench.ask(&tcp(1), &wrong).0.len(), 1, "over TCP nobody is flooded with answers");
}

/// Broke: a secondary that asked for the differences of a zone was dropped, and waited: with the SOA record that it
/// has (RFC 1995) its question was no query.
#[test]
fn who_asks_for_differences_of_a_zone_is_refused() {
    let mut message = query_of("example.org", 251, b"");
    let opt = message.split_off(message.len() - OPT.len());
    message[9] = 1;
    message.extend(b"\xC0\x0C\0\x06\0\x01\0\0\0\0\0\x16\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    message.extend(opt);
    let (sent, passed) = Setup::default().bench().ask(&udp(1), &message);
    assert!(passed.is_empty());
    assert_eq!((sent[0].code(), sent[0].bytes[11]), (5, 1), "refused, and with EDNS as it was asked");
}

/// Broke: whether an answer was checked (AD) was told by what the first client had asked: one that wanted to know
/// was not told, and one that did not was (RFC 6840 section 5.7 and 5.8).
#[test]
fn whether_an_answer_was_checked_is_told_to_who_asks() {
    for first in [0, AUTHENTIC] {
        let mut bench = Setup::default().bench();
        let checked =
            |q: &[u8]| said(q, [0x80, RECURSION_AVAILABLE | q[3] & AUTHENTIC], [&[ADDRESS], &[], &[OPT]]);
        let ask = |flag: u8| {
            let mut m = query("www.example.org", b"");
            m[3] = flag;
            m
        };
        for flag in [first, 0, AUTHENTIC] {
            let sent = told(&mut bench, &ask(flag), checked);
            assert_eq!(sent.bytes[3] & AUTHENTIC, flag, "first {first}");
        }
        assert_eq!(
            told(&mut bench, &proof_wanted("www.example.org"), checked).bytes[3] & AUTHENTIC,
            AUTHENTIC
        );
    }
}

/// Broke: bits that no answer depends on went to the server as the first client had set them, and what it said to
/// them to all that waited.
#[test]
fn a_server_is_asked_with_the_bits_that_tell_answers_apart() {
    let mut bench = Setup::default().bench();
    let mut message = query("www.example.org", b"");
    (message[2], message[3]) = (0x07, 0xDF);
    let (_, passed) = bench.ask(&udp(1), &message);
    assert_eq!(passed[0].bytes[2..4], [1, 0x30], "RD, CD, and AD");
    let sent = bench.say(0, &answer(&passed[0].bytes, 0)).0;
    assert_eq!(sent[0].bytes[2..4], [0x85, 0x10]);
}

/// Broke: what the edge itself said, as that a client should come over TCP, was without RA in front of resolvers.
/// A stub resolver takes that for a server that does not know, and asks the next one instead of coming.
#[test]
fn own_answers_in_front_of_resolvers_say_that_these_recurse() {
    let mut bench = Setup::default().bench();
    let truncated = |q: &[u8]| said(q, [0x82, RECURSION_AVAILABLE], [&[], &[], &[OPT]]);
    let own = |bench: &mut Bench| {
        let (refused, _) = bench.ask(&udp(1), &query_of("www.example.org", 252, b""));
        let (any, _) = bench.ask(&udp(1), &query_of("www.example.org", 255, b""));
        [refused, any].map(|sent| sent[0].bytes[3] & RECURSION_AVAILABLE != 0)
    };
    assert_eq!(own(&mut bench), [false; 2], "nothing is known of the servers");
    told(&mut bench, &query("www.example.org", b""), truncated);
    assert_eq!(own(&mut bench), [true; 2]);
    let (sent, _) = bench.ask(&udp(1), &{
        let mut m = query("www.example.org", b"");
        m[2] = 2 << 3;
        m
    });
    assert_eq!(sent[0].bytes[3], 4, "of another operation it says nothing");
    told(&mut bench, &query("other.example.org", b""), |q| answer(q, 0));
    assert_eq!(own(&mut bench), [false; 2], "servers of zones do not");
}

/// Broke: an alias that leads to nothing was kept as long as the alias itself, however short the zone's time for
/// absence; and one that leads to no name as long as that, however short the alias's.
#[test]
fn an_alias_to_nothing_lives_no_longer_than_either() {
    let alias = |ttl_s: u8| [b"\xC0\x0C\0\x05\0\x01\0\0\0", &[ttl_s][..], b"\0\x04\x01x\xC0\x0C"].concat();
    let soa = |minimum_s: u8| {
        let times = b"\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0";
        [b"\xC0\x0C\0\x06\0\x01\0\0\0\xFF", &times[..], &[minimum_s]].concat()
    };
    for (code, alias_s, absent_s) in [(0, 200, 5), (3, 5, 200), (3, 200, 5)] {
        let mut bench = Setup::default().bench();
        let say = |q: &[u8]| said(q, [0x84, code], [&[&alias(alias_s)], &[&soa(absent_s)], &[OPT]]);
        told(&mut bench, &query("www.example.org", b""), say);
        bench.pass_ms(4_000);
        assert!(bench.ask(&udp(2), &query("www.example.org", b"")).1.is_empty(), "{code}: kept");
        bench.pass_ms(2_000);
        assert_eq!(bench.ask(&udp(2), &query("www.example.org", b"")).1.len(), 1, "{code}: its time is up");
    }
}
