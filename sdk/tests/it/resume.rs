//! The connection breaks and the server keeps the place: back without a login, with all that was missed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use roompass_sdk::{
    Cause, Client, ErrorCode, Event, FixedToken, Room, RoomState, SessionPrivilege, TokenAnswer, TokenRequest,
};
use roompass_wire::gateway::{
    self, Change, ClientMessage, LoggedIn, Reconnect, Resumed, RoomMessage, RoomUsers, ServerMessage, Stream,
};

use crate::peer::*;

fn client(peer: &Peer) -> Client {
    peer.client().token_provider(FixedToken::new(token(SERVER_TIME + 3600))).build().unwrap()
}

fn said(seq: u64, text: &str) -> ServerMessage {
    let [room_id, user_id] = ["lobby", "bob"].map(str::to_owned);
    let (text, sent_at) = (text.to_owned(), SERVER_TIME);
    ServerMessage::RoomMessage(RoomMessage { room_id, seq, user_id, text, sent_at, mark: None, missed: false })
}

/// Publishes and plays one stream each.
async fn start_streams(room: &Room, talk: &mut Talk) {
    let (published, played, ()) =
        tokio::join!(room.start_publishing_stream("s1"), room.start_playing_stream("p1"), async {
            for _ in 0..2 {
                let id = talk.receive().await.unwrap().id();
                talk.ok(id).await;
            }
        });
    published.unwrap();
    played.unwrap();
}

/// Loses the connection without a goodbye, and lets the client come with its resumption.
async fn lose(room: &Room, peer: &Peer, talk: Talk) -> (Talk, gateway::Resume) {
    drop(talk);
    let_it_try(room, peer).await;
    let mut talk = peer.accept().await;
    talk.hello(SERVER_TIME + 5).await;
    let resume = talk.expect_resumption().await;
    (talk, resume)
}

#[tokio::test]
async fn a_resumption_shows_the_key_and_the_latest_change_and_hears_what_was_missed_once() {
    let peer = Peer::start().await;
    let (room, mut talk) = peer.admit_as(&client(&peer), resumable()).await;
    let mut events = room.events();
    start_streams(&room, &mut talk).await;
    talk.send(&said(2, "two")).await;
    let text = |event| match event {
        Event::RoomMessage(message) => Some((message.seq, message.text)),
        _ => None,
    };
    assert_eq!(event(&mut events, text).await, (2, "two".to_owned()));

    let (mut talk, resume) = lose(&room, &peer, talk).await;
    assert_eq!((&*resume.session_id, &*resume.resume_key, resume.seq), ("s-1", "key-1", 2));
    let [publishing, playing] = ["s1", "p1"].map(|id| vec![id.to_owned()]);
    talk.send(&ServerMessage::Resumed(Resumed { publishing, playing, ..resumed(resume.id, 4) })).await;
    // One of them was heard before.
    for message in [said(2, "two"), said(3, "three"), said(4, "four")] {
        talk.send(&message).await;
    }
    let came_back = |event| matches!(event, Event::StateChanged { state: RoomState::Reconnected, .. }).then_some(());
    event(&mut events, came_back).await;
    for expected in [(3, "three"), (4, "four")] {
        assert_eq!(event(&mut events, text).await, (expected.0, expected.1.to_owned()));
    }

    // Nothing is started again; the next thing the server hears is what the app asks for.
    let (stopped, ()) = tokio::join!(room.stop_publishing_stream("s1"), async {
        match talk.receive().await {
            Some(ClientMessage::StopPublish(request)) => talk.ok(request.id).await,
            other => panic!("not what the app asked for: {other:?}"),
        }
    });
    stopped.unwrap();
    // The next time, with the next key.
    let (_talk, resume) = lose(&room, &peer, talk).await;
    assert_eq!((&*resume.resume_key, resume.seq), ("key-2", 4));
}

#[tokio::test]
async fn what_was_said_on_the_way_to_another_node_is_heard_and_what_is_lost_is_told() {
    let peer = Peer::start().await;
    let (room, mut talk) = peer.admit_as(&client(&peer), LoggedIn { mark: Some(10), ..resumable() }).await;
    let mut events = room.events();
    let said = |seq, mark, missed, text: &str| {
        let [room_id, user_id] = ["lobby", "bob"].map(str::to_owned);
        let (text, sent_at) = (text.to_owned(), SERVER_TIME);
        ServerMessage::RoomMessage(RoomMessage { room_id, seq, user_id, text, sent_at, mark: Some(mark), missed })
    };
    talk.send(&said(2, 12, false, "two")).await;
    let text = |event| match event {
        Event::RoomMessage(message) => Some(message.text),
        Event::MessagesMissed => Some("some missed".to_owned()),
        _ => None,
    };
    assert_eq!(event(&mut events, text).await, "two");
    let (mut talk, resume) = lose(&room, &peer, talk).await;
    assert_eq!((resume.seq, resume.mark), (2, Some(12)));
    let users = vec![user("alice")];
    let state = Some(gateway::RoomState { users, ..gateway::RoomState::default() });
    talk.send(&ServerMessage::Resumed(Resumed { state, messages_missed: true, ..resumed(resume.id, 7) })).await;
    for message in [said(7, 15, true, "three"), said(7, 16, true, "four"), said(8, 17, false, "five")] {
        talk.send(&message).await;
    }
    for expected in ["some missed", "three", "four", "five"] {
        assert_eq!(event(&mut events, text).await, expected);
    }
    let (_talk, resume) = lose(&room, &peer, talk).await;
    assert_eq!((resume.seq, resume.mark), (8, Some(17)));
}

