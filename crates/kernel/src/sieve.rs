//! The filter before the tables of blocked prefixes: a Bloom filter of one word a key. The program
//! computes the same hash (`block_hash` in `bpf/block.h`).

use crate::layout::{CHUNK_WORDS, CHUNKS};

/// Words a key when full: at two the filter lets one in some hundred strangers through.
const KEYS_PER_WORD: usize = 2;
const LEAST_WORDS: usize = 64;

/// Hash of an address, as its 16 or 4 bytes in memory order, and a prefix length.
#[must_use]
pub(crate) fn hash(seed: u64, high: u64, low: u64, length_bits: u32) -> u64 {
    let mut hash = (high ^ seed ^ u64::from(length_bits) << 56).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash = (hash ^ hash >> 32 ^ low).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash = (hash ^ hash >> 29).wrapping_mul(0xA076_1D64_78BD_642F);
    hash ^ hash >> 32
}

/// The words for a number of keys, and the mask that picks one of them.
pub(crate) struct Sieve {
    words: Vec<u64>,
}

impl Sieve {
    /// An empty filter with room for `keys`.
    pub(crate) fn with_room_for(keys: usize) -> Self {
        let most = (CHUNKS * CHUNK_WORDS) as usize;
        let words = (keys / KEYS_PER_WORD).next_power_of_two().clamp(LEAST_WORDS, most);
        Self { words: vec![0; words] }
    }

    pub(crate) fn add(&mut self, hash: u64) {
        let word = (hash >> 32) as usize & (self.words.len() - 1);
        self.words[word] |= bits(hash);
    }

    #[cfg(test)]
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let word = (hash >> 32) as usize & (self.words.len() - 1);
        self.words[word] & bits(hash) == bits(hash)
    }

    pub(crate) fn mask(&self) -> u32 {
        self.words.len() as u32 - 1
    }

    /// The words in chunks as the map holds them; the last is filled up with zeroes.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = [u64; CHUNK_WORDS as usize]> {
        self.words.chunks(CHUNK_WORDS as usize).map(|words| {
            let mut chunk = [0; CHUNK_WORDS as usize];
            chunk[..words.len()].copy_from_slice(words);
            chunk
        })
    }
}

fn bits(hash: u64) -> u64 {
    (0..4).fold(0, |bits, i| bits | 1 << (hash >> (6 * i) & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_never_missed_and_strangers_seldom_pass() {
        let mut sieve = Sieve::with_room_for(100_000);
        for n in 0..100_000 {
            sieve.add(hash(3, n, 0, 32));
        }
        assert!((0..100_000).all(|n| sieve.may_hold(hash(3, n, 0, 32))));
        let passed = (100_000..200_000).filter(|n| sieve.may_hold(hash(3, *n, 0, 32))).count();
        assert!(passed < 2_000, "{passed} of 100,000 strangers");
    }
}
