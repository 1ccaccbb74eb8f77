//! A room as the app holds it: asks the session to do things, and shows the present picture.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use roompass_wire::gateway::{RoomExtra, Stream, User};
use token_gen::{RoomId, StreamId, UnixSeconds, UserId};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{
    credentials::{Asked, RoomToken},
    environment::Environment,
    error::Error,
    event::{Admission, Event, Events},
    publication::Publication,
    roster::Roster,
    session::{Request, Switch, Wish},
    state::RoomState,
};

/// A stay in a room, from login to logout, over as many connections as it takes.
///
/// Dropping it logs out. While the connection is down, requests wait until it is back or given up; dropping the
/// future of a request stops the waiting, not the request.
pub struct Room {
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<RoomState>,
    /// Weak, so that listeners hear the end when the session is gone.
    events: broadcast::WeakSender<Event>,
    /// Has listened since before the login, for the first to ask.
    first_listener: Mutex<Option<broadcast::Receiver<Event>>>,
    picture: Arc<Mutex<Picture>>,
    environment: Arc<dyn Environment>,
}

/// What a room shows without asking the server.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) asked: Asked,
    pub(crate) admission: Admission,
    /// When the token expires, by the clock of this client.
    pub(crate) token_ends: Option<Duration>,
    pub(crate) roster: Roster,
}

impl Picture {
    /// Before the login.
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked, admission: Admission::none(), token_ends: None, roster: Roster::default() }
    }
}

/// The ends of a room's channels that the app holds.
pub(crate) struct Ends {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) state: watch::Receiver<RoomState>,
    pub(crate) events: broadcast::WeakSender<Event>,
    pub(crate) first_listener: broadcast::Receiver<Event>,
    pub(crate) picture: Arc<Mutex<Picture>>,
    pub(crate) environment: Arc<dyn Environment>,
}

impl Room {
    pub(crate) fn new(ends: Ends) -> Self {
        Self {
            requests: ends.requests,
            state: ends.state,
            events: ends.events,
            first_listener: Mutex::new(Some(ends.first_listener)),
            picture: ends.picture,
            environment: ends.environment,
        }
    }

    /// The room; another one after a switch.
    pub fn room_id(&self) -> RoomId {
        self.with_picture(|picture| picture.asked.room_id.clone())
    }

    /// Leaves the room. Returns once the server knows or cannot be told; leaving twice is fine.
    pub async fn logout_room(&self) {
        // The only failure is that the stay is over, which is what was asked for.
        let _ = self.request(Wish::Logout).await;
    }

    /// Leaves the room with all streams and enters another one, with a token from the provider or with the AppSign.
    /// Users, streams and values are the new room's from then on; the events tell of both halves.
    ///
    /// # Errors
    /// As [`crate::Client::login_room`]. When the new room refuses, the user is in neither: the stay is over with
    /// [`RoomState::LoginFailed`]. When [`RoomState::is_connected`] still holds afterwards, nothing has changed.
    pub async fn switch_room(&self, room_id: &str) -> Result<(), Error> {
        self.switch(room_id, None).await
    }

    /// As [`Room::switch_room`], with `token`, or the token of a Kit Token, for the new room.
    ///
    /// # Errors
    /// As [`Room::switch_room`], and a [`crate::ErrorKind::Usage`] error for what is not a token.
    pub async fn switch_room_with_token(&self, room_id: &str, token: &str) -> Result<(), Error> {
        self.switch(room_id, Some(token)).await
    }

    /// Starts publishing a stream of sound and camera pictures. It is published again after each reconnect until stopped.
    ///
    /// # Errors
    /// [`Error::Refused`], such as [`crate::ErrorCode::PublishDenied`]; [`Error::Ended`]; network errors.
    pub async fn start_publishing_stream(&self, stream_id: &str) -> Result<(), Error> {
        self.start_publishing(Publication::new(stream_id)?).await
    }

