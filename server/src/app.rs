//! The composition root: opens the store, checks the master key, builds every part once, and runs the whole.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use roompass_wire::{gateway::GATEWAY_PATH, http::Node};
use token_gen::UnixSeconds;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    admin::{Admin, AppCredentials, KeyKind, NewKey},
    admins::{Admins, SetupCode},
    apps::{AppSettings, Directory},
    audit::{Audit, Origin, Recorder},
    bans::Bans,
    clock::Clock,
    config::{AuditSettings, Callers, Config, ConfigError},
    error::{Error, with_causes},
    feed::Feed,
    follower::Follower,
    gateway::{self, Gateway},
    http::{
        self,
        observe::{self, METRICS_PATH},
        server::ConnectionLimits,
    },
    issued::IssuedTokens,
    keys::{KeyText, Keyring, Scope},
    lifecycle::Lifecycle,
    limits::{Limits, Places},
    media::MediaPlane,
    metrics::Metrics,
    nodes::Nodes,
    operator::{self, Question},
    reload::Reloader,
    requests::Requests,
    revocations::Revocations,
    rooms::RoomEvent,
    sealing::Sealer,
    single_use::SingleUse,
    store::{Location, Store, StoreError, StoreUrl},
    tls::Tls,
    tokens::Tokens,
    webhooks::{Deliverer, Webhooks},
};

/// How often the last use of keys is written down. What is lost in a crash is when a key was last used, no more.
const LAST_USED_EVERY: Duration = Duration::from_secs(60);
/// How long to wait when the store did not reserve mints.
const RESERVE_AGAIN: Duration = Duration::from_secs(1);
/// How often the time is noted, and what has ended is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// How far the clock may have gone back since the store last noted the time.
const CLOCK_TOLERANCE_SECS: i64 = 60;
/// How long the last answers to whoever watches may take.
const WATCHER_LIMIT: Duration = Duration::from_secs(1);
/// Keeps the store free for others in between.
const FORGET_AT_ONCE: u32 = 10_000;
/// The same for audit records, which are longer.
const FORGET_AUDIT_AT_ONCE: u32 = 1_000;

/// What request handlers can reach.
pub struct Service {
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Every app.
    pub directory: Arc<Directory>,
    /// Every backend key.
    pub keyring: Arc<Keyring>,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// The operators' side.
    pub admin: Admin,
    /// People who sign in to the console.
    pub admins: Admins,
    /// What happened.
    pub audit: Arc<Audit>,
    /// How long that is kept.
    pub audit_retention: AuditSettings,
    /// How much may be asked.
    pub limits: Limits,
    /// What operators see in numbers.
    pub metrics: Arc<Metrics>,
    /// The rooms of this node and the connections to them.
    pub gateway: Arc<Gateway>,
    /// What forwards media.
    pub media: MediaPlane,
    /// What happens in the rooms of this node just now.
    pub feed: Arc<Feed>,
    /// This node among the others.
    pub nodes: Arc<Nodes>,
    /// Minting, and judging what is shown.
    pub tokens: Arc<Tokens>,
    /// Every live revocation.
    pub revocations: Arc<Revocations>,
    /// Every ban.
    pub bans: Arc<Bans>,
    /// Revoking and banning.
    pub lifecycle: Lifecycle,
    /// Telling the apps' backends what happens.
    pub webhooks: Arc<Webhooks>,
    /// Requests that name themselves, and their answers.
    pub requests: Requests,
    /// When the service was opened.
    pub started_at: UnixSeconds,
    /// The latest change in the store that was surely loaded.
    pub loaded_at: i64,
    /// What may change while the server runs.
    pub reloader: Reloader,
    /// The origin that clients address.
    pub origin: String,
    /// Whether this is a development server.
    pub dev: bool,
}

