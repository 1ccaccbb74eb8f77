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
    include_str!("../../migrations/sqlite/0014-app-sign-uses.sql"),
    include_str!("../../migrations/sqlite/0015-audit-packs.sql"),
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

    /// Everything that a store of each version may hold, in its own columns.
    const DATA: &[&str] = &[
        "INSERT INTO meta VALUES ('sealed_with', X'0102');
         INSERT INTO apps VALUES (7, 3, '{\"name\":\"Shop\"}', X'0A', 100, 200);
         INSERT INTO server_secrets VALUES (7, 'new', X'0B', NULL, 100), (7, 'old', X'0C', 900, 50);
         INSERT INTO backend_keys VALUES ('key', 7, zeroblob(32), 'name', '{\"rights\":[\"mint\"]}', 900, 150, 100);",
        "INSERT INTO revocations VALUES (7, 'r', 'user', NULL, 'u', NULL, 100, 900, 100, 'key', 'why');
         INSERT INTO bans VALUES (7, 'b', 'ip_range', NULL, NULL, '192.0.2.0/24', NULL, 100, 'key', NULL);
         INSERT INTO latest_time VALUES (1, 1234);",
    ];
    /// What becomes of it.
    const KEPT: &[(&str, &str)] = &[
        ("SELECT hex(value) FROM meta WHERE name = 'sealed_with'", "0102"),
        ("SELECT version || settings || hex(app_sign) || created_at || updated_at FROM apps WHERE app_id = 7
            AND previous_app_sign IS NULL AND app_sign_resets = 0", "3{\"name\":\"Shop\"}0A100200"),
        ("SELECT group_concat(secret_id || hex(sealed) || coalesce(valid_until, '') || purpose) FROM server_secrets
            WHERE app_id = 7 AND retired_at IS NULL", "new0Bgcm,old0C900gcm"),
        ("SELECT key_id || app_id || length(hash) || name || scope || expire_at || last_used_at || created_at
            FROM backend_keys", "key732name{\"rights\":[\"mint\"]}900150100"),
        ("SELECT kind || user_id || issued_before || expire_at || created_at || created_by || reason FROM revocations
            WHERE app_id = 7 AND revocation_id = 'r'", "useru100900100keywhy"),
        ("SELECT kind || ip_range || created_at || created_by FROM bans WHERE expire_at IS NULL",
            "ip_range192.0.2.0/24100key"),
        ("SELECT at || '' FROM latest_time", "1234"),
    ];

    // proves S6 (from every earlier version, with data)
    #[test]
    fn data_of_every_earlier_version_is_kept() {
        for earlier in DATA.len()..=STEPS.len() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("roompass.db");
            let mut connection = Connection::open(&path).unwrap();
            // As it was filled: each table before the steps that came after it.
            for (version, data) in (1..).zip(DATA) {
                run_steps(&mut connection, &STEPS[..version]).unwrap();
                connection.execute_batch(data).unwrap();
            }
            run_steps(&mut connection, &STEPS[..earlier]).unwrap();
            drop(connection);

            let mut connection = Connection::open(&path).unwrap();
            run(&mut connection).unwrap();
            for (query, kept) in KEPT {
                let found: String = connection.query_row(query, [], |row| row.get(0)).unwrap();
                assert_eq!(found, *kept, "from version {earlier}: {query}");
            }
            let broken = "SELECT count(*) FROM pragma_foreign_key_check";
            assert_eq!(connection.query_row(broken, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "{earlier}");
            // What followers need for the old rows is there as well.
            connection.execute("UPDATE apps SET version = 4", []).unwrap();
            connection.execute("DELETE FROM backend_keys", []).unwrap();
            let changes = "SELECT group_concat(kind) FROM (SELECT kind FROM changes ORDER BY seq DESC LIMIT 2)";
            let changes: String = connection.query_row(changes, [], |row| row.get(0)).unwrap();
            assert_eq!(changes, "key,app");
        }
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
