//! Asking about a token: whether it is active, and why a login with it is refused.

use serde::{Deserialize, Serialize};

use super::{Ban, CipherName, FormatName, PrivilegeName, Revocation};
use crate::ErrorCode;

/// `POST`: whether a token is active (RFC 7662, in JSON).
pub const INTROSPECT_PATH: &str = "/v1/apps/{app_id}/tokens/introspect";
/// `POST`: why a login with a token is refused, and what to do about it.
pub const EXPLAIN_PATH: &str = "/v1/apps/{app_id}/tokens/explain";

/// Asks whether a token is active.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IntrospectRequest {
    /// The token, or a Kit Token, whose readable half is ignored.
    pub token: String,
}

impl std::fmt::Debug for IntrospectRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IntrospectRequest(..)")
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntrospectResponse {
    /// Genuine, of this app, not expired, not revoked.
    Active(Box<ActiveToken>),
    /// The same but revoked, which only those hear who may ask about tokens of the app.
    Revoked(Box<ActiveToken>),
    /// Anything else. The answer is `{"active":false}` and nothing more, whatever the reason.
    Inactive,
}

/// A token that is genuine and in its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActiveToken {
    /// Whether it is good: `true` unless it is revoked.
    pub active: bool,
    /// Its name for logs and revocation.
    pub token_id: String,
    /// The app.
    pub app_id: u32,
    /// The user.
    pub user_id: String,
    /// The one room it is for; absent if it is good for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// What it grants there.
    pub privileges: Vec<PrivilegeName>,
    /// The streams it may publish; absent for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_ids: Option<Vec<String>>,
    /// What else it sets; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<ShownTerms>,
    /// The payload of a token04, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Its version.
    pub format: FormatName,
    /// How it is sealed.
    pub cipher: CipherName,
    /// The secret of the app's ring that opened it.
    pub secret_id: String,
    /// When it was issued, in Unix seconds.
    pub issued_at: i64,
    /// The first second at which it is no longer good.
    pub expire_at: i64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

#[derive(Serialize, Deserialize)]
struct Active {
    active: bool,
}

impl Serialize for IntrospectResponse {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Active(token) | Self::Revoked(token) => token.serialize(serializer),
            Self::Inactive => Active { active: false }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for IntrospectResponse {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Read {
            Full(Box<ActiveToken>),
            Bare(Active),
        }
        match Read::deserialize(deserializer)? {
            Read::Full(token) if token.active => Ok(Self::Active(token)),
            Read::Full(token) if token.revoked => Ok(Self::Revoked(token)),
            Read::Bare(Active { active: true }) => Err(serde::de::Error::custom("active, but nothing about the token")),
            _ => Ok(Self::Inactive),
        }
    }
}

/// Asks why a login is refused: the token, and what was attempted with it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// The token or Kit Token, as the client has it.
    pub token: String,
    /// The user who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The room logged in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The stream to be published there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// The address the client comes from, to look for bans of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
}

impl std::fmt::Debug for ExplainRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExplainRequest")
            .field("user_id", &self.user_id)
            .field("room_id", &self.room_id)
            .field("stream_id", &self.stream_id)
            .finish_non_exhaustive()
    }
}

/// Whether the attempt would succeed now, and everything that stands in its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplainResponse {
    /// Whether it would succeed now.
    pub admitted: bool,
    /// What the client would be told; absent if it is admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// Everything that is wrong, with remedies, the decisive fault first; empty exactly when it is admitted.
    pub findings: Vec<Finding>,
    /// The token's name.
    pub token_id: String,
    /// The secret of the app's ring that opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<String>,
    /// Its version, as far as it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatName>,
    /// How it is sealed, as far as it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<CipherName>,
    /// What it says, as far as it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<ExplainedClaims>,
    /// The revocation that ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<Revocation>,
    /// The ban that keeps the user out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned_by: Option<Ban>,
    /// The session that the token, which is good for one login, has let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// One fault, and its remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// The stable code.
    pub code: String,
    /// What is wrong, with the values at hand.
    pub problem: String,
    /// What to do about it, and where.
    pub remedy: String,
}

/// What a token says, also one that is refused. Proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplainedClaims {
    /// The app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<i64>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// When it was issued, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<i64>,
    /// When it ends, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<i64>,
    /// The payload of a token04.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The room it is for; `""` for any; absent for an identity token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// What it grants there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileges: Option<Vec<String>>,
    /// The streams it may publish; absent for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_ids: Option<Vec<String>>,
    /// What else it sets; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<ShownTerms>,
}

/// What a token sets beyond the two privileges. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownTerms {
    /// The rooms it is for, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_ids: Option<Vec<String>>,
    /// `false` where playing is denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play: Option<bool>,
    /// The streams it may play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play_stream_ids: Option<Vec<String>>,
    /// What its streams may carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<String>>,
    /// When the right to log in ends, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_until: Option<i64>,
    /// When the right to publish ends, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_until: Option<i64>,
    /// When the right to play ends, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play_until: Option<i64>,
    /// The longest stay, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stay_secs: Option<u64>,
    /// What happens to a session at its expiry: `keep`, `stop_publish`, `kick` or `grace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<String>,
    /// The grace time, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_secs: Option<u64>,
    /// `true` where it lets its user in once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub single_use: Option<bool>,
    /// The name that others see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// What the minter says about the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}
