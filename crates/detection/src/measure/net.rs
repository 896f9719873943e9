//! Packet and connection windows as values.

use super::connections::{at_least, connections, hosts, lossy_clients, messages};
use super::probing::{goes_on, routine_probers};
use super::stray::{accepted_openings, converses, filtered_openings, uniform_and_unanswered};
use super::unanswered::{ignored_questions, random_payloads, uniform_payloads};
use super::{Structure, Value, backscatter, push, push_share, reflecting, spread};
use crate::Window;
use crate::feature::net::{HostProfile, NetWindow, Volume, is_icmp_error};
use crate::feature::service;
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;
use seawall_model::observation::{ConnectionEvent, Fragment, protocol};
use seawall_model::record::PacketRecord;
use seawall_model::signature::Layer;
use seawall_model::{Cause, Prefix, hash};
use std::net::IpAddr;

/// A known service's unasked answers make a vector of their own from this share of the largest.
const SECOND_VECTOR_SHARE: f64 = 0.15;
/// One source sends this much of a flood that is one host's.
const ONE_SOURCE: f64 = 0.95;
/// Fewer packets say nothing about uniformity, however many each stands for.
pub(super) const UNIFORM_LEAST: usize = 20;
/// Messages that may be read as requests count as such: the outside of messages is looked at only
/// where there are this many times more of them.
const UNREAD_MESSAGES: u64 = 3;
/// Fewer segments say nothing of what the network loses; of questions, which are small and many
/// clients', fewer are needed.
const SEGMENTS_LEAST: u64 = 60;
/// Fewer openings say nothing of how many are sent again.
const OPENINGS_LEAST: u64 = 20;
/// Destinations are silent where less than this part of the traffic is conversation.
const SILENCE: f64 = 0.1;
/// Whoever looks for hosts knocks at each more rarely than this.
const KNOCKS_PER_S: f64 = 2.0;
/// Measures packets and connections. `requests`: how many requests could be read in the same time.
pub(super) fn measure(
    net: &NetWindow,
    requests: u64,
    seconds: f64,
    out: &mut Vec<Value>,
    structure: &mut Structure,
) {
    let (records, one_way) = (&net.records(), &net.one_way_records());
    volumes(net, seconds, out);
    silent_hosts(net, one_way, seconds, out);
    protocols(net, records, one_way, seconds, out);
    reflection(net, one_way, seconds, out, structure);
    reflecting::measure(net, records, seconds, out, structure);
    tcp(net, records, one_way, seconds, out);
    connections(net, records, seconds, out);
    lossy_clients(net, out);
    hosts(net, out);
    if net.volumes.messages.packets > UNREAD_MESSAGES * requests {
        messages(net, records, seconds, out);
    }
    uniform_payloads(one_way, out);
    random_payloads(one_way, out);
    destinations(net, one_way, out, structure);
    spoofing(net, records, structure);
}

fn volumes(net: &NetWindow, seconds: f64, out: &mut Vec<Value>) {
    let all = net.volumes.all;
    let n = all.packets as f64;
    push(out, Metric::PacketRate, n / seconds, n);
    push(out, Metric::PacketCount, n, n);
    push(out, Metric::BitRate, all.bytes as f64 * 8.0 / seconds, n);
    push_share(out, Metric::MeanPacketBytes, all.bytes as f64, n);
    push(out, Metric::SourceCount, net.sources.count(), n);
    push(out, Metric::DestinationCount, net.destinations.count(), n);
    push(out, Metric::PacketsPerSource, n / net.sources.count().max(1.0), n);
    let unrefusing = net.volumes.unrefusing() as f64;
    push_share(out, Metric::TwoWayShare, net.volumes.two_way.packets as f64, unrefusing);
}

/// ICMP that answers nothing, to the host that gets most of it. Who watches many hosts asks each of
/// them now and then and hears from all; a flood asks one. What a router answers on the way asks
/// nothing of the host behind it.
fn icmp_per_host(net: &NetWindow, records: &[PacketRecord]) -> f64 {
    let v = &net.volumes;
    let errors = v.icmp_errors_known.packets;
    let answers = v.icmp_echo_reply.packets + errors + errors.min(v.icmp_echo.packets);
    let asks = v.icmp.packets.saturating_sub(answers) as f64;
    let is_ask = |r: &&PacketRecord| match r.protocol {
        _ if r.two_way && is_icmp_error(r.protocol, r.icmp_type) => false,
        protocol::ICMP => r.icmp_type != 0,
        protocol::ICMPV6 => r.icmp_type != 129,
        _ => false,
    };
    let hosts = spread(records.iter().filter(is_ask).map(|r| hash::address(r.destination)).collect());
    asks * hosts.top
}

