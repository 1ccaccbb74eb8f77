//! Ending tokens early, and keeping users out.

use serde::{Deserialize, Serialize};

/// `POST`: ends tokens early (RFC 7009 in spirit: doing it twice is fine, and so is an unknown token).
pub const REVOKE_PATH: &str = "/v1/apps/{app_id}/tokens/revoke";
/// `GET`: lists live revocations.
pub const REVOCATIONS_PATH: &str = "/v1/apps/{app_id}/revocations";
/// `POST`: bans. `GET`: lists bans.
pub const BANS_PATH: &str = "/v1/apps/{app_id}/bans";
/// `DELETE`: lifts a ban.
pub const BAN_PATH: &str = "/v1/apps/{app_id}/bans/{ban_id}";

/// Ends tokens early. Exactly one target: `token`, `token_id`, `user_id`, `room_id`, `user_id` with `room_id`, or
/// `whole_app`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// This token. A token sealed with `cbc` can be altered by its holder into another one: revoke its user instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The token of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// All tokens of this user, or with `room_id` those for that room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::UserId>))]
    pub user_id: Option<String>,
    /// All tokens for this room; identity tokens are ended there too, not elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::RoomId>))]
    pub room_id: Option<String>,
    /// All tokens of the app; must be `true` if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_app: Option<bool>,
    /// The last second of issue that is ended, in Unix seconds: not later than 30 s from now. Tokens issued after it
    /// are good. Now, if left out; for one token, whenever it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<i64>,
    /// Why: 1 to 255 bytes without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::Reason>))]
    pub reason: Option<String>,
}

impl std::fmt::Debug for RevokeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RevokeRequest")
            .field("token_id", &self.token_id)
            .field("user_id", &self.user_id)
            .field("room_id", &self.room_id)
            .field("whole_app", &self.whole_app)
            .field("issued_before", &self.issued_before)
            .finish_non_exhaustive()
    }
}

/// The answer to a [`RevokeRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokeResponse {
    /// What holds now. With an earlier one of the same target, the stronger of both.
    pub revocation: Revocation,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// What kind of target a revocation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RevocationKind {
    /// One token.
    Token,
    /// All of a user.
    User,
    /// All for a room.
    Room,
    /// All of a user for a room.
    UserInRoom,
    /// All of the app.
    App,
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Revocation {
    /// Names it; the same target always has the same name.
    pub revocation_id: String,
    /// What kind of target it has.
    pub kind: RevocationKind,
    /// The token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The last second of issue that it ends; absent where it ends the token whenever it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<i64>,
    /// When it ends by itself: no token that it hits could be good any more.
    pub expire_at: i64,
    /// When it was made.
    pub created_at: i64,
    /// The key that made it, or the operator's tool.
    pub created_by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A page of revocations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevocationsResponse {
    /// In no particular order that means anything.
    pub revocations: Vec<Revocation>,
    /// Ask with this for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// Bans. Exactly one target: `user_id`, `room_id`, `user_id` with `room_id`, or `ip_range`. Banning the same target
/// again puts the new duration and reason in place of the old.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// This user, from all rooms of the app, or with `room_id` from that room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::UserId>))]
    pub user_id: Option<String>,
    /// Everybody, from this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::RoomId>))]
    pub room_id: Option<String>,
    /// Whoever comes from here: an address, or a range such as `203.0.113.0/24` or `2001:db8::/32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// For how long, in seconds: 1 to 3,153,600,000 (a hundred years). Until lifted, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 3_153_600_000_u64))]
    pub duration_secs: Option<u64>,
    /// Why: 1 to 255 bytes without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::Reason>))]
    pub reason: Option<String>,
}

/// The answer to a [`BanRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BanResponse {
    /// The ban.
    pub ban: Ban,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// What kind of target a ban has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BanKind {
    /// A user.
    User,
    /// A room.
    Room,
    /// A user, in a room.
    UserInRoom,
    /// A range of addresses.
    IpRange,
}

/// One ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ban {
    /// Names it; the same target always has the same name.
    pub ban_id: String,
    /// What kind of target it has.
    pub kind: BanKind,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// The first second at which it no longer holds; absent if it holds until lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
    /// When it was made, or last made anew.
    pub created_at: i64,
    /// The key that made it, or the operator's tool.
    pub created_by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A page of bans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BansResponse {
    /// In no particular order that means anything.
    pub bans: Vec<Ban>,
    /// Ask with this for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// The answer to lifting a ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiftBanResponse {
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}
