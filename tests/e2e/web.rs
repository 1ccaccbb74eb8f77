//! The whole journey with the browser SDK, in Node, on the machine's own clock.

use roompass_tests::run_script;

#[tokio::test]
async fn the_browser_sdk_makes_the_same_journey() {
    let promises = run_script("node", &[], "web/journey.mjs", "web-client.log").await;
    assert_eq!(
        promises,
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
