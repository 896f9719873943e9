//! How much of ordinary traffic passes a test, where no normal traffic was given to measure on.
//!
//! The figures are coarse orders of magnitude by design, chosen high: they only rank tests and
//! refuse signatures that ordinary traffic would pass, and they are never printed as a measured
//! share. What describes the service itself (its host, its address, its port) or every
//! connection's first packet passes all ordinary traffic to it, so it counts as 1.

use seawall_model::observation::{Fragment, HttpVersion, Method, Presence, protocol, tcp_flags};
use seawall_model::signature::Test;

/// TCP windows of the first packet that common systems announce.
const COMMON_WINDOWS: [u16; 11] =
    [8_192, 14_600, 16_384, 26_883, 28_960, 29_200, 42_340, 62_727, 64_240, 65_535, 5_840];
/// UDP ports whose answers are everyday traffic.
const COMMON_UDP_SERVICES: [u16; 4] = [53, 443, 80, 4_500];
/// Least share of ordinary traffic that a range of passing ports stands for.
const PASSING_PORTS: f64 = 0.6;
/// Most that a payload prefix can say: half of all protocols start with a fixed byte.
const LONGEST_TELLING_PREFIX: usize = 4;
/// Where messages begin with a number of their own, a header of flags and counts follows that all of
/// them have, asked for or not (DNS: RFC 1035 section 4.1.1). What tells lies behind it.
const NUMBERED: &str = "????";
const NUMBERED_HEADER_BYTES: usize = 12;

/// Estimated share of ordinary traffic that passes all tests, taking them as independent.
pub(crate) fn prior_share<'t>(tests: impl Iterator<Item = &'t Test> + Clone) -> f64 {
    let is_syn = tests.clone().any(|t| matches!(t, Test::TcpFlags(tcp_flags::SYN)));
    let is_udp = tests.clone().any(|t| matches!(t, Test::Protocol(protocol::UDP)));
    tests.map(|t| single(t, is_syn, is_udp)).product()
}

fn single(test: &Test, is_syn: bool, is_udp: bool) -> f64 {
    match test {
        Test::Source(p) => address_share(p.length_bits(), p.address().is_ipv4()),
        Test::SourceCountry(_) => 0.2,
        Test::SourceNetworkNumber(_) => 0.05,
        Test::Destination(_) | Test::Host(_) | Test::DestinationPort { .. } => 1.0,
        Test::Protocol(protocol::TCP) => 0.9,
        Test::Protocol(protocol::UDP) => 0.3,
        Test::Protocol(_) => 0.02,
        Test::SourcePort { low, high } => source_port(*low, *high, is_udp),
        Test::LengthBytes { low, high } => length(*low, *high, is_syn),
        Test::Ttl { low, high } => (f64::from(high - low) + 3.0) / 60.0,
        Test::TcpFlags(flags) => flag_share(*flags),
        Test::TcpWindow(window) => {
            if COMMON_WINDOWS.contains(window) {
                0.4
            } else {
                0.01
            }
        }
        Test::TcpOptions(0) => {
            if is_syn {
                0.01
            } else {
                0.5
            }
        }
        Test::TcpOptions(_) => 0.4,
        Test::Fragment(Fragment::Whole) => 1.0,
        Test::Fragment(_) => 0.005,
        Test::IcmpType(_) => 0.3,
        Test::PayloadPrefix(text) => prefix_share(telling_bytes(text)),
        _ => application(test),
    }
    .clamp(0.0, 1.0)
}

fn application(test: &Test) -> f64 {
    match test {
        Test::Method(Method::Get) => 0.95,
        Test::Method(Method::Post) => 0.15,
        Test::Method(_) => 0.03,
        Test::Path(path) if path == "/" => 0.15,
        Test::Path(_) => 0.05,
        Test::PathTemplate(t) if t == "/*" => 0.3,
        Test::PathTemplate(_) => 0.15,
        Test::QueryShape(s) if s.is_empty() => 0.8,
        Test::QueryShape(s) if s == "?" => 0.005,
        Test::QueryShape(s) if s.contains("?=") => 0.02,
        Test::QueryShape(_) => 0.08,
        Test::UserAgent(agent) if agent.is_empty() => 0.02,
        Test::UserAgent(_) => 0.03,
        Test::ReferrerOrigin(r) if r.is_empty() => 0.4,
        Test::ReferrerOrigin(_) => 0.2,
        Test::HttpVersion(HttpVersion::Http10) => 0.03,
        Test::HttpVersion(HttpVersion::Http09 | HttpVersion::Invalid) => 0.001,
        Test::HttpVersion(_) => 0.7,
        Test::Cookie(Presence::Absent) => 0.4,
        Test::AcceptLanguage(Presence::Absent) => 0.1,
        Test::Cookie(_) | Test::AcceptLanguage(_) => 0.9,
        Test::HeaderOrder(_) => 0.1,
        Test::Ja4(_) => 0.1,
        Test::Status(status) => match status {
            200..=399 => 0.8,
            _ => 0.1,
        },
        Test::DnsSuffix(s) if s.contains('.') => 0.3,
        Test::DnsSuffix(_) => 0.8,
        Test::DnsType(1 | 28) => 0.6,
        Test::DnsType(255) => 0.002,
        Test::DnsType(_) => 0.05,
        Test::DnsRecursionDesired(_) => 0.8,
        _ => 1.0,
    }
}

