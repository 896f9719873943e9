//! Scopes: the traffic that a rung is about, made from signatures, rankings and the cause.

use crate::capacity::is_short;
use crate::forecast::exact;
use crate::ladder::{Ladder, Over};
use crate::planner::PlanInput;
use seawall_model::cause::Class;
use seawall_model::finding::Ranked;
use seawall_model::metric::Metric;
use seawall_model::observation::{Fragment, HttpVersion, Method, protocol, tcp_flags};
use seawall_model::plan::Scope;
use seawall_model::signature::{Layer, ShareEstimate, Signature, Test};
use seawall_model::{Cause, Prefix};
use std::net::IpAddr;

/// Heaviest proven sources that one measure names.
const MAX_SOURCES: usize = 10;
/// Share of the traffic from which a source counts as heavy.
const HEAVY_SHARE: f64 = 0.02;
/// How much heavier than normal a source must be.
const TIMES_NORMAL: f64 = 10.0;
/// Share of normal traffic from which a browser is visitors'.
const VISITORS_SHARE: f64 = 0.02;
/// Share of all from which one sender is what it is about.
const NEARLY_ALL: f64 = 0.9;
/// Part of what has come on top from which it is about one path, and least share of all that it then has:
/// the rest may be visitors' who come at the same time.
const MOST_RISEN: f64 = 0.8;
const RISEN_LEAST: f64 = 0.2;
/// Requests that one visitor makes at once: a page comes with its parts. A flood that has just begun
/// is so few requests that a visitor among them looks heavy.
const ONE_VISIT: f64 = 30.0;

/// Share of all by which a path has risen that a second attack is about.
const RISEN_BESIDE: f64 = 0.03;

/// A crowd that is as likely as this may be there beside what it is.
const A_CROWD: f64 = 0.1;

/// A scope, or why there is none.
pub(crate) type Scoped = Result<Scope, String>;

/// Every scope that a rung covers.
pub(crate) fn scopes(over: Over, ladder: &Ladder, input: &PlanInput<'_>) -> Vec<Scoped> {
    match over {
        Over::All => vec![Ok(Scope::All)],
        Over::AllUnlessOne => {
            let one = one_sender(ladder, input).or_else(|| one_path(ladder, input));
            vec![Ok(one.unwrap_or(Scope::All))]
        }
        Over::Signatures => signatures(ladder, input),
        Over::Kind => vec![kind(ladder, input)],
        Over::Sources => vec![sources(ladder, input)],
    }
}

/// Signatures that can stand for the cause, and why others cannot.
pub(crate) fn signatures(ladder: &Ladder, input: &PlanInput<'_>) -> Vec<Scoped> {
    let of_layer: Vec<&Signature> = input.signatures.iter().filter(|s| s.layer == ladder.layer).collect();
    if of_layer.is_empty() {
        return vec![Err("no narrow signature sets the unwanted traffic apart".to_owned())];
    }
    of_layer.into_iter().map(|s| usable(s, ladder, input).map(|()| Scope::Signature(s.clone()))).collect()
}

/// Share of the attack that usable signatures hold together, at most.
pub(crate) fn narrow_cover(ladder: &Ladder, input: &PlanInput<'_>) -> f64 {
    signatures(ladder, input)
        .iter()
        .filter_map(|s| match s {
            Ok(Scope::Signature(s)) => Some(s.attack.share),
            _ => None,
        })
        .sum::<f64>()
        .min(1.0)
}

