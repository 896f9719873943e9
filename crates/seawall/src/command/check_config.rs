//! `seawall check-config`: every error of a configuration file at once.

use super::Status;
use crate::cli::CheckConfigArgs;
use crate::config;
use crate::guard::clock;
use crate::guard::expiry::Expiries;
use crate::report::text;
use std::io::Write;

pub fn run(args: &CheckConfigArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let config = config::load(&args.file)?;
    for told in Expiries::of(&config.guard).news(clock::now()) {
        writeln!(out, "warning: {told}")?;
    }
    writeln!(out, "{}: valid", text::visible(&args.file.display().to_string()))?;
    Ok(Status::Quiet)
}
