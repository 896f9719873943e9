//! What normal traffic does, for the numbers of limits: measured on the reference; and of how much of it
//! something can be expected.

use seawall_detection::Window;
use seawall_detection::feature::classify::AgentKind;
use seawall_detection::feature::http::{ClientProfile, HttpWindow};
use seawall_planning::NormalTraffic;

/// Fewest clients of which a 99th percentile says anything.
const MIN_CLIENTS: usize = 20;
/// Seconds in which what a client asks for counts as one burst.
const AT_ONCE_S: f64 = 10.0;
/// A reference shorter than this, or with less than this many observations, expects nothing.
const REFERENCE_MIN_S: f64 = 5.0;
pub(crate) const REFERENCE_MIN_OBSERVATIONS: f64 = 12.0;
/// Requests of fewer clients than this say little of who else comes, until they were watched so long.
const REFERENCE_MIN_CLIENTS: f64 = 6.0;
const REFERENCE_FEW_CLIENTS_S: f64 = 30.0;

/// The measures of a reference. What it does not show stays unknown.
pub(crate) fn normal_traffic(reference: &Window) -> NormalTraffic {
    let http = reference.http.as_deref();
    let net = reference.net.as_deref();
    let per_source = |n: &seawall_detection::feature::net::NetWindow| {
        p99(n.hosts.sorted().iter().map(|(_, h)| f64::from(h.peak_per_s)).collect())
    };
    NormalTraffic {
        requests_per_client_p99: http.and_then(|h| p99(profiles(h).iter().map(busiest_second).collect())),
        sustained_per_client_p99: http.and_then(|h| of_nearly_all(&profiles(h), sustained)),
        at_once_per_client_p99: http.and_then(|h| of_nearly_all(&profiles(h), at_once)),
        requests_peak: http.map(|h| h.peak_requests_per_s).filter(|peak| *peak > 0.0),
        program_share: http.and_then(program_share),
        packets_per_source_p99: net.and_then(per_source),
        packets_peak: net.map(|n| n.peak_packets_per_s).filter(|peak| *peak > 0.0),
        ..NormalTraffic::default()
    }
}

/// Whether a quiet part is long enough to expect something from.
pub(crate) fn is_enough(window: &Window) -> bool {
    let clients = window.http.as_ref().map_or(f64::INFINITY, |h| h.clients.count());
    let is_peopled = clients >= REFERENCE_MIN_CLIENTS || window.seconds() >= REFERENCE_FEW_CLIENTS_S;
    window.seconds() >= REFERENCE_MIN_S && observations(window) >= REFERENCE_MIN_OBSERVATIONS && is_peopled
}

pub(crate) fn observations(window: &Window) -> f64 {
    let seen = window.http.as_ref().map_or(0, |h| h.counters.requests)
        + window.net.as_ref().map_or(0, |n| n.volumes.all.packets + n.logged_connections())
        + window.dns.as_ref().map_or(0, |d| d.queries + d.responses);
    seen as f64
}

fn profiles(http: &HttpWindow) -> Vec<ClientProfile> {
    http.profiles.sorted().into_iter().map(|(_, p)| p.clone()).collect()
}

/// All requests of a client's busiest second. The profile keeps those that were asked for; what a
/// page brings along counts for a limit just the same, so it is added in the client's proportion.
fn busiest_second(p: &ClientProfile) -> f64 {
    f64::from(p.peak_per_s) * (f64::from(p.requests) / p.asked().max(1.0)).max(1.0)
}

/// Requests per second of a client while it is there.
fn sustained(p: &ClientProfile) -> f64 {
    f64::from(p.requests) / p.active_s(AT_ONCE_S)
}

/// Requests of a client in ten seconds, at most.
fn at_once(p: &ClientProfile) -> f64 {
    f64::from(p.requests).min(AT_ONCE_S * busiest_second(p))
}

/// What 99 % of the clients stay under, and those that send 99 % of the requests: the one address of an
/// office sends a part of all that a limit would hit.
fn of_nearly_all(profiles: &[ClientProfile], figure: impl Fn(&ClientProfile) -> f64) -> Option<f64> {
    let of_clients = p99(profiles.iter().map(&figure).collect())?;
    let mut figures: Vec<(f64, u64)> = profiles.iter().map(|p| (figure(p), u64::from(p.requests))).collect();
    figures.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let all: u64 = figures.iter().map(|(_, requests)| requests).sum();
    let mut below = 0;
    let of_requests = figures.iter().find(|(_, requests)| {
        below += requests;
        below * 100 >= all * 99
    })?;
    Some(of_clients.max(of_requests.0))
}

/// Share of the requests of clients that are no browsers: programs, feeds, monitors, crawlers.
/// `None` where no user agent was logged.
fn program_share(http: &HttpWindow) -> Option<f64> {
    let profiles = profiles(http);
    let requests = |wanted: &dyn Fn(&ClientProfile) -> bool| -> f64 {
        profiles.iter().filter(|p| wanted(p)).map(|p| f64::from(p.requests)).sum()
    };
    let browsers = requests(&|p| p.is(AgentKind::Browser));
    let all = requests(&|_| true);
    let is_logged = requests(&|p| p.is(AgentKind::Absent)) < all;
    is_logged.then(|| (1.0 - browsers / all).clamp(0.0, 1.0))
}

fn p99(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|v| v.is_finite());
    if values.len() < MIN_CLIENTS {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    values.get((values.len() * 99).div_ceil(100) - 1).copied().filter(|v| *v > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;

    #[test]
    fn a_percentile_needs_clients_and_is_one_of_theirs() {
        assert_eq!(p99(vec![1.0; 19]), None);
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(p99(values), Some(198.0));
        assert_eq!(p99(vec![0.0; 30]), None, "silence is no limit");
    }

    #[test]
    fn assets_count_for_a_limit() {
        let page = ClientProfile {
            requests: 41,
            assets: 40,
            pages: 1,
            paths: u64::MAX,
            peak_per_s: 1.0,
            ..ClientProfile::default()
        };
        assert!(busiest_second(&page) > 40.0);
    }

    /// Broke: a page with its parts in one second was taken for what a visitor sends all the time, so that no
    /// flood of some requests per second from each source was ever limited.
    #[test]
    fn a_page_with_its_parts_is_a_burst_and_no_rate() {
        let visit = |requests, stayed_s| ClientProfile {
            requests,
            pages: requests,
            paths: u64::MAX,
            peak_per_s: 8.0,
            last: Timestamp::from_seconds(stayed_s),
            ..ClientProfile::default()
        };
        let one_page = visit(8, 1);
        assert_eq!((sustained(&one_page), at_once(&one_page)), (0.8, 8.0));
        let mut visitors = vec![one_page; 200];
        assert_eq!(of_nearly_all(&visitors, sustained), Some(0.8));
        visitors.push(visit(90, 30));
        assert_eq!(of_nearly_all(&visitors, sustained), Some(3.0), "an office sends a part of all");
    }

    #[test]
    fn without_a_reference_nothing_is_known() {
        assert_eq!(normal_traffic(&Window::default()), NormalTraffic::default());
    }
}
