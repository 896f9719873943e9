//! The access log's file. A disk that is full costs lines, never the site.

use super::incident::Told;
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// An open log, and how many lines of it were lost since it could not be written.
#[derive(Debug)]
pub struct AccessLog {
    file: File,
    /// The last line that is there has no end: the next would be glued to it.
    is_cut: bool,
    lost_lines: u64,
}

/// What came of an attempt to write lines.
#[derive(Debug, Default)]
pub struct Appended {
    /// Lines that are not there, or not whole.
    pub lost_lines: u64,
    /// The first that are lost, and when there are no more.
    pub told: Option<Told>,
}

impl AccessLog {
    /// # Errors
    /// If the file cannot be made or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o640);
        let file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
        // A file that nobody may read is taken for whole.
        let is_cut = file.metadata().is_ok_and(|m| m.is_file()) && ends_within_line(path).unwrap_or(false);
        Ok(Self { file, is_cut, lost_lines: 0 })
    }

    /// The same in place of the log that was open before it: lines that were lost are still to be told.
    ///
    /// # Errors
    /// As [`AccessLog::open`].
    pub fn open_again(path: &Path, before: Option<&Self>) -> anyhow::Result<Self> {
        let lost_lines = before.map_or(0, |log| log.lost_lines);
        Ok(Self { lost_lines, ..Self::open(path)? })
    }

    /// Appends whole lines.
    pub fn append(&mut self, lines: &[u8]) -> Appended {
        if lines.is_empty() {
            return Appended::default();
        }
        let lost_before = self.lost_lines;
        let outcome = self.close_cut_line().map_err(|error| (0, error)).and_then(|()| {
            let written = write_counted(&mut self.file, lines);
            let bytes = written.as_ref().map_or_else(|(bytes, _)| *bytes, |()| lines.len());
            self.is_cut = lines[..bytes].last().is_some_and(|last| *last != b'\n');
            written
        });
        match outcome {
            Ok(()) => {
                self.lost_lines = 0;
                let told = format!("the access log is written again; {lost_before} lines of it are lost");
                Appended { lost_lines: 0, told: (lost_before > 0).then_some(Told::Noted(told)) }
            }
            Err((bytes, error)) => {
                let lost_lines = lines[bytes..].iter().filter(|b| **b == b'\n').count() as u64;
                self.lost_lines += lost_lines;
                let told = format!("cannot write the access log, its lines are lost: {error}");
                Appended { lost_lines, told: (lost_before == 0).then_some(Told::Failed(told)) }
            }
        }
    }

    /// What is left of a line that was cut is a line of its own.
    fn close_cut_line(&mut self) -> io::Result<()> {
        if self.is_cut {
            self.file.write_all(b"\n")?;
            self.is_cut = false;
        }
        Ok(())
    }
}

/// As `write_all`; on failure with the bytes that were written before it.
fn write_counted(out: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

fn ends_within_line(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(file: File) -> AccessLog {
        AccessLog { file, is_cut: false, lost_lines: 0 }
    }

    #[test]
    fn a_full_disk_costs_lines_and_is_told_once() {
        let full = File::options().write(true).open("/dev/full").expect("there");
        let mut log = log(full);
        let failed = log.append(b"a\nb\n");
        assert!(matches!(failed.told, Some(Told::Failed(text)) if text.contains("No space left")));
        let again = log.append(b"c\n");
        assert!(again.told.is_none());
        assert_eq!((failed.lost_lines, again.lost_lines), (2, 1));
        log.file = File::options().write(true).open("/dev/null").expect("there");
        assert!(matches!(log.append(b"d\n").told, Some(Told::Noted(text)) if text.contains("3 lines")));
        assert!(log.append(b"e\n").told.is_none() && log.append(b"").told.is_none());
    }

    /// A disk with room for so many bytes.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.0);
            self.0 -= n;
            if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_written_before_a_failure_is_counted() {
        for room in 0..6 {
            let outcome = write_counted(&mut Disk(room), b"a\nbc\n");
            assert_eq!(outcome.map_err(|(bytes, _)| bytes), if room < 5 { Err(room) } else { Ok(()) });
        }
    }

    /// Broke: the first line after a full disk was glued to the one that was cut; lines that had been
    /// written before the cut counted as lost.
    #[test]
    fn a_line_that_was_cut_ends_before_the_next() {
        let path = std::env::temp_dir().join(format!("seawall-cut-log-{}", std::process::id()));
        std::fs::write(&path, "whole\ncu").expect("written");
        let mut log = AccessLog::open(&path).expect("opened");
        assert!(log.append(b"next\n").told.is_none());
        assert!(log.append(b"last\n").told.is_none());
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(text, "whole\ncu\nnext\nlast\n");
    }
}
