//! Brings a PostgreSQL database to this binary's schema: forward only, all missing steps in one transaction, none
//! ever edited. Of nodes that start at once, one migrates and the others wait for it.

use std::time::Duration;

use deadpool_postgres::{Client, GenericClient};
use sha2::{Digest, Sha256};

use super::row;
use crate::store::StoreError;

/// Every step, in order; the first is version 1.
const STEPS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001-apps-and-keys.sql"),
    include_str!("../../../migrations/postgres/0002-revocations-and-bans.sql"),
    include_str!("../../../migrations/postgres/0004-admins.sql"),
    include_str!("../../../migrations/postgres/0006-once.sql"),
    include_str!("../../../migrations/postgres/0007-changes-and-rings.sql"),
    include_str!("../../../migrations/postgres/0008-nonces.sql"),
    include_str!("../../../migrations/postgres/0009-audit.sql"),
    include_str!("../../../migrations/postgres/0010-webhooks.sql"),
    include_str!("../../../migrations/postgres/0011-issued-tokens.sql"),
    include_str!("../../../migrations/postgres/0012-used-tokens.sql"),
    include_str!("../../../migrations/postgres/0013-refusals.sql"),
    include_str!("../../../migrations/postgres/0014-app-sign-uses.sql"),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    version  INTEGER PRIMARY KEY,
    checksum BYTEA   NOT NULL
)";

/// What migrating a large store may take, with the wait for another node that does it.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// Steps may take long, and so may the wait for the node that runs them; only the latter ends by itself.
const BEGIN: &str = "
    SET LOCAL statement_timeout = 0;
    SET LOCAL lock_timeout = '240s';
    SELECT pg_advisory_xact_lock(hashtextextended('roompass migrations', 0));";

/// Refuses a database that this binary must not touch, without changing it.
pub(super) async fn check(client: Client) -> Result<(), StoreError> {
    missing(&client, STEPS).await.map(drop)
}

/// Whether any step has run.
pub(super) async fn any(client: &impl GenericClient) -> Result<bool, StoreError> {
    let any = row(client, "SELECT to_regclass('migrations') IS NOT NULL", &[], |row| Ok(row.try_get(0)?)).await?;
    Ok(any.unwrap_or_default())
}

/// Runs the steps that are missing.
pub(super) async fn run(client: Client) -> Result<(), StoreError> {
    run_steps(client, STEPS).await
}

