//! Backend keys of an app: what operators send and get.

use serde::{Deserialize, Serialize};

use super::{PrivilegeName, apps::is_false};

/// `POST`: makes a backend key. `GET`: lists them.
pub const KEYS_PATH: &str = "/v1/apps/{app_id}/keys";
/// `DELETE`: ends a backend key.
pub const KEY_PATH: &str = "/v1/apps/{app_id}/keys/{key_id}";

words! {
    /// What a backend key may do.
    KeyRight {
        /// Mint tokens.
        Mint,
        /// Ask whether a token is active.
        Introspect,
        /// Ask why a login is refused.
        Explain,
        /// End tokens early, ban.
        Revoke,
        /// Read the app's settings and records.
        Read,
        /// Change the app.
        Admin,
        /// Remove users from rooms, stop streams, close rooms, say something in them.
        Operate,
    }
}

/// Asks for a backend key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateKeyRequest {
    /// What people call it: 1 to 255 bytes.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Label))]
    pub name: String,
    /// What it may do; at least one.
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub rights: Vec<KeyRight>,
    /// The beginning that room ids must have; any room if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_prefix: Option<String>,
    /// The privileges its tokens may carry; both if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileges: Option<Vec<PrivilegeName>>,
    /// The longest lifetime of its tokens, in seconds; the app's own if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl_secs: Option<u64>,
    /// The most requests in a second; the server's own limit if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_second: Option<u32>,
    /// Whether its holder signs each request with it, instead of sending it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub signed: bool,
    /// When it ends, in Unix seconds; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
}

/// A new key with its text, which is in no later answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateKeyResponse {
    /// Names it.
    pub key_id: String,
    /// What the backend sends as its bearer.
    pub backend_key: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

impl std::fmt::Debug for CreateKeyResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateKeyResponse").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A backend key, without what it takes to use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackendKey {
    /// Names it.
    pub key_id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub rights: Vec<KeyRight>,
    /// The beginning that room ids must have; empty for any room.
    pub room_prefix: String,
    /// The privileges its tokens may carry.
    pub privileges: Vec<PrivilegeName>,
    /// The longest lifetime of its tokens, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl_secs: Option<u64>,
    /// The most requests in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_second: Option<u32>,
    /// Whether its holder signs each request with it.
    pub signed: bool,
    /// When it ends, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
    /// When it was last used; up to a minute old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<i64>,
    /// When it was made.
    pub created_at: i64,
}

/// A page of backend keys, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeysResponse {
    /// The keys.
    pub keys: Vec<BackendKey>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// A key was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokeKeyResponse {
    /// Which.
    pub key_id: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}
