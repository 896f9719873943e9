//! Prints every family with its truth and the size of a typical episode, or, given a family and a
//! seed, the rate of each second of that episode.

use seawall_drill::{Episode, Origin, catalogue};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(name) = arguments.first() {
        let seed = arguments.get(1).and_then(|s| s.parse().ok()).unwrap_or(1);
        match catalogue().iter().find(|f| f.name == name) {
            Some(family) => course(&family.episode(seed)),
            None => eprintln!("there is no family '{name}'; run without arguments for a list"),
        }
        return;
    }
    println!(
        "{:<34} {:<8} {:<22} {:>8} {:>8} {:>8} {:>9}  vectors (* evaluation only)",
        "family", "class", "cause", "least", "median", "most", "unwanted"
    );
    for family in catalogue() {
        let episodes: Vec<(u64, u64)> = (1..=15).map(|seed| size(&family.episode(seed))).collect();
        let mut totals: Vec<u64> = episodes.iter().map(|e| e.0).collect();
        totals.sort_unstable();
        let unwanted: u64 = episodes.iter().map(|e| e.1).sum();
        let share = 100.0 * unwanted as f64 / totals.iter().sum::<u64>().max(1) as f64;
        let mark = if family.evaluation_only { " *" } else { "" };
        println!(
            "{:<34} {:<8} {:<22} {:>8} {:>8} {:>8} {:>7.1} %  {}",
            format!("{}{mark}", family.name),
            family.cause.class(),
            family.cause,
            totals[0],
            totals[7],
            totals[14],
            share,
            family.episode(1).truth.vectors.join(", ")
        );
    }
}

/// Observations in all, and unwanted ones.
fn size(episode: &Episode) -> (u64, u64) {
    let mut counts = (0, 0);
    episode.generate(&mut |_, origin| {
        counts.0 += 1;
        counts.1 += u64::from(origin == Origin::Unwanted);
    });
    counts
}

fn course(episode: &Episode) {
    println!(
        "{} {} from {} to {}",
        episode.name, episode.truth.cause, episode.truth.onset, episode.truth.end
    );
    for change in &episode.changes {
        println!("  change {} {}", change.time, change.text);
    }
    let mut seconds: Vec<(u64, u64)> = Vec::new();
    let start = episode.start.seconds();
    episode.generate(&mut |observation, origin| {
        let second = (observation.time().seconds() - start) as usize;
        if seconds.len() <= second {
            seconds.resize(second + 1, (0, 0));
        }
        seconds[second].0 += 1;
        seconds[second].1 += u64::from(origin == Origin::Unwanted);
    });
    for (second, (all, unwanted)) in seconds.iter().enumerate() {
        println!("{second:>4} {all:>7} {unwanted:>7}");
    }
}
