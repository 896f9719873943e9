//! `seawall triage`: files in, verdict out.

use super::Status;
use super::progress::Meter;
use crate::cli::{Format, OutputArgs, TriageArgs};
use crate::config;
use crate::console::Console;
use crate::pipeline::{self, TriageRequest};
use crate::report::{self, text::visible};
use seawall_model::Class;
use seawall_model::policy::Policy;
use seawall_model::report::TriageReport;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

pub fn run(
    args: &TriageArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let request = request(args)?;
    if let Some(path) = args.report.as_deref() {
        postmortem_form(path)?;
        pipeline::try_to_write(path)?;
    }
    let mut silence = args.files.iter().find(|path| is_pipe(path)).map(|path| tell_of_silence(path));
    let mut meter = Meter::new(err, console.progress);
    let report = pipeline::triage(&request, &mut |progress| {
        silence = None;
        meter.show(progress);
    })?;
    drop(meter);
    // A file that cannot be written is no reason to keep the verdict to oneself.
    let written = args.report.as_deref().map_or(Ok(()), |path| write_postmortem(path, &report));
    let status = print(&report, args.output, console, out)?;
    written?;
    if report.inputs.iter().all(|input| input.bytes == 0) {
        writeln!(err, "seawall: {}", nothing_read(&report))?;
        return Ok(Status::CouldNotRun);
    }
    Ok(status)
}

/// Whether opening a file waits until somebody writes to it.
#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|is| is.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// Says after a while that nothing has come through a pipe yet; not any more once what this returns is
/// dropped.
fn tell_of_silence(path: &Path) -> mpsc::SyncSender<()> {
    let (comes, silent) = mpsc::sync_channel(1);
    let shown = visible(&path.to_string_lossy());
    let text = format!("seawall: {shown} is a pipe: waiting for a program to write to it");
    std::thread::spawn(move || {
        if silent.recv_timeout(SILENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{text}");
        }
    });
    comes
}

/// Whoever writes to a pipe has begun by then.
const SILENCE: Duration = Duration::from_secs(1);

/// That there was nothing to read, and where: an empty file is no all-clear.
fn nothing_read(report: &TriageReport) -> String {
    let name = |path: &str| if path == "-" { "standard input".to_owned() } else { visible(path) };
    let names: Vec<String> = report.inputs.iter().map(|input| name(&input.path)).collect();
    format!("{}: there is nothing to read; name a file that holds what was logged", names.join(", "))
}

/// The forms that a postmortem is written in.
#[derive(Clone, Copy)]
enum PostmortemForm {
    Html,
    Markdown,
}

/// The form that a file's name asks for; one without an ending, such as a device, takes HTML.
fn postmortem_form(path: &Path) -> anyhow::Result<PostmortemForm> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        None | Some("html" | "htm") => Ok(PostmortemForm::Html),
        Some("md" | "markdown") => Ok(PostmortemForm::Markdown),
        Some(other) => Err(anyhow::anyhow!(
            "{}: a report is written as HTML or Markdown, not as .{other}; give it a name that ends in .html or .md",
            path.display()
        )),
    }
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

/// Writes the postmortem in the form that its name asks for.
pub fn write_postmortem(path: &Path, report: &TriageReport) -> anyhow::Result<()> {
    let postmortem = seawall_incident::postmortem(report, None);
    let text = match postmortem_form(path)? {
        PostmortemForm::Markdown => report::postmortem_markdown(&postmortem, report),
        PostmortemForm::Html => report::postmortem_html(&postmortem, report),
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
