//! Blocked prefixes of a generation. Those of the common lengths are written as a whole into the bank
//! that is not in force. The few of other lengths lie in tries that both generations share, tagged
//! with the generations that they hold in.

use super::{Bank, XdpFilter, is_missing};
use crate::buckets::{Entry, Family, Table};
use crate::clock::Moment;
use crate::error::KernelError;
use crate::key::{self, Key};
use crate::layout::{BANKS, BlockBytes, BlockEntry, BlockShape, COUNTERS, NO_END, TermsBytes, encode_terms};
use crate::rule::{Kind, Rule};
use crate::sieve::Sieve;
use crate::tables::failed;
use aya::maps::MapError;
use aya::maps::lpm_trie::Key as TrieKey;
use seawall_model::{Prefix, Timestamp, hash};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Seeds that are tried until a table has room for all of its keys: one does nearly always.
const SEEDS: usize = 4;

/// Chunks of each table, for one bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub v4_chunks: u32,
    pub v6_chunks: u32,
    /// Of the set of known names, where questions for others are answered.
    pub names_chunks: u32,
}

impl Room {
    /// For 1,048,576 blocked prefixes of IPv4 and as many of IPv6: 80 MiB.
    const LARGE: Self = Self { v4_chunks: 2_048, v6_chunks: 8_192, names_chunks: 2_048 };
    /// For 262,144 and 131,072: 12 MiB.
    const SMALL: Self = Self { v4_chunks: 512, v6_chunks: 1_024, names_chunks: 512 };
    /// Memory of a machine from which on it has the large ones.
    const LARGE_FROM_KIB: u64 = 3_500_000;

    /// What this machine has room for.
    pub(super) fn here() -> Self {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total =
            text.lines().find_map(|l| l.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
        if total.unwrap_or(0) >= Self::LARGE_FROM_KIB { Self::LARGE } else { Self::SMALL }
    }

    pub(super) fn v4_entries(self) -> u32 {
        self.v4_chunks * BANKS
    }

    pub(super) fn v6_entries(self) -> u32 {
        self.v6_chunks * BANKS
    }
}

/// What is in a trie, with the wall's time of its expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    pub entry: BlockEntry,
    pub expires: Timestamp,
}

/// What the rules of a generation want blocked.
pub(super) struct Wanted {
    v4: Vec<Entry>,
    v6: Vec<Entry>,
    rest: BTreeMap<Prefix, Placed>,
    terms: Vec<(u8, TermsBytes)>,
    /// When measures expire, by counter.
    expires: Vec<Timestamp>,
}

impl XdpFilter {
    /// What the rules want blocked. Where two want the same, the one that lasts longer.
    pub(super) fn wanted_blocks(&self, rules: &[Rule], now: Moment) -> Result<Wanted, KernelError> {
        let mut wanted = Wanted {
            v4: Vec::new(),
            v6: Vec::new(),
            rest: BTreeMap::new(),
            terms: Vec::new(),
            expires: vec![Timestamp(i64::MIN); COUNTERS as usize],
        };
        for rule in rules.iter().filter(|r| r.expires > now.wall) {
            let Kind::Block(prefixes) = &rule.kind else { continue };
            let counter = self.slots.of(rule).counter;
            let expires_ns = now.monotonic_at(rule.expires);
            // Counters are fewer than a byte has values.
            wanted.terms.push((counter as u8, encode_terms(expires_ns, rule.share, rule.enforce)));
            wanted.expires[usize::from(counter)] = rule.expires;
            let entry = BlockEntry {
                expires_ns,
                from_generation: self.control.generation + 1,
                last_generation: NO_END,
                share: rule.share,
                counter,
                enforce: rule.enforce,
            };
            let placed = Placed { entry, expires: rule.expires };
            prefixes.iter().for_each(|prefix| wanted.add(*prefix, placed));
        }
        for (family, entries, chunks) in
            [(Family::V4, &wanted.v4, self.room.v4_chunks), (Family::V6, &wanted.v6, self.room.v6_chunks)]
        {
            let limit = family.room(chunks);
            if entries.len() > limit {
                let what =
                    if family == Family::V4 { "blocked IPv4 prefixes" } else { "blocked IPv6 prefixes" };
                return Err(KernelError::Full { what, limit });
            }
        }
        Ok(wanted)
    }

    /// Puts the tables of blocked prefixes into a bank's image, with the filter before them.
    pub(super) fn fill_bank(&mut self, wanted: &Wanted, image: &mut Bank) -> Result<BlockShape, KernelError> {
        let outlasts = |a: u8, b: u8| wanted.expires[usize::from(a)] > wanted.expires[usize::from(b)];
        for _ in 0..SEEDS {
            let build = |family, entries: &[Entry], chunks| {
                Table::build(family, entries, self.seed, chunks, outlasts)
            };
            let v4 = build(Family::V4, &wanted.v4, self.room.v4_chunks);
            let v6 = build(Family::V6, &wanted.v6, self.room.v6_chunks);
            let (Some(v4), Some(v6)) = (v4, v6) else {
                self.seed = hash::mix(self.seed);
                continue;
            };
            let mut sieve = Sieve::with_room_for(wanted.v4.len() + wanted.v6.len());
            wanted.v4.iter().chain(&wanted.v6).for_each(|entry| sieve.add(entry.hash(self.seed)));
            image.filter = sieve.chunks().collect();
            image.v4 = v4.chunks().collect();
            image.v6 = v6.chunks().collect();
            image.terms = wanted.terms.clone();
            let lengths = |entries: &[Entry]| entries.iter().fold(0, |bits, e| bits | e.length_bit());
            return Ok(BlockShape {
                v4_lengths: lengths(&wanted.v4),
                v6_lengths: lengths(&wanted.v6),
                v4_trie: wanted.rest.keys().any(|p| p.address().is_ipv4()),
                v6_trie: wanted.rest.keys().any(|p| p.address().is_ipv6()),
                filter_mask: sieve.mask(),
                v4_mask: v4.mask(),
                v6_mask: v6.mask(),
                seed: self.seed,
                ..BlockShape::default()
            });
        }
        let limit = wanted.v4.len() + wanted.v6.len() - 1;
        Err(KernelError::Full { what: "such blocked prefixes", limit })
    }

