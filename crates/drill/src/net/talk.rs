//! Conversations: both sides speak. Honest ones (web, streams, questions, transfers) and hostile
//! ones that need real connections (held open, abandoned, trickled, guessed, probed).

use super::flood::{PortPick, SizePick, Sources, Targets, blank, ttl_of};
use super::payload;
use crate::rng::Rng;
use crate::world::Networks;
use seawall_model::hash;
use seawall_model::observation::{Packet, protocol, tcp_flags};
use seawall_model::time::{MILLISECOND_NS, SECOND_NS};
use std::net::IpAddr;

const ACK: u8 = tcp_flags::ACK;
const PUSH: u8 = tcp_flags::ACK | tcp_flags::PSH;
const FIN: u8 = tcp_flags::ACK | tcp_flags::FIN;

/// What is spoken.
#[derive(Clone, Copy, Debug)]
pub enum TalkKind {
    /// HTTP or HTTPS: requests with answers of so many bytes.
    Web { tls: bool, requests_mean: f64, answer_bytes: f64, think_s: f64 },
    /// A TCP transfer of so many bytes, from the server or to it.
    Bulk { upload: bool, bytes: f64 },
    /// UDP both ways for a while: calls, games, tunnels, QUIC.
    Stream {
        client_gap_ms: f64,
        server_gap_ms: f64,
        client_bytes: SizePick,
        server_bytes: SizePick,
        payload: &'static [u8],
        seconds: f64,
    },
    /// One question, one answer, over UDP.
    Exchange {
        question_bytes: SizePick,
        answer_bytes: SizePick,
        question: &'static [u8],
        answer: &'static [u8],
    },
    /// Echo requests, answered.
    Ping { count: u32 },
    /// A terminal session or a mail dialogue: small packets both ways.
    Chat { lines: u32, gap_s: f64, payload: &'static [u8] },
    /// Connects and says nothing for so long.
    HoldOpen { seconds: f64 },
    /// Sends a TLS hello, takes the answer, goes away; so many times over new connections.
    Hello,
    /// Sends its request crumb by crumb.
    Trickle { gap_s: f64, body: bool, seconds: f64 },
    /// Asks, then takes the answer in the tiniest windows.
    SlowRead { gap_s: f64, seconds: f64 },
    /// Connects, tries a few passwords, is thrown out.
    Guess { port_payload: &'static [u8] },
    /// A SYN to a port: refused, ignored, or answered and reset.
    Probe { open_share: f64, refused_share: f64 },
}

/// Conversations of one kind.
#[derive(Clone, Debug)]
pub struct Talk {
    pub kind: TalkKind,
    pub clients: Clients,
    pub servers: Targets,
    pub port: PortPick,
    /// The client is on the protected side.
    pub outward: bool,
    pub rtt_ms: (f64, f64),
}

/// Who begins conversations.
#[derive(Clone, Debug)]
pub enum Clients {
    From(Networks),
    These(Sources),
}

/// The state of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversation {
    pub(crate) stream: u16,
    client: IpAddr,
    server: IpAddr,
    client_port: u16,
    server_port: u16,
    phase: u8,
    rounds: u32,
    left: u32,
    rtt_ns: i64,
    until_ns: i64,
    age_ns: i64,
    bulk: f64,
}

/// Windows and option layouts of SYNs, by operating system.
const STACKS: [(u16, u64); 5] = [
    (64_240, 0x0204_0402_080A),
    (65_535, 0x0204_0103_0303),
    (8_192, 0x0204_0103_0402),
    (29_200, 0x0204_0402_080A),
    (65_535, 0x0204_0402_0303),
];

/// Windows move a little as buffers fill and drain.
fn window_jitter(age_ns: i64) -> u16 {
    (hash::mix(age_ns as u64) % 1_000) as u16
}

/// A packet with its direction, and the gap to the next step.
type Step = (Option<(Packet<'static>, bool)>, Option<i64>);

impl Talk {
    pub(crate) fn begin(&self, stream: u16, rng: &mut Rng) -> Conversation {
        let client = match &self.clients {
            Clients::From(networks) => networks.draw(rng),
            Clients::These(sources) => sources.draw(rng),
        };
        let rounds = match self.kind {
            TalkKind::Web { requests_mean, .. } => rng.geometric(requests_mean),
            TalkKind::Ping { count } => count,
            TalkKind::Chat { lines, .. } => {
                rng.between(u64::from(lines / 2) + 1, u64::from(lines) + 2) as u32
            }
            TalkKind::Guess { .. } => rng.between(1, 4) as u32,
            _ => 1,
        };
        let seconds = match self.kind {
            TalkKind::Stream { seconds, .. } => rng.log_normal(seconds, 0.6),
            TalkKind::HoldOpen { seconds }
            | TalkKind::Trickle { seconds, .. }
            | TalkKind::SlowRead { seconds, .. } => rng.log_normal(seconds, 0.2),
            _ => 0.0,
        };
        Conversation {
            stream,
            client,
            server: self.servers.draw(rng),
            client_port: rng.between(32_768, 60_999) as u16,
            server_port: self.port.draw(rng),
            phase: 0,
            rounds,
            left: 0,
            rtt_ns: (rng.log_uniform(self.rtt_ms.0, self.rtt_ms.1) * MILLISECOND_NS as f64) as i64,
            until_ns: (seconds * SECOND_NS as f64) as i64,
            age_ns: 0,
            bulk: 0.0,
        }
    }

    pub(crate) fn step(&self, c: &mut Conversation, rng: &mut Rng) -> Step {
        let (packet, gap_ns) = match self.kind {
            TalkKind::Stream { .. } => self.stream(c, rng),
            TalkKind::Exchange { .. } => self.exchange(c, rng),
            TalkKind::Ping { .. } => self.ping(c),
            TalkKind::Probe { open_share, refused_share } => self.probe(c, open_share, refused_share, rng),
            _ if c.phase < 3 => self.handshake(c),
            TalkKind::Web { tls, answer_bytes, think_s, .. } => self.web(c, tls, answer_bytes, think_s, rng),
            TalkKind::Bulk { upload, bytes } => self.bulk(c, upload, bytes, rng),
            TalkKind::Chat { gap_s, payload, .. } => self.chat(c, gap_s, payload, rng),
            TalkKind::HoldOpen { .. } => self.hold_open(c),
            TalkKind::Hello => self.hello(c, rng),
            TalkKind::Trickle { gap_s, body, .. } => self.trickle(c, gap_s, body, rng),
            TalkKind::SlowRead { gap_s, .. } => self.slow_read(c, gap_s, rng),
            TalkKind::Guess { port_payload } => self.guess(c, port_payload, rng),
        };
        c.age_ns += gap_ns.unwrap_or(0);
        (packet, gap_ns)
    }

    fn packet(
        &self,
        c: &Conversation,
        by_client: bool,
        bytes: u32,
        payload: &'static [u8],
    ) -> Packet<'static> {
        let mut p = if by_client { blank(c.client, c.server) } else { blank(c.server, c.client) };
        (p.source_port, p.destination_port) =
            if by_client { (c.client_port, c.server_port) } else { (c.server_port, c.client_port) };
        let is_far = by_client != self.outward;
        p.ttl = if is_far { ttl_of(p.source, (44, 60)) } else { 64 };
        p.payload_bytes = bytes;
        p.payload = &payload[..payload.len().min(bytes as usize)];
        p
    }

    fn udp(
        &self,
        c: &Conversation,
        by_client: bool,
        bytes: u32,
        payload: &'static [u8],
    ) -> Option<(Packet<'static>, bool)> {
        let mut p = self.packet(c, by_client, bytes, payload);
        p.protocol = protocol::UDP;
        p.length_bytes = bytes + 28;
        Some((p, by_client != self.outward))
    }

    fn tcp(
        &self,
        c: &Conversation,
        by_client: bool,
        flags: u8,
        bytes: u32,
        payload: &'static [u8],
    ) -> Option<(Packet<'static>, bool)> {
        let mut p = self.packet(c, by_client, bytes, payload);
        p.protocol = protocol::TCP;
        p.tcp_flags = flags;
        // operating systems differ in windows and options
        let (window, options) = STACKS[(hash::address(p.source) % STACKS.len() as u64) as usize];
        let is_syn = flags & tcp_flags::SYN != 0;
        p.tcp_window = if is_syn { window } else { window / 2 + window_jitter(c.age_ns) };
        p.tcp_options = if is_syn { options } else { 0x0101_080A };
        p.length_bytes = bytes + if is_syn { 60 } else { 52 };
        Some((p, by_client != self.outward))
    }

    fn handshake(&self, c: &mut Conversation) -> Step {
        c.phase += 1;
        match c.phase {
            1 => (self.tcp(c, true, tcp_flags::SYN, 0, b""), Some(c.rtt_ns / 2)),
            2 => (self.tcp(c, false, tcp_flags::SYN | ACK, 0, b""), Some(c.rtt_ns / 2)),
            _ => (self.tcp(c, true, ACK, 0, b""), Some(MILLISECOND_NS / 2)),
        }
    }

    /// The last three packets; `phase` counts up from 250.
    fn goodbye(&self, c: &mut Conversation) -> Step {
        c.phase = c.phase.max(250) + 1;
        match c.phase {
            251 => (self.tcp(c, true, FIN, 0, b""), Some(c.rtt_ns / 2)),
            252 => (self.tcp(c, false, FIN, 0, b""), Some(c.rtt_ns / 2)),
            _ => (self.tcp(c, true, ACK, 0, b""), None),
        }
    }

    fn web(&self, c: &mut Conversation, tls: bool, answer_bytes: f64, think_s: f64, rng: &mut Rng) -> Step {
        match c.phase {
            3 if tls => {
                c.phase = 4;
                (self.tcp(c, true, PUSH, 517, payload::TLS_HELLO), Some(c.rtt_ns))
            }
            4 => {
                c.phase = 5;
                (self.tcp(c, false, PUSH, 1_370, payload::TLS_SERVER), Some(c.rtt_ns / 2))
            }
            3 | 5 => {
                c.phase = 6;
                let request = if tls { payload::TLS_DATA } else { payload::HTTP_GET };
                let bytes = if tls { rng.between(280, 900) as u32 } else { request.len() as u32 };
                let answer = rng.log_normal(answer_bytes, 0.9);
                c.left = (answer / 1_448.0) as u32 + 1;
                c.left = c.left.min(2_000);
                (
                    self.tcp(c, true, PUSH, bytes, request),
                    Some(c.rtt_ns / 2 + rng.log_normal(3e7, 0.7) as i64),
                )
            }
            6 if c.left > 0 => {
                c.left -= 1;
                if c.left.is_multiple_of(2) {
                    c.phase = 7;
                }
                let data = if tls { payload::TLS_DATA } else { payload::HTTP_OK };
                (self.tcp(c, false, ACK, 1_448, data), Some(rng.between(60_000, 1_500_000) as i64))
            }
            7 => {
                c.phase = 6;
                (self.tcp(c, true, ACK, 0, b""), Some(rng.between(60_000, 2_000_000) as i64))
            }
            6 => {
                c.rounds -= 1;
                if c.rounds == 0 {
                    return self.goodbye(c);
                }
                c.phase = 5;
                (None, Some((rng.log_normal(think_s, 1.0) * SECOND_NS as f64) as i64))
            }
            _ => self.goodbye(c),
        }
    }

    fn bulk(&self, c: &mut Conversation, upload: bool, bytes: f64, rng: &mut Rng) -> Step {
        match c.phase {
            3 => {
                c.phase = 4;
                c.bulk = rng.log_normal(bytes, 0.5);
                (self.tcp(c, true, PUSH, 310, payload::TLS_DATA), Some(c.rtt_ns))
            }
            4 if c.bulk > 0.0 => {
                c.bulk -= 1_448.0;
                c.left += 1;
                if c.left.is_multiple_of(2) {
                    c.phase = 5;
                }
                (
                    self.tcp(c, upload, ACK, 1_448, payload::TLS_DATA),
                    Some(rng.between(40_000, 900_000) as i64),
                )
            }
            5 => {
                c.phase = 4;
                (self.tcp(c, !upload, ACK, 0, b""), Some(rng.between(40_000, 900_000) as i64))
            }
            _ => self.goodbye(c),
        }
    }

    fn chat(&self, c: &mut Conversation, gap_s: f64, text: &'static [u8], rng: &mut Rng) -> Step {
        match c.phase {
            3 | 4 => {
                let by_client = c.phase == 4;
                c.phase = if by_client { 3 } else { 4 };
                if by_client {
                    c.rounds -= 1;
                }
                if c.rounds == 0 {
                    c.phase = 5;
                }
                let bytes = rng.between(36, 180) as u32;
                let gap_ns =
                    if by_client { c.rtt_ns } else { (rng.log_normal(gap_s, 1.0) * SECOND_NS as f64) as i64 };
                (self.tcp(c, by_client, PUSH, bytes, text), Some(gap_ns))
            }
            _ => self.goodbye(c),
        }
    }

    fn stream(&self, c: &mut Conversation, rng: &mut Rng) -> Step {
        let TalkKind::Stream { client_gap_ms, server_gap_ms, client_bytes, server_bytes, payload, .. } =
            self.kind
        else {
            return (None, None);
        };
        // both directions as one process: whose turn it is follows from their rates
        let both = 1.0 / client_gap_ms + 1.0 / server_gap_ms;
        let by_client = c.phase == 0 || (c.phase > 1 && rng.chance(1.0 / client_gap_ms / both));
        c.phase = c.phase.saturating_add(1).min(2);
        let bytes = if by_client { client_bytes.draw(rng) } else { server_bytes.draw(rng) };
        let gap_ns = (rng.uniform(0.5, 1.5) / both * MILLISECOND_NS as f64) as i64;
        (self.udp(c, by_client, bytes, payload), (c.age_ns < c.until_ns).then_some(gap_ns))
    }

    fn exchange(&self, c: &mut Conversation, rng: &mut Rng) -> Step {
        let TalkKind::Exchange { question_bytes, answer_bytes, question, answer } = self.kind else {
            return (None, None);
        };
        c.phase += 1;
        if c.phase == 1 {
            return (self.udp(c, true, question_bytes.draw(rng), question), Some(c.rtt_ns));
        }
        (self.udp(c, false, answer_bytes.draw(rng), answer), None)
    }

    fn ping(&self, c: &mut Conversation) -> Step {
        let by_client = c.phase == 0;
        c.phase = 1 - c.phase;
        let mut p = self.packet(c, by_client, 56, payload::PING);
        (p.source_port, p.destination_port) = (0, 0);
        p.protocol = protocol::ICMP;
        p.icmp_type = if by_client { 8 } else { 0 };
        p.length_bytes = 84;
        if by_client {
            return (Some((p, !self.outward)), Some(c.rtt_ns));
        }
        c.rounds -= 1;
        (Some((p, self.outward)), (c.rounds > 0).then_some(SECOND_NS))
    }

    fn probe(&self, c: &mut Conversation, open: f64, refused: f64, rng: &mut Rng) -> Step {
        c.phase += 1;
        if c.phase == 1 {
            let mut syn = self.tcp(c, true, tcp_flags::SYN, 0, b"");
            if let Some((p, _)) = &mut syn {
                p.tcp_window = 1_024;
                p.tcp_options = 0x0204;
                p.length_bytes = 44;
            }
            let fate = rng.unit();
            c.left = if fate < open {
                1
            } else if fate < open + refused {
                2
            } else {
                0
            };
            return (syn, (c.left > 0).then_some(c.rtt_ns / 2));
        }
        match (c.phase, c.left) {
            (2, 1) => (self.tcp(c, false, tcp_flags::SYN | ACK, 0, b""), Some(c.rtt_ns / 2)),
            (2, _) => (self.tcp(c, false, tcp_flags::RST | ACK, 0, b""), None),
            _ => (self.tcp(c, true, tcp_flags::RST, 0, b""), None),
        }
    }

    fn hold_open(&self, c: &mut Conversation) -> Step {
        if c.phase == 3 {
            c.phase = 4;
            return (None, Some(c.until_ns));
        }
        self.goodbye(c)
    }

    fn hello(&self, c: &mut Conversation, rng: &mut Rng) -> Step {
        c.phase += 1;
        match c.phase {
            4 => (self.tcp(c, true, PUSH, 517, payload::TLS_HELLO), Some(c.rtt_ns / 2)),
            5 => (
                self.tcp(c, false, PUSH, 1_370, payload::TLS_SERVER),
                Some(rng.between(1, 40) as i64 * MILLISECOND_NS),
            ),
            _ => (self.tcp(c, true, tcp_flags::RST, 0, b""), None),
        }
    }

    fn trickle(&self, c: &mut Conversation, gap_s: f64, body: bool, rng: &mut Rng) -> Step {
        let gap_ns = (rng.uniform(0.8, 1.2) * gap_s * SECOND_NS as f64) as i64;
        if c.phase == 3 {
            c.phase = 4;
            return (
                self.tcp(c, true, PUSH, payload::HTTP_PARTIAL.len() as u32, payload::HTTP_PARTIAL),
                Some(gap_ns),
            );
        }
        if c.age_ns > c.until_ns || c.phase > 5 {
            return self.goodbye(c);
        }
        c.phase = 9 - c.phase;
        if c.phase == 5 {
            let crumb = if body { payload::HTTP_POST_CRUMB } else { payload::HTTP_CRUMB };
            let packet = self.tcp(c, true, PUSH, crumb.len() as u32, crumb);
            return (packet, Some(c.rtt_ns / 2));
        }
        (self.tcp(c, false, ACK, 0, b""), Some(gap_ns))
    }

    fn slow_read(&self, c: &mut Conversation, gap_s: f64, rng: &mut Rng) -> Step {
        if c.phase == 3 {
            c.phase = 4;
            let get = payload::HTTP_GET;
            return (self.tcp(c, true, PUSH, get.len() as u32, get), Some(c.rtt_ns));
        }
        if c.age_ns > c.until_ns || c.phase > 5 {
            return self.goodbye(c);
        }
        c.phase = 9 - c.phase;
        if c.phase == 5 {
            return (
                self.tcp(c, false, ACK, rng.between(1, 60) as u32, payload::HTTP_OK),
                Some(c.rtt_ns / 2),
            );
        }
        let mut ack = self.tcp(c, true, ACK, 0, b"");
        if let Some((p, _)) = &mut ack {
            p.tcp_window = rng.between(0, 40) as u16;
        }
        (ack, Some((rng.uniform(0.8, 1.2) * gap_s * SECOND_NS as f64) as i64))
    }

    fn guess(&self, c: &mut Conversation, text: &'static [u8], rng: &mut Rng) -> Step {
        match c.phase {
            3 => {
                c.phase = 4;
                (self.tcp(c, false, PUSH, 41, payload::SSH), Some(c.rtt_ns / 2))
            }
            4 | 5 => {
                let by_client = c.phase == 4;
                c.phase = 9 - c.phase;
                if !by_client {
                    c.rounds -= 1;
                    if c.rounds == 0 {
                        c.phase = 6;
                    }
                }
                let gap_ns =
                    if by_client { rng.between(20, 2_000) as i64 * MILLISECOND_NS } else { c.rtt_ns };
                (self.tcp(c, by_client, PUSH, rng.between(40, 150) as u32, text), Some(gap_ns))
            }
            _ => self.goodbye(c),
        }
    }
}
