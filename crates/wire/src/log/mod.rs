//! Access logs and their kin, line by line, to observations.
//!
//! [`detect`] names the format of a sample by its content; a [`Parser`] then reads single lines.
//! A parser allocates nothing per line on the formats that busy servers write.
//!
//! Times are given as logged. Most servers log a request when it ends; where a format also says
//! when the request began (HAProxy's accept date, Amazon's creation time), that is taken.
//! Dates without a zone are UTC.

pub mod cdn;
mod common;
mod date;
mod detect;
mod draft;
mod layout;
mod names;
mod scan;
mod target;

pub use detect::detect;
pub use layout::Layout;

use date::Dates;
use seawall_model::change::Change;
use seawall_model::observation::Observation;
use std::fmt;

/// Bytes of one line that are read; a longer line is an error.
pub const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// How the lines of a file are to be read.
#[derive(Clone, Debug)]
pub enum Format {
    /// Common or Combined Log Format, with what its [`Layout`] adds.
    Combined(Layout),
}

impl Format {
    /// A short name for reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Combined(layout) if layout.has_user_agent() => "combined",
            Self::Combined(_) => "common",
        }
    }

    /// Whether a line reads the same whatever lines came before it, so that parts of a file can
    /// be read apart from each other.
    #[must_use]
    pub fn is_stateless(&self) -> bool {
        match self {
            Self::Combined(_) => true,
        }
    }
}

/// What a line said.
#[allow(
    clippy::large_enum_variant,
    reason = "lives on the stack of one call; boxing would allocate per line"
)]
#[derive(Clone, Debug)]
pub enum Line<'a> {
    Observation(Observation<'a>),
    /// A reload or a scaling that the log itself tells of.
    Change(Change),
    /// Blank, a comment, a directive, or known chatter without meaning for traffic.
    Nothing,
}

/// Why a line could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError {
    pub reason: &'static str,
    /// Where in the line reading stopped.
    pub at_byte: usize,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason, self.at_byte)
    }
}

impl std::error::Error for LineError {}

/// Reads the lines of one file.
#[derive(Clone, Debug)]
pub struct Parser {
    format: Format,
    dates: Dates,
}

impl Parser {
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, dates: Dates::default() }
    }

    /// For stamps that lack the year (syslog): the year of the file's beginning. A full date in
    /// the log overrules it; without either, such stamps lie in 1970.
    #[must_use]
    pub fn with_year(mut self, year: i64) -> Self {
        self.dates.set_year(year);
        self
    }

    /// Reads one line, with or without its line end.
    ///
    /// # Errors
    /// The line is not in this format, nor in any other that is known by sight.
    pub fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Line<'a>, LineError> {
        let line = trimmed(line);
        if line.is_empty() {
            return Ok(Line::Nothing);
        }
        if line.len() > LINE_LIMIT_BYTES {
            return Err(LineError { reason: "line too long", at_byte: LINE_LIMIT_BYTES });
        }
        match &self.format {
            Format::Combined(layout) => {
                let request = common::read(&mut self.dates, layout, line)?.finish()?;
                Ok(Line::Observation(Observation::Request(request)))
            }
        }
    }
}

/// Without byte order mark, line end and blanks at the end.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let kept =
        line.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | b' ' | b'\t' | 0)).map_or(0, |at| at + 1);
    &line[..kept]
}
