//! A client's HTTP/2 connection (RFC 9113): each stream is brought to the form of HTTP/1, judged
//! by the same strict reader, and carried like any other request.

use crate::act::Page;
use crate::acting::{Entry, Pass, page_fields};
use crate::alarm::{Alarm, Pace, TooLate};
use crate::buffer::Buffer;
use crate::counters::Counter;
use crate::exchange::{self, End, Fault, Opened, Progress, Sink};
use crate::frames::{FrameGuard, Watch};
use crate::http1::body::{Framing, welcome_trailers};
use crate::http1::head::{self, RequestHead, ResponseHead};
use crate::http1::write::{self, OwnAnswer};
use crate::http1::{Field, Kind, Refusal};
use crate::job::{self, Job, Origin};
use crate::settings::{Limits, ms};
use crate::stream;
use crate::thread::Thread;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use seawall_model::observation::{ConnectionEvent, HttpVersion, Method};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Bytes of an answer that wait in a stream for its window.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Serves a connection to its end.
pub async fn serve<S>(thread: Rc<Thread>, origin: Origin, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = thread.settings.limits;
    let watch = Rc::new(Watch::default());
    let guarded = FrameGuard::new(stream, &limits, Rc::clone(&watch));
    let deadline = Instant::now() + ms(limits.header_deadline_ms);
    let mut alarm = Alarm::new(deadline);
    let handshake = builder(&limits).handshake::<_, Bytes>(guarded);
    let mut connection = match alarm.guard(deadline, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(_)) => return blame(&thread, &origin, &watch),
        Err(TooLate) => return thread.counters.add(Counter::header_deadline, 1),
    };
    let (open, mut served, mut idle_since) = (Rc::new(Cell::new(0_u32)), 0, Instant::now());
    let look_again = ms((limits.header_deadline_ms.min(limits.idle_timeout_ms) / 4).max(10));
    loop {
        let next = Instant::now() + look_again;
        match alarm.guard(next, connection.accept()).await {
            Ok(Some(Ok((request, respond)))) => {
                served += 1;
                idle_since = Instant::now();
                if served == limits.requests_per_connection || thread.is_draining() {
                    connection.graceful_shutdown();
                }
                spawn(&thread, &origin, &open, request, respond);
            }
            Ok(Some(Err(_))) => return blame(&thread, &origin, &watch),
            Ok(None) => return,
            Err(TooLate) => {
                let now = Instant::now();
                if open.get() > 0 {
                    idle_since = now;
                }
                let late = |since: Instant, limit| now - since >= patience(&thread, limit);
                if watch.head_since().is_some_and(|since| late(since, limits.header_deadline_ms)) {
                    thread.connection(ConnectionEvent::SlowRequest, origin.peer, origin.local);
                    return thread.counters.add(Counter::header_deadline, 1);
                }
                if late(idle_since, limits.idle_timeout_ms) {
                    return thread.counters.add(Counter::idle_timeout, 1);
                }
                if thread.is_draining() {
                    connection.graceful_shutdown();
                }
            }
        }
    }
}

fn builder(limits: &Limits) -> h2::server::Builder {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(number(limits.http2_streams))
        .max_header_list_size(number(limits.head_bytes))
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        // `FrameGuard` ends the connection at the limit; until then these may not.
        .max_concurrent_reset_streams(number(limits.http2_resets) as usize)
        .max_pending_accept_reset_streams(number(limits.http2_resets) as usize + 1)
        .max_local_error_reset_streams(usize::try_from(limits.http2_resets).ok())
        .reset_stream_duration(Duration::from_secs(5));
    builder
}

/// How long a client is waited for: less while there is little room.
fn patience(thread: &Thread, milliseconds: u64) -> Duration {
    ms(if thread.gate.is_tight() { (milliseconds / 4).max(100) } else { milliseconds })
}

/// The client broke the protocol or a limit: counts which.
fn blame(thread: &Thread, origin: &Origin, watch: &Watch) {
    thread.counters.add(watch.broken().unwrap_or(Counter::http2_errors), 1);
    thread.connection(ConnectionEvent::Http2Abuse, origin.peer, origin.local);
}

