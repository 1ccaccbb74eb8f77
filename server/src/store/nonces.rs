//! Nonces of signed requests: each is spent once, whichever node it comes to first.

use async_trait::async_trait;
use token_gen::UnixSeconds;

use super::StoreError;

/// Remembers nonces.
#[async_trait]
pub trait NonceStore: Send + Sync + 'static {
    /// Notes the nonce until `expire_at`; [`StoreError::Conflict`] if it is noted already.
    async fn spend_nonce(&self, key_id: &str, nonce: [u8; 16], expire_at: UnixSeconds) -> Result<(), StoreError>;

    /// Forgets at most `limit` nonces whose time ended before `now`. Tells how many.
    async fn forget_nonces(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError>;
}
