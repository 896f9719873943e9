//! What there is to tell of a report, in the order of its worth, before any layout: every form of
//! the report tells the same story.

use super::figure;
use super::moment::Clock;
use super::plot::Marks;
use super::words;
use seawall_model::Timestamp;
use seawall_model::cause::{Cause, Class};
use seawall_model::change::Change;
use seawall_model::diagnosis::{Direction, Evidence, Hypothesis, Verdict};
use seawall_model::finding::{Finding, Ranked};
use seawall_model::metric::{Group, Metric};
use seawall_model::plan::{Measure, Scope};
use seawall_model::report::{Series, TriageReport};
use seawall_model::signature::Layer;

/// Where nothing rates heavier, the first of a layer that was measured says how much it was.
const HOW_MUCH: [(Layer, &[Metric]); 3] = [
    (Layer::Http, &[Metric::RequestRate, Metric::RequestCount]),
    (
        Layer::Packet,
        &[
            Metric::ReflectedBitRate,
            Metric::SynRate,
            Metric::UnansweredUdpBitRate,
            Metric::ConnectionRate,
            Metric::PacketRate,
            Metric::BitRate,
        ],
    ),
    (Layer::Dns, &[Metric::DnsQueryRate]),
];
/// And from how many.
const HOW_MANY: [(Layer, &[Metric]); 3] = [
    (Layer::Http, &[Metric::ClientCount]),
    (Layer::Packet, &[Metric::SourceCount]),
    (Layer::Dns, &[Metric::DnsClientCount]),
];
/// Distinct senders grow with the time that is looked at, so that only many more of them are news.
const NEWS_FACTOR: f64 = 4.0;
/// Changes that are told beside the verdict.
const MOST_CHANGES: usize = 2;
/// The ranking of those who hold connections.
const SLOW_SOURCE: &str = "slow source";
/// What the users felt.
const HARM: [Metric; 6] = [
    Metric::ServerErrorShare,
    Metric::GatewayErrorShare,
    Metric::DurationP95,
    Metric::DurationMedian,
    Metric::HandshakeCompletion,
    Metric::DnsFailureShare,
];

/// A report with what all its forms need to know.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    pub report: &'a TriageReport,
    pub clock: Clock,
    /// The last record of all inputs.
    pub last: Option<Timestamp>,
}

/// A cause that is not the verdict, and the number that speaks against it most.
#[derive(Clone, Copy, Debug)]
pub struct Rival<'a> {
    pub hypothesis: &'a Hypothesis,
    pub refuted_by: Option<&'a Evidence>,
}

impl<'a> Story<'a> {
    #[must_use]
    pub fn of(report: &'a TriageReport) -> Self {
        let ends = report.inputs.iter().flat_map(|i| [i.first, i.last]);
        let times: Vec<Timestamp> =
            ends.chain([report.verdict.onset, report.verdict.end]).flatten().collect();
        let last = report.inputs.iter().filter_map(|i| i.last).max();
        Self { report, clock: Clock::for_times(&times), last }
    }

    /// A disturbance beside the one that this is about, and since when.
    #[must_use]
    pub fn other(&self, verdict: &Verdict) -> String {
        let since = verdict.onset.map(|t| format!(", since {}", self.clock.full(t))).unwrap_or_default();
        format!("{}{since}", words::verdict(verdict))
    }

    /// The verdict without its label: cause, confidence, time, target, one fact each.
    #[must_use]
    pub fn verdict_facts(&self) -> Vec<String> {
        let verdict = &self.report.verdict;
        let mut facts = vec![words::cause(verdict.cause, &verdict.vectors)];
        if !matches!(verdict.class, Class::Undecided) {
            facts.push(format!("{} sure", figure::confidence(verdict.confidence)));
        }
        if verdict.class != Class::Normal {
            facts.extend(self.when());
        }
        facts.extend(verdict.target.as_ref().map(|target| format!("on {target}")));
        facts
    }

    /// `since 2026-04-02 14:03:07 UTC, 2 min 40 s so far`.
    #[must_use]
    pub fn when(&self) -> Option<String> {
        let onset = self.report.verdict.onset?;
        let began = self.clock.full(onset);
        let lasted = self.duration_s().map(figure::duration);
        Some(match (lasted, self.report.verdict.end) {
            (Some(lasted), Some(_)) => format!("from {began}, for {lasted}"),
            (Some(lasted), None) => format!("since {began}, {lasted} so far"),
            (None, _) => format!("since {began}"),
        })
    }

    /// Length of the disturbance, to the last record where it had not ended.
    #[must_use]
    pub fn duration_s(&self) -> Option<f64> {
        let onset = self.report.verdict.onset?;
        let end = self.report.verdict.end.or(self.last)?;
        (end > onset).then(|| end.since_s(onset))
    }

