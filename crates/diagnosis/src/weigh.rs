//! The arithmetic of evidence.

use crate::confidence;
use crate::missing;
use crate::rules::{self, CauseRules};
use seawall_model::cause::{Cause, Class};
use seawall_model::diagnosis::{Diagnosis, Direction, Evidence, Hypothesis, Verdict};
use seawall_model::finding::Findings;
use seawall_model::metric::Group;
use seawall_model::policy::Policy;

/// No group of evidence counts for more than this, in natural log-odds.
pub const GROUP_CAP: f64 = 5.0;
/// What looks normal in one respect may still be wrong in another: what speaks for normal traffic
/// counts for this much per group, and does not cancel what speaks against it.
pub const NORMAL_CAP: f64 = 1.25;
/// A group speaks for a cause from this weight on.
pub const GROUP_SPEAKS: f64 = 0.75;
/// What a necessary condition costs that is hardly met.
pub const HALF_MET: f64 = 4.0;
/// What it costs that only one group of evidence speaks for a cause.
pub const ALONE: f64 = 3.0;
/// A second cause that holds at once must explain something of its own at least this well.
const ALSO_MARGIN: f64 = 2.0;
/// At this score as much speaks against a cause as for it.
const LEAST_OF_AN_ACCUSATION: f64 = 0.0;
/// Score below which a hypothesis is not worth listing.
const LISTED_SCORE: f64 = -4.0;

/// Ranks the causes of what was found. The verdict is the best one if it is confident enough for
/// the policy, else `undecided`.
#[must_use]
pub fn diagnose(findings: &Findings, policy: &Policy) -> Diagnosis {
    let mut hypotheses: Vec<Hypothesis> =
        rules::ALL.iter().filter_map(|rules| weigh(rules, findings)).collect();
    if findings.findings.is_empty() {
        // Where nothing was measured, nothing is known to be normal.
        hypotheses.clear();
    }
    confidence::assign(&mut hypotheses);
    hypotheses.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.cause.cmp(&b.cause)));
    let mut verdict = verdict(&hypotheses, findings, policy);
    let also = also(&hypotheses, &verdict, findings);
    if verdict.class == Class::Attack && also.iter().any(|v| v.class == Class::Attack) {
        // Of attacks at the same time, none is the other's rival.
        let beside = |h: &Hypothesis| also.iter().any(|v| v.class == Class::Attack && v.cause == h.cause);
        let rivals = hypotheses.iter().filter(|h| !beside(h));
        verdict.confidence = confidence::among(rivals, verdict.cause);
    }
    Diagnosis { missing: missing::missing(findings, &hypotheses), verdict, also, hypotheses }
}

/// One cause against the findings; `None` where a necessary condition is not met at all, or it was announced.
fn weigh(rules: &CauseRules, findings: &Findings) -> Option<Hypothesis> {
    let gate = rules.gate(findings);
    if gate <= 0.0 || rules::is_announced_load(rules.cause, findings) {
        return None;
    }
    let mut evidence: Vec<Evidence> = rules.rules.iter().filter_map(|rule| rule.apply(findings)).collect();
    evidence.extend(rules::change_evidence(rules.cause, findings));
    evidence.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.metric.cmp(&b.metric)));
    let normal = rules.cause == Cause::Normal;
    let mut score = rules.prior - (1.0 - gate) * HALF_MET;
    let mut speaking = 0;
    for group in Group::ALL {
        let sum_of = |direction| -> f64 {
            evidence.iter().filter(|e| e.group == group && e.direction == direction).map(|e| e.weight).sum()
        };
        let (for_it, against) = (sum_of(Direction::For), sum_of(Direction::Against));
        // What repeats itself in one group does not drown what speaks against it.
        let sum = for_it.min(if normal { NORMAL_CAP } else { GROUP_CAP }) - against;
        score += sum.clamp(-GROUP_CAP, GROUP_CAP);
        speaking += u32::from(sum >= GROUP_SPEAKS);
    }
    if speaking < 2 && !normal {
        score -= ALONE;
    }
    settle(&mut evidence);
    let vectors: Vec<String> =
        findings.vectors.iter().filter(|(cause, _)| *cause == rules.cause).map(|(_, v)| v.clone()).collect();
    (score > LISTED_SCORE || normal).then_some(Hypothesis {
        cause: rules.cause,
        vectors,
        score,
        confidence: 0.0,
        evidence,
    })
}

