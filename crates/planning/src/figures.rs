//! Figures for reasons: what was measured beside what is normal, in a clause.

use seawall_model::finding::Findings;
use seawall_model::math::round_significant;
use seawall_model::metric::{Metric, Unit};

/// Figures in one clause.
const MAX_FIGURES: usize = 3;

/// `: bits per second 4.2e9 (normal 1.1e6), …`, or nothing where none was measured.
pub(crate) fn figures(metrics: &[Metric], findings: &Findings) -> String {
    let known: Vec<String> = metrics
        .iter()
        .filter_map(|m| findings.get(*m))
        .take(MAX_FIGURES)
        .map(|f| {
            let normal = f.expected.map(|e| format!(" (normal {})", value(f.metric, e))).unwrap_or_default();
            format!("{} {}{normal}", f.metric.title(), value(f.metric, f.observed))
        })
        .collect();
    if known.is_empty() { String::new() } else { format!(": {}", known.join(", ")) }
}

fn value(metric: Metric, x: f64) -> String {
    match metric.unit() {
        Unit::Share => format!("{} %", round_significant(x * 100.0)),
        Unit::Seconds => format!("{} s", round_significant(x)),
        Unit::Microseconds => format!("{} ms", round_significant(x / 1_000.0)),
        Unit::Bytes => format!("{} bytes", round_significant(x)),
        _ => round_significant(x).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::finding::Finding;

    #[test]
    fn figures_name_what_is_normal() {
        let mut findings = Findings::default();
        findings.insert(Finding {
            metric: Metric::HandshakeCompletion,
            observed: 0.0123,
            expected: Some(0.98),
            surprise: 9.0,
            support: 100.0,
            onset: None,
        });
        assert_eq!(
            figures(&[Metric::SynRate, Metric::HandshakeCompletion], &findings),
            ": connection attempts that completed 1.23 % (normal 98 %)"
        );
        assert_eq!(figures(&[Metric::SynRate], &findings), "");
    }
}
