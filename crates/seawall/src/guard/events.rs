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
use std::fmt::Write;
use std::path::Path;

/// The schema's name and version.
pub const SCHEMA: &str = "seawall.guard-event/1";

/// The first line: what is guarded, where, where orders are taken, and who carries measures out beside
/// the edges.
#[must_use]
pub fn listening(
    edge: &Edge,
    dns: &[DnsControl],
    socket: &Path,
    mode: Mode,
    carriers: &[String],
    now: Timestamp,
) -> Value {
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
    let rest =
        json!({ "sites": sites, "dns": servers, "admin_socket": socket, "mode": mode, "by": carriers });
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

/// An event as one line. What acts on the terminal of whoever looks at it is escaped: clients choose what they call
/// themselves.
#[must_use]
pub fn text(event: &Value) -> String {
    // Controls, breaks of lines and paragraphs, and what turns the direction of text: all in four digits.
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut text = String::new();
    for c in event.to_string().chars() {
        if acts(c) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
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

    /// Broke: what a client called itself came raw to the terminal of whoever looked at the events.
    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let said = "agent \u{9b}2J\u{7f}\u{202e}\n\"€";
        let shown = text(&line("noted", Timestamp::from_seconds(7), json!({ "what": said })));
        assert!(shown.contains("agent \\u009b2J\\u007f\\u202e\\n\\\"€"), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON")["what"], said);
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
