//! Observations: one thing that a sensor saw. Text is borrowed from the sensor's buffer, so
//! that counting a request costs no allocation; what must outlive the buffer becomes a
//! [`crate::record`].

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// One thing that a sensor saw.
#[allow(
    clippy::large_enum_variant,
    reason = "lives on the stack of one call; boxing would allocate per request"
)]
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    Packet(Packet<'a>),
    Connection(Connection),
    Request(Request<'a>),
    Dns(Dns<'a>),
    Backend(BackendEvent<'a>),
    Login(Login<'a>),
}

impl Observation<'_> {
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Packet(p) => p.time,
            Self::Connection(c) => c.time,
            Self::Request(r) => r.time,
            Self::Dns(d) => d.time,
            Self::Backend(b) => b.time,
            Self::Login(l) => l.time,
        }
    }
}

/// Whether something was there. Most logs do not say, which is not the same as "absent".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    #[default]
    Unknown,
    Absent,
    Present,
}

/// HTTP request method (RFC 9110 section 9, and the methods that attacks like).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Connect,
    Trace,
    Propfind,
    Other,
}

impl Method {
    #[must_use]
    pub fn parse(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"CONNECT" => Self::Connect,
            b"TRACE" => Self::Trace,
            b"PROPFIND" => Self::Propfind,
            _ => Self::Other,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Propfind => "PROPFIND",
            Self::Other => "(other)",
        }
    }
}

/// HTTP version of a request as the client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpVersion {
    #[default]
    Unknown,
    Http09,
    Http10,
    Http11,
    Http2,
    Http3,
    /// Named, but no version that exists.
    Invalid,
}

impl HttpVersion {
    #[must_use]
    pub fn parse(token: &[u8]) -> Self {
        match token {
            b"HTTP/1.1" => Self::Http11,
            b"HTTP/1.0" => Self::Http10,
            b"HTTP/2.0" | b"HTTP/2" | b"h2" | b"H2" => Self::Http2,
            b"HTTP/3.0" | b"HTTP/3" | b"h3" => Self::Http3,
            b"HTTP/0.9" => Self::Http09,
            b"" | b"-" => Self::Unknown,
            _ => Self::Invalid,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "(unknown)",
            Self::Http09 => "HTTP/0.9",
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
            Self::Invalid => "(invalid)",
        }
    }
}

/// How a session ended, by a proxy's own account (HAProxy's termination state, nginx 499, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ending {
    #[default]
    Normal,
    /// The client went away before the answer was complete.
    ClientAborted,
    /// The client took too long to send its request (`cR`, `408`).
    ClientTimedOut,
    /// The client sent something that is no request (`PR` with 400).
    ClientInvalid,
    /// The proxy refused by rule or limit (`PR` with 403 or 429).
    Denied,
    /// The upstream refused or broke the connection (`SC`, `SH`, `SD`).
    UpstreamFailed,
    /// The proxy refused what the upstream answered (`PH`, `PD`).
    AnswerRefused,
    /// The upstream took too long (`sC`, `sH`, `sD`).
    UpstreamTimedOut,
    /// The request waited in the proxy's queue until its time was up (`sQ`).
    QueueTimedOut,
    /// No upstream was available at all (`SC` with `<NOSRV>`, "no live upstreams").
    NoUpstream,
    /// The TLS handshake failed.
    TlsFailed,
}

/// What a cache in front did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheResult {
    #[default]
    Unknown,
    Hit,
    Miss,
    Bypass,
}

/// One HTTP request with its answer. Empty text means "not given"; `-` in logs becomes empty.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// When the request began, where the log says so or its duration allows it; else when logged.
    pub time: Timestamp,
    /// The client, behind any proxy that is known to be ours or a CDN's.
    pub client: IpAddr,
    /// The client's name where the log has a name instead of an address.
    pub client_name: &'a [u8],
    /// The other end of the connection, if it is not the client (a proxy or CDN).
    pub peer: Option<IpAddr>,
    pub method: Method,
    pub host: &'a [u8],
    /// Path without the query, as sent (percent-encoded).
    pub path: &'a [u8],
    /// Text after `?`, without it. `None`: no question mark.
    pub query: Option<&'a [u8]>,
    pub version: HttpVersion,
    /// 0: none sent or none logged.
    pub status: u16,
    pub response_bytes: u64,
    pub request_bytes: Option<u64>,
    /// From first byte of the request to last byte of the answer.
    pub duration_us: Option<u64>,
    /// Time to the first byte from the upstream (or in all, where only that is logged).
    pub upstream_us: Option<u64>,
    /// Time spent waiting in the proxy's queue.
    pub queue_us: Option<u64>,
    /// Connections open at the proxy when this was logged.
    pub open_connections: Option<u32>,
    pub user_agent: &'a [u8],
    pub referrer: &'a [u8],
    pub user: &'a [u8],
    pub cookie: Presence,
    pub accept_language: Presence,
    /// Hash of the names of the headers in order, cookies left out; 0: not known.
    pub header_order: u64,
    /// JA4 fingerprint of the TLS client; empty: not known.
    pub ja4: &'a [u8],
    /// The upstream (backend, pool) and server that answered.
    pub backend: &'a [u8],
    pub server: &'a [u8],
    pub ending: Ending,
    pub cache: CacheResult,
    /// The line or stream could not be read as a request, yet shows that a client sent something.
    pub malformed: bool,
}

