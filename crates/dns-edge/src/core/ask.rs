//! The ladder: what becomes of a query. Each step that holds ends it.
//!
//! 1. malformed: told so, or dropped while there is much of it
//! 2. not for us (operation, class, transfer, signature): refused
//! 3. known to the cache: served
//! 4. provably absent, by a zone or by what signed answers have proven: said so
//! 5. existing, by the zone or because it answered before: passed on, unless no cache can stand before the
//!    servers for such a question, which is then as good as unknown
//! 6. unknown, and the pool has room: passed on
//! 7. unknown and proven: a token of its source opens the reserve
//! 8. unknown and unproven: told to show a cookie or to come over TCP, as far as bytes that came
//!    in pay for it; else dropped
//!
//! No source is blocked at any step. What is held back is questions for names of which nothing is
//! known, and only while the servers cannot take them.

use super::{Ask, Asker, Core, Due, Outbox, Via, outbox::ToBackend};
use crate::backend::{Leg, Waiter};
use crate::cache::Asked;
use crate::cookie::Shown;
use crate::counters::Counter;
use crate::exist::Existence;
use crate::limit::Prefixes;
use crate::message::proxy;
use crate::message::write::{self, Opt};
use crate::message::{CLASS_IN, Key, Malformed, Query, code, flag, kind, opcode};
use crate::outbound::Mood;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// While it is loud without being strict, so many times the repeats are taken: many clients of one
/// network may ask for what all ask for.
pub(crate) const LOUD_REPEATS: u64 = 50;

/// Below this, ports are those of services (RFC 6335 section 6): no client sends from there, but who sends
/// questions from the port of name service.
const FIRST_USER_PORT: u16 = 1_024;
const DNS_PORT: u16 = 53;

/// What may be sent of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Full,
    /// Header and question, with the TC bit.
    Short,
    Nothing,
}

/// Why a query is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Existing,
    Learnt,
    Unknown,
}

impl Core {
    /// Takes a message from a client.
    pub fn query(&mut self, asker: &Asker, message: &[u8], out: &mut Outbox) {
        self.add(Counter::queries, 1);
        if asker.via.is_tcp() {
            self.add(Counter::queries_tcp, 1);
        } else {
            self.add(Counter::query_bytes, message.len() as u64);
            let was = self.ledger.mood();
            self.ledger.take(self.now.us, message.len());
            self.add(Counter::loud, u64::from(was == Mood::Calm && self.ledger.mood() > was));
        }
        let query = match Query::parse(message) {
            Ok(query) => query,
            Err(why) => return self.say_malformed(asker, message, why, out),
        };
        let key = Key::of(query.name);
        self.sense.query(self.now.wall, asker, &query);
        let shown = self.cookies.look(
            query.edns.and_then(|e| e.cookie),
            asker.address.ip(),
            self.now.wall.seconds() as u32,
        );
        let (is_proven, cookie) = match shown {
            Shown::Proven(cookie) => (true, Some(cookie)),
            Shown::Unproven(cookie) => (asker.via.is_tcp(), Some(cookie)),
            Shown::Nothing | Shown::Malformed => (asker.via.is_tcp(), None),
        };
        self.add(Counter::proven, u64::from(matches!(shown, Shown::Proven(_))));
        let asked = Asked::of(&query);
        let name_hash = key.hash(self.seed);
        let hash = asked.hash(name_hash);
        let ask = Ask { asker, message, query, key, name_hash, asked, hash, is_proven, cookie };
        if shown == Shown::Malformed {
            self.add(Counter::refused, 1);
            return self.say(&ask, code::FORMAT_ERROR, out);
        }
        if ask.query.opcode() == opcode::NOTIFY && self.take_signed_notify(&ask, out) {
            return;
        }
        if let Some(code) = self.refusal(&ask) {
            self.add(Counter::refused, 1);
            return self.say(&ask, code, out);
        }
        self.climb(&ask, out);
    }

