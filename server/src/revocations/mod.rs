//! Ending tokens before their time: what a revocation hits, and every live one in memory.
//!
//! A revocation compares a token's *issue* time with its own `issued_before`, the same second included, and never
//! with the present: a token minted later is good, one minted earlier stays refused whatever the clock says. Knows
//! neither HTTP nor a store.

mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

use token_gen::{AppId, MAX_LIFETIME, TokenId, UnixSeconds};

use crate::entry_id::EntryId;
pub use view::{Full, Limits, Revocations};

/// How far ahead of our clock the machine may be that minted a token.
pub const ISSUE_SKEW: Duration = Duration::from_secs(30);

/// Which tokens of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One token.
    Token(TokenId),
    /// All of a user.
    User(String),
    /// All for a room: those that name it, and identity tokens when shown there.
    Room(String),
    /// All of a user for a room.
    UserInRoom {
        /// The user.
        user_id: String,
        /// The room.
        room_id: String,
    },
    /// All.
    App,
}

impl Target {
    /// The name that this target always has.
    pub fn entry_id(&self) -> EntryId {
        match self {
            Self::Token(token_id) => entries::token(*token_id),
            Self::User(user_id) => entries::user(user_id),
            Self::Room(room_id) => entries::room(room_id),
            Self::UserInRoom { user_id, room_id } => entries::user_in_room(user_id, room_id),
            Self::App => entries::app(),
        }
    }

    /// What kind of target it is, in one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::User(_) => "user",
            Self::Room(_) => "room",
            Self::UserInRoom { .. } => "user_in_room",
            Self::App => "app",
        }
    }

    /// Whether `subject` is among them.
    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        let is_room = |room_id: &String| subject.room_id == Some(room_id);
        match self {
            Self::Token(token_id) => *token_id == subject.token_id,
            Self::User(user_id) => user_id == subject.user_id,
            Self::Room(room_id) => is_room(room_id),
            Self::UserInRoom { user_id, room_id } => user_id == subject.user_id && is_room(room_id),
            Self::App => true,
        }
    }
}

/// The names of targets that are at hand in parts.
mod entries {
    use token_gen::TokenId;

    use crate::entry_id::EntryId;

    pub(super) fn token(token_id: TokenId) -> EntryId {
        EntryId::of("revoked token", &[token_id.as_str()])
    }

    pub(super) fn user(user_id: &str) -> EntryId {
        EntryId::of("revoked user", &[user_id])
    }

    pub(super) fn room(room_id: &str) -> EntryId {
        EntryId::of("revoked room", &[room_id])
    }

    pub(super) fn user_in_room(user_id: &str, room_id: &str) -> EntryId {
        EntryId::of("revoked user in room", &[user_id, room_id])
    }

    pub(super) fn app() -> EntryId {
        EntryId::of("revoked app", &[])
    }
}

/// What a revocation is compared with: a token, and the room it is for or is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The token's id.
    pub token_id: TokenId,
    /// The user sealed in it.
    pub user_id: &'a str,
    /// The room it names; for a token that names none, the room it is shown in.
    pub room_id: Option<&'a str>,
    /// When it was issued.
    pub issued_at: UnixSeconds,
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The app whose tokens it ends.
    pub app_id: AppId,
    /// Which of them.
    pub target: Target,
    /// The last second of issue that it ends.
    pub issued_before: UnixSeconds,
    /// From when on no token it hits could be good anyway, so that it may be forgotten.
    pub expire_at: UnixSeconds,
    /// When it was asked for.
    pub created_at: UnixSeconds,
    /// Who asked: a key id, or the name of an operator's tool.
    pub created_by: String,
    /// Why.
    pub reason: Option<String>,
}

/// What a revocation is compared with where there is no token: a session that goes by the AppSign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokenless<'a> {
    /// The user, by their own word.
    pub user_id: &'a str,
    /// The room.
    pub room_id: &'a str,
    /// When the session logged in.
    pub since: UnixSeconds,
}

impl Revocation {
    /// Whether it ends a session that goes by the AppSign. One of the user always does: such a session has no time of
    /// issue that would tell it from those the operator meant. One of the room or the app ends those that are there.
    pub fn hits_tokenless(&self, session: &Tokenless<'_>) -> bool {
        let is_room = |room_id: &String| room_id == session.room_id;
        match &self.target {
            Target::Token(_) => false,
            Target::User(user_id) => user_id == session.user_id,
            Target::UserInRoom { user_id, room_id } => user_id == session.user_id && is_room(room_id),
            Target::Room(room_id) => session.since <= self.issued_before && is_room(room_id),
            Target::App => session.since <= self.issued_before,
        }
    }

    /// Whether it ends the token of `subject`.
    pub fn hits(&self, subject: &Subject<'_>) -> bool {
        subject.issued_at <= self.issued_before && self.target.covers(subject)
    }
}

/// When a revocation made at `now` for tokens issued up to `issued_before` may be forgotten: after the longest
/// lifetime any app may ever allow. The app's present limit would not do, because it can be raised afterwards, and
/// what was refused as too long-lived and revoked would come to life.
pub fn forget_at(issued_before: UnixSeconds, now: UnixSeconds) -> UnixSeconds {
    issued_before.min(now.saturating_add(ISSUE_SKEW)).max(now).saturating_add(MAX_LIFETIME + ISSUE_SKEW)
}
