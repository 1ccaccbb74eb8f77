//! What two nodes tell each other about a session that one has and the other forwards. Sealed: whoever can write to the
//! bus gives no orders, and whoever can read it learns neither addresses nor passwords of clients.

use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, MediaAnswer, MediaOffer},
};
use serde::{Deserialize, Serialize};

use crate::{
    bus::NodeId,
    media::local::{Doing, Who},
    sealing::Place,
};

/// To the node that forwards, from the one that has the session and judges it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(super) enum Order {
    /// The sessions are still there.
    Beat,
    /// Answer this, for a session that does just this.
    Offer {
        /// The session's media, as its node calls it.
        line: u64,
        ask: u64,
        who: Who,
        doing: Doing,
        offer: MediaOffer,
    },
    /// The client has this address.
    Candidate { line: u64, candidate: String },
    /// From now on exactly this goes through.
    Follow { line: u64, doing: Doing, reason: GoneReason },
    /// It is over.
    End { line: u64, reason: GoneReason },
}

/// Back to the node that has the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub(super) enum Report {
    /// Everything is still forwarded.
    Beat,
    /// The answer to an offer.
    Answered { line: u64, ask: u64, answer: Result<MediaAnswer, ErrorCode> },
    /// Whether the client's transport is up.
    Transport { line: u64, is_up: bool },
    /// It is not forwarded any more.
    Over { line: u64 },
    /// Nothing of this epoch is forwarded any more.
    Lost,
}

/// Words in their envelope. The node that has the sessions counts epochs, and each side its words in an epoch, without a
/// gap: nothing can be left out, said again or said later by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Envelope<W> {
    pub(super) epoch: u64,
    pub(super) number: u64,
    pub(super) sent_at: i64,
    pub(super) words: W,
}

/// Where what `from` writes to `to` is at home; `what` is `orders` or `reports`.
pub(super) fn address(what: &str, from: &NodeId, to: &NodeId) -> String {
    format!("{what} of {from} to {to}")
}

pub(super) fn place(address: &str) -> Place<'_> {
    Place { table: "media", app_id: 0, record_id: address }
}
