//! nftables: one table `inet seawall` of its own, before connection tracking, that expires by
//! itself.
//!
//! Every rule asks a set whose elements time out, so that a rule stops to apply when its measure
//! expires, even if nobody is left to remove it.

use super::tcp_options::layout;
use super::{Taken, heading, in_words, layer_of, lifetime_s, name, per_mille, plain, whole_rate};
use seawall_model::Prefix;
use seawall_model::observation::{Fragment, protocol};
use seawall_model::plan::{Action, Measure, Plan, RateKey, RenderedRule, Scope};
use seawall_model::signature::{Layer, Test, payload_bytes};
use std::fmt::Write;

pub const PROGRAM: &str = "nftables";

const UNDO: &[&str] = &[
    "load: nft -f seawall.nft    undo: nft delete table inet seawall",
    "the rules expire by themselves; loading the file again renews them",
];
/// Entries of a table of senders; beyond it, new senders are not counted.
const MAX_SENDERS: u32 = 65_536;
/// Without neighbour discovery (RFC 4861) no host of IPv6 is reached at all.
const NEIGHBOURS: &str = "\t\ticmpv6 type 133-137 accept\n";
/// Packets of a burst that nftables accepts.
const MAX_BURST: f64 = 1e6;

/// The measures on packets, as one file. Empty where the plan has none.
#[must_use]
pub fn render(plan: &Plan, protected: &[Prefix]) -> Vec<RenderedRule> {
    let mut table = Table::default();
    let is_packets = |m: &Measure| layer_of(plan, m) == Layer::Packet || is_block_of_sources(m);
    let taken = Taken::of(plan, is_packets, |m| table.measure(plan, m));
    if taken.is_empty() {
        return Vec::new();
    }
    let mut text = heading("#", plan, UNDO, &taken.notes);
    if !taken.rendered.is_empty() {
        text.push_str(&table.text(protected));
    }
    vec![taken.rule(PROGRAM, "save as seawall.nft, then: nft -f seawall.nft", text)]
}

/// The rules are complete files already.
#[must_use]
pub fn check_file(rules: &[RenderedRule]) -> String {
    rules.iter().map(|r| r.text.as_str()).collect()
}

fn is_block_of_sources(measure: &Measure) -> bool {
    matches!(measure.action, Action::Block { .. } | Action::DropInKernel)
        && matches!(measure.scope, Scope::Sources(_))
}

/// The table under construction.
#[derive(Default)]
struct Table {
    sets: String,
    rules: String,
}

impl Table {
    fn measure(&mut self, plan: &Plan, m: &Measure) -> Result<(), String> {
        let verdict = Verdict::of(m)?;
        let variants = self.scope(plan, m)?;
        let id = name(m);
        let seconds = lifetime_s(plan, m);
        let _ = writeln!(
            self.sets,
            "\tset {id}_until {{\n\t\ttypeof meta nfproto\n\t\tflags timeout\n\t\telements = {{ ipv4 timeout {seconds}s, ipv6 timeout {seconds}s }}\n\t}}"
        );
        let _ = writeln!(self.rules, "\t\t# {}", in_words(m));
        for (family, tests) in variants {
            for family in family.map_or(verdict.families(), |f| vec![Some(f)]) {
                self.rule(m, &id, family, &tests, &verdict);
            }
        }
        Ok(())
    }

    fn rule(&mut self, m: &Measure, id: &str, family: Option<Family>, tests: &str, verdict: &Verdict) {
        let mut rule = match family {
            Some(f) => format!("meta nfproto {} meta nfproto @{id}_until", f.word()),
            None => format!("meta nfproto @{id}_until"),
        };
        if !tests.is_empty() {
            rule = format!("{rule} {tests}");
        }
        match (verdict, family) {
            (Verdict::Keyed { key, limit }, Some(f)) => {
                let set = format!("{id}_{}", f.suffix());
                let _ = writeln!(
                    self.sets,
                    "\tset {set} {{\n\t\ttype {}\n\t\tsize {MAX_SENDERS}\n\t\tflags dynamic,timeout\n\t\ttimeout 1m\n\t}}",
                    f.address_type()
                );
                let _ = write!(rule, " update @{set} {{ {} {limit} }}", f.key(*key));
            }
            (Verdict::Limited(limit), _) => {
                let _ = write!(rule, " {limit}");
            }
            _ => {}
        }
        // Drawn last: a limit counts every packet, and a share of those beyond it is dropped.
        if per_mille(m) < 1_000 {
            let _ = write!(rule, " numgen random mod 1000 < {}", per_mille(m));
        }
        rule.push_str(" counter drop");
        let _ = writeln!(self.rules, "\t\t{rule}");
    }

