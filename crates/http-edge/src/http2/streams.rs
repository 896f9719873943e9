//! The streams of a connection: a table of slots that are used again, and for a while the memory
//! of streams that have ended, because late frames mean different things by how they ended.

use super::frame::Code;
use crate::http1::Refusal;
use std::collections::VecDeque;

/// Window that the protocol begins with (RFC 9113 section 6.9.2), for streams and connections.
pub const WINDOW_BYTES: i64 = 65_535;
/// Ended streams that are remembered.
const REMEMBERED: usize = 128;

/// What has come of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// Nobody waits for the answer any more.
    Gone,
    /// Bytes were handed over.
    Data,
    /// None yet.
    Wait,
    /// That was all.
    End,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides said all that they had to say.
    Whole,
    ResetByClient,
    ResetByUs,
}

/// What an identifier stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Live(usize),
    Idle,
    Closed(Option<Ending>),
}

/// One stream.
#[derive(Debug, Default)]
pub struct Slot {
    /// 0: the slot is free.
    pub id: u32,
    /// Its request has not been taken up yet.
    pub is_new: bool,
    /// The request as text.
    pub head: Vec<u8>,
    /// Why the request is answered, but not carried out.
    pub refusal: Option<Refusal>,
    /// What has come of its body and was not taken.
    pub body: Vec<u8>,
    /// Bytes of the body to come, where it says how many.
    pub left: Option<u64>,
    /// Lines of its trailers.
    pub trailers: Vec<u8>,
    /// The client has said all.
    pub ended: bool,
    /// We have said all.
    pub answered: bool,
    /// It was reset: nobody waits for an answer.
    pub gone: bool,
    /// It was us who reset it.
    pub by_us: bool,
    pub send_window: i64,
    pub recv_window: i64,
    /// Bytes taken whose room the client has not been told of.
    pub owed: u32,
    /// Waits for room to answer.
    pub waits: bool,
    is_woken: bool,
}

#[derive(Debug, Default)]
pub struct Streams {
    slots: Vec<Slot>,
    /// Identifiers by slot, to search through.
    ids: Vec<u32>,
    free: Vec<usize>,
    /// Slots about which something is new.
    woken: Vec<usize>,
    /// Slots that wait for room.
    waiting: usize,
    closed: VecDeque<(u32, Ending)>,
    /// The highest identifier so far.
    pub last: u32,
}

impl Streams {
    /// Streams that take up a slot.
    #[must_use]
    pub fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    #[must_use]
    pub fn slot(&self, at: usize) -> Option<&Slot> {
        self.slots.get(at)
    }

    pub fn slot_mut(&mut self, at: usize) -> Option<&mut Slot> {
        self.slots.get_mut(at)
    }

    #[must_use]
    pub fn place(&self, id: u32) -> Place {
        if id > self.last {
            return Place::Idle;
        }
        match self.ids.iter().position(|own| *own == id) {
            Some(at) => Place::Live(at),
            None => Place::Closed(self.closed.iter().rfind(|(own, _)| *own == id).map(|(_, e)| *e)),
        }
    }

