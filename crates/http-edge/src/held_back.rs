//! Bodies that are held back. Whoever sends a body a byte at a time must not have a place at the
//! upstream meanwhile: a request waits for its body at our door. In calm times that is true of bodies
//! that say how long they are and fit one buffer; longer ones, and those of no known length, stream.
//! While many clients are slow, of these a whole buffer must be there first.

use crate::alarm::{Alarm, Pace, TooLate};
use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::exchange::Fault;
use crate::http1::head::RequestHead;
use crate::http1::{Body, Framing, Step};
use crate::job::Job;
use crate::settings::{Limits, ms};
use crate::stream::{self, Stream};
use crate::waiting::Waiting;
use seawall_model::observation::ConnectionEvent;
use std::future::Future;
use std::pin::Pin;
use tokio::time::Instant;

/// A wait for a body, before its request is let through.
pub type BodyWait<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + 'a>>;

/// Bytes of its body that must be there before a request goes on, unless it is whole before.
#[must_use]
pub fn wanted_bytes(head: &RequestHead, is_crowd: bool) -> usize {
    match head.framing {
        Framing::None | Framing::ToEnd => 0,
        // It waits to be asked for it.
        _ if head.expects_continue && !is_crowd => 0,
        Framing::Length(length) if length <= BUFFER_BYTES as u64 => length as usize,
        _ if is_crowd => BUFFER_BYTES,
        _ => 0,
    }
}

/// A client that is waited for, and for how long.
pub struct Patience<'a> {
    job: &'a Job<'a>,
    pace: Pace,
    alarm: Alarm,
    waiting: Waiting<'a>,
}

impl<'a> Patience<'a> {
    #[must_use]
    pub fn new(job: &'a Job<'a>, limits: &Limits) -> Self {
        Self {
            job,
            pace: Pace::new(limits),
            alarm: Alarm::new(Instant::now() + ms(limits.rate_grace_ms)),
            waiting: Waiting::new(job.thread, job.origin, ConnectionEvent::SlowRequest),
        }
    }

    /// Whether the client waits to be asked for its body, which only who holds it back can do: the
    /// upstream knows of no request yet. True once.
    #[must_use]
    pub fn is_to_ask(&self) -> bool {
        self.job.head.expects_continue && !self.job.progress.continued.replace(true)
    }

    /// Waits for what the client does next; `bytes` says how much of that it was.
    ///
    /// # Errors
    /// If it is too slow.
    pub async fn wait<T>(
        &mut self,
        future: impl Future<Output = T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Result<T, Fault> {
        let began = Instant::now();
        let waited = self.waiting.client((self.pace, began), &mut self.alarm, future).await;
        let output = waited.map_err(|TooLate| Fault::ClientSlow)?;
        self.pace.moved(began.elapsed(), bytes(&output));
        Ok(output)
    }
}

/// Waits until as much of a body as is wanted is in the input of an HTTP/1 client.
///
/// # Errors
/// If the client is too slow, goes away, or sends what is no body.
pub async fn in_input(
    stream: &mut Stream,
    input: &mut Buffer,
    (framing, wanted): (Framing, usize),
    mut patience: Patience<'_>,
) -> Result<(), Fault> {
    let (mut body, mut seen) = (Body::new(framing), 0);
    loop {
        loop {
            match body.step(&input.filled()[seen..]).map_err(Fault::ClientBad)? {
                Step::Data { end, .. } => seen += end,
                Step::End { .. } => return Ok(()),
                Step::More { consumed } => {
                    seen += consumed;
                    break;
                }
            }
        }
        if input.filled().len() >= wanted {
            return Ok(());
        }
        if patience.is_to_ask() {
            let ask = stream::write_two(stream, b"HTTP/1.1 100 Continue\r\n\r\n", b"");
            patience.wait(ask, |_| 0).await?.map_err(|_| Fault::ClientGone)?;
        }
        let read = stream::fill(stream, input, BUFFER_BYTES);
        match patience.wait(read, |read| read.as_ref().map_or(0, |n| *n)).await? {
            Ok(n) if n > 0 => {}
            _ => return Err(Fault::ClientGone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{HeadLimits, head};

    #[test]
    fn short_bodies_are_waited_for_and_long_ones_only_in_a_crowd_of_slow_clients() {
        let limits = HeadLimits { head_bytes: 1_000, target_bytes: 100, fields: 10 };
        let wanted = |fields: &str| {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let head = head::request(text.as_bytes(), text.len(), &limits, &mut Vec::new()).expect("a head");
            (wanted_bytes(&head, false), wanted_bytes(&head, true))
        };
        assert_eq!(wanted(""), (0, 0));
        assert_eq!(wanted("Content-Length: 8000\r\n"), (8_000, 8_000));
        assert_eq!(wanted("Content-Length: 8000\r\nExpect: 100-continue\r\n"), (0, 8_000));
        assert_eq!(wanted("Content-Length: 900000\r\n"), (0, BUFFER_BYTES));
        assert_eq!(wanted("Transfer-Encoding: chunked\r\n"), (0, BUFFER_BYTES));
    }
}
