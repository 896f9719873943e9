//! The postmortem as data: each line with the measurement that it stands on.

use crate::ledger::{Actor, Entry, Event, Ledger};
use crate::outage::{self, TheoryCost};
use crate::remedy;
use seawall_model::Timestamp;
use seawall_model::cause::{Cause, Class};
use seawall_model::change::Change;
use seawall_model::diagnosis::{Direction, Evidence, Hypothesis, Verdict};
use seawall_model::finding::Finding;
use seawall_model::metric::{Group, Metric};
use seawall_model::plan::Measure;
use seawall_model::report::{SignatureReport, TriageReport};

/// An effect on the service counts as impact from this factor on.
const WORSE_FACTOR: f64 = 1.2;

/// What is left to learn of one disturbance.
#[derive(Clone, Debug, PartialEq)]
pub struct Postmortem {
    pub verdict: Verdict,
    /// Causes that held at the same time.
    pub also: Vec<Verdict>,
    pub started: Option<Timestamp>,
    /// When the disturbed traffic ended; `None`: not within the data.
    pub ended: Option<Timestamp>,
    /// When the trouble had its right name.
    pub named: Option<Timestamp>,
    /// To the end, or to the last record where there is none.
    pub duration_s: Option<f64>,
    /// Onset to name, in data time.
    pub time_to_name_s: Option<f64>,
    pub impact: Vec<Impact>,
    /// By time.
    pub timeline: Vec<Entry>,
    pub root_cause: RootCause,
    pub resolution: Resolution,
    pub wrong_theories: Vec<WrongTheory>,
    pub corrective: &'static [&'static str],
    pub preventive: &'static [&'static str],
    /// What would have helped and was not in the data, as clauses.
    pub missing: Vec<String>,
}

/// One effect on the service: the figure during the disturbance beside the normal one.
#[derive(Clone, Debug, PartialEq)]
pub struct Impact {
    pub metric: Metric,
    pub normal: Option<f64>,
    pub during: f64,
    pub is_worse: bool,
}

/// Why the verdict is what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct RootCause {
    /// Heaviest first.
    pub evidence: Vec<Evidence>,
    pub counter_evidence: Vec<Evidence>,
    pub signatures: Vec<SignatureReport>,
    /// Changes near the onset, nearest first.
    pub changes: Vec<Change>,
}

/// How it ended, or what would have ended it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    /// Measures that were enforced; empty for data that was only read afterwards.
    pub applied: Vec<Entry>,
    /// Measures that the plan proposes, each with its reason.
    pub proposed: Vec<(Measure, Option<String>)>,
    /// Who closed it and why, where the ledger tells.
    pub closed: Option<Entry>,
}

/// A cause that it was not.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongTheory {
    pub cause: Cause,
    /// Probability left to it; `None` where nothing measured speaks for it at all.
    pub confidence: Option<f64>,
    /// What speaks against it, heaviest first.
    pub refuted_by: Vec<Evidence>,
    /// What made it plausible, heaviest first.
    pub supported_by: Vec<Evidence>,
    /// What it cost others to believe it; only where this was an attack, as it was for them.
    pub cost: Option<TheoryCost>,
}

/// Writes up a report; the ledger, where an incident was run, gives the timeline and what was done.
#[must_use]
pub fn postmortem(report: &TriageReport, ledger: Option<&Ledger>) -> Postmortem {
    let from_report = ledger.is_none().then(|| Ledger::from_report(report));
    let ledger = ledger.or(from_report.as_ref()).cloned().unwrap_or_default();
    let verdict = report.verdict.clone();
    let last = report.inputs.iter().filter_map(|i| i.last).max();
    let started = verdict.onset;
    let named = ledger.first(|e| matches!(e, Event::Named { cause, .. } if *cause == verdict.cause));
    let span = |until: Option<Timestamp>| Some(until?.since_s(started?)).filter(|s| *s >= 0.0);
    Postmortem {
        also: report.also.clone(),
        started,
        ended: verdict.end,
        named,
        duration_s: span(verdict.end.or(last)),
        time_to_name_s: span(named),
        impact: impact(&report.findings),
        timeline: ledger.chronology().into_iter().cloned().collect(),
        root_cause: root_cause(report),
        resolution: resolution(report, &ledger),
        wrong_theories: wrong_theories(report),
        corrective: remedy::corrective(verdict.cause),
        preventive: remedy::preventive(verdict.cause),
        missing: report.missing.clone(),
        verdict,
    }
}

