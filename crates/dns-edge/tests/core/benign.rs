//! Benign drills under virtual time: busy, odd and broken, and no attack. Clients show no cookie,
//! the zone is not known, and the edge holds back whatever it would; nobody may notice it.
//!
//! Each drill is drawn by a seed: how many ask, how often, how fast the servers are.

use crate::bench::{Bench, Passed, Sent, Setup, answer, query_of, udp};
use seawall_dns_edge::Counter;
use seawall_model::hash::mix;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Seeds of each drill; `SEAWALL_SEEDS` asks for more.
const SEEDS: u64 = 24;
/// Patience of a client before it asks again, or gives up.
const PATIENCE_US: u64 = 1_000_000;
/// How long a drill lasts; its surge comes in the middle of it.
const LENGTH_US: u64 = 6_000_000;
const SURGE_US: std::ops::Range<u64> = 2_500_000..4_500_000;

/// A generator of numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }
}

/// Clients of one kind.
struct Stream {
    /// Addresses: the first one, and how many.
    clients: (u32, u64),
    /// Before and after the surge, and in it.
    per_s: (u64, u64),
    /// The name of the `n`th question, by a random number.
    name: fn(u64, u64) -> String,
    kind: u16,
    exists: bool,
}

/// How the servers are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// The first server does this while the surge lasts.
    Silent,
    Slow,
    /// So slow that clients lose patience.
    Stalled,
    Refusing,
    Garbled,
}

struct Drill {
    streams: Vec<Stream>,
    servers: usize,
    trouble: Trouble,
    answer_bytes: usize,
    /// What the servers can take is so many times what is asked at most.
    spare: f64,
    retries: u32,
}

impl Drill {
    fn new(streams: Vec<Stream>) -> Self {
        Self { streams, servers: 1, trouble: Trouble::None, answer_bytes: 0, spare: 1.5, retries: 0 }
    }
}

enum Event {
    Ask { client: u32, stream: usize, name: String, tries: u32 },
    GiveUp { client: u32, id: u16 },
    Answer { backend: u16, bytes: Vec<u8> },
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Harm {
    asked: u64,
    /// Told to come back some other way, or that the servers failed.
    refused: u64,
    lost: u64,
}

struct World {
    bench: Bench,
    drill: Drill,
    dice: Dice,
    /// Events by time and number.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    number: u64,
    /// Questions without an answer, by client and id: the stream, the name, attempts before.
    open: BTreeMap<(u32, u16), (usize, String, u32)>,
    next_id: u16,
    /// When each server is free again, and how long it takes for one answer.
    free_us: Vec<u64>,
    each_us: f64,
    latency_us: u64,
    harm: Harm,
}

impl World {
    fn new(drill: Drill, mut dice: Dice) -> Self {
        let most: u64 = drill.streams.iter().map(|s| s.per_s.1.max(s.per_s.0)).sum();
        // While one server is out, the others must be able to take all.
        let out = usize::from(drill.trouble != Trouble::None && drill.servers > 1);
        let working = drill.servers - out;
        let each_us = 1e6 / (most as f64 * drill.spare / working as f64);
        let bench = Setup { backends: drill.servers, ..Setup::default() }.bench();
        Self {
            bench,
            due: BinaryHeap::new(),
            events: BTreeMap::new(),
            number: 0,
            open: BTreeMap::new(),
            next_id: 0,
            free_us: vec![0; drill.servers],
            each_us,
            latency_us: dice.between(100, 20_000),
            harm: Harm::default(),
            drill,
            dice,
        }
    }

    fn at(&mut self, us: u64, event: Event) {
        self.number += 1;
        self.due.push(Reverse((us, self.number)));
        self.events.insert(self.number, event);
    }

