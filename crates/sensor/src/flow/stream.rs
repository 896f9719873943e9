//! Puts the segments of one direction of a TCP connection in order, holding back a few that
//! arrived early.

use std::cell::Cell;

/// Segments held back per direction while an earlier one is missing.
const HELD_SEGMENTS: usize = 4;

/// One piece of a stream in order.
pub(super) enum Piece<'a> {
    Bytes(&'a [u8]),
    /// So many bytes were sent, but not captured.
    Unseen(u64),
}

/// Bytes of heads and early segments that one shard holds, and may hold.
#[derive(Debug)]
pub(super) struct Budget {
    held: Cell<usize>,
    limit: usize,
    refused: Cell<u64>,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { held: Cell::new(0), limit, refused: Cell::new(0) }
    }

    /// Takes room for `bytes`. `false` if there is none.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let held = self.held.get() + bytes;
        let fits = held <= self.limit;
        if fits {
            self.held.set(held);
        } else {
            self.refused.set(self.refused.get() + 1);
        }
        fits
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.held.set(self.held.get().saturating_sub(bytes));
    }

    /// How often something was not kept for lack of room.
    pub(super) fn refused(&self) -> u64 {
        self.refused.get()
    }
}

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Stream {
    next: Option<u32>,
    /// Early segments: sequence number, captured bytes, length on the wire.
    early: Vec<(u32, Box<[u8]>, u32)>,
}

/// A segment's payload.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    pub sequence: u32,
    pub payload: &'a [u8],
    /// Payload length on the wire.
    pub wire_bytes: u32,
}

impl Stream {
    /// Has its memory fetched.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        u64::from(self.next.unwrap_or(0))
    }

    /// Expects the stream to go on at `sequence`.
    pub(super) fn start(&mut self, sequence: u32) {
        self.next = Some(sequence);
    }

    /// Takes a segment, and gives `deliver` what can now be read in order. While `patient`, a
    /// segment that came early waits for the missing one; else the missing bytes count as unseen.
    pub(super) fn segment(
        &mut self,
        segment: Segment<'_>,
        patient: bool,
        budget: &Budget,
        deliver: &mut dyn FnMut(Piece<'_>),
    ) {
        let next = *self.next.get_or_insert(segment.sequence);
        let ahead = segment.sequence.wrapping_sub(next) as i32;
        if ahead > 0 && patient && self.hold(segment, budget) {
            return;
        }
        if ahead > 0 {
            self.release(budget, deliver);
        }
        self.deliver(segment, deliver);
        while let Some(at) = self.early.iter().position(|early| self.is_due(early.0)) {
            let (sequence, payload, wire_bytes) = self.early.swap_remove(at);
            budget.give_back(payload.len());
            self.deliver(Segment { sequence, payload: &payload, wire_bytes }, deliver);
        }
    }

    /// Gives up what is held.
    pub(super) fn forget(&mut self, budget: &Budget) {
        for (_, payload, _) in self.early.drain(..) {
            budget.give_back(payload.len());
        }
    }

    fn hold(&mut self, segment: Segment<'_>, budget: &Budget) -> bool {
        if self.early.iter().any(|early| early.0 == segment.sequence) {
            return true;
        }
        if self.early.len() >= HELD_SEGMENTS || !budget.take(segment.payload.len()) {
            return false;
        }
        self.early.push((segment.sequence, segment.payload.into(), segment.wire_bytes));
        true
    }

    /// Waits no longer: delivers what is held, in order.
    fn release(&mut self, budget: &Budget, deliver: &mut dyn FnMut(Piece<'_>)) {
        let next = self.next.unwrap_or(0);
        let mut early = std::mem::take(&mut self.early);
        early.sort_by_key(|early| early.0.wrapping_sub(next));
        for (sequence, payload, wire_bytes) in early {
            budget.give_back(payload.len());
            self.deliver(Segment { sequence, payload: &payload, wire_bytes }, deliver);
        }
    }

    fn is_due(&self, sequence: u32) -> bool {
        self.next.is_some_and(|next| sequence.wrapping_sub(next) as i32 <= 0)
    }

    /// Delivers a segment, less what was delivered before, and what is missing before it.
    fn deliver(&mut self, segment: Segment<'_>, deliver: &mut dyn FnMut(Piece<'_>)) {
        let next = self.next.unwrap_or(segment.sequence);
        let ahead = segment.sequence.wrapping_sub(next) as i32;
        if ahead > 0 {
            deliver(Piece::Unseen(ahead as u64));
        }
        let known = ahead.min(0).unsigned_abs();
        if known >= segment.wire_bytes && segment.wire_bytes > 0 {
            return;
        }
        let fresh = segment.payload.get(known as usize..).unwrap_or_default();
        if !fresh.is_empty() {
            deliver(Piece::Bytes(fresh));
        }
        let cut = (segment.wire_bytes - known).saturating_sub(fresh.len() as u32);
        if cut > 0 {
            deliver(Piece::Unseen(u64::from(cut)));
        }
        self.next = Some(segment.sequence.wrapping_add(segment.wire_bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(order: &[usize], patient: bool) -> String {
        let pieces: [(u32, &[u8]); 4] = [(10, b"ab"), (12, b"cd"), (14, b"ef"), (16, b"gh")];
        let mut stream = Stream::default();
        stream.start(10);
        let budget = Budget::new(100);
        let mut text = String::new();
        for &n in order {
            let (sequence, payload) = pieces[n];
            let segment = Segment { sequence, payload, wire_bytes: payload.len() as u32 };
            stream.segment(segment, patient, &budget, &mut |piece| match piece {
                Piece::Bytes(bytes) => text.push_str(std::str::from_utf8(bytes).unwrap()),
                Piece::Unseen(count) => text.push_str(&format!("[{count}]")),
            });
        }
        stream.forget(&budget);
        assert_eq!(budget.held.get(), 0);
        text
    }

    #[test]
    fn segments_are_put_in_order_and_repeats_dropped() {
        assert_eq!(run(&[0, 1, 2, 3], true), "abcdefgh");
        assert_eq!(run(&[3, 1, 0, 2], true), "abcdefgh");
        assert_eq!(run(&[0, 0, 1, 0, 1, 2, 3], true), "abcdefgh");
        assert_eq!(run(&[0, 2, 3], false), "ab[2]efgh");
    }

    #[test]
    fn a_lost_segment_is_waited_for_in_vain_only_so_long() {
        let mut stream = Stream::default();
        stream.start(0);
        let budget = Budget::new(1000);
        let mut unseen = 0;
        let mut seen = 0;
        for n in 1..20u32 {
            let segment = Segment { sequence: n * 10, payload: &[7; 10], wire_bytes: 10 };
            stream.segment(segment, true, &budget, &mut |piece| match piece {
                Piece::Bytes(bytes) => seen += bytes.len(),
                Piece::Unseen(count) => unseen += count,
            });
        }
        assert_eq!((unseen, seen), (10, 190));
    }
}
