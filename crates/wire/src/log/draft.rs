//! A request in the making: fields arrive in the order of the log, and at the end the client is
//! chosen among the addresses that the line names.

use super::LineError;
use super::date::{self, Dates};
use super::scan::{address_and_port, decimal, given, integer, trim};
use super::{cdn, target};
use seawall_model::address::{for_name, is_public};
use seawall_model::observation::{CacheResult, Ending, HttpVersion, Method, Presence, Request};
use seawall_model::time::SECOND_NS;
use seawall_model::{Prefix, Timestamp};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A request that takes longer began on another day.
const DAY_S: i64 = 86_400;

/// What one column, variable or key of an access log means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Ignored,
    /// Any full date, or an epoch.
    Time,
    /// When the request began, in a format whose [`Field::Time`] is its end.
    StartTime,
    /// `YYYY-MM-DD`, to be joined with [`Field::TimeOfDay`].
    Date,
    TimeOfDay,
    /// The other end of the connection: address or name, with or without a port.
    Peer,
    /// The client as the server has resolved it; wins over peer and headers.
    Client,
    /// `X-Forwarded-For` or `Forwarded`.
    ForwardedFor,
    /// `X-Real-IP`, `CF-Connecting-IP`, `True-Client-IP`.
    RealAddress,
    User,
    /// `GET /path?query HTTP/1.1`.
    RequestLine,
    Method,
    /// Path with or without query, or an absolute URL.
    Target,
    /// Query without its question mark.
    Query,
    Version,
    Host,
    Status,
    ResponseBytes,
    RequestBytes,
    Duration(Unit),
    Upstream(Unit),
    Queue(Unit),
    UserAgent,
    Referrer,
    Cookie,
    AcceptLanguage,
    Backend,
    Server,
    Cache,
    OpenConnections,
    Ja4,
    /// `name=value`, where the name says what the value is.
    Pair,
    /// Envoy's response flags.
    EnvoyFlags,
    /// A line of another format inside this one.
    Message,
}

/// Unit of a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    /// The unit follows the number: `12ms`, `1.5s`; without one it is seconds.
    Written,
}

impl Unit {
    /// One number in this unit, in microseconds. Negative and other text gives `None`.
    pub(super) fn microseconds(self, text: &[u8]) -> Option<u64> {
        match self {
            Self::Seconds => decimal(text, 6),
            Self::Milliseconds => decimal(text, 3),
            Self::Microseconds => decimal(text, 0),
            Self::Nanoseconds => decimal(text, 0).map(|ns| ns / 1_000),
            Self::Written => written_span(text),
        }
    }

    /// A list such as nginx writes after trying several servers, `0.100, 0.200 : 0.050`, summed;
    /// `-` in it counts nothing. `None` if no number is in it.
    pub(super) fn sum(self, text: &[u8]) -> Option<u64> {
        if let Some(one) = self.microseconds(text) {
            return Some(one);
        }
        text.split(|b| matches!(b, b',' | b':' | b' '))
            .filter_map(|part| self.microseconds(part))
            .reduce(u64::saturating_add)
    }
}

fn written_span(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let (number, unit) = text.split_at(digits);
    match unit {
        b"" | b"s" => decimal(number, 6),
        b"ms" => decimal(number, 3),
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => decimal(number, 0),
        b"ns" => decimal(number, 0).map(|ns| ns / 1_000),
        b"m" => decimal(number, 6).map(|us| us.saturating_mul(60)),
        // As Go writes longer ones: `1m2.5s`.
        [b'm', seconds @ .., b's'] => {
            let minutes_us = decimal(number, 6)?.saturating_mul(60);
            Some(minutes_us.saturating_add(decimal(seconds, 6)?))
        }
        _ => None,
    }
}

