//! Stray TCP where no flow table helps, as in sampled input: what is left of conversations, and what is made up.

use super::net::UNIFORM_LEAST;
use super::spread;
use crate::feature::net::{HostProfile, NetWindow};
use seawall_model::observation::{Fragment, protocol, tcp_flags};
use seawall_model::record::PacketRecord;
use seawall_model::{Prefix, hash};
use std::net::IpAddr;

/// One kind of flags makes up this much of a flood of them.
const UNIFORM_FLAGS: f64 = 0.95;
/// Packets that fit no conversation make up this much of those that are made up.
const UNFIT: f64 = 0.1;

/// Openings of visitors come from so many kinds of systems, and hardly more than this from one of them.
const SYSTEMS_LEAST: usize = 2;
const ONE_SYSTEM: f64 = 0.85;

/// Whether stray TCP is what is left of conversations where a capture holds one packet in many: the
/// busiest service says about as much as it is told, and not by refusing. The hosts of a network that
/// serve at one port are one service.
pub(super) fn converses(one_way: &[PacketRecord]) -> bool {
    let is_stray = |r: &&PacketRecord| {
        r.protocol == protocol::TCP
            && r.fragment != Fragment::Later
            && r.tcp_flags & tcp_flags::ACK != 0
            && r.tcp_flags & tcp_flags::RST == 0
    };
    let stray = || one_way.iter().filter(is_stray);
    let mut told: Vec<u64> = stray().map(|r| service(r.destination, r.destination_port)).collect();
    told.sort_unstable();
    let Some(busiest) = told.chunk_by(|a, b| a == b).max_by_key(|run| run.len()) else { return false };
    let said: Vec<&PacketRecord> =
        stray().filter(|r| service(r.source, r.source_port) == busiest[0]).collect();
    let carries = said.iter().filter(|r| !r.payload().is_empty()).count();
    (busiest.len() + said.len()) * 2 >= told.len()
        && said.len() >= UNIFORM_LEAST
        && said.len() * 3 >= busiest.len()
        && carries * 4 >= said.len()
}

/// Of the connections that are accepted though none was seen to be asked for, those of services that are asked:
/// where a capture holds one packet in many, it misses most of the openings that it holds the answers to.
pub(super) fn accepted_openings(one_way: &[PacketRecord]) -> f64 {
    let opened = one_way.iter().filter(|r| r.opens());
    let mut asked: Vec<u64> = opened.map(|r| end(r.destination, r.destination_port)).collect();
    asked.sort_unstable();
    let accepted = || one_way.iter().filter(|r| r.accepts());
    let answers = accepted().filter(|r| asked.binary_search(&end(r.source, r.source_port)).is_ok()).count();
    answers as f64 / accepted().count().max(1) as f64
}

/// Of the openings in a capture that holds nothing else of TCP, those that say what systems say, of several
/// kinds or each some times as browsers do: people's openings look so where a filter has left them alone.
pub(super) fn filtered_openings(net: &NetWindow, records: &[PacketRecord]) -> f64 {
    let v = &net.volumes;
    if v.tcp.packets > v.syn.packets + v.syn_ack.packets {
        return 0.0;
    }
    let layouts: Vec<u64> = records.iter().filter(|r| r.opens()).map(|r| r.tcp_options).collect();
    let told = layouts.iter().filter(|options| **options != 0).count() as f64;
    let share = told / layouts.len().max(1) as f64;
    let kinds = spread(layouts);
    let are_of_many = kinds.distinct >= SYSTEMS_LEAST && kinds.top <= ONE_SYSTEM;
    if are_of_many || open_as_browsers(net, records) { share } else { 0.0 }
}

