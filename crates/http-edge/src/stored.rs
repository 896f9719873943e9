//! Answers taken for the cache as they pass, and given from it: what is between one request and
//! [`MicroCache`].
//!
//! Nothing is taken but while a plan asks for it. Two visitors are given the same answer only if
//! they asked with the same words in every field but those that no site chooses its answers by, also
//! where the site does not say so (`Vary`).

use crate::act::cache::{self, Growing, Key, Stored, Storing};
use crate::act::{MicroCache, Page};
use crate::http1::{Field, Kind, ResponseHead, field};
use crate::settings::Settings;
use bytes::Bytes;

/// Bytes of all threads' caches together.
const ALL_BYTES: usize = 32 << 20;
/// Largest body that is taken.
const BODY_BYTES: usize = 1 << 20;
/// The cache of one thread.
#[must_use]
pub fn cache(settings: &Settings) -> MicroCache {
    MicroCache::new(ALL_BYTES / settings.threads.max(1))
}

/// Fields that no site chooses its answers by, or that each request or visitor has of its own: addresses and
/// marks that proxies add. The cookie is judged by [`Key`], the host is in the variant as a whole.
const LIKE_FOR_ALL: [&str; 31] = [
    "accept-charset",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ray",
    "connection",
    "cookie",
    "dnt",
    "host",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "pragma",
    "priority",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-gpc",
    "te",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "upgrade-insecure-requests",
    "via",
    "x-forwarded-for",
    "x-real-ip",
];

/// Where the upstream is told that a request went: it may write that into its answer.
#[derive(Clone, Copy, Debug)]
pub struct Aim<'a> {
    pub site: usize,
    pub secure: bool,
    /// With its port.
    pub host: &'a [u8],
}

/// By what the answer to a request may differ beside its path: where it went, what its client takes, and
/// every field that may be a key or a wish of one visitor's. What does not reach the upstream makes no
/// difference there. `None`: a part of something is asked for, or something that is not to be answered so.
#[must_use]
pub fn variant(aim: &Aim<'_>, bytes: &[u8], fields: &[Field]) -> Option<Vec<u8>> {
    let mut variant = format!("{} {}\n", aim.site, u8::from(aim.secure)).into_bytes();
    variant.extend_from_slice(aim.host);
    let mut has_cookie = false;
    for field in fields {
        let (name, value) = (field.name(bytes), field.value(bytes));
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        // Of several fields with cookies the first is judged, and sites read them all.
        let is_another_cookie = field.kind == Kind::Cookie && std::mem::replace(&mut has_cookie, true);
        if field.kind == Kind::Upgrade || is("range") || is("if-range") || is_another_cookie {
            return None;
        }
        if field.kind == Kind::HopByHop {
            continue;
        }
        if LIKE_FOR_ALL.iter().any(|like| is(like)) {
            continue;
        }
        variant.push(b'\n');
        variant.extend(name.iter().map(u8::to_ascii_lowercase));
        variant.push(b':');
        if is("user-agent") {
            // Sites make other pages for telephones, and the rest of it makes no difference.
            variant.push(b'0' + u8::from(value.windows(6).any(|w| w == b"Mobile")));
        } else {
            variant.extend_from_slice(value);
        }
    }
    Some(variant)
}

/// An answer that is being taken.
#[derive(Debug)]
pub struct Taking {
    key: Key,
    /// Seconds that a plan asks for.
    plan_s: u32,
    said: Said,
    fields: Vec<u8>,
    body: Growing,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begun,
    Whole,
    /// It is none that is stored.
    Refused,
}

/// What the answer says of its storing.
#[derive(Debug, Default)]
struct Said {
    status: u16,
    cache_control: Vec<u8>,
    vary: Vec<u8>,
    sets_cookie: bool,
    expires: bool,
    age_s: u32,
}

impl Taking {
    #[must_use]
    pub fn new(key: Key, plan_s: u32, body: Growing) -> Self {
        Self { key, plan_s, said: Said::default(), fields: Vec::new(), body, state: State::Begun }
    }

