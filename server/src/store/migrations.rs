//! Brings a SQLite database to this binary's schema: forward only, each step in one transaction, none ever edited.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::StoreError;

/// Every step, in order; the first is version 1.
const STEPS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001-apps-and-keys.sql"),
    include_str!("../../migrations/sqlite/0002-revocations-and-bans.sql"),
    include_str!("../../migrations/sqlite/0004-admins.sql"),
    include_str!("../../migrations/sqlite/0006-once.sql"),
    include_str!("../../migrations/sqlite/0007-changes-and-rings.sql"),
    include_str!("../../migrations/sqlite/0008-nonces.sql"),
    include_str!("../../migrations/sqlite/0009-audit.sql"),
    include_str!("../../migrations/sqlite/0010-webhooks.sql"),
    include_str!("../../migrations/sqlite/0011-issued-tokens.sql"),
    include_str!("../../migrations/sqlite/0012-used-tokens.sql"),
    include_str!("../../migrations/sqlite/0013-refusals.sql"),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    version  INTEGER PRIMARY KEY,
    checksum BLOB NOT NULL
) STRICT";

/// Runs the steps that are missing.
pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    run_steps(connection, STEPS)
}

/// Refuses a database that this binary must not touch, without changing it.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    check_steps(connection, STEPS)
}

/// Whether any step has run.
pub(super) fn any(connection: &Connection) -> Result<bool, StoreError> {
    let query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'";
    Ok(connection.query_row(query, [], |_| Ok(())).optional()?.is_some())
}

fn check_steps(connection: &Connection, steps: &[&str]) -> Result<(), StoreError> {
    if !any(connection)? {
        return Ok(());
    }
    let mut query = connection.prepare("SELECT version, checksum FROM migrations ORDER BY version")?;
    let done = query.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    for ((index, row), expected) in done.enumerate().zip(1_u32..) {
        let (version, checksum) = row?;
        let Some(step) = steps.get(index) else {
            return Err(StoreError::Unusable(format!(
                "the database has schema version {version}, this binary knows {}: use a newer binary",
                steps.len()
            )));
        };
        if version != expected || checksum != Sha256::digest(step).as_slice() {
            return Err(StoreError::Unusable(format!("schema version {expected} is not the one this binary knows")));
        }
    }
    Ok(())
}

fn run_steps(connection: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    check_steps(connection, steps)?;
    connection.execute_batch(TABLE)?;
    for (version, step) in (1_u32..).zip(steps) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = transaction
            .query_row("SELECT 1 FROM migrations WHERE version = ?1", [version], |_| Ok(()))
            .optional()?
            .is_some();
        if !done {
            transaction.execute_batch(step)?;
            let checksum = Sha256::digest(step);
            transaction.execute(
                "INSERT INTO migrations (version, checksum) VALUES (?1, ?2)",
                params![version, &checksum[..]],
            )?;
            transaction.commit()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "CREATE TABLE one (n INTEGER) STRICT";
    const TWO: &str = "CREATE TABLE two (n INTEGER) STRICT";

    #[test]
    fn steps_run_once_and_in_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        run_steps(&mut connection, &[ONE]).unwrap();
        run_steps(&mut connection, &[ONE, TWO]).unwrap();
        run_steps(&mut connection, &[ONE, TWO]).unwrap();
        let versions: i64 = connection.query_row("SELECT max(version) FROM migrations", [], |row| row.get(0)).unwrap();
        assert_eq!(versions, 2);
    }

    #[test]
    fn a_newer_schema_and_an_edited_step_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        run_steps(&mut connection, &[ONE, TWO]).unwrap();
        for steps in [&[ONE][..], &[TWO, ONE][..]] {
            assert!(matches!(run_steps(&mut connection, steps), Err(StoreError::Unusable(_))));
        }
    }

    #[test]
    fn a_failing_step_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = "CREATE TABLE three (n INTEGER) STRICT; SELECT nonsense";
        assert!(run_steps(&mut connection, &[ONE, broken]).is_err());
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('one', 'three')";
        assert_eq!(connection.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}
