//! Connections to PostgreSQL: at most ten, each set up and checked before its first use; a time limit for every
//! operation; a second try for what lost a race. Knows no tables.

use std::{fmt, sync::Arc, time::Duration};

use deadpool_postgres::{
    Client, ClientWrapper, Hook, HookError, Manager, ManagerConfig, PoolError, RecyclingMethod, Runtime,
};
use rand::{TryRng, rngs::SysRng};
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;

use super::{tls::Tls, url::PostgresUrl};
use crate::store::{StoreError, Timings, timings::Operation};

const MAX_CONNECTIONS: usize = 10;
/// What no operation may take, a wait for a connection included. Above the limits that PostgreSQL itself keeps, so
/// that this one is met only when PostgreSQL hangs.
const OPERATION_LIMIT: Duration = Duration::from_secs(7);
/// How often a transaction that lost a race is tried again.
const MAX_RETRIES: u32 = 3;
/// The version that tests run against is 15; nothing later than 14 is used.
const OLDEST_VERSION: i32 = 140_000;

/// Limits that PostgreSQL keeps for every session, and durability, whatever the defaults of the database are.
const SET_UP: &str = "
    SET statement_timeout = '5s';
    SET lock_timeout = '3s';
    SET idle_in_transaction_session_timeout = '10s';
    SET default_transaction_isolation = 'read committed';
    SET standard_conforming_strings = on;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');";
const CHECK: &str = "SELECT current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('server_encoding'), current_setting('server_version_num')::int";

/// Connections to one database.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connections: deadpool_postgres::Pool,
    timings: Timings,
}

impl Pool {
    /// Connects to nothing yet.
    pub(super) fn new(url: &PostgresUrl, tls: Tls) -> Result<Self, StoreError> {
        let manager =
            Manager::from_config(url.config().clone(), tls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(MAX_CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(|client, _| Box::pin(set_up(client))))
            .build();
        let pool = pool.map(|connections| Self { connections, timings: Timings::default() });
        pool.map_err(|error| StoreError::Unavailable(Arc::new(error)))
    }

    /// Does `work` on a connection, again if it lost a race to another transaction. Without a commit nothing has
    /// happened; with a commit that was not answered nobody knows.
    pub(super) async fn run<T, F>(&self, work: impl Fn(Client) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 0;
        loop {
            match self.run_once(OPERATION_LIMIT, &work).await {
                Err(error) if tries < MAX_RETRIES && lost_a_race(&error) => tries += 1,
                outcome => return outcome,
            }
            wait_a_little(tries).await;
        }
    }

    /// Does `work` on a connection, within `limit`.
    pub(super) async fn run_once<T, F>(&self, limit: Duration, work: impl FnOnce(Client) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let attempt = async {
            let client = self.connections.get().await?;
            work(client).await
        };
        let bounded = async {
            if let Ok(outcome) = timeout(limit, attempt).await {
                return outcome;
            }
            // Whatever hung may hang on: nobody waits for these connections again.
            self.connections.retain(|_, _| false);
            Err(StoreError::Unavailable(Arc::new(Fault::TookTooLong)))
        };
        self.timings.of(Operation::Any, bounded).await
    }

    /// How long everything took.
    pub(super) fn timings(&self) -> &Timings {
        &self.timings
    }
}

async fn set_up(client: &mut ClientWrapper) -> Result<(), HookError> {
    client.batch_execute(SET_UP).await.map_err(HookError::Backend)?;
    let row = client.query_one(CHECK, &[]).await.map_err(HookError::Backend)?;
    let setting = |column| row.try_get::<_, String>(column).map_err(HookError::Backend);
    for (name, column) in [("fsync", 0), ("full_page_writes", 1)] {
        if setting(column)? != "on" {
            return Err(HookError::message(format!("PostgreSQL runs with {name} off and would lose committed writes")));
        }
    }
    if setting(2)? != "UTF8" {
        return Err(HookError::message("the encoding of the database must be UTF8"));
    }
    if row.try_get::<_, i32>(3).map_err(HookError::Backend)? < OLDEST_VERSION {
        return Err(HookError::message("PostgreSQL 14 or later is needed"));
    }
    Ok(())
}

fn lost_a_race(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    matches!(cause.downcast_ref(), Some(Fault::Sql { code, .. })
        if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code))
}

/// Whoever lost together does not try again together.
#[expect(clippy::disallowed_methods, reason = "there is no state to wait for: the other transaction is unknown")]
async fn wait_a_little(tries: u32) {
    let jitter = SysRng.try_next_u32().unwrap_or_default() % (20 << tries);
    sleep(Duration::from_millis(jitter.into())).await;
}

/// What PostgreSQL or the way to it has failed with. Shows no detail: that would quote the row.
#[derive(Debug)]
pub(super) enum Fault {
    /// An answer that says no.
    Sql {
        code: SqlState,
        message: String,
    },
    Connection(tokio_postgres::Error),
    Pool(String),
    TookTooLong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql { code, message } => write!(f, "PostgreSQL: {message} ({})", code.code()),
            Self::Connection(_) => f.write_str("the connection to PostgreSQL"),
            Self::Pool(message) => f.write_str(message),
            Self::TookTooLong => f.write_str("PostgreSQL does not answer in time"),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            _ => None,
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(answer) = error.as_db_error() else { return Self::Unavailable(Arc::new(Fault::Connection(error))) };
        let code = answer.code();
        let fault = Fault::Sql { code: code.clone(), message: answer.message().to_owned() };
        if *code == SqlState::UNIQUE_VIOLATION {
            Self::Conflict
        } else if [SqlState::FOREIGN_KEY_VIOLATION, SqlState::CHARACTER_NOT_IN_REPERTOIRE].contains(code) {
            // Text with NUL, which PostgreSQL takes nowhere, names nothing that is there.
            Self::Missing
        } else if [SqlState::DISK_FULL, SqlState::READ_ONLY_SQL_TRANSACTION].contains(code) {
            Self::CannotWrite(Arc::new(fault))
        } else if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) {
            Self::Unreadable(fault.to_string())
        } else {
            Self::Unavailable(Arc::new(fault))
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::PostCreateHook(HookError::Message(reason)) => Self::Unusable(reason.into_owned()),
            other => Self::Unavailable(Arc::new(Fault::Pool(other.to_string()))),
        }
    }
}
