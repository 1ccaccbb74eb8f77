//! Webhooks: tells endpoints of an app's backend what happens in the app.
//!
//! Whoever does something announces it here, with one call; the rest follows from the endpoints of the app. An
//! announcement becomes one delivery for each endpoint that wants it, in a queue in the store, and a [`Deliverer`]
//! posts what is due. An endpoint that is down is never waited for by anybody else. Knows no HTTP routes, and of
//! endpoints only what the store keeps.

mod address;
mod deliverer;
mod key;
mod refusals;
mod rooms;
mod schedule;
mod sender;
mod settings;
#[cfg(test)]
mod tests;
mod url;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng, rngs::SysRng};
use roompass_wire::webhook::{Event, EventName, Notice, Refused, Test};
use token_gen::{AppId, UnixSeconds};
use tokio::{sync::Notify, time::timeout};

pub use address::{NetworksFault, PrivateNetworks};
pub use deliverer::Deliverer;
pub use key::SigningKey;
pub use settings::{EndpointSettings, WebhookSettings};

use crate::{
    clock::Clock,
    entry_id::EntryId,
    error::Error,
    sealing::{Place, Sealer},
    store::{EndpointRecord, NewDelivery, Store, StoreError},
};
use refusals::Refusals;

/// What may wait in memory to be written down: what happens many times a second. Beyond it, announcements are lost.
const MAX_UNWRITTEN: usize = 10_000;
/// How many deliveries are written at once.
const BATCH: usize = 500;
/// How long a change waits for its announcement to be written down.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Announces what happens.
pub struct Webhooks {
    store: Arc<dyn Store>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    settings: WebhookSettings,
    /// Which endpoints there are, for whoever asks whether anybody wants to know.
    subscriptions: ArcSwap<HashMap<AppId, Vec<Subscription>>>,
    /// Reading from the store and putting into memory is one step: without this, an older reading could be put last.
    reading: tokio::sync::Mutex<()>,
    unwritten: Mutex<Unwritten>,
    refusals: Mutex<Refusals>,
    /// Wakes the deliverer of this process.
    news: Notify,
}

#[derive(Debug, Clone)]
struct Subscription {
    endpoint_id: String,
    /// None while it is switched off.
    events: Vec<EventName>,
}

#[derive(Debug, Default)]
struct Unwritten {
    deliveries: VecDeque<NewDelivery>,
    lost: u64,
}

impl Webhooks {
    /// Works on `store`, which must be open and migrated by the time something is announced.
    pub fn new(store: Arc<dyn Store>, sealer: Sealer, clock: Arc<dyn Clock>, settings: WebhookSettings) -> Self {
        Self {
            store,
            sealer,
            clock,
            settings,
            subscriptions: ArcSwap::default(),
            reading: tokio::sync::Mutex::default(),
            unwritten: Mutex::default(),
            refusals: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// What the operator of the server has set.
    pub fn settings(&self) -> &WebhookSettings {
        &self.settings
    }

    /// Reads every endpoint.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn load(&self) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let mut subscriptions = HashMap::<AppId, Vec<Subscription>>::new();
        for endpoint in self.store.endpoints(None).await? {
            subscriptions.entry(endpoint.app_id).or_default().push(subscription(&endpoint)?);
        }
        self.subscriptions.store(Arc::new(subscriptions));
        Ok(())
    }

    /// Reads the endpoints of one app again.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn reload(&self, app_id: AppId) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let endpoints = self.store.endpoints(Some(app_id)).await?;
        let of_app = endpoints.iter().map(subscription).collect::<Result<Vec<_>, _>>()?;
        let mut subscriptions = HashMap::clone(&self.subscriptions.load());
        if of_app.is_empty() {
            subscriptions.remove(&app_id);
        } else {
            subscriptions.insert(app_id, of_app);
        }
        self.subscriptions.store(Arc::new(subscriptions));
        self.news.notify_one();
        Ok(())
    }

    /// Whether any endpoint of the app wants to know of this: ask before putting together what happens often.
    pub fn wants(&self, app_id: AppId, event: EventName) -> bool {
        let subscriptions = self.subscriptions.load();
        subscriptions.get(&app_id).is_some_and(|all| all.iter().any(|one| one.events.contains(&event)))
    }

