//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers, extension headers and fragments.

use super::{Carried, DEPTH_LIMIT, Frame, Oddity, transport, tunnel};
use crate::packet::bytes::{be16, be32};
use seawall_model::observation::{Fragment, Packet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Extension headers of one packet that are followed.
const EXTENSION_LIMIT: usize = 12;
const IPV6_HEADER_BYTES: usize = 40;

/// An IP packet of either version.
#[inline]
pub(super) fn decode(carried: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    match carried.data.first().map(|b| b >> 4) {
        Some(4) => v4(carried),
        Some(6) => v6(carried),
        Some(_) => Err(Oddity::IpVersion),
        None => Err(Oddity::IpTruncated),
    }
}

/// An IPv4 packet.
#[inline]
pub(super) fn v4(carried: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    let Some(header) = carried.data.first_chunk::<20>() else {
        return Err(Oddity::IpTruncated);
    };
    if header[0] >> 4 != 4 {
        return Err(Oddity::IpVersion);
    }
    let header_bytes = usize::from(header[0] & 15) * 4;
    if header_bytes < 20 || header_bytes as u32 > carried.wire_bytes {
        return Err(Oddity::IpHeaderLength);
    }
    let claimed = u32::from(u16::from_be_bytes([header[2], header[3]]));
    let (length, oddity) = length_on_wire(claimed, header_bytes as u32, carried.wire_bytes);
    let offset = u16::from_be_bytes([header[6], header[7]]);
    let mut packet = Packet::unknown(carried.time);
    packet.source = IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15]));
    packet.destination = IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19]));
    packet.protocol = header[9];
    packet.ttl = header[8];
    packet.length_bytes = length;
    packet.fragment = match (offset & 0x1FFF, offset & 0x2000) {
        (0, 0) => Fragment::Whole,
        (0, _) => Fragment::First,
        _ => Fragment::Later,
    };
    payload(carried, packet, header_bytes, oddity)
}

/// An IPv6 packet.
pub(super) fn v6(carried: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    let Some(header) = carried.data.first_chunk::<IPV6_HEADER_BYTES>() else {
        return Err(Oddity::IpTruncated);
    };
    if header[0] >> 4 != 6 {
        return Err(Oddity::IpVersion);
    }
    let claimed = u32::from(u16::from_be_bytes([header[4], header[5]]));
    // Zero: a jumbogram (RFC 2675), or a large send that the network card was to cut.
    let claimed = if claimed == 0 { 0 } else { claimed + IPV6_HEADER_BYTES as u32 };
    let (length, oddity) = length_on_wire(claimed, IPV6_HEADER_BYTES as u32, carried.wire_bytes);
    let mut packet = Packet::unknown(carried.time);
    packet.source = v6_address(header, 8);
    packet.destination = v6_address(header, 24);
    packet.ttl = header[7];
    packet.length_bytes = length;
    let (at, odd_extension) = extensions(carried.data, header[6], &mut packet);
    payload(carried, packet, at, oddity.or(odd_extension))
}

fn v6_address(header: &[u8; IPV6_HEADER_BYTES], at: usize) -> IpAddr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&header[at..at + 16]);
    IpAddr::V6(Ipv6Addr::from(octets))
}

/// The packet's length: its own claim, unless the frame was too short for that.
#[inline]
fn length_on_wire(claimed: u32, header: u32, wire: u32) -> (u32, Option<Oddity>) {
    if claimed == 0 {
        // Segmentation offload leaves the length to the network card.
        (wire, None)
    } else if claimed < header || claimed > wire {
        (wire, Some(Oddity::IpLength))
    } else {
        (claimed, None)
    }
}

/// Follows the extension headers and returns where the transport header begins.
fn extensions(data: &[u8], first: u8, packet: &mut Packet<'_>) -> (usize, Option<Oddity>) {
    let mut next = first;
    let mut at = IPV6_HEADER_BYTES;
    for _ in 0..EXTENSION_LIMIT {
        packet.protocol = next;
        let (following, length) = match (next, data.get(at), data.get(at + 1)) {
            // Hop-by-hop, routing, destination, mobility, HIP, shim6: length in units of 8.
            (0 | 43 | 60 | 135 | 139 | 140, Some(&n), Some(&l)) => (n, 8 + usize::from(l) * 8),
            // Authentication header: units of 4, less two (RFC 4302).
            (51, Some(&n), Some(&l)) => (n, 8 + usize::from(l) * 4),
            (44, Some(&n), Some(_)) => {
                let Some(offset) = be16(data, at + 2) else { return (at, Some(Oddity::IpTruncated)) };
                packet.fragment = match (offset & 0xFFF8, offset & 1) {
                    (0, 0) => Fragment::Whole,
                    (0, _) => Fragment::First,
                    _ => Fragment::Later,
                };
                if packet.fragment == Fragment::Later {
                    packet.protocol = n;
                    return (at + 8, None);
                }
                (n, 8)
            }
            (0 | 43 | 44 | 51 | 60 | 135 | 139 | 140, ..) => return (at, Some(Oddity::IpTruncated)),
            _ => return (at, None),
        };
        next = following;
        at += length;
    }
    (at, Some(Oddity::ExtensionHeaders))
}

/// What the IP packet carries, from byte `at` of it on: a tunnel or a transport.
#[inline]
fn payload<'a>(
    carried: Carried<'a>,
    mut packet: Packet<'a>,
    at: usize,
    oddity: Option<Oddity>,
) -> Result<Frame<'a>, Oddity> {
    // Ethernet pads short frames: bytes past the packet's own length are not its payload.
    let captured = carried.data.get(..packet.length_bytes as usize).unwrap_or(carried.data);
    let rest = captured.get(at..).unwrap_or_default();
    packet.payload = rest;
    packet.payload_bytes = packet.length_bytes.saturating_sub(at as u32);
    if packet.fragment == Fragment::Later {
        return Ok(Frame { packet, sequence: 0, acknowledgement: 0, window_scale: None, oddity });
    }
    if carried.depth < DEPTH_LIMIT {
        let inner = Carried { data: rest, wire_bytes: packet.payload_bytes, ..carried.deeper() };
        if let Some(frame) = tunnel::inside(packet.protocol, inner) {
            return Ok(frame);
        }
    }
    let mut frame = Frame { packet, sequence: 0, acknowledgement: 0, window_scale: None, oddity };
    let odd_transport = transport::decode(&mut frame);
    frame.oddity = oddity.or(odd_transport);
    Ok(frame)
}

/// Source, destination, protocol and header length of a quoted packet's start.
pub(super) fn quoted_header(data: &[u8]) -> Option<(IpAddr, IpAddr, u8, usize)> {
    match data.first()? >> 4 {
        4 => {
            let header_bytes = usize::from(data[0] & 15) * 4;
            let source = Ipv4Addr::from(be32(data, 12)?);
            let destination = Ipv4Addr::from(be32(data, 16)?);
            // A later fragment's payload does not begin with ports.
            let whole = be16(data, 6)? & 0x1FFF == 0 && header_bytes >= 20;
            whole.then_some((IpAddr::V4(source), IpAddr::V4(destination), data[9], header_bytes))
        }
        6 => {
            let header = data.first_chunk::<IPV6_HEADER_BYTES>()?;
            Some((v6_address(header, 8), v6_address(header, 24), header[6], IPV6_HEADER_BYTES))
        }
        _ => None,
    }
}