    /// The scope as matches, one for each variant of family and protocol that it needs.
    fn scope(&mut self, plan: &Plan, m: &Measure) -> Result<Vec<(Option<Family>, String)>, String> {
        match &m.scope {
            Scope::All => Ok(vec![(None, String::new())]),
            Scope::Signature(s) => packet_matches(&s.tests),
            Scope::Sources(prefixes) => Ok(self.sources(plan, m, prefixes)),
        }
    }

    fn sources(&mut self, plan: &Plan, m: &Measure, prefixes: &[Prefix]) -> Vec<(Option<Family>, String)> {
        let seconds = lifetime_s(plan, m);
        let mut variants = Vec::new();
        for family in Family::BOTH {
            let elements: Vec<String> = prefixes
                .iter()
                .filter(|p| Family::of(**p) == family)
                .map(|p| format!("{p} timeout {seconds}s"))
                .collect();
            if elements.is_empty() {
                continue;
            }
            let set = format!("{}_from_{}", name(m), family.suffix());
            let _ = writeln!(
                self.sets,
                "\t# only where clients connect directly, not through a proxy or CDN\n\tset {set} {{\n\t\ttype {}\n\t\tflags interval,timeout\n\t\tauto-merge\n\t\telements = {{ {} }}\n\t}}",
                family.address_type(),
                elements.join(", ")
            );
            variants.push((Some(family), format!("{} saddr @{set}", family.header())));
        }
        variants
    }

    fn text(&self, protected: &[Prefix]) -> String {
        let mut exempt = String::new();
        if self.rules.contains(&format!("meta l4proto {}", protocol::ICMPV6)) {
            exempt.push_str(NEIGHBOURS);
        }
        for family in Family::BOTH {
            let prefixes: Vec<String> =
                protected.iter().filter(|p| Family::of(**p) == family).map(ToString::to_string).collect();
            if !prefixes.is_empty() {
                let _ = writeln!(
                    exempt,
                    "\t\t{} saddr {{ {} }} accept",
                    family.header(),
                    merged(&prefixes).join(", ")
                );
            }
        }
        format!(
            "add table inet seawall\ndelete table inet seawall\ntable inet seawall {{\n{}\tchain incoming {{\n\t\ttype filter hook prerouting priority -450; policy accept;\n\t\tiif lo accept\n{exempt}{}\t}}\n}}\n",
            self.sets, self.rules
        )
    }
}

/// Overlapping prefixes in one anonymous set are an error, so only the widest stay.
fn merged(prefixes: &[String]) -> Vec<String> {
    let parsed: Vec<Prefix> = prefixes.iter().filter_map(|p| p.parse().ok()).collect();
    let mut kept: Vec<Prefix> = Vec::new();
    for prefix in &parsed {
        let is_covered = parsed.iter().any(|p| p != prefix && p.covers(*prefix));
        if !is_covered && !kept.contains(prefix) {
            kept.push(*prefix);
        }
    }
    kept.iter().map(ToString::to_string).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const BOTH: [Self; 2] = [Self::V4, Self::V6];

    fn of(prefix: Prefix) -> Self {
        if prefix.address().is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn word(self) -> &'static str {
        if self == Self::V4 { "ipv4" } else { "ipv6" }
    }

    fn header(self) -> &'static str {
        if self == Self::V4 { "ip" } else { "ip6" }
    }

    fn suffix(self) -> &'static str {
        if self == Self::V4 { "v4" } else { "v6" }
    }

    fn address_type(self) -> &'static str {
        if self == Self::V4 { "ipv4_addr" } else { "ipv6_addr" }
    }

    fn key(self, key: RateKey) -> String {
        let field = if key == RateKey::Destination { "daddr" } else { "saddr" };
        let mask = match (key, self) {
            (RateKey::Network, Self::V4) => " & 255.255.255.0",
            (RateKey::Network, Self::V6) => " & ffff:ffff:ffff::",
            _ => "",
        };
        format!("{} {field}{mask}", self.header())
    }
}

/// What happens to matching packets.
enum Verdict {
    Drop,
    Limited(String),
    Keyed { key: RateKey, limit: String },
}

