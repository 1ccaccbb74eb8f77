//! `roompass app`: apps, straight on the store.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value};
use token_gen::{AppId, AppSign, ServerSecret};

use super::{Failure, StoreArgs, out::Out};
use crate::{
    admin::{Admin, AppCredentials, AppView, Import, SettingsChange},
    apps::{AppSettings, AuthMode, FormatName},
    http, private_file,
};

#[derive(Debug, Subcommand)]
pub(super) enum AppCommand {
    /// Make an app; its secrets are shown once
    Create(Create),
    /// Take over an app with the credentials it has elsewhere, so that tokens go both ways
    Import(TakeOver),
    /// List apps
    List(StoreArgs),
    /// Show the settings of an app
    Show {
        /// The app's number
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Change the settings of an app
    Update(Update),
    /// Switch an app off: it serves nobody
    Disable {
        /// The app's number
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Switch an app on again
    Enable {
        /// The app's number
        app_id: AppId,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Args)]
struct Settings {
    /// A setting, such as mode=token_only or formats='["token04_gcm"]'; `app show` has them all
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
    /// Say that you know what tokens in CBC formats are worth
    #[arg(long)]
    acknowledge_cbc: bool,
}

impl Settings {
    /// These settings over those.
    fn over(&self, settings: &AppSettings) -> Result<AppSettings, Failure> {
        let changes: Map<String, Value> = self.set.iter().cloned().collect();
        settings.with(changes).map_err(|(field, reason)| Failure(format!("{field}: {reason}")))
    }
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
    settings: Settings,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(super) struct TakeOver {
    /// Its number
    #[arg(long)]
    app_id: AppId,
    /// What people call it
    #[arg(long)]
    name: String,
    /// A file with the server secret, closed to other users; `-` reads one line from standard input
    #[arg(long, value_name = "FILE")]
    server_secret_file: PathBuf,
    /// A file with the AppSign; a new one is made if left out
    #[arg(long, value_name = "FILE")]
    app_sign_file: Option<PathBuf>,
    /// A file with the secret for CBC formats
    #[arg(long, value_name = "FILE")]
    cbc_secret_file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// The app's number
    app_id: AppId,
    #[command(flatten)]
    settings: Settings,
    /// Only if this is still the app's version
    #[arg(long)]
    version: Option<i64>,
    #[command(flatten)]
    store: StoreArgs,
}

/// What `app create` and `app import` hand over.
#[derive(Serialize)]
struct Made<'a> {
    app_id: u32,
    app_sign: &'a str,
    server_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cbc_secret: Option<&'a str>,
    fingerprint: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'static str>,
}

impl AppCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run().await,
            Self::Import(take_over) => take_over.run().await,
            Self::List(store) => list(&store).await,
            Self::Show { app_id, store } => {
                let app = store.open().await?.admin.app(app_id).await?;
                show(&store, app.ok_or(unknown(app_id))?)
            }
            Self::Update(update) => update.run().await,
            Self::Disable { app_id, store } => switch(app_id, &store, false).await,
            Self::Enable { app_id, store } => switch(app_id, &store, true).await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        self.out.check()?;
        let service = self.store.open_or_make().await?;
        let app_id = self.app_id.map_or_else(|| service.admin.free_app_id(), Ok)?;
        let mut plain = AppSettings::new(app_id, self.name);
        plain.mode = self.mode;
        plain.formats = self.formats;
        if let Some(max_ttl) = self.max_ttl {
            plain.max_ttl_secs = max_ttl.as_secs();
            plain.default_ttl_secs = plain.default_ttl_secs.min(plain.max_ttl_secs);
        }
        let settings = self.settings.over(&plain)?;
        refuse_unacknowledged(&settings, self.settings.acknowledge_cbc)?;
        let app = service.admin.create_app(settings).await?;
        let warnings = service.admin.app(app_id).await?.map(|view| view.warnings);
        hand_over(&self.out, &self.store, &app, warnings.unwrap_or_default())
    }
}

impl TakeOver {
    async fn run(self) -> Result<(), Failure> {
        self.out.check()?;
        let settings = self.settings.over(&AppSettings::new(self.app_id, self.name))?;
        refuse_unacknowledged(&settings, self.settings.acknowledge_cbc)?;
        let secret = |path: &Path| {
            let text = private_file::read_or_stdin(path)?;
            ServerSecret::new(text.trim()).map_err(|error| format!("{}: {error}", path.display()))
        };
        let app_sign = self.app_sign_file.map(|path| {
            let text = private_file::read_or_stdin(&path)?;
            AppSign::new(text.trim()).map_err(|error| format!("{}: {error}", path.display()))
        });
        let import = Import {
            server_secret: secret(&self.server_secret_file)?,
            app_sign: app_sign.transpose()?,
            cbc_secret: self.cbc_secret_file.as_deref().map(secret).transpose()?,
        };
        let mut warnings = Admin::warnings_about(&import.server_secret);
        let admin = self.store.open_or_make().await?.admin;
        let app = admin.import_app(settings, import).await?;
        warnings.extend(admin.app(app.app_id).await?.map(|view| view.warnings).unwrap_or_default());
        hand_over(&self.out, &self.store, &app, warnings)
    }
}

