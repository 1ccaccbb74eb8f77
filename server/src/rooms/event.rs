//! What happens in rooms, as others than their members hear it: the log, other nodes, the customer's server.

use std::sync::Arc;

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, GoneReason, RoomExtra, Stream, User},
};
use token_gen::{AppId, RoomId, UserId};

use super::SessionId;

/// Hears every change that began on this node, in the order in which it happened, while the world of its app is
/// locked: it notes what it hears and returns at once.
pub type Sink = Arc<dyn Fn(AppId, &RoomEvent) + Send + Sync>;

/// Something happened in a room of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomEvent {
    /// The room.
    pub room_id: RoomId,
    /// The life of the room.
    pub room_session_id: u64,
    /// The number of the change among the room's changes; 0 for what has none.
    pub seq: u64,
    /// What happened.
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// The room came into being.
    Opened,
    /// The room is no more.
    Closed {
        /// Why its last user went.
        reason: GoneReason,
    },
    /// Somebody came in.
    UserEntered {
        /// Names the stay.
        session_id: SessionId,
        /// Who.
        user: User,
        /// How well the user id is proven.
        auth: AuthKind,
        /// Whether the user was in the same room until this login.
        again: bool,
    },
    /// Somebody went.
    UserLeft {
        /// Names the stay.
        session_id: SessionId,
        /// Who.
        user: User,
        /// Why.
        reason: GoneReason,
    },
    /// A stream began.
    StreamStarted {
        /// The stay it is of.
        session_id: SessionId,
        /// Which.
        stream: Stream,
    },
    /// Streams ended.
    StreamsStopped {
        /// The stay they are of.
        session_id: SessionId,
        /// Which.
        streams: Vec<Stream>,
        /// Why.
        reason: GoneReason,
    },
    /// A value of the room was set, or, if empty, removed.
    RoomExtra(RoomExtra),
    /// The value beside a user was set, or, if empty, removed.
    UserExtra {
        /// Whose.
        user_id: UserId,
        /// The value.
        extra: String,
    },
}

/// Why somebody is gone whose stay ended with `code`.
pub(crate) fn gone_by(code: ErrorCode) -> GoneReason {
    match code {
        ErrorCode::KickedByOtherLogin => GoneReason::OtherLogin,
        ErrorCode::KickedInternal => GoneReason::Removed,
        _ => GoneReason::Kicked,
    }
}
