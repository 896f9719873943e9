//! Logs while they are written: new lines of a file that grows, through rotation by renaming and
//! through truncation.
//!
//! Nothing here waits: whoever follows asks again.

use seawall_model::change::Change;
use seawall_model::hash;
use seawall_model::observation::Observation;
use seawall_wire::log::{Format, LINE_LIMIT_BYTES, Line, Parser, detect};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes at the end of a log that already has lines, by which its format is recognised.
const SAMPLE_BYTES: u64 = 64 * 1024;

/// Takes what a log tells.
pub trait Listener {
    /// `priority` is the same for the same line of the same log.
    fn observe(&mut self, observation: &Observation<'_>, priority: u64);
    fn change(&mut self, change: Change);
}

/// What one call has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    pub lines: u64,
    /// Lines that could not be read, or were longer than 64 KiB.
    pub malformed: u64,
    /// Bytes that are there and were not read yet.
    pub behind_bytes: u64,
}

/// One log.
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    /// Number of the file that is open, which its name may have left.
    inode: u64,
    position: u64,
    parser: Option<Parser>,
    /// Bytes after the last line end.
    rest: Vec<u8>,
    in_long_line: bool,
    lines: u64,
}

impl Follower {
    /// Follows a log from its present end. It need not exist yet. `format`: as the user gives it;
    /// otherwise it is recognised by the first lines.
    #[must_use]
    pub fn new(path: &Path, format: Option<Format>) -> Self {
        let mut follower = Self {
            path: path.to_owned(),
            file: None,
            inode: 0,
            position: 0,
            parser: format.map(Parser::new),
            rest: Vec::new(),
            in_long_line: false,
            lines: 0,
        };
        // A log that cannot be read yet is tried again with every call.
        if follower.open().is_ok() {
            let _ = follower.begin_at_end();
        }
        follower
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the format, once it is known.
    #[must_use]
    pub fn is_recognised(&self) -> bool {
        self.parser.is_some()
    }

    /// Reads what has been written since the last call, at most about `most_bytes`.
    ///
    /// # Errors
    /// If the log cannot be read. A missing one is not an error: it may come.
    pub fn poll(&mut self, most_bytes: u64, listener: &mut impl Listener) -> io::Result<Polled> {
        let mut polled = Polled::default();
        let mut read = 0;
        while read < most_bytes {
            let count = self.read_chunk(listener, &mut polled)?;
            read += count;
            // At the end: another file may have taken the name, or this one was emptied.
            if count == 0 && !self.turn(listener, &mut polled)? {
                break;
            }
        }
        if let Some(file) = &self.file {
            polled.behind_bytes = file.metadata()?.len().saturating_sub(self.position);
        }
        Ok(polled)
    }

    fn open(&mut self) -> io::Result<()> {
        let file = File::open(&self.path)?;
        self.inode = file.metadata()?.ino();
        self.position = 0;
        self.file = Some(file);
        Ok(())
    }

    /// Goes to the end; the lines before it only tell the format.
    fn begin_at_end(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(SAMPLE_BYTES)))?;
        let mut sample = Vec::new();
        file.take(SAMPLE_BYTES).read_to_end(&mut sample)?;
        self.position = length.saturating_sub(SAMPLE_BYTES) + sample.len() as u64;
        // The sample may begin in the middle of a line, and end in one.
        let begin = if length > SAMPLE_BYTES { after_line(&sample) } else { 0 };
        let end = sample.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        self.rest = sample.get(end..).unwrap_or_default().to_vec();
        self.recognise(sample.get(begin..end).unwrap_or_default());
        Ok(())
    }

    fn recognise(&mut self, sample: &[u8]) {
        if self.parser.is_none() && !sample.is_empty() {
            self.parser = detect(sample).map(Parser::new);
        }
    }

    fn read_chunk(&mut self, listener: &mut impl Listener, polled: &mut Polled) -> io::Result<u64> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let before = self.rest.len();
        self.rest.resize(before + CHUNK_BYTES, 0);
        let count = file.read(&mut self.rest[before..]);
        self.rest.truncate(before + count.as_ref().copied().unwrap_or(0));
        let count = count? as u64;
        self.position += count;
        self.take_lines(listener, polled);
        Ok(count)
    }

    fn take_lines(&mut self, listener: &mut impl Listener, polled: &mut Polled) {
        let mut bytes = std::mem::take(&mut self.rest);
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        self.recognise(&bytes[..whole]);
        for line in bytes[..whole].split_inclusive(|b| *b == b'\n') {
            self.lines += 1;
            polled.lines += 1;
            if std::mem::take(&mut self.in_long_line) {
                continue;
            }
            polled.malformed += u64::from(!self.line(line, listener));
        }
        bytes.drain(..whole);
        if bytes.len() > LINE_LIMIT_BYTES {
            polled.malformed += u64::from(!self.in_long_line);
            self.in_long_line = true;
            bytes.clear();
        }
        self.rest = bytes;
    }

    /// Whether the line could be read.
    fn line(&mut self, line: &[u8], listener: &mut impl Listener) -> bool {
        let priority = hash::combine(self.inode, self.lines);
        let Some(parser) = &mut self.parser else { return false };
        match parser.parse(line) {
            Ok(Line::Observation(observation)) => listener.observe(&observation, priority),
            Ok(Line::Change(change)) => listener.change(change),
            Ok(Line::Nothing) => {}
            Err(_) => return false,
        }
        true
    }

    /// Whether there is more to read: another file under the name, or the same from its beginning.
    fn turn(&mut self, listener: &mut impl Listener, polled: &mut Polled) -> io::Result<bool> {
        let named = match std::fs::metadata(&self.path) {
            Ok(named) => named,
            // Between two rotations the name may be nobody's.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if self.file.is_none() || named.ino() != self.inode {
            // What was written after the last look and before the turn is still in the old file.
            if self.file.is_some() && self.read_chunk(listener, polled)? > 0 {
                return Ok(true);
            }
            self.end_line(listener, polled);
            self.open()?;
            return Ok(named.len() > 0);
        }
        if named.len() < self.position {
            self.end_line(listener, polled);
            self.position = 0;
            if let Some(file) = &mut self.file {
                file.seek(SeekFrom::Start(0))?;
            }
            return Ok(named.len() > 0);
        }
        Ok(false)
    }

    /// The file is over: what has no line end is a line all the same.
    fn end_line(&mut self, listener: &mut impl Listener, polled: &mut Polled) {
        if !self.rest.is_empty() {
            self.rest.push(b'\n');
            self.take_lines(listener, polled);
        }
        self.in_long_line = false;
    }
}

