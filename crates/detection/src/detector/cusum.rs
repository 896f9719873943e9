//! A change detector for one series.
//!
//! Computes: the cumulative sum of standardised surprises (Page 1954), up and down, on a scale on
//! which ordinary noise has constant spread: square root for counts (Anscombe 1948), logarithm
//! for times. A CUSUM, and not a threshold, because it dates the onset (the last moment at which
//! the sum was zero) and sees slow ramps; and not a likelihood test over windows, because it costs
//! one addition a second.
//!
//! Advanced by one value a second. Mean and spread are learnt as it goes, only while nothing is
//! wrong, and some values late, so that an attack is not learnt as normal before it is called.
//! Cold start: the first [`WARM_UP`] values only teach, but of a series that is silent in calm times
//! ([`Cusum::silent`]). Evaded by a rise slower than the mean
//! follows (doubling in several hours). Innocent look-alikes: a page with a hundred assets on a
//! site with one visitor a minute, a scheduled job; an alarm is therefore only a reason to
//! diagnose, never a verdict.

use seawall_model::Timestamp;
use seawall_model::math;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Values that only teach; of sums, fewer.
const WARM_UP: u32 = 8;
const WARM_UP_SUMS: u32 = 5;
/// Up to this many values the mean is the plain mean; afterwards it forgets.
const MEMORY: u32 = 300;
/// Drift allowed per value, in spreads.
const SLACK: f64 = 1.5;
/// No single value counts for more, in spreads.
const LARGEST_STEP: f64 = 12.0;
/// Sum at which a change is called.
const THRESHOLD: f64 = 10.0;
/// The same for sums, which come more rarely.
const THRESHOLD_SUMS: f64 = 5.0;
/// Sum from which on values are not learnt.
const LEARNING: f64 = 5.0;
const LEARNING_SUMS: f64 = 2.0;
/// A value is learnt once so many have followed it: a rise that takes some seconds to be called would
/// meanwhile teach that such values are usual. Of sums, each is learnt at once, since they are few.
const HELD: usize = 4;
/// Values are learnt as if no further from the mean than this, in spreads.
const LEARNT: f64 = 4.0;
const LEARNT_SUMS: f64 = 2.0;
/// Back to normal below this many spreads from the mean.
const CALM: f64 = 3.0;

/// How values are transformed so that their noise has constant spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// Things per second.
    Count,
    /// Things per step of some seconds, of which fewer are needed to know what is usual.
    Sum,
    /// A positive quantity such as a time.
    Level,
}

/// Which way a series has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shift {
    None,
    Up,
    Down,
}

/// The detector of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cusum {
    scale: Scale,
    seen: u32,
    mean: f64,
    variance: f64,
    up: f64,
    down: f64,
    up_since: Option<Timestamp>,
    down_since: Option<Timestamp>,
    /// Values that are still to be learnt, oldest first.
    held: VecDeque<f64>,
}

impl Cusum {
    /// One value this far above the usual is called, whatever was before; in spreads.
    pub const LEAP: f64 = THRESHOLD + SLACK;

    #[must_use]
    pub fn new(scale: Scale) -> Self {
        Self {
            scale,
            seen: 0,
            mean: 0.0,
            variance: 0.0,
            up: 0.0,
            down: 0.0,
            up_since: None,
            down_since: None,
            held: VecDeque::new(),
        }
    }

    /// The detector of counts of what does not happen in calm times: nothing of it is usual from the
    /// start, so that what begins before anything was learnt is called all the same.
    #[must_use]
    pub fn silent() -> Self {
        let mut silent = Self::new(Scale::Count);
        silent.learn_silence(WARM_UP);
        silent
    }

    /// Takes the value of the second that starts at `time`. `learn` is false while something is
    /// known to be wrong.
    pub fn step(&mut self, time: Timestamp, value: f64, learn: bool) -> Shift {
        let y = self.transform(value);
        if self.seen < self.warm_up() {
            self.learn(y);
            return Shift::None;
        }
        let z = self.surprise(y);
        accumulate(&mut self.up, &mut self.up_since, z, time);
        accumulate(&mut self.down, &mut self.down_since, -z, time);
        // A value that is far off says little of what is usual, and a change that is building up
        // must not be learnt before it is called.
        if !learn {
            self.held.clear();
        } else if self.up.max(self.down) < self.learning() {
            self.hold(y);
        }
        if self.up > self.threshold() {
            Shift::Up
        } else if self.down > self.threshold() {
            Shift::Down
        } else {
            Shift::None
        }
    }

