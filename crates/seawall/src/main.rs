//! The program: hands the process's arguments and streams to the library and exits with its status.

use seawall::console::Console;
use std::process::ExitCode;

fn main() -> ExitCode {
    let console = Console::of_process();
    let status =
        seawall::run(std::env::args_os(), &console, &mut std::io::stdout().lock(), &mut std::io::stderr());
    ExitCode::from(status.code())
}
