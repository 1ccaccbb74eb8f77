//! Which clients may come by AppSign at all, over sockets: what `docs/modes.md` says below its table. And how often they
//! did.

use serde_json::{Value, json};
use token_gen::RightsBuilder;

use super::harness::{TestClient, TestGateway, settings};
use crate::{
    apps::{AppSettings, AuthMode, SdkVersion},
    bans,
};

// proves T47 (AppSign switched off, and clients too old for it)
#[tokio::test]
async fn an_app_takes_app_sign_from_recent_clients_or_from_none() {
    let recent = SdkVersion::parse("2.17.0");
    let preferred = AuthMode::TokenPreferred;
    let (refused, missing) = ("app_sign_refused", "token_missing");
    for (app_sign_enabled, app_sign_min_sdk, mode, sdk, proven, unproven) in [
        (true, None, preferred, None, "app_sign", missing),
        (true, recent, preferred, Some("web/2.17.0"), "app_sign", missing),
        (true, recent, preferred, Some("2.18.1.7"), "app_sign", missing),
        (true, recent, preferred, Some("web/2.16.9"), refused, missing),
        (true, recent, preferred, Some("web"), refused, missing),
        (true, recent, preferred, None, refused, missing),
        (true, recent, AuthMode::AppSign, Some("2.16.9"), refused, "app_sign_missing"),
        (false, None, preferred, Some("web/9.0.0"), refused, missing),
        (false, recent, preferred, Some("web/9.0.0"), refused, missing),
    ] {
        let test = TestGateway::start(AppSettings { app_sign_enabled, app_sign_min_sdk, mode, ..settings() }).await;
        let case = format!("enabled {app_sign_enabled}, {mode:?}, from {app_sign_min_sdk:?} on, {sdk:?}");
        let heard = async |with_proof: bool, with_token: bool| {
            let mut client = test.connect().await;
            let mut credentials = json!({});
            if let Some(sdk) = sdk {
                credentials["sdk"] = json!(sdk);
            }
            if with_proof {
                credentials["app_sign_proof"] = client.proof("alice", "r1");
            }
            if with_token {
                credentials["token"] = json!(test.token("alice", 60));
            }
            let answer = client.login("alice", "r1", credentials).await;
            let told = answer["auth"].as_str().or(answer["code"].as_str()).unwrap_or_default().to_owned();
            let other = answer["other_credential"].as_str().map(str::to_owned);
            client.close().await;
            (told, other)
        };
        assert_eq!(heard(true, false).await.0, proven, "{case}");
        assert_eq!(heard(false, false).await.0, unproven, "{case}");
        // A token is as good as ever, and the answer says what did not count.
        if mode == preferred {
            let other = (proven == refused).then(|| refused.to_owned());
            assert_eq!(heard(true, true).await, ("token".to_owned(), other), "{case}");
        }
    }
}

/// How often each AppSign was proven since this was last asked: the present one after a reset, and the one before.
fn proven(test: &TestGateway) -> [u64; 2] {
    let used = test.uses.take_used();
    ["app_sign:1", "app_sign:0"].map(|id| {
        let found = used.iter().find(|used| used.secret_id == id);
        found.inspect(|used| assert_eq!(used.last_used_at, test.now())).map_or(0, |used| used.count)
    })
}

#[tokio::test]
async fn each_login_counts_once_for_the_app_sign_it_has_proven() {
    const RESET: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
    async fn log_in(test: &TestGateway, credentials: impl Fn(&TestClient) -> Value) -> String {
        let mut client = test.connect().await;
        let answer = client.login("alice", "r1", credentials(&client)).await;
        client.close().await;
        answer["auth"].as_str().or(answer["code"].as_str()).unwrap_or_default().to_owned()
    }
    let old = |client: &TestClient| json!({ "app_sign_proof": client.proof("alice", "r1") });
    let new = |client: &TestClient| json!({ "app_sign_proof": client.proof_by(RESET, "alice", "r1") });
    let wrong = |client: &TestClient| json!({ "app_sign_proof": client.proof("alice", "r2") });

    let test = TestGateway::start(settings()).await;
    assert_eq!(log_in(&test, old).await, "app_sign");
    assert_eq!(log_in(&test, new).await, "app_sign_wrong");
    assert_eq!(proven(&test), [0, 1]);
    let metrics = || test.gateway.metrics.gateway.app_signs_proven();
    assert_eq!(metrics(), [1, 0], "it was the present one");

    test.reset_app_sign(settings(), RESET);
    test.advance(1);
    for (credentials, answer, counted) in [
        (&old as &dyn Fn(&TestClient) -> Value, "app_sign", [0, 1]),
        (&new, "app_sign", [1, 0]),
        (&wrong, "app_sign_wrong", [0, 0]),
    ] {
        assert_eq!((&*log_in(&test, credentials).await, proven(&test)), (answer, counted));
    }
    assert_eq!(metrics(), [2, 1]);
    // Beside a token, whatever counts in the end: who holds the build would miss the AppSign in the mode `app_sign`.
    let beside = |token: String| move |client: &TestClient| json!({ "token": token, "app_sign_proof": client.proof("alice", "r1") });
    assert_eq!(log_in(&test, beside(test.token("alice", 60))).await, "token");
    assert_eq!(proven(&test), [0, 1]);
    assert_eq!(log_in(&test, beside(test.token("bob", 60))).await, "app_sign");
    assert_eq!(proven(&test), [0, 1]);
    // Judged once more after the token turns out to be used up, and counted once.
    let once = test.token_on("alice", 60, RightsBuilder::single_use);
    assert_eq!(log_in(&test, beside(once.clone())).await, "token");
    assert_eq!(proven(&test), [0, 1]);
    assert_eq!(log_in(&test, beside(once)).await, "app_sign");
    assert_eq!(proven(&test), [0, 1]);

    // A login that is refused for something else has used it too; where nothing is judged, nothing is counted.
    test.ban(bans::Target::User("alice".to_owned()), None);
    assert_eq!((&*log_in(&test, old).await, proven(&test)), ("banned", [0, 1]));
    test.reset_app_sign(AppSettings { mode: AuthMode::TokenOnly, ..settings() }, RESET);
    assert_eq!((&*log_in(&test, old).await, proven(&test)), ("app_sign_refused", [0, 0]));
    test.reset_app_sign(settings(), RESET);
    test.advance(3600);
    assert_eq!((&*log_in(&test, old).await, proven(&test)), ("app_sign_wrong", [0, 0]), "its date is past");
}
