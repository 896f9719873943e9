//! Bodies: where their data is, and where they end. Chunks are taken strictly (RFC 9112 section
//! 7.1), because a chunk size that two servers read differently moves the end of the message.

use super::Refusal;
use super::field::{self, Field};

/// Digits of a chunk's size; 15 hexadecimal digits are more than any body.
const SIZE_DIGITS: usize = 15;
/// Bytes of one line of sizes and extensions.
const SIZE_LINE_BYTES: usize = 256;
/// Bytes of extensions in a whole body: nobody uses them but to make servers work.
const EXTENSION_BYTES: usize = 4096;
/// Bytes of all trailers.
const TRAILER_BYTES: usize = 8192;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    #[default]
    None,
    Length(u64),
    Chunked,
    /// Until the connection closes; responses only.
    ToEnd,
}

impl Framing {
    /// Whether it is known beforehand that there is no byte of it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// What comes next in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `buffer[start..end]` is data; all before `end` is done with.
    Data { start: usize, end: usize },
    /// All before `consumed` is done with, and more bytes are needed.
    More { consumed: usize },
    /// The body is complete; what is from `consumed` on belongs to the next message. Trailer
    /// lines, if any, are `buffer[trailers..consumed]`, with the empty line after them.
    End { trailers: usize, consumed: usize },
}

/// Where in a body we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    state: State,
    extension_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    /// So many bytes are left.
    Left(u64),
    ToEnd,
    Size,
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Trailers,
}

impl Body {
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Left(length),
            Framing::Chunked => State::Size,
            Framing::ToEnd => State::ToEnd,
        };
        Self { state, extension_bytes: 0 }
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the body may end where the connection does.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        self.state == State::ToEnd
    }

    /// Whether the rest of the body is in the buffer, to its end.
    #[must_use]
    pub fn ends_in(mut self, mut buffer: &[u8]) -> bool {
        loop {
            match self.step(buffer) {
                Ok(Step::Data { end, .. }) => buffer = &buffer[end..],
                Ok(Step::End { .. }) => return true,
                Ok(Step::More { .. }) | Err(_) => return false,
            }
        }
    }

    /// Takes what is in the buffer, up to one piece of data.
    ///
    /// # Errors
    /// If a chunk is not what the standard says.
    pub fn step(&mut self, buffer: &[u8]) -> Result<Step, Refusal> {
        let mut at = 0;
        loop {
            let rest = &buffer[at..];
            match self.state {
                State::Done => return Ok(Step::End { trailers: at, consumed: at }),
                _ if rest.is_empty() => return Ok(Step::More { consumed: at }),
                State::ToEnd => return Ok(Step::Data { start: at, end: buffer.len() }),
                State::Left(left) => {
                    let taken = left.min(rest.len() as u64);
                    self.state = if taken == left { State::Done } else { State::Left(left - taken) };
                    return Ok(Step::Data { start: at, end: at + taken as usize });
                }
                State::Chunk(left) => {
                    let taken = left.min(rest.len() as u64);
                    self.state = if taken == left { State::ChunkEnd } else { State::Chunk(left - taken) };
                    return Ok(Step::Data { start: at, end: at + taken as usize });
                }
                State::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        self.state = State::Size;
                        at += 2;
                    }
                    [b'\r'] => return Ok(Step::More { consumed: at }),
                    _ => return Err(Refusal::bad("chunk-end")),
                },
                State::Size => match self.size_line(rest)? {
                    Some(line) => at += line,
                    None => return Ok(Step::More { consumed: at }),
                },
                State::Trailers => {
                    let Some(length) = trailer_section(rest)? else { return Ok(Step::More { consumed: at }) };
                    self.state = State::Done;
                    return Ok(Step::End { trailers: at, consumed: at + length });
                }
            }
        }
    }

    /// Reads a chunk's size line and returns its length, if it is all there.
    fn size_line(&mut self, rest: &[u8]) -> Result<Option<usize>, Refusal> {
        let digits = rest.iter().take(SIZE_DIGITS + 1).take_while(|b| b.is_ascii_hexdigit()).count();
        if digits > SIZE_DIGITS || (digits == 0 && !rest.is_empty()) {
            return Err(Refusal::bad("chunk-size"));
        }
        let Some(end) = memchr::memchr(b'\n', rest) else {
            let fits = rest.len() <= SIZE_LINE_BYTES;
            return if fits { Ok(None) } else { Err(Refusal::bad("chunk-size")) };
        };
        if end >= SIZE_LINE_BYTES || rest[end - 1] != b'\r' {
            return Err(Refusal::bad("chunk-size"));
        }
        let extension = &rest[digits..end - 1];
        let is_clean = extension.iter().all(|b| *b >= b' ' && *b != 0x7F);
        if !(extension.is_empty() || (extension[0] == b';' && is_clean)) {
            return Err(Refusal::bad("chunk-size"));
        }
        self.extension_bytes += extension.len();
        if self.extension_bytes > EXTENSION_BYTES {
            return Err(Refusal::bad("chunk-extensions"));
        }
        let size = rest[..digits].iter().fold(0, |n, b| n << 4 | hex(*b));
        self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
        Ok(Some(end + 1))
    }
}

