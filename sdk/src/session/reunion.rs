//! Finding the way back after a lost connection: waits, tries, and the limit to both.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{End, Entered, Request, Session, Wish, stay::Loss};
use crate::{
    connection::within,
    error::{Error, ErrorKind},
    provider::Cause,
    state::RoomState,
};

/// No server may keep its clients away for longer.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(60);

impl Session {
    /// Tries until the user is in the room again, the limit has passed, or only the app can help.
    ///
    /// A server that asks to be left alone is, and the wait is random on top of that. Each failure of a server is a
    /// reason to try the next, if there are several. Requests that come meanwhile are added to `held`; leaving is done at once.
    pub(super) async fn come_back(
        &mut self,
        loss: Loss,
        requests: &mut mpsc::Receiver<Request>,
        held: &mut Vec<Request>,
    ) -> Result<Entered, End> {
        let limit = self.options.limits.reconnect;
        let give_up_at = self.now() + limit;
        self.token_is_fresh = false;
        self.renewal.stop();
        let environment = Arc::clone(&self.options.environment);
        if let Some(place) = &mut self.place {
            place.kept_until = Some(self.options.environment.now() + place.kept_for);
        }
        // A connection may break without the server's fault, and only this server may still hold the place.
        let asked_for = if loss.error.code().is_some() { self.move_on(&loss.error) } else { Duration::ZERO };
        let wait = loss.retry_in.unwrap_or_else(|| asked_for + self.reconnects.next(self.chance()));
        let mut retry_at = self.now() + wait;
        self.enter_state(RoomState::Reconnecting);
        loop {
            holding(requests, held, environment.sleep_until(retry_at.min(give_up_at))).await?;
            if self.now() >= give_up_at {
                return Err(End::Failed(Error::Timeout { after: limit }));
            }
            self.adopt_renewed_token(held);
            let time_left = give_up_at.saturating_sub(self.now());
            let attempt = within(&*environment, time_left, self.try_enter(Cause::Relogin));
            let error = match holding(requests, held, attempt).await? {
                Ok(entered) => return Ok(entered),
                Err(error) => error,
            };
            if self.another_token_may_help(&error) {
                self.token_refused = true;
            } else if is_final(&error) {
                return Err(End::Failed(error));
            }
            tracing::debug!(%error, "not back yet");
            retry_at = self.now() + self.move_on(&error) + self.reconnects.next(self.chance());
        }
    }

    /// Turns to the next server if another may help, and says how long to stay away.
    fn move_on(&mut self, error: &Error) -> Duration {
        if error.is_about_the_server() && self.options.servers.len() > 1 {
            self.try_next_server();
            return Duration::ZERO;
        }
        error.retry_after().unwrap_or_default().min(LONGEST_ASKED_FOR)
    }

    /// Logs in with the latest token that the app handed over while there was no connection.
    fn adopt_renewed_token(&mut self, held: &[Request]) {
        let renewed = held.iter().rev().find_map(|request| match &request.wish {
            Wish::Renew(token) => Some(token),
            _ => None,
        });
        if let Some(token) = renewed
            && !self.token.as_ref().is_some_and(|present| present.is_same_as(token))
        {
            self.token = Some(token.clone());
            self.token_refused = false;
        }
    }
}

/// Runs `work` and holds what the app asks for meanwhile.
async fn holding<T>(
    requests: &mut mpsc::Receiver<Request>,
    held: &mut Vec<Request>,
    work: impl Future<Output = T>,
) -> Result<T, End> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            request = requests.recv() => hold(request, held)?,
        }
    }
}

/// Keeps a request for later; leaving is not for later.
fn hold(request: Option<Request>, held: &mut Vec<Request>) -> Result<(), End> {
    match request {
        None => Err(End::Left(None)),
        Some(Request { wish: Wish::Logout, reply }) => Err(End::Left(reply)),
        Some(request) => {
            held.push(request);
            Ok(())
        }
    }
}

/// Whether no number of tries can help.
fn is_final(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Usage | ErrorKind::Ended => true,
        ErrorKind::Refused => !error.is_retryable(),
        ErrorKind::Provider => matches!(error, Error::Denied { .. }),
        // Also statuses and wrong protocols: what stands before a server that restarts says strange things.
        ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Protocol => false,
    }
}
