//! Finds slots by hash: open addressing with linear probing, deletion by shifting back.
//!
//! The hash has a fixed seed, so that chosen keys may collide: probes end at a limit, and what
//! finds no place within it is not indexed.

const PROBE_LIMIT: usize = 64;

/// Slots by hash.
pub(super) struct Index {
    /// The lower half of the hash, and the slot plus one; 0: free.
    cells: Vec<u64>,
}

impl Index {
    /// An index that stays at most half full with `capacity` slots.
    pub(super) fn new(capacity: usize) -> Self {
        Self { cells: vec![0; (capacity.max(1) * 2).next_power_of_two()] }
    }

    /// The slot under `hash` that `is_it` accepts.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let tag = hash << 32;
        let mut at = self.home(tag);
        for _ in 0..PROBE_LIMIT {
            let cell = self.cells[at];
            if cell == 0 {
                return None;
            }
            if cell & TAG == tag {
                let slot = slot_of(cell);
                if is_it(slot) {
                    return Some(slot);
                }
            }
            at = self.after(at);
        }
        None
    }

    /// The cell that a search begins with, only to have it fetched.
    #[inline]
    pub(super) fn peek(&self, hash: u64) -> u64 {
        self.cells[self.home(hash << 32)] & 1
    }

    /// The slot that a search will most likely find: what lies elsewhere than at its home is rare.
    #[inline]
    pub(super) fn likely(&self, hash: u64) -> Option<usize> {
        let tag = hash << 32;
        let cell = self.cells[self.home(tag)];
        (cell != 0 && cell & TAG == tag).then(|| slot_of(cell))
    }

    /// Puts a slot under `hash`. `false` if there is no place for it.
    pub(super) fn insert(&mut self, hash: u64, slot: usize) -> bool {
        let tag = hash << 32;
        let mut at = self.home(tag);
        for _ in 0..PROBE_LIMIT {
            if self.cells[at] == 0 {
                self.cells[at] = tag | (slot as u64 + 1);
                return true;
            }
            at = self.after(at);
        }
        false
    }

    /// Takes a slot out again.
    pub(super) fn remove(&mut self, hash: u64, slot: usize) {
        let wanted = hash << 32 | (slot as u64 + 1);
        let mut hole = self.home(wanted);
        for _ in 0..PROBE_LIMIT {
            if self.cells[hole] == wanted {
                self.close(hole);
                return;
            }
            hole = self.after(hole);
        }
    }

    /// Moves later cells of the same run back into the hole.
    fn close(&mut self, mut hole: usize) {
        let mut at = self.after(hole);
        while self.cells[at] != 0 {
            let home = self.home(self.cells[at]);
            let mask = self.cells.len() - 1;
            let from_home = at.wrapping_sub(home) & mask;
            let from_hole = at.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                self.cells[hole] = self.cells[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.cells[hole] = 0;
    }

    #[inline]
    fn home(&self, tag: u64) -> usize {
        (tag >> 32) as usize & (self.cells.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }
}

const TAG: u64 = 0xFFFF_FFFF_0000_0000;

fn slot_of(cell: u64) -> usize {
    (cell as u32 - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn behaves_as_a_map_would_under_random_use() {
        let mut index = Index::new(256);
        let mut map: BTreeMap<usize, u64> = BTreeMap::new();
        let mut random = 1u64;
        for step in 0..100_000u64 {
            random = seawall_model::hash::mix(random + step);
            let slot = (random % 256) as usize;
            // Few different hashes, so that runs grow long and wrap around.
            let hash = (random >> 20) % 40 + 490;
            if let Some(hash) = map.remove(&slot) {
                index.remove(hash, slot);
            } else if map.len() < 50 {
                assert!(index.insert(hash, slot));
                map.insert(slot, hash);
            }
            for (&slot, &hash) in &map {
                assert_eq!(index.find(hash, |s| s == slot), Some(slot), "step {step}");
            }
            if !map.contains_key(&slot) {
                assert_eq!(index.find(hash, |s| s == slot), None);
            }
        }
    }
}
