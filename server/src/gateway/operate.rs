//! Where an operator's command reaches the sessions of this node.
//!
//! A command goes to the lines of the roll it means. What only the rules of a session can do becomes an [`Order`], which
//! the session takes before it looks at anything else; its outbox wakes it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, OperatorMessage, ServerMessage},
    http::{AuthName, FeedEvent, FeedKind, LiveSession, WithheldPrivilege},
};
use token_gen::{AppId, StreamId, TokenId, UnixSeconds};

use super::{Gateway, roll::Entry, session};
use crate::{
    apps::AppSettings,
    feed,
    operator::{Act, Who},
    revocations::Revocation,
    rooms::{Rooms, SessionId},
};

/// How long nobody is let in by a token that is about to be revoked. By then it is, and all nodes know.
const CONDEMNED_FOR: Duration = Duration::from_secs(30);

/// Tokens that are about to be revoked, and until when they are only that.
#[derive(Debug, Default)]
pub(super) struct Condemned(Mutex<HashMap<(AppId, TokenId), UnixSeconds>>);

impl Condemned {
    fn put(&self, app_id: AppId, token_ids: &HashSet<String>, now: UnixSeconds) {
        let mut tokens = self.lock();
        tokens.retain(|_, until| now < *until);
        let token_ids = token_ids.iter().filter_map(|token_id| TokenId::parse(token_id));
        tokens.extend(token_ids.map(|token_id| ((app_id, token_id), now.saturating_add(CONDEMNED_FOR))));
    }

    fn remove(&self, app_id: AppId, token_ids: &HashSet<String>) {
        self.lock().retain(|(of, token_id), _| *of != app_id || !token_ids.contains(token_id.as_str()));
    }

    /// Whether this one is.
    pub(super) fn holds(&self, app_id: AppId, token_id: TokenId, now: UnixSeconds) -> bool {
        self.lock().get(&(app_id, token_id)).is_some_and(|until| now < *until)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(AppId, TokenId), UnixSeconds>> {
        // No change in here can stop half-way, so a poisoned state is still a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Do without these privileges and no others.
    Withhold(Vec<WithheldPrivilege>),
    /// Stop a stream of its own.
    StopStream(StreamId),
}

/// What an operator has decided about a session.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// It is to be kicked, perhaps with a word to its user.
    pub(super) condemned: Option<Option<String>>,
    withheld: Vec<WithheldPrivilege>,
    orders: Vec<Order>,
}

impl Standing {
    /// Of a session that comes from another node, and does without these already.
    pub(super) fn withholding(withheld: Vec<WithheldPrivilege>) -> Self {
        Self { withheld, ..Self::default() }
    }

    /// What the session has to do and has not heard yet.
    pub(super) fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }
}

impl Entry {
    /// Leaves an order for the session, and wakes it.
    fn give(&mut self, order: Order) {
        self.standing.orders.push(order);
        self.outbox.order();
    }
}

impl Gateway {
    /// The rooms of this node.
    pub fn rooms(&self) -> &Rooms {
        self.nodes.rooms()
    }

    /// The sessions of this node that `who` means, as far as `is_wanted` says so of id, user and room, in no order.
    pub fn sessions(&self, app_id: AppId, who: &Who, is_wanted: impl Fn(&str, &str, &str) -> bool) -> Vec<LiveSession> {
        let mut found = Vec::new();
        // Without the app, everybody in it is about to go.
        let Some(app) = self.directory.app(app_id) else { return found };
        let now = self.clock.now();
        self.roll.with(app_id, who, |session_id, entry| {
            if is_wanted(&session_id.to_string(), &entry.user_id, &entry.room_id) {
                found.push(view(session_id, entry, app.settings(), now));
            }
        });
        found
    }

    /// Does what an operator wants to the sessions of this node; says which it reached.
    pub fn obey(&self, app_id: AppId, act: &Act, now: UnixSeconds) -> Vec<SessionId> {
        match act {
            Act::Condemn { token_ids, .. } => self.condemned.put(app_id, token_ids, now),
            Act::Pardon { token_ids, .. } => self.condemned.remove(app_id, token_ids),
            _ => {}
        }
        let mut reached = Vec::new();
        self.roll.with(app_id, act.who(), |session_id, entry| {
            if obey(entry, act, now) {
                reached.push(session_id);
                if let (Act::Withhold { .. }, Some(feed)) = (act, &self.feed) {
                    let changed = || FeedEvent {
                        user_id: Some(entry.user_id.clone()),
                        room_id: Some(entry.room_id.clone()),
                        session_id: Some(session_id.to_string()),
                        ..feed::event(FeedKind::PrivilegesChanged, now)
                    };
                    feed.note(app_id, now, changed);
                }
            }
        });
        reached
    }

    /// Takes in revocations before the news of them comes by: from now on their tokens let nobody in here.
    pub fn shut_out(&self, revocations: impl IntoIterator<Item = Revocation>) {
        revocations.into_iter().for_each(|revocation| self.tokens.revocations().put(revocation));
    }
}

/// Whether it concerned the session.
fn obey(entry: &mut Entry, act: &Act, now: UnixSeconds) -> bool {
    let room_id = entry.room_id.clone();
    let message = match act {
        Act::Condemn { reason, .. } => {
            entry.standing.condemned = Some(reason.clone());
            return true;
        }
        Act::Pardon { .. } => {
            entry.standing.condemned = None;
            return true;
        }
        Act::Kick { .. } => {
            entry.standing.condemned.get_or_insert(None);
            entry.outbox.end(ErrorCode::Kicked);
            return true;
        }
        Act::Withhold { privileges, .. } => {
            entry.standing.withheld.clone_from(privileges);
            entry.give(Order::Withhold(privileges.clone()));
            return true;
        }
        Act::StopStream { stream_id, .. } => {
            let Ok(stream_id) = StreamId::new(&**stream_id) else { return false };
            entry.give(Order::StopStream(stream_id));
            return true;
        }
        Act::Say { text, .. } => {
            ServerMessage::ServerMessage(OperatorMessage { room_id, text: text.clone(), sent_at: now.get() })
        }
    };
    // Strings and numbers into memory: serde_json has no way to fail here.
    entry.outbox.push_direct(serde_json::to_string(&message).unwrap_or_default().into());
    true
}

fn view(session_id: SessionId, entry: &Entry, settings: &AppSettings, now: UnixSeconds) -> LiveSession {
    LiveSession {
        session_id: session_id.to_string(),
        user_id: entry.user_id.clone(),
        room_id: entry.room_id.clone(),
        auth: match entry.auth {
            AuthKind::AppSign => AuthName::AppSign,
            AuthKind::Token | AuthKind::Unknown => AuthName::Token,
        },
        since: entry.since.get(),
        source: entry.address.to_string(),
        other_credential: entry.other_credential,
        privileges: session::privileges(&entry.rights, now),
        rights: session::limits(&entry.rights, entry.token.is_some(), entry.stay_until, settings),
        withheld: entry.standing.withheld.clone(),
        token_id: entry.token.as_ref().map(|token| token.token_id().as_str().to_owned()),
        expire_at: entry.token.as_ref().map(|token| token.expire_at().get()),
        media: None,
    }
}
