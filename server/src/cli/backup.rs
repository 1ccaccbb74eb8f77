//! `roompass backup`, `roompass restore` and `roompass doctor`.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{Failure, StoreArgs};
use crate::{
    admin::Fault,
    store::{Location, SqliteStore},
};

/// Copies the database into a new file while servers use it. Secrets in it stay sealed: keep the master key elsewhere.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The new file
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// Puts a backup in the place of a database that is gone. Every token issued before this moment is refused from then
/// on, or what was revoked after the backup was made would come to life again.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// Looks for damage: checks the database, opens every secret, and walks the audit trail. Ends with code 1 if something is wrong.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    store: StoreArgs,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let database = self.store.database()?;
        let to = self.file.clone();
        blocking(move || SqliteStore::copy(&database, &to)).await?;
        let file = self.file.display().to_string();
        self.store.print(&json!({ "backup": file }), || format!("copied to {file}"));
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let database = self.store.database()?;
        if database.exists() {
            let next = "move it away first, when no server uses it";
            return Err(Failure(format!("{} is there: {next}", database.display())));
        }
        // Under another name until it is complete, so that no server starts on half of it.
        let mut unfinished = database.clone().into_os_string();
        unfinished.push(".restoring");
        let unfinished = PathBuf::from(unfinished);
        let (from, to) = (self.file.clone(), unfinished.clone());
        blocking(move || SqliteStore::copy(&from, &to)).await?;
        let restored = self.end_what_was_issued(&unfinished).await;
        let restored = restored.and_then(|apps| {
            fs::rename(&unfinished, &database).map_err(|error| Failure(format!("{}: {error}", database.display())))?;
            Ok(apps)
        });
        let apps = restored.inspect_err(|_| {
            for ending in ["", "-wal", "-shm"] {
                // It may not be there, and a left-over harms nobody.
                let _ = fs::remove_file(format!("{}{ending}", unfinished.display()));
            }
        })?;
        self.store.print(&json!({ "restored": database.display().to_string(), "apps": apps }), || {
            format!("restored {apps} apps. Tokens issued before now are refused: users fetch new ones")
        });
        Ok(())
    }

    async fn end_what_was_issued(&self, database: &std::path::Path) -> Result<usize, Failure> {
        let service = self.store.open_at(Location::ExistingFile(database.to_owned())).await?;
        let now = service.clock.now();
        let apps = service.lifecycle.revoke_everything("cli", "restored from a backup", now).await?;
        // The backup knows nothing of the time between it and now.
        service.store.note_time(now).await.map_err(crate::error::Error::from)?;
        Ok(apps)
    }
}

impl Doctor {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let report = self.store.open().await?.admin.check().await?;
        self.store.print(&report, || match &report.faults[..] {
            [] => {
                let (values, records) = (report.sealed_values, report.audit_records);
                format!("sound: {values} sealed values opened, {records} audit records in their places")
            }
            faults => faults.iter().map(line).collect(),
        });
        Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn line(Fault { app_id, what, remedy }: &Fault) -> String {
    match app_id {
        0 => format!("{what}: {remedy}\n"),
        app_id => format!("app {app_id}: {what}: {remedy}\n"),
    }
}

async fn blocking(work: impl FnOnce() -> Result<(), crate::store::StoreError> + Send + 'static) -> Result<(), Failure> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|error| Failure(crate::error::with_causes(&error)))
}
