//! The ladder, step by step and under a flood.

use crate::bench::{Bench, Sent, Setup, answer, cookie_option, query, query_of, tcp, udp};
use seawall_dns_edge::core::{Asker, Via};
use seawall_dns_edge::message::{kind, name, opcode};
use seawall_dns_edge::talk::{Key, Request};
use seawall_dns_edge::{Counter, Limits, ZoneSource};
use std::collections::VecDeque;

/// Broke: a question over TCP that was dropped kept its place on the connection, and of that nothing more was read
/// once it had as many as it may.
#[test]
fn every_question_over_tcp_is_answered_or_said_to_have_no_answer() {
    let limits = Limits { waiters: 1, outstanding: 1, ..Limits::default() };
    let mut bench = Setup { limits, ..Setup::default() }.bench();
    let good = query("www.example.org", b"");
    bench.ask(&udp(1), &good[..11]);
    assert_eq!(bench.unanswered, 0, "over UDP nothing waits");
    let mut no_question = good.clone();
    no_question[2] |= 0x80;
    assert!(bench.ask(&tcp(1), &no_question).0.is_empty());
    assert_eq!(bench.unanswered, 1, "an answer");
    let (_, passed) = bench.ask(&tcp(1), &good);
    assert!(bench.ask(&tcp(2), &good).0[0].code() == 2, "no more may wait for it");
    assert!(bench.ask(&tcp(2), &query("other.example.org", b"")).0[0].code() == 2, "no more may be asked");
    assert_eq!((passed.len(), bench.unanswered, bench.count(Counter::dropped)), (1, 1, 0));
    let mut bench = Setup::default().bench();
    let (_, passed) = bench.ask(&tcp(1), &good);
    assert!(bench.ask(&tcp(1), &good).0.is_empty(), "it asks again what it waits for");
    assert_eq!((bench.unanswered, bench.say(0, &answer(&passed[0].bytes, 0)).0.len()), (1, 1));
}

#[test]
fn operations_transfers_and_classes_of_others_are_refused() {
    let mut bench = Setup::default().bench();
    let mut code_of = |message: Vec<u8>| {
        let (sent, passed) = bench.ask(&udp(1), &message);
        assert!(passed.is_empty());
        assert!(sent[0].bytes.len() <= message.len(), "no longer than the question");
        sent[0].code()
    };
    let with = |at: usize, to: u8| {
        let mut m = query("example.org", b"");
        m[at] = to;
        m
    };
    assert_eq!(code_of(with(2, 4 << 3)), 5, "NOTIFY of somebody");
    assert_eq!(code_of(with(2, 5 << 3)), 5, "UPDATE");
    assert_eq!(code_of(with(2, 2 << 3)), 4, "STATUS");
    assert_eq!(code_of(with(12 + 13 + 3, 3)), 5, "class CH");
    assert_eq!(code_of(query_of("example.org", 252, b"")), 5, "AXFR");
    assert_eq!(code_of(query("example.org", &cookie_option(&[1; 9]))), 1, "a cookie of nine bytes");
}

#[test]
fn a_version_of_edns_that_does_not_exist_is_told_so() {
    let mut bench = Setup::default().bench();
    let mut message = query("example.org", b"");
    let at = message.len() - 5;
    message[at] = 1;
    let (sent, _) = bench.ask(&udp(1), &message);
    let opt = sent[0].bytes.len() - 11;
    assert_eq!((sent[0].code(), sent[0].bytes[opt + 5]), (0, 1), "BADVERS is 16");
}

#[test]
fn the_second_client_is_served_from_the_cache_with_its_own_question() {
    let mut bench = Setup::default().bench();
    assert_eq!(bench.served(&udp(1), &query("www.example.org", b""), 0).len(), 1);
    bench.pass_ms(100_000);
    let mut other = query("www.example.org", b"");
    (other[0], other[14]) = (7, b'W');
    let (sent, passed) = bench.ask(&udp(2), &other);
    assert!(passed.is_empty());
    assert_eq!((sent[0].to, sent[0].answers()), (udp(2).address, 1));
    assert_eq!(sent[0].bytes[12..29], other[12..29]);
    let ttl = u32::from_be_bytes(sent[0].bytes[39..43].try_into().expect("four"));
    assert_eq!(ttl, 200);
}

