//! The view of a request that rules are matched against: borrowed from the connection's buffer,
//! so that deciding about a request allocates nothing.

use seawall_model::observation::{HttpVersion, Method, Presence};
use std::net::IpAddr;

/// One request as its client sent it, before anything is done about it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The client, behind proxies that are known to be ours.
    pub client: IpAddr,
    /// Whether the client cannot have forged its address: it completed a TCP handshake with us,
    /// or a trusted proxy says who it is.
    pub proven: bool,
    pub method: Method,
    pub version: HttpVersion,
    /// Lower case, without port.
    pub host: &'a [u8],
    /// Path without the query, as sent (percent-encoded).
    pub path: &'a [u8],
    /// Text after `?`. `None`: no question mark.
    pub query: Option<&'a [u8]>,
    pub user_agent: &'a [u8],
    pub referrer: &'a [u8],
    /// Value of the first `Cookie` field; empty: none sent.
    pub cookie: &'a [u8],
    pub accept: &'a [u8],
    pub accept_language: &'a [u8],
    /// Value of `Authorization`; empty: none sent.
    pub authorization: &'a [u8],
    /// Hash of the names of the fields in order but for cookies, as in log triage.
    pub header_order: u64,
    /// JA4 fingerprint of the TLS client; empty: no TLS.
    pub ja4: &'a [u8],
    /// Arrived over TLS.
    pub secure: bool,
}

impl Request<'_> {
    /// A request of which nothing is known but its client.
    #[must_use]
    pub fn new(client: IpAddr) -> Self {
        Self {
            client,
            proven: true,
            method: Method::Get,
            version: HttpVersion::Http11,
            host: b"",
            path: b"/",
            query: None,
            user_agent: b"",
            referrer: b"",
            cookie: b"",
            accept: b"",
            accept_language: b"",
            authorization: b"",
            header_order: 0,
            ja4: b"",
            secure: false,
        }
    }

    /// Whether it has cookies of the site. Seawall's own are none: they came with a measure, and would make
    /// of everybody who passed it a kind of client that was never seen before.
    #[must_use]
    pub fn has_cookies(&self) -> bool {
        // Servers that take a blank or a comma for the end of a cookie would find another behind it.
        let is_of_token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let is_ours = |pair: &[u8]| pair.strip_prefix(b"seawall=").is_some_and(|v| v.iter().all(is_of_token));
        let mut pairs = self.cookie.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        pairs.any(|pair| !pair.is_empty() && !is_ours(pair))
    }

    /// Who the client is by its habits, whatever its address: header order and user agent, and
    /// the TLS fingerprint where there is one.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        use seawall_model::hash;
        hash::combine(self.header_order, hash::combine(hash::bytes(self.user_agent), hash::bytes(self.ja4)))
    }
}

/// Whether something is there, of which it is known.
pub(crate) fn presence(is_there: bool) -> Presence {
    if is_there { Presence::Present } else { Presence::Absent }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: who had passed the challenge was refused, for the cookie of the pass was what the requests that
    /// still came had in common, and no request before the attack had.
    #[test]
    fn a_pass_makes_no_other_client_of_a_visitor() {
        let with = |cookie: &'static str| {
            Request { cookie: cookie.as_bytes(), ..Request::new(IpAddr::from([127, 0, 0, 1])) }.has_cookies()
        };
        assert!(!with("") && !with("seawall=BACo") && !with(" seawall=BACo; "));
        assert!(with("seawall=BACo; session=1") && with("lang=de"));
        assert!(with("seawall=BACo session=1") && with("seawall=BACo,session=1"));
        use seawall_wire::packet::http1::after_header;
        assert_eq!(after_header(after_header(7, b"Cookie"), b"Accept"), after_header(7, b"accept"));
    }

    #[test]
    fn the_fingerprint_follows_habits_and_not_addresses() {
        let mut one = Request::new(IpAddr::from([192, 0, 2, 1]));
        one.user_agent = b"curl/8.5.0";
        let other = Request { client: IpAddr::from([198, 51, 100, 7]), ..one };
        assert_eq!(one.fingerprint(), other.fingerprint());
        let reordered = Request { header_order: 7, ..one };
        assert_ne!(one.fingerprint(), reordered.fingerprint());
    }
}
