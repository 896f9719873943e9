//! Signatures: what unwanted traffic has in common, as a conjunction of attribute tests.

use crate::address::Prefix;
use crate::observation::{Fragment, HttpVersion, Method, Presence};
use crate::record::{DnsRecord, PAYLOAD_PREFIX_BYTES, PacketRecord, RequestRecord};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One attribute test. Ranges are inclusive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "attribute", content = "value")]
pub enum Test {
    // who
    Source(Prefix),
    SourceCountry(String),
    SourceNetworkNumber(u32),
    // packets
    Destination(Prefix),
    Protocol(u8),
    SourcePort {
        low: u16,
        high: u16,
    },
    DestinationPort {
        low: u16,
        high: u16,
    },
    LengthBytes {
        low: u32,
        high: u32,
    },
    Ttl {
        low: u8,
        high: u8,
    },
    TcpFlags(u8),
    TcpWindow(u16),
    /// Hash of the option kinds in order.
    TcpOptions(#[serde(with = "hash_text")] u64),
    Fragment(Fragment),
    IcmpType(u8),
    /// Bytes at the start of the transport payload in hexadecimal digits, `??` for one that may be
    /// any: see [`payload_bytes`].
    PayloadPrefix(String),
    // HTTP
    Method(Method),
    Host(String),
    Path(String),
    /// Path with the varying segments as `*`: `/item/*`.
    PathTemplate(String),
    /// Names of the query's parameters in order, `?` for a bare random word, empty for none.
    QueryShape(String),
    UserAgent(String),
    /// Text before the second `/` of the referrer's path, i.e. its origin; empty: none sent.
    ReferrerOrigin(String),
    HttpVersion(HttpVersion),
    Cookie(Presence),
    AcceptLanguage(Presence),
    HeaderOrder(#[serde(with = "hash_text")] u64),
    Ja4(String),
    Status(u16),
    // DNS
    DnsSuffix(String),
    DnsType(u16),
    DnsRecursionDesired(bool),
}

/// A sampled observation of any kind, as signatures see it.
#[derive(Clone, Copy, Debug)]
pub enum RecordRef<'a> {
    Request(&'a RequestRecord),
    Packet(&'a PacketRecord),
    Dns(&'a DnsRecord),
}

/// What kind of observation a signature tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    Packet,
    Http,
    Dns,
}

/// A share with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareEstimate {
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// A conjunction of tests that picks out unwanted traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    pub layer: Layer,
    /// Sorted, never empty.
    pub tests: Vec<Test>,
    /// Share of the unwanted traffic that it matches and no signature before it: the shares of
    /// several add up to what all of them match together.
    pub attack: ShareEstimate,
    /// Share of normal traffic that it matches, by requests, packets or messages. `None`: there
    /// was no normal traffic to measure on.
    pub baseline: Option<ShareEstimate>,
    /// Share of normal clients with any traffic that it matches.
    pub baseline_clients: Option<ShareEstimate>,
    /// A few matching records, as short lines.
    pub examples: Vec<String>,
}

impl Signature {
    /// Whether the signature stands on addresses that the sender may have forged.
    #[must_use]
    pub fn names_sources(&self) -> bool {
        self.tests.iter().any(Test::names_sources)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, test) in self.tests.iter().enumerate() {
            if i > 0 {
                f.write_str(" and ")?;
            }
            write!(f, "{test}")?;
        }
        Ok(())
    }
}

impl Test {
    /// Whether it is about who sends, and not about what.
    #[must_use]
    pub fn names_sources(&self) -> bool {
        matches!(self, Self::Source(_) | Self::SourceCountry(_) | Self::SourceNetworkNumber(_))
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(p) => write!(f, "source in {p}"),
            Self::SourceCountry(c) => write!(f, "source country = {c}"),
            Self::SourceNetworkNumber(n) => write!(f, "source network = AS{n}"),
            Self::Destination(p) => write!(f, "destination in {p}"),
            Self::Protocol(n) => write!(f, "protocol = {}", protocol_name(*n)),
            Self::SourcePort { low, high } => range(f, "source port", low, high),
            Self::DestinationPort { low, high } => range(f, "destination port", low, high),
            Self::LengthBytes { low, high } => range(f, "length in bytes", low, high),
            Self::Ttl { low, high } => range(f, "ttl", low, high),
            Self::TcpFlags(flags) => write!(f, "tcp flags = {}", flag_names(*flags)),
            Self::TcpWindow(n) => write!(f, "tcp window = {n}"),
            Self::TcpOptions(0) => f.write_str("no tcp options"),
            Self::TcpOptions(h) => write!(f, "tcp options layout = {h:016x}"),
            Self::Fragment(Fragment::Whole) => f.write_str("not fragmented"),
            Self::Fragment(Fragment::First) => f.write_str("first fragment"),
            Self::Fragment(Fragment::Later) => f.write_str("later fragment"),
            Self::IcmpType(n) => write!(f, "icmp type = {n}"),
            Self::PayloadPrefix(hex) => write!(f, "payload starts {hex}"),
            Self::Method(m) => write!(f, "method = {}", m.as_str()),
            Self::Host(h) => write!(f, "host = {h}"),
            Self::Path(p) => write!(f, "path = {p}"),
            Self::PathTemplate(p) => write!(f, "path like {p}"),
            Self::QueryShape(s) if s.is_empty() => f.write_str("no query"),
            Self::QueryShape(s) => write!(f, "query like {s}"),
            Self::UserAgent(u) if u.is_empty() => f.write_str("no user agent"),
            Self::UserAgent(u) => write!(f, "user agent = \"{u}\""),
            Self::ReferrerOrigin(r) if r.is_empty() => f.write_str("no referrer"),
            Self::ReferrerOrigin(r) => write!(f, "referrer from {r}"),
            Self::HttpVersion(v) => write!(f, "version = {}", v.as_str()),
            Self::Cookie(p) => write!(f, "cookie {}", presence(*p)),
            Self::AcceptLanguage(p) => write!(f, "accept-language {}", presence(*p)),
            Self::HeaderOrder(h) => write!(f, "header order = {h:016x}"),
            Self::Ja4(j) => write!(f, "ja4 = {j}"),
            Self::Status(s) => write!(f, "status = {s}"),
            Self::DnsSuffix(s) => write!(f, "name under {s}"),
            Self::DnsType(t) => write!(f, "query type = {}", crate::dns_type::name(*t)),
            Self::DnsRecursionDesired(rd) => write!(f, "recursion desired = {rd}"),
        }
    }
}