impl Verdict {
    fn of(m: &Measure) -> Result<Self, String> {
        match &m.action {
            Action::DropInKernel | Action::Block { .. } => Ok(Self::Drop),
            Action::RateLimit { key, per_s, burst } => {
                let (rate, by_minute) = whole_rate(*per_s);
                let unit = if by_minute { "minute" } else { "second" };
                let burst = burst.ceil().clamp(1.0, MAX_BURST) as u64;
                let limit = format!("limit rate over {rate}/{unit} burst {burst} packets");
                match key {
                    RateKey::Total => Ok(Self::Limited(limit)),
                    RateKey::Path => Err("packets have no path".to_owned()),
                    _ => Ok(Self::Keyed { key: *key, limit }),
                }
            }
            Action::SynCookies => {
                Err("run: sysctl -w net.ipv4.tcp_syncookies=1 (undo: put the former value back)".to_owned())
            }
            Action::HeaderDeadline { .. } => {
                Err("packets do not tell a complete request; use the proxy".to_owned())
            }
            Action::FlowSpec { .. } | Action::Blackhole => {
                Err("it is announced to the neighbouring network".to_owned())
            }
            other => Err(format!("a packet filter cannot {}", plain(other.name()))),
        }
    }

    /// A key needs its family's address; other verdicts need one rule for both.
    fn families(&self) -> Vec<Option<Family>> {
        match self {
            Self::Keyed { .. } => Family::BOTH.map(Some).to_vec(),
            _ => vec![None],
        }
    }
}

/// Tests as nftables matches: one text for each combination of family and protocol that the
/// tests need.
fn packet_matches(tests: &[Test]) -> Result<Vec<(Option<Family>, String)>, String> {
    let mut variants = Vec::new();
    for family in families(tests)? {
        for transport in transports(tests)? {
            if !speaks(family, transport) {
                continue;
            }
            let mut parts: Vec<String> = transport.iter().map(|p| format!("meta l4proto {p}")).collect();
            for test in tests {
                parts.extend(one_match(test, family, transport)?);
            }
            variants.push((family, parts.join(" ")));
        }
    }
    Ok(variants)
}

/// ICMP belongs to one family each.
fn speaks(family: Option<Family>, transport: Option<u8>) -> bool {
    !matches!(
        (family, transport),
        (Some(Family::V4), Some(protocol::ICMPV6)) | (Some(Family::V6), Some(protocol::ICMP))
    )
}

/// `None` alone: the tests read the same in both families.
fn families(tests: &[Test]) -> Result<Vec<Option<Family>>, String> {
    let mut allowed = Family::BOTH.to_vec();
    let mut differs = false;
    for test in tests {
        match test {
            Test::Source(p) | Test::Destination(p) => allowed.retain(|f| *f == Family::of(*p)),
            Test::Protocol(protocol::ICMP) => allowed.retain(|f| *f == Family::V4),
            Test::Protocol(protocol::ICMPV6) => allowed.retain(|f| *f == Family::V6),
            Test::Ttl { .. } | Test::Fragment(_) | Test::IcmpType(_) => differs = true,
            _ => {}
        }
    }
    match (allowed.as_slice(), differs) {
        ([], _) => Err("its tests mix IPv4 and IPv6".to_owned()),
        ([_, _], false) => Ok(vec![None]),
        (some, _) => Ok(some.iter().copied().map(Some).collect()),
    }
}

/// Transport protocols for which the tests must be written apart; `None`: any.
fn transports(tests: &[Test]) -> Result<Vec<Option<u8>>, String> {
    let named = tests.iter().find_map(|t| match t {
        Test::Protocol(n) => Some(*n),
        _ => None,
    });
    let mut possible: Vec<Option<u8>> = vec![named];
    for test in tests {
        let needed: &[u8] = match test {
            Test::TcpFlags(_) | Test::TcpWindow(_) | Test::TcpOptions(_) => &[protocol::TCP],
            Test::SourcePort { .. } | Test::DestinationPort { .. } | Test::PayloadPrefix(_) => {
                &[protocol::UDP, protocol::TCP]
            }
            Test::IcmpType(_) => &[protocol::ICMP, protocol::ICMPV6],
            _ => continue,
        };
        if possible == [None] {
            possible = needed.iter().copied().map(Some).collect();
        } else {
            possible.retain(|p| p.is_some_and(|p| needed.contains(&p)));
        }
    }
    if possible.is_empty() { Err("its tests are of different protocols".to_owned()) } else { Ok(possible) }
}

