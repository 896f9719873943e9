//! HTTP requests of one tick.

mod loud;

use super::{bit_of, bits_as_count, classify, codec};
use crate::sketch::{Distinct, Histogram, Profile, Profiles, Sample};
use classify::{AgentKind, PathKind};
use seawall_model::observation::{CacheResult, Ending, Method, Request};
use seawall_model::record::RequestRecord;
use seawall_model::{Prefix, Timestamp, hash, math};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

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

fn is_client_error(r: &Request<'_>) -> bool {
    (400..600).contains(&r.status) && !is_service_error(r)
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
    queue_timed_out no_upstream answer_refused
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

struct Hashes {
    agent: u64,
    path: u64,
    query: u64,
}

/// What one client did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientProfile {
    pub client: Option<IpAddr>,
    pub requests: u32,
    pub pages: u32,
    pub assets: u32,
    pub api: u32,
    /// Requests for what programs subscribe to.
    pub feeds: u32,
    /// Requests for files that backups and archives consist of.
    pub archives: u32,
    pub unauthorised: u32,
    pub not_found: u32,
    pub client_errors: u32,
    pub server_errors: u32,
    /// Requests that no answer was seen to.
    pub unanswered: u32,
    /// Requests for paths that are not there, and whose names are machine-random.
    pub made_up: u32,
    /// Requests that change something: neither GET nor HEAD nor OPTIONS.
    pub writes: u32,
    pub logins: u32,
    pub probes: u32,
    pub referrers: u32,
    /// Requests that became a connection of their own kind.
    pub switched: u32,
    /// Requests by links that were sent out: under a campaign's name, or by a name that nobody could guess
    /// and that leads elsewhere.
    pub invited: u32,
    pub response_bytes: u64,
    /// Bitmaps of hashed paths and queries, for linear counting.
    pub paths: u64,
    pub queries: u64,
    /// Of those paths, the ones that are no files.
    pub asked_paths: u64,
    /// Smallest and largest hash of the user agents; they differ if the client changed it.
    pub agent_low: u64,
    pub agent_high: u64,
    /// Bitmap of hashed user agents.
    pub agents: u64,
    pub agent: Option<u8>,
    /// Largest hash of the names of applications among the user agents; 0: none is one.
    pub application: u64,
    pub hostile_tool: bool,
    pub first: Timestamp,
    pub last: Timestamp,
    /// Numbers at the end of paths: how many requests had one, and their range.
    pub numbered: u32,
    pub number_low: u64,
    pub number_high: u64,
    /// Requests other than assets per second in the client's busiest tick.
    pub peak_per_s: f32,
}

/// Assets that a page brings at most, all in all.
const ASSETS_OF_A_PAGE: u32 = 30;

impl ClientProfile {
    fn count(&mut self, r: &Request<'_>, kind: PathKind, hashes: &Hashes) {
        if self.requests == 0 {
            self.client = Some(r.client);
            (self.first, self.last) = (r.time, r.time);
            (self.agent_low, self.agent_high) = (hashes.agent, hashes.agent);
        }
        self.requests += 1;
        self.first = self.first.min(r.time);
        self.last = self.last.max(r.time);
        match kind {
            PathKind::Page => self.pages += 1,
            PathKind::Asset => self.assets += 1,
            PathKind::Api => self.api += 1,
        }
        self.writes += u32::from(!matches!(r.method, Method::Get | Method::Head | Method::Options));
        self.logins += u32::from(is_login(r));
        self.referrers += u32::from(!r.referrer.is_empty());
        self.paths |= bit_of(hashes.path);
        self.queries |= if r.query.is_some() { bit_of(hashes.query) } else { 0 };
        self.invited += u32::from(r.query.is_some_and(classify::is_campaign));
        if kind != PathKind::Asset {
            self.asked_paths |= bit_of(hashes.path);
            self.feeds += u32::from(classify::is_feed(r.path));
            self.archives += u32::from(classify::is_archive(r.path));
            let asked = hash::combine(hashes.path, hashes.query);
            let query = r.query.unwrap_or(b"");
            self.probes += u32::from(classify::is_probe_hashed(r.path, query, asked));
            self.count_number(r.path, r.query);
        }
        self.count_agent(r.user_agent, hashes.agent);
    }

