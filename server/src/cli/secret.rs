//! `roompass secret` and `roompass app-sign`: the ring of an app, straight on the store.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use token_gen::{AppId, UnixSeconds};

use super::{Failure, StoreArgs, key::date, out::Out};
use crate::{
    admin::{Admin, Rotation},
    error::Error,
    http,
    store::Purpose,
};

#[derive(Debug, Subcommand)]
pub(super) enum SecretCommand {
    /// List the secrets of an app: which are valid, until when, and how they are used
    List {
        /// The app's number
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Make a new active secret, shown once; the present one goes on verifying for a while
    Rotate {
        /// The app's number
        app_id: AppId,
        /// How long the present one goes on verifying, such as 24h; the app's longest lifetime if left out. 0s ends it
        /// at once, with the sessions of its tokens
        #[arg(long, value_parser = humantime::parse_duration)]
        overlap: Option<Duration>,
        /// What the new one is for
        #[arg(long, value_enum, default_value = "gcm")]
        purpose: PurposeWord,
        #[command(flatten)]
        out: Out,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// End a previous secret at once, with the sessions of its tokens; doing it twice is fine
    Retire {
        /// The app's number
        app_id: AppId,
        /// The secret's id; see `secret list`
        secret_id: String,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// What a secret is for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum PurposeWord {
    /// Tokens with AES-GCM
    Gcm,
    /// Tokens with AES-CBC, which are not authenticated
    Cbc,
}

impl SecretCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List { app_id, store } => list(app_id, &store).await,
            Self::Rotate { app_id, overlap, purpose, out, store } => {
                out.check()?;
                let purpose = match purpose {
                    PurposeWord::Gcm => Purpose::Gcm,
                    PurposeWord::Cbc => Purpose::Cbc,
                };
                let rotated = store.open().await?.admin.rotate(app_id, Rotation { purpose, overlap }).await?;
                let until = rotated.previous_valid_until.map(UnixSeconds::get);
                let secret = rotated.secret.expose();
                let made = json!({
                    "secret_id": rotated.secret_id,
                    "server_secret": secret,
                    "fingerprint": Admin::fingerprint(&rotated.secret),
                    "previous_valid_until": until,
                });
                out.deliver(&store, &made, || {
                    let before =
                        until.map(|until| format!(" The one before verifies until {}.", date(UnixSeconds::new(until))));
                    format!("{secret}\n\nKeep it now: it is not shown again.{}", before.unwrap_or_default())
                })
            }
            Self::Retire { app_id, secret_id, store } => {
                store.open().await?.admin.retire(app_id, &secret_id).await.map_err(|error| match error {
                    Error::Missing(_) => {
                        let list = format!("roompass secret list {}{}", app_id.get(), store.as_option());
                        Failure(format!("no such secret: `{list}` shows them"))
                    }
                    error => error.into(),
                })?;
                store.print(&json!({ "secret_id": secret_id, "retired": true }), || "ended".to_owned());
                Ok(())
            }
        }
    }
}

async fn list(app_id: AppId, store: &StoreArgs) -> Result<(), Failure> {
    let ring = store.open().await?.admin.ring(app_id).await?;
    let ring: Vec<_> = ring.into_iter().map(http::secrets::secret).collect();
    store.print(&ring, || {
        let line = |secret: &roompass_wire::http::Secret| {
            let until = secret
                .valid_until
                .map_or("no end".to_owned(), |until| format!("until {}", date(UnixSeconds::new(until))));
            let used = secret
                .last_used_at
                .map_or("never used".to_owned(), |at| format!("last used {}", date(UnixSeconds::new(at))));
            format!(
                "{}  {}  {}  {}  {until}  opened {} tokens, {used}\n",
                secret.secret_id,
                secret.fingerprint,
                word(secret.purpose),
                word(secret.state),
                secret.used_count
            )
        };
        ring.iter().map(line).collect()
    });
    Ok(())
}

/// A word as it is written in JSON.
pub(super) fn word(word: impl serde::Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[derive(Debug, Subcommand)]
pub(super) enum AppSignCommand {
    /// Make a new AppSign, shown once; the present one goes on proving logins for a while
    Reset {
        /// The app's number
        app_id: AppId,
        /// How long old client builds may go on logging in with the present one, such as 30d; 0s ends it at once, and the one before it
        #[arg(long, value_parser = humantime::parse_duration)]
        overlap: Duration,
        #[command(flatten)]
        out: Out,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// End the AppSign before the present one at once: nobody logs in with it any more
    Retire {
        /// The app's number
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
}

impl AppSignCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (app_id, overlap, out, store) = match self {
            Self::Reset { app_id, overlap, out, store } => (app_id, overlap, out, store),
            Self::Retire { app_id, store } => {
                store.open().await?.admin.retire_app_sign(app_id).await?;
                store.print(&json!({ "app_id": app_id.get(), "retired": true }), || "ended".to_owned());
                return Ok(());
            }
        };
        out.check()?;
        let reset = store.open().await?.admin.reset_app_sign(app_id, overlap).await?;
        let (app_sign, until) = (reset.app_sign.expose(), reset.previous_valid_until.get());
        out.deliver(&store, &json!({ "app_sign": app_sign, "previous_valid_until": until }), || {
            let until = date(UnixSeconds::new(until));
            format!("{app_sign}\n\nKeep it now: it is not shown again. The one before proves logins until {until}.")
        })
    }
}
