//! A gateway on a free port with a clock that stands still, and a client to talk to it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, serve::ListenerExt};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{FutureExt, SinkExt, StreamExt};
use rand::rngs::SysRng;
use roompass_wire::gateway::SUBPROTOCOL;
use serde_json::{Value, json};
use token_gen::{
    AppId, AppSign, LoginProof, Minter, Payload, Privilege, Rights, RoomId, ServerSecret, TokenRequest, UnixSeconds,
    UserId,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    apps::{App, AppSettings, ClosedApp, Directory, RingSecret, uses::SecretUses},
    audit::Audit,
    bans::Bans,
    bus::{LocalBus, NodeId},
    clock::{Clock, ManualClock},
    gateway::{Gateway, GatewayConfig, log_event},
    limits::{ClientAddress, Pressure},
    media::{IceServers, MediaPlane, MediaSettings},
    nodes::Nodes,
    revocations::Revocations,
    sealing::{MasterKey, Sealer},
    single_use::SingleUse,
    store::{Location, SqliteStore, Store},
    tokens::Tokens,
};

pub(super) const APP_ID: u32 = 1_234_567_890;
pub(super) const START: i64 = 1_800_000_000;
pub(super) const ORIGIN: &str = "https://rtc.example.com";
const SECRET: &str = "fa94dd0f974cf2e293728a526b028271";
const APP_SIGN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// Long enough for a busy machine, short enough to notice a message that never comes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway.
pub(super) struct TestGateway {
    pub(super) address: SocketAddr,
    pub(super) gateway: Arc<Gateway>,
    pub(super) pressure: Pressure,
    clock: Arc<ManualClock>,
    directory: Arc<Directory>,
    /// How its secrets and AppSigns are used; the present AppSign is `app_sign:0` to begin with, and then `app_sign:1`.
    pub(super) uses: Arc<SecretUses>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) bans: Arc<Bans>,
    pub(super) store: Arc<SqliteStore>,
    pub(super) audit: Arc<Audit>,
}

pub(super) fn settings() -> AppSettings {
    AppSettings::new(AppId::new(APP_ID).unwrap(), "demo")
}

impl TestGateway {
    pub(super) async fn start(settings: AppSettings) -> Self {
        Self::start_with(settings, GatewayConfig::default()).await
    }

    pub(super) async fn start_with(settings: AppSettings, config: GatewayConfig) -> Self {
        Self::start_on(settings, config, MediaPlane::default()).await
    }

    /// One that forwards media, over loopback.
    pub(super) async fn start_with_media(settings: AppSettings) -> Self {
        Self::start_with_ice(settings, IceServers::default()).await
    }

    /// The same, with a gateway like this.
    pub(super) async fn start_with_media_and(settings: AppSettings, config: GatewayConfig) -> Self {
        Self::start_on(settings, config, loopback(IceServers::default()).await).await
    }

    /// One that forwards media, over loopback, and tells of these STUN and TURN servers.
    pub(super) async fn start_with_ice(settings: AppSettings, ice: IceServers) -> Self {
        Self::start_on(settings, GatewayConfig::default(), loopback(ice).await).await
    }

