//! Contrast mining: a bounded beam search over conjunctions, then a greedy cover.
//!
//! What it computes: the conjunctions that hold most of the attack (the disturbed sample less its
//! normal part) while at most a tiny share of normal traffic passes. Single heavy values are not
//! enough: an attack often differs only in a combination (a common user agent *with* a query that
//! normal visitors never send). Where a normal sample exists, a test that changes neither share is
//! dropped; where none exists, the more specific conjunction is kept, since it harms less.
//!
//! Evaded by: drawing every attribute from the population of real visitors (then the result is
//! empty, as it should be). Innocent traffic that looks like it: one loud but wanted client, such
//! as a monitor; protected clients are the planner's business.

use crate::bits::Bits;
use crate::candidate::{Candidate, Source, candidates};
use crate::estimate::{Mixture, plain_estimate};
use crate::example::example;
use crate::matching::{NetworkLookup, holds};
use crate::prior::{is_everyday_service, prior_share};
use crate::sample::Sample;
use crate::unwanted::{Wanted, servers};
use seawall_model::math::{sqrt, wilson_interval};
use seawall_model::observation::Fragment;
use seawall_model::signature::{Layer, ShareEstimate, Signature, Test};
use seawall_model::{Cause, Prefix};
use std::collections::BTreeMap;

/// Two samples to tell apart.
#[derive(Clone, Copy)]
pub struct Contrast<'a> {
    /// Of the disturbed period: the attack with whatever normal traffic went on.
    pub unwanted: Sample<'a>,
    /// Of the quiet period, of the same layer; may be empty.
    pub normal: Sample<'a>,
    /// Share of the disturbed sample that is normal traffic, by volume; 0 without a reference.
    pub normal_share: f64,
    /// Says whether the sources may be forged, so that no test may stand on them.
    pub cause: Cause,
    pub networks: Option<&'a dyn NetworkLookup>,
}

/// What bounds the search and what counts as narrow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub max_signatures: usize,
    pub max_tests: usize,
    /// Conjunctions that are kept from one length to the next.
    pub beam_width: usize,
    /// Records of either sample that are looked at.
    pub max_records: usize,
    /// Largest share of normal traffic that a signature, and all of them together, may match.
    pub max_baseline_share: f64,
    /// Largest upper end of that share's confidence interval.
    pub max_baseline_upper: f64,
    /// Largest share of normal clients.
    pub max_client_share: f64,
    /// Largest estimated share of ordinary traffic where no normal sample was given.
    pub max_prior_share: f64,
    /// Share of the attack that a signature must add.
    pub min_attack_share: f64,
    /// Share of the attack at which the cover is complete.
    pub target_cover: f64,
    pub examples: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_signatures: 8,
            max_tests: 5,
            beam_width: 16,
            max_records: 4_096,
            max_baseline_share: 0.005,
            max_baseline_upper: 0.01,
            max_client_share: 0.01,
            max_prior_share: 0.01,
            min_attack_share: 0.05,
            target_cover: 0.99,
            examples: 3,
        }
    }
}

/// How much worse one share of normal traffic is than one share of attack is good.
const HARM_WEIGHT: f64 = 4.0;
/// Normal records that the estimated share counts for beside the measured ones.
const PRIOR_RECORDS: f64 = 20.0;
/// Estimated share at which an upper end that is wide only for lack of records is forgiven.
const NEGLIGIBLE_PRIOR: f64 = 0.002;
/// Spreads above the normal part's share that a signature must have in the disturbed sample: the
/// search compares thousands of conjunctions, of which some stand out by luck.
const CHANCE_SPREADS: f64 = 5.0;
/// Part of the first signature's share that a later one must add where no normal sample exists, and part of
/// everything for a network: what the rest has in common is as likely the visitors'.
const BESIDE_THE_FIRST: f64 = 0.25;
/// Fewest records that a signature must add.
const MIN_HITS: u32 = 3;
/// Estimated share of ordinary traffic from which on more tests make nothing safer: what few records
/// have in common by luck would only let the next ones pass.
const NARROW_ENOUGH: f64 = 1e-5;
/// Tests with this share inside what a signature matches are common to all of it.
const COMMON: f64 = 0.99;

