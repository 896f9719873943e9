//! `seawall replay`: a recording in, the report that this policy gives out.

use super::progress::Meter;
use super::{Status, triage};
use crate::cli::ReplayArgs;
use crate::config;
use crate::console::Console;
use crate::pipeline::{self, ReplayRequest};
use std::io::Write;

pub fn run(
    args: &ReplayArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let policy = args.policy.as_deref().map(config::load).transpose()?.map(|c| c.policy);
    let request = ReplayRequest { recording: args.recording.clone(), policy };
    let mut meter = Meter::new(err, console.progress);
    let report = pipeline::replay(&request, &mut |progress| meter.show(progress))?;
    drop(meter);
    triage::print(&report, args.output, console, out)
}
