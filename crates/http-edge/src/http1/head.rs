//! Heads of requests and responses, read strictly and without copying.

use super::body::Framing;
use super::field::{self, Field, Kind};
use super::{HeadLimits, Refusal};
use seawall_model::observation::{HttpVersion, Method};

/// Fields that a head may name as its own hop's; no client names more than one or two.
const NOMINATED: usize = 32;

/// Places in the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    #[must_use]
    pub fn of<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.start..self.end]
    }

    /// Makes its letters small ones.
    pub fn lower_case(&self, buffer: &mut [u8]) {
        buffer[self.start..self.end].make_ascii_lowercase();
    }
}

/// Looks for the end of a head as bytes come in, each byte once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scanner {
    line_start: usize,
    searched: usize,
    lines: usize,
}

impl Scanner {
    /// The length of the head, once it is complete. One empty line before it is passed over
    /// (RFC 9112 section 2.2) and counts to it.
    ///
    /// # Errors
    /// If a line does not end in CR LF, or the head is larger than allowed.
    pub fn find_end(&mut self, buffer: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
        while let Some(at) = memchr::memchr(b'\n', &buffer[self.searched.min(buffer.len())..]) {
            let end = self.searched + at;
            if end == self.line_start || buffer[end - 1] != b'\r' {
                return Err(Refusal::bad("bare-lf"));
            }
            let is_empty = end - 1 == self.line_start;
            self.searched = end + 1;
            self.line_start = end + 1;
            if self.line_start > limits.head_bytes {
                return Err(Refusal::with(431, "head-bytes"));
            }
            if !is_empty {
                self.lines += 1;
            } else if self.lines > 0 {
                return Ok(Some(end + 1));
            } else if end > 1 {
                return Err(Refusal::bad("empty-lines"));
            }
        }
        self.searched = buffer.len();
        self.judge_unfinished(buffer, limits)
    }

    fn judge_unfinished(&self, buffer: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
        // Method, version and spaces beside the target.
        if self.lines == 0 && buffer.len() > limits.target_bytes + 64 {
            return Err(Refusal::with(414, "target-bytes"));
        }
        if buffer.len() > limits.head_bytes {
            return Err(Refusal::with(431, "head-bytes"));
        }
        if self.lines > limits.fields + 1 {
            return Err(Refusal::with(431, "fields"));
        }
        Ok(None)
    }
}

/// A request's head. Spans are places in the buffer that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub method: Method,
    pub method_text: Span,
    /// Path and query as they go to the upstream.
    pub target: Span,
    pub path: Span,
    pub query: Option<Span>,
    pub version: HttpVersion,
    /// With its port, as sent.
    pub host: Span,
    pub framing: Framing,
    /// Whether the client keeps the connection after this exchange.
    pub keep_alive: bool,
    pub expects_continue: bool,
    /// Asks for another protocol, which one the `Upgrade` field says.
    pub upgrade: bool,
    /// Takes trailers (`TE: trailers`).
    pub takes_trailers: bool,
    pub header_order: u64,
    pub user_agent: Span,
    pub referrer: Span,
    pub cookie: Span,
    /// There is more than one `Cookie` field, and this is the first.
    pub has_more_cookies: bool,
    pub accept: Span,
    pub accept_language: Span,
    pub authorization: Span,
    /// Length of the head.
    pub bytes: usize,
}

