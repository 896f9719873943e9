//! The servers behind a site: which one takes a request, connections kept to it, and whether it
//! is up. Each thread has its own connections and loads; being up is known to all threads.
//!
//! The less loaded of two random servers takes the request (Mitzenmacher, "The Power of Two
//! Choices in Randomized Load Balancing", 2001): close to the best choice without looking at all.

use crate::exchange::Asking;
use crate::health::Health;
use crate::link::{Connected, Link, Way};
use crate::settings::{Site, Upstream};
use crate::upstream2::{self, Sender};
use seawall_model::observation::BackendEventKind;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may have been idle that is given a request which cannot be sent again. Servers
/// close idle connections after a time of their own, many after five seconds and some after two; a request
/// that is under way then is lost, though nothing has been done about it.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Spans after which a server is trusted as before that has closed a connection at once. Each trial of a
/// longer time may cost a request, and less trust costs no more than connections.
const SPANS_TO_TRUST: u32 = 100;

/// Shared connections that are kept to one server by one thread; more end with their exchange.
const MOST_SHARED: usize = 8;

/// One thread's view of a site's servers.
#[derive(Debug)]
pub struct Pool {
    pub servers: Vec<Server>,
    random: Cell<u64>,
    /// Retries in hand, in hundredths.
    budget: Cell<u64>,
    budget_percent: u64,
    idle_most: usize,
    /// Answers of all servers so far.
    answers: Cell<u64>,
}

#[derive(Debug)]
pub struct Server {
    pub name: String,
    pub way: Way,
    pub health: Arc<Health>,
    active: Cell<u32>,
    /// Answers of the pool when this server failed to give one the last time.
    answers_at_failure: Cell<u64>,
    /// Most exchanges at once of late: in the present span, and in the one before.
    peaks: Cell<(u32, u32)>,
    idle: RefCell<Vec<Idle>>,
    /// [`TRUSTED_IDLE`], or less where the server closes sooner.
    trusted_idle: Cell<Duration>,
    /// Connections of HTTP/2, each of which carries many exchanges.
    shared: RefCell<Vec<Sender>>,
}

/// A connection that is kept.
#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