fn usable(signature: &Signature, ladder: &Ladder, input: &PlanInput<'_>) -> Result<(), String> {
    if signature.tests.is_empty() {
        return Err("the signature has no test".to_owned());
    }
    if signature.tests.iter().all(is_commonplace) {
        return Err("its tests hold for ordinary traffic as well".to_owned());
    }
    if signature.names_sources() && is_forged(ladder, input) {
        return Err("it stands on addresses that may be forged".to_owned());
    }
    if let Some(why) = too_wide(signature, input) {
        return Err(why);
    }
    if takes_a_page_away(signature, ladder.cause) {
        return Err("it tells only what is asked for, which visitors ask for too".to_owned());
    }
    if is_a_page_of_a_crowd(signature, input) {
        return Err("it tells only what is asked for, and a crowd has come that may want it".to_owned());
    }
    if takes_a_browser_away(signature, input) {
        return Err("it tells only a browser and what is asked for: visitors use that browser too".to_owned());
    }
    if takes_a_network_away(signature) {
        return Err(
            "it tells only the hosts that are attacked: nothing of its kind would reach them".to_owned()
        );
    }
    if signature.tests.iter().any(|t| matches!(t, Test::Status(_))) {
        return Err(
            "it tests the answer's status, which is known only after the request was served".to_owned()
        );
    }
    match signature.baseline {
        Some(b) if b.share > input.policy.max_baseline_share => Err(format!(
            "it would hit {:.1} % of normal traffic, and the policy allows {:.1} %",
            b.share * 100.0,
            input.policy.max_baseline_share * 100.0
        )),
        _ => Ok(()),
    }
}

/// Whether a test describes the service or all traffic rather than the attack.
fn is_commonplace(test: &Test) -> bool {
    match test {
        Test::Source(prefix) => prefix.length_bits() == 0,
        Test::SourcePort { low, high } => high.saturating_sub(*low) >= 1 << 15,
        Test::LengthBytes { low, high } => high.saturating_sub(*low) >= 1_000,
        Test::Ttl { low, high } => high.saturating_sub(*low) >= 128,
        Test::DnsSuffix(suffix) => !suffix.contains('.'),
        Test::Destination(_)
        | Test::DestinationPort { .. }
        | Test::Host(_)
        | Test::Fragment(Fragment::Whole)
        | Test::Protocol(protocol::TCP)
        | Test::Method(Method::Get)
        | Test::HttpVersion(HttpVersion::Http11 | HttpVersion::Http2)
        | Test::Status(200) => true,
        _ => false,
    }
}

/// Whether a test tells which page is asked for, and how.
fn is_of_a_page(test: &Test) -> bool {
    matches!(
        test,
        Test::Method(_) | Test::Host(_) | Test::Path(_) | Test::PathTemplate(_) | Test::HttpVersion(_)
    )
}

/// Whether a test wants nothing where visitors may have something: no query, or no page that they come from.
fn is_bare(test: &Test) -> bool {
    matches!(test, Test::ReferrerOrigin(text) | Test::QueryShape(text) if text.is_empty())
}

/// Whether nothing but a page is named that visitors want as well: however few of them are among normal
/// traffic, as at a log-in, it would be gone for all of them.
fn takes_a_page_away(signature: &Signature, cause: Cause) -> bool {
    let is_what = |test: &Test| is_of_a_page(test) || matches!(test, Test::QueryShape(_));
    let is_wanted = cause == Cause::CredentialAbuse || signature.baseline.is_some_and(|b| b.share > 0.0);
    signature.layer == Layer::Http && is_wanted && signature.tests.iter().all(is_what)
}

/// Whether nothing but a page is named, typed in or by a bookmark as much as by programs, while a crowd goes on
/// beside the attack: nobody asked for the page of a sale before it began.
fn is_a_page_of_a_crowd(signature: &Signature, input: &PlanInput<'_>) -> bool {
    let is_page = |test: &Test| is_of_a_page(test) || is_bare(test);
    let has_crowd = input.diagnosis.also.iter().any(|verdict| verdict.class == Class::Demand)
        || input
            .diagnosis
            .hypotheses
            .iter()
            .any(|h| h.cause.class() == Class::Demand && h.confidence >= A_CROWD);
    signature.layer == Layer::Http && has_crowd && signature.tests.iter().all(is_page)
}

