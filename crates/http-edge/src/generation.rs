//! The threads of one set of settings. New settings are a new generation; the old one takes no
//! more connections, and serves those that it has to their end.

use crate::accept;
use crate::crew::Crew;
use crate::health::{Health, Looked};
use crate::link::{Connected, Link, Way};
use crate::listeners::Share;
use crate::settings::{Settings, Site, Upstream, ms};
use crate::thread::{Common, Shared, Thread};
use crate::upstream2;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;
use tokio::time::{Instant, timeout, timeout_at};

/// How often a thread hands over what it saw.
pub const TICK: Duration = Duration::from_millis(100);
/// Ticks for which a thread remembers how many exchanges with an upstream there were at once.
const TICKS_OF_SPAN: u32 = 100;
/// How long an upstream is left alone from one check to the next, and how long its name may be looked up.
const HEALTH_EVERY: Duration = Duration::from_secs(1);
/// Checks from one look-up of its name to the next. While it cannot be reached, each is one.
const CHECKS_TO_A_LOOKUP: u32 = 10;
/// How often a thread that is to end looks whether it may.
const LOOK: Duration = Duration::from_millis(10);

/// What a generation is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serve,
    /// Take no more connections; end with the last one.
    Retire,
    /// The same, but end with the last exchange, or after the `drain-ms` limit.
    Drain,
    /// End now.
    Stop,
}

/// Some threads with their settings. Dropping it stops them at once.
#[derive(Debug)]
pub struct Generation {
    pub settings: Arc<Settings>,
    pub addresses: Vec<SocketAddr>,
    pub shared: Vec<Arc<Shared>>,
    pub health: Vec<Vec<Arc<Health>>>,
    common: Common,
    stage: watch::Sender<Stage>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Generation {
    /// Starts a thread for each share of the listeners.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(common: Common, addresses: Vec<SocketAddr>, shares: Vec<Share>) -> io::Result<Self> {
        let (stage, _) = watch::channel(Stage::Serve);
        let mut generation = Self {
            settings: Arc::clone(&common.settings),
            addresses,
            shared: Vec::new(),
            health: common.health.clone(),
            common,
            stage,
            threads: Mutex::default(),
        };
        for (number, share) in shares.into_iter().enumerate() {
            generation.start_thread(number, share)?;
        }
        Ok(generation)
    }

    /// Takes no more connections, and serves those that there are to their end.
    pub fn retire(&self) {
        self.common.draining.store(true, Ordering::Relaxed);
        self.to(Stage::Retire);
    }

    /// Takes no more connections, and lets the exchanges under way end.
    pub fn drain(&self) {
        self.common.draining.store(true, Ordering::Relaxed);
        self.to(Stage::Drain);
    }

    /// Waits for the end of all threads.
    pub fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }

    #[must_use]
    pub fn has_ended(&self) -> bool {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().all(JoinHandle::is_finished)
    }

    /// Each upstream's site, name, and whether it is up.
    #[must_use]
    pub fn upstreams(&self) -> Vec<(usize, String, bool)> {
        let sites = self.settings.sites.iter().zip(&self.health).enumerate();
        let all = sites.flat_map(|(at, (site, health))| {
            site.upstreams.iter().zip(health).map(move |(u, h)| (at, u.name.clone(), h.is_up()))
        });
        all.collect()
    }

    /// Upstreams that cannot be spoken to, or have sent what is not passed on: the site, the name, and
    /// why.
    #[must_use]
    pub fn troubles(&self) -> Vec<(usize, String, String)> {
        let sites = self.settings.sites.iter().zip(&self.health).enumerate();
        let all = sites.flat_map(|(at, (site, health))| {
            let both = site.upstreams.iter().zip(health);
            both.flat_map(move |(u, h)| h.troubles().into_iter().map(move |why| (at, u.name.clone(), why)))
        });
        all.collect()
    }

    /// What is known of an upstream, for the next generation.
    #[must_use]
    pub fn health_of(&self, upstream: &Upstream) -> Option<Arc<Health>> {
        let mut all = self.settings.sites.iter().flat_map(|s| &s.upstreams).zip(self.health.iter().flatten());
        all.find(|(u, _)| u.is(upstream)).map(|(_, health)| Arc::clone(health))
    }

    fn to(&self, stage: Stage) {
        self.stage.send_if_modified(|present| {
            let is_later = *present < stage;
            if is_later {
                *present = stage;
            }
            is_later
        });
    }

    fn start_thread(&mut self, number: usize, share: Share) -> io::Result<()> {
        let shared = Arc::<Shared>::default();
        self.shared.push(Arc::clone(&shared));
        let (common, stage) = (self.common.clone(), self.stage.subscribe());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let work = move || {
            let local = tokio::task::LocalSet::new();
            runtime.block_on(local.run_until(run(common, shared, number, share, stage)));
            drop(local);
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        };
        let handle = std::thread::Builder::new().name(format!("edge-{number}")).spawn(work)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(())
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.to(Stage::Stop);
    }
}

