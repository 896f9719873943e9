//! The words around the figures: labels, sentences for measures, scopes and causes.

use super::figure;
use super::text;
use seawall_model::cause::{Cause, Class};
use seawall_model::change::ChangeKind;
use seawall_model::diagnosis::Verdict;
use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope, Standing};
use seawall_model::signature::ShareEstimate;

/// An effect that is nothing at worst and this at best is told by its best.
const LITTLE: f64 = 0.05;

/// The first word of the verdict line.
#[must_use]
pub fn label(class: Class) -> &'static str {
    match class {
        Class::Attack => "ATTACK",
        Class::Abuse => "ABUSE",
        Class::Fault => "FAULT",
        Class::Demand => "DEMAND",
        Class::Normal => "NO ATTACK",
        Class::Undecided => "UNDECIDED",
    }
}

/// What the class means for the reader.
#[must_use]
pub fn meaning(class: Class) -> &'static str {
    match class {
        Class::Attack => "somebody sends traffic to stop the service",
        Class::Abuse => "hostile, but no denial of service",
        Class::Fault => "no attack, the trouble is ours or a supplier's",
        Class::Demand => "no attack, the visitors are real",
        Class::Normal => "no disturbance was found",
        Class::Undecided => "the data does not name one cause",
    }
}

/// The cause with what refines it: "HTTP flood, distributed".
#[must_use]
pub fn cause(cause: Cause, vectors: &[String]) -> String {
    let (modifiers, protocols): (Vec<&String>, Vec<&String>) = vectors.iter().partition(|v| is_modifier(v));
    let through_us = vectors.iter().any(|v| v == "reflector");
    let protocols: Vec<String> =
        protocols.into_iter().filter(|v| *v != "reflector").map(|v| vector(v)).collect();
    let mut shown = match cause {
        Cause::Undecided => "cause not clear".to_owned(),
        Cause::Amplification if through_us => {
            format!("{} amplification attack on others through our servers", text::list(&protocols))
        }
        Cause::Amplification if !protocols.is_empty() => {
            format!("{} amplification attack", text::list(&protocols))
        }
        cause => std::iter::once(cause.title().to_owned()).chain(protocols).collect::<Vec<_>>().join(", "),
    };
    for modifier in modifiers {
        shown.push_str(", ");
        shown.push_str(&vector(modifier));
    }
    shown
}

/// A refinement as it is usually written.
#[must_use]
pub fn vector(name: &str) -> String {
    match name {
        "dns" | "ntp" | "snmp" | "ssdp" | "cldap" | "ike" | "coap" | "mdns" | "rip" | "tftp" | "sip"
        | "stun" | "dtls" | "quic" | "rdp" | "slp" | "ipmi" | "xdmcp" | "l2tp" | "qotd" => {
            name.to_ascii_uppercase()
        }
        "openvpn" => "OpenVPN".into(),
        "bacnet" => "BACnet".into(),
        "wsd" => "WS-Discovery".into(),
        "dhdiscover" => "DHDiscover".into(),
        "carpet" => "spread over a prefix".into(),
        name if name.contains('.') => name.into(),
        "spoofed" => "forged sources".into(),
        "pulse" => "in pulses".into(),
        "single-source" => "one source".into(),
        other => spaced(other),
    }
}

/// The verdict in a few words, without its time: for lists.
#[must_use]
pub fn verdict(verdict: &Verdict) -> String {
    let mut shown = cause(verdict.cause, &verdict.vectors);
    if verdict.class.is_named() {
        shown.push_str(&format!(", {} sure", figure::confidence(verdict.confidence)));
    }
    if let Some(target) = &verdict.target {
        shown.push_str(&format!(", on {target}"));
    }
    shown
}

/// What measures did, as a predicate.
#[must_use]
pub fn held_back(requests: u64, packets: u64) -> String {
    let counted =
        |n: u64, what: &str| format!("{} {what}{}", figure::whole(n), if n == 1 { "" } else { "s" });
    match (requests, packets) {
        (0, 0) => "held nothing back".into(),
        (n, 0) => format!("held back {}", counted(n, "request")),
        (0, n) => format!("dropped {}", counted(n, "packet")),
        (r, p) => format!("held back {} and dropped {}", counted(r, "request"), counted(p, "packet")),
    }
}

