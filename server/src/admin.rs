//! What operators do: make apps and backend keys, list them, end them. The command line calls this; so does whatever
//! other face operators are given. Every change goes to the store first, then into memory.

use std::sync::Arc;

use rand::{TryRng, rngs::SysRng};
use token_gen::{AppId, AppSign, ServerSecret, TokenError, UnixSeconds};

use crate::{
    apps::{App, AppSettings, Directory, RingSecret},
    clock::Clock,
    error::Error,
    keys::{BackendKey, Caller, KeyText, Keyring, Proof, Scope},
    sealing::{Place, SealError, Sealer},
    signed::SigningKey,
    store::{AppRecord, KeyRecord, SecretRecord, Store, StoreError},
};

const SEALED_WITH: Place<'static> = Place { table: "meta", app_id: 0, record_id: "sealed_with" };
const SEALED_WITH_TEXT: &[u8] = b"roompass";

/// The operators' side of the service.
pub struct Admin {
    store: Arc<dyn Store>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    directory: Arc<Directory>,
    keyring: Arc<Keyring>,
}

/// A new app's secrets, shown once.
#[derive(Debug, Clone)]
pub struct AppCredentials {
    /// The app's number.
    pub app_id: AppId,
    /// What client builds carry.
    pub app_sign: AppSign,
    /// What seals its tokens.
    pub server_secret: ServerSecret,
}

/// A backend key to make.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The app it is of.
    pub app_id: AppId,
    /// What people call it.
    pub name: String,
    /// How far it reaches.
    pub scope: Scope,
    /// When it ends.
    pub expire_at: Option<UnixSeconds>,
    /// How its holder proves to have it.
    pub kind: KeyKind,
}

/// How the holder of a key proves to have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// By sending it. Only a hash is kept.
    #[default]
    Bearer,
    /// By signing each request with it. It is kept sealed.
    Signed,
}

impl Admin {
    /// Works on `store`, which must be open and migrated, and keeps `directory` and `keyring` up to date.
    pub fn new(
        store: Arc<dyn Store>,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        directory: Arc<Directory>,
        keyring: Arc<Keyring>,
    ) -> Self {
        Self { store, sealer, clock, directory, keyring }
    }