/// Whether nothing but a browser is named that visitors use as well, and what they want: they are hit at the
/// hour at which they come, whatever the share of normal traffic.
fn takes_a_browser_away(signature: &Signature, input: &PlanInput<'_>) -> bool {
    let is_visitors = |agent: &str| {
        let mut ranked = input.rankings.of("user agent").iter();
        ranked.any(|r| r.name == agent && r.baseline_share.is_some_and(|share| share >= VISITORS_SHARE))
    };
    let is_theirs = |test: &Test| match test {
        Test::UserAgent(agent) => is_visitors(agent),
        Test::Method(Method::Get) | Test::Host(_) | Test::Path(_) | Test::HttpVersion(_) => true,
        test => is_bare(test),
    };
    let names_agent = signature.tests.iter().any(|t| matches!(t, Test::UserAgent(_)));
    signature.layer == Layer::Http && names_agent && signature.tests.iter().all(is_theirs)
}

/// Whether nothing but a protocol is named, and a network of ours as a whole.
fn takes_a_network_away(signature: &Signature) -> bool {
    let is_all = |test: &Test| match test {
        Test::DestinationPort { low, high } => high.saturating_sub(*low) >= 1 << 15,
        Test::Protocol(_) => true,
        test => is_commonplace(test),
    };
    let is_network = |prefix: Prefix| prefix != Prefix::host(prefix.address());
    let names_network = |test: &Test| matches!(test, Test::Destination(prefix) if is_network(*prefix));
    signature.layer == Layer::Packet
        && signature.tests.iter().any(names_network)
        && signature.tests.iter().all(is_all)
}

fn too_wide(signature: &Signature, input: &PlanInput<'_>) -> Option<String> {
    signature.tests.iter().find_map(|test| {
        let Test::Source(prefix) = test else { return None };
        let is_proven = input.rankings.proven_sources.iter().any(|a| prefix.contains(*a));
        if signature.layer == Layer::Packet && !is_proven {
            return Some(format!("it names {prefix}, and no address of it completed a handshake"));
        }
        if is_protected(*prefix, input) {
            return Some(format!("it names {prefix}, which overlaps a protected client"));
        }
        if signature.layer == Layer::Http && is_one_visit(signature.attack.share, input) {
            return Some(format!("it names {prefix}, which has sent no more so far than one visitor may"));
        }
        if let Some(few) = few_of_many(*prefix, signature, input) {
            return Some(format!("it names {prefix}, of which {few} addresses send nearly all of it"));
        }
        let (v4, v6) = input.policy.min_prefix_bits;
        let shortest = if prefix.address().is_ipv4() { v4 } else { v6 };
        (prefix.length_bits() < shortest)
            .then(|| format!("it names {prefix}, wider than the /{shortest} that the policy allows"))
    })
}

/// The addresses that nearly all of a signature's traffic comes from, where these are few of a network that many
/// others are in.
fn few_of_many(prefix: Prefix, signature: &Signature, input: &PlanInput<'_>) -> Option<usize> {
    /// Networks of one owner, or of one of his sites, are no wider (IPv4, IPv6).
    const ONE_OWNERS: (u8, u8) = (22, 44);
    const NEARLY: f64 = 0.8;
    let narrow = if prefix.address().is_ipv4() { ONE_OWNERS.0 } else { ONE_OWNERS.1 };
    let senders = input.rankings.senders(signature.layer).iter();
    let inside: Vec<&Ranked> = senders.filter(|r| r.name.parse().is_ok_and(|a| prefix.contains(a))).collect();
    let known: f64 = inside.iter().map(|r| r.share).sum();
    // Senders are ranked among all that is sent, visitors' requests included.
    let rate = input.findings.get(Metric::RequestRate);
    let usual = rate.and_then(|f| f.expected.map(|usual| usual / f.observed.max(usual).max(1e-9)));
    let unwanted = signature.attack.share * (1.0 - usual.unwrap_or(0.0));
    let is_few = !inside.is_empty() && known >= NEARLY * unwanted;
    (prefix.length_bits() < narrow && is_few).then_some(inside.len())
}

/// Whether a share of an attack's requests is still so few that one visitor may have made them.
fn is_one_visit(share: f64, input: &PlanInput<'_>) -> bool {
    let findings = input.findings;
    let rate = findings.observed(Metric::RequestRate).or_else(|| findings.observed(Metric::PageRate));
    let is_attack = input.diagnosis.verdict.class == Class::Attack;
    is_attack && rate.is_some_and(|per_s| share * per_s * findings.duration_s < ONE_VISIT)
}

