//! The ticks of one input between being counted and being handed out in order.
//!
//! A tick stays open for the input's lag after the latest one. Time stamps that stand alone more
//! than a day from the rest do not move the clock: they wait at their place and, if nothing ever
//! comes to join them, are counted into the nearest tick. Where the clock of the input was set
//! back, later ticks are shifted so that time goes on.

use super::Tally;
use super::ticks::{Part, Tick};
use seawall_model::Timestamp;
use seawall_model::change::Change;
use seawall_model::time::SECOND_NS;
use std::collections::BTreeMap;

/// How far from its neighbours a time stamp must lie to be doubted.
pub(super) const JUMP_NS: i64 = 86_400 * SECOND_NS;
/// Inputs of fewer records are too few to tell a stray from the rest, unless years lie between them.
const JUDGED_RECORDS: u64 = 100;
/// Share of the records, as one in so many, that may be strays.
const STRAY_SHARE: u64 = 100;
/// The same three for strays that are years away: no input of a few records lasts that long.
const YEARS_NS: i64 = 400 * JUMP_NS;
const JUDGED_RECORDS_YEARS: u64 = 20;
const STRAY_SHARE_YEARS: u64 = 20;
/// Changes of one input that are kept until their time comes.
const CHANGE_LIMIT: usize = 10_000;

/// The open ticks of one input.
pub(super) struct Timeline<T> {
    width_ns: i64,
    lag_ns: i64,
    open: BTreeMap<Tick, Part<T>>,
    /// The latest tick that is no stray.
    high: Option<Tick>,
    /// Where the input seems to begin, until something of it was read.
    guess: Option<Tick>,
    /// Ticks before this one were handed out.
    floor: Option<Tick>,
    /// The first tick that was handed out.
    low: Option<Tick>,
    shift: i64,
    records: u64,
    changes: Vec<Change>,
    changes_dropped: u64,
    out_of_order: u64,
    strays: u64,
    set_backs: u64,
    ended: bool,
}

impl<T: Tally> Timeline<T> {
    pub(super) fn new(width_ns: i64, lag_ns: i64) -> Self {
        Self {
            width_ns,
            lag_ns,
            open: BTreeMap::new(),
            high: None,
            guess: None,
            floor: None,
            low: None,
            shift: 0,
            records: 0,
            changes: Vec::new(),
            changes_dropped: 0,
            out_of_order: 0,
            strays: 0,
            set_backs: 0,
            ended: false,
        }
    }

    /// Where the input seems to begin, before it is read.
    pub(super) fn begin(&mut self, first: Timestamp) {
        self.guess = Some(super::tick_of(first, self.width_ns));
    }

    pub(super) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// Records whose stamps lie so far from all others that they took the time of their neighbours.
    pub(super) fn strays(&self) -> u64 {
        self.strays
    }

    /// Places where the clock of the input was set back.
    pub(super) fn set_backs(&self) -> u64 {
        self.set_backs
    }

    /// The nearest time to `time` in the course that was handed out: what a stray bears is no part of it.
    pub(super) fn within(&self, time: Timestamp) -> Timestamp {
        let (Some(low), Some(floor), 0) = (self.low, self.floor, self.shift) else { return time };
        let (first, last) = (self.start_of(low), self.start_of(floor - 1));
        let near = (first.plus_ns(-JUMP_NS)..=last.plus_ns(JUMP_NS)).contains(&time);
        if near { time } else { time.clamp(first, last) }
    }

    pub(super) fn changes_dropped(&self) -> u64 {
        self.changes_dropped
    }

    /// No tick before this instant will be opened any more.
    pub(super) fn watermark(&self) -> Timestamp {
        match self.high.or(self.guess) {
            _ if self.ended => Timestamp::MAX,
            Some(high) => self.start_of(high).plus_ns(-self.lag_ns),
            None => Timestamp::MIN,
        }
    }

    /// Start and width of the oldest open tick.
    pub(super) fn head(&self) -> Option<(Timestamp, i64)> {
        self.open.first_key_value().map(|(&tick, _)| (self.start_of(tick), self.width_ns))
    }

    /// Hands out the oldest open tick.
    pub(super) fn take_head(&mut self) -> Option<T> {
        let (tick, part) = self.open.pop_first()?;
        self.floor = Some(tick.saturating_add(1));
        self.low = self.low.or(Some(tick));
        Some(part.tally)
    }

    /// Hands out the changes before `limit`.
    pub(super) fn changes_before(&mut self, limit: Timestamp, on_change: &mut dyn FnMut(Change)) {
        if self.changes.first().is_none_or(|change| change.time >= limit) {
            return;
        }
        let count = self.changes.partition_point(|change| change.time < limit);
        self.changes.drain(..count).for_each(on_change);
    }

    /// Takes what one pull has counted.
    pub(super) fn accept(&mut self, mut parts: Vec<Part<T>>, changes: Vec<Change>) {
        let room = CHANGE_LIMIT.saturating_sub(self.changes.len());
        self.changes_dropped += changes.len().saturating_sub(room) as u64;
        self.changes.extend(changes.into_iter().take(room));
        self.changes.sort_by_key(|change| change.time);
        let pulled: u64 = parts.iter().map(|part| part.records).sum();
        self.records += pulled;
        self.follow_set_back(&mut parts, pulled);
        for part in parts {
            self.add(part);
        }
        if self.floor.is_none() {
            self.drop_early_strays();
        }
        self.raise(pulled);
    }

