//! The command line: arguments, exit codes, one file per subcommand. What tokens are is the library's business.

mod accept;
mod batch;
mod clock;
mod completions;
mod explain;
mod inspect;
mod keygen;
mod kit;
mod login;
mod mint;
mod output;
mod secret;
mod terms;
mod token;
mod verify;

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind as ClapErrorKind};
use token_gen::TokenError;

/// Mint, verify, inspect and explain room tokens (token04, token03, Kit Token).
#[derive(Parser)]
#[command(name = "token-gen", version, max_term_width = 100, arg_required_else_help = true, after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
A first round:
  token-gen keygen --out secret.txt
  token-gen mint --app-id 1234567890 --user-id alice --server-secret-file secret.txt > token.txt
  token-gen verify - --app-id 1234567890 --server-secret-file secret.txt < token.txt

The server secret comes from --server-secret-file FILE or the environment variable SERVER_SECRET,
never from an argument. Where both are there, the file counts.
Exit codes: 0 done or valid, 2 refused, 64 wrong usage (the message says the next step),
74 input or output failed.
Colours appear on a terminal only; NO_COLOR=1 turns them off.";

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, for the whole run")]
enum Command {
    /// Mint a token, or one for each of many users
    Mint(mint::MintArgs),
    /// Check a token against the secret; exit 0 when it is valid, 2 when it is refused
    Verify(verify::VerifyArgs),
    /// Show all that can be read without the secret, as an annotated byte map
    Inspect(inspect::InspectArgs),
    /// Say exactly what is wrong with a token, and how to put it right
    Explain(explain::ExplainArgs),
    /// Mint, parse and verify Kit Tokens
    Kit(kit::KitArgs),
    /// Make a new server secret or AppSign
    Keygen(keygen::KeygenArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// What a command that ran to its end found.
enum Done {
    /// It did what was asked; a token was valid.
    Success,
    /// The token was refused.
    Refused,
}

/// Why a command did not run to its end.
enum Failure {
    /// It was called wrongly: what is wrong, and what to do next.
    Usage { problem: String, next: String },
    /// Reading or writing failed.
    Io(io::Error),
}

impl Failure {
    fn usage(problem: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Usage { problem: problem.into(), next: next.into() }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 64,
            Self::Io(_) => 74,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let next = match &error {
            TokenError::Randomness => return Self::Io(io::Error::other(error)),
            TokenError::TtlInvalid { .. } => {
                "Give --ttl in seconds, or with units: --ttl 90, --ttl 1h10m, --ttl 7days."
            }
            TokenError::PayloadTooLong { .. } => "Shorten --payload, or list fewer streams.",
            TokenError::Token03Content => {
                "With --format 03 give --room-id and --privilege, and neither --payload, --stream-id nor --any-room."
            }
            _ => "Correct the value and try again; --help lists what each option takes.",
        };
        Self::usage(error.to_string(), next)
    }
}

/// Parses the arguments, runs the command and says how it went.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return clap_exit(&error),
    };
    let outcome = match cli.command {
        Command::Mint(args) => args.run(),
        Command::Verify(args) => args.run(),
        Command::Inspect(args) => args.run(),
        Command::Explain(args) => args.run(),
        Command::Kit(args) => args.run(),
        Command::Keygen(args) => args.run(),
        Command::Completions(args) => args.run(),
    };
    match outcome {
        Ok(Done::Success) => ExitCode::SUCCESS,
        Ok(Done::Refused) => ExitCode::from(2),
        Err(failure) => {
            report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn clap_exit(error: &clap::Error) -> ExitCode {
    // A reader that has gone away is no reason to complain.
    let _ = error.print();
    match error.kind() {
        ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(64),
    }
}

fn report(failure: &Failure) {
    let mut out = anstream::stderr().lock();
    let (bad, next_style) = (output::BAD, output::BOLD);
    // Nothing is left to tell anyone when standard error itself fails.
    let _ = match failure {
        Failure::Usage { problem, next } => {
            writeln!(out, "{bad}error:{bad:#} {problem}\n{next_style}next:{next_style:#} {next}")
        }
        // Whoever was reading has gone; the exit code is enough.
        Failure::Io(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Failure::Io(error) => writeln!(out, "{bad}error:{bad:#} {error}"),
    };
}
