//! What a session hears of its media, and why things end.

use std::sync::Arc;

use crate::Kind;

/// Why a stream or a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Its user stopped it, or left.
    Stopped,
    /// The session may no longer do it.
    RightLost,
    /// The credential expired.
    Expired,
    /// The credential was revoked.
    Revoked,
    /// The user was put out of the room.
    Kicked,
    /// The operator stopped it.
    Removed,
    /// Nothing was heard of the client for too long.
    Disconnected,
    /// The client did what no honest client does.
    Misbehaved,
    /// The node stops.
    ShuttingDown,
    /// Another node forwards the room.
    Moved,
}

impl Reason {
    /// The word for it, in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::RightLost => "right_lost",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Kicked => "kicked",
            Self::Removed => "removed",
            Self::Disconnected => "disconnected",
            Self::Misbehaved => "misbehaved",
            Self::ShuttingDown => "shutting_down",
            Self::Moved => "moved",
        }
    }
}

/// What happened to the media of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The client's transport is up: packets can flow.
    Connected,
    /// The client's transport is gone; it may come back with an ICE restart or a new offer.
    Disconnected,
    /// The first packet of a track that this session publishes went through.
    Publishing {
        /// The stream.
        stream_id: Arc<str>,
        /// What the track carries.
        kind: Kind,
    },
    /// A kind of a stream that this session publishes ended: no packet of it goes through any more.
    PublishEnded {
        /// The stream.
        stream_id: Arc<str>,
        /// What of it.
        kind: Kind,
        /// Why.
        reason: Reason,
    },
    /// The first packet of a track that this session plays was sent to it.
    Playing {
        /// The stream.
        stream_id: Arc<str>,
        /// What the track carries.
        kind: Kind,
    },
    /// A kind of a stream that this session played ended: it gets no packet of it any more.
    PlayEnded {
        /// The stream.
        stream_id: Arc<str>,
        /// What of it.
        kind: Kind,
        /// Why.
        reason: Reason,
    },
    /// The session is over, and all its streams with it.
    Ended {
        /// Why.
        reason: Reason,
    },
}