    /// Announces what has been done, and returns when the announcement is durable: before whoever asked for it gets
    /// the answer. If the store does not take it, that is logged; what was done stays done.
    pub async fn announce(&self, app_id: AppId, event: Event) {
        let name = event.name();
        let deliveries = self.deliveries_of(app_id, event, self.clock.now());
        if deliveries.is_empty() {
            return;
        }
        let failed = match timeout(WRITE_LIMIT, self.queue(deliveries)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => crate::error::with_causes(&error),
            Err(_) => "the store does not answer in time".to_owned(),
        };
        tracing::error!(%app_id, event = %name, error = failed, "an event could not be announced");
    }

    /// Announces what happens often, without making anybody wait: it is durable a moment later. A process that is
    /// killed in that moment loses it, and so does one whose store has not answered for long.
    pub fn announce_soon(&self, app_id: AppId, event: Event) {
        let deliveries = self.deliveries_of(app_id, event, self.clock.now());
        if deliveries.is_empty() {
            return;
        }
        let mut unwritten = self.unwritten();
        let room = MAX_UNWRITTEN.saturating_sub(unwritten.deliveries.len());
        unwritten.lost += deliveries.len().saturating_sub(room) as u64;
        unwritten.deliveries.extend(deliveries.into_iter().take(room));
        drop(unwritten);
        self.news.notify_one();
    }

    /// Announces a refusal: the first of its kind soon, repetitions counted.
    pub fn announce_refused(&self, app_id: AppId, refused: Refused) {
        if !self.wants(app_id, EventName::Refused) {
            return;
        }
        let told = self.refusals().take_in(app_id, refused, self.clock.now());
        if let Some(refused) = told {
            self.announce_soon(app_id, Event::Refused(refused));
        }
    }

    /// Queues a delivery that tries an endpoint. Returns its id.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Randomness`].
    pub async fn test(&self, app_id: AppId, endpoint_id: &str) -> Result<String, Error> {
        let now = self.clock.now();
        let event = Event::Test(Test { endpoint_id: endpoint_id.to_owned() });
        let event_id = event_id().ok_or(Error::Randomness)?;
        let delivery =
            delivery(app_id, endpoint_id, &event_id, EventName::Test, notice(&event_id, app_id, event, now), now);
        let delivery_id = delivery.delivery_id.clone();
        self.queue(vec![delivery]).await?;
        Ok(delivery_id)
    }

    /// Wakes the deliverer of this process: something may be due.
    pub fn stir(&self) {
        self.news.notify_one();
    }

    /// Writes down what waits in memory.
    ///
    /// # Errors
    /// [`Error::Store`]: it waits on.
    async fn write_down(&self, now: UnixSeconds) -> Result<(), Error> {
        for (app_id, refused) in self.refusals().due(now) {
            self.announce_soon(app_id, Event::Refused(refused));
        }
        loop {
            let (batch, lost) = {
                let mut unwritten = self.unwritten();
                let count = unwritten.deliveries.len().min(BATCH);
                (unwritten.deliveries.drain(..count).collect::<Vec<_>>(), std::mem::take(&mut unwritten.lost))
            };
            if lost > 0 {
                tracing::error!(lost, "events came faster than the store took them, and were not announced");
            }
            if batch.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.queue(batch.clone()).await {
                let mut unwritten = self.unwritten();
                batch.into_iter().rev().for_each(|delivery| unwritten.deliveries.push_front(delivery));
                return Err(error);
            }
        }
    }

    async fn queue(&self, deliveries: Vec<NewDelivery>) -> Result<(), Error> {
        let dropped = self.store.queue_deliveries(deliveries, self.settings.max_pending).await?;
        if dropped > 0 {
            tracing::warn!(dropped, "the queue of a webhook endpoint is full: it was not told of everything");
        }
        self.news.notify_one();
        Ok(())
    }

    /// One delivery for each endpoint that wants to know. Empty, too, when there are no random numbers to name it by.
    fn deliveries_of(&self, app_id: AppId, event: Event, now: UnixSeconds) -> Vec<NewDelivery> {
        if !self.wants(app_id, event.name()) {
            return Vec::new();
        }
        match event_id() {
            Some(event_id) => self.deliveries_named(app_id, &event_id, event, now),
            None => {
                tracing::error!(%app_id, event = %event.name(), "an event could not be announced: no random numbers");
                Vec::new()
            }
        }
    }

