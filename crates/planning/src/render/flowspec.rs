//! BGP FlowSpec (RFC 8955, RFC 8956) and blackholes (RFC 7999), as ExaBGP configuration with the
//! GoBGP command in a comment.
//!
//! A drop in the own kernel is written out too, but commented, for the case that the link is
//! full: the provider can enter it, or whoever may announce the prefix.

use super::{Taken, comments, heading, in_words, name, plain};
use crate::flow_spec::projected;
use seawall_model::Prefix;
use seawall_model::observation::Fragment;
use seawall_model::plan::{Action, Measure, Plan, RenderedRule, Scope};
use seawall_model::signature::{Signature, Test};
use std::fmt::Write;

pub const PROGRAM: &str = "flowspec";

const UNDO: &[&str] =
    &["undo: withdraw these routes (remove them and reload ExaBGP); they do not expire by themselves"];
const RESERVE: &str = "# in reserve, for the case that the link is full; only for prefixes of your own:\n";

/// The measures that a neighbouring network can carry out. FlowSpec cannot exempt protected
/// clients, which the text says where there are any.
#[must_use]
pub fn render(plan: &Plan, protected: &[Prefix]) -> Vec<RenderedRule> {
    let mut flows = String::new();
    let mut reserves = String::new();
    let mut statics = String::new();
    let is_upstream =
        |m: &Measure| matches!(m.action, Action::FlowSpec { .. } | Action::Blackhole | Action::DropInKernel);
    let taken = Taken::of(plan, is_upstream, |m| {
        let said = comments("#", &[in_words(m)]);
        match &m.action {
            Action::FlowSpec { limit_bytes_per_s } => {
                flows.push_str(&(said + &flow(m, tested(m)?, *limit_bytes_per_s)?));
            }
            Action::Blackhole => statics.push_str(&(said + &blackhole(m)?)),
            _ => {
                let lines: Vec<String> = reserve(m)?.lines().map(|l| l.replace('\t', "  ")).collect();
                reserves.push_str(RESERVE);
                reserves.push_str(&comments("#", &lines));
            }
        }
        Ok(())
    });
    if taken.is_empty() {
        return Vec::new();
    }
    let exempt = "protected clients are not exempt here: see that none of them matches";
    let mut notes: Vec<String> = protected.first().map(|_| exempt.to_owned()).into_iter().collect();
    notes.extend_from_slice(&taken.notes);
    let mut text = heading("#", plan, UNDO, &notes);
    text.push_str(&flow_block(&flows, &reserves));
    if !statics.is_empty() {
        let _ = write!(text, "static {{\n{statics}}}\n");
    }
    vec![taken.rule(PROGRAM, "inside the neighbor section of exabgp.conf", text)]
}

/// The routes with those in reserve. Without any route there is no block to enter: then all of it is
/// a comment.
fn flow_block(flows: &str, reserves: &str) -> String {
    match (flows.is_empty(), reserves.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("# flow {{\n{reserves}# }}\n"),
        (false, _) => format!("flow {{\n{flows}{reserves}}}\n"),
    }
}

/// A configuration with one neighbour.
#[must_use]
pub fn check_file(rules: &[RenderedRule]) -> String {
    let text: String = rules.iter().map(|r| r.text.as_str()).collect();
    format!(
        "neighbor 127.0.0.2 {{\nrouter-id 127.0.0.1;\nlocal-address 127.0.0.1;\nlocal-as 64512;\npeer-as 64512;\nfamily {{\nipv4 unicast;\nipv6 unicast;\nipv4 flow;\nipv6 flow;\n}}\n{text}}}\n"
    )
}

fn tested(m: &Measure) -> Result<&Signature, String> {
    match &m.scope {
        Scope::Signature(s) => Ok(s),
        _ => Err("FlowSpec needs tests of packets, not senders or everything".to_owned()),
    }
}

/// A drop in the own kernel, with the tests that FlowSpec has.
fn reserve(m: &Measure) -> Result<String, String> {
    let target = m.target.as_deref().and_then(|t| t.split_whitespace().next()?.parse::<Prefix>().ok());
    flow(m, &projected(tested(m)?, target)?, None)
}

fn flow(m: &Measure, s: &Signature, limit_bytes_per_s: Option<f64>) -> Result<String, String> {
    let v6 =
        s.tests.iter().any(|t| matches!(t, Test::Destination(p) | Test::Source(p) if p.address().is_ipv6()));
    let mut exabgp = Vec::new();
    let mut gobgp = Vec::new();
    for test in &s.tests {
        let (exa, go) = component(test, v6)?;
        exabgp.push(exa);
        gobgp.push(go);
    }
    let then = match limit_bytes_per_s {
        Some(rate) => format!("rate-limit {}", rate.ceil().clamp(1.0, 4e9) as u64),
        None => "discard".to_owned(),
    };
    let family = if v6 { "ipv6-flowspec" } else { "ipv4-flowspec" };
    Ok(format!(
        "\troute seawall-{} {{\n\t\tmatch {{\n{}\t\t}}\n\t\tthen {{\n\t\t\t{then};\n\t\t}}\n\t}}\n\t# gobgp global rib add -a {family} match {} then {then}\n",
        name(m).replace('_', "-"),
        exabgp.iter().map(|c| format!("\t\t\t{c};\n")).collect::<String>(),
        gobgp.join(" ")
    ))
}

/// One component (RFC 8955 section 4.2.2) for ExaBGP and for GoBGP.
fn component(test: &Test, v6: bool) -> Result<(String, String), String> {
    let same = |text: String| Ok((text.clone(), text));
    match test {
        Test::Destination(prefix) => same(format!("destination {prefix}")),
        Test::Source(prefix) => same(format!("source {prefix}")),
        Test::Protocol(number) => {
            let key = if v6 { "next-header" } else { "protocol" };
            Ok((format!("{key} ={number}"), format!("protocol =={number}")))
        }
        Test::SourcePort { low, high } => Ok(numbers("source-port", u32::from(*low), u32::from(*high))),
        Test::DestinationPort { low, high } => {
            Ok(numbers("destination-port", u32::from(*low), u32::from(*high)))
        }
        Test::LengthBytes { low, high } => Ok(numbers("packet-length", *low, *high)),
        Test::IcmpType(kind) => Ok(numbers("icmp-type", u32::from(*kind), u32::from(*kind))),
        Test::Fragment(Fragment::First) => {
            Ok(("fragment first-fragment".into(), "fragment first-fragment".into()))
        }
        Test::Fragment(Fragment::Later) => Ok(("fragment is-fragment".into(), "fragment is-fragment".into())),
        other => Err(format!("FlowSpec has no component for this: {}", plain(&other.to_string()))),
    }
}

fn numbers(key: &str, low: u32, high: u32) -> (String, String) {
    if low == high {
        (format!("{key} ={low}"), format!("{key} =={low}"))
    } else {
        (format!("{key} >={low}&<={high}"), format!("{key} '>={low}&<={high}'"))
    }
}

fn blackhole(m: &Measure) -> Result<String, String> {
    let target = m.target.as_deref().and_then(|t| t.split_whitespace().next()?.parse::<Prefix>().ok());
    let victim = target.ok_or("the target names no address")?;
    Ok(format!("\troute {victim} next-hop self community [ 65535:666 ];\n"))
}
