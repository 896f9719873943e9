//! The flow table: which packets belong together, who spoke first, how connections fare.
//!
//! Three regions, each bounded by [`Limits`] whatever the traffic: the direction of every flow
//! in 16 bytes, connections being opened, and connections. A flood fills the region of its own
//! kind and no other. Time comes from packets alone.

mod connection;
mod connections;
mod dns;
mod export;
mod half_open;
mod http;
mod index;
mod key;
mod login;
mod pairs;
mod retries;
mod sequence;
mod sip;
mod speech;
mod stream;

pub use key::Flow;

use connection::{Connection, Means};
use connections::{Connections, Handle};
pub(crate) use dns::Queries;
use export::Collector;
use half_open::{HANDSHAKE_DEADLINE_NS, HalfOpen, Ring};
use key::Key;
use pairs::Pairs;
use retries::Retries;
use seawall_model::Timestamp;
use seawall_model::observation::{
    Connection as Told, ConnectionEvent, FlowState, Fragment, Observation, Packet, protocol, tcp_flags,
};
use seawall_model::time::SECOND_NS;
use seawall_wire::packet::dns::{self as dns_wire, Framed};
use seawall_wire::packet::frame::Frame;
use seawall_wire::packet::{http1, tls};
use std::collections::VecDeque;
use stream::Budget;

/// How often a connection that waits for something is looked at.
const CHECK_EVERY_NS: i64 = SECOND_NS;

/// Takes what the flow table tells.
pub trait Sink {
    fn observe(&mut self, observation: &Observation<'_>);

    /// Takes a packet, of which most of what is told consists.
    fn packet(&mut self, packet: &Packet<'_>) {
        self.observe(&Observation::Packet(*packet));
    }

    /// One of several observations that one packet holds, by its number.
    fn observe_part(&mut self, observation: &Observation<'_>, _part: u64) {
        self.observe(observation);
    }
}

/// Sizes of the flow table, all shards together. The defaults take less than 100 MB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Flows of which only the direction is remembered, at 16 bytes each.
    pub pairs: usize,
    /// Connections being opened, at 80 bytes each.
    pub half_open: usize,
    /// Connections, at about 350 bytes each.
    pub connections: usize,
    /// DNS queries that may still be answered, at 24 bytes each.
    pub queries: usize,
    /// Bytes of request heads and early segments held.
    pub held_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pairs: 1 << 20,
            half_open: 1 << 18,
            connections: 1 << 16,
            queries: 1 << 18,
            held_bytes: 16 << 20,
        }
    }
}

/// The flows of one shard.
pub struct Table {
    pairs: Pairs,
    half_open: Ring,
    retries: Retries,
    connections: Connections,
    queries: Queries,
    collector: Collector,
    budget: Budget,
    /// Connections to look at, and when.
    checks: VecDeque<(Timestamp, Handle)>,
    now: Timestamp,
    /// Nothing comes due before this.
    due: Timestamp,
    given_up: u64,
}

impl Table {
    /// A table for one of `shards` shards.
    #[must_use]
    pub fn new(limits: &Limits, shards: usize) -> Self {
        let shards = shards.max(1);
        Self {
            pairs: Pairs::new(limits.pairs / shards),
            half_open: Ring::new(limits.half_open / shards),
            retries: Retries::default(),
            connections: Connections::new(limits.connections / shards),
            queries: Queries::new(limits.queries / shards),
            collector: Collector::default(),
            budget: Budget::new(limits.held_bytes / shards),
            checks: VecDeque::new(),
            now: Timestamp::MIN,
            due: Timestamp::MAX,
            given_up: 0,
        }
    }

