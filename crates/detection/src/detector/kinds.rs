//! A change detector for the time that each kind of request takes.
//!
//! Computes: for each kind its usual time and spread, on a logarithmic scale, and a cumulative sum
//! (Page 1954) of how far the present mean lies above [`LEAST_RISE`], in standard errors. One by
//! one, because the mean of all requests is that of the many fast ones: a database that takes ten
//! times longer hardly moves it.
//!
//! Advanced by the seconds in which a kind was asked for. A kind is learnt while nothing is wrong
//! and its sum is small. Cold start: the first [`WARM_UP`] requests of a kind only teach. Evaded by
//! a time that grows more slowly than the mean follows. Innocent look-alikes: a kind whose requests
//! differ by what they ask for; hence the spread is learnt too. An alarm is only a reason to
//! diagnose.

use crate::feature::http::{HttpWindow, KindTime, LOG_UNITS};
use seawall_model::Timestamp;
use seawall_model::math;
use serde::{Deserialize, Serialize};

/// Kinds that are watched, at most.
const KINDS: usize = 64;
/// Requests of a kind that only teach.
const WARM_UP: f64 = 20.0;
/// Up to this many requests the mean is the plain mean; afterwards it forgets.
const MEMORY: f64 = 2_000.0;
/// A smaller rise is no trouble: binary logarithm, so that this is a good half more.
const LEAST_RISE: f64 = 0.7;
/// No kind's spread is taken for less.
const LEAST_SPREAD: f64 = 0.4;
/// No second counts for more, in standard errors.
const LARGEST_STEP: f64 = 6.0;
/// Sum at which a change is called, and from which on it is not learnt.
const THRESHOLD: f64 = 11.0;
const LEARNING: f64 = 5.0;

/// The detector of all kinds of requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindTimes {
    /// By hash.
    kinds: Vec<(u64, Kind)>,
}

/// What is usual of one kind, and how far it has moved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kind {
    requests: f64,
    /// Means of the binary logarithm of the time, and of its square.
    mean: f64,
    square: f64,
    sum: f64,
    since: Option<Timestamp>,
}

impl KindTimes {
    /// Takes the second that starts at `time`; returns since when some kind takes longer than it
    /// used to. `learn` is false while something is known to be wrong.
    pub fn step(&mut self, time: Timestamp, second: &HttpWindow, learn: bool) -> Option<Timestamp> {
        let mut risen: Option<Timestamp> = None;
        for (hash, seen) in second.kinds.sorted().into_iter().filter(|(_, seen)| seen.timed > 0) {
            let Some(kind) = self.entry(*hash, learn) else { continue };
            if let Some(since) = kind.step(time, seen, learn) {
                risen = Some(risen.map_or(since, |r| r.min(since)));
            }
        }
        risen
    }

    /// Whether every kind that was asked for takes what it used to, by this second or by the last requests of
    /// each: most kinds are asked for once in a second, so that chance makes some kind slow in nearly all.
    #[must_use]
    pub fn is_calm(&self, second: &HttpWindow) -> bool {
        let is_calm = |kind: &Kind, seen: &KindTime| {
            kind.sum < LEARNING || kind.surprise(seen).is_none_or(|z| z <= 0.0)
        };
        second.kinds.sorted().iter().all(|(hash, seen)| {
            let at = self.kinds.binary_search_by_key(hash, |(h, _)| *h);
            at.map_or(true, |at| is_calm(&self.kinds[at].1, seen))
        })
    }

    /// Forgets the sums, so that a change must build up anew.
    pub fn settle(&mut self) {
        self.kinds.iter_mut().for_each(|(_, kind)| (kind.sum, kind.since) = (0.0, None));
    }

    /// Forgets what is usual.
    pub fn relearn(&mut self) {
        self.kinds.clear();
    }

    fn entry(&mut self, hash: u64, learn: bool) -> Option<&mut Kind> {
        match self.kinds.binary_search_by_key(&hash, |(h, _)| *h) {
            Ok(at) => Some(&mut self.kinds[at].1),
            Err(at) if learn && self.kinds.len() < KINDS => {
                self.kinds.insert(at, (hash, Kind::default()));
                Some(&mut self.kinds[at].1)
            }
            Err(_) => None,
        }
    }
}

