//! Packets that a firewall logs (Linux's `LOG` and `NFLOG` targets, nftables `log`, ufw, Proxmox; pf as
//! pfSense and OPNsense write it), and streams that Traefik's debug log tells of.

use super::common::find_date;
use super::date::{self, Dates, looks_like_clf};
use super::envelope::Envelope;
use super::scan::{Cursor, address, address_and_port, integer};
use super::{Line, LineError};
use memchr::memmem;
use seawall_model::Timestamp;
use seawall_model::observation::{
    Connection, ConnectionEvent, Fragment, Observation, Packet, protocol, tcp_flags,
};

/// Reads `… IN=eth0 OUT= MAC=… SRC=198.51.100.7 DST=192.0.2.1 LEN=40 TTL=245 PROTO=TCP SPT=8080
/// DPT=8123 WINDOW=1024 SYN URGP=0`.
pub(super) fn read<'a>(dates: &mut Dates, envelope: &Envelope<'a>) -> Result<Line<'a>, LineError> {
    let text = envelope.body;
    let start = memmem::find(text, b"SRC=").ok_or(LineError { reason: "no SRC=", at_byte: 0 })?;
    let time = envelope.time.or_else(|| own_date(&text[..start], dates)).or_else(|| dates.latest());
    let time = time.ok_or(LineError { reason: "no date that can be read", at_byte: 0 })?;
    let mut packet = Packet::unknown(time);
    let mut told = [false; 2];
    let mut cursor = Cursor::new(text);
    cursor.skip(start);
    while let Some(word) = cursor.token() {
        let Some(at) = memchr::memchr(b'=', word) else {
            flag(&mut packet, word);
            continue;
        };
        let (name, value) = (&word[..at], &word[at + 1..]);
        match name {
            b"SRC" => told[0] = address(value).map(|a| packet.source = a).is_some(),
            b"DST" => told[1] = address(value).map(|a| packet.destination = a).is_some(),
            _ => number(&mut packet, name, value),
        }
    }
    if told != [true, true] {
        return Err(LineError { reason: "no SRC= or DST= that is an address", at_byte: start });
    }
    if packet.payload_bytes == 0 {
        let header = if packet.protocol == protocol::TCP { 40 } else { 28 };
        packet.payload_bytes = packet.length_bytes.saturating_sub(header);
    }
    Ok(Line::Observation(Observation::Packet(packet)))
}

fn number(packet: &mut Packet<'_>, name: &[u8], value: &[u8]) {
    let n = integer(value).map(|n| u32::try_from(n).unwrap_or(u32::MAX)).unwrap_or(0);
    let short = n.min(0xFFFF) as u16;
    let byte = n.min(0xFF) as u8;
    match name {
        b"LEN" if packet.length_bytes == 0 => packet.length_bytes = n,
        // The second length is UDP's, header included.
        b"LEN" => packet.payload_bytes = n.saturating_sub(8),
        b"TTL" | b"HOPLIMIT" => packet.ttl = byte,
        b"PROTO" => {
            packet.protocol = match value {
                b"TCP" => protocol::TCP,
                b"UDP" => protocol::UDP,
                b"ICMP" => protocol::ICMP,
                b"ICMPv6" => protocol::ICMPV6,
                b"GRE" => protocol::GRE,
                _ => byte,
            }
        }
        b"SPT" => packet.source_port = short,
        b"DPT" => packet.destination_port = short,
        b"WINDOW" => packet.tcp_window = short,
        b"TYPE" => packet.icmp_type = byte,
        b"CODE" => packet.icmp_code = byte,
        _ => {}
    }
}

fn flag(packet: &mut Packet<'_>, word: &[u8]) {
    match word {
        b"SYN" => packet.tcp_flags |= tcp_flags::SYN,
        b"ACK" => packet.tcp_flags |= tcp_flags::ACK,
        b"FIN" => packet.tcp_flags |= tcp_flags::FIN,
        b"RST" => packet.tcp_flags |= tcp_flags::RST,
        b"PSH" => packet.tcp_flags |= tcp_flags::PSH,
        b"URG" => packet.tcp_flags |= tcp_flags::URG,
        _ if word.starts_with(b"FRAG:") => {
            packet.fragment = if word == b"FRAG:0" { Fragment::First } else { Fragment::Later };
        }
        _ => {}
    }
}

