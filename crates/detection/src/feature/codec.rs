//! Records as bytes in a sample's buffer. Written from borrowed observations without allocation,
//! read back as owned records.

use seawall_model::Timestamp;
use seawall_model::observation::{Dns, FlowState, Fragment, HttpVersion, Method, Packet, Presence, Request};
use seawall_model::record::{DnsRecord, PAYLOAD_PREFIX_BYTES, PacketRecord, RequestRecord, TEXT_LIMIT_BYTES};
use std::net::IpAddr;

const METHODS: [Method; 11] = [
    Method::Get,
    Method::Head,
    Method::Post,
    Method::Put,
    Method::Delete,
    Method::Options,
    Method::Patch,
    Method::Connect,
    Method::Trace,
    Method::Propfind,
    Method::Other,
];
const VERSIONS: [HttpVersion; 7] = [
    HttpVersion::Unknown,
    HttpVersion::Http09,
    HttpVersion::Http10,
    HttpVersion::Http11,
    HttpVersion::Http2,
    HttpVersion::Http3,
    HttpVersion::Invalid,
];
const PRESENCES: [Presence; 3] = [Presence::Unknown, Presence::Absent, Presence::Present];
const FRAGMENTS: [Fragment; 3] = [Fragment::Whole, Fragment::First, Fragment::Later];

pub fn encode_request(r: &Request<'_>, out: &mut Vec<u8>) {
    put_i64(out, r.time.0);
    put_address(out, r.client);
    out.extend_from_slice(&[r.method as u8, r.version as u8, r.cookie as u8, r.accept_language as u8]);
    out.extend_from_slice(&r.status.to_le_bytes());
    put_u64(out, r.response_bytes);
    put_u64(out, r.duration_us.or(r.upstream_us).map_or(0, |d| d.saturating_add(1)));
    put_u64(out, r.answered_us().map_or(0, |d| d.saturating_add(1)));
    put_u64(out, r.header_order);
    put_text(out, r.client_name);
    put_text(out, r.host);
    put_text(out, r.path);
    out.push(u8::from(r.query.is_some()));
    put_text(out, r.query.unwrap_or(b""));
    put_text(out, r.user_agent);
    put_text(out, r.referrer);
    put_text(out, r.ja4);
    put_text(out, r.server);
}

/// Reads what [`encode_request`] wrote; `None` if the bytes are anything else.
pub fn decode_request(bytes: &[u8]) -> Option<RequestRecord> {
    let mut input = Input(bytes);
    let time = Timestamp(input.i64()?);
    let client = input.address()?;
    let [method, version, cookie, accept_language] = input.array()?;
    let status = u16::from_le_bytes(input.array()?);
    let response_bytes = input.u64()?;
    let duration = input.u64()?;
    let upstream = input.u64()?;
    let header_order = input.u64()?;
    let client_name = input.text()?;
    let host = input.text()?;
    let path = input.text()?;
    let [has_query] = input.array()?;
    let query = input.text()?;
    Some(RequestRecord {
        time,
        client,
        client_name,
        method: *METHODS.get(usize::from(method))?,
        host,
        path,
        query: (has_query == 1).then_some(query),
        version: *VERSIONS.get(usize::from(version))?,
        status,
        response_bytes,
        duration_us: duration.checked_sub(1),
        upstream_us: upstream.checked_sub(1),
        user_agent: input.text()?,
        referrer: input.text()?,
        cookie: *PRESENCES.get(usize::from(cookie))?,
        accept_language: *PRESENCES.get(usize::from(accept_language))?,
        header_order,
        ja4: input.text()?,
        server: input.text()?,
    })
}

/// Bytes of a packet's fixed fields, which follow its addresses.
const PACKET_FIXED_BYTES: usize = 6 + 7 + 8 + 8 + PAYLOAD_PREFIX_BYTES;

pub fn encode_packet(p: &Packet<'_>, out: &mut Vec<u8>) {
    let two_way = matches!(p.flow, FlowState::Answering | FlowState::Asking);
    let kept = p.payload.len().min(PAYLOAD_PREFIX_BYTES);
    let mut fixed = [0; PACKET_FIXED_BYTES];
    fixed[0..2].copy_from_slice(&p.source_port.to_le_bytes());
    fixed[2..4].copy_from_slice(&p.destination_port.to_le_bytes());
    fixed[4..6].copy_from_slice(&p.tcp_window.to_le_bytes());
    fixed[6..13].copy_from_slice(&[
        p.protocol,
        p.ttl,
        p.fragment as u8,
        p.tcp_flags,
        p.icmp_type,
        u8::from(two_way),
        kept as u8,
    ]);
    fixed[13..21].copy_from_slice(&u64::from(p.length_bytes).to_le_bytes());
    fixed[21..29].copy_from_slice(&p.tcp_options.to_le_bytes());
    fixed[29..29 + kept].copy_from_slice(&p.payload[..kept]);
    match (p.source, p.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            // Floods are made of these: one copy of known size.
            const HEAD_BYTES: usize = 8 + 5 + 5;
            let mut whole = [0; HEAD_BYTES + PACKET_FIXED_BYTES];
            whole[0..8].copy_from_slice(&p.time.0.to_le_bytes());
            whole[8] = 4;
            whole[9..13].copy_from_slice(&source.octets());
            whole[13] = 4;
            whole[14..18].copy_from_slice(&destination.octets());
            whole[HEAD_BYTES..].copy_from_slice(&fixed);
            out.extend_from_slice(&whole);
        }
        (source, destination) => {
            put_i64(out, p.time.0);
            put_address(out, source);
            put_address(out, destination);
            out.extend_from_slice(&fixed);
        }
    }
}

