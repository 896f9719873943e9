//! What becomes of a question that was passed on: answered, late, failed.

use super::ask::Size;
use super::{Ask, Core, Due, Outbox};
use crate::backend::{Leg, Waiter};
use crate::cache::Asked;
use crate::cookie::Shown;
use crate::counters::Counter;
use crate::exist::Lesson;
use crate::message::write::{self, Opt};
use crate::message::{Answer, HEADER_BYTES, Key, Query, code, flag};
use seawall_model::observation::BackendEventKind;
use std::collections::VecDeque;
use std::sync::PoisonError;

/// After a failure, what is stale is served for so long without asking again (RFC 8767
/// section 5).
const EXCUSED_S: u32 = 5;

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    pub backend: u16,
    pub socket: u32,
    pub over_tcp: bool,
}

impl Core {
    /// Takes a message from a back end's address.
    pub fn answer(&mut self, from: From, message: &[u8], out: &mut Outbox) {
        let id = message.first_chunk().map(|b| u16::from_be_bytes(*b));
        let found = id.and_then(|id| self.flights.by_id(id)).filter(|(at, leg)| {
            let flight = self.flights.get(*at);
            let is_from =
                |l: &Leg| l.backend == from.backend && l.socket == from.socket && l.over_tcp == from.over_tcp;
            flight.legs[*leg].as_ref().is_some_and(is_from)
        });
        let whole = found.and_then(|(at, _)| self.flights.get(at).whole_refusal(message));
        let message = whole.as_deref().unwrap_or(message);
        let found = found.filter(|(at, _)| self.flights.get(*at).is_answer(message));
        let Some((at, leg)) = found else { return self.add(Counter::backend_unmatched, 1) };
        self.add(Counter::backend_answers, 1);
        if from.over_tcp && from.socket == 0 {
            self.heard.insert(from.backend);
        }
        let Some(member) = self.land(at, leg, true) else { return };
        let question_end = self.flights.get(at).question_end;
        let Ok(answer) = Answer::parse(message, question_end) else {
            self.add(Counter::backend_broken, 1);
            return self.try_again(at, out);
        };
        let moved = answer.with_opt_last(message);
        let (message, answer) =
            match moved.as_deref().map(|moved| (moved, Answer::parse(moved, question_end))) {
                Some((moved, Ok(again))) => (moved, again),
                _ => (message, answer),
            };
        let knows_no_edns =
            matches!(answer.code, code::FORMAT_ERROR | code::NOT_IMPLEMENTED) && answer.opt.is_none();
        if knows_no_edns && self.flights.get_mut(at).leave_out_opt() {
            // Such a server is asked as before there was EDNS (RFC 6891 section 7).
            return self.depart(at, leg, member, from.over_tcp, out);
        }
        self.judge(at, leg, member, from, (message, &answer), out);
    }

    /// What becomes of an answer that could be read.
    fn judge(
        &mut self,
        at: u32,
        leg: usize,
        member: usize,
        from: From,
        (message, answer): (&[u8], &Answer),
        out: &mut Outbox,
    ) {
        if answer.flags & flag::TRUNCATED != 0 && !from.over_tcp {
            return self.cut(at, member, message, answer, out);
        }
        let is_failure = matches!(answer.code, code::SERVER_FAILURE | code::REFUSED) || answer.code > 15;
        // Who denies a name that is known is not believed before another one says so too.
        let is_doubtful = answer.code == code::NO_SUCH_NAME && self.flights.get(at).is_known;
        let is_open = self.flights.get(at).legs.iter().any(Option::is_some);
        if (is_failure || is_doubtful) && (is_open || self.ask_another(at, Some(from.backend), out)) {
            self.flights.get_mut(at).failed_by = Some((from.backend, answer.code));
            return;
        }
        if !is_failure {
            self.could(at, member, &from, answer.code, out);
        }
        if leg == 1 {
            self.add(Counter::hedge_won, 1);
        }
        self.conclude(at, message, answer, out);
    }

    /// A back end's TCP connection has ended: what was asked over it has failed. `number`: of a
    /// connection for one question, else 0. Where it has answered something that was asked, and was closed after so
    /// many answers or so long, what is left is asked over another (RFC 7766 section 6.2.1): each time there is
    /// less of it. Else that was an attempt.
    pub fn stream_failed(&mut self, (backend, number): (u16, u32), has_answered: bool, out: &mut Outbox) {
        let has_answered = number == 0 && self.heard.remove(&backend) && has_answered;
        let is_over_it = |leg: &Leg| leg.over_tcp && leg.backend == backend && leg.socket == number;
        for (at, leg) in self.flights.legs_that(is_over_it) {
            match self.land(at, leg, false).filter(|_| has_answered) {
                Some(member) => self.depart(at, leg, member, true, out),
                None => self.try_again(at, out),
            }
        }
    }

