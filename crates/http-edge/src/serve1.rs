//! A client's HTTP/1 connection: one exchange after the other.

use crate::act::Page;
use crate::acting::{Entry, Pass, page_fields};
use crate::alarm::{Alarm, Pace, TooLate};
use crate::buffer::{BUFFER_BYTES, Buffer, Stock};
use crate::counters::Counter;
use crate::exchange::{self, End, Fault, Opened, Progress, Sink};
use crate::held_back::{self, BodyWait, Patience};
use crate::http1::body::Framing;
use crate::http1::head::{self, RequestHead, ResponseHead, Scanner};
use crate::http1::write::{self, OwnAnswer, Reply};
use crate::http1::{Body, Field, Refusal, Step};
use crate::job::{self, Job, Origin};
use crate::link::Link;
use crate::settings::{Limits, ms};
use crate::stream::{self, Half, Stream};
use crate::thread::Thread;
use crate::waiting::{SILENT_MS, Silence, Unheard, Waiting};
use seawall_model::observation::{ConnectionEvent, Method};
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Answers are gathered up to this size before they are written.
const GATHER_BYTES: usize = 8 * 1024;
/// A head that is not whole after the first of these is slow, which is told where many are; after the
/// second it is told of in any case, long before its deadline.
const HEAD_STAGES_MS: [u64; 2] = [1_000, 2_000];
/// What is read of a refused client before its connection is closed, so that it sees the answer.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER_MS: u64 = 1_000;

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    thread: Rc<Thread>,
    origin: Origin,
    stream: Stream,
    /// Bytes after the present head.
    input: Buffer,
    /// The present head.
    head: Vec<u8>,
    fields: Vec<Field>,
    answer_fields: Vec<Field>,
    alarm: Alarm,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Request,
    Close,
    /// Close, but let the client read its answer first.
    Linger,
}

impl Connection {
    #[must_use]
    pub fn new(thread: Rc<Thread>, origin: Origin, stream: Stream, input: Buffer) -> Self {
        let alarm = Alarm::new(Instant::now() + ms(SILENT_MS));
        Self {
            thread,
            origin,
            stream,
            input,
            head: Vec::new(),
            fields: Vec::new(),
            answer_fields: Vec::new(),
            alarm,
        }
    }

    /// Serves the connection to its end.
    pub async fn serve(mut self) {
        let mut served = 0;
        loop {
            let head = pin!(self.read_head(served == 0)).await;
            let next = match head {
                Ok(Some(end)) => {
                    served += 1;
                    pin!(self.one_request(end, served)).await
                }
                Ok(None) => Next::Close,
                Err(refusal) => self.refuse(refusal, false).await,
            };
            match next {
                Next::Request => {}
                Next::Close => break,
                Next::Linger => {
                    Box::pin(self.linger()).await;
                    break;
                }
            }
        }
        if let Stream::Tls(tls) = &mut self.stream {
            // It may be gone already. Without TLS, closing says it all.
            let _ = tls.shutdown().await;
        }
        self.thread.stock.take_back(&mut self.input);
    }

    /// Waits for a whole head. `None`: the client is done, or too late to be answered.
    async fn read_head(&mut self, is_first: bool) -> Result<Option<usize>, Refusal> {
        let limits = self.thread.settings.limits;
        let mut scanner = Scanner::default();
        if self.input.is_empty() {
            let patience =
                self.patience(if is_first { limits.header_deadline_ms } else { limits.idle_timeout_ms });
            let first = pin!(self.first_bytes(is_first, Instant::now() + patience)).await;
            match first {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return Ok(None),
                Err(TooLate) if is_first => {
                    self.thread.counters.add(Counter::header_deadline, 1);
                    return Ok(None);
                }
                Err(TooLate) => {
                    self.thread.counters.add(Counter::idle_timeout, 1);
                    return Ok(None);
                }
            }
        }
        let longest = self.thread.planned_head_ms();
        let began = Instant::now();
        let deadline = began + self.patience(limits.header_deadline_ms.min(longest));
        let waiting = Waiting::new(&self.thread, &self.origin, ConnectionEvent::SlowRequest);
        let mut stages = HEAD_STAGES_MS.map(|stage| began + ms(stage)).into_iter().peekable();
        let head_limits = limits.head();
        loop {
            if let Some(end) = scanner.find_end(self.input.filled(), &head_limits)? {
                return Ok(Some(end));
            }
            let read = stream::fill(&mut self.stream, &mut self.input, head_limits.head_bytes + 1);
            let next = stages.peek().map_or(deadline, |stage| deadline.min(*stage));
            match self.alarm.guard(next, read).await {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return Ok(None),
                Err(TooLate) => {
                    // Where the deadline comes first, it is told of all the same.
                    let is_over = Instant::now() >= deadline;
                    if stages.next().is_some() {
                        waiting.slow();
                    }
                    if is_over || stages.peek().is_none() {
                        waiting.tell();
                    }
                    if is_over {
                        self.thread.counters.add(Counter::header_deadline, 1);
                        return Err(Refusal::with(408, "header-deadline"));
                    }
                }
            }
        }
    }

