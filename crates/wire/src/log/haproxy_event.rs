//! What HAProxy says of its servers and of itself: servers up and down, pools without a server,
//! proxies started and stopped, reloads.

use super::Line;
use super::date::Dates;
use super::envelope;
use super::scan::integer;
use memchr::{memchr, memmem};
use seawall_model::Timestamp;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::observation::{BackendEvent, BackendEventKind, Observation};
use seawall_model::time::{Civil, SECOND_NS};

/// Bytes of a line that a change quotes.
const QUOTE_BYTES: usize = 200;

/// Reads a message of HAProxy itself. A line without a date of its own happened at the date read
/// last. `None`: it is no such message, or no date is known.
pub(super) fn read<'a>(dates: &mut Dates, line: &'a [u8]) -> Option<Line<'a>> {
    let envelope = envelope::open(dates, line);
    let (own, text) = own_header(envelope.body, dates);
    let time = envelope.time.or(own).or_else(|| dates.latest());
    if let Some((kind, backend, server)) = server_event(text).or_else(|| pool_event(text)) {
        let event = BackendEvent { time: time?, kind, backend, server, text };
        return Some(Line::Observation(Observation::Backend(event)));
    }
    if is_reload(text) {
        let words = String::from_utf8_lossy(&text[..text.len().min(QUOTE_BYTES)]).into_owned();
        return Some(Line::Change(Change { time: time?, kind: ChangeKind::LoadBalancer, text: words }));
    }
    is_chatter(text).then_some(Line::Nothing)
}

/// `[WARNING] 093/143018 (12) : ` in front: the day of the year and the time of day, where the
/// version still writes them.
fn own_header<'a>(text: &'a [u8], dates: &Dates) -> (Option<Timestamp>, &'a [u8]) {
    let levels: [&[u8]; 5] = [b"[WARNING]", b"[NOTICE]", b"[ALERT]", b"[INFO]", b"[DIAG]"];
    let Some(rest) = levels.iter().find_map(|level| text.strip_prefix(*level)) else { return (None, text) };
    let rest = rest.trim_ascii_start();
    let (stamp, after) = rest.split_at(memchr(b' ', rest).unwrap_or(0));
    let body = memmem::find(after, b" : ").map_or(after, |at| &after[at + 3..]);
    let body = if stamp.is_empty() { rest } else { body };
    (day_of_year(stamp, dates), body)
}

fn day_of_year(stamp: &[u8], dates: &Dates) -> Option<Timestamp> {
    if stamp.len() != 10 || stamp[3] != b'/' {
        return None;
    }
    let year = dates.latest()?.civil().year;
    let [days, hours, minutes, seconds] =
        [&stamp[..3], &stamp[4..6], &stamp[6..8], &stamp[8..]].map(|part| integer(part).map(|n| n as i64));
    // The number of days since the first of January.
    let of_year = days? * 86_400 + hours? * 3_600 + minutes? * 60 + seconds?;
    let start = Civil { year, month: 1, day: 1, hour: 0, minute: 0, second: 0 }.timestamp();
    Some(start.plus_ns(of_year * SECOND_NS))
}

type Event<'a> = (BackendEventKind, &'a [u8], &'a [u8]);

/// `Server backend/server is DOWN, reason: …` and its variants.
fn server_event(text: &[u8]) -> Option<Event<'_>> {
    let rest = text.strip_prefix(b"Backup ").unwrap_or(text).strip_prefix(b"Server ")?;
    let space = memchr(b' ', rest)?;
    let slash = memchr(b'/', &rest[..space])?;
    let what = &rest[space + 1..];
    let says = |words: &[u8]| memmem::find(&what[..what.len().min(60)], words).is_some();
    let slow: [&[u8]; 2] = [b"Layer7 timeout", b"Layer6 timeout"];
    let kind = if says(b"is UP") || says(b"is READY") {
        BackendEventKind::ServerUp
    } else if says(b"DOWN") && slow.iter().any(|reason| says(reason)) {
        BackendEventKind::ServerSlow
    } else if says(b"DOWN") || says(b"maintenance") || says(b"is stopping") || says(b"is now DRAINING") {
        BackendEventKind::ServerDown
    } else {
        return None;
    };
    Some((kind, &rest[..slash], &rest[slash + 1..space]))
}