/// A request in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    pub(super) request: Request<'a>,
    pub(super) time: Option<Timestamp>,
    pub(super) peer: &'a [u8],
    /// The peer's address, where it has been read already.
    pub(super) peer_address: Option<IpAddr>,
    client: &'a [u8],
    forwarded: &'a [u8],
    real_address: &'a [u8],
    proxies: Option<Arc<[Prefix]>>,
    day: Option<Timestamp>,
    of_day_ns: Option<i64>,
    start: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(dates: &Dates) -> Self {
        Self {
            request: Request::new(Timestamp(0), IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            time: None,
            peer: b"",
            peer_address: None,
            client: b"",
            forwarded: b"",
            real_address: b"",
            proxies: dates.proxies(),
            day: None,
            of_day_ns: None,
            start: None,
        }
    }

    /// The day of a time of day, where the line itself did not say.
    pub(super) fn default_day(&mut self, day: Option<Timestamp>) {
        self.day = self.day.or(day);
    }

    /// Takes a chain of forwarded-for addresses that stood in the place of the client.
    pub(super) fn forward(&mut self, list: &'a [u8]) {
        self.forwarded = list;
    }

    /// Takes one field. Text that does not fit the field is passed over, except that a time or
    /// client that never comes is an error at the end.
    pub(super) fn set(&mut self, field: Field, text: &'a [u8], dates: &mut Dates) {
        let text = given(text);
        if text.is_empty() {
            return;
        }
        match field {
            Field::Time => self.time = date::any(dates, text).or(self.time),
            Field::StartTime => self.start = date::any(dates, text),
            Field::Date => self.day = date::day_start(text),
            Field::TimeOfDay => self.of_day_ns = date::time_of_day_ns(text),
            Field::Peer => self.peer = text,
            Field::Client => self.client = text,
            Field::ForwardedFor => self.forwarded = text,
            Field::RealAddress => self.real_address = text,
            Field::Pair => self.set_pair(text, dates),
            _ => self.set_request(field, text),
        }
    }

    fn set_request(&mut self, field: Field, text: &'a [u8]) {
        let r = &mut self.request;
        match field {
            Field::User => r.user = text,
            Field::RequestLine => target::request_line(r, text),
            Field::Method => target::method(r, text),
            Field::Target => target::target(r, text),
            Field::Query => r.query = Some(text.strip_prefix(b"?").unwrap_or(text)),
            Field::Version => r.version = version(text),
            Field::Host => target::host(r, text),
            Field::Status => r.status = status(text).unwrap_or(r.status),
            Field::ResponseBytes => r.response_bytes = integer(text).unwrap_or(r.response_bytes),
            Field::RequestBytes => r.request_bytes = integer(text).or(r.request_bytes),
            Field::Duration(unit) => r.duration_us = unit.sum(text).or(r.duration_us),
            Field::Upstream(unit) => r.upstream_us = unit.sum(text).or(r.upstream_us),
            Field::Queue(unit) => r.queue_us = unit.sum(text).or(r.queue_us),
            Field::UserAgent => r.user_agent = text,
            Field::Referrer => r.referrer = text,
            Field::Cookie => r.cookie = Presence::Present,
            Field::AcceptLanguage => r.accept_language = Presence::Present,
            Field::Backend => r.backend = text,
            // nginx lists the servers that it tried; the last one answered.
            Field::Server => r.server = text.rsplit(|&b| b == b' ').next().unwrap_or(text),
            Field::Cache => r.cache = cache(text),
            Field::OpenConnections => r.open_connections = integer(text).and_then(|n| u32::try_from(n).ok()),
            Field::Ja4 => r.ja4 = text,
            Field::EnvoyFlags => r.ending = super::envoy::ending(text),
            _ => {}
        }
    }

    /// `rt=0.123`, `urt="0.100"`, `xff="…"`: the short names that nginx guides have spread.
    fn set_pair(&mut self, text: &'a [u8], dates: &mut Dates) {
        let Some(at) = memchr::memchr(b'=', text) else { return };
        let value = text[at + 1..].strip_prefix(b"\"").unwrap_or(&text[at + 1..]);
        let value = value.strip_suffix(b"\"").unwrap_or(value);
        if let Some(field) = super::names::pair_field(&text[..at]) {
            self.set(field, value, dates);
        }
    }

    /// The finished request.
    #[inline]
    pub(super) fn finish(&mut self) -> Result<Request<'a>, LineError> {
        self.settle()?;
        Ok(self.request)
    }

    /// Settles time, client and ending.
    pub(super) fn settle(&mut self) -> Result<(), LineError> {
        let mut time = self.time.or_else(|| Some(self.day?.plus_ns(self.of_day_ns?)));
        if let Some(start) = self.start {
            // A start long before or after the end is another kind of date in that column. Ends
            // are often written in whole seconds only.
            let span_ns = time.map_or(0, |end| end.since_ns(start));
            if (-SECOND_NS..DAY_S * SECOND_NS).contains(&span_ns) {
                time = Some(start);
            }
        }
        self.request.time = time.ok_or(LineError { reason: "no date that can be read", at_byte: 0 })?;
        self.choose_client()?;
        if self.request.ending == Ending::Normal && self.request.status >= 400 {
            self.request.ending = ending(self.request.status, self.request.malformed);
        }
        Ok(())
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        let is_named = |p: &Arc<[Prefix]>| p.iter().any(|prefix| prefix.contains(address));
        is_known_proxy(address) || self.proxies.as_ref().is_some_and(is_named)
    }

    fn forwarded_by(&self) -> Option<IpAddr> {
        behind(self.forwarded, |address| self.is_proxy(address))
    }

    fn choose_client(&mut self) -> Result<(), LineError> {
        let read = |text| address_and_port(text).map(|(address, _)| address);
        let peer = self.peer_address.or_else(|| read(self.peer));
        let (written, known) =
            if self.client.is_empty() { (self.peer, peer) } else { (self.client, read(self.client)) };
        let is_told = !(self.forwarded.is_empty() && self.real_address.is_empty());
        if is_told
            && known.map_or_else(|| is_local_name(written), |address| self.is_proxy(address))
            && let Some(behind) = self.forwarded_by().or_else(|| read(trim(self.real_address)))
        {
            self.request.client = behind;
            self.request.peer = peer.or(known).filter(|p| *p != behind);
            return Ok(());
        }
        match known {
            Some(address) => {
                self.request.client = address;
                self.request.peer = peer.filter(|p| *p != address);
            }
            None if !written.is_empty() && written.len() <= 255 => {
                self.request.client = for_name(written);
                self.request.client_name = written;
            }
            None => return Err(LineError { reason: "no client address or name", at_byte: 0 }),
        }
        Ok(())
    }
}

