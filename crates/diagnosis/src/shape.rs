//! How a measured value becomes a strength of evidence between 0 and 1.

use seawall_model::finding::Finding;
use seawall_model::math;

/// A ramp over a finding's value. Ramps are linear in the logarithm where both ends are positive
/// and far apart, else linear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// 0 at or below the first value, 1 at or above the second.
    Above(f64, f64),
    /// 0 at or above the first value, 1 at or below the second.
    Below(f64, f64),
    /// Like `Above`, on observed over expected; nothing without an expectation.
    Rises(f64, f64),
    /// Like `Below`, on observed over expected; nothing without an expectation.
    Falls(f64, f64),
    /// Like `Above`, on observed less expected; nothing without an expectation.
    Exceeds(f64, f64),
    /// Like `Above`, on expected less observed; nothing without an expectation.
    Lacks(f64, f64),
    /// Like `Above`, on the surprise: how clearly it has risen, in standard errors.
    Shifts(f64, f64),
    /// 1 while observed over expected stays within this factor of 1, falling to 0 at its square.
    Flat(f64),
    /// `Above` where nothing is expected, nothing otherwise.
    AboveUnexpected(f64, f64),
}

impl Shape {
    /// The strength of a finding, or `None` where the shape cannot judge it.
    #[must_use]
    pub fn strength(self, finding: &Finding) -> Option<f64> {
        let x = finding.observed;
        match self {
            Self::Above(low, high) => Some(ramp(x, low, high)),
            Self::Below(high, low) => Some(1.0 - ramp(x, low, high)),
            Self::Rises(low, high) => ratio(finding).map(|r| ramp(r, low, high)),
            Self::Falls(high, low) => ratio(finding).map(|r| 1.0 - ramp(r, low, high)),
            Self::Exceeds(low, high) => finding.expected.map(|e| ramp(x - e, low, high)),
            Self::Lacks(low, high) => finding.expected.map(|e| ramp(e - x, low, high)),
            Self::Shifts(low, high) => finding.expected.map(|_| ramp(finding.surprise, low, high)),
            Self::Flat(factor) => ratio(finding).map(|r| {
                let distance = math::ln(r.max(1e-6)).abs();
                1.0 - ramp(distance, math::ln(factor), 2.0 * math::ln(factor))
            }),
            Self::AboveUnexpected(low, high) => finding.expected.is_none().then(|| ramp(x, low, high)),
        }
    }
}

/// Observed over expected; both lifted by a little, so that nothing over nothing is 1.
fn ratio(finding: &Finding) -> Option<f64> {
    finding.expected.map(|e| (finding.observed + 1e-6) / (e + 1e-6))
}

fn ramp(x: f64, low: f64, high: f64) -> f64 {
    if x <= low {
        return 0.0;
    }
    if x >= high {
        return 1.0;
    }
    if low > 0.0 && high >= 4.0 * low {
        return math::ln(x / low) / math::ln(high / low);
    }
    (x - low) / (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::metric::Metric;

    fn finding(observed: f64, expected: Option<f64>) -> Finding {
        Finding { metric: Metric::RequestRate, observed, expected, surprise: 0.0, support: 1.0, onset: None }
    }

    #[test]
    fn ramps_run_from_nothing_to_one() {
        assert_eq!(Shape::Above(10.0, 20.0).strength(&finding(10.0, None)), Some(0.0));
        assert_eq!(Shape::Above(10.0, 20.0).strength(&finding(15.0, None)), Some(0.5));
        assert_eq!(Shape::Below(0.5, 0.1).strength(&finding(0.1, None)), Some(1.0));
        assert_eq!(Shape::Above(10.0, 1000.0).strength(&finding(100.0, None)), Some(0.5));
        assert_eq!(Shape::Rises(2.0, 4.0).strength(&finding(3.0, None)), None);
        assert_eq!(Shape::Flat(1.5).strength(&finding(1.0, Some(1.0))), Some(1.0));
        assert_eq!(Shape::Flat(1.5).strength(&finding(9.0, Some(1.0))), Some(0.0));
    }
}
