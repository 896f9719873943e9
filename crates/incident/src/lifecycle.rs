//! Where an open incident stands, as a type: measures without a name for the trouble, or measures that are
//! in force and rest at once, cannot be written down.
//!
//! ```text
//!             engage            calm
//! Detected → Diagnosed ⇄ Mitigating ⇄ Monitoring
//!             withdraw         relapse
//! ```
//!
//! It gets another name in any stage, and may be over in any: an incident that is over has no stage, but a
//! [postmortem](crate::postmortem).

use seawall_model::cause::Cause;
use seawall_model::plan::Plan;
use serde::{Deserialize, Serialize};

/// The stage of an incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Stage {
    /// Something is unlike before; nobody knows yet what.
    #[default]
    Detected,
    /// It has a name, though perhaps `undecided`; nothing is done about it.
    Diagnosed { cause: Cause },
    /// These measures are in force.
    Mitigating { cause: Cause, plan: Plan },
    /// It is calm: the measures rest, and are back at once if it begins again.
    Monitoring { cause: Cause, plan: Plan },
}

impl Stage {
    /// What the trouble is called, once it has a name.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Detected => None,
            Self::Diagnosed { cause } | Self::Mitigating { cause, .. } | Self::Monitoring { cause, .. } => {
                Some(*cause)
            }
        }
    }

    /// What is in force.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        if let Self::Mitigating { plan, .. } = self { Some(plan) } else { None }
    }

    /// It has this name from now on. Returns the one before.
    pub fn diagnose(&mut self, name: Cause) -> Option<Cause> {
        match self {
            Self::Detected => {
                *self = Self::Diagnosed { cause: name };
                None
            }
            Self::Diagnosed { cause } | Self::Mitigating { cause, .. } | Self::Monitoring { cause, .. } => {
                Some(std::mem::replace(cause, name))
            }
        }
    }

    /// A plan is in force, in the place of any other. What has no name yet gets the one that was planned for.
    pub fn engage(&mut self, plan: Plan) {
        *self = Self::Mitigating { cause: self.cause().unwrap_or(plan.cause), plan };
    }

    /// Whether what was in force rests, and waits for the trouble to begin again.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        matches!(self, Self::Monitoring { .. })
    }

    /// Nothing is in force any more. Returns what was; what rests goes on resting.
    pub fn withdraw(&mut self) -> Option<Plan> {
        if self.is_resting() { None } else { self.put_down() }
    }

    /// It is calm: this plan is not in force any more, and rests.
    pub fn calm(&mut self, plan: Plan) {
        *self = Self::Monitoring { cause: self.cause().unwrap_or(plan.cause), plan };
    }

    /// It has begun again, or nothing is to come back. Returns what rested.
    pub fn relapse(&mut self) -> Option<Plan> {
        if self.is_resting() { self.put_down() } else { None }
    }

    /// Takes the plan out of any stage that has one.
    fn put_down(&mut self) -> Option<Plan> {
        match std::mem::take(self) {
            Self::Mitigating { cause, plan } | Self::Monitoring { cause, plan } => {
                *self = Self::Diagnosed { cause };
                Some(plan)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;

    fn plan(generation: u64) -> Plan {
        Plan {
            generation,
            parent: generation.checked_sub(1),
            cause: Cause::HttpFlood,
            created: Timestamp(3),
            expires: Timestamp(9),
            measures: Vec::new(),
        }
    }

    #[test]
    fn a_whole_life() {
        let mut stage = Stage::default();
        assert_eq!(stage.cause(), None);
        assert_eq!(stage.diagnose(Cause::Undecided), None);
        assert_eq!(stage.diagnose(Cause::HttpFlood), Some(Cause::Undecided));
        stage.engage(plan(1));
        assert_eq!(stage.diagnose(Cause::CacheBusting), Some(Cause::HttpFlood), "renamed while mitigated");
        let withdrawn = stage.withdraw().expect("it was in force");
        assert_eq!(stage, Stage::Diagnosed { cause: Cause::CacheBusting });
        stage.calm(withdrawn);
        assert_eq!(stage.plan(), None, "what rests is not in force");
        assert_eq!(stage.withdraw(), None, "nor can it be withdrawn");
        let rested = stage.relapse().expect("it rested");
        assert_eq!(stage.relapse(), None);
        stage.engage(rested);
        assert_eq!(stage.plan().map(|p| p.generation), Some(1));
        let json = serde_json::to_string(&stage).expect("plain data");
        assert_eq!(serde_json::from_str::<Stage>(&json).expect("its own output"), stage);
    }

    #[test]
    fn what_is_done_before_there_is_a_name_is_done_about_what_was_planned_for() {
        let mut stage = Stage::Detected;
        stage.engage(plan(1));
        assert_eq!(stage.cause(), Some(Cause::HttpFlood));
    }
}
