//! What the site works with: a seeded catalogue with a full-text index, in SQLite or, in a lab, in
//! PostgreSQL, and the few workers that ask it. Every worker has a connection of its own; when all are busy, requests
//! wait in line, as they do in front of any pool of database connections.

use super::lab::{Client, Database, literal};
use crate::rng::{Rng, Weighted};
use rusqlite::{Connection, OpenFlags, params};
use std::io;
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
/// Best matches are chosen among so many in PostgreSQL, whose ranking reads every one of them.
const RANKED: u32 = 4_000;
/// Rows that one statement of PostgreSQL inserts.
const ROWS_AT_ONCE: usize = 500;
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
    /// The line was too long, or the wait, or the database failed.
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

/// A worker's own connection to the database.
#[derive(Debug)]
enum Store {
    Sqlite(Connection),
    Postgres(Client),
}

impl Catalogue {
    /// Writes the catalogue into a file of a folder and starts its workers.
    pub(crate) fn open(folder: &Path, seed: u64, workers: usize, pace: &Arc<Pace>) -> rusqlite::Result<Self> {
        let path = folder.join("catalogue.sqlite");
        let texts = Texts::new(seed);
        fill_sqlite(&path, &texts)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = |_| {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(LONGEST_WAIT)?;
            Ok(Store::Sqlite(connection))
        };
        let stores = (0..workers).map(store).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Self::over(stores, texts.words, pace))
    }

    /// Writes the catalogue into a lab's database and starts its workers.
    pub(super) fn in_postgres(
        database: &Database,
        seed: u64,
        workers: usize,
        pace: &Arc<Pace>,
    ) -> io::Result<Self> {
        let texts = Texts::new(seed);
        fill_postgres(&mut database.client()?, &texts)?;
        let stores =
            (0..workers).map(|_| database.client().map(Store::Postgres)).collect::<io::Result<Vec<_>>>()?;
        Ok(Self::over(stores, texts.words, pace))
    }

    fn over(stores: Vec<Store>, words: Vec<String>, pace: &Arc<Pace>) -> Self {
        let (jobs, waiting) = sync_channel::<Job>(BACKLOG);
        let waiting = Arc::new(Mutex::new(waiting));
        for (number, mut store) in stores.into_iter().enumerate() {
            let (waiting, pace) = (Arc::clone(&waiting), Arc::clone(pace));
            // A worker that cannot be started is missed by nobody but the line.
            let _ = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || work(&mut store, &waiting, &pace));
        }
        Self { jobs, pace: Arc::clone(pace), words }
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

fn work(store: &mut Store, waiting: &Mutex<Receiver<Job>>, pace: &Pace) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { query, since, restarts, done }) = job else { return };
        let is_forgotten = restarts != pace.restarts.load(Relaxed);
        if is_forgotten || since.elapsed() > LONGEST_WAIT || done.is_closed() {
            let _ = done.send(Found::Busy);
            continue;
        }
        let begun = Instant::now();
        let found = store.answer(&query).map_or(Found::Busy, Found::Rows);
        let times = pace.slowness.load(Relaxed).max(1);
        let own = begun.elapsed() + Duration::from_millis(pace.wait_ms.load(Relaxed));
        // What is slow holds its worker, as a query that waits for a lock does.
        std::thread::sleep(own * u32::try_from(times).unwrap_or(1) - begun.elapsed().min(own));
        // Whoever asked may have gone.
        let _ = done.send(found);
    }
}

impl Store {
    /// `None`: the database failed.
    fn answer(&mut self, query: &Query) -> Option<Vec<String>> {
        match (self, query) {
            // A search for nothing finds nothing.
            (_, Query::Search(words)) if words.is_empty() => Some(Vec::new()),
            (Self::Sqlite(connection), _) => from_sqlite(connection, query).ok(),
            (Self::Postgres(client), _) => client.query(&as_sql(query)).ok(),
        }
    }
}

