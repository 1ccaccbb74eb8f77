//! The operator's hand in live rooms: looking, removing, stopping, withholding, speaking.
//!
//! What is to be done to live sessions is a [`Command`], plain data, which the gateway of the node that holds the sessions
//! obeys ([`crate::gateway::Gateway::obey`]). What must outlive them, revocations and bans, goes through
//! [`crate::lifecycle`] first. Knows no HTTP and no sockets.

mod command;
#[cfg(test)]
mod tests;

use roompass_wire::http::{FeedEvent, FeedKind, WithheldPrivilege};
use token_gen::{AppId, TokenId, UnixSeconds};

pub use command::{Act, Command, Who};

use crate::{
    app::Service,
    audit::{Action, Event, Origin},
    bans,
    error::Error,
    feed,
    gateway::SessionView,
    keys::Caller,
    lifecycle::{self, Ending},
    revocations::Target,
};

/// The longest text an operator says.
const MAX_TEXT: usize = 4096;

/// Whom to remove, and how thoroughly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kick {
    /// Whom.
    pub who: Who,
    /// Why: the user is told.
    pub reason: Option<String>,
    /// Whether the tokens they go by are left good.
    pub keep_tokens: bool,
    /// Until when they are kept out of the room they were in, whatever they show.
    pub ban_until: Option<UnixSeconds>,
}

/// Who was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kicked {
    /// The sessions.
    pub sessions: Vec<SessionView>,
    /// The tokens that were revoked.
    pub revoked: Vec<TokenId>,
}

/// The live sessions that `who` means, as far as the caller's key reaches, by id.
pub fn sessions(service: &Service, caller: &Caller, who: &Who) -> Vec<SessionView> {
    let mut found = service.gateway.sessions(caller.app_id, who);
    found.retain(|session| session.room_id.starts_with(&caller.scope.room_prefix));
    found.sort_by(|a, b| a.session_id.cmp(&b.session_id));
    found
}

/// Removes sessions. Their tokens are revoked, and their users banned if that is asked for, before they are told: whoever
/// tries to come back at once finds the door shut.
///
/// # Errors
/// As [`crate::lifecycle::Lifecycle::revoke`] and `ban`: those whose tokens were revoked by then are out, the others stay.
pub async fn kick(service: &Service, caller: &Caller, origin: Origin, kick: Kick) -> Result<Kicked, Error> {
    let now = service.clock.now();
    let action = if matches!(kick.who, Who::Room { .. }) { Action::CloseRoom } else { Action::Kick };
    let mut told = kick.who.event(action, caller.app_id);
    if let Some(reason) = &kick.reason {
        told = told.saying(reason.clone());
    }
    service.audit.note(origin.clone(), told)?;
    let found = sessions(service, caller, &kick.who);
    let do_to_all = |act: &dyn Fn(Who) -> Act| {
        for session in &found {
            let who = Who::Session { session_id: session.session_id.clone() };
            service.gateway.obey(&Command { app_id: caller.app_id.get(), act: act(who) }, now);
        }
    };
    // First, so that the news of the revocation ends nobody with another word.
    do_to_all(&|who| Act::Condemn { who, reason: kick.reason.clone() });
    match shut_out(service, caller, &origin, &kick, &found, now).await {
        Ok(revoked) => {
            do_to_all(&|who| Act::Kick { who });
            tracing::info!(app_id = %caller.app_id, key_id = caller.key_id, sessions = found.len(), "kicked");
            Ok(Kicked { sessions: found, revoked })
        }
        Err(error) => {
            do_to_all(&|who| Act::Pardon { who });
            Err(error)
        }
    }
}

