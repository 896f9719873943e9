//! Wall time on a thread: the runtime's monotonic clock, anchored once by the program. So that
//! tests can pause it, and a jump of the wall clock cannot move a deadline.

use seawall_model::Timestamp;
use tokio::time::Instant;

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
        let ns = |d: std::time::Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        match instant.checked_duration_since(self.anchor) {
            Some(after) => self.at.plus_ns(ns(after)),
            None => self.at.plus_ns(-ns(self.anchor - instant)),
        }
    }
}
