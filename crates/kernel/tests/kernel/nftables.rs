//! The nftables back end on the wire: an interface that another XDP program is on already.

use crate::network::{blocks, plan, policy, share, start};
use crate::peer::{Peer, inside, run, wait_for};
use seawall_kernel::{Carrier, KernelFilter, Moment, XdpFilter};
use seawall_model::Cause;
use seawall_model::plan::{Action, Scope};
use seawall_model::signature::{Layer, Signature, Test};
use seawall_model::time::SECOND_NS;

const OTHERS: &str = "inet others";

/// The filter where XDP is taken, and somebody else's table beside it.
fn start_beside(other: &mut XdpFilter) -> KernelFilter {
    other.attach("near").expect("the other program");
    run("nft", &["add", "table", "inet", "others"]);
    run("nft", &["add", "chain", "inet", "others", "in", "{ type filter hook input priority 0; }"]);
    run("nft", &["add", "rule", "inet", "others", "in", "udp", "dport", "9", "accept"]);
    let filter = start(&[]);
    assert!(matches!(filter.carrier(), Carrier::Nftables(_)), "{:?}", filter.carrier());
    filter
}

fn tables() -> String {
    run("nft", &["list", "tables"])
}

#[test]
fn a_plan_holds_by_nftables_through_what_others_do_and_their_table_stays() {
    if inside("nftables::a_plan_holds_by_nftables_through_what_others_do_and_their_table_stays") != Some(true)
    {
        return;
    }
    let peer = Peer::new();
    let mut other = XdpFilter::load().expect("the program");
    let (now, policy) = (Moment::now(), policy());
    let mut filter = start_beside(&mut other);
    let theirs = run("nft", &["list", "table", "inet", "others"]);
    let applied = filter.apply(&blocks(now, &policy), &policy, now).expect("the plan");
    assert_eq!((applied.measures, applied.refused), (vec!["m1".to_owned()], Vec::new()));
    assert!(peer.is_dropped("192.0.2.2"), "blocked");
    assert!(peer.arrives("192.0.2.3"), "others pass");
    assert!(filter.hits().expect("hits")[0].counts.dropped_packets >= 1);
    assert_eq!(filter.audit(now).expect("an audit"), Vec::<String>::new());

    run("nft", &["flush", "table", "inet", "seawall"]);
    assert_eq!(filter.audit(now).expect("an audit"), ["the table was changed"]);
    assert!(peer.is_dropped("192.0.2.2"), "put right");
    assert_eq!(run("nft", &["list", "table", "inet", "others"]), theirs);

    run("nft", &["flush", "ruleset"]);
    assert_eq!(filter.audit(now).expect("an audit"), ["the table was gone"]);
    assert!(peer.is_dropped("192.0.2.2"), "put right");
    assert!(!tables().contains(OTHERS), "what others take away is theirs to bring back");

    filter.undo(now).expect("undone");
    assert!(peer.arrives("192.0.2.2"), "undone");
    assert!(!tables().contains("seawall"));
}

#[test]
fn another_plan_takes_its_place_at_once_and_expires_by_itself() {
    if inside("nftables::another_plan_takes_its_place_at_once_and_expires_by_itself") != Some(true) {
        return;
    }
    let peer = Peer::new();
    let mut other = XdpFilter::load().expect("the program");
    let (now, policy) = (Moment::now(), policy());
    let mut filter = start_beside(&mut other);
    filter.apply(&blocks(now, &policy), &policy, now).expect("the plan");
    let signature = Signature {
        layer: Layer::Packet,
        tests: vec![Test::Protocol(17), Test::DestinationPort { low: 4_000, high: 4_000 }],
        attack: share(1.0),
        baseline: Some(share(0.0)),
        baseline_clients: Some(share(0.0)),
        examples: Vec::new(),
    };
    let now = Moment::now();
    let drop_all = vec![(Action::DropInKernel, Scope::Signature(signature))];
    let mut flood = plan(now, &policy, Cause::UdpFlood, drop_all);
    // Long enough for a busy machine to see that it holds.
    flood.expires = now.wall.plus_ns(10 * SECOND_NS);
    flood.measures[0].expires = flood.expires;
    filter.apply(&flood, &policy, now).expect("the plan");
    assert!(peer.is_dropped("192.0.2.3"), "the second plan is in force");
    let listed = run("nft", &["list", "table", "inet", "seawall"]);
    assert!(!listed.contains("192.0.2.2"), "and nothing of the first: {listed}");
    // As after a kill: nobody looks after the table any more.
    std::mem::forget(filter);
    wait_for(|| peer.arrives("192.0.2.3").then_some(()));
    assert!(tables().contains("seawall"), "the table is there, and its rules hold no longer");
    let filter = start(&[]);
    assert!(!tables().contains("seawall"), "the next start clears it away");
    drop(filter);
}
