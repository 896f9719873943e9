//! A change detector for a share, such as that of failing requests.
//!
//! Computes: the cumulative log-likelihood ratio of a risen share against the usual one (Page
//! 1954; Wald's sequential test). It sees twenty failures among two hundred requests in twenty
//! seconds, which a count per second drowns in noise, and one failure among three is no alarm.
//!
//! Advanced by the trials and hits of each second. The usual share is learnt with a memory of
//! [`MEMORY_TRIALS`] trials, only while nothing is wrong. Cold start: the first
//! [`WARM_UP_TRIALS`] trials only teach. Evaded by a share that rises by less than half of
//! [`LEAST_RISE`]. Innocent look-alikes: one broken link on a popular page; a scanner on a small
//! site. An alarm is only a reason to diagnose.

use seawall_model::Timestamp;
use seawall_model::math;
use serde::{Deserialize, Serialize};

const WARM_UP_TRIALS: f64 = 15.0;
const MEMORY_TRIALS: f64 = 20_000.0;
/// A share is taken for at least this, so that the first hit is no proof.
const LEAST_SHARE: f64 = 0.01;
/// The risen share that is tested for lies this far above the usual one.
const LEAST_RISE: f64 = 0.12;
/// Log-likelihood at which a change is called.
const THRESHOLD: f64 = 9.0;
/// Calm again when the present share is closer to the usual than to the risen one.
const CALM: f64 = 0.5;
/// Hits within so many spreads of a binomial share are no sign of a change.
const NEAR: f64 = 3.0;

/// The detector of one share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShareCusum {
    trials: f64,
    hits: f64,
    sum: f64,
    since: Option<Timestamp>,
}

impl ShareCusum {
    /// Takes the trials and hits of the second that starts at `time`; true when the share has
    /// risen. `learn` is false while something is known to be wrong.
    pub fn step(&mut self, time: Timestamp, hits: f64, trials: f64, learn: bool) -> bool {
        if self.trials >= WARM_UP_TRIALS && trials > 0.0 {
            let (usual, risen) = self.hypotheses();
            self.sum +=
                hits * math::ln(risen / usual) + (trials - hits) * math::ln((1.0 - risen) / (1.0 - usual));
            if self.sum <= 0.0 {
                (self.sum, self.since) = (0.0, None);
            } else {
                self.since.get_or_insert(time);
                self.sum = self.sum.min(4.0 * THRESHOLD);
            }
        }
        // A share that has begun to rise is not learnt.
        if learn && self.sum < THRESHOLD / 2.0 {
            self.learn(hits, trials);
        }
        self.sum > THRESHOLD
    }

    /// When the present rise began.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Teaches a second that was watched as a change and turned out to be none.
    pub fn adopt(&mut self, hits: f64, trials: f64) {
        self.learn(hits, trials);
    }

    /// Whether a second looks like it used to.
    #[must_use]
    pub fn is_calm(&self, hits: f64, trials: f64) -> bool {
        let (usual, risen) = self.hypotheses();
        hits <= trials * (usual + CALM * (risen - usual))
    }

    /// Whether a second may be what it used to be: so few trials as a small site has in a second say
    /// little, and hits that chance alone would bring are no sign that something goes on.
    #[must_use]
    pub fn is_near(&self, hits: f64, trials: f64) -> bool {
        let (usual, _) = self.hypotheses();
        let spread = math::sqrt(trials * usual * (1.0 - usual));
        self.is_calm(hits, trials) || hits <= trials * usual + NEAR * spread
    }

    /// Forgets the sum, so that a change must build up anew.
    pub fn settle(&mut self) {
        (self.sum, self.since) = (0.0, None);
    }

    /// Forgets what is usual.
    pub fn relearn(&mut self) {
        *self = Self::default();
    }

    fn hypotheses(&self) -> (f64, f64) {
        let usual = (self.hits / self.trials.max(1.0)).clamp(LEAST_SHARE, 0.9);
        (usual, (usual + LEAST_RISE).max(1.5 * usual).min(0.97))
    }

    fn learn(&mut self, hits: f64, trials: f64) {
        self.trials += trials;
        self.hits += hits;
        if self.trials > MEMORY_TRIALS {
            let keep = MEMORY_TRIALS / self.trials;
            self.trials *= keep;
            self.hits *= keep;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called_after(share: f64, per_second: u32) -> Option<i64> {
        let mut cusum = ShareCusum::default();
        for s in 0..60 {
            assert!(!cusum.step(Timestamp::from_seconds(s), 0.0, f64::from(per_second), true));
        }
        (60..120).find(|&s| {
            let hits = (share * f64::from(per_second) * (s - 59) as f64) as u32
                - (share * f64::from(per_second) * (s - 60) as f64) as u32;
            cusum.step(Timestamp::from_seconds(s), f64::from(hits), f64::from(per_second), true)
        })
    }

    #[test]
    fn a_fifth_of_few_requests_failing_is_seen_within_seconds() {
        assert!(called_after(0.2, 5).is_some_and(|s| s < 75), "{:?}", called_after(0.2, 5));
        assert!(called_after(0.9, 10).is_some_and(|s| s <= 61));
    }

    #[test]
    fn what_chance_brings_in_a_small_second_is_near_and_a_flood_is_not() {
        let mut cusum = ShareCusum::default();
        for s in 0..60 {
            cusum.step(Timestamp::from_seconds(s), 2.0, 12.0, true);
        }
        assert!(!cusum.is_calm(4.0, 12.0) && cusum.is_near(4.0, 12.0));
        assert!(!cusum.is_near(8.0, 12.0) && !cusum.is_near(200.0, 800.0));
    }

    #[test]
    fn rare_failures_are_no_change() {
        assert_eq!(called_after(0.03, 10), None);
    }
}
