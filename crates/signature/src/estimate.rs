//! Shares of attack and of normal traffic, from a disturbed sample that holds both.

use seawall_model::math::wilson_interval;
use seawall_model::signature::ShareEstimate;

/// How many records there are, and how much of the disturbed sample is normal traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixture {
    pub(crate) unwanted: f64,
    pub(crate) normal: f64,
    /// Share of the disturbed sample that is normal traffic; 0 where no normal sample tells what
    /// to take away.
    normal_share: f64,
    /// Share of the disturbed sample that all of the normal sample would be: more than the above where what
    /// cannot be the attack was taken out of the one and not of the other.
    normal_weight: f64,
    /// Upper end of the share of the normal sample that can be as the attack is.
    possible_high: f64,
}

/// Mostly normal samples leave too little attack to measure; the correction divides by what is
/// left.
const MAX_NORMAL_SHARE: f64 = 0.95;

impl Mixture {
    pub(crate) fn new(unwanted: usize, normal: usize, normal_share: f64) -> Self {
        let known = if normal == 0 || !normal_share.is_finite() { 0.0 } else { normal_share };
        let normal_share = known.clamp(0.0, MAX_NORMAL_SHARE);
        Self {
            unwanted: unwanted as f64,
            normal: normal as f64,
            normal_share,
            normal_weight: normal_share,
            possible_high: 1.0,
        }
    }

    /// The same where so many of the disturbed sample are left, and so many of the normal one would be.
    pub(crate) fn left(self, unwanted: usize, normal: usize) -> Self {
        let unwanted = unwanted as f64;
        let normal_weight = self.normal_weight * self.unwanted / unwanted.max(1.0);
        let normal_share = (normal_weight * normal as f64 / self.normal.max(1.0)).min(MAX_NORMAL_SHARE);
        let (_, possible_high) = wilson_interval(normal as f64, self.normal);
        Self { unwanted, normal_share, normal_weight, possible_high, ..self }
    }

    /// Share of the disturbed sample that normal traffic may have of what at most such a share of it is: not
    /// more than all of it that was not taken out.
    pub(crate) fn by_chance(&self, share_high: f64) -> f64 {
        (self.normal_weight * share_high.min(self.possible_high)).min(1.0)
    }

    pub(crate) fn has_normal(&self) -> bool {
        self.normal > 0.0
    }

    /// Share of the attack, from hits in both samples: what the disturbed sample has beyond its
    /// normal part.
    pub(crate) fn attack(&self, hits: u32, normal_hits: u32) -> f64 {
        self.corrected(f64::from(hits) / self.unwanted.max(1.0), self.baseline(normal_hits))
    }

    pub(crate) fn baseline(&self, normal_hits: u32) -> f64 {
        if self.has_normal() { f64::from(normal_hits) / self.normal } else { 0.0 }
    }

    pub(crate) fn attack_estimate(&self, hits: u32, normal_hits: u32) -> ShareEstimate {
        let (low, high) = wilson_interval(f64::from(hits), self.unwanted);
        let (normal_low, normal_high) =
            if self.has_normal() { wilson_interval(f64::from(normal_hits), self.normal) } else { (0.0, 0.0) };
        ShareEstimate {
            share: self.attack(hits, normal_hits),
            low: self.corrected(low, normal_high),
            high: self.corrected(high, normal_low),
        }
    }

    pub(crate) fn baseline_estimate(&self, normal_hits: u32) -> Option<ShareEstimate> {
        self.has_normal().then(|| plain_estimate(normal_hits, self.normal))
    }

    fn corrected(&self, disturbed: f64, normal: f64) -> f64 {
        ((disturbed - self.normal_weight * normal) / (1.0 - self.normal_share)).clamp(0.0, 1.0)
    }
}

/// `hits` of `trials` with its Wilson interval.
pub(crate) fn plain_estimate(hits: u32, trials: f64) -> ShareEstimate {
    let (low, high) = wilson_interval(f64::from(hits), trials);
    ShareEstimate { share: f64::from(hits) / trials.max(1.0), low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_part_is_taken_away() {
        let half = Mixture::new(1000, 1000, 0.5);
        assert!((half.attack(500, 0) - 1.0).abs() < 1e-9);
        assert!((half.attack(500, 500) - 0.5).abs() < 1e-9);
        assert_eq!(half.attack(100, 900), 0.0);
        let e = half.attack_estimate(400, 0);
        assert!(e.low < 0.8 && e.share > 0.79 && e.high > 0.8);
    }

    /// Broke: of two kinds of reflected answers, half each, one was told to be all of the attack, since packets that
    /// were taken out as nobody's attack had been counted as what was left of normal traffic.
    #[test]
    fn what_was_taken_out_of_a_sample_is_no_part_of_what_is_left() {
        let left = Mixture::new(1_000, 1_000, 0.5).left(500, 0);
        assert!((left.attack(250, 0) - 0.5).abs() < 1e-9);
        let half_left = Mixture::new(1_000, 1_000, 0.5).left(750, 500);
        assert!((half_left.attack(500, 0) - 1.0).abs() < 1e-9);
        assert!((half_left.attack(750, 500) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_reference_nothing_is_taken_away() {
        let alone = Mixture::new(100, 0, 0.7);
        assert_eq!(alone.attack(100, 0), 1.0);
        assert!(alone.baseline_estimate(0).is_none());
    }
}
