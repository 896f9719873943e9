//! Which records of a disturbed sample can belong to the attack at all. A capture at the victim
//! holds its own answers as well, and a signature of those would cut it off.

use crate::sample::Sample;
use seawall_model::Cause;
use seawall_model::observation::{Fragment, protocol, tcp_flags};
use seawall_model::record::PacketRecord;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Share of the packets that one destination receives to be the victim.
const VICTIM_SHARE: f64 = 0.3;
/// Distinct senders to it, so that a conversation of two does not count.
const VICTIM_SENDERS: usize = 4;

/// The disturbed sample without what cannot be the attack.
pub(crate) enum Wanted<'a> {
    Borrowed(Sample<'a>),
    Packets(Vec<PacketRecord>),
}

impl<'a> Wanted<'a> {
    pub(crate) fn of(sample: Sample<'a>, cause: Cause) -> Self {
        let Sample::Packets(packets) = sample else { return Self::Borrowed(sample) };
        let victims = victims(packets);
        let kept: Vec<PacketRecord> = packets
            .iter()
            .filter(|p| !victims.contains(&p.source))
            .filter(|p| can_belong(p, cause))
            .cloned()
            .collect();
        if kept.len() == packets.len() { Self::Borrowed(sample) } else { Self::Packets(kept) }
    }

    pub(crate) fn sample(&self) -> Sample<'_> {
        match self {
            Self::Borrowed(sample) => *sample,
            Self::Packets(packets) => Sample::Packets(packets),
        }
    }
}

/// Whether a packet can be part of an attack of this cause: what answers a SYN flood is the
/// victim's, and the errors that follow a reflected flood are useful to it.
fn can_belong(p: &PacketRecord, cause: Cause) -> bool {
    use tcp_flags::{ACK, RST, SYN};
    let is_fragment = p.fragment != Fragment::Whole;
    match cause {
        Cause::SynFlood => p.protocol == protocol::TCP && p.tcp_flags & (SYN | ACK | RST) == SYN,
        Cause::Amplification | Cause::UdpFlood => p.protocol == protocol::UDP || is_fragment,
        Cause::IcmpFlood => matches!(p.protocol, protocol::ICMP | protocol::ICMPV6) || is_fragment,
        Cause::FragmentFlood => is_fragment,
        Cause::TcpFlagFlood | Cause::TcpReflection | Cause::ConnectionFlood | Cause::TlsFlood => {
            p.protocol == protocol::TCP
        }
        _ => true,
    }
}

/// The addresses that a sample's packets are sent to by many; of other records, all are clients'.
pub(crate) fn servers(sample: Sample<'_>) -> Vec<IpAddr> {
    match sample {
        Sample::Packets(packets) => victims(packets),
        Sample::Requests(_) | Sample::Dns(_) => Vec::new(),
    }
}

fn victims(packets: &[PacketRecord]) -> Vec<IpAddr> {
    let mut senders: BTreeMap<IpAddr, Vec<IpAddr>> = BTreeMap::new();
    for p in packets {
        senders.entry(p.destination).or_default().push(p.source);
    }
    let is_victim = |from: &mut Vec<IpAddr>| {
        let share = from.len() as f64 / packets.len() as f64;
        from.sort_unstable();
        from.dedup();
        share >= VICTIM_SHARE && from.len() >= VICTIM_SENDERS
    };
    senders.into_iter().filter_map(|(to, mut from)| is_victim(&mut from).then_some(to)).collect()
}
