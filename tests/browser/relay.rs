//! A call whose every packet goes through a TURN server: coturn, with credentials that ours has minted.

use std::{sync::Arc, time::Duration};

use rand::rngs::SysRng;
use roompass_server::{
    Config, Running,
    apps::AppSettings,
    clock::SystemClock,
    media::{IceServers, TurnSecret},
    sealing::MasterKey,
};
use roompass_tests::{logs, run_script_with};
use serde_json::{Value, json};
use token_gen::AppId;

use crate::{BROWSER, coturn::Coturn};

const APP_ID: u32 = 1_234_567_890;
const SECRET: &str = "a secret of coturn and ours";
/// How long a credential is good: long enough to make a call with it, and no longer.
const LIFE: Duration = Duration::from_secs(8);

/// A development server that tells of `coturn`, and what `roompass dev --json` would have printed.
async fn start(coturn: &Coturn) -> (Running, Value) {
    logs::keep();
    let master_key = MasterKey::generate(&mut SysRng).expect("the system has randomness");
    let mut config = Config::ephemeral(([127, 0, 0, 1], 0).into(), master_key);
    config.dev = true;
    config.media.listen = Some(([127, 0, 0, 1], 0).into());
    config.media.allow_loopback = true;
    config.media.ice = IceServers {
        stun: vec![],
        turn: vec![format!("turn:127.0.0.1:{}", coturn.port), format!("turn:127.0.0.1:{}?transport=tcp", coturn.port)],
        secrets: vec![TurnSecret::new(SECRET.into())],
        ttl_secs: LIFE.as_secs(),
    };
    let running = roompass_server::start(config, Arc::new(SystemClock::new())).await.expect("the server starts");
    let settings = AppSettings::new(AppId::new(APP_ID).expect("not 0"), "Demo");
    let app = running.create_app(settings).await.expect("the app can be made");
    logs::note_secret(app.backend_key.expose());
    logs::note_secret(SECRET);
    let ready = json!({
        "url": running.url(),
        "gateway_url": running.gateway_url(),
        "app_id": APP_ID,
        "backend_key": app.backend_key.expose(),
    });
    (running, ready)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_through_a_relay_with_our_credentials() {
    let _alone = BROWSER.lock().await;
    let coturn = Coturn::start(&[SECRET]);
    let (running, ready) = start(&coturn).await;
    let promises = run_script_with(&ready, "node", &[], "browser/relay.mjs").await;
    assert_eq!(promises, ["a call through the relay alone", "an expired credential is refused, and the call goes on"]);
    running.shutdown().await;
}
