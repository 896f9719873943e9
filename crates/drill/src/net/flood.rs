//! Packets that nobody asked for: floods of every kind, and the little that servers answer.

use super::amplifier::Amplifier;
use super::payload;
use super::scene::{Sent, Sink, World};
use crate::episode::Origin;
use crate::rng::Rng;
use crate::world::public_v4;
use seawall_model::Timestamp;
use seawall_model::observation::{Fragment, Packet, protocol, tcp_flags};
use std::net::{IpAddr, Ipv4Addr};

/// Where packets come from, by their own account.
#[derive(Clone, Debug)]
pub enum Sources {
    /// Any address, a new one each time.
    Spoofed,
    /// These.
    List(Vec<IpAddr>),
}

/// Where they go.
#[derive(Clone, Copy, Debug)]
pub enum Targets {
    One(IpAddr),
    /// Evenly over a prefix.
    Carpet {
        base: u32,
        host_bits: u8,
    },
}

/// How a port is chosen.
#[derive(Clone, Copy, Debug)]
pub enum PortPick {
    Fixed(u16),
    Any,
    OneOf(&'static [u16]),
}

/// How a length is chosen.
#[derive(Clone, Copy, Debug)]
pub enum SizePick {
    Fixed(u32),
    Between(u32, u32),
}

/// What a flood consists of.
#[derive(Clone, Copy, Debug)]
pub enum FloodKind {
    Udp {
        source_port: PortPick,
        destination_port: PortPick,
        payload_bytes: SizePick,
        payload: &'static [u8],
    },
    Amplified {
        by: &'static Amplifier,
        destination_port: PortPick,
    },
    Icmp {
        kind: u8,
        code: u8,
        payload_bytes: SizePick,
    },
    Fragments {
        protocol: u8,
        bytes: SizePick,
    },
    Tcp {
        flags: &'static [u8],
        source_port: PortPick,
        destination_port: PortPick,
        window: SizePick,
        options: u64,
        payload_bytes: SizePick,
    },
}

/// What the protected side answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Nothing,
    /// A SYN-ACK with this probability (a full backlog answers few).
    SynAck(f64),
    /// A reset with this probability.
    Reset(f64),
    /// Port unreachable with this probability.
    Unreachable(f64),
    /// An echo reply.
    Echo(f64),
}

/// One-sided packets.
#[derive(Clone, Debug)]
pub struct Flood {
    pub kind: FloodKind,
    pub sources: Sources,
    pub targets: Targets,
    /// Senders' starting values of the time to live, less the hops; random per source or fixed.
    pub ttl: (u8, u8),
    pub answer: Answer,
}

/// Largest IP packet on the path.
const MTU: u32 = 1_500;
const UDP_OVERHEAD: u32 = 28;

impl World<'_> {
    pub(crate) fn flood(&mut self, flood: &Flood, origin: Origin, at_ns: i64, sink: Sink<'_>) {
        let source = flood.sources.draw(&mut self.rng);
        let destination = flood.targets.draw(&mut self.rng);
        let mut p = blank(source, destination);
        p.ttl = ttl_of(source, flood.ttl);
        if let FloodKind::Amplified { by, destination_port } = flood.kind {
            self.amplified(by, destination_port, p, origin, at_ns, sink);
            return;
        }
        shape(&mut p, flood.kind, &mut self.rng);
        self.emit(Sent { packet: p, origin, inbound: true, thinned: true }, at_ns, sink);
        if let Some(answer) = answer_to(&p, flood.answer, &mut self.rng) {
            let delay_ns = self.rng.between(30_000, 400_000) as i64;
            self.later(
                Sent { packet: answer, origin: Origin::Caused, inbound: false, thinned: true },
                at_ns + delay_ns,
            );
        }
    }

    /// What a reflector sends for one question: several packets where the protocol does so, in
    /// fragments where they are long.
    fn amplified(
        &mut self,
        by: &'static Amplifier,
        port: PortPick,
        mut p: Packet<'static>,
        origin: Origin,
        at_ns: i64,
        sink: Sink<'_>,
    ) {
        p.protocol = protocol::UDP;
        p.source_port = by.port;
        p.destination_port = port.draw(&mut self.rng);
        // one reflector's answers are alike
        let spread = u64::from(by.bytes.1 - by.bytes.0 + 1);
        let whole = by.bytes.0 + (seawall_model::hash::address(p.source) % spread) as u32 + UDP_OVERHEAD;
        p.length_bytes = whole.min(MTU);
        p.payload_bytes = p.length_bytes - UDP_OVERHEAD;
        p.payload = by.payload;
        p.fragment = if whole > MTU { Fragment::First } else { Fragment::Whole };
        let sent = |packet| Sent { packet, origin, inbound: true, thinned: true };
        let mut later_ns = at_ns;
        for copy in 0..self.rng.between(1, u64::from(by.packets)) {
            if copy == 0 {
                self.emit(sent(p), at_ns, sink);
            } else {
                self.later(sent(p), later_ns);
            }
            let mut left = whole;
            while left > MTU {
                left -= MTU - 20;
                later_ns += 1_200;
                let bytes = left.min(MTU);
                let rest = Packet {
                    fragment: Fragment::Later,
                    source_port: 0,
                    destination_port: 0,
                    length_bytes: bytes,
                    payload_bytes: bytes.saturating_sub(20),
                    payload: payload::ZEROS,
                    ..p
                };
                self.later(sent(rest), later_ns);
            }
            later_ns += 15_000;
        }
    }
}

