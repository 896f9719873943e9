//! A site under a flood, in virtual time: people with browsers, programs that flood, an upstream
//! with few workers, and an edge between.

use super::edges::Edge;
use seawall_http_edge::Request;
use seawall_model::time::SECOND_NS;
use seawall_model::{Timestamp, hash, math};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::IpAddr;

/// What a flood consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    None,
    /// 50,000 sources, each one to three pages, headers like a browser's, answers ignored.
    Distributed,
    /// Headers and cookies like a browser's; each walks pages as people do, without their parts.
    Mimics,
    /// Mimics that also take Seawall's own pages as a browser without scripts does: they fetch
    /// what gives the ticket, come back when asked, and sit challenges out.
    Crafty,
    /// No flood: people, six times as many as usual, nearly all of them for the first time.
    Crowd,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub seed: u64,
    pub flood: Flood,
    pub calm_s: i64,
    pub flood_s: i64,
    pub workers: usize,
    pub visits_per_s: f64,
    /// Requests of the flood over the pages that the upstream can make.
    pub times_capacity: f64,
}

impl Options {
    pub fn new(seed: u64, flood: Flood) -> Self {
        Self { seed, flood, calm_s: 60, flood_s: 30, workers: 8, visits_per_s: 10.0, times_capacity: 10.0 }
    }
}

/// What became of people's requests.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Pages and parts asked for from 3 s after the onset on, and those answered within 2 s.
    pub asked: u64,
    pub in_time: u64,
    /// Of those: never answered, for being refused.
    pub refused: u64,
    /// Times from the click to the page, in seconds: of first pages of strangers, and of all
    /// others; and in calm times.
    pub first_pages: Vec<f64>,
    pub other_pages: Vec<f64>,
    pub calm_pages: Vec<f64>,
    /// Share of the flood's requests that reached the upstream.
    pub flood_served: f64,
}

impl Outcome {
    pub fn share_in_time(&self) -> f64 {
        self.in_time as f64 / self.asked.max(1) as f64
    }

    pub fn share_refused(&self) -> f64 {
        self.refused as f64 / self.asked.max(1) as f64
    }
}

pub fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() as f64 * at) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// What an edge does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Forward,
    Hold,
    Refuse,
    Waiting { ticket: String },
    Challenge { puzzle: String },
}

/// One request as it arrives.
#[derive(Clone, Debug)]
pub struct Ask {
    pub id: u64,
    pub client: IpAddr,
    pub agent: &'static str,
    pub path: String,
    pub referrer: String,
    pub cookie: String,
    pub is_page: bool,
    who: usize,
    clicked: Timestamp,
}

impl Ask {
    pub fn request(&self) -> Request<'_> {
        Request {
            path: self.path.as_bytes(),
            referrer: self.referrer.as_bytes(),
            user_agent: self.agent.as_bytes(),
            cookie: self.cookie.as_bytes(),
            accept: if self.is_page { b"text/html,application/xhtml+xml" } else { b"*/*" },
            accept_language: b"en",
            host: b"shop.example",
            ..Request::new(self.client)
        }
    }
}

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15",
];
const PARTS: u64 = 6;
const PAGES: u64 = 500;
const ROUND_TRIP_NS: i64 = 40_000_000;
const PAGE_MEDIAN_S: f64 = 0.040;
const PART_MEDIAN_S: f64 = 0.004;
const SPREAD: f64 = 0.5;
/// After this a person gives up.
const PATIENCE_S: f64 = 30.0;

/// Someone who sends requests.
#[derive(Clone, Debug)]
struct Actor {
    client: IpAddr,
    agent: &'static str,
    is_person: bool,
    runs_scripts: bool,
    session: Option<String>,
    token: Option<String>,
    pages_left: u64,
    page: String,
    first_visit: bool,
}

enum Event {
    Visit,
    Send(Ask),
    Arrive(Ask),
    Served(Ask, Timestamp),
    NextPage(usize),
    Token(usize, String),
    Worked(Ask, String),
    SatOut(Ask, String),
    FloodTick,
    Poll,
}

struct Timed(Timestamp, u64, Event);

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// The time at which a scene begins.
pub fn start() -> Timestamp {
    START
}

struct Scene<'a> {
    options: Options,
    edge: &'a mut dyn Edge,
    now: Timestamp,
    events: BinaryHeap<Reverse<Timed>>,
    dice: u64,
    next: u64,
    actors: Vec<Actor>,
    people: Vec<usize>,
    held: BTreeMap<u64, Ask>,
    busy: usize,
    line: VecDeque<(Ask, Timestamp)>,
    flood_sent: u64,
    flood_served: u64,
    flood_owed: f64,
    outcome: Outcome,
}

