//! Request lines and targets: what a client asked for, or that it asked for nothing sensible.

use super::draft::parse_method;
use memchr::{memchr, memrchr};
use seawall_model::observation::{HttpVersion, Method, Request};

/// Reads `METHOD target HTTP/x.y`. A line that is no request (bytes of another protocol, `-`,
/// nothing at all) marks the request as malformed and keeps the text as its path.
#[inline]
pub(super) fn request_line<'a>(request: &mut Request<'a>, line: &'a [u8]) {
    let Some(space) = memchr(b' ', line) else { return malformed(request, line) };
    let Some(method) = parse_method(&line[..space]) else { return malformed(request, line) };
    let rest = line[space + 1..].trim_ascii();
    let (wanted, version) = match memrchr(b' ', rest) {
        Some(at) if rest[at + 1..].starts_with(b"HTTP/") => {
            (rest[..at].trim_ascii_end(), HttpVersion::parse(&rest[at + 1..]))
        }
        // "GET HTTP/1.1": the target is missing.
        None if rest.starts_with(b"HTTP/") => (&rest[..0], HttpVersion::parse(rest)),
        // HTTP/0.9 has no version in the line (RFC 1945 section 4.1).
        _ => (rest, HttpVersion::Http09),
    };
    request.version = version;
    if wanted.is_empty() {
        return malformed(request, line);
    }
    request.method = method;
    target(request, wanted);
}

/// A method alone, where the log has one column for it.
pub(super) fn method<'a>(request: &mut Request<'a>, token: &'a [u8]) {
    match parse_method(token) {
        Some(method) => request.method = method,
        None => {
            request.method = Method::Other;
            request.malformed = true;
        }
    }
}

/// Reads the target in any of its four forms (RFC 9112 section 3.2).
#[inline]
pub(super) fn target<'a>(request: &mut Request<'a>, text: &'a [u8]) {
    let mut rest = text;
    if text.first() != Some(&b'/') {
        if request.method == Method::Connect {
            return host(request, text);
        }
        if let Some(authority) = after_scheme(text) {
            let end =
                authority.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(authority.len());
            if request.host.is_empty() {
                host(request, &authority[..end]);
            }
            rest = if end == authority.len() { b"/" } else { &authority[end..] };
        }
    }
    match memchr(b'?', rest) {
        Some(at) => {
            request.path = &rest[..at];
            request.query = Some(&rest[at + 1..]);
        }
        None => request.path = rest,
    }
}

/// A host as in the header of that name; the default ports of HTTP and TLS are left out.
pub(super) fn host<'a>(request: &mut Request<'a>, text: &'a [u8]) {
    let text = text.strip_suffix(b":443").or_else(|| text.strip_suffix(b":80")).unwrap_or(text);
    // nginx writes `_` for its catch-all server.
    if text != b"_" {
        request.host = text;
    }
}

/// What follows `scheme://`, or `scheme:///` for a target without authority.
fn after_scheme(text: &[u8]) -> Option<&[u8]> {
    let colon = memchr(b':', &text[..text.len().min(16)])?;
    let scheme = &text[..colon];
    let named = !scheme.is_empty() && scheme.iter().all(u8::is_ascii_alphabetic);
    text[colon..].strip_prefix(b"://").filter(|_| named)
}

fn malformed<'a>(request: &mut Request<'a>, line: &'a [u8]) {
    request.malformed = true;
    request.method = Method::Other;
    request.path = super::scan::given(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use std::net::{IpAddr, Ipv4Addr};

    fn read(line: &str) -> Request<'_> {
        let mut request = Request::new(Timestamp(0), IpAddr::V4(Ipv4Addr::LOCALHOST));
        request_line(&mut request, line.as_bytes());
        request
    }

    #[test]
    fn targets_in_all_forms() {
        let r = read("GET /a/b?x=1?y HTTP/1.1");
        assert_eq!((r.method, r.path, r.query), (Method::Get, &b"/a/b"[..], Some(&b"x=1?y"[..])));
        assert_eq!((r.version, r.malformed), (HttpVersion::Http11, false));
        let r = read("GET http://www.example.com:80/p?q HTTP/1.0");
        assert_eq!((r.host, r.path, r.query), (&b"www.example.com"[..], &b"/p"[..], Some(&b"q"[..])));
        let r = read("HEAD https://10.0.2.105:773 HTTP/2.0");
        assert_eq!((r.host, r.path, r.version), (&b"10.0.2.105:773"[..], &b"/"[..], HttpVersion::Http2));
        let r = read("CONNECT foo.com:25 HTTP/1.1");
        assert_eq!((r.method, r.host, r.path), (Method::Connect, &b"foo.com:25"[..], &b""[..]));
        assert_eq!(read("OPTIONS * HTTP/1.0").path, b"*");
        let r = read("GET /");
        assert_eq!((r.path, r.version, r.malformed), (&b"/"[..], HttpVersion::Http09, false));
        assert_eq!(read("GET /a b c HTTP/1.1").path, b"/a b c");
        assert_eq!(read("GET / HTTP/1.2").version, HttpVersion::Invalid);
        assert_eq!(read("GET /x?u=http://e/ HTTP/1.1").path, b"/x");
    }

    #[test]
    fn what_is_no_request_is_kept_as_malformed() {
        for line in
            ["\\x16\\x03\\x01", "-", "", "SSH-2.0-Go", "lv|'|'| x", "GET HTTP/1.1", "GET", "get / HTTP/1.1"]
        {
            let r = read(line);
            assert!(r.malformed, "{line}");
            assert_eq!(r.method, Method::Other, "{line}");
        }
        assert_eq!(read("-").path, b"");
    }
}