/// Hosts at which somebody knocks now and then and that never answer, as those of an unused network.
fn silent_hosts(net: &NetWindow, one_way: &[PacketRecord], seconds: f64, out: &mut Vec<Value>) {
    let knocks = |r: &&PacketRecord| match r.protocol {
        protocol::TCP => r.opens(),
        protocol::UDP => {
            !service::is_service_port(r.source_port)
                && !r.destination.is_multicast()
                && !service::is_resolvers_question(r.destination_port, r.payload())
        }
        protocol::ICMP => r.icmp_type == 8,
        protocol::ICMPV6 => r.icmp_type == 128,
        _ => false,
    };
    let hosts = spread(one_way.iter().filter(knocks).map(|r| hash::address(r.destination)).collect());
    let silent = net.volumes.two_way.packets as f64 <= SILENCE * net.volumes.unrefusing() as f64;
    let rarely = net.volumes.one_way() as f64 <= KNOCKS_PER_S * seconds * hosts.distinct as f64;
    let sorted = net.hosts.sorted();
    let packets = |of: &dyn Fn(&HostProfile) -> bool| -> f64 {
        sorted.iter().filter(|(_, h)| of(h)).map(|(_, h)| f64::from(h.packets)).sum()
    };
    let knocking = packets(&goes_on) * 2.0 <= packets(&|_| true);
    let count = if silent && rarely && knocking { hosts.distinct as f64 } else { 0.0 };
    push(out, Metric::SilentHostCount, count, hosts.total as f64);
}

fn protocols(
    net: &NetWindow,
    records: &[PacketRecord],
    one_way: &[PacketRecord],
    seconds: f64,
    out: &mut Vec<Value>,
) {
    let v = &net.volumes;
    let n = v.all.packets as f64;
    push_share(out, Metric::UdpShare, v.udp.packets as f64, n);
    push_share(out, Metric::IcmpShare, v.icmp.packets as f64, n);
    push_share(out, Metric::FragmentShare, v.fragments.packets as f64, n);
    push_share(
        out,
        Metric::ConversationFragmentShare,
        v.conversation_fragments.packets as f64,
        v.first_fragments.packets as f64,
    );
    push(out, Metric::FragmentRate, v.fragments.packets as f64 / seconds, n);
    push(out, Metric::IcmpRate, v.icmp.packets as f64 / seconds, n);
    push(out, Metric::IcmpPerHost, icmp_per_host(net, records) / seconds, v.icmp.packets as f64);
    let (replies, errors) = (v.icmp_echo_reply.packets, v.icmp_errors_known.packets);
    let pairs = v.icmp_echo.packets.min(replies + errors);
    let answered = 2 * pairs + errors.saturating_sub(pairs.saturating_sub(replies));
    push_share(
        out,
        Metric::IcmpUnansweredShare,
        v.icmp.packets.saturating_sub(answered) as f64,
        v.icmp.packets as f64,
    );
    let ignored = ignored_questions(net, one_way, seconds);
    let unanswered = (v.udp_one_way.packets + ignored.packets) as f64;
    let bytes = (v.udp_one_way.bytes + ignored.bytes) as f64;
    if v.udp_unknown.packets as f64 * 2.0 <= unanswered {
        push_share(out, Metric::UdpNewShare, v.udp_new.packets.min(unanswered as u64) as f64, unanswered);
    }
    push_share(out, Metric::OddProtocolShare, v.odd_protocol.packets as f64, n);
    push(out, Metric::OddProtocolRate, v.odd_protocol.packets as f64 / seconds, n);
    push_share(out, Metric::UnansweredUdpShare, unanswered, n);
    push(out, Metric::UnansweredUdpRate, busiest(net, unanswered, seconds), n);
    push(out, Metric::UnreflectedUdpRate, busiest(net, (unanswered - reflected(net)).max(0.0), seconds), n);
    push(out, Metric::UnansweredUdpBitRate, bytes * 8.0 / seconds, n);
    push_share(out, Metric::UnansweredUdpBytes, bytes, unanswered);
    push(out, Metric::DhcpClientCount, net.dhcp_clients.count(), n);
    push(out, Metric::DhcpRequestRate, v.dhcp_requests.packets as f64 / seconds, n);
}

