//! Minting.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    http::{
        MintBatchItem, MintBatchRequest, MintBatchResponse, MintRequest, MintResponse, PrivilegeName,
        TOKENS_BATCH_PATH, TOKENS_PATH,
    },
};

use super::super::{
    example_problem,
    operation::{Operation, TOKENS},
};

pub(super) fn operations() -> Vec<Operation> {
    let request = MintRequest {
        user_id: "alice".to_owned(),
        room_id: Some("room1".to_owned()),
        privileges: Some(vec![PrivilegeName::Login, PrivilegeName::Publish]),
        ttl_secs: Some(600),
        ..MintRequest::default()
    };
    let mint = Operation::new("mint_token", Method::POST, TOKENS_PATH, TOKENS, "Mint a token")
        .about(
            "Makes the token that one user shows to log in. Without `room_id` it is an identity token, good for any \
             room with the app's default rights; with `room_id` it grants exactly the `privileges` named there.",
        )
        .body(&request)
        .answer(200, "The token: hand it to its user and to nobody else.", &minted())
        .refuses(&[
            ErrorCode::AppDisabled,
            ErrorCode::UserIdInvalid,
            ErrorCode::UserNameInvalid,
            ErrorCode::RoomIdInvalid,
            ErrorCode::StreamIdInvalid,
            ErrorCode::ClockBehind,
            ErrorCode::SecretWornOut,
        ]);
    let refused = MintBatchItem::Refused { problem: example_problem(ErrorCode::UserIdInvalid) };
    let batch = Operation::new("mint_tokens", Method::POST, TOKENS_BATCH_PATH, TOKENS, "Mint many tokens")
        .about(
            "Up to 1,000, in a body of up to 1 MiB. Each is minted or refused on its own, in the order of the request.",
        )
        .body(&MintBatchRequest { items: vec![request, MintRequest::default()] })
        .answer(
            200,
            "What became of each.",
            &MintBatchResponse { items: vec![MintBatchItem::Minted(minted()), refused], server_time: 1_800_000_000 },
        )
        .refuses(&[ErrorCode::AppDisabled, ErrorCode::ClockBehind]);
    vec![mint, batch]
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
