//! Answers that last, and why: readers who take them at a trickle, and what is held open by design, such as
//! sockets and streams of events. Neither is work of the service, though its log gives them long times.
//!
//! Evaded by readers who each hold one answer, as visitors with a bad line do. Innocent look-alikes: large
//! files on slow lines (their rate tells), pages in many tabs, each with a stream of its own.

use super::sampled::Sampled;
use super::{Value, client, push, push_share};
use crate::feature::classify::{PathKind, has_extension};
use crate::feature::http::{HttpWindow, SWITCHED};
use seawall_model::finding::Findings;
use seawall_model::hash;
use seawall_model::metric::Metric;
use seawall_model::observation::Method;

/// Who waits so long for an answer that was there takes it at a trickle.
const SLOW_US: u64 = 10_000_000;
/// No line of today is as slow, in bytes per second.
const SLOW_BYTES_PER_S: u64 = 2_000;
/// An answer was there when its reader was waited for, if the service took no more than this part of the time.
const SERVED_PART: u64 = 10;
/// Sampled requests that prove that one reader holds many.
const HELD_LEAST: usize = 3;
/// A stream of events lasts no shorter.
const STREAM_US: u64 = 20_000_000;
/// Each visitor opens so many sockets at most, with the tries that fail.
const OPENED_EACH: f64 = 8.0;
/// Fewer sampled requests open nothing that matters.
const OPENED_LEAST: usize = 10;

/// Whether an answer was there, and its reader took it at a trickle: a file, which takes no work, or what the
/// log says was answered long before.
pub(super) fn is_read_slowly(r: &Sampled) -> bool {
    let Some(taken_us) = r.duration_us.filter(|us| *us >= SLOW_US) else { return false };
    let was_there = match r.upstream_us {
        Some(upstream_us) => upstream_us <= taken_us / SERVED_PART,
        None => r.kind == PathKind::Asset || is_file(&r.path),
    };
    let is_answer = r.method == Method::Get && (200..300).contains(&r.status) && r.response_bytes > 0;
    is_answer && was_there && r.response_bytes.saturating_mul(1_000_000) / taken_us <= SLOW_BYTES_PER_S
}

/// Whether a path names a file that people download.
fn is_file(path: &str) -> bool {
    const EXTENSIONS: [&[u8]; 12] =
        [b"pdf", b"zip", b"gz", b"iso", b"mp4", b"mp3", b"exe", b"dmg", b"apk", b"bin", b"docx", b"xlsx"];
    has_extension(path.as_bytes(), &EXTENSIONS)
}

/// Whether a request is held open by design: it became a socket, or a stream of events.
pub(super) fn is_held_open(r: &Sampled) -> bool {
    let lasts = r.method == Method::Get && r.duration_us.is_some_and(|us| us >= STREAM_US);
    r.status == SWITCHED || (lasts && (200..300).contains(&r.status) && names_a_stream(&r.path))
}

/// What streams of events, and questions that wait for news, are usually called in paths.
fn names_a_stream(path: &str) -> bool {
    const WORDS: [&str; 16] = [
        "events",
        "event",
        "stream",
        "streams",
        "sse",
        "eventsource",
        "subscribe",
        "subscriptions",
        "poll",
        "longpoll",
        "notifications",
        "signalr",
        "sockjs",
        "cable",
        "listen",
        "watch",
    ];
    let is_word = |part: &str| WORDS.iter().any(|word| part.eq_ignore_ascii_case(word));
    path.split(|c: char| !c.is_ascii_alphanumeric()).any(is_word)
}

/// How what prepares a socket is called in paths: logs tell of the socket itself only when it ends.
fn names_a_socket(path: &str) -> bool {
    const WORDS: [&str; 5] = ["negotiate", "sockjs", "signalr", "websocket", "ws"];
    path.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| WORDS.contains(&part))
}

