//! The access logs of an existing server for the control loop, followed while they are written.

use super::senders::Senders;
use seawall_detection::Window;
use seawall_detection::feature::classify::PathKind;
use seawall_engine::goodput::KnownSecond;
use seawall_http_edge::act::{Clearance, Memory, Standing};
use seawall_model::change::Change;
use seawall_model::observation::{Ending, Observation, Request};
use seawall_model::plan::Plan;
use seawall_model::policy::Policy;
use seawall_model::{Prefix, Timestamp};
use seawall_sensor::follow::{Follower, Listener};
use seawall_signature::{RequestView, kept};
use seawall_wire::log::Format;
use std::path::PathBuf;

/// Bytes of one log that one look may read: what a tick can work through.
const MOST_BYTES: u64 = 16 << 20;
/// A look that leaves more than this unread is behind.
const BEHIND_BYTES: u64 = 1 << 20;

/// What is remembered of clients: some 250,000 of them, for a week.
const MEMORY_BYTES: usize = 4 << 20;
const MEMORY_DAYS: u32 = 7;

/// All logs that are followed.
pub struct Logs {
    followers: Vec<Follower>,
    told: Vec<String>,
    changes: Vec<Change>,
    clients: Clients,
}

/// The clients that a log tells of.
struct Clients {
    memory: Memory,
    known: KnownSecond,
    senders: Senders,
    is_refusing: bool,
}

impl Logs {
    /// Follows these logs from their present end.
    #[must_use]
    pub fn follow(paths: &[PathBuf], format: Option<&Format>, now: Timestamp) -> Self {
        let followers = paths.iter().map(|path| Follower::new(path, format.cloned())).collect();
        // A log tells of clients in its own order: there is no seed to be kept from them.
        let clients = Clients {
            memory: Memory::new(MEMORY_BYTES, MEMORY_DAYS, 0, now),
            known: KnownSecond::default(),
            senders: Senders::default(),
            is_refusing: false,
        };
        Self { followers, told: Vec::new(), changes: Vec::new(), clients }
    }

    /// What was written since the last call.
    pub fn take_window(&mut self, now: Timestamp) -> Window {
        let mut heard =
            Heard { window: Window::default(), changes: Vec::new(), clients: &mut self.clients, now };
        for follower in &mut self.followers {
            let name = follower.path().display().to_string();
            match follower.poll(MOST_BYTES, &mut heard) {
                Ok(polled) => {
                    if polled.behind_bytes > BEHIND_BYTES {
                        self.told.push(format!("{name} is written faster than it is read"));
                    }
                    if polled.lines > 0 && !follower.is_recognised() {
                        self.told.push(format!("{name} is in no format that is known; give --log-format"));
                    }
                }
                Err(error) => self.told.push(format!("cannot read {name}: {error}")),
            }
        }
        self.changes.append(&mut heard.changes);
        heard.window
    }

    /// Trouble began then, or is over.
    pub fn trouble(&mut self, onset: Option<Timestamp>) {
        match onset {
            Some(onset) => self.clients.memory.trouble(onset),
            None => self.clients.memory.calm(),
        }
    }

    /// A plan is in force, or none any more.
    pub fn plan(&mut self, plan: Option<&Plan>) {
        self.clients.is_refusing = plan.is_some();
        self.clients.senders.follow(plan);
    }

    /// Senders that go on with what the plan refuses.
    #[must_use]
    pub fn senders(&self, policy: &Policy) -> Vec<Prefix> {
        self.clients.senders.listed(&policy.protected_clients, policy.max_address_rules)
    }

    /// What clients that were known before the onset have met with, in all.
    #[must_use]
    pub fn known(&self) -> KnownSecond {
        self.clients.known
    }

    /// What logs have told of changes since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What went wrong since the last call.
    pub fn look_after(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

struct Heard<'a> {
    window: Window,
    changes: Vec<Change>,
    clients: &'a mut Clients,
    now: Timestamp,
}

impl Listener for Heard<'_> {
    fn observe(&mut self, observation: &Observation<'_>, priority: u64) {
        if let Observation::Request(request) = observation {
            self.clients.take(request, self.now);
        }
        self.window.observe(observation, priority);
    }

    fn change(&mut self, change: Change) {
        self.changes.push(change);
    }
}

impl Clients {
    fn take(&mut self, request: &Request<'_>, now: Timestamp) {
        let mut seen = seawall_http_edge::Request::new(request.client);
        (seen.method, seen.path, seen.query) = (request.method, request.path, request.query);
        (seen.user_agent, seen.referrer) = (request.user_agent, request.referrer);
        let sighting = self.memory.sight(&seen, Clearance::None, now);
        let is_refused = is_refused(request);
        let is_known = sighting.standing >= Standing::Known;
        if is_known {
            let is_good = (200..400).contains(&request.status);
            self.known.requests += 1;
            self.known.good += u64::from(is_good);
            self.known.refused += u64::from(self.is_refusing && is_refused);
            self.known.pages += u64::from(is_good && sighting.kind == PathKind::Page);
            self.known.parts += u64::from(sighting.kind == PathKind::Asset);
            self.known.looking += u64::from(sighting.is_looking);
            self.known.looking_refused += u64::from(sighting.is_looking && self.is_refusing && is_refused);
        }
        if is_refused {
            self.memory.refused(&sighting, now);
        } else {
            self.memory.admit(&sighting, now);
            if request.status < 500 {
                self.memory.answered(&sighting, now);
            }
        }
        if self.is_refusing {
            self.prove(request, is_known, now);
        }
    }

    fn prove(&mut self, r: &Request<'_>, is_known: bool, now: Timestamp) {
        let query = r.query.map(kept);
        let view = RequestView {
            client: r.client,
            method: r.method,
            host: &kept(r.host),
            path: &kept(r.path),
            query: query.as_deref(),
            version: r.version,
            status: None,
            user_agent: &kept(r.user_agent),
            referrer: &kept(r.referrer),
            cookie: r.cookie,
            accept_language: r.accept_language,
            header_order: r.header_order,
            ja4: &kept(r.ja4),
        };
        self.senders.observe(&view, is_known, now);
    }
}

/// By what the rules of ours answer. A site that refuses its own clients so is counted as well,
/// which errs on the safe side.
fn is_refused(request: &Request<'_>) -> bool {
    matches!(request.status, 403 | 429 | 444) || request.ending == Ending::Denied
}
