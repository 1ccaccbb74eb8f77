//! Runs the binary. Every run checks what must hold for all: the secret never comes out, nor colours into a pipe.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rand::rngs::SysRng;
use serde_json::Value;
use token_gen::{AppId, Format, Minter, Payload, ServerSecret, TokenRequest, UnixSeconds, UserId};

/// The secret of all runs, in the environment unless a test says otherwise.
pub(crate) const SECRET: &str = "fa94dd0f974cf2e293728a526b028271";
/// The app of all runs.
pub(crate) const APP: &str = "1234567890";
/// When tokens of [`mint_at`] are looked at.
pub(crate) const NOW: i64 = 1_795_440_112;

/// What came of a run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Its standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {:?} {}", self.stdout, self.stderr))
    }

    /// Its only line.
    pub(crate) fn line(&self) -> &str {
        let line = self.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {}", self.stderr));
        assert!(!line.contains('\n'), "{line}");
        line
    }
}

/// The binary with a clean environment and `args`.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_token-gen"));
    command.args(args).env_clear().env("SERVER_SECRET", SECRET);
    command
}

pub(crate) fn run(args: &[&str]) -> Run {
    finish(command(args).stdin(Stdio::null()).output().expect("the binary runs"))
}

pub(crate) fn run_with_input(args: &[&str], input: &str) -> Run {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A process that refuses its arguments never reads; its answer is what counts.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    finish(child.wait_with_output().expect("it ends"))
}

pub(crate) fn finish(output: Output) -> Run {
    let run = Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("it writes UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("it writes UTF-8"),
    };
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(SECRET), "the secret came out: {text}");
        assert!(!text.contains('\x1b'), "colours in a pipe: {text}");
    }
    run
}

/// A file of this test run alone.
pub(crate) fn file(name: &str, content: &str) -> PathBuf {
    let path = new_path(name);
    fs::write(&path, content).expect("the target directory is writable");
    path
}

/// A path where no file is.
pub(crate) fn new_path(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{count}-{name}", std::process::id()))
}

/// A token of [`APP`] for alice, minted at `now`.
pub(crate) fn mint_at(now: i64, ttl: u64, payload: Payload, format: Format) -> String {
    mint_with(SECRET, now, ttl, payload, format)
}

/// The same with another secret.
pub(crate) fn mint_with(secret: &str, now: i64, ttl: u64, payload: Payload, format: Format) -> String {
    let secret = ServerSecret::new(secret).expect("it has 32 bytes");
    let app_id: AppId = APP.parse().expect("it is an app id");
    let user_id = UserId::new("alice").expect("it is a user id");
    let request = TokenRequest { user_id, ttl: Duration::from_secs(ttl), payload };
    Minter::new(app_id, &secret)
        .with_format(format)
        .mint(&request, UnixSeconds::new(now), &mut SysRng)
        .expect("the request is good")
        .token
}
