//! The site: HTTP/1.1 over the catalogue, with pages, their parts, searches, forms and calls, and
//! with what can go wrong with it. It runs on a thread of its own until it is dropped.

use super::address::Door;
use super::catalogue::{Catalogue, Found, Pace, Query};
use super::lab::{Database, Ground, Server, haproxy, nginx};
use super::message::read_message;
use super::way::Way;
use super::worker::Worker;
use super::world::{Trap, World};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The field by which people know the site's own answers from those of whoever stands before it.
pub(crate) const MARK: &str = "x-site: drill";
/// Longest line and body that are read.
const MOST_BYTES: usize = 16_384;
/// How many times as long everything takes when the database is slow: alone, beside an attack.
const SLOWNESS: u64 = 14;
const SLOWNESS_BESIDE: u64 = 2;
/// Parts of a hundred pages that a broken release fails, and that a broken balancer loses.
const FAILING: u64 = 60;
const LOST: u64 = 33;

/// What is wrong with the site; read for each request.
#[derive(Debug, Default)]
struct Trouble {
    refuses_forms: AtomicBool,
    failing_percent: AtomicU64,
    lost_percent: AtomicU64,
    served: AtomicU64,
}

#[derive(Debug)]
struct State {
    catalogue: Catalogue,
    trouble: Trouble,
    way: Way,
    pace: Arc<Pace>,
}

/// A running site.
#[derive(Debug)]
pub(crate) struct Site {
    door: Door,
    state: Arc<State>,
    /// What stands before it in a lab.
    fronts: Vec<Server>,
    _serving: Worker,
    _database: Option<Database>,
}

/// Where the application listens in a lab, and the web servers behind a balancer.
const APPLICATION: &str = "127.0.0.1:8000";
const BALANCED: [&str; 2] = ["127.0.0.1:8081", "127.0.0.1:8082"];

impl Site {
    /// Fills the catalogue and listens on a port of its own.
    pub(crate) fn start(world: &World, folder: &Path, seed: u64) -> io::Result<Self> {
        let pace = Arc::<Pace>::default();
        pace.wait_ms.store(world.wait_ms, Relaxed);
        let catalogue = Catalogue::open(folder, seed, world.workers, &pace).map_err(io::Error::other)?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let door = Door::new(listener.local_addr()?).map_err(io::Error::other)?;
        let (state, serving) = serving(catalogue, pace, listener, Way::on_loopback())?;
        Ok(Self { door, state, fronts: Vec::new(), _serving: serving, _database: None })
    }

    /// The same in a lab: over PostgreSQL, behind nginx, or behind HAProxy and two of them.
    pub(crate) fn start_in(ground: &Ground, world: &World, folder: &Path, seed: u64) -> io::Result<Self> {
        let pace = Arc::<Pace>::default();
        pace.wait_ms.store(world.wait_ms, Relaxed);
        let database = Database::start(folder)?;
        let catalogue = Catalogue::in_postgres(&database, seed, world.workers, &pace)?;
        let space = ground.server(0)?;
        let listener = space.within(|| std::net::TcpListener::bind(APPLICATION))?;
        let (state, serving) = serving(catalogue, pace, listener, Way::in_lab(space))?;
        let door = ground.server_door(0, 80)?;
        let front = door.address().to_string();
        let fronts = if world.is_balanced {
            let [one, two] = BALANCED;
            vec![
                haproxy(space, folder, &front, BALANCED)?,
                nginx(space, folder, one, APPLICATION)?,
                nginx(space, folder, two, APPLICATION)?,
            ]
        } else {
            vec![nginx(space, folder, &front, APPLICATION)?]
        };
        Ok(Self { door, state, fronts, _serving: serving, _database: Some(database) })
    }

    pub(crate) fn door(&self) -> Door {
        self.door
    }

    pub(crate) fn words(&self) -> &[String] {
        self.state.catalogue.words()
    }

    /// Makes a wrong theory true. `alone`: it is all that is wrong.
    pub(crate) fn suffer(&self, trap: Trap, alone: bool) -> io::Result<()> {
        let trouble = &self.state.trouble;
        match trap {
            Trap::Misconfiguration => trouble.refuses_forms.store(true, Relaxed),
            Trap::Release => trouble.failing_percent.store(FAILING, Relaxed),
            Trap::Balancer => trouble.lost_percent.store(LOST, Relaxed),
            Trap::SlowDatabase => {
                self.state.pace.slowness.store(if alone { SLOWNESS } else { SLOWNESS_BESIDE }, Relaxed);
            }
            // The people see to that.
            Trap::Demand => {}
            Trap::Network => self.state.way.lose()?,
        }
        Ok(())
    }

    /// All is well again, and what waits in line has been forgotten, as after a restart of the
    /// application.
    pub(crate) fn recover(&self) -> io::Result<()> {
        self.state.pace.restarts.fetch_add(1, Relaxed);
        let trouble = &self.state.trouble;
        trouble.refuses_forms.store(false, Relaxed);
        trouble.failing_percent.store(0, Relaxed);
        trouble.lost_percent.store(0, Relaxed);
        self.state.pace.slowness.store(0, Relaxed);
        self.state.way.mend()
    }

