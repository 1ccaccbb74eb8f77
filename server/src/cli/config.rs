//! `roompass config`: the configuration, printed or checked.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, say};
use crate::config::{self, Overrides};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print roompass.toml with every field, its meaning and its default
    Default,
    /// Print every field with its environment variable, as a Markdown table
    Docs,
    /// Check a configuration without starting anything
    Check {
        /// The configuration; the environment counts as well
        #[arg(long, value_name = "FILE", env = "ROOMPASS_CONFIG")]
        config: Option<PathBuf>,
    },
}

impl ConfigCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Default => say(config::default_toml().trim_end()),
            Self::Docs => say(config::docs_markdown().trim_end()),
            Self::Check { config } => {
                config::serve(config.as_deref(), &Overrides::default())?;
                say("the configuration is sound");
            }
        }
        Ok(())
    }
}