/// Runs a scene to its end.
pub fn run(options: Options, edge: &mut dyn Edge) -> Outcome {
    let mut scene = Scene {
        options,
        edge,
        now: START,
        events: BinaryHeap::new(),
        dice: options.seed,
        next: 0,
        actors: Vec::new(),
        people: Vec::new(),
        held: BTreeMap::new(),
        busy: 0,
        line: VecDeque::new(),
        flood_sent: 0,
        flood_served: 0,
        flood_owed: 0.0,
        outcome: Outcome::default(),
    };
    scene.after_s(0.0, Event::Visit);
    scene.after_s(0.0, Event::Poll);
    scene.after_s(options.calm_s as f64, Event::FloodTick);
    // Ten seconds more, so that whoever asked last has had his answer.
    let end = START.plus_ns((options.calm_s + options.flood_s + 10) * SECOND_NS);
    while let Some(Reverse(Timed(at, _, event))) = scene.events.pop() {
        if at > end {
            break;
        }
        scene.now = at;
        scene.handle(event);
    }
    scene.outcome.flood_served = scene.flood_served as f64 / scene.flood_sent.max(1) as f64;
    scene.outcome
}

impl Scene<'_> {
    fn handle(&mut self, event: Event) {
        match event {
            Event::Visit => self.visit(),
            Event::Send(mut ask) => {
                self.next += 1;
                ask.id = self.next;
                self.send(ask, ROUND_TRIP_NS / 2);
            }
            Event::Arrive(ask) => self.arrive(ask),
            Event::Served(ask, since) => self.served(ask, since),
            Event::NextPage(who) => self.next_page(who),
            Event::Token(who, token) => self.actors[who].token = Some(token),
            Event::Worked(ask, puzzle) => {
                let token = self.edge.worked(&ask, &puzzle, self.now);
                self.try_again(ask, token, ROUND_TRIP_NS / 2);
            }
            Event::SatOut(ask, puzzle) => {
                let token = self.edge.sat_out(&ask, &puzzle, self.now);
                self.try_again(ask, token, ROUND_TRIP_NS / 2);
            }
            Event::FloodTick => self.flood(),
            Event::Poll => {
                let since = self.since_onset_s();
                if !matches!(self.options.flood, Flood::None | Flood::Crowd) && since >= 1.0 {
                    let onset = START.plus_ns(self.options.calm_s * SECOND_NS);
                    self.edge.trouble(onset, self.now);
                }
                self.poll();
                self.after_s(0.005, Event::Poll);
            }
        }
    }

    fn since_onset_s(&self) -> f64 {
        self.now.since_s(START) - self.options.calm_s as f64
    }

    fn random(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        hash::mix(self.dice)
    }

    fn unit(&mut self) -> f64 {
        (self.random() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        median * math::exp(sigma * normal)
    }

    fn after_s(&mut self, seconds: f64, event: Event) {
        self.next += 1;
        let at = self.now.plus_ns((seconds * SECOND_NS as f64) as i64);
        self.events.push(Reverse(Timed(at, self.next, event)));
    }

    fn actor(&mut self, is_person: bool) -> usize {
        let bits = self.random();
        self.actors.push(Actor {
            client: IpAddr::from((0x1000_0000 | bits as u32 & 0x7FFF_FFFF).to_be_bytes()),
            agent: AGENTS[(bits >> 40) as usize % AGENTS.len()],
            is_person,
            runs_scripts: is_person && (bits >> 48) % 100 >= 2,
            session: None,
            token: None,
            pages_left: 0,
            page: String::new(),
            first_visit: true,
        });
        self.actors.len() - 1
    }

    /// A third of the visits are by people who have been here before.
    fn visit(&mut self) {
        let is_crowd = self.options.flood == Flood::Crowd && self.since_onset_s() >= 0.0;
        let per_s = if is_crowd { 6.0 * self.options.visits_per_s } else { self.options.visits_per_s };
        let gap = -math::ln(1.0 - self.unit()) / per_s;
        self.after_s(gap, Event::Visit);
        if self.since_onset_s() > self.options.flood_s as f64 {
            return;
        }
        let returns = self.unit() < 1.0 / 3.0 && !is_crowd && self.people.len() > 100;
        let who = if returns {
            let earlier = self.people.len() - 50;
            let index = (self.random() % earlier as u64) as usize;
            let who = self.people[index];
            if self.actors[who].pages_left > 0 { self.stranger() } else { who }
        } else {
            self.stranger()
        };
        self.actors[who].pages_left = 1 + (-math::ln(1.0 - self.unit()) * 3.0) as u64;
        self.next_page(who);
    }

    fn stranger(&mut self) -> usize {
        let who = self.actor(true);
        self.people.push(who);
        who
    }

    fn next_page(&mut self, who: usize) {
        let actor = &mut self.actors[who];
        if actor.pages_left == 0 {
            return;
        }
        actor.pages_left -= 1;
        let number = self.random() % PAGES;
        let from = self.actors[who].page.clone();
        let referrer = if from.is_empty() { String::new() } else { format!("https://shop.example{from}") };
        self.ask(who, format!("/item/{number}"), referrer, true);
    }

    fn ask(&mut self, who: usize, path: String, referrer: String, is_page: bool) {
        self.next += 1;
        let actor = &self.actors[who];
        let ask = Ask {
            id: self.next,
            client: actor.client,
            agent: actor.agent,
            path,
            referrer,
            cookie: String::new(),
            is_page,
            who,
            clicked: self.now,
        };
        if self.counts(&ask) {
            self.outcome.asked += 1;
        }
        self.send(ask, ROUND_TRIP_NS / 2);
    }

    /// The cookies go with the request as they are when it is sent.
    fn send(&mut self, mut ask: Ask, after_ns: i64) {
        let actor = &self.actors[ask.who];
        let session = actor.session.iter().cloned();
        let token = actor.token.iter().map(|token| format!("seawall={token}"));
        ask.cookie = session.chain(token).collect::<Vec<_>>().join("; ");
        self.after_s(after_ns as f64 / 1e9, Event::Arrive(ask));
    }

    /// Whether a request counts for the outcome: a person's, asked from 3 s after the onset on.
    fn counts(&self, ask: &Ask) -> bool {
        let at = ask.clicked.since_s(START) - self.options.calm_s as f64;
        self.actors[ask.who].is_person && at >= 3.0 && at < self.options.flood_s as f64
    }

    fn arrive(&mut self, ask: Ask) {
        let reply = self.edge.arrive(&ask, self.now);
        self.reply(ask, reply);
    }

    fn poll(&mut self) {
        for (id, reply) in self.edge.poll(self.now) {
            if let Some(ask) = self.held.remove(&id) {
                self.reply(ask, reply);
            }
        }
    }

    fn reply(&mut self, ask: Ask, reply: Reply) {
        match reply {
            Reply::Hold => {
                self.held.insert(ask.id, ask);
            }
            Reply::Forward => {
                self.line.push_back((ask, self.now));
                self.work();
            }
            _ if !self.actors[ask.who].is_person && self.options.flood != Flood::Crafty => {
                self.mimic_goes_on(ask.who);
            }
            Reply::Refuse => self.refused(ask),
            Reply::Waiting { ticket } => {
                // The style sheet takes a round trip more and brings the cookie.
                self.after_s(2.0 * ROUND_TRIP_NS as f64 / 1e9, Event::Token(ask.who, ticket));
                self.try_again(ask, None, SECOND_NS + ROUND_TRIP_NS / 2);
            }
            Reply::Challenge { puzzle } if self.actors[ask.who].runs_scripts => {
                let work = self.log_normal(0.25, 0.6) + 2.0 * ROUND_TRIP_NS as f64 / 1e9;
                self.after_s(work, Event::Worked(ask, puzzle));
            }
            Reply::Challenge { puzzle } => self.after_s(5.0, Event::SatOut(ask, puzzle)),
        }
    }

    fn try_again(&mut self, ask: Ask, token: Option<String>, after_ns: i64) {
        if let Some(token) = token {
            self.actors[ask.who].token = Some(token);
        }
        if self.now.since_s(ask.clicked) > PATIENCE_S {
            return self.refused(ask);
        }
        self.after_s(after_ns as f64 / 1e9, Event::Send(ask));
    }

    fn refused(&mut self, ask: Ask) {
        if self.counts(&ask) {
            self.outcome.refused += 1;
        }
        if !self.actors[ask.who].is_person {
            return self.mimic_goes_on(ask.who);
        }
        if ask.is_page {
            let pause = self.log_normal(8.0, 0.6);
            self.after_s(pause, Event::NextPage(ask.who));
        }
    }

    /// The upstream takes the next requests that it has workers for.
    fn work(&mut self) {
        while self.busy < self.options.workers {
            let Some((ask, since)) = self.line.pop_front() else { return };
            self.busy += 1;
            let median = if ask.is_page { PAGE_MEDIAN_S } else { PART_MEDIAN_S };
            let seconds = self.log_normal(median, SPREAD);
            self.after_s(seconds, Event::Served(ask, since));
        }
    }

    fn served(&mut self, ask: Ask, since: Timestamp) {
        self.busy -= 1;
        let latency_ns = self.now.since_ns(since).max(0) as u64;
        let gives_session = ask.is_page && self.actors[ask.who].session.is_none();
        let session = gives_session.then(|| format!("session={:016x}", hash::mix(ask.who as u64)));
        self.edge.done(&ask, latency_ns, session.as_deref(), self.now);
        self.work();
        self.poll();
        let who = ask.who;
        if let Some(session) = session {
            self.actors[who].session = Some(session);
        }
        if !self.actors[who].is_person {
            self.flood_served += 1;
            return self.mimic_goes_on(who);
        }
        self.answered(&ask);
        if !ask.is_page {
            return;
        }
        self.actors[who].page = ask.path.clone();
        let referrer = format!("https://shop.example{}", ask.path);
        for part in 0..PARTS {
            self.ask(who, format!("/static/{part}.css"), referrer.clone(), false);
        }
        let pause = self.log_normal(8.0, 0.6);
        self.after_s(pause, Event::NextPage(who));
    }

    fn answered(&mut self, ask: &Ask) {
        let seconds = self.now.since_s(ask.clicked) + ROUND_TRIP_NS as f64 / 2e9;
        let is_first = std::mem::replace(&mut self.actors[ask.who].first_visit, false);
        if self.counts(ask) {
            self.outcome.in_time += u64::from(seconds <= 2.0);
            if ask.is_page {
                let list =
                    if is_first { &mut self.outcome.first_pages } else { &mut self.outcome.other_pages };
                list.push(seconds);
            }
        } else if ask.is_page && self.now.since_s(START) < self.options.calm_s as f64 {
            self.outcome.calm_pages.push(seconds);
        }
    }

    /// Ten times what the upstream can make, in steps of 10 ms.
    fn flood(&mut self) {
        let since = self.since_onset_s();
        if matches!(self.options.flood, Flood::None | Flood::Crowd) || since >= self.options.flood_s as f64 {
            return;
        }
        self.after_s(0.01, Event::FloodTick);
        let mean_s = PAGE_MEDIAN_S * math::exp(SPREAD * SPREAD / 2.0);
        let per_s = self.options.workers as f64 / mean_s * self.options.times_capacity;
        match self.options.flood {
            Flood::None | Flood::Crowd => {}
            Flood::Distributed => {
                self.flood_owed += per_s * 0.01 / 2.0;
                while self.flood_owed >= 1.0 {
                    self.flood_owed -= 1.0;
                    let who = self.actor(false);
                    // One to three pages, over some seconds.
                    for n in 0..1 + self.random() % 3 {
                        let delay = n as f64 * (0.2 + 3.0 * self.unit());
                        self.actors[who].pages_left = 0;
                        self.flood_sent += 1;
                        let number = self.random() % PAGES;
                        self.next += 1;
                        let ask = Ask {
                            id: self.next,
                            client: self.actors[who].client,
                            agent: self.actors[who].agent,
                            path: format!("/item/{number}"),
                            referrer: "https://shop.example/".into(),
                            cookie: String::new(),
                            is_page: true,
                            who,
                            clicked: self.now,
                        };
                        self.after_s(delay, Event::Arrive(ask));
                    }
                }
            }
            Flood::Mimics | Flood::Crafty => {
                // Each walks on for the whole flood with 2.5 s between its pages.
                let wanted = per_s * 2.5;
                let step = wanted * 0.01;
                if since < 1.0 {
                    self.flood_owed += step;
                    while self.flood_owed >= 1.0 {
                        self.flood_owed -= 1.0;
                        let who = self.actor(false);
                        self.actors[who].pages_left = u64::MAX;
                        self.flood_sent += 1;
                        self.next_page(who);
                    }
                }
            }
        }
    }

    /// Mimics keep the cookies that answers set, and take no notice of what a page says.
    fn mimic_goes_on(&mut self, who: usize) {
        if self.actors[who].pages_left > 0 && self.since_onset_s() < self.options.flood_s as f64 {
            let pause = 1.0 + 3.0 * self.unit();
            self.flood_sent += 1;
            self.after_s(pause, Event::NextPage(who));
        }
    }
}
