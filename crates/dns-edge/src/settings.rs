//! What the edge is told: where to listen, what is behind it, limits. Plain data, checked by
//! whoever reads the configuration.

use crate::talk::Key;
use std::net::SocketAddr;
use std::sync::Arc;

/// Everything that one edge is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Each is listened on over UDP and over TCP.
    pub listeners: Vec<SocketAddr>,
    pub tls: Option<Tls>,
    /// The longest suffix that fits takes the query.
    pub pools: Vec<Pool>,
    /// Zones that are transferred in.
    pub zones: Vec<ZoneSource>,
    pub limits: Limits,
    /// Threads, each with its own sockets, cache and windows.
    pub threads: usize,
    /// Unknown names and repeated questions are held back when there are too many; without it
    /// they are only counted. Can be changed while it runs.
    pub enforce: bool,
}

/// Where DNS over TLS is taken (RFC 7858).
#[derive(Clone, Debug)]
pub struct Tls {
    pub listeners: Vec<SocketAddr>,
    pub config: Arc<rustls::ServerConfig>,
}

/// Servers that answer for names under a suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// In wire form, lower case; the root takes what no other pool does.
    pub suffix: Box<[u8]>,
    pub backends: Vec<Backend>,
}

/// One server behind the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// As the operator calls it.
    pub name: String,
    pub address: SocketAddr,
    /// Share of the queries, relative to the others' of the pool.
    pub weight: u32,
    /// Those of the lowest tier that has a server up are asked: regions, with the nearest first.
    pub tier: u32,
    /// It is told of the client by the PROXY protocol before each question.
    pub proxy_protocol: bool,
}

/// Where a zone is transferred from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSource {
    /// In wire form, lower case.
    pub apex: Box<[u8]>,
    pub primary: SocketAddr,
    /// What transfers from there are signed with, and its NOTIFY messages may be.
    pub key: Option<Key>,
}

seawall_model::limits! {
    /// Bytes of answers that are kept, over all threads.
    cache_bytes: 128 << 20, 1 << 16, 1 << 40;
    /// Answers that the kernel filter gives by itself, where there is one: at most; 0: none.
    kernel_answers: 16_384, 0, 65_536;
    /// How long an answer is kept after its time, for when no back end answers (RFC 8767).
    stale_s: 86_400, 0, 604_800;
    /// How long "no such name" is remembered, at most (RFC 2308 section 5: up to three hours).
    negative_ttl_s: 3_600, 1, 10_800;
    /// How long a failure of the back ends is remembered (RFC 9520 section 3.2).
    failure_ttl_s: 2, 1, 300;
    /// Queries that wait for a back end, per thread.
    outstanding: 8_192, 16, 32_768;
    /// Clients that wait for the same answer.
    waiters: 64, 1, 10_000;
    /// From a query to a back end to its answer.
    backend_timeout_ms: 1_500, 50, 10_000;
    /// Least time after which another back end is asked as well.
    hedge_ms: 20, 1, 5_000;
    /// Second attempts allowed for a hundred queries.
    hedge_percent: 10, 0, 100;
    /// Queries for unknown names that wait for a pool at once, per thread: at most, and at least.
    unknown_most: 256, 1, 8_192;
    unknown_least: 8, 1, 1_024;
    /// Unknown names a second that one proven address may ask for while there are too many; its
    /// network (/24, or /56) may ask for ten times as many.
    unknown_per_source: 20, 1, 100_000;
    /// Names that are remembered because they answered.
    learnt_names: 1 << 20, 64, 1 << 30;
    /// Bytes of what signed answers have proven not to exist (RFC 8198); 0: it is not used.
    range_bytes: 32 << 20, 0, 1 << 40;
    /// Names of one zone that is transferred in.
    zone_names: 4_000_000, 1, 1 << 30;
    /// How often a zone's serial number is asked for, at most; the zone may ask for less.
    zone_refresh_s: 10, 1, 86_400;
    /// Bytes a second that come in or go out, per thread, without being loud.
    loud_bytes_per_s: 200_000, 1_000, 1 << 40;
    /// Same questions a second from one network (/24, or /56) while more goes out for each byte in
    /// than is usual; fifty times as many while it is loud only.
    repeats_per_network: 5, 1, 100_000;
    /// TCP connections, per thread.
    connections: 4_096, 1, 1_000_000;
    /// TCP connections of one source (IPv6: one /64), per thread.
    connections_per_source: 32, 1, 100_000;
    /// Silence after which a TCP connection is closed.
    idle_timeout_ms: 10_000, 100, 600_000;
    /// Queries of one TCP connection that wait for their answers.
    pipelined: 64, 1, 4_096;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_range_and_found_by_name() {
        let mut limits = Limits::default();
        for (name, least, most) in Limits::RANGES {
            let value = *limits.by_name(name).expect("known");
            assert!((*least..=*most).contains(&value), "{name} = {value}");
        }
        assert!(limits.by_name("nothing").is_none());
    }
}
