//! Shedding: how many requests an upstream works on at once, and who goes first when there are
//! more.
//!
//! The limit follows latency. Every tenth of a second the mean of latency over what is normal for
//! the same part of the site is compared with a tolerance: above it the limit shrinks in
//! proportion, below it the limit grows by half its square root. That is the gradient of Netflix's
//! concurrency limits (E. Landau, W. Thurston, T. Bozarth, "Performance Under Load", 2018), with
//! the queue allowance of TCP Vegas (L. Brakmo, L. Peterson, 1995). It differs in three points:
//!
//! - What is normal is learnt in calm windows only, and kept while there is trouble: a limit that
//!   compares with its own recent past takes a sick hour for health.
//! - Latency is compared part by part of the site, so that a flood on the dear search does not
//!   look like an upstream that became slow.
//! - It shrinks only if more requests arrive than in calm times, and more than chance brings in so short
//!   a time. Latency up while arrivals are not is lost capacity, a fault of ours (Little's law): then
//!   people wait, and nobody is refused for it before the ceiling.
//!
//! A limit that nobody has used says nothing of what the upstream can bear. So in calm times it
//! comes down to some times what was used at once, and while more is needed and answers are as
//! fast as ever it grows by a quarter a window, until there is trouble.
//!
//! Where one part of the site is slow and others that are asked for too are as fast as ever, it is that
//! part alone whose requests are held back: a limit of its own follows its latency in the same way, as long
//! as more arrive than in calm times, until it is as wide as the site's. Who waits for such a part is in
//! nobody's way.
//!
//! Who goes first: five classes by [`Standing`], a better one always before a worse one; whom the
//! policy names is let in whatever the limit. A class
//! waits as long as its patience; while more arrive than in calm times, strangers do not wait behind a
//! queue that stands (K. Nichols, V. Jacobson, "Controlling Queue Delay", 2012), they are asked to come
//! back, which is what tells browsers from floods. Where no more arrive there is no flood to tell them
//! from, and they wait as others do.
//!
//! Long polls wait at the upstream and cost it nothing. A part of the site whose answers have always
//! taken seconds is one of them, as far as calm times have shown that so many at once do no harm: its
//! requests go past the limit, up to some times as many, and hold no place. Beyond that they are
//! requests like others, so that a flood on a slow page gains little.
//!
//! All threads share one shedder; it is atomic words only. A thread keeps its own waiting requests
//! and asks again when one of its own is done, and every few milliseconds.

use super::arrivals::Arrivals;
use super::line::{CLASSES, Line};
use super::memory::Standing;
use super::parts::{Lesson, Parts, less};
use seawall_model::{Timestamp, hash, math};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The class that there is always room for: whom the policy names is never held up by others.
const UNLIMITED: u8 = 0;
/// Classes from here on are strangers.
const STRANGERS: usize = 3;
/// Part of all places that is kept free of strangers while there is trouble, so that whoever is
/// known finds one at once; one place at least.
const KEPT_FREE: f64 = 0.125;
const WINDOW_NS: i64 = 100_000_000;
/// Answers without which a window goes on, for a second at most.
const WINDOW_ANSWERS: u64 = 8;
/// Latency over normal from which the limit shrinks.
pub(super) const TOLERANCE: f64 = 1.2;
/// Latency over normal from which a window is no lesson in what is normal.
const ABNORMAL: f64 = 1.5;
/// Most that one answer counts: one stuck request is not a slow upstream.
const WORST_RATIO: f64 = 8.0;
/// Abnormal windows in a row, without trouble, after which the site has become another.
const RELEARN_WINDOWS: u32 = 6_000;
pub(super) const LEAST: f64 = 4.0;
/// In calm times the limit comes down to so many times the most that were at once of late, but not
/// below what arrives in a second, nor below what a small site may need: there must be room for all
/// while an upstream becomes slow.
pub(super) const KEPT_OVER_USED: f64 = 8.0;
const KEPT: f64 = 32.0;
/// How fast it comes down, and how fast the most of late is forgotten, per window.
const EASE: f64 = 0.95;
const FORGET: f64 = 0.999;
/// Growth per window where no answer has become slow for it.
pub(super) const START_GROWTH: f64 = 1.25;
/// Nanoseconds after which a waiting request of a class is given up while more arrive than in calm times,
/// and while no more do: then strangers are no flood.
const PATIENCE_NS: [i64; CLASSES] = [0, 1_500_000_000, 1_000_000_000, 250_000_000, 0];
const PATIENCE_WITHOUT_DEMAND_NS: [i64; CLASSES] = [0, 1_500_000_000, 1_500_000_000, 1_500_000_000, 0];
/// Nanoseconds for which strangers may wait while more arrive, before newcomers are sent away.
const STANDING_NS: i64 = 100_000_000;

