//! Revocations, bans and the latest time, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use token_gen::{AppId, TokenId, UnixSeconds};

use super::{SqliteStore, app_id_of, rows};
use crate::{
    bans::{self, Ban},
    entry_id::EntryId,
    revocations::{self, Revocation},
    store::{After, AfterInAll, RevocationStore, StoreError},
};

const REVOCATION_COLUMNS: &str = "app_id, kind, token_id, user_id, room_id, issued_before, expire_at, created_at,
    created_by, reason";
const BAN_COLUMNS: &str = "app_id, kind, user_id, room_id, ip_range, expire_at, created_at, created_by, reason";

#[async_trait]
impl RevocationStore for SqliteStore {
    async fn put_revocation(&self, revocation: Revocation) -> Result<Revocation, StoreError> {
        self.writer.write(move |connection| put_revocation(connection, &revocation)).await
    }

    async fn revocation(&self, app_id: AppId, id: EntryId) -> Result<Option<Revocation>, StoreError> {
        self.reader
            .read(move |connection| {
                let query =
                    format!("SELECT {REVOCATION_COLUMNS} FROM revocations WHERE app_id = ?1 AND revocation_id = ?2");
                let parameters = params![app_id.get(), id.to_string()];
                Ok(connection.query_row(&query, parameters, revocation_of_row).optional()?)
            })
            .await
    }

    async fn revocations(
        &self,
        app_id: AppId,
        after: After,
        search: &str,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        let search = search.to_owned();
        // What goes through all there is keeps nobody else waiting.
        let reader = if search.is_empty() { &self.reader } else { &self.searcher };
        reader
            .read(move |connection| {
                let query = format!(
                    "SELECT {REVOCATION_COLUMNS} FROM revocations
                     WHERE app_id = ?1 AND revocation_id > ?2
                       AND (?4 = '' OR instr(user_id, ?4) OR instr(room_id, ?4) OR instr(token_id, ?4))
                     ORDER BY revocation_id LIMIT ?3"
                );
                rows(connection, &query, params![app_id.get(), after_text(after), limit, search], revocation_of_row)
            })
            .await
    }

    async fn all_revocations(&self, after: AfterInAll, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        let (app_id, after) = after_in_all(after);
        let query = format!(
            "SELECT {REVOCATION_COLUMNS} FROM revocations
             WHERE (app_id, revocation_id) > (?1, ?2) ORDER BY app_id, revocation_id LIMIT ?3"
        );
        self.reader
            .read(move |connection| rows(connection, &query, params![app_id, after, limit], revocation_of_row))
            .await
    }

    async fn delete_ended_revocations(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM revocations WHERE (app_id, revocation_id) IN
                    (SELECT app_id, revocation_id FROM revocations WHERE expire_at <= ?1 LIMIT ?2)";
                Ok(connection.execute(query, params![now.get(), limit])?)
            })
            .await
    }

    async fn put_ban(&self, ban: Ban) -> Result<(), StoreError> {
        self.writer.write(move |connection| put_ban(connection, &ban)).await
    }

    async fn ban(&self, app_id: AppId, id: EntryId) -> Result<Option<Ban>, StoreError> {
        self.reader
            .read(move |connection| {
                let query = format!("SELECT {BAN_COLUMNS} FROM bans WHERE app_id = ?1 AND ban_id = ?2");
                Ok(connection.query_row(&query, params![app_id.get(), id.to_string()], ban_of_row).optional()?)
            })
            .await
    }

    async fn bans(&self, app_id: AppId, after: After, search: &str, limit: u32) -> Result<Vec<Ban>, StoreError> {
        let search = search.to_owned();
        // What goes through all there is keeps nobody else waiting.
        let reader = if search.is_empty() { &self.reader } else { &self.searcher };
        reader
            .read(move |connection| {
                let query = format!(
                    "SELECT {BAN_COLUMNS} FROM bans
                     WHERE app_id = ?1 AND ban_id > ?2
                       AND (?4 = '' OR instr(user_id, ?4) OR instr(room_id, ?4) OR instr(ip_range, ?4))
                     ORDER BY ban_id LIMIT ?3"
                );
                rows(connection, &query, params![app_id.get(), after_text(after), limit, search], ban_of_row)
            })
            .await
    }

    async fn all_bans(&self, after: AfterInAll, limit: u32) -> Result<Vec<Ban>, StoreError> {
        let (app_id, after) = after_in_all(after);
        let query = format!(
            "SELECT {BAN_COLUMNS} FROM bans WHERE (app_id, ban_id) > (?1, ?2) ORDER BY app_id, ban_id LIMIT ?3"
        );
        self.reader.read(move |connection| rows(connection, &query, params![app_id, after, limit], ban_of_row)).await
    }

    async fn delete_ban(&self, app_id: AppId, id: EntryId) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM bans WHERE app_id = ?1 AND ban_id = ?2";
                Ok(connection.execute(query, params![app_id.get(), id.to_string()])? == 1)
            })
            .await
    }

    async fn delete_ended_bans(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM bans WHERE (app_id, ban_id) IN
                    (SELECT app_id, ban_id FROM bans WHERE expire_at <= ?1 LIMIT ?2)";
                Ok(connection.execute(query, params![now.get(), limit])?)
            })
            .await
    }

    async fn latest_time(&self) -> Result<Option<UnixSeconds>, StoreError> {
        self.reader
            .read(|connection| {
                let at = connection.query_row("SELECT at FROM latest_time", [], |row| row.get(0)).optional()?;
                Ok(at.map(UnixSeconds::new))
            })
            .await
    }

    async fn note_time(&self, now: UnixSeconds) -> Result<(), StoreError> {
        self.set_time("INSERT INTO latest_time VALUES (1, ?1) ON CONFLICT DO UPDATE SET at = max(at, ?1)", now).await
    }

    async fn reset_time(&self, now: UnixSeconds) -> Result<(), StoreError> {
        self.set_time("INSERT INTO latest_time VALUES (1, ?1) ON CONFLICT DO UPDATE SET at = ?1", now).await
    }
}

