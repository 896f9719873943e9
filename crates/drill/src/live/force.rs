//! How strong a siege is, and what it is made of: as the table of sieges has it, or drawn by a seed,
//! so that no two of a hundred attacks are alike.

use super::siege::Siege;
use crate::rng::Rng;

/// What a siege is made of. What does not concern a siege's kind is left unused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Force {
    /// So many times the requests that the site can answer.
    pub(super) times: f64,
    /// Addresses that it comes from; of mimics, how many requests a second each makes is `pace_per_s`.
    pub(super) sources: u64,
    pub(super) pace_per_s: f64,
    /// Browsers that it names itself after.
    pub(super) agents: u64,
    /// Of a hundred requests for pages: searches, and calls of scripts.
    pub(super) searches: u64,
    pub(super) calls: u64,
    /// Terms of a dear search, at most.
    pub(super) terms: u64,
    /// A pulse, and the pause after it, in milliseconds.
    pub(super) on_ms: u64,
    pub(super) off_ms: u64,
    /// Connections that are held, how fast they come, and the first and last way of holding them.
    pub(super) held: u64,
    pub(super) held_per_s: u64,
    pub(super) ways: (u64, u64),
    /// Seconds of calm more than usual.
    pub(super) later_s: f64,
}

impl Force {
    /// What the table of sieges is made with.
    pub(super) fn usual(siege: Siege) -> Self {
        let sources = match siege {
            Siege::CacheBusting => 20_000,
            Siege::DearSearch => 300,
            Siege::Loud => 8,
            Siege::Slow | Siege::Idle => 600,
            _ => 40_000,
        };
        Self {
            times: 10.0,
            sources,
            pace_per_s: 2.0,
            agents: 6,
            searches: 0,
            calls: 0,
            terms: 4,
            on_ms: 5_000,
            off_ms: 4_000,
            held: 4_800,
            held_per_s: 800,
            ways: (0, 3),
            later_s: 0.0,
        }
    }

    /// Another one for each seed.
    pub(super) fn drawn(siege: Siege, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x00F0_8CE5);
        let (fewest, most) = match siege {
            Siege::CacheBusting => (400.0, 40_000.0),
            Siege::DearSearch => (60.0, 5_000.0),
            Siege::Loud => (1.0, 40.0),
            Siege::Slow | Siege::Idle => (60.0, 2_000.0),
            _ => (2_000.0, 60_000.0),
        };
        let first = rng.between(0, 3);
        Self {
            times: rng.log_uniform(3.0, 10.0),
            sources: rng.log_uniform(fewest, most) as u64,
            pace_per_s: rng.log_uniform(0.7, 4.0),
            agents: rng.between(1, 6),
            searches: if rng.chance(0.5) { rng.between(0, 40) } else { 0 },
            calls: if rng.chance(0.5) { rng.between(0, 40) } else { 0 },
            terms: rng.between(2, 4),
            on_ms: rng.between(2_000, 6_000),
            off_ms: rng.between(2_000, 8_000),
            held: rng.between(1_200, 4_800),
            held_per_s: rng.between(300, 800),
            ways: if rng.chance(0.5) { (0, 3) } else { (first, first) },
            later_s: rng.uniform(0.0, 5.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_force_again_and_another_seed_another() {
        for siege in Siege::ALL {
            assert_eq!(Force::drawn(siege, 7), Force::drawn(siege, 7));
            assert_ne!(Force::drawn(siege, 7), Force::drawn(siege, 8));
        }
    }

    #[test]
    fn what_is_drawn_is_an_attack_that_the_site_cannot_bear_by_itself() {
        for seed in 0..500 {
            for siege in Siege::ALL {
                let force = Force::drawn(siege, seed);
                assert!((3.0..10.0).contains(&force.times) && force.sources > 0, "{force:?}");
                assert!(force.searches + force.calls <= 100 && force.agents > 0, "{force:?}");
                assert!(force.ways.0 <= force.ways.1 && force.ways.1 <= 3, "{force:?}");
            }
        }
    }
}
