//! What user space and the program tell each other, byte for byte as `bpf/layout.h` has it.
//! Written and read field by field: no memory is reinterpreted.

use crate::names::NamesBytes;
use crate::rule::{Act, Asks, Conjunction, Cookies, Kind, Rule, SUFFIX_LIMIT_BYTES, rate};
use crate::slots::Slot;
use seawall_model::Prefix;
use seawall_model::observation::Fragment;
use seawall_model::plan::RateKey;
use std::net::IpAddr;

/// Banks of rules, tables and filter: one in force, one being written.
pub(crate) const BANKS: u32 = 2;
pub(crate) const RULES: u32 = 64;
pub(crate) const COUNTERS: u32 = 256;
/// Words in a chunk of the filter, and chunks in a bank of it.
pub(crate) const CHUNK_WORDS: u32 = 512;
pub(crate) const CHUNKS: u32 = 1024;
pub(crate) const SAMPLE_BYTES: usize = 128;
/// Prefix lengths that the tables hold; those of others are split, or go to the trie.
pub(crate) const V4_LENGTHS: [u8; 3] = [32, 24, 16];
pub(crate) const V6_LENGTHS: [u8; 5] = [128, 64, 56, 48, 32];
/// Words of 64 ports each.
const PORT_WORDS: usize = 1024;
/// A block that no later generation ends.
pub(crate) const NO_END: u32 = u32::MAX;

pub(crate) type ControlBytes = [u8; 48];
pub(crate) type RuleBytes = [u8; 240];
pub(crate) type BlockBytes = [u8; 24];
pub(crate) type CountsBytes = [u8; 32];
pub(crate) type TotalsBytes = [u8; 184];
pub(crate) type MasksBytes = [u8; 21_152];
pub(crate) type TermsBytes = [u8; 16];
pub(crate) type CookieBytes = [u8; 24 + 8 * PORT_WORDS];
pub(crate) type CanaryBytes = [u8; 24];
/// By the first 16 bits of an address, one bit each.
pub(crate) type Guard = [u64; 1024];
pub(crate) type Chunk = [u64; CHUNK_WORDS as usize];

/// Bits of `tests` in a rule.
pub(crate) mod test_bits {
    pub(crate) const PROTOCOL: u32 = 1 << 0;
    pub(crate) const SOURCE_PORT: u32 = 1 << 1;
    pub(crate) const DESTINATION_PORT: u32 = 1 << 2;
    pub(crate) const LENGTH: u32 = 1 << 3;
    pub(crate) const TTL: u32 = 1 << 4;
    pub(crate) const TCP_FLAGS: u32 = 1 << 5;
    pub(crate) const TCP_WINDOW: u32 = 1 << 6;
    pub(crate) const TCP_OPTIONS: u32 = 1 << 7;
    pub(crate) const FRAGMENT: u32 = 1 << 8;
    pub(crate) const ICMP_TYPE: u32 = 1 << 9;
    pub(crate) const PAYLOAD: u32 = 1 << 10;
    pub(crate) const SOURCE: u32 = 1 << 11;
    pub(crate) const DESTINATION: u32 = 1 << 12;
    pub(crate) const QUESTION: u32 = 1 << 13;
    pub(crate) const DNS_TYPE: u32 = 1 << 14;
    pub(crate) const DNS_RECURSION: u32 = 1 << 15;
}

/// Fields one after the other.
pub(crate) struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    pub(crate) fn put(&mut self, field: &[u8]) {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.put(&value.to_ne_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.put(&value.to_ne_bytes());
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.put(&value.to_ne_bytes());
    }

    fn range16(&mut self, range: Option<(u16, u16)>) {
        let (low, high) = range.unwrap_or((0, u16::MAX));
        self.u16(low);
        self.u16(high);
    }

    /// All fields are written: the layouts agree in size at least.
    pub(crate) fn done(self) -> [u8; N] {
        debug_assert_eq!(self.at, N);
        self.bytes
    }
}

/// A word of `bytes`, zero beyond their end.
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    if let Some(found) = bytes.get(at..at + 8) {
        field.copy_from_slice(found);
    }
    u64::from_ne_bytes(field)
}

/// What puts a generation in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub generation: u32,
    pub bank: u32,
    pub samples_per_s: u64,
    pub ticks: Ticks,
    /// Number of the interface; 0: not attached.
    pub interface: u32,
}

