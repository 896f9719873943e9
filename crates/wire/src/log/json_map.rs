//! Which keys of a JSON log mean what: by the names that Traefik, Caddy, Envoy, nginx
//! configurations, Cloudflare, Google and Elastic use, by what other programs' loggers commonly
//! call the same things, or as the operator says.

use super::TemplateError;
use super::date::Dates;
use super::draft::{Field, Unit};
use super::json::{self, Value};
use super::names;
use super::scan::decimal;
use super::sight;
use seawall_model::Timestamp;
use std::mem::discriminant;

/// Lines that are looked at to guess the meaning of keys.
const LINES: usize = 200;
/// Different keys that are looked at.
const KEYS: usize = 400;

/// Name of the map of objects that carry lines of another format.
const CARRIER: &str = "json-carrier";

/// The meaning of the keys of a JSON log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonMap {
    /// Sorted by length of the path, then by its bytes.
    entries: Vec<(Vec<u8>, Field)>,
    /// Where the paths of each length begin in `entries`; the last is their end.
    by_length: Vec<usize>,
    name: &'static str,
    is_logfmt: bool,
}

impl JsonMap {
    /// What the value at this path of keys means.
    pub(super) fn field(&self, path: &[u8]) -> Option<Field> {
        let (from, to) = (*self.by_length.get(path.len())?, *self.by_length.get(path.len() + 1)?);
        self.entries[from..to].iter().find(|(known, _)| known == path).map(|(_, field)| *field)
    }

    /// Whether the lines are `key=value` pairs instead of JSON.
    pub(super) fn is_logfmt(&self) -> bool {
        self.is_logfmt
    }

    /// Whether all headers of the request are in the line, so that one not there was not sent.
    pub(super) fn has_all_headers(&self) -> bool {
        self.name == "caddy-json"
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    fn new(mut entries: Vec<(Vec<u8>, Field)>, name: &'static str) -> Self {
        entries.sort_by(|a, b| order(&a.0, &b.0));
        entries.dedup_by(|a, b| a.0 == b.0);
        let longest = entries.last().map_or(0, |(path, _)| path.len());
        let by_length =
            (0..=longest + 1).map(|n| entries.partition_point(|(path, _)| path.len() < n)).collect();
        Self { entries, by_length, name, is_logfmt: false }
    }

    /// Reads `meaning=key` pairs, separated by commas or white space; keys inside objects are
    /// joined by points: `client=remote.ip, duration_ms=took`.
    pub(super) fn from_text(text: &str) -> Result<Self, TemplateError> {
        let mut entries = Vec::new();
        for pair in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|p| !p.is_empty()) {
            let (meaning, key) = pair.split_once('=').ok_or_else(|| {
                TemplateError::new(pair, "is not of the form meaning=key, such as client=remote_addr")
            })?;
            let field = names::meaning(meaning).ok_or_else(|| {
                TemplateError::new(
                    meaning,
                    "is no known meaning, such as time, client, status or duration_ms",
                )
            })?;
            entries.push((key.as_bytes().to_vec(), field));
        }
        let has = |wanted: &[Field]| entries.iter().any(|(_, f)| wanted.contains(f));
        if !has(&[Field::Time, Field::StartTime, Field::Message]) {
            return Err(TemplateError::new(text, "names no key for the time"));
        }
        if !has(&[Field::Peer, Field::Client, Field::ForwardedFor, Field::RealAddress, Field::Message]) {
            return Err(TemplateError::new(text, "names no key for the client"));
        }
        Ok(Self::new(entries, "json"))
    }

    /// Guesses from sample lines whose carriers have been taken off; `has_time` if those carriers
    /// tell the time. `None` if the lines are no access records and hold none.
    pub(super) fn guess<'a>(lines: impl Iterator<Item = &'a [u8]>, has_time: bool) -> Option<Self> {
        let mut keys = Keys { found: Vec::new(), has_time };
        for line in lines.take(LINES) {
            let Some(start) = memchr::memchr(b'{', line) else { continue };
            // A line that is broken halfway has still told its first keys.
            let _ = json::walk(line, start, &mut Vec::new(), &mut |path: &[u8], value: Value<'a>| {
                keys.collect(path, value);
            });
        }
        keys.map()
    }

    /// As [`JsonMap::guess`], for `key=value` pairs.
    pub(super) fn guess_logfmt<'a>(lines: impl Iterator<Item = &'a [u8]>, has_time: bool) -> Option<Self> {
        let mut keys = Keys { found: Vec::new(), has_time };
        for line in lines.take(LINES) {
            let _ = json::walk_pairs(line, 0, &mut Vec::new(), &mut |path: &[u8], value: Value<'a>| {
                keys.collect(path, value);
            });
        }
        let map = keys.map()?;
        (map.name != CARRIER).then_some(Self { name: "logfmt", is_logfmt: true, ..map })
    }
}

