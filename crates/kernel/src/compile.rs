//! A plan to rules: the measures that packets can be judged by, and of the others why not.

use crate::rule::{Act, Conjunction, Cookies, Kind, PAYLOAD_LIMIT_BYTES, RULE_LIMIT, Rule, WHOLE_SHARE};
use seawall_model::Prefix;
use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::{Layer, Signature, Test, payload_bytes};
use std::net::SocketAddr;

/// A measure that the kernel filter cannot take, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub measure: String,
    pub reason: String,
}

/// The rules of a plan that the checker let pass. In observe mode they count and drop nothing.
#[must_use]
pub fn compile(plan: &Plan, policy: &Policy) -> (Vec<Rule>, Vec<Refusal>) {
    let mut rules: Vec<Rule> = Vec::new();
    let mut refusals = Vec::new();
    let mut conjunctions = 0;
    for measure in plan.measures.iter().filter(|m| concerns_packets(plan, m)) {
        let taken = kind(measure, &policy.protected_clients).and_then(|kind| {
            conjunctions += usize::from(matches!(kind, Kind::Match(..)));
            if conjunctions > RULE_LIMIT {
                return Err(format!("the kernel takes {RULE_LIMIT} signatures at a time"));
            }
            Ok(rule(measure, kind, policy.mode))
        });
        match taken {
            Ok(rule) => rules.push(rule),
            Err(reason) => refusals.push(Refusal { measure: measure.id.clone(), reason }),
        }
    }
    (rules, refusals)
}

/// Whether a measure is one that a packet filter could take: denials by address, denials and
/// limits of packets, and cookies. Everything else belongs to other enforcers.
#[must_use]
pub fn concerns_packets(plan: &Plan, measure: &Measure) -> bool {
    let layer = match &measure.scope {
        Scope::Signature(signature) => signature.layer,
        Scope::All | Scope::Sources(_) => plan.cause.layer(),
    };
    match &measure.action {
        Action::DropInKernel | Action::SynCookies => true,
        Action::Block { .. } => layer == Layer::Packet || matches!(measure.scope, Scope::Sources(_)),
        Action::RateLimit { .. } => layer == Layer::Packet,
        _ => false,
    }
}

fn rule(measure: &Measure, kind: Kind, mode: Mode) -> Rule {
    let share = (measure.initial_share * f64::from(WHOLE_SHARE)).round();
    Rule {
        measure: measure.id.clone(),
        words: words(measure),
        kind,
        expires: measure.expires,
        share: share.clamp(1.0, f64::from(WHOLE_SHARE)) as u16,
        enforce: mode == Mode::Enforce,
    }
}

fn words(measure: &Measure) -> String {
    let whom = match &measure.scope {
        Scope::All => "everything".to_owned(),
        Scope::Signature(signature) => signature.to_string(),
        Scope::Sources(prefixes) => format!("{} sources", prefixes.len()),
    };
    format!("{} {}: {whom}", measure.id, measure.action.name())
}

fn kind(measure: &Measure, protected: &[Prefix]) -> Result<Kind, String> {
    let act = match &measure.action {
        Action::SynCookies => return Ok(Kind::Cookies(cookies(measure.target.as_deref()))),
        Action::RateLimit { key: RateKey::Path, .. } => return Err("packets have no path".to_owned()),
        Action::RateLimit { key, per_s, burst } if *per_s > 0.0 && per_s.is_finite() => {
            Act::Limit { key: *key, per_s: *per_s, burst: *burst }
        }
        Action::RateLimit { .. } => return Err("its rate is no rate".to_owned()),
        _ => Act::Drop,
    };
    let conjunction = match (&measure.scope, act) {
        (Scope::Sources(prefixes), Act::Drop) => return block(prefixes, protected),
        (Scope::Sources(_), Act::Limit { .. }) => {
            return Err("limits of listed sources are for the edge".to_owned());
        }
        (Scope::All, Act::Drop) => return Err("it would drop everything".to_owned()),
        (Scope::All, Act::Limit { .. }) => Conjunction::default(),
        (Scope::Signature(signature), _) => conjunction(signature)?,
    };
    if act == Act::Drop && conjunction.is_empty() {
        return Err("it would drop everything".to_owned());
    }
    if let Some(source) = conjunction.source {
        lets_in(source, protected)?;
    }
    Ok(Kind::Match(conjunction, act))
}

/// Cookies at the port of the target, where it names one.
fn cookies(target: Option<&str>) -> Cookies {
    let port = target.and_then(|t| t.parse::<SocketAddr>().ok()).map(|address| address.port());
    Cookies { ports: port.into_iter().collect(), ..Cookies::default() }
}

fn block(prefixes: &[Prefix], protected: &[Prefix]) -> Result<Kind, String> {
    for prefix in prefixes {
        if prefix.length_bits() == 0 {
            return Err("it would block everybody".to_owned());
        }
        lets_in(*prefix, protected)?;
    }
    Ok(Kind::Block(prefixes.to_vec()))
}

fn lets_in(source: Prefix, protected: &[Prefix]) -> Result<(), String> {
    match protected.iter().find(|p| p.covers(source) || source.covers(**p)) {
        Some(p) => Err(format!("{source} touches the protected {p}")),
        None => Ok(()),
    }
}

/// The conjunction of a signature of packets.
///
/// # Errors
/// Why the kernel cannot test it.
pub fn conjunction(signature: &Signature) -> Result<Conjunction, String> {
    if signature.layer != Layer::Packet {
        return Err("it is about what packets do not show; the edge tests it".to_owned());
    }
    let mut all = Conjunction::default();
    for test in &signature.tests {
        add(&mut all, test)?;
    }
    Ok(all)
}

/// Adds one test. Two tests of one attribute are not merged: a plan has none.
fn add(all: &mut Conjunction, test: &Test) -> Result<(), String> {
    fn put<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
        match place.replace(value) {
            Some(_) => Err("two tests of one attribute".to_owned()),
            None => Ok(()),
        }
    }
    match test {
        Test::Source(prefix) => put(&mut all.source, *prefix),
        Test::Destination(prefix) => put(&mut all.destination, *prefix),
        Test::Protocol(number) => put(&mut all.protocol, *number),
        Test::SourcePort { low, high } => put(&mut all.source_port, (*low, *high)),
        Test::DestinationPort { low, high } => put(&mut all.destination_port, (*low, *high)),
        Test::LengthBytes { low, high } => put(&mut all.length_bytes, (*low, *high)),
        Test::Ttl { low, high } => put(&mut all.ttl, (*low, *high)),
        Test::TcpFlags(flags) => put(&mut all.tcp_flags, *flags),
        Test::TcpWindow(window) => put(&mut all.tcp_window, *window),
        Test::TcpOptions(hash) => put(&mut all.tcp_options, *hash),
        Test::Fragment(fragment) => put(&mut all.fragment, *fragment),
        Test::IcmpType(kind) => put(&mut all.icmp_type, *kind),
        Test::PayloadPrefix(text) if all.payload.is_empty() => {
            let no_payload =
                || format!("its payload prefix is no hexadecimal text of 1 to {PAYLOAD_LIMIT_BYTES} bytes");
            all.payload = payload_bytes(text).ok_or_else(no_payload)?;
            Ok(())
        }
        Test::PayloadPrefix(_) => Err("two tests of one attribute".to_owned()),
        Test::SourceCountry(_) | Test::SourceNetworkNumber(_) => {
            Err("the kernel knows no country or network number; name its prefixes instead".to_owned())
        }
        other => Err(format!("packets do not show this: {other}")),
    }
}
