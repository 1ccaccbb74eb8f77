//! Where PostgreSQL holds sealed values, and the health of the database.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Client, GenericClient};
use tokio_postgres::{IsolationLevel, Row};

use super::{PostgresStore, execute, rows, unreadable};
use crate::{
    sealing::{Place, SealError},
    store::{Reseal, SealedStore, StoreError, Visit},
};

/// All that is sealed in a large store, one value after the other.
const LIMIT: Duration = Duration::from_secs(600);

/// A column with sealed values. `select` gives app, record id and value; `update` takes value, app and record id.
struct Column {
    table: &'static str,
    select: &'static str,
    update: &'static str,
}

const COLUMNS: &[Column] = &[
    Column {
        table: "meta",
        select: "SELECT 0::bigint, name, value FROM meta WHERE name = 'sealed_with'",
        update: "UPDATE meta SET value = $1 WHERE $2 = 0::bigint AND name = $3",
    },
    Column {
        table: "apps",
        select: "SELECT app_id, 'app_sign', app_sign FROM apps ORDER BY app_id",
        update: "UPDATE apps SET app_sign = $1, version = version + 1 WHERE app_id = $2 AND $3 = 'app_sign'",
    },
    Column {
        table: "apps",
        select: "SELECT app_id, 'previous_app_sign', previous_app_sign FROM apps
            WHERE previous_app_sign IS NOT NULL ORDER BY app_id",
        update: "UPDATE apps SET previous_app_sign = $1 WHERE app_id = $2 AND $3 = 'previous_app_sign'",
    },
    Column {
        table: "server_secrets",
        select: "SELECT app_id, secret_id, sealed FROM server_secrets ORDER BY app_id, secret_id",
        update: "UPDATE server_secrets SET sealed = $1 WHERE app_id = $2 AND secret_id = $3",
    },
    Column {
        table: "backend_keys",
        select: "SELECT coalesce(app_id, 0), key_id, sealed FROM backend_keys WHERE sealed IS NOT NULL ORDER BY key_id",
        update: "UPDATE backend_keys SET sealed = $1 WHERE coalesce(app_id, 0) = $2 AND key_id = $3",
    },
    Column {
        table: "admins",
        select: "SELECT 0::bigint, admin_id, totp_secret FROM admins ORDER BY admin_id",
        update: "UPDATE admins SET totp_secret = $1, version = version + 1 WHERE $2 = 0::bigint AND admin_id = $3",
    },
    Column {
        table: "idempotent_requests",
        select: "SELECT app_id, request_id, answer FROM idempotent_requests WHERE answer IS NOT NULL
            ORDER BY app_id, request_id",
        update: "UPDATE idempotent_requests SET answer = $1 WHERE app_id = $2 AND request_id = $3",
    },
    Column {
        table: "webhook_endpoints",
        select: "SELECT app_id, endpoint_id, signing_key FROM webhook_endpoints ORDER BY app_id, endpoint_id",
        update: "UPDATE webhook_endpoints SET signing_key = $1, version = version + 1
            WHERE app_id = $2 AND endpoint_id = $3",
    },
    Column {
        table: "webhook_endpoints",
        select: "SELECT app_id, 'previous ' || endpoint_id, previous_key FROM webhook_endpoints
            WHERE previous_key IS NOT NULL ORDER BY app_id, endpoint_id",
        update: "UPDATE webhook_endpoints SET previous_key = $1
            WHERE app_id = $2 AND 'previous ' || endpoint_id = $3",
    },
];

#[async_trait]
impl SealedStore for PostgresStore {
    async fn visit_sealed(&self, mut visit: Visit) -> Result<(), StoreError> {
        self.pool
            .run_once(LIMIT, async |mut client: Client| {
                let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
                let snapshot = snapshot.read_only(true).start().await?;
                for column in COLUMNS {
                    for (app_id, record_id, sealed) in rows(&snapshot, column.select, &[], sealed_of_row).await? {
                        visit(Place { table: column.table, app_id, record_id: &record_id }, &sealed);
                    }
                }
                Ok(())
            })
            .await
    }

    async fn reseal(&self, mut reseal: Reseal) -> Result<u64, StoreError> {
        self.pool
            .run_once(LIMIT, async |mut client: Client| {
                let transaction = client.transaction().await?;
                // What another node puts in meanwhile would stay sealed with the old key. Reading goes on.
                let mut tables: Vec<&str> = COLUMNS.iter().map(|column| column.table).collect();
                tables.dedup();
                let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", tables.join(", "));
                transaction.batch_execute(&lock).await?;
                let mut count = 0;
                for column in COLUMNS {
                    for (app_id, record_id, sealed) in rows(&transaction, column.select, &[], sealed_of_row).await? {
                        let place = Place { table: column.table, app_id, record_id: &record_id };
                        let sealed = reseal(place, &sealed).map_err(|error| does_not_open(place, error))?;
                        let app_id = i64::from(app_id);
                        execute(&transaction, column.update, &[&sealed, &app_id, &record_id]).await?;
                        count += 1;
                    }
                }
                transaction.commit().await?;
                Ok(count)
            })
            .await
    }

    async fn faults(&self) -> Result<Vec<String>, StoreError> {
        let queries = [
            "SELECT 'PostgreSQL has read ' || checksum_failures || ' damaged pages' FROM pg_stat_database
                WHERE datname = current_database() AND checksum_failures > 0",
            "SELECT 'the index ' || indexrelid::regclass || ' is not valid' FROM pg_index
                WHERE NOT indisvalid AND indrelid IN (SELECT oid FROM pg_class
                    WHERE relnamespace = current_schema()::regnamespace)",
            "SELECT 'app ' || app_id || ' has no active secret' FROM apps WHERE NOT EXISTS
                (SELECT FROM server_secrets WHERE server_secrets.app_id = apps.app_id
                    AND purpose = 'gcm' AND valid_until IS NULL) ORDER BY app_id",
        ];
        self.pool
            .run_once(LIMIT, async |client: Client| {
                let mut faults = Vec::new();
                for query in queries {
                    faults.extend(rows(&client, query, &[], |row| Ok(row.try_get::<_, String>(0)?)).await?);
                }
                Ok(faults)
            })
            .await
    }
}

fn sealed_of_row(row: &Row) -> Result<(u32, String, Vec<u8>), StoreError> {
    let app_id = u32::try_from(row.try_get::<_, i64>(0)?).map_err(|_| unreadable(row, 0))?;
    Ok((app_id, row.try_get(1)?, row.try_get(2)?))
}

fn does_not_open(place: Place<'_>, error: SealError) -> StoreError {
    let Place { table, app_id, record_id } = place;
    StoreError::Unreadable(format!("{record_id} of app {app_id} in {table}: {error}"))
}