    /// Says what is wrong with a message that is no query (RFC 9619, RFC 8906), with less than came. An answer
    /// gets none, nor does what looks like another service's, so that no two servers are kept talking; a flood
    /// gets none either.
    fn say_malformed(&mut self, asker: &Asker, message: &[u8], why: Malformed, out: &mut Outbox) {
        self.add(Counter::malformed, 1);
        self.sense.malformed(self.now.wall, asker, message.len());
        let is_service = asker.address.port() < FIRST_USER_PORT && asker.address.port() != DNS_PORT;
        let is_left = why == Malformed::Response
            || !asker.via.is_tcp() && (is_service || self.ledger.mood() > Mood::Calm);
        let header = message.first_chunk().filter(|_| !is_left);
        let Some(header) = header else { return out.no_answer(asker) };
        let code = match header[2] >> 3 & 15 {
            opcode::QUERY | opcode::NOTIFY | opcode::UPDATE => code::FORMAT_ERROR,
            _ => code::NOT_IMPLEMENTED,
        };
        let start = out.bytes.len();
        write::malformed(&mut out.bytes, header, code);
        self.add(Counter::answers, 1);
        if !asker.via.is_tcp() {
            let bytes = out.bytes.len() - start;
            self.add(Counter::answer_bytes, bytes as u64);
            self.ledger.give(bytes);
        }
        out.to_client(asker, start);
    }

    /// The code that a query is refused with, if it is.
    fn refusal(&mut self, ask: &Ask<'_>) -> Option<u16> {
        let query = &ask.query;
        if query.edns.is_some_and(|e| e.version > 0) {
            return Some(code::BAD_VERSION);
        }
        match query.opcode() {
            opcode::QUERY => {}
            opcode::NOTIFY => return Some(self.notified(ask)),
            opcode::UPDATE => return Some(code::REFUSED),
            _ => return Some(code::NOT_IMPLEMENTED),
        }
        let is_refused = query.qclass != CLASS_IN
            || query.is_signed
            || matches!(query.qtype, kind::AXFR | kind::IXFR | kind::TKEY | kind::OPT | 0);
        is_refused.then_some(code::REFUSED)
    }

    /// A NOTIFY that is signed with the zone's key is taken from any address, and its answer signed.
    fn take_signed_notify(&mut self, ask: &Ask<'_>, out: &mut Outbox) -> bool {
        let zone = self.settings.zones.iter().find(|z| *z.apex == *ask.key.as_bytes());
        let key = zone.and_then(|z| z.key.as_ref());
        let answer = key.and_then(|key| key.answer(ask.message, code::NO_ERROR as u8, self.now.wall));
        let Some(answer) = answer else { return false };
        self.zones_cell.notify();
        let start = out.bytes.len();
        out.bytes.extend(answer);
        self.send(ask, start, None, out);
        true
    }

    /// A primary says that a zone has changed (RFC 1996): it is asked for its serial number soon.
    /// A forged one costs one small question.
    fn notified(&self, ask: &Ask<'_>) -> u16 {
        let source = ask.asker.address.ip();
        let is_ours = |z: &crate::settings::ZoneSource| {
            *z.apex == *ask.key.as_bytes() && z.primary.ip().to_canonical() == source.to_canonical()
        };
        if self.settings.zones.iter().any(is_ours) {
            self.zones_cell.notify();
            code::NO_ERROR
        } else {
            code::REFUSED
        }
    }

    fn climb(&mut self, ask: &Ask<'_>, out: &mut Outbox) {
        if ask.query.qtype != kind::ANY && self.serve_cached(ask, true, out) {
            return;
        }
        let zones = Arc::clone(&self.zones);
        let reason = match zones.look(&ask.key, ask.query.qtype) {
            // Who asks for proof of absence gets it from a server that can sign it.
            Existence::Absent(zone) if !(zone.is_signed() && ask.query.dnssec_ok()) => {
                return self.say_absent(ask, zone, out);
            }
            Existence::Possible => Reason::Existing,
            Existence::Unknown if self.learnt.knows(ask.name_hash) => Reason::Learnt,
            unsure => {
                let serial = if let Existence::Absent(zone) = unsure { Some(zone.serial) } else { None };
                if self.say_denied(ask, serial, out) {
                    return;
                }
                Reason::Unknown
            }
        };
        if ask.query.qtype == kind::ANY {
            return self.say_any(ask, out);
        }
        if self.join(ask, out) {
            return;
        }
        let Some(pool) = self.pool_of(&ask.key) else {
            self.add(Counter::refused, 1);
            return self.say(ask, code::REFUSED, out);
        };
        if !self.pools[pool].has_up() && self.serve_cached(ask, false, out) {
            return;
        }
        let needs_room = reason == Reason::Unknown || evades_cache(&ask.query);
        if needs_room && !self.find_room(ask, pool) {
            // Who names a network is told what all others are: better than nothing, and what a server says that
            // knows of no networks.
            if reason != Reason::Unknown && self.serve_kept(ask, true, out) {
                return;
            }
            self.add(Counter::unknown_held_back, 1);
            return self.hold_back(ask, out);
        }
        let counter = match reason {
            Reason::Existing => Counter::existing,
            Reason::Learnt => Counter::learnt,
            Reason::Unknown => Counter::unknown,
        };
        self.add(counter, 1);
        self.pass_on(ask, pool, (reason, needs_room), out);
    }

