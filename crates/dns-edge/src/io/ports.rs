//! The ports that questions leave by. Each round of work takes one at random, and one after the
//! other is replaced, so that nobody who finds out a port can use it for long. An answer is taken
//! on the port of its question only.

use super::socket;
use super::thread::Token;
use rustix::event::epoll;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

/// Ports to each back end at a time.
const SLOTS: usize = 8;
/// How long a port is listened on after its last question.
const LINGER_US: u64 = 3_000_000;

/// One port to each back end.
#[derive(Debug)]
pub struct Slot {
    pub number: u32,
    pub sockets: Vec<UdpSocket>,
    retired_us: u64,
}

#[derive(Debug)]
pub struct Ports {
    backends: Vec<SocketAddr>,
    slots: Vec<Slot>,
    retired: Vec<Slot>,
    next: usize,
    numbers: u32,
}

impl Ports {
    /// Opens the first ports.
    ///
    /// # Errors
    /// If there are no sockets or ports left.
    pub fn open(backends: Vec<SocketAddr>, epoll: &OwnedFd) -> io::Result<Self> {
        Self::open_from(0, backends, epoll)
    }

    fn open_from(numbers: u32, backends: Vec<SocketAddr>, epoll: &OwnedFd) -> io::Result<Self> {
        let mut ports = Self { backends, slots: Vec::new(), retired: Vec::new(), next: 0, numbers };
        for _ in 0..SLOTS {
            let slot = ports.make(epoll)?;
            ports.slots.push(slot);
        }
        Ok(ports)
    }

    /// The first ports to other back ends, none of which has a number of these.
    ///
    /// # Errors
    /// If there are no sockets or ports left.
    pub fn after(&self, backends: Vec<SocketAddr>, epoll: &OwnedFd) -> io::Result<Self> {
        Self::open_from(self.numbers, backends, epoll)
    }

    /// A port for this round.
    #[must_use]
    pub fn choose(&self, random: u16) -> u32 {
        self.slots[usize::from(random) % SLOTS].number
    }

    /// The ports of a number, while they are listened on.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Slot> {
        self.slots.iter().chain(&self.retired).find(|s| s.number == number)
    }

    /// Replaces one port, and closes those that have lingered. Where no port is to be had, the old
    /// ones do.
    pub fn rotate(&mut self, now_us: u64, epoll: &OwnedFd) {
        self.retired.retain(|s| now_us < s.retired_us + LINGER_US);
        if let Ok(fresh) = self.make(epoll) {
            let mut old = std::mem::replace(&mut self.slots[self.next], fresh);
            old.retired_us = now_us;
            self.retired.push(old);
            self.next = (self.next + 1) % SLOTS;
        }
    }

    fn make(&mut self, epoll: &OwnedFd) -> io::Result<Slot> {
        self.numbers = self.numbers.wrapping_add(1).max(1);
        let number = self.numbers;
        let mut sockets = Vec::new();
        for (backend, address) in (0..).zip(&self.backends) {
            let socket = socket::to_backend(*address)?;
            let token = Token::Port { number, backend };
            epoll::add(epoll, &socket, token.data(), epoll::EventFlags::IN)?;
            sockets.push(socket);
        }
        Ok(Slot { number, sockets, retired_us: 0 })
    }
}