/// Whether senders may be forged here: also beside a cause whose senders are real.
fn is_forged(ladder: &Ladder, input: &PlanInput<'_>) -> bool {
    ladder.forgeable
        || input.diagnosis.verdict.cause.is_forgeable()
        || input.diagnosis.verdict.vectors.iter().any(|v| v == "spoofed")
}

/// Whether the policy protects any of these addresses.
pub(crate) fn is_protected(prefix: Prefix, input: &PlanInput<'_>) -> bool {
    input.policy.protected_clients.iter().any(|p| p.covers(prefix) || prefix.covers(*p))
}

/// Senders that send far more than they used to.
fn heavy<'a>(layer: Layer, input: &'a PlanInput<'_>) -> impl Iterator<Item = &'a Ranked> {
    let all = input.rankings.senders(layer).iter();
    all.filter(|r| r.share >= HEAVY_SHARE && r.baseline_share.is_none_or(|b| r.share >= TIMES_NORMAL * b))
}

/// The one client that nearly all requests come from: nobody else has to answer for it.
fn one_sender(ladder: &Ladder, input: &PlanInput<'_>) -> Option<Scope> {
    let ranked = heavy(Layer::Http, input).find(|r| r.share >= NEARLY_ALL)?;
    let address: IpAddr = ranked.name.parse().ok()?;
    let is_real = input.rankings.proven_sources.contains(&address)
        && !is_forged(ladder, input)
        && !is_protected(Prefix::host(address), input);
    is_real.then(|| {
        Scope::Signature(Signature {
            layer: ladder.layer,
            tests: vec![Test::Source(Prefix::host(address))],
            attack: exact(ranked.share),
            baseline: ranked.baseline_share.map(exact),
            baseline_clients: None,
            examples: Vec::new(),
        })
    })
}

/// The one path that has come on top and that hardly anybody asked for before, where the site answers as it
/// always does: visitors of all others need not answer for it, such as those of a crowd at the same time.
fn one_path(ladder: &Ladder, input: &PlanInput<'_>) -> Option<Scope> {
    let paths = by_rise(input);
    let path = *paths.first()?;
    let before = path.baseline_share?;
    // Of what is in no ranking only the sum is known.
    let unranked = -paths.iter().map(|path| rise(path)).sum::<f64>();
    let risen = paths.iter().map(|path| rise(path).max(0.0)).sum::<f64>() + unranked.max(0.0);
    let is_one =
        path.share >= TIMES_NORMAL * before && rise(path) >= RISEN_LEAST && rise(path) >= MOST_RISEN * risen;
    if !is_one || is_short(input.findings) != Some(false) {
        return None;
    }
    Some(Scope::Signature(Signature {
        layer: ladder.layer,
        tests: vec![path_test(path)?],
        attack: exact(rise(path) / risen),
        baseline: Some(exact(before)),
        baseline_clients: None,
        examples: Vec::new(),
    }))
}

/// The heaviest sources of packets that completed a handshake and are not protected. Requests tell more of
/// their senders than how many they are, and what that is stands in signatures.
fn sources(ladder: &Ladder, input: &PlanInput<'_>) -> Scoped {
    if is_forged(ladder, input) {
        return Err("the senders' addresses may be forged".to_owned());
    }
    if ladder.layer == Layer::Http {
        return Err("a busy address is refused only with what its requests have in common".to_owned());
    }
    let addresses: Vec<IpAddr> = heavy(ladder.layer, input).filter_map(|r| r.name.parse().ok()).collect();
    let named = addresses.len();
    let mut kept: Vec<Prefix> = addresses
        .into_iter()
        .filter(|a| input.rankings.proven_sources.contains(a))
        .map(Prefix::host)
        .filter(|p| !is_protected(*p, input))
        .take(MAX_SOURCES)
        .collect();
    kept.sort_unstable();
    kept.dedup();
    if kept.is_empty() {
        return Err(format!("none of {named} heavy sources is proven real and unprotected"));
    }
    Ok(Scope::Sources(kept))
}

