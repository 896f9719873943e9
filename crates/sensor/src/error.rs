//! Why an input could not be read at all. What is wrong within an input is counted in its
//! report instead.

use std::fmt;
use std::io;

/// What can be read, for those whose input cannot.
const SUPPORTED: &str = "pcap and pcapng captures, dnstap, access logs (common, combined, nginx and Apache \
                         formats, HAProxy, Traefik, Caddy, Envoy, Gin, uWSGI, PHP-FPM, JSON lines, AWS, IIS, \
                         Squid), error, login, firewall and DNS query logs, plain or packed with gzip, zstd, xz, bzip2 or lz4";

/// An input that could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// No input was named.
    NoInputs,
    Open {
        path: String,
        source: io::Error,
    },
    Directory {
        path: String,
    },
    /// Reading or unpacking failed before anything was recognised.
    Read {
        path: String,
        layer: &'static str,
        source: io::Error,
    },
    /// The content is neither a capture nor a log that is known.
    Unrecognised {
        path: String,
        /// The first bytes, printable.
        beginning: String,
        binary: bool,
    },
    /// A log whose lines have no date.
    Undated {
        path: String,
    },
    /// The same file was named before.
    Twice {
        path: String,
    },
    /// Packed more often than is unpacked.
    PackedTooDeep {
        path: String,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInputs => f.write_str("no input: name at least one file, or - for standard input"),
            Self::Open { path, source } => write!(f, "{path}: {}", not_opened(source)),
            Self::Directory { path } => {
                let folder = path.trim_end_matches('/');
                write!(f, "{path}: is a directory: name the files in it, such as {folder}/*.log")
            }
            Self::Read { path, layer: "", source } => {
                write!(f, "{}: cannot be read: {source}", shown(path))
            }
            Self::Read { path, layer, source } if needs_memory(source) => write!(
                f,
                "{}: unpacking this {layer} would take more memory than Seawall gives it: unpack it with \
                 {layer} itself",
                shown(path)
            ),
            Self::Read { path, layer, source } => write!(
                f,
                "{}: begins as {layer} but cannot be unpacked: {source}: the file is damaged or cut, fetch \
                 it again",
                shown(path)
            ),
            Self::Twice { path } => {
                write!(f, "{}: named twice, which would count it double: name it once", shown(path))
            }
            Self::Unrecognised { path, beginning, binary } => {
                if let Some(what) = of_seawall(beginning) {
                    return write!(f, "{}: {what}", shown(path));
                }
                let hint = if *binary { "" } else { ": give an unusual log's format with --log-format" };
                write!(
                    f,
                    "{}: not recognised: begins with '{beginning}': supported are {SUPPORTED}{hint}",
                    shown(path)
                )
            }
            Self::Undated { path } => write!(
                f,
                "{}: its lines have no date: fetch them with one in front, as `kubectl logs --timestamps`, \
                 `docker logs --timestamps` and `journalctl --output=short-iso` write it",
                shown(path)
            ),
            Self::PackedTooDeep { path } => {
                write!(f, "{}: packed more than twice: unpack it and name what is inside", shown(path))
            }
        }
    }
}

/// What a file is that Seawall itself wrote, by its beginning, and which command reads it.
#[must_use]
pub fn of_seawall(beginning: &str) -> Option<&'static str> {
    let known = [
        ("seawall recording", "is a recording: `seawall replay` reads it"),
        (
            "seawall baseline",
            "is a baseline: `seawall triage` takes it with --baseline, beside what to judge",
        ),
        ("seawall.triage/", "is a report: `seawall incident show` reads it"),
    ];
    known.into_iter().find(|(mark, _)| beginning.contains(mark)).map(|(_, what)| what)
}

/// Whether a packer asks for more memory than it may have.
fn needs_memory(source: &io::Error) -> bool {
    let xz = source.get_ref().and_then(|e| e.downcast_ref::<liblzma::stream::Error>());
    source.kind() == io::ErrorKind::OutOfMemory || xz == Some(&liblzma::stream::Error::MemLimit)
}

fn shown(path: &str) -> &str {
    if path == "-" { "standard input" } else { path }
}

/// Why a file could not be opened, and what to do.
#[must_use]
pub fn not_opened(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => "no such file: check the name".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "no permission to read it: run as a user who may, or copy the file".to_owned()
        }
        io::ErrorKind::IsADirectory => "is a directory: name a file in it".to_owned(),
        _ => format!("cannot be opened: {source}"),
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_our_own_names_the_command_that_reads_it() {
        let said = |beginning: &str| {
            let (path, beginning) = ("x".to_owned(), beginning.to_owned());
            ReadError::Unrecognised { path, beginning, binary: false }.to_string()
        };
        assert_eq!(said("seawall recording 1\\n"), "x: is a recording: `seawall replay` reads it");
        let report = "{\\n  \"schema\": \"seawall.triage/1\",";
        assert_eq!(said(report), "x: is a report: `seawall incident show` reads it");
        assert!(said("seawall baseline 1").contains("--baseline"));
        assert!(said("hello").contains("not recognised"));
    }
}
