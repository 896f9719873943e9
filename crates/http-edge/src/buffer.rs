//! Read buffers, and a small stock of them per thread: a connection holds one only while bytes
//! are under way, so that idle connections cost little.

use std::cell::{Cell, RefCell};

/// Bytes of a buffer.
pub const BUFFER_BYTES: usize = 16 * 1024;
/// Bytes of a buffer for a large answer: fewer and larger writes wake its reader less often.
pub const LARGE_BYTES: usize = 64 * 1024;
/// Buffers that a thread keeps for reuse.
const KEPT: usize = 256;
/// Large buffers of a thread at once; answers beyond make do with small ones.
const MOST_LARGE: usize = 64;

/// Bytes read and not yet used.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Most bytes that it is filled to.
    #[must_use]
    pub fn most(&self) -> usize {
        self.bytes.capacity().max(BUFFER_BYTES)
    }

    /// Forgets the first `n` bytes.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    #[cfg(test)]
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The vector to read into, with room for at least one byte and no more than `limit` bytes
    /// in all; `None` if it is full.
    pub fn room(&mut self, limit: usize) -> Option<(&mut Vec<u8>, usize)> {
        if self.start > 0 && (self.is_empty() || self.bytes.len() == self.bytes.capacity()) {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let free = limit.saturating_sub(self.filled().len());
        if free == 0 {
            return None;
        }
        if self.bytes.capacity() == self.bytes.len() {
            self.bytes.reserve(BUFFER_BYTES.min(free));
        }
        let spare = self.bytes.capacity() - self.bytes.len();
        Some((&mut self.bytes, free.min(spare)))
    }
}

/// Vectors for reuse.
#[derive(Debug, Default)]
pub struct Stock {
    free: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    large_lent: Cell<usize>,
}

/// Leave to use a large buffer, until it is dropped.
#[derive(Debug)]
pub struct LargePlace<'a>(&'a Stock);

impl Drop for LargePlace<'_> {
    fn drop(&mut self) {
        self.0.large_lent.set(self.0.large_lent.get().saturating_sub(1));
    }
}

impl Stock {
    /// Gives a buffer its memory.
    pub fn lend(&self, buffer: &mut Buffer) {
        if buffer.bytes.capacity() == 0 {
            let kept = self.free.borrow_mut().pop();
            buffer.bytes = kept.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES));
        }
    }

    /// Makes a buffer large, if there is leave for one more.
    pub fn enlarge(&self, buffer: &mut Buffer) -> Option<LargePlace<'_>> {
        if self.large_lent.get() >= MOST_LARGE {
            return None;
        }
        self.large_lent.set(self.large_lent.get() + 1);
        let mut bytes = self.large.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(LARGE_BYTES));
        bytes.extend_from_slice(buffer.filled());
        buffer.start = 0;
        self.keep(std::mem::replace(&mut buffer.bytes, bytes));
        Some(LargePlace(self))
    }

    /// Takes the memory of an empty buffer back.
    pub fn take_back(&self, buffer: &mut Buffer) {
        if buffer.is_empty() && buffer.bytes.capacity() > 0 {
            let mut bytes = std::mem::take(&mut buffer.bytes);
            buffer.start = 0;
            bytes.clear();
            self.keep(bytes);
        }
    }

    /// An empty vector.
    #[must_use]
    pub fn vector(&self) -> Vec<u8> {
        self.free.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// Takes a vector back.
    pub fn keep(&self, mut bytes: Vec<u8>) {
        let (list, most) = match bytes.capacity() {
            LARGE_BYTES => (&self.large, MOST_LARGE),
            1..=BUFFER_BYTES => (&self.free, KEPT),
            _ => return,
        };
        let mut list = list.borrow_mut();
        if list.len() < most {
            bytes.clear();
            list.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_never_holds_more_than_its_limit() {
        let mut buffer = Buffer::default();
        buffer.append(b"abcdef");
        assert!(buffer.room(6).is_none());
        buffer.consume(4);
        assert!(buffer.room(6).is_some_and(|(_, free)| free <= 4));
        assert_eq!(buffer.filled(), b"ef");
    }

    #[test]
    fn memory_goes_back_to_the_stock_only_when_all_bytes_are_used() {
        let (stock, mut buffer) = (Stock::default(), Buffer::default());
        stock.lend(&mut buffer);
        buffer.append(b"x");
        stock.take_back(&mut buffer);
        assert_eq!(buffer.filled(), b"x");
        buffer.consume(1);
        stock.take_back(&mut buffer);
        assert_eq!((buffer.bytes.capacity(), stock.free.borrow().len()), (0, 1));
    }

    #[test]
    fn large_buffers_are_few_and_keep_what_was_read() {
        let stock = Stock::default();
        let mut buffers: Vec<Buffer> = (0..=MOST_LARGE).map(|_| Buffer::default()).collect();
        buffers[0].append(b"abc");
        buffers[0].consume(1);
        let places: Vec<_> = buffers.iter_mut().filter_map(|b| stock.enlarge(b)).collect();
        assert_eq!(places.len(), MOST_LARGE);
        assert_eq!(buffers[0].filled(), b"bc");
        assert!(buffers[0].room(LARGE_BYTES).is_some_and(|(_, free)| free > BUFFER_BYTES));
        drop(places);
        assert!(stock.enlarge(&mut buffers[MOST_LARGE]).is_some());
        buffers[0].consume(2);
        stock.take_back(&mut buffers[0]);
        assert_eq!(stock.large.borrow().len(), 1);
    }
}
