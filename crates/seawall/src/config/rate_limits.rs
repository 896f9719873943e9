//! The rate limits of a site: `rate-limits = [{ key = "source", per-minute = 10, path = "/login" }]`.

use super::guard::string;
use super::{each, url_path, whole};
use crate::report::text;
use seawall_http_edge::act::limit::Rate;
use seawall_http_edge::rate_limits::{Key, RateLimit, in_order};
use toml::de::{DeTable, DeValue};

const EXPECTED: &str =
    "a list such as [{ key = \"source\", per-minute = 10, burst = 5, path = \"/login\" }] is expected";
const KEYS: &str = "\"source\", \"network\", \"session\", \"fingerprint\" or \"total\"";
const KNOWN: [&str; 5] = ["key", "cookie", "per-minute", "burst", "path"];
/// Requests a minute, and at once, that can be allowed.
const MOST_PER_MINUTE: i64 = 60_000_000;
/// Where nothing is said, as many at once as come in so many seconds, and so many at least.
const BURST_S: i64 = 10;
const LEAST_BURST: i64 = 5;

pub(super) fn rate_limits(value: &DeValue<'_>) -> Result<Vec<RateLimit>, String> {
    let list = value.as_array().ok_or(EXPECTED)?;
    each(list.iter(), |item| item.get_ref().as_table().ok_or(EXPECTED.to_owned()).and_then(rate_limit))
        .map(in_order)
}

fn rate_limit(table: &DeTable<'_>) -> Result<RateLimit, String> {
    if let Some(unknown) = table.keys().find(|key| !KNOWN.contains(&key.get_ref().as_ref())) {
        let unknown = text::clip(unknown.get_ref(), 40);
        return Err(format!("unknown key `{unknown}`, known here: {}", KNOWN.join(", ")));
    }
    let get = |name: &str| table.get(name).map(|value| value.get_ref());
    let named = |name: &str, reason: String| format!("{name}: {reason}");
    let number =
        |name: &str, value: &DeValue<'_>| whole(value, 1, MOST_PER_MINUTE).map_err(|e| named(name, e));
    let cookie = get("cookie").map(|value| string(value).and_then(cookie_name)).transpose();
    let key = match (get("key").and_then(DeValue::as_str), cookie.map_err(|e| named("cookie", e))?) {
        (Some("session"), Some(cookie)) => Key::Session(cookie),
        (Some("session"), None) => return Err("cookie is missing: in which one is the session?".into()),
        (Some("source" | "network" | "fingerprint" | "total"), Some(_)) => {
            return Err("cookie is for key = \"session\" alone".into());
        }
        (Some("source"), None) => Key::Source,
        (Some("network"), None) => Key::Network,
        (Some("fingerprint"), None) => Key::Fingerprint,
        (Some("total"), None) => Key::Total,
        _ => return Err(format!("key: {KEYS} is expected")),
    };
    let per_minute = get("per-minute").ok_or("per-minute is missing: how many requests are allowed?")?;
    let per_minute = number("per-minute", per_minute)?;
    let usual = (per_minute * BURST_S / 60).max(LEAST_BURST);
    let burst = get("burst").map_or(Ok(usual), |value| number("burst", value))?;
    let path = get("path").map(|value| string(value).and_then(url_path)).transpose();
    let path = path.map_err(|e| named("path", e))?.unwrap_or_default();
    let rate = Rate::new(per_minute as f64 / 60.0, burst as f64);
    let rate = rate.ok_or("burst: so many at such a rate would be a debt of days")?;
    Ok(RateLimit { key, rate, path: RateLimit::words(&path) })
}

/// The name of a cookie (RFC 6265 section 4.1.1).
fn cookie_name(word: &str) -> Result<String, String> {
    let is_name = !word.is_empty() && word.bytes().all(seawall_http_edge::http1::field::is_token_byte);
    is_name.then(|| word.to_owned()).ok_or_else(|| "the name of a cookie is expected".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mistakes, parse};

    fn site(limits: &str) -> String {
        format!(
            "[[site]]\nlisten = \"127.0.0.1:1\"\nupstreams = [\"127.0.0.1:2\"]\nrate-limits = [\n{limits}]\n"
        )
    }

    #[test]
    fn rate_limits_are_read() {
        let limits = "{ key = \"source\", per-minute = 10, burst = 3, path = \"/login\" },\n\
                      { key = \"session\", cookie = \"sid\", per-minute = 600 },\n";
        let config = parse(&site(limits)).expect("valid");
        let rate = |per_s, burst| Rate::new(per_s, burst).expect("a rate");
        let login = RateLimit { key: Key::Source, rate: rate(10.0 / 60.0, 3.0), path: vec!["login".into()] };
        let session =
            RateLimit { key: Key::Session("sid".into()), rate: rate(10.0, 100.0), path: Vec::new() };
        assert_eq!(config.guard.sites[0].rate_limits, [login, session]);
    }

    #[test]
    fn every_mistake_of_rate_limits_is_told_with_its_line() {
        let limits = "{ key = \"sourc\", per-minute = 10 },\n{ key = \"session\", per-minute = 10 },\n\
                      { key = \"source\", per-minute = 0 },\n{ key = \"source\" },\n\
                      { key = \"source\", per-minute = 1, per-hour = 2 },\n\
                      { key = \"total\", per-minute = 1, cookie = \"a\" },\n\
                      { key = \"total\", per-minute = 1, path = \"login\" },\n\
                      { key = \"total\", per-minute = 1, burst = 60000000 },\n";
        let Mistakes(mistakes) = parse(&site(limits)).expect_err("all are wrong");
        let lines: Vec<usize> = mistakes.iter().map(|m| m.line).collect();
        assert_eq!(lines, [5, 6, 7, 8, 9, 10, 11, 12], "{mistakes:?}");
        assert!(mistakes[0].text.contains("\"fingerprint\""), "{}", mistakes[0].text);
    }
}