    /// Waits for the first bytes of a head. A new connection that stays silent is told of where
    /// there are many such, and then has no longer than a plan says.
    async fn first_bytes(
        &mut self,
        is_first: bool,
        until: Instant,
    ) -> Result<std::io::Result<usize>, TooLate> {
        let thread = &self.thread;
        thread.stock.take_back(&mut self.input);
        let mut first = std::pin::pin!(first_bytes(&mut self.stream, &mut self.input, &thread.stock));
        if !is_first {
            return self.alarm.guard(until, first).await;
        }
        let began = Instant::now();
        let _unheard = Unheard::begin(&thread.gate);
        if let Ok(first) = self.alarm.guard(until.min(began + ms(SILENT_MS)), first.as_mut()).await {
            return Ok(first);
        }
        let _silence = Silence::begin(thread, &self.origin);
        let planned = thread.planned_head_ms();
        let until = if planned == u64::MAX { until } else { until.min(began + ms(planned)) };
        self.alarm.guard(until, first).await
    }

    /// How long a client is waited for: less while there is little room.
    fn patience(&self, milliseconds: u64) -> std::time::Duration {
        ms(if self.thread.gate.is_tight() { (milliseconds / 4).max(100) } else { milliseconds })
    }

    async fn one_request(&mut self, end: usize, served: u64) -> Next {
        self.head.clear();
        self.head.extend_from_slice(&self.input.filled()[..end]);
        self.input.consume(end);
        let limits = self.thread.settings.limits;
        let mut head = head::request(&self.head, end, &limits.head(), &mut self.fields);
        if head.is_ok_and(|head| head.has_more_cookies) {
            head::join_cookies(&mut self.head, &self.fields);
            head = head::request(&self.head, self.head.len(), &limits.head(), &mut self.fields);
        }
        let head = match head {
            Ok(head) => head,
            Err(refusal) => return self.refuse(refusal, true).await,
        };
        // A host is the same in either case (RFC 9110 section 4.2.3), for rules and for what is stored.
        head.host.lower_case(&mut self.head);
        let thread = Rc::clone(&self.thread);
        thread.shared.active.fetch_add(1, Ordering::Relaxed);
        let next = pin!(self.exchange(&head, served)).await;
        thread.shared.active.fetch_sub(1, Ordering::Relaxed);
        next
    }

