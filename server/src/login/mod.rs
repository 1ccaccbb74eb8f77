//! Who may come in, and with which rights: the decision about what a login presented.
//!
//! Pure: `now` and everything else it needs come in as arguments. [`decide`] is the mode table of the wire
//! reference. Every refusal carries the exact reason, for the log, beside the code that the client may be told.

pub mod preview;
#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD};
use roompass_wire::{
    ErrorCode,
    gateway::{AppSignProof, AuthKind},
};
use token_gen::{CHALLENGE_LEN, Denied, LoginProof, Privilege, Rights, TokenId, UnixSeconds};

use crate::{
    apps::{App, AppSettings, AuthMode, BothCredentials, CountedAppSign},
    tokens::{self, Attempt, Checked, Tokens},
};
pub use tokens::permit_publish;

/// The exact reason of a refusal by revocation, whatever the client is told.
const REVOKED: &str = "revoked";
/// How far the timestamp of an AppSign proof may be from `now`.
const PROOF_WINDOW_SECS: u64 = 30;

/// Why a credential does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is told.
    pub code: ErrorCode,
    /// Which rule said no, where the client may be told that too.
    pub reason: Option<&'static str>,
    /// What really happened, for the log.
    pub exact: &'static str,
}

impl Refusal {
    /// A refusal whose code says everything.
    pub const fn of(code: ErrorCode) -> Self {
        Self { code, reason: None, exact: code.as_str() }
    }

    const fn because(code: ErrorCode, exact: &'static str) -> Self {
        Self { code, reason: None, exact }
    }
}

impl From<tokens::Refusal> for Refusal {
    fn from(refusal: tokens::Refusal) -> Self {
        Self { code: refusal.code(), reason: refusal.reason(), exact: refusal.exact() }
    }
}

/// The token that a session goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// Its name.
    pub token_id: TokenId,
    /// The secret of the app's ring that opened it.
    pub secret_id: String,
    /// When it was minted.
    pub issued_at: UnixSeconds,
    /// The first second at which it is no longer good.
    pub expire_at: UnixSeconds,
    /// What it lets its user do.
    pub rights: Rights,
    /// Whether it was proven genuine; if not, its holder is told nothing about its inside.
    is_authentic: bool,
}

impl SessionToken {
    /// Opens `token` for `attempt`: genuine, of this app, good at `now`, not revoked, of this user, with readable rights.
    ///
    /// # Errors
    /// The first failure, in that order.
    pub fn open(
        tokens: &Tokens,
        app: &App,
        token: &str,
        attempt: Attempt<'_>,
        now: UnixSeconds,
    ) -> Result<Self, Refusal> {
        Ok(tokens.check(app, token, attempt, now)?.into())
    }

    /// What was opened before, on another node.
    pub(crate) fn restored(
        token_id: TokenId,
        secret_id: String,
        [issued_at, expire_at]: [UnixSeconds; 2],
        rights: Rights,
        is_authentic: bool,
    ) -> Self {
        Self { token_id, secret_id, issued_at, expire_at, rights, is_authentic }
    }

    /// Whether it was proven genuine.
    pub(crate) fn is_authentic(&self) -> bool {
        self.is_authentic
    }

    /// Whether it lets its user log in to `room_id`.
    ///
    /// # Errors
    /// [`ErrorCode::LoginDenied`] with the rule that says no.
    pub fn permit_login(&self, room_id: &str, now: UnixSeconds) -> Result<(), Refusal> {
        let permitted = self.rights.permit_login(room_id).and_then(|()| self.rights.login_in_time(now));
        permitted.map_err(|denied| self.deny_login(denied))
    }

    /// Whether it is for `room_id` at all: what a renewal needs.
    ///
    /// # Errors
    /// [`ErrorCode::LoginDenied`] for another room.
    pub fn covers_room(&self, room_id: &str) -> Result<(), Refusal> {
        if self.rights.covers_room(room_id) { Ok(()) } else { Err(self.deny_login(Denied::Room)) }
    }

    fn deny_login(&self, denied: Denied) -> Refusal {
        if self.is_authentic { login_denied(denied) } else { Refusal::because(ErrorCode::TokenInvalid, denied.code()) }
    }
}

impl From<Checked> for SessionToken {
    fn from(checked: Checked) -> Self {
        Self {
            token_id: checked.token_id,
            is_authentic: checked.is_authentic(),
            secret_id: checked.secret_id,
            issued_at: checked.claims.issued_at,
            expire_at: checked.claims.expire_at,
            rights: checked.rights,
        }
    }
}

fn login_denied(denied: Denied) -> Refusal {
    Refusal { code: ErrorCode::LoginDenied, reason: Some(denied.code()), exact: denied.code() }
}

/// Where and when an AppSign proof is presented: it is good for nothing else.
#[derive(Debug, Clone, Copy)]
pub struct ProofContext<'a> {
    /// The origins under which clients reach this server.
    pub server_origins: &'a [String],
    /// What the server sent on this connection; used once.
    pub challenge: &'a [u8; CHALLENGE_LEN],
    /// The user logging in.
    pub user_id: &'a str,
    /// The room logged in to.
    pub room_id: &'a str,
    /// The current time.
    pub now: UnixSeconds,
}

