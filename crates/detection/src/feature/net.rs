//! Packets and connections of one tick.

use super::{bit_of, codec, service};
use crate::sketch::{Distinct, Histogram, Profile, Profiles, Sample};
use seawall_model::observation::{
    Connection, ConnectionEvent, FlowState, Fragment, Packet, protocol, tcp_flags,
};
use seawall_model::record::PacketRecord;
use seawall_model::{Timestamp, address, hash};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A connection that carried at most this much from the client is short.
const SHORT_CONNECTION_BYTES: u64 = 400;
/// Whoever is sent more than a refusal was served, whatever was seen of what he said. A ticket of a directory's
/// is larger than the pages by which servers refuse.
const SHORT_ANSWER_BYTES: u64 = 1_000;
/// A log-in attempt's connection carries at most this much either way: guessers try some passwords
/// on one connection, whoever is let in reads and writes more.
const LOGIN_CONNECTION_BYTES: u64 = 12_000;
/// And at least this much: a connection on which nothing is said tries no password.
const LOGIN_LEAST_BYTES: u64 = 16;
/// A question's payload carries at most this much, as far as size tells.
const QUESTION_BYTES: u32 = 100;
/// Where a DHCP message names its client's hardware (RFC 2131 section 2).
const DHCP_CLIENT: std::ops::Range<usize> = 28..34;
/// A request's segment carries at most this much; larger ones are uploads.
const MESSAGE_BYTES: u32 = 700;
/// Protocols besides TCP, UDP and ICMP that networks really carry (IANA): IGMP, IP in IP, 6in4,
/// GRE, ESP, AH, EIGRP, OSPF, PIM, VRRP, SCTP.
const USUAL_PROTOCOLS: [u8; 11] = [2, 4, 41, 47, 50, 51, 88, 89, 103, 112, 132];

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub packets: u64,
    pub bytes: u64,
}

impl Volume {
    fn add(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.add(other.packets, other.bytes);
    }
}

macro_rules! volumes {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// Volumes of packets, by what the name says.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Volumes { $($(#[$doc])* pub $name: Volume,)* }

        impl Volumes {
            fn merge(&mut self, other: &Self) {
                $(self.$name.merge(&other.$name);)*
            }
        }
    };
}

volumes! {
    all tcp udp icmp other fragments later_fragments
    /// Unanswered, of protocols that are neither TCP, UDP, ICMP nor any of [`USUAL_PROTOCOLS`]; of
    /// those, what comes from hosts that were not there before: tunnels have few ends.
    odd_protocol
    /// First fragments, and those of conversations.
    first_fragments conversation_fragments
    /// Small TCP segments with payload from clients to web ports, and those with payload back.
    messages message_answers
    /// UDP of flows in which only one side has spoken, to ports that are no service's.
    udp_one_way
    /// Those and questions, where they are the first packet of their flow; and where no flow table
    /// was asked, as in sampled input.
    udp_new udp_unknown
    /// The same to ports of services: questions, if they are answered.
    udp_questions
    /// UDP from ports of services in flows that the other side opened.
    udp_answers
    /// Usual answers of name and time servers to questions that were not seen.
    udp_small_answers
    /// UDP that nobody answers by design: to multicast or broadcast addresses, streams to collectors.
    udp_multicast
    /// Packets of flows in which both sides have spoken.
    two_way
    /// Resets and unreachables that answer: they make no conversation of what they refuse.
    refusals tcp_refusals
    syn syn_ack rst fin
    /// TCP without SYN, of no connection that was seen to open or to be answered.
    stray
    /// Stray packets that are the first of their flow.
    stray_new
    /// Stray packets of which no flow table knows anything, as in sampled input.
    stray_unknown
    stray_syn_ack stray_rst
    /// Packets of TCP that say nothing but that they heard of the other side, which spoke first.
    bare_answers
    /// Flag combinations that no stack sends.
    impossible_flags
    icmp_echo icmp_echo_reply icmp_unreachable
    /// ICMP errors about packets of flows that were seen: what traces of routes and refusals bring.
    icmp_errors_known
    /// TCP segments with payload that a flow table has seen, and those that were sent again.
    segments repeated
    /// The same of the side that opened the connection, which sends the questions.
    asking_segments asking_repeated
    /// Openings sent again for want of an answer.
    syn_repeated
    /// Questions of machines for an address (RFC 2131), DHCP for IPv6 included.
    dhcp_requests
}

