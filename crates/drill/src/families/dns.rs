//! Name servers: attacked, abused, and merely busy.

use crate::dns::{Ask, Asker, DnsScene, NameStyle, Stream, Zone};
use crate::episode::{Draft, Origin, Scene, Truth};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Text, Timing, internal_v4, public_v4};
use seawall_model::Cause;
use seawall_model::change::{Change, ChangeKind};
use std::net::IpAddr;

const ADDRESSES: &[u16] = &[1, 1, 1, 28];
const EVERYDAY: &[u16] = &[1, 1, 1, 1, 28, 28, 15, 16, 2, 65];
const LARGE: &[u16] = &[255, 255, 16, 48];

struct DnsDraft {
    seed: u64,
    rng: Rng,
    timing: Timing,
    text: Text,
    zones: Vec<Zone>,
    streams: Vec<Stream>,
    resolvers: Vec<IpAddr>,
    base_per_s: f64,
    queries_only: bool,
    outage: Envelope,
    changes: Vec<Change>,
    /// Our users ask us, rather than the world's resolvers.
    is_resolver: bool,
}

/// Queries that an attack may make in an episode, about; answers come on top.
const TROUBLE_BUDGET: f64 = 45_000.0;

impl DnsDraft {
    fn new(seed: u64, timing: Timing, mut rng: Rng) -> Self {
        let mut text = Text::default();
        let names = rng.log_uniform(5.0, 600.0) as usize;
        let zones =
            vec![Zone::new(&mut rng, &mut text, names), Zone::new(&mut rng, &mut text, names / 2 + 3)];
        let most = (12_000.0 / timing.length_s).clamp(3.0, 200.0);
        let is_resolver = rng.chance(0.25);
        let count = rng.log_uniform(10.0, 800.0) as usize;
        let resolvers = if is_resolver {
            (0..count).map(|_| IpAddr::V4(internal_v4(&mut rng))).collect()
        } else {
            let networks = Networks::access(&mut rng, count.min(300), 0.25);
            (0..count).map(|_| networks.draw(&mut rng)).collect()
        };
        Self {
            seed,
            base_per_s: rng.log_uniform(1.0, most),
            timing,
            text,
            zones,
            streams: Vec::new(),
            resolvers,
            queries_only: rng.chance(0.2),
            outage: Envelope::Step { from_s: 0.0, to_s: 0.0, inside: 0.0, outside: 0.0 },
            changes: Vec::new(),
            is_resolver,
            rng,
        }
    }

    fn usual(&mut self) {
        for zone in 0..2 {
            let per_s = self.base_per_s * if zone == 0 { 0.75 } else { 0.25 };
            let ask = self.ask(NameStyle::Popular { zone }, EVERYDAY);
            let day = Envelope::day(&mut self.rng, self.timing.length_s);
            let from = Asker::These(self.resolvers.clone());
            self.add(from, ask, Origin::Normal, per_s, day);
        }
        if self.rng.chance(0.7) {
            // names that people mistype and programs guess
            let ask = Ask { not_found: 1.0, ..self.ask(NameStyle::Coined { zone: 0 }, ADDRESSES) };
            let per_s = self.base_per_s * self.rng.uniform(0.01, 0.12);
            let day = Envelope::day(&mut self.rng, self.timing.length_s);
            let from = Asker::These(self.resolvers.clone());
            self.add(from, ask, Origin::Normal, per_s, day);
        }
    }

    fn ask(&mut self, names: NameStyle, types: &'static [u16]) -> Ask {
        let signed = self.zones[0].signed;
        Ask {
            names,
            types,
            not_found: 0.01,
            fails: 0.001,
            unanswered: 0.002,
            answer_bytes: if signed { (180, 900) } else { (60, 260) },
            recursion_desired: if self.is_resolver { 1.0 } else { 0.04 },
            over_tcp: 0.01,
            response_ms: if self.is_resolver { 8.0 } else { 0.3 },
            retries: 1,
        }
    }

    fn add(&mut self, asker: Asker, ask: Ask, origin: Origin, per_s: f64, envelope: Envelope) {
        self.streams.push(Stream { asker, ask, origin, per_s, envelope });
    }

    fn on(&self) -> Envelope {
        Envelope::On { from_s: self.timing.onset_s, to_s: self.timing.end_s, rise_s: 0.0 }
    }

    fn trouble_per_s(&mut self) -> f64 {
        let most = (TROUBLE_BUDGET / self.timing.trouble_s()).max(30.0);
        let least = (self.base_per_s * 2.0).clamp(15.0, most * 0.5);
        self.rng.log_uniform(least, most)
    }

