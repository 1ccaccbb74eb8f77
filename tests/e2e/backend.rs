//! Everything that a backend asks for, by a key that is shown and by one that signs, of the real server.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use roompass_sdk::{
    BackendClient, BackendKey, BanRequest, ErrorCode, ErrorKind, ExplainRequest, IntrospectResponse, LocalUser,
    MintBatchItem, MintBatchRequest, MintRequest, RevokeRequest, UnixSeconds,
};
use roompass_server::{
    admin::{KeyKind, NewKey},
    keys::Scope,
};
use roompass_tests::{TestApp, World, logs};
use token_gen::AppId;

/// A client of app 1 whose key has every right and signs, if it is of that kind. Its clock is in the second part.
async fn backend(world: &World, kind: KeyKind) -> (BackendClient, Arc<AtomicI64>) {
    let new = NewKey {
        app_id: AppId::new(1).ok(),
        name: "backend".to_owned(),
        scope: Scope::everything(),
        expire_at: None,
        kind,
    };
    let key = world.new_key(new).await;
    logs::note_secret(&key);
    let date = Arc::new(AtomicI64::new(world.now()));
    let client = match kind {
        KeyKind::Bearer => BackendClient::new(&world.url(), 1, BackendKey::new(key)).expect("the address is good"),
        KeyKind::Signed => {
            let date = Arc::clone(&date);
            let client = BackendClient::signed(&world.url(), 1, BackendKey::new(key)).expect("the key is good");
            client.clock(move || UnixSeconds::new(date.load(Ordering::Relaxed)))
        }
    };
    (client, date)
}

fn for_alice() -> MintRequest {
    MintRequest { user_id: "alice".into(), room_id: Some("r1".into()), ..MintRequest::default() }
}

async fn refusal_of_login(app: &TestApp, token: &str) -> Option<ErrorCode> {
    let login = app.token_client().login_room_with_token("r1", LocalUser::new("alice").expect("an id"), token).await;
    login.err().and_then(|error| error.code())
}

// proves A4 (the client)
#[tokio::test]
async fn a_backend_mints_judges_ends_and_bans_whichever_way_it_proves_itself() {
    for kind in [KeyKind::Bearer, KeyKind::Signed] {
        let world = World::start().await;
        let app = world.app(1, |_| ()).await;
        let (backend, _) = backend(&world, kind).await;

        let minted = backend.mint(&for_alice()).await.unwrap();
        logs::note_secret(&minted.token);
        let IntrospectResponse::Active(active) = backend.introspect(&minted.token).await.unwrap() else {
            panic!("it is good")
        };
        assert_eq!((active.user_id.as_str(), &active.token_id), ("alice", &minted.token_id));
        assert_eq!(refusal_of_login(&app, &minted.token).await, None);

        let attempt = |user_id: &str| ExplainRequest {
            token: minted.token.clone(),
            user_id: Some(user_id.to_owned()),
            room_id: Some("r1".into()),
            ..ExplainRequest::default()
        };
        assert!(backend.explain(&attempt("alice")).await.unwrap().admitted);
        let explained = backend.explain(&attempt("bob")).await.unwrap();
        assert_eq!((explained.admitted, explained.code), (false, Some(ErrorCode::TokenUserMismatch)));

        let of_alice = RevokeRequest { user_id: Some("alice".into()), ..RevokeRequest::default() };
        let revoked = backend.revoke(&of_alice).await.unwrap().revocation;
        assert_eq!((revoked.user_id.as_deref(), revoked.issued_before), (Some("alice"), Some(world.now())));
        assert!(matches!(backend.introspect(&minted.token).await.unwrap(), IntrospectResponse::Revoked(_)));
        assert_eq!(refusal_of_login(&app, &minted.token).await, Some(ErrorCode::TokenRevoked));
        world.stop().await;
    }
}

#[tokio::test]
async fn a_thousand_tokens_come_at_once_and_a_ban_keeps_out_until_it_is_lifted() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let (backend, _) = backend(&world, KeyKind::Signed).await;
    let good = |number: usize| MintRequest { user_id: format!("u{number}"), ..MintRequest::default() };
    let mut items: Vec<MintRequest> = (1..MintBatchRequest::MAX_ITEMS).map(good).collect();
    items.push(MintRequest { user_id: "no spaces".into(), ..MintRequest::default() });
    let batch = backend.mint_batch(&MintBatchRequest { items }).await.unwrap();
    let (last, minted) = batch.items.split_last().unwrap();
    assert_eq!(minted.len(), MintBatchRequest::MAX_ITEMS - 1);
    assert!(minted.iter().all(|item| matches!(item, MintBatchItem::Minted(_))));
    assert!(matches!(last, MintBatchItem::Refused { problem } if problem.code == ErrorCode::UserIdInvalid));

    let token = app.full_token("alice", "r1", 600).await;
    let banned = backend.ban(&BanRequest { user_id: Some("alice".into()), ..BanRequest::default() }).await.unwrap();
    assert_eq!(refusal_of_login(&app, &token).await, Some(ErrorCode::Banned));
    backend.lift_ban(&banned.ban.ban_id).await.unwrap();
    assert_eq!(refusal_of_login(&app, &token).await, None);
    let gone = backend.lift_ban(&banned.ban.ban_id).await.unwrap_err();
    assert_eq!((gone.code(), gone.kind()), (Some(ErrorCode::NotFound), ErrorKind::Refused));
    for no_id in ["", "../keys/x", "a b", "a/b", "a?b=c"] {
        assert_eq!(backend.lift_ban(no_id).await.unwrap_err().kind(), ErrorKind::Usage, "{no_id:?}");
    }
    world.stop().await;
}

// proves T24 (the client)
#[tokio::test]
async fn a_signature_is_of_its_minute_and_its_key() {
    let world = World::start().await;
    world.app(1, |_| ()).await;
    let (backend, date) = backend(&world, KeyKind::Signed).await;
    for (off, taken) in [(-61, false), (-60, true), (0, true), (60, true), (61, false)] {
        date.store(world.now() + off, Ordering::Relaxed);
        let minted = backend.mint(&for_alice()).await;
        assert_eq!(minted.err().and_then(|error| error.code()), (!taken).then_some(ErrorCode::Unauthorized), "{off}");
    }
    assert!(BackendClient::signed(&world.url(), 1, BackendKey::new("no key")).is_err());
    let unknown = format!("rp_abcdefghijkl_{}", "a".repeat(43));
    let stranger = BackendClient::signed(&world.url(), 1, BackendKey::new(unknown)).unwrap();
    let now = world.now();
    let refused = stranger.clock(move || UnixSeconds::new(now)).mint(&for_alice()).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthorized));
    assert!(!format!("{backend:?}").contains("rp_"), "{backend:?}");
    world.stop().await;
}
