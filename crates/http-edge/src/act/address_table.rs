//! Rules by client address: one hash table for all prefixes, probed once for each prefix length
//! in use. What a lookup costs depends on the lengths in use and not on the number of prefixes.

use seawall_model::{Prefix, hash};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Words of a [`RuleSet`].
const SET_WORDS: usize = 4;
/// Rules that one table can tell apart.
pub const MOST_RULES: usize = SET_WORDS * 64;

/// A set of rules, by index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleSet([u64; SET_WORDS]);

impl RuleSet {
    pub(crate) fn insert(&mut self, rule: usize) {
        self.0[rule / 64 % SET_WORDS] |= 1 << (rule % 64);
    }

    pub(crate) fn union(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; SET_WORDS]
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }
}

/// Prefixes, each with the rules that name it.
#[derive(Clone, Debug)]
pub struct AddressTable {
    seed: u64,
    /// Masks of the prefix lengths in use, of IPv4 (as mapped addresses) and of IPv6.
    masks: [Vec<u128>; 2],
    /// Open addressing, at most half full; a power of two.
    slots: Box<[Slot]>,
    sets: Vec<RuleSet>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    network: u128,
    mask: u128,
    /// Index into the sets; [`EMPTY`]: no prefix here.
    set: u32,
}

const EMPTY: u32 = u32::MAX;
const MAPPED: u128 = 0xFFFF_0000_0000;

impl AddressTable {
    /// Builds the table. `seed` must be unknown to clients, who could otherwise choose addresses
    /// that share a slot with a rule's.
    #[must_use]
    pub fn new(entries: &[(Prefix, usize)], seed: u64) -> Self {
        let mut by_prefix: BTreeMap<(u128, u128), RuleSet> = BTreeMap::new();
        let mut masks = [Vec::new(), Vec::new()];
        for (prefix, rule) in entries {
            let (network, mask) = wide(*prefix);
            by_prefix.entry((network, mask)).or_default().insert(*rule);
            let family = &mut masks[usize::from(is_ipv6(prefix.address()))];
            if !family.contains(&mask) {
                family.push(mask);
            }
        }
        let capacity = (by_prefix.len() * 2).next_power_of_two();
        let mut table = Self {
            seed,
            masks,
            slots: vec![Slot { network: 0, mask: 0, set: EMPTY }; capacity].into(),
            sets: Vec::new(),
        };
        let mut index_of: BTreeMap<RuleSet, u32> = BTreeMap::new();
        for ((network, mask), set) in by_prefix {
            let next = index_of.len() as u32;
            let index = *index_of.entry(set).or_insert(next);
            if index == next {
                table.sets.push(set);
            }
            table.put(Slot { network, mask, set: index });
        }
        table
    }

    /// Every rule that names a prefix of `address`.
    #[must_use]
    pub fn rules_of(&self, address: IpAddr) -> RuleSet {
        let bits = widened(address);
        let mut found = RuleSet::default();
        for mask in &self.masks[usize::from(is_ipv6(address))] {
            if let Some(set) = self.find(bits & mask, *mask) {
                found.union(&self.sets[set as usize]);
            }
        }
        found
    }

    /// Whether any prefix holds `address`.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = widened(address);
        self.masks[usize::from(is_ipv6(address))].iter().any(|mask| self.find(bits & mask, *mask).is_some())
    }

    fn put(&mut self, slot: Slot) {
        let last = self.slots.len() - 1;
        let mut at = self.place(slot.network, slot.mask);
        while self.slots[at].set != EMPTY {
            at = (at + 1) & last;
        }
        self.slots[at] = slot;
    }

    fn find(&self, network: u128, mask: u128) -> Option<u32> {
        let last = self.slots.len() - 1;
        let mut at = self.place(network, mask);
        loop {
            let slot = &self.slots[at];
            if slot.set == EMPTY {
                return None;
            }
            if slot.network == network && slot.mask == mask {
                return Some(slot.set);
            }
            at = (at + 1) & last;
        }
    }

    fn place(&self, network: u128, mask: u128) -> usize {
        let seeded = self.seed ^ u64::from(mask.count_ones());
        let high = hash::fold(seeded ^ (network >> 64) as u64, 0xD6E8_FEB8_6659_FD93);
        hash::combine(high, network as u64) as usize & (self.slots.len() - 1)
    }
}

