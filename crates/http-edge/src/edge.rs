//! The edge as a whole: listeners, threads, health checks, and what the program asks of it.

use crate::accept;
use crate::act::CompileErrors;
use crate::acting::Acting;
use crate::counters::Counter;
use crate::gate::Gate;
use crate::settings::{Settings, Site, ms};
use crate::thread::{Common, Shared, Thread};
use crate::upstream::Health;
use seawall_detection::Window;
use seawall_model::Timestamp;
use seawall_model::observation::BackendEventKind;
use seawall_model::plan::Plan;
use seawall_model::policy::Policy;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Connections that wait to be accepted, per listener and thread.
const BACKLOG: i32 = 4_096;
/// Unacknowledged data is given up after this, also when the client keeps its window shut.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// How often a thread hands over what it saw.
pub const TICK: Duration = Duration::from_millis(100);
/// How often an upstream is looked at, and how long it may take.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// A running edge. Dropping it stops it at once.
#[derive(Debug)]
pub struct Edge {
    common: Common,
    shared: Vec<Arc<Shared>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
    addresses: Vec<SocketAddr>,
}

impl Edge {
    /// Binds all listeners and starts all threads. `now` is the wall time; `secret` signs what
    /// clients are given, and keeps them from choosing what collides.
    ///
    /// # Errors
    /// If a listener cannot be bound or a thread not be started.
    pub fn start(settings: Settings, policy: &Policy, now: Timestamp, secret: &[u8; 32]) -> io::Result<Self> {
        let seed = seawall_model::hash::bytes(secret);
        let settings = Arc::new(settings);
        let threads = settings.threads.max(1);
        let mut addresses = Vec::new();
        let mut listeners: Vec<Vec<TcpListener>> = (0..threads).map(|_| Vec::new()).collect();
        for site in &settings.sites {
            let mut address = site.listen;
            is_free(address)?;
            for own in &mut listeners {
                let listener = bind(address)?;
                address = listener.local_addr()?;
                own.push(listener);
            }
            addresses.push(address);
        }
        let limits = &settings.limits;
        let common = Common {
            gate: Arc::new(Gate::new(limits.connections_per_source, limits.connections, seed)),
            health: settings
                .sites
                .iter()
                .map(|s| s.upstreams.iter().map(|_| Arc::default()).collect())
                .collect(),
            draining: Arc::new(AtomicBool::new(false)),
            acting: Arc::new(Acting::new(settings.sites.len(), policy, secret, seed, now)),
            settings,
            seed,
            start: now,
        };
        let (stop, stopped) = watch::channel(false);
        let mut edge = Self { common, shared: Vec::new(), threads: Mutex::default(), stop, addresses };
        for (number, own) in listeners.into_iter().enumerate() {
            edge.start_thread(number, own, stopped.clone())?;
        }
        Ok(edge)
    }

    fn start_thread(
        &mut self,
        number: usize,
        listeners: Vec<TcpListener>,
        stopped: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let shared = Arc::<Shared>::default();
        self.shared.push(Arc::clone(&shared));
        let common = self.common.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let work = move || {
            let local = tokio::task::LocalSet::new();
            runtime.block_on(local.run_until(run(common, shared, number, listeners, stopped)));
        };
        let handle = std::thread::Builder::new().name(format!("edge-{number}")).spawn(work)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(())
    }

    /// Where the sites listen, in their order.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What all threads have seen since the last call.
    #[must_use]
    pub fn take_window(&self) -> Window {
        let mut all = Window::default();
        for shared in &self.shared {
            let window = shared.take_window();
            if !window.is_empty() {
                all.merge(&window);
            }
        }
        all
    }

    /// Lines of the access log of all threads since the last call.
    #[must_use]
    pub fn take_log(&self) -> Vec<u8> {
        self.shared.iter().flat_map(|s| s.take_log()).collect()
    }

    /// A counter over all threads.
    #[must_use]
    pub fn count(&self, counter: Counter) -> u64 {
        self.shared.iter().map(|s| s.counters.get(counter)).sum()
    }

    #[must_use]
    pub fn open_connections(&self) -> u32 {
        self.common.gate.open()
    }