    /// The head of the answer, as the upstream sent it.
    pub fn head(&mut self, bytes: &[u8], head: &ResponseHead, fields: &[Field]) {
        self.said.status = head.status;
        for field in fields {
            let (name, value) = (field.name(bytes), field.value(bytes));
            let list = |all: &mut Vec<u8>| {
                all.extend_from_slice(b",");
                all.extend_from_slice(value);
            };
            // It is said anew.
            let is_age = name.eq_ignore_ascii_case(b"age");
            match field.kind {
                Kind::SetCookie => self.said.sets_cookie = true,
                _ if is_age => self.said.age_s = cache::seconds(value).unwrap_or(u32::MAX),
                _ if name.eq_ignore_ascii_case(b"cache-control") => list(&mut self.said.cache_control),
                _ if name.eq_ignore_ascii_case(b"vary") => list(&mut self.said.vary),
                _ if name.eq_ignore_ascii_case(b"expires") => self.said.expires = true,
                // What HTTP/1.0 said it by (RFC 9111 section 5.4).
                _ if name.eq_ignore_ascii_case(b"pragma") => list(&mut self.said.cache_control),
                _ => {}
            }
            if field.kind == Kind::Other && !is_age {
                self.fields.extend_from_slice(&bytes[field.start as usize..field.end as usize]);
            }
        }
        // What is no text could not be said again.
        let is_text = std::str::from_utf8(&self.fields).is_ok();
        if !is_text || !self.storing().is_storable(&self.key) {
            self.refuse();
        }
    }

    /// A piece of its body.
    pub fn data(&mut self, piece: &[u8]) {
        let is_small = self.body.bytes().len() + piece.len() <= BODY_BYTES;
        if self.state == State::Begun && !(is_small && self.body.take(piece)) {
            self.refuse();
        }
    }

    /// All of it has come.
    pub fn end(&mut self) {
        if self.state == State::Begun && self.said.status != 0 {
            self.state = State::Whole;
        }
    }

    /// The exchange is over: what there is goes into the cache.
    pub fn finish(self, cache: &mut MicroCache, now: seawall_model::Timestamp) {
        if self.state != State::Whole {
            return cache.not_stored(&self.key);
        }
        let stored = Stored {
            status: self.said.status,
            fields: Bytes::copy_from_slice(&self.fields),
            body: Bytes::copy_from_slice(self.body.bytes()),
        };
        cache.store(&self.key, &self.storing(), stored, now);
    }

    fn storing(&self) -> Storing<'_> {
        Storing {
            status: self.said.status,
            cache_control: &self.said.cache_control,
            vary: &self.said.vary,
            sets_cookie: self.said.sets_cookie,
            expires: self.said.expires,
            age_s: self.said.age_s,
            plan_s: self.plan_s,
        }
    }

    fn refuse(&mut self) {
        self.state = State::Refused;
        self.body.clear();
        self.fields = Vec::new();
    }
}

/// A stored answer as a page of ours.
#[must_use]
pub fn page(stored: &Stored, age_s: u32) -> Page {
    let text = std::str::from_utf8(&stored.fields).unwrap_or_default();
    let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut fields: Vec<(String, String)> =
        lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    fields.push(("Age".to_owned(), age_s.to_string()));
    Page::stored(stored.status, fields, stored.body.clone())
}

/// What a `304` says of the answer that its client has already (RFC 9110 section 15.4.5).
const OF_NOT_MODIFIED: [&str; 8] =
    ["age", "cache-control", "content-location", "date", "etag", "expires", "last-modified", "vary"];

/// Leaves of a stored answer what is new to a client that has it already, by the conditions that it asked under.
pub fn abridge(page: &mut Page, bytes: &[u8], fields: &[Field]) {
    if page.status == 200 && is_known(page, bytes, fields) {
        page.status = 304;
        page.body = Bytes::new();
        page.fields.retain(|(name, _)| OF_NOT_MODIFIED.iter().any(|of| name.eq_ignore_ascii_case(of)));
    }
}

