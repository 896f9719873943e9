//! Classic pcap (draft-ietf-opsawg-pcap): both byte orders, micro- and nanoseconds, and the
//! variant with longer record headers that patched Linux kernels wrote.

use super::{RECORD_LIMIT_BYTES, Step, time_of};
use crate::packet::bytes::Order;

/// Length of the file header.
pub(super) const FILE_HEADER_BYTES: usize = 24;

/// How far around the last time stamp a record found after damage may lie.
const RESYNC_SECONDS: u32 = 86_400;

/// What the file header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    order: Order,
    nanoseconds: bool,
    record_header_bytes: usize,
    link: u16,
}

impl Header {
    /// Reads the file header; `None` if the bytes are too few or not one.
    pub(super) fn read(buffer: &[u8]) -> Option<Self> {
        if buffer.len() < FILE_HEADER_BYTES {
            return None;
        }
        let (order, nanoseconds, record_header_bytes) = match buffer[..4] {
            [0xA1, 0xB2, 0xC3, 0xD4] => (Order::Big, false, 16),
            [0xD4, 0xC3, 0xB2, 0xA1] => (Order::Little, false, 16),
            [0xA1, 0xB2, 0x3C, 0x4D] => (Order::Big, true, 16),
            [0x4D, 0x3C, 0xB2, 0xA1] => (Order::Little, true, 16),
            [0xA1, 0xB2, 0xCD, 0x34] => (Order::Big, false, 24),
            [0x34, 0xCD, 0xB2, 0xA1] => (Order::Little, false, 24),
            _ => return None,
        };
        // The upper 16 bits tell of frame check sequences, not of the link.
        let link = order.u32(buffer, 20)? as u16;
        Some(Self { order, nanoseconds, record_header_bytes, link })
    }
}

/// Reads the records after the file header.
#[derive(Debug)]
pub(super) struct Reader {
    header: Header,
    last_seconds: Option<u32>,
}

/// One record header.
#[derive(Clone, Copy)]
struct Record {
    seconds: u32,
    fraction: u32,
    captured: usize,
    original: u32,
}

impl Reader {
    pub(super) fn new(header: Header) -> Self {
        Self { header, last_seconds: None }
    }

    #[inline]
    pub(super) fn next<'a>(&mut self, buffer: &'a [u8]) -> Step<'a> {
        let Some(record) = self.record(buffer) else {
            return Step::NeedMore;
        };
        if record.captured > RECORD_LIMIT_BYTES {
            return self.resync(buffer);
        }
        let start = self.header.record_header_bytes;
        let end = start + record.captured;
        let Some(data) = buffer.get(start..end) else {
            return Step::NeedMore;
        };
        self.last_seconds = Some(record.seconds);
        let fraction = i64::from(record.fraction);
        let nanoseconds = if self.header.nanoseconds { fraction } else { fraction * 1_000 };
        Step::Packet {
            time: time_of(i64::from(record.seconds), nanoseconds),
            link: self.header.link,
            // Some writers leave the original length zero or below the captured one.
            original_length_bytes: record.original.max(record.captured as u32),
            data,
            consumed: end,
        }
    }

    #[inline]
    fn record(&self, buffer: &[u8]) -> Option<Record> {
        if buffer.len() < self.header.record_header_bytes {
            return None;
        }
        let order = self.header.order;
        Some(Record {
            seconds: order.u32(buffer, 0)?,
            fraction: order.u32(buffer, 4)?,
            captured: order.u32(buffer, 8)? as usize,
            original: order.u32(buffer, 12)?,
        })
    }

    /// Skips to the next place where two records in a row make sense.
    fn resync<'a>(&self, buffer: &'a [u8]) -> Step<'a> {
        let reason = "a record claims more bytes than any packet has";
        for at in 1..buffer.len() {
            let Some(first) = self.record(&buffer[at..]) else { break };
            if !self.plausible(first) {
                continue;
            }
            let next = at + self.header.record_header_bytes + first.captured;
            match buffer.get(next..).and_then(|rest| self.record(rest)) {
                Some(second) if self.plausible(second) => return Step::Broken { reason, consumed: at },
                // The second record lies beyond the buffer: take the first on trust.
                None if next <= buffer.len() => return Step::Broken { reason, consumed: at },
                _ => {}
            }
        }
        Step::Broken { reason, consumed: buffer.len() }
    }

    fn plausible(&self, record: Record) -> bool {
        let limit = if self.header.nanoseconds { 1_000_000_000 } else { 1_000_000 };
        let near = self.last_seconds.is_none_or(|last| last.abs_diff(record.seconds) <= RESYNC_SECONDS);
        near && record.fraction < limit
            && (1..=65_535 + 64).contains(&record.captured)
            && record.captured as u64 <= u64::from(record.original)
            && record.original <= 65_535 + 64
    }
}
