//! The tables of blocked prefixes as the program has them (`seek_v4`, `seek_v6` in `bpf/block.h`):
//! buckets of one line of the processor's cache, in chunks that are written whole. A table is built
//! anew for each generation.

use crate::layout::{V4_LENGTHS, V6_LENGTHS, octets, word};
use crate::sieve;
use seawall_model::Prefix;

/// Bytes of a bucket, and buckets of a chunk.
const BUCKET_BYTES: usize = 64;
const CHUNK_BUCKETS: usize = 64;
/// Buckets that a key may be away from its own.
const MOST_STEPS: usize = 64;
/// Where a bucket has its counters, behind the addresses.
const COUNTERS_AT: usize = 48;
/// Where one of IPv4 has its kinds, of two bits each, and the bit that says it is full.
const V4_KINDS_AT: usize = 60;
const V4_IS_FULL: u32 = 1 << 31;
/// Where one of IPv6 has its kinds, of a byte each, and the byte that says it is full.
const V6_KINDS_AT: usize = 51;
const V6_IS_FULL_AT: usize = 54;

type Bucket = [u8; BUCKET_BYTES];
/// What is written at once.
pub(crate) type TableChunk = [u8; BUCKET_BYTES * CHUNK_BUCKETS];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// Keys that a bucket holds.
    fn places(self) -> usize {
        match self {
            Self::V4 => 12,
            Self::V6 => 3,
        }
    }

    /// Keys that there are to a bucket, on average, when a table is full. Of fuller ones some key
    /// would be too far from its bucket.
    fn load(self) -> usize {
        match self {
            Self::V4 => 8,
            Self::V6 => 2,
        }
    }

    /// Keys that so many chunks have room for.
    pub(crate) fn room(self, chunks: u32) -> usize {
        chunks as usize * CHUNK_BUCKETS * self.load()
    }
}

/// A blocked prefix of a length that the tables hold, and the counter of its measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    high: u64,
    low: u64,
    length_bits: u8,
    /// One more than the number of its length.
    kind: u8,
    pub counter: u8,
}

impl Entry {
    pub(crate) fn new(prefix: Prefix, counter: u8) -> Self {
        let octets = octets(prefix.address());
        let is_v4 = prefix.address().is_ipv4();
        let lengths: &[u8] = if is_v4 { &V4_LENGTHS } else { &V6_LENGTHS };
        let number = lengths.iter().position(|l| *l == prefix.length_bits()).unwrap_or(0);
        let (high, low) =
            if is_v4 { (word(&octets, 8) >> 32, 0) } else { (word(&octets, 0), word(&octets, 8)) };
        Self { high, low, length_bits: prefix.length_bits(), kind: number as u8 + 1, counter }
    }

    /// What the program finds it by.
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        sieve::hash(seed, self.high, self.low, u32::from(self.length_bits))
    }

    /// The bit that says that its length is in use.
    pub(crate) fn length_bit(&self) -> u32 {
        1 << (self.kind - 1)
    }

    fn is_same_prefix(&self, other: &Self) -> bool {
        (self.high, self.low, self.kind) == (other.high, other.low, other.kind)
    }
}

/// A table under construction.
pub(crate) struct Table {
    family: Family,
    buckets: Vec<Bucket>,
}

impl Table {
    /// A table of these entries. Of two of one prefix the one stays whose counter `outlasts` the
    /// other. `None`: the hash puts too many of them in one place.
    pub(crate) fn build(
        family: Family,
        entries: &[Entry],
        seed: u64,
        most_chunks: u32,
        outlasts: impl Fn(u8, u8) -> bool,
    ) -> Option<Self> {
        let most = most_chunks as usize * CHUNK_BUCKETS;
        let count = entries.len().div_ceil(family.load()).next_power_of_two().clamp(CHUNK_BUCKETS, most);
        let mut table = Self { family, buckets: vec![[0; BUCKET_BYTES]; count] };
        entries.iter().all(|entry| table.add(entry, entry.hash(seed), &outlasts)).then_some(table)
    }

    /// What picks a bucket of a hash.
    pub(crate) fn mask(&self) -> u32 {
        self.buckets.len() as u32 - 1
    }

    /// The buckets as the map holds them.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = TableChunk> {
        self.buckets.chunks(CHUNK_BUCKETS).map(|buckets| {
            let mut chunk = [0; BUCKET_BYTES * CHUNK_BUCKETS];
            for (place, bucket) in chunk.chunks_exact_mut(BUCKET_BYTES).zip(buckets) {
                place.copy_from_slice(bucket);
            }
            chunk
        })
    }

    fn add(&mut self, entry: &Entry, hash: u64, outlasts: &impl Fn(u8, u8) -> bool) -> bool {
        let mask = self.buckets.len() - 1;
        for step in 0..MOST_STEPS {
            let bucket = &mut self.buckets[((hash >> 32) as usize + step) & mask];
            for place in 0..self.family.places() {
                match read(self.family, bucket, place) {
                    None => {
                        write(self.family, bucket, place, entry);
                        return true;
                    }
                    Some(before) if before.is_same_prefix(entry) => {
                        if outlasts(entry.counter, before.counter) {
                            bucket[COUNTERS_AT + place] = entry.counter;
                        }
                        return true;
                    }
                    Some(_) => {}
                }
            }
            match self.family {
                Family::V4 => set_v4_kinds(bucket, v4_kinds(bucket) | V4_IS_FULL),
                Family::V6 => bucket[V6_IS_FULL_AT] = 1,
            }
        }
        false
    }
}

