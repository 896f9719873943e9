//! HTTP/1 heads (RFC 9112) out of a stream's bytes, and the lengths of the bodies after them.
//!
//! Lenient where servers are (bare line feeds, empty lines before a request), strict about what
//! makes a stream HTTP at all, so that other protocols are told apart at once.

use seawall_model::hash;
use seawall_model::observation::{HttpVersion, Method, Presence};

/// Bytes of a head that are read; most servers allow no more either.
pub const HEAD_LIMIT_BYTES: usize = 8192;
/// Headers of one head that are read.
const HEADER_LIMIT: usize = 128;
/// Of a field's name, so many bytes tell it from others.
const NAME_LIMIT_BYTES: usize = 64;
/// Longest method that is believed.
const METHOD_LIMIT_BYTES: usize = 20;

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<T> {
    /// So far as it goes it may be a head.
    Incomplete,
    Head(T),
    NotHttp,
}

/// How many bytes follow a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    #[default]
    None,
    Length(u64),
    Chunked,
    /// Until the connection closes.
    ToEnd,
}

/// A request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    pub method: Method,
    /// As sent, with any scheme and host taken off.
    pub path: &'a [u8],
    /// After the question mark, if there is one.
    pub query: Option<&'a [u8]>,
    pub version: HttpVersion,
    pub host: &'a [u8],
    pub user_agent: &'a [u8],
    pub referrer: &'a [u8],
    pub cookie: Presence,
    pub accept_language: Presence,
    /// Hash of the names of the headers in order, in lower case; cookies are left out.
    pub header_order: u64,
    pub body: Body,
    /// The body waits for the server's word (`Expect: 100-continue`).
    pub expects_continue: bool,
    /// The client asks to speak another protocol after this.
    pub upgrade: bool,
    /// Length of the head.
    pub head_bytes: usize,
    /// A line in it is no header, or the target is empty.
    pub malformed: bool,
}

/// A response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    /// Before what the request's method changes (HEAD has no body).
    pub body: Body,
    pub head_bytes: usize,
}

/// Reads a request's head from the start of a client's stream.
#[must_use]
pub fn request(stream: &[u8]) -> Start<RequestHead<'_>> {
    let blank = stream.iter().take(8).take_while(|&&b| b == b'\r' || b == b'\n').count();
    let stream = &stream[blank..];
    if !may_be_request(stream) {
        return Start::NotHttp;
    }
    let whole = stream.len();
    let Some(first_end) = memchr::memchr(b'\n', stream) else { return unfinished(whole) };
    let mut head = match request_line(without_return(&stream[..first_end])) {
        // One line is all of a request of HTTP/0.9 (RFC 1945 section 4.1).
        Some(head) if head.version == HttpVersion::Http09 && head.method != Method::Other => {
            return Start::Head(RequestHead { head_bytes: blank + first_end + 1, ..head });
        }
        Some(head) if head.version != HttpVersion::Http09 => head,
        _ => return Start::NotHttp,
    };
    let stream = &stream[..whole.min(HEAD_LIMIT_BYTES)];
    let (mut at, mut lines, mut order) = (first_end + 1, 0, 0);
    loop {
        let Some(length) = stream.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)) else {
            return unfinished(whole);
        };
        let line = without_return(&stream[at..at + length]);
        at += length + 1;
        if line.is_empty() {
            break;
        }
        lines += 1;
        if lines > HEADER_LIMIT {
            continue;
        }
        let Some((name, value)) = header(line) else {
            head.malformed = true;
            continue;
        };
        order = after_header(order, name);
        request_header(&mut head, name, value);
    }
    head.header_order = order;
    head.head_bytes = blank + at;
    Start::Head(head)
}

/// A head of which the end is not there: of `bytes`, more may come, or they are too many already.
fn unfinished(bytes: usize) -> Start<RequestHead<'static>> {
    if bytes > HEAD_LIMIT_BYTES { Start::NotHttp } else { Start::Incomplete }
}