/// What one figure says for a cause and what it says against it are told as one.
fn settle(evidence: &mut Vec<Evidence>) {
    let sum_of = |evidence: &[Evidence], metric, direction| -> f64 {
        evidence.iter().filter(|e| e.metric == metric && e.direction == direction).map(|e| e.weight).sum()
    };
    let all = evidence.clone();
    evidence.retain_mut(|e| {
        let own = sum_of(&all, e.metric, e.direction);
        let other = if e.direction == Direction::For { Direction::Against } else { Direction::For };
        let left = own - sum_of(&all, e.metric, other);
        e.weight *= (left / own).max(0.0);
        left > 0.0
    });
    evidence.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.metric.cmp(&b.metric)));
}

/// The likeliest class names what to do next; within it, the likeliest cause is the verdict.
/// Release or slow supplier, both likely, is a fault all the same.
fn verdict(hypotheses: &[Hypothesis], findings: &Findings, policy: &Policy) -> Verdict {
    let class_of = |class: Class| -> f64 {
        hypotheses.iter().filter(|h| h.cause.class() == class).map(|h| h.confidence).sum()
    };
    let classes = [Class::Attack, Class::Abuse, Class::Fault, Class::Demand, Class::Normal];
    let likeliest = classes.into_iter().max_by(|a, b| class_of(*a).total_cmp(&class_of(*b)));
    let best = hypotheses.iter().find(|h| Some(h.cause.class()) == likeliest);
    // Where nothing explains what was found, the least bad accusation is no news.
    let accuses = |h: &Hypothesis| h.cause.class().is_hostile();
    let holds = |h: &Hypothesis| !accuses(h) || h.score > LEAST_OF_AN_ACCUSATION;
    match best {
        Some(best) if class_of(best.cause.class()) >= policy.min_confidence && holds(best) => {
            as_verdict(best, findings)
        }
        _ => Verdict {
            class: Class::Undecided,
            cause: Cause::Undecided,
            vectors: Vec::new(),
            confidence: hypotheses.first().map_or(0.0, |h| h.confidence.min(policy.min_confidence)),
            target: findings.target(Cause::Undecided).map(str::to_owned),
            onset: findings.onset,
            end: findings.end,
        },
    }
}

fn as_verdict(hypothesis: &Hypothesis, findings: &Findings) -> Verdict {
    let normal = hypothesis.cause == Cause::Normal;
    Verdict {
        class: hypothesis.cause.class(),
        cause: hypothesis.cause,
        vectors: hypothesis.vectors.clone(),
        confidence: hypothesis.confidence,
        target: findings.target(hypothesis.cause).map(str::to_owned),
        onset: if normal { None } else { findings.onset },
        end: if normal { None } else { findings.end },
    }
}

/// Causes that hold beside the verdict: strong in themselves, and of another kind of traffic than the
/// verdict and than the likelier ones among them.
fn also(hypotheses: &[Hypothesis], verdict: &Verdict, findings: &Findings) -> Vec<Verdict> {
    if !verdict.class.is_named() {
        return Vec::new();
    }
    let mut all: Vec<Verdict> = Vec::new();
    let strong = hypotheses.iter().filter(|h| h.score >= ALSO_MARGIN && h.cause != Cause::Normal);
    for hypothesis in strong.filter(|h| h.cause != verdict.cause) {
        if [verdict].into_iter().chain(&all).all(|v| rules::independent(hypothesis.cause, v.cause)) {
            let confidence = confidence::alone(hypothesis.score);
            all.push(Verdict { confidence, ..as_verdict(hypothesis, findings) });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::metric::Metric;

    /// Broke: the requests spoke for a crowd and against it in the same list.
    #[test]
    fn one_figure_speaks_for_a_cause_or_against_it() {
        let says = |metric: Metric, weight: f64, direction| Evidence {
            group: metric.group(),
            metric,
            observed: 1.0,
            expected: None,
            weight,
            direction,
            reason: String::new(),
        };
        let mut evidence = vec![
            says(Metric::PageRate, 2.0, Direction::For),
            says(Metric::PageRate, 1.0, Direction::For),
            says(Metric::PageRate, 1.5, Direction::Against),
            says(Metric::ClientRate, 1.25, Direction::For),
        ];
        settle(&mut evidence);
        let told: Vec<(Metric, f64, Direction)> =
            evidence.iter().map(|e| (e.metric, e.weight, e.direction)).collect();
        let for_it = |metric, weight| (metric, weight, Direction::For);
        assert_eq!(
            told,
            [for_it(Metric::ClientRate, 1.25), for_it(Metric::PageRate, 1.0), for_it(Metric::PageRate, 0.5)]
        );
    }
}
