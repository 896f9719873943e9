//! The JSON form against its schema, in both directions: what is printed is allowed, and what is
//! printed is described.

mod contract;
mod fixtures;

use contract::{assert_valid, closed};
use seawall_drill::live::{
    Bar, Card, LabShare, Machine, Moment, PeerScore, Refutation, Second, Share, TrapCard, Worse,
};
use seawall_model::cause::Cause;
use seawall_model::report::TriageReport;
use serde_json::{Value, json};

const SCHEMA: &str = "triage.schema.json";

#[test]
fn reports_keep_to_the_schema() {
    let validator = jsonschema::validator_for(&schema()).expect("a valid schema");
    for (name, report) in fixtures::all() {
        assert_valid(&validator, name, &printed(&report));
    }
}

#[test]
fn every_printed_property_is_described() {
    let validator = closed(SCHEMA);
    for (name, report) in fixtures::all() {
        assert_valid(&validator, name, &printed(&report));
    }
}

#[test]
fn reports_of_real_inputs_keep_to_the_schema() {
    let material = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/material"));
    if !material.is_dir() {
        println!("skipped: the shared material is not here");
        return;
    }
    let validator = closed(SCHEMA);
    for name in [
        "pcap-attack/amp-snmp-161.pcapng",
        "http-attack/cs-dos-bypass-cache.log",
        "http-attack/cs-dos-switching-ua.log",
        "http-benign/nasa-1995-08-01-first-1930.log",
        "pcap-edge/ssh-guessing.pcap",
        "pcap-edge/malformed-dns_fwdptr.pcap",
    ] {
        let words = ["seawall".into(), "triage".into(), material.join(name).into_os_string()];
        let words = words.into_iter().chain(["--format".into(), "json".into()]);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = seawall::run(words, &seawall::console::Console::PIPE, &mut out, &mut err);
        assert_ne!(status, seawall::Status::CouldNotRun, "{name}: {}", String::from_utf8_lossy(&err));
        assert_valid(&validator, name, &serde_json::from_slice(&out).expect("JSON"));
    }
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    let validator = jsonschema::validator_for(&schema()).expect("a valid schema");
    let good = printed(&fixtures::http_flood());
    type Break = fn(&mut Value);
    let broken: [(&str, Break); 5] = [
        ("another version", |r| r["schema"] = json!("seawall.triage/2")),
        ("no verdict", |r| drop(r.as_object_mut().expect("object").remove("verdict"))),
        ("an unknown cause", |r| r["verdict"]["cause"] = json!("gremlins")),
        ("a share above one", |r| r["verdict"]["confidence"] = json!(1.5)),
        ("a time as a number", |r| r["verdict"]["onset"] = json!(1_775_138_587_i64)),
    ];
    for (what, change) in broken {
        let mut report = good.clone();
        change(&mut report);
        assert!(!validator.is_valid(&report), "{what} was accepted");
    }
}

#[test]
fn the_schema_knows_exactly_the_causes_of_the_model() {
    let listed: Vec<Value> = Cause::ALL.iter().map(|c| json!(c.as_str())).collect();
    assert_eq!(schema()["$defs"]["cause"]["enum"], Value::Array(listed));
}

/// What only some drills have: a lab, programs in Seawall's place, wrong theories alone, and a past.
#[test]
fn drills_keep_to_their_schema() {
    let moment = || Moment { at_s: 0.5, event: "opened".into(), text: "x".into() };
    let bar = || Bar { name: "noticed".into(), held: true, text: "x".into() };
    let peer = PeerScore {
        name: "haproxy".into(),
        version: "3.0".into(),
        skipped: None,
        answered: Share { part: 1, of: 2 },
        refused: Share::default(),
        course: vec![Second { at_s: -1, asked: 2, good: 1, refused: 0, wait_ms: Some(0.5) }],
    };
    let refutation =
        Refutation { theory: "x".into(), cause: "http-flood".into(), figures: None, reason: "x".into() };
    let card = Card {
        refutations: vec![refutation],
        story: vec![moment()],
        peers: vec![peer],
        lab: Some(LabShare { servers: vec!["nginx".into()], ..LabShare::default() }),
        bars: vec![bar()],
        ..Card::default()
    };
    let trap = TrapCard {
        world: "shop".into(),
        trap: "x".into(),
        seed: 1,
        named_s: Some(1.0),
        names: vec!["http-flood".into()],
        interfered: 0,
        story: vec![moment()],
        machine: Machine::default(),
        bars: vec![bar()],
    };
    let worse = Worse { world: "shop".into(), text: "x".into() };
    let printed = seawall::report::drill_json(1, &[card], &[trap], &[worse]);
    let validator = closed("drill.schema.json");
    assert_valid(&validator, "all that a drill may have", &printed);
    for (what, place) in [
        ("another version", "/schema"),
        ("no share", "/cards/0/answered_after"),
        ("no bars", "/traps/0/bars"),
    ] {
        let mut broken = printed.clone();
        *broken.pointer_mut(place).expect("there") = json!("x");
        assert!(!validator.is_valid(&broken), "{what} was accepted");
    }
}

#[test]
fn a_report_survives_its_json() {
    for (name, report) in fixtures::all() {
        let text = seawall::report::json(&report).expect("plain data");
        let read: TriageReport = serde_json::from_str(&text).expect("its own output");
        assert_eq!(seawall::report::json(&read).expect("plain data"), text, "{name}");
    }
}

fn schema() -> Value {
    contract::schema(SCHEMA)
}

fn printed(report: &TriageReport) -> Value {
    serde_json::from_str(&seawall::report::json(report).expect("plain data")).expect("its own output")
}
