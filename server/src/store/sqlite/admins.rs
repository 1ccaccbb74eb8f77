//! Admins, their sessions and set-up codes in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use token_gen::UnixSeconds;

use super::{SqliteStore, rows};
use crate::store::{AdminRecord, AdminStore, SessionRecord, SetupCodeRecord, StoreError};

const ADMIN: &str =
    "admin_id, version, name, password_hash, totp_secret, totp_step, roles, owner, created_at, updated_at";
const SESSION: &str = "hash, session_id, admin_id, source, created_at, seen_at, expire_at, sudo_until";

#[async_trait]
impl AdminStore for SqliteStore {
    async fn admins(&self) -> Result<Vec<AdminRecord>, StoreError> {
        let query = format!("SELECT {ADMIN} FROM admins ORDER BY name");
        self.reader.read(move |connection| rows(connection, &query, [], admin_of_row)).await
    }

    async fn admin_named(&self, name: &str) -> Result<Option<AdminRecord>, StoreError> {
        let name = name.to_owned();
        self.reader.read(move |connection| one_admin(connection, "name", name)).await
    }

    async fn insert_admin(&self, admin: AdminRecord, code: [u8; 32], now: UnixSeconds) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let spend = "DELETE FROM admin_setup_codes WHERE hash = ?1 AND expire_at > ?2";
                if connection.execute(spend, params![code, now.get()])? == 0 {
                    return Err(StoreError::Missing);
                }
                connection.execute(
                    &format!("INSERT INTO admins ({ADMIN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"),
                    params![
                        admin.admin_id,
                        admin.version,
                        admin.name,
                        admin.password_hash,
                        admin.totp_secret,
                        admin.totp_step,
                        admin.roles,
                        admin.owner,
                        admin.created_at.get(),
                        admin.updated_at.get()
                    ],
                )?;
                Ok(())
            })
            .await
    }

    async fn update_admin(&self, admin: AdminRecord) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let update = "UPDATE admins SET version = version + 1, name = ?3, password_hash = ?4,
                         totp_secret = ?5, roles = ?6, owner = ?7, updated_at = ?8
                     WHERE admin_id = ?1 AND version = ?2";
                let changed = connection.execute(
                    update,
                    params![
                        admin.admin_id,
                        admin.version,
                        admin.name,
                        admin.password_hash,
                        admin.totp_secret,
                        admin.roles,
                        admin.owner,
                        admin.updated_at.get()
                    ],
                )?;
                if changed == 0 || !has_owner(connection)? {
                    return Err(StoreError::Conflict);
                }
                connection.execute("DELETE FROM admin_sessions WHERE admin_id = ?1", [admin.admin_id])?;
                Ok(())
            })
            .await
    }

    async fn delete_admin(&self, admin_id: &str) -> Result<bool, StoreError> {
        let admin_id = admin_id.to_owned();
        self.writer
            .write(move |connection| {
                if connection.execute("DELETE FROM admins WHERE admin_id = ?1", [admin_id])? == 0 {
                    return Ok(false);
                }
                if has_owner(connection)? { Ok(true) } else { Err(StoreError::Conflict) }
            })
            .await
    }

    async fn spend_totp_step(&self, admin_id: &str, step: i64) -> Result<bool, StoreError> {
        let admin_id = admin_id.to_owned();
        self.writer
            .write(move |connection| {
                let update = "UPDATE admins SET totp_step = ?2 WHERE admin_id = ?1 AND totp_step < ?2";
                Ok(connection.execute(update, params![admin_id, step])? == 1)
            })
            .await
    }

    async fn insert_session(&self, session: SessionRecord) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                connection.execute(
                    &format!("INSERT INTO admin_sessions ({SESSION}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
                    params![
                        session.hash,
                        session.session_id,
                        session.admin_id,
                        session.source,
                        session.created_at.get(),
                        session.seen_at.get(),
                        session.expire_at.get(),
                        session.sudo_until.get()
                    ],
                )?;
                Ok(())
            })
            .await
    }

    async fn session(&self, hash: [u8; 32]) -> Result<Option<(SessionRecord, AdminRecord)>, StoreError> {
        // On the writer: a session that was just ended must not be found any more.
        self.writer
            .read(move |connection| {
                let query = format!("SELECT {SESSION} FROM admin_sessions WHERE hash = ?1");
                let Some(session) = connection.query_row(&query, [hash], session_of_row).optional()? else {
                    return Ok(None);
                };
                let admin = one_admin(connection, "admin_id", session.admin_id.clone())?;
                Ok(admin.map(|admin| (session, admin)))
            })
            .await
    }

    async fn touch_session(
        &self,
        hash: [u8; 32],
        seen_at: UnixSeconds,
        sudo_until: UnixSeconds,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let update = "UPDATE admin_sessions
                    SET seen_at = max(seen_at, ?2), sudo_until = max(sudo_until, ?3) WHERE hash = ?1";
                connection.execute(update, params![hash, seen_at.get(), sudo_until.get()])?;
                Ok(())
            })
            .await
    }

    async fn sessions_of(&self, admin_id: &str) -> Result<Vec<SessionRecord>, StoreError> {
        let admin_id = admin_id.to_owned();
        self.reader
            .read(move |connection| {
                let query = format!(
                    "SELECT {SESSION} FROM admin_sessions WHERE admin_id = ?1 ORDER BY created_at DESC, session_id"
                );
                rows(connection, &query, [admin_id], session_of_row)
            })
            .await
    }

    async fn delete_session(&self, admin_id: &str, session_id: &str) -> Result<bool, StoreError> {
        let (admin_id, session_id) = (admin_id.to_owned(), session_id.to_owned());
        self.writer
            .write(move |connection| {
                let delete = "DELETE FROM admin_sessions WHERE admin_id = ?1 AND session_id = ?2";
                Ok(connection.execute(delete, params![admin_id, session_id])? == 1)
            })
            .await
    }

    async fn forget_sessions(&self, now: UnixSeconds, seen_before: UnixSeconds) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                connection.execute(
                    "DELETE FROM admin_sessions WHERE expire_at < ?1 OR seen_at < ?2",
                    params![now.get(), seen_before.get()],
                )?;
                connection.execute("DELETE FROM admin_setup_codes WHERE expire_at < ?1", [now.get()])?;
                Ok(())
            })
            .await
    }

    async fn insert_setup_code(&self, code: SetupCodeRecord) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                connection.execute("DELETE FROM admin_setup_codes WHERE name IS ?1", [&code.name])?;
                connection.execute(
                    "INSERT INTO admin_setup_codes (hash, name, roles, expire_at, created_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![code.hash, code.name, code.roles, code.expire_at.get(), code.created_at.get()],
                )?;
                Ok(())
            })
            .await
    }

    async fn setup_code(&self, hash: [u8; 32]) -> Result<Option<SetupCodeRecord>, StoreError> {
        self.reader
            .read(move |connection| {
                let query = "SELECT hash, name, roles, expire_at, created_at FROM admin_setup_codes WHERE hash = ?1";
                Ok(connection.query_row(query, [hash], code_of_row).optional()?)
            })
            .await
    }
}