    /// As [`Room::start_publishing_stream`], saying what the stream carries.
    ///
    /// # Errors
    /// As [`Room::start_publishing_stream`].
    pub async fn start_publishing(&self, publication: Publication) -> Result<(), Error> {
        self.request(Wish::Publish(publication)).await
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

    /// Says something to everybody in the room, this user too, who hear [`Event::RoomMessage`]: 1 to 4,096 bytes. After a
    /// network error it is unknown whether they did.
    ///
    /// # Errors
    /// [`Error::Refused`], such as [`crate::ErrorCode::RateLimited`]; [`Error::Ended`]; network errors.
    pub async fn send_message(&self, text: impl Into<String>) -> Result<(), Error> {
        self.request(Wish::SendMessage(text.into())).await
    }

    /// Says something to certain users of the room, who hear [`Event::Signal`]: 1 to 16,384 bytes, 1 to 16 users, all or
    /// none. It is meant for what WebRTC needs to set up a call. That it is on its way does not mean that it is heard.
    ///
    /// # Errors
    /// [`Error::Refused`], such as [`crate::ErrorCode::UserNotInRoom`]; [`Error::Ended`]; network errors.
    pub async fn send_signal(&self, user_ids: &[&str], text: impl Into<String>) -> Result<(), Error> {
        let user_ids = user_ids.iter().map(|user_id| UserId::new(*user_id)).collect::<Result<_, _>>()?;
        self.request(Wish::SendSignal { user_ids, text: text.into() }).await
    }

    /// Sets a value that belongs to the room; an empty one is removed. Everybody hears [`Event::RoomExtraChanged`], and
    /// whoever comes later finds it. It ends with the room.
    ///
    /// # Errors
    /// [`Error::Refused`], such as [`crate::ErrorCode::PublishDenied`]; [`Error::Ended`]; network errors.
    pub async fn set_room_extra(&self, key: impl Into<String>, value: impl Into<String>) -> Result<(), Error> {
        self.request(Wish::SetRoomExtra { key: key.into(), value: value.into() }).await
    }

    /// Sets what the others see beside this user, at most 1,024 bytes; an empty value is removed. Everybody hears
    /// [`Event::UserExtraChanged`]. It is set again after a return that is a new login.
    ///
    /// # Errors
    /// [`Error::Refused`], such as [`crate::ErrorCode::TextTooLong`]; [`Error::Ended`]; network errors.
    pub async fn set_user_extra(&self, extra: impl Into<String>) -> Result<(), Error> {
        self.request(Wish::SetUserExtra(extra.into())).await
    }

    /// Replaces the token without leaving; also after it has expired. While reconnecting, the new token is used to
    /// come back.
    ///
    /// # Errors
    /// [`Error::Refused`] leaves the present token in force; a [`crate::ErrorKind::Usage`] error for what is not a
    /// token; [`Error::Ended`]; network errors.
    pub async fn renew_token(&self, token: &str) -> Result<(), Error> {
        let asked = self.with_picture(|picture| picture.asked.clone());
        self.request(Wish::Renew(RoomToken::parse(token, &asked)?)).await
    }

    /// Tells the SDK that the device woke or changed its network. It then asks at once whether the server is still there,
    /// and takes 5 s without an answer for a loss; or, if it is waiting to come back, tries within a second. Without this
    /// it notices by the date that the device slept, some 25 s after the wake at most, and asks then; and a connection
    /// that died in another way after some 40 s.
    pub fn check_connection(&self) {
        // With so much to do, the connection is being tried anyway.
        let _ = self.requests.try_send(Request::own(Wish::Check));
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

    /// How long the present token is good for, by the server's clock; zero once it has expired, `None` without a token.
    pub fn token_left(&self) -> Option<Duration> {
        let ends = self.with_picture(|picture| picture.token_ends)?;
        Some(ends.saturating_sub(self.environment.now()))
    }

    /// Everybody in the room, in joining order, as last heard.
    pub fn users(&self) -> Vec<User> {
        self.with_picture(|picture| picture.roster.users.clone())
    }

    /// Every stream in the room, in starting order, as last heard.
    pub fn streams(&self) -> Vec<Stream> {
        self.with_picture(|picture| picture.roster.streams.clone())
    }

    /// The values that belong to the room, as last heard.
    pub fn room_extra(&self) -> Vec<RoomExtra> {
        self.with_picture(|picture| picture.roster.extra.clone())
    }

    async fn switch(&self, room_id: &str, token: Option<&str>) -> Result<(), Error> {
        let asked = self.with_picture(|picture| picture.asked.clone());
        let asked = Asked { room_id: RoomId::new(room_id)?, ..asked };
        let token = token.map(|token| RoomToken::parse(token, &asked)).transpose()?;
        self.request(Wish::Switch(Box::new(Switch { asked, token, shown: None }))).await
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
        let asked = self.with_picture(|picture| picture.asked.clone());
        f.debug_struct("Room")
            .field("room_id", &asked.room_id.as_str())
            .field("user_id", &asked.user.user_id.as_str())
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}
