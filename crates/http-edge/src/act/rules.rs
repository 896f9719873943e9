//! The rule table: a plan compiled for one pass over each request.
//!
//! Rules are tried in a fixed order, whatever the plan's: blocks, limits from the narrowest key to
//! the widest, the challenge, the waiting room. Which rules can hold at all is one set of bits:
//! those that name no address, and those that the address table gives. So the cost of a decision
//! does not depend on how many addresses are named, and is linear in the request's text and in
//! the number of signatures.

use super::address_table::{AddressTable, MOST_RULES, RuleSet};
use super::compile;
use super::decision::{CompileErrors, Decision, RuleIndex, Verdict};
use super::limit::{Conformance, Limits, Rate};
use super::memory::{Standing, is_navigation};
use crate::Request;
use crate::request::presence;
use seawall_model::plan::{Plan, RateKey};
use seawall_model::policy::Policy;
use seawall_model::signature::Test;
use seawall_model::{Prefix, Timestamp, hash};
use seawall_signature::{RequestView, holds_for_request, kept};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// What a limit counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitKey {
    /// The client's address, or its /64.
    Source,
    /// /24 for IPv4, /48 for IPv6.
    Network,
    Path,
    Host,
    /// Everything that matches, together.
    Total,
}

impl LimitKey {
    /// Whether clients who have nothing to do with each other use it up together.
    #[must_use]
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Path | Self::Host | Self::Total)
    }
}

impl From<RateKey> for LimitKey {
    fn from(key: RateKey) -> Self {
        match key {
            RateKey::Source => Self::Source,
            RateKey::Network => Self::Network,
            RateKey::Destination => Self::Host,
            RateKey::Path => Self::Path,
            RateKey::Total => Self::Total,
        }
    }
}

/// What a rule does, in the order in which rules are tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    Block {
        status: u16,
    },
    Limit {
        key: LimitKey,
        rate: Rate,
    },
    Challenge,
    Wait,
    Stale {
        seconds: u32,
    },
    /// At most so many at once.
    Cap {
        most: u32,
    },
}

/// One measure, compiled.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) measure: Box<str>,
    pub(super) act: Act,
    /// Tests beyond the address, cheapest first; all must hold.
    pub(super) tests: Box<[Test]>,
    pub(super) expires: Timestamp,
    /// Hashes of clients below this are in the share that the rule applies to.
    pub(super) share: u64,
    /// Sets the keys and the share of this measure apart from those of others.
    pub(super) salt: u64,
    /// Requests that the upstream works on now, for [`Act::Cap`].
    pub(super) at_once: AtomicU32,
    /// Requests that it refused or challenged (in observe mode: would have) since that was last read. Shared by all
    /// threads, as limits are: it is touched only where a request is held back.
    pub(super) hits: AtomicU64,
}

/// Figures of a plan that belong to the connection or the site rather than to one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SiteMeasures {
    /// Seconds within which a request's header must be complete, and connections per source.
    pub header_deadline: Option<(u32, u32)>,
    /// Requests that the upstream may work on at once.
    pub shed_concurrency: Option<u32>,
    /// Visitors admitted per second.
    pub admitted_per_s: Option<f64>,
}

/// What the table is compiled with beside the plan and the policy.
#[derive(Clone, Copy, Debug)]
pub struct CompileContext {
    pub now: Timestamp,
    /// Unknown to clients; the same for all tables of one run, so that a client stays in or out
    /// of a measure's share.
    pub seed: u64,
}

/// A plan compiled: immutable, and swapped whole.
#[derive(Debug)]
pub struct RuleTable {
    pub(super) generation: u64,
    pub(super) observe: bool,
    /// In the order in which they are tried.
    pub(super) rules: Box<[Rule]>,
    /// Rules that name no address.
    pub(super) anywhere: RuleSet,
    pub(super) by_address: AddressTable,
    pub(super) protected: AddressTable,
    pub(super) seed: u64,
    pub(super) site: SiteMeasures,
}

/// Longest that a request above its limit is delayed instead of refused.
const PATIENCE_NS: u64 = 250_000_000;
/// What a challenged client without a page is told to wait.
const CHALLENGE_RETRY_S: u32 = 30;