/// The signatures of the unwanted traffic, best first. Empty: nothing narrow sets it apart.
#[must_use]
pub fn mine(contrast: &Contrast<'_>, limits: &Limits) -> Vec<Signature> {
    let all = contrast.unwanted.first(limits.max_records);
    let normal = contrast.normal.first(limits.max_records);
    let normal = if normal.layer() == all.layer() { normal } else { normal.first(0) };
    let wanted = Wanted::of(all, normal, contrast.cause);
    let unwanted = wanted.sample();
    if unwanted.len() < MIN_HITS as usize {
        return Vec::new();
    }
    let mixture =
        Mixture::new(all.len(), normal.len(), contrast.normal_share).left(unwanted.len(), wanted.normal_left);
    let pool = candidates(Source {
        unwanted,
        normal,
        mixture,
        addresses: !contrast.cause.is_forgeable() && unwanted.layer() != Layer::Dns,
        networks: contrast.networks,
        min_share: limits.min_attack_share,
    });
    let search = Search {
        pool: &pool,
        limits,
        mixture,
        cause: contrast.cause,
        layer: unwanted.layer(),
        clients: Clients::of(normal),
        senders: Clients::of(unwanted),
        networks: contrast.networks,
    };
    search.cover(unwanted, normal)
}

/// Destination ports that a signature may name as a range; more are no target.
const FEW_PORTS: u16 = 64;

/// A conjunction under construction.
#[derive(Clone)]
struct Conjunction {
    /// Ascending indices into the pool.
    members: Vec<usize>,
    unwanted: Bits,
    normal: Bits,
}

/// The records that no signature has matched yet.
struct Rest {
    unwanted: Bits,
    normal: Bits,
}

impl Rest {
    /// How many of them a conjunction matches.
    fn part(&self, c: &Conjunction) -> (u32, u32) {
        (c.unwanted.count_with(&self.unwanted), c.normal.count_with(&self.normal))
    }
}

struct Search<'a> {
    pool: &'a [Candidate],
    limits: &'a Limits,
    mixture: Mixture,
    cause: Cause,
    layer: Layer,
    /// Of the normal sample.
    clients: Clients,
    /// Of the disturbed sample.
    senders: Clients,
    networks: Option<&'a dyn NetworkLookup>,
}

