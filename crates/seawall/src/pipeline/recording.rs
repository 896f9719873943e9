//! Recordings (`.swr`): every input of the engine, so that an incident can be run again under the
//! same or another policy. What goes in is written before the engine sees it.

use super::TriageError;
use super::frames::{FrameError, FrameReader, FrameWriter};
use super::layout;
use seawall_engine::Input;
use seawall_model::Timestamp;
use seawall_model::policy::Policy;
use seawall_model::report::InputReport;
use seawall_sensor::error::of_seawall;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

/// First line of a recording.
pub const KIND: &str = "seawall recording 1";

/// So much of a file tells what it is, where it is no recording.
const BEGINNING_BYTES: usize = 64;

/// What a recording begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    layout: u64,
    /// Version of the program that wrote it.
    program: String,
    policy: Policy,
    writer: Writer,
}

/// Who writes a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writer {
    /// One that reads files to their end, and tells at the end what it has read.
    Reader,
    /// A guard, whose recording ends wherever it is looked at.
    Guard,
}

/// One frame, as it is read. [`FrameRef`] is the same as it is written.
#[derive(Debug, Deserialize)]
enum Frame {
    Step(Timestamp, Input),
    Inputs(Vec<InputReport>),
}

#[derive(Serialize)]
enum FrameRef<'a> {
    Step(Timestamp, &'a Input),
    Inputs(&'a [InputReport]),
}

/// Writes a recording.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    frames: FrameWriter<BufWriter<File>>,
}

impl Recorder {
    /// Begins a recording, in place of an earlier one of that name. Only its owner may read it: it
    /// holds addresses of clients.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn begin(path: &Path, policy: &Policy, writer: Writer) -> Result<Self, TriageError> {
        let told = |source| TriageError::Write { path: path.to_owned(), source };
        let out = BufWriter::new(super::create_own(path, KIND).map_err(told)?);
        let mut frames = FrameWriter::begin(out, KIND).map_err(told)?;
        let header = Header {
            layout: layout::fingerprint(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            policy: policy.clone(),
            writer,
        };
        frames.put(&header).map_err(told)?;
        Ok(Self { path: path.to_owned(), frames })
    }

    /// Writes one input as the engine gets it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn step(&mut self, now: Timestamp, input: &Input) -> Result<(), TriageError> {
        self.put(&FrameRef::Step(now, input))
    }

    /// Hands everything so far to the system, so that it survives the end of this process.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<(), TriageError> {
        self.frames.flush().map_err(|source| TriageError::Write { path: self.path.clone(), source })
    }

    /// Ends the recording with what was read.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self, inputs: &[InputReport]) -> Result<(), TriageError> {
        self.put(&FrameRef::Inputs(inputs))?;
        let path = self.path;
        self.frames.finish().map(drop).map_err(|source| TriageError::Write { path, source })
    }

    fn put(&mut self, frame: &FrameRef<'_>) -> Result<(), TriageError> {
        self.frames.put(frame).map_err(|source| TriageError::Write { path: self.path.clone(), source })
    }
}

/// Reads a recording.
#[derive(Debug)]
pub struct Recording<R> {
    pub policy: Policy,
    writer: Writer,
    frames: FrameReader<R>,
}

/// What a recording ends with.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Steps that could be read.
    pub steps: u64,
    /// What had been read when it was recorded; `None` where the end of the recording is missing.
    pub inputs: Option<Vec<InputReport>>,
    /// Why the rest could not be read, if there is a rest.
    pub torn: Option<String>,
}

impl Recording<BufReader<File>> {
    /// Opens a recording.
    ///
    /// # Errors
    /// If the file cannot be read, is no recording, or is of a program with another layout.
    pub fn open(path: &Path) -> Result<Self, TriageError> {
        let file = File::open(path).map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
        let mut input = BufReader::new(file);
        let beginning = input.fill_buf().unwrap_or_default();
        let beginning = String::from_utf8_lossy(&beginning[..beginning.len().min(BEGINNING_BYTES)]);
        let other = of_seawall(&beginning).filter(|_| !beginning.starts_with(KIND)).map(str::to_owned);
        other
            .map_or_else(|| Self::read(input), Err)
            .map_err(|reason| TriageError::Content { path: path.to_owned(), reason })
    }
}

impl<R: Read> Recording<R> {
    /// Reads the beginning of a recording.
    ///
    /// # Errors
    /// A sentence that says what it is instead, and what to do.
    pub fn read(input: R) -> Result<Self, String> {
        let mut frames = FrameReader::begin(input, KIND).map_err(|error| match error {
            FrameError::Kind => "is no recording of `seawall triage --record`".to_owned(),
            other => other.to_string(),
        })?;
        let header: Header = match frames.next() {
            Ok(Some(header)) => header,
            Ok(None) | Err(FrameError::Torn) => return Err("ends before its header".to_owned()),
            Err(error) => return Err(format!("has no header that this program reads: {error}")),
        };
        if header.layout != layout::fingerprint() {
            let (theirs, ours) = (header.program, env!("CARGO_PKG_VERSION"));
            return Err(format!(
                "was recorded by seawall {theirs}, whose recordings this build of {ours} cannot read; replay it with that version"
            ));
        }
        Ok(Self { policy: header.policy, writer: header.writer, frames })
    }

    /// Hands out every step up to the end or to the first damage.
    pub fn play(mut self, mut step: impl FnMut(Timestamp, Input, u64)) -> Ending {
        let mut ending = Ending { steps: 0, inputs: None, torn: None };
        loop {
            match self.frames.next() {
                Ok(Some(Frame::Step(now, input))) => {
                    ending.steps += 1;
                    step(now, input, self.frames.position());
                }
                Ok(Some(Frame::Inputs(inputs))) => ending.inputs = Some(inputs),
                Ok(None) if ending.inputs.is_some() || self.writer == Writer::Guard => return ending,
                Ok(None) => {
                    ending.torn = Some("ends before what was read is told".to_owned());
                    return ending;
                }
                Err(error) => {
                    ending.torn = Some(error.to_string());
                    return ending;
                }
            }
        }
    }
}
