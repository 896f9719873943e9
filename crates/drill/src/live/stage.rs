//! Plays worlds. Each one: the attack on the service as it stands; then, behind a guard, calm, the
//! attack with its traps, and calm again. The next world begins while the last one ends.

use super::address::Door;
use super::attack::{self, bounded};
use super::browser::HOST;
use super::card::{Card, LabShare, TrapCard};
use super::catalogue::Query;
use super::guard::{Front, Guard};
use super::lab::{Forged, Ground};
use super::machine::Watch;
use super::nameservers;
use super::outage::{Outage, outage};
use super::peer::{Peer, PeerScore, Running};
use super::people::{Asked, People, Taste};
use super::play::{ALONE_S, ATTACK_S, CALM_S, FILLS_S, Options, Play, Progress, Stage, WITHOUT_S, What};
use super::seen::{Second, Seen, Share, course, decided, good_share};
use super::site::Site;
use super::worker::Worker;
use super::world::{Trap, Wanted, World};
use crate::rng::Rng;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::time::Instant;

/// A wrong theory alone: what it changes is less than an attack does, so that what is normal must be
/// known better.
const TRAP_CALM_S: f64 = 20.0;
const TRAP_S: f64 = 13.0;
/// Wrong theories alone are light; so many worlds at once do not slow each other.
const TRAPS_AT_ONCE: usize = 3;
/// Another program in front: how long the attack is, and how long until it is counted, because limits
/// need time to take effect.
pub(super) const PEER_S: f64 = 9.0;
pub(super) const PEER_FILLS_S: f64 = 4.0;
/// How many times as many people come to a sale: alone, and beside an attack.
const CROWD: f64 = 5.0;
const CROWD_BESIDE: f64 = 1.6;
/// Searches that are timed, to know what the site can do.
const TIMED: u64 = 12;
/// About how long it takes to build a site, and to end the last world.
const BUILDING_S: f64 = 1.0;
const ENDING_S: f64 = 6.0;
/// What waits to be told; a drill tells a few things a second.
const UNTOLD: usize = 1_024;

/// Plays the outage of a world.
///
/// # Errors
/// If the world cannot be built, or somebody asked for the end.
pub fn play(world: &World, options: Options<'_>, tell: &mut dyn FnMut(&Progress)) -> io::Result<Card> {
    if world.is_of_names() {
        return on_a_runtime(nameservers::play(&varied(world, options.seed), options, tell));
    }
    on_a_runtime(Scene::outage(world, options, tell))
}

/// Plays several outages, each as soon as the attack of the one before has ended, so that no attack
/// falls into another world's attack or into the learning of what is normal. `done` gets each card as
/// soon as there is one; all come back in the order of the worlds.
///
/// # Errors
/// As [`play`]; no other world is begun then.
pub fn play_all(
    worlds: &[&World],
    options: Options<'_>,
    tell: &mut dyn FnMut(&Progress),
    done: &mut dyn FnMut(&Card),
) -> io::Result<Vec<Card>> {
    let one = |world: &&World, tell: &mut dyn FnMut(&Progress)| play(world, options, tell);
    in_turn(worlds, 1, one, tell, done)
}

/// Plays wrong theories as the truth, each in a world of its own, some at once. Cards come in the
/// order of the theories.
///
/// # Errors
/// As [`play`].
pub fn play_traps(
    traps: &[(&World, Trap)],
    options: Options<'_>,
    tell: &mut dyn FnMut(&Progress),
    done: &mut dyn FnMut(&TrapCard),
) -> io::Result<Vec<TrapCard>> {
    let one = |(world, trap): &(&World, Trap), tell: &mut dyn FnMut(&Progress)| {
        on_a_runtime(Scene::trap(world, *trap, options, tell))
    };
    in_turn(traps, TRAPS_AT_ONCE, one, tell, done)
}

