//! The edge as a whole: generations of threads, one for each set of settings, what outlives them,
//! and what the program asks of it.

use crate::act::CompileErrors;
use crate::acting::Acting;
use crate::clock::WallClock;
use crate::counters::{Counter, Counters};
use crate::gate::Gate;
use crate::generation::Generation;
use crate::kept::Kept;
use crate::listeners::Listeners;
use crate::nonsense::{Nonsense, Refused};
use crate::settings::{Settings, Upstream};
use crate::thread::{Common, Shared};
use arc_swap::ArcSwap;
use seawall_detection::Window;
use seawall_model::Timestamp;
use seawall_model::plan::{Outcome, Plan};
use seawall_model::policy::Policy;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::generation::TICK;

/// A running edge. Dropping it stops it at once.
#[derive(Debug)]
pub struct Edge {
    present: ArcSwap<Generation>,
    lasting: Lasting,
    past: Mutex<Past>,
}

/// What all generations share.
struct Lasting {
    gate: Arc<Gate>,
    refused: Arc<Refused>,
    acting: Arc<Acting>,
    wall: Arc<WallClock>,
    seed: u64,
    secret: [u8; 32],
}

impl std::fmt::Debug for Lasting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Seed and secret are nobody's to read.
        f.debug_struct("Lasting").field("gate", &self.gate).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Past {
    listeners: Listeners,
    /// Those that serve what they had when they were replaced.
    retired: Vec<Arc<Generation>>,
    /// What was counted and not yet fetched when they ended.
    counted: Counters,
    window: Window,
    log: Vec<u8>,
}

impl Edge {
    /// Binds all listeners and starts all threads. `now` is the wall time; `secret` signs what
    /// clients are given for a day, and keeps them from choosing what collides.
    ///
    /// # Errors
    /// If a listener cannot be bound or a thread not be started.
    pub fn start(settings: Settings, policy: &Policy, now: Timestamp, secret: &[u8; 32]) -> io::Result<Self> {
        let kept = Kept::new(*secret, *secret, now);
        Self::start_with(settings, policy, now, kept, Vec::new())
    }

    /// The same with what another edge left, its secrets at least, and with listening sockets that were
    /// made by others; those that no site asks for are closed.
    ///
    /// # Errors
    /// As [`Edge::start`].
    pub fn start_with(
        settings: Settings,
        policy: &Policy,
        now: Timestamp,
        kept: Kept,
        given: Vec<TcpListener>,
    ) -> io::Result<Self> {
        let (secret, seed) = (kept.secret, seawall_model::hash::bytes(&kept.secret));
        let limits = &settings.limits;
        let lasting = Lasting {
            gate: Arc::new(Gate::new(limits.connections_per_source, limits.connections, seed)),
            refused: Arc::default(),
            acting: Arc::new(Acting::new(policy, seed, now, kept)),
            wall: Arc::new(WallClock::anchored(now)),
            seed,
            secret,
        };
        let listeners = Listeners::default().prepare(&settings.sites, settings.threads.max(1), given)?;
        let first = lasting.generation(settings, &listeners, None, now)?;
        let past = Mutex::new(Past { listeners, ..Past::default() });
        Ok(Self { present: ArcSwap::from_pointee(first), lasting, past })
    }

    /// Goes on with other settings. Connections that are open are served by the old ones to their
    /// end, at the latest when their client has its next answer. What is learnt and in force stays.
    ///
    /// # Errors
    /// If a listener cannot be bound or a thread not be started; everything stays as it was.
    pub fn reload(&self, settings: Settings, now: Timestamp) -> io::Result<()> {
        let mut past = self.past();
        let present = self.present.load_full();
        let listeners = past.listeners.prepare(&settings.sites, settings.threads.max(1), Vec::new())?;
        let next = self.lasting.generation(settings, &listeners, Some(&present), now)?;
        let limits = next.settings.limits;
        self.present.store(Arc::new(next));
        present.retire();
        past.listeners = listeners;
        past.retired.push(present);
        self.lasting.gate.set_most(limits.connections);
        drop(past);
        self.follow_plan();
        Ok(())
    }

