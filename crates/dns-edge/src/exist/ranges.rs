//! What signed answers have proven not to exist, used for other names as well (RFC 8198): between
//! two neighbours of a zone there is nothing, so that one answer denies all names in between.
//!
//! Kept in order of names (RFC 4034 section 6.1) or of hashes (RFC 5155), zone by zone, in bounded
//! bytes; what was not used since it was last looked at goes first. A zone whose serial number rises
//! is forgotten: its ranges may have a new name in them. Cold start: nothing is proven, and servers
//! are asked. Evaded by zones that prove one name at a time (RFC 4470) and by NSEC3 with opt-out;
//! then servers are asked as well.

use super::lesson::{HASH_BYTES, Lesson, Order, Proof, Signed};
use crate::message::name::{NAME_BYTES, ancestors, is_within};
use crate::message::{Key, code, kind};
use domain::crypto::common::{DigestBuilder, DigestType};
use seawall_model::hash;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a range takes beside its records, and a zone beside its SOA record.
const RANGE_BYTES: usize = 250;
const ZONE_BYTES: usize = 400;
/// A name in canonical order: each byte may take two.
const ORDERED_BYTES: usize = 2 * NAME_BYTES + 2;
/// Each label of a name costs a hash; of more than this a server is asked.
const LABELS: usize = 16;
/// Characters of base 32 with extended hex alphabet, lower case (RFC 4648 section 7).
const BASE32: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// Of a hash of 20 bytes.
const BASE32_BYTES: usize = 32;

/// An owner as it is ordered: by name or by hash.
type Place = Arc<[u8]>;

/// All ranges of all zones.
#[derive(Debug)]
pub struct Ranges {
    /// By the hash of the apex.
    zones: Vec<(u64, Denier)>,
    /// In the order in which they are looked at for one that can go.
    clock: VecDeque<(u64, Place)>,
    bytes: usize,
    most_bytes: usize,
}

/// What is proven of one zone.
#[derive(Debug)]
struct Denier {
    apex: Box<[u8]>,
    serial: u32,
    soa: Signed,
    soa_expires_s: u32,
    flags: u16,
    order: Order,
    /// By owner, in the zone's order.
    ranges: BTreeMap<Place, Range>,
}

#[derive(Debug)]
struct Range {
    /// The next owner in the zone's order.
    next: Box<[u8]>,
    proof: Proof,
    expires_s: u32,
    is_used: AtomicBool,
}

/// A name or a type that is proven not to exist.
#[derive(Debug)]
pub struct Denial<'r> {
    /// No such name, or no error where only the type is missing.
    pub code: u16,
    /// Bits of the header.
    pub flags: u16,
    pub serial: u32,
    pub apex: &'r [u8],
    pub soa: &'r Signed,
    /// Each once.
    pub proofs: [Option<&'r Signed>; 3],
    /// For how long it holds.
    pub ttl_s: u32,
}

