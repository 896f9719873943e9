//! TCP option layouts back from their hash, so that a packet filter can test them.
//!
//! A record keeps only a hash of the option kinds in order. The layouts that exist are few: they
//! are made of six kinds with fixed lengths within 40 bytes (RFC 9293 section 3.1, RFC 7323,
//! RFC 2018), so trying them in order of length finds the one.

use seawall_model::hash;

/// Kinds that appear in first packets with their lengths in bytes: end of list, no operation,
/// maximum segment size, window scale, selective acknowledgement permitted, timestamps.
const KINDS: [(u8, usize); 6] = [(0, 1), (1, 1), (2, 4), (3, 3), (4, 2), (8, 10)];
/// Longest layout that is tried, in options; longer ones are not seen in the wild.
const MAX_OPTIONS: usize = 7;
/// Bytes that options may take.
const MAX_BYTES: usize = 40;

/// The layout with this hash, as kinds with their offsets in bytes from the first option, and the
/// header's length in 32-bit words. `None`: no common layout has it.
#[must_use]
pub fn layout(wanted: u64) -> Option<(Vec<(u8, usize)>, usize)> {
    if wanted == 0 {
        return Some((Vec::new(), 5));
    }
    (1..=MAX_OPTIONS).find_map(|count| search(wanted, &mut Vec::new(), 0, count))
}

fn search(wanted: u64, kinds: &mut Vec<u8>, bytes: usize, left: usize) -> Option<(Vec<(u8, usize)>, usize)> {
    if left == 0 {
        return (hash::bytes(kinds) == wanted).then(|| placed(kinds));
    }
    for (kind, length) in KINDS {
        // Only padding repeats, and nothing but padding follows the end of the list.
        let repeats = kind > 1 && kinds.contains(&kind);
        let ended = kind != 0 && kinds.contains(&0);
        if repeats || ended || bytes + length > MAX_BYTES {
            continue;
        }
        kinds.push(kind);
        let found = search(wanted, kinds, bytes + length, left - 1);
        kinds.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

fn placed(kinds: &[u8]) -> (Vec<(u8, usize)>, usize) {
    let mut offset = 0;
    let mut places = Vec::new();
    for kind in kinds {
        places.push((*kind, offset));
        offset += KINDS.iter().find(|(k, _)| k == kind).map_or(1, |(_, length)| *length);
    }
    (places, 5 + offset.div_ceil(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_layouts_are_found() {
        let linux = [2, 4, 8, 1, 3];
        let (places, words) = layout(hash::bytes(&linux)).unwrap();
        assert_eq!(places, vec![(2, 0), (4, 4), (8, 6), (1, 16), (3, 17)]);
        assert_eq!(words, 10);
        assert_eq!(layout(0).unwrap().1, 5);
        assert!(layout(0x1234_5678).is_none());
    }
}
