//! The independent checker: refuses plans that no sane operator would enforce, whatever made
//! them. It shares no code with the planner, so that one mistake cannot pass both.

use seawall_model::plan::{Action, Measure, Plan, Scope};
use seawall_model::policy::Policy;
use seawall_model::signature::{Layer, ShareEstimate, Signature, Test, payload_bytes};
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Prefix, Timestamp};
use std::fmt;
use std::net::IpAddr;

/// What the plan is checked against beside the policy.
#[derive(Clone, Copy, Debug)]
pub struct CheckContext<'a> {
    pub now: Timestamp,
    /// Confidence of the verdict that the plan answers.
    pub confidence: f64,
    /// Refinements of the verdict, such as `spoofed`.
    pub vectors: &'a [String],
    /// Addresses that completed a handshake.
    pub proven_sources: &'a [IpAddr],
}

/// Largest share of an address family's space that the sources of a plan may add up to.
const MAX_SPACE_SHARE: f64 = 1.0 / 4_096.0;
/// Smallest and largest IP packet (RFC 791 section 3.1; RFC 8200 section 3).
const PACKET_BYTES: (u32, u32) = (20, 65_575);
/// Share to which a denial with unknown harm may apply at first.
const MAX_BLIND_SHARE: f64 = 0.25;
/// Longest text of a test or an action.
const MAX_TEXT_BYTES: usize = 2_048;

/// One broken rule, with the measure that breaks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// Empty: the plan as a whole.
    pub measure: String,
    pub rule: Rule,
}

/// The rules, each with what was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    Empty,
    DuplicateId,
    EmptyId,
    NoExpiry,
    ExpiryTooFar { seconds: f64, allowed: u32 },
    OutlivesPlan,
    BadInitialShare(f64),
    BadShare,
    BlindDenial { initial_share: f64 },
    BadNumber(&'static str),
    EmptySignature,
    MixedLayers,
    MatchesEverything,
    Impossible(&'static str),
    PrefixTooWide { prefix: Prefix, shortest: u8 },
    TooMuchSpace(f64),
    EmptySources,
    TooManyAddresses { count: usize, allowed: usize },
    ProtectedClient(Prefix),
    ForgeableSources,
    UnprovenSource(Prefix),
    TooMuchHarm { share: f64, allowed: f64 },
    DenialOfEverything,
    DenialWithoutAttack(Cause),
    LowConfidence { confidence: f64, needed: f64 },
    ForeignAnnouncement,
    BlackholeForbidden,
}

/// Checks every rule and reports all that are broken.
///
/// # Errors
/// The broken rules, in the order of the measures, then those of the whole plan.
pub fn check(plan: &Plan, policy: &Policy, context: &CheckContext<'_>) -> Result<(), Vec<Violation>> {
    let mut found = Found { violations: Vec::new(), plan, policy, context };
    for (index, measure) in plan.measures.iter().enumerate() {
        found.measure(measure, &plan.measures[..index]);
    }
    found.whole();
    if found.violations.is_empty() { Ok(()) } else { Err(found.violations) }
}

struct Found<'a> {
    violations: Vec<Violation>,
    plan: &'a Plan,
    policy: &'a Policy,
    context: &'a CheckContext<'a>,
}

