//! Inside the room, on one connection: requests out, answers and news in, renewals when they are due.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use roompass_wire::{
    ErrorCode,
    gateway::{
        ClientMessage, ErrorMessage, Logout, Publish, RenewToken, ServerMessage, StreamRequest, TokenRenewed,
        TokenWillExpire,
    },
};
use token_gen::{StreamId, UnixSeconds};
use tokio::sync::mpsc;

use super::{End, Request, Session, Wish, entry::Asking};
use crate::{
    connection::Connection, credentials::RoomToken, error::Error, event::Event, provider::Cause, room::Picture,
};

/// How long the server may take to answer a ping.
const PONG_LIMIT: Duration = Duration::from_secs(15);

/// Why a connection is no longer used.
pub(super) enum Departure {
    /// The stay is over.
    End(End),
    /// It broke, and the user should come back.
    Lost(Error),
}

/// One connection's part of the stay.
struct Visit<'a> {
    connection: Connection,
    picture: &'a Mutex<Picture>,
    pending: Vec<Pending>,
    asking: Option<Asking>,
    last_id: u64,
    last_heard: Duration,
    pinged_at: Option<Duration>,
    leaving: bool,
}

/// A request the server has not answered yet.
struct Pending {
    id: u64,
    answer_by: Duration,
    request: Request,
}

impl Session {
    /// Stays in the room for as long as `connection` and the app want. Does the `held` requests first.
    pub(super) async fn stay(
        &mut self,
        connection: Connection,
        requests: &mut mpsc::Receiver<Request>,
        held: Vec<Request>,
        picture: &Mutex<Picture>,
    ) -> Departure {
        let mut visit = Visit {
            connection,
            picture,
            pending: Vec::new(),
            asking: None,
            // The login was 1.
            last_id: 1,
            last_heard: self.now(),
            pinged_at: None,
            leaving: false,
        };
        let error = match self.converse(&mut visit, requests, held).await {
            Ok(end) => Ok(end),
            // Who is leaving anyway does not come back to say so.
            Err(_) if visit.leaving => Ok(End::Left(None)),
            Err(error) => Err(error),
        };
        for pending in visit.pending {
            let result = match (&pending.request.wish, &error) {
                (Wish::Logout, _) => Ok(()),
                (_, Err(error)) => Err(error.clone()),
                (_, Ok(_)) => Err(Error::Ended),
            };
            pending.request.answer(result);
        }
        if error.is_ok() {
            visit.connection.close().await;
        }
        error.map_or_else(Departure::Lost, Departure::End)
    }

