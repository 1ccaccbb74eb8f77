//! Entering a room once: back to the place that the server keeps, or with a token that is good enough. No waiting, no
//! second try.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use roompass_wire::{
    ErrorCode,
    gateway::{ClientMessage, ErrorMessage, LoggedIn, Resume, Resumed, ServerMessage},
};
use token_gen::UnixSeconds;
use tokio::runtime::Handle;
use tracing::Instrument;

use super::{Entered, Session, Welcome};
use crate::{
    connection::{Connection, within},
    credentials::{self, Asked, RoomToken, ServerTime, Shown},
    error::Error,
    options::AuthMode,
    provider::{Cause, TokenAnswer, TokenRequest},
};

/// How long a provider may take.
const PROVIDER_LIMIT: Duration = Duration::from_secs(10);
/// The resumption or the login is the first request of a connection; a login that follows a refused resumption is the second.
const RESUME_ID: u64 = 1;
const LOGIN_ID: u64 = 2;

/// A call of the provider; owns all it needs.
pub(super) type Asking = Pin<Box<dyn Future<Output = Result<RoomToken, Error>> + Send>>;

impl Session {
    /// Goes back to the place that the server keeps, if it does. Otherwise enters the room anew, with a token that is
    /// fresh enough, if this mode shows one.
    pub(super) async fn try_enter(&mut self, cause: Cause) -> Result<Entered, Error> {
        let mut greeted = None;
        if self.place.as_ref().is_some_and(|place| place.is_kept(self.now())) {
            let mut connection = self.open().await?;
            match self.resume(&mut connection).await {
                Ok(resumed) => return Ok(Entered { connection, welcome: Welcome::Resumed(Box::new(resumed)) }),
                Err(error) if error.code() == Some(ErrorCode::ResumeRefused) => {
                    self.place = None;
                    greeted = Some(connection);
                }
                Err(error) => return Err(error),
            }
        }
        let asks_first = greeted.is_none() && self.wants_another_token();
        if asks_first {
            self.replace_token(cause).await?;
        }
        let mut connection = match greeted {
            Some(connection) => connection,
            None => self.open().await?,
        };
        // The server's greeting may reveal that the token is too old. The provider may take longer than the server
        // waits for a login, so it is asked without a connection.
        if !asks_first && self.wants_another_token() {
            connection.close().await;
            self.replace_token(cause).await?;
            connection = self.open().await?;
        }
        self.enter_anew(connection).await
    }

    /// Whether the server turned the token down, and the provider has not been asked for another since.
    pub(super) fn another_token_may_help(&self, error: &Error) -> bool {
        error.is_about_the_token() && self.renews_by_itself() && !self.token_is_fresh
    }

    /// Begins a call of the provider for what is `asked`. Its time limit counts from here.
    pub(super) fn ask(&self, asked: Asked, cause: Cause) -> Option<Asking> {
        let provider = Arc::clone(self.options.provider.as_ref()?);
        let environment = Arc::clone(&self.options.environment);
        let request = TokenRequest::new(asked.app_id, asked.user.user_id.as_str(), asked.room_id.as_str(), cause);
        let limit = environment.sleep_until(environment.now() + PROVIDER_LIMIT);
        let span = tracing::debug_span!("token_provider", ?cause);
        let call = async move {
            let answer = tokio::select! {
                biased;
                answer = provider.call(request) => answer,
                () = limit => return Err(Error::Provider { fault: "took too long" }),
            };
            match answer {
                TokenAnswer::Token(text) => {
                    let text = zeroize::Zeroizing::new(text);
                    RoomToken::parse(&text, &asked).map_err(|error| {
                        tracing::warn!(%error, "the token provider returned what cannot be used");
                        Error::Provider { fault: "returned something that is not a token for this login" }
                    })
                }
                TokenAnswer::Denied(reason) => Err(Error::Denied { reason }),
                TokenAnswer::Retry => Err(Error::Provider { fault: "has no token at the moment" }),
            }
        };
        Some(Box::pin(call.instrument(span)))
    }

    /// Passes a provider's token on unless it would change nothing: such an answer must count as a failure, or the
    /// provider would be asked again at once.
    pub(super) fn judge(&self, token: RoomToken) -> Result<RoomToken, Error> {
        if self.token.as_ref().is_some_and(|present| present.is_same_as(&token)) {
            return Err(Error::Provider { fault: "returned the token already in use" });
        }
        if self.server_time.is_some() && self.left_until(token.expire_at()).is_zero() {
            return Err(Error::Provider { fault: "returned an expired token" });
        }
        Ok(token)
    }

    /// Notes the server's clock; the device's own date is never looked at.
    pub(super) fn correct_time(&mut self, server_time: i64) {
        let time = ServerTime::new(server_time, self.now());
        self.server_time = Some(time);
        let now = self.now();
        if let Some(token) = &mut self.token {
            token.seen(time.left_until(token.expire_at(), now));
        }
    }

    /// How long until `instant` by the server's clock; nothing while that is unknown.
    pub(super) fn left_until(&self, instant: UnixSeconds) -> Duration {
        self.server_time.map_or(Duration::ZERO, |time| time.left_until(instant, self.now()))
    }