/// How the kernel's tick and its monotonic clock go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks {
    pub base_jiffies: u64,
    pub base_ns: u64,
    pub tick_ns: u64,
}

impl Control {
    pub(crate) fn encode(self) -> ControlBytes {
        let mut w = Writer::new();
        w.u64(u64::from(self.generation) << 8 | u64::from(self.bank));
        w.u64(self.samples_per_s);
        w.u64(self.ticks.base_jiffies);
        w.u64(self.ticks.base_ns);
        w.u64(self.ticks.tick_ns);
        w.u64(u64::from(self.interface));
        w.done()
    }

    pub(crate) fn decode(bytes: &ControlBytes) -> Self {
        let active = word(bytes, 0);
        Self {
            generation: (active >> 8) as u32,
            bank: active as u32 & (BANKS - 1),
            samples_per_s: word(bytes, 8),
            ticks: Ticks {
                base_jiffies: word(bytes, 16),
                base_ns: word(bytes, 24),
                tick_ns: word(bytes, 32),
            },
            interface: word(bytes, 40) as u32,
        }
    }
}

/// An entry of a trie of blocked prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub expires_ns: u64,
    pub from_generation: u32,
    pub last_generation: u32,
    pub share: u16,
    pub counter: u16,
    pub enforce: bool,
}

impl BlockEntry {
    pub(crate) fn encode(self) -> BlockBytes {
        let mut w = Writer::new();
        w.u64(self.expires_ns);
        w.u32(self.from_generation);
        w.u32(self.last_generation);
        w.u16(self.share);
        w.u16(self.counter);
        w.put(&[u8::from(self.enforce), 0, 0, 0]);
        w.done()
    }
}

/// 16 bytes as the program has them, IPv4 as ::ffff:a.b.c.d.
pub(crate) fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn prefix_words(prefix: Option<Prefix>) -> ([u8; 16], [u8; 16]) {
    let Some(prefix) = prefix else { return ([0; 16], [0; 16]) };
    let bits = u32::from(prefix.length_bits()) + if prefix.address().is_ipv4() { 96 } else { 0 };
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    (octets(prefix.address()), mask.to_be_bytes())
}

/// A conjunction with what it does, as the program tests it.
pub(crate) fn encode_rule(
    rule: &Rule,
    conjunction: &Conjunction,
    act: Act,
    expires_ns: u64,
    slot: Slot,
) -> RuleBytes {
    let c = conjunction;
    let (source, source_mask) = prefix_words(c.source);
    let (destination, destination_mask) = prefix_words(c.destination);
    let (mut payload, mut payload_mask) = ([0; 16], [0; 16]);
    for (at, byte) in c.payload.iter().enumerate() {
        (payload[at], payload_mask[at]) = byte.map_or((0, 0), |byte| (byte, 255));
    }
    let (interval_ns, burst_ns, key) = match act {
        Act::Drop => (0, 0, 0),
        Act::Limit { key, per_s, burst } => {
            let (interval, run) = rate(per_s, burst);
            (interval, run, limit_key(key))
        }
    };
    let (length_low, length_high) = c.length_bytes.unwrap_or((0, u32::MAX));
    let (ttl_low, ttl_high) = c.ttl.unwrap_or((0, u8::MAX));
    let mut w = Writer::new();
    w.u64(expires_ns);
    for words in [source, source_mask, destination, destination_mask, payload, payload_mask] {
        w.put(&words);
    }
    w.u64(c.tcp_options.unwrap_or(0));
    w.u64(interval_ns);
    w.u64(burst_ns);
    w.u32(tests(c));
    w.u32(length_low);
    w.u32(length_high);
    w.range16(c.source_port);
    w.range16(c.destination_port);
    w.u16(c.tcp_window.unwrap_or(0));
    w.u16(rule.share);
    w.u16(slot.counter);
    w.put(&[
        ttl_low,
        ttl_high,
        c.protocol.unwrap_or(0),
        c.tcp_flags.unwrap_or(0),
        c.icmp_type.unwrap_or(0),
        c.fragment.map_or(0, fragment_number),
        c.family().unwrap_or(0),
        c.payload.len() as u8,
        u8::from(act != Act::Drop),
        key,
        u8::from(rule.enforce),
        (slot.epoch >> 16) as u8,
    ]);
    w.u16(slot.epoch as u16);
    put_question(&mut w, c.asks.as_ref());
    w.done()
}

