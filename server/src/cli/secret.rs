//! `roompass secret` and `roompass app-sign`: the ring of an app, straight on the store.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use token_gen::{AppId, UnixSeconds};

use super::{Failure, StoreArgs, app::unknown, key::date, out::Out};
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
        /// How long the present one goes on verifying once the new one mints, which with PostgreSQL is 5 s later, such as
        /// 24h; the app's longest lifetime if left out. 0s ends it at once, with the sessions of its tokens
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
            format!(
                "{}  {}  {}  {}  {until}  opened {} tokens, {}\n",
                secret.secret_id,
                secret.fingerprint,
                word(secret.purpose),
                word(secret.state),
                secret.used_count,
                last_used(secret.last_used_at)
            )
        };
        ring.iter().map(line).collect()
    });
    Ok(())
}

async fn list_app_signs(app_id: AppId, store: &StoreArgs) -> Result<(), Failure> {
    let app = store.open().await?.admin.app(app_id).await?.ok_or(unknown(app_id))?;
    let app_signs: Vec<_> = app.app_signs.into_iter().map(http::apps::app_sign).collect();
    store.print(&app_signs, || {
        let line = |app_sign: &roompass_wire::http::AppSignUse| {
            let state = match app_sign.valid_until {
                None => "present   no end".to_owned(),
                Some(until) => format!("previous  until {}", date(UnixSeconds::new(until))),
            };
            let logins = if app_sign.used_count == 1 { "login" } else { "logins" };
            format!("{state}  proved {} {logins}, {}\n", app_sign.used_count, last_used(app_sign.last_used_at))
        };
        app_signs.iter().map(line).collect()
    });
    Ok(())
}

fn last_used(at: Option<i64>) -> String {
    at.map_or("never used".to_owned(), |at| format!("last used {}", date(UnixSeconds::new(at))))
}

/// A word as it is written in JSON.
pub(super) fn word(word: impl serde::Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[derive(Debug, Subcommand)]
pub(super) enum AppSignCommand {
    /// List the AppSigns of an app that prove logins: until when, and how they are used; not what they are
    List {
        /// The app's number
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
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
    /// End the AppSign before the present one at once: nobody logs in with it any more; see `app-sign list`
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
            Self::List { app_id, store } => return list_app_signs(app_id, &store).await,
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
