//! Which names a zone has, so that those it cannot have need no back end.
//!
//! Per name there is a hash and how many records are at it or below; the names themselves are not
//! kept. A name exists if it owns records or has a child that does (RFC 8020, empty non-terminals).
//! A name below a delegation or a DNAME is somebody else's to answer. A name whose closest existing
//! ancestor has a wildcard child may be answered by it (RFC 4592).
//!
//! Counts, so that differences can be applied (RFC 1995). A primary that tells of a record twice and
//! takes it away once leaves a name that does not exist: the side on which a server is asked.

use crate::message::name::{self, LABELS, ancestors};
use crate::message::{Key, kind};
use seawall_model::hash;
use std::sync::Arc;

/// The first label of a wildcard.
const STAR: &[u8] = b"*";

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
    /// Signatures in it.
    signatures: u64,
    names: Names,
    seed: u64,
    apex_hash: u64,
}

impl Zone {
    #[must_use]
    pub fn names(&self) -> usize {
        self.names.count
    }

    /// It has signatures: absence must be proven to those who ask for it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signatures > 0
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
        let mut encloser = self.apex_hash;
        let mut is_renamed = self.names.get(encloser).renamed > 0;
        for ancestor in chain[..depth].iter().rev() {
            if is_renamed {
                return true;
            }
            let hash = hash::child_name(encloser, name::label(ancestor));
            let held = self.names.get(hash);
            if held.cuts > 0 {
                return true;
            }
            if held.records == 0 {
                return self.has_wildcard(encloser);
            }
            (encloser, is_renamed) = (hash, held.renamed > 0);
        }
        true
    }

    /// Whether a name has a child `*`.
    fn has_wildcard(&self, encloser: u64) -> bool {
        self.names.get(hash::child_name(encloser, STAR)).records > 0
    }

    /// The hash of the root, and each name that exists by its own, with whether anything may exist
    /// below it.
    fn known(&self) -> (u64, Vec<(u64, bool)>) {
        let is_open = |hash, held: &Held| held.cuts > 0 || held.renamed > 0 || self.has_wildcard(hash);
        (self.seed, self.names.iter().map(|(hash, held)| (hash, is_open(hash, held))).collect())
    }

    /// What differences are applied to.
    #[must_use]
    pub fn builder(&self, most_names: usize) -> Builder {
        Builder {
            apex: self.apex.clone(),
            names: self.names.clone(),
            seed: self.seed,
            signatures: self.signatures,
            most_names,
        }
    }
}

/// A zone by the hashes of its names, which go from the root down ([`hash::dns_name`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownZone {
    pub apex: Box<[u8]>,
    /// The hash of the root.
    pub seed: u64,
    /// Every name that exists and every parent of one, each with whether anything may exist below
    /// it.
    pub names: Vec<(u64, bool)>,
    pub is_signed: bool,
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

    /// What whoever answers in our place has to know of the zone that a name is in; `None`: the zone
    /// is not known, has more than `most` names, or anything may exist in it.
    #[must_use]
    pub fn known(&self, name: &[u8], most: usize) -> Option<KnownZone> {
        let zone = ancestors(name).find_map(|ancestor| self.of(ancestor)).filter(|z| z.names() <= most)?;
        let (seed, mut names) = zone.known();
        // What another zone that is known answers for is no business of this one.
        for (_, other) in &self.zones {
            if *other.apex != *zone.apex && name::is_within(&other.apex, &zone.apex) {
                let below = ancestors(&other.apex).take_while(|a| **a != *zone.apex);
                names.extend(below.map(|a| (hash::dns_name(seed, a), *a == *other.apex)));
            }
        }
        let is_open = names.iter().any(|(hash, is_open)| *hash == zone.apex_hash && *is_open);
        let apex = zone.apex.clone();
        (!is_open).then(|| KnownZone { apex, seed, names, is_signed: zone.is_signed() })
    }

    /// The apexes of the zones below a name.
    #[must_use]
    pub fn below(&self, name: &[u8]) -> Vec<Box<[u8]>> {
        let apexes = self.zones.iter().map(|(_, zone)| &zone.apex);
        apexes.filter(|apex| ***apex != *name && name::is_within(apex, name)).cloned().collect()
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
    signatures: u64,
    most_names: usize,
}

/// Why a record cannot be added or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The zone has more names than may be kept.
    TooLarge,
    /// What is to be taken away is not there.
    NotThere,
}