/// About how long [`play_all`] takes for so many worlds, in seconds.
#[must_use]
pub fn expected_s(worlds: usize, options: Options<'_>) -> f64 {
    let peers = options.peers.iter().filter(|p| !p.is_for_dns()).count() as f64;
    let each = BUILDING_S + ALONE_S + WITHOUT_S + CALM_S + 0.5 + ATTACK_S + peers * (ALONE_S + PEER_S + 0.5);
    worlds as f64 * each * options.pace + ENDING_S
}

enum Heard<T> {
    Progress(Progress),
    Played(usize, io::Result<T>),
}

/// Plays things on threads of their own, so many at once; what is over but for its end makes room
/// for the next.
fn in_turn<S: Sync, T: Send>(
    all: &[S],
    at_once: usize,
    one: impl Fn(&S, &mut dyn FnMut(&Progress)) -> io::Result<T> + Sync,
    tell: &mut dyn FnMut(&Progress),
    done: &mut dyn FnMut(&T),
) -> io::Result<Vec<T>> {
    let (sender, heard) = sync_channel::<Heard<T>>(UNTOLD);
    let mut played: Vec<Option<T>> = all.iter().map(|_| None).collect();
    let mut failed = None;
    std::thread::scope(|scope| {
        let begin = |(number, what)| {
            let (sender, one) = (sender.clone(), &one);
            scope.spawn(move || {
                // Nobody listens any more once the drill has failed.
                let mut tell = |p: &Progress| drop(sender.send(Heard::Progress(p.clone())));
                let result = catch_unwind(AssertUnwindSafe(|| one(what, &mut tell)));
                let result = result.unwrap_or_else(|_| Err(io::Error::other("a drill has panicked")));
                let _ = sender.send(Heard::Played(number, result));
            });
            1
        };
        let mut waiting = all.iter().enumerate();
        let mut running: usize = waiting.by_ref().take(at_once).map(begin).sum();
        while running > 0 {
            match heard.recv() {
                Ok(Heard::Progress(progress)) => {
                    let is_next = progress.what == What::Stage(Stage::After) && failed.is_none();
                    tell(&progress);
                    if is_next {
                        running += waiting.next().map_or(0, begin);
                    }
                }
                Ok(Heard::Played(number, result)) => {
                    running -= 1;
                    match result {
                        Ok(card) => {
                            done(&card);
                            played[number] = Some(card);
                        }
                        Err(error) => failed = failed.take().or(Some(error)),
                    }
                }
                // There is a sender as long as this waits.
                Err(_) => break,
            }
        }
    });
    failed.map_or_else(|| Ok(played.into_iter().flatten().collect()), Err)
}

pub(super) fn on_a_runtime<T>(what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, what)
}

/// A site that is being played with.
struct Scene<'a> {
    world: World,
    outage: &'static Outage,
    site: Site,
    /// The networks of a lab; on loopback none. They go after everything that is in them.
    ground: Option<Ground>,
    play: Play<'a>,
}

impl<'a> Scene<'a> {
    fn new(
        name: &'static str,
        world: &World,
        options: Options<'a>,
        tell: &'a mut dyn FnMut(&Progress),
    ) -> io::Result<Self> {
        let outage = outage(world.name).ok_or_else(|| io::Error::other("nobody lived through this"))?;
        let play = Play::new(name, options, tell)?;
        let world = varied(world, options.seed);
        let ground = options.in_lab.then(|| Ground::build(1)).transpose()?;
        let site = match &ground {
            Some(ground) => {
                // Whatever this thread sends or starts from now on comes from the people's side.
                ground.people().enter()?;
                Site::start_in(ground, &world, play.folder(), options.seed)?
            }
            None => Site::start(&world, play.folder(), options.seed)?,
        };
        Ok(Self { world, outage, site, ground, play })
    }

