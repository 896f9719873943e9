//! Rehearsing a switch, making it, and taking it back.
//!
//! A switch is made only if its rehearsal finds nothing against it: every record set is the same at
//! the provider, resolvers will believe its signatures, the parent's servers agree and would take
//! the change. What cannot be asked because the primary is down is taken from the last proof.

use super::hook;
use super::state::{Proof, State, Switched};
use super::{Change, Plan};
use crate::report::figure;
use anyhow::{Context, bail};
use seawall_dns_edge::message::name;
use seawall_dns_edge::reroute::delegation::{self, Delegation, hosts_text};
use seawall_dns_edge::reroute::{Parity, Provider, Trust, feed, parity, trust};
use seawall_dns_edge::talk::Record;
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;
use serde_json::json;
use std::time::Duration;

/// A proof that is older says nothing of today's zone.
const PROOF_S: i64 = 86_400;
/// How long the parent's servers may take to say what they were told.
const READ_BACK_S: u32 = 60;
/// Differences that are told one by one.
const NAMED: usize = 5;

/// What a rehearsal found: in words, and what the switch needs.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// A word for what was looked at, and what was found.
    pub lines: Vec<(&'static str, String)>,
    /// What stands against the switch.
    pub against: Vec<String>,
    pub before: Delegation,
    pub settled_after_s: u32,
}

impl Rehearsal {
    fn found(&mut self, what: &'static str, line: String) {
        self.lines.push((what, line));
    }

    fn objects(&mut self, what: &'static str, line: String) {
        self.against.push(line.clone());
        self.lines.push((what, line));
    }
}

/// Compares a provider's copy with the zone and brings it up to date where it is fed; returns what
/// was found, and notes for the operator.
///
/// # Errors
/// If the primary or the provider does not answer.
pub fn prove(
    plan: &Plan,
    number: usize,
    state: Option<&State>,
    now: &dyn Fn() -> Timestamp,
) -> anyhow::Result<(Parity, Vec<String>)> {
    let (zone, provider) = (&plan.zone, &plan.zone.providers[number]);
    let original = parity::original(zone, now())?;
    let mut found = parity::compare(zone, provider, &original, now)?;
    let mut notes = Vec::new();
    if !found.holds() {
        notes.extend(bring_up_to_date(plan, number, &original, &found, now)?);
        if !notes.is_empty() {
            found = parity::compare(zone, provider, &original, now)?;
        }
    }
    if let Some(state) = state {
        let (sets, differing, apex_ns_ttl_s) = (found.sets, found.differing, found.apex_ns_ttl_s);
        state.keep_proof(&provider.name, &Proof { at: now(), sets, differing, apex_ns_ttl_s })?;
    }
    Ok((found, notes))
}

/// Looks at everything that a switch to a provider needs, and changes nothing.
///
/// # Errors
/// If the parent does not answer, or the state cannot be read.
pub fn rehearse(
    plan: &Plan,
    number: usize,
    state: Option<&State>,
    now: &dyn Fn() -> Timestamp,
) -> anyhow::Result<Rehearsal> {
    let (zone, provider) = (&plan.zone, &plan.zone.providers[number]);
    let mut rehearsal = Rehearsal::default();
    let apex_ns_ttl_s = copy(&mut rehearsal, plan, number, state, now)?;
    match delegation::read(zone, now())? {
        Ok(found) => rehearsal.before = found,
        Err(why) => rehearsal.objects("parent", why),
    }
    let before = &rehearsal.before;
    rehearsal.settled_after_s = before.settled_after_s(apex_ns_ttl_s);
    let there: Vec<&[u8]> = sorted(&provider.hosts);
    if !rehearsal.before.servers.is_empty() {
        let hosts = hosts_text(&rehearsal.before.hosts());
        if rehearsal.before.hosts() == there {
            rehearsal.objects("parent", format!("delegates to {hosts} already"));
        } else {
            rehearsal.found("parent", format!("delegates to {hosts}"));
        }
    }
    signatures(&mut rehearsal, plan, provider, now())?;
    if let Err(why) = change(plan, &rehearsal.before, &provider.hosts, true, now()) {
        rehearsal.objects("change", why);
    } else {
        rehearsal.found("change", "would be taken".to_owned());
    }
    let duration = figure::duration(f64::from(rehearsal.settled_after_s));
    rehearsal.found("time", format!("the last resolver moves {duration} after the switch"));
    Ok(rehearsal)
}