/// Whether the client has this very answer (RFC 9111 section 4.3.2).
fn is_known(page: &Page, bytes: &[u8], fields: &[Field]) -> bool {
    let said = |wanted: &str| {
        let mut all = page.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        all.next().map(|(_, value)| value.as_bytes())
    };
    let asked = |wanted: &'static [u8]| {
        let is_it = move |field: &&Field| field.name(bytes).eq_ignore_ascii_case(wanted);
        fields.iter().filter(is_it).map(|field| field.value(bytes))
    };
    // Which is compared weakly (RFC 9110 section 13.1.2).
    fn opaque(tag: &[u8]) -> &[u8] {
        tag.strip_prefix(b"W/").unwrap_or(tag)
    }
    if asked(b"if-none-match").next().is_none() {
        // Of dates only the very same one: which of two is later no byte of a page depends on.
        let since = asked(b"if-modified-since").next();
        return since.is_some() && since == said("last-modified");
    }
    let tag = said("etag").map(opaque);
    asked(b"if-none-match").flat_map(field::words).any(|known| known == b"*" || Some(opaque(known)) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;
    use crate::act::cache::Found;
    use crate::http1::HeadLimits;
    use crate::http1::head;
    use seawall_model::Timestamp;
    use seawall_model::observation::Method;
    use std::net::IpAddr;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
    const AIM: Aim<'static> = Aim { site: 0, secure: true, host: b"a" };
    const LIMITS: HeadLimits = HeadLimits { head_bytes: 8_192, target_bytes: 1_024, fields: 50 };

    fn asked(fields: &str) -> (Vec<u8>, Vec<Field>) {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
        let mut all = Vec::new();
        head::request(&text, text.len(), &LIMITS, &mut all).expect("a request");
        (text, all)
    }

    fn variant_of(fields: &str) -> Option<Vec<u8>> {
        let (text, fields) = asked(fields);
        variant(&AIM, &text, &fields)
    }

    fn request() -> Request<'static> {
        Request { host: b"a", path: b"/", ..Request::new(IpAddr::from([192, 0, 2, 1])) }
    }

    /// What the cache gives after this answer has passed.
    fn after(answer: &str, body: &[u8]) -> Option<Page> {
        let key = Key::of(&request(), b"0").expect("a key");
        let mut cache = MicroCache::new(32 << 20);
        assert!(matches!(cache.find(&key, 60, NOW), Found::Fetch));
        let mut taking = Taking::new(key.clone(), 5, cache.growing());
        let mut fields = Vec::new();
        let text = answer.as_bytes();
        let head = head::response(text, text.len(), Method::Get, &LIMITS, &mut fields).expect("an answer");
        taking.head(text, &head, &fields);
        body.chunks(1_000).for_each(|piece| taking.data(piece));
        taking.end();
        taking.finish(&mut cache, NOW);
        match cache.find(&key, 60, NOW.plus_ns(1_000_000_000)) {
            Found::Hit { stored, age_s, .. } => Some(page(&stored, age_s)),
            Found::Fetch => None,
            Found::Wait => panic!("nobody fetches"),
        }
    }

    #[test]
    fn an_answer_comes_back_as_it_passed_with_its_age() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nLink: </a>\r\nLink: </b>\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Length: 5\r\nDate: now\r\n\r\n";
        let page = after(answer, b"hello").expect("stored");
        let fields: Vec<(&str, &str)> =
            page.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // Broke: without its `Date` nobody could tell how old it was when it came to us.
        let expected = [
            ("Content-Type", "text/html"),
            ("Link", "</a>"),
            ("Link", "</b>"),
            ("Date", "now"),
            ("Age", "1"),
        ];
        assert_eq!((page.status, &page.body[..], &fields[..]), (200, &b"hello"[..], &expected[..]));
    }

    #[test]
    fn the_age_that_an_answer_came_with_is_counted_on() {
        let age = |age: &str| {
            let fields = format!("Cache-Control: max-age=9\r\nAge: {age}\r\nContent-Length: 0");
            let page = after(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"), b"")?;
            page.fields.iter().find(|(name, _)| name == "Age").map(|(_, value)| value.clone())
        };
        assert_eq!(age("6").as_deref(), Some("7"));
        assert_eq!(["9", "x", "-1", "99999999999"].map(age), [const { None }; 4]);
    }

    /// Broke: browsers that had a page were sent the whole of it again, by the crowd.
    #[test]
    fn who_has_an_answer_is_told_so_in_place_of_it() {
        let answer = "HTTP/1.1 200 OK\r\nETag: W/\"b\"\r\nLast-Modified: Mon\r\nLink: </a>\r\nContent-Length: 1\r\n\r\n";
        let stored = after(answer, b"x").expect("stored");
        let asked_with = |fields: &str| {
            let ((text, fields), mut page) = (asked(fields), stored.clone());
            abridge(&mut page, &text, &fields);
            page
        };
        for known in [
            "If-None-Match: *\r\n",
            "If-None-Match: \"b\"\r\n",
            "If-None-Match: \"a\"\r\nIf-None-Match: \"c\", W/\"b\"\r\n",
            "If-Modified-Since: Mon\r\n",
        ] {
            let page = asked_with(known);
            let names: Vec<&str> = page.fields.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((page.status, page.body.len()), (304, 0), "{known}");
            assert_eq!(names, ["ETag", "Last-Modified", "Age"], "{known}");
        }
        for other in [
            "",
            "If-None-Match: b\r\n",
            "If-None-Match:\r\n",
            "If-None-Match: \"a\"\r\nIf-Modified-Since: Mon\r\n",
            "If-Modified-Since: Sun\r\n",
        ] {
            assert_eq!(asked_with(other), stored, "{other}");
        }
        let without = after("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", b"x").expect("stored");
        let (text, fields) = asked("If-Modified-Since: Mon\r\nIf-None-Match: \"b\"\r\n");
        assert!(!is_known(&without, &text, &fields));
    }

    #[test]
    fn what_is_one_visitors_or_old_or_large_is_not_taken() {
        for field in [
            "Set-Cookie: session=1",
            "Cache-Control: private",
            "Cache-Control: public\r\nCache-Control: no-store",
            "Pragma: no-cache",
            "Expires: 0",
            "Vary: Cookie",
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 1\r\n\r\n");
            assert_eq!(after(&answer, b"x"), None, "{field}");
        }
        let large = vec![0; BODY_BYTES + 1];
        assert_eq!(after("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", &large), None);
        assert!(after("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", b"x").is_some());
    }

    #[test]
    fn an_answer_that_was_cut_short_is_not_taken() {
        let key = Key::of(&request(), b"0").expect("a key");
        let mut cache = MicroCache::new(1 << 20);
        let mut taking = Taking::new(key.clone(), 5, cache.growing());
        let (text, mut fields) = (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Vec::new());
        let head = head::response(text, text.len(), Method::Get, &LIMITS, &mut fields).expect("an answer");
        taking.head(text, &head, &fields);
        taking.data(b"half");
        taking.finish(&mut cache, NOW);
        assert!(matches!(cache.find(&key, 60, NOW), Found::Fetch));
    }

    #[test]
    fn visitors_who_take_other_things_are_given_other_answers() {
        let plain = variant_of("Accept-Encoding: gzip\r\nAccept-Language: de\r\n");
        let of_a_browser = "Accept-Encoding: gzip\r\nSec-Fetch-Mode: navigate\r\nAccept-Language: de\r\nCookie: a=1\r\nDNT: 1\r\n";
        assert_eq!(plain, variant_of(of_a_browser));
        for other in [
            "Accept-Encoding: br\r\nAccept-Language: de\r\n",
            "Accept-Encoding: gzip\r\nAccept-Language: fr\r\n",
            "Accept-Encoding: gzip\r\nAccept-Language: de\r\nUser-Agent: A Mobile B\r\n",
        ] {
            assert!(variant_of(other).is_some_and(|v| Some(v) != plain), "{other}");
        }
        assert_eq!(variant_of("Range: bytes=0-1\r\n"), None);
    }

    /// Broke: a page that an interface makes by a key in a field of its own was given to others.
    #[test]
    fn what_may_be_a_key_of_one_visitor_is_not_shared_with_another() {
        let fields = ["X-Api-Key", "X-Auth-Token", "HX-Request", "RSC", "Origin", "X-HTTP-Method-Override"];
        for field in fields {
            let [one, other] = ["one", "other"].map(|value| variant_of(&format!("{field}: {value}\r\n")));
            assert!(one.is_some() && one != other && one != variant_of(""), "{field}");
        }
    }

    /// Broke: behind a first field without cookies, a second one with a session made a page that was one
    /// visitor's, and was given to all.
    #[test]
    fn cookies_in_a_second_field_are_not_overlooked() {
        for first in ["", "seawall=BACo"] {
            assert_eq!(variant_of(&format!("Cookie: {first}\r\nCookie: session=1\r\n")), None, "{first}");
        }
        assert!(variant_of("Cookie: seawall=BACo\r\n").is_some());
    }

    /// Broke: a field that its sender had named as his hop's was no field to the site, and its answer was
    /// stored for all who send that field.
    #[test]
    fn what_the_site_does_not_get_tells_no_answers_apart() {
        for field in ["RSC: 1", "Origin: https://a", "X-Requested-With: XMLHttpRequest"] {
            let (name, _) = field.split_once(':').expect("a field");
            let nominated = variant_of(&format!("{field}\r\nConnection: {name}\r\n"));
            assert_eq!(nominated, variant_of(""), "{field}");
            assert_ne!(nominated, variant_of(&format!("{field}\r\n")), "{field}");
        }
    }

    /// Broke: what was asked for without TLS, or by another port, was answered to those who asked otherwise: a
    /// redirect to where they had come from, or links that lead astray.
    #[test]
    fn where_a_request_went_tells_answers_apart() {
        let (text, fields) = asked("X-Forwarded-Proto: http\r\n");
        let of = |aim: Aim<'_>| variant(&aim, &text, &fields);
        for other in [Aim { secure: false, ..AIM }, Aim { host: b"a:6666", ..AIM }, Aim { site: 1, ..AIM }] {
            assert_ne!(of(AIM), of(other), "{other:?}");
        }
        assert_ne!(of(AIM), variant_of("X-Forwarded-Proto: https\r\n"));
        assert_ne!(variant_of("X-Forwarded-Host: b\r\n"), variant_of(""));
    }
}