impl Volumes {
    /// Packets that belong to no conversation, and answer nothing.
    #[must_use]
    pub fn one_way(&self) -> u64 {
        self.all.packets.saturating_sub(self.two_way.packets + self.refusals.packets)
    }

    /// Packets that do not merely refuse others.
    #[must_use]
    pub fn unrefusing(&self) -> u64 {
        self.all.packets.saturating_sub(self.refusals.packets)
    }
}

/// Counters, sketches and samples of packets and connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetWindow {
    pub volumes: Volumes,
    /// One-way UDP by source port, in the order of [`service::SERVICES`].
    pub reflected: Vec<Volume>,
    /// Connection events, indexed by [`ConnectionEvent`] in its order.
    pub events: [u64; 12],
    /// The most clients that were slow at once, where they were a crowd.
    pub slow_held: u64,
    /// Connections that a measure against slow clients did not let in.
    pub turned_away: u64,
    pub short_connections: u64,
    /// Closed connections on which the client said nothing.
    pub empty_connections: u64,
    /// Short connections to services for administrators.
    pub admin_logins: u64,
    /// From the first SYN to the packet that completed the handshake.
    pub handshake_us: Histogram,
    pub sources: Distinct,
    /// Hardware addresses of machines that asked for an address.
    pub dhcp_clients: Distinct,
    pub destinations: Distinct,
    pub hosts: Profiles<HostProfile>,
    pub sample: Sample,
    /// Packets of flows in which only one side has spoken; what floods are made of.
    pub one_way_sample: Sample,
    /// Largest number of packets and SYNs in one tick, per second.
    pub peak_packets_per_s: f64,
    pub peak_one_way_per_s: f64,
}

impl NetWindow {
    pub(super) fn observe(&mut self, p: &Packet<'_>, priority: u64) {
        let weight = u64::from(p.sampling.max(1));
        let bytes = u64::from(p.length_bytes) * weight;
        let source = hash::address(p.source);
        self.sources.insert(source);
        self.destinations.insert(hash::address(p.destination));
        self.volumes.all.add(weight, bytes);
        let answers = matches!(p.flow, FlowState::Answering | FlowState::Asking);
        let refuses = answers && is_refusal(p);
        let two_way = answers && !refuses && !is_to_itself(p);
        if two_way {
            self.volumes.two_way.add(weight, bytes);
        }
        if refuses {
            self.volumes.refusals.add(weight, bytes);
        }
        if p.fragment != Fragment::Whole {
            self.volumes.fragments.add(weight, bytes);
        }
        if p.fragment == Fragment::First {
            self.volumes.first_fragments.add(weight, bytes);
            // An echo answers whatever comes, so that a flood of them has its own back.
            if two_way && !matches!(p.protocol, protocol::ICMP | protocol::ICMPV6) {
                self.volumes.conversation_fragments.add(weight, bytes);
            }
        }
        match p.protocol {
            _ if p.fragment == Fragment::Later => self.volumes.later_fragments.add(weight, bytes),
            protocol::TCP if refuses => {
                self.volumes.tcp.add(weight, bytes);
                self.volumes.rst.add(weight, bytes);
                self.volumes.tcp_refusals.add(weight, bytes);
            }
            protocol::TCP => self.observe_tcp(p, two_way, weight, bytes),
            protocol::UDP => self.observe_udp(p, two_way, weight, bytes),
            protocol::ICMP | protocol::ICMPV6 => self.observe_icmp(p, weight, bytes),
            other => {
                self.volumes.other.add(weight, bytes);
                let usual = USUAL_PROTOCOLS.contains(&other)
                    && (p.flow != FlowState::New || p.destination.is_multicast());
                if !two_way && !usual {
                    self.volumes.odd_protocol.add(weight, bytes);
                }
            }
        }
        if let Some(host) = self.hosts.entry(source) {
            host.observe(p, two_way);
        }
        if p.flow == FlowState::Answering
            && (p.protocol == protocol::UDP || is_time_exceeded(p))
            && let Some(asker) = self.hosts.entry(hash::address(p.destination))
        {
            asker.answered += 1;
        }
        self.sample.offer(priority, |out| codec::encode_packet(p, out));
        if !answers {
            self.one_way_sample.offer(priority, |out| codec::encode_packet(p, out));
        }
    }

