//! Inside the room, on one connection: requests out, answers and news in, renewals when they are due.

use std::{collections::VecDeque, time::Duration};

use roompass_wire::{ErrorCode, gateway::ErrorMessage};
use tokio::sync::mpsc;

use super::{End, Request, Session, Switch, Wish, entry::Asking};
use crate::{
    connection::Connection, credentials::RoomToken, error::Error, event::Event, pace::Pace, provider::Cause,
    vigil::Vigil,
};

/// How long the server may take to answer a ping.
const PONG_LIMIT: Duration = Duration::from_secs(15);
/// The same, when there is reason to doubt that it will.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

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
    /// When a ping has to be answered.
    pong_by: Option<Duration>,
    pace: Pace,
    pub(super) moving: Option<Moving>,
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
pub(super) struct Moving {
    /// Unless requests wait for their answers.
    pub(super) at: Duration,
    /// Whatever waits.
    pub(super) at_last: Duration,
}

impl Session {
    /// Stays in the room for as long as `connection` and the app want. Does what is `to_do` first, and leaves there what
    /// it did not get to.
    pub(super) async fn stay(
        &mut self,
        connection: Connection,
        requests: &mut mpsc::Receiver<Request>,
        to_do: &mut VecDeque<Request>,
    ) -> Departure {
        let mut visit = Visit {
            connection,
            pending: Vec::new(),
            asking: None,
            switching: None,
            // The login was 2 at most.
            last_id: 2,
            last_heard: self.now(),
            pong_by: None,
            pace: Pace::default(),
            moving: None,
            leaving: false,
        };
        self.vigil = Vigil::default();
        self.look_for_sleep();
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
            Err(loss) => {
                // The session's own are found anew after the return.
                to_do.retain(|request| request.reply.is_some());
                // Not closed: a connection that only breaks keeps its place.
                Departure::Lost(loss)
            }
        }
    }

    async fn converse(
        &mut self,
        visit: &mut Visit,
        requests: &mut mpsc::Receiver<Request>,
        to_do: &mut VecDeque<Request>,
    ) -> Result<End, Loss> {
        loop {
            let wake = self.options.environment.sleep_until(self.next_wake(visit));
            tokio::select! {
                message = visit.connection.receive() => {
                    visit.last_heard = self.now();
                    visit.pong_by = None;
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
                request = next(to_do, requests), if !visit.leaving && visit.pace.ready_at() <= self.now() => {
                    visit.pace.take(self.now());
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
        let Some(message) = request.wish.message(visit.last_id, &self.asked.room_id) else {
            let pong_by = self.now() + CHECK_LIMIT;
            visit.pong_by = Some(visit.pong_by.map_or(pong_by, |before| before.min(pong_by)));
            return visit.connection.ping().await;
        };
        let answer_by = self.now() + self.options.limits.request;
        visit.pending.push(Pending { id: visit.last_id, answer_by, request });
        visit.connection.send(&message).await
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

    pub(super) fn renewal_failed(&mut self, error: Error) {
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
        let silence = visit.pong_by.unwrap_or(visit.last_heard + self.options.limits.keep_alive);
        let answer_by = visit.pending.iter().map(|pending| pending.answer_by);
        let moving = visit.moving.as_ref().map(|moving| moving.due_at(&visit.pending));
        let paced = Some(visit.pace.ready_at()).filter(|&ready_at| !visit.leaving && ready_at > self.now());
        answer_by.chain(self.renewal.due_at()).chain(moving).chain(paced).fold(silence, Duration::min)
    }

    /// Whether the device has slept since this was asked last.
    fn look_for_sleep(&mut self) -> bool {
        let (now, date) = (self.now(), self.options.environment.date());
        let slept = self.vigil.look(now, date);
        if let Some(slept) = slept {
            tracing::info!(?slept, "the device slept; looking whether the connection is still there");
        }
        slept.is_some()
    }

    async fn wake(&mut self, visit: &mut Visit) -> Result<(), Loss> {
        if self.look_for_sleep() {
            self.send(visit, Request::own(Wish::Check)).await?;
        }
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
        match visit.pong_by {
            Some(pong_by) if pong_by <= now => Err(Error::Timeout { after: PONG_LIMIT }.into()),
            None if visit.last_heard + self.options.limits.keep_alive <= now => {
                visit.pong_by = Some(now + PONG_LIMIT);
                visit.connection.ping().await.map_err(Loss::from)
            }
            _ => Ok(()),
        }
    }
}

impl Visit {
    pub(super) fn take(&mut self, id: u64) -> Option<Request> {
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

/// What is to do next: what waits already, then what the app asks for. Without an app, to leave.
async fn next(to_do: &mut VecDeque<Request>, requests: &mut mpsc::Receiver<Request>) -> Request {
    match to_do.pop_front() {
        Some(request) => request,
        None => requests.recv().await.unwrap_or(Request::own(Wish::Logout)),
    }
}

/// The provider's answer, once there is one.
async fn answered(asking: &mut Option<Asking>) -> Result<RoomToken, Error> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}
