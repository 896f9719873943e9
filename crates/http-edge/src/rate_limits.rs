//! Rate limits that the operator has set: always on, whatever goes on.
//!
//! They count by the same algorithm, and in the same table, as those of a plan. A plan finds its numbers
//! itself and comes and goes; these are for what only the operator knows, such as how often a person
//! logs in, or how much one account may ask for.

use crate::Request;
use crate::act::gate::cookies;
use crate::act::limit::{Conformance, Limits, Rate};
use crate::act::{network_key, source_key};
use seawall_model::{Timestamp, hash};

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The client's address, or its /64.
    Source,
    /// /24 for IPv4, /48 for IPv6.
    Network,
    /// The value of the cookie of this name; where there is none, the client's address.
    Session(String),
    /// The client's software by its habits, whatever its address: many clients share one.
    Fingerprint,
    /// All together.
    Total,
}

impl Key {
    /// How many share a limit, in order: one client first, all last.
    fn width(&self) -> u8 {
        match self {
            Self::Source | Self::Session(_) => 0,
            Self::Network => 1,
            Self::Fingerprint => 2,
            Self::Total => 3,
        }
    }
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub key: Key,
    pub rate: Rate,
    /// The words that paths begin with which it is for; none: all.
    pub path: Vec<String>,
}