    fn count_answer(&mut self, r: &Request<'_>) {
        // A payment that is declined and a form that is not accepted are refused too.
        let declined = matches!(r.status, 402 | 422) && r.method == Method::Post;
        self.unauthorised += u32::from(matches!(r.status, 401 | 403) || declined);
        self.switched += u32::from(r.status == SWITCHED);
        self.not_found += u32::from(r.status == 404);
        self.invited += u32::from(is_moved(r.status) && classify::ends_in_random(r.path));
        self.made_up += u32::from(r.status == 404 && classify::ends_in_random(r.path));
        self.client_errors += u32::from(is_client_error(r));
        self.server_errors += u32::from(is_service_error(r));
        self.unanswered += u32::from(r.status == 0);
        // Where there is nothing to log in to, and where nothing was said, nobody tried.
        let in_vain = is_login(r) && matches!(r.status, 404 | 405 | 408);
        self.logins = self.logins.saturating_sub(u32::from(in_vain));
        self.response_bytes = self.response_bytes.saturating_add(r.response_bytes);
    }

    fn count_agent(&mut self, user_agent: &[u8], agent: u64) {
        // Of each agent once, whatever order they come in; of more than two, again.
        if self.agent.is_none() || (agent != self.agent_low && agent != self.agent_high) {
            let (kind, hostile) = classify::agent_class(user_agent, agent);
            let kind = kind as u8;
            self.agent = Some(self.agent.map_or(kind, |k| k.max(kind)));
            self.hostile_tool |= hostile;
            self.application =
                self.application.max(classify::application_name(user_agent).map_or(0, hash::bytes));
        }
        self.agent_low = self.agent_low.min(agent);
        self.agent_high = self.agent_high.max(agent);
        self.agents |= bit_of(agent);
    }

    fn count_number(&mut self, path: &[u8], query: Option<&[u8]>) {
        // `/item.php?id=17` counts items as well as `/item/17` does.
        let Some(number) = trailing_number(path).or_else(|| numbered_parameter(query?)) else { return };
        if self.numbered == 0 {
            (self.number_low, self.number_high) = (number, number);
        }
        self.numbered += 1;
        self.number_low = self.number_low.min(number);
        self.number_high = self.number_high.max(number);
    }

    /// Requests for what is no asset.
    #[must_use]
    pub fn no_assets(&self) -> u32 {
        self.requests.saturating_sub(self.assets)
    }

    /// Requests that were asked for, not fetched along: all but assets, and assets that were
    /// fetched over and over, which no page makes a browser do. Of many behind one address, each
    /// that comes back under its own name fetches them once; where no names are logged, pages bring
    /// their assets.
    #[must_use]
    pub fn asked(&self) -> f64 {
        let requests = f64::from(self.requests);
        let agents = bits_as_count(self.agents).max(1.0);
        let visitors = if agents * 3.0 <= requests { agents } else { 1.0 };
        let brought = self.is(AgentKind::Absent)
            && (self.no_assets()..=ASSETS_OF_A_PAGE * self.no_assets()).contains(&self.assets);
        let repeated = if brought { 0.0 } else { requests - 2.0 * visitors * bits_as_count(self.paths) };
        (requests - f64::from(self.assets)).max(repeated)
    }

    #[must_use]
    pub fn is(&self, kind: AgentKind) -> bool {
        self.agent == Some(kind as u8)
    }
}

fn is_login(r: &Request<'_>) -> bool {
    r.method == Method::Post && classify::is_login_path(r.path)
}

