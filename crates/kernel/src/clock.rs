//! The two clocks: the wall's, in which plans expire, and the machine's own, in which the program
//! compares.

use rustix::time::{ClockId, clock_gettime};
use seawall_model::Timestamp;

/// One instant by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub wall: Timestamp,
    /// `CLOCK_MONOTONIC`, which `bpf_ktime_get_coarse_ns` follows.
    pub monotonic_ns: u64,
}

impl Moment {
    /// This instant.
    #[must_use]
    pub fn now() -> Self {
        let ns = |id| {
            let time = clock_gettime(id);
            time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
        };
        Self {
            wall: Timestamp(ns(ClockId::Realtime)),
            monotonic_ns: u64::try_from(ns(ClockId::Monotonic)).unwrap_or(0),
        }
    }

    /// When the machine's clock will show what the wall's shows at `time`.
    #[must_use]
    pub fn monotonic_at(self, time: Timestamp) -> u64 {
        self.monotonic_ns.saturating_add_signed(time.since_ns(self.wall))
    }
}
