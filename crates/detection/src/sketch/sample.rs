//! A uniform sample of what was counted: the entries with the smallest priorities. Priorities are
//! hashes of positions, so the sample does not depend on threads, and merging two samples gives
//! the sample of the union (bottom-k sampling; Cohen and Kaplan 2007).
//!
//! Entries are bytes in one buffer, so that taking one costs a copy and no allocation.

use serde::{Deserialize, Serialize};

/// Entries that a sample keeps.
pub const CAPACITY: usize = 1024;

/// Room for an entry that is seen to before it is written: most are shorter.
const ROOM_BYTES: usize = 512;
/// A sample below this grows fast.
const SMALL_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Entry {
    priority: u64,
    start: u32,
    length: u32,
}

/// A uniform sample of encoded records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Sample {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// Priorities from here on are not wanted any more; 0: everything is.
    limit: u64,
    seen: u64,
}

/// A sample as it is stored, before anything is known of it.
#[derive(Deserialize)]
struct Stored {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    limit: u64,
    seen: u64,
}

impl TryFrom<Stored> for Sample {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { entries, bytes, limit, seen } = stored;
        let is_inside = |e: &Entry| u64::from(e.start) + u64::from(e.length) <= bytes.len() as u64;
        if entries.len() > 2 * CAPACITY || !entries.iter().all(is_inside) {
            return Err("a sample with records outside its bytes");
        }
        Ok(Self { entries, bytes, limit, seen })
    }
}

impl Sample {
    /// Counts one thing; `encode` writes it only if it is taken.
    #[inline]
    pub fn offer(&mut self, priority: u64, encode: impl FnOnce(&mut Vec<u8>)) {
        self.seen += 1;
        if self.limit != 0 && priority >= self.limit {
            return;
        }
        let start = self.bytes.len();
        let capacity = self.bytes.capacity();
        if capacity - start < ROOM_BYTES {
            // Grow fourfold while small; otherwise copying costs as much as the sample itself.
            let more = if capacity < SMALL_BYTES { capacity * 3 } else { capacity };
            self.bytes.reserve(more.max(4 * ROOM_BYTES));
        }
        encode(&mut self.bytes);
        let length = (self.bytes.len() - start) as u32;
        self.entries.push(Entry { priority, start: start as u32, length });
        if self.entries.len() >= 2 * CAPACITY {
            self.shrink();
        }
    }

    /// Things counted, taken or not.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Number of entries that [`Self::iter`] yields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len().min(CAPACITY)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The sampled entries' bytes, by rising priority.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut order: Vec<&Entry> = self.entries.iter().collect();
        order.sort_unstable();
        order.truncate(CAPACITY);
        order.into_iter().map(|e| self.slice(e))
    }

    /// Adds the sample of other things.
    pub fn merge(&mut self, other: &Self) {
        self.seen += other.seen;
        if self.bytes.capacity() - self.bytes.len() < other.bytes.len() {
            self.bytes.reserve(other.bytes.len() * 2);
        }
        for entry in &other.entries {
            if self.limit != 0 && entry.priority >= self.limit {
                continue;
            }
            let start = self.bytes.len() as u32;
            self.bytes.extend_from_slice(other.slice(entry));
            self.entries.push(Entry { priority: entry.priority, start, length: entry.length });
        }
        if self.entries.len() >= 2 * CAPACITY {
            self.shrink();
        }
    }

    /// Drops what is beyond capacity and frees its bytes.
    pub fn shrink(&mut self) {
        if self.entries.len() > CAPACITY {
            self.entries.select_nth_unstable(CAPACITY);
            self.limit = self.entries[CAPACITY].priority;
            self.entries.truncate(CAPACITY);
        }
        let mut kept = Vec::with_capacity(self.entries.iter().map(|e| e.length as usize).sum());
        for entry in &mut self.entries {
            let start = kept.len() as u32;
            kept.extend_from_slice(&self.bytes[entry.start as usize..(entry.start + entry.length) as usize]);
            entry.start = start;
        }
        self.bytes = kept;
    }

    fn slice(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start as usize..(entry.start + entry.length) as usize]
    }
}

/// Samples are equal if they sample the same things; spare entries and layout do not count.
impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen && self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::hash;

    fn sampled(range: std::ops::Range<u64>) -> Sample {
        let mut sample = Sample::default();
        for n in range {
            sample.offer(hash::mix(n), |bytes| bytes.extend_from_slice(&n.to_le_bytes()));
        }
        sample
    }

    #[test]
    fn small_inputs_are_kept_whole() {
        assert_eq!(sampled(0..500).len(), 500);
        assert_eq!(sampled(0..500).seen(), 500);
    }

    #[test]
    fn a_merged_sample_is_the_sample_of_the_union() {
        let whole = sampled(0..20_000);
        let mut parts = sampled(15_000..20_000);
        parts.merge(&sampled(0..10));
        parts.merge(&sampled(10..15_000));
        assert_eq!(whole, parts);
        assert_eq!(whole.len(), CAPACITY);
    }

    #[test]
    fn the_sample_is_uniform() {
        let sample = sampled(0..100_000);
        let low = sample.iter().filter(|b| u64::from_le_bytes((*b).try_into().unwrap()) < 50_000).count();
        assert!((440..=584).contains(&low), "{low}");
    }
}
