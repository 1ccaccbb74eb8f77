//! The strict expiry policy, and one user in two places.

use roompass_sdk::{ErrorCode, Event, LocalUser, RoomState};
use roompass_server::apps::{DuplicateLogin, ExpiryPolicy};
use roompass_tests::{World, next_event};

#[tokio::test]
async fn strict_expiry_stops_the_streams_then_removes_the_user() {
    let world = World::start().await;
    let app = world.app(1, |settings| settings.on_expiry = ExpiryPolicy::Strict).await;
    let bob = app.enter("bob", "r1").await;
    let mut seen_by_bob = bob.events();
    let token = app.full_token("alice", "r1", 60).await;
    let user = || LocalUser::new("alice").unwrap();
    let room = app.token_client().login_room_with_token("r1", user(), &token).await.unwrap();
    let mut events = room.events();
    room.start_publishing_stream("s1").await.unwrap();
    world.advance(60);

    let stopped = next_event(&mut events, |event| match event {
        Event::PublishStopped { stream_id, code } => Some((stream_id, code)),
        Event::StateChanged { state: RoomState::Kicked(_), .. } => panic!("the stream is stopped first"),
        _ => None,
    });
    assert_eq!(stopped.await, ("s1".to_owned(), ErrorCode::PublishTokenExpired));
    let kick = next_event(&mut events, |event| match event {
        Event::StateChanged { state: RoomState::Kicked(kick), .. } => Some(kick),
        _ => None,
    });
    let kick = kick.await;
    assert_eq!((kick.code, kick.number), (ErrorCode::KickedTokenExpired, 1_002_056));

    next_event(&mut seen_by_bob, |event| match event {
        Event::StreamsStopped { .. } => Some(()),
        Event::UsersLeft { .. } => panic!("others hear of the stream first"),
        _ => None,
    })
    .await;
    next_event(&mut seen_by_bob, |event| matches!(event, Event::UsersLeft { .. }).then_some(())).await;

    let refused = app.token_client().login_room_with_token("r1", user(), &token).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::TokenExpired));
    let fresh = app.full_token("alice", "r1", 60).await;
    app.token_client().login_room_with_token("r1", user(), &fresh).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_later_login_of_the_same_user_puts_the_earlier_out() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let first = app.enter("alice", "r1").await;
    let mut events = first.events();
    // A refused login must not be able to put anybody out.
    let bad = app.full_token("alice", "other", 600).await;
    let user = LocalUser::new("alice").unwrap();
    app.token_client().login_room_with_token("r1", user, &bad).await.unwrap_err();
    first.start_publishing_stream("s1").await.unwrap();

    let second = app.enter("alice", "r2").await;
    let kick = next_event(&mut events, |event| match event {
        Event::StateChanged { state: RoomState::Kicked(kick), .. } => Some(kick),
        _ => None,
    });
    assert_eq!(kick.await.code, ErrorCode::KickedByOtherLogin);
    assert!(second.state().is_connected());
    world.stop().await;
}

#[tokio::test]
async fn an_app_may_refuse_the_later_login_instead() {
    let world = World::start().await;
    let app = world.app(1, |settings| settings.duplicate_login = DuplicateLogin::RefuseNewcomer).await;
    let first = app.enter("alice", "r1").await;
    let token = app.full_token("alice", "r2", 600).await;
    let user = LocalUser::new("alice").unwrap();
    let refused = app.token_client().login_room_with_token("r2", user, &token).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::LoggedInElsewhere));
    assert!(first.state().is_connected());
    world.stop().await;
}
