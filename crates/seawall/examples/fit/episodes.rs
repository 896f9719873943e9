//! Samples from simulated episodes of the families that may be tuned on.

use crate::sample::Sample;
use seawall::pipeline::subject::EngineSubject;
use seawall_drill::{Episode, Selection, Subject, TICK_NS, draw};
use seawall_model::finding::Findings;
use seawall_model::policy::Policy;
use seawall_model::{Cause, Timestamp, hash};

/// Seconds after the onset at which a disturbance is sampled.
const MOMENTS_S: [f64; 6] = [2.0, 3.5, 5.0, 8.0, 15.0, 30.0];
/// What the first seconds count beside the last word.
const EARLY_WEIGHT: f64 = 0.25;

/// Prints the samples of so many episodes; two threads.
pub fn collect(episodes: u64, seed: u64) {
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for i in (half..episodes).step_by(2) {
                    play(&draw(seed, i as usize, Selection::Open), i);
                }
            });
        }
    });
}

fn play(episode: &Episode, group: u64) {
    let mut subject = EngineSubject::new(Policy::default());
    let mut changes = episode.changes.iter().peekable();
    let mut next = episode.start.floor_to(TICK_NS).plus_ns(TICK_NS);
    let mut moments = Moments::default();
    let mut position = 0u64;
    episode.generate(&mut |observation, _| {
        while next <= observation.time() {
            subject.tick(next);
            moments.listen(episode, group, &subject, next);
            next = next.plus_ns(TICK_NS);
        }
        while let Some(change) = changes.next_if(|c| c.time <= observation.time()) {
            subject.change(change);
        }
        position += 1;
        subject.observe(observation, hash::combine(episode.seed, position));
    });
    if let Some(conclusion) = subject.conclude() {
        print(episode, group, 1.0, episode.truth.acceptable.clone(), conclusion.findings);
    }
}

/// Which moments have been sampled.
#[derive(Default)]
struct Moments {
    quiet: u32,
    after_onset: usize,
}

impl Moments {
    fn listen(&mut self, episode: &Episode, group: u64, subject: &EngineSubject, now: Timestamp) {
        let after_s = now.since_s(episode.truth.onset);
        let truth_is_normal = episode.truth.cause == Cause::Normal;
        if after_s < 0.0 || truth_is_normal {
            if self.quiet < 4
                && let Some(findings) = subject.findings()
            {
                self.quiet += 1;
                print(episode, group, EARLY_WEIGHT, vec![Cause::Normal], findings);
            }
            return;
        }
        let due = MOMENTS_S.get(self.after_onset).is_some_and(|m| after_s >= *m);
        if due && now <= episode.truth.end {
            self.after_onset += 1;
            if let Some(findings) = subject.findings() {
                print(episode, group, EARLY_WEIGHT, episode.truth.acceptable.clone(), findings);
            }
        }
    }
}

fn print(episode: &Episode, group: u64, weight: f64, right: Vec<Cause>, findings: Findings) {
    Sample { name: episode.family.to_owned(), group, weight, right, findings }.print();
}