#[tokio::test]
async fn a_state_that_is_sent_again_is_told_as_the_difference_and_streams_are_set_right() {
    let peer = Peer::start().await;
    let (room, mut talk) = peer.admit_as(&client(&peer), resumable()).await;
    let mut events = room.events();
    start_streams(&room, &mut talk).await;
    // Stopped, but the server never heard of it.
    drop(talk);
    let_it_try(&room, &peer).await;
    let mut talk = peer.accept().await;
    talk.hello(SERVER_TIME + 5).await;
    let resume = talk.expect_resumption().await;
    let carol = vec![Stream { stream_id: "c1".into(), user_id: "carol".into(), ..Stream::default() }];
    let users = vec![user("alice"), user("carol")];
    let state_now = gateway::RoomState { users: users.clone(), streams: carol.clone(), room_extra: Vec::new() };
    talk.send(&ServerMessage::Resumed(Resumed {
        privileges: vec![SessionPrivilege::Login],
        publishing: vec!["s7".to_owned()],
        playing: vec!["p1".to_owned()],
        state: Some(state_now),
        ..resumed(resume.id, 40)
    }))
    .await;
    match (talk.receive().await, talk.receive().await) {
        (Some(ClientMessage::StopPublish(stop)), Some(ClientMessage::Publish(publish))) => {
            assert_eq!((&*stop.stream_id, &*publish.stream_id), ("s7", "s1"));
            talk.ok(stop.id).await;
            talk.refuse(Some(publish.id), ErrorCode::PublishDenied).await;
        }
        other => panic!("{other:?}"),
    }
    let rights = |event| match event {
        Event::PrivilegesChanged { privileges, .. } => Some(privileges),
        _ => None,
    };
    assert_eq!(event(&mut events, rights).await, [SessionPrivilege::Login]);
    let joined = |event| match event {
        Event::UsersJoined(users) => Some(users),
        _ => None,
    };
    assert_eq!(event(&mut events, joined).await, [user("carol")]);
    let stopped = |event| match event {
        Event::PublishStopped { stream_id, code } => Some((stream_id, code)),
        _ => None,
    };
    assert_eq!(event(&mut events, stopped).await, ("s1".to_owned(), ErrorCode::PublishDenied));
    assert_eq!((room.users(), room.streams()), (users, carol));
    // And the numbers go on from there.
    talk.send(&said(41, "on")).await;
    event(&mut events, |event| matches!(event, Event::RoomMessage(_)).then_some(())).await;
}

