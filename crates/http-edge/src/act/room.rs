//! The waiting room: a fair place in line for crowds, with nothing kept per client.
//!
//! A place is a number on a signed ticket. The line has a front; whoever shows a ticket at or
//! before it is admitted while the rate allows. Not everybody who took a place comes back for it:
//! where admissions are left unused, the front moves faster, so that the absent (and floods, which
//! never come back) hold up nobody. A ticket can be shown again: whoever does so faster than people
//! read is given what others leave.

use seawall_model::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Where a client stands in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its turn: it is admitted, and its admission is counted.
    Come,
    /// So many places are before it.
    Ahead(u64),
}

const TICK_NS: i64 = 100_000_000;
/// Parts of one admission.
const WHOLE: u64 = 1_000;
/// Most by which the front outruns the rate.
const FASTEST: u64 = 64;
/// Places that no line gives out in a millisecond, over its life.
const PLACES_PER_MS: u64 = 128;
/// Places are numbers of so many bits.
const PLACE_BITS: u32 = 48;

/// One line before one site.
#[derive(Debug)]
pub struct WaitingRoom {
    /// The number of its first place. Tickets outlive the program, so each line begins beyond all numbers
    /// that an earlier one has given.
    first: u64,
    /// The number that the next comer is given.
    next: AtomicU64,
    front: AtomicU64,
    /// Admissions that may be used, in thousandths.
    credit: AtomicU64,
    /// By how much the front outruns the rate.
    haste: AtomicU64,
    ticked: AtomicI64,
}

impl WaitingRoom {
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let began_ms = u64::try_from(now.0 / 1_000_000).unwrap_or(0);
        let first = (began_ms * PLACES_PER_MS) % (1 << PLACE_BITS) + 1;
        Self {
            first,
            next: AtomicU64::new(first),
            front: AtomicU64::new(first - 1),
            credit: AtomicU64::new(WHOLE),
            haste: AtomicU64::new(1),
            ticked: AtomicI64::new(now.0),
        }
    }

    /// The place of whoever shows a ticket with this number, else a new one, for its ticket. What was
    /// not given here is none: tickets are also for those who were put off without a line, and of a line
    /// before a restart nobody knows any more who is left in it.
    pub fn arrive(&self, shown: Option<u64>) -> u64 {
        let given = shown.filter(|number| (self.first..self.next.load(Relaxed)).contains(number));
        given.unwrap_or_else(|| self.next.fetch_add(1, Relaxed))
    }

    /// A client shows its ticket. `is_suspect`: it was let in too often, or takes pages as no person does.
    pub fn show(&self, number: u64, admitted_per_s: f64, is_suspect: bool, now: Timestamp) -> Place {
        self.tick(admitted_per_s, now);
        let front = self.front.load(Relaxed);
        if number > front {
            return Place::Ahead(number - front);
        }
        let left_to_others = if is_suspect { most_credit(admitted_per_s) / 2 } else { 0 };
        let take = |c: u64| c.checked_sub(WHOLE).filter(|left| *left >= left_to_others);
        let taken = self.credit.fetch_update(Relaxed, Relaxed, take);
        if taken.is_ok() { Place::Come } else { Place::Ahead(1) }
    }

    /// Places given and not yet reached.
    #[must_use]
    pub fn length(&self) -> u64 {
        (self.next.load(Relaxed) - 1).saturating_sub(self.front.load(Relaxed))
    }

    fn tick(&self, admitted_per_s: f64, now: Timestamp) {
        let ticked = self.ticked.load(Relaxed);
        let age_ns = (now.0 - ticked).min(1_000_000_000);
        if age_ns < TICK_NS || self.ticked.compare_exchange(ticked, now.0, Relaxed, Relaxed).is_err() {
            return;
        }
        let earned = (admitted_per_s.clamp(0.0, 1e6) * age_ns as f64 / 1e9 * WHOLE as f64) as u64;
        let most = most_credit(admitted_per_s);
        let unused = self.credit.load(Relaxed);
        let is_unused = unused * 2 >= most;
        let haste = self.haste.load(Relaxed);
        let haste = if is_unused { (haste * 2).min(FASTEST) } else { (haste / 2).max(1) };
        self.haste.store(haste, Relaxed);
        // Cannot fail: the closure always gives a value.
        let _ = self.credit.fetch_update(Relaxed, Relaxed, |c| Some((c + earned).min(most)));
        let step = (earned * haste).div_ceil(WHOLE);
        let last = self.next.load(Relaxed) - 1;
        let _ = self.front.fetch_update(Relaxed, Relaxed, |f| Some((f + step).min(last).max(f)));
    }
}