impl Found<'_> {
    fn say(&mut self, m: &Measure, rule: Rule) {
        self.violations.push(Violation { measure: m.id.clone(), rule });
    }

    fn measure(&mut self, m: &Measure, earlier: &[Measure]) {
        if m.id.is_empty() {
            self.say(m, Rule::EmptyId);
        }
        if earlier.iter().any(|e| e.id == m.id) {
            self.say(m, Rule::DuplicateId);
        }
        self.expiry(m);
        self.shares(m);
        self.action(m);
        match &m.scope {
            Scope::All => {}
            Scope::Signature(signature) => self.signature(m, signature),
            Scope::Sources(prefixes) => self.sources(m, prefixes),
        }
        if denies(&m.action) {
            self.denial(m);
        }
        if matches!(m.action, Action::FlowSpec { .. } | Action::Blackhole) {
            self.announcement(m);
        }
    }

    fn expiry(&mut self, m: &Measure) {
        if m.expires <= self.context.now || m.expires <= self.plan.created {
            return self.say(m, Rule::NoExpiry);
        }
        let seconds = m.expires.since_s(self.plan.created);
        let allowed = self.policy.measure_lifetime_s.max(1);
        if m.expires.since_ns(self.plan.created) > i64::from(allowed) * SECOND_NS {
            self.say(m, Rule::ExpiryTooFar { seconds, allowed });
        }
        if m.expires > self.plan.expires {
            self.say(m, Rule::OutlivesPlan);
        }
    }

    fn shares(&mut self, m: &Measure) {
        if !(m.initial_share > 0.0 && m.initial_share <= 1.0) {
            self.say(m, Rule::BadInitialShare(m.initial_share));
        }
        let estimates = [Some(m.predicted_effect), m.predicted_harm];
        if estimates.into_iter().flatten().any(|e| !is_estimate(e)) {
            self.say(m, Rule::BadShare);
        }
        if denies(&m.action) && m.predicted_harm.is_none() && m.initial_share > MAX_BLIND_SHARE {
            self.say(m, Rule::BlindDenial { initial_share: m.initial_share });
        }
    }

    fn action(&mut self, m: &Measure) {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let bad = match &m.action {
            Action::WaitingRoom { admitted_per_s } if !positive(*admitted_per_s) => {
                Some("admitted per second")
            }
            Action::RateLimit { per_s, .. } if !positive(*per_s) => Some("rate"),
            Action::RateLimit { burst, .. } if !positive(*burst) => Some("burst"),
            Action::FlowSpec { limit_bytes_per_s: Some(rate) } if !positive(*rate) => {
                Some("bytes per second")
            }
            Action::ServeStale { seconds: 0 } | Action::HeaderDeadline { seconds: 0, .. } => Some("seconds"),
            Action::HeaderDeadline { connections_per_source: 0, .. } => Some("connections per source"),
            Action::Shed { max_concurrency: 0 } => Some("concurrency"),
            Action::Block { status } if !matches!(status, 0 | 400..=599) => Some("status"),
            Action::RollBack { change } if change.is_empty() || change.len() > MAX_TEXT_BYTES => {
                Some("change")
            }
            Action::Investigate { what } if what.is_empty() || what.len() > MAX_TEXT_BYTES => {
                Some("what to look at")
            }
            _ => None,
        };
        if let Some(what) = bad {
            self.say(m, Rule::BadNumber(what));
        }
        if m.action == Action::Blackhole && !self.policy.allow_blackhole {
            self.say(m, Rule::BlackholeForbidden);
        }
    }

    fn denial(&mut self, m: &Measure) {
        let class = self.plan.cause.class();
        if !class.is_hostile() {
            self.say(m, Rule::DenialWithoutAttack(self.plan.cause));
        }
        let (confidence, needed) = (self.context.confidence, self.policy.min_confidence);
        if confidence.is_nan() || confidence < needed {
            self.say(m, Rule::LowConfidence { confidence, needed });
        }
        if m.scope == Scope::All && m.action != Action::Blackhole {
            self.say(m, Rule::DenialOfEverything);
        }
    }

    fn signature(&mut self, m: &Measure, s: &Signature) {
        if s.tests.is_empty() {
            return self.say(m, Rule::EmptySignature);
        }
        for test in &s.tests {
            if !fits_layer(test, s.layer) {
                self.say(m, Rule::MixedLayers);
            }
            if let Some(what) = impossible(test) {
                self.say(m, Rule::Impossible(what));
            }
        }
        if let Some(what) = contradiction(&s.tests) {
            self.say(m, Rule::Impossible(what));
        }
        if s.tests.iter().all(passes_everything) && denies(&m.action) {
            self.say(m, Rule::MatchesEverything);
        }
        if [Some(s.attack), s.baseline, s.baseline_clients].into_iter().flatten().any(|e| !is_estimate(e)) {
            self.say(m, Rule::BadShare);
        }
        let names_senders =
            |t: &Test| matches!(t, Test::Source(_) | Test::SourceCountry(_) | Test::SourceNetworkNumber(_));
        if s.tests.iter().any(names_senders) {
            self.forgery(m, s.layer);
        }
        for test in &s.tests {
            if let Test::Source(prefix) = test {
                self.sender(m, *prefix);
                // A request came over a completed handshake; a packet need not have.
                if s.layer == Layer::Packet {
                    self.proof(m, *prefix);
                }
            }
        }
    }

    fn proof(&mut self, m: &Measure, prefix: Prefix) {
        if !self.context.proven_sources.iter().any(|a| prefix.contains(*a)) {
            self.say(m, Rule::UnprovenSource(prefix));
        }
    }

    fn sources(&mut self, m: &Measure, prefixes: &[Prefix]) {
        if prefixes.is_empty() {
            self.say(m, Rule::EmptySources);
        }
        self.forgery(m, Layer::Http);
        for prefix in prefixes {
            self.sender(m, *prefix);
            self.proof(m, *prefix);
        }
    }

    fn forgery(&mut self, m: &Measure, layer: Layer) {
        let spoofed = self.context.vectors.iter().any(|v| v == "spoofed");
        if spoofed || layer == Layer::Dns || SENDERS_FORGEABLE.contains(&self.plan.cause) {
            self.say(m, Rule::ForgeableSources);
        }
    }

    fn sender(&mut self, m: &Measure, prefix: Prefix) {
        let (v4, v6) = self.policy.min_prefix_bits;
        let shortest = if prefix.address().is_ipv4() { v4.max(1) } else { v6.max(1) };
        if prefix.length_bits() < shortest {
            self.say(m, Rule::PrefixTooWide { prefix, shortest });
        }
        let touched = self.policy.protected_clients.iter().find(|p| p.covers(prefix) || prefix.covers(**p));
        if let Some(protected) = touched {
            self.say(m, Rule::ProtectedClient(*protected));
        }
    }

    fn announcement(&mut self, m: &Measure) {
        let from_target = || m.target.as_deref()?.split_whitespace().next()?.parse::<Prefix>().ok();
        let from_tests = match &m.scope {
            Scope::Signature(s) => s.tests.iter().find_map(|t| match t {
                Test::Destination(prefix) => Some(*prefix),
                _ => None,
            }),
            _ => None,
        };
        // A FlowSpec rule stands on its own tests; what the target says does not reach the router.
        let needs_test = matches!(m.action, Action::FlowSpec { .. });
        let destination = if needs_test { from_tests } else { from_tests.or_else(from_target) };
        let is_ours = destination
            .is_some_and(|d| d.length_bits() > 0 && self.policy.owned_prefixes.iter().any(|p| p.covers(d)));
        if !is_ours {
            self.say(m, Rule::ForeignAnnouncement);
        }
    }

    fn whole(&mut self) {
        let mut say = |rule| self.violations.push(Violation { measure: String::new(), rule });
        if self.plan.measures.is_empty() {
            say(Rule::Empty);
        }
        if self.plan.expires <= self.plan.created {
            say(Rule::NoExpiry);
        }
        let mut senders: Vec<Prefix> = self.plan.measures.iter().flat_map(named_senders).collect();
        senders.sort_unstable();
        senders.dedup();
        let allowed = self.policy.max_address_rules;
        if senders.len() > allowed {
            say(Rule::TooManyAddresses { count: senders.len(), allowed });
        }
        for is_ipv4 in [true, false] {
            let space: f64 =
                senders.iter().filter(|p| p.address().is_ipv4() == is_ipv4).map(|p| p.space_share()).sum();
            if space > MAX_SPACE_SHARE {
                say(Rule::TooMuchSpace(space));
            }
        }
        let harm: f64 = self
            .plan
            .measures
            .iter()
            .filter(|m| m.action != Action::Blackhole)
            .filter_map(|m| Some(weight_of_harm(m) * m.predicted_harm?.share))
            .sum();
        let allowed = self.policy.max_baseline_share;
        // Room for the rounding of a sum that meets the limit exactly.
        if harm.is_nan() || harm > allowed + 1e-9 {
            say(Rule::TooMuchHarm { share: harm, allowed });
        }
    }
}

