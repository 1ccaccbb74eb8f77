//! What can go wrong, by kind. No message, source or `Debug` holds a token, a key or an AppSign.

use std::{fmt, sync::Arc, time::Duration};

use roompass_wire::{ErrorCode, Problem, gateway::ErrorMessage};
use token_gen::TokenError;

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why something did not work. Match on [`Error::kind`] and [`Error::code`], never on texts.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client is set up wrongly.
    #[error("{option}: {fault}")]
    Config {
        /// The option at fault.
        option: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// An id, a token or a secret does not have the shape it must have.
    #[error("not acceptable")]
    Argument(#[from] TokenError),
    /// The readable half of the Kit Token names something else than what was asked for.
    #[error("the Kit Token is for another {part}")]
    KitTokenMismatch {
        /// `app`, `user` or `room`.
        part: &'static str,
    },
    /// This mode logs in with a token, and there is neither one nor a provider to ask.
    #[error("this login needs a token: pass one, or configure a token provider")]
    TokenRequired,
    /// The token provider said no for good.
    #[error("the token provider denied: {reason}")]
    Denied {
        /// Its reason.
        reason: String,
    },
    /// The token provider gave no usable token this time.
    #[error("the token provider {fault}")]
    Provider {
        /// What happened.
        fault: &'static str,
    },
    /// The server refused.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The connection could not be made, or broke.
    #[error("the connection failed")]
    Network(#[source] Source),
    /// The server answered the connection attempt with this HTTP status instead of a gateway.
    #[error("the server answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long it asks to stay away.
        retry_after: Option<Duration>,
    },
    /// No answer in time.
    #[error("no answer within {after:?}")]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The server says something that its protocol does not allow.
    #[error("the server breaks the protocol: {what}")]
    Protocol {
        /// What it did.
        what: &'static str,
    },
    /// The stay in the room is over.
    #[error("the stay in the room is over")]
    Ended,
}

/// A refusal by the server, with the stable code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The stable code.
    pub code: ErrorCode,
    /// The number the field's SDKs use for it; 0 where they have none.
    pub number: u32,
    /// What happened and what to do, for people.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Which rule of the token said no (`room`, `login`, `publish`, `play`, `stream`, `media`, `until`), or which member
    /// of the request is at fault.
    pub reason: Option<String>,
    /// The field of an HTTP request that is at fault.
    pub field: Option<String>,
    /// Names an HTTP request in the operator's log.
    pub request_id: Option<String>,
    /// How long the server asks to stay away.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(field) = &self.field {
            write!(f, " (field {field})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The app's own code must change: a wrong option, id, token shape or Kit Token.
    Usage,
    /// The token provider failed or denied.
    Provider,
    /// The server refused; see [`Error::code`].
    Refused,
    /// The connection failed or broke.
    Network,
    /// No answer in time.
    Timeout,
    /// The other side does not speak the protocol.
    Protocol,
    /// The stay in the room is over.
    Ended,
}

impl Error {
    pub(crate) fn config(option: &'static str, fault: impl fmt::Display) -> Self {
        Self::Config { option, fault: fault.to_string() }
    }

    pub(crate) fn network(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Network(Arc::new(source))
    }

    /// An HTTP client's failure, without the address: addresses may carry what is nobody's business.
    #[cfg(feature = "http")]
    pub(crate) fn http(error: reqwest::Error, limit: Duration) -> Self {
        if error.is_timeout() { Self::Timeout { after: limit } } else { Self::network(error.without_url()) }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } | Self::Argument(_) | Self::KitTokenMismatch { .. } | Self::TokenRequired => {
                ErrorKind::Usage
            }
            Self::Denied { .. } | Self::Provider { .. } => ErrorKind::Provider,
            Self::Refused(_) => ErrorKind::Refused,
            Self::Network(_) | Self::Status { .. } => ErrorKind::Network,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Protocol { .. } => ErrorKind::Protocol,
            Self::Ended => ErrorKind::Ended,
        }
    }

    /// The server's stable code, if the server refused.
    pub fn code(&self) -> Option<ErrorCode> {
        self.refusal().map(|refusal| refusal.code)
    }

    /// The number that the field's SDKs use for the code, if there is one.
    pub fn number(&self) -> Option<u32> {
        self.refusal().map(|refusal| refusal.number).filter(|&number| number != 0)
    }

    /// The particulars, if the server refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.retryable,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            Self::Network(_) | Self::Timeout { .. } | Self::Provider { .. } => true,
            _ => false,
        }
    }

    /// How long the server asks to stay away, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What an HTTP answer that is no success says: a problem document, or nothing but its status.
    pub(crate) fn answered(status: u16, retry_after: Option<&[u8]>, body: &[u8]) -> Self {
        let seconds = retry_after.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse::<u32>().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds.into()));
        match serde_json::from_slice::<Problem>(body).map(Self::from) {
            Ok(Self::Refused(refusal)) => Self::Refused(Box::new(Refusal { retry_after, ..*refusal })),
            _ => Self::Status { status, retry_after },
        }
    }

    /// Whether another server may do what this one does not.
    pub(crate) fn is_about_the_server(&self) -> bool {
        match self {
            Self::Network(_) | Self::Timeout { .. } | Self::Protocol { .. } => true,
            Self::Status { .. } => self.is_retryable(),
            _ => matches!(
                self.code(),
                Some(ErrorCode::Unavailable | ErrorCode::RateLimited | ErrorCode::Internal | ErrorCode::KickedInternal)
            ),
        }
    }

    /// Whether the server turned down the token itself, so that another token may help.
    pub(crate) fn is_about_the_token(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::TokenExpired | ErrorCode::TokenInvalid | ErrorCode::TokenVersion | ErrorCode::TokenUsed)
        )
    }
}

