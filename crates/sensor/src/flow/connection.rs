//! One TCP connection that both sides agreed on, or that was already under way.

use super::Sink;
use super::dns::Queries;
use super::half_open::HalfOpen;
use super::http::{Arrival, SLOW_AFTER_NS};
use super::key::{Flow, Key, address};
use super::sequence::Sequence;
use super::speech::{Context, News, Speech};
use super::stream::{Budget, Segment, Stream};
use seawall_model::Timestamp;
use seawall_model::observation::{Connection as Told, ConnectionEvent, FlowState, Observation, tcp_flags};
use seawall_model::time::SECOND_NS;
use seawall_wire::packet::frame::Frame;
use std::net::IpAddr;

const IDLE_AFTER_NS: i64 = 10 * SECOND_NS;
/// A window below this holds not even the smallest segment that every host takes (RFC 9293
/// section 3.7.1).
const TINY_WINDOW_BYTES: u32 = 536;
/// A client that says less than this, unanswered, sends a request crumb by crumb.
const TRICKLE_BYTES_PER_S: u32 = 200;
/// A connection silent for so long may be replaced by a new one of the same ports.
const STALE_NS: i64 = 5 * SECOND_NS;

/// One connection.
pub(super) struct Connection {
    pub key: Key,
    pub hash: u64,
    client_upward: bool,
    /// Its handshake was seen.
    pub handshake: bool,
    pub closed: bool,
    /// Looked after by the table's queue of checks.
    pub watched: bool,
    first_upward: bool,
    both: bool,
    finished: [bool; 2],
    /// The server's side has reset it.
    reset: bool,
    told: [bool; 4],
    client_scale: u8,
    opened: Timestamp,
    established: Timestamp,
    last: Timestamp,
    tiny_since: Option<Timestamp>,
    /// What the client said since the server last said anything.
    crumbs: Crumbs,
    /// The packet at hand carries what its sender had sent before.
    repeated: bool,
    bytes: [u64; 2],
    /// Between which numbers the client has said that it heard the server.
    heard: Option<(u32, u32)>,
    /// By direction, upward first.
    sent: [Sequence; 2],
    streams: [Stream; 2],
    speech: Speech,
}

/// What one side says while the other says nothing.
#[derive(Clone, Copy, Default)]
struct Crumbs {
    segments: u32,
    bytes: u32,
    first: Timestamp,
    last: Timestamp,
}

impl Crumbs {
    fn hear(&mut self, from_client: bool, bytes: u32, time: Timestamp) {
        if !from_client {
            *self = Self::default();
            return;
        }
        if self.segments == 0 {
            self.first = time;
        }
        self.segments = self.segments.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.last = time;
    }

    /// A long poll says all at once and waits; an upload says much.
    fn are_trickle(&self) -> bool {
        let lasted_ns = self.last.since_ns(self.first);
        let seconds = (lasted_ns / SECOND_NS).max(0) as u32;
        self.segments >= 3
            && lasted_ns >= SLOW_AFTER_NS
            && self.bytes < seconds.saturating_mul(TRICKLE_BYTES_PER_S)
    }
}

/// Ports on which every request has an answer.
fn is_https_port(port: u16) -> bool {
    matches!(port, 443 | 8443)
}

/// What a table lends a connection while it reads a packet.
pub(super) struct Means<'m, S> {
    pub budget: &'m Budget,
    pub queries: &'m mut Queries,
    pub sink: &'m mut S,
}

impl Connection {
    /// A connection whose handshake was completed by this packet.
    pub(super) fn completed(open: &HalfOpen, frame: &Frame<'_>, from_client: bool) -> Self {
        let mut connection = Self::new(open.key, open.hash, open.client_upward, frame.packet.time);
        connection.handshake = true;
        connection.opened = open.time;
        connection.client_scale = open.client_scale;
        connection.first_upward = open.client_upward;
        connection.both = open.answered || !from_client;
        connection.streams[0].start(open.sequence.wrapping_add(1));
        if from_client {
            connection.streams[1].start(frame.acknowledgement);
        }
        connection
    }

