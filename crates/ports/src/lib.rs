//! Free ports of the loopback, for programs that have to be told one: real servers in tests and in
//! drills, and whatever must come back on the port that it had. And those programs, which end with
//! whoever started them.
//!
//! A port that the system chooses (port 0) comes from the range that it gives to outgoing sockets
//! as well, and another socket may have it by the time a server binds it. These lie below that range,
//! and another process that asks here is given none of them while this one runs.

mod running;

pub use running::Running;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Above what services use, below what Linux gives to outgoing sockets (`ip_local_port_range`
/// begins at 32768 unless somebody has changed it).
const FIRST: u32 = 16_384;
const COUNT: u32 = 16_000;
/// Processes that run at the same time begin this far from each other.
const STRIDE: u32 = 97;

static TAKEN: AtomicU32 = AtomicU32::new(0);
/// What tells others that a port was given, until this process ends.
static CLAIMS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// An address of `127.0.0.1` whose port nobody has, neither for TCP nor for UDP, and which is given
/// once: to no other call of this process, nor to another process (on Linux) before this one ends.
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
        let is_free = TcpListener::bind(address).and_then(|_| UdpSocket::bind(address));
        match is_free.and_then(|_| claim(port)) {
            Ok(claimed) => {
                CLAIMS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(claimed);
                return Ok(address);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no port was tried")))
}

/// A name that one socket of a network namespace can have, and that goes with the process.
#[cfg(target_os = "linux")]
fn claim(port: u16) -> io::Result<Option<UnixListener>> {
    use std::os::linux::net::SocketAddrExt;
    let name = std::os::unix::net::SocketAddr::from_abstract_name(format!("seawall-port-{port}"))?;
    UnixListener::bind_addr(&name).map(Some)
}

/// Elsewhere there are no such names, and processes keep apart by where they begin.
#[cfg(not(target_os = "linux"))]
fn claim(_port: u16) -> io::Result<Option<UnixListener>> {
    Ok(None)
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

    /// Broke: two processes that began near each other were given one port, and the second server to
    /// bind it ended.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_port_that_another_process_was_given_is_passed_over() {
        use std::os::linux::net::SocketAddrExt;
        let claimed = |port: u16| {
            let name = std::os::unix::net::SocketAddr::from_abstract_name(format!("seawall-port-{port}"));
            UnixListener::bind_addr(&name.expect("a name"))
        };
        let given = free().expect("a port").port();
        assert!(claimed(given).is_err(), "others are told of it");
        // Another test, or another program, may have it: then there is nothing to pass over.
        let next = if given == 32_383 { 16_384 } else { given + 1 };
        let _held = claimed(next);
        assert!((0..10).all(|_| free().expect("a port").port() != next));
    }

    #[test]
    fn a_port_that_somebody_has_for_udp_alone_is_passed_over() {
        let next = free().expect("a port").port() + 1;
        // Another test, or another program, may have it: then there is nothing to pass over.
        let _held = UdpSocket::bind((Ipv4Addr::LOCALHOST, next));
        assert!((0..10).all(|_| free().expect("a port").port() != next));
    }
}
