//! What happened: the audit trail.

use serde::{Deserialize, Serialize};

/// `GET`: the audit trail of every app.
pub const AUDIT_PATH: &str = "/v1/audit";
/// `GET`: all of it, as JSON lines.
pub const AUDIT_EXPORT_PATH: &str = "/v1/audit/export";
/// `GET`: the audit trail of an app.
pub const APP_AUDIT_PATH: &str = "/v1/apps/{app_id}/audit";
/// `GET`: all of it, as JSON lines.
pub const APP_AUDIT_EXPORT_PATH: &str = "/v1/apps/{app_id}/audit/export";

/// Which records to show. Every parameter that is given must match exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// About this app; only where the path names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub app_id: Option<u32>,
    /// From this Unix second on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Before this Unix second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// What was done, such as `mint`, `login`, `revoke` or `rotate_secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// How it ended: `done`, `refused` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it was refused, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who did it, such as `key:uaiXsS6eQDCl` or `admin:alice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The user it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The room it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The token it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// How many records at most: 1 to 1,000, 100 if left out. Not for an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
    /// Where to go on: the `cursor` of the page before. Not for an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Something that happened. Members that say nothing are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRecord {
    /// Its name: the number of its chain and its own in it, as in `3-17`.
    pub record: String,
    /// When, in Unix seconds.
    pub at: i64,
    /// What was done.
    pub action: String,
    /// How it ended: `done`; `refused`; or `failed`, and then the `done` before it with the same request is void.
    pub result: String,
    /// Why it was refused or failed, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<u32>,
    /// Who: `key:…`, `admin:…`, `cli:…` with the number of a system user, `client`, `stranger` or `server`.
    pub actor: String,
    /// The address or network it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The user it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The room it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The token it was about. The token itself is nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// What else it was about: the id of a secret, a key, a ban, a revocation, or the name of an admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The rights, as in `login,publish of stream1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<String>,
    /// When what was made ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The session at the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// SHA-256 over all that and the hash of the record before it in its chain, in hexadecimal digits.
    pub hash: String,
}

/// A page of the audit trail, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditResponse {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// Names the next page, if there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}
