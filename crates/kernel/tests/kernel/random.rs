//! Seeded packets and rules: near each other, so that most rules meet some packets.

use seawall_kernel::forge::Forged;
use seawall_kernel::{Act, Asks, Conjunction, Kind, Rule, WHOLE_SHARE};
use seawall_model::hash;
use seawall_model::observation::Fragment;
use seawall_model::plan::RateKey;
use seawall_model::{Prefix, Timestamp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Numbers from a seed.
pub struct Dice {
    state: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { state: hash::mix(seed) }
    }

    pub fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        hash::mix(self.state)
    }

    /// Below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.word() % limit
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

/// Values that packets and rules share, so that they meet.
const PROTOCOLS: [u8; 6] = [1, 6, 6, 17, 17, 58];
const PORTS: [u16; 6] = [53, 80, 123, 443, 1_024, 65_535];
const TTLS: [u8; 4] = [1, 64, 117, 255];
const FLAGS: [u8; 5] = [0, 2, 4, 16, 24];
const WINDOWS: [u16; 3] = [0, 1024, 64_240];
const OPTIONS: [&[u8]; 5] = [
    &[],
    &[2, 4, 5, 180],
    &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7],
    &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
    &[3, 1, 9, 9],
];
const PAYLOADS: [&[u8]; 5] =
    [b"", b"\x17\x00\x03\x2a", b"GET / HTTP/1.1\r\nHost: shop", b"\xff\xff\xff\xffTSource", b"\x17\x00"];

const DNS_TYPES: [u8; 3] = [1, 28, 255];
const LABELS: [&[u8]; 6] = [
    b"\x03www",
    b"\x03net",
    b"\x04shop",
    b"\x01a",
    b"\x07example",
    b"\x3Fa-label-of-sixty-three-letters-is-as-long-as-a-label-may-be-hee",
];

fn address(dice: &mut Dice, is_v4: bool) -> IpAddr {
    if is_v4 {
        Ipv4Addr::new(198, 18 + dice.below(2) as u8, dice.below(4) as u8, dice.below(8) as u8).into()
    } else {
        let last = dice.below(8) as u16;
        Ipv6Addr::new(0x2001, 0xdb8, dice.below(2) as u16, dice.below(2) as u16, 0, 0, 0, last).into()
    }
}

pub fn packet(dice: &mut Dice) -> Forged {
    let is_v4 = !dice.one_in(3);
    let mut forged = Forged::udp(address(dice, is_v4), address(dice, is_v4));
    for _ in 0..dice.pick(&[0, 0, 0, 1, 2]) {
        forged.tags.push(dice.below(4096) as u16);
    }
    forged.protocol = if dice.one_in(10) { dice.word() as u8 } else { dice.pick(&PROTOCOLS) };
    forged.ttl = dice.pick(&TTLS);
    forged.fragment =
        dice.pick(&[Fragment::Whole, Fragment::Whole, Fragment::Whole, Fragment::First, Fragment::Later]);
    forged.ports = (dice.pick(&PORTS), dice.pick(&PORTS));
    forged.tcp_flags = dice.pick(&FLAGS);
    forged.tcp_window = dice.pick(&WINDOWS);
    forged.tcp_options = dice.pick(&OPTIONS).to_vec();
    forged.icmp_type = dice.pick(&[0, 3, 8, 128, 135]);
    forged.payload = dice.pick(&PAYLOADS).to_vec();
    if dice.one_in(4) {
        forged.payload.resize(dice.below(1_400) as usize, 7);
    }
    if dice.one_in(4) {
        (forged.protocol, forged.ports.1) = (17, 53);
        forged.payload = question(dice);
    }
    forged
}

/// A name in wire form, mostly below others.
fn name(dice: &mut Dice) -> Vec<u8> {
    let labels = (0..dice.pick(&[0, 1, 2, 3, 3, 4, 9])).flat_map(|_| dice.pick(&LABELS).to_vec());
    let mut name: Vec<u8> = labels.collect();
    name.push(0);
    name
}

/// A message that asks for a name, sometimes badly.
fn question(dice: &mut Dice) -> Vec<u8> {
    let mut message = vec![dice.word() as u8, 7, dice.pick(&[0, 1, 1, 1, 0x81, 0x21]), 0x20];
    message.extend([0, dice.pick(&[1, 1, 1, 1, 1, 0, 2]), 0, 0, 0, 0, 0, 0]);
    let mut name = name(dice);
    for byte in &mut name {
        if byte.is_ascii_lowercase() && dice.one_in(4) {
            *byte = byte.to_ascii_uppercase();
        }
    }
    if dice.one_in(16) {
        let at = dice.below(name.len() as u64) as usize;
        name[at] = dice.word() as u8;
    }
    message.extend(&name);
    message.extend([0, dice.pick(&DNS_TYPES), 0, 1]);
    if dice.one_in(8) {
        message.truncate(dice.below(message.len() as u64) as usize);
    }
    message
}

fn asks(dice: &mut Dice) -> Asks {
    let mut asks = Asks::default();
    if !dice.one_in(4) {
        asks.suffix = name(dice);
        asks.suffix = if asks.suffix.len() > 64 { Vec::new() } else { asks.suffix };
    }
    if dice.one_in(4) {
        asks.dns_type = Some(u16::from(dice.pick(&DNS_TYPES)));
    }
    if dice.one_in(4) {
        asks.recursion_desired = Some(dice.one_in(2));
    }
    asks
}

