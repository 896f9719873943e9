//! The nftables back end, for hosts whose kernel or driver does not take the XDP program: the same
//! plan as one table of our own, replaced in one transaction, whose elements time out. Nobody
//! else's rules are touched.

use crate::clock::Moment;
use crate::error::KernelError;
use seawall_model::Prefix;
use seawall_model::plan::Plan;
use seawall_planning::render::nftables;
use std::io::Write;
use std::process::{Command, Stdio};

/// The table; nothing outside of it is read or written.
const TABLE: [&str; 3] = ["table", "inet", "seawall"];

/// What is in the table.
pub(crate) struct NftFilter {
    plan: Option<Plan>,
    protected: Vec<Prefix>,
    /// The table as it was listed after it was written; `None`: it is not there.
    listed: Option<String>,
}

impl NftFilter {
    /// Takes over from whoever left a table behind.
    ///
    /// # Errors
    /// If `nft` is missing or may not list tables.
    pub(crate) fn start() -> Result<Self, KernelError> {
        nft(&["list", "tables"], "")?;
        let mut filter = Self { plan: None, protected: Vec::new(), listed: None };
        filter.remove()?;
        Ok(filter)
    }

    /// Replaces the table by the rules of the plan's `allowed` measures, at once. Returns those that
    /// could be expressed.
    ///
    /// # Errors
    /// If `nft` refuses; the former table stays.
    pub(crate) fn apply(
        &mut self,
        plan: &Plan,
        protected: &[Prefix],
        allowed: &[&str],
        now: Moment,
    ) -> Result<Vec<String>, KernelError> {
        let mut plan = plan.clone();
        plan.measures.retain(|m| allowed.contains(&m.id.as_str()));
        self.write(plan, protected.to_vec(), now)
    }

    fn write(&mut self, plan: Plan, protected: Vec<Prefix>, now: Moment) -> Result<Vec<String>, KernelError> {
        let living = living(&plan, now);
        let rules = nftables::render(&living, &protected);
        let taken: Vec<String> = rules.iter().flat_map(|r| r.measures.clone()).collect();
        if taken.is_empty() {
            self.remove()?;
        } else {
            let text: String = rules.iter().map(|r| r.text.as_str()).collect();
            nft(&["-f", "-"], &text)?;
            self.listed = Some(list()?.unwrap_or_default());
        }
        self.plan = Some(plan);
        self.protected = protected;
        Ok(taken)
    }

    /// Removes the table, if it is there.
    ///
    /// # Errors
    /// If `nft` refuses.
    pub(crate) fn remove(&mut self) -> Result<(), KernelError> {
        // Adding first makes deleting succeed where there is none.
        nft(&["-f", "-"], "add table inet seawall\ndelete table inet seawall\n")?;
        self.plan = None;
        self.listed = None;
        Ok(())
    }

    /// Compares the table with what was written, puts it right, and says what was wrong.
    ///
    /// # Errors
    /// If `nft` refuses.
    pub(crate) fn audit(&mut self, now: Moment) -> Result<Vec<String>, KernelError> {
        let Some(plan) = self.plan.clone() else { return Ok(Vec::new()) };
        let has_expired = plan.measures.iter().any(|m| m.expires <= now.wall);
        let fact = list()?;
        if fact == self.listed {
            return Ok(Vec::new());
        }
        let was = if fact.is_none() { "the table was gone" } else { "the table was changed" };
        let found = if has_expired { Vec::new() } else { vec![was.to_owned()] };
        self.write(Plan { measures: living(&plan, now).measures, ..plan }, self.protected.clone(), now)?;
        Ok(found)
    }

    /// Packets and bytes that each measure has dropped.
    ///
    /// # Errors
    /// If `nft` refuses.
    pub(crate) fn counts(&self) -> Result<Vec<(String, u64, u64)>, KernelError> {
        if self.listed.is_none() {
            return Ok(Vec::new());
        }
        Ok(counters(&nft(&[&["list"], &TABLE[..]].concat(), "")?))
    }
}

/// The measures that have not expired, with lifetimes counted from now.
fn living(plan: &Plan, now: Moment) -> Plan {
    let mut living = plan.clone();
    living.measures.retain(|m| m.expires > now.wall);
    living.created = now.wall;
    living
}

/// The table without counters and times, and without what packets add to it; `None` where there is
/// none.
fn list() -> Result<Option<String>, KernelError> {
    match nft(&[&["-s", "list"], &TABLE[..]].concat(), "") {
        Ok(text) => Ok(Some(without_dynamic_elements(&text))),
        Err(KernelError::Nft(reason)) if reason.contains("No such file") => Ok(None),
        Err(error) => Err(error),
    }
}

fn without_dynamic_elements(text: &str) -> String {
    let mut kept = String::new();
    let mut is_dynamic = false;
    let mut in_elements = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("set ") {
            is_dynamic = false;
        }
        is_dynamic |= line.starts_with("flags") && line.contains("dynamic");
        in_elements |= is_dynamic && line.starts_with("elements");
        if !in_elements {
            kept.push_str(line);
            kept.push('\n');
        }
        if in_elements && line.ends_with('}') {
            in_elements = false;
        }
    }
    kept
}

/// Counters by measure: each rule names the set with its measure's name.
fn counters(text: &str) -> Vec<(String, u64, u64)> {
    let mut sums: std::collections::BTreeMap<String, (u64, u64)> = std::collections::BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words.iter().find_map(|w| w.strip_prefix('@')?.strip_suffix("_until"));
        let place = words.iter().position(|w| *w == "counter");
        let (Some(name), Some(place)) = (name, place) else { continue };
        let number = |at: usize| words.get(place + at).and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
        let sum = sums.entry(name.to_owned()).or_default();
        *sum = (sum.0 + number(2), sum.1 + number(4));
    }
    sums.into_iter().map(|(name, (packets, bytes))| (name, packets, bytes)).collect()
}

/// Runs `nft` with a text on its standard input.
fn nft(arguments: &[&str], input: &str) -> Result<String, KernelError> {
    let missing = |e: std::io::Error| KernelError::Nft(format!("cannot run nft: {e}"));
    let mut child = Command::new("nft")
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may say what is wrong before it has read everything; that is told below.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(missing)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(KernelError::Nft(said.lines().next().unwrap_or("it failed without a word").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_measure() {
        let text = "\t\tmeta nfproto ipv4 meta nfproto @m1_until ip ttl 64 counter packets 7 bytes 420 drop\n\
                    \t\tmeta nfproto ipv6 meta nfproto @m1_until counter packets 1 bytes 60 drop\n\tiif \"lo\" accept\n";
        assert_eq!(counters(text), [("m1".to_owned(), 8, 480)]);
    }

    #[test]
    fn what_packets_add_is_no_change() {
        let set = |elements: &str| {
            format!(
                "set m1_v4 {{\nflags dynamic,timeout\nelements = {{ {elements} }}\n}}\nset a {{\nelements = {{ 1.2.3.4 }}\n}}\n"
            )
        };
        let few = without_dynamic_elements(&set("1.1.1.1"));
        assert_eq!(few, without_dynamic_elements(&set("1.1.1.1,\n2.2.2.2")));
        assert!(few.contains("1.2.3.4"));
    }
}
