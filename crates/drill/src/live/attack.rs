//! The attacks: floods from many addresses that change, each request to the byte what a browser's
//! first one is. On a thread of its own, so that people are not slowed by whoever floods.

use super::address::{Door, Population, Source};
use super::browser::Browser;
use super::worker::Worker;
use super::world::{Flood, Wanted};
use crate::rng::Rng;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// No drill sends more requests than this in a second.
pub const MOST_PER_S: f64 = 1_200.0;
/// Requests of an attack that are under way at once.
const MOST_OPEN: usize = 500;
/// The commonest words: what the dear searches are made of.
const COMMON_WORDS: usize = 60;
/// Items of a site.
pub(super) const ITEMS: u64 = 2_000;

/// Begins an attack; it ends when it is dropped.
pub(super) fn start(
    flood: Flood,
    (door, host): (Door, &str),
    per_s: f64,
    words: &[String],
    seed: u64,
) -> io::Result<Worker> {
    let words = common(words);
    let (per_s, host) = (bounded(per_s), host.to_owned());
    Worker::start("attack", move |stop| async move {
        run(flood, (door, &host), per_s, &words, seed, &stop).await;
    })
}

/// The words that searches of attackers are made of.
pub(super) fn common(words: &[String]) -> Vec<String> {
    words.iter().take(COMMON_WORDS).cloned().collect()
}

/// The rate that is really sent, whatever was asked for.
pub(crate) fn bounded(per_s: f64) -> f64 {
    if per_s.is_finite() { per_s.clamp(1.0, MOST_PER_S) } else { 1.0 }
}

/// Moments at an even distance. Where the machine cannot keep up, what was missed does not come
/// afterwards.
pub(super) struct Beat {
    next: Instant,
    step: Duration,
}

impl Beat {
    pub(super) fn every(step_s: f64) -> Self {
        Self { next: Instant::now(), step: Duration::from_secs_f64(step_s) }
    }

    pub(super) async fn wait(&mut self) {
        self.next = (self.next + self.step).max(Instant::now() - Duration::from_millis(200));
        sleep_until(self.next).await;
    }
}

async fn run(
    flood: Flood,
    (door, host): (Door, &str),
    per_s: f64,
    words: &[String],
    seed: u64,
    stop: &AtomicBool,
) {
    let mut rng = Rng::new(seed ^ 0x00A7_7AC4);
    let (begun, mut beat) = (Instant::now(), Beat::every(1.0 / per_s));
    let mut all = JoinSet::new();
    let mut dripping = JoinSet::new();
    for _ in 0..flood.slow_connections {
        let source = Source::among(&mut rng, seed, Population::Attackers, 400);
        dripping.spawn_local(drip(door, source));
    }
    while !stop.load(Relaxed) {
        beat.wait().await;
        while all.try_join_next().is_some() {}
        if all.len() >= MOST_OPEN {
            continue;
        }
        let shift = begun.elapsed().as_secs().checked_div(flood.changes_after_s).unwrap_or(0);
        let number = shift * flood.sources / 2 + rng.below(flood.sources);
        let source = Source::new(seed, Population::Attackers, number);
        let mut browser = Browser::new(source, rng.next()).of(host);
        let (method, path) = wanted(flood.wanted, words, &mut rng);
        all.spawn_local(async move { browser.ask(door, method, &path, "").await.is_some() });
    }
}

fn wanted(wanted: Wanted, words: &[String], rng: &mut Rng) -> (&'static str, String) {
    let item = rng.below(ITEMS);
    match wanted {
        Wanted::DearSearches => ("GET", dear_search(words, 4, rng)),
        // Name servers have a flood of their own.
        Wanted::Pages | Wanted::UnknownNames => ("GET", format!("/item/{item}")),
        Wanted::FoundPages => {
            let page = words.get(rng.index(words.len().max(1))).map_or("/", |p| p);
            let join = if page.contains('?') { '&' } else { '?' };
            ("GET", format!("{page}{join}r={:x}", rng.next() >> 20))
        }
        Wanted::OneTimePages if rng.chance(0.1) => ("POST", format!("/basket/{item}")),
        Wanted::OneTimePages => ("GET", format!("/item/{item}?r={:x}", rng.next() >> 20)),
        Wanted::PagesAndCalls if rng.chance(0.5) => ("GET", format!("/api/entry/{item}")),
        Wanted::PagesAndCalls => ("GET", format!("/item/{item}")),
    }
}

/// A search for the beginnings of two to so many common words, which much answers to.
pub(super) fn dear_search(words: &[String], most_terms: u64, rng: &mut Rng) -> String {
    let beginning = |rng: &mut Rng| words.get(rng.index(words.len().max(1))).map_or("a", |w| &w[..2]);
    let terms: Vec<&str> = (0..rng.between(2, most_terms)).map(|_| beginning(rng)).collect();
    format!("/search?q={}", terms.join("+"))
}

/// Sends a header a byte a second, and begins anew when it is cut.
async fn drip(door: Door, source: Source) {
    loop {
        let Some(mut stream) = door.connect(source).await else {
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let head = b"GET / HTTP/1.1\r\nHost: site.example\r\nX-Filler: ";
        for byte in head.iter().chain(b"a".iter().cycle()) {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rate_is_beyond_the_bound() {
        assert_eq!(bounded(1e9), MOST_PER_S);
        assert_eq!(bounded(f64::NAN), 1.0);
        assert_eq!(bounded(40.0), 40.0);
    }

    #[test]
    fn dear_searches_are_beginnings_of_common_words() {
        let words = ["tide".to_owned(), "moon".to_owned()];
        let mut rng = Rng::new(1);
        for _ in 0..50 {
            let (_, path) = wanted(Wanted::DearSearches, &words, &mut rng);
            let terms: Vec<&str> = path.strip_prefix("/search?q=").expect("a search").split('+').collect();
            assert!((2..=4).contains(&terms.len()));
            assert!(terms.iter().all(|t| *t == "ti" || *t == "mo"));
        }
    }
}
