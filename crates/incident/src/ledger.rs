//! The ledger of one disturbance: append-only entries with time, actor and event.

use seawall_model::Timestamp;
use seawall_model::cause::Cause;
use seawall_model::change::ChangeKind;
use seawall_model::diagnosis::Verdict;
use seawall_model::plan::Outcome;
use seawall_model::report::{TimelineEntry, TriageReport};
use serde::{Deserialize, Serialize};

/// By whose hand something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "actor", content = "name")]
pub enum Actor {
    Seawall,
    /// A person, by the name they go by.
    Person(String),
    /// Seen in the data; nobody known did it.
    Observed,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The disturbance began; the text says by what it shows, where that is known.
    Onset {
        text: String,
    },
    /// The program noticed it.
    Detected,
    /// Something was changed in the service.
    Changed {
        kind: ChangeKind,
        text: String,
    },
    /// The trouble got a name, or another name.
    Named {
        cause: Cause,
        vectors: Vec<String>,
        confidence: f64,
    },
    Peak {
        text: String,
    },
    /// A measure was enforced.
    Applied {
        measure: String,
        text: String,
    },
    /// What an enforcer read back of a measure.
    ReadBack(Outcome),
    /// A measure was taken back.
    Withdrawn {
        measure: String,
        reason: String,
    },
    Acknowledged,
    /// It began again, after so many seconds in which it had been calm.
    Resumed {
        calm_s: f64,
    },
    /// The disturbed traffic ended; text as for the onset.
    Ended {
        text: String,
    },
    /// Somebody declared it over, and why.
    Closed {
        reason: String,
    },
    /// Anything else that is worth a line.
    Note {
        text: String,
    },
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub time: Timestamp,
    #[serde(flatten)]
    pub actor: Actor,
    #[serde(flatten)]
    pub event: Event,
}

/// All lines, in the order in which they were written. Nothing is ever changed or removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    /// The ledger that a report of past data gives.
    #[must_use]
    pub fn from_report(report: &TriageReport) -> Self {
        let mut ledger = Self::default();
        for change in &report.changes {
            ledger.append(
                change.time,
                Actor::Observed,
                Event::Changed { kind: change.kind, text: change.text.clone() },
            );
        }
        for entry in &report.timeline {
            if let Some((actor, event)) = event_of(entry, &report.verdict) {
                ledger.append(entry.time, actor, event);
            }
        }
        ledger
    }

    /// Writes one line.
    pub fn append(&mut self, time: Timestamp, actor: Actor, event: Event) {
        self.entries.push(Entry { time, actor, event });
    }

    /// As written.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// By time; lines of the same instant in the order of writing.
    #[must_use]
    pub fn chronology(&self) -> Vec<&Entry> {
        let mut sorted: Vec<&Entry> = self.entries.iter().collect();
        sorted.sort_by_key(|e| e.time);
        sorted
    }

    /// The time of the first line that `is_it`.
    #[must_use]
    pub fn first(&self, is_it: impl Fn(&Entry) -> bool) -> Option<Timestamp> {
        self.chronology().into_iter().find(|e| is_it(e)).map(|e| e.time)
    }
}

/// Changes are taken from the report's list of changes, where they have their kind.
fn event_of(entry: &TimelineEntry, verdict: &Verdict) -> Option<(Actor, Event)> {
    let text = entry.text.clone();
    Some(match entry.kind.as_str() {
        "change" => return None,
        "onset" => (Actor::Observed, Event::Onset { text }),
        "end" => (Actor::Observed, Event::Ended { text }),
        "peak" => (Actor::Observed, Event::Peak { text }),
        "named" => {
            let (cause, confidence) = (verdict.cause, verdict.confidence);
            (Actor::Seawall, Event::Named { cause, vectors: verdict.vectors.clone(), confidence })
        }
        _ => (Actor::Observed, Event::Note { text }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_keeps_the_order_of_writing_and_tells_it_by_time() {
        let mut ledger = Ledger::default();
        let note = |text: &str| Event::Note { text: text.into() };
        ledger.append(Timestamp(5), Actor::Seawall, note("late"));
        ledger.append(Timestamp(3), Actor::Person("ada".into()), note("early"));
        ledger.append(Timestamp(5), Actor::Observed, note("last"));
        let texts = |entries: Vec<&Entry>| entries.iter().map(|e| e.time.0).collect::<Vec<_>>();
        assert_eq!(texts(ledger.entries().iter().collect()), [5, 3, 5]);
        assert_eq!(texts(ledger.chronology()), [3, 5, 5]);
        assert_eq!(ledger.chronology()[1].event, note("late"));
    }

    #[test]
    fn entries_survive_json() {
        let mut ledger = Ledger::default();
        ledger.append(Timestamp(1), Actor::Person("ada".into()), Event::Acknowledged);
        let outcome = Outcome { measure: "m1".to_owned(), requests: 7, packets: 0 };
        ledger.append(Timestamp(2), Actor::Seawall, Event::ReadBack(outcome));
        let json = serde_json::to_string(&ledger).expect("plain data");
        assert_eq!(serde_json::from_str::<Ledger>(&json).expect("its own output"), ledger);
    }
}
