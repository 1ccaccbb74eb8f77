//! What clients send.

use serde::{Deserialize, Serialize};

use super::{GetMediaServers, MediaCandidate, MediaKind, MediaOffer};

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// Enters a room. The first message, sent once.
    Login(Login),
    /// Goes on with a session whose connection was lost. The first message, in place of a login.
    Resume(Resume),
    /// Leaves the room for another one, on the same connection.
    SwitchRoom(SwitchRoom),
    /// Starts publishing a stream.
    Publish(Publish),
    /// Stops publishing it.
    StopPublish(StreamRequest),
    /// Starts playing a stream; one that does not exist yet is waited for.
    Play(StreamRequest),
    /// Stops playing it.
    StopPlay(StreamRequest),
    /// Replaces the session's token without leaving.
    RenewToken(RenewToken),
    /// Says something to everybody in the room.
    SendMessage(SendMessage),
    /// Says something to certain users of the room, such as what WebRTC needs to set up a call.
    SendSignal(SendSignal),
    /// Sets or removes a value that belongs to the room.
    SetRoomExtra(SetRoomExtra),
    /// Sets the value that the others see beside this user.
    SetUserExtra(SetUserExtra),
    /// Asks which STUN and TURN servers to use for media.
    GetMediaServers(GetMediaServers),
    /// Offers a WebRTC connection to the server, or a change of it.
    MediaOffer(MediaOffer),
    /// Tells an address of the client for that connection.
    MediaCandidate(MediaCandidate),
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

/// [`ClientMessage::Resume`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Repeated in the reply.
    pub id: u64,
    /// The app.
    pub app_id: u32,
    /// The session to go on with.
    pub session_id: String,
    /// The latest key that the server handed out for it. Good once.
    pub resume_key: String,
    /// The number of the latest change of the room that the client has heard.
    pub seq: u64,
    /// The latest `mark` that the client has heard, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u64>,
}

/// [`ClientMessage::SwitchRoom`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchRoom {
    /// Repeated in the reply.
    pub id: u64,
    /// The room to leave: the one this session is in.
    pub from_room_id: String,
    /// The room to enter.
    pub room_id: String,
    /// The user's token for the new room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// As at login, for the new room, with the latest challenge of this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_sign_proof: Option<AppSignProof>,
}

/// [`ClientMessage::Publish`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Repeated in the reply.
    pub id: u64,
    /// The stream.
    pub stream_id: String,
    /// What it carries; `audio` and `video` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaKind>>,
    /// What the others see beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<String>,
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

/// [`ClientMessage::SendMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    /// Repeated in the reply.
    pub id: u64,
    /// What is said.
    pub text: String,
}

/// [`ClientMessage::SendSignal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendSignal {
    /// Repeated in the reply.
    pub id: u64,
    /// To whom: users in the same room.
    pub user_ids: Vec<String>,
    /// What is said.
    pub text: String,
}

/// [`ClientMessage::SetRoomExtra`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRoomExtra {
    /// Repeated in the reply.
    pub id: u64,
    /// The name of the value.
    pub key: String,
    /// The value; an empty one is removed.
    pub value: String,
}

/// [`ClientMessage::SetUserExtra`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetUserExtra {
    /// Repeated in the reply.
    pub id: u64,
    /// The value; an empty one is removed.
    pub extra: String,
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
            Self::Resume(resume) => resume.id,
            Self::SwitchRoom(switch) => switch.id,
            Self::Publish(publish) => publish.id,
            Self::StopPublish(request) | Self::Play(request) | Self::StopPlay(request) => request.id,
            Self::RenewToken(renew) => renew.id,
            Self::SendMessage(message) => message.id,
            Self::SendSignal(signal) => signal.id,
            Self::SetRoomExtra(extra) => extra.id,
            Self::SetUserExtra(extra) => extra.id,
            Self::GetMediaServers(get) => get.id,
            Self::MediaOffer(offer) => offer.id,
            Self::MediaCandidate(candidate) => candidate.id,
            Self::Logout(logout) => logout.id,
        }
    }
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

impl std::fmt::Debug for Resume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resume")
            .field("id", &self.id)
            .field("app_id", &self.app_id)
            .field("session_id", &self.session_id)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SwitchRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SwitchRoom")
            .field("id", &self.id)
            .field("from_room_id", &self.from_room_id)
            .field("room_id", &self.room_id)
            .field("has_token", &self.token.is_some())
            .field("has_app_sign_proof", &self.app_sign_proof.is_some())
            .finish_non_exhaustive()
    }
}