/// Reads pf's `rule,sub-rule,anchor,tracker,interface,reason,action,direction,version,…`: for IPv4
/// `tos,ecn,ttl,id,offset,flags,number,protocol,length,source,destination`, for IPv6
/// `class,flow,hops,protocol,number,length,source,destination`, then `source-port,destination-port,
/// payload,flags,sequence,acknowledgement,window` as far as the protocol has them.
pub(super) fn pf<'a>(dates: &mut Dates, envelope: &Envelope<'a>) -> Result<Line<'a>, LineError> {
    let error = |reason| LineError { reason, at_byte: 0 };
    let time = envelope.time.or_else(|| dates.latest()).ok_or(error("no date that can be read"))?;
    let mut columns = [&b""[..]; 32];
    for (column, text) in columns.iter_mut().zip(envelope.body.split(|&b| b == b',')) {
        *column = text;
    }
    let column = |at: usize| columns[at];
    let number = |at: usize| integer(column(at)).map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX));
    let short = |at: usize| number(at).min(0xFFFF) as u16;
    // Where the columns of each version lie: hops, protocol's number, length; addresses follow.
    let (hops, protocol, length) = match column(8) {
        b"4" => (11, 15, 17),
        b"6" => (11, 13, 14),
        _ => return Err(error("no IP version in its column")),
    };
    let mut packet = Packet::unknown(time);
    let addresses = (address(column(length + 1)), address(column(length + 2)));
    let (Some(source), Some(destination)) = addresses else { return Err(error("no addresses")) };
    (packet.source, packet.destination) = (source, destination);
    packet.ttl = number(hops).min(0xFF) as u8;
    packet.protocol = number(protocol).min(0xFF) as u8;
    packet.length_bytes = number(length);
    if matches!(packet.protocol, protocol::TCP | protocol::UDP) {
        (packet.source_port, packet.destination_port) = (short(length + 3), short(length + 4));
        packet.payload_bytes = number(length + 5);
    }
    if packet.protocol == protocol::TCP {
        packet.tcp_flags = column(length + 6).iter().fold(0, |flags, &letter| flags | pf_flag(letter));
        packet.tcp_window = short(length + 9);
    }
    Ok(Line::Observation(Observation::Packet(packet)))
}

fn pf_flag(letter: u8) -> u8 {
    match letter {
        b'S' => tcp_flags::SYN,
        b'A' => tcp_flags::ACK,
        b'F' => tcp_flags::FIN,
        b'R' => tcp_flags::RST,
        b'P' => tcp_flags::PSH,
        b'U' => tcp_flags::URG,
        _ => 0,
    }
}

/// A date among the words before the packet, as Proxmox writes one.
fn own_date(text: &[u8], dates: &mut Dates) -> Option<Timestamp> {
    if let Some(dated) = find_date(text) {
        return dates.clf(dated.date);
    }
    let mut cursor = Cursor::new(text);
    while !cursor.is_done() {
        let rest = cursor.rest();
        if looks_like_clf(rest) {
            return dates.clf(rest.get(..date::CLF_BYTES)?);
        }
        cursor.token();
    }
    None
}

