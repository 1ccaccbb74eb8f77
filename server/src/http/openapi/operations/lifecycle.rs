//! Ending tokens early, and keeping users out.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    http::{
        BAN_PATH, BANS_PATH, Ban, BanKind, BanRequest, BanResponse, BansResponse, LiftBanResponse, REVOCATIONS_PATH,
        REVOKE_PATH, Revocation, RevocationKind, RevocationsResponse, RevokeRequest, RevokeResponse, SearchQuery,
    },
};

use super::super::operation::{ENDINGS, Operation};

/// What a target can be refused for.
const TARGETS: &[ErrorCode] = &[ErrorCode::UserIdInvalid, ErrorCode::RoomIdInvalid, ErrorCode::StoreFull];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("revoke", Method::POST, REVOKE_PATH, ENDINGS, "Revoke tokens")
            .about(
                "Ends one token, or all of a user, a room, a user in a room, or the app that were issued until a \
                 moment. Tokens issued later are good. Sessions that a revoked token let in are ended. Doing it twice \
                 is fine.",
            )
            .body(&RevokeRequest {
                user_id: Some("alice".to_owned()),
                reason: Some("left the team".to_owned()),
                ..RevokeRequest::default()
            })
            .answer(200, "What holds now.", &RevokeResponse { revocation: revocation(), server_time: NOW })
            .refuses(TARGETS),
        Operation::new("list_revocations", Method::GET, REVOCATIONS_PATH, ENDINGS, "List revocations")
            .about("Those that still matter: each ends by itself once no token that it hits could be good.")
            .query::<SearchQuery>()
            .answer(
                200,
                "A page of them.",
                &RevocationsResponse { revocations: vec![revocation()], cursor: None, server_time: NOW },
            ),
        Operation::new("ban", Method::POST, BANS_PATH, ENDINGS, "Ban")
            .about(
                "Keeps a user, a user in a room, everybody in a room, or a range of addresses out, whatever token they \
                 show. Banning the same target again puts the new duration and reason in place of the old.",
            )
            .body(&BanRequest {
                user_id: Some("mallory".to_owned()),
                duration_secs: Some(86_400),
                reason: Some("abuse".to_owned()),
                ..BanRequest::default()
            })
            .answer(200, "The ban.", &BanResponse { ban: ban(), server_time: NOW })
            .refuses(TARGETS),
        Operation::new("list_bans", Method::GET, BANS_PATH, ENDINGS, "List bans").query::<SearchQuery>().answer(
            200,
            "A page of them.",
            &BansResponse { bans: vec![ban()], cursor: None, server_time: NOW },
        ),
        Operation::new("lift_ban", Method::DELETE, BAN_PATH, ENDINGS, "Lift a ban")
            .answer(200, "It no longer holds.", &LiftBanResponse { server_time: NOW })
            .refuses(&[ErrorCode::NotFound]),
    ]
}

const NOW: i64 = 1_800_000_000;

fn revocation() -> Revocation {
    Revocation {
        revocation_id: "vjSMa5_tCwGnfC0aTiH9yg".to_owned(),
        kind: RevocationKind::User,
        token_id: None,
        user_id: Some("alice".to_owned()),
        room_id: None,
        issued_before: Some(NOW),
        expire_at: NOW + 86_400,
        created_at: NOW,
        created_by: "uaiXsS6eQDCl".to_owned(),
        reason: Some("left the team".to_owned()),
    }
}

fn ban() -> Ban {
    Ban {
        ban_id: "mxQb4jm4fgVhmiIdyEEB8g".to_owned(),
        kind: BanKind::User,
        user_id: Some("mallory".to_owned()),
        room_id: None,
        ip_range: None,
        expire_at: Some(NOW + 86_400),
        created_at: NOW,
        created_by: "uaiXsS6eQDCl".to_owned(),
        reason: Some("abuse".to_owned()),
    }
}
