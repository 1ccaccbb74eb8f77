//! Ending tokens and keeping users out: what callers do to [`Revocations`] and [`Bans`]. Every change goes to the store
//! first, then into memory, so that what was acknowledged survives. Knows no HTTP.

mod announced;
mod request;

use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use roompass_wire::webhook;
use token_gen::{AppId, TokenId, UnixSeconds};
use tokio::{sync::Mutex, time::timeout};

pub(crate) use request::is_of_rooms;
pub use request::{ban_target, duration, issued_before, reason, revocation_target};

use crate::{
    audit::{Action, Event, Origin, Recorder},
    bans::{self, Ban, Bans},
    entry_id::EntryId,
    error::Error,
    issued::{Issued, IssuedTokens},
    keys::Caller,
    metrics::Metrics,
    revocations::{self, Revocation, Revocations, Target},
    store::{After, AppRecord, Store, StoreError},
    webhooks::Webhooks,
};

/// How much is read from the store at once when starting.
const PAGE: u32 = 10_000;
/// How long after its end a CBC token is still known as one of ours, so that its holder is told that it has expired.
const ISSUED_SKEW_SECS: i64 = 60;
/// How many are written at once.
const AT_ONCE: usize = 64;
/// How much is forgotten at once, so that nobody waits long behind it.
const SWEEP_BATCH: u32 = 500;
/// How long a write may take before its outcome is called unknown; shorter than any request may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// The life of tokens after they were minted, in the name of whoever changes it.
#[derive(Clone)]
pub struct Lifecycle {
    store: Arc<dyn Store>,
    revocations: Arc<Revocations>,
    bans: Arc<Bans>,
    issued: Arc<IssuedTokens>,
    /// How far the ledger of issued tokens was read.
    issued_until: Arc<Mutex<i64>>,
    webhooks: Arc<Webhooks>,
    /// Held from the store to memory, so that of two changes to one ban both places keep the same.
    changing_bans: Arc<Mutex<()>>,
    recorder: Recorder,
    metrics: Arc<Metrics>,
}

/// A wish to end tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Which tokens.
    pub target: Target,
    /// The last second of issue that is ended.
    pub issued_before: UnixSeconds,
    /// When the token would end anyway, if it is a single one and that is known.
    pub expire_at: Option<UnixSeconds>,
    /// Why.
    pub reason: Option<String>,
}

impl Lifecycle {
    /// Works on `store`, which must be open and migrated, and announces what it does to `webhooks`.
    pub fn new(
        store: Arc<dyn Store>,
        revocations: Arc<Revocations>,
        bans: Arc<Bans>,
        issued: Arc<IssuedTokens>,
        webhooks: Arc<Webhooks>,
        recorder: Recorder,
    ) -> Self {
        let (changing_bans, issued_until, metrics) = Default::default();
        Self { store, revocations, bans, issued, webhooks, issued_until, changing_bans, recorder, metrics }
    }