impl Request<'_> {
    /// Until the service's answer was there, in microseconds: the wait for a server included.
    #[must_use]
    pub fn answered_us(&self) -> Option<u64> {
        self.upstream_us.map(|us| us.saturating_add(self.queue_us.unwrap_or(0)))
    }

    /// A request of which nothing is known but time and client.
    #[must_use]
    pub fn new(time: Timestamp, client: IpAddr) -> Self {
        Self {
            time,
            client,
            client_name: b"",
            peer: None,
            method: Method::Get,
            host: b"",
            path: b"",
            query: None,
            version: HttpVersion::Unknown,
            status: 0,
            response_bytes: 0,
            request_bytes: None,
            duration_us: None,
            upstream_us: None,
            queue_us: None,
            open_connections: None,
            user_agent: b"",
            referrer: b"",
            user: b"",
            cookie: Presence::Unknown,
            accept_language: Presence::Unknown,
            header_order: 0,
            ja4: b"",
            backend: b"",
            server: b"",
            ending: Ending::Normal,
            cache: CacheResult::Unknown,
            malformed: false,
        }
    }
}

/// Fragmentation of an IP packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fragment {
    #[default]
    Whole,
    First,
    /// Not the first: carries no transport header, so ports are 0.
    Later,
}

/// TCP flags as on the wire (RFC 9293 section 3.1): FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
pub mod tcp_flags {
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const PSH: u8 = 8;
    pub const ACK: u8 = 16;
    pub const URG: u8 = 32;
}

/// IP protocol numbers (IANA).
pub mod protocol {
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const GRE: u8 = 47;
    pub const ICMPV6: u8 = 58;
}

/// What the flow table knows of the flow when the packet passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowState {
    /// No flow table was consulted.
    #[default]
    Unknown,
    /// First packet of this flow, in either direction.
    New,
    /// Packets were seen, but only from this side so far.
    OneWay,
    /// Both sides have spoken, and the other side spoke first: this side answers.
    Answering,
    /// Both sides have spoken, and this side spoke first.
    Asking,
}

/// One IP packet, outermost tunnels removed.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub time: Timestamp,
    pub source: IpAddr,
    pub destination: IpAddr,
    /// IP protocol number, after extension headers.
    pub protocol: u8,
    /// 0 where the protocol has none, or in later fragments. ICMP: type and code below.
    pub source_port: u16,
    pub destination_port: u16,
    /// Length of the IP packet on the wire.
    pub length_bytes: u32,
    /// Time to live or hop limit.
    pub ttl: u8,
    pub fragment: Fragment,
    /// [`tcp_flags`]; 0 for other protocols.
    pub tcp_flags: u8,
    pub tcp_window: u16,
    /// Hash of the kinds of TCP options in order; 0: none.
    pub tcp_options: u64,
    pub icmp_type: u8,
    pub icmp_code: u8,
    /// Transport payload as captured (may be cut short by the snap length).
    pub payload: &'a [u8],
    /// Transport payload length on the wire.
    pub payload_bytes: u32,
    pub flow: FlowState,
    /// A TCP segment that carries bytes which its sender had sent before, or an opening that was
    /// sent again for want of an answer.
    pub repeats: bool,
    /// How many packets stand for this one (1 unless sampled).
    pub sampling: u32,
}

impl Packet<'_> {
    /// The packet but for its payload, bound to no buffer.
    #[inline]
    #[must_use]
    pub fn without_payload(&self) -> Packet<'static> {
        Packet {
            time: self.time,
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            source_port: self.source_port,
            destination_port: self.destination_port,
            length_bytes: self.length_bytes,
            ttl: self.ttl,
            fragment: self.fragment,
            tcp_flags: self.tcp_flags,
            tcp_window: self.tcp_window,
            tcp_options: self.tcp_options,
            icmp_type: self.icmp_type,
            icmp_code: self.icmp_code,
            payload: b"",
            payload_bytes: self.payload_bytes,
            flow: self.flow,
            repeats: self.repeats,
            sampling: self.sampling,
        }
    }

    /// A packet of which nothing is known but when it was seen.
    #[must_use]
    pub fn unknown(time: Timestamp) -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            time,
            source: nowhere,
            destination: nowhere,
            protocol: 0,
            source_port: 0,
            destination_port: 0,
            length_bytes: 0,
            ttl: 0,
            fragment: Fragment::Whole,
            tcp_flags: 0,
            tcp_window: 0,
            tcp_options: 0,
            icmp_type: 0,
            icmp_code: 0,
            payload: b"",
            payload_bytes: 0,
            flow: FlowState::Unknown,
            repeats: false,
            sampling: 1,
        }
    }
}

