//! Records: sampled observations that outlive the sensor's buffer. Signatures are mined from
//! them, and reports quote them.

use crate::Timestamp;
use crate::observation::{
    Dns, Fragment, HttpVersion, Method, Packet, Presence, Request, protocol, tcp_flags,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Bytes of payload that a packet record keeps.
pub const PAYLOAD_PREFIX_BYTES: usize = 16;
/// Bytes of any one text that a record keeps; longer text is cut.
pub const TEXT_LIMIT_BYTES: usize = 512;

/// A sampled HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    pub time: Timestamp,
    pub client: IpAddr,
    pub client_name: String,
    pub method: Method,
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    pub version: HttpVersion,
    pub status: u16,
    pub response_bytes: u64,
    pub duration_us: Option<u64>,
    /// Of that, until the service's answer was there, where the log tells.
    pub upstream_us: Option<u64>,
    pub user_agent: String,
    pub referrer: String,
    pub cookie: Presence,
    pub accept_language: Presence,
    pub header_order: u64,
    pub ja4: String,
    pub server: String,
}

impl From<&Request<'_>> for RequestRecord {
    fn from(r: &Request<'_>) -> Self {
        Self {
            time: r.time,
            client: r.client,
            client_name: text(r.client_name),
            method: r.method,
            host: text(r.host),
            path: text(r.path),
            query: r.query.map(text),
            version: r.version,
            status: r.status,
            response_bytes: r.response_bytes,
            duration_us: r.duration_us.or(r.upstream_us),
            upstream_us: r.answered_us(),
            user_agent: text(r.user_agent),
            referrer: text(r.referrer),
            cookie: r.cookie,
            accept_language: r.accept_language,
            header_order: r.header_order,
            ja4: text(r.ja4),
            server: text(r.server),
        }
    }
}

impl RequestRecord {
    /// The request again, as far as a record keeps it.
    #[must_use]
    pub fn as_request(&self) -> Request<'_> {
        Request {
            client_name: self.client_name.as_bytes(),
            method: self.method,
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            query: self.query.as_ref().map(String::as_bytes),
            version: self.version,
            status: self.status,
            response_bytes: self.response_bytes,
            duration_us: self.duration_us,
            user_agent: self.user_agent.as_bytes(),
            referrer: self.referrer.as_bytes(),
            cookie: self.cookie,
            accept_language: self.accept_language,
            header_order: self.header_order,
            ja4: self.ja4.as_bytes(),
            server: self.server.as_bytes(),
            ..Request::new(self.time, self.client)
        }
    }
}

/// A sampled packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketRecord {
    pub time: Timestamp,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub source_port: u16,
    pub destination_port: u16,
    pub length_bytes: u32,
    pub ttl: u8,
    pub fragment: Fragment,
    pub tcp_flags: u8,
    pub tcp_window: u16,
    pub tcp_options: u64,
    pub icmp_type: u8,
    /// First bytes of the payload; shorter where the payload is.
    pub payload_prefix: ([u8; PAYLOAD_PREFIX_BYTES], u8),
    /// Whether both sides of the packet's flow had spoken.
    pub two_way: bool,
}

impl PacketRecord {
    /// The first bytes of the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload_prefix.0[..usize::from(self.payload_prefix.1).min(PAYLOAD_PREFIX_BYTES)]
    }

    /// Whether it asks for a TCP connection.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.says(tcp_flags::SYN)
    }

    /// Whether it accepts a TCP connection.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.says(tcp_flags::SYN | tcp_flags::ACK)
    }

    /// Whether it is TCP with these of SYN and ACK.
    fn says(&self, flags: u8) -> bool {
        self.protocol == protocol::TCP && self.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) == flags
    }
}

impl From<&Packet<'_>> for PacketRecord {
    fn from(p: &Packet<'_>) -> Self {
        let mut prefix = [0; PAYLOAD_PREFIX_BYTES];
        let n = p.payload.len().min(PAYLOAD_PREFIX_BYTES);
        prefix[..n].copy_from_slice(&p.payload[..n]);
        Self {
            time: p.time,
            source: p.source,
            destination: p.destination,
            protocol: p.protocol,
            source_port: p.source_port,
            destination_port: p.destination_port,
            length_bytes: p.length_bytes,
            ttl: p.ttl,
            fragment: p.fragment,
            tcp_flags: p.tcp_flags,
            tcp_window: p.tcp_window,
            tcp_options: p.tcp_options,
            icmp_type: p.icmp_type,
            payload_prefix: (prefix, n as u8),
            two_way: matches!(
                p.flow,
                crate::observation::FlowState::Answering | crate::observation::FlowState::Asking
            ),
        }
    }
}

/// A sampled DNS message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsRecord {
    pub time: Timestamp,
    pub client: IpAddr,
    pub is_response: bool,
    pub name: String,
    pub query_type: u16,
    pub response_code: u8,
    pub recursion_desired: bool,
    pub message_bytes: u32,
}

impl From<&Dns<'_>> for DnsRecord {
    fn from(d: &Dns<'_>) -> Self {
        Self {
            time: d.time,
            client: d.client,
            is_response: d.is_response,
            name: text(d.name),
            query_type: d.query_type,
            response_code: d.response_code,
            recursion_desired: d.recursion_desired,
            message_bytes: d.message_bytes,
        }
    }
}

/// Text as kept: cut to [`TEXT_LIMIT_BYTES`], bytes that are not UTF-8 replaced.
fn text(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(TEXT_LIMIT_BYTES)];
    String::from_utf8_lossy(cut).into_owned()
}