/// Whether sources that open again do so from ports side by side, as a system hands them out (RFC 6056), and
/// none opens more at once than browsers do. Who forges openings draws source and port at random, and who sends
/// his own as fast as he can stays at it. Evaded by forging some openings of each source with ports in a row.
fn open_as_browsers(net: &NetWindow, records: &[PacketRecord]) -> bool {
    /// Fewer say nothing of how ports are chosen.
    const REPEATS_LEAST: usize = 20;
    /// Ports that other connections of the same system took meanwhile.
    const SIDE_BY_SIDE: u16 = 64;
    /// A visit opens so many, pages and their parts, and no more than this a second for longer.
    const VISIT: u32 = 30;
    const PER_S: f64 = 5.0;
    let mut opened: Vec<(IpAddr, u16)> =
        records.iter().filter(|r| r.opens()).map(|r| (r.source, r.source_port)).collect();
    opened.sort_unstable();
    opened.dedup();
    let repeats = || opened.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    let near = repeats().filter(|pair| pair[1].1 - pair[0].1 <= SIDE_BY_SIDE).count();
    let hosts = net.hosts.sorted();
    let opening = || hosts.iter().filter(|(_, h)| h.syn > 0);
    let hurries = |h: &HostProfile| h.syn > VISIT && f64::from(h.syn) > PER_S * h.last.since_s(h.first);
    let hurried = opening().filter(|(_, h)| hurries(h)).count();
    repeats().count() >= REPEATS_LEAST && near * 2 >= repeats().count() && hurried * 50 <= opening().count()
}

/// The network of a host (/24, /48), and the port.
fn service(host: IpAddr, port: u16) -> u64 {
    end(Prefix::network_of(host).address(), port)
}

fn end(host: IpAddr, port: u16) -> u64 {
    hash::combine(hash::address(host), u64::from(port))
}

/// What stands for "each packet claims another connection" in sampled input, where no flow table
/// helps: the share of TCP packets whose receiver sends nothing back, provided that hardly any
/// flags but one kind occur, or some that fit no connection. Real conversations seen from one side
/// open, carry and end.
pub(super) fn uniform_and_unanswered(one_way: &[PacketRecord]) -> f64 {
    let tcp: Vec<&PacketRecord> =
        one_way.iter().filter(|r| r.protocol == protocol::TCP && r.fragment != Fragment::Later).collect();
    if tcp.len() < UNIFORM_LEAST {
        return 0.0;
    }
    let pair = |from: IpAddr, to: IpAddr| hash::combine(hash::address(from), hash::address(to));
    // A reset is an answer that makes no conversation.
    let refuses = |r: &PacketRecord| r.tcp_flags & tcp_flags::RST != 0;
    let mut pairs: Vec<u64> =
        tcp.iter().filter(|r| !refuses(r)).map(|r| pair(r.source, r.destination)).collect();
    pairs.sort_unstable();
    let unanswered: Vec<&&PacketRecord> = tcp
        .iter()
        .filter(|r| !refuses(r) && pairs.binary_search(&pair(r.destination, r.source)).is_err())
        .collect();
    let flags = spread(unanswered.iter().map(|r| u64::from(r.tcp_flags)).collect());
    let unfit = tcp.iter().filter(|r| fits_no_conversation(r)).count() as f64;
    let made_up = flags.top >= UNIFORM_FLAGS || unfit >= UNFIT * tcp.len() as f64;
    if made_up { unanswered.len() as f64 / tcp.len() as f64 } else { 0.0 }
}

