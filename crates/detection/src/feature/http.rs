//! HTTP requests of one tick.

mod loud;
mod profile;

pub use profile::ClientProfile;
use profile::Hashes;

use super::{classify, codec};
use crate::sketch::{Distinct, Histogram, Profile, Profiles, Sample};
use classify::{AgentKind, PathKind};
use seawall_model::observation::{CacheResult, Ending, Method, Request};
use seawall_model::record::RequestRecord;
use seawall_model::{Prefix, hash, math};
use serde::{Deserialize, Serialize};

/// The time of a larger answer says how fast its reader's line is.
pub(crate) const LARGE_ANSWER_BYTES: u64 = 1_000_000;

/// A request that became a connection of its own kind lasts as long as that (RFC 9110 15.2.2).
pub(crate) const SWITCHED: u16 = 101;

/// Whether a status sends the client elsewhere (RFC 9110 15.4); 304 does not.
pub(crate) fn is_moved(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Whether the client went away before it had its answer.
fn is_given_up(r: &Request<'_>) -> bool {
    r.status == 499 || r.ending == Ending::ClientAborted
}

/// Whether the service failed. What is refused before it reaches the service says nothing of it, whatever
/// the status: nor does a version of HTTP that nobody speaks (505).
fn is_service_error(r: &Request<'_>) -> bool {
    let refused = matches!(r.ending, Ending::Denied | Ending::ClientInvalid | Ending::ClientTimedOut);
    (500..600).contains(&r.status) && r.status != 505 && !refused
}

/// Whether the client is to blame. Who asks what there is of a thing, before it is stored, is answered that
/// there is none.
fn is_client_error(r: &Request<'_>) -> bool {
    let is_answered = r.method == Method::Propfind && r.status == 404;
    (400..600).contains(&r.status) && !is_service_error(r) && !is_answered
}

/// A request takes this long to be found wrong only if its end was waited for.
const WAITED_US: u64 = 5_000_000;

/// Whether the server waited for the end of a request in vain.
fn is_waited_for(r: &Request<'_>) -> bool {
    r.status == 408 || (r.status == 400 && r.duration_us.is_some_and(|us| us >= WAITED_US))
}

/// What HAProxy writes in place of a server where it chose none.
const NO_SERVER: &[u8] = b"<NOSRV>";

/// Counters, sketches and samples of HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpWindow {
    pub counters: Counters,
    pub clients: Distinct,
    pub networks: Distinct,
    pub agents: Distinct,
    pub paths: Distinct,
    pub urls: Distinct,
    pub durations_us: Histogram,
    /// Durations of answers that were not errors.
    pub good_durations_us: Histogram,
    pub profiles: Profiles<ClientProfile>,
    pub servers: Profiles<ServerProfile>,
    /// How many there were, and their times, by kind of request; without what is fetched along.
    pub kinds: Profiles<KindTime>,
    pub sample: Sample,
    /// Requests that `sample` holds without an answer, once they are answered: without these only
    /// the fast ones would have times.
    pub late: Sample,
    /// Requests per second in the busiest tick.
    pub peak_requests_per_s: f64,
    /// Sealed ticks that hold requests.
    pub active_ticks: u64,
}

macro_rules! counters {
    ($($name:ident)*) => {
        /// Plain counts of requests, by what the name says; bytes and times are sums.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counters { $(pub $name: u64,)* }

        impl Counters {
            fn merge(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }
        }
    };
}

counters! {
    requests malformed response_bytes
    informational success redirect client_error server_error no_status
    unauthorised not_found timed_out limited client_closed bad_gateway unavailable gateway_timeout
    get head post other_method
    with_query with_agent with_referrer with_duration
    pages assets api crawlers
    client_aborted client_timed_out client_invalid denied upstream_failed upstream_timed_out
    queue_timed_out no_upstream answer_refused waited_refusal
    queued queue_us cache_known cache_hits proxied
    asked_server_error asked_client_error moved asset_aborted
}

impl Counters {
    /// Requests that were not fetched along with a page.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.pages + self.api
    }
}

impl HttpWindow {
    pub(super) fn observe(&mut self, r: &Request<'_>, priority: u64) {
        let kind = classify::request_kind(r.method, r.path, r.status);
        if let Some(profile) = self.ask(r, kind, priority) {
            profile.count_answer(r);
        }
        self.answer(r, kind);
    }

