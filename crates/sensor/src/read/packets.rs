//! The packets of a capture, a few hundred kilobytes at a time, with times that can drive a flow table.

use super::clock::Clock;
use crate::report::InputReport;
use seawall_model::Timestamp;
use seawall_model::report::BYTES_UNREAD;
use seawall_wire::packet::capture::{Decoder, Step};
use std::io::{self, Read};

/// Bytes after which a pull ends, and within which sense is searched for after damage.
const PULL_BYTES: usize = 4 << 20;
/// Of that, so much is read and searched in one step: what it leaves in the processor's cache is still
/// there when the packets are decoded.
const STEP_BYTES: usize = 256 * 1024;
/// A buffer grows by at least this much, so that a short input costs little.
const GROWTH_BYTES: usize = 64 * 1024;
/// Ethernet, IPv4 and TCP without options.
const HEADERS_BYTES: usize = 54;

/// Where in a chunk a packet lies.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub time: Timestamp,
    at: usize,
    captured: u32,
    pub original: u32,
    pub link: u16,
}

impl Record {
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.at..self.at + self.captured as usize]
    }
}

/// Some packets, and the bytes that hold them.
#[derive(Default)]
pub(super) struct Chunk {
    pub bytes: Vec<u8>,
    pub records: Vec<Record>,
    /// Number of the first in its capture.
    pub first: u64,
}

/// Reads a capture and finds its packets.
pub(super) struct Finder {
    stream: Option<Box<dyn Read + Send>>,
    broken: Option<String>,
    decoder: Decoder,
    pub clock: Clock,
    /// Its first `end` bytes are read and not handed out.
    buffer: Vec<u8>,
    end: usize,
    /// Of those, so many were searched.
    searched: usize,
    /// Packets found in them; the first `settled` have their time.
    records: Vec<Record>,
    settled: usize,
    /// Packets found in all.
    pub packets: u64,
    /// Where in the buffer the pull ends.
    limit: usize,
    /// The pull was searched to its end.
    pub whole: bool,
}

impl Finder {
    pub(super) fn new(stream: Box<dyn Read + Send>, lag_ns: i64) -> Self {
        Self {
            stream: Some(stream),
            broken: None,
            decoder: Decoder::new(),
            clock: Clock::new(lag_ns),
            buffer: Vec::new(),
            end: 0,
            searched: 0,
            records: Vec::new(),
            settled: 0,
            packets: 0,
            limit: PULL_BYTES,
            whole: false,
        }
    }

    /// Begins another pull where the one before has ended.
    pub(super) fn begin_pull(&mut self) {
        (self.limit, self.whole) = (PULL_BYTES, false);
    }

    /// The next packets of this pull, in the memory of chunks that are done with; `None` if it has no more.
    pub(super) fn next(&mut self, report: &mut InputReport, spare: &mut Vec<Chunk>) -> Option<Chunk> {
        while self.settled == 0 && !self.whole {
            self.search(report);
            self.settle(report);
        }
        (self.settled > 0).then(|| self.hand_out(spare.pop().unwrap_or_default()))
    }

    /// Whether everything was handed out.
    pub(super) fn at_end(&self) -> bool {
        self.is_searched() && self.records.is_empty()
    }

    /// Why the capture ended early, if it did.
    pub(super) fn broken(&self) -> Option<String> {
        self.broken.clone()
    }

    fn is_searched(&self) -> bool {
        self.stream.is_none() && self.searched == self.end
    }

    /// Hands out the settled packets with the buffer; what follows them goes on in another.
    fn hand_out(&mut self, mut spare: Chunk) -> Chunk {
        let first = self.packets - self.records.len() as u64;
        let used = self.records.get(self.settled).map_or(self.searched, |record| record.at);
        let rest = &self.buffer[used..self.end];
        if spare.bytes.len() < rest.len() {
            spare.bytes.resize(rest.len(), 0);
        }
        spare.bytes[..rest.len()].copy_from_slice(rest);
        self.end = rest.len();
        self.searched -= used;
        self.limit -= used;
        spare.records.clear();
        spare.records.extend(self.records.drain(self.settled..).map(|r| Record { at: r.at - used, ..r }));
        self.settled = 0;
        let bytes = std::mem::replace(&mut self.buffer, spare.bytes);
        let records = std::mem::replace(&mut self.records, spare.records);
        Chunk { bytes, records, first }
    }

    /// Settles the times of all packets whose successors are known.
    fn settle(&mut self, report: &mut InputReport) {
        let hold_back = if self.is_searched() { 0 } else { Clock::LOOK_AHEAD };
        let until = self.records.len().saturating_sub(hold_back);
        while self.settled < until {
            let following = self.records[self.settled + 1..].iter().map(|record| record.time);
            let time = self.clock.settle(self.records[self.settled].time, following);
            self.records[self.settled].time = time;
            report.saw(time);
            self.settled += 1;
        }
    }

    /// Finds the packets in the next bytes, as far as that does not depend on what follows them.
    fn search(&mut self, report: &mut InputReport) {
        let wanted = (self.end + STEP_BYTES).min(self.limit);
        self.read_to(wanted);
        self.whole = self.stream.is_none() || wanted == self.limit;
        let mut touched = 0;
        while self.searched < self.end {
            let rest = &self.buffer[self.searched..self.end];
            let step = self.decoder.next(rest);
            let consumed = step.consumed();
            match step {
                Step::Broken { .. } if !self.whole => {
                    // Where sense begins again is searched for in all of the pull.
                    self.whole = true;
                    self.read_to(self.limit);
                    continue;
                }
                Step::NeedMore if self.stream.is_none() => {
                    report.malformed += 1;
                    report.odd("record-cut-at-end", 1);
                    report.odd(BYTES_UNREAD, rest.len() as u64);
                    report.bytes += rest.len() as u64;
                    self.searched = self.end;
                    break;
                }
                Step::NeedMore => break,
                Step::Packet { time, link, original_length_bytes, data, .. } => {
                    let at = data.as_ptr() as usize - self.buffer.as_ptr() as usize;
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
            self.searched += consumed;
            report.bytes += consumed as u64;
        }
        std::hint::black_box(touched);
    }

    /// Reads until the buffer holds `wanted` bytes or the capture ends.
    fn read_to(&mut self, wanted: usize) {
        while let Some(open) = self.stream.as_mut().filter(|_| self.end < wanted) {
            if self.end == self.buffer.len() {
                let grown = (self.buffer.len() * 2).max(self.end + GROWTH_BYTES);
                self.buffer.resize(grown.min(wanted), 0);
            }
            let room = wanted.min(self.buffer.len());
            match open.read(&mut self.buffer[self.end..room]) {
                Ok(0) => self.stream = None,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.broken = Some(e.to_string());
                    self.stream = None;
                }
            }
        }
    }
}
