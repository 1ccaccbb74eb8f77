//! Everybody who is logged in here, so that those whose token is revoked or who are banned can be shown out at once.
//!
//! Knows neither sockets nor rooms: it ends an outbox, and the connection behind it does the rest.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use roompass_wire::{ErrorCode, gateway::AuthKind};
use token_gen::{AppId, Rights, TokenId, UnixSeconds};

use super::operate::{Order, Standing};
use crate::{
    apps::{App, Directory},
    bans::{Ban, Bans, Visitor},
    login::SessionToken,
    operator::Who,
    revocations::{Revocation, Revocations, Subject, Tokenless},
    rooms::{Outbox, SessionId},
};

/// Everybody of every app.
#[derive(Debug, Default)]
pub(super) struct Roll(Mutex<HashMap<AppId, HashMap<SessionId, Entry>>>);

/// Who somebody is.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) user_id: String,
    pub(super) room_id: String,
    pub(super) address: IpAddr,
    /// The present token; none in an AppSign session.
    pub(super) token: Option<PresentToken>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) auth: AuthKind,
    /// When it logged in.
    pub(super) since: UnixSeconds,
    /// What its present credential allows.
    pub(super) rights: Rights,
    /// When its stay ends, whatever it renews with.
    pub(super) stay_until: Option<UnixSeconds>,
    /// Why the other credential that it showed did not count.
    pub(super) other_credential: Option<ErrorCode>,
    pub(super) standing: Standing,
}

/// A token as far as it decides who has to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PresentToken {
    token_id: TokenId,
    issued_at: UnixSeconds,
    secret_id: String,
    expire_at: UnixSeconds,
}

impl PresentToken {
    pub(super) fn token_id(&self) -> TokenId {
        self.token_id
    }

    pub(super) fn expire_at(&self) -> UnixSeconds {
        self.expire_at
    }
}

impl From<&SessionToken> for PresentToken {
    fn from(token: &SessionToken) -> Self {
        Self {
            token_id: token.token_id,
            issued_at: token.issued_at,
            secret_id: token.secret_id.clone(),
            expire_at: token.expire_at,
        }
    }
}

/// One line of the roll. Dropping it strikes the line out.
#[derive(Debug)]
pub(super) struct Line {
    roll: Arc<Roll>,
    app_id: AppId,
    session_id: SessionId,
}

impl Entry {
    /// Ends it with `code`; one that an operator is about to kick, with that.
    fn end(&self, code: ErrorCode) {
        self.outbox.end(if self.standing.condemned.is_some() { ErrorCode::Kicked } else { code });
    }

    /// What its user's token is compared with, if there is one.
    fn subject(&self) -> Option<Subject<'_>> {
        let &PresentToken { token_id, issued_at, .. } = self.token.as_ref()?;
        Some(Subject { token_id, user_id: &self.user_id, room_id: Some(&self.room_id), issued_at })
    }

    fn tokenless(&self) -> Tokenless<'_> {
        Tokenless { user_id: &self.user_id, room_id: &self.room_id, since: self.since }
    }

    fn is_revoked_by(&self, revocation: &Revocation) -> bool {
        match self.subject() {
            Some(subject) => revocation.hits(&subject),
            None => revocation.hits_tokenless(&self.tokenless()),
        }
    }

    fn is_revoked(&self, app_id: AppId, revocations: &Revocations) -> bool {
        match self.subject() {
            Some(subject) => revocations.find(app_id, &subject).is_some(),
            None => revocations.find_tokenless(app_id, &self.tokenless()).is_some(),
        }
    }

    fn visitor(&self) -> Visitor<'_> {
        Visitor { user_id: Some(&self.user_id), room_id: Some(&self.room_id), address: Some(self.address) }
    }

    /// Why this one has to go after a change of the app, if so.
    fn shut_out_by(&self, app: Option<&App>) -> Option<ErrorCode> {
        let Some(app) = app.filter(|app| app.settings().enabled) else {
            // The same as the connection itself says when it sees it first.
            return Some(ErrorCode::KickedInternal);
        };
        let is_held = |token: &PresentToken| app.holds_secret(&token.secret_id);
        (!self.token.as_ref().is_none_or(is_held)).then_some(ErrorCode::TokenRevoked)
    }

    /// Why this one has to go, if so.
    fn shut_out(&self, app_id: AppId, lists: Lists<'_>, now: UnixSeconds) -> Option<ErrorCode> {
        if let Some(code) = self.shut_out_by(lists.directory.app(app_id).as_deref()) {
            return Some(code);
        }
        if self.is_revoked(app_id, lists.revocations) {
            return Some(ErrorCode::TokenRevoked);
        }
        lists.bans.find(app_id, &self.visitor(), now).map(|_| ErrorCode::Banned)
    }
}

/// Who has to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lists<'a> {
    pub(super) directory: &'a Directory,
    pub(super) revocations: &'a Revocations,
    pub(super) bans: &'a Bans,
}

impl Roll {
    /// Adds a line.
    pub(super) fn enter(self: &Arc<Self>, app_id: AppId, session_id: SessionId, entry: Entry) -> Line {
        self.lock().entry(app_id).or_default().insert(session_id, entry);
        Line { roll: Arc::clone(self), app_id, session_id }
    }

    /// Adds a line, if there are fewer than `max` in all and fewer than `max_per_app` in its app. One more is let in where
    /// it `replaces` another.
    pub(super) fn enter_within(
        self: &Arc<Self>,
        (max, max_per_app): (usize, usize),
        replaces: bool,
        (app_id, session_id): (AppId, SessionId),
        entry: Entry,
    ) -> Option<Line> {
        let mut apps = self.lock();
        let (all, in_app) = (apps.values().map(HashMap::len).sum::<usize>(), apps.get(&app_id).map_or(0, HashMap::len));
        if !replaces && (all >= max || in_app >= max_per_app) {
            return None;
        }
        apps.entry(app_id).or_default().insert(session_id, entry);
        Some(Line { roll: Arc::clone(self), app_id, session_id })
    }