impl Service {
    /// Opens the store and builds everything on it. With a wrong master key or a store that cannot be used, nothing
    /// has been written.
    ///
    /// # Errors
    /// [`StartError`] naming what is at fault.
    pub async fn open(config: &Config, origin: String, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let store: Arc<dyn Store> = config.store.open().await.map_err(store_field)?;
        let metrics = Arc::new(Metrics::new(config.metrics.apps, store.timings()));
        let (directory, keyring) = (Arc::new(Directory::default()), Arc::new(Keyring::default()));
        let sealer = Sealer::new(&config.master_key);
        let webhooks = Webhooks::new(store.clone(), sealer.clone(), clock.clone(), config.webhooks.clone());
        let webhooks = Arc::new(webhooks);
        let audit = Audit::start(store.clone(), clock.clone());
        let recorder = Recorder::new(audit.clone());
        let admin = Admin::new(
            store.clone(),
            sealer.clone(),
            clock.clone(),
            directory.clone(),
            keyring.clone(),
            webhooks.clone(),
            recorder.clone(),
        );
        let admins = Admins::new(store.clone(), sealer.clone(), clock.clone(), recorder.clone());

        match admin.is_sealed_with_our_key().await? {
            Some(false) => {
                let reason = "is not the key that the data in the store was sealed with";
                return Err(ConfigError::new("master_key", reason).into());
            }
            Some(true) => store.migrate().await.map_err(store_field)?,
            None => {
                store.migrate().await.map_err(store_field)?;
                admin.note_master_key().await?;
            }
        }
        // Before loading, so that what changes meanwhile is taken in afterwards.
        let loaded_at = store.latest_change().await.map_err(Error::from)?;
        admin.load().await?;
        if config.callers == Callers::Required && keyring.is_empty() && !admins.exist().await? {
            let reason = "holds no backend key and no admin, so nobody could call: `roompass key create` makes a key, \
                          `roompass serve --setup` starts and prints how to become the first admin";
            return Err(ConfigError::new("store.url", reason).into());
        }
        let (revocations, bans) = (Arc::new(Revocations::default()), Arc::new(Bans::default()));
        let issued = Arc::new(IssuedTokens::default());
        let lifecycle = Lifecycle::new(
            store.clone(),
            revocations.clone(),
            bans.clone(),
            issued.clone(),
            webhooks.clone(),
            recorder,
        )
        .counting_in(metrics.clone());
        lifecycle.load().await?;
        webhooks.load().await?;
        let clock_floor = clock_floor(&*store, &*clock, config.accept_clock).await?;
        let tokens = Tokens::new(directory.clone(), revocations.clone(), bans.clone(), issued, clock_floor);
        let tokens = Arc::new(tokens.counting_in(metrics.clone()));
        let bus = config.bus.join().map_err(|reason| ConfigError::new("bus.ca_file", reason))?;
        let started_at = clock.now();
        let feed = Arc::new(Feed::new(started_at));
        let (told, fed, time) = (webhooks.clone(), feed.clone(), clock.clone());
        let sink = move |app_id, event: &RoomEvent| {
            gateway::log_event(app_id, event);
            told.announce_in_room(app_id, event);
            fed.note_in_room(app_id, event, time.now());
        };
        let nodes = Arc::new(Nodes::new(bus, sealer.clone(), clock.clone(), Arc::new(sink)));
        let mut gateway_config = config.gateway.clone();
        gateway_config.server_origins.extend(origins(&origin));
        let media = MediaPlane::start(&config.media).await?;
        let media = media.joining(nodes.bus(), sealer.clone(), clock.clone());
        let single_use = SingleUse::new(store.clone());
        let limits = Limits::new(&config.limits, metrics.clone());
        let gateway = Gateway::new(
            directory.clone(),
            tokens.clone(),
            single_use,
            nodes.clone(),
            clock.clone(),
            audit.clone(),
            gateway_config,
        );
        Ok(Self {
            gateway: Arc::new(
                gateway
                    .with_media(media.clone())
                    .counting_in(metrics.clone())
                    .announcing(webhooks.clone())
                    .feeding(feed.clone())
                    .under(limits.pressure().clone()),
            ),
            feed,
            nodes,
            requests: Requests::new(store.clone(), sealer),
            clock,
            media,
            directory,
            keyring,
            store,
            admin,
            admins,
            audit,
            audit_retention: config.audit.clone(),
            limits,
            metrics,
            tokens,
            revocations,
            bans,
            lifecycle,
            reloader: Reloader::new(config),
            webhooks,
            started_at,
            loaded_at,
            origin,
            dev: config.dev,
        })
    }
}

impl Service {
    /// What somebody opens to become an admin. The code stands where browsers do not send it.
    pub fn setup_link(&self, code: &SetupCode) -> String {
        format!("{}/console/setup#{}", self.origin, code.expose())
    }

