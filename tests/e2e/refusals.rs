//! What is refused, at mint and at login, and how little a stranger learns from it.

use roompass_sdk::{BackendClient, BackendKey, ErrorCode, LocalUser, MintRequest, PrivilegeName};
use roompass_tests::World;

#[tokio::test]
async fn login_compares_the_token_with_what_is_attempted() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let other = world.app(2, |_| ()).await;
    let expiring = app.full_token("alice", "r1", 10).await;
    world.advance(10);
    for (token, code, reason) in [
        (expiring, ErrorCode::TokenExpired, None),
        (app.full_token("bob", "r1", 600).await, ErrorCode::TokenUserMismatch, None),
        (app.full_token("Alice", "r1", 600).await, ErrorCode::TokenUserMismatch, None),
        (app.full_token("alice", "r2", 600).await, ErrorCode::LoginDenied, Some("room")),
        (app.token("alice", "r1", &[PrivilegeName::Publish], 600).await, ErrorCode::LoginDenied, Some("login")),
        (other.full_token("alice", "r1", 600).await, ErrorCode::TokenInvalid, None),
    ] {
        let user = LocalUser::new("alice").unwrap();
        let refused = app.token_client().login_room_with_token("r1", user, &token).await.unwrap_err();
        let refusal = refused.refusal().expect("the server refuses");
        assert_eq!((refusal.code, refusal.reason.as_deref()), (code, reason));
    }
    world.stop().await;
}

#[tokio::test]
async fn every_fault_inside_a_token_gets_one_and_the_same_answer() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let token = app.full_token("alice", "r1", 600).await;
    let mut answers = Vec::new();
    for broken in [
        token[..token.len() - 8].to_owned(),
        format!("{}!", &token[..token.len() - 1]),
        // The expiry in clear, moved.
        format!("04AAAAAGz{}", &token[9..]),
        // A character amid the ciphertext.
        format!("{}{}{}", &token[..80], if &token[80..81] == "A" { "B" } else { "A" }, &token[81..]),
        "04".to_owned(),
    ] {
        let user = LocalUser::new("alice").unwrap();
        if let Err(error) = app.token_client().login_room_with_token("r1", user, &broken).await {
            answers.extend(error.refusal().map(|refusal| (refusal.code, refusal.message.clone())));
        }
    }
    assert!(answers.len() >= 2, "the server was asked");
    assert!(answers.iter().all(|answer| answer.0 == ErrorCode::TokenInvalid && *answer == answers[0]), "{answers:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_mint_request_is_refused_by_the_name_of_its_field() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let good = || MintRequest { user_id: "alice".into(), room_id: Some("r1".into()), ..MintRequest::default() };
    use ErrorCode::{FieldInvalid, RoomIdInvalid, StreamIdInvalid, UserIdInvalid};
    for (request, code, field) in [
        (MintRequest { user_id: "no spaces".into(), ..good() }, UserIdInvalid, "user_id"),
        (MintRequest { user_id: "u".repeat(65), ..good() }, UserIdInvalid, "user_id"),
        (MintRequest { room_id: Some(String::new()), ..good() }, RoomIdInvalid, "room_id"),
        (MintRequest { stream_ids: Some(vec![]), ..good() }, FieldInvalid, "stream_ids"),
        (MintRequest { stream_ids: Some(vec!["a/b".into()]), ..good() }, StreamIdInvalid, "stream_ids"),
        (MintRequest { privileges: Some(vec![]), ..good() }, FieldInvalid, "privileges"),
        (MintRequest { ttl_secs: Some(0), ..good() }, FieldInvalid, "ttl_secs"),
        (MintRequest { ttl_secs: Some(24 * 3600 + 1), ..good() }, FieldInvalid, "ttl_secs"),
        (MintRequest { payload: Some("{}".into()), ..good() }, FieldInvalid, "payload"),
        (MintRequest { kit: Some(true), room_id: None, ..good() }, FieldInvalid, "room_id"),
    ] {
        let refused = app.mint(&request).await.unwrap_err();
        let refusal = refused.refusal().expect("the server refuses");
        assert_eq!((refusal.code, refusal.field.as_deref()), (code, Some(field)), "{request:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_key_opens_its_own_app_only_and_others_look_like_none() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    world.app(2, |_| ()).await;
    let key = || BackendKey::new(app.credentials.backend_key.expose());
    let request = MintRequest { user_id: "alice".into(), ..MintRequest::default() };
    let mut answers = Vec::new();
    for app_id in [2, 3] {
        let refused = BackendClient::new(&world.url(), app_id, key()).unwrap().mint(&request).await.unwrap_err();
        answers.push((refused.code(), refused.refusal().map(|refusal| refusal.message.clone())));
    }
    assert_eq!(answers[0], answers[1], "an app of somebody else and no app at all are the same");
    let wrong = BackendKey::new("rp_nonsense");
    let refused = BackendClient::new(&world.url(), 1, wrong).unwrap().mint(&request).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthorized));
    world.stop().await;
}

#[tokio::test]
async fn a_kit_token_enters_the_room_it_was_minted_for() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let request = MintRequest {
        user_id: "alice".into(),
        room_id: Some("r1".into()),
        user_name: Some("Älice 漢字 😀".into()),
        kit: Some(true),
        ..MintRequest::default()
    };
    let kit_token = app.mint(&request).await.unwrap().kit_token.expect("it was asked for");
    let user = || LocalUser::new("alice").unwrap();
    app.token_client().login_room_with_token("r1", user(), &kit_token).await.unwrap();
    let error = app.token_client().login_room_with_token("r2", user(), &kit_token).await.unwrap_err();
    assert_eq!(error.code(), None, "the SDK sees that it is for another room");
    world.stop().await;
}