/// The rate of something that makes up most one-way packets, in the busiest second: a short flood
/// is no slower for the quiet time around it.
fn busiest(net: &NetWindow, packets: f64, seconds: f64) -> f64 {
    let one_way = net.volumes.one_way() as f64;
    let part = if one_way > 0.0 { (packets / one_way).min(1.0) } else { 0.0 };
    let mean = packets / seconds;
    if part > 0.5 { mean.max(part * net.peak_one_way_per_s.min(packets)) } else { mean }
}

/// Packets of unasked answers of services known to amplify, with the fragments that follow them.
fn reflected(net: &NetWindow) -> f64 {
    let mut sum = Volume::default();
    net.reflectors().iter().for_each(|(_, volume)| sum.merge(volume));
    (sum.packets + fragments_of(net, sum).packets) as f64
}

/// Fragments that follow answers: only where there are answers that they can belong to.
fn fragments_of(net: &NetWindow, answers: Volume) -> Volume {
    let fragments = net.volumes.later_fragments;
    if fragments.bytes > 20 * answers.bytes { Volume::default() } else { fragments }
}

/// Unasked answers of services known to amplify, with the fragments that follow them.
fn reflection(
    net: &NetWindow,
    one_way: &[PacketRecord],
    seconds: f64,
    out: &mut Vec<Value>,
    structure: &mut Structure,
) {
    let reflectors = net.reflectors();
    let Some((_, largest)) = reflectors.first().copied() else { return };
    let named: Vec<_> = reflectors
        .iter()
        .filter(|(_, v)| v.bytes as f64 >= SECOND_VECTOR_SHARE * largest.bytes as f64 && v.packets >= 20)
        .filter(|(s, _)| s.name != "quic" || only_begins_quic(one_way))
        .collect();
    let mut sum = Volume::default();
    for (_, volume) in &named {
        sum.packets += volume.packets;
        sum.bytes += volume.bytes;
    }
    if named.is_empty() {
        return;
    }
    let fragments = fragments_of(net, sum);
    let n = sum.packets as f64;
    push(out, Metric::ReflectedRate, busiest(net, n, seconds), n);
    push(out, Metric::ReflectedCount, n, n);
    push(out, Metric::ReflectedBitRate, (sum.bytes + fragments.bytes) as f64 * 8.0 / seconds, n);
    push_share(out, Metric::ReflectedBytes, sum.bytes as f64, n);
    push_share(
        out,
        Metric::ReflectorPortShare,
        (sum.bytes + fragments.bytes) as f64,
        net.volumes.all.bytes as f64,
    );
    let is_named = |r: &&PacketRecord| {
        let index = service::index_of(r.source_port);
        r.protocol == protocol::UDP
            && index.is_some_and(|i| named.iter().any(|(s, _)| s.name == service::SERVICES[i].name))
    };
    let reflected: Vec<&PacketRecord> = one_way.iter().filter(is_named).collect();
    let sources = spread(reflected.iter().map(|r| hash::address(r.source)).collect());
    push(out, Metric::ReflectorCount, sources.distinct as f64, n);
    let network = |r: &&PacketRecord| hash::address(Prefix::network_of(r.destination).address());
    let networks = spread(reflected.iter().map(network).collect());
    push(out, Metric::ReflectedNetworkCount, networks.distinct as f64, n);
    for (service, _) in named {
        structure.vectors.push((Cause::Amplification, service.name.to_owned()));
    }
}

/// Whether what comes from the port of QUIC are beginnings, which nothing follows. Of connections of which
/// one direction was captured, most is what follows.
fn only_begins_quic(one_way: &[PacketRecord]) -> bool {
    const MOSTLY: f64 = 0.8;
    let of_quic = |r: &&PacketRecord| r.protocol == protocol::UDP && r.source_port == service::QUIC_PORT;
    let (begin, all) = one_way.iter().filter(of_quic).fold((0.0, 0.0), |(begin, all), r| {
        (begin + f64::from(u8::from(service::begins_quic(r.payload()))), all + 1.0)
    });
    begin >= MOSTLY * all
}

/// Stray packets that only ask whether a connection still stands, and hear that it does: of a connection that
/// does not exist no system says so (RFC 9293 3.10.7.1). Told by their number, where hardly anything else is
/// said.
fn kept_alive(net: &NetWindow) -> u64 {
    /// Headers, and the byte that some send along.
    const SILENT_BYTES: u64 = 60;
    let v = &net.volumes;
    let is_silent = v.tcp.bytes <= SILENT_BYTES * v.tcp.packets;
    if is_silent { v.bare_answers.packets.min(v.stray.packets) } else { 0 }
}

