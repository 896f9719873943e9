//! What one thread does with messages, apart from sockets and clocks: the time is told, messages
//! go in, and what is to be sent comes out.
//!
//! ```text
//! query ─→ ask: the ladder ─→ cache, zone, or a flight ─→ back end
//!                                                            │
//! client ←─────────── reply: for each that waits ←───────────┘
//! ```

pub(crate) mod ask;
pub mod outbox;
pub mod reply;

pub use outbox::Outbox;

use crate::backend::{Flights, Health, Pool};
use crate::cache::{Asked, Lifetimes, SharedCache};
use crate::cookie::{COOKIE_BYTES, Cookies};
use crate::counters::{Counter, Counters};
use crate::exist::{Learnt, Ranges, Zones};
use crate::hot::Hot;
use crate::limit::{Buckets, Repeats};
use crate::message::write::Opt;
use crate::message::{Key, Query, flag, opcode};
use crate::outbound::{Ledger, Mood};
use crate::random::Random;
use crate::sense::Sense;
use crate::settings::{Limits, Settings};
use seawall_detection::Window;
use seawall_model::observation::BackendEventKind;
use seawall_model::{Timestamp, hash};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Who asked, and where the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    pub address: SocketAddr,
    pub via: Via,
}

/// The way that a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Udp {
        listener: u16,
        /// The address it was sent to, where the listener has several.
        local: Option<IpAddr>,
    },
    Tcp {
        connection: u64,
        /// The address it came to.
        to: SocketAddr,
        /// It is over TLS, so that lengths are what others can see.
        is_secret: bool,
    },
}

impl Via {
    #[inline]
    #[must_use]
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp { .. })
    }
}

/// The present.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Microseconds since the edge started.
    pub us: u64,
    pub wall: Timestamp,
}

impl Now {
    fn second(self) -> u32 {
        // A second after the start is 1, so that nothing began at 0.
        (self.us / 1_000_000) as u32 + 1
    }

    fn ms(self) -> u64 {
        self.us / 1_000
    }
}

/// What all threads share.
#[derive(Clone, Debug)]
pub struct Common {
    pub settings: Arc<Settings>,
    pub healths: Vec<Arc<Health>>,
    pub cache: Arc<SharedCache>,
    pub learnt: Arc<Learnt>,
    pub zones: Arc<ZonesCell>,
    /// Written to when a back end proves something new; read for names of which nothing is known.
    pub ranges: Arc<RwLock<Ranges>>,
    pub cookies: Cookies,
    /// Questions that are asked often.
    pub hot: Arc<Hot>,
    /// Questions may be held back; else what would be is only counted.
    pub is_enforcing: Arc<AtomicBool>,
    /// For each pool, a question that was answered lately: what a check asks.
    pub samples: Arc<[Mutex<Box<[u8]>>]>,
    /// A number that nobody outside can know.
    pub seed: u64,
}

impl Common {
    /// What threads share at the start. `secret`: what nobody outside can know.
    #[must_use]
    pub fn new(settings: Arc<Settings>, secret: &[u8; 32]) -> Self {
        let limits = &settings.limits;
        Self {
            healths: backends(&settings).map(|_| Arc::<Health>::default()).collect(),
            cache: Arc::new(SharedCache::new(limits.cache_bytes as usize, lifetimes(limits))),
            learnt: Arc::new(Learnt::new(limits.learnt_names as usize)),
            zones: Arc::<ZonesCell>::default(),
            ranges: Arc::new(RwLock::new(Ranges::new(limits.range_bytes as usize))),
            cookies: Cookies::new(std::array::from_fn(|i| secret[i])),
            hot: Arc::default(),
            is_enforcing: Arc::new(AtomicBool::new(settings.enforce)),
            samples: settings.pools.iter().map(|_| Mutex::default()).collect(),
            seed: hash::bytes(&secret[16..]),
            settings,
        }
    }
}

