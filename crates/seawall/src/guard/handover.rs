//! A new program takes over from a running guard: it is given the listening sockets, says that its
//! configuration is good, gets the state folder, and serves; only then does the old one take no
//! more connections. Whatever goes wrong before, the old one goes on.
//!
//! ```text
//! old                                    new
//! starts it with sockets and a pipe ──→  reads its configuration, adopts the sockets
//!                          'checked' ←──
//! leaves what it knows, gives the state
//! folder up, 'go'                   ──→  opens the folder, reads that, serves
//!                            'ready' ←──
//! serves what it has to the end
//! ```

use super::clock;
use anyhow::{Context, bail, ensure};
use ring::rand::{SecureRandom, SystemRandom};
use seawall_http_edge::inherited;
use socket2::SockRef;
use std::fs::DirBuilder;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Numbers of the sockets that a program takes over, joined by commas.
const LISTENERS: &str = "SEAWALL_LISTENERS";
/// Where the two talk.
const MEETING: &str = "SEAWALL_HANDOVER";
/// Where the old one leaves what it knows.
const KNOWN: &str = "SEAWALL_KNOWN";
/// The protocol of service managers (sd_listen_fds).
const ACTIVATION: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
const FIRST_ACTIVATED: RawFd = 3;
const MOST_DESCRIPTORS: RawFd = 4_096;
/// Longest for the other side to say the next word.
const PATIENCE: Duration = Duration::from_secs(15);

const CHECKED: u8 = b'c';
const GO: u8 = b'g';
const READY: u8 = b'r';

/// What this process was given at its start.
#[derive(Debug, Default)]
pub struct Given {
    pub listeners: Vec<TcpListener>,
    /// The guard that we take over from, if there is one.
    pub predecessor: Option<Predecessor>,
}

/// The new program's side.
#[derive(Debug)]
pub struct Predecessor {
    meeting: UnixStream,
    known: Option<PathBuf>,
}

/// The old program's side, before the new one serves.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    meeting: UnixStream,
    place: Place,
    is_done: bool,
}

impl Given {
    /// Takes what the environment names. To be called before anything else opens a file.
    ///
    /// # Errors
    /// If a predecessor is named that cannot be talked to.
    pub fn take() -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        if let Some(numbers) = variable(LISTENERS) {
            let numbers: Vec<RawFd> = numbers.split(',').filter_map(|n| n.parse().ok()).collect();
            let listeners = inherited::listeners(&numbers);
            let path = variable(MEETING).context("SEAWALL_HANDOVER is missing")?;
            let meeting = UnixStream::connect(path).context("the guard to take over from does not answer")?;
            meeting.set_read_timeout(Some(PATIENCE))?;
            let known = variable(KNOWN).map(PathBuf::from);
            return Ok(Self { listeners, predecessor: Some(Predecessor { meeting, known }) });
        }
        let is_for_us = variable(ACTIVATION[0]).is_some_and(|pid| pid == std::process::id().to_string());
        let count: RawFd = variable(ACTIVATION[1]).and_then(|n| n.parse().ok()).unwrap_or(0);
        if !is_for_us || !(1..=MOST_DESCRIPTORS).contains(&count) {
            return Ok(Self::default());
        }
        let numbers: Vec<RawFd> = (FIRST_ACTIVATED..FIRST_ACTIVATED + count).collect();
        Ok(Self { listeners: inherited::listeners(&numbers), predecessor: None })
    }
}

impl Predecessor {
    /// Our configuration is good: asks for the rest, and waits until it is ours.
    ///
    /// # Errors
    /// If the predecessor has changed its mind.
    pub fn take_over(&mut self) -> anyhow::Result<()> {
        self.meeting.write_all(&[CHECKED])?;
        hear(&mut self.meeting, GO).context("the guard to take over from does not let go")
    }

    /// Where it left what it knows.
    #[must_use]
    pub fn known(&self) -> Option<&Path> {
        self.known.as_deref()
    }

    /// We serve.
    pub fn ready(mut self) {
        // It sees the end of the connection as well, and then has the say over what goes on.
        let _ = self.meeting.write_all(&[READY]);
    }
}

