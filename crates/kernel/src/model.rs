//! The program in plain Rust: what it reads of a frame, and what it decides. Slow, without maps,
//! masks or filters, so that a reader can hold the program against it; tests run both on the same
//! frames and want the same verdicts.

pub mod names;

use crate::dns::DnsListener;
use crate::names::{Said, labels};
use crate::rule::{Act, Asks, Conjunction, Kind, Rule, WHOLE_SHARE, rate};
use seawall_model::observation::{Fragment, protocol};
use seawall_model::plan::RateKey;
use seawall_model::{Prefix, Timestamp, hash};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// VLAN tags and IPv6 extension headers that are passed over.
const VLAN_TAGS: usize = 4;
const EXTENSION_HEADERS: usize = 12;
/// Kinds of TCP options that are hashed.
const OPTION_KINDS: usize = 16;

/// What rules ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub ttl: u8,
    pub length_bytes: u32,
    pub fragment: Fragment,
    /// Of TCP and UDP, in packets that carry the transport header.
    pub ports: Option<(u16, u16)>,
    pub tcp: Option<Tcp>,
    pub icmp_type: Option<u8>,
    /// Transport payload, or the whole of an IP payload that is not understood.
    pub payload: &'a [u8],
}

/// What a TCP header tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    pub flags: u8,
    pub window: u16,
    /// Hash of the kinds of options in order; 0: none.
    pub options: u64,
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<'a> {
    Packet(Facts<'a>),
    NotIp,
    Unreadable,
}

/// Reads an Ethernet frame.
#[must_use]
pub fn read(frame: &[u8]) -> Reading<'_> {
    let Some(mut kind) = be16(frame, 12) else { return Reading::Unreadable };
    let mut at = 14;
    for _ in 0..VLAN_TAGS {
        if kind != 0x8100 && kind != 0x88A8 {
            break;
        }
        match be16(frame, at + 2) {
            Some(following) => kind = following,
            None => return Reading::Unreadable,
        }
        at += 4;
    }
    let facts = match kind {
        0x0800 => v4(&frame[at..]),
        0x86DD => v6(&frame[at..]),
        _ => return Reading::NotIp,
    };
    facts.map_or(Reading::Unreadable, Reading::Packet)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn v4(packet: &[u8]) -> Option<Facts<'_>> {
    let header = packet.first_chunk::<20>()?;
    let header_bytes = usize::from(header[0] & 15) * 4;
    if header[0] >> 4 != 4 || header_bytes < 20 || header_bytes > packet.len() {
        return None;
    }
    let claimed = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let offset = u16::from_be_bytes([header[6], header[7]]);
    let facts = Facts {
        source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
        destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
        protocol: header[9],
        ttl: header[8],
        length_bytes: length(claimed, header_bytes, packet.len()),
        fragment: fragment(offset & 0x1FFF != 0, offset & 0x2000 != 0),
        ports: None,
        tcp: None,
        icmp_type: None,
        payload: &[],
    };
    Some(transport(packet, header_bytes, facts))
}

fn v6(packet: &[u8]) -> Option<Facts<'_>> {
    let header = packet.first_chunk::<40>().filter(|h| h[0] >> 4 == 6)?;
    let claimed = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    let mut facts = Facts {
        source: address(8),
        destination: address(24),
        protocol: header[6],
        ttl: header[7],
        length_bytes: length(if claimed == 0 { 0 } else { claimed + 40 }, 40, packet.len()),
        fragment: Fragment::Whole,
        ports: None,
        tcp: None,
        icmp_type: None,
        payload: &[],
    };
    let at = extensions(packet, &mut facts);
    Some(transport(packet, at, facts))
}

/// The packet's own length, unless the frame is too short for it.
fn length(claimed: usize, header: usize, wire: usize) -> u32 {
    let is_true = claimed >= header && claimed <= wire;
    (if is_true { claimed } else { wire }) as u32
}

fn fragment(has_offset: bool, has_more: bool) -> Fragment {
    match (has_offset, has_more) {
        (true, _) => Fragment::Later,
        (false, true) => Fragment::First,
        (false, false) => Fragment::Whole,
    }
}