/// What is found at a place of the zone.
enum Found<'r> {
    /// The name itself.
    Match(&'r Range),
    /// It is in between.
    Covered(&'r Range),
}

impl Ranges {
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self { zones: Vec::new(), clock: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// How many bytes may be kept from now on.
    pub fn limit(&mut self, most_bytes: usize) {
        self.most_bytes = most_bytes;
        self.shrink(0);
    }

    /// Whether anything can be denied.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// Bytes of all that is kept, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what an answer proves; `most_s`: for so long at most.
    pub fn learn(&mut self, lesson: &Lesson, most_s: u32, now_s: u32) {
        let expires_s = now_s.saturating_add(lesson.ttl_s.min(most_s));
        let hash = hash::bytes(&lesson.apex);
        let Some(at) = self.place_for(hash, lesson, expires_s) else { return };
        let (_, zone) = &mut self.zones[at];
        for proof in &lesson.proofs {
            let Some((key, next)) = neighbours(&zone.order, proof) else { continue };
            let range = Range { next, proof: proof.clone(), expires_s, is_used: AtomicBool::new(false) };
            let added = range.footprint();
            if let Some(old) = zone.ranges.insert(Arc::clone(&key), range) {
                self.bytes -= old.footprint();
            } else {
                self.clock.push_back((hash, key));
            }
            self.bytes += added;
        }
        self.shrink(now_s);
    }

    /// Whether a name, or its type, is proven not to exist.
    #[must_use]
    pub fn deny(&self, name: &Key, qtype: u16, now_s: u32) -> Option<Denial<'_>> {
        let zone = name.ancestors().find_map(|ancestor| {
            // A DS record is the parent's (RFC 4035 section 3.1.4.1).
            let is_parents = qtype == kind::DS && ancestor == name.as_bytes();
            self.of(ancestor).filter(|_| !is_parents)
        })?;
        let (code, found) = match zone.order {
            Order::Names => zone.deny_by_name(name.as_bytes(), qtype, now_s)?,
            Order::Hashes { .. } => zone.deny_by_hash(name.as_bytes(), qtype, now_s)?,
        };
        let used = || found.iter().flatten();
        let expires_s = used().map(|r| r.expires_s).min()?.min(zone.soa_expires_s);
        let ttl_s = expires_s.checked_sub(now_s).filter(|left| *left > 0)?;
        used().for_each(|range| range.is_used.store(true, Ordering::Relaxed));
        let mut proofs = [None; 3];
        for (at, range) in found.iter().enumerate() {
            let is_again = |r: &&Range| found[..at].iter().flatten().any(|other| std::ptr::eq(*other, *r));
            proofs[at] = range.filter(|r| !is_again(r)).map(|range| &range.proof.set);
        }
        Some(Denial {
            code,
            flags: zone.flags,
            serial: zone.serial,
            apex: &zone.apex,
            soa: &zone.soa,
            proofs,
            ttl_s,
        })
    }

    fn of(&self, apex: &[u8]) -> Option<&Denier> {
        let wanted = hash::bytes(apex);
        let at = self.zones.partition_point(|(hash, _)| *hash < wanted);
        self.zones.get(at).map(|(_, zone)| zone).filter(|zone| *zone.apex == *apex)
    }

    /// The place of the lesson's zone, with its SOA record; `None` if the lesson is older than what
    /// is known.
    fn place_for(&mut self, hash: u64, lesson: &Lesson, expires_s: u32) -> Option<usize> {
        let at = self.zones.partition_point(|(other, _)| *other < hash);
        if let Some((_, zone)) = self.zones.get_mut(at).filter(|(other, _)| *other == hash) {
            if *zone.apex != *lesson.apex {
                return None;
            }
            // Serial number arithmetic (RFC 1982).
            if (lesson.serial.wrapping_sub(zone.serial) as i32) < 0 {
                return None;
            }
            if lesson.serial != zone.serial || zone.order != lesson.order {
                let gone: usize = zone.ranges.values().map(Range::footprint).sum();
                self.bytes -= gone;
                zone.ranges.clear();
                self.clock.retain(|(other, _)| *other != hash);
            }
            (zone.serial, zone.flags, zone.soa_expires_s) = (lesson.serial, lesson.flags, expires_s);
            zone.order = lesson.order.clone();
            self.bytes = self.bytes + lesson.soa.bodies.len() - zone.soa.bodies.len();
            zone.soa = lesson.soa.clone();
            return Some(at);
        }
        let zone = Denier {
            apex: lesson.apex.clone(),
            serial: lesson.serial,
            soa: lesson.soa.clone(),
            soa_expires_s: expires_s,
            flags: lesson.flags,
            order: lesson.order.clone(),
            ranges: BTreeMap::new(),
        };
        self.bytes += zone.footprint();
        self.zones.insert(at, (hash, zone));
        Some(at)
    }

    /// Gives away what was not used lately until the bytes fit again.
    fn shrink(&mut self, now_s: u32) {
        while self.bytes > self.most_bytes {
            let Some((hash, key)) = self.clock.pop_front() else { break };
            let at = self.zones.partition_point(|(other, _)| *other < hash);
            let Some((_, zone)) = self.zones.get_mut(at).filter(|(other, _)| *other == hash) else {
                continue;
            };
            let Some(range) = zone.ranges.get(&key) else { continue };
            if now_s < range.expires_s && range.is_used.swap(false, Ordering::Relaxed) {
                self.clock.push_back((hash, key));
                continue;
            }
            self.bytes -= range.footprint();
            zone.ranges.remove(&key);
            if zone.ranges.is_empty() {
                self.bytes -= zone.footprint();
                self.zones.remove(at);
            }
        }
    }
}

impl Denier {
    fn footprint(&self) -> usize {
        ZONE_BYTES + self.apex.len() + self.soa.bodies.len()
    }

    fn find(&self, wanted: &[u8], now_s: u32) -> Option<Found<'_>> {
        let upto = (Bound::Unbounded, Bound::Included(wanted));
        // Before the first owner is what lies between the last one and the end.
        let before =
            self.ranges.range::<[u8], _>(upto).next_back().or_else(|| self.ranges.iter().next_back());
        let (owner, range) = before?;
        if now_s >= range.expires_s {
            return None;
        }
        if **owner == *wanted {
            return Some(Found::Match(range));
        }
        let (owner, next) = (&**owner, &*range.next);
        // The last range of a zone leads back to its beginning.
        let is_covered =
            if owner < next { owner < wanted && wanted < next } else { owner < wanted || wanted < next };
        is_covered.then_some(Found::Covered(range))
    }

    fn deny_by_name<'r>(
        &'r self,
        name: &[u8],
        qtype: u16,
        now_s: u32,
    ) -> Option<(u16, [Option<&'r Range>; 3])> {
        let mut ordered = [0; ORDERED_BYTES];
        let range = match self.find(write_ordered(name, &mut ordered)?, now_s)? {
            Found::Match(range) => {
                return range.has_not(qtype).then_some((code::NO_ERROR, [Some(range), None, None]));
            }
            Found::Covered(range) => range,
        };
        let (owner, next) = (&*range.proof.set.owner, &*range.proof.next);
        // What is below a delegation or a DNAME is somebody else's (RFC 6840 section 4.1).
        if is_within(name, owner) && range.gives_away() {
            return None;
        }
        // Something is below it, and so it exists, empty.
        if is_within(next, name) {
            return Some((code::NO_ERROR, [Some(range), None, None]));
        }
        let encloser = ancestors(name).find(|a| is_within(owner, a) || is_within(next, a))?;
        let mut star = [0; NAME_BYTES + 2];
        let wildcard =
            match self.find(write_ordered(under_star(encloser, &mut star)?, &mut ordered)?, now_s)? {
                Found::Match(wildcard) if wildcard.has_not(qtype) => {
                    return Some((code::NO_ERROR, [Some(range), Some(wildcard), None]));
                }
                Found::Match(_) => return None,
                Found::Covered(wildcard) => wildcard,
            };
        Some((code::NO_SUCH_NAME, [Some(range), Some(wildcard), None]))
    }

    /// From the apex down, so that a name of many labels costs no more than what exists of it.
    fn deny_by_hash<'r>(
        &'r self,
        name: &[u8],
        qtype: u16,
        now_s: u32,
    ) -> Option<(u16, [Option<&'r Range>; 3])> {
        let mut chain: [&[u8]; LABELS] = [&[]; LABELS];
        let mut depth = 0;
        for ancestor in ancestors(name) {
            *chain.get_mut(depth)? = ancestor;
            depth += 1;
            if ancestor == &*self.apex {
                break;
            }
        }
        let mut encloser: Option<(&[u8], &Range)> = None;
        for ancestor in chain[..depth].iter().rev() {
            match self.find(&self.hash(ancestor), now_s) {
                // What was not asked about yet is neither here nor there.
                None => encloser = None,
                Some(Found::Match(range)) if *ancestor == name => {
                    return range.has_not(qtype).then_some((code::NO_ERROR, [Some(range), None, None]));
                }
                Some(Found::Match(range)) if range.gives_away() => return None,
                Some(Found::Match(range)) => encloser = Some((ancestor, range)),
                Some(Found::Covered(range)) => {
                    let (encloser, proven) = encloser.filter(|_| !range.proof.is_opt_out)?;
                    let mut star = [0; NAME_BYTES + 2];
                    let found = self.find(&self.hash(under_star(encloser, &mut star)?), now_s)?;
                    return match found {
                        Found::Covered(wildcard) => {
                            Some((code::NO_SUCH_NAME, [Some(proven), Some(range), Some(wildcard)]))
                        }
                        Found::Match(wildcard) if wildcard.has_not(qtype) => {
                            Some((code::NO_ERROR, [Some(proven), Some(range), Some(wildcard)]))
                        }
                        Found::Match(_) => None,
                    };
                }
            }
        }
        None
    }

    /// The hash of a name by the zone's parameters (RFC 5155 section 5).
    fn hash(&self, name: &[u8]) -> [u8; HASH_BYTES] {
        let Order::Hashes { iterations, salt } = &self.order else { return [0; HASH_BYTES] };
        let mut hash = sha1(name, salt);
        for _ in 0..*iterations {
            hash = sha1(&hash, salt);
        }
        hash
    }
}

