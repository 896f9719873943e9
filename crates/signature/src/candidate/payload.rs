//! Candidates for the first bytes of payloads: what payloads begin with, and what those of a group have
//! at the same places while the bytes between differ (a number of the message, a length).

use super::{Pool, keyed};
use seawall_model::record::{PAYLOAD_PREFIX_BYTES, PacketRecord};
use seawall_model::signature::Test;
use std::fmt::Write;

/// Lengths that are tried, in bytes.
const LENGTHS: [usize; 8] = [1, 2, 3, 4, 6, 8, 12, PAYLOAD_PREFIX_BYTES];
/// Commonest bytes of one place whose payloads are looked at as a group.
const GROUPS_OF_PLACE: usize = 4;
/// Patterns that are tried on every record.
const PATTERNS_KEPT: usize = 16;
/// Payloads of a group with one byte at a place, for the group to have it there.
const COMMON: f64 = 0.99;

/// A byte for each place of a payload's start; `None`: any will do.
type Pattern = [Option<u8>; PAYLOAD_PREFIX_BYTES];
/// How often each byte is met at each place.
type Counts = Vec<[u32; 256]>;

/// Tries what payloads begin with.
pub(super) fn collect(pool: &mut Pool<'_>, unwanted: &[PacketRecord], normal: &[PacketRecord]) {
    for length in LENGTHS {
        let prefix = |p: &PacketRecord| -> Option<[u8; PAYLOAD_PREFIX_BYTES]> {
            let mut bytes = [0; PAYLOAD_PREFIX_BYTES];
            bytes[..length].copy_from_slice(p.payload().get(..length)?);
            Some(bytes)
        };
        pool.values(keyed(unwanted, prefix), keyed(normal, prefix), |bytes| {
            Some(Test::PayloadPrefix(text(&bytes[..length].iter().copied().map(Some).collect::<Vec<_>>())))
        });
    }
    for pattern in patterns(pool, unwanted, normal) {
        pool.push(Test::PayloadPrefix(text(&pattern)));
    }
}

/// What the groups of payloads that share a byte at a place have in common, the largest groups first.
/// Without a gap it is a prefix, which was tried already.
fn patterns(pool: &Pool<'_>, unwanted: &[PacketRecord], normal: &[PacketRecord]) -> Vec<Vec<Option<u8>>> {
    let (all, of_normal) = (counts(unwanted.iter()), counts(normal.iter()));
    let mut groups: Vec<(u32, usize, u8)> = Vec::new();
    for place in 0..PAYLOAD_PREFIX_BYTES {
        let share = |byte: u8| {
            pool.mixture().attack(all[place][usize::from(byte)], of_normal[place][usize::from(byte)])
        };
        let mut bytes: Vec<u8> = (0..=255).filter(|byte| share(*byte) >= pool.source.min_share).collect();
        bytes.sort_by_key(|byte| std::cmp::Reverse(all[place][usize::from(*byte)]));
        bytes.truncate(GROUPS_OF_PLACE);
        groups.extend(bytes.iter().map(|byte| (all[place][usize::from(*byte)], place, *byte)));
    }
    groups.sort_unstable_by_key(|(count, place, byte)| (std::cmp::Reverse(*count), *place, *byte));
    let mut found: Vec<Vec<Option<u8>>> = Vec::new();
    let mut seen: Vec<Pattern> = Vec::new();
    for (count, place, byte) in groups {
        let group = unwanted.iter().filter(|p| p.payload().get(place) == Some(&byte));
        let pattern = common(&counts(group), count);
        if seen.contains(&pattern) {
            continue;
        }
        seen.push(pattern);
        for length in LENGTHS {
            let end = pattern[..length].iter().rposition(Option::is_some).map_or(0, |last| last + 1);
            let cut = &pattern[..end];
            if cut.contains(&None) && found.len() < PATTERNS_KEPT && !found.iter().any(|f| f == cut) {
                found.push(cut.to_vec());
            }
        }
    }
    found
}

fn counts<'p>(records: impl Iterator<Item = &'p PacketRecord>) -> Counts {
    let mut counts = vec![[0; 256]; PAYLOAD_PREFIX_BYTES];
    for record in records {
        for (place, byte) in counts.iter_mut().zip(record.payload()) {
            place[usize::from(*byte)] += 1;
        }
    }
    counts
}

/// The bytes that nearly all payloads of a group have.
fn common(counts: &Counts, group: u32) -> Pattern {
    let mut pattern = [None; PAYLOAD_PREFIX_BYTES];
    for (to, place) in pattern.iter_mut().zip(counts) {
        *to = (0..=255_u8).find(|byte| f64::from(place[usize::from(*byte)]) >= COMMON * f64::from(group));
    }
    pattern
}

fn text(bytes: &[Option<u8>]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = match byte {
            Some(byte) => write!(text, "{byte:02x}"),
            None => text.write_str("??"),
        };
        text
    })
}
