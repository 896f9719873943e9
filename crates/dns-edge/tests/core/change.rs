//! Other settings while questions wait, and back ends that are told of clients.

use crate::bench::{PORT, Setup, answer, query, tcp, udp};
use seawall_dns_edge::core::reply::From;
use seawall_dns_edge::message::name;
use seawall_dns_edge::{Counter, Limits, Pool};

fn from(backend: u16, socket: u32) -> From {
    From { backend, socket, over_tcp: false }
}

#[test]
fn what_waits_is_asked_anew_of_the_servers_that_are_there_then() {
    let mut bench = Setup { backends: 3, ..Setup::default() }.bench();
    let asked: Vec<_> =
        (0..50).map(|n| bench.ask(&udp(n), &query(&format!("w{n}.example.org"), b"")).1).collect();
    let mut settings = Setup { backends: 1, ..Setup::default() }.settings();
    settings.pools[0].backends[0].address.set_port(5_999);
    let (sent, passed) = bench.change(settings);
    assert!(sent.is_empty() && passed.len() == 50 && passed.iter().all(|p| p.backend == 0));
    let late = answer(&asked[7][0].bytes, 0);
    assert!(bench.say_from(from(0, PORT), &late).0.is_empty(), "the port of then is closed");
    let served: usize =
        passed.iter().map(|p| bench.say_from(from(0, PORT + 1), &answer(&p.bytes, 0)).0.len()).sum();
    assert_eq!((served, bench.core.waiting()), (50, 0));
}

#[test]
fn pools_and_limits_change_and_what_is_known_stays() {
    let mut bench = Setup { backends: 2, ..Setup::default() }.bench();
    bench.served(&udp(1), &query("www.example.org", b""), 0);
    bench.common.healths[1].eject();
    let mut settings =
        Setup { backends: 2, limits: Limits { waiters: 1, ..Limits::default() }, ..Setup::default() }
            .settings();
    let corp = settings.pools[0].backends[..1].to_vec();
    settings.pools.push(Pool { suffix: name::parse("corp.example.org").expect("a name"), backends: corp });
    bench.change(settings);
    assert!(!bench.common.healths[1].is_up(), "one that is out stays out");
    assert!(bench.common.healths[2].is_up(), "in another pool it is another one");
    let (sent, passed) = bench.ask(&udp(2), &query("www.example.org", b""));
    assert!(sent.len() == 1 && passed.is_empty(), "from the cache");
    let (_, passed) = bench.ask(&udp(2), &query("x.corp.example.org", b""));
    assert_eq!(passed[0].backend, 2);
    bench.ask(&udp(3), &query("x.corp.example.org", b""));
    assert_eq!(bench.count(Counter::dropped), 1, "one may wait now");
}

#[test]
fn a_flood_finds_no_more_room_after_a_change_than_before() {
    let limits = Limits { unknown_most: 4, unknown_least: 4, ..Limits::default() };
    let mut bench = Setup { limits, ..Setup::default() }.bench();
    let ask = |bench: &mut crate::bench::Bench, n: u32| {
        bench.ask(&udp(n), &query(&format!("x{n}.example.org"), b"")).1.len()
    };
    let before: usize = (0..20).map(|n| ask(&mut bench, n)).sum();
    let (_, again) = bench.change(Setup { limits, ..Setup::default() }.settings());
    assert_eq!((before, again.len()), (3, 3), "a quarter is kept for those who are proven");
    assert_eq!((20..40).map(|n| ask(&mut bench, n)).sum::<usize>(), 0);
    again.iter().for_each(|p| drop(bench.say_from(from(0, PORT + 1), &answer(&p.bytes, 3))));
    assert_eq!((40..60).map(|n| ask(&mut bench, n)).sum::<usize>(), 3, "and it is given back");
}

#[test]
fn a_name_that_no_server_answers_for_any_more_has_failed() {
    let mut bench = Setup::default().bench();
    bench.ask(&udp(1), &query("www.example.org", b""));
    let mut settings = Setup::default().settings();
    settings.pools[0].suffix = name::parse("example.net").expect("a name");
    let (sent, passed) = bench.change(settings);
    assert!(passed.is_empty() && sent[0].code() == 2);
    assert_eq!(bench.ask(&udp(1), &query("www.example.org", b"")).0[0].code(), 5);
}

#[test]
fn a_back_end_is_told_who_asked_and_over_tcp_by_a_connection_of_its_own() {
    let mut bench = Setup { proxy_protocol: true, ..Setup::default() }.bench();
    let (_, passed) = bench.ask(&udp(1), &query("big.example.org", b""));
    let header = usize::from(passed[0].header_bytes);
    assert_eq!(
        passed[0].bytes[12..header],
        [0x21, 0x12, 0, 12, 10, 0, 0, 1, 192, 0, 2, 53, 0x0F, 0xA0, 0, 53]
    );
    bench.ask(&tcp(2), &query("big.example.org", b""));
    let mut cut = answer(&passed[0].bytes[header..], 0);
    cut[2] |= 2;
    let (_, again) = bench.say(0, &cut);
    assert!(again[0].over_tcp && again[0].stream > 0);
    let header = usize::from(again[0].header_bytes);
    assert_eq!(
        again[0].bytes[12..header],
        [0x21, 0x11, 0, 12, 10, 0, 0, 2, 192, 0, 2, 53, 0x0F, 0xA0, 0, 53]
    );
    let whole = answer(&again[0].bytes[header..], 0);
    let over = |socket| From { backend: 0, socket, over_tcp: true };
    assert!(bench.say_from(over(again[0].stream + 1), &whole).0.is_empty(), "another connection");
    assert_eq!(bench.say_from(over(again[0].stream), &whole).0.len(), 1);
}
