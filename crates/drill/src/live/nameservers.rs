//! The world of the name servers: a zone whose servers manage so many questions a second, resolvers
//! that ask for its names, and a flood of names that nobody has. On loopback it has one server of the
//! drill's own; in a lab three, of two makes, in regions of their own.

use super::address::{Door, Population, Source};
use super::attack::{Beat, bounded};
use super::card::{Card, LabShare};
use super::dns;
use super::guard::{Front, Guard};
use super::lab::{Ground, Server, Zone, knot, narrow, nsd};
use super::machine::Watch;
use super::outage::{Outage, outage};
use super::peer::{Peer, PeerScore, Running};
use super::people::{Asked, Record};
use super::play::{ALONE_S, ATTACK_S, CALM_S, FILLS_S, Options, Play, Progress, Stage, WITHOUT_S};
use super::seen::{Seen, course, decided, good_share};
use super::stage::PEER_S;
use super::worker::Worker;
use super::world::World;
use crate::rng::{Rng, Weighted};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Names of the zone: a small team's.
const NAMES: usize = 40;
/// Places of the zone's servers in a lab.
const REGIONS: u8 = 3;
/// Questions that wait in the server; more are lost.
const BACKLOG: usize = 64;
/// Resolvers that ask for people.
const RESOLVERS: u64 = 120;
/// What a resolver waits for an answer, and how often it asks.
const RETRY: Duration = Duration::from_millis(600);
const TRIES: u16 = 3;
/// Sockets that a flood sends from at once; each sends for many addresses over time.
const SENDERS: u64 = 300;
const QUIET: Duration = Duration::from_millis(100);
/// Seconds after the attack in which the guard is still looked at.
const AFTER_S: f64 = 2.5;

/// Plays the outage of the name servers.
pub(super) async fn play(
    world: &World,
    options: Options<'_>,
    tell: &mut dyn FnMut(&Progress),
) -> io::Result<Card> {
    let outage = outage(world.name).ok_or_else(|| io::Error::other("nobody lived through this"))?;
    let mut play = Play::new(world.name, options, tell)?;
    let capacity_per_s = 1_000.0 / world.wait_ms.max(1) as f64;
    let attack_per_s = bounded(capacity_per_s * world.flood.times);
    let servers = if options.in_lab {
        Servers::in_regions(capacity_per_s, play.folder())?
    } else {
        Servers::on_loopback(world.wait_ms)?
    };
    play.stage(Stage::Without { per_s: attack_per_s });
    let (asked, onset, end) = exposed(world, &servers.doors, attack_per_s, WITHOUT_S, &mut play).await?;
    let answered_without = Some(good_share(&asked, onset + Duration::from_secs_f64(FILLS_S), end));
    let course_without = course(&decided(&asked, end), onset);
    let mut peers = Vec::new();
    for peer in options.peers.iter().filter(|p| p.is_for_dns()) {
        peers.push(behind(*peer, world, servers.first()?, attack_per_s, &mut play).await?);
    }
    let card = guarded(world, &servers, attack_per_s, outage, &mut play).await?;
    Ok(Card { capacity_per_s, attack_per_s, answered_without, course_without, peers, ..card }.judged())
}

/// Calm, the attack, and calm again, behind a guard.
async fn guarded(
    world: &World,
    servers: &Servers,
    per_s: f64,
    outage: &Outage,
    play: &mut Play<'_>,
) -> io::Result<Card> {
    let seed = play.options.seed;
    let front = Front::Dns(servers.first()?, servers.doors[1..].to_vec());
    let ground = servers.ground.as_ref();
    let guard = Guard::start(play.options.program, play.folder(), &play.state_folder()?, &front, ground)?;
    let (record, asking) = resolvers(&[guard.door()], world.visits_per_s, seed);
    play.watch(Some(&record));
    play.stage(Stage::Calm);
    play.wait(CALM_S + Rng::new(seed ^ 0x0A5E_7000).unit(), Some(&guard)).await?;
    let onset = play.begin();
    play.stage(Stage::Attack { per_s });
    let watch = Watch::start(guard.id(), ground.is_some());
    let attack = flood(&[guard.door()], per_s, seed)?;
    for trap in world.announced {
        guard.tell(*trap)?;
    }
    play.wait(ATTACK_S, Some(&guard)).await?;
    let end = Instant::now();
    let (measures, machine) = (guard.held_back()?, watch.finish());
    let lab = if ground.is_some() {
        let (carrier, dropped_packets) = guard.dropped_packets()?;
        let servers = ["NSD", "Knot", "NSD"].map(str::to_owned).to_vec();
        Some(LabShare { servers, forged_per_s: 0, carrier, dropped_packets })
    } else {
        None
    };
    drop(attack);
    play.stage(Stage::After);
    play.wait(AFTER_S, Some(&guard)).await?;
    let asked = record.borrow().clone();
    asking.abort();
    let until = Instant::now();
    let events = guard.end()?;
    play.hear(&events);
    let right = world.flood.causes.iter().map(|c| c.as_str()).collect();
    let seen = Seen {
        theories: outage.theories,
        right,
        forged: Vec::new(),
        onset,
        end,
        until,
        asked: &asked,
        events: &events,
    };
    Ok(Card { measures, machine, lab, ..seen.card(world.name, seed) })
}

