//! Tokens that are used up, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use token_gen::{AppId, UnixSeconds};

use super::SqliteStore;
use crate::store::{StoreError, UsedTokenStore};

#[async_trait]
impl UsedTokenStore for SqliteStore {
    async fn use_token(
        &self,
        app_id: AppId,
        token_id: &str,
        session_id: &str,
        expire_at: UnixSeconds,
    ) -> Result<(), StoreError> {
        let (token_id, session_id) = (token_id.to_owned(), session_id.to_owned());
        self.writer
            .write(move |connection| {
                let insert = "INSERT INTO used_tokens (app_id, token_id, session_id, expire_at) VALUES (?1, ?2, ?3, ?4)
                    ON CONFLICT DO NOTHING";
                let app_id = app_id.get();
                connection.prepare_cached(insert)?.execute(params![app_id, token_id, session_id, expire_at.get()])?;
                if user_of(connection, app_id, &token_id)? == Some(session_id) {
                    Ok(())
                } else {
                    Err(StoreError::Conflict)
                }
            })
            .await
    }

    async fn release_token(&self, app_id: AppId, token_id: &str, session_id: &str) -> Result<(), StoreError> {
        let (token_id, session_id) = (token_id.to_owned(), session_id.to_owned());
        self.writer
            .write(move |connection| {
                let delete = "DELETE FROM used_tokens WHERE app_id = ?1 AND token_id = ?2 AND session_id = ?3";
                connection.prepare_cached(delete)?.execute(params![app_id.get(), token_id, session_id])?;
                Ok(())
            })
            .await
    }

    async fn user_of_token(&self, app_id: AppId, token_id: &str) -> Result<Option<String>, StoreError> {
        let token_id = token_id.to_owned();
        self.reader.read(move |connection| user_of(connection, app_id.get(), &token_id)).await
    }

    async fn forget_used_tokens(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let delete = "DELETE FROM used_tokens WHERE (app_id, token_id) IN
                    (SELECT app_id, token_id FROM used_tokens WHERE expire_at < ?1 LIMIT ?2)";
                Ok(connection.execute(delete, params![now.get(), limit])?)
            })
            .await
    }
}

fn user_of(connection: &Connection, app_id: u32, token_id: &str) -> Result<Option<String>, StoreError> {
    let query = "SELECT session_id FROM used_tokens WHERE app_id = ?1 AND token_id = ?2";
    Ok(connection.prepare_cached(query)?.query_row(params![app_id, token_id], |row| row.get(0)).optional()?)
}
