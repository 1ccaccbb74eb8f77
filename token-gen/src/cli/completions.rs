//! `token-gen completions`: scripts that teach a shell the options.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Done, Failure};

const HELP: &str = "\
Examples:
  token-gen completions bash > ~/.local/share/bash-completion/completions/token-gen
  token-gen completions zsh > \"${fpath[1]}/_token-gen\"
  token-gen completions fish > ~/.config/fish/completions/token-gen.fish";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "token-gen", &mut script);
        let mut out = io::stdout().lock();
        out.write_all(&script)?;
        out.flush()?;
        Ok(Done::Success)
    }
}
