//! Revocations, bans and the latest time, in PostgreSQL.

use async_trait::async_trait;
use token_gen::{AppId, TokenId, UnixSeconds};
use tokio_postgres::Row;

use super::{Parameter, PostgresStore, app_id_of, execute, number, row, rows, unreadable};
use crate::{
    bans::{self, Ban},
    entry_id::EntryId,
    revocations::{self, Revocation},
    store::{After, AfterInAll, RevocationStore, StoreError},
};

const REVOCATION: &str = "app_id, kind, token_id, user_id, room_id, issued_before, expire_at, created_at, created_by,
    reason";
const BAN: &str = "app_id, kind, user_id, room_id, ip_range, expire_at, created_at, created_by, reason";

#[async_trait]
impl RevocationStore for PostgresStore {
    async fn put_revocation(&self, revocation: Revocation) -> Result<Revocation, StoreError> {
        use revocations::Target;
        let (kind, token_id, user_id, room_id) = match &revocation.target {
            Target::Token(token_id) => ("token", Some(token_id.to_string()), None, None),
            Target::User(user_id) => ("user", None, Some(user_id), None),
            Target::Room(room_id) => ("room", None, None, Some(room_id)),
            Target::UserInRoom { user_id, room_id } => ("user_in_room", None, Some(user_id), Some(room_id)),
            Target::App => ("app", None, None, None),
        };
        let query = format!(
            "INSERT INTO revocations (revocation_id, {REVOCATION})
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (app_id, revocation_id) DO UPDATE SET
                 issued_before = greatest(revocations.issued_before, excluded.issued_before),
                 expire_at = greatest(revocations.expire_at, excluded.expire_at)
             RETURNING {REVOCATION}"
        );
        let parameters: &[Parameter<'_>] = &[
            &revocation.target.entry_id().to_string(),
            &number(revocation.app_id),
            &kind,
            &token_id,
            &user_id,
            &room_id,
            &revocation.issued_before.get(),
            &revocation.expire_at.get(),
            &revocation.created_at.get(),
            &revocation.created_by,
            &revocation.reason,
        ];
        let kept = self.pool.run(async |client| row(&client, &query, parameters, revocation_of_row).await).await?;
        kept.ok_or_else(|| StoreError::Unreadable("a revocation that was just kept is not there".to_owned()))
    }

