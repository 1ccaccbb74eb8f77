//! Minting.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    http::{MintRequest, MintResponse, PrivilegeName, TOKENS_PATH},
};

use super::super::operation::{Operation, TOKENS};

pub(super) fn operations() -> Vec<Operation> {
    let mint = Operation::new("mint_token", Method::POST, TOKENS_PATH, TOKENS, "Mint a token")
        .about(
            "Makes the token that one user shows to log in. Without `room_id` it is an identity token, good for any \
             room with the app's default rights; with `room_id` it grants exactly the `privileges` named there.",
        )
        .body(&MintRequest {
            user_id: "alice".to_owned(),
            room_id: Some("room1".to_owned()),
            privileges: Some(vec![PrivilegeName::Login, PrivilegeName::Publish]),
            ttl_secs: Some(600),
            ..MintRequest::default()
        })
        .answer(200, "The token: hand it to its user and to nobody else.", &minted())
        .refuses(&[
            ErrorCode::AppDisabled,
            ErrorCode::UserIdInvalid,
            ErrorCode::UserNameInvalid,
            ErrorCode::RoomIdInvalid,
            ErrorCode::StreamIdInvalid,
        ]);
    vec![mint]
}

pub(super) fn minted() -> MintResponse {
    MintResponse {
        token: "04AAAAAG…".to_owned(),
        token_id: "9f2c41d08b6e7a35".to_owned(),
        issued_at: 1_800_000_000,
        expire_at: 1_800_000_600,
        server_time: 1_800_000_000,
        kit_token: None,
    }
}