    /// Whether a second with at least this value would be called a rise.
    #[must_use]
    pub fn would_rise(&self, value: f64) -> bool {
        let z = self.surprise(self.transform(value));
        self.seen >= self.warm_up() && self.up + z.min(LARGEST_STEP) - SLACK > self.threshold()
    }

    /// How far a value is above the usual, in spreads; 0 while nothing is known of that.
    #[must_use]
    pub fn height(&self, value: f64) -> f64 {
        if self.seen < self.warm_up() { 0.0 } else { self.surprise(self.transform(value)) }
    }

    /// Teaches a value that was watched as a change and turned out to be none.
    pub fn adopt(&mut self, value: f64) {
        let y = self.transform(value);
        self.learn(y);
    }

    /// Teaches `count` equal values at once: what a silence of that many seconds teaches.
    pub fn learn_silence(&mut self, count: u32) {
        let y = self.transform(0.0);
        for _ in 0..count.min(MEMORY) {
            self.learn(y);
        }
        self.settle();
    }

    /// The first thing at all is seen now: a few seconds of silence between the start and then taught
    /// nothing, but that the service was not there yet.
    pub fn begin(&mut self) {
        if self.seen < self.warm_up() {
            self.relearn();
        }
    }

    /// When the present rise began.
    #[must_use]
    pub fn up_since(&self) -> Option<Timestamp> {
        self.up_since
    }

    /// When the present fall began.
    #[must_use]
    pub fn down_since(&self) -> Option<Timestamp> {
        self.down_since
    }

    /// Whether a value is what the series used to be.
    #[must_use]
    pub fn is_calm(&self, value: f64) -> bool {
        self.seen < self.warm_up() || self.surprise(self.transform(value)).abs() < CALM
    }

    /// Whether a value is above what the series used to be.
    #[must_use]
    pub fn is_high(&self, value: f64) -> bool {
        self.seen >= self.warm_up() && self.surprise(self.transform(value)) >= CALM
    }

    /// Forgets the sums, so that a change must build up anew.
    pub fn settle(&mut self) {
        (self.up, self.down, self.up_since, self.down_since) = (0.0, 0.0, None, None);
    }

    /// Forgets what is normal: what comes now is the new normal.
    pub fn relearn(&mut self) {
        *self = Self::new(self.scale);
    }

    fn warm_up(&self) -> u32 {
        match self.scale {
            Scale::Count | Scale::Level => WARM_UP,
            Scale::Sum => WARM_UP_SUMS,
        }
    }

    fn threshold(&self) -> f64 {
        match self.scale {
            Scale::Count | Scale::Level => THRESHOLD,
            Scale::Sum => THRESHOLD_SUMS,
        }
    }

    fn learning(&self) -> f64 {
        match self.scale {
            Scale::Count | Scale::Level => LEARNING,
            Scale::Sum => LEARNING_SUMS,
        }
    }

    /// How far from the mean a value is learnt at most. Sums are few: one that is far off would
    /// teach a spread in which the next ones are nothing special.
    fn reach(&self) -> f64 {
        match self.scale {
            Scale::Count | Scale::Level => LEARNT * self.spread(),
            Scale::Sum => LEARNT_SUMS * math::sqrt(self.variance).max(1.0),
        }
    }

    fn transform(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Count | Scale::Sum => 2.0 * math::sqrt(value.max(0.0) + 0.375),
            Scale::Level => math::ln(value.max(1.0)),
        }
    }

    fn surprise(&self, y: f64) -> f64 {
        (y - self.mean) / self.spread()
    }

    /// How far values usually lie from the mean.
    fn spread(&self) -> f64 {
        let floor = match self.scale {
            Scale::Count | Scale::Sum => (0.12 * self.mean).max(1.0),
            Scale::Level => 0.25,
        };
        // What few values say of the spread is little.
        let doubt = match self.scale {
            Scale::Count | Scale::Level => 6.0,
            Scale::Sum => 3.0,
        };
        math::sqrt(self.variance).max(floor) * (1.0 + doubt / f64::from(self.seen.max(1)))
    }

    /// Puts a value in line to be learnt.
    fn hold(&mut self, y: f64) {
        self.held.push_back(y);
        let line = if self.scale == Scale::Sum { 0 } else { HELD };
        if self.held.len() > line
            && let Some(oldest) = self.held.pop_front()
        {
            let reach = self.reach();
            self.learn(oldest.clamp(self.mean - reach, self.mean + reach));
        }
    }

    fn learn(&mut self, y: f64) {
        self.seen = (self.seen + 1).min(MEMORY);
        let weight = 1.0 / f64::from(self.seen);
        let delta = y - self.mean;
        self.mean += weight * delta;
        self.variance = (1.0 - weight) * (self.variance + weight * delta * delta);
    }
}