fn impact(findings: &[Finding]) -> Vec<Impact> {
    findings
        .iter()
        .filter(|f| f.metric.group() == Group::Capacity || f.metric == Metric::HandshakeCompletion)
        .map(|f| Impact {
            metric: f.metric,
            normal: f.expected,
            during: f.observed,
            is_worse: f.expected.is_some_and(|normal| is_worse(f.metric, normal, f.observed)),
        })
        .collect()
}

/// Good answers and handshakes fall in trouble; every other figure of capacity rises.
fn is_worse(metric: Metric, normal: f64, during: f64) -> bool {
    match metric {
        Metric::GoodputRate | Metric::HandshakeCompletion => during * WORSE_FACTOR < normal,
        _ => during > normal * WORSE_FACTOR,
    }
}

fn root_cause(report: &TriageReport) -> RootCause {
    let hypothesis = report.hypotheses.iter().find(|h| h.cause == report.verdict.cause);
    RootCause {
        evidence: hypothesis.map(|h| evidence(h, Direction::For)).unwrap_or_default(),
        counter_evidence: hypothesis.map(|h| evidence(h, Direction::Against)).unwrap_or_default(),
        signatures: report.signatures.clone(),
        changes: report.changes.clone(),
    }
}

fn resolution(report: &TriageReport, ledger: &Ledger) -> Resolution {
    let reasons = &report.plan_report.reasons;
    let reason = |id: &str| reasons.iter().find(|(of, _)| of == id).map(|(_, reason)| reason.clone());
    let measures = report.plan.iter().flat_map(|p| &p.measures);
    let entries = ledger.chronology();
    Resolution {
        applied: entries
            .iter()
            .filter(|e| matches!(e.event, Event::Applied { .. }))
            .map(|e| (*e).clone())
            .collect(),
        proposed: measures.map(|m| (m.clone(), reason(&m.id))).collect(),
        closed: entries.into_iter().rfind(|e| is_closing(e)).cloned(),
    }
}

fn is_closing(entry: &Entry) -> bool {
    matches!(entry.event, Event::Closed { .. }) && entry.actor != Actor::Observed
}

/// The rivals that something speaks for; in an attack also the theories that teams believed first.
fn wrong_theories(report: &TriageReport) -> Vec<WrongTheory> {
    let holds = |cause: Cause| {
        cause == report.verdict.cause
            || cause == Cause::Normal
            || report.also.iter().any(|v| v.cause == cause)
    };
    if report.verdict.class == Class::Undecided || report.verdict.class == Class::Normal {
        return Vec::new();
    }
    let cost = |cause| (report.verdict.class == Class::Attack).then(|| outage::cost_of(cause)).flatten();
    let mut theories: Vec<WrongTheory> = report
        .hypotheses
        .iter()
        .filter(|h| !holds(h.cause))
        .map(|h| WrongTheory {
            cause: h.cause,
            confidence: Some(h.confidence),
            refuted_by: evidence(h, Direction::Against),
            supported_by: evidence(h, Direction::For),
            cost: cost(h.cause),
        })
        .collect();
    if report.verdict.class == Class::Attack {
        for cause in outage::usual_theories() {
            if !holds(cause) && theories.iter().all(|t| t.cause != cause) {
                let (refuted_by, supported_by) = (Vec::new(), Vec::new());
                theories.push(WrongTheory {
                    cause,
                    confidence: None,
                    refuted_by,
                    supported_by,
                    cost: cost(cause),
                });
            }
        }
    }
    theories
}

fn evidence(hypothesis: &Hypothesis, direction: Direction) -> Vec<Evidence> {
    let mut all: Vec<Evidence> =
        hypothesis.evidence.iter().filter(|e| e.direction == direction).cloned().collect();
    all.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    all
}
