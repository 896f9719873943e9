//! DNS messages of one tick.

use super::{bit_of, codec};
use crate::sketch::{Distinct, Histogram, Profile, Profiles, Sample};
use seawall_model::hash;
use seawall_model::observation::Dns;
use seawall_model::record::DnsRecord;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Query types whose answers are large: ANY, TXT, DNSKEY, RRSIG.
pub(crate) const AMPLIFYING_TYPES: [u16; 4] = [255, 16, 48, 46];

/// Response codes (RFC 1035 section 4.1.1).
const SERVER_FAILURE: u8 = 2;
const REFUSED: u8 = 5;

/// A message that stands for many is offered to the samples so often at most.
const COPIES: u32 = 16;

/// Counters, sketches and samples of DNS messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DnsWindow {
    pub queries: u64,
    pub responses: u64,
    pub query_bytes: u64,
    pub response_bytes: u64,
    /// Bytes of queries that were answered, as far as known.
    pub no_error: u64,
    pub nonexistent: u64,
    pub server_failure: u64,
    pub refused: u64,
    pub other_failure: u64,
    pub amplifying: u64,
    /// The same of answers.
    pub amplifying_answers: u64,
    /// Queries that ask for recursion.
    pub recursive: u64,
    pub truncated: u64,
    pub over_tcp: u64,
    pub unsolicited: u64,
    pub matched: u64,
    pub malformed: u64,
    pub clients: Distinct,
    /// Servers of answers to no query that was seen.
    pub unasked_servers: Distinct,
    pub names: Distinct,
    pub response_us: Histogram,
    /// Answers that the server could or would not give: SERVFAIL, and REFUSED to who asks as resolvers
    /// do. Who tries whether a server is open for all is refused as well, and asks for recursion.
    pub broken: u64,
    pub broken_us: Histogram,
    pub profiles: Profiles<AskerProfile>,
    /// Queries (or responses, where a log or a one-sided capture has only those).
    pub query_sample: Sample,
    pub response_sample: Sample,
    pub peak_queries_per_s: f64,
}

impl DnsWindow {
    /// `times`: how many messages it stands for.
    pub(super) fn observe(&mut self, d: &Dns<'_>, priority: u64, times: u32) {
        let n = u64::from(times);
        self.malformed += n * u64::from(d.malformed);
        self.over_tcp += n * u64::from(d.over_tcp);
        let client = hash::address(d.client);
        let copies = |sample: &mut Sample| {
            sample.offer(priority, |out| codec::encode_dns(d, out));
            for copy in 1..u64::from(times.min(COPIES)) {
                sample.offer(hash::combine(priority, copy), |out| codec::encode_dns(d, out));
            }
        };
        if d.is_response {
            copies(&mut self.response_sample);
            self.observe_response(d, n);
        } else {
            copies(&mut self.query_sample);
            self.queries += n;
            self.query_bytes += n * u64::from(d.message_bytes);
            self.amplifying += n * u64::from(AMPLIFYING_TYPES.contains(&d.query_type));
            self.recursive += n * u64::from(d.recursion_desired);
            self.clients.insert(client);
            self.names.insert(hash::bytes(d.name));
        }
        if let Some(p) = self.profiles.entry(client) {
            p.observe(d, times);
        }
    }

    fn observe_response(&mut self, d: &Dns<'_>, n: u64) {
        self.responses += n;
        self.response_bytes += n * u64::from(d.message_bytes);
        self.amplifying_answers += n * u64::from(AMPLIFYING_TYPES.contains(&d.query_type));
        if d.unsolicited {
            self.unsolicited += n;
            self.unasked_servers.insert(hash::address(d.server));
        } else {
            // A log may tell of answers only: who gets one has asked.
            self.clients.insert(hash::address(d.client));
        }
        self.truncated += n * u64::from(d.truncated);
        match d.response_code {
            0 => self.no_error += n,
            2 => self.server_failure += n,
            3 => self.nonexistent += n,
            5 => self.refused += n,
            _ => self.other_failure += n,
        }
        if let Some(response_us) = d.response_us {
            self.matched += n;
            self.response_us.insert_times(response_us, n);
        }
        if is_broken(d.response_code, d.recursion_desired) {
            self.broken += n;
            if let Some(response_us) = d.response_us {
                self.broken_us.insert_times(response_us, n);
            }
        }
    }

