//! The command `roompass`: arguments in, exit code out.

mod admin;
mod app;
mod audit;
mod backup;
mod config;
mod demo;
mod dev;
mod key;
mod master_key;
mod out;
mod remote;
mod replay;
mod room;
mod secret;
mod serve;
mod webhook;

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde::Serialize;
use tokio::runtime::Builder;

use crate::{
    app::{Service, StartError},
    audit::Origin,
    bus::BusUrl,
    clock::SystemClock,
    config::{Callers, Config, ConfigError, Overrides},
    error::{Error, with_causes},
    sealing::MasterKey,
    store::{Location, StoreUrl},
};

/// Room tokens, self-hosted: mints them for your backends, and lets clients into rooms with them.
///
/// Try it:  `roompass dev` starts a server on this machine with a demo app and prints what to do next.
#[derive(Debug, Parser)]
#[command(name = "roompass", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
From nothing to production:
  openssl rand -hex 32 > master.key && chmod 600 master.key
  roompass config default > roompass.toml      # then set store.url and master_key.file
  roompass config check --config roompass.toml
  roompass app create --config roompass.toml --name \"My app\"
  roompass key create --config roompass.toml --app-id N --name backend
  roompass serve --config roompass.toml";

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Dev),
    Serve(serve::Serve),
    /// Make and look at apps
    #[command(subcommand)]
    App(app::AppCommand),
    /// Make, list and end the keys that backends call with
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Rotate, list and end the secrets that seal an app's tokens
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Replace what client builds of an app carry
    #[command(subcommand)]
    AppSign(secret::AppSignCommand),
    /// Look into live rooms of a running server, and act in them
    #[command(subcommand)]
    Room(room::RoomCommand),
    /// Tell an app's backend what happens: endpoints, their keys, their deliveries
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Make the key that seals every secret, or replace it
    #[command(subcommand)]
    MasterKey(master_key::MasterKeyCommand),
    /// Copy the database while it is in use
    Backup(backup::Backup),
    /// Put a backup in the place of a lost database
    Restore(backup::Restore),
    /// Show what happened, and prove that nobody rewrote it
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Look for damage in the database, its secrets and the audit trail
    Doctor(backup::Doctor),
    /// Become an admin of the console
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Print or check the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print completions for your shell: source them, or put them where it looks
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process.
pub fn run(cli: Cli) -> ExitCode {
    forbid_core_dumps();
    let mut runtime = Builder::new_multi_thread();
    if let Command::Serve(serve) = &cli.command
        && let Some(workers) = serve.workers()
    {
        runtime.worker_threads(workers);
    }
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(perform(cli)),
        Err(error) => {
            eprintln!("roompass: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Dev(dev) => dev.run().await,
        Command::Serve(serve) => serve.run().await,
        Command::App(command) => command.run().await,
        Command::Key(command) => command.run().await,
        Command::Secret(command) => command.run().await,
        Command::AppSign(command) => command.run().await,
        Command::Room(command) => command.run().await,
        Command::Webhook(command) => command.run().await,
        Command::MasterKey(command) => command.run().await,
        Command::Backup(backup) => backup.run().await,
        Command::Restore(restore) => restore.run().await,
        Command::Audit(command) => match command.run().await {
            Ok(verdict) => return verdict,
            Err(failure) => Err(failure),
        },
        Command::Doctor(doctor) => match doctor.run().await {
            Ok(verdict) => return verdict,
            Err(failure) => Err(failure),
        },
        Command::Admin(command) => command.run().await,
        Command::Config(command) => command.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "roompass", &mut script);
            say(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("roompass: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Why a command failed, in one line.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Field { field, reason, .. } => Self(format!("{field}: {reason}")),
            error => Self(with_causes(error)),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self(error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(line: String) -> Self {
        Self(line)
    }
}

/// Where a command finds its store.
#[derive(Debug, Args)]
struct StoreArgs {
    /// The configuration; the environment alone will do as well
    #[arg(long, value_name = "FILE", env = "ROOMPASS_CONFIG")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl StoreArgs {
    /// Opens the store for a command that works on it directly. A running server takes the change in within two
    /// seconds.
    async fn open(&self) -> Result<Service, Failure> {
        open(self.read()?).await
    }

    /// The same; a store that does not exist yet is made. For the one command that comes first.
    async fn open_or_make(&self) -> Result<Service, Failure> {
        let mut config = self.read()?;
        config.store = config.store.or_create();
        open(config).await
    }

    fn read(&self) -> Result<Config, Failure> {
        let (config, log) = crate::config::serve(self.config.as_deref(), &Overrides::default())?;
        crate::telemetry::start(&crate::config::LogSection { filter: "warn".to_owned(), ..log });
        Ok(Config { callers: Callers::Optional, ..config })
    }

    /// The option that leads the next command to the same store.
    fn as_option(&self) -> String {
        self.config.as_deref().map(|path| format!(" --config {}", for_shell(path))).unwrap_or_default()
    }

    /// The same with the database elsewhere.
    async fn open_at(&self, location: Location) -> Result<Service, Failure> {
        open(Config { store: location.into(), ..self.read()? }).await
    }

    /// The same with another master key.
    async fn open_with(&self, master_key: MasterKey) -> Result<Service, Failure> {
        open(Config { master_key, ..self.read()? }).await
    }

    /// The database file.
    fn database(&self) -> Result<PathBuf, Failure> {
        match self.read()?.store {
            StoreUrl::Sqlite(Location::File(path) | Location::ExistingFile(path)) => Ok(path),
            StoreUrl::Sqlite(Location::Memory) => Err(Failure("store.url: has no file".to_owned())),
            StoreUrl::Postgres(_) => Err(Failure(
                "store.url: is PostgreSQL, which has tools of its own: pg_dump, and pg_restore with \
                 `roompass restore --after-pg-restore`"
                    .to_owned(),
            )),
        }
    }

    /// Prints `answer` as JSON, or as `text` for people.
    fn print(&self, answer: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            print_json(answer);
        } else {
            say(text().trim_end());
        }
    }
}

async fn open(config: Config) -> Result<Service, Failure> {
    // A command has no rooms, so it needs no other nodes.
    let config = Config { bus: BusUrl::Local, ..config };
    let origin = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    Ok(Service::open(&config, origin, Arc::new(SystemClock::new())).await?.by(Origin::cli()))
}

/// `path` as one word of a shell.
fn for_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+@%".contains(character);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Prints one line of JSON.
fn print_json(answer: &impl Serialize) {
    // Names, numbers and texts into memory: serde_json has no way to fail here.
    say(&serde_json::to_string(answer).unwrap_or_default());
}

/// Prints one answer. A reader that has gone away, such as `head`, is no fault.
fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Keeps the master key and every secret out of core files.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Where the system refuses, dumps stay as they were set up there.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