/// Causes in which nothing proves that a sender's address is its own.
const SENDERS_FORGEABLE: [Cause; 11] = [
    Cause::Amplification,
    Cause::UdpFlood,
    Cause::IcmpFlood,
    Cause::FragmentFlood,
    Cause::SynFlood,
    Cause::TcpFlagFlood,
    Cause::TcpReflection,
    Cause::DnsFlood,
    Cause::DnsRandomSubdomain,
    Cause::DnsReflection,
    Cause::DnsTunnel,
];

fn denies(action: &Action) -> bool {
    matches!(
        action,
        Action::Block { .. } | Action::DropInKernel | Action::FlowSpec { .. } | Action::Blackhole
    )
}

/// How much of a measure's harm counts for what the policy allows. Who does not pass a challenge
/// may come back, so that it counts by the share of traffic that is asked.
fn weight_of_harm(m: &Measure) -> f64 {
    match &m.action {
        Action::Challenge => m.initial_share,
        Action::RateLimit { .. } => 1.0,
        action => f64::from(u8::from(denies(action))),
    }
}

fn named_senders(m: &Measure) -> Vec<Prefix> {
    match &m.scope {
        Scope::All => Vec::new(),
        Scope::Sources(prefixes) => prefixes.clone(),
        Scope::Signature(s) => s
            .tests
            .iter()
            .filter_map(|t| match t {
                Test::Source(prefix) => Some(*prefix),
                _ => None,
            })
            .collect(),
    }
}