impl Search<'_> {
    fn cover(&self, unwanted: Sample<'_>, normal: Sample<'_>) -> Vec<Signature> {
        let mut rest = Rest { unwanted: Bits::all(unwanted.len()), normal: Bits::all(normal.len()) };
        let mut found = Vec::new();
        while found.len() < self.limits.max_signatures {
            let Some(best) = self.best(&rest) else { break };
            let best = self.verified(self.refine(best), unwanted, normal);
            if !self.is_enough(&best, &rest) || !self.is_narrow(&best) {
                break;
            }
            let added = rest.part(&best);
            if self.may_be_visitors(&best, added, found.first()) {
                break;
            }
            rest.unwanted.remove(&best.unwanted);
            rest.normal.remove(&best.normal);
            let normal_hit = normal.len() as u32 - rest.normal.count();
            if self.mixture.baseline(normal_hit) > self.limits.max_baseline_share {
                break;
            }
            found.push(self.signature(&best, added, unwanted));
            let covered: f64 = found.iter().map(|s: &Signature| s.attack.share).sum();
            if covered >= self.limits.target_cover {
                break;
            }
        }
        found
    }

    /// The best narrow conjunction for the rest of the attack.
    fn best(&self, rest: &Rest) -> Option<Conjunction> {
        let everything = Conjunction {
            members: Vec::new(),
            unwanted: rest.unwanted.clone(),
            normal: Bits::all(self.mixture.normal as usize),
        };
        let mut beam = vec![everything];
        let mut best: Option<(f64, Conjunction)> = None;
        for _ in 0..self.limits.max_tests {
            beam = self.longer(&beam);
            for conjunction in &beam {
                let score = self.score(conjunction);
                let is_better = best.as_ref().is_none_or(|(most, _)| score > *most + 1e-9);
                if is_better && self.is_enough(conjunction, rest) && self.is_narrow(conjunction) {
                    best = Some((score, conjunction.clone()));
                }
            }
        }
        best.map(|(_, conjunction)| self.complete(conjunction.members))
    }

    /// Every conjunction of the beam with one more test, the best of them.
    fn longer(&self, beam: &[Conjunction]) -> Vec<Conjunction> {
        let mut scored: Vec<(f64, Vec<usize>, usize)> = Vec::new();
        for (parent, conjunction) in beam.iter().enumerate() {
            for (i, candidate) in self.pool.iter().enumerate() {
                if conjunction.members.iter().any(|m| self.pool[*m].excludes(candidate)) {
                    continue;
                }
                let hits = conjunction.unwanted.count_with(&candidate.unwanted);
                let normal_hits = conjunction.normal.count_with(&candidate.normal);
                if hits < MIN_HITS || self.mixture.attack(hits, normal_hits) < self.limits.min_attack_share {
                    continue;
                }
                let members = with(&conjunction.members, i);
                scored.push((self.score_of(hits, normal_hits, &members), members, parent));
            }
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        // The same tests in another order have the same score, so they stand side by side.
        scored.dedup_by(|a, b| a.1 == b.1);
        scored.truncate(self.limits.beam_width);
        scored.into_iter().map(|(_, members, parent)| self.extended(&beam[parent], members)).collect()
    }

    fn extended(&self, parent: &Conjunction, members: Vec<usize>) -> Conjunction {
        let mut longer = Conjunction { members, ..parent.clone() };
        for i in &longer.members {
            longer.unwanted.keep(&self.pool[*i].unwanted);
            longer.normal.keep(&self.pool[*i].normal);
        }
        longer
    }

    /// The conjunction over all records, also those that others matched already.
    fn complete(&self, members: Vec<usize>) -> Conjunction {
        let everything = Conjunction {
            members: Vec::new(),
            unwanted: Bits::all(self.mixture.unwanted as usize),
            normal: Bits::all(self.mixture.normal as usize),
        };
        self.extended(&everything, members)
    }

    fn score(&self, c: &Conjunction) -> f64 {
        self.score_of(c.unwanted.count(), c.normal.count(), &c.members)
    }

    /// Attack gained less weighted harm; the harm leans on the estimate where few normal records
    /// exist.
    fn score_of(&self, hits: u32, normal_hits: u32, members: &[usize]) -> f64 {
        let prior = self.prior_of(members);
        let harm = (f64::from(normal_hits) + PRIOR_RECORDS * prior) / (self.mixture.normal + PRIOR_RECORDS);
        self.mixture.attack(hits, normal_hits) - HARM_WEIGHT * harm
    }

    /// Whether it adds enough that cannot be chance: more than what normal traffic may have of it
    /// while nobody saw it before, and more than as many of the busiest normal clients send as it
    /// names. New visitors come all the time, and each is a signature of its own.
    fn is_enough(&self, c: &Conjunction, rest: &Rest) -> bool {
        let hits = c.unwanted.count();
        let normal_hits = c.normal.count_with(&rest.normal);
        let (_, normal_high) = wilson_interval(f64::from(normal_hits), self.mixture.normal);
        let clients_high = self.clients.estimate(&c.normal).map_or(0.0, |e| e.high);
        let by_clients = self.clients.busiest(self.senders.hit(&c.unwanted), clients_high);
        let by_chance = self.mixture.by_chance(normal_high.max(by_clients));
        let spread = sqrt(by_chance * (1.0 - by_chance) / self.mixture.unwanted);
        let observed = f64::from(hits) / self.mixture.unwanted;
        let exceeds_chance = observed >= by_chance + CHANCE_SPREADS * spread;
        exceeds_chance && self.mixture.attack(hits, normal_hits) >= self.limits.min_attack_share
    }

    /// Whether it says what the cause is named for. A signature of requests that no cache can answer leaves
    /// alone those that one can: the path alone is that of a page which people ask for too. One of what is
    /// reflected names the service that reflects it: a protocol, a length or a port of the victim's is that
    /// of the next call as well, and of two services each has a rule of its own.
    fn names_the_cause(&self, c: &Conjunction) -> bool {
        let telling: fn(&Test) -> bool = match self.cause {
            Cause::CacheBusting => |test| match test {
                Test::QueryShape(shape) => !shape.is_empty(),
                Test::Path(_) | Test::Method(_) | Test::HttpVersion(_) | Test::Host(_) => false,
                _ => true,
            },
            Cause::Amplification => |test| match test {
                Test::SourcePort { low, high } => low == high,
                Test::Fragment(fragment) => *fragment != Fragment::Whole,
                Test::PayloadPrefix(_) => prior_share(std::iter::once(test)) < 1.0,
                _ => false,
            },
            _ => return true,
        };
        c.members.iter().any(|m| telling(&self.pool[*m].test))
    }

    fn is_narrow(&self, c: &Conjunction) -> bool {
        if !self.names_the_cause(c) {
            return false;
        }
        let prior = self.prior_of(&c.members);
        let Some(baseline) = self.mixture.baseline_estimate(c.normal.count()) else {
            return prior <= self.limits.max_prior_share;
        };
        let is_sure = baseline.high <= self.limits.max_baseline_upper
            || (baseline.share == 0.0 && prior <= NEGLIGIBLE_PRIOR);
        let clients_hit = self.clients.estimate(&c.normal).map_or(0.0, |s| s.share);
        let spares_clients = clients_hit <= self.limits.max_client_share;
        is_sure && spares_clients && baseline.share <= self.limits.max_baseline_share
    }

    /// Whether it may as well be visitors, where no normal sample can tell: a network that sends little of
    /// it all, or addresses and requests that are little beside what was found first.
    fn may_be_visitors(&self, c: &Conjunction, added: (u32, u32), first: Option<&Signature>) -> bool {
        let tests = self.tests(&c.members);
        let beside = match first {
            Some(first) => first.attack.share,
            None if tests.iter().any(is_network) => 1.0,
            None => 0.0,
        };
        let of_its_form = prior_share(tests.iter().filter(|t| !t.names_sources()));
        let is_odd = self.layer == Layer::Packet && of_its_form <= NEGLIGIBLE_PRIOR;
        let share = self.mixture.attack(added.0, added.1);
        !self.mixture.has_normal() && !is_odd && share < BESIDE_THE_FIRST * beside
    }

    fn refine(&self, best: Conjunction) -> Conjunction {
        if self.mixture.has_normal() { self.simplified(best) } else { self.specialised(best) }
    }

    /// Drops the tests that change neither share beyond one record in a thousand, the least
    /// telling first.
    fn simplified(&self, mut best: Conjunction) -> Conjunction {
        let mut order = best.members.clone();
        order.sort_by(|a, b| self.prior(*b).total_cmp(&self.prior(*a)).then(a.cmp(b)));
        for member in order {
            if best.members.len() == 1 {
                break;
            }
            let fewer = self.complete(best.members.iter().copied().filter(|m| *m != member).collect());
            let noise = |records: f64| (records / 1_000.0) as u32;
            let same_harm = fewer.normal.count() <= best.normal.count() + noise(self.mixture.normal);
            if same_harm && self.is_narrow(&fewer) {
                best = fewer;
            }
        }
        self.within_bounds(self.with_protocol(best))
    }

    /// Adds the ports, flags, paths and shapes of queries that all of it has: a rule must not reach traffic that the normal
    /// sample did not happen to hold.
    fn within_bounds(&self, mut best: Conjunction) -> Conjunction {
        for (i, candidate) in self.pool.iter().enumerate() {
            let is_bound = match &candidate.test {
                Test::TcpFlags(_) | Test::Path(_) | Test::PathTemplate(_) | Test::QueryShape(_) => true,
                Test::DestinationPort { low, high } => high - low < FEW_PORTS,
                _ => false,
            };
            if is_bound {
                best = self.with_common(best, i);
            }
        }
        self.told_from_answers(best)
    }

    /// Adds what is in all of it where a service is reflected that this host asks as well, as it does name
    /// servers: the answers to its own questions come from the same port, and a normal sample need not hold one.
    fn told_from_answers(&self, best: Conjunction) -> Conjunction {
        let is_asked_too = |m: &usize| is_everyday_service(&self.pool[*m].test);
        if self.cause != Cause::Amplification || !best.members.iter().any(is_asked_too) {
            return best;
        }
        let asked_for = |i: &usize| match &self.pool[*i].test {
            Test::PayloadPrefix(text) => text.as_bytes().chunks(2).filter(|pair| *pair != b"??").count(),
            _ => 0,
        };
        let mut prefixes: Vec<usize> = (0..self.pool.len()).filter(|i| asked_for(i) > 0).collect();
        prefixes.sort_by_key(|i| std::cmp::Reverse(asked_for(i)));
        prefixes.into_iter().fold(best, |best, i| self.with_common(best, i))
    }

    /// Adds what all matched records have in common and ordinary traffic has not.
    fn specialised(&self, best: Conjunction) -> Conjunction {
        let mut best = self.with_protocol(best);
        let mut order: Vec<usize> = (0..self.pool.len()).collect();
        order.sort_by(|a, b| self.prior(*a).total_cmp(&self.prior(*b)).then(a.cmp(b)));
        for i in order {
            let is_telling = match &self.pool[i].test {
                Test::Method(_) => true,
                Test::DestinationPort { low, high } => high - low < FEW_PORTS,
                _ => self.prior(i) <= 0.5,
            };
            let is_bound = matches!(
                self.pool[i].test,
                Test::Method(_) | Test::DestinationPort { .. } | Test::TcpFlags(_)
            );
            if is_telling && (is_bound || self.prior_of(&best.members) > NARROW_ENOUGH) {
                best = self.with_common(best, i);
            }
        }
        best
    }

    /// Ports and lengths read oddly without the protocol, and rules need it.
    fn with_protocol(&self, best: Conjunction) -> Conjunction {
        let protocol = (0..self.pool.len()).find(|i| {
            matches!(self.pool[*i].test, Test::Protocol(_))
                && best.unwanted.count_with(&self.pool[*i].unwanted) == best.unwanted.count()
        });
        match protocol {
            Some(i) => self.with_common(best, i),
            None => best,
        }
    }

    fn with_common(&self, best: Conjunction, i: usize) -> Conjunction {
        let candidate = &self.pool[i];
        let is_full = best.members.len() >= self.limits.max_tests;
        if is_full || best.members.iter().any(|m| self.pool[*m].excludes(candidate)) {
            return best;
        }
        let kept = best.unwanted.count_with(&candidate.unwanted);
        if f64::from(kept) < COMMON * f64::from(best.unwanted.count()) {
            return best;
        }
        let members = with(&best.members, i);
        self.extended(&best, members)
    }

    /// The records that pass the tests, asked of each record anew: candidates are grouped by
    /// hashes, which a patient attacker can make collide.
    fn verified(&self, c: Conjunction, unwanted: Sample<'_>, normal: Sample<'_>) -> Conjunction {
        let tests = self.tests(&c.members);
        let passing = |sample: Sample<'_>| {
            let mut bits = Bits::none(sample.len());
            for (i, record) in sample.records().enumerate() {
                if tests.iter().all(|t| holds(t, record, self.networks)) {
                    bits.set(i);
                }
            }
            bits
        };
        Conjunction { unwanted: passing(unwanted), normal: passing(normal), ..c }
    }

    /// `added`: records of the attack and of normal traffic that no signature before it matches.
    fn signature(&self, c: &Conjunction, added: (u32, u32), unwanted: Sample<'_>) -> Signature {
        let matching = (0..unwanted.len()).filter(|i| c.unwanted.has(*i));
        let mut examples: Vec<String> = Vec::new();
        for line in matching.map(|i| example(unwanted.get(i))) {
            if examples.len() >= self.limits.examples {
                break;
            }
            if !examples.contains(&line) {
                examples.push(line);
            }
        }
        let mut tests = self.tests(&c.members);
        tests.sort();
        Signature {
            layer: unwanted.layer(),
            tests,
            attack: self.mixture.attack_estimate(added.0, added.1),
            baseline: self.mixture.baseline_estimate(c.normal.count()),
            baseline_clients: self.clients.estimate(&c.normal),
            examples,
        }
    }

    fn tests(&self, members: &[usize]) -> Vec<Test> {
        members.iter().map(|i| self.pool[*i].test.clone()).collect()
    }

    fn prior_of(&self, members: &[usize]) -> f64 {
        prior_share(members.iter().map(|i| &self.pool[*i].test))
    }

    fn prior(&self, member: usize) -> f64 {
        prior_share(std::iter::once(&self.pool[member].test))
    }
}

