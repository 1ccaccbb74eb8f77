//! Inside the room, on one connection: requests out, answers and news in, renewals when they are due.

use std::time::Duration;

use roompass_wire::{
    ErrorCode,
    gateway::{ErrorMessage, ServerMessage, TokenRenewed, TokenWillExpire},
};
use token_gen::UnixSeconds;
use tokio::sync::mpsc;

use super::{End, Request, Session, Switch, Wish, entry::Asking};
use crate::{
    connection::Connection, credentials::RoomToken, error::Error, event::Event, provider::Cause,
    publication::Publication, state::Kick,
};

/// How long the server may take to answer a ping.
const PONG_LIMIT: Duration = Duration::from_secs(15);
/// The longest time for which a server that stops is believed to stay.
const LONGEST_NOTICE: Duration = Duration::from_secs(300);

/// Why a connection is no longer used.
pub(super) enum Departure {
    /// The stay is over.
    End(End),
    /// It broke, and the user should come back.
    Lost(Loss),
}

/// A connection that is no longer there.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) error: Error,
    /// When to try again, if that is settled.
    pub(super) retry_in: Option<Duration>,
}

impl From<Error> for Loss {
    fn from(error: Error) -> Self {
        Self { error, retry_in: None }
    }
}

/// One connection's part of the stay.
pub(super) struct Visit {
    pub(super) connection: Connection,
    pub(super) pending: Vec<Pending>,
    pub(super) asking: Option<Asking>,
    /// The switch for which a token is being asked.
    pub(super) switching: Option<(Box<Switch>, Request)>,
    last_id: u64,
    last_heard: Duration,
    pinged_at: Option<Duration>,
    moving: Option<Moving>,
    leaving: bool,
}

/// A request the server has not answered yet.
pub(super) struct Pending {
    id: u64,
    answer_by: Duration,
    request: Request,
}

impl Pending {
    pub(super) fn is_switch(&self) -> bool {
        matches!(self.request.wish, Wish::Switch(_))
    }
}

/// The server stops: when this client goes elsewhere.
struct Moving {
    /// Unless requests wait for their answers.
    at: Duration,
    /// Whatever waits.
    at_last: Duration,
}

impl Session {
    /// Stays in the room for as long as `connection` and the app want. Does what `to_do` says first.
    pub(super) async fn stay(
        &mut self,
        connection: Connection,
        requests: &mut mpsc::Receiver<Request>,
        to_do: Vec<Request>,
    ) -> Departure {
        let mut visit = Visit {
            connection,
            pending: Vec::new(),
            asking: None,
            switching: None,
            // The login was 2 at most.
            last_id: 2,
            last_heard: self.now(),
            pinged_at: None,
            moving: None,
            leaving: false,
        };
        let outcome = match self.converse(&mut visit, requests, to_do).await {
            Ok(end) => Ok(end),
            // Who is leaving anyway does not come back to say so.
            Err(_) if visit.leaving => Ok(End::Left(None)),
            Err(loss) => Err(loss),
        };
        let waiting = visit.pending.into_iter().map(|pending| pending.request);
        for request in waiting.chain(visit.switching.map(|(_, request)| request)) {
            let result = match (&request.wish, &outcome) {
                (Wish::Logout, _) => Ok(()),
                (_, Err(loss)) => Err(loss.error.clone()),
                (_, Ok(_)) => Err(Error::Ended),
            };
            request.answer(result);
        }
        match outcome {
            Ok(end) => {
                visit.connection.close().await;
                Departure::End(end)
            }
            // Not closed: a connection that only breaks keeps its place.
            Err(loss) => Departure::Lost(loss),
        }
    }

