//! Ranges of a number in which the attack is dense and normal traffic is not.

use super::{Values, less};
use crate::estimate::Mixture;

/// Shares of the attack for which the shortest range is looked for.
const COVERS: [f64; 4] = [1.0, 0.99, 0.9, 0.5];
/// How much worse one share of normal traffic is than one share of attack is good.
const NORMAL_WEIGHT: f64 = 4.0;

/// One distinct number with its shares.
struct Bin {
    value: u32,
    attack: f64,
    normal: f64,
}

/// Ranges (both ends inclusive, more than one number) worth a test.
pub(crate) fn ranges(unwanted: &Values<u32>, normal: &Values<u32>, mixture: &Mixture) -> Vec<(u32, u32)> {
    let bins = bins(unwanted, normal, mixture);
    let mut found: Vec<(u32, u32)> = COVERS.iter().filter_map(|c| shortest(&bins, *c)).collect();
    if mixture.has_normal() {
        found.extend(densest(&bins));
    }
    found.retain(|(low, high)| low < high);
    found.sort_unstable();
    found.dedup();
    found
}

fn bins(unwanted: &Values<u32>, normal: &Values<u32>, mixture: &Mixture) -> Vec<Bin> {
    let mut tagged: Vec<(u32, bool)> = unwanted.iter().map(|(v, _)| (*v, true)).collect();
    tagged.extend(normal.iter().map(|(v, _)| (*v, false)));
    tagged.sort_unstable();
    tagged
        .chunk_by(|a, b| a.0 == b.0)
        .map(|same| {
            let hits = same.iter().filter(|(_, is_unwanted)| *is_unwanted).count() as u32;
            let normal_hits = same.len() as u32 - hits;
            Bin {
                value: same[0].0,
                attack: mixture.attack(hits, normal_hits),
                normal: mixture.baseline(normal_hits),
            }
        })
        .collect()
}

/// The shortest range with at least `cover` of the attack that the bins hold.
fn shortest(bins: &[Bin], cover: f64) -> Option<(u32, u32)> {
    let wanted = cover * bins.iter().map(|b| b.attack).sum::<f64>() - 1e-9;
    let mut best: Option<(u32, u32)> = None;
    let (mut start, mut held) = (0, 0.0);
    for end in 0..bins.len() {
        held += bins[end].attack;
        while start < end && held - bins[start].attack >= wanted {
            held -= bins[start].attack;
            start += 1;
        }
        let (low, high) = (bins[start].value, bins[end].value);
        if held >= wanted && held > 0.0 && best.is_none_or(|(l, h)| high - low < h - l) {
            best = Some((low, high));
        }
    }
    best
}

/// The range with the largest surplus of attack over weighted normal traffic (Kadane's scan).
fn densest(bins: &[Bin]) -> Option<(u32, u32)> {
    let (mut start, mut sum) = (0, 0.0);
    let mut best: Option<(f64, u32, u32)> = None;
    for (end, bin) in bins.iter().enumerate() {
        if less(sum, 0.0) {
            (start, sum) = (end, 0.0);
        }
        sum += bin.attack - NORMAL_WEIGHT * bin.normal;
        if sum > 0.0 && best.is_none_or(|(most, _, _)| less(most, sum)) {
            best = Some((sum, bins[start].value, bin.value));
        }
    }
    best.map(|(_, low, high)| (low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(numbers: impl IntoIterator<Item = u32>) -> Values<u32> {
        numbers.into_iter().enumerate().map(|(i, n)| (n, i)).collect()
    }

    #[test]
    fn dense_part_is_found_between_normal_numbers() {
        let unwanted = values((0..100).map(|n| 440 + n % 30));
        let normal = values((0..100).map(|n| 40 + n * 15));
        let mixture = Mixture::new(100, 100, 0.0);
        assert!(ranges(&unwanted, &normal, &mixture).contains(&(440, 469)));
    }

    #[test]
    fn outliers_do_not_widen_the_short_range() {
        let unwanted = values((0..200).map(|n| if n == 0 { 9_000 } else { 460 + n % 8 }));
        let found = ranges(&unwanted, &Vec::new(), &Mixture::new(200, 0, 0.0));
        assert!(found.contains(&(460, 467)), "{found:?}");
    }

    #[test]
    fn one_number_is_no_range() {
        let unwanted = values([468; 50]);
        assert!(ranges(&unwanted, &Vec::new(), &Mixture::new(50, 0, 0.0)).is_empty());
    }
}
