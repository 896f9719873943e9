//! HAProxy: tables as back ends of their own, decisions in the front end. Names begin with
//! `seawall_`.

use super::pattern::{literal, origin, query, template};
use super::{comments, in_words, is_for_programs, layer_of, name, per_mille, plain, token};
use seawall_model::Prefix;
use seawall_model::observation::{HttpVersion, Method, Presence};
use seawall_model::plan::{Action, Measure, Plan, RateKey, RenderedRule, Scope};
use seawall_model::signature::{Layer, Test};
use std::fmt::Write;

pub const PROGRAM: &str = "haproxy";

const TABLES: &str = "beside the other backend sections";
const FRONTEND: &str = "in the frontend section of the site, before its own http-request rules";
/// Session counters that HAProxy has by default; the first is left to the operator's own rules.
const COUNTERS: [&str; 2] = ["sc2", "sc1"];
/// Entries of a table.
const TABLE_SIZE: &str = "100k";
/// Bounds of the period over which events are counted.
const PERIOD_S: (f64, f64) = (1.0, 3_600.0);

/// The measures on requests: tables, and rules for the front end.
#[must_use]
pub fn render(plan: &Plan, protected: &[Prefix]) -> Vec<RenderedRule> {
    let mut config = Config { protects: !protected.is_empty(), ..Config::default() };
    let mut notes = Vec::new();
    let mut rendered = Vec::new();
    for measure in plan.measures.iter().filter(|m| is_for_programs(&m.action)) {
        let is_http =
            layer_of(plan, measure) == Layer::Http || matches!(measure.action, Action::HeaderDeadline { .. });
        if !is_http {
            continue;
        }
        match config.measure(plan, measure) {
            Ok(()) => rendered.push(measure.id.clone()),
            Err(why) => {
                notes.push(format!("{}: {} is not in this file: {why}", measure.id, measure.action.name()))
            }
        }
    }
    if rendered.is_empty() && notes.is_empty() {
        return Vec::new();
    }
    let mut frontend = heading(plan, &notes);
    // Without a rule there is nothing to be exempt from.
    for prefix in protected.iter().filter(|_| !rendered.is_empty()) {
        let _ = writeln!(frontend, "acl seawall_protected src {prefix}");
    }
    frontend.push_str(&config.frontend);
    let mut parts = vec![(FRONTEND, frontend)];
    if !config.tables.is_empty() {
        parts.insert(0, (TABLES, heading(plan, &[]) + &config.tables));
    }
    parts
        .into_iter()
        .map(|(place, text)| RenderedRule {
            program: PROGRAM.into(),
            place: place.into(),
            text,
            measures: rendered.clone(),
        })
        .collect()
}

/// A configuration with one front end that holds the rules.
#[must_use]
pub fn check_file(rules: &[RenderedRule]) -> String {
    let of = |place: &str| -> String {
        rules.iter().filter(|r| r.place == place).map(|r| r.text.as_str()).collect()
    };
    format!(
        "defaults\nmode http\ntimeout client 30s\ntimeout server 30s\ntimeout connect 5s\n\n{}\nfrontend site\nbind 127.0.0.1:8080\n{}\ndefault_backend site\n\nbackend site\nserver one 127.0.0.1:8081\n",
        of(TABLES),
        of(FRONTEND)
    )
}

fn heading(plan: &Plan, notes: &[String]) -> String {
    let mut lines = vec![
        format!("seawall plan {} against {}, made {}", plan.generation, plan.cause.title(), plan.created),
        "undo: remove these lines and reload; HAProxy cannot expire them by itself".to_owned(),
    ];
    lines.extend_from_slice(notes);
    comments("#", &lines)
}

#[derive(Default)]
struct Config {
    tables: String,
    frontend: String,
    protects: bool,
    counters_used: usize,
}

