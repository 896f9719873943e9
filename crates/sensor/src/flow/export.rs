//! Flow exports on their way to a collector: what they tell of other packets counts in their place.
//!
//! A record of a flow counts as one packet that stands for all of its packets, at the time when it
//! was exported: exporters tell of long flows in pieces, so that an onset may be dated late by as
//! much as their timeout.

use super::Sink;
use super::key::Flow;
use super::pairs::Pairs;
use seawall_model::Timestamp;
use seawall_model::observation::{
    Connection, ConnectionEvent, FlowState, Fragment, Observation, Packet, protocol, tcp_flags,
};
use seawall_wire::packet::export::{Exports, FlowRecord, Sighting, is_export_port};
use seawall_wire::packet::frame;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Exporters of one shard whose templates are remembered.
const EXPORTER_LIMIT: usize = 16;
/// Headers of IP and transport that stand before a payload, at least.
const HEADER_BYTES: u32 = 28;

/// What exporters have said of their records.
#[derive(Default)]
pub(super) struct Collector {
    exporters: BTreeMap<IpAddr, Exports>,
    pub datagrams: u64,
    pub without_template: u64,
}

impl Collector {
    /// Reads a packet that may be an export; tells what is in it. `false` if it is none.
    pub(super) fn read(&mut self, packet: &Packet<'_>, pairs: &mut Pairs, sink: &mut impl Sink) -> bool {
        let is_whole = packet.payload.len() as u32 == packet.payload_bytes;
        if packet.protocol != protocol::UDP
            || !is_export_port(packet.destination_port)
            || packet.fragment != Fragment::Whole
            || !is_whole
        {
            return false;
        }
        let is_known = self.exporters.contains_key(&packet.source);
        if !is_known && self.exporters.len() >= EXPORTER_LIMIT {
            return false;
        }
        let mut exports = self.exporters.remove(&packet.source).unwrap_or_default();
        let mut part = 0;
        let read = exports.read(packet.payload, &mut |sighting| {
            let Some(seen) = seen(&sighting, packet.time) else { return };
            let flow = pairs.see(&Flow::of(&seen), seen.time, false);
            sink.observe_part(&Observation::Packet(Packet { flow, ..seen }), part);
            if let Sighting::Flow(record) = &sighting
                && let Some(connection) = fate(record, packet.time)
            {
                sink.observe_part(&Observation::Connection(connection), part);
            }
            part += 1;
        });
        if is_known || read.is_some() {
            self.exporters.insert(packet.source, exports);
        }
        let Some(read) = read else { return false };
        self.datagrams += 1;
        self.without_template += u64::from(read.without_template);
        true
    }
}

/// The packet that an exporter saw.
fn seen<'a>(sighting: &Sighting<'a>, time: Timestamp) -> Option<Packet<'a>> {
    match *sighting {
        Sighting::Flow(record) => Some(of_flow(&record, time)),
        Sighting::Packet { link, data, original_length_bytes, sampling } => {
            let frame = frame::decode(link, data, original_length_bytes, time).ok()?;
            Some(Packet { sampling, ..frame.packet })
        }
    }
}

fn of_flow(record: &FlowRecord, time: Timestamp) -> Packet<'static> {
    let is_icmp = matches!(record.protocol, protocol::ICMP | protocol::ICMPV6);
    let [icmp_type, icmp_code] = if is_icmp { record.destination_port.to_be_bytes() } else { [0; 2] };
    let length_bytes = u32::try_from(record.bytes / record.packets.max(1)).unwrap_or(u32::MAX);
    let length_bytes = length_bytes.clamp(HEADER_BYTES, 65_535);
    let packets = record.packets.saturating_mul(u64::from(record.sampling));
    Packet {
        time,
        source: record.source,
        destination: record.destination,
        protocol: record.protocol,
        source_port: record.source_port,
        destination_port: if is_icmp { 0 } else { record.destination_port },
        length_bytes,
        ttl: 0,
        fragment: Fragment::Whole,
        tcp_flags: typical_flags(record.tcp_flags),
        tcp_window: 0,
        tcp_options: 0,
        icmp_type,
        icmp_code,
        payload: b"",
        payload_bytes: length_bytes - HEADER_BYTES,
        flow: FlowState::Unknown,
        repeats: false,
        sampling: u32::try_from(packets).unwrap_or(u32::MAX).max(1),
    }
}

/// What became of the connection that a flow was a side of, as far as the flags of all its packets
/// tell. Of a sample they tell nothing: the rest of the connection may not have been looked at.
fn fate(record: &FlowRecord, time: Timestamp) -> Option<Connection> {
    use tcp_flags::{ACK, FIN, PSH, RST, SYN};
    let flags = record.tcp_flags;
    if record.protocol != protocol::TCP || record.sampling > 1 || flags & SYN == 0 {
        return None;
    }
    let event = if flags & (ACK | RST | FIN) == 0 {
        ConnectionEvent::HalfOpenExpired
    } else if flags & ACK != 0 && flags & (PSH | FIN) != 0 && record.destination_port < record.source_port {
        // Both sides send such flags: the one at the lower port is the server.
        ConnectionEvent::Established
    } else {
        return None;
    };
    Some(Connection {
        time,
        event,
        client: record.source,
        server: record.destination,
        client_port: record.source_port,
        server_port: record.destination_port,
        client_bytes: 0,
        server_bytes: 0,
        duration_us: 0,
        requests: 0,
        ja4: 0,
    })
}

/// The flags of a typical packet of a flow: of one that went on after its opening, those of the
/// data, since most of its packets open nothing.
fn typical_flags(all: u8) -> u8 {
    let went_on = all & tcp_flags::ACK != 0 && all & (tcp_flags::PSH | tcp_flags::FIN) != 0;
    if went_on { all & !(tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST) } else { all }
}
