//! Records as short lines for people, safe to print anywhere.

use crate::matching::{has_ports, is_icmp, is_tcp};
use seawall_model::signature::{RecordRef, flag_names, protocol_name};

/// Characters of an example.
const MAX_CHARS: usize = 160;

/// One record as a line without control characters.
pub(crate) fn example(record: RecordRef<'_>) -> String {
    let line = match record {
        RecordRef::Request(r) => {
            let query = r.query.as_deref().map(|q| format!("?{q}")).unwrap_or_default();
            let agent = if r.user_agent.is_empty() { "-" } else { &r.user_agent };
            format!("{} {}{query} \"{agent}\"", r.method.as_str(), r.path)
        }
        RecordRef::Packet(p) => {
            let ports = if has_ports(p) {
                format!(" port {} to {}", p.source_port, p.destination_port)
            } else {
                String::new()
            };
            let kind = if is_tcp(p) {
                format!(" {}", flag_names(p.tcp_flags))
            } else if is_icmp(p) {
                format!(" type {}", p.icmp_type)
            } else {
                String::new()
            };
            format!("{}{ports}{kind}, {} bytes, ttl {}", protocol_name(p.protocol), p.length_bytes, p.ttl)
        }
        RecordRef::Dns(d) => format!("{} type {}, {} bytes", d.name, d.query_type, d.message_bytes),
    };
    line.chars().take(MAX_CHARS).map(|c| if c.is_control() { '.' } else { c }).collect()
}
