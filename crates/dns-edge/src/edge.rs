//! The edge as a whole: sockets, threads, and what the program asks of it.

use crate::core::ask::LOUD_REPEATS;
use crate::core::{Common, Latest, Shared};
use crate::counters::{Counter, Counters};
use crate::exist::KnownZone;
use crate::hot::{self, HotAnswer, HotQuestion};
use crate::io::clock::Clock;
use crate::io::thread::{Listeners, Thread};
use crate::io::{self as sockets, socket};
use crate::sense::{self, Seen};
use crate::settings::Settings;
use seawall_detection::Window;
use seawall_model::{Timestamp, hash};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Makes sampling priorities of what was answered in our place unique.
const SEEN: u64 = u64::MAX - 1;
/// How often the system may pick a port that is free for UDP and taken for TCP.
const PICKS: u32 = 10;

/// A running edge. Dropping it stops it.
#[derive(Debug)]
pub struct Edge {
    common: Common,
    /// What the threads are told of a change by.
    latest: Arc<Latest>,
    shared: Vec<Arc<Shared>>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    addresses: Vec<SocketAddr>,
    /// What the keeper saw.
    kept: Arc<Mutex<Window>>,
    said: Arc<Mutex<Vec<String>>>,
    clock: Clock,
    /// What was answered in our place.
    elsewhere: Counters,
    seen: AtomicU64,
}

impl Edge {
    /// Binds all listeners and starts all threads. `now` is the wall time, `secret` what nobody
    /// outside can know: cookies are made with it.
    ///
    /// # Errors
    /// If a listener cannot be bound or a thread not be started.
    pub fn start(settings: Settings, now: Timestamp, secret: &[u8; 32]) -> io::Result<Self> {
        let clock = Clock::anchored(now);
        let settings = Arc::new(settings);
        let threads = settings.threads.max(1);
        let (addresses, listeners) = bind(&settings, threads)?;
        let common = Common::new(settings, secret);
        let mut edge = Self {
            latest: Arc::new(Latest::new(common.clone())),
            common,
            shared: Vec::new(),
            threads: Vec::new(),
            stop: Arc::default(),
            addresses,
            kept: Arc::default(),
            said: Arc::default(),
            clock,
            elsewhere: Counters::default(),
            seen: AtomicU64::new(0),
        };
        for (number, own) in (0..).zip(listeners) {
            edge.start_thread(number, own, clock)?;
        }
        edge.start_keepers(clock)?;
        Ok(edge)
    }

