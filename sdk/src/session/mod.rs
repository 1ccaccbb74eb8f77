//! One user's stay in one room: enters, stays, comes back after a loss, ends.
//!
//! `entry` is how a room is entered, `stay` what happens inside, `reunion` how the way back is found. The rules for
//! when to renew and how long to wait are elsewhere, and pure.

mod entry;
mod reunion;
mod stay;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use roompass_wire::gateway::LoggedIn;
use token_gen::StreamId;
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, oneshot, watch},
};
use tracing::Instrument;

use crate::{
    backoff::Backoff,
    connection::{Connection, within},
    credentials::{Asked, RoomToken, ServerTime},
    error::Error,
    event::{Admission, Event},
    options::{AuthMode, Options},
    provider::Cause,
    renewal::Renewal,
    room::{Ends, Picture, Room},
    roster::Roster,
    server_url::ServerUrl,
    state::{Kick, RoomState},
};

/// How many requests wait for the session before callers wait too.
const REQUEST_BUFFER: usize = 32;

/// What the app wants done.
#[derive(Debug)]
pub(crate) enum Wish {
    Publish(StreamId),
    StopPublish(StreamId),
    Play(StreamId),
    StopPlay(StreamId),
    Renew(RoomToken),
    Logout,
}

/// Where the answer to a wish goes.
pub(crate) type Reply = oneshot::Sender<Result<(), Error>>;

/// A wish; without a reply it is the session's own.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) wish: Wish,
    pub(crate) reply: Option<Reply>,
}

impl Request {
    fn answer(self, result: Result<(), Error>) {
        if let Some(reply) = self.reply {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(result);
        }
    }
}

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
    let mut session = Session {
        mode: options.mode(token.is_some()),
        options,
        server: 0,
        asked: asked.clone(),
        token,
        token_refused: false,
        token_is_fresh: false,
        server_time: None,
        renewal: Renewal::idle(),
        reconnects: Backoff::for_connection(),
        publishing: Vec::new(),
        playing: Vec::new(),
        state,
        events,
    };
    session.enter_state(RoomState::Connecting);
    let entered = within(&*environment, limit, session.enter_first()).instrument(span.clone()).await?;
    let picture =
        Arc::new(Mutex::new(Picture { admission: Admission::of(&entered.logged_in), roster: Roster::default() }));
    let ends = Ends {
        requests,
        state: watched_state,
        events: session.events.downgrade(),
        first_listener,
        picture: Arc::clone(&picture),
    };
    session.settle(&entered.logged_in, &picture, RoomState::Connected);
    runtime.spawn(session.run(entered.connection, incoming, picture).instrument(span));
    Ok(Room::new(asked, ends))
}

/// Everything that outlives a connection.
struct Session {
    options: Arc<Options>,
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
    renewal: Renewal,
    reconnects: Backoff,
    publishing: Vec<StreamId>,
    playing: Vec<StreamId>,
    state: watch::Sender<RoomState>,
    events: broadcast::Sender<Event>,
}

/// A connection on which the login has succeeded.
struct Entered {
    connection: Connection,
    logged_in: LoggedIn,
}

/// How a stay, or the search for the way back, ends.
enum End {
    /// The app left: by asking, or by dropping the room.
    Left(Option<Reply>),
    Kicked(Kick),
    /// Only the app can do something about it.
    Failed(Error),
}

impl Session {
    /// Stays until the end, over as many connections as it takes.
    async fn run(
        mut self,
        connection: Connection,
        mut requests: mpsc::Receiver<Request>,
        picture: Arc<Mutex<Picture>>,
    ) {
        let mut held = Vec::new();
        let mut connection = connection;
        let end = loop {
            let connected_at = self.now();
            let loss = match self.stay(connection, &mut requests, std::mem::take(&mut held), &picture).await {
                stay::Departure::End(end) => break end,
                stay::Departure::Lost(error) => error,
            };
            // A connection that breaks at once is no success: the waits go on growing.
            if self.now().saturating_sub(connected_at) >= Duration::from_secs(30) {
                self.reconnects.reset();
            }
            tracing::info!(error = %loss, "the connection to the room is lost");
            match self.come_back(&loss, &mut requests, &mut held).await {
                Ok(entered) => {
                    self.settle(&entered.logged_in, &picture, RoomState::Reconnected);
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
            End::Failed(error) => {
                tracing::warn!(%error, "the room is given up");
                self.enter_state(RoomState::ReconnectFailed(error));
                None
            }
        };
        held.into_iter().for_each(|request| request.answer(Err(Error::Ended)));
        if let Some(reply) = reply {
            let _ = reply.send(Ok(()));
        }
    }

    /// Takes over what a successful login says, and plans the renewal.
    fn settle(&mut self, logged_in: &LoggedIn, picture: &Mutex<Picture>, state: RoomState) {
        let admission = Admission::of(logged_in);
        self.correct_time(logged_in.server_time);
        self.plan_renewal(admission.expire_at);
        tracing::info!(session_id = admission.session_id, auth = ?admission.auth, "logged in");
        let roster_events = {
            let mut picture = picture.lock().unwrap_or_else(PoisonError::into_inner);
            picture.admission = admission.clone();
            picture.roster.replace(logged_in.clone())
        };
        self.enter_state(state);
        self.tell(Event::LoggedIn(admission));
        roster_events.into_iter().for_each(|event| self.tell(event));
    }

    fn enter_state(&self, state: RoomState) {
        self.state.send_replace(state.clone());
        self.tell(Event::StateChanged { room_id: self.asked.room_id.as_str().to_owned(), state });
    }

    fn tell(&self, event: Event) {
        // Nobody has to listen.
        let _ = self.events.send(event);
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

    /// Tries until there is an answer that another token would not change. The caller limits the time.
    async fn enter_first(&mut self) -> Result<Entered, Error> {
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
                result => return result,
            }
        }
    }
}