    async fn converse(
        &mut self,
        visit: &mut Visit,
        requests: &mut mpsc::Receiver<Request>,
        to_do: Vec<Request>,
    ) -> Result<End, Loss> {
        for request in to_do {
            self.submit(visit, request).await?;
        }
        loop {
            let wake = self.options.environment.sleep_until(self.next_wake(visit));
            tokio::select! {
                message = visit.connection.receive() => {
                    visit.last_heard = self.now();
                    visit.pinged_at = None;
                    match message {
                        Ok(None) => {}
                        Ok(Some(message)) => {
                            if let Some(end) = self.hear(visit, message)? {
                                return Ok(end);
                            }
                        }
                        Err(error) => return last_word(error),
                    }
                }
                request = requests.recv(), if !visit.leaving => {
                    let request = request.unwrap_or(Request::own(Wish::Logout));
                    self.submit(visit, request).await?;
                }
                answer = answered(&mut visit.asking) => {
                    visit.asking = None;
                    self.take_answer(visit, answer).await?;
                }
                () = wake => self.wake(visit).await?,
            }
        }
    }

    /// Does at once what can be done, and asks the server for the rest.
    async fn submit(&mut self, visit: &mut Visit, request: Request) -> Result<(), Error> {
        match request.wish {
            Wish::Switch(switch) => {
                let request = Request { wish: Wish::Logout, reply: request.reply };
                return self.begin_switch(visit, switch, request).await;
            }
            // A stop counts from when it is asked for: a reconnect must not start the stream again.
            Wish::StopPublish(ref stream_id) => {
                self.publishing.retain(|published| published.stream_id != *stream_id);
            }
            Wish::StopPlay(ref stream_id) => self.playing.retain(|played| played != stream_id),
            Wish::Logout => visit.leaving = true,
            _ => {}
        }
        self.send(visit, request).await
    }

    /// Sends a request and remembers it until it is answered.
    pub(super) async fn send(&mut self, visit: &mut Visit, request: Request) -> Result<(), Error> {
        visit.last_id += 1;
        let message = request.wish.message(visit.last_id, &self.asked.room_id);
        let answer_by = self.now() + self.options.limits.request;
        visit.pending.push(Pending { id: visit.last_id, answer_by, request });
        visit.connection.send(&message).await
    }

    fn hear(&mut self, visit: &mut Visit, message: ServerMessage) -> Result<Option<End>, Error> {
        let change = match message {
            ServerMessage::Ok(reply) => {
                return Ok(visit.take(reply.id).and_then(|request| self.succeeded(request)));
            }
            ServerMessage::Error(error) => return self.hear_error(visit, error),
            ServerMessage::Kicked(kicked) if kicked.may_reconnect => {
                return Err(ErrorMessage::new(None, kicked.code).into());
            }
            ServerMessage::Kicked(kicked) => return Ok(Some(End::Kicked(kicked.into()))),
            ServerMessage::RoomUsers(change) => self.picture().roster.change_users(change)?,
            ServerMessage::RoomStreams(change) => self.picture().roster.change_streams(change)?,
            ServerMessage::RoomExtra(change) => self.picture().roster.change_room_extra(change)?,
            ServerMessage::UserExtra(change) => self.picture().roster.change_user_extra(change)?,
            ServerMessage::RoomMessage(message) => self.picture().roster.hear(message)?,
            other => {
                self.hear_news(visit, other);
                None
            }
        };
        change.into_iter().for_each(|event| self.tell(event));
        Ok(None)
    }

    /// Takes what concerns this user alone.
    fn hear_news(&mut self, visit: &mut Visit, message: ServerMessage) {
        match message {
            ServerMessage::LoggedIn(logged_in) => {
                if let Some(request) = visit.take(logged_in.id) {
                    visit.asking = None;
                    self.switched(request, logged_in);
                }
            }
            ServerMessage::TokenRenewed(renewed) => self.renewed(visit, renewed),
            ServerMessage::TokenWillExpire(warning) => self.warned(&warning),
            ServerMessage::TokenExpired(expired) => {
                self.tell(Event::TokenExpired { expire_at: UnixSeconds::new(expired.expire_at) });
            }
            ServerMessage::Signal(signal) => self.tell(Event::Signal(signal)),
            ServerMessage::ServerMessage(message) => self.tell(Event::ServerMessage(message)),
            ServerMessage::PrivilegesChanged(changed) => {
                {
                    let mut picture = self.picture();
                    picture.admission.privileges.clone_from(&changed.privileges);
                    picture.admission.rights = changed.rights.clone();
                }
                self.tell(Event::PrivilegesChanged { privileges: changed.privileges, rights: changed.rights });
            }
            ServerMessage::PublishStopped(stopped) => {
                self.publishing.retain(|published| published.stream_id.as_str() != stopped.stream_id);
                self.tell(Event::PublishStopped { stream_id: stopped.stream_id, code: stopped.code });
            }
            ServerMessage::PlayStopped(stopped) => {
                self.playing.retain(|played| played.as_str() != stopped.stream_id);
                self.tell(Event::PlayStopped { stream_id: stopped.stream_id, code: stopped.code });
            }
            ServerMessage::Reconnect(reconnect) => {
                let within = Duration::from_secs(reconnect.within_secs).min(LONGEST_NOTICE);
                let now = self.now();
                tracing::info!(?within, "the server stops; going elsewhere");
                visit.moving = Some(Moving { at: now + within.mul_f64(self.chance()), at_last: now + within });
            }
            // Nothing else concerns a user who is in the room.
            _ => {}
        }
    }

