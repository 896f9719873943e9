//! Heads as they go out: hop-by-hop fields taken away, what only we may say said.

use super::body::{Framing, welcome_trailers};
use super::field::{Field, Kind};
use super::head::{RequestHead, ResponseHead};
use crate::forwarded::{self, Told};
use std::io::Write;

/// Writes a request's head for the upstream, always as HTTP/1.1.
pub fn request(out: &mut Vec<u8>, buffer: &[u8], head: &RequestHead, fields: &[Field], told: &Told<'_>) {
    out.extend_from_slice(head.method_text.of(buffer));
    out.push(b' ');
    out.extend_from_slice(head.target.of(buffer));
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(if head.host.end > 0 { head.host.of(buffer) } else { b"localhost" });
    out.extend_from_slice(b"\r\n");
    copy(out, buffer, fields, |kind| match kind {
        Kind::Host
        | Kind::Connection
        | Kind::HopByHop
        | Kind::Te
        | Kind::ContentLength
        | Kind::TransferEncoding
        | Kind::Forwarded
        | Kind::ClientAddress
        | Kind::XForwardedFor => false,
        Kind::SaidByProxy => told.is_trusted,
        Kind::Upgrade => head.upgrade,
        Kind::Expect => head.expects_continue,
        _ => true,
    });
    if told.is_trusted {
        client_addresses(out, buffer, fields, told);
    }
    framing(out, head.framing);
    if head.upgrade {
        out.extend_from_slice(b"Connection: upgrade\r\n");
    } else if head.takes_trailers {
        out.extend_from_slice(b"TE: trailers\r\nConnection: TE\r\n");
    }
    forwarded::write(out, told);
    out.extend_from_slice(b"\r\n");
}

/// Where a trusted proxy's request names the client's address in a field of its own kind, the one that
/// was found stands in its place: the proxy may have passed on what its client wrote.
fn client_addresses(out: &mut Vec<u8>, buffer: &[u8], fields: &[Field], told: &Told<'_>) {
    for field in fields.iter().filter(|field| field.kind == Kind::ClientAddress) {
        out.extend_from_slice(field.name(buffer));
        // Writing to a Vec cannot fail.
        let _ = write!(out, ": {}\r\n", told.client);
    }
}

/// How a response goes out to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    pub framing: Framing,
    /// The connection stays open after it.
    pub keep_alive: bool,
    /// The client speaks HTTP/1.0.
    pub is_old: bool,
}

/// Writes a response's head for an HTTP/1 client.
pub fn response(out: &mut Vec<u8>, buffer: &[u8], head: &ResponseHead, fields: &[Field], reply: Reply) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status_text.of(buffer));
    if head.status_text.end - head.status_text.start == 3 {
        out.push(b' ');
    }
    out.extend_from_slice(b"\r\n");
    let switches = head.status == 101;
    copy(out, buffer, fields, |kind| match kind {
        Kind::Connection | Kind::HopByHop | Kind::TransferEncoding | Kind::ContentLength => false,
        Kind::Upgrade => switches || head.status == 426,
        _ => true,
    });
    if switches {
        out.extend_from_slice(b"Connection: upgrade\r\n\r\n");
        return;
    }
    match (reply.framing, head.length) {
        // The length that a body would have, or nothing where a body may not be spoken of.
        (Framing::None, Some(length)) if head.status >= 200 && head.status != 204 => {
            framing(out, Framing::Length(length));
        }
        (Framing::None, _) => {}
        (shape, _) => framing(out, shape),
    }
    if head.status >= 200 {
        connection(out, reply);
    }
    out.extend_from_slice(b"\r\n");
}

fn connection(out: &mut Vec<u8>, reply: Reply) {
    if !reply.keep_alive {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if reply.is_old {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
}

/// Writes an answer of our own.
pub fn own_answer(out: &mut Vec<u8>, answer: &OwnAnswer<'_>, reply: Reply, with_body: bool) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in answer.fields {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    if answer.says_length() {
        let _ = write!(out, "Content-Length: {}\r\n", answer.body.len());
    }
    connection(out, reply);
    out.extend_from_slice(b"\r\n");
    if with_body {
        out.extend_from_slice(answer.body);
    }
}

/// An answer that the edge makes itself.
#[derive(Clone, Copy, Debug)]
pub struct OwnAnswer<'a> {
    pub status: u16,
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl OwnAnswer<'_> {
    /// Whether its length is that of its body: a `304` would speak of another's (RFC 9110 section 8.6).
    #[must_use]
    pub fn says_length(&self) -> bool {
        self.status != 304
    }
}

/// Reason phrases (RFC 9110 section 15) of the answers that the edge makes.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        203 => "Non-Authoritative Information",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

