//! How many questions for unknown names may wait for a pool at once.
//!
//! Computes a window of questions in flight, as congestion control does (AIMD), and not a rate:
//! by Little's law a window bounds the rate by what the servers really answer, whatever that is,
//! and leaves the rest of them to names that are known to exist. It widens by one for each window
//! of answers while they come as fast as usual, and narrows where answers stay out, or where the
//! servers take three times as long as is usual for the pool.
//!
//! The usual time is learnt with a memory of thousands of answers, while less than half of the
//! window is taken, so that a recursive server whose answers always vary is at its usual. Cold
//! start: the widest window. Innocent look-alike: a slow back end; its window narrows, which is what
//! it needs.

/// Answers that are remembered for the present time and for the usual one.
const SHORT: f64 = 1.0 / 16.0;
const LONG: f64 = 1.0 / 4_096.0;
/// The present time may be so many times the usual, and this longer.
const SLOWER: f64 = 3.0;
const SLACK_US: f64 = 3_000.0;
/// Part of the window that is kept for sources that are proven.
const RESERVED: f64 = 0.25;

#[derive(Debug)]
pub struct Room {
    used: u32,
    window: f64,
    least: f64,
    most: f64,
    short_us: f64,
    long_us: f64,
    /// Answers until the window may narrow again.
    pause: u32,
}

impl Room {
    #[must_use]
    pub fn new(least: u64, most: u64) -> Self {
        let (least, most) = (least as f64, most.max(least) as f64);
        Self { used: 0, window: most, least, most, short_us: 0.0, long_us: 0.0, pause: 0 }
    }

    /// Is as wide as another one was, within its own limits; nothing is in it.
    pub fn inherit(&mut self, old: &Self) {
        self.window = old.window.clamp(self.least, self.most);
        (self.short_us, self.long_us) = (old.short_us, old.long_us);
    }

    /// Takes a place, if one is free. Each needs one [`Room::leave`].
    pub fn enter(&mut self, is_proven: bool) -> bool {
        let part = if is_proven { 1.0 } else { 1.0 - RESERVED };
        let is_free = f64::from(self.used) < (self.window * part).max(1.0);
        self.used += u32::from(is_free);
        is_free
    }

    /// Takes a place whether one is free or not.
    pub fn enter_beyond(&mut self) {
        self.used += 1;
    }

    /// Whether less than all who are not proven found room lately.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        f64::from(self.used) >= self.window * (1.0 - RESERVED)
    }

    /// Gives a place back.
    pub fn leave(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// A server of the pool has answered after so long, whatever was asked.
    pub fn answered(&mut self, took_us: u64) {
        let took = took_us as f64;
        if self.long_us == 0.0 {
            (self.short_us, self.long_us) = (took, took);
        }
        self.short_us += (took - self.short_us) * SHORT;
        self.pause = self.pause.saturating_sub(1);
        if self.short_us > SLOWER * self.long_us + SLACK_US {
            self.narrow(0.8);
        } else {
            // What a full window makes of the servers is not what is usual for them.
            if 2.0 * f64::from(self.used) < self.window {
                self.long_us += (took - self.long_us) * LONG;
            }
            self.window = (self.window + 1.0 / self.window).min(self.most);
        }
    }

    /// A question stayed without an answer.
    pub fn missed(&mut self) {
        self.narrow(0.5);
    }

    /// Narrows at most once for each window of answers: those that follow are of the past.
    fn narrow(&mut self, factor: f64) {
        if self.pause == 0 {
            self.window = (self.window * factor).max(self.least);
            self.pause = self.window as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers `per_s` in order; returns answers to `(unknown, known)` in ten
    /// seconds of floods and 500 known a second, and the longest time of a known one in us.
    fn flood(per_s: u64, unknown_per_s: u64) -> (u64, u64) {
        let mut room = Room::new(8, 256);
        for _ in 0..5_000 {
            room.answered(1_000);
        }
        let mut queue: std::collections::VecDeque<(u64, bool)> = std::collections::VecDeque::new();
        let (mut unknown, mut worst_us, mut busy_until) = (0, 0, 0_u64);
        for us in (0..10_000_000).step_by(10) {
            while let Some((asked, is_unknown)) = queue.front().copied()
                && us >= busy_until.max(asked) + 1_000_000 / per_s
            {
                queue.pop_front();
                busy_until = us;
                room.answered(us - asked + 1_000);
                if is_unknown {
                    room.leave();
                    unknown += 1;
                } else if us > 2_000_000 {
                    worst_us = worst_us.max(us - asked);
                }
            }
            if us % (1_000_000 / unknown_per_s) < 10 && room.enter(false) {
                queue.push_back((us, true));
            }
            if us % 2_000 == 0 {
                queue.push_back((us, false));
            }
        }
        (unknown / 10, worst_us)
    }

    #[test]
    fn a_flood_of_unknown_names_leaves_the_server_to_the_known() {
        let (unknown_per_s, worst_us) = flood(2_000, 20_000);
        assert!(worst_us < 25_000, "a known name waited {worst_us} us");
        assert!(unknown_per_s > 800, "{unknown_per_s} a second of 1,500 that the server had left");
    }

    #[test]
    fn a_few_unknown_names_all_find_room() {
        let (unknown_per_s, _) = flood(20_000, 1_000);
        assert!(unknown_per_s >= 999, "{unknown_per_s}");
    }

    #[test]
    fn silence_narrows_and_a_reserve_stays_for_the_proven() {
        let mut room = Room::new(8, 256);
        for _ in 0..2_000 {
            room.missed();
            room.answered(1_000);
        }
        let unproven = (0..100).filter(|_| room.enter(false)).count();
        let proven = (0..100).filter(|_| room.enter(true)).count();
        assert!((6..40).contains(&unproven) && proven >= 2, "{unproven} and {proven}");
        assert!(room.is_tight());
    }
}
