//! Rights with limits: told to the client, kept by the server, and ended in time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use roompass_sdk::{
    Cause, ErrorCode, Event, LocalUser, MediaKind, MediaName, MintRequest, Publication, Room, RoomState,
    SessionPrivilege, TokenAnswer, TokenExpiryRule, TokenProvider, TokenRequest, TokenTerms,
};
use roompass_tests::{Listener, Relay, TestApp, World};

fn request(terms: TokenTerms, ttl_secs: u64) -> MintRequest {
    MintRequest {
        user_id: "alice".into(),
        room_id: Some("r1".into()),
        ttl_secs: Some(ttl_secs),
        terms: Some(terms),
        ..MintRequest::default()
    }
}

async fn enter(app: &TestApp, terms: TokenTerms, ttl_secs: u64) -> Room {
    let token = app.mint(&request(terms, ttl_secs)).await.expect("the request is good").token;
    let alice = LocalUser::new("alice").expect("a good id");
    app.token_client().login_room_with_token("r1", alice, &token).await.expect("the token is good")
}

fn kick(event: Event) -> Option<ErrorCode> {
    match event {
        Event::StateChanged { state: RoomState::Kicked(kick), .. } => Some(kick.code),
        _ => None,
    }
}

#[tokio::test]
async fn limits_are_told_at_login_and_kept() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let bob = app.enter("bob", "r1").await;
    let mut bobs = Listener::to(&bob);
    let terms = TokenTerms {
        media: Some(vec![MediaName::Audio]),
        play_stream_ids: Some(vec!["b1".into()]),
        metadata: Some("seat 7".into()),
        ..TokenTerms::default()
    };
    let alice = enter(&app, terms, 600).await;
    let admission = alice.admission();
    assert_eq!(admission.privileges, [SessionPrivilege::Login, SessionPrivilege::Publish, SessionPrivilege::Play]);
    assert_eq!(admission.rights.media, Some(vec![MediaKind::Audio]));
    assert_eq!(admission.rights.play_stream_ids, Some(vec!["b1".to_owned()]));
    assert_eq!(admission.metadata.as_deref(), Some("seat 7"));
    let seen = bobs.next(|event| match event {
        Event::UsersJoined(users) => users.into_iter().find(|user| user.user_id == "alice"),
        _ => None,
    });
    assert_eq!(seen.await.metadata.as_deref(), Some("seat 7"));

    let publication = |media| Publication::new("s1").unwrap().media([media]);
    let refused = alice.start_publishing(publication(MediaKind::Screen)).await.unwrap_err();
    assert_eq!(
        refused.refusal().map(|why| (why.code, why.reason.as_deref())),
        Some((ErrorCode::PublishDenied, Some("media")))
    );
    alice.start_publishing(publication(MediaKind::Audio)).await.unwrap();
    let refused = alice.start_playing_stream("b2").await.unwrap_err();
    assert_eq!(
        refused.refusal().map(|why| (why.code, why.reason.as_deref())),
        Some((ErrorCode::PlayDenied, Some("stream")))
    );
    alice.start_playing_stream("b1").await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_right_that_ends_before_its_token_is_told_of() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let alice = enter(&app, TokenTerms { publish_ttl_secs: Some(30), ..TokenTerms::default() }, 600).await;
    let mut heard = Listener::to(&alice);
    alice.start_publishing_stream("s1").await.unwrap();
    world.advance(30);
    let left = heard.next(|event| match event {
        Event::PrivilegesChanged { privileges, .. } => Some(privileges),
        _ => None,
    });
    assert_eq!(left.await, [SessionPrivilege::Login, SessionPrivilege::Play]);
    assert_eq!(alice.admission().privileges, [SessionPrivilege::Login, SessionPrivilege::Play]);
    let refused = alice.start_publishing_stream("s2").await.unwrap_err();
    let why = refused.refusal().map(|why| (why.code, why.reason.as_deref()));
    assert_eq!(why, Some((ErrorCode::PublishTokenExpired, Some("until"))));
    world.stop().await;
}

