//! How secrets are used, in SQLite.

use async_trait::async_trait;
use rusqlite::{Row, params};
use token_gen::{AppId, UnixSeconds};

use super::{SqliteStore, app_id_of, rows};
use crate::store::{RingStore, SecretUseRecord, StoreError};

const SELECT: &str = "SELECT app_id, secret_id, used_count, last_used_at, mints_reserved FROM secret_uses";

#[async_trait]
impl RingStore for SqliteStore {
    async fn secret_uses(&self) -> Result<Vec<SecretUseRecord>, StoreError> {
        let query = format!("{SELECT} ORDER BY app_id, secret_id");
        self.reader.read(move |connection| rows(connection, &query, [], use_of_row)).await
    }

    async fn secret_uses_of(&self, app_id: AppId) -> Result<Vec<SecretUseRecord>, StoreError> {
        let query = format!("{SELECT} WHERE app_id = ?1 ORDER BY secret_id");
        self.reader.read(move |connection| rows(connection, &query, [app_id.get()], use_of_row)).await
    }

    async fn add_secret_uses(&self, uses: Vec<SecretUseRecord>) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let mut add = connection.prepare_cached(
                    "INSERT INTO secret_uses (app_id, secret_id, used_count, last_used_at)
                     SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM apps WHERE app_id = ?1)
                     ON CONFLICT DO UPDATE SET
                         used_count = used_count + excluded.used_count,
                         last_used_at = max(coalesce(last_used_at, excluded.last_used_at),
                                            coalesce(excluded.last_used_at, last_used_at))",
                )?;
                for used in uses {
                    let at = used.last_used_at.map(UnixSeconds::get);
                    add.execute(params![used.app_id.get(), used.secret_id, used.used_count.cast_signed(), at])?;
                }
                Ok(())
            })
            .await
    }

    async fn reserve_mints(&self, app_id: AppId, secret_id: &str, count: u64) -> Result<u64, StoreError> {
        let secret_id = secret_id.to_owned();
        self.writer
            .write(move |connection| {
                let query = "INSERT INTO secret_uses (app_id, secret_id, mints_reserved) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET mints_reserved = mints_reserved + excluded.mints_reserved
                     RETURNING mints_reserved";
                let parameters = params![app_id.get(), secret_id, count.cast_signed()];
                let reserved: i64 = connection.query_row(query, parameters, |row| row.get(0))?;
                Ok(reserved.cast_unsigned())
            })
            .await
    }
}

fn use_of_row(row: &Row<'_>) -> rusqlite::Result<SecretUseRecord> {
    Ok(SecretUseRecord {
        app_id: app_id_of(row, 0)?,
        secret_id: row.get(1)?,
        used_count: row.get::<_, i64>(2)?.cast_unsigned(),
        last_used_at: row.get::<_, Option<i64>>(3)?.map(UnixSeconds::new),
        mints_reserved: row.get::<_, i64>(4)?.cast_unsigned(),
    })
}
