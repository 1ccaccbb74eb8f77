//! Webhook endpoints of an app: making, changing, trying and removing them, and what became of deliveries.

use std::time::Duration;

use rand::rngs::SysRng;
use token_gen::{AppId, UnixSeconds};

use super::Admin;
use crate::{
    audit::{Action, Event},
    error::Error,
    keys::KeyText,
    store::{DeliveryFilter, DeliveryRecord, EndpointRecord, StoreError},
    webhooks::{EndpointSettings, SigningKey, key_place, previous_record_id, settings_of},
};

/// The most endpoints of one app.
const MAX_ENDPOINTS: usize = 20;
/// How long deliveries are signed with the previous key too, unless it is said.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3600);
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);

/// An endpoint as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    /// Names it.
    pub endpoint_id: String,
    /// To be named with the next change.
    pub version: i64,
    /// What is set for it.
    pub settings: EndpointSettings,
    /// Whether anything is delivered.
    pub enabled: bool,
    /// Until when deliveries are signed with the key before the present one too.
    pub previous_key_until: Option<UnixSeconds>,
    /// How many events it never got because its queue was full.
    pub dropped: u64,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// When it was last changed.
    pub updated_at: UnixSeconds,
}

/// What is to be different about an endpoint; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    /// The version it is a change of; `None` for whatever it is by now.
    pub version: Option<i64>,
    /// Where to deliver.
    pub url: Option<String>,
    /// What to deliver.
    pub events: Option<Vec<roompass_wire::webhook::EventName>>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it may be at an address that is not public.
    pub private_network: Option<bool>,
    /// Whether anything is delivered.
    pub enabled: Option<bool>,
}

impl Admin {
    /// Makes an endpoint. Its signing key is shown once.
    ///
    /// # Errors
    /// [`Error::AppUnknown`]; [`Error::Field`]; [`Error::Full`].
    pub async fn create_webhook(
        &self,
        app_id: AppId,
        settings: EndpointSettings,
        enabled: bool,
    ) -> Result<(EndpointView, SigningKey), Error> {
        let settings = settings.checked(&self.webhooks.settings().networks)?;
        self.require_our_key().await?;
        let now = self.clock.now();
        // Two nodes at one moment may pass the limit together, by one or two.
        if self.store().endpoints(Some(app_id)).await?.len() >= MAX_ENDPOINTS {
            return Err(Error::Full("webhook endpoint of this app"));
        }
        let endpoint_id = KeyText::generate(&mut SysRng).map_err(|_| Error::Randomness)?.key_id().to_owned();
        let (key, signing_key) = self.new_signing_key(app_id, &endpoint_id)?;
        let record = EndpointRecord {
            app_id,
            endpoint_id,
            version: 1,
            settings: json(&settings),
            enabled,
            signing_key,
            previous_key: None,
            dropped: 0,
            created_at: now,
            updated_at: now,
        };
        let event = event(Action::CreateWebhook, &record).saying(told(&settings));
        match self.recorder.change(event, self.store().insert_endpoint(record.clone())).await {
            Err(Error::Store(StoreError::Missing)) => return Err(Error::AppUnknown),
            inserted => inserted?,
        }
        self.webhooks.reload(app_id).await?;
        tracing::info!(%app_id, endpoint_id = record.endpoint_id, "webhook endpoint created");
        Ok((view(&record)?, key))
    }

