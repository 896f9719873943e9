//! The container of the files that Seawall writes for itself: a line that names the kind, then
//! frames of length, CRC-32 and deflated postcard. A file cut short is good up to its last frame.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::{self, Read, Write};

/// Longest frame, packed and unpacked. A window of any traffic is far below it.
const PACKED_LIMIT_BYTES: u64 = 16 << 20;
const UNPACKED_LIMIT_BYTES: u64 = 64 << 20;
/// Length and CRC-32 of the packed payload, little endian.
const HEAD_BYTES: usize = 8;

/// Why there is no next frame.
#[derive(Debug)]
pub enum FrameError {
    Read(io::Error),
    /// The file does not begin with the line that names the kind.
    Kind,
    /// The file ends within a frame.
    Torn,
    /// A frame whose checksum or content is wrong.
    Damaged(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "{error}"),
            Self::Kind => f.write_str("of another kind"),
            Self::Torn => f.write_str("ends within a frame"),
            Self::Damaged(why) => write!(f, "damaged: {why}"),
        }
    }
}

/// Writes frames.
#[derive(Debug)]
pub struct FrameWriter<W> {
    out: W,
}

impl<W: Write> FrameWriter<W> {
    /// Begins a file; `kind` is its first line.
    pub fn begin(mut out: W, kind: &str) -> io::Result<Self> {
        writeln!(out, "{kind}")?;
        Ok(Self { out })
    }

    pub fn put(&mut self, value: &impl Serialize) -> io::Result<()> {
        let plain = postcard::to_stdvec(value).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&plain)?;
        let packed = packer.finish()?;
        if packed.len() as u64 > PACKED_LIMIT_BYTES || plain.len() as u64 > UNPACKED_LIMIT_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a frame is longer than may be read back",
            ));
        }
        self.out.write_all(&(packed.len() as u32).to_le_bytes())?;
        self.out.write_all(&crc32fast::hash(&packed).to_le_bytes())?;
        self.out.write_all(&packed)
    }

    /// Hands everything so far to the writer below.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Reads frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    input: R,
    /// Bytes of the file read so far.
    position: u64,
}

impl<R: Read> FrameReader<R> {
    /// Begins a file that must have `kind` as its first line.
    pub fn begin(mut input: R, kind: &str) -> Result<Self, FrameError> {
        let mut line = vec![0; kind.len() + 1];
        let got = fill(&mut input, &mut line)?;
        if got < line.len() || !line.starts_with(kind.as_bytes()) || line.last() != Some(&b'\n') {
            return Err(FrameError::Kind);
        }
        Ok(Self { input, position: got as u64 })
    }

    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next frame; `None` at the end of the file.
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let mut head = [0; HEAD_BYTES];
        match fill(&mut self.input, &mut head)? {
            0 => return Ok(None),
            HEAD_BYTES => {}
            _ => return Err(FrameError::Torn),
        }
        let [a, b, c, d, e, f, g, h] = head;
        let (length, sum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if u64::from(length) > PACKED_LIMIT_BYTES {
            return Err(FrameError::Damaged(format!("a frame of {length} bytes")));
        }
        // Grows with what is there, not with what the length promises.
        let mut packed = Vec::new();
        self.input.by_ref().take(u64::from(length)).read_to_end(&mut packed).map_err(FrameError::Read)?;
        self.position += (HEAD_BYTES + packed.len()) as u64;
        if packed.len() < length as usize {
            return Err(FrameError::Torn);
        }
        if crc32fast::hash(&packed) != sum {
            return Err(FrameError::Damaged("the checksum of a frame is wrong".to_owned()));
        }
        unpack(&packed).map(Some)
    }
}

fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T, FrameError> {
    let mut plain = Vec::new();
    let unpacker = flate2::read::DeflateDecoder::new(packed);
    let read = unpacker.take(UNPACKED_LIMIT_BYTES + 1).read_to_end(&mut plain);
    read.map_err(|error| FrameError::Damaged(error.to_string()))?;
    if plain.len() as u64 > UNPACKED_LIMIT_BYTES {
        return Err(FrameError::Damaged("a frame unpacks to more than any that is written".to_owned()));
    }
    match postcard::take_from_bytes(&plain) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(FrameError::Damaged("a frame holds more than it should".to_owned())),
        Err(error) => Err(FrameError::Damaged(format!("a frame holds something else: {error}"))),
    }
}

/// Reads until `buffer` is full or the input ends; returns how many bytes came.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, FrameError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::Read(error)),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "seawall test 1";

    fn written(values: &[Vec<u64>]) -> Vec<u8> {
        let mut writer = FrameWriter::begin(Vec::new(), KIND).expect("memory");
        values.iter().for_each(|v| writer.put(v).expect("memory"));
        writer.finish().expect("memory")
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<u64>>, Option<FrameError>) {
        let mut reader = match FrameReader::begin(bytes, KIND) {
            Ok(reader) => reader,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut values = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return (values, None),
                Err(error) => return (values, Some(error)),
            }
        }
    }

    #[test]
    fn frames_come_back_and_a_cut_anywhere_keeps_the_whole_ones() {
        let values = vec![vec![1, 2, 3], vec![], (0..1_000).collect()];
        let bytes = written(&values);
        assert_eq!(read(&bytes).0, values);
        assert!(read(&bytes).1.is_none());
        for cut in 0..bytes.len() {
            let (whole, _) = read(&bytes[..cut]);
            assert!(whole.len() < values.len() && values.starts_with(&whole), "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let values = vec![vec![7; 40], vec![8; 40]];
        let bytes = written(&values);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (whole, error) = read(&flipped);
            assert!(error.is_some() && values.starts_with(&whole), "bit {bit}");
        }
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        let mut bytes = written(&[]);
        bytes.extend_from_slice(&(PACKED_LIMIT_BYTES as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        assert!(matches!(read(&bytes).1, Some(FrameError::Torn)));
    }
}
