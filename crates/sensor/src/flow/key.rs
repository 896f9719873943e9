//! What packets of one flow have in common, the same for both directions.

use seawall_model::hash;
use seawall_model::observation::{Packet, protocol};
use seawall_wire::packet::frame;
use std::net::IpAddr;

/// Which flow a packet is of, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub(super) hash: u64,
    /// The packet went from the lower end to the higher.
    pub(super) upward: bool,
    /// The packet is an ICMP error: the flow is the one it complains about, and the packet that
    /// is quoted went in the direction told.
    quoted: bool,
}

/// Both ends of a flow: addresses as 128 bits (IPv4 mapped), ports, protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub low: u128,
    pub high: u128,
    pub low_port: u16,
    pub high_port: u16,
    pub protocol: u8,
}

impl Flow {
    /// The flow of a packet. An ICMP error belongs to the flow that it quotes.
    #[inline]
    #[must_use]
    pub fn of(packet: &Packet<'_>) -> Self {
        let (key, upward, quoted) = ends(packet);
        Self { hash: key.hash(), upward, quoted }
    }

    /// Whether the packet is an ICMP error about a packet of this flow.
    pub(super) fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// The shard that follows this flow.
    #[inline]
    #[must_use]
    pub fn shard(&self, shards: usize) -> usize {
        ((self.hash >> 56) as usize) % shards
    }
}

/// The flow's ends in a fixed order, whether the packet went from the lower to the higher, and
/// whether it only quotes one that did.
#[inline]
fn ends(packet: &Packet<'_>) -> (Key, bool, bool) {
    let is_icmp = matches!(packet.protocol, protocol::ICMP | protocol::ICMPV6);
    if let Some(quote) = is_icmp.then(|| frame::quoted(packet)).flatten() {
        let source = (bits(quote.source), quote.source_port);
        let destination = (bits(quote.destination), quote.destination_port);
        let (key, upward) = Key::between(source, destination, quote.protocol);
        return (key, upward, true);
    }
    let source = (bits(packet.source), packet.source_port);
    let destination = (bits(packet.destination), packet.destination_port);
    let (key, upward) = Key::between(source, destination, packet.protocol);
    (key, upward, false)
}

impl Key {
    /// The key of a packet's flow.
    #[inline]
    pub(super) fn of(packet: &Packet<'_>) -> Self {
        ends(packet).0
    }

    #[inline]
    fn between(source: (u128, u16), destination: (u128, u16), protocol: u8) -> (Self, bool) {
        let upward = source <= destination;
        let (low, high) = if upward { (source, destination) } else { (destination, source) };
        (Self { low: low.0, high: high.0, low_port: low.1, high_port: high.1, protocol }, upward)
    }

    #[inline]
    fn hash(self) -> u64 {
        let ports =
            u64::from(self.low_port) << 24 | u64::from(self.high_port) << 8 | u64::from(self.protocol);
        let low = hash::combine(self.low as u64 ^ ports, (self.low >> 64) as u64);
        let high = hash::combine(self.high as u64, (self.high >> 64) as u64 ^ ports.rotate_left(32));
        hash::combine(low, high)
    }
}

#[inline]
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => 0xFFFF_0000_0000 | u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The address that `bits` was made from.
pub(super) fn address(bits: u128) -> IpAddr {
    if bits >> 32 == 0xFFFF { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) }
}