fn is_estimate(e: ShareEstimate) -> bool {
    [e.share, e.low, e.high].iter().all(|x| (0.0..=1.0).contains(x)) && e.low <= e.high
}

fn fits_layer(test: &Test, layer: Layer) -> bool {
    match test {
        Test::Source(_) | Test::SourceCountry(_) | Test::SourceNetworkNumber(_) => true,
        Test::LengthBytes { .. } => layer != Layer::Http,
        Test::Destination(_)
        | Test::Protocol(_)
        | Test::SourcePort { .. }
        | Test::DestinationPort { .. }
        | Test::Ttl { .. }
        | Test::TcpFlags(_)
        | Test::TcpWindow(_)
        | Test::TcpOptions(_)
        | Test::Fragment(_)
        | Test::IcmpType(_)
        | Test::PayloadPrefix(_) => layer == Layer::Packet,
        Test::DnsSuffix(_) | Test::DnsType(_) | Test::DnsRecursionDesired(_) => layer == Layer::Dns,
        _ => layer == Layer::Http,
    }
}

/// What about one test cannot exist.
fn impossible(test: &Test) -> Option<&'static str> {
    let text = match test {
        Test::SourcePort { low, high } | Test::DestinationPort { low, high } => {
            return (low > high).then_some("port range ends before it begins");
        }
        Test::LengthBytes { low, high } => {
            return (low > high || *high < PACKET_BYTES.0 || *low > PACKET_BYTES.1)
                .then_some("packet length that cannot exist");
        }
        Test::Ttl { low, high } => return (low > high).then_some("ttl range ends before it begins"),
        Test::Status(status) => {
            return (!(100..=599).contains(status)).then_some("status that cannot exist");
        }
        Test::PayloadPrefix(text) => {
            return payload_bytes(text).is_none().then_some("payload prefix that is no hexadecimal text");
        }
        Test::SourceCountry(code) => {
            let is_code = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
            return (!is_code).then_some("country code that cannot exist");
        }
        Test::SourceNetworkNumber(0) => return Some("network number that cannot exist"),
        Test::Path(t) | Test::PathTemplate(t) | Test::QueryShape(t) | Test::UserAgent(t) => t,
        Test::Host(t) | Test::ReferrerOrigin(t) | Test::Ja4(t) | Test::DnsSuffix(t) => t,
        _ => return None,
    };
    (text.len() > MAX_TEXT_BYTES).then_some("text too long to be matched")
}

/// What about the tests together cannot exist.
fn contradiction(tests: &[Test]) -> Option<&'static str> {
    let protocol = tests.iter().find_map(|t| match t {
        Test::Protocol(n) => Some(*n),
        _ => None,
    });
    let has = |wanted: fn(&Test) -> bool| tests.iter().any(wanted);
    let has_ports = has(|t| matches!(t, Test::SourcePort { .. } | Test::DestinationPort { .. }));
    let has_tcp = has(|t| matches!(t, Test::TcpFlags(_) | Test::TcpWindow(_) | Test::TcpOptions(_)));
    let has_icmp = has(|t| matches!(t, Test::IcmpType(_)));
    let later = has(|t| matches!(t, Test::Fragment(seawall_model::observation::Fragment::Later)));
    match protocol {
        Some(p) if has_tcp && p != 6 => return Some("tcp fields in another protocol"),
        Some(p) if has_ports && p != 6 && p != 17 => return Some("ports in a protocol without ports"),
        Some(p) if has_icmp && p != 1 && p != 58 => return Some("icmp type in another protocol"),
        None if has_tcp && has_icmp => return Some("tcp fields and an icmp type"),
        _ => {}
    }
    if later && (has_ports || has_tcp || has_icmp) {
        return Some("transport fields in a later fragment");
    }
    let shortest = match protocol {
        Some(6) => 40,
        Some(17) => 28,
        _ => 20,
    };
    let too_short = |t: &Test| matches!(t, Test::LengthBytes { high, .. } if !later && *high < shortest);
    let packet = tests.iter().any(|t| fits_layer(t, Layer::Packet) && !fits_layer(t, Layer::Dns));
    if packet && tests.iter().any(too_short) {
        return Some("packet shorter than its headers");
    }
    let mut kinds: Vec<_> = tests.iter().map(std::mem::discriminant).collect();
    let total = kinds.len();
    kinds.dedup();
    (kinds.len() < total).then_some("two tests of one attribute")
}