#[test]
fn a_client_that_names_its_network_is_never_served_anothers_answer() {
    let mut bench = Setup::default().bench();
    let subnet = b"\0\x08\0\x07\0\x01\x18\0\xC0\0\x02";
    bench.served(&udp(1), &query("www.example.org", b""), 0);
    let (sent, passed) = bench.ask(&udp(2), &query("www.example.org", subnet));
    assert!(sent.is_empty() && passed[0].bytes.ends_with(subnet));
    let (sent, _) = bench.say(0, &answer(&passed[0].bytes, 3));
    assert_eq!(sent[0].code(), 3);
    let (sent, _) = bench.ask(&udp(3), &query("www.example.org", b""));
    assert_eq!(sent[0].code(), 0, "the answer for one network is not kept for all");
}

#[test]
fn an_absent_name_is_answered_without_the_back_end() {
    let zone = Some(vec![("www.example.org", 1), ("*.w.example.org", 1), ("sub.example.org", 2)]);
    let mut bench = Setup { zone, ..Setup::default() }.bench();
    let (sent, passed) = bench.ask(&udp(1), &query("x7.example.org", b""));
    assert!(passed.is_empty());
    let b = &sent[0].bytes;
    assert_eq!((sent[0].code(), b[2] & 4, b[9]), (3, 4, 1), "NXDOMAIN, AA, a SOA record");
    for possible in ["www.example.org", "x.w.example.org", "a.sub.example.org", "elsewhere.test"] {
        assert_eq!(bench.ask(&udp(1), &query(possible, b"")).1.len(), 1, "{possible}");
    }
}

#[test]
fn proof_of_absence_in_a_signed_zone_is_left_to_who_can_sign() {
    let mut bench = Setup { zone: Some(vec![("www.example.org", 46)]), ..Setup::default() }.bench();
    let mut message = query("x7.example.org", b"");
    assert!(bench.ask(&udp(1), &message).1.is_empty());
    let at = message.len() - 4;
    message[at] = 0x80;
    assert_eq!(bench.ask(&udp(1), &message).1.len(), 1, "with DO it is passed on");
}

#[test]
fn a_question_for_everything_gets_one_record_and_no_back_end_is_asked() {
    let mut bench = Setup::default().bench();
    let (sent, passed) = bench.ask(&udp(1), &query_of("www.example.org", 255, b""));
    assert!(passed.is_empty());
    assert_eq!(sent[0].answers(), 1);
}

#[test]
fn a_datagram_too_small_for_the_answer_sends_the_client_to_tcp() {
    let mut bench = Setup::default().bench();
    let plain = {
        let mut m = query("www.example.org", b"");
        m.truncate(m.len() - 11);
        m[11] = 0;
        m
    };
    let (_, passed) = bench.ask(&udp(1), &plain);
    let mut long = answer(&passed[0].bytes, 0);
    let opt = long.split_off(long.len() - 11);
    long[7] = 30;
    (0..29).for_each(|_| long.extend(b"\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\x7F\0\0\x01"));
    long.extend(opt);
    let (sent, _) = bench.say(0, &long);
    assert!(sent[0].is_truncated() && sent[0].bytes.len() == plain.len());
    let (sent, _) = bench.ask(&udp(2), &query("www.example.org", b""));
    assert_eq!((sent[0].is_truncated(), sent[0].answers()), (false, 30), "1232 bytes are enough");
    let (sent, _) = bench.ask(&tcp(3), &plain);
    assert_eq!(sent[0].answers(), 30);
}

/// Broke: a question for a type that nobody asks for, or one that names a network, was passed on for each name
/// that exists as often as anybody asked: no cache had an answer to it, and nothing held it back.
#[test]
fn questions_that_no_cache_has_an_answer_to_are_held_back_also_for_names_that_exist() {
    let subnet = |i: u16| [&b"\0\x08\0\x07\0\x01\x18\0"[..], &i.to_be_bytes(), &[0]].concat();
    let types = |i| query_of("www.example.org", 1_000 + i, b"");
    let networks = |i| query("www.example.org", &subnet(i));
    for what in ["types", "networks"] {
        let flood = |i| if what == "types" { types(i) } else { networks(i) };
        for zone in [Some(vec![("www.example.org", 1)]), None] {
            let limits = Limits { unknown_most: 4, unknown_least: 4, ..Limits::default() };
            let mut bench = Setup { limits, zone, ..Setup::default() }.bench();
            assert_eq!(bench.served(&udp(1), &query("www.example.org", b""), 0).len(), 1);
            let passed: usize = (0..100).map(|i| bench.ask(&udp(9), &flood(i)).1.len()).sum();
            assert!((1..=4).contains(&passed), "{passed} for {what}");
            let usual = bench.ask(&udp(2), &query_of("www.example.org", 28, b"")).1;
            assert_eq!(usual.len(), 1, "beside {what}");
            if what == "networks" {
                let (sent, _) = bench.ask(&udp(3), &flood(100));
                assert_eq!(sent[0].answers(), 1, "what all are told");
            }
        }
    }
}

