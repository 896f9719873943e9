//! TCP connections to back ends, opened when something is asked over them: one to each, which all
//! questions share; or one for each question where the back end is told of the client, which the
//! PROXY protocol does once for a connection.

use super::thread::Token;
use crate::core::outbox::ToBackend;
use rustix::event::epoll;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

/// Bytes that wait to be sent; more is a back end that takes nothing.
const OUT_BYTES: usize = 1 << 20;
/// Bytes taken from a connection at a time.
const READ_BYTES: usize = 16 << 10;
/// So often, before others have their turn.
const TURNS: usize = 16;
/// Connections of one question each, at a time.
const MOST_OWN: usize = 512;
/// How long such a connection may be open: longer than any question waits.
const OWN_US: u64 = 15_000_000;

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// It has answered something: another connection is likely to, and has not been tried in vain.
    pub has_answered: bool,
}

/// A connection: its back end and, if it is for one question, its number, else 0.
pub type Stream = (u16, u32);

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    incoming: Vec<u8>,
    opened_us: u64,
    has_answered: bool,
}

/// Connections to all back ends.
#[derive(Debug)]
pub struct Upstreams {
    backends: Vec<SocketAddr>,
    connections: BTreeMap<Stream, Connection>,
    /// Connections to be read again without an event.
    again: Vec<Stream>,
}

impl Upstreams {
    #[must_use]
    pub fn new(backends: Vec<SocketAddr>) -> Self {
        Self { connections: BTreeMap::new(), backends, again: Vec::new() }
    }

    /// Connections to be read again, although no event will tell.
    #[must_use]
    pub fn take_again(&mut self) -> Vec<Stream> {
        std::mem::take(&mut self.again)
    }

    /// Whether some are.
    #[must_use]
    pub fn has_again(&self) -> bool {
        !self.again.is_empty()
    }

    /// Sends a question: `bytes` are what of it `to` is about.
    ///
    /// # Errors
    /// If the connection is gone, or none can be made.
    pub fn send(&mut self, to: &ToBackend, bytes: &[u8], now_us: u64, epoll: &OwnedFd) -> Result<(), Gone> {
        let at = (to.backend, to.stream);
        if !self.connections.contains_key(&at) {
            if to.stream > 0 && self.connections.len() >= MOST_OWN + self.backends.len() {
                return Err(Gone::default());
            }
            let made = self.connect(at, now_us, epoll).map_err(|_| Gone::default())?;
            self.connections.insert(at, made);
        }
        let Some(connection) = self.connections.get_mut(&at) else { return Err(Gone::default()) };
        if connection.out.len() + bytes.len() + 2 > OUT_BYTES {
            return self.drop_connection(at);
        }
        let (header, message) = bytes.split_at(usize::from(to.header_bytes).min(bytes.len()));
        let length = u16::try_from(message.len()).map_err(|_| Gone::default())?;
        connection.out.extend(header);
        connection.out.extend(length.to_be_bytes());
        connection.out.extend(message);
        self.write(at)
    }

    /// Takes what has come, and sends what waits. `take` gets each whole answer. Of a connection that brings more
    /// than its turn allows the rest is taken at the next, see [`Self::take_again`].
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn ready(&mut self, at: Stream, mut take: impl FnMut(&[u8])) -> Result<(), Gone> {
        let Some(connection) = self.connections.get_mut(&at) else { return Ok(()) };
        let mut chunk = [0; READ_BYTES];
        for _ in 0..TURNS {
            match connection.stream.read(&mut chunk) {
                Ok(0) => return self.drop_connection(at),
                Ok(n) => connection.incoming.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if is_later(&e) => return self.write(at),
                Err(_) => return self.drop_connection(at),
            }
            connection.take_messages(&mut take);
            if connection.has_answered && at.1 > 0 {
                // Its one question is answered.
                self.connections.remove(&at);
                return Ok(());
            }
        }
        if !self.again.contains(&at) {
            self.again.push(at);
        }
        self.write(at)
    }

    /// Closes connections whose question nobody waits for any more.
    pub fn sweep(&mut self, now_us: u64) {
        self.connections.retain(|(_, number), c| *number == 0 || now_us < c.opened_us + OWN_US);
    }

