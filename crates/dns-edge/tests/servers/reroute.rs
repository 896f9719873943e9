//! Rerouting with real servers: Knot as primary and parent, NSD as a provider that fetches the
//! zone, Knot as one that is updated.

use crate::lab::{self, SECRET, Server, ZONE, until};
use seawall_dns_edge::message::{kind, name};
use seawall_dns_edge::reroute::{Parity, Provider, Trust, Zone, delegation, feed, parity, trust};
use seawall_dns_edge::talk::{Peer, Request, exchange};
use std::net::SocketAddr;

/// Knot with one zone, its key for transfers and updates, and more lines for the zone.
fn knot(zone: &str, apex: &str, more: &str) -> Option<Server> {
    Server::start_with("knotd", zone, |folder, port| {
        format!(
            "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{folder}\"\n  udp-workers: 1\n  \
             tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: \"{folder}\"\n\
             key:\n  - id: transfer\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
             acl:\n  - id: x\n    key: transfer\n    action: [transfer, update]\n\
             policy:\n  - id: once\n    single-type-signing: on\n\
             zone:\n  - domain: {apex}\n    file: \"{folder}/zone\"\n    acl: x\n    \
             zonefile-load: difference\n    zonefile-sync: -1\n    {more}\n"
        )
    })
}

/// NSD that fetches the zone from a primary with the key.
fn secondary(primary: SocketAddr) -> Option<Server> {
    Server::start_with("nsd", "", |folder, port| {
        format!(
            "server:\n ip-address: 127.0.0.1@{port}\n server-count: 1\n username: \"\"\n chroot: \"\"\n \
             database: \"\"\n rrl-ratelimit: 0\n zonesdir: \"{folder}\"\n pidfile: \"{folder}/pid\"\n \
             xfrdfile: \"{folder}/xfrd\"\n zonelistfile: \"{folder}/list\"\n xfrdir: \"{folder}\"\n\
             remote-control:\n control-enable: no\n\
             key:\n name: transfer\n algorithm: hmac-sha256\n secret: \"{SECRET}\"\n\
             zone:\n name: example.org\n request-xfr: AXFR 127.0.0.1@{} transfer\n",
            primary.port()
        )
    })
}

fn peer(server: &Server) -> Peer {
    Peer { address: server.address, key: Some(lab::key(true)) }
}

fn provider(name: &str, server: &Server, is_updated: bool) -> Provider {
    let host = format!("ns1.{name}.example");
    Provider {
        name: name.to_owned(),
        hosts: vec![name::parse(&host).expect("a name")],
        servers: vec![server.address],
        updates: is_updated.then(|| peer(server)),
    }
}

fn zone(primary: &Server, parent: &Server) -> Zone {
    Zone {
        apex: name::parse("example.org").expect("a name"),
        primary: peer(primary),
        parents: vec![parent.address],
        providers: Vec::new(),
    }
}

/// The parent zone, which delegates to the primary's names; `more`: its DS records.
fn parent(more: &str) -> Option<Server> {
    let zone = format!(
        "$ORIGIN org.\n$TTL 3600\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n\
         example 1800 NS ns1.example\nns1.example 900 A 127.0.0.1\n{more}"
    );
    knot(&zone, "org", "")
}

fn compared(zone: &Zone, provider: &Provider) -> Option<Parity> {
    let original = parity::original(zone, lab::now()).expect("the primary gives the zone");
    parity::compare(zone, provider, &original, &lab::now).ok()
}

#[test]
fn a_secondary_has_every_record_set_and_one_that_is_updated_gets_there() {
    let delegations = format!("{ZONE}sub NS ns.sub\nns.sub A 192.0.2.77\n");
    let Some(primary) = knot(&delegations, "example.org", "") else { return };
    let (Some(nsd), Some(parent)) = (secondary(primary.address), parent("")) else { return };
    let mut zone = zone(&primary, &parent);
    let fetching = provider("second", &nsd, false);
    until("the secondary has the zone", || compared(&zone, &fetching).is_some_and(|p| p.holds()));
    let parity = compared(&zone, &fetching).expect("it answers");
    assert_eq!(
        (parity.sets, parity.asked, parity.apex_ns_ttl_s),
        (9, 9, 300),
        "glue below the cut is not asked"
    );

    let bare = "$ORIGIN example.org.\n$TTL 300\n@ SOA ns1.third.example. admin 1 3600 600 86400 60\n\
                @ NS ns1.third.example.\nold A 192.0.2.66\nwww A 192.0.2.66\n";
    let third = knot(bare, "example.org", "").expect("Knot was there");
    let updated = provider("third", &third, true);
    let before = compared(&zone, &updated).expect("it answers");
    assert!(!before.holds() && before.differences.iter().any(|d| d.starts_with("www.example.org A at ")));
    let original = parity::original(&zone, lab::now()).expect("the zone");
    let changed =
        feed::push(&zone, &updated, &original, &before.outdated, &lab::now).expect("it takes updates");
    assert_eq!(changed, before.outdated.len() + 1, "and `old` goes");
    let after = compared(&zone, &updated).expect("it answers");
    assert!(after.holds(), "{:?}", after.differences);
    let copy = exchange::zone(&peer(&third), &zone.apex, 1_000, lab::now()).expect("the copy");
    assert!(copy.iter().all(|r| !r.owner.starts_with(b"\x03old")));
    zone.providers = vec![fetching, updated];

    primary.change("www A 192.0.2.1\n", "www A 192.0.2.2\n");
    primary.change("admin 7 ", "admin 8 ");
    until("the change is seen", || compared(&zone, &zone.providers[1]).is_some_and(|p| !p.holds()));
}

