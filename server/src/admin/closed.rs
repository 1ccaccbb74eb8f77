//! An app that nobody asks for: what is kept of it in memory, in few bytes and sealed, and how it is made ready.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use token_gen::{AppId, UnixSeconds};

use super::{
    Admin,
    seal::{app_sign_place, left_out, open_app_sign, open_secret, previous_app_sign_place, settings_of},
};
use crate::{
    apps::{App, AppSettings, ClosedApp, RingSecret},
    error::Error,
    sealing::Sealer,
    store::{AppRecord, Purpose, SecretUseRecord, StoreError},
};

/// What an app is made ready from. Packed it takes a quarter of a kilobyte, where the record takes three: a server may have
/// tens of thousands of apps.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredApp {
    settings: AppSettings,
    app_sign: Vec<u8>,
    /// With the second until which it proves logins.
    previous_app_sign: Option<(Vec<u8>, i64)>,
    app_sign_ids: Vec<String>,
    secrets: Vec<StoredSecret>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredSecret {
    secret_id: String,
    is_cbc: bool,
    /// Nothing once it was retired: then only its dates count.
    sealed: Option<Vec<u8>>,
    valid_until: Option<i64>,
    created_at: i64,
    mints_reserved: Option<u64>,
}

impl Admin {
    /// How the app of a record is made ready once it is asked for. Its secrets are opened here and now as well, so that
    /// damage shows at once.
    pub(super) fn prepare(&self, record: AppRecord, counts: &[SecretUseRecord]) -> Result<ClosedApp, Error> {
        let stored = StoredApp::of(record, counts)?;
        stored.require_sound(&self.sealer)?;
        let (app_id, origins) = (stored.settings.app_id, stored.settings.open_origins().to_vec());
        let packed = stored.pack()?;
        let (sealer, uses, spread) = (self.sealer.clone(), Arc::clone(&self.uses), self.store.spread());
        let prepare = move || {
            let opened = StoredApp::unpack(app_id, &packed).and_then(|stored| {
                let app = stored.open(&sealer, spread)?;
                Ok(app.with_uses(&uses, &stored.app_sign_ids, |secret_id| stored.mints_reserved(secret_id)))
            });
            opened.inspect_err(|error| left_out(app_id, error)).ok()
        };
        Ok(ClosedApp { origins, prepare: Box::new(prepare) })
    }
}

impl StoredApp {
    /// Of a record, with what is counted of its secrets.
    pub(super) fn of(record: AppRecord, counts: &[SecretUseRecord]) -> Result<Self, Error> {
        let (settings, app_sign_ids) = (settings_of(&record)?, record.app_sign_ids());
        let reserved = |secret_id: &str| Some(counts.iter().find(|count| count.secret_id == secret_id)?.mints_reserved);
        let secrets = record.secrets.into_iter().map(|stored| StoredSecret {
            mints_reserved: reserved(&stored.secret_id),
            secret_id: stored.secret_id,
            is_cbc: stored.purpose == Purpose::Cbc,
            sealed: stored.retired_at.is_none().then_some(stored.sealed),
            valid_until: stored.valid_until.map(UnixSeconds::get),
            created_at: stored.created_at.get(),
        });
        Ok(Self {
            settings,
            app_sign: record.app_sign,
            previous_app_sign: record.previous_app_sign.map(|(sealed, until)| (sealed, until.get())),
            app_sign_ids,
            secrets: secrets.collect(),
        })
    }

    fn pack(&self) -> Result<Box<[u8]>, Error> {
        let packed = postcard::to_allocvec(self).map_err(|error| damaged(self.settings.app_id, error))?;
        Ok(packed.into())
    }

    fn unpack(app_id: AppId, packed: &[u8]) -> Result<Self, Error> {
        postcard::from_bytes(packed).map_err(|error| damaged(app_id, error))
    }

