//! The whole journey by a client in Python that was written from `sdk/wire/README.md` alone, on the machine's own clock.

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

// proves that the wire reference is enough
#[tokio::test]
async fn a_client_in_another_language_makes_the_same_journey() {
    let (_dev, ready) = start_dev("python-client.log").await;
    let python = interpreter();
    let mut journey = Command::new(&python)
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/journey.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}; ROOMPASS_PYTHON names another", python.display()));
    let mut stdin = journey.stdin.take().expect("it is piped");
    // A journey that ends before it reads says why below.
    let _ = stdin.write_all(format!("{ready}\n").as_bytes()).await;
    drop(stdin);
    let ended = journey.wait_with_output().await.expect("it ends");
    let (promises, fault) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "after {promises:?}: {fault}");
    assert_eq!(
        promises.lines().collect::<Vec<_>>(),
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
