//! What can happen, as plain data: cheap to make where it happens, turned into text by whoever writes it down.

use std::{borrow::Cow, fmt, sync::Arc};

use roompass_wire::ErrorCode;
pub use roompass_wire::http::AuditAction as Action;
use roompass_wire::http::{AuditResult, TokenTerms};
use token_gen::{AppId, Privileges, TokenId, UnixSeconds};

use crate::{keys::Caller, limits::Source};

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
    /// The same without the reason.
    pub const fn result(&self) -> AuditResult {
        match self {
            Self::Done => AuditResult::Done,
            Self::Refused(_) => AuditResult::Refused,
            Self::Failed(_) => AuditResult::Failed,
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
    /// What else limits them; shown without what it says about the user.
    pub terms: Option<Box<TokenTerms>>,
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
            terms: None,
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
