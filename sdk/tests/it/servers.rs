//! Several servers, and servers that ask to be left alone.

use std::{sync::Arc, time::Duration};

use roompass_sdk::{AppSign, Client, ErrorCode, ErrorKind, FixedToken, RoomState};
use roompass_wire::{
    Problem,
    gateway::{Kicked, ServerMessage},
};
use tokio::net::TcpListener;

use crate::peer::*;

/// An address where nobody answers.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A client of two peers, on the time of the first.
fn client_of(first: &Peer, second: &Peer) -> Client {
    let provider = FixedToken::new(token(SERVER_TIME + 3600));
    first.client().fallback_url(&second.url).token_provider(provider).build().unwrap()
}

#[tokio::test]
async fn a_login_goes_to_the_first_server_that_answers() {
    let peer = Peer::start().await;
    let client = Client::builder(APP_ID, &nobody().await).fallback_url(&peer.url).environment(peer.environment.clone());
    let app_sign = AppSign::new(&"0f".repeat(32)).unwrap();
    let client = client.app_sign(app_sign.clone()).build().unwrap();
    let serve = async {
        let (mut talk, login) = peer.greet().await;
        talk.admit(login.id, None).await;
        (talk, login)
    };
    let (room, (_talk, login)) = soon(async { tokio::join!(client.login_room("lobby", alice()), serve) }).await;
    assert!(room.unwrap().state().is_connected());
    assert!(proves(&app_sign, &peer.url, &login), "the proof is for the server that answered");
}

#[tokio::test]
async fn with_no_server_there_the_last_failure_is_told() {
    let client = Client::builder(APP_ID, &nobody().await).fallback_url(&nobody().await);
    let client = client.token_provider(FixedToken::new(token(SERVER_TIME + 60))).build().unwrap();
    let error = soon(client.login_room("lobby", alice())).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Network, true));
}

#[tokio::test]
async fn a_refusal_of_the_user_is_not_taken_to_another_server() {
    let (first, second) = (Peer::start().await, Peer::start().await);
    let client = client_of(&first, &second);
    let serve = async {
        let (mut talk, login) = first.greet().await;
        talk.refuse(Some(login.id), ErrorCode::Banned).await;
    };
    let (room, ()) = tokio::join!(client.login_room("lobby", alice()), serve);
    assert_eq!(room.unwrap_err().code(), Some(ErrorCode::Banned));
}

#[tokio::test]
async fn a_lost_connection_is_sought_where_it_was_and_then_elsewhere() {
    let (first, second) = (Peer::start().await, Peer::start().await);
    let (room, talk) = first.admit(&client_of(&first, &second), 3600).await;
    drop(talk);
    let_it_try(&room, &first).await;
    first.refuse_upgrade("HTTP/1.1 503 X\r\ncontent-length: 0\r\nretry-after: 50\r\n\r\n").await;
    // The second wait, with chance 0.5; that the first server asks for more says nothing of the second.
    settle().await;
    first.environment.advance(Duration::from_secs(1));
    let (mut talk, login) = second.greet().await;
    talk.admit(login.id, Some(SERVER_TIME + 3600)).await;
    state(&room, RoomState::is_connected).await;
}

#[tokio::test]
async fn a_server_that_stops_is_left_at_once_for_another() {
    let (first, second) = (Peer::start().await, Peer::start().await);
    let (room, mut talk) = first.admit(&client_of(&first, &second), 3600).await;
    let (room_id, message) = ("lobby".to_owned(), String::new());
    let code = ErrorCode::KickedInternal;
    talk.send(&ServerMessage::Kicked(Kicked { room_id, code, number: 0, message, may_reconnect: true, reason: None }))
        .await;
    let_it_try(&room, &first).await;
    let (mut talk, login) = second.greet().await;
    talk.admit(login.id, Some(SERVER_TIME + 3600)).await;
    state(&room, RoomState::is_connected).await;
}

// proves F10 (the client stays away as long as the server asks)
#[tokio::test]
async fn a_server_that_asks_for_time_gets_it_and_a_random_wait_on_top() {
    let peer = Peer::start().await;
    let provider = FixedToken::new(token(SERVER_TIME + 3600));
    let client = peer.client().token_provider(provider).build().unwrap();
    let (room, talk) = peer.admit(&client, 3600).await;
    drop(talk);
    let_it_try(&room, &peer).await;
    let body = serde_json::to_string(&Problem::new(ErrorCode::RateLimited)).unwrap();
    let length = body.len();
    peer.refuse_upgrade(&format!("HTTP/1.1 429 X\r\ncontent-length: {length}\r\nretry-after: 5\r\n\r\n{body}")).await;
    let accepted = Arc::new(tokio::sync::Notify::new());
    let (mut talk, login) = soon(async {
        let watched = Arc::clone(&accepted);
        tokio::join!(
            async {
                let greeted = peer.greet().await;
                watched.notify_one();
                greeted
            },
            async {
                // Five seconds, and one by chance.
                settle().await;
                peer.environment.advance(Duration::from_millis(5_900));
                settle().await;
                assert!(futures_util::FutureExt::now_or_never(accepted.notified()).is_none());
                peer.environment.advance(Duration::from_millis(100));
            }
        )
        .0
    })
    .await;
    talk.admit(login.id, Some(SERVER_TIME + 3600)).await;
    state(&room, RoomState::is_connected).await;
}

#[tokio::test]
async fn a_refused_upgrade_is_named_by_its_code_and_tells_when_to_come_again() {
    let peer = Peer::start().await;
    let client = peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 60))).build().unwrap();
    let body = serde_json::to_string(&Problem::new(ErrorCode::RateLimited)).unwrap();
    let length = body.len();
    // That is the time a login may take as a whole, so there is no point in waiting.
    let answer = format!("HTTP/1.1 429 X\r\ncontent-length: {length}\r\nretry-after: 30\r\n\r\n{body}");
    let (room, ()) = tokio::join!(client.login_room("lobby", alice()), peer.refuse_upgrade(&answer));
    let error = room.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Some(ErrorCode::RateLimited), true));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
}

// proves F10 (a first login stays away as long as the server asks)
#[tokio::test]
async fn a_first_login_comes_again_when_the_server_says() {
    let peer = Peer::start().await;
    let client = peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 60))).build().unwrap();
    let busy = "HTTP/1.1 503 X\r\ncontent-length: 0\r\nretry-after: 5\r\n\r\n";
    let serve = async {
        // Five seconds and half a second by chance, then five and a whole one.
        for wait in [5_500, 6_000] {
            peer.refuse_upgrade(busy).await;
            settle().await;
            peer.environment.advance(Duration::from_millis(wait - 100));
            settle().await;
            assert!(futures_util::FutureExt::now_or_never(peer.accept()).is_none());
            peer.environment.advance(Duration::from_millis(100));
        }
        let (mut talk, login) = peer.greet().await;
        talk.admit(login.id, Some(SERVER_TIME + 60)).await;
        talk
    };
    let (room, _talk) = soon(async { tokio::join!(client.login_room("lobby", alice()), serve) }).await;
    assert!(room.unwrap().state().is_connected());
}