    fn unwanted(&mut self, asker: Asker, ask: Ask, per_s: f64) {
        let envelope = self.on();
        self.add(asker, ask, Origin::Unwanted, per_s, envelope);
    }

    fn finish(self, truth: Truth) -> Draft {
        let scene = DnsScene {
            seed: self.seed,
            timing: self.timing,
            text: self.text,
            zones: self.zones,
            server: IpAddr::V4(public_v4(&mut Rng::new(self.seed ^ 53))),
            streams: self.streams,
            queries_only: self.queries_only,
            outage: self.outage,
        };
        Draft { truth, timing: self.timing, changes: self.changes, scene: Scene::Dns(Box::new(scene)) }
    }
}

fn draft(seed: u64, alone: f64) -> DnsDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, alone);
    let mut draft = DnsDraft::new(seed, timing, rng);
    draft.usual();
    draft
}

fn quiet(seed: u64) -> DnsDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::quiet(&mut rng);
    DnsDraft::new(seed, timing, rng)
}

fn finish(draft: DnsDraft, cause: Cause, vectors: &[&'static str], also: &[Cause]) -> Draft {
    let truth = Truth::new(cause, &draft.timing).vectors(vectors).or(also);
    draft.finish(truth)
}

/// Labels that nobody asked for before, through everybody's resolvers.
pub(super) fn random_subdomain(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.2);
    let low = draft.rng.between(4, 12) as u8;
    let high = low + draft.rng.below(12) as u8;
    let style = NameStyle::RandomLabel { zone: 0, style: draft.rng.below(4) as u8, low, high };
    water_torture(draft, style)
}

/// The same with labels made of words. Evaluation only.
pub(super) fn coined_subdomain(seed: u64) -> Draft {
    water_torture(draft(seed, 0.1), NameStyle::Coined { zone: 0 })
}

fn water_torture(mut draft: DnsDraft, style: NameStyle) -> Draft {
    let per_s = draft.trouble_per_s();
    let overloaded = if draft.rng.chance(0.4) { draft.rng.uniform(0.05, 0.6) } else { 0.0 };
    let ask = Ask { not_found: 1.0, unanswered: overloaded, retries: 0, ..draft.ask(style, ADDRESSES) };
    let asker = Asker::These(draft.resolvers.clone());
    draft.unwanted(asker, ask, per_s);
    finish(draft, Cause::DnsRandomSubdomain, &[], &[])
}

/// Names that exist, far too often.
pub(super) fn query_flood(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.25);
    let per_s = draft.trouble_per_s();
    let style =
        if draft.rng.chance(0.5) { NameStyle::Apex { zone: 0 } } else { NameStyle::Popular { zone: 0 } };
    let overloaded = if draft.rng.chance(0.4) { draft.rng.uniform(0.05, 0.6) } else { 0.0 };
    let ask =
        Ask { unanswered: overloaded, recursion_desired: 1.0, retries: 0, ..draft.ask(style, ADDRESSES) };
    let asker = if draft.rng.chance(0.5) { Asker::Anyone } else { machines(&mut draft, 30.0, 3_000.0) };
    draft.unwanted(asker, ask, per_s);
    finish(draft, Cause::DnsFlood, &[], &[])
}

/// Large answers to a few victims in whose name somebody asks.
pub(super) fn reflection(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.25);
    let per_s = draft.trouble_per_s();
    let ask = Ask {
        answer_bytes: (1_100, 4_000),
        recursion_desired: 1.0,
        over_tcp: 0.0,
        retries: 0,
        not_found: 0.0,
        ..draft.ask(NameStyle::Apex { zone: 0 }, LARGE)
    };
    let victims = machines(&mut draft, 1.0, 12.0);
    draft.unwanted(victims, ask, per_s);
    finish(draft, Cause::DnsReflection, &[], &[])
}

/// Data in labels, from a machine or two.
pub(super) fn tunnel(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.2);
    draft.is_resolver = true;
    let zone = Zone::new(&mut draft.rng, &mut draft.text, 3);
    draft.zones.push(zone);
    let least = (60.0 / draft.timing.trouble_s()).max(3.0);
    let per_s = draft.rng.log_uniform(least, least.max(80.0) * 1.01);
    let bytes = draft.rng.between(40, 150) as u8;
    let types: [&'static [u16]; 4] = [&[16], &[10, 16], &[1], &[5, 15]];
    let types = *draft.rng.pick(&types);
    let ask = Ask {
        answer_bytes: (120, 700),
        not_found: 0.0,
        response_ms: 40.0,
        ..draft.ask(NameStyle::Tunnel { zone: 2, bytes }, types)
    };
    let count = draft.rng.between(1, 2) as usize;
    let inside = draft.resolvers[..count.min(draft.resolvers.len())].to_vec();
    draft.unwanted(Asker::These(inside), ask, per_s);
    finish(draft, Cause::DnsTunnel, &[], &[])
}

