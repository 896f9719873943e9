//! One request carried to an upstream and its answer carried back, whatever the client speaks.
//! Both bodies stream; nothing is held back but what fits one buffer.

use crate::alarm::{Alarm, TooLate};
use crate::buffer::{BUFFER_BYTES, Buffer, Stock};
use crate::counters::Counter;
use crate::http1::head::{self, ResponseHead, Scanner};
use crate::http1::{Body, Field, Framing, Refusal, Step};
use crate::link::Link;
use crate::sense::SLOW_MS;
use crate::settings::{Limits, ms};
use crate::stored::Taking;
use crate::stream;
use crate::thread::Thread;
use crate::unfit;
use crate::upstream::{Load, Pool};
use seawall_model::observation::{BackendEventKind, Ending, Method};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// Why an exchange did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NoUpstream,
    /// No connection to an upstream.
    Connect,
    ConnectTimedOut,
    /// The upstream did not answer in time.
    TimedOut,
    /// The upstream closed the connection before its answer began.
    Closed,
    /// The upstream's answer made no sense or was cut short.
    Broken,
    /// The upstream answered with an error, and there is a stored answer to give instead.
    Replaced,
    ClientGone,
    ClientSlow,
    /// The client's body is not to be passed on.
    ClientBad(Refusal),
}

impl Fault {
    /// What the client is answered, if no answer has begun; 0: nothing.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NoUpstream => 503,
            Self::Connect | Self::Closed | Self::Broken | Self::Replaced => 502,
            Self::ConnectTimedOut | Self::TimedOut => 504,
            Self::ClientGone => 0,
            Self::ClientSlow => 408,
            Self::ClientBad(refusal) => refusal.status,
        }
    }

    #[must_use]
    pub fn ending(self) -> Ending {
        match self {
            Self::NoUpstream => Ending::NoUpstream,
            Self::Connect | Self::Closed | Self::Broken | Self::Replaced => Ending::UpstreamFailed,
            Self::ConnectTimedOut | Self::TimedOut => Ending::UpstreamTimedOut,
            Self::ClientGone => Ending::ClientAborted,
            Self::ClientSlow => Ending::ClientTimedOut,
            Self::ClientBad(_) => Ending::ClientInvalid,
        }
    }

    #[must_use]
    pub fn counter(self) -> Counter {
        match self {
            Self::NoUpstream => Counter::no_upstream,
            Self::Connect | Self::ConnectTimedOut => Counter::upstream_connect_failed,
            Self::TimedOut => Counter::upstream_timeouts,
            Self::Closed | Self::Broken | Self::Replaced => Counter::upstream_broken,
            Self::ClientGone => Counter::client_aborted,
            Self::ClientSlow => Counter::min_rate,
            Self::ClientBad(_) => Counter::malformed,
        }
    }
}

/// What has come of an exchange so far; told from both of its directions.
#[derive(Debug, Default)]
pub struct Progress {
    /// Status of the answer that has begun; 0: none has.
    pub status: Cell<u16>,
    pub response_bytes: Cell<u64>,
    pub request_bytes: Cell<u64>,
    pub first_byte: Cell<Option<Instant>>,
    /// When the whole request had been sent, so that an answer is due.
    pub asked: Cell<Option<Instant>>,
    /// Whether the request has been counted as one that waits.
    pub counted: Cell<bool>,
    /// Whether we have asked the client for its body, which it waited for (`Expect: 100-continue`).
    pub continued: Cell<bool>,
    /// Why the answer is not passed on, where that is its form.
    pub unfit: Cell<Option<&'static str>>,
}

/// Takes an answer for a client.
pub trait Sink {
    /// An interim answer (1xx but 101).
    async fn interim(&mut self, buffer: &[u8], head: &ResponseHead, fields: &[Field]) -> Result<(), Fault>;
    /// The head. It need not go out before [`Sink::flush`].
    async fn head(&mut self, buffer: &[u8], head: &ResponseHead, fields: &[Field]) -> Result<(), Fault>;
    async fn data(&mut self, bytes: &[u8], alarm: &mut Alarm) -> Result<(), Fault>;
    /// Whatever was taken goes out before the upstream is waited for.
    async fn flush(&mut self, alarm: &mut Alarm) -> Result<(), Fault>;
    async fn end(&mut self, trailers: &[u8], alarm: &mut Alarm) -> Result<(), Fault>;
}

