//! The whole journey with the browser SDK, in Node, on the machine's own clock.

use std::{path::Path, process::Stdio};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::command::start_dev;

#[tokio::test]
async fn the_browser_sdk_makes_the_same_journey() {
    let (_dev, ready) = start_dev("web-client.log").await;
    let mut journey = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("web/journey.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node can be run; `make test` installs it, and builds sdk/web");
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
            "login by token",
            "warning before expiry",
            "renewal",
            "login by a proof of the page's backend",
            "publish and play",
            "messages and values",
            "refusals inside the room",
            "refusals at the door",
            "another room",
            "a loss, and back to the same place",
            "expiry and return",
            "logout",
        ]
    );
}