impl Range {
    fn footprint(&self) -> usize {
        let set = &self.proof.set;
        let names = 2 * (set.owner.len() + self.proof.next.len());
        RANGE_BYTES + names + set.bodies.len() + self.proof.types.len()
    }

    /// Whether the owner has no record of a type, and no other name in its place.
    fn has_not(&self, qtype: u16) -> bool {
        let has = |kind| has_type(&self.proof.types, kind);
        // The parent's side of a delegation knows of DS records only, the child's of all others.
        let is_cut = has(kind::NS) && !has(kind::SOA);
        let is_own = if qtype == kind::DS { !has(kind::SOA) } else { !is_cut };
        is_own && !has(qtype) && !has(kind::CNAME)
    }

    /// Whether names below the owner are somebody else's.
    fn gives_away(&self) -> bool {
        let has = |kind| has_type(&self.proof.types, kind);
        has(kind::DNAME) || (has(kind::NS) && !has(kind::SOA))
    }
}

/// Whether a bit map of types has one (RFC 4034 section 4.1.2). One that is cut off has all.
fn has_type(mut map: &[u8], kind: u16) -> bool {
    while !map.is_empty() {
        let [window, length, rest @ ..] = map else { return true };
        let Some(bits) = rest.get(..usize::from(*length)) else { return true };
        if u16::from(*window) == kind >> 8 {
            let bit = usize::from(kind & 0xFF);
            return bits.get(bit / 8).is_some_and(|byte| byte & 0x80 >> (bit % 8) != 0);
        }
        map = &rest[usize::from(*length)..];
    }
    false
}