    /// The servers are others now: a question that waits goes to them.
    pub(super) fn ask_anew(&mut self, at: u32, out: &mut Outbox) {
        for leg in 0..crate::backend::flight::LEGS {
            self.flights.end_leg(at, leg);
        }
        let pool = self.pool_of(&self.flights.get(at).key);
        let flight = self.flights.get_mut(at);
        (flight.is_hedged, flight.failed_by) = (false, None);
        let has_room = std::mem::take(&mut flight.has_room);
        let member = pool.and_then(|pool| self.pools[pool].choose(self.now.ms(), None));
        let Some((pool, member)) = pool.zip(member) else {
            // Nobody answers for it any more.
            flight.pool = 0;
            return self.fail(at, out);
        };
        flight.pool = pool as u16;
        flight.has_room = has_room;
        if has_room {
            self.pools[pool].room.enter_beyond();
        }
        self.depart(at, 0, member, false, out);
    }

    /// When the next flight has to be looked at, in microseconds since the start.
    #[must_use]
    pub fn next_due_us(&mut self) -> Option<u64> {
        let flights = &self.flights;
        let first = |queue: &mut VecDeque<Due>| {
            // Most have been answered by then, and nobody has to wake up for them.
            while queue.front().is_some_and(|d| flights.same_generation(d.flight, d.generation).is_none()) {
                queue.pop_front();
            }
            queue.front().map(|d| d.at_us)
        };
        [first(&mut self.late), first(&mut self.given_up)].into_iter().flatten().min()
    }

    /// Looks at flights that are late, and gives up those that are too late.
    pub fn expire(&mut self, out: &mut Outbox) {
        while let Some(due) = self.late.front().copied().filter(|d| d.at_us <= self.now.us) {
            self.late.pop_front();
            if self.flights.same_generation(due.flight, due.generation).is_some() {
                self.is_late(due.flight, out);
            }
        }
        while let Some(due) = self.given_up.front().copied().filter(|d| d.at_us <= self.now.us) {
            self.given_up.pop_front();
            if self.flights.same_generation(due.flight, due.generation).is_some() {
                self.add(Counter::backend_timeouts, 1);
                self.fail(due.flight, out);
            }
        }
    }

    /// A back end had an answer to a question; one that could not answer it, or said otherwise, is
    /// not as good.
    fn could(&mut self, at: u32, member: usize, from: &From, code: u16, out: &mut Outbox) {
        let flight = self.flights.get_mut(at);
        let (pool, failed) = (usize::from(flight.pool), flight.failed_by.take());
        let is_other = |(other, said): &(u16, u16)| *other != from.backend && *said != code;
        let Some((other, _)) = failed.filter(is_other) else {
            // What nobody else was asked for is no sign that it denies names rightly.
            if failed.is_some() || code != code::NO_SUCH_NAME {
                self.pools[pool].could(member);
            }
            return;
        };
        self.pools[pool].could(member);
        if self.pools[pool].member(other).is_some_and(|m| self.pools[pool].failed_alone(m)) {
            self.eject(other, pool, out);
        }
    }

    /// The first attempt is late: its server is told apart from a slow answer by its silence, and
    /// another one is asked.
    fn is_late(&mut self, at: u32, out: &mut Outbox) {
        let flight = self.flights.get(at);
        let pool = usize::from(flight.pool);
        let Some(first) = flight.legs[0] else { return };
        if let Some(member) = self.pools[pool].member(first.backend)
            && self.pools[pool].late(member, first.sent_us)
        {
            return self.eject(first.backend, pool, out);
        }
        self.ask_another(at, Some(first.backend), out);
    }

    /// A server was taken out: whatever waits for it is asked elsewhere, budget or not, since it
    /// happens once.
    fn eject(&mut self, backend: u16, pool: usize, out: &mut Outbox) {
        self.add(Counter::ejected, 1);
        self.tell_backend(BackendEventKind::ServerDown, backend);
        if !self.pools[pool].has_up() {
            self.tell_backend(BackendEventKind::PoolEmpty, backend);
            return;
        }
        for (at, leg) in self.flights.legs_that(|leg| leg.backend == backend) {
            let flight = self.flights.get(at);
            if flight.legs[1 - leg].is_some() {
                continue;
            }
            let pool = usize::from(flight.pool);
            if let Some(member) = self.pools[pool].choose(self.now.ms(), Some(backend)) {
                self.flights.get_mut(at).is_hedged = true;
                self.depart(at, 1 - leg, member, false, out);
            }
        }
    }

