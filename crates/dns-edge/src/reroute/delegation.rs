//! Who is asked for a zone: the parent's NS and DS records. Reads them, changes them by dynamic
//! update (RFC 2136), and tells when the last resolver has noticed.

use super::feed::{replacement, send};
use super::{Trouble, Zone, called};
use crate::message::{CLASS_IN, code, kind, name};
use crate::talk::exchange::ask;
use crate::talk::{Failure, Peer, Record, Request};
use seawall_model::Timestamp;
use std::net::SocketAddr;

/// What the parent says of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegation {
    /// NS records, sorted.
    pub servers: Vec<Record>,
    pub ds: Vec<Record>,
    /// The longest time that a resolver keeps the addresses that come with them.
    pub glue_ttl_s: u32,
}

impl Delegation {
    /// The servers' names in wire form, sorted.
    #[must_use]
    pub fn hosts(&self) -> Vec<&[u8]> {
        self.servers.iter().map(|r| &*r.data).collect()
    }

    /// How long resolvers may go on asking those who are delegated to now.
    #[must_use]
    pub fn ttl_s(&self) -> u32 {
        self.servers.iter().map(|r| r.ttl_s).max().unwrap_or(0)
    }

    /// Seconds from a switch until the last resolver has moved: the longest that it may keep the
    /// parent's NS records, the addresses beside them, or the zone's own NS records, which it
    /// prefers (RFC 2181 section 5.4.1).
    #[must_use]
    pub fn settled_after_s(&self, apex_ns_ttl_s: u32) -> u32 {
        self.ttl_s().max(self.glue_ttl_s).max(apex_ns_ttl_s)
    }
}

/// What one server of the parent says.
///
/// # Errors
/// If it does not answer, or says nothing of the zone.
pub fn read_one(server: SocketAddr, apex: &[u8], now: Timestamp) -> Result<Delegation, Trouble> {
    let peer = Peer { address: server, key: None };
    let get = |kind| {
        ask(&peer, &Request::query(0, apex, kind), now)
            .and_then(|r| if r.code == code::NO_ERROR { Ok(r) } else { Err(Failure::Code(r.code)) })
            .map_err(|why| Trouble::new(called(apex, kind), server, why))
    };
    let referral = get(kind::NS)?;
    let of_zone = |r: &&Record| *r.owner == *apex;
    let both = referral.authority.iter().chain(&referral.answers);
    let mut servers: Vec<Record> = both.filter(of_zone).filter(|r| r.kind == kind::NS).cloned().collect();
    servers.sort_by(|a, b| a.data.cmp(&b.data));
    if servers.is_empty() {
        return Err(Trouble::new(called(apex, kind::NS), server, Failure::Nonsense));
    }
    let is_glue = |r: &&Record| servers.iter().any(|ns| ns.data == r.owner);
    let glue_ttl_s = referral.additional.iter().filter(is_glue).map(|r| r.ttl_s).max().unwrap_or(0);
    let ds = get(kind::DS)?.answers;
    let ds = ds.into_iter().filter(|r| of_zone(&r) && r.kind == kind::DS).collect();
    Ok(Delegation { servers, ds, glue_ttl_s })
}

/// What all servers of the parent say, if they agree; the server that says otherwise is told of.
///
/// # Errors
/// If one does not answer.
pub fn read(zone: &Zone, now: Timestamp) -> Result<Result<Delegation, String>, Trouble> {
    let mut found: Option<Delegation> = None;
    for server in &zone.parents {
        let said = read_one(*server, &zone.apex, now)?;
        match &found {
            Some(first) if first.hosts() != said.hosts() => {
                let (here, there) = (hosts_text(&said.hosts()), hosts_text(&first.hosts()));
                return Ok(Err(format!("{server} delegates to {here}, others to {there}")));
            }
            Some(_) => {}
            None => found = Some(said),
        }
    }
    Ok(Ok(found.unwrap_or_default()))
}

/// Delegates a zone to other servers by an update of the parent, on the condition that it is
/// delegated as it was read. `is_rehearsal`: the conditions and the key are tried, nothing changes.
///
/// # Errors
/// If the server does not take it.
pub fn change(
    parent: &Peer,
    apex: &[u8],
    before: &Delegation,
    hosts: &[Box<[u8]>],
    is_rehearsal: bool,
    now: Timestamp,
) -> Result<(), Trouble> {
    let condition = |r: &Record| Record { ttl_s: 0, ..r.clone() };
    let conditions = before.servers.iter().map(condition).collect();
    let ns = |host: &[u8]| Record {
        owner: apex.into(),
        kind: kind::NS,
        class: CLASS_IN,
        ttl_s: before.ttl_s(),
        data: host.into(),
    };
    let set: Vec<Record> = hosts.iter().map(|host| ns(host)).collect();
    let changes = if is_rehearsal { Vec::new() } else { replacement(&set.iter().collect::<Vec<_>>()) };
    let above = name::parent(apex).unwrap_or(apex);
    send(parent, above, conditions, changes, now)
        .map_err(|why| Trouble::new(format!("a change of {}", called(apex, kind::NS)), parent.address, why))
}

/// Names of servers for messages.
#[must_use]
pub fn hosts_text(hosts: &[&[u8]]) -> String {
    hosts.iter().map(|host| name::text(host)).collect::<Vec<_>>().join(", ")
}
