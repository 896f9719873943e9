//! The states of an incident as types: a transition consumes the state, so that what makes no
//! sense (resolving what was never diagnosed, mitigating what is closed) does not compile.
//!
//! ```text
//! Detected → Diagnosed → Mitigating → Monitoring → Resolved
//!     │          │  ↑         │            │  ↑
//!     └──────────┼──┼── over  └─ rolled back  relapsed
//! ```

use crate::ledger::{Actor, Event, Ledger};
use seawall_model::Timestamp;
use seawall_model::diagnosis::Verdict;
use seawall_model::plan::Plan;
use serde::{Deserialize, Serialize};

/// Something is abnormal; nobody knows yet what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Detected {
    ledger: Ledger,
}

/// It has a name, though perhaps `undecided`; nothing is done about it yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Diagnosed {
    ledger: Ledger,
    verdict: Verdict,
}

/// Measures are on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Mitigating {
    ledger: Ledger,
    verdict: Verdict,
    generation: u64,
}

/// The service answers again; it is watched for a relapse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Monitoring {
    ledger: Ledger,
    verdict: Verdict,
    since: Timestamp,
}

/// It is over. There is no way back: a relapse from here is a new incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Resolved {
    ledger: Ledger,
    verdict: Option<Verdict>,
    at: Timestamp,
}

impl Detected {
    /// Opens an incident at its first finding.
    pub fn open(now: Timestamp, onset: Timestamp, what: &str) -> Self {
        let mut ledger = Ledger::default();
        ledger.append(onset, Actor::Observed, Event::Onset { text: what.into() });
        ledger.append(now, Actor::Seawall, Event::Detected);
        Self { ledger }
    }

    pub fn diagnose(mut self, now: Timestamp, verdict: Verdict) -> Diagnosed {
        name(&mut self.ledger, now, &verdict);
        Diagnosed { ledger: self.ledger, verdict }
    }

    /// It went away before it had a name.
    pub fn dismiss(self, now: Timestamp, actor: Actor, reason: &str) -> Resolved {
        close(self.ledger, None, now, actor, reason)
    }
}

impl Diagnosed {
    /// More data gave another name or another confidence.
    pub fn rediagnose(mut self, now: Timestamp, verdict: Verdict) -> Self {
        name(&mut self.ledger, now, &verdict);
        Self { ledger: self.ledger, verdict }
    }

    /// The plan's measures were enforced.
    pub fn mitigate(mut self, now: Timestamp, plan: &Plan) -> Mitigating {
        apply(&mut self.ledger, now, plan);
        Mitigating { ledger: self.ledger, verdict: self.verdict, generation: plan.generation }
    }

    /// It ended without any measure.
    pub fn monitor(mut self, now: Timestamp) -> Monitoring {
        self.ledger.append(now, Actor::Observed, Event::Ended { text: String::new() });
        Monitoring { ledger: self.ledger, verdict: self.verdict, since: now }
    }

    /// A person knows that it is nothing.
    pub fn dismiss(self, now: Timestamp, actor: Actor, reason: &str) -> Resolved {
        close(self.ledger, Some(self.verdict), now, actor, reason)
    }
}

impl Mitigating {
    /// The next plan took the place of this one.
    pub fn replan(mut self, now: Timestamp, plan: &Plan) -> Self {
        apply(&mut self.ledger, now, plan);
        Self { generation: plan.generation, ..self }
    }

    /// An enforcer told what a measure does.
    pub fn read_back(mut self, now: Timestamp, measure: &str, hits: u64, harm_share: Option<f64>) -> Self {
        let measure = measure.into();
        self.ledger.append(now, Actor::Seawall, Event::ReadBack { measure, hits, harm_share });
        self
    }

    /// The measures did harm or no good, and were taken back.
    pub fn roll_back(mut self, now: Timestamp, measures: &[String], reason: &str) -> Diagnosed {
        for measure in measures {
            let event = Event::Withdrawn { measure: measure.clone(), reason: reason.into() };
            self.ledger.append(now, Actor::Seawall, event);
        }
        Diagnosed { ledger: self.ledger, verdict: self.verdict }
    }

    /// The service answers again.
    pub fn monitor(mut self, now: Timestamp) -> Monitoring {
        self.ledger.append(now, Actor::Observed, Event::Ended { text: String::new() });
        Monitoring { ledger: self.ledger, verdict: self.verdict, since: now }
    }

    /// Generation of the plan that is on.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl Monitoring {
    /// It came back.
    pub fn relapse(mut self, now: Timestamp, what: &str) -> Diagnosed {
        self.ledger.append(now, Actor::Observed, Event::Onset { text: what.into() });
        Diagnosed { ledger: self.ledger, verdict: self.verdict }
    }

