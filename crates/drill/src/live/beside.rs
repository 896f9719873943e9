//! The same siege before different fronts: Seawall, or any other program that stands before the
//! site. What is measured is what people meet with, so that it can be measured of all of them; what
//! a front says of itself is read where it says anything.

use super::address::Door;
use super::catalogue::Query;
use super::force::Force;
use super::guard::Event;
use super::people::{Asked, IN_TIME, People, Taste};
use super::play::raise_descriptors;
use super::seen::{Share, contained};
use super::siege::{self, Siege};
use super::site::Site;
use super::world::{Flood, Habits, Wanted, World};
use seawall_ports::Running;
use serde::Serialize;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The site and its people.
const WORLD: World = World {
    name: "beside",
    workers: 4,
    wait_ms: 32,
    habits: Habits { item: 80, search: 8, save: 6, api: 6 },
    visits_per_s: 5.0,
    flood: Flood {
        wanted: Wanted::Pages,
        times: 10.0,
        sources: 0,
        changes_after_s: 0,
        slow_connections: 0,
        causes: &[],
    },
    traps: &[],
    announced: &[],
    alone: &[],
    is_balanced: false,
    forged: &[],
};
/// From then on people must be served: seconds after the onset.
const FROM_S: f64 = 3.0;
const STEP_S: f64 = 0.5;
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that stands before the site.
#[derive(Clone, Debug)]
pub struct Contender {
    pub name: String,
    /// The text of its configuration, with `@LISTEN@`, `@TLS@`, `@UPSTREAM@`, `@WORKERS@`,
    /// `@CAPACITY@` and `@FOLDER@` where these belong.
    pub template: String,
    /// How it is started; `@CONFIG@` is the file of its configuration.
    pub command: Vec<String>,
}

/// How a siege is played.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    pub siege: Siege,
    pub seed: u64,
    /// At least; what the seed draws may add some seconds.
    pub calm_s: f64,
    pub attack_s: f64,
    /// Whether the seed says how strong the siege is and what it is made of, too.
    pub is_drawn: bool,
    /// For the configuration, the catalogue and what programs write.
    pub folder: &'a Path,
    /// A program that attacks as well, with the same places filled in.
    pub also: Vec<String>,
}

/// What a siege showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Showing {
    pub siege: String,
    pub front: String,
    pub seed: u64,
    pub capacity_per_s: f64,
    /// People's requests answered well within two seconds, from three seconds after the onset.
    pub in_time: Share,
    /// Refused by the front, all through the attack.
    pub refused: Share,
    /// 99th percentile of what people waited for a page, in milliseconds: calm, and from three
    /// seconds after the onset.
    pub calm_p99_ms: f64,
    pub p99_ms: f64,
    /// Good answers a second in time: calm, and from three seconds after the onset.
    pub calm_good_per_s: f64,
    pub good_per_s: f64,
    /// Seconds from the onset, where the front tells of it.
    pub noticed_s: Option<f64>,
    pub named_s: Option<f64>,
    /// Seconds from the onset after which 99 of 100 were served, by what people met with.
    pub contained_s: Option<f64>,
    pub names: Vec<String>,
    /// Most resident memory of the front, in mebibytes.
    pub front_mib: f64,
}

/// Plays a siege before one front.
///
/// # Errors
/// If the site or the front cannot be started.
pub fn beside(contender: &Contender, setting: &Setting<'_>) -> io::Result<Showing> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, scene(contender, setting))
}

async fn scene(contender: &Contender, setting: &Setting<'_>) -> io::Result<Showing> {
    raise_descriptors();
    let site = Site::start(&WORLD, setting.folder, setting.seed)?;
    let items = (0..12).map(Query::Item).collect();
    let capacity_per_s = WORLD.workers as f64 / site.cost_s(items).await.max(1e-3);
    let places = Places::new(&site, capacity_per_s, setting.folder)?;
    let front = Front::start(contender, &places, setting.folder).await?;
    let door = Door::new(([127, 0, 0, 1], places.listen).into()).map_err(io::Error::other)?;
    let taste = Taste::of_site(WORLD.habits, site.words());
    let people = People::come(door, taste, WORLD.visits_per_s, setting.seed);
    let force = match setting.is_drawn {
        true => Force::drawn(setting.siege, setting.seed),
        false => Force::usual(setting.siege),
    };
    let calm = Instant::now();
    sleep(Duration::from_secs_f64(setting.calm_s + force.later_s)).await;
    let onset = Instant::now();
    let attack = siege::start((setting.siege, force), door, capacity_per_s, site.words(), setting.seed)?;
    let also = places.spawn(&setting.also, setting.folder)?;
    sleep(Duration::from_secs_f64(setting.attack_s)).await;
    let end = Instant::now();
    drop((attack, also));
    let asked = people.record.borrow().clone();
    drop(people);
    let (events, front_mib) = (front.events(), front.most_mib());
    drop(front);
    let causes = setting.siege.causes(&force);
    let seen = Seen { calm, onset, end, asked: &asked, events: &events, causes };
    Ok(Showing { capacity_per_s, front_mib, ..seen.showing(contender, setting) })
}

/// What stands in a template.
struct Places {
    listen: u16,
    filled: Vec<(&'static str, String)>,
}

impl Places {
    fn new(site: &Site, capacity_per_s: f64, folder: &Path) -> io::Result<Self> {
        let [listen, tls] = [seawall_ports::free()?.port(), seawall_ports::free()?.port()];
        let filled = vec![
            ("@LISTEN@", listen.to_string()),
            ("@TLS@", tls.to_string()),
            ("@UPSTREAM@", site.door().address().to_string()),
            ("@WORKERS@", WORLD.workers.to_string()),
            ("@CAPACITY@", format!("{capacity_per_s:.0}")),
            ("@FOLDER@", folder.display().to_string()),
        ];
        Ok(Self { listen, filled })
    }

