//! The edges that are compared: a queue, limits per source, and Seawall with and without a plan.

use super::scene::{Ask, Reply};
use seawall_http_edge::Request;
use seawall_http_edge::act::limit::Rate;
use seawall_http_edge::act::{
    Answer, Clearance, CompileContext, Gate, Limits, Memory, Priority, Queued, Room, RuleTable, Shedder,
    Sighting, TokenKeys, TokenSecrets, Verdict, is_navigation, part_of,
};
use seawall_model::plan::{Action, Measure, Plan, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::ShareEstimate;
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Timestamp, hash};
use std::collections::{BTreeMap, VecDeque};

/// See [`part_of`].
const PARTS_KEY: u64 = 17;

/// What stands before the upstream.
pub trait Edge {
    fn name(&self) -> &'static str;
    /// A request arrives.
    fn arrive(&mut self, ask: &Ask, now: Timestamp) -> Reply;
    /// The upstream answered `ask` after `latency_ns`; it gave the client this cookie, if any.
    fn done(&mut self, ask: &Ask, latency_ns: u64, cookie: Option<&str>, now: Timestamp);
    /// Replies to requests that were held.
    fn poll(&mut self, now: Timestamp) -> Vec<(u64, Reply)>;
    /// What the detector says: trouble that began at `onset`.
    fn trouble(&mut self, _onset: Timestamp, _now: Timestamp) {}
    /// A browser worked out a challenge; the value of the cookie that it is given.
    fn worked(&mut self, _ask: &Ask, _puzzle: &str, _now: Timestamp) -> Option<String> {
        None
    }
    /// A browser without a script sat a challenge out.
    fn sat_out(&mut self, _ask: &Ask, _puzzle: &str, _now: Timestamp) -> Option<String> {
        None
    }
}

/// First come, first served: so many at once, the rest in a queue with a time limit.
pub struct Queue {
    pub most: u32,
    pub patience_ns: i64,
    pub longest: usize,
    /// Requests per second and source, and burst; beyond them a request is refused.
    pub per_source: Option<(f64, f64)>,
    limits: Limits,
    at_once: u32,
    held: VecDeque<(u64, Timestamp)>,
}

impl Queue {
    pub fn new(most: u32, patience_s: i64, longest: usize, per_source: Option<(f64, f64)>) -> Self {
        let limits = Limits::new(1 << 22, 7);
        let patience_ns = patience_s * SECOND_NS;
        Self { most, patience_ns, longest, per_source, limits, at_once: 0, held: VecDeque::new() }
    }
}

impl Edge for Queue {
    fn name(&self) -> &'static str {
        if self.per_source.is_some() {
            "limits per source, short queue"
        } else {
            "queue, first come first served"
        }
    }

    fn arrive(&mut self, ask: &Ask, now: Timestamp) -> Reply {
        if let Some((per_s, burst)) = self.per_source {
            let rate = Rate::new(per_s, burst).expect("a sensible rate");
            let outcome = self.limits.charge(hash::address(ask.client), rate, now, 0);
            if outcome != seawall_http_edge::act::limit::Conformance::Conforms {
                return Reply::Refuse;
            }
        }
        if self.at_once < self.most {
            self.at_once += 1;
            return Reply::Forward;
        }
        if self.held.len() >= self.longest {
            return Reply::Refuse;
        }
        self.held.push_back((ask.id, now));
        Reply::Hold
    }

    fn done(&mut self, _: &Ask, _: u64, _: Option<&str>, _: Timestamp) {
        self.at_once -= 1;
    }

    fn poll(&mut self, now: Timestamp) -> Vec<(u64, Reply)> {
        let mut replies = Vec::new();
        while let Some((id, since)) = self.held.front().copied() {
            if now.since_ns(since) > self.patience_ns {
                replies.push((id, Reply::Refuse));
            } else if self.at_once < self.most {
                self.at_once += 1;
                replies.push((id, Reply::Forward));
            } else {
                break;
            }
            self.held.pop_front();
        }
        replies
    }
}

/// Seawall; with a challenge from `plan_after_s` after the trouble was told.
pub struct Seawall {
    challenges: bool,
    gate: Gate,
    memory: Memory,
    shedder: Shedder,
    limits: Limits,
    table: RuleTable,
    tickets: u64,
    held: BTreeMap<Priority, VecDeque<(u64, Timestamp, Queued, Ask)>>,
    sightings: BTreeMap<u64, Sighting>,
}

impl Seawall {
    pub fn new(challenges: bool, start: Timestamp) -> Self {
        let policy = Policy { mode: Mode::Enforce, ..Policy::default() };
        Self {
            challenges,
            gate: Gate::new(TokenKeys::new(&TokenSecrets::new([9; 32], start))),
            memory: Memory::new(4 << 20, 30, 11, start),
            shedder: Shedder::new(64, 1_024, start),
            limits: Limits::new(1 << 20, 13),
            table: RuleTable::empty(&policy, 17),
            tickets: 0,
            held: BTreeMap::new(),
            sightings: BTreeMap::new(),
        }
    }