    async fn outage(
        world: &World,
        options: Options<'a>,
        tell: &'a mut dyn FnMut(&Progress),
    ) -> io::Result<Card> {
        let mut scene = Self::new(world.name, world, options, tell)?;
        let capacity_per_s = scene.capacity_per_s().await;
        let attack_per_s = bounded(capacity_per_s * scene.world.flood.times);
        let (answered_without, course_without) = scene.without(attack_per_s).await?;
        let mut peers = Vec::new();
        for peer in options.peers.iter().filter(|p| !p.is_for_dns()) {
            peers.push(scene.behind(*peer, attack_per_s).await?);
        }
        let card = scene.guarded(attack_per_s).await?;
        let answered_without = Some(answered_without);
        Ok(Card { capacity_per_s, attack_per_s, answered_without, course_without, peers, ..card }.judged())
    }

    /// Calm, the attack, and calm again, behind a guard.
    async fn guarded(&mut self, per_s: f64) -> io::Result<Card> {
        let guard = self.guard()?;
        let people = self.people(guard.door());
        self.play.watch(Some(&people.record));
        self.play.stage(Stage::Calm);
        // The onset falls anywhere within a second.
        let onset_s = CALM_S + Rng::new(self.play.options.seed ^ 0x0A5E_7000).unit();
        self.play.wait(onset_s, Some(&guard)).await?;
        let onset = self.play.begin();
        self.play.stage(Stage::Attack { per_s });
        let watch = Watch::start(guard.id(), self.ground.is_some());
        let attack = self.attack(guard.door(), per_s)?;
        self.spring(&guard, &people)?;
        self.play.wait(ATTACK_S, Some(&guard)).await?;
        let end = Instant::now();
        let (not_taken, machine, lab) = (guard.not_taken()?, watch.finish(), self.lab_share(&guard)?);
        drop(attack);
        self.site.recover()?;
        people.crowd.set(1.0);
        self.play.stage(Stage::After);
        self.play.wait_for_release(&guard).await?;
        let asked = people.record.borrow().clone();
        drop(people);
        let until = Instant::now();
        let events = guard.end()?;
        self.play.hear(&events);
        let seen = Seen {
            theories: self.outage.theories,
            right: self.world.flood.causes.iter().map(|c| c.as_str()).collect(),
            forged: self.forged().map(|f| f.cause().as_str()).collect(),
            onset,
            end,
            until,
            asked: &asked,
            events: &events,
        };
        Ok(Card { not_taken, machine, lab, ..seen.card(self.world.name, self.play.options.seed) })
    }

    async fn trap(
        world: &World,
        trap: Trap,
        options: Options<'a>,
        tell: &'a mut dyn FnMut(&Progress),
    ) -> io::Result<TrapCard> {
        // Each has a site of its own.
        let seed = options.seed.wrapping_add(7_919 * (1 + trap as u64));
        let options = Options { seed, ..options };
        let mut scene = Self::new(trap.name(), world, options, tell)?;
        let guard = scene.guard()?;
        let people = scene.people(guard.door());
        scene.play.watch(Some(&people.record));
        scene.play.stage(Stage::Calm);
        scene.play.wait(TRAP_CALM_S, Some(&guard)).await?;
        let onset = scene.play.begin();
        scene.play.stage(Stage::Trap);
        let watch = Watch::start(guard.id(), scene.ground.is_some());
        scene.site.suffer(trap, true)?;
        guard.tell(trap)?;
        if trap == Trap::Demand {
            people.crowd.set(CROWD);
        }
        scene.play.wait(TRAP_S, Some(&guard)).await?;
        let end = Instant::now();
        let (interfered, machine) = (guard.interfered()?, watch.finish());
        scene.play.stage(Stage::After);
        let asked = people.record.borrow().clone();
        drop(people);
        let until = Instant::now();
        let events = guard.end()?;
        let right = trap.causes().iter().map(|c| c.as_str()).collect();
        let seen = Seen {
            theories: scene.outage.theories,
            right,
            forged: Vec::new(),
            onset,
            end,
            until,
            asked: &asked,
            events: &events,
        };
        Ok(TrapCard::new(world.name, trap, options.seed, &seen, interfered, machine))
    }

