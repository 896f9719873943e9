//! Chores of the project: `tidy` checks the habits that no compiler checks, `corpus score` counts how
//! often triage is right on labelled captures and logs.

use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -q -p xtask -- tidy
       cargo run -q -p xtask -- corpus score BIN DIR [--index FILE] [--jobs N] [--class C] [--only TEXT] [--tsv FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy(),
        ["corpus", "score", rest @ ..] => corpus_score(rest),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> ExitCode {
    match xtask::tidy::check(&xtask::root()) {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            eprintln!("tidy: {} problems", problems.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::from(2)
        }
    }
}

fn corpus_score(words: &[&str]) -> ExitCode {
    let options = match xtask::score::Options::parse(words) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match xtask::score::score(&options) {
        Ok(tally) => {
            print!("{tally}");
            if tally.crashes() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(problem) => {
            eprintln!("corpus score: {problem}");
            ExitCode::from(2)
        }
    }
}