/// Reads the whole head `buffer[..end]`; its fields replace what is in `fields`.
///
/// # Errors
/// If it is no request, not one that we serve, or one that servers read differently.
pub fn request(
    buffer: &[u8],
    end: usize,
    limits: &HeadLimits,
    fields: &mut Vec<Field>,
) -> Result<RequestHead, Refusal> {
    let start = if buffer.starts_with(b"\r\n") { 2 } else { 0 };
    let line_end = start + memchr::memchr(b'\r', &buffer[start..end]).unwrap_or(end - start);
    let mut head = request_line(buffer, Span { start, end: line_end }, limits)?;
    judge_line_end(buffer, line_end)?;
    head.bytes = end;
    read_fields(buffer, line_end + 2, end - 2, limits, fields)?;
    let mut about = Connection::default();
    let mut order = 0;
    for field in fields.iter() {
        order = seawall_wire::packet::http1::after_header(order, field.name(buffer));
        take_field(&mut head, &mut about, field, buffer)?;
    }
    head.header_order = order;
    settle_request(&mut head, &about, buffer)?;
    strip_nominated(fields, buffer, &about)?;
    Ok(head)
}

/// Makes one `Cookie` field of several, in their order. No browser sends several (RFC 6265 section 5.4), and
/// servers join them: so we see the cookies that they see.
pub fn join_cookies(buffer: &mut Vec<u8>, fields: &[Field]) {
    let mut cookies = fields.iter().filter(|field| field.kind == Kind::Cookie);
    let Some(first) = cookies.next() else { return };
    let mut joined = buffer[..first.value_end as usize].to_vec();
    for (at, field) in cookies.clone().enumerate() {
        let is_first = at == 0 && first.value(buffer).is_empty();
        joined.extend_from_slice(if is_first { b" " } else { b"; " });
        joined.extend_from_slice(field.value(buffer));
    }
    let mut from = first.value_end;
    for field in cookies {
        joined.extend_from_slice(&buffer[from as usize..field.start as usize]);
        from = field.end;
    }
    joined.extend_from_slice(&buffer[from as usize..]);
    *buffer = joined;
}

/// What fields say of the connection and the body, gathered over the whole head.
#[derive(Debug, Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    /// Words of `Connection` fields other than the usual ones: names of fields.
    nominated: usize,
    length: Option<u64>,
    codings: usize,
    chunked: bool,
    /// Chunks are the last of the codings, so that the body has an end.
    ends_chunked: bool,
    hosts: usize,
    names_protocol: bool,
    names_h2c: bool,
    expect: bool,
}

fn request_line(buffer: &[u8], line: Span, limits: &HeadLimits) -> Result<RequestHead, Refusal> {
    let text = line.of(buffer);
    let mut words = text.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::bad("request-line"));
    };
    if method.is_empty() || method.len() > 32 || !method.iter().all(|b| field::is_token_byte(*b)) {
        return Err(Refusal::bad("method"));
    }
    let version = match version {
        b"HTTP/1.1" => HttpVersion::Http11,
        b"HTTP/1.0" => HttpVersion::Http10,
        v if v.starts_with(b"HTTP/") && v.len() == 8 && v[5].is_ascii_digit() => {
            return Err(Refusal::with(505, "version"));
        }
        _ => return Err(Refusal::bad("request-line")),
    };
    if target.len() > limits.target_bytes {
        return Err(Refusal::with(414, "target-bytes"));
    }
    if target.is_empty() || target.iter().any(|b| *b <= b' ' || *b == 0x7F || *b == b'#') {
        return Err(Refusal::bad("target"));
    }
    let start = line.start + method.len() + 1;
    Ok(RequestHead {
        method: Method::parse(method),
        method_text: Span { start: line.start, end: line.start + method.len() },
        target: Span { start, end: start + target.len() },
        path: Span::default(),
        query: None,
        version,
        host: Span::default(),
        framing: Framing::None,
        keep_alive: version == HttpVersion::Http11,
        expects_continue: false,
        upgrade: false,
        takes_trailers: false,
        header_order: 0,
        user_agent: Span::default(),
        referrer: Span::default(),
        cookie: Span::default(),
        has_more_cookies: false,
        accept: Span::default(),
        accept_language: Span::default(),
        authorization: Span::default(),
        bytes: 0,
    })
}