/// How many answers are read at a trickle at once, in all and by the reader with most, by Little's law.
pub(super) fn slow_reads(http: &HttpWindow, records: &[Sampled], seconds: f64, out: &mut Vec<Value>) {
    let reader = |r: &Sampled| hash::combine(hash::address(r.client), r.agent.hash);
    let slow = records.iter().filter(|r| is_read_slowly(r));
    let mut held: Vec<(u64, u64)> = slow.map(|r| (reader(r), r.duration_us.unwrap_or(0))).collect();
    held.sort_unstable();
    let scale = http.counters.requests as f64 / records.len().max(1) as f64;
    // What lasts longer than the time that is looked at was held all of it.
    let at_once = |run: &[(u64, u64)]| {
        let held_s = |us: u64| (us as f64 / 1e6).min(seconds);
        run.iter().map(|(_, us)| held_s(*us)).sum::<f64>() * scale / seconds
    };
    let readers = held.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() >= HELD_LEAST);
    push(out, Metric::SlowReadsPerClient, readers.map(at_once).fold(0.0, f64::max), held.len() as f64);
    push(out, Metric::SlowReads, at_once(&held), held.len() as f64);
}

/// How much of what is asked for opens what is held open, by visitors of whom each opens few: they come back
/// when a server was restarted or let go of them, and try again until they are let in.
pub(super) fn reopened(http: &HttpWindow, records: &[Sampled], out: &mut Vec<Value>) {
    let opens = |r: &&Sampled| is_held_open(r) || names_a_socket(&r.path);
    let mut kinds: Vec<u64> = records.iter().filter(opens).map(|r| r.class).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let opening: Vec<&Sampled> = records.iter().filter(|r| kinds.binary_search(&r.class).is_ok()).collect();
    let mut visitors: Vec<u64> = opening.iter().map(|r| hash::address(r.client)).collect();
    visitors.sort_unstable();
    visitors.dedup();
    // Where hardly any visitor occurs twice in the sample, there are far more than it holds.
    let few_repeat = visitors.len() * 2 > opening.len();
    let count = if few_repeat { http.clients.count() } else { visitors.len() as f64 };
    let opened = opening.len() as f64 * http.counters.requests as f64 / records.len().max(1) as f64;
    let is_return = opening.len() >= OPENED_LEAST && opened <= OPENED_EACH * count;
    let asked = records.iter().filter(|r| r.is_asked()).count() as f64;
    let asked = if kinds.is_empty() { 0.0 } else { asked };
    push_share(out, Metric::ReopenedShare, if is_return { opening.len() as f64 } else { 0.0 }, asked);
}

/// Takes what visitors never finished for what it is, as far as they look at pages in the same time.
pub(super) fn preconnected(records: &[Sampled], http: &HttpWindow, out: &mut [Value]) {
    if let Some(share) = out.iter_mut().find(|v| v.metric == Metric::RequestTimeoutShare) {
        share.value *= 1.0 - unused_share(records, &[http]);
    }
}

/// The same, as far as they looked at pages before.
pub(super) fn preconnected_before(
    records: &[Sampled],
    now: &HttpWindow,
    before: &HttpWindow,
    findings: &mut Findings,
) {
    if let Some(share) = findings.findings.iter_mut().find(|f| f.metric == Metric::RequestTimeoutShare) {
        let (known, all) = (unused_share(records, &[now]), unused_share(records, &[now, before]));
        share.observed *= (1.0 - all).max(0.0) / (1.0 - known).max(f64::MIN_POSITIVE);
    }
}