/// `backend x has no server available!`, `Proxy x started.`, `Proxy x stopped (…)`.
fn pool_event(text: &[u8]) -> Option<Event<'_>> {
    let lists: [(&[u8], &[u8], BackendEventKind); 6] = [
        (b"backend ", b" has no server available", BackendEventKind::PoolEmpty),
        (b"proxy ", b" has no server available", BackendEventKind::PoolEmpty),
        (b"Proxy ", b" started", BackendEventKind::Reload),
        (b"Proxy ", b" stopped", BackendEventKind::Reload),
        (b"Proxy ", b" reached", BackendEventKind::Exhausted),
        (b"Stopping ", b" in ", BackendEventKind::Reload),
    ];
    lists.iter().find_map(|(before, after, kind)| {
        let rest = text.strip_prefix(*before)?;
        let end = memmem::find(rest, after)?;
        let name = rest[..end].rsplit(|&b| b == b' ').next()?;
        Some((*kind, name, &b""[..]))
    })
}

fn is_reload(text: &[u8]) -> bool {
    let signs: [&[u8]; 5] = [
        b"Loading success",
        b"Reexecuting Master process",
        b"Reloading HAProxy",
        b"New worker",
        b"HAProxy version",
    ];
    signs.iter().any(|sign| text.starts_with(sign))
}

/// Messages that say nothing which another line does not say better.
fn is_chatter(text: &[u8]) -> bool {
    let signs: [&[u8]; 9] = [
        b"Health check for ",
        b"Former worker",
        b"Current worker",
        b"Exiting Master process",
        b"haproxy version is",
        b"path to executable is",
        b"Pausing ",
        b"Initializing new worker",
        b"Connect from ",
    ];
    signs.iter().any(|sign| text.starts_with(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> (String, BackendEventKind, String, String) {
        let line = format!("Apr  4 14:30:19 lb haproxy[1]: {text}");
        let mut dates = Dates::in_year(2024);
        let Some(Line::Observation(Observation::Backend(b))) = read(&mut dates, line.as_bytes()) else {
            panic!("{text}")
        };
        assert_eq!(b.text, text.as_bytes());
        let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (b.time.to_string(), b.kind, name(b.backend), name(b.server))
    }

    #[test]
    fn servers_and_pools_are_told_of() {
        for (text, kind, backend, server) in [
            (
                r#"Server app/web1 is DOWN, reason: Layer4 connection problem, info: "Connection refused", check duration: 0ms. 1 active and 0 backup servers left."#,
                BackendEventKind::ServerDown,
                "app",
                "web1",
            ),
            (
                "Server app/web1 is DOWN, reason: Layer7 timeout, check duration: 701ms.",
                BackendEventKind::ServerSlow,
                "app",
                "web1",
            ),
            ("Backup Server app/web1 is DOWN.", BackendEventKind::ServerDown, "app", "web1"),
            ("Server app/web1 is UP, reason: Layer7 check passed", BackendEventKind::ServerUp, "app", "web1"),
            (
                "Server app/web1 is UP/READY (leaving forced maintenance).",
                BackendEventKind::ServerUp,
                "app",
                "web1",
            ),
            ("Server app/web1 is going DOWN for maintenance.", BackendEventKind::ServerDown, "app", "web1"),
            ("backend app has no server available!", BackendEventKind::PoolEmpty, "app", ""),
            ("Proxy app started.", BackendEventKind::Reload, "app", ""),
            ("Proxy app stopped (cumulated conns: FE: 0, BE: 0).", BackendEventKind::Reload, "app", ""),
            ("Stopping frontend web in 0 ms.", BackendEventKind::Reload, "web", ""),
        ] {
            let time = "2024-04-04T14:30:19Z".to_owned();
            assert_eq!(event(text), (time, kind, backend.to_owned(), server.to_owned()), "{text}");
        }
    }

    #[test]
    fn reloads_are_changes_and_lines_without_a_date_take_the_last() {
        let mut dates = Dates::default();
        let line = b"[NOTICE]   (1) : Loading success.";
        assert!(read(&mut dates, line).is_none());
        dates.saw(Timestamp::from_seconds(1_712_241_018));
        let Some(Line::Change(change)) = read(&mut dates, line) else { panic!("no change") };
        assert_eq!((change.kind, change.time.seconds()), (ChangeKind::LoadBalancer, 1_712_241_018));
        assert_eq!(change.text, "Loading success.");
        let dated = b"[WARNING] 094/143020 (12) : Server app/web1 is DOWN, reason: x";
        let Some(Line::Observation(o)) = read(&mut dates, dated) else { panic!("no event") };
        assert_eq!(o.time().to_string(), "2024-04-04T14:30:20Z");
    }
}
