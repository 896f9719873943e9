//! HAProxy: tables as back ends of their own, decisions in the front end. Names begin with
//! `seawall_`.

use super::pattern::{literal, origin, query, template};
use super::{
    Taken, at_place, comments, heading, in_words, is_drawn_by_request, is_http, name, per_mille, plain, token,
};
use seawall_model::Prefix;
use seawall_model::observation::{HttpVersion, Method, Presence};
use seawall_model::plan::{Action, Measure, Plan, RateKey, RenderedRule, Scope};
use seawall_model::signature::Test;
use std::fmt::Write;

pub const PROGRAM: &str = "haproxy";

const TABLES: &str = "beside the other backend sections";
const FRONTEND: &str = "in the frontend section of the site, before its own http-request rules";
const UNDO: &[&str] = &["undo: remove these lines and reload; HAProxy cannot expire them by itself"];
/// Session counters that HAProxy has by default; the first is left to the operator's own rules.
const COUNTERS: [&str; 2] = ["sc2", "sc1"];
/// Paths that lead to no other site when they stand alone in a `Location`.
const STAYS_HERE: &str = "^/(?:[^/\\x5c]|\\z)";
/// Entries of a table.
const TABLE_SIZE: &str = "100k";
/// Bounds of the period over which events are counted.
const PERIOD_S: (f64, f64) = (1.0, 3_600.0);

/// The measures on requests: tables, and rules for the front end.
#[must_use]
pub fn render(plan: &Plan, protected: &[Prefix]) -> Vec<RenderedRule> {
    let mut config = Config { protects: !protected.is_empty(), ..Config::default() };
    let taken = Taken::of(plan, |m| is_http(plan, m), |m| config.measure(plan, m));
    if taken.is_empty() {
        return Vec::new();
    }
    let mut frontend = heading("#", plan, UNDO, &taken.notes);
    // Without a rule there is nothing to be exempt from.
    for prefix in protected.iter().filter(|_| !taken.rendered.is_empty()) {
        let _ = writeln!(frontend, "acl seawall_protected src {prefix}");
    }
    frontend.push_str(&config.frontend);
    let mut rules = Vec::new();
    if !config.tables.is_empty() {
        rules.push(taken.rule(PROGRAM, TABLES, heading("#", plan, UNDO, &[]) + &config.tables));
    }
    rules.push(taken.rule(PROGRAM, FRONTEND, frontend));
    rules
}

/// A configuration with one front end that holds the rules.
#[must_use]
pub fn check_file(rules: &[RenderedRule]) -> String {
    format!(
        "defaults\nmode http\ntimeout client 30s\ntimeout server 30s\ntimeout connect 5s\n\n{}\nfrontend site\nbind 127.0.0.1:8080\n{}\ndefault_backend site\n\nbackend site\nserver one 127.0.0.1:8081\n",
        at_place(rules, TABLES),
        at_place(rules, FRONTEND)
    )
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
        let share = share(plan, m);
        let rules = match &m.action {
            Action::Block { status: 0 } => format!("http-request silent-drop{}\n", all(&[when, share])),
            Action::Block { status } => {
                format!("http-request deny deny_status {status}{}\n", all(&[when, share]))
            }
            Action::RateLimit { key, per_s, burst } => {
                self.limit(&id, *key, *per_s, *burst, [when, share])?
            }
            Action::Challenge => challenge(&id, &token(plan, m), [when, share]),
            Action::WaitingRoom { admitted_per_s } => {
                self.waiting_room(&id, &token(plan, m), *admitted_per_s, [when, share])?
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

    /// The scope as `{test} {test} …`; empty where the measure concerns all.
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
        Ok(conditions.join(" "))
    }

    fn counter(&mut self) -> Result<&'static str, String> {
        let counter = COUNTERS.get(self.counters_used).copied();
        self.counters_used += 1;
        counter.ok_or_else(|| "the session counters sc1 and sc2 are used by the measures above".to_owned())
    }

    /// Everything in the scope is counted, and only the share of clients that the measure begins
    /// with is refused: counting a share alone would let the others' share of the limit through.
    fn limit(
        &mut self,
        id: &str,
        key: RateKey,
        per_s: f64,
        burst: f64,
        [when, share]: [String; 2],
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
        let beyond = format!("{{ sc_http_req_rate({number},{id}) gt {count} }}");
        Ok(format!(
            "http-request track-{counter} {fetch} table {id}{}\nhttp-request deny deny_status 429{}\n",
            all(std::slice::from_ref(&when)),
            all(&[when, share, beyond])
        ))
    }

    /// Visitors without the cookie are admitted at the rate; who was admitted gets the cookie.
    fn waiting_room(
        &mut self,
        id: &str,
        token: &str,
        admitted_per_s: f64,
        [when, share]: [String; 2],
    ) -> Result<String, String> {
        let counter = self.counter()?;
        let number = counter.trim_start_matches("sc");
        let (period, count) = window(admitted_per_s, 10.0 * admitted_per_s);
        let _ = writeln!(
            self.tables,
            "backend {id}\n\tstick-table type integer size 1 expire {}s store gpc0,gpc0_rate({period}s)",
            2 * period
        );
        let newcomer = all(&[when, share, format!("!{{ req.cook({id}) -m str {token} }}")]);
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
/// simple tools. Whom it concerns is decided once. Browsers take a path that begins with two
/// slashes, or a slash and a backslash, for the name of another site (URL Standard, "relative
/// slash state"), so the redirect itself asks that its path does not, and the rest is refused.
fn challenge(id: &str, token: &str, [when, share]: [String; 2]) -> String {
    let concerned = all(&[when, share, format!("!{{ req.cook({id}) -m str {token} }}")]);
    format!(
        "http-request set-var(txn.{id}) bool(true){concerned}\nhttp-request redirect location %[pathq] code 307 set-cookie {id}={token} if {{ var(txn.{id}) -m bool }} {{ path -m reg '{STAYS_HERE}' }}\nhttp-request deny deny_status 403 if {{ var(txn.{id}) -m bool }}\n"
    )
}

/// ` if …` over the conditions that are not empty; nothing where all are.
fn all(conditions: &[String]) -> String {
    let some: Vec<&str> = conditions.iter().map(String::as_str).filter(|c| !c.is_empty()).collect();
    if some.is_empty() { String::new() } else { format!(" if {}", some.join(" ")) }
}

/// The share of clients that a measure begins with, by a hash of the address: every line of a
/// measure, and every request of a client, must get the same answer, which a random draw for each
/// line does not give.
fn share(plan: &Plan, m: &Measure) -> String {
    if per_mille(m) >= 1_000 {
        return String::new();
    }
    if is_drawn_by_request(m) {
        return format!("{{ rand(1000) lt {} }}", per_mille(m));
    }
    let seed = plan.created.0.unsigned_abs() % 1_000_003;
    format!("{{ src,xxh32({seed}),mod(1000) lt {} }}", per_mille(m))
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
        Test::SourceCountry(_) | Test::SourceNetworkNumber(_) => {
            return Err("HAProxy needs a map file of the prefixes of this country or network, which no file here can bring".to_owned());
        }
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