/// A frame as it may come: mostly whole, sometimes cut, with bits turned over, or padded.
pub fn frame(dice: &mut Dice) -> Vec<u8> {
    let mut frame = packet(dice).frame();
    match dice.below(8) {
        0 => frame.truncate((14 + dice.below(60) as usize).min(frame.len())),
        1 => {
            for _ in 0..=dice.below(4) {
                let bit = dice.below(frame.len() as u64 * 8) as usize;
                frame[bit / 8] ^= 1 << (bit % 8);
            }
        }
        2 => frame.resize(frame.len().max(60), 0),
        3 => extended(dice, &mut frame),
        _ => {}
    }
    frame
}

/// Puts extension headers before the transport header of an untagged IPv6 frame.
fn extended(dice: &mut Dice, frame: &mut Vec<u8>) {
    if frame.len() < 54 || frame[12..14] != [0x86, 0xDD] {
        return;
    }
    for _ in 0..=dice.below(14) {
        let next = frame[20];
        let units = dice.pick(&[0, 0, 1, 3]);
        let mut header = vec![next, units];
        header.resize(8 + usize::from(units) * 8, 0);
        frame[20] = dice.pick(&[0, 43, 44, 51, 60, 135]);
        frame.splice(54..54, header);
    }
}

fn conjunction(dice: &mut Dice) -> Conjunction {
    let mut c = Conjunction::default();
    fn range<T: Copy + Ord>(a: T, b: T) -> Option<(T, T)> {
        Some((a.min(b), a.max(b)))
    }
    for _ in 0..=dice.below(3) {
        match dice.below(14) {
            13 => c.asks = Some(asks(dice)),
            0 => c.source = Some(prefix(dice)),
            1 => c.destination = Some(prefix(dice)),
            2 => c.protocol = Some(dice.pick(&PROTOCOLS)),
            3 => c.source_port = range(dice.pick(&PORTS), dice.pick(&PORTS)),
            4 => c.destination_port = range(dice.pick(&PORTS), dice.pick(&PORTS)),
            5 => c.length_bytes = range(dice.below(80) as u32, dice.below(1_500) as u32),
            6 => c.ttl = range(dice.pick(&TTLS), dice.pick(&TTLS)),
            7 => c.tcp_flags = Some(dice.pick(&FLAGS)),
            8 => c.tcp_window = Some(dice.pick(&WINDOWS)),
            9 => c.tcp_options = Some(options_hash(dice.pick(&OPTIONS))),
            10 => c.fragment = Some(dice.pick(&[Fragment::Whole, Fragment::First, Fragment::Later])),
            11 => c.icmp_type = Some(dice.pick(&[0, 3, 8, 128, 135])),
            _ => {
                let payload = dice.pick(&PAYLOADS);
                c.payload = asked_of(&payload[..payload.len().min(1 + dice.below(16) as usize)], dice);
            }
        }
    }
    c
}

/// The bytes of a payload as a rule asks for them: sometimes any will do.
pub fn asked_of(payload: &[u8], dice: &mut Dice) -> Vec<Option<u8>> {
    let is_masked = dice.one_in(2);
    payload.iter().map(|byte| (!is_masked || dice.one_in(2)).then_some(*byte)).collect()
}

/// The hash that a packet with these options has, kinds by hand: padding counts.
fn options_hash(options: &[u8]) -> u64 {
    let mut forged = Forged::udp([198, 18, 0, 1].into(), [198, 18, 0, 2].into());
    forged.protocol = 6;
    forged.tcp_options = options.to_vec();
    match seawall_kernel::model::read(&forged.frame()) {
        seawall_kernel::model::Reading::Packet(facts) => facts.tcp.map_or(0, |t| t.options),
        _ => 0,
    }
}

pub fn prefix(dice: &mut Dice) -> Prefix {
    let is_v4 = !dice.one_in(3);
    let lengths: &[u8] = if is_v4 { &[32, 32, 30, 24, 22, 16, 8] } else { &[128, 128, 124, 64, 56, 48, 47] };
    Prefix::new(address(dice, is_v4), dice.pick(lengths)).expect("a length of its family")
}

/// Rules of which blocks do not overlap in the tries, where only the longest match counts.
pub fn rules(dice: &mut Dice, expires: Timestamp, limits: bool) -> Vec<Rule> {
    let count = dice.below(20);
    let name = dice.word();
    (0..count)
        .map(|n| {
            let kind = if dice.one_in(3) {
                let prefixes = (0..=dice.below(4)).map(|_| prefix(dice)).filter(|p| p.length_bits() > 8);
                Kind::Block(prefixes.collect())
            } else {
                let act = match dice.below(4) {
                    0 if limits => Act::Limit {
                        key: dice.pick(&[RateKey::Source, RateKey::Network, RateKey::Total]),
                        // So slow that a run of the test sees no packet's worth of time pass.
                        per_s: 0.001,
                        burst: 1.0 + dice.below(5) as f64,
                    },
                    _ => Act::Drop,
                };
                Kind::Match(conjunction(dice), act)
            };
            let is_block = matches!(kind, Kind::Block(_));
            Rule {
                measure: format!("m{name}-{n}"),
                words: String::new(),
                kind,
                expires: if dice.one_in(8) { Timestamp(1) } else { expires },
                // Of two blocks of one prefix one stays; they must agree on all else.
                share: if is_block { WHOLE_SHARE } else { dice.pick(&[WHOLE_SHARE, 512, 1]) },
                enforce: is_block || !dice.one_in(6),
            }
        })
        .collect()
}
