//! The `roompass` command.

use std::process::ExitCode;

use clap::Parser;
use roompass_server::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
