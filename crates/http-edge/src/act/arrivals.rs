//! Whether more arrives than in calm times, for a site or a part of it.

use seawall_model::math;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Arrivals over calm ones from which they are more.
const DEMAND: f64 = 1.5;
/// By how many standard deviations beyond that, so that it is not chance: arrivals of one page come
/// together, and spread about twice as widely as a Poisson process of as many.
const NOT_CHANCE: f64 = 2.0 * 2.0;
/// Seconds over which arrivals are averaged, beside those of one window: many more than in calm times
/// show in a window, a few more over some of them.
const LATE_S: f64 = 1.0;
/// Calm windows over which what is usual moves.
const MEMORY: f64 = 256.0;

/// Arrivals of a window, of late, and in calm times.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    window: AtomicU32,
    /// Bits of `f64`s, per second; 0: not known.
    calm: AtomicU64,
    late: AtomicU64,
}

impl Arrivals {
    pub(super) fn add(&self) {
        self.window.fetch_add(1, Relaxed);
    }

    /// Per second, in calm times.
    pub(super) fn calm(&self) -> f64 {
        f64::from_bits(self.calm.load(Relaxed))
    }

    pub(super) fn set_calm(&self, per_s: f64) {
        self.calm.store(per_s.to_bits(), Relaxed);
    }

    /// A window of so many seconds is over, and was calm or not. Returns whether more arrived in it, or
    /// of late, than in calm times; where these are not known, whatever arrives is more.
    pub(super) fn close_window(&self, age_s: f64, is_lesson: bool) -> bool {
        let per_s = f64::from(self.window.swap(0, Relaxed)) / age_s;
        let before = f64::from_bits(self.late.load(Relaxed));
        let late = before + (per_s - before) * (age_s / LATE_S).min(1.0);
        self.late.store(late.to_bits(), Relaxed);
        if is_lesson {
            let old = self.calm();
            self.set_calm(if old == 0.0 { per_s } else { old + (per_s - old) / MEMORY });
        }
        let most = self.calm() * DEMAND;
        let is_more = |per_s: f64, over_s: f64| per_s > most + NOT_CHANCE * math::sqrt(most / over_s);
        // An average that forgets steadily is as good as one over twice the time.
        most == 0.0 || is_more(per_s, age_s) || is_more(late, 2.0 * LATE_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In how many of a hundred windows of a tenth of a second there is demand.
    fn demand(arrivals: &Arrivals, mut in_window: impl FnMut(u32) -> u32) -> u32 {
        (0..100)
            .map(|n| {
                (0..in_window(n)).for_each(|_| arrivals.add());
                u32::from(arrivals.close_window(0.1, false))
            })
            .sum()
    }

    #[test]
    fn more_is_told_from_chance() {
        let arrivals = Arrivals::default();
        assert!(arrivals.close_window(0.1, true), "nothing is known");
        arrivals.set_calm(60.0);
        // Two pages with their parts in the same tenth of a second, and then nobody for as long.
        assert_eq!(demand(&arrivals, |n| if n % 2 == 0 { 12 } else { 0 }), 0);
        assert_eq!(demand(&arrivals, |_| 30), 100, "five times as many");
        assert!(demand(&arrivals, |_| 13) > 90, "twice as many, for a while");
    }
}
