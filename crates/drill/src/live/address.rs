//! Where drills may go: loopback, and nowhere else.

use crate::rng::Rng;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// Longest for a connection to open.
const PATIENCE: Duration = Duration::from_secs(10);

/// An address that a drill may send to. There is no way to make one that is not loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door(SocketAddr);

/// A drill was asked to send to another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLoopback(pub SocketAddr);

impl fmt::Display for NotLoopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drills stay on this machine: {} is not a loopback address", self.0)
    }
}

impl std::error::Error for NotLoopback {}

impl Door {
    /// # Errors
    /// If the address is not this machine's own loopback.
    pub fn new(address: SocketAddr) -> Result<Self, NotLoopback> {
        let ip = address.ip().to_canonical();
        if ip.is_loopback() { Ok(Self(address)) } else { Err(NotLoopback(address)) }
    }

    #[must_use]
    pub fn address(self) -> SocketAddr {
        self.0
    }

    /// A connection from a source of 127.0.0.0/8.
    pub(crate) async fn connect(self, source: Source) -> Option<TcpStream> {
        self.connect_by(TcpSocket::new_v4().ok()?, source).await
    }

    /// The same with hardly any room for what comes, as a slow reader has it.
    pub(crate) async fn connect_small(self, source: Source) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.set_recv_buffer_size(1_024).ok()?;
        self.connect_by(socket, source).await
    }

    async fn connect_by(self, socket: TcpSocket, source: Source) -> Option<TcpStream> {
        socket.bind(source.with_port(0)).ok()?;
        let stream = tokio::time::timeout(PATIENCE, socket.connect(self.0)).await.ok()?.ok()?;
        stream.set_nodelay(true).ok()?;
        Some(stream)
    }
}

/// An address of 127.0.0.0/8 that stands for a client somewhere in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source(IpAddr);

impl Source {
    /// Number `number` of a population. Two populations of one seed share networks and no address.
    pub(crate) fn new(seed: u64, population: Population, number: u64) -> Self {
        let mixed = seawall_model::hash::mix(seawall_model::hash::combine(seed, number));
        // 127.1.0.0 to 127.254.255.255: the first network is the machine's own services'.
        let network = 1 + (mixed >> 32) % 254;
        let host = (mixed & 0xFFFC) | population as u64;
        Self(IpAddr::V4(Ipv4Addr::from(0x7F00_0000 | (network << 16) as u32 | host as u32)))
    }

    pub(crate) fn with_port(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.0, port)
    }

    /// One of so many, by chance.
    pub(crate) fn among(rng: &mut Rng, seed: u64, population: Population, many: u64) -> Self {
        Self::new(seed, population, rng.below(many))
    }
}

/// Who has an address: the last bits of it, so that nobody has another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Population {
    People = 1,
    Attackers = 2,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn only_loopback_is_a_door() {
        for good in ["127.0.0.1:80", "127.9.8.7:1", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(Door::new(good.parse().expect("an address")).is_ok(), "{good}");
        }
        for bad in
            ["0.0.0.0:80", "10.0.0.1:80", "192.0.2.1:80", "[::]:80", "[2001:db8::1]:80", "128.0.0.1:80"]
        {
            let address: SocketAddr = bad.parse().expect("an address");
            assert_eq!(Door::new(address), Err(NotLoopback(address)), "{bad}");
        }
    }

    #[test]
    fn people_and_attackers_share_networks_and_no_address() {
        let all = |population| -> BTreeSet<IpAddr> {
            (0..5_000).map(|n| Source::new(3, population, n).0).collect()
        };
        let (people, attackers) = (all(Population::People), all(Population::Attackers));
        assert!(people.is_disjoint(&attackers));
        assert!(people.iter().chain(&attackers).all(IpAddr::is_loopback));
        let network = |ip: &IpAddr| ip.to_string().rsplit_once('.').map(|(n, _)| n.to_owned());
        let shared: BTreeSet<_> = people.iter().map(network).collect();
        assert!(attackers.iter().filter(|ip| shared.contains(&network(ip))).count() > 100);
    }
}
