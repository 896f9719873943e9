//! Transcendental functions in portable code, so that every machine computes the same bits.
//!
//! The platform's own `ln` and `exp` differ in the last place between CPUs; explanations must be
//! byte-identical everywhere, so `clippy.toml` bans the methods of `f64` in favour of these.

/// Natural logarithm.
#[must_use]
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// Base-2 logarithm.
#[must_use]
pub fn log2(x: f64) -> f64 {
    libm::log2(x)
}

/// e to the power `x`.
#[must_use]
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// `x` to the power `y`.
#[must_use]
pub fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

/// Square root (exact rounding by IEEE 754 on every machine).
#[must_use]
pub fn sqrt(x: f64) -> f64 {
    libm::sqrt(x)
}

/// `part / whole`, or zero where the whole is zero.
#[must_use]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Rounds to four significant digits, so that printed figures do not pretend to more.
#[must_use]
pub fn round_significant(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let magnitude = libm::floor(libm::log10(libm::fabs(x)));
    let scale = libm::pow(10.0, 3.0 - magnitude);
    if scale.is_finite() && scale != 0.0 { libm::round(x * scale) / scale } else { x }
}

/// Wilson score interval at 95 % for `hits` of `trials` (E. B. Wilson, 1927).
#[must_use]
pub fn wilson_interval(hits: f64, trials: f64) -> (f64, f64) {
    if trials <= 0.0 {
        return (0.0, 1.0);
    }
    const Z: f64 = 1.96;
    let p = (hits / trials).clamp(0.0, 1.0);
    let denominator = 1.0 + Z * Z / trials;
    let centre = p + Z * Z / (2.0 * trials);
    let spread = Z * sqrt(p * (1.0 - p) / trials + Z * Z / (4.0 * trials * trials));
    (((centre - spread) / denominator).max(0.0), ((centre + spread) / denominator).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_four_digits() {
        assert_eq!(round_significant(123_456.0), 123_500.0);
        assert_eq!(round_significant(0.001_234_56), 0.001_235);
        assert_eq!(round_significant(0.0), 0.0);
    }

    #[test]
    fn wilson_interval_holds_the_estimate() {
        let (low, high) = wilson_interval(0.0, 1000.0);
        assert!(low == 0.0 && high < 0.004, "{high}");
        let (low, high) = wilson_interval(50.0, 100.0);
        assert!(low < 0.5 && high > 0.5);
    }
}
