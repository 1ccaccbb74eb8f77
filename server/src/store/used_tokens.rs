//! Tokens that let their user in once: each is used by one session, whichever node it comes to first.

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};

use super::StoreError;

/// Remembers which tokens are used up.
#[async_trait]
pub trait UsedTokenStore: Send + Sync + 'static {
    /// Notes until `expire_at` that `session_id` used the token; [`StoreError::Conflict`] if another session did.
    async fn use_token(
        &self,
        app_id: AppId,
        token_id: &str,
        session_id: &str,
        expire_at: UnixSeconds,
    ) -> Result<(), StoreError>;

    /// Takes that back: the session did not come about. Nothing, if another session used the token.
    async fn release_token(&self, app_id: AppId, token_id: &str, session_id: &str) -> Result<(), StoreError>;

    /// The session that used the token, if one did and it has not been forgotten.
    async fn user_of_token(&self, app_id: AppId, token_id: &str) -> Result<Option<String>, StoreError>;

    /// Forgets at most `limit` tokens that ended before `now`. Tells how many.
    async fn forget_used_tokens(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError>;
}