/// A server that answers `per_s` questions a second in order; names that begin with `w` exist.
struct Server {
    queue: VecDeque<(u64, Vec<u8>)>,
    free_us: u64,
    each_us: u64,
}

impl Server {
    fn run(&mut self, bench: &mut Bench, sent: &mut Vec<crate::bench::Sent>) {
        while let Some((came_us, question)) = self.queue.front() {
            let done_us = self.free_us.max(*came_us) + self.each_us;
            if done_us > bench.us {
                return;
            }
            let code = if question[13] == b'w' { 0 } else { 3 };
            let message = answer(question, code);
            self.free_us = done_us;
            self.queue.pop_front();
            sent.extend(bench.say(0, &message).0);
        }
    }
}

/// What became of real queries during a flood.
#[derive(Debug, Default)]
struct Outcome {
    real: u64,
    served: u64,
    pushed_to_tcp: u64,
    /// Bytes of datagrams in each second.
    bytes_in: Vec<u64>,
    bytes_out: Vec<u64>,
}

/// Five calm seconds of 500 real queries a second, then five with 20,000 random names a second
/// from forged addresses, a tenth of them those of the real resolvers.
fn flood(mut bench: Bench) -> Outcome {
    let mut server = Server { queue: VecDeque::new(), free_us: 0, each_us: 500 };
    let mut outcome = Outcome { bytes_in: vec![0; 11], bytes_out: vec![0; 11], ..Outcome::default() };
    let cookie = cookie_option(b"12345678");
    for step in 0..100_000_u64 {
        let us = 1_000 + step * 100;
        bench.at_us(us);
        let second = (us / 1_000_000) as usize;
        let mut asked = Vec::new();
        if step % 20 == 0 {
            let name = format!("w{}.example.org", step / 20 % 300);
            asked.push((udp(step as u32 / 20 % 40), query(&name, b""), true));
        }
        for n in 0..if step >= 50_000 { 2 } else { 0 } {
            let random = seawall_model::hash::mix(step * 2 + n);
            let from =
                if random.is_multiple_of(10) { random as u32 % 40 } else { 1_000 + random as u32 % 100_000 };
            let options = if n == 0 { &cookie[..] } else { b"" };
            asked.push((udp(from), query(&format!("x{random:x}.example.org"), options), false));
        }
        for (asker, message, is_real) in asked {
            outcome.bytes_in[second] += message.len() as u64;
            outcome.real += u64::from(is_real && step >= 50_000);
            let (sent, passed) = bench.ask(&asker, &message);
            server.queue.extend(passed.into_iter().map(|p| (us, p.bytes)));
            account(&mut outcome, &sent, second, step);
        }
        let mut sent = bench.expire().0;
        server.run(&mut bench, &mut sent);
        account(&mut outcome, &sent, second, step);
    }
    outcome
}

fn account(outcome: &mut Outcome, sent: &[crate::bench::Sent], second: usize, step: u64) {
    for s in sent {
        outcome.bytes_out[second] += s.bytes.len() as u64;
        let is_real = s.bytes[13] == b'w' && step >= 50_000;
        outcome.served += u64::from(is_real && s.answers() == 1);
        outcome.pushed_to_tcp += u64::from(is_real && s.is_truncated());
    }
}

fn assert_unharmed(outcome: &Outcome) {
    assert_eq!(outcome.pushed_to_tcp, 0);
    assert!(outcome.served * 1_000 >= outcome.real * 999, "{outcome:?}");
    for second in 6..10 {
        assert!(outcome.bytes_out[second] <= outcome.bytes_in[second], "second {second}: {outcome:?}");
    }
}

#[test]
fn under_a_flood_of_random_names_those_that_answered_before_keep_answering() {
    // Answers are hardly kept, so that real names need the back end all the time.
    let limits = Limits { cache_bytes: 1 << 16, ..Limits::default() };
    assert_unharmed(&flood(Setup { limits, ..Setup::default() }.bench()));
}

#[test]
fn the_same_flood_takes_the_server_away_where_nothing_is_held_back() {
    let limits = Limits { cache_bytes: 1 << 16, ..Limits::default() };
    let outcome = flood(Setup { limits, enforce: false, ..Setup::default() }.bench());
    assert!(outcome.served * 2 < outcome.real, "{outcome:?}");
}

