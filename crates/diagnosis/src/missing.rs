//! What was not seen and would have helped: the honest end of every report.

use seawall_model::diagnosis::Hypothesis;
use seawall_model::finding::Findings;
use seawall_model::metric::Metric;

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
    note(!http && !packets && !has(Metric::DnsQueryRate), "nothing that could be read as traffic");
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
        findings.changes.is_empty() && hypotheses.iter().any(rules_need_changes),
        "what was changed and when: give deploys and reloads with --changes",
    );
    out
}

fn rules_need_changes(h: &Hypothesis) -> bool {
    use seawall_model::Class;
    h.cause.class() == Class::Fault && h.confidence > 0.1
}