    async fn exchange(&mut self, head: &RequestHead, served: u64) -> Next {
        let thread = Rc::clone(&self.thread);
        let is_last = served >= thread.settings.limits.requests_per_connection;
        if is_last {
            thread.counters.add(Counter::requests_per_connection, 1);
        }
        let (bytes, fields) = (std::mem::take(&mut self.head), std::mem::take(&mut self.fields));
        let origin = self.origin;
        let mut job = Job::new(&thread, &origin, head, &bytes, &fields, head.version);
        job.keep_alive = head.keep_alive && !is_last && !thread.is_draining();
        let server = Cell::new("");
        let wanted = job.wanted_body_bytes();
        let body: Option<BodyWait<'_>> = (wanted > 0).then(|| {
            let patience = Patience::new(&job, &thread.settings.limits);
            let wanted = (head.framing, wanted);
            Box::pin(held_back::in_input(&mut self.stream, &mut self.input, wanted, patience)) as _
        });
        let (next, fault, pass) = match job.enter(body).await {
            Entry::Go(pass) => {
                let result = pin!(self.carry(&job, &server, &pass)).await;
                let next = match result {
                    Ok(next) => next,
                    Err(fault) => self.answer_fault(fault, &job).await,
                };
                (next, result.err(), Some(pass))
            }
            Entry::Answer(page) | Entry::Own { page, .. } | Entry::Stored(page) | Entry::Full(page) => {
                (self.answer_page(&page, &job).await, None, None)
            }
            Entry::Failed(fault) => (self.answer_fault(fault, &job).await, Some(fault), None),
            Entry::Close => (Next::Close, None, None),
        };
        job.finish(server.get(), fault, pass);
        (self.head, self.fields) = (bytes, fields);
        next
    }

    /// Carries the request to an upstream and the answer back.
    async fn carry<'t>(
        &mut self,
        job: &Job<'t>,
        server: &Cell<&'t str>,
        pass: &Pass<'_>,
    ) -> Result<Next, Fault> {
        let mut out = job.thread.stock.vector();
        job.write_head(&mut out);
        let asking = job.asking();
        let attempt = async |opened| pin!(self.attempt(job, opened, &out, pass)).await;
        let result =
            pin!(exchange::with_upstream(job.thread, asking, (server, &job.progress), attempt)).await;
        job.thread.stock.keep(out);
        result
    }

    async fn attempt(
        &mut self,
        job: &Job<'_>,
        opened: Opened,
        out: &[u8],
        pass: &Pass<'_>,
    ) -> Result<Next, Fault> {
        let thread = job.thread;
        let limits = &thread.settings.limits;
        let Opened { at, link: mut upstream, .. } = opened;
        exchange::hand_on(&mut upstream, (out, b""), limits, &mut self.alarm).await?;
        let mut buffer = Buffer::default();
        thread.stock.lend(&mut buffer);
        let client = RefCell::new(&mut self.stream);
        let upstream = RefCell::new(upstream);
        let (mut from_upstream, mut to_upstream) = (Half(&upstream), Half(&upstream));
        let mut sink = ToClient::new(Half(&client), job, limits);
        let count_slow = || job.count_slow();
        let on_head = |fields: &[Field], head: &[u8]| {
            thread.answered(job.origin.site, at);
            pass.answer_begins(fields, head, thread.clock.timestamp(job.began));
        };
        let on_read = || job.read(pass);
        let download = job.download(&count_slow, &on_head, &on_read);
        let mut upload = Upload {
            client: Half(&client),
            input: &mut self.input,
            body: Body::new(job.head.framing),
            chunked: job.head.framing == Framing::Chunked,
            pace: Pace::new(limits),
            waiting: Waiting::new(thread, job.origin, ConnectionEvent::SlowRequest),
            limits,
            progress: &job.progress,
            began: job.began,
            pass,
        };
        let end = {
            let (fields, alarm) = (&mut self.answer_fields, &mut self.alarm);
            let run = pin!(download.run(&mut from_upstream, &mut buffer, fields, &mut sink, alarm));
            let upload = pin!(upload.run(&mut to_upstream));
            exchange::alongside(run, upload).await
        };
        drop(upload);
        let (sent_all, keeps) = (job.progress.asked.get().is_some(), sink.reply.keep_alive);
        if end.is_err() && !sink.wrote {
            // Nothing of the answer has gone out: the client gets a whole one instead.
            job.progress.status.set(0);
        } else if end == Err(Fault::Broken) {
            // What has come of it is the client's. Apart, because most answers are whole; whether it still takes
            // it changes nothing.
            let _ = Box::pin(sink.flush(&mut self.alarm)).await;
        }
        thread.stock.keep(std::mem::take(&mut sink.out));
        match end? {
            End::Switched => {
                thread.counters.add(Counter::upgrades, 1);
                pass.leave_room();
                Box::pin(self.tunnel(upstream.into_inner(), buffer)).await;
                Ok(Next::Close)
            }
            End::Complete { reusable } => {
                thread.stock.take_back(&mut buffer);
                if reusable && sent_all {
                    thread.pools[self.origin.site].keep(at, upstream.into_inner());
                }
                Ok(match (sent_all, keeps) {
                    (false, _) => Next::Linger,
                    (true, true) => Next::Request,
                    (true, false) => Next::Close,
                })
            }
        }
    }

    /// Carries bytes both ways until either side ends or both are silent for too long.
    async fn tunnel(&mut self, upstream: Link, buffer: Buffer) {
        let idle = ms(self.thread.settings.limits.tunnel_idle_ms);
        let first = (std::mem::take(&mut self.input), buffer);
        let client = RefCell::new(&mut self.stream);
        let upstream = RefCell::new(upstream);
        let (from_upstream, to_upstream) = (Half(&upstream), Half(&upstream));
        let moved = std::cell::Cell::new(Instant::now());
        let up = pump(Half(&client), to_upstream, first.0, &moved);
        let down = pump(from_upstream, Half(&client), first.1, &moved);
        let both = async { tokio::join!(up, down) };
        tokio::pin!(both);
        loop {
            let deadline = moved.get() + idle;
            match self.alarm.guard(deadline, both.as_mut()).await {
                Err(TooLate) if moved.get() + idle > Instant::now() => {}
                Err(TooLate) => return self.thread.counters.add(Counter::tunnel_idle, 1),
                Ok(_) => return,
            }
        }
    }

    /// Answers a request with a page of our own.
    async fn answer_page(&mut self, page: &Page, job: &Job<'_>) -> Next {
        job.progress.status.set(page.status);
        let retry_after = page.retry_after_s.to_string();
        let fields = page_fields(page, &retry_after);
        let answer = OwnAnswer { status: page.status, fields: &fields, body: &page.body };
        job.progress.response_bytes.set(page.body.len() as u64);
        self.answer_own(&answer, job).await
    }

    /// Answers a request that was not carried through, if there is still a way to.
    async fn answer_fault(&mut self, fault: Fault, job: &Job<'_>) -> Next {
        if let Some(page) = job.instead_of(fault) {
            return self.answer_page(&page, job).await;
        }
        let progress = &job.progress;
        if progress.status.get() != 0 || fault.status() == 0 {
            return Next::Close;
        }
        progress.status.set(fault.status());
        self.answer_own(&job::fault_answer(fault), job).await
    }

    async fn answer_own(&mut self, answer: &OwnAnswer<'_>, job: &Job<'_>) -> Next {
        let clean = job.keep_alive && job.head.framing.is_empty();
        let reply = Reply { framing: Framing::None, keep_alive: clean, is_old: job.is_old };
        let with_body = job.head.method != Method::Head;
        match self.send_own(answer, reply, with_body).await {
            true if clean => Next::Request,
            true => Next::Linger,
            false => Next::Close,
        }
    }

    /// Answers what was no request, or none that we take, and ends the connection. `is_whole`: its
    /// head is, and has been taken from the input.
    async fn refuse(&mut self, refusal: Refusal, is_whole: bool) -> Next {
        let body = format!("{}: {}\n", write::reason(refusal.status), refusal.reason);
        let answer = OwnAnswer { status: refusal.status, fields: &[], body: body.as_bytes() };
        let reply = Reply { framing: Framing::None, keep_alive: false, is_old: false };
        let said = if is_whole { &self.head } else { self.input.filled() };
        job::count_refused(&self.thread, &self.origin, refusal, said, body.len());
        if self.send_own(&answer, reply, true).await { Next::Linger } else { Next::Close }
    }

    async fn send_own(&mut self, answer: &OwnAnswer<'_>, reply: Reply, with_body: bool) -> bool {
        let mut out = self.thread.stock.vector();
        write::own_answer(&mut out, answer, reply, with_body);
        let deadline = Instant::now() + ms(self.thread.settings.limits.rate_grace_ms);
        let sent = self.alarm.guard(deadline, stream::write_two(&mut self.stream, &out, b"")).await;
        self.thread.stock.keep(out);
        matches!(sent, Ok(Ok(())))
    }

    /// Closes for writing, and reads on for a moment: closing with unread bytes would reset the
    /// connection, and the answer could be lost (RFC 9112 section 9.6).
    async fn linger(&mut self) {
        let deadline = Instant::now() + ms(LINGER_MS);
        let stream = &mut self.stream;
        let drain = async {
            stream.shutdown().await?;
            let (mut scratch, mut seen) = ([0; 4096], 0);
            while seen < LINGER_BYTES {
                match stream.read(&mut scratch).await? {
                    0 => break,
                    n => seen += n,
                }
            }
            Ok::<_, std::io::Error>(())
        };
        // Whatever comes of it, the connection ends.
        let _ = self.alarm.guard(deadline, drain).await;
    }
}

