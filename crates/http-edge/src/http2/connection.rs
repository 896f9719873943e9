//! The state of one client's connection: what frames that come in do to it, and what goes out.
//!
//! Errors are those of RFC 9113 section 5.4: of a stream, which is reset and counted as the
//! client's doing, or of the connection, which ends.

use super::fields::Gather;
use super::flood::Flood;
use super::frame::{self, Code, HEAD_BYTES, Head};
use super::hpack;
use super::streams::{Ending, Streams, Upload, WINDOW_BYTES};
use crate::buffer::LARGE_BYTES;
use crate::counters::Counter;
use crate::http1::Refusal;
use crate::settings::Limits;
use tokio::time::Instant;

mod receive;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The client is told of room again when it has this much.
const UPDATE_BYTES: u32 = 32_768;
/// Bytes that may wait to go out before streams must wait: frames without flow control, such as
/// answers to PING, still find room in the same buffer.
const OUT_BYTES: usize = LARGE_BYTES - 4_096;
/// Content of the PING that tells when a client has heard that it is to come to an end.
const LAST_PING: &[u8; 8] = b"goodbye.";

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    pub code: Code,
    /// What it is counted as.
    pub counter: Counter,
}

impl From<Code> for Broken {
    fn from(code: Code) -> Self {
        Self { code, counter: Counter::http2_errors }
    }
}

impl From<Counter> for Broken {
    fn from(counter: Counter) -> Self {
        Self { code: Code::EnhanceYourCalm, counter }
    }
}

/// A header block of which more is to come.
#[derive(Debug)]
struct Block {
    stream: u32,
    is_end: bool,
    is_circular: bool,
    bytes: Vec<u8>,
}

/// Content of a DATA frame that is still coming.
#[derive(Debug)]
struct Data {
    stream: u32,
    /// Where it goes; nowhere if its stream takes none any more.
    slot: Option<usize>,
    left: usize,
    padding: usize,
    is_end: bool,
}

/// How far the connection's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    None,
    /// The client has been told to open no more streams; those on their way are still served.
    Announced,
    /// No more streams are served.
    Final,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    pub streams: Streams,
    flood: Flood,
    decoder: hpack::Decoder,
    gather: Gather,
    most_streams: usize,
    most_head_bytes: usize,
    is_greeted: bool,
    has_settings: bool,
    /// The client knows our settings.
    is_acked: bool,
    block: Option<Block>,
    head_since: Option<Instant>,
    data: Option<Data>,
    farewell: Farewell,
    client_leaves: bool,
    /// What the client said of itself.
    initial_window: i64,
    most_frame_bytes: usize,
    /// It has made its table smaller, and waits to hear that we keep to it.
    is_table_less: bool,
    send_window: i64,
    recv_window: i64,
    owed: u32,
    out: Vec<u8>,
    /// Bytes of `out` that have gone.
    sent: usize,
    /// Requests that were reset before they were taken up.
    unserved: u64,
}

impl Connection {
    /// A new connection; `out` is lent for what goes out, and has our settings in it.
    #[must_use]
    pub fn new(limits: &Limits, mut out: Vec<u8>, now: Instant) -> Self {
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        frame::settings(&mut out, number(limits.http2_streams), number(limits.head_bytes));
        Self {
            streams: Streams::default(),
            flood: Flood::new(limits, now),
            decoder: hpack::Decoder::default(),
            gather: Gather::default(),
            most_streams: number(limits.http2_streams) as usize,
            most_head_bytes: limits.head_bytes as usize,
            is_greeted: false,
            has_settings: false,
            is_acked: false,
            block: None,
            head_since: None,
            data: None,
            farewell: Farewell::None,
            client_leaves: false,
            initial_window: WINDOW_BYTES,
            most_frame_bytes: frame::CONTENT_BYTES,
            is_table_less: false,
            send_window: WINDOW_BYTES,
            recv_window: WINDOW_BYTES,
            owed: 0,
            out,
            sent: 0,
            unserved: 0,
        }
    }

