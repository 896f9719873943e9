//! Who acts next: a heap of instants, ties in the order of entry, so that runs repeat.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue of (nanoseconds, actor), earliest first.
#[derive(Debug, Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<(i64, u64)>>,
    entered: u64,
}

const ACTOR_BITS: u32 = 24;

impl Agenda {
    /// Enters an actor (below 2^24) at a time.
    #[inline]
    pub fn enter(&mut self, at_ns: i64, actor: u32) {
        self.entered += 1;
        self.heap.push(Reverse((at_ns, (self.entered << ACTOR_BITS) | u64::from(actor))));
    }

    /// The next actor and its time.
    #[inline]
    pub fn next(&mut self) -> Option<(i64, u32)> {
        let Reverse((at_ns, key)) = self.heap.pop()?;
        Some((at_ns, (key & ((1 << ACTOR_BITS) - 1)) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earliest_first_and_ties_in_order_of_entry() {
        let mut agenda = Agenda::default();
        for (at, actor) in [(5, 1), (3, 9), (5, 0), (3, 2)] {
            agenda.enter(at, actor);
        }
        let order: Vec<_> = std::iter::from_fn(|| agenda.next()).collect();
        assert_eq!(order, [(3, 9), (3, 2), (5, 1), (5, 0)]);
    }
}