/// Waits for the first bytes of a head, and holds no buffer meanwhile. 0: the stream has ended.
async fn first_bytes(stream: &mut Stream, input: &mut Buffer, stock: &Stock) -> std::io::Result<usize> {
    loop {
        readable(stream).await?;
        stock.lend(input);
        let read = {
            let read = std::pin::pin!(stream::fill(stream, input, BUFFER_BYTES));
            exchange::poll_once(read).await
        };
        if let Some(read) = read {
            return read;
        }
        // A new connection counts as readable before anything has come.
        stock.take_back(input);
        tokio::task::yield_now().await;
    }
}

/// Waits until there is something to read.
async fn readable(stream: &Stream) -> std::io::Result<()> {
    match stream {
        Stream::Plain(tcp) => tcp.readable().await,
        // Decrypted bytes may wait already; then there is nothing more to wait for.
        Stream::Tls(tls) if !tls.get_ref().1.wants_read() => Ok(()),
        Stream::Tls(tls) => tls.get_ref().0.stream.readable().await,
    }
}

async fn pump<R, W>(mut from: R, mut to: W, mut buffer: Buffer, moved: &std::cell::Cell<Instant>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        if !buffer.is_empty() {
            moved.set(Instant::now());
            if stream::write_two(&mut to, buffer.filled(), b"").await.is_err() {
                return;
            }
            let n = buffer.filled().len();
            buffer.consume(n);
        }
        match stream::fill(&mut from, &mut buffer, BUFFER_BYTES).await {
            Ok(n) if n > 0 => {}
            _ => break,
        }
    }
    // The other direction may go on.
    let _ = to.shutdown().await;
}