    /// Shows out whoever `revocation` ends.
    pub(super) fn revoke(&self, revocation: &Revocation) {
        self.end(revocation.app_id, ErrorCode::TokenRevoked, |entry| entry.is_revoked_by(revocation));
    }

    /// Shows out whoever `ban` keeps out.
    pub(super) fn ban(&self, ban: &Ban, now: UnixSeconds) {
        if ban.holds(now) {
            self.end(ban.app_id, ErrorCode::Banned, |entry| ban.target.covers(&entry.visitor()));
        }
    }

    /// Shows out whoever may not stay in an app as it is now: all, if it is gone or switched off, and those whose token
    /// was sealed with a secret that is retired.
    pub(super) fn change(&self, app_id: AppId, app: Option<&App>) {
        if let Some(entries) = self.lock().get(&app_id) {
            for entry in entries.values() {
                if let Some(code) = entry.shut_out_by(app) {
                    entry.end(code);
                }
            }
        }
    }

    /// Holds everybody against the lists: after news may have been missed.
    pub(super) fn call(&self, lists: Lists<'_>, now: UnixSeconds) {
        for (&app_id, entries) in self.lock().iter() {
            for entry in entries.values() {
                if let Some(code) = entry.shut_out(app_id, lists, now) {
                    entry.end(code);
                }
            }
        }
    }

    /// Shows `act` every session of the app that `who` means.
    pub(super) fn with(&self, app_id: AppId, who: &Who, mut act: impl FnMut(SessionId, &mut Entry)) {
        let mut apps = self.lock();
        let entries = apps.get_mut(&app_id).into_iter().flatten();
        let means = |session_id: &SessionId, entry: &Entry| match who {
            Who::Session { .. } | Who::Sessions { .. } => who.means(&session_id.to_string(), "", ""),
            _ => who.means("", &entry.user_id, &entry.room_id),
        };
        for (&session_id, entry) in entries.filter(|(session_id, entry)| means(session_id, entry)) {
            act(session_id, entry);
        }
    }

    fn end(&self, app_id: AppId, code: ErrorCode, is_hit: impl Fn(&Entry) -> bool) {
        if let Some(entries) = self.lock().get(&app_id) {
            entries.values().filter(|entry| is_hit(entry)).for_each(|entry| entry.end(code));
        }
    }

    /// How many there are in `app_id`.
    pub(super) fn len_in(&self, app_id: AppId) -> usize {
        self.lock().get(&app_id).map_or(0, HashMap::len)
    }

    /// How many there are in each app that has any.
    pub(super) fn by_app(&self) -> HashMap<AppId, usize> {
        self.lock().iter().map(|(&app_id, entries)| (app_id, entries.len())).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().values().map(HashMap::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppId, HashMap<SessionId, Entry>>> {
        // No change in here can stop half-way, so a poisoned roll is still a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// What an operator has ordered and the session has not heard yet.
    pub(super) fn take_orders(&self) -> Vec<Order> {
        let mut apps = self.roll.lock();
        let entry = apps.get_mut(&self.app_id).and_then(|app| app.get_mut(&self.session_id));
        entry.map(|entry| entry.standing.take_orders()).unwrap_or_default()
    }

    /// Why the other credential that was shown did not count.
    pub(super) fn other_credential(&self) -> Option<ErrorCode> {
        self.roll.lock().get(&self.app_id)?.get(&self.session_id)?.other_credential
    }

    /// What an operator says to the user who is kicked.
    pub(super) fn reason(&self) -> Option<String> {
        self.roll.lock().get(&self.app_id)?.get(&self.session_id)?.standing.condemned.clone()?
    }

    /// Why this one has to go, if so. Asked before every operation, and after the line or its token has changed: news
    /// that came before the change did not reach it.
    pub(super) fn shut_out(&self, lists: Lists<'_>, now: UnixSeconds) -> Option<ErrorCode> {
        let apps = self.roll.lock();
        let entry = apps.get(&self.app_id)?.get(&self.session_id)?;
        let code = entry.shut_out(self.app_id, lists, now)?;
        Some(if entry.standing.condemned.is_some() { ErrorCode::Kicked } else { code })
    }

    /// Notes where the user comes from now.
    pub(super) fn set_address(&self, address: IpAddr) {
        let mut apps = self.roll.lock();
        if let Some(entry) = apps.get_mut(&self.app_id).and_then(|app| app.get_mut(&self.session_id)) {
            entry.address = address;
        }
    }

    /// Notes the present token, and when the stay ends with it. Says whether it is another one than before.
    pub(super) fn set_token(&self, token: &SessionToken, stay_until: Option<UnixSeconds>) -> bool {
        let present = Some(PresentToken::from(token));
        let mut apps = self.roll.lock();
        let entry = apps.get_mut(&self.app_id).and_then(|app| app.get_mut(&self.session_id));
        let Some(entry) = entry.filter(|entry| entry.token != present) else { return false };
        (entry.token, entry.stay_until) = (present, stay_until);
        entry.rights.clone_from(&token.rights);
        true
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut apps = self.roll.lock();
        if let Some(entries) = apps.get_mut(&self.app_id) {
            entries.remove(&self.session_id);
            if entries.is_empty() {
                apps.remove(&self.app_id);
            }
        }
    }
}
