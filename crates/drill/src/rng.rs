//! Seeded random numbers and the distributions that traffic is drawn from.
//!
//! SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
//! OOPSLA 2014): one addition and a mix per draw, equal on every machine. Logarithms come from
//! `seawall_model::math`, so that the same seed gives the same bytes everywhere.

use seawall_model::math;

/// A seeded generator. Cloning it repeats its future.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 random bits.
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform below `n`; 0 where `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform index below `n`.
    #[inline]
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// Uniform integer from `low` to `high`, both included.
    #[inline]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Uniform in [0, 1).
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in [low, high).
    #[inline]
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    #[inline]
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in the logarithm: each factor of two is as likely as the next.
    pub fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        math::exp(self.uniform(math::ln(low), math::ln(high)))
    }

    /// Exponential with this mean: the gap between events that know nothing of each other.
    #[inline]
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * math::ln(1.0 - self.unit())
    }

    /// Standard normal, as the sum of twelve uniform draws less six: no tails beyond six, which
    /// suits sizes and times, and no trigonometry.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..3 {
            let bits = self.next();
            for shift in [0, 16, 32, 48] {
                sum += ((bits >> shift) & 0xFFFF) as f64;
            }
        }
        sum / 65_536.0 - 6.0 + 12.0 * 0.5 / 65_536.0
    }

    /// Log-normal with this median.
    #[inline]
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * math::exp(sigma * self.normal())
    }

    /// Geometric with this mean, at least 1: pages per visit.
    pub fn geometric(&mut self, mean: f64) -> u32 {
        if mean <= 1.0 {
            return 1;
        }
        let continues = 1.0 - 1.0 / mean;
        1 + (math::ln(1.0 - self.unit()) / math::ln(continues)).min(10_000.0) as u32
    }

    /// One element. The slice must not be empty.
    #[inline]
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }
}

/// Draws indices by weight in constant time (A. J. Walker's alias method, 1977).
#[derive(Clone, Debug, Default)]
pub struct Weighted {
    /// Per slot: the probability to stay, in 2^-32, and the other index.
    slots: Vec<(u32, u32)>,
}

impl Weighted {
    /// Weights must be finite and not negative, with a positive sum.
    #[must_use]
    pub fn new(weights: &[f64]) -> Self {
        let n = weights.len();
        let total: f64 = weights.iter().sum();
        let mut scaled: Vec<f64> = weights.iter().map(|w| w * n as f64 / total).collect();
        let mut slots = vec![(u32::MAX, 0); n];
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (i, &p) in scaled.iter().enumerate() {
            if p < 1.0 { small.push(i) } else { large.push(i) }
        }
        while let (Some(s), Some(&l)) = (small.pop(), large.last()) {
            slots[s] = ((scaled[s] * f64::from(u32::MAX)) as u32, l as u32);
            scaled[l] -= 1.0 - scaled[s];
            if scaled[l] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        Self { slots }
    }

    /// Popularity by rank: weight 1 / rank^exponent (Zipf's law).
    #[must_use]
    pub fn zipf(n: usize, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=n).map(|rank| math::pow(rank as f64, -exponent)).collect();
        Self::new(&weights)
    }

    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> usize {
        let bits = rng.next();
        let slot = (((bits >> 32) * self.slots.len() as u64) >> 32) as usize;
        let (stay, other) = self.slots[slot];
        if (bits as u32) <= stay { slot } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // first outputs of SplitMix64 for seed 1234567
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn weights_are_drawn_in_proportion() {
        let weighted = Weighted::new(&[1.0, 0.0, 3.0]);
        let mut rng = Rng::new(7);
        let mut counts = [0u32; 3];
        for _ in 0..40_000 {
            counts[weighted.draw(&mut rng)] += 1;
        }
        assert!((9_500..10_500).contains(&counts[0]), "{counts:?}");
        assert!(counts[1] < 3, "{counts:?}");
    }

    #[test]
    fn means_and_medians_hold() {
        let mut rng = Rng::new(11);
        let mean = |f: &mut dyn FnMut() -> f64| (0..20_000).map(|_| f()).sum::<f64>() / 20_000.0;
        assert!((mean(&mut || rng.exponential(3.0)) - 3.0).abs() < 0.1);
        assert!(mean(&mut || rng.normal()).abs() < 0.05);
        assert!((mean(&mut || f64::from(rng.geometric(5.0))) - 5.0).abs() < 0.2);
    }
}
