//! Attacks of every kind on whatever stands before a site: what each asks for, from how many
//! addresses and over what kind of connection. They run on a thread of their own until they are
//! dropped, and do not slow down where their answers do: a flood does not wait.

use super::address::{Door, Population, Source};
use super::attack::{Beat, ITEMS, bounded, common, dear_search};
use super::browser::Browser;
use super::force::Force;
use super::worker::Worker;
use crate::rng::Rng;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// Requests under way at once: as many as a flood with ten seconds of patience leaves open.
const MOST_OPEN: usize = 6_000;
/// One kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Siege {
    /// Pages, one to three from each of tens of thousands of addresses.
    Distributed,
    /// A few addresses, each as fast as it can.
    Loud,
    /// Pages with a query that nobody asked before.
    CacheBusting,
    /// The dearest searches, from some hundred addresses.
    DearSearch,
    /// As distributed, some seconds on, some seconds off.
    Pulses,
    /// Cookies, referrers, a pace like a reader's, and never a part of a page.
    Mimics,
    /// Heads, bodies and answers a byte at a time, and ranges (the kinds of slowhttptest).
    Slow,
    /// Connections that say nothing.
    Idle,
    /// None of our own: the program that is named beside it attacks.
    Other,
}

impl Siege {
    pub const ALL: [Self; 9] = [
        Self::Distributed,
        Self::Loud,
        Self::CacheBusting,
        Self::DearSearch,
        Self::Pulses,
        Self::Mimics,
        Self::Slow,
        Self::Idle,
        Self::Other,
    ];

    /// Its name on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Distributed => "distributed",
            Self::Loud => "loud",
            Self::CacheBusting => "cache-busting",
            Self::DearSearch => "dear-search",
            Self::Pulses => "pulses",
            Self::Mimics => "mimics",
            Self::Slow => "slow",
            Self::Idle => "idle",
            Self::Other => "other",
        }
    }

    /// Names that are right for it.
    pub(super) fn causes(self, force: &Force) -> &'static [&'static str] {
        match self {
            // Those who ask for ranges do so again and again, and slow readers a hundred times at
            // once, to be given much.
            Self::Slow if force.ways.1 >= 2 => &["slow-http", "connection-flood", "http-flood"],
            Self::Slow | Self::Idle => &["slow-http", "connection-flood"],
            Self::Other => &["http2-abuse"],
            _ => &["http-flood", "cache-busting", "expensive-endpoint"],
        }
    }
}

/// Begins a siege; it ends when it is dropped.
pub(super) fn start(
    (siege, force): (Siege, Force),
    door: Door,
    capacity_per_s: f64,
    words: &[String],
    seed: u64,
) -> io::Result<Worker> {
    let per_s = bounded(capacity_per_s * force.times);
    let script = Script { siege, force, door, per_s, words: common(words), seed };
    // What is still under way ends with its thread.
    Worker::start("siege", move |stop| async move {
        let _running = tokio::task::spawn_local(Rc::new(script).run());
        while !stop.load(Relaxed) {
            sleep(Duration::from_millis(20)).await;
        }
    })
}

struct Script {
    siege: Siege,
    force: Force,
    door: Door,
    per_s: f64,
    words: Vec<String>,
    seed: u64,
}

impl Script {
    async fn run(self: Rc<Self>) {
        let mut rng = Rng::new(self.seed ^ 0x0051_E6E0);
        match self.siege {
            Siege::Loud => self.loud().await,
            Siege::Mimics => self.mimics().await,
            Siege::Slow => self.hold(&mut rng, true).await,
            Siege::Idle => self.hold(&mut rng, false).await,
            Siege::Other => std::future::pending().await,
            _ => self.flood(&mut rng).await,
        }
    }

    fn path(&self, rng: &mut Rng) -> String {
        let item = rng.below(ITEMS);
        match self.siege {
            Siege::CacheBusting => format!("/item/{item}?r={:x}", rng.next() >> 20),
            Siege::DearSearch => dear_search(&self.words, self.force.terms, rng),
            _ => match rng.below(100) {
                n if n < self.force.searches => {
                    format!("/search?q={}", self.words.get(rng.index(self.words.len())).map_or("a", |w| w))
                }
                n if n < self.force.searches + self.force.calls => format!("/api/entry/{item}"),
                _ => format!("/item/{item}"),
            },
        }
    }

    fn browser(&self, source: Source, number: u64) -> Browser {
        Browser::new(source, number % self.force.agents)
    }

    async fn flood(&self, rng: &mut Rng) {
        let Force { sources, on_ms, off_ms, .. } = self.force;
        let (begun, mut beat) = (Instant::now(), Beat::every(1.0 / self.per_s));
        let mut all = JoinSet::new();
        loop {
            beat.wait().await;
            while all.try_join_next().is_some() {}
            let at_ms = begun.elapsed().as_millis() as u64;
            let is_off = self.siege == Siege::Pulses && at_ms % (on_ms + off_ms) >= on_ms;
            if is_off || all.len() >= MOST_OPEN {
                continue;
            }
            let source = Source::among(rng, self.seed, Population::Attackers, sources);
            let mut browser = self.browser(source, rng.next());
            let (door, path) = (self.door, self.path(rng));
            all.spawn_local(async move { browser.ask(door, "GET", &path, "").await.is_some() });
        }
    }

