//! How secrets are used, in PostgreSQL.

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};
use tokio_postgres::Row;

use super::{Parameter, PostgresStore, app_id_of, execute, number, row, rows};
use crate::store::{RingStore, SecretUseRecord, StoreError};

const USE: &str = "SELECT app_id, secret_id, used_count, last_used_at, mints_reserved FROM secret_uses";

#[async_trait]
impl RingStore for PostgresStore {
    async fn secret_uses(&self) -> Result<Vec<SecretUseRecord>, StoreError> {
        let query = format!("{USE} ORDER BY app_id, secret_id");
        self.pool.run(async |client| rows(&client, &query, &[], use_of_row).await).await
    }

    async fn secret_uses_of(&self, app_id: AppId) -> Result<Vec<SecretUseRecord>, StoreError> {
        let query = format!("{USE} WHERE app_id = $1 ORDER BY secret_id");
        self.pool.run(async |client| rows(&client, &query, &[&number(app_id)], use_of_row).await).await
    }

    async fn add_secret_uses(&self, mut uses: Vec<SecretUseRecord>) -> Result<(), StoreError> {
        // In one order everywhere, so that two nodes that count the same secrets never wait for each other in a ring.
        uses.sort_by(|a, b| (a.app_id, &a.secret_id).cmp(&(b.app_id, &b.secret_id)));
        let query = "INSERT INTO secret_uses (app_id, secret_id, used_count, last_used_at)
            SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT FROM apps WHERE app_id = $1 FOR KEY SHARE)
            ON CONFLICT (app_id, secret_id) DO UPDATE SET
                used_count = secret_uses.used_count + excluded.used_count,
                last_used_at = greatest(secret_uses.last_used_at, excluded.last_used_at)";
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                for used in &uses {
                    let parameters: &[Parameter<'_>] = &[
                        &number(used.app_id),
                        &used.secret_id,
                        &used.used_count.cast_signed(),
                        &used.last_used_at.map(UnixSeconds::get),
                    ];
                    execute(&transaction, query, parameters).await?;
                }
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn reserve_mints(&self, app_id: AppId, secret_id: &str, count: u64) -> Result<u64, StoreError> {
        let query = "INSERT INTO secret_uses (app_id, secret_id, mints_reserved) VALUES ($1, $2, $3)
            ON CONFLICT (app_id, secret_id) DO UPDATE SET
                mints_reserved = secret_uses.mints_reserved + excluded.mints_reserved
            RETURNING mints_reserved";
        let parameters: &[Parameter<'_>] = &[&number(app_id), &secret_id, &count.cast_signed()];
        let read = |row: &Row| Ok(row.try_get::<_, i64>(0)?.cast_unsigned());
        let reserved = self.pool.run(async |client| row(&client, query, parameters, read).await).await?;
        reserved.ok_or(StoreError::Missing)
    }
}

fn use_of_row(row: &Row) -> Result<SecretUseRecord, StoreError> {
    Ok(SecretUseRecord {
        app_id: app_id_of(row, 0)?,
        secret_id: row.try_get(1)?,
        used_count: row.try_get::<_, i64>(2)?.cast_unsigned(),
        last_used_at: row.try_get::<_, Option<i64>>(3)?.map(UnixSeconds::new),
        mints_reserved: row.try_get::<_, i64>(4)?.cast_unsigned(),
    })
}
