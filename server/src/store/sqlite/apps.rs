//! The schema, small values, apps and backend keys, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use token_gen::{AppId, UnixSeconds};

use super::{SqliteStore, app_id_of, migrations, rows};
use crate::store::{AppRecord, KeyRecord, Purpose, SecretRecord, Store, StoreError, Timings};

const SELECT_APP: &str = "SELECT app_id, version, settings, app_sign, previous_app_sign, previous_app_sign_until,
    created_at, updated_at, app_sign_resets FROM apps";
const SELECT_SECRET: &str =
    "SELECT app_id, secret_id, purpose, sealed, valid_until, retired_at, created_at FROM server_secrets";
const SELECT_KEY: &str = "SELECT key_id, app_id, hash, name, scope, expire_at, last_used_at, created_at, sealed
    FROM backend_keys";

#[async_trait]
impl Store for SqliteStore {
    async fn migrate(&self) -> Result<(), StoreError> {
        self.writer.alone(migrations::run).await
    }

    fn timings(&self) -> &Timings {
        &self.timings
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)).await
    }

    async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.reader
            .read(move |connection| {
                if !migrations::any(connection)? {
                    return Ok(None);
                }
                let query = "SELECT value FROM meta WHERE name = ?1";
                Ok(connection.query_row(query, [name], |row| row.get(0)).optional()?)
            })
            .await
    }

    async fn insert_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.writer
            .write(move |connection| {
                connection.execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", params![name, value])?;
                Ok(())
            })
            .await
    }

    async fn apps(&self) -> Result<Vec<AppRecord>, StoreError> {
        self.reader
            .read(|connection| {
                let apps = rows(connection, &format!("{SELECT_APP} ORDER BY app_id"), [], app_of_row)?;
                with_secrets(
                    apps,
                    rows(connection, &format!("{SELECT_SECRET} ORDER BY app_id, secret_id"), [], secret_of_row)?,
                )
            })
            .await
    }

    async fn apps_after(&self, after: Option<AppId>, limit: u32) -> Result<Vec<AppRecord>, StoreError> {
        self.reader
            .read(move |connection| {
                let query = format!("{SELECT_APP} WHERE app_id > ?1 ORDER BY app_id LIMIT ?2");
                let apps = rows(connection, &query, [after.map_or(0, AppId::get), limit], app_of_row)?;
                let Some((first, last)) = apps.first().zip(apps.last()) else { return Ok(apps) };
                let query = format!("{SELECT_SECRET} WHERE app_id BETWEEN ?1 AND ?2 ORDER BY app_id, secret_id");
                let secrets = rows(connection, &query, [first.app_id.get(), last.app_id.get()], secret_of_row)?;
                with_secrets(apps, secrets)
            })
            .await
    }

    async fn find_apps(&self, search: &str, after: Option<AppId>, limit: u32) -> Result<Vec<AppRecord>, StoreError> {
        let search = search.to_ascii_lowercase();
        self.searcher
            .read(move |connection| {
                let query = format!(
                    "{SELECT_APP} WHERE app_id > ?1 AND (instr(lower(json_extract(settings, '$.name')), ?3) > 0
                        OR substr(CAST(app_id AS TEXT), 1, length(?3)) = ?3) ORDER BY app_id LIMIT ?2"
                );
                let after = after.map_or(0, AppId::get);
                let mut apps = rows(connection, &query, params![after, limit, search], app_of_row)?;
                let query = format!("{SELECT_SECRET} WHERE app_id = ?1 ORDER BY secret_id");
                for app in &mut apps {
                    let secrets = rows(connection, &query, [app.app_id.get()], secret_of_row)?;
                    app.secrets = secrets.into_iter().map(|(_, secret)| secret).collect();
                }
                Ok(apps)
            })
            .await
    }

    async fn app(&self, app_id: AppId) -> Result<Option<AppRecord>, StoreError> {
        self.reader
            .read(move |connection| {
                let query = format!("{SELECT_APP} WHERE app_id = ?1");
                let Some(mut app) = rows(connection, &query, [app_id.get()], app_of_row)?.pop() else {
                    return Ok(None);
                };
                let query = format!("{SELECT_SECRET} WHERE app_id = ?1 ORDER BY secret_id");
                let secrets = rows(connection, &query, [app_id.get()], secret_of_row)?;
                app.secrets = secrets.into_iter().map(|(_, secret)| secret).collect();
                Ok(Some(app))
            })
            .await
    }

    async fn insert_app(&self, app: AppRecord) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                connection.execute(
                    "INSERT INTO apps (app_id, version, settings, app_sign, previous_app_sign,
                         previous_app_sign_until, app_sign_resets, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        app.app_id.get(),
                        app.version,
                        app.settings,
                        app.app_sign,
                        app.previous_app_sign.as_ref().map(|(sealed, _)| sealed),
                        app.previous_app_sign.as_ref().map(|(_, until)| until.get()),
                        app.app_sign_resets,
                        app.created_at.get(),
                        app.updated_at.get()
                    ],
                )?;
                insert_secrets(connection, &app)
            })
            .await
    }

    async fn update_app(&self, app: AppRecord) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let changed = connection.execute(
                    "UPDATE apps SET version = version + 1, settings = ?3, app_sign = ?4, previous_app_sign = ?5,
                         previous_app_sign_until = ?6, app_sign_resets = ?7, updated_at = ?8
                     WHERE app_id = ?1 AND version = ?2",
                    params![
                        app.app_id.get(),
                        app.version,
                        app.settings,
                        app.app_sign,
                        app.previous_app_sign.as_ref().map(|(sealed, _)| sealed),
                        app.previous_app_sign.as_ref().map(|(_, until)| until.get()),
                        app.app_sign_resets,
                        app.updated_at.get()
                    ],
                )?;
                if changed == 0 {
                    return Err(StoreError::Conflict);
                }
                connection.execute("DELETE FROM server_secrets WHERE app_id = ?1", [app.app_id.get()])?;
                insert_secrets(connection, &app)?;
                let app_signs = app.app_sign_ids();
                connection.execute(
                    "DELETE FROM secret_uses WHERE app_id = ?1 AND secret_id NOT IN
                         (SELECT secret_id FROM server_secrets WHERE app_id = ?1) AND secret_id NOT IN (?2, ?3)",
                    params![app.app_id.get(), app_signs.first(), app_signs.last()],
                )?;
                Ok(())
            })
            .await
    }

    async fn all_keys(&self, after: &str, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let query = format!("{SELECT_KEY} WHERE key_id > ?1 ORDER BY key_id LIMIT ?2");
        let after = after.to_owned();
        self.reader.read(move |connection| rows(connection, &query, params![after, limit], key_of_row)).await
    }

    async fn key(&self, key_id: &str) -> Result<Option<KeyRecord>, StoreError> {
        let query = format!("{SELECT_KEY} WHERE key_id = ?1");
        let key_id = key_id.to_owned();
        self.reader.read(move |connection| Ok(connection.query_row(&query, [key_id], key_of_row).optional()?)).await
    }

    async fn keys_after(&self, app_id: Option<AppId>, after: &str, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let query = format!("{SELECT_KEY} WHERE app_id IS ?1 AND key_id > ?2 ORDER BY key_id LIMIT ?3");
        let after = after.to_owned();
        let app_id = app_id.map(AppId::get);
        self.reader.read(move |connection| rows(connection, &query, params![app_id, after, limit], key_of_row)).await
    }

    async fn find_keys(
        &self,
        app_id: Option<AppId>,
        search: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, StoreError> {
        let query = format!(
            "{SELECT_KEY} WHERE app_id IS ?1 AND key_id > ?2
                AND (instr(lower(name), lower(?4)) > 0 OR substr(key_id, 1, length(?4)) = ?4)
             ORDER BY key_id LIMIT ?3"
        );
        let (after, search) = (after.to_owned(), search.to_owned());
        let app_id = app_id.map(AppId::get);
        self.searcher
            .read(move |connection| rows(connection, &query, params![app_id, after, limit, search], key_of_row))
            .await
    }

    async fn insert_key(&self, key: KeyRecord) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                connection.execute(
                    "INSERT INTO backend_keys
                         (key_id, app_id, hash, name, scope, expire_at, last_used_at, created_at, sealed)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        key.key_id,
                        key.app_id.map(AppId::get),
                        key.hash,
                        key.name,
                        key.scope,
                        key.expire_at.map(UnixSeconds::get),
                        key.last_used_at.map(UnixSeconds::get),
                        key.created_at.get(),
                        key.sealed
                    ],
                )?;
                Ok(())
            })
            .await
    }

    async fn delete_key(&self, app_id: Option<AppId>, key_id: &str) -> Result<bool, StoreError> {
        let key_id = key_id.to_owned();
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM backend_keys WHERE app_id IS ?1 AND key_id = ?2";
                Ok(connection.execute(query, params![app_id.map(AppId::get), key_id])? == 1)
            })
            .await
    }

    async fn touch_keys(&self, used: Vec<(String, UnixSeconds)>) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let mut update = connection.prepare_cached(
                    "UPDATE backend_keys SET last_used_at = ?2
                     WHERE key_id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
                )?;
                for (key_id, at) in used {
                    update.execute(params![key_id, at.get()])?;
                }
                Ok(())
            })
            .await
    }
}