/// Writes the size line of a chunk of `bytes`.
pub fn chunk_size(out: &mut Vec<u8>, bytes: usize) {
    let _ = write!(out, "{bytes:x}\r\n");
}

/// Writes a trailer section with the fields that may be passed on, and its end.
pub fn trailers(out: &mut Vec<u8>, section: &[u8]) {
    for field in welcome_trailers(section) {
        out.extend_from_slice(&section[field.start as usize..field.end as usize]);
    }
    out.extend_from_slice(b"\r\n");
}

/// The field that says how a body ends.
pub fn framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Length(length) => {
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::None | Framing::ToEnd => {}
    }
}

/// Copies the lines of wanted fields; neighbours go in one piece.
fn copy(out: &mut Vec<u8>, buffer: &[u8], fields: &[Field], wanted: impl Fn(Kind) -> bool) {
    let mut run: Option<(u32, u32)> = None;
    for field in fields {
        if wanted(field.kind) {
            run = Some((run.map_or(field.start, |(start, _)| start), field.end));
        } else if let Some((start, end)) = run.take() {
            out.extend_from_slice(&buffer[start as usize..end as usize]);
        }
    }
    if let Some((start, end)) = run {
        out.extend_from_slice(&buffer[start as usize..end as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forwarded::Chain;
    use crate::http1::{HeadLimits, head};
    use std::net::IpAddr;

    const LIMITS: HeadLimits = HeadLimits { head_bytes: 4096, target_bytes: 1024, fields: 50 };

    fn passed_on(bytes: &[u8], forwarded_for: &[u8]) -> String {
        let mut fields = Vec::new();
        let head = head::request(bytes, bytes.len(), &LIMITS, &mut fields).expect("a request");
        let told = Told {
            client: IpAddr::from([192, 0, 2, 1]),
            chain: Chain::listed([b"", b"", b"", forwarded_for], [b""; 3]),
            peer: IpAddr::from([192, 0, 2, 1]),
            is_trusted: !forwarded_for.is_empty(),
            secure: false,
            host: head.host.of(bytes),
        };
        let mut out = Vec::new();
        request(&mut out, bytes, &head, &fields, &told);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_client_cannot_say_who_it_is() {
        let sent = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX_Real_IP: 10.0.0.1\r\nA: b\r\n\r\n";
        let out = passed_on(sent, b"");
        assert_eq!(
            out,
            "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nX-Forwarded-For: 192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nForwarded: for=192.0.2.1;proto=http;host=\"a\"\r\n\r\n"
        );
    }

    /// Broke: the words of CDNs reached the site as a client of our own wrote them, and applications
    /// believe them.
    #[test]
    fn a_client_cannot_speak_in_the_words_of_a_cdn() {
        let sent = b"GET / HTTP/1.1\r\nHost: a\r\nCF-Connecting-IP: 10.0.0.1\r\nClient-Ip: 10.0.0.1\r\n\
            Fastly_Client_IP: 10.0.0.1\r\nX-Forwarded-Client-Cert: By=me\r\nA: b\r\n\r\n";
        let own = passed_on(sent, b"");
        assert!(
            own.starts_with("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nX-Forwarded-For: 192.0.2.1\r\n"),
            "{own}"
        );
        let behind_proxy = passed_on(sent, b"192.0.2.1");
        assert!(!behind_proxy.contains("10.0.0.1"), "{behind_proxy}");
        for said in ["CF-Connecting-IP: 192.0.2.1\r\n", "X-Forwarded-Client-Cert: By=me\r\n"] {
            assert!(behind_proxy.contains(said), "{said} in {behind_proxy}");
        }
    }

    #[test]
    fn hop_by_hop_fields_stay_on_their_hop() {
        let sent = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nTE: gzip\r\nUpgrade: h2c\r\nProxy-Authorization: x\r\nAccept: */*\r\n\r\n";
        let out = passed_on(sent, b"");
        for gone in ["Connection", "Keep-Alive", "X-Hop", "TE:", "Upgrade", "Proxy-"] {
            assert!(!out.contains(gone), "{gone} in {out}");
        }
        assert!(out.contains("\r\nAccept: */*\r\n"));
    }

    #[test]
    fn an_upgrade_goes_through_with_its_own_connection_field() {
        let sent = b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: k\r\n\r\n";
        let out = passed_on(sent, b"");
        assert!(out.contains("Upgrade: websocket\r\n") && out.contains("Connection: upgrade\r\n"), "{out}");
    }

    #[test]
    fn the_chain_of_a_trusted_proxy_is_continued() {
        assert!(
            passed_on(b"GET / HTTP/1.0\r\n\r\n", b"203.0.113.9")
                .contains("X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n")
        );
    }
}
