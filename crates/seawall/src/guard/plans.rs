//! What the control loop asks of plans: whether two are the same, and what a report on them was made from.

use seawall_engine::Conclusion;
use seawall_model::Timestamp;
use seawall_model::plan::{Action, Measure, Plan, Scope};
use seawall_model::report::InputReport;

/// What makes two measures the same: what is done to whom, whatever the estimates.
pub(super) fn key(measure: &Measure) -> String {
    let scope = match &measure.scope {
        Scope::All => "all".to_owned(),
        Scope::Signature(signature) => signature.to_string(),
        Scope::Sources(prefixes) => prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    format!("{} {scope}", measure.action.name())
}

/// In an order of their own: who sends most changes from one second to the next.
pub(super) fn keys(plan: &Plan) -> Vec<String> {
    let mut keys: Vec<String> = plan.measures.iter().map(key).collect();
    keys.sort_unstable();
    keys
}

/// Whether nobody waits for it or is refused: it stores answers, or says what people are to do.
pub(super) fn holds_nobody(plan: &Plan) -> bool {
    let is_soft = |action: &Action| {
        matches!(
            action,
            Action::ServeStale { .. }
                | Action::ScaleOut
                | Action::RollBack { .. }
                | Action::Investigate { .. }
        )
    };
    plan.measures.iter().all(|m| is_soft(&m.action))
}

/// What a report on live traffic of some kind was made from.
pub(super) fn live_input(kind: &str, conclusion: &Conclusion, now: Timestamp) -> InputReport {
    InputReport {
        path: "live".to_owned(),
        kind: kind.to_owned(),
        first: conclusion.findings.onset,
        last: Some(now),
        ..InputReport::default()
    }
}
