//! `handler`: the Azure Functions custom handler.

mod app;
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
