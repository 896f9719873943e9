//! Candidates for DNS messages.

use super::packet::numbers;
use super::{Hashed, Pool, Values, keyed};
use seawall_model::record::{DnsRecord, TEXT_LIMIT_BYTES};
use seawall_model::signature::Test;

/// Labels of a suffix that is tried; the whole name is tried besides.
const SUFFIX_LABELS: usize = 4;

/// Tries every attribute of a DNS message.
pub(crate) fn collect(pool: &mut Pool<'_>, unwanted: &[DnsRecord], normal: &[DnsRecord]) {
    let kinds = |d: &DnsRecord| Some(d.query_type);
    pool.values(keyed(unwanted, kinds), keyed(normal, kinds), |t| Some(Test::DnsType(*t)));
    let desired = |d: &DnsRecord| Some(d.recursion_desired);
    pool.values(keyed(unwanted, desired), keyed(normal, desired), |rd| Some(Test::DnsRecursionDesired(*rd)));
    pool.values(suffixes(unwanted), suffixes(normal), |h| Some(Test::DnsSuffix(h.text.to_owned())));
    // A length is what a name happens to have.
    if unwanted.iter().any(|d| !d.name.is_empty()) {
        return;
    }
    numbers(pool, unwanted, normal, |d| Some(d.message_bytes), |low, high| Test::LengthBytes { low, high });
}

fn suffixes(records: &[DnsRecord]) -> Values<Hashed<'_>> {
    let mut found = Vec::new();
    for (i, record) in records.iter().enumerate() {
        let name = record.name.as_str();
        if name.is_empty() || name.len() >= TEXT_LIMIT_BYTES || name.contains(char::REPLACEMENT_CHARACTER) {
            continue;
        }
        found.push((Hashed::new(name), i));
        let dots = name.rmatch_indices('.').map(|(at, _)| &name[at + 1..]).filter(|s| !s.is_empty());
        found.extend(dots.take(SUFFIX_LABELS).map(|suffix| (Hashed::new(suffix), i)));
    }
    found
}