/// What no system says in a connection: data along with a reset or with the acceptance of a connection, or
/// the wish to hand over data at once where there are none.
fn fits_no_conversation(r: &PacketRecord) -> bool {
    /// Headers with all options, and with those of segments inside a connection (RFC 791, RFC 7323).
    const HEADERS_MOST_BYTES: u32 = 120;
    const HEADERS_BYTES: u32 = 52;
    let has = |flag: u8| r.tcp_flags & flag != 0;
    let is_filled = !r.payload().is_empty();
    if has(tcp_flags::RST) || has(tcp_flags::SYN) {
        return is_filled || r.length_bytes > HEADERS_MOST_BYTES;
    }
    let of_version = if r.source.is_ipv6() { 20 } else { 0 };
    has(tcp_flags::PSH) && !is_filled && r.length_bytes <= HEADERS_BYTES + of_version
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use seawall_model::Timestamp;
    use seawall_model::metric::Metric;
    use seawall_model::observation::{FlowState, Observation, Packet};
    use seawall_model::record::PAYLOAD_PREFIX_BYTES;
    use tcp_flags::{ACK, FIN, PSH, RST, SYN};

    fn sampled(n: u32, flags: u8, length_bytes: u32) -> PacketRecord {
        PacketRecord {
            time: Timestamp(0),
            source: IpAddr::from(n.to_be_bytes()),
            destination: IpAddr::from([203, 0, 113, 1]),
            protocol: protocol::TCP,
            source_port: 40_000,
            destination_port: 443,
            length_bytes,
            ttl: 60,
            fragment: Fragment::Whole,
            tcp_flags: flags,
            tcp_window: 512,
            tcp_options: 0,
            icmp_type: 0,
            payload_prefix: ([0; PAYLOAD_PREFIX_BYTES], 0),
            two_way: false,
        }
    }

    /// The share of openings that look like visitors', of sources that each open some from ports `apart`.
    fn told_as_visitors(sources: u32, each: u16, apart: u16) -> f64 {
        let mut window = Window::default();
        let mut records = Vec::new();
        for n in 0..sources * u32::from(each) {
            let (source, turn) = (n % sources, (n / sources) as u16);
            let port = 20_000 + (hash::mix(u64::from(source)) % 20_000) as u16;
            let source_port = port.wrapping_add(turn.wrapping_mul(apart));
            let opening = PacketRecord { source_port, tcp_options: 7, ..sampled(source, SYN, 60) };
            let mut packet = Packet::unknown(Timestamp::from_seconds(i64::from(n / 200)));
            (packet.source, packet.destination) = (opening.source, opening.destination);
            (packet.protocol, packet.tcp_flags) = (protocol::TCP, SYN);
            (packet.source_port, packet.destination_port) = (source_port, 443);
            window.observe(&Observation::Packet(packet), u64::from(n));
            records.push(opening);
        }
        window.seal(1.0);
        filtered_openings(window.net.as_deref().expect("packets"), &records)
    }

    /// Broke: the openings of visitors who all use one system were a SYN flood, where nothing else was captured.
    #[test]
    fn visitors_of_one_system_open_from_ports_side_by_side() {
        assert_eq!(told_as_visitors(300, 3, 2), 1.0);
        assert_eq!(told_as_visitors(300, 3, 4_711), 0.0, "ports that are drawn at random");
        assert_eq!(told_as_visitors(900, 1, 2), 0.0, "nobody comes again");
        assert_eq!(told_as_visitors(5, 400, 1), 0.0, "who sends as fast as he can");
    }

    #[test]
    fn openings_of_several_systems_and_nothing_else_are_what_a_filter_leaves() {
        let share = |layouts: &[u64], flags: u8| {
            let mut window = Window::default();
            for n in 0..300_u32 {
                let mut packet = Packet::unknown(Timestamp(0));
                (packet.source, packet.destination) =
                    (IpAddr::from(n.to_be_bytes()), IpAddr::from([203, 0, 113, 1]));
                (packet.protocol, packet.tcp_flags) = (protocol::TCP, if n == 299 { flags } else { SYN });
                packet.tcp_options = layouts[n as usize % layouts.len()];
                window.observe(&Observation::Packet(packet), u64::from(n));
            }
            let net = window.net.as_ref().expect("packets");
            filtered_openings(net, &net.records())
        };
        assert_eq!(share(&[7, 8, 7], SYN), 1.0);
        assert_eq!(share(&[7, 8, 7], ACK), 0.0, "the filter left more");
        assert_eq!(share(&[7], SYN), 0.0, "one program's");
        assert_eq!(share(&[0], SYN), 0.0, "no system's");
    }

    /// Broke: a single sampled packet that stood for a thousand was a flood of stray packets, and sure.
    #[test]
    fn a_handful_of_sampled_packets_is_no_flood() {
        let rate = |count: u32| {
            let mut window = Window::default();
            for n in 0..count {
                let mut packet = Packet::unknown(Timestamp(0));
                (packet.source, packet.destination) =
                    (IpAddr::from((n + 9_999_999).to_be_bytes()), IpAddr::from([203, 0, 113, 1]));
                (packet.source_port, packet.destination_port) = (40_000, 443);
                (packet.protocol, packet.tcp_flags, packet.flow) = (protocol::TCP, ACK, FlowState::New);
                packet.sampling = 1_000;
                window.observe(&Observation::Packet(packet), hash::mix(u64::from(n)));
            }
            window.seal(1.0);
            super::super::findings(&window, None, None).observed(Metric::StrayNewRate)
        };
        assert_eq!(rate(1), Some(0.0));
        assert_eq!(rate(5), Some(0.0));
        assert!(rate(40).is_some_and(|rate| rate > 10_000.0));
    }

    /// Broke: one packet in many of what a network of servers delivers was called a flood of stray packets.
    #[test]
    fn servers_of_one_network_that_say_as_much_as_they_are_told_converse() {
        let server = |n: u32| IpAddr::from([203, 0, 113, (n % 20) as u8]);
        let told = |n: u32| PacketRecord { destination: server(n), ..sampled(n * 7_919, ACK, 40) };
        let said = |n: u32, flags: u8, bytes: u8| PacketRecord {
            source: server(n),
            source_port: 443,
            destination: IpAddr::from((n * 104_729).to_be_bytes()),
            destination_port: 40_000,
            payload_prefix: ([9; PAYLOAD_PREFIX_BYTES], bytes),
            ..sampled(n, flags, 1_440)
        };
        let all = |flags: u8, bytes: u8| -> Vec<PacketRecord> {
            (0..200).flat_map(|n| [told(n), said(n, flags, bytes)]).collect()
        };
        assert!(converses(&all(ACK, 8)));
        assert!(!converses(&all(ACK | RST, 0)), "they refuse what they do not know");
        assert!(!converses(&(0..200).map(told).collect::<Vec<_>>()), "nobody answers");
    }

    /// Broke: a sampled flood of openings of which the server's answers were captured too was called a reflection.
    #[test]
    fn who_is_asked_accepts_and_reflects_nothing() {
        let answer = |n: u32, service: [u8; 4]| PacketRecord {
            source: IpAddr::from(service),
            source_port: 443,
            ..sampled(n, SYN | ACK, 44)
        };
        let openings = (0..50).map(|n| sampled(n * 7_919, SYN, 40));
        let (ours, others) = ([203, 0, 113, 1], [198, 51, 100, 7]);
        let answered: Vec<PacketRecord> = openings.clone().chain((0..50).map(|n| answer(n, ours))).collect();
        assert_eq!(accepted_openings(&answered), 1.0);
        let reflected: Vec<PacketRecord> = openings.chain((0..50).map(|n| answer(n, others))).collect();
        assert_eq!(accepted_openings(&reflected), 0.0);
    }

    /// Broke: a sampled flood of packets with flags of several kinds was called normal.
    #[test]
    fn flags_in_turn_that_fit_no_connection_are_made_up() {
        let turns = |flags: [u8; 4], bytes: u32| -> f64 {
            let packets: Vec<PacketRecord> =
                (0..200).map(|n| sampled(n * 7_919, flags[n as usize % 4], bytes)).collect();
            uniform_and_unanswered(&packets)
        };
        assert!(turns([ACK, RST, FIN | ACK, PSH | ACK], 40) > 0.5, "pushed without data");
        assert!(turns([ACK, RST, FIN | ACK, ACK], 700) > 0.5, "resets with data");
        assert!(turns([ACK, ACK, FIN | ACK, PSH | ACK], 700) < 0.1, "one side of conversations");
    }
}