    async fn start_on(settings: AppSettings, config: GatewayConfig, media: MediaPlane) -> Self {
        crate::trace::keep(crate::telemetry::filter("trace").unwrap());
        [SECRET, APP_SIGN].into_iter().for_each(crate::kept::note_secret);
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(START)));
        let directory = Arc::new(Directory::default());
        let config = GatewayConfig { server_origins: vec!["https://other.example".into(), ORIGIN.into()], ..config };
        let (revocations, bans) = (Arc::new(Revocations::default()), Arc::new(Bans::default()));
        let store = Arc::new(SqliteStore::open(&Location::Memory).unwrap());
        store.migrate().await.unwrap();
        let tokens = Tokens::new(directory.clone(), revocations.clone(), bans.clone(), Arc::default(), clock.now());
        let audit = Audit::start(store.clone(), clock.clone());
        let (tokens, trail) = (Arc::new(tokens), Arc::clone(&audit));
        let sealer = Sealer::new(&MasterKey::generate(&mut SysRng).unwrap());
        let alone = LocalBus::alone(NodeId::new([0; 8]));
        let nodes = Nodes::new(Arc::new(alone), sealer, clock.clone(), Arc::new(log_event));
        let gateway = Gateway::new(
            Arc::clone(&directory),
            tokens,
            SingleUse::new(store.clone()),
            Arc::new(nodes),
            clock.clone(),
            trail,
            config,
        );
        let pressure = Pressure::default();
        let gateway = Arc::new(gateway.with_media(media).under(pressure.clone()));
        tokio::spawn(Arc::clone(&gateway).follow());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let client = ClientAddress(Ipv4Addr::LOCALHOST.into());
        let router = Arc::clone(&gateway).router().layer(Extension(client));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let uses = Arc::default();
        let test = Self { address, gateway, pressure, clock, directory, uses, revocations, bans, store, audit };
        test.configure(settings);
        test
    }

    /// Puts the app in place, or changes it.
    pub(super) fn configure(&self, settings: AppSettings) {
        let secret = ServerSecret::new(SECRET).unwrap();
        let active = RingSecret { secret_id: "one".into(), secret, valid_until: None, mints_from: 0.into() };
        self.put(settings, active, Vec::new());
    }

    /// Makes `secret` the active one, and keeps the one before as a previous one that is valid for an hour, or retires
    /// it.
    pub(super) fn rotate(&self, secret: &str, keeps_previous: bool) {
        let entry = |secret_id: &str, secret, valid_until| RingSecret {
            secret_id: secret_id.to_owned(),
            secret: ServerSecret::new(secret).unwrap(),
            valid_until,
            mints_from: 0.into(),
        };
        let previous = entry("one", SECRET, Some(self.now().saturating_add(Duration::from_secs(3600))));
        let previous = if keeps_previous { vec![previous] } else { Vec::new() };
        self.put(settings(), entry("two", secret, None), previous);
    }

    /// Makes `app_sign` the present one; the one before goes on proving logins for an hour.
    pub(super) fn reset_app_sign(&self, settings: AppSettings, app_sign: &str) {
        let [present, previous] = [app_sign, APP_SIGN].map(|app_sign| AppSign::new(app_sign).unwrap());
        let until = self.now().saturating_add(Duration::from_secs(3600));
        let secret = ServerSecret::new(SECRET).unwrap();
        let active = RingSecret { secret_id: "one".into(), secret, valid_until: None, mints_from: 0.into() };
        let ids = ["app_sign:1", "app_sign:0"].map(str::to_owned);
        self.put_app(&settings.clone(), ids.into(), move || {
            let app = App::new(settings.clone(), present.clone(), &active, &[]);
            app.with_previous_app_sign(previous.clone(), until)
        });
    }

    fn put(&self, settings: AppSettings, active: RingSecret, previous: Vec<RingSecret>) {
        let app_sign = AppSign::new(APP_SIGN).unwrap();
        self.put_app(&settings.clone(), vec!["app_sign:0".to_owned()], move || {
            App::new(settings.clone(), app_sign.clone(), &active, &previous)
        });
    }

    fn put_app(
        &self,
        settings: &AppSettings,
        app_sign_ids: Vec<String>,
        make: impl Fn() -> App + Send + Sync + 'static,
    ) {
        let origins = if settings.enabled { settings.allowed_origins.clone() } else { Vec::new() };
        let uses = Arc::clone(&self.uses);
        let prepare = move || Some(make().with_uses(&uses, &app_sign_ids, |_| None));
        self.directory.put(AppId::new(APP_ID).unwrap(), ClosedApp { origins, prepare: Box::new(prepare) });
    }

    /// A token for everything in r1, sealed with `secret`.
    pub(super) fn token_of(&self, secret: &str, user_id: &str) -> String {
        let rights = Rights::builder(&RoomId::new("r1").unwrap()).allow_all(Privilege::ALL.into_iter().collect());
        let payload = Payload::Rights(rights.build());
        let request = TokenRequest { user_id: UserId::new(user_id).unwrap(), ttl: Duration::from_secs(600), payload };
        let minter = Minter::new(AppId::new(APP_ID).unwrap(), &ServerSecret::new(secret).unwrap());
        minter.mint(&request, self.now(), &mut SysRng).unwrap().token
    }

    pub(super) fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    pub(super) fn now(&self) -> UnixSeconds {
        self.clock.now()
    }

    /// A token for everything in r1, good for `ttl_secs` from now.
    pub(super) fn token(&self, user_id: &str, ttl_secs: u64) -> String {
        self.token_with(user_id, "r1", &Privilege::ALL, ttl_secs)
    }

    /// A token that proves who its user is and no more.
    pub(super) fn identity_token(&self, user_id: &str, ttl_secs: u64) -> String {
        self.mint(user_id, Payload::Identity, ttl_secs)
    }

    pub(super) fn token_with(&self, user_id: &str, room_id: &str, privileges: &[Privilege], ttl_secs: u64) -> String {
        let rights = Rights::builder(&RoomId::new(room_id).unwrap());
        let rights = rights.allow_all(privileges.iter().copied().collect()).build();
        self.mint(user_id, Payload::Rights(rights), ttl_secs)
    }

    pub(super) fn mint(&self, user_id: &str, payload: Payload, ttl_secs: u64) -> String {
        let request =
            TokenRequest { user_id: UserId::new(user_id).unwrap(), ttl: Duration::from_secs(ttl_secs), payload };
        let minter = Minter::new(AppId::new(APP_ID).unwrap(), &ServerSecret::new(SECRET).unwrap());
        minter.mint(&request, self.now(), &mut SysRng).unwrap().token
    }

    /// A client that has been greeted.
    pub(super) async fn connect(&self) -> TestClient {
        self.connect_with(&[]).await.unwrap()
    }

    /// A client that has been greeted, or the status it was refused with.
    pub(super) async fn connect_with(&self, headers: &[(&'static str, &'static str)]) -> Result<TestClient, u16> {
        let mut request = format!("ws://{}/v1/gateway", self.address).into_client_request().unwrap();
        for &(name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let ws = match client_async(request, stream).await {
            Ok((ws, _)) => ws,
            Err(tungstenite::Error::Http(response)) => return Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        };
        let mut client = TestClient { ws, hello: Value::Null, challenge: Value::Null, next_id: 0 };
        client.hello = client.hear().await;
        client.challenge = client.hello["challenge"].clone();
        Ok(client)
    }

    /// A client in r1 with a token of `ttl_secs`.
    pub(super) async fn enter(&self, user_id: &str, ttl_secs: u64) -> TestClient {
        let mut client = self.connect().await;
        let token = self.token(user_id, ttl_secs);
        let answer = client.login(user_id, "r1", json!({ "token": token })).await;
        assert_eq!(answer["type"], "logged_in", "{answer}");
        client
    }
}

