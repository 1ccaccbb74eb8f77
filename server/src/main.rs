//! The `roompass` command.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use roompass_server::cli::{self, Cli};

/// What one thread asks for and another gives back, as every record of the audit trail is, makes threads wait for each
/// other in the system's allocator: a tenth of the cost of minting.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