#[test]
fn under_a_flood_of_random_names_a_known_zone_loses_nothing() {
    // Names of a known zone need not have been asked for before.
    let names: Vec<&'static str> =
        (0..300).map(|i| &*Box::leak(format!("w{i}.example.org").into_boxed_str())).collect();
    let zone = Some(names.iter().map(|n| (*n, 1)).collect());
    let bench = Setup { zone, ..Setup::default() }.bench();
    let shared = std::sync::Arc::clone(&bench.shared);
    assert_unharmed(&flood(bench));
    assert_eq!(shared.counters.get(Counter::unknown), 0, "no random name reached the back end");
}

#[test]
fn a_client_told_to_show_a_cookie_is_served_when_it_does() {
    let limits = Limits { unknown_most: 4, unknown_least: 4, ..Limits::default() };
    let mut bench = Setup { limits, ..Setup::default() }.bench();
    let fill = |bench: &mut Bench, from: u64| {
        (from..from + 3).for_each(|i| drop(bench.ask(&udp(50), &query(&format!("x{i}.example.org"), b""))));
    };
    fill(&mut bench, 0);
    let mine = query("new.example.org", &cookie_option(b"12345678"));
    let (sent, passed) = bench.ask(&udp(7), &mine);
    assert!(passed.is_empty());
    let cookie = sent[0].bytes[sent[0].bytes.len() - 24..].to_vec();
    let opt = sent[0].bytes.len() - 24 - 15;
    assert_eq!((sent[0].code(), sent[0].bytes[opt + 5]), (7, 1), "BADCOOKIE is 23");
    let (sent, passed) = bench.ask(&udp(7), &query("new.example.org", &cookie_option(&cookie)));
    assert!(sent.is_empty() && passed.len() == 1, "the reserve is for the proven");
    let (sent, passed) = bench.ask(&udp(8), &query("new2.example.org", &cookie_option(&cookie)));
    assert!(passed.is_empty() && sent[0].code() == 7, "a cookie of somebody else proves nothing");
}

#[test]
fn observing_holds_nothing_back_and_counts_what_it_would() {
    let limits = Limits { unknown_most: 4, unknown_least: 4, ..Limits::default() };
    let mut bench = Setup { limits, enforce: false, ..Setup::default() }.bench();
    for i in 0..20 {
        assert_eq!(bench.ask(&udp(i), &query(&format!("x{i}.example.org"), b"")).1.len(), 1);
    }
    assert!(bench.count(Counter::unknown_held_back) >= 15);
}

#[test]
fn reflection_sends_no_more_than_came_in() {
    let mut bench = Setup::default().bench();
    let message = query_of("example.org", 16, b"");
    let (_, passed) = bench.ask(&tcp(1), &message);
    let mut large = answer(&passed[0].bytes, 0);
    let opt = large.split_off(large.len() - 11);
    large[7] = 1;
    let at = large.len() - 16;
    large.truncate(at);
    large.extend(b"\xC0\x0C\0\x10\0\x01\0\0\x01\x2C\x03\xE8");
    large.extend([b'x'; 1_000]);
    large.extend(opt);
    bench.say(0, &large);
    for second in 1..4_u64 {
        let (mut taken, mut given) = (0, 0);
        for i in 0..20_000 {
            bench.at_us(second * 1_000_000 + i * 50);
            let (sent, _) = bench.ask(&udp(5_000 + i as u32 % 3), &message);
            taken += message.len();
            given += sent.iter().map(|s| s.bytes.len()).sum::<usize>();
        }
        assert!(given <= taken, "second {second}: {given} out, {taken} in");
    }
    // A resolver that is no victim asks in between, with a cookie that it got before.
    let mine = |cookie: &[u8]| query_of("example.org", 16, &cookie_option(cookie));
    bench.at_us(10_000_000);
    let (sent, _) = bench.ask(&udp(1), &mine(b"12345678"));
    let cookie = sent[0].bytes[sent[0].bytes.len() - 24..].to_vec();
    for i in 0..2_000 {
        bench.at_us(11_000_000 + i * 50);
        bench.ask(&udp(5_000), &message);
    }
    let (sent, _) = bench.ask(&udp(1), &mine(&cookie));
    assert_eq!(sent[0].answers(), 1, "who is proven gets the whole answer");
}

#[test]
fn a_crowd_is_neither_shortened_nor_sent_to_tcp() {
    let mut bench = Setup::default().bench();
    let names: Vec<Vec<u8>> = (0..50).map(|i| query(&format!("w{i}.example.org"), b"")).collect();
    names.iter().for_each(|m| drop(bench.served(&udp(1), m, 0)));
    for second in 1..20_u64 {
        let queries = if second < 10 { 200 } else { 10_000 };
        for i in 0..queries {
            bench.at_us(second * 1_000_000 + i * 1_000_000 / queries);
            let (sent, passed) = bench.ask(&udp((i % 5_000) as u32), &names[i as usize % 50]);
            assert!(passed.is_empty());
            assert_eq!((sent.len(), sent[0].answers()), (1, 1), "second {second}");
        }
    }
}

