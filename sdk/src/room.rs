//! A room as the app holds it: asks the session to do things, and shows the present picture.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use roompass_wire::gateway::{Stream, User};
use token_gen::{RoomId, StreamId, UnixSeconds};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{
    credentials::{Asked, RoomToken},
    error::Error,
    event::{Admission, Event, Events},
    roster::Roster,
    session::{Request, Wish},
    state::RoomState,
};

/// A stay in a room, from login to logout, over as many connections as it takes.
///
/// Dropping it logs out. While the connection is down, requests wait until it is back or given up; dropping the
/// future of a request stops the waiting, not the request.
pub struct Room {
    asked: Asked,
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<RoomState>,
    /// Weak, so that listeners hear the end when the session is gone.
    events: broadcast::WeakSender<Event>,
    /// Has listened since before the login, for the first to ask.
    first_listener: Mutex<Option<broadcast::Receiver<Event>>>,
    picture: Arc<Mutex<Picture>>,
}

/// What a room shows without asking the server.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) admission: Admission,
    pub(crate) roster: Roster,
}

/// The ends of a room's channels that the app holds.
pub(crate) struct Ends {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) state: watch::Receiver<RoomState>,
    pub(crate) events: broadcast::WeakSender<Event>,
    pub(crate) first_listener: broadcast::Receiver<Event>,
    pub(crate) picture: Arc<Mutex<Picture>>,
}

impl Room {
    pub(crate) fn new(asked: Asked, ends: Ends) -> Self {
        Self {
            asked,
            requests: ends.requests,
            state: ends.state,
            events: ends.events,
            first_listener: Mutex::new(Some(ends.first_listener)),
            picture: ends.picture,
        }
    }

    /// The room.
    pub fn room_id(&self) -> &RoomId {
        &self.asked.room_id
    }

    /// Leaves the room. Returns once the server knows or cannot be told; leaving twice is fine.
    pub async fn logout_room(&self) {
        // The only failure is that the stay is over, which is what was asked for.
        let _ = self.request(Wish::Logout).await;
    }

    /// Starts publishing a stream. It is published again after each reconnect until stopped.
    ///
    /// # Errors
    /// [`Error::Refused`], such as [`crate::ErrorCode::PublishDenied`]; [`Error::Ended`]; network errors.
    pub async fn start_publishing_stream(&self, stream_id: &str) -> Result<(), Error> {
        self.request(Wish::Publish(StreamId::new(stream_id)?)).await
    }

    /// Stops publishing a stream.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`crate::ErrorCode::NotPublishing`]; [`Error::Ended`]; network errors.
    pub async fn stop_publishing_stream(&self, stream_id: &str) -> Result<(), Error> {
        self.request(Wish::StopPublish(StreamId::new(stream_id)?)).await
    }

    /// Starts playing a stream; one that does not exist yet is waited for. It is played again after each reconnect.
    ///
    /// # Errors
    /// [`Error::Refused`], such as [`crate::ErrorCode::PlayTokenExpired`]; [`Error::Ended`]; network errors.
    pub async fn start_playing_stream(&self, stream_id: &str) -> Result<(), Error> {
        self.request(Wish::Play(StreamId::new(stream_id)?)).await
    }

    /// Stops playing a stream.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`crate::ErrorCode::NotPlaying`]; [`Error::Ended`]; network errors.
    pub async fn stop_playing_stream(&self, stream_id: &str) -> Result<(), Error> {
        self.request(Wish::StopPlay(StreamId::new(stream_id)?)).await
    }

    /// Replaces the token without leaving; also after it has expired. While reconnecting, the new token is used to
    /// come back.
    ///
    /// # Errors
    /// [`Error::Refused`] leaves the present token in force; a [`crate::ErrorKind::Usage`] error for what is not a
    /// token; [`Error::Ended`]; network errors.
    pub async fn renew_token(&self, token: &str) -> Result<(), Error> {
        self.request(Wish::Renew(RoomToken::parse(token, &self.asked)?)).await
    }

    /// Listens. The first listener hears everything since the login, later ones what comes from now on.
    pub fn events(&self) -> Events {
        let first = self.first_listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        Events::new(first.or_else(|| self.events.upgrade().map(|events| events.subscribe())))
    }

    /// How the connection stands.
    pub fn state(&self) -> RoomState {
        self.state.borrow().clone()
    }

    /// The state as a value that can be waited on.
    pub fn watch_state(&self) -> watch::Receiver<RoomState> {
        self.state.clone()
    }

    /// How the server let the user in last, and what the user may do now.
    pub fn admission(&self) -> Admission {
        self.with_picture(|picture| picture.admission.clone())
    }

    /// When the present token expires; `None` without a token.
    pub fn token_expire_at(&self) -> Option<UnixSeconds> {
        self.with_picture(|picture| picture.admission.expire_at)
    }

    /// Everybody in the room, in joining order, as last heard.
    pub fn users(&self) -> Vec<User> {
        self.with_picture(|picture| picture.roster.users.clone())
    }

    /// Every stream in the room, in starting order, as last heard.
    pub fn streams(&self) -> Vec<Stream> {
        self.with_picture(|picture| picture.roster.streams.clone())
    }

    fn with_picture<T>(&self, look: impl FnOnce(&Picture) -> T) -> T {
        look(&self.picture.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn request(&self, wish: Wish) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { wish, reply: Some(reply) }).await.map_err(|_| Error::Ended)?;
        answer.await.unwrap_or(Err(Error::Ended))
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("room_id", &self.asked.room_id.as_str())
            .field("user_id", &self.asked.user.user_id.as_str())
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}