/// What happened to a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConnectionEvent {
    /// A SYN was seen and no completion within the handshake deadline.
    HalfOpenExpired,
    /// The three-way handshake completed.
    Established,
    /// The opener got a reset or an ICMP error instead of an answer.
    Refused,
    /// An established connection ended.
    Closed,
    /// Established, but its first request (or TLS hello) is still incomplete after 5 seconds.
    SlowRequest,
    /// The peer has answered, and the client takes the answer at a trickle (zero or tiny windows).
    SlowRead,
    /// Established for 10 seconds with nothing sent by the client.
    Idle,
    /// The client sent a TLS ClientHello.
    TlsHello,
    /// The connection ended after the ClientHello without application data.
    TlsAbandoned,
    /// A client reset an HTTP/2 stream soon after opening it, or flooded control frames
    /// (only where the stream is not encrypted or the sensor terminates TLS).
    Http2Abuse,
    /// The server's side reset the connection when it was its turn to speak.
    Reset,
    /// The client ended the TLS handshake because it does not accept our certificate.
    CertificateRefused,
}

/// An event of a TCP connection, with what is known of it by then.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub time: Timestamp,
    pub event: ConnectionEvent,
    /// The side that opened it.
    pub client: IpAddr,
    pub server: IpAddr,
    pub client_port: u16,
    pub server_port: u16,
    pub client_bytes: u64,
    pub server_bytes: u64,
    pub duration_us: u64,
    /// Requests seen on it, where the protocol could be read.
    pub requests: u32,
    /// Hash of the JA4 fingerprint; 0: none.
    pub ja4: u64,
}

/// One DNS message (RFC 1035), from packets, a query log or dnstap.
#[derive(Clone, Copy, Debug)]
pub struct Dns<'a> {
    pub time: Timestamp,
    /// The side that asks.
    pub client: IpAddr,
    pub server: IpAddr,
    pub client_port: u16,
    pub is_response: bool,
    pub over_tcp: bool,
    /// Question name in presentation form, lower case, no final dot; empty for the root or none.
    pub name: &'a [u8],
    /// Question type (IANA number); 255 is ANY.
    pub query_type: u16,
    pub opcode: u8,
    /// Response code; only meaningful in responses.
    pub response_code: u8,
    pub authoritative: bool,
    pub truncated: bool,
    pub recursion_desired: bool,
    /// Records in answer, authority and additional together.
    pub records: u16,
    /// Message length.
    pub message_bytes: u32,
    /// A response for which no query was seen, although the flow table would have seen it.
    pub unsolicited: bool,
    /// From query to response, where both were seen.
    pub response_us: Option<u64>,
    /// The message could not be decoded in full.
    pub malformed: bool,
}

/// What happened behind a balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackendEventKind {
    ServerDown,
    ServerUp,
    /// A pool has no server left.
    PoolEmpty,
    Reload,
    /// Refused or failed to connect to an upstream, from an error log.
    ConnectFailed,
    UpstreamTimedOut,
    /// The server says it is out of connections, workers or memory.
    Exhausted,
    /// A server was taken out because it accepts connections and does not answer in time.
    ServerSlow,
    /// A name server cannot serve or trust a zone: it has expired, its signatures have, or it is
    /// delegated to servers that do not know it.
    ZoneBroken,
    /// What the service needs beside itself was looked at, and does not answer as it used to.
    CheckFailed,
}

/// A line in which a proxy speaks of its own back ends.
#[derive(Clone, Copy, Debug)]
pub struct BackendEvent<'a> {
    pub time: Timestamp,
    pub kind: BackendEventKind,
    pub backend: &'a [u8],
    pub server: &'a [u8],
    /// The line's own words, for the timeline.
    pub text: &'a [u8],
}

/// An attempt to log in to something that is not told by an HTTP request (SSH, FTP, mail, an
/// error log that names a failed user).
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    pub time: Timestamp,
    pub client: IpAddr,
    pub succeeded: bool,
    /// It was neither let in nor refused, but asked to prove itself, as the first step of anybody.
    pub challenged: bool,
    /// `ssh`, `ftp`, `imap`, `http-basic`, …
    pub service: &'static str,
    pub user: &'a [u8],
}
