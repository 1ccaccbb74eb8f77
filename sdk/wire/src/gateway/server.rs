//! What the server sends.

use serde::{Deserialize, Serialize};

use super::{AuthKind, GoneReason, MediaAnswer, MediaKind, MediaLost, MediaServers, SessionPrivilege, SessionRights};
use crate::ErrorCode;

/// What the server sends. New kinds may come: a client ignores those it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerMessage {
    /// The first message of every connection.
    Hello(Hello),
    /// The login, or the switch to another room, succeeded.
    LoggedIn(LoggedIn),
    /// The session goes on, on this connection.
    Resumed(Resumed),
    /// The request succeeded and there is nothing more to say.
    Ok(OkReply),
    /// The renewal succeeded.
    TokenRenewed(TokenRenewed),
    /// The request failed, or the connection is about to be closed.
    Error(ErrorMessage),
    /// The token will expire: renew.
    TokenWillExpire(TokenWillExpire),
    /// The token has expired. Running streams go on; new ones are refused until renewal.
    TokenExpired(TokenExpired),
    /// Users came or went.
    RoomUsers(RoomUsers),
    /// Streams came or went.
    RoomStreams(RoomStreams),
    /// A value that belongs to the room was set or removed.
    RoomExtra(RoomExtraChange),
    /// The value beside a user was set or removed.
    UserExtra(UserExtra),
    /// Somebody said something to the room.
    RoomMessage(RoomMessage),
    /// Somebody said something to this user.
    Signal(Signal),
    /// The operator says something.
    ServerMessage(OperatorMessage),
    /// What this session may do has changed.
    PrivilegesChanged(PrivilegesChanged),
    /// The server is about to stop: come back, here or on another node, at a random moment.
    Reconnect(Reconnect),
    /// The server stopped one of this session's own streams.
    PublishStopped(StreamStopped),
    /// The server stopped playing a stream to this session.
    PlayStopped(StreamStopped),
    /// The STUN and TURN servers to use for media.
    MediaServers(MediaServers),
    /// The answer to an offer.
    MediaAnswer(MediaAnswer),
    /// The connection for media is gone: make another.
    MediaLost(MediaLost),
    /// This session is over; the connection is closed after it.
    Kicked(Kicked),
}

/// [`ServerMessage::Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol spoken, [`SUBPROTOCOL`](super::SUBPROTOCOL).
    pub protocol: String,
    /// 32 random bytes in standard base64 with padding, good for one login on this connection.
    pub challenge: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
    /// How long the server waits for the login, in seconds.
    pub login_timeout_secs: u32,
}

/// [`ServerMessage::LoggedIn`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The request's id.
    pub id: u64,
    /// Names this stay, in logs too.
    pub session_id: String,
    /// The room entered.
    pub room_id: String,
    /// The user who entered.
    pub user_id: String,
    /// Which credential let the user in.
    pub auth: AuthKind,
    /// Why the other credential, if one was sent, was not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_credential: Option<ErrorCode>,
    /// What the user may do now.
    pub privileges: Vec<SessionPrivilege>,
    /// Within which limits.
    #[serde(default)]
    pub rights: SessionRights,
    /// When the token expires, in Unix seconds; absent without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
    /// What the token's minter has to say about the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Proves on another connection that this session is this client's. Good once; absent if sessions cannot be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_key: Option<String>,
    /// How long a lost session waits for its client, in seconds.
    #[serde(default)]
    pub resume_within_secs: u64,
    /// What the next AppSign proof on this connection is for, in place of the one that came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
    /// Names this life of the room: another one, once everybody has left, has another number.
    #[serde(default)]
    pub room_session_id: String,
    /// The number of the room's latest change; the next one carries one more.
    pub seq: u64,
    /// Where the talk of the room stands; only where rooms span several nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u64>,
    /// Everybody in the room, in joining order, this user included.
    pub users: Vec<User>,
    /// Every stream in the room, in starting order.
    pub streams: Vec<Stream>,
    /// The values that belong to the room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub room_extra: Vec<RoomExtra>,
}

