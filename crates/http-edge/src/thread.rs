//! What one thread owns. Everything here is used by one thread only; what others may see is in
//! [`Shared`].

use crate::Request;
use crate::access_log;
use crate::act;
use crate::acting::{Acting, SiteActing};
use crate::buffer::Stock;
use crate::clock::{Clock, WallClock};
use crate::counters::{Counter, Counters};
use crate::gate::Gate;
use crate::nonsense::Refused;
use crate::sense::{Outcome, Sense};
use crate::settings::Settings;
use crate::stored;
use crate::upstream::Pool;
use seawall_detection::Window;
use seawall_model::observation::{BackendEventKind, ConnectionEvent, Ending};
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Bytes of access log that wait to be written; lines beyond are dropped and counted.
const LOG_BYTES: usize = 4 << 20;

/// What a thread shows to others.
#[derive(Debug, Default)]
pub struct Shared {
    pub counters: Counters,
    /// What was seen and not yet fetched. Locked ten times a second, never for a request.
    window: Mutex<Window>,
    log: Mutex<Vec<u8>>,
    /// Exchanges under way.
    pub active: AtomicU32,
}

impl Shared {
    /// Everything seen since the last call.
    pub fn take_window(&self) -> Window {
        std::mem::take(&mut self.window.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lines of the access log since the last call.
    pub fn take_log(&self) -> Vec<u8> {
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a thread works with.
#[derive(Debug)]
pub struct Thread {
    pub settings: Arc<Settings>,
    pub clock: Clock,
    wall: Arc<WallClock>,
    pub gate: Arc<Gate>,
    pub refused: Arc<Refused>,
    pub stock: Stock,
    pub pools: Vec<Pool>,
    pub counters: CountersRef,
    pub shared: Arc<Shared>,
    pub draining: Arc<AtomicBool>,
    pub acting: Arc<Acting>,
    /// What acts on each site.
    pub sites: Vec<Arc<SiteActing>>,
    /// Answers that are kept while a plan asks for it.
    pub cache: RefCell<act::MicroCache>,
    sense: RefCell<Sense>,
    log: RefCell<Vec<u8>>,
}

/// What of a request goes into the windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensing {
    /// That it was asked for, and how it was answered.
    Whole,
    /// That it was asked for: it was not the site that answered.
    Asked,
    /// How it was answered: that it was asked for has been counted.
    Answer,
    /// Nothing: it belongs to a page of our own, or was for nothing.
    Apart,
}

/// A thread's counters.
#[derive(Debug)]
pub struct CountersRef(pub Arc<Shared>);

impl CountersRef {
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        self.0.counters.add(counter, n);
    }
}

/// What all threads of an edge share.
#[derive(Clone, Debug)]
pub struct Common {
    pub settings: Arc<Settings>,
    pub gate: Arc<Gate>,
    pub refused: Arc<Refused>,
    pub health: Vec<Vec<Arc<crate::health::Health>>>,
    pub draining: Arc<AtomicBool>,
    pub acting: Arc<Acting>,
    pub sites: Vec<Arc<SiteActing>>,
    pub seed: u64,
    /// Wall time at the start.
    pub start: seawall_model::Timestamp,
    pub wall: Arc<WallClock>,
}

impl Thread {
    #[must_use]
    pub fn new(common: &Common, shared: Arc<Shared>, number: u64) -> Self {
        let seed = seawall_model::hash::combine(common.seed, number);
        let settings = &common.settings;
        let pools = settings
            .sites
            .iter()
            .zip(&common.health)
            .map(|(site, health)| Pool::new(site, health, &settings.limits, seed))
            .collect();
        Self {
            settings: Arc::clone(settings),
            clock: Clock::anchored(common.start),
            wall: Arc::clone(&common.wall),
            gate: Arc::clone(&common.gate),
            refused: Arc::clone(&common.refused),
            stock: Stock::default(),
            pools,
            counters: CountersRef(Arc::clone(&shared)),
            shared,
            draining: Arc::clone(&common.draining),
            acting: Arc::clone(&common.acting),
            sites: common.sites.clone(),
            cache: RefCell::new(stored::cache(settings)),
            sense: RefCell::new(Sense::new(number)),
            log: RefCell::default(),
        }
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Milliseconds that a plan leaves for a head; the most there is where none does.
    #[must_use]
    pub fn planned_head_ms(&self) -> u64 {
        let planned = self.acting.header_deadline().filter(|_| self.settings.enforce);
        planned.map_or(u64::MAX, |(seconds, _)| 1_000 * u64::from(seconds))
    }

    /// Whether any connection is open.
    #[must_use]
    pub fn has_connections(&self) -> bool {
        let count = |counter| self.shared.counters.get(counter);
        count(Counter::connections) > count(Counter::connections_closed)
    }

    /// Whether a request may be tried again; counts it either way.
    #[must_use]
    pub fn may_retry(&self, pool: &Pool) -> bool {
        let may = pool.spend();
        self.counters.add(if may { Counter::retries } else { Counter::retry_budget_spent }, 1);
        may
    }

    pub fn backend(&self, kind: BackendEventKind, server: &str) {
        let now = self.clock.timestamp(Instant::now());
        self.sense.borrow_mut().backend(now, kind, server);
    }

    /// A server is up or down from now on.
    pub fn changed(&self, change: Option<BackendEventKind>, server: &str) {
        if let Some(kind) = change {
            self.backend(kind, server);
        }
    }

    /// A server of a site has begun to answer a request.
    pub fn answered(&self, site: usize, at: usize) {
        let pool = &self.pools[site];
        self.changed(pool.answered(at), &pool.servers[at].name);
    }

    pub fn connection(&self, event: ConnectionEvent, client: IpAddr, server: IpAddr) {
        let now = self.clock.timestamp(Instant::now());
        self.sense.borrow_mut().connection(now, event, client, server);
    }

    /// Counts a connection that is not let in, because its source has as many as a plan leaves it.
    pub fn turned_away(&self) {
        if self.planned_head_ms() != u64::MAX {
            self.sense.borrow_mut().held(self.clock.timestamp(Instant::now()), 0, 1);
        }
    }

    /// Counts a request that waits for its answer.
    pub fn arrival(&self, request: &Request<'_>, began: Instant) {
        self.sense.borrow_mut().arrival(request, self.clock.timestamp(began));
    }

    /// Counts and logs a request that is over.
    pub fn request(&self, request: &Request<'_>, outcome: &Outcome<'_>, sensing: Sensing) {
        let class = match outcome.status {
            100..200 => Counter::answers_1xx,
            200..300 => Counter::answers_2xx,
            300..400 => Counter::answers_3xx,
            500.. => Counter::answers_5xx,
            _ => Counter::answers_4xx,
        };
        self.counters.add(class, u64::from(outcome.status != 0));
        self.counters.add(Counter::requests, 1);
        self.counters.add(Counter::response_body_bytes, outcome.response_bytes);
        self.counters.add(Counter::request_body_bytes, outcome.request_bytes);
        let mut sense = self.sense.borrow_mut();
        let is_denied = outcome.ending == Ending::Denied;
        match sensing {
            // What we refuse says nothing of the site: it is counted as asked for, and no more.
            Sensing::Whole if is_denied => sense.arrival(request, outcome.time),
            Sensing::Asked => sense.arrival(request, outcome.time),
            Sensing::Whole => sense.request(request, outcome),
            Sensing::Answer if !is_denied => sense.answer(request, outcome),
            Sensing::Answer | Sensing::Apart => {}
        }
        if let Some(format) = self.settings.access_log {
            let mut log = self.log.borrow_mut();
            if log.len() < LOG_BYTES {
                let time = self.wall.shown(&self.clock, outcome.time);
                access_log::line(&mut log, format, request, &Outcome { time, ..*outcome });
            } else {
                self.counters.add(Counter::access_log_dropped, 1);
            }
        }
    }

    /// Hands over what was seen. Called every tick.
    pub fn publish(&self) {
        let held = self.gate.held(self.planned_head_ms() != u64::MAX);
        self.sense.borrow_mut().held(self.clock.timestamp(Instant::now()), held, 0);
        let window = self.sense.borrow_mut().take();
        if !window.is_empty() {
            self.shared.window.lock().unwrap_or_else(PoisonError::into_inner).merge(&window);
        }
        let mut lines = self.log.borrow_mut();
        if !lines.is_empty() {
            let mut out = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
            if out.len() < LOG_BYTES {
                out.append(&mut lines);
            }
        }
    }
}
