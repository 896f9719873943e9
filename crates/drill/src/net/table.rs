//! A small flow table, as a sensor would have one: bounded, overwriting the stalest flow of a
//! bucket, telling what it knows of a packet's flow and what happens to connections.

use crate::episode::Origin;
use seawall_model::Timestamp;
use seawall_model::hash;
use seawall_model::observation::{
    Connection, ConnectionEvent, FlowState, Fragment, Packet, protocol, tcp_flags,
};
use seawall_model::time::SECOND_NS;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

/// Buckets of the table, and flows in each.
const BUCKETS: usize = 1 << 12;
const WAYS: usize = 4;
/// Flows that are silent for so long are forgotten.
const FORGET_NS: i64 = 120 * SECOND_NS;
const HALF_OPEN_NS: i64 = 3 * SECOND_NS;
const SLOW_REQUEST_NS: i64 = 5 * SECOND_NS;
const IDLE_NS: i64 = 10 * SECOND_NS;
/// Windows below this, after data was sent, are a slow reader's.
const TINY_WINDOW: u16 = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Other,
    Opening,
    Answered,
    Established,
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    key: u64,
    /// The side that spoke first.
    opener: IpAddr,
    other: IpAddr,
    opener_port: u16,
    other_port: u16,
    other_spoke: bool,
    stage: Stage,
    first_ns: i64,
    last_ns: i64,
    established_ns: i64,
    opener_bytes: u64,
    other_bytes: u64,
    requests: u32,
    hello: bool,
    hello_only: bool,
    incomplete: bool,
    tiny_windows: u8,
    /// Of the packet that opened it.
    origin: Origin,
}

const EMPTY: Flow = Flow {
    key: 0,
    opener: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    other: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    opener_port: 0,
    other_port: 0,
    other_spoke: false,
    stage: Stage::Other,
    first_ns: 0,
    last_ns: i64::MIN / 2,
    established_ns: 0,
    opener_bytes: 0,
    other_bytes: 0,
    requests: 0,
    hello: false,
    hello_only: false,
    incomplete: false,
    tiny_windows: 0,
    origin: Origin::Normal,
};

#[derive(Clone, Copy, Debug)]
struct Deadline {
    due_ns: i64,
    slot: usize,
    key: u64,
}

/// What happened to a connection, and whose it is.
pub(crate) type Event = (Connection, Origin);

/// The table. Times are nanoseconds from the start of the episode.
#[derive(Debug)]
pub(crate) struct FlowTable {
    start: Timestamp,
    flows: Vec<Flow>,
    half_open: VecDeque<Deadline>,
    slow: VecDeque<Deadline>,
    idle: VecDeque<Deadline>,
    /// Events of the last call.
    events: Vec<Event>,
}

impl FlowTable {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self {
            start,
            flows: vec![EMPTY; BUCKETS * WAYS],
            half_open: VecDeque::new(),
            slow: VecDeque::new(),
            idle: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// Events that the deadlines up to now bring.
    pub(crate) fn expire(&mut self, now_ns: i64) -> &[Event] {
        self.events.clear();
        while let Some(d) = due(&mut self.half_open, now_ns) {
            self.fire(d, ConnectionEvent::HalfOpenExpired, |f| {
                matches!(f.stage, Stage::Opening | Stage::Answered)
            });
        }
        while let Some(d) = due(&mut self.slow, now_ns) {
            self.fire(d, ConnectionEvent::SlowRequest, |f| f.stage == Stage::Established && f.incomplete);
        }
        while let Some(d) = due(&mut self.idle, now_ns) {
            self.fire(d, ConnectionEvent::Idle, |f| f.stage == Stage::Established && f.opener_bytes == 0);
        }
        self.events.sort_by_key(|(e, _)| e.time);
        &self.events
    }

    fn fire(&mut self, d: Deadline, event: ConnectionEvent, holds: impl Fn(&Flow) -> bool) {
        let flow = &mut self.flows[d.slot];
        if flow.key != d.key || !holds(flow) {
            return;
        }
        let told = connection(self.start, flow, event, d.due_ns);
        if event == ConnectionEvent::HalfOpenExpired {
            flow.stage = Stage::Over;
        }
        self.events.push(told);
    }