    /// What this node says of itself.
    pub fn card(&self, now: UnixSeconds) -> Node {
        let gateway = self.gateway.occupancy();
        Node {
            node_id: self.nodes.bus().node().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at.get(),
            seen_at: now.get(),
            connections: self.limits.connections().taken() as u64,
            sessions: gateway.sessions as u64,
            rooms: gateway.rooms as u64,
            streams: gateway.streams as u64,
        }
    }

    /// Remembers how it is, and tells the other nodes.
    async fn take_stock(&self, now: UnixSeconds) {
        self.metrics.sample(self.gateway.occupancy(), now);
        // Names and numbers: serde_json has no way to fail here. Without the bus, nobody is there to be told.
        let card = serde_json::to_string(&self.card(now)).unwrap_or_default();
        let _ = self.nodes.bus().show_card(&card).await;
    }

    /// The same, and what is changed through it is changed in the name of `origin`.
    #[must_use]
    pub fn by(self, origin: Origin) -> Self {
        Self {
            admin: self.admin.by(origin.clone()),
            admins: self.admins.by(origin.clone()),
            lifecycle: self.lifecycle.by(origin),
            ..self
        }
    }

    /// Forgets what has ended: it is of no use to anybody any more.
    async fn forget_what_has_ended(&self) -> Result<(), Error> {
        let now = self.clock.now();
        while self.store.forget_nonces(now, FORGET_AT_ONCE).await? == FORGET_AT_ONCE as usize {}
        self.forget_audit().await?;
        while self.store.forget_used_tokens(now, FORGET_AT_ONCE).await? == FORGET_AT_ONCE as usize {}
        self.gateway.sweep(now);
        self.admins.forget_what_has_ended().await
    }

    /// Forgets audit records that are no longer to be kept. Says how many.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn forget_audit(&self) -> Result<usize, Error> {
        let (what, mut forgotten) = (self.audit_retention.at(self.clock.now()), 0);
        loop {
            let batch = self.store.forget_audit(what, FORGET_AUDIT_AT_ONCE).await?;
            forgotten += batch;
            if batch < FORGET_AUDIT_AT_ONCE as usize {
                return Ok(forgotten);
            }
        }
    }
}

/// Below this the clock cannot be right, because this store has seen later times: what has expired might seem to live.
async fn clock_floor(store: &dyn Store, clock: &dyn Clock, accept_clock: bool) -> Result<UnixSeconds, Error> {
    let now = clock.now();
    if accept_clock {
        store.reset_time(now).await?;
    }
    let latest = store.latest_time().await?.unwrap_or(now);
    let floor = UnixSeconds::new(latest.get().saturating_sub(CLOCK_TOLERANCE_SECS));
    if now < floor {
        tracing::error!(
            "the clock is {} s behind the time this store has seen: no token is minted or taken until it is set right, \
             or the server is started with --accept-clock",
            latest.get().saturating_sub(now.get())
        );
    }
    Ok(floor)
}

