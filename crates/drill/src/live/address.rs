//! Where drills may go: loopback, and the networks of a lab that the drill has made itself; nowhere
//! else.

use crate::rng::Rng;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// Longest for a connection to open.
const PATIENCE: Duration = Duration::from_secs(10);

/// Networks of the servers of a lab: set aside for such (RFC 2544, RFC 6890), and routed nowhere.
const LAB_SERVERS: [u8; 2] = [198, 18];
/// First byte of the addresses that clients have: on loopback, and in a lab.
const LOOPBACK_CLIENTS: u8 = 127;
pub(crate) const LAB_CLIENTS: u8 = 10;

/// An address that a drill may send to. There is no way to make one that is neither loopback nor in a
/// lab. A connection to a lab begins at an address that exists nowhere but in the lab, so that it
/// cannot even be begun outside of it.
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

    /// The door of a lab's server; `None` where no lab has such an address.
    pub(crate) fn in_lab(address: SocketAddr) -> Option<Self> {
        match address.ip() {
            IpAddr::V4(ip) if ip.octets()[..2] == LAB_SERVERS => Some(Self(address)),
            _ => None,
        }
    }

    #[must_use]
    pub fn address(self) -> SocketAddr {
        self.0
    }

    /// Where a client that comes to this door comes from: any free port of its address.
    pub(crate) fn from(self, source: Source) -> SocketAddr {
        let clients = if self.0.ip().to_canonical().is_loopback() { LOOPBACK_CLIENTS } else { LAB_CLIENTS };
        SocketAddr::new(source.among_clients(clients).into(), 0)
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
        socket.bind(self.from(source)).ok()?;
        let stream = tokio::time::timeout(PATIENCE, socket.connect(self.0)).await.ok()?.ok()?;
        stream.set_nodelay(true).ok()?;
        Some(stream)
    }
}

/// A client somewhere in the world: the last three bytes of its address. The first one is that of the
/// network in which the drill is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source([u8; 3]);

impl Source {
    /// Number `number` of a population. Two populations of one seed share networks and no address.
    pub(crate) fn new(seed: u64, population: Population, number: u64) -> Self {
        let mixed = seawall_model::hash::mix(seawall_model::hash::combine(seed, number));
        // 127.1.0.0 to 127.254.255.255: the first network is the machine's own services'.
        let network = 1 + (mixed >> 32) % 254;
        let host = (mixed & 0xFFFC) | population as u64;
        Self([network as u8, (host >> 8) as u8, host as u8])
    }

    fn among_clients(self, first: u8) -> Ipv4Addr {
        let [network, high, low] = self.0;
        Ipv4Addr::new(first, network, high, low)
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
    fn a_labs_door_is_in_its_networks_and_its_clients_are_no_loopback() {
        assert_eq!(Door::in_lab("192.0.2.1:80".parse().expect("an address")), None);
        assert_eq!(Door::in_lab("127.0.0.1:80".parse().expect("an address")), None);
        let door = Door::in_lab("198.18.0.2:80".parse().expect("an address")).expect("a door");
        let source = Source::new(3, Population::People, 7);
        let own = Door::new("127.0.0.1:80".parse().expect("an address")).expect("a door");
        let (there, here) = (door.from(source).to_string(), own.from(source).to_string());
        assert_eq!(there.strip_prefix("10."), here.strip_prefix("127."));
    }

    #[test]
    fn people_and_attackers_share_networks_and_no_address() {
        let all = |population| -> BTreeSet<IpAddr> {
            (0..5_000).map(|n| Source::new(3, population, n).among_clients(127).into()).collect()
        };
        let (people, attackers) = (all(Population::People), all(Population::Attackers));
        assert!(people.is_disjoint(&attackers));
        assert!(people.iter().chain(&attackers).all(IpAddr::is_loopback));
        let network = |ip: &IpAddr| ip.to_string().rsplit_once('.').map(|(n, _)| n.to_owned());
        let shared: BTreeSet<_> = people.iter().map(network).collect();
        assert!(attackers.iter().filter(|ip| shared.contains(&network(ip))).count() > 100);
    }
}
