//! What a client's connection is made of: TCP alone, or TLS over it (DoT, RFC 7858).

use rustls::{ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// Bytes that TLS holds back before it is sent; more waits with the connection.
const HELD_BYTES: usize = 64 << 10;

/// Pieces of what TLS sends that are looked through for something to take, before others have their turn.
const ROUNDS: usize = 16;

/// A connection of a client, which never blocks.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
}

impl Link {
    /// # Errors
    /// If it cannot be kept from blocking, or TLS cannot begin.
    pub fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let _ = stream.set_nodelay(true);
        let begin = |config: &Arc<ServerConfig>| ServerConnection::new(Arc::clone(config));
        let mut tls = tls.map(begin).transpose().map_err(io::Error::other)?.map(Box::new);
        if let Some(tls) = &mut tls {
            tls.set_buffer_limit(Some(HELD_BYTES));
        }
        Ok(Self { stream, tls })
    }

    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Nobody on the way can read it.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.tls.is_some()
    }

    /// Something waits to be sent, apart from what the caller holds.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Takes what has come; 0 at the end. With TLS it must be called until it would block: what
    /// was read from the socket and not taken wakes nobody again.
    ///
    /// # Errors
    /// If nothing is there (`WouldBlock`) or only what is nothing to take so far (`Interrupted`), the connection
    /// failed, or what came is not TLS.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.read(into) };
        for _ in 0..ROUNDS {
            match tls.reader().read(into) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            // Without TLS's goodbye this is the end as well: each message tells its length.
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            let processed = tls.process_new_packets();
            // Its part of the handshake, or why it was refused.
            flush(tls, &mut self.stream)?;
            processed.map_err(io::Error::other)?;
        }
        Err(ErrorKind::Interrupted.into())
    }

    /// Whether [`Link::read`] may have more that nothing will wake for.
    #[must_use]
    pub fn holds_input(&self) -> bool {
        self.tls.is_some()
    }

    /// Sends of `bytes` what can be sent now; returns how many were taken.
    ///
    /// # Errors
    /// If nothing can be taken now (`WouldBlock`), or the connection failed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.write(bytes) };
        let taken = tls.writer().write(bytes)?;
        flush(tls, &mut self.stream)?;
        if taken == 0 && !bytes.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// Sends what TLS holds.
    ///
    /// # Errors
    /// If the connection failed.
    pub fn flush(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |tls| flush(tls, &mut self.stream))
    }
}

fn flush(tls: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