fn spawn(
    thread: &Rc<Thread>,
    origin: &Origin,
    open: &Rc<Cell<u32>>,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (thread, origin, open) = (Rc::clone(thread), *origin, Rc::clone(open));
    open.set(open.get() + 1);
    thread.shared.active.fetch_add(1, Ordering::Relaxed);
    tokio::task::spawn_local(async move {
        one_request(&thread, &origin, request, respond).await;
        thread.shared.active.fetch_sub(1, Ordering::Relaxed);
        open.set(open.get().saturating_sub(1));
    });
}

async fn one_request(
    thread: &Thread,
    origin: &Origin,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    thread.counters.add(Counter::http2_requests, 1);
    // Reset already: nobody waits for an answer, and the upstream is spared.
    if exchange::poll_once(std::pin::pin!(poll_fn(|context| respond.poll_reset(context)))).await.is_some() {
        return thread.counters.add(Counter::http2_reset_unserved, 1);
    }
    let to_client = RefCell::new(Outgoing::Respond(respond));
    let limits = thread.settings.limits;
    let (parts, body) = request.into_parts();
    let (mut bytes, mut fields) = (thread.stock.vector(), Vec::new());
    let read = text(&parts, &body, &mut bytes).and_then(|()| {
        head::request(
            &bytes,
            bytes.len(),
            &crate::http1::HeadLimits {
                // The frames have been held to their limit already; names of pseudo-fields differ.
                head_bytes: usize::MAX,
                ..limits.head()
            },
            &mut fields,
        )
    });
    match read {
        Ok(head) => {
            let job = Job::new(thread, origin, &head, &bytes, &fields, HttpVersion::Http2);
            let server = Cell::new("");
            let (fault, pass) = match job.enter().await {
                Entry::Go(pass) => {
                    let result = carry(&job, &server, body, &to_client, &pass).await;
                    if let Err(fault) = result {
                        answer_fault(fault, &job, &to_client);
                    }
                    (result.err(), Some(pass))
                }
                Entry::Answer(page) | Entry::Stored(page) | Entry::Full(page) => {
                    answer_page(&page, &job, &to_client);
                    (None, None)
                }
                Entry::Close => {
                    to_client.borrow_mut().reset(Reason::REFUSED_STREAM);
                    (None, None)
                }
            };
            job.finish(server.get(), fault, pass);
        }
        Err(refusal) => {
            let text = write::reason(refusal.status);
            job::count_refused(thread, origin, refusal, &bytes, text.len());
            let answer = OwnAnswer { status: refusal.status, fields: &[], body: text.as_bytes() };
            to_client.borrow_mut().own_answer(&answer, true);
        }
    }
    thread.stock.keep(bytes);
}

/// Writes a request as the text that an HTTP/1 client would have sent.
fn text(parts: &http::request::Parts, body: &RecvStream, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let named: Vec<&HeaderValue> = parts.headers.get_all(http::header::HOST).iter().collect();
    let authority = match (parts.uri.authority(), &named[..]) {
        (Some(authority), []) => authority.as_str().as_bytes(),
        (Some(authority), [host]) if host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            host.as_bytes()
        }
        (None, [host]) => host.as_bytes(),
        _ => return Err(Refusal::bad("host")),
    };
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(authority);
    out.extend_from_slice(b"\r\n");
    let mut cookies: Vec<&[u8]> = Vec::new();
    for (name, value) in &parts.headers {
        match *name {
            http::header::HOST => {}
            // Cookies may come one by one; for HTTP/1 they are one field (RFC 9113 section 8.2.3).
            http::header::COOKIE => cookies.push(value.as_bytes()),
            _ => line(out, name.as_str().as_bytes(), value.as_bytes()),
        }
    }
    if !cookies.is_empty() {
        line(out, b"cookie", &cookies.join(&b"; "[..]));
    }
    let has_length = parts.headers.contains_key(http::header::CONTENT_LENGTH);
    if !has_length && !body.is_end_stream() {
        line(out, b"transfer-encoding", b"chunked");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

async fn carry<'t>(
    job: &Job<'t>,
    server: &Cell<&'t str>,
    mut body: RecvStream,
    to_client: &RefCell<Outgoing>,
    pass: &Pass<'_>,
) -> Result<(), Fault> {
    let mut out = job.thread.stock.vector();
    job.write_head(&mut out);
    let attempt = async |opened| attempt(job, opened, &out, &mut body, to_client, pass).await;
    let result =
        exchange::with_upstream(job.thread, job.origin.site, job.is_repeatable(), server, attempt).await;
    job.thread.stock.keep(out);
    result
}