fn read_fields(
    buffer: &[u8],
    mut at: usize,
    end: usize,
    limits: &HeadLimits,
    fields: &mut Vec<Field>,
) -> Result<(), Refusal> {
    fields.clear();
    while at < end {
        let line_end = at + memchr::memchr(b'\r', &buffer[at..end]).ok_or(Refusal::bad("bare-cr"))?;
        judge_line_end(buffer, line_end)?;
        if fields.len() == limits.fields {
            return Err(Refusal::with(431, "fields"));
        }
        fields.push(field::parse(&buffer[at..line_end], at)?);
        at = line_end + 2;
    }
    Ok(())
}

/// Whether the CR that ends a line has its LF.
fn judge_line_end(buffer: &[u8], line_end: usize) -> Result<(), Refusal> {
    if buffer.get(line_end + 1) == Some(&b'\n') { Ok(()) } else { Err(Refusal::bad("bare-cr")) }
}

fn take_field(
    head: &mut RequestHead,
    about: &mut Connection,
    field: &Field,
    buffer: &[u8],
) -> Result<(), Refusal> {
    let span = Span { start: field.value_start as usize, end: field.value_end as usize };
    let value = span.of(buffer);
    let first = |slot: &mut Span| {
        if slot.end == 0 {
            *slot = span;
        }
    };
    match field.kind {
        Kind::Host => {
            about.hosts += 1;
            head.host = span;
        }
        Kind::Expect => about.expect = true,
        Kind::Te => head.takes_trailers |= field::words(value).any(|w| w.eq_ignore_ascii_case(b"trailers")),
        Kind::Upgrade => {
            about.names_protocol = true;
            about.names_h2c |= field::words(value).any(|w| w.eq_ignore_ascii_case(b"h2c"));
        }
        Kind::UserAgent => first(&mut head.user_agent),
        Kind::Referrer => first(&mut head.referrer),
        Kind::Cookie => {
            head.has_more_cookies |= head.cookie.end != 0;
            first(&mut head.cookie);
        }
        Kind::Accept => first(&mut head.accept),
        Kind::AcceptLanguage => first(&mut head.accept_language),
        Kind::Authorization => first(&mut head.authorization),
        _ => framing_field(about, field.kind, value)?,
    }
    if field.kind == Kind::Expect && !value.eq_ignore_ascii_case(b"100-continue") {
        return Err(Refusal::with(417, "expectation"));
    }
    Ok(())
}