fn put_question<const N: usize>(w: &mut Writer<N>, asks: Option<&Asks>) {
    let mut suffix = [0; SUFFIX_LIMIT_BYTES];
    let wanted = asks.map_or(&[][..], |asks| &asks.suffix);
    suffix[..wanted.len()].copy_from_slice(wanted);
    w.put(&suffix);
    w.u16(asks.and_then(|asks| asks.dns_type).unwrap_or(0));
    w.put(&[wanted.len() as u8, u8::from(asks.is_some_and(|asks| asks.recursion_desired == Some(true)))]);
    w.u32(0);
}

/// Which openings are answered with a cookie, and how.
pub(crate) fn encode_cookies(
    rule: &Rule,
    cookies: &Cookies,
    expires_ns: u64,
    slot: Slot,
) -> Box<CookieBytes> {
    let mut words = vec![if cookies.ports.is_empty() { u64::MAX } else { 0 }; PORT_WORDS];
    for port in &cookies.ports {
        words[usize::from(port / 64)] |= 1 << (port % 64);
    }
    let mut w = Writer::new();
    w.u64(expires_ns);
    w.u16(rule.share);
    w.u16(slot.counter);
    w.u16(cookies.segment_v4_bytes);
    w.u16(cookies.segment_v6_bytes);
    w.put(&[u8::from(rule.enforce), u8::from(cookies.timestamps), cookies.window_scale, 0, 0, 0, 0, 0]);
    for word in words {
        w.u64(word);
    }
    Box::new(w.done())
}

fn tests(c: &Conjunction) -> u32 {
    use test_bits::*;
    [
        (PROTOCOL, c.protocol.is_some()),
        (SOURCE_PORT, c.source_port.is_some()),
        (DESTINATION_PORT, c.destination_port.is_some()),
        (LENGTH, c.length_bytes.is_some()),
        (TTL, c.ttl.is_some()),
        (TCP_FLAGS, c.tcp_flags.is_some()),
        (TCP_WINDOW, c.tcp_window.is_some()),
        (TCP_OPTIONS, c.tcp_options.is_some()),
        (FRAGMENT, c.fragment.is_some()),
        (ICMP_TYPE, c.icmp_type.is_some()),
        (PAYLOAD, !c.payload.is_empty()),
        (SOURCE, c.source.is_some()),
        (DESTINATION, c.destination.is_some()),
        (QUESTION, c.asks.is_some()),
        (DNS_TYPE, c.asks.as_ref().is_some_and(|asks| asks.dns_type.is_some())),
        (DNS_RECURSION, c.asks.as_ref().is_some_and(|asks| asks.recursion_desired.is_some())),
    ]
    .into_iter()
    .filter(|(_, is_set)| *is_set)
    .fold(0, |bits, (bit, _)| bits | bit)
}

impl Conjunction {
    /// The family that its addresses ask for: 0 IPv4, 1 IPv6.
    fn family(&self) -> Option<u8> {
        self.source.or(self.destination).map(|p| u8::from(p.address().is_ipv6()))
    }
}

pub(crate) fn fragment_number(fragment: Fragment) -> u8 {
    match fragment {
        Fragment::Whole => 0,
        Fragment::First => 1,
        Fragment::Later => 2,
    }
}

fn limit_key(key: RateKey) -> u8 {
    match key {
        RateKey::Source => 1,
        RateKey::Network => 2,
        RateKey::Destination => 3,
        RateKey::Total | RateKey::Path => 0,
    }
}

/// Which lengths and tries the present blocks use, and the mask of the filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockShape {
    pub v4_lengths: u32,
    pub v6_lengths: u32,
    pub v4_trie: bool,
    pub v6_trie: bool,
    pub filter_mask: u32,
    pub v4_mask: u32,
    pub v6_mask: u32,
    /// What nobody outside knows of the hash.
    pub seed: u64,
    /// Rules about questions for names, and the mask of their set of names.
    pub names: u32,
    pub names_mask: u32,
}

impl BlockShape {
    /// The masks of the tables of IPv4 and IPv6, of a bank's masks.
    pub(crate) fn table_masks(masks: &MasksBytes) -> (u32, u32) {
        let both = word(masks, masks.len() - 24);
        (both as u32, (both >> 32) as u32)
    }

    /// Whether a bank has openings answered with cookies.
    pub(crate) fn has_cookies(masks: &MasksBytes) -> bool {
        word(masks, masks.len() - 28) as u32 != 0
    }

