//! The live drill as a whole, in a world that lasts some seconds: whether it plays, measures and
//! cleans up. What it measures in so short a time says nothing, and is not judged.

#![allow(clippy::disallowed_methods, reason = "a drill happens in real time")]

use seawall_drill::live::{self, Options, Progress};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

fn leftovers() -> Vec<String> {
    let own = format!("seawall-drill-{}-", std::process::id());
    let all = std::fs::read_dir(std::env::temp_dir()).expect("a folder").flatten();
    all.filter_map(|e| e.file_name().into_string().ok()).filter(|n| n.starts_with(&own)).collect()
}

#[test]
fn a_short_world_is_played_measured_and_cleaned_up() {
    let program = Path::new(env!("CARGO_BIN_EXE_seawall"));
    let world = live::world("library").expect("a world");
    let go_on = AtomicBool::new(false);
    let options = Options { program, seed: 5, stop: &go_on, pace: 0.12 };
    let mut stages = 0;
    let card = live::play(world, options, &mut |p| stages += u32::from(matches!(p, Progress::Stage(_))))
        .expect("a card");
    assert_eq!(stages, 4);
    assert!(card.capacity_per_s > 1.0 && card.attack_per_s <= live::MOST_PER_S);
    assert!(card.answered_during.of > 0, "people asked nothing");
    assert!(card.calm_ms.0 > 0.0, "nobody was answered before");
    assert_eq!(card.refutations.len(), 2);

    let stopped = AtomicBool::new(false);
    let options = Options { stop: &stopped, ..options };
    let error =
        live::play(world, options, &mut |_| stopped.store(true, Ordering::Relaxed)).expect_err("stopped");
    assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    assert_eq!(leftovers(), Vec::<String>::new());
}

#[test]
fn a_world_that_is_not_there_is_refused_with_what_there_is() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_seawall")).args(["drill", "harbour"]).output().expect("run");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("known are library"), "{said}");
}
