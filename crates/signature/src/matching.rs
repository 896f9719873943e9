//! What a signature means: the single place that says whether a test holds for a record.

use crate::view::RequestView;
use seawall_model::observation::{Fragment, protocol};
use seawall_model::place::Places;
use seawall_model::record::{DnsRecord, PacketRecord};
use seawall_model::signature::{RecordRef, Signature, Test};
use seawall_model::text::{fits_query_shape, fits_template, referrer_origin};
use std::net::IpAddr;

/// Where an address is, by a database that the user gives (such as an MMDB file).
pub trait NetworkLookup {
    /// ISO 3166-1 alpha-2 code in upper case.
    fn country(&self, address: IpAddr) -> Option<String>;
    /// Autonomous system number.
    fn network_number(&self, address: IpAddr) -> Option<u32>;
}

impl NetworkLookup for Places {
    fn country(&self, address: IpAddr) -> Option<String> {
        self.get(address)?.country.clone()
    }

    fn network_number(&self, address: IpAddr) -> Option<u32> {
        self.get(address)?.network_number
    }
}

/// Whether every test of the signature holds for the record. Tests of another layer, and of
/// country or network (nothing to look them up in), do not hold.
#[must_use]
pub fn matches(signature: &Signature, record: RecordRef<'_>) -> bool {
    matches_with(signature, record, None)
}

/// As [`matches`], with a database for the tests of country and network.
#[must_use]
pub fn matches_with(
    signature: &Signature,
    record: RecordRef<'_>,
    networks: Option<&dyn NetworkLookup>,
) -> bool {
    !signature.tests.is_empty() && signature.tests.iter().all(|t| holds(t, record, networks))
}

/// Whether one test holds for a request. Tests of country and network do not: there is nothing to
/// look them up in.
#[must_use]
pub fn holds_for_request(test: &Test, r: &RequestView<'_>) -> bool {
    match test {
        Test::Source(prefix) => prefix.contains(r.client),
        Test::Method(method) => r.method == *method,
        Test::Host(host) => r.host == *host,
        Test::Path(path) => r.path == *path,
        Test::PathTemplate(template) => fits_template(template, r.path),
        Test::QueryShape(shape) => fits_query_shape(shape, r.query),
        Test::UserAgent(agent) => r.user_agent == *agent,
        Test::ReferrerOrigin(origin) => referrer_origin(r.referrer) == origin,
        Test::HttpVersion(version) => r.version == *version,
        Test::Cookie(presence) => r.cookie == *presence,
        Test::AcceptLanguage(presence) => r.accept_language == *presence,
        Test::HeaderOrder(hash) => r.header_order == *hash,
        Test::Ja4(ja4) => r.ja4 == *ja4,
        Test::Status(status) => r.status == Some(*status),
        _ => false,
    }
}

/// Whether one test holds.
pub(crate) fn holds(test: &Test, record: RecordRef<'_>, networks: Option<&dyn NetworkLookup>) -> bool {
    let address = crate::sample::client(record);
    match test {
        Test::Source(prefix) => prefix.contains(address),
        Test::SourceCountry(code) => {
            networks.and_then(|n| n.country(address)).is_some_and(|found| found == *code)
        }
        Test::SourceNetworkNumber(number) => {
            networks.and_then(|n| n.network_number(address)) == Some(*number)
        }
        _ => match record {
            RecordRef::Request(r) => holds_for_request(test, &r.into()),
            RecordRef::Packet(p) => holds_for_packet(test, p),
            RecordRef::Dns(d) => holds_for_dns(test, d),
        },
    }
}

/// Whether a name lies under a suffix, by whole labels.
pub(crate) fn is_under(suffix: &str, name: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| suffix.is_empty() || rest.is_empty() || rest.ends_with('.'))
}

fn holds_for_packet(test: &Test, p: &PacketRecord) -> bool {
    match test {
        Test::Destination(prefix) => prefix.contains(p.destination),
        Test::Protocol(number) => p.protocol == *number,
        Test::SourcePort { low, high } => has_ports(p) && (*low..=*high).contains(&p.source_port),
        Test::DestinationPort { low, high } => has_ports(p) && (*low..=*high).contains(&p.destination_port),
        Test::LengthBytes { low, high } => (*low..=*high).contains(&p.length_bytes),
        Test::Ttl { low, high } => (*low..=*high).contains(&p.ttl),
        Test::TcpFlags(flags) => is_tcp(p) && p.tcp_flags == *flags,
        Test::TcpWindow(window) => is_tcp(p) && p.tcp_window == *window,
        Test::TcpOptions(layout) => is_tcp(p) && p.tcp_options == *layout,
        Test::Fragment(fragment) => p.fragment == *fragment,
        Test::IcmpType(kind) => is_icmp(p) && p.icmp_type == *kind,
        Test::PayloadPrefix(text) => starts_as(p.payload(), text),
        _ => false,
    }
}

fn holds_for_dns(test: &Test, d: &DnsRecord) -> bool {
    match test {
        Test::DnsSuffix(suffix) => is_under(suffix, &d.name),
        Test::DnsType(number) => d.query_type == *number,
        Test::DnsRecursionDesired(desired) => d.recursion_desired == *desired,
        Test::LengthBytes { low, high } => (*low..=*high).contains(&d.message_bytes),
        _ => false,
    }
}

/// Later fragments carry no transport header.
pub(crate) fn has_ports(p: &PacketRecord) -> bool {
    p.fragment != Fragment::Later && matches!(p.protocol, protocol::TCP | protocol::UDP)
}

pub(crate) fn is_tcp(p: &PacketRecord) -> bool {
    p.fragment != Fragment::Later && p.protocol == protocol::TCP
}

pub(crate) fn is_icmp(p: &PacketRecord) -> bool {
    p.fragment != Fragment::Later && matches!(p.protocol, protocol::ICMP | protocol::ICMPV6)
}

/// As `seawall_model::signature::payload_bytes` reads the text, without keeping it.
fn starts_as(payload: &[u8], text: &str) -> bool {
    let digits = text.as_bytes();
    digits.len().is_multiple_of(2)
        && payload.len() >= digits.len() / 2
        && digits.chunks_exact(2).zip(payload).all(|(pair, byte)| {
            let digit = |d: u8| char::from(d).to_digit(16);
            pair == b"??"
                || digit(pair[0]).zip(digit(pair[1])).is_some_and(|(h, l)| h * 16 + l == u32::from(*byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_match_whole_labels() {
        assert!(is_under("example.com", "a.b.example.com"));
        assert!(is_under("example.com", "example.com"));
        assert!(is_under("", "example.com"));
        assert!(!is_under("example.com", "badexample.com"));
    }

    #[test]
    fn payload_prefixes_compare_bytes() {
        assert!(starts_as(&[0xD7, 0x00, 0x03], "d700"));
        assert!(!starts_as(&[0xD7], "d700"));
        assert!(!starts_as(&[0xD7, 0x01], "d700"));
        assert!(!starts_as(&[0xD7, 0x00], "d7é"));
        assert!(starts_as(&[9, 0x81, 0x80], "??8180"));
        assert!(!starts_as(&[9, 0x81, 0x81], "??8180"));
        assert!(!starts_as(&[9, 0x81], "??8180"));
        assert!(!starts_as(&[0xD7, 0x03], "d7?3"));
    }
}
