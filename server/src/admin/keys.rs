//! Backend keys and operators' keys: making, listing and ending them.

use std::sync::Arc;

use rand::rngs::SysRng;
use token_gen::{AppId, UnixSeconds};

use super::{Admin, seal::open_text};
use crate::{
    audit::{Action, Event},
    error::Error,
    keys::{BackendKey, Caller, Holder, KeyText, Proof, Right, Scope},
    sealing::Place,
    signed::SigningKey,
    store::{KeyRecord, StoreError},
};

/// A backend key to make.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The app it is of; `None` for an operator's key, which administers every app and does nothing else.
    pub app_id: Option<AppId>,
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
    /// By signing each request with it. It is kept sealed. For backends only.
    Signed,
}

impl Admin {
    /// Makes a backend key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`Error::Field`] for a scope that makes no sense; [`Error::AppUnknown`] without the app.
    pub async fn create_key(&self, new: NewKey) -> Result<KeyText, Error> {
        let now = self.clock.now();
        check(&new, now)?;
        let text = KeyText::generate(&mut SysRng).map_err(|_| Error::Randomness)?;
        let sealed = match new.kind {
            KeyKind::Bearer => None,
            KeyKind::Signed => {
                self.require_our_key().await?;
                let place = place(new.app_id, text.key_id());
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
            created_at: now,
        };
        let event = Event {
            app_id: new.app_id,
            expire_at: new.expire_at,
            ..Event::new(Action::CreateKey).about(text.key_id()).saying(format!("{}: {}", record.name, record.scope))
        };
        match self.recorder.change(event, self.store().insert_key(record)).await {
            Err(Error::Store(StoreError::Missing)) => return Err(Error::AppUnknown),
            done => done?,
        }
        self.reload_key(text.key_id()).await?;
        tracing::info!(app_id = new.app_id.map(AppId::get), key_id = text.key_id(), "backend key created");
        Ok(text)
    }

    /// Every backend key of `app_id`, by id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn keys(&self, app_id: AppId) -> Result<Vec<KeyRecord>, Error> {
        self.keys_after(Some(app_id), "", u32::MAX).await
    }

    /// Up to `limit` keys of `app_id` (`None`: operators' keys), by id, from the one after `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn keys_after(&self, app_id: Option<AppId>, after: &str, limit: u32) -> Result<Vec<KeyRecord>, Error> {
        self.note_last_used().await?;
        Ok(self.store().keys_after(app_id, after, limit).await?)
    }

    /// The same of keys with `search` in their name or at the beginning of their id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn find_keys(
        &self,
        app_id: Option<AppId>,
        search: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, Error> {
        self.note_last_used().await?;
        Ok(self.store().find_keys(app_id, search, after, limit).await?)
    }

    /// Ends a key of `app_id` (`None`: an operator's). `false` if there is none by that id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revoke_key(&self, app_id: Option<AppId>, key_id: &str) -> Result<bool, Error> {
        if self.store().key(key_id).await?.is_none_or(|key| key.app_id != app_id) {
            return Ok(false);
        }
        let event = Event { app_id, ..Event::new(Action::RevokeKey).about(key_id) };
        let revoked = self.recorder.remove(event, self.store().delete_key(app_id, key_id)).await?;
        if revoked {
            self.reload_key(key_id).await?;
            tracing::info!(app_id = app_id.map(AppId::get), key_id, "backend key revoked");
        }
        Ok(revoked)
    }

    /// The key of a record.
    pub(super) fn open_key(&self, record: &KeyRecord) -> Result<BackendKey, Error> {
        let scope: Scope = serde_json::from_str(&record.scope)
            .map_err(|error| StoreError::Unreadable(format!("scope of key {}: {error}", record.key_id)))?;
        let key_id = record.key_id.clone();
        let proof = match &record.sealed {
            None => Proof::Bearer(record.hash),
            Some(sealed) => {
                let text = KeyText::parse(&open_text(&self.sealer, place(record.app_id, &key_id), sealed)?);
                let text = text.ok_or_else(|| StoreError::Unreadable(format!("text of key {key_id}")))?;
                Proof::Signed(Box::new(SigningKey::new(&text)))
            }
        };
        let holder = match record.app_id {
            Some(app_id) => Holder::App(Arc::new(Caller { key_id, app_id, scope })),
            None => Holder::Operator { key_id },
        };
        Ok(BackendKey::held_by(holder, proof, record.expire_at))
    }
}

/// Where the text of a key that signs is sealed.
fn place(app_id: Option<AppId>, key_id: &str) -> Place<'_> {
    Place { table: "backend_keys", app_id: app_id.map_or(0, AppId::get), record_id: key_id }
}

fn check(new: &NewKey, now: UnixSeconds) -> Result<(), Error> {
    if new.name.is_empty() || new.name.len() > 255 || new.name.chars().any(char::is_control) {
        return Err(Error::field("name", "must be 1 to 255 bytes without control characters"));
    }
    if new.scope.rights.is_empty() {
        return Err(Error::field("rights", "must name at least one right"));
    }
    if new.app_id.is_none() && new.scope.rights != [Right::Admin] {
        return Err(Error::field("rights", "must be admin alone for a key without an app"));
    }
    if new.app_id.is_none() && new.kind == KeyKind::Signed {
        return Err(Error::field("kind", "must be bearer for a key without an app"));
    }
    if new.scope.room_prefix.len() > 128 || new.scope.room_prefix.chars().any(char::is_control) {
        return Err(Error::field("room_prefix", "must be at most 128 bytes without control characters"));
    }
    if new.scope.rights.contains(&Right::Admin) && !new.scope.may_administer() {
        let reason = "must be without admin in a key that is bound to rooms, privileges or a lifetime";
        return Err(Error::field("rights", reason));
    }
    if new.scope.max_ttl_secs == Some(0) {
        return Err(Error::field("max_ttl_secs", "must be at least 1"));
    }
    if new.expire_at.is_some_and(|expire_at| expire_at <= now) {
        return Err(Error::field("expire_at", "must be in the future"));
    }
    Ok(())
}
