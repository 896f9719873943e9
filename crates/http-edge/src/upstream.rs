//! The servers behind a site: which one takes a request, connections kept to it, and whether it
//! is up. Each thread has its own connections and loads; being up is known to all threads.
//!
//! The less loaded of two random servers takes the request (Mitzenmacher, "The Power of Two
//! Choices in Randomized Load Balancing", 2001): close to the best choice without looking at all.

use crate::link::{Connected, Link, Trouble, Way};
use crate::settings::{Site, Upstream};
use crate::upstream2::{self, Sender};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Failures in a row after which a server is down, until a health check finds it up.
const FAILURES_DOWN: u32 = 3;

/// Shared connections that are kept to one server by one thread; more end with their exchange.
const MOST_SHARED: usize = 8;

/// What all threads know of one server.
#[derive(Debug, Default)]
pub struct Health {
    failures: AtomicU32,
    /// Why it could not be spoken to when that was tried last, as a clause.
    trouble: Mutex<Option<String>>,
}

impl Health {
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < FAILURES_DOWN
    }

    /// Returns whether this took the server down.
    pub fn failed(&self) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed).wrapping_add(1) == FAILURES_DOWN
    }

    /// Returns whether this brought the server up again.
    pub fn succeeded(&self) -> bool {
        // Mostly it is 0: reading does not fight over the cache line.
        self.failures.load(Ordering::Relaxed) != 0
            && self.failures.swap(0, Ordering::Relaxed) >= FAILURES_DOWN
    }

    /// Why it cannot be spoken to, where that is known.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what has come of connecting.
    pub fn note(&self, trouble: Option<&Trouble>) {
        let why = match trouble {
            Some(Trouble::Unfit(why)) => Some(why.clone()),
            Some(Trouble::Refused) | None => None,
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// One thread's view of a site's servers.
#[derive(Debug)]
pub struct Pool {
    pub servers: Vec<Server>,
    random: Cell<u64>,
    /// Retries in hand, in hundredths.
    budget: Cell<u64>,
    budget_percent: u64,
    idle_most: usize,
}

#[derive(Debug)]
pub struct Server {
    pub name: String,
    pub way: Way,
    pub health: Arc<Health>,
    active: Cell<u32>,
    /// Most exchanges at once of late: in the present span, and in the one before.
    peaks: Cell<(u32, u32)>,
    idle: RefCell<Vec<Link>>,
    /// Connections of HTTP/2, each of which carries many exchanges.
    shared: RefCell<Vec<Sender>>,
}

/// Counts an exchange as the server's load until it is dropped.
#[derive(Debug)]
pub struct Load<'a>(&'a Server);

impl<'a> Load<'a> {
    #[must_use]
    pub fn of(server: &'a Server) -> Self {
        let active = server.active.get() + 1;
        server.active.set(active);
        let (present, before) = server.peaks.get();
        if active > present {
            server.peaks.set((active, before));
        }
        Self(server)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get().saturating_sub(1));
    }
}

impl Pool {
    #[must_use]
    pub fn new(site: &Site, health: &[Arc<Health>], limits: &crate::settings::Limits, seed: u64) -> Self {
        let server = |(u, h): (&Upstream, &Arc<Health>)| Server {
            name: u.name.clone(),
            way: Way::new(site, u),
            health: Arc::clone(h),
            active: Cell::new(0),
            peaks: Cell::default(),
            idle: RefCell::default(),
            shared: RefCell::default(),
        };
        Self {
            servers: site.upstreams.iter().zip(health).map(server).collect(),
            random: Cell::new(seed),
            // A quiet site may retry from the start.
            budget: Cell::new(1_000),
            budget_percent: limits.retry_budget_percent,
            idle_most: usize::try_from(limits.upstream_idle_connections).unwrap_or(usize::MAX),
        }
    }

