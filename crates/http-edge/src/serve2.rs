//! A client's HTTP/2 connection (RFC 9113): each stream is brought to the form of HTTP/1, judged
//! by the same strict reader, and carried like any other request.

use crate::act::Page;
use crate::acting::{Entry, Pass, page_fields};
use crate::alarm::{Alarm, Pace, TooLate};
use crate::buffer::Buffer;
use crate::counters::Counter;
use crate::exchange::{self, End, Fault, Opened, Sink};
use crate::held_back::{BodyWait, Patience};
use crate::http1::body::{Framing, welcome_trailers};
use crate::http1::head::{self, ResponseHead};
use crate::http1::write::{self, OwnAnswer};
use crate::http1::{Field, Kind};
use crate::http2::{Code, Connection, Upload, hpack};
use crate::job::{self, Job, Origin};
use crate::multiplex::{self, Multiplex};
use crate::settings::{Limits, ms};
use crate::stream::Half;
use crate::thread::Thread;
use seawall_model::observation::{ConnectionEvent, HttpVersion, Method};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::task::unconstrained;
use tokio::time::Instant;

/// What is read of a client after it was told of its error, so that it sees it.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER_MS: u64 = 1_000;
/// How long requests may take to notice that their client has gone.
const LEFTOVERS_MS: u64 = 10_000;

/// Serves a connection to its end.
pub async fn serve<S>(thread: Rc<Thread>, origin: Origin, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let thread = &*thread;
    let limits = &thread.settings.limits;
    let mut alarm = Alarm::new(Instant::now() + ms(limits.header_deadline_ms));
    let connection = RefCell::new(Connection::new(limits, thread.stock.vector(), Instant::now()));
    let (served, idle_since) = (Cell::new(0_u64), Cell::new(Instant::now()));
    let memory = RefCell::default();
    let make = |at| {
        served.set(served.get() + 1);
        idle_since.set(Instant::now());
        let mut state = connection.borrow_mut();
        let is_last = served.get() == limits.requests_per_connection || thread.is_draining();
        if is_last && !state.is_leaving() {
            state.leave();
        }
        one_request(thread, &origin, Turn { connection: &connection, at }, &memory)
    };
    let mut multiplex = Multiplex::new(stream, &connection, &thread.stock, limits, make);
    let ended = watch(thread, &origin, &connection, &mut multiplex, &mut alarm, &idle_since).await;
    let unserved = connection.borrow_mut().take_unserved();
    if unserved > 0 {
        thread.counters.add(Counter::http2_requests, unserved);
        thread.counters.add(Counter::http2_reset_unserved, unserved);
    }
    if let Some(end) = ended {
        Box::pin(say_why(thread, &origin, &connection, &mut multiplex, &mut alarm, end)).await;
    }
    let leftovers = unconstrained(poll_fn(|context| multiplex.poll_leftovers(context)));
    // Whatever does not end by then is dropped.
    let _ = alarm.guard(Instant::now() + ms(LEFTOVERS_MS), leftovers).await;
}

