//! Makes the time stamps of a capture's packets fit to drive a flow table.
//!
//! Captures hold single packets stamped years away, clocks set back in the middle, and packets
//! of several queues slightly out of order. Strays are given the time of their neighbours; after
//! a clock was set back, time goes on from where it was.

use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;

/// A packet further than this from its neighbours is doubted.
const JUMP_NS: i64 = 86_400 * SECOND_NS;

/// The course of time through one capture.
pub(super) struct Clock {
    lag_ns: i64,
    now: Option<Timestamp>,
    /// Added to every stamp since the clock was set back.
    shift_ns: i64,
    pub jumps: u64,
    pub late: u64,
}

impl Clock {
    /// Packets that follow, by which a stamp is judged.
    pub(super) const LOOK_AHEAD: usize = 8;

    pub(super) fn new(lag_ns: i64) -> Self {
        Self { lag_ns, now: None, shift_ns: 0, jumps: 0, late: 0 }
    }

    /// The time to take for a packet stamped `stamp`; `following` are the stamps after it.
    #[inline]
    pub(super) fn settle(
        &mut self,
        stamp: Timestamp,
        following: impl Iterator<Item = Timestamp> + Clone,
    ) -> Timestamp {
        let time = stamp.plus_ns(self.shift_ns);
        if let Some(now) = self.now {
            let ahead = time.since_ns(now);
            if (0..=JUMP_NS).contains(&ahead) {
                self.now = Some(time);
                return time;
            }
            if (-self.lag_ns..0).contains(&ahead) {
                return time;
            }
        }
        self.doubt(time, following)
    }

    #[cold]
    fn doubt(&mut self, time: Timestamp, following: impl Iterator<Item = Timestamp> + Clone) -> Timestamp {
        let following = following.take(Self::LOOK_AHEAD).map(|stamp| stamp.plus_ns(self.shift_ns));
        let count = following.clone().count();
        let Some(now) = self.now else {
            let near = |other: &Timestamp| other.since_ns(time).abs() <= JUMP_NS;
            let lone = following.clone().next().is_some_and(|next| !near(&next));
            let stray = lone && following.clone().filter(near).count() * 2 < count;
            let first = following.clone().next().filter(|_| stray).unwrap_or(time);
            self.jumps += u64::from(stray);
            self.now = Some(first);
            return first;
        };
        if time > now {
            let joined = following.filter(|other| other.since_ns(time) >= -JUMP_NS).count();
            if count > 0 && joined * 2 > count {
                self.now = Some(time);
                return time;
            }
            self.jumps += 1;
            return now;
        }
        let oldest = now.plus_ns(-self.lag_ns);
        let joined = following.filter(|other| *other < oldest).count();
        if count > 0 && joined * 2 > count {
            self.shift_ns = self.shift_ns.saturating_add(now.since_ns(time));
            self.jumps += 1;
            return now;
        }
        self.late += 1;
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle_all(seconds: &[i64]) -> (Vec<i64>, u64, u64) {
        let stamps: Vec<Timestamp> = seconds.iter().map(|&s| Timestamp::from_seconds(s)).collect();
        let mut clock = Clock::new(8 * SECOND_NS);
        let settled = (0..stamps.len())
            .map(|n| clock.settle(stamps[n], stamps[n + 1..].iter().copied()).seconds())
            .collect();
        (settled, clock.jumps, clock.late)
    }

    #[test]
    fn a_stray_takes_the_time_of_its_neighbours() {
        let (settled, jumps, late) = settle_all(&[100, 101, 9_000_000, 102, 103, 104]);
        assert_eq!(settled, [100, 101, 101, 102, 103, 104]);
        assert_eq!((jumps, late), (1, 0));
        let (settled, jumps, late) = settle_all(&[900, 901, 0, 902, 903, 904]);
        assert_eq!(settled, [900, 901, 901, 902, 903, 904]);
        assert_eq!((jumps, late), (0, 1));
        let (settled, jumps, _) = settle_all(&[0, 9_000_000, 9_000_001, 9_000_002]);
        assert_eq!(settled, [9_000_000, 9_000_000, 9_000_001, 9_000_002]);
        assert_eq!(jumps, 1);
    }

    #[test]
    fn a_pause_of_days_is_believed_and_a_clock_set_back_goes_on() {
        let (settled, jumps, _) = settle_all(&[100, 101, 900_000, 900_001, 900_002]);
        assert_eq!(settled, [100, 101, 900_000, 900_001, 900_002]);
        assert_eq!(jumps, 0);
        let (settled, jumps, late) = settle_all(&[1000, 1001, 100, 101, 102, 103]);
        assert_eq!(settled, [1000, 1001, 1001, 1002, 1003, 1004]);
        assert_eq!((jumps, late), (1, 0));
    }
}
