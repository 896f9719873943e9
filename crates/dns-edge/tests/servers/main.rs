//! The edge over real sockets in front of real name servers (NSD and Knot). Where a server is not
//! installed, its tests say so in one line and pass.

mod change;
mod denial;
mod lab;
mod reroute;
mod three;

use lab::{Lab, Liar, Server, ask_tcp, ask_udp, code, has, patient, until};
use seawall_dns_edge::{Counter, Limits};

fn servers() -> Vec<Server> {
    [Server::start_nsd(), Server::start_knot()].into_iter().flatten().collect()
}

#[test]
fn names_are_served_over_udp_and_tcp_in_front_of_each_server() {
    for server in servers() {
        let lab = Lab::start(&[&server], None, patient());
        let www = ask_udp(lab.address, "wWw.example.org", 1);
        assert!(has(&www, [192, 0, 2, 1]), "{}: {www:?}", server.name);
        assert_eq!(www[12..16], *b"\x03wWw");
        let answer = ask_tcp(lab.address, "www.example.org", 1);
        assert!(has(&answer, [192, 0, 2, 1]));
        assert_eq!(code(&ask_udp(lab.address, "nope.example.org", 1)), 3);
        let cut = ask_udp(lab.address, "big.example.org", 16);
        assert_eq!(cut[2] & 2, 2, "{}: 3000 bytes do not fit into a datagram", server.name);
        assert!(ask_tcp(lab.address, "big.example.org", 16).len() > 3_000);
        assert_eq!(lab.edge.count(Counter::backend_tcp), 1);
        assert!(lab.edge.count(Counter::cached) >= 1);
    }
}

#[test]
fn many_questions_at_once_are_answered_over_tls_and_others_than_tls_are_closed() {
    use std::io::{Read, Write};
    let all = servers();
    let Some(server) = all.first() else { return };
    let lab = Lab::start(&[server], None, patient());
    // More than a connection's share that waits, and more than fits into one read.
    let names: Vec<String> = (0..300).map(|n| format!("host{}.example.org", n % 40)).collect();
    let answers = lab.ask_tls(&names);
    assert_eq!(answers.len(), names.len());
    assert!(answers.values().all(|a| code(a) == 0 && a[7] == 1));
    let mut plain = std::net::TcpStream::connect(lab.tls_address).expect("connects");
    plain.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a timeout");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sends");
    let mut said = Vec::new();
    plain.read_to_end(&mut said).expect("an end");
    assert!(said.len() < 20, "an alert at most: {said:?}");
}

#[test]
fn a_zone_is_transferred_and_absent_names_no_longer_reach_the_server() {
    for server in servers() {
        let lab = Lab::start(&[&server], Some(&server), patient());
        until("the zone is known", || lab.edge.zones().iter().any(|(name, _, _)| name == "example.org"));
        let mut names = 0;
        // Each thread looks for new zones ten times a second; another port may be another thread's.
        until("the zone is used by all threads", || {
            let before = lab.edge.count(Counter::backend_queries);
            names += 20;
            for name in names..names + 20 {
                let _ = ask_udp(lab.address, &format!("nope{name}.example.org"), 1);
            }
            lab.edge.count(Counter::backend_queries) == before
        });
        let before = lab.edge.count(Counter::backend_queries);
        let answer = ask_udp(lab.address, "x1.example.org", 1);
        assert_eq!((code(&answer), answer[9]), (3, 1), "{}", server.name);
        assert_eq!(code(&ask_tcp(lab.address, "x2.example.org", 1)), 3);
        assert_eq!(lab.edge.count(Counter::backend_queries), before);
        assert!(has(&ask_udp(lab.address, "y.wild.example.org", 1), [192, 0, 2, 7]));
        assert_eq!(code(&ask_udp(lab.address, "_tcp.example.org", 1)), 0, "an empty non-terminal");
    }
}