/// The AppSign of the app that `proof` shows possession of, here and now.
///
/// # Errors
/// [`ErrorCode::AppSignWrong`], whatever is wrong.
pub fn check_app_sign<'a>(
    app: &'a App,
    proof: &AppSignProof,
    context: ProofContext<'_>,
) -> Result<&'a CountedAppSign, Refusal> {
    let wrong = |exact| Err(Refusal::because(ErrorCode::AppSignWrong, exact));
    if proof.timestamp.abs_diff(context.now.get()) > PROOF_WINDOW_SECS {
        return wrong("proof_timestamp");
    }
    let Ok(bytes) = STANDARD.decode(&proof.proof) else {
        return wrong("proof_base64");
    };
    let proven = context.server_origins.iter().find_map(|server_origin| {
        let login = LoginProof {
            server_origin,
            app_id: app.app_id(),
            user_id: context.user_id,
            room_id: context.room_id,
            challenge: context.challenge,
            timestamp: proof.timestamp.into(),
        };
        app.app_signs(context.now).find(|entry| login.verify(entry.app_sign(), &bytes))
    });
    proven.map_or_else(|| wrong("proof"), Ok)
}

/// What a login presented, each checked on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The token, if one was sent, and whether it lets its user into this room.
    pub token: Option<Result<SessionToken, Refusal>>,
    /// Whether an AppSign proof was sent, and whether it is right.
    pub app_sign: Option<Result<(), Refusal>>,
}

/// What a session may do, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The token's: the user id is proven.
    Token(SessionToken),
    /// The app's rights for AppSign sessions: the app is proven, the user id is not. Never expires, never renews.
    AppSign(Rights),
}

impl Grant {
    fn app_sign(settings: &AppSettings) -> Result<Self, Refusal> {
        if !settings.app_sign_privileges.contains(Privilege::Login) {
            return Err(login_denied(Denied::Privilege(Privilege::Login)));
        }
        Ok(Self::AppSign(settings.app_sign_rights()))
    }

    /// Which credential it rests on.
    pub fn auth(&self) -> AuthKind {
        match self {
            Self::Token(_) => AuthKind::Token,
            Self::AppSign(_) => AuthKind::AppSign,
        }
    }

    /// The rights.
    pub fn rights(&self) -> &Rights {
        match self {
            Self::Token(token) => &token.rights,
            Self::AppSign(rights) => rights,
        }
    }

    /// The token, if there is one.
    pub fn token(&self) -> Option<&SessionToken> {
        match self {
            Self::Token(token) => Some(token),
            Self::AppSign(_) => None,
        }
    }
}

/// A login that may go on to the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What the session may do.
    pub grant: Grant,
    /// Why the other credential, if one was sent, did not count.
    pub other_credential: Option<Refusal>,
}

/// The mode table: the mode of the app × what was presented → admission, or the refusal that answers.
///
/// # Errors
/// The refusal of the credential that the mode asks for.
pub fn decide(settings: &AppSettings, presented: Presented) -> Result<Admission, Refusal> {
    let by_token = |token, other_credential| Ok(Admission { grant: Grant::Token(token), other_credential });
    let by_app_sign = |other_credential| Grant::app_sign(settings).map(|grant| Admission { grant, other_credential });
    let Presented { token, app_sign } = presented;
    match settings.mode {
        AuthMode::AppSign => match (app_sign, token) {
            (None, _) => Err(Refusal::of(ErrorCode::AppSignMissing)),
            (Some(Err(refusal)), _) | (Some(Ok(())), Some(Err(refusal))) => Err(refusal),
            (Some(Ok(())), Some(Ok(token))) => by_token(token, None),
            (Some(Ok(())), None) => by_app_sign(None),
        },
        AuthMode::TokenPreferred => match (token, app_sign) {
            (None, None) => Err(Refusal::of(ErrorCode::TokenMissing)),
            (None, Some(Ok(()))) => by_app_sign(None),
            (None, Some(Err(refusal))) => Err(refusal),
            (Some(Ok(token)), app_sign) => by_token(token, app_sign.and_then(Result::err)),
            // Whom the operator shut out does not come in by the weaker credential shown beside.
            (Some(Err(refusal)), Some(Ok(())))
                if settings.both_credentials == BothCredentials::Either && refusal.exact != REVOKED =>
            {
                by_app_sign(Some(refusal))
            }
            (Some(Err(refusal)), _) => Err(refusal),
        },
        AuthMode::TokenOnly => match (token, app_sign) {
            (None, None) => Err(Refusal::of(ErrorCode::TokenMissing)),
            (None, Some(_)) => Err(Refusal::of(ErrorCode::AppSignRefused)),
            (Some(Ok(token)), app_sign) => by_token(token, app_sign.map(|_| Refusal::of(ErrorCode::AppSignRefused))),
            (Some(Err(refusal)), _) => Err(refusal),
        },
    }
}
