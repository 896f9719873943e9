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
    for (port, answers) in [(7, 0), (19, 0), (53, 1), (1_024, 1)] {
        let mut asker = udp(1);
        asker.address.set_port(port);
        assert_eq!(bench.ask(&asker, &wrong[0]).0.len(), answers, "from port {port}");
    }
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

/// Broke: the answer to another operation was without an OPT record where the message had one (RFC 6891 section
/// 6.1.1), and its version was not looked at.
#[test]
fn other_operations_are_answered_with_edns_where_they_have_it() {
    let mut bench = Setup::default().bench();
    let mut message = query_of("example.org", 6, b"");
    let opt = message.split_off(message.len() - OPT.len());
    (message[2], message[7]) = (4 << 3 | 4, 1);
    message.extend(b"\xC0\x0C\0\x06\0\x01\0\0\0\0\0\x16\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let version_at = message.len() + 6;
    message.extend(opt);
    let (sent, _) = bench.ask(&udp(1), &message);
    assert_eq!((sent[0].code(), sent[0].bytes[11]), (5, 1), "a NOTIFY of somebody");
    assert!(sent[0].bytes.ends_with(OPT));
    message[version_at] = 1;
    let (sent, _) = bench.ask(&udp(1), &message);
    assert_eq!((sent[0].code(), sent[0].bytes[sent[0].bytes.len() - 6]), (0, 1), "BADVERS is 16");
    message.truncate(version_at);
    let (sent, _) = bench.ask(&udp(1), &message);
    assert_eq!((sent[0].code(), sent[0].bytes[11]), (5, 0), "what cannot be read is refused");
}

/// Broke: an answer for one network went to the resolver without saying so, which was free to give it to all
/// networks (RFC 7871 section 7.3).
#[test]
fn an_answer_for_one_network_says_so() {
    let subnet = b"\0\x08\0\x07\0\x01\x18\0\xC0\0\x02";
    let scoped = b"\0\x08\0\x07\0\x01\x18\x18\xC0\0\x02";
    let with_option = [&OPT[..9], &[0, 4 + 2 + 11], b"\0\x0F\0\x02\0\0", scoped].concat();
    let mut bench = Setup::default().bench();
    let sent = told(&mut bench, &query("www.example.org", subnet), |q| {
        said(q, [0x84, 0], [&[ADDRESS], &[], &[&with_option]])
    });
    assert!(sent.bytes.ends_with(scoped), "{:?}", sent.bytes);
    let q = Query::parse(&query("www.example.org", subnet)).expect("a query").question_end();
    let opt = &sent.bytes[q + ADDRESS.len()..];
    assert_eq!(opt[..OPT.len()], [&OPT[..9], &[0, 11]].concat(), "the option alone");
    let silent = told(&mut bench, &query("x.example.org", subnet), |q| answer(q, 0));
    assert!(silent.bytes.ends_with(OPT), "a server that knows nothing of networks says nothing");
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

/// Broke: a server that puts the OPT record before other records (RFC 6891 section 6.1.1 lets it stand anywhere),
/// or bytes behind the last one, had all its answers turned into failures.
#[test]
fn an_opt_record_may_stand_before_others() {
    let glue = b"\x02ns\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\x7F\0\0\x02";
    let mut bench = Setup::default().bench();
    let name = "www.example.org";
    let question_end = plain(name).len();
    // The last record's name is that of the one before it, which is behind the OPT record.
    let glue_at = |at: usize| (0xC000 | at as u16).to_be_bytes();
    let same = |at: usize| [&glue_at(at)[..], &ADDRESS[2..]].concat();
    let opt_at = question_end + ADDRESS.len();
    let say = |q: &[u8]| said(q, [0x84, 0], [&[ADDRESS], &[], &[OPT, glue, &same(opt_at + OPT.len())]]);
    let expected = [ADDRESS, glue, &same(opt_at)].concat();
    let first = told(&mut bench, &plain(name), say);
    assert_eq!(first.bytes[4..12], [0, 1, 0, 1, 0, 0, 0, 2]);
    assert_eq!(first.bytes[question_end..], expected);
    let (sent, passed) = bench.ask(&udp(2), &query(name, b""));
    assert!(passed.is_empty(), "it was kept");
    assert_eq!(sent[0].bytes[question_end..], [&expected[..], OPT].concat());
    let more = told(&mut bench, &query("x.example.org", b""), |q| [&answer(q, 0)[..], b"abc"].concat());
    assert_eq!((more.code(), more.answers(), more.bytes.ends_with(OPT)), (0, 1, true));
}

/// Broke: a refusal or failure without the question, as some servers send it, was taken for a forgery: its client
/// waited for the whole patience, and the server was taken out as silent.
#[test]
fn a_refusal_without_its_question_is_one() {
    let mut bench = Setup { backends: 2, ..Setup::default() }.bench();
    let (_, first) = bench.ask(&udp(1), &query("www.example.org", b""));
    let bare = |q: &[u8], code: u8| [&q[..2], &[0x80, code, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let from = first[0].backend;
    for code in [0, 3] {
        let (sent, more) = bench.say(from, &bare(&first[0].bytes, code));
        assert!(sent.is_empty() && more.is_empty(), "{code} says something of a question");
    }
    let forged = From { backend: from, socket: PORT + 1, over_tcp: false };
    assert!(bench.say_from(forged, &bare(&first[0].bytes, 5)).1.is_empty(), "from another port");
    let (sent, second) = bench.say(from, &bare(&first[0].bytes, 5));
    assert!(sent.is_empty() && second[0].backend != from, "another one is asked");
    let (sent, _) = bench.say(second[0].backend, &bare(&second[0].bytes, 5));
    assert_eq!((sent[0].code(), sent[0].bytes.len()), (5, query("www.example.org", b"").len()));
}

/// Broke: a server that does not speak EDNS was asked with it all the same, and its complaint told to clients that
/// had not used it either.
#[test]
fn a_server_without_edns_is_asked_without() {
    for bare in [false, true] {
        let mut bench = Setup::default().bench();
        let asked = plain("www.example.org");
        let (_, first) = bench.ask(&udp(1), &asked);
        let complaint = said(&first[0].bytes, [0x80, 1], [&[], &[], &[]]);
        let complaint = if bare { [&complaint[..4], &[0; 8]].concat() } else { complaint };
        let (sent, again) = bench.say(0, &complaint);
        assert!(sent.is_empty());
        assert_eq!(again[0].bytes[4..], asked[4..], "no OPT record");
        let (sent, _) = bench.say(0, &said(&again[0].bytes, [0x84, 0], [&[ADDRESS], &[], &[]]));
        assert_eq!(sent[0].answers(), 1);
        let (_, other) = bench.ask(&udp(1), &query("x.example.org", b""));
        let (_, again) = bench.say(0, &said(&other[0].bytes, [0x80, 1], [&[], &[], &[]]));
        let (sent, more) = bench.say(0, &said(&again[0].bytes, [0x80, 1], [&[], &[], &[]]));
        assert!(more.is_empty() && sent[0].code() == 1, "what it says without EDNS is the last word");
    }
}
