//! From one room to another.

use roompass_sdk::{ErrorCode, Event, LocalUser, PrivilegeName, RoomState};
use roompass_tests::{Listener, World};

#[tokio::test]
async fn a_switch_leaves_the_one_room_and_enters_the_other() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let (bob, carol) = (app.enter("bob", "r1").await, app.enter("carol", "r2").await);
    let (mut bobs, mut carols) = (Listener::to(&bob), Listener::to(&carol));
    let client = app.client().token_provider(app.provider(3600)).build().unwrap();
    let alice = client.login_room("r1", LocalUser::new("alice").unwrap()).await.unwrap();
    let mut alices = Listener::to(&alice);
    alice.start_publishing_stream("s1").await.unwrap();
    let session_id = alice.admission().session_id;

    alice.switch_room("r2").await.unwrap();
    assert_eq!(alice.room_id().as_str(), "r2");
    assert_ne!(alice.admission().session_id, session_id);
    assert_eq!(alice.users().iter().map(|user| &*user.user_id).collect::<Vec<_>>(), ["carol", "alice"]);
    assert!(alice.streams().is_empty());
    let states = [("r1", 0), ("r1", 1), ("r1", 7), ("r2", 0), ("r2", 1)];
    for expected in states {
        let state = alices.next(|event| match event {
            Event::StateChanged { room_id, state } => Some((room_id, state.reason())),
            _ => None,
        });
        assert_eq!(state.await, (expected.0.to_owned(), expected.1));
    }
    bobs.leaving_with("s1").await;
    carols
        .next(|event| match event {
            Event::UsersJoined(users) if users[0].user_id == "alice" => Some(()),
            _ => None,
        })
        .await;
    alice.start_publishing_stream("s1").await.unwrap();
    // The token of the new room is the one that counts from now on.
    let old = app.full_token("alice", "r1", 3600).await;
    assert_eq!(alice.renew_token(&old).await.unwrap_err().code(), Some(ErrorCode::LoginDenied));
    alice.renew_token(&app.full_token("alice", "r2", 3600).await).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_room_that_refuses_leaves_the_user_in_neither() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let bob = app.enter("bob", "r1").await;
    let mut bobs = Listener::to(&bob);
    let alice = app.enter("alice", "r1").await;
    let heard = Listener::to(&alice);
    // So far nothing is left: no token, the same room, a token for it that cannot be read.
    let no_token = alice.switch_room("r2").await.unwrap_err();
    assert_eq!(no_token.code(), None, "the SDK asks nobody");
    let same = alice.switch_room_with_token("r1", &app.full_token("alice", "r1", 60).await).await.unwrap_err();
    assert_eq!(same.code(), Some(ErrorCode::AlreadyInRoom));
    assert!(alice.state().is_connected());

    let bad = app.token("alice", "r2", &[PrivilegeName::Publish], 60).await;
    let refused = alice.switch_room_with_token("r2", &bad).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::LoginDenied));
    let last = alice.watch_state().wait_for(RoomState::is_over).await.unwrap().clone();
    assert!(matches!(last, RoomState::LoginFailed(error) if error.code() == Some(ErrorCode::LoginDenied)));
    heard.rest().await;
    bobs.next(|event| matches!(event, Event::UsersLeft { .. }).then_some(())).await;
    world.stop().await;
}
