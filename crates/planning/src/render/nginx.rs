//! nginx: maps in the `http` block, decisions in the `server` block. Names begin with `seawall_`.
//!
//! Every test is a `map` (or `geo`) to 0 or 1, and a measure is the map of its tests together, so
//! that no `if` does more than return.

use super::pattern::{literal, origin, query, template};
use super::{
    Taken, at_place, comments, heading, in_words, is_drawn_by_request, is_http, name, per_mille, plain,
    token, whole_rate,
};
use seawall_model::Prefix;
use seawall_model::observation::{HttpVersion, Method, Presence};
use seawall_model::plan::{Action, Measure, Plan, RateKey, RenderedRule, Scope};
use seawall_model::signature::Test;
use seawall_model::time::SECOND_NS;
use std::fmt::Write;

pub const PROGRAM: &str = "nginx";

/// Where the two parts belong; [`check_file`] tells them apart by it.
const HTTP: &str = "in the http block (nginx.conf or conf.d/seawall.conf)";
const SERVER: &str = "in the server block of the site";
const UNDO: &[&str] =
    &["undo: remove these lines and run nginx -s reload; nginx cannot expire them by itself"];
/// Memory for a table of clients: about 160,000 addresses.
const ZONE: &str = "10m";
const PROTECTED: &str = "seawall_protected";
/// Longest pattern: nginx refuses a file with a word of more than 4,096 bytes.
const MAX_PATTERN_BYTES: usize = 4_000;
/// The pattern of empty text.
const NOTHING: &str = "^\\z";

/// The measures on requests: a part for the `http` block and one for the `server` block.
#[must_use]
pub fn render(plan: &Plan, protected: &[Prefix]) -> Vec<RenderedRule> {
    build(plan, protected, Config { protects: !protected.is_empty(), ..Config::default() }, UNDO)
}

/// The two parts as files that are included: for the `http` block and for the `server` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Includes {
    pub http: String,
    pub server: String,
    /// Measures that they carry out, by id.
    pub measures: Vec<String>,
}

/// The measures that refuse or limit requests, as files to include. Each holds until its time by
/// nginx's own clock, so that nothing outlives it even where nobody is left to remove the files.
#[must_use]
pub fn includes(plan: &Plan, protected: &[Prefix]) -> Includes {
    let mut refusing = plan.clone();
    refusing
        .measures
        .retain(|m| matches!(m.action, Action::Block { .. } | Action::RateLimit { .. } | Action::Challenge));
    let config = Config { protects: !protected.is_empty(), expires: true, ..Config::default() };
    let rules = build(&refusing, protected, config, &[]);
    let measures = rules.first().map(|r| r.measures.clone()).unwrap_or_default();
    if measures.is_empty() {
        return Includes::default();
    }
    Includes { http: at_place(&rules, HTTP), server: at_place(&rules, SERVER), measures }
}

fn build(plan: &Plan, protected: &[Prefix], mut config: Config, undo: &[&str]) -> Vec<RenderedRule> {
    let taken = Taken::of(plan, |m| is_http(plan, m), |m| config.measure(plan, m));
    if taken.is_empty() {
        return Vec::new();
    }
    let exempt = if config.http.contains(PROTECTED) { geo(PROTECTED, protected) } else { String::new() };
    let refusal = config.refusal.map_or(String::new(), |status| format!("limit_req_status {status};\n"));
    let mut rules = Vec::new();
    if !config.http.is_empty() || config.server.is_empty() {
        let text = heading("#", plan, undo, &taken.notes) + &exempt + &config.http;
        rules.push(taken.rule(PROGRAM, HTTP, text));
    }
    if !config.server.is_empty() {
        // What cannot be expressed is said once, in the first part.
        let notes = if rules.is_empty() { taken.notes.as_slice() } else { &[] };
        let text = heading("#", plan, undo, notes) + &config.server + &refusal;
        rules.push(taken.rule(PROGRAM, SERVER, text));
    }
    rules
}

/// A configuration with one site that holds both parts.
#[must_use]
pub fn check_file(rules: &[RenderedRule]) -> String {
    format!(
        "events {{}}\nhttp {{\n{}\nserver {{\nlisten 127.0.0.1:8080;\n{}\nlocation / {{ proxy_pass http://127.0.0.1:8081; }}\n}}\n}}\n",
        at_place(rules, HTTP),
        at_place(rules, SERVER)
    )
}

fn geo(variable: &str, prefixes: &[Prefix]) -> String {
    if prefixes.is_empty() {
        return String::new();
    }
    let lines: String = prefixes.iter().map(|p| format!("\t{p} 1;\n")).collect();
    format!("geo ${variable} {{\n\tdefault 0;\n{lines}}}\n")
}