async fn run(
    common: Common,
    shared: Arc<Shared>,
    number: usize,
    share: Share,
    mut stage: watch::Receiver<Stage>,
) {
    let thread = Rc::new(Thread::new(&common, shared, number as u64));
    let crew = Crew::new(accept::connection);
    let mut accepting = Vec::new();
    for (site, listener) in share {
        if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
            let accept = accept::accept(Rc::clone(&thread), Rc::clone(&crew), site, listener);
            accepting.push(tokio::task::spawn_local(accept));
        }
    }
    // One thread looks after the upstreams of all.
    let checks = if number == 0 { start_checks(&thread, &common) } else { Vec::new() };
    let publishing = tokio::task::spawn_local(publish(Rc::clone(&thread)));
    let is_over = |stage: &Stage| *stage != Stage::Serve;
    // An error means that the edge is gone: stop as well.
    let mut next = stage.wait_for(is_over).await.map_or(Stage::Stop, |s| *s);
    accepting.iter().chain(&checks).for_each(Task::abort);
    while next == Stage::Retire && thread.has_connections() {
        next = timeout(LOOK, stage.wait_for(|s| *s > Stage::Retire))
            .await
            .map_or(Stage::Retire, |changed| changed.map_or(Stage::Stop, |s| *s));
    }
    if next == Stage::Drain {
        let end = Instant::now() + ms(thread.settings.limits.drain_ms);
        while thread.shared.active.load(Ordering::Relaxed) > 0 && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }
    publishing.abort();
    if next != Stage::Stop {
        thread.publish();
    }
}

async fn publish(thread: Rc<Thread>) {
    let mut ticks = tokio::time::interval(TICK);
    for tick in 1_u32.. {
        ticks.tick().await;
        thread.publish();
        if tick.is_multiple_of(TICKS_OF_SPAN) {
            thread.pools.iter().for_each(crate::upstream::Pool::begin_span);
        }
    }
}

fn start_checks(thread: &Rc<Thread>, common: &Common) -> Vec<Task<()>> {
    let mut tasks = Vec::new();
    for (site, health) in common.settings.sites.iter().zip(&common.health) {
        for (upstream, health) in site.upstreams.iter().zip(health) {
            let within = ms(common.settings.limits.health_timeout_ms);
            let check = Check::new(site, upstream, (Arc::clone(health), within));
            tasks.push(tokio::task::spawn_local(check.run(Rc::clone(thread))));
        }
    }
    tasks
}

/// Looks after one upstream.
struct Check {
    way: Way,
    name: String,
    /// What is asked, if anything is.
    request: Option<Vec<u8>>,
    health: Arc<Health>,
    /// How long one look may take.
    within: Duration,
}

impl Check {
    fn new(site: &Site, upstream: &Upstream, (health, within): (Arc<Health>, Duration)) -> Self {
        let request = site.health_path.as_ref().map(|path| {
            let host = upstream.authority();
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: seawall-health\r\nConnection: close\r\n\r\n")
                .into_bytes()
        });
        Self {
            way: Way::new(site, upstream, &health.addresses),
            name: upstream.name.clone(),
            request,
            health,
            within,
        }
    }

    async fn run(self, thread: Rc<Thread>) {
        for turn in 1_u32.. {
            tokio::time::sleep(HEALTH_EVERY).await;
            if turn.is_multiple_of(CHECKS_TO_A_LOOKUP) || !self.health.is_reachable() {
                self.look_up().await;
            }
            let found = self.look().await;
            thread.changed(self.health.looked(found), &self.name);
        }
    }

    /// Asks where its name leads. Who is not told goes on as before.
    async fn look_up(&self) {
        if let Ok(Ok(found)) = timeout(HEALTH_EVERY, lookup_host(&*self.name)).await {
            self.health.addresses.set(&found.collect::<Vec<_>>());
        }
    }

    async fn look(&self) -> Looked {
        let until = Instant::now() + self.within;
        let Ok(connected) = timeout_at(until, self.way.connect(false)).await else {
            return Looked::Unreachable;
        };
        self.health.note(connected.as_ref().err());
        let Ok(connected) = connected else { return Looked::Unreachable };
        let Some(request) = &self.request else { return Looked::Reachable };
        match timeout_at(until, self.ask(connected, request)).await {
            Ok(Ok(true)) => Looked::Good,
            _ => Looked::Bad,
        }
    }

    /// Whether the upstream answers with 2xx or 3xx.
    async fn ask(&self, connected: Connected, request: &[u8]) -> io::Result<bool> {
        let mut stream = match connected {
            Connected::Link(link) => link,
            Connected::Http2(sender) => Link::Http2(upstream2::exchange(sender, self.way.is_secure())),
        };
        stream.write_all(request).await?;
        stream.flush().await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        Ok(start.starts_with(b"HTTP/1.") && matches!(start[9], b'2' | b'3'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: a page for health checks that takes more than a second, and always has, took its upstream out.
    #[test]
    fn a_check_takes_as_long_as_the_limit_says() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let upstream =
                Upstream { name: address.to_string(), addresses: vec![address], speaks: Default::default() };
            let site = Site {
                listen: address,
                upstreams: vec![upstream.clone()],
                names: Vec::new(),
                tls: None,
                proxy_protocol: false,
                health_path: Some("/up".to_owned()),
                upstream_trust: None,
                rate_limits: Vec::new(),
            };
            let health = Arc::<Health>::default();
            health.addresses.set(&[address]);
            let check = |within| Check::new(&site, &upstream, (Arc::clone(&health), within));
            // Its connection waits to be taken, and nobody answers.
            assert_ne!(check(ms(1)).look().await, Looked::Good);
            let answers = async {
                let mut held = Vec::new();
                while let Ok((mut stream, _)) = listener.accept().await {
                    // One that gave up does not hear it.
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    held.push(stream);
                }
            };
            let patient = check(Duration::from_secs(86_400));
            tokio::select! {
                found = patient.look() => assert_eq!(found, Looked::Good),
                () = answers => panic!("it takes no connection"),
            }
        });
    }
}
