//! One user's stay in one room after another: enters, stays, comes back after a loss, ends.
//!
//! `entry` is how a room is entered, `stay` what happens inside, `hear` what the server says there,
//! `switch` the way to another room, `reunion` how the way
//! back is found. The rules for when to renew and how long to wait are elsewhere, and pure.

mod entry;
mod hear;
mod reunion;
mod settle;
mod stay;
mod switch;
mod wish;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use roompass_wire::gateway::{LoggedIn, Resumed};
use token_gen::StreamId;
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, watch},
};
use tracing::Instrument;
use zeroize::Zeroizing;

use crate::{
    backoff::Backoff,
    connection::{Connection, within},
    credentials::{Asked, RoomToken, ServerTime},
    error::Error,
    event::Event,
    options::{AuthMode, Options},
    provider::Cause,
    publication::Publication,
    renewal::Renewal,
    room::{Ends, Picture, Room},
    server_url::ServerUrl,
    state::{Kick, RoomState},
    vigil::Vigil,
};
pub(crate) use wish::{Reply, Request, Switch, Wish};

/// How many requests wait for the session before callers wait too.
const REQUEST_BUFFER: usize = 32;

/// Enters a room and leaves a task behind that keeps the user there.
pub(crate) async fn log_in(
    runtime: &Handle,
    options: Arc<Options>,
    asked: Asked,
    token: Option<RoomToken>,
) -> Result<Room, Error> {
    let span =
        tracing::info_span!("room", app_id = %asked.app_id, room_id = %asked.room_id, user_id = %asked.user.user_id);
    let (events, first_listener) = broadcast::channel(options.limits.event_buffer);
    let (state, watched_state) = watch::channel(RoomState::Connecting);
    let (requests, incoming) = mpsc::channel(REQUEST_BUFFER);
    let limit = options.limits.login;
    let environment = Arc::clone(&options.environment);
    let picture = Arc::new(Mutex::new(Picture::new(asked.clone())));
    let mut session = Session {
        mode: options.mode(token.is_some()),
        runtime: runtime.clone(),
        options,
        server: 0,
        asked,
        token,
        token_refused: false,
        token_is_fresh: false,
        server_time: None,
        vigil: Vigil::default(),
        renewal: Renewal::idle(),
        reconnects: Backoff::for_connection(),
        place: None,
        publishing: Vec::new(),
        playing: Vec::new(),
        user_extra: None,
        state,
        events,
        picture: Arc::clone(&picture),
    };
    session.enter_state(RoomState::Connecting);
    let entered = within(&*environment, limit, session.enter_first()).instrument(span.clone()).await?;
    let events = session.events.downgrade();
    let stay = session.settle(entered.welcome, RoomState::Connected);
    runtime.spawn(session.run(entered.connection, stay, incoming).instrument(span));
    Ok(Room::new(Ends { requests, state: watched_state, events, first_listener, picture, environment }))
}

/// Everything that outlives a connection.
struct Session {
    options: Arc<Options>,
    runtime: Handle,
    /// Which of the servers was good last.
    server: usize,
    asked: Asked,
    mode: AuthMode,
    token: Option<RoomToken>,
    /// The server has turned the token down.
    token_refused: bool,
    /// The token came from the provider since the connection was last lost.
    token_is_fresh: bool,
    server_time: Option<ServerTime>,
    vigil: Vigil,
    renewal: Renewal,
    reconnects: Backoff,
    place: Option<Place>,
    publishing: Vec<Publication>,
    playing: Vec<StreamId>,
    /// What this user set beside the own name.
    user_extra: Option<String>,
    state: watch::Sender<RoomState>,
    events: broadcast::Sender<Event>,
    picture: Arc<Mutex<Picture>>,
}

/// The place in the room that the server keeps for a while after a loss.
struct Place {
    session_id: String,
    resume_key: Zeroizing<String>,
    kept_for: Duration,
    /// Since the connection was lost.
    kept_until: Option<Duration>,
}

impl Place {
    fn is_kept(&self, now: Duration) -> bool {
        self.kept_until.is_none_or(|until| now < until)
    }
}

/// A connection on which the user is in the room.
struct Entered {
    connection: Connection,
    welcome: Welcome,
}

/// How the server let the user in.
enum Welcome {
    /// Anew: what ran before has to be started again.
    LoggedIn(Box<LoggedIn>),
    /// Back to the same place.
    Resumed(Box<Resumed>),
}