impl Update {
    async fn run(self) -> Result<(), Failure> {
        if self.settings.set.is_empty() {
            return Err(Failure("nothing to change: --set NAME=VALUE; `roompass app show` has the names".to_owned()));
        }
        let admin = self.store.open().await?.admin;
        let app_id = self.app_id;
        let before = admin.app(app_id).await?.ok_or(unknown(app_id))?;
        let settings = self.settings.over(&before.settings)?;
        let version = self.version.unwrap_or(before.version);
        let change = SettingsChange { version, settings, acknowledge_cbc: self.settings.acknowledge_cbc };
        show(&self.store, admin.update_app(change).await?)
    }
}

async fn switch(app_id: AppId, store: &StoreArgs, enabled: bool) -> Result<(), Failure> {
    let admin = store.open().await?.admin;
    let AppView { mut settings, version, .. } = admin.app(app_id).await?.ok_or(unknown(app_id))?;
    settings.enabled = enabled;
    show(store, admin.update_app(SettingsChange { version, settings, acknowledge_cbc: false }).await?)
}

async fn list(store: &StoreArgs) -> Result<(), Failure> {
    let apps = store.open().await?.admin.apps(None, u32::MAX).await?;
    let lines = || {
        apps.iter().map(|AppView { settings, .. }| {
            let off = if settings.enabled { "" } else { " (switched off)" };
            format!("{:<11} {}{off}\n", settings.app_id.get(), settings.name)
        })
    };
    let text = lines().collect::<String>();
    let apps = apps.iter().cloned().map(http::apps::app).collect::<Result<Vec<_>, _>>()?;
    store.print(&apps, || match text.is_empty() {
        true => format!("no apps yet: roompass app create{} --name NAME", store.as_option()),
        false => text,
    });
    Ok(())
}

fn show(store: &StoreArgs, view: AppView) -> Result<(), Failure> {
    let app = http::apps::app(view)?;
    store.print(&app, || serde_json::to_string_pretty(&app).unwrap_or_default());
    Ok(())
}

fn hand_over(out: &Out, store: &StoreArgs, app: &AppCredentials, warnings: Vec<&'static str>) -> Result<(), Failure> {
    let made = Made {
        app_id: app.app_id.get(),
        app_sign: app.app_sign.expose(),
        server_secret: app.server_secret.expose(),
        cbc_secret: app.cbc_secret.as_ref().map(ServerSecret::expose),
        fingerprint: Admin::fingerprint(&app.server_secret),
        warnings,
    };
    out.deliver(store, &made, || {
        let cbc = made.cbc_secret.map(|secret| format!("CBC secret     {secret}\n")).unwrap_or_default();
        let warnings: String = made.warnings.iter().map(|warning| format!("\nNote: {warning}\n")).collect();
        format!(
            "AppID          {}\nAppSign        {}\nServer secret  {}\n{cbc}{warnings}\n\
             Keep the secrets now: they are not shown again. Next:\n  roompass key create{} --app-id {}",
            made.app_id,
            made.app_sign,
            made.server_secret,
            store.as_option(),
            made.app_id
        )
    })
}

pub(super) fn unknown(app_id: AppId) -> Failure {
    Failure(format!("there is no app {app_id}: `roompass app list` has all"))
}

fn refuse_unacknowledged(settings: &AppSettings, acknowledged: bool) -> Result<(), Failure> {
    if settings.uses_cbc() && !acknowledged {
        let refused = crate::admin::require_acknowledged(false).err();
        let reason = refused.map_or_else(String::new, |refused| refused.to_string());
        return Err(Failure(format!("--acknowledge-cbc {}", reason.replace("must be true", "is needed"))));
    }
    Ok(())
}

/// Reads `name=value`, where the value is JSON or a plain word.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("must be written as NAME=VALUE")?;
    // No setting is a fraction: 2.17 is the beginning of a version.
    let read = serde_json::from_str(value).ok().filter(|read: &Value| !read.is_f64());
    Ok((name.to_owned(), read.unwrap_or_else(|| Value::String(value.to_owned()))))
}

/// Reads a word as it is written in JSON.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}
