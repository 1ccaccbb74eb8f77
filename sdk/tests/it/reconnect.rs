//! The connection breaks: the way back, and when there is none.

use std::time::Duration;

use roompass_sdk::{Cause, Client, ErrorCode, ErrorKind, Event, FixedToken, RoomState, TokenAnswer, TokenRequest};
use roompass_wire::gateway::{
    Change, ClientMessage, Kicked, LoggedIn, Publish, RoomUsers, ServerMessage, StreamRequest,
};

use crate::peer::*;

fn client(peer: &Peer) -> Client {
    peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap()
}

#[tokio::test]
async fn after_a_loss_the_user_is_back_with_all_streams() {
    let peer = Peer::start().await;
    let (room, mut talk) = peer.admit(&client(&peer), 3600).await;
    let mut events = room.events();
    for stream_id in ["s1", "s2", "s3"] {
        let (done, ()) = tokio::join!(room.start_publishing_stream(stream_id), async {
            let id = talk.expect_publish().await.id;
            talk.ok(id).await;
        });
        done.unwrap();
    }
    let (done, ()) = tokio::join!(room.start_playing_stream("p1"), async {
        let id = talk.receive().await.unwrap().id();
        talk.ok(id).await;
    });
    done.unwrap();
    // Stopped before the loss, so not to be started after it, although the server never answered.
    let mut stop = Box::pin(room.stop_publishing_stream("s2"));
    tokio::select! {
        _ = &mut stop => panic!("nobody answered"),
        _ = talk.receive() => {}
    }
    drop(talk);
    assert_eq!(soon(stop).await.unwrap_err().kind(), ErrorKind::Network);

    let_it_try(&room, &peer).await;
    let (mut talk, login) = peer.greet().await;
    talk.admit_as(LoggedIn {
        id: login.id,
        expire_at: Some(SERVER_TIME + 3600),
        users: vec![user("alice"), user("bob")],
        ..logged_in()
    })
    .await;
    let mut resumed = Vec::new();
    for _ in 0..3 {
        match talk.receive().await {
            Some(ClientMessage::Publish(request)) if request.stream_id == "s3" => {
                talk.refuse(Some(request.id), ErrorCode::StreamIdTaken).await;
                resumed.push(request.stream_id);
            }
            Some(
                ClientMessage::Publish(Publish { id, stream_id, .. })
                | ClientMessage::Play(StreamRequest { id, stream_id }),
            ) => {
                talk.ok(id).await;
                resumed.push(stream_id);
            }
            other => panic!("not a stream: {other:?}"),
        }
    }
    assert_eq!(resumed, ["s1", "s3", "p1"]);
    state(&room, RoomState::is_connected).await;
    let came = event(&mut events, |event| match event {
        Event::UsersJoined(users) if users[0].user_id != "alice" => Some(users),
        _ => None,
    });
    assert_eq!(came.await, [user("bob")]);
    let ended = event(&mut events, |event| match event {
        Event::PublishStopped { stream_id, code } => Some((stream_id, code)),
        _ => None,
    });
    assert_eq!(ended.await, ("s3".to_owned(), ErrorCode::StreamIdTaken));
}

#[tokio::test]
async fn an_old_token_is_replaced_before_the_login_by_the_servers_clock() {
    let peer = Peer::start().await;
    let provider = |request: TokenRequest| async move {
        match request.cause {
            Cause::FirstLogin => TokenAnswer::Token(token(SERVER_TIME + 3600)),
            Cause::Relogin => TokenAnswer::Token(token(SERVER_TIME + 9000)),
            other => panic!("asked for {other:?}"),
        }
    };
    let (room, talk) = peer.admit(&peer.client().token_provider(provider).build().unwrap(), 3600).await;
    drop(talk);
    let_it_try(&room, &peer).await;
    // The device slept an hour without noticing; the greeting reveals it, and no login is tried with the old token.
    let mut talk = peer.accept().await;
    talk.hello(SERVER_TIME + 3590).await;
    talk.expect_gone().await;
    let mut talk = peer.accept().await;
    talk.hello(SERVER_TIME + 3591).await;
    let shown = talk.expect_login().await.token.unwrap();
    assert_eq!(roompass_sdk::UnixSeconds::new(SERVER_TIME + 9000), token_gen::expire_at_unverified(&shown).unwrap());
}

#[tokio::test]
async fn refusals_that_time_heals_are_tried_again_and_others_end_the_stay() {
    let peer = Peer::start().await;
    let (room, talk) = peer.admit(&client(&peer), 3600).await;
    drop(talk);
    let_it_try(&room, &peer).await;
    let (mut talk, login) = peer.greet().await;
    talk.refuse(Some(login.id), ErrorCode::RoomFull).await;
    talk.expect_gone().await;
    peer.environment.advance(Duration::from_secs(30));
    let (mut talk, login) = peer.greet().await;
    talk.refuse(Some(login.id), ErrorCode::Banned).await;
    let last = state(&room, RoomState::is_over).await;
    assert!(matches!(last, RoomState::ReconnectFailed(error) if error.code() == Some(ErrorCode::Banned)));
}

#[tokio::test]
async fn a_kick_that_invites_back_is_followed_by_a_return() {
    let peer = Peer::start().await;
    let (room, mut talk) = peer.admit(&client(&peer), 3600).await;
    let (room_id, message) = ("lobby".to_owned(), String::new());
    let code = ErrorCode::KickedInternal;
    talk.send(&ServerMessage::Kicked(Kicked { room_id, code, number: 0, message, may_reconnect: true, reason: None }))
        .await;
    let_it_try(&room, &peer).await;
    let (mut talk, login) = peer.greet().await;
    talk.admit(login.id, Some(SERVER_TIME + 3600)).await;
    state(&room, RoomState::is_connected).await;
}