    async fn loud(self: &Rc<Self>) {
        let mut all = JoinSet::new();
        for number in 0..self.force.sources {
            let source = Source::new(self.seed, Population::Attackers, number);
            let step_s = self.force.sources as f64 / self.per_s;
            let mut rng = Rng::new(self.seed ^ number);
            let (open, script) = (Rc::new(Cell::new(0)), Rc::clone(self));
            all.spawn_local(async move {
                let (mut beat, mut asked) = (Beat::every(step_s), JoinSet::new());
                loop {
                    beat.wait().await;
                    while asked.try_join_next().is_some() {}
                    // As many connections as a script holds.
                    if open.get() >= 100 {
                        continue;
                    }
                    open.set(open.get() + 1);
                    let (open, path) = (Rc::clone(&open), script.path(&mut rng));
                    let (door, mut browser) = (script.door, script.browser(source, number));
                    asked.spawn_local(async move {
                        let _ = browser.ask(door, "GET", &path, "").await;
                        open.set(open.get() - 1);
                    });
                }
            });
        }
        while all.join_next().await.is_some() {}
    }

    async fn mimics(self: &Rc<Self>) {
        let mut all = JoinSet::new();
        let pace_per_s = self.force.pace_per_s;
        for number in 0..(self.per_s / pace_per_s) as u64 {
            let source = Source::new(self.seed, Population::Attackers, number);
            let (script, mut rng) = (Rc::clone(self), Rng::new(self.seed ^ number));
            all.spawn_local(async move {
                let (door, mut browser) = (script.door, script.browser(source, rng.next()));
                let mut referrer = String::new();
                sleep(Duration::from_secs_f64(rng.unit() / pace_per_s)).await;
                loop {
                    let next = Instant::now() + Duration::from_secs_f64(rng.exponential(1.0 / pace_per_s));
                    let path = script.path(&mut rng);
                    let _ = browser.ask(door, "GET", &path, &referrer).await;
                    referrer = format!("https://site.example{path}");
                    sleep_until(next).await;
                }
            });
        }
        while all.join_next().await.is_some() {}
    }

    async fn hold(&self, rng: &mut Rng, is_busy: bool) {
        let mut all = JoinSet::new();
        let Force { sources, held, held_per_s, ways: (first, last), .. } = self.force;
        for number in 0..held {
            let source = Source::among(rng, self.seed, Population::Attackers, sources);
            let (door, kind) = (self.door, if is_busy { first + number % (last + 1 - first) } else { 4 });
            all.spawn_local(async move {
                loop {
                    // Cut, or refused: it comes back.
                    let _ = hold_one(door, source, kind).await;
                    sleep(Duration::from_secs(1)).await;
                }
            });
            if number % 8 == 0 {
                sleep(Duration::from_secs_f64(8.0 / held_per_s as f64)).await;
            }
        }
        while all.join_next().await.is_some() {}
    }
}

/// Holds one connection for as long as it lasts.
async fn hold_one(door: Door, source: Source, kind: u64) -> io::Result<()> {
    const HOST: &str = "Host: site.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0\r\n";
    let connect = if kind == 3 { door.connect_small(source).await } else { door.connect(source).await };
    let Some(mut stream) = connect else { return Ok(()) };
    match kind {
        0 => drip(&mut stream, &format!("GET /item/7 HTTP/1.1\r\n{HOST}X-Filler: ")).await,
        1 => {
            // No longer than sites read: one that is refused at once holds nothing.
            let head = format!("POST /basket/7 HTTP/1.1\r\n{HOST}Content-Length: 8000\r\n\r\nn=");
            stream.write_all(head.as_bytes()).await?;
            drip(&mut stream, "1").await
        }
        2 => {
            let ranges: Vec<String> = (0..60).map(|n| format!("5-{n}")).collect();
            let head =
                format!("GET /static/7.png HTTP/1.1\r\n{HOST}Range: bytes=0-,{}\r\n\r\n", ranges.join(","));
            loop {
                stream.write_all(head.as_bytes()).await?;
                let until = Instant::now() + Duration::from_secs(5);
                read_until(&mut stream, until).await?;
            }
        }
        3 => {
            let request = format!("GET /static/7.png HTTP/1.1\r\n{HOST}\r\n").repeat(100);
            stream.write_all(request.as_bytes()).await?;
            let mut few = [0; 16];
            while stream.read(&mut few).await? > 0 {
                sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        }
        _ => read_until(&mut stream, Instant::now() + Duration::from_secs(3_600)).await,
    }
}

/// Sends a text and then a byte at a time, until the connection is closed.
async fn drip(stream: &mut tokio::net::TcpStream, text: &str) -> io::Result<()> {
    for byte in text.as_bytes().iter().chain(b"a".iter().cycle()) {
        stream.write_all(&[*byte]).await?;
        read_until(stream, Instant::now() + Duration::from_secs(1)).await?;
    }
    Ok(())
}

/// Reads away what comes; an error when the connection ends.
async fn read_until(stream: &mut tokio::net::TcpStream, until: Instant) -> io::Result<()> {
    let mut scratch = [0; 4_096];
    loop {
        match tokio::time::timeout_at(until, stream.read(&mut scratch)).await {
            Err(_) => return Ok(()),
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read.map(drop)?,
        }
    }
}