/// The same attack with another program in front.
async fn behind(
    peer: Peer,
    world: &World,
    server: Door,
    per_s: f64,
    play: &mut Play<'_>,
) -> io::Result<PeerScore> {
    let Some(version) = peer.version() else { return Ok(peer.skipped()) };
    play.stage(Stage::Peer { name: peer.name().to_owned() });
    let running = Running::start(peer, play.folder(), server, world.workers)?;
    let (asked, onset, end) = exposed(world, &[running.door()], per_s, PEER_S, play).await?;
    Ok(peer.score(version, &asked, onset, end))
}

async fn exposed(
    world: &World,
    doors: &[Door],
    per_s: f64,
    seconds: f64,
    play: &mut Play<'_>,
) -> io::Result<(Vec<Asked>, Instant, Instant)> {
    let (record, asking) = resolvers(doors, world.visits_per_s, play.options.seed);
    play.watch(Some(&record));
    play.wait(ALONE_S, None).await?;
    let onset = Instant::now();
    let attack = flood(doors, per_s, play.options.seed)?;
    play.wait(seconds, None).await?;
    let end = Instant::now();
    drop(attack);
    asking.abort();
    play.watch(None);
    let asked = record.borrow().clone();
    Ok((asked, onset, end))
}

/// The zone's servers, until they are dropped.
struct Servers {
    doors: Vec<Door>,
    _own: Option<Worker>,
    _real: Vec<Server>,
    /// The networks of a lab, which go last.
    ground: Option<Ground>,
}

impl Servers {
    fn on_loopback(each_ms: u64) -> io::Result<Self> {
        let (door, worker) = serve(each_ms)?;
        Ok(Self { doors: vec![door], _own: Some(worker), _real: Vec::new(), ground: None })
    }

    /// NSD, Knot and NSD again, each in a region that carries a third of what the service manages. The
    /// thread that calls this is among the resolvers from then on.
    fn in_regions(capacity_per_s: f64, folder: &Path) -> io::Result<Self> {
        let ground = Ground::build(REGIONS)?;
        ground.people().enter()?;
        let zone = Zone { name: dns::ZONE, text: zone_file() };
        let (mut doors, mut real) = (Vec::new(), Vec::new());
        for number in 0..usize::from(REGIONS) {
            let (space, door) = (ground.server(number)?, ground.server_door(number, 53)?);
            let start = if number % 2 == 0 { nsd } else { knot };
            real.push(start(space, folder, &door.address().to_string(), &zone)?);
            narrow(space, (capacity_per_s / f64::from(REGIONS)) as u64)?;
            doors.push(door);
        }
        Ok(Self { doors, _own: None, _real: real, ground: Some(ground) })
    }

    fn first(&self) -> io::Result<Door> {
        self.doors.first().copied().ok_or_else(|| io::Error::other("the zone has no server"))
    }
}

/// The zone as a file for name servers: the names that [`exists`] knows.
fn zone_file() -> String {
    let zone = dns::ZONE;
    let mut text = format!(
        "$ORIGIN {zone}.\n$TTL 30\n@ SOA ns1 admin 1 3600 600 86400 30\n@ NS ns1\nns1 A 198.18.1.2\n"
    );
    for number in 0..NAMES {
        text.push_str(&format!("{}. A 192.0.2.10\n", name(number)));
    }
    text
}

/// The zone's server: one worker, a short line in front of it.
fn serve(each_ms: u64) -> io::Result<(Door, Worker)> {
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    let door = Door::new(socket.local_addr()?).map_err(io::Error::other)?;
    let worker = Worker::start("name-server", move |stop| async move {
        let Ok(socket) = UdpSocket::from_std(socket) else { return };
        let socket = Rc::new(socket);
        let (line, mut waiting) = tokio::sync::mpsc::channel::<(Vec<u8>, std::net::SocketAddr)>(BACKLOG);
        let out = Rc::clone(&socket);
        spawn_local(async move {
            let mut next = Instant::now();
            while let Some((message, from)) = waiting.recv().await {
                next = (next + Duration::from_millis(each_ms)).max(Instant::now());
                sleep_until(next).await;
                let Some(answer) = dns::answer(&message, exists) else { continue };
                // Whoever asked may have gone.
                let _ = out.send_to(&answer, from).await;
            }
        });
        let mut bytes = [0; dns::MOST_BYTES];
        while !stop.load(Relaxed) {
            let Ok(Ok((length, from))) = timeout(QUIET, socket.recv_from(&mut bytes)).await else { continue };
            // A full line loses questions, as a full socket does.
            let _ = line.try_send((bytes[..length].to_vec(), from));
        }
    })?;
    Ok((door, worker))
}

fn name(number: usize) -> String {
    if number == 0 { format!("www.{}", dns::ZONE) } else { format!("host{number}.{}", dns::ZONE) }
}

