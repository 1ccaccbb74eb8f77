//! The ring of server secrets of an app, and its AppSign: what operators send and get.

use serde::{Deserialize, Serialize};

/// `GET`: the ring of server secrets.
pub const SECRETS_PATH: &str = "/v1/apps/{app_id}/secrets";
/// `POST`: makes a new active secret.
pub const ROTATE_PATH: &str = "/v1/apps/{app_id}/secrets/rotate";
/// `POST`: ends a previous secret at once.
pub const RETIRE_PATH: &str = "/v1/apps/{app_id}/secrets/{secret_id}/retire";
/// `POST`: shows the AppSign, and records that.
pub const APP_SIGN_SHOW_PATH: &str = "/v1/apps/{app_id}/app-sign/show";
/// `POST`: makes a new AppSign.
pub const APP_SIGN_RESET_PATH: &str = "/v1/apps/{app_id}/app-sign/reset";
/// Where the AppSign before the present one is ended before its time.
pub const APP_SIGN_RETIRE_PATH: &str = "/v1/apps/{app_id}/app-sign/retire";

words! {
    /// What a secret seals and opens.
    SecretPurpose {
        /// Tokens with AES-GCM.
        Gcm,
        /// Tokens with AES-CBC.
        Cbc,
    }
    /// What a secret still does.
    SecretState {
        /// Seals and opens.
        Active,
        /// Opens, until its date.
        Previous,
        /// Nothing.
        Ended,
    }
}

/// Asks for a new active secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// How long the present one goes on verifying once the new one mints, in seconds; the app's longest lifetime if left
    /// out. That is at once, and with PostgreSQL after 5 s, when every node knows it. 0 ends the present one at once, and
    /// with it the sessions of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_secs: Option<u64>,
    /// What the new one is for; `gcm` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<SecretPurpose>,
}

/// A new secret, which is in no later answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotateResponse {
    /// Names it.
    pub secret_id: String,
    /// The secret.
    pub server_secret: String,
    /// Until when the one before verifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_valid_until: Option<i64>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

impl std::fmt::Debug for RotateResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RotateResponse").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}

/// A secret of the ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Secret {
    /// Names it.
    pub secret_id: String,
    /// What it is for.
    pub purpose: SecretPurpose,
    /// What it still does.
    pub state: SecretState,
    /// Eight hexadecimal digits to recognise it by.
    pub fingerprint: String,
    /// When it was made, in Unix seconds.
    pub created_at: i64,
    /// Until when it verifies; absent for the active one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<i64>,
    /// When it was ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<i64>,
    /// When it last opened a token; up to a minute old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<i64>,
    /// How many tokens it has opened.
    pub used_count: u64,
    /// How many it has opened in the last five minutes, on the node that answers.
    pub opened_in_5_min: u64,
    /// How many it has opened in the last hour, on the node that answers.
    pub opened_in_1_h: u64,
    /// How many tokens it may have sealed here; counted in blocks, so it runs ahead.
    pub mints_reserved: u64,
}

/// The ring of an app, the active secret first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretsResponse {
    /// The secrets.
    pub secrets: Vec<Secret>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// A secret was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetireResponse {
    /// Which.
    pub secret_id: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// The AppSign, as client builds carry it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShowAppSignResponse {
    /// The AppSign.
    pub app_sign: String,
    /// Until when the one before proves logins; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_valid_until: Option<i64>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

impl std::fmt::Debug for ShowAppSignResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShowAppSignResponse(..)")
    }
}

/// Asks for a new AppSign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResetAppSignRequest {
    /// How long the present one goes on proving logins, in seconds: as long as old client builds are in use, at most
    /// ten years. 0 ends it at once, and the one before it. Anything else is refused as long as the one before proves
    /// logins: retire that first.
    #[cfg_attr(feature = "openapi", schema(maximum = 315_360_000))]
    pub overlap_secs: u64,
}

/// A new AppSign, which is in no later answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResetAppSignResponse {
    /// The AppSign.
    pub app_sign: String,
    /// Until when the one before proves logins.
    pub previous_valid_until: i64,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

impl std::fmt::Debug for ResetAppSignResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResetAppSignResponse(..)")
    }
}

/// The AppSign before the present one has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetireAppSignResponse {
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// How an AppSign is used. Which it is, is not in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppSignUse {
    /// Until when it proves logins, in Unix seconds; absent for the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<i64>,
    /// When a login last proved it; up to a minute old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<i64>,
    /// How many logins have proven it, whatever became of them; none counts where the app takes no AppSign.
    pub used_count: u64,
    /// How many have in the last five minutes, on the node that answers.
    pub used_in_5_min: u64,
    /// How many have in the last hour, on the node that answers.
    pub used_in_1_h: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{CreateKeyResponse, ImportCredentials};

    #[test]
    fn secrets_are_not_shown_by_debug() {
        let text = "canary".to_owned();
        let import = ImportCredentials { server_secret: text.clone(), app_sign: None, cbc_secret: None };
        let rotated = RotateResponse {
            secret_id: "s".to_owned(),
            server_secret: text.clone(),
            previous_valid_until: None,
            server_time: 0,
        };
        let reset = ResetAppSignResponse { app_sign: text.clone(), previous_valid_until: 0, server_time: 0 };
        let shown = ShowAppSignResponse { app_sign: text.clone(), previous_valid_until: None, server_time: 0 };
        let key = CreateKeyResponse { key_id: "k".to_owned(), backend_key: text, server_time: 0 };
        assert!(!format!("{import:?}{rotated:?}{reset:?}{shown:?}{key:?}").contains("canary"));
    }
}
