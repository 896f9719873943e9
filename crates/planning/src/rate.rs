//! Numbers for limits: from what normal clients do, never a bare figure where that is known.

use seawall_model::finding::{Findings, Rankings};
use seawall_model::metric::Metric;
use seawall_model::plan::RateKey;
use seawall_model::signature::Layer;

/// What normal traffic does, as far as it was measured. Rates are per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NormalTraffic {
    /// 99th percentile over clients of the requests in their busiest second.
    pub requests_per_client_p99: Option<f64>,
    /// The rate that 99 % of clients, and those that send 99 % of the requests, stay under while they are there.
    pub sustained_per_client_p99: Option<f64>,
    /// The same of the requests in ten seconds.
    pub at_once_per_client_p99: Option<f64>,
    /// 99th percentile over networks (/24, /48) of the requests in their busiest second.
    pub requests_per_network_p99: Option<f64>,
    /// Requests of the whole service in its busiest second.
    pub requests_peak: Option<f64>,
    /// Share of the requests that come from programs, feeds, monitors and crawlers rather than
    /// from browsers.
    pub program_share: Option<f64>,
    /// 99th percentile over DNS clients of the queries in their busiest second.
    pub queries_per_client_p99: Option<f64>,
    pub queries_per_network_p99: Option<f64>,
    /// 99th percentile over sources of the packets in their busiest second.
    pub packets_per_source_p99: Option<f64>,
    /// Packets of the whole target in its busiest second.
    pub packets_peak: Option<f64>,
    /// 99th percentile over clients of connections open at once.
    pub connections_per_client_p99: Option<f64>,
    /// Requests served at once in the busiest second.
    pub concurrency_peak: Option<f64>,
}

/// A limit with where its number comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    pub(crate) per_s: f64,
    pub(crate) burst: f64,
    /// Whether normal traffic was measured for it.
    pub(crate) is_measured: bool,
    pub(crate) origin: String,
    /// Share of what it is about that it would stop, where it is not about all that senders send.
    pub(crate) stops: Option<f64>,
}

/// Room above what the 99th percentile of normal clients does.
const HEADROOM: f64 = 2.0;
/// Room above the service's own normal peak.
const TOTAL_HEADROOM: f64 = 1.5;
/// Seconds of the limit that a client may use at once: a page brings its assets with it.
const BURST_S: f64 = 10.0;
/// Clients of one network that a limit per network allows for where none was measured.
const CLIENTS_PER_NETWORK: f64 = 5.0;
/// Per client, where nothing normal was measured: above what a person's browser sustains.
const UNMEASURED_REQUESTS_PER_S: f64 = 10.0;
const UNMEASURED_QUERIES_PER_S: f64 = 50.0;
const UNMEASURED_PACKETS_PER_S: f64 = 200.0;
/// Log-ins of one address: a person needs one or two, and the many people of an office come one after
/// another.
const LOG_INS_PER_S: f64 = 0.2;
const LOG_INS_BURST: f64 = 20.0;
/// Least that any limit allows.
const FLOOR_PER_S: f64 = 1.0;
/// Per connection table, where nothing normal was measured: browsers open six per host.
const UNMEASURED_CONNECTIONS: f64 = 24.0;

/// The limit for a key on a layer; `None` where only a measured number would do.
pub(crate) fn limit(
    key: RateKey,
    layer: Layer,
    normal: &NormalTraffic,
    findings: &Findings,
) -> Option<Limit> {
    match key {
        RateKey::Source => Some(per_source(layer, normal, findings)),
        RateKey::Network => Some(per_network(layer, normal, findings)),
        RateKey::Destination | RateKey::Path | RateKey::Total => whole(layer, normal, findings),
    }
}