fn exists(asked: &str) -> bool {
    let label = asked.strip_suffix(dns::ZONE).and_then(|l| l.strip_suffix('.'));
    label.is_some_and(|l| {
        l == "www" || l.strip_prefix("host").and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n < NAMES)
    })
}

/// Resolvers that look names up until they are told to stop.
fn resolvers(doors: &[Door], per_s: f64, seed: u64) -> (Record, tokio::task::JoinHandle<()>) {
    let record = Record::default();
    let (all, doors) = (Rc::clone(&record), Rc::<[Door]>::from(doors));
    let task = spawn_local(async move {
        let mut rng = Rng::new(seed ^ 0x00D2_5000);
        let likely = Weighted::zipf(NAMES, 0.9);
        loop {
            sleep(Duration::from_secs_f64(rng.exponential(1.0 / per_s))).await;
            let source = Source::among(&mut rng, seed, Population::People, RESOLVERS);
            let (name, id) = (name(likely.draw(&mut rng)), rng.next() as u16);
            let (all, doors) = (Rc::clone(&all), Rc::clone(&doors));
            spawn_local(async move {
                let at = Instant::now();
                let noted = {
                    let mut all = all.borrow_mut();
                    all.push(Asked { at, took: None, status: 0, is_sites: true, is_part: false });
                    all.len() - 1
                };
                let status = look_up(&doors, source, id, &name).await.unwrap_or(0);
                if let Some(asked) = all.borrow_mut().get_mut(noted) {
                    // Only who stands before the server refuses or denies a name that exists.
                    *asked = Asked { took: Some(at.elapsed()), status, is_sites: status == 200, ..*asked };
                }
            });
        }
    });
    (record, task)
}

/// 200: the address; 403: denied or refused; `None`: no answer in all tries, each at the next server.
async fn look_up(doors: &[Door], source: Source, id: u16, name: &str) -> Option<u16> {
    for number in 0..TRIES {
        let id = id.wrapping_add(number);
        let door = *doors.get(usize::from(id) % doors.len().max(1))?;
        let socket = UdpSocket::bind(door.from(source)).await.ok()?;
        socket.connect(door.address()).await.ok()?;
        socket.send(&dns::question(id, name)).await.ok()?;
        let mut bytes = [0; dns::MOST_BYTES];
        let heard = timeout(RETRY, async {
            loop {
                let length = socket.recv(&mut bytes).await.ok()?;
                if let Some(reply) = dns::reply(id, &bytes[..length]) {
                    return Some(reply);
                }
            }
        });
        match heard.await.ok().flatten() {
            Some(reply) if reply.is_truncated => return over_tcp(door, source, id, name).await,
            Some(reply) => return Some(if reply.rcode == 0 && reply.answers > 0 { 200 } else { 403 }),
            None => {}
        }
    }
    None
}

async fn over_tcp(door: Door, source: Source, id: u16, name: &str) -> Option<u16> {
    let mut stream = door.connect(source).await?;
    let question = dns::question(id, name);
    stream.write_all(&(question.len() as u16).to_be_bytes()).await.ok()?;
    stream.write_all(&question).await.ok()?;
    let length = timeout(2 * RETRY, stream.read_u16()).await.ok()?.ok()?;
    let mut bytes = vec![0; usize::from(length)];
    timeout(2 * RETRY, stream.read_exact(&mut bytes)).await.ok()?.ok()?;
    let reply = dns::reply(id, &bytes)?;
    Some(if reply.rcode == 0 && reply.answers > 0 { 200 } else { 403 })
}

/// Questions for names that nobody has, from addresses that change.
fn flood(doors: &[Door], per_s: f64, seed: u64) -> io::Result<Worker> {
    let doors = doors.to_vec();
    let Some(first) = doors.first().copied() else { return Err(io::Error::other("nobody to flood")) };
    Worker::start("dns-flood", move |stop| async move {
        let mut rng = Rng::new(seed ^ 0x00D2_5F10);
        let mut senders = Vec::new();
        for number in 0..SENDERS {
            let source = Source::new(seed, Population::Attackers, number);
            if let Ok(socket) = UdpSocket::bind(first.from(source)).await {
                senders.push(socket);
            }
        }
        let mut beat = Beat::every(1.0 / per_s);
        let mut fresh = SENDERS;
        while !stop.load(Relaxed) && !senders.is_empty() {
            beat.wait().await;
            let at = rng.index(senders.len());
            if rng.chance(0.02) {
                fresh += 1;
                let source = Source::new(seed, Population::Attackers, fresh);
                if let Ok(socket) = UdpSocket::bind(first.from(source)).await {
                    senders[at] = socket;
                }
            }
            let label: String =
                (0..rng.between(8, 14)).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
            let question = dns::question(rng.next() as u16, &format!("{label}.{}", dns::ZONE));
            // What finds no room is lost, as on any wire.
            let _ = senders[at].try_send_to(&question, doors[rng.index(doors.len())].address());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_has_its_names_and_no_others() {
        assert!((0..NAMES).all(|n| exists(&name(n))));
        assert!(
            !exists("host40.site.example") && !exists("qwerty.site.example") && !exists("www.other.example")
        );
    }
}