    fn hear_error(&mut self, visit: &mut Visit, error: ErrorMessage) -> Result<Option<End>, Error> {
        let Some(id) = error.id else {
            // The fault is the connection's; the server closes it.
            let kick = Kick::of(&error);
            let error = Error::from(error);
            return if error.is_retryable() { Err(error) } else { Ok(Some(End::Kicked(kick))) };
        };
        Ok(visit.take(id).and_then(|request| self.failed(request, error.into())))
    }

    fn succeeded(&mut self, request: Request) -> Option<End> {
        match &request.wish {
            Wish::Publish(publication) => {
                self.publishing.retain(|published| published.stream_id != publication.stream_id);
                self.publishing.push(publication.clone());
            }
            Wish::SetUserExtra(extra) => self.user_extra = Some(extra.clone()).filter(|extra| !extra.is_empty()),
            Wish::Play(stream_id) if !self.playing.contains(stream_id) => self.playing.push(stream_id.clone()),
            Wish::Logout => return Some(End::Left(request.reply)),
            _ => {}
        }
        request.answer(Ok(()));
        None
    }

    fn failed(&mut self, request: Request, error: Error) -> Option<End> {
        if let Wish::Switch(_) = request.wish {
            return self.not_switched(request, error);
        }
        if request.reply.is_some() {
            request.answer(Err(error));
            return None;
        }
        let code = error.code().unwrap_or(ErrorCode::Unknown);
        match request.wish {
            Wish::Publish(_) if code == ErrorCode::AlreadyPublishing => {}
            Wish::Publish(Publication { stream_id, .. }) => {
                self.publishing.retain(|published| published.stream_id != stream_id);
                self.tell(Event::PublishStopped { stream_id: stream_id.into_string(), code });
            }
            Wish::Play(stream_id) => {
                self.playing.retain(|played| *played != stream_id);
                self.tell(Event::PlayStopped { stream_id: stream_id.into_string(), code });
            }
            Wish::Renew(_) => self.renewal_failed(error),
            _ => tracing::debug!(%error, "could not be done again"),
        }
        None
    }

    fn renewed(&mut self, visit: &mut Visit, renewed: TokenRenewed) {
        let Some(Request { wish: Wish::Renew(token), reply }) = visit.take(renewed.id) else { return };
        // If the app renewed by hand, a call under way has become pointless, unless it is for another room.
        if visit.switching.is_none() {
            visit.asking = None;
        }
        self.token = Some(token);
        self.token_refused = false;
        self.renewal.succeeded();
        self.correct_time(renewed.server_time);
        let expire_at = UnixSeconds::new(renewed.expire_at);
        self.plan_renewal(Some(expire_at));
        let token_ends = self.local_end(Some(expire_at));
        {
            let mut picture = self.picture();
            picture.token_ends = token_ends;
            picture.admission.expire_at = Some(expire_at);
            picture.admission.privileges.clone_from(&renewed.privileges);
            picture.admission.rights = renewed.rights.clone();
        }
        tracing::info!(expire_at = expire_at.get(), "the token is renewed");
        let TokenRenewed { privileges, rights, notice, .. } = renewed;
        self.tell(Event::TokenRenewed { expire_at, privileges, rights, notice });
        if let Some(reply) = reply {
            let _ = reply.send(Ok(()));
        }
    }