fn accumulate(sum: &mut f64, since: &mut Option<Timestamp>, z: f64, time: Timestamp) {
    *sum += z.min(LARGEST_STEP) - SLACK;
    if *sum <= 0.0 {
        *sum = 0.0;
        *since = None;
    } else {
        since.get_or_insert(time);
        *sum = sum.min(4.0 * THRESHOLD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    /// A value around `mean` that repeats with a period of 7.
    fn noisy(second: i64, mean: f64) -> f64 {
        mean + mean * 0.1 * ((second * 3 % 7) as f64 - 3.0) / 3.0
    }

    #[test]
    fn a_step_is_dated_to_its_second() {
        let mut cusum = Cusum::new(Scale::Count);
        for s in 0..100 {
            assert_eq!(cusum.step(at(s), noisy(s, 50.0), true), Shift::None, "{s}");
        }
        let mut called = None;
        for s in 100..110 {
            if cusum.step(at(s), noisy(s, 200.0), true) == Shift::Up {
                called = Some(s);
                break;
            }
        }
        assert!(called.is_some_and(|s| s <= 102), "{called:?}");
        assert_eq!(cusum.up_since(), Some(at(100)));
    }

    /// Broke: a crowd that came within seconds to a site with a short past taught the detector that
    /// such seconds are usual, faster than its surprises added up.
    #[test]
    fn a_crowd_after_a_short_and_uneven_past_is_called() {
        let past = [18, 21, 6, 9, 21, 33, 21, 42, 54, 51, 42, 51, 45, 36, 39, 30, 57, 36, 27, 42];
        let crowd = [93, 150, 144, 165, 149, 163];
        let mut cusum = Cusum::new(Scale::Count);
        for (s, value) in (0..).zip(past) {
            assert_eq!(cusum.step(at(s), f64::from(value), true), Shift::None, "{s}");
        }
        let called = (20..).zip(crowd).find(|(s, v)| cusum.step(at(*s), f64::from(*v), true) == Shift::Up);
        assert!(called.is_some(), "not within {} s", crowd.len());
    }

    /// Broke: two seconds before the first visitor were taken for a spread, in which three times as much as ever
    /// was nothing special for the first minute.
    #[test]
    fn silence_before_the_first_visitor_is_no_spread() {
        let after = |silent_s: i64, visited_s: i64| {
            let mut cusum = Cusum::new(Scale::Count);
            (0..silent_s).for_each(|s| _ = cusum.step(at(s), 0.0, true));
            cusum.begin();
            (0..visited_s).for_each(|s| _ = cusum.step(at(silent_s + s), noisy(s, 12.0), true));
            cusum
        };
        assert_eq!(after(2, 13).height(80.0), after(0, 13).height(80.0));
        assert!(
            after(20, 0).would_rise(80.0) && !after(2, 0).would_rise(80.0),
            "silence that lasts is known"
        );
    }

    /// Broke: silent connections and HTTP/2 abuse that began six seconds after the guard did were
    /// learnt as usual, and never called.
    #[test]
    fn what_never_happens_in_calm_times_is_called_from_the_first_second() {
        let mut cusum = Cusum::silent();
        assert!(cusum.would_rise(120.0));
        let called = (0..4).any(|s| cusum.step(at(s), 40.0, true) == Shift::Up);
        assert!(called, "not within four seconds");
        let mut few = Cusum::silent();
        assert!((0..60).all(|s| few.step(at(s), f64::from(s as u32 % 3), true) == Shift::None));
    }

    #[test]
    fn a_daily_slope_is_followed() {
        let mut cusum = Cusum::new(Scale::Count);
        for s in 0..20_000 {
            let mean = 20.0 + 60.0 * s as f64 / 20_000.0;
            assert_eq!(cusum.step(at(s), noisy(s, mean), true), Shift::None, "{s}");
        }
    }

    #[test]
    fn a_fall_to_nothing_is_called() {
        let mut cusum = Cusum::new(Scale::Count);
        for s in 0..60 {
            cusum.step(at(s), noisy(s, 80.0), true);
        }
        let fell = (60..66).any(|s| cusum.step(at(s), 0.0, true) == Shift::Down);
        assert!(fell);
    }
}
