//! From secrets to stored records and back.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use token_gen::{AppId, AppSign, ServerSecret, UnixSeconds};
use zeroize::Zeroizing;

use super::Admin;
use crate::{
    apps::{App, AppSettings, ClosedApp, RingSecret},
    error::Error,
    keys::KeyText,
    sealing::{Place, SealError, Sealer},
    store::{AppRecord, Purpose, SecretRecord, SecretUseRecord, StoreError},
};

impl Admin {
    /// A new ring entry.
    pub(super) fn seal_secret(
        &self,
        app_id: AppId,
        purpose: Purpose,
        secret: &ServerSecret,
        now: UnixSeconds,
    ) -> Result<SecretRecord, Error> {
        let secret_id = KeyText::generate(&mut SysRng).map_err(|_| Error::Randomness)?.key_id().to_owned();
        let sealed = self.sealer.seal(secret_place(app_id, &secret_id), secret.expose().as_bytes(), &mut SysRng)?;
        Ok(SecretRecord { secret_id, purpose, sealed, valid_until: None, retired_at: None, created_at: now })
    }

    pub(super) fn seal_app_sign(&self, place: Place<'_>, app_sign: &AppSign) -> Result<Vec<u8>, Error> {
        Ok(self.sealer.seal(place, app_sign.expose().as_bytes(), &mut SysRng)?)
    }

    /// How the app of a record is made ready once it is asked for. Its secrets are opened here and now as well, so that
    /// damage shows at once.
    pub(super) fn prepare(&self, record: AppRecord, counts: &[SecretUseRecord]) -> Result<ClosedApp, Error> {
        require_sound(&self.sealer, &record)?;
        let origins = AppSettings::origins_in(&record.settings).map_err(|error| unreadable(record.app_id, &error))?;
        let reserved = counts.iter().map(|count| (count.secret_id.clone(), count.mints_reserved)).collect::<Box<_>>();
        let (sealer, uses, app_signs) = (self.sealer.clone(), Arc::clone(&self.uses), record.app_sign_ids());
        let spread = self.store.spread();
        let prepare = move || {
            let opened = open_app(&sealer, &record, spread);
            let reserved = |secret_id: &str| Some(reserved.iter().find(|(id, _)| id == secret_id)?.1);
            let counted = opened.map(|app| app.with_uses(&uses, &app_signs, reserved));
            counted.inspect_err(|error| left_out(record.app_id, error)).ok()
        };
        Ok(ClosedApp { origins, prepare: Box::new(prepare) })
    }
}

/// Opens everything that the app of a record needs, and keeps nothing of it.
fn require_sound(sealer: &Sealer, record: &AppRecord) -> Result<(), Error> {
    let app_id = record.app_id;
    open_app_sign(sealer, app_sign_place(app_id), &record.app_sign)?;
    if let Some((sealed, _)) = &record.previous_app_sign {
        open_app_sign(sealer, previous_app_sign_place(app_id), sealed)?;
    }
    for stored in live(record) {
        open_secret(sealer, app_id, stored)?;
    }
    let is_active = |stored: &SecretRecord| stored.purpose == Purpose::Gcm && stored.valid_until.is_none();
    if live(record).any(is_active) { Ok(()) } else { Err(no_active_secret(app_id)) }
}

fn no_active_secret(app_id: AppId) -> Error {
    StoreError::Unreadable(format!("app {app_id} has no active secret")).into()
}

