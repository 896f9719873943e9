//! What the loop leaves to a program that comes after this one, and goes on with.

use super::{Control, REST_AFTER_S};
use crate::guard::incident::{Incident, Told};
use crate::guard::knowledge::Knowledge;
use crate::guard::store::{self, Protected, Store};
use seawall_engine::Engine;
use seawall_engine::goodput::Goodput;
use seawall_model::policy::Mode;
use seawall_model::{Prefix, Timestamp};
use serde::{Deserialize, Serialize};

/// What outlives the loop when another program takes over: everything that is not the engine's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    protected: Vec<Prefix>,
    goodput: Goodput,
    rest_after_s: Option<f64>,
    generation: u64,
    vetoed: Vec<String>,
    suspended: bool,
    incident: Option<Incident>,
}

impl Kept {
    /// The name of the incident that is open.
    #[must_use]
    pub fn incident(&self) -> Option<&str> {
        self.incident.as_ref().map(|incident| incident.name.as_str())
    }

    /// The same for a program that begins `now`, after one that was cut off: nobody watched since
    /// `saved`, and the incident says so.
    #[must_use]
    pub fn after_gap(mut self, saved: Timestamp, now: Timestamp) -> Self {
        if let Some(incident) = &mut self.incident {
            incident.goes_on_after_gap(saved, now);
        }
        self
    }
}

impl Control {
    /// All that is known, for a program that comes after this one.
    #[must_use]
    pub fn knowledge(&self, edge: seawall_http_edge::Kept, now: Timestamp) -> Knowledge {
        let control = Kept {
            protected: self.protected.clone(),
            goodput: self.goodput.clone(),
            rest_after_s: Some(self.rest_after_s),
            generation: self.generation,
            vetoed: self.vetoed.clone(),
            suspended: self.suspended,
            incident: self.incident.clone(),
        };
        Knowledge { saved: now, engine: self.engine.clone(), edge, control }
    }

    /// Goes on with what another program knew, under the present policy; what it had in force is in
    /// force at once.
    pub fn recall(&mut self, engine: Engine, kept: Kept, now: Timestamp) {
        let mut policy = self.policy.clone();
        policy.protected_clients.retain(|prefix| !self.protected.contains(prefix));
        self.engine = engine;
        self.record_normal(now);
        self.goodput = kept.goodput;
        self.rest_after_s = kept.rest_after_s.unwrap_or(REST_AFTER_S);
        self.generation = kept.generation;
        self.vetoed = kept.vetoed;
        self.suspended = kept.suspended;
        self.incident = kept.incident;
        if !self.is_protection_kept() {
            self.protected = kept.protected;
        }
        self.hands.trouble(self.incident.as_ref().map(|incident| incident.onset));
        if let Some(incident) =
            self.incident.as_mut().filter(|i| i.stage.plan().is_some_and(|p| p.expires <= now))
        {
            incident.stage.withdraw();
        }
        // Puts the plan into force.
        self.set_policy(policy, now);
        if let Some(plan) = self.plan() {
            let observe = self.policy.mode == Mode::Observe;
            self.told.push(Told::Engaged { plan: plan.clone(), observe, replaced: Vec::new() });
        }
    }

    /// Protects whom an earlier guard of the same state folder was ordered to protect, however long
    /// ago: the operator who counts on it may not notice a restart.
    #[must_use]
    pub fn with_protected(mut self, now: Timestamp) -> Self {
        match self.store.as_ref().map(Store::protected) {
            Some(Ok(Some(Protected { prefixes, unread }))) => {
                self.told.extend(unread.into_iter().map(|why| {
                    Told::Failed(format!("{why}; whom this line protected is protected no longer"))
                }));
                if !prefixes.is_empty() {
                    let list = prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    self.told.push(Told::Noted(format!("protected by order, as before: {list}")));
                    self.protected = prefixes;
                    self.set_policy(self.policy.clone(), now);
                }
            }
            Some(Err(error)) => {
                self.told
                    .push(Told::Failed(format!("{error:#}; who was protected by order is so no longer")));
            }
            _ => {}
        }
        self
    }

    /// Whether the state folder says who is protected by order. Nothing is newer than what it says.
    fn is_protection_kept(&self) -> bool {
        self.store.as_ref().is_some_and(|store| matches!(store.protected(), Ok(Some(_))))
    }

    /// Writes down who is protected by order, for whichever guard comes next.
    pub(super) fn keep_protected(&mut self) {
        let outcome = self.store.as_ref().map(|store| store.keep_protected(&self.protected));
        if let Some(Err(error)) = outcome {
            self.told.push(Told::Failed(format!("{error:#}; who is protected by order is so until the end")));
        }
    }

    /// A recording begins with what is normal, so that it can be run again by itself.
    fn record_normal(&mut self, now: Timestamp) {
        if let (Some(store), Some(normal)) = (&mut self.store, store::normal(&self.engine)) {
            self.told.extend(store.record(now, &normal, || None).map(Told::Failed));
        }
    }
}