/// How a stay, or the search for the way back, ends.
enum End {
    /// The app left: by asking, or by dropping the room.
    Left(Option<Reply>),
    Kicked(Kick),
    /// Not let in to the room to which the app switched: it is in neither.
    NotLetIn(Error, Option<Reply>),
    /// Only the app can do something about it.
    Failed(Error),
}

impl Session {
    /// Stays until the end, over as many connections as it takes. Does what `to_do` says first.
    async fn run(mut self, mut connection: Connection, to_do: Vec<Request>, mut requests: mpsc::Receiver<Request>) {
        let mut to_do = VecDeque::from(to_do);
        let end = loop {
            let connected_at = self.now();
            let loss = match self.stay(connection, &mut requests, &mut to_do).await {
                stay::Departure::End(end) => break end,
                stay::Departure::Lost(loss) => loss,
            };
            // A connection that breaks at once is no success: the waits go on growing.
            if self.now().saturating_sub(connected_at) >= Duration::from_secs(30) {
                self.reconnects.reset();
            }
            tracing::info!(error = %loss.error, "the connection to the room is lost");
            match self.come_back(loss, &mut requests, &mut to_do).await {
                Ok(entered) => {
                    let first = self.settle(entered.welcome, RoomState::Reconnected);
                    to_do = first.into_iter().chain(to_do).collect();
                    connection = entered.connection;
                }
                Err(end) => break end,
            }
        };
        let reply = match end {
            End::Left(reply) => {
                self.enter_state(RoomState::Disconnected);
                reply
            }
            End::Kicked(kick) => {
                tracing::info!(code = %kick.code, "put out of the room");
                self.enter_state(RoomState::Kicked(kick));
                None
            }
            End::NotLetIn(error, reply) => {
                tracing::info!(%error, "not let in to the other room");
                self.enter_state(RoomState::LoginFailed(error.clone()));
                Request { wish: Wish::Logout, reply }.answer(Err(error));
                None
            }
            End::Failed(error) => {
                tracing::warn!(%error, "the room is given up");
                self.enter_state(RoomState::ReconnectFailed(error));
                None
            }
        };
        to_do.into_iter().for_each(|request| request.answer(Err(Error::Ended)));
        if let Some(reply) = reply {
            let _ = reply.send(Ok(()));
        }
    }

    /// Tries until there is an answer that another token, another server or a little patience would not change. A server
    /// that says when to come again is asked again then, if that is still within the time for the login, to which the
    /// caller keeps.
    async fn enter_first(&mut self) -> Result<Entered, Error> {
        let give_up_at = self.now() + self.options.limits.login;
        if self.mode != AuthMode::AppSign && self.token.is_none() && self.options.provider.is_none() {
            return Err(Error::TokenRequired);
        }
        let mut others = self.options.servers.len() - 1;
        loop {
            match self.try_enter(Cause::FirstLogin).await {
                Err(Error::Provider { .. }) => {}
                Err(error) if self.another_token_may_help(&error) => self.token_refused = true,
                Err(error) if error.is_about_the_server() && others > 0 => {
                    tracing::info!(server = self.server().origin(), %error, "trying the next server");
                    others -= 1;
                    self.try_next_server();
                }
                Err(error) if error.is_retryable() && error.retry_after().is_some() => {
                    let asked = error.retry_after().unwrap_or_default();
                    let chance = self.chance();
                    let retry_at = self.now() + self.reconnects.next_after(asked, chance);
                    if retry_at >= give_up_at {
                        return Err(error);
                    }
                    tracing::info!(%error, ?asked, "the server asks to come again later");
                    self.options.environment.sleep_until(retry_at).await;
                    others = self.options.servers.len() - 1;
                }
                result => return result,
            }
        }
    }

    fn enter_state(&self, state: RoomState) {
        self.state.send_replace(state.clone());
        self.tell_state(state);
    }

    fn tell_state(&self, state: RoomState) {
        self.tell(Event::StateChanged { room_id: self.asked.room_id.as_str().to_owned(), state });
    }

    fn tell(&self, event: Event) {
        // Nobody has to listen.
        let _ = self.events.send(event);
    }

    fn picture(&self) -> MutexGuard<'_, Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server to try first.
    fn server(&self) -> &ServerUrl {
        &self.options.servers[self.server]
    }

    fn try_next_server(&mut self) {
        self.server = (self.server + 1) % self.options.servers.len();
    }

    fn now(&self) -> Duration {
        self.options.environment.now()
    }

    fn chance(&self) -> f64 {
        self.options.environment.random()
    }

    /// Whether tokens come from a provider.
    fn renews_by_itself(&self) -> bool {
        self.mode != AuthMode::AppSign && self.options.provider.is_some()
    }
}
