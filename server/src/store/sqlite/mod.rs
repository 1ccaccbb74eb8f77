//! The embedded store: SQLite in write-ahead mode, every commit forced to disk.

mod admins;
mod apps;
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

use rusqlite::{Connection, Row, ffi};
use token_gen::AppId;

use super::{StoreError, Timings, group_commit::ConnectionThread, migrations};

/// How much of the file those keep who only read. What is asked often is in our memory, and all of it in the system's.
const READER_CACHE_KIB: i32 = 512;
/// How much of it the writer keeps.
const WRITER_CACHE_KIB: i32 = 2000;
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

/// A [`Store`](super::Store) in one SQLite database.
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
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
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
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
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

fn app_id_of(row: &Row<'_>, column: usize) -> rusqlite::Result<AppId> {
    let number: u32 = row.get(column)?;
    AppId::new(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number.into()))
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
    use crate::store::{Store, contract};

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
    fn every_commit_is_forced_to_disk_unless_it_is_loose() {
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
