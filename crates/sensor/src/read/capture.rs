//! Captures: packets decoded in parallel, then followed by flow in a fixed number of shards.
//!
//! Each shard has its own flow table and sees its packets in order, and tallies merge exactly, so
//! that the result is the same whichever thread runs it.
//!
//! Most of what a packet costs is waiting for memory. So a few hundred kilobytes are read, searched,
//! decoded and followed before the next are, and what the tables hold of some packets is asked for at
//! once before the first of them is followed.

use super::clock::Clock;
use super::feed::Feed;
use super::ticks::{Tick, TickSet};
use super::{Options, Pulled, Tally, tick_of};
use crate::flow::{Flow, Sink, Table};
use crate::pool;
use crate::report::InputReport;
use seawall_model::observation::{Observation, Packet};
use seawall_model::report::BYTES_UNREAD;
use seawall_model::{Timestamp, hash};
use seawall_wire::packet::capture::{Decoder, Step};
use seawall_wire::packet::frame::{self, Frame, Oddity};
use std::io::Read;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Parts that the flows of a capture are divided into, whatever the number of threads.
const SHARDS: usize = 16;
/// Groups of shards that count into the same tallies where there are several threads; alone, all
/// count into one. The more packets a tally sees, the less it costs to sample them, and the fewer
/// tallies are merged; what comes of it is the same, for tallies merge exactly.
const LANES: usize = 4;
/// Bytes of a capture that are worked on at once.
const PULL_BYTES: usize = 4 << 20;
/// Of that, so much is read and searched in one step where no other thread reads ahead.
const STEP_BYTES: usize = 256 * 1024;
/// Changes of tick in one batch: bounds the tallies alive at once.
const BATCH_TICK_LIMIT: usize = 16;
/// Packets in one batch: enough that a shard finds much of its tables in the processor's cache.
const BATCH_RECORDS: usize = 65_536;
/// Packets whose places in the tables are fetched together, before the first is followed.
const WARM_ITEMS: usize = 32;
/// Packets that are decoded together before they are followed.
const RUN_RECORDS: usize = 1_024;
/// Looks for work after which a thread leaves the rest to the others.
const PATIENCE: u32 = 64;
/// Ethernet, IPv4 and TCP without options.
const HEADERS_BYTES: usize = 54;
/// Batches of fewer packets are not worth a second thread.
const PARALLEL_RECORDS: usize = 4096;

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

/// Where in the buffer a packet lies.
#[derive(Clone, Copy)]
struct Record {
    time: Timestamp,
    at: usize,
    captured: u32,
    original: u32,
    link: u16,
}

/// Reads one capture.
pub(super) struct CaptureReader<T> {
    input: usize,
    kind_name: String,
    feed: Feed,
    decoder: Decoder,
    clock: Clock,
    lanes: Vec<Mutex<Lane<T>>>,
    /// Packets found in the buffer; those before `next` are done.
    records: Vec<Record>,
    next: usize,
    /// Records whose time was settled.
    settled: usize,
    /// Bytes of the buffer that were searched for packets.
    searched: usize,
    /// All that is worked on at once was searched.
    whole: bool,
    packets: u64,
    odd: [u64; Oddity::ALL.len()],
    links: Vec<u16>,
    /// Empty pieces of earlier batches: their memory is used again.
    spare: Mutex<Vec<Piece<'static>>>,
}

impl<T: Tally> CaptureReader<T> {
    pub(super) fn new(
        input: usize,
        kind_name: String,
        stream: Box<dyn Read + Send>,
        options: &Options,
    ) -> Self {
        let lanes = if options.threads > 1 { LANES } else { 1 };
        let lane = |_| {
            let tables = (0..SHARDS / lanes).map(|_| Table::new(&options.flow, SHARDS)).collect();
            Mutex::new(Lane { tables, ticks: TickSet::new(options.capture_tick_ns), done: 0 })
        };
        Self {
            input,
            kind_name,
            feed: Feed::new(stream),
            decoder: Decoder::new(),
            clock: Clock::new(options.capture_lag_ns),
            lanes: (0..lanes).map(lane).collect(),
            records: Vec::new(),
            next: 0,
            settled: 0,
            searched: 0,
            whole: false,
            packets: 0,
            odd: [0; Oddity::ALL.len()],
            links: Vec::new(),
            spare: Mutex::default(),
        }
    }

