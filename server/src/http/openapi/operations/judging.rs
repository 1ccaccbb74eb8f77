//! Asking about a token.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    http::{
        ActiveToken, CipherName, EXPLAIN_PATH, ExplainRequest, ExplainResponse, Finding, FormatName, INTROSPECT_PATH,
        IntrospectRequest, IntrospectResponse, PrivilegeName,
    },
};

use super::super::operation::{Operation, TOKENS};

pub(super) fn operations() -> Vec<Operation> {
    let minted = super::tokens::minted();
    let active = ActiveToken {
        active: true,
        token_id: minted.token_id.clone(),
        app_id: 1_234_567_890,
        user_id: "alice".to_owned(),
        room_id: Some("room1".to_owned()),
        privileges: vec![PrivilegeName::Login, PrivilegeName::Publish],
        stream_ids: None,
        terms: None,
        payload: None,
        format: FormatName::Token04,
        cipher: CipherName::Gcm,
        secret_id: "s1".to_owned(),
        issued_at: minted.issued_at,
        expire_at: minted.expire_at,
        revoked: false,
        server_time: minted.server_time,
    };
    let finding = Finding {
        code: "token_expired".to_owned(),
        problem: "The token expired 90 s ago.".to_owned(),
        remedy: "Mint a new one; check the clock of the machine that minted it.".to_owned(),
    };
    let explained = ExplainResponse {
        admitted: false,
        code: Some(ErrorCode::TokenExpired),
        findings: vec![finding],
        token_id: minted.token_id.clone(),
        secret_id: Some("s1".to_owned()),
        format: Some(FormatName::Token04),
        cipher: Some(CipherName::Gcm),
        claims: None,
        revoked_by: None,
        banned_by: None,
        used_by: None,
        server_time: minted.server_time,
    };
    vec![
        Operation::new("introspect_token", Method::POST, INTROSPECT_PATH, TOKENS, "Is a token active?")
            .about(
                "RFC 7662, in JSON. A token is active when it is genuine, of this app, not expired and not revoked. Of \
                 a revoked one that is sealed with GCM the answer has `active` false and `revoked` true; of any other it is `{\"active\":false}`, whatever the reason.",
            )
            .body(&IntrospectRequest { token: minted.token.clone() })
            .answer(200, "What is known of it.", &IntrospectResponse::Active(Box::new(active)))
            .refuses(&[ErrorCode::ClockBehind]),
        Operation::new("explain_token", Method::POST, EXPLAIN_PATH, TOKENS, "Why is a login refused?")
            .about(
                "Takes the token and what was attempted with it, and names everything that stands in the way, with \
                 remedies: the token, its times and rights, revocations, bans, its one use, and the app's settings.",
            )
            .body(&ExplainRequest {
                token: minted.token,
                user_id: Some("alice".to_owned()),
                room_id: Some("room1".to_owned()),
                ..ExplainRequest::default()
            })
            .answer(200, "Whether it would succeed now, and what is in its way.", &explained),
    ]
}