    /// Opens everything that the app needs, and keeps nothing of it.
    fn require_sound(&self, sealer: &Sealer) -> Result<(), Error> {
        let app_id = self.settings.app_id;
        open_app_sign(sealer, app_sign_place(app_id), &self.app_sign)?;
        if let Some((sealed, _)) = &self.previous_app_sign {
            open_app_sign(sealer, previous_app_sign_place(app_id), sealed)?;
        }
        let mut has_active = false;
        for stored in &self.secrets {
            let Some(sealed) = &stored.sealed else { continue };
            open_secret(sealer, app_id, &stored.secret_id, sealed)?;
            has_active |= !stored.is_cbc && stored.valid_until.is_none();
        }
        if has_active { Ok(()) } else { Err(no_active_secret(app_id)) }
    }

    /// The app. Retired secrets stay out of it. A secret mints once all who work on the store know it, which takes
    /// `spread`; where there is none to mint until then, or the one before was ended early, it does at once.
    pub(super) fn open(&self, sealer: &Sealer, spread: Duration) -> Result<App, Error> {
        let app_id = self.settings.app_id;
        let app_sign = open_app_sign(sealer, app_sign_place(app_id), &self.app_sign)?;
        let mut ring: Vec<&StoredSecret> = self.secrets.iter().collect();
        // The active ones first, then the latest; of one second, what was ended early.
        ring.sort_by_key(|stored| (stored.valid_until.is_some(), Reverse(stored.created_at), stored.sealed.is_some()));
        let (mut active, mut previous, mut cbc) = (None, Vec::new(), Vec::new());
        for (place, stored) in ring.iter().enumerate() {
            let Some(sealed) = &stored.sealed else { continue };
            let secret = open_secret(sealer, app_id, &stored.secret_id, sealed)?;
            let before = ring[place + 1..].iter().find(|before| before.is_cbc == stored.is_cbc);
            let mints_from = match before {
                Some(before) if before.sealed.is_some() => UnixSeconds::new(stored.created_at).saturating_add(spread),
                _ => UnixSeconds::new(i64::MIN),
            };
            let valid_until = stored.valid_until.map(UnixSeconds::new);
            let entry = RingSecret { secret_id: stored.secret_id.clone(), secret, valid_until, mints_from };
            match (stored.is_cbc, valid_until) {
                (false, None) => active = Some(entry),
                (false, Some(_)) => previous.push(entry),
                (true, _) => cbc.push(entry),
            }
        }
        let active = active.ok_or_else(|| no_active_secret(app_id))?;
        let app = App::new(self.settings.clone(), app_sign, &active, &previous).with_cbc(&cbc);
        let Some((sealed, until)) = &self.previous_app_sign else { return Ok(app) };
        let previous = open_app_sign(sealer, previous_app_sign_place(app_id), sealed)?;
        Ok(app.with_previous_app_sign(previous, UnixSeconds::new(*until)))
    }

    fn mints_reserved(&self, secret_id: &str) -> Option<u64> {
        self.secrets.iter().find(|stored| stored.secret_id == secret_id)?.mints_reserved
    }
}

fn no_active_secret(app_id: AppId) -> Error {
    StoreError::Unreadable(format!("app {app_id} has no active secret")).into()
}

fn damaged(app_id: AppId, error: postcard::Error) -> Error {
    StoreError::Unreadable(format!("app {app_id} in memory: {error}")).into()
}

#[cfg(test)]
mod tests {
    use rand::rngs::SysRng;
    use token_gen::{AppSign, Privileges, ServerSecret};

    use super::*;
    use crate::{
        admin::seal,
        apps::{AuthMode, CbcPolicy, FormatName, SdkVersion},
        sealing::MasterKey,
        store::SecretRecord,
    };

    fn app_id() -> AppId {
        AppId::new(7).unwrap()
    }

    fn secret(sealer: &Sealer, secret_id: &str, purpose: Purpose) -> SecretRecord {
        let (secret, place) = (ServerSecret::generate(&mut SysRng).unwrap(), seal::secret_place(app_id(), secret_id));
        let sealed = sealer.seal(place, secret.expose().as_bytes(), &mut SysRng).unwrap();
        let (secret_id, created_at) = (secret_id.to_owned(), UnixSeconds::new(1_800_000_000));
        SecretRecord { secret_id, purpose, sealed, valid_until: None, retired_at: None, created_at }
    }

