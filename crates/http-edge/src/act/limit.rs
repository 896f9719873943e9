//! Rate limits: the generic cell rate algorithm (ITU-T I.371, "virtual scheduling") over one table
//! of fixed size that all threads share.
//!
//! What it keeps per key is one instant, the theoretical arrival time: when the key will have paid
//! for what it used. A key whose instant has passed is the same as a key never seen, so expired
//! slots are free to take without forgetting anything. Only where all slots of a bucket are in
//! debt does somebody's debt get lost: the smallest, so that the heaviest senders stay limited
//! however many light ones crowd the table.
//!
//! Threads add up to the limit exactly: a slot is one atomic word. Nothing is allocated after
//! start, and nothing waits: a word that others change four times in a row lets the request pass.
//! Two keys share a slot with a chance of 8 in 2^20; the seed is unknown to clients, so that
//! nobody can choose to share another's.

use seawall_model::{Timestamp, hash};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Length of one unit of the instants that slots keep.
const TICK_NS: i64 = 128;
/// Bits of a slot that hold the instant; the rest tell keys apart.
const INSTANT_BITS: u32 = 44;
const INSTANT_MASK: u64 = (1 << INSTANT_BITS) - 1;
/// Farthest that an instant may lie ahead: 39 hours. Whatever lies farther is left from before the
/// clock of 44 bits came round (26 days), and counts as passed.
const HORIZON_TICKS: u64 = 1 << 40;
/// How far the clocks that threads keep may differ: ten seconds.
const CLOCKS_APART_TICKS: u64 = 10_000_000_000 / TICK_NS as u64;
const SLOTS_PER_BUCKET: usize = 8;
/// Times that a slot changed by others is tried again.
const TRIES: usize = 4;

/// A rate and how far ahead of it a key may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Ticks that one request costs.
    interval: u64,
    /// Ticks that a key may be in debt.
    span: u64,
}

impl Rate {
    /// `per_s` requests per second, `burst` of them at once. `None` where a figure is not a
    /// positive number, or the rate is too low or too high to be kept (debts of more than
    /// 39 hours, a million requests a second).
    #[must_use]
    pub fn new(per_s: f64, burst: f64) -> Option<Self> {
        let is_usable = |x: f64| x.is_finite() && x > 0.0;
        if !is_usable(per_s) || !is_usable(burst) {
            return None;
        }
        let interval = (1e9 / TICK_NS as f64 / per_s).ceil();
        let span = interval * burst.max(1.0);
        (per_s <= 1e6 && span <= HORIZON_TICKS as f64)
            .then_some(Self { interval: interval as u64, span: span as u64 })
    }
}

/// What a limit says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conformance {
    Conforms,
    /// Conforms this much later, and has been charged.
    Late {
        wait_ns: u64,
    },
    /// Not charged; would conform after `wait_ns`.
    Exceeds {
        wait_ns: u64,
    },
}

#[derive(Debug)]
#[repr(align(64))]
struct Bucket([AtomicU64; SLOTS_PER_BUCKET]);

/// The debts of all keys of all limits.
#[derive(Debug)]
pub struct Limits {
    buckets: Box<[Bucket]>,
    seed: u64,
    forgotten: AtomicU64,
}

