//! `seawall incident`: write-ups of a saved report.

use super::{Status, triage};
use crate::cli::{IncidentCommand, Stage};
use crate::console::Console;
use crate::pipeline::TriageError;
use crate::report;
use anyhow::{anyhow, ensure};
use seawall_incident::status::{Notice, notice};
use seawall_model::report::{SCHEMA, TriageReport};
use seawall_sensor::error::of_seawall;
use std::io::{Read, Write};
use std::path::Path;

/// A report is a few hundred kilobytes at most; more is some other file.
const LARGEST_REPORT_BYTES: u64 = 64 << 20;

/// So much tells what a file is.
const BEGINNING_BYTES: usize = 64;

pub fn run(command: &IncidentCommand, console: &Console, out: &mut dyn Write) -> anyhow::Result<Status> {
    match command {
        IncidentCommand::Show(args) => triage::print(&load(&args.report)?, args.output, console, out),
        IncidentCommand::Postmortem(args) => {
            let report = load(&args.report)?;
            match &args.output {
                Some(path) => triage::write_postmortem(path, &report)?,
                None => {
                    let postmortem = seawall_incident::postmortem(&report, None);
                    out.write_all(report::postmortem_markdown(&postmortem, &report).as_bytes())?;
                }
            }
            Ok(Status::Quiet)
        }
        IncidentCommand::Status(args) => {
            let stage = match args.stage {
                Stage::First => Notice::First,
                Stage::Update => Notice::Update,
                Stage::Resolved => Notice::Resolved,
            };
            let postmortem = seawall_incident::postmortem(&load(&args.report)?, None);
            let notice = notice(stage, &postmortem);
            write!(out, "{}", report::status(&notice))?;
            Ok(Status::Quiet)
        }
    }
}

fn load(path: &Path) -> anyhow::Result<TriageReport> {
    let shown = path.display();
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST_REPORT_BYTES).read_to_end(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST_REPORT_BYTES).read_to_end(&mut text))
    };
    read.map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
    let report: TriageReport = serde_json::from_slice(&text).map_err(|error| {
        let beginning = String::from_utf8_lossy(&text[..text.len().min(BEGINNING_BYTES)]);
        let other = of_seawall(&beginning).filter(|_| !beginning.starts_with('{'));
        match other {
            Some(what) => anyhow!("{shown} {what}"),
            None => anyhow!(error).context(format!("{shown} is no report of `seawall triage --format json`")),
        }
    })?;
    ensure!(report.schema == SCHEMA, "{shown} has schema {}, this program reads {SCHEMA}", report.schema);
    Ok(report)
}
