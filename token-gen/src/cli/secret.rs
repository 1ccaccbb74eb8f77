//! Where the server secret comes from: a file or the environment, never an argument, which other users could list.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use token_gen::ServerSecret;
use zeroize::Zeroizing;

use super::{Failure, output};

/// The environment variable that holds the secret where no file is named.
const VARIABLE: &str = "SERVER_SECRET";

#[derive(Args)]
pub(super) struct SecretArgs {
    /// File that holds the 32-byte server secret; one line end at its end is ignored [default: $SERVER_SECRET]
    #[arg(long, value_name = "FILE")]
    server_secret_file: Option<PathBuf>,
}

impl SecretArgs {
    /// The secret, and the name to call it by.
    pub(super) fn load(&self) -> Result<(String, ServerSecret), Failure> {
        match &self.server_secret_file {
            Some(path) => Ok((path.display().to_string(), from_file(path)?)),
            None => Ok((format!("${VARIABLE}"), from_environment()?)),
        }
    }
}

/// Reads the secret in the file at `path`.
pub(super) fn from_file(path: &Path) -> Result<ServerSecret, Failure> {
    let unreadable = |problem: String| {
        Failure::usage(
            format!("the secret file {} {problem}", path.display()),
            "Name a readable file that holds the 32-character server secret and nothing else; `token-gen keygen --out FILE` \
             makes one.",
        )
    };
    let file = File::open(path).map_err(|error| unreadable(format!("cannot be opened: {error}")))?;
    warn_if_open_to_others(&file, path);
    let mut text = Zeroizing::new(String::new());
    file.take(4096).read_to_string(&mut text).map_err(|error| {
        unreadable(match error.kind() {
            ErrorKind::InvalidData => String::from("is not text"),
            _ => format!("cannot be read: {error}"),
        })
    })?;
    parse(&text, &format!("the secret in {}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "the command line takes its secret from here by contract")]
fn from_environment() -> Result<ServerSecret, Failure> {
    match std::env::var(VARIABLE) {
        Ok(text) => parse(&Zeroizing::new(text), &format!("the secret in ${VARIABLE}")),
        Err(_) => Err(Failure::usage(
            "no server secret was given",
            format!(
                "Add --server-secret-file FILE, or set {VARIABLE}. `token-gen keygen --out FILE` makes a new secret."
            ),
        )),
    }
}

/// Takes the secret in `text`; whatever is wrong, the message never holds it.
fn parse(text: &str, name: &str) -> Result<ServerSecret, Failure> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    let secret = ServerSecret::new(text).map_err(|error| {
        let next = if text.trim().len() == 64 && text.trim().bytes().all(|byte| byte.is_ascii_hexdigit()) {
            "64 hexadecimal characters are an AppSign. The server secret is the other value of the app, with 32 characters."
        } else if text.trim().len() == 32 {
            "There is white space around it: keep the 32 characters and at most one line end."
        } else {
            "Give the server secret as the console shows it: 32 characters, not hex-decoded, without quotes."
        };
        Failure::usage(format!("{name}: {error}"), next)
    })?;
    if !secret.is_portable() {
        output::warn(&format!(
            "{name} is not plain ASCII: the Python, Node.js, Java and .NET generators cannot use it."
        ));
    }
    Ok(secret)
}

#[cfg(unix)]
fn warn_if_open_to_others(file: &File, path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o077 != 0) {
        output::warn(&format!("others can read {0}: chmod 600 {0}", path.display()));
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_others(_: &File, _: &Path) {}