    /// The server for the next request, if one is up; not `except`, if there is another.
    #[must_use]
    pub fn choose(&self, except: Option<usize>) -> Option<usize> {
        let n = self.servers.len();
        let fits = |at: &usize| self.servers[*at].health.is_up() && Some(*at) != except;
        if n == 1 {
            return self.servers[0].health.is_up().then_some(0);
        }
        let up = (0..n).filter(fits).count();
        if up == 0 {
            return except.filter(|at| self.servers[*at].health.is_up());
        }
        let pick = |nth: usize| (0..n).filter(fits).nth(nth);
        let (first, second) = (pick(self.draw(up)), pick(self.draw(up)));
        let load = |at: usize| self.servers[at].active.get();
        match (first, second) {
            (Some(a), Some(b)) => Some(if load(b) < load(a) { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    /// Notes a request, which earns a part of a retry.
    pub fn earn(&self) {
        self.budget.set((self.budget.get() + self.budget_percent).min(10_000));
    }

    /// Takes a retry out of the budget, if it has one.
    pub fn spend(&self) -> bool {
        let spent = self.budget.get().checked_sub(100);
        spent.inspect(|left| self.budget.set(*left)).is_some() && self.budget_percent > 0
    }

    /// A kept connection that is still open and silent, or a place on one that is shared.
    pub fn reuse(&self, at: usize, for_upgrade: bool) -> Option<Link> {
        let server = &self.servers[at];
        if server.way.may_share() && !for_upgrade {
            let mut shared = server.shared.borrow_mut();
            shared.retain_mut(upstream2::is_open);
            let most: usize =
                shared.iter().map(Sender::current_max_send_streams).fold(0, usize::saturating_add);
            // The least used of several is not known; one after the other comes to the same.
            if !shared.is_empty() && (server.active.get() as usize) < most {
                let sender = shared[self.draw(shared.len())].clone();
                return Some(Link::Http2(upstream2::exchange(sender, server.way.is_secure())));
            }
        }
        let mut idle = server.idle.borrow_mut();
        while let Some(link) = idle.pop() {
            if link.is_silent() {
                return Some(link);
            }
        }
        None
    }

    /// Takes a new connection into use.
    pub fn begin(&self, at: usize, connected: Connected) -> Link {
        match connected {
            Connected::Link(link) => link,
            Connected::Http2(sender) => {
                let server = &self.servers[at];
                let mut shared = server.shared.borrow_mut();
                if shared.len() < MOST_SHARED {
                    shared.push(sender.clone());
                }
                Link::Http2(upstream2::exchange(sender, server.way.is_secure()))
            }
        }
    }

    /// Keeps a connection on which nothing is under way. Beyond the limit only as many are kept
    /// as were in use at once of late: a burst needs them again with its next wave.
    pub fn keep(&self, at: usize, link: Link) {
        let server = &self.servers[at];
        let mut idle = server.idle.borrow_mut();
        let is_one_of_many = matches!(link, Link::Http2(_));
        if !is_one_of_many && idle.len() < self.idle_room(server) {
            idle.push(link);
        }
    }

    /// Begins a new span of time in which exchanges at once are counted, and closes connections
    /// that were kept for the one before the last.
    pub fn begin_span(&self) {
        for server in &self.servers {
            let (present, _) = server.peaks.get();
            server.peaks.set((server.active.get(), present));
            let mut idle = server.idle.borrow_mut();
            let beyond = idle.len().saturating_sub(self.idle_room(server));
            idle.drain(..beyond);
        }
    }

    /// Idle connections that a server may have now.
    fn idle_room(&self, server: &Server) -> usize {
        let (present, before) = server.peaks.get();
        let of_late = present.max(before).saturating_sub(server.active.get()) as usize;
        if self.idle_most == 0 { 0 } else { self.idle_most.max(of_late + 1) }
    }

    fn draw(&self, below: usize) -> usize {
        let next = seawall_model::hash::mix(self.random.get());
        self.random.set(self.random.get().wrapping_add(1));
        (next % below.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(n: usize) -> Pool {
        limited(n, &Default::default())
    }

    fn limited(n: usize, limits: &crate::settings::Limits) -> Pool {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let upstream = |i: usize| Upstream { name: i.to_string(), address, speaks: Default::default() };
        let site = Site {
            listen: address,
            upstreams: (0..n).map(upstream).collect(),
            tls: None,
            proxy_protocol: false,
            health_path: None,
            upstream_trust: None,
            rate_limits: Vec::new(),
        };
        let health: Vec<_> = (0..n).map(|_| Arc::default()).collect();
        Pool::new(&site, &health, limits, 1)
    }

    #[test]
    fn the_less_loaded_server_takes_more_requests() {
        let pool = pool(4);
        let loads: Vec<_> = (0..50).map(|_| Load::of(&pool.servers[0])).collect();
        let chosen = (0..1000).filter(|_| pool.choose(None) == Some(0)).count();
        // Only where both draws meet the loaded one: 1 of 16.
        assert!((30..100).contains(&chosen), "{chosen}");
        drop(loads);
        let chosen = (0..1000).filter(|_| pool.choose(None) == Some(0)).count();
        assert!((150..350).contains(&chosen), "{chosen}");
    }

    #[test]
    fn a_server_that_is_down_is_not_chosen_until_it_is_up() {
        let pool = pool(2);
        let health = Arc::clone(&pool.servers[0].health);
        assert!(!health.failed() && !health.failed() && health.failed());
        assert!((0..100).all(|_| pool.choose(None) == Some(1)));
        assert_eq!(pool.choose(Some(1)), Some(1), "the only one is tried again");
        assert!(health.succeeded());
        assert!((0..100).any(|_| pool.choose(None) == Some(0)));
    }

    #[test]
    fn with_no_server_up_there_is_none_to_choose() {
        let pool = pool(1);
        assert_eq!((0..3).filter(|_| pool.servers[0].health.failed()).count(), 1);
        assert_eq!(pool.choose(None), None);
    }

    #[test]
    fn connections_of_a_burst_are_kept_for_its_next_wave_and_no_longer() {
        let limits = crate::settings::Limits { upstream_idle_connections: 4, ..Default::default() };
        let pool = limited(1, &limits);
        let server = &pool.servers[0];
        assert_eq!(pool.idle_room(server), 4);
        let mut loads: Vec<_> = (0..50).map(|_| Load::of(server)).collect();
        loads.truncate(20);
        // The one that ends is still counted as under way.
        assert_eq!(pool.idle_room(server), 31);
        loads.clear();
        pool.begin_span();
        assert_eq!(pool.idle_room(server), 51);
        pool.begin_span();
        assert_eq!(pool.idle_room(server), 4);
    }

    #[test]
    fn retries_end_with_their_budget() {
        let pool = pool(1);
        assert_eq!((0..100).filter(|_| pool.spend()).count(), 10);
        (0..10).for_each(|_| pool.earn());
        assert_eq!((0..100).filter(|_| pool.spend()).count(), 2);
    }
}
