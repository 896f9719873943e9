//! Answers to what somebody asked in another's name.
//!
//! What is seen of a SYN flood where only the answers to it were captured: a server that accepts connections
//! for ever other addresses, which are forged and say no more (Moore, Voelker and Savage, USENIX Security
//! 2001). In a reflection many servers answer one victim, or one network.
//!
//! Stands on the sampled packets that nothing came back for. Innocent look-alike: a capture of one direction
//! of a busy server, which accepts as many connections and then sends something on them; hence the rules
//! look at what else it sends.
//!
//! And what is seen of requests that were sent in our name past web servers and the middleboxes before them:
//! these accept, refuse, or send the page with which they block (Bock et al., "Weaponizing Middleboxes for TCP
//! Reflected Amplification", USENIX Security 2021). Innocent look-alike: one direction of what we asked for
//! ourselves, in which conversations are kept up and ended too.

use super::{Value, push, push_share, spread};
use crate::feature::net::NetWindow;
use crate::feature::service;
use seawall_model::metric::Metric;
use seawall_model::observation::{Fragment, protocol, tcp_flags};
use seawall_model::record::PacketRecord;
use seawall_model::{Prefix, hash};

/// Fewer sampled answers say nothing of where they go.
const ANSWERS_LEAST: usize = 40;
/// A site has so many servers, at most, that are flooded at once.
const SERVERS_MOST: usize = 4;
/// So many of the answers go to a network of their own, at least.
const EVER_OTHER: f64 = 0.5;

/// Fewer networks that answer are those of sites that somebody here visits.
const ANSWERING_LEAST: usize = 16;
/// They answer one network, if so many of the answers go there.
const TO_ONE: f64 = 0.6;
/// More of what only a conversation says is of conversations.
const CONVERSING: f64 = 0.2;

pub(super) fn measure(net: &NetWindow, one_way: &[PacketRecord], seconds: f64, out: &mut Vec<Value>) {
    let answers: Vec<&PacketRecord> = one_way.iter().filter(|r| r.accepts()).collect();
    let of = |key: &dyn Fn(&PacketRecord) -> u64| spread(answers.iter().map(|r| key(r)).collect());
    let servers = of(&|r| hash::address(r.source)).distinct;
    let networks = of(&|r| hash::address(Prefix::network_of(r.destination).address())).distinct;
    let is_backscatter = answers.len() >= ANSWERS_LEAST
        && servers <= SERVERS_MOST
        && networks as f64 >= EVER_OTHER * answers.len() as f64;
    let accepted = net.volumes.stray_syn_ack.packets as f64;
    push(out, Metric::BackscatterRate, if is_backscatter { accepted / seconds } else { 0.0 }, accepted);
}

/// How much of the stray TCP consists of answers of many web servers and middleboxes to one network.
pub(super) fn answers(one_way: &[PacketRecord], out: &mut Vec<Value>) {
    let stray: Vec<&PacketRecord> = one_way.iter().filter(|r| is_stray(r)).collect();
    let (answers, others): (Vec<_>, Vec<_>) = stray.iter().copied().partition(|r| is_answer(r));
    let of_web = others.iter().filter(|r| service::is_web_port(r.source_port)).count() as f64;
    let network = |address| hash::address(Prefix::network_of(address).address());
    let from = spread(answers.iter().map(|r| network(r.source)).collect());
    let to = spread(answers.iter().map(|r| network(r.destination)).collect());
    let is_reflected = from.distinct >= ANSWERING_LEAST
        && from.distinct >= 2 * to.distinct
        && to.top >= TO_ONE
        && of_web <= CONVERSING * stray.len() as f64;
    let count = if is_reflected { answers.len() } else { 0 };
    push_share(out, Metric::StrayAnswerShare, count as f64, stray.len() as f64);
}

/// TCP that opens nothing.
fn is_stray(r: &PacketRecord) -> bool {
    r.protocol == protocol::TCP && r.fragment != Fragment::Later && !r.opens()
}

/// What comes back from a web port at once: a connection is accepted or refused, or a page is there.
fn is_answer(r: &PacketRecord) -> bool {
    let is_first = r.tcp_flags & (tcp_flags::SYN | tcp_flags::RST) != 0 || r.payload().starts_with(b"HTTP/");
    is_first && service::is_web_port(r.source_port) && !service::is_web_port(r.destination_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::observation::Packet;
    use std::net::IpAddr;

    fn rate(answer: impl Fn(u8) -> ([u8; 4], [u8; 4])) -> f64 {
        let record = |n: u8| {
            let (from, to) = answer(n);
            let mut packet = Packet::unknown(Timestamp(0));
            (packet.source, packet.destination) = (IpAddr::from(from), IpAddr::from(to));
            (packet.protocol, packet.tcp_flags) = (protocol::TCP, tcp_flags::SYN | tcp_flags::ACK);
            PacketRecord::from(&packet)
        };
        let records: Vec<PacketRecord> = (0..200).map(record).collect();
        let mut net = NetWindow::default();
        net.volumes.stray_syn_ack.packets = 200;
        let mut out = Vec::new();
        measure(&net, &records, 1.0, &mut out);
        out[0].value
    }

    /// Broke: a SYN flood of which only the answers were captured was called a reflection.
    #[test]
    fn answers_to_ever_other_addresses_are_those_of_a_flood_and_to_one_network_those_of_a_reflection() {
        assert_eq!(rate(|n| ([192, 0, 2, 1], [24, n, 7, n])), 200.0);
        assert_eq!(rate(|n| ([24, n, 7, n], [192, 0, 2, 1])), 0.0);
        assert_eq!(rate(|n| ([24, 1, 7, 9], [192, 0, 2, n])), 0.0);
    }

    /// Broke: pages and refusals of middleboxes that were asked in our name were called a flood of odd flags.
    #[test]
    fn answers_of_many_web_servers_to_one_network_are_reflected() {
        use tcp_flags::{ACK, FIN, PSH, RST, SYN};
        let share = |from: fn(u8) -> [u8; 4], kinds: [(u8, &'static [u8]); 4]| {
            let record = |n: u8| {
                let (flags, payload) = kinds[usize::from(n % 4)];
                let mut packet = Packet::unknown(Timestamp(0));
                (packet.source, packet.destination) = (from(n).into(), [203, 0, 113, 5].into());
                (packet.source_port, packet.destination_port) = (80, 30_000 + u16::from(n));
                (packet.protocol, packet.tcp_flags, packet.payload) = (protocol::TCP, flags, payload);
                PacketRecord::from(&packet)
            };
            let records: Vec<PacketRecord> = (0..200).map(record).collect();
            let mut out = Vec::new();
            answers(&records, &mut out);
            out[0].value
        };
        let many = |n: u8| [24, n, 7, n];
        let (page, blocked) = ((PSH | ACK, &b"HTTP/1.1 403"[..]), (RST | ACK, &b""[..]));
        assert_eq!(share(many, [page, blocked, (SYN | ACK, b""), page]), 1.0);
        assert_eq!(share(|_| [24, 1, 7, 9], [page, blocked, page, page]), 0.0, "one server");
        let visit = [(SYN | ACK, &b""[..]), (ACK, b""), page, (FIN | ACK, b"")];
        assert_eq!(share(many, visit), 0.0, "one direction of visits");
    }
}
