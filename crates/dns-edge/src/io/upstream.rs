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
/// Connections of one question each, at a time.
const MOST_OWN: usize = 512;
/// How long such a connection may be open: longer than any question waits.
const OWN_US: u64 = 15_000_000;

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A connection: its back end and, if it is for one question, its number, else 0.
pub type Stream = (u16, u32);

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    incoming: Vec<u8>,
    opened_us: u64,
}

/// Connections to all back ends.
#[derive(Debug)]
pub struct Upstreams {
    backends: Vec<SocketAddr>,
    connections: BTreeMap<Stream, Connection>,
}

impl Upstreams {
    #[must_use]
    pub fn new(backends: Vec<SocketAddr>) -> Self {
        Self { connections: BTreeMap::new(), backends }
    }

    /// Sends a question: `bytes` are what of it `to` is about.
    ///
    /// # Errors
    /// If the connection is gone, or none can be made.
    pub fn send(&mut self, to: &ToBackend, bytes: &[u8], now_us: u64, epoll: &OwnedFd) -> Result<(), Gone> {
        let at = (to.backend, to.stream);
        if !self.connections.contains_key(&at) {
            if to.stream > 0 && self.connections.len() >= MOST_OWN + self.backends.len() {
                return Err(Gone);
            }
            let made = self.connect(at, now_us, epoll).map_err(|_| Gone)?;
            self.connections.insert(at, made);
        }
        let Some(connection) = self.connections.get_mut(&at) else { return Err(Gone) };
        if connection.out.len() + bytes.len() + 2 > OUT_BYTES {
            return self.drop_connection(at);
        }
        let (header, message) = bytes.split_at(usize::from(to.header_bytes).min(bytes.len()));
        let length = u16::try_from(message.len()).map_err(|_| Gone)?;
        connection.out.extend(header);
        connection.out.extend(length.to_be_bytes());
        connection.out.extend(message);
        self.write(at)
    }

    /// Takes what has come, and sends what waits. `take` gets each whole answer.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn ready(&mut self, at: Stream, mut take: impl FnMut(&[u8])) -> Result<(), Gone> {
        let Some(connection) = self.connections.get_mut(&at) else { return Ok(()) };
        let mut chunk = [0; READ_BYTES];
        match connection.stream.read(&mut chunk) {
            Ok(0) => return self.drop_connection(at),
            Ok(n) => connection.incoming.extend_from_slice(&chunk[..n]),
            Err(e) if is_later(&e) => {}
            Err(_) => return self.drop_connection(at),
        }
        let mut taken = 0;
        while let Some(head) = connection.incoming[taken..].first_chunk::<2>() {
            let end = taken + 2 + usize::from(u16::from_be_bytes(*head));
            let Some(message) = connection.incoming.get(taken + 2..end) else { break };
            take(message);
            taken = end;
        }
        if taken > 0 && at.1 > 0 {
            // Its one question is answered.
            self.connections.remove(&at);
            return Ok(());
        }
        connection.incoming.drain(..taken);
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
        Ok(Connection { stream, out: Vec::new(), incoming: Vec::new(), opened_us: now_us })
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
        self.connections.remove(&at);
        Err(Gone)
    }
}

/// Whether to wait for the next event: nothing there yet, or the handshake is under way.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}
