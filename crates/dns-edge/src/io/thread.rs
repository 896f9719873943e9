//! One thread's loop: waits for sockets, takes datagrams in batches, sends in batches.

use super::batch::{BATCH, Datagram, Receiver, Sender};
use super::client::Clients;
use super::clock::Clock;
use super::link::Link;
use super::ports::Ports;
use super::upstream::{Gone, Stream, Upstreams};
use crate::core::outbox::{ToBackend, ToClient};
use crate::core::reply::From;
use crate::core::{Asker, Common, Core, Latest, Outbox, Shared, Via};
use crate::counters::Counter;
use rustix::event::{Timespec, epoll};
use rustls::ServerConfig;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often a thread hands over what it saw.
const TICK_US: u64 = 100_000;
/// How often a port is replaced and silent connections are looked for.
const CHORE_US: u64 = 1_000_000;
/// How long questions leave by the same port, so that the answers to those of one moment come in
/// together.
const PORT_US: u64 = 2_000;
/// The longest datagram that is taken from a client: longer ones are no queries.
const QUERY_BYTES: usize = 2_048;
/// The longest that is taken from a back end; it was told of less.
const ANSWER_BYTES: usize = 4_096;
/// Batches taken from one socket before others have their turn.
const TURNS: usize = 4;
/// Connections accepted before others have their turn.
const ACCEPTS: usize = 32;

/// What an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Udp {
        listener: u16,
    },
    Tcp {
        listener: u16,
    },
    Client {
        at: u32,
        generation: u32,
    },
    Port {
        number: u32,
        backend: u16,
    },
    /// `number`: of a connection for one question, else 0.
    Upstream {
        backend: u16,
        number: u32,
    },
}

impl Token {
    #[must_use]
    pub fn data(self) -> epoll::EventData {
        let of = |kind: u64, high: u32, low: u32| {
            epoll::EventData::new_u64(kind << 56 | u64::from(high & 0xFF_FFFF) << 32 | u64::from(low))
        };
        match self {
            Self::Udp { listener } => of(0, 0, listener.into()),
            Self::Tcp { listener } => of(1, 0, listener.into()),
            Self::Client { at, generation } => of(2, generation, at),
            Self::Port { number, backend } => of(3, backend.into(), number),
            Self::Upstream { backend, number } => of(4, backend.into(), number),
        }
    }

    fn read(data: u64) -> Option<Self> {
        let (high, low) = ((data >> 32) as u32 & 0xFF_FFFF, data as u32);
        match data >> 56 {
            0 => Some(Self::Udp { listener: low as u16 }),
            1 => Some(Self::Tcp { listener: low as u16 }),
            2 => Some(Self::Client { at: low, generation: high }),
            3 => Some(Self::Port { number: low, backend: high as u16 }),
            4 => Some(Self::Upstream { backend: high as u16, number: low }),
            _ => None,
        }
    }
}

/// The sockets of one thread.
#[derive(Debug)]
pub struct Listeners {
    pub udp: Vec<UdpSocket>,
    /// Those for TLS come last.
    pub tcp: Vec<TcpListener>,
    /// How many of them are for plain TCP.
    pub plain: usize,
}

/// A thread at work.
#[derive(Debug)]
pub struct Thread {
    core: Core,
    shared: Arc<Shared>,
    latest: Arc<Latest>,
    generation: u64,
    clock: Clock,
    listeners: Listeners,
    tls: Option<Arc<ServerConfig>>,
    /// Listeners that tell the address of each datagram.
    is_wild: Vec<bool>,
    epoll: OwnedFd,
    ports: Ports,
    upstreams: Upstreams,
    clients: Clients,
    queries: Receiver,
    answers: Receiver,
    sender: Sender,
    out: Outbox,
    next_tick_us: u64,
    next_chore_us: u64,
    next_port_us: u64,
}

impl Thread {
    /// # Errors
    /// If the system has no more descriptors or ports.
    pub fn new(
        common: &Common,
        latest: Arc<Latest>,
        shared: Arc<Shared>,
        number: u64,
        listeners: Listeners,
        clock: Clock,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let backends = addresses(common);
        for (at, socket) in (0..).zip(&listeners.udp) {
            epoll::add(&epoll, socket, Token::Udp { listener: at }.data(), epoll::EventFlags::IN)?;
        }
        for (at, socket) in (0..).zip(&listeners.tcp) {
            epoll::add(&epoll, socket, Token::Tcp { listener: at }.data(), epoll::EventFlags::IN)?;
        }
        let is_wild = listeners.udp.iter().map(|s| s.local_addr().is_ok_and(|a| a.ip().is_unspecified()));
        Ok(Self {
            core: Core::new(common, Arc::clone(&shared), number),
            latest,
            generation: 0,
            clock,
            is_wild: is_wild.collect(),
            ports: Ports::open(backends.clone(), &epoll)?,
            upstreams: Upstreams::new(backends),
            tls: common.settings.tls.as_ref().map(|tls| Arc::clone(&tls.config)),
            clients: Clients::new(common.settings.limits, common.seed ^ number),
            queries: Receiver::new(QUERY_BYTES),
            answers: Receiver::new(ANSWER_BYTES),
            sender: Sender::default(),
            out: Outbox::default(),
            next_tick_us: 0,
            next_chore_us: 0,
            next_port_us: 0,
            shared,
            listeners,
            epoll,
        })
    }