#[tokio::test]
async fn no_renewal_makes_a_stay_longer_than_its_token_allows() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let alice = enter(&app, TokenTerms { max_stay_secs: Some(60), ..TokenTerms::default() }, 600).await;
    let mut heard = Listener::to(&alice);
    assert_eq!(alice.admission().rights.stay_until, Some(world.now() + 60));
    alice.renew_token(&app.full_token("alice", "r1", 600).await).await.unwrap();
    world.advance(60);
    assert_eq!(heard.next(kick).await, ErrorCode::KickedStayOver);
    world.stop().await;
}

#[tokio::test]
async fn a_token_may_say_what_happens_at_its_expiry() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let terms = |rule, grace_secs| TokenTerms { on_expiry: Some(rule), grace_secs, ..TokenTerms::default() };

    let alice = enter(&app, terms(TokenExpiryRule::Kick, None), 60).await;
    let mut heard = Listener::to(&alice);
    world.advance(60);
    assert_eq!(heard.next(kick).await, ErrorCode::KickedTokenExpired);

    let alice = enter(&app, terms(TokenExpiryRule::Grace, Some(20)), 60).await;
    let mut heard = Listener::to(&alice);
    alice.start_publishing_stream("s1").await.unwrap();
    world.advance(60);
    heard.next(|event| matches!(event, Event::TokenExpired { .. }).then_some(())).await;
    assert!(alice.state().is_connected());
    world.advance(20);
    assert_eq!(heard.next(kick).await, ErrorCode::KickedTokenExpired);

    let alice = enter(&app, terms(TokenExpiryRule::StopPublish, None), 60).await;
    let mut heard = Listener::to(&alice);
    alice.start_publishing_stream("s1").await.unwrap();
    world.advance(60);
    heard
        .next(|event| match event {
            Event::PublishStopped { stream_id, .. } => (stream_id == "s1").then_some(()),
            Event::TokenExpired { .. } => panic!("the stream is stopped first"),
            _ => None,
        })
        .await;
    assert!(alice.state().is_connected());
    world.stop().await;
}

/// A provider of tokens for one login each, that counts how often it is asked to bring the user back.
fn single_use(app: &TestApp, relogins: &Arc<AtomicUsize>) -> impl TokenProvider + use<> {
    let (backend, relogins) = (app.backend.clone(), Arc::clone(relogins));
    move |asked: TokenRequest| {
        let backend = backend.clone();
        if asked.cause == Cause::Relogin {
            relogins.fetch_add(1, Ordering::Relaxed);
        }
        async move {
            let terms = TokenTerms { single_use: Some(true), ..TokenTerms::default() };
            backend.mint(&request(terms, 3600)).await.map_or(TokenAnswer::Retry, |minted| {
                roompass_tests::logs::note_secret(&minted.token);
                TokenAnswer::Token(minted.token)
            })
        }
    }
}

#[tokio::test]
async fn a_token_for_one_login_brings_its_session_back_and_then_another_is_fetched() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let relay = Relay::to(&world.url()).await;
    let relogins = Arc::default();
    let client = app.client_over(&relay).token_provider(single_use(&app, &relogins)).build().unwrap();
    let alice = client.login_room("r1", LocalUser::new("alice").unwrap()).await.unwrap();
    let reaches = async |pick: fn(&RoomState) -> bool| drop(alice.watch_state().wait_for(pick).await.unwrap());

    relay.cut();
    reaches(|state| matches!(state, RoomState::Reconnecting)).await;
    world.advance(1);
    reaches(RoomState::is_connected).await;
    assert_eq!(relogins.load(Ordering::Relaxed), 0, "the session goes on without a login");

    relay.break_down();
    reaches(|state| matches!(state, RoomState::Reconnecting)).await;
    world.advance(100);
    relay.mend();
    while !alice.state().is_connected() {
        world.advance(1);
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(relogins.load(Ordering::Relaxed), 1, "used up, so another is asked for");
    world.stop().await;
}
