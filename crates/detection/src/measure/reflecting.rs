//! Services of ours that answer in the direction of victims: somebody asks them in other people's names.
//!
//! Who asks for itself varies its questions (numbers of requests, keys, marks), waits for answers, or lives in
//! a private network. A forger sends one question as fast as it can, in the name of each victim, and our
//! answers are many times as large (Rossow, NDSS 2014). DNS has measures of its own. Where only what goes out
//! was captured, nobody is seen to ask: then only services count that do nothing but answer questions. What
//! comes unasked to a host that talks with others, from one that talks with nobody, is no answer of ours:
//! it is sent to us.

use super::{Structure, Value, push, push_share, spread};
use crate::feature::net::NetWindow;
use crate::feature::service;
use seawall_model::metric::Metric;
use seawall_model::observation::{Fragment, protocol};
use seawall_model::record::PacketRecord;
use seawall_model::{Cause, Prefix, address, hash};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Fewer questions or answers in the sample say nothing of a network.
const LEAST: usize = 8;
/// One question makes up this much of what is asked in a victim's name.
const SAME: f64 = 0.9;
/// Bytes back for each byte from which on a service amplifies.
const AMPLIFIES: f64 = 3.0;
/// A mean answer of this size is large without its question.
const LARGE_BYTES: f64 = 200.0;
/// A service that amplifies has its name in the verdict from this share of the questions on.
const NAMED_SHARE: f64 = 0.2;
/// Services that never send a stream: they answer, and what they send that is large was asked for.
const ONLY_ANSWERS: [&str; 14] = [
    "ntp",
    "snmp",
    "cldap",
    "ssdp",
    "memcached",
    "chargen",
    "qotd",
    "portmap",
    "netbios",
    "wsd",
    "dhdiscover",
    "coap",
    "mssql",
    "ubiquiti",
];

/// What one network asks of a service of ours, and what it is sent.
#[derive(Default)]
struct Exchange {
    questions: Vec<u64>,
    question_bytes: u64,
    answers: usize,
    answer_bytes: u64,
    one_way: bool,
}

impl Exchange {
    /// Bytes answered per byte asked; the sample holds as much of either.
    fn ratio(&self) -> f64 {
        self.answer_bytes as f64 / self.question_bytes.max(1) as f64
    }

    fn is_reflection(&self, service: usize) -> bool {
        if self.questions.is_empty() {
            let mean = self.answer_bytes as f64 / self.answers.max(1) as f64;
            let only_answers = ONLY_ANSWERS.contains(&service::SERVICES[service].name);
            return self.one_way && only_answers && self.answers >= LEAST && mean >= LARGE_BYTES;
        }
        self.questions.len() >= LEAST
            && self.ratio() >= AMPLIFIES
            && spread(self.questions.clone()).top >= SAME
    }

    fn count(&self) -> usize {
        if self.questions.is_empty() { self.answers } else { self.questions.len() }
    }
}

