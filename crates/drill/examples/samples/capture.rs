//! Packets and DNS messages as a pcap file of raw IP packets (link type 101), microseconds.

use seawall_model::observation::{Dns, Fragment, Packet, protocol, tcp_flags};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

const DNS_PORT: u16 = 53;
const TCP_HEADER_BYTES: usize = 20;
const UDP_HEADER_BYTES: usize = 8;

type End = (IpAddr, u16);

/// Writes packets; follows sequence numbers, so that streams can be put together again.
#[derive(Debug, Default)]
pub struct Writer {
    begun: bool,
    /// Next sequence number of each direction.
    sequences: BTreeMap<(End, End), u32>,
}

impl Writer {
    pub fn packet(&mut self, p: &Packet<'_>, out: &mut impl Write) -> io::Result<()> {
        let mut body = match p.protocol {
            _ if p.fragment == Fragment::Later => Vec::new(),
            protocol::TCP => self.tcp(p),
            protocol::UDP => udp(p.source_port, p.destination_port, p.payload_bytes as usize),
            _ => vec![p.icmp_type, p.icmp_code, 0, 0, 0, 1, 0, 1],
        };
        body.extend_from_slice(p.payload);
        let mut ip = ip_header(p.source, p.destination, p.protocol, p.ttl, p.length_bytes as usize);
        if let (IpAddr::V4(_), true) = (p.source, p.fragment != Fragment::Whole) {
            let bits: u16 = if p.fragment == Fragment::First { 0x2000 } else { 0x20B9 };
            ip[6..8].copy_from_slice(&bits.to_be_bytes());
        }
        ip.extend_from_slice(&body);
        ip.truncate(p.length_bytes as usize);
        self.record(p.time.0, &ip, p.length_bytes as usize, out)
    }

    /// A message in one datagram; its records are addresses.
    pub fn dns(&mut self, d: &Dns<'_>, out: &mut impl Write) -> io::Result<()> {
        let mut message = Vec::new();
        let id = u16::try_from(d.time.0 / 1_000 % 65_536).unwrap_or(0) ^ d.client_port;
        let flags = u16::from(d.is_response) << 15
            | u16::from(d.opcode & 15) << 11
            | u16::from(d.authoritative) << 10
            | u16::from(d.truncated) << 9
            | u16::from(d.recursion_desired) << 8
            | if d.is_response { u16::from(d.response_code & 15) } else { 0 };
        let answers = if d.is_response && !d.truncated { d.records.min(60) } else { 0 };
        for word in [id, flags, 1, answers, 0, 0] {
            message.extend_from_slice(&word.to_be_bytes());
        }
        for label in d.name.split(|&b| b == b'.').filter(|l| !l.is_empty()) {
            message.push(label.len().min(63) as u8);
            message.extend_from_slice(&label[..label.len().min(63)]);
        }
        message.push(0);
        message.extend_from_slice(&d.query_type.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        for n in 0..answers {
            message.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, n as u8]);
        }
        let (client, server) = ((d.client, d.client_port), (d.server, DNS_PORT));
        let (from, to) = if d.is_response { (server, client) } else { (client, server) };
        let length = message.len().max(d.message_bytes as usize);
        let mut datagram = udp(from.1, to.1, length);
        datagram.extend_from_slice(&message);
        let total = header_bytes(from.0) + UDP_HEADER_BYTES + length;
        let mut ip = ip_header(from.0, to.0, protocol::UDP, 60, total);
        ip.extend_from_slice(&datagram);
        self.record(d.time.0, &ip, total, out)
    }

    fn tcp(&mut self, p: &Packet<'_>) -> Vec<u8> {
        let (from, to) = ((p.source, p.source_port), (p.destination, p.destination_port));
        let acknowledged = self.sequences.get(&(to, from)).copied().unwrap_or(0);
        let next = self.sequences.entry((from, to)).or_insert(u32::from(p.source_port) << 8);
        let sequence = *next;
        let takes_one = u32::from(p.tcp_flags & (tcp_flags::SYN | tcp_flags::FIN) != 0);
        *next = next.wrapping_add(p.payload_bytes + takes_one);
        let space = (p.length_bytes as usize)
            .saturating_sub(header_bytes(p.source) + TCP_HEADER_BYTES + p.payload_bytes as usize);
        let options = options(p.tcp_flags, space.min(40) / 4 * 4);
        let mut tcp = Vec::with_capacity(TCP_HEADER_BYTES + options.len());
        tcp.extend_from_slice(&p.source_port.to_be_bytes());
        tcp.extend_from_slice(&p.destination_port.to_be_bytes());
        tcp.extend_from_slice(&sequence.to_be_bytes());
        tcp.extend_from_slice(
            &if p.tcp_flags & tcp_flags::ACK != 0 { acknowledged } else { 0 }.to_be_bytes(),
        );
        tcp.extend_from_slice(&[((TCP_HEADER_BYTES + options.len()) as u8) << 2, p.tcp_flags]);
        tcp.extend_from_slice(&p.tcp_window.to_be_bytes());
        tcp.extend_from_slice(&[0; 4]);
        tcp.extend_from_slice(&options);
        tcp
    }

    fn record(
        &mut self,
        time_ns: i64,
        captured: &[u8],
        original: usize,
        out: &mut impl Write,
    ) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            out.write_all(&0xA1B2_C3D4_u32.to_le_bytes())?;
            out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
            out.write_all(&65_535_u32.to_le_bytes())?;
            out.write_all(&101_u32.to_le_bytes())?;
        }
        let (seconds, micros) =
            (time_ns.div_euclid(1_000_000_000), time_ns.rem_euclid(1_000_000_000) / 1_000);
        for word in [seconds as u32, micros as u32, captured.len() as u32, original as u32] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(captured)
    }
}

fn udp(from: u16, to: u16, payload: usize) -> Vec<u8> {
    let length = (UDP_HEADER_BYTES + payload).min(65_535) as u16;
    [from, to, length, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Options as common stacks send them with a SYN, as far as there is room; else padding.
fn options(flags: u8, space: usize) -> Vec<u8> {
    const SYN: [u8; 20] = [2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    const MSS: [u8; 4] = [2, 4, 5, 0xB4];
    let mut options = match (flags & tcp_flags::SYN != 0, space) {
        (true, 20..) => SYN.to_vec(),
        (true, 4..) => MSS.to_vec(),
        _ => Vec::new(),
    };
    options.resize(space, 1);
    options
}

fn header_bytes(address: IpAddr) -> usize {
    if address.is_ipv4() { 20 } else { 40 }
}

fn ip_header(source: IpAddr, destination: IpAddr, protocol: u8, ttl: u8, length: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend_from_slice(&[0x45, 0]);
            header.extend_from_slice(&(length.min(65_535) as u16).to_be_bytes());
            header.extend_from_slice(&[0, 1, 0, 0, ttl, protocol, 0, 0]);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
        }
        (from, to) => {
            let bits = |address: IpAddr| match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            header.extend_from_slice(&[0x60, 0, 0, 0]);
            header.extend_from_slice(&(length.saturating_sub(40).min(65_535) as u16).to_be_bytes());
            header.extend_from_slice(&[protocol, ttl]);
            header.extend_from_slice(&bits(from));
            header.extend_from_slice(&bits(to));
        }
    }
    header
}
