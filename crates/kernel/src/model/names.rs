//! Questions for names that are not known, as `bpf/names.h` reads, judges and answers them.

use crate::dns::DnsListener;
use crate::forge::sum;
use crate::names::{KnownNames, NAMES_DEPTH, Names, Said, labels};
use crate::rule::{Kind, Rule};
use seawall_model::hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HEADER_BYTES: usize = 12;
const NAME_BYTES: usize = 255;
const OPT_BYTES: usize = 11;
/// The least and the greatest message that is looked at.
const MESSAGE_BYTES: std::ops::RangeInclusive<usize> = 17..=HEADER_BYTES + 500;
const OPTIONS: usize = 8;
const COOKIE: u16 = 10;
/// Bits of a question that its answer has too: RD and CD.
const KEPT: u16 = 0x0110;

/// What rules about names make of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// None is about it.
    ByNone,
    /// One is, and lets the name pass.
    Passed,
    /// The one with this index takes it. The question is of this one of [`crate::rule::WHOLE_SHARE`] parts.
    Taken { rule: usize, part: u64 },
}

/// A plain question over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Bytes before the network header.
    link: &'a [u8],
    pub source: IpAddr,
    pub destination: IpAddr,
    pub ports: (u16, u16),
    id: u16,
    flags: u16,
    /// In lower case.
    name: Vec<u8>,
    /// Name, type and class as they were asked.
    asked: &'a [u8],
    has_opt: bool,
    dnssec_ok: bool,
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// The question of a frame, if it is a plain one.
#[must_use]
pub fn read(frame: &[u8]) -> Option<Question<'_>> {
    if frame.len() < 42 || frame[0] & 1 == 1 {
        return None;
    }
    let link_bytes = if be16(frame, 12)? == 0x8100 { 18 } else { 14 };
    let (link, ip) = frame.split_at(link_bytes);
    let (source, destination, udp, ip_bytes) = match be16(frame, link_bytes - 2)? {
        0x0800 => v4(ip)?,
        0x86DD => v6(ip)?,
        _ => return None,
    };
    let message_bytes = usize::from(be16(udp, 4)?).checked_sub(8)?;
    if ip_bytes != message_bytes + 8 || !MESSAGE_BYTES.contains(&message_bytes) || source == destination {
        return None;
    }
    let message = udp.get(8..8 + message_bytes)?;
    let ports = (be16(udp, 0)?, be16(udp, 2)?);
    let question = message_of(message)?;
    Some(Question { link, source, destination, ports, ..question })
}

/// Addresses, the UDP header and what follows, and the bytes that the network header gives to it.
type Carried<'a> = (IpAddr, IpAddr, &'a [u8], usize);

fn v4(ip: &[u8]) -> Option<Carried<'_>> {
    let header = ip.first_chunk::<20>()?;
    let is_plain = header[0] == 0x45 && header[9] == 17 && be16(header, 6)? & 0x3FFF == 0;
    let is_no_sender = matches!(header[12], 0 | 127 | 224..);
    if ip.len() < 28 || !is_plain || is_no_sender || sum(header) != 0xFFFF {
        return None;
    }
    let address = |at: usize| IpAddr::from(Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]));
    Some((address(12), address(16), &ip[20..], usize::from(be16(header, 2)?).checked_sub(20)?))
}

fn v6(ip: &[u8]) -> Option<Carried<'_>> {
    let header = ip.first_chunk::<40>()?;
    if ip.len() < 48 || header[0] >> 4 != 6 || header[6] != 17 || header[8] == 0xFF {
        return None;
    }
    let address =
        |at: usize| -> Option<Ipv6Addr> { Some(<[u8; 16]>::try_from(&header[at..at + 16]).ok()?.into()) };
    let source = address(8)?;
    let is_sender = !source.is_unspecified() && !source.is_loopback();
    is_sender.then_some((source.into(), address(24)?.into(), &ip[40..], usize::from(be16(header, 4)?)))
}

/// The parts of a question that the message has.
fn message_of(message: &[u8]) -> Option<Question<'_>> {
    let flags = be16(message, 2)?;
    let counts = [4, 6, 8, 10].map(|at| be16(message, at));
    if flags & 0xF800 != 0 || counts[..3] != [Some(1), Some(0), Some(0)] || counts[3]? > 1 {
        return None;
    }
    let rest = &message[HEADER_BYTES..];
    let name_bytes = name_bytes(rest)?;
    let kind = be16(rest, name_bytes)?;
    if matches!(kind, 0 | 41 | 249..=252) || be16(rest, name_bytes + 2)? != 1 {
        return None;
    }
    let (asked, opt) = rest.split_at(name_bytes + 4);
    let has_opt = counts[3] == Some(1);
    let is_plain = if has_opt { is_opt_without_cookie(opt)? } else { opt.is_empty() };
    is_plain.then(|| Question {
        link: &[],
        source: Ipv4Addr::UNSPECIFIED.into(),
        destination: Ipv4Addr::UNSPECIFIED.into(),
        ports: (0, 0),
        id: u16::from_be_bytes([message[0], message[1]]),
        flags,
        name: asked[..name_bytes].to_ascii_lowercase(),
        asked,
        has_opt,
        dnssec_ok: has_opt && opt[7] & 0x80 != 0,
    })
}

