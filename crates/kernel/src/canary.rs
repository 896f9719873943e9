//! Canaries: packets that a rule is tried with before it goes live. One that it is about, and for
//! each of its tests one that differs there. What each must do is told by the model of the
//! program, which shares no code with it.

mod names;
mod questions;

use crate::error::KernelError;
use crate::forge::Forged;
use crate::model::{Reading, read};
use crate::rule::{Conjunction, Kind, Rule};
use crate::xdp::XdpFilter;
use seawall_model::Prefix;
use seawall_model::observation::{Fragment, protocol};
use seawall_planning::render::tcp_options;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest frame that the kernel lets one try.
const LONGEST_BYTES: usize = 3_000;

/// Tries every rule of the prepared generation. Returns the measures that could not be tried, with
/// the reason.
///
/// # Errors
/// If a rule holds for a packet that it should not hold for, or the other way round.
pub(crate) fn try_all(filter: &mut XdpFilter, rules: &[Rule]) -> Result<Vec<(String, String)>, KernelError> {
    let mut untried = Vec::new();
    let conjunctions = rules.iter().filter_map(|r| match &r.kind {
        Kind::Match(conjunction, _) => Some((r, conjunction)),
        Kind::Block(_) | Kind::Cookies(_) | Kind::Names(_) => None,
    });
    for (index, (rule, conjunction)) in conjunctions.enumerate() {
        match fitting(conjunction) {
            Ok(packet) => {
                for packet in twins(conjunction, &packet).into_iter().chain([packet]) {
                    try_one(filter, index, rule, conjunction, &packet)?;
                }
            }
            Err(reason) => untried.push((rule.measure.clone(), reason)),
        }
    }
    for rule in rules.iter().filter(|r| matches!(r.kind, Kind::Names(_))) {
        names::try_rule(filter, rules, rule, &mut untried)?;
    }
    Ok(untried)
}

fn try_one(
    filter: &mut XdpFilter,
    index: usize,
    rule: &Rule,
    conjunction: &Conjunction,
    packet: &Forged,
) -> Result<(), KernelError> {
    let frame = packet.frame();
    let Reading::Packet(facts) = read(&frame) else { return Ok(()) };
    let holds = filter.canary(&frame)? >> index & 1 == 1;
    let should = conjunction.holds(&facts);
    if holds == should {
        return Ok(());
    }
    let says = if holds { "it holds for a packet that it is not about" } else { "it misses its packet" };
    let rule = format!("measure {}", rule.measure);
    Err(KernelError::Canary { rule, reason: format!("{says}: {packet:?}") })
}

/// A packet for which all tests hold.
pub(crate) fn fitting(c: &Conjunction) -> Result<Forged, String> {
    let is_v6 = c.source.or(c.destination).map_or(c.protocol == Some(protocol::ICMPV6), is_v6);
    let mut packet = Forged::udp(address(c.source, is_v6, 1), address(c.destination, is_v6, 2));
    packet.protocol = c.protocol.unwrap_or(match c {
        c if c.has_tcp() => protocol::TCP,
        c if c.icmp_type.is_some() && is_v6 => protocol::ICMPV6,
        c if c.icmp_type.is_some() => protocol::ICMP,
        _ => protocol::UDP,
    });
    packet.ttl = c.ttl.map_or(64, |(low, _)| low);
    packet.fragment = c.fragment.unwrap_or_default();
    packet.ports.0 = c.source_port.map_or(packet.ports.0, |(low, _)| low);
    packet.ports.1 = c.destination_port.map_or(packet.ports.1, |(low, _)| low);
    packet.tcp_flags = c.tcp_flags.unwrap_or(2);
    packet.tcp_window = c.tcp_window.unwrap_or(1024);
    packet.icmp_type = c.icmp_type.unwrap_or(8);
    packet.payload = match &c.asks {
        Some(asks) => questions::fitting(asks),
        None => c.payload.iter().map(|byte| byte.unwrap_or(0)).collect(),
    };
    if let Some(hash) = c.tcp_options {
        let (places, words) = tcp_options::layout(hash).ok_or("its layout of TCP options is a rare one")?;
        packet.tcp_options = options(&places, (words - 5) * 4);
    }
    if let Some((low, high)) = c.length_bytes {
        stretch(&mut packet, low as usize)?;
        if packet.length_bytes() > high as usize {
            return Err("no packet of that length has room for its headers".to_owned());
        }
    }
    let frame = packet.frame();
    match read(&frame) {
        Reading::Packet(facts) if c.holds(&facts) => Ok(packet),
        _ => Err("no packet was found that it is about".to_owned()),
    }
}