fn from_sqlite(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<String>> {
    match query {
        Query::Item(number) => {
            let sql = "select title from text where rowid between ?1 and ?1 + 5";
            rows(connection, sql, params![title_of(*number)])
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

/// The same for PostgreSQL (documentation, "Full Text Search").
fn as_sql(query: &Query) -> String {
    match query {
        Query::Item(number) => {
            let first = title_of(*number);
            format!("select title from text where id between {first} and {first} + 5")
        }
        Query::Search(words) => {
            // Letters and digits alone, so that nothing of the request is syntax.
            let plain = |w: &String| -> String { w.chars().filter(|c| c.is_alphanumeric()).collect() };
            let terms: Vec<String> =
                words.iter().map(plain).filter(|w| !w.is_empty()).map(|w| format!("{w}:*")).collect();
            let wanted = format!("to_tsquery('simple', {})", literal(&terms.join(" | ")));
            format!(
                "select title from (select title, words from text where words @@ {wanted} limit {RANKED}) found \
                 order by ts_rank(words, {wanted}) desc limit 20"
            )
        }
        Query::Save(number) => format!("update saved set times = times + 1 where id = {}", number % 64),
    }
}

/// The title that a page of this number begins with.
fn title_of(number: u64) -> u32 {
    (number % u64::from(TITLES)) as u32 + 1
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

/// Titles and texts of a seed, the same wherever they are kept.
struct Texts {
    words: Vec<String>,
    seed: u64,
}

impl Texts {
    fn new(seed: u64) -> Self {
        Self { words: words(seed), seed }
    }

    /// Number, title and text of each.
    fn all(&self) -> impl Iterator<Item = (u32, String, String)> + '_ {
        let (mut rng, likely) = (Rng::new(self.seed), Weighted::zipf(self.words.len(), 0.9));
        let mut text = move |n: u32| -> String {
            (0..n).map(|_| self.words[likely.draw(&mut rng)].as_str()).collect::<Vec<_>>().join(" ")
        };
        (1..=TITLES).map(move |number| (number, text(4), text(WORDS_PER_TEXT)))
    }
}

fn fill_sqlite(path: &Path, texts: &Texts) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = off;
         create virtual table text using fts5(title, body);
         create table saved (id integer primary key, times integer not null);",
    )?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare("insert into text (rowid, title, body) values (?1, ?2, ?3)")?;
        for (number, title, body) in texts.all() {
            insert.execute(params![number, title, body])?;
        }
        let mut insert = transaction.prepare("insert into saved (id, times) values (?1, 0)")?;
        for id in 0..64 {
            insert.execute(params![id])?;
        }
    }
    transaction.commit()
}

fn fill_postgres(client: &mut Client, texts: &Texts) -> io::Result<()> {
    client.query(
        "create table text (id integer primary key, title text not null, body text not null,
             words tsvector generated always as (to_tsvector('simple', title || ' ' || body)) stored);
         create table saved (id integer primary key, times integer not null);
         insert into saved select id, 0 from generate_series(0, 63) id;",
    )?;
    let row = |(number, title, body): (u32, String, String)| {
        format!("({number}, {}, {})", literal(&title), literal(&body))
    };
    let rows: Vec<String> = texts.all().map(row).collect();
    for some in rows.chunks(ROWS_AT_ONCE) {
        client.query(&format!("insert into text (id, title, body) values {}", some.join(", ")))?;
    }
    client.query("create index on text using gin (words); analyze text;")?;
    Ok(())
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
        let found = from_sqlite(&connection, &Query::Search(hostile.to_vec())).expect("a search");
        assert_eq!(found, ["tide"]);
        let sql = as_sql(&Query::Search(hostile.to_vec()));
        assert!(sql.contains("'tid:* | aOR:* | NEAR:* | colx:* | droptabletext:*'"), "{sql}");
    }
}