    /// Takes what came in, and returns how many bytes are done with; the rest is the beginning of
    /// a frame.
    ///
    /// # Errors
    /// If the client broke the protocol or a limit.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<usize, Broken> {
        let mut at = 0;
        if !self.is_greeted {
            let seen = bytes.len().min(PREFACE.len());
            if bytes[..seen] != PREFACE[..seen] {
                return Err(Code::Protocol.into());
            }
            if seen < PREFACE.len() {
                return Ok(0);
            }
            self.is_greeted = true;
            at = seen;
        }
        loop {
            at += self.content(&bytes[at..]);
            if self.data.is_some() {
                return Ok(at);
            }
            let rest = &bytes[at..];
            let Some(head) = Head::read(rest) else { return Ok(at) };
            self.judge_order(&head)?;
            if head.kind == frame::DATA {
                if head.has(frame::PADDED) && head.length > 0 && rest.len() == HEAD_BYTES {
                    return Ok(at);
                }
                self.flood.frame(&head, now)?;
                at += HEAD_BYTES + self.begin_data(&head, rest.get(HEAD_BYTES), now)?;
                continue;
            }
            let Some(content) = rest.get(HEAD_BYTES..HEAD_BYTES + head.length) else {
                if matches!(head.kind, frame::HEADERS | frame::CONTINUATION) {
                    self.head_since.get_or_insert(now);
                }
                return Ok(at);
            };
            self.flood.frame(&head, now)?;
            self.frame(&head, content, now)?;
            at += HEAD_BYTES + head.length;
        }
    }

    /// Bytes that wait to go out.
    #[must_use]
    pub fn outgoing(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// So many of them have gone.
    pub fn gone_out(&mut self, bytes: usize) {
        self.sent += bytes;
        self.flood.earned(bytes);
        if self.sent >= self.out.len() {
            self.out.clear();
            self.sent = 0;
            self.streams.room(None);
        }
    }

    /// Lends the memory for what goes out where there is none.
    pub fn lend_out(&mut self, lend: impl FnOnce() -> Vec<u8>) {
        if self.out.capacity() == 0 {
            self.out = lend();
        }
    }

    /// Takes that memory back while nothing goes out.
    pub fn take_out(&mut self) -> Option<Vec<u8>> {
        let is_idle = self.out.is_empty() && self.out.capacity() > 0 && self.streams.open() == 0;
        is_idle.then(|| std::mem::take(&mut self.out))
    }

    /// Whether more should be read: not while the client takes nothing of what it asked for.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.out.len() < LARGE_BYTES
    }

    /// Whether the client has begun as it must.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.has_settings
    }

    /// Since when a header block has been incomplete.
    #[must_use]
    pub fn head_since(&self) -> Option<Instant> {
        self.head_since
    }

    /// Requests that were reset before they were taken up, since the last call.
    pub fn take_unserved(&mut self) -> u64 {
        std::mem::take(&mut self.unserved)
    }

    /// Comes to an end without losing a request: the client is told first, and only when it has
    /// heard that, or this is called again, are streams no longer served.
    pub fn leave(&mut self) {
        match self.farewell {
            Farewell::None => {
                frame::goaway(&mut self.out, 0x7FFF_FFFF, Code::NoError);
                frame::whole(&mut self.out, frame::PING, 0, 0, LAST_PING);
                self.farewell = Farewell::Announced;
            }
            Farewell::Announced => {
                frame::goaway(&mut self.out, self.streams.last, Code::NoError);
                self.farewell = Farewell::Final;
            }
            Farewell::Final => {}
        }
    }

    /// Whether the client has been told that the connection comes to an end.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.farewell != Farewell::None
    }

    /// The connection has ended: nobody waits for an answer.
    pub fn end(&mut self) {
        self.unserved += self.streams.all_gone();
    }

    /// Ends at once, and says why.
    pub fn break_off(&mut self, code: Code) {
        frame::goaway(&mut self.out, self.streams.last, code);
    }

    /// Whether all has been said.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_last = self.farewell == Farewell::Final || self.client_leaves;
        is_last && self.streams.open() == 0 && self.out.is_empty()
    }

    /// Takes up a new request: its text goes to `head`. `None`: there is none in that slot.
    pub fn take_up(&mut self, at: usize, head: &mut Vec<u8>) -> Option<Result<(), Refusal>> {
        let slot = self.streams.slot_mut(at).filter(|s| s.is_new)?;
        slot.is_new = false;
        std::mem::swap(&mut slot.head, head);
        Some(slot.refusal.map_or(Ok(()), Err))
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_gone(&self, at: usize) -> bool {
        self.streams.slot(at).is_none_or(|s| s.gone)
    }

    /// Hands over what has come of a body, in exchange for an empty vector.
    pub fn take_body(&mut self, at: usize, into: &mut Vec<u8>) -> Upload {
        let Some(slot) = self.streams.slot_mut(at).filter(|s| !s.gone) else { return Upload::Gone };
        if slot.body.is_empty() {
            return if slot.ended { Upload::End } else { Upload::Wait };
        }
        into.clear();
        std::mem::swap(&mut slot.body, into);
        Upload::Data
    }

    /// Bytes of a body that have come and were not taken.
    #[must_use]
    pub fn body_bytes(&self, at: usize) -> usize {
        self.streams.slot(at).map_or(0, |slot| slot.body.len())
    }

    /// Whether a body is whole or has `wanted` bytes ([`Upload::End`]), or more than `before` of them
    /// ([`Upload::Data`]).
    #[must_use]
    pub fn body_so_far(&self, at: usize, before: usize, wanted: usize) -> Upload {
        match self.streams.slot(at).filter(|s| !s.gone) {
            None => Upload::Gone,
            Some(slot) if slot.ended || slot.body.len() >= wanted => Upload::End,
            Some(slot) if slot.body.len() > before => Upload::Data,
            Some(_) => Upload::Wait,
        }
    }

    /// So many bytes of a body have been carried on: there is room for as many more.
    pub fn carried(&mut self, at: usize, bytes: usize) {
        self.owe(bytes);
        let Some(slot) = self.streams.slot_mut(at).filter(|s| !s.ended && !s.gone) else { return };
        slot.owed += bytes as u32;
        if slot.owed >= UPDATE_BYTES {
            let owed = std::mem::take(&mut slot.owed);
            slot.recv_window += i64::from(owed);
            let id = slot.id;
            frame::window_update(&mut self.out, id, owed);
        }
    }

    /// Lines of a request's trailers.
    #[must_use]
    pub fn trailers(&self, at: usize) -> &[u8] {
        self.streams.slot(at).map_or(b"", |s| &s.trailers)
    }

    /// Writes a header block that `fields` encodes: an interim or the final head, or trailers.
    /// Returns whether anybody waits for it.
    pub fn answer(&mut self, at: usize, is_end: bool, fields: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(slot) = self.streams.slot_mut(at).filter(|s| !s.gone && !s.answered) else { return false };
        slot.answered = is_end;
        let id = slot.id;
        let start = self.out.len();
        self.out.extend_from_slice(&[0; HEAD_BYTES]);
        if std::mem::take(&mut self.is_table_less) {
            hpack::encode_no_table(&mut self.out);
        }
        fields(&mut self.out);
        let flags = if is_end { frame::END_STREAM } else { 0 };
        frame::finish_block(&mut self.out, start, flags, id);
        true
    }

    /// Bytes of an answer that may go out now, up to `wanted`. 0: the stream waits, and is woken
    /// when there is room. `None`: nobody waits for it.
    pub fn room(&mut self, at: usize, wanted: usize) -> Option<usize> {
        let slot = self.streams.slot(at).filter(|s| !s.gone && !s.answered)?;
        let window = usize::try_from(slot.send_window.min(self.send_window)).unwrap_or(0);
        let free = OUT_BYTES.saturating_sub(self.out.len());
        let room = wanted.min(window).min(free);
        // Crumbs are not worth their frames.
        if room == 0 || (room < wanted && room == free && room < 1_024) {
            self.streams.wait_for_room(at);
            return Some(0);
        }
        Some(room)
    }

    /// Writes data for which there is room.
    pub fn data(&mut self, at: usize, bytes: &[u8], is_end: bool) {
        let Some(slot) = self.streams.slot_mut(at).filter(|s| !s.gone && !s.answered) else { return };
        slot.answered = is_end;
        slot.send_window -= bytes.len() as i64;
        let id = slot.id;
        self.send_window -= bytes.len() as i64;
        let needed = self.out.len() + bytes.len() + 1_024;
        if needed > self.out.capacity() && needed <= LARGE_BYTES {
            self.out.reserve_exact(LARGE_BYTES - self.out.len());
        }
        if bytes.is_empty() {
            return frame::whole(&mut self.out, frame::DATA, u8::from(is_end), id, b"");
        }
        let mut pieces = bytes.chunks(self.most_frame_bytes).peekable();
        while let Some(piece) = pieces.next() {
            let is_last = is_end && pieces.peek().is_none();
            frame::whole(&mut self.out, frame::DATA, u8::from(is_last), id, piece);
        }
    }

    /// Ends a stream before its answer was whole.
    pub fn abort(&mut self, at: usize, code: Code) {
        let Some(slot) = self.streams.slot_mut(at).filter(|s| s.id != 0 && !s.gone) else { return };
        (slot.gone, slot.by_us) = (true, true);
        let id = slot.id;
        frame::reset(&mut self.out, id, code);
    }

    /// Frees the slot of a request that is over.
    pub fn release(&mut self, at: usize) {
        let Some(slot) = self.streams.slot(at).filter(|s| s.id != 0) else { return };
        let ending = match (slot.gone, slot.answered, slot.ended) {
            (true, ..) if slot.by_us => Ending::ResetByUs,
            (true, ..) => Ending::ResetByClient,
            (false, true, true) => Ending::Whole,
            (false, true, false) => {
                // The answer is whole without the rest of the request (section 8.1).
                self.abort(at, Code::NoError);
                Ending::ResetByUs
            }
            (false, false, _) => {
                self.abort(at, Code::Internal);
                Ending::ResetByUs
            }
        };
        let untaken = self.streams.free(at, ending);
        self.owe(untaken);
    }
}

#[cfg(test)]
mod tests;
