//! Nonces of signed requests, in PostgreSQL.

use async_trait::async_trait;
use token_gen::UnixSeconds;

use super::{Parameter, PostgresStore, execute};
use crate::store::{NonceStore, StoreError};

#[async_trait]
impl NonceStore for PostgresStore {
    async fn spend_nonce(&self, key_id: &str, nonce: [u8; 16], expire_at: UnixSeconds) -> Result<(), StoreError> {
        let query = "INSERT INTO request_nonces (key_id, nonce, expire_at) VALUES ($1, $2, $3)";
        let parameters: &[Parameter<'_>] = &[&key_id, &&nonce[..], &expire_at.get()];
        self.pool.run(async |client| execute(&client, query, parameters).await.map(drop)).await
    }

    async fn forget_nonces(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        // One that ends now may still be shown now.
        let ended = UnixSeconds::new(now.get().saturating_sub(1));
        self.delete_ended("request_nonces", "key_id, nonce", ended, limit).await
    }
}