    fn observe_tcp(&mut self, p: &Packet<'_>, two_way: bool, weight: u64, bytes: u64) {
        use tcp_flags::{ACK, FIN, RST, SYN, URG};
        let v = &mut self.volumes;
        v.tcp.add(weight, bytes);
        let flags = p.tcp_flags;
        let syn = flags & SYN != 0;
        if syn && flags & (ACK | RST | FIN) == 0 && !is_to_itself(p) {
            v.syn.add(weight, bytes);
            if p.repeats {
                v.syn_repeated.add(weight, bytes);
            }
        } else if syn && flags & ACK != 0 {
            v.syn_ack.add(weight, bytes);
        }
        if two_way && p.payload_bytes > 0 {
            if is_message(p) {
                v.messages.add(weight, bytes);
            } else if service::is_web_port(p.source_port) {
                v.message_answers.add(weight, bytes);
            }
        }
        if p.payload_bytes > 0 && p.flow != FlowState::Unknown {
            v.segments.add(weight, bytes);
            if p.repeats {
                v.repeated.add(weight, bytes);
            }
            if p.flow == FlowState::Asking {
                v.asking_segments.add(weight, bytes);
                if p.repeats {
                    v.asking_repeated.add(weight, bytes);
                }
            }
        }
        if flags == ACK && p.payload_bytes == 0 && p.flow == FlowState::Answering {
            v.bare_answers.add(weight, bytes);
        }
        if flags & RST != 0 {
            v.rst.add(weight, bytes);
        }
        if flags & FIN != 0 {
            v.fin.add(weight, bytes);
        }
        // Nobody opens a connection from a port to that same port of the same address.
        let to_itself = is_to_itself(p);
        let absurd = to_itself
            || flags == 0
            || flags & (SYN | FIN) == SYN | FIN
            || flags & (FIN | URG | ACK) == FIN | URG;
        if absurd {
            v.impossible_flags.add(weight, bytes);
        }
        let opens = syn && flags & ACK == 0 && !to_itself;
        if !two_way && !opens {
            v.stray.add(weight, bytes);
            if p.flow == FlowState::New || to_itself {
                v.stray_new.add(weight, bytes);
            } else if p.flow == FlowState::Unknown {
                v.stray_unknown.add(weight, bytes);
            }
            // Absurd flags accept and refuse nothing.
            if syn && !absurd {
                v.stray_syn_ack.add(weight, bytes);
            } else if flags & RST != 0 && !absurd {
                v.stray_rst.add(weight, bytes);
            }
        }
    }

