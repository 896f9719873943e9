//! One captured frame to one [`Packet`]: link layer, tunnels, IP, transport.
//!
//! Tunnels (VLAN, MPLS, PPPoE, GRE, IP in IP, VXLAN, Geneve) are removed as long as what they
//! carry is an IP packet; otherwise the outer packet stands for itself. Nothing is reassembled.

mod ip;
mod link;
mod oddity;
mod transport;
mod tunnel;

pub use oddity::Oddity;

use seawall_model::Timestamp;
use seawall_model::observation::Packet;
use std::net::IpAddr;

/// Tunnels within tunnels that are removed; deeper ones stay as they are.
pub const DEPTH_LIMIT: u8 = 4;

/// A decoded frame: the packet, and what only a flow table needs of it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub packet: Packet<'a>,
    /// TCP sequence and acknowledgement numbers; 0 for other protocols.
    pub sequence: u32,
    pub acknowledgement: u32,
    /// Window scale option (RFC 7323), which only packets with SYN carry.
    pub window_scale: Option<u8>,
    /// What was wrong with the packet, where it could be read all the same.
    pub oddity: Option<Oddity>,
}

impl Frame<'_> {
    /// The frame but for the payload of its packet, bound to no buffer.
    #[inline]
    #[must_use]
    pub fn without_payload(&self) -> Frame<'static> {
        Frame {
            packet: self.packet.without_payload(),
            sequence: self.sequence,
            acknowledgement: self.acknowledgement,
            window_scale: self.window_scale,
            oddity: self.oddity,
        }
    }

    /// The same frame with a payload.
    #[inline]
    #[must_use]
    pub fn with_payload<'p>(&self, payload: &'p [u8]) -> Frame<'p>
    where
        Self: 'p,
    {
        Frame { packet: Packet { payload, ..self.packet }, ..*self }
    }
}

/// The addresses and ports inside an ICMP error message: the packet that it complains about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub source_port: u16,
    pub destination_port: u16,
}

/// Decodes a frame of link type `link` (`LINKTYPE_…` of tcpdump.org).
///
/// # Errors
/// The [`Oddity`] that kept it from being read as an IP packet.
#[inline]
pub fn decode(
    link: u16,
    data: &[u8],
    original_length_bytes: u32,
    time: Timestamp,
) -> Result<Frame<'_>, Oddity> {
    let carried = Carried { data, wire_bytes: original_length_bytes.max(data.len() as u32), time, depth: 0 };
    link::decode(link, carried)
}

/// The packet that an ICMP or ICMPv6 error message quotes. `None` for other packets and for
/// quotes too short to hold ports.
#[must_use]
pub fn quoted(packet: &Packet<'_>) -> Option<Quoted> {
    transport::quoted(packet)
}

/// The name of a link type for reports.
#[must_use]
pub fn link_name(link: u16) -> &'static str {
    link::name(link)
}

/// Bytes on their way down the layers.
#[derive(Clone, Copy)]
struct Carried<'a> {
    data: &'a [u8],
    /// Length on the wire of what `data` is the captured part of.
    wire_bytes: u32,
    time: Timestamp,
    depth: u8,
}

impl<'a> Carried<'a> {
    /// The same without its first `header` bytes.
    #[inline]
    fn after(self, header: usize) -> Option<Self> {
        let data = self.data.get(header..)?;
        Some(Self { data, wire_bytes: self.wire_bytes.saturating_sub(header as u32), ..self })
    }

    #[inline]
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

#[cfg(test)]
mod tests;
