//! Reads several inputs, merged by time, into tallies per tick.
//!
//! Results do not depend on the number of threads: work is cut into blocks and shards by content
//! alone, and tallies merge exactly, so that it does not matter how many shards count into one.

mod capture;
mod clock;
mod crew;
mod dnstap;
mod feed;
mod followers;
mod log;
mod packets;
mod ticks;
mod timeline;

use crate::error::ReadError;
use crate::flow::Limits;
use crate::input::{Input, Kind};
use crate::report::InputReport;
use seawall_model::change::Change;
use seawall_model::observation::{Observation, Packet};
use seawall_model::time::{MILLISECOND_NS, SECOND_NS};
use seawall_model::{Prefix, Timestamp};
use seawall_wire::log::Format;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Scope;
use ticks::{Part, Tick};
use timeline::Timeline;

/// The oddity of a log that begins with its newest record.
pub const NEWEST_FIRST: &str = "newest-first";

/// The oddity of an input whose clock was set back while it was written; counted once for each place.
pub const CLOCK_SET_BACK: &str = "clock-set-back";

/// The oddity of a log whose stamps lack the year, which nothing else tells: 1970 stands for it.
pub const YEAR_NOT_LOGGED: &str = "year-not-logged";

/// What counts the observations of one tick.
pub trait Tally: Send {
    /// Counts one observation. `priority` decides which observations to keep as samples: it is
    /// spread evenly, and depends on the place in the input alone.
    fn observe(&mut self, observation: &Observation<'_>, priority: u64);
    /// Counts one packet, as [`Tally::observe`] does.
    fn packet(&mut self, packet: &Packet<'_>, priority: u64) {
        self.observe(&Observation::Packet(*packet), priority);
    }
    /// Adds what another tally of the same tick has counted.
    fn merge(&mut self, other: Self);
    fn is_empty(&self) -> bool;
}

/// How to read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Width of a tick for logs. Most log times have whole seconds.
    pub log_tick_ns: i64,
    /// Width of a tick for captures.
    pub capture_tick_ns: i64,
    pub threads: usize,
    /// Formats given by the user, preferred to recognised ones where they fit.
    pub formats: Vec<Format>,
    /// Proxies to believe, beside private addresses and known CDNs, when they name the client.
    pub proxies: Arc<[Prefix]>,
    /// How late a record of a log may be and still be counted into its own tick.
    pub log_lag_ns: i64,
    /// The same for captures; events of connections are told up to 5 seconds late.
    pub capture_lag_ns: i64,
    pub flow: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log_tick_ns: SECOND_NS,
            capture_tick_ns: 100 * MILLISECOND_NS,
            threads: 1,
            formats: Vec::new(),
            proxies: Arc::default(),
            log_lag_ns: 60 * SECOND_NS,
            capture_lag_ns: 8 * SECOND_NS,
            flow: Limits::default(),
        }
    }
}

/// How far reading has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The input being read.
    pub path: &'a str,
    pub input: usize,
    pub inputs: usize,
    /// Bytes read of the file as stored, and its size, if it has one.
    pub position_bytes: u64,
    pub size_bytes: Option<u64>,
    /// Records of this input so far.
    pub records: u64,
    /// Time of the latest tick of this input.
    pub time: Option<Timestamp>,
}