/// Lets the connection work until it ends, or one of its deadlines has passed.
async fn watch<S, M, F>(
    thread: &Thread,
    origin: &Origin,
    connection: &RefCell<Connection>,
    multiplex: &mut Multiplex<'_, S, M, F>,
    alarm: &mut Alarm,
    idle_since: &Cell<Instant>,
) -> Option<multiplex::End>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: FnMut(usize) -> F,
    F: Future<Output = ()>,
{
    let limits = &thread.settings.limits;
    let began = Instant::now();
    let look_again = ms((limits.header_deadline_ms.min(limits.idle_timeout_ms) / 4).max(10));
    loop {
        let next = Instant::now() + look_again;
        let work = unconstrained(poll_fn(|context| multiplex.poll(context)));
        if let Ok(end) = alarm.guard(next, work).await {
            return Some(end);
        }
        let now = Instant::now();
        let late = |since: Instant, limit| now - since >= patience(thread, limit);
        let mut state = connection.borrow_mut();
        if state.streams.open() > 0 {
            idle_since.set(now);
        }
        let head_since = if state.has_begun() { state.head_since() } else { Some(began) };
        if head_since.is_some_and(|since| late(since, limits.header_deadline_ms)) {
            thread.connection(ConnectionEvent::SlowRequest, origin.peer, origin.local);
            thread.counters.add(Counter::header_deadline, 1);
            return None;
        }
        if multiplex.deadline().is_some_and(|deadline| deadline <= now) {
            thread.connection(ConnectionEvent::SlowRead, origin.peer, origin.local);
            thread.counters.add(Counter::min_rate, 1);
            return None;
        }
        if late(idle_since.get(), limits.idle_timeout_ms) {
            thread.counters.add(Counter::idle_timeout, 1);
            return Some(multiplex::End::Over);
        }
        if state.is_leaving() || thread.is_draining() {
            state.leave();
        }
        drop(state);
        multiplex.shrink();
    }
}

/// Tells the client how the connection ended, and reads on for a moment: closing with unread
/// bytes would reset it, and the reason could be lost.
async fn say_why<S, M, F>(
    thread: &Thread,
    origin: &Origin,
    connection: &RefCell<Connection>,
    multiplex: &mut Multiplex<'_, S, M, F>,
    alarm: &mut Alarm,
    end: multiplex::End,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    M: FnMut(usize) -> F,
    F: Future<Output = ()>,
{
    let code = match end {
        multiplex::End::Closed => return,
        multiplex::End::Over => Code::NoError,
        multiplex::End::Broken(broken) => {
            thread.counters.add(broken.counter, 1);
            thread.connection(ConnectionEvent::Http2Abuse, origin.peer, origin.local);
            broken.code
        }
    };
    connection.borrow_mut().break_off(code);
    let farewell = async {
        unconstrained(poll_fn(|context| multiplex.poll_close(context))).await;
        // Who floods is not listened to any longer.
        let (mut scratch, mut seen) = ([0; 4096], 0);
        while seen < LINGER_BYTES && code != Code::EnhanceYourCalm {
            match multiplex.stream().read(&mut scratch).await {
                Ok(n) if n > 0 => seen += n,
                _ => break,
            }
        }
    };
    // Whatever comes of it, the connection ends.
    let _ = alarm.guard(Instant::now() + ms(LINGER_MS), farewell).await;
}

/// How long a client is waited for: less while there is little room.
fn patience(thread: &Thread, milliseconds: u64) -> Duration {
    ms(if thread.gate.is_tight() { (milliseconds / 4).max(100) } else { milliseconds })
}

/// Where a request's stream is.
#[derive(Clone, Copy)]
struct Turn<'a> {
    connection: &'a RefCell<Connection>,
    at: usize,
}

impl Turn<'_> {
    fn is_gone(&self) -> bool {
        self.connection.borrow().is_gone(self.at)
    }

    /// Ends the stream before its answer is whole.
    fn abort(&self, code: Code) {
        self.connection.borrow_mut().abort(self.at, code);
    }

    /// Writes a head or trailers.
    fn answer(&self, is_end: bool, fields: impl FnOnce(&mut Vec<u8>)) -> Result<(), Fault> {
        let is_wanted = self.connection.borrow_mut().answer(self.at, is_end, fields);
        if is_wanted { Ok(()) } else { Err(Fault::ClientGone) }
    }

    /// Writes an answer of our own.
    async fn own_answer(
        self,
        answer: &OwnAnswer<'_>,
        with_body: bool,
        limits: &Limits,
        alarm: &mut Option<Alarm>,
    ) {
        let body = if with_body { answer.body } else { b"" };
        let head = self.answer(body.is_empty(), |out| {
            hpack::encode_status(out, answer.status);
            for (name, value) in answer.fields {
                hpack::encode(out, name.as_bytes(), value.as_bytes());
            }
            if answer.says_length() {
                hpack::encode(out, b"content-length", answer.body.len().to_string().as_bytes());
            }
        });
        let mut sink = ToStream { turn: self, pace: Pace::new(limits), left: Some(body.len() as u64) };
        if head.is_ok() {
            let alarm = alarm.get_or_insert_with(|| Alarm::new(Instant::now() + ms(limits.rate_grace_ms)));
            // Where it fails the client is gone, or takes nothing.
            let _ = sink.data(body, alarm).await;
        }
    }
}

