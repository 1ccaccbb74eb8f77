//! A connection that breaks: the place is kept, and what was missed is heard.

use roompass_sdk::{ErrorCode, Event, LocalUser, Room, RoomState};
use roompass_tests::{Listener, Relay, TestApp, World};

async fn enter_over(app: &TestApp, relay: &Relay, user_id: &str) -> Room {
    let client = app.client_over(relay).token_provider(app.provider(3600)).build().unwrap();
    client.login_room("r1", LocalUser::new(user_id).unwrap()).await.unwrap()
}

async fn reaches(room: &Room, pick: fn(&RoomState) -> bool) -> RoomState {
    room.watch_state().wait_for(pick).await.unwrap().clone()
}

fn is_reconnecting(state: &RoomState) -> bool {
    matches!(state, RoomState::Reconnecting)
}

fn message(event: Event) -> Option<(u64, String)> {
    match event {
        Event::RoomMessage(message) => Some((message.seq, message.text)),
        _ => None,
    }
}

/// Lets the client try again until it is back.
async fn come_back(world: &World, room: &Room) {
    loop {
        world.advance(1);
        tokio::select! {
            biased;
            _ = reaches(room, RoomState::is_connected) => return,
            // Each try takes a few turns of this thread; the next second comes only when nothing else is to do.
            () = async { for _ in 0..200 { tokio::task::yield_now().await } } => {}
        }
    }
}

#[tokio::test]
async fn a_short_loss_is_noticed_by_nobody_and_nothing_is_missed_or_heard_twice() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let relay = Relay::to(&world.url()).await;
    let bob = app.enter("bob", "r1").await;
    let mut bobs = Listener::to(&bob);
    let alice = enter_over(&app, &relay, "alice").await;
    let mut alices = Listener::to(&alice);
    alice.start_publishing_stream("s1").await.unwrap();
    bob.start_publishing_stream("s2").await.unwrap();
    alice.start_playing_stream("s2").await.unwrap();
    bob.send_message("one").await.unwrap();
    let (first, _) = alices.next(message).await;
    let session_id = alice.admission().session_id;

    relay.break_down();
    reaches(&alice, is_reconnecting).await;
    for text in ["two", "three"] {
        bob.send_message(text).await.unwrap();
    }
    bob.set_user_extra("hand").await.unwrap();
    relay.mend();
    come_back(&world, &alice).await;
    bob.send_message("four").await.unwrap();
    for (seq, text) in [(1, "two"), (2, "three"), (4, "four")] {
        let heard = alices.next(|event| {
            assert!(!matches!(event, Event::LoggedIn(_) | Event::UsersJoined(_)), "{event:?}");
            message(event)
        });
        assert_eq!(heard.await, (first + seq, text.to_owned()));
    }
    assert_eq!(alice.admission().session_id, session_id);
    assert_eq!(alice.users()[0].extra.as_deref(), Some("hand"));
    // The stream went on, so it cannot be started again, and can be stopped.
    let refused = alice.start_publishing_stream("s1").await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::AlreadyPublishing));
    alice.stop_publishing_stream("s1").await.unwrap();
    bobs.next(|event| match event {
        Event::UsersLeft { .. } => panic!("nobody left"),
        Event::StreamsStopped { streams, .. } => Some(assert_eq!(streams[0].stream_id, "s1")),
        _ => None,
    })
    .await;
    alice.logout_room().await;
    alices.rest().await;
    world.stop().await;
}

#[tokio::test]
async fn after_the_time_that_the_app_allows_the_user_is_gone_and_comes_back_anew() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let relay = Relay::to(&world.url()).await;
    let bob = app.enter("bob", "r1").await;
    let mut bobs = Listener::to(&bob);
    let alice = enter_over(&app, &relay, "alice").await;
    let mut alices = Listener::to(&alice);
    alice.start_publishing_stream("s1").await.unwrap();
    let session_id = alice.admission().session_id;
    relay.break_down();
    reaches(&alice, is_reconnecting).await;
    world.advance(92);
    bobs.next(|event| match event {
        Event::StreamsStopped { streams, .. } => Some(assert_eq!(streams[0].stream_id, "s1")),
        Event::UsersLeft { .. } => panic!("the stream goes first"),
        _ => None,
    })
    .await;
    bobs.next(|event| matches!(event, Event::UsersLeft { .. }).then_some(())).await;
    relay.mend();
    come_back(&world, &alice).await;
    let anew = |event| match event {
        Event::LoggedIn(admission) if admission.session_id != session_id => Some(()),
        _ => None,
    };
    alices.next(anew).await;
    // The stream is started again without being asked for.
    bobs.next(|event| match event {
        Event::StreamsStarted(streams) => Some(assert_eq!(streams[0].stream_id, "s1")),
        _ => None,
    })
    .await;
    drop(alice);
    alices.rest().await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_too_much_to_be_heard_again_is_told_as_the_difference() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let relay = Relay::to(&world.url()).await;
    let bob = app.enter("bob", "r1").await;
    let alice = enter_over(&app, &relay, "alice").await;
    let mut alices = Listener::to(&alice);
    relay.break_down();
    reaches(&alice, is_reconnecting).await;
    for round in 0..150 {
        bob.start_publishing_stream("s2").await.unwrap();
        bob.stop_publishing_stream("s2").await.unwrap();
        if round % 20 == 0 {
            world.advance(1);
        }
    }
    bob.start_publishing_stream("s3").await.unwrap();
    relay.mend();
    come_back(&world, &alice).await;
    let streams = alices.next(|event| match event {
        Event::LoggedIn(admission) => panic!("the place was kept: {admission:?}"),
        Event::StreamsStarted(streams) => Some(streams),
        _ => None,
    });
    assert!(streams.await.iter().all(|stream| stream.stream_id == "s3"), "what came and went is not told");
    assert_eq!(alice.streams(), bob.streams());
    bob.send_message("on").await.unwrap();
    alices.next(message).await;
    world.stop().await;
}

#[tokio::test]
async fn a_place_that_another_login_took_is_not_taken_back() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let relay = Relay::to(&world.url()).await;
    let first = enter_over(&app, &relay, "alice").await;
    let heard = Listener::to(&first);
    relay.break_down();
    reaches(&first, is_reconnecting).await;
    let second = app.enter("alice", "r1").await;
    relay.mend();
    world.advance(1);
    let last = reaches(&first, RoomState::is_over).await;
    assert!(matches!(&last, RoomState::ReconnectFailed(_)) && last.number() == 1_002_086, "{last:?}");
    heard.rest().await;
    assert!(second.state().is_connected());
    world.stop().await;
}
