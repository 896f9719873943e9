//! DNS windows as values.

use super::{Structure, Value, client, push, push_share, spread, zones};
use crate::Window;
use crate::feature::dns::{AMPLIFYING_TYPES, DnsWindow};
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;
use seawall_model::record::DnsRecord;
use seawall_model::signature::Layer;
use seawall_model::text::is_random_word;
use seawall_model::{Cause, hash};

/// So many names under one suffix, so long in the mean, may be a tunnel.
const TUNNEL_NAMES: usize = 15;
const TUNNEL_LABEL_BYTES: usize = 30;
/// A name that is drawn at random is repeated a few times for want of an answer; one that is asked for so often
/// among some hundred questions is known to many.
const FAMILIAR: usize = 8;
/// Types of questions that tunnels ask: CNAME, NULL, MX, TXT, and the one for private use that
/// iodine prefers.
const DATA_TYPES: [u16; 5] = [5, 10, 15, 16, 65_399];

pub(super) fn measure(dns: &DnsWindow, seconds: f64, out: &mut Vec<Value>, structure: &mut Structure) {
    let asked = dns.queries.max(dns.responses) as f64;
    push(out, Metric::DnsQueryRate, asked / seconds, asked);
    push(out, Metric::DnsQueryCount, asked, asked);
    push(out, Metric::DnsClientCount, dns.clients.count(), asked);
    let (failures, answers) = dns.failures();
    push_share(out, Metric::DnsFailureShare, failures, answers);
    // A capture of one direction may hold the answers only.
    let (amplifying, of) =
        if dns.queries > 0 { (dns.amplifying, dns.queries) } else { (dns.amplifying_answers, dns.responses) };
    push_share(out, Metric::DnsAmplifyingShare, amplifying as f64, of as f64);
    push_share(out, Metric::DnsUnsolicitedShare, dns.unsolicited as f64, dns.responses as f64);
    push(out, Metric::DnsServerCount, dns.unasked_servers.count(), asked);
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
        if dns.tells_answers() {
            push_share(out, Metric::DnsUnansweredShare, missing as f64, dns.queries as f64);
        }
    }
    let sorted = dns.profiles.sorted();
    let busiest = sorted.iter().map(|(_, p)| p.queries).max().unwrap_or(0);
    push_share(out, Metric::DnsTopClientShare, f64::from(busiest), dns.queries as f64);
    let records = dns.asked_records();
    if dns.queries as usize == records.len() {
        let asked = spread(records.iter().map(question).collect());
        let again = asked.total.saturating_sub(asked.distinct) as f64;
        push_share(out, Metric::DnsRetryShare, again, asked.total as f64);
    }
    push(out, Metric::DnsAmplifyingNetworks, asking_for_texts(&records), dns.queries as f64);
    zones::measure(dns, out);
    suffixes(&records, out, structure);
}

/// Networks of one owner from which texts and keys are asked for, as many as if each asked alike: of a sender of
/// mail, and of a signed zone, resolvers everywhere ask for them. Victims are few at a time, or of one network, and
/// in their name all is asked for at once, which no resolver does.
fn asking_for_texts(records: &[DnsRecord]) -> f64 {
    const TEXT: u16 = 16;
    const KEY: u16 = 48;
    const NEARLY_ALL: f64 = 0.8;
    let amplifying = records.iter().filter(|r| AMPLIFYING_TYPES.contains(&r.query_type)).count() as f64;
    let is_wanted = |r: &&DnsRecord| matches!(r.query_type, TEXT | KEY);
    let mut networks: Vec<u64> =
        records.iter().filter(is_wanted).map(|r| client::wide_network(r.client)).collect();
    networks.sort_unstable();
    let all = networks.len() as f64;
    let squares: f64 = networks.chunk_by(|a, b| a == b).map(|run| (run.len() * run.len()) as f64).sum();
    if squares > 0.0 && all >= NEARLY_ALL * amplifying { all * all / squares } else { 0.0 }
}

/// Who asks what.
fn question(r: &DnsRecord) -> u64 {
    let name = hash::combine(hash::bytes(r.name.as_bytes()), u64::from(r.query_type));
    hash::combine(hash::address(r.client), name)
}

/// A question split at its suffix.
struct Asked<'r> {
    suffix: &'r str,
    head: &'r str,
    record: &'r DnsRecord,
}

impl<'r> Asked<'r> {
    fn split(record: &'r DnsRecord) -> Self {
        let (suffix, head) = split_name(&record.name);
        Self { suffix, head, record }
    }

    /// The same question, split one label further down.
    fn below(&self) -> Option<Self> {
        let dot = self.head.rfind('.')?;
        let suffix = &self.record.name[dot + 1..];
        Some(Self { suffix, head: &self.head[..dot], record: self.record })
    }
}