    /// Writes the blocked prefixes of an image into a bank.
    pub(super) fn write_blocks(&mut self, bank: u32, image: &Bank) -> Result<(), KernelError> {
        for (number, chunk) in (0..).zip(&image.v4) {
            self.tables.v4_blocks.set(number * BANKS + bank, chunk, 0).map_err(failed("v4_blocks"))?;
        }
        for (number, chunk) in (0..).zip(&image.v6) {
            self.tables.v6_blocks.set(number * BANKS + bank, chunk, 0).map_err(failed("v6_blocks"))?;
        }
        for (counter, terms) in &image.terms {
            let index = bank * COUNTERS + u32::from(*counter);
            self.tables.terms.set(index, terms, 0).map_err(failed("block_terms"))?;
        }
        Ok(())
    }

    /// Adds what is new in the tries, and marks what is to end with the present generation.
    pub(super) fn write_rest(&mut self, wanted: &Wanted, now: Moment) -> Result<(), KernelError> {
        for (prefix, placed) in &wanted.rest {
            let mut placed = *placed;
            if let Some(before) = self.rest.get(prefix) {
                // Already in force: it stays so, with what has changed.
                placed.entry.from_generation = before.entry.from_generation;
                if before.expires == placed.expires {
                    placed.entry.expires_ns = before.entry.expires_ns;
                }
                if *before == placed {
                    continue;
                }
            }
            self.write_trie(*prefix, placed.entry)?;
            self.rest.insert(*prefix, placed);
        }
        let is_ending = |prefix: &Prefix, placed: &Placed| {
            placed.entry.last_generation == NO_END && !wanted.rest.contains_key(prefix)
        };
        let ending: Vec<(Prefix, Placed)> =
            self.rest.iter().filter(|(prefix, p)| is_ending(prefix, p)).map(|(k, p)| (*k, *p)).collect();
        for (prefix, mut placed) in ending {
            placed.entry.last_generation = self.control.generation;
            // What has expired need not wait to be cleared away.
            if placed.expires > now.wall {
                self.write_trie(prefix, placed.entry)?;
            }
            self.rest.insert(prefix, placed);
        }
        Ok(())
    }

    /// Clears away what no generation has any more.
    pub(super) fn forget_rest(&mut self) -> Result<(), KernelError> {
        let over: Vec<Prefix> =
            self.rest.iter().filter(|(_, p)| p.entry.last_generation != NO_END).map(|(k, _)| *k).collect();
        for prefix in over {
            self.remove_from_trie(prefix)?;
            self.rest.remove(&prefix);
        }
        Ok(())
    }

    pub(super) fn write_trie(&mut self, prefix: Prefix, entry: BlockEntry) -> Result<(), KernelError> {
        let value: BlockBytes = entry.encode();
        let bits = u32::from(prefix.length_bits());
        match prefix.address() {
            IpAddr::V4(v4) => self.tables.v4_rest.insert(&TrieKey::new(bits, v4.octets()), value, 0),
            IpAddr::V6(v6) => self.tables.v6_rest.insert(&TrieKey::new(bits, v6.octets()), value, 0),
        }
        .map_err(failed("rest"))
    }

    pub(super) fn read_trie(&self, prefix: Prefix) -> Result<Option<BlockBytes>, KernelError> {
        let bits = u32::from(prefix.length_bits());
        absent(match prefix.address() {
            IpAddr::V4(v4) => self.tables.v4_rest.get(&TrieKey::new(bits, v4.octets()), 0),
            IpAddr::V6(v6) => self.tables.v6_rest.get(&TrieKey::new(bits, v6.octets()), 0),
        })
    }

    fn remove_from_trie(&mut self, prefix: Prefix) -> Result<(), KernelError> {
        let bits = u32::from(prefix.length_bits());
        // Somebody else may have been faster.
        absent(match prefix.address() {
            IpAddr::V4(v4) => self.tables.v4_rest.remove(&TrieKey::new(bits, v4.octets())),
            IpAddr::V6(v6) => self.tables.v6_rest.remove(&TrieKey::new(bits, v6.octets())),
        })
        .map(|_| ())
    }
}

impl Wanted {
    fn add(&mut self, prefix: Prefix, placed: Placed) {
        key::split(prefix, |key| match key {
            Key::Hashed(p) => {
                let entries = if p.address().is_ipv4() { &mut self.v4 } else { &mut self.v6 };
                entries.push(Entry::new(p, placed.entry.counter as u8));
            }
            Key::Rest(p) => {
                let kept = self.rest.entry(p).or_insert(placed);
                if kept.expires < placed.expires {
                    *kept = placed;
                }
            }
        });
    }
}

/// `None` for what is not there.
fn absent<T>(result: Result<T, MapError>) -> Result<Option<T>, KernelError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failed("rest")(error)),
    }
}