async fn attempt(
    job: &Job<'_>,
    opened: Opened,
    out: &[u8],
    body: &mut RecvStream,
    to_client: &RefCell<Outgoing>,
    pass: &Pass<'_>,
) -> Result<(), Fault> {
    let thread = job.thread;
    let limits = &thread.settings.limits;
    let Opened { at, stream: mut upstream, .. } = opened;
    let deadline = Instant::now() + ms(limits.upstream_timeout_ms);
    let mut alarm = Alarm::new(deadline);
    match alarm.guard(deadline, upstream.write_all(out)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(Fault::Closed),
        Err(TooLate) => return Err(Fault::TimedOut),
    }
    let (mut buffer, mut fields) = (Buffer::default(), Vec::new());
    thread.stock.lend(&mut buffer);
    let (mut from_upstream, mut to_upstream) = upstream.split();
    let mut sink = ToStream { outgoing: to_client, pace: Pace::new(limits), left: None };
    let count_slow = || job.count_slow();
    let on_cookie = |value: &[u8]| pass.cookie_set(value, thread.clock.timestamp(job.began));
    let download = job.download(&count_slow, &on_cookie);
    let run = download.run(&mut from_upstream, &mut buffer, &mut fields, &mut sink, &mut alarm);
    let upload = upload(job, body, &mut to_upstream, to_client);
    let end = exchange::alongside(run, upload).await;
    match end? {
        // Nobody asked for one: an HTTP/2 client cannot (RFC 9113 section 8.6).
        End::Switched => Err(Fault::Broken),
        End::Complete { reusable } => {
            thread.stock.take_back(&mut buffer);
            if reusable && job.progress.asked.get() {
                thread.pools[job.origin.site].keep(at, upstream);
            }
            Ok(())
        }
    }
}

/// Carries a request's body, then watches whether the client still wants its answer.
async fn upload<W: AsyncWrite + Unpin>(
    job: &Job<'_>,
    body: &mut RecvStream,
    upstream: &mut W,
    to_client: &RefCell<Outgoing>,
) -> Fault {
    if job.head.framing != Framing::None
        && let Err(fault) =
            carry_body(&job.thread.settings.limits, &job.progress, job.head, body, upstream).await
    {
        return fault;
    }
    job.progress.asked.set(true);
    poll_fn(|context| to_client.borrow_mut().poll_reset(context)).await;
    Fault::ClientGone
}