    /// Draws all questions, at even distances with some jitter.
    fn draw(&mut self) {
        for stream in 0..self.drill.streams.len() {
            let Stream { clients: (first, count), per_s, name, .. } = self.drill.streams[stream];
            let (mut us, mut n) = (1_000 + self.dice.between(0, 10_000), 0);
            while us < LENGTH_US {
                let per_s = if SURGE_US.contains(&us) { per_s.1 } else { per_s.0 };
                let random = self.dice.next();
                let client = first + (self.dice.next() % count) as u32;
                self.at(us, Event::Ask { client, stream, name: name(n, random), tries: 0 });
                n += 1;
                us += 1_000_000 / per_s.max(1) / 2 + self.dice.next() % (1_000_000 / per_s.max(1)).max(1);
            }
        }
    }

    fn run(mut self) -> (Harm, Bench) {
        self.draw();
        loop {
            let timer = self.bench.core.next_due_us();
            let next = self.due.peek().map(|Reverse((us, _))| *us);
            match (timer, next) {
                (None, None) => break,
                (Some(timer), next) if next.is_none_or(|next| timer <= next) => {
                    self.bench.at_us(timer.max(self.bench.us));
                    let (sent, passed) = self.bench.expire();
                    self.take(sent, passed);
                }
                _ => self.step(),
            }
        }
        assert_eq!(self.bench.core.waiting(), 0);
        (self.harm, self.bench)
    }

    fn step(&mut self) {
        let Some(Reverse((us, number))) = self.due.pop() else { return };
        let Some(event) = self.events.remove(&number) else { return };
        self.bench.at_us(us.max(self.bench.us));
        match event {
            Event::Ask { client, stream, name, tries } => self.ask(client, stream, name, tries),
            Event::GiveUp { client, id } => {
                if let Some((stream, name, tries)) = self.open.remove(&(client, id)) {
                    self.disappointed(client, stream, name, tries, false);
                }
            }
            Event::Answer { backend, bytes } => {
                let (sent, passed) = self.bench.say(backend, &bytes);
                self.take(sent, passed);
            }
        }
    }

    fn ask(&mut self, client: u32, stream: usize, name: String, tries: u32) {
        self.harm.asked += u64::from(tries == 0);
        self.next_id = self.next_id.wrapping_add(1);
        let id = self.next_id;
        let mut message = query_of(&name, self.drill.streams[stream].kind, b"");
        message[..2].copy_from_slice(&id.to_be_bytes());
        self.open.insert((client, id), (stream, name, tries));
        self.at(self.bench.us + PATIENCE_US, Event::GiveUp { client, id });
        let (sent, passed) = self.bench.ask(&udp(client), &message);
        self.take(sent, passed);
    }

    fn take(&mut self, sent: Vec<Sent>, passed: Vec<Passed>) {
        passed.into_iter().for_each(|p| self.serve(&p));
        for answer in sent {
            let std::net::IpAddr::V4(to) = answer.to.ip() else { unreachable!("all clients are IPv4") };
            let client = u32::from(to) - 0x0A00_0000;
            let id = u16::from_be_bytes([answer.bytes[0], answer.bytes[1]]);
            let Some((stream, name, tries)) = self.open.remove(&(client, id)) else { continue };
            let exists = self.drill.streams[stream].exists;
            let is_right = !answer.is_truncated() && answer.code() == if exists { 0 } else { 3 };
            if !is_right {
                self.disappointed(client, stream, name, tries, true);
            }
        }
    }

    fn disappointed(&mut self, client: u32, stream: usize, name: String, tries: u32, is_refused: bool) {
        if tries < self.drill.retries {
            return self.ask(client, stream, name, tries + 1);
        }
        self.harm.refused += u64::from(is_refused);
        self.harm.lost += u64::from(!is_refused);
    }

