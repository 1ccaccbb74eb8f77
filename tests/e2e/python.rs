//! Clients in Python that were written from `sdk/wire/README.md` alone, on the machine's own clock: the whole journey, and
//! media by WHIP and WHEP.

use std::{env, path::PathBuf};

use roompass_tests::run_script;

/// The interpreter with the packages of `.ci/requirements.txt`; `make test` sees to one.
#[expect(clippy::disallowed_methods, reason = "the edge of the test run")]
fn interpreter() -> PathBuf {
    env::var_os("ROOMPASS_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

async fn run(script: &str, log: &str) -> Vec<String> {
    run_script(interpreter(), &["-B"], &format!("python/{script}"), log).await
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
