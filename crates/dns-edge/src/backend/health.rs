//! Whether a back end is up, shared by all threads. Threads take a server out when it falls
//! silent; only the health check brings it back, with a share that grows over some seconds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long a server that came back takes to reach its full share.
pub const RETURN_MS: u64 = 10_000;
/// Its share at first.
const FIRST_SHARE: f32 = 0.1;
/// Good checks in a row that bring a server back.
const GOOD_CHECKS: u32 = 2;

#[derive(Debug)]
pub struct Health {
    /// 0: down; else one more than the millisecond since when it is up.
    up_since: AtomicU64,
    /// It has answered, and not as it should.
    is_wrong: AtomicBool,
}

impl Default for Health {
    /// Up for long.
    fn default() -> Self {
        Self { up_since: AtomicU64::new(1), is_wrong: AtomicBool::new(false) }
    }
}

impl Health {
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up_since.load(Ordering::Relaxed) != 0
    }

    /// The part of its weight that a server gets, 0 to 1. A server that is up from the start has
    /// all of it.
    #[must_use]
    pub fn share(&self, now_ms: u64) -> f32 {
        match self.up_since.load(Ordering::Relaxed) {
            0 => 0.0,
            1 => 1.0,
            since => {
                let age_ms = now_ms.saturating_sub(since - 1).min(RETURN_MS);
                FIRST_SHARE + (1.0 - FIRST_SHARE) * age_ms as f32 / RETURN_MS as f32
            }
        }
    }

    /// Takes the server out; true if it was in.
    pub fn eject(&self) -> bool {
        self.up_since.swap(0, Ordering::Relaxed) != 0
    }

    /// Notes that what it says is not as it should be.
    pub fn distrust(&self) {
        self.is_wrong.store(true, Ordering::Relaxed);
    }

    /// Whether what it says, if it says something, is as good as what others say.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        !self.is_wrong.load(Ordering::Relaxed)
    }

    fn restore(&self, now_ms: u64) {
        let _ = self.up_since.compare_exchange(0, now_ms.max(1) + 1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// What the checks of one server have said lately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checks {
    good: u32,
    bad: u32,
}

/// What a check changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Same,
    Up,
    Down,
}

impl Checks {
    /// Notes a check. Two bad ones in a row take a server out, two good ones bring it back.
    pub fn note(&mut self, is_good: bool, health: &Health, now_ms: u64) -> Turn {
        (self.good, self.bad) = if is_good { (self.good + 1, 0) } else { (0, self.bad + 1) };
        if self.good >= GOOD_CHECKS {
            health.is_wrong.store(false, Ordering::Relaxed);
        }
        if self.good >= GOOD_CHECKS && !health.is_up() {
            health.restore(now_ms);
            return Turn::Up;
        }
        if self.bad >= GOOD_CHECKS && health.eject() {
            return Turn::Down;
        }
        Turn::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_goes_out_at_once_and_comes_back_slowly() {
        let (health, mut checks) = (Health::default(), Checks::default());
        assert_eq!(health.share(5), 1.0);
        assert!(health.eject() && !health.eject());
        assert_eq!((health.is_up(), health.share(5)), (false, 0.0));
        assert_eq!(checks.note(true, &health, 1_000), Turn::Same);
        assert_eq!(checks.note(true, &health, 2_000), Turn::Up);
        assert!((health.share(2_000) - 0.1).abs() < 0.01);
        assert!((health.share(7_000) - 0.55).abs() < 0.01);
        assert_eq!(health.share(60_000), 1.0);
        assert_eq!(checks.note(false, &health, 61_000), Turn::Same);
        assert_eq!(checks.note(false, &health, 62_000), Turn::Down);
    }
}
