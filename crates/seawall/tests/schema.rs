//! The JSON form against its schema, in both directions: what is printed is allowed, and what is
//! printed is described.

mod fixtures;

use seawall_model::cause::Cause;
use seawall_model::report::TriageReport;
use serde_json::{Value, json};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/triage.schema.json");

#[test]
fn reports_keep_to_the_schema() {
    let validator = jsonschema::validator_for(&schema()).expect("a valid schema");
    for (name, report) in fixtures::all() {
        assert_valid(&validator, name, &printed(&report));
    }
}

#[test]
fn every_printed_property_is_described() {
    let mut closed = schema();
    close(&mut closed);
    let validator = jsonschema::validator_for(&closed).expect("a valid schema");
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
    let mut closed = schema();
    close(&mut closed);
    let validator = jsonschema::validator_for(&closed).expect("a valid schema");
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

#[test]
fn a_report_survives_its_json() {
    for (name, report) in fixtures::all() {
        let text = seawall::report::json(&report).expect("plain data");
        let read: TriageReport = serde_json::from_str(&text).expect("its own output");
        assert_eq!(seawall::report::json(&read).expect("plain data"), text, "{name}");
    }
}

fn schema() -> Value {
    let text = std::fs::read_to_string(SCHEMA).expect("the schema is part of the project");
    serde_json::from_str(&text).expect("JSON")
}

fn printed(report: &TriageReport) -> Value {
    serde_json::from_str(&seawall::report::json(report).expect("plain data")).expect("its own output")
}

/// Forbids properties that an object's schema does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let is_object_schema =
                map.get("properties").is_some_and(|p| p.is_object() && map.contains_key("required"));
            map.values_mut().for_each(close);
            if is_object_schema {
                map.insert("additionalProperties".into(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn assert_valid(validator: &jsonschema::Validator, name: &str, report: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
}