    /// Serves from the cache, if the answer is there; a stale one only if it must not be fresh.
    pub(super) fn serve_cached(&mut self, ask: &Ask<'_>, fresh: bool, out: &mut Outbox) -> bool {
        // An answer may be for the named network only, so that it is not kept for others.
        !ask.query.edns.is_some_and(|e| e.has_client_subnet) && self.serve_kept(ask, fresh, out)
    }

    /// The same, whichever network is named.
    fn serve_kept(&mut self, ask: &Ask<'_>, fresh: bool, out: &mut Outbox) -> bool {
        let now_s = self.now.second();
        let start = out.bytes.len();
        let mut cache = self.cache.of(ask.hash);
        let Some(entry) = cache.find(ask.hash, &ask.key, ask.asked, now_s) else { return false };
        let is_fresh = entry.is_fresh(now_s);
        if fresh && !is_fresh {
            return false;
        }
        let is_hot = self.hot.is_wanted() && !ask.asker.via.is_tcp() && entry.heats(now_s);
        let bytes = entry.bytes() + write::opt_bytes(&ask.query, &ask.opt());
        let has_room = ask.asker.via.is_tcp() || bytes <= write::room_bytes(&ask.query);
        if has_room {
            entry.write(&mut out.bytes, ask.message, &ask.query, now_s);
        }
        drop(cache);
        if is_hot {
            self.hot.tell(&ask.key, ask.asked, ask.hash);
        }
        self.add(if is_fresh { Counter::cached } else { Counter::stale }, 1);
        if !has_room {
            self.say_short(ask, out);
            return true;
        }
        match self.size(ask, bytes) {
            Size::Full => {
                write::finish(&mut out.bytes, start, &ask.query, &ask.opt());
                self.send(ask, start, None, out);
            }
            less => {
                out.bytes.truncate(start);
                self.say_less(ask, less, out);
            }
        }
        true
    }

    /// What may be sent of an answer of so many bytes.
    #[inline]
    pub(super) fn size(&mut self, ask: &Ask<'_>, bytes: usize) -> Size {
        if ask.is_proven || self.ledger.mood() == Mood::Calm {
            return Size::Full;
        }
        self.size_when_loud(ask, bytes)
    }

    fn size_when_loud(&mut self, ask: &Ask<'_>, bytes: usize) -> Size {
        let source = Prefixes::of(ask.asker.address.ip());
        let count = self.repeats.count(source, ask.hash, self.now.second());
        let is_strict = self.ledger.mood() == Mood::Strict;
        let usual = if is_strict { 1 } else { LOUD_REPEATS };
        self.shared.is_strict.store(is_strict, Ordering::Relaxed);
        let is_repeated = u64::from(count) > usual * self.settings.limits.repeats_per_network;
        self.add(Counter::repeated, u64::from(is_repeated));
        if !self.is_enforcing() {
            return Size::Full;
        }
        if !is_repeated && self.ledger.may_send(bytes) {
            return Size::Full;
        }
        self.add(Counter::outbound_held_back, 1);
        let short = ask.query.question_end() + write::opt_bytes(&ask.query, &Opt::default());
        // A short answer is no longer than its question: it has to be paid for by others only while
        // all that goes out has to be.
        if is_strict && !self.ledger.has_credit(short) { Size::Nothing } else { Size::Short }
    }