/// ICMP of the family that the victim's address is of.
fn icmp_of(target: Option<Prefix>) -> u8 {
    if target.is_some_and(|t| t.address().is_ipv6()) { protocol::ICMPV6 } else { protocol::ICMP }
}

/// What the cause consists of by definition.
fn kind(ladder: &Ladder, input: &PlanInput<'_>) -> Scoped {
    let tests = match ladder.cause {
        Cause::Amplification | Cause::UdpFlood => vec![Test::Protocol(protocol::UDP)],
        Cause::IcmpFlood => vec![Test::Protocol(icmp_of(target_prefix(input)))],
        Cause::FragmentFlood => vec![Test::Fragment(Fragment::Later)],
        Cause::TcpReflection => {
            vec![Test::Protocol(protocol::TCP), Test::TcpFlags(tcp_flags::SYN | tcp_flags::ACK)]
        }
        Cause::DnsRandomSubdomain => zone(input).into_iter().collect(),
        Cause::ExpensiveEndpoint => risen_path(ladder, input).into_iter().collect(),
        Cause::CredentialAbuse if ladder.layer == Layer::Http => {
            risen_path(ladder, input).into_iter().chain([Test::Method(Method::Post)]).collect()
        }
        _ => Vec::new(),
    };
    if tests.is_empty() || (ladder.cause == Cause::CredentialAbuse && tests.len() < 2) {
        return Err("nothing in the traffic's form sets it apart".to_owned());
    }
    let mut tests = tests;
    if ladder.layer == Layer::Packet {
        tests.extend(target_prefix(input).map(Test::Destination));
    }
    tests.sort();
    Ok(Scope::Signature(Signature {
        layer: ladder.layer,
        tests,
        attack: ShareEstimate { share: 1.0, low: 0.0, high: 1.0 },
        baseline: None,
        baseline_clients: None,
        examples: Vec::new(),
    }))
}

/// The zone whose names are made up.
fn zone(input: &PlanInput<'_>) -> Option<Test> {
    let zone = input.diagnosis.verdict.target.as_deref()?.strip_prefix("zone ")?;
    zone.contains('.').then(|| Test::DnsSuffix(zone.to_owned()))
}

/// The path that most came on top for: what is asked for most at any time is the visitors'. Of an attack
/// beside the one that all is named for, the next such path.
fn risen_path(ladder: &Ladder, input: &PlanInput<'_>) -> Option<Test> {
    let is_beside = ladder.cause != input.diagnosis.verdict.cause;
    let paths = by_rise(input);
    let path = if is_beside { paths.get(1).filter(|p| rise(p) >= RISEN_BESIDE)? } else { paths.first()? };
    path_test(path)
}

/// By how much a path has come on top.
fn rise(path: &Ranked) -> f64 {
    path.share - path.baseline_share.unwrap_or(0.0)
}

fn by_rise<'a>(input: &'a PlanInput<'_>) -> Vec<&'a Ranked> {
    let mut paths: Vec<&Ranked> = input.rankings.of("path").iter().collect();
    paths.sort_by(|a, b| rise(b).total_cmp(&rise(a)));
    paths
}

/// What tells that a request asks for a path.
fn path_test(path: &Ranked) -> Option<Test> {
    let is_template = path.name.split('/').any(|s| s == "*");
    let test = if is_template { Test::PathTemplate } else { Test::Path };
    path.name.starts_with('/').then(|| test(path.name.clone()))
}

/// The destination's address, where the target names one.
pub(crate) fn target_prefix(input: &PlanInput<'_>) -> Option<Prefix> {
    let target = input.diagnosis.verdict.target.as_deref()?;
    target.split_whitespace().next()?.parse().ok()
}

/// A scope in words.
pub(crate) fn in_words(scope: &Scope) -> String {
    match scope {
        Scope::All => "everything to the target".to_owned(),
        Scope::Signature(s) => s.to_string(),
        Scope::Sources(prefixes) => match prefixes.as_slice() {
            [one] => one.to_string(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => "no source".to_owned(),
        },
    }
}
