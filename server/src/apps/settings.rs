//! What an operator sets for an app. Stored as JSON; every field has a default that is safe in production.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use token_gen::{AppId, Cipher, Format, MAX_LIFETIME, Privileges, Rights, UnixSeconds};

use super::names;
use crate::config::parse_origin;

/// The most origins of one app.
const MAX_ORIGINS: usize = 32;

/// The settings of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSettings {
    /// The app's number.
    #[serde(with = "names::app_id")]
    pub app_id: AppId,
    /// What people call it.
    pub name: String,
    /// Whether it serves at all.
    pub enabled: bool,
    /// How clients authenticate.
    pub mode: AuthMode,
    /// What to make of a login with both credentials in mode `token_preferred`.
    pub both_credentials: BothCredentials,
    /// The formats minted and accepted. CBC formats are not authenticated; see the security notes.
    pub formats: Vec<FormatName>,
    /// What is taken of tokens in CBC formats. Default off.
    pub cbc_policy: CbcPolicy,
    /// When CBC tokens minted elsewhere are no longer taken, in Unix seconds: at most 90 days ahead when it is set.
    pub cbc_until: Option<i64>,
    /// The lifetime of a token whose mint asks for none, in seconds. Default 1 h.
    pub default_ttl_secs: u64,
    /// The longest lifetime minted and accepted, in seconds. Default 24 h, at most 24 days.
    pub max_ttl_secs: u64,
    /// What happens to a session whose token expires.
    pub on_expiry: ExpiryPolicy,
    /// How long after expiry a strict app removes the session, in seconds: 0 … 3,600, default 0.
    pub expiry_grace_secs: u64,
    /// When the rights of a renewed token count.
    pub on_renew: RenewalPolicy,
    /// How long before expiry the warning comes, in seconds: 5 … 300, default 30; never more than half of a token's life.
    pub will_expire_lead_secs: u64,
    /// Whether an AppSign proof lets anybody in. Default yes; the mode `token_only` refuses it in any case.
    pub app_sign_enabled: bool,
    /// The oldest SDK version that may log in by AppSign; from 2.17.0 on, tokens are the way. Default none.
    pub app_sign_min_sdk: Option<SdkVersion>,
    /// What a login by AppSign alone may do. Default login and publish.
    #[serde(with = "names::privileges")]
    pub app_sign_privileges: Privileges,
    /// Whether a login by AppSign alone may play. Default yes.
    pub app_sign_play: bool,
    /// What an identity token (empty payload) may do. Default login and publish.
    #[serde(with = "names::privileges")]
    pub identity_privileges: Privileges,
    /// Whether an identity token lets its user play. Default yes.
    pub identity_play: bool,
    /// Whether identity tokens are refused.
    pub require_privilege_token: bool,
    /// What an empty stream list in a token means.
    pub empty_stream_list: EmptyStreamList,
    /// What happens when a user who is in a room logs in again.
    pub duplicate_login: DuplicateLogin,
    /// The most users in one room; 0 is no limit.
    pub max_room_users: u32,
    /// The origins whose pages may log in, besides those of the server. Default none.
    pub allowed_origins: Vec<String>,
    /// The most logins to one room in one second; 0 is no limit. Default 200.
    pub room_logins_per_sec: u32,
    /// How long a session whose connection is lost keeps its place, in seconds from the last sign of life: 0 … 600,
    /// default 90.
    pub heartbeat_timeout_secs: u64,
    /// How long a room outlives its last user, in seconds: 0, the default, to 1,800. Rounded up to the next tidying.
    pub empty_room_ttl_secs: u64,
}

