//! `seawall triage`: files in, verdict out.

use super::Status;
use super::progress::Meter;
use crate::cli::{Format, OutputArgs, TriageArgs};
use crate::config;
use crate::console::Console;
use crate::pipeline::{self, TriageRequest};
use crate::report;
use seawall_model::Class;
use seawall_model::policy::Policy;
use seawall_model::report::TriageReport;
use std::io::Write;
use std::path::Path;

pub fn run(
    args: &TriageArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let request = request(args)?;
    let mut meter = Meter::new(err, console.progress);
    let report = pipeline::triage(&request, &mut |progress| meter.show(progress))?;
    drop(meter);
    // A file that cannot be written is no reason to keep the verdict to oneself.
    let written = args.report.as_deref().map_or(Ok(()), |path| write_postmortem(path, &report));
    let status = print(&report, args.output, console, out)?;
    written.map(|()| status)
}

/// Prints the report in the form asked for; the status is the verdict's even if the reader left.
pub fn print(
    report: &TriageReport,
    output: OutputArgs,
    console: &Console,
    out: &mut dyn Write,
) -> anyhow::Result<Status> {
    let text = match output.format {
        Format::Text => report::terminal(report, &console.with(output.color, output.width), output.verbose),
        Format::Json => report::json(report)?,
        Format::Markdown => report::markdown(report),
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(status(report)),
    }
}

/// Writes the postmortem as Markdown if the name says so, else as HTML.
pub fn write_postmortem(path: &Path, report: &TriageReport) -> anyhow::Result<()> {
    let postmortem = seawall_incident::postmortem(report, None);
    let is_markdown = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("md"));
    let text = if is_markdown {
        report::postmortem_markdown(&postmortem, report)
    } else {
        report::postmortem_html(&postmortem, report)
    };
    let told = |source| pipeline::TriageError::Write { path: path.to_owned(), source };
    Ok(std::fs::write(path, text).map_err(told)?)
}

/// The policy of a configuration file, or the default.
pub fn policy(path: Option<&Path>) -> anyhow::Result<Policy> {
    path.map_or_else(|| Ok(Policy::default()), |path| Ok(config::load(path)?.policy))
}

fn request(args: &TriageArgs) -> anyhow::Result<TriageRequest> {
    Ok(TriageRequest {
        files: args.files.clone(),
        baseline: args.baseline.clone(),
        changes: args.changes.clone(),
        policy: policy(args.policy.as_deref())?,
        reading: args.reading.resolve()?,
        geo: args.geo.clone(),
        record: args.record.clone(),
    })
}

/// An attack anywhere in the input is an attack, also beside another cause.
fn status(report: &TriageReport) -> Status {
    let attack = std::iter::once(&report.verdict)
        .chain(&report.also)
        .chain(report.episodes.iter().map(|e| &e.verdict))
        .any(|verdict| verdict.class == Class::Attack);
    if attack { Status::Attack } else { Status::Quiet }
}