impl Config {
    fn measure(&mut self, plan: &Plan, m: &Measure) -> Result<(), String> {
        let id = format!("seawall_{}", name(m));
        let when = self.when(m)?;
        let rules = match &m.action {
            Action::Block { status: 0 } => format!("http-request silent-drop{when}\n"),
            Action::Block { status } => format!("http-request deny deny_status {status}{when}\n"),
            Action::RateLimit { key, per_s, burst } => self.limit(&id, *key, *per_s, *burst, &when)?,
            Action::Challenge => challenge(&id, &token(plan, m), &when),
            Action::WaitingRoom { admitted_per_s } => {
                self.waiting_room(&id, &token(plan, m), *admitted_per_s, &when)?
            }
            Action::HeaderDeadline { seconds, connections_per_source } => {
                self.header_deadline(&id, *seconds, *connections_per_source)?
            }
            Action::Shed { max_concurrency } => format!("maxconn {max_concurrency}\n"),
            Action::ServeStale { .. } => return Err("HAProxy's cache serves nothing stale".to_owned()),
            other => return Err(format!("HAProxy cannot {}", plain(other.name()))),
        };
        let _ = write!(self.frontend, "{}{rules}", comments("#", &[in_words(m)]));
        Ok(())
    }

    /// ` if {test} {test} …`, or nothing where the measure applies to all.
    fn when(&self, m: &Measure) -> Result<String, String> {
        let mut conditions = Vec::new();
        match &m.scope {
            Scope::All => {}
            Scope::Sources(prefixes) => {
                let list: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
                conditions.push(format!("{{ src {} }}", list.join(" ")));
            }
            Scope::Signature(s) => {
                for test in &s.tests {
                    conditions.push(one_test(test)?);
                }
            }
        }
        if self.protects {
            conditions.push("!seawall_protected".to_owned());
        }
        if per_mille(m) < 1_000 {
            conditions.push(format!("{{ rand(1000) lt {} }}", per_mille(m)));
        }
        Ok(if conditions.is_empty() { String::new() } else { format!(" if {}", conditions.join(" ")) })
    }

    fn counter(&mut self) -> Result<&'static str, String> {
        let counter = COUNTERS.get(self.counters_used).copied();
        self.counters_used += 1;
        counter.ok_or_else(|| "the session counters sc1 and sc2 are used by the measures above".to_owned())
    }

    fn limit(
        &mut self,
        id: &str,
        key: RateKey,
        per_s: f64,
        burst: f64,
        when: &str,
    ) -> Result<String, String> {
        let counter = self.counter()?;
        let (kind, fetch) = match key {
            RateKey::Source => ("ipv6", "src"),
            RateKey::Network => ("ipv6", "src,ipmask(24,48)"),
            RateKey::Destination => ("ipv6", "dst"),
            RateKey::Path => ("string len 128", "path"),
            RateKey::Total => ("integer", "int(1)"),
        };
        let (period, count) = window(per_s, burst);
        let _ = writeln!(
            self.tables,
            "backend {id}\n\tstick-table type {kind} size {TABLE_SIZE} expire {}s store http_req_rate({period}s)",
            2 * period
        );
        let number = counter.trim_start_matches("sc");
        let join = if when.is_empty() { " if" } else { when };
        Ok(format!(
            "http-request track-{counter} {fetch} table {id}{when}\nhttp-request deny deny_status 429{join} {{ sc_http_req_rate({number},{id}) gt {count} }}\n"
        ))
    }

    /// Visitors without the cookie are admitted at the rate; who was admitted gets the cookie.
    fn waiting_room(
        &mut self,
        id: &str,
        token: &str,
        admitted_per_s: f64,
        when: &str,
    ) -> Result<String, String> {
        let counter = self.counter()?;
        let number = counter.trim_start_matches("sc");
        let (period, count) = window(admitted_per_s, 10.0 * admitted_per_s);
        let _ = writeln!(
            self.tables,
            "backend {id}\n\tstick-table type integer size 1 expire {}s store gpc0,gpc0_rate({period}s)",
            2 * period
        );
        let join = if when.is_empty() { " if" } else { when };
        let newcomer = format!("{join} !{{ req.cook({id}) -m str {token} }}");
        Ok(format!(
            "http-request track-{counter} int(1) table {id}{newcomer}\nhttp-request return status 503 content-type text/plain string \"many people are here, please try again in ten seconds\" hdr Retry-After 10 hdr Refresh 10{newcomer} {{ sc_gpc0_rate({number},{id}) gt {count} }}\nhttp-request sc-inc-gpc0({number}){newcomer}\nhttp-request set-var(txn.{id}) bool(true){newcomer}\nhttp-response add-header Set-Cookie \"{id}={token}; Path=/; Max-Age=900\" if {{ var(txn.{id}) -m bool }}\n"
        ))
    }

    fn header_deadline(&mut self, id: &str, seconds: u32, connections: u32) -> Result<String, String> {
        let counter = self.counter()?;
        let number = counter.trim_start_matches("sc");
        let _ = writeln!(
            self.tables,
            "backend {id}\n\tstick-table type ipv6 size {TABLE_SIZE} expire 1m store conn_cur"
        );
        let exempt = if self.protects { " !seawall_protected" } else { "" };
        let track_if = if self.protects { " if !seawall_protected" } else { "" };
        Ok(format!(
            "timeout http-request {seconds}s\ntcp-request connection track-{counter} src table {id}{track_if}\ntcp-request connection reject if{exempt} {{ sc_conn_cur({number},{id}) gt {connections} }}\n"
        ))
    }
}

