//! Inside a room: requests and answers, news, leaving.

use roompass_sdk::{ErrorCode, ErrorKind, Event, FixedToken, Kick, RoomState, Stream};
use roompass_wire::gateway::{
    Change, ClientMessage, Kicked, RoomStreams, RoomUsers, ServerMessage, StreamStopped, TokenExpired, TokenWillExpire,
};

use crate::peer::*;

fn room_users(seq: u64, change: Change, user_id: &str) -> ServerMessage {
    ServerMessage::RoomUsers(RoomUsers {
        room_id: "lobby".into(),
        seq,
        change,
        users: vec![user(user_id)],
        reason: None,
    })
}

fn kicked(code: ErrorCode, may_reconnect: bool) -> ServerMessage {
    let number = code.row().number;
    ServerMessage::Kicked(Kicked {
        room_id: "lobby".into(),
        code,
        number,
        message: "out".into(),
        may_reconnect,
        reason: None,
    })
}

async fn admitted() -> (roompass_sdk::Room, Talk, Peer) {
    let peer = Peer::start().await;
    let client = peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    let (room, talk) = peer.admit(&client, 3600).await;
    (room, talk, peer)
}

#[tokio::test]
async fn the_first_listener_hears_the_whole_stay_in_order() {
    let (room, mut talk, _peer) = admitted().await;
    talk.send(&room_users(2, Change::Add, "bob")).await;
    let stream = Stream { stream_id: "s9".into(), user_id: "bob".into(), ..Stream::default() };
    let streams = vec![stream.clone()];
    talk.send(&ServerMessage::RoomStreams(RoomStreams {
        room_id: "lobby".into(),
        seq: 3,
        change: Change::Add,
        streams,
        reason: None,
    }))
    .await;
    talk.send(&room_users(4, Change::Delete, "bob")).await;
    let mut events = room.events();
    let mut heard = Vec::new();
    while heard.len() < 7 {
        heard.push(soon(events.next()).await.unwrap());
    }
    assert!(
        matches!(&heard[..], [
            Event::StateChanged { state: RoomState::Connecting, .. },
            Event::StateChanged { state: RoomState::Connected, .. },
            Event::LoggedIn(admission),
            Event::UsersJoined(first),
            Event::UsersJoined(second),
            Event::StreamsStarted(streams),
            Event::UsersLeft { users: left, .. },
        ] if admission.session_id == "s-1" && first[0].user_id == "alice" && second[0].user_id == "bob"
            && streams[..] == [stream.clone()] && left[0].user_id == "bob"),
        "{heard:?}"
    );
    assert_eq!(room.users(), [user("alice")]);
    assert_eq!(room.streams(), [stream]);
    assert_eq!(room.token_expire_at().unwrap().get(), SERVER_TIME + 3600);
}

#[tokio::test]
async fn each_request_gets_its_own_answer() {
    let (room, mut talk, _peer) = admitted().await;
    let serve = async {
        let mut requests = Vec::new();
        for _ in 0..4 {
            requests.push(talk.receive().await.unwrap());
        }
        // Answered in the wrong order on purpose.
        for request in requests.iter().rev() {
            match request {
                ClientMessage::Publish(_) => talk.refuse(Some(request.id()), ErrorCode::PublishDenied).await,
                ClientMessage::StopPlay(_) => talk.refuse(Some(request.id()), ErrorCode::NotPlaying).await,
                _ => talk.ok(request.id()).await,
            }
        }
    };
    let (publish, play, stop_publish, stop_play, ()) = soon(async {
        tokio::join!(
            room.start_publishing_stream("s1"),
            room.start_playing_stream("s2"),
            room.stop_publishing_stream("s3"),
            room.stop_playing_stream("s4"),
            serve,
        )
    })
    .await;
    assert_eq!(publish.unwrap_err().code(), Some(ErrorCode::PublishDenied));
    assert_eq!(stop_play.unwrap_err().number(), Some(1004011));
    assert!(play.is_ok() && stop_publish.is_ok());
    assert_eq!(room.start_publishing_stream("no spaces").await.unwrap_err().kind(), ErrorKind::Usage);
}

#[tokio::test]
async fn without_a_provider_the_app_is_warned_and_renews_by_hand() {
    let peer = Peer::start().await;
    let client = peer.client().build().unwrap();
    let first = token(SERVER_TIME + 60);
    let serve = async {
        let (mut talk, login) = peer.greet().await;
        talk.admit(login.id, Some(SERVER_TIME + 60)).await;
        talk
    };
    let (room, mut talk) = tokio::join!(client.login_room_with_token("lobby", alice(), &first), serve);
    let room = room.unwrap();
    let mut events = room.events();
    let (room_id, expire_at) = ("lobby".to_owned(), SERVER_TIME + 60);
    let server_time = SERVER_TIME + 30;
    talk.send(&ServerMessage::TokenWillExpire(TokenWillExpire {
        room_id: room_id.clone(),
        remain_secs: 30,
        expire_at,
        server_time,
    }))
    .await;
    let left = event(&mut events, |event| match event {
        Event::TokenWillExpire { left, .. } => Some(left),
        _ => None,
    });
    assert_eq!(left.await.as_secs(), 30);
    talk.send(&ServerMessage::TokenExpired(TokenExpired { room_id, expire_at })).await;
    event(&mut events, |event| matches!(event, Event::TokenExpired { .. }).then_some(())).await;

    let second = token(SERVER_TIME + 7200);
    let (renewed, ()) = tokio::join!(room.renew_token(&second), async {
        let (id, shown) = talk.expect_renewal().await;
        assert_eq!(shown, second);
        talk.renewed(id, SERVER_TIME + 7200, SERVER_TIME + 61).await;
    });
    renewed.unwrap();
    assert_eq!(room.token_expire_at().unwrap().get(), SERVER_TIME + 7200);
    assert_eq!(room.admission().privileges.len(), 1);

    let (refused, ()) = tokio::join!(room.renew_token(&first), async {
        let (id, _) = talk.expect_renewal().await;
        talk.refuse(Some(id), ErrorCode::TokenExpired).await;
    });
    assert_eq!(refused.unwrap_err().code(), Some(ErrorCode::TokenExpired));
    assert_eq!(room.token_expire_at().unwrap().get(), SERVER_TIME + 7200);
}

