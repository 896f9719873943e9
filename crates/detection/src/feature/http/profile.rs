//! What one client did, as far as its requests tell.

use super::{SWITCHED, is_client_error, is_moved, is_service_error};
use crate::feature::classify::{self, AgentKind, PathKind};
use crate::feature::{bit_of, bits_as_count, link};
use crate::sketch::Profile;
use seawall_model::observation::{Method, Request};
use seawall_model::time::SECOND_NS;
use seawall_model::{Timestamp, hash};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A request's hashes, each made once.
pub(super) struct Hashes {
    pub(super) agent: u64,
    pub(super) path: u64,
    pub(super) query: u64,
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
    /// Requests for where one logs in, of any method.
    pub doors: u32,
    /// Log-ins that granted a token, and all that were answered as those are that get in.
    pub tokens: u32,
    pub let_in: u32,
    /// When a token was granted for the first time, and a log-in refused for the last.
    pub granted: Option<Timestamp>,
    pub denied: Option<Timestamp>,
    pub probes: u32,
    pub referrers: u32,
    /// Requests that became a connection of their own kind.
    pub switched: u32,
    /// Requests by links that were sent out: under a campaign's name, or by a name that nobody could guess
    /// and that leads elsewhere.
    pub invited: u32,
    /// Requests for what is no file that show a key which nobody could guess.
    pub keyed: u32,
    /// Requests for the rules that a site has for programs which read it (RFC 9309).
    pub rules: u32,
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
    /// Bitmap of the spells of time in which it asked, each of [`SPELL_S`].
    pub spells: u64,
    /// Numbers at the end of paths: how many requests had one, and their range.
    pub numbered: u32,
    pub number_low: u64,
    pub number_high: u64,
    /// Requests other than assets per second in the client's busiest tick.
    pub peak_per_s: f32,
}

/// Seconds of one spell: longer than a page takes to load, shorter than a visit.
const SPELL_S: i64 = 30;
/// Assets that a page brings at most, all in all.
const ASSETS_OF_A_PAGE: u32 = 30;

impl ClientProfile {
    pub(super) fn count(&mut self, r: &Request<'_>, kind: PathKind, hashes: &Hashes) {
        if self.requests == 0 {
            self.client = Some(r.client);
            (self.first, self.last) = (r.time, r.time);
            (self.agent_low, self.agent_high) = (hashes.agent, hashes.agent);
        }
        self.requests += 1;
        self.first = self.first.min(r.time);
        self.last = self.last.max(r.time);
        self.spells |= bit_of(hash::mix(r.time.0.div_euclid(SPELL_S * SECOND_NS) as u64));
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
        self.invited += u32::from(r.query.is_some_and(link::is_campaign));
        if kind != PathKind::Asset {
            self.asked_paths |= bit_of(hashes.path);
            self.keyed += u32::from(link::shows_key(r.path, r.query));
            self.rules += u32::from(r.path == b"/robots.txt");
            self.feeds += u32::from(classify::is_feed(r.path));
            self.archives += u32::from(classify::is_archive(r.path));
            let asked = hash::combine(hashes.path, hashes.query);
            let aim = classify::aim_hashed(r.path, r.query.unwrap_or(b""), asked);
            self.probes += u32::from(aim.is_probe);
            self.doors += u32::from(aim.is_login);
            self.count_number(r.path, r.query);
        }
        self.count_agent(r.user_agent, hashes.agent);
    }

    pub(super) fn count_answer(&mut self, r: &Request<'_>) {
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
        let is_served = (200..300).contains(&r.status) && is_own_script(r);
        self.probes = self.probes.saturating_sub(u32::from(is_served));
        if is_login(r) {
            self.count_login(r);
        }
        self.response_bytes = self.response_bytes.saturating_add(r.response_bytes);
    }

    fn count_login(&mut self, r: &Request<'_>) {
        // Where there is nothing to log in to, and where nothing was said, nobody tried.
        let in_vain = matches!(r.status, 404 | 405 | 408);
        self.logins = self.logins.saturating_sub(u32::from(in_vain));
        let is_token = is_token_granted(r);
        self.tokens += u32::from(is_token);
        if is_token {
            self.granted = earlier(self.granted, Some(r.time));
        } else if is_client_error(r) {
            self.denied = self.denied.max(Some(r.time));
        }
        self.let_in += u32::from(is_token || is_let_in(r));
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

    /// Seconds in which it was there: those from its first request to its last, without the hours between
    /// its visits. `least`: who came for less stayed for so long.
    #[must_use]
    pub fn active_s(&self, least: f64) -> f64 {
        let spells_s = bits_as_count(self.spells).max(1.0) * SPELL_S as f64;
        self.last.since_s(self.first).min(spells_s).max(least)
    }

    #[must_use]
    pub fn is(&self, kind: AgentKind) -> bool {
        self.agent == Some(kind as u8)
    }
}

fn is_login(r: &Request<'_>) -> bool {
    r.method == Method::Post && classify::is_login_path(r.path)
}

/// Whether a request is for where old sites keep their scripts, at which scanners try their luck too, and
/// nothing else makes it look like theirs.
fn is_own_script(r: &Request<'_>) -> bool {
    r.path.strip_prefix(b"/cgi-bin/").is_some_and(|name| !classify::is_probe(name, r.query.unwrap_or(b"")))
}

/// Whether a log-in was granted a token: what refuses one says so (RFC 6749 5.2).
fn is_token_granted(r: &Request<'_>) -> bool {
    (200..300).contains(&r.status) && (r.path.ends_with(b"token") || r.path.ends_with(b"tokens"))
}

/// Whether a log-in was answered as those are that get in: by an interface with success. A form that is shown
/// again is answered with success too, and many sites send on whom they refuse.
fn is_let_in(r: &Request<'_>) -> bool {
    (200..300).contains(&r.status) && classify::path_kind(r.path) == PathKind::Api
}

/// The earlier of two moments that may not have been.
fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
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
        self.doors += other.doors;
        self.tokens += other.tokens;
        self.granted = earlier(self.granted, other.granted);
        self.denied = self.denied.max(other.denied);
        self.let_in += other.let_in;
        self.probes += other.probes;
        self.referrers += other.referrers;
        self.switched += other.switched;
        self.invited += other.invited;
        self.rules += other.rules;
        self.keyed += other.keyed;
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
        self.spells |= other.spells;
        if other.numbered > 0 {
            let first = self.numbered == 0;
            self.number_low = if first { other.number_low } else { self.number_low.min(other.number_low) };
            self.number_high = self.number_high.max(other.number_high);
            self.numbered += other.numbered;
        }
        self.peak_per_s = self.peak_per_s.max(other.peak_per_s);
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

    /// Broke: the visitors of a site whose pages are scripts in an old folder looked for holes.
    #[test]
    fn a_script_that_answers_is_the_sites_own() {
        let probes = |path: &[u8], status: u16| {
            let mut window = crate::feature::http::HttpWindow::default();
            let mut request = Request::new(Timestamp(0), IpAddr::from([192, 0, 2, 1]));
            (request.path, request.status) = (path, status);
            window.observe(&request, 0);
            window.profiles.sorted()[0].1.probes
        };
        assert_eq!(probes(b"/cgi-bin/seats.pl", 200), 0);
        assert_eq!(probes(b"/cgi-bin/seats.pl", 404), 1);
        assert_eq!(probes(b"/cgi-bin/../../etc/passwd", 200), 1);
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
}
