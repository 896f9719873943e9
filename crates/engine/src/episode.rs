//! An episode: one stretch of time in which something was unlike before.

use seawall_detection::Window;
use seawall_detection::detector::{Series, ShareSeries};
use seawall_model::Timestamp;
use seawall_model::cause::Class;
use seawall_model::diagnosis::Diagnosis;
use seawall_model::finding::Findings;
use seawall_model::time::SECOND_NS;
use serde::{Deserialize, Serialize};

/// Seconds of calm that end an episode.
const CALM_S: i64 = 10;
/// Every second is diagnosed this long; after that, ever more rarely.
const CLOSE_WATCH_S: f64 = 30.0;
/// Growth between diagnoses after the close watch.
const WATCH_GROWTH: f64 = 1.25;

/// What a detector watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Watched {
    Rate(Series),
    Share(ShareSeries),
}

/// An open episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub onset: Timestamp,
    /// Series that called it, and when each began to move.
    pub moved: Vec<(Watched, Timestamp)>,
    pub during: Window,
    /// Seconds that look calm again, not yet sure.
    pub tail: Vec<(Timestamp, Window)>,
    pub diagnosis: Option<Diagnosis>,
    /// When the present verdict was first reached.
    pub named: Option<Timestamp>,
    pub last_active: Timestamp,
    diagnosed: Option<Timestamp>,
}

impl Episode {
    pub(crate) fn open(onset: Timestamp, moved: Vec<(Watched, Timestamp)>) -> Self {
        Self {
            onset,
            moved,
            during: Window::default(),
            tail: Vec::new(),
            diagnosis: None,
            named: None,
            last_active: onset,
            diagnosed: None,
        }
    }

    /// Adds one second; `calm` says that all series that moved are back.
    pub(crate) fn add(&mut self, second: Timestamp, window: Window, calm: bool) {
        if calm {
            self.tail.push((second, window));
            return;
        }
        for (_, waiting) in self.tail.drain(..) {
            self.during.merge(&waiting);
        }
        self.during.merge(&window);
        self.last_active = second;
    }

    /// Whether the calm has lasted.
    pub(crate) fn is_over(&self, second: Timestamp) -> bool {
        second.since_ns(self.last_active) > CALM_S * SECOND_NS
    }

    /// Whether a diagnosis is due at the end of this second; if so, notes it.
    pub(crate) fn diagnosis_due(&mut self, second: Timestamp) -> bool {
        let age_s = second.since_s(self.onset);
        let due = match self.diagnosed {
            None => true,
            Some(last) => age_s <= CLOSE_WATCH_S || age_s >= last.since_s(self.onset) * WATCH_GROWTH,
        };
        if due {
            self.diagnosed = Some(second);
        }
        due
    }

    pub(crate) fn note_moved(&mut self, watched: Watched, since: Timestamp) {
        if !self.moved.iter().any(|(w, _)| *w == watched) {
            self.moved.push((watched, since));
        }
    }
}

/// An episode that is over, or the input as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concluded {
    pub findings: Findings,
    pub diagnosis: Diagnosis,
    pub named: Option<Timestamp>,
    pub during: Window,
}

impl Concluded {
    /// How much an operator wants to hear of it: class first, then confidence.
    pub(crate) fn weight(&self) -> f64 {
        let class = match self.diagnosis.verdict.class {
            Class::Attack => 5.0,
            Class::Abuse => 4.0,
            Class::Fault => 3.0,
            Class::Demand => 2.0,
            Class::Undecided => 1.0,
            Class::Normal => 0.0,
        };
        class + self.diagnosis.verdict.confidence
    }

    /// Whether it has a name that is not "normal".
    pub(crate) fn is_named(&self) -> bool {
        !matches!(self.diagnosis.verdict.class, Class::Normal | Class::Undecided)
    }
}
