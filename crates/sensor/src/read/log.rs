//! Logs: blocks of whole lines, read by any thread where the format allows it. Helpers go on with the next
//! blocks while what was read is looked at.

use super::crew::Crew;
use super::feed::Feed;
use super::ticks::TickSet;
use super::{Options, Pulled, Tally};
use crate::report::{InputReport, SAMPLE_LIMIT, quote};
use seawall_model::change::Change;
use seawall_model::{Timestamp, hash};
use seawall_wire::log::{Format, LINE_LIMIT_BYTES, Line, Parser};
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// Blocks that a pull is cut into, whatever the number of threads.
const BLOCKS: usize = 16;
const SMALLEST_PULL_BYTES: usize = 256 * 1024;
const LARGEST_PULL_BYTES: usize = 8 << 20;
/// Ticks that one block may hold open: bounds the tallies alive at once.
const BLOCK_TICK_LIMIT: usize = 128;
/// Records of changes that one block may give.
const BLOCK_CHANGE_LIMIT: usize = 1_000;

/// Lines of a sample that are searched for a date.
const DATED_LINES: usize = 1_000;

/// A parser that knows when the log was written, as far as that is known.
fn parser(format: &Format, near: Option<Timestamp>) -> Parser {
    let parser = Parser::new(format.clone());
    match near {
        Some(time) => parser.near(time),
        None => parser,
    }
}

/// The first date of a sample that has its year.
pub(super) fn date_with_year(format: &Format, sample: &[u8]) -> Option<Timestamp> {
    let mut parser = Parser::new(format.clone());
    sample.split(|&b| b == b'\n').take(DATED_LINES).find_map(|line| {
        parser.parse(line).ok()?;
        parser.date_with_year()
    })
}

/// The time of the first line of a sample that has one.
pub(super) fn first_time(format: &Format, sample: &[u8], near: Option<Timestamp>) -> Option<Timestamp> {
    let mut parser = parser(format, near);
    sample.split(|&b| b == b'\n').take(DATED_LINES).find_map(|line| match parser.parse(line) {
        Ok(Line::Observation(observation)) => Some(observation.time()),
        _ => None,
    })
}

/// Reads one log.
pub(super) struct LogReader<T> {
    /// A hash of the input's number.
    input: u64,
    feed: Feed,
    /// Those that nobody reads with. Blocks take them in order.
    parsers: Vec<Parser>,
    /// Blocks that a pull is cut into.
    blocks: usize,
    crew: Crew<Task<T>>,
    /// What others may read already.
    begun: Option<Begun<T>>,
    tick_ns: i64,
    is_helped: bool,
    pull_bytes: usize,
    /// In the middle of a line longer than the limit.
    in_long_line: bool,
}

/// The next piece of a log, under way.
struct Begun<T> {
    /// Where its blocks begin and end; none where it is part of a line that is too long.
    cuts: Vec<usize>,
    /// The blocks as they come, each with the parser that read it.
    blocks: Vec<Receiver<(Block<T>, Parser)>>,
    /// Nothing comes after it.
    end: bool,
}

impl<T: Tally> LogReader<T> {
    pub(super) fn new<'scope, 'env>(
        input: usize,
        format: &Format,
        near: Option<Timestamp>,
        stream: Box<dyn Read + Send>,
        options: &Options,
        scope: &'scope Scope<'scope, 'env>,
        new: &'env (impl Fn() -> T + Sync),
    ) -> Self
    where
        T: 'env,
    {
        let count = if format.is_stateless() { BLOCKS } else { 1 };
        let parser = |_| parser(format, near).with_proxies(Arc::clone(&options.proxies));
        let helpers = options.threads.saturating_sub(1).min(count);
        Self {
            input: hash::mix(input as u64),
            feed: Feed::new(stream),
            parsers: (0..count).map(parser).collect(),
            blocks: count,
            crew: Crew::new(helpers, scope, |task: Task<T>| task.read(new)),
            begun: None,
            tick_ns: options.log_tick_ns,
            is_helped: helpers > 0,
            pull_bytes: SMALLEST_PULL_BYTES,
            in_long_line: false,
        }
    }

