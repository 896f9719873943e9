//! Runs one episode against a subject, and measures what the subject's filter would have done.

use crate::episode::{Episode, Origin};
use crate::matching::{layer_of, matches, weight_of};
use crate::subject::{Outcome, Subject};
use seawall_model::change::Change;
use seawall_model::hash;
use seawall_model::signature::Layer;
use seawall_model::time::MILLISECOND_NS;
use seawall_model::{Cause, Class, Timestamp};
use serde::Serialize;

/// Virtual time between two ticks.
pub const TICK_NS: i64 = 500 * MILLISECOND_NS;

/// What the subject's filter does to the whole episode.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FilterScore {
    /// Share of the unwanted traffic that it matches; `None`: there was none of its kind.
    pub coverage: Option<f64>,
    /// Share of the normal traffic that it matches; `None`: there was none of its kind.
    pub harm: Option<f64>,
    /// What the subject said `harm` would be.
    pub predicted_harm: Option<f64>,
}

/// How one episode went.
#[derive(Clone, Debug, Serialize)]
pub struct EpisodeScore {
    pub family: &'static str,
    pub seed: u64,
    pub evaluation_only: bool,
    pub true_class: Class,
    pub true_cause: Cause,
    /// The last word; `undecided` where the subject had none.
    pub named_class: Class,
    pub named_cause: Cause,
    /// Whether the last word is one of the acceptable names.
    pub right: bool,
    /// Share of the true vectors that the last word has; `None`: there are none to find.
    pub vectors_found: Option<f64>,
    pub confidence: f64,
    /// Seconds from onset to the first tick with a right name; `None`: never.
    pub seconds_to_name: Option<f64>,
    /// Whether an attack was named before the onset, or at any time where there was none.
    pub false_alarm: bool,
    pub observations: u64,
    pub filter: Option<FilterScore>,
}

/// Plays an episode to a subject and scores what it says.
pub fn run(episode: &Episode, subject: &mut dyn Subject) -> EpisodeScore {
    let mut watch = Watch::new(episode, subject);
    let mut position = 0u64;
    episode.generate(&mut |observation, _| {
        watch.advance(observation.time());
        position += 1;
        watch.subject.observe(observation, hash::combine(episode.seed, position));
    });
    watch.advance(episode.stop.plus_ns(TICK_NS));
    let (named_after, false_alarm) = (watch.named_after, watch.false_alarm);
    let outcome = subject.finish();
    let filter = (!outcome.signatures.is_empty()).then(|| measure_filter(episode, &outcome));
    score(episode, &outcome, named_after, false_alarm, position, filter)
}

fn score(
    episode: &Episode,
    outcome: &Outcome,
    seconds_to_name: Option<f64>,
    false_alarm: bool,
    observations: u64,
    filter: Option<FilterScore>,
) -> EpisodeScore {
    let truth = &episode.truth;
    let (named_class, named_cause) =
        outcome.verdict.as_ref().map_or((Class::Undecided, Cause::Undecided), |v| (v.class, v.cause));
    let vectors_found = (!truth.vectors.is_empty()).then(|| {
        let found =
            |name: &&&str| outcome.verdict.as_ref().is_some_and(|v| v.vectors.iter().any(|w| w == **name));
        truth.vectors.iter().filter(found).count() as f64 / truth.vectors.len() as f64
    });
    EpisodeScore {
        family: episode.family,
        seed: episode.seed,
        evaluation_only: episode.evaluation_only,
        true_class: truth.class,
        true_cause: truth.cause,
        named_class,
        named_cause,
        right: truth.accepts(named_cause),
        vectors_found,
        confidence: outcome.confidence,
        seconds_to_name,
        false_alarm,
        observations,
        filter,
    }
}

/// Keeps virtual time: ticks and changes in their order, and what the subject says meanwhile.
struct Watch<'a> {
    episode: &'a Episode,
    subject: &'a mut dyn Subject,
    changes: std::slice::Iter<'a, Change>,
    next_change: Option<&'a Change>,
    next_tick: Timestamp,
    named_after: Option<f64>,
    false_alarm: bool,
}

impl<'a> Watch<'a> {
    fn new(episode: &'a Episode, subject: &'a mut dyn Subject) -> Self {
        let mut changes = episode.changes.iter();
        let next_change = changes.next();
        let next_tick = episode.start.floor_to(TICK_NS).plus_ns(TICK_NS);
        Self { episode, subject, changes, next_change, next_tick, named_after: None, false_alarm: false }
    }

    fn advance(&mut self, to: Timestamp) {
        while self.next_tick <= to {
            let now = self.next_tick;
            self.tell_changes(now);
            self.subject.tick(now);
            self.listen(now);
            self.next_tick = now.plus_ns(TICK_NS);
        }
        self.tell_changes(to);
    }

    fn tell_changes(&mut self, until: Timestamp) {
        while let Some(change) = self.next_change.filter(|c| c.time <= until) {
            self.subject.change(change);
            self.next_change = self.changes.next();
        }
    }

    fn listen(&mut self, now: Timestamp) {
        if self.named_after.is_some() && self.false_alarm {
            return;
        }
        let Some(verdict) = self.subject.verdict() else { return };
        let truth = &self.episode.truth;
        let is_hostile = matches!(truth.class, Class::Attack | Class::Abuse);
        if verdict.class == Class::Attack && (now < truth.onset || !is_hostile) {
            self.false_alarm = true;
        }
        if self.named_after.is_none() && now >= truth.onset && truth.accepts(verdict.cause) {
            self.named_after = Some(now.since_s(truth.onset));
        }
    }
}

/// Plays the episode again and holds the filter against every observation of its kind.
fn measure_filter(episode: &Episode, outcome: &Outcome) -> FilterScore {
    let layers: Vec<Layer> = outcome.signatures.iter().map(|s| s.layer).collect();
    // hits and totals by origin
    let mut counts = [[0u64; 2]; 2];
    episode.generate(&mut |observation, origin| {
        if !layer_of(observation).is_some_and(|l| layers.contains(&l)) {
            return;
        }
        let weight = weight_of(observation);
        let row = match origin {
            Origin::Unwanted => &mut counts[1],
            Origin::Normal => &mut counts[0],
            Origin::Caused => return,
        };
        row[1] += weight;
        if outcome.signatures.iter().any(|s| matches(s, observation)) {
            row[0] += weight;
        }
    });
    let share = |[hits, total]: [u64; 2]| (total > 0).then(|| hits as f64 / total as f64);
    FilterScore { coverage: share(counts[1]), harm: share(counts[0]), predicted_harm: outcome.predicted_harm }
}
