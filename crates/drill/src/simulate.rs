//! Many episodes, drawn by seed, over several threads; the result does not depend on how many.

use crate::episode::{Episode, Family};
use crate::families::catalogue;
use crate::rng::Rng;
use crate::run::{EpisodeScore, run};
use crate::score::{Summary, summarise};
use crate::subject::Subject;
use seawall_model::{Cause, Class};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub episodes: usize,
    pub seed: u64,
    /// At least one.
    pub threads: usize,
    pub families: Selection,
}

/// Which families episodes are drawn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    #[default]
    All,
    /// Those that may be tuned on.
    Open,
    EvaluationOnly,
}

impl Selection {
    fn holds(self, family: &Family) -> bool {
        match self {
            Self::All => true,
            Self::Open => !family.evaluation_only,
            Self::EvaluationOnly => family.evaluation_only,
        }
    }
}

/// How often each class is drawn, of a hundred.
const CLASS_WEIGHTS: [(Class, u64); 5] =
    [(Class::Attack, 45), (Class::Abuse, 10), (Class::Fault, 20), (Class::Demand, 15), (Class::Normal, 10)];

/// Runs the episodes of a seed, each against a subject of its own, and adds up the scores.
#[must_use]
pub fn simulate(options: Options, make_subject: impl Fn() -> Box<dyn Subject> + Sync) -> Summary {
    summarise(&scores(options, make_subject))
}

/// The scores of the episodes of a seed, in the order of their numbers.
#[must_use]
pub fn scores(options: Options, make_subject: impl Fn() -> Box<dyn Subject> + Sync) -> Vec<EpisodeScore> {
    let next = AtomicUsize::new(0);
    let scores: Mutex<Vec<(usize, EpisodeScore)>> = Mutex::new(Vec::with_capacity(options.episodes));
    let work = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= options.episodes {
                return;
            }
            let episode = draw(options.seed, i, options.families);
            let score = run(&episode, make_subject().as_mut());
            // a poisoned lock means that another subject panicked; its panic is passed on below
            if let Ok(mut scores) = scores.lock() {
                scores.push((i, score));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let mut scores = scores.into_inner().unwrap_or_default();
    scores.sort_by_key(|(i, _)| *i);
    scores.into_iter().map(|(_, s)| s).collect()
}

/// Episode number `index` of a seed: first a class by its weight, then evenly a cause of it, then
/// evenly a family of that.
#[must_use]
pub fn draw(seed: u64, index: usize, families: Selection) -> Episode {
    let mut rng = Rng::new(seed_of(seed, index));
    let family = draw_family(&mut rng, families);
    family.episode(rng.next())
}

fn seed_of(seed: u64, index: usize) -> u64 {
    seawall_model::hash::combine(seawall_model::hash::mix(seed), index as u64)
}

fn draw_family(rng: &mut Rng, selection: Selection) -> &'static Family {
    let selected: Vec<&'static Family> = catalogue().iter().filter(|f| selection.holds(f)).collect();
    let mut ticket = rng.below(CLASS_WEIGHTS.iter().map(|(_, weight)| weight).sum());
    let mut class = Class::Normal;
    for (candidate, weight) in CLASS_WEIGHTS {
        if ticket < weight {
            class = candidate;
            break;
        }
        ticket -= weight;
    }
    let mut causes: Vec<Cause> = selected.iter().map(|f| f.cause).filter(|c| c.class() == class).collect();
    causes.sort_unstable();
    causes.dedup();
    let cause = *rng.pick(&causes);
    let families: Vec<&'static Family> = selected.into_iter().filter(|f| f.cause == cause).collect();
    families[rng.index(families.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Outcome;
    use seawall_model::Timestamp;
    use seawall_model::change::Change;
    use seawall_model::diagnosis::Verdict;
    use seawall_model::observation::Observation;

    /// Calls more than so many observations in a second a flood.
    struct Threshold {
        second: i64,
        count: u64,
        tripped: Option<Timestamp>,
    }

    impl Subject for Threshold {
        fn observe(&mut self, observation: &Observation<'_>, _: u64) {
            let second = observation.time().seconds();
            if second != self.second {
                self.second = second;
                self.count = 0;
            }
            self.count += 1;
            if self.count > 120 && self.tripped.is_none() {
                self.tripped = Some(observation.time());
            }
        }

        fn tick(&mut self, _: Timestamp) {}

        fn change(&mut self, _: &Change) {}

        fn verdict(&self) -> Option<Verdict> {
            let cause = if self.tripped.is_some() { Cause::HttpFlood } else { Cause::Normal };
            Some(Verdict {
                class: cause.class(),
                cause,
                vectors: Vec::new(),
                confidence: 0.5,
                target: None,
                onset: self.tripped,
                end: None,
            })
        }

        fn finish(&mut self) -> Outcome {
            Outcome { verdict: self.verdict(), confidence: 0.5, signatures: Vec::new(), predicted_harm: None }
        }
    }

    fn threshold() -> Box<dyn Subject> {
        Box::new(Threshold { second: 0, count: 0, tripped: None })
    }

    #[test]
    fn threads_do_not_change_the_result() {
        let options = |threads| Options { episodes: 24, seed: 5, threads, families: Selection::All };
        let one = simulate(options(1), threshold);
        let two = simulate(options(2), threshold);
        assert_eq!(one, two);
        assert_eq!(one.all.episodes, 24);
        assert!(one.all.observations > 1_000);
    }

    #[test]
    fn classes_are_drawn_by_weight_and_causes_evenly() {
        let drawn: Vec<Episode> = (0..3_000).map(|i| draw(1, i, Selection::All)).collect();
        let share = |f: &dyn Fn(&Episode) -> bool| drawn.iter().filter(|e| f(e)).count() as f64 / 3_000.0;
        for (class, weight) in CLASS_WEIGHTS {
            let expected = weight as f64 / 100.0;
            assert!((share(&|e| e.truth.class == class) - expected).abs() < 0.03, "{class}");
        }
        let one_of_seventeen = 0.45 / 17.0;
        for cause in Cause::ALL.iter().filter(|c| c.class() == Class::Attack) {
            let found = share(&|e| e.truth.cause == *cause);
            assert!((found - one_of_seventeen).abs() < 0.015, "{cause} {found}");
        }
    }

    #[test]
    fn a_threshold_finds_loud_floods_and_knows_nothing_else() {
        let options = Options { episodes: 120, seed: 9, threads: 2, families: Selection::Open };
        let summary = simulate(options, threshold);
        assert_eq!(summary.evaluation_only.episodes, 0);
        assert!(summary.all.accuracy > 0.02 && summary.all.accuracy < 0.6, "{}", summary.all.accuracy);
        assert!(summary.all.macro_f1 < 0.5);
    }
}