/// Reads a response's head from the start of a server's stream.
#[must_use]
pub fn response(stream: &[u8]) -> Start<ResponseHead> {
    const START: &[u8] = b"HTTP/1.";
    let shared = stream.len().min(START.len());
    if stream[..shared] != START[..shared] {
        return Start::NotHttp;
    }
    let Some(lines) = Lines::of(stream) else {
        return if stream.len() > HEAD_LIMIT_BYTES { Start::NotHttp } else { Start::Incomplete };
    };
    let Some(status) = status_of(lines.first) else { return Start::NotHttp };
    let mut body = if status < 200 || status == 204 || status == 304 { Body::None } else { Body::ToEnd };
    if body == Body::ToEnd {
        for (name, value) in lines.rest().filter_map(header) {
            body = body_header(body, name, value);
        }
    }
    Start::Head(ResponseHead { status, body, head_bytes: lines.head_bytes })
}

/// Whether the bytes may be the start of a request: a method in capitals and a space.
#[must_use]
pub fn may_be_request(stream: &[u8]) -> bool {
    let method = stream.iter().take_while(|b| b.is_ascii_uppercase() || **b == b'-').count();
    match stream.get(method) {
        None => method <= METHOD_LIMIT_BYTES && may_be_method(stream),
        Some(b' ') => (3..=METHOD_LIMIT_BYTES).contains(&method),
        Some(_) => false,
    }
}

/// Whether a few capitals may grow into one of the methods in use.
fn may_be_method(start: &[u8]) -> bool {
    const METHODS: [&[u8]; 11] = [
        b"GET ",
        b"HEAD ",
        b"POST ",
        b"PUT ",
        b"DELETE ",
        b"OPTIONS ",
        b"PATCH ",
        b"CONNECT ",
        b"TRACE ",
        b"PROPFIND ",
        b"PRI ",
    ];
    METHODS.iter().any(|method| method.starts_with(start))
}

/// The lines of a whole head.
struct Lines<'a> {
    first: &'a [u8],
    /// The header lines with their line ends.
    headers: &'a [u8],
    head_bytes: usize,
}

impl<'a> Lines<'a> {
    /// `None` if the head does not end within what there is.
    fn of(stream: &'a [u8]) -> Option<Self> {
        let stream = &stream[..stream.len().min(HEAD_LIMIT_BYTES)];
        let first_end = memchr::memchr(b'\n', stream)?;
        let mut at = first_end + 1;
        loop {
            let end = at + memchr::memchr(b'\n', &stream[at..])?;
            if without_return(&stream[at..end]).is_empty() {
                let first = without_return(&stream[..first_end]);
                return Some(Self { first, headers: &stream[first_end + 1..at], head_bytes: end + 1 });
            }
            at = end + 1;
        }
    }

    fn rest(&self) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.headers.split(|&b| b == b'\n').map(without_return);
        lines.filter(|line| !line.is_empty()).take(HEADER_LIMIT)
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn request_line(line: &[u8]) -> Option<RequestHead<'_>> {
    let method_end = memchr::memchr(b' ', line)?;
    let rest = line[method_end + 1..].trim_ascii();
    // A target may hold raw spaces; the version is the last word if it looks like one.
    let (target, version) = match memchr::memrchr(b' ', rest) {
        Some(at) if rest[at + 1..].starts_with(b"HTTP/") => (rest[..at].trim_ascii_end(), &rest[at + 1..]),
        _ => (rest, b"".as_slice()),
    };
    let version = if version.is_empty() { HttpVersion::Http09 } else { HttpVersion::parse(version) };
    let (host, target) = without_origin(target);
    let (path, query) = match memchr::memchr(b'?', target) {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    };
    Some(RequestHead {
        method: Method::parse(&line[..method_end]),
        path,
        query,
        version,
        host,
        user_agent: b"",
        referrer: b"",
        cookie: Presence::Absent,
        accept_language: Presence::Absent,
        header_order: 0,
        body: Body::None,
        expects_continue: false,
        upgrade: false,
        head_bytes: 0,
        malformed: target.is_empty(),
    })
}

/// Host and path of a target in absolute form (RFC 9112 section 3.2.2); else no host.
fn without_origin(target: &[u8]) -> (&[u8], &[u8]) {
    let rest = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://"));
    let Some(rest) = rest else { return (b"", target) };
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let path = if end == rest.len() { b"/" } else { &rest[end..] };
    (&rest[..end], path)
}

/// Name and value of a header line; `None` if it is none.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let name = &line[..colon];
    let is_name = !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
    is_name.then(|| (name, line[colon + 1..].trim_ascii()))
}

