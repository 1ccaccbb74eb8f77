//! What can happen, as plain data: cheap to make where it happens, turned into text by whoever writes it down.

use std::{borrow::Cow, fmt, sync::Arc};

use roompass_wire::ErrorCode;
use token_gen::{AppId, Privileges, TokenId, UnixSeconds};

use crate::{keys::Caller, limits::Source};

/// Declares the actions once: variant, word, meaning.
macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[doc = $doc])+ $name,)* }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

actions! {
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
    /// An app got a new AppSign.
    ResetAppSign = "reset_app_sign";
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
    /// Records that were not kept because there were too many; `details` says how many.
    LeaveOut = "leave_out";
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done. A change is recorded before it is made, so that none goes without a record: unless a record of
    /// its failure follows.
    Done,
    /// It was refused, for this exact reason.
    Refused(Cow<'static, str>),
    /// It was to be done and was not, for this reason: the record before it with the same request is void.
    Failed(ErrorCode),
}

impl Outcome {
    /// The words for the ends.
    pub const WORDS: [&'static str; 3] = ["done", "refused", "failed"];

    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => Self::WORDS[0],
            Self::Refused(_) => Self::WORDS[1],
            Self::Failed(_) => Self::WORDS[2],
        }
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds a backend key, or an admin who acts through the API of an app.
    Caller(Arc<Caller>),
    /// An operator's key, by its id.
    Operator(Arc<str>),
    /// An admin, by name.
    Admin(Arc<str>),
    /// Somebody at this machine, by the number the system has for them.
    Cli(u32),
    /// A client at the gateway: the user that it says it is.
    Client,
    /// Nobody that we know.
    Stranger,
    /// The server itself.
    Server,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(caller) if caller.key_id.starts_with("admin:") => f.write_str(&caller.key_id),
            Self::Caller(caller) => write!(f, "key:{}", caller.key_id),
            Self::Operator(key_id) => write!(f, "key:{key_id}"),
            Self::Admin(name) => write!(f, "admin:{name}"),
            Self::Cli(uid) => write!(f, "cli:{uid}"),
            Self::Client => f.write_str("client"),
            Self::Stranger => f.write_str("stranger"),
            Self::Server => f.write_str("server"),
        }
    }
}

/// Names a request: a random beginning for this process, then a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    /// Differs between processes.
    pub process: u32,
    /// Counts the requests of one.
    pub count: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.process, self.count)
    }
}

/// Who asks, where from, and with which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who.
    pub actor: Actor,
    /// Where from, where that is known.
    pub source: Option<Source>,
    /// The request, if it came as one.
    pub request_id: Option<RequestId>,
}

impl Origin {
    /// The server itself.
    pub const SERVER: Self = Self { actor: Actor::Server, source: None, request_id: None };

    /// Somebody at this machine.
    pub fn cli() -> Self {
        Self { actor: Actor::Cli(rustix::process::getuid().as_raw()), ..Self::SERVER }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What was done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// The app it was about.
    pub app_id: Option<AppId>,
    /// The user it was about.
    pub user_id: Option<String>,
    /// The room it was about.
    pub room_id: Option<String>,
    /// The token it was about; never the token itself.
    pub token_id: Option<TokenId>,
    /// What else it was about: a secret, a key, a ban, an admin.
    pub target: Option<String>,
    /// The rights that were given.
    pub privileges: Option<Privileges>,
    /// The streams they are for; any, if `None`.
    pub stream_ids: Option<Vec<String>>,
    /// When what was made ends.
    pub expire_at: Option<UnixSeconds>,
    /// The session at the gateway.
    pub session_id: Option<String>,
    /// What else there is to say.
    pub details: Option<Cow<'static, str>>,
}

impl Event {
    /// Something done, about nothing yet.
    pub const fn new(action: Action) -> Self {
        Self {
            action,
            outcome: Outcome::Done,
            app_id: None,
            user_id: None,
            room_id: None,
            token_id: None,
            target: None,
            privileges: None,
            stream_ids: None,
            expire_at: None,
            session_id: None,
            details: None,
        }
    }

    /// Something done in an app.
    pub fn of(action: Action, app_id: AppId) -> Self {
        Self { app_id: Some(app_id), ..Self::new(action) }
    }

    /// The same about `target`.
    #[must_use]
    pub fn about(self, target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    /// The same, refused.
    #[must_use]
    pub fn refused(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { outcome: Outcome::Refused(reason.into()), ..self }
    }

    /// The same with something to say.
    #[must_use]
    pub fn saying(self, details: impl Into<Cow<'static, str>>) -> Self {
        Self { details: Some(details.into()), ..self }
    }
}