    /// The hypothesis that the verdict stands on; for `undecided` the most likely one.
    #[must_use]
    pub fn leading(&self) -> Option<&'a Hypothesis> {
        let verdict = &self.report.verdict;
        let named = self.report.hypotheses.iter().find(|h| h.cause == verdict.cause);
        if verdict.cause == Cause::Undecided { self.report.hypotheses.first() } else { named }
    }

    /// The evidence of the leading hypothesis in one direction, heaviest first.
    #[must_use]
    pub fn evidence(&self, direction: Direction) -> Vec<&'a Evidence> {
        self.leading().map(|h| sorted(h, direction)).unwrap_or_default()
    }

    /// Every other cause, most likely first. Causes that hold at once with the verdict are none.
    #[must_use]
    pub fn rivals(&self) -> Vec<Rival<'a>> {
        let leading = self.leading().map(|h| h.cause);
        self.report
            .hypotheses
            .iter()
            .filter(|h| Some(h.cause) != leading && self.report.also.iter().all(|v| v.cause != h.cause))
            .map(|hypothesis| Rival { hypothesis, refuted_by: hypothesis.heaviest(Direction::Against) })
            .collect()
    }

    /// The figures that say the most: how much, from how many, with what effect.
    #[must_use]
    pub fn key_findings(&self) -> Vec<&'a Finding> {
        let heaviest = self.evidence(Direction::For).into_iter().find(|e| e.metric.group() == Group::Rate);
        let first = |of: Vec<Metric>| of.into_iter().find_map(|m| self.finding(m));
        // Requests that never end make no rate.
        let held =
            (self.report.verdict.cause == Cause::SlowHttp).then(|| self.finding(Metric::SlowConnections));
        if let Some(held) = held.flatten().filter(|f| f.observed > 0.0) {
            return [Some(held), self.finding(Metric::SlowPerClient)].into_iter().flatten().collect();
        }
        let how_much =
            heaviest.and_then(|e| self.finding(e.metric)).or_else(|| first(self.own_layer_first(&HOW_MUCH)));
        let how_many = match self.report.verdict.cause {
            Cause::Amplification | Cause::TcpReflection => self.finding(Metric::ReflectorCount),
            _ => first(self.own_layer_first(&HOW_MANY)),
        };
        let is_news = |f: &&Finding| f.expected.is_none_or(|x| f.observed >= NEWS_FACTOR * x);
        let how_much = how_much.filter(|f| f.observed > 0.0);
        let harm = HARM.iter().filter_map(|m| self.finding(*m)).find(|f| is_worse(f));
        how_much.into_iter().chain(how_many.filter(is_news)).chain(harm).collect()
    }

    /// The metrics of the verdict's own layer, then those of the others.
    fn own_layer_first(&self, metrics: &[(Layer, &[Metric])]) -> Vec<Metric> {
        let own = self.report.verdict.cause.layer();
        let (own, others): (Vec<_>, Vec<_>) = metrics.iter().partition(|(layer, _)| *layer == own);
        own.into_iter().chain(others).flat_map(|(_, metrics)| metrics.iter().copied()).collect()
    }

    /// The series with the heaviest evidence, then the others.
    #[must_use]
    pub fn series(&self) -> Vec<&'a Series> {
        let weighed = self.evidence(Direction::For).into_iter().map(|e| e.metric.as_str());
        let how_much = self.own_layer_first(&HOW_MUCH);
        let telling: Vec<&str> = weighed.chain(how_much.iter().map(|m| m.as_str())).collect();
        let rank = |s: &Series| telling.iter().position(|m| *m == s.metric);
        let mut all: Vec<&Series> = self.report.series.iter().filter(|s| s.values.len() > 1).collect();
        // A rate that was never above nothing is said in words, if it matters.
        if all.iter().any(|s| rises(s)) {
            all.retain(|s| rises(s));
        }
        all.sort_by_key(|s| rank(s).unwrap_or(telling.len()));
        all
    }

    /// The changes nearest to the onset: "9 min before: release, shop 4.18.2".
    #[must_use]
    pub fn nearest_changes(&self) -> Vec<String> {
        let Some(onset) = self.report.verdict.onset else { return Vec::new() };
        let near = self.changes_by_nearness(onset).into_iter().take(MOST_CHANGES);
        near.map(|change| {
            let seconds = onset.since_s(change.time);
            let side = if seconds >= 0.0 { "before" } else { "after" };
            let distance = figure::duration(seconds.abs());
            format!("{distance} {side} the onset: {}, {}", words::change(change.kind), change.text)
        })
        .collect()
    }

    fn changes_by_nearness(&self, onset: Timestamp) -> Vec<&'a Change> {
        let mut changes: Vec<&Change> = self.report.changes.iter().collect();
        changes.sort_by_key(|change| onset.since_ns(change.time).abs());
        changes
    }

    /// What the charts mark.
    #[must_use]
    pub fn marks(&self) -> Marks {
        let verdict = &self.report.verdict;
        let is_fault = verdict.class == Class::Fault;
        let nearest = verdict.onset.and_then(|onset| self.changes_by_nearness(onset).first().copied());
        let change = nearest.filter(|_| is_fault).map(|c| c.time);
        Marks { onset: verdict.onset, end: verdict.end, change }
    }

    /// The measures of the plan, each with its reason.
    #[must_use]
    pub fn measures(&self) -> Vec<(&'a Measure, Option<&'a str>)> {
        let plan = self.report.plan.as_ref();
        plan.map(|p| p.measures.iter().map(|m| (m, self.reason(&m.id))).collect()).unwrap_or_default()
    }

    /// The ranked dimensions that say who (`true`) or what (`false`), each with what grew most
    /// first: who was there before and is there still is no news.
    #[must_use]
    pub fn rankings(&self, who: bool) -> Vec<(&'a str, Vec<&'a Ranked>)> {
        let mut all: Vec<(&str, Vec<&Ranked>)> = self
            .report
            .rankings
            .dimensions
            .iter()
            .filter(|(name, values)| words::is_who(name) == who && !values.is_empty())
            .map(|(name, values)| {
                let mut values: Vec<&Ranked> = values.iter().collect();
                values.sort_by(|a, b| growth(b).total_cmp(&growth(a)));
                (name.as_str(), values)
            })
            .collect();
        // Who holds connections asks for little, and is what there is to tell.
        if self.report.verdict.cause == Cause::SlowHttp {
            all.sort_by_key(|(name, _)| *name != SLOW_SOURCE);
        }
        all
    }

    /// The number under which a signature is listed, if it is.
    #[must_use]
    pub fn signature_number(&self, scope: &Scope) -> Option<usize> {
        let Scope::Signature(signature) = scope else { return None };
        self.report.signatures.iter().position(|s| s.signature.tests == signature.tests).map(|i| i + 1)
    }

    /// What a measure is aimed at: "signature 1", "all traffic to shop.example".
    #[must_use]
    pub fn aim(&self, measure: &Measure) -> String {
        self.signature_number(&measure.scope).map_or_else(
            || words::scope(&measure.scope, measure.target.as_deref()),
            |number| format!("signature {number}"),
        )
    }

    /// The finding of a metric.
    #[must_use]
    pub fn finding(&self, metric: Metric) -> Option<&'a Finding> {
        self.report.findings.iter().find(|f| f.metric == metric)
    }

    fn reason(&self, id: &str) -> Option<&'a str> {
        self.report.plan_report.reasons.iter().find(|(of, _)| of == id).map(|(_, reason)| reason.as_str())
    }
}