fn hex(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    })
}

/// The length of the trailer lines and the empty line after them, if all are there.
fn trailer_section(rest: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', &rest[at..]).map(|n| at + n) {
        if end == at || rest[end - 1] != b'\r' {
            return Err(Refusal::bad("bare-lf"));
        }
        // Also where all of it came at once.
        if end >= TRAILER_BYTES {
            return Err(Refusal::with(431, "trailer-bytes"));
        }
        if end - 1 == at {
            return Ok(Some(end + 1));
        }
        field::parse(&rest[at..end - 1], at)?;
        at = end + 1;
    }
    if rest.len() > TRAILER_BYTES { Err(Refusal::with(431, "trailer-bytes")) } else { Ok(None) }
}

/// The fields of a trailer section that may be passed on.
pub fn welcome_trailers(section: &[u8]) -> impl Iterator<Item = Field> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let end = at + memchr::memchr(b'\r', section.get(at..)?)?;
        let field = field::parse(&section[at..end], at).ok()?;
        at = end + 2;
        Some(field)
    })
    .filter(|f| f.kind.is_welcome_as_trailer())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All data of a body that comes in pieces of `piece` bytes, and what is left over.
    fn drain(framing: Framing, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let (mut body, mut data, mut buffer) = (Body::new(framing), Vec::new(), Vec::new());
        for part in bytes.chunks(piece) {
            buffer.extend_from_slice(part);
            loop {
                match body.step(&buffer)? {
                    Step::Data { start, end } => {
                        data.extend_from_slice(&buffer[start..end]);
                        buffer.drain(..end);
                    }
                    Step::More { consumed } => {
                        buffer.drain(..consumed);
                        break;
                    }
                    Step::End { consumed, .. } => {
                        buffer.drain(..consumed);
                        break;
                    }
                }
            }
        }
        if body.is_done() { Ok((data, buffer)) } else { Err(Refusal::bad("incomplete")) }
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let bytes = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\nGET";
        for piece in 1..bytes.len() {
            let (data, rest) = drain(Framing::Chunked, bytes, piece).expect("a body");
            assert_eq!((&data[..], &rest[..]), (&b"hello world"[..], &b"GET"[..]), "pieces of {piece}");
        }
    }

    #[test]
    fn chunks_that_servers_read_differently_are_refused() {
        for bytes in [
            &b"5\nhello\r\n0\r\n\r\n"[..],
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
            b"-1\r\nhello\r\n0\r\n\r\n",
            b"FFFFFFFFFFFFFFFFF\r\n",
            b"0\r\nX : y\r\n\r\n",
            b"0\r\n folded\r\n\r\n",
            b"0\r\nX: y\n\r\n",
        ] {
            for piece in [1, bytes.len()] {
                let taken = drain(Framing::Chunked, bytes, piece);
                assert!(
                    taken.as_ref().is_err_and(|r| r.reason != "incomplete"),
                    "{:?}: {taken:?}",
                    String::from_utf8_lossy(bytes)
                );
            }
        }
    }

    #[test]
    fn extensions_are_bounded_over_the_whole_body() {
        let chunk = [b"1;".to_vec(), vec![b'x'; 200], b"\r\na\r\n".to_vec()].concat();
        assert_eq!(
            drain(Framing::Chunked, &chunk.repeat(30), 4096).err(),
            Some(Refusal::bad("chunk-extensions"))
        );
    }

    #[test]
    fn trailers_are_bounded_also_when_they_come_at_once() {
        let line = [b"X: ".to_vec(), vec![b'x'; 400], b"\r\n".to_vec()].concat();
        let bytes = [b"0\r\n".to_vec(), line.repeat(30), b"\r\n".to_vec()].concat();
        for piece in [100, bytes.len()] {
            let refused = drain(Framing::Chunked, &bytes, piece).err();
            assert_eq!(refused, Some(Refusal::with(431, "trailer-bytes")), "pieces of {piece}");
        }
    }

    #[test]
    fn trailers_that_belong_before_the_body_are_not_passed_on() {
        let section = b"X-Sum: 1\r\nContent-Length: 5\r\nHost: b\r\nX-Other: 2\r\n\r\n";
        let names: Vec<&[u8]> = welcome_trailers(section).map(|f| f.name(section)).collect();
        assert_eq!(names, [&b"X-Sum"[..], b"X-Other"]);
    }

    #[test]
    fn a_body_with_a_length_ends_there() {
        let (data, rest) = drain(Framing::Length(4), b"abcdGET /", 3).expect("a body");
        assert_eq!((&data[..], &rest[..]), (&b"abcd"[..], &b"GET /"[..]));
    }
}
