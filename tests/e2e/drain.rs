//! A server that is stopped and started again: its clients are told, go one after the other, and come back.

use std::{sync::Arc, time::Duration};

use rand::rngs::SysRng;
use roompass_sdk::{Client, Event, LocalUser, ManualEnvironment, Room, RoomState, TokenAnswer, TokenRequest};
use roompass_server::{
    Config,
    apps::AppSettings,
    clock::{Clock, ManualClock},
    sealing::MasterKey,
    store::Location,
};
use roompass_tests::Listener;
use token_gen::{AppId, Minter, Payload, UnixSeconds, UserId};
use tokio::task::JoinHandle;

/// Lets every task of this thread do what it can do now.
async fn turn_round() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Waits until client and server have heard what there was to hear: an answer comes after all that was said before it. A
/// client that goes elsewhere meanwhile has heard it, too.
async fn settle(room: &Room) {
    let mut state = room.watch_state();
    tokio::select! {
        _ = room.send_message("are you there?") => {}
        _ = state.wait_for(|state| !state.is_connected()) => {}
    }
}

/// Lets the time pass that a stopping server gives.
async fn finish(stopping: JoinHandle<()>, clock: &ManualClock) {
    while !stopping.is_finished() {
        clock.advance(Duration::from_secs(1));
        turn_round().await;
    }
    stopping.await.expect("it stops");
}

// proves F7 (for the clients)
#[tokio::test]
async fn a_server_that_is_stopped_sends_its_clients_away_and_has_them_back_when_it_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let master_key = MasterKey::generate(&mut SysRng).unwrap();
    // Not 127.0.0.1, from where the client comes: while nobody listens, it could be given the server's port.
    let mut config = Config::ephemeral(([127, 0, 0, 2], 0).into(), master_key);
    config.store = Location::File(folder.path().join("roompass.db")).into();
    config.gateway.ping_interval = Duration::from_secs(30 * 24 * 3600);
    config.gateway.drain_spread = Duration::from_secs(30);
    let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_795_440_000)));
    let server = roompass_server::start(config.clone(), clock.clone()).await.unwrap();
    let url = server.url();
    let app = server.create_app(AppSettings::new(AppId::new(1).unwrap(), "drained")).await.unwrap().app;
    // Not asking the server: that is away for a while.
    let minter = Arc::new(Minter::new(AppId::new(1).unwrap(), &app.server_secret));
    let minting_clock = clock.clone();
    let environment = Arc::new(ManualEnvironment::new(0.5));
    let very_long = Duration::from_secs(30 * 24 * 3600);
    let client = Client::builder(1, &url)
        .environment(environment.clone())
        .keep_alive(very_long)
        .connect_timeout(very_long)
        .request_timeout(very_long)
        .reconnect_limit(very_long)
        .token_provider(move |request: TokenRequest| {
            let user_id = UserId::new(request.user_id).expect("a good id");
            let wanted =
                token_gen::TokenRequest { user_id, ttl: Duration::from_secs(3600), payload: Payload::Identity };
            let minted = minter.mint(&wanted, minting_clock.now(), &mut SysRng).expect("the request is good");
            async { TokenAnswer::Token(minted.token) }
        })
        .build()
        .unwrap();
    let room = client.login_room("r1", LocalUser::new("alice").unwrap()).await.unwrap();
    let mut heard = Listener::to(&room);
    room.start_publishing_stream("s1").await.unwrap();

    let stopping = tokio::spawn(server.shutdown());
    turn_round().await;
    // What comes first to a connection that two things come to is chance: in ten turns it has heard both.
    for _ in 0..10 {
        settle(&room).await;
    }
    let mut seconds = 0;
    while room.state().is_connected() {
        assert!(seconds < 30, "nobody is kept to the very end");
        seconds += 1;
        clock.advance(Duration::from_secs(1));
        environment.advance(Duration::from_secs(1));
        settle(&room).await;
    }
    // By chance in the middle of the time that the server gives.
    assert!((14..=17).contains(&seconds), "{seconds}");
    assert!(matches!(room.state(), RoomState::Reconnecting));
    finish(stopping, &clock).await;

    config.listen = url.trim_start_matches("http://").parse().unwrap();
    let server = roompass_server::start(config, clock.clone()).await.unwrap();
    while !room.state().is_connected() {
        assert!(!room.state().is_over(), "{:?}", room.state());
        environment.advance(Duration::from_secs(1));
        turn_round().await;
    }
    heard.next(|event| matches!(event, Event::StateChanged { state: RoomState::Reconnected, .. }).then_some(())).await;
    heard.next(|event| matches!(event, Event::LoggedIn(_)).then_some(())).await;
    heard.next(|event| matches!(event, Event::StreamsStarted(_)).then_some(())).await;
    room.logout_room().await;
    heard.rest().await;
    finish(tokio::spawn(server.shutdown()), &clock).await;
}