impl RateLimit {
    /// The words of a path.
    #[must_use]
    pub fn words(path: &str) -> Vec<String> {
        let decoded = decoded(path.as_bytes());
        plain_words(&decoded).into_iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// Whether it is for a path of these words.
    fn is_for(&self, words: &[&[u8]]) -> bool {
        let begins = || self.path.iter().zip(words).all(|(own, word)| own.as_bytes() == *word);
        words.len() >= self.path.len() && begins()
    }

    /// What a request is counted by. Of several cookies of one name some servers take the first and some the last:
    /// it counts for both.
    fn keys_of(&self, request: &Request<'_>) -> impl Iterator<Item = u64> {
        let (first, last) = match &self.key {
            Key::Source => (source_key(request.client), None),
            Key::Network => (network_key(request.client), None),
            Key::Session(name) => {
                let mut values = cookies(request.cookie, name).map(hash::bytes);
                match (values.next(), values.last()) {
                    (Some(first), last) => (first, last.filter(|last| *last != first)),
                    (None, _) => (source_key(request.client), None),
                }
            }
            Key::Fingerprint => (request.fingerprint(), None),
            Key::Total => (0, None),
        };
        std::iter::once(first).chain(last)
    }
}

/// The limits of a site, in the order in which requests are charged to them: who is beyond a limit of his own
/// takes nothing from the others, with whom he shares the wider ones.
#[must_use]
pub fn in_order(mut all: Vec<RateLimit>) -> Vec<RateLimit> {
    all.sort_by_key(|limit| limit.key.width());
    all
}

/// Charges a request to the limits that are for it, `all` being [`in_order`], until one is exceeded: the seconds
/// after which the client should try again.
pub fn exceeded(
    (site, all): (usize, &[RateLimit]),
    table: &Limits,
    request: &Request<'_>,
    now: Timestamp,
) -> Option<u32> {
    let needs_path = all.iter().any(|limit| !limit.path.is_empty());
    let decoded = if needs_path { decoded(request.path) } else { Vec::new() };
    let words = plain_words(&decoded);
    let charge = |own, rate| match table.charge(own, rate, now, 0) {
        Conformance::Exceeds { wait_ns } => Some(wait_ns),
        _ => None,
    };
    let wait_ns =
        all.iter().enumerate().filter(|(_, limit)| limit.is_for(&words)).find_map(|(number, limit)| {
            let place = hash::combine(site as u64, number as u64);
            limit.keys_of(request).find_map(|key| charge(hash::combine(place, key), limit.rate))
        })?;
    Some(wait_ns.div_ceil(1_000_000_000).clamp(1, 3_600) as u32)
}

/// The words of a path as servers read it: `//` is `/`, `.` is nothing, `..` takes one away, and what follows a
/// `;` is a parameter (RFC 3986 section 3.3).
fn plain_words(decoded: &[u8]) -> Vec<&[u8]> {
    let mut words: Vec<&[u8]> = Vec::new();
    for word in decoded.split(|b| *b == b'/') {
        match word.split(|b| *b == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => {
                words.pop();
            }
            word => words.push(word),
        }
    }
    words
}

/// A path with what is written as `%6C` as what it stands for.
fn decoded(path: &[u8]) -> Vec<u8> {
    let digit = |at: usize| path.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(path.len()), 0);
    while at < path.len() {
        let (byte, taken) = match (path[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => ((high << 4 | low) as u8, 3),
            (byte, ..) => (byte, 1),
        };
        out.push(byte);
        at += taken;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn request<'a>(client: [u8; 4], path: &'a str, cookie: &'a str) -> Request<'a> {
        Request { path: path.as_bytes(), cookie: cookie.as_bytes(), ..Request::new(IpAddr::from(client)) }
    }

    fn limit(key: Key, path: &str) -> RateLimit {
        RateLimit { key, rate: Rate::new(0.1, 2.0).expect("a rate"), path: RateLimit::words(path) }
    }

    /// How many of so many requests are let pass.
    fn passed<'a>(all: &[RateLimit], requests: impl Iterator<Item = Request<'a>>) -> usize {
        let table = Limits::new(1 << 16, 7);
        requests.filter(|request| exceeded((0, all), &table, request, NOW).is_none()).count()
    }

    /// A session that many addresses share, as one that was stolen or sold is.
    #[test]
    fn a_session_is_limited_from_however_many_addresses_it_comes() {
        let shared = |n: u8| request([192, 0, n, 1], "/api", "theme=dark; sid=7f3; _ga=1");
        let session = [limit(Key::Session("sid".into()), "")];
        assert_eq!(passed(&session, (0..50).map(shared)), 2);
        assert_eq!(passed(&[limit(Key::Source, "")], (0..50).map(shared)), 50);
        let others = ["sid=1", "sid=2; _ga=1", "a=1; sid=3"];
        assert_eq!(passed(&session, others.iter().map(|c| request([192, 0, 2, 1], "/api", c))), 3);
        let none = (0..9).map(|_| request([192, 0, 2, 1], "/api", "xsid=1"));
        assert_eq!(passed(&session, none), 2, "by its address");
    }

    /// Broke: behind a cookie of the same name that was another each time, one session was never the same.
    #[test]
    fn a_session_is_limited_whichever_of_several_cookies_the_site_takes() {
        let session = [limit(Key::Session("sid".into()), "")];
        for order in ["sid={}; sid=7f3", "sid=7f3; a=b; sid={}", "sid={}; sid=x; sid=7f3"] {
            let shown: Vec<String> = (0..20).map(|n| order.replace("{}", &n.to_string())).collect();
            let asked = shown.iter().map(|cookie| request([192, 0, 2, 1], "/api", cookie));
            assert_eq!(passed(&session, asked), 2, "{order}");
        }
    }

    #[test]
    fn one_software_is_limited_from_however_many_addresses_it_comes() {
        let tool = |n: u8| Request { user_agent: b"tool/1", ..request([192, 0, n, 1], "/", "") };
        let all = [limit(Key::Fingerprint, "")];
        assert_eq!(passed(&all, (0..50).map(tool)), 2);
        assert_eq!(passed(&all, [tool(1), tool(2), request([192, 0, 2, 1], "/", "")].into_iter()), 3);
    }

    /// However a path is written that a server takes for `/login`.
    #[test]
    fn a_path_is_limited_however_it_is_written() {
        let all = [limit(Key::Total, "/login")];
        let same = [
            "/login",
            "//login/",
            "/%6Cogin",
            "/./login",
            "/x/../login",
            "/login/step",
            "/%2flogin",
            "/login;x=1",
        ];
        assert_eq!(passed(&all, same.iter().map(|path| request([192, 0, 2, 1], path, ""))), 2);
        let others = ["/", "/logins", "/x/login", "/login/..", "/%zzlogin", "/login%"];
        assert_eq!(passed(&all, others.iter().map(|path| request([192, 0, 2, 1], path, ""))), others.len());
    }

    #[test]
    fn all_limits_count() {
        let slow = RateLimit { rate: Rate::new(0.01, 1.0).expect("a rate"), ..limit(Key::Total, "") };
        let (all, table) = ([limit(Key::Source, ""), slow], Limits::new(1 << 16, 7));
        let ask = |n| exceeded((0, &all), &table, &request([192, 0, 2, n], "/", ""), NOW);
        assert_eq!([ask(1), ask(2)], [None, Some(100)]);
    }

    /// Broke: one client that was refused for itself used up what all together may ask for.
    #[test]
    fn who_is_beyond_a_limit_of_his_own_takes_nothing_from_others() {
        let total = RateLimit { rate: Rate::new(0.1, 20.0).expect("a rate"), ..limit(Key::Total, "") };
        let all = in_order(vec![total, limit(Key::Source, "")]);
        let one = (0..200).map(|_| request([192, 0, 2, 1], "/", ""));
        let people = (10..28).map(|n| request([192, 0, 2, n], "/", ""));
        assert_eq!(passed(&all, one.chain(people)), 2 + 18);
    }
}