impl Successor {
    /// Starts the program at `path` with our own arguments, and waits until it finds its
    /// configuration good. The place where the two meet is made in `folder`, which others may write to.
    ///
    /// # Errors
    /// If it cannot be started, or finds fault with its configuration.
    pub fn start(path: &Path, folder: &Path, listeners: &[TcpListener]) -> anyhow::Result<Self> {
        let place = Place::new(folder)?;
        let door = std::os::unix::net::UnixListener::bind(place.door())
            .with_context(|| format!("cannot make {}", place.door().display()))?;
        door.set_nonblocking(true)?;
        for listener in listeners {
            SockRef::from(listener).set_cloexec(false)?;
        }
        let numbers: Vec<String> = listeners.iter().map(|l| l.as_raw_fd().to_string()).collect();
        let mut command = Command::new(path);
        command.args(std::env::args_os().skip(1)).stdin(Stdio::null());
        for name in ACTIVATION {
            command.env_remove(name);
        }
        command.env(LISTENERS, numbers.join(",")).env(MEETING, place.door()).env(KNOWN, place.known());
        let child = command.spawn().with_context(|| format!("cannot start {}", path.display()))?;
        let mut waiting = Waiting { child: Some(child) };
        let meeting = waiting.meet(&door)?;
        meeting.set_nonblocking(false)?;
        meeting.set_read_timeout(Some(PATIENCE))?;
        let child = waiting.child.take().context("the new program has ended")?;
        let mut successor = Self { child, meeting, place, is_done: false };
        hear(&mut successor.meeting, CHECKED).context("the new program has ended; see what it said")?;
        Ok(successor)
    }

    /// Where the new program looks for what we know.
    #[must_use]
    pub fn known(&self) -> PathBuf {
        self.place.known()
    }

    /// The state folder is free: lets the new program begin, and waits until it serves.
    ///
    /// # Errors
    /// If it does not.
    pub fn go(&mut self) -> anyhow::Result<u32> {
        self.meeting.write_all(&[GO])?;
        hear(&mut self.meeting, READY).context("the new program could not begin; see what it said")?;
        self.is_done = true;
        Ok(self.child.id())
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.is_done {
            end(&mut self.child);
        }
    }
}

/// A program that has been started and not yet been heard of; ended when it is dropped.
struct Waiting {
    child: Option<Child>,
}

impl Waiting {
    fn meet(&mut self, door: &std::os::unix::net::UnixListener) -> anyhow::Result<UnixStream> {
        let begun = clock::instant();
        loop {
            if let Ok((meeting, _)) = door.accept() {
                return Ok(meeting);
            }
            let child = self.child.as_mut().context("there is no new program")?;
            if let Some(status) = child.try_wait()? {
                bail!("the new program has ended ({status}); see what it said");
            }
            ensure!(begun.elapsed() < PATIENCE, "the new program is silent");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.child.iter_mut().for_each(end);
    }
}

/// A folder where the two meet, and where we leave what we know. It is made for this alone, and nobody else
/// can look into it, or know beforehand how it is called. It goes with us.
#[derive(Debug)]
struct Place(PathBuf);

impl Place {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let mut name = [0; 16];
        SystemRandom::new().fill(&mut name).ok().context("the system gives no random numbers")?;
        let path = folder.join(format!("seawall-handover-{:032x}", u128::from_ne_bytes(name)));
        // Fails where there is something of this name already, be it a link.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn door(&self) -> PathBuf {
        self.0.join("sock")
    }

    fn known(&self) -> PathBuf {
        self.0.join("known")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn end(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn hear(meeting: &mut UnixStream, word: u8) -> anyhow::Result<()> {
    let mut heard = [0];
    meeting.read_exact(&mut heard)?;
    ensure!(heard[0] == word, "it says something else");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Broke: the files of an upgrade had names that others could know beforehand, in a folder that others can
    /// write to.
    #[test]
    fn what_is_handed_over_is_in_a_folder_of_ours_that_nobody_can_foresee() {
        let folder = std::env::temp_dir();
        let places = [Place::new(&folder), Place::new(&folder)].map(|place| place.expect("a folder"));
        assert_ne!(places[0].0, places[1].0);
        for place in &places {
            let mode = std::fs::metadata(&place.0).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
            std::fs::write(place.known(), "x").expect("it can be written to");
        }
        let paths = places.map(|place| place.0.clone());
        assert!(paths.iter().all(|path| !path.exists()), "they go with us");
    }
}