async fn carry_body<W: AsyncWrite + Unpin>(
    limits: &Limits,
    progress: &Progress,
    head: &RequestHead,
    body: &mut RecvStream,
    upstream: &mut W,
) -> Result<(), Fault> {
    let mut pace = Pace::new(limits);
    let mut alarm = Alarm::new(Instant::now() + ms(limits.rate_grace_ms));
    let chunked = head.framing == Framing::Chunked;
    let mut out = Vec::new();
    loop {
        let began = Instant::now();
        let data = match alarm.guard(pace.deadline(began), body.data()).await {
            Ok(Some(Ok(data))) => data,
            Ok(Some(Err(_))) => return Err(Fault::ClientGone),
            Ok(None) => break,
            Err(TooLate) => return Err(Fault::ClientSlow),
        };
        pace.moved(began.elapsed(), data.len());
        progress.request_bytes.set(progress.request_bytes.get() + data.len() as u64);
        if data.is_empty() {
            continue;
        }
        if chunked {
            write::chunk_size(&mut out, data.len());
        }
        let deadline = Instant::now() + ms(limits.upstream_timeout_ms);
        match alarm.guard(deadline, stream::write_two(upstream, &out, &data)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Fault::Closed),
            Err(TooLate) => return Err(Fault::TimedOut),
        }
        out.clear();
        if chunked {
            out.extend_from_slice(b"\r\n");
        }
        // It fails only where the stream is gone, which the next read tells.
        let _ = body.flow_control().release_capacity(data.len());
    }
    if chunked {
        out.extend_from_slice(b"0\r\n");
        let trailers = alarm.guard(pace.deadline(Instant::now()), body.trailers()).await;
        let mut section = Vec::new();
        if let Ok(Ok(Some(trailers))) = trailers {
            trailers
                .iter()
                .for_each(|(name, value)| line(&mut section, name.as_str().as_bytes(), value.as_bytes()));
        }
        section.extend_from_slice(b"\r\n");
        write::trailers(&mut out, &section);
        upstream.write_all(&out).await.map_err(|_| Fault::Closed)?;
    }
    Ok(())
}

fn answer_page(page: &Page, job: &Job<'_>, to_client: &RefCell<Outgoing>) {
    job.progress.status.set(page.status);
    job.progress.response_bytes.set(page.body.len() as u64);
    let retry_after = page.retry_after_s.to_string();
    let fields = page_fields(page, &retry_after);
    let answer = OwnAnswer { status: page.status, fields: &fields, body: &page.body };
    to_client.borrow_mut().own_answer(&answer, job.head.method != Method::Head);
}

fn answer_fault(fault: Fault, job: &Job<'_>, to_client: &RefCell<Outgoing>) {
    if let Some(page) = job.instead_of(fault) {
        return answer_page(&page, job, to_client);
    }
    let progress = &job.progress;
    let mut outgoing = to_client.borrow_mut();
    if progress.status.get() != 0 || fault.status() == 0 {
        return outgoing.reset(Reason::INTERNAL_ERROR);
    }
    progress.status.set(fault.status());
    outgoing.own_answer(&job::fault_answer(fault), job.head.method != Method::Head);
}

/// The way back to a client: first the right to answer, then the answer's stream.
enum Outgoing {
    Respond(SendResponse<Bytes>),
    Stream(SendStream<Bytes>),
}

impl Outgoing {
    fn poll_reset(&mut self, context: &mut std::task::Context<'_>) -> Poll<()> {
        match self {
            Self::Respond(respond) => respond.poll_reset(context).map(|_| ()),
            Self::Stream(stream) => stream.poll_reset(context).map(|_| ()),
        }
    }

    fn head(&mut self, response: Response<()>, is_end: bool) -> Result<(), Fault> {
        let Self::Respond(respond) = self else { return Err(Fault::Broken) };
        let stream = respond.send_response(response, is_end).map_err(|_| Fault::ClientGone)?;
        *self = Self::Stream(stream);
        Ok(())
    }

    fn own_answer(&mut self, answer: &OwnAnswer<'_>, with_body: bool) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        for (name, value) in answer.fields {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(*value)) {
                response.headers_mut().append(name, value);
            }
        }
        let has_body = with_body && !answer.body.is_empty();
        if self.head(response, !has_body).is_ok()
            && has_body
            && let Self::Stream(stream) = self
        {
            // Where it fails the client is gone.
            let _ = stream.send_data(Bytes::copy_from_slice(answer.body), true);
        }
    }

    fn reset(&mut self, reason: Reason) {
        match self {
            Self::Respond(respond) => respond.send_reset(reason),
            Self::Stream(stream) => stream.send_reset(reason),
        }
    }
}

/// Writes an answer to an HTTP/2 stream.
struct ToStream<'a> {
    outgoing: &'a RefCell<Outgoing>,
    pace: Pace,
    /// Bytes to come, where the answer says how many; the last of them ends the stream.
    left: Option<u64>,
}

