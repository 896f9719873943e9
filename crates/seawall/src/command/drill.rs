//! `seawall drill`: rehearsals.

use super::Status;
use super::progress::Meter;
use crate::cli::DrillCommand;
use crate::console::Console;
use crate::pipeline::{self, SimulateRequest};
use std::io::Write;

pub fn run(
    command: &DrillCommand,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let DrillCommand::Simulate(args) = command;
    let request = SimulateRequest { episodes: args.episodes, seed: args.seed };
    let mut meter = Meter::new(err, console.progress);
    let score = pipeline::simulate(&request, &mut |progress| meter.show(progress))?;
    drop(meter);
    writeln!(out, "{score}")?;
    Ok(Status::Quiet)
}