#[derive(Default)]
struct Config {
    http: String,
    server: String,
    protects: bool,
    /// Whether each measure ends by nginx's own clock.
    expires: bool,
    /// Status for requests beyond a limit; nginx has one for all limits of a block.
    refusal: Option<u16>,
    /// Directives that may stand once in a block, and do already.
    single: Vec<&'static str>,
}

impl Config {
    fn measure(&mut self, plan: &Plan, m: &Measure) -> Result<(), String> {
        let id = format!("seawall_{}", name(m));
        let (http, server) = match &m.action {
            Action::Block { status } => {
                let code = if *status == 0 { 444 } else { *status };
                (self.applies(m, &id)?, format!("if (${id}) {{ return {code}; }}\n"))
            }
            Action::RateLimit { key, per_s, burst } => self.limit(m, &id, *key, *per_s, *burst)?,
            Action::Challenge => self.challenge(plan, m, &id)?,
            Action::WaitingRoom { admitted_per_s } => self.waiting_room(plan, m, &id, *admitted_per_s),
            Action::HeaderDeadline { seconds, connections_per_source } => {
                self.once("client_header_timeout")?;
                self.header_deadline(&id, *seconds, *connections_per_source)
            }
            Action::ServeStale { seconds } => {
                self.once("proxy_cache_use_stale")?;
                (String::new(), serve_stale(*seconds))
            }
            other => return Err(format!("nginx cannot {}", plain(other.name()))),
        };
        let said = comments("#", &[in_words(m)]);
        if !http.is_empty() {
            let _ = write!(self.http, "{said}{http}");
        }
        let _ = write!(self.server, "{said}{server}");
        Ok(())
    }

    fn once(&mut self, directive: &'static str) -> Result<(), String> {
        if self.single.contains(&directive) {
            return Err(format!("a measure above sets {directive} already"));
        }
        self.single.push(directive);
        Ok(())
    }

    /// Defines `$id`: 1 where the measure applies to the request.
    fn applies(&self, m: &Measure, id: &str) -> Result<String, String> {
        let mut text = String::new();
        let mut factors = Vec::new();
        match &m.scope {
            Scope::All => {}
            Scope::Sources(prefixes) => {
                text.push_str(&geo(&format!("{id}_from"), prefixes));
                factors.push((format!("${id}_from"), 1));
            }
            Scope::Signature(s) => {
                for (index, test) in s.tests.iter().enumerate() {
                    let variable = format!("{id}_t{index}");
                    text.push_str(&one_test(test, &variable)?);
                    factors.push((format!("${variable}"), 1));
                }
            }
        }
        if self.protects {
            factors.push(("$seawall_protected".to_owned(), 0));
        }
        if self.expires {
            let _ = writeln!(
                text,
                "map $msec ${id}_over {{\n\tdefault 0;\n\t\"~{}\" 1;\n}}",
                from_second(m.expires.0.div_euclid(SECOND_NS))
            );
            factors.push((format!("${id}_over"), 0));
        }
        if per_mille(m) < 1_000 {
            let percent = f64::from(per_mille(m)) / 10.0;
            let drawn = if is_drawn_by_request(m) { "$request_id" } else { "$remote_addr" };
            let _ = writeln!(text, "split_clients {drawn} ${id}_share {{\n\t{percent:.1}% 1;\n\t* 0;\n}}");
            factors.push((format!("${id}_share"), 1));
        }
        if factors.is_empty() {
            let _ = writeln!(text, "map $request_method ${id} {{\n\tdefault 1;\n}}");
            return Ok(text);
        }
        let joined: String = factors.iter().map(|(variable, _)| variable.as_str()).collect();
        let wanted: String = factors.iter().map(|(_, value)| value.to_string()).collect();
        let _ = writeln!(text, "map \"{joined}\" ${id} {{\n\tdefault 0;\n\t\"{wanted}\" 1;\n}}");
        Ok(text)
    }

    fn limit(
        &mut self,
        m: &Measure,
        id: &str,
        key: RateKey,
        per_s: f64,
        burst: f64,
    ) -> Result<(String, String), String> {
        let mut http = self.applies(m, id)?;
        let value = match key {
            RateKey::Source => "$binary_remote_addr".to_owned(),
            RateKey::Network => {
                http.push_str(&network(id));
                format!("${id}_network")
            }
            RateKey::Path => "$uri".to_owned(),
            RateKey::Destination => "$server_addr".to_owned(),
            RateKey::Total => "1".to_owned(),
        };
        // An empty key is not counted.
        let _ = writeln!(http, "map ${id} ${id}_key {{\n\tdefault \"\";\n\t1 {value};\n}}");
        // Where clients share a limit, a share of the clients has a share of it.
        let part = if key == RateKey::Source { 1.0 } else { f64::from(per_mille(m)) / 1_000.0 };
        http.push_str(&zone(id, per_s * part));
        let burst = (burst * part).ceil().clamp(1.0, 1e6) as u64;
        let server = format!("limit_req zone={id} burst={burst} nodelay;\n");
        self.refusal.get_or_insert(429);
        Ok((http, server))
    }

