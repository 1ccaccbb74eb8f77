//! Admins, their sessions and set-up codes, in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use token_gen::UnixSeconds;
use tokio_postgres::Row;

use super::{Parameter, PostgresStore, execute, hash_of, row, rows};
use crate::store::{AdminRecord, AdminStore, SessionRecord, SetupCodeRecord, StoreError};

const ADMIN: &str =
    "admin_id, version, name, password_hash, totp_secret, totp_step, roles, owner, created_at, updated_at";
const SESSION: &str = "hash, session_id, admin_id, source, created_at, seen_at, expire_at, sudo_until";

/// What is true of all admins together must not be made false by two changes at once.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtextextended('roompass admins', 0))";

#[async_trait]
impl AdminStore for PostgresStore {
    async fn admins(&self) -> Result<Vec<AdminRecord>, StoreError> {
        let query = format!("SELECT {ADMIN} FROM admins ORDER BY name");
        self.pool.run(async |client| rows(&client, &query, &[], admin_of_row).await).await
    }

    async fn admin_named(&self, name: &str) -> Result<Option<AdminRecord>, StoreError> {
        let query = format!("SELECT {ADMIN} FROM admins WHERE name = $1");
        self.pool.run(async |client| row(&client, &query, &[&name], admin_of_row).await).await
    }