    async fn revocation(&self, app_id: AppId, id: EntryId) -> Result<Option<Revocation>, StoreError> {
        let query = format!("SELECT {REVOCATION} FROM revocations WHERE app_id = $1 AND revocation_id = $2");
        let parameters: &[Parameter<'_>] = &[&number(app_id), &id.to_string()];
        self.pool.run(async |client| row(&client, &query, parameters, revocation_of_row).await).await
    }

    async fn revocations(
        &self,
        app_id: AppId,
        after: After,
        search: &str,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        let query = format!(
            "SELECT {REVOCATION} FROM revocations
             WHERE app_id = $1 AND revocation_id > $2 AND ($4::text = '' OR strpos(user_id, $4) > 0
               OR strpos(room_id, $4) > 0 OR strpos(token_id, $4) > 0)
             ORDER BY revocation_id LIMIT $3"
        );
        let parameters: &[Parameter<'_>] = &[&number(app_id), &after_text(after), &i64::from(limit), &search];
        self.pool.run(async |client| rows(&client, &query, parameters, revocation_of_row).await).await
    }

    async fn all_revocations(&self, after: AfterInAll, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        let query = format!(
            "SELECT {REVOCATION} FROM revocations
             WHERE (app_id, revocation_id) > ($1, $2) ORDER BY app_id, revocation_id LIMIT $3"
        );
        let (app_id, after) = after_in_all(after);
        let parameters: &[Parameter<'_>] = &[&app_id, &after, &i64::from(limit)];
        self.pool.run(async |client| rows(&client, &query, parameters, revocation_of_row).await).await
    }

    async fn delete_ended_revocations(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.delete_ended("revocations", "app_id, revocation_id", now, limit).await
    }

    async fn put_ban(&self, ban: Ban) -> Result<(), StoreError> {
        use bans::Target;
        let (kind, user_id, room_id, ip_range) = match &ban.target {
            Target::User(user_id) => ("user", Some(user_id), None, None),
            Target::Room(room_id) => ("room", None, Some(room_id), None),
            Target::UserInRoom { user_id, room_id } => ("user_in_room", Some(user_id), Some(room_id), None),
            Target::IpRange(range) => ("ip_range", None, None, Some(range.to_string())),
        };
        let query = format!(
            "INSERT INTO bans (ban_id, {BAN}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (app_id, ban_id) DO UPDATE SET
                 expire_at = excluded.expire_at, created_at = excluded.created_at,
                 created_by = excluded.created_by, reason = excluded.reason"
        );
        let parameters: &[Parameter<'_>] = &[
            &ban.target.entry_id().to_string(),
            &number(ban.app_id),
            &kind,
            &user_id,
            &room_id,
            &ip_range,
            &ban.expire_at.map(UnixSeconds::get),
            &ban.created_at.get(),
            &ban.created_by,
            &ban.reason,
        ];
        self.pool.run(async |client| execute(&client, &query, parameters).await.map(drop)).await
    }

    async fn ban(&self, app_id: AppId, id: EntryId) -> Result<Option<Ban>, StoreError> {
        let query = format!("SELECT {BAN} FROM bans WHERE app_id = $1 AND ban_id = $2");
        let parameters: &[Parameter<'_>] = &[&number(app_id), &id.to_string()];
        self.pool.run(async |client| row(&client, &query, parameters, ban_of_row).await).await
    }

    async fn bans(&self, app_id: AppId, after: After, search: &str, limit: u32) -> Result<Vec<Ban>, StoreError> {
        let query = format!(
            "SELECT {BAN} FROM bans
             WHERE app_id = $1 AND ban_id > $2 AND ($4::text = '' OR strpos(user_id, $4) > 0
               OR strpos(room_id, $4) > 0 OR strpos(ip_range, $4) > 0)
             ORDER BY ban_id LIMIT $3"
        );
        let parameters: &[Parameter<'_>] = &[&number(app_id), &after_text(after), &i64::from(limit), &search];
        self.pool.run(async |client| rows(&client, &query, parameters, ban_of_row).await).await
    }

    async fn all_bans(&self, after: AfterInAll, limit: u32) -> Result<Vec<Ban>, StoreError> {
        let query =
            format!("SELECT {BAN} FROM bans WHERE (app_id, ban_id) > ($1, $2) ORDER BY app_id, ban_id LIMIT $3");
        let (app_id, after) = after_in_all(after);
        let parameters: &[Parameter<'_>] = &[&app_id, &after, &i64::from(limit)];
        self.pool.run(async |client| rows(&client, &query, parameters, ban_of_row).await).await
    }

    async fn delete_ban(&self, app_id: AppId, id: EntryId) -> Result<bool, StoreError> {
        let query = "DELETE FROM bans WHERE app_id = $1 AND ban_id = $2";
        let parameters: &[Parameter<'_>] = &[&number(app_id), &id.to_string()];
        self.pool.run(async |client| Ok(execute(&client, query, parameters).await? == 1)).await
    }

    async fn delete_ended_bans(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.delete_ended("bans", "app_id, ban_id", now, limit).await
    }

    async fn latest_time(&self) -> Result<Option<UnixSeconds>, StoreError> {
        let query = "SELECT at FROM latest_time";
        let read = |row: &Row| Ok(UnixSeconds::new(row.try_get(0)?));
        self.pool.run(async |client| row(&client, query, &[], read).await).await
    }

    async fn note_time(&self, now: UnixSeconds) -> Result<(), StoreError> {
        let query = "INSERT INTO latest_time VALUES (1, $1)
            ON CONFLICT (one) DO UPDATE SET at = excluded.at WHERE latest_time.at < excluded.at";
        self.pool.run(async |client| execute(&client, query, &[&now.get()]).await.map(drop)).await
    }

    async fn reset_time(&self, now: UnixSeconds) -> Result<(), StoreError> {
        let query = "INSERT INTO latest_time VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET at = excluded.at";
        self.pool.run(async |client| execute(&client, query, &[&now.get()]).await.map(drop)).await
    }
}

/// No name is empty, so that every name comes after this.
fn after_text(after: After) -> String {
    after.map_or(String::new(), |id| id.to_string())
}

/// No app is 0.
fn after_in_all(after: AfterInAll) -> (i64, String) {
    (after.map_or(0, |(app_id, _)| number(app_id)), after_text(after.map(|(_, id)| id)))
}

fn revocation_of_row(row: &Row) -> Result<Revocation, StoreError> {
    use revocations::Target;
    let target = match row.try_get(1)? {
        "token" => Target::Token(TokenId::parse(row.try_get(2)?).ok_or_else(|| unreadable(row, 2))?),
        "user" => Target::User(row.try_get(3)?),
        "room" => Target::Room(row.try_get(4)?),
        "user_in_room" => Target::UserInRoom { user_id: row.try_get(3)?, room_id: row.try_get(4)? },
        "app" => Target::App,
        _ => return Err(unreadable(row, 1)),
    };
    Ok(Revocation {
        app_id: app_id_of(row, 0)?,
        target,
        issued_before: UnixSeconds::new(row.try_get(5)?),
        expire_at: UnixSeconds::new(row.try_get(6)?),
        created_at: UnixSeconds::new(row.try_get(7)?),
        created_by: row.try_get(8)?,
        reason: row.try_get(9)?,
    })
}

fn ban_of_row(row: &Row) -> Result<Ban, StoreError> {
    use bans::Target;
    let target = match row.try_get(1)? {
        "user" => Target::User(row.try_get(2)?),
        "room" => Target::Room(row.try_get(3)?),
        "user_in_room" => Target::UserInRoom { user_id: row.try_get(2)?, room_id: row.try_get(3)? },
        "ip_range" => Target::IpRange(row.try_get::<_, &str>(4)?.parse().map_err(|_| unreadable(row, 4))?),
        _ => return Err(unreadable(row, 1)),
    };
    Ok(Ban {
        app_id: app_id_of(row, 0)?,
        target,
        expire_at: row.try_get::<_, Option<i64>>(5)?.map(UnixSeconds::new),
        created_at: UnixSeconds::new(row.try_get(6)?),
        created_by: row.try_get(7)?,
        reason: row.try_get(8)?,
    })
}
