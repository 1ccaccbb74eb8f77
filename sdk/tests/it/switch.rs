//! From one room to another on the same connection.

use base64::{Engine, engine::general_purpose::STANDARD};
use roompass_sdk::{
    Admission, AppSign, Cause, ErrorCode, ErrorKind, Event, Events, FixedToken, RoomState, TokenAnswer, TokenRequest,
};
use roompass_wire::gateway::{LoggedIn, Login, ServerMessage, Stream};

use crate::peer::*;

fn attic(id: u64) -> LoggedIn {
    LoggedIn {
        id,
        session_id: "s-2".into(),
        room_id: "attic".into(),
        seq: 9,
        users: vec![user("dora"), user("alice")],
        streams: vec![Stream { stream_id: "d1".into(), user_id: "dora".into(), ..Stream::default() }],
        ..resumable()
    }
}

/// The changes of state up to `last`, with their rooms.
async fn states_until(events: &mut Events, last: fn(&RoomState) -> bool) -> Vec<(String, u32)> {
    let mut heard = Vec::new();
    loop {
        if let Event::StateChanged { room_id, state } = soon(events.next()).await.unwrap() {
            heard.push((room_id, state.reason()));
            if last(&state) {
                return heard;
            }
        }
    }
}

fn rooms(states: &[(&str, u32)]) -> Vec<(String, u32)> {
    states.iter().map(|&(room, reason)| (room.to_owned(), reason)).collect()
}

#[tokio::test]
async fn a_switch_asks_for_a_token_and_brings_the_other_room() {
    let peer = Peer::start().await;
    let provider = |request: TokenRequest| async move {
        match (request.cause, &*request.room_id) {
            (Cause::FirstLogin, "lobby") | (Cause::Switch, "attic") => TokenAnswer::Token(token(SERVER_TIME + 3600)),
            other => panic!("asked for {other:?}"),
        }
    };
    let app_sign = AppSign::new(&"0f".repeat(32)).unwrap();
    let client = peer.client().app_sign(app_sign.clone()).token_provider(provider).build().unwrap();
    let challenge = Some(STANDARD.encode(NEXT_CHALLENGE));
    let (room, mut talk) = peer.admit_as(&client, LoggedIn { challenge, ..resumable() }).await;
    let (done, ()) = tokio::join!(room.start_publishing_stream("s1"), async {
        let id = talk.expect_publish().await.id;
        talk.ok(id).await;
    });
    done.unwrap();
    let (switched, ()) = tokio::join!(room.switch_room("attic"), async {
        let switch = talk.expect_switch().await;
        assert_eq!((&*switch.from_room_id, &*switch.room_id), ("lobby", "attic"));
        assert!(switch.token.is_some());
        // The proof is for the new room, with the challenge that came with the login: the first is used up.
        let app_sign_proof = switch.app_sign_proof.clone();
        let shown = Login {
            id: 0,
            app_id: APP_ID,
            user_id: "alice".into(),
            user_name: None,
            room_id: "attic".into(),
            token: None,
            app_sign_proof,
            sdk: None,
        };
        let elsewhere = Login { room_id: "lobby".into(), ..shown.clone() };
        assert!(!proves_to(&NEXT_CHALLENGE, &app_sign, &peer.url, &elsewhere));
        assert!(!proves(&app_sign, &peer.url, &shown));
        assert!(proves_to(&NEXT_CHALLENGE, &app_sign, &peer.url, &shown));
        talk.admit_as(attic(switch.id)).await;
    });
    switched.unwrap();
    assert_eq!(room.room_id().as_str(), "attic");
    assert_eq!(room.users(), [user("dora"), user("alice")]);
    assert!(room.state().is_connected());

    // Back by the new place; the stream of the old room is not started in the new one.
    drop(talk);
    let_it_try(&room, &peer).await;
    let mut talk = peer.accept().await;
    talk.hello(SERVER_TIME).await;
    let resume = talk.expect_resumption().await;
    assert_eq!((&*resume.session_id, resume.seq), ("s-2", 9));
    talk.refuse(Some(resume.id), ErrorCode::ResumeRefused).await;
    let login = talk.expect_login().await;
    assert_eq!(login.room_id, "attic");
    talk.admit_as(attic(login.id)).await;
    state(&room, |state| matches!(state, RoomState::Reconnected)).await;
    drop(room);
    assert!(matches!(talk.receive().await, Some(roompass_wire::gateway::ClientMessage::Logout(_))));
}

#[tokio::test]
async fn the_events_tell_of_both_halves() {
    let peer = Peer::start().await;
    let client = peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    let (room, mut talk) = peer.admit_as(&client, resumable()).await;
    let mut events = room.events();
    let first = states_until(&mut events, RoomState::is_connected).await;
    assert_eq!(first, rooms(&[("lobby", 0), ("lobby", 1)]));
    let attics = token(SERVER_TIME + 60);
    let (switched, ()) = tokio::join!(room.switch_room_with_token("attic", &attics), async {
        let id = talk.expect_switch().await.id;
        talk.admit_as(attic(id)).await;
    });
    switched.unwrap();
    let second = states_until(&mut events, RoomState::is_connected).await;
    assert_eq!(second, rooms(&[("lobby", 7), ("attic", 0), ("attic", 1)]));
    let admitted = |event| match event {
        Event::LoggedIn(Admission { session_id, .. }) => Some(session_id),
        _ => None,
    };
    assert_eq!(event(&mut events, admitted).await, "s-2");
    let joined = |event| match event {
        Event::UsersJoined(users) => Some(users.len()),
        _ => None,
    };
    assert_eq!(event(&mut events, joined).await, 2, "everybody of the new room, alice too");
}

