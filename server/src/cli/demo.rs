//! The demo app of a development server, the files that keep its credentials, and the tour that uses them.

use std::path::Path;

use serde::Serialize;
use token_gen::AppId;

use super::{Failure, for_shell};
use crate::{
    admin::{Admin, AppCredentials, KeyKind, NewKey},
    app::Running,
    apps::AppSettings,
    http::{
        console::CONSOLE_PATH,
        demo::{APP_ID, DEMO_PATH},
    },
    keys::{KeyText, Scope},
    private_file,
};

const KEY_NAME: &str = "demo";
const KEY_FILE: &str = "demo.key";
const SECRET_FILE: &str = "demo.secret";
const ENV_FILE: &str = "demo.env";
/// The tour of the README, for data in [`TOUR_DIR`].
const TOUR: &str = include_str!("tour.sh");
const TOUR_DIR: &str = ".roompass";

/// All there is to know of the demo app. Serialises to what `roompass dev --json` prints.
#[derive(Serialize)]
pub(super) struct Demo {
    url: String,
    gateway_url: String,
    app_id: u32,
    app_sign: String,
    server_secret: String,
    backend_key: String,
    #[serde(skip)]
    console_url: String,
    /// What makes the first admin of the console, while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) setup_link: Option<String>,
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
    let service = running.service();
    let setup_link = match service.admins.exist().await? {
        true => None,
        false => Some(service.setup_link(&service.admins.owner_setup_code().await?.0)),
    };
    let demo = Demo {
        url: running.url(),
        gateway_url: running.gateway_url(),
        app_id: app.app_id.get(),
        app_sign: app.app_sign.expose().to_owned(),
        server_secret: app.server_secret.expose().to_owned(),
        backend_key: key.expose().to_owned(),
        console_url: format!("{}{CONSOLE_PATH}", running.url()),
        setup_link,
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
        admin.revoke_key(Some(app_id), &lost.key_id).await?;
    }
    let key = NewKey {
        app_id: Some(app_id),
        name: KEY_NAME.to_owned(),
        scope: Scope::everything(),
        expire_at: None,
        kind: KeyKind::Bearer,
    };
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
        let Self { url, app_id, backend_key, console_url, .. } = self;
        let set_up = self.setup_link.iter().map(|link| format!("\n  Set it up    {link}  (within 15 minutes)"));
        let set_up: String = set_up.collect();
        let commands = match data_dir {
            Some(data_dir) => TOUR.replace(TOUR_DIR, &for_shell(data_dir)),
            None => {
                let set_up = format!(
                    "tour=\"$(mktemp -d)\"\necho {} > \"$tour\"/{SECRET_FILE}\n{}",
                    self.server_secret,
                    self.exports().trim_end()
                );
                TOUR.replace(&format!("source {TOUR_DIR}/{ENV_FILE}"), &set_up).replace(TOUR_DIR, "\"$tour\"")
            }
        };
        let commands = commands.trim_end().replace('\n', "\n  ").replace("\n  \n", "\n\n");
        format!(
            "Roompass for development: {url}\n  AppID        {app_id}\n  Backend key  {backend_key}\n  \
             Demo call    {url}{DEMO_PATH}  (open it twice)\n  Console      {console_url}{set_up}\n\n\
             In another terminal, from this folder:\n\n  {commands}\n\nCtrl-C stops the server."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> Demo {
        Demo {
            url: "http://127.0.0.1:8080".to_owned(),
            gateway_url: "ws://127.0.0.1:8080/v1/gateway".to_owned(),
            app_id: APP_ID,
            app_sign: "the app sign".to_owned(),
            server_secret: "the server secret".to_owned(),
            backend_key: "the backend key".to_owned(),
            console_url: "http://127.0.0.1:8080/console".to_owned(),
            setup_link: None,
        }
    }

    #[test]
    fn the_tour_is_that_of_the_readme() {
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&format!("```sh\n{TOUR}```\n")), "README.md and tour.sh differ");
        let printed = demo().tour(Some(Path::new(TOUR_DIR)));
        for line in TOUR.lines() {
            assert!(printed.contains(&format!("\n  {line}\n")) || line.is_empty(), "{line}");
        }
    }

    #[test]
    fn it_follows_the_data() {
        let elsewhere = demo().tour(Some(Path::new("/my data/it's")));
        assert!(elsewhere.contains(r"source '/my data/it'\''s'/demo.env"), "{elsewhere}");
        assert!(!elsewhere.contains(TOUR_DIR), "{elsewhere}");
        let nowhere = demo().tour(None);
        assert!(nowhere.contains("< \"$tour\"/token.txt"), "{nowhere}");
        assert!(nowhere.contains("export ROOMPASS_BACKEND_KEY=the backend key"), "{nowhere}");
        assert!(!nowhere.contains(TOUR_DIR), "{nowhere}");
    }
}
