//! The WebSocket edge: who may open a socket, and the limits every socket lives under.
//!
//! A login takes four hops: `upgrade.rs` (upgrade) → `socket.rs` (frame → message) → `session.rs` (rules) →
//! [`crate::rooms`] (who is where). `entry.rs` is the way in: names, app, credentials, room.

mod announce;
mod entry;
mod frame;
mod kept;
mod operate;
mod origin;
mod pace;
mod roll;
mod seats;
mod session;
mod socket;
mod stay;
#[cfg(test)]
mod tests;
mod trail;
mod upgrade;
mod waiting;
mod wheel;
mod whip;

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use roompass_wire::gateway::GATEWAY_PATH;
use tokio::sync::{broadcast::error::RecvError, watch};

use crate::{
    apps::Directory,
    audit::Audit,
    clock::Clock,
    feed::Feed,
    limits::Pressure,
    media::MediaPlane,
    metrics::Metrics,
    nodes::Nodes,
    rooms::{Happening, OutboxLimits, RoomEvent},
    single_use::SingleUse,
    tokens::Tokens,
    webhooks::Webhooks,
};
use operate::Condemned;
use origin::Comer;
use roll::{Lists, Roll};
use seats::Seats;
pub use session::{StreamLimits, TextLimits};
use token_gen::{AppId, UnixSeconds};
use upgrade::{refusal, upgrade};
use waiting::WaitingRoom;
use wheel::Wheel;
pub use whip::{Outcome as MediaOutcome, Wish as MediaWish};

/// Every knob of the gateway. The defaults are good for production, but for `server_origins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The origins under which clients reach this server, such as `https://rtc.example.com`. An AppSign proof must
    /// be made for one of them; without any, no AppSign login succeeds. Pages of these origins may open sockets.
    pub server_origins: Vec<String>,
    /// Further origins whose pages may open sockets.
    pub allowed_origins: Vec<String>,
    /// How long a new connection may take to log in. Default 10 s.
    pub login_timeout: Duration,
    /// How long a client may be silent before it is pinged. Default 25 s.
    pub ping_interval: Duration,
    /// How long it may take to answer. Default 10 s.
    pub pong_timeout: Duration,
    /// How long the network may take to accept a message. Default 5 s.
    pub write_timeout: Duration,
    /// The longest message and frame. Default 64 KiB.
    pub max_message_bytes: usize,
    /// How deep a message may nest. Default 16.
    pub max_json_depth: usize,
    /// How many messages a second a client may send, pings included. Default 50.
    pub messages_per_sec: u32,
    /// How many at once after a silence. Default 100.
    pub message_burst: u32,
    /// How many connections may be without a login. Default 1000; a configured server derives it from `limits.connections`.
    pub max_waiting: usize,
    /// How many of them from one source: an IPv4 address or an IPv6 /64. Default 50.
    pub max_waiting_per_source: usize,
    /// How many sessions may be there, with a connection or waiting for one, for another to wait when its connection is
    /// lost: waiting costs its user nothing. Beyond that it ends. Default 100,000.
    pub max_sessions: usize,
    /// The same in one app. Default 50,000.
    pub max_sessions_per_app: usize,
    /// The most sessions. Default 100,000.
    pub max_stays: usize,
    /// The same in one app. A user has one in an app, whatever the app says of duplicate logins. Default 50,000.
    pub max_stays_per_app: usize,
    /// What may wait to be written to one connection.
    pub outbox: OutboxLimits,
    /// The most streams of one session.
    pub streams: StreamLimits,
    /// How long texts may be, and how often they may come.
    pub texts: TextLimits,
    /// How long clients may take to leave when the server stops. Default none: all are put out at once.
    pub drain_spread: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            server_origins: Vec::new(),
            allowed_origins: Vec::new(),
            login_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(5),
            max_message_bytes: 64 * 1024,
            max_json_depth: 16,
            messages_per_sec: 50,
            message_burst: 100,
            max_waiting: 1000,
            max_waiting_per_source: 50,
            max_sessions: 100_000,
            max_sessions_per_app: 50_000,
            max_stays: 100_000,
            max_stays_per_app: 50_000,
            outbox: OutboxLimits::default(),
            streams: StreamLimits::default(),
            texts: TextLimits::default(),
            drain_spread: Duration::ZERO,
        }
    }
}