impl Server {
    /// A connection had ended that had been idle for so long. That was when it was found out, and the
    /// server may have closed it long before: only half of that time is trusted from now on.
    pub fn ended_after(&self, idle: Duration) {
        self.trusted_idle.set(self.trusted_idle.get().min(idle / 2));
    }
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
            way: Way::new(site, u, &h.addresses),
            health: Arc::clone(h),
            active: Cell::new(0),
            answers_at_failure: Cell::new(0),
            peaks: Cell::default(),
            idle: RefCell::default(),
            trusted_idle: Cell::new(TRUSTED_IDLE),
            shared: RefCell::default(),
        };
        Self {
            servers: site.upstreams.iter().zip(health).map(server).collect(),
            random: Cell::new(seed),
            // A quiet site may retry from the start.
            budget: Cell::new(1_000),
            budget_percent: limits.retry_budget_percent,
            idle_most: usize::try_from(limits.upstream_idle_connections).unwrap_or(usize::MAX),
            answers: Cell::new(0),
        }
    }

    /// The server for the next request: one that is up, else one that takes connections, because a page
    /// that may come is better than none. Not `except`, if there is another.
    #[must_use]
    pub fn choose(&self, except: Option<usize>) -> Option<usize> {
        let is_up = |at: usize| self.servers[at].health.is_up();
        let is_reachable = |at: usize| self.servers[at].health.is_reachable();
        if self.servers.len() == 1 {
            return is_reachable(0).then_some(0);
        }
        let is_other = |at: usize| Some(at) != except;
        self.pick(|at| is_other(at) && is_up(at))
            .or_else(|| except.filter(|at| is_up(*at)))
            .or_else(|| self.pick(|at| is_other(at) && is_reachable(at)))
            .or_else(|| except.filter(|at| is_reachable(*at)))
    }

    /// The less loaded of two random servers that fit.
    fn pick(&self, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let all = || (0..self.servers.len()).filter(|at| fits(*at));
        let n = all().count();
        let draw = || all().nth(self.draw(n));
        let (first, second) = (draw()?, draw()?);
        let load = |at: usize| self.servers[at].active.get();
        Some(if load(second) < load(first) { second } else { first })
    }

    /// A server has answered a request. Returns what this changed.
    pub fn answered(&self, at: usize) -> Option<BackendEventKind> {
        self.answers.set(self.answers.get().wrapping_add(1));
        self.servers[at].health.answered()
    }

    /// A server that was asked over a new connection, or for too long, has not answered. That counts
    /// against it only where others did better since it last failed: where none answers, it is not the
    /// server, and nothing is won without it. Returns what this changed.
    pub fn unanswered(&self, at: usize) -> Option<BackendEventKind> {
        let server = &self.servers[at];
        let before = server.answers_at_failure.replace(self.answers.get());
        // Its own answer would have cleared its failures.
        if before == self.answers.get() { None } else { server.health.unanswered() }
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

    /// A kept connection that is still open and silent, with how long it was idle, or a place on one that
    /// is shared. For a request that cannot be sent again, only one that is not likely to close now.
    pub fn reuse(&self, at: usize, asking: Asking) -> Option<(Link, Option<Duration>)> {
        let server = &self.servers[at];
        if server.way.may_share() && !asking.upgrade {
            let mut shared = server.shared.borrow_mut();
            shared.retain_mut(upstream2::is_open);
            let most: usize =
                shared.iter().map(Sender::current_max_send_streams).fold(0, usize::saturating_add);
            // The least used of several is not known; one after the other comes to the same.
            if !shared.is_empty() && (server.active.get() as usize) < most {
                let sender = shared[self.draw(shared.len())].clone();
                return Some((Link::Http2(upstream2::exchange(sender, server.way.is_secure())), None));
            }
        }
        let mut idle = server.idle.borrow_mut();
        // The last one was kept last.
        while let Some(kept) = idle.pop() {
            let age = kept.since.elapsed();
            if !kept.link.is_silent() {
                server.ended_after(age);
            } else if asking.repeatable || age < server.trusted_idle.get() {
                return Some((kept.link, Some(age)));
            } else {
                idle.push(kept);
                break;
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
            idle.push(Idle { link, since: Instant::now() });
        }
    }

    /// Begins a new span of time in which exchanges at once are counted, and closes connections
    /// that were kept for the one before the last. A server that closed connections early may have been
    /// started anew: it is trusted more again by and by.
    pub fn begin_span(&self) {
        for server in &self.servers {
            let (present, _) = server.peaks.get();
            server.peaks.set((server.active.get(), present));
            let trusted = server.trusted_idle.get() + TRUSTED_IDLE / SPANS_TO_TRUST;
            server.trusted_idle.set(trusted.min(TRUSTED_IDLE));
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
    use crate::health::Looked;

    fn pool(n: usize) -> Pool {
        limited(n, &Default::default())
    }

    fn limited(n: usize, limits: &crate::settings::Limits) -> Pool {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let upstream =
            |i: usize| Upstream { name: i.to_string(), addresses: vec![address], speaks: Default::default() };
        let site = Site {
            listen: address,
            upstreams: (0..n).map(upstream).collect(),
            tls: None,
            proxy_protocol: false,
            health_path: None,
            upstream_trust: None,
            rate_limits: Vec::new(),
            names: Vec::new(),
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
        assert_eq!((0..3).filter_map(|_| health.connect_failed()).count(), 1);
        assert!((0..100).all(|_| pool.choose(None) == Some(1)));
        assert_eq!(pool.choose(Some(1)), Some(1), "the only one is tried again");
        assert!(health.looked(Looked::Reachable).is_some());
        assert!((0..100).any(|_| pool.choose(None) == Some(0)));
    }

    #[test]
    fn with_no_server_up_there_is_none_to_choose() {
        let pool = pool(1);
        assert_eq!((0..3).filter_map(|_| pool.servers[0].health.connect_failed()).count(), 1);
        assert_eq!(pool.choose(None), None);
    }

    /// Broke: a check that failed everywhere, or a service behind all servers that did not answer, left
    /// nobody to ask.
    #[test]
    fn servers_that_take_connections_are_asked_where_none_is_up() {
        let pool = pool(2);
        for _ in 0..3 {
            pool.servers[0].health.looked(Looked::Bad);
            pool.servers[1].health.connect_failed();
        }
        assert!(pool.servers.iter().all(|server| !server.health.is_up()));
        assert!((0..100).all(|_| pool.choose(None) == Some(0) && pool.choose(Some(0)) == Some(0)));
    }

    #[test]
    fn a_server_that_does_not_answer_is_left_out_where_another_does_and_only_there() {
        let pool = pool(2);
        assert!((0..100).all(|_| pool.unanswered(0).is_none() && pool.unanswered(1).is_none()));
        let told: Vec<_> = (0..10).filter_map(|_| pool.answered(1).or_else(|| pool.unanswered(0))).collect();
        assert_eq!(told, [BackendEventKind::ServerDown]);
        assert!((0..100).all(|_| pool.choose(None) == Some(1)));
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

    /// Broke: what cannot be sent again was lost on connections that the upstream was closing.
    #[test]
    fn what_cannot_be_repeated_is_sent_over_connections_that_were_in_use_just_now() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let (near, far) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
            let (near, _far) = (near.expect("a connection"), far.expect("its other end"));
            let pool = &pool(1);
            pool.keep(0, Link::Plain(near));
            let is_given = async |idle_ms, repeatable| {
                tokio::time::advance(Duration::from_millis(idle_ms)).await;
                let given = pool.reuse(0, Asking { site: 0, repeatable, upgrade: false });
                given.map(|(link, _)| pool.keep(0, link)).is_some()
            };
            assert!(is_given(900, false).await && !is_given(1_100, false).await && is_given(0, true).await);
            // The upstream closes sooner.
            pool.servers[0].ended_after(Duration::from_millis(400));
            assert!(!is_given(250, false).await && is_given(0, true).await && is_given(150, false).await);
            (0..SPANS_TO_TRUST).for_each(|_| pool.begin_span());
            assert!(is_given(900, false).await);
        });
    }

    #[test]
    fn retries_end_with_their_budget() {
        let pool = pool(1);
        assert_eq!((0..100).filter(|_| pool.spend()).count(), 10);
        (0..10).for_each(|_| pool.earn());
        assert_eq!((0..100).filter(|_| pool.spend()).count(), 2);
    }
}
