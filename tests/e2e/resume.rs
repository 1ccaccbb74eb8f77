//! A connection that breaks: the place is kept, and what was missed is heard.

use futures_util::future::join_all;
use roompass_sdk::{ErrorCode, Event, LocalUser, Room, RoomState};
use roompass_tests::{Listener, Relay, TestApp, World};

/// Bob, and alice over a wire that breaks, in one room.
struct Scene {
    world: World,
    app: TestApp,
    relay: Relay,
    bob: Room,
    alice: Room,
}

impl Scene {
    async fn set() -> Self {
        Self::in_world(World::start().await).await
    }

    async fn in_world(world: World) -> Self {
        let app = world.app(1, |_| ()).await;
        let relay = Relay::to(&world.url()).await;
        let bob = app.enter("bob", "r1").await;
        let client = app.client_over(&relay).token_provider(app.provider(3600)).build().expect("the options are good");
        let alice = LocalUser::new("alice").expect("a good id");
        let alice = client.login_room("r1", alice).await.expect("the token is good");
        Self { world, app, relay, bob, alice }
    }

    /// Alice loses her connection, and cannot get another.
    async fn break_down(&self) {
        self.relay.break_down();
        reaches(&self.alice, |state| matches!(state, RoomState::Reconnecting)).await;
    }

    /// Lets alice try again until she is back.
    async fn come_back(&self) {
        self.relay.mend();
        loop {
            self.world.advance(1);
            tokio::select! {
                biased;
                _ = reaches(&self.alice, RoomState::is_connected) => return,
                // A try takes a few turns of this thread; the next second comes only when nothing else is to do.
                () = async { for _ in 0..200 { tokio::task::yield_now().await } } => {}
            }
        }
    }
}

async fn reaches(room: &Room, pick: fn(&RoomState) -> bool) -> RoomState {
    room.watch_state().wait_for(pick).await.expect("the room is there").clone()
}

fn message(event: Event) -> Option<(u64, String)> {
    match event {
        Event::RoomMessage(message) => Some((message.seq, message.text)),
        _ => None,
    }
}

#[tokio::test]
async fn a_short_loss_is_noticed_by_nobody_and_nothing_is_missed_or_heard_twice() {
    let scene = Scene::set().await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let (mut alices, mut bobs) = (Listener::to(alice), Listener::to(bob));
    alice.start_publishing_stream("s1").await.unwrap();
    bob.start_publishing_stream("s2").await.unwrap();
    alice.start_playing_stream("s2").await.unwrap();
    bob.send_message("one").await.unwrap();
    let (first, _) = alices.next(message).await;
    let session_id = alice.admission().session_id;

    scene.break_down().await;
    for text in ["two", "three"] {
        bob.send_message(text).await.unwrap();
    }
    bob.set_user_extra("hand").await.unwrap();
    scene.come_back().await;
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
        Event::StreamsStopped { streams, .. } => (streams[0].stream_id == "s1").then_some(()),
        _ => None,
    })
    .await;
    alice.logout_room().await;
    alices.rest().await;
    scene.world.stop().await;
}

#[tokio::test]
async fn after_the_time_that_the_app_allows_the_user_is_gone_and_comes_back_anew() {
    let scene = Scene::set().await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let (mut alices, mut bobs) = (Listener::to(alice), Listener::to(bob));
    alice.start_publishing_stream("s1").await.unwrap();
    let session_id = alice.admission().session_id;
    scene.break_down().await;
    scene.world.advance(92);
    bobs.leaving_with("s1").await;
    scene.come_back().await;
    let anew = |event| match event {
        Event::LoggedIn(admission) if admission.session_id != session_id => Some(()),
        _ => None,
    };
    alices.next(anew).await;
    // The stream is started again without being asked for.
    bobs.next(|event| match event {
        Event::StreamsStarted(streams) => (streams[0].stream_id == "s1").then_some(()),
        _ => None,
    })
    .await;
    alice.logout_room().await;
    alices.rest().await;
    scene.world.stop().await;
}

#[tokio::test]
async fn what_is_too_much_to_be_heard_again_is_told_as_the_difference() {
    let scene = Scene::set().await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let mut alices = Listener::to(alice);
    let session_id = alice.admission().session_id;
    scene.break_down().await;
    for round in 0..150 {
        bob.start_publishing_stream("s2").await.unwrap();
        bob.stop_publishing_stream("s2").await.unwrap();
        if round % 20 == 0 {
            scene.world.advance(1);
        }
    }
    bob.start_publishing_stream("s3").await.unwrap();
    scene.come_back().await;
    let streams = alices.next(|event| match event {
        Event::LoggedIn(admission) => {
            assert_eq!(admission.session_id, session_id, "the place was kept");
            None
        }
        Event::StreamsStarted(streams) => Some(streams),
        _ => None,
    });
    assert!(streams.await.iter().all(|stream| stream.stream_id == "s3"), "what came and went is not told");
    assert_eq!(alice.streams(), bob.streams());
    bob.send_message("on").await.unwrap();
    alices.next(message).await;
    scene.world.stop().await;
}

// proves W4 (for the SDK)
#[tokio::test]
async fn whoever_was_cut_off_for_not_reading_goes_on_with_the_same_session() {
    let scene = Scene::in_world(World::start_with(|config| config.gateway.outbox.max_messages = 4).await).await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let (mut alices, mut bobs) = (Listener::to(alice), Listener::to(bob));
    alice.start_publishing_stream("s1").await.unwrap();
    bobs.next(|event| matches!(event, Event::StreamsStarted(_)).then_some(())).await;
    let session_id = alice.admission().session_id;
    // More at once than may wait for anybody.
    while alice.state().is_connected() {
        let burst = (0..30).map(|_| bob.send_signal(&["alice"], "look"));
        tokio::select! {
            _ = reaches(alice, |state| !state.is_connected()) => {}
            _ = join_all(burst) => scene.world.advance(2),
        }
    }
    assert!(matches!(alice.state(), RoomState::Reconnecting), "{:?}", alice.state());
    scene.come_back().await;
    assert_eq!(alice.admission().session_id, session_id);
    alices.next(|event| matches!(event, Event::StateChanged { state: RoomState::Reconnected, .. }).then_some(())).await;
    alice.stop_publishing_stream("s1").await.expect("it has gone on all the while");
    let stopped = bobs.next(|event| match event {
        Event::UsersLeft { .. } => panic!("to bob, alice was never away"),
        Event::StreamsStopped { streams, .. } => Some(streams),
        _ => None,
    });
    assert_eq!(stopped.await[0].stream_id, "s1");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_place_that_another_login_took_is_not_taken_back() {
    let scene = Scene::set().await;
    let heard = Listener::to(&scene.alice);
    scene.break_down().await;
    let second = scene.app.enter("alice", "r1").await;
    scene.relay.mend();
    scene.world.advance(1);
    let last = reaches(&scene.alice, RoomState::is_over).await;
    assert!(matches!(&last, RoomState::ReconnectFailed(_)) && last.number() == 1_002_086, "{last:?}");
    heard.rest().await;
    assert!(second.state().is_connected());
    scene.world.stop().await;
}
