//! Finding the way back after a lost connection: waits, tries, and the limit to both.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{End, Entered, Request, Session, Wish, stay::Loss};
use crate::{
    connection::within,
    error::{Error, ErrorKind},
    provider::Cause,
    state::RoomState,
};

/// How soon the next try comes when the app has reason to think that it will succeed.
const SOON: Duration = Duration::from_secs(1);
/// From how many on requests are looked through.
const MOST_HELD: usize = 256;
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
        held: &mut VecDeque<Request>,
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
        let wait = match loss {
            Loss { error, retry_in: None } if error.code().is_none() => self.reconnects.next(self.chance()),
            Loss { error, retry_in } => {
                let wait = self.move_on(&error);
                retry_in.unwrap_or(wait)
            }
        };
        let mut retry_at = self.now() + wait;
        self.enter_state(RoomState::Reconnecting);
        loop {
            while self.now() < retry_at.min(give_up_at) {
                let waited = holding(requests, held, environment.sleep_until(retry_at.min(give_up_at))).await?;
                if waited.is_none() {
                    // The network may be back for many at once.
                    retry_at = retry_at.min(self.now() + SOON.mul_f64(self.chance()));
                }
            }
            if self.now() >= give_up_at {
                return Err(End::Failed(Error::Timeout { after: limit }));
            }
            self.adopt_renewed_token(held);
            let time_left = give_up_at.saturating_sub(self.now());
            let outcome = {
                let mut attempt = std::pin::pin!(within(&*environment, time_left, self.try_enter(Cause::Relogin)));
                loop {
                    if let Some(outcome) = holding(requests, held, &mut attempt).await? {
                        break outcome;
                    }
                }
            };
            let error = match outcome {
                Ok(entered) => return Ok(entered),
                Err(error) => error,
            };
            if self.another_token_may_help(&error) {
                self.token_refused = true;
            } else if is_final(&error) {
                return Err(End::Failed(error));
            }
            tracing::debug!(%error, "not back yet");
            retry_at = self.now() + self.move_on(&error);
        }
    }

    /// Turns to the next server if another may help, and says how long to stay away.
    fn move_on(&mut self, error: &Error) -> Duration {
        let chance = self.chance();
        if error.is_about_the_server() && self.options.servers.len() > 1 {
            self.try_next_server();
            return self.reconnects.next(chance);
        }
        match error.retry_after() {
            Some(asked) => self.reconnects.next_after(asked.min(LONGEST_ASKED_FOR), chance),
            None => self.reconnects.next(chance),
        }
    }

    /// Logs in with the latest token that the app handed over while there was no connection.
    fn adopt_renewed_token(&mut self, held: &VecDeque<Request>) {
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

/// Runs `work` and holds what the app asks for meanwhile. Nothing, if the app wants the connection tried now.
async fn holding<T>(
    requests: &mut mpsc::Receiver<Request>,
    held: &mut VecDeque<Request>,
    work: impl Future<Output = T>,
) -> Result<Option<T>, End> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(Some(done)),
            request = requests.recv() => match request {
                // Leaving is not for later.
                None => return Err(End::Left(None)),
                Some(Request { wish: Wish::Logout, reply }) => return Err(End::Left(reply)),
                Some(Request { wish: Wish::Check, .. }) => return Ok(None),
                Some(request) => {
                    if held.len() >= MOST_HELD {
                        // Those that nobody waits for any more.
                        held.retain(|held| held.reply.as_ref().is_some_and(|reply| !reply.is_closed()));
                    }
                    held.push_back(request);
                }
            },
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
