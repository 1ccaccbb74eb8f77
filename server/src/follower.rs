//! Follows the change feed: what another process has changed in the store comes into memory within two seconds.
//!
//! Every process follows, also alone: the command line works on the same store. Our own changes come by as well, and
//! reading them again changes nothing.

use std::{sync::Arc, time::Duration};

use token_gen::AppId;
use tokio::sync::watch;

use crate::{
    app::Service,
    entry_id::EntryId,
    error::Error,
    store::{Change, ChangeKind, StoreError},
};

/// How often the feed is read when nobody says that there is news.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How many changes are read at once.
const PAGE: u32 = 1000;
/// How many changes the store remembers. Who misses more reads everything again.
const KEEP: u32 = 100_000;

/// Brings changes from the store into a [`Service`].
pub struct Follower {
    service: Arc<Service>,
    seq: i64,
}

impl Follower {
    /// Follows from where `service` was loaded: it holds all that the store held, and silence counts from now on.
    pub fn new(service: Arc<Service>) -> Self {
        service.revocations.complete(service.clock.now());
        Self { seq: service.loaded_at, service }
    }

    /// Follows until told to stop.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut fails = false;
        loop {
            match self.catch_up().await {
                Ok(()) => fails = false,
                // Once, not every second.
                Err(error) if !fails => {
                    self.service.metrics.lost_track();
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot follow the changes in the store");
                    fails = true;
                }
                Err(_) => self.service.metrics.lost_track(),
            }
            let next = self.service.clock.now().saturating_add(POLL_EVERY);
            tokio::select! {
                () = self.service.clock.sleep_until(next) => {}
                () = self.service.store.change_announced() => {}
                _ = stopped.wait_for(|&stopped| stopped) => return,
            }
        }
    }

    /// Takes in everything that has changed since the last time.
    ///
    /// # Errors
    /// [`Error::Store`]: the rest is taken in the next time.
    pub async fn catch_up(&mut self) -> Result<(), Error> {
        let now = self.service.clock.now();
        loop {
            let Some(changes) = self.service.store.changes_since(self.seq, PAGE).await? else {
                // Before reading, so that what changes meanwhile comes by again.
                let latest = self.service.store.latest_change().await?;
                self.service.admin.load().await?;
                self.service.lifecycle.load().await?;
                self.service.webhooks.load().await?;
                tracing::warn!("missed changes in the store, and read everything again");
                self.seq = latest;
                continue;
            };
            for change in &changes {
                self.take_in(change).await?;
                self.seq = change.seq;
            }
            self.service.metrics.followed(changes.len());
            if changes.len() < PAGE as usize {
                break;
            }
        }
        self.service.lifecycle.catch_up_issued().await?;
        self.service.revocations.complete(now);
        Ok(())
    }

    async fn take_in(&self, change: &Change) -> Result<(), Error> {
        let Service { admin, lifecycle, webhooks, .. } = &*self.service;
        let taken = match (change.kind, change.app_id, EntryId::parse(&change.id)) {
            (ChangeKind::App, Some(app_id), _) if change.id == ChangeKind::WEBHOOKS => webhooks.reload(app_id).await,
            (ChangeKind::App, Some(app_id), _) => admin.reload_app(app_id).await,
            (ChangeKind::Key, ..) => admin.reload_key(&change.id).await,
            (ChangeKind::Revocation, Some(app_id), Some(id)) => lifecycle.reload_revocation(app_id, id).await,
            (ChangeKind::Ban, Some(app_id), Some(id)) => lifecycle.reload_ban(app_id, id).await,
            (ChangeKind::MasterKey, ..) => admin.require_our_key().await,
            // Of admins nothing is kept in memory.
            _ => Ok(()),
        };
        match taken {
            // Said once by whoever found out; all else goes on.
            Err(Error::MasterKeyRotated) => Ok(()),
            Err(Error::Store(error @ StoreError::Unreadable(_))) => {
                self.leave_out(change, &error);
                Ok(())
            }
            taken => taken,
        }
    }

    /// Goes on without what cannot be read, as at start: it would fail at every try, and keep back all that follows. An
    /// app about whose revocations and bans we do not know everything serves no more than one that is itself unreadable.
    fn leave_out(&self, change: &Change, error: &StoreError) {
        let (app_id, id) = (change.app_id.map(AppId::get), &*change.id);
        tracing::error!(app_id, id, kind = ?change.kind, error = error as &dyn std::error::Error, "left out");
        match (change.kind, change.app_id) {
            (ChangeKind::Key, _) => self.service.keyring.remove(&change.id),
            (ChangeKind::App | ChangeKind::Revocation | ChangeKind::Ban, Some(app_id)) => {
                self.service.directory.remove(app_id);
            }
            _ => {}
        }
    }

    /// Lets the store forget changes that everybody has seen long ago.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn forget(service: &Service) -> Result<(), Error> {
        service.store.forget_changes(KEEP).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rand::rngs::SysRng;
    use token_gen::UnixSeconds;

    use super::*;
    use crate::{
        admin::{KeyKind, NewKey, Rotation, SettingsChange},
        apps::AppSettings,
        clock::{Clock, ManualClock, SystemClock},
        config::Config,
        keys::Scope,
        sealing::MasterKey,
        store::{Location, Purpose},
    };

    const APP: u32 = 7;

    /// Two services on one file, as two processes have it. App 7 is there.
    async fn two(directory: &tempfile::TempDir, clock: Arc<dyn Clock>) -> (Arc<Service>, Arc<Service>) {
        let master_key = MasterKey::generate(&mut SysRng).unwrap();
        let mut config = Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key);
        config.store = Location::File(directory.path().join("roompass.db")).into();
        let open = || Service::open(&config, String::new(), clock.clone());
        let here = open().await.unwrap();
        here.admin.create_app(AppSettings::new(app_id(), "app")).await.unwrap();
        (Arc::new(here), Arc::new(open().await.unwrap()))
    }

    fn app_id() -> AppId {
        AppId::new(APP).unwrap()
    }

    #[tokio::test]
    async fn every_kind_of_change_comes_into_memory() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_800_000_000)));
        let (here, there) = two(&directory, clock.clone()).await;
        let now = clock.now();
        let mut follower = Follower::new(Arc::clone(&there));
        let scope = Scope::everything();
        let key = here.admin.create_key(NewKey {
            app_id: Some(app_id()),
            name: "k".to_owned(),
            scope,
            expire_at: None,
            kind: KeyKind::Bearer,
        });
        let key = key.await.unwrap();
        let settings = AppSettings { max_room_users: 3, ..AppSettings::new(app_id(), "new") };
        let change = SettingsChange { version: 1, settings, acknowledge_cbc: false };
        here.admin.update_app(change).await.unwrap();
        here.admin.create_app(AppSettings::new(AppId::new(8).unwrap(), "other")).await.unwrap();
        here.lifecycle.revoke_everything("test", "test", now).await.unwrap();
        assert!(there.keyring.holder(key.expose(), now).is_none());

        follower.catch_up().await.unwrap();
        assert!(there.keyring.holder(key.expose(), now).is_some());
        assert_eq!(there.directory.app(app_id()).unwrap().settings().max_room_users, 3);
        assert!(there.directory.app(AppId::new(8).unwrap()).is_some());
        assert_eq!(there.revocations.len(), 2);

        here.admin.revoke_key(Some(app_id()), key.key_id()).await.unwrap();
        follower.catch_up().await.unwrap();
        assert!(there.keyring.holder(key.expose(), now).is_none());
    }

    #[tokio::test]
    async fn who_missed_too_much_reads_everything_again() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_800_000_000)));
        let (here, there) = two(&directory, clock).await;
        let mut follower = Follower::new(Arc::clone(&there));
        for number in 8..12 {
            here.admin.create_app(AppSettings::new(AppId::new(number).unwrap(), "app")).await.unwrap();
        }
        here.store.forget_changes(1).await.unwrap();
        follower.catch_up().await.unwrap();
        assert!((8..12).all(|number| there.directory.app(AppId::new(number).unwrap()).is_some()));
        assert_eq!(follower.seq, here.store.latest_change().await.unwrap());
    }

    #[tokio::test]
    async fn silence_counts_from_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_800_000_000)));
        let (_, there) = two(&directory, clock.clone()).await;
        let _follower = Follower::new(Arc::clone(&there));
        assert!(!there.revocations.is_stale(clock.now()));
        clock.advance(Duration::from_secs(61));
        assert!(there.revocations.is_stale(clock.now()), "the store has not been read since the start");
    }

    #[tokio::test]
    async fn what_cannot_be_read_takes_its_app_out_and_keeps_nothing_else_back() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(1_800_000_000)));
        let (here, there) = two(&directory, clock.clone()).await;
        let mut follower = Follower::new(Arc::clone(&there));
        let other = AppId::new(8).unwrap();
        here.admin.create_app(AppSettings::new(other, "other")).await.unwrap();
        here.lifecycle.revoke_everything("test", "test", clock.now()).await.unwrap();
        let damage = rusqlite::Connection::open(directory.path().join("roompass.db")).unwrap();
        damage
            .execute_batch(
                "PRAGMA ignore_check_constraints = on;
                 UPDATE revocations SET kind = 'no such kind' WHERE app_id = 7;",
            )
            .unwrap();

        follower.catch_up().await.unwrap();
        assert!(there.directory.app(app_id()).is_none(), "it may have revoked anything");
        assert!(there.directory.app(other).is_some());
        assert_eq!(follower.seq, here.store.latest_change().await.unwrap());
        assert!(!there.revocations.is_stale(clock.now()));
    }

    #[tokio::test]
    async fn a_change_elsewhere_acts_here_within_two_seconds() {
        let directory = tempfile::tempdir().unwrap();
        let (here, there) = two(&directory, Arc::new(SystemClock::new())).await;
        let (stop, stopped) = watch::channel(false);
        let following = tokio::spawn(Follower::new(Arc::clone(&there)).run(stopped));
        let mut news = there.directory.subscribe();
        let before = there.directory.app(app_id()).unwrap();
        let start = Instant::now();
        here.admin.rotate(app_id(), Rotation { purpose: Purpose::Gcm, overlap: Some(Duration::ZERO) }).await.unwrap();
        let active = here.admin.ring(app_id()).await.unwrap()[0].secret_id.clone();
        assert!(!before.holds_secret(&active));
        while !there.directory.app(app_id()).unwrap().holds_secret(&active) {
            news.recv().await.unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        stop.send_replace(true);
        following.await.unwrap();
    }
}
