//! `token-gen keygen`: new secrets.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use rand::rngs::SysRng;
use serde::Serialize;
use token_gen::{AppSign, ServerSecret};
use zeroize::Zeroizing;

use super::{Done, Failure, output};

const HELP: &str = "\
Examples:
  token-gen keygen --out secret.txt
  token-gen keygen --app-sign

A server secret is 32 letters and digits (190 bits); your backend and the service hold it, a client never does.
An AppSign is 64 hexadecimal characters and sits in every client build.
--out refuses to overwrite a file, and on Unix makes it readable by you alone.";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct KeygenArgs {
    /// Make an AppSign instead of a server secret
    #[arg(long)]
    app_sign: bool,
    /// Write to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write one line of JSON: {"server_secret"} or {"app_sign"}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum KeyJson<'a> {
    ServerSecret(&'a str),
    AppSign(&'a str),
}

impl KeygenArgs {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let text = if self.app_sign {
            let app_sign = AppSign::generate(&mut SysRng)?;
            self.shape(KeyJson::AppSign(app_sign.expose()))?
        } else {
            let secret = ServerSecret::generate(&mut SysRng)?;
            self.shape(KeyJson::ServerSecret(secret.expose()))?
        };
        let Some(path) = &self.out else {
            output::line(&text)?;
            return Ok(Done::Success);
        };
        let mut file = create(path).map_err(|error| {
            Failure::usage(
                format!("{} cannot be created: {error}", path.display()),
                "Name a file that does not exist yet, in a directory you may write to.",
            )
        })?;
        writeln!(file, "{}", *text)?;
        file.sync_all()?;
        writeln!(anstream::stderr().lock(), "{0}written:{0:#} {1}", output::GOOD, path.display())?;
        Ok(Done::Success)
    }

    fn shape(&self, key: KeyJson<'_>) -> Result<Zeroizing<String>, Failure> {
        Ok(Zeroizing::new(match key {
            key if self.json => output::json_line(&key)?,
            KeyJson::ServerSecret(text) | KeyJson::AppSign(text) => text.to_owned(),
        }))
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
