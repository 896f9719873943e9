//! What a signature matches, written from the meaning that the model gives to each test and
//! independent of the code that mines signatures, so that the one checks the other.

use seawall_model::observation::{Dns, Fragment, Observation, Packet, Request, protocol};
use seawall_model::signature::{Layer, Signature, Test};
use std::net::IpAddr;

/// The kind of signature that can be held against an observation.
#[must_use]
pub fn layer_of(observation: &Observation<'_>) -> Option<Layer> {
    match observation {
        Observation::Packet(_) => Some(Layer::Packet),
        Observation::Request(_) => Some(Layer::Http),
        Observation::Dns(_) => Some(Layer::Dns),
        Observation::Connection(_) | Observation::Backend(_) | Observation::Login(_) => None,
    }
}

/// How many packets, requests or messages an observation stands for.
#[must_use]
pub fn weight_of(observation: &Observation<'_>) -> u64 {
    if let Observation::Packet(p) = observation { u64::from(p.sampling.max(1)) } else { 1 }
}

/// Whether every test of the signature holds. Tests of country and network number never do:
/// episodes have no such database.
#[must_use]
pub fn matches(signature: &Signature, observation: &Observation<'_>) -> bool {
    if layer_of(observation) != Some(signature.layer) || signature.tests.is_empty() {
        return false;
    }
    match observation {
        Observation::Packet(p) => signature.tests.iter().all(|t| packet(t, p)),
        Observation::Request(r) => signature.tests.iter().all(|t| request(t, r)),
        Observation::Dns(d) => signature.tests.iter().all(|t| dns(t, d)),
        _ => false,
    }
}

fn packet(test: &Test, p: &Packet<'_>) -> bool {
    let has_header = p.fragment != Fragment::Later;
    let has_ports = has_header && matches!(p.protocol, protocol::TCP | protocol::UDP);
    let is_tcp = has_header && p.protocol == protocol::TCP;
    let is_icmp = has_header && matches!(p.protocol, protocol::ICMP | protocol::ICMPV6);
    match test {
        Test::Source(prefix) => prefix.contains(p.source),
        Test::Destination(prefix) => prefix.contains(p.destination),
        Test::Protocol(n) => p.protocol == *n,
        Test::SourcePort { low, high } => has_ports && (*low..=*high).contains(&p.source_port),
        Test::DestinationPort { low, high } => has_ports && (*low..=*high).contains(&p.destination_port),
        Test::LengthBytes { low, high } => (*low..=*high).contains(&p.length_bytes),
        Test::Ttl { low, high } => (*low..=*high).contains(&p.ttl),
        Test::TcpFlags(flags) => is_tcp && p.tcp_flags == *flags,
        Test::TcpWindow(window) => is_tcp && p.tcp_window == *window,
        Test::TcpOptions(layout) => is_tcp && p.tcp_options == *layout,
        Test::Fragment(fragment) => p.fragment == *fragment,
        Test::IcmpType(kind) => is_icmp && p.icmp_type == *kind,
        Test::PayloadPrefix(text) => starts_as(p.payload, text.as_bytes()),
        _ => false,
    }
}

fn request(test: &Test, r: &Request<'_>) -> bool {
    match test {
        Test::Source(prefix) => prefix.contains(r.client),
        Test::Method(method) => r.method == *method,
        Test::Host(host) => r.host == host.as_bytes(),
        Test::Path(path) => r.path == path.as_bytes(),
        Test::PathTemplate(template) => fits_template(template.as_bytes(), r.path),
        Test::QueryShape(shape) => fits_query(shape.as_bytes(), r.query.unwrap_or(b"")),
        Test::UserAgent(agent) => r.user_agent == agent.as_bytes(),
        Test::ReferrerOrigin(origin) => referrer_origin(r.referrer) == origin.as_bytes(),
        Test::HttpVersion(version) => r.version == *version,
        Test::Cookie(presence) => r.cookie == *presence,
        Test::AcceptLanguage(presence) => r.accept_language == *presence,
        Test::HeaderOrder(order) => r.header_order == *order,
        Test::Ja4(ja4) => r.ja4 == ja4.as_bytes(),
        Test::Status(status) => r.status == *status,
        _ => false,
    }
}

