//! Plays a world: calm, then the attack with its traps, then calm again; and the same attack
//! without protection.

use super::address::Door;
use super::attack::{Attack, bounded};
use super::card::{Card, Seen, Share, TrapCard};
use super::catalogue::Query;
use super::guard::{Event, Front, Guard};
use super::nameservers;
use super::outage::outage;
use super::people::{Asked, IN_TIME, People};
use super::site::Site;
use super::world::{Trap, Wanted, World};
use crate::rng::Rng;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Seconds of a drill: before the attack, of the attack, at most until the measures are gone.
pub(super) const CALM_S: f64 = 13.0;
pub(super) const ATTACK_S: f64 = 13.0;
const RELEASE_S: f64 = 8.0;
/// Without protection: people alone, then with the attack; the first second of it is not counted,
/// because queues fill up.
pub(super) const ALONE_S: f64 = 0.5;
pub(super) const WITHOUT_S: f64 = 4.0;
pub(super) const FILLS_S: f64 = 1.0;
/// A wrong theory alone: what it changes is less than an attack does, so that what is normal must be
/// known better.
const TRAP_CALM_S: f64 = 20.0;
const TRAP_S: f64 = 13.0;
/// Nobody waits longer than this for a world.
const _: () = assert!(CALM_S + 1.0 + ATTACK_S + RELEASE_S + ALONE_S + WITHOUT_S < 40.0);
const LOOK: Duration = Duration::from_millis(50);
/// How many times as many people come to a sale: alone, and beside an attack.
const CROWD: f64 = 5.0;
const CROWD_BESIDE: f64 = 1.6;
/// Searches that are timed, to know what the site can do.
const TIMED: u64 = 12;
/// Sockets and files of a whole drill.
const DESCRIPTORS: u64 = 16_384;

/// How to play.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The program whose `guard` is tried.
    pub program: &'a Path,
    pub seed: u64,
    /// Set from outside: end and clean up.
    pub stop: &'a AtomicBool,
    /// All times are multiplied by this: below 1 for a short look, which measures nothing.
    pub pace: f64,
}

/// What is told while a world is played.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A stretch has begun.
    Stage(String),
    /// The guard has told something; seconds from the onset.
    Told { at_s: f64, text: String },
}

/// A folder that goes with the drill.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("seawall-drill-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Plays the outage of a world.
///
/// # Errors
/// If the world cannot be built, or somebody asked for the end.
pub fn play(world: &World, options: Options<'_>, tell: &mut dyn FnMut(&Progress)) -> io::Result<Card> {
    if world.flood.wanted == Wanted::UnknownNames {
        return on_a_runtime(nameservers::play(&varied(world, options.seed), options, tell));
    }
    on_a_runtime(Stage::outage(world, options, tell))
}

/// Plays wrong theories as the truth, each in a world of its own, all at once. Cards come in the
/// order of the theories.
///
/// # Errors
/// As [`play`].
pub fn play_traps(traps: &[(&World, Trap)], options: Options<'_>) -> io::Result<Vec<TrapCard>> {
    std::thread::scope(|scope| {
        let all: Vec<_> = traps
            .iter()
            .enumerate()
            .map(|(number, (world, trap))| {
                let options = Options { seed: options.seed.wrapping_add(number as u64 * 7_919), ..options };
                scope.spawn(move || on_a_runtime(Stage::trap(world, *trap, options)))
            })
            .collect();
        let broken = |_| Err(io::Error::other("a drill has panicked"));
        all.into_iter().map(|thread| thread.join().unwrap_or_else(broken)).collect()
    })
}

fn on_a_runtime<T>(what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, what)
}

/// The times of a drill, and what is told of it.
pub(super) struct Play<'a> {
    options: Options<'a>,
    folder: Folder,
    tell: &'a mut dyn FnMut(&Progress),
    onset: Option<Instant>,
    heard: usize,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        name: &str,
        options: Options<'a>,
        tell: &'a mut dyn FnMut(&Progress),
    ) -> io::Result<Self> {
        raise_descriptors();
        Ok(Self { options, folder: Folder::new(name)?, tell, onset: None, heard: 0 })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    pub(super) fn seed(&self) -> u64 {
        self.options.seed
    }

    pub(super) fn say(&mut self, text: &str) {
        (self.tell)(&Progress::Stage(text.to_owned()));
    }

    /// What happens begins now.
    pub(super) fn begin(&mut self) -> Instant {
        *self.onset.insert(Instant::now())
    }

    /// Waits, and passes on what the guard tells.
    pub(super) async fn wait(&mut self, seconds: f64, guard: Option<&Guard>) -> io::Result<()> {
        let until = Instant::now() + Duration::from_secs_f64(seconds * self.options.pace);
        loop {
            if self.options.stop.load(Relaxed) {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the drill was stopped"));
            }
            if let Some(guard) = guard {
                let events = guard.events();
                self.hear(&events);
            }
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            sleep(LOOK.min(until - now)).await;
        }
    }

    pub(super) fn hear(&mut self, events: &[Event]) {
        for event in events.iter().skip(self.heard) {
            let Some(text) = words(event) else { continue };
            let at = Instant::from_std(event.at);
            let at_s = match self.onset {
                Some(onset) if at >= onset => (at - onset).as_secs_f64(),
                Some(onset) => -(onset - at).as_secs_f64(),
                None => f64::NAN,
            };
            (self.tell)(&Progress::Told { at_s, text });
        }
        self.heard = self.heard.max(events.len());
    }

    async fn wait_for_release(&mut self, guard: &Guard) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed().as_secs_f64() < RELEASE_S * self.options.pace {
            self.wait(0.25, Some(guard)).await?;
            let events = guard.events();
            let last = events.iter().rfind(|e| e.is("measures") || e.is("withdrawn"));
            if last.is_none_or(|e| e.is("withdrawn")) && begun.elapsed() > IN_TIME {
                break;
            }
        }
        Ok(())
    }
}

