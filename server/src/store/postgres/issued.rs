//! The ledger of CBC tokens, in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::Client;
use token_gen::{AppId, UnixSeconds};
use tokio_postgres::Row;

use super::{Parameter, PostgresStore, app_id_of, execute, hash_of, number, rows};
use crate::{
    issued::Issued,
    store::{IssuedRecord, IssuedStore, StoreError},
};

/// From here on until the commit nobody else gets a number.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('roompass issued tokens', 0))";

#[async_trait]
impl IssuedStore for PostgresStore {
    async fn note_issued(&self, app_id: AppId, issued: Vec<Issued>) -> Result<(), StoreError> {
        let digests: Vec<&[u8]> = issued.iter().map(|issued| &issued.digest[..]).collect();
        let ends: Vec<i64> = issued.iter().map(|issued| issued.expire_at.get()).collect();
        let query = "INSERT INTO issued_tokens (app_id, digest, expire_at)
            SELECT $1, digest, expire_at FROM unnest($2::bytea[], $3::bigint[]) AS issued (digest, expire_at)";
        let app_id = number(app_id);
        let parameters: &[Parameter<'_>] = &[&app_id, &digests, &ends];
        self.pool
            .run(async |mut client: Client| {
                let transaction = client.transaction().await?;
                transaction.batch_execute(LOCK).await?;
                execute(&transaction, query, parameters).await?;
                transaction.batch_execute("SELECT pg_notify('roompass_changes', '')").await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn issued_after(&self, seq: i64, limit: u32) -> Result<Vec<IssuedRecord>, StoreError> {
        let query = "SELECT seq, app_id, digest, expire_at FROM issued_tokens WHERE seq > $1 ORDER BY seq LIMIT $2";
        let parameters: &[Parameter<'_>] = &[&seq, &i64::from(limit)];
        self.pool.run(async |client| rows(&client, query, parameters, record_of_row).await).await
    }

    async fn delete_expired_issued(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.delete_ended("issued_tokens", "seq", now, limit).await
    }
}

fn record_of_row(row: &Row) -> Result<IssuedRecord, StoreError> {
    let issued = Issued { digest: hash_of(row, 2)?, expire_at: UnixSeconds::new(row.try_get(3)?) };
    Ok(IssuedRecord { seq: row.try_get(0)?, app_id: app_id_of(row, 1)?, issued })
}