    /// Requests under way.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.shared.iter().map(|s| s.active.load(Ordering::Relaxed)).sum()
    }

    /// Each upstream's site, name, and whether it is up.
    pub fn upstreams(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let sites = self.common.settings.sites.iter().zip(&self.common.health).enumerate();
        sites.flat_map(|(at, (site, health))| {
            site.upstreams.iter().zip(health).map(move |(u, h)| (at, u.name.as_str(), h.is_up()))
        })
    }

    /// Puts a plan into force on all threads at once.
    ///
    /// # Errors
    /// If it cannot be enforced here; what was in force stays.
    pub fn enforce(&self, plan: &Plan, policy: &Policy, now: Timestamp) -> Result<(), CompileErrors> {
        self.common.acting.enforce(plan, policy, now)?;
        self.follow_plan();
        Ok(())
    }

    /// Takes all measures away.
    pub fn lift(&self, policy: &Policy) {
        self.common.acting.lift(policy);
        self.follow_plan();
    }

    /// Trouble began then, or is over: who was here before counts as known.
    pub fn trouble(&self, onset: Option<Timestamp>) {
        self.common.acting.trouble(onset);
    }

    fn follow_plan(&self) {
        let settings = &self.common.settings;
        let planned = self.common.acting.header_deadline().filter(|_| settings.enforce);
        let per_source = settings.limits.connections_per_source;
        let planned = planned.map_or(per_source, |(_, n)| per_source.min(u64::from(n)));
        self.common.gate.set_per_source(planned);
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.common.settings
    }

    /// Takes no more connections, and lets the exchanges under way end; what still runs after the
    /// `drain-ms` limit is cut.
    pub fn drain(&self) {
        self.common.draining.store(true, Ordering::Relaxed);
        // The threads see to the rest. None listening means that all have ended.
        let _ = self.stop.send(true);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
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

async fn run(
    common: Common,
    shared: Arc<Shared>,
    number: usize,
    listeners: Vec<TcpListener>,
    mut stopped: watch::Receiver<bool>,
) {
    let thread = Rc::new(Thread::new(&common, shared, number as u64));
    let mut tasks = Vec::new();
    for (site, listener) in listeners.into_iter().enumerate() {
        if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
            tasks.push(tokio::task::spawn_local(accept::accept(Rc::clone(&thread), site, listener)));
        }
    }
    // One thread looks after the upstreams of all.
    if number == 0 {
        for (site, health) in common.settings.sites.iter().zip(&common.health) {
            for (upstream, health) in site.upstreams.iter().zip(health) {
                let check = Check::new(site, upstream, Arc::clone(health));
                tasks.push(tokio::task::spawn_local(check.run(Rc::clone(&thread))));
            }
        }
    }
    let ticks = async {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            thread.publish();
        }
    };
    tokio::select! {
        () = ticks => {}
        // An error means that the edge is gone: stop as well.
        _ = stopped.wait_for(|stop| *stop) => {}
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    if !thread.is_draining() {
        return;
    }
    let end = tokio::time::Instant::now() + ms(thread.settings.limits.drain_ms);
    while thread.shared.active.load(Ordering::Relaxed) > 0 && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    thread.publish();
}

/// Looks after one upstream.
struct Check {
    address: SocketAddr,
    name: String,
    /// What is asked, if anything is.
    request: Option<Vec<u8>>,
    health: Arc<Health>,
}

impl Check {
    fn new(site: &Site, upstream: &crate::settings::Upstream, health: Arc<Health>) -> Self {
        let request = site.health_path.as_ref().map(|path| {
            let host = upstream.address;
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: seawall-health\r\nConnection: close\r\n\r\n")
                .into_bytes()
        });
        Self { address: upstream.address, name: upstream.name.clone(), request, health }
    }

    async fn run(self, thread: Rc<Thread>) {
        loop {
            tokio::time::sleep(HEALTH_EVERY).await;
            let is_good =
                tokio::time::timeout(HEALTH_EVERY, self.look()).await.is_ok_and(|r| r.unwrap_or(false));
            if is_good && self.health.succeeded() {
                thread.backend(BackendEventKind::ServerUp, &self.name);
            } else if !is_good && self.health.failed() {
                thread.backend(BackendEventKind::ServerDown, &self.name);
            }
        }
    }

    /// Whether the upstream takes a connection and, if it is asked, answers with 2xx or 3xx.
    async fn look(&self) -> io::Result<bool> {
        let mut stream = TcpStream::connect(self.address).await?;
        let Some(request) = &self.request else { return Ok(true) };
        stream.write_all(request).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        Ok(start.starts_with(b"HTTP/1.") && matches!(start[9], b'2' | b'3'))
    }
}