/// Where the line after the first line end begins.
fn after_line(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Listener for Heard {
        fn observe(&mut self, observation: &Observation<'_>, _priority: u64) {
            if let Observation::Request(r) = observation {
                self.0.push(String::from_utf8_lossy(r.path).into_owned());
            }
        }

        fn change(&mut self, _change: Change) {}
    }

    /// A log in a folder of its own.
    struct Log {
        folder: PathBuf,
        path: PathBuf,
        follower: Follower,
        heard: Heard,
    }

    impl Log {
        fn new(name: &str, before: &[&str]) -> Self {
            let folder = std::env::temp_dir().join(format!("seawall-follow-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let path = folder.join("access.log");
            std::fs::write(&path, lines(before)).unwrap();
            let follower = Follower::new(&path, None);
            Self { folder, path, follower, heard: Heard::default() }
        }

        fn write(&self, text: &str) {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn heard(&mut self) -> String {
            let polled = self.follower.poll(u64::MAX, &mut self.heard).unwrap();
            assert_eq!((polled.malformed, polled.behind_bytes), (0, 0));
            std::mem::take(&mut self.heard.0).join(" ")
        }
    }

    impl Drop for Log {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn lines(paths: &[&str]) -> String {
        paths
            .iter()
            .map(|path| {
                format!(
                    "192.0.2.7 - - [21/Nov/2026:10:00:00 +0000] \"GET {path} HTTP/1.1\" 200 512 \"-\" \"Mozilla/5.0\"\n"
                )
            })
            .collect()
    }

    #[test]
    fn only_what_is_new_is_told_and_half_a_line_waits() {
        let mut log = Log::new("new", &["/old", "/older"]);
        assert_eq!(log.heard(), "");
        let text = lines(&["/a", "/b"]);
        let (first, second) = text.split_at(text.len() - 20);
        log.write(first);
        assert_eq!(log.heard(), "/a");
        log.write(second);
        assert_eq!(log.heard(), "/b");
    }

    #[test]
    fn a_log_that_is_renamed_is_read_to_its_end_and_the_new_one_from_its_beginning() {
        let mut log = Log::new("rename", &["/old"]);
        log.write(&lines(&["/a"]));
        std::fs::rename(&log.path, log.folder.join("access.log.1")).unwrap();
        assert_eq!(log.heard(), "/a", "no new file yet");
        log.write(&lines(&["/b"]));
        assert_eq!(log.heard(), "/b");
        std::fs::rename(&log.path, log.folder.join("access.log.1")).unwrap();
        log.write(&lines(&["/c", "/d"]));
        assert_eq!(log.heard(), "/c /d");
    }

    #[test]
    fn a_log_that_is_emptied_is_read_from_its_beginning() {
        let mut log = Log::new("truncate", &["/old"]);
        log.write(&lines(&["/a", "/b"]));
        assert_eq!(log.heard(), "/a /b");
        std::fs::write(&log.path, lines(&["/c"])).unwrap();
        assert_eq!(log.heard(), "/c");
    }

    #[test]
    fn a_log_may_come_later_and_lines_without_end_are_let_go() {
        let mut log = Log::new("later", &[]);
        std::fs::remove_file(&log.path).unwrap();
        log.follower = Follower::new(&log.path, None);
        assert_eq!(log.heard(), "");
        log.write(&lines(&["/a"]));
        assert_eq!(log.heard(), "/a");
        log.write(&"x".repeat(3 * LINE_LIMIT_BYTES));
        let polled = log.follower.poll(u64::MAX, &mut log.heard).unwrap();
        assert_eq!(polled.malformed, 1);
        log.write(&format!("x\n{}", lines(&["/b"])));
        assert_eq!(log.heard(), "/b");
    }
}