fn tcp(
    net: &NetWindow,
    records: &[PacketRecord],
    one_way: &[PacketRecord],
    seconds: f64,
    out: &mut Vec<Value>,
) {
    let v = &net.volumes;
    let accepts = (v.stray_syn_ack.packets as f64 * accepted_openings(one_way)) as u64;
    let tcp = v.tcp.packets.saturating_sub(v.tcp_refusals.packets + accepts) as f64;
    push(out, Metric::SynRate, v.syn.packets as f64 / seconds, tcp);
    push_share(out, Metric::SynShare, v.syn.packets as f64, tcp);
    push(out, Metric::FilteredOpeningShare, filtered_openings(net, records), v.syn.packets as f64);
    let kept_alive = kept_alive(net);
    let stray = v.stray.packets.saturating_sub(kept_alive + accepts) as f64;
    let stray_syn_ack = (v.stray_syn_ack.packets - accepts) as f64;
    // A handful of sampled packets may each stand for thousands, and still be what is left of anything.
    let conversing = one_way.len() < UNIFORM_LEAST || converses(one_way);
    let stray = if one_way.len() < UNIFORM_LEAST { 0.0 } else { stray };
    push_share(out, Metric::StrayTcpShare, stray, tcp);
    push(out, Metric::StrayTcpRate, busiest(net, stray, seconds), tcp);
    push_share(out, Metric::SynAckStrayShare, stray_syn_ack + v.stray_rst.packets as f64, tcp);
    let new = if conversing { 0.0 } else { v.stray_new.packets.saturating_sub(kept_alive) as f64 };
    push(out, Metric::StrayNewRate, busiest(net, new, seconds), tcp);
    let known = v.stray.packets.saturating_sub(v.stray_unknown.packets) as f64;
    if conversing {
        push(out, Metric::StrayNewShare, 0.0, v.stray.packets as f64);
    } else if 2.0 * known >= v.stray.packets as f64 {
        // A packet that is refused claims a connection that its receiver does not know, however often
        // it comes from the same port.
        let unknown = v.stray_new.packets.max(v.tcp_refusals.packets.min(known as u64));
        push_share(out, Metric::StrayNewShare, unknown as f64, known);
    } else {
        push(out, Metric::StrayNewShare, uniform_and_unanswered(one_way), v.stray.packets as f64);
    }
    backscatter::measure(net, one_way, seconds, out);
    backscatter::answers(one_way, out);
    push_share(out, Metric::StraySynAckShare, stray_syn_ack, v.stray.packets.saturating_sub(accepts) as f64);
    push_share(out, Metric::ImpossibleFlagShare, v.impossible_flags.packets as f64, tcp);
    let worst = [(v.repeated, v.segments), (v.asking_repeated, v.asking_segments)]
        .iter()
        .filter(|(_, segments)| segments.packets >= SEGMENTS_LEAST)
        .map(|(again, segments)| (at_least(again.packets, segments.packets), segments.packets))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((share, segments)) = worst {
        push(out, Metric::RetransmissionShare, share, segments as f64);
    }
    let again = if v.syn.packets >= OPENINGS_LEAST { v.syn_repeated.packets } else { 0 };
    let syn = v.syn.packets as f64;
    push(out, Metric::OpeningsRepeatedShare, again as f64 / syn.max(1.0), syn);
}

/// Where one-way packets go: to one host, or spread over a prefix.
fn destinations(net: &NetWindow, one_way: &[PacketRecord], out: &mut Vec<Value>, structure: &mut Structure) {
    let unicast: Vec<&PacketRecord> = one_way.iter().filter(|r| !r.destination.is_multicast()).collect();
    let n = unicast.len() as f64;
    let hosts = spread(unicast.iter().map(|r| hash::address(r.destination)).collect());
    push(out, Metric::TopDestinationShare, hosts.top, n);
    let half_open = out.iter().find(|v| v.metric == Metric::HalfOpenRate).map(|v| v.value);
    if let Some(half_open) = half_open.filter(|rate| *rate > 0.0) {
        push(out, Metric::HalfOpenPerHost, half_open * hosts.top, n);
    }
    let with_ports: Vec<&&PacketRecord> =
        unicast.iter().filter(|r| r.fragment != Fragment::Later && r.destination_port != 0).collect();
    let ports = spread(with_ports.iter().map(|r| u64::from(r.destination_port)).collect());
    push(out, Metric::DestinationPortEntropy, ports.entropy, with_ports.len() as f64);
    let source_ports = spread(with_ports.iter().map(|r| u64::from(r.source_port)).collect());
    push(out, Metric::SourcePortEntropy, source_ports.entropy, with_ports.len() as f64);
    push(out, Metric::TopSourcePortShare, source_ports.top, with_ports.len() as f64);
    let networks =
        spread(unicast.iter().map(|r| hash::address(Prefix::network_of(r.destination).address())).collect());
    push(out, Metric::TopDestinationNetworkShare, networks.top, n);
    let carpet = hosts.distinct >= 16 && hosts.top < 0.3 && networks.top > 0.6;
    if carpet {
        for cause in FLOODS {
            structure.vectors.push((cause, "carpet".to_owned()));
        }
    }
    if net.volumes.one_way() * 2 > net.volumes.unrefusing() {
        let target = describe(&unicast, &with_ports, carpet);
        structure.targets.extend(target.map(|target| (Layer::Packet, target)));
    }
}