/// IPv4 clients that arrive over an IPv6 socket are IPv4 clients.
fn is_ipv6(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none())
}

fn widened(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => MAPPED | u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Network and mask in the space of IPv6 addresses.
fn wide(prefix: Prefix) -> (u128, u128) {
    let length = u32::from(prefix.length_bits()) + if prefix.address().is_ipv4() { 96 } else { 0 };
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    (widened(prefix.address()), mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: u64) -> u64 {
        hash::mix(n.wrapping_mul(0x9E37_79B9))
    }

    fn random_address(n: u64) -> IpAddr {
        let bits = random(n);
        if bits.is_multiple_of(3) {
            IpAddr::from(
                ((0x2001_0DB8_u128 << 96) | u128::from(random(bits) & 0xFFFF_0000_00FF_00FF)).to_be_bytes(),
            )
        } else {
            IpAddr::from((0x0A00_0000 | (bits >> 40) as u32 & 0x0003_FFFF).to_be_bytes())
        }
    }

    #[test]
    fn the_table_says_what_a_list_of_prefixes_says() {
        for round in 0..40_u64 {
            let entries: Vec<(Prefix, usize)> = (0..round * 5)
                .map(|i| {
                    let address = random_address(round * 1_000 + i);
                    let widest = if address.is_ipv4() { 8 } else { 30 };
                    let choices: u64 = if address.is_ipv4() { 25 } else { 99 };
                    let length = widest + (random(i ^ round << 32) % choices) as u8;
                    (Prefix::new(address, length).unwrap(), (random(i + 7) % MOST_RULES as u64) as usize)
                })
                .collect();
            let table = AddressTable::new(&entries, round);
            for probe in 0..400 {
                let address = random_address(round * 1_000 + probe);
                let mut expected: Vec<usize> =
                    entries.iter().filter(|(p, _)| p.contains(address)).map(|(_, r)| *r).collect();
                expected.sort_unstable();
                expected.dedup();
                assert_eq!(table.rules_of(address).iter().collect::<Vec<_>>(), expected, "{address}");
                assert_eq!(table.contains(address), !expected.is_empty());
            }
        }
    }

    #[test]
    fn mapped_clients_are_ipv4_clients() {
        let table = AddressTable::new(&[("192.0.2.0/24".parse().unwrap(), 3)], 1);
        assert!(table.contains("::ffff:192.0.2.9".parse().unwrap()));
        assert!(!table.contains("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn everything_and_nothing() {
        let table = AddressTable::new(&[("0.0.0.0/0".parse().unwrap(), 0), ("::/0".parse().unwrap(), 1)], 1);
        assert_eq!(table.rules_of("192.0.2.1".parse().unwrap()).iter().collect::<Vec<_>>(), [0]);
        assert_eq!(table.rules_of("2001:db8::1".parse().unwrap()).iter().collect::<Vec<_>>(), [1]);
        assert!(AddressTable::new(&[], 1).rules_of("192.0.2.1".parse().unwrap()).is_empty());
    }

    #[test]
    fn lookups_follow_the_lengths_and_not_the_number_of_prefixes() {
        let entries: Vec<_> = (0..50_000_u32)
            .map(|n| (Prefix::new(IpAddr::from((0x0B00_0000 + n * 3).to_be_bytes()), 32).unwrap(), 0))
            .collect();
        let lookups = AddressTable::new(&entries, 9).masks.map(|masks| masks.len());
        assert_eq!(lookups, [1, 0]);
    }
}