    pub(super) fn seal(&mut self, width_s: f64) {
        self.peak_queries_per_s = self.queries as f64 / width_s;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.queries += other.queries;
        self.responses += other.responses;
        self.query_bytes += other.query_bytes;
        self.response_bytes += other.response_bytes;
        self.no_error += other.no_error;
        self.nonexistent += other.nonexistent;
        self.server_failure += other.server_failure;
        self.refused += other.refused;
        self.other_failure += other.other_failure;
        self.amplifying += other.amplifying;
        self.amplifying_answers += other.amplifying_answers;
        self.recursive += other.recursive;
        self.truncated += other.truncated;
        self.over_tcp += other.over_tcp;
        self.unsolicited += other.unsolicited;
        self.matched += other.matched;
        self.malformed += other.malformed;
        self.unasked_servers.merge(&other.unasked_servers);
        self.clients.merge(&other.clients);
        self.names.merge(&other.names);
        self.response_us.merge(&other.response_us);
        self.broken += other.broken;
        self.broken_us.merge(&other.broken_us);
        self.profiles.merge(&other.profiles);
        self.query_sample.merge(&other.query_sample);
        self.response_sample.merge(&other.response_sample);
        self.peak_queries_per_s = self.peak_queries_per_s.max(other.peak_queries_per_s);
    }

    /// Answers that say that a name does not exist, or nothing because the servers failed, and all that say
    /// something: one that is cut short has its asker come over TCP, whether the name exists or not.
    #[must_use]
    pub fn failures(&self) -> (f64, f64) {
        let failures = self.nonexistent + self.server_failure;
        let answers = if self.tells_answers() { self.responses } else { self.queries.max(self.responses) };
        (failures as f64, answers.saturating_sub(self.truncated).max(failures) as f64)
    }

    /// Whether answers that succeed are told too, or would be: logs of some servers hold every question and only
    /// what failed, without the time it took.
    #[must_use]
    pub fn tells_answers(&self) -> bool {
        let only_failures = self.responses > 0 && self.broken == self.responses;
        self.queries == 0 || !only_failures || self.response_us.count() > 0
    }

    /// The sampled queries.
    #[must_use]
    pub fn query_records(&self) -> Vec<DnsRecord> {
        self.query_sample.iter().filter_map(codec::decode_dns).collect()
    }

    /// What was asked: the sampled queries, or the responses where only those are told.
    #[must_use]
    pub fn asked_records(&self) -> Vec<DnsRecord> {
        if self.queries > 0 { self.query_records() } else { self.response_records() }
    }

    /// The sampled responses.
    #[must_use]
    pub fn response_records(&self) -> Vec<DnsRecord> {
        self.response_sample.iter().filter_map(codec::decode_dns).collect()
    }
}

/// Whether a response code says that the server cannot or will not answer a resolver (RFC 1035 section 4.1.1).
#[must_use]
pub fn is_broken(response_code: u8, recursion_desired: bool) -> bool {
    response_code == SERVER_FAILURE || (response_code == REFUSED && !recursion_desired)
}

/// What one asking address did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskerProfile {
    pub client: Option<IpAddr>,
    pub queries: u32,
    pub amplifying: u32,
    pub failures: u32,
    /// Bitmap of hashes of the names asked for, or answered where questions are not told.
    pub names: u64,
    pub responses: u32,
    pub query_bytes: u64,
    pub response_bytes: u64,
}

impl AskerProfile {
    fn observe(&mut self, d: &Dns<'_>, times: u32) {
        let n = u64::from(times);
        self.client = Some(d.client);
        self.names |= bit_of(hash::bytes(d.name));
        if d.is_response {
            self.responses = self.responses.saturating_add(times);
            self.response_bytes += n * u64::from(d.message_bytes);
            let failures = times * u32::from(matches!(d.response_code, 2 | 3));
            self.failures = self.failures.saturating_add(failures);
        } else {
            self.queries = self.queries.saturating_add(times);
            self.query_bytes += n * u64::from(d.message_bytes);
            let amplifying = times * u32::from(AMPLIFYING_TYPES.contains(&d.query_type));
            self.amplifying = self.amplifying.saturating_add(amplifying);
        }
    }
}

impl Profile for AskerProfile {
    fn merge(&mut self, other: &Self) {
        self.client = self.client.or(other.client);
        self.queries += other.queries;
        self.amplifying += other.amplifying;
        self.failures += other.failures;
        self.names |= other.names;
        self.responses += other.responses;
        self.query_bytes += other.query_bytes;
        self.response_bytes += other.response_bytes;
    }
}
