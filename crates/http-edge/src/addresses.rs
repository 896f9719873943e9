//! Where a server is: the addresses of its name. A name may have several, at one of which alone the
//! server listens (`localhost` has two), and it may come to have others (a container that is started
//! anew).

use arc_swap::ArcSwap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;
/// How long an address is waited for that is not the last one (RFC 8305, section 5, has half of it, and
/// goes on waiting).
const PATIENCE: Duration = Duration::from_millis(500);

/// The addresses of one server, as all threads know them.
#[derive(Debug, Default)]
pub struct Addresses {
    all: ArcSwap<Vec<SocketAddr>>,
    /// Number of the one that took the last connection.
    good: AtomicUsize,
}

impl Addresses {
    /// Takes these addresses in place of the former ones, unless they are the same in another order: who
    /// answers for a name often turns them.
    pub fn set(&self, found: &[SocketAddr]) {
        let next = &found[..found.len().min(MOST_ADDRESSES)];
        let present = self.all.load();
        let is_same = present.len() == next.len() && next.iter().all(|address| present.contains(address));
        if next.is_empty() || is_same {
            return;
        }
        let good = present.get(self.good.load(Ordering::Relaxed));
        let kept = next.iter().position(|address| Some(address) == good);
        self.all.store(Arc::new(next.to_vec()));
        self.good.store(kept.unwrap_or(0), Ordering::Relaxed);
    }

    /// Connects, first to where that went well before.
    ///
    /// # Errors
    /// That of the last address that was tried.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let addresses = self.all.load_full();
        let (count, good) = (addresses.len().max(1), self.good.load(Ordering::Relaxed));
        let nth = |step: usize| (good + step) % count;
        for at in (0..count - 1).map(nth) {
            if let Ok(Ok(stream)) = timeout(PATIENCE, TcpStream::connect(addresses[at])).await {
                return Ok(self.connected(at, stream));
            }
        }
        let last = nth(count - 1);
        let address = addresses.get(last).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(self.connected(last, TcpStream::connect(address).await?))
    }

    fn connected(&self, at: usize, stream: TcpStream) -> TcpStream {
        // Mostly it is the same: reading does not fight over the cache line.
        if self.good.load(Ordering::Relaxed) != at {
            self.good.store(at, Ordering::Relaxed);
        }
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> SocketAddr {
        ([127, 0, 0, n], 80).into()
    }

    #[test]
    fn the_address_that_took_a_connection_stays_first_as_long_as_the_name_has_it() {
        let known = Addresses::default();
        known.set(&[address(1), address(2)]);
        known.good.store(1, Ordering::Relaxed);
        known.set(&[address(2), address(1)]);
        assert_eq!(
            (known.all.load().to_vec(), known.good.load(Ordering::Relaxed)),
            (vec![address(1), address(2)], 1)
        );
        known.set(&[address(3), address(4), address(2)]);
        assert_eq!(known.good.load(Ordering::Relaxed), 2);
        known.set(&[address(5), address(6)]);
        assert_eq!(known.good.load(Ordering::Relaxed), 0);
        known.set(&[]);
        assert_eq!(known.all.load().len(), 2, "a name that is gone is where it was");
    }
}
