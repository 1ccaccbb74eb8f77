//! The demo app of a development server, the files that keep its credentials, and the tour that uses them.

use std::path::Path;

use serde::Serialize;
use token_gen::AppId;

use super::Failure;
use crate::{
    admin::{Admin, AppCredentials, NewKey},
    app::Running,
    apps::AppSettings,
    keys::{KeyText, Scope},
    private_file,
};

/// The number that examples and documentation use.
const APP_ID: u32 = 1_234_567_890;
const KEY_NAME: &str = "demo";
const KEY_FILE: &str = "demo.key";
const SECRET_FILE: &str = "demo.secret";
const ENV_FILE: &str = "demo.env";

/// All there is to know of the demo app. Serialises to what `roompass dev --json` prints.
#[derive(Serialize)]
pub(super) struct Demo {
    url: String,
    gateway_url: String,
    app_id: u32,
    app_sign: String,
    server_secret: String,
    backend_key: String,
}

/// Finds the demo app and its key, or makes them; leaves them in `data_dir` for the tour and the next start.
pub(super) async fn prepare(running: &Running, data_dir: Option<&Path>) -> Result<Demo, Failure> {
    let admin = &running.service().admin;
    let app = find_or_make_app(admin).await?;
    let kept = data_dir.map(|data_dir| data_dir.join(KEY_FILE)).filter(|path| path.exists());
    let kept = kept.map(|path| private_file::read(&path)).transpose()?;
    let key = match kept.and_then(|text| KeyText::parse(text.trim())) {
        Some(key) if is_of(admin, &key, app.app_id).await? => key,
        _ => make_key(admin, app.app_id).await?,
    };
    let demo = Demo {
        url: running.url(),
        gateway_url: running.gateway_url(),
        app_id: app.app_id.get(),
        app_sign: app.app_sign.expose().to_owned(),
        server_secret: app.server_secret.expose().to_owned(),
        backend_key: key.expose().to_owned(),
    };
    if let Some(data_dir) = data_dir {
        private_file::write(&data_dir.join(KEY_FILE), &format!("{}\n", demo.backend_key))?;
        private_file::write(&data_dir.join(SECRET_FILE), &format!("{}\n", demo.server_secret))?;
        private_file::write(&data_dir.join(ENV_FILE), &demo.exports())?;
    }
    Ok(demo)
}

async fn find_or_make_app(admin: &Admin) -> Result<AppCredentials, Failure> {
    let app_id = AppId::new(APP_ID).map_err(|error| error.to_string())?;
    match admin.credentials_of(app_id).await? {
        Some(app) => Ok(app),
        None => Ok(admin.create_app(AppSettings::new(app_id, "Demo")).await?),
    }
}

async fn is_of(admin: &Admin, key: &KeyText, app_id: AppId) -> Result<bool, Failure> {
    let keys = admin.keys(app_id).await?;
    Ok(keys.iter().any(|stored| stored.key_id == key.key_id() && stored.hash == key.hash()))
}

/// A key whose text is lost is of no use to anybody: it ends when its successor is made.
async fn make_key(admin: &Admin, app_id: AppId) -> Result<KeyText, Failure> {
    for lost in admin.keys(app_id).await?.iter().filter(|key| key.name == KEY_NAME) {
        admin.revoke_key(app_id, &lost.key_id).await?;
    }
    let key = NewKey { app_id, name: KEY_NAME.to_owned(), scope: Scope::everything(), expire_at: None };
    Ok(admin.create_key(key).await?)
}

impl Demo {
    fn exports(&self) -> String {
        let Self { url, gateway_url, app_id, app_sign, backend_key, .. } = self;
        format!(
            "export ROOMPASS_URL={url}\n\
             export ROOMPASS_GATEWAY_URL={gateway_url}\n\
             export ROOMPASS_APP_ID={app_id}\n\
             export ROOMPASS_APP_SIGN={app_sign}\n\
             export ROOMPASS_BACKEND_KEY={backend_key}\n"
        )
    }

    /// What to do next, ready to be pasted.
    pub(super) fn tour(&self, data_dir: Option<&Path>) -> String {
        let Self { url, app_id, backend_key, .. } = self;
        let (set_up, secret) = match data_dir {
            Some(data_dir) => {
                let secret = format!("--server-secret-file {}", data_dir.join(SECRET_FILE).display());
                (format!("source {}", data_dir.join(ENV_FILE).display()), secret)
            }
            None => {
                let secret = format!("export SERVER_SECRET={}", self.server_secret);
                (format!("{}{secret}", self.exports()).replace('\n', "\n  "), String::new())
            }
        };
        format!(
            r#"Roompass for development: {url}
  AppID        {app_id}
  Backend key  {backend_key}

In another terminal, from this folder:

  {set_up}

  # Mint a token, as your backend would.
  curl -s "$ROOMPASS_URL/v1/apps/$ROOMPASS_APP_ID/tokens" \
    -H "Authorization: Bearer $ROOMPASS_BACKEND_KEY" -H 'Content-Type: application/json' \
    -d '{{"user_id":"alice","room_id":"room1","privileges":["login","publish"],"ttl_secs":600}}' | tee token.json

  # Verify it without the server.
  sed 's/.*"token":"\([^"]*\)".*/\1/' token.json > token.txt
  cargo run -q -p token-gen -- verify - --app-id "$ROOMPASS_APP_ID" {secret} --json < token.txt

  # Enter the room.
  cargo run -q -p roompass-sdk --example join_room

Ctrl-C stops the server."#
        )
    }
}
