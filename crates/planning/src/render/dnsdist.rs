//! dnsdist: Lua rules with names that begin with `seawall-`, exempting protected clients, that
//! stop to apply when their time is up.

use super::{Taken, comments, heading, in_words, layer_of, lifetime_s, name, per_mille, plain};
use seawall_model::Prefix;
use seawall_model::plan::{Action, Measure, Plan, RateKey, RenderedRule, Scope};
use seawall_model::signature::{Layer, Test};
use std::fmt::Write;

pub const PROGRAM: &str = "dnsdist";

const UNDO: &[&str] = &["the rules stop to apply by themselves; undo at once, on the console:"];
/// Octets of a domain name and of its labels (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// The measures on DNS queries. Empty where the plan has none.
#[must_use]
pub fn render(plan: &Plan, protected: &[Prefix]) -> Vec<RenderedRule> {
    let mut rules = String::new();
    let is_dns = |m: &Measure| layer_of(plan, m) == Layer::Dns;
    let taken = Taken::of(plan, is_dns, |m| {
        let text = rule(plan, m, !protected.is_empty())?;
        let _ = write!(rules, "{}{text}", comments("--", &[in_words(m)]));
        Ok(())
    });
    if taken.is_empty() {
        return Vec::new();
    }
    let mut notes: Vec<String> =
        taken.rendered.iter().map(|id| format!("  rmRule(\"seawall-{}\")", plain(id))).collect();
    notes.extend_from_slice(&taken.notes);
    let mut text = heading("--", plan, UNDO, &notes);
    text.push_str("local seawall_loaded = os.time()\n");
    if !protected.is_empty() {
        text.push_str("local seawall_protected = newNMG()\n");
        for prefix in protected {
            let _ = writeln!(text, "seawall_protected:addMask(\"{prefix}\")");
        }
    }
    text.push_str(&rules);
    vec![taken.rule(PROGRAM, "at the end of dnsdist.conf", text)]
}

/// A configuration with one server behind the rules.
#[must_use]
pub fn check_file(rules: &[RenderedRule]) -> String {
    let text: String = rules.iter().map(|r| r.text.as_str()).collect();
    format!("setLocal(\"127.0.0.1:5300\")\nnewServer(\"127.0.0.1:5301\")\n{text}")
}

fn rule(plan: &Plan, m: &Measure, protects: bool) -> Result<String, String> {
    let id = name(m).replace('_', "-");
    let action = action(&m.action)?;
    let mut conditions = Vec::new();
    let mut setup = String::new();
    match &m.scope {
        Scope::All => {}
        Scope::Sources(prefixes) => sources(&mut setup, &mut conditions, &name(m), prefixes),
        Scope::Signature(s) => {
            for test in &s.tests {
                one_test(test, &name(m), &mut setup, &mut conditions)?;
            }
        }
    }
    if protects {
        conditions.push("NotRule(NetmaskGroupRule(seawall_protected))".to_owned());
    }
    if m.action == Action::DnsTruncate {
        conditions.push("TCPRule(false)".to_owned());
    }
    let seconds = lifetime_s(plan, m);
    conditions.push(format!("LuaRule(function(dq) return os.time() < seawall_loaded + {seconds} end)"));
    conditions.extend(limit(&m.action)?);
    // Drawn last: a limit counts every query, and a share of those beyond it is dropped.
    if per_mille(m) < 1_000 {
        conditions.push(format!("ProbaRule({:.3})", f64::from(per_mille(m)) / 1_000.0));
    }
    Ok(format!(
        "{setup}addAction(AndRule({{{}}}), {action}, {{name=\"seawall-{id}\"}})\n",
        conditions.join(", ")
    ))
}

fn action(action: &Action) -> Result<&'static str, String> {
    match action {
        Action::DnsTruncate => Ok("TCAction()"),
        Action::DropInKernel | Action::Block { status: 0 } | Action::RateLimit { .. } => Ok("DropAction()"),
        Action::Block { .. } => Ok("RCodeAction(DNSRCode.REFUSED)"),
        other => Err(format!("dnsdist cannot {}", plain(other.name()))),
    }
}

/// The limit comes after the other conditions: it counts what passes them.
fn limit(action: &Action) -> Result<Option<String>, String> {
    let Action::RateLimit { key, per_s, burst } = action else { return Ok(None) };
    let rate = per_s.ceil().clamp(1.0, 1e9) as u64;
    let burst = burst.ceil().clamp(1.0, 1e9) as u64;
    match key {
        RateKey::Source => Ok(Some(format!("MaxQPSIPRule({rate}, 32, 64, {burst})"))),
        RateKey::Network => Ok(Some(format!("MaxQPSIPRule({rate}, 24, 48, {burst})"))),
        RateKey::Total | RateKey::Destination => Ok(Some(format!("NotRule(MaxQPSRule({rate}, {burst}))"))),
        RateKey::Path => Err("queries have no path".to_owned()),
    }
}

fn sources(setup: &mut String, conditions: &mut Vec<String>, id: &str, prefixes: &[Prefix]) {
    let group = format!("seawall_{id}_from");
    let _ = writeln!(setup, "local {group} = newNMG()");
    for prefix in prefixes {
        let _ = writeln!(setup, "{group}:addMask(\"{prefix}\")");
    }
    conditions.push(format!("NetmaskGroupRule({group})"));
}

fn one_test(test: &Test, id: &str, setup: &mut String, conditions: &mut Vec<String>) -> Result<(), String> {
    match test {
        Test::Source(prefix) => sources(setup, conditions, id, &[*prefix]),
        Test::DnsType(number) => conditions.push(format!("QTypeRule({number})")),
        Test::DnsRecursionDesired(true) => conditions.push("RDRule()".to_owned()),
        Test::DnsRecursionDesired(false) => conditions.push("NotRule(RDRule())".to_owned()),
        Test::DnsSuffix(suffix) if is_plain_name(suffix) => {
            let node = format!("seawall_{id}_names");
            let _ =
                writeln!(setup, "local {node} = newSuffixMatchNode()\n{node}:add(newDNSName(\"{suffix}.\"))");
            conditions.push(format!("SuffixMatchNodeRule({node})"));
        }
        Test::DnsSuffix(_) => return Err("the name has characters that no host name has".to_owned()),
        other => return Err(format!("dnsdist does not test this: {}", plain(&other.to_string()))),
    }
    Ok(())
}

/// Letters, digits, hyphens and underscores in labels of legal length: safe inside a Lua string.
fn is_plain_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= MAX_NAME && name.split('.').all(is_label)
}
