//! Whether a token is good now: the one road for logins, renewals, introspection and explanations.

use roompass_wire::ErrorCode;
use token_gen::{
    Cipher, Claims, Denied, Format, PublicRefusal, RefusalClass, Refused, Rights, RoomScope, StreamScope, TokenError,
    TokenId, UnixSeconds,
};

use tracing::field::Empty;

use super::{
    Tokens,
    cbc::{self, Gate},
};
use crate::{
    apps::{App, AppSettings, CbcPolicy, EmptyStreamList, VerifiedBy},
    entry_id::EntryId,
    revocations::Subject,
    telemetry::traces::TARGET,
};

/// What a token is shown for, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// Who shows it; must be the user sealed in it.
    pub user_id: Option<&'a str>,
    /// The room it is shown in: revocations of that room count, also for a token that names no room.
    pub room_id: Option<&'a str>,
    /// Where it is shown from: an address, or the key of a backend that asks. Without it, CBC tokens are refused
    /// unread: their failures must be counted against somebody.
    pub source: Option<&'a str>,
}

/// A token that is good now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its name.
    pub token_id: TokenId,
    /// The secret of the app's ring that opened it.
    pub secret_id: String,
    /// The form it came in.
    pub format: Format,
    /// What it says.
    pub claims: Claims,
    /// What it lets its user do: its own rights, or those the app gives identity tokens.
    pub rights: Rights,
    /// Whether it was proven genuine.
    is_authentic: bool,
}

/// Why a token does not do. Printing it is for the log; strangers get [`Refusal::code`] and [`Refusal::reason`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is really wrong.
    pub fault: Fault,
    /// Whether the token was proven genuine; if not, its holder is told nothing about its inside.
    is_authentic: bool,
}

/// What is wrong with a token, or with us, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Our clock is behind the time our data has seen, so that nothing can be said to be unexpired.
    ClockBehind,
    /// Revocations made on other nodes may be missing here.
    Stale,
    /// No secret that we know opens it, and another node may have made one that we have not heard of.
    SecretsStale,
    /// The app is switched off.
    AppDisabled,
    /// There is no token.
    Missing,
    /// It is not valid.
    Refused(Refused),
    /// It is in a CBC format of which only those minted here are taken, and this is none of them.
    NotIssued,
    /// It is in a CBC format, and too many of those failed from this source.
    CbcBudget,
    /// It was revoked.
    Revoked(EntryId),
    /// It is of another user.
    User,
    /// Its payload is not of the privilege form.
    Payload(TokenError),
    /// It is an identity token, and the app refuses those.
    PrivilegeTokenRequired,
    /// It does not grant this.
    Denied(Denied),
}

impl Refusal {
    fn of_us(fault: Fault) -> Self {
        Self { fault, is_authentic: false }
    }

    /// What the one who showed the token is told. A revoked token is called so only where it is proven genuine: of
    /// others, nobody shall learn more than that they were refused.
    pub fn code(&self) -> ErrorCode {
        let inside = |code| if self.is_authentic { code } else { ErrorCode::TokenInvalid };
        match &self.fault {
            Fault::ClockBehind => ErrorCode::ClockBehind,
            Fault::Stale | Fault::SecretsStale => ErrorCode::Unavailable,
            Fault::AppDisabled => ErrorCode::AppDisabled,
            Fault::Missing => ErrorCode::TokenMissing,
            Fault::Refused(refused) if self.is_authentic && refused.class() == RefusalClass::Expired => {
                ErrorCode::TokenExpired
            }
            Fault::Refused(refused) => match refused.public() {
                PublicRefusal::Expired => ErrorCode::TokenExpired,
                PublicRefusal::Version => ErrorCode::TokenVersion,
                PublicRefusal::Invalid => ErrorCode::TokenInvalid,
            },
            Fault::NotIssued | Fault::CbcBudget | Fault::Payload(_) => ErrorCode::TokenInvalid,
            Fault::Revoked(_) => inside(ErrorCode::TokenRevoked),
            Fault::User => inside(ErrorCode::TokenUserMismatch),
            Fault::PrivilegeTokenRequired | Fault::Denied(_) => inside(ErrorCode::LoginDenied),
        }
    }

