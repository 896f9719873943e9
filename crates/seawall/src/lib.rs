//! The `seawall` program: configuration, commands and rendering around the pure crates.
//!
//! - [`cli`]: the one table of commands; help, man page and completions come from it.
//! - [`command`]: what each command does.
//! - [`pipeline`]: from a request to a report: sensors, detection, engine.
//! - [`guard`]: the edge, the engine, and what is between them.
//! - [`report`]: a report as terminal text, Markdown, HTML and JSON.
//! - [`config`]: the configuration file, validated whole.
//! - [`reroute`]: a zone served by a provider for a while.
//! - [`console`]: what the terminal can show.

pub mod cli;
pub mod command;
pub mod config;
pub mod console;
pub mod guard;
pub mod pipeline;
pub mod report;
pub mod reroute;

pub use command::{Status, run};
