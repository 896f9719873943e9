//! Requests that servers read differently, sent through the edge to nginx, HAProxy and Apache, each
//! before an origin that notes what it was asked. Every case is refused, or reaches the origin as
//! what the table says, and as nothing else; and whoever asks next gets their own answer.
//!
//! The cases are those of the published work on request smuggling: C. Linhart et al., "HTTP Request
//! Smuggling" (2005); J. Kettle, "HTTP Desync Attacks" (2019) and "HTTP/2: The Sequel is Always
//! Worse" (2021); B. Jabiyev et al., "T-Reqs" (2021).

use crate::harness::{Origin, PATIENCE, settings, start};
use crate::http2::{Client, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, frame};
use crate::peers;
use crate::tls::Authority;
use seawall_http_edge::Edge;
use seawall_http_edge::tls::Certificates;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What reaches the origin: method, target and body of each request; nothing: it is refused.
type Fate = &'static [&'static str];

const REFUSED: Fate = &[];
/// What an attacker wants to be taken for a request of its own.
const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Lines after `Host: a` of a POST, the bytes after its head, and what is to come of it.
const POSTS: &[(&str, &str, Fate)] = &[
    // Two lengths.
    ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n", REFUSED),
    ("Content-Length: 0\r\nContent-Length: 35", "", REFUSED),
    ("Content-Length: 35\r\ncontent-length: 0", "", REFUSED),
    ("Content-Length: 0, 36", "", REFUSED),
    // Lengths that are no plain number.
    ("Content-Length: +5", "hello", REFUSED),
    ("Content-Length: -5", "hello", REFUSED),
    ("Content-Length: 0x5", "hello", REFUSED),
    ("Content-Length: 5.0", "hello", REFUSED),
    ("Content-Length: 5 5", "hello", REFUSED),
    ("Content-Length: 5e0", "hello", REFUSED),
    ("Content-Length:", "", REFUSED),
    ("Content-Length: \"5\"", "hello", REFUSED),
    ("Content-Length: 5;", "hello", REFUSED),
    ("Content-Length: 18446744073709551621", "hello", REFUSED),
    ("Content-Length: 99999999999999999999999999", "hello", REFUSED),
    ("Content-Length : 5", "hello", REFUSED),
    ("Content-Length\t: 5", "hello", REFUSED),
    (" Content-Length: 5", "hello", REFUSED),
    ("Content_Length: 5", "hello", REFUSED),
    ("Content-Length\0: 5", "hello", REFUSED),
    ("Content-Length: 5\0", "hello", REFUSED),
    ("Content-Length: \x0b5", "hello", REFUSED),
    ("Content-Length: 5\r\n 6", "hello", REFUSED),
    // Codings that are not `chunked` alone, or not quite.
    ("Transfer-Encoding: xchunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked, chunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked, identity", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: identity", "", REFUSED),
    ("Transfer-Encoding: identity, chunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: gzip, chunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked;q=1", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: \"chunked\"", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked\0", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: \x0bchunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked\x0c", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunk\u{e9}d", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding:", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding : chunked", "0\r\n\r\n", REFUSED),
    ("Transfer_Encoding: chunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding\r\n: chunked", "0\r\n\r\n", REFUSED),
    ("Transfer-Encoding:\r\n chunked", "0\r\n\r\n", REFUSED),
    ("X: y\r\n Transfer-Encoding: chunked", "0\r\n\r\n", REFUSED),
    ("X: y\rTransfer-Encoding: chunked", "0\r\n\r\n", REFUSED),
    ("X: y\nTransfer-Encoding: chunked", "0\r\n\r\n", REFUSED),
    ("X: y\r\r\nTransfer-Encoding: chunked", "0\r\n\r\n", REFUSED),
    ("Connection: transfer-encoding\r\nTransfer-Encoding: chunked", "0\r\n\r\n", REFUSED),
    ("Connection: content-length\r\nContent-Length: 5", "hello", REFUSED),
    // Other lines that are none, or more than one.
    ("X", "", REFUSED),
    (": y", "", REFUSED),
    ("X y: z", "", REFUSED),
    ("X\0: y", "", REFUSED),
    ("X: y\0", "", REFUSED),
    ("(x): y", "", REFUSED),
    ("Host: b", "", REFUSED),
    ("Host: a", "", REFUSED),
    ("host : a", "", REFUSED),
    ("Host\t: b", "", REFUSED),
    // Chunks that end elsewhere for others.
    ("Transfer-Encoding: chunked", "5\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "5\r\nhello\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "5\r\nhelloXX0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "-1\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "5_\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", " 5\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "5 \r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "5;a\rb\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "5;a\nb\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "5\0\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "100000000000000005\r\nhello\r\n0\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "fffffffffffffffff\r\nhello", REFUSED),
    ("Transfer-Encoding: chunked", "0\r\nX : y\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "0\r\n X: y\r\n\r\n", REFUSED),
    ("Transfer-Encoding: chunked", "0\r\nX: y\n\r\n", REFUSED),
    // One meaning, and that one is passed on.
    ("Content-Length: 5", "hello", &["POST /echo hello"]),
    ("Content-Length: 35", INNER, &["POST /echo GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"]),
    ("Expect: 200-ok", "", REFUSED),
    ("Content-Length:\t5\t", "hello", &["POST /echo hello"]),
    ("transfer-encoding: CHUNKED ", "5\r\nhello\r\n0\r\n\r\n", &["POST /echo hello"]),
    ("Transfer-Encoding: chunked", "05\r\nhello\r\n00\r\n\r\n", &["POST /echo hello"]),
    ("Transfer-Encoding: chunked", "5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n", &["POST /echo hello"]),
    (
        "Transfer-Encoding: chunked",
        "23\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n",
        &["POST /echo GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"],
    ),
    (
        "Transfer-Encoding: chunked",
        "5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: b\r\n\r\n",
        &["POST /echo hello"],
    ),
    ("Connection: x-hop\r\nX-Hop: 1\r\nContent-Length: 5", "hello", &["POST /echo hello"]),
    ("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 5", "hello", &["POST /echo hello"]),
    ("TE: trailers, chunked\r\nContent-Length: 5", "hello", &["POST /echo hello"]),
    ("X-Latin: \u{e9}\r\nContent-Length: 5", "hello", &["POST /echo hello"]),
];

/// Whole requests, and what is to come of them.
const WHOLE: &[(&str, Fate)] = &[
    ("GET /\r\n", REFUSED),
    ("GET /\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1\nHost: a\n\n", REFUSED),
    ("GET / HTTP/1.1\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", REFUSED),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", REFUSED),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", REFUSED),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", REFUSED),
    ("GET / HTTP/01.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", REFUSED),
    ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", REFUSED),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", REFUSED),
    ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", REFUSED),
    ("GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /x "]),
    ("GET /x HTTP/1.0\r\nHost: a\r\n\r\n", &["GET /x "]),
    ("\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /x "]),
    ("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", &["GET /x abc"]),
    (
        "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        &["GET /x GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"],
    ),
    (
        "DELETE /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        &["DELETE /x a"],
    ),
    ("GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /x ", "GET /y "]),
    ("GET /x%0D%0AX:y HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /x%0D%0AX:y "]),
];

