//! A packet scene and the loop that plays it.

use super::flood::Flood;
use super::inside;
use super::table::FlowTable;
use super::talk::{Conversation, Talk};
use crate::episode::{MAX_OBSERVATIONS, Origin};
use crate::rng::Rng;
use crate::world::{Agenda, Envelope, Timing};
use seawall_model::observation::{Connection, Observation, Packet, protocol};
use seawall_model::time::SECOND_NS;

pub(crate) type Sink<'s> = &'s mut dyn FnMut(&Observation<'_>, Origin);

/// Traffic of one kind.
#[derive(Clone, Debug)]
pub struct Stream {
    pub kind: StreamKind,
    pub origin: Origin,
    /// Conversations or flood packets per second at the envelope's peak.
    pub per_s: f64,
    pub envelope: Envelope,
}

/// Conversations or one-sided packets.
#[derive(Clone, Debug)]
pub enum StreamKind {
    Talk(Talk),
    Flood(Flood),
}

/// All there is in a packet episode.
#[derive(Clone, Debug)]
pub struct PacketScene {
    pub seed: u64,
    pub timing: Timing,
    pub streams: Vec<Stream>,
    /// One packet in so many is seen; where it is not 1, no flow table can be kept.
    pub sampling: u32,
    /// Only packets towards the protected side are seen.
    pub inbound_only: bool,
    /// Share of packets that the network loses after the capture point, which come again.
    pub loss: Envelope,
}

impl PacketScene {
    pub(crate) fn play(&self, sink: Sink<'_>) {
        World::new(self).run(sink);
    }

    /// A scene without loss, seen whole.
    #[must_use]
    pub fn new(seed: u64, timing: Timing, streams: Vec<Stream>) -> Self {
        let loss = Envelope::Step { from_s: 0.0, to_s: 0.0, inside: 0.0, outside: 0.0 };
        Self { seed, timing, streams, sampling: 1, inbound_only: false, loss }
    }
}

/// A packet on its way, with what the scene needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) packet: Packet<'static>,
    pub(crate) origin: Origin,
    /// Towards the protected side.
    pub(crate) inbound: bool,
    /// Its rate is that of the sampled packets already.
    pub(crate) thinned: bool,
}

pub(crate) struct World<'a> {
    pub(crate) scene: &'a PacketScene,
    pub(crate) rng: Rng,
    table: FlowTable,
    agenda: Agenda,
    conversations: Vec<Conversation>,
    free: Vec<u32>,
    pending: Vec<Sent>,
    free_pending: Vec<u32>,
    emitted: u64,
}

/// Time played before the episode and not seen: captures begin in the middle of conversations.
const WARM_UP_NS: i64 = 20 * SECOND_NS;

/// Actors: streams first, then conversations at even and pending packets at odd numbers.
const FIRST_ACTOR: u32 = 64;

impl<'a> World<'a> {
    fn new(scene: &'a PacketScene) -> Self {
        Self {
            scene,
            rng: Rng::new(scene.seed ^ 0x9AC2_E701),
            table: FlowTable::new(scene.timing.start),
            agenda: Agenda::default(),
            conversations: Vec::new(),
            free: Vec::new(),
            pending: Vec::new(),
            free_pending: Vec::new(),
            emitted: 0,
        }
    }

    fn run(&mut self, sink: Sink<'_>) {
        for i in 0..self.scene.streams.len() as u32 {
            self.schedule(i, -WARM_UP_NS);
        }
        let stop_ns = (self.scene.timing.length_s * SECOND_NS as f64) as i64;
        while let Some((at_ns, id)) = self.agenda.next() {
            if at_ns >= stop_ns || self.emitted >= MAX_OBSERVATIONS {
                break;
            }
            if id < FIRST_ACTOR {
                self.next_of_stream(id, at_ns, sink);
            } else if (id - FIRST_ACTOR).is_multiple_of(2) {
                self.continue_conversation((id - FIRST_ACTOR) / 2, at_ns, sink);
            } else {
                let slot = (id - FIRST_ACTOR) / 2;
                self.free_pending.push(slot);
                let sent = self.pending[slot as usize];
                self.emit(sent, at_ns, sink);
            }
        }
    }

