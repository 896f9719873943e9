//! Matches DNS responses with their queries, in a table of fixed size.

use super::Sink;
use seawall_model::observation::{Dns, Observation, Packet};
use seawall_model::time::SECOND_NS;
use seawall_model::{Timestamp, hash};
use seawall_wire::packet::dns::{self, Ends, NameBuffer};

const WAYS: usize = 4;
/// A response later than this matches no query.
const MATCH_NS: i64 = 30 * SECOND_NS;

#[derive(Clone, Copy, Default)]
struct Query {
    /// Hash of ends, number and name; 0: free.
    tag: u64,
    time_ns: i64,
    answered: bool,
}

/// The queries of one shard that may still be answered.
pub(crate) struct Queries {
    buckets: Vec<[Query; WAYS]>,
    name: NameBuffer,
}

impl Queries {
    pub(crate) fn new(capacity: usize) -> Self {
        let count = (capacity / WAYS).next_power_of_two().max(1);
        Self { buckets: vec![[Query::default(); WAYS]; count], name: NameBuffer::default() }
    }

    /// Tells of a DNS message in a datagram from or to the port of DNS servers.
    pub(super) fn datagram(&mut self, packet: &Packet<'_>, sink: &mut impl Sink) {
        // Floods use the port of name servers as their own.
        let answers = packet.payload.get(2).is_some_and(|flags| flags & 0x80 != 0);
        let servers_port = if answers { packet.source_port } else { packet.destination_port };
        // An answer repeats one question at most (RFC 1035 section 4.1.1).
        let asked = packet.payload.get(4..6).is_none_or(|count| matches!(count, [0, 0 | 1]));
        if servers_port != dns::PORT || (answers && !asked) {
            return;
        }
        let whole = packet.payload.len() as u32 >= packet.payload_bytes
            && packet.fragment == seawall_model::observation::Fragment::Whole;
        self.message(packet, packet.payload, packet.payload_bytes, whole, sink);
    }

    /// Tells of a DNS message out of a stream; `packet` brought its last byte.
    pub(super) fn streamed(&mut self, packet: &Packet<'_>, message: &[u8], sink: &mut impl Sink) {
        self.message(packet, message, message.len() as u32, true, sink);
    }

    /// A message that a server told of, outside of any packet; `None` if it is none. `took_us`: what
    /// the server says of the time from query to response. A response alone is no oddity here: a
    /// server may be set to tell of nothing else.
    pub(crate) fn reported(
        &mut self,
        time: Timestamp,
        ends: Ends,
        bytes: &[u8],
        took_us: Option<u64>,
    ) -> Option<Dns<'_>> {
        let message = dns::decode(bytes, true, &mut self.name)?;
        let mut observed = message.observation(time, ends, &self.name);
        match_up(&mut self.buckets, message.id, &mut observed);
        observed.unsolicited = false;
        observed.response_us = took_us.filter(|_| observed.is_response).or(observed.response_us);
        Some(observed)
    }

    fn message(
        &mut self,
        packet: &Packet<'_>,
        bytes: &[u8],
        message_bytes: u32,
        whole: bool,
        sink: &mut impl Sink,
    ) {
        let Some(message) = dns::decode(bytes, whole, &mut self.name) else { return };
        // The side that answers is the server, whatever the ports are.
        let (client, server, client_port) = if message.is_response {
            (packet.destination, packet.source, packet.destination_port)
        } else {
            (packet.source, packet.destination, packet.source_port)
        };
        let over_tcp = packet.protocol == seawall_model::observation::protocol::TCP;
        let ends = Ends { client, server, client_port, over_tcp, message_bytes };
        let mut observed = message.observation(packet.time, ends, &self.name);
        match_up(&mut self.buckets, message.id, &mut observed);
        sink.observe(&Observation::Dns(observed));
    }
}

/// Notes a query, or finds the query of a response. The name is no part of what is compared:
/// some answers repeat no question.
fn match_up(buckets: &mut [[Query; WAYS]], id: u16, dns: &mut Dns<'_>) {
    let ports = u64::from(dns.client_port) << 32 | u64::from(id) << 8 | u64::from(dns.over_tcp);
    let ends = hash::combine(hash::address(dns.client), hash::address(dns.server));
    let tag = hash::combine(ends, ports) | 1;
    let mask = buckets.len() - 1;
    let bucket = &mut buckets[(tag >> 20) as usize & mask];
    let now = dns.time.0;
    let recent = |query: &Query| now.saturating_sub(query.time_ns) <= MATCH_NS;
    let known = bucket.iter_mut().find(|query| query.tag == tag && recent(query));
    if !dns.is_response {
        let fresh = Query { tag, time_ns: now, answered: false };
        if let Some(query) = known {
            *query = fresh;
        } else if let Some(oldest) = bucket.iter_mut().min_by_key(|query| query.time_ns) {
            *oldest = fresh;
        }
        return;
    }
    match known {
        Some(query) if !query.answered => {
            query.answered = true;
            let waited_ns = now.saturating_sub(query.time_ns).max(0);
            dns.response_us = Some(waited_ns as u64 / 1_000);
        }
        Some(_) => {}
        None => dns.unsolicited = true,
    }
}