const FLOODS: [Cause; 7] = [
    Cause::Amplification,
    Cause::UdpFlood,
    Cause::SynFlood,
    Cause::TcpFlagFlood,
    Cause::TcpReflection,
    Cause::IcmpFlood,
    Cause::FragmentFlood,
];

/// The busiest destination in words: `10.10.10.10 tcp/25565`, `192.0.2.0/24`.
fn describe(packets: &[&PacketRecord], with_ports: &[&&PacketRecord], carpet: bool) -> Option<String> {
    let key = |a: IpAddr| if carpet { Prefix::network_of(a) } else { Prefix::host(a) };
    let mut hosts: Vec<Prefix> = packets.iter().map(|r| key(r.destination)).collect();
    hosts.sort_unstable();
    let host = hosts.chunk_by(|a, b| a == b).max_by_key(|run| run.len())?[0];
    let name = if carpet { host.to_string() } else { host.address().to_string() };
    let mut ports: Vec<(u8, u16)> = with_ports
        .iter()
        .filter(|r| host.contains(r.destination))
        .map(|r| (r.protocol, r.destination_port))
        .collect();
    ports.sort_unstable();
    let total = ports.len();
    let top = ports.chunk_by(|a, b| a == b).max_by_key(|run| run.len());
    match top {
        Some(run) if run.len() * 2 > total => {
            let (number, port) = run[0];
            Some(format!("{name} {}/{port}", seawall_model::signature::protocol_name(number)))
        }
        _ => Some(name),
    }
}

/// Whose packets make up a flood: one host's, those of many, or of addresses with a packet or two each, none of
/// which ever completes anything. Looked at kind by kind, as visitors go on beside it.
fn spoofing(net: &NetWindow, records: &[PacketRecord], structure: &mut Structure) {
    let v = &net.volumes;
    let established = net.event(ConnectionEvent::Established) as f64;
    let is_tcp = |r: &PacketRecord| r.protocol == protocol::TCP && r.fragment != Fragment::Later;
    let is_icmp = |r: &PacketRecord| {
        matches!((r.protocol, r.icmp_type), (protocol::ICMP, 1..) | (protocol::ICMPV6, ..=128))
    };
    let is_udp = |r: &PacketRecord| r.protocol == protocol::UDP && !r.two_way;
    type Kind<'k> = (Cause, u64, &'k dyn Fn(&PacketRecord) -> bool);
    let kinds: [Kind<'_>; 5] = [
        (Cause::SynFlood, v.syn.packets, &|r| is_tcp(r) && r.opens()),
        (Cause::TcpFlagFlood, v.stray.packets, &|r| is_tcp(r) && !r.two_way && !r.opens()),
        (Cause::UdpFlood, v.udp_one_way.packets + v.udp_questions.packets, &is_udp),
        (Cause::IcmpFlood, v.icmp.packets.saturating_sub(v.icmp_echo_reply.packets), &is_icmp),
        (Cause::FragmentFlood, v.fragments.packets, &|r| r.fragment != Fragment::Whole),
    ];
    for (cause, packets, is_kind) in kinds {
        let sources =
            spread(records.iter().filter(|r| is_kind(r)).map(|r| hash::address(r.source)).collect());
        if sources.total < UNIFORM_LEAST {
            continue;
        }
        // Where hardly any address occurs twice in the sample, there are far more than it holds.
        let few_repeat = sources.distinct * 2 > sources.total;
        let count = if few_repeat { net.sources.count() } else { sources.distinct as f64 };
        let per_source = packets as f64 / count.max(1.0);
        let nobody_completes = cause == Cause::FragmentFlood || established < 0.1 * packets as f64;
        let word = if sources.distinct <= 2 || sources.top >= ONE_SOURCE {
            "single-source"
        } else if count >= 50.0 && per_source < 4.0 && nobody_completes {
            "spoofed"
        } else if sources.distinct >= 20 {
            "distributed"
        } else {
            continue;
        };
        structure.vectors.push((cause, word.to_owned()));
    }
    if net.sources.count() >= 20.0 {
        structure.vectors.push((Cause::ConnectionFlood, "distributed".to_owned()));
    }
}