    /// Whether the data was sealed with our master key; `None` while nothing was sealed at all. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn is_sealed_with_our_key(&self) -> Result<Option<bool>, Error> {
        let sealed = self.store.meta(SEALED_WITH.record_id).await?;
        Ok(sealed.map(|sealed| self.sealer.open(SEALED_WITH, &sealed).is_ok()))
    }

    /// Notes which master key the data is sealed with from now on.
    ///
    /// # Errors
    /// [`Error::Store`]; a conflict if it is noted already.
    pub async fn note_master_key(&self) -> Result<(), Error> {
        let sealed = self.sealer.seal(SEALED_WITH, SEALED_WITH_TEXT, &mut SysRng)?;
        Ok(self.store.insert_meta(SEALED_WITH.record_id, &sealed).await?)
    }

    /// Reads everything from the store into memory. An app whose secrets do not open is left out, and logged: the
    /// others go on.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn load(&self) -> Result<(), Error> {
        let mut apps = Vec::new();
        for record in self.store.apps().await? {
            match self.open_app(&record) {
                Ok(app) => apps.push(app),
                Err(error) => {
                    tracing::error!(app_id = %record.app_id, error = &error as &dyn std::error::Error, "app left out");
                }
            }
        }
        let mut keys = Vec::new();
        for record in self.store.keys().await? {
            match self.open_key(&record) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(key_id = record.key_id, error, "backend key left out");
                }
            }
        }
        self.directory.replace_all(apps);
        self.keyring.replace_all(keys);
        Ok(())
    }

    /// Makes an app with new secrets.
    ///
    /// # Errors
    /// [`Error::Field`] for a setting that makes no sense; a conflict if the number is taken.
    pub async fn create_app(&self, settings: AppSettings) -> Result<AppCredentials, Error> {
        settings.check().map_err(|(field, reason)| Error::field(field, reason))?;
        let credentials = AppCredentials {
            app_id: settings.app_id,
            app_sign: AppSign::generate(&mut SysRng).map_err(randomness)?,
            server_secret: ServerSecret::generate(&mut SysRng).map_err(randomness)?,
        };
        let record = self.seal_app(&settings, &credentials)?;
        self.store.insert_app(record.clone()).await?;
        self.directory.put(self.open_app(&record)?);
        tracing::info!(app_id = %settings.app_id, "app created");
        Ok(credentials)
    }

    /// A number that no app has.
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub fn free_app_id(&self) -> Result<AppId, Error> {
        loop {
            let number = SysRng.try_next_u32().map_err(|_| Error::Randomness)?;
            // Ten digits, like the numbers people know from elsewhere.
            if let Ok(app_id) = AppId::new(number)
                && number >= 1_000_000_000
                && self.directory.app(app_id).is_none()
            {
                return Ok(app_id);
            }
        }
    }

    /// Every app's settings, by number.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn apps(&self) -> Result<Vec<AppSettings>, Error> {
        self.store.apps().await?.iter().map(settings_of).collect()
    }

    /// One app's settings.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn app(&self, app_id: AppId) -> Result<Option<AppSettings>, Error> {
        self.store.app(app_id).await?.as_ref().map(settings_of).transpose()
    }

    /// The secrets of an app. Dangerous: for development servers, which show theirs again at each start.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Sealed`].
    pub async fn credentials_of(&self, app_id: AppId) -> Result<Option<AppCredentials>, Error> {
        let Some(record) = self.store.app(app_id).await? else { return Ok(None) };
        let (app_sign, ring) = self.open_secrets(&record)?;
        let active = ring.into_iter().find(|entry| entry.valid_until.is_none());
        Ok(active.map(|active| AppCredentials { app_id, app_sign, server_secret: active.secret }))
    }

    /// Makes a backend key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`Error::Field`] for a scope that makes no sense; [`StoreError::Missing`] without the app.
    pub async fn create_key(&self, new: NewKey) -> Result<KeyText, Error> {
        check_key(&new)?;
        let text = KeyText::generate(&mut SysRng).map_err(|_| Error::Randomness)?;
        let sealed = match new.kind {
            KeyKind::Bearer => None,
            KeyKind::Signed => {
                let place = place_of_key(new.app_id, text.key_id());
                Some(self.sealer.seal(place, text.expose().as_bytes(), &mut SysRng)?)
            }
        };
        let record = KeyRecord {
            key_id: text.key_id().to_owned(),
            app_id: new.app_id,
            hash: text.hash(),
            sealed,
            name: new.name,
            // Names and numbers into memory: serde_json has no way to fail here.
            scope: serde_json::to_string(&new.scope).unwrap_or_default(),
            expire_at: new.expire_at,
            last_used_at: None,
            created_at: self.clock.now(),
        };
        self.store.insert_key(record.clone()).await?;
        self.keyring.put(self.open_key(&record)?);
        tracing::info!(app_id = %record.app_id, key_id = record.key_id, "backend key created");
        Ok(text)
    }

    /// Every backend key of `app_id`, by id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn keys(&self, app_id: AppId) -> Result<Vec<KeyRecord>, Error> {
        let mut keys = self.store.keys().await?;
        keys.retain(|key| key.app_id == app_id);
        Ok(keys)
    }

    /// Ends a backend key. `false` if the app has none by that id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revoke_key(&self, app_id: AppId, key_id: &str) -> Result<bool, Error> {
        let revoked = self.store.delete_key(app_id, key_id).await?;
        if revoked {
            self.keyring.remove(key_id);
            tracing::info!(%app_id, key_id, "backend key revoked");
        }
        Ok(revoked)
    }

    /// Writes down when keys were last used.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn note_last_used(&self) -> Result<(), Error> {
        let used = self.keyring.take_last_used();
        if !used.is_empty() {
            self.store.touch_keys(used).await?;
        }
        Ok(())
    }

    fn seal_app(&self, settings: &AppSettings, credentials: &AppCredentials) -> Result<AppRecord, Error> {
        let now = self.clock.now();
        let app_id = settings.app_id;
        let secret_id = KeyText::generate(&mut SysRng).map_err(|_| Error::Randomness)?.key_id().to_owned();
        let secret = credentials.server_secret.expose().as_bytes();
        let sealed = self.sealer.seal(secret_place(app_id, &secret_id), secret, &mut SysRng)?;
        let app_sign = credentials.app_sign.expose().as_bytes();
        Ok(AppRecord {
            app_id,
            version: 1,
            settings: settings.to_json(),
            app_sign: self.sealer.seal(app_sign_place(app_id), app_sign, &mut SysRng)?,
            secrets: vec![SecretRecord { secret_id, sealed, valid_until: None, created_at: now }],
            created_at: now,
            updated_at: now,
        })
    }

    fn open_app(&self, record: &AppRecord) -> Result<App, Error> {
        let (app_sign, mut ring) = self.open_secrets(record)?;
        let active = ring.iter().position(|entry| entry.valid_until.is_none());
        let active = ring.swap_remove(active.ok_or(StoreError::Unreadable("an app without active secret".into()))?);
        Ok(App::new(settings_of(record)?, app_sign, &active, &ring))
    }

    fn open_key(&self, record: &KeyRecord) -> Result<BackendKey, Error> {
        let scope = serde_json::from_str(&record.scope)
            .map_err(|error| StoreError::Unreadable(format!("scope of key {}: {error}", record.key_id)))?;
        let proof = match &record.sealed {
            None => Proof::Bearer(record.hash),
            Some(sealed) => {
                let text = KeyText::parse(&self.open_text(place_of_key(record.app_id, &record.key_id), sealed)?);
                let text = text.ok_or_else(|| StoreError::Unreadable(format!("text of key {}", record.key_id)))?;
                Proof::Signed(SigningKey::new(&text))
            }
        };
        let caller = Caller { key_id: record.key_id.clone(), app_id: record.app_id, scope };
        Ok(BackendKey::new(caller, proof, record.expire_at))
    }

    fn open_secrets(&self, record: &AppRecord) -> Result<(AppSign, Vec<RingSecret>), Error> {
        let app_id = record.app_id;
        let app_sign = AppSign::new(&self.open_text(app_sign_place(app_id), &record.app_sign)?);
        let ring: Result<Vec<_>, Error> = record
            .secrets
            .iter()
            .map(|stored| {
                let secret = self.open_text(secret_place(app_id, &stored.secret_id), &stored.sealed)?;
                let secret = ServerSecret::new(&secret).map_err(|_| SealError::DoesNotOpen)?;
                Ok(RingSecret { secret_id: stored.secret_id.clone(), secret, valid_until: stored.valid_until })
            })
            .collect();
        Ok((app_sign.map_err(|_| SealError::DoesNotOpen)?, ring?))
    }

    fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<zeroize::Zeroizing<String>, Error> {
        let bytes = self.sealer.open(place, sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SealError::DoesNotOpen)?;
        Ok(zeroize::Zeroizing::new(text.to_owned()))
    }
}

