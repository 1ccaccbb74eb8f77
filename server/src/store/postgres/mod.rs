//! PostgreSQL as the store of several nodes: durable commits, bounded waits, and word of what other nodes change.

mod admins;
mod apps;
mod audit;
mod changes;
mod issued;
mod migrations;
mod nonces;
mod once;
mod pool;
mod revocations;
mod ring;
mod sealed;
mod tls;
mod url;
mod used_tokens;
mod webhooks;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::GenericClient;
use token_gen::{AppId, UnixSeconds};
use tokio::{sync::Notify, task::JoinSet};
use tokio_postgres::{Row, types::ToSql};

use super::StoreError;
use pool::Pool;
use tls::Tls;
pub use url::PostgresUrl;

/// A probe asks whether the store answers now, not whether it will.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// A store in a PostgreSQL database, which any number of nodes may share.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Pool,
    /// Notified when a node, which may be this one, has changed something.
    news: Arc<Notify>,
    /// Ends with the store.
    _listener: JoinSet<()>,
}

impl PostgresStore {
    /// Connects, and checks that the database keeps what it commits.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a database that is not durable or that a newer binary has migrated; nothing is
    /// changed then. [`StoreError::Unavailable`] if there is none.
    pub async fn open(url: &PostgresUrl) -> Result<Self, StoreError> {
        let tls = Tls::new(url.trusted())?;
        let pool = Pool::new(url, tls.clone())?;
        pool.run(migrations::check).await?;
        let (news, mut listener) = (Arc::new(Notify::new()), JoinSet::new());
        listener.spawn(changes::listen(url.clone(), tls, Arc::clone(&news)));
        Ok(Self { pool, news, _listener: listener })
    }

    /// Deletes up to `limit` rows of `table`, whose primary key is `key`, that have ended. Rows that another node is
    /// deleting or using are left to it, or to the next time.
    async fn delete_ended(&self, table: &str, key: &str, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        let query = format!(
            "DELETE FROM {table} WHERE ({key}) IN
                (SELECT {key} FROM {table} WHERE expire_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
        );
        let parameters: &[Parameter<'_>] = &[&now.get(), &i64::from(limit)];
        let deleted = self.pool.run(async |client| execute(&client, &query, parameters).await).await?;
        Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
    }
}

/// A parameter of a statement.
type Parameter<'a> = &'a (dyn ToSql + Sync);

/// Every row, read.
async fn rows<T>(
    client: &impl GenericClient,
    query: &str,
    parameters: &[Parameter<'_>],
    read: fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let statement = client.prepare_cached(query).await?;
    client.query(&statement, parameters).await?.iter().map(read).collect()
}

/// The only row, read, if there is one.
async fn row<T>(
    client: &impl GenericClient,
    query: &str,
    parameters: &[Parameter<'_>],
    read: fn(&Row) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let statement = client.prepare_cached(query).await?;
    client.query_opt(&statement, parameters).await?.as_ref().map(read).transpose()
}

/// Runs a statement; says how many rows it changed.
async fn execute(client: &impl GenericClient, query: &str, parameters: &[Parameter<'_>]) -> Result<u64, StoreError> {
    let statement = client.prepare_cached(query).await?;
    Ok(client.execute(&statement, parameters).await?)
}

/// An app's number as a column.
fn number(app_id: AppId) -> i64 {
    app_id.get().into()
}

fn app_id_of(row: &Row, column: usize) -> Result<AppId, StoreError> {
    let number: i64 = row.try_get(column)?;
    let app_id = u32::try_from(number).ok().and_then(|number| AppId::new(number).ok());
    app_id.ok_or_else(|| unreadable(row, column))
}

fn unreadable(row: &Row, column: usize) -> StoreError {
    let name = row.columns().get(column).map_or("", |column| column.name());
    StoreError::Unreadable(format!("a value of the column {name}"))
}

/// A column of 32 bytes.
fn hash_of(row: &Row, column: usize) -> Result<[u8; 32], StoreError> {
    row.try_get::<_, &[u8]>(column)?.try_into().map_err(|_| unreadable(row, column))
}

#[cfg(test)]
#[path = "../../../tests/support/postgres.rs"]
pub(crate) mod server;
#[cfg(test)]
mod tests;
