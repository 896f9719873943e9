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
/// … and from this distance on, in the baseline's own spread: less is the day's ripple.
const WORSE_SURPRISE: f64 = 3.0;

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
    /// How much of that was calm, before it began again.
    pub calm_s: f64,
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
    /// The cause that the evidence is about: the verdict's, or the most likely where it is open.
    pub cause: Option<Cause>,
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

/// A cause that it was not; where the verdict is open, one that it could be as well.
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
    let is_its_name = |e: &Event| matches!(e, Event::Named { cause, .. } if *cause == verdict.cause);
    // Another disturbance of this incident may have had the same name before.
    let named = ledger.first(|e| started.is_none_or(|started| e.time >= started) && is_its_name(&e.event));
    let end = verdict.end.or(last);
    let span = |until: Option<Timestamp>| Some(until?.since_s(started?)).filter(|s| *s >= 0.0);
    Postmortem {
        also: report.also.clone(),
        started,
        ended: verdict.end,
        named,
        duration_s: span(end),
        calm_s: started.map_or(0.0, |started| calm_s(&ledger, started, end)),
        time_to_name_s: span(named),
        impact: impact(&report.findings),
        timeline: ledger.chronology().into_iter().cloned().collect(),
        root_cause: root_cause(report),
        resolution: resolution(report, &ledger),
        wrong_theories: wrong_theories(report),
        corrective: remedy::corrective(report),
        preventive: remedy::preventive(verdict.cause),
        missing: report.missing.clone(),
        verdict,
    }
}

/// Seconds of calm between the beginning and the end.
fn calm_s(ledger: &Ledger, started: Timestamp, end: Option<Timestamp>) -> f64 {
    let within = |entry: &&Entry| entry.time > started && end.is_none_or(|end| entry.time <= end);
    let calm_s = |entry: &Entry| match entry.event {
        Event::Resumed { calm_s } => calm_s.min(entry.time.since_s(started)),
        _ => 0.0,
    };
    ledger.entries().iter().filter(within).map(calm_s).sum()
}