fn rises(series: &Series) -> bool {
    series.values.iter().any(|value| *value > 0.0)
}

/// How much more of the disturbed traffic it is than of normal traffic.
#[must_use]
pub fn growth(ranked: &Ranked) -> f64 {
    ranked.share - ranked.baseline_share.unwrap_or(0.0)
}

/// "12.4k requests per second, 31 times the usual 398/s".
#[must_use]
pub fn compared(finding: &Finding) -> String {
    let shown = figure::phrase(finding.metric, finding.observed);
    let Some(expected) = finding.expected else { return shown };
    let usual = figure::value(finding.metric, expected);
    let is_counted = !figure::is_uncounted(finding.metric, finding.observed);
    match figure::times(finding.observed, expected).filter(|_| is_counted) {
        Some(times) => format!("{shown}, {times} the usual {usual}"),
        None => format!("{shown}, usually {usual}"),
    }
}

/// "assets fetched per page: 0.1, expected 6.2".
#[must_use]
pub fn beside_expected(evidence: &Evidence) -> String {
    let observed = figure::value(evidence.metric, evidence.observed);
    let expected = evidence
        .expected
        .map(|x| format!(", expected {}", figure::value(evidence.metric, x)))
        .unwrap_or_default();
    format!("{}: {observed}{expected}", evidence.metric.title())
}

/// One hypothesis's evidence in one direction, heaviest first.
#[must_use]
pub fn sorted(hypothesis: &Hypothesis, direction: Direction) -> Vec<&Evidence> {
    let mut all: Vec<&Evidence> = hypothesis.evidence.iter().filter(|e| e.direction == direction).collect();
    all.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    all
}

/// The same with each metric once: a figure may speak in more than one group.
#[must_use]
pub fn sorted_once(hypothesis: &Hypothesis, direction: Direction) -> Vec<&Evidence> {
    let mut told: Vec<Metric> = Vec::new();
    let mut all = sorted(hypothesis, direction);
    all.retain(|e| {
        !told.contains(&e.metric) && {
            told.push(e.metric);
            true
        }
    });
    all
}

/// Handshakes complete less in trouble; all the other figures of harm rise.
fn is_worse(finding: &Finding) -> bool {
    let falls = finding.metric == Metric::HandshakeCompletion;
    finding.expected.is_some_and(|expected| {
        if falls { finding.observed < expected * 0.8 } else { finding.observed > expected * 1.5 }
    })
}
