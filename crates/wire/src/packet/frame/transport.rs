//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792) and ICMPv6 (RFC 4443) headers.

use super::{Frame, Oddity, Quoted, ip};
use crate::packet::bytes::be16;
use seawall_model::hash;
use seawall_model::observation::{Packet, protocol};

const UDP_HEADER_BYTES: usize = 8;
const ICMP_HEADER_BYTES: usize = 8;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;
const DCCP: u8 = 33;

/// Reads the transport header that the packet's payload begins with, and takes it off.
#[inline]
pub(super) fn decode(frame: &mut Frame<'_>) -> Option<Oddity> {
    match frame.packet.protocol {
        protocol::TCP => tcp(frame),
        protocol::UDP => udp(&mut frame.packet),
        protocol::ICMP | protocol::ICMPV6 => icmp(&mut frame.packet),
        SCTP | UDP_LITE | DCCP => ports(&mut frame.packet),
        _ => None,
    }
}

#[inline]
fn tcp(frame: &mut Frame<'_>) -> Option<Oddity> {
    let packet = &mut frame.packet;
    let segment = packet.payload;
    let Some(header) = segment.first_chunk::<20>() else {
        return truncated_tcp(packet);
    };
    packet.source_port = u16::from_be_bytes([header[0], header[1]]);
    packet.destination_port = u16::from_be_bytes([header[2], header[3]]);
    packet.tcp_flags = header[13] & 0x3F;
    packet.tcp_window = u16::from_be_bytes([header[14], header[15]]);
    frame.sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    frame.acknowledgement = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let header_bytes = usize::from(header[12] >> 4) * 4;
    if header_bytes < 20 || header_bytes as u32 > packet.payload_bytes {
        packet.payload = b"";
        packet.payload_bytes = packet.payload_bytes.saturating_sub(20);
        return Some(Oddity::TcpOffset);
    }
    if header_bytes > 20 {
        let options = segment.get(20..header_bytes).unwrap_or(&segment[20..]);
        let scale;
        (packet.tcp_options, scale) = read_options(options);
        // Where the snap length cut the options, the scale may be any.
        let is_cut = segment.len() < header_bytes;
        frame.window_scale = scale.or(is_cut.then_some(SCALE_LIMIT));
    }
    packet.payload = segment.get(header_bytes..).unwrap_or_default();
    packet.payload_bytes -= header_bytes as u32;
    None
}

/// A header cut by the snap length still tells ports and, with 14 bytes, flags.
fn truncated_tcp(packet: &mut Packet<'_>) -> Option<Oddity> {
    let segment = packet.payload;
    if let (Some(source), Some(destination)) = (be16(segment, 0), be16(segment, 2)) {
        packet.source_port = source;
        packet.destination_port = destination;
    }
    packet.tcp_flags = segment.get(13).map_or(0, |flags| flags & 0x3F);
    packet.payload = b"";
    packet.payload_bytes = packet.payload_bytes.saturating_sub(20);
    Some(Oddity::TransportTruncated)
}

/// Shifts of the window above this count as this (RFC 7323 section 2.3).
const SCALE_LIMIT: u8 = 14;

/// Hash of the kinds of options in order, and the window scale. Stops at an option whose length
/// is impossible, and after more options than any stack sends.
#[inline]
fn read_options(options: &[u8]) -> (u64, Option<u8>) {
    const WINDOW_SCALE: u8 = 3;
    /// Kinds that fit the word in which they are gathered; stacks send up to ten.
    const KINDS: usize = 16;
    let mut scale = None;
    let mut kinds = 0_u128;
    let mut count = 0;
    let mut at = 0;
    while let Some(&kind) = options.get(at).filter(|_| count < KINDS) {
        kinds |= u128::from(kind) << (8 * count);
        count += 1;
        at += match (kind, options.get(at + 1)) {
            (0, _) => break,
            (1, _) => 1,
            (WINDOW_SCALE, Some(3)) => {
                scale = options.get(at + 2).map(|&shift| shift.min(SCALE_LIMIT));
                3
            }
            (_, Some(&length)) if length >= 2 => usize::from(length),
            _ => break,
        };
    }
    (hash::packed(kinds, count), scale)
}
#[inline]
fn udp(packet: &mut Packet<'_>) -> Option<Oddity> {
    let datagram = packet.payload;
    let Some(header) = datagram.first_chunk::<UDP_HEADER_BYTES>() else {
        return ports(packet);
    };
    packet.source_port = u16::from_be_bytes([header[0], header[1]]);
    packet.destination_port = u16::from_be_bytes([header[2], header[3]]);
    let claimed = u32::from(u16::from_be_bytes([header[4], header[5]]));
    let carried = packet.payload_bytes;
    packet.payload = &datagram[UDP_HEADER_BYTES..];
    packet.payload_bytes = carried.saturating_sub(UDP_HEADER_BYTES as u32);
    // The first fragment of a datagram holds less than the datagram's length; zero is a
    // datagram too large for the field.
    let whole = packet.fragment == seawall_model::observation::Fragment::Whole;
    if claimed == 0 || !whole {
        return None;
    }
    if claimed < UDP_HEADER_BYTES as u32 || claimed > carried {
        return Some(Oddity::UdpLength);
    }
    packet.payload_bytes = claimed - UDP_HEADER_BYTES as u32;
    packet.payload = packet.payload.get(..packet.payload_bytes as usize).unwrap_or(packet.payload);
    None
}

/// Protocols that begin with two ports, of which nothing else is read.
fn ports(packet: &mut Packet<'_>) -> Option<Oddity> {
    let (Some(source), Some(destination)) = (be16(packet.payload, 0), be16(packet.payload, 2)) else {
        return Some(Oddity::TransportTruncated);
    };
    packet.source_port = source;
    packet.destination_port = destination;
    if packet.protocol == protocol::UDP {
        packet.payload = b"";
        packet.payload_bytes = packet.payload_bytes.saturating_sub(UDP_HEADER_BYTES as u32);
        return Some(Oddity::TransportTruncated);
    }
    None
}

fn icmp(packet: &mut Packet<'_>) -> Option<Oddity> {
    let message = packet.payload;
    packet.icmp_type = message.first().copied().unwrap_or(0);
    packet.icmp_code = message.get(1).copied().unwrap_or(0);
    packet.payload = message.get(ICMP_HEADER_BYTES..).unwrap_or_default();
    packet.payload_bytes = packet.payload_bytes.saturating_sub(ICMP_HEADER_BYTES as u32);
    (message.len() < ICMP_HEADER_BYTES).then_some(Oddity::TransportTruncated)
}

/// The packet that an ICMP error message quotes.
pub(super) fn quoted(packet: &Packet<'_>) -> Option<Quoted> {
    let is_error = match packet.protocol {
        // Unreachable, source quench, redirect, time exceeded, parameter problem.
        protocol::ICMP => matches!(packet.icmp_type, 3 | 4 | 5 | 11 | 12),
        protocol::ICMPV6 => (1..=4).contains(&packet.icmp_type),
        _ => false,
    };
    if !is_error {
        return None;
    }
    let (source, destination, protocol, header) = ip::quoted_header(packet.payload)?;
    let first = (be16(packet.payload, header)?, be16(packet.payload, header + 2)?);
    // Packets of other protocols have no ports, so that none may be read into their first bytes.
    let (source_port, destination_port) = match protocol {
        protocol::TCP | protocol::UDP | SCTP | UDP_LITE | DCCP => first,
        _ => (0, 0),
    };
    Some(Quoted { source, destination, protocol, source_port, destination_port })
}
