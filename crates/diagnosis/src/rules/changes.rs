//! Changes as evidence: something was done shortly before the trouble began.

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
