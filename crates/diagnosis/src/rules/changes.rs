//! Changes as evidence: something was done shortly before the trouble began.

use seawall_model::Timestamp;
use seawall_model::cause::Cause;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::diagnosis::{Direction, Evidence};
use seawall_model::finding::Findings;
use seawall_model::metric::{Group, Metric};

/// A change this long before the onset still counts.
const REACH_S: f64 = 1_800.0;
/// A change logged a little after the onset may still have caused it: clocks differ.
const SKEW_S: f64 = 60.0;
/// Log-odds of a fitting change at the onset.
const WEIGHT: f64 = 3.0;
/// A load test begins about when it was announced, and may wait or warm up first.
const LOAD_SKEW_S: f64 = 120.0;
const LOAD_REACH_S: f64 = 900.0;

/// What the nearest fitting change says for a cause. That there was none says nothing: changes
/// are rarely all written down.
#[must_use]
pub fn change_evidence(cause: Cause, findings: &Findings) -> Option<Evidence> {
    let onset = findings.onset?;
    let (distance_s, weight, change) = findings
        .changes
        .iter()
        .filter_map(|change| {
            let before_s = onset.since_s(change.time);
            let near = (-SKEW_S..=REACH_S).contains(&before_s);
            let fit = fit(cause, change);
            (near && fit > 0.0)
                .then(|| (before_s, fit * WEIGHT * (1.0 - 0.6 * before_s.max(0.0) / REACH_S), change))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Evidence {
        group: Group::Change,
        metric: Metric::ChangeDistance,
        observed: distance_s,
        expected: None,
        weight,
        direction: Direction::For,
        reason: format!("\"{}\" went before it", change.text),
    })
}

/// Whether an announced load test explains what a cause would: requests of a few senders, or of tools, that
/// began when it was to begin. A test is no attack, whatever it does to the service.
#[must_use]
pub fn is_announced_load(cause: Cause, findings: &Findings) -> bool {
    /// Part of the requests by which it is told.
    const OF_TOOLS: f64 = 0.3;
    const OF_ONE: f64 = 0.5;
    let of_requests = matches!(cause, Cause::HttpFlood | Cause::CacheBusting | Cause::ExpensiveEndpoint);
    let is_near = |onset: Timestamp, change: &Change| {
        // What is judged may begin before the test.
        let skew_s = findings.duration_s.max(LOAD_SKEW_S);
        change.announces_load() && (-skew_s..=LOAD_REACH_S).contains(&onset.since_s(change.time))
    };
    let holds = |metric, least| findings.get(metric).is_some_and(|f| f.observed >= least);
    of_requests
        && findings.onset.is_some_and(|onset| findings.changes.iter().any(|change| is_near(onset, change)))
        && (holds(Metric::ToolShare, OF_TOOLS) || holds(Metric::TopClientExcess, OF_ONE))
}

/// How well a kind of change explains a cause, 0 to 1.
fn fit(cause: Cause, change: &Change) -> f64 {
    match (cause, change.kind) {
        (Cause::ReleaseFault, ChangeKind::Deploy) => 1.0,
        (Cause::ReleaseFault, ChangeKind::Database | ChangeKind::Other) => 0.4,
        (Cause::Misconfiguration, ChangeKind::Configuration) => 1.0,
        (Cause::Misconfiguration, ChangeKind::Network | ChangeKind::Other | ChangeKind::LoadBalancer) => 0.4,
        (Cause::LoadBalancerFault, ChangeKind::LoadBalancer) => 1.0,
        (Cause::LoadBalancerFault, ChangeKind::Scaling | ChangeKind::Configuration) => 0.4,
        (Cause::SlowBackend, ChangeKind::Database) => 0.8,
        (Cause::NetworkFault, ChangeKind::Network) => 1.0,
        (Cause::FlashCrowd, ChangeKind::Campaign) => 1.0,
        (Cause::ClientFault, ChangeKind::Deploy) => 0.5,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::finding::Finding;

    /// Broke: a load test that its team had announced was called an attack.
    #[test]
    fn an_announced_load_test_is_no_attack_and_a_flood_beside_the_announcement_is() {
        let ruled_out = |text: &str, of_tools: f64, since_s: i64| {
            let (kind, text) = (ChangeKind::Other, text.to_owned());
            let change = Change { time: Timestamp::from_seconds(10_000), kind, text };
            let onset = Some(Timestamp::from_seconds(10_000 + since_s));
            let mut findings = Findings { onset, changes: vec![change], ..Findings::default() };
            let (metric, observed) = (Metric::ToolShare, of_tools);
            findings.insert(Finding { metric, observed, expected: None, surprise: 0.0, support: 1.0, onset });
            is_announced_load(Cause::HttpFlood, &findings)
        };
        assert!(ruled_out("Load test with k6 from the office", 0.9, 30));
        assert!(!ruled_out("Load test with k6 from the office", 0.0, 30), "browsers from everywhere");
        assert!(!ruled_out("Load test with k6 from the office", 0.9, 7_200), "hours later");
        assert!(!ruled_out("release 4.2", 0.9, 30));
    }
}
