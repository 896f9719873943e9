//! Evidence that no table has: for every cause, metric and shape, how much one more rule would
//! raise the likelihood, to first order (a score test). A person decides what makes sense.

use crate::model::{self, Weights, probabilities, score};
use crate::sample::Sample;
use crate::train;
use seawall_diagnosis::Shape;
use seawall_diagnosis::confidence::TEMPERATURE;
use seawall_diagnosis::rules::ALL;
use seawall_model::math;
use seawall_model::metric::Metric;

const PRINTED: usize = 80;

/// Prints the rules with the greatest gain, in units of total log-likelihood.
pub fn suggest(samples: &[Sample]) {
    let references: Vec<&Sample> = samples.iter().collect();
    let prepared = model::prepare(&references);
    let weights = train::fit(&prepared, &Weights::written());
    let slopes: Vec<Vec<(usize, f64, f64)>> = prepared.iter().map(|p| slopes(p, &weights)).collect();
    let mut gains: Vec<(f64, String)> = Vec::new();
    for metric in Metric::ALL {
        for shape in shapes(*metric, samples) {
            gains.extend(gains_of(*metric, shape, samples, &slopes));
        }
    }
    gains.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (gain, line) in gains.into_iter().take(PRINTED) {
        println!("{gain:>8.1}  {line}");
    }
}

/// Of each candidate: its cause, the slope of the likelihood by its score, and the curvature.
fn slopes(prepared: &model::Prepared, weights: &Weights) -> Vec<(usize, f64, f64)> {
    if prepared.right.is_empty() {
        return Vec::new();
    }
    let scores: Vec<f64> = prepared.candidates.iter().map(|c| score(weights, c).0).collect();
    let p = probabilities(&scores);
    let right: f64 = prepared.right.iter().map(|i| p[*i]).sum::<f64>().max(1e-9);
    (0..p.len())
        .map(|i| {
            let wanted = if prepared.right.contains(&i) { p[i] / right } else { 0.0 };
            let slope = prepared.weight * (wanted - p[i]) / TEMPERATURE;
            let curvature = prepared.weight * p[i] * (1.0 - p[i]) / (TEMPERATURE * TEMPERATURE);
            (prepared.candidates[i].at, slope, curvature)
        })
        .collect()
}

/// Ramps between the quantiles of what was observed, and rises over what was expected.
fn shapes(metric: Metric, samples: &[Sample]) -> Vec<Shape> {
    let mut values: Vec<f64> = samples.iter().filter_map(|s| s.findings.observed(metric)).collect();
    if values.len() < 50 {
        return Vec::new();
    }
    values.sort_by(f64::total_cmp);
    let at = |q: f64| math::round_significant(values[((values.len() - 1) as f64 * q) as usize]);
    let mut shapes = vec![
        Shape::Rises(1.3, 3.0),
        Shape::Rises(3.0, 10.0),
        Shape::Falls(0.7, 0.3),
        Shape::Flat(1.4),
        Shape::Exceeds(0.05, 0.3),
        Shape::Lacks(0.05, 0.3),
        Shape::Shifts(3.0, 8.0),
    ];
    for (low, high) in [(0.05, 0.3), (0.2, 0.6), (0.4, 0.8), (0.6, 0.95), (0.8, 0.98)] {
        if at(low) < at(high) {
            shapes.push(Shape::Above(at(low), at(high)));
            shapes.push(Shape::AboveUnexpected(at(low), at(high)));
        }
    }
    shapes
}

fn gains_of(
    metric: Metric,
    shape: Shape,
    samples: &[Sample],
    slopes: &[Vec<(usize, f64, f64)>],
) -> Vec<(f64, String)> {
    let mut sums = vec![(0.0_f64, 0.0_f64); ALL.len()];
    for (sample, slopes) in samples.iter().zip(slopes) {
        let Some(strength) = sample.findings.get(metric).and_then(|f| shape.strength(f)) else { continue };
        for (at, slope, curvature) in slopes {
            sums[*at].0 += slope * strength;
            sums[*at].1 += curvature * strength * strength;
        }
    }
    let line = |at: usize, slope: f64, curvature: f64| {
        let present = if ALL[at].rules.iter().any(|r| r.metric == metric) { "*" } else { " " };
        format!("{present} {} {metric:?} {shape:?}, {:.1}", ALL[at].cause, slope / curvature)
    };
    sums.into_iter()
        .enumerate()
        .filter(|(_, (_, curvature))| *curvature > 1.0)
        .map(|(at, (slope, curvature))| (0.5 * slope * slope / curvature, line(at, slope, curvature)))
        .collect()
}