/// Delegates the zone to a provider, and sees that the parent's servers say so.
///
/// # Errors
/// If anything stands against it, or the parent does not take it.
pub fn switch(
    plan: &Plan,
    number: usize,
    rehearsal: &Rehearsal,
    state: &State,
    now: &dyn Fn() -> Timestamp,
) -> anyhow::Result<Switched> {
    let provider = &plan.zone.providers[number];
    if let Some(why) = rehearsal.against.first() {
        bail!("not switched, for the rehearsal found: {why}");
    }
    if let Some(switched) = state.switched()? {
        bail!("it is at {} since {}: take that back first", switched.provider, switched.at);
    }
    let at = now();
    let switched = Switched {
        at,
        provider: provider.name.clone(),
        before: rehearsal.before.hosts().into_iter().map(name::text).collect(),
        settled_at: at.plus_ns(i64::from(rehearsal.settled_after_s) * SECOND_NS),
    };
    // Written down first: whatever happens, there is a way back.
    state.keep_switched(&switched)?;
    if let Err(why) = change(plan, &rehearsal.before, &provider.hosts, false, at) {
        state.forget_switched()?;
        bail!("{why}");
    }
    read_back(plan, &sorted(&provider.hosts), now)?;
    Ok(switched)
}

/// Delegates the zone to those who had it before a switch. Returns when the last resolver is back.
///
/// # Errors
/// If nothing was switched, or the parent does not take it.
pub fn back(
    plan: &Plan,
    state: &State,
    now: &dyn Fn() -> Timestamp,
) -> anyhow::Result<(Switched, Timestamp)> {
    let Some(switched) = state.switched()? else { bail!("it was not rerouted") };
    let parse = |host: &String| name::parse(host).with_context(|| format!("`{host}` is no name of a server"));
    let hosts = switched.before.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    let present = delegation::read(&plan.zone, now())?.map_err(anyhow::Error::msg)?;
    let at = now();
    if present.hosts() != sorted(&hosts) {
        change(plan, &present, &hosts, false, at).map_err(anyhow::Error::msg)?;
        read_back(plan, &sorted(&hosts), now)?;
    }
    let apex_ns_ttl_s = state.proof(&switched.provider)?.map_or(0, |proof| proof.apex_ns_ttl_s);
    state.forget_switched()?;
    let settled_s = i64::from(present.settled_after_s(apex_ns_ttl_s));
    Ok((switched, at.plus_ns(settled_s * SECOND_NS)))
}

/// What is proven of the copy; returns for how long resolvers keep the zone's own NS records.
fn copy(
    rehearsal: &mut Rehearsal,
    plan: &Plan,
    number: usize,
    state: Option<&State>,
    now: &dyn Fn() -> Timestamp,
) -> anyhow::Result<u32> {
    let provider = &plan.zone.providers[number];
    let why = match prove(plan, number, state, now) {
        Ok((parity, notes)) => {
            notes.into_iter().for_each(|note| rehearsal.found("copy", note));
            let servers = provider.servers.len();
            let line = format!("{} record sets asked of {servers} servers", parity.sets);
            if parity.holds() {
                rehearsal.found("copy", format!("{line}, all alike"));
            } else {
                let first = parity.differences.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
                rehearsal.objects("copy", format!("{line}, {} differ: {first}", parity.differing));
            }
            return Ok(parity.apex_ns_ttl_s);
        }
        Err(why) => why,
    };
    let proof = state.map(|s| s.proof(&provider.name)).transpose()?.flatten();
    match proof.filter(|p| p.differing == 0 && now().seconds() - p.at.seconds() <= PROOF_S) {
        Some(proof) => {
            let line = format!("{why:#}; {} record sets were alike at {}", proof.sets, proof.at);
            rehearsal.found("copy", line);
            Ok(proof.apex_ns_ttl_s)
        }
        None => {
            rehearsal.objects("copy", format!("{why:#}, and nothing was proven lately"));
            Ok(0)
        }
    }
}

