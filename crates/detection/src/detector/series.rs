//! The series that are watched.

use super::{Cusum, Scale};
use crate::Window;
use crate::feature::http::HttpWindow;
use crate::feature::net::NetWindow;
use seawall_model::metric::Metric;
use seawall_model::observation::{BackendEventKind, ConnectionEvent};
use serde::{Deserialize, Serialize};

/// One watched series. The value of a second is `None` where its kind of input is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Series {
    Requests,
    Pages,
    Clients,
    /// Requests that say which crawler they are: among many others these may double and hardly show.
    Crawlers,
    ServerErrors,
    ClientErrors,
    SlowAnswers,
    Duration,
    AbandonedRequests,
    Packets,
    Bytes,
    OneWayPackets,
    HalfOpen,
    Connections,
    SlowConnections,
    /// Slow clients that are still held, or turned away: a crowd of them is told of as it comes, and says
    /// no more while it stands.
    HeldConnections,
    /// Connections that are opened for nothing, or abused as soon as they are open.
    VainConnections,
    Logins,
    DnsQueries,
    DnsFailures,
    BackendTrouble,
    /// Checks of what the service needs that fail.
    FailedChecks,
}

/// A check stands for all that need what it looks at: so many failures, of which two in a row are
/// called, and one that may be a glitch is not.
const CHECK_WEIGHT: f64 = 36.0;

/// Every series, in the order of their detectors.
pub const SERIES: [Series; 22] = [
    Series::Requests,
    Series::Pages,
    Series::Clients,
    Series::Crawlers,
    Series::ServerErrors,
    Series::ClientErrors,
    Series::SlowAnswers,
    Series::Duration,
    Series::AbandonedRequests,
    Series::Packets,
    Series::Bytes,
    Series::OneWayPackets,
    Series::HalfOpen,
    Series::Connections,
    Series::SlowConnections,
    Series::HeldConnections,
    Series::VainConnections,
    Series::Logins,
    Series::DnsQueries,
    Series::DnsFailures,
    Series::BackendTrouble,
    Series::FailedChecks,
];

impl Series {
    #[must_use]
    pub fn scale(self) -> Scale {
        match self {
            Self::Duration => Scale::Level,
            _ => Scale::Count,
        }
    }

    /// Whether the values of parts of a second add up to that of the whole.
    #[must_use]
    pub fn adds_up(self) -> bool {
        self.scale() == Scale::Count && !matches!(self, Self::Clients | Self::HeldConnections)
    }

    /// A detector that has seen nothing of this series.
    #[must_use]
    pub fn detector(self) -> Cusum {
        match self {
            Self::SlowConnections | Self::HeldConnections | Self::VainConnections | Self::FailedChecks => {
                Cusum::silent()
            }
            _ => Cusum::new(self.scale()),
        }
    }

    /// Whether a fall of this series is trouble of its own.
    #[must_use]
    pub fn watches_falls(self) -> bool {
        matches!(self, Self::Requests | Self::Packets | Self::Connections | Self::DnsQueries)
    }

    /// The metric that a chart of this series shows, for the few that are charted.
    #[must_use]
    pub fn charted(self) -> Option<Metric> {
        match self {
            Self::Requests => Some(Metric::RequestRate),
            Self::ServerErrors => Some(Metric::ServerErrorShare),
            Self::Duration => Some(Metric::DurationMedian),
            Self::Packets => Some(Metric::PacketRate),
            Self::Bytes => Some(Metric::BitRate),
            Self::DnsQueries => Some(Metric::DnsQueryRate),
            Self::Connections => Some(Metric::ConnectionRate),
            _ => None,
        }
    }

    /// The value of one second.
    #[must_use]
    pub fn value(self, second: &Window) -> Option<f64> {
        let http = |f: fn(&HttpWindow) -> u64| second.http.as_ref().map(|h| f(h) as f64);
        let net = |f: fn(&NetWindow) -> u64| second.net.as_ref().map(|n| f(n) as f64);
        match self {
            Self::Requests => http(|h| h.counters.requests),
            Self::Pages => http(|h| h.counters.requests - h.counters.assets),
            Self::Clients => second.http.as_ref().map(|h| h.clients.count()),
            Self::Crawlers => http(|h| h.counters.crawlers),
            Self::ServerErrors => http(|h| h.counters.server_error),
            Self::ClientErrors => http(|h| h.counters.client_error),
            Self::SlowAnswers => http(|h| h.counters.upstream_timed_out + h.counters.queue_timed_out),
            Self::Duration => second.http.as_ref().and_then(|h| h.durations_us.mean()),
            Self::AbandonedRequests => {
                http(|h| h.counters.timed_out + h.counters.client_closed + h.counters.client_timed_out)
            }
            Self::Packets => net(|n| n.volumes.all.packets),
            // Kilobytes, so that the square root's spread means something.
            Self::Bytes => net(|n| n.volumes.all.bytes / 1_000),
            Self::OneWayPackets => net(|n| n.volumes.one_way()),
            Self::HalfOpen => net(|n| n.event(ConnectionEvent::HalfOpenExpired)),
            Self::Connections => net(|n| n.event(ConnectionEvent::Established).max(n.logged_connections())),
            Self::SlowConnections => {
                net(|n| n.event(ConnectionEvent::SlowRequest) + n.event(ConnectionEvent::SlowRead))
            }
            Self::HeldConnections => net(|n| n.slow_held + n.turned_away),
            Self::VainConnections => net(|n| {
                let vain =
                    [ConnectionEvent::Idle, ConnectionEvent::Http2Abuse, ConnectionEvent::TlsAbandoned];
                vain.into_iter().map(|event| n.event(event)).sum()
            }),
            Self::Logins => second.logins.as_ref().map(|l| l.failures as f64),
            Self::DnsQueries => second.dns.as_ref().map(|d| d.queries.max(d.responses) as f64),
            Self::DnsFailures => second.dns.as_ref().map(|d| (d.nonexistent + d.server_failure) as f64),
            Self::BackendTrouble => second.backends.as_ref().map(|b| b.counts.iter().sum::<u64>() as f64),
            Self::FailedChecks => {
                second.backends.as_ref().map(|b| CHECK_WEIGHT * b.count(BackendEventKind::CheckFailed) as f64)
            }
        }
    }
}

