//! What is seen of a SYN flood where only the answers to it were captured: a server that accepts connections
//! for ever other addresses, which are forged and say no more (Moore, Voelker and Savage, USENIX Security
//! 2001). In a reflection many servers answer one victim, or one network.
//!
//! Stands on the sampled packets that nothing came back for. Innocent look-alike: a capture of one direction
//! of a busy server, which accepts as many connections and then sends something on them; hence the rules
//! look at what else it sends.

use super::{Value, push, spread};
use crate::feature::net::NetWindow;
use seawall_model::metric::Metric;
use seawall_model::observation::{protocol, tcp_flags};
use seawall_model::record::PacketRecord;
use seawall_model::{Prefix, hash};

/// Fewer sampled answers say nothing of where they go.
const ANSWERS_LEAST: usize = 40;
/// A site has so many servers, at most, that are flooded at once.
const SERVERS_MOST: usize = 4;
/// So many of the answers go to a network of their own, at least.
const EVER_OTHER: f64 = 0.5;

pub(super) fn measure(net: &NetWindow, one_way: &[PacketRecord], seconds: f64, out: &mut Vec<Value>) {
    const ACCEPTS: u8 = tcp_flags::SYN | tcp_flags::ACK;
    let accepts = |r: &&PacketRecord| r.protocol == protocol::TCP && r.tcp_flags & ACCEPTS == ACCEPTS;
    let answers: Vec<&PacketRecord> = one_way.iter().filter(accepts).collect();
    let of = |key: &dyn Fn(&PacketRecord) -> u64| spread(answers.iter().map(|r| key(r)).collect());
    let servers = of(&|r| hash::address(r.source)).distinct;
    let networks = of(&|r| hash::address(Prefix::network_of(r.destination).address())).distinct;
    let is_backscatter = answers.len() >= ANSWERS_LEAST
        && servers <= SERVERS_MOST
        && networks as f64 >= EVER_OTHER * answers.len() as f64;
    let accepted = net.volumes.stray_syn_ack.packets as f64;
    push(out, Metric::BackscatterRate, if is_backscatter { accepted / seconds } else { 0.0 }, accepted);
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
}
