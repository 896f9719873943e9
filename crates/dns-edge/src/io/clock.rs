//! The one clock of the edge: monotonic, anchored once to the wall time that the program tells, so
//! that a jump of the wall clock cannot move a deadline.

use crate::core::Now;
use rustix::time::{ClockId, clock_gettime};
use seawall_model::Timestamp;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor_ns: i64,
    at: Timestamp,
}

impl Clock {
    /// A clock that says `at` now.
    #[must_use]
    pub fn anchored(at: Timestamp) -> Self {
        Self { anchor_ns: monotonic_ns(), at }
    }

    #[inline]
    #[must_use]
    pub fn now(&self) -> Now {
        let since_ns = monotonic_ns().saturating_sub(self.anchor_ns);
        Now { us: u64::try_from(since_ns / 1_000).unwrap_or(0), wall: self.at.plus_ns(since_ns) }
    }
}

fn monotonic_ns() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}