pub(super) fn measure(
    net: &NetWindow,
    records: &[PacketRecord],
    seconds: f64,
    out: &mut Vec<Value>,
    structure: &mut Structure,
) {
    let exchanges = exchanges(records);
    let few_servers = answering_hosts(records) <= LEAST;
    let mut reflecting: Vec<(&'static str, &Exchange)> = exchanges
        .iter()
        .filter(|((_, service), exchange)| few_servers && exchange.is_reflection(*service))
        .map(|((_, service), exchange)| (service::SERVICES[*service].name, exchange))
        .collect();
    reflecting.sort_by_key(|(name, _)| *name);
    let count = reflecting.iter().map(|(_, e)| e.count()).sum::<usize>() as f64;
    if count == 0.0 {
        return;
    }
    let scale = net.volumes.all.packets as f64 / records.len().max(1) as f64;
    let (asked, answered) = reflecting
        .iter()
        .filter(|(_, e)| !e.questions.is_empty())
        .fold((0, 0), |(asked, answered), (_, e)| (asked + e.question_bytes, answered + e.answer_bytes));
    let all = exchanges.values().map(Exchange::count).sum::<usize>() as f64;
    push(out, Metric::ReflectingRate, count * scale / seconds, count * scale);
    push_share(out, Metric::ReflectingRatio, answered as f64, asked as f64);
    push_share(out, Metric::ReflectingShare, count, all);
    for run in reflecting.chunk_by(|a, b| a.0 == b.0) {
        let share = run.iter().map(|(_, e)| e.count()).sum::<usize>() as f64 / count;
        let vector = (Cause::Amplification, run[0].0.to_owned());
        // Where questions were missed, its answers were named before.
        if share >= NAMED_SHARE && !structure.vectors.contains(&vector) {
            structure.vectors.push(vector);
        }
    }
    structure.vectors.push((Cause::Amplification, "reflector".to_owned()));
}

/// UDP between public networks and services that amplify, by network and service.
fn exchanges(records: &[PacketRecord]) -> BTreeMap<(Prefix, usize), Exchange> {
    let mut all: BTreeMap<(Prefix, usize), Exchange> = BTreeMap::new();
    let talkers = talkers(records);
    let is_sent_to_us = |r: &PacketRecord| talkers.contains(&r.destination) && !talkers.contains(&r.source);
    let is_whole = |r: &&PacketRecord| r.protocol == protocol::UDP && r.fragment != Fragment::Later;
    for r in records.iter().filter(is_whole) {
        let outside = |a: IpAddr| address::is_public(a).then(|| Prefix::network_of(a));
        let (asks, answers) = (amplifier(r.destination_port), amplifier(r.source_port));
        match (asks, answers) {
            (Some(service), None) => {
                let Some(network) = outside(r.source) else { continue };
                let exchange = all.entry((network, service)).or_default();
                exchange.questions.push(hash::combine(hash::bytes(r.payload()), u64::from(r.length_bytes)));
                exchange.question_bytes += u64::from(r.length_bytes);
            }
            (None, Some(service)) => {
                let Some(network) = outside(r.destination) else { continue };
                let exchange = all.entry((network, service)).or_default();
                exchange.answers += 1;
                exchange.answer_bytes += u64::from(r.length_bytes);
                exchange.one_way |= !r.two_way && !is_sent_to_us(r);
            }
            _ => {}
        }
    }
    all
}

/// Hosts that take part in conversations.
fn talkers(records: &[PacketRecord]) -> BTreeSet<IpAddr> {
    records.iter().filter(|r| r.two_way).flat_map(|r| [r.source, r.destination]).collect()
}

/// The service at a port, but for DNS, and for QUIC, which answers with less than it was sent thrice (RFC 9000
/// section 8.1).
fn amplifier(port: u16) -> Option<usize> {
    service::index_of(port).filter(|i| !matches!(service::SERVICES[*i].name, "dns" | "mdns" | "quic"))
}

/// Hosts that send from such ports: at a reflector few, at a victim many.
fn answering_hosts(records: &[PacketRecord]) -> usize {
    // Clients may ask from the service's own port.
    let answers = |r: &&PacketRecord| {
        r.protocol == protocol::UDP
            && amplifier(r.source_port).is_some()
            && amplifier(r.destination_port).is_none()
    };
    spread(records.iter().filter(answers).map(|r| hash::address(r.source)).collect()).distinct
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;
    use crate::Window;
    use seawall_model::Timestamp;
    use seawall_model::observation::{FlowState, Observation, Packet};

    const OURS: [u8; 4] = [203, 0, 113, 10];

    fn datagram(from: [u8; 4], to: [u8; 4], ports: (u16, u16), payload: &[u8], bytes: u32) -> Packet<'_> {
        Packet {
            time: Timestamp(0),
            source: from.into(),
            destination: to.into(),
            protocol: protocol::UDP,
            source_port: ports.0,
            destination_port: ports.1,
            length_bytes: bytes,
            ttl: 60,
            fragment: Fragment::Whole,
            tcp_flags: 0,
            tcp_window: 0,
            tcp_options: 0,
            icmp_type: 0,
            icmp_code: 0,
            payload,
            payload_bytes: bytes - 28,
            flow: FlowState::Asking,
            repeats: false,
            sampling: 1,
        }
    }

    /// Questions of one host to our time server, and answers of the given size.
    fn rate(host: [u8; 4], same: bool, answer_bytes: u32) -> Option<f64> {
        let questions: Vec<[u8; 8]> =
            (0..200_u8).map(|n| [0x17, 0, 3, 0x2a, 0, 0, 0, if same { 0 } else { n }]).collect();
        let mut window = Window::default();
        for (n, question) in questions.iter().enumerate() {
            let port = 2_000 + n as u16;
            let asks = datagram(host, OURS, (port, 123), question, 36);
            let answers = datagram(OURS, host, (123, port), &[0xd7, 0, 3, 0x2a], answer_bytes);
            window.observe(&Observation::Packet(asks), hash::mix(2 * n as u64));
            window.observe(&Observation::Packet(answers), hash::mix(2 * n as u64 + 1));
        }
        window.seal(1.0);
        findings(&window, None, None).observed(Metric::ReflectingRate)
    }

    /// Answers that nobody is seen to ask for, from a server to us, beside a conversation of ours.
    fn unasked(is_captured_whole: bool) -> Option<f64> {
        const US: [u8; 4] = [1, 1, 1, 1];
        let mut window = Window::default();
        for n in 0..40_u16 {
            let answers = datagram([8, 8, 8, 8], US, (123, 2_000 + n), &[0xd7, 0, 3, 0x2a], 468);
            let answers = Packet { flow: FlowState::OneWay, ..answers };
            let spoken = datagram([9, 9, 9, 9], US, (5_000, 443), b"spoken", 90);
            let spoken = Packet { flow: FlowState::Answering, ..spoken };
            window.observe(&Observation::Packet(answers), hash::mix(2 * u64::from(n)));
            if is_captured_whole {
                window.observe(&Observation::Packet(spoken), hash::mix(2 * u64::from(n) + 1));
            }
        }
        window.seal(1.0);
        findings(&window, None, None).observed(Metric::ReflectingRate)
    }

    /// Broke: the slow begin of a flood from one time server was called reflection by us.
    #[test]
    fn what_one_server_sends_unasked_to_a_host_that_talks_with_others_is_no_answer_of_ours() {
        assert_eq!(unasked(true), None);
        assert!(unasked(false).is_some(), "only what goes out was captured, as far as can be told");
    }

    #[test]
    fn one_question_in_a_victims_name_is_reflection_and_varied_ones_are_a_clients() {
        assert!(rate([8, 8, 8, 8], true, 468).is_some_and(|r| r > 150.0));
        assert_eq!(rate([8, 8, 8, 8], false, 468), None);
        assert_eq!(rate([8, 8, 8, 8], true, 76), None);
        assert_eq!(rate([192, 168, 1, 9], true, 468), None);
    }
}