    /// Notes a packet: what was known of its flow before, and the events that it causes.
    pub(crate) fn note(&mut self, p: &Packet<'_>, origin: Origin, now_ns: i64) -> (FlowState, &[Event]) {
        self.events.clear();
        if p.fragment == Fragment::Later {
            return (FlowState::Unknown, &self.events);
        }
        let key = key_of(p);
        let (slot, is_new) = self.slot(key, now_ns);
        let flow = &mut self.flows[slot];
        if is_new {
            *flow = Flow {
                key,
                opener: p.source,
                other: p.destination,
                opener_port: p.source_port,
                other_port: p.destination_port,
                first_ns: now_ns,
                origin,
                ..EMPTY
            };
        }
        let by_opener = p.source == flow.opener && p.source_port == flow.opener_port;
        let state = match (is_new, by_opener, flow.other_spoke) {
            (true, ..) => FlowState::New,
            (_, true, true) => FlowState::Asking,
            (_, true, false) => FlowState::OneWay,
            (_, false, _) => FlowState::Answering,
        };
        flow.other_spoke |= !by_opener;
        flow.last_ns = now_ns;
        if by_opener {
            flow.opener_bytes += u64::from(p.payload_bytes);
        } else {
            flow.other_bytes += u64::from(p.payload_bytes);
        }
        if p.protocol == protocol::TCP {
            self.tcp(slot, p, by_opener, now_ns);
        }
        (state, &self.events)
    }

    /// The slot of a flow, or the one to overwrite for it.
    fn slot(&self, key: u64, now_ns: i64) -> (usize, bool) {
        let first = (key as usize % BUCKETS) * WAYS;
        let mut stalest = first;
        for slot in first..first + WAYS {
            let flow = &self.flows[slot];
            if flow.key == key && now_ns - flow.last_ns < FORGET_NS {
                return (slot, false);
            }
            if flow.last_ns < self.flows[stalest].last_ns {
                stalest = slot;
            }
        }
        (stalest, true)
    }

    fn tcp(&mut self, slot: usize, p: &Packet<'_>, by_opener: bool, now_ns: i64) {
        let deadline = |after_ns: i64, key: u64| Deadline { due_ns: now_ns + after_ns, slot, key };
        let flow = &mut self.flows[slot];
        let key = flow.key;
        let is_syn = p.tcp_flags & tcp_flags::SYN != 0;
        let is_ack = p.tcp_flags & tcp_flags::ACK != 0;
        match flow.stage {
            Stage::Other if is_syn && !is_ack && by_opener => {
                flow.stage = Stage::Opening;
                self.half_open.push_back(deadline(HALF_OPEN_NS, key));
            }
            Stage::Opening if !by_opener && p.tcp_flags & tcp_flags::RST != 0 => {
                flow.stage = Stage::Over;
                self.events.push(connection(self.start, flow, ConnectionEvent::Refused, now_ns));
            }
            Stage::Opening if !by_opener && is_syn && is_ack => flow.stage = Stage::Answered,
            Stage::Answered if by_opener && is_ack && !is_syn => {
                flow.stage = Stage::Established;
                let told = connection(self.start, flow, ConnectionEvent::Established, now_ns);
                flow.established_ns = now_ns;
                self.events.push(told);
                self.slow.push_back(deadline(SLOW_REQUEST_NS, key));
                self.idle.push_back(deadline(IDLE_NS, key));
            }
            _ => {}
        }
        if self.flows[slot].stage == Stage::Established {
            self.established(slot, p, by_opener, now_ns);
        }
    }

