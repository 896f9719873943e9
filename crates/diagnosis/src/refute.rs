//! What rules a cause out, in one number: the answer to a colleague's "could it not be …?".
//!
//! A diagnosis lists the causes that something speaks for. The theories that people come up with
//! are often not among them, because a condition without which the cause cannot be is not met;
//! then that condition is the answer.

use crate::rules::{self, CauseRules};
use seawall_model::cause::Cause;
use seawall_model::diagnosis::{Direction, Evidence};
use seawall_model::finding::Findings;

/// The heaviest evidence against a cause; where there is none, the condition that it fails for
/// want of. `None` where the findings say nothing against it.
#[must_use]
pub fn refute(cause: Cause, findings: &Findings) -> Option<Evidence> {
    // A cause may show in several kinds of traffic, each with rules of its own.
    let tables = || rules::ALL.iter().filter(|r| r.cause == cause);
    let against = tables()
        .flat_map(|table| table.rules)
        .filter_map(|rule| rule.apply(findings))
        .chain(rules::change_evidence(cause, findings))
        .filter(|e| e.direction == Direction::Against)
        .max_by(|a, b| a.weight.total_cmp(&b.weight));
    against.or_else(|| tables().find_map(|table| unmet(table, findings)))
}

/// A measured condition that the cause needs and that is not met by any of its alternatives.
fn unmet(rules: &CauseRules, findings: &Findings) -> Option<Evidence> {
    let is_met = |alternatives: &[(_, crate::Shape)]| {
        alternatives.iter().any(|(metric, shape)| {
            findings.get(*metric).and_then(|f| shape.strength(f)).is_some_and(|s| s > 0.0)
        })
    };
    let missing = rules.necessary.iter().find(|alternatives| !is_met(alternatives))?;
    let finding = missing.iter().find_map(|(metric, _)| findings.get(*metric))?;
    Some(Evidence {
        group: finding.metric.group(),
        metric: finding.metric,
        observed: finding.observed,
        expected: finding.expected,
        weight: crate::weigh::HALF_MET,
        direction: Direction::Against,
        reason: "it would have to be otherwise".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::finding::Finding;
    use seawall_model::metric::Metric;

    fn findings(metrics: &[(Metric, f64, f64)]) -> Findings {
        let mut findings = Findings::default();
        for (metric, observed, expected) in metrics {
            findings.insert(Finding {
                metric: *metric,
                observed: *observed,
                expected: Some(*expected),
                surprise: 0.0,
                support: 500.0,
                onset: None,
            });
        }
        findings
    }

    #[test]
    fn the_heaviest_evidence_against_is_the_answer() {
        let found = findings(&[(Metric::PageRate, 300.0, 10.0), (Metric::ServerErrorShare, 0.3, 0.0)]);
        let evidence = refute(Cause::ReleaseFault, &found).expect("refuted");
        assert_eq!((evidence.metric, evidence.observed), (Metric::PageRate, 300.0));
    }

    #[test]
    fn a_cause_that_nothing_speaks_about_fails_for_want_of_what_it_needs() {
        let found = findings(&[(Metric::ServerErrorShare, 0.0, 0.0)]);
        let evidence = refute(Cause::ReleaseFault, &found).expect("refuted");
        assert_eq!((evidence.metric, evidence.observed), (Metric::ServerErrorShare, 0.0));
    }

    #[test]
    fn a_cause_that_shows_in_several_kinds_of_traffic_is_refuted_in_any() {
        let found = findings(&[(Metric::DnsRandomNameShare, 0.9, 0.0)]);
        let evidence = refute(Cause::SlowBackend, &found).expect("refuted");
        assert_eq!(evidence.metric, Metric::DnsRandomNameShare);
    }

    #[test]
    fn where_nothing_was_measured_nothing_is_ruled_out() {
        assert_eq!(refute(Cause::ReleaseFault, &Findings::default()), None);
        assert_eq!(refute(Cause::Undecided, &Findings::default()), None);
    }
}
