//! The fit: gradient ascent (Kingma and Ba, "Adam", ICLR 2015) on the log-likelihood of the right
//! cause and of its class, less the squared distance from the written weights.

use crate::model::{Prepared, Weights, probabilities, score, verdict};
use seawall_diagnosis::confidence::TEMPERATURE;
use seawall_diagnosis::rules::ALL;
use seawall_model::{Cause, Class, math};
use std::collections::BTreeMap;

const STEPS: i32 = 400;
const RATE: f64 = 0.03;
/// How strongly weights are held where they were written, per mean sample.
const HOLD: f64 = 1e-3;
/// No single rule counts for more.
const HEAVIEST: f64 = 5.0;
/// A last word counts so much; the first seconds count less, a labelled case more.
const LAST_WORD_WEIGHT: f64 = 1.0;
/// So many kinds of mistakes are shown.
const MISTAKES: usize = 20;
/// A wrong attack costs as much more.
const INNOCENT_WEIGHT: f64 = 2.0;

/// Fits the weights.
pub fn fit(samples: &[Prepared], written: &Weights) -> Weights {
    let mut weights = written.clone();
    let (mut mean, mut square) = (Weights::zero(), Weights::zero());
    for step in 1..=STEPS {
        let gradient = gradient(samples, &weights, written);
        let corrections = (1.0 - math::pow(0.9, f64::from(step)), 1.0 - math::pow(0.999, f64::from(step)));
        let rate = RATE * (1.0 - f64::from(step) / f64::from(STEPS + 50));
        let update = |w: &mut f64, m: &mut f64, v: &mut f64, g: f64| {
            *m = 0.9 * *m + 0.1 * g;
            *v = 0.999 * *v + 0.001 * g * g;
            *w += rate * (*m / corrections.0) / ((*v / corrections.1).sqrt() + 1e-8);
        };
        for at in 0..ALL.len() {
            update(
                &mut weights.priors[at],
                &mut mean.priors[at],
                &mut square.priors[at],
                gradient.priors[at],
            );
            for rule in 0..weights.rules[at].len() {
                let w = &mut weights.rules[at][rule];
                update(w, &mut mean.rules[at][rule], &mut square.rules[at][rule], gradient.rules[at][rule]);
                *w = if written.rules[at][rule] > 0.0 {
                    w.clamp(0.0, HEAVIEST)
                } else {
                    w.clamp(-HEAVIEST, 0.0)
                };
            }
        }
    }
    weights
}

/// Of the mean log-posterior; two threads.
fn gradient(samples: &[Prepared], weights: &Weights, written: &Weights) -> Weights {
    let total: f64 = samples.iter().map(importance).sum();
    let (left, right) = samples.split_at(samples.len() / 2);
    let part = |samples: &[Prepared]| {
        let mut sum = Weights::zero();
        samples.iter().for_each(|s| add(s, weights, importance(s) / total, &mut sum));
        sum
    };
    let mut sum = Weights::zero();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| part(right));
        sum = part(left);
        if let Ok(other) = other.join() {
            for at in 0..ALL.len() {
                sum.priors[at] += other.priors[at];
                sum.rules[at].iter_mut().zip(&other.rules[at]).for_each(|(a, b)| *a += b);
            }
        }
    });
    for at in 0..ALL.len() {
        sum.priors[at] -= HOLD * (weights.priors[at] - written.priors[at]);
        for rule in 0..weights.rules[at].len() {
            sum.rules[at][rule] -= HOLD * (weights.rules[at][rule] - written.rules[at][rule]);
        }
    }
    sum
}

fn importance(sample: &Prepared) -> f64 {
    let innocent = !matches!(sample.right_cause.class(), Class::Attack | Class::Abuse);
    sample.weight * if innocent { INNOCENT_WEIGHT } else { 1.0 }
}

