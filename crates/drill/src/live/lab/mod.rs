//! The lab: the same worlds with real servers, in network namespaces of this machine, with forged
//! packets and with the kernel filter in force. As root.
//!
//! A drill in a lab is two processes. The one that was called starts itself again in namespaces of
//! its own for network, mounts and processes, and waits. Everything that the second one makes, its
//! networks, its files, its servers, is in there alone, and the system takes it away with the last
//! process in it: after the end, after Ctrl-C, and also where one of the two was killed.

mod forged;
mod ground;
mod postgres;
mod server;

pub(super) use forged::Forged;
pub(super) use ground::{Ground, STREET, Space};
pub(super) use postgres::{Client, Database, literal};
pub(super) use server::{Server, Zone, filter, haproxy, knot, narrow, nginx, nsd};

use super::world::World;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Folders that hold system programs, also where the search path of the caller leaves them out.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];
/// The lab's own files go here, on a file system that nobody else sees.
const RUN: &str = "/run";
/// How long the inner drill has to clean up once it was asked to end.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// What the inner drill says first: that it is in a lab.
const SETTLED: u8 = 0xFF;

/// A program that a lab needs, and the Debian package that it comes with.
type Needed = (&'static str, &'static str);

const ALWAYS: [Needed; 4] =
    [("ip", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux"), ("nft", "nftables")];
const OF_SITES: [Needed; 3] = [("nginx", "nginx"), ("initdb", "postgresql"), ("postgres", "postgresql")];
const OF_BALANCED: [Needed; 1] = [("haproxy", "haproxy")];
const OF_NAMES: [Needed; 2] = [("nsd", "nsd"), ("knotd", "knot")];

/// What keeps a lab for these worlds from being built here, in a line that says what to do; `None`
/// where nothing does.
#[must_use]
pub fn missing(worlds: &[&World]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("a lab makes network namespaces, which needs root: sudo seawall drill all --lab, or leave --lab out".to_owned());
    }
    missing_programs(worlds, |name| found(name).or_else(|| postgres::program(name)).is_some())
}

fn missing_programs(worlds: &[&World], is_there: impl Fn(&str) -> bool) -> Option<String> {
    let mut needed = ALWAYS.to_vec();
    if worlds.iter().any(|w| !w.is_of_names()) {
        needed.extend(OF_SITES);
    }
    if worlds.iter().any(|w| w.is_balanced) {
        needed.extend(OF_BALANCED);
    }
    if worlds.iter().any(|w| w.is_of_names()) {
        needed.extend(OF_NAMES);
    }
    let (mut programs, mut packages) = (Vec::new(), Vec::new());
    for (program, package) in needed.into_iter().filter(|(program, _)| !is_there(program)) {
        programs.push(program);
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    (!programs.is_empty()).then(|| {
        format!(
            "the lab needs {}, not on this machine: apt-get install {}",
            programs.join(", "),
            packages.join(" ")
        )
    })
}

/// A program of the search path or of the system's folders.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    folders.map(|f| f.join(name)).find(|p| p.is_file())
}

/// Starts this program again inside of a lab, and waits for it. Returns its exit status.
///
/// # Errors
/// If the system allows no namespaces, or the inner process was killed.
pub fn begin(program: &Path, arguments: &[OsString], stop: &AtomicBool) -> io::Result<u8> {
    let here = std::fs::read_link("/proc/self/ns/net")?;
    let path = std::env::join_paths(
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .chain(SYSTEM_FOLDERS.map(PathBuf::from)),
    )
    .map_err(io::Error::other)?;
    // The inner drill ends when our end closes: by our hand, or by our death.
    let (mut leash, inner) = UnixStream::pair()?;
    leash.set_nonblocking(true)?;
    let mut child = Command::new(found("unshare").ok_or(io::ErrorKind::NotFound)?)
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
        ])
        .arg("--")
        .arg(program)
        .args(arguments)
        .arg("--lab-of")
        .arg(here)
        .env("PATH", path)
        .stdin(Stdio::from(OwnedFd::from(inner)))
        .spawn()?;
    let mut asked = None;
    while child.try_wait()?.is_none() {
        if stop.load(Relaxed) && asked.is_none() {
            leash.shutdown(Shutdown::Write)?;
            asked = Some(Instant::now());
        }
        if asked.is_some_and(|at| at.elapsed() > PATIENCE) {
            child.kill()?;
        }
        std::thread::sleep(LOOK);
    }
    // Which program between the two was killed, and what that one makes of it, does not matter.
    let mut said = [0; 2];
    match leash.read(&mut said) {
        Ok(2) => Ok(said[1]),
        Ok(1) => Err(io::Error::other("it was killed; the system has removed what it had made")),
        _ => Err(io::Error::other(
            "this system allows no namespaces here, as some containers do not; leave --lab out",
        )),
    }
}

/// Called last in the inner process: tells the outer one its exit status.
///
/// # Errors
/// If the outer one has gone.
pub fn report(status: u8) -> io::Result<()> {
    say(status)
}

fn say(byte: u8) -> io::Result<()> {
    let leash = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    (&leash).write_all(&[byte])
}

/// Called first in the inner process: makes sure that it is one, puts files where nobody else sees
/// them, and ends the drill with whoever started it.
///
/// # Errors
/// If it is not in namespaces of its own.
pub fn settle(outside: &str, stop: &Arc<AtomicBool>) -> io::Result<()> {
    let here = std::fs::read_link("/proc/self/ns/net")?;
    if std::process::id() != 1 || here.as_os_str() == outside {
        return Err(io::Error::other("--lab-of is for the program itself: use --lab"));
    }
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("drill", RUN, "tmpfs", flags, None)?;
    std::fs::create_dir_all(ground::NAMESPACES)?;
    say(SETTLED)?;
    let stop = Arc::clone(stop);
    std::thread::Builder::new().name("leash".into()).spawn(move || {
        let mut nothing = [0; 64];
        // Whoever holds the other end sends nothing.
        while matches!(io::stdin().read(&mut nothing), Ok(1..)) {}
        stop.store(true, Relaxed);
    })?;
    Ok(())
}

/// Where a lab's drills keep their files.
#[must_use]
pub(super) fn files() -> PathBuf {
    PathBuf::from(RUN)
}

#[cfg(test)]
mod tests {
    use super::super::world::{WORLDS, world};
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_the_command_that_installs_it() {
        let all: Vec<&World> = WORLDS.iter().collect();
        assert_eq!(missing_programs(&all, |_| true), None);
        let said = missing_programs(&all, |name| !["nsd", "initdb", "postgres"].contains(&name));
        let expected =
            "the lab needs initdb, postgres, nsd, not on this machine: apt-get install postgresql nsd";
        assert_eq!(said.as_deref(), Some(expected));
        let library = [world("library").expect("a world")];
        assert_eq!(missing_programs(&library, |name| !["nsd", "haproxy"].contains(&name)), None);
    }

    #[test]
    fn nothing_is_mounted_outside_of_a_lab() {
        let error = settle("net:[1]", &Arc::default()).expect_err("this is no lab");
        assert!(error.to_string().contains("use --lab"), "{error}");
    }
}
