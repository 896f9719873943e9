//! Where the name servers of a front are: a name is looked up every ten seconds, and every second while
//! a server does not answer, so that one that has moved is found without a reload.

use crate::config::dns;
use seawall_dns_edge::{Edge, Settings};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is looked whether names are to be looked up.
const EVERY: Duration = Duration::from_secs(1);
/// So many times from one look-up to the next while all servers answer.
const TURNS: u32 = 10;

/// The addresses that names lead to.
type Found = BTreeMap<String, Vec<SocketAddr>>;

/// Looks names up beside everything else. Dropping it ends that.
#[derive(Debug)]
pub struct LookUps {
    board: Arc<Board>,
}

#[derive(Debug, Default)]
struct Board {
    wanted: Mutex<Vec<String>>,
    /// What has been found and not yet taken.
    found: Mutex<Found>,
    is_urgent: AtomicBool,
    is_over: AtomicBool,
}

impl LookUps {
    #[must_use]
    pub fn start() -> Self {
        let board = Arc::<Board>::default();
        let own = Arc::clone(&board);
        // Where there is no thread to be had, all servers stay where they are.
        let _ = std::thread::Builder::new().name("look-up".into()).spawn(move || own.keep());
        Self { board }
    }

    /// What a front is to go on by, where names of its servers lead elsewhere now.
    #[must_use]
    pub fn moved(&self, edge: &Edge) -> Option<Settings> {
        let names = edge.backends().map(|(name, _)| name).filter(|name| is_name(name));
        *lock(&self.board.wanted) = names.map(str::to_owned).collect();
        self.board.is_urgent.store(edge.backends().any(|(_, is_up)| !is_up), Relaxed);
        let found = std::mem::take(&mut *lock(&self.board.found));
        if found.is_empty() { None } else { moved(edge.settings(), &found) }
    }
}

impl Drop for LookUps {
    fn drop(&mut self) {
        self.board.is_over.store(true, Relaxed);
    }
}

impl Board {
    fn keep(&self) {
        for turn in 1_u32.. {
            std::thread::sleep(EVERY);
            if self.is_over.load(Relaxed) {
                return;
            }
            if turn.is_multiple_of(TURNS) || self.is_urgent.load(Relaxed) {
                let names = lock(&self.wanted).clone();
                let found = names.into_iter().map(|name| (dns::addresses(&name), name));
                let found = found.filter(|(all, _)| !all.is_empty()).map(|(all, name)| (name, all));
                *lock(&self.found) = found.collect();
            }
        }
    }
}

/// The settings with each server where its name leads now. One that its name still leads to stays: who
/// answers for a name often turns its addresses.
fn moved(settings: &Settings, found: &Found) -> Option<Settings> {
    let mut next = settings.clone();
    for backend in next.pools.iter_mut().flat_map(|pool| &mut pool.backends) {
        let all = found.get(&backend.name).filter(|all| !all.contains(&backend.address));
        if let Some(first) = all.and_then(|all| all.first()) {
            backend.address = *first;
        }
    }
    (next.pools != settings.pools).then_some(next)
}

/// Whether a server is called by a name, and not by an address.
fn is_name(word: &str) -> bool {
    let bare = word.trim_start_matches('[').trim_end_matches(']');
    word.parse::<SocketAddr>().is_err() && bare.parse::<IpAddr>().is_err()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(last: &[u8]) -> Vec<SocketAddr> {
        last.iter().map(|n| ([192, 0, 2, *n], 53).into()).collect()
    }

    /// Broke: the name of a name server was looked up once, and one that had moved was asked for ever where it
    /// had been.
    #[test]
    fn a_name_server_is_asked_where_its_name_leads_now() {
        let mut front = dns::front("127.0.0.1:5353=192.0.2.1,192.0.2.9").expect("right");
        front.pools[0].backends[0].name = "ns.example".to_owned();
        let settings = Settings {
            listeners: front.listen,
            tls: None,
            pools: front.pools,
            zones: Vec::new(),
            limits: front.limits,
            threads: 1,
            enforce: true,
        };
        let after = |name: &str, last: &[u8]| {
            let found = [(name.to_owned(), addresses(last))].into();
            moved(&settings, &found)
                .map(|s| s.pools[0].backends.iter().map(|b| b.address).collect::<Vec<_>>())
        };
        assert_eq!(after("ns.example", &[2, 3]), Some(addresses(&[2, 9])));
        assert_eq!(after("ns.example", &[2, 1]), None, "its addresses were turned");
        assert_eq!(after("other.example", &[2]), None);
    }

    #[test]
    fn addresses_are_not_looked_up() {
        assert!(["ns.example", "ns.example:5300", "localhost"].into_iter().all(is_name));
        assert!(
            !["192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53", "[::1]"]
                .into_iter()
                .any(is_name)
        );
    }
}