fn extensions(packet: &[u8], facts: &mut Facts<'_>) -> usize {
    let mut at = 40;
    let mut next = facts.protocol;
    for _ in 0..EXTENSION_HEADERS {
        facts.protocol = next;
        let (0 | 43 | 44 | 51 | 60 | 135 | 139 | 140, Some(&following), Some(&units)) =
            (next, packet.get(at), packet.get(at + 1))
        else {
            return at;
        };
        let mut bytes = 8 + usize::from(units) * if next == 51 { 4 } else { 8 };
        if next == 44 {
            let Some(offset) = be16(packet, at + 2) else { return at };
            facts.fragment = fragment(offset & 0xFFF8 != 0, offset & 1 != 0);
            bytes = 8;
            if facts.fragment == Fragment::Later {
                facts.protocol = following;
                return at + 8;
            }
        }
        next = following;
        at += bytes;
    }
    at
}

fn transport<'a>(packet: &'a [u8], at: usize, mut facts: Facts<'a>) -> Facts<'a> {
    let rest = packet.get(at..facts.length_bytes as usize).unwrap_or_default();
    facts.payload = rest;
    if facts.fragment == Fragment::Later {
        return facts;
    }
    match facts.protocol {
        protocol::TCP => tcp(rest, &mut facts),
        protocol::UDP => udp(rest, &mut facts),
        protocol::ICMP | protocol::ICMPV6 => {
            facts.icmp_type = Some(rest.first().copied().unwrap_or(0));
            facts.payload = rest.get(8..).unwrap_or_default();
        }
        _ => {}
    }
    facts
}

/// Both ports, or zeroes where there are not even those.
fn ports(rest: &[u8]) -> Option<(u16, u16)> {
    Some(be16(rest, 0).zip(be16(rest, 2)).unwrap_or_default())
}

fn tcp<'a>(rest: &'a [u8], facts: &mut Facts<'a>) {
    facts.ports = ports(rest);
    facts.payload = &[];
    let mut tcp = Tcp { flags: rest.get(13).copied().unwrap_or(0) & 0x3F, ..Tcp::default() };
    if let Some(header) = rest.first_chunk::<20>() {
        tcp.window = u16::from_be_bytes([header[14], header[15]]);
        let header_bytes = usize::from(header[12] >> 4) * 4;
        if header_bytes >= 20 && header_bytes <= rest.len() {
            tcp.options = options(&rest[20..header_bytes]);
            facts.payload = &rest[header_bytes..];
        }
    }
    facts.tcp = Some(tcp);
}

fn options(options: &[u8]) -> u64 {
    let mut kinds = Vec::new();
    let mut at = 0;
    while let Some(&kind) = options.get(at).filter(|_| kinds.len() < OPTION_KINDS) {
        kinds.push(kind);
        at += match (kind, options.get(at + 1)) {
            (0, _) => break,
            (1, _) => 1,
            (_, Some(&length)) if length >= 2 => usize::from(length),
            _ => break,
        };
    }
    if options.is_empty() { 0 } else { hash::bytes(&kinds) }
}

fn udp<'a>(rest: &'a [u8], facts: &mut Facts<'a>) {
    facts.ports = ports(rest);
    facts.payload = rest.get(8..).unwrap_or_default();
    let claimed = be16(rest, 4).map_or(0, usize::from);
    if facts.fragment == Fragment::Whole && rest.len() >= 8 && (8..=rest.len()).contains(&claimed) {
        facts.payload = &rest[8..claimed];
    }
}

fn equals<T: PartialEq>(wanted: Option<T>, value: Option<T>) -> bool {
    wanted.is_none() || wanted == value
}

impl Conjunction {
    /// Whether all tests hold.
    #[must_use]
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        fn within<T: PartialOrd>(range: Option<(T, T)>, value: Option<T>) -> bool {
            range.is_none_or(|(low, high)| value.is_some_and(|v| low <= v && v <= high))
        }
        self.source.is_none_or(|p| p.contains(facts.source))
            && self.destination.is_none_or(|p| p.contains(facts.destination))
            && equals(self.protocol, Some(facts.protocol))
            && within(self.source_port, facts.ports.map(|p| p.0))
            && within(self.destination_port, facts.ports.map(|p| p.1))
            && within(self.length_bytes, Some(facts.length_bytes))
            && within(self.ttl, Some(facts.ttl))
            && equals(self.tcp_flags, facts.tcp.map(|t| t.flags))
            && equals(self.tcp_window, facts.tcp.map(|t| t.window))
            && equals(self.tcp_options, facts.tcp.map(|t| t.options))
            && equals(self.fragment, Some(facts.fragment))
            && equals(self.icmp_type, facts.icmp_type)
            && self.has_payload(facts.payload)
            && self.asks.as_ref().is_none_or(|asks| asks.holds(facts))
    }

    fn has_payload(&self, payload: &[u8]) -> bool {
        payload.len() >= self.payload.len()
            && self.payload.iter().zip(payload).all(|(wanted, byte)| equals(*wanted, Some(*byte)))
    }
}

