//! Where SQLite holds sealed values, and the health of the database.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{SqliteStore, rows};
use crate::{
    sealing::{Place, SealError},
    store::{Reseal, SealedStore, StoreError, Visit},
};

/// A column with sealed values. `select` gives app, record id and value; `update` takes value, app and record id.
struct Column {
    table: &'static str,
    select: &'static str,
    update: &'static str,
}

const COLUMNS: &[Column] = &[
    Column {
        table: "meta",
        select: "SELECT 0, name, value FROM meta WHERE name = 'sealed_with'",
        update: "UPDATE meta SET value = ?1 WHERE ?2 = 0 AND name = ?3",
    },
    Column {
        table: "apps",
        select: "SELECT app_id, 'app_sign', app_sign FROM apps ORDER BY app_id",
        update: "UPDATE apps SET app_sign = ?1, version = version + 1 WHERE app_id = ?2 AND ?3 = 'app_sign'",
    },
    Column {
        table: "apps",
        select: "SELECT app_id, 'previous_app_sign', previous_app_sign FROM apps
            WHERE previous_app_sign IS NOT NULL ORDER BY app_id",
        update: "UPDATE apps SET previous_app_sign = ?1 WHERE app_id = ?2 AND ?3 = 'previous_app_sign'",
    },
    Column {
        table: "server_secrets",
        select: "SELECT app_id, secret_id, sealed FROM server_secrets ORDER BY app_id, secret_id",
        update: "UPDATE server_secrets SET sealed = ?1 WHERE app_id = ?2 AND secret_id = ?3",
    },
    Column {
        table: "backend_keys",
        select: "SELECT coalesce(app_id, 0), key_id, sealed FROM backend_keys WHERE sealed IS NOT NULL ORDER BY key_id",
        update: "UPDATE backend_keys SET sealed = ?1 WHERE coalesce(app_id, 0) = ?2 AND key_id = ?3",
    },
    Column {
        table: "admins",
        select: "SELECT 0, admin_id, totp_secret FROM admins ORDER BY admin_id",
        update: "UPDATE admins SET totp_secret = ?1, version = version + 1 WHERE ?2 = 0 AND admin_id = ?3",
    },
    Column {
        table: "idempotent_requests",
        select: "SELECT app_id, request_id, answer FROM idempotent_requests WHERE answer IS NOT NULL
            ORDER BY app_id, request_id",
        update: "UPDATE idempotent_requests SET answer = ?1 WHERE app_id = ?2 AND request_id = ?3",
    },
    Column {
        table: "webhook_endpoints",
        select: "SELECT app_id, endpoint_id, signing_key FROM webhook_endpoints ORDER BY app_id, endpoint_id",
        update: "UPDATE webhook_endpoints SET signing_key = ?1, version = version + 1
            WHERE app_id = ?2 AND endpoint_id = ?3",
    },
    Column {
        table: "webhook_endpoints",
        select: "SELECT app_id, 'previous ' || endpoint_id, previous_key FROM webhook_endpoints
            WHERE previous_key IS NOT NULL ORDER BY app_id, endpoint_id",
        update: "UPDATE webhook_endpoints SET previous_key = ?1
            WHERE app_id = ?2 AND 'previous ' || endpoint_id = ?3",
    },
];

#[async_trait]
impl SealedStore for SqliteStore {
    async fn visit_sealed(&self, mut visit: Visit) -> Result<(), StoreError> {
        self.reader
            .read(move |connection| {
                for column in COLUMNS {
                    for (app_id, record_id, sealed) in sealed_in(connection, column)? {
                        visit(Place { table: column.table, app_id, record_id: &record_id }, &sealed);
                    }
                }
                Ok(())
            })
            .await
    }

    async fn reseal(&self, mut reseal: Reseal) -> Result<u64, StoreError> {
        self.writer
            .write(move |connection| {
                let mut count = 0;
                for column in COLUMNS {
                    let mut update = connection.prepare(column.update)?;
                    for (app_id, record_id, sealed) in sealed_in(connection, column)? {
                        let place = Place { table: column.table, app_id, record_id: &record_id };
                        let sealed = reseal(place, &sealed).map_err(|error| unreadable(place, error))?;
                        update.execute(params![sealed, app_id, record_id])?;
                        count += 1;
                    }
                }
                Ok(count)
            })
            .await
    }

    async fn faults(&self) -> Result<Vec<String>, StoreError> {
        self.reader
            .read(|connection| {
                let mut faults = rows(connection, "PRAGMA integrity_check(100)", [], |row| row.get::<_, String>(0))?;
                faults.retain(|fault| fault != "ok");
                let orphans = rows(connection, "PRAGMA foreign_key_check", [], |row| row.get::<_, String>(0))?;
                faults.extend(orphans.into_iter().map(|table| format!("a row of {table} refers to nothing")));
                let lacking = "SELECT app_id FROM apps WHERE NOT EXISTS (SELECT 1 FROM server_secrets
                    WHERE server_secrets.app_id = apps.app_id AND purpose = 'gcm' AND valid_until IS NULL)";
                let lacking = rows(connection, lacking, [], |row| row.get::<_, u32>(0))?;
                faults.extend(lacking.into_iter().map(|app_id| format!("app {app_id} has no active secret")));
                Ok(faults)
            })
            .await
    }
}

fn sealed_in(connection: &Connection, column: &Column) -> Result<Vec<(u32, String, Vec<u8>)>, StoreError> {
    rows(connection, column.select, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

fn unreadable(place: Place<'_>, error: SealError) -> StoreError {
    let Place { table, app_id, record_id } = place;
    StoreError::Unreadable(format!("{record_id} of app {app_id} in {table}: {error}"))
}
