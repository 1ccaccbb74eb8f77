//! A server, its apps, its clients, and their common time.

use std::{sync::Arc, time::Duration};

use rand::rngs::SysRng;
use roompass_sdk::{
    BackendClient, BackendKey, Client, ClientBuilder, Error, Event, Events, LocalUser, ManualEnvironment, MintRequest,
    MintResponse, PrivilegeName, Room, TokenAnswer, TokenProvider, TokenRequest,
};
use roompass_server::{
    Config, Credentials, Running,
    admin::NewKey,
    apps::AppSettings,
    clock::{Clock, ManualClock},
    sealing::MasterKey,
};
use token_gen::{AppId, AppSign, UnixSeconds};
use tokio::time::timeout;

use crate::{DEADLINE, Relay, logs};

/// When every test begins.
const START: UnixSeconds = UnixSeconds::new(1_795_440_000);

/// A server that keeps nothing, and time that stands still until the test moves it.
pub struct World {
    running: Running,
    clock: Arc<ManualClock>,
    environment: Arc<ManualEnvironment>,
}

/// An app of the server, with all its credentials.
pub struct TestApp {
    /// The app's number.
    pub app_id: u32,
    /// The app and its secrets.
    pub credentials: Credentials,
    /// What the app's backend would use.
    pub backend: BackendClient,
    url: String,
    environment: Arc<ManualEnvironment>,
}

impl World {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts one whose configuration is changed by `change`.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        logs::keep();
        let master_key = MasterKey::generate(&mut SysRng).expect("the system has randomness");
        let mut config = Config::ephemeral(([127, 0, 0, 1], 0).into(), master_key);
        // Time jumps here: a connection must not count as dead because a minute passed in no time.
        config.gateway.ping_interval = Duration::from_secs(30 * 24 * 3600);
        change(&mut config);
        let clock = Arc::new(ManualClock::new(START));
        let running = roompass_server::start(config, clock.clone()).await.expect("the server starts");
        Self { running, clock, environment: Arc::new(ManualEnvironment::new(0.5)) }
    }

    /// Makes an app with the default settings, changed by `change`.
    pub async fn app(&self, app_id: u32, change: impl FnOnce(&mut AppSettings)) -> TestApp {
        let mut settings = AppSettings::new(AppId::new(app_id).expect("not 0"), format!("app {app_id}"));
        change(&mut settings);
        let credentials = self.running.create_app(settings).await.expect("the app can be made");
        logs::note_secret(credentials.app.app_sign.expose());
        logs::note_secret(credentials.app.server_secret.expose());
        logs::note_secret(credentials.backend_key.expose());
        let key = BackendKey::new(credentials.backend_key.expose());
        let backend = BackendClient::new(&self.running.url(), app_id, key).expect("the address is good");
        TestApp { app_id, credentials, backend, url: self.running.url(), environment: Arc::clone(&self.environment) }
    }

    /// The text of a new key.
    pub async fn new_key(&self, new: NewKey) -> String {
        let key = self.running.service().admin.create_key(new).await.expect("the key can be made");
        key.expose().to_owned()
    }

    /// The server's address.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// The present second.
    pub fn now(&self) -> i64 {
        self.clock.now().get()
    }

    /// Moves everybody's time forward.
    pub fn advance(&self, seconds: u64) {
        let by = Duration::from_secs(seconds);
        self.clock.advance(by);
        self.environment.advance(by);
    }

    /// Stops the server.
    pub async fn stop(self) {
        self.running.shutdown().await;
    }
}

impl TestApp {
    /// A client in the making: no credentials yet, common time.
    pub fn client(&self) -> ClientBuilder {
        self.client_at(&self.url)
    }

    fn client_at(&self, url: &str) -> ClientBuilder {
        Client::builder(self.app_id, url)
            .environment(self.environment.clone())
            .keep_alive(Duration::from_secs(30 * 24 * 3600))
            .connect_timeout(Duration::from_secs(3600))
            .request_timeout(Duration::from_secs(30 * 24 * 3600))
            .login_timeout(Duration::from_secs(30 * 24 * 3600))
            .reconnect_limit(Duration::from_secs(30 * 24 * 3600))
    }

    /// A client in the making that reaches the server over `relay`. It comes back within a second of a loss.
    pub fn client_over(&self, relay: &Relay) -> ClientBuilder {
        self.client_at(&relay.url())
    }

    /// A client that shows tokens only.
    pub fn token_client(&self) -> Client {
        self.client().build().expect("the options are good")
    }

    /// The app's AppSign.
    pub fn app_sign(&self) -> AppSign {
        self.credentials.app.app_sign.clone()
    }

    /// What its backend gets for `request`.
    pub async fn mint(&self, request: &MintRequest) -> Result<MintResponse, Error> {
        let minted = self.backend.mint(request).await?;
        logs::note_secret(&minted.token);
        Ok(minted)
    }

    /// A token for one room with `privileges`, good for `ttl_secs`.
    pub async fn token(&self, user_id: &str, room_id: &str, privileges: &[PrivilegeName], ttl_secs: u64) -> String {
        let request = MintRequest {
            user_id: user_id.into(),
            room_id: Some(room_id.into()),
            privileges: Some(privileges.to_vec()),
            ttl_secs: Some(ttl_secs),
            ..MintRequest::default()
        };
        self.mint(&request).await.expect("the request is good").token
    }

    /// A token for one room with login and publish.
    pub async fn full_token(&self, user_id: &str, room_id: &str, ttl_secs: u64) -> String {
        self.token(user_id, room_id, &[PrivilegeName::Login, PrivilegeName::Publish], ttl_secs).await
    }

    /// A provider that hands out full tokens, good for `ttl_secs`, for whatever is asked.
    pub fn provider(&self, ttl_secs: u64) -> impl TokenProvider + use<> {
        let backend = self.backend.clone();
        move |request: TokenRequest| {
            let backend = backend.clone();
            async move {
                let request = MintRequest {
                    user_id: request.user_id,
                    room_id: Some(request.room_id),
                    ttl_secs: Some(ttl_secs),
                    ..MintRequest::default()
                };
                match backend.mint(&request).await {
                    Ok(minted) => {
                        logs::note_secret(&minted.token);
                        TokenAnswer::Token(minted.token)
                    }
                    Err(_) => TokenAnswer::Retry,
                }
            }
        }
    }

    /// Enters `room_id` with a full token of an hour.
    pub async fn enter(&self, user_id: &str, room_id: &str) -> Room {
        let token = self.full_token(user_id, room_id, 3600).await;
        let user = LocalUser::new(user_id).expect("a good id");
        self.token_client().login_room_with_token(room_id, user, &token).await.expect("the token is good")
    }
}

/// Waits for the first event that `pick` takes, passing over others.
pub async fn next_event<T>(events: &mut Events, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let wait = async {
        loop {
            let event = events.next().await.expect("the stay goes on");
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    };
    timeout(DEADLINE, wait).await.expect("the event comes")
}