async fn run_steps(mut client: Client, steps: &[&str]) -> Result<(), StoreError> {
    // Without anything to do, a role that may change no schema will do.
    if missing(&client, steps).await?.is_empty() {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute(BEGIN).await?;
    transaction.batch_execute(TABLE).await?;
    for (version, step) in missing(&transaction, steps).await? {
        transaction.batch_execute(step).await?;
        let query = "INSERT INTO migrations (version, checksum) VALUES ($1, $2)";
        transaction.execute(query, &[&version, &&Sha256::digest(step)[..]]).await?;
    }
    Ok(transaction.commit().await?)
}

/// The steps that have not run yet, with their versions.
async fn missing<'a>(client: &impl GenericClient, steps: &[&'a str]) -> Result<Vec<(i32, &'a str)>, StoreError> {
    let mut steps_left = (1..).zip(steps.iter().copied());
    if !any(client).await? {
        return Ok(steps_left.collect());
    }
    // Not kept prepared: another node may just have made the table.
    for done in client.query("SELECT version, checksum FROM migrations ORDER BY version", &[]).await? {
        let (version, checksum): (i32, &[u8]) = (done.try_get(0)?, done.try_get(1)?);
        let Some((expected, step)) = steps_left.next() else {
            return Err(StoreError::Unusable(format!(
                "the database has schema version {version}, this binary knows {}: use a newer binary",
                steps.len()
            )));
        };
        if version != expected || checksum != Sha256::digest(step).as_slice() {
            return Err(StoreError::Unusable(format!("schema version {expected} is not the one this binary knows")));
        }
    }
    Ok(steps_left.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{PostgresStore, PostgresUrl, postgres_server::Server};

    /// Everything that a database of the first versions may hold, in its own columns.
    const DATA: &[&str] = &[
        r#"INSERT INTO meta VALUES ('sealed_with', '\x0102');
         INSERT INTO apps (app_id, version, settings, app_sign, created_at, updated_at)
             VALUES (7, 3, '{"name":"Shop"}', '\x0a', 100, 200);
         INSERT INTO server_secrets (app_id, secret_id, purpose, sealed, valid_until, created_at)
             VALUES (7, 'new', 'gcm', '\x0b', NULL, 100), (7, 'old', 'gcm', '\x0c', 900, 50);
         INSERT INTO backend_keys VALUES
             ('key', 7, decode(repeat('00', 32), 'hex'), 'name', '{"rights":["mint"]}', 900, 150, 100);"#,
        "INSERT INTO revocations VALUES (7, 'r', 'user', NULL, 'u', NULL, 100, 900, 100, 'key', 'why');
         INSERT INTO bans VALUES (7, 'b', 'ip_range', NULL, NULL, '192.0.2.0/24', NULL, 100, 'key', NULL);
         INSERT INTO latest_time VALUES (1, 1234);",
    ];
    /// What becomes of it.
    const KEPT: &[(&str, &str)] = &[
        ("SELECT encode(value, 'hex') FROM meta WHERE name = 'sealed_with'", "0102"),
        (
            "SELECT version || settings || encode(app_sign, 'hex') || created_at || updated_at FROM apps
                 WHERE app_id = 7 AND previous_app_sign IS NULL AND app_sign_resets = 0",
            r#"3{"name":"Shop"}0a100200"#,
        ),
        (
            "SELECT string_agg(secret_id || encode(sealed, 'hex') || coalesce(valid_until, 0) || purpose, ','
                 ORDER BY secret_id) FROM server_secrets WHERE app_id = 7 AND retired_at IS NULL",
            "new0b0gcm,old0c900gcm",
        ),
        (
            "SELECT key_id || app_id || length(hash) || name || scope || expire_at || last_used_at || created_at
                 FROM backend_keys",
            r#"key732name{"rights":["mint"]}900150100"#,
        ),
        (
            "SELECT kind || user_id || issued_before || expire_at || created_at || created_by || reason
                 FROM revocations WHERE app_id = 7 AND revocation_id = 'r'",
            "useru100900100keywhy",
        ),
        (
            "SELECT kind || ip_range || created_at || created_by FROM bans WHERE expire_at IS NULL",
            "ip_range192.0.2.0/24100key",
        ),
        ("SELECT at FROM latest_time", "1234"),
    ];

    // proves S6 (from every earlier version, with data)
    #[tokio::test(flavor = "multi_thread")]
    async fn data_of_every_earlier_version_is_kept() {
        let server = Server::shared();
        for earlier in DATA.len()..=STEPS.len() {
            let url = server.database();
            let database = url.rsplit('/').next().unwrap();
            let store = PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.unwrap();
            let migrate_to = async |version: usize| {
                store.pool.run_once(LIMIT, |client| run_steps(client, &STEPS[..version])).await.unwrap();
            };
            // As it was filled: each table before the steps that came after it.
            for (version, data) in (1..).zip(DATA) {
                migrate_to(version).await;
                server.sql(database, data);
            }
            migrate_to(earlier).await;
            drop(store);

            let store = PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.unwrap();
            store.pool.run_once(LIMIT, run).await.unwrap();
            for (query, kept) in KEPT {
                assert_eq!(server.sql(database, query), *kept, "from version {earlier}: {query}");
            }
            // What followers need for the old rows is there as well.
            server.sql(database, "UPDATE apps SET version = 4; DELETE FROM backend_keys");
            let changes = "SELECT string_agg(kind, ',') FROM (SELECT kind FROM changes ORDER BY seq DESC LIMIT 2) last";
            assert_eq!(server.sql(database, changes), "key,app");
        }
    }
}