/// [`ServerMessage::Resumed`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The request's id.
    pub id: u64,
    /// The session that goes on.
    pub session_id: String,
    /// The room it is in.
    pub room_id: String,
    /// The life of the room.
    pub room_session_id: String,
    /// The key for the next time.
    pub resume_key: String,
    /// How long a lost session waits for its client, in seconds.
    pub resume_within_secs: u64,
    /// What the user may do now.
    pub privileges: Vec<SessionPrivilege>,
    /// Within which limits.
    #[serde(default)]
    pub rights: SessionRights,
    /// When the token expires, in Unix seconds; absent without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
    /// The number of the room's latest change.
    pub seq: u64,
    /// The streams this session publishes still.
    pub publishing: Vec<String>,
    /// The streams it plays still.
    pub playing: Vec<String>,
    /// Not everything that was said meanwhile is known any more: the client may have missed messages and signals.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub messages_missed: bool,
    /// The room after change number `seq`, if the server no longer knows every change that the client missed. Without
    /// it, those changes follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RoomState>,
}

/// A room as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    /// Everybody, in joining order.
    pub users: Vec<User>,
    /// Every stream, in starting order.
    pub streams: Vec<Stream>,
    /// The values that belong to the room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub room_extra: Vec<RoomExtra>,
}

/// Somebody in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The id.
    pub user_id: String,
    /// The display name.
    pub user_name: String,
    /// What the user's token says of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// What the user set with [`ClientMessage::SetUserExtra`](super::ClientMessage::SetUserExtra).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<String>,
}

/// A stream in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The id, unique in the app.
    pub stream_id: String,
    /// Who publishes it.
    pub user_id: String,
    /// What it carries; absent if its publisher did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediaKind>,
    /// What its publisher says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<String>,
}

/// A value that belongs to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomExtra {
    /// Its name.
    pub key: String,
    /// The value.
    pub value: String,
    /// Who set it.
    pub user_id: String,
    /// When, in Unix seconds.
    pub updated_at: i64,
}

/// [`ServerMessage::Ok`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OkReply {
    /// The request's id.
    pub id: u64,
}

/// [`ServerMessage::TokenRenewed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRenewed {
    /// The request's id.
    pub id: u64,
    /// When the new token expires, in Unix seconds.
    pub expire_at: i64,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
    /// What the user may do from now on.
    pub privileges: Vec<SessionPrivilege>,
    /// Within which limits.
    #[serde(default)]
    pub rights: SessionRights,
    /// Something to know about the new token, such as [`ErrorCode::RenewedWithoutPublish`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<ErrorCode>,
}

/// [`ServerMessage::Error`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// The request's id; absent when the fault is the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The stable code.
    pub code: ErrorCode,
    /// The vendor SDKs' number for it; 0 where they have none.
    pub number: u32,
    /// What happened and what to do, for people.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Which rule said no: of the token `room`, `login`, `publish`, `play`, `stream`, `media`, `until`; otherwise the
    /// member of the request that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ErrorMessage {
    /// The message for `code` with the catalogue's texts.
    pub fn new(id: Option<u64>, code: ErrorCode) -> Self {
        let row = code.row();
        Self {
            id,
            code,
            number: row.number,
            message: format!("{}. {}", row.title, row.remedy),
            retryable: row.retryable,
            reason: None,
        }
    }
}

/// [`ServerMessage::TokenWillExpire`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenWillExpire {
    /// The room.
    pub room_id: String,
    /// Whole seconds left.
    pub remain_secs: u64,
    /// When it expires, in Unix seconds.
    pub expire_at: i64,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// [`ServerMessage::TokenExpired`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenExpired {
    /// The room.
    pub room_id: String,
    /// When it expired, in Unix seconds.
    pub expire_at: i64,
}

/// Whether something came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It came.
    Add,
    /// It went.
    Delete,
    /// A kind of change that this version does not know.
    #[serde(other)]
    Unknown,
}

