//! The story as JSON lines, for programs: one object for each event, in the order of the events.
//!
//! The form is a contract, `seawall.guard-event/1`: every line has `schema`, `at` and `event`.
//! A `named` event says of every other cause what number rules it out, where one does.

use super::dns::DnsControl;
use super::incident::Told;
use crate::report::{beside_expected, words};
use seawall_http_edge::Edge;
use seawall_model::diagnosis::Evidence;
use seawall_model::finding::Findings;
use seawall_model::policy::Mode;
use seawall_model::report::TriageReport;
use seawall_model::{Cause, Timestamp};
use serde_json::{Value, json};
use std::path::Path;

/// The schema's name and version.
pub const SCHEMA: &str = "seawall.guard-event/1";

/// The first line: what is guarded, where, and where orders are taken.
#[must_use]
pub fn listening(edge: &Edge, dns: &[DnsControl], socket: &Path, mode: Mode, now: Timestamp) -> Value {
    let sites: Vec<Value> = edge
        .addresses()
        .iter()
        .zip(&edge.settings().sites)
        .map(|(address, site)| {
            let upstreams: Vec<&str> = site.upstreams.iter().map(|u| u.name.as_str()).collect();
            json!({ "address": address, "tls": site.tls.is_some(), "upstreams": upstreams })
        })
        .collect();
    let servers: Vec<Value> = dns
        .iter()
        .map(|control| {
            let backends: Vec<&str> = control.edge().backends().map(|(name, _)| name).collect();
            json!({ "addresses": control.edge().addresses(), "backends": backends })
        })
        .collect();
    let rest = json!({ "sites": sites, "dns": servers, "admin_socket": socket, "mode": mode });
    line("listening", now, rest)
}

/// What the operator is told, as one line.
#[must_use]
pub fn told(told: &Told, now: Timestamp) -> Value {
    match told {
        Told::Opened(onset) => line("opened", now, json!({ "onset": onset })),
        Told::Named(report) => {
            let rest = json!({ "verdict": report.verdict, "also": report.also, "refuted": refuted(report) });
            line("named", now, rest)
        }
        Told::Notified { title, file } => line("users", now, json!({ "title": title, "file": file })),
        Told::Engaged { plan, observe, replaced } => {
            let measures: Vec<Value> = plan
                .measures
                .iter()
                .map(|m| {
                    json!({
                        "id": m.id,
                        "action": m.action.name(),
                        "text": words::action(&m.action),
                        "scope": words::scope(&m.scope, m.target.as_deref()),
                    })
                })
                .collect();
            line(
                "measures",
                now,
                json!({
                    "generation": plan.generation,
                    "observe": observe,
                    "measures": measures,
                    "replaced": replaced,
                }),
            )
        }
        Told::Widened => line("widened", now, json!({})),
        Told::Withdrawn { why, outcomes } => {
            line("withdrawn", now, json!({ "why": why, "outcomes": outcomes }))
        }
        Told::Ended { report, folder } => {
            line("ended", now, json!({ "verdict": report.verdict, "folder": folder }))
        }
        Told::Noted(what) => line("noted", now, json!({ "what": what })),
        Told::Failed(what) => line("failed", now, json!({ "what": what })),
    }
}

fn line(event: &str, now: Timestamp, mut rest: Value) -> Value {
    rest["schema"] = SCHEMA.into();
    rest["at"] = json!(now);
    rest["event"] = event.into();
    rest
}

/// The causes that it is not, each with the number that says so.
fn refuted(report: &TriageReport) -> Vec<Value> {
    let mut findings = Findings { changes: report.changes.clone(), ..Findings::default() };
    for finding in &report.findings {
        findings.insert(finding.clone());
    }
    let holds = |c: Cause| c == report.verdict.cause || report.also.iter().any(|v| v.cause == c);
    let is_rival = |c: &&Cause| !holds(**c) && c.class().is_named();
    let row = |cause: &Cause| Some(as_row(*cause, &seawall_diagnosis::refute(*cause, &findings)?));
    Cause::ALL.iter().filter(is_rival).filter_map(row).collect()
}

fn as_row(cause: Cause, evidence: &Evidence) -> Value {
    json!({
        "cause": cause,
        "metric": evidence.metric,
        "observed": evidence.observed,
        "expected": evidence.expected,
        "figures": beside_expected(evidence),
        "reason": evidence.reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::finding::Finding;
    use seawall_model::metric::Metric;

    #[test]
    fn every_line_says_what_it_is_and_when() {
        let line = told(
            &Told::Withdrawn { why: "undone by hand".into(), outcomes: Vec::new() },
            Timestamp::from_seconds(7),
        );
        assert_eq!(line["schema"], SCHEMA);
        assert_eq!(line["event"], "withdrawn");
        assert_eq!(line["why"], "undone by hand");
        assert!(line["at"].is_string() || line["at"].is_number());
    }

    #[test]
    fn a_name_comes_with_the_numbers_that_rule_the_others_out() {
        let row = as_row(
            Cause::ReleaseFault,
            &seawall_diagnosis::refute(Cause::ReleaseFault, &{
                let mut findings = Findings::default();
                findings.insert(Finding {
                    metric: Metric::PageRate,
                    observed: 300.0,
                    expected: Some(10.0),
                    surprise: 9.0,
                    support: 900.0,
                    onset: None,
                });
                findings
            })
            .expect("refuted"),
        );
        assert_eq!(row["cause"], "release-fault");
        assert!(row["figures"].as_str().is_some_and(|f| f.contains("300/s")), "{row}");
    }
}