#[tokio::test]
async fn a_refused_resumption_is_followed_by_a_login_on_the_same_connection() {
    let peer = Peer::start().await;
    let (room, mut talk) = peer.admit_as(&client(&peer), resumable()).await;
    let mut events = room.events();
    start_streams(&room, &mut talk).await;
    let (set, ()) = tokio::join!(room.set_user_extra("hand"), async {
        let id = talk.receive().await.unwrap().id();
        talk.ok(id).await;
    });
    set.unwrap();
    let (mut talk, resume) = lose(&room, &peer, talk).await;
    talk.refuse(Some(resume.id), ErrorCode::ResumeRefused).await;
    let login = talk.expect_login().await;
    assert_ne!(login.id, resume.id);
    talk.admit_as(LoggedIn { id: login.id, session_id: "s-2".into(), resume_key: Some("key-9".into()), ..resumable() })
        .await;
    let mut again = Vec::new();
    for _ in 0..3 {
        let message = talk.receive().await.unwrap();
        talk.ok(message.id()).await;
        again.push(match message {
            ClientMessage::SetUserExtra(set) => set.extra,
            ClientMessage::Publish(publish) => publish.stream_id,
            ClientMessage::Play(play) => play.stream_id,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(again, ["hand", "s1", "p1"]);
    let admitted = |event| match event {
        Event::LoggedIn(admission) => Some(admission.session_id),
        _ => None,
    };
    assert_eq!(event(&mut events, admitted).await, "s-1");
    assert_eq!(event(&mut events, admitted).await, "s-2");
    let (_talk, resume) = lose(&room, &peer, talk).await;
    assert_eq!((&*resume.session_id, &*resume.resume_key), ("s-2", "key-9"));
}

#[tokio::test]
async fn a_place_taken_by_another_login_is_not_taken_back() {
    let peer = Peer::start().await;
    let (room, talk) = peer.admit_as(&client(&peer), resumable()).await;
    let (mut talk, resume) = lose(&room, &peer, talk).await;
    talk.refuse(Some(resume.id), ErrorCode::LoggedInElsewhere).await;
    let last = state(&room, RoomState::is_over).await;
    assert!(matches!(&last, RoomState::ReconnectFailed(error) if error.number() == Some(1_002_086)), "{last:?}");
    talk.expect_gone().await;
}

#[tokio::test]
async fn a_place_that_is_no_longer_kept_is_not_asked_for() {
    let peer = Peer::start().await;
    let (room, talk) = peer.admit_as(&client(&peer), resumable()).await;
    drop(talk);
    state(&room, |state| matches!(state, RoomState::Reconnecting)).await;
    peer.environment.advance(Duration::from_secs(91));
    let (mut talk, login) = peer.greet().await;
    talk.admit(login.id, Some(SERVER_TIME + 3600)).await;
    state(&room, RoomState::is_connected).await;
}

/// The place needs no token, so the token is renewed afterwards, at once, since it is old by then.
#[tokio::test]
async fn an_old_token_is_renewed_right_after_the_return() {
    let peer = Peer::start().await;
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let provider = move |request: TokenRequest| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { TokenAnswer::Token(token(SERVER_TIME + if request.cause == Cause::FirstLogin { 3600 } else { 7200 })) }
    };
    let client = peer.client().token_provider(provider).build().unwrap();
    let (room, talk) = peer.admit_as(&client, LoggedIn { resume_within_secs: 600, ..resumable() }).await;
    let (mut talk, resume) = lose(&room, &peer, talk).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1, "nobody is asked for what needs no token");
    // The device slept: for the server almost an hour has passed.
    let server_time = SERVER_TIME + 3590;
    talk.send(&ServerMessage::Resumed(Resumed { server_time, ..resumed(resume.id, 1) })).await;
    state(&room, RoomState::is_connected).await;
    assert_eq!(room.token_left(), Some(Duration::from_secs(10)));
    peer.environment.advance(Duration::from_secs(3));
    talk.expect_renewal().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

// proves F10 (clients of a server that stops go one after the other), F7
#[tokio::test]
async fn a_server_that_announces_its_end_is_left_at_a_random_moment_without_a_goodbye() {
    let peer = Peer::start().await;
    let provider = FixedToken::new(token(SERVER_TIME + 3600));
    let client = peer.client().request_timeout(Duration::from_secs(60)).token_provider(provider).build().unwrap();
    let (room, mut talk) = peer.admit_as(&client, resumable()).await;
    let mut events = room.events();
    talk.send(&ServerMessage::Reconnect(Reconnect { within_secs: 30 })).await;
    // What is heard after it shows that it has been heard.
    talk.send(&said(2, "soon")).await;
    event(&mut events, |event| matches!(event, Event::RoomMessage(_)).then_some(())).await;
    // By chance in the middle; but not while an answer is awaited.
    let (published, ()) = tokio::join!(room.start_publishing_stream("s1"), async {
        let id = talk.expect_publish().await.id;
        peer.environment.advance(Duration::from_secs(16));
        settle().await;
        assert!(room.state().is_connected());
        talk.ok(id).await;
    });
    published.unwrap();
    let mut next = peer.accept().await;
    next.hello(SERVER_TIME + 16).await;
    let resume = next.expect_resumption().await;
    let publishing = vec!["s1".to_owned()];
    next.send(&ServerMessage::Resumed(Resumed { publishing, ..resumed(resume.id, 1) })).await;
    state(&room, |state| matches!(state, RoomState::Reconnected)).await;
    assert!(!talk.was_closed().await, "who says goodbye loses the place");
}

#[tokio::test]
async fn a_login_that_is_given_up_says_goodbye() {
    let peer = Peer::start().await;
    let client = client(&peer);
    let mut login = Box::pin(client.login_room("lobby", alice()));
    let (mut talk, _) = tokio::select! {
        _ = &mut login => panic!("nobody answered"),
        greeted = peer.greet() => greeted,
    };
    drop(login);
    assert!(talk.was_closed().await, "the server would keep the place");
}

#[tokio::test]
async fn a_change_that_is_missed_is_asked_for_again() {
    let peer = Peer::start().await;
    let (room, mut talk) = peer.admit_as(&client(&peer), resumable()).await;
    let change = Change::Add;
    let gap = RoomUsers { room_id: "lobby".into(), seq: 3, change, users: vec![user("carol")], reason: None };
    talk.send(&ServerMessage::RoomUsers(gap)).await;
    let (_, resume) = lose_after_gap(&room, &peer).await;
    assert_eq!(resume.seq, 1);
}

async fn lose_after_gap(room: &Room, peer: &Peer) -> (Talk, gateway::Resume) {
    let_it_try(room, peer).await;
    let mut talk = peer.accept().await;
    talk.hello(SERVER_TIME).await;
    let resume = talk.expect_resumption().await;
    (talk, resume)
}