/// The bytes that a [`Test::PayloadPrefix`] asks for, one to [`PAYLOAD_PREFIX_BYTES`] of them;
/// `None` where any byte will do. The last is never one of those: a payload must reach as far as the
/// text does, and not every rule can ask for a length apart. Of other texts `None`.
#[must_use]
pub fn payload_bytes(text: &str) -> Option<Vec<Option<u8>>> {
    let digit = |d: u8| char::from(d).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        b"??" => Some(None),
        [high, low] => Some(Some((digit(*high)? * 16 + digit(*low)?) as u8)),
        _ => None,
    };
    let bytes: Vec<Option<u8>> = text.as_bytes().chunks(2).map(byte).collect::<Option<_>>()?;
    (bytes.len() <= PAYLOAD_PREFIX_BYTES && bytes.last()?.is_some()).then_some(bytes)
}

fn range<T: PartialEq + fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    low: &T,
    high: &T,
) -> fmt::Result {
    if low == high { write!(f, "{what} = {low}") } else { write!(f, "{what} {low} to {high}") }
}

fn presence(p: Presence) -> &'static str {
    match p {
        Presence::Unknown => "unknown",
        Presence::Absent => "absent",
        Presence::Present => "present",
    }
}

/// Hashes as sixteen hexadecimal digits in texts: as numbers they are beyond what many readers of
/// JSON hold exactly.
mod hash_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{hash:016x}"))
        } else {
            hash.serialize(serializer)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer);
        }
        let digits = String::deserialize(deserializer)?;
        u64::from_str_radix(&digits, 16)
            .map_err(|_| de::Error::custom("a hash of sixteen hexadecimal digits"))
    }
}

/// The usual name of an IP protocol number, or the number.
#[must_use]
pub fn protocol_name(number: u8) -> String {
    match number {
        1 => "icmp".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        47 => "gre".into(),
        58 => "icmpv6".into(),
        n => n.to_string(),
    }
}

/// TCP flags as letters joined by `+`: `SYN+ACK`; `none` for the null packet.
#[must_use]
pub fn flag_names(flags: u8) -> String {
    const NAMES: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
    let set: Vec<&str> =
        NAMES.iter().enumerate().filter(|(bit, _)| flags & (1 << bit) != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".into() } else { set.join("+") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_asked_for_bytes_and_for_any() {
        assert_eq!(payload_bytes("d7??03"), Some(vec![Some(0xD7), None, Some(3)]));
        assert_eq!(payload_bytes(&"0f".repeat(16)), Some(vec![Some(15); 16]));
        for text in ["", "d", "d7?", "?7", "d7??", "é7", "0x", &"00".repeat(17)] {
            assert_eq!(payload_bytes(text), None, "{text}");
        }
    }
}