    /// Waits for a question that is already asked.
    fn join(&mut self, ask: &Ask<'_>, out: &mut Outbox) -> bool {
        let Some(at) = self.flights.same(ask.hash, &ask.key, ask.asked) else { return false };
        let most = self.settings.limits.waiters as usize;
        let flight = self.flights.get_mut(at);
        if ask.query.edns.is_some_and(|e| e.has_client_subnet) {
            return false;
        }
        // The same client asks again because it waits: one answer will do.
        let is_again = |w: &Waiter| w.asker == *ask.asker && w.message[..2] == ask.message[..2];
        if flight.waiters.len() >= most {
            self.leave_unasked(ask, out);
        } else if flight.waiters.iter().any(is_again) {
            out.no_answer(ask.asker);
        } else {
            flight.waiters.push(waiter(ask, self.now.us));
            self.add(Counter::joined, 1);
        }
        true
    }

    /// Room for an unknown name.
    fn find_room(&mut self, ask: &Ask<'_>, pool: usize) -> bool {
        let room = &mut self.pools[pool].room;
        let may = if ask.is_proven && room.is_tight() {
            // A token is worth a place: none is taken where there is none.
            let source = Prefixes::of(ask.asker.address.ip());
            let is_free = room.enter(true);
            let may = is_free && self.buckets.take(source, self.now.ms() as u32);
            if is_free && !may {
                room.leave();
            }
            may
        } else {
            room.enter(false)
        };
        if !may && !self.is_enforcing() {
            self.add(Counter::unknown_held_back, 1);
            self.pools[pool].room.enter_beyond();
            return true;
        }
        may
    }

    /// There is no room for an unknown name.
    fn hold_back(&mut self, ask: &Ask<'_>, out: &mut Outbox) {
        if ask.is_proven {
            return self.leave_unasked(ask, out);
        }
        let bytes = ask.query.question_end() + write::opt_bytes(&ask.query, &ask.opt());
        if !self.ledger.has_credit(bytes) && !self.ledger.take_grace() {
            return self.add(Counter::dropped, 1);
        }
        if ask.cookie.is_some() {
            self.add(Counter::bad_cookie, 1);
            return self.say(ask, code::BAD_COOKIE, out);
        }
        self.say_short(ask, out);
    }

    /// Nobody is asked. Over TCP an answer is cheap, and silence would keep the connection waiting.
    fn leave_unasked(&mut self, ask: &Ask<'_>, out: &mut Outbox) {
        if ask.asker.via.is_tcp() {
            self.add(Counter::failed, 1);
            return self.say(ask, code::SERVER_FAILURE, out);
        }
        self.add(Counter::dropped, 1);
    }

    fn pass_on(&mut self, ask: &Ask<'_>, pool: usize, (reason, has_room): (Reason, bool), out: &mut Outbox) {
        let member = self.pools[pool].choose(self.now.ms(), None);
        let Some((at, member)) = self.flights.begin().zip(member) else {
            if has_room {
                self.pools[pool].room.leave();
            }
            self.add(Counter::outstanding_full, 1);
            if !self.serve_cached(ask, false, out) {
                self.leave_unasked(ask, out);
            }
            return;
        };
        let is_shared = !ask.query.edns.is_some_and(|e| e.has_client_subnet);
        let flight = self.flights.get_mut(at);
        flight.key = ask.key;
        flight.name_hash = ask.name_hash;
        flight.hash = ask.hash;
        flight.asked = ask.asked;
        flight.pool = pool as u16;
        flight.question_end = ask.query.question_end();
        flight.has_room = has_room;
        flight.is_known = reason != Reason::Unknown;
        flight.waiters.push(waiter(ask, self.now.us));
        write::forwarded(&mut flight.query, ask.message, &ask.query, 0);
        let generation = flight.generation;
        if is_shared {
            self.flights.share(at);
        }
        let timeout_us = self.settings.limits.backend_timeout_ms * 1_000;
        let hedge_us = self.pools[pool].hedge_us(member);
        self.late.push_back(Due { at_us: self.now.us + hedge_us, flight: at, generation });
        self.given_up.push_back(Due { at_us: self.now.us + timeout_us, flight: at, generation });
        self.depart(at, 0, member, false, out);
    }