    /// Reads the next piece of the log, and begins the one after it.
    pub(super) fn pull(&mut self, new: &impl Fn() -> T, report: &mut InputReport) -> Pulled<T> {
        let Begun { cuts, blocks, end } = match self.begun.take() {
            Some(begun) => begun,
            None => self.begin(report),
        };
        if self.is_helped {
            self.feed.read_ahead(self.pull_bytes);
        }
        while let Some(task) = self.crew.take() {
            task.read(new);
        }
        let mut pulled = Pulled { parts: Vec::new(), changes: Vec::new(), end };
        let count = blocks.len();
        let (blocks, parsers): (Vec<_>, Vec<_>) = blocks.into_iter().map_while(|b| b.recv().ok()).unzip();
        // Who has panicked sends nothing. Reading ends, and it is told when the threads are joined.
        let is_lost = blocks.len() < count;
        if !cuts.is_empty() {
            self.parsers.splice(..0, parsers);
            let used = gather(&cuts, blocks, &mut pulled, report);
            self.adapt(used, pulled.parts.len());
            report.bytes += used as u64;
            self.feed.consume(used);
            pulled.end = is_lost || (end && self.feed.bytes().is_empty());
        }
        if pulled.end {
            report.cut_short = self.feed.broken();
        } else {
            self.begun = Some(self.begin(report));
        }
        pulled
    }

    /// Cuts the next piece of the log into blocks that anybody may read.
    fn begin(&mut self, report: &mut InputReport) -> Begun<T> {
        self.feed.fill(self.pull_bytes);
        if self.in_long_line {
            self.pass_long_line(report);
            if self.in_long_line {
                let end = self.feed.at_end() && self.feed.bytes().is_empty();
                return Begun { cuts: Vec::new(), blocks: Vec::new(), end };
            }
            self.feed.fill(self.pull_bytes);
        }
        let (head, end) = self.feed.head(self.pull_bytes);
        let whole = whole_lines(head, end);
        if whole == 0 && !end {
            self.begin_long_line(report);
            return Begun { cuts: Vec::new(), blocks: Vec::new(), end: false };
        }
        let cuts = cut(&self.feed.bytes()[..whole], self.blocks);
        let parsers = self.parsers.drain(..(cuts.len() - 1).min(self.parsers.len()));
        let (bytes, start) = self.feed.shared();
        let (mut tasks, mut blocks) = (Vec::new(), Vec::new());
        for (pair, parser) in cuts.windows(2).zip(parsers) {
            let (done, block) = sync_channel(1);
            let place = Place { input: self.input, offset: report.bytes + pair[0] as u64 };
            let range = start + pair[0]..start + pair[1];
            let (bytes, tick_ns) = (Arc::clone(&bytes), self.tick_ns);
            tasks.push(Task { bytes, range, place, parser, tick_ns, done });
            blocks.push(block);
        }
        self.crew.give(tasks.into_iter());
        Begun { cuts, blocks, end }
    }

    /// Chooses the size of the next pull so that its ticks fit.
    fn adapt(&mut self, used: usize, ticks: usize) {
        let room = BLOCK_TICK_LIMIT * self.blocks / 2;
        let fitting = used.saturating_mul(room) / ticks.max(1);
        let grown = fitting.min(self.pull_bytes * 4);
        self.pull_bytes = grown.clamp(SMALLEST_PULL_BYTES / 4, LARGEST_PULL_BYTES);
    }

    /// The buffer holds no whole line although it is full: counts the line and drops its bytes.
    fn begin_long_line(&mut self, report: &mut InputReport) {
        let (bytes, _) = self.feed.head(self.pull_bytes);
        if bytes.len() <= LINE_LIMIT_BYTES {
            self.pull_bytes = self.pull_bytes.max(LINE_LIMIT_BYTES * 2);
            return;
        }
        report.malformed += 1;
        report.odd("line-too-long", 1);
        quote(report, bytes);
        self.in_long_line = true;
        let count = bytes.len();
        report.bytes += count as u64;
        self.feed.consume(count);
    }

    fn pass_long_line(&mut self, report: &mut InputReport) {
        let (bytes, _) = self.feed.head(self.pull_bytes);
        let end = memchr::memchr(b'\n', bytes);
        let count = end.map_or(bytes.len(), |at| at + 1);
        self.in_long_line = end.is_none();
        report.bytes += count as u64;
        self.feed.consume(count);
    }
}

/// Joins the blocks up to the first that stopped early; what comes after it is read again.
fn gather<T: Tally>(
    cuts: &[usize],
    blocks: Vec<Block<T>>,
    pulled: &mut Pulled<T>,
    report: &mut InputReport,
) -> usize {
    let mut used = 0;
    for (number, mut block) in blocks.into_iter().enumerate() {
        used = cuts[number] + block.used;
        pulled.parts.extend(block.ticks.drain());
        pulled.changes.append(&mut block.changes);
        block.account(report);
        if used < cuts[number + 1] {
            break;
        }
    }
    used
}