    async fn converse(
        &mut self,
        visit: &mut Visit<'_>,
        requests: &mut mpsc::Receiver<Request>,
        held: Vec<Request>,
    ) -> Result<End, Error> {
        let published = self.publishing.iter().cloned().map(Wish::Publish);
        let played = self.playing.iter().cloned().map(Wish::Play);
        let resumed: Vec<Request> = published.chain(played).map(|wish| Request { wish, reply: None }).collect();
        for request in resumed.into_iter().chain(held) {
            self.submit(visit, request).await?;
        }
        loop {
            let wake = self.options.environment.sleep_until(self.next_wake(visit));
            tokio::select! {
                message = visit.connection.receive() => {
                    visit.last_heard = self.now();
                    visit.pinged_at = None;
                    if let Some(message) = message?
                        && let Some(end) = self.hear(visit, message)?
                    {
                        return Ok(end);
                    }
                }
                request = requests.recv(), if !visit.leaving => {
                    let request = request.unwrap_or(Request { wish: Wish::Logout, reply: None });
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

    /// Sends a request and remembers it until it is answered.
    async fn submit(&mut self, visit: &mut Visit<'_>, request: Request) -> Result<(), Error> {
        visit.last_id += 1;
        let id = visit.last_id;
        let stream = |stream_id: &StreamId| StreamRequest { id, stream_id: stream_id.as_str().to_owned() };
        let message = match &request.wish {
            Wish::Publish(stream_id) => ClientMessage::Publish(Publish {
                id,
                stream_id: stream_id.as_str().to_owned(),
                media: None,
                extra: None,
            }),
            Wish::Play(stream_id) => ClientMessage::Play(stream(stream_id)),
            // A stop counts from when it is asked for: a reconnect must not start the stream again.
            Wish::StopPublish(stream_id) => {
                self.publishing.retain(|published| published != stream_id);
                ClientMessage::StopPublish(stream(stream_id))
            }
            Wish::StopPlay(stream_id) => {
                self.playing.retain(|played| played != stream_id);
                ClientMessage::StopPlay(stream(stream_id))
            }
            Wish::Renew(token) => ClientMessage::RenewToken(RenewToken { id, token: token.expose().to_owned() }),
            Wish::Logout => {
                visit.leaving = true;
                ClientMessage::Logout(Logout { id })
            }
        };
        let answer_by = self.now() + self.options.limits.request;
        visit.pending.push(Pending { id, answer_by, request });
        visit.connection.send(&message).await
    }

    fn hear(&mut self, visit: &mut Visit<'_>, message: ServerMessage) -> Result<Option<End>, Error> {
        match message {
            ServerMessage::Ok(reply) => {
                if let Some(request) = visit.take(reply.id) {
                    return Ok(self.succeeded(request));
                }
            }
            ServerMessage::TokenRenewed(renewed) => self.renewed(visit, renewed),
            ServerMessage::Error(ErrorMessage { id: Some(id), .. }) if visit.pending.iter().all(|p| p.id != id) => {}
            ServerMessage::Error(error) => match error.id.and_then(|id| visit.take(id)) {
                Some(request) => self.failed(request, error.into()),
                None => {
                    // The fault is the connection's; the server closes it.
                    let error = Error::from(error);
                    if error.is_retryable() {
                        return Err(error);
                    }
                    return Ok(Some(End::Failed(error)));
                }
            },
            ServerMessage::TokenWillExpire(warning) => self.warned(&warning),
            ServerMessage::TokenExpired(expired) => {
                self.tell(Event::TokenExpired { expire_at: UnixSeconds::new(expired.expire_at) });
            }
            ServerMessage::RoomUsers(change) => {
                let event = visit.picture().roster.change_users(change)?;
                event.into_iter().for_each(|event| self.tell(event));
            }
            ServerMessage::RoomStreams(change) => {
                let event = visit.picture().roster.change_streams(change)?;
                event.into_iter().for_each(|event| self.tell(event));
            }
            ServerMessage::RoomMessage(message) => visit.picture().roster.pass(message.seq)?,
            ServerMessage::RoomExtra(change) => visit.picture().roster.pass(change.seq)?,
            ServerMessage::UserExtra(change) => visit.picture().roster.pass(change.seq)?,
            ServerMessage::PublishStopped(stopped) => {
                self.publishing.retain(|published| published.as_str() != stopped.stream_id);
                self.tell(Event::PublishStopped { stream_id: stopped.stream_id, code: stopped.code });
            }
            ServerMessage::PlayStopped(stopped) => {
                self.playing.retain(|played| played.as_str() != stopped.stream_id);
                self.tell(Event::PlayStopped { stream_id: stopped.stream_id, code: stopped.code });
            }
            ServerMessage::Kicked(kicked) if kicked.may_reconnect => {
                return Err(ErrorMessage::new(None, kicked.code).into());
            }
            ServerMessage::Kicked(kicked) => return Ok(Some(End::Kicked(kicked.into()))),
            // Nothing else concerns a user who is in the room.
            _ => {}
        }
        Ok(None)
    }

    fn succeeded(&mut self, request: Request) -> Option<End> {
        match &request.wish {
            Wish::Publish(stream_id) if !self.publishing.contains(stream_id) => self.publishing.push(stream_id.clone()),
            Wish::Play(stream_id) if !self.playing.contains(stream_id) => self.playing.push(stream_id.clone()),
            Wish::Logout => return Some(End::Left(request.reply)),
            _ => {}
        }
        request.answer(Ok(()));
        None
    }

    fn failed(&mut self, request: Request, error: Error) {
        if request.reply.is_some() {
            return request.answer(Err(error));
        }
        let code = error.code().unwrap_or(ErrorCode::Unknown);
        match request.wish {
            Wish::Publish(_) if code == ErrorCode::AlreadyPublishing => {}
            Wish::Publish(stream_id) => {
                self.publishing.retain(|published| *published != stream_id);
                self.tell(Event::PublishStopped { stream_id: stream_id.into_string(), code });
            }
            Wish::Play(stream_id) => {
                self.playing.retain(|played| *played != stream_id);
                self.tell(Event::PlayStopped { stream_id: stream_id.into_string(), code });
            }
            Wish::Renew(_) => self.renewal_failed(error),
            Wish::StopPublish(_) | Wish::StopPlay(_) | Wish::Logout => {}
        }
    }

    fn renewed(&mut self, visit: &mut Visit<'_>, renewed: TokenRenewed) {
        let Some(Request { wish: Wish::Renew(token), reply }) = visit.take(renewed.id) else { return };
        // If the app renewed by hand, a call under way has become pointless.
        visit.asking = None;
        self.token = Some(token);
        self.token_refused = false;
        self.renewal.succeeded();
        self.correct_time(renewed.server_time);
        let expire_at = UnixSeconds::new(renewed.expire_at);
        self.plan_renewal(Some(expire_at));
        {
            let mut picture = visit.picture();
            picture.admission.expire_at = Some(expire_at);
            picture.admission.privileges.clone_from(&renewed.privileges);
        }
        tracing::info!(expire_at = expire_at.get(), "the token is renewed");
        self.tell(Event::TokenRenewed { expire_at, privileges: renewed.privileges, notice: renewed.notice });
        if let Some(reply) = reply {
            let _ = reply.send(Ok(()));
        }
    }

    fn warned(&mut self, warning: &TokenWillExpire) {
        self.correct_time(warning.server_time);
        let left = Duration::from_secs(warning.remain_secs);
        if self.renews_by_itself() {
            self.renewal.warned(self.now(), left, self.chance());
        } else {
            self.tell(Event::TokenWillExpire { left, expire_at: UnixSeconds::new(warning.expire_at) });
        }
    }

    /// Plans for a token of which the server says when it ends; without one there is nothing to renew.
    pub(super) fn plan_renewal(&mut self, expire_at: Option<UnixSeconds>) {
        match expire_at {
            Some(expire_at) if self.renews_by_itself() => {
                self.renewal.accepted(self.now(), self.left_until(expire_at), self.chance());
            }
            _ => self.renewal.stop(),
        }
    }

    async fn take_answer(&mut self, visit: &mut Visit<'_>, answer: Result<RoomToken, Error>) -> Result<(), Error> {
        match answer.and_then(|token| self.judge(token)) {
            Ok(token) => self.submit(visit, Request { wish: Wish::Renew(token), reply: None }).await,
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
    fn next_wake(&self, visit: &Visit<'_>) -> Duration {
        let silence = match visit.pinged_at {
            Some(pinged_at) => pinged_at + PONG_LIMIT,
            None => visit.last_heard + self.options.limits.keep_alive,
        };
        let answer_by = visit.pending.iter().map(|pending| pending.answer_by);
        answer_by.chain(self.renewal.due_at()).fold(silence, Duration::min)
    }

    async fn wake(&mut self, visit: &mut Visit<'_>) -> Result<(), Error> {
        let now = self.now();
        if visit.pending.iter().any(|pending| pending.answer_by <= now) {
            return Err(Error::Timeout { after: self.options.limits.request });
        }
        if self.renewal.due_at().is_some_and(|due_at| due_at <= now) {
            self.renewal.begun();
            visit.asking = self.ask(Cause::Renewal);
        }
        match visit.pinged_at {
            Some(pinged_at) if pinged_at + PONG_LIMIT <= now => Err(Error::Timeout { after: PONG_LIMIT }),
            None if visit.last_heard + self.options.limits.keep_alive <= now => {
                visit.pinged_at = Some(now);
                visit.connection.ping().await
            }
            _ => Ok(()),
        }
    }
}

impl Visit<'_> {
    fn take(&mut self, id: u64) -> Option<Request> {
        let index = self.pending.iter().position(|pending| pending.id == id)?;
        Some(self.pending.swap_remove(index).request)
    }

    fn picture(&self) -> MutexGuard<'_, Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The provider's answer, once there is one.
async fn answered(asking: &mut Option<Asking>) -> Result<RoomToken, Error> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}