    fn established(&mut self, slot: usize, p: &Packet<'_>, by_opener: bool, now_ns: i64) {
        let start = self.start;
        let flow = &mut self.flows[slot];
        if by_opener && !p.payload.is_empty() {
            if p.payload[0] == 0x16 && !flow.hello {
                flow.hello = true;
                flow.hello_only = true;
                self.events.push(connection(start, flow, ConnectionEvent::TlsHello, now_ns));
            } else if p.payload[0] == 0x17 || p.payload.ends_with(b"\r\n\r\n") {
                flow.requests += 1;
                flow.hello_only = false;
                flow.incomplete = false;
            } else if flow.requests == 0 && (p.payload.starts_with(b"GET ") || p.payload.starts_with(b"POST"))
            {
                flow.incomplete = true;
            }
        }
        if by_opener
            && flow.other_bytes > 0
            && p.tcp_window < TINY_WINDOW
            && p.tcp_flags & (tcp_flags::FIN | tcp_flags::RST) == 0
        {
            flow.tiny_windows = flow.tiny_windows.saturating_add(1);
            if flow.tiny_windows == 3 {
                self.events.push(connection(start, flow, ConnectionEvent::SlowRead, now_ns));
            }
        }
        if p.tcp_flags & (tcp_flags::FIN | tcp_flags::RST) != 0 {
            flow.stage = Stage::Over;
            if flow.hello_only {
                self.events.push(connection(start, flow, ConnectionEvent::TlsAbandoned, now_ns));
            }
            self.events.push(connection(start, flow, ConnectionEvent::Closed, now_ns));
        }
    }
}

fn due(queue: &mut VecDeque<Deadline>, now_ns: i64) -> Option<Deadline> {
    if queue.front()?.due_ns > now_ns {
        return None;
    }
    queue.pop_front()
}

fn connection(start: Timestamp, flow: &Flow, event: ConnectionEvent, at_ns: i64) -> Event {
    let since_ns = if flow.established_ns > 0 { flow.established_ns } else { flow.first_ns };
    let told = Connection {
        time: start.plus_ns(at_ns),
        event,
        client: flow.opener,
        server: flow.other,
        client_port: flow.opener_port,
        server_port: flow.other_port,
        client_bytes: flow.opener_bytes,
        server_bytes: flow.other_bytes,
        duration_us: ((at_ns - since_ns) / 1_000) as u64,
        requests: flow.requests,
        ja4: if flow.hello { 0x11A4 } else { 0 },
    };
    (told, flow.origin)
}

/// The same for both directions.
fn key_of(p: &Packet<'_>) -> u64 {
    let a = hash::combine(hash::address(p.source), u64::from(p.source_port));
    let b = hash::combine(hash::address(p.destination), u64::from(p.destination_port));
    hash::combine(a.min(b), a.max(b) ^ u64::from(p.protocol)) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::flood::blank;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

    fn segment(by_client: bool, flags: u8, payload: &'static [u8]) -> Packet<'static> {
        let mut p = if by_client { blank(CLIENT, SERVER) } else { blank(SERVER, CLIENT) };
        (p.source_port, p.destination_port) = if by_client { (40_000, 80) } else { (80, 40_000) };
        p.protocol = protocol::TCP;
        p.tcp_flags = flags;
        p.tcp_window = 500;
        p.payload = payload;
        p.payload_bytes = payload.len() as u32;
        p
    }

    fn play(packets: &[(bool, u8, &'static [u8])]) -> (FlowTable, Vec<FlowState>, Vec<ConnectionEvent>) {
        let mut table = FlowTable::new(Timestamp(0));
        let (mut states, mut events) = (Vec::new(), Vec::new());
        for (i, (by_client, flags, payload)) in packets.iter().enumerate() {
            let p = segment(*by_client, *flags, payload);
            let (state, told) = table.note(&p, Origin::Normal, i as i64);
            states.push(state);
            events.extend(told.iter().map(|(c, _)| c.event));
        }
        (table, states, events)
    }

    const HANDSHAKE: [(bool, u8, &[u8]); 3] = [
        (true, tcp_flags::SYN, b""),
        (false, tcp_flags::SYN | tcp_flags::ACK, b""),
        (true, tcp_flags::ACK, b""),
    ];

    #[test]
    fn a_handshake_is_seen_as_it_happens() {
        let (_, states, events) = play(&HANDSHAKE);
        assert_eq!(states, [FlowState::New, FlowState::Answering, FlowState::Asking]);
        assert_eq!(events, [ConnectionEvent::Established]);
    }

    #[test]
    fn a_syn_without_answer_expires_half_open() {
        let (mut table, states, events) = play(&HANDSHAKE[..1]);
        assert_eq!(states, [FlowState::New]);
        assert!(events.is_empty());
        assert!(table.expire(HALF_OPEN_NS - 1).is_empty());
        let told: Vec<ConnectionEvent> = table.expire(HALF_OPEN_NS).iter().map(|(c, _)| c.event).collect();
        assert_eq!(told, [ConnectionEvent::HalfOpenExpired]);
        assert!(table.expire(i64::MAX / 2).is_empty());
    }

    #[test]
    fn an_unfinished_request_is_slow_and_a_silent_connection_idle() {
        let mut packets = HANDSHAKE.to_vec();
        packets.push((true, tcp_flags::ACK, b"GET / HTTP/1.1\r\n"));
        let (mut table, _, _) = play(&packets);
        let told: Vec<ConnectionEvent> = table.expire(i64::MAX / 2).iter().map(|(c, _)| c.event).collect();
        assert_eq!(told, [ConnectionEvent::SlowRequest]);
        let (mut table, _, _) = play(&HANDSHAKE);
        let told: Vec<ConnectionEvent> = table.expire(i64::MAX / 2).iter().map(|(c, _)| c.event).collect();
        assert_eq!(told, [ConnectionEvent::Idle]);
    }

    #[test]
    fn a_hello_without_more_is_abandoned() {
        let mut packets = HANDSHAKE.to_vec();
        packets.push((true, tcp_flags::ACK, &[0x16, 3, 1]));
        packets.push((true, tcp_flags::RST, b""));
        let (_, _, events) = play(&packets);
        let expected = [
            ConnectionEvent::Established,
            ConnectionEvent::TlsHello,
            ConnectionEvent::TlsAbandoned,
            ConnectionEvent::Closed,
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn a_refusal_is_told_once() {
        let (mut table, _, events) =
            play(&[(true, tcp_flags::SYN, b""), (false, tcp_flags::RST | tcp_flags::ACK, b"")]);
        assert_eq!(events, [ConnectionEvent::Refused]);
        assert!(table.expire(i64::MAX / 2).is_empty());
    }
}
