//! What is set for an endpoint, and for all of them.

use std::time::Duration;

use roompass_wire::webhook::EventName;
use serde::{Deserialize, Serialize};

use super::{address::PrivateNetworks, url::EndpointUrl};
use crate::error::Error;

/// The most bytes of a description.
const MAX_DESCRIPTION: usize = 255;

/// What the operator of the server sets.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// The networks in which endpoints may be that say so.
    pub networks: PrivateNetworks,
    /// The certificates that may vouch for receivers, in PEM; without it, those the system trusts.
    pub trusted: Option<Vec<u8>>,
    /// How many deliveries of one endpoint may wait.
    pub max_pending: u32,
    /// How long deliveries are kept.
    pub keep: Duration,
    /// How long an attempt may take.
    pub attempt_limit: Duration,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            networks: PrivateNetworks::default(),
            trusted: None,
            max_pending: 10_000,
            keep: Duration::from_secs(7 * 24 * 3600),
            attempt_limit: Duration::from_secs(10),
        }
    }
}

/// What is set for an endpoint, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSettings {
    /// Where to deliver.
    pub url: String,
    /// What to deliver, sorted.
    pub events: Vec<EventName>,
    /// What it is for.
    pub description: String,
    /// Whether it may be at an address that is not public.
    pub private_network: bool,
}

impl EndpointSettings {
    /// The events of an endpoint that names none.
    pub fn default_events() -> Vec<EventName> {
        EventName::ALL.iter().copied().filter(|name| name.is_default()).collect()
    }

    /// Judges them, and puts the events in order.
    ///
    /// # Errors
    /// [`Error::Field`] for the first that makes no sense.
    pub fn checked(mut self, networks: &PrivateNetworks) -> Result<Self, Error> {
        if self.private_network && networks.is_empty() {
            let reason = "is for networks that webhooks.private_networks lists, and it lists none";
            return Err(Error::field("private_network", reason));
        }
        EndpointUrl::parse(&self.url, networks, self.private_network).map_err(|reason| Error::field("url", reason))?;
        if self.events.is_empty() {
            return Err(Error::field("events", "must name at least one event"));
        }
        self.events.sort_unstable();
        self.events.dedup();
        if self.description.len() > MAX_DESCRIPTION || self.description.chars().any(char::is_control) {
            return Err(Error::field("description", "must be at most 255 bytes without control characters"));
        }
        Ok(self)
    }
}
