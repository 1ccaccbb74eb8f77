//! Put out of the room: told why, and not coming back.

use roompass_sdk::{ErrorCode, LocalUser, RoomState};
use roompass_tests::{Listener, Relay, TestApp, World};
use serde_json::{Value, json};

async fn post(world: &World, app: &TestApp, path: &str, body: Value) {
    let url = format!("{}/v1/apps/{}/{path}", world.url(), app.app_id);
    let key = app.credentials.backend_key.expose();
    let response =
        reqwest::Client::new().post(url).bearer_auth(key).json(&body).send().await.expect("the server answers");
    assert!(response.status().is_success(), "{}", response.status());
}

// proves T55 (the SDK does not come back)
#[tokio::test]
async fn a_banned_user_is_put_out_and_the_sdk_does_not_come_back() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let client = app.client().token_provider(app.provider(3600)).build().unwrap();
    let alice = || LocalUser::new("alice").unwrap();
    let room = client.login_room("r1", alice()).await.unwrap();
    let heard = Listener::to(&room);
    post(&world, &app, "bans", json!({ "user_id": "alice", "duration_secs": 600 })).await;
    let last = room.watch_state().wait_for(RoomState::is_over).await.unwrap().clone();
    assert!(matches!(&last, RoomState::Kicked(kick) if kick.code == ErrorCode::Banned), "{last:?}");
    assert_eq!(last.number(), 1_002_066);
    heard.rest().await;
    assert_eq!(client.login_room("r1", alice()).await.unwrap_err().code(), Some(ErrorCode::Banned));
    world.advance(601);
    client.login_room("r1", alice()).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn who_is_shut_out_while_away_hears_of_it_on_the_way_back() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let relay = Relay::to(&world.url()).await;
    let client = app.client_over(&relay).token_provider(app.provider(3600)).build().unwrap();
    let room = client.login_room("r1", LocalUser::new("alice").unwrap()).await.unwrap();
    let heard = Listener::to(&room);
    relay.break_down();
    room.watch_state().wait_for(|state| matches!(state, RoomState::Reconnecting)).await.unwrap();
    post(&world, &app, "bans", json!({ "user_id": "alice", "duration_secs": 600 })).await;
    relay.mend();
    world.advance(1);
    let last = room.watch_state().wait_for(RoomState::is_over).await.unwrap().clone();
    assert!(matches!(&last, RoomState::ReconnectFailed(error) if error.code() == Some(ErrorCode::Banned)), "{last:?}");
    heard.rest().await;
    world.stop().await;
}
