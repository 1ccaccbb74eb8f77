//! Where tokens come from: the hook that the app supplies, and the ready-made ones.
//!
//! Knows nothing of rooms, sockets and schedules.

use std::{fmt, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use futures_util::FutureExt;
use serde::Serialize;
use token_gen::AppId;
use zeroize::Zeroizing;

/// Fetches tokens from the app's own backend, which alone holds the server secret.
///
/// The SDK asks for the first token, for a new one before the present one expires, for one for another room, and before
/// it logs in again with a token that is too old. It has at most one call under way for a room, gives each 10 s, and waits 0.5 to 60 s
/// after a failure. A call may be dropped at any `await` when the room is left. A panic counts as [`TokenAnswer::Retry`].
///
/// Any `Fn(TokenRequest) -> impl Future<Output = TokenAnswer>` is a provider:
///
/// ```
/// use roompass_sdk::{Client, TokenAnswer, TokenRequest};
///
/// # async fn my_backend(_: &str, _: &str) -> Option<String> { None }
/// let client = Client::builder(1234567890, "https://rtc.example.com")
///     .token_provider(|request: TokenRequest| async move {
///         match my_backend(&request.user_id, &request.room_id).await {
///             Some(token) => TokenAnswer::Token(token),
///             None => TokenAnswer::Retry,
///         }
///     });
/// ```
pub trait TokenProvider: Send + Sync + 'static {
    /// A token for what `request` says; a Kit Token will do.
    fn token(&self, request: TokenRequest) -> impl Future<Output = TokenAnswer> + Send;
}

/// What a token is wanted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The app.
    pub app_id: u32,
    /// The user who will show the token.
    pub user_id: String,
    /// The room it will be shown for.
    pub room_id: String,
    /// Why it is wanted.
    pub cause: Cause,
}

impl TokenRequest {
    pub(crate) fn new(app_id: AppId, user_id: &str, room_id: &str, cause: Cause) -> Self {
        Self { app_id: app_id.get(), user_id: user_id.to_owned(), room_id: room_id.to_owned(), cause }
    }
}

/// Why a token is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// To enter the room.
    FirstLogin,
    /// The present token will expire; the user stays in the room.
    Renewal,
    /// To leave the present room for this one.
    Switch,
    /// To come back after the connection was lost, with the present token too old or refused.
    Relogin,
}

/// A provider's answer.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenAnswer {
    /// The token, or a Kit Token.
    Token(String),
    /// No, and asking again will not help. The reason is shown to the app.
    Denied(String),
    /// Not now; the SDK asks again later.
    Retry,
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(..)"),
            Self::Denied(reason) => f.debug_tuple("Denied").field(reason).finish(),
            Self::Retry => f.write_str("Retry"),
        }
    }
}

impl<F, A> TokenProvider for F
where
    F: Fn(TokenRequest) -> A + Send + Sync + 'static,
    A: Future<Output = TokenAnswer> + Send,
{
    fn token(&self, request: TokenRequest) -> impl Future<Output = TokenAnswer> + Send {
        self(request)
    }
}

/// One token that came from elsewhere. It cannot be renewed: the room is left at its expiry's next reconnect.
#[derive(Clone)]
pub struct FixedToken(Zeroizing<String>);

impl FixedToken {
    /// Hands out `token`.
    pub fn new(token: impl Into<String>) -> Self {
        Self(Zeroizing::new(token.into()))
    }
}

impl fmt::Debug for FixedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FixedToken(..)")
    }
}

impl TokenProvider for FixedToken {
    async fn token(&self, request: TokenRequest) -> TokenAnswer {
        match request.cause {
            Cause::Renewal => TokenAnswer::Denied("a fixed token cannot be renewed".to_owned()),
            _ => TokenAnswer::Token(self.0.as_str().to_owned()),
        }
    }
}

/// A call of the hook: owns all it needs, so that it can outlive the borrow of whoever began it.
pub(crate) type Call = Pin<Box<dyn Future<Output = TokenAnswer> + Send>>;

/// [`TokenProvider`] behind a pointer.
pub(crate) trait Provider: Send + Sync {
    /// Begins a call; one that panics answers [`TokenAnswer::Retry`].
    fn call(self: Arc<Self>, request: TokenRequest) -> Call;
}

impl<P: TokenProvider> Provider for P {
    fn call(self: Arc<Self>, request: TokenRequest) -> Call {
        Box::pin(async move {
            // The state of a hook that panicked is the hook's own; it is only ever asked again.
            AssertUnwindSafe(async { self.token(request).await }).catch_unwind().await.unwrap_or(TokenAnswer::Retry)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cause: Cause) -> TokenRequest {
        TokenRequest::new(AppId::new(7).unwrap(), "alice", "lobby", cause)
    }

    #[tokio::test]
    async fn a_hook_that_panics_is_asked_again_later() {
        #[expect(unreachable_code, reason = "the hook only panics")]
        let provider = Arc::new(|_: TokenRequest| async {
            panic!("hook");
            TokenAnswer::Retry
        });
        assert_eq!(provider.call(request(Cause::FirstLogin)).await, TokenAnswer::Retry);
    }

    #[tokio::test]
    async fn a_fixed_token_is_handed_out_but_never_renewed() {
        let provider = FixedToken::new("04secret");
        assert_eq!(provider.token(request(Cause::FirstLogin)).await, TokenAnswer::Token("04secret".into()));
        assert!(matches!(provider.token(request(Cause::Renewal)).await, TokenAnswer::Denied(_)));
    }

    #[test]
    fn no_token_is_ever_printed() {
        let shown = format!("{:?} {:?}", TokenAnswer::Token("04secret".into()), FixedToken::new("04secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_request_is_written_in_the_documented_shape() {
        assert_eq!(
            serde_json::to_string(&request(Cause::FirstLogin)).unwrap(),
            r#"{"app_id":7,"user_id":"alice","room_id":"lobby","cause":"first_login"}"#
        );
    }
}