/// What is to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// To the upstream; [`Shedder::done`] gives the place back.
    Go,
    /// To the upstream without a place, because it waits there for long and costs nothing;
    /// [`Shedder::back`] tells of its end.
    Aside,
    /// Not yet: ask again as [`Shedder::again`], or give up by [`Shedder::give_up`].
    Queue(Queued),
    /// Not in time.
    Full,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// Room at the upstream.
    Site,
    /// Room in the part of the site that it asks for.
    Part,
}

/// Requests of equal claim; the smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl From<Standing> for Priority {
    fn from(standing: Standing) -> Self {
        Self(match standing {
            Standing::Suspect => 4,
            Standing::Unknown => 3,
            Standing::Returned | Standing::Patient => 2,
            Standing::Visiting | Standing::Known | Standing::Cleared => 1,
            Standing::Protected => UNLIMITED,
        })
    }
}

/// How an upstream answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub part: u8,
    /// To the first byte of the answer.
    pub latency_ns: u64,
    /// The upstream refused, broke off or took too long.
    pub failed: bool,
}

/// The gate before one upstream.
#[derive(Debug)]
pub struct Shedder {
    /// Bits of an `f64`: requests at once.
    limit: AtomicU64,
    ceiling: AtomicU32,
    at_once: AtomicU32,
    waiting: Line,
    /// Those who wait for parts that are slow while others are not.
    waiting_for_parts: Line,
    window: Window,
    parts: Parts,
    arrivals: Arrivals,
    /// More arrive than in calm times.
    is_demand: AtomicBool,
    /// Bits of an `f64`: the most requests at once of late, in calm times.
    used: AtomicU64,
    in_trouble: AtomicBool,
    /// Whether the last window was a lesson in what is normal.
    is_lesson: AtomicBool,
    abnormal_windows: AtomicU32,
    is_overloaded: AtomicBool,
}

#[derive(Debug)]
struct Window {
    begun: AtomicI64,
    answers: AtomicU64,
    /// Sum of latency over normal, in thousandths.
    ratio_sum: AtomicU64,
    peak: AtomicU32,
    sent_away: AtomicU32,
}

/// What the shedder says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShedderView {
    pub limit: f64,
    pub at_once: u32,
    pub waiting: u32,
    pub is_overloaded: bool,
}

impl Shedder {
    /// A gate that starts at `initial` requests at once and never lets more than `ceiling` pass.
    #[must_use]
    pub fn new(initial: u32, ceiling: u32, now: Timestamp) -> Self {
        Self {
            limit: AtomicU64::new(f64::from(initial.min(ceiling).max(1)).to_bits()),
            ceiling: AtomicU32::new(ceiling.max(1)),
            at_once: AtomicU32::new(0),
            waiting: Default::default(),
            waiting_for_parts: Line::default(),
            window: Window::new(now),
            parts: Parts::new(),
            arrivals: Arrivals::default(),
            is_demand: AtomicBool::new(true),
            used: AtomicU64::new(0),
            in_trouble: AtomicBool::new(false),
            is_lesson: AtomicBool::new(true),
            abnormal_windows: AtomicU32::new(0),
            is_overloaded: AtomicBool::new(false),
        }
    }

    /// What it learnt of the upstream, for the one that comes after it.
    #[must_use]
    pub fn kept(&self) -> Vec<u64> {
        let figures = [self.limit.load(Relaxed), self.arrivals.calm().to_bits(), self.used.load(Relaxed)];
        figures.into_iter().chain(self.parts.kept()).collect()
    }

