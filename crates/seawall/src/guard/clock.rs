//! The program's clock: the one place of `seawall guard` that reads it.
//!
//! Wall time that never runs backwards: when the system's clock is set back, ours goes on from where it was,
//! and is as far ahead until the next start. Seconds are told apart by it, so that a guard whose clock stood
//! still would see and end nothing for as long.

use seawall_model::Timestamp;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The system's clock was set back if ours is further ahead of it than this, in nanoseconds.
const SET_BACK_NS: i64 = 1_000_000_000;

static STEADY: Steady = Steady { offset_ns: AtomicI64::new(i64::MIN) };

/// The wall time now; the epoch where the clock is set before it.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp(STEADY.at(running_ns(), wall_ns()))
}

/// What the system's clock shows, also when it was set back: for lines that people compare with others'.
#[must_use]
pub fn wall() -> Timestamp {
    Timestamp(wall_ns())
}

/// Another program's clock stood there when this one took over: ours is not behind it.
pub fn go_on_from(then: Timestamp) {
    STEADY.at(running_ns(), then.0);
}

/// A moment to measure patience from.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the guard waits for other programs in real time")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Nanoseconds since the clock was read first.
fn running_ns() -> i64 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    nanoseconds(BEGUN.get_or_init(instant).elapsed())
}

#[allow(clippy::disallowed_methods, reason = "this is where the binary reads the clock")]
fn wall_ns() -> i64 {
    nanoseconds(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Wall time by a clock that only runs forward.
struct Steady {
    /// By how much wall time was ahead of running time, at most.
    offset_ns: AtomicI64,
}

impl Steady {
    fn at(&self, running_ns: i64, wall_ns: i64) -> i64 {
        let ahead_ns = wall_ns - running_ns;
        running_ns + self.offset_ns.fetch_max(ahead_ns, Ordering::Relaxed).max(ahead_ns)
    }
}

/// What the operator is told, once, when the system's clock was set back.
pub fn set_back() -> Option<String> {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    let wall_ns = wall_ns();
    judged(STEADY.at(running_ns(), wall_ns) - wall_ns, &IS_TOLD)
}

fn judged(ahead_ns: i64, is_told: &AtomicBool) -> Option<String> {
    let is_back = ahead_ns > SET_BACK_NS;
    let is_news = !is_told.swap(is_back, Ordering::Relaxed) && is_back;
    is_news.then(|| {
        let ahead_s = ahead_ns / 1_000_000_000;
        format!(
            "the system's clock was set back by {ahead_s} s: what the guard tells stays ahead of it until the next start"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    /// Broke: when the clock was set back by an hour, the guard saw nothing for an hour.
    #[test]
    fn a_clock_that_is_set_back_goes_on_and_one_that_is_set_forward_is_followed() {
        let clock = Steady { offset_ns: AtomicI64::new(i64::MIN) };
        assert_eq!(clock.at(0, 5_000 * S), 5_000 * S);
        assert_eq!(clock.at(S, 5_001 * S), 5_001 * S);
        assert_eq!(clock.at(2 * S, 1_402 * S), 5_002 * S);
        assert_eq!(clock.at(3 * S, 1_403 * S), 5_003 * S);
        assert_eq!(clock.at(4 * S, 9_004 * S), 9_004 * S);
    }

    #[test]
    fn a_clock_that_was_set_back_is_told_of_once() {
        let is_told = AtomicBool::new(false);
        assert_eq!(judged(S / 2, &is_told), None);
        let told = judged(3_600 * S, &is_told).expect("told");
        assert!(told.contains("set back by 3600 s"), "{told}");
        assert_eq!(judged(3_600 * S, &is_told), None);
        assert_eq!(judged(0, &is_told), None, "it has caught up");
        assert!(judged(20 * S, &is_told).is_some());
    }
}
