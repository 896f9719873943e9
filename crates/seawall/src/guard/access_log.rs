//! The access log's file. A disk that is full costs lines, never the site.

use super::incident::Told;
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// An open log, and how many lines of it were lost since it could not be written.
#[derive(Debug)]
pub struct AccessLog {
    file: File,
    lost_lines: usize,
}

impl AccessLog {
    /// # Errors
    /// If the file cannot be made or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o640);
        let file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, lost_lines: 0 })
    }

    /// Appends whole lines. Tells of the first that are lost, and when there are no more.
    pub fn append(&mut self, lines: &[u8]) -> Option<Told> {
        if lines.is_empty() {
            return None;
        }
        let lost_before = self.lost_lines;
        match self.file.write_all(lines) {
            Ok(()) => {
                self.lost_lines = 0;
                (lost_before > 0).then(|| {
                    Told::Noted(format!(
                        "the access log is written again; {lost_before} lines of it are lost"
                    ))
                })
            }
            Err(error) => {
                self.lost_lines += lines.iter().filter(|b| **b == b'\n').count();
                (lost_before == 0).then(|| {
                    Told::Failed(format!("cannot write the access log, its lines are lost: {error}"))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_costs_lines_and_is_told_once() {
        let full = File::options().write(true).open("/dev/full").expect("there");
        let mut log = AccessLog { file: full, lost_lines: 0 };
        assert!(matches!(log.append(b"a\nb\n"), Some(Told::Failed(text)) if text.contains("No space left")));
        assert!(log.append(b"c\n").is_none());
        log.file = File::options().write(true).open("/dev/null").expect("there");
        assert!(matches!(log.append(b"d\n"), Some(Told::Noted(text)) if text.contains("3 lines")));
        assert!(log.append(b"e\n").is_none() && log.append(b"").is_none());
    }
}
