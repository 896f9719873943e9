//! `seawall learn`: old logs in, a baseline out.

use super::Status;
use super::progress::Meter;
use crate::cli::LearnArgs;
use crate::console::Console;
use crate::pipeline::{self, LearnRequest};
use std::io::Write;

pub fn run(
    args: &LearnArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let request = LearnRequest {
        files: args.files.clone(),
        output: args.output.clone(),
        reading: args.reading.resolve()?,
    };
    let mut meter = Meter::new(err, console.progress);
    let learnt = pipeline::learn(&request, &mut |progress| meter.show(progress))?;
    drop(meter);
    writeln!(out, "{}", learnt.said)?;
    for doubt in &learnt.doubts {
        writeln!(err, "seawall: {doubt}")?;
    }
    Ok(Status::Quiet)
}