/// Who keeps a cookie over a redirect is let through: weaker than proof of work, and enough for
/// simple tools. A path that begins with two slashes would redirect to another site.
fn challenge(id: &str, token: &str, when: &str) -> String {
    let join = if when.is_empty() { " if" } else { when };
    format!(
        "http-request deny deny_status 403{join} !{{ req.cook({id}) -m str {token} }} {{ path_beg // }}\nhttp-request redirect location %[pathq] code 307 set-cookie {id}={token}{join} !{{ req.cook({id}) -m str {token} }}\n"
    )
}

/// Whole seconds in which `count` events are allowed.
fn window(per_s: f64, burst: f64) -> (u64, u64) {
    let period = (burst / per_s).clamp(PERIOD_S.0, PERIOD_S.1).ceil();
    (period as u64, (per_s * period).ceil().clamp(1.0, 4e9) as u64)
}

/// One test as an anonymous condition.
fn one_test(test: &Test) -> Result<String, String> {
    let text = match test {
        Test::Source(prefix) => format!("src {prefix}"),
        Test::Method(Method::Other) => {
            return Ok("!{ method GET HEAD POST PUT DELETE OPTIONS PATCH CONNECT TRACE PROPFIND }".to_owned());
        }
        Test::Method(method) => format!("method {}", method.as_str()),
        Test::Host(host) => format!("req.fhdr(host),lower -m reg ^(?i:{})(?::[0-9]+)?\\z", literal(host)),
        Test::Path(path) => format!("path -m reg ^{}\\z", literal(path)),
        Test::PathTemplate(t) => format!("path -m reg ^{}\\z", template(t)),
        Test::QueryShape(shape) if shape.is_empty() => return Ok("!{ query -m len gt 0 }".to_owned()),
        Test::QueryShape(shape) => format!("query -m reg ^{}\\z", query(shape)),
        Test::UserAgent(agent) if agent.is_empty() => {
            return Ok("!{ req.fhdr(user-agent) -m len gt 0 }".to_owned());
        }
        Test::UserAgent(agent) => format!("req.fhdr(user-agent) -m reg ^{}\\z", literal(agent)),
        Test::ReferrerOrigin(from) if from.is_empty() => {
            return Ok("!{ req.fhdr(referer) -m len gt 0 }".to_owned());
        }
        Test::ReferrerOrigin(from) => format!("req.fhdr(referer) -m reg ^{}\\z", origin(from)),
        Test::HttpVersion(HttpVersion::Http10) => "req.ver 1.0".to_owned(),
        Test::HttpVersion(HttpVersion::Http11) => "req.ver 1.1".to_owned(),
        Test::HttpVersion(HttpVersion::Http2) => "req.ver 2.0".to_owned(),
        Test::Cookie(presence) => return presence_of("cookie", *presence),
        Test::AcceptLanguage(presence) => return presence_of("accept-language", *presence),
        other => {
            return Err(format!("HAProxy does not know this of a request: {}", plain(&other.to_string())));
        }
    };
    Ok(format!("{{ {} }}", quoted(&text)))
}

fn presence_of(header: &str, presence: Presence) -> Result<String, String> {
    match presence {
        Presence::Absent => Ok(format!("!{{ req.fhdr({header}) -m found }}")),
        Presence::Present => Ok(format!("{{ req.fhdr({header}) -m found }}")),
        Presence::Unknown => Err("whether a header was there is not known".to_owned()),
    }
}

/// The last word of a condition in strong quotes: patterns hold backslashes, and no quote can be
/// in them.
fn quoted(condition: &str) -> String {
    match condition.rsplit_once(' ') {
        Some((head, pattern)) if pattern.starts_with('^') => format!("{head} '{pattern}'"),
        _ => condition.to_owned(),
    }
}
