//! `seawall replay`: a recording in, the report that this policy gives out.

use super::progress::Meter;
use super::{Status, triage};
use crate::cli::ReplayArgs;
use crate::config;
use crate::console::Console;
use crate::pipeline::{self, ReplayRequest};
use crate::report::figure;
use crate::report::text::visible;
use seawall_model::report::InputReport;
use std::io::Write;
use std::path::Path;

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
    let status = triage::print(&report, args.output, console, out)?;
    // An attack in what is left is one; no attack in it says nothing of the rest.
    let torn = report.inputs.iter().find(|input| input.cut_short.is_some() && is_of(input, &args.recording));
    let Some((torn, why)) = torn.and_then(|t| Some((t, t.cut_short.as_deref()?))) else { return Ok(status) };
    let until = torn.last.map_or_else(String::new, |last| format!(", at {}", last));
    let (name, steps) = (visible(&torn.path), figure::whole(torn.records));
    writeln!(
        err,
        "seawall: {name}: the recording is cut ({why}) after {steps} steps{until}; the report knows nothing of what came later"
    )?;
    Ok(if status == Status::Attack { status } else { Status::CouldNotRun })
}

fn is_of(input: &InputReport, recording: &Path) -> bool {
    input.kind == pipeline::RECORDING && Path::new(&input.path) == recording
}
