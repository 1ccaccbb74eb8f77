//! What other nodes need to hear of this one, on its way to the task that tells them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use roompass_wire::gateway::{GoneReason, RoomExtra};
use token_gen::{AppId, RoomId, UserId};
use tokio::sync::mpsc;

use crate::rooms::{Happening, RoomEvent, SessionId, Sink};

/// What other nodes need to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// A stay here is not as it was: see what it is now.
    Changed(AppId, SessionId),
    /// The stay of a user here is not as it was.
    ChangedUser(AppId, UserId),
    /// A stream here has stopped.
    Stopped(AppId, SessionId, String),
    /// A stay here has ended.
    Left(Departed),
    /// Perhaps nobody is left here in this room.
    Emptied(AppId, RoomId),
    /// A value of a room was set.
    Set(AppId, RoomId, RoomExtra),
}

/// A stay that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Departed {
    pub(super) app_id: AppId,
    pub(super) room_id: RoomId,
    pub(super) session_id: SessionId,
    pub(super) user_id: String,
    pub(super) reason: GoneReason,
}

/// Where it goes. Never waits.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    sender: mpsc::Sender<Outgoing>,
    lost: Arc<AtomicBool>,
}

impl Outlet {
    /// What is said comes out of the receiver.
    pub(super) fn new(capacity: usize) -> (Self, mpsc::Receiver<Outgoing>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self { sender, lost: Arc::default() }, receiver)
    }

    /// Says something, or notes that it could not be said because too much waits.
    pub(super) fn say(&self, outgoing: Outgoing) {
        if self.sender.try_send(outgoing).is_err() {
            self.lost.store(true, Ordering::Release);
        }
    }

    /// Whether something could not be said since this was last asked.
    pub(super) fn has_lost_something(&self) -> bool {
        self.lost.swap(false, Ordering::AcqRel)
    }

    /// A sink that says what concerns other nodes, and hands everything on to `next`.
    pub(super) fn sink(self, next: Sink) -> Sink {
        Arc::new(move |app_id, event| {
            next(app_id, event);
            self.hear(app_id, event);
        })
    }

    fn hear(&self, app_id: AppId, RoomEvent { room_id, what, .. }: &RoomEvent) {
        match what {
            // Told when the place was claimed.
            Happening::UserEntered { .. } | Happening::Opened | Happening::Closed { .. } => {}
            Happening::UserLeft { session_id, user, reason } => {
                self.say(Outgoing::Left(Departed {
                    app_id,
                    room_id: room_id.clone(),
                    session_id: *session_id,
                    user_id: user.user_id.clone(),
                    reason: *reason,
                }));
                self.say(Outgoing::Emptied(app_id, room_id.clone()));
            }
            Happening::StreamStarted { session_id, .. } => self.say(Outgoing::Changed(app_id, *session_id)),
            Happening::StreamsStopped { session_id, streams, .. } => {
                for stream in streams {
                    self.say(Outgoing::Stopped(app_id, *session_id, stream.stream_id.clone()));
                }
            }
            Happening::UserExtra { user_id, .. } => self.say(Outgoing::ChangedUser(app_id, user_id.clone())),
            Happening::RoomExtra(extra) => self.say(Outgoing::Set(app_id, room_id.clone(), extra.clone())),
        }
    }
}