fn shape(p: &mut Packet<'static>, kind: FloodKind, rng: &mut Rng) {
    match kind {
        FloodKind::Udp { source_port, destination_port, payload_bytes, payload } => {
            p.protocol = protocol::UDP;
            p.source_port = source_port.draw(rng);
            p.destination_port = destination_port.draw(rng);
            p.payload_bytes = payload_bytes.draw(rng);
            p.payload = cut(payload, p.payload_bytes);
            p.length_bytes = p.payload_bytes + UDP_OVERHEAD;
        }
        FloodKind::Amplified { .. } => {}
        FloodKind::Icmp { kind, code, payload_bytes } => {
            p.protocol = protocol::ICMP;
            p.icmp_type = kind;
            p.icmp_code = code;
            p.payload_bytes = payload_bytes.draw(rng);
            p.payload = cut(payload::PING, p.payload_bytes);
            p.length_bytes = p.payload_bytes + UDP_OVERHEAD;
        }
        FloodKind::Fragments { protocol, bytes } => {
            p.protocol = protocol;
            p.fragment = Fragment::Later;
            p.length_bytes = bytes.draw(rng);
            p.payload_bytes = p.length_bytes.saturating_sub(20);
            p.payload = payload::LETTERS;
        }
        FloodKind::Tcp { flags, source_port, destination_port, window, options, payload_bytes } => {
            p.protocol = protocol::TCP;
            p.tcp_flags = *rng.pick(flags);
            p.source_port = source_port.draw(rng);
            p.destination_port = destination_port.draw(rng);
            p.tcp_window = window.draw(rng) as u16;
            p.tcp_options = options;
            p.payload_bytes = payload_bytes.draw(rng);
            p.payload = cut(payload::LETTERS, p.payload_bytes);
            p.length_bytes = p.payload_bytes + if options == 0 { 40 } else { 60 };
        }
    }
}

fn answer_to(p: &Packet<'static>, answer: Answer, rng: &mut Rng) -> Option<Packet<'static>> {
    let mut back = blank(p.destination, p.source);
    back.protocol = p.protocol;
    back.source_port = p.destination_port;
    back.destination_port = p.source_port;
    back.ttl = 64;
    back.length_bytes = 40;
    match answer {
        Answer::SynAck(share) if p.tcp_flags == tcp_flags::SYN && rng.chance(share) => {
            back.tcp_flags = tcp_flags::SYN | tcp_flags::ACK;
            back.tcp_window = 64_240;
            back.tcp_options = 0x0204;
            back.length_bytes = 44;
        }
        Answer::Reset(share) if rng.chance(share) => back.tcp_flags = tcp_flags::RST | tcp_flags::ACK,
        Answer::Unreachable(share) if rng.chance(share) => {
            back.protocol = protocol::ICMP;
            back.source_port = 0;
            back.destination_port = 0;
            back.icmp_type = 3;
            back.icmp_code = 3;
            back.length_bytes = 56;
        }
        Answer::Echo(share) if rng.chance(share) => {
            back.icmp_type = 0;
            back.length_bytes = p.length_bytes;
            back.payload_bytes = p.payload_bytes;
            back.payload = p.payload;
        }
        _ => return None,
    }
    Some(back)
}

fn cut(payload: &'static [u8], bytes: u32) -> &'static [u8] {
    &payload[..payload.len().min(bytes as usize)]
}

/// A packet of which only the ends are known.
pub(crate) fn blank(source: IpAddr, destination: IpAddr) -> Packet<'static> {
    Packet { source, destination, length_bytes: 40, ttl: 64, ..Packet::unknown(Timestamp(0)) }
}

/// The same for every packet of a source, as hops are.
pub(crate) fn ttl_of(source: IpAddr, (low, high): (u8, u8)) -> u8 {
    low + (seawall_model::hash::address(source) % (u64::from(high - low) + 1)) as u8
}

impl Sources {
    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> IpAddr {
        match self {
            Self::Spoofed => IpAddr::V4(public_v4(rng)),
            Self::List(list) => *rng.pick(list),
        }
    }
}

impl Targets {
    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> IpAddr {
        match self {
            Self::One(address) => *address,
            Self::Carpet { base, host_bits } => within(*base, *host_bits, rng),
        }
    }
}

fn within(base: u32, host_bits: u8, rng: &mut Rng) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(base | rng.below(1 << host_bits) as u32))
}

impl PortPick {
    #[inline]
    pub fn draw(self, rng: &mut Rng) -> u16 {
        match self {
            Self::Fixed(port) => port,
            Self::Any => rng.between(1_024, 65_535) as u16,
            Self::OneOf(ports) => *rng.pick(ports),
        }
    }
}

impl SizePick {
    #[inline]
    pub fn draw(self, rng: &mut Rng) -> u32 {
        match self {
            Self::Fixed(n) => n,
            Self::Between(low, high) => rng.between(u64::from(low), u64::from(high)) as u32,
        }
    }
}