/// A load test with so many questions open at a time stood still for good when none of them came back.
#[test]
fn a_client_that_repeats_small_questions_without_end_is_told_so_and_never_left_without_an_answer() {
    let mut bench = Setup::default().bench();
    let message = query("www.example.org", b"");
    bench.served(&udp(1), &message, 0);
    let mut short = 0;
    for i in 0..50_000 {
        bench.at_us(2_000_000 + i * 20);
        let (sent, _) = bench.ask(&udp(1), &message);
        assert_eq!(sent.len(), 1, "question {i}");
        assert!(!sent[0].is_truncated() || sent[0].bytes.len() <= message.len(), "question {i}");
        short += u32::from(sent[0].is_truncated());
    }
    assert!(short > 45_000, "{short} were told to come over TCP");
}

#[test]
fn messages_are_counted_into_windows_before_anything_is_done_about_them() {
    let mut bench = Setup::default().bench();
    bench.served(&udp(1), &query("www.example.org", b""), 0);
    bench.served(&udp(2), &query("nope.example.org", b""), 3);
    bench.ask(&udp(3), &[0; 20]);
    bench.core.publish();
    let window = bench.shared.take_window();
    let dns = window.dns.expect("counted");
    assert_eq!((dns.queries, dns.responses, dns.nonexistent, dns.malformed), (3, 2, 1, 1));
    assert_eq!(dns.matched, 2);
    let mut names: Vec<String> = dns.query_records().into_iter().map(|r| r.name).collect();
    names.sort();
    assert_eq!(names, ["", "nope.example.org", "www.example.org"]);
}

#[test]
fn answers_are_padded_over_tls_where_the_question_is_and_nowhere_else() {
    let mut bench = Setup::default().bench();
    let padded = query("www.example.org", b"\0\x0C\0\x03\0\0\0");
    let over = |is_secret| Asker { via: Via::Tcp { connection: 1, to: udp(2).address, is_secret }, ..udp(1) };
    let lengths = [(udp(1), &padded), (over(false), &padded), (over(true), &padded)]
        .map(|(asker, asked)| bench.served(&asker, asked, 0)[0].bytes.len());
    assert!(lengths[0] == lengths[1] && lengths[0] < 200, "{lengths:?}");
    assert_eq!(lengths[2] % 468, 0, "{lengths:?}");
    let bare = bench.served(&over(true), &query("www.example.org", b""), 0);
    assert!(bare[0].bytes.len() < 200);
}

/// The number of the asker that is a zone's primary.
const PRIMARY: u32 = 53;

#[test]
fn who_has_the_key_of_a_zone_may_say_from_anywhere_that_it_changed() {
    let key = |secret| Key::new("transfer", "hmac-sha256", secret).expect("a key");
    let ours = key("c2Vhd2FsbCBzZWF3YWxsIHNlYXdhbGwgc2Vhd2FsbCE=");
    let apex = name::parse("example.org").expect("a name");
    let primary = udp(PRIMARY).address;
    let source = ZoneSource { apex: apex.clone(), primary, key: Some(ours.clone()) };
    let mut bench = Setup { sources: vec![source], ..Setup::default() }.bench();
    let notify = Request { opcode: opcode::NOTIFY, ..Request::query(7, &apex, kind::SOA) };
    let now = bench.core.now().wall;
    let signed = |key: &Key| notify.write(Some(key), now).expect("short");
    let code = |bench: &mut Bench, from: u32, message: &[u8]| {
        let (sent, _) = bench.ask(&udp(from), message);
        sent.first().map(Sent::code).expect("an answer")
    };
    let (asked, mut expected) = signed(&ours);
    let (sent, _) = bench.ask(&udp(9), &asked);
    assert_eq!((sent[0].code(), bench.common.zones.notified()), (0, 1));
    assert!(expected.check(sent[0].bytes.clone(), now).is_ok(), "the answer is signed as well");
    let (forged, _) = signed(&key("b3RoZXIgb3RoZXIgb3RoZXI="));
    assert_eq!(code(&mut bench, 9, &forged), 5);
    let (bare, _) = notify.write(None, now).expect("short");
    assert_eq!(code(&mut bench, 9, &bare), 5);
    assert_eq!(bench.common.zones.notified(), 1);
    assert_eq!((code(&mut bench, PRIMARY, &bare), bench.common.zones.notified()), (0, 2));
}