    /// Puts the stream's next start on the agenda.
    fn schedule(&mut self, stream: u32, after_ns: i64) {
        let s = &self.scene.streams[stream as usize];
        let until_s = self.scene.timing.length_s;
        if let Some(at_ns) = s.envelope.next_event_ns(after_ns, s.per_s, until_s, &mut self.rng) {
            self.agenda.enter(at_ns, stream);
        }
    }

    fn next_of_stream(&mut self, stream: u32, at_ns: i64, sink: Sink<'_>) {
        let s = &self.scene.streams[stream as usize];
        match &s.kind {
            StreamKind::Flood(flood) => self.flood(flood, s.origin, at_ns, sink),
            StreamKind::Talk(talk) => {
                let conversation = talk.begin(stream as u16, &mut self.rng);
                let slot = match self.free.pop() {
                    Some(slot) => {
                        self.conversations[slot as usize] = conversation;
                        slot
                    }
                    None => {
                        self.conversations.push(conversation);
                        self.conversations.len() as u32 - 1
                    }
                };
                self.agenda.enter(at_ns, FIRST_ACTOR + slot * 2);
            }
        }
        self.schedule(stream, at_ns);
    }

    fn continue_conversation(&mut self, slot: u32, at_ns: i64, sink: Sink<'_>) {
        let mut c = self.conversations[slot as usize];
        let s = &self.scene.streams[usize::from(c.stream)];
        let StreamKind::Talk(talk) = &s.kind else { return };
        let (packet, gap_ns) = talk.step(&mut c, &mut self.rng);
        self.conversations[slot as usize] = c;
        if let Some((packet, inbound)) = packet {
            let origin = if s.origin == Origin::Unwanted && !inbound { Origin::Caused } else { s.origin };
            let sent = Sent { packet, origin, inbound, thinned: false };
            self.emit(sent, at_ns, sink);
            let lost = self.scene.loss.at(at_ns as f64 / SECOND_NS as f64);
            if lost > 0.0 && packet.protocol == protocol::TCP && self.rng.chance(lost) {
                // sent again after a time-out
                let wait_ns = self.rng.between(200_000_000, 300_000_000) as i64;
                let again = Packet { repeats: packet.payload_bytes > 0, ..packet };
                self.later(Sent { packet: again, ..sent }, at_ns + wait_ns);
            }
        }
        match gap_ns {
            Some(gap_ns) => self.agenda.enter(at_ns + gap_ns, FIRST_ACTOR + slot * 2),
            None => self.free.push(slot),
        }
    }

    /// Sends a packet at a later time.
    pub(crate) fn later(&mut self, sent: Sent, at_ns: i64) {
        let slot = match self.free_pending.pop() {
            Some(slot) => {
                self.pending[slot as usize] = sent;
                slot
            }
            None => {
                self.pending.push(sent);
                self.pending.len() as u32 - 1
            }
        };
        self.agenda.enter(at_ns, FIRST_ACTOR + slot * 2 + 1);
    }

    /// Tells the sink a packet, with what the flow table knows, and what follows from it.
    pub(crate) fn emit(&mut self, sent: Sent, at_ns: i64, sink: Sink<'_>) {
        let sampling = self.scene.sampling;
        if at_ns < 0
            || self.scene.inbound_only && !sent.inbound
            || sampling > 1 && !sent.thinned && self.rng.below(u64::from(sampling)) > 0
        {
            return;
        }
        let mut packet = sent.packet;
        packet.time = self.scene.timing.start.plus_ns(at_ns);
        packet.sampling = sampling;
        if sampling > 1 {
            sink(&Observation::Packet(packet), sent.origin);
            self.emitted += 1;
            return;
        }
        for (event, origin) in self.table.expire(at_ns) {
            // deadlines passed a little before; told now, as a sensor would
            sink(&Observation::Connection(Connection { time: packet.time, ..*event }), *origin);
            self.emitted += 1;
        }
        let (flow, events) = self.table.note(&packet, sent.origin, at_ns);
        packet.flow = flow;
        sink(&Observation::Packet(packet), sent.origin);
        self.emitted += 1;
        for (event, origin) in events {
            sink(&Observation::Connection(*event), *origin);
            self.emitted += 1;
        }
        if let Some(inside) = inside::message_of(&packet) {
            sink(&inside, sent.origin);
            self.emitted += 1;
        }
    }
}