#[tokio::test]
async fn logging_out_ends_everything_once() {
    let (room, mut talk, _peer) = admitted().await;
    let mut events = room.events();
    let ((), ()) = tokio::join!(room.logout_room(), async {
        match talk.receive().await {
            Some(ClientMessage::Logout(logout)) => talk.ok(logout.id).await,
            other => panic!("not a logout: {other:?}"),
        }
        talk.expect_gone().await;
    });
    assert!(matches!(room.state(), RoomState::Disconnected));
    assert_eq!(room.start_playing_stream("s1").await.unwrap_err().kind(), ErrorKind::Ended);
    soon(room.logout_room()).await;
    event(&mut events, |event| {
        matches!(event, Event::StateChanged { state: RoomState::Disconnected, .. }).then_some(())
    })
    .await;
    assert!(soon(events.next()).await.is_none());
    assert!(soon(room.events().next()).await.is_none());
}

#[tokio::test]
async fn dropping_the_room_logs_out() {
    let (room, mut talk, _peer) = admitted().await;
    drop(room);
    assert!(matches!(talk.receive().await, Some(ClientMessage::Logout(_))));
}

#[tokio::test]
async fn a_kick_is_final_and_says_why() {
    let (room, mut talk, _peer) = admitted().await;
    talk.send(&kicked(ErrorCode::KickedByOtherLogin, false)).await;
    let mut state = room.watch_state();
    let last = soon(state.wait_for(RoomState::is_over)).await.unwrap().clone();
    assert!(matches!(last, RoomState::Kicked(Kick { code: ErrorCode::KickedByOtherLogin, number: 1002050, .. })));
    talk.expect_gone().await;
}

#[tokio::test]
async fn a_connection_level_refusal_that_time_does_not_heal_ends_the_stay() {
    let (room, mut talk, _peer) = admitted().await;
    talk.refuse(None, ErrorCode::MessageInvalid).await;
    let mut state = room.watch_state();
    let last = soon(state.wait_for(RoomState::is_over)).await.unwrap().clone();
    assert!(matches!(last, RoomState::Kicked(Kick { code: ErrorCode::MessageInvalid, .. })));
}

#[tokio::test]
async fn a_stream_ended_by_the_server_is_told() {
    let (room, mut talk, _peer) = admitted().await;
    let code = ErrorCode::PublishDenied;
    talk.send(&ServerMessage::PublishStopped(StreamStopped { stream_id: "s1".into(), code, number: 1003025 })).await;
    let mut events = room.events();
    let stopped = event(&mut events, |event| match event {
        Event::PublishStopped { stream_id, code } => Some((stream_id, code)),
        _ => None,
    });
    assert_eq!(stopped.await, ("s1".to_owned(), code));
}

#[tokio::test]
async fn a_slow_listener_is_told_how_much_it_missed() {
    let peer = Peer::start().await;
    let provider = FixedToken::new(token(SERVER_TIME + 3600));
    let client = peer.client().event_buffer(4).token_provider(provider).build().unwrap();
    let (room, mut talk) = peer.admit(&client, 3600).await;
    let mut events = room.events();
    for seq in 2..50 {
        talk.send(&room_users(seq, Change::Add, &format!("u{seq}"))).await;
    }
    let (published, ()) = tokio::join!(room.start_publishing_stream("s1"), async {
        let id = talk.expect_publish().await.id;
        talk.ok(id).await;
    });
    published.unwrap();
    // 4 events of the login, 48 changes; 4 are kept.
    assert!(matches!(soon(events.next()).await, Some(Event::Lagged { missed: 48 })));
    assert!(matches!(soon(events.next()).await, Some(Event::UsersJoined(users)) if users[0].user_id == "u46"));
    assert_eq!(room.users().len(), 49);
}

#[tokio::test]
async fn requests_are_sent_no_faster_than_the_server_takes_them() {
    let (room, mut talk, peer) = admitted().await;
    let room = std::sync::Arc::new(room);
    let mut plays = tokio::task::JoinSet::new();
    for number in 0..120 {
        let room = std::sync::Arc::clone(&room);
        plays.spawn(async move { room.start_playing_stream(&format!("p{number}")).await });
    }
    // As many as may go at once; the rest as time goes on.
    for _ in 0..80 {
        let id = talk.receive().await.unwrap().id();
        talk.ok(id).await;
    }
    for _ in 0..40 {
        let mut next = Box::pin(talk.receive());
        for _ in 0..10 {
            assert!(futures_util::poll!(&mut next).is_pending());
            tokio::task::yield_now().await;
        }
        peer.environment.advance(std::time::Duration::from_millis(25));
        let id = next.await.unwrap().id();
        talk.ok(id).await;
    }
    assert!(soon(plays.join_all()).await.iter().all(Result::is_ok));
}