    /// Works until told to stop.
    ///
    /// # Errors
    /// If the system can no longer wait for sockets.
    pub fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
        while !stop.load(Ordering::Relaxed) {
            events.clear();
            let timeout = self.timeout();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            self.begin();
            for event in &events {
                if let Some(token) = Token::read(event.data.u64()) {
                    self.ready(token, event.flags);
                }
            }
            for connection in self.clients.take_again() {
                self.read_client(connection);
            }
            for stream in self.upstreams.take_again() {
                self.read_upstream(stream);
            }
            self.core.expire(&mut self.out);
            self.flush();
            self.chores();
        }
        self.core.publish();
        Ok(())
    }

    fn begin(&mut self) {
        let now = self.clock.now();
        let mut port = self.core.socket();
        if now.us >= self.next_port_us {
            self.next_port_us = now.us + PORT_US;
            port = self.ports.choose(self.core.random());
        }
        self.core.begin(now, port);
    }

    fn now_ms(&self) -> u64 {
        self.core.now().us / 1_000
    }

    fn timeout(&mut self) -> Timespec {
        if self.clients.has_again() || self.upstreams.has_again() {
            return Timespec { tv_sec: 0, tv_nsec: 0 };
        }
        let due_us = self.core.next_due_us().map_or(self.next_tick_us, |due| due.min(self.next_tick_us));
        let wait_us = due_us.saturating_sub(self.core.now().us);
        Timespec { tv_sec: (wait_us / 1_000_000) as i64, tv_nsec: (wait_us % 1_000_000) as i64 * 1_000 }
    }

    fn ready(&mut self, token: Token, flags: epoll::EventFlags) {
        match token {
            Token::Udp { listener } => self.take_queries(listener),
            Token::Tcp { listener } => self.accept(listener),
            Token::Client { at, generation } => {
                let connection = Clients::number(at, generation);
                if flags.intersects(epoll::EventFlags::OUT) {
                    self.clients.write(connection, &self.epoll);
                }
                if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::ERR | epoll::EventFlags::HUP) {
                    self.read_client(connection);
                }
            }
            Token::Port { number, backend } => self.take_answers(number, backend),
            Token::Upstream { backend, number } => self.read_upstream((backend, number)),
        }
    }

    fn read_upstream(&mut self, stream: Stream) {
        let (core, out) = (&mut self.core, &mut self.out);
        let from = From { backend: stream.0, socket: stream.1, over_tcp: true };
        if let Err(gone) = self.upstreams.ready(stream, |message| core.answer(from, message, out)) {
            self.core.stream_failed(stream, gone.has_answered, &mut self.out);
        }
        self.flush();
    }

    fn take_queries(&mut self, listener: u16) {
        let is_wild = self.is_wild[usize::from(listener)];
        for _ in 0..TURNS {
            let socket = &self.listeners.udp[usize::from(listener)];
            // A socket that fails for one call, for want of memory, works at the next.
            let taken = self.queries.receive(socket, is_wild).unwrap_or(0);
            for received in (0..taken).filter_map(|i| self.queries.get(i)) {
                let via = Via::Udp { listener, local: received.to };
                let asker = Asker { address: received.from, via };
                // What was cut cannot be read, and is counted so.
                let message = if received.is_cut { &[] } else { received.bytes };
                self.core.query(&asker, message, &mut self.out);
            }
            if taken < BATCH {
                return;
            }
            self.flush();
            self.begin();
        }
    }

    fn take_answers(&mut self, number: u32, backend: u16) {
        for _ in 0..TURNS {
            let Some(slot) = self.ports.get(number) else { return };
            // A refused connection shows as an error here: the check will tell.
            let taken = self.answers.receive(&slot.sockets[usize::from(backend)], false).unwrap_or(0);
            let from = From { backend, socket: number, over_tcp: false };
            for received in (0..taken).filter_map(|i| self.answers.get(i)) {
                let message = if received.is_cut { &[] } else { received.bytes };
                self.core.answer(from, message, &mut self.out);
            }
            if taken < BATCH {
                return;
            }
            self.flush();
        }
    }

    fn accept(&mut self, listener: u16) {
        for _ in 0..ACCEPTS {
            match self.listeners.tcp[usize::from(listener)].accept() {
                Ok((stream, address)) => {
                    let tls = self.tls.as_ref().filter(|_| usize::from(listener) >= self.listeners.plain);
                    let Ok(link) = Link::new(stream, tls) else { continue };
                    let now_ms = self.now_ms();
                    self.clients.accept(link, address, now_ms, &self.epoll, &self.shared.counters);
                }
                // None waits, or there are no descriptors left: later.
                Err(_) => return,
            }
        }
    }

    fn read_client(&mut self, connection: u64) {
        let (core, out) = (&mut self.core, &mut self.out);
        let now_ms = core.now().us / 1_000;
        let Some(via) = self.clients.via(connection) else { return };
        self.clients.read(connection, now_ms, &self.epoll, |address, message| {
            core.query(&Asker { address, via }, message, out);
        });
        self.flush();
    }

    /// Sends everything that was written. What fails over TCP writes more, over UDP or to clients.
    fn flush(&mut self) {
        while !self.out.is_empty() {
            // Back ends first: they work while the rest is sent.
            let failed = self.flush_backends();
            self.flush_clients();
            let now_ms = self.now_ms();
            for message in &self.out.streams {
                let bytes = &self.out.bytes[message.range.start as usize..message.range.end as usize];
                self.clients.send(message.connection, bytes, now_ms, &self.epoll);
            }
            self.out.clear();
            for (stream, gone) in failed {
                self.core.stream_failed(stream, gone.has_answered, &mut self.out);
            }
        }
    }

    fn flush_clients(&mut self) {
        let Outbox { bytes, clients, .. } = &self.out;
        for same in clients.chunk_by(|a, b| a.listener == b.listener) {
            let socket = &self.listeners.udp[usize::from(same[0].listener)];
            let datagram = |d: &ToClient| Datagram {
                to: Some(d.to),
                from: d.from,
                bytes: &bytes[d.range.start as usize..d.range.end as usize],
            };
            let failed = self.sender.send(socket, same.iter().map(datagram));
            self.shared.counters.add(Counter::send_failed, failed as u64);
        }
    }

    /// Returns the back ends whose TCP connections failed.
    fn flush_backends(&mut self) -> Vec<(Stream, Gone)> {
        let mut failed = Vec::new();
        let Outbox { bytes, backends, .. } = &self.out;
        if backends.is_empty() {
            return failed;
        }
        let bytes = |b: &ToBackend| &bytes[b.range.start as usize..b.range.end as usize];
        if let Some(slot) = self.ports.get(self.core.socket()) {
            for (backend, socket) in (0..).zip(&slot.sockets) {
                let mine = backends.iter().filter(|b| b.backend == backend && !b.over_tcp);
                let datagrams = mine.map(|b| Datagram { to: None, from: None, bytes: bytes(b) });
                let lost = self.sender.send(socket, datagrams);
                self.shared.counters.add(Counter::send_failed, lost as u64);
            }
        }
        for message in backends.iter().filter(|b| b.over_tcp) {
            let now_us = self.core.now().us;
            if let Err(gone) = self.upstreams.send(message, bytes(message), now_us, &self.epoll) {
                failed.push(((message.backend, message.stream), gone));
            }
        }
        failed
    }

    fn chores(&mut self) {
        let now = self.core.now();
        if now.us >= self.next_tick_us {
            self.next_tick_us = now.us + TICK_US;
            self.core.publish();
            self.renew();
        }
        if now.us >= self.next_chore_us {
            self.next_chore_us = now.us + CHORE_US;
            self.ports.rotate(now.us, &self.epoll);
            self.next_port_us = 0;
            self.clients.sweep(now.us / 1_000, &self.shared.counters);
            self.upstreams.sweep(now.us);
        }
    }

    /// Goes on by newer settings, if there are any. Where the system has no ports for them, the old
    /// ones hold until it has.
    fn renew(&mut self) {
        let Some((generation, common)) = self.latest.newer(self.generation) else { return };
        let backends = addresses(&common);
        let Ok(ports) = self.ports.after(backends.clone(), &self.epoll) else { return };
        self.generation = generation;
        (self.ports, self.upstreams) = (ports, Upstreams::new(backends));
        self.clients.limit(common.settings.limits);
        self.next_port_us = 0;
        self.begin();
        self.core.change(&common, &mut self.out);
        self.flush();
    }
}

/// Of all back ends, pool by pool.
fn addresses(common: &Common) -> Vec<SocketAddr> {
    common.settings.pools.iter().flat_map(|p| &p.backends).map(|b| b.address).collect()
}