impl Kind {
    fn step(&mut self, time: Timestamp, seen: &KindTime, learn: bool) -> Option<Timestamp> {
        if let Some(z) = self.surprise(seen) {
            self.sum += z.clamp(-LARGEST_STEP, LARGEST_STEP);
            if self.sum <= 0.0 {
                (self.sum, self.since) = (0.0, None);
            } else {
                self.since.get_or_insert(time);
                self.sum = self.sum.min(4.0 * THRESHOLD);
            }
        }
        if learn && self.sum < LEARNING {
            self.learn(seen);
        }
        if self.sum > THRESHOLD { self.since } else { None }
    }

    /// How far the mean of some requests lies above a small rise, in standard errors; `None` while
    /// too little is known.
    fn surprise(&self, seen: &KindTime) -> Option<f64> {
        let (count, mean) = (f64::from(seen.timed), mean(seen)?);
        let spread = math::sqrt((self.square - self.mean * self.mean).max(0.0)).max(LEAST_SPREAD);
        (self.requests >= WARM_UP).then(|| (mean - self.mean - LEAST_RISE) * math::sqrt(count) / spread)
    }

    fn learn(&mut self, seen: &KindTime) {
        let Some(mean) = mean(seen) else { return };
        let count = f64::from(seen.timed);
        let square = seen.squares as f64 / (LOG_UNITS * LOG_UNITS) / count;
        self.requests = (self.requests + count).min(MEMORY.max(count));
        let weight = (count / self.requests).min(1.0);
        self.mean += weight * (mean - self.mean);
        self.square += weight * (square - self.square);
    }
}

fn mean(seen: &KindTime) -> Option<f64> {
    (seen.timed > 0).then(|| seen.logs as f64 / LOG_UNITS / f64::from(seen.timed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use seawall_model::observation::{Observation, Request};

    /// A second of forty fast pages and some searches that take `search_us`.
    fn second(time: i64, search_us: u64) -> Window {
        let mut window = Window::default();
        for n in 0..42_u64 {
            let mut request = Request::new(Timestamp::from_seconds(time), [192, 0, 2, n as u8].into());
            let noise = 1 + (n * 7919 + time as u64 * 31) % 5;
            let fast = n < 40;
            request.path = if fast { b"/news/17-x" } else { b"/search" };
            request.duration_us = Some(noise * if fast { 4_000 } else { search_us });
            request.status = 200;
            window.observe(&Observation::Request(request), n);
        }
        window
    }

    fn risen(times: impl Fn(i64) -> u64) -> Option<(i64, Timestamp)> {
        let mut kinds = KindTimes::default();
        (0..90).find_map(|s| {
            let window = second(s, times(s));
            let http = window.http.as_deref()?;
            kinds.step(Timestamp::from_seconds(s), http, true).map(|since| (s, since))
        })
    }

    #[test]
    fn a_slow_kind_among_many_fast_ones_is_seen_within_seconds() {
        let slow = risen(|s| if s < 40 { 20_000 } else { 280_000 });
        assert!(slow.is_some_and(|(s, _)| s <= 44), "{slow:?}");
        let began = slow.map_or(0, |(_, since)| since.0 / seawall_model::time::SECOND_NS);
        assert!((38..=41).contains(&began), "{began}");
    }

    /// Broke: floods were told as going on for minutes, and a second one as part of the first.
    #[test]
    fn some_seconds_after_a_kind_was_slow_all_is_calm() {
        let mut kinds = KindTimes::default();
        let calm_at: Vec<i64> = (0..120)
            .filter(|s| {
                let window = second(
                    *s,
                    if (40..60).contains(s) { 280_000 } else { 12_000 + 11_000 * (*s as u64 % 3) },
                );
                window.http.as_deref().is_some_and(|http| {
                    let _ = kinds.step(Timestamp::from_seconds(*s), http, !(40..).contains(s));
                    kinds.is_calm(http)
                })
            })
            .collect();
        assert!(!calm_at.contains(&50), "it is slow");
        assert!((100..120).all(|s| calm_at.contains(&s)), "{calm_at:?}");
    }

    #[test]
    fn the_usual_spread_is_no_change() {
        assert_eq!(risen(|s| 20_000 + 6_000 * (s as u64 % 3)), None);
    }
}
