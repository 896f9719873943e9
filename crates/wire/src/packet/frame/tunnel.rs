//! Packets in packets: IP in IP (RFC 2003), 6in4 (RFC 4213), GRE (RFC 2784, 2890), VXLAN
//! (RFC 7348), Geneve (RFC 8926). A tunnel is removed only where an IP packet is inside.

use super::{Carried, Frame, ip, link};
use crate::packet::bytes::be16;

const VXLAN_PORT: u16 = 4789;
/// Before that port was assigned, Linux took this one, and networks of containers still do.
const VXLAN_LINUX_PORT: u16 = 8472;
const GENEVE_PORT: u16 = 6081;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88BE;

/// The packet inside an IP payload of this protocol, if there is one.
#[inline]
pub(super) fn inside(protocol: u8, payload: Carried<'_>) -> Option<Frame<'_>> {
    match protocol {
        17 => udp(payload),
        4 => ip::v4(payload).ok(),
        41 => ip::v6(payload).ok(),
        47 => gre(payload),
        _ => None,
    }
}

fn gre(payload: Carried<'_>) -> Option<Frame<'_>> {
    let flags = be16(payload.data, 0)?;
    let kind = be16(payload.data, 2)?;
    // Version 1 is PPTP, and source routing is long gone.
    if flags & 0x4007 != 0 {
        return None;
    }
    let options = [0x8000, 0x2000, 0x1000].iter().filter(|&&bit| flags & bit != 0).count();
    let rest = payload.after(4 + options * 4)?;
    match kind {
        TRANSPARENT_ETHERNET => link::ethernet(rest).ok(),
        // A sequence number tells ERSPAN type II, with its own header, from type I.
        ERSPAN if flags & 0x1000 != 0 => link::ethernet(rest.after(8)?).ok(),
        ERSPAN => link::ethernet(rest).ok(),
        _ => link::ether_type(kind, rest).ok(),
    }
}

#[inline]
fn udp(payload: Carried<'_>) -> Option<Frame<'_>> {
    match be16(payload.data, 2)? {
        VXLAN_PORT | VXLAN_LINUX_PORT => {
            // Flags with only the "network identifier is valid" bit, reserved bits zero.
            let header = payload.data.get(8..16)?;
            let valid = header[..4] == [8, 0, 0, 0] && header[7] == 0;
            valid.then(|| link::ethernet(payload.after(16)?).ok()).flatten()
        }
        GENEVE_PORT => {
            let header = payload.data.get(8..16)?;
            let options = usize::from(header[0] & 0x3F) * 4;
            let kind = be16(header, 2)?;
            if header[0] >> 6 != 0 || header[7] != 0 {
                return None;
            }
            let rest = payload.after(16 + options)?;
            if kind == TRANSPARENT_ETHERNET {
                link::ethernet(rest).ok()
            } else {
                link::ether_type(kind, rest).ok()
            }
        }
        _ => None,
    }
}
