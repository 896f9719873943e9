//! A DNS scene and the loop that plays it: askers of several kinds against one server.

use super::zone::Zone;
use crate::episode::{MAX_OBSERVATIONS, Origin};
use crate::rng::Rng;
use crate::world::{Agenda, Envelope, Text, Timing, WORDS, random_word};
use seawall_model::Timestamp;
use seawall_model::observation::{Dns, Observation};
use seawall_model::time::SECOND_NS;
use std::net::IpAddr;

pub(crate) type Sink<'s> = &'s mut dyn FnMut(&Observation<'_>, Origin);

/// Who asks.
#[derive(Clone, Debug)]
pub enum Asker {
    /// One of these, by even chance.
    These(Vec<IpAddr>),
    /// Any address (forged).
    Anyone,
}

/// Which names are asked for.
#[derive(Clone, Copy, Debug)]
pub enum NameStyle {
    /// Real names by popularity, of the zone with this number.
    Popular { zone: usize },
    /// A random first label under the zone's apex.
    RandomLabel { zone: usize, style: u8, low: u8, high: u8 },
    /// Made of words that exist, but no name of the zone.
    Coined { zone: usize },
    /// Data in labels, as tunnels send it.
    Tunnel { zone: usize, bytes: u8 },
    /// The apex itself.
    Apex { zone: usize },
    /// Reversed addresses, as mail servers look up.
    Reverse,
    /// The address's name in a block list.
    BlockList,
}

/// What is asked and answered.
#[derive(Clone, Debug)]
pub struct Ask {
    pub names: NameStyle,
    /// Types by even chance.
    pub types: &'static [u16],
    /// NXDOMAIN share of answers.
    pub not_found: f64,
    /// SERVFAIL share of answers.
    pub fails: f64,
    /// Share without any answer.
    pub unanswered: f64,
    pub answer_bytes: (u32, u32),
    pub recursion_desired: f64,
    pub over_tcp: f64,
    pub response_ms: f64,
    /// Asked again so many times when there is no good answer.
    pub retries: u32,
}

/// Askers of one kind.
#[derive(Clone, Debug)]
pub struct Stream {
    pub asker: Asker,
    pub ask: Ask,
    pub origin: Origin,
    pub per_s: f64,
    pub envelope: Envelope,
}

/// All there is in a DNS episode.
#[derive(Clone, Debug)]
pub struct DnsScene {
    pub seed: u64,
    pub timing: Timing,
    pub text: Text,
    pub zones: Vec<Zone>,
    pub server: IpAddr,
    pub streams: Vec<Stream>,
    /// A query log has no answers.
    pub queries_only: bool,
    /// The service's answers fail or fall away while this is above 0.
    pub outage: Envelope,
}

impl DnsScene {
    pub(crate) fn play(&self, sink: Sink<'_>) {
        World::new(self).run(sink);
    }
}

/// A query to be repeated, or an answer on its way.
#[derive(Clone, Copy, Debug)]
struct Later {
    stream: u16,
    client: IpAddr,
    client_port: u16,
    name: (u32, u16),
    query_type: u16,
    over_tcp: bool,
    recursion_desired: bool,
    query_bytes: u32,
    asked_ns: i64,
    /// `None`: ask again.
    answer: Option<(u8, u32)>,
    tries: u32,
}

struct World<'a> {
    scene: &'a DnsScene,
    rng: Rng,
    agenda: Agenda,
    later: Vec<Later>,
    free: Vec<u32>,
    /// Names of what is on its way, in fixed places.
    names: Vec<u8>,
    scratch: Vec<u8>,
    emitted: u64,
}

/// Bytes kept for each name on its way; the longest name has 253.
const NAME_ROOM: usize = 256;
const FIRST_LATER: u32 = 64;

impl<'a> World<'a> {
    fn new(scene: &'a DnsScene) -> Self {
        Self {
            scene,
            rng: Rng::new(scene.seed ^ 0xD25),
            agenda: Agenda::default(),
            later: Vec::new(),
            free: Vec::new(),
            names: Vec::new(),
            scratch: Vec::with_capacity(NAME_ROOM),
            emitted: 0,
        }
    }

