//! Capture files: classic pcap and pcapng, block by block out of a growing buffer.
//!
//! The [`Decoder`] does no I/O. Its caller keeps a buffer, calls [`Decoder::next`] with the bytes
//! not yet consumed, and reads more when told so. Broken records are skipped and counted: after
//! one the decoder looks for the next place where records make sense again.

mod pcap;
mod pcapng;

use seawall_model::Timestamp;

/// Most bytes of one packet that a record may hold; more is taken as damage.
pub const RECORD_LIMIT_BYTES: usize = 1 << 20;
/// A buffer of this size never gets [`Step::NeedMore`] for a record that is intact.
pub const BUFFER_BYTES: usize = RECORD_LIMIT_BYTES + 4096;

/// What the bytes at the start of the buffer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// No whole record yet. At the end of the file these bytes are a cut record.
    NeedMore,
    Packet {
        time: Timestamp,
        /// Link type by the registry of tcpdump.org (`LINKTYPE_…`).
        link: u16,
        /// Length of the frame on the wire; `data` may be cut shorter.
        original_length_bytes: u32,
        data: &'a [u8],
        /// Bytes to drop from the front of the buffer.
        consumed: usize,
    },
    /// A file header, or a block without a packet.
    Skip { consumed: usize },
    /// Bytes that are no record.
    Broken { reason: &'static str, consumed: usize },
}

impl Step<'_> {
    /// Bytes to drop from the front of the buffer before the next call.
    #[must_use]
    pub fn consumed(&self) -> usize {
        match *self {
            Self::NeedMore => 0,
            Self::Packet { consumed, .. } | Self::Skip { consumed } | Self::Broken { consumed, .. } => {
                consumed
            }
        }
    }
}

/// Which kind of capture file some bytes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Pcap,
    Pcapng,
}

impl Kind {
    /// Recognises a capture by its first bytes.
    #[must_use]
    pub fn recognise(sample: &[u8]) -> Option<Self> {
        if pcap::Header::read(sample).is_some() {
            Some(Self::Pcap)
        } else if pcapng::is_section_start(sample) {
            Some(Self::Pcapng)
        } else {
            None
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }
}

/// Reads one capture file.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    Pcap(pcap::Reader),
    Pcapng(pcapng::Reader),
}

impl Decoder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the first record of `buffer`. The caller drops [`Step::consumed`] bytes and calls
    /// again; on [`Step::NeedMore`] it appends to the buffer first.
    pub fn next<'a>(&mut self, buffer: &'a [u8]) -> Step<'a> {
        match &mut self.state {
            State::Pcap(reader) => reader.next(buffer),
            State::Pcapng(reader) => reader.next(buffer),
            State::Start => self.start(buffer),
        }
    }

    fn start<'a>(&mut self, buffer: &'a [u8]) -> Step<'a> {
        if let Some(header) = pcap::Header::read(buffer) {
            self.state = State::Pcap(pcap::Reader::new(header));
            return Step::Skip { consumed: pcap::FILE_HEADER_BYTES };
        }
        if pcapng::is_section_start(buffer) {
            self.state = State::Pcapng(pcapng::Reader::default());
            return Step::Skip { consumed: 0 };
        }
        if buffer.len() < pcap::FILE_HEADER_BYTES {
            return Step::NeedMore;
        }
        Step::Broken { reason: "no capture file header", consumed: buffer.len() }
    }
}

/// Nanoseconds from whole seconds and nanoseconds, kept within the range of a time stamp.
fn time_of(seconds: i64, nanoseconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).plus_ns(nanoseconds)
}

#[cfg(test)]
mod tests;
