//! The state of one client's connection: what frames that come in do to it, and what goes out.
//!
//! Errors are those of RFC 9113 section 5.4: of a stream, which is reset and counted as the
//! client's doing, or of the connection, which ends.

use super::fields::{Bad, Gather};
use super::flood::Flood;
use super::frame::{self, Code, HEAD_BYTES, Head};
use super::hpack;
use super::streams::{Ending, Place, Streams, Upload, WINDOW_BYTES};
use crate::buffer::LARGE_BYTES;
use crate::counters::Counter;
use crate::http1::Refusal;
use crate::settings::Limits;
use tokio::time::Instant;

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

    /// What may come at this point: the right first frame, a block's own frames, no frame that is
    /// too large.
    fn judge_order(&self, head: &Head) -> Result<(), Broken> {
        if head.length > frame::CONTENT_BYTES {
            return Err(Code::FrameSize.into());
        }
        if !self.has_settings && (head.kind != frame::SETTINGS || head.has(frame::ACK)) {
            return Err(Code::Protocol.into());
        }
        let continues = head.kind == frame::CONTINUATION;
        match &self.block {
            Some(block) if !continues || block.stream != head.stream => Err(Code::Protocol.into()),
            None if continues => Err(Code::Protocol.into()),
            _ => Ok(()),
        }
    }

    fn frame(&mut self, head: &Head, content: &[u8], now: Instant) -> Result<(), Broken> {
        match head.kind {
            frame::HEADERS => self.headers(head, content, now),
            frame::CONTINUATION => self.continuation(head, content, now),
            frame::PRIORITY if head.stream == 0 => Err(Code::Protocol.into()),
            frame::PRIORITY => match content.first_chunk() {
                Some(dependency) if content.len() == 5 && frame::number(*dependency) != head.stream => Ok(()),
                Some(_) if content.len() == 5 => self.stream_error(head.stream, Code::Protocol, now),
                _ => self.stream_error(head.stream, Code::FrameSize, now),
            },
            frame::RST_STREAM => self.reset(head, content),
            frame::SETTINGS => self.settings(head, content),
            frame::PUSH_PROMISE => Err(Code::Protocol.into()),
            frame::PING => self.ping(head, content),
            frame::GOAWAY if head.stream != 0 => Err(Code::Protocol.into()),
            frame::GOAWAY if content.len() < 8 => Err(Code::FrameSize.into()),
            frame::GOAWAY => {
                self.client_leaves = true;
                Ok(())
            }
            frame::WINDOW_UPDATE => self.window_update(head, content, now),
            // Kinds that are not known mean nothing (section 4.1).
            _ => Ok(()),
        }
    }

    fn headers(&mut self, head: &Head, content: &[u8], now: Instant) -> Result<(), Broken> {
        if head.stream.is_multiple_of(2) {
            return Err(Code::Protocol.into());
        }
        let mut rest = content;
        if head.has(frame::PADDED) {
            let (padding, after) = rest.split_first().ok_or(Code::FrameSize)?;
            let length = after.len().checked_sub(usize::from(*padding)).ok_or(Code::Protocol)?;
            rest = &after[..length];
        }
        let mut is_circular = false;
        if head.has(frame::WITH_PRIORITY) {
            let (priority, after) = rest.split_first_chunk::<5>().ok_or(Code::FrameSize)?;
            let [a, b, c, d, _] = *priority;
            is_circular = frame::number([a, b, c, d]) == head.stream;
            rest = after;
        }
        let is_end = head.has(frame::END_STREAM);
        if head.has(frame::END_HEADERS) {
            self.head_since = None;
            return self.block(head.stream, is_end, is_circular, rest, now);
        }
        self.head_since.get_or_insert(now);
        self.block = Some(Block { stream: head.stream, is_end, is_circular, bytes: rest.to_vec() });
        Ok(())
    }

    fn continuation(&mut self, head: &Head, content: &[u8], now: Instant) -> Result<(), Broken> {
        let Some(block) = &mut self.block else { return Err(Code::Protocol.into()) };
        // No list within its limit needs as much: raw text is never so much shorter.
        if block.bytes.len() + content.len() > 4 * self.most_head_bytes.max(frame::CONTENT_BYTES) {
            return Err(Counter::http2_continuations.into());
        }
        block.bytes.extend_from_slice(content);
        if head.has(frame::END_HEADERS)
            && let Some(block) = self.block.take()
        {
            self.head_since = None;
            return self.block(block.stream, block.is_end, block.is_circular, &block.bytes, now);
        }
        Ok(())
    }

    /// A whole header block. It is decoded whatever becomes of its stream, because the table
    /// goes on with it.
    fn block(
        &mut self,
        id: u32,
        is_end: bool,
        is_circular: bool,
        block: &[u8],
        now: Instant,
    ) -> Result<(), Broken> {
        let place = self.streams.place(id);
        self.gather.begin(matches!(place, Place::Live(_)));
        let (gather, most) = (&mut self.gather, self.most_head_bytes);
        self.decoder
            .block(block, &mut |name, value| gather.take(name, value, most))
            .map_err(|_| Code::Compression)?;
        match place {
            Place::Idle => self.request(id, is_end, is_circular, now),
            Place::Live(at) => self.end_with_trailers(id, at, is_end, now),
            Place::Closed(Some(Ending::ResetByUs)) => Ok(()),
            Place::Closed(Some(Ending::ResetByClient)) => self.stream_error(id, Code::StreamClosed, now),
            Place::Closed(Some(Ending::Whole)) => Err(Code::StreamClosed.into()),
            Place::Closed(None) => Err(Code::Protocol.into()),
        }
    }

    fn request(&mut self, id: u32, is_end: bool, is_circular: bool, now: Instant) -> Result<(), Broken> {
        self.streams.last = id;
        if self.farewell == Farewell::Final {
            // The client has been told that this one was not served, and may ask elsewhere.
            self.streams.remember(id, Ending::ResetByUs);
            return Ok(());
        }
        if self.streams.open() >= self.most_streams {
            frame::reset(&mut self.out, id, Code::RefusedStream);
            self.streams.remember(id, Ending::ResetByUs);
            // Before it knows our settings, a client cannot know the limit.
            return if self.is_acked { Ok(self.flood.reset(now)?) } else { Ok(()) };
        }
        if is_circular {
            return self.stream_error(id, Code::Protocol, now);
        }
        let window = self.initial_window;
        let (at, slot) = self.streams.take(id, window);
        slot.ended = is_end;
        match self.gather.request(is_end, self.most_head_bytes, &mut slot.head) {
            Ok(length) => slot.left = length,
            Err(Bad::Refused(refusal)) => slot.refusal = Some(refusal),
            Err(Bad::Malformed) => {
                self.streams.free(at, Ending::ResetByUs);
                return self.stream_error(id, Code::Protocol, now);
            }
        }
        self.streams.wake(at);
        Ok(())
    }

    fn end_with_trailers(&mut self, id: u32, at: usize, is_end: bool, now: Instant) -> Result<(), Broken> {
        let Some(slot) = self.streams.slot_mut(at).filter(|s| !s.gone) else { return Ok(()) };
        if slot.ended {
            return self.stream_error(id, Code::StreamClosed, now);
        }
        let lines = self.gather.trailers(self.most_head_bytes);
        match lines {
            Ok(lines) if is_end && slot.left.is_none_or(|left| left == 0) => {
                slot.trailers.extend_from_slice(lines);
                slot.ended = true;
                self.streams.wake(at);
                Ok(())
            }
            _ => self.stream_error(id, Code::Protocol, now),
        }
    }

    /// Takes the head of a DATA frame and returns how many bytes of its content that used up.
    fn begin_data(&mut self, head: &Head, first: Option<&u8>, now: Instant) -> Result<usize, Broken> {
        let (mut left, mut padding, mut used) = (head.length, 0, 0);
        if head.has(frame::PADDED) {
            padding = usize::from(*first.filter(|_| left > 0).ok_or(Code::FrameSize)?);
            used = 1;
            left = left.checked_sub(1 + padding).ok_or(Code::Protocol)?;
        }
        self.recv_window -= head.length as i64;
        if self.recv_window < 0 {
            return Err(Code::FlowControl.into());
        }
        let (id, is_end) = (head.stream, head.has(frame::END_STREAM));
        let error = match self.streams.place(id) {
            _ if id == 0 => return Err(Code::Protocol.into()),
            Place::Idle => return Err(Code::Protocol.into()),
            Place::Closed(Some(Ending::ResetByUs)) => None,
            Place::Closed(_) => Some(Code::StreamClosed),
            Place::Live(at) => match self.streams.slot_mut(at) {
                Some(slot) if !slot.gone => {
                    slot.recv_window -= head.length as i64;
                    let is_too_long = slot.left.is_some_and(|most| left as u64 > most);
                    slot.left = slot.left.map(|most| most.saturating_sub(left as u64));
                    let is_too_short = is_end && slot.left.is_some_and(|most| most > 0);
                    match () {
                        () if slot.ended => Some(Code::StreamClosed),
                        () if slot.recv_window < 0 => Some(Code::FlowControl),
                        () if is_too_long || is_too_short => Some(Code::Protocol),
                        () => {
                            slot.owed += (used + padding) as u32;
                            self.owe(used + padding);
                            let slot = Some(at);
                            self.data = Some(Data { stream: id, slot, left, padding, is_end });
                            return Ok(used);
                        }
                    }
                }
                _ => None,
            },
        };
        if let Some(code) = error {
            self.stream_error(id, code, now)?;
        }
        self.owe(head.length);
        self.data = Some(Data { stream: id, slot: None, left, padding, is_end });
        Ok(used)
    }

    /// Takes what has come of a DATA frame's content, and returns how much.
    fn content(&mut self, bytes: &[u8]) -> usize {
        let Some(data) = &mut self.data else { return 0 };
        let taken = data.left.min(bytes.len());
        data.left -= taken;
        let passed = data.padding.min(bytes.len() - taken);
        data.padding -= passed;
        let is_whole = data.left == 0 && data.padding == 0;
        let (stream, is_end, slot) = (data.stream, data.is_end, data.slot);
        if is_whole {
            self.data = None;
        }
        let Some(at) = slot else { return taken + passed };
        match self.streams.slot_mut(at).filter(|s| s.id == stream && !s.gone) {
            Some(slot) => {
                slot.body.extend_from_slice(&bytes[..taken]);
                slot.ended |= is_whole && is_end;
                if taken > 0 || slot.ended {
                    self.streams.wake(at);
                }
            }
            // It ended meanwhile, and what came before was given back then.
            None => self.owe(taken),
        }
        taken + passed
    }

    fn reset(&mut self, head: &Head, content: &[u8]) -> Result<(), Broken> {
        if content.len() != 4 {
            return Err(Code::FrameSize.into());
        }
        match self.streams.place(head.stream) {
            _ if head.stream == 0 => Err(Code::Protocol.into()),
            Place::Idle => Err(Code::Protocol.into()),
            Place::Closed(_) => Ok(()),
            Place::Live(at) => {
                if self.streams.slot(at).is_some_and(|s| s.is_new) {
                    // Nothing has been done about it, and nothing will be.
                    self.unserved += 1;
                    let untaken = self.streams.free(at, Ending::ResetByClient);
                    self.owe(untaken);
                } else if let Some(slot) = self.streams.slot_mut(at) {
                    slot.gone = true;
                    self.streams.wake(at);
                }
                Ok(())
            }
        }
    }

    fn settings(&mut self, head: &Head, content: &[u8]) -> Result<(), Broken> {
        if head.stream != 0 {
            return Err(Code::Protocol.into());
        }
        if head.has(frame::ACK) {
            self.is_acked = true;
            return if content.is_empty() { Ok(()) } else { Err(Code::FrameSize.into()) };
        }
        let (all, rest) = content.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Code::FrameSize.into());
        }
        for [n0, n1, v0, v1, v2, v3] in all {
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            match u16::from_be_bytes([*n0, *n1]) {
                1 => self.is_table_less |= (value as usize) < hpack::TABLE_BYTES,
                2 | 9 if value > 1 => return Err(Code::Protocol.into()),
                4 => {
                    let window = i32::try_from(value).map_err(|_| Code::FlowControl)?;
                    let by = i64::from(window) - self.initial_window;
                    self.initial_window = i64::from(window);
                    self.streams.widen(by)?;
                }
                5 if !(16_384..=16_777_215).contains(&value) => return Err(Code::Protocol.into()),
                _ => {}
            }
        }
        self.has_settings = true;
        frame::head(&mut self.out, 0, frame::SETTINGS, frame::ACK, 0);
        Ok(())
    }

    fn ping(&mut self, head: &Head, content: &[u8]) -> Result<(), Broken> {
        if head.stream != 0 {
            return Err(Code::Protocol.into());
        }
        if content.len() != 8 {
            return Err(Code::FrameSize.into());
        }
        if !head.has(frame::ACK) {
            frame::whole(&mut self.out, frame::PING, frame::ACK, 0, content);
        } else if self.farewell == Farewell::Announced && content == LAST_PING {
            self.leave();
        }
        Ok(())
    }

    fn window_update(&mut self, head: &Head, content: &[u8], now: Instant) -> Result<(), Broken> {
        let by = <[u8; 4]>::try_from(content).map(frame::number).map_err(|_| Code::FrameSize)?;
        let most = i64::from(i32::MAX);
        if head.stream == 0 {
            self.send_window += i64::from(by);
            self.streams.room(None);
            return match () {
                () if by == 0 => Err(Code::Protocol.into()),
                () if self.send_window > most => Err(Code::FlowControl.into()),
                () => Ok(()),
            };
        }
        match self.streams.place(head.stream) {
            Place::Idle => Err(Code::Protocol.into()),
            Place::Closed(_) => Ok(()),
            Place::Live(at) => {
                let Some(slot) = self.streams.slot_mut(at).filter(|s| !s.gone) else { return Ok(()) };
                slot.send_window += i64::from(by);
                if by == 0 {
                    return self.stream_error(head.stream, Code::Protocol, now);
                }
                if slot.send_window > most {
                    return self.stream_error(head.stream, Code::FlowControl, now);
                }
                self.streams.room(Some(at));
                Ok(())
            }
        }
    }

    /// Resets a stream for what the client did.
    fn stream_error(&mut self, id: u32, code: Code, now: Instant) -> Result<(), Broken> {
        match self.streams.place(id) {
            Place::Live(at) if self.streams.slot(at).is_some_and(|s| !s.is_new) => {
                self.abort(at, code);
                self.streams.wake(at);
            }
            place => {
                frame::reset(&mut self.out, id, code);
                match place {
                    Place::Live(at) => {
                        let untaken = self.streams.free(at, Ending::ResetByUs);
                        self.owe(untaken);
                    }
                    _ => self.streams.remember(id, Ending::ResetByUs),
                }
            }
        }
        Ok(self.flood.reset(now)?)
    }

    /// So many bytes need no room any more: the client is told when it is worth a frame.
    fn owe(&mut self, bytes: usize) {
        self.owed += bytes as u32;
        if self.owed >= UPDATE_BYTES {
            let owed = std::mem::take(&mut self.owed);
            self.recv_window += i64::from(owed);
            frame::window_update(&mut self.out, 0, owed);
        }
    }
}

#[cfg(test)]
mod tests;