    /// A connection found under way; the packet's sender is its client or not.
    pub(super) fn picked_up(
        flow: &Flow,
        key: Key,
        time: Timestamp,
        from_client: bool,
        state: FlowState,
    ) -> Self {
        let client_upward = flow.upward == from_client;
        let mut connection = Self::new(key, flow.hash, client_upward, time);
        connection.both = matches!(state, FlowState::Asking | FlowState::Answering);
        connection.first_upward = flow.upward != (state == FlowState::Answering);
        connection
    }

    fn new(key: Key, hash: u64, client_upward: bool, time: Timestamp) -> Self {
        Self {
            key,
            hash,
            client_upward,
            handshake: false,
            closed: false,
            watched: false,
            first_upward: client_upward,
            both: false,
            finished: [false; 2],
            reset: false,
            told: [false; 4],
            client_scale: 0,
            opened: time,
            established: time,
            last: time,
            tiny_since: None,
            crumbs: Crumbs::default(),
            repeated: false,
            bytes: [0; 2],
            heard: None,
            sent: Default::default(),
            streams: Default::default(),
            speech: Speech::default(),
        }
    }

    /// Has memory fetched that the next packet will need.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        self.bytes[0]
            ^ self.last.0 as u64
            ^ self.crumbs.first.0 as u64
            ^ u64::from(self.key.low_port)
            ^ u64::from(self.closed)
            ^ self.sent[0].peek()
            ^ self.sent[1].peek()
            ^ self.streams[0].peek()
            ^ self.streams[1].peek()
            ^ self.speech.ja4
    }

    /// The same of what is said.
    #[inline]
    pub(super) fn peek_speech(&self) -> u64 {
        self.speech.peek()
    }

    /// What is known of the flow for a packet in this direction.
    pub(super) fn state(&mut self, upward: bool) -> FlowState {
        let by_first = upward == self.first_upward;
        self.both |= !by_first;
        match (self.both, by_first) {
            (false, _) => FlowState::OneWay,
            (true, true) => FlowState::Asking,
            (true, false) => FlowState::Answering,
        }
    }

    /// Whether a packet carries what its sender had sent before.
    #[inline]
    pub(super) fn repeats(&mut self, frame: &Frame<'_>, flow: &Flow) -> bool {
        let packet = &frame.packet;
        self.repeated = packet.payload_bytes > 0
            && self.sent[usize::from(!flow.upward)].sent_before(
                frame.sequence,
                packet.payload_bytes,
                packet.time,
            );
        self.repeated
    }

    /// Whether this direction spoke first.
    pub(super) fn is_first(&self, upward: bool) -> bool {
        upward == self.first_upward
    }

    /// Whether a new connection may take the place of this one.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        self.closed || now.since_ns(self.last) > STALE_NS
    }

    /// Whether it must be looked at again though no packet comes.
    pub(super) fn needs_watch(&self, now: Timestamp) -> bool {
        let young = self.handshake && now.since_ns(self.established) <= IDLE_AFTER_NS;
        !self.closed && (young || self.tiny_since.is_some() || self.speech.is_waiting())
    }

    /// An event of this connection.
    pub(super) fn event(&self, event: ConnectionEvent, time: Timestamp) -> Observation<'static> {
        let (client, client_port, server, server_port) = self.ends();
        Observation::Connection(Told {
            time,
            event,
            client,
            server,
            client_port,
            server_port,
            client_bytes: self.bytes[0],
            server_bytes: self.server_bytes(),
            duration_us: time.since_ns(self.opened).max(0) as u64 / 1_000,
            requests: self.speech.requests,
            ja4: self.speech.ja4,
        })
    }

    /// Reads a packet of this connection.
    pub(super) fn packet(&mut self, frame: &Frame<'_>, flow: &Flow, means: &mut Means<'_, impl Sink>) {
        let packet = &frame.packet;
        let from_client = flow.upward == self.client_upward;
        let direction = usize::from(!from_client);
        self.last = self.last.max(packet.time);
        self.bytes[direction] += u64::from(packet.payload_bytes);
        if from_client {
            self.note_window(frame);
            self.note_heard(frame);
        }
        if packet.payload_bytes > 0 && !self.closed && !self.speech.is_over() {
            self.listen(frame, from_client, means);
        }
        if packet.payload_bytes > 0 && !self.repeated && self.handshake && !self.closed {
            self.crumbs.hear(from_client, packet.payload_bytes, packet.time);
            if self.speech.ja4 != 0 && self.bytes[1] > 0 && is_https_port(self.ends().3) {
                self.tell_trickle(packet.time, means.sink);
            }
        }
        self.note_reset(frame, from_client, means.sink);
        if packet.tcp_flags & (tcp_flags::FIN | tcp_flags::RST) == 0 {
            return;
        }
        self.finished[direction] |= packet.tcp_flags & tcp_flags::FIN != 0;
        // Of a connection of which one direction was captured, the client's word is the last.
        let ended = self.finished == [true; 2] || self.finished[0] && !self.both;
        if packet.tcp_flags & tcp_flags::RST != 0 || ended {
            self.close(packet.time, means.budget, means.sink);
        }
    }

    /// Tells what has come due by `now`.
    pub(super) fn check(&mut self, now: Timestamp, budget: &Budget, sink: &mut impl Sink) {
        let age_ns = now.since_ns(self.established);
        if self.closed {
            return;
        }
        if self.handshake && age_ns >= SLOW_AFTER_NS && self.speech.is_slow(now, age_ns) {
            self.tell_once(0, ConnectionEvent::SlowRequest, now, sink);
        }
        if self.handshake && age_ns >= IDLE_AFTER_NS && self.bytes[0] == 0 {
            self.tell_once(1, ConnectionEvent::Idle, now, sink);
        }
        let starved = self.tiny_since.is_some_and(|since| now.since_ns(since) >= SLOW_AFTER_NS);
        if starved && self.bytes[1] > 0 {
            self.tell_once(2, ConnectionEvent::SlowRead, now, sink);
        }
        let at = self.arrival(now);
        self.speech.check(at, budget, sink);
    }

    /// The connection has ended, by its own word or because its place is needed.
    pub(super) fn close(&mut self, time: Timestamp, budget: &Budget, sink: &mut impl Sink) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.flush(time, budget, sink);
        if self.handshake {
            sink.observe(&self.event(ConnectionEvent::Closed, time));
        }
        if self.speech.ja4 != 0 && !self.speech.application_data {
            let refused = self.speech.is_refused;
            let event =
                if refused { ConnectionEvent::CertificateRefused } else { ConnectionEvent::TlsAbandoned };
            sink.observe(&self.event(event, time));
        }
    }

    /// Tells of requests not told yet and frees what is held.
    pub(super) fn flush(&mut self, time: Timestamp, budget: &Budget, sink: &mut impl Sink) {
        let at = self.arrival(time);
        self.speech.end(at, budget, sink);
        self.streams.iter_mut().for_each(|stream| stream.forget(budget));
    }

    fn ends(&self) -> (IpAddr, u16, IpAddr, u16) {
        let (low, high) = (address(self.key.low), address(self.key.high));
        let (low_port, high_port) = (self.key.low_port, self.key.high_port);
        if self.client_upward { (low, low_port, high, high_port) } else { (high, high_port, low, low_port) }
    }

    /// What the server said. Where only the client's direction was captured, what the client heard of it.
    fn server_bytes(&self) -> u64 {
        let heard = self.heard.filter(|_| !self.both).map_or(0, |(first, last)| last.wrapping_sub(first));
        self.bytes[1].max(u64::from(heard))
    }

    fn note_heard(&mut self, frame: &Frame<'_>) {
        /// Numbers that lie further behind are older ones that come late.
        const BEHIND: u32 = 1 << 31;
        let flags = frame.packet.tcp_flags;
        if flags & tcp_flags::ACK == 0 || flags & tcp_flags::RST != 0 {
            return;
        }
        let number = frame.acknowledgement;
        let (first, last) = self.heard.unwrap_or((number, number));
        let is_news = number.wrapping_sub(last) < BEHIND;
        self.heard = Some((first, if is_news { number } else { last }));
    }

    fn arrival(&self, time: Timestamp) -> Arrival<'static> {
        Arrival { time, client: self.ends().0, bytes: b"" }
    }

    fn note_window(&mut self, frame: &Frame<'_>) {
        let flags = frame.packet.tcp_flags;
        if flags & (tcp_flags::SYN | tcp_flags::RST | tcp_flags::FIN) != 0 {
            return;
        }
        // Of a connection picked up the scale is not known; a window of zero is tiny at any.
        let limit = if self.handshake { TINY_WINDOW_BYTES } else { 1 };
        let tiny = u32::from(frame.packet.tcp_window) << self.client_scale < limit;
        self.tiny_since = tiny.then_some(self.tiny_since.unwrap_or(frame.packet.time));
    }

    fn listen(&mut self, frame: &Frame<'_>, from_client: bool, means: &mut Means<'_, impl Sink>) {
        let packet = &frame.packet;
        let (client, _, _, server_port) = self.ends();
        let patient = self.handshake && self.speech.is_patient(from_client);
        let Self { streams, speech, .. } = self;
        let mut cx = Context {
            packet,
            from_client,
            client,
            server_port,
            budget: means.budget,
            queries: &mut *means.queries,
            sink: &mut *means.sink,
        };
        let mut news = News::default();
        // A SYN with data counts one before its data.
        let syn = u32::from(packet.tcp_flags & tcp_flags::SYN != 0);
        let segment = Segment {
            sequence: frame.sequence.wrapping_add(syn),
            payload: packet.payload,
            wire_bytes: packet.payload_bytes,
        };
        let stream = &mut streams[usize::from(!from_client)];
        stream.segment(segment, patient, means.budget, &mut |piece| {
            let heard = speech.hear(piece, &mut cx);
            news.hello |= heard.hello;
            news.http2_abuses += heard.http2_abuses;
        });
        if self.speech.is_over() {
            self.streams.iter_mut().for_each(|stream| stream.forget(means.budget));
        }
        if news.hello {
            means.sink.observe(&self.event(ConnectionEvent::TlsHello, packet.time));
        }
        for _ in 0..news.http2_abuses {
            means.sink.observe(&self.event(ConnectionEvent::Http2Abuse, packet.time));
        }
    }

    /// Inside TLS a request that never ends shows as crumbs that the server does not answer.
    fn tell_trickle(&mut self, now: Timestamp, sink: &mut impl Sink) {
        if self.crumbs.are_trickle() {
            self.tell_once(0, ConnectionEvent::SlowRequest, now, sink);
        }
    }

    /// A reset in the server's name is trouble if it was the server's turn to speak, or if the server
    /// knows nothing of it and goes on: then something on the way has sent it.
    fn note_reset(&mut self, frame: &Frame<'_>, from_client: bool, sink: &mut impl Sink) {
        let packet = &frame.packet;
        if from_client || !self.handshake {
            return;
        }
        let goes_on = self.reset && packet.payload_bytes > 0;
        let resets = packet.tcp_flags & tcp_flags::RST != 0;
        if goes_on || resets && !self.closed && self.crumbs.segments > 0 {
            self.tell_once(3, ConnectionEvent::Reset, packet.time, sink);
        }
        self.reset |= resets;
    }

    fn tell_once(&mut self, which: usize, event: ConnectionEvent, now: Timestamp, sink: &mut impl Sink) {
        if !self.told[which] {
            self.told[which] = true;
            sink.observe(&self.event(event, now));
        }
    }
}
