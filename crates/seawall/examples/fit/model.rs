//! The arithmetic of `diagnosis::weigh`, with the weights as variables.

use crate::sample::Sample;
use seawall_diagnosis::confidence::TEMPERATURE;
use seawall_diagnosis::diagnose;
use seawall_diagnosis::rules::{ALL, change_evidence};
use seawall_diagnosis::weigh::{ALONE, GROUP_CAP, GROUP_SPEAKS, HALF_MET, NORMAL_CAP};
use seawall_model::metric::Group;
use seawall_model::policy::Policy;
use seawall_model::{Cause, Class, math};

/// Weights of all rules and priors of all causes, in the order of the tables.
#[derive(Clone)]
pub struct Weights {
    pub priors: Vec<f64>,
    pub rules: Vec<Vec<f64>>,
}

impl Weights {
    /// As the tables have them.
    pub fn written() -> Self {
        Self {
            priors: ALL.iter().map(|c| c.prior).collect(),
            rules: ALL.iter().map(|c| c.rules.iter().map(|r| r.weight).collect()).collect(),
        }
    }

    pub fn zero() -> Self {
        let mut zero = Self::written();
        zero.priors.fill(0.0);
        zero.rules.iter_mut().for_each(|r| r.fill(0.0));
        zero
    }
}

/// One cause in one sample: what does not depend on weights.
pub struct Candidate {
    /// Place of the cause in the tables.
    pub at: usize,
    /// What half-met conditions take away.
    half_met: f64,
    /// What a change shortly before adds.
    change: f64,
    /// Rule, group and strength of all evidence.
    evidence: Vec<(usize, usize, f64)>,
}

/// A sample as the fit sees it.
pub struct Prepared {
    pub weight: f64,
    /// Right causes among the candidates; empty: the necessary conditions rule the truth out.
    pub right: Vec<usize>,
    pub right_cause: Cause,
    pub candidates: Vec<Candidate>,
}

pub fn prepare(samples: &[&Sample]) -> Vec<Prepared> {
    samples.iter().map(|s| prepare_one(s)).collect()
}

fn prepare_one(sample: &Sample) -> Prepared {
    let findings = &sample.findings;
    let mut candidates = Vec::new();
    for (at, rules) in ALL.iter().enumerate() {
        let gate = rules.gate(findings);
        if gate <= 0.0 {
            continue;
        }
        let change = change_evidence(rules.cause, findings).map_or(0.0, |e| e.weight);
        let evidence = rules.rules.iter().enumerate().filter_map(|(rule, r)| {
            let strength = r.shape.strength(findings.get(r.metric)?)?;
            let group = Group::ALL.iter().position(|g| *g == r.metric.group())?;
            (strength > 0.0).then_some((rule, group, strength))
        });
        candidates.push(Candidate {
            at,
            half_met: (1.0 - gate) * HALF_MET,
            change,
            evidence: evidence.collect(),
        });
    }
    let right = candidates
        .iter()
        .enumerate()
        .filter(|(_, c)| sample.right.contains(&ALL[c.at].cause))
        .map(|(i, _)| i)
        .collect();
    let right_cause = sample.right.first().copied().unwrap_or(Cause::Normal);
    Prepared { weight: sample.weight, right, right_cause, candidates }
}

/// The score of a candidate, and for each of its evidence whether more weight would move it.
pub fn score(weights: &Weights, candidate: &Candidate) -> (f64, Vec<bool>) {
    let rules = &weights.rules[candidate.at];
    let normal = ALL[candidate.at].cause == Cause::Normal;
    let mut sums = [[0.0_f64; 2]; Group::ALL.len()];
    for (rule, group, strength) in &candidate.evidence {
        let weight = rules[*rule] * strength;
        sums[*group][usize::from(weight < 0.0)] += weight;
    }
    let mut score = weights.priors[candidate.at] - candidate.half_met + candidate.change;
    let mut speaking = u32::from(candidate.change >= GROUP_SPEAKS);
    let mut moves = [[true; 2]; Group::ALL.len()];
    let cap = if normal { NORMAL_CAP } else { GROUP_CAP };
    for (group, [for_it, against]) in sums.iter().enumerate() {
        let sum = for_it.min(cap) + against;
        moves[group] = [*for_it <= cap && sum.abs() <= GROUP_CAP, sum.abs() <= GROUP_CAP];
        score += sum.clamp(-GROUP_CAP, GROUP_CAP);
        speaking += u32::from(sum >= GROUP_SPEAKS);
    }
    if speaking < 2 && !normal {
        score -= ALONE;
    }
    let moves_by =
        candidate.evidence.iter().map(|(rule, group, _)| moves[*group][usize::from(rules[*rule] < 0.0)]);
    (score, moves_by.collect())
}

/// Whether this arithmetic is that of `diagnosis::diagnose`, on the first samples.
pub fn check(samples: &[Sample]) -> Result<(), String> {
    let weights = Weights::written();
    for sample in samples.iter().take(500) {
        let prepared = prepare_one(sample);
        for hypothesis in diagnose(&sample.findings, &Policy::default()).hypotheses {
            let ours = prepared.candidates.iter().find(|c| ALL[c.at].cause == hypothesis.cause);
            let ours = ours.map(|c| score(&weights, c).0);
            if ours.is_none_or(|ours| (ours - hypothesis.score).abs() > 0.02) {
                let (name, cause, theirs) = (&sample.name, hypothesis.cause, hypothesis.score);
                return Err(format!("{name}, {cause}: scored {ours:?} here and {theirs} by the diagnosis"));
            }
        }
    }
    Ok(())
}

/// Probability of each candidate.
pub fn probabilities(scores: &[f64]) -> Vec<f64> {
    let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let odds: Vec<f64> = scores.iter().map(|s| math::exp((s - best) / TEMPERATURE)).collect();
    let total: f64 = odds.iter().sum();
    odds.into_iter().map(|o| o / total).collect()
}

/// The verdict, as `diagnosis::weigh` finds it: the likeliest class, in it the likeliest cause.
pub fn verdict(prepared: &Prepared, probabilities: &[f64]) -> usize {
    let class = |i: usize| ALL[prepared.candidates[i].at].cause.class();
    let sum = |wanted: Class| -> f64 {
        (0..probabilities.len()).filter(|i| class(*i) == wanted).map(|i| probabilities[i]).sum()
    };
    let best = (0..probabilities.len()).max_by(|a, b| {
        sum(class(*a)).total_cmp(&sum(class(*b))).then(probabilities[*a].total_cmp(&probabilities[*b]))
    });
    best.unwrap_or(0)
}

impl Candidate {
    pub fn parts(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        self.evidence.iter().copied()
    }
}