impl AppSettings {
    /// The defaults for a new app.
    pub fn new(app_id: AppId, name: impl Into<String>) -> Self {
        Self {
            app_id,
            name: name.into(),
            enabled: true,
            mode: AuthMode::TokenPreferred,
            both_credentials: BothCredentials::Either,
            formats: vec![FormatName::Token04Gcm],
            cbc_policy: CbcPolicy::Off,
            cbc_until: None,
            default_ttl_secs: 3600,
            max_ttl_secs: 24 * 3600,
            on_expiry: ExpiryPolicy::Soft,
            expiry_grace_secs: 0,
            on_renew: RenewalPolicy::Keep,
            will_expire_lead_secs: 30,
            app_sign_enabled: true,
            app_sign_min_sdk: None,
            app_sign_privileges: Privileges::ALL,
            app_sign_play: true,
            identity_privileges: Privileges::ALL,
            identity_play: true,
            require_privilege_token: false,
            empty_stream_list: EmptyStreamList::None,
            duplicate_login: DuplicateLogin::NewestWins,
            max_room_users: 0,
            allowed_origins: Vec::new(),
            room_logins_per_sec: 200,
            heartbeat_timeout_secs: 90,
            empty_room_ttl_secs: 0,
        }
    }

    /// What a login by AppSign alone may do, in any room.
    pub fn app_sign_rights(&self) -> Rights {
        in_any_room(self.app_sign_privileges, self.app_sign_play)
    }

    /// What an identity token lets its user do, in any room.
    pub fn identity_rights(&self) -> Rights {
        in_any_room(self.identity_privileges, self.identity_play)
    }

    /// Reads stored JSON. A setting that is not in it, because it is newer, gets its default; one that we do not know,
    /// because a newer server shares the store, is passed over. Callers are not: see [`AppSettings::with`].
    ///
    /// # Errors
    /// What is unreadable, with the name of the setting.
    pub fn from_json(app_id: AppId, stored: &str) -> Result<Self, serde_json::Error> {
        // Where all are there, which a server with many apps should not wait for.
        let whole = serde_json::from_str(stored).or_else(|_| Self::from_sparse_json(app_id, stored));
        whole.map(|settings| Self { app_id, ..settings })
    }

    fn from_sparse_json(app_id: AppId, stored: &str) -> Result<Self, serde_json::Error> {
        let mut settings = serde_json::to_value(Self::new(app_id, ""))?;
        let stored: serde_json::Map<String, serde_json::Value> = serde_json::from_str(stored)?;
        if let Some(settings) = settings.as_object_mut() {
            settings.extend(stored);
        }
        serde_json::from_value(settings)
    }

    /// The origins whose pages may log in; none while the app is switched off.
    pub fn open_origins(&self) -> &[String] {
        if self.enabled { &self.allowed_origins } else { &[] }
    }

