//! Candidates: single tests that a share of the unwanted records pass, each with the sets of
//! records that pass it.

mod dns;
mod http;
mod packet;
mod payload;
mod range;

use crate::bits::Bits;
use crate::estimate::Mixture;
use crate::matching::{NetworkLookup, holds};
use crate::prior::prior_share;
use crate::sample::Sample;
use seawall_model::address::{self, Prefix};
use seawall_model::hash;
use seawall_model::signature::Test;
use std::cmp::Ordering;
use std::mem::discriminant;
use std::net::IpAddr;

/// Values of one attribute that are looked at further.
const VALUES_KEPT: usize = 16;
/// Patterns (with wildcards) of one attribute that are looked at further; these must be tried
/// on every record.
const PATTERNS_KEPT: usize = 6;
/// Candidates of one attribute that may enter the search.
const PER_ATTRIBUTE: usize = 24;

/// One test with the records that pass it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) test: Test,
    pub(crate) unwanted: Bits,
    pub(crate) normal: Bits,
}

impl Candidate {
    /// Tests of the same attribute do not combine: at best one says what the other says.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let who =
            |t: &Test| matches!(t, Test::Source(_) | Test::SourceCountry(_) | Test::SourceNetworkNumber(_));
        let path = |t: &Test| matches!(t, Test::Path(_) | Test::PathTemplate(_));
        discriminant(&self.test) == discriminant(&other.test)
            || (who(&self.test) && who(&other.test))
            || (path(&self.test) && path(&other.test))
    }
}

/// What candidates are made from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) unwanted: Sample<'a>,
    pub(crate) normal: Sample<'a>,
    pub(crate) mixture: Mixture,
    /// Whether the senders' addresses may be tested, i.e. cannot be forged.
    pub(crate) addresses: bool,
    pub(crate) networks: Option<&'a dyn NetworkLookup>,
    /// Candidates below this share of the attack are left out.
    pub(crate) min_share: f64,
}

/// All candidates, in the order of their tests.
pub(crate) fn candidates(source: Source<'_>) -> Vec<Candidate> {
    let mut pool = Pool { source, found: Vec::new() };
    match (source.unwanted, source.normal) {
        (Sample::Requests(unwanted), Sample::Requests(normal)) => http::collect(&mut pool, unwanted, normal),
        (Sample::Packets(unwanted), Sample::Packets(normal)) => packet::collect(&mut pool, unwanted, normal),
        (Sample::Dns(unwanted), Sample::Dns(normal)) => dns::collect(&mut pool, unwanted, normal),
        _ => return Vec::new(),
    }
    if source.addresses {
        pool.addresses();
    }
    pool.finish()
}

/// Values with the index of the record that has them; a record may have several.
pub(crate) type Values<K> = Vec<(K, usize)>;

/// Collects candidates.
pub(crate) struct Pool<'a> {
    source: Source<'a>,
    found: Vec<Candidate>,
}

