//! Roompass in a real browser, on the machine's own clock. One at a time: what is measured is not to be about the machine.

#[path = "../../server/media/tests/it/coturn.rs"]
mod coturn;
mod relay;

use roompass_tests::run_script;
use tokio::sync::Mutex;

static BROWSER: Mutex<()> = Mutex::const_new(());

async fn run(script: &str, log: &str) -> Vec<String> {
    let _alone = BROWSER.lock().await;
    run_script("node", &[], &format!("browser/{script}"), log).await
}

#[tokio::test]
async fn the_demo_page_can_be_used_by_all() {
    let promises = run("demo.mjs", "browser-demo.log").await;
    assert_eq!(
        promises,
        [
            "the form fits, can be used by all, and keeps to its policy",
            "the call fits, can be used by all, and keeps to its policy",
            "one leaves and joins by keyboard",
        ]
    );
}

// proves T13 (media)
#[tokio::test]
async fn a_call_obeys_the_tokens() {
    let promises = run("call.mjs", "browser-call.log").await;
    assert_eq!(
        promises,
        [
            "two in a call and a third who listens: all of them see and hear",
            "whoever is told that the connection for media is gone makes another",
            "the operator sees bitrate, loss and round-trip time of each stream",
            "whoever may not publish sends in vain",
            "a revoked user is gone within a second",
            "soft expiry: the call goes on",
            "a right that a renewal takes away ends within a second",
            "a kicked user is gone within a second",
            "strict expiry: the user is gone within a second",
            "renewal carries a call over three expiries without a frozen second",
        ]
    );
}

#[tokio::test]
async fn the_vendors_web_kit_reads_our_kit_tokens() {
    let promises = run("kit.mjs", "browser-kit.log").await;
    assert_eq!(promises, ["the vendor's web kit reads user, room and name of our Kit Tokens"]);
}