/// Reads all inputs. `on_tick` gets each tick that holds anything, in order of time; inputs of
/// different tick widths alternate. `on_change` gets a change before the tick in which it lies.
///
/// # Errors
/// The first input that cannot be opened or is not recognised; all are looked at before the
/// first is read. Damage further inside an input is told in its report.
pub fn read<T: Tally>(
    paths: &[String],
    options: &Options,
    new: impl Fn() -> T + Sync,
    on_tick: &mut dyn FnMut(Timestamp, i64, T),
    on_change: &mut dyn FnMut(Change),
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<InputReport>, ReadError> {
    if paths.is_empty() {
        return Err(ReadError::NoInputs);
    }
    named_once(paths)?;
    let mut inputs = Vec::with_capacity(paths.len());
    for path in paths {
        let mut input = Input::open(path, &options.formats)?;
        let lane = Lane::new(inputs.len(), &input, None, options);
        if paths.len() > 1 {
            input.park();
        }
        inputs.push((input, lane));
    }
    date_by_others(&mut inputs, options)?;
    std::thread::scope(|scope| {
        while let Some(index) = next_lane(&inputs) {
            let (input, lane) = &mut inputs[index];
            lane.pull(input, options, scope, &new)?;
            progress(Progress {
                path: &input.path,
                input: index,
                inputs: paths.len(),
                position_bytes: input.position.load(Ordering::Relaxed),
                size_bytes: input.size_bytes,
                records: lane.report.records,
                time: lane.report.last,
            });
            let limit = inputs.iter().map(|(_, lane)| lane.timeline.watermark()).min();
            hand_out(&mut inputs, limit.unwrap_or(Timestamp::MAX), on_tick, on_change);
        }
        // With their readers the threads of the inputs end.
        Ok(inputs.into_iter().map(|(_, lane)| lane.finish()).collect())
    })
}

/// A log whose stamps lack the year was written near the other inputs.
fn date_by_others<T: Tally>(inputs: &mut [(Input, Lane<T>)], options: &Options) -> Result<(), ReadError> {
    let Some(near) = inputs.iter().find_map(|(_, lane)| lane.near) else { return Ok(()) };
    for (index, (input, lane)) in inputs.iter_mut().enumerate().filter(|(_, (_, lane))| lane.near.is_none()) {
        input.unpark()?;
        *lane = Lane::new(index, input, Some(near), options);
        input.park();
    }
    Ok(())
}

/// What is read twice counts double, and looks like twice the traffic.
fn named_once(paths: &[String]) -> Result<(), ReadError> {
    let mut seen = BTreeSet::new();
    for path in paths {
        // What cannot be resolved is told when it is opened.
        let file = if path == "-" { None } else { std::fs::canonicalize(path).ok() };
        if !seen.insert(file.unwrap_or_else(|| PathBuf::from(path))) {
            return Err(ReadError::Twice { path: path.clone() });
        }
    }
    Ok(())
}

/// The live input that is furthest behind in time.
fn next_lane<T: Tally>(inputs: &[(Input, Lane<T>)]) -> Option<usize> {
    let live = inputs.iter().enumerate().filter(|(_, (_, lane))| !lane.ended);
    live.min_by_key(|(index, (_, lane))| (lane.timeline.watermark(), *index)).map(|(index, _)| index)
}

/// Hands out the ticks and changes before `limit`, oldest first.
fn hand_out<T: Tally>(
    inputs: &mut [(Input, Lane<T>)],
    limit: Timestamp,
    on_tick: &mut dyn FnMut(Timestamp, i64, T),
    on_change: &mut dyn FnMut(Change),
) {
    loop {
        let heads = inputs.iter().filter_map(|(_, lane)| lane.timeline.head());
        let Some((start, width_ns)) = heads.min() else { break };
        if start >= limit {
            break;
        }
        let mut sum: Option<T> = None;
        for (_, lane) in inputs.iter_mut() {
            lane.timeline.changes_before(start.plus_ns(width_ns), on_change);
            if lane.timeline.head() == Some((start, width_ns))
                && let Some(tally) = lane.timeline.take_head()
            {
                match &mut sum {
                    Some(sum) => sum.merge(tally),
                    None => sum = Some(tally),
                }
            }
        }
        if let Some(tally) = sum.filter(|tally| !tally.is_empty()) {
            on_tick(start, width_ns, tally);
        }
    }
    for (_, lane) in inputs.iter_mut() {
        lane.timeline.changes_before(limit, on_change);
    }
}

/// One input on its way through the merge.
struct Lane<T> {
    index: usize,
    /// A date near the beginning, with its year, if one is known.
    near: Option<Timestamp>,
    reader: Option<Reader<T>>,
    timeline: Timeline<T>,
    report: InputReport,
    ended: bool,
}

/// What reads an input of each kind.
enum Reader<T> {
    Log(Box<log::LogReader<T>>),
    Capture(Box<capture::CaptureReader<T>>),
    Dnstap(Box<dnstap::DnstapReader>),
}

/// What one pull of a reader gave.
struct Pulled<T> {
    parts: Vec<Part<T>>,
    changes: Vec<Change>,
    end: bool,
}

impl<T: Tally> Lane<T> {
    /// `near`: when other inputs were written, for stamps that lack the year.
    fn new(index: usize, input: &Input, near: Option<Timestamp>, options: &Options) -> Self {
        let near = match &input.kind {
            Kind::Log(format) => log::date_with_year(format, input.sample()).or(near),
            _ => near,
        };
        let (width_ns, lag_ns, first) = match &input.kind {
            Kind::Capture(_) => {
                (options.capture_tick_ns, options.capture_lag_ns, capture::first_time(input.sample()))
            }
            Kind::Log(format) => {
                (options.log_tick_ns, options.log_lag_ns, log::first_time(format, input.sample(), near))
            }
            Kind::Dnstap => (options.log_tick_ns, options.log_lag_ns, dnstap::first_time(input.sample())),
            Kind::Empty => (options.log_tick_ns, 0, None),
        };
        let mut report =
            InputReport { path: input.path.clone(), kind: input.kind_name(), ..InputReport::default() };
        report.odd(NEWEST_FIRST, u64::from(input.newest_first));
        let has_year = near.is_some() || !matches!(input.kind, Kind::Log(_));
        report.odd(YEAR_NOT_LOGGED, u64::from(first.is_some() && !has_year));
        let mut timeline = Timeline::new(width_ns, lag_ns);
        if let Some(first) = first {
            timeline.begin(first);
        }
        let near = near.or(first.filter(|_| has_year));
        Self { index, near, reader: None, timeline, report, ended: false }
    }

    /// Reads the next piece of the input into the timeline.
    fn pull<'scope, 'env>(
        &mut self,
        input: &mut Input,
        options: &Options,
        scope: &'scope Scope<'scope, 'env>,
        new: &'env (impl Fn() -> T + Sync),
    ) -> Result<(), ReadError>
    where
        T: 'env,
    {
        if self.reader.is_none() {
            self.reader = self.start(input, options, scope, new)?;
        }
        let pulled = match &mut self.reader {
            None => Pulled { parts: Vec::new(), changes: Vec::new(), end: true },
            Some(Reader::Log(reader)) => reader.pull(new, &mut self.report),
            Some(Reader::Capture(reader)) => reader.pull(options, new, &mut self.report),
            Some(Reader::Dnstap(reader)) => reader.pull(options, new, &mut self.report),
        };
        self.timeline.accept(pulled.parts, pulled.changes);
        if pulled.end {
            self.timeline.end();
            self.reader = None;
            self.ended = true;
        }
        Ok(())
    }

    fn start<'scope, 'env>(
        &self,
        input: &mut Input,
        options: &Options,
        scope: &'scope Scope<'scope, 'env>,
        new: &'env (impl Fn() -> T + Sync),
    ) -> Result<Option<Reader<T>>, ReadError>
    where
        T: 'env,
    {
        let index = self.index;
        Ok(match input.kind.clone() {
            Kind::Empty => None,
            Kind::Capture(_) => {
                let name = input.kind_name();
                let reader = capture::CaptureReader::new(index, name, input.stream()?, options, scope, new);
                Some(Reader::Capture(Box::new(reader)))
            }
            Kind::Dnstap => {
                let reader = dnstap::DnstapReader::new(index, input.stream()?, options);
                Some(Reader::Dnstap(Box::new(reader)))
            }
            Kind::Log(format) => {
                let stream = input.stream()?;
                let reader = log::LogReader::new(index, &format, self.near, stream, options, scope, new);
                Some(Reader::Log(Box::new(reader)))
            }
        })
    }

    fn finish(mut self) -> InputReport {
        self.report.out_of_order += self.timeline.out_of_order();
        self.report.time_jumps += self.timeline.strays() + self.timeline.set_backs();
        self.report.odd(CLOCK_SET_BACK, self.timeline.set_backs());
        let within = |time: Option<Timestamp>| time.map(|time| self.timeline.within(time));
        (self.report.first, self.report.last) = (within(self.report.first), within(self.report.last));
        self.report.odd("changes-dropped", self.timeline.changes_dropped());
        self.report
    }
}

/// The tick that holds an instant.
fn tick_of(time: Timestamp, width_ns: i64) -> Tick {
    time.0.div_euclid(width_ns)
}
