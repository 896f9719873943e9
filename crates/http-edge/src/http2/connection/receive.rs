//! What each frame that comes in does to a connection (RFC 9113 section 6).

use super::{Block, Broken, Connection, Data, Farewell, LAST_PING, UPDATE_BYTES};
use crate::counters::Counter;
use crate::http2::fields::Bad;
use crate::http2::frame::{self, Code, Head};
use crate::http2::hpack;
use crate::http2::streams::{Ending, Place};
use tokio::time::Instant;

impl Connection {
    /// What may come at this point: the right first frame, a block's own frames, no frame that is
    /// too large.
    pub(super) fn judge_order(&self, head: &Head) -> Result<(), Broken> {
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

    pub(super) fn frame(&mut self, head: &Head, content: &[u8], now: Instant) -> Result<(), Broken> {
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
        let Some(slot) = self.streams.slot_mut(at).filter(|s| !s.by_us) else { return Ok(()) };
        if slot.ended || slot.gone {
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
    pub(super) fn begin_data(
        &mut self,
        head: &Head,
        first: Option<&u8>,
        now: Instant,
    ) -> Result<usize, Broken> {
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
                Some(slot) if !slot.by_us => {
                    slot.recv_window -= head.length as i64;
                    let is_too_long = slot.left.is_some_and(|most| left as u64 > most);
                    slot.left = slot.left.map(|most| most.saturating_sub(left as u64));
                    let is_too_short = is_end && slot.left.is_some_and(|most| most > 0);
                    match () {
                        () if slot.ended || slot.gone => Some(Code::StreamClosed),
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
    pub(super) fn content(&mut self, bytes: &[u8]) -> usize {
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
            // It cannot be reset before it is opened (section 6.4).
            Place::Idle => return Err(code.into()),
            Place::Live(at) if self.streams.slot(at).is_some_and(|s| !s.is_new && !s.gone) => {
                self.abort(at, code);
                self.streams.wake(at);
            }
            place => {
                frame::reset(&mut self.out, id, code);
                match place {
                    Place::Live(at) if self.streams.slot(at).is_some_and(|s| s.is_new) => {
                        let untaken = self.streams.free(at, Ending::ResetByUs);
                        self.owe(untaken);
                    }
                    Place::Live(_) => {}
                    _ => self.streams.remember(id, Ending::ResetByUs),
                }
            }
        }
        Ok(self.flood.reset(now)?)
    }

    /// So many bytes need no room any more: the client is told when it is worth a frame.
    pub(super) fn owe(&mut self, bytes: usize) {
        self.owed += bytes as u32;
        if self.owed >= UPDATE_BYTES {
            let owed = std::mem::take(&mut self.owed);
            self.recv_window += i64::from(owed);
            frame::window_update(&mut self.out, 0, owed);
        }
    }
}
