//! `roompass backup`, `roompass restore` and `roompass doctor`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use roompass_wire::http::AuditRecord;
use serde_json::json;

use super::{
    Failure, StoreArgs,
    replay::{self, Replayed},
};
use crate::{
    admin::Fault,
    app::Service,
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
/// on, or what was revoked after the backup was made would come to life again. Whatever else was taken away since then
/// (bans, keys, secrets, admins) is in the audit trail alone: give an export of it that is kept elsewhere with --replay.
///
/// PostgreSQL has tools of its own for the first half: fill the database with pg_restore while no server uses it, then
/// run this with --after-pg-restore, then start the servers.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(required_unless_present = "after_pg_restore")]
    file: Option<PathBuf>,
    /// The database is PostgreSQL, and pg_restore has just filled it
    #[arg(long, conflicts_with = "file")]
    after_pg_restore: bool,
    /// What `roompass audit export` printed later than the backup was made: bans, ended keys, retired secrets, settings
    /// and removed admins in it are done again
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
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
        // Before anything is touched.
        let trail = self.replay.as_deref().map(|path| {
            let named = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", path.display()));
            let text = fs::read_to_string(path).map_err(|error| named(&error))?;
            replay::read(&text).map_err(|error| named(&error))
        });
        let trail = trail.transpose()?;
        match &self.file {
            Some(file) => self.put_in_place(file, trail).await,
            None => self.finish_pg_restore(trail).await,
        }
    }

    async fn finish_pg_restore(&self, trail: Trail) -> Result<(), Failure> {
        if self.store.database().is_ok() {
            return Err(Failure(
                "store.url: is not PostgreSQL: name the backup instead of --after-pg-restore".to_owned(),
            ));
        }
        let restored = finish(&self.store.open().await?, trail).await?;
        self.report("PostgreSQL", &restored);
        Ok(())
    }

    async fn put_in_place(&self, file: &Path, trail: Trail) -> Result<(), Failure> {
        let database = self.store.database()?;
        if database.exists() {
            let next = "move it away first, when no server uses it";
            return Err(Failure(format!("{} is there: {next}", database.display())));
        }
        // Under another name until it is complete, so that no server starts on half of it.
        let mut unfinished = database.clone().into_os_string();
        unfinished.push(".restoring");
        let unfinished = PathBuf::from(unfinished);
        let (from, to) = (file.to_owned(), unfinished.clone());
        blocking(move || SqliteStore::copy(&from, &to)).await?;
        let restored = self.finish_in(&unfinished, trail).await;
        let restored = restored.and_then(|restored| {
            fs::rename(&unfinished, &database).map_err(|error| Failure(format!("{}: {error}", database.display())))?;
            Ok(restored)
        });
        let restored = restored.inspect_err(|_| {
            for ending in ["", "-wal", "-shm"] {
                // It may not be there, and a left-over harms nobody.
                let _ = fs::remove_file(format!("{}{ending}", unfinished.display()));
            }
        })?;
        self.report(&database.display().to_string(), &restored);
        Ok(())
    }

    async fn finish_in(&self, database: &Path, trail: Trail) -> Result<Restored, Failure> {
        finish(&self.store.open_at(Location::ExistingFile(database.to_owned())).await?, trail).await
    }

    fn report(&self, name: &str, Restored { apps, replayed }: &Restored) {
        let answer = match replayed {
            None => json!({ "restored": name, "apps": apps }),
            Some(Replayed { replayed, not_replayed }) => {
                json!({ "restored": name, "apps": apps, "replayed": replayed, "not_replayed": not_replayed })
            }
        };
        self.store.print(&answer, || {
            let head = format!("restored {apps} apps. Tokens issued before now are refused: users fetch new ones");
            match replayed {
                None => format!("{head}\n{}", NOT_REPLAYED),
                Some(Replayed { replayed, not_replayed }) => {
                    let missed: String = not_replayed.iter().map(|line| format!("\n  {line}")).collect();
                    let missed = if missed.is_empty() { missed } else { format!("\nDo yourself:{missed}") };
                    format!("{head}\n{replayed} later changes were made again.{missed}")
                }
            }
        });
    }
}

/// The records to repeat, if some were given.
type Trail = Option<Vec<AuditRecord>>;

struct Restored {
    apps: usize,
    /// None without a trail.
    replayed: Option<Replayed>,
}

/// What to look at where there is no trail.
const NOT_REPLAYED: &str = "\
Everything else is as it was when the backup was made: later bans are missing, and keys, secrets, AppSigns, apps and
admins that were ended since are good again. With an export of the audit trail, restore the backup once more and give
--replay FILE.
Without one, look through the bans of each app, and `roompass app list`, `key list` and `secret list`.";

async fn finish(service: &Service, trail: Trail) -> Result<Restored, Failure> {
    let replayed = match trail {
        None => None,
        Some(records) => Some(replay::replay(service, records).await?),
    };
    let now = service.clock.now();
    let apps = service.lifecycle.revoke_everything("cli", "restored from a backup", now).await?;
    // The backup knows nothing of the time between it and now.
    service.store.note_time(now).await.map_err(crate::error::Error::from)?;
    // A file is renamed next: nobody may hold it any more.
    service.audit.close().await;
    Ok(Restored { apps, replayed })
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
