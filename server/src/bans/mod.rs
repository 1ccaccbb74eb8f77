//! Keeping users, rooms and addresses out, whatever token they show, for a time or until lifted. Knows neither HTTP
//! nor a store.

mod ip_range;
mod view;

use std::net::IpAddr;

use token_gen::{AppId, UnixSeconds};

use crate::entry_id::EntryId;
pub use ip_range::{IpRange, IpRangeFault};
pub use view::{Bans, Full};

/// Whom a ban keeps out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A user, from every room of the app.
    User(String),
    /// A user, from one room.
    UserInRoom {
        /// The user.
        user_id: String,
        /// The room.
        room_id: String,
    },
    /// Everybody, from one room.
    Room(String),
    /// Whoever comes from these addresses, from every room of the app.
    IpRange(IpRange),
}

impl Target {
    /// What kind of target it is, in one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::UserInRoom { .. } => "user_in_room",
            Self::Room(_) => "room",
            Self::IpRange(_) => "ip_range",
        }
    }

    /// The name that this target always has.
    pub fn entry_id(&self) -> EntryId {
        match self {
            Self::User(user_id) => entries::user(user_id),
            Self::UserInRoom { user_id, room_id } => entries::user_in_room(user_id, room_id),
            Self::Room(room_id) => entries::room(room_id),
            Self::IpRange(range) => entries::ip_range(*range),
        }
    }

    /// Whether `visitor` is meant.
    pub fn covers(&self, visitor: &Visitor<'_>) -> bool {
        match self {
            Self::User(user_id) => visitor.user_id == Some(user_id),
            Self::UserInRoom { user_id, room_id } => {
                visitor.user_id == Some(user_id) && visitor.room_id == Some(room_id)
            }
            Self::Room(room_id) => visitor.room_id == Some(room_id),
            Self::IpRange(range) => visitor.address.is_some_and(|address| range.contains(address)),
        }
    }
}

/// The names of targets that are at hand in parts.
mod entries {
    use super::IpRange;
    use crate::entry_id::EntryId;

    pub(super) fn user(user_id: &str) -> EntryId {
        EntryId::of("banned user", &[user_id])
    }

    pub(super) fn user_in_room(user_id: &str, room_id: &str) -> EntryId {
        EntryId::of("banned user in room", &[user_id, room_id])
    }

    pub(super) fn room(room_id: &str) -> EntryId {
        EntryId::of("banned room", &[room_id])
    }

    pub(super) fn ip_range(range: IpRange) -> EntryId {
        EntryId::of("banned addresses", &[&range.to_string()])
    }
}

/// Who wants in, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visitor<'a> {
    /// The user.
    pub user_id: Option<&'a str>,
    /// The room.
    pub room_id: Option<&'a str>,
    /// Where the connection comes from.
    pub address: Option<IpAddr>,
}

/// One ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The app it holds in.
    pub app_id: AppId,
    /// Whom it keeps out.
    pub target: Target,
    /// The first second at which it no longer holds; `None` until it is lifted.
    pub expire_at: Option<UnixSeconds>,
    /// When it was made, or last made anew.
    pub created_at: UnixSeconds,
    /// Who made it: a key id, or the name of an operator's tool.
    pub created_by: String,
    /// Why.
    pub reason: Option<String>,
}

impl Ban {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: UnixSeconds) -> bool {
        self.expire_at.is_none_or(|end| now < end)
    }
}
