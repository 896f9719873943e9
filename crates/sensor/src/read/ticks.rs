//! Tallies by tick while one block or shard is read.

use super::{Tally, tick_of};
use seawall_model::Timestamp;
use std::collections::BTreeMap;

/// Number of a tick: time divided by the width, rounded down.
pub(super) type Tick = i64;

/// What one block or shard has counted into one tick.
pub(super) struct Part<T> {
    pub tick: Tick,
    /// Records in it, as distinct from observations: what tells a lone stray from a crowd.
    pub records: u64,
    pub tally: T,
}

/// The ticks that a block or shard is counting into.
pub(super) struct TickSet<T> {
    width_ns: i64,
    /// First instant of the current tick and of the one after it.
    span: (i64, i64),
    tick: Tick,
    current: Option<Part<T>>,
    others: BTreeMap<Tick, Part<T>>,
}

impl<T: Tally> TickSet<T> {
    pub(super) fn new(width_ns: i64) -> Self {
        Self { width_ns, span: (0, 0), tick: 0, current: None, others: BTreeMap::new() }
    }

    /// The part that counts the tick of `time`.
    #[inline]
    pub(super) fn at(&mut self, time: Timestamp, new: &impl Fn() -> T) -> &mut Part<T> {
        let within = self.span.0 <= time.0 && time.0 < self.span.1;
        if !within || self.current.is_none() {
            self.turn_to(time);
        }
        let tick = self.tick;
        self.current.get_or_insert_with(|| Part { tick, records: 0, tally: new() })
    }

    /// Ticks begun so far.
    pub(super) fn len(&self) -> usize {
        self.others.len() + usize::from(self.current.is_some())
    }

    /// Takes out the parts, oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Part<T>> {
        self.put_away();
        std::mem::take(&mut self.others).into_values()
    }

    /// Takes out the parts of all ticks but `open`, into which more will be counted.
    pub(super) fn drain_but(&mut self, open: Tick) -> impl Iterator<Item = Part<T>> {
        self.put_away();
        let kept = self.others.remove(&open);
        let done = std::mem::take(&mut self.others);
        self.others.extend(kept.map(|part| (open, part)));
        done.into_values()
    }

    #[cold]
    fn turn_to(&mut self, time: Timestamp) {
        self.put_away();
        let tick = tick_of(time, self.width_ns);
        let start = tick.saturating_mul(self.width_ns);
        self.span = (start, start.saturating_add(self.width_ns));
        self.tick = tick;
        self.current = self.others.remove(&tick);
    }

    fn put_away(&mut self) {
        if let Some(part) = self.current.take() {
            self.others.insert(part.tick, part);
        }
        self.span = (0, 0);
    }
}