    /// Which rule said no, where that may be told.
    pub fn reason(&self) -> Option<&'static str> {
        match &self.fault {
            Fault::Denied(denied) if self.is_authentic => Some(denied.code()),
            _ => None,
        }
    }

    /// What really happened, for the log.
    pub fn exact(&self) -> &'static str {
        match &self.fault {
            Fault::ClockBehind => "clock_behind",
            Fault::Stale => "revocations_stale",
            Fault::SecretsStale => "secrets_stale",
            Fault::AppDisabled => "app_disabled",
            Fault::Missing => "token_missing",
            Fault::Refused(refused) => refused.reason().code(),
            Fault::NotIssued => "not_issued",
            Fault::CbcBudget => "cbc_budget",
            Fault::Revoked(_) => "revoked",
            Fault::User => "user_mismatch",
            Fault::Payload(error) => error.code(),
            Fault::PrivilegeTokenRequired => "privilege_token_required",
            Fault::Denied(denied) => denied.code(),
        }
    }

    /// Whether it says something about us and nothing about the token.
    pub fn is_ours(&self) -> bool {
        matches!(self.fault, Fault::ClockBehind | Fault::Stale | Fault::SecretsStale)
    }
}

impl Tokens {
    /// Whether `token` is good at `now`: genuine, of this app, in its time, not revoked, of the user who shows it,
    /// with readable rights. Rooms and bans are for the caller to ask about, see [`Checked`] and [`crate::bans`].
    ///
    /// # Errors
    /// The first failure, in that order.
    pub fn check(&self, app: &App, token: &str, attempt: Attempt<'_>, now: UnixSeconds) -> Result<Checked, Refusal> {
        let span = tracing::info_span!(target: TARGET, "verify", app_id = %app.app_id(), reason = Empty).entered();
        let checked = self.judge(app, token, attempt, now);
        match &checked {
            Ok(good) => self.metrics.tokens.verified(app.app_id(), app.is_active(&good.secret_id)),
            Err(refusal) => {
                span.record("reason", refusal.exact());
                self.metrics.tokens.refused(app.app_id(), refusal.exact());
            }
        }
        checked
    }

    /// Whether it is known by whom no credential counts any more. Without that, nobody is let in by any.
    ///
    /// # Errors
    /// The view of revocations is stale.
    pub fn know_revocations(&self, now: UnixSeconds) -> Result<(), Refusal> {
        if self.revocations.is_stale(now) { Err(Refusal::of_us(Fault::Stale)) } else { Ok(()) }
    }

    fn judge(&self, app: &App, token: &str, attempt: Attempt<'_>, now: UnixSeconds) -> Result<Checked, Refusal> {
        if !self.trusts(now) {
            return Err(Refusal::of_us(Fault::ClockBehind));
        }
        self.know_revocations(now)?;
        let settings = app.settings();
        if !settings.enabled {
            return Err(Refusal::of_us(Fault::AppDisabled));
        }
        if token.is_empty() {
            return Err(Refusal::of_us(Fault::Missing));
        }
        // Of CBC tokens, then, only those are read that are as they were minted.
        let is_noted = settings.cbc_policy == CbcPolicy::IssuedOnly;
        let opened = self.open(app, token, attempt, now).map_err(|fault| match &fault {
            Fault::Refused(refused) if refused.class() == RefusalClass::BadCiphertext && self.may_miss_secrets(now) => {
                Refusal::of_us(Fault::SecretsStale)
            }
            _ => Refusal { fault, is_authentic: is_noted },
        })?;
        let claims = opened.verified.claims;
        let is_authentic = is_noted || opened.verified.format.cipher() == Cipher::Gcm;
        let refuse = |fault| Err(Refusal { fault, is_authentic });

        let token_id = TokenId::of(token);
        let own_rights = claims.rights();
        let own_room = own_rights.as_ref().ok().and_then(Option::as_ref).and_then(|rights| match rights.room() {
            RoomScope::Only(room_id) => Some(&**room_id),
            // Which of them counts is where it is shown.
            RoomScope::Several(_) | RoomScope::Any => None,
        });
        let room_id = own_room.or(attempt.room_id);
        let subject = Subject { token_id, user_id: &claims.user_id, room_id, issued_at: claims.issued_at };
        if let Some(entry) = self.revocations.find(app.app_id(), &subject) {
            return refuse(Fault::Revoked(entry));
        }
        if attempt.user_id.is_some_and(|user_id| user_id != claims.user_id) {
            return refuse(Fault::User);
        }
        let rights = match own_rights {
            Ok(Some(rights)) => rights,
            Ok(None) if settings.require_privilege_token => return refuse(Fault::PrivilegeTokenRequired),
            Ok(None) => settings.identity_rights(),
            Err(error) => return refuse(Fault::Payload(error)),
        };
        let format = opened.verified.format;
        Ok(Checked { token_id, secret_id: opened.secret_id, format, claims, rights, is_authentic })
    }

