//! Which names a zone has, so that those it cannot have need no back end.
//!
//! Per name there is a hash and a few bits; the names themselves are not kept. A name exists if
//! it owns records or has a child that does (RFC 8020, empty non-terminals). A name below a
//! delegation or a DNAME is somebody else's to answer. A name whose closest existing ancestor has
//! a wildcard child may be answered by it (RFC 4592).

use crate::message::name::{self, ancestors};
use crate::message::{Key, kind};
use seawall_model::hash;
use std::sync::Arc;

/// Labels of a name, at most (RFC 1035: 255 bytes).
const LABELS: usize = 128;

/// Delegated to other servers.
const CUT: u8 = 1;
/// Everything below has another name.
const RENAMED: u8 = 2;
/// Has a child `*`.
const WILDCARD: u8 = 4;
/// Is there.
const THERE: u8 = 128;

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
pub enum Existence<'z> {
    /// In no zone that is known.
    Unknown,
    /// It exists, or something answers in its place.
    Possible,
    /// It cannot exist.
    Absent(&'z Zone),
}

/// A zone as it was transferred.
#[derive(Debug)]
pub struct Zone {
    /// In lower case.
    pub apex: Box<[u8]>,
    pub serial: u32,
    /// The SOA record, uncompressed, to say "no such name" with; its time to live is that of the
    /// absence (RFC 2308 section 3).
    pub soa: Box<[u8]>,
    /// From the SOA record: how often to look for a change, and after which time without contact
    /// the zone is not to be used.
    pub refresh_s: u32,
    pub expire_s: u32,
    /// It has signatures: absence must be proven to those who ask for it.
    pub is_signed: bool,
    names: Names,
    seed: u64,
}

impl Zone {
    #[must_use]
    pub fn names(&self) -> usize {
        self.names.count
    }

    /// Whether a name at or below the apex can exist.
    fn can_exist(&self, name: &[u8]) -> bool {
        let mut chain: [&[u8]; LABELS] = [&[]; LABELS];
        let mut depth = 0;
        for ancestor in ancestors(name).take(LABELS) {
            if ancestor == &*self.apex {
                break;
            }
            chain[depth] = ancestor;
            depth += 1;
        }
        let mut encloser = self.names.get(self.hash(&self.apex));
        for ancestor in chain[..depth].iter().rev() {
            if encloser & RENAMED != 0 {
                return true;
            }
            let bits = self.names.get(self.hash(ancestor));
            if bits & CUT != 0 {
                return true;
            }
            if bits == 0 {
                return encloser & WILDCARD != 0;
            }
            encloser = bits;
        }
        true
    }

    fn hash(&self, name: &[u8]) -> u64 {
        hash::combine(self.seed, hash::bytes(name))
    }
}

/// All zones that are known.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    /// By the hash of the apex.
    zones: Vec<(u64, Arc<Zone>)>,
}

impl Zones {
    #[must_use]
    pub fn new(zones: impl IntoIterator<Item = Arc<Zone>>) -> Self {
        let mut zones: Vec<_> = zones.into_iter().map(|z| (hash::bytes(&z.apex), z)).collect();
        zones.sort_by_key(|(hash, _)| *hash);
        Self { zones }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// What is known of a name. A DS record is the parent's (RFC 4035 section 3.1.4.1).
    #[must_use]
    pub fn look(&self, name: &Key, qtype: u16) -> Existence<'_> {
        if self.zones.is_empty() {
            return Existence::Unknown;
        }
        for ancestor in name.ancestors() {
            if let Some(zone) = self.of(ancestor) {
                if qtype == kind::DS && ancestor == name.as_bytes() {
                    continue;
                }
                let possible = zone.can_exist(name.as_bytes());
                return if possible { Existence::Possible } else { Existence::Absent(zone) };
            }
        }
        Existence::Unknown
    }

    /// The zone with this apex.
    #[must_use]
    pub fn of(&self, apex: &[u8]) -> Option<&Zone> {
        let wanted = hash::bytes(apex);
        let at = self.zones.partition_point(|(hash, _)| *hash < wanted);
        let (_, zone) = self.zones.get(at)?;
        (*zone.apex == *apex).then_some(zone)
    }
}

/// Collects the records of a transfer.
#[derive(Debug)]
pub struct Builder {
    apex: Box<[u8]>,
    names: Names,
    seed: u64,
    is_signed: bool,
    most_names: usize,
}

/// The zone has more names than may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Builder {
    #[must_use]
    pub fn new(apex: &[u8], seed: u64, most_names: usize) -> Self {
        let mut new = Self { apex: apex.into(), names: Names::default(), seed, is_signed: false, most_names };
        new.names.add(hash::combine(seed, hash::bytes(apex)), THERE);
        new
    }

    /// Adds a record by its owner, in lower case, and type.
    ///
    /// # Errors
    /// If there are too many names.
    pub fn add(&mut self, owner: &[u8], kind: u16) -> Result<(), TooLarge> {
        if !name::is_within(owner, &self.apex) {
            return Ok(());
        }
        let is_apex = owner == &*self.apex;
        let mut bits = THERE;
        match kind {
            kind::NS if !is_apex => bits |= CUT,
            kind::DNAME => bits |= RENAMED,
            kind::RRSIG => self.is_signed = true,
            _ => {}
        }
        for ancestor in ancestors(owner) {
            self.names.add(hash::combine(self.seed, hash::bytes(ancestor)), bits);
            if ancestor == &*self.apex {
                break;
            }
            bits = THERE | if ancestor.starts_with(b"\x01*") { WILDCARD } else { 0 };
        }
        if self.names.count > self.most_names { Err(TooLarge) } else { Ok(()) }
    }

    /// The zone, with its SOA record: owner, type, class, time to live, length and data.
    #[must_use]
    pub fn finish(self, soa: &super::transfer::Soa) -> Zone {
        Zone {
            serial: soa.serial,
            soa: soa.record(&self.apex),
            refresh_s: soa.refresh_s,
            expire_s: soa.expire_s,
            is_signed: self.is_signed,
            apex: self.apex,
            names: self.names,
            seed: self.seed,
        }
    }
}

