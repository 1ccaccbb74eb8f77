//! Rooms as they are now, and the operator's hand in them.

use serde::{Deserialize, Serialize};

use super::apps::is_false;
use crate::{
    ErrorCode,
    gateway::{SessionPrivilege, SessionRights},
};

/// `GET`: the rooms that somebody is in.
pub const ROOMS_PATH: &str = "/v1/apps/{app_id}/rooms";
/// `GET`: one room, with its users and streams.
pub const ROOM_PATH: &str = "/v1/apps/{app_id}/room";
/// `GET`: the live sessions.
pub const LIVE_SESSIONS_PATH: &str = "/v1/apps/{app_id}/sessions";
/// `POST`: removes users from rooms.
pub const KICK_PATH: &str = "/v1/apps/{app_id}/sessions/kick";
/// `POST`: takes privileges from a live session, or gives them back.
pub const WITHHOLD_PATH: &str = "/v1/apps/{app_id}/sessions/withhold";
/// `POST`: stops a stream.
pub const STOP_STREAM_PATH: &str = "/v1/apps/{app_id}/streams/stop";
/// `POST`: removes everybody from a room.
pub const CLOSE_ROOM_PATH: &str = "/v1/apps/{app_id}/rooms/close";
/// `POST`: says something to a room, or to one user in it.
pub const ROOM_MESSAGE_PATH: &str = "/v1/apps/{app_id}/rooms/message";

/// Whom an answer about live rooms lacks. Without it, every node has answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unreached {
    /// Nodes that have not answered in time, as their logs name them: what they hold is missing, and nothing was done
    /// there for sure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_nodes: Vec<String>,
    /// Nodes cannot reach each other just now: the answer is of one node alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bus_away: bool,
}

/// A room, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomSummary {
    /// The room.
    pub room_id: String,
    /// How many users are in it.
    pub user_count: u64,
    /// How many streams there are in it.
    pub stream_count: u64,
}

/// A page of rooms, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomsResponse {
    /// The rooms.
    pub rooms: Vec<RoomSummary>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Which nodes are missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<Unreached>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Which room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RoomQuery {
    /// The room.
    pub room_id: String,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomUser {
    /// The id.
    pub user_id: String,
    /// The display name.
    pub user_name: String,
}

/// A stream in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomStream {
    /// The id.
    pub stream_id: String,
    /// Who publishes it.
    pub user_id: String,
}

/// A room as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomResponse {
    /// The room.
    pub room_id: String,
    /// Everybody, in joining order.
    pub users: Vec<RoomUser>,
    /// Every stream, in starting order.
    pub streams: Vec<RoomStream>,
    /// Which nodes are missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<Unreached>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Which live sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LiveSessionsQuery {
    /// Only those in this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// Only those of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Only those with this in the id of their user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub search: Option<String>,
    /// How many entries at most: 1 to 1,000, 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
    /// Where to go on: the `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// How a session was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuthName {
    /// By its token: the user id is proven.
    Token,
    /// By the AppSign alone: the user id is not proven.
    AppSign,
}

/// What an operator can withhold from a live session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WithheldPrivilege {
    /// To publish: running streams are stopped.
    Publish,
    /// To play: what is played is stopped.
    Play,
}

/// One user's stay in one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveSession {
    /// Names it, in logs too.
    pub session_id: String,
    /// The user.
    pub user_id: String,
    /// The room.
    pub room_id: String,
    /// Which credential let it in.
    pub auth: AuthName,
    /// Since when, in Unix seconds.
    pub since: i64,
    /// The address it comes from.
    pub source: String,
    /// Why the other credential, if it showed one, did not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_credential: Option<ErrorCode>,
    /// What its present credential allows now: `login`, `publish`, `play`.
    pub privileges: Vec<SessionPrivilege>,
    /// Within which limits.
    #[serde(default)]
    pub rights: SessionRights,
    /// What the operator withholds of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<WithheldPrivilege>,
    /// Its present token, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// When that expires, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
    /// Its media connection, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<super::SessionMedia>,
}

/// A page of live sessions, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveSessionsResponse {
    /// The sessions.
    pub sessions: Vec<LiveSession>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Which nodes are missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<Unreached>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Removes a session, or whatever sessions a user has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KickRequest {
    /// This session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Whatever session this user has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// With `user_id`: only in this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// Why: the user is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::Reason>))]
    pub reason: Option<String>,
    /// Whether the token is left good, so that the user may come back with it. Otherwise it is revoked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_token: bool,
    /// For how many seconds the user is kept out of the room, whatever token they show; not at all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub ban_secs: Option<u64>,
}

/// Removes everybody from a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CloseRoomRequest {
    /// The room.
    pub room_id: String,
    /// Why: the users are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::Reason>))]
    pub reason: Option<String>,
    /// Whether the tokens are left good. Otherwise those of the users who are in the room are revoked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_tokens: bool,
}

/// Who was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KickResponse {
    /// The sessions that were ended. Nobody who was not there is a failure.
    pub session_ids: Vec<String>,
    /// How many tokens were revoked. An AppSign session has none: only a ban keeps its user out.
    pub revoked_tokens: u64,
    /// Which nodes are missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<Unreached>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Takes privileges from a live session, or gives them back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WithholdRequest {
    /// The session.
    pub session_id: String,
    /// All that is withheld from now on, whatever token it renews with; empty gives everything back. Nobody gets more
    /// this way than the token grants.
    pub withhold: Vec<WithheldPrivilege>,
}

/// Stops a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StopStreamRequest {
    /// The stream. Its publisher may start it again: withhold `publish` to prevent that.
    pub stream_id: String,
}

/// Says something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RoomMessageRequest {
    /// The room.
    pub room_id: String,
    /// To this user alone; to everybody in the room if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What: 1 to 4,096 bytes.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 4096))]
    pub text: String,
}

/// It was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReachedResponse {
    /// How many sessions it reached.
    pub session_count: u64,
    /// Which nodes are missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<Unreached>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}
