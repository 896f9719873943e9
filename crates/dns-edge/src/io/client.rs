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
/// Pieces taken from a connection before others have their turn.
const TURN: usize = 16;
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
    /// Questions that were taken, less those that are over.
    waiting: u32,
    active_ms: u64,
    is_reading: bool,
    /// It has said all that it will, and may wait for answers.
    is_ended: bool,
    /// It is told when more can be sent.
    is_writing: bool,
    /// What it holds was not all taken, and no event tells of that.
    holds_more: bool,
}

#[derive(Debug)]
pub struct Clients {
    places: Vec<(u32, Option<Client>)>,
    free: Vec<u32>,
    sources: Box<[u16]>,
    /// Connections to be read again without an event.
    again: Vec<u64>,
    limits: Limits,
    seed: u64,
}

impl Clients {
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        let sources = vec![0; SOURCES].into();
        Self { places: Vec::new(), free: Vec::new(), sources, again: Vec::new(), limits, seed }
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
            is_ended: false,
            is_writing: false,
            holds_more: false,
        });
        self.sources[source] = self.sources[source].saturating_add(1);
        counters.add(Counter::connections, 1);
    }

    /// Connections to be read again, although no event will tell.
    #[must_use]
    pub fn take_again(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.again)
    }

    /// Whether there are any.
    #[must_use]
    pub fn has_again(&self) -> bool {
        !self.again.is_empty()
    }

    /// Reads what a client has sent, up to as much as it may have waiting, or a turn; `take` gets its address
    /// and each whole message.
    pub fn read(
        &mut self,
        connection: u64,
        now_ms: u64,
        epoll: &OwnedFd,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) {
        let pipelined = self.limits.pipelined as u32;
        let Some(client) = self.get(connection) else { return };
        if client.is_ended {
            // Nothing more is taken: all that can be told is that the connection has failed.
            if client.link.stream().peek(&mut [0]).is_err_and(|e| e.kind() != ErrorKind::WouldBlock) {
                self.close(connection);
            }
            return;
        }
        let mut chunk = [0; MESSAGE_BYTES];
        client.holds_more = client.link.holds_input();
        for _ in 0..TURN {
            match client.link.read(&mut chunk) {
                Ok(0) => return self.end(connection, epoll),
                Ok(n) => client.incoming.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    client.holds_more = false;
                    break;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => break,
                Err(_) => return self.close(connection),
            }
            if !client.take_messages(now_ms, &mut take) {
                return self.close(connection);
            }
            if !client.holds_more || client.has_enough(pipelined) {
                break;
            }
        }
        let has_enough = client.has_enough(pipelined);
        let is_again = client.holds_more && !has_enough;
        if has_enough || client.link.wants_write() {
            client.is_reading &= !has_enough;
            self.want(connection, epoll);
        }
        if is_again {
            self.read_again(connection);
        }
    }

    /// The client has sent its last. Where it waits for answers, it gets them: it may have closed its side alone.
    fn end(&mut self, connection: u64, epoll: &OwnedFd) {
        let Some(client) = self.get(connection) else { return };
        client.is_ended = true;
        if client.is_over() {
            return self.close(connection);
        }
        (client.is_reading, client.holds_more) = (false, false);
        self.want(connection, epoll);
    }

    fn read_again(&mut self, connection: u64) {
        if !self.again.contains(&connection) {
            self.again.push(connection);
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

    /// Sends an answer; an empty one says that there will be none.
    pub fn send(&mut self, connection: u64, message: &[u8], now_ms: u64, epoll: &OwnedFd) {
        let Some(client) = self.get(connection) else { return };
        client.waiting = client.waiting.saturating_sub(1);
        if message.is_empty() {
            return self.write(connection, epoll);
        }
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
        if client.link.flush().is_err() || client.is_over() {
            return self.close(connection);
        }
        let is_reading = client.is_reading || (client.waiting < pipelined && !client.is_ended);
        if is_reading != client.is_reading || client.link.wants_write() || client.is_writing {
            client.is_reading = is_reading;
            let is_again = is_reading && client.holds_more;
            self.want(connection, epoll);
            if is_again {
                self.read_again(connection);
            }
        }
    }

    /// Closes what has been silent for too long, and waits for nothing (RFC 7766 section 6.2.3).
    pub fn sweep(&mut self, now_ms: u64, counters: &Counters) {
        let limit_ms = self.limits.idle_timeout_ms;
        for at in 0..self.places.len() {
            let (generation, place) = &self.places[at];
            let is_silent = |c: &Client| c.waiting == 0 && now_ms.saturating_sub(c.active_ms) > limit_ms;
            if place.as_ref().is_some_and(is_silent) {
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
    /// Whether it has said all and heard all.
    fn is_over(&self) -> bool {
        self.is_ended && self.waiting == 0 && self.out.is_empty() && !self.link.wants_write()
    }

    /// Whether no more is taken of it for now.
    fn has_enough(&self, pipelined: u32) -> bool {
        self.waiting >= pipelined || self.out.len() > OUT_BYTES / 2
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::Timespec;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    const MESSAGES: usize = 4_000;
    /// A message of nothing but a header, and its length.
    const MESSAGE: [u8; 14] = [0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// What the two sides of a TLS connection on this machine work by.
    fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("a certificate");
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a key that fits");
        (Arc::new(client), Arc::new(server))
    }

    /// Broke: of a client over TLS all was taken that came, as long as it came, before anybody else had a turn
    /// and before anything was sent: one that sent fast enough had the thread, and its memory, for itself.
    #[test]
    fn a_client_over_tls_that_never_stops_has_its_turn_and_no_more() {
        let (theirs, ours) = configs();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let sends = std::thread::spawn(move || {
            let host = "localhost".try_into().expect("a name");
            let client = ClientConnection::new(theirs, host).expect("a connection");
            let mut stream = StreamOwned::new(client, stream);
            stream.write_all(&MESSAGE.repeat(MESSAGES)).expect("sent");
            stream
        });
        let (stream, address) = listener.accept().expect("a client");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let limits = Limits { pipelined: 8, ..Limits::default() };
        let mut clients = Clients::new(limits, 7);
        clients.accept(
            Link::new(stream, Some(&ours)).expect("a link"),
            address,
            0,
            &epoll,
            &Counters::default(),
        );
        let (connection, mut taken) = (number(0, 0), 0);
        let most = MESSAGE_BYTES / MESSAGE.len() + 1 + limits.pipelined as usize;
        while taken < MESSAGES {
            let mut events: Vec<epoll::Event> = Vec::with_capacity(8);
            let again = clients.take_again();
            let timeout = Timespec { tv_sec: if again.is_empty() { 60 } else { 0 }, tv_nsec: 0 };
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)).expect("waits");
            assert!(
                !events.is_empty() || !again.is_empty(),
                "{taken} of {MESSAGES}, and nothing tells of more"
            );
            clients.write(connection, &epoll);
            let mut turn = 0;
            clients.read(connection, 0, &epoll, |_, _| turn += 1);
            assert!(turn <= most, "{turn} at once");
            (0..turn).for_each(|_| clients.send(connection, &MESSAGE[2..], 0, &epoll));
            taken += turn;
        }
        assert_eq!(taken, MESSAGES);
        drop(sends.join().expect("all is sent"));
    }

    /// Broke: a question without an answer, such as one that is none, kept its place among those that a
    /// connection waits for: after as many as it may have nothing more was read of it until it was closed as idle.
    #[test]
    fn a_connection_is_read_on_after_questions_that_have_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut sends = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (stream, address) = listener.accept().expect("a client");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let limits = Limits { pipelined: 8, ..Limits::default() };
        let mut clients = Clients::new(limits, 7);
        clients.accept(Link::new(stream, None).expect("a link"), address, 0, &epoll, &Counters::default());
        let connection = number(0, 0);
        for _ in 0..3 {
            sends.write_all(&MESSAGE.repeat(8)).expect("sent");
            let mut taken = 0;
            while taken < 8 {
                let mut events: Vec<epoll::Event> = Vec::with_capacity(8);
                let timeout = Timespec { tv_sec: 60, tv_nsec: 0 };
                let spare = rustix::buffer::spare_capacity(&mut events);
                epoll::wait(&epoll, spare, Some(&timeout)).expect("waits");
                assert!(!events.is_empty(), "nothing more is read");
                clients.read(connection, 0, &epoll, |_, _| taken += 1);
            }
            (0..taken).for_each(|_| clients.send(connection, b"", 0, &epoll));
        }
    }

    /// A client over TCP that has asked one question, and its connection.
    fn asking(clients: &mut Clients, epoll: &OwnedFd) -> (TcpStream, u64) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut sends = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        sends.write_all(&MESSAGE).expect("sent");
        let (stream, address) = listener.accept().expect("a client");
        clients.accept(Link::new(stream, None).expect("a link"), address, 0, epoll, &Counters::default());
        let (connection, mut taken) = (number(0, 0), 0);
        while taken == 0 {
            clients.read(connection, 0, epoll, |_, _| taken += 1);
        }
        (sends, connection)
    }

    /// Broke: a client that closed its side after its question, as a shell's pipe does, got no answer where a
    /// server had to be asked for it.
    #[test]
    fn a_client_that_closes_its_side_gets_the_answers_that_it_waits_for() {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let mut clients = Clients::new(Limits::default(), 7);
        let (mut sends, connection) = asking(&mut clients, &epoll);
        sends.shutdown(std::net::Shutdown::Write).expect("half closed");
        let mut events: Vec<epoll::Event> = Vec::with_capacity(8);
        let timeout = Timespec { tv_sec: 60, tv_nsec: 0 };
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)).expect("waits");
        for _ in 0..2 {
            clients.read(connection, 0, &epoll, |_, _| panic!("nothing more was sent"));
        }
        assert!(clients.via(connection).is_some(), "it waits for an answer");
        clients.send(connection, &MESSAGE[2..], 0, &epoll);
        assert!(clients.via(connection).is_none(), "it waits for nothing more");
        let mut got = Vec::new();
        sends.read_to_end(&mut got).expect("closed in order");
        assert_eq!(got, MESSAGE);
    }

    /// Broke: where a server may take longer than a connection may be silent, those that waited for it were closed
    /// as silent.
    #[test]
    fn who_waits_for_an_answer_is_not_silent() {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let (limits, counters) = (Limits::default(), Counters::default());
        let mut clients = Clients::new(limits, 7);
        let (_sends, connection) = asking(&mut clients, &epoll);
        let later_ms = limits.idle_timeout_ms + 1;
        clients.sweep(later_ms, &counters);
        assert!(clients.via(connection).is_some(), "it waits");
        clients.send(connection, &MESSAGE[2..], later_ms, &epoll);
        clients.sweep(2 * later_ms, &counters);
        assert!(clients.via(connection).is_none(), "it has its answer, and was silent since");
    }
}