    /// A browser gets a page that leads it back; a program is told to come later.
    fn sent_away(&mut self, ask: &Ask, now: Timestamp) -> Reply {
        let request = ask.request();
        if !is_navigation(&request) {
            return Reply::Refuse;
        }
        self.tickets += 1;
        let ticket = self.gate.ticket(&request, self.tickets, now);
        Reply::Waiting { ticket: ticket.as_str().to_owned() }
    }

    fn forward(&mut self, id: u64, sighting: Sighting, now: Timestamp) -> Reply {
        self.memory.admit(&sighting, now);
        self.sightings.insert(id, sighting);
        Reply::Forward
    }

    fn sight(&self, request: &Request<'_>, now: Timestamp) -> Sighting {
        let clearance: Clearance = self.gate.clearance(request, now);
        self.memory.sight(request, clearance, now)
    }
}

impl Edge for Seawall {
    fn name(&self) -> &'static str {
        if self.challenges { "seawall, challenge from 2 s on" } else { "seawall, shedding alone" }
    }

    fn arrive(&mut self, ask: &Ask, now: Timestamp) -> Reply {
        let request = ask.request();
        let sighting = self.sight(&request, now);
        let decision = self.table.decide(&self.limits, now, &request, sighting.standing);
        match decision.verdict {
            Verdict::Pass => {}
            Verdict::Challenge => {
                self.tickets += 1;
                let puzzle = self.gate.pose(&request, 4, hash::mix(self.tickets), now);
                return Reply::Challenge { puzzle: puzzle.as_str().to_owned() };
            }
            _ => return Reply::Refuse,
        }
        let priority = Priority::from(sighting.standing);
        match self.shedder.ask(priority, part_of(PARTS_KEY, &request, sighting.kind), now) {
            Room::Go | Room::Aside => self.forward(ask.id, sighting, now),
            Room::Full => self.sent_away(ask, now),
            Room::Queue(queued) => {
                self.held.entry(priority).or_default().push_back((ask.id, now, queued, ask.clone()));
                Reply::Hold
            }
        }
    }

    fn done(&mut self, ask: &Ask, latency_ns: u64, cookie: Option<&str>, now: Timestamp) {
        let request = ask.request();
        let Some(sighting) = self.sightings.remove(&ask.id) else { return };
        let part = part_of(PARTS_KEY, &request, sighting.kind);
        self.shedder.done(&Answer { part, latency_ns, failed: false }, now);
        self.memory.answered(&sighting, now);
        if let Some(pair) = cookie {
            self.memory.cookie_set(pair.as_bytes(), now);
        }
    }

    fn poll(&mut self, now: Timestamp) -> Vec<(u64, Reply)> {
        let mut replies = Vec::new();
        let mut held = std::mem::take(&mut self.held);
        for (priority, line) in &mut held {
            for (id, since, queued, ask) in std::mem::take(line) {
                let part = part_of(PARTS_KEY, &ask.request(), self.sight(&ask.request(), now).kind);
                let reply = match self.shedder.again((*priority, part), queued, since, now) {
                    Room::Queue(queued) => {
                        line.push_back((id, since, queued, ask));
                        continue;
                    }
                    Room::Go | Room::Aside => {
                        let sighting = self.sight(&ask.request(), now);
                        self.forward(id, sighting, now)
                    }
                    Room::Full => self.sent_away(&ask, now),
                };
                replies.push((id, reply));
            }
        }
        self.held = held;
        replies
    }

    fn trouble(&mut self, onset: Timestamp, now: Timestamp) {
        self.memory.trouble(onset);
        self.shedder.set_trouble(true);
        if self.challenges && now.since_s(onset) >= 2.0 && self.table.is_empty() {
            let policy = Policy { mode: Mode::Enforce, ..Policy::default() };
            let context = CompileContext { now, seed: 17 };
            self.table = RuleTable::compile(&challenge_plan(now), &policy, &context).expect("a good plan");
        }
    }

    fn worked(&mut self, ask: &Ask, puzzle: &str, now: Timestamp) -> Option<String> {
        let solution = seawall_http_edge::act::gate::solved(puzzle.as_bytes(), 4);
        let pass = self.gate.redeem(&ask.request(), puzzle.as_bytes(), solution.as_bytes(), now);
        pass.ok().map(|pass| pass.as_str().to_owned())
    }

    fn sat_out(&mut self, ask: &Ask, puzzle: &str, now: Timestamp) -> Option<String> {
        self.gate.sit_out(&ask.request(), puzzle.as_bytes(), now).ok().map(|pass| pass.as_str().to_owned())
    }
}

fn challenge_plan(now: Timestamp) -> Plan {
    let none = ShareEstimate { share: 0.0, low: 0.0, high: 0.0 };
    let expires = now.plus_ns(600 * SECOND_NS);
    Plan {
        generation: 1,
        parent: None,
        cause: Cause::HttpFlood,
        created: now,
        expires,
        measures: vec![Measure {
            id: "m1".into(),
            action: Action::Challenge,
            scope: Scope::All,
            target: None,
            predicted_effect: none,
            predicted_harm: Some(none),
            expires,
            initial_share: 1.0,
        }],
    }
}