/// Admissions that may be left unused, in thousandths: those of a second, two at least.
fn most_credit(admitted_per_s: f64) -> u64 {
    ((admitted_per_s * WHOLE as f64) as u64).max(2 * WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn at(ms: i64) -> Timestamp {
        START.plus_ns(ms * 1_000_000)
    }

    /// `places` take a number at once; those that `comes` says show it each second. Returns the
    /// second in which each was admitted.
    fn admissions(places: u64, per_s: f64, seconds: i64, comes: impl Fn(u64) -> bool) -> Vec<(u64, i64)> {
        let room = WaitingRoom::new(START);
        let mut waiting: Vec<u64> = (0..places).map(|_| room.arrive(None)).filter(|n| comes(*n)).collect();
        let mut admitted = Vec::new();
        for tick in 0..seconds * 10 {
            let now = at(tick * 100);
            // Each tenth of the line asks in its own tenth of the second.
            waiting.retain(|n| {
                let is_due = n % 10 == tick as u64 % 10;
                let come = is_due && room.show(*n, per_s, false, now) == Place::Come;
                if come {
                    admitted.push((*n, tick / 10));
                }
                !come
            });
        }
        admitted
    }

    #[test]
    fn a_crowd_is_admitted_at_the_rate_and_in_order() {
        let admitted = admissions(1_000, 50.0, 30, |_| true);
        assert_eq!(admitted.len(), 1_000);
        for second in 3..15 {
            let count = admitted.iter().filter(|(_, s)| *s == second).count();
            assert!((25..=80).contains(&count), "{count} in second {second}");
        }
        let inversions = admitted.windows(2).filter(|w| w[0].0 > w[1].0 + 150).count();
        assert!(inversions < 20, "{inversions}");
    }

    #[test]
    fn those_who_never_come_back_hold_up_nobody() {
        let admitted = admissions(20_000, 50.0, 20, |n| n.is_multiple_of(100));
        let late = admitted.iter().map(|(_, s)| *s).max().unwrap();
        assert_eq!(admitted.len(), 200);
        assert!(late <= 14, "{late} s, and the rate alone would take 400");
    }

    /// Broke: a visitor who had been asked to come back, before there was a line, stood behind all who
    /// would ever come.
    #[test]
    fn a_ticket_that_is_no_place_here_is_given_one() {
        let room = WaitingRoom::new(START);
        let other = 0x9E37_79B9_7F4A_7C15;
        let first = room.arrive(None);
        assert_eq!([other, first + 2, 1].map(|shown| room.arrive(Some(shown)) - first), [1, 2, 3]);
        assert_eq!(room.arrive(Some(first)), first);
    }

    /// Broke: a ticket for a place in the line before a restart was one in the line after it, before all who
    /// had come meanwhile.
    #[test]
    fn a_ticket_from_before_a_restart_is_no_place_in_the_new_line() {
        let before = WaitingRoom::new(START);
        let old: Vec<u64> = (0..20_000).map(|_| before.arrive(None)).collect();
        let after = WaitingRoom::new(at(1_000));
        let new: Vec<u64> = (0..20_000).map(|_| after.arrive(None)).collect();
        assert!(old.iter().all(|number| !new.contains(number)));
        assert_eq!(after.arrive(Some(old[500])), new[19_999] + 1);
    }

    /// Broke: one client that showed one ticket a thousand times a second took every admission that there was.
    #[test]
    fn one_ticket_that_is_shown_again_and_again_takes_what_others_leave() {
        for per_s in [1.0, 5.0] {
            let room = WaitingRoom::new(START);
            let greedy = room.arrive(None);
            let mut people: Vec<u64> = (0..(8.0 * per_s) as u64).map(|_| room.arrive(None)).collect();
            for tick in 0..150 {
                let now = at(tick * 100);
                for _ in 0..50 {
                    let _ = room.show(greedy, per_s, true, now);
                }
                people.retain(|n| {
                    n % 10 != tick as u64 % 10 || room.show(*n, per_s, false, now) != Place::Come
                });
            }
            assert!(people.is_empty(), "{people:?} at {per_s} a second");
            let mut shown = (150..200).map(|tick| room.show(greedy, per_s, true, at(tick * 100)));
            assert!(shown.any(|place| place == Place::Come), "nobody else is there");
        }
    }

    #[test]
    fn a_place_ahead_is_told() {
        let room = WaitingRoom::new(START);
        let places: Vec<u64> = (0..10).map(|_| room.arrive(None)).collect();
        assert_eq!(room.show(places[6], 1.0, false, at(0)), Place::Ahead(7));
        assert_eq!(room.length(), 10);
    }
}
