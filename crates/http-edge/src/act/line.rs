//! Who waits for room, by class: counts alone, because each thread keeps its own requests.

use seawall_model::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

/// Classes of requests, best first.
pub(super) const CLASSES: usize = 5;

/// One line, in which a better class goes before a worse one.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: [AtomicU32; CLASSES],
    /// Since when requests of a class wait without a break; 0: nobody does.
    since: [AtomicI64; CLASSES],
}

impl Line {
    /// Whether nobody waits who goes before a newcomer of this class: whoever waits already does.
    pub(super) fn lets_newcomer_by(&self, class: usize) -> bool {
        self.waiting[..=class].iter().all(|n| n.load(Relaxed) == 0)
    }

    /// The same for one who waits here.
    pub(super) fn lets_by(&self, class: usize) -> bool {
        self.waiting[..class].iter().all(|n| n.load(Relaxed) == 0)
    }

    pub(super) fn join(&self, class: usize, now: Timestamp) {
        if self.waiting[class].fetch_add(1, Relaxed) == 0 {
            self.since[class].store(now.0, Relaxed);
        }
    }

    pub(super) fn leave(&self, class: usize) {
        // Fails at zero only: nobody waits.
        let before = self.waiting[class].fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
        if before == Ok(1) {
            self.since[class].store(0, Relaxed);
        }
    }

    pub(super) fn waiting(&self, class: usize) -> u32 {
        self.waiting[class].load(Relaxed)
    }

    pub(super) fn all_waiting(&self) -> u32 {
        self.waiting.iter().map(|n| n.load(Relaxed)).sum()
    }

    /// For how long requests of a class have been waiting without a break.
    pub(super) fn standing_ns(&self, class: usize, now: Timestamp) -> i64 {
        match self.since[class].load(Relaxed) {
            0 => 0,
            since => now.0 - since,
        }
    }
}