    /// A server answers in order, each after its time.
    fn serve(&mut self, passed: &Passed) {
        let server = usize::from(passed.backend);
        let is_troubled = server == 0 && SURGE_US.contains(&self.bench.us);
        let trouble = if is_troubled { self.drill.trouble } else { Trouble::None };
        let begun = self.free_us[server].max(self.bench.us);
        self.free_us[server] = begun + self.each_us as u64;
        let name = &passed.bytes[12..];
        // Labels that begin so are nowhere.
        let exists = name.get(1..3).is_none_or(|start| start != b"no");
        let code = if trouble == Trouble::Refusing { 5 } else { 3 * u8::from(!exists) };
        let mut bytes = answer(&passed.bytes, code);
        if code == 0 && self.drill.answer_bytes > 0 {
            lengthen(&mut bytes, self.drill.answer_bytes);
        }
        let extra_us = match trouble {
            Trouble::Silent => return,
            Trouble::Slow => 400_000,
            Trouble::Stalled => 1_200_000,
            _ => 0,
        };
        if trouble == Trouble::Garbled {
            bytes[13] ^= 1;
        }
        let us = self.free_us[server] + self.latency_us + extra_us + self.dice.next() % 500;
        self.at(us, Event::Answer { backend: passed.backend, bytes });
    }
}

/// Puts a signature's worth of bytes before the OPT record.
fn lengthen(answer: &mut Vec<u8>, bytes: usize) {
    let opt = answer.split_off(answer.len() - 11);
    answer.extend(b"\xC0\x0C\0\x2E\0\x01\0\0\x01\x2C");
    answer.extend((bytes as u16).to_be_bytes());
    answer.resize(answer.len() + bytes, 7);
    answer[7] += 1;
    answer.extend(opt);
}

/// Runs a drill for every seed; returns what went wrong, with the seed.
fn all(drill: fn(&mut Dice) -> Drill) -> Vec<(u64, Harm)> {
    let wanted = std::env::var("SEAWALL_SEEDS").ok().and_then(|n| n.parse().ok());
    let seeds: u64 = wanted.unwrap_or(SEEDS);
    let run = |seed: u64| {
        let mut dice = Dice(mix(seed) << 20);
        let drill = drill(&mut dice);
        let (harm, bench) = World::new(drill, dice).run();
        assert!(harm.asked > 200, "seed {seed}: {harm:?}");
        assert_eq!(bench.count(Counter::dropped) + bench.count(Counter::bad_cookie), 0, "seed {seed}");
        (seed, harm)
    };
    (0..seeds).map(run).filter(|(_, harm)| harm.refused + harm.lost > 0).collect()
}

fn popular(_: u64, random: u64) -> String {
    // The square of an even number: some names are asked for far more than others.
    let rank = (random % 1_000) * (random >> 32 & 1_023) / 1_000;
    format!("host{rank}.example.org")
}

fn usual(dice: &mut Dice) -> Stream {
    let clients = (1, dice.between(20, 400));
    let per_s = dice.between(40, 150);
    Stream { clients, per_s: (per_s, per_s), name: popular, kind: 1, exists: true }
}

#[test]
fn a_new_zone_of_which_no_name_was_ever_asked_for() {
    let drill = |dice: &mut Dice| {
        let name = |n, _| format!("fresh{n}.example.net");
        let per_s = (1, dice.between(200, 1_500));
        let new = Stream { clients: (1, 300), per_s, name, kind: 1, exists: true };
        Drill::new(vec![usual(dice), new])
    };
    assert_eq!(all(drill), []);
}

#[test]
fn a_surge_of_fifty_times_the_usual() {
    let drill = |dice: &mut Dice| {
        let base = dice.between(20, 60);
        let crowd =
            Stream { clients: (1, 2_000), per_s: (base, base * 50), name: popular, kind: 1, exists: true };
        Drill::new(vec![crowd])
    };
    assert_eq!(all(drill), []);
}

#[test]
fn names_of_a_content_network_that_are_never_asked_for_twice() {
    let drill = |dice: &mut Dice| {
        let name = |_, random: u64| format!("e{random:016x}.cdn.example.org");
        let per_s = (dice.between(50, 300), dice.between(300, 1_200));
        let hashes = Stream { clients: (1, 200), per_s, name, kind: 28, exists: true };
        Drill::new(vec![usual(dice), hashes])
    };
    assert_eq!(all(drill), []);
}

#[test]
fn an_office_behind_one_address_that_asks_for_everything() {
    let drill = |dice: &mut Dice| {
        let per_s = (dice.between(100, 400), dice.between(400, 1_500));
        let office = Stream { clients: (7, 1), per_s, name: popular, kind: 1, exists: true };
        let typos = Stream {
            clients: (7, 1),
            per_s: (5, 60),
            name: |_, random| format!("nothere{}.example.org", random % 10_000),
            kind: 1,
            exists: false,
        };
        Drill::new(vec![usual(dice), office, typos])
    };
    assert_eq!(all(drill), []);
}

#[test]
fn a_mail_server_that_looks_up_every_sender_in_a_block_list() {
    let drill = |dice: &mut Dice| {
        let name = |_, random: u64| {
            let [a, b, c, d, ..] = random.to_le_bytes();
            format!("no{a}.{b}.{c}.{d}.list.example.org")
        };
        let per_s = (dice.between(20, 100), dice.between(200, 900));
        let lookups = Stream { clients: (3, 2), per_s, name, kind: 1, exists: false };
        Drill::new(vec![usual(dice), lookups])
    };
    assert_eq!(all(drill), []);
}

#[test]
fn a_sweep_through_reversed_addresses() {
    let drill = |dice: &mut Dice| {
        let name = |n: u64, _| format!("no{}.{}.2.192.in-addr.arpa", n % 256, n / 256);
        let per_s = (1, dice.between(300, 1_500));
        let sweep = Stream { clients: (9, 1), per_s, name, kind: 12, exists: false };
        Drill::new(vec![usual(dice), sweep])
    };
    assert_eq!(all(drill), []);
}

#[test]
fn validators_that_want_signatures() {
    let drill = |dice: &mut Dice| {
        let per_s = (dice.between(100, 800), dice.between(800, 3_000));
        let validators = Stream { clients: (1, 500), per_s, name: popular, kind: 48, exists: true };
        Drill { answer_bytes: dice.between(300, 1_000) as usize, ..Drill::new(vec![validators]) }
    };
    assert_eq!(all(drill), []);
}

/// Of two or three servers one has a trouble; what is asked is new every time, so that the cache
/// helps nobody, and a client asks once more at most.
fn troubled(dice: &mut Dice, trouble: Trouble) -> Drill {
    let name = |_, random: u64| format!("e{random:016x}.example.org");
    let per_s = dice.between(100, 900);
    let people = Stream { clients: (1, 300), per_s: (per_s, per_s), name, kind: 1, exists: true };
    let servers = dice.between(2, 4) as usize;
    Drill { trouble, servers, spare: 2.0, retries: 1, ..Drill::new(vec![people]) }
}

#[test]
fn one_server_that_falls_silent() {
    assert_eq!(all(|dice| troubled(dice, Trouble::Silent)), []);
}

#[test]
fn one_server_that_is_slow() {
    assert_eq!(all(|dice| troubled(dice, Trouble::Slow)), []);
}

#[test]
fn one_server_that_was_not_told_of_the_zone() {
    assert_eq!(all(|dice| troubled(dice, Trouble::Refusing)), []);
}

#[test]
fn one_server_that_answers_other_questions_than_it_was_asked() {
    assert_eq!(all(|dice| troubled(dice, Trouble::Garbled)), []);
}

/// Every server is slow for two seconds, and resolvers ask again and again.
#[test]
fn a_storm_of_retries_while_the_servers_are_slow() {
    let drill = |dice: &mut Dice| {
        let per_s = dice.between(100, 500);
        let people = Stream { clients: (1, 60), per_s: (per_s, per_s), name: popular, kind: 1, exists: true };
        Drill { trouble: Trouble::Stalled, retries: 3, ..Drill::new(vec![people]) }
    };
    assert_eq!(all(drill), []);
}