/// Carries a request's body.
struct Upload<'a, C> {
    client: C,
    input: &'a mut Buffer,
    body: Body,
    chunked: bool,
    pace: Pace,
    waiting: Waiting<'a>,
    limits: &'a Limits,
    progress: &'a Progress,
    /// When the request came.
    began: Instant,
    pass: &'a Pass<'a>,
}

impl<C: AsyncRead + Unpin> Upload<'_, C> {
    /// Carries the body, then watches whether the client stays. Returns why it stopped.
    async fn run<W: AsyncWrite + Unpin>(&mut self, upstream: &mut W) -> Fault {
        let mut asked = self.began;
        if !self.body.is_done() {
            if let Err(fault) = pin!(self.carry(upstream)).await {
                return fault;
            }
            asked = Instant::now();
        }
        self.progress.asked.set(Some(asked));
        loop {
            if self.input.room(BUFFER_BYTES).is_none() {
                std::future::pending::<()>().await;
            }
            match stream::fill(&mut self.client, self.input, BUFFER_BYTES).await {
                Ok(n) if n > 0 => {}
                _ => return Fault::ClientGone,
            }
        }
    }

    async fn carry<W: AsyncWrite + Unpin>(&mut self, upstream: &mut W) -> Result<(), Fault> {
        let mut alarm = Alarm::new(Instant::now() + ms(self.limits.rate_grace_ms));
        let mut out = Vec::new();
        loop {
            match self.body.step(self.input.filled()).map_err(Fault::ClientBad)? {
                Step::Data { start, end } => {
                    let sent = &self.progress.request_bytes;
                    sent.set(sent.get() + (end - start) as u64);
                    let data = &self.input.filled()[start..end];
                    if self.chunked {
                        write::chunk_size(&mut out, data.len());
                    }
                    exchange::hand_on(upstream, (&out, data), self.limits, &mut alarm).await?;
                    out.clear();
                    if self.chunked {
                        out.extend_from_slice(b"\r\n");
                    }
                    self.input.consume(end);
                }
                Step::End { trailers, consumed } => {
                    if self.chunked {
                        out.extend_from_slice(b"0\r\n");
                        write::trailers(&mut out, &self.input.filled()[trailers..consumed]);
                        exchange::hand_on(upstream, (&out, b""), self.limits, &mut alarm).await?;
                    }
                    self.input.consume(consumed);
                    return Ok(());
                }
                Step::More { consumed } => {
                    self.input.consume(consumed);
                    let began = Instant::now();
                    let read = stream::fill(&mut self.client, self.input, BUFFER_BYTES);
                    match self.waiting.client((self.pace, began), &mut alarm, read).await {
                        Ok(Ok(n)) if n > 0 => self.pace.moved(began.elapsed(), n),
                        Ok(_) => return Err(Fault::ClientGone),
                        Err(TooLate) => return Err(Fault::ClientSlow),
                    }
                    if self.waiting.is_slow() {
                        // The upstream waits as well: no reason to keep others from it.
                        self.pass.leave_room();
                    }
                }
            }
        }
    }
}

