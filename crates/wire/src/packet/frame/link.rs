//! The link layer: which bytes of a frame are the IP packet (numbers from
//! tcpdump.org/linktypes.html and the IEEE list of EtherTypes).

use super::{Carried, Frame, Oddity, ip};
use crate::packet::bytes::{be16, be32};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86DD;
const ETHERTYPE_RARP: u16 = 0x8035;

/// Tags, labels and sessions between the link header and the packet that are passed over.
const SHIM_LIMIT: usize = 8;

/// The name of a link type for reports.
pub(super) fn name(link: u16) -> &'static str {
    match link {
        0 | 108 => "loopback",
        1 => "Ethernet",
        6 => "Token Ring",
        9 | 50 => "PPP",
        10 => "FDDI",
        51 => "PPPoE",
        104 => "Cisco HDLC",
        12 | 14 | 101 | 228 | 229 => "raw IP",
        113 => "Linux cooked",
        276 => "Linux cooked v2",
        _ => "unknown link type",
    }
}

#[inline]
pub(super) fn decode(link: u16, frame: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    match link {
        1 => ethernet(frame),
        12 | 14 | 101 | 228 | 229 => ip::decode(frame),
        0 | 108 => loopback(frame),
        6 => token_ring(frame),
        9 | 50 => ppp(frame),
        10 => llc(frame, 13),
        51 => ether_type(0x8864, frame),
        104 => typed(frame, 2, 4),
        113 => typed(frame, 14, 16),
        276 => typed(frame, 0, 20),
        _ => Err(Oddity::UnknownLink),
    }
}

/// An Ethernet frame from its destination address on.
#[inline]
pub(super) fn ethernet(frame: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    typed(frame, 12, 14)
}

/// A header of `header` bytes with an EtherType at `at`.
#[inline]
fn typed(frame: Carried<'_>, at: usize, header: usize) -> Result<Frame<'_>, Oddity> {
    let kind = be16(frame.data, at).ok_or(Oddity::LinkTruncated)?;
    ether_type(kind, frame.after(header).ok_or(Oddity::LinkTruncated)?)
}

/// A header of `header` bytes, then LLC (IEEE 802.2).
fn llc(frame: Carried<'_>, header: usize) -> Result<Frame<'_>, Oddity> {
    shims(0, frame.after(header).ok_or(Oddity::LinkTruncated)?)
}

/// Access and frame control, two addresses, and the way through bridges if the first bit of the
/// source tells of one (IEEE 802.5).
fn token_ring(frame: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    let source = frame.data.get(8).ok_or(Oddity::LinkTruncated)?;
    let way = if source & 0x80 == 0 { 0 } else { frame.data.get(14).ok_or(Oddity::LinkTruncated)? & 0x1F };
    llc(frame, 14 + usize::from(way))
}

/// What follows an EtherType: IP, or a tag, label or session before it.
#[inline]
pub(super) fn ether_type(kind: u16, rest: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    match kind {
        ETHERTYPE_IPV4 => ip::v4(rest),
        ETHERTYPE_IPV6 => ip::v6(rest),
        _ => shims(kind, rest),
    }
}

fn shims(mut kind: u16, mut rest: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    for _ in 0..SHIM_LIMIT {
        let header = match kind {
            ETHERTYPE_IPV4 => return ip::v4(rest),
            ETHERTYPE_IPV6 => return ip::v6(rest),
            ETHERTYPE_ARP | ETHERTYPE_RARP => return Err(Oddity::Arp),
            // IEEE 802.1Q, 802.1ad and the numbers that older switches used for outer tags.
            0x8100 | 0x88A8 | 0x9100 | 0x9200 | 0x9300 => {
                kind = be16(rest.data, 2).ok_or(Oddity::LinkTruncated)?;
                4
            }
            0x8847 | 0x8848 => return mpls(rest),
            // PPPoE session: six bytes, then the PPP protocol.
            0x8864 => {
                let session = rest.after(6).ok_or(Oddity::LinkTruncated)?;
                return ppp(session);
            }
            // A length instead of a type: LLC, of which SNAP may carry IP (IEEE 802.2).
            0..=1500 if rest.data.starts_with(&[0xAA, 0xAA, 3, 0, 0, 0]) => {
                kind = be16(rest.data, 6).ok_or(Oddity::LinkTruncated)?;
                8
            }
            _ => return Err(Oddity::NotIp),
        };
        rest = rest.after(header).ok_or(Oddity::LinkTruncated)?;
    }
    Err(Oddity::NotIp)
}

/// Labels up to the bottom of the stack (RFC 3032), then the version nibble decides.
fn mpls(mut rest: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    for _ in 0..SHIM_LIMIT {
        let label = be32(rest.data, 0).ok_or(Oddity::LinkTruncated)?;
        rest = rest.after(4).ok_or(Oddity::LinkTruncated)?;
        if label & 0x100 != 0 {
            return match rest.data.first().map(|b| b >> 4) {
                Some(4 | 6) => ip::decode(rest),
                // A control word of zeros announces an Ethernet frame (RFC 4448).
                Some(0) => ethernet(rest.after(4).ok_or(Oddity::LinkTruncated)?),
                _ => Err(Oddity::NotIp),
            };
        }
    }
    Err(Oddity::NotIp)
}

/// PPP with or without the HDLC address bytes, and with one- or two-byte protocol (RFC 1661).
fn ppp(frame: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    let rest =
        if frame.data.starts_with(&[0xFF, 3]) { frame.after(2).ok_or(Oddity::LinkTruncated)? } else { frame };
    let (kind, header) = match rest.data {
        [first, ..] if first & 1 == 1 => (u16::from(*first), 1),
        [first, second, ..] => (u16::from_be_bytes([*first, *second]), 2),
        _ => return Err(Oddity::LinkTruncated),
    };
    let packet = rest.after(header).ok_or(Oddity::LinkTruncated)?;
    match kind {
        0x21 => ip::v4(packet),
        0x57 => ip::v6(packet),
        _ => Err(Oddity::NotIp),
    }
}

/// An address family in the byte order of the capturing machine, which the file does not tell;
/// the packet's own version nibble is the surer sign.
fn loopback(frame: Carried<'_>) -> Result<Frame<'_>, Oddity> {
    let packet = frame.after(4).ok_or(Oddity::LinkTruncated)?;
    let family = be32(frame.data, 0).ok_or(Oddity::LinkTruncated)?;
    let family = if family > 0xFFFF { family.swap_bytes() } else { family };
    match family {
        // AF_INET, and AF_INET6 of Linux, NetBSD, FreeBSD and macOS.
        2 | 10 | 24 | 28 | 30 => ip::decode(packet),
        _ => Err(Oddity::NotIp),
    }
}