/// An open connection to an upstream.
#[derive(Debug)]
pub struct Opened {
    /// Index in the pool.
    pub at: usize,
    pub link: Link,
    /// Was used before, so that it may have ended unnoticed.
    pub reused: bool,
    /// How long it had been kept with nothing under way, if it was.
    pub idle: Option<Duration>,
}

/// What is asked of an upstream's connection.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    pub site: usize,
    /// The request may be sent again.
    pub repeatable: bool,
    /// It is to become another protocol.
    pub upgrade: bool,
}

/// Connects to an upstream and lets `attempt` carry a request over it; does so again, within the
/// budget, where that cannot do harm. `server` is told who got the request.
///
/// # Errors
/// If no upstream took it, or as the last attempt failed.
pub async fn with_upstream<'t, T>(
    thread: &'t Thread,
    asking: Asking,
    (server, progress): (&Cell<&'t str>, &Progress),
    mut attempt: impl AsyncFnMut(Opened) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let pool = &thread.pools[asking.site];
    pool.earn();
    let (mut except, mut fresh, mut tried) = (None, false, 0);
    loop {
        let opened = pin!(open(thread, pool, except, (fresh, asking))).await?;
        let Opened { at, reused, idle, .. } = opened;
        server.set(&pool.servers[at].name);
        let load = Load::of(&pool.servers[at]);
        let result = pin!(attempt(opened)).await;
        drop(load);
        tried += 1;
        if let Err(fault) = &result {
            judge(thread, pool, (at, reused), *fault, progress);
            if let (Fault::Closed, Some(idle)) = (fault, idle) {
                pool.servers[at].ended_after(idle);
            }
        }
        let again = matches!(result, Err(Fault::Closed)) && asking.repeatable && tried < 3;
        if !again || !thread.may_retry(pool) {
            return result;
        }
        except = if reused { except } else { Some(at) };
        fresh = true;
    }
}

/// What a failure says of the server. A kept connection may end as it is used, and what a client does is
/// not the server's; an answer that has begun is one.
fn judge(thread: &Thread, pool: &Pool, (at, reused): (usize, bool), fault: Fault, progress: &Progress) {
    if let Some(reason) = progress.unfit.take() {
        pool.servers[at].health.sent_unfit(reason);
    }
    let is_its_own = fault == Fault::TimedOut || (fault == Fault::Closed && !reused);
    if is_its_own && progress.first_byte.get().is_none() {
        thread.changed(pool.unanswered(at), &pool.servers[at].name);
    }
}

/// Connects to one of the servers that take connections; tries another where one is dead.
async fn open(
    thread: &Thread,
    pool: &Pool,
    mut except: Option<usize>,
    (fresh, asking): (bool, Asking),
) -> Result<Opened, Fault> {
    let mut fault = Fault::NoUpstream;
    for attempt in 0..3 {
        if attempt > 0 && !thread.may_retry(pool) {
            break;
        }
        let Some(at) = pool.choose(except) else { break };
        if !fresh && let Some((link, idle)) = pool.reuse(at, asking) {
            return Ok(Opened { at, link, reused: true, idle });
        }
        match connect(thread, pool, at, asking.upgrade).await {
            Ok(link) => return Ok(Opened { at, link, reused: false, idle: None }),
            Err(failed) => fault = failed,
        }
        except = Some(at);
    }
    Err(fault)
}

async fn connect(thread: &Thread, pool: &Pool, at: usize, upgrade: bool) -> Result<Link, Fault> {
    let server = &pool.servers[at];
    let limit = ms(thread.settings.limits.connect_timeout_ms);
    // Apart, because most exchanges need none, and each would be as large.
    let connect = Box::pin(server.way.connect(upgrade));
    let fault = match tokio::time::timeout(limit, connect).await {
        Ok(Ok(connected)) => {
            server.health.note(None);
            server.health.connected();
            thread.counters.add(Counter::upstream_connections, 1);
            return Ok(pool.begin(at, connected));
        }
        Ok(Err(trouble)) => {
            server.health.note(Some(&trouble));
            Fault::Connect
        }
        Err(_) => Fault::ConnectTimedOut,
    };
    thread.backend(BackendEventKind::ConnectFailed, &server.name);
    thread.changed(server.health.connect_failed(), &server.name);
    Err(fault)
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `reusable`: the connection to the upstream can take another request.
    Complete { reusable: bool },
    /// The upstream speaks another protocol from here.
    Switched,
}