/// The limit for the log-ins of one source. It would have stopped what the mean guesser sent beyond it: nothing
/// where nobody tries often enough to be counted as one.
pub(crate) fn log_ins(findings: &Findings) -> Limit {
    let lasted_s = findings.duration_s.max(1.0);
    let guessers = findings.observed(Metric::GuesserCount).filter(|n| *n >= 1.0);
    let each = findings.observed(Metric::LoginAttemptRate).zip(guessers).map(|(rate, n)| rate * lasted_s / n);
    let allowed = LOG_INS_BURST + LOG_INS_PER_S * lasted_s;
    let stopped = each.map_or(0.0, |each| 1.0 - (allowed / each).clamp(0.0, 1.0));
    Limit {
        per_s: LOG_INS_PER_S,
        burst: LOG_INS_BURST,
        is_measured: false,
        origin: format!(
            "{LOG_INS_BURST:.0} log-ins at once and {:.0} a minute from then on, which is room for an office behind one address",
            LOG_INS_PER_S * 60.0
        ),
        stops: Some(stopped),
    }
}

/// Connections that one source may hold open.
pub(crate) fn connections_per_source(normal: &NormalTraffic) -> (u32, String) {
    match known(normal.connections_per_client_p99) {
        Some(p99) => {
            let allowed = (HEADROOM * p99).max(8.0);
            (
                allowed.min(1_000.0) as u32,
                format!("twice the {p99:.0} that 99 % of normal clients stay under"),
            )
        }
        None => (
            UNMEASURED_CONNECTIONS as u32,
            "no normal connections were measured; browsers open six per host".to_owned(),
        ),
    }
}

/// Share of the disturbed traffic that a limit per source or network would stop: what the mean
/// sender and the heaviest senders send beyond it.
pub(crate) fn stopped_share(
    key: RateKey,
    per_s: f64,
    layer: Layer,
    findings: &Findings,
    rankings: &Rankings,
) -> f64 {
    let Some(total) = total_rate(layer, findings).filter(|t| *t > 0.0) else { return 0.0 };
    if !matches!(key, RateKey::Source | RateKey::Network) {
        return (1.0 - per_s / total).max(0.0);
    }
    let senders =
        if key == RateKey::Source { rankings.senders(layer) } else { rankings.sender_networks(layer) };
    let heaviest: f64 = senders.iter().map(|r| (r.share * total - per_s).max(0.0) / total).sum();
    let mean = mean_rate(layer, findings).filter(|_| key == RateKey::Source);
    let of_mean = mean.map_or(0.0, |m| if m > per_s { 1.0 - per_s / m } else { 0.0 });
    heaviest.max(of_mean).min(1.0)
}

/// What the mean source sends per second: while it is there, where that was measured.
pub(crate) fn mean_rate(layer: Layer, findings: &Findings) -> Option<f64> {
    if let Some(rate) = findings.observed(Metric::ActiveRequestRate).filter(|_| layer == Layer::Http) {
        return Some(rate);
    }
    let sources = match layer {
        Layer::Http => findings.observed(Metric::ClientCount),
        Layer::Packet => findings.observed(Metric::SourceCount),
        Layer::Dns => findings.observed(Metric::DnsClientCount),
    };
    total_rate(layer, findings).zip(sources).filter(|(_, n)| *n >= 1.0).map(|(rate, n)| rate / n)
}

pub(crate) fn total_rate(layer: Layer, findings: &Findings) -> Option<f64> {
    findings.observed(rate_metric(layer))
}

fn rate_metric(layer: Layer) -> Metric {
    match layer {
        Layer::Http => Metric::RequestRate,
        Layer::Packet => Metric::PacketRate,
        Layer::Dns => Metric::DnsQueryRate,
    }
}

fn per_source(layer: Layer, normal: &NormalTraffic, findings: &Findings) -> Limit {
    if let Some(limit) = sustained(normal).filter(|_| layer == Layer::Http) {
        return limit;
    }
    in_busiest_second(layer, normal, findings)
}