/// Adds one sample's share: d log P(right cause) + d log P(right class), by the scores.
fn add(sample: &Prepared, weights: &Weights, importance: f64, sum: &mut Weights) {
    if sample.right.is_empty() {
        return;
    }
    let scored: Vec<(f64, Vec<bool>)> = sample.candidates.iter().map(|c| score(weights, c)).collect();
    let p = probabilities(&scored.iter().map(|s| s.0).collect::<Vec<_>>());
    let class = |i: usize| ALL[sample.candidates[i].at].cause.class();
    let right_classes: Vec<Class> = sample.right.iter().map(|i| class(*i)).collect();
    let p_cause: f64 = sample.right.iter().map(|i| p[*i]).sum::<f64>().max(1e-9);
    let p_class: f64 =
        (0..p.len()).filter(|i| right_classes.contains(&class(*i))).map(|i| p[i]).sum::<f64>().max(1e-9);
    for (i, candidate) in sample.candidates.iter().enumerate() {
        let of_cause = if sample.right.contains(&i) { p[i] / p_cause } else { 0.0 };
        let of_class = if right_classes.contains(&class(i)) { p[i] / p_class } else { 0.0 };
        let slope = importance * (0.5 * (of_cause + of_class) - p[i]) / TEMPERATURE;
        sum.priors[candidate.at] += slope;
        for ((rule, _, strength), moves) in candidate.parts().zip(&scored[i].1) {
            if *moves {
                sum.rules[candidate.at][rule] += slope * strength;
            }
        }
    }
}

/// How weights fare on early moments, on the last words of simulated episodes, and on labelled cases.
#[derive(Default)]
pub struct Tallies([Tally; 3]);

impl Tallies {
    pub fn add(&mut self, weights: &Weights, sample: &Prepared) {
        let scores: Vec<f64> = sample.candidates.iter().map(|c| score(weights, c).0).collect();
        let p = probabilities(&scores);
        let best = verdict(sample, &p);
        let kind =
            usize::from(sample.weight >= LAST_WORD_WEIGHT) + usize::from(sample.weight > LAST_WORD_WEIGHT);
        self.0[kind].add(
            sample,
            ALL[sample.candidates[best].at].cause,
            sample.right.contains(&best),
            p[best],
        );
    }
}

impl std::fmt::Display for Tallies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, tally) in ["early moments", "last words", "labelled cases"].iter().zip(&self.0) {
            writeln!(f, "{name}: {tally}")?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Tally {
    all: f64,
    right: f64,
    right_class: f64,
    ruled_out: f64,
    innocent: f64,
    accused: f64,
    bins: [(f64, f64, f64); 10],
    /// Right cause, whether it was ruled out, and what was named in its place.
    mistakes: BTreeMap<(Cause, bool, Cause), f64>,
}

impl Tally {
    fn add(&mut self, sample: &Prepared, named: Cause, right: bool, confidence: f64) {
        let weight = sample.weight;
        self.all += weight;
        self.right += if right { weight } else { 0.0 };
        let truth = sample.right_cause.class();
        self.right_class += if right || named.class() == truth { weight } else { 0.0 };
        self.ruled_out += if sample.right.is_empty() { weight } else { 0.0 };
        if !right {
            *self.mistakes.entry((sample.right_cause, sample.right.is_empty(), named)).or_default() += weight;
        }
        if !matches!(truth, Class::Attack | Class::Abuse) {
            self.innocent += weight;
            self.accused += if named.class() == Class::Attack { weight } else { 0.0 };
        }
        let bin = &mut self.bins[((confidence * 10.0) as usize).min(9)];
        bin.0 += weight;
        bin.1 += weight * confidence;
        bin.2 += if right { weight } else { 0.0 };
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let error: f64 = self.bins.iter().map(|b| (b.1 - b.2).abs()).sum();
        write!(
            f,
            "cause {:.1} %, class {:.1} %, truth ruled out {:.1} %, innocents accused {:.1} %, calibration error {:.3}",
            100.0 * self.right / self.all,
            100.0 * self.right_class / self.all,
            100.0 * self.ruled_out / self.all,
            100.0 * self.accused / self.innocent.max(1e-9),
            error / self.all
        )?;
        let mut mistakes: Vec<_> = self.mistakes.iter().collect();
        mistakes.sort_by(|a, b| b.1.total_cmp(a.1));
        for ((truth, ruled_out, named), weight) in mistakes.into_iter().take(MISTAKES) {
            let ruled_out = if *ruled_out { ", ruled out" } else { "" };
            write!(f, "\n    {weight:>7.1}  {truth} called {named}{ruled_out}")?;
        }
        Ok(())
    }
}