    /// Goes on with what another learnt, where that is of the same form.
    pub fn recall(&self, kept: &[u64]) {
        let is_figure = |bits: &u64| f64::from_bits(*bits).is_finite() && f64::from_bits(*bits) >= 0.0;
        let Some((figures, parts)) = kept.split_first_chunk::<3>() else { return };
        if !figures.iter().all(is_figure) || !self.parts.recall(parts) {
            return;
        }
        let [limit, calm_arrivals, used] = figures.map(f64::from_bits);
        self.limit.store(limit.max(LEAST).to_bits(), Relaxed);
        self.arrivals.set_calm(calm_arrivals);
        self.used.store(used.to_bits(), Relaxed);
    }

    /// What is normal is kept as it is while there is trouble.
    pub fn set_trouble(&self, in_trouble: bool) {
        self.in_trouble.store(in_trouble, Relaxed);
    }

    /// A plan's or the configuration's cap on requests at once.
    pub fn set_ceiling(&self, ceiling: u32) {
        self.ceiling.store(ceiling.max(1), Relaxed);
    }

    /// A request for a part of the site arrives.
    pub fn ask(&self, priority: Priority, part: u8, now: Timestamp) -> Room {
        self.close_window(now);
        if self.parts.is_known_to_wait(part, self.ceiling.load(Relaxed)) {
            self.parts.begin(part);
            return Room::Aside;
        }
        self.arrivals.add();
        self.parts.arrives(part);
        let class = usize::from(priority.0);
        let Err(queued) = self.enter(class, part, None) else { return Room::Go };
        let (line, places) = self.line(queued, part);
        let patience_ns = self.patience_ns(class);
        let is_hurried = class >= STRANGERS && self.is_demand.load(Relaxed);
        let stands = is_hurried && line.standing_ns(class, now) > STANDING_NS;
        let full = line.waiting(class) >= most_waiting(class, places);
        if patience_ns == 0 || stands || full {
            self.sends_away(queued);
            return Room::Full;
        }
        line.join(class, now);
        Room::Queue(queued)
    }

    /// A request that waits since `since` asks again. After `Go` and `Full` it waits no longer.
    pub fn again(
        &self,
        (priority, part): (Priority, u8),
        queued: Queued,
        since: Timestamp,
        now: Timestamp,
    ) -> Room {
        self.close_window(now);
        let class = usize::from(priority.0);
        let room = match self.enter(class, part, Some(queued)) {
            Ok(()) => Room::Go,
            Err(_) if now.since_ns(since) >= self.patience_ns(class) => {
                self.sends_away(queued);
                Room::Full
            }
            // Its part has become slow, or is not any more.
            Err(other) if other != queued => {
                self.line(other, part).0.join(class, now);
                Room::Queue(other)
            }
            Err(_) => return Room::Queue(queued),
        };
        self.give_up(priority, queued);
        room
    }

    /// A waiting request went away.
    pub fn give_up(&self, priority: Priority, queued: Queued) {
        self.line(queued, 0).0.leave(usize::from(priority.0));
    }

    /// For how long a class waits now.
    fn patience_ns(&self, class: usize) -> i64 {
        if self.is_demand.load(Relaxed) { PATIENCE_NS[class] } else { PATIENCE_WITHOUT_DEMAND_NS[class] }
    }

    fn sends_away(&self, queued: Queued) {
        if queued == Queued::Site {
            self.window.sent_away.fetch_add(1, Relaxed);
        }
    }

    /// Who waits for that, and how many places there are.
    fn line(&self, queued: Queued, part: u8) -> (&Line, f64) {
        match queued {
            Queued::Site => (&self.waiting, self.allowed()),
            Queued::Part => (&self.waiting_for_parts, self.parts.cap(part).unwrap_or(LEAST)),
        }
    }

    /// A request that went to the upstream was answered.
    pub fn done(&self, answer: &Answer, now: Timestamp) {
        self.abandoned(answer.part);
        let latency_us = answer.latency_ns as f64 / 1e3;
        let normal_us = self.parts.normal_us(answer.part);
        if !answer.failed {
            self.parts.learn(answer.part, latency_us, self.lesson());
        }
        let latency_us = if answer.failed { latency_us.max(WORST_RATIO * normal_us) } else { latency_us };
        let (ratio, excess_us) =
            if normal_us > 0.0 { (latency_us / normal_us, latency_us - normal_us) } else { (1.0, 0.0) };
        let ratio = if answer.failed { WORST_RATIO } else { ratio.min(WORST_RATIO) };
        self.parts.answered(answer.part, ratio, excess_us);
        self.window.ratio_sum.fetch_add((ratio * 1e3) as u64, Relaxed);
        self.window.answers.fetch_add(1, Relaxed);
        self.close_window(now);
    }

