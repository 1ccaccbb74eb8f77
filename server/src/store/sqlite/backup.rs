//! Copies of a whole database, made while it is in use.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, SqliteStore, directory_of};
use crate::store::StoreError;

impl SqliteStore {
    /// Copies the database `from` into the new file `to`: one moment of it, whole, durable before this returns. What
    /// is sealed stays sealed. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if `to` is there already or cannot be written, or if `from` is no sound database.
    pub fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
        made.map_err(|error| cannot_write(to, &error))?;
        let copied = copy_into(from, to);
        if copied.is_err() {
            // Nothing of ours may stay behind; that it cannot be removed is no news after the failure itself.
            let _ = fs::remove_file(to);
        }
        copied
    }
}

fn copy_into(from: &Path, to: &Path) -> Result<(), StoreError> {
    let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|error| StoreError::Unusable(format!("{}: {error}", from.display())))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let target = to.to_str().ok_or(StoreError::Unusable(format!("{} is not UTF-8", to.display())))?;
    connection.execute("VACUUM INTO ?1", [target])?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let verdict: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Unusable(format!("{} is damaged: {verdict}", from.display())));
    }
    drop(copy);
    let durable = || {
        File::open(to)?.sync_all()?;
        File::open(directory_of(to).unwrap_or(Path::new(".")))?.sync_all()
    };
    durable().map_err(|error| cannot_write(to, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            StoreError::Unusable(format!("{} is there already, and is not written over", path.display()))
        }
        _ => StoreError::Unusable(format!("{}: {error}", path.display())),
    }
}
