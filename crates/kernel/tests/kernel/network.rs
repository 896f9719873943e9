//! The filter on an interface of a network namespace.

use crate::peer::{Peer, inside, run};
use seawall_kernel::{Attachment, Carrier, KernelFilter, Moment, Settings};
use seawall_model::observation::Fragment;
use seawall_model::plan::{Action, Measure, Plan, PlanReport, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::{Layer, ShareEstimate, Signature, Test};
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Prefix};
use seawall_planning::{CheckContext, approve};
use std::net::IpAddr;

pub fn share(share: f64) -> ShareEstimate {
    ShareEstimate { share, low: share, high: share }
}

pub fn plan(now: Moment, policy: &Policy, cause: Cause, measures: Vec<(Action, Scope)>) -> Plan {
    let expires = now.wall.plus_ns(60 * SECOND_NS);
    let measures = measures
        .into_iter()
        .enumerate()
        .map(|(n, (action, scope))| Measure {
            id: format!("m{}", n + 1),
            action,
            scope,
            target: None,
            predicted_effect: share(1.0),
            predicted_harm: Some(share(0.0)),
            expires,
            initial_share: 1.0,
        })
        .collect();
    let plan = Plan { generation: 1, parent: None, cause, created: now.wall, expires, measures };
    let proven: Vec<IpAddr> = vec!["192.0.2.2".parse().expect("an address")];
    let context = CheckContext { now: now.wall, confidence: 1.0, vectors: &[], proven_sources: &proven };
    let (approved, report) = approve(plan, PlanReport::default(), policy, &context);
    approved.unwrap_or_else(|| panic!("not approved: {report:?}")).into_plan()
}

pub fn blocks(now: Moment, policy: &Policy) -> Plan {
    let source: Prefix = "192.0.2.2".parse().expect("a prefix");
    plan(now, policy, Cause::HttpFlood, vec![(Action::DropInKernel, Scope::Sources(vec![source]))])
}

pub fn policy() -> Policy {
    Policy { mode: Mode::Enforce, ..Policy::default() }
}

pub fn start(session: &[&str]) -> KernelFilter {
    KernelFilter::start(&Settings {
        interface: "near".to_owned(),
        session: session.iter().map(|a| a.parse().expect("an address")).collect(),
        samples_per_s: 1_000,
        dns_answers: 0,
        secret: [0; 2],
    })
    .expect("the filter starts")
}

#[test]
fn a_block_holds_on_the_wire_until_it_is_undone_and_nothing_is_left_behind() {
    if inside("network::a_block_holds_on_the_wire_until_it_is_undone_and_nothing_is_left_behind")
        != Some(true)
    {
        return;
    }
    let peer = Peer::new();
    let (now, policy) = (Moment::now(), policy());
    let mut filter = start(&[]);
    assert_eq!(*filter.carrier(), Carrier::Xdp { attachment: Attachment::Native, sees_answers: true });
    assert!(peer.arrives("192.0.2.2"));
    let applied = filter.apply(&blocks(now, &policy), &policy, now).expect("the plan");
    assert_eq!((applied.measures, applied.refused), (vec!["m1".to_owned()], Vec::new()));
    assert!(peer.is_dropped("192.0.2.2"), "blocked");
    assert!(peer.arrives("192.0.2.3"), "others pass");
    let hits = filter.hits().expect("hits");
    assert!(hits[0].counts.dropped_packets >= 1, "{hits:?}");
    peer.socket.send_to(b"answer", "192.0.2.3:9").expect("a datagram leaves");
    let sampled = std::iter::from_fn(|| filter.next_sample()).collect::<Vec<_>>();
    assert!(sampled.iter().any(|s| s.is_dropped), "what is dropped is seen all the same");
    assert!(sampled.iter().any(|s| s.is_outgoing), "and what leaves");
    assert_eq!(filter.audit(now).expect("an audit"), Vec::<String>::new());
    filter.undo(now).expect("undone");
    assert!(peer.arrives("192.0.2.2"), "undone");
    drop(filter);
    assert!(!run("ip", &["-d", "link", "show", "near"]).contains("xdp"), "detached");
}

#[test]
fn the_operators_session_is_never_blocked() {
    if inside("network::the_operators_session_is_never_blocked") != Some(true) {
        return;
    }
    let peer = Peer::new();
    let (now, policy) = (Moment::now(), policy());
    let mut filter = start(&["192.0.2.2"]);
    let applied = filter.apply(&blocks(now, &policy), &policy, now).expect("the plan");
    assert_eq!(applied.refused.len(), 1, "{applied:?}");
    let signature = Signature {
        layer: Layer::Packet,
        tests: vec![
            Test::Protocol(17),
            Test::DestinationPort { low: 4_000, high: 4_000 },
            Test::Fragment(Fragment::Whole),
        ],
        attack: share(1.0),
        baseline: Some(share(0.0)),
        baseline_clients: Some(share(0.0)),
        examples: Vec::new(),
    };
    let flood =
        plan(now, &policy, Cause::UdpFlood, vec![(Action::DropInKernel, Scope::Signature(signature))]);
    let applied = filter.apply(&flood, &policy, now).expect("the plan");
    assert_eq!((applied.measures.len(), applied.untried), (1, Vec::new()));
    assert!(peer.is_dropped("192.0.2.3"));
    assert!(peer.arrives("192.0.2.2"), "the session passes what the rule is about");
}

#[test]
fn what_somebody_changes_is_put_right() {
    if inside("network::what_somebody_changes_is_put_right") != Some(true) {
        return;
    }
    let peer = Peer::new();
    let (now, policy) = (Moment::now(), policy());
    let mut filter = start(&[]);
    filter.apply(&blocks(now, &policy), &policy, now).expect("the plan");
    let maps = run("bpftool", &["map", "show", "name", "v4_blocks"]);
    // other tests have such tables at the same time
    let own = own_maps();
    let mut ids = maps.lines().filter_map(|l| l.split(':').next()).map(|id| id.trim().to_owned());
    let id = ids.find(|id| own.contains(id)).expect("the table");
    assert!(peer.is_dropped("192.0.2.2"));
    // The chunk of the generation in force: what was blocked passes.
    let zeroes = ["0"; 4_096];
    let key = ["map", "update", "id", &id, "key", "1", "0", "0", "0", "value"];
    run("bpftool", &[&key[..], &zeroes[..]].concat());
    assert!(peer.arrives("192.0.2.2"));
    let found = filter.audit(now).expect("an audit");
    assert_eq!(found, ["1 parts of the tables of blocked prefixes were changed"]);
    assert!(peer.is_dropped("192.0.2.2"));
    assert_eq!(filter.audit(now).expect("an audit"), Vec::<String>::new());
}

/// The numbers of this process's tables.
fn own_maps() -> Vec<String> {
    let files = std::fs::read_dir("/proc/self/fdinfo").expect("open files").flatten();
    let text: Vec<String> = files.filter_map(|f| std::fs::read_to_string(f.path()).ok()).collect();
    let numbers = text.iter().flat_map(|t| t.lines()).filter_map(|l| l.strip_prefix("map_id:"));
    numbers.map(|n| n.trim().to_owned()).collect()
}
