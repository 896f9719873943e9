//! From scores to probabilities.
//!
//! Scores are sums of log-odds whose parts are not independent, so they overstate. The
//! temperature takes that back; it is fitted on simulated episodes of the families that may be
//! tuned on, and judged on the others (`seawall drill simulate` prints the calibration error).

use seawall_model::Cause;
use seawall_model::diagnosis::Hypothesis;
use seawall_model::math;

/// Divides scores before they become odds.
pub const TEMPERATURE: f64 = 1.6;
/// Never surer than this: there is always the cause that nobody thought of.
const CEILING: f64 = 0.97;
/// The score of that cause: no other is surer than beside it alone.
const UNTHOUGHT_OF: f64 = -6.0;

/// Gives each hypothesis its share of the odds (softmax).
pub fn assign(hypotheses: &mut [Hypothesis]) {
    let best = hypotheses.iter().map(|h| h.score).fold(f64::NEG_INFINITY, f64::max);
    let odds = |score: f64| math::exp((score - best) / TEMPERATURE);
    let total: f64 = hypotheses.iter().map(|h| odds(h.score)).sum();
    for hypothesis in hypotheses {
        let beside_unthought = alone(hypothesis.score - UNTHOUGHT_OF);
        hypothesis.confidence = (odds(hypothesis.score) / total).min(beside_unthought);
    }
}

/// The share of the odds of one cause among these hypotheses.
pub fn among<'a>(hypotheses: impl Iterator<Item = &'a Hypothesis>, cause: Cause) -> f64 {
    let mut rivals: Vec<Hypothesis> = hypotheses.cloned().collect();
    assign(&mut rivals);
    rivals.iter().find(|h| h.cause == cause).map_or(0.0, |h| h.confidence)
}

/// The probability of a cause judged by itself, beside others that may hold too.
pub fn alone(score: f64) -> f64 {
    (1.0 / (1.0 + math::exp(-score / TEMPERATURE))).min(CEILING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_cause_that_much_speaks_against_is_not_sure() {
        let sure = |score: f64| {
            let (cause, vectors, evidence) = (Cause::Normal, Vec::new(), Vec::new());
            let mut all = [Hypothesis { cause, vectors, score, confidence: 0.0, evidence }];
            assign(&mut all);
            all[0].confidence
        };
        assert!(sure(5.0) > 0.96 && sure(-2.0) > 0.9);
        assert!(sure(-5.0) < 0.7 && sure(-6.0) <= 0.5);
    }
}