#[tokio::test]
async fn a_missed_change_is_healed_by_coming_back() {
    let peer = Peer::start().await;
    let (room, mut talk) = peer.admit(&client(&peer), 3600).await;
    let users = vec![user("carol")];
    talk.send(&ServerMessage::RoomUsers(RoomUsers {
        room_id: "lobby".into(),
        seq: 9,
        change: Change::Add,
        users,
        reason: None,
    }))
    .await;
    let_it_try(&room, &peer).await;
    let (mut talk, login) = peer.greet().await;
    let users = vec![user("alice"), user("carol")];
    talk.admit_as(LoggedIn { id: login.id, seq: 9, users, ..logged_in() }).await;
    state(&room, RoomState::is_connected).await;
    assert_eq!(room.users().len(), 2);
}

#[tokio::test]
async fn after_the_limit_the_room_is_given_up() {
    let peer = Peer::start().await;
    let client = peer.client().reconnect_limit(Duration::from_secs(60));
    let client = client.token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    let (room, talk) = peer.admit(&client, 3600).await;
    drop(talk);
    let_it_try(&room, &peer).await;
    // The try under way is cut short too.
    let mut talk = peer.accept().await;
    peer.environment.advance(Duration::from_secs(60));
    let last = state(&room, RoomState::is_over).await;
    assert!(matches!(last, RoomState::ReconnectFailed(error) if error.kind() == ErrorKind::Timeout));
    talk.expect_gone().await;
}

#[tokio::test]
async fn what_is_asked_for_meanwhile_is_done_after_the_return() {
    let peer = Peer::start().await;
    let (room, talk) = peer.admit(&client(&peer), 3600).await;
    drop(talk);
    state(&room, |state| matches!(state, RoomState::Reconnecting)).await;
    let newer = token(SERVER_TIME + 7200);
    let serve = async {
        // Both requests are in the channel before time moves.
        tokio::task::yield_now().await;
        peer.environment.advance(Duration::from_secs(1));
        let (mut talk, login) = peer.greet().await;
        assert_eq!(login.token.as_deref(), Some(&*newer));
        talk.admit(login.id, Some(SERVER_TIME + 7200)).await;
        let (id, shown) = talk.expect_renewal().await;
        assert_eq!(shown, newer);
        talk.renewed(id, SERVER_TIME + 7200, SERVER_TIME).await;
        let id = talk.expect_publish().await.id;
        talk.ok(id).await;
        talk
    };
    let (renewed, published, _talk) =
        soon(async { tokio::join!(room.renew_token(&newer), room.start_publishing_stream("s1"), serve) }).await;
    renewed.unwrap();
    published.unwrap();
}

#[tokio::test]
async fn leaving_while_reconnecting_is_done_at_once() {
    let peer = Peer::start().await;
    let (room, talk) = peer.admit(&client(&peer), 3600).await;
    drop(talk);
    state(&room, |state| matches!(state, RoomState::Reconnecting)).await;
    soon(room.logout_room()).await;
    assert!(matches!(room.state(), RoomState::Disconnected));
}

#[tokio::test]
async fn a_server_that_no_longer_answers_is_left() {
    let peer = Peer::start().await;
    let builder = peer.client().keep_alive(Duration::from_secs(25));
    let client = builder.token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    let (room, mut talk) = peer.admit(&client, 3600).await;
    // Not reading, the peer does not answer the ping.
    let published = room.start_publishing_stream("s1");
    let (published, ()) = tokio::join!(published, async {
        let id = talk.expect_publish().await.id;
        talk.ok(id).await;
    });
    published.unwrap();
    peer.environment.advance(Duration::from_secs(25));
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(room.state().is_connected());
    peer.environment.advance(Duration::from_secs(15));
    state(&room, |state| matches!(state, RoomState::Reconnecting)).await;
}

#[tokio::test]
async fn a_sleep_is_noticed_by_the_date_and_the_connection_checked_at_once() {
    let peer = Peer::start().await;
    let client = peer.client().keep_alive(Duration::from_secs(25));
    let client = client.token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    let (room, _talk) = peer.admit(&client, 3600).await;
    settle().await;
    // The device sleeps: the timer that asks after 25 s of silence stands still meanwhile.
    peer.environment.sleep(Duration::from_secs(3600));
    peer.environment.advance(Duration::from_secs(25));
    settle().await;
    assert!(room.state().is_connected());
    // Not reading, the peer does not answer the ping, which is given 5 s now instead of 15.
    peer.environment.advance(Duration::from_secs(5));
    state(&room, |state| matches!(state, RoomState::Reconnecting)).await;
}

#[tokio::test]
async fn an_app_that_knows_of_a_wake_has_the_connection_checked_at_once() {
    let peer = Peer::start().await;
    let (room, talk) = peer.admit(&client(&peer), 3600).await;
    room.check_connection();
    settle().await;
    // Not reading, the peer does not answer the ping.
    peer.environment.advance(Duration::from_secs(5));
    state(&room, |state| matches!(state, RoomState::Reconnecting)).await;
    drop(talk);
    // Until here nothing has been tried: the first wait, with chance 0.5, is half a second.
    peer.environment.advance(Duration::from_millis(500));
    peer.refuse_upgrade("HTTP/1.1 503 X\r\ncontent-length: 0\r\nretry-after: 50\r\n\r\n").await;
    settle().await;
    room.check_connection();
    settle().await;
    peer.environment.advance(Duration::from_millis(500));
    let (mut talk, login) = peer.greet().await;
    talk.admit(login.id, Some(SERVER_TIME + 3600)).await;
    state(&room, RoomState::is_connected).await;
}
