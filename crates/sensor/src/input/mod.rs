//! Opens an input and recognises by its content what it is.
//!
//! Packed files are unpacked as streams, at most two layers deep, and only ever a buffer's worth
//! at a time, so that what a file claims about its size costs no memory.

mod backwards;
mod unpack;

use crate::error::ReadError;
use crate::report::printable;
use seawall_model::Timestamp;
use seawall_wire::log::{Format, Line, Parser};
use seawall_wire::packet::{capture, dnstap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of content that recognition looks at.
pub const SAMPLE_BYTES: usize = 64 * 1024;
/// Beyond a first line longer than that, so much more is looked at.
const LONG_LINE_BYTES: u64 = 1 << 20;
/// Packings within packings that are removed.
const LAYER_LIMIT: usize = 2;
/// Characters of the beginning that an error shows.
const BEGINNING_CHARACTERS: usize = 40;

/// What the content of an input is.
#[derive(Clone, Debug)]
pub enum Kind {
    Capture(capture::Kind),
    Log(Format),
    /// What a name server tells of its messages.
    Dnstap,
    /// No bytes at all.
    Empty,
}

/// An input that was opened and recognised.
pub struct Input {
    /// As given by the user; `-` is standard input.
    pub path: String,
    pub kind: Kind,
    /// Names of the packings removed, outermost first.
    pub layers: Vec<&'static str>,
    /// Size of the file as stored, where it has one.
    pub size_bytes: Option<u64>,
    /// Bytes read of the file as stored.
    pub position: Arc<AtomicU64>,
    /// The log begins with its newest record.
    pub newest_first: bool,
    content: Content,
}

enum Content {
    /// The stream, of which the sample was read already.
    Stream { sample: Vec<u8>, rest: Box<dyn Read + Send> },
    /// A plain file, closed again until its turn comes, so that many inputs need few handles.
    Closed,
}

impl Input {
    /// Opens `path` (`-`: standard input), unpacks and recognises it. Of the `formats` given, the
    /// one that reads most of the sample is taken before any that is recognised.
    ///
    /// # Errors
    /// The input cannot be opened or read, or is nothing that is known.
    pub fn open(path: &str, formats: &[Format]) -> Result<Self, ReadError> {
        let position = Arc::new(AtomicU64::new(0));
        let (file, size_bytes) = open_file(path)?;
        let counted = Counted { inner: file, position: Arc::clone(&position) };
        let Unpacked { layers, sample, rest } = unpack_all(path, Box::new(counted))?;
        let kind = recognise(path, &sample, formats)?;
        let newest_first = matches!(&kind, Kind::Log(format) if is_newest_first(format, &sample));
        let content = Content::Stream { sample, rest };
        let mut input =
            Self { path: path.to_owned(), kind, layers, size_bytes, position, newest_first, content };
        if input.is_turned() {
            input.content = input.opened_again()?;
        }
        Ok(input)
    }

    /// Whether the lines are read from the last to the first: those of a plain file can be, if none
    /// of them says how others are to be read.
    fn is_turned(&self) -> bool {
        let by_itself = matches!(&self.kind, Kind::Log(format) if format.is_stateless());
        self.newest_first && by_itself && self.layers.is_empty() && self.size_bytes.is_some()
    }

    /// What the input is, for reports.
    #[must_use]
    pub fn kind_name(&self) -> String {
        let mut name = match &self.kind {
            Kind::Capture(kind) => kind.name().to_owned(),
            Kind::Log(format) => format.name().to_owned(),
            Kind::Dnstap => "dnstap".to_owned(),
            Kind::Empty => "empty".to_owned(),
        };
        for layer in self.layers.iter().rev() {
            name.push_str(" in ");
            name.push_str(layer);
        }
        name
    }

    /// The first bytes of the content. Empty after [`Input::park`].
    #[must_use]
    pub fn sample(&self) -> &[u8] {
        match &self.content {
            Content::Stream { sample, .. } => sample,
            Content::Closed => b"",
        }
    }

    /// Closes a regular file until [`Input::stream`] opens it again. Others stay open.
    pub fn park(&mut self) {
        if self.size_bytes.is_some() {
            self.content = Content::Closed;
        }
    }

    /// Opens a parked file again, so that its sample can be looked at.
    ///
    /// # Errors
    /// It cannot be opened any more.
    pub fn unpark(&mut self) -> Result<(), ReadError> {
        if matches!(self.content, Content::Closed) {
            self.content = self.opened_again()?;
        }
        Ok(())
    }

    /// The content from its beginning.
    ///
    /// # Errors
    /// A parked file cannot be opened any more.
    pub fn stream(&mut self) -> Result<Box<dyn Read + Send>, ReadError> {
        self.unpark()?;
        Ok(match std::mem::replace(&mut self.content, Content::Closed) {
            Content::Stream { sample, rest } => Box::new(io::Cursor::new(sample).chain(rest)),
            Content::Closed => Box::new(io::empty()),
        })
    }

    /// The content of a regular file from its beginning, or turned round.
    fn opened_again(&self) -> Result<Content, ReadError> {
        self.position.store(0, Ordering::Relaxed);
        let file: Box<dyn Read + Send> = if self.is_turned() {
            let told = |source| ReadError::Open { path: self.path.clone(), source };
            let file = File::open(&self.path).map_err(told)?;
            Box::new(backwards::Backwards::open(file).map_err(told)?)
        } else {
            open_file(&self.path)?.0
        };
        let counted = Counted { inner: file, position: Arc::clone(&self.position) };
        let Unpacked { sample, rest, .. } = unpack_all(&self.path, Box::new(counted))?;
        Ok(Content::Stream { sample, rest })
    }
}

/// The file, and its size if it is a regular one.
fn open_file(path: &str) -> Result<(Box<dyn Read + Send>, Option<u64>), ReadError> {
    if path == "-" {
        return Ok((Box::new(io::stdin()), None));
    }
    let open_error = |source| ReadError::Open { path: path.to_owned(), source };
    let metadata = std::fs::metadata(Path::new(path)).map_err(open_error)?;
    if metadata.is_dir() {
        return Err(ReadError::Directory { path: path.to_owned() });
    }
    let file = File::open(Path::new(path)).map_err(open_error)?;
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}

struct Unpacked {
    layers: Vec<&'static str>,
    sample: Vec<u8>,
    rest: Box<dyn Read + Send>,
}

impl Unpacked {
    /// A first line that fills the sample hides what follows it.
    fn look_past_a_long_line(&mut self) {
        let is_cut = self.sample.len() == SAMPLE_BYTES && !self.sample.contains(&b'\n');
        if is_cut && !self.sample.contains(&0) {
            // An error is left for the next reader to meet.
            let _ = self.rest.by_ref().take(LONG_LINE_BYTES).read_to_end(&mut self.sample);
        }
    }
}

/// The lines of a sample, without a first one that is too long to be of any format.
fn after_long_line(sample: &[u8]) -> &[u8] {
    let first = sample.iter().position(|&b| b == b'\n');
    first.filter(|end| *end >= SAMPLE_BYTES).map_or(sample, |end| &sample[end + 1..])
}

/// Takes off packings until the content begins with none.
fn unpack_all(path: &str, mut rest: Box<dyn Read + Send>) -> Result<Unpacked, ReadError> {
    let mut layers: Vec<&'static str> = Vec::new();
    loop {
        let layer = layers.last().copied().unwrap_or("");
        let sample = read_sample(&mut rest).map_err(|source| ReadError::Read {
            path: path.to_owned(),
            layer,
            source,
        })?;
        let Some(packing) = unpack::Packing::recognise(&sample) else {
            let mut unpacked = Unpacked { layers, sample, rest };
            unpacked.look_past_a_long_line();
            return Ok(unpacked);
        };
        if layers.len() >= LAYER_LIMIT {
            return Err(ReadError::PackedTooDeep { path: path.to_owned() });
        }
        rest = packing
            .unpack(Box::new(io::Cursor::new(sample).chain(rest)))
            .map_err(|source| ReadError::Read { path: path.to_owned(), layer: packing.name(), source })?;
        layers.push(packing.name());
    }
}

/// The first bytes of a stream. An error after some bytes is left for the next reader to meet.
fn read_sample(stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut sample = vec![0; SAMPLE_BYTES];
    let mut filled = 0;
    while filled < sample.len() {
        match stream.read(&mut sample[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if filled == 0 => return Err(e),
            Err(_) => break,
        }
    }
    sample.truncate(filled);
    Ok(sample)
}

fn recognise(path: &str, sample: &[u8], formats: &[Format]) -> Result<Kind, ReadError> {
    if sample.is_empty() {
        return Ok(Kind::Empty);
    }
    if let Some(kind) = capture::Kind::recognise(sample) {
        return Ok(Kind::Capture(kind));
    }
    if dnstap::recognise(sample) {
        return Ok(Kind::Dnstap);
    }
    let lines = after_long_line(sample);
    if let Some(format) = best_of(formats, lines) {
        return Ok(Kind::Log(format.clone()));
    }
    if let Some(format) = seawall_wire::log::detect(lines) {
        return Ok(Kind::Log(format));
    }
    if seawall_wire::log::lacks_dates(lines) {
        return Err(ReadError::Undated { path: path.to_owned() });
    }
    Err(ReadError::Unrecognised {
        path: path.to_owned(),
        beginning: printable(sample, BEGINNING_CHARACTERS),
        binary: sample.iter().take(512).any(|&b| b == 0),
    })
}

/// Of the formats given by the user, the one that reads most lines of the sample, if any.
fn best_of<'f>(formats: &'f [Format], sample: &[u8]) -> Option<&'f Format> {
    let readable = |format: &Format| {
        let mut parser = Parser::new(format.clone());
        sample.split(|&b| b == b'\n').filter(|line| parser.parse(line).is_ok()).count()
    };
    let mut best = None;
    for format in formats {
        let count = readable(format);
        if count > best.map_or(0, |(most, _)| most) {
            best = Some((count, format));
        }
    }
    best.map(|(_, format)| format)
}

/// Lines of a sample whose times are looked at.
const TIMED_LINES: usize = 200;

fn is_newest_first(format: &Format, sample: &[u8]) -> bool {
    let mut parser = Parser::new(format.clone());
    let lines = sample.split(|&b| b == b'\n').take(TIMED_LINES);
    let times: Vec<Timestamp> = lines
        .filter_map(|line| match parser.parse(line) {
            Ok(Line::Observation(observation)) => Some(observation.time()),
            _ => None,
        })
        .collect();
    backwards::is_newest_first(&times)
}

/// Tells how far reading has come.
struct Counted {
    inner: Box<dyn Read + Send>,
    position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.position.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
