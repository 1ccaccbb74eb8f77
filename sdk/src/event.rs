//! What the app hears about a room.

use std::{fmt, time::Duration};

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, Kicked, LoggedIn, SessionPrivilege, Stream, User},
};
use token_gen::UnixSeconds;
use tokio::sync::broadcast;

use crate::error::Error;

/// Something happened in or to a room. New kinds may come.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The connection to the room changed.
    StateChanged(RoomState),
    /// The server let the user in: at login, and again after each reconnect.
    LoggedIn(Admission),
    /// Users came; at login, everybody who is there, this user included.
    UsersJoined(Vec<User>),
    /// Users went.
    UsersLeft(Vec<User>),
    /// Streams began; at login, all that are there.
    StreamsStarted(Vec<Stream>),
    /// Streams ended.
    StreamsStopped(Vec<Stream>),
    /// The server, or a reconnect, ended one of this user's own streams.
    PublishStopped {
        /// The stream.
        stream_id: String,
        /// Why.
        code: ErrorCode,
    },
    /// The server, or a reconnect, ended the playing of a stream.
    PlayStopped {
        /// The stream.
        stream_id: String,
        /// Why.
        code: ErrorCode,
    },
    /// The token will expire, and there is no provider: fetch a new one and call [`crate::Room::renew_token`].
    TokenWillExpire {
        /// The time left.
        left: Duration,
        /// When it expires.
        expire_at: UnixSeconds,
    },
    /// The token has expired. What runs goes on; new streams are refused until it is renewed.
    TokenExpired {
        /// When it expired.
        expire_at: UnixSeconds,
    },
    /// The server took a new token.
    TokenRenewed {
        /// When the new one expires.
        expire_at: UnixSeconds,
        /// What the user may do from now on.
        privileges: Vec<SessionPrivilege>,
        /// Something to know about it, such as [`ErrorCode::RenewedWithoutPublish`].
        notice: Option<ErrorCode>,
    },
    /// The token provider gave no token, or the server refused it.
    RenewalFailed {
        /// Why.
        error: Error,
        /// When the provider is asked again; `None` if it is not.
        retry_in: Option<Duration>,
    },
    /// This listener was too slow and missed events; [`crate::Room::users`] and its siblings show the present.
    Lagged {
        /// How many it missed.
        missed: u64,
    },
}

/// How the connection to a room stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RoomState {
    /// Logging in for the first time.
    Connecting,
    /// In the room.
    Connected,
    /// The connection is lost; the SDK is trying to come back.
    Reconnecting,
    /// Out of the room: logged out, or, with an error, given up.
    Disconnected(Option<Error>),
    /// Put out of the room by the server.
    Kicked(Kick),
}

impl RoomState {
    /// Whether the stay is over for good.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Disconnected(_) | Self::Kicked(_))
    }

    /// Whether the user is in the room now.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
}

/// Why the server put a user out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kick {
    /// The stable code.
    pub code: ErrorCode,
    /// The number that the field's SDKs use for it.
    pub number: u32,
    /// Why, for people.
    pub message: String,
}

impl From<Kicked> for Kick {
    fn from(kicked: Kicked) -> Self {
        Self { code: kicked.code, number: kicked.number, message: kicked.message }
    }
}

/// How the server let the user in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admission {
    /// Names this stay in the operator's logs.
    pub session_id: String,
    /// The credential that counted. By AppSign, the user id is unproven and nothing can be renewed.
    pub auth: AuthKind,
    /// Why the other credential, if one was shown, did not count.
    pub other_credential: Option<ErrorCode>,
    /// What the user may do now.
    pub privileges: Vec<SessionPrivilege>,
    /// When the token expires; `None` without a token.
    pub expire_at: Option<UnixSeconds>,
}

impl Admission {
    pub(crate) fn of(logged_in: &LoggedIn) -> Self {
        Self {
            session_id: logged_in.session_id.clone(),
            auth: logged_in.auth,
            other_credential: logged_in.other_credential,
            privileges: logged_in.privileges.clone(),
            expire_at: logged_in.expire_at.map(UnixSeconds::new),
        }
    }
}

/// A listener's place in the stream of events.
pub struct Events(Option<broadcast::Receiver<Event>>);

impl Events {
    /// Listens; without a receiver, to a stay that is over.
    pub(crate) fn new(receiver: Option<broadcast::Receiver<Event>>) -> Self {
        Self(receiver)
    }

    /// The next event, or `None` once the stay is over and all is told. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.as_mut()?.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Lagged { missed }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events(..)")
    }
}
