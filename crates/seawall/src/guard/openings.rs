//! Openings that come to nothing, told of before their three seconds are over.
//!
//! The flow table knows of an opening that it came to nothing after three seconds, and where only
//! some packets are sampled it follows none. But the kernel counts the connections that this host
//! has accepted, and the table those that it saw complete. Where many openings come, as large a
//! share of those that were sampled long enough ago to be through is told as half open as neither
//! count accounts for. Nothing is told where the host itself does not get them (it only passes them
//! on), nor of those that a measure has dropped. How long an opening is waited for follows from the
//! handshakes that were seen whole. Innocent look-alike: a crowd farther away than people used to
//! be, whose handshakes take longer than that; for the first moments of it a part is told.

use seawall_model::Timestamp;
use seawall_model::observation::{Connection, ConnectionEvent, Observation, Packet, protocol, tcp_flags};
use std::collections::VecDeque;

/// Time that a handshake is given where too few were seen, and the least where some were.
const LAG_MOST_NS: i64 = 200_000_000;
const LAG_LEAST_NS: i64 = 50_000_000;
/// The same where handshakes were seen: so many times what nine in ten of the last ones took.
const LAG_HANDSHAKES: i64 = 2;
/// Handshakes that are remembered, and how many of them tell something.
const HANDSHAKES_KEPT: usize = 64;
const HANDSHAKES_LEAST: usize = 16;
/// What is compared lies back so far at most; of fewer openings nothing is told before its time.
const SPAN_NS: i64 = 500_000_000;
const OPENINGS_LEAST: u64 = 200;
/// Openings that wait; of more, these stand for all.
const MOST_WAITING: usize = 4_096;
/// Share of openings left open from which they are told: the rest is people's.
const LEAST_SHARE: f64 = 0.3;
/// Part of the openings that must have come to the host's own sockets: under a flood it loses many
/// before they do, and of what it only passes on nearly none come there.
const LEAST_OURS: f64 = 0.125;
/// Part of the handshakes seen whole that the host must have counted as its own.
const LEAST_ACCEPTED: f64 = 0.5;
/// Handshakes after which those before count half.
const OURS_MEMORY: f64 = 256.0;
/// The flow table may tell of an opening for so long after it.
const TABLE_TELLS_NS: i64 = 5_000_000_000;

/// What the kernel has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Connections accepted.
    pub passive_opens: u64,
    /// Segments that came for this host.
    pub segments: u64,
}

impl HostCounters {
    /// As the kernel shows them now; `None` where it does not.
    #[must_use]
    pub fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/net/snmp").ok()?)
    }

    /// With the openings that the filter has answered in the host's place.
    #[must_use]
    pub fn with_answered(self, openings: u64) -> Self {
        Self { segments: self.segments + openings, ..self }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter_map(|l| l.strip_prefix("Tcp: "));
        let (names, values) = (lines.next()?, lines.next()?);
        let find = |wanted: &str| {
            let at = names.split(' ').position(|name| name == wanted)?;
            values.split(' ').nth(at)?.parse().ok()
        };
        Some(Self { passive_opens: find("PassiveOpens")?, segments: find("InSegs")? })
    }
}

/// Openings and what became of them.
#[derive(Default)]
pub struct Openings {
    /// Microseconds that the last whole handshakes took, the newest first.
    handshakes_us: VecDeque<u64>,
    /// The last looks, the oldest first; what is compared is what came after the oldest.
    looks: VecDeque<Look>,
    waiting: VecDeque<Waiting>,
    /// Openings that those seen stand for, and handshakes seen whole.
    seen: u64,
    completed: u64,
    /// Handshakes seen whole where every packet was seen, and connections that the host counted
    /// meanwhile. Older ones count less.
    whole: f64,
    whole_accepted: f64,
    /// Whether packets of a sample stood for others since the last look.
    is_sampled: bool,
    /// When the openings came that were told of, from and until.
    told: VecDeque<(Timestamp, Timestamp)>,
    /// Part of the next opening that is to be told.
    owed: f64,
}

/// What was counted up to a moment.
struct Look {
    time: Timestamp,
    seen: u64,
    completed: u64,
    host: HostCounters,
}

struct Waiting {
    time: Timestamp,
    /// Openings up to this one, all that each stands for.
    seen: u64,
    event: Connection,
}

impl Openings {
    /// A handshake that was seen from its opening to its end.
    pub fn completed(&mut self, took_us: u64) {
        self.handshakes_us.truncate(HANDSHAKES_KEPT - 1);
        self.handshakes_us.push_front(took_us);
        self.completed += 1;
    }

