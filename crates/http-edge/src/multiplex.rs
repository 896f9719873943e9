//! One task for a whole HTTP/2 connection: it reads what has come, lets the requests go on about
//! which something is new, and writes what they said in one piece.
//!
//! The requests are futures in slots whose memory is used again, each with a waker of its own, so
//! that an event costs what its request does, and not what all of them do.

use crate::alarm::Pace;
use crate::buffer::{Buffer, Stock};
use crate::http2::frame::{CONTENT_BYTES, HEAD_BYTES};
use crate::http2::{Broken, Connection};
use crate::settings::Limits;
use crate::stream;
use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// Rounds of reading, working and writing before other connections have their turn.
const ROUNDS: usize = 8;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client has gone.
    Closed,
    /// All has been said.
    Over,
    /// The client broke the protocol or a limit.
    Broken(Broken),
}

/// A connection and its requests. `M` makes the future of the request in a slot.
pub struct Multiplex<'a, S, M, F> {
    stream: S,
    connection: &'a RefCell<Connection>,
    stock: &'a Stock,
    input: Buffer,
    make: M,
    running: Vec<Pin<Box<Option<F>>>>,
    wakers: Vec<Waker>,
    flags: Arc<[AtomicU64]>,
    task: Waker,
    turn: Vec<usize>,
    /// The slot that goes first, so that all come to write in turn.
    first: usize,
    pace: Pace,
    /// Since when the client has taken nothing of what waits for it.
    blocked: Option<Instant>,
    must_flush: bool,
}

/// Wakes the connection's task for one of its requests.
struct SlotWaker {
    at: usize,
    flags: Arc<[AtomicU64]>,
    task: Waker,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let bit = 1 << (self.at % 64);
        let before = self.flags[self.at / 64].fetch_or(bit, Ordering::AcqRel);
        if before & bit == 0 {
            self.task.wake_by_ref();
        }
    }
}

