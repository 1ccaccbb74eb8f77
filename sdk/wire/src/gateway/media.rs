//! How a client and the media plane of the server find each other.

use serde::{Deserialize, Serialize};

use super::MediaKind;

/// Publishes a stream with an SDP offer as the body (WHIP, RFC 9725).
pub const WHIP_PATH: &str = "/v1/apps/{app_id}/rooms/{room_id}/whip/{stream_id}";
/// Plays a stream with an SDP offer as the body (WHEP).
pub const WHEP_PATH: &str = "/v1/apps/{app_id}/rooms/{room_id}/whep/{stream_id}";
/// What either has made: `PATCH` adds candidates, `DELETE` ends it. Its name is a secret of its client.
pub const MEDIA_PATH: &str = "/v1/media/{media_id}";

/// [`ClientMessage::GetMediaServers`](super::ClientMessage::GetMediaServers).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetMediaServers {
    /// Repeated in the reply.
    pub id: u64,
}

/// [`ClientMessage::MediaOffer`](super::ClientMessage::MediaOffer).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaOffer {
    /// Repeated in the reply.
    pub id: u64,
    /// The SDP offer.
    pub sdp: String,
    /// What its media lines are for: all of them each time, not only those that changed.
    pub tracks: Vec<MediaTrack>,
}

/// What a media line is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaTrack {
    /// The `a=mid` of the line.
    pub mid: String,
    /// The stream that is sent or received on it.
    pub stream_id: String,
    /// What of the stream is published: `audio`, `video` or `screen`. Left out, the line plays the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<MediaKind>,
}

/// [`ClientMessage::MediaCandidate`](super::ClientMessage::MediaCandidate).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaCandidate {
    /// Repeated in the reply.
    pub id: u64,
    /// The candidate as the browser gives it; empty at the end of them.
    pub candidate: String,
}

/// [`ServerMessage::MediaServers`](super::ServerMessage::MediaServers).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaServers {
    /// The request's id.
    pub id: u64,
    /// The `iceServers` of the client's connection. Often none: the media plane is reached directly.
    pub ice_servers: Vec<IceServer>,
    /// When the credentials among them expire, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
}

/// A STUN or TURN server, spelt as WebRTC in browsers has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// Where it is.
    pub urls: Vec<String>,
    /// The user name, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// [`ServerMessage::MediaAnswer`](super::ServerMessage::MediaAnswer).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaAnswer {
    /// The request's id.
    pub id: u64,
    /// The SDP answer.
    pub sdp: String,
    /// The media lines that nothing is forwarded from or to as things are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<IdleTrack>,
}

/// A media line that nothing is forwarded from or to as things are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleTrack {
    /// The `a=mid` of the line.
    pub mid: String,
    /// Why: `unfit`, `repeated`, `not_started`, `not_allowed`.
    pub why: String,
}

/// [`ServerMessage::MediaLost`](super::ServerMessage::MediaLost).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaLost {}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).field("username", &self.username).finish_non_exhaustive()
    }
}
