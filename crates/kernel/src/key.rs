//! Blocked prefixes as the keys of the tables that hold them.

use crate::layout::{V4_LENGTHS, V6_LENGTHS};
use seawall_model::Prefix;
use std::net::IpAddr;

/// Keys that one prefix may be split into; one that would need more goes to the trie.
const SPLIT_LIMIT_BITS: u8 = 7;

/// Where a blocked prefix, or a part of one, is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// In a table: its length is one of the common ones.
    Hashed(Prefix),
    /// In a trie.
    Rest(Prefix),
}

/// The keys of a prefix, one after the other. Lengths between the common ones are split into prefixes
/// of the next common length, where that is few.
pub(crate) fn split(prefix: Prefix, mut take: impl FnMut(Key)) {
    let common: &[u8] = if prefix.address().is_ipv4() { &V4_LENGTHS } else { &V6_LENGTHS };
    let length = prefix.length_bits();
    let next = common.iter().copied().filter(|c| *c >= length).min();
    match next {
        Some(next) if next - length <= SPLIT_LIMIT_BITS => {
            parts(prefix, next).for_each(|p| take(Key::Hashed(p)))
        }
        _ => take(Key::Rest(prefix)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn odd_lengths_are_split_into_common_ones_that_cover_the_same() {
        let split = |prefix| {
            let mut keys = Vec::new();
            super::split(prefix, |key| keys.push(key));
            keys
        };
        let keys = split(prefix("192.0.2.192/26"));
        assert_eq!(keys.len(), 64);
        assert_eq!(keys[63], Key::Hashed(prefix("192.0.2.255/32")));
        assert_eq!(split(prefix("10.0.0.0/15")).len(), 2);
        assert_eq!(split(prefix("2001:db8:0:fffe::/63")).len(), 2);
        assert_eq!(split(prefix("192.0.2.1/32")), [Key::Hashed(prefix("192.0.2.1/32"))]);
        assert_eq!(split(prefix("10.0.0.0/8")), [Key::Rest(prefix("10.0.0.0/8"))]);
        assert_eq!(split(prefix("2001:db8::/33")), [Key::Rest(prefix("2001:db8::/33"))]);
    }
}