    fn start_thread(&mut self, number: u64, listeners: Listeners, clock: Clock) -> io::Result<()> {
        let shared = Arc::<Shared>::default();
        self.shared.push(Arc::clone(&shared));
        let mut thread =
            Thread::new(&self.common, Arc::clone(&self.latest), shared, number, listeners, clock)?;
        let (stop, said) = (Arc::clone(&self.stop), Arc::clone(&self.said));
        let work = move || {
            if let Err(error) = thread.run(&stop) {
                let line = format!("thread {number} of the DNS edge has ended: {error}");
                said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        };
        self.threads.push(std::thread::Builder::new().name(format!("dns-{number}")).spawn(work)?);
        Ok(())
    }

    fn start_keepers(&mut self, clock: Clock) -> io::Result<()> {
        let (common, stop, kept) = (self.common.clone(), Arc::clone(&self.stop), Arc::clone(&self.kept));
        let latest = Arc::clone(&self.latest);
        let keep = move || sockets::keep(&common, &latest, &clock, &kept, &stop);
        self.threads.push(std::thread::Builder::new().name("dns-keeper".into()).spawn(keep)?);
        let (common, stop, said) = (self.common.clone(), Arc::clone(&self.stop), Arc::clone(&self.said));
        let latest = Arc::clone(&self.latest);
        let follow = move || sockets::follow(&common, &latest, &clock, &said, &stop);
        self.threads.push(std::thread::Builder::new().name("dns-zones".into()).spawn(follow)?);
        Ok(())
    }

    /// Goes on by other settings: pools, servers, zones and limits. Within a tenth of a second each
    /// thread asks what waits anew, of the servers that are there then. Listeners, threads, and the
    /// room of the cache and of learnt names stay as they are.
    pub fn reload(&mut self, settings: Settings) {
        let present = &self.common.settings;
        let settings = Settings {
            listeners: present.listeners.clone(),
            tls: present.tls.clone(),
            threads: present.threads,
            ..settings
        };
        self.enforce(settings.enforce);
        self.common = self.common.with(settings);
        self.latest.set(self.common.clone());
    }

    /// Where it listens, in the order of the settings; for TLS last.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What all threads have seen since the last call.
    #[must_use]
    pub fn take_window(&self) -> Window {
        let mut all = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        for shared in &self.shared {
            let window = shared.take_window();
            if !window.is_empty() {
                all.merge(&window);
            }
        }
        all
    }

    /// What an operator should know since the last call, one line each.
    #[must_use]
    pub fn take_said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A counter over all threads.
    #[must_use]
    pub fn count(&self, counter: Counter) -> u64 {
        self.shared.iter().map(|s| s.counters.get(counter)).sum::<u64>() + self.elsewhere.get(counter)
    }

    /// Whether questions may be held back from now on, or are only counted.
    pub fn enforce(&self, enforce: bool) {
        self.common.is_enforcing.store(enforce, Ordering::Relaxed);
    }

    /// Whether questions that are asked often are told of from now on.
    pub fn want_hot(&self, is_wanted: bool) {
        self.common.hot.want(is_wanted);
    }

    /// So many of the questions that were asked often, the oldest first.
    #[must_use]
    pub fn take_hot(&self, most: usize) -> Vec<HotQuestion> {
        self.common.hot.take(most)
    }

    /// What the cache answers now, for whoever answers in our place; `None` if it has nothing
    /// fresh.
    #[must_use]
    pub fn hot_answer(&self, question: &HotQuestion) -> Option<HotAnswer> {
        hot::answer(&self.common.cache, question, self.clock.now().us)
    }

    /// How often in a second one network may be given the same answer in our place.
    #[must_use]
    pub fn hot_repeats(&self) -> u64 {
        LOUD_REPEATS * self.common.settings.limits.repeats_per_network
    }

    /// So many questions were answered in our place.
    pub fn answered_elsewhere(&self, answers: u64, query_bytes: u64, answer_bytes: u64) {
        let Some((last, threads)) = self.shared.split_last() else { return };
        for shared in threads {
            let parts = self.shared.len() as u64;
            shared.answered_elsewhere(query_bytes / parts, answer_bytes / parts);
        }
        let rest = |bytes: u64| bytes - bytes / self.shared.len() as u64 * threads.len() as u64;
        last.answered_elsewhere(rest(query_bytes), rest(answer_bytes));
        for counter in [Counter::queries, Counter::answers, Counter::cached, Counter::in_kernel] {
            self.elsewhere.add(counter, answers);
        }
        self.elsewhere.add(Counter::query_bytes, query_bytes);
        self.elsewhere.add(Counter::answer_bytes, answer_bytes);
    }

    /// A sample of what was answered in our place.
    pub fn saw(&self, seen: &Seen<'_>) {
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        let mut window = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        sense::elsewhere(&mut window, seen, hash::combine(SEEN, number));
    }

    /// Questions for names that are absent or unknown were answered or dropped in our place: this is a
    /// sample of them.
    pub fn saw_held(&self, seen: &Seen<'_>) {
        self.saw(seen);
        let times = u64::from(seen.times);
        for counter in [Counter::queries, Counter::held_in_kernel] {
            self.elsewhere.add(counter, times);
        }
        self.elsewhere.add(Counter::query_bytes, times * u64::from(seen.query_bytes));
        if let Some(answer) = seen.answer {
            self.elsewhere.add(Counter::answers, times);
            self.elsewhere.add(Counter::answer_bytes, times * u64::from(answer.bytes));
        }
    }

    /// Changes whenever what is known of zones does.
    #[must_use]
    pub fn zones_generation(&self) -> u64 {
        self.common.zones.generation()
    }

    /// Whether the zone that a name is in is known.
    #[must_use]
    pub fn knows_zone_of(&self, name: &[u8]) -> bool {
        let zones = self.common.zones.get();
        crate::message::name::ancestors(name).any(|ancestor| zones.of(ancestor).is_some())
    }

    /// The known zones below a name, but not the one of that name itself.
    #[must_use]
    pub fn known_zones_below(&self, name: &[u8]) -> Vec<Box<[u8]>> {
        self.common.zones.get().below(name)
    }

    /// What whoever answers in our place has to know of the zone that a name is in, if that zone is
    /// known and has no more than `most` names.
    #[must_use]
    pub fn known_zone(&self, name: &[u8], most: usize) -> Option<KnownZone> {
        self.common.zones.get().known(name, most)
    }

    /// The names that have answered, if there are no more than `most`: the hash of the root, the names'
    /// ([`hash::dns_name`]), and how many of the lower 24 bits of these count.
    #[must_use]
    pub fn learnt_names(&self, most: usize) -> Option<(u64, Vec<u64>, u32)> {
        let (names, bits) = self.common.learnt.names(most)?;
        Some((self.common.seed, names, bits))
    }

    /// Whether somebody has us send answers to others just now: nobody may answer in our place.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.shared.iter().any(|s| s.is_strict.load(Ordering::Relaxed))
    }