    /// Where the sites listen, in their order.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.present.load().addresses.clone()
    }

    /// Copies of the listening sockets, for a program that takes over.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub fn listeners(&self) -> io::Result<Vec<TcpListener>> {
        self.past().listeners.copies()
    }

    /// What all threads have seen since the last call.
    #[must_use]
    pub fn take_window(&self) -> Window {
        let mut past = self.past();
        past.bury();
        let mut all = std::mem::take(&mut past.window);
        for shared in self.threads(&past) {
            let window = shared.take_window();
            if !window.is_empty() {
                all.merge(&window);
            }
        }
        all
    }

    /// What was refused since the last call for being no request, or none that is taken.
    #[must_use]
    pub fn take_refused(&self) -> Nonsense {
        self.lasting.refused.take()
    }

    /// Lines of the access log of all threads since the last call.
    #[must_use]
    pub fn take_log(&self) -> Vec<u8> {
        let mut past = self.past();
        let mut all = std::mem::take(&mut past.log);
        for shared in self.threads(&past) {
            all.extend(shared.take_log());
        }
        all
    }

    /// Counts lines of the access log that were fetched and could not be written.
    pub fn lose_log_lines(&self, lines: u64) {
        self.past().counted.add(Counter::access_log_dropped, lines);
    }

    /// Lets the access log tell what the wall clock shows, also after somebody has set it; `read` reads
    /// it. To be called some times a second.
    pub fn follow_wall_clock(&self, read: impl FnOnce() -> Timestamp) {
        self.lasting.wall.follow(read);
    }

    /// A counter over all threads.
    #[must_use]
    pub fn count(&self, counter: Counter) -> u64 {
        let past = self.past();
        let present: u64 = self.threads(&past).iter().map(|s| s.counters.get(counter)).sum();
        past.counted.get(counter) + present
    }

    #[must_use]
    pub fn open_connections(&self) -> u32 {
        self.lasting.gate.open()
    }

    /// Requests under way.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.threads(&self.past()).iter().map(|s| s.active.load(Ordering::Relaxed)).sum()
    }

    /// Each upstream's site, name, and whether it is up.
    #[must_use]
    pub fn upstreams(&self) -> Vec<(usize, String, bool)> {
        self.present.load().upstreams()
    }

    /// Upstreams that cannot be spoken to, or have sent what is not passed on: the site, the name, and
    /// why, as a clause.
    #[must_use]
    pub fn troubles(&self) -> Vec<(usize, String, String)> {
        self.present.load().troubles()
    }

    /// Puts a plan into force on all threads at once.
    ///
    /// # Errors
    /// If it cannot be enforced here; what was in force stays.
    pub fn enforce(&self, plan: &Plan, policy: &Policy, now: Timestamp) -> Result<(), CompileErrors> {
        self.lasting.acting.enforce(plan, policy, now)?;
        self.follow_plan();
        Ok(())
    }

    /// What the measures in force held back since the last call; those that are no rule for single
    /// requests (deadlines, waiting rooms) are not told.
    #[must_use]
    pub fn take_outcomes(&self) -> Vec<Outcome> {
        self.lasting.acting.take_outcomes()
    }

    /// Takes all measures away.
    pub fn lift(&self, policy: &Policy) {
        self.lasting.acting.lift(policy);
        self.follow_plan();
    }

    /// Trouble began then, or is over: who was here before counts as known.
    pub fn trouble(&self, onset: Option<Timestamp>) {
        self.lasting.acting.trouble(onset);
    }

    /// Signs with another secret from now on, where one has served for long enough; `draw` makes it.
    /// If it cannot, the one before goes on.
    pub fn renew_secret(&self, draw: impl FnOnce() -> Option<[u8; 32]>, now: Timestamp) {
        self.lasting.acting.renew_secret(draw, now);
    }

    /// While there is trouble: whether it is nothing but visitors whom the sites bear, from whom they
    /// go on learning what they bear.
    pub fn bear(&self, is_borne: bool) {
        self.lasting.acting.bear(is_borne);
    }

    /// What the edge knows, for one that comes after it.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.lasting.acting.kept(self.lasting.secret)
    }

    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.present.load().settings)
    }

    /// Takes no more connections, and lets the exchanges under way end; what still runs after the
    /// `drain-ms` limit is cut.
    pub fn drain(&self) {
        let mut past = self.past();
        past.listeners = Listeners::default();
        let all: Vec<Arc<Generation>> =
            past.retired.iter().cloned().chain([self.present.load_full()]).collect();
        drop(past);
        all.iter().for_each(|generation| generation.drain());
        all.iter().for_each(|generation| generation.join());
    }

    /// Takes no more connections, and serves those that there are to their end. [`Edge::drain`] ends
    /// what is left.
    pub fn retire(&self) {
        self.present.load().retire();
        // Another program may hold the sockets, and is the only one to accept from now on.
        self.past().listeners = Listeners::default();
    }

    fn follow_plan(&self) {
        let settings = self.settings();
        let planned = self.lasting.acting.header_deadline().filter(|_| settings.enforce);
        let per_source = settings.limits.connections_per_source;
        let planned = planned.map_or(per_source, |(_, n)| per_source.min(u64::from(n)));
        self.lasting.gate.set_per_source(planned);
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self, past: &Past) -> Vec<Arc<Shared>> {
        let present = self.present.load();
        past.retired.iter().flat_map(|g| &g.shared).chain(&present.shared).cloned().collect()
    }
}

impl Past {
    /// Keeps what generations that have ended have counted, so that no total ever falls.
    fn bury(&mut self) {
        let (ended, retired): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.retired).into_iter().partition(|g| g.has_ended());
        self.retired = retired;
        for shared in ended.iter().flat_map(|g| &g.shared) {
            for counter in Counter::ALL {
                self.counted.add(*counter, shared.counters.get(*counter));
            }
            self.window.merge(&shared.take_window());
            self.log.extend(shared.take_log());
        }
    }
}

impl Lasting {
    fn generation(
        &self,
        settings: Settings,
        listeners: &Listeners,
        before: Option<&Generation>,
        now: Timestamp,
    ) -> io::Result<Generation> {
        let threads = settings.threads.max(1);
        let shares = listeners.deal(&settings.sites, threads)?;
        let addresses = listeners.addresses(&settings.sites);
        let known = |upstream: &Upstream| {
            let health = before.and_then(|b| b.health_of(upstream)).unwrap_or_default();
            health.addresses.set(&upstream.addresses);
            health
        };
        let health = settings.sites.iter().map(|s| s.upstreams.iter().map(known).collect()).collect();
        let sites = self.acting.sites(&settings.sites, now);
        let common = Common {
            settings: Arc::new(settings),
            gate: Arc::clone(&self.gate),
            refused: Arc::clone(&self.refused),
            health,
            draining: Arc::new(AtomicBool::new(false)),
            acting: Arc::clone(&self.acting),
            sites,
            seed: self.seed,
            start: now,
            wall: Arc::clone(&self.wall),
        };
        Generation::start(common, addresses, shares)
    }
}
