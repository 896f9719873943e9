//! From a plan to a rule table: every fault of every measure is told at once, and a plan with a
//! fault becomes no table.

use super::address_table::{AddressTable, MOST_RULES, RuleSet};
use super::decision::{CompileError, CompileErrors, CompileFault};
use super::limit::Rate;
use super::rules::{Act, CompileContext, LimitKey, Rule, RuleTable, SiteMeasures};
use seawall_model::plan::{Action, Measure, Plan, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::{Layer, Signature, Test};
use seawall_model::{Prefix, hash};
use std::sync::atomic::{AtomicU32, AtomicU64};

pub(super) fn empty(policy: &Policy, seed: u64) -> RuleTable {
    let draft = Draft { errors: Vec::new(), drafts: Vec::new(), site: SiteMeasures::default() };
    draft.into_table(0, policy, seed)
}

pub(super) fn table(
    plan: &Plan,
    policy: &Policy,
    context: &CompileContext,
) -> Result<RuleTable, CompileErrors> {
    let mut draft = Draft { errors: Vec::new(), drafts: Vec::new(), site: SiteMeasures::default() };
    for measure in plan.measures.iter().filter(|m| is_for_http(m)) {
        draft.measure(measure, plan, policy, context);
    }
    draft.whole(policy);
    if draft.errors.is_empty() {
        Ok(draft.into_table(plan.generation, policy, context.seed))
    } else {
        Err(CompileErrors(draft.errors))
    }
}

struct Draft {
    errors: Vec<CompileError>,
    drafts: Vec<(Rule, Vec<Prefix>)>,
    site: SiteMeasures,
}

impl Draft {
    fn say(&mut self, measure: &Measure, fault: CompileFault) {
        self.errors.push(CompileError { measure: measure.id.clone(), fault });
    }

    fn measure(&mut self, m: &Measure, plan: &Plan, policy: &Policy, context: &CompileContext) {
        if m.expires <= context.now || plan.expires <= context.now {
            self.say(m, CompileFault::Expired);
        }
        if !(m.initial_share > 0.0 && m.initial_share <= 1.0) {
            self.say(m, CompileFault::BadInitialShare(m.initial_share));
        }
        self.permission(m, plan);
        let (addresses, tests) = self.scope(m, policy);
        let act = match self.act(m) {
            Ok(act) => act,
            Err(fault) => return self.say(m, fault),
        };
        let Some(act) = act else { return };
        let salt = hash::combine(context.seed, hash::bytes(m.id.as_bytes()));
        self.drafts.push((
            Rule {
                measure: m.id.as_str().into(),
                act,
                tests: tests.into(),
                expires: m.expires.min(plan.expires),
                share: share_of_hashes(m.initial_share),
                salt,
                at_once: AtomicU32::new(0),
                hits: AtomicU64::new(0),
            },
            addresses,
        ));
    }

    /// The last of several guards: whatever made the plan, people are not denied here.
    fn permission(&mut self, m: &Measure, plan: &Plan) {
        let denies = matches!(m.action, Action::Block { .. });
        let is_hostile = plan.cause.class().is_hostile();
        if (denies || m.action == Action::Challenge) && !is_hostile {
            self.say(m, CompileFault::DenialWithoutAttack);
        }
        if denies && m.scope == Scope::All {
            self.say(m, CompileFault::DenialOfEverything);
        }
    }

    /// Addresses that anchor the rule, and tests beyond them.
    fn scope(&mut self, m: &Measure, policy: &Policy) -> (Vec<Prefix>, Vec<Test>) {
        let (addresses, mut tests) = match &m.scope {
            Scope::All => (Vec::new(), Vec::new()),
            Scope::Sources(prefixes) => {
                if prefixes.is_empty() {
                    self.say(m, CompileFault::EmptyScope);
                }
                (prefixes.clone(), Vec::new())
            }
            Scope::Signature(signature) => self.signature(m, signature),
        };
        for prefix in &addresses {
            let (v4, v6) = policy.min_prefix_bits;
            let shortest_bits = if prefix.address().is_ipv4() { v4 } else { v6 };
            if prefix.length_bits() < shortest_bits {
                let prefix = prefix.to_string();
                self.say(m, CompileFault::PrefixTooWide { prefix, shortest_bits });
            }
        }
        tests.sort_by_key(cost);
        (addresses, tests)
    }

    /// The longest prefix that the signature names anchors it; others stay tests.
    fn signature(&mut self, m: &Measure, s: &Signature) -> (Vec<Prefix>, Vec<Test>) {
        if s.tests.is_empty() {
            self.say(m, CompileFault::EmptyScope);
        }
        for test in s.tests.iter().filter(|t| cost(t) == UNTESTABLE) {
            self.say(m, CompileFault::UntestableHere(test.to_string()));
        }
        let named = |t: &Test| match t {
            Test::Source(prefix) => Some(*prefix),
            _ => None,
        };
        let anchor = s.tests.iter().filter_map(named).max_by_key(|p| p.length_bits());
        let rest = s.tests.iter().filter(|t| anchor.is_none() || named(t) != anchor).cloned().collect();
        (anchor.into_iter().collect(), rest)
    }

    /// What the rule does; `None` where the measure belongs to the site as a whole.
    fn act(&mut self, m: &Measure) -> Result<Option<Act>, CompileFault> {
        let act = match &m.action {
            Action::Block { status: status @ (0 | 400..=599) } => Act::Block { status: *status },
            Action::Block { status } => return Err(CompileFault::BadStatus(*status)),
            Action::RateLimit { key, per_s, burst } => {
                let rate = Rate::new(*per_s, *burst).ok_or(CompileFault::BadNumber("the rate"))?;
                Act::Limit { key: LimitKey::from(*key), rate }
            }
            Action::Challenge => Act::Challenge,
            Action::WaitingRoom { admitted_per_s } if admitted_per_s.is_finite() && *admitted_per_s > 0.0 => {
                self.site.admitted_per_s = Some(*admitted_per_s);
                Act::Wait
            }
            Action::WaitingRoom { .. } => return Err(CompileFault::BadNumber("visitors per second")),
            Action::ServeStale { seconds: 0 } => return Err(CompileFault::BadNumber("seconds")),
            Action::ServeStale { seconds } => Act::Stale { seconds: *seconds },
            Action::Shed { max_concurrency: 0 } => return Err(CompileFault::BadNumber("requests at once")),
            Action::Shed { max_concurrency } if m.scope == Scope::All => {
                let most = self.site.shed_concurrency.unwrap_or(u32::MAX).min(*max_concurrency);
                self.site.shed_concurrency = Some(most);
                return Ok(None);
            }
            Action::Shed { max_concurrency } => Act::Cap { most: *max_concurrency },
            Action::HeaderDeadline { seconds: 0, .. } => return Err(CompileFault::BadNumber("seconds")),
            Action::HeaderDeadline { seconds, connections_per_source } => {
                self.site.header_deadline = Some((*seconds, *connections_per_source));
                return Ok(None);
            }
            _ => return Ok(None),
        };
        Ok(Some(act))
    }

    fn whole(&mut self, policy: &Policy) {
        let mut say = |fault| self.errors.push(CompileError { measure: String::new(), fault });
        let count = self.drafts.len();
        if count > MOST_RULES {
            say(CompileFault::TooManyMeasures { count, allowed: MOST_RULES });
        }
        let count: usize = self.drafts.iter().map(|(_, addresses)| addresses.len()).sum();
        let allowed = policy.max_address_rules;
        if count > allowed {
            say(CompileFault::TooManyAddresses { count, allowed });
        }
    }

    fn into_table(mut self, generation: u64, policy: &Policy, seed: u64) -> RuleTable {
        self.drafts.sort_by_key(|(rule, _)| order(&rule.act));
        let mut anywhere = RuleSet::default();
        let mut entries = Vec::new();
        let mut rules = Vec::with_capacity(self.drafts.len());
        for (index, (rule, addresses)) in self.drafts.into_iter().enumerate() {
            if addresses.is_empty() {
                anywhere.insert(index);
            }
            entries.extend(addresses.into_iter().map(|prefix| (prefix, index)));
            rules.push(rule);
        }
        let protected: Vec<(Prefix, usize)> = policy.protected_clients.iter().map(|p| (*p, 0)).collect();
        RuleTable {
            generation,
            observe: policy.mode == Mode::Observe,
            rules: rules.into(),
            anywhere,
            by_address: AddressTable::new(&entries, seed),
            protected: AddressTable::new(&protected, seed),
            seed,
            site: self.site,
        }
    }
}

/// Where a rule stands in the order of trial: what decides for good and costs least first, and what
/// all clients share after what keeps strangers off it.
fn order(act: &Act) -> (u8, Option<LimitKey>) {
    match act {
        Act::Stale { .. } => (0, None),
        Act::Cap { .. } => (1, None),
        Act::Block { .. } => (2, None),
        Act::Limit { key, .. } if !key.is_shared() => (3, Some(*key)),
        Act::Challenge => (4, None),
        Act::Limit { key, .. } => (5, Some(*key)),
        Act::Wait => (6, None),
    }
}

/// Whether the measure is one that an HTTP edge carries out.
fn is_for_http(m: &Measure) -> bool {
    let is_here = matches!(&m.scope, Scope::All | Scope::Sources(_))
        || matches!(&m.scope, Scope::Signature(s) if s.layer == Layer::Http);
    let acts_here = matches!(
        m.action,
        Action::Block { .. }
            | Action::RateLimit { .. }
            | Action::Challenge
            | Action::WaitingRoom { .. }
            | Action::ServeStale { .. }
            | Action::Shed { .. }
            | Action::HeaderDeadline { .. }
    );
    is_here && acts_here
}

const UNTESTABLE: u8 = u8::MAX;

/// Rank of a test by what it costs; [`UNTESTABLE`]: it cannot hold for a request that is not
/// answered yet.
fn cost(test: &Test) -> u8 {
    match test {
        Test::Method(_) | Test::HttpVersion(_) | Test::Cookie(_) | Test::AcceptLanguage(_) => 0,
        Test::HeaderOrder(_) | Test::Source(_) => 1,
        Test::Host(_) | Test::Path(_) | Test::UserAgent(_) | Test::Ja4(_) => 2,
        Test::ReferrerOrigin(_) | Test::QueryShape(_) => 3,
        Test::PathTemplate(_) => 4,
        _ => UNTESTABLE,
    }
}

/// The hash up to which clients belong to a share.
fn share_of_hashes(share: f64) -> u64 {
    if share >= 1.0 { u64::MAX } else { (share.max(0.0) * u64::MAX as f64) as u64 }
}
