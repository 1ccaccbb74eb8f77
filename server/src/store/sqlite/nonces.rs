//! Nonces of signed requests in SQLite.

use async_trait::async_trait;
use rusqlite::params;
use token_gen::UnixSeconds;

use super::SqliteStore;
use crate::store::{NonceStore, StoreError};

#[async_trait]
impl NonceStore for SqliteStore {
    async fn spend_nonce(&self, key_id: &str, nonce: [u8; 16], expire_at: UnixSeconds) -> Result<(), StoreError> {
        let key_id = key_id.to_owned();
        self.writer
            .write(move |connection| {
                let insert = "INSERT INTO request_nonces (key_id, nonce, expire_at) VALUES (?1, ?2, ?3)";
                connection.prepare_cached(insert)?.execute(params![key_id, nonce, expire_at.get()])?;
                Ok(())
            })
            .await
    }

    async fn forget_nonces(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let delete = "DELETE FROM request_nonces WHERE (key_id, nonce) IN
                    (SELECT key_id, nonce FROM request_nonces WHERE expire_at < ?1 LIMIT ?2)";
                Ok(connection.execute(delete, params![now.get(), limit])?)
            })
            .await
    }
}
