//! The operator's hand in live rooms: looking, removing, stopping, withholding, speaking.
//!
//! Rooms span nodes, so whatever is looked for or done is a [`Question`], plain data, to every node: each answers for the
//! sessions it holds ([`answer`]), and answers say which nodes could not be reached. What must outlive the sessions,
//! revocations and bans, goes through [`crate::lifecycle`] first; what is done is in the audit trail before it is. Knows no
//! HTTP and no sockets.

mod command;
mod everywhere;
mod kick;
mod measures;
mod question;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use roompass_wire::http::{LiveSession, LiveStream, Receiver, WithheldPrivilege};

pub use command::{Act, Who};
pub use kick::{Kick, Kicked, kick};
pub use question::{Answer, Ended, Part, Question, RoomNow, answer};

use crate::{
    app::Service,
    audit::{Action, Event, Origin, Recorder},
    error::Error,
    keys::Caller,
    nodes::Unreached,
    rooms::Overview,
};
use everywhere::Everywhere;

/// The longest text an operator says.
const MAX_TEXT: usize = 4096;

/// What was found, or how many sessions were reached, and where there may be more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached<T> {
    /// It.
    pub what: T,
    /// Where there may be more.
    pub unreached: Unreached,
}

/// Up to `limit` live sessions that `who` means, as far as the caller's key reaches, by id, from the one after `after`.
///
/// # Errors
/// [`Error::AppUnknown`].
pub async fn sessions(
    service: &Service,
    caller: &Caller,
    who: &Who,
    search: &str,
    after: &str,
    limit: usize,
) -> Result<Reached<Vec<LiveSession>>, Error> {
    known(service, caller).await?;
    let _place = service.limits.looks().take().await;
    let mut everywhere = Everywhere::new(service, caller);
    let what = everywhere.sessions(who, search, after, limit).await;
    let what = everywhere.measured(what).await;
    Ok(Reached { what, unreached: everywhere.unreached })
}

/// Up to `limit` rooms that somebody is in, as far as the caller's key reaches, by id, from the one after `after`.
///
/// # Errors
/// [`Error::AppUnknown`].
pub async fn rooms(
    service: &Service,
    caller: &Caller,
    search: &str,
    after: &str,
    limit: usize,
) -> Result<Reached<Vec<Overview>>, Error> {
    known(service, caller).await?;
    let _place = service.limits.looks().take().await;
    let mut everywhere = Everywhere::new(service, caller);
    let what = everywhere.rooms(search, after, limit).await;
    Ok(Reached { what, unreached: everywhere.unreached })
}

/// Up to `limit` streams, as far as the caller's key reaches, by id, from the one after `after`; only in a room or of a user
/// if that is asked for.
///
/// # Errors
/// [`Error::AppUnknown`].
pub async fn streams(
    service: &Service,
    caller: &Caller,
    only: (Option<String>, Option<String>),
    search: &str,
    after: &str,
    limit: usize,
) -> Result<Reached<Vec<LiveStream>>, Error> {
    known(service, caller).await?;
    let _place = service.limits.looks().take().await;
    let mut everywhere = Everywhere::new(service, caller);
    let what = everywhere.streams(only, search, after, limit).await;
    Ok(Reached { what, unreached: everywhere.unreached })
}

/// Up to `limit` users to whom a stream goes, as far as the caller's key reaches, by id, from the one after `after`.
///
/// # Errors
/// [`Error::AppUnknown`].
pub async fn receivers(
    service: &Service,
    caller: &Caller,
    stream_id: String,
    search: &str,
    after: &str,
    limit: usize,
) -> Result<Reached<Vec<Receiver>>, Error> {
    known(service, caller).await?;
    let _place = service.limits.looks().take().await;
    let mut everywhere = Everywhere::new(service, caller);
    let what = everywhere.receivers(stream_id, search, after, limit).await;
    Ok(Reached { what, unreached: everywhere.unreached })
}

/// A room with everybody in it.
///
/// # Errors
/// [`Error::AppUnknown`]; [`Error::Missing`] if nobody is in it, [`Error::NodesUnreached`] if that is not known.
pub async fn room(service: &Service, caller: &Caller, room_id: &str) -> Result<Reached<RoomNow>, Error> {
    known(service, caller).await?;
    let _place = service.limits.looks().take().await;
    let mut everywhere = Everywhere::new(service, caller);
    let what = everywhere.room(room_id).await?;
    Ok(Reached { what, unreached: everywhere.unreached })
}

