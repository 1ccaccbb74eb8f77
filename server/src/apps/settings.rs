//! What an operator sets for an app. Stored as JSON; every field has a default that is safe in production.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use token_gen::{AppId, Format, MAX_LIFETIME, Privileges};

use super::names;

/// The settings of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The lifetime of a token whose mint asks for none, in seconds. Default 1 h.
    pub default_ttl_secs: u64,
    /// The longest lifetime minted and accepted, in seconds. Default 24 h, at most 24 days.
    pub max_ttl_secs: u64,
    /// What happens to a session whose token expires.
    pub on_expiry: ExpiryPolicy,
    /// How long before expiry the warning comes, in seconds: 5 … 300, default 30.
    pub will_expire_lead_secs: u64,
    /// What a login by AppSign alone may do. Default login and publish.
    #[serde(with = "names::privileges")]
    pub app_sign_privileges: Privileges,
    /// What an identity token (empty payload) may do. Default login and publish.
    #[serde(with = "names::privileges")]
    pub identity_privileges: Privileges,
    /// Whether identity tokens are refused.
    pub require_privilege_token: bool,
    /// What an empty stream list in a token means.
    pub empty_stream_list: EmptyStreamList,
    /// What happens when a user who is in a room logs in again.
    pub duplicate_login: DuplicateLogin,
    /// The most users in one room; 0 is no limit.
    pub max_room_users: u32,
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
            default_ttl_secs: 3600,
            max_ttl_secs: 24 * 3600,
            on_expiry: ExpiryPolicy::Soft,
            will_expire_lead_secs: 30,
            app_sign_privileges: Privileges::ALL,
            identity_privileges: Privileges::ALL,
            require_privilege_token: false,
            empty_stream_list: EmptyStreamList::None,
            duplicate_login: DuplicateLogin::NewestWins,
            max_room_users: 0,
        }
    }

    /// Reads stored JSON. A setting that is not in it, because it is newer, gets its default.
    ///
    /// # Errors
    /// What is unreadable, with the name of the setting.
    pub fn from_json(app_id: AppId, stored: &str) -> Result<Self, serde_json::Error> {
        let mut settings = serde_json::to_value(Self::new(app_id, ""))?;
        let stored: serde_json::Map<String, serde_json::Value> = serde_json::from_str(stored)?;
        if let Some(settings) = settings.as_object_mut() {
            settings.extend(stored);
        }
        serde_json::from_value(settings)
    }

    /// The JSON to store.
    pub fn to_json(&self) -> String {
        // Names, numbers and lists into memory: serde_json has no way to fail here.
        serde_json::to_string(self).unwrap_or_default()
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
        if !(1..=ceiling).contains(&self.max_ttl_secs) {
            return Err(("max_ttl_secs", format!("must be 1 to {ceiling}")));
        }
        if !(1..=self.max_ttl_secs).contains(&self.default_ttl_secs) {
            return Err(("default_ttl_secs", format!("must be 1 to max_ttl_secs, {}", self.max_ttl_secs)));
        }
        if !(5..=300).contains(&self.will_expire_lead_secs) {
            return Err(("will_expire_lead_secs", "must be 5 to 300".to_owned()));
        }
        Ok(())
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
    /// Its streams are stopped and it is removed.
    Strict,
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
        assert_eq!(AppSettings::from_json(app_id, &settings.to_json()).unwrap(), settings);
        let sparse = AppSettings::from_json(app_id, r#"{"name":"name"}"#).unwrap();
        assert_eq!(sparse, AppSettings::new(app_id, "name"));
        assert!(AppSettings::from_json(app_id, r#"{"nmae":"name"}"#).is_err());
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
        assert_eq!(check(|settings| settings.max_ttl_secs = 24 * 86_400 + 1), Err("max_ttl_secs"));
        assert_eq!(check(|settings| settings.default_ttl_secs = 0), Err("default_ttl_secs"));
        assert_eq!(check(|settings| settings.default_ttl_secs = 86_401), Err("default_ttl_secs"));
        assert_eq!(check(|settings| settings.will_expire_lead_secs = 4), Err("will_expire_lead_secs"));
    }
}
