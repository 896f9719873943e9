//! `seawall drill`: rehearsals.

use super::Status;
use crate::cli::DrillCommand;
use crate::pipeline::{self, SimulateRequest};
use std::io::Write;

pub fn run(command: &DrillCommand, out: &mut dyn Write) -> anyhow::Result<Status> {
    let DrillCommand::Simulate(args) = command;
    let request = SimulateRequest { episodes: args.episodes, seed: args.seed, json: args.json };
    let score = pipeline::simulate(&request)?;
    writeln!(out, "{score}")?;
    Ok(Status::Quiet)
}
