//! The flow table: which packets belong together, who spoke first, how connections fare.
//!
//! Every part of it is bounded by [`Limits`], whatever the traffic. Time comes from packets.

mod key;
mod pairs;

pub use key::Flow;

use pairs::Pairs;
use seawall_model::Timestamp;
use seawall_model::observation::Observation;
use seawall_wire::packet::frame::Frame;

/// Takes what the flow table tells.
pub trait Sink {
    fn observe(&mut self, observation: &Observation<'_>);
}

/// Sizes of the flow table, all shards together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Flows of which only the direction is remembered, at 16 bytes each.
    pub pairs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pairs: 1 << 20 }
    }
}

/// The flows of one shard.
pub struct Table {
    pairs: Pairs,
}

impl Table {
    /// A table for one of `shards` shards.
    #[must_use]
    pub fn new(limits: &Limits, shards: usize) -> Self {
        Self { pairs: Pairs::new(limits.pairs / shards.max(1)) }
    }

    /// Follows one packet, and tells of it and of what it means for its connection.
    pub fn packet(&mut self, frame: &Frame<'_>, flow: &Flow, sink: &mut impl Sink) {
        let mut packet = frame.packet;
        packet.flow = self.pairs.see(flow, packet.time);
        sink.observe(&Observation::Packet(packet));
    }

    /// Tells what has come due by `now`.
    pub fn advance(&mut self, _now: Timestamp, _sink: &mut impl Sink) {}

    /// The input has ended: tells what is still due.
    pub fn finish(&mut self, _sink: &mut impl Sink) {}

    /// Names and counts of what was odd in the streams.
    pub fn oddities(&self, _count: &mut dyn FnMut(&'static str, u64)) {}
}
