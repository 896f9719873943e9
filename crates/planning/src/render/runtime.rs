//! HAProxy without a reload: measures as entries of maps and tables that its runtime API changes.
//!
//! A fixed snippet in the front end (`docs/operate/beside.md`) writes each request as one text of
//! ten lines ([`FIELDS`]) and looks it up in maps of patterns. One pattern is one conjunction, and
//! its value says until when it holds, so that nothing outlives its time even where nobody is left
//! to remove it.

use super::pattern::{literal, origin, query, template};
use super::{Taken, is_http, per_mille, plain, token};
use seawall_model::Prefix;
use seawall_model::observation::{HttpVersion, Method, Presence};
use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope};
use seawall_model::signature::Test;
use seawall_model::time::SECOND_NS;
use std::net::IpAddr;

/// Seconds over which the snippet's table counts requests of a source.
pub const COUNTED_S: f64 = 10.0;
/// What the lines of a request's text are, in order.
pub const FIELDS: [&str; 10] = [
    "method",
    "host",
    "path",
    "query",
    "user agent",
    "referrer",
    "version",
    "number of cookie fields",
    "number of accept-language fields",
    "source",
];
/// Longest pattern: the runtime API reads commands into a buffer of 16 KiB.
const MAX_PATTERN_BYTES: usize = 4_000;
/// Any text within a line.
const ANY: &str = "[^\\x0a]*";
const LINE_END: &str = "\\x0a";

/// What the maps and the table are to hold for a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Pattern and `until:share`: requests to refuse.
    pub deny: Vec<(String, String)>,
    /// Pattern and `until:share:count`: requests that each source may send so many of in
    /// [`COUNTED_S`].
    pub limits: Vec<(String, String)>,
    /// Pattern and `until:share:token`: requests to send back for a cookie with that token.
    pub ask: Vec<(String, String)>,
    /// Addresses to refuse.
    pub sources: Vec<IpAddr>,
    /// Measures that these carry out, by id.
    pub measures: Vec<String>,
    /// Why other measures are missing.
    pub notes: Vec<String>,
}

/// The entries for a plan's measures on requests.
#[must_use]
pub fn entries(plan: &Plan) -> Entries {
    let mut entries = Entries::default();
    let taken = Taken::of(plan, |m| is_http(plan, m), |m| entries.measure(plan, m));
    Entries { measures: taken.rendered, notes: taken.notes, ..entries }
}

impl Entries {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deny.is_empty() && self.limits.is_empty() && self.ask.is_empty() && self.sources.is_empty()
    }

    fn measure(&mut self, plan: &Plan, m: &Measure) -> Result<(), String> {
        let until = m.expires.0.div_euclid(SECOND_NS);
        let value = format!("{until}:{}", per_mille(m));
        match (&m.action, &m.scope) {
            (Action::Block { .. }, Scope::All) => Err("it would refuse everybody".to_owned()),
            (Action::Block { .. }, Scope::Sources(prefixes)) => {
                let hosts: Option<Vec<IpAddr>> = prefixes.iter().map(|p| host(*p)).collect();
                self.sources.extend(hosts.ok_or("its table holds whole addresses only")?);
                Ok(())
            }
            (Action::Block { .. }, Scope::Signature(signature)) => {
                self.deny.push((pattern(&signature.tests)?, value));
                Ok(())
            }
            (Action::RateLimit { key: RateKey::Source, per_s, burst }, scope) => {
                let count = (per_s * COUNTED_S).max(*burst).ceil().clamp(1.0, 1e9) as u64;
                self.limits.push((pattern_of(scope)?, format!("{value}:{count}")));
                Ok(())
            }
            (Action::Challenge, scope) => {
                self.ask.push((pattern_of(scope)?, format!("{value}:{}", token(plan, m))));
                Ok(())
            }
            (Action::RateLimit { .. }, _) => Err("its snippet counts by source only".to_owned()),
            (other, _) => Err(format!("HAProxy's runtime API cannot {}", plain(other.name()))),
        }
    }
}

fn pattern_of(scope: &Scope) -> Result<String, String> {
    match scope {
        Scope::All => pattern(&[]),
        Scope::Signature(signature) => pattern(&signature.tests),
        Scope::Sources(_) => Err("this is not for listed sources".to_owned()),
    }
}

