//! HAProxy: entries of its maps and of one table, changed by its runtime API while it runs.
//!
//! A map is replaced as a whole by a version that is written beside it (`prepare map`, `commit
//! map`, HAProxy 2.4). Entries of the table expire by themselves unless they are renewed here.

use super::nginx::alone;
use super::{Carries, Server, Wanted};
use seawall_planning::render::runtime::{Entries, entries};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Names that the maps' files end in, and the table's.
const DENY: &str = "seawall-deny.map";
const LIMITS: &str = "seawall-limits.map";
const ASK: &str = "seawall-ask.map";
const PROTECTED: &str = "seawall-protected.map";
const SOURCES: &str = "seawall_sources";
/// Longest that HAProxy may take for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read.
const MOST_ANSWER_BYTES: u64 = 16 << 20;
/// Bytes of commands that are sent at once: HAProxy reads them into a buffer of 16 KiB.
const MOST_COMMAND_BYTES: usize = 8_000;
/// Looks after which the entries of the table are written anew, before they expire.
const RENEW_LOOKS: u32 = 15;

/// An HAProxy by its admin socket.
#[derive(Clone, Debug)]
pub struct HaProxy {
    pub socket: PathBuf,
    /// Addresses that were put into the table.
    listed: BTreeSet<IpAddr>,
    looks: u32,
}

/// What one map is to hold, as the API lists it.
type Lines = Vec<String>;

impl HaProxy {
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, listed: BTreeSet::new(), looks: 0 }
    }

    fn ask(&self, command: &str) -> Result<String, String> {
        let ask = || {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.write_all(command.as_bytes())?;
            let mut answer = Vec::new();
            stream.take(MOST_ANSWER_BYTES).read_to_end(&mut answer)?;
            std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        ask().map_err(|e| format!("cannot be asked by {}: {e}", self.socket.display()))
    }

    /// Has something done; HAProxy says nothing then.
    fn order(&self, command: &str) -> Result<(), String> {
        let answer = self.ask(command)?;
        match answer.lines().find(|line| !line.trim().is_empty()) {
            None => Ok(()),
            Some(said) => Err(format!("it refuses: {said}")),
        }
    }

    /// The map whose file has this name, as the API knows it.
    fn map(&self, name: &str) -> Result<String, String> {
        let maps = self.ask("show map\n")?;
        let path = |line: &str| Some(line.split_once('(')?.1.split_once(')')?.0.to_owned());
        maps.lines().filter_map(path).find(|path| path.rsplit('/').next() == Some(name)).ok_or_else(|| {
            format!("it has no map {name}; docs/operate/beside.md has the lines for its configuration")
        })
    }

    /// Replaces the whole of a map at once.
    fn replace(&self, name: &str, lines: &Lines) -> Result<(), String> {
        let map = self.map(name)?;
        let said = self.ask(&format!("prepare map {map}\n"))?;
        let version: u64 = said
            .trim()
            .rsplit(' ')
            .next()
            .and_then(|v| v.parse().ok())
            .ok_or_else(|| format!("it makes no new version of {name}: {}", said.trim()))?;
        for batch in batches(lines) {
            self.order(&format!("add map @{version} {map} <<\n{batch}\n"))?;
        }
        self.order(&format!("commit map @{version} {map}\n"))
    }

    fn holds(&self, name: &str, lines: &Lines) -> Result<bool, String> {
        let map = self.map(name)?;
        let listed = self.ask(&format!("show map {map}\n"))?;
        // Each line begins with the entry's place in memory.
        let found: BTreeSet<&str> = listed.lines().filter_map(|l| Some(l.split_once(' ')?.1)).collect();
        Ok(found == lines.iter().map(String::as_str).collect())
    }

    fn list(&mut self, sources: &[IpAddr]) -> Result<(), String> {
        let wanted: BTreeSet<IpAddr> = sources.iter().copied().collect();
        let set = |address: &IpAddr, on: u8| {
            let key = match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => *v6,
            };
            format!("set table {SOURCES} key {key} data.gpt0 {on}")
        };
        let gone = self.listed.difference(&wanted).map(|a| set(a, 0));
        let commands: Vec<String> = gone.chain(wanted.iter().map(|a| set(a, 1))).collect();
        for batch in commands.chunks(MOST_COMMAND_BYTES / 100) {
            self.order(&(batch.join(";") + "\n"))?;
        }
        self.listed = wanted;
        Ok(())
    }
}

impl Server for HaProxy {
    fn name(&self) -> String {
        format!("HAProxy ({})", self.socket.display())
    }

    fn carries(&self) -> Carries {
        |plan, measure| entries(&alone(plan, measure)).measures.contains(&measure.id)
    }

    fn put(&mut self, wanted: &Wanted) -> Result<(), String> {
        let (entries, maps) = lines(wanted);
        // Who is protected is known before anything is refused.
        for (name, lines) in &maps {
            self.replace(name, lines)?;
        }
        if entries.is_empty() {
            self.listed.clear();
            return self.order(&format!("clear table {SOURCES}\n"));
        }
        self.list(&entries.sources)
    }

    fn is_there(&mut self, wanted: &Wanted) -> Result<bool, String> {
        let (entries, all) = lines(wanted);
        for (name, lines) in &all {
            if !self.holds(name, lines)? {
                return Ok(false);
            }
        }
        self.looks += 1;
        if self.looks.is_multiple_of(RENEW_LOOKS) {
            self.list(&entries.sources)?;
        }
        Ok(true)
    }
}

/// What is wanted as lines of the maps, those of who is protected first.
fn lines(wanted: &Wanted) -> (Entries, [(&'static str, Lines); 4]) {
    let entries = wanted.plan.as_ref().map(entries).unwrap_or_default();
    let pairs =
        |pairs: &[(String, String)]| pairs.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let protected = wanted.protected.iter().map(|p| format!("{p} 1")).collect();
    let all = [
        (PROTECTED, protected),
        (DENY, pairs(&entries.deny)),
        (LIMITS, pairs(&entries.limits)),
        (ASK, pairs(&entries.ask)),
    ];
    (entries, all)
}

/// Lines in pieces that HAProxy reads at once; each ends with an empty line, as the API wants.
fn batches(lines: &Lines) -> Vec<String> {
    let mut batches: Vec<String> = Vec::new();
    for line in lines {
        match batches.last_mut() {
            Some(batch) if batch.len() + line.len() < MOST_COMMAND_BYTES => {
                // Writing to a String cannot fail.
                let _ = writeln!(batch, "{line}");
            }
            _ => batches.push(format!("{line}\n")),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_go_in_pieces_and_nothing_is_lost() {
        let lines: Lines = (0..1_000).map(|n| format!("192.0.2.{n} 1")).collect();
        let batches = batches(&lines);
        assert!(batches.len() > 1 && batches.iter().all(|b| b.len() <= MOST_COMMAND_BYTES));
        assert_eq!(batches.concat().lines().count(), 1_000);
    }
}
