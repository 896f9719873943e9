//! Which records of a disturbed sample can belong to the attack at all. A capture at the victim
//! holds its own answers as well, and a signature of those would cut it off.

use crate::matching::{has_ports, is_tcp};
use crate::sample::Sample;
use seawall_model::Cause;
use seawall_model::observation::{Fragment, protocol, tcp_flags};
use seawall_model::record::PacketRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Share of the packets that one destination receives to be the victim.
const VICTIM_SHARE: f64 = 0.3;
/// Distinct senders to it, so that a conversation of two does not count.
const VICTIM_SENDERS: usize = 4;

/// Ends that speak to another for that one to be asked.
const ASKERS: usize = 4;

/// The disturbed sample without what cannot be the attack.
pub(crate) struct Wanted<'a> {
    all: Sample<'a>,
    /// The packets that are left; `None`: all.
    kept: Option<Vec<PacketRecord>>,
    /// How many of the normal sample would be left.
    pub(crate) normal_left: usize,
}

impl<'a> Wanted<'a> {
    pub(crate) fn of(all: Sample<'a>, normal: Sample<'_>, cause: Cause) -> Self {
        let Sample::Packets(packets) = all else {
            return Self { all, kept: None, normal_left: normal.len() };
        };
        let victims = victims(packets.iter().filter(|p| can_belong(p, cause)));
        let asked = asked(packets);
        let belongs = |p: &&PacketRecord| {
            can_belong(p, cause)
                && !victims.contains(&p.source)
                && !asked.contains(&end(p.source, p.source_port, p))
        };
        let kept: Vec<PacketRecord> = packets.iter().filter(belongs).cloned().collect();
        let normal_left = match normal {
            Sample::Packets(normal) => normal.iter().filter(belongs).count(),
            other => other.len(),
        };
        Self { all, kept: (kept.len() < packets.len()).then_some(kept), normal_left }
    }

    pub(crate) fn sample(&self) -> Sample<'_> {
        self.kept.as_ref().map_or(self.all, |kept| Sample::Packets(kept))
    }
}

/// Protocol, address and port.
type End = (u8, IpAddr, u16);

fn end(address: IpAddr, port: u16, p: &PacketRecord) -> End {
    (p.protocol, address, port)
}

/// The ends that are asked, by many others or from many ports: what they send are answers. Who only
/// gets refusals and acceptances back has asked itself, as a scanner does from one port.
fn asked(packets: &[PacketRecord]) -> BTreeSet<End> {
    let asks = |p: &&PacketRecord| has_ports(p) && !(is_tcp(p) && answers(p));
    let mut askers: BTreeMap<End, BTreeSet<End>> = BTreeMap::new();
    for p in packets.iter().filter(asks) {
        let from = askers.entry(end(p.destination, p.destination_port, p)).or_default();
        if from.len() < ASKERS {
            from.insert(end(p.source, p.source_port, p));
        }
    }
    askers.into_iter().filter(|(_, from)| from.len() >= ASKERS).map(|(asked, _)| asked).collect()
}

/// A TCP packet that accepts or refuses what another began.
fn answers(p: &PacketRecord) -> bool {
    use tcp_flags::{ACK, RST, SYN};
    p.tcp_flags & RST != 0 || p.tcp_flags & (SYN | ACK) == SYN | ACK
}

fn is_icmp(p: &PacketRecord) -> bool {
    matches!(p.protocol, protocol::ICMP | protocol::ICMPV6)
}

/// Whether a packet can be part of an attack of this cause: what answers a SYN flood is the victim's, what
/// answers a scan is everybody's, and the errors that follow a reflected flood are useful to it.
fn can_belong(p: &PacketRecord, cause: Cause) -> bool {
    use tcp_flags::{ACK, RST, SYN};
    let is_fragment = p.fragment != Fragment::Whole;
    match cause {
        Cause::SynFlood => p.protocol == protocol::TCP && p.tcp_flags & (SYN | ACK | RST) == SYN,
        // Nobody has asked for what is reflected.
        Cause::Amplification => (p.protocol == protocol::UDP && !p.two_way) || is_fragment,
        Cause::UdpFlood => p.protocol == protocol::UDP || is_fragment,
        Cause::IcmpFlood => is_icmp(p) || is_fragment,
        Cause::FragmentFlood => is_fragment,
        Cause::TcpFlagFlood | Cause::TcpReflection => p.protocol == protocol::TCP,
        // Who resets a connection has given it back.
        Cause::ConnectionFlood | Cause::TlsFlood => p.protocol == protocol::TCP && p.tcp_flags & RST == 0,
        Cause::Scan => !(is_icmp(p) || is_tcp(p) && answers(p)),
        _ => true,
    }
}