/// Why the service does not start. Prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A field of the configuration is at fault.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The service failed while starting.
    #[error("{}", with_causes(.0))]
    Service(#[from] Error),
    /// The system failed us.
    #[error("{0}")]
    Io(#[from] io::Error),
}

fn store_field(error: StoreError) -> StartError {
    ConfigError::new("store.url", with_causes(&error)).into()
}

/// Binds, opens, and serves until told to stop.
///
/// # Errors
/// [`StartError`]; nothing has been written when the configuration is at fault.
pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
    let listener = TcpListener::bind(config.listen).await.map_err(|error| cannot_listen(config.listen, &error))?;
    let address = listener.local_addr()?;
    let tls = config.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let origin = config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
    let watching = match config.metrics.listen {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .map_err(|error| ConfigError::new("metrics.listen", format!("{address}: {error}")))?,
        ),
        None => None,
    };
    let service = Arc::new(Service::open(&config, origin, clock).await?);
    let deliverer = Deliverer::new(Arc::clone(&service.webhooks), Arc::clone(&service.directory));
    let (stop, stopped) = watch::channel(false);
    let router = http::router(Arc::clone(&service));
    let limits = ConnectionLimits::new(service.limits.connections().clone(), service.metrics.clone());
    let node = service.nodes.bus().node();
    tracing::info!(%address, origin = service.origin, dev = service.dev, %node, "roompass serves on {address}");
    service.limits.warn_if_short(config.limits.connections);
    let watched = watching.map(|listener| watch_over(listener, &service)).transpose()?;
    if let Some(tls) = &tls {
        service.reloader.include(Arc::clone(tls));
        tokio::spawn(Arc::clone(tls).follow(Arc::clone(&service.clock), stopped.clone()));
    }
    Ok(Running {
        server: tokio::spawn(serve(listener, tls.clone(), router, Arc::clone(&service), stopped.clone(), limits)),
        chores: tokio::spawn(write_down_last_use(Arc::clone(&service), stopped.clone())),
        following: tokio::spawn(Arc::clone(&service.gateway).follow()),
        meeting: tokio::spawn(meet(Arc::clone(&service))),
        watching: tokio::spawn(service.limits.pressure().clone().watch()),
        tidying: tokio::spawn(tidy(Arc::clone(&service), stopped.clone())),
        reserving: tokio::spawn(reserve_mints(Arc::clone(&service), stopped.clone())),
        delivering: tokio::spawn(deliverer.run(stopped.clone())),
        // A store in memory is ours alone.
        catching_up: match config.store {
            StoreUrl::Sqlite(Location::Memory) => None,
            _ => Some(tokio::spawn(Follower::new(Arc::clone(&service)).run(stopped))),
        },
        service,
        tls,
        address,
        watched,
        stop,
    })
}

/// The listener for whoever watches the service.
struct Watched {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Watched {
    async fn end(self) {
        // Without receivers it has ended already.
        let _ = self.stop.send(true);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the metrics task failed");
        }
    }
}

fn watch_over(listener: TcpListener, service: &Arc<Service>) -> io::Result<Watched> {
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let limits = ConnectionLimits::new(Places::new(observe::MAX_CONNECTIONS), service.metrics.clone());
    let router = observe::router(Arc::clone(service));
    tracing::info!(%address, "metrics are at http://{address}{METRICS_PATH}");
    let server = tokio::spawn(async move {
        let connections = http::server::serve(listener, None, router, stopped, limits).await;
        // Who watches may keep its connection open for ever.
        drop(timeout(WATCHER_LIMIT, connections.shutdown()).await);
    });
    Ok(Watched { address, stop, server })
}

/// The origins under which clients may address a server whose origin is `origin`: on this machine, `localhost` too.
fn origins(origin: &str) -> Vec<String> {
    let localhost = origin.replace("//127.0.0.1:", "//localhost:");
    let differs = localhost != origin;
    std::iter::once(origin.to_owned()).chain(differs.then_some(localhost)).collect()
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> ConfigError {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is taken: stop what listens there, or choose another with --listen {}:0", address.ip())
        }
        _ => format!("{address}: {error}"),
    };
    ConfigError::new("server.listen", reason)
}

/// Serves until told to stop, then lets what is under way finish for at most `drain`.
async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    service: Arc<Service>,
    stopped: watch::Receiver<bool>,
    limits: ConnectionLimits,
) {
    let connections = http::server::serve(listener, tls, router, stopped, limits).await;
    // Once upgraded, the gateway's sockets are no longer the HTTP server's to wait for.
    service.feed.close();
    let drain = service.reloader.drain();
    if timeout(drain, async { tokio::join!(connections.shutdown(), service.gateway.drain()) }).await.is_err() {
        tracing::warn!("connections were still open after {} s", drain.as_secs());
    }
}

/// Brings this node's rooms and the others' together, and answers the others, to the end.
pub(crate) async fn meet(service: Arc<Service>) {
    let answer = |app_id, question: Question| {
        let service = Arc::clone(&service);
        async move { operator::answer(&service, app_id, &question).await }
    };
    let (nodes, media) = (&service.nodes, &service.media);
    tokio::join!(nodes.listen(), nodes.speak(), Arc::clone(nodes).answer(answer), media.meet());
}

async fn write_down_last_use(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(LAST_USED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopping = tokio::select! {
            _ = ticks.tick() => false,
            _ = stopped.changed() => true,
        };
        if let Err(error) = service.admin.note_last_used().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot write down when keys were last used");
        }
        if stopping {
            return;
        }
    }
}

