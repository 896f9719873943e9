//! Mutations with a seed: the same seed gives the same bytes on any machine.

use seawall_model::hash;

/// Longest input that mutation makes.
const MOST_BYTES: usize = 64 * 1024;

/// A stream of words from a seed.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next word.
    pub fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(1);
        hash::mix(self.state)
    }

    /// Less than `limit`; 0 where that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.word() % limit as u64) as usize }
    }
}

/// Numbers at the edges of what lengths and counts can be.
const EDGES: [u64; 10] = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, u64::MAX];

/// Changes `bytes` in one to eight places; `other` is another input to take pieces from.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(8) {
        once(bytes, other, dice);
    }
    bytes.truncate(MOST_BYTES);
}

fn once(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let length = bytes.len();
    let at = dice.below(length);
    match dice.below(9) {
        0 => bytes.truncate(at),
        1 if length > 0 => bytes[at] ^= 1 << dice.below(8),
        2 if length > 0 => bytes[at] = dice.word() as u8,
        3 => put_edge(bytes, at, dice),
        4 => {
            let end = at + dice.below((length - at).min(64) + 1);
            bytes.drain(at..end);
        }
        5 => {
            let end = at + dice.below((length - at).min(256) + 1);
            let piece = bytes[at..end].to_vec();
            insert(bytes, dice, &piece);
        }
        6 => {
            let from = dice.below(other.len());
            let piece = &other[from..from + dice.below((other.len() - from).min(256) + 1)];
            insert(bytes, dice, piece);
        }
        7 => {
            let piece = vec![dice.word() as u8; dice.below(200)];
            insert(bytes, dice, &piece);
        }
        _ => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[dice.below(other.len())..]);
        }
    }
}

fn insert(bytes: &mut Vec<u8>, dice: &mut Dice, piece: &[u8]) {
    let at = dice.below(bytes.len() + 1);
    bytes.splice(at..at, piece.iter().copied());
}

/// Writes an edge number over some bytes, in either byte order and in any width, or as digits.
fn put_edge(bytes: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let edge = EDGES[dice.below(EDGES.len())];
    let width = 1 << dice.below(4);
    let digits = edge.to_string();
    let raw = match dice.below(3) {
        0 => edge.to_le_bytes()[..width].to_vec(),
        1 => edge.to_be_bytes()[8 - width..].to_vec(),
        _ => digits.into_bytes(),
    };
    let end = (at + raw.len()).min(bytes.len());
    bytes.splice(at..end, raw);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let mutated = |seed| {
            let mut bytes = b"GET / HTTP/1.1".to_vec();
            mutate(&mut bytes, b"other", &mut Dice::new(seed));
            bytes
        };
        assert_eq!(mutated(3), mutated(3));
        assert!((0..20).any(|seed| mutated(seed) != mutated(0)));
    }

    #[test]
    fn any_start_may_be_mutated() {
        for seed in 0..5_000 {
            let mut bytes = vec![7; (seed % 5) as usize];
            mutate(&mut bytes, &[1; 3][..(seed % 4) as usize], &mut Dice::new(seed));
        }
    }
}
