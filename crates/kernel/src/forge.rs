//! Frames made to order: what a rule is tried with before it goes live, and what tests are made of.

use seawall_model::observation::{Fragment, protocol};
use std::net::IpAddr;

const ETHERNET_BYTES: usize = 14;

/// A packet to be. [`Forged::frame`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// VLAN tags, outermost first.
    pub tags: Vec<u16>,
    pub source: IpAddr,
    /// Of the same family as `source`.
    pub destination: IpAddr,
    pub protocol: u8,
    pub ttl: u8,
    pub fragment: Fragment,
    /// Written for TCP and UDP.
    pub ports: (u16, u16),
    pub tcp_flags: u8,
    pub tcp_window: u16,
    /// Bytes of TCP options; filled up with zeroes to words.
    pub tcp_options: Vec<u8>,
    pub icmp_type: u8,
    pub payload: Vec<u8>,
}

impl Forged {
    /// A UDP packet without payload.
    #[must_use]
    pub fn udp(source: IpAddr, destination: IpAddr) -> Self {
        Self {
            tags: Vec::new(),
            source,
            destination,
            protocol: protocol::UDP,
            ttl: 64,
            fragment: Fragment::Whole,
            ports: (40_000, 443),
            tcp_flags: 0,
            tcp_window: 0,
            tcp_options: Vec::new(),
            icmp_type: 0,
            payload: Vec::new(),
        }
    }

    /// The Ethernet frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = vec![0; ETHERNET_BYTES - 2];
        frame[0] = 2;
        frame[6] = 2;
        for (index, tag) in self.tags.iter().enumerate() {
            let is_outer = index + 1 < self.tags.len();
            frame.extend(if is_outer { 0x88A8_u16 } else { 0x8100 }.to_be_bytes());
            frame.extend(tag.to_be_bytes());
        }
        let segment = self.segment();
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend(0x0800_u16.to_be_bytes());
                let offset: u16 = match self.fragment {
                    Fragment::Whole => 0,
                    Fragment::First => 0x2000,
                    Fragment::Later => 185,
                };
                let mut header = vec![0x45, 0];
                header.extend(((20 + segment.len()) as u16).to_be_bytes());
                header.extend([0, 1]);
                header.extend(offset.to_be_bytes());
                header.extend([self.ttl, self.protocol, 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                let complement = !sum(&header);
                header[10..12].copy_from_slice(&complement.to_be_bytes());
                frame.extend(header);
            }
            (source, destination) => {
                let is_whole = self.fragment == Fragment::Whole;
                let length = segment.len() + if is_whole { 0 } else { 8 };
                frame.extend(0x86DD_u16.to_be_bytes());
                frame.extend([0x60, 0, 0, 0]);
                frame.extend((length as u16).to_be_bytes());
                frame.extend([if is_whole { self.protocol } else { 44 }, self.ttl]);
                frame.extend(crate::layout::octets(source));
                frame.extend(crate::layout::octets(destination));
                if !is_whole {
                    let offset: u16 = if self.fragment == Fragment::First { 1 } else { 185 << 3 };
                    frame.extend([self.protocol, 0]);
                    frame.extend(offset.to_be_bytes());
                    frame.extend([0, 0, 0, 1]);
                }
            }
        }
        frame.extend(segment);
        frame
    }

    /// Transport header and payload; in later fragments, payload alone.
    fn segment(&self) -> Vec<u8> {
        let mut segment = self.header();
        segment.extend(&self.payload);
        segment
    }

    fn header(&self) -> Vec<u8> {
        if self.fragment == Fragment::Later {
            return Vec::new();
        }
        let mut header = Vec::new();
        match self.protocol {
            protocol::TCP => {
                let mut options = self.tcp_options.clone();
                options.resize(options.len().div_ceil(4).min(10) * 4, 0);
                header.extend(self.ports.0.to_be_bytes());
                header.extend(self.ports.1.to_be_bytes());
                header.extend([0; 8]);
                header.extend([(((20 + options.len()) / 4) << 4) as u8, self.tcp_flags]);
                header.extend(self.tcp_window.to_be_bytes());
                header.extend([0; 4]);
                header.extend(options);
            }
            protocol::UDP => {
                header.extend(self.ports.0.to_be_bytes());
                header.extend(self.ports.1.to_be_bytes());
                header.extend(((8 + self.payload.len()) as u16).to_be_bytes());
                header.extend([0; 2]);
            }
            protocol::ICMP | protocol::ICMPV6 => header.extend([self.icmp_type, 0, 0, 0, 0, 0, 0, 0]),
            _ => {}
        }
        header
    }

    /// Bytes of the IP packet.
    #[must_use]
    pub fn length_bytes(&self) -> usize {
        self.frame().len() - ETHERNET_BYTES - 4 * self.tags.len()
    }
}

/// One's complement sum (RFC 1071).
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|b| u64::from(b[0]) << 8 | u64::from(b.get(1).copied().unwrap_or(0)));
    let mut sum: u64 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}