impl From<ErrorMessage> for Error {
    fn from(message: ErrorMessage) -> Self {
        Self::Refused(Box::new(Refusal {
            code: message.code,
            number: message.number,
            retryable: may_succeed_later(message.code, message.retryable),
            message: message.message,
            reason: message.reason,
            field: None,
            request_id: None,
            retry_after: None,
        }))
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let row = problem.code.row();
        Self::Refused(Box::new(Refusal {
            code: problem.code,
            number: row.number,
            retryable: may_succeed_later(problem.code, matches!(problem.status, 408 | 429 | 500..)),
            message: problem.detail.unwrap_or_else(|| format!("{}. {}", problem.title, row.remedy)),
            reason: None,
            field: problem.field,
            request_id: problem.request_id,
            retry_after: None,
        }))
    }
}

/// The catalogue decides for the codes it knows; for newer ones, the server's word.
fn may_succeed_later(code: ErrorCode, as_the_server_says: bool) -> bool {
    if code == ErrorCode::Unknown { as_the_server_says } else { code.row().retryable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_decides_what_may_be_retried_and_the_server_for_codes_it_does_not_list() {
        let refused = |code, retryable| Error::from(ErrorMessage { retryable, ..ErrorMessage::new(Some(1), code) });
        assert!(refused(ErrorCode::RoomFull, false).is_retryable());
        assert!(!refused(ErrorCode::Banned, true).is_retryable());
        assert!(refused(ErrorCode::Unknown, true).is_retryable());
        assert!(!refused(ErrorCode::Unknown, false).is_retryable());
    }

    #[test]
    fn a_problem_keeps_code_field_and_request() {
        let mut problem = Problem::new(ErrorCode::FieldInvalid);
        problem.field = Some("ttl_secs".into());
        problem.request_id = Some("r-1".into());
        let error = Error::from(problem);
        assert_eq!(
            (error.kind(), error.code(), error.number()),
            (ErrorKind::Refused, Some(ErrorCode::FieldInvalid), Some(1000017))
        );
        assert!(error.to_string().ends_with("(field ttl_secs)"), "{error}");
        assert_eq!(error.refusal().unwrap().request_id.as_deref(), Some("r-1"));
    }

    #[test]
    fn only_what_time_may_heal_is_retryable() {
        for (error, expected) in [
            (Error::Ended, false),
            (Error::TokenRequired, false),
            (Error::Denied { reason: String::new() }, false),
            (Error::Provider { fault: "timed out" }, true),
            (Error::Timeout { after: Duration::ZERO }, true),
            (Error::Status { status: 503, retry_after: None }, true),
            (Error::Status { status: 404, retry_after: None }, false),
            (Error::Protocol { what: "" }, false),
        ] {
            assert_eq!(error.is_retryable(), expected, "{error}");
        }
    }
}