/// Owner and next owner of a proof, as they are ordered.
fn neighbours(order: &Order, proof: &Proof) -> Option<(Place, Box<[u8]>)> {
    let mut buffer = [0; ORDERED_BYTES];
    match order {
        Order::Names => {
            let key = Arc::from(write_ordered(&proof.set.owner, &mut buffer)?);
            Some((key, write_ordered(&proof.next, &mut buffer)?.into()))
        }
        Order::Hashes { .. } => Some((Arc::from(&unhexed(&proof.set.owner)?[..]), proof.next.clone())),
    }
}

/// A name so that bytes are compared as names are (RFC 4034 section 6.1): labels from the last to
/// the first, each ended by a zero; zeroes and ones within labels are escaped.
fn write_ordered<'b>(name: &[u8], buffer: &'b mut [u8; ORDERED_BYTES]) -> Option<&'b [u8]> {
    let mut labels: [&[u8]; 128] = [&[]; 128];
    let mut count = 0;
    for part in ancestors(name) {
        let label = part.get(1..1 + usize::from(*part.first()?))?;
        if label.is_empty() {
            break;
        }
        *labels.get_mut(count)? = label;
        count += 1;
    }
    let mut at = 0;
    for label in labels[..count].iter().rev() {
        for byte in *label {
            if *byte < 2 {
                *buffer.get_mut(at)? = 1;
                at += 1;
            }
            *buffer.get_mut(at)? = if *byte < 2 { byte + 1 } else { *byte };
            at += 1;
        }
        *buffer.get_mut(at)? = 0;
        at += 1;
    }
    Some(&buffer[..at])
}