fn signatures(
    rehearsal: &mut Rehearsal,
    plan: &Plan,
    provider: &Provider,
    now: Timestamp,
) -> anyhow::Result<()> {
    match trust::check(&plan.zone, provider, &rehearsal.before.ds, rehearsal.settled_after_s, now)? {
        Trust::Unsigned => rehearsal.found("signatures", "the parent asks for none".to_owned()),
        Trust::Signed { left_s } => {
            let left = figure::duration(f64::from(left_s));
            rehearsal.found("signatures", format!("by keys of the parent's DS records, for {left} yet"));
        }
        Trust::Broken(why) => rehearsal.objects("signatures", why),
    }
    Ok(())
}

/// Changes the delegation, or tries whether it could be.
fn change(
    plan: &Plan,
    before: &Delegation,
    hosts: &[Box<[u8]>],
    is_rehearsal: bool,
    now: Timestamp,
) -> Result<(), String> {
    match &plan.change {
        Change::Update(parent) => {
            delegation::change(parent, &plan.zone.apex, before, hosts, is_rehearsal, now)
                .map_err(|why| why.to_string())
        }
        Change::Command(words) => {
            let verb = if is_rehearsal { "rehearse" } else { "delegate" };
            let zone = name::text(&plan.zone.apex);
            let texts = |hosts: Vec<&[u8]>| hosts.into_iter().map(name::text).collect::<Vec<_>>();
            let input = json!({
                "zone": zone,
                "from": texts(before.hosts()),
                "to": texts(hosts.iter().map(|h| &**h).collect()),
                "ttl_s": before.ttl_s(),
            });
            hook::run(words, verb, &zone, &format!("{input}\n"))
        }
    }
}

/// Waits until all servers of the parent delegate as they were told.
fn read_back(plan: &Plan, hosts: &[&[u8]], now: &dyn Fn() -> Timestamp) -> anyhow::Result<()> {
    let mut said = String::new();
    for _ in 0..READ_BACK_S {
        said = match delegation::read(&plan.zone, now()) {
            Ok(Ok(found)) if found.hosts() == hosts => return Ok(()),
            Ok(Ok(found)) => format!("they delegate to {}", hosts_text(&found.hosts())),
            Ok(Err(why)) => why,
            Err(why) => why.to_string(),
        };
        std::thread::sleep(Duration::from_secs(1));
    }
    bail!("the change was taken, but not all servers of the parent have it after {READ_BACK_S} s: {said}")
}

fn bring_up_to_date(
    plan: &Plan,
    number: usize,
    original: &[Record],
    found: &Parity,
    now: &dyn Fn() -> Timestamp,
) -> anyhow::Result<Option<String>> {
    let provider = &plan.zone.providers[number];
    let sets = found.outdated.len();
    if let Some(words) = plan.feeds.get(number).and_then(Option::as_ref) {
        let zone: String = original.iter().map(|record| record.line() + "\n").collect();
        hook::run(words, "feed", &name::text(&plan.zone.apex), &zone).map_err(anyhow::Error::msg)?;
        return Ok(Some(format!("{sets} record sets differed, and the zone was given to the provider")));
    }
    let changed = feed::push(&plan.zone, provider, original, &found.outdated, now)?;
    Ok((changed > 0).then(|| format!("{changed} record sets differed and were updated")))
}

fn sorted(hosts: &[Box<[u8]>]) -> Vec<&[u8]> {
    let mut hosts: Vec<&[u8]> = hosts.iter().map(|h| &**h).collect();
    hosts.sort_unstable();
    hosts
}