/// [`ServerMessage::RoomUsers`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomUsers {
    /// The room.
    pub room_id: String,
    /// The number of this change in the life of the room.
    pub seq: u64,
    /// Came or went.
    pub change: Change,
    /// Who.
    pub users: Vec<User>,
    /// Why they went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<GoneReason>,
}

/// [`ServerMessage::RoomStreams`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomStreams {
    /// The room.
    pub room_id: String,
    /// The number of this change in the life of the room.
    pub seq: u64,
    /// Came or went.
    pub change: Change,
    /// Which.
    pub streams: Vec<Stream>,
    /// Why they went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<GoneReason>,
}

/// [`ServerMessage::RoomExtra`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomExtraChange {
    /// The room.
    pub room_id: String,
    /// The number of this change in the life of the room.
    pub seq: u64,
    /// The value's name.
    pub key: String,
    /// The value; empty: it was removed.
    pub value: String,
    /// Who did it.
    pub user_id: String,
    /// When, in Unix seconds.
    pub updated_at: i64,
}

/// [`ServerMessage::UserExtra`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserExtra {
    /// The room.
    pub room_id: String,
    /// The number of this change in the life of the room.
    pub seq: u64,
    /// Whose value.
    pub user_id: String,
    /// The value; empty: it was removed.
    pub extra: String,
}

/// [`ServerMessage::RoomMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomMessage {
    /// The room.
    pub room_id: String,
    /// Its number among the changes in the life of the room; for one that was `missed`, that of `resumed`.
    pub seq: u64,
    /// Who said it.
    pub user_id: String,
    /// What was said.
    pub text: String,
    /// When, in Unix seconds.
    pub sent_at: i64,
    /// Where the talk of the room stands with it; the same for everybody who hears it, and higher than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u64>,
    /// It was said before the session went on here, and has no number of its own among the changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missed: bool,
}

/// [`ServerMessage::Signal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The room.
    pub room_id: String,
    /// Who said it.
    pub user_id: String,
    /// What was said.
    pub text: String,
    /// When, in Unix seconds.
    pub sent_at: i64,
    /// Where the talk of the room stands with it, as for [`RoomMessage::mark`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u64>,
}

/// [`ServerMessage::ServerMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorMessage {
    /// The room.
    pub room_id: String,
    /// What is said.
    pub text: String,
    /// When, in Unix seconds.
    pub sent_at: i64,
}

/// [`ServerMessage::PrivilegesChanged`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivilegesChanged {
    /// The room.
    pub room_id: String,
    /// What the user may do from now on.
    pub privileges: Vec<SessionPrivilege>,
    /// Within which limits.
    #[serde(default)]
    pub rights: SessionRights,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// [`ServerMessage::Reconnect`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconnect {
    /// Come back at a random moment within this time, in seconds. The server closes the connection at its end.
    pub within_secs: u64,
}

/// [`ServerMessage::PublishStopped`] and [`ServerMessage::PlayStopped`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStopped {
    /// The stream.
    pub stream_id: String,
    /// Why.
    pub code: ErrorCode,
    /// The vendor SDKs' number for it.
    pub number: u32,
}

/// [`ServerMessage::Kicked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// The room.
    pub room_id: String,
    /// Why.
    pub code: ErrorCode,
    /// The vendor SDKs' number for it.
    pub number: u32,
    /// Why, for people.
    pub message: String,
    /// Whether the client may come back by itself.
    pub may_reconnect: bool,
    /// What the operator says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl std::fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedIn")
            .field("id", &self.id)
            .field("session_id", &self.session_id)
            .field("room_id", &self.room_id)
            .field("user_id", &self.user_id)
            .field("auth", &self.auth)
            .field("privileges", &self.privileges)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Resumed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resumed")
            .field("id", &self.id)
            .field("session_id", &self.session_id)
            .field("room_id", &self.room_id)
            .field("privileges", &self.privileges)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}