/// The app of a record. Retired secrets stay in the record and out of the app. A secret mints once all who work on the
/// store know it; where there is none to mint until then, or the one before was ended early, it does at once.
pub(super) fn open_app(sealer: &Sealer, record: &AppRecord, spread: Duration) -> Result<App, Error> {
    let app_id = record.app_id;
    let app_sign = open_app_sign(sealer, app_sign_place(app_id), &record.app_sign)?;
    let mut ring: Vec<&SecretRecord> = record.secrets.iter().collect();
    // The active ones first, then the latest; of one second, what was ended early.
    ring.sort_by_key(|stored| (stored.valid_until.is_some(), Reverse(stored.created_at), stored.retired_at.is_none()));
    let (mut active, mut previous, mut cbc) = (None, Vec::new(), Vec::new());
    for (place, stored) in ring.iter().enumerate().filter(|(_, stored)| stored.retired_at.is_none()) {
        let secret = open_secret(sealer, app_id, stored)?;
        let before = ring[place + 1..].iter().find(|before| before.purpose == stored.purpose);
        let mints_from = match before {
            Some(before) if before.retired_at.is_none() => stored.created_at.saturating_add(spread),
            _ => UnixSeconds::new(i64::MIN),
        };
        let entry =
            RingSecret { secret_id: stored.secret_id.clone(), secret, valid_until: stored.valid_until, mints_from };
        match (stored.purpose, stored.valid_until) {
            (Purpose::Gcm, None) => active = Some(entry),
            (Purpose::Gcm, Some(_)) => previous.push(entry),
            (Purpose::Cbc, _) => cbc.push(entry),
        }
    }
    let active = active.ok_or_else(|| no_active_secret(app_id))?;
    let app = App::new(settings_of(record)?, app_sign, &active, &previous).with_cbc(&cbc);
    let Some((sealed, until)) = &record.previous_app_sign else { return Ok(app) };
    let previous = open_app_sign(sealer, previous_app_sign_place(app_id), sealed)?;
    Ok(app.with_previous_app_sign(previous, *until))
}

fn live(record: &AppRecord) -> impl Iterator<Item = &SecretRecord> {
    record.secrets.iter().filter(|stored| stored.retired_at.is_none())
}

pub(super) fn open_app_sign(sealer: &Sealer, place: Place<'_>, sealed: &[u8]) -> Result<AppSign, Error> {
    AppSign::new(&open_text(sealer, place, sealed)?).map_err(|_| SealError::DoesNotOpen.into())
}

pub(super) fn open_secret(sealer: &Sealer, app_id: AppId, record: &SecretRecord) -> Result<ServerSecret, Error> {
    let secret = open_text(sealer, secret_place(app_id, &record.secret_id), &record.sealed)?;
    ServerSecret::new(&secret).map_err(|_| SealError::DoesNotOpen.into())
}

pub(super) fn open_text(sealer: &Sealer, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<String>, Error> {
    let bytes = sealer.open(place, sealed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SealError::DoesNotOpen)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Says in the log that an app serves nobody.
pub(super) fn left_out(app_id: AppId, error: &Error) {
    tracing::error!(%app_id, error = error as &dyn std::error::Error, "app left out: `roompass doctor` looks further");
}

pub(super) fn app_sign_place(app_id: AppId) -> Place<'static> {
    Place { table: "apps", app_id: app_id.get(), record_id: "app_sign" }
}

pub(super) fn previous_app_sign_place(app_id: AppId) -> Place<'static> {
    Place { table: "apps", app_id: app_id.get(), record_id: "previous_app_sign" }
}

fn secret_place(app_id: AppId, secret_id: &str) -> Place<'_> {
    Place { table: "server_secrets", app_id: app_id.get(), record_id: secret_id }
}

pub(super) fn settings_of(record: &AppRecord) -> Result<AppSettings, Error> {
    AppSettings::from_json(record.app_id, &record.settings).map_err(|error| unreadable(record.app_id, &error))
}

fn unreadable(app_id: AppId, error: &serde_json::Error) -> Error {
    StoreError::Unreadable(format!("settings of app {app_id}: {error}")).into()
}

/// Eight hexadecimal digits by which people recognise a secret without seeing it.
pub(super) fn fingerprint(secret: &str) -> String {
    let digest = Sha256::new().chain_update("roompass fingerprint:").chain_update(secret).finalize();
    digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
