//! dnstap: frames of one server, read in order by one thread, since a response is matched with the
//! query before it.

use super::feed::Feed;
use super::ticks::TickSet;
use super::{Options, Pulled, Tally};
use crate::flow::Queries;
use crate::report::InputReport;
use seawall_model::observation::Observation;
use seawall_model::{Timestamp, hash};
use seawall_wire::packet::dns::Ends;
use seawall_wire::packet::dnstap::{Decoder, FRAME_LIMIT_BYTES, Report, Step};
use std::io::Read;

/// Bytes that are worked on at once: more than the longest frame.
const PULL_BYTES: usize = 4 * FRAME_LIMIT_BYTES;
/// Ticks that one pull may hold open: bounds the tallies alive at once.
const TICK_LIMIT: usize = 128;

/// The time of the first report of a sample.
pub(super) fn first_time(sample: &[u8]) -> Option<Timestamp> {
    let (mut decoder, mut rest) = (Decoder::default(), sample);
    loop {
        let step = decoder.next(rest);
        match step {
            Step::NeedMore => return None,
            Step::Report { report, .. } if report.time().is_some() => return report.time(),
            _ => rest = &rest[step.consumed()..],
        }
    }
}

/// Reads one stream of frames.
pub(super) struct DnstapReader {
    input: u64,
    feed: Feed,
    decoder: Decoder,
    queries: Queries,
}

impl DnstapReader {
    pub(super) fn new(input: usize, stream: Box<dyn Read + Send>, options: &Options) -> Self {
        Self {
            input: hash::mix(input as u64),
            feed: Feed::new(stream),
            decoder: Decoder::default(),
            queries: Queries::new(options.flow.queries),
        }
    }

    /// Reads the next frames.
    pub(super) fn pull<T: Tally>(
        &mut self,
        options: &Options,
        new: &impl Fn() -> T,
        report: &mut InputReport,
    ) -> Pulled<T> {
        self.feed.fill(PULL_BYTES);
        let mut ticks = TickSet::new(options.log_tick_ns);
        let mut used = 0;
        while ticks.len() <= TICK_LIMIT {
            let bytes = &self.feed.bytes()[used..];
            let step = self.decoder.next(bytes);
            let place = report.bytes + used as u64;
            used += step.consumed();
            match step {
                Step::NeedMore => {
                    // What is left at the end is a frame that was cut.
                    report.malformed += u64::from(self.feed.at_end() && !bytes.is_empty());
                    used += if self.feed.at_end() { bytes.len() } else { 0 };
                    break;
                }
                Step::Skip { .. } => {}
                Step::Broken { reason, .. } => {
                    report.malformed += 1;
                    report.odd(reason, 1);
                }
                Step::Report { report: told, .. } => {
                    let priority = hash::combine(self.input, place);
                    take(&mut self.queries, &told, priority, &mut ticks, new, report);
                }
            }
        }
        self.feed.consume(used);
        report.bytes += used as u64;
        let end = self.feed.at_end() && self.feed.bytes().is_empty();
        if end {
            report.cut_short = self.feed.broken();
        }
        Pulled { parts: ticks.drain().collect(), changes: Vec::new(), end }
    }
}

fn take<T: Tally>(
    queries: &mut Queries,
    told: &Report<'_>,
    priority: u64,
    ticks: &mut TickSet<T>,
    new: &impl Fn() -> T,
    report: &mut InputReport,
) {
    if !told.is_from_clients {
        return report.odd("asked-by-the-server-itself", 1);
    }
    let (Some(client), Some(time)) = (told.client, told.time()) else {
        return report.odd("without-client-or-time", 1);
    };
    let ends = Ends {
        client,
        server: told.server.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()),
        client_port: told.client_port,
        over_tcp: told.over_tcp,
        message_bytes: told.message.len() as u32,
    };
    let Some(observed) = queries.reported(time, ends, told.message, told.took_us()) else {
        report.malformed += 1;
        return;
    };
    let part = ticks.at(time, new);
    part.records += 1;
    part.tally.observe(&Observation::Dns(observed), priority);
    report.records += 1;
    report.saw(time);
}