    /// The endpoints of an app, by id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn webhooks_of(&self, app_id: AppId) -> Result<Vec<EndpointView>, Error> {
        self.store().endpoints(Some(app_id)).await?.iter().map(view).collect()
    }

    /// One endpoint.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub async fn webhook(&self, app_id: AppId, endpoint_id: &str) -> Result<EndpointView, Error> {
        view(&self.endpoint(app_id, endpoint_id).await?)
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Field`]; a conflict if it has another version by now.
    pub async fn update_webhook(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        change: EndpointChange,
    ) -> Result<EndpointView, Error> {
        let mut record = self.endpoint(app_id, endpoint_id).await?;
        if change.version.is_some_and(|version| version != record.version) {
            return Err(Error::Changed { what: "webhook", version: record.version });
        }
        let before = settings_of(&record)?;
        let settings = EndpointSettings {
            url: change.url.unwrap_or(before.url),
            events: change.events.unwrap_or(before.events),
            description: change.description.unwrap_or(before.description),
            private_network: change.private_network.unwrap_or(before.private_network),
        };
        let settings = settings.checked(&self.webhooks.settings().networks)?;
        record.settings = json(&settings);
        record.enabled = change.enabled.unwrap_or(record.enabled);
        let event = event(Action::UpdateWebhook, &record).saying(told(&settings));
        self.replace_endpoint(event, &mut record).await?;
        tracing::info!(%app_id, endpoint_id, version = record.version, "webhook endpoint changed");
        view(&record)
    }

    /// Makes a new signing key; deliveries are signed with the present one too for `overlap`, a day if `None`.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Field`] for an overlap beyond 30 days; a conflict if it was changed meanwhile.
    pub async fn rotate_webhook_key(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        overlap: Option<Duration>,
    ) -> Result<(SigningKey, Option<UnixSeconds>), Error> {
        let overlap = overlap.unwrap_or(DEFAULT_OVERLAP);
        if overlap > MAX_OVERLAP {
            return Err(Error::field("overlap_secs", format!("must be at most {}", MAX_OVERLAP.as_secs())));
        }
        self.require_our_key().await?;
        let mut record = self.endpoint(app_id, endpoint_id).await?;
        let until = (!overlap.is_zero()).then(|| self.clock.now().saturating_add(overlap));
        let present = self.sealer.open(key_place(app_id, endpoint_id), &record.signing_key)?;
        let previous = self.sealer.seal(key_place(app_id, &previous_record_id(endpoint_id)), &present, &mut SysRng)?;
        record.previous_key = until.map(|until| (previous, until));
        let (key, sealed) = self.new_signing_key(app_id, endpoint_id)?;
        record.signing_key = sealed;
        let event = Event { expire_at: until, ..event(Action::RotateWebhookKey, &record) };
        self.replace_endpoint(event, &mut record).await?;
        tracing::info!(%app_id, endpoint_id, "signing key of a webhook endpoint rotated");
        Ok((key, until))
    }

    /// Removes an endpoint with its deliveries. `false` if there is none by that id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn remove_webhook(&self, app_id: AppId, endpoint_id: &str) -> Result<bool, Error> {
        let found = self.store().endpoints(Some(app_id)).await?;
        let Some(record) = found.into_iter().find(|endpoint| endpoint.endpoint_id == endpoint_id) else {
            return Ok(false);
        };
        let event = event(Action::RemoveWebhook, &record);
        let removed = self.recorder.remove(event, self.store().delete_endpoint(app_id, endpoint_id)).await?;
        if removed {
            self.webhooks.reload(app_id).await?;
            tracing::info!(%app_id, endpoint_id, "webhook endpoint removed");
        }
        Ok(removed)
    }

    /// Queues a `test` event for an endpoint. Returns the delivery's id.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Field`] while the endpoint is switched off.
    pub async fn test_webhook(&self, app_id: AppId, endpoint_id: &str) -> Result<String, Error> {
        if !self.endpoint(app_id, endpoint_id).await?.enabled {
            return Err(Error::field("enabled", "must be true: nothing is delivered to an endpoint that is off"));
        }
        self.webhooks.test(app_id, endpoint_id).await
    }

    /// Up to `limit` deliveries of an endpoint, the latest first, from the one before `before`.
    ///
    /// # Errors
    /// [`Error::Missing`] without the endpoint.
    pub async fn deliveries(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, Error> {
        self.endpoint(app_id, endpoint_id).await?;
        Ok(self.store().deliveries(app_id, endpoint_id, before, limit).await?)
    }

    /// The same of deliveries that `filter` lets through.
    ///
    /// # Errors
    /// [`Error::Missing`] without the endpoint.
    pub async fn find_deliveries(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, Error> {
        self.endpoint(app_id, endpoint_id).await?;
        Ok(self.store().find_deliveries(app_id, endpoint_id, filter, before, limit).await?)
    }

    /// Delivers again, under the same id, whatever became of it.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub async fn redeliver(&self, app_id: AppId, endpoint_id: &str, delivery_id: &str) -> Result<(), Error> {
        let now = self.clock.now();
        if !self.store().requeue_delivery(app_id, endpoint_id, delivery_id, now).await? {
            return Err(Error::Missing("delivery"));
        }
        self.webhooks.stir();
        tracing::info!(%app_id, endpoint_id, delivery_id, "a webhook delivery was queued again");
        Ok(())
    }

    async fn endpoint(&self, app_id: AppId, endpoint_id: &str) -> Result<EndpointRecord, Error> {
        let endpoints = self.store().endpoints(Some(app_id)).await?;
        endpoints.into_iter().find(|endpoint| endpoint.endpoint_id == endpoint_id).ok_or(Error::Missing("webhook"))
    }

    async fn replace_endpoint(&self, event: Event, record: &mut EndpointRecord) -> Result<(), Error> {
        record.updated_at = self.clock.now();
        self.recorder.change(event, self.store().update_endpoint(record.clone())).await?;
        record.version += 1;
        self.webhooks.reload(record.app_id).await
    }

    fn new_signing_key(&self, app_id: AppId, endpoint_id: &str) -> Result<(SigningKey, Vec<u8>), Error> {
        let key = SigningKey::generate(&mut SysRng).map_err(|_| Error::Randomness)?;
        let sealed = self.sealer.seal(key_place(app_id, endpoint_id), key.expose().as_bytes(), &mut SysRng)?;
        Ok((key, sealed))
    }
}

/// What the audit trail says of it.
fn event(action: Action, record: &EndpointRecord) -> Event {
    Event::of(action, record.app_id).about(&*record.endpoint_id)
}

/// Where it is and what it gets. What follows the host in the URL may be the receiver's secret.
fn told(settings: &EndpointSettings) -> String {
    let host = settings.url.split(['/', '?']).nth(2).unwrap_or_default();
    let events: Vec<&str> = settings.events.iter().map(|event| event.as_str()).collect();
    format!("{host}: {}", events.join(", "))
}

fn json(settings: &EndpointSettings) -> String {
    // Names, words and texts into memory: serde_json has no way to fail here.
    serde_json::to_string(settings).unwrap_or_default()
}

fn view(record: &EndpointRecord) -> Result<EndpointView, Error> {
    Ok(EndpointView {
        endpoint_id: record.endpoint_id.clone(),
        version: record.version,
        settings: settings_of(record)?,
        enabled: record.enabled,
        previous_key_until: record.previous_key.as_ref().map(|(_, until)| *until),
        dropped: record.dropped,
        created_at: record.created_at,
        updated_at: record.updated_at,
    })
}
