//! The schema, small values, apps and backend keys, in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Client, GenericClient};
use token_gen::{AppId, UnixSeconds};
use tokio_postgres::{IsolationLevel, Row};

use super::{
    PING_LIMIT, Parameter, PostgresStore, app_id_of, execute, hash_of, migrations, number, row, rows, unreadable,
};
use crate::store::{AppRecord, KeyRecord, Purpose, SecretRecord, Store, StoreError, Timings};

/// A node that follows has a change within two seconds; times are kept in whole ones and from before the change is
/// written, and clocks differ.
const SPREAD: Duration = Duration::from_secs(5);
const APP: &str = "SELECT app_id, version, settings, app_sign, previous_app_sign, previous_app_sign_until, created_at,
    updated_at, app_sign_resets FROM apps";
const SECRET: &str =
    "SELECT app_id, secret_id, purpose, sealed, valid_until, retired_at, created_at FROM server_secrets";
const KEY: &str =
    "SELECT key_id, app_id, hash, name, scope, expire_at, last_used_at, created_at, sealed FROM backend_keys";

#[async_trait]
impl Store for PostgresStore {
    async fn migrate(&self) -> Result<(), StoreError> {
        self.pool.run_once(migrations::LIMIT, migrations::run).await
    }

    fn timings(&self) -> &Timings {
        self.pool.timings()
    }

    fn spread(&self) -> Duration {
        SPREAD
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.pool.run_once(PING_LIMIT, async |client: Client| Ok(client.batch_execute("SELECT 1").await?)).await
    }