impl RuleTable {
    /// Compiles the measures that an HTTP edge enforces; those for other layers are left out.
    ///
    /// # Errors
    /// Every measure that cannot be enforced as it is, all at once.
    pub fn compile(plan: &Plan, policy: &Policy, context: &CompileContext) -> Result<Self, CompileErrors> {
        compile::table(plan, policy, context)
    }

    /// A table without rules.
    #[must_use]
    pub fn empty(policy: &Policy, seed: u64) -> Self {
        compile::empty(policy, seed)
    }

    /// Decides about a request. Limits are charged in `limits`.
    pub fn decide(
        &self,
        limits: &Limits,
        now: Timestamp,
        request: &Request<'_>,
        standing: Standing,
    ) -> Decision {
        let mut decision = Decision::default();
        if self.rules.is_empty() || self.is_protected(request.client) {
            return decision;
        }
        let mut candidates = self.by_address.rules_of(request.client);
        candidates.union(&self.anywhere);
        let texts = Texts::of(request);
        let view = texts.view(request);
        let client = hash::combine(self.seed, hash::address(request.client));
        for index in candidates.iter() {
            let rule = &self.rules[index];
            if !rule.applies(&view, now) {
                continue;
            }
            let own = RuleIndex(index as u16);
            let verdict = rule.verdict(own, &mut decision, request, standing, limits, now);
            // Limits have counted by now: they count everybody, and act on a share.
            let is_concerned = hash::mix(client ^ rule.salt) <= rule.share;
            if verdict == Verdict::Pass || !is_concerned {
                continue;
            }
            let is_final = !matches!(verdict, Verdict::Delay { .. });
            if is_final {
                rule.hits.fetch_add(1, Relaxed);
            }
            decision.rule.get_or_insert(own);
            if self.observe {
                break;
            }
            decision.verdict = later(decision.verdict, verdict);
            if is_final {
                decision.rule = Some(own);
                break;
            }
        }
        if self.observe {
            decision = Decision { rule: decision.rule, ..Decision::default() };
        }
        decision
    }

    /// Whether the policy names the client.
    #[must_use]
    pub fn is_protected(&self, client: IpAddr) -> bool {
        self.protected.contains(client)
    }

    /// Whether the rule's cap leaves room for one more; [`RuleTable::leave`] gives it back.
    #[must_use]
    pub fn enter(&self, cap: RuleIndex) -> bool {
        let Some(rule) = self.rules.get(usize::from(cap.0)) else { return true };
        let Act::Cap { most } = rule.act else { return true };
        let has_room = rule.at_once.fetch_update(Relaxed, Relaxed, |n| (n < most).then_some(n + 1)).is_ok();
        if !has_room {
            rule.hits.fetch_add(1, Relaxed);
        }
        has_room
    }

    /// A request that entered is done.
    pub fn leave(&self, cap: RuleIndex) {
        if let Some(rule) = self.rules.get(usize::from(cap.0)) {
            // Fails at zero only, where there is nothing to give back.
            let _ = rule.at_once.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
        }
    }