/// The addresses that a sample's packets are sent to by many; of other records, all are clients'.
pub(crate) fn servers(sample: Sample<'_>) -> Vec<IpAddr> {
    match sample {
        Sample::Packets(packets) => victims(packets.iter()),
        Sample::Requests(_) | Sample::Dns(_) => Vec::new(),
    }
}

fn victims<'p>(packets: impl Iterator<Item = &'p PacketRecord>) -> Vec<IpAddr> {
    let mut all = 0_usize;
    let mut senders: BTreeMap<IpAddr, Vec<IpAddr>> = BTreeMap::new();
    for p in packets {
        all += 1;
        senders.entry(p.destination).or_default().push(p.source);
    }
    let is_victim = |from: &mut Vec<IpAddr>| {
        let share = from.len() as f64 / all as f64;
        from.sort_unstable();
        from.dedup();
        share >= VICTIM_SHARE && from.len() >= VICTIM_SENDERS
    };
    senders.into_iter().filter_map(|(to, mut from)| is_victim(&mut from).then_some(to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;

    fn packet(from: (u8, u16), to: (u8, u16), flags: u8) -> PacketRecord {
        PacketRecord {
            time: Timestamp(0),
            source: IpAddr::from([192, 0, 2, from.0]),
            destination: IpAddr::from([192, 0, 2, to.0]),
            protocol: protocol::TCP,
            source_port: from.1,
            destination_port: to.1,
            length_bytes: 100,
            ttl: 60,
            fragment: Fragment::Whole,
            tcp_flags: flags,
            tcp_window: 0,
            tcp_options: 0,
            icmp_type: 0,
            payload_prefix: ([0; _], 0),
            two_way: true,
        }
    }

    fn left(packets: &[PacketRecord], cause: Cause) -> Vec<IpAddr> {
        let wanted = Wanted::of(Sample::Packets(packets), Sample::Packets(&[]), cause);
        let Sample::Packets(kept) = wanted.sample() else { return Vec::new() };
        kept.iter().map(|p| p.source).collect()
    }

    #[test]
    fn what_a_server_answers_to_a_guesser_is_not_the_guessers() {
        let packets: Vec<_> = (0..20)
            .flat_map(|n| {
                [
                    packet((1, 40_000 + n), (9, 22), tcp_flags::ACK),
                    packet((9, 22), (1, 40_000 + n), tcp_flags::ACK),
                ]
            })
            .collect();
        assert_eq!(left(&packets, Cause::CredentialAbuse), [IpAddr::from([192, 0, 2, 1]); 20]);
    }

    #[test]
    fn who_is_scanned_is_not_the_scanner() {
        let answers = [tcp_flags::RST | tcp_flags::ACK, tcp_flags::SYN | tcp_flags::ACK];
        let packets: Vec<_> = (2..40)
            .flat_map(|n| {
                let answer = answers[usize::from(n % 2)];
                [
                    packet((1, 40_000 + n), (9, 23), tcp_flags::SYN),
                    packet((n as u8, 23), (1, 40_000 + n), answer),
                ]
            })
            .collect();
        assert_eq!(left(&packets, Cause::Scan), [IpAddr::from([192, 0, 2, 1]); 38]);
    }

    /// Broke: a call that began during a reflected flood, with a peer nobody had talked to before, was a
    /// signature of its own.
    #[test]
    fn a_call_is_no_part_of_what_is_reflected() {
        let datagram = |from, two_way| PacketRecord {
            protocol: protocol::UDP,
            two_way,
            ..packet((from, 5_060), (9, 30_000 + u16::from(from)), 0)
        };
        let packets: Vec<_> =
            (10..30).map(|n| datagram(n, false)).chain((10..20).map(|_| datagram(1, true))).collect();
        let kept = left(&packets, Cause::Amplification);
        assert!(kept.len() == 20 && !kept.contains(&IpAddr::from([192, 0, 2, 1])), "{kept:?}");
    }

    #[test]
    fn refusals_do_not_make_a_server_of_a_scanner() {
        let packets: Vec<_> = (1..20)
            .flat_map(|n| {
                [packet((1, 40_000), (9, n), tcp_flags::SYN), packet((9, n), (1, 40_000), tcp_flags::RST)]
            })
            .collect();
        assert!(left(&packets, Cause::Scan).contains(&IpAddr::from([192, 0, 2, 1])));
    }
}
