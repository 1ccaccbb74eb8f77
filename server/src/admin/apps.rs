//! Apps: making, importing, changing and listing them.

use std::time::Duration;

use rand::{TryRng, rngs::SysRng};
use roompass_wire::webhook::{self, AppChanged, AppDisabled};
use subtle::ConstantTimeEq;
use token_gen::{AppId, AppSign, ServerSecret, TokenError, UnixSeconds};

use super::{
    Admin,
    app_sign::AppSignView,
    obvious,
    seal::{app_sign_place, fingerprint, open_app_sign, open_secret, settings_of},
};
use crate::{
    apps::{AppSettings, CbcPolicy},
    audit::{Action, Event},
    error::Error,
    store::{AppRecord, Purpose},
};

/// How far ahead the end of CBC tokens from elsewhere may be set.
const LONGEST_OFFLINE: Duration = Duration::from_secs(90 * 24 * 3600);

const CBC_WARNING: &str = "Tokens in CBC formats are not authenticated: whoever sees one can make it name another user \
    or room, and nothing shows it. Take them only while old generators remain, and only from networks you trust.";
const ISSUED_ONLY_WARNING: &str = "Tokens in CBC formats are taken here only as they were minted here. Whoever else \
    takes them cannot tell a changed one: the formats are not authenticated. Each mint waits for the store, and another \
    node takes the token within two seconds.";
const HEX_WARNING: &str = "The server secret has hexadecimal digits only, so it is worth 128 bits at most. Rotate it \
    when your backends can follow.";

/// Counts the changes of an app: whoever changes it names the version he has read.
pub type Version = i64;

/// A new app's secrets, shown once.
#[derive(Debug, Clone)]
pub struct AppCredentials {
    /// The app's number.
    pub app_id: AppId,
    /// What client builds carry.
    pub app_sign: AppSign,
    /// What seals its tokens.
    pub server_secret: ServerSecret,
    /// What seals its tokens in CBC formats, if it has such.
    pub cbc_secret: Option<ServerSecret>,
}

/// Credentials that an app has from elsewhere.
#[derive(Debug, Clone)]
pub struct Import {
    /// What client builds carry; a new one if there is none.
    pub app_sign: Option<AppSign>,
    /// What seals its tokens.
    pub server_secret: ServerSecret,
    /// What seals its tokens in CBC formats; never the same.
    pub cbc_secret: Option<ServerSecret>,
}

/// An app as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppView {
    /// What is set for it.
    pub settings: AppSettings,
    /// To be named with the next change.
    pub version: Version,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// When it was last changed.
    pub updated_at: UnixSeconds,
    /// Until when the AppSign before the present one proves logins.
    pub previous_app_sign_until: Option<UnixSeconds>,
    /// The AppSigns that prove logins, and how they are used, the present one first. None where several apps are listed.
    pub app_signs: Vec<AppSignView>,
    /// What the operator should know about these settings.
    pub warnings: Vec<&'static str>,
}

/// New settings for an app.
#[derive(Debug, Clone)]
pub struct SettingsChange {
    /// The version they are a change of.
    pub version: Version,
    /// All of them.
    pub settings: AppSettings,
    /// Whether the operator has said that he knows what CBC means.
    pub acknowledge_cbc: bool,
}

impl Admin {
    /// Makes an app with new secrets.
    ///
    /// # Errors
    /// [`Error::Field`] for a setting that makes no sense; a conflict if the number is taken.
    pub async fn create_app(&self, settings: AppSettings) -> Result<AppCredentials, Error> {
        let server_secret = ServerSecret::generate(&mut SysRng).map_err(randomness)?;
        let import = Import { app_sign: None, server_secret, cbc_secret: None };
        self.insert_app(Action::CreateApp, settings, import).await
    }

    /// Makes an app with the credentials it has elsewhere, so that tokens go both ways.
    ///
    /// # Errors
    /// As [`Admin::create_app`]; [`Error::Field`] for a secret that another app has, that is for two purposes, or that
    /// anybody would try.
    pub async fn import_app(&self, settings: AppSettings, import: Import) -> Result<AppCredentials, Error> {
        refuse_obvious(&import)?;
        self.refuse_taken("server_secret", &import.server_secret).await?;
        if let Some(cbc_secret) = &import.cbc_secret {
            if bool::from(cbc_secret.ct_eq(&import.server_secret)) {
                let reason = "must not be the server secret: a secret for CBC seals nothing else";
                return Err(Error::field("cbc_secret", reason));
            }
            self.refuse_taken("cbc_secret", cbc_secret).await?;
        }
        self.insert_app(Action::ImportApp, settings, import).await
    }