fn impact(findings: &[Finding]) -> Vec<Impact> {
    findings
        .iter()
        .filter(|f| f.metric.group() == Group::Capacity || f.metric == Metric::HandshakeCompletion)
        .map(|f| Impact {
            metric: f.metric,
            normal: f.expected,
            during: f.observed,
            is_worse: f.surprise.abs() >= WORSE_SURPRISE
                && f.expected.is_some_and(|normal| is_worse(f.metric, normal, f.observed)),
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
    let hypothesis = leading(report);
    RootCause {
        cause: hypothesis.map(|h| h.cause),
        evidence: hypothesis.map(|h| evidence(h, Direction::For)).unwrap_or_default(),
        counter_evidence: hypothesis.map(|h| evidence(h, Direction::Against)).unwrap_or_default(),
        signatures: report.signatures.clone(),
        changes: report.changes.clone(),
    }
}

/// The verdict's hypothesis; where the verdict is open the first, which is the most likely.
fn leading(report: &TriageReport) -> Option<&Hypothesis> {
    let named = report.hypotheses.iter().find(|h| h.cause == report.verdict.cause);
    if report.verdict.class == Class::Undecided { report.hypotheses.first() } else { named }
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
    let leading = leading(report).map_or(report.verdict.cause, |h| h.cause);
    let also = |cause: Cause| report.also.iter().any(|v| v.cause == cause);
    let holds = |cause: Cause| cause == leading || cause == Cause::Normal || also(cause);
    if report.verdict.class == Class::Normal {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Notice, notice};
    use seawall_model::finding::Rankings;
    use seawall_model::plan::PlanReport;
    use seawall_model::report::{SCHEMA, TimelineEntry};

    fn verdict(cause: Cause) -> Verdict {
        Verdict {
            class: cause.class(),
            cause,
            vectors: Vec::new(),
            confidence: 0.9,
            target: Some("shop.example".into()),
            onset: Some(Timestamp::from_seconds(100)),
            end: Some(Timestamp::from_seconds(160)),
        }
    }

    fn report(cause: Cause) -> TriageReport {
        TriageReport {
            schema: SCHEMA.into(),
            verdict: verdict(cause),
            also: Vec::new(),
            hypotheses: Vec::new(),
            findings: Vec::new(),
            rankings: Rankings::default(),
            signatures: Vec::new(),
            plan: None,
            plan_report: PlanReport::default(),
            rules: Vec::new(),
            timeline: Vec::new(),
            series: Vec::new(),
            changes: Vec::new(),
            episodes: Vec::new(),
            missing: Vec::new(),
            inputs: Vec::new(),
        }
    }

    fn hypothesis(cause: Cause, weights: &[(f64, Direction)]) -> Hypothesis {
        let evidence = weights.iter().map(|(weight, direction)| Evidence {
            group: Group::Rate,
            metric: Metric::RequestRate,
            observed: 9.0,
            expected: Some(1.0),
            weight: *weight,
            direction: *direction,
            reason: "requests rose".into(),
        });
        Hypothesis { cause, vectors: Vec::new(), score: 0.0, confidence: 0.1, evidence: evidence.collect() }
    }

    #[test]
    fn an_attack_is_held_against_the_theories_that_teams_believe_first() {
        let mut report = report(Cause::HttpFlood);
        let against = [(1.0, Direction::Against), (3.0, Direction::Against), (0.5, Direction::For)];
        report.hypotheses = vec![hypothesis(Cause::HttpFlood, &[]), hypothesis(Cause::FlashCrowd, &against)];
        let theories = postmortem(&report, None).wrong_theories;
        assert_eq!(theories[0].cause, Cause::FlashCrowd);
        assert_eq!(theories[0].refuted_by.iter().map(|e| e.weight).collect::<Vec<_>>(), [3.0, 1.0]);
        assert_eq!(theories.len(), outage::usual_theories().len());
        assert!(theories.iter().all(|t| t.cost.is_some()));
        assert!(theories[1..].iter().all(|t| t.confidence.is_none()));
    }

    #[test]
    fn a_fault_is_not_compared_with_outages_that_attacks_caused() {
        let mut report = report(Cause::ReleaseFault);
        report.hypotheses = vec![hypothesis(Cause::ReleaseFault, &[]), hypothesis(Cause::SlowBackend, &[])];
        let theories = postmortem(&report, None).wrong_theories;
        assert_eq!(theories.len(), 1);
        assert_eq!(theories[0].cost, None);
    }

    #[test]
    fn an_open_verdict_tells_of_the_likeliest_cause_and_the_others() {
        let mut report = report(Cause::Undecided);
        report.hypotheses =
            vec![hypothesis(Cause::FlashCrowd, &[(1.0, Direction::For)]), hypothesis(Cause::HttpFlood, &[])];
        let postmortem = postmortem(&report, None);
        assert_eq!(postmortem.root_cause.cause, Some(Cause::FlashCrowd));
        assert_eq!(postmortem.root_cause.evidence.len(), 1);
        assert_eq!(postmortem.wrong_theories.iter().map(|t| t.cause).collect::<Vec<_>>(), [Cause::HttpFlood]);
    }

    #[test]
    fn only_what_stands_out_counts_as_impact() {
        let finding = |metric, observed, expected, surprise| Finding {
            metric,
            observed,
            expected: Some(expected),
            surprise,
            support: 1.0,
            onset: None,
        };
        let mut report = report(Cause::HttpFlood);
        report.findings = vec![
            finding(Metric::RequestRate, 9.0, 1.0, 50.0),
            finding(Metric::ServerErrorShare, 0.000_3, 0.000_2, 0.1),
            finding(Metric::GoodputRate, 10.0, 40.0, 9.0),
            finding(Metric::DurationP95, 9.0, 1.0, 9.0),
        ];
        let impact = postmortem(&report, None).impact;
        let worse: Vec<(Metric, bool)> = impact.iter().map(|i| (i.metric, i.is_worse)).collect();
        assert_eq!(
            worse,
            [(Metric::ServerErrorShare, false), (Metric::GoodputRate, true), (Metric::DurationP95, true),]
        );
    }

    #[test]
    fn times_come_from_the_timeline() {
        let mut report = report(Cause::HttpFlood);
        let named = Timestamp::from_seconds(102);
        report.timeline = vec![TimelineEntry { time: named, kind: "named".into(), text: String::new() }];
        let postmortem = postmortem(&report, None);
        assert_eq!((postmortem.named, postmortem.time_to_name_s), (Some(named), Some(2.0)));
        assert_eq!(postmortem.duration_s, Some(60.0));
        assert!(postmortem.resolution.applied.is_empty());
    }

    /// Broke: of attacks after one another, the calm between them counted as attack.
    #[test]
    fn the_calm_between_attacks_is_told_by_itself() {
        let mut ledger = Ledger::default();
        let named = Event::Named { cause: Cause::HttpFlood, vectors: Vec::new(), confidence: 0.9 };
        for (second, event) in [
            (40, named.clone()),
            (90, Event::Resumed { calm_s: 20.0 }),
            (103, named),
            (140, Event::Resumed { calm_s: 15.0 }),
            (170, Event::Resumed { calm_s: 7.0 }),
        ] {
            ledger.append(Timestamp::from_seconds(second), Actor::Observed, event);
        }
        let postmortem = postmortem(&report(Cause::HttpFlood), Some(&ledger));
        assert_eq!((postmortem.duration_s, postmortem.calm_s), (Some(60.0), 15.0));
        assert_eq!(postmortem.time_to_name_s, Some(3.0), "not the attack before it");
    }

    #[test]
    fn a_ledger_tells_what_was_applied_and_by_whom_it_was_closed() {
        let report = report(Cause::HttpFlood);
        let mut ledger = Ledger::default();
        let text = "rate-limit".to_owned();
        ledger.append(
            Timestamp::from_seconds(105),
            Actor::Seawall,
            Event::Applied { measure: "m1".into(), text },
        );
        let closing = Event::Closed { reason: "quiet".into() };
        ledger.append(Timestamp::from_seconds(200), Actor::Person("ada".into()), closing);
        let resolution = postmortem(&report, Some(&ledger)).resolution;
        assert_eq!(resolution.applied.len(), 1);
        assert_eq!(resolution.closed.map(|e| e.actor), Some(Actor::Person("ada".into())));
    }

    #[test]
    fn notices_fit_every_class_and_name_the_times() {
        for cause in Cause::ALL {
            let postmortem = postmortem(&report(*cause), None);
            for kind in [Notice::First, Notice::Update, Notice::Resolved] {
                let text = notice(kind, &postmortem);
                assert!(text.title.contains("shop.example"), "{}", text.title);
                assert!(text.body.ends_with('.') && text.body.len() < 400, "{}", text.body);
            }
        }
        let told = |cause| notice(Notice::First, &postmortem(&report(cause), None));
        assert!(told(Cause::Normal).title.starts_with("No disturbance"), "nobody is told of nothing");
        assert!(!told(Cause::CredentialAbuse).body.contains("slow or fail"), "guesses slow nothing down");
        let resolved = notice(Notice::Resolved, &postmortem(&report(Cause::HttpFlood), None)).body;
        assert!(resolved.contains("lasted from 00:01 to 00:02 UTC on 1970-01-01"), "{resolved}");
    }
}