    fn observe_udp(&mut self, p: &Packet<'_>, two_way: bool, weight: u64, bytes: u64) {
        self.volumes.udp.add(weight, bytes);
        if is_dhcp_request(p) {
            self.volumes.dhcp_requests.add(weight, bytes);
            if let Some(hardware) = p.payload.get(DHCP_CLIENT) {
                self.dhcp_clients.insert(hash::bytes(hardware));
            }
        }
        if two_way {
            if p.flow == FlowState::Answering && service::is_service_port(p.source_port) {
                self.volumes.udp_answers.add(weight, bytes);
            }
            return;
        }
        if p.destination.is_multicast() || is_broadcast(p.destination) {
            self.volumes.udp_multicast.add(weight, bytes);
            return;
        }
        if p.flow == FlowState::Unknown {
            self.volumes.udp_unknown.add(weight, bytes);
        }
        // Devices of our own may report from a new port each time; forged senders are anybody's.
        let own = p.flow != FlowState::New || !address::is_public(p.source);
        if p.flow == FlowState::New {
            self.volumes.udp_new.add(weight, bytes);
        }
        if own && service::is_collector_port(p.destination_port) {
            self.volumes.udp_multicast.add(weight, bytes);
            return;
        }
        // Some services ask from the port on which they answer.
        let asks = p.payload_bytes <= QUESTION_BYTES || service::is_question(p.destination_port, p.payload);
        let mutual = service::are_of_one(p.source_port, p.destination_port) && asks;
        let begins_badly = p.flow == FlowState::New
            && service::takes_no_small_datagrams(p.destination_port)
            && p.payload_bytes <= QUESTION_BYTES;
        if service::is_service_port(p.destination_port)
            && !begins_badly
            && (mutual || !service::is_service_port(p.source_port))
        {
            self.volumes.udp_questions.add(weight, bytes);
            return;
        }
        if service::is_small_answer(p.source_port, p.payload, p.length_bytes) {
            self.volumes.udp_small_answers.add(weight, bytes);
            return;
        }
        self.volumes.udp_one_way.add(weight, bytes);
        if let Some(index) = service::answering(p.source_port, p.payload) {
            if self.reflected.is_empty() {
                self.reflected = vec![Volume::default(); service::SERVICES.len()];
            }
            self.reflected[index].add(weight, bytes);
        }
    }

    fn observe_icmp(&mut self, p: &Packet<'_>, weight: u64, bytes: u64) {
        let v = &mut self.volumes;
        v.icmp.add(weight, bytes);
        match (p.protocol, p.icmp_type) {
            (protocol::ICMP, 8) | (protocol::ICMPV6, 128) => v.icmp_echo.add(weight, bytes),
            (protocol::ICMP, 0) | (protocol::ICMPV6, 129) => v.icmp_echo_reply.add(weight, bytes),
            (protocol::ICMP, 3) | (protocol::ICMPV6, 1) => v.icmp_unreachable.add(weight, bytes),
            _ => {}
        }
        if is_icmp_error(p.protocol, p.icmp_type)
            && matches!(p.flow, FlowState::Answering | FlowState::Asking)
        {
            v.icmp_errors_known.add(weight, bytes);
        }
    }

    pub(super) fn observe_connection(&mut self, c: &Connection) {
        self.events[c.event as usize] += 1;
        let closed = matches!(c.event, ConnectionEvent::Closed);
        let is_unserved = closed && c.server_bytes <= SHORT_ANSWER_BYTES;
        let short = is_unserved && c.client_bytes <= SHORT_CONNECTION_BYTES && c.requests == 0;
        self.short_connections += u64::from(short);
        self.empty_connections += u64::from(is_unserved && c.client_bytes == 0);
        let said = LOGIN_LEAST_BYTES..=LOGIN_CONNECTION_BYTES;
        let brief = closed && said.contains(&c.client_bytes) && c.server_bytes <= LOGIN_CONNECTION_BYTES;
        let admin = brief && service::is_admin_port(c.server_port);
        self.admin_logins += u64::from(admin);
        if c.event == ConnectionEvent::Established && c.duration_us > 0 {
            self.handshake_us.insert(c.duration_us);
        }
        let Some(host) = self.hosts.entry(hash::address(c.client)) else { return };
        host.address = Some(c.client);
        match c.event {
            ConnectionEvent::HalfOpenExpired => host.half_open += 1,
            ConnectionEvent::Established => host.established += 1,
            ConnectionEvent::Refused => host.refused += 1,
            ConnectionEvent::SlowRequest | ConnectionEvent::SlowRead => host.slow += 1,
            ConnectionEvent::Idle => host.idle += 1,
            ConnectionEvent::Closed => {
                host.short += u32::from(short);
                host.logins += u32::from(brief && service::is_login_port(c.server_port));
                host.admin_logins += u32::from(admin);
            }
            ConnectionEvent::TlsHello => host.tls_hellos += 1,
            ConnectionEvent::TlsAbandoned | ConnectionEvent::CertificateRefused => host.tls_abandoned += 1,
            ConnectionEvent::Http2Abuse | ConnectionEvent::Reset => {}
        }
        host.ports |= bit_of(hash::mix(u64::from(c.server_port)));
        host.hosts |= bit_of(hash::address(c.server));
    }