/// Names under the busiest suffix: how many, how alike, how long.
fn suffixes(records: &[DnsRecord], out: &mut Vec<Value>, structure: &mut Structure) {
    let mut asked: Vec<Asked<'_>> = records.iter().filter(|r| !r.name.is_empty()).map(Asked::split).collect();
    asked.sort_by(|a, b| (a.suffix, a.head).cmp(&(b.suffix, b.head)));
    let total = asked.len() as f64;
    let runs = || asked.chunk_by(|a, b| a.suffix == b.suffix);
    let mut below: Vec<Asked<'_>> = asked.iter().filter_map(Asked::below).collect();
    below.sort_by(|a, b| (a.suffix, a.head).cmp(&(b.suffix, b.head)));
    let carrying = |run: &&[Asked<'_>]| carries_data(run);
    let carries = runs().filter(carrying).max_by_key(|run| run.len());
    // A tunnel may be a part of a zone that is asked for much else.
    let part = || below.chunk_by(|a, b| a.suffix == b.suffix).filter(carrying).max_by_key(|run| run.len());
    let busiest = carries.or_else(part).or_else(|| runs().max_by_key(|run| run.len()));
    let Some(busiest) = busiest else { return };
    let n = busiest.len() as f64;
    let suffix = busiest[0].suffix;
    push_share(out, Metric::DnsSuffixShare, n, total);
    let share_of = |key: fn(&Asked<'_>) -> u64| spread(busiest.iter().map(key).collect());
    let names = share_of(|a| hash::bytes(a.head.as_bytes()));
    push(out, Metric::DnsDistinctNameShare, names.distinct as f64 / n, n);
    push(out, Metric::DnsSuffixTopClientShare, share_of(|a| hash::address(a.record.client)).top, n);
    push(out, Metric::DnsTopTypeShare, share_of(|a| u64::from(a.record.query_type)).top, n);
    push(out, Metric::DnsDirectShare, if n >= ONE_ZONE * total { direct_share(busiest) } else { 0.0 }, n);
    let data = busiest.iter().filter(|a| DATA_TYPES.contains(&a.record.query_type)).count();
    push_share(out, Metric::DnsDataTypeShare, data as f64, n);
    let bytes: usize = busiest.iter().map(|a| written_bytes(a)).sum();
    push_share(out, Metric::DnsLabelBytes, bytes as f64, n);
    let addresses = busiest.iter().filter(|a| is_address(a.head)).count();
    push_share(out, Metric::DnsAddressNameShare, addresses as f64, n);
    let is_random = |a: &Asked<'_>| !is_reverse(a) && a.head.split('.').any(is_random_word);
    let random = busiest.iter().filter(|a| is_random(a)).count();
    push_share(out, Metric::DnsRandomNameShare, random as f64, n);
    // Sorted, so that equal names stand together.
    let of_one_name = busiest.chunk_by(|a, b| a.head == b.head);
    let familiar: usize =
        of_one_name.filter(|run| run.len() >= FAMILIAR && is_random(&run[0])).map(|run| run.len()).sum();
    push_share(out, Metric::DnsFamiliarNameShare, familiar as f64, random as f64);
    if n >= 0.5 * total {
        structure.targets.push((Layer::Dns, format!("zone {suffix}")));
    }
    for cause in [Cause::DnsRandomSubdomain, Cause::DnsTunnel] {
        structure.vectors.push((cause, suffix.to_owned()));
    }
}

/// Who asks for so much under one zone asks its own servers: a resolver is asked for names of many.
const ONE_ZONE: f64 = 0.95;

/// How much is asked with the wish for recursion by machines of many networks. To servers of a zone come resolvers,
/// which do not wish for it (RFC 1035 section 4.1.1), and somebody who looks something up; those who use a
/// resolver are of few networks.
fn direct_share(asked: &[Asked<'_>]) -> f64 {
    const NETWORKS_LEAST: usize = 24;
    let direct = || asked.iter().filter(|a| a.record.recursion_desired && !a.record.is_response);
    let networks = spread(direct().map(|a| client::wide_network(a.record.client)).collect());
    if networks.distinct < NETWORKS_LEAST { 0.0 } else { direct().count() as f64 / asked.len() as f64 }
}

/// Addresses written as names (RFC 3596 section 2.5) are long and say nothing of their asker.
fn is_reverse(asked: &Asked<'_>) -> bool {
    asked.suffix.ends_with(".arpa")
}

/// An address written backwards, as lists of senders are asked for (RFC 5782 section 2): the four numbers of an
/// IPv4 address, or the thirty-two digits of an IPv6 one.
fn is_address(head: &str) -> bool {
    let run_of = |of: fn(&str) -> bool| head.split('.').take_while(|label| of(label)).count();
    let is_octet = |label: &str| label.len() <= 3 && label.parse::<u8>().is_ok();
    let is_digit = |label: &str| label.len() == 1 && label.as_bytes()[0].is_ascii_hexdigit();
    run_of(is_octet) == 4 || run_of(is_digit) == 32
}

/// Bytes that an asker could have chosen.
fn written_bytes(asked: &Asked<'_>) -> usize {
    if is_reverse(asked) { 0 } else { asked.head.len() }
}

/// Whether the names under a suffix are long and hardly ever repeated: a tunnel shows even where
/// most queries are for other names.
fn carries_data(run: &[Asked<'_>]) -> bool {
    let bytes: usize = run.iter().map(written_bytes).sum();
    // Sorted, so that equal names stand together.
    let distinct = run.chunk_by(|a, b| a.head == b.head).count();
    run.len() >= TUNNEL_NAMES && bytes >= run.len() * TUNNEL_LABEL_BYTES && 2 * distinct >= run.len()
}

/// Findings that need both sides: which clients are new.
pub(super) fn compare(during: &Window, reference: &Window, findings: &mut Findings) {
    let (Some(now), Some(before)) = (&during.dns, &reference.dns) else { return };
    if let Some(new) = now.profiles.new_share(&before.profiles) {
        findings.insert(Finding {
            metric: Metric::DnsNewClientShare,
            observed: new,
            expected: None,
            surprise: 0.0,
            support: now.clients.count(),
            onset: findings.onset,
        });
    }
}

/// A name as (registered domain, rest): the last two labels, or three under registries with a
/// second level such as `co.uk`.
pub(super) fn split_name(name: &str) -> (&str, &str) {
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

    /// Broke: mail servers that asked a list of senders for the addresses of a wave of spam were called an attack.
    #[test]
    fn addresses_written_backwards_are_told_from_names_that_are_made_up() {
        let v6 = ["1"; 32].join(".");
        let list = ["7.0.113.203.dnsbl", "255.1.2.3", &v6, &format!("{v6}.list")];
        let others = ["7.0.113.dnsbl", "a7f3k2", "1.2.3.4.5.6.7.8", "300.1.2.3", "1.2.3.1234", "shop"];
        assert!(list.iter().all(|head| is_address(head)));
        assert!(!others.iter().any(|head| is_address(head)));
    }

    /// Broke: a newsletter, after which everybody asked for the keys that its mail is checked by, was a reflection.
    #[test]
    fn who_is_asked_for_large_answers_by_everybody_reflects_nothing() {
        let record = |n: u32, askers: u32, query_type: u16| DnsRecord {
            time: seawall_model::Timestamp(0),
            client: std::net::IpAddr::from((n % askers * 0x0033_0000 + 0x0100_0007).to_be_bytes()),
            is_response: false,
            name: "k1._domainkey.example.org".to_owned(),
            query_type,
            response_code: 0,
            recursion_desired: false,
            message_bytes: 60,
        };
        let networks = |askers: u32, query_type: u16| {
            asking_for_texts(&(0..1_000).map(|n| record(n, askers, query_type)).collect::<Vec<_>>()).round()
        };
        assert_eq!((networks(500, 16), networks(8, 16)), (500.0, 8.0));
        assert_eq!(networks(500, 255), 0.0, "no resolver asks for all at once");
        assert_eq!(asking_for_texts(&[]), 0.0);
    }

    /// Broke: a flood of questions that was there from the beginning was normal traffic, or undecided.
    #[test]
    fn machines_of_many_networks_ask_a_zone_directly_and_resolvers_do_not() {
        let record = |n: u32, recursion_desired: bool| DnsRecord {
            time: seawall_model::Timestamp(0),
            client: std::net::IpAddr::from((n * 0x0111_0000 + 0x0100_0007).to_be_bytes()),
            is_response: false,
            name: "www.example.org".to_owned(),
            query_type: 1,
            response_code: 0,
            recursion_desired,
            message_bytes: 40,
        };
        let share = |networks: u32, recursion_desired: bool| {
            let records: Vec<_> = (0..200).map(|n| record(n % networks, recursion_desired)).collect();
            direct_share(&records.iter().map(Asked::split).collect::<Vec<_>>())
        };
        assert_eq!((share(100, true), share(100, false), share(5, true)), (1.0, 0.0, 0.0));
    }

    /// Broke: the hosts of a delivery network, which have hashes as names, were an attack with random names.
    #[test]
    fn names_that_look_random_and_come_again_and_again_are_familiar() {
        let familiar = |names: u64| {
            let record = |n: u64| DnsRecord {
                time: seawall_model::Timestamp(0),
                client: std::net::IpAddr::from([192, 0, 2, n as u8]),
                is_response: false,
                name: format!("{:014x}.edge.example.org", hash::mix(n % names) >> 8),
                query_type: 1,
                response_code: 0,
                recursion_desired: false,
                message_bytes: 60,
            };
            let mut out = Vec::new();
            suffixes(&(0..600).map(record).collect::<Vec<_>>(), &mut out, &mut Structure::default());
            out.iter().find(|v| v.metric == Metric::DnsFamiliarNameShare).map(|v| v.value)
        };
        assert_eq!((familiar(40), familiar(600), familiar(200)), (Some(1.0), Some(0.0), Some(0.0)));
    }

    #[test]
    fn names_split_at_the_registered_domain() {
        assert_eq!(split_name("a.b.example.com"), ("example.com", "a.b"));
        assert_eq!(split_name("x.shop.co.uk"), ("shop.co.uk", "x"));
        assert_eq!(split_name("example.com"), ("example.com", ""));
        assert_eq!(split_name("localhost"), ("localhost", ""));
    }
}
