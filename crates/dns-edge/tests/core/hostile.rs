//! Back ends and strangers that send what they should not.

use crate::bench::{PORT, Setup, answer, query, udp};
use seawall_dns_edge::core::reply::From;
use seawall_dns_edge::{Counter, Limits};
use seawall_model::hash::mix;

#[test]
fn a_forged_answer_is_taken_only_if_everything_is_right() {
    let mut bench = Setup { backends: 2, ..Setup::default() }.bench();
    let (_, passed) = bench.ask(&udp(1), &query("wWw.example.org", b""));
    let (good, backend) = (answer(&passed[0].bytes, 0), passed[0].backend);
    let here = From { backend, socket: PORT, over_tcp: false };
    let mut wrong = Vec::new();
    for at in [0, 1, 2, 5, 13, 14, 29, 31] {
        let mut m = good.clone();
        m[at] ^= if at == 2 { 0x80 } else { 0x20 };
        wrong.push((here, m));
    }
    wrong.push((From { backend: 1 - backend, ..here }, good.clone()));
    wrong.push((From { socket: PORT + 1, ..here }, good.clone()));
    wrong.push((From { over_tcp: true, ..here }, good.clone()));
    let count = wrong.len() as u64;
    for (from, message) in wrong {
        assert!(bench.say_from(from, &message).0.is_empty(), "{message:?}");
    }
    assert_eq!(bench.count(Counter::backend_unmatched), count);
    assert_eq!(bench.say_from(here, &good).0.len(), 1);
}

#[test]
fn a_broken_answer_is_not_passed_on() {
    let mut bench = Setup::default().bench();
    let (_, passed) = bench.ask(&udp(1), &query("www.example.org", b""));
    let whole = answer(&passed[0].bytes, 0);
    let (sent, again) = bench.say(0, &whole[..whole.len() - 13]);
    assert!(sent.is_empty() && again.len() == 1, "it is asked once more");
    let (sent, _) = bench.say(0, &answer(&again[0].bytes, 0));
    assert_eq!(sent[0].answers(), 1);
    assert_eq!(bench.count(Counter::backend_broken), 1);
}

/// Aliases without an end are passed to who asked, as far as they fit, and are neither followed nor
/// kept.
#[test]
fn endless_aliases_are_not_followed_and_not_kept() {
    let mut bench = Setup::default().bench();
    let aliases = |asked: &[u8], count: u16| {
        let end = asked.len() - 11;
        let mut m = asked[..end].to_vec();
        m[2] |= 0x84;
        m[6..12].copy_from_slice(&[(count >> 8) as u8, count as u8, 0, 0, 0, 0]);
        // Each is an alias of itself.
        (0..count).for_each(|_| m.extend(b"\xC0\x0C\0\x05\0\x01\0\0\x01\x2C\0\x02\xC0\x0C"));
        m
    };
    for (n, count) in [1, 60, 2_000].into_iter().enumerate() {
        let (_, passed) = bench.ask(&udp(1), &query(&format!("a{n}.example.org"), b""));
        let said = aliases(&passed[0].bytes, count);
        let (sent, more) = bench.say(0, &said);
        assert!(more.is_empty(), "nothing is asked for an alias");
        assert!(sent.len() == 1 && sent[0].bytes.len() <= 1_232 && sent[0].is_truncated() == (count > 60));
    }
    let (sent, passed) = bench.ask(&udp(2), &query("a2.example.org", b""));
    assert!(sent.is_empty() && passed.len() == 1, "too many to be kept");
}

/// Bytes of memory that this process has.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("memory");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4_096
}

/// As many sources as `SEAWALL_SOURCES` says, a tenth as many names that answer, and as many that do
/// not.
#[test]
fn memory_is_bounded_whatever_the_number_of_sources_and_names() {
    let wanted = std::env::var("SEAWALL_SOURCES").ok().and_then(|n| n.parse::<u64>().ok());
    let sources = wanted.unwrap_or(100_000);
    let mut bench = Setup { backends: 2, ..Setup::default() }.bench();
    let before = resident_bytes();
    for n in 0..sources {
        bench.at_us(bench.us + 20);
        let name =
            if n % 10 == 0 { format!("n{n}.example.org") } else { format!("x{:x}.example.org", mix(n)) };
        let (_, mut passed) = bench.ask(&udp(n as u32), &query(&name, b""));
        while let Some(p) = passed.pop() {
            passed.extend(bench.say(p.backend, &answer(&p.bytes, if n % 10 == 0 { 0 } else { 3 })).1);
        }
        if n % 100 == 0 {
            passed.extend(bench.expire().1);
        }
        if n % 5_000 == 0 {
            bench.core.publish();
            drop(bench.shared.take_window());
        }
    }
    let (grown, cached) = (resident_bytes().saturating_sub(before), bench.common.cache.bytes() as u64);
    println!("{sources} sources: {} MB more, {} MB of them answers", grown >> 20, cached >> 20);
    assert!(cached <= Limits::default().cache_bytes);
    assert!(grown < 2 * Limits::default().cache_bytes, "{grown} bytes");
}

/// Changed answers and queries of all kinds, with the clock going on; nothing is checked but that
/// it goes on, that places are given back, and that what is sent is no answer to nobody.
#[test]
fn a_hundred_thousand_changed_messages_leave_nothing_behind() {
    let mut bench = Setup { backends: 3, ..Setup::default() }.bench();
    let mut passed = Vec::new();
    for i in 0..100_000_u64 {
        let random = mix(i);
        bench.at_us(bench.us + 50);
        let name = format!("n{}.example.org", random % 5_000);
        let mut message = query(&name, b"\0\x0A\0\x08ABCDEFGH");
        if random >> 20 & 3 == 0 {
            let at = (random >> 24) as usize % message.len();
            message[at] ^= 1 << (random >> 40 & 7);
        }
        let (_, new) = bench.ask(&udp(random as u32 % 100), &message);
        passed.extend(new);
        passed.extend(bench.expire().1);
        if let Some(p) = passed.pop().filter(|_| random >> 48 & 1 == 0) {
            let mut said = answer(&p.bytes, (random >> 52 & 3) as u8);
            let at = (random >> 10) as usize % said.len();
            match random >> 56 & 3 {
                0 => said[at] ^= 1 << (random >> 58 & 7),
                1 => said.truncate(at),
                _ => {}
            }
            passed.extend(bench.say(p.backend, &said).1);
        }
        if passed.len() > 1_000 {
            passed.drain(..500);
        }
    }
    bench.pass_ms(5_000);
    bench.expire();
    assert_eq!(bench.core.waiting(), 0);
    let (sent, new) = bench.ask(&udp(1), &query("www.example.org", b""));
    assert!(sent.is_empty() && new.len() == 1, "it still works");
}
