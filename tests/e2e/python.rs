//! Clients in Python that were written from `sdk/wire/README.md` alone, on the machine's own clock: the whole journey, and
//! media by WHIP and WHEP.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::command::start_dev;

/// The interpreter with the packages of `.ci/requirements.txt`; `make test` sees to one.
#[expect(clippy::disallowed_methods, reason = "the edge of the test run")]
fn interpreter() -> PathBuf {
    env::var_os("ROOMPASS_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// Runs a script beside a server of its own, and gives the promises it has seen kept.
async fn run(script: &str, log: &str) -> Vec<String> {
    let (_dev, ready) = start_dev(log).await;
    let python = interpreter();
    let mut running = Command::new(&python)
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}; ROOMPASS_PYTHON names another", python.display()));
    let mut stdin = running.stdin.take().expect("it is piped");
    // A script that ends before it reads says why below.
    let _ = stdin.write_all(format!("{ready}\n").as_bytes()).await;
    drop(stdin);
    let ended = running.wait_with_output().await.expect("it ends");
    let (promises, fault) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "after {promises:?}: {fault}");
    promises.lines().map(str::to_owned).collect()
}

// proves that the wire reference is enough
#[tokio::test]
async fn a_client_in_another_language_makes_the_same_journey() {
    let promises = run("journey.py", "python-client.log").await;
    assert_eq!(
        promises,
        [
            "the worked example of the page",
            "login by token",
            "warning before expiry",
            "renewal",
            "login by proof of the AppSign",
            "publish",
            "play",
            "messages, signals and values",
            "resume",
            "refusals inside the room",
            "terms of a token, and another room",
            "refusals at the door",
            "logout",
            "expiry and return",
        ]
    );
}

#[tokio::test]
async fn aiortc_publishes_by_whip_and_plays_by_whep() {
    let promises = run("whip.py", "python-whip.log").await;
    assert_eq!(
        promises,
        [
            "WHIP publish with a room token",
            "WHEP play, decoded",
            "401 and 403 for tokens that are wrong, expired or for something else",
            "DELETE ends it",
        ]
    );
}