    /// Reads the next batch of packets.
    pub(super) fn pull(
        &mut self,
        options: &Options,
        new: &(impl Fn() -> T + Sync),
        report: &mut InputReport,
    ) -> Pulled<T> {
        if self.next == self.settled && self.whole {
            self.forget_done();
        }
        let mut batch = Batch::new(options.capture_tick_ns);
        while !batch.full {
            if self.next == self.settled && !self.search(options, report) {
                break;
            }
            let until = batch.extend(&self.records, self.next..self.settled);
            self.follow(until, options, new);
            self.next = until;
        }
        let everything = self.feed.at_end() && self.searched == self.feed.bytes().len();
        let end = everything && self.next == self.records.len();
        let mut pulled = Pulled { parts: Vec::new(), changes: Vec::new(), end };
        for lane in &mut self.lanes {
            let Ok(lane) = lane.get_mut() else { continue };
            if batch.records > 0 {
                lane.advance(batch.latest, new);
            }
            if end {
                lane.finish(new);
            }
            // The next batch goes on with the tick in which this one ends.
            match batch.open_tick.filter(|_| !end) {
                Some(open) => pulled.parts.extend(lane.ticks.drain_but(open)),
                None => pulled.parts.extend(lane.ticks.drain()),
            }
        }
        report.records = self.packets;
        if end {
            self.account(report);
        }
        pulled
    }

    /// Settles the times of all packets whose successors are known.
    fn settle(&mut self, report: &mut InputReport) {
        let everything = self.feed.at_end() && self.searched == self.feed.bytes().len();
        let hold_back = if everything { 0 } else { Clock::LOOK_AHEAD };
        let until = self.records.len().saturating_sub(hold_back);
        while self.settled < until {
            let following = self.records[self.settled + 1..].iter().map(|record| record.time);
            let time = self.clock.settle(self.records[self.settled].time, following);
            self.records[self.settled].time = time;
            report.saw(time);
            self.settled += 1;
        }
    }

    /// Decodes packets up to `until` and has their flows followed, a few at a time, so that what one
    /// step has read the next finds in the processor's cache. Threads take whatever is ready: a lane
    /// for which something was decoded, else more to decode.
    fn follow(&mut self, until: usize, options: &Options, new: &(impl Fn() -> T + Sync)) {
        let first = self.packets - (self.records.len() - self.next) as u64;
        let records = &self.records[self.next..until];
        let runs: Vec<Run<'_>> = records
            .chunks(RUN_RECORDS)
            .zip((first..).step_by(RUN_RECORDS))
            .map(|(records, first)| Run { records, first, piece: OnceLock::new() })
            .collect();
        let threads = if records.len() < PARALLEL_RECORDS { 1 } else { options.threads };
        let work = Work {
            bytes: self.feed.bytes(),
            input: hash::mix(self.input as u64),
            runs: &runs,
            begun: AtomicUsize::new(0),
            spare: &self.spare,
            lanes: &self.lanes,
        };
        pool::run(threads, threads, &|number| {
            if number == 1 {
                self.feed.read_ahead(PULL_BYTES);
            }
            work.share(number, new);
        });
        for lane in &mut self.lanes {
            lane.get_mut().unwrap_or_else(PoisonError::into_inner).done = 0;
        }
        let spare = self.spare.get_mut().unwrap_or_else(PoisonError::into_inner);
        for piece in runs.into_iter().filter_map(|run| run.piece.into_inner()) {
            for (sum, count) in self.odd.iter_mut().zip(piece.odd) {
                *sum += count;
            }
            if let Some(link) = piece.link.filter(|link| !self.links.contains(link)) {
                self.links.push(link);
            }
            spare.push(piece.emptied());
        }
    }

    /// Writes what only the whole capture tells.
    fn account(&mut self, report: &mut InputReport) {
        for oddity in Oddity::ALL {
            report.odd(oddity.name(), self.odd[oddity as usize]);
        }
        report.out_of_order += self.clock.late;
        report.time_jumps += self.clock.strays + self.clock.set_backs;
        report.odd(super::CLOCK_SET_BACK, self.clock.set_backs);
        report.cut_short = self.feed.broken();
        self.links.sort_unstable();
        let mut names: Vec<&str> = self.links.iter().map(|&link| frame::link_name(link)).collect();
        names.dedup();
        if !names.is_empty() {
            let (kind, packing) = self.kind_name.split_once(" in ").unwrap_or((&self.kind_name, ""));
            let packing = if packing.is_empty() { String::new() } else { format!(" in {packing}") };
            report.kind = format!("{kind}, {}{packing}", names.join(" and "));
        }
        let mut oddities = std::collections::BTreeMap::new();
        for lane in &mut self.lanes {
            let Ok(lane) = lane.get_mut() else { continue };
            for table in &lane.tables {
                table.oddities(&mut |name, count| *oddities.entry(name).or_insert(0) += count);
            }
        }
        for (name, count) in oddities {
            report.odd(name, count);
        }
    }