fn one_match(test: &Test, family: Option<Family>, transport: Option<u8>) -> Result<Option<String>, String> {
    let v6 = family == Some(Family::V6);
    let header = if v6 { "ip6" } else { "ip" };
    let text = match test {
        Test::Protocol(_) => return Ok(None),
        Test::Source(p) => format!("{header} saddr {p}"),
        Test::Destination(p) => format!("{header} daddr {p}"),
        Test::SourcePort { low, high } => format!("th sport {}", range(low, high)),
        Test::DestinationPort { low, high } => format!("th dport {}", range(low, high)),
        Test::LengthBytes { low, high } => format!("meta length {}", range(low, high)),
        Test::Ttl { low, high } => {
            format!("{header} {} {}", if v6 { "hoplimit" } else { "ttl" }, range(low, high))
        }
        Test::TcpFlags(flags) => {
            format!("tcp flags & (fin | syn | rst | psh | ack | urg | ecn | cwr) == 0x{flags:02x}")
        }
        Test::TcpWindow(window) => format!("tcp window {window}"),
        Test::TcpOptions(hash) => tcp_options(*hash)?,
        Test::Fragment(fragment) => fragment_match(*fragment, v6).to_owned(),
        Test::IcmpType(kind) => format!("{} type {kind}", if v6 { "icmpv6" } else { "icmp" }),
        Test::PayloadPrefix(text) => payload(text, transport)?,
        Test::SourceCountry(_) | Test::SourceNetworkNumber(_) => {
            return Err(
                "a packet filter knows no country or network number; name its prefixes instead".to_owned()
            );
        }
        other => return Err(format!("packets do not show this: {}", plain(&other.to_string()))),
    };
    Ok(Some(text))
}

fn range<T: PartialEq + std::fmt::Display>(low: &T, high: &T) -> String {
    if low == high { low.to_string() } else { format!("{low}-{high}") }
}

fn fragment_match(fragment: Fragment, v6: bool) -> &'static str {
    match (fragment, v6) {
        (Fragment::Whole, false) => "ip frag-off & 0x3fff == 0",
        (Fragment::First, false) => "ip frag-off & 0x3fff == 0x2000",
        (Fragment::Later, false) => "ip frag-off & 0x1fff != 0",
        (Fragment::Whole, true) => "exthdr frag missing",
        (Fragment::First, true) => "frag frag-off 0 frag more-fragments 1",
        (Fragment::Later, true) => "frag frag-off != 0",
    }
}

/// Payload bytes: after the eight bytes of a UDP header, or after TCP's header of any length. A match
/// for each run of bytes that are asked for.
fn payload(text: &str, transport: Option<u8>) -> Result<String, String> {
    let bytes = payload_bytes(text)
        .ok_or_else(|| "its payload prefix is no hexadecimal text of up to 16 bytes".to_owned())?;
    let (base, first_bit) = match transport {
        Some(protocol::UDP) => ("th", 64),
        Some(protocol::TCP) => ("ih", 0),
        _ => return Err("where the payload begins is known for TCP and UDP only".to_owned()),
    };
    let mut matches = Vec::new();
    let mut at = 0;
    for run in bytes.chunk_by(|a, b| a.is_some() == b.is_some()) {
        if run[0].is_some() {
            let digits: String = run.iter().flatten().map(|b| format!("{b:02x}")).collect();
            matches.push(format!("@{base},{},{} 0x{digits}", first_bit + 8 * at, 8 * run.len()));
        }
        at += run.len();
    }
    Ok(matches.join(" "))
}

/// The option kinds at their places, behind the 20 bytes of the fixed header.
fn tcp_options(hash: u64) -> Result<String, String> {
    let (places, words) = layout(hash)
        .ok_or("its layout of TCP options is none of the common ones, and only its hash is known")?;
    let mut text = format!("tcp doff {words}");
    for (kind, offset) in places {
        let _ = write!(text, " @th,{},8 {kind}", 160 + 8 * offset);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_may_be_any_are_left_between_matches() {
        assert_eq!(payload("d7??032a", Some(protocol::UDP)).unwrap(), "@th,64,8 0xd7 @th,80,16 0x032a");
        assert_eq!(payload("????17", Some(protocol::TCP)).unwrap(), "@ih,16,8 0x17");
        assert!(payload("17??", Some(protocol::TCP)).is_err());
    }
}
