//! Request and response bodies of the HTTP API, beside the paths they belong to.

#[macro_use]
mod words;

mod admins;
mod apps;
mod audit;
mod batch;
mod introspection;
mod keys;
mod list;
mod mode_preview;
mod revocations;
mod rooms;
mod secrets;
mod streams;
mod watch;
mod webhooks;

use serde::{Deserialize, Serialize};

pub use admins::*;
pub use apps::*;
pub use audit::*;
pub use batch::*;
pub use introspection::*;
pub use keys::*;
pub use list::*;
pub use mode_preview::*;
pub use revocations::*;
pub use rooms::*;
pub use secrets::*;
pub use streams::*;
pub use watch::*;
pub use webhooks::*;

/// `POST`: mints a token. `{app_id}` is the app's number.
pub const TOKENS_PATH: &str = "/v1/apps/{app_id}/tokens";
/// `GET`: the process is alive.
pub const HEALTH_PATH: &str = "/healthz";
/// `GET`: the process can serve: its store answers.
pub const READY_PATH: &str = "/readyz";

/// `POST`: reads again what may change while the server runs.
pub const RELOAD_PATH: &str = "/v1/reload";

/// A right to ask for. The words are those of the tokens: `login` and `publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PrivilegeName {
    /// May log in to the room.
    Login,
    /// May publish in it.
    Publish,
}

/// The version of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FormatName {
    /// token03: needs a room and privileges; must be enabled for the app.
    #[serde(rename = "03")]
    Token03,
    /// token04: the default.
    #[serde(rename = "04")]
    Token04,
}

/// How a token04 is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CipherName {
    /// AES-256-GCM: the default.
    Gcm,
    /// AES-256-CBC: not authenticated; must be enabled for the app.
    Cbc,
}

/// Asks for a token.
///
/// Without `room_id`, `privileges`, `stream_ids` and `payload` it is an identity token. With `room_id`, it carries
/// exactly the `privileges` named (both, if the member is left out), for the streams named (any, if left out).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MintRequest {
    /// The user who will show the token.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::UserId))]
    pub user_id: String,
    /// The one room it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::RoomId>))]
    pub room_id: Option<String>,
    /// What it grants there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub privileges: Option<Vec<PrivilegeName>>,
    /// The streams it may publish; an empty list is refused as ambiguous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<crate::schema::StreamId>>, min_items = 1))]
    pub stream_ids: Option<Vec<String>>,
    /// A payload of your own, carried byte for byte instead of rights. The gateway does not take such a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// How long it is good for, in seconds; the app's default if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2_073_600))]
    pub ttl_secs: Option<u64>,
    /// The version; `04` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatName>,
    /// The cipher; `gcm` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<CipherName>,
    /// Display name: what the others see, whatever the client says, and the name in the Kit Token. Only the Kit Token
    /// has it where there is no `room_id`, and in token03.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::schema::UserName>))]
    pub user_name: Option<String>,
    /// Whether to wrap the token as a Kit Token too; needs `room_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kit: Option<bool>,
    /// Further terms; they need `room_id` and a token04.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<TokenTerms>,
}

/// What a token carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MediaName {
    /// Sound.
    Audio,
    /// Camera pictures.
    Video,
    /// Screen pictures.
    Screen,
    /// Anything else.
    Data,
}

/// What happens to a session at its token's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenExpiryRule {
    /// It stays, its streams go on.
    Keep,
    /// Its own streams are stopped; it stays.
    StopPublish,
    /// It is removed.
    Kick,
    /// It is removed after `grace_secs`, unless it was renewed.
    Grace,
}

/// Terms of a token beyond the two privileges. What is left out is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenTerms {
    /// Further rooms it is for, beside `room_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<crate::schema::RoomId>>, min_items = 1, max_items = 32))]
    pub room_ids: Option<Vec<String>>,
    /// Whether it lets its user play streams; yes, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play: Option<bool>,
    /// The streams it may play; an empty list is refused as ambiguous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<crate::schema::StreamId>>, min_items = 1))]
    pub play_stream_ids: Option<Vec<String>>,
    /// What its streams may carry; an empty list is refused as ambiguous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub media: Option<Vec<MediaName>>,
    /// How long the right to log in lasts, in seconds; at most as long as the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2_073_600))]
    pub login_ttl_secs: Option<u64>,
    /// How long the right to publish lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2_073_600))]
    pub publish_ttl_secs: Option<u64>,
    /// How long the right to play lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2_073_600))]
    pub play_ttl_secs: Option<u64>,
    /// The longest stay in a room, in seconds from the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2_073_600))]
    pub max_stay_secs: Option<u64>,
    /// What happens to a session at the token's expiry; what the app says, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<TokenExpiryRule>,
    /// The grace time; goes with `grace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 86_400))]
    pub grace_secs: Option<u64>,
    /// Whether it lets its user in once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub single_use: Option<bool>,
    /// Text about the user, for the client and the others: 1 to 1,024 bytes without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 1024))]
    pub metadata: Option<String>,
}

/// A new token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MintResponse {
    /// The token: a secret of its user.
    pub token: String,
    /// Its name for logs and revocation.
    pub token_id: String,
    /// When it was issued, in Unix seconds.
    pub issued_at: i64,
    /// The first second at which it is no longer good.
    pub expire_at: i64,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
    /// The same token with room, user and name readable beside it, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kit_token: Option<String>,
}

impl std::fmt::Debug for MintResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MintResponse")
            .field("token_id", &self.token_id)
            .field("issued_at", &self.issued_at)
            .field("expire_at", &self.expire_at)
            .field("server_time", &self.server_time)
            .finish_non_exhaustive()
    }
}

/// The answer of [`RELOAD_PATH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReloadResponse {
    /// The fields of the configuration whose new values count.
    pub taken_up: Vec<String>,
    /// The fields whose new values count after a restart.
    pub need_restart: Vec<String>,
    /// Whether another TLS certificate is shown from now on.
    pub new_certificate: bool,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// The answer of [`HEALTH_PATH`] and [`READY_PATH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthResponse {
    /// `ok`, or what is missing.
    pub status: String,
    /// Whether the server runs in development mode, with demo credentials.
    pub dev: bool,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}