    /// Whether an opening of that time was told of as come to nothing, as far as that could be known.
    #[must_use]
    pub fn has_told(&self, opened: Timestamp) -> bool {
        self.told.iter().any(|(from, until)| (*from..=*until).contains(&opened))
    }

    /// A packet that came in and was not dropped, with how many it stands for.
    pub fn see(&mut self, p: &Packet<'_>, weight: u32) {
        use tcp_flags::{ACK, FIN, RST, SYN};
        self.is_sampled |= weight > 1;
        if p.protocol != protocol::TCP || p.tcp_flags & (SYN | ACK | RST | FIN) != SYN {
            return;
        }
        self.seen += u64::from(weight);
        if self.waiting.len() < MOST_WAITING {
            let event = Connection {
                time: p.time,
                event: ConnectionEvent::HalfOpenExpired,
                client: p.source,
                server: p.destination,
                client_port: p.source_port,
                server_port: p.destination_port,
                client_bytes: 0,
                server_bytes: 0,
                duration_us: 0,
                requests: 0,
                ja4: 0,
            };
            self.waiting.push_back(Waiting { time: p.time, seen: self.seen, event });
        }
    }

    /// Tells of the openings that are due and came to nothing. `host`: its counters at `now`; where
    /// it shows none, nothing is told.
    pub fn settle(
        &mut self,
        now: Timestamp,
        host: Option<HostCounters>,
        mut tell: impl FnMut(&Observation<'_>),
    ) {
        let share = self.look(now, host);
        let lag_ns = self.lag_ns();
        let due = self.waiting.partition_point(|w| now.since_ns(w.time) >= lag_ns);
        let settled = self.waiting.iter().take(due).next_back().map(|newest| (newest.time, newest.seen));
        let share = settled.zip(share).map_or(0.0, |((_, seen), share)| share(seen));
        let due = self.waiting.drain(..due);
        if share < LEAST_SHARE {
            return;
        }
        for (place, Waiting { time, event, .. }) in due.enumerate() {
            match self.told.back_mut().filter(|_| place > 0) {
                Some((_, until)) => *until = time,
                None => self.told.push_back((time, time)),
            }
            self.owed += share;
            if self.owed >= 1.0 {
                self.owed -= 1.0;
                tell(&Observation::Connection(event));
            }
        }
    }

    /// Notes what is counted by now. Returns which share of the openings up to one of them came to
    /// nothing; 0 where too few are known, or they are not this host's.
    fn look(&mut self, now: Timestamp, host: Option<HostCounters>) -> Option<impl Fn(u64) -> f64 + use<>> {
        let Some(host) = host else {
            self.looks.clear();
            return None;
        };
        let last = self.looks.back().map(|last| (last.completed, last.host.passive_opens));
        self.looks.push_back(Look { time: now, seen: self.seen, completed: self.completed, host });
        while self.looks.get(1).is_some_and(|second| now.since_ns(second.time) >= SPAN_NS) {
            self.looks.pop_front();
        }
        while self.told.front().is_some_and(|(_, until)| now.since_ns(*until) > TABLE_TELLS_NS) {
            self.told.pop_front();
        }
        let is_sampled = std::mem::take(&mut self.is_sampled);
        if let Some((completed, accepted)) = last.filter(|_| !is_sampled) {
            self.whole += (self.completed - completed) as f64;
            self.whole_accepted += host.passive_opens.saturating_sub(accepted) as f64;
            if self.whole > OURS_MEMORY {
                (self.whole, self.whole_accepted) = (self.whole / 2.0, self.whole_accepted / 2.0);
            }
        }
        let oldest = self.looks.front()?;
        let before = oldest.seen;
        let completed = self.completed - oldest.completed;
        let accepted = host.passive_opens.saturating_sub(oldest.host.passive_opens).max(completed) as f64;
        let segments = host.segments.saturating_sub(oldest.host.segments) as f64;
        let is_passed_on =
            self.whole >= HANDSHAKES_LEAST as f64 && self.whole_accepted < LEAST_ACCEPTED * self.whole;
        Some(move |seen: u64| {
            let settled = seen.saturating_sub(before);
            let is_ours = !is_passed_on && segments >= LEAST_OURS * settled as f64;
            if settled < OPENINGS_LEAST || !is_ours { 0.0 } else { 1.0 - accepted / settled as f64 }
        })
    }

    /// Time that an opening is waited for.
    fn lag_ns(&self) -> i64 {
        if self.handshakes_us.len() < HANDSHAKES_LEAST {
            return LAG_MOST_NS;
        }
        let mut sorted: Vec<u64> = self.handshakes_us.iter().copied().collect();
        sorted.sort_unstable();
        let usual_ns = i64::try_from(sorted[sorted.len() * 9 / 10]).unwrap_or(i64::MAX).saturating_mul(1_000);
        usual_ns.saturating_mul(LAG_HANDSHAKES).clamp(LAG_LEAST_NS, LAG_MOST_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_kernel::forge::Forged;
    use seawall_wire::packet::frame;

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000_000)
    }

    const BEGIN: HostCounters = HostCounters { passive_opens: 7, segments: 100 };

    /// A hundred openings that came in a tenth of a second.
    fn opened(openings: &mut Openings, weight: u32) {
        openings.settle(at(-10), Some(BEGIN), |_| panic!("of what"));
        for n in 0..100_u8 {
            let mut forged = Forged::udp([203, 0, 113, n].into(), [192, 0, 2, 1].into());
            (forged.protocol, forged.tcp_flags) = (protocol::TCP, tcp_flags::SYN);
            let bytes = forged.frame();
            let frame = frame::decode(1, &bytes, bytes.len() as u32, at(i64::from(n))).expect("a packet");
            openings.see(&frame.packet, weight);
        }
    }

    /// How many are told once the host has accepted some of a thousand and got some segments.
    fn told(openings: &mut Openings, accepted: u64, arrived: u64) -> usize {
        let host = HostCounters { passive_opens: 7 + accepted, segments: 100 + arrived };
        let mut count = 0;
        openings.settle(at(150), Some(host), |_| panic!("none is through yet"));
        openings.settle(at(400), Some(host), |_| count += 1);
        count
    }

    fn told_of_thousand(accepted: u64, arrived: u64) -> usize {
        let mut openings = Openings::default();
        opened(&mut openings, 10);
        told(&mut openings, accepted, arrived)
    }

    #[test]
    fn where_people_are_near_nobody_waits_for_far_ones() {
        for (took_us, due) in [(2_000, 100), (40_000, 71), (90_000, 0), (900_000, 0)] {
            let mut openings = Openings::default();
            (0..20).for_each(|_| openings.completed(took_us));
            opened(&mut openings, 10);
            let mut count = 0;
            let host = HostCounters { passive_opens: 7, segments: 1_100 };
            openings.settle(at(150), Some(host), |_| count += 1);
            assert_eq!(count, due, "handshakes of {took_us} us");
        }
    }

    #[test]
    fn what_the_host_did_not_accept_is_half_open() {
        assert_eq!(told_of_thousand(0, 1_000), 100);
        let some = told_of_thousand(400, 3_000);
        assert!((59..=60).contains(&some), "{some}");
    }

    #[test]
    fn a_crowd_that_is_accepted_and_what_only_passes_by_are_not() {
        assert_eq!(told_of_thousand(990, 5_000), 0);
        assert_eq!(told_of_thousand(0, 10), 0, "the host never got them");
        assert_eq!(told_of_thousand(0, 200), 100, "it got some, and lost more under the flood");
    }

    #[test]
    fn connections_of_another_host_behind_this_one_are_not_half_open() {
        // Every packet is seen: the table saw them complete, and the host knows nothing of them.
        let mut openings = Openings::default();
        opened(&mut openings, 10);
        (0..950).for_each(|_| openings.completed(1_000));
        assert_eq!(told(&mut openings, 0, 5_000), 0);
        // Then only some are; what was seen whole before tells whose they are.
        let mut openings = Openings::default();
        openings.settle(at(-100), Some(BEGIN), |_| panic!("of what"));
        (0..40).for_each(|_| openings.completed(150_000));
        opened(&mut openings, 10);
        assert_eq!(told(&mut openings, 0, 5_000), 0);
    }

    #[test]
    fn few_openings_are_left_to_the_table_and_no_opening_is_told_twice() {
        let mut few = Openings::default();
        opened(&mut few, 1);
        assert_eq!(told(&mut few, 0, 1_000), 0);
        assert!(!few.has_told(at(50)));
        let mut many = Openings::default();
        opened(&mut many, 3);
        assert_eq!(told(&mut many, 0, 1_000), 100);
        assert!(many.has_told(at(0)) && many.has_told(at(99)));
        assert!(!many.has_told(at(100)) && !many.has_told(at(-1)));
        many.settle(at(6_000), Some(BEGIN), |_| panic!("all are told"));
        assert!(!many.has_told(at(50)), "nobody asks for it any more");
    }

    #[test]
    fn the_kernels_counters_are_found_by_name() {
        let text = "Ip: a b\nIp: 1 2\nTcp: RtoMin PassiveOpens X InSegs\nTcp: 200 12 3 456\n";
        assert_eq!(HostCounters::parse(text), Some(HostCounters { passive_opens: 12, segments: 456 }));
        assert_eq!(HostCounters::parse("Tcp: A\nTcp: 1\n"), None);
    }
}