/// What to do, as a command to a person.
#[must_use]
pub fn action(action: &Action) -> String {
    match action {
        Action::WaitingRoom { admitted_per_s } if *admitted_per_s <= 0.0 => {
            "put visitors in a fair queue".into()
        }
        Action::WaitingRoom { admitted_per_s } => {
            format!("put visitors in a fair queue, {} admitted per second", figure::quantity(*admitted_per_s))
        }
        Action::ServeStale { seconds } => {
            format!("serve from cache for {}, stale answers too", figure::duration(f64::from(*seconds)))
        }
        Action::Shed { max_concurrency: 0 } => "refuse the surplus early, unknown clients first".into(),
        Action::Shed { max_concurrency } => {
            format!(
                "refuse the surplus early: at most {max_concurrency} requests at once, unknown clients first"
            )
        }
        Action::RateLimit { key, per_s, .. } if *per_s <= 0.0 => format!("limit {}", rate_key(*key)),
        Action::RateLimit { key, per_s, burst } => {
            let (number, unit) = if *per_s < 1.0 { (60.0 * per_s, " a minute") } else { (*per_s, "/s") };
            let (number, burst) = (figure::quantity(number), figure::quantity(*burst));
            format!("limit {} to {number}{unit}, bursts of {burst}", rate_key(*key))
        }
        Action::Challenge => "ask for a cookie before serving".into(),
        Action::HeaderDeadline { seconds, connections_per_source } => format!(
            "close connections without a complete request after {}, at most {connections_per_source} per source",
            figure::duration(f64::from(*seconds))
        ),
        Action::DnsTruncate => "answer truncated, so that real resolvers come back over TCP".into(),
        Action::SynCookies => "switch SYN cookies on".into(),
        Action::Block { status: 0 } => "close without an answer".into(),
        Action::Block { status } => format!("refuse with status {status}"),
        Action::DropInKernel => "drop in the kernel".into(),
        Action::FlowSpec { limit_bytes_per_s: None } => {
            "ask the upstream network to drop it (FlowSpec)".into()
        }
        Action::FlowSpec { limit_bytes_per_s: Some(limit) } => {
            format!("ask the upstream network to limit it to {}/s (FlowSpec)", figure::bytes(*limit))
        }
        Action::Blackhole => {
            "ask the upstream network to drop everything to the victim, which gives it up".into()
        }
        Action::ProviderMode => "switch the provider's protection mode on".into(),
        Action::ScaleOut => "add servers".into(),
        Action::RollBack { change } => format!("take back the change: {change}"),
        Action::Investigate { what } => format!("look into {what}"),
    }
}

/// What a measure applies to.
#[must_use]
pub fn scope(scope: &Scope, target: Option<&str>) -> String {
    match scope {
        Scope::All => target.map_or_else(|| "all traffic".into(), |t| format!("all traffic to {t}")),
        Scope::Signature(signature) => signature.to_string(),
        Scope::Sources(sources) => {
            let mut names: Vec<String> = sources.iter().take(3).map(ToString::to_string).collect();
            let more = sources.len().saturating_sub(names.len());
            if more > 0 {
                names.push(format!("{} more", figure::count(more as f64)));
            }
            format!("proven sources {}", text::list(&names))
        }
    }
}

/// The name of a dimension of the rankings, in the plural.
#[must_use]
pub fn dimension(name: &str) -> String {
    let shown = spaced(name).replace("tls", "TLS").replace("tcp", "TCP").replace("dns", "DNS");
    match shown.as_str() {
        "status" => "answers".into(),
        "country" => "countries".into(),
        "network number" => "networks (AS)".into(),
        "suffix" => "suffixes".into(),
        shown if shown.ends_with('s') => shown.into(),
        shown => format!("{shown}s"),
    }
}

/// Whether the text of a rule holds anything but comments.
#[must_use]
pub fn has_rules(text: &str) -> bool {
    text.lines().any(is_rule)
}

/// Whether a line is neither empty nor a comment of nftables, HAProxy, nginx or dnsdist.
#[must_use]
pub fn is_rule(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#') && !line.starts_with("--")
}

/// Whether a measure is aimed at traffic at all; the others concern the service as a whole.
#[must_use]
pub fn has_aim(measure: &Measure) -> bool {
    let whole = matches!(
        measure.action,
        Action::RollBack { .. }
            | Action::Investigate { .. }
            | Action::ScaleOut
            | Action::ProviderMode
            | Action::SynCookies
    );
    !(whole && matches!(measure.scope, Scope::All))
}

/// The name of an input.
#[must_use]
pub fn input(path: &str) -> &str {
    if path == "-" { "standard input" } else { path }
}

/// The last part of a path, as long as there is one.
#[must_use]
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// Whether a dimension says who sends, rather than what is sent.
#[must_use]
pub fn is_who(dimension: &str) -> bool {
    let who = ["source", "client", "network", "country", "user agent", "fingerprint", "ja4", "referrer"];
    let shown = spaced(dimension);
    shown != "source port" && who.iter().any(|word| shown.starts_with(word) || shown.ends_with(word))
}