    /// Asks another server as well, if there is one, the budget allows it, and it was not done
    /// before.
    fn ask_another(&mut self, at: u32, except: Option<u16>, out: &mut Outbox) -> bool {
        let flight = self.flights.get_mut(at);
        let Some(free) = flight.legs.iter().position(Option::is_none) else { return false };
        if std::mem::replace(&mut flight.is_hedged, true) {
            return false;
        }
        let pool = &mut self.pools[usize::from(flight.pool)];
        let Some(member) = pool.choose(self.now.ms(), except) else { return false };
        if !pool.take_hedge() {
            self.add(Counter::hedge_budget_spent, 1);
            return false;
        }
        self.add(Counter::hedged, 1);
        let leg = if free == 0 { 0 } else { 1 };
        self.depart(at, leg, member, false, out);
        true
    }

    /// An attempt came to nothing: another one, unless one is under way.
    fn try_again(&mut self, at: u32, out: &mut Outbox) {
        let flight = self.flights.get(at);
        let is_open = flight.legs.iter().any(Option::is_some);
        if !flight.waiters.is_empty() && !is_open && !self.ask_another(at, None, out) {
            self.fail(at, out);
        }
    }

    /// Ends an attempt; returns the member that it was sent to.
    fn land(&mut self, at: u32, leg: usize, is_answered: bool) -> Option<usize> {
        let ended = self.flights.end_leg(at, leg)?;
        let pool = &mut self.pools[usize::from(self.flights.get(at).pool)];
        let member = pool.member(ended.backend)?;
        pool.over(member);
        if is_answered {
            pool.answered(member, self.now.us, self.now.us.saturating_sub(ended.sent_us));
        }
        Some(member)
    }