    /// The same, for an event whose id is known: queued twice under one id and time, it is one delivery.
    fn deliveries_named(&self, app_id: AppId, event_id: &str, event: Event, now: UnixSeconds) -> Vec<NewDelivery> {
        let subscriptions = self.subscriptions.load();
        let name = event.name();
        let body = notice(event_id, app_id, event, now);
        let of_app = subscriptions.get(&app_id).into_iter().flatten();
        let wanting = of_app.filter(|one| one.events.contains(&name));
        wanting.map(|one| delivery(app_id, &one.endpoint_id, event_id, name, body.clone(), now)).collect()
    }

    /// The keys that `endpoint` is signed with at `now`, the present one first.
    fn keys_of(&self, endpoint: &EndpointRecord, now: UnixSeconds) -> Result<Vec<SigningKey>, Error> {
        let previous = endpoint.previous_key.iter().filter(|(_, until)| now < *until);
        let previous_place = previous_record_id(&endpoint.endpoint_id);
        let sealed = [(&*endpoint.endpoint_id, &endpoint.signing_key)];
        let sealed = sealed.into_iter().chain(previous.map(|(sealed, _)| (&*previous_place, sealed)));
        sealed
            .map(|(record_id, sealed)| {
                let text = self.sealer.open(key_place(endpoint.app_id, record_id), sealed)?;
                let text = String::from_utf8(text.to_vec()).map_err(|_| crate::sealing::SealError::DoesNotOpen)?;
                Ok(SigningKey::stored(text.into()))
            })
            .collect()
    }

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        // No change in here can stop half-way, so what is poisoned is still good.
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the present key of an endpoint is sealed, and by another record id the one before.
pub(crate) fn key_place(app_id: AppId, record_id: &str) -> Place<'_> {
    Place { table: "webhook_endpoints", app_id: app_id.get(), record_id }
}

/// The record id of the previous key of an endpoint.
pub(crate) fn previous_record_id(endpoint_id: &str) -> String {
    format!("previous {endpoint_id}")
}

/// The settings of a stored endpoint.
pub(crate) fn settings_of(endpoint: &EndpointRecord) -> Result<EndpointSettings, StoreError> {
    let unreadable = |error| StoreError::Unreadable(format!("settings of endpoint {}: {error}", endpoint.endpoint_id));
    serde_json::from_str(&endpoint.settings).map_err(unreadable)
}

fn subscription(endpoint: &EndpointRecord) -> Result<Subscription, StoreError> {
    let events = if endpoint.enabled { settings_of(endpoint)?.events } else { Vec::new() };
    Ok(Subscription { endpoint_id: endpoint.endpoint_id.clone(), events })
}

fn event_id() -> Option<String> {
    let mut id = [0; 16];
    SysRng.try_fill_bytes(&mut id).ok()?;
    Some(URL_SAFE_NO_PAD.encode(id))
}

fn notice(event_id: &str, app_id: AppId, event: Event, now: UnixSeconds) -> String {
    let notice = Notice {
        version: Notice::VERSION,
        id: event_id.to_owned(),
        app_id: app_id.get(),
        occurred_at_ms: millis(now),
        event,
    };
    // Names, numbers and texts into memory: serde_json has no way to fail here.
    serde_json::to_string(&notice).unwrap_or_default()
}

fn delivery(
    app_id: AppId,
    endpoint_id: &str,
    event_id: &str,
    event: EventName,
    body: String,
    now: UnixSeconds,
) -> NewDelivery {
    let id = EntryId::of("delivery", &[event_id, endpoint_id]);
    NewDelivery {
        app_id,
        endpoint_id: endpoint_id.to_owned(),
        delivery_id: format!("{:08x}{id}", now.get().max(0)),
        event: event.as_str().to_owned(),
        body,
        now,
    }
}

/// An instant as it is written in notices.
pub(crate) fn millis(at: UnixSeconds) -> i64 {
    at.get().saturating_mul(1000)
}
