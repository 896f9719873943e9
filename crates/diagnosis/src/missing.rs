//! What was not seen and would have helped: the honest end of every report.

use seawall_model::diagnosis::Hypothesis;
use seawall_model::finding::Findings;
use seawall_model::metric::Metric;

/// More than this is most of it.
const MOST: f64 = 0.5;

/// Clauses about what is missing, most useful first.
#[must_use]
pub fn missing(findings: &Findings, hypotheses: &[Hypothesis]) -> Vec<String> {
    let has = |metric| findings.get(metric).is_some();
    let http = has(Metric::RequestRate);
    let packets = has(Metric::PacketRate);
    let mut out = Vec::new();
    let mut note = |wanted: bool, text: &str| {
        if wanted {
            out.push(text.to_owned());
        }
    };
    let connections = findings.observed(Metric::ConnectionRate).is_some_and(|per_s| per_s > 0.0);
    let traffic = http || has(Metric::DnsQueryRate) || connections;
    note(!packets && !traffic, "nothing that could be read as traffic");
    note(
        findings.reference_s < 30.0,
        "normal traffic to compare with: give yesterday's file with --baseline, or start the input earlier",
    );
    note(
        http && !has(Metric::DurationMedian),
        "how long answers took: add the request time to the log format",
    );
    note(
        http && !has(Metric::TopUserAgentShare),
        "user agents: log in the combined format, so that programs and people can be told apart",
    );
    note(
        packets && findings.observed(Metric::TwoWayShare) == Some(0.0),
        "the other direction of the traffic",
    );
    note(
        findings.observed(Metric::OwnLoadShare).is_some_and(|share| share > MOST),
        "whose test this is: most of it comes from tools on private addresses; if nobody of yours tests, look at those machines",
    );
    note(
        findings.changes.is_empty() && hypotheses.iter().any(rules_need_changes),
        "what was changed and when: give deploys and reloads with --changes",
    );
    out
}

fn rules_need_changes(h: &Hypothesis) -> bool {
    use seawall_model::Class;
    h.cause.class() == Class::Fault && h.confidence > 0.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::finding::Finding;

    #[test]
    fn whose_a_load_test_is_is_asked() {
        let asked = |observed: f64| {
            let metric = Metric::OwnLoadShare;
            let mut findings = Findings::default();
            findings.insert(Finding {
                metric,
                observed,
                expected: None,
                surprise: 0.0,
                support: 500.0,
                onset: None,
            });
            missing(&findings, &[]).iter().any(|clause| clause.starts_with("whose test this is"))
        };
        assert!(asked(0.9) && !asked(0.1));
    }
}