    /// No more will come: decides on the strays.
    pub(super) fn end(&mut self) {
        self.ended = true;
        let Some(high) = self.high else { return };
        let mut last = high;
        let is_apart = |tick: &&Tick| {
            let gap = tick.saturating_sub(last);
            last = if gap > self.jump_ticks() { last } else { **tick };
            gap > self.jump_ticks()
        };
        let Some(first) =
            self.open.range(high.saturating_add(1)..).map(|(tick, _)| tick).find(is_apart).copied()
        else {
            return;
        };
        let strays: u64 = self.open.range(first..).map(|(_, part)| part.records).sum();
        if self.few(strays, self.records, first.saturating_sub(last)) {
            let late = self.open.split_off(&first);
            self.strays += strays;
            for part in late.into_values() {
                self.join(last, part);
            }
        }
    }

    fn start_of(&self, tick: Tick) -> Timestamp {
        Timestamp(tick.saturating_mul(self.width_ns))
    }

    fn jump_ticks(&self) -> i64 {
        JUMP_NS / self.width_ns
    }

    /// Shifts time where most of a pull lies before what was handed out already.
    fn follow_set_back(&mut self, parts: &mut [Part<T>], pulled: u64) {
        if let Some(floor) = self.floor {
            let shift = self.shift;
            let late = |part: &&Part<T>| part.tick.saturating_add(shift) < floor;
            let late_records: u64 = parts.iter().filter(late).map(|part| part.records).sum();
            let earliest = parts.iter().filter(late).map(|part| part.tick).min();
            if let Some(earliest) = earliest.filter(|_| late_records * 2 > pulled) {
                self.shift = self.high.unwrap_or(floor).saturating_sub(earliest);
                self.set_backs += 1;
            }
        }
        for part in parts {
            part.tick = part.tick.saturating_add(self.shift);
        }
    }

    fn add(&mut self, part: Part<T>) {
        match self.floor {
            Some(floor) if part.tick < floor => {
                let is_stray = floor.saturating_sub(part.tick) > self.jump_ticks();
                *(if is_stray { &mut self.strays } else { &mut self.out_of_order }) += part.records;
                let earliest = self.open.first_key_value().map_or(floor, |(&tick, _)| tick);
                self.join(earliest, part);
            }
            _ => self.join(part.tick, part),
        }
    }

    fn join(&mut self, tick: Tick, part: Part<T>) {
        if let Some(open) = self.open.get_mut(&tick) {
            open.records += part.records;
            open.tally.merge(part.tally);
        } else {
            self.open.insert(tick, Part { tick, ..part });
        }
    }

    /// Moves strays before the beginning of the input into its first tick.
    fn drop_early_strays(&mut self) {
        let mut before = 0;
        let mut last: Option<Tick> = None;
        let mut cut = None;
        for (&tick, part) in &self.open {
            let gap = last.map_or(0, |last| tick.saturating_sub(last));
            if !self.few(before, self.records, Tick::MAX) {
                break;
            }
            if gap > self.jump_ticks() && self.few(before, self.records, gap) {
                cut = Some((tick, before));
            }
            before += part.records;
            last = Some(tick);
        }
        let Some((first, strays)) = cut else { return };
        let rest = self.open.split_off(&first);
        let early = std::mem::replace(&mut self.open, rest);
        self.strays += strays;
        for part in early.into_values() {
            self.join(first, part);
        }
    }

    /// Moves the clock to the latest tick that is no stray.
    fn raise(&mut self, pulled: u64) {
        let mut above = 0;
        let mut latest = None;
        let mut next: Option<Tick> = None;
        for (&tick, part) in self.open.iter().rev() {
            let gap = next.map_or(0, |next| next.saturating_sub(tick));
            if gap > self.jump_ticks() && self.few(above, pulled, gap) {
                latest = None;
            }
            latest = latest.or(Some(tick));
            above += part.records;
            next = Some(tick);
            if !self.few(above, pulled, Tick::MAX) {
                break;
            }
        }
        // A lone latest tick may also lie far from what was handed out before.
        let reach = self.high.map_or(Tick::MAX, |high| high.saturating_add(self.jump_ticks()));
        let Some(latest) = latest else { return };
        let gap = self.high.map_or(0, |high| latest.saturating_sub(high));
        let doubtful = self.floor.is_some() && latest > reach && self.few(above, self.records, gap);
        // What came with it goes on.
        let latest =
            if doubtful { self.open.range(..=reach).next_back().map(|(&t, _)| t) } else { Some(latest) };
        self.high = self.high.max(latest);
    }

    /// Whether so many records may be strays, which lie so many ticks from the rest.
    fn few(&self, strays: u64, of: u64, gap: Tick) -> bool {
        let years = gap > YEARS_NS / self.width_ns
            && self.records >= JUDGED_RECORDS_YEARS
            && strays * STRAY_SHARE_YEARS <= of;
        years || (self.records >= JUDGED_RECORDS && strays * STRAY_SHARE <= of)
    }
}