/// A service sees a small part of the Internet; a single address is a small part of its clients.
fn address_share(length_bits: u8, is_ipv4: bool) -> f64 {
    match (is_ipv4, length_bits) {
        (true, 32) | (false, 64..) => 0.001,
        (true, 24..) | (false, 48..) => 0.003,
        (true, 16..) => 0.01,
        _ => 1.0,
    }
}

fn source_port(low: u16, high: u16, is_udp: bool) -> f64 {
    let has = |port: &u16| (low..=high).contains(port);
    let width = f64::from(high - low) + 1.0;
    // Programs count their ports up: the range of a short input is left within seconds.
    let is_passing = low >= 1_024 && low < high;
    if COMMON_UDP_SERVICES.iter().any(has) {
        0.5
    } else if is_passing {
        (width / 28_000.0).clamp(PASSING_PORTS, 1.0)
    } else if low < 1_024 || is_udp && low == high {
        (width * 0.002).min(0.5)
    } else {
        (width / 28_000.0).clamp(0.002, 1.0)
    }
}

/// Bare acknowledgements and full packets are most of the traffic; other lengths are spread.
fn length(low: u32, high: u32, is_syn: bool) -> f64 {
    let width = f64::from(high - low) + 1.0;
    if is_syn {
        return if high < 48 { 0.02 } else { 0.8 };
    }
    let everyday = if low <= 60 { 0.4 } else { 0.0 } + if high >= 1_400 { 0.4 } else { 0.0 };
    (everyday + width * 0.005).min(1.0)
}

/// Every connection has these; a packet with others is odd by itself (RFC 9293 section 3.10.7).
fn flag_share(flags: u8) -> f64 {
    use tcp_flags::{ACK, FIN, PSH, RST, SYN};
    const EVERYDAY: [u8; 8] = [SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, FIN | PSH | ACK, RST, RST | ACK];
    // The two highest bits are congestion signals (RFC 3168).
    if EVERYDAY.contains(&(flags & 0x3F)) { 1.0 } else { 0.002 }
}

/// Bytes of a payload's start that ordinary payloads seldom have there.
fn telling_bytes(text: &str) -> usize {
    let header = if text.starts_with(NUMBERED) { 2 * NUMBERED_HEADER_BYTES } else { 0 };
    text.as_bytes().get(header..).unwrap_or_default().chunks(2).filter(|pair| *pair != b"??").count()
}

/// Whether the sender's port is one whose answers are everyday traffic.
pub(crate) fn is_everyday_service(test: &Test) -> bool {
    matches!(test, Test::SourcePort { low, high } if low == high && COMMON_UDP_SERVICES.contains(low))
}

fn prefix_share(bytes: usize) -> f64 {
    [1.0, 0.1, 0.03, 0.01, 0.003][bytes.min(LONGEST_TELLING_PREFIX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_first_packets_are_not_narrow() {
        let linux = [
            Test::Protocol(protocol::TCP),
            Test::LengthBytes { low: 60, high: 60 },
            Test::Ttl { low: 40, high: 64 },
            Test::TcpFlags(tcp_flags::SYN),
            Test::TcpWindow(64_240),
            Test::TcpOptions(77),
        ];
        assert!(prior_share(linux.iter()) > 0.02, "{}", prior_share(linux.iter()));
    }

    #[test]
    fn reflected_answers_are_narrow() {
        let ntp = [Test::Protocol(protocol::UDP), Test::SourcePort { low: 123, high: 123 }];
        assert!(prior_share(ntp.iter()) < 0.001);
    }

    #[test]
    fn headers_that_every_answer_has_are_not_narrow() {
        let share = |text: &str| prior_share(std::iter::once(&Test::PayloadPrefix(text.into())));
        assert_eq!(share("????81800001"), 1.0);
        assert_eq!(share("????8180000100000000000007657861"), share("d700032a"));
        assert_eq!(share("17??03"), share("1703"));
    }
}
