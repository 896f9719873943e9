//! Captures: packets found and decoded in order, then followed by flow in a fixed number of shards.
//!
//! Most of what a packet costs is waiting for memory. So a few hundred kilobytes are read, searched and
//! decoded before the next are, and what the tables hold of some packets is asked for at once before the
//! first of them is followed. Where there are more threads, others follow while this one reads on.

use super::followers::{End, Followers, Item, Load, SHARDS};
use super::packets::{Chunk, Finder, Record};
use super::ticks::Tick;
use super::{Options, Pulled, Tally, tick_of};
use crate::flow::Flow;
use crate::report::InputReport;
use seawall_model::{Timestamp, hash};
use seawall_wire::packet::capture::{Decoder, Step};
use seawall_wire::packet::frame::{self, Oddity};
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::thread::Scope;

/// Changes of tick in one batch: bounds the tallies alive at once.
const BATCH_TICK_LIMIT: usize = 16;
/// Packets in one batch.
const BATCH_RECORDS: usize = 65_536;

/// The time of the first packet of a sample.
pub(super) fn first_time(sample: &[u8]) -> Option<Timestamp> {
    let mut decoder = Decoder::new();
    let mut rest = sample;
    loop {
        match decoder.next(rest) {
            Step::Packet { time, .. } => return Some(time),
            Step::NeedMore => return None,
            step => rest = &rest[step.consumed()..],
        }
        if rest.is_empty() {
            return None;
        }
    }
}

/// Reads one capture.
pub(super) struct CaptureReader<T> {
    /// A hash of the input's number.
    input: u64,
    kind_name: String,
    finder: Finder,
    /// Packets that were found; those before `next` are decoded.
    chunk: Arc<Chunk>,
    next: usize,
    followers: Followers<T>,
    /// Ends of the batches that are being followed.
    begun: VecDeque<End>,
    odd: [u64; Oddity::ALL.len()],
    links: Vec<u16>,
    /// Memory of what is done with.
    spare_loads: Vec<Load>,
    spare_chunks: Vec<Chunk>,
}

impl<T: Tally> CaptureReader<T> {
    pub(super) fn new<'scope, 'env>(
        input: usize,
        kind_name: String,
        stream: Box<dyn Read + Send>,
        options: &Options,
        scope: &'scope Scope<'scope, 'env>,
        new: &'env (impl Fn() -> T + Sync),
    ) -> Self
    where
        T: 'env,
    {
        let followers = match options.threads {
            0 | 1 => Followers::here(&options.flow, options.capture_tick_ns),
            threads => Followers::threads(threads, &options.flow, options.capture_tick_ns, scope, new),
        };
        Self {
            input: hash::mix(input as u64),
            kind_name,
            finder: Finder::new(stream, options.capture_lag_ns),
            chunk: Arc::default(),
            next: 0,
            followers,
            begun: VecDeque::new(),
            odd: [0; Oddity::ALL.len()],
            links: Vec::new(),
            spare_loads: Vec::new(),
            spare_chunks: Vec::new(),
        }
    }

    /// Reads the next batch of packets.
    pub(super) fn pull(
        &mut self,
        options: &Options,
        new: &impl Fn() -> T,
        report: &mut InputReport,
    ) -> Pulled<T> {
        let is_last = |begun: &VecDeque<End>| begun.back().is_some_and(|end| end.last);
        while self.begun.len() <= self.followers.batches_ahead() && !is_last(&self.begun) {
            let end = self.read_batch(options, new, report);
            self.followers.end(end);
            self.begun.push_back(end);
        }
        let end = self.begun.pop_front().unwrap_or_default();
        let mut pulled = Pulled { parts: Vec::new(), changes: Vec::new(), end: end.last };
        let mut oddities = BTreeMap::new();
        for done in self.followers.done(end, new) {
            pulled.parts.extend(done.parts);
            done.oddities.into_iter().for_each(|(name, count)| *oddities.entry(name).or_insert(0) += count);
        }
        report.records = self.finder.packets;
        if end.last {
            self.account(report);
            oddities.into_iter().for_each(|(name, count)| report.odd(name, count));
        }
        pulled
    }

    /// Has as many packets followed as fit into a batch.
    fn read_batch(&mut self, options: &Options, new: &impl Fn() -> T, report: &mut InputReport) -> End {
        if self.finder.whole && self.next == self.chunk.records.len() {
            self.finder.begin_pull();
        }
        let mut batch = Batch::new(options.capture_tick_ns);
        while !batch.full {
            if self.next == self.chunk.records.len() {
                let Some(chunk) = self.finder.next(report, &mut self.spare_chunks) else { break };
                let done = std::mem::replace(&mut self.chunk, Arc::new(chunk));
                self.spare_chunks.extend(Arc::into_inner(done));
                self.next = 0;
            }
            let until = batch.extend(&self.chunk.records, self.next..self.chunk.records.len());
            let load = self.decode(until);
            self.next = until;
            for load in self.followers.follow(load, new) {
                self.take_back(load);
            }
        }
        let latest = (batch.records > 0).then_some(batch.latest);
        let last = self.finder.at_end() && self.next == self.chunk.records.len();
        End { latest, open_tick: batch.open_tick, last }
    }