/// The value of the first parameter that is a number (`page=17&per_page=100`).
fn numbered_parameter(query: &[u8]) -> Option<u64> {
    query.split(|&b| b == b'&').find_map(|pair| {
        let value = &pair[pair.iter().position(|&b| b == b'=')? + 1..];
        trailing_number(value).filter(|_| value.iter().all(u8::is_ascii_digit))
    })
}

/// The last run of digits in the last segment of a path (`/item/17`, `/p/17.html`).
fn trailing_number(path: &[u8]) -> Option<u64> {
    let end = path.iter().rposition(u8::is_ascii_digit)? + 1;
    let start = path[..end].iter().rposition(|b| !b.is_ascii_digit()).map_or(0, |i| i + 1);
    // In random text digits stand among the letters before them too.
    let before = path[..start].rsplit(|&b| b == b'/').next().unwrap_or(b"");
    if path[end..].contains(&b'/') || end - start > 12 || before.iter().any(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(&path[start..end]).ok()?.parse().ok()
}

impl Profile for ClientProfile {
    fn merge(&mut self, other: &Self) {
        if self.requests == 0 {
            self.clone_from(other);
            return;
        }
        if other.requests == 0 {
            return;
        }
        self.requests += other.requests;
        self.pages += other.pages;
        self.assets += other.assets;
        self.api += other.api;
        self.feeds += other.feeds;
        self.archives += other.archives;
        self.unauthorised += other.unauthorised;
        self.not_found += other.not_found;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.unanswered += other.unanswered;
        self.made_up += other.made_up;
        self.writes += other.writes;
        self.logins += other.logins;
        self.probes += other.probes;
        self.referrers += other.referrers;
        self.switched += other.switched;
        self.invited += other.invited;
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
        self.paths |= other.paths;
        self.queries |= other.queries;
        self.asked_paths |= other.asked_paths;
        self.agent_low = self.agent_low.min(other.agent_low);
        self.agent_high = self.agent_high.max(other.agent_high);
        self.agents |= other.agents;
        self.agent = self.agent.max(other.agent);
        self.application = self.application.max(other.application);
        self.hostile_tool |= other.hostile_tool;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        if other.numbered > 0 {
            let first = self.numbered == 0;
            self.number_low = if first { other.number_low } else { self.number_low.min(other.number_low) };
            self.number_high = self.number_high.max(other.number_high);
            self.numbered += other.numbered;
        }
        self.peak_per_s = self.peak_per_s.max(other.peak_per_s);
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

    #[test]
    fn what_a_client_uses_does_not_depend_on_the_order_of_its_requests() {
        let agents: [&[u8]; 4] = [b"Mozilla/5.0 Firefox/128.0", b"sqlmap/1.8", b"curl/8.5.0", b"ShopApp/4.2"];
        let client = |order: [usize; 4]| {
            let mut profile = ClientProfile::default();
            for at in order {
                profile.count_agent(agents[at], hash::bytes(agents[at]));
            }
            (profile.agent, profile.hostile_tool)
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [0, 2, 3, 1], [3, 0, 1, 2]] {
            assert_eq!(client(order), (Some(AgentKind::Application as u8), true), "{order:?}");
        }
    }

    #[test]
    fn numbers_end_paths() {
        assert_eq!(trailing_number(b"/item/17"), Some(17));
        assert_eq!(trailing_number(b"/p/0042.html"), Some(42));
        assert_eq!(trailing_number(b"/2024/archive/x"), None);
        assert_eq!(trailing_number(b"/about"), None);
        assert_eq!(trailing_number(b"/photo-17.jpg"), Some(17));
        assert_eq!(trailing_number(b"/x7f3ab2"), None);
        assert_eq!(numbered_parameter(b"sort=name&page=17&per_page=100"), Some(17));
        assert_eq!(numbered_parameter(b"q=top10"), None);
    }

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