fn app_of_row(row: &Row<'_>) -> rusqlite::Result<AppRecord> {
    Ok(AppRecord {
        app_id: app_id_of(row, 0)?,
        version: row.get(1)?,
        settings: row.get(2)?,
        app_sign: row.get(3)?,
        previous_app_sign: row.get::<_, Option<_>>(4)?.zip(row.get::<_, Option<i64>>(5)?.map(UnixSeconds::new)),
        secrets: Vec::new(),
        created_at: UnixSeconds::new(row.get(6)?),
        updated_at: UnixSeconds::new(row.get(7)?),
        app_sign_resets: row.get(8)?,
    })
}

fn secret_of_row(row: &Row<'_>) -> rusqlite::Result<(AppId, SecretRecord)> {
    let purpose: String = row.get(2)?;
    let secret = SecretRecord {
        secret_id: row.get(1)?,
        purpose: Purpose::parse(&purpose).ok_or(rusqlite::Error::InvalidQuery)?,
        sealed: row.get(3)?,
        valid_until: row.get::<_, Option<i64>>(4)?.map(UnixSeconds::new),
        retired_at: row.get::<_, Option<i64>>(5)?.map(UnixSeconds::new),
        created_at: UnixSeconds::new(row.get(6)?),
    };
    Ok((app_id_of(row, 0)?, secret))
}