    /// Fetches the places in the tables that some packets will need. Each would wait for memory
    /// on its own; asked for together, the waits overlap. One round for each step of the way, since
    /// what a step waits for it cannot overlap with the next.
    #[inline]
    pub fn warm<'f>(&self, packets: impl Iterator<Item = (&'f Frame<'f>, &'f Flow)> + Clone) {
        let mut sum = 0;
        let mut opening = 0;
        for (frame, flow) in packets.clone() {
            if frame.packet.protocol == protocol::TCP {
                sum += self.connections.peek(flow.hash) + self.half_open.peek(flow.hash);
                if opens(&frame.packet) {
                    sum += self.retries.peek(flow.hash, frame.sequence);
                    opening += 1;
                }
            } else {
                sum += self.pairs.peek(flow.hash);
            }
        }
        let of_tcp = packets.filter(|(frame, _)| frame.packet.protocol == protocol::TCP);
        for (_, flow) in of_tcp.clone() {
            sum ^= self.connections.peek_place(flow.hash);
        }
        for (_, flow) in of_tcp {
            sum ^= self.connections.peek_speech(flow.hash);
        }
        for open in self.half_open.oldest(opening) {
            sum ^= self.half_open.peek(open.hash) ^ self.retries.peek(open.hash, open.sequence);
        }
        std::hint::black_box(sum);
    }

    /// Follows one packet, and tells of it and of what it means for its connection.
    pub fn packet(&mut self, frame: &Frame<'_>, flow: &Flow, sink: &mut impl Sink) {
        if frame.packet.time >= self.due {
            self.advance(frame.packet.time, sink);
        }
        self.now = self.now.max(frame.packet.time);
        if flow.is_quoted() {
            self.icmp_error(frame, flow, sink);
        } else if frame.packet.protocol == protocol::TCP && frame.packet.fragment != Fragment::Later {
            self.tcp(frame, flow, sink);
        } else if !self.collector.read(&frame.packet, &mut self.pairs, sink) {
            let state = self.pairs.see(flow, frame.packet.time, false);
            tell_packet(frame, state, sink);
            self.datagram(&frame.packet, sink);
        }
    }

    /// Tells of a packet of a sample that holds only some of its flow: a connection that was followed
    /// before, and a flow in which both sides were seen, are conversations, and of all others nothing
    /// is known. What only answers (`answers`)
    /// makes no conversation.
    pub fn sampled(&mut self, frame: &Frame<'_>, flow: &Flow, answers: bool, sink: &mut impl Sink) {
        let refuses = answers || frame.packet.tcp_flags & tcp_flags::RST != 0 || flow.is_quoted();
        let followed = self.connections.find(flow, &Key::of(&frame.packet));
        let state = match followed.map(|slot| self.connections.touch(slot).is_first(flow.upward)) {
            Some(true) => FlowState::Asking,
            Some(false) => FlowState::Answering,
            None => self.pairs.see(flow, frame.packet.time, refuses),
        };
        let state = match state {
            FlowState::New | FlowState::OneWay if answers => FlowState::Answering,
            FlowState::New | FlowState::OneWay => FlowState::Unknown,
            state => state,
        };
        tell_packet(frame, state, sink);
    }

    /// Tells what has come due by `now`.
    pub fn advance(&mut self, now: Timestamp, sink: &mut impl Sink) {
        self.now = self.now.max(now);
        let now = self.now;
        while let Some(open) = self.half_open.take_due(now) {
            self.expire(&open, open.time.plus_ns(HANDSHAKE_DEADLINE_NS), sink);
        }
        while let Some(&(due, handle)) = self.checks.front().filter(|(due, _)| *due <= now) {
            self.checks.pop_front();
            let Some(connection) = self.connections.get(handle) else { continue };
            // Late by a pause in the capture: told for when it was due.
            connection.check(due, &self.budget, sink);
            connection.watched = connection.needs_watch(due);
            if connection.watched {
                self.checks.push_back((due.plus_ns(CHECK_EVERY_NS), handle));
            }
        }
        let next_check = self.checks.front().map_or(Timestamp::MAX, |(due, _)| *due);
        self.due = next_check.min(self.half_open.next_due());
    }

    /// The input has ended: tells what is still due.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        let now = self.now;
        while let Some(open) = self.half_open.take_any() {
            self.expire(&open, now, sink);
        }
        for connection in self.connections.iter_mut() {
            connection.check(now, &self.budget, sink);
            connection.flush(now, &self.budget, sink);
        }
    }

    /// Names and counts of what the limits cost, and of what was read in another way than as packets.
    pub fn oddities(&self, count: &mut dyn FnMut(&'static str, u64)) {
        count("flow-export-datagrams", self.collector.datagrams);
        count("flow-export-before-its-template", self.collector.without_template);
        count("half-open-given-up-early", self.given_up);
        count("stream-buffers-full", self.budget.refused());
    }

    fn datagram(&mut self, packet: &Packet<'_>, sink: &mut impl Sink) {
        let is_dns = packet.source_port == dns_wire::PORT || packet.destination_port == dns_wire::PORT;
        if is_dns && packet.protocol == protocol::UDP {
            self.queries.datagram(packet, sink);
        }
        if packet.protocol == protocol::UDP
            && let Some(login) = sip::login(packet)
        {
            sink.observe(&Observation::Login(login));
        }
    }

    fn tcp(&mut self, frame: &Frame<'_>, flow: &Flow, sink: &mut impl Sink) {
        let packet = &frame.packet;
        let key = Key::of(packet);
        let opens = opens(packet);
        if let Some(slot) = self.connections.find(flow, &key) {
            if !(opens && self.connections.touch(slot).is_stale(packet.time)) {
                let connection = self.connections.touch(slot);
                let state = connection.state(flow.upward);
                let repeats = connection.repeats(frame, flow);
                sink.packet(&Packet { flow: state, repeats, ..frame.packet });
                self.converse(slot, frame, flow, sink);
                return;
            }
            self.connections.touch(slot).close(packet.time, &self.budget, sink);
            self.connections.remove(slot);
        }
        if let Some(slot) = self.half_open.find(flow, &key) {
            self.handshake(slot, frame, flow, sink);
        } else if opens {
            let repeats = self.retries.knows(flow.hash, frame.sequence);
            sink.packet(&Packet { flow: FlowState::New, repeats, ..frame.packet });
            let scale = frame.window_scale.unwrap_or(0);
            let open = HalfOpen::new(flow, key, packet.time, frame.sequence, scale);
            self.due = self.due.min(packet.time.plus_ns(HANDSHAKE_DEADLINE_NS));
            if let Some(oldest) = self.half_open.insert(open) {
                self.given_up += 1;
                self.expire(&oldest, self.now, sink);
            }
        } else {
            self.under_way(frame, flow, key, sink);
        }
    }

    /// A packet of a connection being opened.
    fn handshake(&mut self, slot: usize, frame: &Frame<'_>, flow: &Flow, sink: &mut impl Sink) {
        let packet = &frame.packet;
        let has = |flag| packet.tcp_flags & flag != 0;
        let open = self.half_open.get(slot);
        let from_client = flow.upward == open.client_upward;
        open.answered |= !from_client;
        let state = match (from_client, open.answered) {
            (false, _) => FlowState::Answering,
            (true, true) => FlowState::Asking,
            (true, false) => FlowState::OneWay,
        };
        let again = from_client && has(tcp_flags::SYN) && open.is_sent_again(frame.sequence, packet.time);
        sink.packet(&Packet { flow: state, repeats: again, ..frame.packet });
        if has(tcp_flags::RST) {
            let open = self.half_open.remove(slot);
            let event = if from_client { ConnectionEvent::HalfOpenExpired } else { ConnectionEvent::Refused };
            sink.observe(&half_open_event(&open, event, packet.time));
            self.pairs.note(&open, packet.time);
            return;
        }
        if has(tcp_flags::SYN) {
            // A retransmission, or a new attempt from the same ports.
            if from_client {
                open.sequence = frame.sequence;
            }
            return;
        }
        let in_sequence = frame.sequence == open.sequence.wrapping_add(1);
        let completes = if from_client {
            has(tcp_flags::ACK) && (open.answered || in_sequence)
        } else {
            packet.payload_bytes > 0
        };
        if completes {
            let open = self.half_open.remove(slot);
            let connection = Connection::completed(&open, frame, from_client);
            sink.observe(&connection.event(ConnectionEvent::Established, packet.time));
            if let Some(slot) = self.admit(connection, sink) {
                self.converse(slot, frame, flow, sink);
            }
        }
    }

    /// A packet of a connection whose beginning was not seen, if it is of any.
    fn under_way(&mut self, frame: &Frame<'_>, flow: &Flow, key: Key, sink: &mut impl Sink) {
        let packet = &frame.packet;
        let refuses = packet.tcp_flags & tcp_flags::RST != 0;
        let state = self.pairs.see(flow, packet.time, refuses);
        tell_packet(frame, state, sink);
        let ends = packet.tcp_flags & (tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST) != 0;
        if packet.payload.is_empty() || ends {
            return;
        }
        let Some(from_client) = sender_is_client(packet, state) else { return };
        let connection = Connection::picked_up(flow, key, packet.time, from_client, state);
        if let Some(slot) = self.admit(connection, sink) {
            self.converse(slot, frame, flow, sink);
        }
    }

    /// Gives a connection a place, at the cost of another if need be.
    fn admit(&mut self, connection: Connection, sink: &mut impl Sink) -> Option<usize> {
        if let Some(slot) = self.connections.make_room() {
            let now = self.now;
            let handle = self.connections.handle(slot);
            if let Some(least) = self.connections.get(handle) {
                least.close(now, &self.budget, sink);
            }
            self.connections.remove(slot);
        }
        self.connections.insert(connection)
    }

    fn converse(&mut self, slot: usize, frame: &Frame<'_>, flow: &Flow, sink: &mut impl Sink) {
        let handle = self.connections.handle(slot);
        let connection = self.connections.touch(slot);
        let mut means = Means { budget: &self.budget, queries: &mut self.queries, sink };
        connection.packet(frame, flow, &mut means);
        if !connection.watched && connection.needs_watch(frame.packet.time) {
            connection.watched = true;
            let due = self.now.plus_ns(CHECK_EVERY_NS);
            self.checks.push_back((due, handle));
            self.due = self.due.min(due);
        }
    }

    /// An ICMP error: what it quotes was sent in the direction of `flow`.
    fn icmp_error(&mut self, frame: &Frame<'_>, flow: &Flow, sink: &mut impl Sink) {
        let packet = &frame.packet;
        let key = Key::of(packet);
        let answering = |by_first| if by_first { FlowState::Answering } else { FlowState::Asking };
        let open = self.half_open.find(flow, &key);
        let state = match open {
            Some(slot) => answering(self.half_open.get(slot).client_upward == flow.upward),
            None => match self.connections.find(flow, &key) {
                Some(slot) => answering(self.connections.touch(slot).is_first(flow.upward)),
                None => self.pairs.against(flow),
            },
        };
        tell_packet(frame, state, sink);
        let unreachable =
            matches!((packet.protocol, packet.icmp_type), (protocol::ICMP, 3) | (protocol::ICMPV6, 1));
        if let Some(slot) = open.filter(|_| unreachable && state == FlowState::Answering) {
            let open = self.half_open.remove(slot);
            sink.observe(&half_open_event(&open, ConnectionEvent::Refused, packet.time));
        }
    }

    fn expire(&mut self, open: &HalfOpen, time: Timestamp, sink: &mut impl Sink) {
        sink.observe(&half_open_event(open, ConnectionEvent::HalfOpenExpired, time));
        self.retries.give_up(open);
        // So that a late answer is known as one; in a flood there is no room for that.
        if !self.half_open.is_crowded() {
            self.pairs.note(open, time);
        }
    }
}

