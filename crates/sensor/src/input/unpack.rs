//! Packings, recognised by their first bytes and unpacked as streams.

use ruzstd::decoding::errors::FrameDecoderError;
use std::io::{self, BufRead, BufReader, Read};

/// Memory that unpacking xz may take: the dictionary of `xz -9` is half of it.
const XZ_MEMORY_BYTES: u64 = 128 << 20;
const READ_BYTES: usize = 256 * 1024;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Lz4,
    /// Text as Windows writes it, told by its byte order mark.
    Utf16 {
        order: ByteOrder,
    },
}

/// Which byte of a unit of UTF-16 comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl Packing {
    pub(super) fn recognise(sample: &[u8]) -> Option<Self> {
        match sample {
            // Deflate is the only method that was ever used (RFC 1952).
            [0x1F, 0x8B, 8, ..] => Some(Self::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Self::Zstd),
            // A skippable frame (RFC 8878), as parallel packers write first.
            [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Self::Zstd),
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Some(Self::Bzip2),
            [0x04, 0x22, 0x4D, 0x18, ..] => Some(Self::Lz4),
            [0xFF, 0xFE, _, 0, ..] => Some(Self::Utf16 { order: ByteOrder::Little }),
            [0xFE, 0xFF, 0, _, ..] => Some(Self::Utf16 { order: ByteOrder::Big }),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
            Self::Utf16 { .. } => "utf-16",
        }
    }

    /// The stream unpacked. Files made by joining packed files are read to the end.
    pub(super) fn unpack(self, packed: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let packed = BufReader::with_capacity(READ_BYTES, packed);
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
            }
            Self::Zstd => Box::new(Zstd { packed: Some(packed), frame: None }),
            Self::Lz4 => Box::new(Lz4 { frames: lz4_flex::frame::FrameDecoder::new(packed) }),
            Self::Utf16 { order } => {
                Box::new(Utf16 { packed, order, half: None, text: String::new(), given: 0 })
            }
        })
    }
}

type Packed = BufReader<Box<dyn Read + Send>>;
type Frame = ruzstd::decoding::StreamingDecoder<Packed, ruzstd::decoding::FrameDecoder>;

/// LZ4 frames one after another; the library ends with each and begins the next when asked again.
struct Lz4 {
    frames: lz4_flex::frame::FrameDecoder<Packed>,
}

impl Read for Lz4 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.frames.read(buffer)? {
            0 => self.frames.read(buffer),
            n => Ok(n),
        }
    }
}

/// Zstandard frames one after another; the library reads one.
struct Zstd {
    packed: Option<Packed>,
    frame: Option<Box<Frame>>,
}

impl Zstd {
    /// Begins the next frame. `false` at the end of the stream.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(mut packed) = self.packed.take() else { return Ok(false) };
        loop {
            let head = peek(&mut packed)?;
            match head {
                None => return Ok(false),
                Some([0x50..=0x5F, 0x2A, 0x4D, 0x18]) => skip_frame(&mut packed)?,
                Some(_) => break,
            }
        }
        let frame = Frame::new(packed).map_err(|e| {
            let is_large = matches!(e, FrameDecoderError::WindowSizeTooBig { .. });
            let kind = if is_large { io::ErrorKind::OutOfMemory } else { io::ErrorKind::InvalidData };
            io::Error::new(kind, e.to_string())
        })?;
        self.frame = Some(Box::new(frame));
        Ok(true)
    }
}

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.frame.is_none() && !self.begin()? {
                return Ok(0);
            }
            let Some(frame) = self.frame.as_mut() else { return Ok(0) };
            let n = frame.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            self.packed = self.frame.take().map(|frame| frame.into_inner());
        }
    }
}

/// UTF-16 as UTF-8. What is no character becomes U+FFFD, a pair of units that two reads part too.
struct Utf16 {
    packed: Packed,
    order: ByteOrder,
    /// The first byte of a unit whose second has not come yet.
    half: Option<u8>,
    text: String,
    /// Bytes of the text that were handed out.
    given: usize,
}

impl Utf16 {
    /// Turns the next bytes into text; leaves it empty at the end.
    fn refill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.given = 0;
        while self.text.is_empty() {
            let bytes = self.packed.fill_buf()?;
            let count = bytes.len();
            if count == 0 {
                return Ok(());
            }
            let (half, order) = (&mut self.half, self.order);
            let units = bytes.iter().filter_map(|&byte| {
                let Some(first) = half.take() else {
                    *half = Some(byte);
                    return None;
                };
                Some(match order {
                    ByteOrder::Little => u16::from_le_bytes([first, byte]),
                    ByteOrder::Big => u16::from_be_bytes([first, byte]),
                })
            });
            let characters = char::decode_utf16(units);
            self.text.extend(characters.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            self.packed.consume(count);
        }
        Ok(())
    }
}

impl Read for Utf16 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.text.len() {
            self.refill()?;
        }
        let rest = &self.text.as_bytes()[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

/// The next four bytes, if there are as many, not consumed.
fn peek(packed: &mut Packed) -> io::Result<Option<[u8; 4]>> {
    let available = packed.fill_buf()?;
    if available.is_empty() {
        return Ok(None);
    }
    if let Some(head) = available.first_chunk::<4>() {
        return Ok(Some(*head));
    }
    // The magic number straddles two reads: hand it over as it is, the decoder will judge it.
    Ok(Some([0; 4]))
}

/// Passes over a skippable frame: magic, length, that many bytes.
fn skip_frame(packed: &mut Packed) -> io::Result<()> {
    let mut head = [0; 8];
    packed.read_exact(&mut head)?;
    let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    io::copy(&mut packed.take(length), &mut io::sink())?;
    Ok(())
}
