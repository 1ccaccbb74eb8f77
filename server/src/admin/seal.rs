//! From secrets to stored records and back.

use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use token_gen::{AppId, AppSign, ServerSecret, UnixSeconds};
use zeroize::Zeroizing;

use super::Admin;
use crate::{
    apps::{App, AppSettings, RingSecret},
    error::Error,
    keys::KeyText,
    sealing::{Place, SealError},
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

    pub(super) fn open_app_sign(&self, place: Place<'_>, sealed: &[u8]) -> Result<AppSign, Error> {
        AppSign::new(&self.open_text(place, sealed)?).map_err(|_| SealError::DoesNotOpen.into())
    }

    pub(super) fn open_secret(&self, app_id: AppId, record: &SecretRecord) -> Result<ServerSecret, Error> {
        let secret = self.open_text(secret_place(app_id, &record.secret_id), &record.sealed)?;
        ServerSecret::new(&secret).map_err(|_| SealError::DoesNotOpen.into())
    }

    /// The app of a record. Retired secrets stay in the record and out of the app.
    pub(super) fn open_app(&self, record: &AppRecord, counts: &[&SecretUseRecord]) -> Result<App, Error> {
        let app_id = record.app_id;
        let app_sign = self.open_app_sign(app_sign_place(app_id), &record.app_sign)?;
        let (mut active, mut previous, mut cbc) = (None, Vec::new(), Vec::new());
        for stored in record.secrets.iter().filter(|stored| stored.retired_at.is_none()) {
            let secret = self.open_secret(app_id, stored)?;
            let entry = RingSecret { secret_id: stored.secret_id.clone(), secret, valid_until: stored.valid_until };
            match (stored.purpose, stored.valid_until) {
                (Purpose::Gcm, None) => active = Some(entry),
                (Purpose::Gcm, Some(_)) => previous.push(entry),
                (Purpose::Cbc, None) => cbc.insert(0, entry),
                (Purpose::Cbc, Some(_)) => cbc.push(entry),
            }
        }
        let active = active.ok_or(StoreError::Unreadable(format!("app {app_id} has no active secret")))?;
        let reserved = |secret_id: &str| {
            counts.iter().find(|count| count.secret_id == secret_id).map(|count| count.mints_reserved)
        };
        let mut app = App::new(settings_of(record)?, app_sign, &active, &previous).with_cbc(&cbc);
        if let Some((sealed, until)) = &record.previous_app_sign {
            app = app.with_previous_app_sign(self.open_app_sign(previous_app_sign_place(app_id), sealed)?, *until);
        }
        Ok(app.with_uses(&self.uses, reserved))
    }

    pub(super) fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<String>, Error> {
        let bytes = self.sealer.open(place, sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SealError::DoesNotOpen)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
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
    AppSettings::from_json(record.app_id, &record.settings)
        .map_err(|error| StoreError::Unreadable(format!("settings of app {}: {error}", record.app_id)).into())
}

/// Eight hexadecimal digits by which people recognise a secret without seeing it.
pub(super) fn fingerprint(secret: &str) -> String {
    let digest = Sha256::new().chain_update("roompass fingerprint:").chain_update(secret).finalize();
    digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