    fn warned(&mut self, warning: &TokenWillExpire) {
        self.correct_time(warning.server_time);
        let left = Duration::from_secs(warning.remain_secs);
        let token_ends = self.local_end(Some(UnixSeconds::new(warning.expire_at)));
        self.picture().token_ends = token_ends;
        if self.renews_by_itself() {
            self.renewal.warned(self.now(), left, self.chance());
        } else {
            self.tell(Event::TokenWillExpire { left, expire_at: UnixSeconds::new(warning.expire_at) });
        }
    }

    async fn take_answer(&mut self, visit: &mut Visit, answer: Result<RoomToken, Error>) -> Result<(), Error> {
        if let Some((switch, request)) = visit.switching.take() {
            return self.go_on_switching(visit, switch, request, answer).await;
        }
        match answer.and_then(|token| self.judge(token)) {
            Ok(token) => self.submit(visit, Request::own(Wish::Renew(token))).await,
            Err(error) => {
                self.renewal_failed(error);
                Ok(())
            }
        }
    }

    fn renewal_failed(&mut self, error: Error) {
        let is_final = matches!(error, Error::Denied { .. }) || error.code() == Some(ErrorCode::AppSignSession);
        let retry_in = if is_final {
            self.renewal.stop();
            None
        } else {
            Some(self.renewal.failed(self.now(), self.chance()))
        };
        tracing::warn!(%error, ?retry_in, "the token could not be renewed");
        self.tell(Event::RenewalFailed { error, retry_in });
    }

    /// When something has to be done even if nothing happens.
    fn next_wake(&self, visit: &Visit) -> Duration {
        let silence = match visit.pinged_at {
            Some(pinged_at) => pinged_at + PONG_LIMIT,
            None => visit.last_heard + self.options.limits.keep_alive,
        };
        let answer_by = visit.pending.iter().map(|pending| pending.answer_by);
        let moving = visit.moving.as_ref().map(|moving| moving.due_at(&visit.pending));
        answer_by.chain(self.renewal.due_at()).chain(moving).fold(silence, Duration::min)
    }

    async fn wake(&mut self, visit: &mut Visit) -> Result<(), Loss> {
        let now = self.now();
        if visit.pending.iter().any(|pending| pending.answer_by <= now) {
            return Err(Error::Timeout { after: self.options.limits.request }.into());
        }
        if visit.moving.as_ref().is_some_and(|moving| moving.due_at(&visit.pending) <= now) {
            let error = ErrorMessage::new(None, ErrorCode::KickedInternal).into();
            return Err(Loss { error, retry_in: Some(Duration::ZERO) });
        }
        if self.renewal.due_at().is_some_and(|due_at| due_at <= now) {
            self.renewal.begun();
            visit.asking = self.ask(self.asked.clone(), Cause::Renewal);
        }
        match visit.pinged_at {
            Some(pinged_at) if pinged_at + PONG_LIMIT <= now => Err(Error::Timeout { after: PONG_LIMIT }.into()),
            None if visit.last_heard + self.options.limits.keep_alive <= now => {
                visit.pinged_at = Some(now);
                visit.connection.ping().await.map_err(Loss::from)
            }
            _ => Ok(()),
        }
    }
}

impl Visit {
    fn take(&mut self, id: u64) -> Option<Request> {
        let index = self.pending.iter().position(|pending| pending.id == id)?;
        Some(self.pending.swap_remove(index).request)
    }
}

impl Moving {
    fn due_at(&self, pending: &[Pending]) -> Duration {
        if pending.is_empty() { self.at } else { self.at_last }
    }
}

/// A refusal with which the server closes for good is its last word; everything else is a loss.
fn last_word(error: Error) -> Result<End, Loss> {
    match error {
        Error::Refused(refusal) if !refusal.retryable => Ok(End::Kicked((*refusal).into())),
        error => Err(error.into()),
    }
}

/// The provider's answer, once there is one.
async fn answered(asking: &mut Option<Asking>) -> Result<RoomToken, Error> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}
