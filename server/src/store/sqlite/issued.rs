//! The ledger of CBC tokens, in SQLite. One writer at a time, so they appear in the order of their numbers.

use async_trait::async_trait;
use rusqlite::{Row, params};
use token_gen::{AppId, UnixSeconds};

use super::{SqliteStore, app_id_of, rows};
use crate::{
    issued::Issued,
    store::{IssuedRecord, IssuedStore, StoreError},
};

#[async_trait]
impl IssuedStore for SqliteStore {
    async fn note_issued(&self, app_id: AppId, issued: Vec<Issued>) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let insert = "INSERT INTO issued_tokens (app_id, digest, expire_at) VALUES (?1, ?2, ?3)";
                let mut insert = connection.prepare_cached(insert)?;
                for Issued { digest, expire_at } in issued {
                    insert.execute(params![app_id.get(), digest, expire_at.get()])?;
                }
                Ok(())
            })
            .await
    }

    async fn issued_after(&self, seq: i64, limit: u32) -> Result<Vec<IssuedRecord>, StoreError> {
        let query = "SELECT seq, app_id, digest, expire_at FROM issued_tokens WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        self.reader.read(move |connection| rows(connection, query, params![seq, limit], record_of_row)).await
    }

    async fn delete_expired_issued(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM issued_tokens WHERE seq IN
                    (SELECT seq FROM issued_tokens WHERE expire_at <= ?1 LIMIT ?2)";
                Ok(connection.execute(query, params![now.get(), limit])?)
            })
            .await
    }
}

fn record_of_row(row: &Row<'_>) -> rusqlite::Result<IssuedRecord> {
    let issued = Issued { digest: row.get(2)?, expire_at: UnixSeconds::new(row.get(3)?) };
    Ok(IssuedRecord { seq: row.get(0)?, app_id: app_id_of(row, 1)?, issued })
}