    /// Whether any answer is to be kept and served from here.
    #[must_use]
    pub fn serves_stale(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule.act, Act::Stale { .. }))
    }

    /// The ids of the measures that hold requests back, each with how many it did since the last call.
    pub fn take_hits(&self) -> impl Iterator<Item = (&str, u64)> {
        let holding = self.rules.iter().filter(|rule| !matches!(rule.act, Act::Stale { .. }));
        holding.map(|rule| (&*rule.measure, rule.hits.swap(0, Relaxed)))
    }

    /// The id of the measure behind a rule.
    #[must_use]
    pub fn measure(&self, rule: RuleIndex) -> Option<&str> {
        self.rules.get(usize::from(rule.0)).map(|r| &*r.measure)
    }

    /// The plan's generation; 0: no plan.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    #[must_use]
    pub fn site(&self) -> &SiteMeasures {
        &self.site
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Rule {
    fn applies(&self, view: &RequestView<'_>, now: Timestamp) -> bool {
        now < self.expires && self.tests.iter().all(|test| holds_for_request(test, view))
    }

    fn verdict(
        &self,
        index: RuleIndex,
        decision: &mut Decision,
        request: &Request<'_>,
        standing: Standing,
        limits: &Limits,
        now: Timestamp,
    ) -> Verdict {
        match self.act {
            Act::Block { status: 0 } => Verdict::CloseSilently,
            Act::Block { status } => Verdict::Refuse { status, retry_after_s: 0 },
            Act::Limit { key, rate } => {
                let own = hash::combine(self.salt, key_of(key, request));
                let conformance = limits.charge(own, rate, now, PATIENCE_NS);
                // Others have used it up.
                let is_spared = key.is_shared() && standing == Standing::Known;
                if is_spared { Verdict::Pass } else { limited(conformance) }
            }
            Act::Challenge => challenged(request, standing),
            Act::Wait if is_navigation(request) && standing < Standing::Visiting => Verdict::Wait,
            Act::Wait => Verdict::Pass,
            Act::Stale { seconds } => {
                decision.stale_s = decision.stale_s.max(seconds);
                Verdict::Pass
            }
            Act::Cap { .. } => {
                decision.cap.get_or_insert(index);
                Verdict::Pass
            }
        }
    }
}

/// Clients from before the trouble and those that passed, by work or by waiting, go on; pages are challenged; the parts
/// of a visit that is under way go on, so that no page breaks; whatever else has nobody in front
/// of it who could read a page, and is told to come back later.
fn challenged(request: &Request<'_>, standing: Standing) -> Verdict {
    if standing >= Standing::Known || standing == Standing::Patient {
        Verdict::Pass
    } else if is_navigation(request) {
        Verdict::Challenge
    } else if standing == Standing::Visiting {
        Verdict::Pass
    } else {
        Verdict::Refuse { status: 429, retry_after_s: CHALLENGE_RETRY_S }
    }
}

fn limited(conformance: Conformance) -> Verdict {
    match conformance {
        Conformance::Conforms => Verdict::Pass,
        Conformance::Late { wait_ns } => Verdict::Delay { ms: wait_ns.div_ceil(1_000_000) as u32 },
        Conformance::Exceeds { wait_ns } => {
            let seconds = wait_ns.div_ceil(1_000_000_000).clamp(1, 3_600);
            Verdict::Refuse { status: 429, retry_after_s: seconds as u32 }
        }
    }
}

/// The longer of two delays; any other verdict is the last one, and goes before the delays so far.
fn later(old: Verdict, new: Verdict) -> Verdict {
    match (old, new) {
        (Verdict::Delay { ms: a }, Verdict::Delay { ms: b }) => Verdict::Delay { ms: a.max(b) },
        _ => new,
    }
}

fn key_of(key: LimitKey, request: &Request<'_>) -> u64 {
    match key {
        LimitKey::Source => source_key(request.client),
        LimitKey::Network => network_key(request.client),
        LimitKey::Path => hash::bytes(request.path),
        LimitKey::Host => hash::bytes(request.host),
        LimitKey::Total => 0,
    }
}

/// The client's /24, or its /48.
pub(crate) fn network_key(client: IpAddr) -> u64 {
    hash::address(Prefix::network_of(client.to_canonical()).address())
}

/// One subscriber has a /64 of IPv6 addresses at least (RFC 6177).
pub(crate) fn source_key(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V6(v6) => hash::mix((u128::from(v6) >> 64) as u64),
        v4 => hash::address(v4),
    }
}

/// The request's texts as records keep them; borrowed wherever they are plain.
struct Texts<'a> {
    host: std::borrow::Cow<'a, str>,
    path: std::borrow::Cow<'a, str>,
    query: Option<std::borrow::Cow<'a, str>>,
    user_agent: std::borrow::Cow<'a, str>,
    referrer: std::borrow::Cow<'a, str>,
    ja4: std::borrow::Cow<'a, str>,
}

impl<'a> Texts<'a> {
    fn of(request: &Request<'a>) -> Self {
        Self {
            host: kept(request.host),
            path: kept(request.path),
            query: request.query.map(kept),
            user_agent: kept(request.user_agent),
            referrer: kept(request.referrer),
            ja4: kept(request.ja4),
        }
    }

    fn view(&'a self, request: &Request<'_>) -> RequestView<'a> {
        RequestView {
            client: request.client,
            method: request.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            version: request.version,
            status: None,
            user_agent: &self.user_agent,
            referrer: &self.referrer,
            cookie: presence(request.has_cookies()),
            accept_language: presence(!request.accept_language.is_empty()),
            header_order: request.header_order,
            ja4: &self.ja4,
        }
    }
}

#[cfg(test)]
mod tests;

const _: () = assert!(MOST_RULES <= u16::MAX as usize);