/// What visitors do all the time they are there, and a page with its parts at once.
fn sustained(normal: &NormalTraffic) -> Option<Limit> {
    let (rate, at_once) = known(normal.sustained_per_client_p99).zip(known(normal.at_once_per_client_p99))?;
    let origin = format!(
        "twice the {rate:.1}/s that 99 % of normal clients stay under while they are there, and twice the {at_once:.0} that they ask for at once"
    );
    let limit = from(HEADROOM * rate, origin);
    Some(Limit { burst: (HEADROOM * at_once).max(limit.per_s), ..limit })
}

fn in_busiest_second(layer: Layer, normal: &NormalTraffic, findings: &Findings) -> Limit {
    let measured = match layer {
        Layer::Http => known(normal.requests_per_client_p99),
        Layer::Packet => known(normal.packets_per_source_p99),
        Layer::Dns => known(normal.queries_per_client_p99),
    };
    if let Some(p99) = measured {
        return from(HEADROOM * p99, format!("twice the {p99:.1}/s that 99 % of normal clients stay under"));
    }
    let busiest = (layer == Layer::Http)
        .then(|| findings.get(Metric::PeakRequestsPerClient).and_then(|f| known(f.expected)))
        .flatten();
    if let Some(busiest) = busiest {
        return from(HEADROOM * busiest, format!("twice the {busiest:.1}/s of the busiest normal client"));
    }
    unmeasured(match layer {
        Layer::Http => UNMEASURED_REQUESTS_PER_S,
        Layer::Packet => UNMEASURED_PACKETS_PER_S,
        Layer::Dns => UNMEASURED_QUERIES_PER_S,
    })
}

fn per_network(layer: Layer, normal: &NormalTraffic, findings: &Findings) -> Limit {
    let measured = match layer {
        Layer::Http => known(normal.requests_per_network_p99),
        Layer::Dns => known(normal.queries_per_network_p99),
        Layer::Packet => None,
    };
    if let Some(p99) = measured {
        return from(HEADROOM * p99, format!("twice the {p99:.1}/s that 99 % of normal networks stay under"));
    }
    // Who shares a network comes at the same time: their busiest seconds may fall together.
    let single = in_busiest_second(layer, normal, findings);
    Limit {
        per_s: single.per_s * CLIENTS_PER_NETWORK,
        burst: single.burst * CLIENTS_PER_NETWORK,
        origin: format!("for five clients in a network, each {}", single.origin),
        ..single
    }
}

fn whole(layer: Layer, normal: &NormalTraffic, findings: &Findings) -> Option<Limit> {
    let peak = match layer {
        Layer::Http => known(normal.requests_peak),
        Layer::Packet => known(normal.packets_peak),
        Layer::Dns => None,
    };
    let expected = || findings.get(rate_metric(layer)).and_then(|f| known(f.expected));
    peak.or_else(expected).map(|rate| {
        from(TOTAL_HEADROOM * rate, format!("half above the normal {rate:.1}/s of the whole service"))
    })
}

fn from(per_s: f64, origin: String) -> Limit {
    let per_s = per_s.max(FLOOR_PER_S);
    Limit { per_s, burst: per_s * BURST_S, is_measured: true, origin, stops: None }
}

fn unmeasured(per_s: f64) -> Limit {
    Limit {
        per_s,
        burst: per_s * BURST_S,
        is_measured: false,
        origin: format!("{per_s:.0}/s, a careful guess, since no normal traffic was measured"),
        stops: None,
    }
}

fn known(figure: Option<f64>) -> Option<f64> {
    figure.filter(|f| f.is_finite() && *f > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_traffic_sets_the_number() {
        let normal = NormalTraffic { requests_per_client_p99: Some(3.0), ..NormalTraffic::default() };
        let limit = limit(RateKey::Source, Layer::Http, &normal, &Findings::default()).unwrap();
        assert_eq!((limit.per_s, limit.is_measured), (6.0, true));
    }

    #[test]
    fn a_total_needs_a_measured_number() {
        let none = NormalTraffic { requests_peak: Some(f64::NAN), ..NormalTraffic::default() };
        assert!(limit(RateKey::Total, Layer::Http, &none, &Findings::default()).is_none());
    }
}
