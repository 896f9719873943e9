//! What a signed answer that denies something proves: NSEC and NSEC3 records with their
//! signatures, and the SOA record that tells for how long (RFC 4034, RFC 5155).
//!
//! Taken from an answer of a server that answers for the zone itself (AA) or that has checked the
//! signatures (AD), to a question that asked for proofs (DO). The servers are the operator's, and
//! what they say is passed on to everybody as it is; so their signatures are not calculated anew.
//! What is looked at is that each record is signed by its zone, for now, and as its own: a record
//! made from a wildcard proves nothing about its neighbours.

use super::transfer::unpacked;
use crate::message::name::{ancestors, is_within};
use crate::message::{Answer, CLASS_IN, be16, be32, code, flag, kind};
use seawall_model::Timestamp;

/// Bytes of an RRSIG record's data before the signer's name (RFC 4034 section 3.1).
const FIXED_BYTES: usize = 18;
/// Proofs and signatures of one answer that are looked at: three proofs, four sets, some keys each.
const MOST_RECORDS: u16 = 24;
/// SHA-1, the only hash that NSEC3 has (RFC 5155 section 11).
const SHA1: u8 = 1;
/// Bytes of such a hash.
pub const HASH_BYTES: usize = 20;
/// Names are hashed once more so often, at most: each costs the attacker nothing and us this much
/// (RFC 9276 section 3.2).
const MOST_ITERATIONS: u16 = 50;

/// One record set as it is written into an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The owner in lower case.
    pub owner: Box<[u8]>,
    /// Its record and then its signatures, each from its type on, names uncompressed.
    pub bodies: Box<[u8]>,
    pub records: u16,
}

/// What a proof is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// By name (NSEC).
    Names,
    /// By hash (NSEC3), with these parameters.
    Hashes { iterations: u16, salt: Box<[u8]> },
}

/// Nothing is between an owner and the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// A name in lower case, or a hash.
    pub next: Box<[u8]>,
    /// The bit map of types as it came.
    pub types: Box<[u8]>,
    /// Names in between may be delegations without signatures (RFC 5155 section 6).
    pub is_opt_out: bool,
    pub set: Signed,
}

/// What one answer proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    pub apex: Box<[u8]>,
    pub serial: u32,
    pub soa: Signed,
    pub order: Order,
    pub proofs: Vec<Proof>,
    /// For how long: the least of all times to live, of what the SOA record says of absence
    /// (RFC 9077), and of the signatures.
    pub ttl_s: u32,
    /// The bits of the header that an answer made from this has.
    pub flags: u16,
}

/// A record of the authority section.
struct Record {
    owner: Vec<u8>,
    kind: u16,
    ttl_s: u32,
    /// Names uncompressed.
    data: Vec<u8>,
}

impl Record {
    fn body(&self, out: &mut Vec<u8>) {
        out.extend(self.kind.to_be_bytes());
        out.extend(CLASS_IN.to_be_bytes());
        out.extend(self.ttl_s.to_be_bytes());
        out.extend((self.data.len() as u16).to_be_bytes());
        out.extend(&self.data);
    }

    /// Whether this signature is one of `set`, by the zone and in force; for how long yet.
    fn signs(&self, set: &Self, apex: &[u8], now_s: u32) -> Option<u32> {
        let word = |at| be32(&self.data, at);
        let is_of = self.kind == kind::RRSIG
            && self.owner == set.owner
            && be16(&self.data, 0) == Some(set.kind)
            && self.data.get(FIXED_BYTES..)?.get(..apex.len())?.eq_ignore_ascii_case(apex);
        let is_star = set.owner.starts_with(b"\x01*");
        let labels = ancestors(&set.owner).count() - 1 - usize::from(is_star);
        // Serial number arithmetic (RFC 4034 section 3.1.5).
        let (until_s, since_s) = (word(8)?.wrapping_sub(now_s) as i32, now_s.wrapping_sub(word(12)?) as i32);
        let is_good = is_of && usize::from(*self.data.get(3)?) == labels && until_s > 0 && since_s >= 0;
        is_good.then_some(until_s as u32)
    }
}