    pub(super) fn observe_arrival(&mut self, r: &Request<'_>, priority: u64) {
        self.ask(r, classify::request_kind(r.method, r.path, 0), priority);
    }

    pub(super) fn observe_answer(&mut self, r: &Request<'_>, priority: u64) {
        self.late.offer(priority, |out| codec::encode_request(r, out));
        self.answer(r, classify::request_kind(r.method, r.path, 0));
    }

    fn answer(&mut self, r: &Request<'_>, kind: PathKind) {
        self.count_status(r);
        self.count_ending(r);
        if kind != PathKind::Asset {
            self.time(r, kind);
            self.counters.asked_server_error += u64::from(is_service_error(r));
            self.counters.asked_client_error += u64::from(is_client_error(r));
        } else {
            self.counters.asset_aborted += u64::from(is_given_up(r));
        }
        self.count_server(r);
    }

    /// Counts who asks for what, and returns the client's profile where it is kept.
    fn ask(&mut self, r: &Request<'_>, kind: PathKind, priority: u64) -> Option<&mut ClientProfile> {
        let client = hash::address(r.client);
        let agent = hash::bytes(r.user_agent);
        let path = hash::bytes(r.path);
        let query = r.query.map_or(0, hash::bytes);
        self.clients.insert(client);
        self.networks.insert(hash::address(Prefix::network_of(r.client).address()));
        self.agents.insert(agent);
        self.paths.insert(path);
        self.urls.insert(hash::combine(path, query));
        self.count(r, kind);
        let is_crawler = classify::agent_class(r.user_agent, agent).0 == AgentKind::Crawler;
        self.counters.crawlers += u64::from(is_crawler);
        self.sample.offer(priority, |out| codec::encode_request(r, out));
        if kind != PathKind::Asset
            && let Some(seen) = self.kinds.entry(kind_of(r, kind))
        {
            seen.asked = seen.asked.saturating_add(1);
        }
        let profile = self.profiles.entry(client)?;
        profile.count(r, kind, &Hashes { agent, path, query });
        Some(profile)
    }

    fn count_status(&mut self, r: &Request<'_>) {
        let c = &mut self.counters;
        c.response_bytes = c.response_bytes.saturating_add(r.response_bytes);
        match r.status {
            100..200 => c.informational += 1,
            200..300 => c.success += 1,
            300..400 => {
                c.redirect += 1;
                c.moved += u64::from(is_moved(r.status));
            }
            400..600 if is_service_error(r) => c.server_error += 1,
            400..600 => c.client_error += 1,
            _ => c.no_status += 1,
        }
        match r.status {
            401 | 403 => c.unauthorised += 1,
            404 => c.not_found += 1,
            _ if is_waited_for(r) => c.timed_out += 1,
            429 => c.limited += 1,
            499 => c.client_closed += 1,
            502 => c.bad_gateway += 1,
            503 => c.unavailable += 1,
            504 => c.gateway_timeout += 1,
            _ => {}
        }
    }

    fn count(&mut self, r: &Request<'_>, kind: PathKind) {
        let c = &mut self.counters;
        c.requests += 1;
        c.malformed += u64::from(r.malformed);
        match r.method {
            Method::Get => c.get += 1,
            Method::Head => c.head += 1,
            Method::Post => c.post += 1,
            _ => c.other_method += 1,
        }
        match kind {
            PathKind::Page => c.pages += 1,
            PathKind::Asset => c.assets += 1,
            PathKind::Api => c.api += 1,
        }
        c.with_query += u64::from(r.query.is_some());
        c.with_agent += u64::from(!r.user_agent.is_empty());
        c.with_referrer += u64::from(!r.referrer.is_empty());
        c.proxied += u64::from(r.peer.is_some());
    }