/// Fields of an HTTP/2 request to `/echo`, the pieces of its body, its trailers, and what is to come
/// of it. A field whose name is one of the four of the protocol replaces that.
type Streamed = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
    Fate,
);

const STREAMED: &[Streamed] = &[
    (&[(":path", "/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: y")], &["0\r\n\r\n"], &[], REFUSED),
    (&[(":path", "/a b")], &[], &[], REFUSED),
    (&[(":path", "")], &[], &[], REFUSED),
    (&[(":path", "a")], &[], &[], REFUSED),
    (&[(":path", "http://b/")], &[], &[], REFUSED),
    (&[(":path", "*")], &[], &[], REFUSED),
    (&[(":path", "/#a")], &[], &[], REFUSED),
    (&[(":method", "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: y")], &[], &[], REFUSED),
    (&[(":method", "GET /smuggled HTTP/1.1")], &[], &[], REFUSED),
    (&[(":method", "")], &[], &[], REFUSED),
    (&[(":method", "CONNECT")], &[], &[], REFUSED),
    (&[(":scheme", "http://b/?")], &[], &[], REFUSED),
    (&[(":authority", "a\r\nTransfer-Encoding: chunked")], &[], &[], REFUSED),
    (&[(":authority", "a/b")], &[], &[], REFUSED),
    (&[(":authority", "user@a")], &[], &[], REFUSED),
    (&[(":authority", "")], &[], &[], REFUSED),
    (&[("host", "b")], &[], &[], REFUSED),
    (&[("host", "a"), ("host", "b")], &[], &[], REFUSED),
    (&[("x", "y\r\nTransfer-Encoding: chunked")], &["0\r\n\r\n"], &[], REFUSED),
    (&[("x", "y\nTransfer-Encoding: chunked")], &["0\r\n\r\n"], &[], REFUSED),
    (&[("x", "y\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a")], &[], &[], REFUSED),
    (&[("x", "y\0")], &[], &[], REFUSED),
    (&[("x", " y")], &[], &[], REFUSED),
    (&[("x: y\r\ntransfer-encoding", "chunked")], &[], &[], REFUSED),
    (&[("transfer-encoding: chunked\r\nx", "y")], &[], &[], REFUSED),
    (&[("x y", "z")], &[], &[], REFUSED),
    (&[("x:", "y")], &[], &[], REFUSED),
    (&[("X", "y")], &[], &[], REFUSED),
    (&[("", "y")], &[], &[], REFUSED),
    (&[(":x", "y")], &[], &[], REFUSED),
    (&[("transfer-encoding", "chunked")], &["0\r\n\r\n"], &[], REFUSED),
    (&[("transfer_encoding", "chunked")], &["0\r\n\r\n"], &[], REFUSED),
    (&[("connection", "close")], &[], &[], REFUSED),
    (&[("connection", "transfer-encoding")], &[], &[], REFUSED),
    (&[("proxy-connection", "close")], &[], &[], REFUSED),
    (&[("keep-alive", "1")], &[], &[], REFUSED),
    (&[("upgrade", "h2c")], &[], &[], REFUSED),
    (&[("te", "gzip")], &[], &[], REFUSED),
    (&[("content-length", "0")], &["hello"], &[], REFUSED),
    (&[("content-length", "4")], &["hello"], &[], REFUSED),
    (&[("content-length", "6")], &["hello"], &[], REFUSED),
    (&[("content-length", "35")], &[], &[], REFUSED),
    (&[("content-length", "5"), ("content-length", "6")], &["hello"], &[], REFUSED),
    (&[("content-length", "5, 5")], &["hello"], &[], REFUSED),
    (&[("content-length", "+5")], &["hello"], &[], REFUSED),
    (&[("content_length", "5")], &["hello"], &[], REFUSED),
    (&[], &["hello"], &[("content-length", "5")], REFUSED),
    (&[], &["hello"], &[(":path", "/smuggled")], REFUSED),
    (&[], &["hello"], &[("transfer-encoding", "chunked")], REFUSED),
    (&[], &["hello"], &[("x", "y\r\n\r\nGET /smuggled HTTP/1.1")], REFUSED),
    (&[], &["he", "llo"], &[], &["POST /echo hello"]),
    (&[("content-length", "5")], &["he", "llo"], &[], &["POST /echo hello"]),
    (&[], &["0\r\n\r\n", INNER], &[], &["POST /echo 0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"]),
    (&[("host", "shop.example")], &["hello"], &[], &["POST /echo hello"]),
    (&[("te", "trailers")], &["hello"], &[], &["POST /echo hello"]),
    (&[(":method", "GET"), (":path", "/x")], &[], &[], &["GET /x "]),
];