    /// Connections that are known by the log of a proxy alone, which tells of them when they end, and of no
    /// packets.
    #[must_use]
    pub fn logged_connections(&self) -> u64 {
        if self.volumes.all.packets == 0 { self.event(ConnectionEvent::Closed) } else { 0 }
    }

    /// Events of one kind.
    #[must_use]
    pub fn event(&self, event: ConnectionEvent) -> u64 {
        self.events[event as usize]
    }

    /// One-way UDP by service, largest in bytes first.
    #[must_use]
    pub fn reflectors(&self) -> Vec<(service::Service, Volume)> {
        let mut by_name: Vec<(service::Service, Volume)> = Vec::new();
        for (service, volume) in service::SERVICES.iter().zip(&self.reflected).filter(|(_, v)| v.packets > 0)
        {
            match by_name.iter_mut().find(|(s, _)| s.name == service.name) {
                Some((_, sum)) => sum.merge(volume),
                None => by_name.push((*service, *volume)),
            }
        }
        by_name.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then(a.0.port.cmp(&b.0.port)));
        by_name
    }

    pub(super) fn seal(&mut self, width_s: f64) {
        self.peak_packets_per_s = self.volumes.all.packets as f64 / width_s;
        self.peak_one_way_per_s = self.volumes.one_way() as f64 / width_s;
        self.hosts.for_each(|h| {
            h.peak_per_s = (f64::from(h.packets) / width_s) as f32;
            h.peak_messages_per_s = (f64::from(h.messages) / width_s) as f32;
        });
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.volumes.merge(&other.volumes);
        if self.reflected.is_empty() {
            self.reflected.clone_from(&other.reflected);
        } else {
            for (mine, theirs) in self.reflected.iter_mut().zip(&other.reflected) {
                mine.merge(theirs);
            }
        }
        for (mine, theirs) in self.events.iter_mut().zip(other.events) {
            *mine += theirs;
        }
        self.slow_held = self.slow_held.max(other.slow_held);
        self.turned_away += other.turned_away;
        self.short_connections += other.short_connections;
        self.empty_connections += other.empty_connections;
        self.admin_logins += other.admin_logins;
        self.handshake_us.merge(&other.handshake_us);
        self.sources.merge(&other.sources);
        self.dhcp_clients.merge(&other.dhcp_clients);
        self.destinations.merge(&other.destinations);
        self.hosts.merge(&other.hosts);
        self.sample.merge(&other.sample);
        self.one_way_sample.merge(&other.one_way_sample);
        self.peak_packets_per_s = self.peak_packets_per_s.max(other.peak_packets_per_s);
        self.peak_one_way_per_s = self.peak_one_way_per_s.max(other.peak_one_way_per_s);
    }

    /// The sampled packets, in an order that depends on nothing but the input.
    #[must_use]
    pub fn records(&self) -> Vec<PacketRecord> {
        self.sample.iter().filter_map(codec::decode_packet).collect()
    }

    /// The sampled packets of flows in which only one side has spoken.
    #[must_use]
    pub fn one_way_records(&self) -> Vec<PacketRecord> {
        self.one_way_sample.iter().filter_map(codec::decode_packet).collect()
    }
}

