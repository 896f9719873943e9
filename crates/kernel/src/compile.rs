//! A plan to rules: the measures that packets can be judged by, and of the others why not.

use crate::rule::{
    Act, Asks, Conjunction, Cookies, Kind, PAYLOAD_LIMIT_BYTES, RULE_LIMIT, Rule, SUFFIX_LIMIT_BYTES,
    WHOLE_SHARE,
};
use seawall_model::Prefix;
use seawall_model::observation::protocol;
use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::{Layer, Signature, Test, payload_bytes};
use std::net::SocketAddr;

/// Where name servers are asked.
const DNS_PORT: u16 = 53;

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
/// limits of packets and of questions for names, and cookies. Everything else belongs to other enforcers.
#[must_use]
pub fn concerns_packets(plan: &Plan, measure: &Measure) -> bool {
    let layer = match &measure.scope {
        Scope::Signature(signature) => signature.layer,
        Scope::All | Scope::Sources(_) => plan.cause.layer(),
    };
    match &measure.action {
        Action::DropInKernel | Action::SynCookies => true,
        Action::Block { .. } => {
            layer == Layer::Packet
                || is_about_questions(measure)
                || matches!(measure.scope, Scope::Sources(_))
        }
        Action::RateLimit { .. } => layer == Layer::Packet || is_about_questions(measure),
        _ => false,
    }
}

/// Whether a measure is about what name servers are asked, by a signature. Where a front of name servers
/// stands, that is its business: it knows which names exist.
#[must_use]
pub fn is_about_questions(measure: &Measure) -> bool {
    matches!(&measure.scope, Scope::Signature(signature) if signature.layer == Layer::Dns)
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
    let mut all = match signature.layer {
        Layer::Packet => Conjunction::default(),
        Layer::Dns => Conjunction {
            protocol: Some(protocol::UDP),
            destination_port: Some((DNS_PORT, DNS_PORT)),
            asks: Some(Asks::default()),
            ..Conjunction::default()
        },
        Layer::Http => return Err("it is about what packets do not show; the edge tests it".to_owned()),
    };
    for test in &signature.tests {
        add(&mut all, test)?;
    }
    Ok(all)
}

/// A name as packets have it.
fn wire_form(name: &str) -> Result<Vec<u8>, String> {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let mut wire = Vec::new();
    for label in name.split('.') {
        if !(1..=63).contains(&label.len()) || !label.bytes().all(is_letter) {
            return Err("the name has characters that no host name has".to_owned());
        }
        wire.push(label.len() as u8);
        wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
    }
    wire.push(0);
    if wire.len() > SUFFIX_LIMIT_BYTES {
        return Err(format!("the kernel tests {SUFFIX_LIMIT_BYTES} bytes of a name"));
    }
    Ok(wire)
}

/// Adds one test of a question.
fn add_asked(asks: &mut Asks, test: &Test) -> Result<(), String> {
    match test {
        Test::DnsSuffix(name) if asks.suffix.is_empty() => {
            asks.suffix = wire_form(name)?;
            Ok(())
        }
        Test::DnsSuffix(_) => Err("two tests of one attribute".to_owned()),
        Test::DnsType(number) => put(&mut asks.dns_type, *number),
        Test::DnsRecursionDesired(desired) => put(&mut asks.recursion_desired, *desired),
        other => Err(format!("the kernel does not test this of a question: {other}")),
    }
}

fn put<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        Some(_) => Err("two tests of one attribute".to_owned()),
        None => Ok(()),
    }
}

/// Adds one test. Two tests of one attribute are not merged: a plan has none.
fn add(all: &mut Conjunction, test: &Test) -> Result<(), String> {
    match test {
        Test::Source(prefix) => put(&mut all.source, *prefix),
        Test::SourceCountry(_) | Test::SourceNetworkNumber(_) => {
            Err("the kernel knows no country or network number; name its prefixes instead".to_owned())
        }
        Test::Destination(prefix) => put(&mut all.destination, *prefix),
        Test::Protocol(number) => put(&mut all.protocol, *number),
        Test::SourcePort { low, high } => put(&mut all.source_port, (*low, *high)),
        Test::DestinationPort { low, high } => put(&mut all.destination_port, (*low, *high)),
        // Of a question it is that of the message.
        Test::LengthBytes { low, high } if all.asks.is_none() => put(&mut all.length_bytes, (*low, *high)),
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
        other => match &mut all.asks {
            Some(asks) => add_asked(asks, other),
            None => Err(format!("packets do not show this: {other}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Cause;
    use seawall_model::signature::ShareEstimate;
    use seawall_model::{Timestamp, time::SECOND_NS};

    fn plan(action: Action, tests: Vec<Test>) -> Plan {
        let unknown = ShareEstimate { share: 0.5, low: 0.0, high: 1.0 };
        let signature = Signature {
            layer: Layer::Dns,
            tests,
            attack: unknown,
            baseline: None,
            baseline_clients: None,
            examples: Vec::new(),
        };
        let expires = Timestamp(60 * SECOND_NS);
        let measure = Measure {
            id: "m1".into(),
            action,
            scope: Scope::Signature(signature),
            target: None,
            predicted_effect: unknown,
            predicted_harm: None,
            expires,
            initial_share: 1.0,
        };
        let cause = Cause::DnsRandomSubdomain;
        let created = Timestamp(0);
        Plan { generation: 1, parent: None, cause, created, expires, measures: vec![measure] }
    }

    /// Broke: a plan's limit of what is asked below a suffix reached no packet filter.
    #[test]
    fn what_is_asked_below_a_suffix_is_limited() {
        let limit = Action::RateLimit { key: RateKey::Total, per_s: 50.0, burst: 100.0 };
        let policy = Policy::default();
        let suffix = |text: &str| vec![Test::DnsSuffix(text.into())];
        let (rules, refused) = compile(&plan(limit.clone(), suffix("Shop.example")), &policy);
        let Kind::Match(conjunction, Act::Limit { .. }) = &rules[0].kind else { panic!("{rules:?}") };
        assert_eq!(refused, Vec::new());
        assert_eq!((conjunction.protocol, conjunction.destination_port), (Some(17), Some((53, 53))));
        assert_eq!(conjunction.asks.as_ref().expect("a question").suffix, b"\x04shop\x07example\0");
        for name in ["", "a..b", "b\\046.example", &format!("{}.example", "a".repeat(60))] {
            let (rules, refused) = compile(&plan(limit.clone(), suffix(name)), &policy);
            assert_eq!((rules.len(), refused.len()), (0, 1), "{name}");
        }
        let lengths = vec![Test::LengthBytes { low: 40, high: 60 }];
        assert_eq!(compile(&plan(limit, lengths), &policy).1.len(), 1, "of the message, not of the packet");
    }
}
