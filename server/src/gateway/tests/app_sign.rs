//! Which clients may come by AppSign at all, over sockets: what `docs/modes.md` says below its table.

use serde_json::json;

use super::harness::{TestGateway, settings};
use crate::apps::{AppSettings, AuthMode, SdkVersion};

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
