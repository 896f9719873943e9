//! Other programs in the place of the guard, with the configurations of `crates/drill/peers`: tuned
//! by their own documentation, and tried with the same attack.

use super::address::Door;
use super::people::Asked;
use super::seen::{Second, Share, course, decided, good_share};
use super::stage::PEER_FILLS_S;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// Longest for a peer to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that a team may have in front of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    Haproxy,
    Nginx,
    Dnsdist,
}

/// How people fared behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerScore {
    pub name: String,
    /// As it tells it; empty where it is not installed.
    pub version: String,
    /// Why there is no score.
    pub skipped: Option<String>,
    /// People's requests answered well within two seconds, once the program has had time.
    pub answered: Share,
    /// Refused in the end, all through the attack.
    pub refused: Share,
    pub course: Vec<Second>,
}

impl Peer {
    pub const ALL: [Self; 3] = [Self::Haproxy, Self::Nginx, Self::Dnsdist];

    /// Its name on the command line, and of its program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Dnsdist => "dnsdist",
        }
    }

    /// Whether it stands in front of name servers; otherwise in front of sites.
    pub(super) fn is_for_dns(self) -> bool {
        self == Self::Dnsdist
    }

    /// The first line that it tells of itself; `None` where it is not installed.
    pub(super) fn version(self) -> Option<String> {
        let flag = if self == Self::Dnsdist { "--version" } else { "-v" };
        let output = Command::new(self.name()).arg(flag).stdin(Stdio::null()).output().ok()?;
        let all = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&all).lines().next().map(str::to_owned)
    }

    /// The score of a program that is not there.
    pub(super) fn skipped(self) -> PeerScore {
        PeerScore {
            name: self.name().to_owned(),
            version: String::new(),
            skipped: Some(format!("{} is not installed", self.name())),
            answered: Share::default(),
            refused: Share::default(),
            course: Vec::new(),
        }
    }

    /// What people met with behind it.
    pub(super) fn score(self, version: String, asked: &[Asked], onset: Instant, end: Instant) -> PeerScore {
        let among: Vec<&Asked> = asked.iter().filter(|a| a.at >= onset && a.at <= end).collect();
        let part = among.iter().filter(|a| a.is_refused()).count() as u64;
        PeerScore {
            name: self.name().to_owned(),
            version,
            skipped: None,
            answered: good_share(asked, onset + Duration::from_secs_f64(PEER_FILLS_S), end),
            refused: Share { part, of: among.len() as u64 },
            course: course(&decided(asked, end), onset),
        }
    }

    fn configuration(self) -> &'static str {
        match self {
            Self::Haproxy => include_str!("../../peers/haproxy.cfg"),
            Self::Nginx => include_str!("../../peers/nginx.conf"),
            Self::Dnsdist => include_str!("../../peers/dnsdist.conf"),
        }
    }

    fn command(self, folder: &Path, file: &Path) -> Command {
        let mut command = Command::new(self.name());
        match self {
            Self::Haproxy => command.arg("-db").arg("-f").arg(file),
            Self::Nginx => command
                .arg("-p")
                .arg(folder)
                .arg("-c")
                .arg(file)
                .args(["-e", "error.log", "-g"])
                .arg("daemon off;"),
            Self::Dnsdist => command.args(["--supervised", "--disable-syslog", "-C"]).arg(file),
        };
        command
    }
}

/// A peer that runs; ended when dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    door: Door,
}

impl Running {
    /// Starts it before a site that works on so many requests at once, and waits until it listens.
    pub(super) fn start(peer: Peer, folder: &Path, behind: Door, workers: usize) -> io::Result<Self> {
        let folder = folder.join(peer.name());
        std::fs::create_dir_all(&folder)?;
        let door = free_door()?;
        let text = peer
            .configuration()
            .replace("{LISTEN}", &door.address().to_string())
            .replace("{SITE}", &behind.address().to_string())
            .replace("{WORKERS}", &workers.to_string());
        let file = folder.join("peer.conf");
        std::fs::write(&file, text)?;
        let said = folder.join("said.txt");
        let (out, err) = (File::create(&said)?, File::options().append(true).open(&said)?);
        let child = peer.command(&folder, &file).stdin(Stdio::null()).stdout(out).stderr(err).spawn()?;
        let mut running = Self { child, door };
        let begun = Instant::now();
        while !listens(door) {
            let has_ended = running.child.try_wait()?.is_some();
            if has_ended || begun.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(&said).unwrap_or_default();
                return Err(io::Error::other(format!("{} does not listen: {}", peer.name(), said.trim())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    pub(super) fn door(&self) -> Door {
        self.door
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its own children go with it when it is asked to end, and not when it is killed.
        if kill_process(Pid::from_child(&self.child), Signal::TERM).is_ok() {
            let begun = Instant::now();
            while begun.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of this machine that nobody has, for UDP and for TCP.
fn free_door() -> io::Result<Door> {
    Door::new(seawall_ports::free()?).map_err(io::Error::other)
}

/// dnsdist takes questions over TCP too, once it takes them over UDP.
fn listens(door: Door) -> bool {
    std::net::TcpStream::connect(door.address()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_has_the_places_that_are_filled_in() {
        for peer in Peer::ALL {
            let text = peer.configuration();
            assert!(text.contains("{LISTEN}") && text.contains("{SITE}"), "{}", peer.name());
            assert_eq!(text.contains("{WORKERS}"), peer == Peer::Haproxy, "{}", peer.name());
        }
    }

    #[test]
    fn a_peer_that_is_installed_takes_its_configuration_and_goes_when_it_is_dropped() {
        let folder = std::env::temp_dir().join(format!("seawall-peer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let behind = free_door().expect("a port");
        for peer in Peer::ALL {
            if peer.version().is_none() {
                eprintln!("skipped: {} is not installed", peer.name());
                continue;
            }
            let running =
                Running::start(peer, &folder, behind, 3).expect("a peer that takes its configuration");
            let door = running.door();
            drop(running);
            assert!(!listens(door), "{} still listens", peer.name());
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
