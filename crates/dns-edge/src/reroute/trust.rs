//! Whether resolvers will believe what a provider signs: the parent's DS records must name a key
//! that the provider's keys are signed with (RFC 4035 section 5.2), and what it serves must be
//! signed with its keys, for long enough.

use super::{Provider, Trouble, Zone};
use crate::message::{be16, be32, kind};
use crate::talk::exchange::ask;
use crate::talk::{Peer, Record, Reply, Request};
use domain::base::iana::SecurityAlgorithm;
use domain::crypto::common::{DigestBuilder, DigestType, PublicKey};
use domain::rdata::Dnskey;
use seawall_model::Timestamp;
use std::net::SocketAddr;

/// Digests of keys (IANA): their numbers.
const SHA1: u8 = 1;
const SHA256: u8 = 2;
const SHA384: u8 = 4;
/// Bytes of an RRSIG record before the signer's name.
const FIXED_BYTES: usize = 18;

/// What resolvers make of a provider's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The parent has no DS records: nothing is checked.
    Unsigned,
    /// It is signed as the DS records ask; the first of its signatures ends in so many seconds.
    Signed { left_s: u32 },
    /// Resolvers that check would take its answers for forged.
    Broken(String),
}

/// Looks whether all servers of a provider are to be believed under the parent's DS records.
/// `needed_s`: for so long signatures must hold.
///
/// # Errors
/// If one of them does not answer.
pub fn check(
    zone: &Zone,
    provider: &Provider,
    ds: &[Record],
    needed_s: u32,
    now: Timestamp,
) -> Result<Trust, Trouble> {
    if ds.is_empty() {
        return Ok(Trust::Unsigned);
    }
    let mut least = u32::MAX;
    for server in &provider.servers {
        let keys = signed(*server, &zone.apex, kind::DNSKEY, now)?;
        let soa = signed(*server, &zone.apex, kind::SOA, now)?;
        let now_s = now.seconds() as u32;
        match look(&zone.apex, ds, &keys.answers, &soa.answers, now_s) {
            Ok(left_s) if left_s < needed_s => {
                let why = format!("its signatures end in {left_s} s, before the last resolver has moved");
                return Ok(Trust::Broken(format!("{server}: {why}")));
            }
            Ok(left_s) => least = least.min(left_s),
            Err(why) => return Ok(Trust::Broken(format!("{server}: {why}"))),
        }
    }
    Ok(Trust::Signed { left_s: least })
}

fn signed(server: SocketAddr, apex: &[u8], kind: u16, now: Timestamp) -> Result<Reply, Trouble> {
    let request = Request { dnssec_ok: true, ..Request::query(0, apex, kind) };
    ask(&Peer { address: server, key: None }, &request, now)
        .map_err(|why| Trouble::new(super::called(apex, kind), server, why))
}

/// Seconds for which keys and data are signed as the DS records ask.
fn look(apex: &[u8], ds: &[Record], keys: &[Record], soa: &[Record], now_s: u32) -> Result<u32, String> {
    let all: Vec<&Record> = keys.iter().filter(|r| r.kind == kind::DNSKEY && *r.owner == *apex).collect();
    if all.is_empty() {
        return Err("the parent has DS records, and it has no keys".to_owned());
    }
    let named: Vec<&Record> =
        all.iter().copied().filter(|key| ds.iter().any(|ds| is_named(apex, ds, key))).collect();
    if named.is_empty() {
        let tags: Vec<String> = ds.iter().filter_map(|d| be16(&d.data, 0)).map(|t| t.to_string()).collect();
        return Err(format!("none of its keys is that of the parent's DS records ({})", tags.join(", ")));
    }
    let left_s = longest(apex, keys, kind::DNSKEY, &named, now_s)
        .ok_or("its keys are not signed with a key of the parent's DS records, or no longer")?;
    let of_data = longest(apex, soa, kind::SOA, &all, now_s)
        .ok_or("its SOA record is not signed with its keys, or no longer")?;
    Ok(left_s.min(of_data))
}

/// Whether a DS record is of this key (RFC 4034 section 5.1.4).
fn is_named(apex: &[u8], ds: &Record, key: &Record) -> bool {
    let Some((kind, digest)) = ds.data.get(3).zip(ds.data.get(4..)) else { return false };
    let kind = match *kind {
        SHA1 => DigestType::Sha1,
        SHA256 => DigestType::Sha256,
        SHA384 => DigestType::Sha384,
        _ => return false,
    };
    let mut made = DigestBuilder::new(kind);
    made.update(apex);
    made.update(&key.data);
    made.finish().as_ref() == digest
}

/// Seconds for which the record set of a type is signed with one of the keys; the longest of its
/// signatures counts.
fn longest(apex: &[u8], records: &[Record], kind: u16, keys: &[&Record], now_s: u32) -> Option<u32> {
    let mut set: Vec<&Record> = records.iter().filter(|r| r.kind == kind && *r.owner == *apex).collect();
    set.sort_by_key(|r| &r.data);
    let is_signature = |r: &&Record| r.kind == kind::RRSIG && be16(&r.data, 0) == Some(kind);
    let signatures = records.iter().filter(is_signature);
    signatures.filter_map(|s| left_s(apex, &set, s, keys, now_s)).max()
}

/// Seconds for which one signature holds, if it does (RFC 4034 section 3.1.8).
fn left_s(apex: &[u8], set: &[&Record], signature: &Record, keys: &[&Record], now_s: u32) -> Option<u32> {
    let data = &signature.data;
    let (expires, begins) = (be32(data, 8)?, be32(data, 12)?);
    // Serial number arithmetic (RFC 1982).
    let left_s = u32::try_from(expires.wrapping_sub(now_s) as i32).ok()?;
    if (now_s.wrapping_sub(begins) as i32) < 0 || set.is_empty() {
        return None;
    }
    // The signer must be the zone itself.
    let (fixed, proof) = data.split_at_checked(FIXED_BYTES + apex.len())?;
    if fixed[FIXED_BYTES..] != *apex {
        return None;
    }
    let mut signed = fixed.to_vec();
    for record in set {
        signed.extend(apex);
        signed.extend(record.kind.to_be_bytes());
        signed.extend(record.class.to_be_bytes());
        signed.extend(data.get(4..8)?);
        signed.extend((record.data.len() as u16).to_be_bytes());
        signed.extend(&record.data);
    }
    let is_by = |key: &&&Record| {
        key.data.get(3) == data.get(2) && public(key).is_some_and(|key| key.verify(&signed, proof).is_ok())
    };
    keys.iter().find(is_by).map(|_| left_s)
}

fn public(key: &Record) -> Option<PublicKey> {
    let (flags, fixed) = (be16(&key.data, 0)?, key.data.get(2..4)?);
    let bytes = key.data.get(4..)?.to_vec();
    let key = Dnskey::new(flags, fixed[0], SecurityAlgorithm::from_int(fixed[1]), bytes).ok()?;
    PublicKey::from_dnskey(&key).ok()
}