/// Gives each secret to its app; both come in the order of the apps.
fn with_secrets(mut apps: Vec<AppRecord>, secrets: Vec<(AppId, SecretRecord)>) -> Result<Vec<AppRecord>, StoreError> {
    for (app_id, secret) in secrets {
        if let Ok(index) = apps.binary_search_by_key(&app_id, |app| app.app_id) {
            apps[index].secrets.push(secret);
        }
    }
    Ok(apps)
}

fn key_of_row(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let is_of_app = row.get::<_, Option<u32>>(1)?.is_some();
    Ok(KeyRecord {
        key_id: row.get(0)?,
        app_id: if is_of_app { Some(app_id_of(row, 1)?) } else { None },
        hash: row.get(2)?,
        name: row.get(3)?,
        scope: row.get(4)?,
        expire_at: row.get::<_, Option<i64>>(5)?.map(UnixSeconds::new),
        last_used_at: row.get::<_, Option<i64>>(6)?.map(UnixSeconds::new),
        created_at: UnixSeconds::new(row.get(7)?),
        sealed: row.get(8)?,
    })
}

fn insert_secrets(connection: &Connection, app: &AppRecord) -> Result<(), StoreError> {
    for secret in &app.secrets {
        connection.execute(
            "INSERT INTO server_secrets (app_id, secret_id, purpose, sealed, valid_until, retired_at, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                app.app_id.get(),
                secret.secret_id,
                secret.purpose.as_str(),
                secret.sealed,
                secret.valid_until.map(UnixSeconds::get),
                secret.retired_at.map(UnixSeconds::get),
                secret.created_at.get()
            ],
        )?;
    }
    Ok(())
}