/// How many are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// Sockets without a login.
    pub waiting: usize,
    /// Stays in rooms.
    pub sessions: usize,
    /// Rooms with somebody in them.
    pub rooms: usize,
    /// Streams being published.
    pub streams: usize,
}

/// Who opened a socket.
#[derive(Debug)]
struct Visitor {
    address: IpAddr,
    comer: Comer,
}

/// The room gateway of this node.
pub struct Gateway {
    directory: Arc<Directory>,
    tokens: Arc<Tokens>,
    single_use: SingleUse,
    clock: Arc<dyn Clock>,
    audit: Arc<Audit>,
    config: GatewayConfig,
    nodes: Arc<Nodes>,
    media: MediaPlane,
    whip: Arc<whip::Resources>,
    roll: Arc<Roll>,
    seats: Arc<Seats>,
    condemned: Condemned,
    wheel: Arc<Wheel>,
    waiting: Arc<WaitingRoom>,
    pressure: Pressure,
    metrics: Arc<Metrics>,
    /// Told of refused logins, if anybody is.
    webhooks: Option<Arc<Webhooks>>,
    /// Told of them too.
    feed: Option<Arc<Feed>>,
    /// Set once, when the gateway closes: by when all have left. Every open socket holds a receiver.
    draining: watch::Sender<Option<UnixSeconds>>,
}

impl Gateway {
    /// A gateway without connections.
    pub fn new(
        directory: Arc<Directory>,
        tokens: Arc<Tokens>,
        single_use: SingleUse,
        nodes: Arc<Nodes>,
        clock: Arc<dyn Clock>,
        audit: Arc<Audit>,
        config: GatewayConfig,
    ) -> Self {
        let waiting = Arc::new(WaitingRoom::new(config.max_waiting, config.max_waiting_per_source));
        Self {
            directory,
            tokens,
            single_use,
            wheel: Wheel::new(Arc::clone(&clock)),
            clock,
            audit,
            config,
            nodes,
            media: MediaPlane::default(),
            whip: Arc::default(),
            roll: Arc::default(),
            seats: Arc::default(),
            condemned: Condemned::default(),
            waiting,
            pressure: Pressure::default(),
            metrics: Arc::default(),
            webhooks: None,
            feed: None,
            draining: watch::Sender::new(None),
        }
    }

    /// The same gateway, whose sessions send and receive media through `media`.
    #[must_use]
    pub fn with_media(self, media: MediaPlane) -> Self {
        Self { media, ..self }
    }