/// Withholds privileges from a live session, and gives back what is no longer withheld.
///
/// # Errors
/// [`Error::AppUnknown`]; [`Error::Missing`] without the session, [`Error::NodesUnreached`] if that is not known.
pub async fn withhold(
    service: Arc<Service>,
    caller: Caller,
    origin: Origin,
    session_id: String,
    mut privileges: Vec<WithheldPrivilege>,
) -> Result<Reached<usize>, Error> {
    known(&service, &caller).await?;
    privileges.sort_unstable();
    privileges.dedup();
    let who = Who::Session { session_id };
    let mut everywhere = Everywhere::new(&service, &caller);
    let found = everywhere.sessions(&who, "", "", 1).await.pop();
    let session = everywhere.found("session", found)?;
    let words = serde_json::to_string(&privileges).map_err(|_| Error::Internal("words are JSON"))?;
    let event = who.event(Action::Withhold, caller.app_id);
    let event = Event { user_id: Some(session.user_id), room_id: Some(session.room_id), ..event }.saying(words);
    do_recorded(service, caller, origin, event, Act::Withhold { who, privileges }).await
}

/// Stops a stream.
///
/// # Errors
/// [`Error::AppUnknown`]; [`Error::Missing`] if nobody publishes it, [`Error::NodesUnreached`] if that is not known.
pub async fn stop_stream(
    service: Arc<Service>,
    caller: Caller,
    origin: Origin,
    stream_id: String,
) -> Result<Reached<usize>, Error> {
    known(&service, &caller).await?;
    let found = Everywhere::new(&service, &caller).stream(&stream_id).await?;
    let who = Who::User { user_id: found.user_id, room_id: Some(found.room_id) };
    let event = Event { stream_ids: Some(vec![stream_id.clone()]), ..who.event(Action::StopStream, caller.app_id) };
    do_recorded(service, caller, origin, event, Act::StopStream { who, stream_id }).await
}

/// Says something to a room, or to one user in it. Returns how many sessions it reached.
///
/// # Errors
/// [`Error::AppUnknown`]; [`Error::Field`].
pub async fn say(
    service: Arc<Service>,
    caller: Caller,
    origin: Origin,
    who: Who,
    text: String,
) -> Result<Reached<usize>, Error> {
    known(&service, &caller).await?;
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(Error::field("text", format!("must be 1 to {MAX_TEXT} bytes")));
    }
    let Some(room_id) = who.room_id().filter(|room_id| room_id.starts_with(&caller.scope.room_prefix)) else {
        return Err(Error::field("room_id", format!("must begin with `{}` for this key", caller.scope.room_prefix)));
    };
    let event = Event { room_id: Some(room_id.to_owned()), ..who.event(Action::Say, caller.app_id) };
    do_recorded(service, caller, origin, event, Act::Say { who, text }).await
}

/// Sees that there is such an app. One that was created a moment ago may not be known to this node yet.
async fn known(service: &Service, caller: &Caller) -> Result<(), Error> {
    let app_id = caller.app_id;
    let is_known = service.directory.app(app_id).is_some() || service.store.app(app_id).await?.is_some();
    if is_known { Ok(()) } else { Err(Error::AppUnknown) }
}

/// Does something on every node, once its record is durable. Says how many sessions it reached.
async fn do_recorded(
    service: Arc<Service>,
    caller: Caller,
    origin: Origin,
    event: Event,
    act: Act,
) -> Result<Reached<usize>, Error> {
    recorded(service, origin, event, async move |service| {
        let mut everywhere = Everywhere::new(&service, &caller);
        let done = everywhere.act(act).await;
        Ok(Reached { what: done.iter().map(|(_, ids)| ids.len()).sum(), unreached: everywhere.unreached })
    })
    .await
}

/// Does something once its record is durable, and then to the end: whoever asked for it may hang up, and what was begun
/// is neither left half done nor done without its record.
async fn recorded<T, F>(
    service: Arc<Service>,
    origin: Origin,
    event: Event,
    act: impl FnOnce(Arc<Service>) -> F + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let recorder = Recorder::new(Arc::clone(&service.audit)).by(origin);
    let acting = tokio::spawn(async move { recorder.change(event, act(service)).await });
    acting.await.unwrap_or(Err(Error::Internal("an operator's act has failed half-way")))
}
