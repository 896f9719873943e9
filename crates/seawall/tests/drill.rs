//! The live drill as a whole, in a world that lasts some seconds: whether it plays, measures and
//! cleans up. What it measures in so short a time says nothing, and is not judged.

#![allow(clippy::disallowed_methods, reason = "a drill happens in real time")]

mod contract;

use seawall_drill::live::{self, Options, Stage, What};
use std::path::{Path, PathBuf};
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
    let options =
        Options { program, seed: 5, stop: &go_on, pace: 0.25, keep: None, peers: &[], in_lab: false };
    let mut stages = Vec::new();
    let mut tell = |p: &live::Progress| {
        if let What::Stage(stage) = &p.what {
            stages.push(stage.clone());
        }
    };
    let card = live::play(world, options, &mut tell).expect("a card");
    assert_eq!(stages.len(), 5, "{stages:?}");
    assert!(matches!(stages[..], [Stage::Building, Stage::Without { .. }, Stage::Calm, _, Stage::After]));
    assert!(card.capacity_per_s > 1.0 && card.attack_per_s <= live::MOST_PER_S);
    assert!(card.answered_during.of > 0, "people asked nothing");
    assert!(card.calm_ms.0 > 0.0, "nobody was answered before");
    assert_eq!(card.refutations.len(), 2);
    assert!(card.answered_without.is_some() && !card.course.is_empty() && card.bars.len() == 10);
    let printed = seawall::report::drill_json(5, &[card], &[], &[]);
    contract::assert_valid(&contract::closed("drill.schema.json"), "a short world", &printed);

    let stopped = AtomicBool::new(false);
    let options = Options { stop: &stopped, ..options };
    let error = live::play_all(
        &[world, world],
        options,
        &mut |_| stopped.store(true, Ordering::Relaxed),
        &mut |_| {},
    )
    .expect_err("stopped");
    assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    assert_eq!(leftovers(), Vec::<String>::new());
}

/// Every recording in a folder.
fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(recordings(&path));
        } else if path.extension().is_some_and(|e| e == "swr") {
            all.push(path);
        }
    }
    all
}

/// Replays a recording twice: the same bytes. Returns how many seconds it holds.
fn replayed(recording: &Path) -> usize {
    let replay = || {
        let program = env!("CARGO_BIN_EXE_seawall");
        let output =
            Command::new(program).args(["replay", "--format", "json"]).arg(recording).output().expect("run");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let first = replay();
    assert_eq!(first, replay(), "{}", recording.display());
    let report: serde_json::Value = serde_json::from_slice(&first).expect("a report");
    assert_eq!(report["schema"], "seawall.triage/1");
    report["series"][0]["values"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_recorded_drill_of_every_world_replays_byte_for_byte() {
    let program = Path::new(env!("CARGO_BIN_EXE_seawall"));
    let folder = std::env::temp_dir().join(format!("seawall-recorded-{}", std::process::id()));
    let (go_on, keep) = (AtomicBool::new(false), Some(folder.as_path()));
    let options = Options { program, seed: 6, stop: &go_on, pace: 0.12, keep, peers: &[], in_lab: false };
    std::thread::scope(|scope| {
        for world in &live::WORLDS {
            scope.spawn(move || live::play(world, options, &mut |_| {}).expect("a card"));
        }
    });
    for world in &live::WORLDS {
        // One that was begun when the incident had ended holds nothing yet.
        let size = |path: &PathBuf| path.metadata().map_or(0, |m| m.len());
        let recording =
            recordings(&folder.join(world.name)).into_iter().max_by_key(size).expect("a recording");
        let seconds = replayed(&recording);
        assert!(seconds >= 2, "{}: {seconds} seconds were recorded", world.name);
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_world_that_is_not_there_is_refused_with_what_there_is() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_seawall")).args(["drill", "harbour"]).output().expect("run");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("known are library"), "{said}");
}