impl Asks {
    /// Whether the packet asks so.
    fn holds(&self, facts: &Facts<'_>) -> bool {
        let Some(question) = Asked::of(facts) else { return false };
        equals(self.dns_type, Some(question.dns_type))
            && equals(self.recursion_desired, Some(question.recursion_desired))
            && (self.suffix.is_empty() || labels(&question.name).ends_with(&labels(&self.suffix)))
    }
}

/// What a packet asks.
struct Asked {
    /// In wire form and lower case.
    name: Vec<u8>,
    dns_type: u16,
    recursion_desired: bool,
}

impl Asked {
    fn of(facts: &Facts<'_>) -> Option<Self> {
        let message = facts.payload;
        let is_datagram = facts.protocol == protocol::UDP && facts.fragment != Fragment::Later;
        let flags = be16(message, 2)?;
        if !is_datagram || flags & 0xF800 != 0 || be16(message, 4)? != 1 {
            return None;
        }
        let rest = message.get(12..)?;
        let name_bytes = names::name_bytes(rest)?;
        be16(rest, name_bytes + 2)?;
        Some(Self {
            name: rest[..name_bytes].to_ascii_lowercase(),
            dns_type: be16(rest, name_bytes)?,
            recursion_desired: flags & 0x0100 != 0,
        })
    }
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Drop,
}

/// What happens to a packet where questions for names are answered too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Drop,
    /// This frame is sent in its place.
    Reply(Vec<u8>),
}

/// The program's state.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub rules: Vec<Rule>,
    pub protected: Vec<Prefix>,
    /// Where questions for names are asked.
    pub listeners: Vec<DnsListener>,
    /// When each bucket will be empty again, by number of its rule and address.
    buckets: BTreeMap<(usize, Option<Prefix>), u64>,
}

impl Model {
    #[must_use]
    pub fn new(rules: Vec<Rule>, protected: Vec<Prefix>) -> Self {
        Self { rules, protected, listeners: Vec::new(), buckets: BTreeMap::new() }
    }

    /// What happens to a frame at `now` where questions for names are answered too.
    pub fn outcome(&mut self, frame: &[u8], now: Timestamp) -> Outcome {
        let Reading::Packet(facts) = read(frame) else { return Outcome::Pass };
        let is_dropped = |dropped| if dropped { Outcome::Drop } else { Outcome::Pass };
        if self.is_protected(&facts) {
            return Outcome::Pass;
        }
        if self.is_dropped(true, &facts, now) {
            return Outcome::Drop;
        }
        let judged = names::read(frame).map(|q| (q.judged_by(&self.rules, &self.listeners), q));
        match judged {
            None | Some((names::Judged::ByNone, _)) => is_dropped(self.is_dropped(false, &facts, now)),
            Some((names::Judged::Passed, _)) => Outcome::Pass,
            Some((names::Judged::Taken { rule, part }, question)) => {
                self.take(rule, part, &question, &facts, now)
            }
        }
    }

    /// What becomes of a question that a rule about names takes; `part`: which one of the parts of a share
    /// it is of.
    fn take(
        &mut self,
        index: usize,
        part: u64,
        question: &names::Question<'_>,
        facts: &Facts<'_>,
        now: Timestamp,
    ) -> Outcome {
        let rule = &self.rules[index];
        let Kind::Names(held) = &rule.kind else { return Outcome::Pass };
        if now >= rule.expires {
            return Outcome::Pass;
        }
        if let Said::Truncated { passed_per_s, .. } = held.said {
            let place = self.buckets.entry((index, None)).or_insert(0);
            if !is_over_limit(place, rate(passed_per_s, passed_per_s), now.0 as u64) {
                return Outcome::Pass;
            }
        }
        if !rule.enforce || part >= u64::from(rule.share) {
            return Outcome::Pass;
        }
        let place = self.buckets.entry((index, bucket(RateKey::Network, facts))).or_insert(0);
        if is_over_limit(place, rate(held.answers_per_s, held.answers_per_s), now.0 as u64) {
            return Outcome::Drop;
        }
        Outcome::Reply(question.answer(held.said))
    }

