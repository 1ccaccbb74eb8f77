//! Roompass in a real browser, on the machine's own clock. One at a time: what is measured is not to be about the machine.

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
    assert_eq!(promises, ["the page fits, can be used by all, and keeps to its policy"]);
}