/// A site that is being played with.
struct Stage<'a> {
    world: World,
    site: Site,
    play: Play<'a>,
}

impl<'a> Stage<'a> {
    fn new(world: &World, options: Options<'a>, tell: &'a mut dyn FnMut(&Progress)) -> io::Result<Self> {
        let play = Play::new(world.name, options, tell)?;
        let world = varied(world, options.seed);
        let site = Site::start(&world, play.folder(), options.seed)?;
        Ok(Self { world, site, play })
    }

    fn guard(&self) -> io::Result<Guard> {
        Guard::start(self.play.options.program, self.play.folder(), Front::Http(self.site.door()))
    }

    async fn outage(
        world: &World,
        options: Options<'a>,
        tell: &'a mut dyn FnMut(&Progress),
    ) -> io::Result<Card> {
        let outage = outage(world.name).ok_or_else(|| io::Error::other("nobody lived through this"))?;
        let mut stage = Self::new(world, options, tell)?;
        let capacity_per_s = stage.capacity_per_s().await;
        let attack_per_s = bounded(capacity_per_s * stage.world.flood.times);
        let guard = stage.guard()?;
        let people = stage.people(guard.door());
        stage.play.say("calm: people come and go");
        // The onset falls anywhere within a second.
        let onset_s = CALM_S + Rng::new(options.seed ^ 0x0A5E_7000).unit();
        stage.play.wait(onset_s, Some(&guard)).await?;
        stage.play.say(&format!("the attack begins: {attack_per_s:.0} requests a second"));
        let onset = stage.play.begin();
        let attack = stage.attack(guard.door(), attack_per_s)?;
        stage.spring(&guard, &people)?;
        stage.play.wait(ATTACK_S, Some(&guard)).await?;
        let end = Instant::now();
        let not_taken = guard.not_taken()?;
        drop(attack);
        stage.site.recover();
        people.crowd.set(1.0);
        stage.play.say("the attack has ended");
        stage.play.wait_for_release(&guard).await?;
        let asked = people.record.borrow().clone();
        drop(people);
        let events = guard.end()?;
        stage.play.hear(&events);
        let right = stage.world.flood.causes.iter().map(|c| c.as_str()).collect();
        let seen = Seen { outage, right, onset, end, asked: &asked, events: &events };
        let mut card = seen.card(world.name, options.seed);
        (card.capacity_per_s, card.attack_per_s, card.not_taken) = (capacity_per_s, attack_per_s, not_taken);
        card.answered_without = Some(stage.without(attack_per_s).await?);
        Ok(card)
    }

    async fn trap(world: &World, trap: Trap, options: Options<'_>) -> io::Result<TrapCard> {
        let outage = outage(world.name).ok_or_else(|| io::Error::other("nobody lived through this"))?;
        let mut silence = |_: &Progress| {};
        let mut stage = Stage::new(world, options, &mut silence)?;
        let guard = stage.guard()?;
        let people = stage.people(guard.door());
        stage.play.wait(TRAP_CALM_S, Some(&guard)).await?;
        let onset = stage.play.begin();
        stage.site.suffer(trap, true);
        guard.tell(trap)?;
        if trap == Trap::Demand {
            people.crowd.set(CROWD);
        }
        stage.play.wait(TRAP_S, Some(&guard)).await?;
        let end = Instant::now();
        let interfered = guard.interfered()?;
        let asked = people.record.borrow().clone();
        drop(people);
        let events = guard.end()?;
        let right = trap.causes().iter().map(|c| c.as_str()).collect();
        let seen = Seen { outage, right, onset, end, asked: &asked, events: &events };
        Ok(TrapCard::new(world.name, trap, options.seed, &seen, interfered))
    }

