//! Which store, by URL: `sqlite:PATH` or `postgres://…`.

use std::{io, path::PathBuf, sync::Arc};

use super::{Location, PostgresStore, PostgresUrl, SqliteStore, Store, StoreError};

/// Names a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// One SQLite database, for one process.
    Sqlite(Location),
    /// One PostgreSQL database, for any number of processes.
    Postgres(PostgresUrl),
}

impl StoreUrl {
    /// Reads a URL. A SQLite file must be there when it is opened.
    ///
    /// # Errors
    /// What it must be. Never repeats it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if path.is_empty() || path.starts_with(':') => {
                Err("needs a file: sqlite:PATH".to_owned())
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(Location::ExistingFile(PathBuf::from(path)))),
            Some(("postgres" | "postgresql", _)) => PostgresUrl::parse(text).map(Self::Postgres),
            _ => Err("must be sqlite:PATH or postgres://ROLE@HOST/DATABASE".to_owned()),
        }
    }

    /// The same, but a file that is not there is made: for commands that fill a store.
    #[must_use]
    pub fn or_create(self) -> Self {
        match self {
            Self::Sqlite(Location::ExistingFile(path)) => Self::Sqlite(Location::File(path)),
            other => other,
        }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// As [`SqliteStore::open`] and [`PostgresStore::open`].
    pub async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Self::Sqlite(location) => {
                let location = location.clone();
                let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&location)).await;
                Ok(Arc::new(opened.map_err(|error| StoreError::Unavailable(Arc::new(io::Error::other(error))))??))
            }
            Self::Postgres(url) => Ok(Arc::new(PostgresStore::open(url).await?)),
        }
    }
}

impl From<Location> for StoreUrl {
    fn from(location: Location) -> Self {
        Self::Sqlite(location)
    }
}

impl From<PostgresUrl> for StoreUrl {
    fn from(url: PostgresUrl) -> Self {
        Self::Postgres(url)
    }
}