    /// Sends a flight's question to a member of its pool.
    pub(super) fn depart(&mut self, at: u32, leg: usize, member: usize, over_tcp: bool, out: &mut Outbox) {
        let flight = self.flights.get(at);
        let pool = &mut self.pools[usize::from(flight.pool)];
        pool.sent(member, leg == 0);
        let (backend, is_told) = (pool.members[member].backend, pool.members[member].proxy_protocol);
        let stream = if over_tcp && is_told { self.next_stream() } else { 0 };
        let socket = if over_tcp { stream } else { self.socket };
        let new = Leg { id: 0, backend, socket, over_tcp, sent_us: self.now.us };
        self.flights.add_leg(at, leg, new, &mut self.random);
        let start = out.bytes.len();
        let flight = self.flights.get(at);
        if let Some(first) = flight.waiters.first().filter(|_| is_told) {
            let to = self.asked_at(&first.asker);
            proxy::write(&mut out.bytes, first.asker.via.is_tcp(), first.asker.address, to);
        }
        let header_bytes = (out.bytes.len() - start) as u16;
        out.bytes.extend_from_slice(&flight.query);
        let range = start as u32..out.bytes.len() as u32;
        out.backends.push(ToBackend { backend, over_tcp, stream, header_bytes, range });
        self.shared.counters.add(Counter::backend_queries, 1);
    }

    fn next_stream(&mut self) -> u32 {
        self.streams = self.streams.wrapping_add(1).max(1);
        self.streams
    }

