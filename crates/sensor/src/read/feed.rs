//! The bytes of one input as a window that moves over it, read ahead while others work on it.
//!
//! Two buffers take turns. Each keeps room in front, so that the few bytes left over from one are
//! put before what was read into the other, and nothing else is ever copied.

use std::io::{self, Read};
use std::sync::Arc;

/// Room before the bytes of a buffer for what is left of the other.
const HEADROOM_BYTES: usize = 256 * 1024;
/// A buffer grows by at least this much.
const STEP_BYTES: usize = 64 * 1024;

/// A stream and the bytes of it that are not yet used.
pub(super) struct Feed {
    window: Window,
    /// What was read while the window was in use.
    ahead: Window,
    stream: Option<Box<dyn Read + Send>>,
    broken: Option<String>,
    /// Nothing will come after what is in the window.
    ended: bool,
}

/// A buffer of which a part holds bytes.
#[derive(Default)]
struct Window {
    buffer: Arc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Feed {
    pub(super) fn new(stream: Box<dyn Read + Send>) -> Self {
        let (window, ahead) = (Window::default(), Window::default());
        Self { window, ahead, stream: Some(stream), broken: None, ended: false }
    }

    /// Bytes read and not used.
    pub(super) fn bytes(&self) -> &[u8] {
        self.window.bytes()
    }

    /// The buffer that holds [`Feed::bytes`], and where in it they begin. Whoever works on it lets go of it
    /// before more is read into it, or it is copied.
    pub(super) fn shared(&self) -> (Arc<Vec<u8>>, usize) {
        (Arc::clone(&self.window.buffer), self.window.start)
    }

    /// At most `limit` bytes read and not used, and whether they are the last of the stream. How
    /// much was read ahead depends on the threads; what is worked on at once must not.
    pub(super) fn head(&self, limit: usize) -> (&[u8], bool) {
        let bytes = self.bytes();
        match bytes.get(..limit) {
            Some(head) if limit < bytes.len() => (head, false),
            _ => (bytes, self.ended),
        }
    }

    /// Marks the first `count` bytes as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.window.start = (self.window.start + count).min(self.window.end);
    }

    /// Reads until `wanted` bytes are there or the stream ends. Moves the bytes.
    pub(super) fn fill(&mut self, wanted: usize) {
        if self.ahead.bytes().is_empty() {
            self.window.move_to_front();
        } else if self.ahead.prepend(self.window.bytes()) {
            std::mem::swap(&mut self.window, &mut self.ahead);
            self.ahead.clear();
        } else {
            self.window.append(self.ahead.bytes());
            self.ahead.clear();
        }
        let missing = wanted.saturating_sub(self.window.bytes().len());
        // The first window takes over nothing, so that a short input costs little.
        self.window.read(&mut self.stream, missing, 0, &mut self.broken);
        self.ended = self.stream.is_none();
    }

    /// Reads ahead, so that `wanted` bytes will be there when as many of the window are used.
    pub(super) fn read_ahead(&mut self, wanted: usize) {
        let spare = self.bytes().len().saturating_sub(wanted);
        let missing = wanted.saturating_sub(spare + self.ahead.bytes().len());
        self.ahead.read(&mut self.stream, missing, HEADROOM_BYTES, &mut self.broken);
    }

    /// Whether everything was read: what is in the window is all that is left.
    pub(super) fn at_end(&self) -> bool {
        self.ended
    }

    /// Why the stream ended early, if it did.
    pub(super) fn broken(&self) -> Option<String> {
        self.broken.clone()
    }
}

impl Window {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Puts bytes before those held. `false` if there is no room.
    fn prepend(&mut self, bytes: &[u8]) -> bool {
        let Some(start) = self.start.checked_sub(bytes.len()) else { return false };
        Arc::make_mut(&mut self.buffer)[start..self.start].copy_from_slice(bytes);
        self.start = start;
        true
    }

    fn append(&mut self, bytes: &[u8]) {
        let buffer = Arc::make_mut(&mut self.buffer);
        buffer.truncate(self.end);
        buffer.extend_from_slice(bytes);
        self.end = buffer.len();
    }

    /// Moves the bytes to where those of an empty window begin.
    fn move_to_front(&mut self) {
        let length = self.end - self.start;
        let front = HEADROOM_BYTES.min(self.start);
        if front == self.start {
            return;
        }
        Arc::make_mut(&mut self.buffer).copy_within(self.start..self.end, front);
        (self.start, self.end) = (front, front + length);
    }

    /// Reads `count` more bytes, if there are as many; an empty window keeps so much room in front.
    fn read(
        &mut self,
        stream: &mut Option<Box<dyn Read + Send>>,
        count: usize,
        headroom_bytes: usize,
        broken: &mut Option<String>,
    ) {
        let buffer = Arc::make_mut(&mut self.buffer);
        if self.end == 0 {
            (self.start, self.end) = (headroom_bytes, headroom_bytes);
            buffer.resize(buffer.len().max(headroom_bytes), 0);
        }
        let until = self.end + count;
        while let Some(open) = stream.as_mut().filter(|_| self.end < until) {
            if self.end == buffer.len() {
                // Grows with what comes, so that a short input costs little.
                let grown = (buffer.len() * 2).max(self.end + STEP_BYTES);
                buffer.resize(grown.min(until), 0);
            }
            let room = until.min(buffer.len());
            match open.read(&mut buffer[self.end..room]) {
                Ok(0) => *stream = None,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    *broken = Some(e.to_string());
                    *stream = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_once_and_in_order() {
        let whole: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
        for (wanted, used, ahead) in
            [(1 << 20, 1 << 19, true), (500_000, 499_000, false), (900_000, 50_000, true)]
        {
            let mut feed = Feed::new(Box::new(io::Cursor::new(whole.clone())));
            let mut got = Vec::new();
            for round in 0.. {
                feed.fill(wanted.max(feed.bytes().len() + 1));
                let count = used.min(feed.bytes().len());
                if ahead && round % 3 != 0 {
                    feed.read_ahead(wanted);
                }
                got.extend_from_slice(&feed.bytes()[..count]);
                feed.consume(count);
                if feed.at_end() {
                    got.extend_from_slice(feed.bytes());
                    break;
                }
            }
            assert!(got == whole, "wanted {wanted}, used {used}");
            assert_eq!(feed.broken(), None);
        }
    }
}