    fn guard(&self) -> io::Result<Guard> {
        let front = Front::Http(self.site.door());
        let state = self.play.state_folder()?;
        Guard::start(self.play.options.program, self.play.folder(), &state, &front, self.ground.as_ref())
    }

    fn people(&self, door: Door) -> People {
        let World { habits, visits_per_s, .. } = self.world;
        let taste = Taste::of_site(habits, self.site.words());
        People::come(door, taste, visits_per_s, self.play.options.seed)
    }

    /// The flood of the outage, and in a lab the forged packets beside it.
    fn attack(&self, door: Door, per_s: f64) -> io::Result<Vec<Worker>> {
        let seed = self.play.options.seed;
        let flood = attack::start(self.world.flood, (door, HOST), per_s, self.site.words(), seed);
        let forged = self.forged().map(|kind| kind.start(door.address(), seed));
        [flood].into_iter().chain(forged).collect()
    }

    fn forged(&self) -> impl Iterator<Item = Forged> + use<> {
        let all = if self.ground.is_some() { self.world.forged } else { &[] };
        all.iter().copied()
    }

    fn lab_share(&self, guard: &Guard) -> io::Result<Option<LabShare>> {
        if self.ground.is_none() {
            return Ok(None);
        }
        let (carrier, dropped_packets) = guard.dropped_packets()?;
        let forged_per_s = self.forged().map(Forged::per_s).sum();
        let all: &[&str] = if self.world.is_balanced {
            &["HAProxy", "nginx", "nginx", "PostgreSQL"]
        } else {
            &["nginx", "PostgreSQL"]
        };
        let servers = all.iter().map(|s| (*s).to_owned()).collect();
        Ok(Some(LabShare { servers, forged_per_s, carrier, dropped_packets }))
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
        self.suffer(people)
    }

    fn suffer(&self, people: &People) -> io::Result<()> {
        for trap in self.world.traps {
            self.site.suffer(*trap, false)?;
            if *trap == Trap::Demand {
                people.crowd.set(CROWD_BESIDE);
            }
        }
        Ok(())
    }

    /// The same attack, straight on the site.
    async fn without(&mut self, per_s: f64) -> io::Result<(Share, Vec<Second>)> {
        self.play.stage(Stage::Without { per_s });
        let (asked, onset, end) = self.exposed(self.site.door(), per_s, WITHOUT_S).await?;
        Ok((
            good_share(&asked, onset + Duration::from_secs_f64(FILLS_S), end),
            course(&decided(&asked, end), onset),
        ))
    }

    /// The same attack with another program in front.
    async fn behind(&mut self, peer: Peer, per_s: f64) -> io::Result<PeerScore> {
        let Some(version) = peer.version() else { return Ok(peer.skipped()) };
        self.play.stage(Stage::Peer { name: peer.name().to_owned() });
        let running = Running::start(peer, self.play.folder(), self.site.door(), self.world.workers)?;
        let (asked, onset, end) = self.exposed(running.door(), per_s, PEER_S).await?;
        Ok(peer.score(version, &asked, onset, end))
    }

    async fn exposed(
        &mut self,
        door: Door,
        per_s: f64,
        seconds: f64,
    ) -> io::Result<(Vec<Asked>, Instant, Instant)> {
        let people = self.people(door);
        self.play.watch(Some(&people.record));
        self.play.wait(ALONE_S, None).await?;
        let onset = Instant::now();
        let attack = self.attack(door, per_s)?;
        self.suffer(&people)?;
        self.play.wait(seconds, None).await?;
        let end = Instant::now();
        drop(attack);
        self.site.restart()?;
        self.play.watch(None);
        let asked = people.record.borrow().clone();
        Ok((asked, onset, end))
    }
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
