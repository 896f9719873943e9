//! Prints how many observations per second each family generates.

use seawall_drill::catalogue;
use std::hint::black_box;

/// Episodes of each family.
const EPISODES: u64 = 12;

#[allow(clippy::disallowed_methods, reason = "an example that measures its own speed reads the clock")]
fn main() {
    let (mut all, mut all_s) = (0u64, 0.0);
    for family in catalogue() {
        let begin = std::time::Instant::now();
        let mut observations = 0u64;
        for seed in 1..=EPISODES {
            family.episode(seed).generate(&mut |o, _| {
                black_box(o);
                observations += 1;
            });
        }
        let took_s = begin.elapsed().as_secs_f64();
        all += observations;
        all_s += took_s;
        println!(
            "{:<34} {:>9} observations {:>7.3} µs each {:>7.2} ms an episode",
            family.name,
            observations,
            took_s * 1e6 / observations.max(1) as f64,
            took_s * 1e3 / EPISODES as f64
        );
    }
    println!("{all} observations, {:.3} µs each", all_s * 1e6 / all.max(1) as f64);
}