impl Builder {
    #[must_use]
    pub fn new(apex: &[u8], seed: u64, most_names: usize) -> Self {
        let mut new = Self { apex: apex.into(), names: Names::default(), seed, signatures: 0, most_names };
        // The SOA record, which is not counted when it comes.
        new.names.change(hash::dns_name(seed, apex), |held| held.records += 1);
        new
    }

    /// Adds a record by its owner, in lower case, and type.
    ///
    /// # Errors
    /// If there are too many names.
    pub fn add(&mut self, owner: &[u8], kind: u16) -> Result<(), Misfit> {
        if kind == kind::SOA || !name::is_within(owner, &self.apex) {
            return Ok(());
        }
        self.signatures += u64::from(kind == kind::RRSIG);
        let is_cut = self.is_cut(owner, kind);
        self.at_and_above(owner, |held, is_owner| {
            held.records = held.records.saturating_add(1);
            if is_owner {
                held.cuts = held.cuts.saturating_add(u16::from(is_cut));
                held.renamed = held.renamed.saturating_add(u16::from(kind == kind::DNAME));
            }
        });
        if self.names.count > self.most_names { Err(Misfit::TooLarge) } else { Ok(()) }
    }

    /// Takes a record away by its owner, in lower case, and type.
    ///
    /// # Errors
    /// If there is none.
    pub fn remove(&mut self, owner: &[u8], kind: u16) -> Result<(), Misfit> {
        if kind == kind::SOA || !name::is_within(owner, &self.apex) {
            return Ok(());
        }
        let is_cut = self.is_cut(owner, kind);
        let held = self.names.get(hash::dns_name(self.seed, owner));
        let is_there = held.records > u32::from(owner == &*self.apex)
            && held.cuts >= u16::from(is_cut)
            && held.renamed >= u16::from(kind == kind::DNAME)
            && self.signatures >= u64::from(kind == kind::RRSIG);
        if !is_there {
            return Err(Misfit::NotThere);
        }
        self.signatures -= u64::from(kind == kind::RRSIG);
        self.at_and_above(owner, |held, is_owner| {
            held.records = held.records.saturating_sub(1);
            if is_owner {
                held.cuts -= u16::from(is_cut);
                held.renamed -= u16::from(kind == kind::DNAME);
            }
        });
        Ok(())
    }

    /// The zone, with its SOA record: owner, type, class, time to live, length and data.
    #[must_use]
    pub fn finish(self, soa: &super::transfer::Soa) -> Zone {
        Zone {
            serial: soa.serial,
            soa: soa.record(&self.apex),
            refresh_s: soa.refresh_s,
            expire_s: soa.expire_s,
            signatures: self.signatures,
            apex_hash: hash::dns_name(self.seed, &self.apex),
            apex: self.apex,
            names: self.names,
            seed: self.seed,
        }
    }

    fn is_cut(&self, owner: &[u8], kind: u16) -> bool {
        kind == kind::NS && owner != &*self.apex
    }

    fn at_and_above(&mut self, owner: &[u8], change: impl Fn(&mut Held, bool)) {
        for (depth, ancestor) in ancestors(owner).enumerate() {
            let hash = hash::dns_name(self.seed, ancestor);
            self.names.change(hash, |held| change(held, depth == 0));
            if ancestor == &*self.apex {
                break;
            }
        }
    }
}

/// What is held of one name.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Records at it and below; none: it does not exist.
    records: u32,
    /// Records that delegate it to other servers.
    cuts: u16,
    /// Records that give everything below another name.
    renamed: u16,
}

/// What is held by hash: open addressing, at most half full. A name that went keeps its place
/// until the next growth.
#[derive(Clone, Debug, Default)]
struct Names {
    /// A hash of 0: free.
    places: Vec<(u64, Held)>,
    /// Places that are taken, and those of names that exist.
    taken: usize,
    count: usize,
}

impl Names {
    /// Those that exist.
    fn iter(&self) -> impl Iterator<Item = (u64, &Held)> {
        self.places.iter().filter(|(_, held)| held.records > 0).map(|(hash, held)| (*hash, held))
    }

    #[inline]
    fn get(&self, hash: u64) -> Held {
        if self.places.is_empty() { Held::default() } else { self.places[self.find(hash.max(1))].1 }
    }

    fn change(&mut self, hash: u64, change: impl FnOnce(&mut Held)) {
        if 2 * (self.taken + 1) > self.places.len() {
            self.make_room();
        }
        let at = self.find(hash.max(1));
        let (key, held) = &mut self.places[at];
        self.taken += usize::from(*key == 0);
        *key = hash.max(1);
        let was_there = held.records > 0;
        change(held);
        self.count = self.count + usize::from(held.records > 0) - usize::from(was_there);
    }