    /// The verdict on a frame at `now`.
    pub fn verdict(&mut self, frame: &[u8], now: Timestamp) -> Verdict {
        let Reading::Packet(facts) = read(frame) else { return Verdict::Pass };
        if self.is_protected(&facts) {
            return Verdict::Pass;
        }
        let is_dropped = self.is_dropped(true, &facts, now) || self.is_dropped(false, &facts, now);
        if is_dropped { Verdict::Drop } else { Verdict::Pass }
    }

    /// Whether a block, or another rule, drops the packet.
    fn is_dropped(&mut self, by_block: bool, facts: &Facts<'_>, now: Timestamp) -> bool {
        (0..self.rules.len()).any(|index| {
            let is_kind = matches!(self.rules[index].kind, Kind::Block(_)) == by_block;
            is_kind && self.drops(index, facts, now)
        })
    }

    fn is_protected(&self, facts: &Facts<'_>) -> bool {
        let is_neighbour_discovery = facts.protocol == protocol::ICMPV6
            && facts.ttl == 255
            && facts.icmp_type.is_some_and(|k| (133..=137).contains(&k));
        is_neighbour_discovery || self.protected.iter().any(|p| p.contains(facts.source))
    }

    fn drops(&mut self, index: usize, facts: &Facts<'_>, now: Timestamp) -> bool {
        let rule = &self.rules[index];
        if now >= rule.expires {
            return false;
        }
        let is_over = match &rule.kind {
            Kind::Block(prefixes) => prefixes.iter().any(|p| p.contains(facts.source)),
            // What becomes of an opening depends on the host's sockets; questions for names come last.
            Kind::Cookies(_) | Kind::Names(_) => false,
            Kind::Match(conjunction, _) if !conjunction.holds(facts) => false,
            Kind::Match(_, Act::Drop) => true,
            Kind::Match(_, Act::Limit { key, per_s, burst }) => {
                let place = self.buckets.entry((index, bucket(*key, facts))).or_insert(0);
                is_over_limit(place, rate(*per_s, *burst), now.0 as u64)
            }
        };
        is_over && is_enforced(rule, facts)
    }
}

/// Whether a rule takes the packet's flow.
fn is_enforced(rule: &Rule, facts: &Facts<'_>) -> bool {
    rule.enforce && (rule.share >= WHOLE_SHARE || flow_part(facts) < u64::from(rule.share))
}

fn bucket(key: RateKey, facts: &Facts<'_>) -> Option<Prefix> {
    match key {
        RateKey::Source => Some(Prefix::host(facts.source)),
        RateKey::Network => Some(Prefix::network_of(facts.source)),
        RateKey::Destination => Some(Prefix::host(facts.destination)),
        RateKey::Total | RateKey::Path => None,
    }
}

fn is_over_limit(empty_at: &mut u64, (interval_ns, burst_ns): (u64, u64), now_ns: u64) -> bool {
    let arrival = (*empty_at).max(now_ns);
    if arrival - now_ns > burst_ns {
        return true;
    }
    *empty_at = arrival + interval_ns;
    false
}

/// A number for the flow, below [`WHOLE_SHARE`].
fn flow_part(facts: &Facts<'_>) -> u64 {
    let words = |address: IpAddr| {
        let octets = crate::layout::octets(address);
        (crate::layout::word(&octets, 0), crate::layout::word(&octets, 8))
    };
    let (source, destination) = (words(facts.source), words(facts.destination));
    let (from, to) = facts.ports.unwrap_or_default();
    let mut hash = source.0 ^ source.1.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash ^= destination.0.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ destination.1;
    hash = (hash ^ hash >> 29).wrapping_mul(0xA076_1D64_78BD_642F);
    hash ^= u64::from(from) << 32 | u64::from(to) << 8 | u64::from(facts.protocol);
    hash = (hash ^ hash >> 32).wrapping_mul(0xE703_7ED1_A0B4_28DB);
    hash >> 54
}
