//! The engine as the subject of a simulation: observations are counted into windows of one tick,
//! exactly as a sensor would.

use seawall_detection::Window;
use seawall_drill::{Outcome, Subject};
use seawall_engine::{Conclusion, Effect, Engine, Input};
use seawall_model::Timestamp;
use seawall_model::change::Change;
use seawall_model::diagnosis::{Diagnosis, Verdict};
use seawall_model::finding::Findings;
use seawall_model::observation::Observation;
use seawall_model::policy::Policy;

/// An engine that watches an episode.
pub struct EngineSubject {
    engine: Engine,
    window: Window,
    now: Timestamp,
}

impl EngineSubject {
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { engine: Engine::new(policy, None), window: Window::default(), now: Timestamp::MIN }
    }

    /// What the engine makes of the episode at this moment.
    #[must_use]
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.engine.diagnosis()
    }

    /// What is measured of the present episode, while something is going on.
    #[must_use]
    pub fn findings(&self) -> Option<Findings> {
        self.engine.findings()
    }

    /// Ends the episode, in full.
    pub fn conclude(&mut self) -> Option<Conclusion> {
        self.hand_over();
        match self.engine.step(self.now, Input::Finish).pop() {
            Some(Effect::Concluded(conclusion)) => Some(*conclusion),
            _ => None,
        }
    }

    fn hand_over(&mut self) {
        if !self.window.is_empty() {
            let window = Box::new(std::mem::take(&mut self.window));
            let tick = window.span.map_or(self.now, |s| s.first);
            drop(self.engine.step(self.now, Input::Window { tick, window }));
        }
    }
}

impl Subject for EngineSubject {
    fn observe(&mut self, observation: &Observation<'_>, priority: u64) {
        self.window.observe(observation, priority);
    }

    fn tick(&mut self, now: Timestamp) {
        self.hand_over();
        self.now = now;
    }

    fn change(&mut self, change: &Change) {
        drop(self.engine.step(self.now, Input::Change(change.clone())));
    }

    fn verdict(&self) -> Option<Verdict> {
        self.engine.diagnosis().map(|d| d.verdict.clone())
    }

    fn finish(&mut self) -> Outcome {
        let Some(conclusion) = self.conclude() else { return Outcome::default() };
        let harm =
            conclusion.signatures.iter().filter_map(|s| s.baseline.map(|b| b.share)).reduce(|a, b| a + b);
        Outcome {
            confidence: conclusion.diagnosis.verdict.confidence,
            verdict: Some(conclusion.diagnosis.verdict),
            predicted_harm: harm.map(|h| h.min(1.0)),
            signatures: conclusion.signatures,
        }
    }
}
