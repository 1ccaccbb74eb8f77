//! What a [`Session`](crate::Session) handle tells the worker that its room is on.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::{Answer, Event, Kinds, MediaError, Offer, Reason, Rights, stats::WorkerSnapshot};

#[derive(Debug)]
pub(crate) enum Command {
    Open { session: u64, room: Arc<str>, user_id: Arc<str>, rights: Rights, events: mpsc::Sender<Event> },
    Offer { session: u64, offer: Offer, reply: oneshot::Sender<Result<Answer, MediaError>> },
    Candidate { session: u64, candidate: str0m::Candidate },
    SetRights { session: u64, rights: Rights },
    Publish { session: u64, stream_id: Arc<str>, kinds: Kinds },
    StopPublish { session: u64, stream_id: Arc<str>, reason: Reason },
    Play { session: u64, stream_id: Arc<str> },
    StopPlay { session: u64, stream_id: Arc<str>, reason: Reason },
    End { session: u64, reason: Reason },
    EndRoom { room: Arc<str>, reason: Reason },
    Snapshot { reply: oneshot::Sender<WorkerSnapshot> },
    Shutdown,
}