    fn people(&self, door: Door) -> People {
        let World { habits, visits_per_s, .. } = self.world;
        People::come(door, habits, visits_per_s, self.site.words(), self.play.seed())
    }

    fn attack(&self, door: Door, per_s: f64) -> io::Result<Attack> {
        Attack::start(self.world.flood, door, per_s, self.site.words(), self.play.seed())
    }

    /// What the site manages of what the attack asks for, by what one request takes.
    async fn capacity_per_s(&self) -> f64 {
        let words = self.site.words();
        let dear = |n: u64| {
            let beginning = |at: u64| words.get(at as usize % 60).map_or("a", |w| &w[..2]).to_owned();
            Query::Search(vec![beginning(n), beginning(n + 7), beginning(n + 19)])
        };
        let query =
            |n| if self.world.flood.wanted == Wanted::DearSearches { dear(n) } else { Query::Item(n) };
        let cost_s = self.site.cost_s((0..TIMED).map(query).collect()).await;
        self.world.workers as f64 / cost_s.max(1e-3)
    }

    /// Switches the traps on: in the same second as the attack.
    fn spring(&self, guard: &Guard, people: &People) -> io::Result<()> {
        for trap in self.world.announced {
            guard.tell(*trap)?;
        }
        for trap in self.world.traps {
            self.site.suffer(*trap, false);
            if *trap == Trap::Demand {
                people.crowd.set(CROWD_BESIDE);
            }
        }
        Ok(())
    }

    /// The same attack, straight on the site.
    async fn without(&mut self, attack_per_s: f64) -> io::Result<Share> {
        self.play.say("the same without Seawall");
        let people = self.people(self.site.door());
        self.play.wait(ALONE_S, None).await?;
        let onset = Instant::now();
        let attack = self.attack(self.site.door(), attack_per_s)?;
        for trap in self.world.traps {
            self.site.suffer(*trap, false);
        }
        self.play.wait(WITHOUT_S, None).await?;
        let end = Instant::now();
        drop(attack);
        self.site.recover();
        let asked = people.record.borrow();
        Ok(good_share(&asked, onset + Duration::from_secs_f64(FILLS_S), end))
    }
}

/// Good answers among requests begun in a stretch. Who has just asked may still be answered in
/// time, and is not counted.
pub(super) fn good_share(asked: &[Asked], from: Instant, end: Instant) -> Share {
    let is_over = |a: &&Asked| a.took.is_some() || end.saturating_duration_since(a.at) > IN_TIME;
    let counted: Vec<&Asked> = asked.iter().filter(|a| a.at >= from && a.at <= end).filter(is_over).collect();
    let part = counted.iter().filter(|a| a.is_good()).count() as u64;
    Share { part, of: counted.len() as u64 }
}

/// What an event says, in a line.
fn words(event: &Event) -> Option<String> {
    let value = &event.value;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Some(match value["event"].as_str()? {
        "opened" => "noticed: traffic is unlike before".to_owned(),
        "named" => format!(
            "named: {}, {:.0} % sure",
            text(&value["verdict"]["cause"]),
            100.0 * value["verdict"]["confidence"].as_f64().unwrap_or(0.0)
        ),
        "measures" => {
            let all = value["measures"].as_array()?;
            let one = |m: &serde_json::Value| format!("{} ({})", text(&m["text"]), text(&m["scope"]));
            format!("measures: {}", all.iter().map(one).collect::<Vec<_>>().join("; "))
        }
        "withdrawn" => format!("measures withdrawn: {}", text(&value["why"])),
        "ended" => "over, and written up".to_owned(),
        "failed" => format!("failed: {}", text(&value["what"])),
        _ => return None,
    })
}

/// A world of its own for every seed: nothing may be fitted to the numbers of one.
fn varied(world: &World, seed: u64) -> World {
    let mut rng = Rng::new(seed ^ 0x5EED_0001);
    let mut world = *world;
    world.visits_per_s *= rng.uniform(0.85, 1.3);
    world.flood.times *= rng.uniform(0.85, 1.25);
    world.flood.sources = (world.flood.sources as f64 * rng.uniform(0.6, 1.6)) as u64;
    world.wait_ms = (world.wait_ms as f64 * rng.uniform(0.85, 1.15)).round() as u64;
    if world.flood.changes_after_s > 0 {
        world.flood.changes_after_s = rng.between(3, 7);
    }
    world
}

/// A drill holds some thousand connections: guard, site and people in one or two processes.
pub(super) fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    limit.current = Some(wanted);
    // Fewer descriptors make a smaller drill, and no wrong one: what finds no socket is not sent.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::world::WORLDS;

    #[test]
    fn a_seed_makes_the_same_world_and_another_one_another() {
        for world in &WORLDS {
            assert_eq!(varied(world, 3), varied(world, 3));
            assert_ne!(varied(world, 3), varied(world, 4));
        }
    }
}
