//! Counts the frames of an HTTP/2 client as they come in, and ends the connection when they are
//! more than any use of it asks for.
//!
//! The protocol lets a client send frames that cost the server work and nothing else. Floods of
//! them brought servers down: CVE-2019-9511 to 9518 (empty frames, PING, SETTINGS, PRIORITY,
//! resets), CVE-2023-44487 (rapid reset), CVE-2024-27316 (CONTINUATION). Each is held to a
//! number here, before the frames are decoded.

use crate::counters::Counter;
use crate::settings::Limits;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// `PRI * HTTP/2.0` and so on (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24;
const FRAME_HEAD_BYTES: usize = 9;
/// Time over which frames are counted.
const SPAN: Duration = Duration::from_secs(10);
/// So much data sent earns a client one frame without content: its windows must be kept open.
const BYTES_PER_CONTROL: usize = 2_048;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a guard has seen, for those who serve the connection.
#[derive(Debug, Default)]
pub struct Watch {
    broken: Cell<Option<Counter>>,
    head_since: Cell<Option<Instant>>,
}

impl Watch {
    /// The limit that was broken, if one was.
    #[must_use]
    pub fn broken(&self) -> Option<Counter> {
        self.broken.get()
    }

    /// Since when a header block has been incomplete.
    #[must_use]
    pub fn head_since(&self) -> Option<Instant> {
        self.head_since.get()
    }
}

/// A stream whose incoming frames are counted.
#[derive(Debug)]
pub struct FrameGuard<S> {
    inner: S,
    frames: Frames,
}

#[derive(Debug)]
struct Frames {
    watch: Rc<Watch>,
    skip: usize,
    head: [u8; FRAME_HEAD_BYTES],
    head_bytes: usize,
    /// The frame whose content is being passed over ends a header block.
    ends_head: bool,
    since: Instant,
    resets: u64,
    control: u64,
    continuations: u64,
    sent: usize,
    most_resets: u64,
    most_control: u64,
    most_continuations: u64,
}

impl<S> FrameGuard<S> {
    pub fn new(inner: S, limits: &Limits, watch: Rc<Watch>) -> Self {
        let frames = Frames {
            watch,
            skip: PREFACE_BYTES,
            head: [0; FRAME_HEAD_BYTES],
            head_bytes: 0,
            ends_head: false,
            since: Instant::now(),
            resets: 0,
            control: 0,
            continuations: 0,
            sent: 0,
            most_resets: limits.http2_resets,
            most_control: limits.http2_control_frames,
            most_continuations: limits.http2_continuations,
        };
        Self { inner, frames }
    }
}