    fn run(&mut self, sink: Sink<'_>) {
        for i in 0..self.scene.streams.len() as u32 {
            self.schedule(i, 0);
        }
        let stop_ns = (self.scene.timing.length_s * SECOND_NS as f64) as i64;
        while let Some((at_ns, id)) = self.agenda.next() {
            if at_ns >= stop_ns || self.emitted >= MAX_OBSERVATIONS {
                break;
            }
            if id < FIRST_LATER {
                self.ask(id, at_ns, sink);
                self.schedule(id, at_ns);
            } else {
                self.happen(id - FIRST_LATER, at_ns, sink);
            }
        }
    }

    fn schedule(&mut self, stream: u32, after_ns: i64) {
        let s = &self.scene.streams[stream as usize];
        let until_s = self.scene.timing.length_s;
        if let Some(at_ns) = s.envelope.next_event_ns(after_ns, s.per_s, until_s, &mut self.rng) {
            self.agenda.enter(at_ns, stream);
        }
    }

    fn ask(&mut self, stream: u32, at_ns: i64, sink: Sink<'_>) {
        let s = &self.scene.streams[stream as usize];
        let client = match &s.asker {
            Asker::These(list) => *self.rng.pick(list),
            Asker::Anyone => IpAddr::V4(crate::world::public_v4(&mut self.rng)),
        };
        self.coin(s.ask.names);
        let query = Later {
            stream: stream as u16,
            client,
            client_port: self.rng.between(1_024, 65_535) as u16,
            name: (0, self.scratch.len() as u16),
            query_type: *self.rng.pick(s.ask.types),
            over_tcp: self.rng.chance(s.ask.over_tcp),
            recursion_desired: self.rng.chance(s.ask.recursion_desired),
            query_bytes: 12 + self.scratch.len() as u32 + 6 + 11,
            asked_ns: at_ns,
            answer: None,
            tries: 0,
        };
        self.query(query, at_ns, sink);
    }

    /// Tells the query whose name is in the scratch, and puts what follows on the agenda.
    fn query(&mut self, q: Later, at_ns: i64, sink: Sink<'_>) {
        let s = &self.scene.streams[usize::from(q.stream)];
        let d = message(&q, self.scene, &self.scratch, at_ns, None);
        sink(&Observation::Dns(d), s.origin);
        self.emitted += 1;
        let outage = self.scene.outage.at(at_ns as f64 / SECOND_NS as f64);
        let fate = self.rng.unit();
        let ask = &s.ask;
        let code = if self.rng.chance(outage) || fate < ask.unanswered {
            None
        } else if fate < ask.unanswered + ask.fails {
            Some(2)
        } else if fate < ask.unanswered + ask.fails + ask.not_found {
            Some(3)
        } else {
            Some(0)
        };
        if let Some(code) = code.filter(|_| !self.scene.queries_only) {
            let bytes = if code == 0 {
                self.rng.between(ask.answer_bytes.0.into(), ask.answer_bytes.1.into()) as u32
            } else {
                q.query_bytes + 60
            };
            let delay_ns = (self.rng.log_normal(ask.response_ms, 0.5) * 1e6) as i64;
            self.put(Later { answer: Some((code, bytes)), ..q }, at_ns + delay_ns);
        }
        if code != Some(0) && code != Some(3) && q.tries < ask.retries {
            let wait_ns = self.rng.between(400_000_000, 3_000_000_000) as i64;
            self.put(
                Later { tries: q.tries + 1, asked_ns: at_ns + wait_ns, answer: None, ..q },
                at_ns + wait_ns,
            );
        }
    }

