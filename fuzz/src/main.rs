//! `cargo run --release -p seawall-fuzz -- [--iterations N] [--seed S] [--target NAME]`: the seeded
//! run over all decoders. The first failing input of each target is written to `fuzz/artifacts`.

use seawall_fuzz::smoke::{self, Failure, Plan};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: seawall-fuzz [--iterations N] [--seed S] [--target NAME]";

fn main() -> ExitCode {
    let Some(plan) = plan(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // The account at the end says what broke; a backtrace for each try would bury it.
    std::panic::set_hook(Box::new(|_| {}));
    match smoke::run(&plan) {
        Ok(account) => {
            println!("{} inputs tried, {} targets failed", account.inputs, account.failures.len());
            account.failures.iter().for_each(keep);
            if account.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("seawall-fuzz: {error}");
            ExitCode::from(2)
        }
    }
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Option<Plan> {
    let mut plan = Plan { target: None, iterations: 20_000, seed: 1, corpus: smoke::corpus() };
    while let Some(option) = arguments.next() {
        let value = arguments.next()?;
        match option.as_str() {
            "--iterations" => plan.iterations = value.parse().ok()?,
            "--seed" => plan.seed = value.parse().ok()?,
            "--target" => plan.target = Some(seawall_fuzz::targets::by_name(&value)?.name.to_owned()),
            _ => return None,
        }
    }
    Some(plan)
}

fn keep(failure: &Failure) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/artifacts"));
    let path = folder.join(failure.target);
    eprintln!("{failure}");
    match std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &failure.input)) {
        Ok(()) => eprintln!("  written to {}", path.display()),
        Err(error) => eprintln!("  could not be written: {error}"),
    }
}
