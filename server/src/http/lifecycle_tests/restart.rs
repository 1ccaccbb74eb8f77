//! What a restart and a clock that is set change.

use super::*;

// proves S1, T41 (restart)
#[tokio::test]
async fn a_restart_revives_nothing_and_remembers_answers_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("roompass.db");
    let master_key = MasterKey::generate(&mut SysRng).unwrap();
    let mut server = start(config(Location::File(path.clone()), &master_key), NOW).await;
    server.create_app(AppSettings::new(AppId::new(7).unwrap(), "app")).await;
    let keys = server.keys.clone();
    let revoked = server.mint(json!({"user_id":"u"})).await;
    let kept = server.mint(json!({"user_id":"v"})).await;
    server.post("tokens/revoke", json!({"user_id":"u"})).await.ok();
    let ban = server.post("bans", json!({"user_id":"u"})).await.ok();
    let bearer = format!("Bearer {}", keys[&7]);
    let headers = [("authorization", &*bearer), ("idempotency-key", "k")];
    let minted = server.send("POST", "/v1/apps/7/tokens", &headers, r#"{"user_id":"w"}"#).await.ok();
    server.running.shutdown().await;

    let token = minted["token"].as_str().unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "a token in clear");
    }
    let mut server = start(config(Location::File(path), &master_key), NOW + 1).await;
    server.keys = keys;
    assert!(!server.is_active(&revoked).await);
    assert!(server.is_active(&kept).await);
    assert_eq!(server.get("bans").await.ok()["bans"], json!([ban["ban"]]));
    assert_eq!(server.send("POST", "/v1/apps/7/tokens", &headers, r#"{"user_id":"w"}"#).await.ok(), minted);
    // As after a restore from a backup.
    let service = server.running.service();
    assert_eq!(service.lifecycle.revoke_everything("restore", "restored", (NOW + 1).into()).await.unwrap(), 1);
    assert!(!server.is_active(&kept).await);
    server.clock.advance(Duration::from_secs(1));
    assert!(server.is_active(&server.mint(json!({"user_id":"v"})).await).await);
}

// proves F4
#[tokio::test]
async fn a_clock_set_back_stops_minting_and_verifying_until_somebody_has_looked() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::File(directory.path().join("roompass.db"));
    let master_key = MasterKey::generate(&mut SysRng).unwrap();
    let mut server = start(config(location.clone(), &master_key), NOW).await;
    server.create_app(AppSettings::new(AppId::new(7).unwrap(), "app")).await;
    let keys = server.keys.clone();
    let token = server.mint(json!({"user_id":"u","ttl_secs":1})).await;
    server.running.shutdown().await;

    for (now, accept_clock, works) in [
        (NOW - 60, false, true),
        (NOW - 61, false, false),
        (NOW - 86_400, false, false),
        (NOW - 86_400, true, true),
        (NOW - 86_400, false, true),
    ] {
        let mut config = config(location.clone(), &master_key);
        config.accept_clock = accept_clock;
        let mut server = start(config, now).await;
        server.keys = keys.clone();
        for (path, body) in [
            ("tokens", json!({"user_id":"u"})),
            ("tokens/batch", json!({"items":[{"user_id":"u"}]})),
            ("tokens/introspect", json!({ "token": token })),
        ] {
            let reply = server.post(path, body).await;
            assert_eq!(reply.status, if works { 200 } else { 503 }, "{path} at {now}");
            if !works {
                assert_eq!(reply.problem().1, "clock_behind");
            }
        }
        // Set right, it serves again by itself.
        server.clock.advance(Duration::from_secs(86_400));
        assert_eq!(server.post("tokens", json!({"user_id":"u"})).await.status, 200);
        server.running.shutdown().await;
        // What that start noted is not what the next one shall find.
        let store = crate::store::SqliteStore::open(&location).unwrap();
        let noted = if accept_clock { now } else { NOW };
        crate::store::RevocationStore::reset_time(&store, noted.into()).await.unwrap();
    }
}