    async fn insert_app(&self, action: Action, settings: AppSettings, import: Import) -> Result<AppCredentials, Error> {
        let (app_id, now) = (settings.app_id, self.clock.now());
        check(&settings, now)?;
        self.require_our_key().await?;
        let Import { app_sign, server_secret, cbc_secret } = import;
        let app_sign = match app_sign {
            Some(app_sign) => app_sign,
            None => AppSign::generate(&mut SysRng).map_err(randomness)?,
        };
        let cbc_secret = match cbc_secret {
            None if settings.uses_cbc() => Some(ServerSecret::generate(&mut SysRng).map_err(randomness)?),
            given => given,
        };
        let mut secrets = vec![self.seal_secret(app_id, Purpose::Gcm, &server_secret, now)?];
        if let Some(cbc_secret) = &cbc_secret {
            secrets.push(self.seal_secret(app_id, Purpose::Cbc, cbc_secret, now)?);
        }
        let record = AppRecord {
            app_id,
            version: 1,
            settings: settings.to_json(),
            app_sign: self.seal_app_sign(app_sign_place(app_id), &app_sign)?,
            previous_app_sign: None,
            app_sign_resets: 0,
            secrets,
            created_at: now,
            updated_at: now,
        };
        let event = Event::of(action, app_id).saying(record.settings.clone());
        self.recorder.change(event, self.store().insert_app(record)).await?;
        self.reload_app(app_id).await?;
        tracing::info!(%app_id, "app created");
        Ok(AppCredentials { app_id, app_sign, server_secret, cbc_secret })
    }

    /// Changes the settings of an app.
    ///
    /// # Errors
    /// [`Error::AppUnknown`]; [`Error::Field`]; a conflict if the app has another version by now.
    pub async fn update_app(&self, change: SettingsChange) -> Result<AppView, Error> {
        let SettingsChange { version, settings, acknowledge_cbc } = change;
        let now = self.clock.now();
        let mut record = self.store().app(settings.app_id).await?.ok_or(Error::AppUnknown)?;
        if record.version != version {
            return Err(Error::Changed { what: "app", version: record.version });
        }
        let before = settings_of(&record)?;
        settings.check().map_err(|(field, reason)| Error::field(field, reason))?;
        let cbc = |settings: &AppSettings| (settings.formats.clone(), settings.cbc_policy, settings.cbc_until);
        if settings.uses_cbc() && cbc(&settings) != cbc(&before) {
            require_acknowledged(acknowledge_cbc)?;
            check_cbc_until(&settings, now)?;
            let is_for_cbc = |secret: &crate::store::SecretRecord| {
                secret.purpose == Purpose::Cbc && secret.retired_at.is_none() && secret.valid_until.is_none()
            };
            if !record.secrets.iter().any(is_for_cbc) {
                let reason = "needs a secret of its own first: rotate the secret with purpose cbc";
                return Err(Error::field("cbc_policy", reason));
            }
        }
        let changes = changes(&record.settings, &settings.to_json());
        record.settings = settings.to_json();
        record.updated_at = now;
        let event = Event::of(Action::UpdateApp, record.app_id).saying(changes);
        self.replace(event, record.clone(), now).await?;
        tracing::info!(app_id = %record.app_id, version = version + 1, "app changed");
        record.version += 1;
        self.announce_change(&before, &settings, record.version).await;
        Ok(AppView { app_signs: self.app_signs_of(&record).await?, ..view(&record)? })
    }

    async fn announce_change(&self, before: &AppSettings, after: &AppSettings, version: Version) {
        let event = if before.enabled && !after.enabled {
            webhook::Event::AppDisabled(AppDisabled { version })
        } else {
            webhook::Event::AppChanged(AppChanged { version, settings: before.differences(after) })
        };
        self.webhooks.announce(after.app_id, event).await;
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

    /// Up to `limit` apps by number, from the one after `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn apps(&self, after: Option<AppId>, limit: u32) -> Result<Vec<AppView>, Error> {
        self.store().apps_after(after, limit).await?.iter().map(view).collect()
    }

