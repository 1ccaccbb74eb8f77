//! Tokens that let their user in once: noted in the store, so that it holds across restarts and nodes.

use std::sync::Arc;

use roompass_wire::ErrorCode;
use token_gen::{AppId, TokenId, UnixSeconds};

use crate::{
    rooms::SessionId,
    store::{Store, StoreError},
};

/// Notes which of these tokens are used up.
pub struct SingleUse(Arc<dyn Store>);

/// A session's claim to such a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The app.
    pub app_id: AppId,
    /// The token.
    pub token_id: TokenId,
    /// The session.
    pub session_id: SessionId,
}

impl SingleUse {
    /// Notes them in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Uses the token up, until it ends at `expire_at`. For the same session, doing it twice is once.
    ///
    /// # Errors
    /// [`ErrorCode::TokenUsed`] if another session did; [`ErrorCode::Unavailable`] if the store cannot say: then it is
    /// not used, or used by this session alone.
    pub async fn claim(&self, claim: Claim, expire_at: UnixSeconds) -> Result<(), ErrorCode> {
        let Claim { app_id, token_id, session_id } = claim;
        match self.0.use_token(app_id, token_id.as_str(), &session_id.to_string(), expire_at).await {
            Ok(()) => Ok(()),
            Err(StoreError::Conflict) => Err(ErrorCode::TokenUsed),
            Err(error) => {
                tracing::error!(%app_id, %token_id, error = &error as &dyn std::error::Error, "cannot use a token up");
                Err(ErrorCode::Unavailable)
            }
        }
    }

    /// Takes a claim back: the session did not come about.
    pub async fn release(&self, Claim { app_id, token_id, session_id }: Claim) {
        if let Err(error) = self.0.release_token(app_id, token_id.as_str(), &session_id.to_string()).await {
            tracing::warn!(%app_id, %token_id, error = &error as &dyn std::error::Error, "cannot give a token back");
        }
    }
}

impl std::fmt::Debug for SingleUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SingleUse(..)")
    }
}
