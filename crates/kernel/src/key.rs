//! Blocked prefixes as the keys of the tables that hold them.

use crate::layout::{V4_LENGTHS, V6_LENGTHS, octets, word};
use crate::sieve;
use seawall_model::Prefix;
use std::net::IpAddr;

/// Keys that one prefix may be split into; one that would need more goes to the trie.
const SPLIT_LIMIT_BITS: u8 = 7;

/// Where a blocked prefix, or a part of one, is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// In a hash table: its length is one of the common ones.
    Hashed(Prefix),
    /// In a trie.
    Rest(Prefix),
}

/// The keys of a prefix. Lengths between the common ones are split into prefixes of the next
/// common length, where that is few.
pub(crate) fn split(prefix: Prefix) -> Vec<Key> {
    let common: &[u8] = if prefix.address().is_ipv4() { &V4_LENGTHS } else { &V6_LENGTHS };
    let length = prefix.length_bits();
    let next = common.iter().copied().filter(|c| *c >= length).min();
    match next {
        Some(next) if next - length <= SPLIT_LIMIT_BITS => parts(prefix, next).map(Key::Hashed).collect(),
        _ => vec![Key::Rest(prefix)],
    }
}

fn parts(prefix: Prefix, length: u8) -> impl Iterator<Item = Prefix> {
    let count = 1_u128 << (length - prefix.length_bits());
    (0..count).filter_map(move |n| {
        let address = match prefix.address() {
            IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) | (n as u32) << ((32 - length) % 32)).into()),
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) | n << ((128 - length) % 128)).into()),
        };
        Prefix::new(address, length)
    })
}

/// Bytes of a prefix of IPv4 as key of its hash table.
pub(crate) fn v4_bytes(prefix: Prefix) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&octets(prefix.address())[12..]);
    bytes[4..].copy_from_slice(&u32::from(prefix.length_bits()).to_ne_bytes());
    bytes
}

/// Bytes of a prefix of IPv6 as key of its hash table.
pub(crate) fn v6_bytes(prefix: Prefix) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&octets(prefix.address()));
    bytes[16..].copy_from_slice(&u64::from(prefix.length_bits()).to_ne_bytes());
    bytes
}

/// The prefix that a key of IPv4's table stands for. `None`: nobody of ours wrote it.
pub(crate) fn from_v4_bytes(bytes: &[u8; 8]) -> Option<Prefix> {
    let address = IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Prefix::new(address, *V4_LENGTHS.iter().find(|l| u32::from(**l).to_ne_bytes() == bytes[4..])?)
}

/// The prefix that a key of IPv6's table stands for. `None`: nobody of ours wrote it.
pub(crate) fn from_v6_bytes(bytes: &[u8; 24]) -> Option<Prefix> {
    let mut address = [0; 16];
    address.copy_from_slice(&bytes[..16]);
    Prefix::new(address.into(), *V6_LENGTHS.iter().find(|l| u64::from(**l).to_ne_bytes() == bytes[16..])?)
}

/// What the filter before the hash tables knows a prefix by.
pub(crate) fn sieve_hash(prefix: Prefix) -> u64 {
    let octets = octets(prefix.address());
    let length = u32::from(prefix.length_bits());
    match prefix.address() {
        IpAddr::V4(_) => sieve::hash(word(&octets, 8) >> 32, 0, length),
        IpAddr::V6(_) => sieve::hash(word(&octets, 0), word(&octets, 8), length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn odd_lengths_are_split_into_common_ones_that_cover_the_same() {
        let keys = split(prefix("192.0.2.192/26"));
        assert_eq!(keys.len(), 64);
        assert_eq!(keys[63], Key::Hashed(prefix("192.0.2.255/32")));
        assert_eq!(split(prefix("10.0.0.0/15")).len(), 2);
        assert_eq!(split(prefix("2001:db8:0:fffe::/63")).len(), 2);
        assert_eq!(split(prefix("192.0.2.1/32")), [Key::Hashed(prefix("192.0.2.1/32"))]);
        assert_eq!(split(prefix("10.0.0.0/8")), [Key::Rest(prefix("10.0.0.0/8"))]);
        assert_eq!(split(prefix("2001:db8::/33")), [Key::Rest(prefix("2001:db8::/33"))]);
    }

    #[test]
    fn keys_are_read_back() {
        for text in ["192.0.2.1/32", "192.0.2.0/24"] {
            assert_eq!(from_v4_bytes(&v4_bytes(prefix(text))), Some(prefix(text)));
        }
        for text in ["2001:db8::1/128", "2001:db8::/32"] {
            assert_eq!(from_v6_bytes(&v6_bytes(prefix(text))), Some(prefix(text)));
        }
        assert_eq!(from_v4_bytes(&[1, 2, 3, 4, 0, 0, 0, 99]), None);
    }
}