/// A request's segment on its way to a web service, as far as its outside tells.
fn is_message(p: &Packet<'_>) -> bool {
    service::is_web_port(p.destination_port)
        && !service::is_service_port(p.source_port)
        && p.payload_bytes <= MESSAGE_BYTES
        && !holds_window_updates(p.payload)
        && !sets_up_tls(p.payload)
}

/// A TLS record before any message: the change of cipher, alerts, handshakes (RFC 8446 section 5.1).
fn sets_up_tls(payload: &[u8]) -> bool {
    matches!(payload, [20..=22, 3, _, ..])
}

/// A TLS record of the length of one or two HTTP/2 frames of 13 bytes (RFC 9113 section 6.9), by
/// which whoever downloads asks for more of the same: plus 17 bytes in TLS 1.3, 24 before.
fn holds_window_updates(payload: &[u8]) -> bool {
    matches!(payload, [23, 3, _, 0, 30 | 37 | 43 | 50, ..])
}

/// Whether a segment goes from a port to that same port of the same address, as those of a "LAND" flood.
fn is_to_itself(p: &Packet<'_>) -> bool {
    p.protocol == protocol::TCP && p.source == p.destination && p.source_port == p.destination_port
}

/// A reset, or a message that a host or a port cannot be reached.
fn is_refusal(p: &Packet<'_>) -> bool {
    match p.protocol {
        protocol::TCP => p.fragment != Fragment::Later && p.tcp_flags & tcp_flags::RST != 0,
        protocol::ICMP => p.icmp_type == 3,
        protocol::ICMPV6 => p.icmp_type == 1,
        _ => false,
    }
}

fn is_echo_request(p: &Packet<'_>) -> bool {
    matches!((p.protocol, p.icmp_type), (protocol::ICMP, 8) | (protocol::ICMPV6, 128))
}

/// Whether an ICMP message tells of another packet, which it quotes (RFC 792, RFC 4443).
pub(crate) fn is_icmp_error(number: u8, icmp_type: u8) -> bool {
    match number {
        protocol::ICMP => matches!(icmp_type, 3 | 4 | 5 | 11 | 12),
        _ => number == protocol::ICMPV6 && icmp_type < 128,
    }
}

/// A router's answer to a packet whose hops were up, as traces of routes bring them.
fn is_time_exceeded(p: &Packet<'_>) -> bool {
    matches!((p.protocol, p.icmp_type), (protocol::ICMP, 11) | (protocol::ICMPV6, 3))
}

/// A client's question to DHCP servers: BOOTREQUEST to port 67, or any message to port 547.
fn is_dhcp_request(p: &Packet<'_>) -> bool {
    match p.destination_port {
        67 => p.payload.first().is_none_or(|&op| op == 1),
        547 => true,
        _ => false,
    }
}

/// IPv4 broadcast: all ones, or the last address of what looks like a private LAN.
fn is_broadcast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_broadcast() || (v4.is_private() && v4.octets()[3] == 255),
        IpAddr::V6(_) => false,
    }
}

/// What one source address did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostProfile {
    pub address: Option<IpAddr>,
    pub packets: u32,
    pub bytes: u64,
    pub two_way: u32,
    /// Small segments with payload to web ports.
    pub messages: u32,
    /// UDP answers that it got, and routers' answers to its traces.
    pub answered: u32,
    pub syn: u32,
    pub half_open: u32,
    pub established: u32,
    pub refused: u32,
    pub slow: u32,
    pub idle: u32,
    pub short: u32,
    pub logins: u32,
    pub admin_logins: u32,
    pub tls_hellos: u32,
    pub tls_abandoned: u32,
    /// Flows that it began.
    pub flows: u32,
    /// Packets of flows that began before and in which nobody else has spoken.
    pub continued: u32,
    /// What it said as the side that asks (openings and segments with payload), and how much of
    /// that it had to say again.
    pub said: u32,
    pub said_again: u32,
    /// Bitmaps of hashed destination ports and hosts that it opened or sent one-way packets to,
    /// and of the ports from which it did.
    pub ports: u64,
    pub hosts: u64,
    pub source_ports: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    /// Packets per second in its busiest tick.
    pub peak_per_s: f32,
    /// Small segments to web ports per second in its busiest tick.
    pub peak_messages_per_s: f32,
}