fn has_owner(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM admins WHERE owner = 1)", [], |row| row.get(0))
}

/// The admin whose unique `column` is `value`.
fn one_admin(connection: &Connection, column: &'static str, value: String) -> Result<Option<AdminRecord>, StoreError> {
    let query = format!("SELECT {ADMIN} FROM admins WHERE {column} = ?1");
    Ok(connection.query_row(&query, [value], admin_of_row).optional()?)
}

fn admin_of_row(row: &Row<'_>) -> rusqlite::Result<AdminRecord> {
    Ok(AdminRecord {
        admin_id: row.get(0)?,
        version: row.get(1)?,
        name: row.get(2)?,
        password_hash: row.get(3)?,
        totp_secret: row.get(4)?,
        totp_step: row.get(5)?,
        roles: row.get(6)?,
        owner: row.get(7)?,
        created_at: UnixSeconds::new(row.get(8)?),
        updated_at: UnixSeconds::new(row.get(9)?),
    })
}

fn session_of_row(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    Ok(SessionRecord {
        hash: row.get(0)?,
        session_id: row.get(1)?,
        admin_id: row.get(2)?,
        source: row.get(3)?,
        created_at: UnixSeconds::new(row.get(4)?),
        seen_at: UnixSeconds::new(row.get(5)?),
        expire_at: UnixSeconds::new(row.get(6)?),
        sudo_until: UnixSeconds::new(row.get(7)?),
    })
}

fn code_of_row(row: &Row<'_>) -> rusqlite::Result<SetupCodeRecord> {
    Ok(SetupCodeRecord {
        hash: row.get(0)?,
        name: row.get(1)?,
        roles: row.get(2)?,
        expire_at: UnixSeconds::new(row.get(3)?),
        created_at: UnixSeconds::new(row.get(4)?),
    })
}