    /// The answer did not fit into a datagram. Clients that can are told so; for those over TCP
    /// the question is asked over TCP.
    fn cut(&mut self, at: u32, member: usize, message: &[u8], answer: &Answer, out: &mut Outbox) {
        if self.flights.get(at).waiters.iter().all(|w| !w.asker.via.is_tcp()) {
            return self.conclude(at, message, answer, out);
        }
        self.add(Counter::backend_tcp, 1);
        let waiting = std::mem::take(&mut self.flights.get_mut(at).waiters);
        let (over_tcp, over_udp): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|w| w.asker.via.is_tcp());
        self.flights.get_mut(at).waiters = over_tcp;
        for waiter in &over_udp {
            self.for_waiter(waiter, |core, ask, _| core.say_short(ask, out));
        }
        if let Some(leg) = self.flights.get(at).legs.iter().position(Option::is_none) {
            self.depart(at, leg, member, true, out);
        }
    }

    /// An answer was found: it is kept, learnt from, and given to all that wait.
    fn conclude(&mut self, at: u32, message: &[u8], answer: &Answer, out: &mut Outbox) {
        let (flight, now_s) = (self.flights.get(at), self.now.second());
        // A server that limits its answers says no more than this, whether there is such a name or not.
        let is_evasive = answer.flags & flag::TRUNCATED != 0 && answer.answers == 0;
        match answer.code {
            code::NO_ERROR if is_evasive => {}
            code::NO_ERROR => self.learnt.learn(flight.name_hash, (now_s / 60) + 1),
            code::NO_SUCH_NAME => self.learnt.forget(flight.name_hash),
            _ => {}
        }
        if matches!(answer.code, code::NO_ERROR | code::NO_SUCH_NAME) {
            self.pools[usize::from(flight.pool)].recurses = answer.flags & flag::RECURSION_AVAILABLE != 0;
        }
        if answer.code == code::NO_ERROR && answer.answers > 0 {
            let sample = &mut self.samples[usize::from(flight.pool)];
            sample.get_or_insert_with(|| flight.query[HEADER_BYTES..flight.question_end].into());
        }
        if flight.asked.is_proof_wanted() && self.settings.limits.range_bytes > 0 {
            let name = flight.key.as_bytes();
            if let Some(lesson) =
                Lesson::read(message, answer, name, flight.asked.is_checked(), self.now.wall)
            {
                let most_s = self.settings.limits.negative_ttl_s as u32;
                let mut ranges = self.ranges.write().unwrap_or_else(PoisonError::into_inner);
                ranges.learn(&lesson, most_s, now_s);
            }
        }
        // What was asked for one network has one asker, who has to know for which the answer is.
        let subnet = if flight.is_shared { None } else { answer.client_subnet(message) };
        if flight.is_shared {
            self.cache.of(flight.hash).keep(flight.hash, &flight.key, flight.asked, message, answer, now_s);
        }
        let failed = matches!(answer.code, code::SERVER_FAILURE) || answer.code > 15;
        let Some(body) = body(message, answer).filter(|_| !failed) else {
            return self.fail(at, out);
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(body);
        if answer.opt.is_some() {
            let count = u16::from_be_bytes([scratch[10], scratch[11]]).saturating_sub(1);
            scratch[10..12].copy_from_slice(&count.to_be_bytes());
        }
        for waiter in &self.finish(at) {
            self.for_waiter(waiter, |core, ask, took_us| core.hand_over(ask, &scratch, subnet, took_us, out));
        }
        self.scratch = scratch;
    }

    /// Gives an answer without an OPT record to one client.
    fn hand_over(
        &mut self,
        ask: &Ask<'_>,
        answer: &[u8],
        subnet: Option<&[u8]>,
        took_us: u64,
        out: &mut Outbox,
    ) {
        let opt = Opt { subnet, ..ask.opt() };
        let bytes = answer.len() + write::opt_bytes(&ask.query, &opt);
        if !ask.asker.via.is_tcp() && bytes > write::room_bytes(&ask.query) {
            return self.say_short(ask, out);
        }
        match self.size(ask, bytes) {
            Size::Full => {}
            less => return self.say_less(ask, less, out),
        }
        let start = out.bytes.len();
        out.bytes.extend_from_slice(answer);
        let copy = &mut out.bytes[start..];
        copy[..2].copy_from_slice(&ask.query.id.to_be_bytes());
        let own = flag::RECURSION_DESIRED | flag::CHECKING_DISABLED;
        let hidden = if ask.query.asks_for_checks() { own } else { own | flag::AUTHENTIC };
        let flags = u16::from_be_bytes([copy[2], copy[3]]) & !hidden | ask.query.flags & own;
        copy[2..4].copy_from_slice(&flags.to_be_bytes());
        let question = HEADER_BYTES..ask.query.question_end();
        copy[question.clone()].copy_from_slice(&ask.message[question]);
        write::finish(&mut out.bytes, start, &ask.query, &opt);
        self.send(ask, start, Some(took_us), out);
    }

    /// No back end answered: what is stale is served, or the failure told.
    fn fail(&mut self, at: u32, out: &mut Outbox) {
        let flight = self.flights.get(at);
        if flight.has_room {
            self.pools[usize::from(flight.pool)].room.missed();
        }
        let until_s = self.now.second() + EXCUSED_S;
        self.cache.of(flight.hash).excuse(flight.hash, &flight.key, flight.asked, until_s);
        for waiter in &self.finish(at) {
            self.for_waiter(waiter, |core, ask, _| {
                if !core.serve_cached(ask, false, out) {
                    core.add(Counter::failed, 1);
                    core.say(ask, code::SERVER_FAILURE, out);
                }
            });
        }
    }

    /// Ends a flight and all its attempts; returns who waits.
    fn finish(&mut self, at: u32) -> Vec<Waiter> {
        (0..crate::backend::flight::LEGS).for_each(|leg| {
            self.land(at, leg, false);
        });
        let flight = self.flights.get(at);
        if flight.has_room {
            self.pools[usize::from(flight.pool)].room.leave();
        }
        self.flights.end(at)
    }

    /// Reads a waiting client's query again, and answers it.
    fn for_waiter(&mut self, waiter: &Waiter, answer: impl FnOnce(&mut Self, &Ask<'_>, u64)) {
        let Ok(query) = Query::parse(&waiter.message) else { return };
        let source = waiter.asker.address.ip();
        let shown = query.edns.and_then(|e| e.cookie);
        let shown = self.cookies.look(shown, source, self.now.wall.seconds() as u32);
        let (is_proven, cookie) = match shown {
            Shown::Proven(cookie) => (true, Some(cookie)),
            Shown::Unproven(cookie) => (waiter.asker.via.is_tcp(), Some(cookie)),
            Shown::Nothing | Shown::Malformed => (waiter.asker.via.is_tcp(), None),
        };
        let (key, asked) = (Key::of(query.name), Asked::of(&query));
        let name_hash = key.hash(self.seed);
        let ask = Ask {
            asker: &waiter.asker,
            message: &waiter.message,
            query,
            key,
            name_hash,
            asked,
            hash: asked.hash(name_hash),
            is_proven,
            cookie,
        };
        answer(self, &ask, self.now.us.saturating_sub(waiter.asked_us));
    }
}

/// The answer without its OPT record, which is last, or not there, and without what is behind its records.
fn body<'m>(message: &'m [u8], answer: &Answer) -> Option<&'m [u8]> {
    match answer.opt {
        Some((at, length)) => (at + length == answer.end).then(|| &message[..at]),
        None => message.get(..answer.end),
    }
}