impl Limits {
    /// A table of `bytes`, rounded down to a power of two (64 at least). `seed` must be unknown to
    /// clients.
    #[must_use]
    pub fn new(bytes: usize, seed: u64) -> Self {
        let buckets = (bytes / size_of::<Bucket>()).max(1);
        let buckets = if buckets.is_power_of_two() { buckets } else { buckets.next_power_of_two() / 2 };
        let empty = || Bucket(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { buckets: (0..buckets).map(|_| empty()).collect(), seed, forgotten: AtomicU64::new(0) }
    }

    /// Charges one request of `key`; a request that is at most `patience_ns` early is charged and
    /// told to wait.
    pub fn charge(&self, key: u64, rate: Rate, now: Timestamp, patience_ns: u64) -> Conformance {
        let place = hash::combine(self.seed, key);
        let tag = (place >> INSTANT_BITS).max(1) << INSTANT_BITS;
        let bucket = &self.buckets[place as usize & (self.buckets.len() - 1)];
        let now = (now.0 / TICK_NS) as u64 & INSTANT_MASK;
        let patience = patience_ns / TICK_NS as u64;
        for _ in 0..TRIES {
            let (slot, found) = bucket.slot_for(tag, now);
            // Deeper in debt than one can be: left from the last round of the clock.
            let deepest = rate.span.max(rate.interval) + patience + CLOCKS_APART_TICKS;
            let is_own = found & !INSTANT_MASK == tag;
            let debt = if is_own { ahead(found, now) } else { 0 };
            let debt = if debt > deepest { 0 } else { debt };
            let after = debt + rate.interval;
            let early = after.saturating_sub(rate.span.max(rate.interval));
            if early > patience {
                return Conformance::Exceeds { wait_ns: early * TICK_NS as u64 };
            }
            let paid = tag | ((now + after) & INSTANT_MASK);
            if slot.compare_exchange_weak(found, paid, Relaxed, Relaxed).is_ok() {
                if !is_own && ahead(found, now) > 0 {
                    self.forgotten.fetch_add(1, Relaxed);
                }
                let wait_ns = early * TICK_NS as u64;
                return if early == 0 { Conformance::Conforms } else { Conformance::Late { wait_ns } };
            }
        }
        Conformance::Conforms
    }

    /// Debts lost to others because the table was full, since start.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }
}

impl Bucket {
    /// The key's slot, or else the one with the smallest debt, with what it holds.
    fn slot_for(&self, tag: u64, now: u64) -> (&AtomicU64, u64) {
        let mut best = (&self.0[0], self.0[0].load(Relaxed));
        if best.1 & !INSTANT_MASK == tag {
            return best;
        }
        for slot in &self.0[1..] {
            let found = slot.load(Relaxed);
            if found & !INSTANT_MASK == tag {
                return (slot, found);
            }
            if ahead(found, now) < ahead(best.1, now) {
                best = (slot, found);
            }
        }
        best
    }
}

/// Ticks until the slot's instant; 0 where it has passed.
fn ahead(slot: u64, now: u64) -> u64 {
    let ahead = slot.wrapping_sub(now) & INSTANT_MASK;
    if slot == 0 || ahead > HORIZON_TICKS { 0 } else { ahead }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::time::{MILLISECOND_NS, SECOND_NS};
    use std::collections::BTreeMap;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000).plus_ns(ms * MILLISECOND_NS)
    }

    fn passes(limits: &Limits, key: u64, rate: Rate, now: Timestamp) -> bool {
        limits.charge(key, rate, now, 0) == Conformance::Conforms
    }

    #[test]
    fn the_table_agrees_with_a_plain_model() {
        let rate = Rate::new(5.0, 3.0).unwrap();
        let limits = Limits::new(1 << 20, 42);
        let mut model: BTreeMap<u64, f64> = BTreeMap::new();
        let mut now = 0;
        let mut disagreements = 0;
        for n in 0..20_000_u64 {
            now += (hash::mix(n) % 12) as i64;
            let key = hash::mix(n ^ 77) % 40;
            // The model: a bucket of three tokens that fills by five a second.
            let paid_at = model.entry(key).or_insert(f64::MIN);
            let start = paid_at.max(now as f64 / 1_000.0);
            let expected = start + 0.2 - now as f64 / 1_000.0 <= 3.0 * 0.2 + 1e-9;
            if expected {
                *paid_at = start + 0.2;
            }
            if passes(&limits, key, rate, at(now)) != expected {
                disagreements += 1;
            }
        }
        // Rounding of an interval to ticks of 128 ns may move a decision that is due to the tick.
        assert!(disagreements <= 2, "{disagreements}");
    }

    #[test]
    fn threads_add_up_to_the_limit() {
        let limits = Limits::new(4_096, 1);
        let rate = Rate::new(100.0, 50.0).unwrap();
        let passed: usize = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..2_000).filter(|ms| passes(&limits, 9, rate, at(i64::from(*ms)))).count()
                    })
                })
                .collect();
            handles.into_iter().map(|h| h.join().unwrap()).sum()
        });
        // Threads run apart in time, so that the earlier ones use up what the later ones would
        // have: the sum is what one thread would have been given, give or take a lost race.
        assert!((240..=262).contains(&passed), "{passed}");
    }

    #[test]
    fn a_crowd_of_light_senders_does_not_free_a_heavy_one() {
        let limits = Limits::new(1 << 16, 5);
        let rate = Rate::new(1.0, 10.0).unwrap();
        let mut passed = 0;
        for ms in 0..20_000_i64 {
            passed += i32::from(passes(&limits, 1, rate, at(ms)));
            for light in 0..5 {
                let _ = limits.charge(1_000 + (ms as u64) * 5 + light, rate, at(ms), 0);
            }
        }
        // 10 at once and 1 a second for 20 s.
        assert!((28..=31).contains(&passed), "{passed}");
    }

    #[test]
    fn an_early_request_waits_within_patience() {
        let limits = Limits::new(4_096, 1);
        let rate = Rate::new(10.0, 1.0).unwrap();
        let patience = 150_000_000;
        assert_eq!(limits.charge(1, rate, at(0), patience), Conformance::Conforms);
        let Conformance::Late { wait_ns } = limits.charge(1, rate, at(0), patience) else { panic!() };
        assert!((99_000_000..=101_000_000).contains(&wait_ns), "{wait_ns}");
        assert!(matches!(limits.charge(1, rate, at(0), patience), Conformance::Exceeds { .. }));
    }

    #[test]
    fn debts_from_before_the_clock_came_round_are_passed() {
        let limits = Limits::new(64, 1);
        let rate = Rate::new(1.0, 1.0).unwrap();
        assert!(passes(&limits, 1, rate, at(0)));
        assert!(!passes(&limits, 1, rate, at(10)));
        for hours in [1, 24, 100, 300] {
            let later = at(0).plus_ns((INSTANT_MASK as i64 * TICK_NS) - hours * 3_600 * SECOND_NS);
            assert!(passes(&limits, 1, rate, later), "{hours} hours before the clock comes round");
        }
    }

    #[test]
    fn absurd_rates_are_refused() {
        for (per_s, burst) in [(0.0, 1.0), (f64::NAN, 1.0), (1.0, -1.0), (1e9, 1.0), (1e-9, 10.0)] {
            assert_eq!(Rate::new(per_s, burst), None, "{per_s} {burst}");
        }
        assert!(Rate::new(0.01, 5.0).is_some());
    }

    #[test]
    fn the_table_keeps_its_size() {
        let limits = Limits::new(100_000, 1);
        assert_eq!(limits.bytes(), 65_536);
        let rate = Rate::new(1.0, 2.0).unwrap();
        for key in 0..50_000 {
            let _ = limits.charge(key, rate, at(0), 0);
        }
        assert_eq!(limits.bytes(), 65_536);
        assert!(limits.forgotten() > 0);
    }
}