#[tokio::test]
async fn a_new_room_that_refuses_leaves_the_user_in_neither() {
    let peer = Peer::start().await;
    let client = peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    let (room, mut talk) = peer.admit_as(&client, resumable()).await;
    let mut events = room.events();
    let (switched, ()) = tokio::join!(room.switch_room("attic"), async {
        let id = talk.expect_switch().await.id;
        talk.refuse(Some(id), ErrorCode::LoginDenied).await;
        talk.expect_gone().await;
    });
    assert_eq!(switched.unwrap_err().code(), Some(ErrorCode::LoginDenied));
    let last = state(&room, RoomState::is_over).await;
    assert!(matches!(&last, RoomState::LoginFailed(error) if error.code() == Some(ErrorCode::LoginDenied)), "{last:?}");
    let heard = states_until(&mut events, |state| matches!(state, RoomState::LoginFailed(_))).await;
    assert_eq!(heard, rooms(&[("lobby", 0), ("lobby", 1), ("lobby", 7), ("attic", 0), ("attic", 2)]));
    assert!(room.users().is_empty());
    assert_eq!(room.send_message("hi").await.unwrap_err().kind(), ErrorKind::Ended);
}

#[tokio::test]
async fn what_is_refused_before_the_old_room_is_left_changes_nothing() {
    let peer = Peer::start().await;
    let client = peer.client().build().unwrap();
    let serve = async {
        let (mut talk, login) = peer.greet().await;
        talk.admit_as(LoggedIn { id: login.id, ..resumable() }).await;
        talk
    };
    let first = token(SERVER_TIME + 3600);
    let (room, mut talk) = tokio::join!(client.login_room_with_token("lobby", alice(), &first), serve);
    let room = room.unwrap();
    // Without a provider there is nobody to ask.
    assert_eq!(soon(room.switch_room("attic")).await.unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(soon(room.switch_room("no spaces")).await.unwrap_err().kind(), ErrorKind::Usage);
    let other = token(SERVER_TIME + 60);
    let (switched, second, ()) = tokio::join!(
        room.switch_room_with_token("attic", &other),
        room.switch_room_with_token("cellar", &other),
        async {
            let id = talk.expect_switch().await.id;
            talk.refuse(Some(id), ErrorCode::AlreadyInRoom).await;
        }
    );
    assert_eq!(switched.unwrap_err().code(), Some(ErrorCode::AlreadyInRoom));
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Usage, "one at a time");
    assert!(room.state().is_connected());
    assert_eq!((room.room_id().as_str(), room.users().len()), ("lobby", 1));
    let (done, ()) = tokio::join!(room.start_publishing_stream("s1"), async {
        let id = talk.expect_publish().await.id;
        talk.ok(id).await;
    });
    done.unwrap();
}

#[tokio::test]
async fn a_provider_that_denies_the_other_room_leaves_the_user_in_this_one() {
    let peer = Peer::start().await;
    let provider = |request: TokenRequest| async move {
        match request.cause {
            Cause::Switch => TokenAnswer::Denied("not for you".into()),
            _ => TokenAnswer::Token(token(SERVER_TIME + 7200)),
        }
    };
    let client = peer.client().token_provider(provider).build().unwrap();
    let (room, mut talk) = peer.admit_as(&client, resumable()).await;
    let error = soon(room.switch_room("attic")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert!(room.state().is_connected());
    // The renewal of this room's token is not forgotten over it.
    peer.environment.advance(std::time::Duration::from_secs(3000));
    let (id, _) = talk.expect_renewal().await;
    talk.renewed(id, SERVER_TIME + 7200, SERVER_TIME + 3000).await;
    let expire_at = || room.token_expire_at().unwrap().get();
    soon(async {
        while expire_at() != SERVER_TIME + 7200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_switch_lost_on_the_way_leaves_the_session_where_it_was() {
    let peer = Peer::start().await;
    let client = peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap();
    let (room, mut talk) = peer.admit_as(&client, resumable()).await;
    let (switched, ()) = tokio::join!(room.switch_room("attic"), async {
        talk.expect_switch().await;
        drop(talk);
    });
    assert_eq!(switched.unwrap_err().kind(), ErrorKind::Network);
    let_it_try(&room, &peer).await;
    let mut talk = peer.accept().await;
    talk.hello(SERVER_TIME).await;
    let resume = talk.expect_resumption().await;
    talk.send(&ServerMessage::Resumed(resumed(resume.id, 1))).await;
    state(&room, RoomState::is_connected).await;
    assert_eq!(room.room_id().as_str(), "lobby");
}
