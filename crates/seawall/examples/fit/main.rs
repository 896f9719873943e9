//! Fits the weights of the evidence tables to labelled findings.
//!
//! The tables in `crates/diagnosis/src/rules` say what speaks for or against a cause, and why; how
//! loudly is fitted: maximum a posteriori for the very arithmetic of `diagnosis::weigh`, with the
//! weights in the tables as the prior mean, and no weight allowed to change its sign.
//!
//! ```text
//! cargo run --release --example fit -- collect 3000 7 > episodes.jsonl   simulated, open families only
//! cargo run --release --example fit -- cases INDEX.tsv > cases.jsonl     labelled captures and logs
//! cargo run --release --example fit -- train episodes.jsonl cases.jsonl  how well, before and after
//! cargo run --release --example fit -- suggest episodes.jsonl cases.jsonl  evidence that no table has
//! cargo run --release --example fit -- conditions episodes.jsonl cases.jsonl  why the truth was ruled out
//! cargo run --release --example fit -- write episodes.jsonl cases.jsonl  and writes the tables
//! ```

mod cases;
mod conditions;
mod episodes;
mod model;
mod sample;
mod suggest;
mod table;
mod train;

use sample::Sample;
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["collect", episodes, seed] => {
            episodes::collect(number(episodes), number(seed));
            Ok(())
        }
        ["cases", index] => cases::collect(Path::new(index)),
        ["train", files @ ..] => checked(files).map(|s| drop(fit(&s))),
        ["suggest", files @ ..] => checked(files).map(|s| suggest::suggest(&s)),
        ["conditions", files @ ..] => checked(files).map(|s| conditions::tell(&s)),
        ["write", files @ ..] => checked(files).and_then(|s| table::write(&fit(&s))),
        _ => Err(
            "usage: fit collect EPISODES SEED | cases INDEX.tsv | train FILE… | suggest FILE… | conditions FILE… | write FILE…"
                .to_owned(),
        ),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

fn checked(files: &[&str]) -> Result<Vec<Sample>, String> {
    let samples = sample::read(files)?;
    model::check(&samples)?;
    Ok(samples)
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(1)
}

/// Parts of the samples; each is judged by weights fitted on the others.
const FOLDS: u64 = 4;

/// Tells how weights fare on samples that they were not fitted on, then fits on all.
fn fit(samples: &[Sample]) -> model::Weights {
    let written = model::Weights::written();
    let all = model::prepare(&samples.iter().collect::<Vec<_>>());
    let mut before = train::Tallies::default();
    all.iter().for_each(|sample| before.add(&written, sample));
    println!("as written\n{before}");
    let mut after = train::Tallies::default();
    for fold in 0..FOLDS {
        let (held, kept): (Vec<&Sample>, Vec<&Sample>) =
            samples.iter().partition(|s| s.group % FOLDS == fold);
        let fitted = train::fit(&model::prepare(&kept), &written);
        model::prepare(&held).iter().for_each(|sample| after.add(&fitted, sample));
    }
    println!("fitted, on what was held out\n{after}");
    train::fit(&all, &written)
}