    /// How many rules about questions for names a bank has.
    pub(crate) fn names_of(masks: &MasksBytes) -> u32 {
        word(masks, masks.len() - 8) as u32
    }
}

/// On which terms the prefixes of a measure are blocked.
pub(crate) fn encode_terms(expires_ns: u64, share: u16, enforce: bool) -> TermsBytes {
    let mut w = Writer::new();
    w.u64(expires_ns);
    w.u16(share);
    w.put(&[u8::from(enforce), 0, 0, 0, 0, 0]);
    w.done()
}

/// The tables that leave of 64 rules the few that a packet's values make possible.
pub(crate) fn encode_masks(rules: &[&Rule], shape: BlockShape, has_cookies: bool) -> Box<MasksBytes> {
    let conjunctions: Vec<&Conjunction> = rules
        .iter()
        .filter_map(|r| match &r.kind {
            Kind::Match(conjunction, _) => Some(conjunction),
            Kind::Block(_) | Kind::Cookies(_) | Kind::Names(_) => None,
        })
        .collect();
    let which = |holds: &dyn Fn(&Conjunction) -> bool| {
        conjunctions.iter().enumerate().filter(|(_, c)| holds(c)).fold(0_u64, |mask, (i, _)| mask | 1 << i)
    };
    let mut w = Writer::<{ size_of::<MasksBytes>() }>::new();
    w.u64(which(&|_| true));
    w.u64(which(&|c| !c.has_ports()));
    w.u64(which(&|c| !c.has_tcp()));
    w.u64(which(&|c| c.icmp_type.is_none()));
    w.u64(which(&|c| c.payload.is_empty() && c.asks.is_none()));
    w.u64(which(&|c| !c.payload.is_empty()));
    w.u64(which(&|c| c.tcp_options.is_some()));
    w.u64(which(&|c| c.asks.is_some()));
    for family in 0..2 {
        w.u64(which(&|c| c.family().is_none_or(|f| f == family)));
    }
    for fragment in [Fragment::Whole, Fragment::First, Fragment::Later, Fragment::Later] {
        w.u64(which(&|c| c.fragment.is_none_or(|f| f == fragment)));
    }
    for value in 0..=255_u8 {
        w.u64(which(&|c| c.protocol.is_none_or(|p| p == value)));
    }
    for value in 0..=255_u8 {
        w.u64(which(&|c| c.ttl.is_none_or(|(l, h)| l <= value && value <= h)));
    }
    for value in 0..64_u8 {
        w.u64(which(&|c| c.tcp_flags.is_none_or(|f| f == value)));
    }
    for value in 0..=255_u8 {
        w.u64(which(&|c| c.icmp_type.is_none_or(|k| k == value)));
    }
    halves(&mut w, &conjunctions, |c| c.source_port.map(|(l, h)| (u32::from(l), u32::from(h))));
    halves(&mut w, &conjunctions, |c| c.destination_port.map(|(l, h)| (u32::from(l), u32::from(h))));
    halves(&mut w, &conjunctions, |c| c.length_bytes);
    for value in 0..=255_u8 {
        w.u64(which(&|c| c.payload.first().is_none_or(|first| first.is_none_or(|b| b == value))));
    }
    for field in [
        shape.v4_lengths,
        shape.v6_lengths,
        u32::from(shape.v4_trie),
        u32::from(shape.v6_trie),
        shape.filter_mask,
        u32::from(has_cookies),
        shape.v4_mask,
        shape.v6_mask,
    ] {
        w.u32(field);
    }
    w.u64(shape.seed);
    w.u32(shape.names);
    w.u32(shape.names_mask);
    Box::new(w.done())
}

/// Tables for a value of 16 bits by its upper and lower byte. The lower byte narrows only where
/// the range lies within one upper byte.
fn halves<const N: usize>(
    w: &mut Writer<N>,
    conjunctions: &[&Conjunction],
    range: impl Fn(&Conjunction) -> Option<(u32, u32)>,
) {
    let which = |holds: &dyn Fn(u32, u32) -> bool| {
        conjunctions.iter().enumerate().fold(0_u64, |mask, (i, c)| {
            let (low, high) = range(c).unwrap_or((0, u32::MAX));
            mask | u64::from(holds(low, high)) << i
        })
    };
    for upper in 0..=255_u32 {
        w.u64(which(&|low, high| low >> 8 <= upper && upper <= high >> 8));
    }
    for lower in 0..=255_u32 {
        w.u64(which(&|low, high| low >> 8 != high >> 8 || (low & 255 <= lower && lower <= high & 255)));
    }
}