    /// Who keeps a cookie over a redirect is let through: weaker than proof of work, and enough
    /// for simple tools.
    ///
    /// The redirect stands in a location of its own, where it cannot replace the headers that the
    /// site adds to its answers, and names no host: nginx does not know which one visitors typed
    /// where a balancer stands before it. Without a host, browsers take a path that begins with
    /// two slashes, or a slash and a backslash, for another site (URL Standard, "relative slash
    /// state"), so only paths that do not are redirected, and the rest is refused.
    fn challenge(&self, plan: &Plan, m: &Measure, id: &str) -> Result<(String, String), String> {
        let token = token(plan, m);
        let mut http = self.applies(m, id)?;
        let _ = writeln!(
            http,
            "map $request_uri ${id}_stays {{\n\tdefault 0;\n\t\"~^/(?:[^/\\x5c]|\\z)\" 1;\n}}\nmap \"${id}${id}_stays:$cookie_{id}\" ${id}_ask {{\n\tdefault 0;\n\t\"11:{token}\" 0;\n\t\"10:{token}\" 0;\n\t\"~^11:\" 1;\n\t\"~^10:\" 2;\n}}"
        );
        let server = format!(
            "if (${id}_ask = 1) {{ rewrite ^ /.{id} last; }}\nif (${id}_ask = 2) {{ return 403; }}\nlocation = /.{id} {{\n\tinternal;\n\tabsolute_redirect off;\n\tadd_header Set-Cookie \"{id}={token}; Path=/; Max-Age=900\" always;\n\treturn 307 $request_uri;\n}}\n"
        );
        Ok((http, server))
    }

    /// Visitors without the cookie are admitted at the rate; who was admitted gets the cookie.
    fn waiting_room(&mut self, plan: &Plan, m: &Measure, id: &str, admitted_per_s: f64) -> (String, String) {
        let token = token(plan, m);
        let exempt = if self.protects { "$seawall_protected" } else { "0" };
        let http = format!(
            "map \"{exempt}:$cookie_{id}\" ${id}_key {{\n\tdefault 1;\n\t\"~^1:\" \"\";\n\t\"0:{token}\" \"\";\n}}\n{}",
            zone(id, admitted_per_s)
        );
        let server = format!(
            "limit_req zone={id} burst={} nodelay;\nadd_header Set-Cookie \"{id}={token}; Path=/; Max-Age=900\";\n",
            admitted_per_s.ceil().clamp(1.0, 1e6) as u64
        );
        self.refusal = Some(503);
        (http, server)
    }

    fn header_deadline(&self, id: &str, seconds: u32, connections: u32) -> (String, String) {
        let key = if self.protects {
            format!("map $seawall_protected ${id}_key {{\n\tdefault $binary_remote_addr;\n\t1 \"\";\n}}\n")
        } else {
            format!("map $request_method ${id}_key {{\n\tdefault $binary_remote_addr;\n}}\n")
        };
        let http = format!("{key}limit_conn_zone ${id}_key zone={id}:{ZONE};\n");
        let server = format!(
            "client_header_timeout {seconds}s;\nclient_body_timeout {seconds}s;\nlimit_conn {id} {connections};\n"
        );
        (http, server)
    }
}

fn serve_stale(seconds: u32) -> String {
    format!(
        "# works only where proxy_cache is on\nproxy_cache_use_stale updating error timeout http_500 http_502 http_503 http_504;\nproxy_cache_background_update on;\nproxy_cache_lock on;\nproxy_cache_valid 200 301 302 {seconds}s;\n"
    )
}

fn zone(id: &str, per_s: f64) -> String {
    let (rate, by_minute) = whole_rate(per_s);
    let unit = if by_minute { "m" } else { "s" };
    format!("limit_req_zone ${id}_key zone={id}:{ZONE} rate={rate}r/{unit};\n")
}

