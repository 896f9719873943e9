//! Proves that each of a provider's servers has every record set of a zone as its primary has it,
//! by asking for each of them.
//!
//! Left out is what a provider that signs by itself has otherwise (signatures, keys, proofs of
//! absence), what lies below a delegation (others answer that), and the serial number where the
//! provider is updated. Its apex NS records may be the primary's or its own.

use super::{MOST_RECORDS, Provider, Trouble, Zone, called, sets};
use crate::message::{code, kind, name};
use crate::talk::exchange::{self, ask};
use crate::talk::{Peer, Record, Request};
use seawall_model::Timestamp;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Differences that are named; more are only counted.
const NAMED: usize = 100;
/// Differences after which a server is not asked further: it has another zone.
const ENOUGH: usize = 1_000;

/// How a provider's copy compares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parity {
    /// Record sets of the zone, and comparisons over all servers.
    pub sets: usize,
    pub asked: usize,
    /// Comparisons that failed, and the first of them in words.
    pub differing: usize,
    pub differences: Vec<String>,
    /// Record sets that differ on at least one server: owner and type.
    pub outdated: Vec<(Box<[u8]>, u16)>,
    /// The least remaining time to live that resolvers may keep the apex NS records for.
    pub apex_ns_ttl_s: u32,
}

impl Parity {
    /// Everything was asked for, and is the same.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.differing == 0 && self.asked > 0
    }

    fn differs(&mut self, set: &[&Record], server: SocketAddr, how: &str) {
        self.differing += 1;
        let (owner, kind) = (&set[0].owner, set[0].kind);
        if self.differences.len() < NAMED {
            self.differences.push(format!("{} at {server}: {how}", called(owner, kind)));
        }
        if !self.outdated.iter().any(|(o, k)| o == owner && *k == kind) {
            self.outdated.push((owner.clone(), kind));
        }
    }
}

/// The zone as its primary has it.
///
/// # Errors
/// If the primary does not give it.
pub fn original(zone: &Zone, now: Timestamp) -> Result<Vec<Record>, Trouble> {
    exchange::zone(&zone.primary, &zone.apex, MOST_RECORDS, now).map_err(|why| {
        Trouble::new(format!("the zone {}", name::text(&zone.apex)), zone.primary.address, why)
    })
}

/// Compares a provider's servers with the zone.
///
/// # Errors
/// If one of its servers does not answer.
pub fn compare(
    zone: &Zone,
    provider: &Provider,
    original: &[Record],
    now: &dyn Fn() -> Timestamp,
) -> Result<Parity, Trouble> {
    let scope = Scope::of(zone, provider, original);
    let wanted: Vec<Vec<&Record>> = sets(original);
    let compared: Vec<&Vec<&Record>> = wanted.iter().filter(|set| scope.has(set[0])).collect();
    let mut parity = Parity { sets: compared.len(), ..Parity::default() };
    let apex_ns = wanted.iter().find(|set| set[0].kind == kind::NS && set[0].owner == zone.apex);
    parity.apex_ns_ttl_s = apex_ns.map_or(0, |set| set[0].ttl_s);
    for server in &provider.servers {
        let before = parity.differing;
        for set in &compared {
            if parity.differing - before >= ENOUGH {
                break;
            }
            compare_set(&mut parity, zone, provider, *server, set, now())?;
        }
    }
    Ok(parity)
}

fn compare_set(
    parity: &mut Parity,
    zone: &Zone,
    provider: &Provider,
    server: SocketAddr,
    set: &[&Record],
    now: Timestamp,
) -> Result<(), Trouble> {
    let (owner, kind) = (&set[0].owner, set[0].kind);
    let peer = Peer { address: server, key: None };
    let reply = ask(&peer, &Request::query(0, owner, kind), now)
        .map_err(|why| Trouble::new(called(owner, kind), server, why))?;
    parity.asked += 1;
    if reply.code != code::NO_ERROR && reply.code != code::NO_SUCH_NAME {
        parity.differs(set, server, &format!("answered with code {}", reply.code));
        return Ok(());
    }
    // Of a delegation the provider says whom to ask.
    let is_cut = kind == kind::NS && *owner != zone.apex;
    if !reply.is_authoritative && !is_cut {
        parity.differs(set, server, "the server does not speak for the zone");
        return Ok(());
    }
    let section = if is_cut && reply.answers.is_empty() { &reply.authority } else { &reply.answers };
    let mut found: Vec<&Record> = section.iter().filter(|r| r.owner == *owner && r.kind == kind).collect();
    found.sort_by_key(|r| &r.data);
    let is_same =
        |a: &[&Record]| a.iter().map(|r| (&r.data, r.ttl_s)).eq(found.iter().map(|r| (&r.data, r.ttl_s)));
    let is_own = || {
        let mut own: Vec<&[u8]> = provider.hosts.iter().map(|h| &**h).collect();
        own.sort_unstable();
        kind == kind::NS && *owner == zone.apex && found.iter().map(|r| &*r.data).eq(own)
    };
    if !is_same(set) && !is_own() {
        let how = match found.len() {
            0 => "not there".to_owned(),
            n if n == set.len() => "other data or another time to live".to_owned(),
            n => format!("{n} records in place of {}", set.len()),
        };
        parity.differs(set, server, &how);
    }
    Ok(())
}

/// What of a zone a provider must have as the primary has it.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    apex: &'a [u8],
    is_updated: bool,
    cuts: BTreeSet<&'a [u8]>,
}

impl<'a> Scope<'a> {
    pub(super) fn of(zone: &'a Zone, provider: &Provider, original: &'a [Record]) -> Self {
        let cuts = original.iter().filter(|r| r.kind == kind::NS && r.owner != zone.apex);
        let cuts = cuts.map(|r| &*r.owner).collect();
        Self { apex: &zone.apex, is_updated: provider.updates.is_some(), cuts }
    }

    pub(super) fn has(&self, record: &Record) -> bool {
        let is_of_signer = matches!(
            record.kind,
            kind::RRSIG
                | kind::NSEC
                | kind::NSEC3
                | kind::NSEC3PARAM
                | kind::DNSKEY
                | kind::CDS
                | kind::CDNSKEY
                | kind::ZONEMD
        );
        let is_serial = record.kind == kind::SOA && self.is_updated;
        let is_at_cut = matches!(record.kind, kind::NS | kind::DS);
        let mut above = name::ancestors(&record.owner).take_while(|above| *above != self.apex);
        let is_below = above.by_ref().skip(usize::from(is_at_cut)).any(|above| self.cuts.contains(above));
        !is_of_signer && !is_serial && !is_below
    }
}
