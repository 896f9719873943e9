//! What the DNS edge reads: queries, answers, transfers, cookies.

use seawall_dns_edge::cookie::Cookies;
use seawall_dns_edge::exist::transfer::{Transfer, serial};
use seawall_dns_edge::exist::{Lesson, Ranges};
use seawall_dns_edge::message::{Answer, HEADER_BYTES, Key, Query, kind, name, write};
use seawall_model::Timestamp;
use std::net::{IpAddr, Ipv4Addr};

/// A message as each side of the edge reads it. What the edge makes of a query can be read again.
pub fn dns_edge(bytes: &[u8]) {
    if let Ok(query) = Query::parse(bytes) {
        let key = Key::of(query.name);
        assert_eq!(key.ancestors().last(), Some(&[0][..]), "every name ends at the root");
        let _ = name::text(query.name);
        let cookie = query.edns.and_then(|e| e.cookie);
        let _ = Cookies::new([7; 16]).look(cookie, IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
        made(bytes, &query);
    }
    for question_end in [HEADER_BYTES + 5, HEADER_BYTES + 17, HEADER_BYTES + 21] {
        if let Ok(answer) = Answer::parse(bytes, question_end) {
            assert!(answer.ttls.iter().all(|at| usize::from(*at) + 4 <= bytes.len()));
            proven(bytes, &answer);
            let _ = answer.client_subnet(bytes);
            if let Some(moved) = answer.with_opt_last(bytes) {
                let again = Answer::parse(&moved, question_end).expect("still an answer");
                assert_eq!(
                    (again.code, again.records, again.end),
                    (answer.code, answer.records, moved.len())
                );
            }
        }
    }
    let apex = b"\x07example\x03org\0";
    let id = bytes.first_chunk().map_or(0, |b| u16::from_be_bytes(*b));
    let mut transfer = Transfer::new(id, apex, 7, 1_000);
    if transfer.take(bytes) == Ok(true) {
        assert!(transfer.finish().is_some(), "a complete transfer is a zone");
    }
    let _ = serial(bytes, apex);
}

/// What an answer proves is kept within its bytes, and what is made of it can be read.
fn proven(bytes: &[u8], answer: &Answer) {
    const ASKED: &[u8] = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x01b\x07example\x03org\0\0\x01\0\x01";
    let Ok(query) = Query::parse(ASKED) else { return };
    let now = Timestamp::from_seconds(1_800_000_000);
    let Some(lesson) = Lesson::read(bytes, answer, query.name, true, now) else { return };
    let mut ranges = Ranges::new(10_000);
    ranges.learn(&lesson, 3_600, 1);
    assert!(ranges.bytes() <= 10_000);
    if let Some(denial) = ranges.deny(&Key::of(query.name), query.qtype, 2) {
        let mut out = Vec::new();
        write::denied(&mut out, ASKED, &query, &denial, &write::Opt::default());
        assert!(Answer::parse(&out, query.question_end()).is_ok(), "a denial can be read");
    }
}

fn made(bytes: &[u8], query: &Query<'_>) {
    let mut out = Vec::new();
    write::short(
        &mut out,
        bytes,
        query,
        23,
        0,
        &write::Opt { cookie: Some(&[1; 24]), ..write::Opt::default() },
    );
    assert!(Answer::parse(&out, query.question_end()).is_ok(), "a short answer");
    out.clear();
    write::any(&mut out, bytes, query, 0, &write::Opt::default());
    assert!(Answer::parse(&out, query.question_end()).is_ok_and(|a| a.answers == 1), "an answer for ANY");
    // Signed queries, transfers and other operations are refused before.
    if query.opcode() == 0 && !query.is_signed && query.qtype != kind::IXFR {
        out.clear();
        write::forwarded(&mut out, bytes, query, 7);
        let passed = Query::parse(&out).expect("a query to a back end is a query");
        assert_eq!((passed.id, passed.name, passed.qtype), (7, query.name, query.qtype));
    }
}