/// The edge before a server, the origin behind it, and what is known of it from here.
struct Chain {
    edge: Edge,
    origin: Origin,
    authority: Authority,
    name: &'static str,
    _peer: Option<peers::Peer>,
}

impl Chain {
    fn to(name: &'static str, start_peer: impl Fn(SocketAddr) -> Option<peers::Peer>) -> Option<Self> {
        let origin = Origin::start();
        let peer = start_peer(origin.address);
        if peer.is_none() && name != "origin" {
            return None;
        }
        let mut authority = Authority::new();
        let files = authority.issue("shop.example");
        let behind = peer.as_ref().map_or(origin.address, |p| p.address);
        let mut settings = settings(&[behind]);
        let mut encrypted = settings.sites[0].clone();
        encrypted.tls = Some(Certificates::load(vec![files]).expect("certificates"));
        // The first is what TLS clients of the tests connect to.
        settings.sites = vec![encrypted, settings.sites.remove(0)];
        Some(Self { edge: start(settings), origin, authority, name, _peer: peer })
    }

    /// Method, target and body of what reached the origin, and leaves nothing behind.
    fn seen(&self) -> Vec<String> {
        let words = |text: &String| {
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
            let line: Vec<&str> = head.split(' ').take(2).collect();
            format!("{} {} {body}", line[0], line[1])
        };
        self.origin.take_seen().iter().map(words).collect()
    }

