//! Every live revocation, in memory, so that no verification waits for the store.
//!
//! An entry is 128 bits of fingerprint and two times; what it targets in words is in the store only. A million
//! entries are about a hundred megabytes.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use token_gen::{AppId, UnixSeconds};
use tokio::sync::broadcast;

use super::{Revocation, Subject, Target, Tokenless, entries};
use crate::entry_id::EntryId;

/// Without news from the store for longer than this, the view may miss revocations made elsewhere.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// Stands for a moment while nobody else writes to the store.
const NOBODY_ELSE: i64 = i64::MAX;
/// How many changes a listener may be behind before it has to look at everything again.
const BACKLOG: usize = 1024;

/// How many revocations may be live. Past a limit the new one is refused; an old one is never dropped for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In one app, so that no app can keep the others from revoking. Default 1,000,000.
    pub per_app: usize,
    /// In all. Default 2,000,000.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_app: 1_000_000, total: 2_000_000 }
    }
}

/// There is no room for another revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The live revocations of every app.
#[derive(Debug)]
pub struct Revocations {
    state: RwLock<State>,
    limits: Limits,
    news: broadcast::Sender<Revocation>,
    /// When the view was last known to be complete; [`NOBODY_ELSE`] while nobody else writes to the store.
    complete_at: AtomicI64,
}

#[derive(Debug, Default)]
struct State {
    apps: HashMap<AppId, HashMap<EntryId, Entry>>,
    total: usize,
    ends: BTreeSet<(UnixSeconds, AppId, EntryId)>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    issued_before: UnixSeconds,
    expire_at: UnixSeconds,
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Revocations {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            state: RwLock::default(),
            limits,
            news: broadcast::Sender::new(BACKLOG),
            complete_at: AtomicI64::new(NOBODY_ELSE),
        }
    }

    /// The revocation that ends the token of `subject`, if one does: of several, the one with the narrowest target.
    pub fn find(&self, app_id: AppId, subject: &Subject<'_>) -> Option<EntryId> {
        let state = self.read();
        let live = state.apps.get(&app_id)?;
        let hits = |id: &EntryId| live.get(id).is_some_and(|entry| subject.issued_at <= entry.issued_before);
        let room = subject.room_id;
        Some(entries::token(subject.token_id))
            .filter(hits)
            .or_else(|| room.map(|room_id| entries::user_in_room(subject.user_id, room_id)).filter(hits))
            .or_else(|| Some(entries::user(subject.user_id)).filter(hits))
            .or_else(|| room.map(entries::room).filter(hits))
            .or_else(|| Some(entries::app()).filter(hits))
    }

    /// The revocation that ends a session by AppSign, if one does, as [`Revocation::hits_tokenless`] has it.
    pub fn find_tokenless(&self, app_id: AppId, session: &Tokenless<'_>) -> Option<EntryId> {
        let state = self.read();
        let live = state.apps.get(&app_id)?;
        let is_live = |id: &EntryId| live.contains_key(id);
        let hits = |id: &EntryId| live.get(id).is_some_and(|entry| session.since <= entry.issued_before);
        Some(entries::user_in_room(session.user_id, session.room_id))
            .filter(is_live)
            .or_else(|| Some(entries::user(session.user_id)).filter(is_live))
            .or_else(|| Some(entries::room(session.room_id)).filter(hits))
            .or_else(|| Some(entries::app()).filter(hits))
    }

    /// Whether there is room for a revocation of `target`. One that is there already always has room.
    ///
    /// # Errors
    /// [`Full`].
    pub fn has_room(&self, app_id: AppId, target: &Target) -> Result<(), Full> {
        let state = self.read();
        let entries = state.apps.get(&app_id);
        let in_app = entries.map_or(0, HashMap::len);
        let known = entries.is_some_and(|entries| entries.contains_key(&target.entry_id()));
        if known || (in_app < self.limits.per_app && state.total < self.limits.total) { Ok(()) } else { Err(Full) }
    }

    /// Takes in what the store holds, and tells the listeners. Twice is once, and an entry never gets weaker.
    pub fn put(&self, revocation: Revocation) {
        self.write().insert(&revocation);
        // Nobody listens until the gateway runs.
        let _ = self.news.send(revocation);
    }

    /// Takes in many at once without telling anybody: at start.
    pub fn load(&self, revocations: impl IntoIterator<Item = Revocation>) {
        let mut state = self.write();
        revocations.into_iter().for_each(|revocation| state.insert(&revocation));
    }

    /// Forgets up to `batch` entries that have ended by `now`. `true` while there are more.
    pub fn sweep(&self, now: UnixSeconds, batch: usize) -> bool {
        let mut state = self.write();
        for _ in 0..batch {
            let Some(&(_, app_id, id)) = state.ends.first().filter(|(expire_at, ..)| *expire_at <= now) else {
                return false;
            };
            state.remove(app_id, id);
        }
        true
    }

    /// What is revoked from now on. A listener that lags asks [`Revocations::find`] about everything it holds.
    pub fn subscribe(&self) -> broadcast::Receiver<Revocation> {
        self.news.subscribe()
    }

    /// Says that at `now` the view holds all that the store held. Whoever shares the store calls this after each
    /// look at it; from the first call on, silence makes the view stale.
    pub fn complete(&self, now: UnixSeconds) {
        self.complete_at.store(now.get(), Ordering::Relaxed);
    }

    /// Whether revocations made elsewhere may be missing, so that no token can be called good.
    pub fn is_stale(&self, now: UnixSeconds) -> bool {
        now > UnixSeconds::new(self.complete_at.load(Ordering::Relaxed)).saturating_add(STALE_AFTER)
    }

    /// How long ago [`Revocations::complete`] was last called. Nothing, if nobody shares the store.
    pub fn behind(&self, now: UnixSeconds) -> Duration {
        match self.complete_at.load(Ordering::Relaxed) {
            NOBODY_ELSE => Duration::ZERO,
            at => now.duration_since(UnixSeconds::new(at)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read().total
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // No change in here can stop half-way, so a poisoned state is still a good one.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(&mut self, revocation: &Revocation) {
        let (app_id, id) = (revocation.app_id, revocation.target.entry_id());
        let mut entry = Entry { issued_before: revocation.issued_before, expire_at: revocation.expire_at };
        match self.apps.entry(app_id).or_default().insert(id, entry) {
            None => self.total += 1,
            Some(before) => {
                self.ends.remove(&(before.expire_at, app_id, id));
                entry.issued_before = entry.issued_before.max(before.issued_before);
                entry.expire_at = entry.expire_at.max(before.expire_at);
                self.apps.entry(app_id).or_default().insert(id, entry);
            }
        }
        self.ends.insert((entry.expire_at, app_id, id));
    }

    fn remove(&mut self, app_id: AppId, id: EntryId) {
        let Some(entries) = self.apps.get_mut(&app_id) else { return };
        if let Some(entry) = entries.remove(&id) {
            self.ends.remove(&(entry.expire_at, app_id, id));
            self.total -= 1;
        }
        if entries.is_empty() {
            self.apps.remove(&app_id);
        }
    }
}