#[test]
fn a_delegation_is_changed_on_conditions_and_changed_back() {
    let Some(primary) = knot(ZONE, "example.org", "") else { return };
    let Some(parent) = parent("") else { return };
    let zone = zone(&primary, &parent);
    let read = || delegation::read(&zone, lab::now()).expect("it answers").expect("one opinion");
    let before = read();
    assert_eq!(delegation::hosts_text(&before.hosts()), "ns1.example.org");
    assert_eq!((before.ttl_s(), before.glue_ttl_s), (1_800, 900));
    assert_eq!((before.settled_after_s(300), before.settled_after_s(86_400)), (1_800, 86_400));
    let there = provider("second", &primary, false).hosts;
    let change = |from: &delegation::Delegation, to: &[Box<[u8]>], rehearse| {
        delegation::change(&peer(&parent), &zone.apex, from, to, rehearse, lab::now())
    };
    change(&before, &there, true).expect("the parent would take it");
    assert_eq!(read(), before, "a rehearsal changes nothing");
    let stranger = Peer { address: parent.address, key: Some(lab::key(false)) };
    let refused = delegation::change(&stranger, &zone.apex, &before, &there, true, lab::now());
    assert!(refused.is_err(), "another key");
    change(&before, &there, false).expect("the parent takes it");
    assert_eq!(delegation::hosts_text(&read().hosts()), "ns1.second.example");
    let told = change(&before, &there, true).expect_err("it is not delegated so any more").to_string();
    assert!(told.contains("NXRRSET"), "{told}");
    let back: Vec<Box<[u8]>> = before.hosts().into_iter().map(Into::into).collect();
    change(&read(), &back, false).expect("and back");
    assert_eq!(read(), before);
}

#[test]
fn only_who_signs_with_the_keys_of_the_ds_records_is_believed() {
    let signing = "dnssec-signing: on\n    dnssec-policy: once";
    let Some(primary) = knot(ZONE, "example.org", signing) else { return };
    let ds = || primary.knot_says("keymgr", &["example.org", "ds"]);
    until("there are keys", || !ds().is_empty());
    let (Some(nsd), Some(parent)) = (secondary(primary.address), parent(&ds())) else { return };
    let zone = zone(&primary, &parent);
    let ds = delegation::read(&zone, lab::now()).expect("it answers").expect("one opinion").ds;
    assert!(!ds.is_empty() && ds.iter().all(|r| r.kind == kind::DS));
    let look = |server: &Server, needed_s| {
        trust::check(&zone, &provider("x", server, false), &ds, needed_s, lab::now()).expect("it answers")
    };
    let fetching = provider("second", &nsd, false);
    until("the secondary has the zone", || compared(&zone, &fetching).is_some_and(|p| p.holds()));
    let Trust::Signed { left_s } = look(&nsd, 3_600) else { panic!("{:?}", look(&nsd, 3_600)) };
    assert!(left_s > 86_400, "{left_s}");
    let late = look(&nsd, left_s + 100);
    assert!(
        matches!(&late, Trust::Broken(why) if why.contains("before the last resolver has moved")),
        "{late:?}"
    );
    // The same zone with other keys, and without any.
    let other = knot(ZONE, "example.org", signing).expect("Knot was there");
    let asked = Request { dnssec_ok: true, ..Request::query(0, &zone.apex, kind::DNSKEY) };
    let keys = || exchange::ask(&Peer { address: other.address, key: None }, &asked, lab::now());
    until("it is signed", || keys().is_ok_and(|r| r.answers.len() > 1));
    let wrong = look(&other, 3_600);
    assert!(matches!(&wrong, Trust::Broken(why) if why.contains("none of its keys")), "{wrong:?}");
    let bare = knot(ZONE, "example.org", "").expect("Knot was there");
    let without = look(&bare, 3_600);
    assert!(matches!(&without, Trust::Broken(why) if why.contains("has no keys")), "{without:?}");
    let none = trust::check(&zone, &provider("x", &bare, false), &[], 3_600, lab::now());
    assert_eq!(none.expect("it answers"), Trust::Unsigned);
}
