//! Files that a running edge reads: certificates, keys, configurations.

use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a file, up to `most_bytes` of it, and nothing that would be waited for: a pipe without a writer
/// stops whoever opens it, and an edge that takes what has changed must not stop.
///
/// # Errors
/// If it cannot be read, or is no file.
pub fn read(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("a file is expected, and this is none"));
    }
    let mut bytes = Vec::new();
    file.take(most_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: a certificate that was a pipe held up a reload, and the `undo` behind it.
    #[test]
    fn a_pipe_in_place_of_a_file_is_told_and_not_waited_for() {
        let path = std::env::temp_dir().join(format!("seawall-file-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
        assert!(made.success());
        let read = read(&path, 10);
        std::fs::remove_file(&path).expect("a pipe");
        assert!(read.expect_err("a pipe").to_string().contains("a file is expected"));
    }
}