fn order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The keys of sample lines and their values.
struct Keys<'a> {
    found: Vec<(Vec<u8>, Vec<Value<'a>>)>,
    /// Whether the time need not be among the keys.
    has_time: bool,
}

impl<'a> Keys<'a> {
    fn collect(&mut self, path: &[u8], value: Value<'a>) {
        let found = &mut self.found;
        let known = found.iter().position(|(known, _)| known == path);
        match known {
            Some(at) if found[at].1.len() < LINES => found[at].1.push(value),
            None if found.len() < KEYS => found.push((path.to_vec(), vec![value])),
            _ => {}
        }
    }

    fn map(&self) -> Option<JsonMap> {
        let flavour = self.flavour();
        // For every kind of field the key whose name fits best.
        let mut best: Vec<(Field, u32, &[u8])> = Vec::new();
        for (path, values) in &self.found {
            let Some((field, rank)) = names::json_field(path) else { continue };
            let field = with_unit(field, values, flavour);
            match best.iter_mut().find(|(f, _, _)| discriminant(f) == discriminant(&field)) {
                Some(entry) if rank < entry.1 => *entry = (field, rank, path),
                Some(_) => {}
                None => best.push((field, rank, path)),
            }
        }
        let has = |wanted: &[Field]| best.iter().any(|(f, _, _)| wanted.contains(f));
        let is_access = (self.has_time || has(&[Field::Time, Field::StartTime]))
            && has(&[Field::Peer, Field::Client, Field::ForwardedFor, Field::RealAddress])
            && has(&[Field::Status, Field::Method, Field::RequestLine, Field::Target]);
        if !is_access {
            return self.carrier();
        }
        let entries = best.iter().filter(|b| b.0 != Field::Message).map(|b| (b.2.to_vec(), b.0)).collect();
        Some(JsonMap::new(entries, flavour))
    }

    /// A map for objects that carry lines of another format as text.
    fn carrier(&self) -> Option<JsonMap> {
        let mut entries = Vec::new();
        for (path, values) in &self.found {
            match names::json_field(path) {
                Some((Field::Message, _)) if values.iter().any(|v| holds_a_line(*v)) => {
                    entries.push((path.clone(), Field::Message));
                }
                Some((field @ Field::Time, _)) => entries.push((path.clone(), field)),
                _ => {}
            }
        }
        entries.iter().any(|(_, f)| *f == Field::Message).then(|| JsonMap::new(entries, CARRIER))
    }

    fn has(&self, path: &[u8]) -> bool {
        self.found.iter().any(|(known, _)| known == path)
    }

    fn flavour(&self) -> &'static str {
        if self.has(b"DownstreamStatus") {
            "traefik-json"
        } else if self.has(b"request.uri") && self.has(b"ts") {
            "caddy-json"
        } else if self.has(b"response_code") && (self.has(b"start_time") || self.has(b"response_flags")) {
            "envoy-json"
        } else {
            "json"
        }
    }
}

fn holds_a_line(value: Value<'_>) -> bool {
    let mut text = Vec::new();
    json::unescape(value.raw(), &mut text);
    let mut dates = Dates::default();
    // The carrier has a date for lines that lack one.
    dates.saw(Timestamp(0));
    sight::read(&mut dates, &mut Vec::new(), super::trimmed(&text)).is_ok()
}

/// Settles the unit of a span whose name does not tell it.
fn with_unit(field: Field, values: &[Value<'_>], flavour: &str) -> Field {
    let (Field::Duration(Unit::Written) | Field::Upstream(Unit::Written)) = field else { return field };
    let unit = match flavour {
        "traefik-json" => Unit::Nanoseconds,
        "caddy-json" => Unit::Seconds,
        "envoy-json" => Unit::Milliseconds,
        _ => unit_of(values),
    };
    if matches!(field, Field::Duration(_)) { Field::Duration(unit) } else { Field::Upstream(unit) }
}

/// The unit by the size of the values: a fraction of small numbers is seconds, whole numbers are
/// milliseconds unless an ordinary answer would then take minutes.
fn unit_of(values: &[Value<'_>]) -> Unit {
    let mut numbers: Vec<u64> = values.iter().filter_map(|v| decimal(v.raw(), 3)).collect();
    numbers.sort_unstable();
    let Some(&middle) = numbers.get(numbers.len() / 2) else { return Unit::Written };
    let pointed = values.iter().any(|v| v.raw().contains(&b'.'));
    match middle {
        0..5_000 if pointed => Unit::Seconds,
        0..3_000_000 => Unit::Milliseconds,
        3_000_000..100_000_000 => Unit::Microseconds,
        _ => Unit::Nanoseconds,
    }
}