/// A pattern of times, as seconds since 1970 in decimal, that are not before `second`: it counts
/// digit by digit, for times of as many digits (those of this and the next two centuries have ten).
fn from_second(second: i64) -> String {
    let digits = second.max(0).to_string();
    let mut choices = vec![digits.clone()];
    for (at, digit) in digits.char_indices().filter(|(_, d)| *d != '9') {
        let next = char::from(digit as u8 + 1);
        choices.push(format!("{}[{next}-9]", &digits[..at]));
    }
    format!("^(?:{})", choices.join("|"))
}

/// The first three bytes of an IPv4 address, the first three groups of an IPv6 address.
fn network(id: &str) -> String {
    format!(
        "map $remote_addr ${id}_network {{\n\tdefault $remote_addr;\n\t\"~^(?<{id}_v4>[0-9]+\\.[0-9]+\\.[0-9]+)\\.\" ${id}_v4;\n\t\"~^(?<{id}_v6>[0-9a-f]+:[0-9a-f]*:[0-9a-f]*)\" ${id}_v6;\n}}\n"
    )
}

/// A map of one test to `$variable`.
fn one_test(test: &Test, variable: &str) -> Result<String, String> {
    let whole = |text: &str| format!("^{}\\z", literal(text));
    let (subject, pattern) = match test {
        Test::Source(prefix) => return Ok(geo(variable, &[*prefix])),
        Test::Method(Method::Other) => ("$request_method", other_methods()),
        Test::Method(method) => ("$request_method", whole(method.as_str())),
        Test::Host(host) => ("$http_host", format!("^(?i:{})(?::[0-9]+)?\\z", literal(host))),
        Test::Path(path) => ("$request_uri", format!("^{}(?:\\?|\\z)", literal(path))),
        Test::PathTemplate(t) => ("$request_uri", format!("^{}(?:\\?|\\z)", template(t))),
        Test::QueryShape(shape) if shape.is_empty() => ("$request_uri", "^[^?]*\\??\\z".to_owned()),
        Test::QueryShape(shape) => ("$request_uri", format!("^[^?]*\\?{}\\z", query(shape))),
        Test::UserAgent(agent) => ("$http_user_agent", whole(agent)),
        Test::ReferrerOrigin(from) => ("$http_referer", format!("^{}\\z", origin(from))),
        Test::HttpVersion(HttpVersion::Http2) => ("$server_protocol", "^HTTP/2".to_owned()),
        Test::HttpVersion(HttpVersion::Http3) => ("$server_protocol", "^HTTP/3".to_owned()),
        Test::HttpVersion(v @ (HttpVersion::Http10 | HttpVersion::Http11)) => {
            ("$server_protocol", whole(v.as_str()))
        }
        Test::Cookie(presence) => ("$http_cookie", presence_pattern(*presence)?),
        Test::AcceptLanguage(presence) => ("$http_accept_language", presence_pattern(*presence)?),
        Test::SourceCountry(_) | Test::SourceNetworkNumber(_) => {
            return Err("nginx needs its GeoIP2 module and a database for countries and networks, which no file here can bring".to_owned());
        }
        other => return Err(format!("nginx does not know this of a request: {}", plain(&other.to_string()))),
    };
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err("the text is longer than nginx reads".to_owned());
    }
    // A map does not try patterns on empty text, so that text is a key of its own.
    let key = if pattern == NOTHING { String::new() } else { format!("~{pattern}") };
    Ok(format!("map {subject} ${variable} {{\n\tdefault 0;\n\t\"{key}\" 1;\n}}\n"))
}

fn presence_pattern(presence: Presence) -> Result<String, String> {
    match presence {
        Presence::Absent => Ok(NOTHING.to_owned()),
        Presence::Present => Ok("^.".to_owned()),
        Presence::Unknown => Err("whether a header was there is not known".to_owned()),
    }
}

fn other_methods() -> String {
    "^(?!(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PROPFIND)\\z)".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the pattern's choices take a time, read as the pattern reads them.
    fn takes(pattern: &str, time: &str) -> bool {
        let choices = pattern.trim_start_matches("^(?:").trim_end_matches(')');
        choices.split('|').any(|choice| match choice.split_once('[') {
            None => time.starts_with(choice),
            Some((head, class)) => time
                .strip_prefix(head)
                .and_then(|rest| rest.chars().next())
                .is_some_and(|digit| class.starts_with(|least| least <= digit)),
        })
    }

    #[test]
    fn times_from_a_second_on_are_told_by_their_digits() {
        let pattern = from_second(1_795_289_909);
        for (time, is_over) in [
            ("1795289908.999", false),
            ("1795289909.000", true),
            ("1795289910.000", true),
            ("1794999999.000", false),
            ("1800000000.000", true),
            ("2000000000.000", true),
        ] {
            assert_eq!(takes(&pattern, time), is_over, "{time} {pattern}");
        }
    }
}
