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

/// Declares the words once: variant, word, meaning.
macro_rules! words {
    ($(#[doc = $about:literal])+ $Name:ident { $($(#[doc = $doc:literal])+ $name:ident = $word:literal;)* }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $Name { $($(#[doc = $doc])+ #[serde(rename = $word)] $name,)* }

        impl $Name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What that word stands for.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
/// What was done.
AuditAction {
    /// A token was minted, or was not.
    Mint = "mint";
    /// A user logged in to a room, or did not.
    Login = "login";
    /// A user showed a new token in a room.
    Renew = "renew";
    /// A caller was not let through to what was asked for.
    Call = "call";
    /// Tokens were ended early.
    Revoke = "revoke";
    /// Somebody was kept out.
    Ban = "ban";
    /// A ban was lifted.
    LiftBan = "lift_ban";
    /// Users were removed from rooms.
    Kick = "kick";
    /// Everybody was removed from a room.
    CloseRoom = "close_room";
    /// A stream was stopped.
    StopStream = "stop_stream";
    /// Privileges were taken from a live session, or given back.
    Withhold = "withhold";
    /// Something was said to a room, or to a user in it.
    Say = "say";
    /// An app was made.
    CreateApp = "create_app";
    /// An app was taken over from elsewhere.
    ImportApp = "import_app";
    /// The settings of an app were changed.
    UpdateApp = "update_app";
    /// An app got a new server secret.
    RotateSecret = "rotate_secret";
    /// A server secret was ended before its time.
    RetireSecret = "retire_secret";
    /// An AppSign was shown.
    ShowAppSign = "show_app_sign";
    /// An app got a new AppSign.
    ResetAppSign = "reset_app_sign";
    /// The AppSign before the present one was ended before its time.
    RetireAppSign = "retire_app_sign";
    /// A backend key was made.
    CreateKey = "create_key";
    /// A backend key was ended.
    RevokeKey = "revoke_key";
    /// A webhook endpoint was made.
    CreateWebhook = "create_webhook";
    /// A webhook endpoint was changed.
    UpdateWebhook = "update_webhook";
    /// A webhook endpoint got a new signing key.
    RotateWebhookKey = "rotate_webhook_key";
    /// A webhook endpoint was removed.
    RemoveWebhook = "remove_webhook";
    /// Somebody may become an admin.
    InviteAdmin = "invite_admin";
    /// Somebody has become an admin.
    CreateAdmin = "create_admin";
    /// An admin got other roles.
    SetRoles = "set_roles";
    /// An admin was removed.
    RemoveAdmin = "remove_admin";
    /// An admin has a new password.
    SetPassword = "set_password";
    /// An admin has a new second factor.
    SetTotp = "set_totp";
    /// An admin signed in, or did not.
    SignIn = "sign_in";
    /// An admin gave password and second factor again.
    ReAuthenticate = "re_authenticate";
    /// A session of an admin was ended.
    EndSession = "end_session";
    /// Everything was sealed again with another master key.
    RotateMasterKey = "rotate_master_key";
    /// A backup was put in the place of the database.
    Restore = "restore";
    /// The configuration was read again, or was not sound; `details` says what is new.
    Reload = "reload";
    /// Records that were not kept because there were too many; `details` says how many.
    LeaveOut = "leave_out";
}
}

words! {
/// How it ended.
AuditResult {
    /// It was done; void if a record of its failure follows.
    Done = "done";
    /// It was refused.
    Refused = "refused";
    /// It was to be done and was not: the record before it with the same request is void.
    Failed = "failed";
}
}

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
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub action: Option<AuditAction>,
    /// How it ended: `done`, `refused` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub result: Option<AuditResult>,
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
    /// The rights, as in `login,publish with {"max_stay_secs":60} of stream1`.
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
