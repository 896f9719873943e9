//! An HTTP scene and the loop that plays it: actors come, act in the order of time, and go.

use super::actor::{Actor, Ask, Piece, Reply};
use super::agents::{Agent, AgentPool, JA4, Who, family};
use super::behaviour::Behaviour;
use super::fault::Fault;
use super::server::{Job, Served, Server, ServerModel};
use super::site::{Site, Work};
use super::view::View;
use crate::episode::{MAX_OBSERVATIONS, Origin};
use crate::rng::Rng;
use crate::world::{Agenda, Envelope, Networks, Span, Text, Timing};
use seawall_model::Timestamp;
use seawall_model::hash;
use seawall_model::observation::{
    BackendEvent, BackendEventKind, CacheResult, Connection, ConnectionEvent, Ending, HttpVersion, Method,
    Observation, Presence, Request,
};
use seawall_model::time::SECOND_NS;
use std::net::{IpAddr, Ipv4Addr};

pub(crate) type Sink<'s> = &'s mut dyn FnMut(&Observation<'_>, Origin);

/// How the actors of a group come.
#[derive(Clone, Debug)]
pub enum Joining {
    /// At random, so many per second at the envelope's peak.
    Arrivals { per_s: f64, envelope: Envelope },
    /// A fixed number, spread over a span.
    Cohort { count: u32, from_s: f64, over_s: f64 },
}

/// Actors of one kind.
#[derive(Clone, Debug)]
pub struct Group {
    pub joining: Joining,
    pub behaviour: Behaviour,
    pub origin: Origin,
    pub networks: Networks,
    pub who: Who,
}

/// A line in which the balancer speaks of its servers.
#[derive(Clone, Debug)]
pub struct ServerLine {
    pub at_s: f64,
    pub kind: BackendEventKind,
    pub server: u32,
    pub text: &'static str,
}

/// All there is in an HTTP episode.
#[derive(Clone, Debug)]
pub struct HttpScene {
    pub seed: u64,
    pub timing: Timing,
    pub text: Text,
    pub site: Site,
    pub pool: AgentPool,
    pub view: View,
    pub server: ServerModel,
    pub faults: Vec<Fault>,
    pub groups: Vec<Group>,
    /// In time order.
    pub server_lines: Vec<ServerLine>,
    /// Family of the fingerprint that bots show which do not imitate browsers.
    pub bot_fingerprint: u8,
    /// The log names this address as the client of all requests (a proxy hides them).
    pub hidden_behind: Option<IpAddr>,
}

impl HttpScene {
    pub(crate) fn play(&self, sink: Sink<'_>) {
        World::new(self).run(sink);
    }
}

/// Names of servers in balancers' logs.
const SERVER_NAMES: [&str; 8] = ["web1", "web2", "web3", "web4", "web5", "web6", "web7", "web8"];

/// Time played before the episode and not told, so that it begins in the middle of things.
const WARM_UP_NS: i64 = 60 * SECOND_NS;

pub(crate) struct World<'a> {
    pub(crate) scene: &'a HttpScene,
    pub(crate) rng: Rng,
    pub(crate) scratch: Vec<u8>,
    server: Server<'a>,
    agenda: Agenda,
    actors: Vec<Actor>,
    free: Vec<u32>,
    /// Actors spawned, by group.
    spawned: Vec<u32>,
    emitted: u64,
    lines: std::slice::Iter<'a, ServerLine>,
    next_line: Option<&'a ServerLine>,
}

impl<'a> World<'a> {
    fn new(scene: &'a HttpScene) -> Self {
        let mut lines = scene.server_lines.iter();
        let next_line = lines.next();
        Self {
            scene,
            rng: Rng::new(scene.seed ^ 0x5EA3_A110),
            scratch: Vec::with_capacity(256),
            server: Server::new(&scene.server, &scene.faults, scene.site.pages.len()),
            agenda: Agenda::default(),
            actors: Vec::new(),
            free: Vec::new(),
            spawned: vec![0; scene.groups.len()],
            emitted: 0,
            lines,
            next_line,
        }
    }

