//! What one round of work sends: written one after the other into one buffer, handed to the system
//! in batches.

use super::{Asker, Via};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// A datagram to a client.
#[derive(Clone, Debug)]
pub struct ToClient {
    pub listener: u16,
    pub to: SocketAddr,
    /// The address it must come from, where the listener has several.
    pub from: Option<IpAddr>,
    pub range: Range<u32>,
}

/// A message to a client over TCP.
#[derive(Clone, Debug)]
pub struct ToStream {
    pub connection: u64,
    /// Empty: the question has no answer.
    pub range: Range<u32>,
}

/// A question to a back end.
#[derive(Clone, Debug)]
pub struct ToBackend {
    pub backend: u16,
    pub over_tcp: bool,
    /// Over TCP: the number of the connection that is this question's alone; 0: all share one.
    pub stream: u32,
    /// What comes before the question, by the PROXY protocol.
    pub header_bytes: u16,
    pub range: Range<u32>,
}

#[derive(Debug, Default)]
pub struct Outbox {
    pub bytes: Vec<u8>,
    pub clients: Vec<ToClient>,
    pub streams: Vec<ToStream>,
    pub backends: Vec<ToBackend>,
}

impl Outbox {
    /// Addresses what was written from `start` to a client.
    #[inline]
    pub fn to_client(&mut self, asker: &Asker, start: usize) {
        let range = start as u32..self.bytes.len() as u32;
        match asker.via {
            Via::Udp { listener, local } => {
                self.clients.push(ToClient { listener, to: asker.address, from: local, range });
            }
            Via::Tcp { connection, .. } => self.streams.push(ToStream { connection, range }),
        }
    }

    /// A question of a client has no answer: over TCP its connection must not wait for one.
    #[inline]
    pub fn no_answer(&mut self, asker: &Asker) {
        if asker.via.is_tcp() {
            self.to_client(asker, self.bytes.len());
        }
    }

    /// Whether there is nothing to be sent, or to be told of a connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.streams.is_empty()
    }

    /// Everything was sent.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.clients.clear();
        self.streams.clear();
        self.backends.clear();
    }
}