fn dns(test: &Test, d: &Dns<'_>) -> bool {
    match test {
        Test::Source(prefix) => prefix.contains(source_of(d)),
        Test::DnsSuffix(suffix) => is_under(suffix.as_bytes(), d.name),
        Test::DnsType(kind) => d.query_type == *kind,
        Test::DnsRecursionDesired(desired) => d.recursion_desired == *desired,
        Test::LengthBytes { low, high } => (*low..=*high).contains(&d.message_bytes),
        _ => false,
    }
}

/// Signatures speak of the asking side, in queries and in responses alike.
fn source_of(d: &Dns<'_>) -> IpAddr {
    d.client
}

fn is_under(suffix: &[u8], name: &[u8]) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| suffix.is_empty() || rest.is_empty() || rest.ends_with(b"."))
}

/// Segment by segment; `*` stands for any segment that is not empty.
fn fits_template(template: &[u8], path: &[u8]) -> bool {
    let mut wanted = template.split(|&b| b == b'/');
    let mut given = path.split(|&b| b == b'/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(b"*"), Some(segment)) if !segment.is_empty() => {}
            (Some(w), Some(g)) if w == g => {}
            _ => return false,
        }
    }
}

/// Parameter by parameter: a name, `?=` for a parameter of any name, `?` for any bare word.
fn fits_query(shape: &[u8], query: &[u8]) -> bool {
    if shape.is_empty() || query.is_empty() {
        return shape.is_empty() && query.is_empty();
    }
    let mut wanted = shape.split(|&b| b == b'&');
    let mut given = query.split(|&b| b == b'&');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(w), Some(g)) if fits_parameter(w, g) => {}
            _ => return false,
        }
    }
}

fn fits_parameter(wanted: &[u8], given: &[u8]) -> bool {
    match given.iter().position(|&b| b == b'=') {
        Some(at) => wanted == b"?=" || wanted == &given[..at],
        None => wanted == given || (wanted == b"?" && !given.is_empty()),
    }
}

fn referrer_origin(referrer: &[u8]) -> &[u8] {
    let host = referrer.windows(2).position(|w| w == b"//").map_or(0, |at| at + 2);
    let end = referrer[host..].iter().position(|b| matches!(b, b'/' | b'?' | b'#'));
    &referrer[..end.map_or(referrer.len(), |at| host + at)]
}

/// Byte by byte in hexadecimal digits; `??` for any byte.
fn starts_as(payload: &[u8], text: &[u8]) -> bool {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    text.len().is_multiple_of(2)
        && payload.len() * 2 >= text.len()
        && text.chunks_exact(2).zip(payload).all(|(pair, byte)| match (nibble(pair[0]), nibble(pair[1])) {
            (Some(h), Some(l)) => h * 16 + l == u32::from(*byte),
            _ => pair == b"??",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_and_queries_fit_by_part() {
        assert!(fits_template(b"/item/*/photos", b"/item/77/photos"));
        assert!(!fits_template(b"/item/*", b"/item/"));
        assert!(!fits_template(b"/item/*", b"/item/7/x"));
        assert!(fits_query(b"id&?=", b"id=7&x9q=1"));
        assert!(fits_query(b"?", b"83kd"));
        assert!(!fits_query(b"?", b"a=1"));
        assert!(fits_query(b"", b""));
        assert!(!fits_query(b"", b"a"));
    }

    #[test]
    fn origins_suffixes_and_payloads() {
        assert_eq!(referrer_origin(b"https://a.example/x"), b"https://a.example");
        assert!(is_under(b"a.example", b"x.a.example"));
        assert!(!is_under(b"a.example", b"xa.example"));
        assert!(starts_as(&[0xD7, 3], b"d703"));
        assert!(!starts_as(&[0xD7], b"d703"));
        assert!(starts_as(&[0xD7, 3], b"??03"));
        assert!(!starts_as(&[0xD7, 3], b"??04"));
        assert!(!starts_as(&[0xD7, 3], b"?703"));
    }
}