    /// Holds what came of a case against the table; a server in between may refuse what we do not.
    fn judge(&self, case: &str, was_refused: bool, fate: Fate) {
        let seen = self.seen();
        let is_as_said = seen == fate || (self.name != "origin" && fate.starts_with(&as_words(&seen)));
        assert!(is_as_said, "{} behind the edge, {case}: {seen:?} in place of {fate:?}", self.name);
        assert!(was_refused || !fate.is_empty(), "{} behind the edge, {case}: not refused", self.name);
        // Whoever comes next gets their own answer over the same connections.
        let next = answers(&self.edge, b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", 1);
        assert!(next.ends_with("\r\n\r\n/next"), "{} behind the edge, after {case}: {next}", self.name);
        assert_eq!(self.seen(), ["GET /next "], "{} behind the edge, after {case}", self.name);
    }

    fn judge_text(&self, text: &str, fate: Fate) {
        let case = format!("{:?}", text.get(..text.len().min(200)).unwrap_or(text));
        let mut bytes = text.as_bytes().to_vec();
        if fate.is_empty() {
            bytes.extend_from_slice(INNER.as_bytes());
        }
        let answer = answers(&self.edge, &bytes, fate.len());
        let first = answer.get(..12).unwrap_or_default();
        let was_refused = first.starts_with("HTTP/1.1 4") || first.starts_with("HTTP/1.1 5");
        assert!(
            !fate.is_empty() || answer.matches("HTTP/1.1 ").count() <= 1,
            "{} behind the edge, {case}: {answer}",
            self.name
        );
        self.judge(&case, was_refused, fate);
    }

    fn judge_stream(&self, case: &Streamed) {
        let (fields, body, trailers, fate) = case;
        let mut client = Client::new(&self.edge, &self.authority);
        let mut head = vec![
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "shop.example"),
            (":path", "/echo"),
        ];
        for (name, value) in *fields {
            match head.iter_mut().take(4).find(|(own, _)| own == name) {
                Some(own) => own.1 = value,
                None => head.push((name, value)),
            }
        }
        let is_last = |nth: usize| u8::from(nth == body.len() && trailers.is_empty()) * END_STREAM;
        let mut frames = frame(HEADERS, END_HEADERS | is_last(0), 1, &block(&head));
        for (nth, piece) in body.iter().enumerate() {
            frames.extend(frame(DATA, is_last(nth + 1), 1, piece.as_bytes()));
        }
        if !trailers.is_empty() {
            frames.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(trailers)));
        }
        client.send(&frames);
        self.judge(&format!("{fields:?} {body:?} {trailers:?}"), is_refused(&mut client), fate);
    }
}

