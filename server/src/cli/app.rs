//! `roompass app`: apps, straight on the store.

use clap::{Args, Subcommand};
use serde::Serialize;
use token_gen::AppId;

use super::{Failure, StoreArgs};
use crate::apps::{AppSettings, AuthMode, FormatName};

#[derive(Debug, Subcommand)]
pub(super) enum AppCommand {
    /// Make an app; its secrets are printed once
    Create(Create),
    /// List apps
    List(StoreArgs),
    /// Show the settings of an app
    Show {
        /// The app's number
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// Its number; a free one if left out
    #[arg(long, value_name = "N")]
    app_id: Option<AppId>,
    /// How its clients authenticate: app_sign, token_preferred or token_only
    #[arg(long, default_value = "token_preferred", value_parser = word::<AuthMode>)]
    mode: AuthMode,
    /// A format to mint and accept: token04_gcm, token04_cbc or token03. CBC is not authenticated: for old readers only
    #[arg(long = "format", value_name = "FORMAT", value_delimiter = ',', default_value = "token04_gcm", value_parser = word::<FormatName>)]
    formats: Vec<FormatName>,
    /// The longest lifetime of its tokens, such as 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_ttl: Option<std::time::Duration>,
    #[command(flatten)]
    store: StoreArgs,
}

/// What `app create` prints.
#[derive(Serialize)]
struct Created<'a> {
    app_id: u32,
    app_sign: &'a str,
    server_secret: &'a str,
}

impl AppCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run().await,
            Self::List(store) => {
                let apps = store.open().await?.admin.apps().await?;
                store.print(&apps, || match apps.as_slice() {
                    [] => format!("no apps yet: roompass app create{} --name NAME", store.as_option()),
                    apps => apps.iter().map(line).collect(),
                });
                Ok(())
            }
            Self::Show { app_id, store } => {
                let app = store.open().await?.admin.app(app_id).await?;
                let app = app.ok_or(Failure(format!("there is no app {app_id}")))?;
                store.print(&app, || serde_json::to_string_pretty(&app).unwrap_or_default());
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let service = self.store.open_or_make().await?;
        let app_id = self.app_id.map_or_else(|| service.admin.free_app_id(), Ok)?;
        let mut settings = AppSettings::new(app_id, self.name);
        settings.mode = self.mode;
        settings.formats = self.formats;
        if let Some(max_ttl) = self.max_ttl {
            settings.max_ttl_secs = max_ttl.as_secs();
            settings.default_ttl_secs = settings.default_ttl_secs.min(settings.max_ttl_secs);
        }
        let app = service.admin.create_app(settings).await?;
        let option = self.store.as_option();
        let (app_sign, server_secret) = (app.app_sign.expose(), app.server_secret.expose());
        self.store.print(&Created { app_id: app_id.get(), app_sign, server_secret }, || {
            format!(
                "AppID          {app_id}\nAppSign        {app_sign}\nServer secret  {server_secret}\n\n\
                 Keep the last two now: they are not shown again. Next:\n  roompass key create{option} --app-id {app_id}"
            )
        });
        Ok(())
    }
}

fn line(app: &AppSettings) -> String {
    format!("{:<11} {}{}\n", app.app_id.get(), app.name, if app.enabled { "" } else { " (switched off)" })
}

/// Reads a word as it is written in JSON.
pub(super) fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| error.to_string())
}
