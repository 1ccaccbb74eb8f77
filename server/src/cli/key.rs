//! `roompass key`: backend keys, straight on the store.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use token_gen::{AppId, Privilege, UnixSeconds};

use super::{Failure, StoreArgs};
use crate::{
    admin::NewKey,
    keys::{Right, Scope},
    store::KeyRecord,
};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; its text is printed once
    Create(Create),
    /// List the keys of an app
    List {
        /// The app's number
        #[arg(long)]
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// End a key; doing it twice is fine
    Revoke {
        /// The key's id: what stands between `rp_` and the next `_`
        key_id: String,
        /// The app's number
        #[arg(long)]
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The app it is for
    #[arg(long)]
    app_id: AppId,
    /// What people call it
    #[arg(long, default_value = "backend")]
    name: String,
    /// What it may do: mint, introspect, explain, revoke, read, admin
    #[arg(long = "right", default_value = "mint")]
    rights: Vec<Right>,
    /// Only for rooms that begin like this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    room_prefix: String,
    /// Only for tokens with these privileges: login, publish
    #[arg(long = "privilege", default_values = ["login", "publish"])]
    privileges: Vec<Privilege>,
    /// The longest lifetime of its tokens, such as 10m
    #[arg(long, value_parser = humantime::parse_duration)]
    max_ttl: Option<Duration>,
    /// When it ends, from now, such as 90d
    #[arg(long, value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
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
            Self::List { app_id, store } => {
                let keys = store.open().await?.admin.keys(app_id).await?;
                let listed: Vec<Listed<'_>> = keys.iter().map(Listed::from).collect();
                store.print(&listed, || listed.iter().map(Listed::line).collect());
                Ok(())
            }
            Self::Revoke { key_id, app_id, store } => {
                let revoked = store.open().await?.admin.revoke_key(app_id, &key_id).await?;
                store.print(&serde_json::json!({ "key_id": key_id, "revoked": revoked }), || match revoked {
                    true => "ended; a running server hears of it with SIGHUP".to_owned(),
                    false => format!("app {app_id} has no key {key_id}"),
                });
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let service = self.store.open().await?;
        let scope = Scope {
            rights: self.rights,
            room_prefix: self.room_prefix,
            privileges: self.privileges.into_iter().collect(),
            max_ttl_secs: self.max_ttl.map(|max_ttl| max_ttl.as_secs()),
        };
        let expire_at = self.expires_in.map(|lifetime| service.clock.now().saturating_add(lifetime));
        let app_id = self.app_id;
        if service.admin.app(app_id).await?.is_none() {
            return Err(Failure(format!("there is no app {app_id}")));
        }
        let key = service.admin.create_key(NewKey { app_id, name: self.name, scope, expire_at }).await?;
        self.store.print(&Created { key_id: key.key_id(), backend_key: key.expose() }, || {
            format!("{}\n\nKeep it now: it is not shown again. A running server hears of it with SIGHUP.", key.expose())
        });
        Ok(())
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

impl Listed<'_> {
    fn line(&self) -> String {
        format!("{}  {}  {}\n", self.key_id, self.name, self.scope)
    }
}