    fn record(sealer: &Sealer, settings: &AppSettings) -> AppRecord {
        let seal_app_sign = |place| {
            let app_sign = AppSign::generate(&mut SysRng).unwrap();
            sealer.seal(place, app_sign.expose().as_bytes(), &mut SysRng).unwrap()
        };
        AppRecord {
            app_id: app_id(),
            version: 3,
            settings: settings.to_json(),
            app_sign: seal_app_sign(app_sign_place(app_id())),
            previous_app_sign: Some((seal_app_sign(previous_app_sign_place(app_id())), 1_900_000_000.into())),
            app_sign_resets: 2,
            secrets: vec![secret(sealer, "active", Purpose::Gcm)],
            created_at: 1_800_000_000.into(),
            updated_at: 1_800_000_000.into(),
        }
    }

    fn packed(record: AppRecord) -> Box<[u8]> {
        StoredApp::of(record, &[]).unwrap().pack().unwrap()
    }

    #[test]
    fn whatever_is_set_survives_packing() {
        let sealer = Sealer::new(&MasterKey::generate(&mut SysRng).unwrap());
        let mut settings = AppSettings::new(app_id(), "Ünïcode \u{1f600}");
        settings.mode = AuthMode::TokenOnly;
        settings.formats = vec![FormatName::Token03, FormatName::Token04Cbc, FormatName::Token04Gcm];
        settings.cbc_policy = CbcPolicy::Offline;
        settings.cbc_until = Some(-1);
        settings.app_sign_min_sdk = SdkVersion::parse("2.17.0");
        settings.app_sign_privileges = Privileges::NONE;
        settings.identity_play = false;
        settings.max_ttl_secs = u64::MAX;
        settings.allowed_origins = vec!["https://a.example".to_owned(), "https://b.example:8443".to_owned()];
        let mut record = record(&sealer, &settings);
        let secret = |secret_id: &str, purpose| secret(&sealer, secret_id, purpose);
        let until = |date: i64| Some(UnixSeconds::new(date));
        record.secrets.extend([
            SecretRecord { valid_until: until(1_800_000_500), ..secret("previous", Purpose::Gcm) },
            SecretRecord {
                valid_until: until(1_800_000_000),
                retired_at: until(1_800_000_000),
                // Nobody opens it.
                sealed: vec![1, 2, 3],
                ..secret("retired", Purpose::Gcm)
            },
            secret("cbc", Purpose::Cbc),
        ]);
        let count = |secret_id: &str, mints_reserved| SecretUseRecord {
            app_id: app_id(),
            secret_id: secret_id.to_owned(),
            used_count: 5,
            last_used_at: None,
            mints_reserved,
        };
        let stored = StoredApp::of(record, &[count("previous", 8), count("active", 1 << 20)]).unwrap();
        stored.require_sound(&sealer).unwrap();
        let stored = StoredApp::unpack(app_id(), &stored.pack().unwrap()).unwrap();
        assert_eq!(stored.settings, settings);
        assert_eq!(stored.app_sign_ids, ["app_sign:2", "app_sign:1"]);
        let ids = ["active", "previous", "retired", "cbc"];
        assert_eq!(ids.map(|secret_id| stored.mints_reserved(secret_id)), [Some(1 << 20), Some(8), None, None]);
        let app = stored.open(&sealer, Duration::ZERO).unwrap();
        assert_eq!(app.settings(), &settings);
        assert_eq!(app.app_signs(1_899_999_999.into()).count(), 2);
        assert_eq!(app.previous_secrets().collect::<Vec<_>>(), [("previous", 1_800_000_500.into())]);
        assert_eq!(ids.map(|secret_id| app.holds_secret(secret_id)), [true, true, false, true]);
    }

    #[test]
    fn an_app_that_nobody_asks_for_takes_a_quarter_of_a_kilobyte() {
        let sealer = Sealer::new(&MasterKey::generate(&mut SysRng).unwrap());
        let record = record(&sealer, &AppSettings::new(app_id(), "the name of an app"));
        let (with_previous, without) =
            (packed(record.clone()), packed(AppRecord { previous_app_sign: None, ..record }));
        assert!(with_previous.len() < 384 && without.len() < 256, "{} {}", with_previous.len(), without.len());
        assert!(StoredApp::unpack(app_id(), &without[..20]).is_err());
    }
}
