//! What can go wrong with a request, and which public code that is. Knows no status numbers and no HTTP.

use std::{borrow::Cow, time::Duration};

use roompass_wire::ErrorCode;
use token_gen::TokenError;

use crate::{admin::Version, apps::uses::NoMint, keys::Right, sealing::SealError, store::StoreError};

/// Why a request was not done. The text is for the caller; causes of failures on our side stay in `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read.
    #[error("{0}")]
    BadRequest(String),
    /// A field is not acceptable.
    #[error("{reason}")]
    Field {
        /// Which code says so: mostly [`ErrorCode::FieldInvalid`].
        code: ErrorCode,
        /// The field, as written in the body.
        field: Cow<'static, str>,
        /// What it must be. Never repeats the value.
        reason: String,
    },
    /// The body is too large.
    #[error("the body may have {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// The body is not said to be JSON.
    #[error("the body must be `application/json`")]
    UnsupportedMediaType,
    /// No caller, or none that we know. One refusal for every reason.
    #[error("no known caller")]
    Unauthorized,
    /// The caller lacks a right.
    #[error("the key lacks the right `{0}`")]
    Forbidden(Right),
    /// The caller may not, for a reason that is no missing right of a key.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// The admin must give password and second factor again.
    #[error("give password and second factor again: this needs a sign-in of the last few minutes")]
    StaleSignIn,
    /// Too much at once.
    #[error("too many requests")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// All hands are busy.
    #[error("too many requests are under way")]
    Busy,
    /// There is no such app, or none the caller may know of.
    #[error("no such app")]
    AppUnknown,
    /// The app is switched off.
    #[error("the app is switched off")]
    AppDisabled,
    /// What is named is not there.
    #[error("there is nothing by that name")]
    NotFound,
    /// It is not here, and may be on a node that could not be asked.
    #[error("it is not on this node, and not all other nodes could be asked")]
    NodesUnreached,
    /// The same, of a thing that has a word for it.
    #[error("no such {0}")]
    Missing(&'static str),
    /// It was changed since the caller read it.
    #[error("the {what} is at version {version}: read it again, then decide")]
    Changed {
        /// What it is.
        what: &'static str,
        /// The version it has by now.
        version: Version,
    },
    /// The path does not take this method.
    #[error("the path does not take this method")]
    MethodNotAllowed,
    /// The answer took too long.
    #[error("the request took too long")]
    TimedOut,
    /// Our clock is behind the time our data has seen.
    #[error("the clock is behind the time that the data has seen")]
    ClockBehind,
    /// The revocations or secrets in memory may be incomplete.
    #[error("what changed on other nodes may be missing here")]
    Stale,
    /// There is no room for another entry.
    #[error("there is no room for another {0}")]
    Full(&'static str),
    /// The store did not say whether it did it.
    #[error("whether it was done is not known")]
    OutcomeUnknown(#[source] Option<StoreError>),
    /// The Idempotency-Key stands for another request.
    #[error("the Idempotency-Key was sent with another request before")]
    IdempotencyKeyReused,
    /// A request with this Idempotency-Key is under way.
    #[error("a request with this Idempotency-Key is being done")]
    IdempotencyKeyBusy,
    /// The audit trail cannot be written, and nothing is done that it should show.
    #[error("the audit trail cannot be written")]
    AuditUnavailable {
        /// Whether that is because the disk is full or cannot be written.
        disk: bool,
    },
    /// The store did not do it. What the caller can do something about, the caller is told.
    #[error("{}", told(.0))]
    Store(#[from] StoreError),
    /// The data was sealed again with another master key than ours.
    #[error("the master key was rotated: give this server the new one and restart it")]
    MasterKeyRotated,
    /// The app's secret has sealed as many tokens as it may.
    #[error("the app's server secret has sealed as many tokens as it may: rotate it")]
    SecretWornOut,
    /// No mints are reserved: the store has not answered for a while.
    #[error("no mints are reserved for the app's server secret")]
    NoMintsReserved,
    /// A stored secret does not open.
    #[error("a stored secret cannot be used")]
    Sealed(#[from] SealError),
    /// Something that the code rules out; the text names it.
    #[error("internal: {0}")]
    Internal(&'static str),
    /// The system gives no random numbers.
    #[error("the random source failed")]
    Randomness,
}

impl Error {
    /// An unacceptable field without a code of its own.
    pub fn field(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self::Field { code: ErrorCode::FieldInvalid, field: field.into(), reason: reason.into() }
    }

    /// What token-gen says about the value of `field`.
    pub fn of_field(field: &'static str, error: &TokenError) -> Self {
        let code = match error {
            TokenError::Randomness => return Self::Randomness,
            TokenError::UserIdInvalid(_) => ErrorCode::UserIdInvalid,
            TokenError::RoomIdInvalid(_) => ErrorCode::RoomIdInvalid,
            TokenError::StreamIdInvalid(_) => ErrorCode::StreamIdInvalid,
            TokenError::UserNameInvalid(_) => ErrorCode::UserNameInvalid,
            _ => ErrorCode::FieldInvalid,
        };
        Self::Field { code, field: field.into(), reason: error.to_string() }
    }

    /// The public code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::BadRequest(_) => ErrorCode::BadRequest,
            Self::Field { code, .. } => *code,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::UnsupportedMediaType => ErrorCode::UnsupportedMediaType,
            Self::Unauthorized => ErrorCode::Unauthorized,
            Self::Forbidden(_) | Self::NotAllowed(_) => ErrorCode::Forbidden,
            Self::StaleSignIn => ErrorCode::StaleSignIn,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::AppUnknown => ErrorCode::AppUnknown,
            Self::AppDisabled => ErrorCode::AppDisabled,
            Self::NotFound | Self::Missing(_) | Self::Store(StoreError::Missing) => ErrorCode::NotFound,
            Self::MethodNotAllowed => ErrorCode::MethodNotAllowed,
            Self::Changed { .. } | Self::Store(StoreError::Conflict) => ErrorCode::Conflict,
            Self::ClockBehind => ErrorCode::ClockBehind,
            Self::Full(_) => ErrorCode::StoreFull,
            Self::AuditUnavailable { disk: true } | Self::Store(StoreError::CannotWrite(_)) => ErrorCode::DiskFull,
            Self::AuditUnavailable { disk: false } => ErrorCode::AuditUnavailable,
            Self::OutcomeUnknown(_) => ErrorCode::OutcomeUnknown,
            Self::IdempotencyKeyReused => ErrorCode::IdempotencyKeyReused,
            Self::IdempotencyKeyBusy => ErrorCode::IdempotencyKeyBusy,
            Self::SecretWornOut => ErrorCode::SecretWornOut,
            Self::Stale
            | Self::TimedOut
            | Self::Busy
            | Self::NodesUnreached
            | Self::Randomness
            | Self::MasterKeyRotated
            | Self::NoMintsReserved
            | Self::Store(StoreError::Unavailable(_)) => ErrorCode::Unavailable,
            Self::Store(_) | Self::Sealed(_) | Self::Internal(_) => ErrorCode::Internal,
        }
    }
}

impl From<NoMint> for Error {
    fn from(no: NoMint) -> Self {
        match no {
            NoMint::WornOut => Self::SecretWornOut,
            NoMint::NotReserved => Self::NoMintsReserved,
        }
    }
}

/// What a caller is told of the store.
fn told(error: &StoreError) -> &'static str {
    match error {
        StoreError::Conflict => "it exists already, or was changed meanwhile",
        StoreError::Missing => "it refers to something that is not there",
        _ => "the store did not do it",
    }
}

/// The message of `error` and of every cause below it, in one line.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