/// The packet, changed at one test at a time.
fn twins(c: &Conjunction, packet: &Forged) -> Vec<Forged> {
    fn beside<T: Copy + PartialOrd>(
        range: Option<(T, T)>,
        least: T,
        most: T,
        step: fn(T, i32) -> T,
    ) -> Option<T> {
        let (low, high) = range?;
        if low > least { Some(step(low, -1)) } else { (high < most).then(|| step(high, 1)) }
    }
    let step16: fn(u16, i32) -> u16 = |n, by| n.wrapping_add_signed(by as i16);
    let mut twins = Vec::new();
    let mut add = |change: &dyn Fn(&mut Forged)| {
        let mut twin = packet.clone();
        change(&mut twin);
        twins.push(twin);
    };
    if let Some(port) = beside(c.source_port, 0, u16::MAX, step16) {
        add(&|t| t.ports.0 = port);
    }
    if let Some(port) = beside(c.destination_port, 0, u16::MAX, step16) {
        add(&|t| t.ports.1 = port);
    }
    if let Some(ttl) = beside(c.ttl, 0_u8, u8::MAX, |n, by| n.wrapping_add_signed(by as i8)) {
        add(&|t| t.ttl = ttl);
    }
    if c.protocol.is_some() {
        add(&|t| t.protocol = if t.protocol == protocol::UDP { protocol::TCP } else { protocol::UDP });
    }
    if c.has_tcp() {
        add(&|t| t.tcp_flags ^= 1);
        add(&|t| t.tcp_window ^= 1);
        add(&|t| t.tcp_options.extend([1, 1, 1, 1]));
    }
    if c.icmp_type.is_some() {
        add(&|t| t.icmp_type ^= 1);
    }
    if c.fragment.is_some() {
        add(&|t| t.fragment = if t.fragment == Fragment::Whole { Fragment::First } else { Fragment::Whole });
    }
    for at in 0..c.payload.len() {
        add(&|t| t.payload[at] ^= 0x20);
    }
    if !c.payload.is_empty() {
        add(&|t| t.payload.truncate(c.payload.len() - 1));
    }
    for payload in c.asks.iter().flat_map(|asks| questions::beside(asks, &packet.payload)) {
        add(&|t| t.payload.clone_from(&payload));
    }
    if let Some((_, high)) = c.length_bytes {
        add(&|t| {
            // Where it cannot be longer, it stays what it was.
            let _ = stretch(t, high as usize + 1);
        });
    }
    if let Some(prefix) = c.source.filter(|p| p.length_bits() > 0) {
        add(&|t| t.source = outside(prefix));
    }
    if let Some(prefix) = c.destination.filter(|p| p.length_bits() > 0) {
        add(&|t| t.destination = outside(prefix));
    }
    twins
}

fn is_v6(prefix: Prefix) -> bool {
    prefix.address().is_ipv6()
}

/// An address in the prefix, or one for documentation.
fn address(prefix: Option<Prefix>, is_v6: bool, last: u8) -> IpAddr {
    match prefix {
        Some(prefix) => prefix.address(),
        None if is_v6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into(),
        None => Ipv4Addr::new(192, 0, 2, last).into(),
    }
}

/// The prefix's address with the last bit of its network part turned over.
fn outside(prefix: Prefix) -> IpAddr {
    let bits = prefix.length_bits();
    match prefix.address() {
        IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) ^ 1 << (32 - bits)).into()),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) ^ 1 << (128 - bits)).into()),
    }
}

/// Options of these kinds at these places, of which nothing else matters.
fn options(places: &[(u8, usize)], bytes: usize) -> Vec<u8> {
    let mut options = vec![0; bytes];
    for (index, (kind, at)) in places.iter().enumerate() {
        let next = places.get(index + 1).map_or(bytes, |(_, next)| *next);
        options[*at] = *kind;
        if *kind > 1 && next > at + 1 {
            options[at + 1] = (next - at) as u8;
        }
    }
    options
}

/// Fills the payload up until the packet has this length.
fn stretch(packet: &mut Forged, length_bytes: usize) -> Result<(), String> {
    let missing = length_bytes.saturating_sub(packet.length_bytes());
    if length_bytes > LONGEST_BYTES {
        return Err("its packets are longer than the kernel lets one try".to_owned());
    }
    packet.payload.resize(packet.payload.len() + missing, 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::rule::{Act, Asks, WHOLE_SHARE};
    use seawall_model::time::SECOND_NS;

    #[test]
    fn a_rule_about_questions_is_tried_with_some_that_it_is_about_and_some_that_it_is_not() {
        let now = Moment::now();
        let rules: Vec<Rule> = [
            Asks { suffix: b"\x04shop\x07example\0".to_vec(), ..Asks::default() },
            Asks { dns_type: Some(255), ..Asks::default() },
            Asks { suffix: b"\x03org\0".to_vec(), dns_type: Some(1), recursion_desired: Some(false) },
        ]
        .into_iter()
        .map(|asks| {
            let conjunction = Conjunction { asks: Some(asks), ..Conjunction::default() };
            Rule {
                measure: format!("{conjunction:?}"),
                words: String::new(),
                kind: Kind::Match(conjunction, Act::Drop),
                expires: now.wall.plus_ns(60 * SECOND_NS),
                share: WHOLE_SHARE,
                enforce: true,
            }
        })
        .collect();
        for rule in &rules {
            let Kind::Match(conjunction, _) = &rule.kind else { continue };
            let packet = fitting(conjunction).expect("a packet");
            let holds = |twin: &Forged| match read(&twin.frame()) {
                Reading::Packet(facts) => conjunction.holds(&facts),
                _ => false,
            };
            let twins = twins(conjunction, &packet);
            assert!(twins.iter().any(holds) && twins.iter().filter(|twin| !holds(twin)).count() >= 4);
        }
        let Ok(mut filter) = XdpFilter::load() else { return eprintln!("skipped: no filter to try them in") };
        filter.prepare(&rules, now).expect("written");
        assert_eq!(try_all(&mut filter, &rules).expect("as the model says"), Vec::new());
    }
}