/// Sends bytes to the site without TLS, and reads so many answers, or to the end.
fn answers(edge: &Edge, bytes: &[u8], wanted: usize) -> String {
    let mut stream = TcpStream::connect(edge.addresses()[1]).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // It may have been refused before the last byte.
    let _ = stream.write_all(bytes);
    let (mut all, mut part) = (Vec::new(), [0; 4_096]);
    while wanted == 0 || whole_answers(&all) < wanted {
        match stream.read(&mut part) {
            Ok(n) if n > 0 => all.extend_from_slice(&part[..n]),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                let short =
                    |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
                panic!("no answer to {:?} but {:?}", short(bytes), short(&all))
            }
            _ => break,
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Answers that have come whole; each says how long it is.
fn whole_answers(bytes: &[u8]) -> usize {
    let (text, mut count) = (String::from_utf8_lossy(bytes).to_ascii_lowercase(), 0);
    let mut rest = &text[..];
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let length = head.split("content-length: ").nth(1).and_then(|l| l.split("\r\n").next()?.parse().ok());
        let Some(next) = after.get(length.unwrap_or(0)..) else { break };
        count += 1;
        rest = next;
    }
    count
}

fn as_words(seen: &[String]) -> Vec<&str> {
    seen.iter().map(String::as_str).collect()
}

/// Whether stream 1 is reset or answered with an error.
fn is_refused(client: &mut Client) -> bool {
    client.stream.sock.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut status_is_good = false;
    while let Some((kind, flags, stream, payload)) = client.read() {
        if stream != 1 {
            continue;
        }
        match kind {
            RST_STREAM if !status_is_good => return true,
            // 200 has a place of its own in the static table.
            HEADERS => status_is_good = payload.first() == Some(&0x88),
            _ => {}
        }
        if kind == RST_STREAM || flags & END_STREAM != 0 {
            return !status_is_good;
        }
    }
    !status_is_good
}

/// Fields as literals that are never kept.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.extend([0, name.len() as u8]);
        block.extend_from_slice(name.as_bytes());
        block.push(value.len() as u8);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

fn run(chain: &Chain) {
    for (lines, body, fate) in POSTS {
        let text = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}");
        chain.judge_text(&text, fate);
    }
    for (text, fate) in WHOLE {
        chain.judge_text(text, fate);
    }
    let long = "x".repeat(9_000);
    for text in [
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\nY: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101)),
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {long}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;{long}\r\nhello"),
    ] {
        chain.judge_text(&text, REFUSED);
    }
    for case in STREAMED {
        chain.judge_stream(case);
    }
}

#[test]
fn ambiguous_requests_have_one_meaning_or_none() {
    run(&Chain::to("origin", |_| None).expect("it needs nothing"));
}

#[test]
fn nothing_desynchronises_the_edge_and_nginx() {
    let lines = "client_max_body_size 0; ignore_invalid_headers off; underscores_in_headers on;";
    if let Some(chain) = Chain::to("nginx", |origin| peers::nginx(origin, "", lines)) {
        run(&chain);
    }
}

#[test]
fn nothing_desynchronises_the_edge_and_haproxy() {
    if let Some(chain) = Chain::to("haproxy", peers::haproxy) {
        run(&chain);
    }
}

#[test]
fn nothing_desynchronises_the_edge_and_apache() {
    if let Some(chain) = Chain::to("apache", peers::apache) {
        run(&chain);
    }
}