impl<'a, S, M, F> Multiplex<'a, S, M, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: FnMut(usize) -> F,
    F: Future<Output = ()>,
{
    pub fn new(
        stream: S,
        connection: &'a RefCell<Connection>,
        stock: &'a Stock,
        limits: &Limits,
        make: M,
    ) -> Self {
        let words = usize::try_from(limits.http2_streams.div_ceil(64)).unwrap_or(1);
        Self {
            stream,
            connection,
            stock,
            input: Buffer::default(),
            make,
            running: Vec::new(),
            wakers: Vec::new(),
            flags: (0..words).map(|_| AtomicU64::new(0)).collect(),
            task: Waker::noop().clone(),
            turn: Vec::new(),
            first: 0,
            pace: Pace::new(limits),
            blocked: None,
            must_flush: false,
        }
    }

    /// Does what can be done now. Ready when the connection has ended.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.keep_task(context.waker());
        let mut may_read = true;
        for _ in 0..ROUNDS {
            if may_read && self.connection.borrow().wants_more() {
                match self.read(context) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(end)) => return Poll::Ready(end),
                    Poll::Pending => may_read = false,
                }
            }
            self.work();
            if self.write(context).is_err() {
                return Poll::Ready(End::Closed);
            }
            let connection = self.connection.borrow();
            if connection.is_over() {
                return Poll::Ready(End::Over);
            }
            let goes_on = connection.streams.has_woken() || (may_read && connection.wants_more());
            if !goes_on {
                drop(connection);
                self.rest();
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// When the client must have taken something of what waits for it.
    pub fn deadline(&self) -> Option<Instant> {
        self.blocked.map(|since| self.pace.deadline(since))
    }

    /// Gives back what an idle connection does not need.
    pub fn shrink(&mut self) {
        let mut connection = self.connection.borrow_mut();
        if connection.streams.open() == 0 {
            connection.streams.shrink();
            (self.running, self.wakers, self.turn) = Default::default();
        }
    }

    /// Lets the requests come to an end for which nobody waits any more.
    pub fn poll_leftovers(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.keep_task(context.waker());
        self.connection.borrow_mut().end();
        self.work();
        let is_done = self.connection.borrow().streams.open() == 0;
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Writes what is left, and closes for writing.
    pub fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.write(context) {
            Ok(true) => Pin::new(&mut self.stream).poll_shutdown(context).map(|_| ()),
            Ok(false) => Poll::Pending,
            Err(_) => Poll::Ready(()),
        }
    }

    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    fn read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.stock.lend(&mut self.input);
        let read = {
            let fill = pin!(stream::fill(&mut self.stream, &mut self.input, HEAD_BYTES + CONTENT_BYTES));
            std::task::ready!(fill.poll(context))
        };
        if !matches!(read, Ok(n) if n > 0) {
            return Poll::Ready(Err(End::Closed));
        }
        let taken = self.connection.borrow_mut().receive(self.input.filled(), Instant::now());
        Poll::Ready(taken.map(|n| self.input.consume(n)).map_err(End::Broken))
    }

    /// Lets every request go on about which something is new.
    fn work(&mut self) {
        let mut turn = std::mem::take(&mut self.turn);
        turn.clear();
        self.connection.borrow_mut().streams.take_woken(&mut turn);
        for (word, flags) in self.flags.iter().enumerate() {
            let mut bits =
                if flags.load(Ordering::Relaxed) == 0 { 0 } else { flags.swap(0, Ordering::AcqRel) };
            while bits != 0 {
                turn.push(word * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
        turn.sort_unstable();
        turn.dedup();
        let split = turn.partition_point(|at| *at < self.first);
        for at in turn[split..].iter().chain(&turn[..split]) {
            self.step(*at);
        }
        self.first = if self.first >= self.running.len() { 0 } else { self.first + 1 };
        self.turn = turn;
    }

    fn step(&mut self, at: usize) {
        while self.running.len() <= at {
            self.wakers.push(self.waker(self.running.len()));
            self.running.push(Box::pin(None));
        }
        let future = &mut self.running[at];
        if future.is_none() {
            // It may have been reset before it was taken up.
            if !self.connection.borrow().streams.slot(at).is_some_and(|s| s.is_new) {
                return;
            }
            future.set(Some((self.make)(at)));
        }
        let mut context = Context::from_waker(&self.wakers[at]);
        let is_done = future.as_mut().as_pin_mut().is_none_or(|f| f.poll(&mut context).is_ready());
        if is_done {
            future.set(None);
            self.connection.borrow_mut().release(at);
        }
    }

    /// Writes what waits; whether all of it has gone.
    fn write(&mut self, context: &mut Context<'_>) -> std::io::Result<bool> {
        let mut connection = self.connection.borrow_mut();
        while !connection.outgoing().is_empty() {
            let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, connection.outgoing())
            else {
                self.blocked.get_or_insert_with(Instant::now);
                return Ok(false);
            };
            let n = written?;
            if n == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            connection.gone_out(n);
            self.must_flush = true;
            self.moved(n);
        }
        if self.must_flush {
            if Pin::new(&mut self.stream).poll_flush(context)?.is_pending() {
                self.blocked.get_or_insert_with(Instant::now);
                return Ok(false);
            }
            self.must_flush = false;
            self.moved(0);
        }
        Ok(true)
    }

    /// The client has taken bytes, which earn it time.
    fn moved(&mut self, bytes: usize) {
        let waited = self.blocked.take().map(|since| since.elapsed()).unwrap_or_default();
        self.pace.moved(waited, bytes);
    }

    /// Holds no buffers while there is nothing in them.
    fn rest(&mut self) {
        self.stock.take_back(&mut self.input);
        if let Some(out) = self.connection.borrow_mut().take_out() {
            self.stock.keep(out);
        }
    }

    fn keep_task(&mut self, task: &Waker) {
        let stock = self.stock;
        self.connection.borrow_mut().lend_out(|| stock.vector());
        if self.task.will_wake(task) {
            return;
        }
        self.task = task.clone();
        self.wakers = (0..self.running.len()).map(|at| self.waker(at)).collect();
        // They may have been woken while nobody was told.
        for at in 0..self.running.len() {
            self.flags[at / 64].fetch_or(1 << (at % 64), Ordering::AcqRel);
        }
    }

    fn waker(&self, at: usize) -> Waker {
        let (flags, task) = (Arc::clone(&self.flags), self.task.clone());
        Waker::from(Arc::new(SlotWaker { at, flags, task }))
    }
}
