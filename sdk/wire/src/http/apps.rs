//! Apps and their settings: what operators send and get.

use serde::{Deserialize, Deserializer, Serialize};

use super::{AppSignUse, PrivilegeName};

/// `POST`: makes or imports an app. `GET`: lists apps.
pub const APPS_PATH: &str = "/v1/apps";
/// `GET`: one app. `PATCH`: changes its settings.
pub const APP_PATH: &str = "/v1/apps/{app_id}";

words! {
    /// How clients of an app authenticate.
    AppMode {
        /// AppSign proof compulsory; a token narrows.
        AppSign,
        /// Token or AppSign proof: either may pass.
        TokenPreferred,
        /// Nothing but a valid token.
        TokenOnly,
    }
    /// What to make of a login with a token and an AppSign proof, in mode `token_preferred`.
    BothCredentialsRule {
        /// A good AppSign proof lets in whose token fails.
        Either,
        /// The token decides alone.
        TokenDecides,
    }
    /// What is taken of tokens in CBC formats, which are not authenticated.
    CbcRule {
        /// Nothing.
        Off,
        /// Those that this service minted, exactly as it minted them.
        IssuedOnly,
        /// Tokens of generators elsewhere, until a date.
        Offline,
    }
    /// What happens to a session at its token's expiry.
    ExpiryRule {
        /// It stays; its next login, publish or play is refused.
        Soft,
        /// Its own streams are stopped; it stays.
        StopPublish,
        /// It is removed.
        Strict,
    }
    /// When the rights of a renewed token count.
    RenewalRule {
        /// From the next operation on; what runs goes on.
        Keep,
        /// At once: what the new token does not allow is stopped.
        Enforce,
    }
    /// What an empty stream list means in a token minted elsewhere.
    EmptyStreamListRule {
        /// No stream may be published.
        None,
        /// Any stream may be published.
        Any,
    }
    /// What happens when a user who is in a room logs in again.
    DuplicateLoginRule {
        /// The earlier session is removed.
        NewestWins,
        /// The later login is refused.
        RefuseNewcomer,
    }
}

/// A format an app mints and takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AppFormat {
    /// token04 with AES-256-GCM.
    #[serde(rename = "token04_gcm")]
    Token04Gcm,
    /// token04 with AES-256-CBC.
    #[serde(rename = "token04_cbc")]
    Token04Cbc,
    /// token03, which is AES-256-CBC.
    #[serde(rename = "token03")]
    Token03,
}

/// What is set for an app. An answer has every member; in a request, what is left out stays as it is, or gets its
/// default in a new app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// What people call it: 1 to 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::Label>))]
    pub name: Option<String>,
    /// Whether it serves at all. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How clients authenticate. Default `token_preferred`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<AppMode>,
    /// What to make of a login with both credentials. Default `either`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub both_credentials: Option<BothCredentialsRule>,
    /// The formats minted and taken. Default `token04_gcm` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formats: Option<Vec<AppFormat>>,
    /// What is taken of CBC tokens. Default `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cbc_policy: Option<CbcRule>,
    /// When CBC tokens are no longer taken, in Unix seconds: at most 90 days ahead. Goes with `offline`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
    pub cbc_until: Option<Option<i64>>,
    /// The lifetime of a token whose mint asks for none, in seconds. Default 3,600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2_073_600))]
    pub default_ttl_secs: Option<u64>,
    /// The longest lifetime minted and taken, in seconds. Default 86,400, at most 2,073,600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2_073_600))]
    pub max_ttl_secs: Option<u64>,
    /// What happens to a session at its token's expiry. Default `soft`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<ExpiryRule>,
    /// How long after expiry a `strict` app removes the session, in seconds: 0 to 3,600, default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 3600))]
    pub expiry_grace_secs: Option<u64>,
    /// When the rights of a renewed token count. Default `keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_renew: Option<RenewalRule>,
    /// How long before expiry the warning comes, in seconds: 5 to 300, default 30; never more than half of a token's
    /// life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 300))]
    pub will_expire_lead_secs: Option<u64>,
    /// Whether an AppSign proof lets anybody in. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_sign_enabled: Option<bool>,
    /// The oldest SDK version, such as `2.17.0`, that may log in by AppSign. Default none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub app_sign_min_sdk: Option<Option<String>>,
    /// What a login by AppSign alone may do. Default both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_sign_privileges: Option<Vec<PrivilegeName>>,
    /// Whether a login by AppSign alone may play. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_sign_play: Option<bool>,
    /// What an identity token may do. Default both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_privileges: Option<Vec<PrivilegeName>>,
    /// Whether an identity token lets its user play. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_play: Option<bool>,
    /// Whether identity tokens are refused. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_privilege_token: Option<bool>,
    /// What an empty stream list in a token means. Default `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_stream_list: Option<EmptyStreamListRule>,
    /// What happens when a user in a room logs in again. Default `newest_wins`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_login: Option<DuplicateLoginRule>,
    /// The most users in one room; 0, the default, is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_room_users: Option<u32>,
    /// The origins whose pages may log in to this app, such as `https://app.example.com`, besides those that the server
    /// takes for every app. Native clients have none and are not concerned. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_items = 32))]
    pub allowed_origins: Option<Vec<String>>,
    /// The most logins to one room in one second; 0 is no limit. Default 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_logins_per_sec: Option<u32>,
    /// How long a session whose connection was lost keeps its place, in seconds from the last sign of life: 0 to 600,
    /// default 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 600))]
    pub heartbeat_timeout_secs: Option<u64>,
    /// How long a room outlives its last user, in seconds: 0, the default, to 1,800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1800))]
    pub empty_room_ttl_secs: Option<u64>,
}

