//! What the site works with: a seeded catalogue in SQLite with a full-text index, and the few
//! workers that ask it. Every worker has a connection of its own; when all are busy, requests
//! wait in line, as they do in front of any pool of database connections.

use crate::rng::{Rng, Weighted};
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Titles of the catalogue.
pub(crate) const TITLES: u32 = 12_000;
/// Words that titles and descriptions are made of.
const WORDS: usize = 4_000;
const WORDS_PER_TEXT: u32 = 40;
/// Jobs that wait at most; more are refused at once.
const BACKLOG: usize = 300;
/// A job that has waited longer is given up.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What a request asks the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// One title and what is near it.
    Item(u64),
    /// The best twenty for some words, ranked.
    Search(Vec<String>),
    /// One row written: a basket, a form, a setting.
    Save(u64),
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Rows(Vec<String>),
    /// The line was too long, or the wait.
    Busy,
}

struct Job {
    query: Query,
    since: Instant,
    /// After so many restarts it was asked for.
    restarts: u64,
    done: oneshot::Sender<Found>,
}

/// Work that goes with every query, and what is wrong with the database.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Waiting for others (stock, payment, rendering) per query, in milliseconds.
    pub(crate) wait_ms: AtomicU64,
    /// Everything takes so many times as long; 0 is once.
    pub(crate) slowness: AtomicU64,
    /// How often the service was restarted; what was asked for before is forgotten.
    pub(crate) restarts: AtomicU64,
}

/// The workers of one site. They end when it is dropped.
#[derive(Debug)]
pub(crate) struct Catalogue {
    jobs: SyncSender<Job>,
    pace: Arc<Pace>,
    words: Vec<String>,
}

impl Catalogue {
    /// Writes the catalogue into a folder and starts its workers.
    pub(crate) fn open(folder: &Path, seed: u64, workers: usize, pace: &Arc<Pace>) -> rusqlite::Result<Self> {
        let path = folder.join("catalogue.sqlite");
        let words = words(seed);
        fill(&path, seed, &words)?;
        let (jobs, waiting) = sync_channel::<Job>(BACKLOG);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..workers {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(LONGEST_WAIT)?;
            let (waiting, pace) = (Arc::clone(&waiting), Arc::clone(pace));
            // A worker that cannot be started is missed by nobody but the line.
            let _ = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || work(&connection, &waiting, &pace));
        }
        Ok(Self { jobs, pace: Arc::clone(pace), words })
    }

    /// Asks, and waits in line.
    pub(crate) async fn ask(&self, query: Query) -> Found {
        let (done, answer) = oneshot::channel();
        let restarts = self.pace.restarts.load(Relaxed);
        match self.jobs.try_send(Job { query, since: Instant::now(), restarts, done }) {
            Ok(()) => answer.await.unwrap_or(Found::Busy),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Found::Busy,
        }
    }

    /// The words of the catalogue, commonest first.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }
}

fn work(connection: &Connection, waiting: &Mutex<Receiver<Job>>, pace: &Pace) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { query, since, restarts, done }) = job else { return };
        let is_forgotten = restarts != pace.restarts.load(Relaxed);
        if is_forgotten || since.elapsed() > LONGEST_WAIT || done.is_closed() {
            let _ = done.send(Found::Busy);
            continue;
        }
        let begun = Instant::now();
        let rows = answer(connection, &query).unwrap_or_default();
        let times = pace.slowness.load(Relaxed).max(1);
        let own = begun.elapsed() + Duration::from_millis(pace.wait_ms.load(Relaxed));
        // What is slow holds its worker, as a query that waits for a lock does.
        std::thread::sleep(own * u32::try_from(times).unwrap_or(1) - begun.elapsed().min(own));
        // Whoever asked may have gone.
        let _ = done.send(Found::Rows(rows));
    }
}

fn answer(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<String>> {
    match query {
        Query::Item(number) => {
            let sql = "select title from text where rowid between ?1 and ?1 + 5";
            rows(connection, sql, params![(number % u64::from(TITLES)) as u32 + 1])
        }
        Query::Search(words) => {
            // Words become prefixes in quotes, so that nothing of the request is syntax.
            let terms: Vec<String> = words.iter().map(|w| format!("\"{}\"*", w.replace('"', ""))).collect();
            let sql = "select title from text where text match ?1 order by bm25(text) limit 20";
            rows(connection, sql, params![terms.join(" OR ")])
        }
        Query::Save(number) => {
            connection
                .execute("update saved set times = times + 1 where id = ?1", params![(number % 64) as u32])?;
            Ok(Vec::new())
        }
    }
}

fn rows(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, |row| row.get(0))?;
    rows.collect()
}

/// Words that sound like words: the commonest first.
fn words(seed: u64) -> Vec<String> {
    const SYLLABLES: [&str; 24] = [
        "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "qui", "ro", "su", "ta",
        "ve", "wi", "xo", "zu", "tra", "ster", "lin", "mond",
    ];
    let mut rng = Rng::new(seed ^ 0xB00C);
    (0..WORDS).map(|_| (0..rng.between(2, 4)).map(|_| *rng.pick(&SYLLABLES)).collect()).collect()
}

fn fill(path: &Path, seed: u64, words: &[String]) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = off;
         create virtual table text using fts5(title, body);
         create table saved (id integer primary key, times integer not null);",
    )?;
    let mut rng = Rng::new(seed);
    let likely = Weighted::zipf(words.len(), 0.9);
    let mut text = |n: u32| -> String {
        (0..n).map(|_| words[likely.draw(&mut rng)].as_str()).collect::<Vec<_>>().join(" ")
    };
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare("insert into text (rowid, title, body) values (?1, ?2, ?3)")?;
        for number in 1..=TITLES {
            insert.execute(params![number, text(4), text(WORDS_PER_TEXT)])?;
        }
        let mut insert = transaction.prepare("insert into saved (id, times) values (?1, 0)")?;
        for id in 0..64 {
            insert.execute(params![id])?;
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_words_and_another_seed_others() {
        assert_eq!(words(4), words(4));
        assert_ne!(words(4), words(5));
        assert!(words(4).iter().all(|w| w.len() >= 4));
    }

    #[test]
    fn nothing_that_is_searched_for_is_syntax() {
        let connection = Connection::open_in_memory().expect("a database");
        connection
            .execute_batch(
                "create virtual table text using fts5(title, body); insert into text values ('tide', 'x');",
            )
            .expect("a table");
        let hostile = ["tid", "\"", "*", "a OR", "NEAR(", "col:x", "'; drop table text"].map(str::to_owned);
        let found = answer(&connection, &Query::Search(hostile.to_vec())).expect("a search");
        assert_eq!(found, ["tide"]);
    }
}
