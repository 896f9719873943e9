//! What can be wrong with a frame, by name.

/// Why a frame is no packet, or what was wrong with the packet in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// The capture's link type is not known.
    UnknownLink,
    /// The frame ends before its link header does.
    LinkTruncated,
    Arp,
    /// A frame for switches and routers (spanning tree, LLDP, IS-IS), or another protocol.
    NotIp,
    /// Not version 4 where IPv4 was announced, or not 6 where IPv6 was.
    IpVersion,
    /// The capture ends before the IP header does.
    IpTruncated,
    /// The IP header claims to be shorter than any or longer than the packet.
    IpHeaderLength,
    /// The IP packet claims more bytes than the frame held, or fewer than its header.
    IpLength,
    /// IPv6 extension headers that do not end.
    ExtensionHeaders,
    /// The capture or the packet ends before the transport header does.
    TransportTruncated,
    /// The TCP data offset is below 5 or points past the packet.
    TcpOffset,
    /// The UDP length is below 8 or exceeds the packet.
    UdpLength,
}

impl Oddity {
    /// All of them, in order of declaration.
    pub const ALL: [Self; 12] = [
        Self::UnknownLink,
        Self::LinkTruncated,
        Self::Arp,
        Self::NotIp,
        Self::IpVersion,
        Self::IpTruncated,
        Self::IpHeaderLength,
        Self::IpLength,
        Self::ExtensionHeaders,
        Self::TransportTruncated,
        Self::TcpOffset,
        Self::UdpLength,
    ];

    /// The name under which it is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownLink => "unknown-link-type",
            Self::LinkTruncated => "link-header-truncated",
            Self::Arp => "arp",
            Self::NotIp => "not-ip",
            Self::IpVersion => "ip-version",
            Self::IpTruncated => "ip-header-truncated",
            Self::IpHeaderLength => "ip-header-length",
            Self::IpLength => "ip-length",
            Self::ExtensionHeaders => "ip-extension-headers",
            Self::TransportTruncated => "transport-header-truncated",
            Self::TcpOffset => "tcp-offset",
            Self::UdpLength => "udp-length",
        }
    }
}
