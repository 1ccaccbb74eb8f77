//! What is announced of revocations and bans.

use roompass_wire::{
    http::{BanKind, RevocationKind},
    webhook::{Banned, Event, Revoked},
};

use crate::{
    bans::{self, Ban},
    revocations::{self, Revocation},
    webhooks::millis,
};

/// Tokens were ended by `by`.
pub(super) fn revoked(kept: &Revocation, by: &str) -> Event {
    let target = kept.target.clone();
    let (kind, token_id, user_id, room_id) = match target {
        revocations::Target::Token(token_id) => (RevocationKind::Token, Some(token_id.into()), None, None),
        revocations::Target::User(user_id) => (RevocationKind::User, None, Some(user_id), None),
        revocations::Target::Room(room_id) => (RevocationKind::Room, None, None, Some(room_id)),
        revocations::Target::UserInRoom { user_id, room_id } => {
            (RevocationKind::UserInRoom, None, Some(user_id), Some(room_id))
        }
        revocations::Target::App => (RevocationKind::App, None, None, None),
    };
    Event::Revoked(Revoked {
        revocation_id: kept.target.entry_id().to_string(),
        kind,
        token_id,
        user_id,
        room_id,
        // Of a single token, all that was ever issued under its name.
        issued_before_ms: (kept.issued_before.get() != i64::MAX).then(|| millis(kept.issued_before)),
        by: by.to_owned(),
        reason: kept.reason.clone(),
    })
}

/// Somebody was banned, or a ban lifted, by `by`.
pub(super) fn ban(ban: &Ban, by: &str) -> Banned {
    let (kind, user_id, room_id, ip_range) = match ban.target.clone() {
        bans::Target::User(user_id) => (BanKind::User, Some(user_id), None, None),
        bans::Target::Room(room_id) => (BanKind::Room, None, Some(room_id), None),
        bans::Target::UserInRoom { user_id, room_id } => (BanKind::UserInRoom, Some(user_id), Some(room_id), None),
        bans::Target::IpRange(range) => (BanKind::IpRange, None, None, Some(range.to_string())),
    };
    Banned {
        ban_id: ban.target.entry_id().to_string(),
        kind,
        user_id,
        room_id,
        ip_range,
        expire_at_ms: ban.expire_at.map(millis),
        by: by.to_owned(),
        reason: ban.reason.clone(),
    }
}
