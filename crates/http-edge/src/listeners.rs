//! Listening sockets. They outlive the threads that accept from them: a socket that is closed
//! resets every connection in its queue, so a reload and a new program get the very same sockets.

use crate::settings::Site;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Connections that wait to be accepted, per listener and thread.
const BACKLOG: i32 = 4_096;
/// Unacknowledged data is given up after this, also when the client keeps its window shut.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// The sockets of each address that is asked for; the number tells apart sites that ask for the
/// same one, such as a port of the system's choice.
#[derive(Debug, Default)]
pub struct Listeners(BTreeMap<(SocketAddr, usize), Vec<TcpListener>>);

/// One thread's share of the sockets: the site's number, and one socket of it.
pub type Share = Vec<(usize, TcpListener)>;

impl Listeners {
    /// Takes over what this has of the sites' addresses, adopts what fits of `given`, and binds what
    /// is missing: one socket for each thread. Nothing of `self` is changed.
    ///
    /// # Errors
    /// If an address cannot be listened on.
    pub fn prepare(&self, sites: &[Site], threads: usize, given: Vec<TcpListener>) -> io::Result<Self> {
        let mut adopted = Adopted::of(given)?;
        let mut all = BTreeMap::new();
        for key in keys(sites) {
            let mut own = match self.0.get(&key) {
                Some(there) => there.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?,
                None => adopted.take(key.0, sites),
            };
            fill(&mut own, key.0, threads)?;
            all.insert(key, own);
        }
        Ok(Self(all))
    }

    /// The sockets, dealt out to threads: each of them has a thread, and each thread one of every
    /// site.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub fn deal(&self, sites: &[Site], threads: usize) -> io::Result<Vec<Share>> {
        let mut shares: Vec<Share> = (0..threads).map(|_| Vec::new()).collect();
        for (site, key) in keys(sites).into_iter().enumerate() {
            let own = self.0.get(&key).map_or(&[][..], Vec::as_slice);
            for turn in 0..own.len().max(threads) {
                let Some(listener) = own.get(turn % own.len().max(1)) else { break };
                shares[turn % threads].push((site, listener.try_clone()?));
            }
        }
        Ok(shares)
    }

    /// Where each site listens.
    #[must_use]
    pub fn addresses(&self, sites: &[Site]) -> Vec<SocketAddr> {
        let address = |key: (SocketAddr, usize)| {
            let there = self.0.get(&key).and_then(|own| own.first()?.local_addr().ok());
            there.unwrap_or(key.0)
        };
        keys(sites).into_iter().map(address).collect()
    }

    /// Copies of all sockets, for a program that takes over.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub fn copies(&self) -> io::Result<Vec<TcpListener>> {
        self.0.values().flatten().map(TcpListener::try_clone).collect()
    }
}

/// Sockets that were made by others, by their addresses, in the order in which they were given.
struct Adopted(Vec<(SocketAddr, Vec<TcpListener>)>);

impl Adopted {
    fn of(given: Vec<TcpListener>) -> io::Result<Self> {
        let mut all: Vec<(SocketAddr, Vec<TcpListener>)> = Vec::new();
        for listener in given {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            match all.iter_mut().find(|(known, _)| *known == address) {
                Some((_, same)) => same.push(listener),
                None => all.push((address, vec![listener])),
            }
        }
        Ok(Self(all))
    }

    /// Those of an address. Where the port is the system's choice, the first that no site asks for by
    /// name: it was chosen for this one before.
    fn take(&mut self, wanted: SocketAddr, sites: &[Site]) -> Vec<TcpListener> {
        let is_left = |address: SocketAddr| sites.iter().all(|site| site.listen != address);
        let fits = |(address, _): &(SocketAddr, Vec<TcpListener>)| {
            *address == wanted || (wanted.port() == 0 && address.ip() == wanted.ip() && is_left(*address))
        };
        self.0.iter().position(fits).map(|at| self.0.remove(at).1).unwrap_or_default()
    }
}

