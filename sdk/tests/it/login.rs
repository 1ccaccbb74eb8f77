//! Entering a room: what is shown, what is refused, how it is abandoned.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use roompass_sdk::{
    AppSign, AuthKind, AuthMode, Cause, Error, ErrorCode, ErrorKind, Event, RoomState, TokenAnswer, TokenRequest,
};
use roompass_wire::gateway::LoggedIn;

use crate::peer::*;

fn app_sign() -> AppSign {
    AppSign::new(&"0f".repeat(32)).unwrap()
}

#[tokio::test]
async fn each_mode_shows_exactly_its_credentials() {
    for (mode, shows_token, shows_proof) in
        [(AuthMode::AppSign, false, true), (AuthMode::TokenPreferred, true, true), (AuthMode::TokenOnly, true, false)]
    {
        let peer = Peer::start().await;
        let token = token(SERVER_TIME + 60);
        let client = peer.client().app_sign(app_sign()).auth_mode(mode).build().unwrap();
        let serve = async {
            let (mut talk, login) = peer.greet().await;
            talk.admit(login.id, None).await;
            (talk, login)
        };
        let (room, (_talk, login)) = tokio::join!(client.login_room_with_token("lobby", alice(), &token), serve);
        assert_eq!(login.token, shows_token.then_some(token), "{mode:?}");
        assert_eq!(proves(&app_sign(), &peer.url, &login), shows_proof, "{mode:?}");
        assert!(room.unwrap().state().is_connected());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_the_server_let_the_user_in_is_told() {
    let peer = Peer::start().await;
    let client = peer.client().app_sign(app_sign()).build().unwrap();
    let serve = async {
        let (mut talk, login) = peer.greet().await;
        let other_credential = Some(ErrorCode::TokenExpired);
        talk.admit_as(LoggedIn { id: login.id, auth: AuthKind::AppSign, other_credential, ..logged_in() }).await;
        talk
    };
    let old = token(SERVER_TIME - 5);
    let (room, _talk) = tokio::join!(client.login_room_with_token("lobby", alice(), &old), serve);
    let room = room.unwrap();
    let admission = room.admission();
    assert_eq!((admission.auth, admission.other_credential), (AuthKind::AppSign, Some(ErrorCode::TokenExpired)));
    let mut events = room.events();
    let not_counted = event(&mut events, |event| match event {
        Event::TokenNotCounted { code } => Some(code),
        _ => None,
    });
    assert_eq!(not_counted.await, Some(ErrorCode::TokenExpired));
}

// proves T47 (a return by AppSign does not pass unnoticed)
#[tokio::test]
async fn a_return_that_the_app_sign_opened_although_there_is_a_provider_is_told() {
    let peer = Peer::start().await;
    let provider = |_: TokenRequest| async { TokenAnswer::Token(token(SERVER_TIME + 3600)) };
    let client = peer.client().app_sign(app_sign()).token_provider(provider).build().unwrap();
    let (room, talk) = peer.admit(&client, 3600).await;
    let mut events = room.events();
    drop(talk);
    let_it_try(&room, &peer).await;
    let (mut talk, login) = peer.greet().await;
    assert!(login.token.is_some(), "nothing is left out by itself");
    let other_credential = Some(ErrorCode::TokenInvalid);
    talk.admit_as(LoggedIn { id: login.id, auth: AuthKind::AppSign, other_credential, ..logged_in() }).await;
    let not_counted = event(&mut events, |event| match event {
        Event::TokenNotCounted { code } => Some(code),
        _ => None,
    });
    assert_eq!(not_counted.await, Some(ErrorCode::TokenInvalid));
}

// proves T47, T48
#[tokio::test]
async fn a_refusal_keeps_the_servers_code_and_is_not_answered_with_less() {
    let peer = Peer::start().await;
    let client = peer.client().app_sign(app_sign()).build().unwrap();
    let serve = async {
        let (mut talk, login) = peer.greet().await;
        talk.refuse(Some(login.id), ErrorCode::TokenInvalid).await;
        talk.expect_gone().await;
    };
    let token = token(SERVER_TIME + 60);
    let (room, ()) = tokio::join!(client.login_room_with_token("lobby", alice(), &token), serve);
    let error = room.unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.number()),
        (ErrorKind::Refused, Some(ErrorCode::TokenInvalid), Some(1002033))
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_turned_down_token_is_replaced_once_and_the_new_ones_refusal_is_final() {
    let peer = Peer::start().await;
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let client = peer
        .client()
        .token_provider(move |request: TokenRequest| {
            assert_eq!(request.cause, Cause::FirstLogin);
            counted.fetch_add(1, Ordering::Relaxed);
            async { TokenAnswer::Token(token(SERVER_TIME + 60)) }
        })
        .build()
        .unwrap();
    let serve = async {
        for _ in 0..2 {
            let (mut talk, login) = peer.greet().await;
            talk.refuse(Some(login.id), ErrorCode::TokenInvalid).await;
        }
    };
    let passed = token(SERVER_TIME + 60);
    let (room, ()) = tokio::join!(client.login_room_with_token("lobby", alice(), &passed), serve);
    assert_eq!(room.unwrap_err().code(), Some(ErrorCode::TokenInvalid));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn without_a_token_nothing_is_tried() {
    let peer = Peer::start().await;
    let client = peer.client().build().unwrap();
    assert!(matches!(soon(client.login_room("lobby", alice())).await, Err(Error::TokenRequired)));
    let denying = peer.client().token_provider(|_: TokenRequest| async { TokenAnswer::Denied("suspended".into()) });
    let error = soon(denying.build().unwrap().login_room("lobby", alice())).await.unwrap_err();
    assert!(matches!(&error, Error::Denied { reason } if reason == "suspended"), "{error}");
}

#[tokio::test]
async fn a_provider_that_hesitates_is_asked_again() {
    let peer = Peer::start().await;
    let calls = Arc::new(AtomicU32::new(0));
    let (counted, environment) = (Arc::clone(&calls), Arc::clone(&peer.environment));
    let client = peer
        .client()
        .token_provider(move |_: TokenRequest| {
            let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
            // The wait that follows is over as soon as it begins.
            let environment = Arc::clone(&environment);
            async move {
                if first {
                    tokio::spawn(async move { environment.advance(Duration::from_secs(1)) });
                    return TokenAnswer::Retry;
                }
                TokenAnswer::Token(token(SERVER_TIME + 60))
            }
        })
        .build()
        .unwrap();
    let (room, _talk) = peer.admit(&client, 60).await;
    assert!(room.state().is_connected());
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_a_dropped_login_hangs_up() {
    let peer = Peer::start().await;
    let client = peer.client().build().unwrap();
    let token = token(SERVER_TIME + 60);
    let serve = async {
        let (talk, _) = peer.greet().await;
        peer.environment.advance(Duration::from_secs(10));
        talk
    };
    let (room, _talk) = tokio::join!(client.login_room_with_token("lobby", alice(), &token), serve);
    let error = room.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true));

    let mut login = Box::pin(client.login_room_with_token("lobby", alice(), &token));
    let (mut talk, _) = tokio::select! {
        _ = &mut login => panic!("nobody answered"),
        greeted = peer.greet() => greeted,
    };
    drop(login);
    talk.expect_gone().await;
}

#[tokio::test]
async fn who_is_no_gateway_is_named() {
    let peer = Peer::start().await;
    let client = peer.client().build().unwrap();
    let token = token(SERVER_TIME + 60);
    for greeting in [
        r#"{"type":"ok","id":1}"#,
        "hello",
        r#"{"type":"hello","protocol":"roompass.v9","challenge":"","server_time":1,"login_timeout_secs":1}"#,
    ] {
        let serve = async {
            let mut talk = peer.accept().await;
            talk.send_text(greeting).await;
            talk
        };
        let (room, _talk) = tokio::join!(client.login_room_with_token("lobby", alice(), &token), serve);
        assert_eq!(room.unwrap_err().kind(), ErrorKind::Protocol, "{greeting}");
    }
}

#[tokio::test]
async fn messages_of_unknown_kinds_and_with_unknown_members_are_ignored() {
    let peer = Peer::start().await;
    let client = peer.client().build().unwrap();
    let token = token(SERVER_TIME + 60);
    let serve = async {
        let mut talk = peer.accept().await;
        talk.send_text(r#"{"type":"banner","text":"hi"}"#).await;
        talk.hello(SERVER_TIME).await;
        let login = talk.expect_login().await;
        talk.send_text(r#"{"type":"queue","place":1}"#).await;
        let mut answer = serde_json::to_value(roompass_wire::gateway::ServerMessage::LoggedIn(logged_in())).unwrap();
        answer["id"] = login.id.into();
        answer["resume_key"] = "later".into();
        talk.send_text(&answer.to_string()).await;
        talk.send_text(r#"{"type":"weather","id":77}"#).await;
        talk
    };
    let (room, mut talk) = tokio::join!(client.login_room_with_token("lobby", alice(), &token), serve);
    let room = room.unwrap();
    let (published, ()) = tokio::join!(room.start_publishing_stream("s1"), async {
        let id = talk.expect_publish().await.id;
        talk.ok(id).await;
    });
    published.unwrap();
    assert!(matches!(room.state(), RoomState::Connected));
}
