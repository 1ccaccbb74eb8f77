//! What operators do: make apps and backend keys, change them, rotate secrets, end them. The command line calls this;
//! so does the API. Every change goes to the store first, then is read back into memory, by the same road as a change
//! that another process has made.

mod app_sign;
mod apps;
mod check;
mod closed;
mod keys;
mod master_key;
mod obvious;
mod ring;
mod seal;
#[cfg(test)]
mod tests;
mod webhooks;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use token_gen::AppId;
use tokio::sync::Mutex;

use crate::{
    apps::{ClosedApp, Directory, uses::SecretUses},
    audit::{Origin, Recorder},
    clock::Clock,
    error::Error,
    keys::Keyring,
    sealing::Sealer,
    store::{AppRecord, SecretUseRecord, Store, StoreError},
    webhooks::Webhooks,
};

pub use app_sign::{AppSignView, ResetAppSign};
pub(crate) use apps::require_acknowledged;
pub use apps::{AppCredentials, AppView, Import, SettingsChange, Version};
pub use check::{CheckReport, Fault};
pub use keys::{KeyKind, NewKey};
pub use ring::{Rotated, Rotation, SecretState, SecretView};
use seal::left_out;
pub use webhooks::{EndpointChange, EndpointView};

/// How much is read from the store at once. Each page is in memory beside what is made of it.
const PAGE: u32 = 100;

/// The operators' side of the service, in the name of one of them.
#[derive(Clone)]
pub struct Admin {
    store: Arc<dyn Store>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    directory: Arc<Directory>,
    keyring: Arc<Keyring>,
    webhooks: Arc<Webhooks>,
    uses: Arc<SecretUses>,
    /// Reading from the store and putting into memory is one step: without this, an older reading could be put last.
    reading: Arc<Mutex<()>>,
    has_our_key: Arc<AtomicBool>,
    recorder: Recorder,
}

impl Admin {
    /// Works on `store`, which must be open and migrated, keeps `directory` and `keyring` up to date, and announces
    /// what it does to `webhooks`. In the name of the server itself, until told otherwise.
    pub fn new(
        store: Arc<dyn Store>,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        directory: Arc<Directory>,
        keyring: Arc<Keyring>,
        webhooks: Arc<Webhooks>,
        recorder: Recorder,
    ) -> Self {
        let (uses, reading, has_our_key) = (Arc::default(), Arc::default(), Arc::new(AtomicBool::new(true)));
        Self { store, sealer, clock, directory, keyring, webhooks, uses, reading, has_our_key, recorder }
    }

    /// The same in the name of whoever asks.
    #[must_use]
    pub fn by(&self, origin: Origin) -> Self {
        Self { recorder: self.recorder.by(origin), ..self.clone() }
    }

    /// Reads everything from the store into memory. An app whose secrets do not open is left out, and logged: the
    /// others go on.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::MasterKeyRotated`], and nothing changed.
    pub async fn load(&self) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        self.require_our_key().await?;
        let counts = self.store.secret_uses().await?;
        // Page by page, so that two copies of everything are never in memory at once.
        let (mut apps, mut keys) = (Vec::new(), Vec::new());
        let mut after = None;
        loop {
            let page = self.store.apps_after(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.app_id);
            apps.extend(page.into_iter().filter_map(|record| self.prepare_or_leave_out(record, &counts)));
        }
        let mut after = String::new();
        loop {
            let page = self.store.all_keys(&after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key_id);
            for record in page {
                match self.open_key(&record) {
                    Ok(key) => keys.push(Arc::new(key)),
                    Err(error) => key_left_out(&record.key_id, &error),
                }
            }
        }
        self.directory.replace_all(apps);
        self.keyring.replace_all(keys);
        Ok(())
    }

    /// How the app of a record is made ready, with its share of `counts`, which are in the order of apps.
    fn prepare_or_leave_out(&self, record: AppRecord, counts: &[SecretUseRecord]) -> Option<(AppId, ClosedApp)> {
        let app_id = record.app_id;
        let first = counts.partition_point(|count| count.app_id < app_id);
        let count = counts[first..].partition_point(|count| count.app_id == app_id);
        let prepared = self.prepare(record, &counts[first..][..count]);
        Some((app_id, prepared.inspect_err(|error| left_out(app_id, error)).ok()?))
    }

    /// Reads one app again. If its secrets do not open, it serves no more; if that is because the master key was
    /// rotated, it goes on as it is.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::MasterKeyRotated`].
    pub async fn reload_app(&self, app_id: AppId) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let Some(record) = self.store.app(app_id).await? else {
            self.directory.remove(app_id);
            return Ok(());
        };
        let counts = self.store.secret_uses_of(app_id).await?;
        match self.prepare(record, &counts) {
            Ok(app) => self.directory.put(app_id, app),
            Err(error) => {
                self.require_our_key().await?;
                self.directory.remove(app_id);
                left_out(app_id, &error);
            }
        }
        Ok(())
    }

    /// Reads one backend key again. If it does not open, nobody can use it; if that is because the master key was
    /// rotated, it goes on as it is.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::MasterKeyRotated`].
    pub async fn reload_key(&self, key_id: &str) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let Some(record) = self.store.key(key_id).await? else {
            self.keyring.remove(key_id);
            return Ok(());
        };
        match self.open_key(&record) {
            Ok(key) => self.keyring.put(key),
            Err(error) => {
                self.require_our_key().await?;
                self.keyring.remove(key_id);
                key_left_out(key_id, &error);
            }
        }
        Ok(())
    }

    /// Writes down when keys were last used, and how secrets were.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn note_last_used(&self) -> Result<(), Error> {
        let used = self.keyring.take_last_used();
        if !used.is_empty() {
            self.store.touch_keys(used).await?;
        }
        let used = self.uses.take_used();
        if used.is_empty() {
            return Ok(());
        }
        let records = used.iter().map(|used| SecretUseRecord {
            app_id: used.app_id,
            secret_id: used.secret_id.clone(),
            used_count: used.count,
            last_used_at: Some(used.last_used_at),
            mints_reserved: 0,
        });
        if let Err(error) = self.store.add_secret_uses(records.collect()).await {
            used.iter().for_each(|used| self.uses.put_back(used));
            return Err(error.into());
        }
        Ok(())
    }

    /// Returns when [`Admin::reserve_mints`] has something to do.
    pub async fn mints_wanted(&self) {
        self.uses.wanted().await;
    }

    /// Reserves mints for the secrets that are about to run out of them, and says in the log when a secret is old.
    ///
    /// # Errors
    /// [`Error::Store`]; what was reserved stays so.
    pub async fn reserve_mints(&self) -> Result<(), Error> {
        for (app_id, secret_id, count) in self.uses.wants() {
            match self.store.reserve_mints(app_id, &secret_id, count).await {
                Ok(reserved) => {
                    self.uses.reserve(app_id, &secret_id, count, reserved);
                    ring::warn_of_age(app_id, &secret_id, reserved - count, reserved);
                }
                // Its app is gone.
                Err(StoreError::Missing) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether the store's secrets were sealed with our key when we last looked.
    pub fn has_our_key(&self) -> bool {
        self.has_our_key.load(Ordering::Relaxed)
    }

    fn store(&self) -> &dyn Store {
        &*self.store
    }
}

fn key_left_out(key_id: &str, error: &Error) {
    tracing::error!(key_id, error = error as &dyn std::error::Error, "backend key left out");
}
