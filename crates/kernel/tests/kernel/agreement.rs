//! The program and its model in plain Rust give the same verdict on every frame.

use crate::from_env;
use crate::random::{Dice, frame, prefix, rules};
use seawall_kernel::Moment;
use seawall_kernel::model::{Model, Verdict};
use seawall_model::time::SECOND_NS;

/// Rule sets, and frames for each.
const ROUNDS: u64 = 60;
const FRAMES: u64 = 400;

#[test]
fn the_program_decides_as_its_model() {
    let Some(mut filter) = crate::loaded() else { return };
    let (rounds, frames) = (from_env("SEAWALL_ROUNDS", ROUNDS), from_env("SEAWALL_FRAMES", FRAMES));
    let mut dropped = 0_u64;
    for round in 0..rounds {
        let mut dice = Dice::new(round);
        let now = Moment::now();
        let rules = rules(&mut dice, now.wall.plus_ns(3_600 * SECOND_NS), true);
        let protected: Vec<_> =
            (0..dice.below(3)).map(|_| prefix(&mut dice)).filter(|p| p.length_bits() >= 24).collect();
        filter.protect(&protected).expect("protected prefixes");
        filter.apply(&rules, now).expect("rules");
        let mut model = Model::new(rules, protected);
        for number in 0..frames {
            let frame = frame(&mut dice);
            let (is_dropped, _) = filter.try_frame(&frame, 1).expect("a run");
            let wanted = model.verdict(&frame, now.wall) == Verdict::Drop;
            assert_eq!(is_dropped, wanted, "round {round}, frame {number}: {frame:02x?}\n{model:#?}");
            dropped += u64::from(is_dropped);
        }
    }
    let share = dropped as f64 / (rounds * frames) as f64;
    eprintln!("{} frames, {:.1} % dropped, all as the model says", rounds * frames, share * 100.0);
    assert!((0.05..0.95).contains(&share), "both verdicts are met: {share}");
}