/// Whether a TCP packet asks for a connection.
#[inline]
fn opens(packet: &Packet<'_>) -> bool {
    packet.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK | tcp_flags::RST) == tcp_flags::SYN
}

fn tell_packet(frame: &Frame<'_>, flow: FlowState, sink: &mut impl Sink) {
    sink.packet(&Packet { flow, ..frame.packet });
}

/// Whether the sender of a payload is the client of its connection. `None` if the connection is
/// not worth following: the other side has not spoken, and the payload begins nothing known.
fn sender_is_client(packet: &Packet<'_>, state: FlowState) -> Option<bool> {
    let payload = packet.payload;
    if http1::may_be_request(payload) && payload.len() > 4 || tls::begins(payload) && payload.len() > 5 {
        return Some(!tls::begins(payload) || payload.get(5) == Some(&1));
    }
    if payload.starts_with(b"HTTP/1.") {
        return Some(false);
    }
    let answered = matches!(state, FlowState::Asking | FlowState::Answering);
    let (from, to) = (packet.source_port, packet.destination_port);
    let is_dns = |port| port == dns_wire::PORT && matches!(dns_wire::framed(payload), Framed::Message { .. });
    if is_dns(from) || is_dns(to) {
        return Some(is_dns(to));
    }
    const FIRST_EPHEMERAL_PORT: u16 = 1024;
    answered.then(|| match (from < FIRST_EPHEMERAL_PORT, to < FIRST_EPHEMERAL_PORT) {
        (true, false) => false,
        (false, true) => true,
        _ => state == FlowState::Asking,
    })
}

fn half_open_event(open: &HalfOpen, event: ConnectionEvent, time: Timestamp) -> Observation<'static> {
    let (client, server) = open.ends();
    Observation::Connection(Told {
        time,
        event,
        client: client.0,
        server: server.0,
        client_port: client.1,
        server_port: server.1,
        client_bytes: 0,
        server_bytes: 0,
        duration_us: time.since_ns(open.time).max(0) as u64 / 1_000,
        requests: 0,
        ja4: 0,
    })
}

#[cfg(test)]
mod tests;
