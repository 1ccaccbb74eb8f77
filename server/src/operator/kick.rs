//! Removing users from rooms, on whichever nodes they are.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use roompass_wire::http::LiveSession;
use token_gen::{TokenId, UnixSeconds};

use super::{
    Act, Question, Unreached, Who,
    everywhere::{AT_ONCE, Everywhere},
    known,
    question::Ended,
    recorded,
};
use crate::{
    app::Service,
    audit::{Action, Origin},
    bans,
    bus::NodeId,
    error::Error,
    keys::Caller,
    lifecycle::{self, Ending},
    revocations::{Revocation, Target},
};

/// How many tokens are revoked at once: they share commits.
const WRITES_AT_ONCE: usize = 64;

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
    /// The sessions, by id.
    pub session_ids: Vec<String>,
    /// How many tokens were revoked.
    pub revoked: usize,
    /// Where others may be left.
    pub unreached: Unreached,
}

/// Removes sessions. Their tokens are revoked, and their users banned if that is asked for, before they are told: whoever
/// tries to come back at once finds the door shut, on every node that has answered. Goes on to the end if nobody waits
/// for it any more.
///
/// # Errors
/// [`Error::AppUnknown`]; as [`crate::lifecycle::Lifecycle::revoke`] and `ban`: those whose tokens were revoked by then are out, the others stay.
pub async fn kick(service: Arc<Service>, caller: Caller, origin: Origin, kick: Kick) -> Result<Kicked, Error> {
    known(&service, &caller).await?;
    let action = if matches!(kick.who, Who::Room { .. }) { Action::CloseRoom } else { Action::Kick };
    let mut event = kick.who.event(action, caller.app_id);
    if let Some(reason) = &kick.reason {
        event = event.saying(reason.clone());
    }
    let by = origin.clone();
    recorded(service, by, event, async move |service| remove(&service, &caller, &origin, &kick).await).await
}

async fn remove(service: &Service, caller: &Caller, origin: &Origin, kick: &Kick) -> Result<Kicked, Error> {
    let mut everywhere = Everywhere::new(service, caller);
    let found = everywhere.all_sessions(&kick.who).await;
    // First, so that the news of the revocation ends nobody with another word, and whoever is told on one node finds the
    // door shut on all others.
    let reason = &kick.reason;
    let condemned = act(&mut everywhere, &found, |who, token_ids| {
        let token_ids = if kick.keep_tokens { HashSet::new() } else { token_ids };
        Act::Condemn { who, reason: reason.clone(), token_ids }
    })
    .await;
    let revoked = match shut_out(service, caller, origin, kick, &found).await {
        Ok(revoked) => revoked,
        Err(error) => {
            act(&mut everywhere, &found, |who, token_ids| Act::Pardon { who, token_ids }).await;
            return Err(error);
        }
    };
    // The news of the revocation would come by, but later than the end of what was condemned.
    for revoked in revoked.chunks(AT_ONCE) {
        let ended = revoked.iter().filter_map(Ended::of).collect();
        everywhere.tell(&Question::ShutOut { ended }).await;
    }
    let kicked = act(&mut everywhere, &found, |who, _| Act::Kick { who }).await;
    // Some were out as soon as their tokens were revoked. What a node has not confirmed is not said to be done.
    let confirmed = kicked.keys().filter_map(|node| condemned.get(node)).chain(kicked.values());
    let mut session_ids: Vec<String> = confirmed.flatten().cloned().collect();
    session_ids.sort_unstable();
    session_ids.dedup();
    let (count, unreached) = (session_ids.len(), everywhere.unreached);
    tracing::info!(app_id = %caller.app_id, key_id = caller.key_id, sessions = count, ?unreached, "kicked");
    Ok(Kicked { session_ids, revoked: revoked.len(), unreached })
}

/// What every node that has answered has done it to; this one is `None`.
async fn act(
    everywhere: &mut Everywhere<'_>,
    found: &[LiveSession],
    act: impl Fn(Who, HashSet<String>) -> Act,
) -> HashMap<Option<NodeId>, HashSet<String>> {
    let mut done = HashMap::<_, HashSet<String>>::new();
    for found in found.chunks(AT_ONCE) {
        let session_ids = found.iter().map(|session| session.session_id.clone()).collect();
        let token_ids = found.iter().filter_map(|session| session.token_id.clone()).collect();
        for (node, ids) in everywhere.act(act(Who::Sessions { session_ids }, token_ids)).await {
            done.entry(node).or_default().extend(ids);
        }
    }
    done
}

/// Revokes and bans, once each. Returns what was revoked.
async fn shut_out(
    service: &Service,
    caller: &Caller,
    origin: &Origin,
    kick: &Kick,
    found: &[LiveSession],
) -> Result<Vec<Revocation>, Error> {
    let (lifecycle, now) = (&service.lifecycle.by(origin.clone()), service.clock.now());
    if let Some(ban_until) = kick.ban_until {
        let in_room = |session: &LiveSession| (session.user_id.clone(), session.room_id.clone());
        let users: HashSet<(String, String)> = found.iter().map(in_room).collect();
        let bans = users.into_iter().map(|(user_id, room_id)| async move {
            let target = bans::Target::UserInRoom { user_id, room_id };
            lifecycle.ban(caller, target, Some(ban_until), kick.reason.clone(), now).await
        });
        stream::iter(bans).buffer_unordered(WRITES_AT_ONCE).try_collect::<Vec<_>>().await?;
    }
    if kick.keep_tokens {
        return Ok(Vec::new());
    }
    let token = |session: &LiveSession| {
        Some((TokenId::parse(session.token_id.as_deref()?)?, UnixSeconds::new(session.expire_at?)))
    };
    let tokens: HashMap<TokenId, UnixSeconds> = found.iter().filter_map(token).collect();
    let revocations = tokens.into_iter().map(|(token_id, expire_at)| async move {
        let target = Target::Token(token_id);
        let issued_before = lifecycle::issued_before(&target, None, now)?;
        let ending = Ending { target, issued_before, expire_at: Some(expire_at), reason: kick.reason.clone() };
        lifecycle.revoke(caller, ending, now).await
    });
    stream::iter(revocations).buffer_unordered(WRITES_AT_ONCE).try_collect().await
}
