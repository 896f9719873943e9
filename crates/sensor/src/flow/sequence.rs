//! Which bytes of one direction were seen before: what the network lost shows as segments that
//! are sent again.
//!
//! Remembers the highest byte seen and the latest gap below it. A segment below the highest byte
//! was sent again, unless it fills a gap so soon that it was only overtaken, or is the copy that a
//! mirror port makes. Innocent look-alikes: keep-alive probes, which repeat one byte.

use seawall_model::Timestamp;
use seawall_model::time::MILLISECOND_NS;

/// A segment that comes so soon after a later one was overtaken, not lost; no sender waits less.
const OVERTAKEN_NS: i64 = 3 * MILLISECOND_NS;
/// A jump wider than any window without scaling tricks: another stream, of which nothing is known.
const JUMP_BYTES: u32 = 1 << 28;

/// What was seen of one direction.
#[derive(Clone, Copy, Default)]
pub(super) struct Sequence {
    /// One past the highest byte seen.
    next: Option<u32>,
    /// When that byte came.
    last: Timestamp,
    /// The latest bytes that were passed over, and since when.
    gap: (u32, u32),
    gap_since: Timestamp,
}

impl Sequence {
    /// Has its memory fetched.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        u64::from(self.next.unwrap_or(0))
    }

    /// Notes a segment of `length` bytes; true if its sender had sent it before.
    #[inline]
    pub(super) fn sent_before(&mut self, sequence: u32, length: u32, time: Timestamp) -> bool {
        let end = sequence.wrapping_add(length);
        let Some(next) = self.next else {
            (self.next, self.last) = (Some(end), time);
            return false;
        };
        let ahead = sequence.wrapping_sub(next) as i32;
        if ahead.unsigned_abs() > JUMP_BYTES {
            *self = Self { next: Some(end), last: time, ..Self::default() };
            return false;
        }
        if ahead >= 0 {
            if ahead > 0 {
                (self.gap, self.gap_since) = ((next, sequence), time);
            }
            (self.next, self.last) = (Some(end), time);
            return false;
        }
        let beyond = end.wrapping_sub(next) as i32;
        if beyond > 0 {
            (self.next, self.last) = (Some(end), time);
        }
        if self.fills_gap(sequence, end) {
            return time.since_ns(self.gap_since) >= OVERTAKEN_NS;
        }
        let copied = beyond == 0 && time.since_ns(self.last) < OVERTAKEN_NS;
        length > 1 && !copied
    }

    /// Whether the segment lies in the latest gap, which it then narrows.
    fn fills_gap(&mut self, sequence: u32, end: u32) -> bool {
        let (from, to) = self.gap;
        let inside = sequence.wrapping_sub(from) < to.wrapping_sub(from);
        if inside {
            let rest = to.wrapping_sub(end) as i32;
            // What lies before the segment is given up: it will be taken for sent again.
            self.gap = if rest > 0 { (end, to) } else { (to, to) };
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments as (milliseconds, first byte, length).
    fn repeats(segments: &[(i64, u32, u32)]) -> Vec<bool> {
        let mut seen = Sequence::default();
        let at = |ms: i64| Timestamp(ms * MILLISECOND_NS);
        segments.iter().map(|(ms, from, length)| seen.sent_before(*from, *length, at(*ms))).collect()
    }

    #[test]
    fn segments_sent_again_are_told_from_the_first_time() {
        assert_eq!(
            repeats(&[(0, 10, 10), (1, 20, 10), (250, 20, 10), (251, 30, 10)]),
            [false, false, true, false]
        );
    }

    #[test]
    fn a_loss_before_the_capture_shows_as_a_gap_filled_late() {
        assert_eq!(
            repeats(&[(0, 0, 10), (1, 20, 10), (2, 30, 10), (40, 10, 10)]),
            [false, false, false, true]
        );
    }

    #[test]
    fn overtaken_segments_and_copies_of_a_mirror_were_not_sent_again() {
        assert_eq!(repeats(&[(0, 0, 10), (1, 20, 10), (2, 10, 10), (2, 30, 10)]), [false; 4]);
        assert_eq!(repeats(&[(0, 0, 10), (0, 0, 10), (5, 10, 10), (5, 10, 10)]), [false; 4]);
    }

    #[test]
    fn keep_alive_probes_repeat_a_byte_and_mean_no_loss() {
        assert_eq!(repeats(&[(0, 0, 10), (9_000, 9, 1), (18_000, 9, 1)]), [false; 3]);
    }

    #[test]
    fn sequence_numbers_wrap_and_may_begin_anywhere() {
        let near_the_end = u32::MAX - 4;
        assert_eq!(
            repeats(&[(0, near_the_end, 10), (1, 5, 10), (300, 5, 10), (301, 1 << 30, 10)]),
            [false, false, true, false]
        );
    }
}