impl Lesson {
    /// What an answer proves; `None`: nothing that can be used. `name`: what was asked for, in
    /// lower case; `is_checked`: whoever answers was to check signatures.
    #[must_use]
    pub fn read(
        message: &[u8],
        answer: &Answer,
        name: &[u8],
        is_checked: bool,
        now: Timestamp,
    ) -> Option<Self> {
        let is_denial = matches!(answer.code, code::NO_ERROR | code::NO_SUCH_NAME) && answer.answers == 0;
        let is_ours = answer.flags & flag::AUTHORITATIVE != 0;
        let is_believed = is_ours || (is_checked && answer.flags & flag::AUTHENTIC != 0);
        if !is_denial || !is_believed || answer.flags & flag::TRUNCATED != 0 {
            return None;
        }
        let records = authority(message, answer.question_end)?;
        let mut times = Times { ttl_s: u32::MAX, now_s: now.seconds() as u32 };
        let soa = records.iter().find(|r| r.kind == kind::SOA)?;
        let apex: Box<[u8]> = soa.owner.as_slice().into();
        if !is_within(name, &apex) {
            return None;
        }
        let numbers = soa.data.len().checked_sub(20)?;
        times.ttl_s = be32(&soa.data, numbers + 16)?;
        let serial = be32(&soa.data, numbers)?;
        let signed_soa = times.signed(soa, &records, &apex)?;
        let mut order = None;
        let mut proofs = Vec::new();
        for record in records.iter().filter(|r| matches!(r.kind, kind::NSEC | kind::NSEC3)) {
            let (own, proof) = proof(record, &apex)?;
            if order.get_or_insert_with(|| own.clone()) != &own {
                return None;
            }
            proofs.push(Proof { set: times.signed(record, &records, &apex)?, ..proof });
        }
        let kept = flag::AUTHORITATIVE | flag::RECURSION_AVAILABLE | flag::AUTHENTIC;
        let flags = answer.flags & kept;
        Some(Self { apex, serial, soa: signed_soa, order: order?, proofs, ttl_s: times.ttl_s, flags })
    }
}

/// What is left of all times, so far.
struct Times {
    ttl_s: u32,
    now_s: u32,
}

impl Times {
    /// A record with its signatures; `None` without any that is good.
    fn signed(&mut self, set: &Record, records: &[Record], apex: &[u8]) -> Option<Signed> {
        let mut bodies = Vec::new();
        let mut count = 1;
        set.body(&mut bodies);
        self.ttl_s = self.ttl_s.min(set.ttl_s);
        for signature in records {
            let Some(left_s) = signature.signs(set, apex, self.now_s) else { continue };
            signature.body(&mut bodies);
            count += 1;
            self.ttl_s = self.ttl_s.min(signature.ttl_s).min(left_s);
        }
        let owner = set.owner.as_slice().into();
        (count > 1).then(|| Signed { owner, bodies: bodies.into(), records: count })
    }
}

/// The records of the authority section; `None` if one cannot be read, or there are too many.
fn authority(message: &[u8], question_end: usize) -> Option<Vec<Record>> {
    let count = be16(message, 8).filter(|n| *n <= MOST_RECORDS)?;
    let mut at = question_end;
    let mut records = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let mut owner = Vec::new();
        let start = unpacked(message, at, &mut owner)?;
        owner.make_ascii_lowercase();
        let kind = be16(message, start)?;
        let end = start + 10 + usize::from(be16(message, start + 8)?);
        let mut data = Vec::new();
        if kind == kind::SOA {
            let after = unpacked(message, start + 10, &mut data)?;
            let numbers = unpacked(message, after, &mut data)?;
            data.extend(message.get(numbers..end).filter(|n| n.len() == 20)?);
        } else {
            // No other record here has names that may be compressed (RFC 4034 sections 3.1.7 and
            // 4.1.1).
            data.extend(message.get(start + 10..end)?);
        }
        // A time beyond 2^31 is taken for zero (RFC 2181 section 8).
        let ttl_s = be32(message, start + 4).map(|ttl| if ttl > i32::MAX as u32 { 0 } else { ttl })?;
        records.push(Record { owner, kind, ttl_s, data });
        at = end;
    }
    Some(records)
}

/// What an NSEC or NSEC3 record of the zone says.
fn proof(record: &Record, apex: &[u8]) -> Option<(Order, Proof)> {
    if !is_within(&record.owner, apex) {
        return None;
    }
    let data = &record.data[..];
    let unsigned = Signed { owner: Box::default(), bodies: Box::default(), records: 0 };
    if record.kind == kind::NSEC {
        let mut next = Vec::new();
        let types = unpacked(data, 0, &mut next).filter(|end| *end == next.len())?;
        next.make_ascii_lowercase();
        let types = data.get(types..).filter(|_| is_within(&next, apex))?.into();
        return Some((Order::Names, Proof { next: next.into(), types, is_opt_out: false, set: unsigned }));
    }
    let (algorithm, flags, iterations) = (*data.first()?, *data.get(1)?, be16(data, 2)?);
    let salt_end = 5 + usize::from(*data.get(4)?);
    let salt = data.get(5..salt_end)?.into();
    let next_end = salt_end + 1 + HASH_BYTES;
    let next =
        data.get(salt_end + 1..next_end).filter(|_| data.get(salt_end) == Some(&(HASH_BYTES as u8)))?;
    // Other flags are not to be understood (RFC 5155 section 8.2).
    if algorithm != SHA1 || flags > 1 || iterations > MOST_ITERATIONS {
        return None;
    }
    let types = data.get(next_end..)?.into();
    let proof = Proof { next: next.into(), types, is_opt_out: flags == 1, set: unsigned };
    Some((Order::Hashes { iterations, salt }, proof))
}
