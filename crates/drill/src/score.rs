//! From the scores of many episodes to figures: confusion, F1, calibration, delay, harm.

use crate::run::EpisodeScore;
use seawall_model::{Cause, Class};
use serde::Serialize;
use std::collections::BTreeMap;

/// Bins of the calibration error.
const CALIBRATION_BINS: usize = 10;

/// One cell of the confusion matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub truth: Cause,
    pub named: Cause,
    pub episodes: u64,
}

/// How one cause fared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CauseScore {
    pub cause: Cause,
    pub episodes: u64,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub median_seconds_to_name: Option<f64>,
}

/// One bin of the calibration curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    pub episodes: u64,
    pub mean_confidence: f64,
    pub accuracy: f64,
}

/// Quantiles of a measure; `None` where that many episodes have no finite value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Episodes that the quantiles stand on.
    pub episodes: u64,
    pub median: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
}

/// The figures over one set of episodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    pub episodes: u64,
    pub observations: u64,
    /// Share of episodes with a right last word.
    pub accuracy: f64,
    /// Mean F1 over the causes that occur as truth.
    pub macro_f1: f64,
    pub class_accuracy: f64,
    /// Episodes of fault, demand or normal, and the share of them whose last word is an attack.
    pub innocent: u64,
    pub innocent_called_attack: f64,
    /// Share of all episodes in which an attack was named at a time when there was none.
    pub false_alarms: f64,
    /// Share of hostile episodes whose last word is not hostile.
    pub hostile_missed: f64,
    pub undecided: f64,
    /// Expected calibration error over the decided episodes.
    pub calibration_error: f64,
    pub calibration: Vec<Bin>,
    /// Onset to first right name, over all episodes with a disturbance; never named is infinite.
    pub seconds_to_name: Quantiles,
    /// Mean share of the true vectors named, over episodes that have any.
    pub vectors_found: Option<f64>,
    /// Share of unwanted traffic that the signatures match, over hostile episodes with signatures.
    pub signature_coverage: Quantiles,
    /// Share of normal traffic that they match.
    pub normal_hit: Quantiles,
    /// Distance of predicted and measured harm.
    pub harm_error: Quantiles,
    /// Share of those episodes in which the distance is at most half a percentage point.
    pub harm_within_half_point: Option<f64>,
    pub causes: Vec<CauseScore>,
    /// Non-empty cells, right names counted as the true cause.
    pub confusion: Vec<Cell>,
    /// Accuracy by family.
    pub families: Vec<FamilyScore>,
}

/// How one family fared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FamilyScore {
    pub family: &'static str,
    pub evaluation_only: bool,
    pub cause: Cause,
    pub episodes: u64,
    pub accuracy: f64,
    /// The commonest wrong name, and how often.
    pub mostly_mistaken_for: Option<(Cause, u64)>,
}

/// The figures over all episodes and apart by whether anything may have been tuned on them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub all: Figures,
    pub tuned: Figures,
    pub evaluation_only: Figures,
    pub evaluation_families: Vec<&'static str>,
}

/// Adds up the scores. Their order does not matter.
#[must_use]
pub fn summarise(scores: &[EpisodeScore]) -> Summary {
    let all: Vec<&EpisodeScore> = scores.iter().collect();
    let (held_out, tuned): (Vec<&EpisodeScore>, Vec<&EpisodeScore>) =
        all.iter().partition(|s| s.evaluation_only);
    let mut evaluation_families: Vec<&'static str> = held_out.iter().map(|s| s.family).collect();
    evaluation_families.sort_unstable();
    evaluation_families.dedup();
    Summary {
        all: figures(&all),
        tuned: figures(&tuned),
        evaluation_only: figures(&held_out),
        evaluation_families,
    }
}

/// The name that counts in the matrix: acceptable names count as the true one.
fn counted_name(s: &EpisodeScore) -> Cause {
    if s.right { s.true_cause } else { s.named_cause }
}

fn figures(scores: &[&EpisodeScore]) -> Figures {
    let confusion = confusion(scores);
    let causes = cause_scores(scores, &confusion);
    let innocent: Vec<_> = scores.iter().filter(|s| !is_hostile(s.true_class)).copied().collect();
    let hostile: Vec<_> = scores.iter().filter(|s| is_hostile(s.true_class)).copied().collect();
    let (calibration_error, calibration) = calibration(scores);
    let harm_errors = harm_errors(scores);
    let filters = || hostile.iter().filter_map(|s| s.filter);
    Figures {
        episodes: scores.len() as u64,
        observations: scores.iter().map(|s| s.observations).sum(),
        accuracy: share(scores, |s| s.right),
        macro_f1: mean(causes.iter().map(|c| c.f1)).unwrap_or(0.0),
        class_accuracy: share(scores, |s| s.right || s.named_class == s.true_class),
        innocent: innocent.len() as u64,
        innocent_called_attack: share(&innocent, |s| s.named_class == Class::Attack),
        false_alarms: share(scores, |s| s.false_alarm),
        hostile_missed: share(&hostile, |s| !s.right && !is_hostile(s.named_class)),
        undecided: share(scores, |s| s.named_cause == Cause::Undecided),
        calibration_error,
        calibration,
        seconds_to_name: quantiles(disturbed(scores).map(|s| s.seconds_to_name.unwrap_or(f64::INFINITY))),
        vectors_found: mean(scores.iter().filter_map(|s| s.vectors_found)),
        signature_coverage: quantiles(filters().filter_map(|f| f.coverage)),
        normal_hit: quantiles(filters().filter_map(|f| f.harm)),
        harm_within_half_point: (!harm_errors.is_empty())
            .then(|| harm_errors.iter().filter(|e| **e <= 0.005).count() as f64 / harm_errors.len() as f64),
        harm_error: quantiles(harm_errors.into_iter()),
        causes,
        confusion,
        families: family_scores(scores),
    }
}

