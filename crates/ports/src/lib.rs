//! Free ports of the loopback, for programs that have to be told one: real servers in tests and in
//! drills, and whatever must come back on the port that it had.
//!
//! A port that the system chooses (port 0) comes from the range that it gives to outgoing sockets
//! as well, and another socket may have it by the time a server binds it. These lie below that range.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Above what services use, below what Linux gives to outgoing sockets (`ip_local_port_range`
/// begins at 32768 unless somebody has changed it).
const FIRST: u32 = 16_384;
const COUNT: u32 = 16_000;
/// Processes that run at the same time begin this far from each other.
const STRIDE: u32 = 97;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// An address of `127.0.0.1` whose port nobody has, neither for TCP nor for UDP. No two calls in a
/// process give the same one before all were given.
///
/// # Errors
/// No port is free, or the loopback cannot be used.
pub fn free() -> io::Result<SocketAddr> {
    let start = std::process::id().wrapping_mul(STRIDE);
    let mut last = None;
    for _ in 0..COUNT {
        let at = start.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + at).expect("below 32,768");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address).and_then(|_| UdpSocket::bind(address)) {
            Ok(_) => return Ok(address),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no port was tried")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_for_both_protocols_and_given_once() {
        let all: Vec<_> = (0..50).map(|_| free().expect("a port")).collect();
        let mut ports: Vec<_> = all.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|p| (16_384..32_768).contains(p)));
    }

    #[test]
    fn a_port_that_somebody_has_for_udp_alone_is_passed_over() {
        let next = free().expect("a port").port() + 1;
        // Another test, or another program, may have it: then there is nothing to pass over.
        let _held = UdpSocket::bind((Ipv4Addr::LOCALHOST, next));
        assert!((0..10).all(|_| free().expect("a port").port() != next));
    }
}
