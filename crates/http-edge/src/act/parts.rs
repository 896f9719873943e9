//! The parts of a site: how long answers take there in calm times, how many requests are under way,
//! and which parts wait and do not work.

use super::shed::KEPT_OVER_USED;
use seawall_detection::feature::classify::PathKind;
use seawall_model::hash;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Parts of the site that are told apart.
const PARTS: usize = 64;
/// Answers until a part's normal is trusted.
const YOUNG: u64 = 32;
/// Answers over which a part's normal moves.
const MEMORY: f64 = 512.0;
/// Mean latency of a part from which its requests are thought to wait and not to work.
const WAITS_US: f64 = 2_000_000.0;

/// The part of the site a request belongs to, for what latency is normal there.
#[must_use]
pub fn part_of(path: &[u8], kind: PathKind) -> u8 {
    let rest = path.strip_prefix(b"/").unwrap_or(path);
    let first = rest.split(|b| *b == b'/').next().unwrap_or(rest);
    (hash::combine(kind as u64, hash::bytes(first)) % PARTS as u64) as u8
}

/// When an answer comes, which says what can be learnt from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    Calm,
    /// Slower than ever, and nothing is said to be wrong.
    Abnormal,
    Trouble,
}

/// All parts, by the number that [`part_of`] gives.
#[derive(Debug)]
pub(super) struct Parts {
    /// Answers counted (upper half), and mean latency in microseconds as `f32`.
    normal: [AtomicU64; PARTS],
    /// Requests at the upstream, with a place and without.
    under_way: [AtomicU32; PARTS],
    /// The most of them at once that did no harm in calm times.
    borne: [AtomicU32; PARTS],
}

impl Parts {
    pub(super) fn new() -> Self {
        Self {
            normal: [const { AtomicU64::new(0) }; PARTS],
            under_way: [const { AtomicU32::new(0) }; PARTS],
            borne: [const { AtomicU32::new(0) }; PARTS],
        }
    }

    /// What was learnt, for whoever comes after.
    pub(super) fn kept(&self) -> impl Iterator<Item = u64> {
        let borne = self.borne.iter().map(|n| u64::from(n.load(Relaxed)));
        self.normal.iter().map(|n| n.load(Relaxed)).chain(borne)
    }

    /// Goes on with that; false if it is of another form.
    pub(super) fn recall(&self, kept: &[u64]) -> bool {
        if kept.len() != 2 * PARTS {
            return false;
        }
        self.normal.iter().zip(kept).for_each(|(to, from)| to.store(*from, Relaxed));
        for (to, from) in self.borne.iter().zip(&kept[PARTS..]) {
            to.store(u32::try_from(*from).unwrap_or(0), Relaxed);
        }
        true
    }

    /// A request goes to the upstream.
    pub(super) fn begin(&self, part: u8) {
        self.under_way[at(part)].fetch_add(1, Relaxed);
    }

    /// It is over.
    pub(super) fn end(&self, part: u8) {
        less(&self.under_way[at(part)]);
    }

    /// Mean latency in calm times, in microseconds; 0: not known.
    pub(super) fn normal_us(&self, part: u8) -> f64 {
        mean_of(self.normal[at(part)].load(Relaxed))
    }

    pub(super) fn learn(&self, part: u8, latency_us: f64, lesson: Lesson) {
        let slot = &self.normal[at(part)];
        let before = slot.load(Relaxed);
        let count = before >> 32;
        if count >= YOUNG && lesson != Lesson::Calm {
            return;
        }
        let old = mean_of(before);
        let mean = if count == 0 {
            latency_us
        } else if lesson == Lesson::Trouble {
            old.min(latency_us)
        } else {
            old + (latency_us - old) / (count as f64 + 1.0).min(MEMORY)
        };
        let after = (count + 1).min(u64::from(u32::MAX)) << 32 | u64::from((mean as f32).to_bits());
        // Losing the race to another thread's answer loses one lesson.
        let _ = slot.compare_exchange(before, after, Relaxed, Relaxed);
    }

    /// What is under way now does no harm.
    pub(super) fn bear(&self) {
        for (under_way, borne) in self.under_way.iter().zip(&self.borne) {
            borne.fetch_max(under_way.load(Relaxed), Relaxed);
        }
    }

    /// Whether requests of a part wait and do not work, and are no more than do no harm.
    pub(super) fn is_known_to_wait(&self, part: u8, ceiling: u32) -> bool {
        let slot = self.normal[at(part)].load(Relaxed);
        if slot >> 32 < YOUNG || mean_of(slot) < WAITS_US {
            return false;
        }
        let most = f64::from(self.borne[at(part)].load(Relaxed)) * KEPT_OVER_USED;
        f64::from(self.under_way[at(part)].load(Relaxed)) < most.min(f64::from(ceiling))
    }
}

/// Takes one away, but not from none.
pub(super) fn less(counter: &AtomicU32) {
    let _ = counter.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
}

fn at(part: u8) -> usize {
    usize::from(part) % PARTS
}

fn mean_of(slot: u64) -> f64 {
    f64::from(f32::from_bits(slot as u32))
}