    /// The same of apps with `search` in their name or at the beginning of their number.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn find_apps(&self, search: &str, after: Option<AppId>, limit: u32) -> Result<Vec<AppView>, Error> {
        self.store().find_apps(search, after, limit).await?.iter().map(view).collect()
    }

    /// One app.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn app(&self, app_id: AppId) -> Result<Option<AppView>, Error> {
        let Some(record) = self.store().app(app_id).await? else { return Ok(None) };
        Ok(Some(AppView { app_signs: self.app_signs_of(&record).await?, ..view(&record)? }))
    }

    /// The secrets of an app. Dangerous: for development servers, which show theirs again at each start.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Sealed`].
    pub async fn credentials_of(&self, app_id: AppId) -> Result<Option<AppCredentials>, Error> {
        let Some(record) = self.store().app(app_id).await? else { return Ok(None) };
        let active = |purpose| {
            let mut secrets = record.secrets.iter();
            let active = secrets.find(|secret| secret.purpose == purpose && secret.valid_until.is_none());
            active.map(|secret| open_secret(&self.sealer, app_id, &secret.secret_id, &secret.sealed)).transpose()
        };
        let Some(server_secret) = active(Purpose::Gcm)? else { return Ok(None) };
        let app_sign = open_app_sign(&self.sealer, app_sign_place(app_id), &record.app_sign)?;
        Ok(Some(AppCredentials { app_id, app_sign, server_secret, cbc_secret: active(Purpose::Cbc)? }))
    }

    /// What an operator should know about a secret that comes from elsewhere.
    pub fn warnings_about(secret: &ServerSecret) -> Vec<&'static str> {
        if secret.is_hex_only() { vec![HEX_WARNING] } else { Vec::new() }
    }

    /// Eight hexadecimal digits by which people recognise a secret without seeing it.
    pub fn fingerprint(secret: &ServerSecret) -> String {
        fingerprint(secret.expose())
    }

    /// Two apps with one secret would take each other's tokens for damaged ones at best.
    async fn refuse_taken(&self, field: &'static str, secret: &ServerSecret) -> Result<(), Error> {
        for record in self.store().apps().await? {
            for stored in &record.secrets {
                // One that does not open is as good as none.
                let opened = open_secret(&self.sealer, record.app_id, &stored.secret_id, &stored.sealed);
                if opened.is_ok_and(|taken| bool::from(taken.ct_eq(secret))) {
                    return Err(Error::field(field, "is in use already: a secret is for one app and one purpose"));
                }
            }
        }
        Ok(())
    }
}

/// Says no to secrets that anybody would try. There is no way around it: whoever has the secret mints any token.
fn refuse_obvious(import: &Import) -> Result<(), Error> {
    let secrets = [
        ("server_secret", Some(import.server_secret.expose())),
        ("cbc_secret", import.cbc_secret.as_ref().map(ServerSecret::expose)),
        ("app_sign", import.app_sign.as_ref().map(AppSign::expose)),
    ];
    for (field, secret) in secrets {
        if let Some(fault) = secret.and_then(obvious::fault) {
            return Err(Error::field(field, fault));
        }
    }
    Ok(())
}

/// Says no to CBC formats for which nobody has taken responsibility.
///
/// # Errors
/// [`Error::Field`] with the warning.
pub(crate) fn require_acknowledged(acknowledge_cbc: bool) -> Result<(), Error> {
    if acknowledge_cbc {
        return Ok(());
    }
    Err(Error::field("acknowledge_cbc", format!("must be true to take CBC formats. {CBC_WARNING}")))
}

/// The settings that differ, as they are now.
fn changes(before: &str, after: &str) -> String {
    let members = |text| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).unwrap_or_default();
    let (before, mut after) = (members(before), members(after));
    after.retain(|name, value| before.get(name) != Some(value));
    serde_json::Value::Object(after).to_string()
}

fn check(settings: &AppSettings, now: UnixSeconds) -> Result<(), Error> {
    settings.check().map_err(|(field, reason)| Error::field(field, reason))?;
    check_cbc_until(settings, now)
}

fn check_cbc_until(settings: &AppSettings, now: UnixSeconds) -> Result<(), Error> {
    let latest = now.saturating_add(LONGEST_OFFLINE).get();
    match settings.cbc_until {
        Some(until) if until <= now.get() || until > latest => {
            Err(Error::field("cbc_until", "must be at most 90 days ahead"))
        }
        _ => Ok(()),
    }
}

fn view(record: &AppRecord) -> Result<AppView, Error> {
    let settings = settings_of(record)?;
    let warnings = match settings.cbc_policy {
        CbcPolicy::Offline if settings.uses_cbc() => vec![CBC_WARNING],
        CbcPolicy::IssuedOnly if settings.uses_cbc() => vec![ISSUED_ONLY_WARNING],
        _ => Vec::new(),
    };
    Ok(AppView {
        settings,
        version: record.version,
        created_at: record.created_at,
        updated_at: record.updated_at,
        previous_app_sign_until: record.previous_app_sign.as_ref().map(|(_, until)| *until),
        app_signs: Vec::new(),
        warnings,
    })
}

pub(super) fn randomness(_: TokenError) -> Error {
    Error::Randomness
}