    fn fill(&self, text: &str) -> String {
        self.filled.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
    }

    /// Starts a program, if there is one to start.
    fn spawn(&self, words: &[String], folder: &Path) -> io::Result<Option<Running>> {
        let words: Vec<String> = words.iter().map(|w| self.fill(w)).collect();
        let Some((program, rest)) = words.split_first() else { return Ok(None) };
        let log = std::fs::File::create(folder.join("also.log"))?;
        let command = Command::new(program)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        command.map(|child| Some(child.into()))
    }
}

struct Front {
    running: Running,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Front {
    async fn start(contender: &Contender, places: &Places, folder: &Path) -> io::Result<Self> {
        let config = folder.join(format!("{}.conf", contender.name));
        std::fs::write(&config, places.fill(&contender.template))?;
        let own = |word: &String| places.fill(&word.replace("@CONFIG@", &config.display().to_string()));
        let words: Vec<String> = contender.command.iter().map(own).collect();
        let (program, rest) =
            words.split_first().ok_or_else(|| io::Error::other("the front has no command"))?;
        let log = std::fs::File::create(folder.join(format!("{}.log", contender.name)))?;
        let mut child = Command::new(program)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let out = child.stdout.take().ok_or_else(|| io::Error::other("the front has no output"))?;
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let told = Arc::clone(&events);
        std::thread::Builder::new().name("events".into()).spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Other programs say other things.
                let Ok(value) = serde_json::from_str(&line) else { continue };
                let event = Event { at: std::time::Instant::now(), value };
                told.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        })?;
        let front = Self { running: child.into(), events };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", places.listen)).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{} does not listen", contender.name)));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(front)
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most memory that it and its children had, as far as the system says.
    fn most_mib(&self) -> f64 {
        let own = self.running.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        let all = children.split_whitespace().filter_map(|c| c.parse().ok()).chain([own]);
        let most_kib = |pid: u32| -> Option<f64> {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse().ok()
        };
        all.filter_map(most_kib).sum::<f64>() / 1_024.0
    }
}

/// What was seen of a siege.
struct Seen<'a> {
    calm: Instant,
    onset: Instant,
    end: Instant,
    asked: &'a [Asked],
    events: &'a [Event],
    /// Right names.
    causes: &'static [&'static str],
}

impl Seen<'_> {
    fn showing(&self, contender: &Contender, setting: &Setting<'_>) -> Showing {
        let from = self.onset + Duration::from_secs_f64(FROM_S);
        // Whoever asked at the very end had no time to be answered.
        let until = self.end - IN_TIME;
        let calm = self.between(self.calm, self.onset - IN_TIME);
        let (attacked, served) = (self.between(self.onset, self.end), self.between(from, until));
        let share = |of: &[&Asked], has: fn(&Asked) -> bool| Share {
            part: of.iter().filter(|a| has(a)).count() as u64,
            of: of.len() as u64,
        };
        let in_time = share(&served, Asked::is_good);
        let length_s = |from: Instant, until: Instant| (until - from).as_secs_f64().max(1.0);
        let seconds = |e: &Event| Instant::from_std(e.at).saturating_duration_since(self.onset).as_secs_f64();
        let during = || self.events.iter().filter(|e| Instant::from_std(e.at) >= self.onset);
        let is_right = |e: &&Event| e.cause().is_some_and(|c| self.causes.contains(&c));
        Showing {
            siege: setting.siege.name().to_owned(),
            front: contender.name.clone(),
            seed: setting.seed,
            capacity_per_s: 0.0,
            in_time,
            refused: share(&attacked, Asked::is_refused),
            calm_p99_ms: p99_ms(&calm),
            p99_ms: p99_ms(&served),
            calm_good_per_s: share(&calm, Asked::is_good).part as f64
                / length_s(self.calm, self.onset - IN_TIME),
            good_per_s: in_time.part as f64 / length_s(from, until),
            noticed_s: during().find(|e| e.is("opened") || e.cause().is_some()).map(seconds),
            named_s: during().find(is_right).map(seconds),
            contained_s: contained(&self.course(until)).map(|step| step as f64 * STEP_S),
            names: during().filter_map(Event::cause).map(str::to_owned).collect(),
            front_mib: 0.0,
        }
    }

    fn between(&self, from: Instant, until: Instant) -> Vec<&Asked> {
        self.asked.iter().filter(|a| a.at >= from && a.at < until).collect()
    }

    /// Good answers by the step in which they were asked for.
    fn course(&self, until: Instant) -> Vec<Share> {
        let steps = ((until - self.onset).as_secs_f64() / STEP_S).ceil() as usize;
        let mut course = vec![Share::default(); steps];
        for asked in self.between(self.onset, until) {
            let step = ((asked.at - self.onset).as_secs_f64() / STEP_S) as usize;
            if let Some(share) = course.get_mut(step) {
                share.of += 1;
                share.part += u64::from(asked.is_good());
            }
        }
        course
    }
}

/// What people waited for pages; who got none waited for ever.
fn p99_ms(asked: &[&Asked]) -> f64 {
    let wait = |a: &&&Asked| match a.took {
        Some(took) if a.status != 0 && !a.is_refused() => took,
        _ => Duration::from_secs(12),
    };
    let mut all: Vec<Duration> = asked.iter().filter(|a| !a.is_part).map(|a| wait(&a)).collect();
    all.sort();
    let at = (0.99 * all.len() as f64) as usize;
    all.get(at.min(all.len().saturating_sub(1))).map_or(0.0, |d| d.as_secs_f64() * 1e3)
}
