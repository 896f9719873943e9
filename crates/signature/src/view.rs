//! A request as signatures see it, borrowed: of a record that was kept, or of one that is being
//! decided about right now. Both are matched by the same code.

use seawall_model::observation::{HttpVersion, Method, Presence};
use seawall_model::record::{RequestRecord, TEXT_LIMIT_BYTES};
use std::borrow::Cow;
use std::net::IpAddr;

/// What a signature of the HTTP layer can test before the answer is known. Texts are as records
/// keep them: see [`kept`].
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    pub client: IpAddr,
    pub method: Method,
    pub host: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub version: HttpVersion,
    /// `None`: not answered yet, so that no test of the status holds.
    pub status: Option<u16>,
    pub user_agent: &'a str,
    pub referrer: &'a str,
    pub cookie: Presence,
    pub accept_language: Presence,
    pub header_order: u64,
    pub ja4: &'a str,
}

impl<'a> From<&'a RequestRecord> for RequestView<'a> {
    fn from(r: &'a RequestRecord) -> Self {
        Self {
            client: r.client,
            method: r.method,
            host: &r.host,
            path: &r.path,
            query: r.query.as_deref(),
            version: r.version,
            status: Some(r.status),
            user_agent: &r.user_agent,
            referrer: &r.referrer,
            cookie: r.cookie,
            accept_language: r.accept_language,
            header_order: r.header_order,
            ja4: &r.ja4,
        }
    }
}

/// Text from the wire as a record keeps it: cut to [`TEXT_LIMIT_BYTES`], bytes that are not UTF-8
/// replaced. Allocates only where there are such bytes.
#[must_use]
pub fn kept(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_LIMIT_BYTES)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::observation::Request;

    #[test]
    fn text_is_kept_as_records_keep_it() {
        let long = vec![b'a'; TEXT_LIMIT_BYTES + 7];
        let split = [vec![b'a'; TEXT_LIMIT_BYTES - 1], "é".as_bytes().to_vec()].concat();
        for text in [b"/plain".as_slice(), b"/\xFF\xFE", &long, &split, b""] {
            let mut request = Request::new(Timestamp::default(), IpAddr::from([192, 0, 2, 1]));
            request.path = text;
            assert_eq!(kept(text), RequestRecord::from(&request).path);
        }
    }
}