    fn run(&mut self, sink: Sink<'_>) {
        let groups = self.scene.groups.len() as u32;
        for g in 0..groups {
            self.schedule_joining(g, -WARM_UP_NS);
        }
        let stop_ns = (self.scene.timing.length_s * SECOND_NS as f64) as i64;
        while let Some((at_ns, id)) = self.agenda.next() {
            if at_ns >= stop_ns || self.emitted >= MAX_OBSERVATIONS {
                break;
            }
            self.tell_lines(at_ns, sink);
            if id < groups {
                self.join(id, at_ns, groups);
                continue;
            }
            let slot = (id - groups) as usize;
            let mut actor = self.actors[slot];
            let next = self.act(&mut actor, at_ns, sink);
            self.actors[slot] = actor;
            match next {
                Some(next_ns) => self.agenda.enter(next_ns.max(at_ns), id),
                None => self.free.push(slot as u32),
            }
        }
    }

    fn act(&mut self, actor: &mut Actor, at_ns: i64, sink: Sink<'_>) -> Option<i64> {
        let scene = self.scene;
        match &scene.groups[usize::from(actor.group)].behaviour {
            Behaviour::People(people) => self.act_people(people, actor, at_ns, sink),
            Behaviour::App(app) => self.act_app(app, actor, at_ns, sink),
            Behaviour::Walker(walker) => self.act_walker(walker, actor, at_ns, sink),
            Behaviour::Periodic(periodic) => self.act_periodic(periodic, actor, at_ns, sink),
            Behaviour::Bot(bot) => self.act_bot(bot, actor, at_ns, sink),
            Behaviour::Slow(slow) => self.act_slow(slow, actor, at_ns, sink),
            Behaviour::Resetter(resetter) => self.act_resetter(resetter, actor, at_ns, sink),
        }
    }

    /// Puts the next arrival of a group on the agenda.
    fn schedule_joining(&mut self, group: u32, after_ns: i64) {
        match &self.scene.groups[group as usize].joining {
            Joining::Arrivals { per_s, envelope } => {
                let until_s = self.scene.timing.length_s;
                if let Some(at_ns) = envelope.next_event_ns(after_ns, *per_s, until_s, &mut self.rng) {
                    self.agenda.enter(at_ns, group);
                }
            }
            Joining::Cohort { count, from_s, over_s } => {
                let done = self.spawned[group as usize];
                if done < *count {
                    let share = (f64::from(done) + self.rng.unit()) / f64::from(*count);
                    let at_ns = ((from_s + over_s * share) * SECOND_NS as f64) as i64;
                    self.agenda.enter(at_ns.max(after_ns), group);
                }
            }
        }
    }

