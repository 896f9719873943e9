//! Counts the frames of a client, and says when they are more than any use of it asks for.
//!
//! The protocol lets a client send frames that cost the server work and nothing else. Floods of
//! them brought servers down: CVE-2019-9511 to 9518 (empty frames, PING, SETTINGS, PRIORITY,
//! resets), CVE-2023-44487 (rapid reset), CVE-2024-27316 (CONTINUATION), CVE-2025-8671 (resets
//! that the client makes the server send). Each is held to a number here.

use super::frame::{self, Head};
use crate::counters::Counter;
use crate::settings::Limits;
use std::time::Duration;
use tokio::time::Instant;

/// Time over which frames are counted.
const SPAN: Duration = Duration::from_secs(10);
/// So much data sent earns a client one frame without content: its windows must be kept open.
const BYTES_PER_CONTROL: usize = 2_048;

#[derive(Debug)]
pub struct Flood {
    since: Instant,
    resets: u64,
    control: u64,
    continuations: u64,
    sent: usize,
    most_resets: u64,
    most_control: u64,
    most_continuations: u64,
}

impl Flood {
    #[must_use]
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            since: now,
            resets: 0,
            control: 0,
            continuations: 0,
            sent: 0,
            most_resets: limits.http2_resets,
            most_control: limits.http2_control_frames,
            most_continuations: limits.http2_continuations,
        }
    }

    /// Counts a frame by its head.
    ///
    /// # Errors
    /// With the limit that it breaks.
    pub fn frame(&mut self, head: &Head, now: Instant) -> Result<(), Counter> {
        match head.kind {
            frame::HEADERS | frame::CONTINUATION => {
                self.continuations = if head.kind == frame::HEADERS { 0 } else { self.continuations + 1 };
                if self.continuations > self.most_continuations {
                    return Err(Counter::http2_continuations);
                }
                if head.length > 0 {
                    self.carried();
                    return Ok(());
                }
                self.idle(now)
            }
            frame::DATA if head.length > 0 || head.has(frame::END_STREAM) => {
                self.carried();
                Ok(())
            }
            frame::RST_STREAM => self.reset(now),
            _ => self.idle(now),
        }
    }

    /// Counts a stream that was reset: by the client, or by us for what the client did.
    ///
    /// # Errors
    /// If they are too many.
    pub fn reset(&mut self, now: Instant) -> Result<(), Counter> {
        self.resets += 1;
        let is_flood = self.resets > self.most_resets && !self.renew(now);
        if is_flood { Err(Counter::http2_resets) } else { Ok(()) }
    }

    /// Counts bytes that were sent to the client.
    pub fn earned(&mut self, bytes: usize) {
        self.sent += bytes;
        self.control = self.control.saturating_sub((self.sent / BYTES_PER_CONTROL) as u64);
        self.sent %= BYTES_PER_CONTROL;
    }

    /// A frame that carries something makes up for one that does not.
    fn carried(&mut self) {
        self.control = self.control.saturating_sub(1);
    }

    fn idle(&mut self, now: Instant) -> Result<(), Counter> {
        self.control += 1;
        let is_flood = self.control > self.most_control && !self.renew(now);
        if is_flood { Err(Counter::http2_control_frames) } else { Ok(()) }
    }

    /// Begins a new count if the span of the present one is over.
    fn renew(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) < SPAN {
            return false;
        }
        (self.since, self.resets, self.control) = (now, 0, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: u8, flags: u8, length: usize) -> Head {
        Head { length, kind, flags, stream: 1 }
    }

    fn flood() -> (Flood, Instant) {
        let limits = Limits {
            http2_resets: 5,
            http2_control_frames: 10,
            http2_continuations: 3,
            ..Default::default()
        };
        let now = Instant::now();
        (Flood::new(&limits, now), now)
    }

    fn passed(frames: &[Head]) -> Result<(), Counter> {
        let (mut flood, now) = flood();
        frames.iter().try_for_each(|head| flood.frame(head, now))
    }

    #[test]
    fn floods_of_each_kind_are_told() {
        let resets: Vec<_> = (0..6).flat_map(|_| [head(1, 5, 1), head(3, 0, 4)]).collect();
        assert_eq!(passed(&resets), Err(Counter::http2_resets));
        for (kind, length) in [(6, 8), (4, 0), (2, 5), (8, 4), (0, 0), (1, 0)] {
            let flood = [head(kind, 0, length); 11];
            assert_eq!(passed(&flood), Err(Counter::http2_control_frames), "kind {kind}");
            assert_eq!(passed(&flood[..10]), Ok(()), "kind {kind}");
        }
        let continued = [&[head(1, 0, 1)][..], &[head(9, 0, 1); 4]].concat();
        assert_eq!(passed(&continued), Err(Counter::http2_continuations));
    }

    #[test]
    fn a_client_that_keeps_its_windows_open_is_no_flood() {
        let (mut flood, now) = flood();
        for _ in 0..1000 {
            flood.earned(16_384);
            assert_eq!(flood.frame(&head(8, 0, 4), now), Ok(()));
            assert_eq!(flood.frame(&head(8, 0, 4), now), Ok(()));
        }
    }

    #[test]
    fn resets_are_counted_anew_after_their_span() {
        let (mut flood, now) = flood();
        for after in 0..10 {
            let then = now + SPAN * after;
            assert!((0..5).all(|_| flood.reset(then).is_ok()), "span {after}");
        }
    }
}
