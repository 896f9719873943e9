//! When an episode takes place, and when within it the trouble begins and ends.

use crate::rng::Rng;
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;

/// The frame of an episode, in seconds from its start.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub start: Timestamp,
    pub length_s: f64,
    pub onset_s: f64,
    pub end_s: f64,
}

impl Timing {
    /// A quiet lead-in of random length, then the trouble, then perhaps quiet again.
    pub fn with_lead_in(rng: &mut Rng) -> Self {
        let lead_s = rng.log_uniform(20.0, 110.0);
        let trouble_s = rng.log_uniform(25.0, 140.0);
        let tail_s = if rng.chance(0.5) { 0.0 } else { rng.uniform(5.0, 45.0) };
        Self::new(rng, lead_s, trouble_s, tail_s)
    }

    /// As captures often are: the trouble is there from the first packet.
    pub fn from_the_start(rng: &mut Rng) -> Self {
        let trouble_s = rng.log_uniform(2.0, 90.0);
        Self::new(rng, 0.0, trouble_s, 0.0)
    }

    /// Mostly with, sometimes without a lead-in.
    pub fn any(rng: &mut Rng, alone_share: f64) -> Self {
        if rng.chance(alone_share) { Self::from_the_start(rng) } else { Self::with_lead_in(rng) }
    }

    /// Nothing happens: the "trouble" is the whole length.
    pub fn quiet(rng: &mut Rng) -> Self {
        let length_s = rng.log_uniform(60.0, 300.0);
        Self::new(rng, 0.0, length_s, 0.0)
    }

    #[must_use]
    pub fn new(rng: &mut Rng, lead_s: f64, trouble_s: f64, tail_s: f64) -> Self {
        // 2014 to 2026, at any time of day
        let start = Timestamp(
            rng.between(1_400_000_000, 1_780_000_000) as i64 * SECOND_NS + rng.below(1_000_000_000) as i64,
        );
        Self { start, length_s: lead_s + trouble_s + tail_s, onset_s: lead_s, end_s: lead_s + trouble_s }
    }

    #[must_use]
    pub fn at(&self, seconds: f64) -> Timestamp {
        self.start.plus_ns((seconds * SECOND_NS as f64) as i64)
    }

    #[must_use]
    pub fn onset(&self) -> Timestamp {
        self.at(self.onset_s)
    }

    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.at(self.end_s)
    }

    #[must_use]
    pub fn trouble_s(&self) -> f64 {
        self.end_s - self.onset_s
    }
}