pub(super) fn name_bytes(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *rest.get(at)? {
            0 => return (at < NAME_BYTES).then_some(at + 1),
            label @ 1..=63 => at += usize::from(label) + 1,
            _ => return None,
        }
    }
}

/// `None`: it is no OPT record that ends the message.
fn is_opt_without_cookie(opt: &[u8]) -> Option<bool> {
    let head = opt.first_chunk::<OPT_BYTES>()?;
    let mut options = &opt[OPT_BYTES..];
    if head[0] != 0 || be16(head, 1)? != 41 || head[6] != 0 || usize::from(be16(head, 9)?) != options.len() {
        return None;
    }
    for _ in 0..OPTIONS {
        if options.is_empty() {
            break;
        }
        if be16(options, 0)? == COOKIE {
            return Some(false);
        }
        options = options.get(4 + usize::from(be16(options, 2)?)..)?;
    }
    Some(options.is_empty())
}

impl Question<'_> {
    /// What the rules make of it.
    #[must_use]
    pub fn judged_by(&self, rules: &[Rule], listeners: &[DnsListener]) -> Judged {
        let at = (self.destination, self.ports.1);
        let Some(listener) = listeners.iter().find(|l| (l.address, l.port) == at) else {
            return Judged::ByNone;
        };
        let about = |(index, rule): (usize, &Rule)| match &rule.kind {
            Kind::Names(names) if names.front == listener.front && is_below(&self.name, &names.suffix) => {
                Some((index, names.suffix.len()))
            }
            _ => None,
        };
        let all = rules.iter().enumerate().filter_map(about);
        let longest = all.reduce(|longest, other| if other.1 > longest.1 { other } else { longest });
        match longest.map(|(rule, _)| (rule, &rules[rule].kind)) {
            Some((rule, Kind::Names(names))) => match self.lacked_by(names) {
                Some(hash) => Judged::Taken { rule, part: self.part(hash) },
                None => Judged::Passed,
            },
            _ => Judged::ByNone,
        }
    }

    /// The hash by which a rule takes the name, if it does.
    fn lacked_by(&self, names: &Names) -> Option<u64> {
        let passes = names.said == Said::Nothing || (names.is_signed && self.dnssec_ok);
        if passes { None } else { lacks(names, &self.name) }
    }

    /// Which part of all questions it is of.
    fn part(&self, hash: u64) -> u64 {
        let number = u64::from(self.id.swap_bytes()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (hash ^ number).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 54
    }

    /// The frame that answers it, and says this.
    #[must_use]
    pub fn answer(&self, said: Said) -> Vec<u8> {
        let mut message = self.id.to_be_bytes().to_vec();
        message.extend((said.flags() | self.flags & KEPT).to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0, 0, u8::from(self.has_opt)]);
        message.extend(self.asked);
        if self.has_opt {
            message.extend([0, 0, 41, 0x04, 0xD0, 0, 0, u8::from(self.dnssec_ok) << 7, 0, 0, 0]);
        }
        let udp_bytes = (message.len() + 8) as u16;
        let mut udp =
            [self.ports.1, self.ports.0, udp_bytes, 0].map(u16::to_be_bytes).as_flattened().to_vec();
        udp.extend(message);
        let octets = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let addresses = [octets(self.destination), octets(self.source)].concat();
        let pseudo = [&addresses[..], &[0, 17], &udp_bytes.to_be_bytes(), &udp].concat();
        let complement = match !sum(&pseudo) {
            0 => 0xFFFF,
            other => other,
        };
        udp[6..8].copy_from_slice(&complement.to_be_bytes());
        let mut frame = [&self.link[6..12], &self.link[..6], &self.link[12..]].concat();
        if self.source.is_ipv4() {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0];
            header[2..4].copy_from_slice(&(udp_bytes + 20).to_be_bytes());
            header.extend(addresses);
            let complement = !sum(&header);
            header[10..12].copy_from_slice(&complement.to_be_bytes());
            frame.extend(header);
        } else {
            frame.extend([0x60, 0, 0, 0]);
            frame.extend(udp_bytes.to_be_bytes());
            frame.extend([17, 64]);
            frame.extend(addresses);
        }
        frame.extend(udp);
        frame
    }
}

fn is_below(name: &[u8], suffix: &[u8]) -> bool {
    labels(name).ends_with(&labels(suffix))
}

/// The hash of a name below the suffix, or of its first parent, that is not known. A full bucket is no
/// business of the model: sets of tests have none.
fn lacks(names: &Names, name: &[u8]) -> Option<u64> {
    let (all, suffix) = (labels(name), labels(&names.suffix));
    let below = &all[..all.len() - suffix.len()];
    let mut hash = hash::dns_name(names.known.seed, &names.suffix);
    for (depth, label) in (1..).zip(below.iter().rev()) {
        if depth > NAMES_DEPTH {
            return (!names.said.is_of_zone()).then_some(hash);
        }
        hash = hash::child_name(hash, label);
        let is_last = depth == below.len();
        if is_last || names.said.is_of_zone() {
            match find(&names.known, hash) {
                None => return Some(hash),
                Some(is_open) if is_last || is_open => return None,
                Some(_) => {}
            }
        }
    }
    None
}

/// Whether a hash is known, and if so whether anything may exist below.
fn find(known: &KnownNames, hash: u64) -> Option<bool> {
    let same = known.names.iter().filter(|(other, _)| *other == hash);
    same.map(|(_, is_open)| *is_open).reduce(|a, b| a || b)
}