fn app_sign_place(app_id: AppId) -> Place<'static> {
    Place { table: "apps", app_id: app_id.get(), record_id: "app_sign" }
}

fn secret_place(app_id: AppId, secret_id: &str) -> Place<'_> {
    Place { table: "server_secrets", app_id: app_id.get(), record_id: secret_id }
}

fn settings_of(record: &AppRecord) -> Result<AppSettings, Error> {
    AppSettings::from_json(record.app_id, &record.settings)
        .map_err(|error| StoreError::Unreadable(format!("settings of app {}: {error}", record.app_id)).into())
}

fn place_of_key(app_id: AppId, key_id: &str) -> Place<'_> {
    Place { table: "backend_keys", app_id: app_id.get(), record_id: key_id }
}

fn check_key(new: &NewKey) -> Result<(), Error> {
    if new.name.is_empty() || new.name.len() > 255 || new.name.chars().any(char::is_control) {
        return Err(Error::field("name", "must be 1 to 255 bytes without control characters"));
    }
    if new.scope.rights.is_empty() {
        return Err(Error::field("rights", "must name at least one right"));
    }
    if new.scope.max_ttl_secs == Some(0) {
        return Err(Error::field("max_ttl_secs", "must be at least 1"));
    }
    Ok(())
}

fn randomness(_: TokenError) -> Error {
    Error::Randomness
}
