//! Clients that are waited for: those that have said nothing yet, and those that are slow to send or
//! to take. Each holds little, and each alone is nothing to tell of before its deadline; where most
//! connections are of that kind, it is what is wrong, and each is told of at once.

use crate::alarm::{Alarm, Pace, TooLate};
use crate::gate::Gate;
use crate::job::Origin;
use crate::thread::Thread;
use seawall_model::observation::ConnectionEvent;
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use tokio::time::Instant;

/// A new connection counts as silent after this.
pub const SILENT_MS: u64 = 500;

/// A connection on which nothing has been said yet, for as long as this lives.
pub struct Unheard<'a>(&'a Gate);

impl<'a> Unheard<'a> {
    #[must_use]
    pub fn begin(gate: &'a Gate) -> Self {
        gate.unheard();
        Self(gate)
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        self.0.heard();
    }
}

/// A connection counts as silent for as long as this lives.
pub struct Silence<'a>(&'a Thread);

impl<'a> Silence<'a> {
    /// Tells of the connection where it is one of a crowd.
    pub fn begin(thread: &'a Thread, origin: &Origin) -> Self {
        if thread.gate.silent() {
            thread.connection(ConnectionEvent::Established, origin.peer, origin.local);
            thread.connection(ConnectionEvent::Idle, origin.peer, origin.local);
        }
        Self(thread)
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        self.0.gate.silent_no_more();
    }
}

/// One side of an exchange, on which a client is waited for.
pub struct Waiting<'a> {
    thread: &'a Thread,
    origin: &'a Origin,
    /// What it is told of as.
    event: ConnectionEvent,
    is_slow: Cell<bool>,
    is_told: Cell<bool>,
}

impl<'a> Waiting<'a> {
    #[must_use]
    pub fn new(thread: &'a Thread, origin: &'a Origin, event: ConnectionEvent) -> Self {
        Self { thread, origin, event, is_slow: Cell::new(false), is_told: Cell::new(false) }
    }

    /// Waits for the client for as long as its pace allows.
    ///
    /// # Errors
    /// If it is too slow.
    pub async fn client<F: Future>(
        &self,
        (pace, began): (Pace, Instant),
        alarm: &mut Alarm,
        future: F,
    ) -> Result<F::Output, TooLate> {
        let deadline = pace.deadline(began);
        let mut future = pin!(future);
        if !self.is_slow.get() {
            match alarm.guard(pace.slow_at(began).min(deadline), future.as_mut()).await {
                Ok(output) => return Ok(output),
                Err(TooLate) => self.slow(),
            }
        }
        alarm.guard(deadline, future).await
    }

    /// The client counts as slow from now on, and is told of where many are.
    pub fn slow(&self) {
        if !self.is_slow.replace(true) && self.thread.gate.slow() {
            self.thread.connection(ConnectionEvent::Established, self.origin.peer, self.origin.local);
            self.tell();
        }
    }

    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.is_slow.get()
    }

    /// The client is told of as slow, if it has not been yet.
    pub fn tell(&self) {
        if !self.is_told.replace(true) {
            self.thread.connection(self.event, self.origin.peer, self.origin.local);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_slow.get() {
            self.thread.gate.slow_no_more();
        }
    }
}