impl Common {
    /// With other settings, and everything that is known. Listeners, threads and the size of the
    /// tables stay as they were.
    #[must_use]
    pub fn with(&self, settings: Settings) -> Self {
        let limits = &settings.limits;
        let known: Vec<_> = backends(&self.settings).zip(&self.healths).collect();
        let health = |(suffix, address)| {
            let same = known.iter().find(|(other, _)| *other == (suffix, address));
            same.map(|(_, health)| Arc::clone(health)).unwrap_or_default()
        };
        self.cache.change(lifetimes(limits));
        self.ranges.write().unwrap_or_else(PoisonError::into_inner).limit(limits.range_bytes as usize);
        Self {
            healths: backends(&settings).map(health).collect(),
            samples: settings.pools.iter().map(|_| Mutex::default()).collect(),
            settings: Arc::new(settings),
            ..self.clone()
        }
    }
}

/// Each back end: the suffix of its pool, and its address.
fn backends(settings: &Settings) -> impl Iterator<Item = (&[u8], SocketAddr)> {
    settings.pools.iter().flat_map(|pool| pool.backends.iter().map(|b| (&*pool.suffix, b.address)))
}

fn lifetimes(limits: &Limits) -> Lifetimes {
    Lifetimes {
        stale_s: limits.stale_s as u32,
        negative_s: limits.negative_ttl_s as u32,
        failure_s: limits.failure_ttl_s as u32,
    }
}

/// What threads work by, and whether there is something newer.
#[derive(Debug)]
pub struct Latest {
    generation: AtomicU64,
    common: Mutex<Common>,
}

impl Latest {
    #[must_use]
    pub fn new(common: Common) -> Self {
        Self { generation: AtomicU64::new(0), common: Mutex::new(common) }
    }

    /// All go on by this from now on.
    pub fn set(&self, common: Common) {
        *self.common.lock().unwrap_or_else(PoisonError::into_inner) = common;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// What is newer than `generation`, with its own.
    #[must_use]
    pub fn newer(&self, generation: u64) -> Option<(u64, Common)> {
        let newest = self.generation.load(Ordering::Acquire);
        let common = || self.common.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (newest != generation).then(|| (newest, common()))
    }
}

/// The zones that are known now; threads look for a newer set now and then.
#[derive(Debug, Default)]
pub struct ZonesCell {
    generation: AtomicU64,
    zones: Mutex<Arc<Zones>>,
    /// Zones of which a NOTIFY came.
    notified: AtomicU64,
}

impl ZonesCell {
    pub fn set(&self, zones: Zones) {
        *self.zones.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(zones);
        self.generation.fetch_add(1, Ordering::Release);
    }