    /// Finds packets in the next bytes of what is worked on at once, and settles their times.
    /// `false` if there are none left.
    fn search(&mut self, options: &Options, report: &mut InputReport) -> bool {
        while self.next == self.settled && !self.whole {
            let step = if options.threads > 1 { PULL_BYTES } else { STEP_BYTES };
            let wanted = (self.feed.bytes().len() + step).min(PULL_BYTES);
            self.search_to(wanted, report);
            self.settle(report);
        }
        self.next < self.settled
    }

    /// Finds the packets up to byte `wanted`, as far as that does not depend on what follows it.
    fn search_to(&mut self, wanted: usize, report: &mut InputReport) {
        self.feed.fill(wanted);
        let (mut bytes, mut end) = self.feed.head(wanted);
        self.whole = end || wanted == PULL_BYTES;
        let mut touched = 0;
        while self.searched < bytes.len() {
            let step = self.decoder.next(&bytes[self.searched..]);
            if matches!(step, Step::Broken { .. }) && !self.whole {
                // Where sense begins again is searched for in all that is worked on at once.
                self.feed.fill(PULL_BYTES);
                (bytes, end) = self.feed.head(PULL_BYTES);
                self.whole = true;
                continue;
            }
            match step {
                Step::NeedMore if end => {
                    report.malformed += 1;
                    report.odd("record-cut-at-end", 1);
                    report.odd(BYTES_UNREAD, (bytes.len() - self.searched) as u64);
                    report.bytes += (bytes.len() - self.searched) as u64;
                    self.searched = bytes.len();
                    break;
                }
                Step::NeedMore => break,
                Step::Packet { time, link, original_length_bytes, data, .. } => {
                    let at = data.as_ptr() as usize - bytes.as_ptr() as usize;
                    // Has the end of the usual headers fetched while the next record is looked for.
                    touched += u64::from(data.get(HEADERS_BYTES).copied().unwrap_or(0));
                    let captured = data.len() as u32;
                    self.records.push(Record { time, at, captured, original: original_length_bytes, link });
                    self.packets += 1;
                }
                Step::Broken { reason, consumed } => {
                    report.malformed += 1;
                    report.odd(reason, 1);
                    report.odd(BYTES_UNREAD, consumed as u64);
                }
                Step::Skip { .. } => {}
            }
            self.searched += step.consumed();
            report.bytes += step.consumed() as u64;
        }
        std::hint::black_box(touched);
    }

    /// Drops what lies before the first packet not yet done.
    fn forget_done(&mut self) {
        let from = self.records.get(self.next).map_or(self.searched, |record| record.at);
        self.records.drain(..self.next);
        self.settled -= self.next;
        self.next = 0;
        for record in &mut self.records {
            record.at -= from;
        }
        self.searched -= from;
        self.whole = false;
        self.feed.consume(from);
    }
}

/// Packets that are decoded together, and what came of it.
struct Run<'a> {
    records: &'a [Record],
    /// Number of the first in its capture.
    first: u64,
    piece: OnceLock<Piece<'a>>,
}

/// What threads share while they decode and follow some packets.
struct Work<'w, 'a, T> {
    bytes: &'a [u8],
    input: u64,
    runs: &'w [Run<'a>],
    /// Runs that somebody decodes or has decoded.
    begun: AtomicUsize,
    spare: &'w Mutex<Vec<Piece<'static>>>,
    lanes: &'w [Mutex<Lane<T>>],
}

impl<T: Tally> Work<'_, '_, T> {
    /// Does what there is to do until all is done. Threads begin with different lanes.
    fn share(&self, number: usize, new: &(impl Fn() -> T + Sync)) {
        let mut idle = 0;
        loop {
            let (mut busy, mut open) = (false, false);
            for step in 0..self.lanes.len() {
                let index = (number + step) % self.lanes.len();
                let Ok(mut lane) = self.lanes[index].try_lock() else {
                    open = true;
                    continue;
                };
                let first_shard = index * (SHARDS / self.lanes.len());
                while let Some(piece) = self.runs.get(lane.done).and_then(|run| run.piece.get()) {
                    lane.follow(first_shard, piece, new);
                    lane.done += 1;
                    busy = true;
                }
                open |= lane.done < self.runs.len();
            }
            if busy || self.decode() {
                idle = 0;
                continue;
            }
            // Whoever is at work does the rest alone, if it takes long to give some of it away.
            idle += 1;
            if !open || idle > PATIENCE {
                break;
            }
            std::thread::yield_now();
        }
    }