/// Findings that need both sides: which sources are new.
pub(super) fn compare(during: &Window, reference: &Window, findings: &mut Findings) {
    let (Some(now), Some(before)) = (&during.net, &reference.net) else { return };
    routine_probers(now, before, findings);
    if let Some(new) = now.hosts.new_share(&before.hosts) {
        findings.insert(Finding {
            metric: Metric::NewSourceShare,
            observed: new,
            expected: None,
            surprise: 0.0,
            support: now.sources.count(),
            onset: findings.onset,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::observation::{FlowState, Observation, Packet, tcp_flags};
    use tcp_flags::{ACK, FIN, RST, SYN};

    /// A packet between two hosts by their last numbers; a small one of TCP with `flags`.
    fn packet(ms: i64, from: u8, to: u8, ports: (u16, u16), flags: u8, flow: FlowState) -> Packet<'static> {
        Packet {
            time: Timestamp(ms * 1_000_000),
            source: IpAddr::from([10, 0, 0, from]),
            destination: IpAddr::from([10, 0, 0, to]),
            protocol: protocol::TCP,
            source_port: ports.0,
            destination_port: ports.1,
            length_bytes: 60,
            ttl: 60,
            fragment: Fragment::Whole,
            tcp_flags: flags,
            tcp_window: 1_024,
            tcp_options: 0,
            icmp_type: 0,
            icmp_code: 0,
            payload: &[],
            payload_bytes: 0,
            flow,
            repeats: false,
            sampling: 1,
        }
    }

    fn measured(packets: &[Packet<'_>], metric: Metric) -> Option<f64> {
        let mut window = Window::default();
        for (n, p) in packets.iter().enumerate() {
            window.observe(&Observation::Packet(*p), hash::mix(n as u64));
        }
        window.seal(1.0);
        super::super::findings(&window, None, None).observed(metric)
    }

    /// Broke: phones that only asked whether their connections still stood were called a flood.
    #[test]
    fn connections_that_are_kept_alive_are_no_stray_packets() {
        let asked = |answers: u8| -> Vec<Packet<'static>> {
            let pair = |n: u8| {
                let ports = (2_000 + u16::from(n), 5_223);
                let asks = packet(i64::from(n), n, 200, ports, ACK, FlowState::New);
                let stands = packet(i64::from(n), 200, n, (ports.1, ports.0), answers, FlowState::Answering);
                [asks, stands]
            };
            (0..100).flat_map(pair).collect()
        };
        assert_eq!(measured(&asked(ACK), Metric::StrayTcpRate), Some(0.0));
        assert!(measured(&asked(RST), Metric::StrayTcpRate).is_some_and(|rate| rate > 50.0));
    }

    #[test]
    fn refusing_makes_no_conversation_of_a_flood() {
        let mut packets = Vec::new();
        for n in 0..200_u16 {
            let (ms, port) = (i64::from(n) * 5, 1_024 + n);
            packets.push(packet(ms, 7, 1, (port, 80), ACK, FlowState::New));
            packets.push(packet(ms, 1, 7, (80, port), RST, FlowState::Answering));
        }
        assert_eq!(measured(&packets, Metric::TwoWayShare), Some(0.0));
        assert_eq!(measured(&packets, Metric::StrayTcpShare), Some(1.0));
        assert_eq!(measured(&packets, Metric::StrayNewShare), Some(1.0));
    }

    #[test]
    fn one_packet_in_many_of_conversations_is_no_flood() {
        let part = |n: u16, answers: bool| {
            let (client, ports) = (10 + (n % 200) as u8, (1_024 + n, 80));
            let told = packet(i64::from(n) * 9, client, 1, ports, ACK, FlowState::New);
            let said = packet(i64::from(n) * 9, 1, client, (80, ports.0), ACK, FlowState::New);
            if answers { Packet { payload: &[7; 40], payload_bytes: 900, ..said } } else { told }
        };
        let sampled: Vec<_> = (0..300).map(|n| part(n, n % 2 == 0)).collect();
        let flood: Vec<_> = (0..300).map(|n| part(n, n % 20 == 0)).collect();
        assert_eq!(measured(&sampled, Metric::StrayNewShare), Some(0.0));
        assert_eq!(measured(&flood, Metric::StrayNewShare), Some(1.0));
    }

    #[test]
    fn what_routers_answer_to_a_trace_asks_nobody() {
        let icmp = |icmp_type, from, to, flow| Packet {
            protocol: protocol::ICMP,
            icmp_type,
            ..packet(0, from, to, (0, 0), 0, flow)
        };
        let trace: Vec<_> = (0..100)
            .flat_map(|_| [icmp(8, 7, 1, FlowState::New), icmp(11, 9, 7, FlowState::Answering)])
            .collect();
        assert_eq!(measured(&trace, Metric::IcmpPerHost), Some(0.0));
        assert_eq!(measured(&trace, Metric::IcmpUnansweredShare), Some(0.0));
        let nurse: Vec<_> = (0..100).map(|_| icmp(3, 9, 7, FlowState::New)).collect();
        assert_eq!(measured(&nurse, Metric::IcmpUnansweredShare), Some(1.0));
    }

    #[test]
    fn echoed_fragments_are_no_conversation() {
        let fragments = |protocol: u8| -> Vec<_> {
            let part = |flow, ms| Packet {
                protocol,
                icmp_type: if flow == FlowState::Asking { 8 } else { 0 },
                fragment: Fragment::First,
                ..packet(ms, 7, 1, (0, 0), 0, flow)
            };
            (0..50).flat_map(|n| [part(FlowState::Asking, n), part(FlowState::Answering, n)]).collect()
        };
        let share = |protocol| measured(&fragments(protocol), Metric::ConversationFragmentShare);
        assert_eq!(share(protocol::ICMP), Some(0.0));
        assert_eq!(share(protocol::UDP), Some(1.0));
    }

    #[test]
    fn a_scan_by_flags_shows_in_what_is_begun() {
        let scan: Vec<_> =
            (0..100).map(|n| packet(i64::from(n), 7, 1, (40_000, n + 1), FIN, FlowState::New)).collect();
        assert!(measured(&scan, Metric::FanOutShare).is_some_and(|s| s > 0.9));
        assert!(measured(&scan, Metric::PortFanOut).is_some_and(|n| n > 30.0));
    }

    #[test]
    fn fast_probes_from_one_port_are_those_of_a_scanner() {
        let probes = |own_port: fn(u16) -> u16| -> Vec<_> {
            (0..6_000_u16).map(|n| packet(0, 7, 1, (own_port(n), n), SYN, FlowState::New)).collect()
        };
        assert!(measured(&probes(|_| 40_000), Metric::PortFanOut).is_some_and(|n| n > 30.0));
        assert_eq!(measured(&probes(|n| n ^ 7), Metric::PortFanOut), Some(0.0));
    }

    #[test]
    fn a_monitor_asks_the_same_hosts_again_and_again() {
        let ping = |turn: i64, n: u8| {
            let flow = if turn == 0 { FlowState::New } else { FlowState::Asking };
            let ask = packet(turn * 1_000 + i64::from(n), 250, n, (0, 0), 0, flow);
            let reply = packet(turn * 1_000 + i64::from(n), n, 250, (0, 0), 0, FlowState::Answering);
            [
                Packet { protocol: protocol::ICMP, icmp_type: 8, ..ask },
                Packet { protocol: protocol::ICMP, ..reply },
            ]
        };
        let turns = |count: i64| -> Vec<_> {
            (0..count).flat_map(|turn| (1..100).flat_map(move |n| ping(turn, n))).collect()
        };
        assert!(measured(&turns(1), Metric::HostFanOut).is_some_and(|n| n > 30.0), "one turn is a sweep");
        assert_eq!(measured(&turns(10), Metric::HostFanOut), Some(0.0));
        assert!(measured(&turns(10), Metric::IcmpPerHost).is_some_and(|n| n < 3.0));
    }

    #[test]
    fn what_some_clients_lose_is_not_hidden_by_answers() {
        let mut packets = Vec::new();
        for client in 10..30_u8 {
            for n in 0..20_i64 {
                let ports = (50_000, 80);
                let asks = packet(n * 10, client, 1, ports, ACK, FlowState::Asking);
                let asks = Packet { payload_bytes: 100, repeats: client < 20 && n % 2 == 0, ..asks };
                let answer = packet(n * 10, 1, client, (80, 50_000), ACK, FlowState::Answering);
                packets.push(asks);
                packets.extend([Packet { payload_bytes: 1_400, ..answer }; 10]);
            }
        }
        assert!(measured(&packets, Metric::RetransmissionShare).is_some_and(|s| s > 0.15));
        assert!(measured(&packets, Metric::LossyClientShare).is_some_and(|s| s > 0.2));
    }

    #[test]
    fn small_datagrams_to_a_web_port_are_no_questions() {
        let flood = |port: u16| -> Vec<_> {
            (0..200_u16)
                .map(|n| Packet {
                    protocol: protocol::UDP,
                    payload: &[1; 18],
                    payload_bytes: 18,
                    ..packet(i64::from(n), (n % 200) as u8, 1, (2_000 + n, port), 0, FlowState::New)
                })
                .collect()
        };
        assert_eq!(measured(&flood(443), Metric::UnansweredUdpShare), Some(1.0));
        assert_eq!(measured(&flood(123), Metric::UnansweredUdpShare), Some(0.0));
    }

    /// Broke: beside answers of time and directory servers a flood was told that consisted of these answers.
    #[test]
    fn unasked_answers_are_no_other_flood() {
        let rate = |source_port: u16, payload: &[u8]| {
            let packets: Vec<_> = (0..400_u16)
                .map(|n| Packet {
                    protocol: protocol::UDP,
                    payload,
                    payload_bytes: 440,
                    length_bytes: 468,
                    ..packet(i64::from(n), (n % 200) as u8, 1, (source_port, 2_000 + n), 0, FlowState::New)
                })
                .collect();
            measured(&packets, Metric::UnreflectedUdpRate)
        };
        assert_eq!(rate(123, &[0xd7, 0, 3, 0x2a]), Some(0.0));
        assert!(rate(40_123, &[1; 20]).is_some_and(|rate| rate > 300.0));
    }

    /// Datagrams from one port to one host.
    fn stream_of(payloads: &[Vec<u8>]) -> Vec<Packet<'_>> {
        let opened = |n: usize| if n == 0 { FlowState::New } else { FlowState::OneWay };
        payloads
            .iter()
            .enumerate()
            .map(|(n, payload)| Packet {
                protocol: protocol::UDP,
                length_bytes: 1_000,
                payload,
                payload_bytes: 972,
                ..packet(n as i64, 7, 1, (4_000, 9_987), 0, opened(n))
            })
            .collect()
    }

    #[test]
    fn filler_from_one_port_is_no_stream_and_a_stream_is_no_filler() {
        let random = |n: u16| (0..32).map(|at| hash::mix(u64::from(n) * 32 + at) as u8).collect::<Vec<u8>>();
        let filler: Vec<Vec<u8>> = (0..400).map(random).collect();
        assert!(measured(&stream_of(&filler), Metric::RandomPayloadShare).is_some_and(|s| s > 0.6));
        assert_eq!(measured(&stream_of(&filler), Metric::UdpNewShare), None);
        let sound: Vec<Vec<u8>> = (0..400).map(|n| [&[0x80, 0x6F][..], &random(n)].concat()).collect();
        assert!(measured(&stream_of(&sound), Metric::RandomPayloadShare).is_some_and(|s| s < 0.1));
        assert!(measured(&stream_of(&sound), Metric::UdpNewShare).is_some_and(|s| s < 0.01));
    }

    #[test]
    fn the_turn_of_a_monitor_is_no_sweep_where_its_habits_are_known() {
        let turn = |known: bool| {
            let mut window = Window::default();
            for n in 1..100_u8 {
                let flow = if known { FlowState::Asking } else { FlowState::New };
                let ask = packet(i64::from(n), 250, n, (0, 0), 0, flow);
                let ask = Packet { protocol: protocol::ICMP, icmp_type: 8, ..ask };
                window.observe(&Observation::Packet(ask), hash::mix(u64::from(n)));
            }
            window.seal(1.0);
            window
        };
        let alone = super::super::findings(&turn(false), None, None).observed(Metric::HostFanOut);
        assert!(alone.is_some_and(|n| n > 30.0));
        let among =
            super::super::findings(&turn(false), Some(&turn(true)), None).observed(Metric::HostFanOut);
        assert_eq!(among, Some(0.0));
    }
}
