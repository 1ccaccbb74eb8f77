//! What a client and the media plane agree on: an SDP offer with what each of its media lines is for, and the answer.

use std::sync::Arc;

use crate::Kind;

/// A client's offer. Clients always offer and the media plane always answers: when streams come or go, when the network
/// changed (with new ICE credentials), or after the client lost everything (with a new certificate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The session description.
    pub sdp: String,
    /// What its media lines are for. A line that is not named is answered, and nothing is forwarded from or to it.
    pub tracks: Vec<Track>,
}

/// What a media line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// The `a=mid` of the line.
    pub mid: String,
    /// The stream.
    pub stream_id: Arc<str>,
    /// Which way it goes.
    pub role: Role,
}

/// Which way a track goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// From the client, as this kind.
    Publish(Kind),
    /// To the client: the sound or the picture of the stream, by the kind of the line.
    Play,
}

/// The media plane's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The session description.
    pub sdp: String,
    /// The tracks that nothing is forwarded from or to as things are.
    pub idle: Vec<IdleTrack>,
}

/// A track that nothing is forwarded from or to as things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleTrack {
    /// The `a=mid` of the line.
    pub mid: String,
    /// Why.
    pub why: Idle,
}

/// Why nothing is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// No such media line, or it goes the other way, or carries something else.
    Unfit,
    /// The line, or this part of the stream, was named before.
    Repeated,
    /// The session does not publish, or play, the stream.
    NotStarted,
    /// The session may not.
    NotAllowed,
}