    /// What a revoked token says, if its tag proves it: for the app whose it is, and for no decision.
    pub fn open_revoked(&self, app: &App, token: &str, now: UnixSeconds) -> Option<Checked> {
        let VerifiedBy { verified, secret_id } = app.verify(token, now).ok()?;
        let (claims, format) = (verified.claims, verified.format);
        let identity = || app.settings().identity_rights();
        let rights = claims.rights().ok()?.unwrap_or_else(identity);
        Some(Checked { token_id: TokenId::of(token), secret_id, format, claims, rights, is_authentic: true })
    }

    fn open(&self, app: &App, token: &str, attempt: Attempt<'_>, now: UnixSeconds) -> Result<VerifiedBy, Fault> {
        let refused = match app.verify(token, now) {
            Err(refused) if cbc::may_be_cbc(&refused) => refused,
            decided => return decided.map_err(Fault::Refused),
        };
        let Some(source) = attempt.source else { return Err(Fault::Refused(refused)) };
        match self.cbc.open(app, &self.issued, token, source, now) {
            Gate::Closed => Err(Fault::Refused(refused)),
            Gate::Unknown => Err(Fault::NotIssued),
            Gate::Shut => Err(Fault::CbcBudget),
            Gate::Open(opened) => opened.map_err(Fault::Refused),
        }
    }
}

impl Checked {
    /// Whether it was proven genuine, by its tag or by the ledger of what was minted here.
    pub fn is_authentic(&self) -> bool {
        self.is_authentic
    }

    /// Whether it lets its user log in to `room_id`.
    ///
    /// # Errors
    /// [`Fault::Denied`].
    pub fn permit_login(&self, room_id: &str, now: UnixSeconds) -> Result<(), Refusal> {
        let permitted = self.rights.permit_login(room_id).and_then(|()| self.rights.login_in_time(now));
        permitted.map_err(|denied| self.deny(denied))
    }

    /// Whether it is for `room_id` at all: what a renewal needs.
    ///
    /// # Errors
    /// [`Fault::Denied`] for another room.
    pub fn covers_room(&self, room_id: &str) -> Result<(), Refusal> {
        if self.rights.covers_room(room_id) { Ok(()) } else { Err(self.deny(Denied::Room)) }
    }

    fn deny(&self, denied: Denied) -> Refusal {
        Refusal { fault: Fault::Denied(denied), is_authentic: self.is_authentic() }
    }
}

/// Whether `rights` let their holder publish `stream_id` in `room_id`, under this app's reading of an empty list.
///
/// # Errors
/// The first rule that says no.
pub fn permit_publish(settings: &AppSettings, rights: &Rights, room_id: &str, stream_id: &str) -> Result<(), Denied> {
    let lists_no_stream = || matches!(rights.streams(), StreamScope::Only(list) if list.is_empty());
    match rights.permit_publish(room_id, stream_id) {
        Err(Denied::Stream) if lists_no_stream() && settings.empty_stream_list == EmptyStreamList::Any => Ok(()),
        decided => decided,
    }
}