impl SqliteStore {
    async fn set_time(&self, statement: &'static str, now: UnixSeconds) -> Result<(), StoreError> {
        self.writer.write(move |connection| Ok(connection.execute(statement, [now.get()]).map(drop)?)).await
    }
}

/// No name is empty, so that every name comes after this.
fn after_text(after: After) -> String {
    after.map_or(String::new(), |id| id.to_string())
}

/// No app is 0.
fn after_in_all(after: AfterInAll) -> (u32, String) {
    (after.map_or(0, |(app_id, _)| app_id.get()), after_text(after.map(|(_, id)| id)))
}

fn put_revocation(connection: &Connection, revocation: &Revocation) -> Result<Revocation, StoreError> {
    use revocations::Target;
    let (kind, token_id, user_id, room_id) = match &revocation.target {
        Target::Token(token_id) => ("token", Some(token_id.as_str()), None, None),
        Target::User(user_id) => ("user", None, Some(user_id.as_str()), None),
        Target::Room(room_id) => ("room", None, None, Some(room_id.as_str())),
        Target::UserInRoom { user_id, room_id } => ("user_in_room", None, Some(user_id.as_str()), Some(&**room_id)),
        Target::App => ("app", None, None, None),
    };
    let query = format!(
        "INSERT INTO revocations (revocation_id, {REVOCATION_COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET
             issued_before = max(issued_before, excluded.issued_before),
             expire_at = max(expire_at, excluded.expire_at)
         RETURNING {REVOCATION_COLUMNS}"
    );
    let mut statement = connection.prepare_cached(&query)?;
    let parameters = params![
        revocation.target.entry_id().to_string(),
        revocation.app_id.get(),
        kind,
        token_id,
        user_id,
        room_id,
        revocation.issued_before.get(),
        revocation.expire_at.get(),
        revocation.created_at.get(),
        revocation.created_by,
        revocation.reason,
    ];
    Ok(statement.query_row(parameters, revocation_of_row)?)
}

fn put_ban(connection: &Connection, ban: &Ban) -> Result<(), StoreError> {
    use bans::Target;
    let (kind, user_id, room_id, ip_range) = match &ban.target {
        Target::User(user_id) => ("user", Some(user_id), None, None),
        Target::Room(room_id) => ("room", None, Some(room_id), None),
        Target::UserInRoom { user_id, room_id } => ("user_in_room", Some(user_id), Some(room_id), None),
        Target::IpRange(range) => ("ip_range", None, None, Some(range.to_string())),
    };
    let query = format!(
        "INSERT INTO bans (ban_id, {BAN_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET
             expire_at = excluded.expire_at, created_at = excluded.created_at,
             created_by = excluded.created_by, reason = excluded.reason"
    );
    let parameters = params![
        ban.target.entry_id().to_string(),
        ban.app_id.get(),
        kind,
        user_id,
        room_id,
        ip_range,
        ban.expire_at.map(UnixSeconds::get),
        ban.created_at.get(),
        ban.created_by,
        ban.reason,
    ];
    connection.prepare_cached(&query)?.execute(parameters)?;
    Ok(())
}

fn revocation_of_row(row: &Row<'_>) -> rusqlite::Result<Revocation> {
    use revocations::Target;
    let target = match row.get_ref(1)?.as_str()? {
        "token" => Target::Token(parsed(row, 2, TokenId::parse)?),
        "user" => Target::User(row.get(3)?),
        "room" => Target::Room(row.get(4)?),
        "user_in_room" => Target::UserInRoom { user_id: row.get(3)?, room_id: row.get(4)? },
        "app" => Target::App,
        _ => return Err(unreadable(row, 1)),
    };
    Ok(Revocation {
        app_id: app_id_of(row, 0)?,
        target,
        issued_before: UnixSeconds::new(row.get(5)?),
        expire_at: UnixSeconds::new(row.get(6)?),
        created_at: UnixSeconds::new(row.get(7)?),
        created_by: row.get(8)?,
        reason: row.get(9)?,
    })
}

fn ban_of_row(row: &Row<'_>) -> rusqlite::Result<Ban> {
    use bans::Target;
    let target = match row.get_ref(1)?.as_str()? {
        "user" => Target::User(row.get(2)?),
        "room" => Target::Room(row.get(3)?),
        "user_in_room" => Target::UserInRoom { user_id: row.get(2)?, room_id: row.get(3)? },
        "ip_range" => Target::IpRange(parsed(row, 4, |text| text.parse().ok())?),
        _ => return Err(unreadable(row, 1)),
    };
    Ok(Ban {
        app_id: app_id_of(row, 0)?,
        target,
        expire_at: row.get::<_, Option<i64>>(5)?.map(UnixSeconds::new),
        created_at: UnixSeconds::new(row.get(6)?),
        created_by: row.get(7)?,
        reason: row.get(8)?,
    })
}

fn parsed<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable(row, column))
}

fn unreadable(row: &Row<'_>, column: usize) -> rusqlite::Error {
    let name = row.as_ref().column_name(column).unwrap_or_default().to_owned();
    rusqlite::Error::InvalidColumnType(column, name, rusqlite::types::Type::Text)
}