    async fn insert_admin(&self, admin: AdminRecord, code: [u8; 32], now: UnixSeconds) -> Result<(), StoreError> {
        let spend = "DELETE FROM admin_setup_codes WHERE hash = $1 AND expire_at > $2";
        let insert = format!("INSERT INTO admins ({ADMIN}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
        let parameters: &[Parameter<'_>] = &[
            &admin.admin_id,
            &admin.version,
            &admin.name,
            &admin.password_hash,
            &admin.totp_secret,
            &admin.totp_step,
            &admin.roles,
            &admin.owner,
            &admin.created_at.get(),
            &admin.updated_at.get(),
        ];
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                if execute(&transaction, spend, &[&&code[..], &now.get()]).await? == 0 {
                    return Err(StoreError::Missing);
                }
                execute(&transaction, &insert, parameters).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn update_admin(&self, admin: AdminRecord) -> Result<(), StoreError> {
        let update = "UPDATE admins SET version = version + 1, name = $3, password_hash = $4, totp_secret = $5,
                roles = $6, owner = $7, updated_at = $8
            WHERE admin_id = $1 AND version = $2";
        let parameters: &[Parameter<'_>] = &[
            &admin.admin_id,
            &admin.version,
            &admin.name,
            &admin.password_hash,
            &admin.totp_secret,
            &admin.roles,
            &admin.owner,
            &admin.updated_at.get(),
        ];
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                row(&transaction, ONE_AT_A_TIME, &[], |_| Ok(())).await?;
                if execute(&transaction, update, parameters).await? == 0 || !has_owner(&transaction).await? {
                    return Err(StoreError::Conflict);
                }
                let delete = "DELETE FROM admin_sessions WHERE admin_id = $1";
                execute(&transaction, delete, &[&admin.admin_id]).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn delete_admin(&self, admin_id: &str) -> Result<bool, StoreError> {
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                row(&transaction, ONE_AT_A_TIME, &[], |_| Ok(())).await?;
                if execute(&transaction, "DELETE FROM admins WHERE admin_id = $1", &[&admin_id]).await? == 0 {
                    return Ok(false);
                }
                if !has_owner(&transaction).await? {
                    return Err(StoreError::Conflict);
                }
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn spend_totp_step(&self, admin_id: &str, step: i64) -> Result<bool, StoreError> {
        let update = "UPDATE admins SET totp_step = $2 WHERE admin_id = $1 AND totp_step < $2";
        self.pool.run(async |client| Ok(execute(&client, update, &[&admin_id, &step]).await? == 1)).await
    }

    async fn insert_session(&self, session: SessionRecord) -> Result<(), StoreError> {
        let insert = format!("INSERT INTO admin_sessions ({SESSION}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        let parameters: &[Parameter<'_>] = &[
            &&session.hash[..],
            &session.session_id,
            &session.admin_id,
            &session.source,
            &session.created_at.get(),
            &session.seen_at.get(),
            &session.expire_at.get(),
            &session.sudo_until.get(),
        ];
        self.pool.run(async |client| execute(&client, &insert, parameters).await.map(drop)).await
    }

    async fn session(&self, hash: [u8; 32]) -> Result<Option<(SessionRecord, AdminRecord)>, StoreError> {
        let session = format!("SELECT {SESSION} FROM admin_sessions WHERE hash = $1");
        let admin = format!("SELECT {ADMIN} FROM admins WHERE admin_id = $1");
        self.pool
            .run(async |client| {
                let Some(session) = row(&client, &session, &[&&hash[..]], session_of_row).await? else {
                    return Ok(None);
                };
                let admin = row(&client, &admin, &[&session.admin_id], admin_of_row).await?;
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
        let update = "UPDATE admin_sessions
            SET seen_at = greatest(seen_at, $2), sudo_until = greatest(sudo_until, $3) WHERE hash = $1";
        let parameters: &[Parameter<'_>] = &[&&hash[..], &seen_at.get(), &sudo_until.get()];
        self.pool.run(async |client| execute(&client, update, parameters).await.map(drop)).await
    }

    async fn sessions_of(&self, admin_id: &str) -> Result<Vec<SessionRecord>, StoreError> {
        let query =
            format!("SELECT {SESSION} FROM admin_sessions WHERE admin_id = $1 ORDER BY created_at DESC, session_id");
        self.pool.run(async |client| rows(&client, &query, &[&admin_id], session_of_row).await).await
    }

    async fn delete_session(&self, admin_id: &str, session_id: &str) -> Result<bool, StoreError> {
        let delete = "DELETE FROM admin_sessions WHERE admin_id = $1 AND session_id = $2";
        self.pool.run(async |client| Ok(execute(&client, delete, &[&admin_id, &session_id]).await? == 1)).await
    }

    async fn forget_sessions(&self, now: UnixSeconds, seen_before: UnixSeconds) -> Result<(), StoreError> {
        let sessions = "DELETE FROM admin_sessions WHERE expire_at < $1 OR seen_at < $2";
        let codes = "DELETE FROM admin_setup_codes WHERE expire_at < $1";
        self.pool
            .run(async |client| {
                execute(&client, sessions, &[&now.get(), &seen_before.get()]).await?;
                execute(&client, codes, &[&now.get()]).await.map(drop)
            })
            .await
    }

    async fn insert_setup_code(&self, code: SetupCodeRecord) -> Result<(), StoreError> {
        let delete = "DELETE FROM admin_setup_codes WHERE name IS NOT DISTINCT FROM $1";
        let insert = "INSERT INTO admin_setup_codes (hash, name, roles, expire_at, created_at)
            VALUES ($1, $2, $3, $4, $5)";
        let (expire_at, created_at) = (code.expire_at.get(), code.created_at.get());
        let parameters: &[Parameter<'_>] = &[&&code.hash[..], &code.name, &code.roles, &expire_at, &created_at];
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                row(&transaction, ONE_AT_A_TIME, &[], |_| Ok(())).await?;
                execute(&transaction, delete, &[&code.name]).await?;
                execute(&transaction, insert, parameters).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn setup_code(&self, hash: [u8; 32]) -> Result<Option<SetupCodeRecord>, StoreError> {
        let query = "SELECT hash, name, roles, expire_at, created_at FROM admin_setup_codes WHERE hash = $1";
        self.pool.run(async |client| row(&client, query, &[&&hash[..]], code_of_row).await).await
    }
}

async fn has_owner(transaction: &impl GenericClient) -> Result<bool, StoreError> {
    Ok(row(transaction, "SELECT FROM admins WHERE owner LIMIT 1", &[], |_| Ok(())).await?.is_some())
}

fn admin_of_row(row: &Row) -> Result<AdminRecord, StoreError> {
    Ok(AdminRecord {
        admin_id: row.try_get(0)?,
        version: row.try_get(1)?,
        name: row.try_get(2)?,
        password_hash: row.try_get(3)?,
        totp_secret: row.try_get(4)?,
        totp_step: row.try_get(5)?,
        roles: row.try_get(6)?,
        owner: row.try_get(7)?,
        created_at: UnixSeconds::new(row.try_get(8)?),
        updated_at: UnixSeconds::new(row.try_get(9)?),
    })
}

fn session_of_row(row: &Row) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        hash: hash_of(row, 0)?,
        session_id: row.try_get(1)?,
        admin_id: row.try_get(2)?,
        source: row.try_get(3)?,
        created_at: UnixSeconds::new(row.try_get(4)?),
        seen_at: UnixSeconds::new(row.try_get(5)?),
        expire_at: UnixSeconds::new(row.try_get(6)?),
        sudo_until: UnixSeconds::new(row.try_get(7)?),
    })
}

fn code_of_row(row: &Row) -> Result<SetupCodeRecord, StoreError> {
    Ok(SetupCodeRecord {
        hash: hash_of(row, 0)?,
        name: row.try_get(1)?,
        roles: row.try_get(2)?,
        expire_at: UnixSeconds::new(row.try_get(3)?),
        created_at: UnixSeconds::new(row.try_get(4)?),
    })
}
