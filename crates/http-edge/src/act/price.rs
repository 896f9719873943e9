//! What a challenge costs: next to nothing until passes are bought in numbers.
//!
//! Most floods run no script at all, and whoever runs one passes: against those, a visitor's time
//! is spent for nothing. So the first challenge is a quick one, over before its visitor reads it.
//! Each doubling of the passes bought in a second doubles the work of the next challenge, so that
//! whoever wrote a program for it pays, and everybody does only while such a program is at work.
//! It comes down by half a second at a time.
//!
//! Passes are counted by what is bought, not by who asks: a solution that is sent again and again
//! counts once a second, so that nobody makes others work by repeating himself.

use seawall_model::{Timestamp, hash};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Leading zero bits of each puzzle in quiet times: 256 hashes in all, some milliseconds.
pub const QUICK: u8 = 5;
/// The same at most: a second on a telephone.
pub const DEAREST: u8 = 13;
/// Passes a second that cost no more than the quickest.
const FREE_PER_S: u32 = 16;
/// Words of bits by which passes of a second are told apart: as many as the dearest price needs.
const WORDS: usize = 128;

/// The price of a pass; shared by all threads, without a lock.
#[derive(Debug)]
pub struct Price {
    second: AtomicI64,
    sold: AtomicU32,
    /// Passes of the busiest second of late, halved for each since.
    busiest: AtomicU32,
    seen: [AtomicU64; WORDS],
}

impl Default for Price {
    fn default() -> Self {
        Self {
            second: AtomicI64::new(i64::MIN),
            sold: AtomicU32::new(0),
            busiest: AtomicU32::new(0),
            seen: [const { AtomicU64::new(0) }; WORDS],
        }
    }
}

impl Price {
    /// A pass was bought.
    pub fn sold(&self, pass: &[u8], now: Timestamp) {
        self.roll(now);
        let bit = hash::bytes(pass) as usize % (64 * WORDS);
        let mask = 1 << (bit % 64);
        if self.seen[bit / 64].fetch_or(mask, Relaxed) & mask == 0 {
            self.sold.fetch_add(1, Relaxed);
        }
    }

    /// Leading zero bits that each puzzle of a challenge asks for now.
    #[must_use]
    pub fn level(&self, now: Timestamp) -> u8 {
        self.roll(now);
        let passes = self.sold.load(Relaxed).max(self.busiest.load(Relaxed));
        let doublings = (passes / FREE_PER_S).checked_ilog2().unwrap_or(0);
        QUICK.saturating_add(doublings as u8).min(DEAREST)
    }

    /// Whoever first sees that a second is over begins the next.
    fn roll(&self, now: Timestamp) {
        let second = now.seconds();
        let before = self.second.load(Relaxed);
        if second <= before || self.second.compare_exchange(before, second, Relaxed, Relaxed).is_err() {
            return;
        }
        let since = u32::try_from(second.saturating_sub(before)).unwrap_or(u32::MAX).min(31);
        let sold = self.sold.swap(0, Relaxed) >> (since - 1);
        self.seen.iter().for_each(|word| word.store(0, Relaxed));
        let busiest = self.busiest.load(Relaxed) >> since;
        self.busiest.store(busiest.max(sold), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + s)
    }

    fn sell(price: &Price, passes: u32, s: i64) {
        (0..passes).for_each(|n| price.sold(&(u64::from(n) << 20 | s as u64).to_le_bytes(), at(s)));
    }

    #[test]
    fn visitors_of_a_common_day_pay_next_to_nothing() {
        let price = Price::default();
        for s in 0..100 {
            sell(&price, FREE_PER_S, s);
            assert_eq!(price.level(at(s)), QUICK);
        }
    }

    #[test]
    fn passes_bought_in_numbers_become_dear_at_once_and_cheap_again_in_seconds() {
        let price = Price::default();
        sell(&price, 64, 0);
        assert_eq!(price.level(at(0)), QUICK + 2);
        sell(&price, 20_000, 1);
        assert_eq!([1, 2, 3].map(|s| price.level(at(s))), [DEAREST, DEAREST, DEAREST - 1]);
        let quick = (3..).find(|s| price.level(at(*s)) == QUICK);
        assert_eq!(quick, Some(10));
    }

    #[test]
    fn one_solution_sent_often_makes_nobody_else_pay() {
        let price = Price::default();
        (0..10_000).for_each(|_| price.sold(b"the same", at(0)));
        assert_eq!(price.level(at(0)), QUICK);
    }

    #[test]
    fn a_clock_that_steps_back_changes_nothing() {
        let price = Price::default();
        sell(&price, 200, 10);
        let level = price.level(at(10));
        assert_eq!(price.level(at(3)), level);
    }
}
