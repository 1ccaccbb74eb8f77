//! The command `roompass dev --json`, and scripts in other languages that run beside it.

use std::{ffi::OsStr, path::Path, process::Stdio};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::{logs, program};

/// Starts `roompass dev --json`, with its log in the file `log` of a kept run. It ends when it is dropped.
///
/// # Panics
/// If it does not start.
pub async fn start_dev(log: &str) -> (Child, Value) {
    let mut dev = Command::new(program("roompass"));
    dev.args(["dev", "--json", "--setup", "--ephemeral", "--listen", "127.0.0.1:0"])
        .env("ROOMPASS_LOG_FILTER", "trace");
    match logs::folder() {
        Some(folder) => dev.stderr(std::fs::File::create(folder.join(log)).expect("it can be written")),
        None => dev.stderr(Stdio::null()),
    };
    let mut child = dev.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it starts");
    let stdout = child.stdout.take().expect("it is piped");
    let line = BufReader::new(stdout).lines().next_line().await.expect("it can be read").expect("a line comes");
    let ready: Value = serde_json::from_str(&line).expect("one line of JSON");
    for secret in ["app_sign", "server_secret", "backend_key"] {
        logs::note_secret(ready[secret].as_str().expect("a string"));
    }
    let setup_link = ready["setup_link"].as_str().expect("nobody is an admin yet");
    logs::note_secret(setup_link.rsplit_once('#').expect("the code is the end of the link").1);
    (child, ready)
}

/// Runs a script of this crate's folder beside a server of its own, and gives the promises it has seen kept.
///
/// # Panics
/// As [`run_script_with`], or if the server does not start.
pub async fn run_script(interpreter: impl AsRef<OsStr>, options: &[&str], script: &str, log: &str) -> Vec<String> {
    let (_dev, ready) = start_dev(log).await;
    run_script_with(&ready, interpreter, options, script).await
}

/// Runs a script of this crate's folder, which gets the line `ready` on standard input, and gives the promises it has seen
/// kept: the lines it prints.
///
/// # Panics
/// If the interpreter cannot be run, or the script fails; with what it has said.
pub async fn run_script_with(
    ready: &Value,
    interpreter: impl AsRef<OsStr>,
    options: &[&str],
    script: &str,
) -> Vec<String> {
    let interpreter = interpreter.as_ref();
    let mut running = Command::new(interpreter)
        .args(options)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}; see `.ci/setup`", interpreter.display()));
    let mut stdin = running.stdin.take().expect("it is piped");
    // A script that ends before it reads says why below.
    let _ = stdin.write_all(format!("{ready}\n").as_bytes()).await;
    drop(stdin);
    let ended = running.wait_with_output().await.expect("it ends");
    let (promises, fault) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "after {promises:?}: {fault}");
    promises.lines().map(str::to_owned).collect()
}