/// Writes an answer to an HTTP/1 client.
struct ToClient<'a, W> {
    client: W,
    out: Vec<u8>,
    pace: Pace,
    waiting: Waiting<'a>,
    reply: Reply,
    chunked: bool,
    no_interim: bool,
    /// Something has gone out.
    wrote: bool,
}

impl<'a, W: AsyncWrite + Unpin> ToClient<'a, W> {
    fn new(client: W, job: &Job<'a>, limits: &Limits) -> Self {
        Self {
            client,
            out: job.thread.stock.vector(),
            pace: Pace::new(limits),
            waiting: Waiting::new(job.thread, job.origin, ConnectionEvent::SlowRead),
            reply: Reply { framing: Framing::None, keep_alive: job.keep_alive, is_old: job.is_old },
            chunked: false,
            no_interim: job.is_old,
            wrote: false,
        }
    }

    async fn write(&mut self, second: &[u8], alarm: &mut Alarm) -> Result<(), Fault> {
        self.wrote = true;
        let began = Instant::now();
        // What is about to be taken earns its time beforehand: it is taken piece by piece.
        self.pace.moved(std::time::Duration::ZERO, self.out.len() + second.len());
        let write = stream::write_two(&mut self.client, &self.out, second);
        match self.waiting.client((self.pace, began), alarm, write).await {
            Ok(Ok(())) => self.pace.moved(began.elapsed(), 0),
            Ok(Err(_)) => return Err(Fault::ClientGone),
            Err(TooLate) => return Err(Fault::ClientSlow),
        }
        self.out.clear();
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin> Sink for ToClient<'_, W> {
    async fn interim(&mut self, buffer: &[u8], head: &ResponseHead, fields: &[Field]) -> Result<(), Fault> {
        if !self.no_interim {
            write::response(&mut self.out, buffer, head, fields, self.reply);
        }
        Ok(())
    }

    async fn head(&mut self, buffer: &[u8], head: &ResponseHead, fields: &[Field]) -> Result<(), Fault> {
        self.reply.framing = match head.framing {
            // Only an old client is told of the end by the end of the connection.
            Framing::ToEnd | Framing::Chunked if self.reply.is_old => Framing::ToEnd,
            Framing::ToEnd => Framing::Chunked,
            framing => framing,
        };
        self.chunked = self.reply.framing == Framing::Chunked;
        self.reply.keep_alive &= self.reply.framing != Framing::ToEnd;
        write::response(&mut self.out, buffer, head, fields, self.reply);
        Ok(())
    }

    async fn data(&mut self, bytes: &[u8], alarm: &mut Alarm) -> Result<(), Fault> {
        if self.chunked {
            write::chunk_size(&mut self.out, bytes.len());
        }
        if self.out.len() + bytes.len() <= GATHER_BYTES {
            self.out.extend_from_slice(bytes);
        } else {
            self.write(bytes, alarm).await?;
        }
        if self.chunked {
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    async fn flush(&mut self, alarm: &mut Alarm) -> Result<(), Fault> {
        if self.out.is_empty() { Ok(()) } else { self.write(b"", alarm).await }
    }

    async fn end(&mut self, trailers: &[u8], alarm: &mut Alarm) -> Result<(), Fault> {
        if self.chunked {
            self.out.extend_from_slice(b"0\r\n");
            write::trailers(&mut self.out, trailers);
        }
        self.flush(alarm).await
    }
}
