//! `roompass audit`: what happened, straight from the store.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use futures_util::{StreamExt, pin_mut};
use roompass_wire::http::{AuditAction, AuditQuery, AuditRecord, AuditResponse, AuditResult};
use serde_json::json;
use token_gen::{AppId, UnixSeconds};

use super::{Failure, StoreArgs, key::date};
use crate::{audit, error::Error, http, store::AuditWalk};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Show what happened, the latest first: why a user was refused, who rotated a secret
    List {
        #[command(flatten)]
        filter: Filter,
        /// How many records at most: 1 to 1000
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Where to go on: the cursor of the page before
        #[arg(long)]
        cursor: Option<i64>,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Print records as JSON lines, the oldest first
    Export {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Hold every record against its hash, and print where each chain ends. Ends with code 1 if one was edited, removed
    /// or moved. Keep what it prints elsewhere: it shows later whether records at an end were taken away
    Verify {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Forget the records that `audit.keep_days` and `audit.max_records` no longer keep. Servers do so themselves, unless
    /// their role in PostgreSQL may not
    Forget {
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Which records. All that is given must match.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// About this app
    #[arg(long)]
    app_id: Option<AppId>,
    /// About this user
    #[arg(long)]
    user_id: Option<String>,
    /// About this room
    #[arg(long)]
    room_id: Option<String>,
    /// About this token
    #[arg(long)]
    token_id: Option<String>,
    /// What was done, such as mint, login, revoke or rotate_secret
    #[arg(long, value_parser = action)]
    action: Option<AuditAction>,
    /// How it ended: done, refused or failed
    #[arg(long, value_parser = result)]
    result: Option<AuditResult>,
    /// Why, exactly
    #[arg(long)]
    reason: Option<String>,
    /// Who, such as key:uaiXsS6eQDCl or admin:alice
    #[arg(long)]
    actor: Option<String>,
    /// The request that did it
    #[arg(long)]
    request_id: Option<String>,
    /// From then on: Unix seconds, or how long ago, such as 1h
    #[arg(long, value_parser = moment)]
    since: Option<Moment>,
    /// Before then: Unix seconds, or how long ago
    #[arg(long, value_parser = moment)]
    until: Option<Moment>,
}

fn action(text: &str) -> Result<AuditAction, String> {
    let words: Vec<&str> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
    AuditAction::parse(text).ok_or_else(|| format!("is one of {}", words.join(", ")))
}

fn result(text: &str) -> Result<AuditResult, &'static str> {
    AuditResult::parse(text).ok_or("is done, refused or failed")
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    At(i64),
    Ago(Duration),
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = text.parse() {
        return Ok(Moment::At(at));
    }
    let ago = humantime::parse_duration(text);
    ago.map(Moment::Ago).map_err(|_| "is Unix seconds, or how long ago, such as 90m or 7d".to_owned())
}

impl Moment {
    fn before(self, now: UnixSeconds) -> i64 {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.get().saturating_sub_unsigned(ago.as_secs()),
        }
    }
}

impl Filter {
    fn query(self, now: UnixSeconds) -> AuditQuery {
        AuditQuery {
            app_id: self.app_id.map(AppId::get),
            since: self.since.map(|moment| moment.before(now)),
            until: self.until.map(|moment| moment.before(now)),
            action: self.action,
            result: self.result,
            reason: self.reason,
            actor: self.actor,
            user_id: self.user_id,
            room_id: self.room_id,
            token_id: self.token_id,
            request_id: self.request_id,
            limit: None,
            cursor: None,
        }
    }
}

impl AuditCommand {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::List { filter, limit, cursor, store } => list(filter, limit, cursor, &store).await?,
            Self::Export { filter, store } => export(filter, &store).await?,
            Self::Verify { store } => return verify(&store).await,
            Self::Forget { store } => {
                let forgotten = store.open().await?.forget_audit().await?;
                store.print(&json!({ "forgotten": forgotten }), || format!("{forgotten} records forgotten"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(filter: Filter, limit: u32, cursor: Option<i64>, store: &StoreArgs) -> Result<(), Failure> {
    let service = store.open().await?;
    let now = service.clock.now();
    let filter = audit::filter(filter.query(now), None)?;
    let found = service.store.audit_records(filter, AuditWalk::Back(cursor), limit + 1).await.map_err(Error::from)?;
    let more = found.len() > limit as usize;
    let shown = &found[..found.len().min(limit as usize)];
    let cursor = shown.last().filter(|_| more).map(|(place, _)| place.to_string());
    let records: Vec<_> = shown.iter().map(|(_, record)| audit::shown(record.clone())).collect();
    let page = AuditResponse { records, cursor, server_time: now.get() };
    store.print(&page, || match (&page.records[..], &page.cursor) {
        ([], _) => "nothing".to_owned(),
        (records, None) => records.iter().map(line).collect(),
        (records, Some(cursor)) => format!("{}more: --cursor {cursor}", records.iter().map(line).collect::<String>()),
    });
    Ok(())
}

/// A record on one line, for people.
fn line(record: &AuditRecord) -> String {
    let mut line = format!(
        "{}  {} {}  by {}",
        date(UnixSeconds::new(record.at)),
        record.action,
        record.reason.as_deref().map_or(record.result.clone(), |reason| format!("{}: {reason}", record.result)),
        record.actor
    );
    for (name, value) in [
        ("from", record.source.clone()),
        ("app", record.app_id.map(|app_id| app_id.to_string())),
        ("user", record.user_id.clone()),
        ("room", record.room_id.clone()),
        ("token", record.token_id.clone()),
        ("about", record.target.clone()),
        ("rights", record.rights.clone()),
        ("until", record.expire_at.map(|at| date(UnixSeconds::new(at)))),
        ("session", record.session_id.clone()),
        ("request", record.request_id.clone()),
    ] {
        if let Some(value) = value {
            line.push_str(&format!("  {name} {value}"));
        }
    }
    if let Some(details) = &record.details {
        line.push_str(&format!("  ({details})"));
    }
    line + "\n"
}

async fn export(filter: Filter, store: &StoreArgs) -> Result<(), Failure> {
    let service = store.open().await?;
    let searches = service.limits.searches().clone();
    let pages = audit::export(service.store.clone(), searches, audit::filter(filter.query(service.clock.now()), None)?);
    pin_mut!(pages);
    while let Some(page) = pages.next().await {
        let lines: String = page?.into_iter().map(http::audit::line).collect();
        // A reader that has gone away, such as `head`, is no fault.
        if io::stdout().lock().write_all(lines.as_bytes()).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn verify(store: &StoreArgs) -> Result<ExitCode, Failure> {
    let service = store.open().await?;
    let walked = audit::walk(&*service.store).await.map_err(Error::from)?;
    store.print(&json!(walked), || {
        let ends: String = walked.ends.iter().map(|end| format!("{}  {}\n", end.record, end.hash)).collect();
        let faults: String = walked.faults.iter().map(|fault| format!("{fault}\n")).collect();
        format!("{} records in {} chains, which end with\n{ends}{faults}", walked.records, walked.ends.len())
    });
    Ok(if walked.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
