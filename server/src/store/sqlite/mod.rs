//! The embedded store: SQLite in write-ahead mode, every commit forced to disk.

mod admins;
mod audit;
mod backup;
mod changes;
mod issued;
mod nonces;
mod once;
mod revocations;
mod ring;
mod sealed;
mod used_tokens;
mod webhooks;

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, ffi, params};
use token_gen::{AppId, UnixSeconds};

use super::{
    AppRecord, KeyRecord, Purpose, SecretRecord, Store, StoreError, Timings, group_commit::ConnectionThread, migrations,
};

/// Versions 3.7.0 to 3.51.2 can lose committed writes when the write-ahead log is reset.
const OLDEST_SOUND_VERSION: i32 = 3_051_003;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In memory: it goes with the process.
    Memory,
    /// In this file, which is made if it is not there.
    File(PathBuf),
    /// In this file, which must be there.
    ExistingFile(PathBuf),
}

/// A [`Store`] in one SQLite database.
#[derive(Debug)]
pub struct SqliteStore {
    /// Searches the audit trail, which may take long: nothing else waits for it. The same as the writer for a database
    /// in memory.
    searcher: Arc<ConnectionThread>,
    writer: Arc<ConnectionThread>,
    /// The same as the writer for a database in memory, which has one connection.
    reader: Arc<ConnectionThread>,
    timings: Timings,
}

impl SqliteStore {
    /// Opens the database. Blocks; run it at start.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a file that others may read or write, that is damaged, or that a newer binary
    /// has migrated; nothing is changed then.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        if rusqlite::version_number() < OLDEST_SOUND_VERSION {
            return Err(StoreError::Unusable(format!(
                "SQLite {} can lose committed writes; 3.51.3 or later is needed",
                rusqlite::version()
            )));
        }
        match location {
            Location::Memory => {
                let timings = Timings::default();
                let connection = set_up(Connection::open_in_memory()?)?;
                let writer = Arc::new(ConnectionThread::spawn("store", connection, timings.clone())?);
                Ok(Self { searcher: Arc::clone(&writer), reader: Arc::clone(&writer), writer, timings })
            }
            Location::File(path) => Self::open_file(path, true),
            Location::ExistingFile(path) => Self::open_file(path, false),
        }
    }

    fn open_file(path: &Path, create: bool) -> Result<Self, StoreError> {
        prepare_file(path, create)?;
        let connection = connect(path)?;
        migrations::check(&connection)?;
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Unusable(format!("{} is damaged: {verdict}", path.display())));
        }
        let only_reading = || -> Result<Connection, StoreError> {
            let connection = connect(path)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        let (reader, searcher) = (only_reading()?, only_reading()?);
        let timings = Timings::default();
        Ok(Self {
            searcher: Arc::new(ConnectionThread::spawn("store-searcher", searcher, timings.clone())?),
            writer: Arc::new(ConnectionThread::spawn("store-writer", connection, timings.clone())?),
            reader: Arc::new(ConnectionThread::spawn("store-reader", reader, timings.clone())?),
            timings,
        })
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    set_up(Connection::open(path)?)
}

fn set_up(connection: Connection) -> Result<Connection, StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Makes the file and its directory for this user alone, or refuses those that are open to others. SQLite gives its
/// side files the mode of the database.
fn prepare_file(path: &Path, create: bool) -> Result<(), StoreError> {
    let unusable = |path: &Path, what: &str| Err(StoreError::Unusable(format!("{} {what}", path.display())));
    let unreadable = |error: io::Error| StoreError::Unusable(format!("{}: {error}", path.display()));
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return unusable(path, "is not a file"),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            return unusable(path, "can be read or written by other users: chmod 600");
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
            if let Some(directory) = directory_of(path) {
                DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unreadable)?;
            }
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(unreadable)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return unusable(path, "does not exist: `roompass app create` makes it");
        }
        Err(error) => return Err(unreadable(error)),
    }
    let directory = directory_of(path).unwrap_or(Path::new("."));
    if fs::metadata(directory).map_err(unreadable)?.mode() & 0o022 != 0 {
        return unusable(directory, "can be written by other users: chmod 700");
    }
    if is_on_network(directory).map_err(unreadable)? {
        return unusable(directory, "is on a network file system, which loses committed writes: use a local disk");
    }
    Ok(())
}

