//! Clients over TCP (RFC 7766) and TLS: many questions on one connection, answered as they come.
//!
//! Everything of a connection is bounded: what it has sent of a message, what waits to be sent to
//! it, how many answers it waits for, and how long it may be silent. When there are too many
//! connections, the one that has been silent for longest makes room.

use super::link::Link;
use super::thread::Token;
use crate::core::Via;
use crate::counters::{Counter, Counters};
use crate::settings::Limits;
use rustix::event::epoll;
use seawall_model::hash;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// The longest question that is taken.
const MESSAGE_BYTES: usize = 4_096;
/// Bytes that wait to be sent to one client.
const OUT_BYTES: usize = 256 << 10;
/// A connection that is silent for less does not make room for another.
const SETTLED_MS: u64 = 500;
/// Counters of connections by source.
const SOURCES: usize = 1 << 12;

#[derive(Debug)]
struct Client {
    link: Link,
    address: SocketAddr,
    /// The address it came to.
    to: SocketAddr,
    incoming: Vec<u8>,
    out: Vec<u8>,
    /// Questions that were taken, less answers that were given.
    waiting: u32,
    active_ms: u64,
    is_reading: bool,
    /// It is told when more can be sent.
    is_writing: bool,
}

#[derive(Debug)]
pub struct Clients {
    places: Vec<(u32, Option<Client>)>,
    free: Vec<u32>,
    sources: Box<[u16]>,
    limits: Limits,
    seed: u64,
}

