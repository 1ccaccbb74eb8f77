//! The composition root: opens the store, checks the master key, and builds every part once. `running` serves the whole,
//! `chores` are what it does of its own accord.

mod chores;
mod running;

use std::{io, sync::Arc};

use roompass_wire::http::Node;
use token_gen::UnixSeconds;

use crate::{
    admin::Admin,
    admins::{Admins, SetupCode},
    apps::Directory,
    audit::{Audit, Origin, Recorder},
    bans::Bans,
    clock::Clock,
    config::{AuditSettings, Callers, Config, ConfigError},
    error::{Error, with_causes},
    feed::Feed,
    gateway::{self, Gateway},
    issued::IssuedTokens,
    keys::Keyring,
    lifecycle::Lifecycle,
    limits::Limits,
    media::MediaPlane,
    metrics::Metrics,
    nodes::Nodes,
    reload::Reloader,
    requests::Requests,
    revocations::Revocations,
    rooms::RoomEvent,
    sealing::Sealer,
    single_use::SingleUse,
    store::{Store, StoreError},
    tokens::Tokens,
    webhooks::Webhooks,
};

#[cfg(test)]
pub(crate) use chores::meet;
pub use running::{Credentials, Running, start};

/// How far the clock may have gone back since the store last noted the time.
const CLOCK_TOLERANCE_SECS: i64 = 60;

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
        let tokens = Arc::new(tokens.among_others(store.spread()).counting_in(metrics.clone()));
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

/// The origins under which clients may address a server whose origin is `origin`: on this machine, `localhost` too.
fn origins(origin: &str) -> Vec<String> {
    let localhost = origin.replace("//127.0.0.1:", "//localhost:");
    let differs = localhost != origin;
    std::iter::once(origin.to_owned()).chain(differs.then_some(localhost)).collect()
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