/// Memory that one request after the other uses.
#[derive(Default)]
struct Memory {
    head: Vec<u8>,
    fields: Vec<Field>,
    answer_fields: Vec<Field>,
    alarm: Option<Alarm>,
}

/// Counts a request as under way for as long as it lives.
struct Active<'a>(&'a Thread);

impl<'a> Active<'a> {
    fn begin(thread: &'a Thread) -> Self {
        thread.shared.active.fetch_add(1, Ordering::Relaxed);
        Self(thread)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.shared.active.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn one_request(thread: &Thread, origin: &Origin, turn: Turn<'_>, stock: &RefCell<Vec<Memory>>) {
    thread.counters.add(Counter::http2_requests, 1);
    let _active = Active::begin(thread);
    let mut memory = stock.borrow_mut().pop().unwrap_or_default();
    let Memory { head: bytes, fields, answer_fields, alarm } = &mut memory;
    let Some(request) = turn.connection.borrow_mut().take_up(turn.at, bytes) else { return };
    let limits = crate::http1::HeadLimits {
        // The block has been held to its limit already; names of pseudo-fields differ.
        head_bytes: usize::MAX,
        ..thread.settings.limits.head()
    };
    match request.and_then(|()| head::request(bytes, bytes.len(), &limits, fields)) {
        Ok(head) => {
            head.host.lower_case(bytes);
            let job = Job::new(thread, origin, &head, bytes, fields, HttpVersion::Http2);
            let server = Cell::new("");
            let (fault, pass) = match job.enter(body_wait(&job, turn)).await {
                Entry::Go(pass) => {
                    let result =
                        pin!(carry(&job, &server, turn, (&mut *answer_fields, &mut *alarm), &pass)).await;
                    if let Err(fault) = result {
                        answer_fault(fault, &job, turn, alarm).await;
                    }
                    (result.err(), Some(pass))
                }
                Entry::Answer(page) | Entry::Own { page, .. } | Entry::Stored(page) | Entry::Full(page) => {
                    answer_page(&page, &job, turn, alarm).await;
                    (None, None)
                }
                Entry::Failed(fault) => {
                    answer_fault(fault, &job, turn, alarm).await;
                    (Some(fault), None)
                }
                Entry::Close => {
                    turn.abort(Code::RefusedStream);
                    (None, None)
                }
            };
            job.finish(server.get(), fault, pass);
        }
        Err(refusal) => {
            let text = write::reason(refusal.status);
            job::count_refused(thread, origin, refusal, bytes, text.len());
            let answer = OwnAnswer { status: refusal.status, fields: &[], body: text.as_bytes() };
            turn.own_answer(&answer, true, &thread.settings.limits, alarm).await;
        }
    }
    stock.borrow_mut().push(memory);
}

/// Waits for the body of a request, where it must be there before the request goes on.
fn body_wait<'w>(job: &'w Job<'w>, turn: Turn<'w>) -> Option<BodyWait<'w>> {
    let wanted = job.wanted_body_bytes();
    let mut patience = (wanted > 0).then(|| Patience::new(job, &job.thread.settings.limits))?;
    Some(Box::pin(async move {
        loop {
            let before = turn.connection.borrow().body_bytes(turn.at);
            let more = poll_fn(|_| match turn.connection.borrow().body_so_far(turn.at, before, wanted) {
                Upload::Wait => Poll::Pending,
                upload => Poll::Ready(upload),
            });
            let moved = || turn.connection.borrow().body_bytes(turn.at) - before;
            if patience.is_to_ask() {
                turn.answer(false, |out| hpack::encode_status(out, 100))?;
            }
            match patience.wait(more, |_| moved()).await? {
                Upload::Gone => return Err(Fault::ClientGone),
                Upload::Data => {}
                _ => return Ok(()),
            }
        }
    }))
}

