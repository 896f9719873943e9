//! Openings that were given up, so that the same one sent again much later is known as such:
//! systems try again after one, three and seven seconds (RFC 6298 section 5.5), and some of that lies
//! beyond the time that a half-open connection is kept.
//!
//! A direct table of marks: the later of two openings in one place wins, so that a flood only makes
//! it forget.

use super::half_open::HalfOpen;
use seawall_model::hash;

/// Openings remembered, a power of two; 8 bytes each.
const PLACES: usize = 1 << 15;

/// Marks of openings given up.
pub(super) struct Retries {
    marks: Vec<u64>,
}

impl Default for Retries {
    fn default() -> Self {
        Self { marks: vec![0; PLACES] }
    }
}

impl Retries {
    /// Has memory fetched that an opening will need.
    #[inline]
    pub(super) fn peek(&self, hash: u64, sequence: u32) -> u64 {
        self.marks[place(mark(hash, sequence))] & 1
    }

    /// Remembers an opening that nobody answered.
    pub(super) fn give_up(&mut self, open: &HalfOpen) {
        if !open.answered {
            let mark = mark(open.hash, open.sequence);
            self.marks[place(mark)] = mark;
        }
    }

    /// Whether an opening of this flow and sequence number was given up before.
    pub(super) fn knows(&self, hash: u64, sequence: u32) -> bool {
        let mark = mark(hash, sequence);
        self.marks[place(mark)] == mark
    }
}

fn mark(flow_hash: u64, sequence: u32) -> u64 {
    hash::combine(flow_hash, u64::from(sequence)) | 1
}

fn place(mark: u64) -> usize {
    (mark >> 32) as usize & (PLACES - 1)
}