/// Whether it is about many senders: an IPv6 client has a /64.
fn is_network(test: &Test) -> bool {
    let client_bits = |p: &Prefix| if p.address().is_ipv4() { 32 } else { 64 };
    test.names_sources() && !matches!(test, Test::Source(p) if p.length_bits() >= client_bits(p))
}

/// Ascending members with one more.
fn with(members: &[usize], one_more: usize) -> Vec<usize> {
    let at = members.partition_point(|m| *m < one_more);
    [&members[..at], &[one_more], &members[at..]].concat()
}

/// Which records of a sample belong to which client.
struct Clients {
    of_record: Vec<usize>,
    /// Shares of the sample of its `k + 1` busiest clients together.
    busiest: Vec<f64>,
}

impl Clients {
    fn of(sample: Sample<'_>) -> Self {
        let mut numbers = BTreeMap::new();
        let mut records: Vec<u32> = Vec::new();
        let of_record = sample
            .clients()
            .map(|address| {
                let next = numbers.len();
                let client = *numbers.entry(address).or_insert(next);
                records.resize(numbers.len(), 0);
                records[client] += 1;
                client
            })
            .collect();
        let servers = servers(sample);
        let mut alone: Vec<u32> =
            numbers.iter().filter(|(a, _)| !servers.contains(a)).map(|(_, n)| records[*n]).collect();
        alone.sort_unstable_by(|a, b| b.cmp(a));
        let total = f64::from(alone.iter().sum::<u32>().max(1));
        let busiest = alone.iter().scan(0.0, |sum, n| {
            *sum += f64::from(*n) / total;
            Some(*sum)
        });
        Self { of_record, busiest: busiest.collect() }
    }

    fn total(&self) -> usize {
        self.of_record.iter().max().map_or(0, |most| most + 1)
    }

    /// Clients with any record in the set.
    fn hit(&self, hits: &Bits) -> usize {
        let mut hit = Bits::none(self.total());
        self.of_record
            .iter()
            .enumerate()
            .filter(|(record, _)| hits.has(*record))
            .for_each(|(_, client)| hit.set(*client));
        hit.count() as usize
    }

    /// Share of clients with any record in the set.
    fn estimate(&self, hits: &Bits) -> Option<ShareEstimate> {
        let total = self.total();
        (total > 0).then(|| plain_estimate(self.hit(hits) as u32, total as f64))
    }

    /// Share of the sample that its busiest clients send: so many of them, and no more than a
    /// share of all.
    fn busiest(&self, clients: usize, at_most: f64) -> f64 {
        let clients = clients.min((at_most * self.total() as f64).ceil() as usize);
        clients
            .checked_sub(1)
            .and_then(|last| self.busiest.get(last.min(self.busiest.len().saturating_sub(1))))
            .copied()
            .unwrap_or(0.0)
    }
}