async fn carry<'t>(
    job: &Job<'t>,
    server: &Cell<&'t str>,
    turn: Turn<'_>,
    (fields, alarm): (&mut Vec<Field>, &mut Option<Alarm>),
    pass: &Pass<'_>,
) -> Result<(), Fault> {
    let mut out = job.thread.stock.vector();
    job.write_head(&mut out);
    let attempt = async |opened| pin!(attempt(job, opened, &out, turn, fields, alarm, pass)).await;
    let result =
        pin!(exchange::with_upstream(job.thread, job.asking(), (server, &job.progress), attempt)).await;
    job.thread.stock.keep(out);
    result
}

async fn attempt(
    job: &Job<'_>,
    opened: Opened,
    out: &[u8],
    turn: Turn<'_>,
    fields: &mut Vec<Field>,
    alarm: &mut Option<Alarm>,
    pass: &Pass<'_>,
) -> Result<(), Fault> {
    let thread = job.thread;
    let limits = &thread.settings.limits;
    let Opened { at, link: mut upstream, .. } = opened;
    let alarm = alarm.get_or_insert_with(|| Alarm::new(Instant::now() + ms(limits.upstream_timeout_ms)));
    exchange::hand_on(&mut upstream, (out, b""), limits, alarm).await?;
    let mut buffer = Buffer::default();
    thread.stock.lend(&mut buffer);
    let upstream = RefCell::new(upstream);
    let (mut from_upstream, mut to_upstream) = (Half(&upstream), Half(&upstream));
    let mut sink = ToStream { turn, pace: Pace::new(limits), left: None };
    let count_slow = || job.count_slow();
    let on_head = |fields: &[Field], head: &[u8]| {
        thread.answered(job.origin.site, at);
        pass.answer_begins(fields, head, thread.clock.timestamp(job.began));
    };
    let on_read = || job.read(pass);
    let download = job.download(&count_slow, &on_head, &on_read);
    let end = {
        let run = pin!(download.run(&mut from_upstream, &mut buffer, fields, &mut sink, alarm));
        let upload = pin!(upload(job, turn, &mut to_upstream, pass));
        exchange::alongside(run, upload).await
    };
    match end? {
        // Nobody asked for one: an HTTP/2 client cannot (RFC 9113 section 8.6).
        End::Switched => Err(Fault::Broken),
        End::Complete { reusable } => {
            thread.stock.take_back(&mut buffer);
            if reusable && job.progress.asked.get().is_some() {
                thread.pools[job.origin.site].keep(at, upstream.into_inner());
            }
            Ok(())
        }
    }
}

/// Carries a request's body, then watches whether the client still wants its answer.
async fn upload<W: AsyncWrite + Unpin>(
    job: &Job<'_>,
    turn: Turn<'_>,
    upstream: &mut W,
    pass: &Pass<'_>,
) -> Fault {
    let mut asked = job.began;
    if job.head.framing != Framing::None {
        let carried = carry_body(job, turn, upstream, pass);
        // Apart, because few requests have a body, and each would be as large.
        if let Err(fault) = Box::pin(carried).await {
            return fault;
        }
        asked = Instant::now();
    }
    job.progress.asked.set(Some(asked));
    poll_fn(|_| if turn.is_gone() { Poll::Ready(Fault::ClientGone) } else { Poll::Pending }).await
}