    /// The JSON to store.
    pub fn to_json(&self) -> String {
        // Names, numbers and lists into memory: serde_json has no way to fail here.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The names of the settings that are different in `other`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let members = |settings: &Self| match serde_json::to_value(settings) {
            Ok(serde_json::Value::Object(members)) => members,
            // Names, numbers and lists into memory: serde_json has no way to fail here.
            _ => serde_json::Map::new(),
        };
        let (ours, theirs) = (members(self), members(other));
        ours.into_iter().filter(|(name, value)| theirs.get(name) != Some(value)).map(|(name, _)| name).collect()
    }

    /// These settings with others in their place, by the names they have in JSON.
    ///
    /// # Errors
    /// The name of a setting that is not known or has no such value, and what it may be.
    pub fn with(&self, changes: serde_json::Map<String, serde_json::Value>) -> Result<Self, (String, String)> {
        let mut settings = serde_json::to_value(self).map_err(|error| (String::new(), error.to_string()))?;
        let known = settings.as_object_mut().into_iter().flat_map(|known| known.keys().cloned()).collect::<Vec<_>>();
        if let Some(unknown) = changes.keys().find(|&name| name == "app_id" || !known.contains(name)) {
            let settable: Vec<&str> = known.iter().map(String::as_str).filter(|&name| name != "app_id").collect();
            return Err((unknown.clone(), format!("is no setting; there are {}", settable.join(", "))));
        }
        if let Some(settings) = settings.as_object_mut() {
            settings.extend(changes);
        }
        serde_path_to_error::deserialize(settings).map_err(|error| {
            let path = error.path().to_string();
            (path, error.into_inner().to_string())
        })
    }

    /// The first setting that makes no sense, and why.
    ///
    /// # Errors
    /// The setting's name and what it must be.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let ceiling = MAX_LIFETIME.as_secs();
        if self.name.is_empty() || self.name.len() > 255 || self.name.chars().any(char::is_control) {
            return Err(("name", "must be 1 to 255 bytes without control characters".to_owned()));
        }
        if self.formats.is_empty() {
            return Err(("formats", "must name at least one format".to_owned()));
        }
        if self.uses_cbc() && self.cbc_policy == CbcPolicy::Off {
            return Err(("cbc_policy", "must be issued_only or offline for the CBC formats in `formats`".to_owned()));
        }
        match (self.cbc_policy, self.cbc_until) {
            (CbcPolicy::Offline, None) => {
                return Err(("cbc_until", "is needed: Unix seconds, at most 90 days ahead".to_owned()));
            }
            (CbcPolicy::Off | CbcPolicy::IssuedOnly, Some(_)) => {
                return Err(("cbc_until", "goes with the policy offline alone: set it to null".to_owned()));
            }
            _ => {}
        }
        if !self.app_sign_enabled && self.mode == AuthMode::AppSign {
            return Err(("app_sign_enabled", "must stay on in the mode app_sign, or nobody could log in".to_owned()));
        }
        if !(1..=ceiling).contains(&self.max_ttl_secs) {
            return Err(("max_ttl_secs", format!("must be 1 to {ceiling}")));
        }
        if !(1..=self.max_ttl_secs).contains(&self.default_ttl_secs) {
            return Err(("default_ttl_secs", format!("must be 1 to max_ttl_secs, {}", self.max_ttl_secs)));
        }
        if !(5..=300).contains(&self.will_expire_lead_secs) {
            return Err(("will_expire_lead_secs", "must be 5 to 300".to_owned()));
        }
        if self.allowed_origins.len() > MAX_ORIGINS {
            return Err(("allowed_origins", format!("must be at most {MAX_ORIGINS}")));
        }
        for origin in &self.allowed_origins {
            // Browsers write an origin in one way, and that is what it is compared with.
            match parse_origin(origin) {
                Ok(spelling) if spelling == *origin => {}
                Ok(spelling) => return Err(("allowed_origins", format!("must be written {spelling}"))),
                Err(reason) => return Err(("allowed_origins", reason.to_owned())),
            }
        }
        for (name, secs, max) in [
            ("expiry_grace_secs", self.expiry_grace_secs, 3600),
            ("heartbeat_timeout_secs", self.heartbeat_timeout_secs, 600),
            ("empty_room_ttl_secs", self.empty_room_ttl_secs, 1800),
        ] {
            if secs > max {
                return Err((name, format!("must be 0 to {max}")));
            }
        }
        Ok(())
    }

    /// Whether a client that calls itself `sdk`, such as `web/2.17.0`, may log in by AppSign at all. What a client says
    /// of itself proves nothing: the version keeps old builds out, not attackers.
    pub fn takes_app_sign_from(&self, sdk: Option<&str>) -> bool {
        let version = || SdkVersion::parse(sdk?.rsplit('/').next()?);
        let is_recent = self.app_sign_min_sdk.is_none_or(|min| version().is_some_and(|version| version >= min));
        self.app_sign_enabled && self.mode != AuthMode::TokenOnly && is_recent
    }

    /// Whether a format without authentication is among the formats.
    pub fn uses_cbc(&self) -> bool {
        self.formats.iter().any(|&format| Format::from(format).cipher() == Cipher::Cbc)
    }

    /// Whether CBC tokens are looked at at `now`.
    pub fn allows_cbc(&self, now: UnixSeconds) -> bool {
        match self.cbc_policy {
            CbcPolicy::Off => false,
            CbcPolicy::IssuedOnly => self.uses_cbc(),
            CbcPolicy::Offline => self.uses_cbc() && self.cbc_until.is_some_and(|until| now.get() < until),
        }
    }

    /// The longest lifetime minted and accepted.
    pub fn max_ttl(&self) -> Duration {
        Duration::from_secs(self.max_ttl_secs).min(MAX_LIFETIME)
    }

    /// How long before expiry the warning comes.
    pub fn will_expire_lead(&self) -> Duration {
        Duration::from_secs(self.will_expire_lead_secs)
    }
}

