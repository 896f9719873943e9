//! Real servers in the namespaces of a lab: each a process with a configuration of
//! `crates/drill/lab`, ended when it is dropped.

use super::ground::Space;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest for a server to be ready, and to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(60);
const END_PATIENCE: Duration = Duration::from_secs(3);

/// A running server.
#[derive(Debug)]
pub(in crate::live) struct Server {
    name: String,
    command: Command,
    child: Child,
    said: PathBuf,
    /// Where it takes connections, as seen from a namespace; elsewhere it says itself that it is ready.
    ready_at: Option<(Space, String)>,
}

impl Server {
    /// Starts a program; what it says goes into a file of its folder.
    pub(super) fn start(name: &str, mut command: Command, folder: &Path) -> io::Result<Self> {
        let said = folder.join(format!("{name}.said"));
        let (out, err) = (File::create(&said)?, File::options().append(true).open(&said)?);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = spawned(name, &mut command)?;
        Ok(Self { name: name.to_owned(), command, child, said, ready_at: None })
    }

    /// Waits until it takes connections there, as seen from a namespace.
    fn wait_for(mut self, space: &Space, address: &str) -> io::Result<Self> {
        self.ready_at = Some((space.clone(), address.to_owned()));
        self.wait_until(|| listens(space, address))
    }

    /// Ends it and starts it again; what it held is forgotten.
    pub(in crate::live) fn restart(&mut self) -> io::Result<()> {
        self.end();
        self.child = spawned(&self.name, &mut self.command)?;
        let ready_at = self.ready_at.clone();
        self.wait(|| ready_at.as_ref().is_none_or(|(space, address)| listens(space, address)))
    }

    /// Waits until it does what it is there for.
    pub(super) fn wait_until(mut self, is_ready: impl Fn() -> bool) -> io::Result<Self> {
        self.wait(is_ready)?;
        Ok(self)
    }

