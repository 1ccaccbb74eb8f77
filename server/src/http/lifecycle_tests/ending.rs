//! Revoking and banning.

use super::*;

// proves T20 (tokens and bans)
#[tokio::test]
async fn through_its_own_app_nobody_reaches_tokens_and_bans_of_another() {
    let server = Server::new().await;
    let token = server.mint(json!({"user_id":"u"})).await;
    let ban = server.post("bans", json!({"user_id":"u"})).await.ok()["ban"]["ban_id"].as_str().unwrap().to_owned();
    let introspected =
        server.as_caller(&server.keys[&8], "POST", "/v1/apps/8/tokens/introspect", json!({ "token": token }));
    assert_eq!(introspected.await.json()["active"], false);
    let path = format!("/v1/apps/8/bans/{ban}");
    let lifted = server.as_caller(&server.keys[&8], "DELETE", &path, Value::Null).await;
    assert_eq!(lifted.problem().1, "not_found");
    server.as_caller(&server.keys[&8], "POST", "/v1/apps/8/tokens/revoke", json!({ "token": token })).await.ok();
    server.as_caller(&server.keys[&8], "POST", "/v1/apps/8/tokens/revoke", json!({"whole_app":true})).await.ok();
    assert!(server.is_active(&token).await);
    assert_eq!(server.get("bans").await.ok()["bans"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_target_ends_what_was_issued_up_to_its_second() {
    for (target, hits_identity) in [
        (json!({"user_id":"u"}), true),
        (json!({"room_id":"r"}), false),
        (json!({"user_id":"u","room_id":"r"}), false),
        (json!({"whole_app":true}), true),
    ] {
        let server = Server::new().await;
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(server.mint(json!({"user_id":"u","room_id":"r"})).await);
            server.clock.advance(Duration::from_secs(1));
        }
        let identity = server.mint(json!({"user_id":"u"})).await;
        let other = server.mint(json!({"user_id":"v","room_id":"s"})).await;

        let mut earlier = target.clone();
        earlier["issued_before"] = json!(NOW + 1);
        let revoked = server.post("tokens/revoke", earlier).await.ok();
        assert_eq!(revoked["revocation"]["issued_before"], NOW + 1);
        assert_eq!(revoked["server_time"], NOW + 3);
        let active = join_all(tokens.iter().map(|token| server.is_active(token))).await;
        assert_eq!(active, [false, false, true], "{target}");

        let stronger = server.post("tokens/revoke", target.clone()).await.ok();
        assert_eq!(stronger["revocation"]["revocation_id"], revoked["revocation"]["revocation_id"]);
        assert!(!server.is_active(&tokens[2]).await);
        assert_eq!(server.is_active(&identity).await, !hits_identity, "{target}");
        assert_eq!(server.is_active(&other).await, target["whole_app"].is_null(), "{target}");
        server.clock.advance(Duration::from_secs(1));
        assert!(server.is_active(&server.mint(json!({"user_id":"u","room_id":"r"})).await).await, "{target}");
        assert_eq!(server.get("revocations").await.ok()["revocations"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn one_token_is_ended_by_its_text_its_kit_text_or_its_name() {
    let server = Server::new().await;
    let other = server.mint(json!({"user_id":"u","room_id":"r"})).await;
    for by in ["token", "kit_token", "token_id"] {
        let request = json!({"user_id":"u","room_id":"r","kit":true});
        let minted = server.post("tokens", request).await.ok();
        let token = minted["token"].as_str().unwrap();
        let field = if by == "token_id" { "token_id" } else { "token" };
        let revoked = server.post("tokens/revoke", json!({ field: minted[by], "reason": "lost phone" })).await.ok();
        let revocation = &revoked["revocation"];
        assert_eq!((&revocation["kind"], &revocation["token_id"]), (&json!("token"), &minted["token_id"]));
        assert_eq!((&revocation["reason"], &revocation["issued_before"]), (&json!("lost phone"), &Value::Null));
        let forgotten_at = if by == "token_id" { json!(NOW + 24 * 86_400 + 60) } else { minted["expire_at"].clone() };
        assert_eq!(revocation["expire_at"], forgotten_at);
        assert!(!server.is_active(token).await, "{by}");
    }
    assert!(server.is_active(&other).await);
    // Nobody learns whether a text is a token, and twice is fine.
    for _ in 0..2 {
        assert_eq!(server.post("tokens/revoke", json!({"token":"04unknown"})).await.status, 200);
    }
}

// proves T20
#[tokio::test]
async fn a_key_bound_to_rooms_reads_no_list_of_all_rooms() {
    let server = Server::new().await;
    let bound = Scope { rights: vec![Right::Read], room_prefix: "class-".to_owned(), ..Scope::default() };
    let bound = server.key(bound).await;
    let read = server.key(Scope { rights: vec![Right::Read], ..Scope::default() }).await;
    for list in ["/v1/apps/7/revocations", "/v1/apps/7/bans"] {
        assert_eq!(server.as_caller(&bound, "GET", list, Value::Null).await.problem().1, "forbidden", "{list}");
        assert_eq!(server.as_caller(&read, "GET", list, Value::Null).await.status, 200, "{list}");
    }
}

#[tokio::test]
async fn a_key_bound_to_rooms_ends_and_bans_in_those_rooms_only() {
    let server = Server::new().await;
    let scope = Scope { rights: vec![Right::Revoke], room_prefix: "class-".to_owned(), ..Scope::default() };
    let key = server.key(scope).await;
    let inside = server.mint(json!({"user_id":"u","room_id":"class-1"})).await;
    let outside = server.mint(json!({"user_id":"u","room_id":"lobby"})).await;
    let lobby_ban = server.post("bans", json!({"room_id":"lobby"})).await.ok()["ban"]["ban_id"].clone();
    let send =
        async |path: &str, body: Value| server.as_caller(&key, "POST", &format!("/v1/apps/7/{path}"), body).await;
    for (path, body) in [
        ("tokens/revoke", json!({"user_id":"u"})),
        ("tokens/revoke", json!({"whole_app":true})),
        ("tokens/revoke", json!({"room_id":"lobby"})),
        ("tokens/revoke", json!({"user_id":"u","room_id":"clas"})),
        ("tokens/revoke", json!({ "token": outside })),
        ("tokens/revoke", json!({ "token_id": token_gen::TokenId::of(&inside).as_str() })),
        ("tokens/revoke", json!({"token":"04unknown"})),
        ("bans", json!({"user_id":"u"})),
        ("bans", json!({"room_id":"lobby"})),
        ("bans", json!({"ip_range":"0.0.0.0/0"})),
    ] {
        let reply = send(path, body.clone()).await;
        assert_eq!(reply.problem(), (422, "field_invalid".to_owned(), Some("room_id".to_owned())), "{body}");
    }
    let lift = format!("/v1/apps/7/bans/{}", lobby_ban.as_str().unwrap());
    assert_eq!(server.as_caller(&key, "DELETE", &lift, Value::Null).await.problem().0, 422);
    assert!(server.is_active(&inside).await && server.is_active(&outside).await);
    send("tokens/revoke", json!({ "token": inside })).await.ok();
    send("bans", json!({"user_id":"u","room_id":"class-1"})).await.ok();
    assert!(!server.is_active(&inside).await);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = Server::new().await;
    for number in 0..7 {
        server.post("tokens/revoke", json!({"user_id": format!("u{number}")})).await.ok();
        server.post("bans", json!({"user_id": format!("u{number}")})).await.ok();
    }
    for (list, id) in [("revocations", "revocation_id"), ("bans", "ban_id")] {
        let (mut cursor, mut seen) = (String::new(), Vec::new());
        loop {
            let page = server.get(&format!("{list}?limit=3{cursor}")).await.ok();
            let entries = page[list].as_array().unwrap();
            seen.extend(entries.iter().map(|entry| entry[id].as_str().unwrap().to_owned()));
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 7, "{list}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 7, "{list}");
    }
}

#[tokio::test]
async fn a_ban_is_made_listed_made_anew_and_lifted() {
    let server = Server::new().await;
    let ban = server.post("bans", json!({"user_id":"u","duration_secs":60,"reason":"spam"})).await.ok();
    let ban = &ban["ban"];
    assert_eq!((&ban["kind"], &ban["expire_at"], &ban["reason"]), (&json!("user"), &json!(NOW + 60), &json!("spam")));
    let again = server.post("bans", json!({"user_id":"u"})).await.ok();
    assert_eq!((&again["ban"]["ban_id"], &again["ban"]["expire_at"]), (&ban["ban_id"], &Value::Null));
    assert_eq!(server.get("bans").await.ok()["bans"], json!([again["ban"]]));
    let path = format!("/v1/apps/7/bans/{}", ban["ban_id"].as_str().unwrap());
    let lift = || server.as_caller(&server.keys[&7], "DELETE", &path, Value::Null);
    assert_eq!(lift().await.ok(), json!({"server_time": NOW}));
    assert_eq!(lift().await.problem().1, "not_found");
    for (range, kept) in [("203.0.113.7", "203.0.113.7/32"), ("2001:DB8::/32", "2001:db8::/32")] {
        assert_eq!(server.post("bans", json!({ "ip_range": range })).await.ok()["ban"]["ip_range"], kept);
    }
}
