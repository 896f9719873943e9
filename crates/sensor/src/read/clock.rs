//! Makes the time stamps of a capture's packets fit to drive a flow table.
//!
//! Captures hold single packets stamped hours or years away, clocks set back in the middle, and
//! packets of several queues slightly out of order. Strays are given the time of their neighbours;
//! after a clock was set back, time goes on from where it was.

use super::timeline::JUMP_NS;
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;

/// Of a capture of this many packets, so is one that is further than this and than the capture lasted.
const KNOWN_PACKETS: u64 = 100;
const PAUSE_NS: i64 = 60 * SECOND_NS;
/// The first packet is one if this lies before the second, and hardly anything between those that follow.
const FIRST_PAUSE_NS: i64 = 3_600 * SECOND_NS;
const FIRST_PAUSE_PARTS: i64 = 100;

/// The course of time through one capture.
pub(super) struct Clock {
    lag_ns: i64,
    now: Option<Timestamp>,
    first: Option<Timestamp>,
    packets: u64,
    /// Added to every stamp since the clock was set back.
    shift_ns: i64,
    /// Packets that were given the time of their neighbours.
    pub strays: u64,
    /// Places where the clock was set back.
    pub set_backs: u64,
    pub late: u64,
}

impl Clock {
    /// Packets that follow, by which a stamp is judged.
    pub(super) const LOOK_AHEAD: usize = 8;

    pub(super) fn new(lag_ns: i64) -> Self {
        Self { lag_ns, now: None, first: None, packets: 0, shift_ns: 0, strays: 0, set_backs: 0, late: 0 }
    }

    /// The time to take for a packet stamped `stamp`; `following` are the stamps after it.
    #[inline]
    pub(super) fn settle(
        &mut self,
        stamp: Timestamp,
        following: impl Iterator<Item = Timestamp> + Clone,
    ) -> Timestamp {
        let time = stamp.plus_ns(self.shift_ns);
        self.packets += 1;
        if let Some(now) = self.now {
            let ahead = time.since_ns(now);
            if (0..=self.lag_ns).contains(&ahead) {
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
        let Some(now) = self.now else {
            let first = after_a_lone_first(time, following.clone());
            self.strays += u64::from(first.is_some());
            self.now = Some(first.unwrap_or(time));
            self.first = self.now;
            return first.unwrap_or(time);
        };
        let count = following.clone().count();
        if time > now {
            let joined = following.filter(|other| other.since_ns(time) >= -self.lag_ns).count();
            if joined * 2 > count || (count == 0 && !self.is_far(time, now)) {
                self.now = Some(time);
                return time;
            }
            self.strays += 1;
            return now;
        }
        let oldest = now.plus_ns(-self.lag_ns);
        let joined = following.filter(|other| *other < oldest).count();
        if count > 0 && joined * 2 > count {
            self.shift_ns = self.shift_ns.saturating_add(now.since_ns(time));
            self.set_backs += 1;
            return now;
        }
        let is_stray = now.since_ns(time) > JUMP_NS;
        *(if is_stray { &mut self.strays } else { &mut self.late }) += 1;
        now
    }

    /// Whether the last packet of a capture is too far from those before to be of it.
    fn is_far(&self, time: Timestamp, now: Timestamp) -> bool {
        let (ahead, lasted) = (time.since_ns(now), self.first.map_or(0, |first| now.since_ns(first)));
        ahead > JUMP_NS || (self.packets > KNOWN_PACKETS && ahead > PAUSE_NS.max(lasted))
    }
}

/// The time of the second packet, where the first stands alone.
fn after_a_lone_first(
    time: Timestamp,
    mut following: impl Iterator<Item = Timestamp> + Clone,
) -> Option<Timestamp> {
    let all = following.clone();
    let next = following.next()?;
    let apart = next.since_ns(time).saturating_abs();
    let count = all.clone().count();
    let near = all.clone().filter(|other| other.since_ns(time).saturating_abs() <= JUMP_NS).count();
    let close = |other: Timestamp| other.since_ns(next).saturating_abs() <= apart / FIRST_PAUSE_PARTS;
    let alone = count == Clock::LOOK_AHEAD && apart > FIRST_PAUSE_NS && all.clone().all(close);
    (alone || (apart > JUMP_NS && near * 2 < count)).then_some(next)
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
        (settled, clock.strays + clock.set_backs, clock.late)
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

    #[test]
    fn one_corrupt_stamp_hours_away_does_not_make_a_capture_hours_long() {
        let steady: Vec<i64> = (0..400).map(|n| 1_000 + n / 10).collect();
        for (at, stamp) in [(0, 1_000 - 8 * 3_600), (200, 1_020 + 8 * 3_600), (399, 1_040 + 8 * 3_600)] {
            let mut stamps = steady.clone();
            stamps[at] = stamp;
            let (settled, strays, late) = settle_all(&stamps);
            assert_eq!((settled[0], settled[399] - settled[0], strays, late), (1_000, 39, 1, 0), "{at}");
        }
    }

    #[test]
    fn a_pause_of_minutes_is_believed_at_both_ends() {
        let rare: Vec<i64> = (0..12).map(|n| 1_000 + 300 * n).collect();
        assert_eq!(settle_all(&rare), (rare.clone(), 0, 0));
    }
}