/// Whether a connection from here may speak for others: our own network or a known CDN.
fn is_known_proxy(address: IpAddr) -> bool {
    !is_public(address) || cdn::operator(address).is_some()
}

/// A name that cannot come from outside: none at all, `localhost`, `unix:`.
fn is_local_name(name: &[u8]) -> bool {
    memchr::memchr(b'.', name).is_none()
}

/// The client that a chain of proxies names: the right-most address that is public and no CDN's,
/// since a client can write anything further left; without one the right-most address of all.
pub(super) fn forwarded_client(list: &[u8]) -> Option<IpAddr> {
    behind(list, is_known_proxy)
}

fn behind(list: &[u8], is_proxy: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    if list.is_empty() {
        return None;
    }
    let mut inner = None;
    for part in list.rsplit(|&b| b == b',') {
        let Some((address, _)) = address_and_port(forwarded_for(part)) else { continue };
        if !is_proxy(address) {
            return Some(address);
        }
        inner = inner.or_else(|| (!is_public(address)).then_some(address));
    }
    inner
}

/// One element of `X-Forwarded-For`, or of `Forwarded` (RFC 7239 section 4): the value of `for=`.
fn forwarded_for(part: &[u8]) -> &[u8] {
    let part = trim(part);
    if memchr::memchr(b'=', part).is_none() {
        return part;
    }
    part.split(|&b| b == b';')
        .map(trim)
        .find(|pair| pair.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"for=")))
        .map_or(part, |pair| {
            let value = &pair[4..];
            value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
        })
}

/// Three digits, or the last of nginx's list (`502, 200`).
pub(super) fn status(text: &[u8]) -> Option<u16> {
    let last = if text.len() == 3 { text } else { trim(text.rsplit(|&b| b == b',').next().unwrap_or(text)) };
    integer(last).and_then(|s| u16::try_from(s).ok()).filter(|&s| s < 1000)
}

fn version(text: &[u8]) -> HttpVersion {
    match text {
        b"1.1" => HttpVersion::Http11,
        b"1.0" => HttpVersion::Http10,
        b"2" | b"2.0" => HttpVersion::Http2,
        b"3" | b"3.0" => HttpVersion::Http3,
        b"h3-29" => HttpVersion::Http3,
        // A scheme in that place says nothing of the version.
        other if other.eq_ignore_ascii_case(b"http") || other.eq_ignore_ascii_case(b"https") => {
            HttpVersion::Unknown
        }
        other => HttpVersion::parse(other),
    }
}

/// The words of nginx (`$upstream_cache_status`), CloudFront (`x-edge-result-type`) and Squid.
pub(super) fn cache(text: &[u8]) -> CacheResult {
    let has = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    if memchr::memmem::find(text, b"_HIT").is_some() || has(b"hit") || has(b"refreshhit") {
        return CacheResult::Hit;
    }
    if has(b"stale") || has(b"updating") || has(b"revalidated") || has(b"originshieldhit") {
        return CacheResult::Hit;
    }
    if memchr::memmem::find(text, b"_MISS").is_some() || has(b"miss") || has(b"expired") {
        return CacheResult::Miss;
    }
    if has(b"bypass") || has(b"dynamic") || has(b"pass") { CacheResult::Bypass } else { CacheResult::Unknown }
}

