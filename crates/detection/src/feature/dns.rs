//! DNS messages of one tick.

use super::codec;
use crate::sketch::{Distinct, Histogram, Profile, Profiles, Sample};
use seawall_model::hash;
use seawall_model::observation::Dns;
use seawall_model::record::DnsRecord;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Query types whose answers are large: ANY, TXT, DNSKEY, RRSIG.
const AMPLIFYING_TYPES: [u16; 4] = [255, 16, 48, 46];

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
    pub profiles: Profiles<AskerProfile>,
    /// Queries (or responses, where a log or a one-sided capture has only those).
    pub query_sample: Sample,
    pub response_sample: Sample,
    pub peak_queries_per_s: f64,
}

impl DnsWindow {
    pub(super) fn observe(&mut self, d: &Dns<'_>, priority: u64) {
        self.malformed += u64::from(d.malformed);
        self.over_tcp += u64::from(d.over_tcp);
        let client = hash::address(d.client);
        if d.is_response {
            self.observe_response(d);
            self.response_sample.offer(priority, |out| codec::encode_dns(d, out));
        } else {
            self.queries += 1;
            self.query_bytes += u64::from(d.message_bytes);
            self.amplifying += u64::from(AMPLIFYING_TYPES.contains(&d.query_type));
            self.recursive += u64::from(d.recursion_desired);
            self.clients.insert(client);
            self.names.insert(hash::bytes(d.name));
            self.query_sample.offer(priority, |out| codec::encode_dns(d, out));
        }
        if let Some(p) = self.profiles.entry(client) {
            p.observe(d);
        }
    }

    fn observe_response(&mut self, d: &Dns<'_>) {
        self.responses += 1;
        self.response_bytes += u64::from(d.message_bytes);
        self.amplifying_answers += u64::from(AMPLIFYING_TYPES.contains(&d.query_type));
        if d.unsolicited {
            self.unsolicited += 1;
            self.unasked_servers.insert(hash::address(d.server));
        }
        self.truncated += u64::from(d.truncated);
        match d.response_code {
            0 => self.no_error += 1,
            2 => self.server_failure += 1,
            3 => self.nonexistent += 1,
            5 => self.refused += 1,
            _ => self.other_failure += 1,
        }
        if let Some(response_us) = d.response_us {
            self.matched += 1;
            self.response_us.insert(response_us);
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
        self.profiles.merge(&other.profiles);
        self.query_sample.merge(&other.query_sample);
        self.response_sample.merge(&other.response_sample);
        self.peak_queries_per_s = self.peak_queries_per_s.max(other.peak_queries_per_s);
    }

    /// The sampled queries.
    #[must_use]
    pub fn query_records(&self) -> Vec<DnsRecord> {
        self.query_sample.iter().filter_map(codec::decode_dns).collect()
    }

    /// The sampled responses.
    #[must_use]
    pub fn response_records(&self) -> Vec<DnsRecord> {
        self.response_sample.iter().filter_map(codec::decode_dns).collect()
    }
}

/// What one asking address did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskerProfile {
    pub client: Option<IpAddr>,
    pub queries: u32,
    pub amplifying: u32,
    pub failures: u32,
    pub query_bytes: u64,
    pub response_bytes: u64,
}

impl AskerProfile {
    fn observe(&mut self, d: &Dns<'_>) {
        self.client = Some(d.client);
        if d.is_response {
            self.response_bytes += u64::from(d.message_bytes);
            self.failures += u32::from(matches!(d.response_code, 2 | 3));
        } else {
            self.queries += 1;
            self.query_bytes += u64::from(d.message_bytes);
            self.amplifying += u32::from(AMPLIFYING_TYPES.contains(&d.query_type));
        }
    }
}

impl Profile for AskerProfile {
    fn merge(&mut self, other: &Self) {
        self.client = self.client.or(other.client);
        self.queries += other.queries;
        self.amplifying += other.amplifying;
        self.failures += other.failures;
        self.query_bytes += other.query_bytes;
        self.response_bytes += other.response_bytes;
    }
}
