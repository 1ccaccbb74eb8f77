//! What each event says. Moments are Unix milliseconds, ids are text, numbers are numbers.

use serde::{Deserialize, Serialize};

use crate::{
    ErrorCode,
    gateway::{AuthKind, GoneReason},
    http::{BanKind, RevocationKind, SecretPurpose},
};

/// A token was minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// Its name; never the token.
    pub token_id: String,
    /// The user it is for.
    pub user_id: String,
    /// The one room it is for, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// When it expires.
    pub expire_at_ms: i64,
    /// The backend key that asked for it.
    pub key_id: String,
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedOperation {
    /// A client's login to a room.
    Login,
    /// A client's renewal of its token.
    Renew,
    /// A backend's mint.
    Mint,
    /// A backend's introspection: the token is not active.
    Introspect,
}

/// Something was refused, once or several times for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What.
    pub operation: RefusedOperation,
    /// The code that the one who asked was told.
    pub code: ErrorCode,
    /// The exact reason, which strangers are not told.
    pub reason: String,
    /// Who it was about, where that is known: of several, the latest. A name that was not proven is only a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The room, where that is known: of several, the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The token, where there was one: of several, the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// How often, since `first_at_ms`.
    pub count: u64,
    /// When the first of them was refused.
    pub first_at_ms: i64,
}

/// Tokens were ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Names the revocation; the same target always has the same name.
    pub revocation_id: String,
    /// Which kind of target.
    pub kind: RevocationKind,
    /// The token, for the kind `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The user, for the kinds `user` and `user_in_room`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The room, for the kinds `room` and `user_in_room`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// Tokens issued up to this second are ended; absent for a single token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before_ms: Option<i64>,
    /// Who did it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Somebody is kept out, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    /// Names the ban; the same target always has the same name.
    pub ban_id: String,
    /// Which kind of target.
    pub kind: BanKind,
    /// The user, for the kinds `user` and `user_in_room`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The room, for the kinds `room` and `user_in_room`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The addresses, for the kind `ip_range`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// When it ends by itself; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at_ms: Option<i64>,
    /// Who banned or lifted.
    pub by: String,
    /// Why it was banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The app has a new server secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRotated {
    /// Names the new secret.
    pub secret_id: String,
    /// What it seals and opens.
    pub purpose: SecretPurpose,
    /// Until when the one before opens tokens; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_valid_until_ms: Option<i64>,
}

/// A previous server secret was ended at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRetired {
    /// Names it.
    pub secret_id: String,
}

/// A previous server secret will stop opening tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretExpiring {
    /// Names it.
    pub secret_id: String,
    /// The first millisecond at which it opens none.
    pub valid_until_ms: i64,
}

/// The app has a new AppSign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSignReset {
    /// Until when the one before proves logins.
    pub previous_valid_until_ms: i64,
}

/// The app's settings changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppChanged {
    /// The app's version now.
    pub version: i64,
    /// The settings that have another value now.
    pub settings: Vec<String>,
}

/// The app was switched off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppDisabled {
    /// The app's version now.
    pub version: i64,
}

/// Which room, and which change in it. Receivers put events in order by it: `room_session_id` is another one each time the
/// room comes into being.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InRoom {
    /// The room.
    pub room_id: String,
    /// Names this life of the room.
    pub room_session_id: String,
    /// The number of the change among the changes of this life of the room; absent for its beginning and its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// A room came into being.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomOpened {
    /// Which.
    #[serde(flatten)]
    pub room: InRoom,
}

/// A room is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomClosed {
    /// Which.
    #[serde(flatten)]
    pub room: InRoom,
    /// Why its last user went.
    pub reason: GoneReason,
}

/// A user logged in to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntered {
    /// Where.
    #[serde(flatten)]
    pub room: InRoom,
    /// Names the stay.
    pub session_id: String,
    /// Who.
    pub user_id: String,
    /// What the others see.
    pub user_name: String,
    /// By which credential: with an AppSign alone the user id is not proven.
    pub auth: AuthKind,
    /// Whether the user was in this room until this login.
    pub again: bool,
}

/// A user left a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLeft {
    /// Where.
    #[serde(flatten)]
    pub room: InRoom,
    /// Names the stay.
    pub session_id: String,
    /// Who.
    pub user_id: String,
    /// What the others saw.
    pub user_name: String,
    /// Why.
    pub reason: GoneReason,
}

/// A stream began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStarted {
    /// Where.
    #[serde(flatten)]
    pub room: InRoom,
    /// The stay of its publisher.
    pub session_id: String,
    /// Which.
    pub stream_id: String,
    /// Who publishes it.
    pub user_id: String,
}

/// A stream ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStopped {
    /// Where.
    #[serde(flatten)]
    pub room: InRoom,
    /// The stay of its publisher.
    pub session_id: String,
    /// Which.
    pub stream_id: String,
    /// Who published it.
    pub user_id: String,
    /// Why.
    pub reason: GoneReason,
}

/// A delivery to try an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// The endpoint.
    pub endpoint_id: String,
}
