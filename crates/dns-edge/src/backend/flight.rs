//! Questions that wait for a back end. An answer is taken only if its id, its port, its sender and
//! its question are those of a question that waits.
//!
//! Ids are drawn by the system's random numbers among all that are free. Clients that ask the same
//! at the same time wait for one question: that spares the back ends, and an attacker cannot raise
//! the odds of a forged answer by asking often (the birthday attack of RFC 5452 section 5).

use crate::cache::Asked;
use crate::core::Asker;
use crate::message::{HEADER_BYTES, Key, code, flag};
use crate::random::Random;
use std::collections::BTreeMap;

const IDS: usize = 1 << 16;
/// A question, and a second attempt.
pub const LEGS: usize = 2;

/// One attempt at a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    pub id: u16,
    pub backend: u16,
    /// The port that it left by, as its owner counts them; over TCP the number of the connection, if
    /// it is this question's alone.
    pub socket: u32,
    pub over_tcp: bool,
    pub sent_us: u64,
}

/// A client that waits.
#[derive(Clone, Debug)]
pub struct Waiter {
    pub asker: Asker,
    /// Its query as it came.
    pub message: Box<[u8]>,
    pub asked_us: u64,
}

/// A question on its way.
#[derive(Debug)]
pub struct Flight {
    pub generation: u32,
    pub key: Key,
    pub name_hash: u64,
    pub hash: u64,
    pub asked: Asked,
    pub pool: u16,
    /// The message as it was sent, with any id.
    pub query: Vec<u8>,
    pub question_end: usize,
    pub legs: [Option<Leg>; LEGS],
    pub waiters: Vec<Waiter>,
    /// It has a place in the pool's room for unknown names.
    pub has_room: bool,
    /// Others that ask the same may wait for it, and its answer may be kept.
    pub is_shared: bool,
    /// A second attempt was made, or refused.
    pub is_hedged: bool,
    /// The name is known to exist, by the zone or because it answered before.
    pub is_known: bool,
    /// The back end whose answer was not believed, and its code.
    pub failed_by: Option<(u16, u16)>,
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            generation: 0,
            key: Key::of(&[0]),
            name_hash: 0,
            hash: 0,
            asked: Asked::default(),
            pool: 0,
            query: Vec::new(),
            question_end: 0,
            legs: [None; LEGS],
            waiters: Vec::new(),
            has_room: false,
            is_shared: false,
            is_hedged: false,
            is_known: false,
            failed_by: None,
        }
    }
}

impl Flight {
    /// Whether a message is an answer to this very question.
    #[must_use]
    pub fn is_answer(&self, message: &[u8]) -> bool {
        let question = HEADER_BYTES..self.question_end;
        let flags = message.get(2..4).map_or(0, |f| u16::from_be_bytes([f[0], f[1]]));
        flags & flag::RESPONSE != 0
            && flags & flag::OPCODE == 0
            && message.get(4..6) == Some(&[0, 1])
            && message.get(question.clone()) == self.query.get(question)
    }

    /// The whole of an answer that says no more than that the server could not answer: some leave the question
    /// out then.
    #[must_use]
    pub fn whole_refusal(&self, message: &[u8]) -> Option<Vec<u8>> {
        let header = message.first_chunk::<HEADER_BYTES>()?;
        let flags = u16::from_be_bytes([header[2], header[3]]);
        let is_bare = flags & (flag::RESPONSE | flag::OPCODE) == flag::RESPONSE && header[4..10] == [0; 6];
        let is_refusal = !matches!(flags & flag::CODE, code::NO_ERROR | code::NO_SUCH_NAME);
        let question = self.query.get(HEADER_BYTES..self.question_end)?;
        (is_bare && is_refusal).then(|| [&header[..4], &[0, 1, 0, 0, 0, 0, 0, 0], question].concat())
    }

    /// Leaves the OPT record out of the query from now on; false if it has none.
    pub fn leave_out_opt(&mut self) -> bool {
        let had = self.query.len() > self.question_end;
        self.query.truncate(self.question_end);
        if let Some(counts) = self.query.get_mut(10..12) {
            counts.fill(0);
        }
        had
    }
}

/// All questions of one thread that wait.
#[derive(Debug)]
pub struct Flights {
    /// By id: 0 free, else one more than twice the flight's place, plus the leg.
    ids: Box<[u32]>,
    flights: Vec<Flight>,
    free: Vec<u32>,
    most: usize,
    /// Shared flights by the hash of their question.
    by_question: BTreeMap<u64, u32>,
}

impl Flights {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            ids: vec![0; IDS].into(),
            flights: Vec::new(),
            free: Vec::new(),
            // Half of the ids stay free, so that drawing one stays random.
            most: most.min(IDS / LEGS / 2),
            by_question: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.flights.len() - self.free.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The flight that asks the same already.
    #[must_use]
    pub fn same(&self, hash: u64, key: &Key, asked: Asked) -> Option<u32> {
        let at = *self.by_question.get(&hash)?;
        let flight = self.flights.get(at as usize)?;
        (flight.asked == asked && flight.key == *key).then_some(at)
    }

    /// A place for a new flight; `None` if there are too many. Its buffers are those of an
    /// earlier one.
    pub fn begin(&mut self) -> Option<u32> {
        if let Some(at) = self.free.pop() {
            return Some(at);
        }
        if self.flights.len() >= self.most {
            return None;
        }
        self.flights.push(Flight::default());
        Some(self.flights.len() as u32 - 1)
    }