/// Reads Traefik's `time="…" level=debug msg="Handling TCP connection from 198.51.100.7:1 to
/// 10.0.0.1:2"`. A UDP stream is told as one packet of the least size, since the log does not say
/// what it carried. Other messages of Traefik are chatter.
pub(super) fn traefik<'a>(dates: &mut Dates, text: &'a [u8]) -> Result<Line<'a>, LineError> {
    let mut cursor = Cursor::new(text);
    let stamp = if cursor.eat(b"time=\"") { cursor.until(b'"') } else { None };
    let time = stamp.and_then(date::iso).ok_or(LineError { reason: "no time=\"…\"", at_byte: 0 })?;
    if memmem::find(text, b"level=").is_none() {
        return Err(LineError { reason: "no level=", at_byte: 0 });
    }
    dates.saw(time);
    let handling = [(&b"Handling TCP connection from "[..], true), (b"Handling UDP stream from ", false)];
    let found =
        handling.iter().find_map(|(words, tcp)| Some((memmem::find(text, words)? + words.len(), *tcp)));
    let Some((at, tcp)) = found else { return Ok(Line::Nothing) };
    let mut cursor = Cursor::new(&text[at..]);
    let client = cursor.token().and_then(address_and_port);
    cursor.eat(b"to ");
    let server = cursor.token().and_then(|t| address_and_port(t.strip_suffix(b"\"").unwrap_or(t)));
    let (Some((client, client_port)), Some((server, server_port))) = (client, server) else {
        return Err(LineError { reason: "no addresses of the stream", at_byte: at });
    };
    if tcp {
        let (event, ja4) = (ConnectionEvent::Established, 0);
        let (client_bytes, server_bytes, duration_us, requests) = (0, 0, 0, 0);
        return Ok(Line::Observation(Observation::Connection(Connection {
            time,
            event,
            client,
            server,
            client_port,
            server_port,
            client_bytes,
            server_bytes,
            duration_us,
            requests,
            ja4,
        })));
    }
    let mut packet = Packet::unknown(time);
    (packet.source, packet.source_port) = (client, client_port);
    (packet.destination, packet.destination_port) = (server, server_port);
    (packet.protocol, packet.length_bytes) = (protocol::UDP, 28);
    Ok(Line::Observation(Observation::Packet(packet)))
}

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;

    type Read = for<'a> fn(&mut Dates, &Envelope<'a>) -> Result<Line<'a>, LineError>;

    fn packet_by(read: Read, year: i64, line: &str) -> Result<Packet<'_>, String> {
        let mut dates = Dates::in_year(year);
        let envelope = envelope::open(&mut dates, line.as_bytes());
        match read(&mut dates, &envelope) {
            Ok(Line::Observation(Observation::Packet(p))) => Ok(p),
            other => Err(format!("{other:?}")),
        }
    }

    fn packet_of(line: &str) -> Packet<'_> {
        packet_by(read, 2020, line).unwrap()
    }

    #[test]
    fn tcp_packets_with_every_field() {
        let p = packet_of(
            "Jun  8 14:34:33 gw kernel: [50028442.088484] IN=enp1s0 OUT= MAC=00:08 SRC=198.51.100.107 DST=192.0.2.67 LEN=44 TOS=0x00 PREC=0x00 TTL=245 ID=37308 DF PROTO=TCP SPT=8080 DPT=8123 WINDOW=1024 RES=0x00 SYN URGP=0",
        );
        assert_eq!(p.time.to_string(), "2020-06-08T14:34:33Z");
        assert_eq!(
            (p.source.to_string(), p.destination.to_string()),
            ("198.51.100.107".into(), "192.0.2.67".into())
        );
        assert_eq!((p.protocol, p.source_port, p.destination_port), (protocol::TCP, 8080, 8123));
        assert_eq!((p.length_bytes, p.payload_bytes, p.ttl), (44, 4, 245));
        assert_eq!((p.tcp_flags, p.tcp_window, p.fragment), (tcp_flags::SYN, 1024, Fragment::Whole));
    }

    #[test]
    fn udp_and_icmp_packets() {
        let p = packet_of(
            "0 3 PVEFW-HOST-IN 20/Jun/2022:13:09:14 +0200 policy DROP: IN=vmbr0 SRC=10.3.94.11 DST=10.3.94.12 LEN=52 TTL=255 PROTO=UDP SPT=49152 DPT=3784 LEN=32",
        );
        assert_eq!(p.time.to_string(), "2022-06-20T11:09:14Z");
        assert_eq!((p.protocol, p.length_bytes, p.payload_bytes), (protocol::UDP, 52, 24));
        let p = packet_of(
            "Jun  8 14:34:33 gw kernel: SRC=1.1.1.1 DST=2.2.2.2 LEN=84 TTL=64 FRAG:185 PROTO=ICMP TYPE=8 CODE=0",
        );
        assert_eq!(
            (p.protocol, p.icmp_type, p.icmp_code, p.fragment),
            (protocol::ICMP, 8, 0, Fragment::Later)
        );
    }

    #[test]
    fn packets_of_pf() {
        let of = |line| packet_by(pf, 2021, line);
        let p = of("Sep 30 14:35:50 gw filterlog: 53,,,1000102631,em0,match,block,in,4,0x0,,64,892,0,none,6,tcp,44,198.51.100.2,192.0.2.15,59576,22,4,SA,17536001,,65535,,mss").unwrap();
        assert_eq!(p.time.to_string(), "2021-09-30T14:35:50Z");
        assert_eq!(
            (p.source.to_string(), p.destination.to_string()),
            ("198.51.100.2".into(), "192.0.2.15".into())
        );
        assert_eq!((p.protocol, p.source_port, p.destination_port), (protocol::TCP, 59576, 22));
        assert_eq!((p.ttl, p.length_bytes, p.payload_bytes), (64, 44, 4));
        assert_eq!((p.tcp_flags, p.tcp_window), (tcp_flags::SYN | tcp_flags::ACK, 65535));
        let p = of("<134>1 2021-09-30T14:35:50Z fw filterlog 1 - - 5,,,0,em0,match,pass,out,6,0x00,0x0,255,UDP,17,90,2001:db8::1,2001:db8::2,5353,53,82").unwrap();
        assert_eq!((p.source.to_string(), p.protocol, p.ttl), ("2001:db8::1".into(), protocol::UDP, 255));
        assert_eq!((p.source_port, p.destination_port, p.payload_bytes), (5353, 53, 82));
        assert!(of("Sep 30 14:35:50 gw filterlog: 53,,,1,em0,match,block,in,4,0x0").is_err());
    }

    #[test]
    fn traefik_tells_of_streams() {
        let of = |msg: &str| {
            let line = format!(r#"time="2024-01-15T18:43:09Z" level=debug msg="{msg}""#);
            match traefik(&mut Dates::default(), line.as_bytes()).unwrap() {
                Line::Observation(Observation::Connection(c)) => {
                    format!("{:?} {}:{} {}:{}", c.event, c.client, c.client_port, c.server, c.server_port)
                }
                Line::Observation(Observation::Packet(p)) => {
                    format!(
                        "{} {}:{} {}:{}",
                        p.protocol, p.source, p.source_port, p.destination, p.destination_port
                    )
                }
                other => format!("{other:?}"),
            }
        };
        assert_eq!(
            of("Handling TCP connection from 198.51.100.7:35501 to 10.0.0.3:21116"),
            "Established 198.51.100.7:35501 10.0.0.3:21116"
        );
        assert_eq!(
            of("Handling UDP stream from 198.51.100.7:34871 to 10.0.0.3:21116"),
            "17 198.51.100.7:34871 10.0.0.3:21116"
        );
        assert_eq!(of("Configuration loaded"), "Nothing");
    }
}