/// Whether the write-ahead log, which needs shared memory and honest locks, would live on NFS, SMB or Ceph.
#[cfg(target_os = "linux")]
fn is_on_network(directory: &Path) -> io::Result<bool> {
    const NETWORK: [u32; 5] = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x00C3_6400];
    // The type is a number of 32 bits in a word whose width and sign differ between machines.
    let kind = rustix::fs::statfs(directory)?.f_type as u32;
    Ok(NETWORK.contains(&kind))
}

#[cfg(not(target_os = "linux"))]
fn is_on_network(_: &Path) -> io::Result<bool> {
    Ok(false)
}

fn directory_of(path: &Path) -> Option<&Path> {
    path.parent().filter(|directory| !directory.as_os_str().is_empty())
}

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

const SELECT_APP: &str = "SELECT app_id, version, settings, app_sign, previous_app_sign, previous_app_sign_until,
    created_at, updated_at, app_sign_resets FROM apps";
const SELECT_SECRET: &str =
    "SELECT app_id, secret_id, purpose, sealed, valid_until, retired_at, created_at FROM server_secrets";
const SELECT_KEY: &str = "SELECT key_id, app_id, hash, name, scope, expire_at, last_used_at, created_at, sealed
    FROM backend_keys";

fn rows<T>(
    connection: &Connection,
    query: &str,
    parameters: impl rusqlite::Params,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut query = connection.prepare(query)?;
    let rows = query.query_map(parameters, read)?.collect::<rusqlite::Result<_>>()?;
    Ok(rows)
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

fn app_id_of(row: &Row<'_>, column: usize) -> rusqlite::Result<AppId> {
    let number: u32 = row.get(column)?;
    AppId::new(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number.into()))
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

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error().map(|error| error.extended_code) {
            Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE) => Self::Conflict,
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Missing,
            Some(ffi::SQLITE_FULL | ffi::SQLITE_READONLY | ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_FSYNC) => {
                Self::CannotWrite(Arc::new(error))
            }
            Some(ffi::SQLITE_NOTADB | ffi::SQLITE_CORRUPT) => Self::Unreadable(error.to_string()),
            None if is_about_a_value(&error) => Self::Unreadable(error.to_string()),
            _ => Self::Unavailable(Arc::new(error)),
        }
    }
}

/// Whether the database did its part, and what it gave is no value of ours: it will be none the next time either.
fn is_about_a_value(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::contract;

    #[tokio::test]
    async fn passes_the_contract_in_memory() {
        contract::run(async || SqliteStore::open(&Location::Memory).unwrap()).await;
    }

    #[tokio::test]
    async fn passes_the_contract_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut number = 0;
        contract::run(async || {
            number += 1;
            SqliteStore::open(&Location::File(directory.path().join(format!("{number}.db")))).unwrap()
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_there_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/roompass.db");
        let store = SqliteStore::open(&Location::File(path.clone())).unwrap();
        store.migrate().await.unwrap();
        store.insert_meta("name", b"value").await.unwrap();
        // Not closed: a second process sees what was acknowledged to the first.
        let again = SqliteStore::open(&Location::ExistingFile(path)).unwrap();
        assert_eq!(again.meta("name").await.unwrap().as_deref(), Some(&b"value"[..]));
        drop(store);
    }

    // proves S2 (what the connections really use)
    #[test]
    fn every_commit_is_forced_to_disk() {
        let directory = tempfile::tempdir().unwrap();
        let connection = connect(&directory.path().join("roompass.db")).unwrap();
        let setting = |name| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        assert_eq!(setting("journal_mode").unwrap(), "wal".to_owned().into());
        assert_eq!(setting("synchronous").unwrap(), 2.into());
        assert_eq!(setting("foreign_keys").unwrap(), 1.into());
    }

    // proves T62 (files of the store)
    #[test]
    fn files_open_to_others_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roompass.db");
        let open = || SqliteStore::open(&Location::File(path.clone())).map(|_| ()).map_err(|error| error.to_string());
        open().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        for open_mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open_mode)).unwrap();
            assert!(open().unwrap_err().contains("chmod 600"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o770)).unwrap();
        assert!(open().unwrap_err().contains("chmod 700"));
    }

    #[test]
    fn a_missing_or_damaged_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roompass.db");
        assert!(SqliteStore::open(&Location::ExistingFile(path.clone())).is_err());
        assert!(!path.exists());
        fs::write(&path, "this is no database, but it is long enough to be looked at".repeat(50)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(SqliteStore::open(&Location::File(path)), Err(StoreError::Unreadable(_))));
    }
}