    /// Lets others find a flight by its question.
    pub fn share(&mut self, at: u32) {
        let flight = &mut self.flights[at as usize];
        flight.is_shared = true;
        self.by_question.insert(flight.hash, at);
    }

    #[must_use]
    pub fn get(&self, at: u32) -> &Flight {
        &self.flights[at as usize]
    }

    pub fn get_mut(&mut self, at: u32) -> &mut Flight {
        &mut self.flights[at as usize]
    }

    /// The flight at `at`, if it is still the same one.
    #[must_use]
    pub fn same_generation(&self, at: u32, generation: u32) -> Option<&Flight> {
        self.flights.get(at as usize).filter(|f| f.generation == generation && !f.waiters.is_empty())
    }

    /// Adds an attempt with a fresh id, and writes the id into the flight's message.
    pub fn add_leg(&mut self, at: u32, leg: usize, mut new: Leg, random: &mut Random) {
        let mut id = random.u16();
        while self.ids[usize::from(id)] != 0 {
            id = id.wrapping_add(1);
        }
        self.ids[usize::from(id)] = 2 * at + 1 + leg as u32;
        new.id = id;
        let flight = &mut self.flights[at as usize];
        flight.legs[leg] = Some(new);
        flight.query[..2].copy_from_slice(&id.to_be_bytes());
    }

    /// Ends an attempt; returns it.
    pub fn end_leg(&mut self, at: u32, leg: usize) -> Option<Leg> {
        let ended = self.flights[at as usize].legs[leg].take()?;
        self.ids[usize::from(ended.id)] = 0;
        Some(ended)
    }

    /// The flight and the attempt that an id belongs to.
    #[must_use]
    pub fn by_id(&self, id: u16) -> Option<(u32, usize)> {
        let found = self.ids[usize::from(id)].checked_sub(1)?;
        Some((found / 2, (found % 2) as usize))
    }

    /// Gives the place of a flight back, whose attempts have ended.
    pub fn end(&mut self, at: u32) -> Vec<Waiter> {
        let flight = &mut self.flights[at as usize];
        if flight.is_shared && self.by_question.get(&flight.hash) == Some(&at) {
            self.by_question.remove(&flight.hash);
        }
        flight.generation = flight.generation.wrapping_add(1);
        flight.is_shared = false;
        flight.is_hedged = false;
        flight.is_known = false;
        flight.failed_by = None;
        flight.has_room = false;
        flight.query.clear();
        self.free.push(at);
        std::mem::take(&mut flight.waiters)
    }

    /// Attempts that are open and of which something is true.
    #[must_use]
    pub fn legs_that(&self, is_so: impl Fn(&Leg) -> bool) -> Vec<(u32, usize)> {
        let mut found = Vec::new();
        for (at, flight) in (0..).zip(&self.flights) {
            for (leg, open) in flight.legs.iter().enumerate() {
                if open.as_ref().is_some_and(&is_so) {
                    found.push((at, leg));
                }
            }
        }
        found
    }

    /// All questions that somebody waits for.
    #[must_use]
    pub fn waiting(&self) -> Vec<u32> {
        (0..).zip(&self.flights).filter(|(_, f)| !f.waiters.is_empty()).map(|(at, _)| at).collect()
    }

    /// How many questions may wait from now on; those that do stay.
    pub fn limit(&mut self, most: usize) {
        self.most = most.min(IDS / LEGS / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg() -> Leg {
        Leg { id: 0, backend: 0, socket: 0, over_tcp: false, sent_us: 0 }
    }

    #[test]
    fn an_id_is_drawn_at_random_and_free_again_when_its_leg_ends() {
        let (mut flights, mut random) = (Flights::new(1_000), Random::default());
        let mut ids = Vec::new();
        for _ in 0..1_000 {
            let at = flights.begin().expect("room");
            flights.get_mut(at).query = vec![0; 12];
            flights.add_leg(at, 0, leg(), &mut random);
            let id = flights.get(at).legs[0].expect("open").id;
            assert_eq!(flights.by_id(id), Some((at, 0)));
            assert_eq!(flights.get(at).query[..2], id.to_be_bytes());
            ids.push(id);
        }
        assert!(flights.begin().is_none(), "no more than allowed");
        let rising = ids.windows(2).filter(|w| w[1] > w[0]).count();
        assert!((400..600).contains(&rising), "{rising} of 999 rise");
        let id = ids[17];
        assert_eq!(flights.end_leg(17, 0).map(|l| l.id), Some(id));
        assert_eq!(flights.by_id(id), None);
        flights.end(17);
        assert_eq!(flights.begin(), Some(17));
    }

    #[test]
    fn only_the_very_question_is_answered() {
        let mut flight = Flight::default();
        let mut query = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(b"\x03wWw\x04test\0\0\x01\0\x01");
        flight.question_end = query.len();
        flight.query = query.clone();
        let mut answer = query.clone();
        answer[2] |= 0x80;
        assert!(flight.is_answer(&answer));
        let changed = |at: usize, to: u8| {
            let mut m = answer.clone();
            m[at] = to;
            flight.is_answer(&m)
        };
        assert!(!changed(14, b'w'), "the case of the letters counts");
        assert!(!changed(2, 1) && !changed(5, 0) && !changed(query.len() - 3, 2));
        assert!(!flight.is_answer(&answer[..answer.len() - 1]) && !flight.is_answer(b""));
    }
}