#[test]
fn a_zone_is_transferred_with_a_key_and_not_with_another() {
    let all = [Server::start_signed_nsd(), Server::start_signed_knot()];
    for server in all.into_iter().flatten() {
        let stranger = Lab::signed(&server, lab::key(false), patient());
        let lab = Lab::signed(&server, lab::key(true), patient());
        until("the zone is known", || lab.edge.zones().iter().any(|(_, serial, _)| *serial == 7));
        let mut said = Vec::new();
        until("the stranger is told", || {
            said.extend(stranger.edge.take_said());
            !said.is_empty()
        });
        assert!(stranger.edge.zones().is_empty(), "{}: {said:?}", server.name);
    }
}

#[test]
fn a_zone_that_changes_is_brought_up_to_date_by_differences() {
    let Some(knot) = Server::start_signed_knot() else { return };
    let limits = Limits { zone_refresh_s: 1, ..patient() };
    let lab = Lab::signed(&knot, lab::key(true), limits);
    until("the zone is known", || lab.edge.zones().iter().any(|(_, serial, _)| *serial == 7));
    let before = lab.edge.zones()[0].2;
    knot.change("admin 7 ", "admin 8 ");
    knot.change("host7 A 192.0.2.17", "new A 192.0.2.99\nb.deep A 192.0.2.99");
    knot.change("admin 8 ", "admin 9 ");
    until("the change is known", || lab.edge.zones()[0].1 == 9);
    // `host7` went; `new`, `deep` and `b.deep` came.
    assert_eq!(lab.edge.zones()[0].2, before + 2);
    let said = lab.edge.take_said();
    assert!(said.iter().any(|line| line.ends_with(", by differences")), "{said:?}");
}

#[test]
fn a_server_that_dies_is_taken_out_and_one_that_returns_comes_back() {
    let all = servers();
    let [nsd, knot] = &all[..] else { return println!("needs NSD and Knot: not tried") };
    let lab = Lab::start(&[nsd, knot], None, patient());
    let up = || lab.edge.backends().filter(|(_, up)| *up).count();
    for i in 0..20 {
        assert_eq!(code(&ask_udp(lab.address, &format!("host{i}.example.org"), 1)), 0);
    }
    nsd.pause(true);
    until("it is taken out", || {
        assert_eq!(code(&ask_udp(lab.address, "www.example.org", 28)), 0, "nobody sees a failure");
        up() == 1
    });
    for i in 20..40 {
        assert_eq!(code(&ask_udp(lab.address, &format!("host{i}.example.org"), 1)), 0);
    }
    nsd.pause(false);
    until("it is back", || up() == 2);
    assert_eq!(lab.edge.count(Counter::failed), 0);
}

#[test]
fn a_server_that_answers_otherwise_than_the_rest_is_taken_out() {
    let all = servers();
    let [nsd, knot] = &all[..] else { return println!("needs NSD and Knot: not tried") };
    let liar = Liar::start();
    let lab = Lab::before(&[("nsd", nsd.address), ("knot", knot.address), ("liar", liar.address)]);
    // Until then some are told that the name does not exist: over UDP a lie looks like an answer.
    until("the liar is taken out", || {
        let _ = ask_udp(lab.address, "www.example.org", 28);
        lab.edge.backends().any(|(name, up)| name == "liar" && !up)
    });
    assert!(lab.edge.backends().all(|(name, up)| up || name == "liar"));
    for i in 0..30 {
        assert_eq!(code(&ask_udp(lab.address, &format!("host{i}.example.org"), 1)), 0);
    }
}

#[test]
fn what_was_known_is_served_when_all_servers_are_gone() {
    let all = servers();
    let Some(server) = all.first() else { return };
    let limits = Limits { backend_timeout_ms: 200, ..Limits::default() };
    let lab = Lab::start(&[server], None, limits);
    // The server may not have the time to answer within so little.
    until("it is known", || has(&ask_udp(lab.address, "short.example.org", 1), [192, 0, 2, 5]));
    server.pause(true);
    // Its time to live is one second.
    until("it is stale", || {
        assert!(has(&ask_udp(lab.address, "short.example.org", 1), [192, 0, 2, 5]));
        lab.edge.count(Counter::stale) > 0 || lab.edge.count(Counter::backend_timeouts) > 0
    });
    assert_eq!(code(&ask_udp(lab.address, "never.example.org", 1)), 2);
    server.pause(false);
}
