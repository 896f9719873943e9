//! What each command does. A command writes to the given streams and returns the exit status.

mod check_config;
mod drill;
mod guard;
mod incident;
mod kernel;
mod learn;
mod orders;
mod progress;
mod replay;
mod reroute;
mod shell;
mod signals;
mod triage;

use crate::cli::{Cli, Command, KernelCommand};
use crate::config::Mistakes;
use crate::console::Console;
use clap::Parser;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::io::{self, Write};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// No attack, or the command has no verdict and did its work.
    Quiet,
    Attack,
    CouldNotRun,
}

impl Status {
    /// What a program of this exit status says.
    #[must_use]
    pub fn of_code(code: u8) -> Self {
        match code {
            0 => Self::Quiet,
            1 => Self::Attack,
            _ => Self::CouldNotRun,
        }
    }

    /// The process's exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Quiet => 0,
            Self::Attack => 1,
            Self::CouldNotRun => 2,
        }
    }
}

/// Parses the arguments and runs the command. A reader that went away is not an error.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Status {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let status = usage(&error, console, out, err);
            if error.kind() == ErrorKind::MissingRequiredArgument {
                // A closed stream leaves nobody to tell.
                let _ = err.write_all(taken_names(&arguments).as_bytes());
            }
            return status;
        }
    };
    match dispatch(cli.command, console, out, err) {
        Ok(status) => status,
        Err(error) if is_broken_pipe(&error) => Status::Quiet,
        Err(error) => {
            // Nothing is left to do where standard error is closed too.
            let _ = err.write_all(told(&error).as_bytes());
            Status::CouldNotRun
        }
    }
}

fn dispatch(
    command: Command,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    match command {
        Command::Triage(args) => triage::run(&args, console, out, err),
        Command::Guard(args) => guard::run(&args, console, out, err),
        Command::Undo(args) => orders::undo(&args, out),
        Command::Reload(args) => orders::reload(&args, out),
        Command::Upgrade(args) => orders::upgrade(&args, out),
        Command::Change(args) => orders::change(&args, out),
        Command::Protect(args) => orders::protect(&args, out),
        Command::Reroute(command) => reroute::run(&command, out),
        Command::Kernel(KernelCommand::Status) => kernel::status(out),
        Command::Learn(args) => learn::run(&args, console, out, err),
        Command::Replay(args) => replay::run(&args, console, out, err),
        Command::Drill(args) => drill::run(&args, console, out, err),
        Command::Incident(command) => incident::run(&command, console, out),
        Command::CheckConfig(args) => check_config::run(&args, out),
        Command::Completions(args) => shell::completions(&args, out),
        Command::Man(args) => shell::man(&args, out),
    }
}

/// An error with what led to it on one line; the mistakes of a file on a line each.
fn told(error: &anyhow::Error) -> String {
    let visible = crate::report::text::visible;
    let Some(mistakes) = error.chain().find_map(|cause| cause.downcast_ref::<Mistakes>()) else {
        return format!("seawall: {}\n", visible(&format!("{error:#}")));
    };
    let lines: String = mistakes.lines().iter().map(|line| format!("  {}\n", visible(line))).collect();
    format!("seawall: {}:\n{lines}", visible(&error.to_string()))
}

/// Where a name is missing that an option may have taken: which option.
fn taken_names(arguments: &[OsString]) -> String {
    const TAKING_MANY: [&str; 3] = ["--baseline", "--geo", "--trusted-proxy"];
    let taking = TAKING_MANY.iter().find(|option| arguments.iter().any(|a| a == **option));
    taking.map_or_else(String::new, |option| {
        format!("\n{option} takes every name that follows it: put the files to read before it\n")
    })
}

/// Help and version go to standard output and are no failure; anything else is.
fn usage(error: &clap::Error, console: &Console, out: &mut dyn Write, err: &mut dyn Write) -> Status {
    let text = error.render();
    let text = if console.color { text.ansi().to_string() } else { text.to_string() };
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    // A closed stream leaves nobody to tell.
    let _ = if asked { out.write_all(text.as_bytes()) } else { err.write_all(text.as_bytes()) };
    if asked { Status::Quiet } else { Status::CouldNotRun }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