/// Fields that say where a message ends, and what becomes of the connection.
fn framing_field(about: &mut Connection, kind: Kind, value: &[u8]) -> Result<(), Refusal> {
    match kind {
        Kind::ContentLength => {
            let length = content_length(value).ok_or(Refusal::bad("content-length"))?;
            if about.length.replace(length).is_some() {
                return Err(Refusal::bad("two-lengths"));
            }
        }
        Kind::TransferEncoding => {
            about.codings += 1;
            about.chunked = value.eq_ignore_ascii_case(b"chunked");
            about.ends_chunked =
                field::words(value).last().is_some_and(|w| w.eq_ignore_ascii_case(b"chunked"));
        }
        Kind::Connection => {
            for word in field::words(value) {
                match word {
                    w if w.eq_ignore_ascii_case(b"close") => about.close = true,
                    w if w.eq_ignore_ascii_case(b"keep-alive") => about.keep_alive = true,
                    w if w.eq_ignore_ascii_case(b"upgrade") => about.upgrade = true,
                    _ => about.nominated += 1,
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Digits only: no sign, no list, no space within (RFC 9110 section 8.6).
fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0')))
}

fn settle_request(head: &mut RequestHead, about: &Connection, buffer: &[u8]) -> Result<(), Refusal> {
    let is_old = head.version == HttpVersion::Http10;
    if about.codings > 0 {
        if about.length.is_some() {
            return Err(Refusal::bad("length-and-chunks"));
        }
        if is_old || about.codings > 1 || !about.ends_chunked {
            return Err(Refusal::bad("transfer-encoding"));
        }
        if !about.chunked {
            return Err(Refusal::with(501, "transfer-encoding"));
        }
        head.framing = Framing::Chunked;
    } else if let Some(length) = about.length {
        head.framing = Framing::Length(length);
    }
    head.keep_alive = if is_old { about.keep_alive && !about.close } else { !about.close };
    head.expects_continue = about.expect && !is_old && head.framing != Framing::None;
    // Of HTTP/2 in a tunnel nothing would be seen: not if it is one protocol of several either.
    head.upgrade = about.upgrade && !is_old && about.names_protocol && !about.names_h2c;
    if about.hosts > 1 || (about.hosts == 0 && !is_old) {
        return Err(Refusal::bad("host"));
    }
    if about.hosts == 1 && !is_host(head.host.of(buffer)) {
        return Err(Refusal::bad("host"));
    }
    settle_target(head, about.hosts == 1, buffer)
}

/// Brings the target to origin form (RFC 9112 section 3.2).
fn settle_target(head: &mut RequestHead, has_host: bool, buffer: &[u8]) -> Result<(), Refusal> {
    let target = head.target.of(buffer);
    if head.method == Method::Connect {
        return Err(Refusal::with(405, "connect"));
    }
    match target {
        b"*" if head.method == Method::Options => {}
        [b'/', ..] => {}
        _ => {
            let scheme = [&b"http://"[..], b"https://"]
                .into_iter()
                .find(|s| target.get(..s.len()).is_some_and(|start| start.eq_ignore_ascii_case(s)));
            let Some(scheme) = scheme else { return Err(Refusal::bad("target")) };
            let rest = &target[scheme.len()..];
            let slash = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
            // Without a slash the path would have to be made up; nobody asks so.
            if rest.get(slash) != Some(&b'/') || !is_host(&rest[..slash]) {
                return Err(Refusal::bad("target"));
            }
            let default_port: &[u8] = if scheme.len() == b"http://".len() { b"80" } else { b"443" };
            if has_host && !is_same_host(&rest[..slash], head.host.of(buffer), default_port) {
                return Err(Refusal::bad("target-and-host"));
            }
            let start = head.target.start + scheme.len();
            head.host = Span { start, end: start + slash };
            head.target.start = start + slash;
        }
    }
    let target = head.target.of(buffer);
    let mark = memchr::memchr(b'?', target).map(|at| head.target.start + at);
    head.path = Span { start: head.target.start, end: mark.unwrap_or(head.target.end) };
    head.query = mark.map(|at| Span { start: at + 1, end: head.target.end });
    Ok(())
}

/// Whether these are the same, where no port, an empty one and the scheme's own are the same (RFC 3986
/// section 6.2.3).
fn is_same_host<'a>(one: &'a [u8], other: &'a [u8], default_port: &[u8]) -> bool {
    let without_default = |host: &'a [u8]| {
        let name = host.strip_suffix(default_port).unwrap_or(host);
        name.strip_suffix(b":").unwrap_or(host)
    };
    without_default(one).eq_ignore_ascii_case(without_default(other))
}

/// Whether a value may be a host with or without port (RFC 3986 section 3.2).
#[must_use]
pub fn is_host(value: &[u8]) -> bool {
    let is_bracketed = value.starts_with(b"[");
    let end = if is_bracketed {
        memchr::memchr(b']', value).map_or(0, |at| at + 1)
    } else {
        memchr::memchr(b':', value).unwrap_or(value.len())
    };
    let (name, port) = value.split_at(end);
    let inner = if is_bracketed { name.get(1..end.saturating_sub(1)).unwrap_or_default() } else { name };
    let is_of_name = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%')
            || is_bracketed && *b == b':'
    };
    // An empty port is the scheme's own.
    let digits = port.strip_prefix(b":").unwrap_or(port);
    let is_port = digits.len() < port.len() && digits.iter().all(u8::is_ascii_digit);
    !inner.is_empty() && value.len() <= 255 && inner.iter().all(is_of_name) && (port.is_empty() || is_port)
}

/// Marks fields that a `Connection` field names as its own hop's.
fn strip_nominated(fields: &mut [Field], buffer: &[u8], about: &Connection) -> Result<(), Refusal> {
    if about.nominated == 0 {
        return Ok(());
    }
    // Each of them is looked for among all fields.
    if about.nominated > NOMINATED {
        return Err(Refusal::bad("connection-names"));
    }
    for at in 0..fields.len() {
        if fields[at].kind != Kind::Connection {
            continue;
        }
        for word in field::words(fields[at].value(buffer)) {
            if matches!(
                Kind::of(word),
                Kind::Host
                    | Kind::ContentLength
                    | Kind::TransferEncoding
                    | Kind::Cookie
                    | Kind::Authorization
            ) {
                return Err(Refusal::bad("connection-names"));
            }
            for field in fields.iter_mut() {
                if field.kind == Kind::Other && field.name(buffer).eq_ignore_ascii_case(word) {
                    field.kind = Kind::HopByHop;
                }
            }
        }
    }
    Ok(())
}

/// A response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    /// Status code and reason phrase as sent.
    pub status_text: Span,
    pub framing: Framing,
    pub keep_alive: bool,
    /// `Content-Length` as sent, also where no body follows (HEAD, 304).
    pub length: Option<u64>,
    pub bytes: usize,
}

