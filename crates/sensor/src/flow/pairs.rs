//! Who spoke first: the direction of flows, at 16 bytes each.
//!
//! A table of small buckets. A new flow in a full bucket takes the place of the one that was
//! silent longest, of those with one speaker before those with two, so that a flood of sources
//! that get no answer does not push out conversations.

use super::Flow;
use super::half_open::HalfOpen;
use seawall_model::Timestamp;
use seawall_model::observation::FlowState;

const WAYS: usize = 4;
/// Silence after which a flow is forgotten, in units of [`UNIT_BITS`] (about 120 seconds).
const FORGET_UNITS: u32 = 894;
/// Time is kept in units of 2^27 nanoseconds, about 0.13 seconds.
const UNIT_BITS: u32 = 27;

/// One flow: who has spoken.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// Hash of the flow; 0: free.
    tag: u64,
    last: u32,
    first_upward: bool,
    both: bool,
}

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([Entry; WAYS]);

/// The directions of the flows of one shard.
pub(super) struct Pairs {
    buckets: Vec<Bucket>,
}

impl Pairs {
    /// Room for about `capacity` flows.
    pub(super) fn new(capacity: usize) -> Self {
        let count = (capacity / WAYS).next_power_of_two().max(1);
        Self { buckets: vec![Bucket::default(); count] }
    }

    /// Has memory fetched that this hash will need.
    #[inline]
    pub(super) fn peek(&self, hash: u64) -> u64 {
        let mask = self.buckets.len() - 1;
        self.buckets[(hash >> 24) as usize & mask].0[0].tag & 1
    }

    /// Notes a packet and tells what was known of its flow. One that only `refuses` is an answer,
    /// and makes no conversation.
    #[inline]
    pub(super) fn see(&mut self, flow: &Flow, time: Timestamp, refuses: bool) -> FlowState {
        let now = (time.0 >> UNIT_BITS) as u32;
        let tag = flow.hash | 1;
        let bucket = self.bucket(flow.hash);
        let found = bucket.0.iter_mut().find(|entry| entry.tag == tag);
        if let Some(entry) = found
            && now.wrapping_sub(entry.last) as i32 <= FORGET_UNITS as i32
        {
            entry.last = now;
            let by_first = entry.first_upward == flow.upward;
            entry.both |= !by_first && !refuses;
            return match (entry.both, by_first) {
                (false, true) => FlowState::OneWay,
                (true, true) => FlowState::Asking,
                (_, false) => FlowState::Answering,
            };
        }
        let fresh = Entry { tag, last: now, first_upward: flow.upward, both: false };
        *bucket.place(tag, now) = fresh;
        FlowState::New
    }

    /// Notes who has spoken on a connection that is no longer followed.
    pub(super) fn note(&mut self, open: &HalfOpen, time: Timestamp) {
        let last = (time.0 >> UNIT_BITS) as u32;
        let tag = open.hash | 1;
        let entry = Entry { tag, last, first_upward: open.client_upward, both: open.answered };
        *self.bucket(open.hash).place(tag, last) = entry;
    }

    /// What is known of a flow for a packet against its direction, noting nothing.
    pub(super) fn against(&mut self, flow: &Flow) -> FlowState {
        let tag = flow.hash | 1;
        let known = self.bucket(flow.hash).0.iter().find(|entry| entry.tag == tag);
        match known {
            Some(entry) if entry.both && entry.first_upward != flow.upward => FlowState::Asking,
            Some(_) => FlowState::Answering,
            None => FlowState::New,
        }
    }

    #[inline]
    fn bucket(&mut self, hash: u64) -> &mut Bucket {
        let mask = self.buckets.len() - 1;
        &mut self.buckets[(hash >> 24) as usize & mask]
    }
}

impl Bucket {
    /// The entry to overwrite: the flow's own, a free one, or the one that matters least.
    fn place(&mut self, tag: u64, now: u32) -> &mut Entry {
        let worth = |entry: &Entry| {
            let age = now.wrapping_sub(entry.last) as i32;
            match entry {
                entry if entry.tag == tag => (0, 0),
                entry if entry.tag == 0 || age > FORGET_UNITS as i32 => (1, 0),
                entry => (2 + u8::from(entry.both), -age),
            }
        };
        let least = (0..WAYS).min_by_key(|&way| worth(&self.0[way])).unwrap_or(0);
        &mut self.0[least]
    }
}
