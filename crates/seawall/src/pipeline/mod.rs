//! From a request to a report. The commands call these functions and nothing below them.
//!
//! ```text
//! files → sensor → windows → engine → conclusion → planning → TriageReport
//! ```

mod addresses;
mod doubt;
pub(crate) mod frames;
mod geo;
pub(crate) mod layout;
mod learn;
pub mod recording;
mod replay;
mod run;
mod simulate;
pub mod subject;
mod watcher;

pub use addresses::Addresses;
pub use learn::{Baseline, Learnt, Part, learn};
pub use replay::{RECORDING, replay};
pub use run::triage;
pub(crate) use run::{given_format, planned, report};
pub use simulate::simulate;

use seawall_model::Prefix;
use seawall_model::policy::Policy;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Finds out whether a file can be written, and leaves things as they were: who waits for a long input to
/// be read wants to know before.
///
/// # Errors
/// If it cannot.
pub fn try_to_write(path: &Path) -> Result<(), TriageError> {
    let told = |source| TriageError::Write { path: path.to_owned(), source };
    let created = OpenOptions::new().write(true).create_new(true).open(path);
    match created {
        Ok(_) => std::fs::remove_file(path).map_err(told),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path).map(drop).map_err(told)
        }
        Err(error) => Err(told(error)),
    }
}

/// Opens a file of Seawall's own to write, in place of an earlier one of its kind; its first line, less the
/// number, is `kind`. Only its owner may read it. Anything else that is there stays: who takes an option
/// for a switch would lose a log.
///
/// # Errors
/// If something else is there, or it cannot be written.
pub fn create_own(path: &Path, kind: &str) -> io::Result<File> {
    let name = kind.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
    if path.is_file() {
        let mut beginning = Vec::new();
        File::open(path)?.take(name.len() as u64).read_to_end(&mut beginning)?;
        if !beginning.is_empty() && beginning != name.as_bytes() {
            let why = format!("it is there already and is no {name}; name another file, or remove it");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// How files are to be read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// nginx `log_format` or Apache `LogFormat` string.
    pub log_format: Option<String>,
    /// `None`: as many as there are cores.
    pub threads: Option<NonZeroUsize>,
    /// Proxies to believe when they name the client.
    pub proxies: Vec<Prefix>,
    /// How addresses of clients are told, in reports and recordings.
    pub addresses: Addresses,
}

/// What `seawall triage` was asked for.
#[derive(Clone, Debug, Default)]
pub struct TriageRequest {
    /// `-` is standard input.
    pub files: Vec<PathBuf>,
    pub baseline: Vec<PathBuf>,
    pub changes: Option<PathBuf>,
    pub policy: Policy,
    /// Databases of networks (MaxMind DB), for countries and network numbers.
    pub geo: Vec<PathBuf>,
    pub reading: Reading,
    /// Where to record the inputs of the engine.
    pub record: Option<PathBuf>,
}

/// What `seawall learn` was asked for.
#[derive(Clone, Debug, Default)]
pub struct LearnRequest {
    pub files: Vec<PathBuf>,
    pub output: PathBuf,
    pub reading: Reading,
}

/// What `seawall replay` was asked for.
#[derive(Clone, Debug, Default)]
pub struct ReplayRequest {
    pub recording: PathBuf,
    /// `None`: the recorded one.
    pub policy: Option<Policy>,
}

/// What `seawall drill simulate` was asked for.
#[derive(Clone, Copy, Debug)]
pub struct SimulateRequest {
    pub episodes: u32,
    pub seed: u64,
    /// JSON instead of text.
    pub json: bool,
}

/// How far a long run has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being read now.
    pub path: String,
    pub bytes: u64,
    /// `None` for pipes.
    pub bytes_total: Option<u64>,
    pub records: u64,
}

/// Called often; the callee decides how often to draw.
pub type ProgressSink<'a> = &'a mut dyn FnMut(&Progress);

/// Why there is no report.
#[derive(Debug)]
pub enum TriageError {
    /// A file could not be read.
    Read { path: PathBuf, source: io::Error },
    /// A file could not be written.
    Write { path: PathBuf, source: io::Error },
    /// A file was read and is not what was asked for.
    Content { path: PathBuf, reason: String },
    /// An input could not be read; the sensor says which, why and what to do.
    Sensor { source: seawall_sensor::ReadError },
    /// Encrypted addresses have no place that a database could know.
    EncryptedPlaces,
    /// A format given by the user is none.
    LogFormat { source: seawall_wire::log::TemplateError },
}

impl fmt::Display for TriageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => {
                write!(f, "{}: {}", path.display(), seawall_sensor::error::not_opened(source))
            }
            Self::Write { path, source } => write!(f, "{}: {}", path.display(), not_written(source)),
            Self::Content { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Sensor { source } => write!(f, "{source}"),
            Self::EncryptedPlaces => f.write_str(
                "--geo cannot look up encrypted addresses: use --addresses cut, or leave out --geo",
            ),
            Self::LogFormat { source } => write!(f, "--log-format: {source}"),
        }
    }
}

/// Why a file could not be written, and what to do.
fn not_written(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => "cannot be written: its folder does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be written: no permission to".to_owned(),
        io::ErrorKind::IsADirectory => "cannot be written: is a directory: name a file in it".to_owned(),
        _ => format!("cannot be written: {source}"),
    }
}

// Each tells its cause itself, as what to do about it; a chain would tell it twice.
impl std::error::Error for TriageError {}