fn is_hostile(class: Class) -> bool {
    matches!(class, Class::Attack | Class::Abuse)
}

fn disturbed<'a>(scores: &'a [&EpisodeScore]) -> impl Iterator<Item = &'a EpisodeScore> {
    scores.iter().copied().filter(|s| s.true_class != Class::Normal)
}

fn share(scores: &[&EpisodeScore], holds: impl Fn(&EpisodeScore) -> bool) -> f64 {
    if scores.is_empty() {
        return 0.0;
    }
    scores.iter().filter(|s| holds(s)).count() as f64 / scores.len() as f64
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0u32), |(sum, n), v| (sum + v, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// Nearest-rank quantiles; infinite values come out as `None`.
fn quantiles(values: impl Iterator<Item = f64>) -> Quantiles {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |q: f64| {
        let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted.get(rank - 1).copied().filter(|v| v.is_finite())
    };
    Quantiles { episodes: sorted.len() as u64, median: at(0.5), p90: at(0.9), p99: at(0.99) }
}

fn harm_errors(scores: &[&EpisodeScore]) -> Vec<f64> {
    scores.iter().filter_map(|s| s.filter).filter_map(|f| Some((f.harm? - f.predicted_harm?).abs())).collect()
}

fn confusion(scores: &[&EpisodeScore]) -> Vec<Cell> {
    let mut cells: BTreeMap<(Cause, Cause), u64> = BTreeMap::new();
    for s in scores {
        *cells.entry((s.true_cause, counted_name(s))).or_default() += 1;
    }
    cells.into_iter().map(|((truth, named), episodes)| Cell { truth, named, episodes }).collect()
}

fn cause_scores(scores: &[&EpisodeScore], confusion: &[Cell]) -> Vec<CauseScore> {
    let sum = |wanted: &dyn Fn(&Cell) -> bool| -> u64 {
        confusion.iter().filter(|c| wanted(c)).map(|c| c.episodes).sum()
    };
    let ratio = |part: u64, whole: u64| seawall_model::math::share(part, whole);
    Cause::ALL
        .iter()
        .filter_map(|&cause| {
            let episodes = sum(&|c| c.truth == cause);
            let hits = sum(&|c| c.truth == cause && c.named == cause);
            let named = sum(&|c| c.named == cause);
            let times = disturbed(scores)
                .filter(|s| s.true_cause == cause)
                .map(|s| s.seconds_to_name.unwrap_or(f64::INFINITY));
            (episodes > 0).then(|| CauseScore {
                cause,
                episodes,
                precision: ratio(hits, named),
                recall: ratio(hits, episodes),
                f1: ratio(2 * hits, episodes + named),
                median_seconds_to_name: quantiles(times).median,
            })
        })
        .collect()
}

/// Expected calibration error (Naeini, Cooper, Hauskrecht, AAAI 2015) with bins of equal width,
/// over episodes in which a name was given.
fn calibration(scores: &[&EpisodeScore]) -> (f64, Vec<Bin>) {
    let mut sums = [(0u64, 0.0f64, 0u64); CALIBRATION_BINS];
    let mut decided = 0u64;
    for s in scores.iter().filter(|s| s.named_cause != Cause::Undecided) {
        let confidence = s.confidence.clamp(0.0, 1.0);
        let bin = ((confidence * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        sums[bin].0 += 1;
        sums[bin].1 += confidence;
        sums[bin].2 += u64::from(s.right);
        decided += 1;
    }
    let bins: Vec<Bin> = sums
        .iter()
        .map(|&(n, confidence, right)| Bin {
            episodes: n,
            mean_confidence: if n == 0 { 0.0 } else { confidence / n as f64 },
            accuracy: seawall_model::math::share(right, n),
        })
        .collect();
    let error = bins
        .iter()
        .map(|b| (b.mean_confidence - b.accuracy).abs() * seawall_model::math::share(b.episodes, decided))
        .sum();
    (error, bins)
}

fn family_scores(scores: &[&EpisodeScore]) -> Vec<FamilyScore> {
    let mut by_family: BTreeMap<&'static str, Vec<&EpisodeScore>> = BTreeMap::new();
    for s in scores {
        by_family.entry(s.family).or_default().push(s);
    }
    by_family
        .into_iter()
        .map(|(family, of_family)| {
            let mut mistakes: BTreeMap<Cause, u64> = BTreeMap::new();
            for s in of_family.iter().filter(|s| !s.right) {
                *mistakes.entry(s.named_cause).or_default() += 1;
            }
            FamilyScore {
                family,
                evaluation_only: of_family[0].evaluation_only,
                cause: of_family[0].true_cause,
                episodes: of_family.len() as u64,
                accuracy: share(&of_family, |s| s.right),
                mostly_mistaken_for: mistakes
                    .into_iter()
                    .max_by_key(|&(cause, n)| (n, std::cmp::Reverse(cause))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::FilterScore;

    fn score(truth: Cause, named: Cause, confidence: f64) -> EpisodeScore {
        EpisodeScore {
            family: "family",
            seed: 0,
            evaluation_only: false,
            true_class: truth.class(),
            true_cause: truth,
            named_class: named.class(),
            named_cause: named,
            right: truth == named,
            vectors_found: None,
            confidence,
            seconds_to_name: None,
            false_alarm: false,
            observations: 1,
            filter: None,
        }
    }

    #[test]
    fn f1_by_hand() {
        // syn-flood: 2 of 3 found, 1 false: P = 2/3, R = 2/3, F1 = 2/3
        // flash-crowd: 1 of 2 found, 1 false: P = 1/2, R = 1/2, F1 = 1/2
        let scores = [
            score(Cause::SynFlood, Cause::SynFlood, 0.9),
            score(Cause::SynFlood, Cause::SynFlood, 0.9),
            score(Cause::SynFlood, Cause::FlashCrowd, 0.9),
            score(Cause::FlashCrowd, Cause::FlashCrowd, 0.9),
            score(Cause::FlashCrowd, Cause::SynFlood, 0.9),
        ];
        let f = summarise(&scores).all;
        assert!((f.accuracy - 0.6).abs() < 1e-12);
        assert!((f.macro_f1 - (2.0 / 3.0 + 0.5) / 2.0).abs() < 1e-12);
        assert_eq!(f.innocent, 2);
        assert!((f.innocent_called_attack - 0.5).abs() < 1e-12);
        assert!((f.hostile_missed - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(f.confusion[1], Cell { truth: Cause::SynFlood, named: Cause::FlashCrowd, episodes: 1 });
    }

    #[test]
    fn calibration_error_by_hand() {
        // bin 0.9..1: 4 episodes at 0.95, 3 right: gap 0.2, weight 4/6
        // bin 0.5..0.6: 2 episodes at 0.55, 1 right: gap 0.05, weight 2/6; undecided is left out
        let right = |c| score(Cause::Normal, Cause::Normal, c);
        let wrong = |c| score(Cause::Normal, Cause::Scan, c);
        let scores = [
            right(0.95),
            right(0.95),
            right(0.95),
            wrong(0.95),
            right(0.55),
            wrong(0.55),
            score(Cause::Normal, Cause::Undecided, 0.3),
        ];
        let f = summarise(&scores).all;
        assert!((f.calibration_error - (0.2 * 4.0 / 6.0 + 0.05 * 2.0 / 6.0)).abs() < 1e-12);
        assert_eq!(f.calibration[9].episodes, 4);
        assert!((f.undecided - 1.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn never_named_is_infinitely_late() {
        let named = |after| EpisodeScore { seconds_to_name: after, ..score(Cause::Scan, Cause::Scan, 1.0) };
        let f = summarise(&[named(Some(1.0)), named(Some(3.0)), named(None)]).all;
        assert_eq!(f.seconds_to_name.median, Some(3.0));
        assert_eq!(f.seconds_to_name.p90, None);
    }

    #[test]
    fn harm_is_compared_where_both_are_known() {
        let with = |harm, predicted_harm| EpisodeScore {
            filter: Some(FilterScore { coverage: Some(0.9), harm, predicted_harm }),
            ..score(Cause::Scan, Cause::Scan, 1.0)
        };
        let f =
            summarise(&[with(Some(0.01), Some(0.0)), with(Some(0.002), Some(0.001)), with(None, Some(0.0))])
                .all;
        assert_eq!(f.harm_error.episodes, 2);
        assert_eq!(f.harm_within_half_point, Some(0.5));
        assert_eq!(f.signature_coverage.episodes, 3);
    }

    #[test]
    fn evaluation_families_are_kept_apart() {
        let held =
            EpisodeScore { evaluation_only: true, family: "held", ..score(Cause::Scan, Cause::Normal, 1.0) };
        let s = summarise(&[held, score(Cause::Scan, Cause::Scan, 1.0)]);
        assert_eq!((s.tuned.accuracy, s.evaluation_only.accuracy), (1.0, 0.0));
        assert_eq!(s.evaluation_families, ["held"]);
    }
}