/// The pattern of a request's text for a conjunction; no tests: any request.
fn pattern(tests: &[Test]) -> Result<String, String> {
    let mut lines: [Option<String>; FIELDS.len()] = Default::default();
    for test in tests {
        let (field, text) = one_test(test)?;
        if lines[field].replace(text).is_some() {
            return Err(format!("it tests the {} twice", FIELDS[field]));
        }
    }
    let lines = lines.map(|line| line.unwrap_or_else(|| ANY.to_owned()));
    let pattern = format!("^{}\\z", lines.join(LINE_END));
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err("its text is longer than the runtime API takes".to_owned());
    }
    Ok(pattern)
}

/// The line that a test is about, and the pattern of it. A class such as `[^/]` may run over a line
/// end; a text that has as many line ends as the pattern does not fit then.
fn one_test(test: &Test) -> Result<(usize, String), String> {
    let found = match test {
        Test::Source(prefix) => (9, source(*prefix)?),
        Test::Method(Method::Other) => (
            0,
            format!("(?!(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PROPFIND){LINE_END}){ANY}"),
        ),
        Test::Method(method) => (0, literal(method.as_str())),
        Test::Host(host) => (1, format!("{}(?::[0-9]+)?", literal(&host.to_lowercase()))),
        Test::Path(path) => (2, literal(path)),
        Test::PathTemplate(t) => (2, template(t)),
        Test::QueryShape(shape) if shape.is_empty() => (3, String::new()),
        Test::QueryShape(shape) => (3, query(shape)),
        Test::UserAgent(agent) => (4, literal(agent)),
        Test::ReferrerOrigin(from) => (5, origin(from)),
        Test::HttpVersion(HttpVersion::Http10) => (6, literal("1.0")),
        Test::HttpVersion(HttpVersion::Http11) => (6, literal("1.1")),
        Test::HttpVersion(HttpVersion::Http2) => (6, literal("2.0")),
        Test::Cookie(presence) => (7, count_of(*presence)?),
        Test::AcceptLanguage(presence) => (8, count_of(*presence)?),
        other => {
            return Err(format!(
                "the snippet does not tell this of a request: {}",
                plain(&other.to_string())
            ));
        }
    };
    Ok(found)
}

/// An address, or an IPv4 prefix of whole numbers, as it is written.
fn source(prefix: Prefix) -> Result<String, String> {
    if let Some(address) = host(prefix) {
        return Ok(literal(&address.to_string()));
    }
    match (prefix.address(), prefix.length_bits()) {
        (IpAddr::V4(v4), 8 | 16 | 24) => {
            let numbers = v4.octets().into_iter().take(usize::from(prefix.length_bits()) / 8);
            let numbers: Vec<String> = numbers.map(|n| n.to_string()).collect();
            Ok(format!("{}\\x2e[0-9.]+", literal(&numbers.join("."))))
        }
        _ => Err(format!("no pattern of its text says what lies in {prefix}")),
    }
}

fn host(prefix: Prefix) -> Option<IpAddr> {
    (prefix == Prefix::host(prefix.address())).then_some(prefix.address())
}

fn count_of(presence: Presence) -> Result<String, String> {
    match presence {
        Presence::Absent => Ok("0".to_owned()),
        Presence::Present => Ok("[1-9][0-9]*".to_owned()),
        Presence::Unknown => Err("whether a header was there is not known".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conjunction_is_one_pattern_with_every_line() {
        let tests = [Test::PathTemplate("/item/*".into()), Test::UserAgent("a b".into())];
        let found = pattern(&tests).expect("a pattern");
        assert_eq!(
            found.matches("\\x0a").count(),
            FIELDS.len() - 1 + 8,
            "eight lines of any text name it too"
        );
        assert!(found.contains("/item/[^/?]+\\x0a[^\\x0a]*\\x0aa\\x20b\\x0a"), "{found}");
        assert!(!found.contains(char::is_whitespace), "a map's key ends at white space");
    }

    #[test]
    fn a_source_is_told_by_its_text() {
        let line = |text: &str| source(text.parse().expect("a prefix"));
        assert_eq!(line("192.0.2.7").as_deref(), Ok("192\\x2e0\\x2e2\\x2e7"));
        assert_eq!(line("192.0.2.0/24").as_deref(), Ok("192\\x2e0\\x2e2\\x2e[0-9.]+"));
        assert_eq!(line("2001:db8::1").as_deref(), Ok("2001:db8::1"));
        assert!(line("192.0.2.0/26").is_err() && line("2001:db8::/48").is_err());
    }

    #[test]
    fn what_the_text_does_not_tell_is_no_pattern() {
        assert!(pattern(&[Test::Status(404)]).is_err());
        assert!(pattern(&[Test::Path("/a".into()), Test::PathTemplate("/*".into())]).is_err());
    }
}