fn keys(sites: &[Site]) -> Vec<(SocketAddr, usize)> {
    let number = |at: usize| sites[..at].iter().filter(|s| s.listen == sites[at].listen).count();
    (0..sites.len()).map(|at| (sites[at].listen, number(at))).collect()
}

/// Binds until there is a socket for each thread. What was given by others may not be shared: then
/// the threads share it.
fn fill(own: &mut Vec<TcpListener>, wanted: SocketAddr, threads: usize) -> io::Result<()> {
    let mut address = wanted;
    match own.first() {
        Some(first) => address = first.local_addr()?,
        None => is_free(wanted)?,
    }
    while own.len() < threads {
        match bind(address) {
            Ok(listener) => {
                address = listener.local_addr()?;
                own.push(listener);
            }
            Err(error) if own.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(())
}

/// The threads share their port, and so could another program, which would get a part of the
/// visitors: nobody may listen there yet.
fn is_free(address: SocketAddr) -> io::Result<()> {
    let try_it = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())
    };
    try_it().map_err(|error| cannot_listen(address, &error))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let told = |error: io::Error| cannot_listen(address, &error);
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).map_err(told)?;
    socket.set_reuse_address(true).map_err(told)?;
    socket.set_reuse_port(true).map_err(told)?;
    socket.set_nonblocking(true).map_err(told)?;
    // Connections inherit both. Where they cannot be set, only latency or patience is lost.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    socket.bind(&address.into()).map_err(told)?;
    socket.listen(BACKLOG).map_err(told)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(listen: &str) -> Site {
        Site {
            listen: listen.parse().expect("an address"),
            upstreams: Vec::new(),
            tls: None,
            proxy_protocol: false,
            health_path: None,
            upstream_trust: None,
            rate_limits: Vec::new(),
            names: Vec::new(),
        }
    }

    #[test]
    fn ports_that_the_system_chose_are_handed_over() {
        let sites = [site("127.0.0.1:0"), site("127.0.0.1:0")];
        let first = Listeners::default().prepare(&sites, 2, Vec::new()).expect("ports");
        let there = first.addresses(&sites);
        let copies = first.copies().expect("copies");
        let next = Listeners::default().prepare(&sites, 2, copies).expect("the same ports");
        assert_eq!(next.addresses(&sites), there);
        // A site that names one of them gets that one.
        let named = [site("127.0.0.1:0"), site(&there[0].to_string())];
        let next = Listeners::default().prepare(&named, 2, first.copies().expect("copies")).expect("ports");
        assert_eq!(next.addresses(&named), [there[1], there[0]]);
    }

    #[test]
    fn every_socket_has_a_thread_and_every_thread_a_socket_of_each_site() {
        let sites = [site("127.0.0.1:0"), site("127.0.0.1:0")];
        let first = Listeners::default().prepare(&sites, 3, Vec::new()).expect("ports");
        assert_ne!(first.addresses(&sites)[0], first.addresses(&sites)[1]);
        for threads in [1, 2, 5] {
            let next = first.prepare(&sites, threads, Vec::new()).expect("the same ports");
            assert_eq!(next.addresses(&sites), first.addresses(&sites));
            let shares = next.deal(&sites, threads).expect("descriptors");
            let of = |site| shares.iter().map(move |s| s.iter().filter(|(n, _)| *n == site).count());
            assert!(of(0).chain(of(1)).all(|n| n > 0), "{threads}");
            assert_eq!(of(0).sum::<usize>(), threads.max(3), "{threads}");
        }
    }

    #[test]
    fn a_socket_that_cannot_be_shared_serves_all_threads() {
        let given = TcpListener::bind("127.0.0.1:0").expect("a port");
        let sites = [site(&given.local_addr().expect("an address").to_string())];
        let all = Listeners::default().prepare(&sites, 2, vec![given]).expect("adopted");
        let shares = all.deal(&sites, 2).expect("descriptors");
        assert!(shares.iter().all(|s| s.len() == 1));
    }
}
