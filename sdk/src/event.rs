//! What the app hears about a room.

use std::{fmt, time::Duration};

use roompass_wire::{
    ErrorCode,
    gateway::{
        AuthKind, GoneReason, LoggedIn, OperatorMessage, RoomExtra, RoomMessage, SessionPrivilege, SessionRights,
        Signal, Stream, User,
    },
};
use token_gen::UnixSeconds;
use tokio::sync::broadcast;

use crate::{error::Error, state::RoomState};

/// Something happened in or to a room. New kinds may come.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The user stands differently to a room.
    StateChanged {
        /// The room.
        room_id: String,
        /// How the user stands to it now.
        state: RoomState,
    },
    /// The server let the user in: at login, after a switch, and after a return for which the session was not kept.
    LoggedIn(Admission),
    /// Users came; at login, everybody who is there, this user included.
    UsersJoined(Vec<User>),
    /// Users went.
    UsersLeft {
        /// Who.
        users: Vec<User>,
        /// Why, if the server says so.
        reason: Option<GoneReason>,
    },
    /// Streams began; at login, all that are there.
    StreamsStarted(Vec<Stream>),
    /// Streams ended.
    StreamsStopped {
        /// Which.
        streams: Vec<Stream>,
        /// Why, if the server says so.
        reason: Option<GoneReason>,
    },
    /// Somebody, perhaps this user, said something to the room.
    RoomMessage(RoomMessage),
    /// Somebody said something to this user.
    Signal(Signal),
    /// While the connection was lost, messages and signals may have come that are not told: the session was not kept, or
    /// more was said than the server remembers. Fetch what matters from the app's own server.
    MessagesMissed,
    /// The operator says something.
    ServerMessage(OperatorMessage),
    /// A value that belongs to the room was set; with an empty value, removed.
    RoomExtraChanged(RoomExtra),
    /// The value beside a user was set; an empty one, removed.
    UserExtraChanged {
        /// Whose.
        user_id: String,
        /// The value.
        extra: String,
    },
    /// What this user may do has changed without a renewal. What is stopped for it is told as well.
    PrivilegesChanged {
        /// What the user may do from now on.
        privileges: Vec<SessionPrivilege>,
        /// Within which limits.
        rights: SessionRights,
    },
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
    /// The token that was shown did not count, and the AppSign beside it let the user in: at a login, or after a return for
    /// which the session was not kept. Such a session has the rights of the app's AppSign sessions and is not renewed. An
    /// app that wants none leaves, or sets [`crate::AuthMode::TokenOnly`].
    TokenNotCounted {
        /// Why, if the server says so.
        code: Option<ErrorCode>,
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
        /// Within which limits.
        rights: SessionRights,
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
    /// Within which limits.
    pub rights: SessionRights,
    /// When the token expires; `None` without a token.
    pub expire_at: Option<UnixSeconds>,
    /// What the token's minter says of the user.
    pub metadata: Option<String>,
    /// Names this life of the room: once everybody has left, the next has another name.
    pub room_session_id: String,
}

impl Admission {
    /// Before the first login.
    pub(crate) fn none() -> Self {
        Self {
            session_id: String::new(),
            auth: AuthKind::Unknown,
            other_credential: None,
            privileges: Vec::new(),
            rights: SessionRights::default(),
            expire_at: None,
            metadata: None,
            room_session_id: String::new(),
        }
    }

    pub(crate) fn of(logged_in: &LoggedIn) -> Self {
        Self {
            session_id: logged_in.session_id.clone(),
            auth: logged_in.auth,
            other_credential: logged_in.other_credential,
            privileges: logged_in.privileges.clone(),
            rights: logged_in.rights.clone(),
            expire_at: logged_in.expire_at.map(UnixSeconds::new),
            metadata: logged_in.metadata.clone(),
            room_session_id: logged_in.room_session_id.clone(),
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
