//! The subject of an exercise: whatever watches traffic and names its trouble. The detector comes
//! in through this trait, so that this crate shares nothing with it.

use seawall_model::Timestamp;
use seawall_model::change::Change;
use seawall_model::diagnosis::Verdict;
use seawall_model::observation::Observation;
use seawall_model::signature::Signature;

/// Something that watches an episode.
pub trait Subject {
    /// One observation. `priority` is a hash of its position, for sampling; it is no hint.
    fn observe(&mut self, observation: &Observation<'_>, priority: u64);

    /// Time has passed; called at every step of virtual time, also while nothing is seen.
    fn tick(&mut self, now: Timestamp);

    /// A change was recorded. Called before the first observation that is later.
    fn change(&mut self, change: &Change);

    /// What the trouble is called at this moment, if anything is the matter.
    fn verdict(&self) -> Option<Verdict>;

    /// The episode is over: the last word on all of it.
    fn finish(&mut self) -> Outcome;
}

/// A subject's last word.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub verdict: Option<Verdict>,
    /// Probability that the verdict's cause is right.
    pub confidence: f64,
    /// What picks out the unwanted traffic; together they are the proposed filter.
    pub signatures: Vec<Signature>,
    /// Share of normal traffic that the subject says the filter would hit.
    pub predicted_harm: Option<f64>,
}
