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