    fn connect(&self, at: Stream, now_us: u64, epoll: &OwnedFd) -> io::Result<Connection> {
        let address = self.backends[usize::from(at.0)];
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(e) => return Err(e.into()),
        }
        let stream = TcpStream::from(socket);
        let _ = stream.set_nodelay(true);
        // Edge-triggered, so that a connection that can be written to does not wake for nothing.
        let interest = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        let token = Token::Upstream { backend: at.0, number: at.1 };
        epoll::add(epoll, &stream, token.data(), interest)?;
        Ok(Connection {
            stream,
            out: Vec::new(),
            incoming: Vec::new(),
            opened_us: now_us,
            has_answered: false,
        })
    }

    fn write(&mut self, at: Stream) -> Result<(), Gone> {
        let Some(connection) = self.connections.get_mut(&at) else { return Ok(()) };
        while !connection.out.is_empty() {
            match connection.stream.write(&connection.out) {
                Ok(n) if n > 0 => drop(connection.out.drain(..n)),
                Err(e) if is_later(&e) => return Ok(()),
                _ => return self.drop_connection(at),
            }
        }
        Ok(())
    }

    fn drop_connection(&mut self, at: Stream) -> Result<(), Gone> {
        let has_answered = self.connections.remove(&at).is_some_and(|c| c.has_answered);
        Err(Gone { has_answered })
    }
}

impl Connection {
    /// Hands over each whole answer.
    fn take_messages(&mut self, take: &mut impl FnMut(&[u8])) {
        let mut taken = 0;
        while let Some(head) = self.incoming[taken..].first_chunk::<2>() {
            let end = taken + 2 + usize::from(u16::from_be_bytes(*head));
            let Some(message) = self.incoming.get(taken + 2..end) else { break };
            take(message);
            taken = end;
        }
        self.has_answered |= taken > 0;
        self.incoming.drain(..taken);
    }
}

/// Whether to wait for the next event: nothing there yet, or the handshake is under way.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::Timespec;
    use std::net::TcpListener;

    fn answer(bytes: usize) -> Vec<u8> {
        [&(bytes as u16).to_be_bytes()[..], &vec![7; bytes]].concat()
    }

    /// Broke: of an answer of more than sixteen kilobytes that was there at once, the first part was read, nothing
    /// told of the rest, and all that was asked over the connection had failed.
    #[test]
    fn a_long_answer_is_taken_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let mut upstreams = Upstreams::new(vec![listener.local_addr().expect("bound")]);
        let to = ToBackend { backend: 0, over_tcp: true, stream: 0, header_bytes: 0, range: 0..2 };
        upstreams.send(&to, b"??", 0, &epoll).expect("connects");
        let mut server = listener.accept().expect("a connection").0;
        server.write_all(&[answer(3), answer(60_000), answer(5)].concat()).expect("sent");
        server.shutdown(std::net::Shutdown::Write).expect("half closed");
        let (mut taken, mut gone) = (Vec::new(), None);
        while gone.is_none() {
            let mut events: Vec<epoll::Event> = Vec::with_capacity(8);
            let timeout = Timespec { tv_sec: 60, tv_nsec: 0 };
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)).expect("waits");
            assert!(!events.is_empty(), "{taken:?} taken, and nothing tells of more");
            gone = upstreams.ready((0, 0), |message| taken.push(message.len())).err();
        }
        assert_eq!((taken, gone), (vec![3, 60_000, 5], Some(Gone { has_answered: true })));
    }
    /// Broke: a back end that sent without end was read without end, and the thread did nothing else.
    #[test]
    fn a_back_end_that_never_stops_leaves_others_their_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let mut upstreams = Upstreams::new(vec![listener.local_addr().expect("bound")]);
        let to = ToBackend { backend: 0, over_tcp: true, stream: 0, header_bytes: 0, range: 0..2 };
        upstreams.send(&to, b"??", 0, &epoll).expect("connects");
        let mut server = listener.accept().expect("a connection").0;
        server.set_nonblocking(true).expect("set");
        while server.write(&answer(60_000)).is_ok() {}
        let mut taken = 0;
        upstreams.ready((0, 0), |_| taken += 1).expect("goes on");
        let most = TURNS * READ_BYTES / 60_000;
        assert!((1..=most).contains(&taken), "{taken} answers in one turn");
        assert_eq!(upstreams.take_again(), [(0, 0)], "the rest has its turn");
        upstreams.ready((0, 0), |_| taken += 1).expect("goes on");
        assert!(taken > most, "{taken} answers in two turns");
    }
}