async fn carry_body<W: AsyncWrite + Unpin>(
    job: &Job<'_>,
    turn: Turn<'_>,
    upstream: &mut W,
    pass: &Pass<'_>,
) -> Result<(), Fault> {
    let (limits, progress) = (&job.thread.settings.limits, &job.progress);
    let mut pace = Pace::new(limits);
    let mut alarm = Alarm::new(Instant::now() + ms(limits.rate_grace_ms));
    let chunked = job.head.framing == Framing::Chunked;
    let (mut out, mut data) = (Vec::new(), Vec::new());
    loop {
        let began = Instant::now();
        let deadline = pace.deadline(began);
        let mut body = poll_fn(|_| match turn.connection.borrow_mut().take_body(turn.at, &mut data) {
            Upload::Wait => Poll::Pending,
            upload => Poll::Ready(upload),
        });
        let mut came = alarm.guard(pace.slow_at(began).min(deadline), &mut body).await;
        if came.is_err() {
            // The upstream waits as well: no reason to keep others from it.
            pass.leave_room();
            came = alarm.guard(deadline, body).await;
        }
        match came {
            Ok(Upload::Data) => {}
            Ok(Upload::Gone) => return Err(Fault::ClientGone),
            Ok(_) => break,
            Err(TooLate) => return Err(Fault::ClientSlow),
        }
        pace.moved(began.elapsed(), data.len());
        progress.request_bytes.set(progress.request_bytes.get() + data.len() as u64);
        if chunked {
            write::chunk_size(&mut out, data.len());
        }
        exchange::hand_on(upstream, (&out, &data), limits, &mut alarm).await?;
        out.clear();
        if chunked {
            out.extend_from_slice(b"\r\n");
        }
        turn.connection.borrow_mut().carried(turn.at, data.len());
    }
    if chunked {
        out.extend_from_slice(b"0\r\n");
        let section = [turn.connection.borrow().trailers(turn.at), b"\r\n"].concat();
        write::trailers(&mut out, &section);
        exchange::hand_on(upstream, (&out, b""), limits, &mut alarm).await?;
    }
    Ok(())
}

async fn answer_page(page: &Page, job: &Job<'_>, turn: Turn<'_>, alarm: &mut Option<Alarm>) {
    job.progress.status.set(page.status);
    job.progress.response_bytes.set(page.body.len() as u64);
    let retry_after = page.retry_after_s.to_string();
    let fields = page_fields(page, &retry_after);
    let answer = OwnAnswer { status: page.status, fields: &fields, body: &page.body };
    let with_body = job.head.method != Method::Head;
    turn.own_answer(&answer, with_body, &job.thread.settings.limits, alarm).await;
}

async fn answer_fault(fault: Fault, job: &Job<'_>, turn: Turn<'_>, alarm: &mut Option<Alarm>) {
    if let Some(page) = job.instead_of(fault) {
        return answer_page(&page, job, turn, alarm).await;
    }
    let progress = &job.progress;
    if progress.status.get() != 0 || fault.status() == 0 {
        return turn.abort(Code::Internal);
    }
    progress.status.set(fault.status());
    let with_body = job.head.method != Method::Head;
    turn.own_answer(&job::fault_answer(fault), with_body, &job.thread.settings.limits, alarm).await;
}

/// Writes an answer to an HTTP/2 stream.
struct ToStream<'a> {
    turn: Turn<'a>,
    pace: Pace,
    /// Bytes to come, where the answer says how many; the last of them ends the stream.
    left: Option<u64>,
}

impl ToStream<'_> {
    /// Waits for room for some of the bytes and returns for how many.
    async fn room(&mut self, wanted: usize, alarm: &mut Alarm) -> Result<usize, Fault> {
        let turn = self.turn;
        let room = || turn.connection.borrow_mut().room(turn.at, wanted).ok_or(Fault::ClientGone);
        let at_once = room()?;
        if at_once > 0 {
            self.pace.moved(Duration::ZERO, at_once);
            return Ok(at_once);
        }
        let began = Instant::now();
        let wait = poll_fn(|_| match room() {
            Ok(0) => Poll::Pending,
            room => Poll::Ready(room),
        });
        let room = alarm.guard(self.pace.deadline(began), wait).await.map_err(|_| Fault::ClientSlow)??;
        self.pace.moved(began.elapsed(), room);
        Ok(room)
    }
}