    pub fn resolve(self, now: Timestamp, actor: Actor, reason: &str) -> Resolved {
        close(self.ledger, Some(self.verdict), now, actor, reason)
    }

    /// How long it has been quiet.
    #[must_use]
    pub fn quiet_s(&self, now: Timestamp) -> f64 {
        now.since_s(self.since)
    }
}

impl Resolved {
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// An incident in whatever state it is, for storing and listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Incident {
    Detected(Detected),
    Diagnosed(Diagnosed),
    Mitigating(Mitigating),
    Monitoring(Monitoring),
    Resolved(Resolved),
}

impl Incident {
    /// The state's stable name.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Detected(_) => "detected",
            Self::Diagnosed(_) => "diagnosed",
            Self::Mitigating(_) => "mitigating",
            Self::Monitoring(_) => "monitoring",
            Self::Resolved(_) => "resolved",
        }
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        match self {
            Self::Detected(s) => &s.ledger,
            Self::Diagnosed(s) => &s.ledger,
            Self::Mitigating(s) => &s.ledger,
            Self::Monitoring(s) => &s.ledger,
            Self::Resolved(s) => &s.ledger,
        }
    }

    /// The name of the trouble, once it has one.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Detected(_) => None,
            Self::Diagnosed(s) => Some(&s.verdict),
            Self::Mitigating(s) => Some(&s.verdict),
            Self::Monitoring(s) => Some(&s.verdict),
            Self::Resolved(s) => s.verdict.as_ref(),
        }
    }

    /// A person took it on or wrote something down; allowed in every state.
    #[must_use]
    pub fn noted(mut self, now: Timestamp, actor: Actor, event: Event) -> Self {
        let ledger = match &mut self {
            Self::Detected(s) => &mut s.ledger,
            Self::Diagnosed(s) => &mut s.ledger,
            Self::Mitigating(s) => &mut s.ledger,
            Self::Monitoring(s) => &mut s.ledger,
            Self::Resolved(s) => &mut s.ledger,
        };
        ledger.append(now, actor, event);
        self
    }
}

fn name(ledger: &mut Ledger, now: Timestamp, verdict: &Verdict) {
    let (cause, confidence) = (verdict.cause, verdict.confidence);
    let event = Event::Named { cause, vectors: verdict.vectors.clone(), confidence };
    ledger.append(now, Actor::Seawall, event);
}

fn apply(ledger: &mut Ledger, now: Timestamp, plan: &Plan) {
    for measure in &plan.measures {
        let text = measure.action.name().to_owned();
        ledger.append(now, Actor::Seawall, Event::Applied { measure: measure.id.clone(), text });
    }
}

fn close(
    mut ledger: Ledger,
    verdict: Option<Verdict>,
    now: Timestamp,
    actor: Actor,
    reason: &str,
) -> Resolved {
    ledger.append(now, actor, Event::Closed { reason: reason.into() });
    Resolved { ledger, verdict, at: now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::cause::Cause;

    fn verdict(cause: Cause) -> Verdict {
        Verdict {
            class: cause.class(),
            cause,
            vectors: Vec::new(),
            confidence: 0.9,
            target: None,
            onset: Some(Timestamp(1)),
            end: None,
        }
    }

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
    fn a_whole_life_is_in_the_ledger() {
        let ada = Actor::Person("ada".into());
        let resolved = Detected::open(Timestamp(2), Timestamp(1), "requests rose")
            .diagnose(Timestamp(3), verdict(Cause::Undecided))
            .rediagnose(Timestamp(4), verdict(Cause::HttpFlood))
            .mitigate(Timestamp(5), &plan(1))
            .roll_back(Timestamp(6), &["m1".into()], "goodput fell")
            .mitigate(Timestamp(7), &plan(2))
            .monitor(Timestamp(8))
            .relapse(Timestamp(9), "requests rose again")
            .monitor(Timestamp(10))
            .resolve(Timestamp(11), ada, "quiet");
        let incident = Incident::Resolved(resolved);
        assert_eq!(incident.state(), "resolved");
        assert_eq!(incident.verdict().map(|v| v.cause), Some(Cause::HttpFlood));
        let named = incident.ledger().first(|e| matches!(e, Event::Named { .. }));
        assert_eq!(named, Some(Timestamp(3)));
        assert_eq!(incident.ledger().entries().len(), 9);
        let json = serde_json::to_string(&incident).expect("plain data");
        assert_eq!(serde_json::from_str::<Incident>(&json).expect("its own output"), incident);
    }
}