impl HostProfile {
    fn observe(&mut self, p: &Packet<'_>, two_way: bool) {
        if self.packets == 0 {
            self.address = Some(p.source);
            (self.first, self.last) = (p.time, p.time);
        }
        self.packets = self.packets.saturating_add(p.sampling.max(1));
        self.bytes += u64::from(p.length_bytes);
        self.two_way += u32::from(two_way);
        let message = two_way && p.protocol == protocol::TCP && p.payload_bytes > 0 && is_message(p);
        self.messages = self.messages.saturating_add(if message { p.sampling.max(1) } else { 0 });
        self.first = self.first.min(p.time);
        self.last = self.last.max(p.time);
        let opens =
            p.protocol == protocol::TCP && p.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN;
        self.syn += u32::from(opens);
        let asks_by_tcp = opens || p.payload_bytes > 0 && p.flow == FlowState::Asking;
        let says = p.protocol == protocol::TCP && p.flow != FlowState::Unknown && asks_by_tcp;
        self.said += u32::from(says);
        self.said_again += u32::from(says && p.repeats);
        self.flows = self.flows.saturating_add(u32::from(p.flow == FlowState::New));
        self.continued = self.continued.saturating_add(u32::from(p.flow == FlowState::OneWay));
        // Without SYN, ACK and RST no packet belongs to a connection: scanners send such.
        let tries = p.protocol == protocol::TCP
            && p.fragment != Fragment::Later
            && p.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK | tcp_flags::RST) == 0;
        let asks = p.protocol == protocol::UDP
            && !two_way
            && !service::is_service_port(p.source_port)
            && !service::is_resolvers_question(p.destination_port, p.payload);
        if opens || tries || asks || is_echo_request(p) && !two_way {
            self.ports |= bit_of(hash::mix(u64::from(p.destination_port)));
            self.hosts |= bit_of(hash::address(p.destination));
            self.source_ports |= bit_of(hash::mix(u64::from(p.source_port)));
        }
    }
}

impl Profile for HostProfile {
    fn merge(&mut self, other: &Self) {
        let empty = self.packets == 0;
        self.address = self.address.or(other.address);
        if other.packets > 0 {
            self.first = if empty { other.first } else { self.first.min(other.first) };
            self.last = if empty { other.last } else { self.last.max(other.last) };
        }
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes += other.bytes;
        self.two_way += other.two_way;
        self.messages = self.messages.saturating_add(other.messages);
        self.answered += other.answered;
        self.syn += other.syn;
        self.half_open += other.half_open;
        self.established += other.established;
        self.refused += other.refused;
        self.slow += other.slow;
        self.idle += other.idle;
        self.short += other.short;
        self.logins += other.logins;
        self.admin_logins += other.admin_logins;
        self.tls_hellos += other.tls_hellos;
        self.tls_abandoned += other.tls_abandoned;
        self.flows = self.flows.saturating_add(other.flows);
        self.continued = self.continued.saturating_add(other.continued);
        self.said = self.said.saturating_add(other.said);
        self.said_again = self.said_again.saturating_add(other.said_again);
        self.ports |= other.ports;
        self.hosts |= other.hosts;
        self.source_ports |= other.source_ports;
        self.peak_per_s = self.peak_per_s.max(other.peak_per_s);
        self.peak_messages_per_s = self.peak_messages_per_s.max(other.peak_messages_per_s);
    }
}