fn request_header<'a>(head: &mut RequestHead<'a>, name: &[u8], value: &'a [u8]) {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        4 if is(b"host") && head.host.is_empty() => head.host = value,
        6 if is(b"cookie") => head.cookie = Presence::Present,
        6 if is(b"expect") => head.expects_continue = true,
        7 if is(b"referer") => head.referrer = value,
        7 if is(b"upgrade") => head.upgrade = !value.eq_ignore_ascii_case(b"h2c"),
        10 if is(b"user-agent") => head.user_agent = value,
        15 if is(b"accept-language") => head.accept_language = Presence::Present,
        _ => head.body = body_header(head.body, name, value),
    }
}

/// What a header says of the body, if it does. Chunked overrules a length (RFC 9112 section 6.3).
fn body_header(body: Body, name: &[u8], value: &[u8]) -> Body {
    if name.eq_ignore_ascii_case(b"transfer-encoding") {
        let chunked = value.len() >= 7 && value[value.len() - 7..].eq_ignore_ascii_case(b"chunked");
        return if chunked { Body::Chunked } else { body };
    }
    if body != Body::Chunked && name.eq_ignore_ascii_case(b"content-length") {
        let digits = value.iter().take_while(|b| b.is_ascii_digit());
        let length = digits.fold(0u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')));
        return Body::Length(length);
    }
    body
}

fn status_of(line: &[u8]) -> Option<u16> {
    let digits: &[u8; 3] = line.get(9..)?.first_chunk()?;
    let known = line[8] == b' ' && digits.iter().all(u8::is_ascii_digit);
    known.then(|| digits.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0')))
}

/// [`RequestHead::header_order`] after another field, whatever the case of its name. Cookies are left out,
/// as JA4H does: a browser has them or not, and stays the same.
#[must_use]
pub fn after_header(order: u64, name: &[u8]) -> u64 {
    if name.eq_ignore_ascii_case(b"cookie") {
        return order;
    }
    hash::combine(order, hash::lower_case(&name[..name.len().min(NAME_LIMIT_BYTES)]))
}

/// Finds the end of a body as its bytes go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyScan {
    state: Scan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scan {
    Done,
    /// This many bytes are left.
    Bytes(u64),
    ToEnd,
    /// In a chunk's size line: the size so far, and whether its digits have ended.
    Size {
        size: u64,
        ended: bool,
    },
    /// In a chunk and the line end after it.
    Chunk(u64),
    /// In the lines after the last chunk; bytes of the current line.
    Trailer(u32),
}

impl BodyScan {
    #[must_use]
    pub fn new(body: Body) -> Self {
        let state = match body {
            Body::None | Body::Length(0) => Scan::Done,
            Body::Length(length) => Scan::Bytes(length),
            Body::Chunked => Scan::Size { size: 0, ended: false },
            Body::ToEnd => Scan::ToEnd,
        };
        Self { state }
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == Scan::Done
    }

    /// Passes over bytes of the body and returns how many were of it.
    pub fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            at += self.step(&bytes[at..]);
        }
        at
    }

    /// Passes over bytes that were not captured. `false` if that leaves the end unknown.
    pub fn pass_unseen(&mut self, count: u64) -> bool {
        match &mut self.state {
            Scan::Bytes(left) | Scan::Chunk(left) if *left > count => {
                *left -= count;
                true
            }
            Scan::Bytes(left) if *left == count => {
                self.state = Scan::Done;
                true
            }
            Scan::ToEnd => true,
            _ => count == 0,
        }
    }

    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.state {
            Scan::Done => 0,
            Scan::ToEnd => bytes.len(),
            Scan::Bytes(left) | Scan::Chunk(left) => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - taken as u64;
                self.state = match self.state {
                    Scan::Bytes(_) if left == 0 => Scan::Done,
                    Scan::Bytes(_) => Scan::Bytes(left),
                    _ if left == 0 => Scan::Size { size: 0, ended: false },
                    _ => Scan::Chunk(left),
                };
                taken
            }
            Scan::Size { size, ended } => {
                self.state = size_line(size, ended, bytes[0]);
                1
            }
            Scan::Trailer(length) => {
                self.state = match bytes[0] {
                    b'\n' if length == 0 => Scan::Done,
                    b'\n' => Scan::Trailer(0),
                    b'\r' => Scan::Trailer(length),
                    _ => Scan::Trailer(length.saturating_add(1)),
                };
                1
            }
        }
    }
}

