//! The seeded run: each input of each corpus as it is, cut at every byte, with every bit flipped,
//! and then mutated at random.

use crate::mutate::{Dice, mutate};
use crate::targets::{TARGETS, Target};
use seawall_model::hash;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Inputs longer than this are cut and flipped at a sample of places only.
const EXHAUSTIVE_BYTES: usize = 512;

/// What one run is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Only this target; `None`: all.
    pub target: Option<String>,
    /// Random mutations per cheap target; dearer ones get fewer.
    pub iterations: u32,
    pub seed: u64,
    pub corpus: PathBuf,
}

/// An input on which a target broke its promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub target: &'static str,
    pub input: Vec<u8>,
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (on {} bytes)", self.target, self.message, self.input.len())
    }
}

/// How many inputs were tried, and on which ones something broke: the first for each target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub inputs: u64,
    pub failures: Vec<Failure>,
}

/// The corpora of the project.
#[must_use]
pub fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

/// Runs the plan.
///
/// # Errors
/// If a corpus cannot be read or is empty.
pub fn run(plan: &Plan) -> io::Result<Account> {
    let mut account = Account::default();
    for target in TARGETS.iter().filter(|t| plan.target.as_deref().is_none_or(|name| name == t.name)) {
        let mut seeds = (target.made)();
        if seeds.is_empty() {
            seeds = read_corpus(&plan.corpus.join(target.name))?;
        }
        if let Err(failure) = exercise(target, &seeds, plan, &mut account.inputs) {
            account.failures.push(failure);
        }
    }
    Ok(account)
}

fn read_corpus(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(told)? {
        paths.push(entry.map_err(told)?.path());
    }
    paths.sort();
    if paths.is_empty() {
        return Err(told(io::Error::new(io::ErrorKind::NotFound, "the corpus is empty")));
    }
    paths.iter().map(std::fs::read).collect()
}

fn exercise(
    target: &'static Target,
    seeds: &[Vec<u8>],
    plan: &Plan,
    inputs: &mut u64,
) -> Result<(), Failure> {
    let mut attempt = |input: &[u8]| {
        *inputs += 1;
        attempt(target, input)
    };
    let mut dice = Dice::new(hash::combine(plan.seed, hash::bytes(target.name.as_bytes())));
    for seed in seeds {
        attempt(seed)?;
        let places = places(seed.len(), target.cost, &mut dice);
        for at in places {
            attempt(&seed[..at])?;
            let mut flipped = seed.clone();
            for bit in 0..8 {
                flipped[at] ^= 1 << bit;
                attempt(&flipped)?;
                flipped[at] ^= 1 << bit;
                if target.cost > 4 {
                    break;
                }
            }
        }
    }
    for _ in 0..plan.iterations / target.cost {
        let mut input = seeds[dice.below(seeds.len())].clone();
        let other = &seeds[dice.below(seeds.len())];
        mutate(&mut input, other, &mut dice);
        attempt(&input)?;
    }
    Ok(())
}

/// Every place of a short input, a sample of the places of a long one or of a dear target.
fn places(length: usize, cost: u32, dice: &mut Dice) -> Vec<usize> {
    let most = EXHAUSTIVE_BYTES / cost as usize;
    if length <= most { (0..length).collect() } else { (0..most).map(|_| dice.below(length)).collect() }
}

fn attempt(target: &'static Target, input: &[u8]) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|payload| {
        let message = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "panicked".to_owned());
        Failure { target: target.name, input: input.to_vec(), message }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decoder_survives_a_short_run() {
        let plan = Plan { target: None, iterations: 400, seed: 1, corpus: corpus() };
        let account = run(&plan).expect("every target has a corpus");
        assert!(account.inputs > 1_000);
        let failures: Vec<String> = account.failures.iter().map(Failure::to_string).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn a_broken_promise_is_found_and_told() {
        static BROKEN: Target = Target {
            name: "broken",
            run: |bytes| assert!(bytes.first() != Some(&0x41), "boom"),
            cost: 1,
            made: Vec::new,
        };
        let plan = Plan { target: None, iterations: 0, seed: 1, corpus: corpus() };
        let failure = exercise(&BROKEN, &[vec![0x40]], &plan, &mut 0).expect_err("a flipped bit breaks it");
        assert_eq!((failure.input, failure.message), (vec![0x41], "boom".to_owned()));
    }
}
