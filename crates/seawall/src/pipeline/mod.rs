//! From a request to a report. The commands call these functions and nothing below them.
//!
//! ```text
//! files → sensor → windows → engine → conclusion → planning → TriageReport
//! ```

mod frames;
mod geo;
mod layout;
mod learn;
pub mod recording;
mod replay;
mod run;
mod simulate;
pub mod subject;

pub use learn::{Baseline, Part, learn};
pub use replay::replay;
pub use run::triage;
pub(crate) use run::{planned, report};
pub use simulate::simulate;

use seawall_model::policy::Policy;
use std::fmt;
use std::io;
use std::path::PathBuf;

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
    /// nginx `log_format` or Apache `LogFormat` string.
    pub log_format: Option<String>,
    /// Where to record the inputs of the engine.
    pub record: Option<PathBuf>,
}

/// What `seawall learn` was asked for.
#[derive(Clone, Debug, Default)]
pub struct LearnRequest {
    pub files: Vec<PathBuf>,
    pub output: PathBuf,
    pub log_format: Option<String>,
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
    /// A format given by the user is none.
    LogFormat { source: seawall_wire::log::TemplateError },
}

impl fmt::Display for TriageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => {
                write!(f, "{}: {}", path.display(), seawall_sensor::error::not_opened(source))
            }
            Self::Write { path, .. } => write!(f, "cannot write {}", path.display()),
            Self::Content { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Sensor { source } => write!(f, "{source}"),
            Self::LogFormat { source } => write!(f, "--log-format: {source}"),
        }
    }
}

impl std::error::Error for TriageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write { source, .. } => Some(source),
            // These tell their cause themselves.
            Self::Read { .. } | Self::Sensor { .. } | Self::Content { .. } | Self::LogFormat { .. } => None,
        }
    }
}