/// What a status alone says of the ending. Codes that an application may send by itself (403,
/// 429, 503) say nothing of the proxy and stay normal.
fn ending(status: u16, malformed: bool) -> Ending {
    match status {
        408 => Ending::ClientTimedOut,
        // nginx "client closed request"; Amazon's balancer for the same.
        499 | 460 => Ending::ClientAborted,
        // nginx "close without an answer", which only a rule does.
        444 => Ending::Denied,
        // nginx: client certificate trouble, plain HTTP sent to the TLS port.
        495..=497 => Ending::TlsFailed,
        // nginx "request header too large"; Amazon "malformed forwarded-for".
        494 | 463 => Ending::ClientInvalid,
        400 if malformed => Ending::ClientInvalid,
        502 => Ending::UpstreamFailed,
        504 => Ending::UpstreamTimedOut,
        _ => Ending::Normal,
    }
}

/// The method token as it must be to count as a request.
pub(super) fn parse_method(token: &[u8]) -> Option<Method> {
    let plausible = !token.is_empty()
        && token.len() <= 32
        && token.iter().all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'));
    plausible.then(|| Method::parse(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &str) -> (String, Option<String>) {
        client_behind(&[], peer, forwarded)
    }

    fn client_behind(proxies: &[&str], peer: &str, forwarded: &str) -> (String, Option<String>) {
        let mut dates = Dates::default();
        dates.trust(proxies.iter().map(|p| p.parse().unwrap()).collect());
        let mut draft = Draft::new(&dates);
        draft.set(Field::Time, b"0", &mut dates);
        draft.set(Field::Peer, peer.as_bytes(), &mut dates);
        draft.set(Field::ForwardedFor, forwarded.as_bytes(), &mut dates);
        let request = draft.finish().unwrap();
        (request.client.to_string(), request.peer.map(|p| p.to_string()))
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_a_proxy_can_vouch_for() {
        let found = |c: &str, p: Option<&str>| (c.to_owned(), p.map(ToOwned::to_owned));
        assert_eq!(client("198.51.100.7", "-"), found("198.51.100.7", None));
        // A public peer that is no CDN may write what it likes.
        assert_eq!(client("198.51.100.7", "1.1.1.1"), found("198.51.100.7", None));
        assert_eq!(client("10.0.0.1", "198.51.100.7"), found("198.51.100.7", Some("10.0.0.1")));
        assert_eq!(
            client("10.0.0.1", "6.6.6.6, 198.51.100.7, 104.16.1.1, 10.2.2.2"),
            found("198.51.100.7", Some("10.0.0.1"))
        );
        assert_eq!(client("104.16.1.1", "198.51.100.7"), found("198.51.100.7", Some("104.16.1.1")));
        assert_eq!(
            client("127.0.0.1", "for=\"[2001:db8::7]:4711\";proto=https"),
            found("2001:db8::7", Some("127.0.0.1"))
        );
        assert_eq!(client("10.0.0.1", "10.9.9.9"), found("10.9.9.9", Some("10.0.0.1")));
        assert_eq!(client("10.0.0.1", "unknown, nonsense"), found("10.0.0.1", None));
    }

    #[test]
    fn proxies_that_the_user_names_are_believed() {
        let found = |c: &str, p: Option<&str>| (c.to_owned(), p.map(ToOwned::to_owned));
        let ours = ["203.0.113.0/28", "2001:db8::/64"];
        assert_eq!(
            client_behind(&ours, "203.0.113.7", "198.51.100.7"),
            found("198.51.100.7", Some("203.0.113.7"))
        );
        assert_eq!(
            client_behind(&ours, "10.0.0.1", "6.6.6.6, 198.51.100.7, 2001:db8::9"),
            found("198.51.100.7", Some("10.0.0.1"))
        );
        assert_eq!(client_behind(&ours, "203.0.113.77", "198.51.100.7"), found("203.0.113.77", None));
    }

    #[test]
    fn spans_read_in_every_unit_and_lists_add_up() {
        assert_eq!(Unit::Seconds.sum(b"0.100, 0.200 : 0.050"), Some(350_000));
        assert_eq!(Unit::Seconds.sum(b"-, 0.200"), Some(200_000));
        assert_eq!(Unit::Seconds.sum(b"-"), None);
        assert_eq!(Unit::Written.sum(b"12ms"), Some(12_000));
        assert_eq!(Unit::Written.sum("350µs".as_bytes()), Some(350));
        assert_eq!(Unit::Written.sum(b"1.5s"), Some(1_500_000));
        assert_eq!(Unit::Written.sum(b"1m2.5s"), Some(62_500_000));
        assert_eq!(Unit::Nanoseconds.sum(b"215563"), Some(215));
    }

    #[test]
    fn caches_speak_many_words() {
        assert_eq!(cache(b"HIT"), CacheResult::Hit);
        assert_eq!(cache(b"TCP_MEM_HIT/200"), CacheResult::Hit);
        assert_eq!(cache(b"Miss"), CacheResult::Miss);
        assert_eq!(cache(b"BYPASS"), CacheResult::Bypass);
        assert_eq!(cache(b"2.45"), CacheResult::Unknown);
    }
}