/// How many of the requests that were waited for in vain are of visitors who look at pages and are served:
/// browsers open a connection ahead and do not use it (RFC 9110 15.5.9). Whoever holds connections open with
/// requests that never end hardly ever finishes one.
fn unused_share(records: &[Sampled], seen: &[&HttpWindow]) -> f64 {
    let (mut unused, mut known) = (0.0, 0.0);
    for client in records.iter().filter(|r| r.status == 408).map(|r| hash::address(r.client)) {
        let is_in_sight = seen.iter().all(|http| client <= http.profiles.horizon());
        let mut profiles = seen.iter().filter_map(|http| http.profiles.get(client));
        known += if is_in_sight { 1.0 } else { 0.0 };
        unused += if is_in_sight && profiles.any(client::is_served_visitor) { 1.0 } else { 0.0 };
    }
    if known > 0.0 { unused / known } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;
    use crate::Window;
    use seawall_model::Timestamp;
    use seawall_model::observation::{Observation, Request};

    const BROWSER: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0";

    fn asked(client: u16, path: &'static [u8], status: u16) -> Request<'static> {
        let [high, low] = client.to_be_bytes();
        let request = Request::new(Timestamp::from_seconds(0), [198, 51, high, low].into());
        Request { path, status, response_bytes: 4_000, user_agent: BROWSER, ..request }
    }

    fn measured(requests: &[Request<'_>], metric: Metric) -> Option<f64> {
        let mut window = Window::default();
        for (n, request) in requests.iter().enumerate() {
            let time = Timestamp::from_seconds(n as i64 % 60);
            window.observe(&Observation::Request(Request { time, ..*request }), hash::mix(n as u64));
        }
        window.seal(1.0);
        findings(&window, None, None).observed(metric)
    }

    /// Broke: files that a few clients read at a trickle, many at once, were a flood of costly requests.
    #[test]
    fn who_reads_many_files_at_a_trickle_is_told_from_who_has_a_bad_line() {
        let slow = |clients: u16| -> Vec<_> {
            let of = |n| Request { duration_us: Some(60_000_000), ..asked(n % clients, b"/report.pdf", 200) };
            (0..200).map(of).collect()
        };
        assert!(measured(&slow(2), Metric::SlowReadsPerClient).is_some_and(|held| held > 50.0));
        assert!(measured(&slow(150), Metric::SlowReadsPerClient).is_some_and(|held| held < 3.0));
        let page = |upstream_us| Request {
            duration_us: Some(60_000_000),
            upstream_us: Some(upstream_us),
            ..asked(1, b"/news", 200)
        };
        assert!(measured(&[page(20_000); 40], Metric::SlowReads).is_some_and(|held| held > 30.0));
        assert_eq!(measured(&[page(60_000_000); 40], Metric::SlowReads), None, "the service was slow");
    }

    /// Broke: connections that browsers had opened ahead, and did not use, were called slow requests.
    #[test]
    fn what_a_browser_opens_ahead_is_told_from_requests_that_never_end() {
        let unused = |client: u16| Request { response_bytes: 0, user_agent: b"", ..asked(client, b"", 408) };
        let visits = |n: u16| [asked(n, b"/", 200), asked(n, b"/a.css", 200), asked(n, b"/a.js", 200)];
        let with = |held_by: fn(u16) -> u16| -> f64 {
            let seen: Vec<_> = (0..100).flat_map(visits).chain((0..40).map(|n| unused(held_by(n)))).collect();
            measured(&seen, Metric::RequestTimeoutShare).expect("measured")
        };
        assert_eq!(with(|n| n), 0.0);
        assert!(with(|n| 500 + n % 4) > 0.1);
    }

    /// Broke: sockets that came back after a restart, and streams that were opened again, were floods.
    #[test]
    fn what_visitors_open_again_is_told_from_a_flood_of_sockets() {
        let sockets = |clients: u16| -> Vec<_> {
            (0..600).map(|n| asked(n % clients, b"/ws", if n % 3 == 0 { 101 } else { 502 })).collect()
        };
        assert_eq!(measured(&sockets(300), Metric::ReopenedShare), Some(1.0));
        assert_eq!(measured(&sockets(5), Metric::ReopenedShare), Some(0.0));
        let prepared: Vec<_> = (0..80).map(|n| asked(n, b"/hubs/notify/negotiate", 200)).collect();
        assert_eq!(measured(&prepared, Metric::ReopenedShare), Some(1.0));
        let lasting = |path| -> Vec<_> {
            (0..60).map(|n| Request { duration_us: Some(300_000_000), ..asked(n, path, 200) }).collect()
        };
        assert_eq!(measured(&lasting(b"/events/stream"), Metric::ReopenedShare), Some(1.0));
        assert_eq!(measured(&lasting(b"/search"), Metric::ReopenedShare), None, "it takes work");
    }
}
