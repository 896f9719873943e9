//! Counting distinct things: exact up to 256, then HyperLogLog with 2,048 registers
//! (Flajolet et al. 2007; standard error 2.3 %). The state depends only on the set counted.

use serde::{Deserialize, Serialize};

/// Largest set that is kept exactly.
const EXACT_LIMIT: usize = 256;
/// Base-2 logarithm of the number of registers.
const REGISTER_BITS: u32 = 11;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// A distinct counter over 64-bit hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Distinct {
    /// The hashes themselves while they are few; a small open table, 0 = free.
    exact: Vec<u64>,
    exact_count: u32,
    /// Empty until the exact set is full.
    registers: Vec<u8>,
}

/// A counter as it is stored, before anything is known of it.
#[derive(Deserialize)]
struct Stored {
    exact: Vec<u64>,
    exact_count: u32,
    registers: Vec<u8>,
}

impl TryFrom<Stored> for Distinct {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { exact, exact_count, registers } = stored;
        let filled = exact.iter().filter(|&&hash| hash != 0).count();
        // A table that is more than half full, or of another size, would be searched for ever.
        let is_table = exact.is_empty() || (exact.len().is_power_of_two() && filled * 2 <= exact.len());
        let is_few = filled <= EXACT_LIMIT && filled == exact_count as usize;
        let is_spilled = exact.is_empty() && registers.len() == REGISTERS;
        if !(is_table && is_few && (registers.is_empty() || is_spilled)) {
            return Err("a distinct counter of another make");
        }
        Ok(Self { exact, exact_count, registers })
    }
}

impl Distinct {
    /// Counts a hash of the thing.
    #[inline]
    pub fn insert(&mut self, hash: u64) {
        if !self.registers.is_empty() {
            set_register(&mut self.registers, hash);
            return;
        }
        self.insert_exact(hash.max(1));
    }

    fn insert_exact(&mut self, hash: u64) {
        if (self.exact_count as usize + 1) * 2 > self.exact.len() {
            self.grow();
        }
        let mask = self.exact.len() - 1;
        let mut at = hash as usize & mask;
        while self.exact[at] != 0 {
            if self.exact[at] == hash {
                return;
            }
            at = (at + 1) & mask;
        }
        self.exact[at] = hash;
        self.exact_count += 1;
        if self.exact_count as usize > EXACT_LIMIT {
            self.spill();
        }
    }

    fn grow(&mut self) {
        let larger = (self.exact.len() * 2).max(16);
        let old = std::mem::replace(&mut self.exact, vec![0; larger]);
        let mask = larger - 1;
        for hash in old.into_iter().filter(|&h| h != 0) {
            let mut at = hash as usize & mask;
            while self.exact[at] != 0 {
                at = (at + 1) & mask;
            }
            self.exact[at] = hash;
        }
    }

    fn spill(&mut self) {
        self.registers = vec![0; REGISTERS];
        for hash in std::mem::take(&mut self.exact).into_iter().filter(|&h| h != 0) {
            set_register(&mut self.registers, hash);
        }
        self.exact_count = 0;
    }

    /// Adds everything that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        if other.registers.is_empty() {
            for &hash in other.exact.iter().filter(|&&h| h != 0) {
                self.insert(hash);
            }
            return;
        }
        if self.registers.is_empty() {
            self.spill();
        }
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// The number of distinct things, exact while small.
    #[must_use]
    pub fn count(&self) -> f64 {
        if self.registers.is_empty() { f64::from(self.exact_count) } else { estimate(&self.registers) }
    }
}

fn set_register(registers: &mut [u8], hash: u64) {
    let at = (hash >> (64 - REGISTER_BITS)) as usize;
    let rank = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() as u8 + 1;
    registers[at] = registers[at].max(rank);
}

fn estimate(registers: &[u8]) -> f64 {
    let m = REGISTERS as f64;
    let mut zeros = 0_u32;
    let mut sum = 0.0;
    for &register in registers {
        zeros += u32::from(register == 0);
        sum += 1.0 / (1_u64 << register.min(60)) as f64;
    }
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    if raw <= 2.5 * m && zeros > 0 { m * seawall_model::math::ln(m / f64::from(zeros)) } else { raw }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::hash;

    fn counted(range: std::ops::Range<u64>) -> Distinct {
        let mut d = Distinct::default();
        for n in range {
            d.insert(hash::mix(n));
            d.insert(hash::mix(n));
        }
        d
    }

    #[test]
    fn small_sets_are_exact_and_large_ones_within_five_percent() {
        for n in [0, 1, 100, 256] {
            assert_eq!(counted(0..n).count(), n as f64);
        }
        for n in [257_u64, 2_000, 6_000, 100_000, 1_000_000] {
            let error = (counted(0..n).count() / n as f64 - 1.0).abs();
            assert!(error < 0.05, "{n}: {error}");
        }
    }

    #[test]
    fn merging_in_any_grouping_gives_the_same_count() {
        let whole = counted(0..5_000);
        let (a, b, c) = (counted(0..100), counted(50..4_000), counted(3_999..5_000));
        let mut left = a.clone();
        left.merge(&b);
        left.merge(&c);
        let mut right = c;
        right.merge(&b);
        right.merge(&a);
        assert_eq!(left, right);
        assert_eq!(left.count(), whole.count());
    }
}