async fn loopback(ice: IceServers) -> MediaPlane {
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let media = MediaSettings { listen, allow_loopback: true, workers: 1, ice, ..MediaSettings::default() };
    MediaPlane::start(&media).await.unwrap()
}

/// One client connection.
pub(super) struct TestClient {
    ws: WebSocketStream<TcpStream>,
    pub(super) hello: Value,
    challenge: Value,
    next_id: u64,
}

impl TestClient {
    /// The next message.
    pub(super) async fn hear(&mut self) -> Value {
        loop {
            match self.frame().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("instead of a message: {other:?}"),
            }
        }
    }

    /// Waits until so many bytes have come, and reads none of them.
    pub(super) async fn leaves_unread(&mut self, bytes: usize) {
        let mut seen = vec![0; bytes];
        let comes = async {
            while self.ws.get_ref().peek(&mut seen).await.unwrap() < bytes {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, comes).await.expect("nothing came");
    }

    /// Reads to the end of the connection. Whether it ended in the middle of a message of `bytes`, without a goodbye.
    pub(super) async fn breaks_off(mut self, bytes: usize) -> bool {
        let read = async {
            while let Some(Ok(frame)) = self.ws.next().await {
                if frame.is_close() || frame.len() >= bytes {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(PATIENCE, read).await.expect("it never ends")
    }

    pub(super) async fn frame(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.ws.next()).await.expect("nothing came").expect("closed").unwrap()
    }

    /// The close frame that comes next: code and reason.
    pub(super) async fn hear_close(&mut self) -> (u16, String) {
        let Message::Close(Some(frame)) = self.frame().await else { panic!("expected a close frame") };
        assert!(tokio::time::timeout(PATIENCE, self.ws.next()).await.is_ok_and(|next| next.is_none()));
        (frame.code.into(), frame.reason.to_string())
    }

    pub(super) async fn say(&mut self, message: Value) {
        self.ws.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(super) async fn close(mut self) {
        self.ws.close(None).await.unwrap();
        while self.ws.next().await.is_some_and(|frame| frame.is_ok()) {}
    }

    /// Sends a request and hears the next message.
    pub(super) async fn ask(&mut self, kind: &str, members: Value) -> Value {
        self.next_id += 1;
        let mut message = json!({ "type": kind, "id": self.next_id });
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.say(message).await;
        let answer = self.hear().await;
        if let Some(challenge) = answer.get("challenge") {
            self.challenge.clone_from(challenge);
        }
        answer
    }

    /// What has come already, if anything has.
    pub(super) async fn heard_already(&mut self) -> Option<Value> {
        let frame = self.ws.next().now_or_never()?.expect("closed").unwrap();
        frame.into_text().ok().and_then(|text| serde_json::from_str(&text).ok())
    }

    pub(super) async fn login(&mut self, user_id: &str, room_id: &str, credentials: Value) -> Value {
        let mut members = json!({ "app_id": APP_ID, "user_id": user_id, "room_id": room_id });
        members.as_object_mut().unwrap().extend(credentials.as_object().unwrap().clone());
        self.ask("login", members).await
    }

    pub(super) async fn publish(&mut self, stream_id: &str) -> Value {
        self.ask("publish", json!({ "stream_id": stream_id })).await
    }

    pub(super) async fn renew(&mut self, token: &str) -> Value {
        self.ask("renew_token", json!({ "token": token })).await
    }

    /// The AppSign proof for the next login on this connection.
    pub(super) fn proof(&self, user_id: &str, room_id: &str) -> Value {
        self.proof_by(APP_SIGN, user_id, room_id)
    }

    /// The proof of this AppSign for the next login on this connection.
    pub(super) fn proof_by(&self, app_sign: &str, user_id: &str, room_id: &str) -> Value {
        let timestamp = self.hello["server_time"].as_i64().unwrap();
        let challenge = STANDARD.decode(self.challenge.as_str().unwrap()).unwrap();
        let proof = LoginProof {
            server_origin: ORIGIN,
            app_id: AppId::new(APP_ID).unwrap(),
            user_id,
            room_id,
            challenge: challenge.as_slice().try_into().unwrap(),
            timestamp: timestamp.into(),
        };
        let proof = proof.compute(&AppSign::new(app_sign).unwrap());
        json!({ "timestamp": timestamp, "proof": STANDARD.encode(proof) })
    }
}

/// The parts of a message that a test compares: `members` of it, in order.
pub(super) fn part(message: &Value, members: &[&str]) -> Value {
    members.iter().map(|&member| message[member].clone()).collect()
}
