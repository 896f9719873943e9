//! The networks of one world: people and attackers in one namespace, the guard in a second, servers
//! in others behind it. None of them has a way out.
//!
//! ```text
//!  people, attack          guard                    servers
//!  198.18.0.1 ── street ── 198.18.0.2   lane0 ── 198.18.1.2
//!  10.0.0.0/8                           lane1 ── 198.18.2.2
//! ```

use crate::live::address::{Door, LAB_CLIENTS};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Where `ip netns` keeps namespaces (ip-netns(8)).
pub(super) const NAMESPACES: &str = "/run/netns";
/// The interface between people and guard, by the same name on both ends.
pub(in crate::live) const STREET: &str = "street";
/// Addresses that packets are forged with: the lab knows the way to them, and nobody is there.
pub(super) const FORGED: [u8; 2] = [172, 16];

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::live) struct Space(String);

impl Space {
    /// Moves the calling thread, and whatever it starts from now on, into it.
    pub(in crate::live) fn enter(&self) -> io::Result<()> {
        let link = File::open(self.path())?;
        Ok(move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Does something there, and stays where it is.
    pub(in crate::live) fn within<T: Send>(
        &self,
        what: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                self.enter()?;
                what()
            });
            there.join().unwrap_or_else(|_| Err(io::Error::other("what was begun in a lab failed")))
        })
    }

    /// A program that will run there.
    pub(in crate::live) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    fn path(&self) -> PathBuf {
        Path::new(NAMESPACES).join(&self.0)
    }
}

/// The networks of one world; they go when this is dropped.
#[derive(Debug)]
pub(in crate::live) struct Ground {
    people: Space,
    guard: Space,
    servers: Vec<Space>,
}

impl Ground {
    /// Lays out networks with so many places for servers.
    ///
    /// # Errors
    /// If `ip` fails, with what it said.
    pub(in crate::live) fn build(servers: u8) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let space = |name: &str| Space(format!("drill{number}-{name}"));
        let ground = Self {
            people: space("people"),
            guard: space("guard"),
            servers: (0..servers).map(|n| space(&format!("server{n}"))).collect(),
        };
        ground.lay_out()?;
        Ok(ground)
    }

    pub(in crate::live) fn people(&self) -> &Space {
        &self.people
    }

    pub(in crate::live) fn guard(&self) -> &Space {
        &self.guard
    }

    pub(in crate::live) fn server(&self, number: usize) -> io::Result<&Space> {
        self.servers.get(number).ok_or_else(|| io::Error::other(format!("the lab has no server {number}")))
    }

    /// Where the guard listens.
    pub(in crate::live) fn guard_at(port: u16) -> SocketAddr {
        (Ipv4Addr::new(198, 18, 0, 2), port).into()
    }

    /// Where a server listens.
    pub(in crate::live) fn server_at(number: usize, port: u16) -> SocketAddr {
        (Ipv4Addr::new(198, 18, 1 + number as u8, 2), port).into()
    }

    /// The door of a server.
    pub(in crate::live) fn server_door(&self, number: usize, port: u16) -> io::Result<Door> {
        self.server(number)?;
        self.door(Self::server_at(number, port))
    }

    /// The door at an address of this lab.
    pub(in crate::live) fn door(&self, address: SocketAddr) -> io::Result<Door> {
        Door::in_lab(address).ok_or_else(|| io::Error::other(format!("{address} is not in the lab")))
    }

    fn all(&self) -> impl Iterator<Item = &Space> {
        [&self.people, &self.guard].into_iter().chain(&self.servers)
    }

    fn lay_out(&self) -> io::Result<()> {
        for space in self.all() {
            ip(&["netns", "add", &space.0], "")?;
        }
        let (people, guard) = (&self.people.0, &self.guard.0);
        let mut links =
            format!("link add {STREET} netns {guard} type veth peer name {STREET} netns {people}\n");
        let [first, second] = FORGED;
        let mut of_guard = format!(
            "link set lo up\naddress add 198.18.0.2/24 dev {STREET}\nlink set {STREET} up\n\
             route add {LAB_CLIENTS}.0.0.0/8 via 198.18.0.1\nroute add {first}.{second}.0.0/12 via 198.18.0.1\n"
        );
        for (number, server) in self.servers.iter().enumerate() {
            let net = number + 1;
            links.push_str(&format!(
                "link add lane{number} netns {guard} type veth peer name lane netns {}\n",
                server.0
            ));
            of_guard.push_str(&format!(
                "address add 198.18.{net}.1/24 dev lane{number}\nlink set lane{number} up\n"
            ));
        }
        ip(&["-batch", "-"], &links)?;
        ip(&["-n", guard, "-batch", "-"], &of_guard)?;
        // Every address of the clients' network is one of this namespace's own.
        let of_people = format!(
            "link set lo up\naddress add 198.18.0.1/24 dev {STREET}\nlink set {STREET} up\n\
             route add local {LAB_CLIENTS}.0.0.0/8 dev lo\nroute add 198.18.0.0/15 via 198.18.0.2\n"
        );
        ip(&["-n", people, "-batch", "-"], &of_people)?;
        for (number, server) in self.servers.iter().enumerate() {
            let net = number + 1;
            let of_server = format!(
                "link set lo up\naddress add 198.18.{net}.2/24 dev lane\nlink set lane up\nroute add default via 198.18.{net}.1\n"
            );
            ip(&["-n", &server.0, "-batch", "-"], &of_server)?;
        }
        // What goes straight to a server passes the guard's machine, as through any router.
        self.guard.within(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1"))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for space in self.all() {
            // One that was never made, or is gone, needs no removing.
            let _ = ip(&["netns", "del", &space.0], "");
        }
    }
}

/// Runs `ip` (iproute2) with lines on its standard input.
fn ip(arguments: &[&str], lines: &str) -> io::Result<()> {
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended without reading any.
        let _ = stdin.write_all(lines.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip {}: {}", arguments.join(" "), said.trim())))
}