impl Pool<'_> {
    pub(crate) fn mixture(&self) -> Mixture {
        self.source.mixture
    }

    /// Candidates for the commonest exact values of one attribute.
    pub(crate) fn values<K: Ord>(
        &mut self,
        mut unwanted: Values<K>,
        mut normal: Values<K>,
        test: impl Fn(&K) -> Option<Test>,
    ) {
        unwanted.sort_unstable();
        normal.sort_unstable();
        for group in self.common(&unwanted, &normal, VALUES_KEPT) {
            let Some(test) = test(&unwanted[group.unwanted.start].0) else { continue };
            let mut candidate = Candidate {
                test,
                unwanted: Bits::none(self.source.unwanted.len()),
                normal: Bits::none(self.source.normal.len()),
            };
            unwanted[group.unwanted].iter().for_each(|(_, i)| candidate.unwanted.set(*i));
            normal[group.normal].iter().for_each(|(_, i)| candidate.normal.set(*i));
            self.found.push(candidate);
        }
    }

    /// Candidates for the commonest patterns of one attribute: a pattern may match records that
    /// it was not made from.
    pub(crate) fn patterns(&mut self, made: Values<String>, test: impl Fn(&str) -> Option<Test>) {
        let mut made: Values<Hashed<'_>> = made.iter().map(|(text, i)| (Hashed::new(text), *i)).collect();
        made.sort_unstable();
        let groups = self.common(&made, &Vec::new(), PATTERNS_KEPT);
        for group in groups {
            if let Some(test) = test(made[group.unwanted.start].0.text) {
                self.push(test);
            }
        }
    }

    /// One candidate, tried on every record.
    pub(crate) fn push(&mut self, test: Test) {
        let marked = |sample: Sample<'_>| {
            let mut bits = Bits::none(sample.len());
            for (i, record) in sample.records().enumerate() {
                if holds(&test, record, self.source.networks) {
                    bits.set(i);
                }
            }
            bits
        };
        let (unwanted, normal) = (marked(self.source.unwanted), marked(self.source.normal));
        self.found.push(Candidate { test, unwanted, normal });
    }

    /// Groups of equal values in sorted lists, by how much of the attack they hold.
    fn common<K: Ord>(&self, unwanted: &Values<K>, normal: &Values<K>, kept: usize) -> Vec<Group> {
        let mut groups = Vec::new();
        let mut start = 0;
        for same in unwanted.chunk_by(|a, b| a.0 == b.0) {
            let range = start..start + same.len();
            start = range.end;
            if self.source.mixture.attack(same.len() as u32, 0) < self.source.min_share {
                continue;
            }
            let key = &same[0].0;
            let first = normal.partition_point(|(k, _)| k < key);
            let last = first + normal[first..].partition_point(|(k, _)| k <= key);
            let share = self.source.mixture.attack(same.len() as u32, (last - first) as u32);
            if share >= self.source.min_share {
                groups.push(Group { share, unwanted: range, normal: first..last });
            }
        }
        groups.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.unwanted.start.cmp(&b.unwanted.start)));
        groups.truncate(kept);
        groups
    }

    /// Addresses that stand for names are nobody's. A private address may be a proxy with every
    /// visitor behind it, unless normal traffic shows that it is not.
    fn may_name(&self, a: IpAddr) -> bool {
        !address::is_named(a) && (address::is_public(a) || self.source.mixture.has_normal())
    }

    fn addresses(&mut self) {
        for (v4, v6) in [(32, 128), (24, 64), (16, 48)] {
            let keyed = |sample: Sample<'_>| -> Values<Prefix> {
                let named = sample.clients().enumerate().filter(|(_, a)| self.may_name(*a));
                named.filter_map(|(i, a)| Some((prefix(a, v4, v6)?, i))).collect()
            };
            self.values(keyed(self.source.unwanted), keyed(self.source.normal), |p| Some(Test::Source(*p)));
        }
        let Some(networks) = self.source.networks else { return };
        let countries = |sample: Sample<'_>| -> Values<String> {
            sample.clients().enumerate().filter_map(|(i, a)| Some((networks.country(a)?, i))).collect()
        };
        self.values(countries(self.source.unwanted), countries(self.source.normal), |c| {
            Some(Test::SourceCountry(c.clone()))
        });
        let numbers = |sample: Sample<'_>| -> Values<u32> {
            sample.clients().enumerate().filter_map(|(i, a)| Some((networks.network_number(a)?, i))).collect()
        };
        self.values(numbers(self.source.unwanted), numbers(self.source.normal), |n| {
            Some(Test::SourceNetworkNumber(*n))
        });
    }

    /// Of tests of one attribute that pass the same records, the narrowest stays.
    fn finish(mut self) -> Vec<Candidate> {
        let mixture = self.source.mixture;
        let share = |c: &Candidate| mixture.attack(c.unwanted.count(), c.normal.count());
        self.found.sort_by(|a, b| {
            narrowness(&a.test).total_cmp(&narrowness(&b.test)).then_with(|| a.test.cmp(&b.test))
        });
        let mut kept: Vec<Candidate> = Vec::new();
        for candidate in self.found {
            let same = |k: &Candidate| {
                k.excludes(&candidate) && k.unwanted == candidate.unwanted && k.normal == candidate.normal
            };
            if share(&candidate) >= self.source.min_share && !kept.iter().any(same) {
                kept.push(candidate);
            }
        }
        kept.sort_by(|a, b| share(b).total_cmp(&share(a)).then_with(|| a.test.cmp(&b.test)));
        let mut limited: Vec<Candidate> = Vec::new();
        for candidate in kept {
            if limited.iter().filter(|k| k.excludes(&candidate)).count() < PER_ATTRIBUTE {
                limited.push(candidate);
            }
        }
        limited.sort_by(|a, b| a.test.cmp(&b.test));
        limited
    }
}

struct Group {
    share: f64,
    unwanted: std::ops::Range<usize>,
    normal: std::ops::Range<usize>,
}

/// Smaller is narrower.
fn narrowness(test: &Test) -> f64 {
    match test {
        Test::Source(p) | Test::Destination(p) => p.space_share(),
        other => prior_share(std::iter::once(other)),
    }
}

fn prefix(a: IpAddr, v4: u8, v6: u8) -> Option<Prefix> {
    Prefix::new(a, if a.is_ipv4() { v4 } else { v6 })
}

/// Values of one attribute over a sample.
pub(crate) fn keyed<'r, R, K>(records: &'r [R], key: impl Fn(&'r R) -> Option<K>) -> Values<K> {
    records.iter().enumerate().filter_map(|(i, r)| Some((key(r)?, i))).collect()
}

/// Text that is ordered by its hash alone: texts with common beginnings are slow to compare. What
/// is mined from groups of equal hashes is verified on the records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hashed<'a> {
    hash: u64,
    pub(crate) text: &'a str,
}

impl<'a> Hashed<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { hash: hash::bytes(text.as_bytes()), text }
    }
}

impl PartialEq for Hashed<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Hashed<'_> {}

impl PartialOrd for Hashed<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hashed<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.hash.cmp(&other.hash)
    }
}

/// Lowest, or equal: keeps `Ordering` out of callers that only ask for a minimum.
pub(crate) fn less(a: f64, b: f64) -> bool {
    a.total_cmp(&b) == Ordering::Less
}