    /// A request that held no place is over; `latency_ns` where it was answered.
    pub fn back(&self, part: u8, latency_ns: Option<u64>) {
        self.parts.end(part);
        if let Some(latency_ns) = latency_ns {
            self.parts.learn(part, latency_ns as f64 / 1e3, self.lesson());
        }
    }

    /// A request that went to the upstream was given up by its client.
    pub fn abandoned(&self, part: u8) {
        less(&self.at_once);
        self.parts.end(part);
    }

    /// Seconds after which a client that was sent away should try again; spread, so that they do
    /// not come back together.
    #[must_use]
    pub fn retry_after_s(&self, client: u64) -> u32 {
        let base = if self.is_overloaded.load(Relaxed) { 3 } else { 1 };
        base + (hash::mix(client) % 4) as u32
    }

    #[must_use]
    pub fn view(&self) -> ShedderView {
        ShedderView {
            limit: self.allowed(),
            at_once: self.at_once.load(Relaxed),
            waiting: self.waiting.all_waiting() + self.waiting_for_parts.all_waiting(),
            is_overloaded: self.is_overloaded.load(Relaxed),
        }
    }

    /// Takes a place for a request that waits, or for a newcomer; or says what it has to wait for.
    fn enter(&self, class: usize, part: u8, waits: Option<Queued>) -> Result<(), Queued> {
        let is_next = |queued, line: &Line| match waits {
            Some(own) if own == queued => line.lets_by(class),
            _ => line.lets_newcomer_by(class),
        };
        let cap = self.parts.cap(part);
        let is_next_there = cap.is_none() || is_next(Queued::Part, &self.waiting_for_parts);
        let places = cap.map_or(u32::MAX, |cap| self.places(class, cap));
        if !is_next_there || !self.parts.begin_within(part, places) {
            return Err(Queued::Part);
        }
        if !is_next(Queued::Site, &self.waiting) || !self.take_place(class) {
            self.parts.end(part);
            return Err(Queued::Site);
        }
        Ok(())
    }

    /// How many of so many places are for requests of a class.
    fn places(&self, class: usize, allowed: f64) -> u32 {
        match class {
            _ if class == usize::from(UNLIMITED) => u32::MAX,
            _ if class == CLASSES - 1 => ((allowed / 2.0) as u32).max(1),
            _ if class >= STRANGERS && self.in_trouble.load(Relaxed) => {
                ((allowed - (allowed * KEPT_FREE).max(1.0)) as u32).max(1)
            }
            _ => (allowed as u32).max(1),
        }
    }

    fn take_place(&self, class: usize) -> bool {
        let allowed = self.places(class, self.allowed());
        let taken = self.at_once.fetch_update(Relaxed, Relaxed, |n| (n < allowed).then_some(n + 1));
        if let Ok(before) = taken {
            self.window.peak.fetch_max(before + 1, Relaxed);
        }
        taken.is_ok()
    }

    fn allowed(&self) -> f64 {
        f64::from_bits(self.limit.load(Relaxed)).min(f64::from(self.ceiling.load(Relaxed)))
    }

    /// What an answer teaches now.
    fn lesson(&self) -> Lesson {
        match self.in_trouble.load(Relaxed) {
            true => Lesson::Trouble,
            false if self.is_lesson.load(Relaxed) => Lesson::Calm,
            false => Lesson::Abnormal,
        }
    }