    fn wait(&mut self, is_ready: impl Fn() -> bool) -> io::Result<()> {
        let begun = Instant::now();
        while !is_ready() {
            if self.child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(&self.said).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(3).collect();
                let text = format!("{} does not serve: {}", self.name, last.join("; "));
                return Err(io::Error::other(text));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn end(&mut self) {
        // Its own children go with it when it is asked to end, and not when it is killed.
        if kill_process(Pid::from_child(&self.child), Signal::TERM).is_ok() {
            let begun = Instant::now();
            while begun.elapsed() < END_PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawned(name: &str, command: &mut Command) -> io::Result<Child> {
    command.spawn().map_err(|e| io::Error::new(e.kind(), format!("{name} cannot be started: {e}")))
}

/// Writes a configuration with its places filled in.
fn written(folder: &Path, name: &str, template: &str, places: &[(&str, String)]) -> io::Result<PathBuf> {
    let text = places.iter().fold(template.to_owned(), |text, (place, value)| text.replace(place, value));
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

fn folder_of(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let own = folder.join(name);
    std::fs::create_dir_all(&own)?;
    Ok(own)
}

/// Whether something takes connections at an address, as seen from a namespace.
fn listens(space: &Space, address: &str) -> bool {
    space
        .within(|| {
            let address: std::net::SocketAddr = address.parse().map_err(io::Error::other)?;
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).map(drop)
        })
        .is_ok()
}

/// nginx, with pages from the application and parts of pages by itself.
pub(in crate::live) fn nginx(
    space: &Space,
    folder: &Path,
    listen: &str,
    application: &str,
) -> io::Result<Server> {
    let name = format!("nginx-{}", listen.replace([':', '.'], "-"));
    let own = folder_of(folder, &name)?;
    let places = [
        ("{LISTEN}", listen.to_owned()),
        ("{APPLICATION}", application.to_owned()),
        ("{PART}", "x".repeat(3_000)),
    ];
    let file = written(&own, "nginx.conf", include_str!("../../../lab/nginx.conf"), &places)?;
    let mut command = space.command("nginx");
    command.arg("-p").arg(&own).arg("-c").arg(file).args(["-e", "error.log", "-g", "daemon off;"]);
    Server::start(&name, command, &own)?.wait_for(space, listen)
}

/// HAProxy before two web servers.
pub(in crate::live) fn haproxy(
    space: &Space,
    folder: &Path,
    listen: &str,
    behind: [&str; 2],
) -> io::Result<Server> {
    let own = folder_of(folder, "haproxy")?;
    let places =
        [("{LISTEN}", listen.to_owned()), ("{ONE}", behind[0].to_owned()), ("{TWO}", behind[1].to_owned())];
    let file = written(&own, "haproxy.cfg", include_str!("../../../lab/haproxy.cfg"), &places)?;
    let mut command = space.command("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Server::start("haproxy", command, &own)?.wait_for(space, listen)
}

/// NSD with one zone.
pub(in crate::live) fn nsd(space: &Space, folder: &Path, listen: &str, zone: &Zone) -> io::Result<Server> {
    let name = format!("nsd-{}", listen.replace(['.', ':'], "-"));
    let own = folder_of(folder, &name)?;
    let file = name_server(&own, "nsd.conf", include_str!("../../../lab/nsd.conf"), listen, zone)?;
    let mut command = space.command("nsd");
    command.arg("-d").arg("-c").arg(file);
    Server::start(&name, command, &own)?.wait_for(space, listen)
}

/// Knot DNS with one zone.
pub(in crate::live) fn knot(space: &Space, folder: &Path, listen: &str, zone: &Zone) -> io::Result<Server> {
    let name = format!("knot-{}", listen.replace(['.', ':'], "-"));
    let own = folder_of(folder, &name)?;
    let file = name_server(&own, "knot.conf", include_str!("../../../lab/knot.conf"), listen, zone)?;
    let mut command = space.command("knotd");
    command.arg("-c").arg(file);
    Server::start(&name, command, &own)?.wait_for(space, listen)
}

/// A zone as a name server reads it.
#[derive(Clone, Debug)]
pub(in crate::live) struct Zone {
    pub(in crate::live) name: &'static str,
    /// Master file (RFC 1035, section 5).
    pub(in crate::live) text: String,
}

fn name_server(own: &Path, file: &str, template: &str, listen: &str, zone: &Zone) -> io::Result<PathBuf> {
    std::fs::write(own.join("zone"), &zone.text)?;
    let (address, port) = listen.rsplit_once(':').unwrap_or((listen, "53"));
    let places = [
        ("{ADDRESS}", address.to_owned()),
        ("{PORT}", port.to_owned()),
        ("{ZONE}", zone.name.to_owned()),
        ("{FOLDER}", own.display().to_string()),
    ];
    written(own, file, template, &places)
}

/// A line that carries so many questions a second to a name server, and loses the others: what a
/// small server's line does when it is full.
pub(in crate::live) fn narrow(space: &Space, questions_per_s: u64) -> io::Result<()> {
    let burst = questions_per_s.max(5);
    let rules = format!(
        "table inet line {{\n chain arriving {{\n  type filter hook input priority 0;\n  udp dport 53 limit rate over \
         {questions_per_s}/second burst {burst} packets drop\n }}\n}}\n"
    );
    filter(space, &rules)
}

/// Puts rules of the packet filter in force in a namespace.
pub(in crate::live) fn filter(space: &Space, rules: &str) -> io::Result<()> {
    let mut child =
        space.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended without reading any.
        let _ = io::Write::write_all(&mut stdin, rules.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_configuration_is_filled_in() {
        let folder = std::env::temp_dir().join(format!("seawall-lab-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let zone = Zone { name: "site.example", text: String::new() };
        for template in [include_str!("../../../lab/nsd.conf"), include_str!("../../../lab/knot.conf")] {
            let file = name_server(&folder, "x.conf", template, "198.18.1.2:53", &zone).expect("written");
            let text = std::fs::read_to_string(file).expect("read");
            for place in ["{ADDRESS}", "{PORT}", "{ZONE}", "{FOLDER}"] {
                assert!(template.contains(place) && !text.contains(place), "{place} in {text}");
            }
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
