//! What the edge is told: sites, upstreams, limits. Plain data, checked by whoever reads the
//! configuration.

use crate::forwarded::TrustedField;
use crate::http1::HeadLimits;
use crate::rate_limits::RateLimit;
use seawall_model::Prefix;
use std::net::SocketAddr;
use std::time::Duration;

/// Everything that one edge is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub sites: Vec<Site>,
    pub limits: Limits,
    /// Proxies in front of us, whose word on the client's address is taken.
    pub trusted_proxies: Vec<Prefix>,
    /// The field that they do it in.
    pub trusted_field: TrustedField,
    /// Threads, each with its own listeners, upstream connections and windows.
    pub threads: usize,
    pub access_log: Option<LogFormat>,
    /// Whether measures and shedding act; without it they are only counted.
    pub enforce: bool,
}

/// One listener and what is behind it.
#[derive(Clone, Debug)]
pub struct Site {
    pub listen: SocketAddr,
    /// Hosts that it answers for, in small letters; `*.` stands for all below. None: whatever is asked for.
    pub names: Vec<String>,
    pub upstreams: Vec<Upstream>,
    pub tls: Option<crate::tls::Certificates>,
    /// Every connection begins with a PROXY protocol header, and comes from a trusted proxy.
    pub proxy_protocol: bool,
    /// Path that a health check asks for; without it a connection is enough.
    pub health_path: Option<String>,
    /// Whose word is taken for who the upstreams are that are spoken to over TLS.
    pub upstream_trust: Option<crate::upstream_tls::Trust>,
    pub rate_limits: Vec<RateLimit>,
}

impl Site {
    /// Whether it answers for a host, in small letters and without its port.
    #[must_use]
    pub fn is_for(&self, host: &[u8]) -> bool {
        if self.names.is_empty() {
            return true;
        }
        // A name may end in the dot of the root (RFC 3986 section 3.2.2).
        let host = host.strip_suffix(b".").unwrap_or(host);
        let is_it = |name: &str| match name.strip_prefix('*') {
            Some(below) => host.len() > below.len() && host.ends_with(below.as_bytes()),
            None => name.as_bytes() == host,
        };
        self.names.iter().any(|name| is_it(name))
    }
}

/// One server behind the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// As the operator calls it: host and port.
    pub name: String,
    /// Those of its name when the settings were made; it is looked up again while they are in force.
    pub addresses: Vec<SocketAddr>,
    pub speaks: Speaks,
}

/// What an upstream is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1 without TLS.
    #[default]
    Http1,
    /// HTTP/2 without TLS, known beforehand (RFC 9113 section 3.3).
    Http2,
    /// TLS, and in it what the upstream chooses of HTTP/2 and HTTP/1.1 (ALPN).
    Tls,
}

impl Upstream {
    /// Whether both are one server, wherever its name leads.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (&self.name, self.speaks) == (&other.name, other.speaks)
    }

    /// Its name without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.name.rsplit_once(':').map_or(&*self.name, |(host, _)| host);
        host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
    }

    /// What it is called in a request's `Host`: its name, without the port where that is the scheme's
    /// own, as programs that ask for pages write it.
    #[must_use]
    pub fn authority(&self) -> &str {
        let own = if self.speaks == Speaks::Tls { ":443" } else { ":80" };
        self.name.strip_suffix(own).unwrap_or(&self.name)
    }
}

/// Form of an access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The Combined format of Apache and nginx.
    Combined,
    /// One JSON object a line.
    Json,
}

// A limit that is hit is counted under the same name.
seawall_model::limits! {
    /// From the first byte of a head to its last.
    header_deadline_ms: 10_000, 100, 600_000;
    /// From the end of one exchange to the first byte of the next.
    idle_timeout_ms: 60_000, 100, 3_600_000;
    /// From the first byte of a connection to the end of its TLS handshake.
    handshake_deadline_ms: 5_000, 100, 60_000;
    /// Bytes a second that a client must send of a body, or take of an answer, on average over
    /// the time that we wait for it.
    min_rate_bytes_per_s: 512, 1, 1_000_000_000;
    /// Time that a client is waited for before its rate counts.
    rate_grace_ms: 5_000, 100, 600_000;
    head_bytes: 16_384, 512, 65_536;
    target_bytes: 8_192, 128, 65_000;
    fields: 100, 4, 1_000;
    /// Connections of one source (IPv6: one /64), counted over all threads.
    connections_per_source: 512, 1, 1_000_000;
    connections: 16_384, 1, 10_000_000;
    requests_per_connection: 10_000, 1, 1_000_000_000;
    /// HTTP/2 streams open at once on a connection.
    http2_streams: 100, 1, 10_000;
    /// HTTP/2 streams that a client may reset, or that we reset by its fault, in ten seconds.
    http2_resets: 200, 1, 1_000_000;
    /// HTTP/2 frames that carry nothing (PING, SETTINGS, PRIORITY, empty DATA and HEADERS,
    /// WINDOW_UPDATE) in ten seconds, beyond one for each frame that carries something.
    http2_control_frames: 1_000, 10, 10_000_000;
    /// CONTINUATION frames of one header block.
    http2_continuations: 8, 1, 1_000;
    /// To connect to an upstream.
    connect_timeout_ms: 3_000, 10, 60_000;
    /// For the check of an upstream's health, from connecting to the first line of its answer.
    health_timeout_ms: 1_000, 10, 60_000;
    /// From the end of a request to the first byte of its answer, and between pieces of it.
    upstream_timeout_ms: 60_000, 10, 3_600_000;
    /// Silence after which a connection that was upgraded (WebSocket) is closed.
    tunnel_idle_ms: 600_000, 100, 86_400_000;
    /// Idle connections kept to one upstream server, per thread; more only where more were in use
    /// at once within the last seconds.
    upstream_idle_connections: 64, 0, 10_000;
    /// Retries allowed for a hundred requests.
    retry_budget_percent: 20, 0, 100;
    /// How long a drain waits for exchanges to end.
    drain_ms: 30_000, 0, 3_600_000;
}

impl Limits {
    #[must_use]
    pub fn head(&self) -> HeadLimits {
        HeadLimits {
            head_bytes: self.head_bytes as usize,
            target_bytes: self.target_bytes as usize,
            fields: self.fields as usize,
        }
    }
}

/// Milliseconds as a duration.
#[must_use]
pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: a health check gave the address as the host, which sites by name do not answer.
    #[test]
    fn an_upstream_is_asked_by_its_name() {
        let called = |name: &str, speaks| {
            let addresses = vec![SocketAddr::from(([192, 0, 2, 1], 80))];
            Upstream { name: name.to_owned(), addresses, speaks }.authority().to_owned()
        };
        assert_eq!(called("shop.internal:3000", Speaks::Http1), "shop.internal:3000");
        assert_eq!(called("shop.internal:80", Speaks::Http1), "shop.internal");
        assert_eq!(called("shop.internal:443", Speaks::Tls), "shop.internal");
        assert_eq!(called("[::1]:80", Speaks::Http2), "[::1]");
    }

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