    /// Twice the places that names need that exist.
    fn make_room(&mut self) {
        let old = std::mem::take(&mut self.places);
        self.places = vec![(0, Held::default()); (4 * self.count).next_power_of_two().max(16)];
        self.taken = self.count;
        for (hash, held) in old.into_iter().filter(|(_, held)| held.records > 0) {
            let at = self.find(hash);
            self.places[at] = (hash, held);
        }
    }

    /// The place of a hash, or the free one where it belongs. One is always free.
    fn find(&self, hash: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut at = (hash >> 17) as usize & mask;
        while self.places[at].0 != 0 && self.places[at].0 != hash {
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
        assert_eq!(builder.add(b"\x01b\x01c\x01a\0", 1), Err(Misfit::TooLarge));
    }

    #[test]
    fn what_is_taken_away_is_absent_and_what_shares_its_parents_stays() {
        let names = ["a.deep.example.org", "b.deep.example.org", "*.w.example.org", "sub.example.org"];
        let full = zones(&[(names[0], 1), (names[1], 1), (names[2], 1), (names[3], kind::NS)]);
        let wire = |text: &str| name::parse(text).expect("a name");
        let zone = full.of(&wire("example.org")).expect("known");
        let mut builder = zone.builder(1_000);
        for (owner, kind) in [(names[0], 1), (names[2], 1), (names[3], kind::NS)] {
            assert_eq!(builder.remove(&wire(owner), kind), Ok(()));
        }
        assert_eq!(builder.remove(&wire(names[0]), 1), Err(Misfit::NotThere));
        let less = Zones::new([Arc::new(builder.finish(&Soa::default()))]);
        assert_eq!((zone.names(), less.of(&wire("example.org")).map(Zone::names)), (7, Some(3)));
        for (name, before, after) in [
            (names[0], "possible", "absent"),
            (names[1], "possible", "possible"),
            ("deep.example.org", "possible", "possible"),
            ("x.w.example.org", "possible", "absent"),
            ("x.sub.example.org", "possible", "absent"),
        ] {
            assert_eq!((look(&full, name), look(&less, name)), (before, after), "{name}");
        }
    }

    /// Whoever answers in our place by a zone's hashes denies what the zone denies, and nothing else.
    #[test]
    fn what_is_told_of_a_zone_is_enough_to_deny_as_it_does() {
        let names = ["a.deep.example.org", "*.w.example.org", "sub.example.org", "ns.sub.example.org"];
        let all = zones(&[(names[0], 1), (names[1], 1), (names[2], kind::NS), (names[3], 1)]);
        let known = all.known(&name::parse("www.example.org").expect("a name"), 100).expect("known");
        let denies = |text: &str| {
            let wire = name::parse(text).expect("a name");
            let below: Vec<&[u8]> = ancestors(&wire).take_while(|a| **a != *known.apex).collect();
            for name in below.iter().rev() {
                let hash = hash::dns_name(known.seed, name);
                match known.names.iter().find(|(other, _)| *other == hash) {
                    None => return true,
                    Some((_, true)) => return false,
                    Some((_, false)) => {}
                }
            }
            false
        };
        for text in [
            names[0],
            "deep.example.org",
            "b.deep.example.org",
            "x.a.deep.example.org",
            "x.w.example.org",
            "y.x.w.example.org",
            "x.sub.example.org",
            "made-up.example.org",
            "example.org",
            "w.example.org",
        ] {
            assert_eq!(denies(text), look(&all, text) == "absent", "{text}");
        }
        assert!(all.known(&name::parse("example.net").expect("a name"), 100).is_none(), "not known");
        assert!(all.known(&known.apex, 3).is_none(), "too many names");
        let wild = zones(&[("*.example.org", 1)]);
        assert!(wild.known(&known.apex, 100).is_none(), "anything may exist");
        let below = |text: &str| all.below(&name::parse(text).expect("a name"));
        assert_eq!(below("org"), std::slice::from_ref(&known.apex));
        assert!(below("example.org").is_empty() && below("www.example.org").is_empty());
    }

    #[test]
    fn names_that_come_and_go_do_not_fill_the_table() {
        let mut builder = Builder::new(b"\0", 7, 10);
        for number in 0..10_000_u32 {
            let owner = [&[4], &number.to_be_bytes()[..], &[0]].concat();
            assert_eq!(builder.add(&owner, 1), Ok(()));
            assert_eq!(builder.remove(&owner, 1), Ok(()));
        }
        assert!(builder.names.places.len() <= 16, "{}", builder.names.places.len());
    }
}
