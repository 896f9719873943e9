//! A log that begins with its newest line, as many exports do: its lines from the last to the
//! first.

use seawall_model::Timestamp;
use seawall_wire::log::LINE_LIMIT_BYTES;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes read at once. A line may lie across several.
const BLOCK_BYTES: u64 = 256 * 1024;
/// Steps back in time by which a log is known to run backwards.
const LEAST_STEPS: usize = 8;
/// So many times as many steps back as forth: lines written late take turns.
const STEPS_BACK_FOR_ONE_FORTH: usize = 4;

/// Whether records of these times begin with the newest.
pub(super) fn is_newest_first(times: &[Timestamp]) -> bool {
    let (mut back, mut forth) = (0, 0);
    for pair in times.windows(2) {
        back += usize::from(pair[1] < pair[0]);
        forth += usize::from(pair[1] > pair[0]);
    }
    back >= LEAST_STEPS && back > forth * STEPS_BACK_FOR_ONE_FORTH
}

/// The lines of a file from the last to the first.
pub(super) struct Backwards<F> {
    file: F,
    /// Bytes of the file that were not yet read.
    left: u64,
    /// The end of a line whose beginning was not yet read.
    carried: Vec<u8>,
    /// Lines to hand out, and how many bytes of them were.
    lines: Vec<u8>,
    handed: usize,
}

impl Backwards<File> {
    pub(super) fn open(file: File) -> io::Result<Self> {
        let left = file.metadata()?.len();
        Ok(Self::of(file, left))
    }
}

impl<F: Read + Seek> Backwards<F> {
    fn of(file: F, length: u64) -> Self {
        Self { file, left: length, carried: Vec::new(), lines: Vec::new(), handed: 0 }
    }

    /// Reads the block before the last one. `false` at the beginning of the file.
    fn refill(&mut self) -> io::Result<bool> {
        self.lines.clear();
        self.handed = 0;
        while self.lines.is_empty() {
            if self.left == 0 {
                let first = std::mem::take(&mut self.carried);
                self.hand_out(&first);
                return Ok(!self.lines.is_empty());
            }
            let count = self.left.min(BLOCK_BYTES);
            self.left -= count;
            self.file.seek(SeekFrom::Start(self.left))?;
            let mut block = Vec::new();
            self.file.by_ref().take(count).read_to_end(&mut block)?;
            block.append(&mut self.carried);
            self.turn(block);
        }
        Ok(true)
    }

    /// Hands out the lines that begin in the block, the last one first.
    fn turn(&mut self, block: Vec<u8>) {
        let mut end = block.len();
        while let Some(at) = memchr::memrchr(b'\n', &block[..end]) {
            self.hand_out(&block[at + 1..end]);
            end = at;
        }
        if end > LINE_LIMIT_BYTES + BLOCK_BYTES as usize {
            // No line is that long: its rest is handed out in pieces, each too long to be read.
            self.hand_out(&block[..end]);
        } else {
            self.carried = block[..end].to_vec();
        }
    }

    fn hand_out(&mut self, line: &[u8]) {
        if !line.is_empty() {
            self.lines.extend_from_slice(line);
            self.lines.push(b'\n');
        }
    }
}

impl<F: Read + Seek> Read for Backwards<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed == self.lines.len() && !self.refill()? {
            return Ok(0);
        }
        let rest = &self.lines[self.handed..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.handed += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Backwards::of(io::Cursor::new(text), text.len() as u64).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn lines_come_from_the_last_to_the_first() {
        assert_eq!(turned(b"a\nbc\n\nd\n"), b"d\nbc\na\n");
        assert_eq!(turned(b"a\nb"), b"b\na\n");
        assert_eq!(turned(b""), b"");
        let lines: Vec<String> = (0..200_000).map(|n| format!("line {n}")).collect();
        let back: Vec<String> = lines.iter().rev().cloned().collect();
        assert!(turned(lines.join("\n").as_bytes()) == format!("{}\n", back.join("\n")).as_bytes());
    }

    #[test]
    fn an_endless_line_is_not_kept_whole() {
        let mut text = b"first\n".to_vec();
        text.resize(3 << 20, b'x');
        text.extend(b"\nlast\n");
        let out = turned(&text);
        assert!(out.starts_with(b"last\nxxx") && out.ends_with(b"\nfirst\n"));
        let pieces = out.split(|&b| b == b'\n').filter(|l| l.starts_with(b"x"));
        assert!(pieces.clone().count() > 1 && pieces.into_iter().all(|l| l.len() < 1 << 20));
    }

    #[test]
    fn late_lines_do_not_make_a_log_run_backwards() {
        let times = |seconds: &[i64]| -> Vec<Timestamp> {
            seconds.iter().map(|s| Timestamp::from_seconds(*s)).collect()
        };
        let back: Vec<i64> = (0..100).rev().collect();
        assert!(is_newest_first(&times(&back)));
        let jitter: Vec<i64> = (0..100).map(|n| n / 10 - n % 3).collect();
        assert!(!is_newest_first(&times(&jitter)));
        assert!(!is_newest_first(&times(&[5; 100])));
        assert!(!is_newest_first(&times(&[9, 8, 7])));
    }
}