    fn happen(&mut self, slot: u32, at_ns: i64, sink: Sink<'_>) {
        let l = self.later[slot as usize];
        let from = slot as usize * NAME_ROOM;
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.names[from..from + usize::from(l.name.1)]);
        self.free.push(slot);
        if l.answer.is_none() {
            self.query(l, at_ns, sink);
            return;
        }
        let d = message(&l, self.scene, &self.scratch, at_ns, l.answer);
        sink(&Observation::Dns(d), self.scene.streams[usize::from(l.stream)].origin);
        self.emitted += 1;
    }

    fn put(&mut self, l: Later, at_ns: i64) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.later[slot as usize] = l;
                slot
            }
            None => {
                self.later.push(l);
                self.names.resize(self.later.len() * NAME_ROOM, 0);
                self.later.len() as u32 - 1
            }
        };
        let from = slot as usize * NAME_ROOM;
        let n = self.scratch.len().min(NAME_ROOM);
        self.names[from..from + n].copy_from_slice(&self.scratch[..n]);
        self.agenda.enter(at_ns, FIRST_LATER + slot);
    }

    /// Writes a name into the scratch.
    fn coin(&mut self, style: NameStyle) {
        self.scratch.clear();
        let scene = self.scene;
        let rng = &mut self.rng;
        let out = &mut self.scratch;
        let zone = match style {
            NameStyle::Popular { zone } => {
                let z = &scene.zones[zone];
                out.extend_from_slice(scene.text.get(z.names[z.popularity.draw(rng)]));
                return;
            }
            NameStyle::Reverse => return reversed(rng, out, b"in-addr.arpa"),
            NameStyle::BlockList => return reversed(rng, out, b"bl.reputation.example"),
            NameStyle::Apex { zone } => zone,
            NameStyle::RandomLabel { zone, style, low, high } => {
                let length = rng.between(u64::from(low), u64::from(high)) as usize;
                random_word(rng, style, length, out);
                out.make_ascii_lowercase();
                out.push(b'.');
                zone
            }
            NameStyle::Coined { zone } => {
                out.extend_from_slice(rng.pick(&WORDS).as_bytes());
                out.extend_from_slice(rng.pick(&WORDS).as_bytes());
                random_word(rng, 4, 2, out);
                out.push(b'.');
                zone
            }
            NameStyle::Tunnel { zone, bytes } => {
                let mut left = usize::from(bytes);
                while left > 0 {
                    let n = left.min(60);
                    random_word(rng, 2, n, out);
                    out.push(b'.');
                    left -= n;
                }
                out.make_ascii_lowercase();
                zone
            }
        };
        out.extend_from_slice(scene.text.get(scene.zones[zone].apex));
    }
}

fn reversed(rng: &mut Rng, out: &mut Vec<u8>, suffix: &[u8]) {
    for _ in 0..4 {
        let n = rng.below(256) as u8;
        if n >= 100 {
            out.push(b'0' + n / 100);
        }
        if n >= 10 {
            out.push(b'0' + n / 10 % 10);
        }
        out.push(b'0' + n % 10);
        out.push(b'.');
    }
    out.extend_from_slice(suffix);
}

fn message<'n>(
    l: &Later,
    scene: &DnsScene,
    name: &'n [u8],
    at_ns: i64,
    answer: Option<(u8, u32)>,
) -> Dns<'n> {
    let time: Timestamp = scene.timing.start.plus_ns(at_ns);
    let (response_code, message_bytes) = answer.unwrap_or((0, l.query_bytes));
    Dns {
        time,
        client: l.client,
        server: scene.server,
        client_port: l.client_port,
        is_response: answer.is_some(),
        over_tcp: l.over_tcp,
        name,
        query_type: l.query_type,
        opcode: 0,
        response_code,
        authoritative: answer.is_some(),
        truncated: false,
        recursion_desired: l.recursion_desired,
        records: if answer.is_some() && response_code == 0 { (message_bytes / 60) as u16 + 1 } else { 0 },
        message_bytes,
        unsolicited: false,
        response_us: answer.map(|_| ((at_ns - l.asked_ns) / 1_000) as u64),
        malformed: false,
    }
}