    #[must_use]
    pub fn get(&self) -> Arc<Zones> {
        Arc::clone(&self.zones.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes with each set.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Somebody said that a zone has changed.
    pub fn notify(&self) {
        self.notified.fetch_add(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn notified(&self) -> u64 {
        self.notified.load(Ordering::Relaxed)
    }
}

/// What a thread shows to others.
#[derive(Debug, Default)]
pub struct Shared {
    pub counters: Counters,
    /// What was seen and not yet fetched. Locked ten times a second, never for a query.
    window: Mutex<Window>,
    /// No more may go out than came in.
    pub is_strict: AtomicBool,
    /// Some of the servers say that they recurse.
    pub recurses: AtomicBool,
    /// Bytes that came in and went out where this thread did not see them.
    elsewhere_in: AtomicU64,
    elsewhere_out: AtomicU64,
}

impl Shared {
    /// Questions of so many bytes were answered with so many, in place of this thread.
    pub fn answered_elsewhere(&self, query_bytes: u64, answer_bytes: u64) {
        self.elsewhere_in.fetch_add(query_bytes, Ordering::Relaxed);
        self.elsewhere_out.fetch_add(answer_bytes, Ordering::Relaxed);
    }

    /// Everything seen since the last call.
    pub fn take_window(&self) -> Window {
        std::mem::take(&mut self.window.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A query with all that is made of it once.
struct Ask<'a> {
    asker: &'a Asker,
    message: &'a [u8],
    query: Query<'a>,
    key: Key,
    name_hash: u64,
    asked: Asked,
    hash: u64,
    /// Its address is not forged.
    is_proven: bool,
    cookie: Option<[u8; COOKIE_BYTES]>,
}

impl Ask<'_> {
    fn opt(&self) -> Opt<'_> {
        let is_padded = matches!(self.asker.via, Via::Tcp { is_secret: true, .. })
            && self.query.edns.is_some_and(|e| e.has_padding);
        let cookie = self.cookie.as_ref().map(<[u8; COOKIE_BYTES]>::as_slice);
        Opt { cookie, is_padded, ..Opt::default() }
    }
}

/// A time at which a flight is looked at again.
#[derive(Clone, Copy, Debug)]
struct Due {
    at_us: u64,
    flight: u32,
    generation: u32,
}

/// All state of one thread.
#[derive(Debug)]
pub struct Core {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    learnt: Arc<Learnt>,
    zones_cell: Arc<ZonesCell>,
    zones_generation: u64,
    zones: Arc<Zones>,
    ranges: Arc<RwLock<Ranges>>,
    names: Vec<String>,
    cookies: Cookies,
    is_enforcing: Arc<AtomicBool>,
    seed: u64,
    now: Now,
    /// The port that questions leave by in this round.
    socket: u32,
    /// Connections of one question each, so far.
    streams: u32,
    /// Back ends whose TCP connection has answered what was asked over it.
    heard: BTreeSet<u16>,
    cache: Arc<SharedCache>,
    hot: Arc<Hot>,
    pools: Vec<Pool>,
    flights: Flights,
    /// Flights by when they are late, and by when they are given up.
    late: VecDeque<Due>,
    given_up: VecDeque<Due>,
    ledger: Ledger,
    buckets: Buckets,
    repeats: Repeats,
    random: Random,
    sense: Sense,
    scratch: Vec<u8>,
    /// Questions for checks that were found since the last tick, by pool.
    samples: Vec<Option<Box<[u8]>>>,
    shared_samples: Arc<[Mutex<Box<[u8]>>]>,
    /// The pools' places in the settings: here they are sorted.
    order: Vec<usize>,
}

impl Core {
    #[must_use]
    pub fn new(common: &Common, shared: Arc<Shared>, number: u64) -> Self {
        let settings = &common.settings;
        let limits = &settings.limits;
        let seed = hash::combine(common.seed, number);
        let (order, pools) = pools(common);
        Self {
            shared,
            learnt: Arc::clone(&common.learnt),
            zones_generation: common.zones.generation(),
            zones: common.zones.get(),
            zones_cell: Arc::clone(&common.zones),
            ranges: Arc::clone(&common.ranges),
            names: names(settings),
            cookies: common.cookies,
            is_enforcing: Arc::clone(&common.is_enforcing),
            seed: common.seed,
            now: Now::default(),
            socket: 0,
            streams: 0,
            heard: BTreeSet::new(),
            cache: Arc::clone(&common.cache),
            hot: Arc::clone(&common.hot),
            samples: vec![None; pools.len()],
            shared_samples: Arc::clone(&common.samples),
            order,
            pools,
            flights: Flights::new(limits.outstanding as usize),
            late: VecDeque::new(),
            given_up: VecDeque::new(),
            ledger: Ledger::new(limits.loud_bytes_per_s),
            buckets: Buckets::new(limits.unknown_per_source, seed),
            repeats: Repeats::new(seed),
            random: Random::default(),
            sense: Sense::new(number),
            scratch: Vec::new(),
            settings: Arc::clone(settings),
        }
    }

    /// Goes on by other settings. What waits is asked anew, of the servers that are there now: no
    /// client loses its answer by it.
    pub fn change(&mut self, common: &Common, out: &mut Outbox) {
        let limits = &common.settings.limits;
        let (order, mut pools) = pools(common);
        for pool in &mut pools {
            if let Some(old) = self.pools.iter().find(|old| old.suffix == pool.suffix) {
                pool.inherit(old);
            }
        }
        (self.order, self.pools) = (order, pools);
        self.samples = vec![None; self.pools.len()];
        self.shared_samples = Arc::clone(&common.samples);
        self.names = names(&common.settings);
        self.flights.limit(limits.outstanding as usize);
        self.ledger.limit(limits.loud_bytes_per_s);
        self.buckets.limit(limits.unknown_per_source);
        self.settings = Arc::clone(&common.settings);
        for at in self.flights.waiting() {
            self.ask_anew(at, out);
        }
    }

    /// Begins a round of work: what the time is, and by which port questions leave.
    pub fn begin(&mut self, now: Now, socket: u32) {
        self.now = now;
        self.socket = socket;
    }

    /// The present, as it was told.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// The port of this round.
    #[must_use]
    pub fn socket(&self) -> u32 {
        self.socket
    }

    /// Questions that wait for a back end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.flights.len()
    }

    /// A random number, for whoever chooses ports.
    pub fn random(&mut self) -> u16 {
        self.random.u16()
    }

    /// Hands over what was seen, and takes what is new. Called every tick.
    pub fn publish(&mut self) {
        let window = self.sense.take();
        if !window.is_empty() {
            self.shared.window.lock().unwrap_or_else(PoisonError::into_inner).merge(&window);
        }
        for (sample, at) in self.samples.iter_mut().zip(&self.order) {
            if let (Some(sample), Some(shared)) = (sample.take(), self.shared_samples.get(*at)) {
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = sample;
            }
        }
        let elsewhere = |bytes: &AtomicU64| bytes.swap(0, Ordering::Relaxed) as usize;
        self.ledger.take(self.now.us, elsewhere(&self.shared.elsewhere_in));
        self.ledger.give(elsewhere(&self.shared.elsewhere_out));
        self.shared.is_strict.store(self.ledger.mood() == Mood::Strict, Ordering::Relaxed);
        self.shared.recurses.store(self.pools.iter().any(|p| p.recurses), Ordering::Relaxed);
        let generation = self.zones_cell.generation();
        if generation != self.zones_generation {
            self.zones_generation = generation;
            self.zones = self.zones_cell.get();
        }
    }

    /// A back end is up or down, by the word of whoever checks it.
    pub fn tell_backend(&mut self, kind: BackendEventKind, backend: u16) {
        let name = self.names.get(usize::from(backend)).map_or("", String::as_str);
        self.sense.backend(self.now.wall, kind, name);
    }

    fn add(&self, counter: Counter, n: u64) {
        self.shared.counters.add(counter, n);
    }

    fn is_enforcing(&self) -> bool {
        self.is_enforcing.load(Ordering::Relaxed)
    }

    /// The bits of an answer of our own that the servers set in theirs: a stub resolver does not believe an
    /// empty answer of one that does not recurse, and does not come over TCP when it is told to.
    fn own_flags(&self, ask: &Ask<'_>) -> u16 {
        let recurses = |pool: usize| self.pools[pool].recurses;
        let is_question = ask.query.opcode() == opcode::QUERY;
        let is_available = is_question && self.pool_of(&ask.key).is_some_and(recurses);
        if is_available { flag::RECURSION_AVAILABLE } else { 0 }
    }

    /// The place of the pool that answers for a name.
    fn pool_of(&self, key: &Key) -> Option<usize> {
        if let [only] = &self.pools[..]
            && only.suffix.len() == 1
        {
            return Some(0);
        }
        self.pools.iter().position(|p| crate::message::name::is_within(key.as_bytes(), &p.suffix))
    }
}

/// The pools in the order in which they are looked through, and their places in the settings.
fn pools(common: &Common) -> (Vec<usize>, Vec<Pool>) {
    let mut pools = Vec::new();
    let mut first = 0;
    for (at, pool) in common.settings.pools.iter().enumerate() {
        pools.push((at, Pool::new(pool, first, &common.healths, &common.settings.limits)));
        first += pool.backends.len() as u16;
    }
    // The longest suffix is found first.
    pools.sort_by_key(|(_, p)| std::cmp::Reverse(p.suffix.len()));
    pools.into_iter().unzip()
}

fn names(settings: &Settings) -> Vec<String> {
    settings.pools.iter().flat_map(|p| &p.backends).map(|b| b.name.clone()).collect()
}
