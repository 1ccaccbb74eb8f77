//! Admins of the console: set-up, sign-in, sessions, roles.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// `POST`: shows what to enter into an authenticator app, for a set-up code.
pub const SETUP_BEGIN_PATH: &str = "/v1/admin/setup/begin";
/// `GET`: whether there is an admin. `POST`: spends a set-up code, makes the admin, signs in.
pub const SETUP_PATH: &str = "/v1/admin/setup";
/// `POST`: signs in.
pub const SIGN_IN_PATH: &str = "/v1/admin/sign-in";
/// `POST`: ends the session.
pub const SIGN_OUT_PATH: &str = "/v1/admin/sign-out";
/// `GET`: the session that asks.
pub const SESSION_PATH: &str = "/v1/admin/session";
/// `GET`: where the admin is signed in.
pub const SESSIONS_PATH: &str = "/v1/admin/sessions";
/// `DELETE`: ends one of the admin's sessions.
pub const SESSION_ID_PATH: &str = "/v1/admin/sessions/{session_id}";
/// `POST`: proves password and second factor again, for what needs a recent sign-in.
pub const RE_AUTHENTICATE_PATH: &str = "/v1/admin/re-authenticate";
/// `POST`: sets a new password. Ends every session of the admin.
pub const PASSWORD_PATH: &str = "/v1/admin/password";
/// `POST`: begins a new second factor. `PUT`: takes it. Ends every session of the admin.
pub const TOTP_PATH: &str = "/v1/admin/totp";
/// `GET`: lists admins. `POST`: invites one.
pub const ADMINS_PATH: &str = "/v1/admin/admins";
/// `PATCH`: changes the roles of an admin, whose sessions end. `DELETE`: removes an admin.
pub const ADMIN_PATH: &str = "/v1/admin/admins/{name}";

/// The header that carries [`SessionResponse::csrf_token`] in every request that changes something.
pub const CSRF_HEADER: &str = "x-roompass-csrf";

/// What an admin may do. Each may do what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look, introspect, explain.
    Viewer,
    /// Change apps, keys, bans; mint and revoke.
    Admin,
    /// Everything; over all apps, that includes other admins.
    Owner,
}

/// What an admin may do where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// In every app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everywhere: Option<Role>,
    /// In single apps, by number; the greater role counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<u32, Role>,
}

/// Asks for a new second factor with a set-up code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetupBeginRequest {
    /// The set-up code.
    pub code: String,
}

/// A new second factor, to be confirmed with a code from it within 15 minutes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolmentResponse {
    /// The secret in base32, for typing in.
    pub totp_secret: String,
    /// The same as an `otpauth:` address, for a QR code.
    pub totp_uri: String,
    /// Comes back with the code.
    pub enrolment: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Makes an admin with a set-up code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// The set-up code; works once.
    pub code: String,
    /// The name to sign in with: that of the invitation, if it had one.
    pub name: String,
    /// 12 to 128 characters.
    pub password: String,
    /// From [`EnrolmentResponse`].
    pub enrolment: String,
    /// The code that the authenticator app shows.
    pub totp: String,
}

/// Whether the console was set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetupResponse {
    /// Whether there is an admin.
    pub done: bool,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Signs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// The admin's name.
    pub name: String,
    /// The password.
    pub password: String,
    /// The code that the authenticator app shows.
    pub totp: String,
}

/// Proves password and second factor again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReAuthenticateRequest {
    /// The password.
    pub password: String,
    /// The code that the authenticator app shows.
    pub totp: String,
}

/// Sets a new password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// 12 to 128 characters.
    pub password: String,
}

/// Takes a new second factor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TotpRequest {
    /// From [`EnrolmentResponse`].
    pub enrolment: String,
    /// The code that the authenticator app shows.
    pub totp: String,
}

/// The session that asks. Its credential is a cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionResponse {
    /// Names the session.
    pub session_id: String,
    /// Whose it is.
    pub name: String,
    /// What the admin may do.
    pub roles: Roles,
    /// Goes into [`CSRF_HEADER`] of every request that changes something.
    pub csrf_token: String,
    /// When it ends at the latest, in Unix seconds; earlier, when nothing is asked for 30 minutes.
    pub expire_at: i64,
    /// Until when the sign-in is recent enough for secrets, rotation and roles, in Unix seconds.
    pub sudo_until: i64,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionItem {
    /// Names it.
    pub session_id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Where it was signed in from.
    pub source: String,
    /// When it was signed in, in Unix seconds.
    pub created_at: i64,
    /// When it was last used, to the minute, in Unix seconds.
    pub seen_at: i64,
    /// When it ends at the latest, in Unix seconds.
    pub expire_at: i64,
}

/// Where an admin is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionsResponse {
    /// Newest first.
    pub sessions: Vec<SessionItem>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// An admin in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdminItem {
    /// The name to sign in with.
    pub name: String,
    /// What the admin may do.
    pub roles: Roles,
    /// When the admin was made, in Unix seconds.
    pub created_at: i64,
}

/// A page of admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdminsResponse {
    /// By name.
    pub admins: Vec<AdminItem>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Invites an admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// The name to sign in with: 1 to 64 of `a`–`z`, `0`–`9`, `.`, `_`, `@`, `-`.
    pub name: String,
    /// What the admin may do.
    pub roles: Roles,
}

/// An invitation, shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteResponse {
    /// What to open, once, to become an admin. Hand it over by a way that nobody else reads.
    pub setup_link: String,
    /// When it ends, in Unix seconds.
    pub expire_at: i64,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Changes the roles of an admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RolesRequest {
    /// What the admin may do from now on.
    pub roles: Roles,
}

/// Something was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DoneResponse {
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Types that hold a credential print their name only.
macro_rules! hide {
    ($($type:ident),* $(,)?) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    )*};
}

hide!(
    SetupBeginRequest,
    EnrolmentResponse,
    SetupRequest,
    SignInRequest,
    ReAuthenticateRequest,
    PasswordRequest,
    TotpRequest,
    SessionResponse,
    InviteResponse,
);
