//! What is told of a token: whether it is active, and why a login is refused.

use super::*;

#[tokio::test]
async fn introspection_tells_the_owner_what_an_active_token_says() {
    let server = Server::new().await;
    let request = json!({"user_id":"u","room_id":"r","privileges":["login"],"ttl_secs":60});
    let token = server.mint(request).await;
    let reply = server.post("tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.headers["roompass-server-time"], NOW.to_string());
    let mut active = reply.ok();
    let secret_id = active["secret_id"].take();
    assert!(!secret_id.as_str().unwrap().is_empty());
    let expected = json!({
        "active": true, "token_id": token_gen::TokenId::of(&token).as_str(), "app_id": 7, "user_id": "u",
        "room_id": "r", "privileges": ["login"],
        "payload": r#"{"room_id":"r","privilege":{"1":1,"2":0},"stream_id_list":null}"#,
        "format": "04", "cipher": "gcm", "secret_id": null, "issued_at": NOW, "expire_at": NOW + 60,
        "revoked": false, "server_time": NOW,
    });
    assert_eq!(active, expected);
    server.clock.advance(Duration::from_secs(59));
    assert!(server.is_active(&token).await);
    server.clock.advance(Duration::from_secs(1));
    assert!(!server.is_active(&token).await);
}

#[tokio::test]
async fn introspection_tells_the_owner_that_and_what_a_token_was_revoked() {
    let server = Server::new().await;
    let token = server.mint(json!({"user_id":"u","room_id":"r","terms":{"room_ids":["r2"]}})).await;
    let before = server.post("tokens/introspect", json!({ "token": token })).await.ok();
    assert_eq!(before["terms"]["room_ids"], json!(["r", "r2"]));
    server.post("tokens/revoke", json!({ "token": token })).await.ok();
    let mut after = server.post("tokens/introspect", json!({ "token": token })).await.ok();
    assert_eq!((&after["active"], &after["revoked"]), (&json!(false), &json!(true)));
    (after["active"], after["revoked"]) = (json!(true), json!(false));
    assert_eq!(after, before);
    let bound = Scope { rights: vec![Right::Introspect], room_prefix: "class-".to_owned(), ..Scope::default() };
    let bound = server.key(bound).await;
    let reply = server.as_caller(&bound, "POST", "/v1/apps/7/tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.body, r#"{"active":false}"#);
    server.clock.advance(Duration::from_secs(24 * 3600));
    let reply = server.post("tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.body, r#"{"active":false}"#, "past its time it is like any other");
}

// proves T42
#[tokio::test]
async fn whatever_is_not_active_or_not_ours_is_told_apart_by_nobody() {
    let server = Server::new().await;
    let token = server.mint(json!({"user_id":"u","room_id":"r"})).await;
    let foreign = server.as_caller(&server.keys[&8], "POST", "/v1/apps/8/tokens", json!({"user_id":"u"})).await;
    let foreign = foreign.ok()["token"].as_str().unwrap().to_owned();
    let expired = server.mint(json!({"user_id":"u","ttl_secs":1})).await;
    server.clock.advance(Duration::from_secs(1));
    let mut flipped = token.clone().into_bytes();
    flipped[40] ^= 1;
    let flipped = String::from_utf8(flipped).unwrap();
    for text in ["", "04", "x", &"04".repeat(5000), &foreign, &expired, &flipped, &format!("{token} ")] {
        let reply = server.post("tokens/introspect", json!({ "token": text })).await;
        assert_eq!((reply.status, &*reply.body), (200, r#"{"active":false}"#), "{text}");
    }
    let bound = Scope { rights: vec![Right::Introspect], room_prefix: "class-".to_owned(), ..Scope::default() };
    let bound = server.key(bound).await;
    let reply = server.as_caller(&bound, "POST", "/v1/apps/7/tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.body, r#"{"active":false}"#);
    assert!(server.is_active(&token).await);

    let body = json!({ "token": token }).to_string();
    let anonymous = server.send("POST", "/v1/apps/7/tokens/introspect", &[], &body).await;
    assert_eq!(anonymous.problem().1, "unauthorized");
    let elsewhere =
        server.as_caller(&server.keys[&8], "POST", "/v1/apps/7/tokens/introspect", json!({ "token": token }));
    assert_eq!(elsewhere.await.problem().1, "app_unknown");
    let minter = server.key(Scope::default()).await;
    let reply = server.as_caller(&minter, "POST", "/v1/apps/7/tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.problem().1, "forbidden");
}

// proves F1 (stale revocations)
#[tokio::test]
async fn without_news_of_revocations_no_token_is_called_good() {
    let server = Server::new().await;
    let token = server.mint(json!({"user_id":"u"})).await;
    server.running.service().revocations.complete(NOW.into());
    server.clock.advance(Duration::from_secs(61));
    assert_eq!(server.post("tokens/introspect", json!({ "token": token })).await.problem().0, 503);
    server.running.service().revocations.complete((NOW + 61).into());
    assert!(server.is_active(&token).await);
}

#[tokio::test]
async fn an_explanation_names_every_fault_and_its_remedy() {
    let mut server = Server::new().await;
    let good = server.mint(json!({"user_id":"u","room_id":"r"})).await;
    let attempt = json!({"token": good, "user_id":"u","room_id":"r","stream_id":"s","ip_address":"203.0.113.7"});
    let explained = server.post("tokens/explain", attempt.clone()).await.ok();
    assert_eq!((&explained["admitted"], &explained["findings"]), (&json!(true), &json!([])), "{explained}");
    assert_eq!((&explained["claims"]["user_id"], &explained["format"]), (&json!("u"), &json!("04")));
    let secret_id = explained["secret_id"].as_str().unwrap().to_owned();

    let codes = |explained: &Value| -> Vec<String> {
        explained["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["code"].as_str().unwrap().to_owned())
            .collect()
    };
    let with = |field: &str, value: Value| {
        let mut attempt = attempt.clone();
        attempt[field] = value;
        attempt
    };
    let narrow = server.mint(json!({"user_id":"u","room_id":"r","privileges":["login"]})).await;
    let short = server.mint(json!({"user_id":"u","room_id":"r","ttl_secs":1})).await;
    server.clock.advance(Duration::from_secs(1));
    for (attempt, code, finding) in [
        (with("user_id", json!("U")), "token_user_mismatch", "user_differs_by_case"),
        (with("room_id", json!("s")), "login_denied", "room_differs"),
        (with("token", json!(narrow)), "publish_denied", "publish_denied"),
        (with("token", json!(short)), "token_expired", "expired"),
        (with("token", json!(format!("{good}#x"))), "token_invalid", "kit"),
        (with("token", json!("")), "token_missing", "empty"),
        (with("token", json!("05x")), "token_version", "version_unknown"),
    ] {
        let explained = server.post("tokens/explain", attempt.clone()).await.ok();
        assert_eq!((&explained["admitted"], &explained["code"]), (&json!(false), &json!(code)), "{explained}");
        assert!(codes(&explained).iter().any(|found| found.contains(finding)), "{finding}: {explained}");
    }
    assert_eq!(server.post("tokens/explain", with("token", json!(short))).await.ok()["secret_id"], json!(secret_id));

    let once = server.mint(json!({"user_id":"u","room_id":"r","terms":{"single_use":true}})).await;
    assert_eq!(server.post("tokens/explain", with("token", json!(once))).await.ok()["admitted"], json!(true));
    let (app_id, token_id) = (AppId::new(7).unwrap(), token_gen::TokenId::of(&once));
    let store = &server.running.service().store;
    store.use_token(app_id, token_id.as_str(), "of alice", (NOW + 3600).into()).await.unwrap();
    let used = server.post("tokens/explain", with("token", json!(once))).await.ok();
    assert_eq!((&used["code"], codes(&used)), (&json!("token_used"), vec!["used".to_owned()]));
    assert_eq!(used["used_by"], "of alice");

    server.post("bans", json!({"ip_range":"203.0.113.0/24","reason":"flood"})).await.ok();
    let banned = server.post("tokens/explain", attempt.clone()).await.ok();
    assert_eq!((&banned["code"], codes(&banned)), (&json!("banned"), vec!["banned".to_owned()]));
    assert_eq!(banned["banned_by"]["reason"], "flood");
    server.post("tokens/revoke", json!({"user_id":"u","reason":"stolen"})).await.ok();
    let revoked = server.post("tokens/explain", attempt.clone()).await.ok();
    assert_eq!(
        (&revoked["code"], codes(&revoked)),
        (&json!("token_revoked"), vec!["revoked".to_owned(), "banned".to_owned()])
    );
    assert_eq!((&revoked["revoked_by"]["reason"], &revoked["revoked_by"]["user_id"]), (&json!("stolen"), &json!("u")));

    for (change, code, finding) in [
        ((|settings| settings.enabled = false) as fn(&mut AppSettings), "app_disabled", "app_disabled"),
        (|settings| settings.mode = AuthMode::AppSign, "app_sign_missing", "app_sign_missing"),
        (|settings| settings.require_privilege_token = true, "login_denied", "privilege_token_required"),
        (|settings| settings.identity_privileges = token_gen::Privileges::NONE, "login_denied", "login"),
        (
            |settings| {
                settings.formats = vec![FormatName::Token04Cbc];
                settings.cbc_policy = crate::apps::CbcPolicy::Offline;
                settings.cbc_until = Some(NOW + 3600);
            },
            "token_invalid",
            "cipher_not_accepted",
        ),
        (
            |settings| (settings.max_ttl_secs, settings.default_ttl_secs) = (60, 60),
            "token_invalid",
            "lifetime_too_long",
        ),
    ] {
        let app_id = AppId::new(100 + u32::try_from(server.keys.len()).unwrap()).unwrap();
        let mut settings = AppSettings::new(app_id, "app");
        change(&mut settings);
        let credentials = server.create_app(settings).await;
        let minter = token_gen::Minter::new(app_id, &credentials.app.server_secret);
        let request = token_gen::TokenRequest {
            user_id: token_gen::UserId::new("u").unwrap(),
            ttl: Duration::from_secs(3600),
            payload: token_gen::Payload::Identity,
        };
        let token = minter.mint(&request, NOW.into(), &mut SysRng).unwrap().token;
        let body = json!({"token": token, "user_id": "u", "room_id": "r"});
        let path = format!("/v1/apps/{app_id}/tokens/explain");
        let explained = server.as_caller(&server.keys[&app_id.get()], "POST", &path, body).await.ok();
        assert_eq!((&explained["admitted"], &explained["code"]), (&json!(false), &json!(code)), "{explained}");
        assert!(codes(&explained).contains(&finding.to_owned()), "{finding}: {explained}");
    }
}
