//! DNS windows as values.

use super::{Structure, Value, push, push_share, spread};
use crate::feature::dns::DnsWindow;
use seawall_model::metric::Metric;
use seawall_model::record::DnsRecord;
use seawall_model::text::is_random_word;
use seawall_model::{Cause, hash};

/// So many names under one suffix, so long in the mean, may be a tunnel.
const TUNNEL_NAMES: usize = 15;
const TUNNEL_LABEL_BYTES: usize = 30;

pub(super) fn measure(dns: &DnsWindow, seconds: f64, out: &mut Vec<Value>, structure: &mut Structure) {
    let asked = dns.queries.max(dns.responses) as f64;
    push(out, Metric::DnsQueryRate, asked / seconds, asked);
    push(out, Metric::DnsQueryCount, asked, asked);
    push(out, Metric::DnsClientCount, dns.clients.count(), asked);
    let failures = dns.nonexistent + dns.server_failure;
    push_share(out, Metric::DnsFailureShare, failures as f64, dns.responses as f64);
    push_share(out, Metric::DnsAmplifyingShare, dns.amplifying as f64, dns.queries as f64);
    push_share(out, Metric::DnsRecursionShare, dns.recursive as f64, dns.queries as f64);
    push(
        out,
        Metric::DnsQueriesPerClient,
        dns.queries as f64 / dns.clients.count().max(1.0),
        dns.queries as f64,
    );
    if dns.queries > 0 && dns.responses > 0 {
        push_share(out, Metric::DnsOutboundRatio, dns.response_bytes as f64, dns.query_bytes as f64);
        let missing = dns.queries.saturating_sub(dns.responses);
        push_share(out, Metric::DnsUnansweredShare, missing as f64, dns.queries as f64);
    }
    let sorted = dns.profiles.sorted();
    let busiest = sorted.iter().map(|(_, p)| p.queries).max().unwrap_or(0);
    push_share(out, Metric::DnsTopClientShare, f64::from(busiest), dns.queries as f64);
    let records = if dns.queries > 0 { dns.query_records() } else { dns.response_records() };
    suffixes(&records, out, structure);
}

/// Names under the busiest suffix: how many, how alike, how long.
fn suffixes(records: &[DnsRecord], out: &mut Vec<Value>, structure: &mut Structure) {
    let mut by_suffix: Vec<(&str, &str)> =
        records.iter().filter(|r| !r.name.is_empty()).map(|r| split_name(&r.name)).collect();
    by_suffix.sort_unstable();
    let total = by_suffix.len() as f64;
    let runs = || by_suffix.chunk_by(|a, b| a.0 == b.0);
    let carries = runs().filter(|run| carries_data(run)).max_by_key(|run| run.len());
    let Some(busiest) = carries.or_else(|| runs().max_by_key(|run| run.len())) else { return };
    let n = busiest.len() as f64;
    push_share(out, Metric::DnsSuffixShare, n, total);
    let names = spread(busiest.iter().map(|(_, head)| hash::bytes(head.as_bytes())).collect());
    push(out, Metric::DnsDistinctNameShare, names.distinct as f64 / n, n);
    let bytes: usize = busiest.iter().map(|(_, head)| head.len()).sum();
    push_share(out, Metric::DnsLabelBytes, bytes as f64, n);
    let random = busiest.iter().filter(|(_, head)| head.split('.').any(is_random_word)).count();
    push_share(out, Metric::DnsRandomNameShare, random as f64, n);
    if n >= 0.5 * total {
        structure.target = Some(format!("zone {}", busiest[0].0));
    }
    for cause in [Cause::DnsRandomSubdomain, Cause::DnsTunnel] {
        structure.vectors.push((cause, busiest[0].0.to_owned()));
    }
}

/// Whether the names under a suffix are long and hardly ever repeated: a tunnel shows even where
/// most queries are for other names.
fn carries_data(run: &[(&str, &str)]) -> bool {
    let bytes: usize = run.iter().map(|(_, head)| head.len()).sum();
    // Sorted, so that equal names stand together.
    let distinct = run.chunk_by(|a, b| a == b).count();
    run.len() >= TUNNEL_NAMES && bytes >= run.len() * TUNNEL_LABEL_BYTES && 2 * distinct >= run.len()
}

/// A name as (registered domain, rest): the last two labels, or three under registries with a
/// second level such as `co.uk`.
fn split_name(name: &str) -> (&str, &str) {
    let mut dots = name.rmatch_indices('.').map(|(i, _)| i);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return (name, "") };
    let top = &name[last + 1..];
    let registry = &name[second + 1..last];
    let cut = if top.len() == 2 && registry.len() <= 3 { dots.next() } else { Some(second) };
    match cut {
        Some(cut) => (&name[cut + 1..], &name[..cut]),
        None => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_the_registered_domain() {
        assert_eq!(split_name("a.b.example.com"), ("example.com", "a.b"));
        assert_eq!(split_name("x.shop.co.uk"), ("shop.co.uk", "x"));
        assert_eq!(split_name("example.com"), ("example.com", ""));
        assert_eq!(split_name("localhost"), ("localhost", ""));
    }
}
