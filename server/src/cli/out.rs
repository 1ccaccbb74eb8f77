//! Where new secrets go: once to standard output, or into a file that only this user can read.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Failure, StoreArgs};
use crate::private_file;

/// Where a command puts the secrets it makes.
#[derive(Debug, Args)]
pub(super) struct Out {
    /// Put the secrets into this new file, of mode 0600, as JSON, instead of printing them
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Out {
    /// Makes sure of the place before anything is made that has to go there.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &self.out {
            Some(path) if path.exists() => {
                Err(Failure(format!("{} is there already: name another file with --out", path.display())))
            }
            _ => Ok(()),
        }
    }

    /// Hands over what is shown once.
    pub(super) fn deliver(
        &self,
        store: &StoreArgs,
        secrets: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let Some(path) = &self.out else {
            store.print(secrets, text);
            return Ok(());
        };
        // Names, numbers and texts into memory: serde_json has no way to fail here.
        let json = serde_json::to_string(secrets).unwrap_or_default();
        private_file::write(path, &format!("{json}\n"))?;
        let written = path.display().to_string();
        store.print(&serde_json::json!({ "written_to": written }), || format!("written to {written}"));
        Ok(())
    }
}