impl Frames {
    /// Passes over bytes that came in.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Counter> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if self.skip > 0 {
                return Ok(());
            }
            if std::mem::take(&mut self.ends_head) {
                self.watch.head_since.set(None);
            }
            let wanted = (FRAME_HEAD_BYTES - self.head_bytes).min(bytes.len());
            self.head[self.head_bytes..self.head_bytes + wanted].copy_from_slice(&bytes[..wanted]);
            self.head_bytes += wanted;
            bytes = &bytes[wanted..];
            if self.head_bytes < FRAME_HEAD_BYTES {
                return Ok(());
            }
            self.head_bytes = 0;
            self.frame()?;
            if bytes.is_empty() && self.skip > 0 {
                return Ok(());
            }
        }
    }

    fn frame(&mut self) -> Result<(), Counter> {
        let [a, b, c, kind, flags, ..] = self.head;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.skip = length;
        match kind {
            HEADERS | CONTINUATION => {
                self.continuations = if kind == HEADERS { 0 } else { self.continuations + 1 };
                if self.continuations > self.most_continuations {
                    return Err(Counter::http2_continuations);
                }
                if self.watch.head_since.get().is_none() {
                    self.watch.head_since.set(Some(Instant::now()));
                }
                self.ends_head = flags & END_HEADERS != 0;
                if length > 0 { self.carried() } else { self.idle() }
            }
            DATA if length > 0 || flags & END_STREAM != 0 => self.carried(),
            RST_STREAM => {
                self.resets += 1;
                if self.resets > self.most_resets && !self.renew() {
                    Err(Counter::http2_resets)
                } else {
                    Ok(())
                }
            }
            _ => self.idle(),
        }
    }

    /// A frame that carries something makes up for one that does not.
    fn carried(&mut self) -> Result<(), Counter> {
        self.control = self.control.saturating_sub(1);
        Ok(())
    }

    fn idle(&mut self) -> Result<(), Counter> {
        self.control += 1;
        if self.control > self.most_control && !self.renew() {
            return Err(Counter::http2_control_frames);
        }
        Ok(())
    }

    /// Begins a new count if the span of the present one is over.
    fn renew(&mut self) -> bool {
        let now = Instant::now();
        if now - self.since < SPAN {
            return false;
        }
        (self.since, self.resets, self.control) = (now, 0, 0);
        true
    }

    fn earned(&mut self, bytes: usize) {
        self.sent += bytes;
        self.control = self.control.saturating_sub((self.sent / BYTES_PER_CONTROL) as u64);
        self.sent %= BYTES_PER_CONTROL;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameGuard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, out))?;
        if let Err(counter) = this.frames.pass(&out.filled()[before..]) {
            this.frames.watch.broken.set(Some(counter));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, counter.name())));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameGuard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(context, bytes))?;
        this.frames.earned(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(context, pieces))?;
        this.frames.earned(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, (content.len() >> 8) as u8, content.len() as u8, kind, flags, 0, 0, 0, 1];
        bytes.extend_from_slice(content);
        bytes
    }

    /// What frames in pieces of `piece` bytes end in.
    fn passed(frames: &[Vec<u8>], piece: usize) -> Result<(), Counter> {
        let limits = Limits {
            http2_resets: 5,
            http2_control_frames: 10,
            http2_continuations: 3,
            ..Default::default()
        };
        let mut guard = FrameGuard::new((), &limits, Rc::default());
        let bytes = [vec![b'P'; PREFACE_BYTES], frames.concat()].concat();
        bytes.chunks(piece).try_for_each(|part| guard.frames.pass(part))
    }

    fn in_runtime(test: impl Fn()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("runtime").block_on(async { test() });
    }

    #[test]
    fn floods_of_each_kind_are_cut_however_they_are_split() {
        in_runtime(|| {
            for piece in [1, 7, 4096] {
                let resets: Vec<_> = (0..6).flat_map(|_| [frame(1, 5, b"x"), frame(3, 0, &[0; 4])]).collect();
                assert_eq!(passed(&resets, piece), Err(Counter::http2_resets));
                for (kind, content) in [(6, &[0; 8][..]), (4, b""), (2, &[0; 5]), (8, &[0; 4]), (0, b"")] {
                    let flood = vec![frame(kind, 0, content); 11];
                    assert_eq!(passed(&flood, piece), Err(Counter::http2_control_frames), "kind {kind}");
                    assert_eq!(passed(&flood[..10], piece), Ok(()), "kind {kind}");
                }
                let continued = [vec![frame(1, 0, b"x")], vec![frame(9, 0, b"x"); 4]].concat();
                assert_eq!(passed(&continued, piece), Err(Counter::http2_continuations));
            }
        });
    }

    #[test]
    fn a_client_that_keeps_its_windows_open_is_no_flood() {
        in_runtime(|| {
            let mut guard = FrameGuard::new(
                (),
                &Limits { http2_control_frames: 10, ..Default::default() },
                Rc::default(),
            );
            guard.frames.skip = 0;
            for _ in 0..1000 {
                guard.frames.earned(16_384);
                let updates = [frame(8, 0, &[0; 4]), frame(8, 0, &[0; 4])].concat();
                assert_eq!(guard.frames.pass(&updates), Ok(()));
            }
        });
    }

    #[test]
    fn an_incomplete_header_block_is_timed_from_its_first_byte() {
        in_runtime(|| {
            let watch = Rc::<Watch>::default();
            let mut guard = FrameGuard::new((), &Limits::default(), Rc::clone(&watch));
            guard.frames.skip = 0;
            let bytes = [frame(1, 0, b"ab"), frame(9, 4, b"cd")].concat();
            guard.frames.pass(&bytes[..bytes.len() - 1]).expect("within limits");
            assert!(watch.head_since().is_some());
            guard.frames.pass(&bytes[bytes.len() - 1..]).expect("within limits");
            assert!(watch.head_since().is_none());
        });
    }
}