    /// Whether the token should be replaced before it is shown again.
    pub(super) fn wants_another_token(&self) -> bool {
        self.renews_by_itself()
            && match &self.token {
                None => true,
                Some(_) if self.token_refused => true,
                Some(token) => self.server_time.is_some() && token.is_old(self.left_until(token.expire_at())),
            }
    }

    /// What this mode shows for what is `asked`, on `connection`.
    pub(super) fn show(
        &self,
        connection: &Connection,
        asked: &Asked,
        token: Option<&RoomToken>,
    ) -> Result<Shown, Error> {
        let proof = match (&self.options.app_sign, self.mode) {
            (None, _) | (_, AuthMode::TokenOnly) => None,
            (Some(app_sign), _) => {
                let hello = &connection.hello;
                let time = self.server_time.map_or(UnixSeconds::new(hello.server_time), |time| time.at(self.now()));
                Some(credentials::prove(app_sign, asked, &self.server().origin(), hello, time)?)
            }
        };
        credentials::show(self.mode, token, proof)
    }

    /// Asks the provider for another token, but not sooner than its failures allow. A failure is one only if the present
    /// token cannot be used either.
    async fn replace_token(&mut self, cause: Cause) -> Result<(), Error> {
        let not_before = self.renewal.not_before();
        if self.now() < not_before {
            if self.present_token_may_do() {
                return Ok(());
            }
            self.options.environment.sleep_until(not_before).await;
        }
        let Some(asking) = self.ask(self.asked.clone(), cause) else { return Ok(()) };
        match asking.await.and_then(|token| self.judge(token)) {
            Ok(token) => {
                self.token = Some(token);
                self.token_refused = false;
                self.token_is_fresh = true;
                self.renewal.succeeded();
                Ok(())
            }
            Err(error @ Error::Provider { .. }) => {
                self.renewal.failed(self.now(), self.chance());
                tracing::warn!(%error, "no new token to log in with");
                if self.present_token_may_do() { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    fn present_token_may_do(&self) -> bool {
        let usable = |token: &RoomToken| !self.left_until(token.expire_at()).is_zero();
        !self.token_refused && self.token.as_ref().is_some_and(usable)
    }

    async fn open(&mut self) -> Result<Connection, Error> {
        let span = tracing::debug_span!("connect", server = self.server().origin());
        let connection = Connection::open(&self.options, self.server()).instrument(span).await?;
        self.correct_time(connection.hello.server_time);
        Ok(connection)
    }

    async fn resume(&self, connection: &mut Connection) -> Result<Resumed, Error> {
        let Some(place) = &self.place else { return Err(Error::Ended) };
        let (seq, mark) = {
            let picture = self.picture();
            (picture.roster.seq(), picture.roster.mark())
        };
        let resume = Resume {
            id: RESUME_ID,
            app_id: self.asked.app_id.get(),
            session_id: place.session_id.clone(),
            resume_key: place.resume_key.to_string(),
            seq,
            mark,
        };
        connection.send(&ClientMessage::Resume(resume)).await?;
        let limits = self.options.limits;
        within(&*self.options.environment, limits.request, answer(connection, resumption)).await
    }

    async fn enter_anew(&mut self, mut connection: Connection) -> Result<Entered, Error> {
        let shown = self.show(&connection, &self.asked, self.token.as_ref())?;
        let login = credentials::login(LOGIN_ID, &self.asked, shown);
        connection.send(&ClientMessage::Login(login)).await?;
        let mut unanswered = Unanswered { connection: Some(connection), runtime: self.runtime.clone() };
        let limits = self.options.limits;
        let logged_in = within(&*self.options.environment, limits.request, unanswered.answer()).await;
        let connection = unanswered.connection.take();
        let logged_in = logged_in?;
        self.token_refused = false;
        let connection = connection.expect("only this function takes it");
        Ok(Entered { connection, welcome: Welcome::LoggedIn(Box::new(logged_in)) })
    }
}

/// A login that is on its way. Whoever gives it up leaves the room, should the server let the user in meanwhile: a
/// connection that only breaks keeps its place.
struct Unanswered {
    connection: Option<Connection>,
    runtime: Handle,
}

impl Unanswered {
    async fn answer(&mut self) -> Result<LoggedIn, Error> {
        match &mut self.connection {
            Some(connection) => answer(connection, login).await,
            None => Err(Error::Ended),
        }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.runtime.spawn(connection.close());
        }
    }
}

/// What `take` makes of the answer, once it comes.
async fn answer<T>(connection: &mut Connection, take: fn(ServerMessage) -> Option<T>) -> Result<T, Error> {
    loop {
        match connection.receive().await? {
            Some(ServerMessage::Error(error)) => return Err(error.into()),
            // Some refusals come as a kick.
            Some(ServerMessage::Kicked(kicked)) => {
                let mut error = ErrorMessage::new(None, kicked.code);
                error.message = kicked.message;
                return Err(error.into());
            }
            Some(message) => {
                // A room may be talking before it answers.
                if let Some(taken) = take(message) {
                    return Ok(taken);
                }
            }
            None => {}
        }
    }
}

fn resumption(message: ServerMessage) -> Option<Resumed> {
    match message {
        ServerMessage::Resumed(resumed) => Some(resumed),
        _ => None,
    }
}

fn login(message: ServerMessage) -> Option<LoggedIn> {
    match message {
        ServerMessage::LoggedIn(logged_in) => Some(logged_in),
        _ => None,
    }
}
