//! A running server: its listeners and tasks, from start to stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use roompass_wire::gateway::GATEWAY_PATH;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use super::{Service, StartError, chores};
use crate::{
    admin::{AppCredentials, KeyKind, NewKey},
    apps::AppSettings,
    clock::Clock,
    config::{Config, ConfigError},
    error::Error,
    follower::Follower,
    http::{
        self,
        observe::{self, METRICS_PATH},
        server::ConnectionLimits,
    },
    keys::{KeyText, Scope},
    limits::Places,
    store::{Location, StoreUrl},
    tls::Tls,
    webhooks::Deliverer,
};

/// How long the last answers to whoever watches may take.
const WATCHER_LIMIT: Duration = Duration::from_secs(1);

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
        chores: tokio::spawn(chores::write_down_last_use(Arc::clone(&service), stopped.clone())),
        following: tokio::spawn(Arc::clone(&service.gateway).follow()),
        meeting: tokio::spawn(chores::meet(Arc::clone(&service))),
        watching: tokio::spawn(service.limits.pressure().clone().watch()),
        tidying: tokio::spawn(chores::tidy(Arc::clone(&service), stopped.clone())),
        reserving: tokio::spawn(chores::reserve_mints(Arc::clone(&service), stopped.clone())),
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
    /// As [`Admin::create_app`](crate::admin::Admin::create_app) and [`Admin::create_key`](crate::admin::Admin::create_key).
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