    /// Decodes the next run. `false` if there is none.
    fn decode(&self) -> bool {
        let Some(run) = self.runs.get(self.begun.fetch_add(1, Ordering::Relaxed)) else { return false };
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut piece: Piece<'_> = spare.unwrap_or_default();
        piece.decode(self.bytes, run.records, self.input, run.first);
        run.piece.set(piece).is_ok()
    }
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

/// What one task has decoded, by shard.
#[derive(Default)]
struct Piece<'a> {
    shards: [Vec<Item<'a>>; SHARDS],
    odd: [u64; Oddity::ALL.len()],
    link: Option<u16>,
}

struct Item<'a> {
    frame: Frame<'a>,
    flow: Flow,
    priority: u64,
}

impl<'a> Piece<'a> {
    /// The same memory without contents, bound to no buffer. Threads come and go with each batch,
    /// and memory that one takes and another frees is slow to come by.
    fn emptied(self) -> Piece<'static> {
        let shards = self.shards.map(|mut items| {
            items.clear();
            // Nothing is left to convert: collecting in place only changes the lifetime.
            items.into_iter().map_while(|_| None).collect()
        });
        Piece { shards, ..Piece::default() }
    }

    /// Decodes packets of which `first` is the number of the first in its capture.
    fn decode(&mut self, bytes: &'a [u8], records: &[Record], input: u64, first: u64) {
        self.link = records.first().map(|record| record.link);
        for shard in &mut self.shards {
            shard.reserve(records.len() / SHARDS);
        }
        for (index, record) in records.iter().enumerate() {
            let data = &bytes[record.at..record.at + record.captured as usize];
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
            let priority = hash::combine(input, first + index as u64);
            self.shards[flow.shard(SHARDS)].push(Item { frame, flow, priority });
        }
    }
}

/// The flows of some shards, and what they have counted.
struct Lane<T> {
    tables: Vec<Table>,
    ticks: TickSet<T>,
    /// Runs of the packets at hand that were followed.
    done: usize,
}

impl<T: Tally> Lane<T> {
    /// Follows the packets of its shards, of which `first` is the number of the first: one shard
    /// after the other, so that each finds much of its table in the processor's cache.
    fn follow(&mut self, first: usize, piece: &Piece<'_>, new: &impl Fn() -> T) {
        let Self { tables, ticks, .. } = self;
        for (table, items) in tables.iter_mut().zip(&piece.shards[first..]) {
            for soon in items.chunks(WARM_ITEMS) {
                table.warm(soon.iter().map(|item| (&item.frame, &item.flow)));
                for item in soon {
                    let mut counting = Counting { ticks, new, priority: item.priority };
                    table.packet(&item.frame, &item.flow, &mut counting);
                }
            }
        }
    }

    /// Tells what has come due by `latest`.
    fn advance(&mut self, latest: Timestamp, new: &impl Fn() -> T) {
        let Self { tables, ticks, .. } = self;
        for table in tables {
            table.advance(latest, &mut Counting { ticks, new, priority: 0 });
        }
    }

    fn finish(&mut self, new: &impl Fn() -> T) {
        let Self { tables, ticks, .. } = self;
        for table in tables {
            table.finish(&mut Counting { ticks, new, priority: 0 });
        }
    }
}

/// Counts what a flow table tells into ticks.
struct Counting<'t, T, N> {
    ticks: &'t mut TickSet<T>,
    new: &'t N,
    /// Of the packet at hand.
    priority: u64,
}

impl<T: Tally, N: Fn() -> T> Sink for Counting<'_, T, N> {
    fn observe_part(&mut self, observation: &Observation<'_>, part: u64) {
        let whole = self.priority;
        self.priority = hash::combine(whole, part);
        self.observe(observation);
        self.priority = whole;
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>) {
        let part = self.ticks.at(packet.time, self.new);
        part.records += 1;
        part.tally.packet(packet, self.priority);
    }

    #[inline]
    fn observe(&mut self, observation: &Observation<'_>) {
        let part = self.ticks.at(observation.time(), self.new);
        let priority = match observation {
            Observation::Packet(_) => {
                part.records += 1;
                self.priority
            }
            Observation::Connection(c) => hash::combine(event_place(c), c.event as u64),
            _ => hash::combine(self.priority, 1),
        };
        part.tally.observe(observation, priority);
    }
}

/// A number for the place of a connection event that no packet at hand stands for.
fn event_place(c: &seawall_model::observation::Connection) -> u64 {
    let ports = u64::from(c.client_port) << 16 | u64::from(c.server_port);
    hash::combine(hash::address(c.client) ^ ports, c.time.0 as u64)
}
