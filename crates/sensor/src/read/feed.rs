//! The bytes of one input as a growing buffer, read ahead while the last ones are worked on.

use std::io::{self, Read};
use std::sync::Mutex;

/// A stream and the bytes of it that are not yet used.
pub(super) struct Feed {
    buffer: Vec<u8>,
    used: usize,
    ahead: Mutex<Ahead>,
}

/// What was read while the buffer was in use.
struct Ahead {
    stream: Option<Box<dyn Read + Send>>,
    bytes: Vec<u8>,
    broken: Option<String>,
}

impl Feed {
    pub(super) fn new(stream: Box<dyn Read + Send>) -> Self {
        let ahead = Ahead { stream: Some(stream), bytes: Vec::new(), broken: None };
        Self { buffer: Vec::new(), used: 0, ahead: Mutex::new(ahead) }
    }

    /// Bytes read and not used.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.used..]
    }

    /// Marks the first `count` bytes as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.used = (self.used + count).min(self.buffer.len());
    }

    /// Reads until `wanted` bytes are there or the stream ends. Moves the bytes.
    pub(super) fn fill(&mut self, wanted: usize) {
        self.buffer.drain(..self.used);
        self.used = 0;
        let Ok(ahead) = self.ahead.get_mut() else { return };
        self.buffer.append(&mut ahead.bytes);
        let missing = wanted.saturating_sub(self.buffer.len());
        ahead.read(missing);
        if self.buffer.is_empty() {
            std::mem::swap(&mut self.buffer, &mut ahead.bytes);
        } else {
            self.buffer.append(&mut ahead.bytes);
        }
    }

    /// Reads ahead up to `wanted` bytes, from any thread.
    pub(super) fn read_ahead(&self, wanted: usize) {
        if let Ok(mut ahead) = self.ahead.lock() {
            let missing = wanted.saturating_sub(ahead.bytes.len());
            ahead.read(missing);
        }
    }

    /// Whether everything was read: what is in the buffer is all that is left.
    pub(super) fn at_end(&mut self) -> bool {
        self.ahead.get_mut().is_ok_and(|ahead| ahead.stream.is_none() && ahead.bytes.is_empty())
    }

    /// Why the stream ended early, if it did.
    pub(super) fn broken(&mut self) -> Option<String> {
        self.ahead.get_mut().ok().and_then(|ahead| ahead.broken.clone())
    }
}

impl Ahead {
    fn read(&mut self, count: usize) {
        let Some(stream) = self.stream.as_mut().filter(|_| count > 0) else { return };
        let wanted = self.bytes.len() + count;
        while self.bytes.len() < wanted {
            let missing = (wanted - self.bytes.len()) as u64;
            match stream.by_ref().take(missing).read_to_end(&mut self.bytes) {
                Ok(0) => {
                    self.stream = None;
                    return;
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.broken = Some(e.to_string());
                    self.stream = None;
                    return;
                }
            }
        }
    }
}
