//! Openings that come to nothing, while only some packets are sampled and no flow can be followed.
//!
//! The kernel counts the connections that this host has accepted. Of the openings that were sampled
//! long enough ago to be through, as large a share is told as half open as the count does not
//! account for. Nothing is told where the host itself does not get them (it only passes them on),
//! nor of those that a measure has dropped. Innocent look-alike: a crowd far away, whose handshakes
//! take longer than [`LAG_NS`]; for the first moments of it a part is told.

use seawall_model::Timestamp;
use seawall_model::observation::{Connection, ConnectionEvent, Observation, Packet, protocol, tcp_flags};
use std::collections::VecDeque;

/// Time that a handshake is given.
const LAG_NS: i64 = 200_000_000;
/// Openings that wait; of more, these stand for all.
const MOST_WAITING: usize = 4_096;
/// Share of openings left open from which they are told: the rest is people's.
const LEAST_SHARE: f64 = 0.3;
/// Without a sampled opening for so long, counting begins anew.
const FORGET_NS: i64 = 3_000_000_000;

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

/// Sampled openings and what became of them.
#[derive(Default)]
pub struct Openings {
    began: Option<HostCounters>,
    last: Timestamp,
    waiting: VecDeque<Waiting>,
    /// Openings that those settled stand for, and all.
    settled: u64,
    seen: u64,
    /// Part of the next opening that is to be told.
    owed: f64,
}

struct Waiting {
    time: Timestamp,
    /// Openings up to this one, all that each stands for.
    seen: u64,
    event: Connection,
}

impl Openings {
    /// A sampled packet that came in and was not dropped, with how many it stands for.
    pub fn see(&mut self, p: &Packet<'_>, weight: u32, host: impl FnOnce() -> Option<HostCounters>) {
        use tcp_flags::{ACK, FIN, RST, SYN};
        if p.protocol != protocol::TCP || p.tcp_flags & (SYN | ACK | RST | FIN) != SYN {
            return;
        }
        if self.began.is_none() {
            self.began = host();
        }
        self.last = p.time;
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

    /// Tells of the openings that are due and came to nothing.
    pub fn settle(
        &mut self,
        now: Timestamp,
        host: impl FnOnce() -> Option<HostCounters>,
        mut tell: impl FnMut(&Observation<'_>),
    ) {
        let Some(began) = self.began else { return };
        if now.since_ns(self.last) > FORGET_NS {
            *self = Self::default();
            return;
        }
        let due = self.waiting.iter().take_while(|w| now.since_ns(w.time) >= LAG_NS).count();
        let (Some(newest), Some(present)) = (due.checked_sub(1).map(|at| self.waiting[at].seen), host())
        else {
            return;
        };
        self.settled = newest;
        let accepted = present.passive_opens.saturating_sub(began.passive_opens) as f64;
        let segments = present.segments.saturating_sub(began.segments);
        let share = 1.0 - accepted / self.settled.max(1) as f64;
        let is_ours = segments >= self.settled / 2;
        for Waiting { event, .. } in self.waiting.drain(..due) {
            if share < LEAST_SHARE || !is_ours {
                continue;
            }
            self.owed += share;
            if self.owed >= 1.0 {
                self.owed -= 1.0;
                tell(&Observation::Connection(event));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_kernel::forge::Forged;
    use seawall_wire::packet::frame;

    fn told(accepted: u64, arrived: u64) -> usize {
        let at = |ms: i64| Timestamp(ms * 1_000_000);
        let mut openings = Openings::default();
        let begin = HostCounters { passive_opens: 7, segments: 100 };
        for n in 0..100_u8 {
            let mut forged = Forged::udp([203, 0, 113, n].into(), [192, 0, 2, 1].into());
            (forged.protocol, forged.tcp_flags) = (protocol::TCP, tcp_flags::SYN);
            let bytes = forged.frame();
            let frame = frame::decode(1, &bytes, bytes.len() as u32, at(i64::from(n))).expect("a packet");
            openings.see(&frame.packet, 10, || Some(begin));
        }
        let host = HostCounters { passive_opens: 7 + accepted, segments: 100 + arrived };
        let mut count = 0;
        openings.settle(at(150), || Some(host), |_| panic!("none is through yet"));
        openings.settle(at(400), || Some(host), |_| count += 1);
        count
    }

    #[test]
    fn what_the_host_did_not_accept_is_half_open() {
        assert_eq!(told(0, 1_000), 100);
        assert!((59..=60).contains(&told(400, 3_000)), "{}", told(400, 3_000));
    }

    #[test]
    fn a_crowd_that_is_accepted_and_what_only_passes_by_are_not() {
        assert_eq!(told(990, 5_000), 0);
        assert_eq!(told(0, 10), 0, "the host never got them");
    }

    #[test]
    fn the_kernels_counters_are_found_by_name() {
        let text = "Ip: a b\nIp: 1 2\nTcp: RtoMin PassiveOpens X InSegs\nTcp: 200 12 3 456\n";
        assert_eq!(HostCounters::parse(text), Some(HostCounters { passive_opens: 12, segments: 456 }));
        assert_eq!(HostCounters::parse("Tcp: A\nTcp: 1\n"), None);
    }
}
