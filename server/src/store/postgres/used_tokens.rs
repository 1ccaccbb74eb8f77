//! Tokens that are used up, in PostgreSQL.

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};

use super::{Parameter, PostgresStore, execute, row};
use crate::store::{StoreError, UsedTokenStore};

#[async_trait]
impl UsedTokenStore for PostgresStore {
    async fn use_token(
        &self,
        app_id: AppId,
        token_id: &str,
        session_id: &str,
        expire_at: UnixSeconds,
    ) -> Result<(), StoreError> {
        // The update changes nothing, but only of the same session's row: no row affected means that another's is there.
        let query = "INSERT INTO used_tokens (app_id, token_id, session_id, expire_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (app_id, token_id) DO UPDATE SET expire_at = used_tokens.expire_at
            WHERE used_tokens.session_id = excluded.session_id";
        let app_id = i64::from(app_id.get());
        let parameters: &[Parameter<'_>] = &[&app_id, &token_id, &session_id, &expire_at.get()];
        let used = self.pool.run(async |client| execute(&client, query, parameters).await).await?;
        if used == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn release_token(&self, app_id: AppId, token_id: &str, session_id: &str) -> Result<(), StoreError> {
        let query = "DELETE FROM used_tokens WHERE app_id = $1 AND token_id = $2 AND session_id = $3";
        let app_id = i64::from(app_id.get());
        let parameters: &[Parameter<'_>] = &[&app_id, &token_id, &session_id];
        self.pool.run(async |client| execute(&client, query, parameters).await.map(drop)).await
    }

    async fn user_of_token(&self, app_id: AppId, token_id: &str) -> Result<Option<String>, StoreError> {
        let query = "SELECT session_id FROM used_tokens WHERE app_id = $1 AND token_id = $2";
        let app_id = i64::from(app_id.get());
        let parameters: &[Parameter<'_>] = &[&app_id, &token_id];
        self.pool.run(async |client| row(&client, query, parameters, |row| Ok(row.try_get(0)?)).await).await
    }

    async fn forget_used_tokens(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        let ended = UnixSeconds::new(now.get().saturating_sub(1));
        self.delete_ended("used_tokens", "app_id, token_id", ended, limit).await
    }
}
