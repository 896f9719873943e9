//! Whether what is learnt looks normal: the engine watches along, and what it names is told.

use super::run;
use seawall_detection::Window;
use seawall_engine::{Engine, Input};
use seawall_model::Timestamp;
use seawall_model::diagnosis::Verdict;
use seawall_model::policy::Policy;

/// Judges the windows that are learnt, as a triage of the same files would.
pub struct Watcher {
    engine: Engine,
    now: Timestamp,
}

impl Default for Watcher {
    fn default() -> Self {
        Self { engine: Engine::new(Policy::default(), None), now: Timestamp::MIN }
    }
}

impl Watcher {
    pub fn window(&mut self, tick: Timestamp, window: &Window) {
        self.now = self.now.max(tick);
        let input = Input::Window { tick, window: Box::new(window.clone()) };
        drop(self.engine.step(self.now, input));
    }

    /// What was hostile in it, a sentence each: it would pass for normal from now on.
    pub fn doubts(mut self) -> Vec<String> {
        if self.now == Timestamp::MIN {
            return Vec::new();
        }
        let concluded = run::finish(&mut self.engine, self.now);
        let verdicts = std::iter::once(&concluded.diagnosis.verdict)
            .chain(&concluded.diagnosis.also)
            .chain(concluded.episodes.iter().map(|e| &e.verdict));
        verdicts.filter(|v| v.class.is_hostile()).map(doubt).collect()
    }
}

fn doubt(verdict: &Verdict) -> String {
    let when = match (verdict.onset, verdict.end) {
        (Some(onset), Some(end)) => format!(", from {onset} to {end}"),
        (Some(onset), None) => format!(", from {onset} on"),
        (None, _) => String::new(),
    };
    format!(
        "what was learnt holds what looks like {} ({:.0} % sure{when}) and would pass for normal from now on: \
         look at it with `seawall triage`, and learn again from files without that time",
        verdict.cause.title(),
        verdict.confidence * 100.0
    )
}