impl ToStream<'_> {
    /// Waits for room in the stream's window and returns how much there is.
    async fn capacity(&mut self, wanted: usize, alarm: &mut Alarm) -> Result<usize, Fault> {
        let began = Instant::now();
        let outgoing = self.outgoing;
        let room = poll_fn(|context| match &mut *outgoing.borrow_mut() {
            Outgoing::Respond(_) => Poll::Ready(None),
            Outgoing::Stream(stream) => {
                stream.reserve_capacity(wanted);
                match stream.capacity() {
                    0 => stream.poll_capacity(context).map(|c| c.and_then(Result::ok)),
                    room => Poll::Ready(Some(room)),
                }
            }
        });
        match alarm.guard(self.pace.deadline(began), room).await {
            Ok(Some(room)) => {
                self.pace.moved(began.elapsed(), room.min(wanted));
                Ok(room.min(wanted))
            }
            Ok(None) => Err(Fault::ClientGone),
            Err(TooLate) => Err(Fault::ClientSlow),
        }
    }

    fn send(&mut self, data: Bytes, is_end: bool) -> Result<(), Fault> {
        match &mut *self.outgoing.borrow_mut() {
            Outgoing::Stream(stream) => stream.send_data(data, is_end).map_err(|_| Fault::ClientGone),
            Outgoing::Respond(_) => Err(Fault::Broken),
        }
    }
}

impl Sink for ToStream<'_> {
    async fn interim(&mut self, _: &[u8], head: &ResponseHead, _: &[Field]) -> Result<(), Fault> {
        if head.status == 100
            && let Outgoing::Respond(respond) = &mut *self.outgoing.borrow_mut()
        {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::CONTINUE;
            respond.send_informational(response).map_err(|_| Fault::ClientGone)?;
        }
        Ok(())
    }

    async fn head(&mut self, buffer: &[u8], head: &ResponseHead, fields: &[Field]) -> Result<(), Fault> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(head.status).map_err(|_| Fault::Broken)?;
        let headers = response.headers_mut();
        for field in fields {
            if matches!(
                field.kind,
                Kind::Connection | Kind::HopByHop | Kind::TransferEncoding | Kind::Upgrade
            ) {
                continue;
            }
            add(headers, field, buffer)?;
        }
        let is_end = matches!(head.framing, Framing::None | Framing::Length(0));
        self.left = if let Framing::Length(length) = head.framing { Some(length) } else { None };
        if is_end {
            self.left = Some(0);
        }
        self.outgoing.borrow_mut().head(response, is_end)
    }

    async fn data(&mut self, bytes: &[u8], alarm: &mut Alarm) -> Result<(), Fault> {
        let mut rest = Bytes::copy_from_slice(bytes);
        while !rest.is_empty() {
            let room = self.capacity(rest.len(), alarm).await?;
            let piece = rest.split_to(room.min(rest.len()));
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(piece.len() as u64);
            }
            self.send(piece, self.left == Some(0))?;
        }
        Ok(())
    }

    async fn flush(&mut self, _: &mut Alarm) -> Result<(), Fault> {
        // What was sent is in the hands of the connection.
        Ok(())
    }

    async fn end(&mut self, trailers: &[u8], _: &mut Alarm) -> Result<(), Fault> {
        if self.left == Some(0) {
            return Ok(());
        }
        let mut headers = HeaderMap::new();
        for field in welcome_trailers(trailers) {
            add(&mut headers, &field, trailers)?;
        }
        if headers.is_empty() {
            return self.send(Bytes::new(), true);
        }
        match &mut *self.outgoing.borrow_mut() {
            Outgoing::Stream(stream) => stream.send_trailers(headers).map_err(|_| Fault::ClientGone),
            Outgoing::Respond(_) => Err(Fault::Broken),
        }
    }
}

fn add(headers: &mut HeaderMap, field: &Field, buffer: &[u8]) -> Result<(), Fault> {
    let name = HeaderName::from_bytes(field.name(buffer)).map_err(|_| Fault::Broken)?;
    let value = HeaderValue::from_bytes(field.value(buffer)).map_err(|_| Fault::Broken)?;
    headers.append(name, value);
    Ok(())
}
