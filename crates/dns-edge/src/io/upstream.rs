//! TCP connections to back ends, one to each, opened when something is asked over it.

use super::thread::Token;
use rustix::event::epoll;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

/// Bytes that wait to be sent; more is a back end that takes nothing.
const OUT_BYTES: usize = 1 << 20;
/// Bytes taken from a connection at a time.
const READ_BYTES: usize = 16 << 10;

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    incoming: Vec<u8>,
}

/// Connections to all back ends.
#[derive(Debug)]
pub struct Upstreams {
    backends: Vec<SocketAddr>,
    connections: Vec<Option<Connection>>,
}

impl Upstreams {
    #[must_use]
    pub fn new(backends: Vec<SocketAddr>) -> Self {
        Self { connections: backends.iter().map(|_| None).collect(), backends }
    }

    /// Sends a question.
    ///
    /// # Errors
    /// If the connection is gone, or none can be made.
    pub fn send(&mut self, backend: u16, message: &[u8], epoll: &OwnedFd) -> Result<(), Gone> {
        let at = usize::from(backend);
        if self.connections[at].is_none() {
            self.connections[at] = Some(self.connect(backend, epoll).map_err(|_| Gone)?);
        }
        let Some(connection) = &mut self.connections[at] else { return Err(Gone) };
        if connection.out.len() + message.len() + 2 > OUT_BYTES {
            return self.drop_connection(backend);
        }
        let length = u16::try_from(message.len()).map_err(|_| Gone)?;
        connection.out.extend(length.to_be_bytes());
        connection.out.extend(message);
        self.write(backend)
    }

    /// Takes what has come, and sends what waits. `take` gets each whole answer.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn ready(&mut self, backend: u16, mut take: impl FnMut(&[u8])) -> Result<(), Gone> {
        let Some(connection) = &mut self.connections[usize::from(backend)] else { return Ok(()) };
        let mut chunk = [0; READ_BYTES];
        match connection.stream.read(&mut chunk) {
            Ok(0) => return self.drop_connection(backend),
            Ok(n) => connection.incoming.extend_from_slice(&chunk[..n]),
            Err(e) if is_later(&e) => {}
            Err(_) => return self.drop_connection(backend),
        }
        let mut at = 0;
        while let Some(head) = connection.incoming[at..].first_chunk::<2>() {
            let end = at + 2 + usize::from(u16::from_be_bytes(*head));
            let Some(message) = connection.incoming.get(at + 2..end) else { break };
            take(message);
            at = end;
        }
        connection.incoming.drain(..at);
        self.write(backend)
    }

    fn connect(&self, backend: u16, epoll: &OwnedFd) -> io::Result<Connection> {
        let address = self.backends[usize::from(backend)];
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
        epoll::add(epoll, &stream, Token::Upstream { backend }.data(), interest)?;
        Ok(Connection { stream, out: Vec::new(), incoming: Vec::new() })
    }

    fn write(&mut self, backend: u16) -> Result<(), Gone> {
        let Some(connection) = &mut self.connections[usize::from(backend)] else { return Ok(()) };
        while !connection.out.is_empty() {
            match connection.stream.write(&connection.out) {
                Ok(n) if n > 0 => drop(connection.out.drain(..n)),
                Err(e) if is_later(&e) => return Ok(()),
                _ => return self.drop_connection(backend),
            }
        }
        Ok(())
    }

    fn drop_connection(&mut self, backend: u16) -> Result<(), Gone> {
        self.connections[usize::from(backend)] = None;
        Err(Gone)
    }
}

/// Whether to wait for the next event: nothing there yet, or the handshake is under way.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}