    /// A slot for a new stream.
    pub fn take(&mut self, id: u32, send_window: i64) -> (usize, &mut Slot) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.ids.push(0);
            self.slots.len() - 1
        });
        self.ids[at] = id;
        let Slot { mut head, mut body, mut trailers, is_woken, .. } = std::mem::take(&mut self.slots[at]);
        head.clear();
        body.clear();
        trailers.clear();
        self.slots[at] =
            Slot { id, is_new: true, head, body, trailers, send_window, is_woken, ..Slot::default() };
        self.slots[at].recv_window = WINDOW_BYTES;
        (at, &mut self.slots[at])
    }

    /// Frees a slot; returns how many bytes of its body nobody took.
    pub fn free(&mut self, at: usize, ending: Ending) -> usize {
        let Some(slot) = self.slots.get_mut(at).filter(|s| s.id != 0) else { return 0 };
        let (id, untaken) = (slot.id, slot.body.len());
        slot.id = 0;
        slot.is_new = false;
        slot.body.clear();
        if std::mem::take(&mut slot.waits) {
            self.waiting -= 1;
        }
        self.ids[at] = 0;
        self.free.push(at);
        self.remember(id, ending);
        untaken
    }

    pub fn remember(&mut self, id: u32, ending: Ending) {
        if self.closed.len() == REMEMBERED {
            self.closed.pop_front();
        }
        self.closed.push_back((id, ending));
    }

    pub fn wake(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at)
            && !std::mem::replace(&mut slot.is_woken, true)
        {
            self.woken.push(at);
        }
    }

    pub fn wait_for_room(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at)
            && !std::mem::replace(&mut slot.waits, true)
        {
            self.waiting += 1;
        }
    }

    /// There is room for answers again, of one stream or of all.
    pub fn room(&mut self, only: Option<usize>) {
        if self.waiting == 0 {
            return;
        }
        let range = only.map_or(0..self.slots.len(), |at| at..at + 1);
        for at in range {
            if self.slots.get_mut(at).is_some_and(|s| std::mem::take(&mut s.waits)) {
                self.waiting -= 1;
                self.wake(at);
            }
        }
    }

    /// Moves all that are woken to `into`.
    pub fn take_woken(&mut self, into: &mut Vec<usize>) {
        for at in self.woken.drain(..) {
            self.slots[at].is_woken = false;
            into.push(at);
        }
    }

    /// Changes the window of every stream; an error if one becomes larger than may be.
    pub fn widen(&mut self, by: i64) -> Result<(), Code> {
        for slot in self.slots.iter_mut().filter(|s| s.id != 0) {
            slot.send_window += by;
            if slot.send_window > i64::from(i32::MAX) {
                return Err(Code::FlowControl);
            }
        }
        if by > 0 {
            self.room(None);
        }
        Ok(())
    }

    /// Nobody waits for any answer any more; returns how many requests were never taken up.
    pub fn all_gone(&mut self) -> u64 {
        let mut unserved = 0;
        for at in 0..self.slots.len() {
            if self.slots[at].is_new {
                self.free(at, Ending::ResetByClient);
                unserved += 1;
            } else if self.slots[at].id != 0 {
                self.slots[at].gone = true;
                self.wake(at);
            }
        }
        unserved
    }

    #[must_use]
    pub fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Gives the memory of slots back where none is used.
    pub fn shrink(&mut self) {
        if self.open() == 0 && self.woken.is_empty() {
            (self.slots, self.ids, self.free) = Default::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_and_their_streams_remembered() {
        let mut streams = Streams::default();
        for id in (1..2_001).step_by(2) {
            streams.last = id;
            let (at, slot) = streams.take(id, 10);
            assert_eq!((at, slot.head.len(), slot.body.len()), (0, 0, 0));
            slot.head.push(b'x');
            slot.body.extend_from_slice(b"abc");
            assert_eq!(streams.place(id), Place::Live(0));
            assert_eq!(streams.free(0, Ending::ResetByUs), 3);
            assert_eq!(streams.place(id), Place::Closed(Some(Ending::ResetByUs)));
            assert_eq!(streams.free(0, Ending::Whole), 0, "once is enough");
        }
        assert_eq!((streams.open(), streams.closed.len()), (0, REMEMBERED));
        assert_eq!((streams.place(1), streams.place(2_001)), (Place::Closed(None), Place::Idle));
        streams.shrink();
        assert!(streams.slots.is_empty());
    }

    #[test]
    fn those_that_wait_are_woken_once() {
        let (mut streams, mut woken) = (Streams::default(), Vec::new());
        for n in 0..4 {
            streams.take(2 * n + 1, 0);
        }
        for at in [1, 3, 3] {
            streams.wait_for_room(at);
        }
        streams.room(Some(1));
        streams.room(None);
        streams.wake(3);
        streams.take_woken(&mut woken);
        assert_eq!((woken, streams.waiting), (vec![1, 3], 0));
    }
}