/// The wildcard below a name.
fn under_star<'b>(encloser: &[u8], buffer: &'b mut [u8; NAME_BYTES + 2]) -> Option<&'b [u8]> {
    let whole = buffer.get_mut(..2 + encloser.len())?;
    whole[..2].copy_from_slice(b"\x01*");
    whole[2..].copy_from_slice(encloser);
    Some(whole)
}

/// The hash that an NSEC3 record's owner begins with.
fn unhexed(owner: &[u8]) -> Option<[u8; HASH_BYTES]> {
    let text = owner.get(1..=BASE32_BYTES).filter(|_| owner.first() == Some(&(BASE32_BYTES as u8)))?;
    let mut hash = [0; HASH_BYTES];
    for (part, eight) in hash.chunks_exact_mut(5).zip(text.chunks_exact(8)) {
        let mut bits = 0_u64;
        for character in eight {
            bits = bits << 5 | BASE32.iter().position(|c| c == character)? as u64;
        }
        part.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(hash)
}

fn sha1(bytes: &[u8], salt: &[u8]) -> [u8; HASH_BYTES] {
    let mut digest = DigestBuilder::new(DigestType::Sha1);
    digest.update(bytes);
    digest.update(salt);
    let mut hash = [0; HASH_BYTES];
    hash.iter_mut().zip(digest.finish().as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::name;

    const SERIAL: u32 = 7;

    fn wire(text: &str) -> Box<[u8]> {
        name::parse(text).expect("a name")
    }

    /// All of these below 64.
    fn types(list: &[u16]) -> Box<[u8]> {
        let mut map = vec![0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        list.iter().for_each(|kind| map[2 + usize::from(kind / 8)] |= 0x80 >> (kind % 8));
        map.into()
    }

    fn signed(owner: Box<[u8]>) -> Signed {
        Signed { owner, bodies: vec![0; 100].into(), records: 2 }
    }

    fn nsec(owner: &str, next: &str, list: &[u16]) -> Proof {
        Proof { next: wire(next), types: types(list), is_opt_out: false, set: signed(wire(owner)) }
    }

    fn lesson(apex: &str, serial: u32, order: Order, proofs: Vec<Proof>) -> Lesson {
        let soa = signed(wire(apex));
        Lesson { apex: wire(apex), serial, soa, order, proofs, ttl_s: 60, flags: 0x0400 }
    }

    fn taught(proofs: Vec<Proof>) -> Ranges {
        let mut ranges = Ranges::new(1 << 20);
        ranges.learn(&lesson("example.org", SERIAL, Order::Names, proofs), 3_600, 100);
        ranges
    }

    /// The code of a denial, and how many proofs it has.
    fn deny(ranges: &Ranges, name: &str, qtype: u16) -> Option<(u16, usize)> {
        let denial = ranges.deny(&Key::of(&wire(name)), qtype, 120)?;
        assert_eq!(denial.ttl_s, 40);
        Some((denial.code, denial.proofs.iter().flatten().count()))
    }

    /// `example.org` with `www`, `*.wild`, `a.ent` and a delegation `sub`.
    fn zone() -> Ranges {
        taught(vec![
            nsec("example.org", "a.ent.example.org", &[2, 6, 46, 47]),
            nsec("a.ent.example.org", "sub.example.org", &[1, 46, 47]),
            nsec("sub.example.org", "*.wild.example.org", &[2, 46, 47]),
            nsec("*.wild.example.org", "www.example.org", &[1, 46, 47]),
            nsec("www.example.org", "example.org", &[1, 28, 46, 47]),
        ])
    }

    #[test]
    fn names_between_neighbours_are_denied_and_names_that_exist_are_not() {
        let zone = zone();
        assert_eq!(deny(&zone, "b.example.org", 1), Some((3, 1)), "one range denies the wildcard as well");
        assert_eq!(deny(&zone, "tall.example.org", 1), Some((3, 2)));
        assert_eq!(deny(&zone, "zz.example.org", 1), Some((3, 2)), "behind the last name");
        assert_eq!(deny(&zone, "x.www.example.org", 1), Some((3, 1)));
        assert_eq!(deny(&zone, "www.example.org", 1), None);
        assert_eq!(deny(&zone, "www.example.org", 16), Some((0, 1)), "the type is missing");
        assert_eq!(deny(&zone, "www.example.com", 1), None);
        assert_eq!(deny(&zone, "ent.example.org", 1), Some((0, 1)), "an empty non-terminal exists");
    }

    #[test]
    fn wildcards_and_delegations_answer_for_what_is_below_them() {
        let zone = zone();
        assert_eq!(deny(&zone, "x.wild.example.org", 1), None);
        assert_eq!(deny(&zone, "x.wild.example.org", 16), Some((0, 1)), "by the wildcard's own types");
        assert_eq!(deny(&zone, "x.sub.example.org", 1), None);
        assert_eq!(deny(&zone, "sub.example.org", 1), None, "the child's to answer");
        assert_eq!(deny(&zone, "sub.example.org", kind::DS), Some((0, 1)), "the parent's to deny");
        assert_eq!(deny(&zone, "example.org", kind::DS), None, "not ours to deny");
    }

    #[test]
    fn without_the_wildcard_denied_nothing_is() {
        let part = taught(vec![nsec("sub.example.org", "www.example.org", &[2])]);
        assert_eq!(deny(&part, "tall.example.org", 1), None);
    }

    #[test]
    fn a_newer_zone_forgets_and_an_older_one_teaches_nothing() {
        let mut ranges = zone();
        let more = |serial| {
            let proofs = vec![nsec("www.example.org", "example.org", &[1])];
            lesson("example.org", serial, Order::Names, proofs)
        };
        ranges.learn(&more(SERIAL - 1), 3_600, 100);
        assert_eq!(deny(&ranges, "b.example.org", 1), Some((3, 1)));
        ranges.learn(&more(SERIAL + 1), 3_600, 100);
        assert_eq!(deny(&ranges, "b.example.org", 1), None);
        assert_eq!(deny(&ranges, "zz.example.org", 1), None, "its wildcard is not denied any more");
    }

    #[test]
    fn what_is_proven_ends_with_its_time() {
        let zone = zone();
        let name = Key::of(&wire("b.example.org"));
        assert!(zone.deny(&name, 1, 159).is_some_and(|d| d.ttl_s == 1));
        assert!(zone.deny(&name, 1, 160).is_none());
    }

    #[test]
    fn bytes_stay_below_the_limit_and_what_is_used_stays() {
        let mut ranges = Ranges::new(64 << 10);
        let teach = |ranges: &mut Ranges, n: u32| {
            let apex = format!("z{n}.test");
            let proofs = vec![nsec(&apex, &format!("a.{apex}"), &[1])];
            ranges.learn(&lesson(&apex, SERIAL, Order::Names, proofs), 3_600, 100);
        };
        (0..10).for_each(|n| teach(&mut ranges, n));
        for n in 10..20_000 {
            teach(&mut ranges, n);
            assert!(ranges.bytes() <= 64 << 10, "{}", ranges.bytes());
            (0..10).for_each(|n| drop(ranges.deny(&Key::of(&wire(&format!("z{n}.test"))), 16, 110)));
        }
        let kept = (0..10).filter(|n| deny(&ranges, &format!("z{n}.test"), 16).is_some()).count();
        assert_eq!(kept, 10);
        assert!(ranges.clock.len() < 300 && ranges.zones.len() < 300);
    }

    /// The zone of RFC 5155 appendix A, and the answer of its appendix B.1.
    #[test]
    fn hashed_names_are_denied_from_their_closest_encloser_and_not_across_an_opt_out() {
        let nsec3 = |owner: &str, next: &str, is_opt_out, list: &[u16]| Proof {
            next: unhexed(&wire(next)).expect("a hash").into(),
            types: types(list),
            is_opt_out,
            set: signed(wire(&format!("{owner}.example"))),
        };
        let order = || Order::Hashes { iterations: 12, salt: [0xAA, 0xBB, 0xCC, 0xDD].into() };
        let taught = |is_opt_out| {
            let proofs = vec![
                nsec3(
                    "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
                    "2t7b4g4vsa5smi47k61mv5bv1a22bojr",
                    is_opt_out,
                    &[2, 6],
                ),
                nsec3("b4um86eghhds6nea196smvmlo4ors995", "gjeqe526plbf1g8mklp59enfd789njgi", false, &[15]),
                nsec3("35mthgpgcu1qg68fab165klnsnk3dpvl", "b4um86eghhds6nea196smvmlo4ors995", false, &[2]),
            ];
            let mut ranges = Ranges::new(1 << 20);
            ranges.learn(&lesson("example", SERIAL, order(), proofs), 3_600, 100);
            ranges
        };
        let denied = |ranges: &Ranges, name: &str, qtype| deny(ranges, name, qtype);
        assert_eq!(denied(&taught(false), "a.c.x.w.example", 1), Some((3, 3)));
        assert_eq!(denied(&taught(true), "a.c.x.w.example", 1), None);
        assert_eq!(denied(&taught(true), "x.w.example", 1), Some((0, 1)), "the type is missing");
        assert_eq!(denied(&taught(true), "x.w.example", 15), None);
        assert_eq!(denied(&taught(false), "ns1.example", 1), None, "it exists, and nothing was said of it");
    }

    #[test]
    fn names_are_ordered_as_rfc_4034_says() {
        let sorted: [&[u8]; 9] = [
            b"\x07example\0",
            b"\x01a\x07example\0",
            b"\x08yljkjljk\x01a\x07example\0",
            b"\x01z\x01a\x07example\0",
            b"\x04zabc\x01a\x07example\0",
            b"\x01z\x07example\0",
            b"\x01\x01\x01z\x07example\0",
            b"\x01*\x01z\x07example\0",
            b"\x01\xC8\x01z\x07example\0",
        ];
        let ordered = |name: &[u8]| write_ordered(name, &mut [0; ORDERED_BYTES]).expect("a name").to_vec();
        assert!(sorted.windows(2).all(|w| ordered(w[0]) < ordered(w[1])));
    }

    #[test]
    fn a_bit_map_that_is_cut_off_has_every_type() {
        assert!(has_type(&[0], 1) && has_type(&[0, 4, 0x40], 1) && has_type(&[1, 2, 0], 1));
        assert!(!has_type(&[0, 1, 0x40], 2) && has_type(&[0, 1, 0x40, 1, 1, 0x80], 256));
    }
}
