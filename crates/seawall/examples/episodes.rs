//! For whoever works on the rules: how the engine fares in simulated episodes, and why.
//!
//! ```text
//! cargo run --release --example episodes -- score 300 7            families that may be tuned on
//! cargo run --release --example episodes -- score 300 7 http-flood those whose name or cause holds the text
//! cargo run --release --example episodes -- explain NAME SEED      one episode, from verdict to verdict
//! cargo run --release --example episodes -- course RECORDING       the same for what `triage --record` wrote
//! ```

use seawall::pipeline::recording::Recording;
use seawall::pipeline::subject::EngineSubject;
use seawall_drill::{Episode, EpisodeScore, Family, Subject, TICK_NS, catalogue, run, summarise};
use seawall_engine::{Effect, Engine, Input};
use seawall_model::diagnosis::{Diagnosis, Direction, Verdict};
use seawall_model::policy::Policy;
use seawall_model::{Cause, hash};

/// Seconds per step of the course that `explain` prints.
const COURSE_STEP_S: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["score", episodes, seed] => score(number(episodes), number(seed), ""),
        ["score", episodes, seed, text] => score(number(episodes), number(seed), text),
        ["explain", family, seed] => match catalogue().iter().find(|f| f.name == *family) {
            Some(family) => explain(&family.episode(number(seed))),
            None => eprintln!("there is no family '{family}'"),
        },
        ["course", recording] => course(recording),
        _ => eprintln!("usage: episodes score N SEED [TEXT] | explain FAMILY SEED | course RECORDING"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(1)
}

/// Plays episodes of the selected families by turns, prints each that went wrong, then the sum.
fn score(episodes: u64, seed: u64, text: &str) {
    let families: Vec<&Family> = catalogue()
        .iter()
        .filter(|f| !f.evaluation_only)
        .filter(|f| f.name.contains(text) || f.cause.to_string().contains(text))
        .collect();
    let jobs: Vec<(&Family, u64)> = (0..episodes)
        .filter_map(|i| families.get(i as usize % families.len().max(1)).map(|f| (*f, seed_of(seed, i))))
        .collect();
    let (left, right) = jobs.split_at(jobs.len() / 2);
    let play = |jobs: &[(&Family, u64)]| -> Vec<EpisodeScore> {
        jobs.iter().map(|(f, s)| run(&f.episode(*s), &mut EngineSubject::new(Policy::default()))).collect()
    };
    let scores = std::thread::scope(|scope| {
        let other = scope.spawn(|| play(right));
        let mut scores = play(left);
        scores.extend(other.join().unwrap_or_default());
        scores
    });
    for s in scores.iter().filter(|s| !s.right || s.false_alarm) {
        let alarm = if s.false_alarm { "false alarm" } else { "" };
        let named = if s.right { "right".to_owned() } else { s.named_cause.to_string() };
        println!("{:<34} {:>20}  {:<20} {:.2} {alarm}", s.family, s.seed, named, s.confidence);
    }
    println!("{}", summarise(&scores));
}

/// Prints when the engine saw something begin and end in recorded inputs, and what it called it.
fn course(path: &str) {
    let recording = match Recording::open(path.as_ref()) {
        Ok(recording) => recording,
        Err(why) => return eprintln!("{path}: {why}"),
    };
    let mut engine = Engine::new(recording.policy.clone(), None);
    let mut first = None;
    recording.play(|now, input, _| {
        if matches!(input, Input::Finish) {
            return;
        }
        let after_s = now.since_s(*first.get_or_insert(now));
        for effect in engine.step(now, input) {
            match effect {
                Effect::Opened { onset } => println!("{after_s:>8.1} s  opened, since {onset}"),
                Effect::Diagnosed(diagnosis) => {
                    println!("{after_s:>8.1} s  {}", line(&diagnosis.verdict));
                    evidence(&diagnosis);
                }
                Effect::Closed { end } => println!("{after_s:>8.1} s  closed, over since {end}"),
                Effect::Concluded(_) => {}
            }
        }
    });
}

fn seed_of(seed: u64, index: u64) -> u64 {
    hash::combine(hash::mix(seed), index)
}

/// Prints every change of the verdict, and the evidence at the end and when an innocent episode
/// was first called an attack.
fn explain(episode: &Episode) {
    println!(
        "{} is {} from {} to {}",
        episode.name, episode.truth.cause, episode.truth.onset, episode.truth.end
    );
    let mut subject = EngineSubject::new(Policy::default());
    let mut changes = episode.changes.iter().peekable();
    let mut next = episode.start.floor_to(TICK_NS).plus_ns(TICK_NS);
    let mut last = None;
    let mut position = 0u64;
    let mut course: Vec<u32> = Vec::new();
    episode.generate(&mut |observation, _| {
        let at = observation.time().since_s(episode.start).max(0.0) as usize / COURSE_STEP_S;
        course.resize(course.len().max(at + 1), 0);
        course[at] += 1;
        while next <= observation.time() {
            subject.tick(next);
            last = tell(&subject, last, next.since_s(episode.truth.onset));
            next = next.plus_ns(TICK_NS);
        }
        while let Some(change) = changes.next_if(|c| c.time <= observation.time()) {
            println!("  change: {}", change.text);
            subject.change(change);
        }
        position += 1;
        subject.observe(observation, hash::combine(episode.seed, position));
    });
    println!("observations per {COURSE_STEP_S} s: {course:?}");
    let diagnosis = subject.diagnosis().cloned();
    let outcome = subject.finish();
    println!("last word: {}", outcome.verdict.as_ref().map_or_else(|| "none".to_owned(), line));
    if let Some(diagnosis) = diagnosis {
        evidence(&diagnosis);
    }
}

fn tell(subject: &EngineSubject, last: Option<Cause>, after_s: f64) -> Option<Cause> {
    let diagnosis = subject.diagnosis()?;
    let cause = diagnosis.verdict.cause;
    if last != Some(cause) {
        println!("{after_s:>8.1} s  {}", line(&diagnosis.verdict));
        evidence(diagnosis);
    }
    Some(cause)
}

fn line(verdict: &Verdict) -> String {
    format!("{} {:.2} {:?}", verdict.cause, verdict.confidence, verdict.vectors)
}

fn evidence(diagnosis: &Diagnosis) {
    for hypothesis in diagnosis.hypotheses.iter().take(4) {
        println!("      {} {:.1} ({:.2})", hypothesis.cause, hypothesis.score, hypothesis.confidence);
        for e in &hypothesis.evidence {
            let sign = if e.direction == Direction::For { '+' } else { '-' };
            let expected = e.expected.map_or_else(String::new, |x| format!(" expected {x:.3}"));
            println!(
                "          {sign}{:.2} {:?} {:?} {:.3}{expected}",
                e.weight, e.group, e.metric, e.observed
            );
        }
    }
}