    fn count_ending(&mut self, r: &Request<'_>) {
        let c = &mut self.counters;
        match r.ending {
            Ending::Normal | Ending::TlsFailed => {}
            Ending::ClientAborted => c.client_aborted += 1,
            Ending::ClientTimedOut => c.client_timed_out += 1,
            Ending::ClientInvalid => c.client_invalid += 1,
            Ending::Denied => c.denied += 1,
            Ending::UpstreamFailed => c.upstream_failed += 1,
            Ending::AnswerRefused => c.answer_refused += 1,
            Ending::UpstreamTimedOut => c.upstream_timed_out += 1,
            Ending::QueueTimedOut => c.queue_timed_out += 1,
            Ending::NoUpstream => c.no_upstream += 1,
        }
        let took_us = r.duration_us.or(r.upstream_us).unwrap_or(0);
        let refuses = matches!(r.status, 502 | 503) && r.ending == Ending::Normal;
        c.waited_refusal += u64::from(refuses && took_us >= FOUND_US);
        if let Some(queue_us) = r.queue_us {
            c.queued += 1;
            c.queue_us = c.queue_us.saturating_add(queue_us);
        }
        match r.cache {
            CacheResult::Unknown => {}
            CacheResult::Hit => {
                c.cache_known += 1;
                c.cache_hits += 1;
            }
            CacheResult::Miss | CacheResult::Bypass => c.cache_known += 1,
        }
    }

    /// Times of what was asked for: the many assets of a site would drown what takes work, and the
    /// time of a large answer is its reader's, as that of a request that was waited for in vain.
    fn time(&mut self, r: &Request<'_>, kind: PathKind) {
        let Some(duration_us) = r.duration_us.or(r.upstream_us) else { return };
        let is_clients = is_waited_for(r) || r.ending == Ending::ClientTimedOut;
        if r.response_bytes > LARGE_ANSWER_BYTES || r.status == SWITCHED || is_clients {
            return;
        }
        self.counters.with_duration += 1;
        self.durations_us.insert(duration_us);
        if let Some(kind) = self.kinds.entry(kind_of(r, kind)) {
            kind.count(duration_us);
        }
        if (100..400).contains(&r.status) {
            self.good_durations_us.insert(duration_us);
        }
    }

    fn count_server(&mut self, r: &Request<'_>) {
        if r.server.is_empty() || r.server == NO_SERVER {
            return;
        }
        let key = hash::combine(hash::bytes(r.backend), hash::bytes(r.server));
        if let Some(p) = self.servers.entry(key) {
            if p.name.is_empty() {
                p.name = String::from_utf8_lossy(&r.server[..r.server.len().min(64)]).into_owned();
            }
            p.requests += 1;
            // Clients that give up on one server only were not answered by it.
            let failed = r.status >= 500 || r.ending == Ending::UpstreamFailed || is_given_up(r);
            p.failures += u64::from(failed);
            if let Some(duration_us) = r.upstream_us.or(r.duration_us) {
                p.timed += 1;
                p.duration_us = p.duration_us.saturating_add(duration_us);
            }
        }
    }

    pub(super) fn seal(&mut self, width_s: f64) {
        self.peak_requests_per_s = self.counters.requests as f64 / width_s;
        self.active_ticks = 1;
        self.profiles.for_each(|p| p.peak_per_s = (p.asked() / width_s) as f32);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counters.merge(&other.counters);
        self.clients.merge(&other.clients);
        self.networks.merge(&other.networks);
        self.agents.merge(&other.agents);
        self.paths.merge(&other.paths);
        self.urls.merge(&other.urls);
        self.durations_us.merge(&other.durations_us);
        self.good_durations_us.merge(&other.good_durations_us);
        self.profiles.merge(&other.profiles);
        self.servers.merge(&other.servers);
        self.kinds.merge(&other.kinds);
        self.sample.merge(&other.sample);
        self.late.merge(&other.late);
        self.peak_requests_per_s = self.peak_requests_per_s.max(other.peak_requests_per_s);
        self.active_ticks += other.active_ticks;
    }

    /// The sampled requests, in an order that depends on nothing but the input.
    #[must_use]
    pub fn records(&self) -> Vec<RequestRecord> {
        self.sample.iter().filter_map(codec::decode_request).collect()
    }

    /// Of the sampled requests that had no answer when they were counted, those that got one later.
    #[must_use]
    pub fn late_records(&self) -> Vec<RequestRecord> {
        self.late.iter().filter_map(codec::decode_request).collect()
    }
}

