//! The change feed, in SQLite. One writer at a time, so changes appear in the order of their numbers.

use async_trait::async_trait;
use rusqlite::{Row, params};
use token_gen::AppId;

use super::{SqliteStore, rows};
use crate::store::{Change, ChangeKind, ChangeStore, StoreError};

#[async_trait]
impl ChangeStore for SqliteStore {
    async fn latest_change(&self) -> Result<i64, StoreError> {
        let query = "SELECT coalesce(max(seq), 0) FROM changes";
        self.reader.read(move |connection| Ok(connection.query_row(query, [], |row| row.get(0))?)).await
    }

    async fn changes_since(&self, seq: i64, limit: u32) -> Result<Option<Vec<Change>>, StoreError> {
        self.reader
            .read(move |connection| {
                let query = "SELECT seq, kind, app_id, id FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2";
                let changes = rows(connection, query, params![seq, limit], change_of_row)?;
                // The oldest are forgotten first: if the change at `seq` is still there, so are all after it.
                let query = "SELECT count(*) > 0 FROM changes WHERE seq <= max(?1, 1)";
                let complete = changes.is_empty() || connection.query_row(query, [seq], |row| row.get(0))?;
                Ok(complete.then_some(changes))
            })
            .await
    }

    async fn forget_changes(&self, keep: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?1";
                Ok(connection.execute(query, [keep.max(1)])?)
            })
            .await
    }
}

fn change_of_row(row: &Row<'_>) -> rusqlite::Result<Change> {
    let word: String = row.get(1)?;
    let kind = ChangeKind::parse(&word).ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(Change { seq: row.get(0)?, kind, app_id: AppId::new(row.get(2)?).ok(), id: row.get(3)? })
}
