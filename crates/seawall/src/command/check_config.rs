//! `seawall check-config`: every error of a configuration file at once.

use super::Status;
use crate::cli::CheckConfigArgs;
use crate::config;
use crate::report::text;
use std::io::Write;

pub fn run(args: &CheckConfigArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    config::load(&args.file)?;
    writeln!(out, "{}: valid", text::visible(&args.file.display().to_string()))?;
    Ok(Status::Quiet)
}