/// What is taken of tokens in CBC formats, which anybody who has seen one can change unnoticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CbcPolicy {
    /// Nothing.
    Off,
    /// Those that were minted here, each exactly as it was minted: a ledger says which.
    IssuedOnly,
    /// Those of old generators elsewhere, until a date. Whoever sees one can make it name another user.
    Offline,
}

/// The version of a client SDK: three numbers, compared in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SdkVersion([u32; 3]);

impl SdkVersion {
    /// Reads a version such as `2.17.0`; what follows the third number, such as `.114` or `-beta`, is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(['.', '-', '+', ' ']).map(|number| number.parse().ok());
        Some(Self([numbers.next()??, numbers.next()??, numbers.next()??]))
    }
}

impl TryFrom<String> for SdkVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a version is three numbers, such as 2.17.0")
    }
}

impl From<SdkVersion> for String {
    fn from(SdkVersion([major, minor, patch]): SdkVersion) -> Self {
        format!("{major}.{minor}.{patch}")
    }
}

fn in_any_room(privileges: Privileges, play: bool) -> Rights {
    let rights = Rights::builder_any_room().allow_all(privileges);
    if play { rights.build() } else { rights.deny_play().build() }
}

/// How an app's clients authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// AppSign proof compulsory; a token narrows.
    AppSign,
    /// Token or AppSign proof: either may pass.
    TokenPreferred,
    /// Nothing but a valid token.
    TokenOnly,
}

/// What to make of a login that shows both credentials in mode `token_preferred`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BothCredentials {
    /// The token is tried first; if it fails, a good AppSign proof lets the user in.
    Either,
    /// A token that is shown decides alone.
    TokenDecides,
}

/// What happens to a session at its token's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryPolicy {
    /// It stays, its streams go on; its next login, publish or play is refused.
    Soft,
    /// Its own streams are stopped; otherwise as soft.
    StopPublish,
    /// Its streams are stopped and it is removed.
    Strict,
}

/// When the rights of a renewed token count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewalPolicy {
    /// From the next operation on; what runs goes on.
    Keep,
    /// At once: what the new token does not allow is stopped.
    Enforce,
}

/// What an empty stream list means in a token minted elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyStreamList {
    /// No stream may be published.
    None,
    /// Any stream may be published.
    Any,
}

/// What happens when a user who is in a room of the app logs in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateLogin {
    /// The earlier session is removed.
    NewestWins,
    /// The later login is refused.
    RefuseNewcomer,
}