    async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.pool
            .run(async |client| {
                if !migrations::any(&client).await? {
                    return Ok(None);
                }
                row(&client, "SELECT value FROM meta WHERE name = $1", &[&name], |row| Ok(row.try_get(0)?)).await
            })
            .await
    }

    async fn insert_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let query = "INSERT INTO meta (name, value) VALUES ($1, $2)";
        self.pool.run(async |client| execute(&client, query, &[&name, &value]).await.map(drop)).await
    }

    async fn apps(&self) -> Result<Vec<AppRecord>, StoreError> {
        self.apps_where("true", "", &[]).await
    }

    async fn apps_after(&self, after: Option<AppId>, limit: u32) -> Result<Vec<AppRecord>, StoreError> {
        let parameters: &[Parameter<'_>] = &[&after.map_or(0, number), &i64::from(limit)];
        self.apps_where("app_id > $1", "LIMIT $2", parameters).await
    }

    async fn find_apps(&self, search: &str, after: Option<AppId>, limit: u32) -> Result<Vec<AppRecord>, StoreError> {
        let condition = "app_id > $1 AND (strpos(lower(settings::json ->> 'name' COLLATE \"C\"), $3) > 0
            OR starts_with(app_id::text, $3))";
        let search = search.to_ascii_lowercase();
        let parameters: &[Parameter<'_>] = &[&after.map_or(0, number), &i64::from(limit), &search];
        self.apps_where(condition, "LIMIT $2", parameters).await
    }

    async fn app(&self, app_id: AppId) -> Result<Option<AppRecord>, StoreError> {
        Ok(self.apps_where("app_id = $1", "", &[&number(app_id)]).await?.pop())
    }

    async fn insert_app(&self, app: AppRecord) -> Result<(), StoreError> {
        let query = "INSERT INTO apps (app_id, version, settings, app_sign, previous_app_sign,
                previous_app_sign_until, updated_at, created_at, app_sign_resets)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                let (sealed, until) = previous_app_sign(&app);
                let (updated_at, created_at) = (app.updated_at.get(), app.created_at.get());
                let app_sign = &app.app_sign;
                let parameters: &[Parameter<'_>] = &[
                    &number(app.app_id),
                    &app.version,
                    &app.settings,
                    app_sign,
                    &sealed,
                    &until,
                    &updated_at,
                    &created_at,
                    &app.app_sign_resets,
                ];
                execute(&transaction, query, parameters).await?;
                insert_secrets(&transaction, &app).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn update_app(&self, app: AppRecord) -> Result<(), StoreError> {
        let query = "UPDATE apps SET version = version + 1, settings = $3, app_sign = $4, previous_app_sign = $5,
                previous_app_sign_until = $6, updated_at = $7, app_sign_resets = $8
            WHERE app_id = $1 AND version = $2";
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                let (sealed, until) = previous_app_sign(&app);
                let updated_at = app.updated_at.get();
                let app_sign = &app.app_sign;
                let parameters: &[Parameter<'_>] = &[
                    &number(app.app_id),
                    &app.version,
                    &app.settings,
                    app_sign,
                    &sealed,
                    &until,
                    &updated_at,
                    &app.app_sign_resets,
                ];
                if execute(&transaction, query, parameters).await? == 0 {
                    return Err(StoreError::Conflict);
                }
                let query = "DELETE FROM server_secrets WHERE app_id = $1";
                execute(&transaction, query, &[&number(app.app_id)]).await?;
                insert_secrets(&transaction, &app).await?;
                let query = "DELETE FROM secret_uses WHERE app_id = $1 AND secret_id NOT IN
                    (SELECT secret_id FROM server_secrets WHERE app_id = $1) AND secret_id <> ALL ($2)";
                execute(&transaction, query, &[&number(app.app_id), &app.app_sign_ids()]).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn all_keys(&self, after: &str, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let query = format!("{KEY} WHERE key_id > $1 ORDER BY key_id LIMIT $2");
        let parameters: &[Parameter<'_>] = &[&after, &i64::from(limit)];
        self.pool.run(async |client| rows(&client, &query, parameters, key_of_row).await).await
    }

    async fn key(&self, key_id: &str) -> Result<Option<KeyRecord>, StoreError> {
        let query = format!("{KEY} WHERE key_id = $1");
        self.pool.run(async |client| row(&client, &query, &[&key_id], key_of_row).await).await
    }

    async fn keys_after(&self, app_id: Option<AppId>, after: &str, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let query = format!("{KEY} WHERE app_id IS NOT DISTINCT FROM $1 AND key_id > $2 ORDER BY key_id LIMIT $3");
        let parameters: &[Parameter<'_>] = &[&app_id.map(number), &after, &i64::from(limit)];
        self.pool.run(async |client| rows(&client, &query, parameters, key_of_row).await).await
    }

    async fn find_keys(
        &self,
        app_id: Option<AppId>,
        search: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, StoreError> {
        let query = format!(
            "{KEY} WHERE app_id IS NOT DISTINCT FROM $1 AND key_id > $2
                AND (strpos(lower(name COLLATE \"C\"), $4) > 0 OR starts_with(key_id, $5))
             ORDER BY key_id LIMIT $3"
        );
        let in_name = search.to_ascii_lowercase();
        let parameters: &[Parameter<'_>] = &[&app_id.map(number), &after, &i64::from(limit), &in_name, &search];
        self.pool.run(async |client| rows(&client, &query, parameters, key_of_row).await).await
    }

    async fn insert_key(&self, key: KeyRecord) -> Result<(), StoreError> {
        let query = "INSERT INTO backend_keys
                (key_id, app_id, hash, name, scope, expire_at, last_used_at, created_at, sealed)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let (expire_at, last_used_at) = (key.expire_at.map(UnixSeconds::get), key.last_used_at.map(UnixSeconds::get));
        let parameters: &[Parameter<'_>] = &[
            &key.key_id,
            &key.app_id.map(number),
            &&key.hash[..],
            &key.name,
            &key.scope,
            &expire_at,
            &last_used_at,
            &key.created_at.get(),
            &key.sealed,
        ];
        self.pool.run(async |client| execute(&client, query, parameters).await.map(drop)).await
    }

    async fn delete_key(&self, app_id: Option<AppId>, key_id: &str) -> Result<bool, StoreError> {
        let query = "DELETE FROM backend_keys WHERE app_id IS NOT DISTINCT FROM $1 AND key_id = $2";
        let parameters: &[Parameter<'_>] = &[&app_id.map(number), &key_id];
        self.pool.run(async |client| Ok(execute(&client, query, parameters).await? == 1)).await
    }

    async fn touch_keys(&self, used: Vec<(String, UnixSeconds)>) -> Result<(), StoreError> {
        // In one order everywhere: two nodes that note the same keys never wait for each other in a ring.
        let query = "UPDATE backend_keys SET last_used_at = used.at
            FROM (SELECT key_id FROM backend_keys WHERE key_id = ANY ($1) ORDER BY key_id FOR UPDATE) AS locked
            JOIN unnest($1, $2::bigint[]) AS used (key_id, at) USING (key_id)
            WHERE backend_keys.key_id = locked.key_id AND (last_used_at IS NULL OR last_used_at < used.at)";
        let (keys, times): (Vec<String>, Vec<i64>) = used.into_iter().map(|(key, at)| (key, at.get())).unzip();
        self.pool.run(async |client| execute(&client, query, &[&keys, &times]).await.map(drop)).await
    }
}

impl PostgresStore {
    /// Apps and their rings, of one moment, by number.
    async fn apps_where(
        &self,
        condition: &str,
        limit: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<AppRecord>, StoreError> {
        let apps_query = format!("{APP} WHERE {condition} ORDER BY app_id {limit}");
        let secrets_query = format!("{SECRET} WHERE app_id = ANY ($1) ORDER BY app_id, secret_id");
        self.pool
            .run(async |mut client| {
                let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
                let snapshot = snapshot.read_only(true).start().await?;
                let mut apps = rows(&snapshot, &apps_query, parameters, app_of_row).await?;
                let numbers: Vec<i64> = apps.iter().map(|app| number(app.app_id)).collect();
                for (app_id, secret) in rows(&snapshot, &secrets_query, &[&numbers], secret_of_row).await? {
                    if let Ok(index) = apps.binary_search_by_key(&app_id, |app| app.app_id) {
                        apps[index].secrets.push(secret);
                    }
                }
                Ok(apps)
            })
            .await
    }
}

fn previous_app_sign(app: &AppRecord) -> (Option<&[u8]>, Option<i64>) {
    app.previous_app_sign.as_ref().map(|(sealed, until)| (&sealed[..], until.get())).unzip()
}

fn app_of_row(row: &Row) -> Result<AppRecord, StoreError> {
    let previous: Option<Vec<u8>> = row.try_get(4)?;
    let until: Option<i64> = row.try_get(5)?;
    Ok(AppRecord {
        app_id: app_id_of(row, 0)?,
        version: row.try_get(1)?,
        settings: row.try_get(2)?,
        app_sign: row.try_get(3)?,
        previous_app_sign: previous.zip(until.map(UnixSeconds::new)),
        secrets: Vec::new(),
        created_at: UnixSeconds::new(row.try_get(6)?),
        updated_at: UnixSeconds::new(row.try_get(7)?),
        app_sign_resets: row.try_get(8)?,
    })
}

fn secret_of_row(row: &Row) -> Result<(AppId, SecretRecord), StoreError> {
    let secret = SecretRecord {
        secret_id: row.try_get(1)?,
        purpose: Purpose::parse(row.try_get(2)?).ok_or_else(|| unreadable(row, 2))?,
        sealed: row.try_get(3)?,
        valid_until: row.try_get::<_, Option<i64>>(4)?.map(UnixSeconds::new),
        retired_at: row.try_get::<_, Option<i64>>(5)?.map(UnixSeconds::new),
        created_at: UnixSeconds::new(row.try_get(6)?),
    };
    Ok((app_id_of(row, 0)?, secret))
}

fn key_of_row(row: &Row) -> Result<KeyRecord, StoreError> {
    Ok(KeyRecord {
        key_id: row.try_get(0)?,
        app_id: row.try_get::<_, Option<i64>>(1)?.map(|_| app_id_of(row, 1)).transpose()?,
        hash: hash_of(row, 2)?,
        sealed: row.try_get(8)?,
        name: row.try_get(3)?,
        scope: row.try_get(4)?,
        expire_at: row.try_get::<_, Option<i64>>(5)?.map(UnixSeconds::new),
        last_used_at: row.try_get::<_, Option<i64>>(6)?.map(UnixSeconds::new),
        created_at: UnixSeconds::new(row.try_get(7)?),
    })
}

async fn insert_secrets(transaction: &impl GenericClient, app: &AppRecord) -> Result<(), StoreError> {
    let query = "INSERT INTO server_secrets
            (app_id, secret_id, purpose, sealed, valid_until, retired_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    for secret in &app.secrets {
        let parameters: &[Parameter<'_>] = &[
            &number(app.app_id),
            &secret.secret_id,
            &secret.purpose.as_str(),
            &secret.sealed,
            &secret.valid_until.map(UnixSeconds::get),
            &secret.retired_at.map(UnixSeconds::get),
            &secret.created_at.get(),
        ];
        execute(transaction, query, parameters).await?;
    }
    Ok(())
}