/// Whether a test matches all traffic of the service, so that alone it narrows nothing.
fn passes_everything(test: &Test) -> bool {
    match test {
        Test::Source(prefix) => prefix.length_bits() == 0,
        Test::Destination(_) | Test::Host(_) => true,
        Test::SourcePort { low, high } => *low <= 1_024 && *high == u16::MAX,
        Test::DestinationPort { .. } => true,
        Test::LengthBytes { low, high } => *low <= 40 && *high >= 1_500,
        Test::Ttl { low, high } => *low <= 1 && *high == u8::MAX,
        Test::Fragment(seawall_model::observation::Fragment::Whole) => true,
        Test::DnsSuffix(suffix) => suffix.is_empty(),
        Test::Protocol(6) => true,
        _ => false,
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.measure.is_empty() { "plan" } else { &self.measure };
        write!(f, "{who}: {}", self.rule)
    }
}

impl std::error::Error for Violation {}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("has no measure"),
            Self::DuplicateId => f.write_str("another measure has the same id"),
            Self::EmptyId => f.write_str("has no id"),
            Self::NoExpiry => f.write_str("does not expire in the future"),
            Self::ExpiryTooFar { seconds, allowed } => {
                write!(f, "expires after {seconds:.0} s, the policy allows {allowed} s")
            }
            Self::OutlivesPlan => f.write_str("expires after its plan"),
            Self::BadInitialShare(share) => write!(f, "initial share {share} is not within 0 and 1"),
            Self::BadShare => f.write_str("a share is not within 0 and 1"),
            Self::BlindDenial { initial_share } => {
                write!(f, "denies with unknown harm at a share of {initial_share} from the start")
            }
            Self::BadNumber(what) => write!(f, "the value of {what} makes no sense"),
            Self::EmptySignature => f.write_str("its signature has no test, so it would match everything"),
            Self::MixedLayers => f.write_str("a test does not belong to the signature's layer"),
            Self::MatchesEverything => f.write_str("its signature matches everything to the service"),
            Self::Impossible(what) => write!(f, "tests something impossible: {what}"),
            Self::PrefixTooWide { prefix, shortest } => {
                write!(f, "names {prefix}, wider than the /{shortest} that the policy allows")
            }
            Self::TooMuchSpace(share) => write!(f, "its sources are {share:.6} of the address space"),
            Self::EmptySources => f.write_str("names no source"),
            Self::TooManyAddresses { count, allowed } => {
                write!(f, "names {count} sources, the policy allows {allowed}")
            }
            Self::ProtectedClient(prefix) => write!(f, "touches the protected client {prefix}"),
            Self::ForgeableSources => f.write_str("stands on source addresses that may be forged"),
            Self::UnprovenSource(prefix) => write!(f, "names {prefix}, which is not proven to be real"),
            Self::TooMuchHarm { share, allowed } => {
                write!(f, "would hit {share:.4} of normal traffic, the policy allows {allowed:.4}")
            }
            Self::DenialOfEverything => f.write_str("denies everything to the target"),
            Self::DenialWithoutAttack(cause) => write!(f, "denies traffic although the verdict is {cause}"),
            Self::LowConfidence { confidence, needed } => {
                write!(f, "denies traffic at confidence {confidence:.2}, the policy needs {needed:.2}")
            }
            Self::ForeignAnnouncement => f.write_str("announces a route outside the owned prefixes"),
            Self::BlackholeForbidden => f.write_str("the policy forbids blackholes"),
        }
    }
}