/// Any day at a name server.
pub(super) fn normal(seed: u64) -> Draft {
    let mut draft = quiet(seed);
    draft.usual();
    finish(draft, Cause::Normal, &[], &[])
}

/// Names that machines made, as content networks have them: random to look at, and all exist.
pub(super) fn hashed_names(seed: u64) -> Draft {
    let mut draft = quiet(seed);
    draft.usual();
    let names = draft.rng.log_uniform(200.0, 5_000.0) as usize;
    let zone = Zone::hashed(&mut draft.rng, &mut draft.text, names);
    draft.zones.push(zone);
    let ask = draft.ask(NameStyle::Popular { zone: 2 }, ADDRESSES);
    let per_s = draft.base_per_s * draft.rng.uniform(0.5, 3.0);
    let from = Asker::These(draft.resolvers.clone());
    let day = Envelope::day(&mut draft.rng, draft.timing.length_s);
    draft.add(from, ask, Origin::Normal, per_s, day);
    finish(draft, Cause::Normal, &[], &[])
}

/// A mail server looks up every caller and asks block lists: mostly "no such name". Evaluation only.
pub(super) fn mail_lookups(seed: u64) -> Draft {
    let mut draft = quiet(seed);
    draft.is_resolver = true;
    draft.usual();
    for (names, not_found) in [(NameStyle::Reverse, 0.35), (NameStyle::BlockList, 0.9)] {
        let ask = Ask { not_found, ..draft.ask(names, if not_found > 0.5 { &[1] } else { &[12] }) };
        let per_s = draft.base_per_s * draft.rng.uniform(0.3, 1.5);
        let from = Asker::These(draft.resolvers[..1].to_vec());
        let day = Envelope::day(&mut draft.rng, draft.timing.length_s);
        draft.add(from, ask, Origin::Normal, per_s, day);
    }
    finish(draft, Cause::Normal, &[], &[])
}

/// A zone becomes popular: resolvers ask for its few names, all of which exist.
pub(super) fn new_zone(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = DnsDraft::new(seed, timing, rng);
    draft.usual();
    let zone = Zone::new(&mut draft.rng, &mut draft.text, 12);
    draft.zones.push(zone);
    let ask = draft.ask(NameStyle::Popular { zone: 2 }, EVERYDAY);
    let per_s = draft.base_per_s * draft.rng.uniform(1.5, 6.0);
    let networks = Networks::access(&mut draft.rng, 300, 0.25);
    let count = draft.rng.log_uniform(200.0, 3_000.0) as usize;
    let crowd = (0..count).map(|_| networks.draw(&mut draft.rng)).collect();
    let (rise_s, half_life_s) = (draft.rng.log_uniform(5.0, 40.0), draft.rng.log_uniform(60.0, 400.0));
    let envelope = Envelope::Crowd { floor: 0.0, from_s: timing.onset_s, rise_s, half_life_s };
    draft.add(Asker::These(crowd), ask, Origin::Normal, per_s, envelope);
    finish(draft, Cause::FlashCrowd, &[], &[Cause::Normal])
}

/// Our server stops answering, and the world's resolvers ask again and again.
pub(super) fn retry_storm(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = DnsDraft::new(seed, timing, rng);
    draft.queries_only = false;
    draft.base_per_s = draft.base_per_s.max(6.0);
    draft.usual();
    let tries = draft.rng.between(3, 6) as u32;
    for stream in &mut draft.streams {
        stream.ask.retries = tries;
    }
    let inside = draft.rng.uniform(0.5, 0.95);
    draft.outage = Envelope::Step { from_s: timing.onset_s, to_s: timing.end_s, inside, outside: 0.0 };
    if draft.rng.chance(0.3) {
        let time = timing.at(timing.onset_s - draft.rng.uniform(0.5, 10.0));
        draft.changes.push(Change {
            time,
            kind: ChangeKind::Configuration,
            text: "zone transfer reconfigured".into(),
        });
    }
    finish(draft, Cause::SlowBackend, &[], &[Cause::NetworkFault, Cause::Misconfiguration])
}

/// So many machines anywhere.
fn machines(draft: &mut DnsDraft, least: f64, most: f64) -> Asker {
    let count = draft.rng.log_uniform(least, most) as usize;
    Asker::These((0..count.max(1)).map(|_| IpAddr::V4(public_v4(&mut draft.rng))).collect())
}