    /// The address that a client has asked.
    fn asked_at(&self, asker: &Asker) -> SocketAddr {
        const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 53);
        match asker.via {
            Via::Tcp { to, .. } => to,
            Via::Udp { listener, local } => {
                let address = self.settings.listeners.get(usize::from(listener)).copied().unwrap_or(ANY);
                SocketAddr::new(local.unwrap_or(address.ip()), address.port())
            }
        }
    }

    fn say_absent(&mut self, ask: &Ask<'_>, zone: &crate::exist::Zone, out: &mut Outbox) {
        self.add(Counter::absent, 1);
        let start = out.bytes.len();
        let mut is_short = self.is_enforcing() && !ask.is_proven && self.ledger.mood() > Mood::Calm;
        let full = ask.query.question_end() + zone.soa.len() + write::opt_bytes(&ask.query, &ask.opt());
        is_short |= !ask.asker.via.is_tcp() && full > write::room_bytes(&ask.query);
        if is_short {
            return self.say_absent_shortly(ask, out);
        }
        let (flags, code) = (flag::AUTHORITATIVE, code::NO_SUCH_NAME);
        write::head(&mut out.bytes, ask.message, &ask.query, code, flags);
        out.bytes[start + 9] = 1;
        out.bytes.extend_from_slice(&zone.soa);
        write::finish(&mut out.bytes, start, &ask.query, &ask.opt());
        self.send(ask, start, None, out);
    }

    /// Says that a name or its type does not exist, if that is proven; `serial`: by the zone of this
    /// serial number only.
    fn say_denied(&mut self, ask: &Ask<'_>, serial: Option<u32>, out: &mut Outbox) -> bool {
        // All threads read, and none waits for another: what writes is a signed answer that proves
        // something new, and holds the lock for one insertion.
        let ranges = Arc::clone(&self.ranges);
        let ranges = ranges.read().unwrap_or_else(PoisonError::into_inner);
        if ranges.is_empty() || ask.query.qtype == kind::ANY {
            return false;
        }
        let found = ranges.deny(&ask.key, ask.query.qtype, self.now.second());
        let Some(denial) = found.filter(|d| serial.is_none_or(|serial| serial == d.serial)) else {
            return false;
        };
        self.add(Counter::denied, 1);
        let start = out.bytes.len();
        let is_loud = self.is_enforcing() && !ask.is_proven && self.ledger.mood() > Mood::Calm;
        if is_loud && !ask.query.dnssec_ok() && denial.code == code::NO_SUCH_NAME {
            self.say_absent_shortly(ask, out);
            return true;
        }
        write::denied(&mut out.bytes, ask.message, &ask.query, &denial, &ask.opt());
        let bytes = out.bytes.len() - start;
        let has_room = ask.asker.via.is_tcp() || bytes <= write::room_bytes(&ask.query);
        match if has_room { self.size(ask, bytes) } else { Size::Short } {
            Size::Full => self.send(ask, start, None, out),
            less => {
                out.bytes.truncate(start);
                self.say_less(ask, less, out);
            }
        }
        true
    }

    /// Without the SOA record nobody keeps it, but it is no longer than the question.
    fn say_absent_shortly(&mut self, ask: &Ask<'_>, out: &mut Outbox) {
        let (start, opt) = (out.bytes.len(), Opt::default());
        let bytes = ask.query.question_end() + write::opt_bytes(&ask.query, &opt);
        if !self.ledger.has_credit(bytes) {
            return self.add(Counter::dropped, 1);
        }
        write::short(&mut out.bytes, ask.message, &ask.query, code::NO_SUCH_NAME, flag::AUTHORITATIVE, &opt);
        self.send(ask, start, None, out);
    }

    fn say_any(&mut self, ask: &Ask<'_>, out: &mut Outbox) {
        self.add(Counter::any, 1);
        let start = out.bytes.len();
        write::any(&mut out.bytes, ask.message, &ask.query, self.own_flags(ask), &ask.opt());
        match self.size(ask, out.bytes.len() - start) {
            Size::Full => self.send(ask, start, None, out),
            less => {
                out.bytes.truncate(start);
                self.say_less(ask, less, out);
            }
        }
    }

    pub(super) fn say_less(&mut self, ask: &Ask<'_>, size: Size, out: &mut Outbox) {
        match size {
            Size::Full | Size::Short => self.say_short(ask, out),
            Size::Nothing => self.add(Counter::dropped, 1),
        }
    }

    /// Tells a client to come over TCP.
    pub(super) fn say_short(&mut self, ask: &Ask<'_>, out: &mut Outbox) {
        self.add(Counter::truncated, 1);
        let start = out.bytes.len();
        let opt = if ask.is_proven { ask.opt() } else { Opt::default() };
        let flags = flag::TRUNCATED | self.own_flags(ask);
        write::short(&mut out.bytes, ask.message, &ask.query, code::NO_ERROR, flags, &opt);
        self.send(ask, start, None, out);
    }

    /// Answers with a code alone.
    pub(super) fn say(&mut self, ask: &Ask<'_>, code: u16, out: &mut Outbox) {
        let start = out.bytes.len();
        write::short(&mut out.bytes, ask.message, &ask.query, code, self.own_flags(ask), &ask.opt());
        let bytes = out.bytes.len() - start;
        if !ask.is_proven && self.ledger.mood() > Mood::Calm && !self.ledger.has_credit(bytes) {
            out.bytes.truncate(start);
            return self.add(Counter::dropped, 1);
        }
        self.send(ask, start, None, out);
    }

    /// Sends what was written from `start`. `took_us`: it had to wait so long.
    pub(super) fn send(&mut self, ask: &Ask<'_>, start: usize, took_us: Option<u64>, out: &mut Outbox) {
        let answer = &out.bytes[start..];
        self.add(Counter::answers, 1);
        if !ask.asker.via.is_tcp() {
            self.add(Counter::answer_bytes, answer.len() as u64);
            if !ask.is_proven {
                self.ledger.give(answer.len());
            }
        }
        self.sense.answer(self.now.wall, ask.asker, &ask.query, answer, took_us);
        out.to_client(ask.asker, start);
    }
}

fn waiter(ask: &Ask<'_>, asked_us: u64) -> Waiter {
    Waiter { asker: *ask.asker, message: ask.message.into(), asked_us }
}

/// Whether anybody can make questions of this kind to which no cache has an answer, of a name that exists: for
/// ever other types, or for ever other networks.
fn evades_cache(query: &Query<'_>) -> bool {
    !kind::is_usual(query.qtype) || query.edns.is_some_and(|e| e.has_client_subnet)
}