/// Keeps mints reserved for the secrets that seal.
async fn reserve_mints(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = service.admin.mints_wanted() => {}
            _ = stopped.wait_for(|&stopped| stopped) => return,
        }
        if let Err(error) = service.admin.reserve_mints().await {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot reserve mints");
            let again = service.clock.now().saturating_add(RESERVE_AGAIN);
            tokio::select! {
                () = service.clock.sleep_until(again) => {}
                _ = stopped.wait_for(|&stopped| stopped) => return,
            }
        }
    }
}

/// Notes the time and forgets what has ended, by the service's own clock.
async fn tidy(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    loop {
        let now = service.clock.now();
        service.take_stock(now).await;
        service.directory.close_unused();
        let noted = if service.tokens.trusts(now) { service.store.note_time(now).await } else { Ok(()) };
        let forgotten = Follower::forget(&service).await;
        let swept = service.lifecycle.sweep(now).await.and(service.forget_what_has_ended().await).and(forgotten);
        if let Err(error) = noted.map_err(Error::from).and(swept) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot tidy the store");
        }
        tokio::select! {
            () = service.clock.sleep_until(now.saturating_add(TIDY_EVERY)) => {}
            _ = stopped.wait_for(|&stopped| stopped) => return,
        }
    }
}

/// A running server.
pub struct Running {
    service: Arc<Service>,
    tls: Option<Arc<Tls>>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    chores: JoinHandle<()>,
    following: JoinHandle<()>,
    meeting: JoinHandle<()>,
    watching: JoinHandle<()>,
    tidying: JoinHandle<()>,
    reserving: JoinHandle<()>,
    delivering: JoinHandle<()>,
    catching_up: Option<JoinHandle<()>>,
    watched: Option<Watched>,
}

/// An app made for trying things out: all it takes to play every part.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The app and its secrets.
    pub app: AppCredentials,
    /// A backend key with every right.
    pub backend_key: KeyText,
}

impl Running {
    /// Where the API is, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        let secure = if self.tls.is_some() { "s" } else { "" };
        format!("http{secure}://{}", self.address)
    }

    /// Where the room gateway is, such as `ws://127.0.0.1:8080/v1/gateway`.
    pub fn gateway_url(&self) -> String {
        let secure = if self.tls.is_some() { "s" } else { "" };
        format!("ws{secure}://{}{GATEWAY_PATH}", self.address)
    }

    /// Where the numbers are, such as `http://127.0.0.1:9464/metrics`, if anywhere.
    pub fn metrics_url(&self) -> Option<String> {
        self.watched.as_ref().map(|watched| format!("http://{}{METRICS_PATH}", watched.address))
    }

    /// The parts, for whoever embeds the server.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Makes an app with these settings, and a backend key for it with every right.
    ///
    /// # Errors
    /// As [`Admin::create_app`] and [`Admin::create_key`].
    pub async fn create_app(&self, settings: AppSettings) -> Result<Credentials, Error> {
        let app = self.service.admin.create_app(settings).await?;
        let key = NewKey {
            app_id: Some(app.app_id),
            name: "everything".to_owned(),
            scope: Scope::everything(),
            expire_at: None,
            kind: KeyKind::Bearer,
        };
        Ok(Credentials { app, backend_key: self.service.admin.create_key(key).await? })
    }

    /// Stops taking connections, lets those under way finish for as long as the configuration says, and ends.
    pub async fn shutdown(self) {
        // Without receivers everything has ended already.
        let _ = self.stop.send(true);
        let catching_up = self.catching_up.map(|task| ("catching up", task));
        let tasks = [
            ("server", self.server),
            ("chores", self.chores),
            ("following", self.following),
            ("tidying", self.tidying),
            ("reserving", self.reserving),
            ("delivering", self.delivering),
        ];
        for (name, task) in tasks.into_iter().chain(catching_up) {
            if let Err(error) = task.await {
                tracing::error!(%error, "the {name} task failed");
            }
        }
        self.service.media.shutdown().await;
        // Only now, so that the others hear of every stay that has ended.
        self.meeting.abort();
        self.watching.abort();
        self.service.nodes.bus().close().await;
        self.service.audit.close().await;
        // Last, so that the end can be watched.
        if let Some(watched) = self.watched {
            watched.end().await;
        }
        tracing::info!("roompass has stopped");
    }
}
