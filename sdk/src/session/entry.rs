//! Entering a room once: a token that is good enough, a connection, the login. No waiting, no second try.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use roompass_wire::gateway::{ClientMessage, Hello, LoggedIn, ServerMessage};
use token_gen::UnixSeconds;

use super::{Entered, Session};
use crate::{
    connection::{Connection, within},
    credentials::{self, RoomToken, ServerTime},
    error::Error,
    options::AuthMode,
    provider::{Cause, TokenAnswer, TokenRequest},
};

/// How long a provider may take.
const PROVIDER_LIMIT: Duration = Duration::from_secs(10);
/// The login is the first request of a connection.
const LOGIN_ID: u64 = 1;

/// A call of the provider; owns all it needs.
pub(super) type Asking = Pin<Box<dyn Future<Output = Result<RoomToken, Error>> + Send>>;

impl Session {
    /// Enters the room with a token that is fresh enough, if this mode shows one.
    pub(super) async fn try_enter(&mut self, cause: Cause) -> Result<Entered, Error> {
        let asks_first = self.wants_another_token();
        if asks_first {
            self.replace_token(cause).await?;
        }
        let (mut connection, mut hello) = self.open().await?;
        // The server's greeting may reveal that the token is too old. The provider may take longer than the server
        // waits for a login, so it is asked without a connection.
        if !asks_first && self.wants_another_token() {
            connection.close().await;
            self.replace_token(cause).await?;
            (connection, hello) = self.open().await?;
        }
        let logged_in = self.log_in(&mut connection, &hello).await?;
        self.token_refused = false;
        Ok(Entered { connection, logged_in })
    }

    /// Whether the server turned the token down, and the provider has not been asked for another since.
    pub(super) fn another_token_may_help(&self, error: &Error) -> bool {
        error.is_about_the_token() && self.renews_by_itself() && !self.token_is_fresh
    }

    /// Begins a call of the provider. Its time limit counts from here.
    pub(super) fn ask(&self, cause: Cause) -> Option<Asking> {
        let provider = Arc::clone(self.options.provider.as_ref()?);
        let environment = Arc::clone(&self.options.environment);
        let asked = self.asked.clone();
        let request = TokenRequest::new(asked.app_id, asked.user.user_id.as_str(), asked.room_id.as_str(), cause);
        let limit = environment.sleep_until(environment.now() + PROVIDER_LIMIT);
        Some(Box::pin(async move {
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
        }))
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

    fn wants_another_token(&self) -> bool {
        self.renews_by_itself()
            && match &self.token {
                None => true,
                Some(_) if self.token_refused => true,
                Some(token) => self.server_time.is_some() && token.is_old(self.left_until(token.expire_at())),
            }
    }

    /// Asks the provider for another token, but not sooner than its failures allow. A failure is one only if the present token cannot be used either.
    async fn replace_token(&mut self, cause: Cause) -> Result<(), Error> {
        let not_before = self.renewal.not_before();
        if self.now() < not_before {
            if self.present_token_may_do() {
                return Ok(());
            }
            self.options.environment.sleep_until(not_before).await;
        }
        let Some(asking) = self.ask(cause) else { return Ok(()) };
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

    async fn open(&mut self) -> Result<(Connection, Hello), Error> {
        let (connection, hello) = Connection::open(&self.options, self.server()).await?;
        self.correct_time(hello.server_time);
        Ok((connection, hello))
    }

    async fn log_in(&mut self, connection: &mut Connection, hello: &Hello) -> Result<LoggedIn, Error> {
        let proof = match (&self.options.app_sign, self.mode) {
            (None, _) | (_, AuthMode::TokenOnly) => None,
            (Some(app_sign), _) => {
                let time = self.server_time.map_or(UnixSeconds::new(hello.server_time), |time| time.at(self.now()));
                Some(credentials::prove(app_sign, &self.asked, &self.server().origin(), hello, time)?)
            }
        };
        let login = credentials::login(LOGIN_ID, &self.asked, self.mode, self.token.as_ref(), proof)?;
        connection.send(&ClientMessage::Login(login)).await?;
        let limits = self.options.limits;
        within(&*self.options.environment, limits.request, login_answer(connection)).await
    }
}

async fn login_answer(connection: &mut Connection) -> Result<LoggedIn, Error> {
    loop {
        match connection.receive().await? {
            Some(ServerMessage::LoggedIn(logged_in)) => return Ok(logged_in),
            Some(ServerMessage::Error(error)) => return Err(error.into()),
            // Some refusals come as a kick.
            Some(ServerMessage::Kicked(kicked)) => {
                let mut error = roompass_wire::gateway::ErrorMessage::new(None, kicked.code);
                error.message = kicked.message;
                return Err(error.into());
            }
            // A room may be talking before it answers.
            _ => {}
        }
    }
}
