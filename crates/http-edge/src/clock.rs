//! Wall time on a thread: the runtime's monotonic clock, anchored once by the program. So that
//! tests can pause it, and a jump of the wall clock cannot move a deadline. Logs follow the jump.

use seawall_model::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// A wall clock that was read while the thread was held up for longer than this tells too little.
const READ_WITHIN: Duration = Duration::from_millis(5);
/// The wall clock is where it was expected if it is off by no more.
const AGREES_NS: i64 = 10_000_000;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Instant,
    at: Timestamp,
}

impl Clock {
    /// A clock that says `at` now.
    #[must_use]
    pub fn anchored(at: Timestamp) -> Self {
        Self { anchor: Instant::now(), at }
    }

    #[must_use]
    pub fn timestamp(&self, instant: Instant) -> Timestamp {
        let ns = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        match instant.checked_duration_since(self.anchor) {
            Some(after) => self.at.plus_ns(ns(after)),
            None => self.at.plus_ns(-ns(self.anchor - instant)),
        }
    }
}

/// What the wall clock shows, also after it was set: for logs, which people compare with others, and for
/// nothing that is waited for. The program reads it now and then, so that requests need not.
#[derive(Debug)]
pub struct WallClock {
    first: Clock,
    /// How far the wall clock has moved beside the monotonic one since the start.
    moved_ns: AtomicI64,
}

impl WallClock {
    /// One that shows `at` now.
    #[must_use]
    pub fn anchored(at: Timestamp) -> Self {
        Self { first: Clock::anchored(at), moved_ns: AtomicI64::new(0) }
    }

    /// Follows the wall clock, which `read` reads.
    pub fn follow(&self, read: impl FnOnce() -> Timestamp) {
        let before = Instant::now();
        let shown = read();
        if before.elapsed() > READ_WITHIN {
            return;
        }
        let moved_ns = shown.0.saturating_sub(self.first.timestamp(before).0);
        if moved_ns.abs_diff(self.moved_ns.load(Relaxed)) > AGREES_NS.unsigned_abs() {
            self.moved_ns.store(moved_ns, Relaxed);
        }
    }

    /// What the wall clock shows when `clock` says `time`.
    #[must_use]
    pub fn shown(&self, clock: &Clock, time: Timestamp) -> Timestamp {
        let apart_ns = self.first.timestamp(clock.anchor).0.saturating_sub(clock.at.0);
        time.plus_ns(apart_ns.saturating_add(self.moved_ns.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    /// Broke: after the wall clock was set, log lines told the old time until the next reload.
    #[test]
    fn logs_follow_a_clock_that_is_set_and_deadlines_do_not() {
        let (wall, clock) = (WallClock::anchored(START), Clock::anchored(START));
        let now = clock.timestamp(Instant::now());
        assert!(wall.shown(&clock, now).since_s(now).abs() < 1.0);
        for step_s in [3_600, -86_400, 0] {
            let set = now.plus_ns(step_s * 1_000_000_000);
            wall.follow(|| set);
            assert!(wall.shown(&clock, now).since_s(set).abs() < 1.0, "{step_s}");
        }
        let after = clock.timestamp(Instant::now());
        assert!((0.0..10.0).contains(&after.since_s(now)));
    }

    /// A generation that begins later, by a wall clock that has been set meanwhile, tells the same time.
    #[test]
    fn a_clock_that_is_anchored_after_the_step_tells_the_same() {
        let wall = WallClock::anchored(START);
        let set = START.plus_ns(3_600_000_000_000);
        wall.follow(|| set);
        let later = Clock::anchored(set);
        let shown = wall.shown(&later, later.timestamp(Instant::now()));
        assert!(shown.since_s(set).abs() < 1.0, "{shown}");
    }

    #[test]
    fn a_clock_that_took_long_to_read_is_not_believed() {
        let wall = WallClock::anchored(START);
        let clock = wall.first;
        wall.follow(|| {
            std::thread::sleep(2 * READ_WITHIN);
            START.plus_ns(3_600_000_000_000)
        });
        assert_eq!(wall.shown(&clock, START), START);
    }
}