/// A token format by the name it has in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatName {
    /// token04, AES-256-GCM.
    #[serde(rename = "token04_gcm")]
    Token04Gcm,
    /// token04, AES-256-CBC.
    #[serde(rename = "token04_cbc")]
    Token04Cbc,
    /// token03, AES-256-CBC.
    #[serde(rename = "token03")]
    Token03,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Token04Gcm => Self::Token04Gcm,
            FormatName::Token04Cbc => Self::Token04Cbc,
            FormatName::Token03 => Self::Token03,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_storage_and_new_ones_get_defaults() {
        let app_id = AppId::new(7).unwrap();
        let mut settings = AppSettings::new(app_id, "name");
        settings.mode = AuthMode::TokenOnly;
        settings.identity_privileges = Privileges::NONE;
        settings.formats.push(FormatName::Token03);
        settings.app_sign_min_sdk = SdkVersion::parse("2.17.0.114");
        assert_eq!(AppSettings::from_json(app_id, &settings.to_json()).unwrap(), settings);
        let sparse = AppSettings::from_json(app_id, r#"{"name":"name"}"#).unwrap();
        assert_eq!(sparse, AppSettings::new(app_id, "name"));
        let newer = AppSettings::from_json(app_id, r#"{"name":"name","a_setting_of_tomorrow":{"x":[1]}}"#).unwrap();
        assert_eq!(newer, sparse, "an app does not vanish from the servers that are upgraded last");
        assert!(AppSettings::from_json(app_id, r#"{"mode":"a_mode_of_tomorrow"}"#).is_err(), "nothing is guessed");
        let of_another = AppSettings { app_id: AppId::new(8).unwrap(), ..sparse.clone() };
        assert_eq!(
            AppSettings::from_json(app_id, &of_another.to_json()).unwrap(),
            sparse,
            "the record says whose it is"
        );
        let unknown = serde_json::Map::from_iter([("nmae".to_owned(), "name".into())]);
        assert_eq!(sparse.with(unknown).unwrap_err().0, "nmae");
    }

    #[test]
    fn sdk_versions_compare_by_number() {
        let version = |text| SdkVersion::parse(text).unwrap();
        assert!(version("2.9.1") < version("2.17.0") && version("2.17.0.3") == version("2.17.0-beta"));
        let mut settings = AppSettings::new(AppId::new(7).unwrap(), "name");
        assert!(settings.takes_app_sign_from(None));
        settings.app_sign_min_sdk = Some(version("2.17.0"));
        let takes = |sdk| settings.takes_app_sign_from(sdk);
        assert_eq!(
            [takes(Some("web/2.17.0")), takes(Some("2.16.9")), takes(Some("web")), takes(None)],
            [true, false, false, false]
        );
        for bad in ["", "2", "2.17", "2.x.0", "v2.17.0", "2..0", "2.17.4294967296", "-1.0.0"] {
            assert_eq!(SdkVersion::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn senseless_settings_are_named() {
        let check = |change: fn(&mut AppSettings)| {
            let mut settings = AppSettings::new(AppId::new(7).unwrap(), "name");
            change(&mut settings);
            settings.check().map_err(|(field, _)| field)
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert_eq!(check(|settings| settings.name = "a\nb".to_owned()), Err("name"));
        assert_eq!(check(|settings| settings.formats.clear()), Err("formats"));
        assert_eq!(check(|settings| settings.formats.push(FormatName::Token03)), Err("cbc_policy"));
        assert_eq!(check(|settings| settings.cbc_policy = CbcPolicy::Offline), Err("cbc_until"));
        let issued_only = |settings: &mut AppSettings| {
            settings.formats.push(FormatName::Token04Cbc);
            settings.cbc_policy = CbcPolicy::IssuedOnly;
        };
        assert_eq!(check(issued_only), Ok(()));
        assert_eq!(check(|settings| settings.cbc_until = Some(5)), Err("cbc_until"));
        let no_way_in =
            |settings: &mut AppSettings| (settings.mode, settings.app_sign_enabled) = (AuthMode::AppSign, false);
        assert_eq!(check(no_way_in), Err("app_sign_enabled"));
        assert_eq!(check(|settings| settings.max_ttl_secs = 24 * 86_400 + 1), Err("max_ttl_secs"));
        assert_eq!(check(|settings| settings.default_ttl_secs = 0), Err("default_ttl_secs"));
        assert_eq!(check(|settings| settings.default_ttl_secs = 86_401), Err("default_ttl_secs"));
        assert_eq!(check(|settings| settings.will_expire_lead_secs = 4), Err("will_expire_lead_secs"));
        let mut settings = AppSettings::new(AppId::new(7).unwrap(), "name");
        for (origin, sound) in [
            ("https://app.example.com", true),
            ("http://localhost:3000", true),
            ("https://APP.example.com", false),
            ("https://app.example.com:443", false),
            ("https://app.example.com/", false),
            ("http://app.example.com", false),
            ("https://*.example.com", false),
            ("*", false),
            ("null", false),
            ("", false),
        ] {
            settings.allowed_origins = vec![origin.to_owned()];
            assert_eq!(settings.check().is_ok(), sound, "{origin}");
        }
        settings.allowed_origins = vec!["https://app.example.com".to_owned(); MAX_ORIGINS + 1];
        assert_eq!(settings.check().map_err(|(field, _)| field), Err("allowed_origins"));
        assert_eq!(check(|settings| settings.expiry_grace_secs = 3601), Err("expiry_grace_secs"));
        assert_eq!(check(|settings| settings.heartbeat_timeout_secs = 601), Err("heartbeat_timeout_secs"));
        assert_eq!(check(|settings| settings.empty_room_ttl_secs = 1801), Err("empty_room_ttl_secs"));
    }
}