    /// Whether servers of this front say that they recurse (RA): then what is said in our place has to say so.
    #[must_use]
    pub fn recurses(&self) -> bool {
        self.shared.iter().any(|s| s.recurses.load(Ordering::Relaxed))
    }

    /// Each back end's name, and whether it is up.
    pub fn backends(&self) -> impl Iterator<Item = (&str, bool)> {
        let backends = self.common.settings.pools.iter().flat_map(|p| &p.backends);
        backends.zip(&self.common.healths).map(|(b, health)| (b.name.as_str(), health.is_up()))
    }

    /// Zones that are known now: name, serial number and count of names.
    #[must_use]
    pub fn zones(&self) -> Vec<(String, u32, usize)> {
        let zones = self.common.zones.get();
        let known = self.common.settings.zones.iter().filter_map(|z| zones.of(&z.apex));
        known.map(|z| (crate::message::name::text(&z.apex), z.serial, z.names())).collect()
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.common.settings
    }

    /// Stops all threads and waits for them.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Binds each address for each thread, over UDP and TCP, or over TCP for TLS.
fn bind(settings: &Settings, threads: usize) -> io::Result<(Vec<SocketAddr>, Vec<Listeners>)> {
    let plain = settings.listeners.len();
    let mut addresses = Vec::new();
    let mut all: Vec<Listeners> =
        (0..threads).map(|_| Listeners { udp: Vec::new(), tcp: Vec::new(), plain }).collect();
    let tls = settings.tls.iter().flat_map(|tls| &tls.listeners);
    for (number, wanted) in settings.listeners.iter().chain(tls).enumerate() {
        let mut address = *wanted;
        let told =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {wanted}: {error}"));
        let is_plain = number < plain;
        // The threads share their port, and so could another edge, which would get a part of the
        // queries.
        socket::is_free(address, is_plain).map_err(told)?;
        for own in &mut all {
            let tcp = if is_plain {
                let (udp, tcp) = pair(address).map_err(told)?;
                own.udp.push(udp);
                tcp
            } else {
                socket::tcp_listener(address).map_err(told)?
            };
            address = tcp.local_addr().map_err(told)?;
            own.tcp.push(tcp);
        }
        addresses.push(address);
    }
    Ok((addresses, all))
}

/// Both sockets of an address. A port that the system picked for UDP may be taken for TCP; then it
/// picks again.
fn pair(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = if address.port() == 0 { PICKS } else { 1 };
    loop {
        let udp = socket::listener(address)?;
        tries -= 1;
        match socket::tcp_listener(udp.local_addr()?) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            tcp => return Ok((udp, tcp?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Backend, Limits, Pool};

    fn settings(listen: SocketAddr) -> Settings {
        let backend = Backend {
            name: "ns".to_owned(),
            address: ([127, 0, 0, 1], 9).into(),
            weight: 1,
            tier: 0,
            proxy_protocol: false,
        };
        Settings {
            listeners: vec![listen],
            tls: None,
            pools: vec![Pool { suffix: Box::new([0]), backends: vec![backend] }],
            zones: Vec::new(),
            limits: Limits::default(),
            threads: 2,
            enforce: true,
        }
    }

    #[test]
    fn two_edges_do_not_share_a_port() {
        let start = |listen| Edge::start(settings(listen), Timestamp(0), &[7; 32]);
        let first = start(([127, 0, 0, 1], 0).into()).expect("a port is free");
        let taken = first.addresses()[0];
        let told = start(taken).expect_err("taken").to_string();
        assert!(told.starts_with(&format!("cannot listen on {taken}: ")), "{told}");
        first.stop();
    }
}