/// The next state after one byte of a chunk's size line.
fn size_line(size: u64, ended: bool, byte: u8) -> Scan {
    let digit = char::from(byte).to_digit(16).filter(|_| !ended);
    match (byte, digit) {
        (b'\n', _) if size == 0 => Scan::Trailer(0),
        // The chunk's bytes and the two of its line end.
        (b'\n', _) => Scan::Chunk(size.saturating_add(2)),
        (_, Some(digit)) => {
            Scan::Size { size: size.saturating_mul(16).saturating_add(u64::from(digit)), ended }
        }
        _ => Scan::Size { size, ended: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET /a%20b?x=1&y HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test/1\r\n\
        Cookie: a=b\r\nReferer: http://r.example/\r\n\r\nnext";

    #[test]
    fn a_request_head_is_read_in_full() {
        let Start::Head(head) = request(REQUEST) else { panic!() };
        assert_eq!(head.method, Method::Get);
        assert_eq!((head.path, head.query), (b"/a%20b".as_slice(), Some(b"x=1&y".as_slice())));
        assert_eq!(head.version, HttpVersion::Http11);
        assert_eq!((head.host, head.user_agent), (b"shop.example".as_slice(), b"test/1".as_slice()));
        assert_eq!(head.referrer, b"http://r.example/");
        assert_eq!((head.cookie, head.accept_language), (Presence::Present, Presence::Absent));
        assert_eq!(head.head_bytes, REQUEST.len() - 4);
        assert!(!head.malformed);
    }

    #[test]
    fn header_order_tells_clients_apart_but_not_their_spelling() {
        let order = |text: &[u8]| match request(text) {
            Start::Head(head) => head.header_order,
            other => panic!("{other:?}"),
        };
        let one = order(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r\n");
        assert_eq!(one, order(b"GET / HTTP/1.1\nhost: x\nACCEPT: y\n\n"));
        assert_ne!(one, order(b"GET / HTTP/1.1\r\nAccept: b\r\nHost: a\r\n\r\n"));
    }

    #[test]
    fn other_protocols_are_told_at_once() {
        for text in [b"\x16\x03\x01".as_slice(), b"SSH-2.0-x", b"EHLO x\r\n", b"get / x", b"G\x00"] {
            assert_eq!(request(text), Start::NotHttp, "{text:?}");
        }
        let Start::Head(old) = request(b"GET /x\r\n") else { panic!() };
        assert_eq!((old.version, old.path, old.head_bytes), (HttpVersion::Http09, b"/x".as_slice(), 8));
        assert_eq!(request(b"PO"), Start::Incomplete);
        assert_eq!(request(&[b"GET /".as_slice(), &[b'a'; 9000]].concat()), Start::NotHttp);
    }

    #[test]
    fn responses_tell_status_and_length() {
        let head = |text: &[u8]| match response(text) {
            Start::Head(head) => (head.status, head.body),
            other => panic!("{other:?}"),
        };
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"), (200, Body::Length(12)));
        assert_eq!(head(b"HTTP/1.0 404\r\n\r\n"), (404, Body::ToEnd));
        assert_eq!(head(b"HTTP/1.1 304 x\r\nContent-Length: 12\r\n\r\n"), (304, Body::None));
        let both = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(head(both), (200, Body::Chunked));
        assert_eq!(response(b"HTTP/1.1 2"), Start::Incomplete);
        assert_eq!(response(b"HTTP/2"), Start::NotHttp);
    }

    #[test]
    fn bodies_end_where_they_end_however_they_are_cut() {
        let chunked = b"4;x=y\r\nabcd\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nnext";
        for cut in 0..chunked.len() {
            let mut scan = BodyScan::new(Body::Chunked);
            let first = scan.pass(&chunked[..cut]);
            let second = scan.pass(&chunked[first..]);
            assert_eq!(first + second, chunked.len() - 4, "cut at {cut}");
            assert!(scan.is_done());
        }
        let mut scan = BodyScan::new(Body::Length(10));
        assert!(scan.pass_unseen(4));
        assert_eq!(scan.pass(b"0123456789"), 6);
    }

    #[test]
    fn every_truncation_waits_and_every_bit_flip_ends() {
        for length in 0..REQUEST.len() - 4 {
            assert_eq!(request(&REQUEST[..length]), Start::Incomplete, "{length}");
        }
        for bit in 0..REQUEST.len() * 8 {
            let mut flipped = REQUEST.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Start::Head(head) = request(&flipped) {
                assert!(head.head_bytes <= flipped.len());
            }
        }
    }
}
