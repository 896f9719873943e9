//! `seawall completions` and `seawall man`: made from the one command table.

use super::Status;
use crate::cli::{Cli, CompletionsArgs, ManArgs};
use anyhow::Context;
use clap::CommandFactory;
use std::io::Write;

pub fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    // The generator panics where its writer fails, so it writes to memory.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "seawall", &mut text);
    out.write_all(&text)?;
    Ok(Status::Quiet)
}

pub fn man(args: &ManArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    match &args.output {
        None => clap_mangen::Man::new(Cli::command()).render(out)?,
        Some(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
            .with_context(|| format!("cannot write manual pages to {}", folder.display()))?,
    }
    Ok(Status::Quiet)
}