/// A rule as the program has it, as far as an onlooker wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleHead {
    pub expires_ns: u64,
    pub share: u16,
    pub counter: u16,
    pub is_limit: bool,
    pub enforce: bool,
}

impl RuleHead {
    pub(crate) fn of_cookies(bytes: &CookieBytes) -> Self {
        let short = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Self {
            expires_ns: word(bytes, 0),
            share: short(8),
            counter: short(10),
            is_limit: false,
            enforce: bytes[16] != 0,
        }
    }

    /// Of a rule about names, which begins as a limit does.
    pub(crate) fn of_names(bytes: &NamesBytes) -> Self {
        let mut head = [0; size_of::<RuleBytes>()];
        head.copy_from_slice(&bytes[..size_of::<RuleBytes>()]);
        Self { is_limit: false, ..Self::decode(&head) }
    }

    pub(crate) fn decode(bytes: &RuleBytes) -> Self {
        let short = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Self {
            expires_ns: word(bytes, 0),
            share: short(150),
            counter: short(152),
            is_limit: bytes[162] != 0,
            enforce: bytes[164] != 0,
        }
    }
}

/// What one measure has met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub matched_packets: u64,
    pub matched_bytes: u64,
    pub dropped_packets: u64,
    pub dropped_bytes: u64,
}

impl Counts {
    /// Adds up what the processors counted.
    pub(crate) fn sum<'a>(parts: impl Iterator<Item = &'a CountsBytes>) -> Self {
        parts.fold(Self::default(), |sum, bytes| Self {
            matched_packets: sum.matched_packets + word(bytes, 0),
            matched_bytes: sum.matched_bytes + word(bytes, 8),
            dropped_packets: sum.dropped_packets + word(bytes, 16),
            dropped_bytes: sum.dropped_bytes + word(bytes, 24),
        })
    }
}

/// What one direction has seen, all processors together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub packets: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Frames that carry no IP packet, and those whose IP header cannot be read. Both pass.
    pub not_ip: u64,
    pub unreadable: u64,
    /// Packets that a rule or block met, and that passed because their source is protected.
    pub protected: u64,
    pub dropped_by_block: u64,
    pub dropped_by_rule: u64,
    pub dropped_bytes: u64,
    /// Packets that would have been dropped, had the rule not only observed.
    pub would_drop: u64,
    pub samples: u64,
    /// Samples for which the ring had no room.
    pub samples_lost: u64,
    /// Openings that were answered with a cookie.
    pub cookies_sent: u64,
    /// Flows that brought such a cookie back.
    pub cookies_good: u64,
    /// Packets of no connection that were dropped because they brought none.
    pub cookies_bad: u64,
    /// Openings left to the host while others are answered, and flows that brought its cookie back.
    pub cookies_left: u64,
    pub cookies_left_good: u64,
    /// Questions for names that are not known: answered in a name server's place, and dropped.
    pub names_answered: u64,
    pub names_dropped: u64,
}

impl Totals {
    pub(crate) fn sum<'a>(parts: impl Iterator<Item = &'a TotalsBytes>) -> Self {
        parts.fold(Self::default(), |sum, bytes| Self {
            packets: sum.packets + word(bytes, 0),
            bytes: sum.bytes + word(bytes, 8),
            not_ip: sum.not_ip + word(bytes, 16),
            unreadable: sum.unreadable + word(bytes, 24),
            protected: sum.protected + word(bytes, 32),
            dropped_by_block: sum.dropped_by_block + word(bytes, 40),
            dropped_by_rule: sum.dropped_by_rule + word(bytes, 48),
            dropped_bytes: sum.dropped_bytes + word(bytes, 56),
            would_drop: sum.would_drop + word(bytes, 64),
            samples: sum.samples + word(bytes, 72),
            samples_lost: sum.samples_lost + word(bytes, 80),
            cookies_sent: sum.cookies_sent + word(bytes, 88),
            cookies_good: sum.cookies_good + word(bytes, 96),
            cookies_bad: sum.cookies_bad + word(bytes, 104),
            cookies_left: sum.cookies_left + word(bytes, 112),
            cookies_left_good: sum.cookies_left_good + word(bytes, 120),
            names_answered: sum.names_answered + word(bytes, 128),
            names_dropped: sum.names_dropped + word(bytes, 136),
        })
    }
}
