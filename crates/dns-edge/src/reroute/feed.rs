//! Keeps a provider's copy of a zone the same by dynamic updates (RFC 2136): each record set that
//! differs is replaced whole. What is no longer in the zone is taken away where the provider lets
//! its copy be transferred to us; elsewhere it is not seen.

use super::parity::Scope;
use super::{MOST_RECORDS, Provider, Trouble, Zone, sets};
use crate::message::{CLASS_ANY, CLASS_IN, code, kind, name, opcode};
use crate::talk::exchange::{self, ask_stream};
use crate::talk::{Failure, Peer, Record, Request};
use seawall_model::Timestamp;

/// Bytes of changes in one message: it has room for a signature beside them.
const CHANGE_BYTES: usize = 32_768;
/// About what a record takes beside its owner and data.
const RECORD_BYTES: usize = 10;

/// Brings record sets of a provider's copy up to date; returns how many were changed.
/// `outdated`: those that are known to differ.
///
/// # Errors
/// If the provider does not take an update.
pub fn push(
    zone: &Zone,
    provider: &Provider,
    original: &[Record],
    outdated: &[(Box<[u8]>, u16)],
    now: &dyn Fn() -> Timestamp,
) -> Result<usize, Trouble> {
    let Some(peer) = &provider.updates else { return Ok(0) };
    let mut changes: Vec<Vec<Record>> = Vec::new();
    for set in sets(original) {
        let is_outdated = outdated.iter().any(|(owner, kind)| *owner == set[0].owner && *kind == set[0].kind);
        if is_outdated && !is_apex_ns(zone, set[0]) {
            changes.push(replacement(&set));
        }
    }
    // What is too much is seen only in a copy of all of it.
    if let Ok(copy) = exchange::zone(peer, &zone.apex, MOST_RECORDS, now()) {
        changes.extend(surplus(zone, provider, original, &copy));
    }
    let mut message: Vec<Record> = Vec::new();
    let mut bytes = 0;
    for change in &changes {
        let more = change.iter().map(|r| r.owner.len() + r.data.len() + RECORD_BYTES).sum::<usize>();
        if bytes + more > CHANGE_BYTES && !message.is_empty() {
            update(peer, zone, Vec::new(), std::mem::take(&mut message), now())?;
            bytes = 0;
        }
        message.extend(change.iter().cloned());
        bytes += more;
    }
    if !message.is_empty() {
        update(peer, zone, Vec::new(), message, now())?;
    }
    Ok(changes.len())
}

/// Asks a server to change a zone, on conditions.
fn update(
    peer: &Peer,
    zone: &Zone,
    conditions: Vec<Record>,
    changes: Vec<Record>,
    now: Timestamp,
) -> Result<(), Trouble> {
    send(peer, &zone.apex, conditions, changes, now)
        .map_err(|why| Trouble::new(format!("an update of {}", name::text(&zone.apex)), peer.address, why))
}

/// Sends one update; without changes, the server only says whether the conditions hold and
/// whether it would take one.
pub(super) fn send(
    peer: &Peer,
    apex: &[u8],
    conditions: Vec<Record>,
    changes: Vec<Record>,
    now: Timestamp,
) -> Result<(), Failure> {
    let (answers, authority) = (conditions, changes);
    let request =
        Request { opcode: opcode::UPDATE, answers, authority, ..Request::query(0, apex, kind::SOA) };
    let reply = ask_stream(peer, &request, now)?;
    if reply.code == code::NO_ERROR { Ok(()) } else { Err(Failure::Code(reply.code)) }
}

/// A record set in place of what is there.
pub(super) fn replacement(set: &[&Record]) -> Vec<Record> {
    let Some(first) = set.first() else { return Vec::new() };
    std::iter::once(removal(first)).chain(set.iter().map(|r| (*r).clone())).collect()
}

/// Takes a record set away (RFC 2136 section 2.5.2).
fn removal(record: &Record) -> Record {
    Record { class: CLASS_ANY, ttl_s: 0, data: Box::default(), ..record.clone() }
}

fn surplus(zone: &Zone, provider: &Provider, original: &[Record], copy: &[Record]) -> Vec<Vec<Record>> {
    let known: std::collections::BTreeSet<(&[u8], u16)> =
        original.iter().map(|r| (&*r.owner, r.kind)).collect();
    let scope = Scope::of(zone, provider, original);
    let is_surplus = |r: &Record| {
        r.class == CLASS_IN && scope.has(r) && !is_apex_ns(zone, r) && !known.contains(&(&*r.owner, r.kind))
    };
    let surplus = sets(copy).into_iter().filter(|set| is_surplus(set[0]));
    surplus.map(|set| vec![removal(set[0])]).collect()
}

/// Who serves the zone there is the provider's to say.
fn is_apex_ns(zone: &Zone, record: &Record) -> bool {
    record.kind == kind::NS && record.owner == zone.apex
}