/// A proxy that has no server to ask says so at once; an answer that took so long is a server's that was asked.
const FOUND_US: u64 = 1_000_000;
/// Units of a binary logarithm that times are kept in, so that sums do not depend on order.
pub(crate) const LOG_UNITS: f64 = 256.0;
/// Added to times before their logarithm is taken: what timers of milliseconds cannot tell.
const TIMER_US: u64 = 2_000;
/// Of a path, so many bytes and levels tell kinds of requests apart.
const KIND_BYTES: usize = 48;
const KIND_LEVELS: usize = 3;

/// A coarse kind of request: the method and where the path begins, without numbers. Of pages the
/// first level, since the next is mostly the name of one page; of interfaces some more.
fn kind_of(r: &Request<'_>, kind: PathKind) -> u64 {
    let levels = if kind == PathKind::Api { KIND_LEVELS } else { 1 };
    let head = &r.path[..r.path.len().min(KIND_BYTES)];
    let parts = head.split(|&b| b == b'/').filter(|part| !part.is_empty());
    parts.take(levels).fold(hash::mix(r.method as u64), |key, part| {
        let numbered = part.iter().any(u8::is_ascii_digit) && part.len() > 2;
        hash::combine(key, if numbered { 0 } else { hash::bytes(part) })
    })
}

/// How many requests of one kind there were, and how long they took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindTime {
    pub asked: u32,
    pub timed: u32,
    /// Sum of binary logarithms, and of their squares, in units of 1/256.
    pub logs: u64,
    pub squares: u64,
}

impl KindTime {
    fn count(&mut self, duration_us: u64) {
        let log = (math::log2(duration_us.saturating_add(TIMER_US) as f64) * LOG_UNITS) as u64;
        self.timed = self.timed.saturating_add(1);
        self.logs = self.logs.saturating_add(log);
        self.squares = self.squares.saturating_add(log * log);
    }
}

impl Profile for KindTime {
    fn merge(&mut self, other: &Self) {
        self.asked = self.asked.saturating_add(other.asked);
        self.timed = self.timed.saturating_add(other.timed);
        self.logs = self.logs.saturating_add(other.logs);
        self.squares = self.squares.saturating_add(other.squares);
    }
}

/// What one upstream server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerProfile {
    pub name: String,
    pub requests: u64,
    pub failures: u64,
    /// Requests whose time is known, and the sum of their times.
    pub timed: u64,
    pub duration_us: u64,
}

impl Profile for ServerProfile {
    fn merge(&mut self, other: &Self) {
        if self.name.is_empty() {
            self.name.clone_from(&other.name);
        }
        self.requests += other.requests;
        self.failures += other.failures;
        self.timed += other.timed;
        self.duration_us = self.duration_us.saturating_add(other.duration_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use std::net::IpAddr;

    #[test]
    fn what_is_refused_before_the_service_is_no_failure_of_it() {
        let counted = |status: u16, ending: Ending| {
            let mut window = HttpWindow::default();
            let mut request = Request::new(Timestamp(0), IpAddr::from([192, 0, 2, 1]));
            (request.path, request.status, request.ending) = (b"/", status, ending);
            window.observe(&request, 0);
            let c = &window.counters;
            (c.server_error + c.asked_server_error, c.client_error + c.asked_client_error)
        };
        assert_eq!(counted(505, Ending::ClientInvalid), (0, 2));
        assert_eq!(counted(505, Ending::Normal), (0, 2));
        assert_eq!(counted(503, Ending::Denied), (0, 2));
        assert_eq!(counted(503, Ending::Normal), (2, 0));
        assert_eq!(counted(403, Ending::Normal), (0, 2));
    }

    /// Broke: answers took "838 times the usual" in an attack with slow requests, which were waited for
    /// and not answered.
    #[test]
    fn the_time_of_a_request_that_never_ends_is_not_that_of_an_answer() {
        let timed = |status: u16, ending: Ending| {
            let mut window = HttpWindow::default();
            let mut request = Request::new(Timestamp(0), IpAddr::from([192, 0, 2, 1]));
            (request.path, request.status, request.ending) = (b"/", status, ending);
            request.duration_us = Some(6_000_000);
            window.observe(&request, 0);
            window.durations_us.count()
        };
        assert_eq!([timed(408, Ending::Normal), timed(400, Ending::Normal)], [0, 0]);
        assert_eq!([timed(200, Ending::ClientTimedOut), timed(200, Ending::Normal)], [0, 1]);
    }
}
