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