/// What a measure would stop and hit, and for how long.
#[must_use]
pub fn forecast(measure: &Measure, plan: Option<&Plan>) -> String {
    if matches!(measure.action, Action::RollBack { .. } | Action::Investigate { .. } | Action::ScaleOut) {
        return "for people to do".into();
    }
    let mut facts = Vec::new();
    if measure.initial_share < 1.0 {
        let part = |e: ShareEstimate| {
            let scaled = |x: f64| x * measure.initial_share;
            ShareEstimate { share: scaled(e.share), low: scaled(e.low), high: scaled(e.high) }
        };
        let first = outlook(part(measure.predicted_effect), measure.predicted_harm.map(part));
        let colon = if first.is_empty() { "" } else { ": " };
        facts.push(format!("at first on {} of it{colon}{first}", figure::share(measure.initial_share)));
        let full = outlook(measure.predicted_effect, measure.predicted_harm);
        if full != first {
            facts.push(format!("then on all, by raising the share in the rule: {full}"));
        }
    } else {
        facts.push(outlook(measure.predicted_effect, measure.predicted_harm));
    }
    if measure.predicted_harm.is_none() {
        facts.push("what it hits of normal traffic is not known".into());
    }
    facts.retain(|fact| !fact.is_empty());
    if let Some(plan) = plan.filter(|p| measure.expires > p.created) {
        facts.push(format!("for {}", figure::duration(measure.expires.since_s(plan.created))));
    }
    facts.join(" · ")
}

/// `stops 94 % (91–96 %) of it, hits 0.2 % of normal traffic`.
fn outlook(effect: ShareEstimate, harm: Option<ShareEstimate>) -> String {
    let stops = if effect.high <= 0.0 {
        None
    } else if effect.low <= 0.0 && effect.high >= 1.0 {
        Some("effect not known beforehand".to_owned())
    } else if effect.low <= 0.0 && effect.high > LITTLE {
        Some(format!("stops up to {} of it, how much is not known beforehand", figure::share(effect.high)))
    } else {
        Some(format!("stops {} of it", figure::estimate(effect)))
    };
    let hits = harm.map(|harm| format!("hits {} of normal traffic", figure::estimate(harm)));
    stops.into_iter().chain(hits).collect::<Vec<_>>().join(", ")
}

/// Whether an alternative is out or in reserve.
#[must_use]
pub fn standing(standing: &Standing) -> &'static str {
    match standing {
        Standing::Rejected => "rejected",
        Standing::Waiting => "waiting",
    }
}

/// A kind of change, for people.
#[must_use]
pub fn change(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Deploy => "release",
        ChangeKind::Configuration => "configuration",
        ChangeKind::LoadBalancer => "load balancer",
        ChangeKind::Scaling => "scaling",
        ChangeKind::Database => "database",
        ChangeKind::Network => "network",
        ChangeKind::Campaign => "campaign",
        ChangeKind::LoadTest => "load test",
        ChangeKind::Other => "other",
    }
}

/// Vectors that tell how, rather than over which protocol.
fn is_modifier(vector: &str) -> bool {
    matches!(vector, "spoofed" | "distributed" | "single-source" | "few-sources" | "carpet" | "pulse")
}

fn spaced(name: &str) -> String {
    name.replace('-', " ")
}

fn rate_key(key: RateKey) -> &'static str {
    match key {
        RateKey::Source => "each source",
        RateKey::Network => "each network (/24, /48)",
        RateKey::Destination => "each destination",
        RateKey::Path => "each path",
        RateKey::Total => "all of it together",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_said_as_people_say_them() {
        let vectors = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let both = vectors(&["ntp", "dns", "carpet"]);
        let expected = "NTP and DNS amplification attack, spread over a prefix";
        assert_eq!(cause(Cause::Amplification, &both), expected);
        let ours = cause(Cause::Amplification, &vectors(&["ntp", "reflector"]));
        assert_eq!(ours, "NTP amplification attack on others through our servers");
        assert_eq!(cause(Cause::HttpFlood, &vectors(&["few-sources"])), "HTTP flood, few sources");
        assert_eq!(cause(Cause::SynFlood, &vectors(&["spoofed"])), "SYN flood, forged sources");
    }

    #[test]
    fn dimensions_are_sorted_into_who_and_what() {
        for who in ["source", "client network", "user-agent", "tls fingerprint", "referrer", "dns client"] {
            assert!(is_who(who), "{who}");
        }
        for what in ["source port", "path", "destination", "tcp flags", "dns name", "method", "status"] {
            assert!(!is_who(what), "{what}");
        }
        assert_eq!(dimension("client network"), "client networks");
        assert_eq!(dimension("tcp flags"), "TCP flags");
        assert_eq!(dimension("status"), "answers");
    }
}