/// Reads what [`encode_packet`] wrote; `None` if the bytes are anything else.
pub fn decode_packet(bytes: &[u8]) -> Option<PacketRecord> {
    let mut input = Input(bytes);
    let time = Timestamp(input.i64()?);
    let source = input.address()?;
    let destination = input.address()?;
    let source_port = u16::from_le_bytes(input.array()?);
    let destination_port = u16::from_le_bytes(input.array()?);
    let tcp_window = u16::from_le_bytes(input.array()?);
    let [protocol, ttl, fragment, tcp_flags, icmp_type, two_way, kept] = input.array()?;
    Some(PacketRecord {
        time,
        source,
        destination,
        protocol,
        source_port,
        destination_port,
        length_bytes: input.u64()?.try_into().ok()?,
        ttl,
        fragment: *FRAGMENTS.get(usize::from(fragment))?,
        tcp_flags,
        tcp_window,
        tcp_options: input.u64()?,
        icmp_type,
        payload_prefix: (input.array()?, kept),
        two_way: two_way == 1,
    })
}

pub fn encode_dns(d: &Dns<'_>, out: &mut Vec<u8>) {
    put_i64(out, d.time.0);
    put_address(out, d.client);
    out.extend_from_slice(&[u8::from(d.is_response), d.response_code, u8::from(d.recursion_desired)]);
    out.extend_from_slice(&d.query_type.to_le_bytes());
    put_u64(out, u64::from(d.message_bytes));
    put_text(out, d.name);
}

/// Reads what [`encode_dns`] wrote; `None` if the bytes are anything else.
pub fn decode_dns(bytes: &[u8]) -> Option<DnsRecord> {
    let mut input = Input(bytes);
    let time = Timestamp(input.i64()?);
    let client = input.address()?;
    let [is_response, response_code, recursion_desired] = input.array()?;
    let query_type = u16::from_le_bytes(input.array()?);
    Some(DnsRecord {
        time,
        client,
        is_response: is_response == 1,
        query_type,
        response_code,
        recursion_desired: recursion_desired == 1,
        message_bytes: input.u64()?.try_into().ok()?,
        name: input.text()?,
    })
}

fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(16);
            out.extend_from_slice(&v6.octets());
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let cut = &text[..text.len().min(TEXT_LIMIT_BYTES)];
    out.extend_from_slice(&(cut.len() as u16).to_le_bytes());
    out.extend_from_slice(cut);
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn address(&mut self) -> Option<IpAddr> {
        match self.array::<1>()? {
            [4] => self.array::<4>().map(IpAddr::from),
            [16] => self.array::<16>().map(IpAddr::from),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        // Nearly all text is ASCII, which is checked many bytes at a time.
        Some(match std::str::from_utf8(head) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(head).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<'static> {
        Request {
            path: b"/a",
            query: Some(b"q=1"),
            user_agent: b"agent",
            duration_us: Some(0),
            status: 200,
            version: HttpVersion::Http2,
            ..Request::new(Timestamp(7), IpAddr::from([192, 0, 2, 1]))
        }
    }

    #[test]
    fn records_survive_the_round_trip() {
        let mut bytes = Vec::new();
        encode_request(&request(), &mut bytes);
        assert_eq!(decode_request(&bytes), Some(RequestRecord::from(&request())));
    }

    #[test]
    fn packets_survive_the_round_trip_in_both_address_families() {
        let ends: [(IpAddr, IpAddr); 3] = [
            (IpAddr::from([192, 0, 2, 1]), IpAddr::from([198, 51, 100, 7])),
            (IpAddr::from([1; 16]), IpAddr::from([2; 16])),
            (IpAddr::from([192, 0, 2, 1]), IpAddr::from([2; 16])),
        ];
        for (source, destination) in ends {
            for payload in [&b""[..], b"short", b"longer than what is kept of it"] {
                let packet = Packet {
                    time: Timestamp(7),
                    source,
                    destination,
                    protocol: 6,
                    source_port: 50_000,
                    destination_port: 443,
                    length_bytes: 1_500,
                    ttl: 63,
                    fragment: Fragment::First,
                    tcp_flags: 0x12,
                    tcp_window: 512,
                    tcp_options: 7 << 50,
                    icmp_type: 3,
                    icmp_code: 1,
                    payload,
                    payload_bytes: 1_400,
                    flow: FlowState::Asking,
                    repeats: false,
                    sampling: 1,
                };
                let mut bytes = Vec::new();
                encode_packet(&packet, &mut bytes);
                assert_eq!(decode_packet(&bytes), Some(PacketRecord::from(&packet)));
            }
        }
    }

    #[test]
    fn cut_and_foreign_bytes_are_refused() {
        let mut bytes = Vec::new();
        encode_request(&request(), &mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(decode_request(&bytes[..cut]), None);
            decode_packet(&bytes[..cut]);
            decode_dns(&bytes[..cut]);
        }
    }
}