    /// Counts in `metrics`.
    #[must_use]
    pub fn counting_in(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same in the name of whoever asks.
    #[must_use]
    pub fn by(&self, origin: Origin) -> Self {
        Self { recorder: self.recorder.by(origin), ..self.clone() }
    }

    /// Reads everything from the store into memory.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn load(&self) -> Result<(), Error> {
        // Of all apps, also those that are left out for now because their secrets do not open.
        let mut after = None;
        loop {
            let page = self.store.all_revocations(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.app_id, last.target.entry_id()));
            self.revocations.load(page);
        }
        let mut after = None;
        loop {
            let page = self.store.all_bans(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.app_id, last.target.entry_id()));
            self.bans.load(page);
        }
        self.catch_up_issued().await
    }

    /// Takes in the CBC tokens that were minted since the last time, here or on other nodes.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn catch_up_issued(&self) -> Result<(), Error> {
        let mut until = self.issued_until.lock().await;
        loop {
            let page = self.store.issued_after(*until, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            *until = last.seq;
            self.issued.put(page.iter().map(|record| (record.app_id, record.issued)));
        }
    }

    /// Notes CBC tokens of an app before anybody gets them: from now on they are known here, and soon on other nodes.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::OutcomeUnknown`]: they must not be handed out.
    pub async fn note_issued(&self, app_id: AppId, issued: Vec<Issued>) -> Result<(), Error> {
        self.issued.has_room(app_id, issued.len()).map_err(|_| Error::Full("token in a CBC format"))?;
        durable(self.store.note_issued(app_id, issued.clone())).await?;
        self.issued.put(issued.into_iter().map(|issued| (app_id, issued)));
        Ok(())
    }

    /// Takes in one revocation that another node has made or strengthened.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn reload_revocation(&self, app_id: AppId, id: EntryId) -> Result<(), Error> {
        if let Some(revocation) = self.store.revocation(app_id, id).await? {
            self.revocations.put(revocation);
        }
        Ok(())
    }

    /// Takes in one ban that another node has made, changed or lifted.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn reload_ban(&self, app_id: AppId, id: EntryId) -> Result<(), Error> {
        let _changing = self.changing_bans.lock().await;
        match self.store.ban(app_id, id).await? {
            Some(ban) => self.bans.put(ban),
            None => self.bans.remove(app_id, id),
        }
        Ok(())
    }

    /// Ends tokens of the caller's app. Returns what holds now.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::OutcomeUnknown`].
    pub async fn revoke(&self, caller: &Caller, ending: Ending, now: UnixSeconds) -> Result<Revocation, Error> {
        let Ending { target, issued_before, expire_at, reason } = ending;
        self.revocations.has_room(caller.app_id, &target).map_err(|_| Error::Full("revocation"))?;
        let revocation = Revocation {
            app_id: caller.app_id,
            target,
            issued_before,
            expire_at: expire_at.unwrap_or_else(|| revocations::forget_at(issued_before, now)),
            created_at: now,
            created_by: caller.key_id.clone(),
            reason,
        };
        let event = event_of(&revocation);
        let kept = self.recorder.change(event, durable(self.store.put_revocation(revocation))).await?;
        self.revocations.put(kept.clone());
        self.metrics.tokens.revoked(kept.target.kind());
        tracing::info!(
            app_id = %kept.app_id, key_id = caller.key_id, revocation_id = %kept.target.entry_id(), "tokens revoked"
        );
        self.webhooks.announce(kept.app_id, announced::revoked(&kept, &caller.key_id)).await;
        Ok(kept)
    }

    /// Ends every token of every app that was issued up to `now`, as after a restore from a backup: what was revoked
    /// since the backup was made stays revoked. Returns how many apps there are.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`]: do it again.
    pub async fn revoke_everything(&self, by: &str, reason: &str, now: UnixSeconds) -> Result<usize, Error> {
        let apps = self.store.apps().await?;
        let revoke = async |&AppRecord { app_id, .. }: &AppRecord| {
            let revocation = Revocation {
                app_id,
                target: Target::App,
                issued_before: now,
                expire_at: revocations::forget_at(now, now),
                created_at: now,
                created_by: by.to_owned(),
                reason: Some(reason.to_owned()),
            };
            let kept = durable(self.store.put_revocation(revocation.clone())).await?;
            self.revocations.put(kept.clone());
            self.recorder.note_anyway(event_of(&revocation));
            self.webhooks.announce(app_id, announced::revoked(&kept, by)).await;
            Ok::<_, Error>(())
        };
        let ending = async {
            // Many at once, as they share commits.
            for apps in apps.chunks(AT_ONCE) {
                try_join_all(apps.iter().map(&revoke)).await?;
            }
            self.recorder.flush().await
        };
        self.recorder.change(Event::new(Action::Restore).saying(reason.to_owned()), ending).await?;
        Ok(apps.len())
    }

    /// A revocation of the app.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revocation(&self, app_id: AppId, id: EntryId) -> Result<Option<Revocation>, Error> {
        Ok(self.store.revocation(app_id, id).await?)
    }

    /// The session that used the token up, if it is one for a single login.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn user_of_token(&self, app_id: AppId, token_id: TokenId) -> Result<Option<String>, Error> {
        Ok(self.store.user_of_token(app_id, token_id.as_str()).await?)
    }

    /// Up to `limit` revocations of the app.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revocations(
        &self,
        app_id: AppId,
        after: After,
        search: &str,
        limit: u32,
    ) -> Result<Vec<Revocation>, Error> {
        Ok(self.store.revocations(app_id, after, search, limit).await?)
    }

    /// Keeps somebody out of the caller's app.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::OutcomeUnknown`].
    pub async fn ban(
        &self,
        caller: &Caller,
        target: bans::Target,
        expire_at: Option<UnixSeconds>,
        reason: Option<String>,
        now: UnixSeconds,
    ) -> Result<Ban, Error> {
        self.bans.has_room(caller.app_id, &target).map_err(|_| Error::Full("ban"))?;
        let created_by = caller.key_id.clone();
        let ban = Ban { app_id: caller.app_id, target, expire_at, created_at: now, created_by, reason };
        let changing = self.changing_bans.lock().await;
        let event = event_of_ban(Action::Ban, &ban);
        self.recorder.change(event, durable(self.store.put_ban(ban.clone()))).await?;
        self.bans.put(ban.clone());
        drop(changing);
        self.metrics.tokens.banned(ban.target.kind());
        tracing::info!(app_id = %ban.app_id, key_id = caller.key_id, ban_id = %ban.target.entry_id(), "banned");
        self.webhooks.announce(ban.app_id, webhook::Event::Banned(announced::ban(&ban, &caller.key_id))).await;
        Ok(ban)
    }

    /// Lifts a ban of the caller's app, if its key reaches that ban's target.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::OutcomeUnknown`].
    pub async fn lift(&self, caller: &Caller, id: EntryId) -> Result<(), Error> {
        let ban = self.store.ban(caller.app_id, id).await?.ok_or(Error::Missing("ban"))?;
        request::reaches_ban(&caller.scope, &ban.target)?;
        let changing = self.changing_bans.lock().await;
        let lifting = durable(self.store.delete_ban(caller.app_id, id));
        if !self.recorder.remove(event_of_ban(Action::LiftBan, &ban), lifting).await? {
            return Err(Error::Missing("ban"));
        }
        self.bans.remove(caller.app_id, id);
        drop(changing);
        self.metrics.tokens.ban_lifted();
        tracing::info!(app_id = %caller.app_id, key_id = caller.key_id, ban_id = %id, "ban lifted");
        self.webhooks.announce(caller.app_id, webhook::Event::BanLifted(announced::ban(&ban, &caller.key_id))).await;
        Ok(())
    }

    /// Up to `limit` bans of the app.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn bans(&self, app_id: AppId, after: After, search: &str, limit: u32) -> Result<Vec<Ban>, Error> {
        Ok(self.store.bans(app_id, after, search, limit).await?)
    }

    /// Forgets what has ended by `now`, in memory and in the store, a batch at a time.
    ///
    /// # Errors
    /// [`Error::Store`]; what is left is forgotten next time.
    pub async fn sweep(&self, now: UnixSeconds) -> Result<(), Error> {
        let batch = SWEEP_BATCH as usize;
        while self.revocations.sweep(now, batch) {
            tokio::task::yield_now().await;
        }
        while self.bans.sweep(now, batch) {
            tokio::task::yield_now().await;
        }
        while self.store.delete_ended_revocations(now, SWEEP_BATCH).await? == batch {}
        while self.store.delete_ended_bans(now, SWEEP_BATCH).await? == batch {}
        while self.store.delete_ended_requests(now, SWEEP_BATCH).await? == batch {}
        let expired = UnixSeconds::new(now.get().saturating_sub(ISSUED_SKEW_SECS));
        self.issued.sweep(expired);
        while self.store.delete_expired_issued(expired, SWEEP_BATCH).await? == batch {}
        Ok(())
    }
}