    /// Servers before it are restarted too: what they hold, half-open connections among it, is gone.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.recover()?;
        self.fronts.iter_mut().try_for_each(Server::restart)
    }

    /// What one request of a kind takes a worker, in seconds: the median of some.
    pub(crate) async fn cost_s(&self, queries: Vec<Query>) -> f64 {
        let mut all = Vec::new();
        for query in queries {
            let begun = tokio::time::Instant::now();
            self.state.catalogue.ask(query).await;
            all.push(begun.elapsed().as_secs_f64());
        }
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(1.0)
    }
}

/// Begins to serve on a thread of its own.
fn serving(
    catalogue: Catalogue,
    pace: Arc<Pace>,
    listener: std::net::TcpListener,
    way: Way,
) -> io::Result<(Arc<State>, Worker)> {
    let state = Arc::new(State { catalogue, trouble: Trouble::default(), way, pace });
    listener.set_nonblocking(true)?;
    let shared = Arc::clone(&state);
    let serving = Worker::start("site", move |stop| serve_all(listener, shared, stop))?;
    Ok((state, serving))
}

async fn serve_all(listener: std::net::TcpListener, state: Arc<State>, stop: Arc<AtomicBool>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while !stop.load(Relaxed) {
        let next = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
        let Ok(Ok((stream, _))) = next else { continue };
        let state = Arc::clone(&state);
        tokio::task::spawn_local(async move {
            // The other side may go away at any time.
            let _ = serve(stream, &state).await;
        });
    }
}

/// What of a request matters here.
struct Asked {
    path: String,
    has_session: bool,
    is_form: bool,
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

async fn serve(mut stream: TcpStream, state: &State) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    loop {
        let asked = read_request(&mut read).await?;
        let number = state.trouble.served.fetch_add(1, Relaxed);
        let answer = answer(&asked, number, state).await;
        let session = if answer.kind == "text/html" && !asked.has_session {
            format!("Set-Cookie: session={number:016x}; Path=/\r\n")
        } else {
            String::new()
        };
        let text = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\n{MARK}\r\n{session}Content-Length: {}\r\n\r\n{}",
            answer.status,
            answer.kind,
            answer.body.len(),
            answer.body
        );
        state.way.carry(text.len(), number).await;
        write.write_all(text.as_bytes()).await.ok()?;
    }
}

async fn read_request(read: &mut BufReader<tokio::net::tcp::ReadHalf<'_>>) -> Option<Asked> {
    let (head, _) = read_message(read, MOST_BYTES).await?;
    let path = head.split(' ').nth(1)?.to_owned();
    Some(Asked { path, has_session: head.contains("session="), is_form: head.starts_with("POST") })
}

async fn answer(asked: &Asked, number: u64, state: &State) -> Answer {
    let trouble = &state.trouble;
    if is_among(number, trouble.lost_percent.load(Relaxed)) {
        return page("502 Bad Gateway", "no server\n".into());
    }
    if let Some(part) = asked.path.strip_prefix("/static/") {
        let kind = if part.ends_with(".css") { "text/css" } else { "image/png" };
        return Answer { status: "200 OK", kind, body: "x".repeat(3_000) };
    }
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let is_form = asked.is_form || path == "/search";
    if is_form && trouble.refuses_forms.load(Relaxed) {
        return page("403 Forbidden", "not allowed\n".into());
    }
    let number_of = || path.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(number);
    let work = match path {
        "/search" => Query::Search(terms(query)),
        _ if asked.is_form => Query::Save(number_of()),
        _ => Query::Item(number_of()),
    };
    let rows = match state.catalogue.ask(work).await {
        Found::Rows(rows) => rows,
        Found::Busy => return page("503 Service Unavailable", "busy\n".into()),
    };
    if is_among(number, trouble.failing_percent.load(Relaxed)) {
        return page("500 Internal Server Error", "an error\n".into());
    }
    let body = rows.join("\n");
    if path.starts_with("/api/") {
        return Answer {
            status: "200 OK",
            kind: "application/json",
            body: format!("{{\"text\":\"{body}\"}}"),
        };
    }
    page("200 OK", format!("<!doctype html><title>drill</title><pre>{body}</pre>{}", "<p>.</p>".repeat(600)))
}

/// Whether this one is among so many of a hundred, spread evenly.
fn is_among(number: u64, percent: u64) -> bool {
    number.wrapping_mul(61) % 100 < percent
}

fn page(status: &'static str, body: String) -> Answer {
    Answer { status, kind: "text/html", body }
}

fn terms(query: &str) -> Vec<String> {
    let words = query.split('&').find_map(|p| p.strip_prefix("q=")).unwrap_or_default();
    words.split('+').filter(|w| !w.is_empty()).take(8).map(str::to_owned).collect()
}

/// Where the guard finds the site.
pub(crate) fn upstream(address: SocketAddr) -> String {
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_hundred_are_hit_and_never_many_in_a_row() {
        for percent in [0, 33, 60, 100] {
            let hit: Vec<bool> = (0..1_000).map(|n| is_among(n, percent)).collect();
            assert_eq!(hit.iter().filter(|h| **h).count() as u64, 10 * percent);
            let longest = hit.split(|h| !h).map(<[bool]>::len).max().unwrap_or(0);
            assert!(percent == 100 || longest <= 4, "{percent}: {longest} in a row");
        }
    }

    #[test]
    fn terms_are_taken_from_the_query() {
        assert_eq!(terms("page=2&q=tide+moon"), ["tide", "moon"]);
        assert!(terms("").is_empty());
        assert_eq!(terms(&format!("q={}", "a+".repeat(50))).len(), 8);
    }
}