impl Clients {
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self { places: Vec::new(), free: Vec::new(), sources: vec![0; SOURCES].into(), limits, seed }
    }

    /// Takes a new connection, if there is room for it.
    pub fn accept(
        &mut self,
        link: Link,
        address: SocketAddr,
        now_ms: u64,
        epoll: &OwnedFd,
        counters: &Counters,
    ) {
        let source = self.source(address.ip());
        let is_full = self.places.len() - self.free.len() >= self.limits.connections as usize;
        let has_many = u64::from(self.sources[source]) >= self.limits.connections_per_source;
        if has_many || (is_full && !self.make_room(now_ms, counters)) {
            return counters.add(Counter::connections_refused, 1);
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len() as u32 - 1
        });
        let (generation, place) = &mut self.places[at as usize];
        let token = Token::Client { at, generation: *generation };
        let to = link.stream().local_addr().unwrap_or(address);
        if epoll::add(epoll, link.stream(), token.data(), epoll::EventFlags::IN).is_err() {
            self.free.push(at);
            return counters.add(Counter::connections_refused, 1);
        }
        *place = Some(Client {
            link,
            address,
            to,
            incoming: Vec::new(),
            out: Vec::new(),
            waiting: 0,
            active_ms: now_ms,
            is_reading: true,
            is_writing: false,
        });
        self.sources[source] = self.sources[source].saturating_add(1);
        counters.add(Counter::connections, 1);
    }

    /// Reads what a client has sent; `take` gets its address and each whole message.
    pub fn read(
        &mut self,
        connection: u64,
        now_ms: u64,
        epoll: &OwnedFd,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) {
        let pipelined = self.limits.pipelined as u32;
        let Some(client) = self.get(connection) else { return };
        let mut chunk = [0; MESSAGE_BYTES];
        loop {
            match client.link.read(&mut chunk) {
                Ok(0) => return self.close(connection),
                Ok(n) => client.incoming.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => break,
                Err(_) => return self.close(connection),
            }
            if !client.take_messages(now_ms, &mut take) {
                return self.close(connection);
            }
            if !client.link.holds_input() {
                break;
            }
        }
        let has_enough = client.waiting >= pipelined || client.out.len() > OUT_BYTES / 2;
        if has_enough || client.link.wants_write() {
            client.is_reading &= !has_enough;
            self.want(connection, epoll);
        }
    }

    /// The way that questions come over a connection; `None`: it is closed.
    #[must_use]
    pub fn via(&mut self, connection: u64) -> Option<Via> {
        let client = self.get(connection)?;
        Some(Via::Tcp { connection, to: client.to, is_secret: client.link.is_secret() })
    }

    /// Other limits hold from now on.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Sends an answer.
    pub fn send(&mut self, connection: u64, message: &[u8], now_ms: u64, epoll: &OwnedFd) {
        let Some(client) = self.get(connection) else { return };
        client.waiting = client.waiting.saturating_sub(1);
        client.active_ms = now_ms;
        let Ok(length) = u16::try_from(message.len()) else { return };
        if client.out.len() + message.len() + 2 > OUT_BYTES {
            return self.close(connection);
        }
        client.out.extend(length.to_be_bytes());
        client.out.extend_from_slice(message);
        self.write(connection, epoll);
    }

    /// Sends what waits.
    pub fn write(&mut self, connection: u64, epoll: &OwnedFd) {
        let pipelined = self.limits.pipelined as u32;
        let Some(client) = self.get(connection) else { return };
        while !client.out.is_empty() {
            match client.link.write(&client.out) {
                Ok(n) if n > 0 => drop(client.out.drain(..n)),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    return self.want(connection, epoll);
                }
                _ => return self.close(connection),
            }
        }
        if client.link.flush().is_err() {
            return self.close(connection);
        }
        let is_reading = client.is_reading || client.waiting < pipelined;
        if is_reading != client.is_reading || client.link.wants_write() || client.is_writing {
            client.is_reading = is_reading;
            self.want(connection, epoll);
        }
    }

    /// Closes what has been silent for too long.
    pub fn sweep(&mut self, now_ms: u64, counters: &Counters) {
        let limit_ms = self.limits.idle_timeout_ms;
        for at in 0..self.places.len() {
            let (generation, place) = &self.places[at];
            if place.as_ref().is_some_and(|c| now_ms.saturating_sub(c.active_ms) > limit_ms) {
                let connection = number(at as u32, *generation);
                self.close(connection);
                counters.add(Counter::connections_idle, 1);
            }
        }
    }

    /// The number of the connection that an event is for.
    #[must_use]
    pub fn number(at: u32, generation: u32) -> u64 {
        number(at, generation)
    }

    fn make_room(&mut self, now_ms: u64, counters: &Counters) -> bool {
        let oldest = self
            .places
            .iter()
            .enumerate()
            .filter_map(|(at, (generation, place))| Some((place.as_ref()?.active_ms, at, *generation)))
            .min();
        let Some((active_ms, at, generation)) = oldest else { return false };
        if now_ms.saturating_sub(active_ms) < SETTLED_MS {
            return false;
        }
        self.close(number(at as u32, generation));
        counters.add(Counter::connections_idle, 1);
        true
    }

    fn get(&mut self, connection: u64) -> Option<&mut Client> {
        let (generation, place) = self.places.get_mut(connection as u32 as usize)?;
        place.as_mut().filter(|_| *generation == (connection >> 32) as u32)
    }

    fn want(&mut self, connection: u64, epoll: &OwnedFd) {
        let Some(client) = self.get(connection) else { return };
        let mut interest = epoll::EventFlags::empty();
        interest.set(epoll::EventFlags::IN, client.is_reading);
        client.is_writing = !client.out.is_empty() || client.link.wants_write();
        interest.set(epoll::EventFlags::OUT, client.is_writing);
        let token = Token::Client { at: connection as u32, generation: (connection >> 32) as u32 };
        if epoll::modify(epoll, client.link.stream(), token.data(), interest).is_err() {
            self.close(connection);
        }
    }

    fn close(&mut self, connection: u64) {
        let Some((generation, place)) = self.places.get_mut(connection as u32 as usize) else { return };
        if *generation != (connection >> 32) as u32 {
            return;
        }
        if let Some(client) = place.take() {
            *generation = (*generation + 1) & 0xFF_FFFF;
            self.free.push(connection as u32);
            let source = self.source(client.address.ip());
            self.sources[source] = self.sources[source].saturating_sub(1);
        }
    }

    fn source(&self, address: IpAddr) -> usize {
        let key = crate::limit::Prefixes::of(address.to_canonical()).host;
        hash::combine(self.seed, key) as usize % SOURCES
    }
}

impl Client {
    /// Hands over each whole message; false if what came is none.
    fn take_messages(&mut self, now_ms: u64, take: &mut impl FnMut(SocketAddr, &[u8])) -> bool {
        let mut at = 0;
        let mut is_wrong = false;
        while let Some(head) = self.incoming[at..].first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*head));
            is_wrong = !(crate::message::HEADER_BYTES..=MESSAGE_BYTES).contains(&length);
            let Some(message) = self.incoming.get(at + 2..at + 2 + length).filter(|_| !is_wrong) else {
                break;
            };
            self.waiting += 1;
            // Only a whole question counts as a sign of life: drops of one are none.
            self.active_ms = now_ms;
            take(self.address, message);
            at += 2 + length;
        }
        self.incoming.drain(..at);
        !is_wrong
    }
}

fn number(at: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(at)
}
