//! Frames on the wire (RFC 9113 sections 4 and 6): their heads, and those that we write.

pub const HEAD_BYTES: usize = 9;
/// The largest content that we take, which is the protocol's default.
pub const CONTENT_BYTES: usize = 16_384;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Also `ACK` of SETTINGS and PING.
pub const END_STREAM: u8 = 0x1;
pub const ACK: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const WITH_PRIORITY: u8 = 0x20;

/// Error codes (section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    NoError = 0,
    Protocol = 1,
    Internal = 2,
    FlowControl = 3,
    StreamClosed = 5,
    FrameSize = 6,
    RefusedStream = 7,
    Compression = 9,
    EnhanceYourCalm = 11,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Head {
    /// Reads a head, if it is all there.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk()?;
        Some(Self {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: number([s0, s1, s2, s3]),
        })
    }

    #[must_use]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A number of 31 bits; the highest bit means nothing.
#[must_use]
pub fn number(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & 0x7FFF_FFFF
}

/// Writes a frame's head. `length` is below 2^24.
pub fn head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    out.extend_from_slice(&head_bytes(length, kind, flags, stream));
}

fn head_bytes(length: usize, kind: u8, flags: u8, stream: u32) -> [u8; HEAD_BYTES] {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [a, b, c, kind, flags, s0, s1, s2, s3]
}

/// Writes a whole frame.
pub fn whole(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, content: &[u8]) {
    head(out, content.len(), kind, flags, stream);
    out.extend_from_slice(content);
}

pub fn reset(out: &mut Vec<u8>, stream: u32, code: Code) {
    whole(out, RST_STREAM, 0, stream, &u32::from(code as u8).to_be_bytes());
}

pub fn window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    whole(out, WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
}

pub fn goaway(out: &mut Vec<u8>, last: u32, code: Code) {
    head(out, 8, GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&u32::from(code as u8).to_be_bytes());
}

/// Writes our settings: the streams that a client may open at once, and the size of its heads.
pub fn settings(out: &mut Vec<u8>, most_streams: u32, most_head_bytes: u32) {
    head(out, 12, SETTINGS, 0, 0);
    for (name, value) in [(3_u16, most_streams), (6, most_head_bytes)] {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Writes a header block that begins at `start` in `out` as the frames that it needs; the room of
/// the first frame's head is there already.
pub fn finish_block(out: &mut Vec<u8>, start: usize, flags: u8, stream: u32) {
    let length = out.len() - start - HEAD_BYTES;
    let first = length.min(CONTENT_BYTES);
    let ends = if first == length { END_HEADERS } else { 0 };
    let place = |out: &mut Vec<u8>, at: usize, length, kind, flags| {
        out[at..at + HEAD_BYTES].copy_from_slice(&head_bytes(length, kind, flags, stream));
    };
    place(out, start, first, HEADERS, flags | ends);
    // Larger heads are rare: their pieces are moved apart one by one.
    let mut at = start + HEAD_BYTES + first;
    while at < out.len() {
        let piece = (out.len() - at).min(CONTENT_BYTES);
        let ends = if at + piece == out.len() { END_HEADERS } else { 0 };
        out.splice(at..at, [0; HEAD_BYTES]);
        place(out, at, piece, CONTINUATION, ends);
        at += HEAD_BYTES + piece;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back() {
        let mut out = Vec::new();
        head(&mut out, 0x01_02_03, DATA, END_STREAM, 0x7FFF_FFFF);
        let expected = Head { length: 0x01_02_03, kind: DATA, flags: END_STREAM, stream: 0x7FFF_FFFF };
        assert_eq!(Head::read(&out), Some(expected));
        assert_eq!(Head::read(&out[..8]), None);
    }

    #[test]
    fn a_large_block_is_continued() {
        for length in [0, 1, CONTENT_BYTES, CONTENT_BYTES + 1, 3 * CONTENT_BYTES] {
            let block: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut out = [b"before".to_vec(), vec![0; HEAD_BYTES], block.clone()].concat();
            finish_block(&mut out, 6, END_STREAM, 7);
            let (mut rest, mut seen, mut heads) = (&out[6..], Vec::new(), Vec::new());
            while let Some(head) = Head::read(rest) {
                assert!(head.length <= CONTENT_BYTES && head.stream == 7);
                seen.extend_from_slice(&rest[HEAD_BYTES..HEAD_BYTES + head.length]);
                rest = &rest[HEAD_BYTES + head.length..];
                heads.push(head);
            }
            assert_eq!(seen, block);
            assert!(heads[0].kind == HEADERS && heads[0].has(END_STREAM));
            assert!(heads[1..].iter().all(|h| h.kind == CONTINUATION && !h.has(END_STREAM)));
            assert_eq!(heads.iter().filter(|h| h.has(END_HEADERS)).count(), 1);
            assert!(heads.last().is_some_and(|h| h.has(END_HEADERS)));
        }
    }
}