/// One watched share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ShareSeries {
    ServerErrors,
    ClientErrors,
    Abandoned,
    UpstreamFailures,
    Uncached,
    Assetless,
    DnsFailures,
    Unanswered,
    Repeated,
    /// Segments sent again by the sides that ask: answers are so many more that they drown these.
    AskedAgain,
    /// Openings sent again.
    OpenedAgain,
    /// Server errors among what is not fetched along: the many files of a page hardly ever fail.
    AskedErrors,
    /// The same of refusals: a part of a site that is not there any more.
    AskedRefusals,
    /// What clients may not have (401, 403) among what is not fetched along: a form that nobody may send any
    /// more is few of all requests.
    Forbidden,
    /// Answers that send their clients elsewhere.
    Moved,
    /// Attempts to connect that are refused.
    Refused,
    /// TLS handshakes after which nothing is asked.
    AbandonedHandshakes,
}

/// Every watched share, in the order of their detectors.
pub const SHARES: [ShareSeries; 13] = [
    ShareSeries::ServerErrors,
    ShareSeries::ClientErrors,
    ShareSeries::Abandoned,
    ShareSeries::UpstreamFailures,
    ShareSeries::Uncached,
    ShareSeries::Assetless,
    ShareSeries::DnsFailures,
    ShareSeries::Unanswered,
    ShareSeries::Repeated,
    ShareSeries::AskedAgain,
    ShareSeries::OpenedAgain,
    ShareSeries::AskedErrors,
    ShareSeries::Forbidden,
];

/// Shares that are looked at when the input has ended: in the night, when visitors go and scanners stay, or one
/// visitor clicks what sends him elsewhere, they rise while nothing is wrong; so do attempts that are refused, as of
/// a scan that passes.
pub const SHARES_OF_ALL: [ShareSeries; 4] =
    [ShareSeries::AskedRefusals, ShareSeries::Moved, ShareSeries::Refused, ShareSeries::AbandonedHandshakes];

impl ShareSeries {
    /// Hits and trials of one second; `None` where its kind of input is absent.
    #[must_use]
    pub fn value(self, second: &Window) -> Option<(f64, f64)> {
        let http = |f: fn(&HttpWindow) -> u64| {
            second.http.as_ref().map(|h| (f(h) as f64, h.counters.requests as f64))
        };
        let net = |f: fn(&NetWindow) -> (u64, u64)| {
            let (hits, trials) = f(second.net.as_ref()?);
            Some((hits as f64, trials as f64))
        };
        match self {
            Self::ServerErrors => http(|h| h.counters.server_error),
            Self::ClientErrors => http(|h| h.counters.client_error),
            Self::Moved => http(|h| h.counters.moved),
            Self::Abandoned => {
                http(|h| h.counters.timed_out + h.counters.client_closed + h.counters.client_timed_out)
            }
            Self::UpstreamFailures => http(|h| {
                let c = &h.counters;
                c.upstream_failed + c.upstream_timed_out + c.queue_timed_out + c.no_upstream
            }),
            Self::Uncached => second.http.as_ref().map(|h| {
                let c = &h.counters;
                ((c.cache_known - c.cache_hits) as f64, c.cache_known as f64)
            }),
            Self::Assetless => http(|h| h.counters.requests - h.counters.assets),
            Self::DnsFailures => second.dns.as_ref().map(|d| d.failures()),
            Self::Repeated => net(|n| (n.volumes.repeated.packets, n.volumes.segments.packets)),
            Self::AskedAgain => {
                net(|n| (n.volumes.asking_repeated.packets, n.volumes.asking_segments.packets))
            }
            Self::OpenedAgain => net(|n| (n.volumes.syn_repeated.packets, n.volumes.syn.packets)),
            Self::AskedErrors => second
                .http
                .as_ref()
                .map(|h| (h.counters.asked_server_error as f64, h.counters.asked() as f64)),
            Self::AskedRefusals => second
                .http
                .as_ref()
                .map(|h| (h.counters.asked_client_error as f64, h.counters.asked() as f64)),
            Self::Forbidden => second.http.as_ref().map(|h| {
                let c = &h.counters;
                (c.unauthorised.min(c.asked_client_error) as f64, c.asked() as f64)
            }),
            Self::Refused => net(|n| {
                let refused = n.event(ConnectionEvent::Refused);
                let others = [ConnectionEvent::Established, ConnectionEvent::HalfOpenExpired];
                (refused, refused + others.into_iter().map(|event| n.event(event)).sum::<u64>())
            }),
            Self::AbandonedHandshakes => net(|n| {
                let ends = [ConnectionEvent::TlsAbandoned, ConnectionEvent::CertificateRefused];
                let abandoned = ends.into_iter().map(|event| n.event(event)).sum();
                (abandoned, n.event(ConnectionEvent::TlsHello).max(abandoned))
            }),
            Self::Unanswered => net(|n| (n.volumes.one_way(), n.volumes.unrefusing())),
        }
    }
}