/// Bytes up to the end of the last whole line; at the end of the log, all.
fn whole_lines(bytes: &[u8], end: bool) -> usize {
    if end { bytes.len() } else { memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1) }
}

/// Where the blocks begin and end: at most `count` blocks of about equal size, at line ends.
fn cut(bytes: &[u8], count: usize) -> Vec<usize> {
    let mut cuts = vec![0];
    for number in 1..count {
        let aim = bytes.len() / count * number;
        let last = cuts[cuts.len() - 1];
        if aim <= last {
            continue;
        }
        let Some(at) = memchr::memchr(b'\n', &bytes[aim..]) else { break };
        cuts.push(aim + at + 1);
    }
    if cuts[cuts.len() - 1] < bytes.len() {
        cuts.push(bytes.len());
    }
    cuts
}

/// Where in its input a block begins.
#[derive(Clone, Copy)]
struct Place {
    input: u64,
    offset: u64,
}

/// A block of lines to be read.
struct Task<T> {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
    place: Place,
    parser: Parser,
    tick_ns: i64,
    done: SyncSender<(Block<T>, Parser)>,
}

impl<T: Tally> Task<T> {
    fn read(mut self, new: &impl Fn() -> T) {
        let mut block = Block::new(self.tick_ns);
        block.read(&mut self.parser, &self.bytes[self.range], self.place, new);
        // The buffer is read into again once all its blocks are there.
        drop(self.bytes);
        drop(self.done.send((block, self.parser)));
    }
}

/// What one block of lines gave.
struct Block<T> {
    ticks: TickSet<T>,
    changes: Vec<Change>,
    changes_dropped: u64,
    records: u64,
    malformed: u64,
    too_long: u64,
    quoted: Vec<Vec<u8>>,
    span: Option<(Timestamp, Timestamp)>,
    used: usize,
}

impl<T: Tally> Block<T> {
    fn new(width_ns: i64) -> Self {
        Self {
            ticks: TickSet::new(width_ns),
            changes: Vec::new(),
            changes_dropped: 0,
            records: 0,
            malformed: 0,
            too_long: 0,
            quoted: Vec::new(),
            span: None,
            used: 0,
        }
    }

    /// Reads lines until the end of the block or until too many ticks are open.
    fn read(&mut self, parser: &mut Parser, bytes: &[u8], place: Place, new: &impl Fn() -> T) {
        while self.used < bytes.len() && self.ticks.len() <= BLOCK_TICK_LIMIT {
            let rest = &bytes[self.used..];
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let priority = hash::combine(place.input, place.offset + self.used as u64);
            self.used += (length + 1).min(rest.len());
            self.line(parser, &rest[..length], priority, new);
        }
    }

    #[inline]
    fn line(&mut self, parser: &mut Parser, line: &[u8], priority: u64, new: &impl Fn() -> T) {
        if line.len() > LINE_LIMIT_BYTES {
            self.too_long += 1;
            self.not_understood(line);
            return;
        }
        match parser.parse(line) {
            Ok(Line::Observation(observation)) => {
                let time = observation.time();
                let part = self.ticks.at(time, new);
                part.records += 1;
                part.tally.observe(&observation, priority);
                self.records += 1;
                self.saw(time);
            }
            Ok(Line::Change(change)) => {
                self.records += 1;
                self.saw(change.time);
                if self.changes.len() < BLOCK_CHANGE_LIMIT {
                    self.changes.push(change);
                } else {
                    self.changes_dropped += 1;
                }
            }
            Ok(Line::Nothing) => {}
            Err(_) => self.not_understood(line),
        }
    }

    #[inline]
    fn saw(&mut self, time: Timestamp) {
        self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
    }

    #[cold]
    fn not_understood(&mut self, line: &[u8]) {
        self.malformed += 1;
        if self.quoted.len() < SAMPLE_LIMIT {
            self.quoted.push(line[..line.len().min(1024)].to_vec());
        }
    }

    fn account(self, report: &mut InputReport) {
        report.records += self.records;
        report.malformed += self.malformed;
        report.odd("line-too-long", self.too_long);
        report.odd("changes-dropped", self.changes_dropped);
        for line in &self.quoted {
            quote(report, line);
        }
        if let Some((first, last)) = self.span {
            report.saw(first);
            report.saw(last);
        }
    }
}