fn event_of(revocation: &Revocation) -> Event {
    let event = Event {
        expire_at: Some(revocation.expire_at),
        details: revocation.reason.clone().map(Into::into),
        ..Event::of(Action::Revoke, revocation.app_id).about(revocation.target.entry_id().to_string())
    };
    match revocation.target.clone() {
        Target::Token(token_id) => Event { token_id: Some(token_id), ..event },
        Target::User(user_id) => Event { user_id: Some(user_id), ..event },
        Target::Room(room_id) => Event { room_id: Some(room_id), ..event },
        Target::UserInRoom { user_id, room_id } => Event { user_id: Some(user_id), room_id: Some(room_id), ..event },
        Target::App => event,
    }
}

fn event_of_ban(action: Action, ban: &Ban) -> Event {
    let event = Event {
        expire_at: ban.expire_at,
        details: ban.reason.clone().map(Into::into),
        ..Event::of(action, ban.app_id).about(ban.target.entry_id().to_string())
    };
    match ban.target.clone() {
        bans::Target::User(user_id) => Event { user_id: Some(user_id), ..event },
        bans::Target::Room(room_id) => Event { room_id: Some(room_id), ..event },
        bans::Target::UserInRoom { user_id, room_id } => {
            Event { user_id: Some(user_id), room_id: Some(room_id), ..event }
        }
        bans::Target::IpRange(range) => event.saying(range.to_string()),
    }
}

/// Waits for a write. One that the store does not answer may have happened all the same.
async fn durable<T>(write: impl Future<Output = Result<T, StoreError>>) -> Result<T, Error> {
    match timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(written)) => Ok(written),
        Ok(Err(error @ StoreError::Unavailable(_))) => Err(Error::OutcomeUnknown(Some(error))),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::OutcomeUnknown(None)),
    }
}
