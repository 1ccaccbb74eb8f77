//! The life of tokens after mint, over real sockets.

mod ending;
mod hostile;
mod introspection;
mod requests;
mod restart;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rand::rngs::SysRng;
use serde_json::{Value, json};
use token_gen::{AppId, UnixSeconds};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Config, Credentials, Running,
    admin::{KeyKind, NewKey},
    app,
    apps::{AppSettings, AuthMode, FormatName},
    clock::ManualClock,
    keys::{Right, Scope},
    sealing::MasterKey,
    store::Location,
};

const NOW: i64 = 1_800_000_000;

struct Server {
    running: Running,
    clock: Arc<ManualClock>,
    /// A key with every right, of each app.
    keys: HashMap<u32, String>,
}

struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// The code of the problem, and the field it names.
    #[track_caller]
    fn problem(&self) -> (u16, String, Option<String>) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let problem = self.json();
        (self.status, problem["code"].as_str().unwrap().to_owned(), problem["field"].as_str().map(str::to_owned))
    }
}

fn config(location: Location, master_key: &MasterKey) -> Config {
    let mut config = Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key.clone());
    config.store = location.into();
    config
}

async fn start(config: Config, now: i64) -> Server {
    crate::trace::keep(crate::telemetry::filter("trace").unwrap());
    let clock = Arc::new(ManualClock::new(UnixSeconds::new(now)));
    let running = app::start(config, clock.clone()).await.unwrap();
    Server { running, clock, keys: HashMap::new() }
}

impl Server {
    /// Apps 7 and 8.
    async fn new() -> Self {
        let master_key = MasterKey::generate(&mut SysRng).unwrap();
        let mut server = start(config(Location::Memory, &master_key), NOW).await;
        for app_id in [7, 8] {
            server.create_app(AppSettings::new(AppId::new(app_id).unwrap(), "app")).await;
        }
        server
    }

    async fn create_app(&mut self, settings: AppSettings) -> Credentials {
        let credentials = self.running.create_app(settings).await.unwrap();
        let app = &credentials.app;
        [credentials.backend_key.expose(), app.app_sign.expose(), app.server_secret.expose()]
            .into_iter()
            .for_each(crate::kept::note_secret);
        self.keys.insert(credentials.app.app_id.get(), credentials.backend_key.expose().to_owned());
        credentials
    }

    async fn key(&self, scope: Scope) -> String {
        let new = NewKey {
            app_id: AppId::new(7).ok(),
            name: "key".to_owned(),
            scope,
            expire_at: None,
            kind: KeyKind::Bearer,
        };
        self.running.service().admin.create_key(new).await.unwrap().expose().to_owned()
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let host = self.running.url().replace("http://", "");
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        if !body.is_empty() {
            text.push_str("content-type: application/json\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned()));
        Reply { status, headers: headers.collect(), body: body.to_owned() }
    }

    async fn as_caller(&self, key: &str, method: &str, path: &str, body: Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("authorization", &format!("Bearer {key}"))], &body).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.as_caller(&self.keys[&7], "POST", &format!("/v1/apps/7/{path}"), body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.as_caller(&self.keys[&7], "GET", &format!("/v1/apps/7/{path}"), Value::Null).await
    }

    async fn mint(&self, body: Value) -> String {
        self.post("tokens", body).await.ok()["token"].as_str().unwrap().to_owned()
    }

    async fn is_active(&self, token: &str) -> bool {
        self.post("tokens/introspect", json!({ "token": token })).await.ok()["active"].as_bool().unwrap()
    }
}