/// Entries of a chunk.
pub(crate) fn count(family: Family, chunk: &TableChunk) -> usize {
    let (buckets, _) = chunk.as_chunks::<BUCKET_BYTES>();
    buckets
        .iter()
        .map(|bucket| (0..family.places()).filter(|p| read(family, bucket, *p).is_some()).count())
        .sum()
}

/// Chunks that a mask makes use of.
pub(crate) fn chunks_of(mask: u32) -> u32 {
    (mask / CHUNK_BUCKETS as u32) + 1
}

fn v4_kinds(bucket: &Bucket) -> u32 {
    word(bucket, V4_KINDS_AT - 4).wrapping_shr(32) as u32
}

fn set_v4_kinds(bucket: &mut Bucket, kinds: u32) {
    bucket[V4_KINDS_AT..].copy_from_slice(&kinds.to_ne_bytes());
}

fn read(family: Family, bucket: &Bucket, place: usize) -> Option<Entry> {
    let (kind, high, low, lengths): (u8, u64, u64, &[u8]) = match family {
        Family::V4 => {
            let kind = (v4_kinds(bucket) >> (2 * place) & 3) as u8;
            (kind, word(bucket, 4 * place) & u64::from(u32::MAX), 0, &V4_LENGTHS)
        }
        Family::V6 => {
            let kind = bucket[V6_KINDS_AT + place];
            (kind, word(bucket, 16 * place), word(bucket, 16 * place + 8), &V6_LENGTHS)
        }
    };
    let length_bits = *lengths.get(usize::from(kind.checked_sub(1)?))?;
    Some(Entry { high, low, length_bits, kind, counter: bucket[COUNTERS_AT + place] })
}

fn write(family: Family, bucket: &mut Bucket, place: usize, entry: &Entry) {
    bucket[COUNTERS_AT + place] = entry.counter;
    match family {
        Family::V4 => {
            bucket[4 * place..4 * place + 4].copy_from_slice(&(entry.high as u32).to_ne_bytes());
            set_v4_kinds(bucket, v4_kinds(bucket) | u32::from(entry.kind) << (2 * place));
        }
        Family::V6 => {
            bucket[16 * place..16 * place + 8].copy_from_slice(&entry.high.to_ne_bytes());
            bucket[16 * place + 8..16 * place + 16].copy_from_slice(&entry.low.to_ne_bytes());
            bucket[V6_KINDS_AT + place] = entry.kind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const SEED: u64 = 7;

    fn found(table: &Table, entry: &Entry) -> Option<u8> {
        let mask = table.buckets.len() - 1;
        for step in 0..MOST_STEPS {
            let bucket = &table.buckets[((entry.hash(SEED) >> 32) as usize + step) & mask];
            let places = (0..table.family.places()).filter_map(|p| read(table.family, bucket, p));
            if let Some(found) = places.into_iter().find(|e| e.is_same_prefix(entry)) {
                return Some(found.counter);
            }
            let is_full = match table.family {
                Family::V4 => v4_kinds(bucket) & V4_IS_FULL != 0,
                Family::V6 => bucket[V6_IS_FULL_AT] != 0,
            };
            if !is_full {
                return None;
            }
        }
        None
    }

    fn some(family: Family, count: u32) -> Vec<Entry> {
        let prefix = |n: u32| match family {
            Family::V4 => {
                let address = Ipv4Addr::from(n.wrapping_mul(2_654_435_761));
                Prefix::new(address.into(), V4_LENGTHS[n as usize % 2])
            }
            Family::V6 => {
                let address = Ipv6Addr::from(u128::from(n) << 96 | u128::from(n % 7));
                Prefix::new(address.into(), V6_LENGTHS[n as usize % 5])
            }
        };
        (0..count).filter_map(prefix).map(|p| Entry::new(p, p.length_bits())).collect()
    }

    #[test]
    fn what_was_put_in_is_found_also_where_buckets_are_full_and_nothing_else_is() {
        for (family, chunks) in [(Family::V4, 128), (Family::V6, 256)] {
            let entries = some(family, family.room(chunks) as u32);
            let table = Table::build(family, &entries, SEED, chunks, |_, _| false).expect("room for all");
            assert_eq!(table.chunks().count() as u32, chunks);
            assert!(entries.iter().all(|e| found(&table, e) == Some(e.length_bits)));
            let held: usize = table.chunks().map(|c| count(family, &c)).sum();
            let mut distinct: Vec<_> = entries.iter().map(|e| (e.high, e.low, e.kind)).collect();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(held, distinct.len());
            let strangers = some(family, 2 * entries.len() as u32).split_off(entries.len());
            let strangers =
                strangers.iter().filter(|s| distinct.binary_search(&(s.high, s.low, s.kind)).is_err());
            assert!(strangers.clone().count() > 1_000);
            assert!(strangers.into_iter().all(|s| found(&table, s).is_none()));
        }
    }

    #[test]
    fn of_two_measures_on_one_prefix_the_longer_lasting_stays() {
        let prefix: Prefix = "192.0.2.1/32".parse().unwrap();
        let entries = [1, 3, 2].map(|counter| Entry::new(prefix, counter));
        let table = Table::build(Family::V4, &entries, SEED, 1, |new, old| new > old).expect("room");
        assert_eq!(found(&table, &entries[0]), Some(3));
        assert_eq!(count(Family::V4, &table.chunks().next().expect("a chunk")), 1);
    }

    #[test]
    fn keys_that_a_hash_puts_in_one_place_are_refused_and_not_lost() {
        let all: Vec<Entry> = some(Family::V6, 3 * 64 + 1);
        assert!(Table::build(Family::V6, &all, SEED, 1, |_, _| false).is_none(), "more than places");
    }
}
