//! The connections of one shard, in a fixed number of places.
//!
//! When all are taken, the place of one that is closed is given away, else of one that was not
//! heard of while the hand went round twice, those without a handshake before those with one (the
//! clock algorithm, F. J. Corbató 1968).

use super::connection::Connection;
use super::index::Index;
use super::key::{Flow, Key};

/// Rounds of the hand that a connection survives unheard of.
const LIVES_PICKED_UP: u8 = 1;
const LIVES_HANDSHAKE: u8 = 2;
/// Places that the hand looks at for one new connection.
const HAND_LIMIT: usize = 64;

struct Place {
    connection: Connection,
    lives: u8,
    /// Counts the connections that this place has held.
    generation: u32,
    used: bool,
}

/// Names a connection for as long as it holds its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub slot: u32,
    generation: u32,
}

/// The connections of one shard.
pub(super) struct Connections {
    places: Vec<Place>,
    free: Vec<u32>,
    index: Index,
    capacity: usize,
    hand: usize,
}

impl Connections {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { places: Vec::new(), free: Vec::new(), index: Index::new(capacity), capacity, hand: 0 }
    }

    #[inline]
    pub(super) fn find(&self, flow: &Flow, key: &Key) -> Option<usize> {
        self.index.find(flow.hash, |slot| self.places[slot].connection.key == *key)
    }

    /// Has memory fetched that a search for this hash will need.
    #[inline]
    pub(super) fn peek(&self, hash: u64) -> u64 {
        self.index.peek(hash)
    }

    /// The same of the connection that the search will find.
    #[inline]
    pub(super) fn peek_place(&self, hash: u64) -> u64 {
        let slot = self.index.likely(hash);
        let place = slot.and_then(|slot| self.places.get(slot));
        place.map_or(0, |place| place.connection.peek() ^ u64::from(place.lives))
    }

    /// The same of what is said on it.
    #[inline]
    pub(super) fn peek_speech(&self, hash: u64) -> u64 {
        let slot = self.index.likely(hash);
        slot.and_then(|slot| self.places.get(slot)).map_or(0, |place| place.connection.peek_speech())
    }

    /// A connection that a packet belongs to.
    #[inline]
    pub(super) fn touch(&mut self, slot: usize) -> &mut Connection {
        let place = &mut self.places[slot];
        place.lives = if place.connection.handshake { LIVES_HANDSHAKE } else { LIVES_PICKED_UP };
        &mut place.connection
    }

    pub(super) fn handle(&self, slot: usize) -> Handle {
        Handle { slot: slot as u32, generation: self.places[slot].generation }
    }

    /// The connection of a handle, unless another has its place by now.
    pub(super) fn get(&mut self, handle: Handle) -> Option<&mut Connection> {
        let place = self.places.get_mut(handle.slot as usize)?;
        (place.used && place.generation == handle.generation).then_some(&mut place.connection)
    }

    /// Every connection.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.places.iter_mut().filter(|place| place.used).map(|place| &mut place.connection)
    }

    /// The place to take for a new connection; a connection still in it is to be closed first.
    pub(super) fn make_room(&mut self) -> Option<usize> {
        if !self.free.is_empty() || self.places.len() < self.capacity {
            return None;
        }
        let mut least = self.hand;
        for _ in 0..HAND_LIMIT {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.places.len();
            let place = &mut self.places[at];
            if place.connection.closed || place.lives == 0 {
                return Some(at);
            }
            place.lives -= 1;
            if self.places[at].lives < self.places[least].lives {
                least = at;
            }
        }
        Some(least)
    }

    /// Adds a connection; there must be room. `None` if it cannot be indexed.
    pub(super) fn insert(&mut self, connection: Connection) -> Option<usize> {
        let slot = match self.free.pop() {
            Some(slot) => slot as usize,
            None if self.places.len() < self.capacity => self.places.len(),
            None => return None,
        };
        let lives = if connection.handshake { LIVES_HANDSHAKE } else { LIVES_PICKED_UP };
        if !self.index.insert(connection.hash, slot) {
            if slot < self.places.len() {
                self.free.push(slot as u32);
            }
            return None;
        }
        if let Some(place) = self.places.get_mut(slot) {
            let generation = place.generation.wrapping_add(1);
            *place = Place { connection, lives, generation, used: true };
        } else {
            self.places.push(Place { connection, lives, generation: 0, used: true });
        }
        Some(slot)
    }

    /// Frees the place of a connection that was closed.
    pub(super) fn remove(&mut self, slot: usize) {
        let place = &mut self.places[slot];
        if place.used {
            place.used = false;
            self.index.remove(place.connection.hash, slot);
            self.free.push(slot as u32);
        }
    }
}
