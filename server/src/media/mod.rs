//! Between the rules of a stay and the media plane: which packets go through is said here, from what the session may do
//! and does at that moment.
//!
//! Of several nodes, one forwards all media of a room; `across` is the way there from the node that has a session.
//! Knows no tokens: the gateway's session has judged them. Knows no packets: those are in `roompass_media`.

mod across;
mod homes;
mod local;
mod look;
mod stay;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use roompass_media::{Limits, Media, MediaConfig, MediaError, Totals};
use roompass_wire::{ErrorCode, gateway::IceServer};
use token_gen::{AppId, UnixSeconds};

pub use across::AcrossNodes;
pub use look::Look;
pub use roompass_media::turn::{IceServers, TurnSecret};
pub use stay::StayMedia;

use crate::{bus::Bus, clock::Clock, config::ConfigError, sealing::Sealer};
use across::Across;
use homes::Homes;

/// What the operator says of media.
#[derive(Debug, Clone, Default)]
pub struct MediaSettings {
    /// Where media is forwarded, over UDP and TCP; nowhere, if left out.
    pub listen: Option<SocketAddr>,
    /// The addresses that clients reach the node by.
    pub public: Vec<IpAddr>,
    /// Whether clients are told of loopback addresses: for development.
    pub allow_loopback: bool,
    /// Threads that forward; 0 is one per core.
    pub workers: usize,
    /// What one session may publish, in bits a second.
    pub max_publish_bps: Option<u64>,
    /// What clients are told of STUN and TURN.
    pub ice: IceServers,
}

/// The media plane of this node, if it has one.
#[derive(Debug, Clone, Default)]
pub struct MediaPlane {
    media: Option<Media>,
    ice: Arc<IceServers>,
    max_publish_bps: Option<u64>,
    seen: Arc<look::Seen>,
    homes: Arc<Homes>,
    /// None, if there can be no other node.
    across: Option<Arc<Across>>,
}

impl MediaPlane {
    /// Opens the ports, if there are to be any.
    ///
    /// # Errors
    /// The field that is at fault.
    pub async fn start(settings: &MediaSettings) -> Result<Self, ConfigError> {
        let media = match settings.listen {
            None => None,
            Some(listen) => {
                let config = MediaConfig {
                    udp: listen,
                    tcp: Some(listen),
                    public: settings.public.clone(),
                    allow_loopback: settings.allow_loopback,
                    workers: settings.workers,
                    limits: Limits::default(),
                };
                Some(Media::start(config).await.map_err(|error| at_fault(&error))?)
            }
        };
        let ice = Arc::new(settings.ice.clone());
        Ok(Self { media, ice, max_publish_bps: settings.max_publish_bps, ..Self::default() })
    }

    /// The same, with those of the other nodes on `bus`. What is said to them is sealed with `sealer`.
    #[must_use]
    pub fn joining(self, bus: &Arc<dyn Bus>, sealer: Sealer, clock: Arc<dyn Clock>) -> Self {
        if bus.is_alone() || self.media.is_none() {
            return self;
        }
        Self { across: Some(Arc::new(Across::new(Arc::clone(bus), sealer, clock))), ..self }
    }

    /// Does its part in the media of other nodes' sessions, and in keeping each room on one node; for ever.
    pub async fn meet(&self) {
        if let (Some(across), Some(media)) = (&self.across, &self.media) {
            tokio::join!(across.run(self), self.homes.keep(across.bus(), media));
        }
    }

    /// Whether another node may forward the media of a session here.
    pub fn shares_rooms(&self) -> bool {
        self.across.is_some()
    }

    /// What is forwarded between nodes.
    pub fn across_nodes(&self) -> AcrossNodes {
        self.across.as_ref().map(|across| across.counted()).unwrap_or_default()
    }

    /// What has been counted, if media is forwarded at all.
    pub fn totals(&self) -> Option<Totals> {
        self.media.as_ref().map(Media::totals)
    }

    /// Every session and track with what was measured of it.
    pub async fn snapshot(&self) -> roompass_media::Snapshot {
        match &self.media {
            Some(media) => media.snapshot().await,
            None => roompass_media::Snapshot::default(),
        }
    }

    /// The STUN and TURN servers for `user_id`, and when the credentials among them expire.
    ///
    /// # Errors
    /// [`ErrorCode::MediaUnavailable`].
    pub fn ice_servers(&self, user_id: &str, now: UnixSeconds) -> Result<(Vec<IceServer>, Option<i64>), ErrorCode> {
        if self.media.is_none() {
            return Err(ErrorCode::MediaUnavailable);
        }
        let now = u64::try_from(now.get()).unwrap_or(0);
        let servers = self.ice.for_user(user_id, now);
        let expires = servers.iter().any(|server| server.credential.is_some());
        let expire_at = expires.then(|| i64::try_from(now.saturating_add(self.ice.ttl_secs)).unwrap_or(i64::MAX));
        let spelt = servers.into_iter().map(|server| {
            let (username, credential) = server.credential.map(|minted| (minted.username, minted.password)).unzip();
            IceServer { urls: server.urls, username, credential }
        });
        Ok((spelt.collect(), expire_at))
    }

    /// Ends every session, those of other nodes too, whose clients go on at another node. Returns when the ports are
    /// closed.
    pub async fn shutdown(&self) {
        if let Some(across) = &self.across {
            // In this order: whoever hears that it is over finds the room free.
            self.homes.leave_all(across.bus()).await;
            across.close().await;
        }
        if let Some(media) = self.media.clone() {
            // It waits for threads. A failure here is one of theirs, and has been said.
            let _ = tokio::task::spawn_blocking(move || media.shutdown()).await;
        }
    }
}

/// A room as the media plane knows it: rooms of different apps are different rooms.
fn room_name(app_id: AppId, room_id: &str) -> String {
    format!("{app_id}/{room_id}")
}

fn at_fault(error: &MediaError) -> ConfigError {
    let field = if matches!(error, MediaError::Config(_)) { "media.public_addresses" } else { "media.listen" };
    ConfigError::new(field, crate::error::with_causes(error))
}
