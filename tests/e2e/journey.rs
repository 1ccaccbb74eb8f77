//! The whole way of a user: token, room, stream, warning, renewal, expiry, revival, leaving.

use roompass_sdk::{AuthKind, Cause, ErrorCode, Event, LocalUser, PrivilegeName, RoomState, TokenAnswer, TokenRequest};
use roompass_tests::{World, next_event};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

#[tokio::test]
async fn a_user_enters_publishes_is_warned_renews_and_leaves() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let token = app.full_token("alice", "r1", 600).await;
    let bob = app.enter("bob", "r1").await;
    let mut seen_by_bob = bob.events();

    let alice = LocalUser::new("alice").unwrap().named("Älice 漢字").unwrap();
    let room = app.token_client().login_room_with_token("r1", alice, &token).await.unwrap();
    let mut events = room.events();
    assert_eq!(room.admission().auth, AuthKind::Token);
    assert_eq!(room.token_expire_at().map(|at| at.get()), Some(world.now() + 600));
    assert_eq!(room.users().iter().map(|user| &*user.user_id).collect::<Vec<_>>(), ["bob", "alice"]);
    let joined = next_event(&mut seen_by_bob, |event| match event {
        Event::UsersJoined(users) if users[0].user_id != "bob" => Some(users),
        _ => None,
    });
    assert_eq!(joined.await[0].user_name, "Älice 漢字");

    room.start_publishing_stream("s1").await.unwrap();
    let started = next_event(&mut seen_by_bob, |event| match event {
        Event::StreamsStarted(streams) if !streams.is_empty() => Some(streams),
        _ => None,
    });
    assert_eq!(started.await[0].stream_id, "s1");
    bob.start_playing_stream("s1").await.unwrap();

    world.advance(569);
    world.advance(1);
    let left = next_event(&mut events, |event| match event {
        Event::TokenWillExpire { left, .. } => Some(left.as_secs()),
        _ => None,
    });
    assert_eq!(left.await, 30);
    room.renew_token(&app.full_token("alice", "r1", 600).await).await.unwrap();
    assert_eq!(room.token_expire_at().map(|at| at.get()), Some(world.now() + 600));

    world.advance(600);
    next_event(&mut events, |event| matches!(event, Event::TokenExpired { .. }).then_some(())).await;
    assert!(room.state().is_connected(), "soft expiry throws nobody out");
    assert_eq!(room.streams().len(), 1, "and what runs goes on");
    let refused = room.start_publishing_stream("s2").await.unwrap_err();
    assert_eq!((refused.code(), refused.number()), (Some(ErrorCode::PublishTokenExpired), Some(1_003_072)));
    let refused = room.start_playing_stream("s1").await.unwrap_err();
    assert_eq!((refused.code(), refused.number()), (Some(ErrorCode::PlayTokenExpired), Some(1_004_003)));
    room.stop_publishing_stream("s1").await.unwrap();
    assert_eq!(room.start_publishing_stream("s1").await.unwrap_err().code(), Some(ErrorCode::PublishTokenExpired));

    room.renew_token(&app.full_token("alice", "r1", 600).await).await.unwrap();
    room.start_publishing_stream("s1").await.unwrap();

    room.logout_room().await;
    let left = next_event(&mut seen_by_bob, |event| match event {
        Event::UsersLeft { users, .. } => Some(users),
        _ => None,
    });
    assert_eq!(left.await[0].user_id, "alice");
    assert!(bob.streams().is_empty());
    bob.logout_room().await;
    world.stop().await;
}

#[tokio::test]
async fn a_provider_keeps_a_room_through_many_short_tokens() {
    let world = World::start().await;
    let app = Arc::new(world.app(1, |_| ()).await);
    let renewals = Arc::new(AtomicUsize::new(0));
    let provider = {
        let (app, renewals) = (Arc::clone(&app), Arc::clone(&renewals));
        move |request: TokenRequest| {
            let (app, renewals) = (Arc::clone(&app), Arc::clone(&renewals));
            async move {
                if request.cause == Cause::Renewal {
                    renewals.fetch_add(1, Ordering::Relaxed);
                }
                TokenAnswer::Token(app.full_token(&request.user_id, &request.room_id, 100).await)
            }
        }
    };
    let client = app.client().token_provider(provider).build().unwrap();
    let room = client.login_room("r1", LocalUser::new("alice").unwrap()).await.unwrap();
    let mut events = room.events();
    for round in 1..=5 {
        // Due 30 s before the end, or up to a quarter of that sooner, so that clients do not renew all at once.
        world.advance(78);
        let expire_at = next_event(&mut events, |event| match event {
            Event::TokenRenewed { expire_at, .. } => Some(expire_at.get()),
            Event::TokenExpired { .. } | Event::TokenWillExpire { .. } => panic!("the provider was not in time"),
            _ => None,
        });
        assert_eq!(expire_at.await, world.now() + 100);
        assert_eq!(renewals.load(Ordering::Relaxed), round);
        room.start_publishing_stream(&format!("s{round}")).await.unwrap();
    }
    room.logout_room().await;
    assert!(matches!(room.state(), RoomState::Disconnected));
    world.stop().await;
}

#[tokio::test]
async fn a_renewal_changes_what_may_be_published_next() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let room = app.enter("alice", "r1").await;
    let mut events = room.events();
    room.start_publishing_stream("s1").await.unwrap();
    room.renew_token(&app.token("alice", "r1", &[PrivilegeName::Login], 600).await).await.unwrap();
    let notice = next_event(&mut events, |event| match event {
        Event::TokenRenewed { notice, .. } => Some(notice),
        _ => None,
    });
    assert_eq!(notice.await, Some(ErrorCode::RenewedWithoutPublish));
    assert_eq!(room.streams().len(), 1, "what runs goes on");
    let refused = room.start_publishing_stream("s2").await.unwrap_err();
    assert_eq!((refused.code(), refused.number()), (Some(ErrorCode::PublishDenied), Some(1_003_025)));
    world.stop().await;
}

#[tokio::test]
async fn a_refused_renewal_leaves_the_session_as_it_was() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let other = world.app(2, |_| ()).await;
    let room = app.enter("alice", "r1").await;
    let before = room.token_expire_at();
    for (token, code) in [
        (app.full_token("bob", "r1", 600).await, ErrorCode::TokenUserMismatch),
        (app.full_token("alice", "r2", 600).await, ErrorCode::LoginDenied),
        (other.full_token("alice", "r1", 600).await, ErrorCode::TokenInvalid),
    ] {
        assert_eq!(room.renew_token(&token).await.unwrap_err().code(), Some(code));
        assert_eq!(room.token_expire_at(), before);
        room.start_publishing_stream("s1").await.unwrap();
        room.stop_publishing_stream("s1").await.unwrap();
    }
    world.stop().await;
}
