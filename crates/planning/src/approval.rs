//! Approval: no plan goes on that the independent checker refuses.
//!
//! [`Approved`] can be made in no other way, and rules are rendered from nothing else.

use crate::check::{CheckContext, Violation, check};
use seawall_model::plan::{Alternative, Plan, PlanReport, Standing};
use seawall_model::policy::Policy;

/// A plan that passed the checker.
#[derive(Clone, Debug, PartialEq)]
pub struct Approved(Plan);

impl Approved {
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.0
    }
}

/// Leaves out the measures that the checker refuses, and the whole plan where it refuses what is
/// left. The report says of each why.
pub fn approve(
    plan: Plan,
    mut report: PlanReport,
    policy: &Policy,
    context: &CheckContext<'_>,
) -> (Option<Approved>, PlanReport) {
    let Err(violations) = check(&plan, policy, context) else { return (Some(Approved(plan)), report) };
    let mut kept = plan;
    let refused = |id: &str| violations.iter().any(|v| v.measure == id);
    reject(&mut kept, &mut report, &violations, refused);
    if kept.measures.is_empty() {
        return (None, report);
    }
    match check(&kept, policy, context) {
        Ok(()) => (Some(Approved(kept)), report),
        Err(violations) => {
            reject(&mut kept, &mut report, &violations, |_| true);
            (None, report)
        }
    }
}

/// Moves the refused measures from the plan to the alternatives.
fn reject(
    plan: &mut Plan,
    report: &mut PlanReport,
    violations: &[Violation],
    refused: impl Fn(&str) -> bool,
) {
    let (out, kept) = std::mem::take(&mut plan.measures).into_iter().partition(|m| refused(&m.id));
    plan.measures = kept;
    for measure in out {
        report.reasons.retain(|(id, _)| *id != measure.id);
        let own = violations.iter().filter(|v| v.measure == measure.id || v.measure.is_empty());
        let why: Vec<String> = own.map(|v| v.rule.to_string()).collect();
        report.alternatives.push(Alternative {
            scope: crate::scope::in_words(&measure.scope),
            action: measure.action,
            standing: Standing::Rejected,
            reason: format!("the plan checker refuses it: {}", why.join("; ")),
        });
    }
}