    fn join(&mut self, group: u32, at_ns: i64, groups: u32) {
        self.spawned[group as usize] += 1;
        let actor = self.new_actor(group as u16);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.actors[slot as usize] = actor;
                slot
            }
            None => {
                self.actors.push(actor);
                self.actors.len() as u32 - 1
            }
        };
        self.agenda.enter(at_ns, groups + slot);
        self.schedule_joining(group, at_ns);
    }

    fn new_actor(&mut self, group: u16) -> Actor {
        let scene = self.scene;
        let g = &scene.groups[usize::from(group)];
        let agent = match &g.who {
            Who::Browser => Some(scene.pool.popular_browser(&mut self.rng)),
            Who::OneOf(list) | Who::Rotating(list) => Some(*self.rng.pick(list)),
            Who::Nothing => None,
        };
        let mut actor = Actor {
            group,
            client: g.networks.draw(&mut self.rng),
            agent,
            version: 0,
            fingerprint: None,
            page: 0,
            previous: None,
            asset_next: 0,
            asset_end: 0,
            left: 0,
            tries: 0,
            returning: false,
            warm: false,
            flag: false,
            pace: 0.0,
        };
        self.prepare(&g.behaviour, &mut actor, self.spawned[usize::from(group)]);
        actor
    }

    fn prepare(&mut self, behaviour: &Behaviour, actor: &mut Actor, number: u32) {
        let rng = &mut self.rng;
        match behaviour {
            Behaviour::People(p) => {
                actor.left = rng.geometric(p.pages_mean);
                actor.returning = rng.chance(p.returning);
                actor.warm = actor.returning && rng.chance(0.85);
                actor.flag = rng.chance(p.without_assets);
                actor.version = u8::from(rng.chance(0.85));
            }
            Behaviour::App(a) => {
                actor.left = rng.geometric(a.calls_mean);
                actor.returning = rng.chance(0.9);
                actor.flag = a.loops.is_some_and(|l| rng.chance(l.share));
                actor.version = 1;
            }
            Behaviour::Walker(w) => {
                actor.left = w.requests;
                let pages = self.scene.site.pages.len().max(1) as u64;
                actor.page = rng.below(pages) as u32;
                actor.flag = w.robots_first;
            }
            Behaviour::Periodic(p) => actor.pace = p.period_s,
            Behaviour::Bot(b) => {
                actor.left = b.requests;
                actor.pace = rng.log_normal(1.0, 0.3);
                actor.flag = true;
                actor.version = u8::from(b.real_fingerprint && rng.chance(0.8));
                if !b.real_fingerprint {
                    actor.fingerprint = Some(self.scene.bot_fingerprint);
                }
            }
            Behaviour::Slow(_) => {}
            Behaviour::Resetter(_) => actor.version = 1,
        }
        actor.previous = None;
        actor.tries = (number & 0x7) as u8;
    }

    /// The agent that the actor shows this time.
    pub(crate) fn agent_now(&mut self, actor: &Actor) -> Option<Agent> {
        match &self.scene.groups[usize::from(actor.group)].who {
            Who::Rotating(list) => Some(*self.rng.pick(list)),
            _ => actor.agent,
        }
    }

    /// Sends a request through the server and tells it to the sink.
    pub(crate) fn send(&mut self, actor: &Actor, ask: &Ask, at_ns: i64, sink: Sink<'_>) -> Reply {
        let now_us = at_ns as f64 / 1_000.0;
        let mut served = match ask.ends {
            Some((ending, after_us)) => Served {
                failure: ask.status,
                wait_us: 0.0,
                work_us: after_us,
                transfer_us: 0.0,
                server: 0,
                ending,
                cache: CacheResult::Unknown,
            },
            None => {
                let job = Job {
                    work: ask.work,
                    page: ask.page,
                    cacheable: ask.cacheable && ask.status == 200,
                    bytes: if ask.status == 200 { ask.bytes } else { 0.0 },
                };
                self.server.serve(now_us, job, &mut self.rng)
            }
        };
        if served.total_us() > ask.patience_us && ask.ends.is_none() {
            served.failure = 499;
            served.ending = Ending::ClientAborted;
            served.work_us = (ask.patience_us - served.wait_us).max(0.0);
            served.transfer_us = 0.0;
        }
        let took_us = served.total_us();
        let status = if served.failure == 0 { ask.status } else { served.failure };
        self.tell(actor, ask, &served, status, at_ns, sink);
        Reply { status, end_ns: at_ns + (took_us * 1_000.0) as i64, took_us }
    }

    fn tell(&mut self, actor: &Actor, ask: &Ask, served: &Served, status: u16, at_ns: i64, sink: Sink<'_>) {
        let agent = self.agent_now(actor);
        let open = if self.scene.view.backend {
            Some(self.server.open_connections(at_ns as f64 / 1_000.0, served.total_us()))
        } else {
            None
        };
        let scene = self.scene;
        let origin = match &scene.groups[usize::from(actor.group)].behaviour {
            // a looping app is unwanted only while it loops
            Behaviour::App(app) if app.loops.is_some() && actor.tries < 200 => Origin::Normal,
            _ => scene.groups[usize::from(actor.group)].origin,
        };
        if at_ns < 0 {
            return;
        }
        let request = self.request(actor, ask, served, status, agent, at_ns, open);
        sink(&Observation::Request(request), origin);
        self.emitted += 1;
    }

    #[allow(clippy::too_many_arguments, reason = "each is a separate fact of the one request that is told")]
    fn request<'b>(
        &'b self,
        actor: &Actor,
        ask: &Ask,
        served: &Served,
        status: u16,
        agent: Option<Agent>,
        at_ns: i64,
        open: Option<u32>,
    ) -> Request<'b> {
        let scene = self.scene;
        let view = &scene.view;
        let mut r = Request::new(self.stamp(at_ns), scene.hidden_behind.unwrap_or(actor.client));
        r.method = ask.method;
        r.path = self.piece(ask.path);
        r.query = ask.query.map(|q| self.piece(q));
        r.version = version_of(actor.version, view);
        r.status = status;
        r.malformed = ask.malformed;
        if ask.malformed {
            r.method = Method::Other;
            r.version = HttpVersion::Unknown;
        }
        r.response_bytes = response_bytes(ask, status);
        if view.agents {
            r.user_agent = agent.map_or(b"", |a| scene.text.get(a.text));
            r.referrer = self.piece(ask.referrer);
        }
        if view.host {
            r.host = scene.text.get(scene.site.hosts[usize::from(ask.host) % scene.site.hosts.len()]);
        }
        if view.durations {
            r.duration_us = Some(served.total_us() as u64);
            r.upstream_us =
                (served.cache != CacheResult::Hit).then_some((served.wait_us + served.work_us) as u64);
        }
        if view.headers {
            let family = family_of(actor, agent);
            r.cookie = presence(ask.cookie);
            r.accept_language = presence(ask.accept_language);
            r.header_order = hash::combine(0x4845_4144, u64::from(family) * 4 + u64::from(ask.cookie));
            if ask.request_bytes > 0 {
                r.request_bytes = Some(ask.request_bytes + 500);
            }
        }
        if view.ja4 {
            r.ja4 = JA4[usize::from(family_of(actor, agent))].as_bytes();
        }
        if view.cache {
            r.cache = cache_result(scene.server.cache_s > 0.0, ask, served.cache);
        }
        if view.backend {
            self.add_backend(&mut r, served, open);
        }
        r
    }

    fn add_backend<'b>(&'b self, r: &mut Request<'b>, served: &Served, open: Option<u32>) {
        r.backend = b"app";
        if served.cache != CacheResult::Hit {
            let name = SERVER_NAMES[served.server as usize % SERVER_NAMES.len()];
            let reached = !matches!(served.ending, Ending::QueueTimedOut | Ending::ClientTimedOut);
            r.server = if reached { name.as_bytes() } else { b"" };
        }
        r.queue_us = Some(served.wait_us as u64);
        r.ending = served.ending;
        r.open_connections = open;
    }

    fn stamp(&self, at_ns: i64) -> Timestamp {
        let exact = self.scene.timing.start.plus_ns(at_ns);
        if self.scene.view.whole_seconds { exact.floor_to(SECOND_NS) } else { exact }
    }

    #[inline]
    fn piece(&self, piece: Piece) -> &[u8] {
        match piece {
            Piece::None => b"",
            Piece::Fixed(span) => self.text(span),
            Piece::Scratch(from, to) => &self.scratch[from as usize..to as usize],
        }
    }

    #[inline]
    fn text(&self, span: Span) -> &[u8] {
        self.scene.text.get(span)
    }

    pub(crate) fn tell_reset(&mut self, actor: &Actor, at_ns: i64, sink: Sink<'_>) {
        let event = Connection {
            time: self.stamp(at_ns),
            event: ConnectionEvent::Http2Abuse,
            client: actor.client,
            server: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10)),
            client_port: 40_000 + (actor.page % 20_000) as u16,
            server_port: 443,
            client_bytes: 90,
            server_bytes: 0,
            duration_us: 400,
            requests: actor.page,
            ja4: 0,
        };
        sink(&Observation::Connection(event), Origin::Unwanted);
        self.emitted += 1;
    }

    fn tell_lines(&mut self, at_ns: i64, sink: Sink<'_>) {
        while let Some(line) = self.next_line.filter(|l| l.at_s * SECOND_NS as f64 <= at_ns as f64) {
            let event = BackendEvent {
                time: self.stamp((line.at_s * SECOND_NS as f64) as i64),
                kind: line.kind,
                backend: b"app",
                server: SERVER_NAMES[line.server as usize % SERVER_NAMES.len()].as_bytes(),
                text: line.text.as_bytes(),
            };
            sink(&Observation::Backend(event), Origin::Normal);
            self.emitted += 1;
            self.next_line = self.lines.next();
        }
    }
}

fn family_of(actor: &Actor, agent: Option<Agent>) -> u8 {
    actor.fingerprint.or(agent.map(|a| a.family)).unwrap_or(family::PYTHON)
}

fn cache_result(has_cache: bool, ask: &Ask, result: CacheResult) -> CacheResult {
    let never = ask.method == Method::Post || matches!(ask.work, Work::Login | Work::Api | Work::Report);
    match (has_cache, never) {
        (false, _) => CacheResult::Unknown,
        (true, true) => CacheResult::Bypass,
        (true, false) => result,
    }
}

fn presence(there: bool) -> Presence {
    if there { Presence::Present } else { Presence::Absent }
}

fn version_of(code: u8, view: &View) -> HttpVersion {
    match code {
        0 => HttpVersion::Http11,
        2 => HttpVersion::Http10,
        // a balancer's log in front of HTTP/1 servers names what the client spoke
        _ if view.whole_seconds || view.headers => HttpVersion::Http2,
        _ => HttpVersion::Http11,
    }
}

fn response_bytes(ask: &Ask, status: u16) -> u64 {
    match status {
        200..=299 => ask.bytes as u64,
        304 | 408 | 499 => 0,
        300..=399 => 154,
        500..=599 => 497,
        _ => 1_245,
    }
}