/// Reads the whole head `buffer[..end]` of the answer to a request of `method`.
///
/// # Errors
/// If it is no response, or its length is ambiguous.
pub fn response(
    buffer: &[u8],
    end: usize,
    method: Method,
    limits: &HeadLimits,
    fields: &mut Vec<Field>,
) -> Result<ResponseHead, Refusal> {
    let line_end = memchr::memchr(b'\r', &buffer[..end]).unwrap_or(end);
    let line = &buffer[..line_end];
    let digits = line.get(9..12).filter(|d| d.iter().all(u8::is_ascii_digit));
    let is_new = line.starts_with(b"HTTP/1.1 ");
    let (Some(digits), true) = (digits, is_new || line.starts_with(b"HTTP/1.0 ")) else {
        return Err(Refusal::with(502, "status-line"));
    };
    let well_ended = line.len() == 12 || line[12] == b' ';
    let clean = line[12..].iter().all(|b| *b >= b' ' || *b == b'\t');
    let status = digits.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
    if !(100..600).contains(&status) || !well_ended || !clean {
        return Err(Refusal::with(502, "status-line"));
    }
    let ours = |refusal| Refusal { status: 502, ..refusal };
    judge_line_end(buffer, line_end).map_err(ours)?;
    read_fields(buffer, line_end + 2, end - 2, limits, fields).map_err(ours)?;
    let mut about = Connection::default();
    for field in fields.iter() {
        framing_field(&mut about, field.kind, field.value(buffer)).map_err(ours)?;
    }
    strip_nominated(fields, buffer, &about).map_err(ours)?;
    let mut keep_alive = if is_new { !about.close } else { about.keep_alive };
    let framing = if status < 200 || status == 204 || status == 304 || method == Method::Head {
        Framing::None
    } else if about.codings > 0 {
        if about.codings > 1 || !about.chunked || about.length.is_some() {
            return Err(Refusal::with(502, "upstream-framing"));
        }
        // HTTP/1.0 knows no chunks: who sends them may not agree on where they end (RFC 9112 section 6.1).
        keep_alive &= is_new;
        Framing::Chunked
    } else if let Some(length) = about.length {
        Framing::Length(length)
    } else {
        keep_alive = false;
        Framing::ToEnd
    };
    let status_text = Span { start: 9, end: line_end };
    Ok(ResponseHead { status, status_text, framing, keep_alive, length: about.length, bytes: end })
}

#[cfg(test)]
mod tests;