    /// Whoever first sees that the window's time is up closes it.
    fn close_window(&self, now: Timestamp) {
        let begun = self.window.begun.load(Relaxed);
        let age_ns = now.0 - begun;
        let has_enough = self.window.answers.load(Relaxed) >= WINDOW_ANSWERS;
        if age_ns < WINDOW_NS || (!has_enough && age_ns < 10 * WINDOW_NS) {
            return;
        }
        if self.window.begun.compare_exchange(begun, now.0, Relaxed, Relaxed).is_err() {
            return;
        }
        let closed = self.window.take();
        let ratio =
            if closed.answers == 0 { 1.0 } else { closed.ratio_sum as f64 / 1e3 / closed.answers as f64 };
        let age_s = age_ns as f64 / 1e9;
        let waits = self.waiting.all_waiting() > 0;
        let is_full = f64::from(closed.peak) + 1.0 > self.allowed();
        self.is_overloaded.store(closed.sent_away > 0 || (waits && is_full), Relaxed);
        let is_lesson = self.judge_lesson(ratio, closed.sent_away > 0 || is_full, closed.peak);
        let is_demand = self.arrivals.close_window(age_s, is_lesson);
        self.is_demand.store(is_demand, Relaxed);
        let elsewhere = self.parts.close_window((age_s, is_lesson), ratio > TOLERANCE, self.allowed());
        self.adjust(elsewhere.unwrap_or(ratio), is_demand, closed.peak);
    }

    /// Whether the window is a lesson in what is normal.
    fn judge_lesson(&self, ratio: f64, was_full: bool, peak: u32) -> bool {
        if self.in_trouble.load(Relaxed) {
            return false;
        }
        let is_abnormal = ratio > ABNORMAL || was_full;
        let windows = if is_abnormal { self.abnormal_windows.fetch_add(1, Relaxed) + 1 } else { 0 };
        self.abnormal_windows.store(windows, Relaxed);
        let is_lesson = !is_abnormal || windows > RELEARN_WINDOWS;
        self.is_lesson.store(is_lesson, Relaxed);
        if is_lesson {
            self.parts.bear();
            let used = f64::from_bits(self.used.load(Relaxed)) * FORGET;
            self.used.store(used.max(f64::from(peak)).to_bits(), Relaxed);
        }
        is_lesson
    }

    fn adjust(&self, ratio: f64, is_demand: bool, peak: u32) {
        let limit = f64::from_bits(self.limit.load(Relaxed));
        let ceiling = f64::from(self.ceiling.load(Relaxed));
        let room = 0.5 * math::sqrt(limit);
        let in_trouble = self.in_trouble.load(Relaxed);
        let kept =
            (f64::from_bits(self.used.load(Relaxed)) * KEPT_OVER_USED).max(self.arrivals.calm()).max(KEPT);
        let is_used = f64::from(peak) * 2.0 >= limit;
        let next = if ratio > TOLERANCE && is_demand {
            followed(limit, ratio)
        } else if is_used {
            if in_trouble && is_demand { limit + room * 0.3 } else { limit * START_GROWTH }
        } else if !in_trouble && limit > kept {
            (limit * EASE).max(kept)
        } else {
            limit
        };
        let next = next.clamp(LEAST.min(ceiling), ceiling);
        self.limit.store(next.to_bits(), Relaxed);
    }
}

/// A limit where answers take `ratio` times as long as usual.
pub(super) fn followed(limit: f64, ratio: f64) -> f64 {
    let target = limit * (TOLERANCE / ratio).max(0.5) + 0.5 * math::sqrt(limit);
    limit + (target - limit) * if target < limit { 0.5 } else { 0.3 }
}

fn most_waiting(class: usize, places: f64) -> u32 {
    let places = places as u32;
    if class < 2 { places.saturating_mul(64).max(1_024) } else { places.saturating_mul(8).max(64) }
}

impl Window {
    fn new(now: Timestamp) -> Self {
        Self {
            begun: AtomicI64::new(now.0),
            answers: AtomicU64::new(0),
            ratio_sum: AtomicU64::new(0),
            peak: AtomicU32::new(0),
            sent_away: AtomicU32::new(0),
        }
    }

    fn take(&self) -> Closed {
        Closed {
            answers: self.answers.swap(0, Relaxed),
            ratio_sum: self.ratio_sum.swap(0, Relaxed),
            peak: self.peak.swap(0, Relaxed),
            sent_away: self.sent_away.swap(0, Relaxed),
        }
    }
}

struct Closed {
    answers: u64,
    ratio_sum: u64,
    peak: u32,
    sent_away: u32,
}

#[cfg(test)]
mod tests;
