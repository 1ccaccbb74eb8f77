//! From secrets to stored records and back.

use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use token_gen::{AppId, AppSign, ServerSecret, UnixSeconds};
use zeroize::Zeroizing;

use super::Admin;
use crate::{
    apps::AppSettings,
    error::Error,
    keys::KeyText,
    sealing::{Place, SealError, Sealer},
    store::{AppRecord, Purpose, SecretRecord, StoreError},
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
}

pub(super) fn open_app_sign(sealer: &Sealer, place: Place<'_>, sealed: &[u8]) -> Result<AppSign, Error> {
    AppSign::new(&open_text(sealer, place, sealed)?).map_err(|_| SealError::DoesNotOpen.into())
}

pub(super) fn open_secret(
    sealer: &Sealer,
    app_id: AppId,
    secret_id: &str,
    sealed: &[u8],
) -> Result<ServerSecret, Error> {
    let secret = open_text(sealer, secret_place(app_id, secret_id), sealed)?;
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

pub(super) fn secret_place(app_id: AppId, secret_id: &str) -> Place<'_> {
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
