//! HTTP/2 without TLS (RFC 9113, prior knowledge): frames counted as a client's bytes go by.
//!
//! Only what tells abuse is kept: how many streams were opened, how many of them reset by the
//! client, and how many control frames came with them. Header blocks are not decompressed, save
//! for the entries of the static table that name the commonest methods and paths.

use seawall_model::observation::Method;

/// What a client's stream begins with (section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const FRAME_HEADER_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// Resets by the client from which on they are abuse, if most streams are reset.
const RESET_LIMIT: u64 = 100;
/// Pieces of one header block beyond which it is a flood.
const CONTINUATION_LIMIT: u32 = 16;
/// Pings or settings of one connection beyond which they are a flood, if they outnumber requests.
const CONTROL_LIMIT: u64 = 200;

/// Counts of one direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub frames: u64,
    pub streams: u64,
    pub resets: u64,
    pub continuations: u64,
    pub pings: u64,
    pub settings: u64,
    pub data_bytes: u64,
}

/// A stream opened by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub stream: u32,
    /// `Other` where the method is not one of the static table.
    pub method: Method,
    /// `/` or `/index.html`; empty where the path is another.
    pub path: &'static [u8],
}

/// Follows the frames of a client, after the preface.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames {
    header: [u8; FRAME_HEADER_BYTES],
    filled: u8,
    /// Bytes of the current frame's payload still to come.
    left: u32,
    continued: u32,
    longest_block: u32,
    counts: Counts,
    lost: bool,
}

impl Frames {
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether bytes were missed, so that frames can no longer be told.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether what was counted is no use that a client makes of HTTP/2.
    #[must_use]
    pub fn is_abuse(&self) -> bool {
        let c = &self.counts;
        (c.resets >= RESET_LIMIT && c.resets * 2 > c.streams)
            || self.longest_block > CONTINUATION_LIMIT
            || (c.pings + c.settings >= CONTROL_LIMIT && c.pings + c.settings > c.streams)
    }

    /// How many streams and frames were part of such use; 0 unless [`Self::is_abuse`].
    #[must_use]
    pub fn abuses(&self) -> u64 {
        let c = &self.counts;
        if !self.is_abuse() {
            return 0;
        }
        let pieces = if self.longest_block > CONTINUATION_LIMIT { c.continuations } else { 0 };
        c.resets.saturating_add(pieces).saturating_add((c.pings + c.settings).saturating_sub(c.streams))
    }

    /// Bytes that were not captured.
    pub fn pass_unseen(&mut self, count: u64) {
        match u32::try_from(count) {
            Ok(count) if self.left >= count => self.left -= count,
            _ => self.lost = count > 0 || self.lost,
        }
    }

    /// Follows the next bytes, and tells of each stream opened.
    pub fn pass(&mut self, mut bytes: &[u8], opened: &mut dyn FnMut(Opened)) {
        while !bytes.is_empty() && !self.lost {
            if self.left > 0 {
                let taken = (self.left as usize).min(bytes.len());
                self.left -= taken as u32;
                bytes = &bytes[taken..];
                continue;
            }
            let filled = usize::from(self.filled);
            let taken = (FRAME_HEADER_BYTES - filled).min(bytes.len());
            self.header[filled..filled + taken].copy_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            self.filled += taken as u8;
            if usize::from(self.filled) == FRAME_HEADER_BYTES {
                self.filled = 0;
                self.frame(bytes, opened);
            }
        }
    }

    /// Counts the frame whose header is complete; `payload` is what there is of its payload.
    fn frame(&mut self, payload: &[u8], opened: &mut dyn FnMut(Opened)) {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = self.header;
        self.left = u32::from_be_bytes([0, a, b, c]);
        let stream = u32::from_be_bytes([s0 & 0x7F, s1, s2, s3]);
        let counts = &mut self.counts;
        counts.frames += 1;
        match kind {
            DATA => counts.data_bytes += u64::from(self.left),
            HEADERS => {
                counts.streams += 1;
                self.continued = 0;
                let (method, path) = first_fields(payload, flags);
                opened(Opened { stream, method, path });
            }
            RST_STREAM => counts.resets += 1,
            SETTINGS if flags & ACK == 0 => counts.settings += 1,
            PING if flags & ACK == 0 => counts.pings += 1,
            CONTINUATION => {
                counts.continuations += 1;
                self.continued += 1;
                self.longest_block = self.longest_block.max(self.continued);
                if flags & END_HEADERS != 0 {
                    self.continued = 0;
                }
            }
            // Types beyond those defined and frames beyond the largest: not HTTP/2 any more.
            _ if kind > 0x20 || self.left > 1 << 20 => self.lost = true,
            _ => {}
        }
    }
}

/// Method and path where a header block begins with entries of the static table (RFC 7541
/// appendix A).
fn first_fields(payload: &[u8], flags: u8) -> (Method, &'static [u8]) {
    let skip = usize::from(flags & PADDED != 0) + if flags & PRIORITY != 0 { 5 } else { 0 };
    let mut method = Method::Other;
    let mut path: &'static [u8] = b"";
    for &byte in payload.iter().skip(skip).take(4) {
        match byte {
            0x82 => method = Method::Get,
            0x83 => method = Method::Post,
            0x84 => path = b"/",
            0x85 => path = b"/index.html",
            0x86 | 0x87 => {}
            _ => break,
        }
    }
    (method, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let mut bytes = frame(SETTINGS, 0, 0, &[0; 6]);
        bytes.extend(frame(HEADERS, END_HEADERS, 1, &[0x82, 0x84, 0x86, 0x41]));
        bytes.extend(frame(DATA, 1, 1, &[7; 100]));
        bytes.extend(frame(RST_STREAM, 0, 1, &[0; 4]));
        for size in [1, 3, 10, 1000] {
            let mut frames = Frames::default();
            let mut streams = Vec::new();
            for piece in bytes.chunks(size) {
                frames.pass(piece, &mut |opened| streams.push(opened));
            }
            let counts = frames.counts();
            assert_eq!((counts.frames, counts.streams, counts.resets), (4, 1, 1), "{size}");
            assert_eq!((counts.settings, counts.data_bytes), (1, 100));
            assert_eq!(streams.len(), 1);
            assert!(!frames.is_abuse() && !frames.is_lost());
        }
        let mut frames = Frames::default();
        frames.pass(&bytes, &mut |o| assert_eq!((o.method, o.path), (Method::Get, b"/".as_slice())));
    }

    #[test]
    fn floods_are_abuse_and_busy_clients_are_not() {
        let mut reset = Frames::default();
        let mut busy = Frames::default();
        for n in 0..300u32 {
            let headers = frame(HEADERS, END_HEADERS, 2 * n + 1, &[0x82]);
            busy.pass(&headers, &mut |_| {});
            reset.pass(&headers, &mut |_| {});
            reset.pass(&frame(RST_STREAM, 0, 2 * n + 1, &[0; 4]), &mut |_| {});
        }
        assert!(reset.is_abuse());
        assert!(!busy.is_abuse());
        let mut endless = Frames::default();
        endless.pass(&frame(HEADERS, 0, 1, &[0x82]), &mut |_| {});
        for _ in 0..20 {
            endless.pass(&frame(CONTINUATION, 0, 1, &[0; 10]), &mut |_| {});
        }
        assert!(endless.is_abuse());
    }
}
