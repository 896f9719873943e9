//! Back ends that are told of clients (PROXY protocol): dnsdist and Knot. And new settings while
//! clients ask.

use crate::lab::{Lab, Server, ask_from, ask_udp, backend, code, glimpse, has, patient, try_ask, until};
use seawall_dns_edge::{Backend, Limits};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

fn told(name: &str, address: SocketAddr) -> Backend {
    Backend { proxy_protocol: true, ..backend(name, address) }
}

/// dnsdist that tells clients apart by the PROXY protocol: one is given an address of its own, one
/// is told to come over TCP and given another there.
fn dnsdist(behind: SocketAddr) -> Option<Server> {
    Server::start_with("dnsdist", "", |_, port| {
        format!(
            "setLocal('127.0.0.1:{port}')\nsetACL('127.0.0.0/8')\nsetProxyProtocolACL({{'127.0.0.0/8'}})\n\
             setSecurityPollSuffix('')\nnewServer({{address='{behind}'}})\n\
             addAction(makeRule('127.0.0.2/32'), SpoofAction('203.0.113.2'))\n\
             addAction(AndRule({{makeRule('127.0.0.3/32'), TCPRule(false)}}), TCAction())\n\
             addAction(makeRule('127.0.0.3/32'), SpoofAction('203.0.113.3'))\n"
        )
    })
}

#[test]
fn dnsdist_sees_the_clients_over_udp_and_tcp() {
    let Some(nsd) = Server::start_nsd() else { return };
    let Some(dnsdist) = dnsdist(nsd.address) else { return };
    let mut lab = Lab::start(&[&dnsdist], None, patient());
    lab.reload(vec![told("dnsdist", dnsdist.address)], patient());
    until("each thread tells of clients", || {
        let answer = |n: u32| {
            ask_from(
                [127, 0, 0, 2],
                false,
                lab.address,
                &format!("{n}.a{}.test", lab.edge.count(seawall_dns_edge::Counter::queries)),
            )
        };
        (0..10).all(|n| answer(n).is_some_and(|a| has(&a, [203, 0, 113, 2])))
    });
    assert!(has(
        &ask_from([127, 0, 0, 1], false, lab.address, "host1.example.org").expect("an answer"),
        [192, 0, 2, 11]
    ));
    for n in 0..20 {
        let name = format!("over-tcp{n}.example.org");
        let cut = ask_from([127, 0, 0, 3], false, lab.address, &name).expect("an answer");
        assert_eq!(cut[2] & 2, 2);
        let whole = ask_from([127, 0, 0, 3], true, lab.address, &name).expect("an answer");
        assert!(has(&whole, [203, 0, 113, 3]), "{n}: {whole:?}");
    }
    // It takes the checks' word that nobody asked for them.
    dnsdist.pause(true);
    until("it is out", || {
        let _ = glimpse(lab.address, "www.example.org", 28);
        lab.edge.backends().all(|(_, up)| !up)
    });
    dnsdist.pause(false);
    until("it is back", || lab.edge.backends().all(|(_, up)| up));
}

#[test]
fn knot_sees_the_clients() {
    let zone =
        "$ORIGIN example.org.\n$TTL 0\n@ SOA ns1 admin 7 3600 600 86400 0\n@ NS ns1\nns1 A 127.0.0.1\n";
    let knot = Server::start_with("knotd", zone, |folder, port| {
        format!(
            "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{folder}\"\n  udp-workers: 1\n  tcp-workers: 1\n  \
             background-workers: 1\n  proxy-allowlist: 127.0.0.0/8\ndatabase:\n  storage: \"{folder}\"\n\
             zone:\n  - domain: example.org\n    file: \"{folder}/zone\"\n    module: mod-whoami\n"
        )
    });
    let Some(knot) = knot else { return };
    let mut lab = Lab::start(&[&knot], None, patient());
    lab.reload(vec![told("knot", knot.address)], patient());
    for last in 2..20 {
        let source = [127, 0, 0, last];
        until("it answers who asks", || {
            ask_from(source, false, lab.address, "example.org").is_some_and(|a| has(&a, source))
        });
    }
    until("it is up", || lab.edge.backends().all(|(_, up)| up));
}

/// Each asks for a type that nobody asked for before, so that no answer comes from the cache.
#[test]
fn many_changes_of_servers_and_limits_lose_no_question() {
    let (Some(nsd), Some(knot)) = (Server::start_nsd(), Server::start_knot()) else { return };
    let mut lab = Lab::start(&[&nsd], None, patient());
    let (stop, kinds, asked) = (AtomicBool::new(false), AtomicU32::new(300), AtomicU32::new(0));
    let address = lab.address;
    let lost = std::thread::scope(|scope| {
        let client = || {
            let mut lost = Vec::new();
            while !stop.load(Relaxed) {
                let kind = kinds.fetch_add(1, Relaxed) as u16;
                let answer = try_ask(address, "www.example.org", kind);
                asked.fetch_add(1, Relaxed);
                if answer.as_ref().is_none_or(|a| code(a) != 0) {
                    lost.push((kind, answer));
                }
            }
            lost
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        for round in 0..30_u64 {
            let both = [backend("nsd", nsd.address), backend("knot", knot.address)];
            let servers = match round % 3 {
                0 => both[1..].to_vec(),
                1 => both.to_vec(),
                _ => both[..1].to_vec(),
            };
            lab.reload(servers, Limits { hedge_ms: 20 + round, outstanding: 100 + round, ..patient() });
            let (before, generation) = (asked.load(Relaxed), round);
            until("questions go on", || asked.load(Relaxed) >= before + 60 + generation as u32);
        }
        stop.store(true, Relaxed);
        clients.into_iter().flat_map(|c| c.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert!(lost.is_empty(), "{} of {}: {:?}", lost.len(), asked.load(Relaxed), lost.first());
    // What is there in the end is what was said last.
    assert_eq!(lab.edge.backends().map(|(name, _)| name.to_owned()).collect::<Vec<_>>(), ["nsd"]);
    assert_eq!(lab.edge.settings().limits.hedge_ms, 49);
    assert_eq!(code(&ask_udp(address, "www.example.org", 1)), 0);
}