impl Sink for ToStream<'_> {
    async fn interim(&mut self, buffer: &[u8], head: &ResponseHead, fields: &[Field]) -> Result<(), Fault> {
        self.turn.answer(false, |out| block(out, buffer, head.status, fields))
    }

    async fn head(&mut self, buffer: &[u8], head: &ResponseHead, fields: &[Field]) -> Result<(), Fault> {
        let is_end = head.framing.is_empty();
        self.left = match head.framing {
            Framing::Length(length) => Some(length),
            _ => is_end.then_some(0),
        };
        self.turn.answer(is_end, |out| block(out, buffer, head.status, fields))
    }

    async fn data(&mut self, bytes: &[u8], alarm: &mut Alarm) -> Result<(), Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.room(rest.len(), alarm).await?;
            let (piece, after) = rest.split_at(room.min(rest.len()));
            rest = after;
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(piece.len() as u64);
            }
            self.turn.connection.borrow_mut().data(self.turn.at, piece, self.left == Some(0));
        }
        Ok(())
    }

    async fn flush(&mut self, _: &mut Alarm) -> Result<(), Fault> {
        // What was said is in the hands of the connection.
        Ok(())
    }

    async fn end(&mut self, trailers: &[u8], _: &mut Alarm) -> Result<(), Fault> {
        if self.left == Some(0) {
            return Ok(());
        }
        let mut fields = welcome_trailers(trailers).peekable();
        if fields.peek().is_none() {
            self.turn.connection.borrow_mut().data(self.turn.at, b"", true);
            return Ok(());
        }
        self.turn.answer(true, |out| {
            fields.for_each(|field| hpack::encode(out, field.name(trailers), field.value(trailers)));
        })
    }
}

/// Encodes the head of an answer.
fn block(out: &mut Vec<u8>, buffer: &[u8], status: u16, fields: &[Field]) {
    hpack::encode_status(out, status);
    for field in fields {
        let is_left_out = match field.kind {
            Kind::Connection | Kind::HopByHop | Kind::TransferEncoding | Kind::Upgrade => true,
            // Of a body that cannot be there none has a length (RFC 9110 section 8.6): a browser may take the
            // answer for malformed.
            Kind::ContentLength => status < 200 || status == 204,
            _ => false,
        };
        if !is_left_out {
            hpack::encode(out, field.name(buffer), field.value(buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::HeadLimits;

    /// The fields of an answer as an HTTP/2 client gets them.
    fn passed_on(text: &str) -> Vec<String> {
        let limits = HeadLimits { head_bytes: 4_096, target_bytes: 1_024, fields: 50 };
        let (text, mut fields, mut out) = (text.as_bytes(), Vec::new(), Vec::new());
        let head = head::response(text, text.len(), Method::Get, &limits, &mut fields).expect("an answer");
        block(&mut out, text, head.status, &fields);
        let mut all = Vec::new();
        let mut note = |name: &[u8], value: &[u8]| {
            all.push(format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        };
        hpack::Decoder::default().block(&out, &mut note).expect("a block");
        all
    }

    /// Broke: an answer that can have no body, from a server that gave it a length, was malformed in HTTP/2.
    #[test]
    fn an_answer_that_can_have_no_body_has_no_length() {
        for (status, length) in [("204 No Content", "5"), ("204 No Content", "0"), ("103 Early Hints", "1")] {
            let fields = passed_on(&format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nA: b\r\n\r\n"));
            assert_eq!(fields, [format!(":status: {}", &status[..3]), "a: b".to_owned()]);
        }
        let of_another = passed_on("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(of_another, [":status: 304", "content-length: 5"]);
    }
}