    /// Counts in `metrics`.
    #[must_use]
    pub fn counting_in(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Takes in nobody while `pressure` is too high.
    #[must_use]
    pub fn under(self, pressure: Pressure) -> Self {
        Self { pressure, ..self }
    }

    /// Who is here.
    pub fn occupancy(&self) -> Occupancy {
        let (rooms, streams) = self.nodes.rooms().count();
        Occupancy { waiting: self.waiting.len(), sessions: self.roll.len(), rooms, streams }
    }

    /// Lets so many connections be without a login from now on, in all and from one source.
    pub fn allow_waiting(&self, max: usize, max_per_source: usize) {
        self.waiting.resize(max, max_per_source);
    }

    /// How many stays there are of each app that has any.
    pub(crate) fn sessions_by_app(&self) -> HashMap<AppId, usize> {
        self.roll.by_app()
    }

    /// The same, which announces refused logins to `webhooks`.
    #[must_use]
    pub fn announcing(self, webhooks: Arc<Webhooks>) -> Self {
        Self { webhooks: Some(webhooks), ..self }
    }

    /// The same, which tells `feed` of refused logins.
    #[must_use]
    pub fn feeding(self, feed: Arc<Feed>) -> Self {
        Self { feed: Some(feed), ..self }
    }

    /// The route of the gateway. Requests carry a [`crate::limits::ClientAddress`]: the limit on connections without a login is kept by
    /// source, and all that lack one share one. A [`crate::limits::ConnectionPlace`] is kept for as long as the socket. Set
    /// `TCP_NODELAY` on the listener's streams: an answer followed by an announcement waits for the client's acknowledgement otherwise.
    pub fn router(self: Arc<Self>) -> Router {
        let whip = whip::routes(&self);
        Router::new().route(GATEWAY_PATH, get(upgrade)).merge(whip).with_state(self)
    }

    /// Shows out whoever goes by a token that is revoked or whose secret is retired, whoever is banned, and everybody
    /// of an app that is switched off, until the gateway has drained. Hears all news from the call on, whenever it is first
    /// polled.
    pub fn follow(self: Arc<Self>) -> impl Future<Output = ()> {
        let mut revoked = self.tokens.revocations().subscribe();
        let mut banned = self.tokens.bans().subscribe();
        let mut changed = self.directory.subscribe();
        let mut draining = self.draining.subscribe();
        async move {
            let gateway = &self;
            let over = async move {
                // Cannot fail: the gateway holds the sender.
                let _ = draining.wait_for(Option::is_some).await;
                // Given up, so that only sockets are waited for: who still has one hears all news.
                drop(draining);
                gateway.draining.closed().await;
            };
            let mut over = std::pin::pin!(over);
            loop {
                let missed = tokio::select! {
                    () = &mut over => return,
                    news = revoked.recv() => news.map(|revocation| self.roll.revoke(&revocation)).err(),
                    news = changed.recv() => {
                        // An app that nobody is in is not opened for it.
                        let told = |app_id| {
                            if self.roll.len_in(app_id) > 0 {
                                self.roll.change(app_id, self.directory.app(app_id).as_deref());
                            }
                        };
                        news.map(told).err()
                    }
                    news = banned.recv() => news.map(|ban| self.roll.ban(&ban, self.clock.now())).err(),
                };
                match missed {
                    None => {}
                    Some(RecvError::Lagged(_)) => self.roll.call(self.lists(), self.clock.now()),
                    Some(RecvError::Closed) => return,
                }
            }
        }
    }

    /// Whether there are so many that none of `app_id` may wait for its client.
    fn is_crowded(&self, app_id: AppId) -> bool {
        self.seats.len() > self.config.max_sessions || self.roll.len_in(app_id) > self.config.max_sessions_per_app
    }

    /// Who has to go.
    fn lists(&self) -> Lists<'_> {
        Lists { directory: &self.directory, revocations: self.tokens.revocations(), bans: self.tokens.bans() }
    }

    /// Ends the rooms that have been empty for as long as their app keeps them.
    pub fn sweep(&self, now: UnixSeconds) {
        self.nodes.rooms().sweep(now);
    }

    /// Refuses new connections, tells every session to come back elsewhere, and returns when all sockets are closed: at
    /// the latest when the time for that is over.
    pub async fn drain(&self) {
        self.draining.send_replace(Some(self.clock.now().saturating_add(self.config.drain_spread)));
        self.draining.closed().await;
    }
}

/// Whom failures of a client's unauthenticated tokens are counted against: its address, or its network of IPv6, in
/// which one machine has as many addresses as it likes.
fn source_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => format!("{:x?}", &address.segments()[..4]),
        },
    }
}

/// Says in the log that rooms come and go; who is in them is said by the logins.
pub(crate) fn log_event(app_id: AppId, event: &RoomEvent) {
    let RoomEvent { room_id, room_session_id, .. } = event;
    match &event.what {
        Happening::Opened => tracing::info!(%app_id, %room_id, room_session_id, "room opened"),
        Happening::Closed { reason } => {
            tracing::info!(%app_id, %room_id, room_session_id, reason = reason.as_str(), "room closed");
        }
        _ => {}
    }
}