/// Revokes and bans, once each. Returns the tokens that were revoked.
async fn shut_out(
    service: &Service,
    caller: &Caller,
    origin: &Origin,
    kick: &Kick,
    found: &[SessionView],
    now: UnixSeconds,
) -> Result<Vec<TokenId>, Error> {
    let lifecycle = service.lifecycle.by(origin.clone());
    let mut revoked = Vec::new();
    for session in found {
        if let Some(ban_until) = kick.ban_until {
            let (user_id, room_id) = (session.user_id.clone(), session.room_id.clone());
            let target = bans::Target::UserInRoom { user_id, room_id };
            lifecycle.ban(caller, target, Some(ban_until), kick.reason.clone(), now).await?;
        }
        let Some(token) =
            session.token.as_ref().filter(|token| !kick.keep_tokens && !revoked.contains(&token.token_id))
        else {
            continue;
        };
        let target = Target::Token(token.token_id);
        let issued_before = lifecycle::issued_before(&target, None, now)?;
        let ending = Ending { target, issued_before, expire_at: Some(token.expire_at), reason: kick.reason.clone() };
        lifecycle.revoke(caller, ending, now).await?;
        revoked.push(token.token_id);
    }
    Ok(revoked)
}

/// Withholds privileges from a live session, and gives back what is no longer withheld.
///
/// # Errors
/// [`Error::NotFound`] without the session.
pub fn withhold(
    service: &Service,
    caller: &Caller,
    origin: Origin,
    session_id: String,
    mut privileges: Vec<WithheldPrivilege>,
) -> Result<usize, Error> {
    privileges.sort_unstable();
    privileges.dedup();
    let who = Who::Session { session_id };
    let session = sessions(service, caller, &who).pop().ok_or(Error::NotFound)?;
    let words = serde_json::to_string(&privileges).map_err(|_| Error::Internal("words are JSON"))?;
    let event = who.event(Action::Withhold, caller.app_id);
    let (user_id, room_id) = (Some(session.user_id), Some(session.room_id));
    let told = Event { user_id: user_id.clone(), room_id: room_id.clone(), ..event }.saying(words);
    service.audit.note(origin, told)?;
    let command = Command { app_id: caller.app_id.get(), act: Act::Withhold { who, privileges } };
    let now = service.clock.now();
    let reached = service.gateway.obey(&command, now);
    let session_id = Some(session.session_id);
    let changed = || FeedEvent { user_id, room_id, session_id, ..feed::event(FeedKind::PrivilegesChanged, now) };
    service.feed.note(caller.app_id, now, changed);
    Ok(reached)
}

/// Stops a stream.
///
/// # Errors
/// [`Error::NotFound`] if nobody publishes it.
pub fn stop_stream(service: &Service, caller: &Caller, origin: Origin, stream_id: String) -> Result<usize, Error> {
    let found = service.gateway.rooms().find_stream(caller.app_id, &stream_id).ok_or(Error::NotFound)?;
    if !found.room_id.starts_with(&caller.scope.room_prefix) {
        return Err(Error::NotFound);
    }
    let who = Who::User { user_id: found.user_id, room_id: Some(found.room_id) };
    let event = Event { stream_ids: Some(vec![stream_id.clone()]), ..who.event(Action::StopStream, caller.app_id) };
    service.audit.note(origin, event)?;
    let command = Command { app_id: caller.app_id.get(), act: Act::StopStream { who, stream_id } };
    Ok(service.gateway.obey(&command, service.clock.now()))
}

/// Says something to a room, or to one user in it. Returns how many sessions it reached.
///
/// # Errors
/// [`Error::Field`].
pub fn say(service: &Service, caller: &Caller, origin: Origin, who: Who, text: String) -> Result<usize, Error> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(Error::field("text", format!("must be 1 to {MAX_TEXT} bytes")));
    }
    let Some(room_id) = who.room_id().filter(|room_id| room_id.starts_with(&caller.scope.room_prefix)) else {
        return Err(Error::field("room_id", format!("must begin with `{}` for this key", caller.scope.room_prefix)));
    };
    let event = Event { room_id: Some(room_id.to_owned()), ..who.event(Action::Say, caller.app_id) };
    service.audit.note(origin, event)?;
    let command = Command { app_id: caller.app_id.get(), act: Act::Say { who, text } };
    Ok(service.gateway.obey(&command, service.clock.now()))
}

/// The app of a command.
pub(crate) fn app_of(command: &Command) -> Option<AppId> {
    AppId::new(command.app_id).ok()
}
