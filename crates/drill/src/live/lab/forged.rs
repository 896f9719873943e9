//! Floods of packets from addresses that are nobody's: openings of connections that are never
//! answered, and datagrams to ports where nobody listens. They leave through the lab's own interface
//! alone; where there is none, nothing can be sent.

use super::ground::{FORGED, STREET};
use crate::live::attack::Beat;
use crate::live::worker::Worker;
use crate::rng::Rng;
use seawall_model::Cause;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::Ordering::Relaxed;

/// No flood sends more packets than this in a second.
const MOST_PER_S: f64 = 20_000.0;
/// Packets that are sent at one beat.
const BURST: u32 = 20;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// IPPROTO_RAW: the header is our own (raw(7)).
const OWN_HEADER: i32 = 255;
const DATAGRAM_BYTES: usize = 400;

/// A kind of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forged {
    /// Openings of connections to the port of the service.
    Syn { per_s: u32 },
    /// Datagrams to any port.
    Udp { per_s: u32 },
}

impl Forged {
    pub(in crate::live) fn per_s(self) -> u32 {
        match self {
            Self::Syn { per_s } | Self::Udp { per_s } => per_s,
        }
    }

    /// Its right name.
    pub(in crate::live) fn cause(self) -> Cause {
        match self {
            Self::Syn { .. } => Cause::SynFlood,
            Self::Udp { .. } => Cause::UdpFlood,
        }
    }

    /// Begins to send to a target, from the namespace of whoever calls; ends when it is dropped.
    pub(in crate::live) fn start(self, target: SocketAddr, seed: u64) -> io::Result<Worker> {
        let SocketAddr::V4(target) = target else { return Err(io::Error::other("a lab has IPv4 alone")) };
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(OWN_HEADER)))?;
        socket.bind_device(Some(STREET.as_bytes()))?;
        socket.set_nonblocking(true)?;
        Worker::start("forged", move |stop| async move {
            let mut rng = Rng::new(seed ^ 0xF0_26ED);
            let per_s = f64::from(self.per_s()).clamp(1.0, MOST_PER_S);
            let mut beat = Beat::every(f64::from(BURST) / per_s);
            let to = SocketAddr::V4(SocketAddrV4::new(*target.ip(), 0)).into();
            while !stop.load(Relaxed) {
                beat.wait().await;
                for _ in 0..BURST {
                    // What finds no room is lost, as on any wire.
                    let _ = socket.send_to(&self.packet(target, &mut rng), &to);
                }
            }
        })
    }

    fn packet(self, target: SocketAddrV4, rng: &mut Rng) -> Vec<u8> {
        let [first, second] = FORGED;
        let bits = rng.next();
        let source = Ipv4Addr::new(first, second | (bits as u8 & 15), (bits >> 8) as u8, (bits >> 16) as u8);
        let port = 1_024 + (bits >> 24) as u16 % 60_000;
        let transport = match self {
            Self::Syn { .. } => syn(source, port, target, (bits >> 32) as u32),
            Self::Udp { .. } => datagram(port, 1_024 + (bits >> 40) as u16 % 60_000),
        };
        let protocol = if matches!(self, Self::Syn { .. }) { TCP } else { UDP };
        let mut packet = header(source, *target.ip(), protocol, transport.len(), bits as u16);
        packet.extend_from_slice(&transport);
        packet
    }
}

/// An IPv4 header (RFC 791).
fn header(source: Ipv4Addr, target: Ipv4Addr, protocol: u8, length: usize, id: u16) -> Vec<u8> {
    let mut head = vec![0x45, 0];
    head.extend_from_slice(&((20 + length) as u16).to_be_bytes());
    head.extend_from_slice(&id.to_be_bytes());
    head.extend_from_slice(&[0x40, 0, 64, protocol, 0, 0]);
    head.extend_from_slice(&source.octets());
    head.extend_from_slice(&target.octets());
    let sum = checksum(&head);
    head[10..12].copy_from_slice(&sum.to_be_bytes());
    head
}

/// The first segment of a connection, as Linux sends it (RFC 9293).
fn syn(source: Ipv4Addr, port: u16, target: SocketAddrV4, sequence: u32) -> Vec<u8> {
    let mut segment = Vec::with_capacity(40);
    segment.extend_from_slice(&port.to_be_bytes());
    segment.extend_from_slice(&target.port().to_be_bytes());
    segment.extend_from_slice(&sequence.to_be_bytes());
    // No acknowledgement; ten words of header, SYN, window.
    segment.extend_from_slice(&[0, 0, 0, 0, 0xA0, 0x02, 0xFA, 0xF0, 0, 0, 0, 0]);
    // Largest segment 1460, selective acknowledgements, time stamps, window scale 7.
    segment.extend_from_slice(&[2, 4, 5, 0xB4, 4, 2, 8, 10]);
    segment.extend_from_slice(&sequence.rotate_left(7).to_be_bytes());
    segment.extend_from_slice(&[0, 0, 0, 0, 1, 3, 3, 7]);
    let mut summed = source.octets().to_vec();
    summed.extend_from_slice(&target.ip().octets());
    summed.extend_from_slice(&[0, TCP, 0, segment.len() as u8]);
    summed.extend_from_slice(&segment);
    let sum = checksum(&summed);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// A datagram of zeros without a checksum, which IPv4 allows (RFC 768).
fn datagram(port: u16, to: u16) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + DATAGRAM_BYTES);
    for word in [port, to, (8 + DATAGRAM_BYTES) as u16, 0] {
        datagram.extend_from_slice(&word.to_be_bytes());
    }
    datagram.resize(8 + DATAGRAM_BYTES, 0);
    datagram
}

/// The checksum of the Internet protocols (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |b| u32::from(*b)));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_whole_and_their_sources_are_the_forged_ones() {
        let target: SocketAddrV4 = "198.18.0.2:80".parse().expect("an address");
        let mut rng = Rng::new(5);
        for kind in [Forged::Syn { per_s: 1 }, Forged::Udp { per_s: 1 }] {
            let packet = kind.packet(target, &mut rng);
            assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
            assert_eq!(checksum(&packet[..20]), 0);
            assert_eq!((packet[12], packet[13] & 0xF0), (172, 16));
            assert_eq!(packet[16..20], [198, 18, 0, 2]);
        }
        let packet = Forged::Syn { per_s: 1 }.packet(target, &mut rng);
        let mut summed = packet[12..20].to_vec();
        summed.extend_from_slice(&[0, TCP, 0, 40]);
        summed.extend_from_slice(&packet[20..]);
        assert_eq!(checksum(&summed), 0);
        assert_eq!((packet[33], u16::from_be_bytes([packet[22], packet[23]])), (0x02, 80));
    }

    #[test]
    fn outside_of_a_lab_nothing_can_be_sent() {
        let target = "198.18.0.2:80".parse().expect("an address");
        assert!(Forged::Syn { per_s: 1 }.start(target, 1).is_err());
    }
}