    /// Decodes the packets of the chunk up to `until`.
    fn decode(&mut self, until: usize) -> Load {
        let chunk = Arc::clone(&self.chunk);
        let records = &chunk.records[self.next..until];
        if let Some(link) = records.first().map(|record| record.link).filter(|l| !self.links.contains(l)) {
            self.links.push(link);
        }
        let mut load = self.spare_loads.pop().unwrap_or_default();
        for (record, number) in records.iter().zip(chunk.first + self.next as u64..) {
            let data = record.of(&chunk.bytes);
            let frame = match frame::decode(record.link, data, record.original, record.time) {
                Ok(frame) => frame,
                Err(oddity) => {
                    self.odd[oddity as usize] += 1;
                    continue;
                }
            };
            if let Some(oddity) = frame.oddity {
                self.odd[oddity as usize] += 1;
            }
            let flow = Flow::of(&frame.packet);
            load.shards[flow.shard(SHARDS)].push(Item {
                payload: place(frame.packet.payload, &chunk.bytes),
                frame: frame.without_payload(),
                flow,
                priority: hash::combine(self.input, number),
            });
        }
        load.chunk = chunk;
        load
    }

    /// Keeps the memory of what nobody uses any more.
    fn take_back(&mut self, mut load: Load) {
        self.spare_chunks.extend(Arc::into_inner(std::mem::take(&mut load.chunk)));
        load.shards.iter_mut().for_each(Vec::clear);
        self.spare_loads.push(load);
    }

    /// Writes what only the whole capture tells.
    fn account(&mut self, report: &mut InputReport) {
        for oddity in Oddity::ALL {
            report.odd(oddity.name(), self.odd[oddity as usize]);
        }
        let clock = &self.finder.clock;
        report.out_of_order += clock.late;
        report.time_jumps += clock.strays + clock.set_backs;
        report.odd(super::CLOCK_SET_BACK, clock.set_backs);
        report.cut_short = self.finder.broken();
        self.links.sort_unstable();
        let mut names: Vec<&str> = self.links.iter().map(|&link| frame::link_name(link)).collect();
        names.dedup();
        if !names.is_empty() {
            let (kind, packing) = self.kind_name.split_once(" in ").unwrap_or((&self.kind_name, ""));
            let packing = if packing.is_empty() { String::new() } else { format!(" in {packing}") };
            report.kind = format!("{kind}, {}{packing}", names.join(" and "));
        }
    }
}

/// Where in `bytes` a part of them lies.
fn place(part: &[u8], bytes: &[u8]) -> Range<usize> {
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr() as usize - bytes.as_ptr() as usize;
    start..start + part.len()
}

/// How far a batch reaches: settled packets that span few enough ticks.
struct Batch {
    width_ns: i64,
    records: usize,
    /// Changes of tick.
    turns: usize,
    span: (i64, i64),
    open_tick: Option<Tick>,
    latest: Timestamp,
    full: bool,
}

impl Batch {
    fn new(width_ns: i64) -> Self {
        let span = (i64::MAX, i64::MIN);
        Self { width_ns, records: 0, turns: 0, span, open_tick: None, latest: Timestamp::MIN, full: false }
    }

    /// Takes in as many of some records as fit, and returns the end of those.
    fn extend(&mut self, records: &[Record], range: Range<usize>) -> usize {
        for index in range.clone() {
            let time = records[index].time;
            if time.0 < self.span.0 || time.0 >= self.span.1 {
                self.turns += 1;
                self.full = self.turns > BATCH_TICK_LIMIT;
                if self.full {
                    return index;
                }
                let tick = tick_of(time, self.width_ns);
                let start = tick.saturating_mul(self.width_ns);
                self.span = (start, start.saturating_add(self.width_ns));
                self.open_tick = Some(tick);
            }
            self.latest = self.latest.max(time);
            self.records += 1;
            self.full = self.records == BATCH_RECORDS;
            if self.full {
                return index + 1;
            }
        }
        range.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::Observation;

    struct Nothing;

    impl Tally for Nothing {
        fn observe(&mut self, _: &Observation<'_>, _: u64) {}
        fn merge(&mut self, _: Self) {}
        fn is_empty(&self) -> bool {
            true
        }
    }

    /// A capture of so many frames of 1,500 bytes that are no IP.
    fn capture(frames: u32) -> Vec<u8> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let mut bytes = words(&[0xA1B2_C3D4, 4 << 16 | 2, 0, 0, 65_535, 1]);
        for frame in 0..frames {
            bytes.extend(words(&[1_000 + frame / 1_000, 0, 1_500, 1_500]));
            bytes.extend([0; 1_500]);
        }
        bytes
    }

    /// Broke: each pull left a buffer behind, so that a capture took a sixteenth of its size in memory.
    #[test]
    fn a_long_capture_is_read_in_the_memory_of_a_short_one() {
        let options = Options::default();
        let stream = Box::new(std::io::Cursor::new(capture(30_000)));
        let new = || Nothing;
        std::thread::scope(|scope| {
            let mut reader = CaptureReader::new(0, "pcap".to_owned(), stream, &options, scope, &new);
            let mut report = InputReport::default();
            while !reader.pull(&options, &new, &mut report).end {}
            assert_eq!(report.records, 30_000);
            assert!(reader.spare_chunks.len() < 5, "{}", reader.spare_chunks.len());
        });
    }
}
