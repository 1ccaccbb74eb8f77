//! `roompass key`: backend keys, straight on the store.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use serde::Serialize;
use token_gen::{AppId, Privilege, UnixSeconds};

use super::{Failure, StoreArgs, app::unknown, out::Out};
use crate::{
    admin::{KeyKind, NewKey},
    app::Service,
    keys::{Right, Scope},
    store::KeyRecord,
};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; its text is printed once
    Create(Create),
    /// List the keys of an app
    List {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// End a key; doing it twice is fine
    Revoke {
        /// The key's id: what stands between `rp_` and the next `_`; `roompass key list` has it too
        key_id: String,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Whose keys.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Of {
    /// A backend's, of the app with this number
    #[arg(long, value_name = "N")]
    app_id: Option<AppId>,
    /// An operator's: it administers every app, and mints for none
    #[arg(long)]
    operator: bool,
}

impl Of {
    /// Makes sure that the app is there.
    async fn require(&self, service: &Service) -> Result<(), Failure> {
        match self.app_id {
            Some(app_id) if service.admin.app(app_id).await?.is_none() => Err(unknown(app_id)),
            _ => Ok(()),
        }
    }

    /// The option that names the same keys to the next command.
    fn as_option(&self) -> String {
        self.app_id.map_or_else(|| "--operator".to_owned(), |app_id| format!("--app-id {app_id}"))
    }
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    of: Of,
    /// What people call it
    #[arg(long, value_name = "TEXT", default_value = "backend")]
    name: String,
    /// What it may do: mint, introspect, explain, revoke, read, admin, operate; repeat for more. Default mint; an operator's is
    /// admin
    #[arg(long = "right", value_name = "RIGHT", value_delimiter = ',', conflicts_with = "operator")]
    rights: Vec<Right>,
    /// Only for rooms that begin like this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    room_prefix: String,
    /// Only for tokens with these privileges: login, publish; repeat for both
    #[arg(long = "privilege", value_name = "P", value_delimiter = ',', default_values = ["login", "publish"])]
    privileges: Vec<Privilege>,
    /// The longest lifetime of its tokens, such as 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_ttl: Option<Duration>,
    /// When it ends, from now, such as 90d
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
    /// The most requests in a second, in place of limits.key_per_second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_per_second: Option<u32>,
    /// Its holder signs each request with it, instead of sending it
    #[arg(long)]
    signed: bool,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    store: StoreArgs,
}

/// What `key create` prints.
#[derive(Serialize)]
struct Created<'a> {
    key_id: &'a str,
    backend_key: &'a str,
}

/// A key in `key list`.
#[derive(Serialize)]
struct Listed<'a> {
    key_id: &'a str,
    name: &'a str,
    scope: serde_json::Value,
    expire_at: Option<i64>,
    last_used_at: Option<i64>,
    created_at: i64,
}

impl KeyCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run().await,
            Self::List { of, store } => {
                let service = store.open().await?;
                of.require(&service).await?;
                let keys = service.admin.keys_after(of.app_id, "", u32::MAX).await?;
                let listed: Vec<Listed<'_>> = keys.iter().map(Listed::from).collect();
                store.print(&listed, || match keys.as_slice() {
                    [] => format!("no keys yet: roompass key create{} {}", store.as_option(), of.as_option()),
                    keys => keys.iter().map(line).collect(),
                });
                Ok(())
            }
            Self::Revoke { key_id, of, store } => {
                let revoked = store.open().await?.admin.revoke_key(of.app_id, &key_id).await?;
                store.print(&serde_json::json!({ "key_id": key_id, "revoked": revoked }), || match revoked {
                    true => "ended; running servers refuse it within two seconds".to_owned(),
                    false => format!("there is no key {key_id}"),
                });
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        self.out.check()?;
        let service = self.store.open().await?;
        let rights = match (self.of.operator, self.rights) {
            (true, _) => vec![Right::Admin],
            (false, none) if none.is_empty() => vec![Right::Mint],
            (false, rights) => rights,
        };
        let scope = Scope {
            rights,
            room_prefix: self.room_prefix,
            privileges: self.privileges.into_iter().collect(),
            max_ttl_secs: self.max_ttl.map(|max_ttl| max_ttl.as_secs()),
            max_per_second: self.max_per_second,
        };
        let expire_at = self.expires_in.map(|lifetime| service.clock.now().saturating_add(lifetime));
        let app_id = self.of.app_id;
        self.of.require(&service).await?;
        let kind = if self.signed { KeyKind::Signed } else { KeyKind::Bearer };
        let key = service.admin.create_key(NewKey { app_id, name: self.name, scope, expire_at, kind }).await?;
        self.out.deliver(&self.store, &Created { key_id: key.key_id(), backend_key: key.expose() }, || {
            format!(
                "{}\n\nKeep it now: it is not shown again. Running servers know it within two seconds.",
                key.expose()
            )
        })
    }
}

impl<'a> From<&'a KeyRecord> for Listed<'a> {
    fn from(key: &'a KeyRecord) -> Self {
        Self {
            key_id: &key.key_id,
            name: &key.name,
            scope: serde_json::from_str(&key.scope).unwrap_or_default(),
            expire_at: key.expire_at.map(UnixSeconds::get),
            last_used_at: key.last_used_at.map(UnixSeconds::get),
            created_at: key.created_at.get(),
        }
    }
}

/// A key, for people: its id and name, then how far it reaches.
fn line(key: &KeyRecord) -> String {
    let mut line = format!("{}  {}", key.key_id, key.name);
    // What is stored was written by us; if it is unreadable all the same, the server says so at its start.
    if let Ok(scope) = serde_json::from_str::<Scope>(&key.scope) {
        line += &format!("  may {}", words(&scope.rights));
        if !scope.is_unbounded() {
            line += &format!("; rooms {}*, {}", scope.room_prefix, words(scope.privileges.iter()));
        }
        if let Some(max_ttl) = scope.max_ttl() {
            line += &format!("; tokens up to {}", humantime::format_duration(max_ttl));
        }
    }
    if let Some(expire_at) = key.expire_at {
        line += &format!("; ends at {}", date(expire_at));
    }
    match key.last_used_at {
        Some(last_used_at) => line + &format!("; last used {}\n", date(last_used_at)),
        None => line + "; never used\n",
    }
}

pub(super) fn words<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

/// An instant as a date, where the calendar has one for it.
pub(super) fn date(at: UnixSeconds) -> String {
    match u64::try_from(at.get()).ok().filter(|&seconds| seconds < 253_402_300_800) {
        Some(seconds) => {
            humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
        }
        None => at.get().to_string(),
    }
}
