//! Connections that were opened by a SYN and not yet completed, in a region of their own.
//!
//! A ring in order of arrival: the oldest is given up after the handshake deadline, or earlier
//! when the ring is full. A flood of SYNs therefore turns over this region and nothing else.

use super::index::Index;
use super::key::{Flow, Key, address};
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;
use std::net::IpAddr;

/// A handshake not completed by then has failed.
pub(super) const HANDSHAKE_DEADLINE_NS: i64 = 3 * SECOND_NS;

/// One connection being opened.
#[derive(Clone, Copy)]
pub(super) struct HalfOpen {
    pub key: Key,
    pub hash: u64,
    pub time: Timestamp,
    /// Sequence number of the SYN.
    pub sequence: u32,
    pub client_scale: u8,
    /// The opener is the lower end of the key.
    pub client_upward: bool,
    pub answered: bool,
    live: bool,
}

/// No system sends an opening again before this (RFC 6298 section 2.1 asks for a second).
const RETRY_NS: i64 = SECOND_NS / 2;

impl HalfOpen {
    pub(super) fn new(flow: &Flow, key: Key, time: Timestamp, sequence: u32, client_scale: u8) -> Self {
        Self {
            key,
            hash: flow.hash,
            time,
            sequence,
            client_scale,
            client_upward: flow.upward,
            answered: false,
            live: true,
        }
    }

    /// Whether an opening of this sequence number at `time` is the same one sent again, as systems
    /// do that wait for an answer. Tools that forge openings wait for none.
    pub(super) fn is_sent_again(&self, sequence: u32, time: Timestamp) -> bool {
        !self.answered && sequence == self.sequence && time.since_ns(self.time) >= RETRY_NS
    }

    /// Address and port of the opener and of the other side.
    pub(super) fn ends(&self) -> ((IpAddr, u16), (IpAddr, u16)) {
        let low = (address(self.key.low), self.key.low_port);
        let high = (address(self.key.high), self.key.high_port);
        if self.client_upward { (low, high) } else { (high, low) }
    }
}

/// The connections being opened in one shard.
pub(super) struct Ring {
    entries: Vec<HalfOpen>,
    index: Index,
    capacity: usize,
    /// Numbers of the oldest entry and of the next one to come; slots are these modulo capacity.
    oldest: u64,
    next: u64,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { entries: Vec::new(), index: Index::new(capacity), capacity, oldest: 0, next: 0 }
    }

    #[inline]
    pub(super) fn find(&self, flow: &Flow, key: &Key) -> Option<usize> {
        self.index.find(flow.hash, |slot| self.entries[slot].key == *key)
    }

    /// Has memory fetched that a search for this hash will need.
    #[inline]
    pub(super) fn peek(&self, hash: u64) -> u64 {
        self.index.peek(hash)
    }

    /// The oldest `count` entries, which are given up first.
    #[inline]
    pub(super) fn oldest(&self, count: u64) -> impl Iterator<Item = &HalfOpen> {
        let until = self.next.min(self.oldest + count);
        let slots = (self.oldest..until).map(|number| (number % self.capacity as u64) as usize);
        slots.map(|slot| &self.entries[slot])
    }

    pub(super) fn get(&mut self, slot: usize) -> &mut HalfOpen {
        &mut self.entries[slot]
    }

    /// Whether so many are open that older ones may be given up before their deadline.
    pub(super) fn is_crowded(&self) -> bool {
        (self.next - self.oldest) as usize > self.capacity / 2
    }

    /// Adds a connection, and returns the one given up for it.
    pub(super) fn insert(&mut self, entry: HalfOpen) -> Option<HalfOpen> {
        let full = (self.next - self.oldest) as usize == self.capacity;
        let given_up = if full { self.take_oldest() } else { None };
        let slot = (self.next % self.capacity as u64) as usize;
        self.next += 1;
        let live = self.index.insert(entry.hash, slot);
        let entry = HalfOpen { live, ..entry };
        match self.entries.get_mut(slot) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        given_up
    }

    /// Takes a connection out, completed or refused.
    pub(super) fn remove(&mut self, slot: usize) -> HalfOpen {
        let entry = self.entries[slot];
        self.entries[slot].live = false;
        self.index.remove(entry.hash, slot);
        entry
    }

    /// The oldest connection, if its deadline has passed by `now`.
    #[inline]
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<HalfOpen> {
        while self.oldest < self.next {
            let entry = &self.entries[(self.oldest % self.capacity as u64) as usize];
            if entry.live && now.since_ns(entry.time) < HANDSHAKE_DEADLINE_NS {
                return None;
            }
            if let Some(entry) = self.take_oldest() {
                return Some(entry);
            }
        }
        None
    }

    /// Nothing is due before this instant.
    pub(super) fn next_due(&self) -> Timestamp {
        if self.oldest == self.next {
            return Timestamp::MAX;
        }
        let entry = &self.entries[(self.oldest % self.capacity as u64) as usize];
        entry.time.plus_ns(HANDSHAKE_DEADLINE_NS)
    }

    /// The oldest connection, due or not.
    pub(super) fn take_any(&mut self) -> Option<HalfOpen> {
        while self.oldest < self.next {
            if let Some(entry) = self.take_oldest() {
                return Some(entry);
            }
        }
        None
    }

    fn take_oldest(&mut self) -> Option<HalfOpen> {
        let slot = (self.oldest % self.capacity as u64) as usize;
        self.oldest += 1;
        let live = self.entries[slot].live;
        live.then(|| self.remove(slot))
    }
}
