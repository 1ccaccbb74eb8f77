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
            "what is not published does not leave the browser",
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
async fn a_call_survives_losses() {
    let promises = run("return.mjs", "browser-return.log").await;
    assert_eq!(
        promises,
        [
            "a short loss: the session goes on, and so do the packets, which never stopped",
            "a long loss: one comes in anew, and the streams start again",
            "packets that find no way any more take another one, on the same connection",
        ]
    );
}

#[tokio::test]
async fn a_call_makes_do_with_bad_networks() {
    let promises = run("network.mjs", "browser-network.log").await;
    assert_eq!(
        promises,
        [
            "where no UDP goes, a call goes over TCP",
            "of one camera each receiver gets the size that its network takes",
            "loss and freezes are measured where they are, and end with their cause",
        ]
    );
}

#[tokio::test]
async fn what_one_presses_in_a_call_does_what_it_says() {
    let promises = run("controls.mjs", "browser-controls.log").await;
    assert_eq!(
        promises,
        [
            "whoever has left while the browser asked sends nothing of what was granted then",
            "the microphone is switched off and on, and whoever speaks is marked, in words too",
            "the camera is asked for when it is wanted, covered and uncovered",
            "a screen is shared beside the camera, and ends by either button",
            "what the token does not let one do is refused, in words, and what it does goes on",
            "the countdown shows and says how long the token is good, and one may let it expire",
            "who has to leave when the token expires is told so",
        ]
    );
}

#[tokio::test]
async fn the_vendors_web_kit_reads_our_kit_tokens() {
    let promises = run("kit.mjs", "browser-kit.log").await;
    assert_eq!(promises, ["the vendor's web kit reads user, room and name of our Kit Tokens"]);
}