/// Tells `null` from a member that is left out.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Credentials that an app has from elsewhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportCredentials {
    /// 32 characters. Refused if another app has it.
    pub server_secret: String,
    /// 64 hexadecimal characters; a new one is made if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_sign: Option<String>,
    /// 32 characters for CBC formats, never the same as `server_secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cbc_secret: Option<String>,
}

impl std::fmt::Debug for ImportCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ImportCredentials(..)")
    }
}

/// Asks for an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateAppRequest {
    /// Its number; a free one if left out. Needed with `import`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub app_id: Option<u32>,
    /// Its settings; `name` is needed.
    pub settings: AppSettings,
    /// The credentials it has elsewhere; new ones are made if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportCredentials>,
    /// Must be true for settings that take CBC formats.
    #[serde(default, skip_serializing_if = "is_false")]
    pub acknowledge_cbc: bool,
}

/// Changes an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateAppRequest {
    /// The version that was read; another one by now is a conflict.
    pub version: i64,
    /// What to change.
    pub settings: AppSettings,
    /// Must be true for changes that take CBC formats.
    #[serde(default, skip_serializing_if = "is_false")]
    pub acknowledge_cbc: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct App {
    /// Its number.
    pub app_id: u32,
    /// Counts its changes; name it with the next one.
    pub version: i64,
    /// What is set for it.
    pub settings: AppSettings,
    /// When it was made, in Unix seconds.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
    /// Until when the AppSign before the present one proves logins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_app_sign_until: Option<i64>,
    /// The AppSigns that prove logins, and how they are used, the present one first. Absent where apps are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub app_signs: Vec<AppSignUse>,
    /// What the operator should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A new app with its secrets, which are in no later answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateAppResponse {
    /// The app.
    pub app: App,
    /// What client builds carry.
    pub app_sign: String,
    /// What seals its tokens.
    pub server_secret: String,
    /// What seals its tokens in CBC formats, if it takes such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cbc_secret: Option<String>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

impl std::fmt::Debug for CreateAppResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateAppResponse").field("app", &self.app).finish_non_exhaustive()
    }
}

/// One app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppResponse {
    /// The app.
    pub app: App,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// A page of apps, by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppsResponse {
    /// The apps.
    pub apps: Vec<App>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_the_same_as_left_out() {
        let settings: AppSettings = serde_json::from_str(r#"{"cbc_until":null}"#).unwrap();
        assert_eq!((settings.cbc_until, settings.app_sign_min_sdk.is_none()), (Some(None), true));
        assert_eq!(serde_json::to_string(&settings).unwrap(), r#"{"cbc_until":null}"#);
    }
}
