//! What must never be seen: the AppSign on the wire, tokens in logs and in what is printed.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use roompass_sdk::{AppSign, AuthMode, ErrorCode};
use roompass_wire::gateway::ClientMessage;

use crate::peer::*;

const APP_SIGN: &str = "0123456789abcdef00112233445566778899aabbccddeeff0f1e2d3c4b5a6978";

/// Every way in which the AppSign could be spelled by accident.
fn spellings() -> Vec<String> {
    let bytes: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&APP_SIGN[at..at + 2], 16).unwrap()).collect();
    let hex_of_text: String = APP_SIGN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![APP_SIGN.to_owned(), hex_of_text];
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        spellings.push(engine.encode(&bytes));
        spellings.push(engine.encode(APP_SIGN));
        // As part of something longer, the first characters depend on what stands before.
        for padding in 1..3 {
            let shifted = [vec![0; padding], APP_SIGN.as_bytes().to_vec()].concat();
            let encoded = engine.encode(shifted);
            spellings.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    spellings
}

// proves T46
#[tokio::test]
async fn the_app_sign_is_never_on_the_wire() {
    for mode in [AuthMode::AppSign, AuthMode::TokenPreferred, AuthMode::TokenOnly] {
        let peer = Peer::start().await;
        let client = peer.client().app_sign(AppSign::new(APP_SIGN).unwrap()).auth_mode(mode).build().unwrap();
        let token = token(SERVER_TIME + 60);
        let serve = async {
            let (mut talk, login) = peer.greet().await;
            talk.admit(login.id, None).await;
            talk
        };
        let (room, mut talk) = tokio::join!(client.login_room_with_token("lobby", alice(), &token), serve);
        drop(room.unwrap());
        assert!(matches!(talk.receive().await, Some(ClientMessage::Logout(_))));
        let wire = talk.received.join("\n").to_lowercase();
        assert!(wire.contains("\"alice\"") && wire.contains("logout"), "{mode:?}: the capture is not empty");
        for spelling in spellings() {
            assert!(!wire.contains(&spelling.to_lowercase()), "{mode:?}: {spelling}");
        }
    }
}

// proves T16
#[tokio::test]
async fn no_token_and_no_app_sign_is_logged_or_printed() {
    let peer = Peer::start().await;
    let client = peer.client().app_sign(AppSign::new(APP_SIGN).unwrap()).build().unwrap();
    let (first, second) = (token(SERVER_TIME + 60), token(SERVER_TIME + 120));
    let serve = async {
        let (mut talk, login) = peer.greet().await;
        talk.admit(login.id, Some(SERVER_TIME + 60)).await;
        talk
    };
    let (room, mut talk) = tokio::join!(client.login_room_with_token("lobby", alice(), &first), serve);
    let room = room.unwrap();
    let (refused, ()) = tokio::join!(room.renew_token(&second), async {
        let (id, _) = talk.expect_renewal().await;
        talk.refuse(Some(id), ErrorCode::TokenInvalid).await;
    });
    let printed = format!("{client:?} {room:?} {:?} {:?}", refused.unwrap_err(), room.admission());
    let log = logged();
    assert!(log.contains("logged in"), "{log}");
    for secret in [&*first, &*second, APP_SIGN] {
        assert!(!log.contains(&secret[10..40]) && !printed.contains(&secret[10..40]));
    }
}
