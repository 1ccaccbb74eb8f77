//! The messages of the room gateway: JSON text frames over one WebSocket, one user's stay in one room.
//!
//! The server speaks first ([`ServerMessage::Hello`]), the client's first message is [`ClientMessage::Login`]. Every
//! client message carries an `id` of the client's choosing and gets exactly one reply that repeats it.

use crate::{ErrorCode, http::PrivilegeName};
use serde::{Deserialize, Serialize};

/// Where the gateway is: a WebSocket upgrade.
pub const GATEWAY_PATH: &str = "/v1/gateway";
/// The WebSocket subprotocol, with its version; the client must offer it.
pub const SUBPROTOCOL: &str = "roompass.v1";

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// Enters a room. The first message, sent once.
    Login(Login),
    /// Starts publishing a stream.
    Publish(StreamRequest),
    /// Stops publishing it.
    StopPublish(StreamRequest),
    /// Starts playing a stream; one that does not exist yet is waited for.
    Play(StreamRequest),
    /// Stops playing it.
    StopPlay(StreamRequest),
    /// Replaces the session's token without leaving.
    RenewToken(RenewToken),
    /// Leaves the room; the server answers and closes.
    Logout(Logout),
}

/// [`ClientMessage::Login`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Repeated in the reply.
    pub id: u64,
    /// The app.
    pub app_id: u32,
    /// The user entering.
    pub user_id: String,
    /// What others see; the user id if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The room to enter; it comes into being with its first user.
    pub room_id: String,
    /// The user's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Shows that this client build holds the AppSign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_sign_proof: Option<AppSignProof>,
    /// The client's name and version, for the operator's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
}

/// Shows possession of the AppSign without sending it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSignProof {
    /// The moment the proof is for: `server_time` of the hello, plus the seconds since.
    pub timestamp: i64,
    /// HMAC-SHA256, in standard base64 with padding; see the wire reference for what it covers.
    pub proof: String,
}

/// Names a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRequest {
    /// Repeated in the reply.
    pub id: u64,
    /// The stream.
    pub stream_id: String,
}

/// [`ClientMessage::RenewToken`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewToken {
    /// Repeated in the reply.
    pub id: u64,
    /// The new token: same app, same user, good now.
    pub token: String,
}

/// [`ClientMessage::Logout`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// Repeated in the reply.
    pub id: u64,
}

impl ClientMessage {
    /// The id to repeat in the reply.
    pub fn id(&self) -> u64 {
        match self {
            Self::Login(login) => login.id,
            Self::Publish(request) | Self::StopPublish(request) | Self::Play(request) | Self::StopPlay(request) => {
                request.id
            }
            Self::RenewToken(renew) => renew.id,
            Self::Logout(logout) => logout.id,
        }
    }
}

/// What the server sends. New kinds may come: a client ignores those it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerMessage {
    /// The first message of every connection.
    Hello(Hello),
    /// The login succeeded.
    LoggedIn(LoggedIn),
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
    /// The server stopped one of this session's own streams.
    PublishStopped(StreamStopped),
    /// The server stopped playing a stream to this session.
    PlayStopped(StreamStopped),
    /// This session is over; the connection is closed after it.
    Kicked(Kicked),
}

/// Why the server closes a connection: the WebSocket close code. The close reason is the [`ErrorCode`] that led to it.
///
/// A client comes back by itself after codes that [may reconnect](CloseCode::may_reconnect), never after others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum CloseCode {
    /// The client logged out.
    LoggedOut = 1000,
    /// The frames broke the WebSocket rules.
    Protocol = 1002,
    /// A binary frame: the protocol has none.
    Binary = 1003,
    /// A text frame that was not UTF-8.
    NotUtf8 = 1007,
    /// A message over the size limit.
    TooLarge = 1009,
    /// The login was refused; the `error` before says why, and whether the same login may succeed later.
    LoginRefused = 4000,
    /// The stay was ended; the `kicked` before says why.
    Kicked = 4001,
    /// The server stops, or failed: log in again, here or on another node.
    GoingAway = 4100,
    /// No login arrived in time.
    LoginTimeout = 4101,
    /// The client did not read what it was sent.
    TooSlow = 4102,
    /// The client sent too many messages.
    RateLimited = 4103,
    /// The client did not answer a ping.
    NoPong = 4104,
}

impl CloseCode {
    /// Every code, in order.
    pub const ALL: &'static [Self] = &[
        Self::LoggedOut,
        Self::Protocol,
        Self::Binary,
        Self::NotUtf8,
        Self::TooLarge,
        Self::LoginRefused,
        Self::Kicked,
        Self::GoingAway,
        Self::LoginTimeout,
        Self::TooSlow,
        Self::RateLimited,
        Self::NoPong,
    ];

    /// The number in the close frame.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether a client may come back by itself, after a short random wait.
    pub const fn may_reconnect(self) -> bool {
        self.number() >= 4100
    }
}

/// [`ServerMessage::Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol spoken, [`SUBPROTOCOL`].
    pub protocol: String,
    /// 32 random bytes in standard base64 with padding, good for one login on this connection.
    pub challenge: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
    /// How long the server waits for the login, in seconds.
    pub login_timeout_secs: u32,
}

/// How a session was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// By its token: the user id is proven.
    Token,
    /// By the AppSign alone: the app is proven, the user id is not.
    AppSign,
}

impl AuthKind {
    /// The word for it, on the wire and in logs: `token` or `app_sign`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AppSign => "app_sign",
        }
    }
}

/// [`ServerMessage::LoggedIn`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub privileges: Vec<PrivilegeName>,
    /// When the token expires, in Unix seconds; absent without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
    /// The number of the room's latest change; the next [`RoomUsers`] or [`RoomStreams`] carries one more.
    pub seq: u64,
    /// Everybody in the room, in joining order, this user included.
    pub users: Vec<User>,
    /// Every stream in the room, in starting order.
    pub streams: Vec<Stream>,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The id.
    pub user_id: String,
    /// The display name.
    pub user_name: String,
}

/// A stream in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The id, unique in the app.
    pub stream_id: String,
    /// Who publishes it.
    pub user_id: String,
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
    pub privileges: Vec<PrivilegeName>,
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
    /// Which rule of the token said no: `room`, `login`, `publish`, `stream`; only for denials.
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
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("id", &self.id)
            .field("app_id", &self.app_id)
            .field("user_id", &self.user_id)
            .field("room_id", &self.room_id)
            .field("has_token", &self.token.is_some())
            .field("has_app_sign_proof", &self.app_sign_proof.is_some())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RenewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenewToken").field("id", &self.id).finish_non_exhaustive()
    }
}