/// Bits by hash: open addressing, at most half full.
#[derive(Debug, Default)]
struct Names {
    /// Hash and bits; bits of 0: free.
    places: Vec<(u64, u8)>,
    count: usize,
}

impl Names {
    #[inline]
    fn get(&self, hash: u64) -> u8 {
        if self.places.is_empty() { 0 } else { self.places[self.find(hash)].1 }
    }

    fn add(&mut self, hash: u64, bits: u8) {
        if 2 * (self.count + 1) > self.places.len() {
            let old = std::mem::take(&mut self.places);
            self.places = vec![(0, 0); (2 * old.len()).max(16)];
            for (hash, bits) in old.into_iter().filter(|(_, bits)| *bits != 0) {
                let at = self.find(hash);
                self.places[at] = (hash, bits);
            }
        }
        let at = self.find(hash);
        self.count += usize::from(self.places[at].1 == 0);
        self.places[at] = (hash, self.places[at].1 | bits);
    }

    /// The place of a hash, or the free one where it belongs. One is always free.
    fn find(&self, hash: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut at = (hash >> 17) as usize & mask;
        while self.places[at].1 != 0 && self.places[at].0 != hash {
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exist::transfer::Soa;

    fn zones(records: &[(&str, u16)]) -> Zones {
        let mut builder = Builder::new(&name::parse("example.org").expect("a name"), 7, 1_000);
        for (owner, kind) in records {
            builder.add(&name::parse(owner).expect("a name"), *kind).expect("room");
        }
        Zones::new([Arc::new(builder.finish(&Soa::default()))])
    }

    fn look(zones: &Zones, name: &str) -> &'static str {
        match zones.look(&Key::of(&name::parse(name).expect("a name")), 1) {
            Existence::Unknown => "unknown",
            Existence::Possible => "possible",
            Existence::Absent(_) => "absent",
        }
    }

    #[test]
    fn what_is_not_in_the_zone_is_absent() {
        let zones = zones(&[("example.org", 6), ("www.example.org", 1)]);
        assert_eq!(look(&zones, "www.example.org"), "possible");
        assert_eq!(look(&zones, "example.org"), "possible");
        assert_eq!(look(&zones, "x7f3k.example.org"), "absent");
        assert_eq!(look(&zones, "a.www.example.org"), "absent");
        assert_eq!(look(&zones, "example.com"), "unknown");
        assert_eq!(look(&zones, "org"), "unknown");
    }

    #[test]
    fn an_empty_non_terminal_exists() {
        let zones = zones(&[("_sip._tcp.example.org", 33)]);
        assert_eq!(look(&zones, "_tcp.example.org"), "possible");
        assert_eq!(look(&zones, "_udp.example.org"), "absent");
    }

    #[test]
    fn a_wildcard_answers_where_nothing_nearer_exists() {
        let zones = zones(&[("*.w.example.org", 1), ("a.b.w.example.org", 1)]);
        assert_eq!(look(&zones, "x.w.example.org"), "possible");
        assert_eq!(look(&zones, "x.y.w.example.org"), "possible");
        // RFC 4592 section 2.2.1: b.w exists, so that the wildcard does not reach below it.
        assert_eq!(look(&zones, "x.b.w.example.org"), "absent");
        assert_eq!(look(&zones, "w.example.org"), "possible");
        assert_eq!(look(&zones, "v.example.org"), "absent");
    }

    #[test]
    fn below_a_delegation_and_a_dname_others_answer() {
        let zones = zones(&[
            ("sub.example.org", kind::NS),
            ("ns.sub.example.org", 1),
            ("old.example.org", kind::DNAME),
            ("example.org", kind::NS),
        ]);
        assert_eq!(look(&zones, "x.y.sub.example.org"), "possible");
        assert_eq!(look(&zones, "sub.example.org"), "possible");
        assert_eq!(look(&zones, "x.old.example.org"), "possible");
        assert_eq!(look(&zones, "x.example.org"), "absent");
    }

    #[test]
    fn a_ds_record_at_the_apex_is_the_parents() {
        let zones = zones(&[("example.org", 6)]);
        let apex = Key::of(&name::parse("example.org").expect("a name"));
        assert!(matches!(zones.look(&apex, kind::DS), Existence::Unknown));
    }

    #[test]
    fn a_zone_with_too_many_names_is_refused() {
        let mut builder = Builder::new(b"\x01a\0", 7, 3);
        assert_eq!(builder.add(b"\x01b\x01a\0", 1), Ok(()));
        assert_eq!(builder.add(b"\x01b\x01c\x01a\0", 1), Err(TooLarge));
    }
}