/// What carrying an answer needs to know.
#[derive(Clone, Copy)]
pub struct Download<'a> {
    pub method: Method,
    pub limits: &'a Limits,
    pub stock: &'a Stock,
    pub progress: &'a Progress,
    /// When a request that still waits is counted as such.
    pub slow_at: Instant,
    pub count_slow: &'a dyn Fn(),
    /// Told of the answer's fields, in the buffer that they were read from.
    pub on_head: &'a dyn Fn(&[Field], &[u8]),
    /// Told that the whole answer has been read, where the client takes it more slowly.
    pub on_read: &'a dyn Fn(),
    /// Takes the answer for the cache, where it is wanted there.
    pub taking: &'a RefCell<Option<Taking>>,
    /// There is a stored answer to give in place of an error.
    pub has_instead: bool,
    /// The client has asked for another protocol.
    pub may_switch: bool,
}

impl Download<'_> {
    /// Carries an answer from an upstream to a client.
    ///
    /// # Errors
    /// If either side fails.
    pub async fn run<R: AsyncRead + Unpin, S: Sink>(
        &self,
        upstream: &mut R,
        buffer: &mut Buffer,
        fields: &mut Vec<Field>,
        sink: &mut S,
        alarm: &mut Alarm,
    ) -> Result<End, Fault> {
        let head = loop {
            let head = pin!(self.read_head(upstream, buffer, fields, alarm)).await?;
            if head.status == 101 && !self.may_switch {
                // Nobody asked for it, and what came after it would be seen by nobody (RFC 9110, 7.8).
                return Err(self.unfit(Refusal::with(502, unfit::SWITCH)));
            }
            if head.status >= 200 || head.status == 101 {
                break head;
            }
            // Asked once, the client is not asked again.
            if head.status != 100 || !self.progress.continued.get() {
                sink.interim(buffer.filled(), &head, fields).await?;
                sink.flush(alarm).await?;
            }
            buffer.consume(head.bytes);
        };
        self.progress.status.set(head.status);
        (self.on_head)(fields, buffer.filled());
        if head.status >= 500 && self.has_instead {
            return Err(Fault::Replaced);
        }
        if let Some(taking) = &mut *self.taking.borrow_mut() {
            taking.head(buffer.filled(), &head, fields);
        }
        sink.head(buffer.filled(), &head, fields).await?;
        buffer.consume(head.bytes);
        if head.status == 101 {
            sink.flush(alarm).await?;
            return Ok(End::Switched);
        }
        pin!(self.carry_body(&head, upstream, buffer, sink, alarm)).await?;
        if let Some(taking) = &mut *self.taking.borrow_mut() {
            taking.end();
        }
        let reusable = head.keep_alive && buffer.is_empty();
        Ok(End::Complete { reusable })
    }

    async fn read_head<R: AsyncRead + Unpin>(
        &self,
        upstream: &mut R,
        buffer: &mut Buffer,
        fields: &mut Vec<Field>,
        alarm: &mut Alarm,
    ) -> Result<ResponseHead, Fault> {
        let limits = unfit::LIMITS;
        let mut scanner = Scanner::default();
        loop {
            match scanner.find_end(buffer.filled(), &limits) {
                Err(refusal) => return Err(self.unfit(refusal)),
                Ok(Some(end)) => {
                    return head::response(buffer.filled(), end, self.method, &limits, fields)
                        .map_err(|refusal| self.unfit(refusal));
                }
                Ok(None) => {}
            }
            let began = !buffer.is_empty();
            let n = self.wait(stream::fill(upstream, buffer, limits.head_bytes + 1), alarm).await?;
            match n {
                Ok(n) if n > 0 => {}
                _ if began => return Err(Fault::Broken),
                _ => return Err(Fault::Closed),
            }
            if self.progress.first_byte.get().is_none() {
                self.progress.first_byte.set(Some(Instant::now()));
            }
        }
    }

    /// The answer is not passed on, or not whole.
    fn unfit(&self, refusal: Refusal) -> Fault {
        self.progress.unfit.set(Some(refusal.reason));
        Fault::Broken
    }

    /// Waits for an upstream that owes an answer; counts the request while it waits for long. One
    /// whose client still sends it has not been asked yet.
    async fn wait<F: Future>(&self, future: F, alarm: &mut Alarm) -> Result<F::Output, Fault> {
        let mut future = pin!(future);
        let (mut since, mut slow_at) = (Instant::now(), self.slow_at);
        loop {
            let deadline = since + ms(self.limits.upstream_timeout_ms);
            let counted = self.progress.counted.get();
            let next = if counted { deadline } else { deadline.min(slow_at) };
            match alarm.guard(next, future.as_mut()).await {
                Ok(output) => return Ok(output),
                // While the client still sends, it is not the upstream that is late.
                Err(TooLate) if self.progress.asked.get().is_none() => {
                    since = Instant::now();
                    slow_at = since + ms(SLOW_MS);
                }
                Err(TooLate) if !counted => {
                    self.progress.counted.set(true);
                    (self.count_slow)();
                }
                Err(TooLate) => return Err(Fault::TimedOut),
            }
        }
    }

    async fn carry_body<R: AsyncRead + Unpin, S: Sink>(
        &self,
        head: &ResponseHead,
        upstream: &mut R,
        buffer: &mut Buffer,
        sink: &mut S,
        alarm: &mut Alarm,
    ) -> Result<(), Fault> {
        let mut body = Body::new(head.framing);
        let is_large = match head.framing {
            Framing::Length(bytes) => bytes > BUFFER_BYTES as u64,
            _ => buffer.room(BUFFER_BYTES).is_none(),
        };
        let _place = if is_large { self.stock.enlarge(buffer) } else { None };
        if is_large {
            // What has come meanwhile goes out with the head. An end or an error shows again.
            let limit = buffer.most();
            let _ = poll_once(pin!(stream::fill(upstream, buffer, limit))).await;
        }
        loop {
            match body.step(buffer.filled()).map_err(|refusal| self.unfit(refusal))? {
                Step::Data { start, end } => {
                    let sent = &self.progress.response_bytes;
                    sent.set(sent.get() + (end - start) as u64);
                    if let Some(taking) = &mut *self.taking.borrow_mut() {
                        taking.data(&buffer.filled()[start..end]);
                    }
                    let (data, rest) = (&buffer.filled()[start..end], &buffer.filled()[end..]);
                    self.taken(pin!(sink.data(data, alarm)), || body.ends_in(rest)).await?;
                    buffer.consume(end);
                }
                Step::End { trailers, consumed } => {
                    let trailers = &buffer.filled()[trailers..consumed];
                    self.taken(pin!(sink.end(trailers, alarm)), || true).await?;
                    buffer.consume(consumed);
                    return Ok(());
                }
                Step::More { consumed } => {
                    buffer.consume(consumed);
                    let n = pin!(self.read_more(upstream, buffer, sink, alarm)).await?;
                    if n == 0 && body.ends_with_connection() {
                        return self.taken(pin!(sink.end(b"", alarm)), || true).await;
                    }
                    if n == 0 {
                        return Err(Fault::Broken);
                    }
                }
            }
        }
    }

    /// Hands a part of the answer to the client. Only where it has to be waited for is it looked whether the
    /// upstream has done its work.
    async fn taken<T>(&self, mut handing: Pin<&mut impl Future<Output = T>>, is_all: impl Fn() -> bool) -> T {
        if let Some(output) = poll_once(handing.as_mut()).await {
            return output;
        }
        if is_all() {
            (self.on_read)();
        }
        handing.await
    }

    /// Reads what is there; only where nothing is, what was taken goes out first.
    async fn read_more<R: AsyncRead + Unpin, S: Sink>(
        &self,
        upstream: &mut R,
        buffer: &mut Buffer,
        sink: &mut S,
        alarm: &mut Alarm,
    ) -> Result<usize, Fault> {
        let limit = buffer.most();
        let mut read = pin!(stream::fill(upstream, buffer, limit));
        let read = match poll_once(read.as_mut()).await {
            Some(done) => done,
            None => {
                sink.flush(alarm).await?;
                self.wait(read, alarm).await?
            }
        };
        read.map_err(|_| Fault::Broken)
    }
}

