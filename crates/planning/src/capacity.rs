//! Whether a site has what its visitors need: measures that make people wait are for a site that is
//! short of it.

use seawall_model::finding::Findings;
use seawall_model::metric::Metric;

/// Answers that take so many times as long as usual are slow, where people notice it: what is there
/// within a tenth of a second is there at once (J. Nielsen, "Usability Engineering", 1993).
const SLOWER: f64 = 1.5;
const NOTICED_US: f64 = 100_000.0;
/// Failures beyond the usual from which a site fails its visitors.
const FAILING: f64 = 0.02;

/// Whether the site is short of capacity. `None`: nothing is known of that.
pub(crate) fn is_short(findings: &Findings) -> Option<bool> {
    let failures = [Metric::ServerErrorShare, Metric::UpstreamFailureShare];
    let beyond = |metric| {
        let finding = findings.get(metric)?;
        Some(finding.observed - finding.expected.unwrap_or(0.0))
    };
    if failures.into_iter().filter_map(beyond).any(|share| share > FAILING) {
        return Some(true);
    }
    let against_usual = |metric| {
        let finding = findings.get(metric)?;
        finding.expected.filter(|usual| *usual > 0.0).map(|usual| finding.observed / usual)
    };
    let ratio = findings.observed(Metric::ServiceTimeRatio).or_else(|| against_usual(Metric::DurationP95))?;
    let is_noticed = findings.observed(Metric::DurationP95).is_none_or(|p95_us| p95_us >= NOTICED_US);
    let queues = against_usual(Metric::QueueTime).is_some_and(|ratio| ratio > SLOWER);
    Some(is_noticed && (ratio > SLOWER || queues))
}