/// Hands a part of a request on, which the upstream must take in time.
///
/// # Errors
/// If it does not.
pub async fn hand_on<W: AsyncWrite + Unpin>(
    upstream: &mut W,
    (first, second): (&[u8], &[u8]),
    limits: &Limits,
    alarm: &mut Alarm,
) -> Result<(), Fault> {
    let deadline = Instant::now() + ms(limits.upstream_timeout_ms);
    match alarm.guard(deadline, stream::write_two(upstream, first, second)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Fault::Closed),
        Err(TooLate) => Err(Fault::TimedOut),
    }
}

/// Polls a future once and says what it has, if it is complete.
pub async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Whether a request of this method may be sent twice (RFC 9110 section 9.2.2).
#[must_use]
pub fn is_idempotent(method: Method) -> bool {
    matches!(
        method,
        Method::Get
            | Method::Head
            | Method::Put
            | Method::Delete
            | Method::Options
            | Method::Trace
            | Method::Propfind
    )
}

/// Whether a request of this method changes nothing (RFC 9110 section 9.2.1).
#[must_use]
pub fn is_safe(method: Method) -> bool {
    matches!(method, Method::Get | Method::Head | Method::Options | Method::Trace | Method::Propfind)
}

/// Microseconds, for records.
#[must_use]
pub fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Runs a download; beside it an upload, whose end alone ends nothing. They come pinned, because
/// both are large, and moving them would cost more than most of what they do.
///
/// # Errors
/// As the first that fails for good.
pub async fn alongside(
    mut download: Pin<&mut impl Future<Output = Result<End, Fault>>>,
    mut upload: Pin<&mut impl Future<Output = Fault>>,
) -> Result<End, Fault> {
    let mut uploading = true;
    loop {
        tokio::select! {
            biased;
            end = &mut download => return end,
            fault = &mut upload, if uploading => match fault {
                // The upstream reads no more; it may have answered already.
                Fault::Closed => uploading = false,
                fault => return Err(fault),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: the last bytes of a body in chunks were waited for without end, with a place at the upstream.
    #[test]
    fn what_an_upstream_does_not_take_in_time_is_given_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let (limits, (mut near, _far)) = (Limits::default(), tokio::io::duplex(4));
            let mut alarm = Alarm::new(Instant::now() + ms(1));
            let began = Instant::now();
            let handed = hand_on(&mut near, (b"0\r\n", b"\r\n"), &limits, &mut alarm).await;
            assert_eq!(handed, Err(Fault::TimedOut));
            assert_eq!(began.elapsed(), ms(limits.upstream_timeout_ms));
        });
    }

    /// A client that takes no byte.
    struct Stuck;

    impl Sink for Stuck {
        async fn interim(&mut self, _: &[u8], _: &ResponseHead, _: &[Field]) -> Result<(), Fault> {
            Ok(())
        }

        async fn head(&mut self, _: &[u8], _: &ResponseHead, _: &[Field]) -> Result<(), Fault> {
            Ok(())
        }

        async fn data(&mut self, _: &[u8], _: &mut Alarm) -> Result<(), Fault> {
            std::future::pending().await
        }

        async fn flush(&mut self, _: &mut Alarm) -> Result<(), Fault> {
            std::future::pending().await
        }

        async fn end(&mut self, _: &[u8], _: &mut Alarm) -> Result<(), Fault> {
            std::future::pending().await
        }
    }

    /// How often it is told that an answer has been read, of which so much has come and nothing is taken.
    async fn times_read(answer: &str) -> u32 {
        let (mut near, mut far) = tokio::io::duplex(BUFFER_BYTES);
        stream::write_two(&mut far, answer.as_bytes(), b"").await.expect("written");
        let (limits, stock, taking) = (Limits::default(), Stock::default(), RefCell::default());
        let (progress, times) = (Progress::default(), Cell::new(0));
        let download = Download {
            method: Method::Get,
            limits: &limits,
            stock: &stock,
            progress: &progress,
            slow_at: Instant::now() + ms(SLOW_MS),
            count_slow: &|| {},
            on_head: &|_, _| {},
            on_read: &|| times.set(times.get() + 1),
            taking: &taking,
            has_instead: false,
            may_switch: false,
        };
        let (mut buffer, mut alarm) = (Buffer::default(), Alarm::new(Instant::now() + ms(1)));
        stock.lend(&mut buffer);
        let (mut fields, mut stuck) = (Vec::new(), Stuck);
        let run = download.run(&mut near, &mut buffer, &mut fields, &mut stuck, &mut alarm);
        assert!(tokio::time::timeout(ms(1), run).await.is_err(), "it is taken");
        times.get()
    }

    /// Broke: a client that read slowly kept its place at the upstream until it had taken the last byte, long
    /// after the upstream had sent it.
    #[test]
    fn an_answer_that_has_been_read_holds_no_place_however_slowly_it_is_taken() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
            for (answer, is_whole) in [
                ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_owned(), true),
                ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello".to_owned(), false),
                ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), true),
                (format!("{chunked}1\r\n!\r\n0\r\n\r\n"), true),
                (format!("{chunked}0\r\nX-Sum: 1\r\n\r\n"), true),
                (format!("{chunked}0\r\n"), false),
                (chunked.to_owned(), false),
            ] {
                assert_eq!(times_read(&answer).await, u32::from(is_whole), "{answer}");
            }
        });
    }
}
