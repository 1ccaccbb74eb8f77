//! Posts what is due: claims deliveries from the store, a few of each endpoint at a time, and writes down what became
//! of each. Of several nodes on one store, one has each delivery; if it dies, another has it after the claim.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use roompass_wire::{
    http::{DeliveryAttempt, DeliveryFault},
    webhook::{Event, EventName, SecretExpiring},
};
use token_gen::{AppId, UnixSeconds};
use tokio::{sync::watch, task::JoinSet};

use super::{
    Webhooks, key, millis, schedule,
    sender::{Posted, Sender},
    settings_of,
    url::EndpointUrl,
};
use crate::{
    apps::Directory,
    entry_id::EntryId,
    error::Error,
    store::{ClaimedDelivery, DeliveryClaim, DeliveryRecord, DeliveryState, FinishedAttempt},
};

/// How often the store is asked for what is due when nobody says that there is something.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How long a claim holds: well beyond what an attempt may take.
const CLAIM: Duration = Duration::from_secs(60);
/// Attempts under way at a time, of one endpoint and in all. An endpoint that is down holds no more than its own.
const PER_ENDPOINT: u32 = 8;
const IN_ALL: usize = 256;
/// Attempts of one delivery that the log keeps.
const MAX_ATTEMPTS: usize = 20;
/// After a fault of ours, how long until the delivery is looked at again.
const OUR_FAULT: Duration = Duration::from_secs(60);
/// How often old deliveries are forgotten and ends of secrets looked for.
const CHORES_EVERY: Duration = Duration::from_secs(60);
/// How many deliveries that are done are kept of each endpoint, and how many are forgotten at once.
const KEEP_DONE: u32 = 10_000;
const FORGET_AT_ONCE: u32 = 500;
/// How long before its end a previous secret is called expiring.
const EXPIRING: Duration = Duration::from_secs(24 * 3600);

/// Delivers for one process.
pub struct Deliverer {
    webhooks: Arc<Webhooks>,
    directory: Arc<Directory>,
    sender: Arc<Sender>,
    under_way: JoinSet<()>,
    /// Held by every attempt of an endpoint.
    busy: HashMap<(AppId, String), Arc<()>>,
    chores_at: UnixSeconds,
    /// Ends of secrets that this process has announced, by event, and when they come.
    announced: HashMap<String, UnixSeconds>,
}

impl Deliverer {
    /// Delivers what `webhooks` announces, and what other processes on the store have queued.
    pub fn new(webhooks: Arc<Webhooks>, directory: Arc<Directory>) -> Self {
        let (sender, chores_at) = (Arc::new(Sender::new(webhooks.settings())), webhooks.clock.now());
        let (under_way, busy, announced) = (JoinSet::new(), HashMap::new(), HashMap::new());
        Self { webhooks, directory, sender, under_way, busy, chores_at, announced }
    }

    /// Delivers until told to stop; then writes down what was announced, and waits for attempts under way.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut fails = false;
        loop {
            let stopping = *stopped.borrow();
            let now = self.webhooks.clock.now();
            let done = match self.webhooks.write_down(now).await {
                Ok(()) if !stopping => self.go_on(now).await,
                written => written,
            };
            match done {
                Ok(()) => fails = false,
                // Once, not every second.
                Err(error) if !fails => {
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot deliver webhooks");
                    fails = true;
                }
                Err(_) => {}
            }
            if stopping {
                break;
            }
            tokio::select! {
                () = self.webhooks.news.notified() => {}
                Some(_) = self.under_way.join_next() => while self.under_way.try_join_next().is_some() {},
                () = self.webhooks.clock.sleep_until(now.saturating_add(POLL_EVERY)) => {}
                _ = stopped.wait_for(|&stopped| stopped) => {}
            }
        }
        while self.under_way.join_next().await.is_some() {}
    }

    async fn go_on(&mut self, now: UnixSeconds) -> Result<(), Error> {
        if self.webhooks.subscriptions.load().is_empty() {
            return Ok(());
        }
        if now >= self.chores_at {
            self.chores_at = now.saturating_add(CHORES_EVERY);
            self.announce_expiring(now).await?;
            self.forget(now).await?;
        }
        self.start_due(now).await
    }

    /// Claims what is due and begins to deliver it.
    async fn start_due(&mut self, now: UnixSeconds) -> Result<(), Error> {
        self.busy.retain(|_, attempts| Arc::strong_count(attempts) > 1);
        let room = IN_ALL.saturating_sub(self.under_way.len());
        if room == 0 {
            return Ok(());
        }
        let claim_id = super::event_id().ok_or(Error::Randomness)?;
        let claim = DeliveryClaim {
            claim_id: claim_id.clone(),
            now,
            until: now.saturating_add(CLAIM),
            except: self.busy.keys().cloned().collect(),
            per_endpoint: PER_ENDPOINT,
            limit: u32::try_from(room).unwrap_or(u32::MAX),
        };
        for claimed in self.webhooks.store.claim_deliveries(claim).await? {
            let key = (claimed.delivery.app_id, claimed.delivery.endpoint_id.clone());
            let busy = Arc::clone(self.busy.entry(key).or_default());
            let (webhooks, sender, claim_id) = (Arc::clone(&self.webhooks), Arc::clone(&self.sender), claim_id.clone());
            self.under_way.spawn(async move {
                let _busy = busy;
                deliver(&webhooks, &sender, claimed, claim_id).await;
            });
        }
        Ok(())
    }

    /// Announces previous secrets that end within a day. The event has the same id whoever announces it and however
    /// often, so it is queued once.
    async fn announce_expiring(&mut self, now: UnixSeconds) -> Result<(), Error> {
        self.announced.retain(|_, valid_until| now < *valid_until);
        let subscribers: Vec<AppId> = self.webhooks.subscriptions.load().keys().copied().collect();
        for app_id in subscribers {
            let Some(app) = self.directory.app(app_id) else { continue };
            if !self.webhooks.wants(app_id, EventName::SecretExpiring) {
                continue;
            }
            for (secret_id, valid_until) in app.previous_secrets() {
                let announce_at = UnixSeconds::new(valid_until.get().saturating_sub(EXPIRING.as_secs().cast_signed()));
                if !(announce_at..valid_until).contains(&now) {
                    continue;
                }
                let valid_until_ms = millis(valid_until);
                let event_id = EntryId::of("secret_expiring", &[secret_id, &valid_until_ms.to_string()]).to_string();
                if self.announced.contains_key(&event_id) {
                    continue;
                }
                let event = Event::SecretExpiring(SecretExpiring { secret_id: secret_id.to_owned(), valid_until_ms });
                let deliveries = self.webhooks.deliveries_named(app_id, &event_id, event, announce_at);
                let due_now = |delivery| crate::store::NewDelivery { now, ..delivery };
                self.webhooks.queue(deliveries.into_iter().map(due_now).collect()).await?;
                self.announced.insert(event_id, valid_until);
            }
        }
        Ok(())
    }

    async fn forget(&self, now: UnixSeconds) -> Result<(), Error> {
        let keep = self.webhooks.settings.keep.as_secs().cast_signed();
        let before = UnixSeconds::new(now.get().saturating_sub(keep));
        let store = &self.webhooks.store;
        while store.forget_deliveries(before, KEEP_DONE, FORGET_AT_ONCE).await? == FORGET_AT_ONCE as usize {}
        Ok(())
    }
}

/// Makes one attempt and writes down what became of it.
async fn deliver(webhooks: &Webhooks, sender: &Sender, claimed: ClaimedDelivery, claim_id: String) {
    let ClaimedDelivery { mut delivery, endpoint } = claimed;
    let started_at = webhooks.clock.now();
    let prepared = webhooks.keys_of(&endpoint, started_at).and_then(|keys| Ok((keys, settings_of(&endpoint)?)));
    let (app_id, endpoint_id, delivery_id) = (endpoint.app_id, &*endpoint.endpoint_id, delivery.delivery_id.clone());
    match prepared {
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(%app_id, endpoint_id, error, "a webhook endpoint cannot be used");
            delivery.next_attempt_at = started_at.saturating_add(OUR_FAULT);
        }
        Ok((keys, settings)) => {
            let signature = key::sign(&keys, started_at.get(), &delivery.body).to_string();
            let posted = Posted {
                delivery_id: &delivery.delivery_id,
                event: &delivery.event,
                signature: &signature,
                body: &delivery.body,
            };
            let networks = &webhooks.settings.networks;
            let clock = Instant::now();
            let answer = match EndpointUrl::parse(&settings.url, networks, settings.private_network) {
                Ok(url) => sender.post(&url, settings.private_network, posted).await,
                // It was permitted when it was set; the operator has changed that.
                Err(_) => Err(DeliveryFault::AddressRefused),
            };
            let attempt = attempt(started_at, answer, clock.elapsed());
            note(&mut delivery, &attempt, webhooks.clock.now());
            let state = delivery.state.as_str();
            tracing::debug!(%app_id, endpoint_id, delivery_id, state, status = attempt.status, "webhook attempt");
            if delivery.state == DeliveryState::Failed {
                tracing::warn!(%app_id, endpoint_id, delivery_id, "a webhook delivery was given up");
            }
        }
    }
    // Without an answer the claim ends by itself, and the delivery is made again under the same id.
    if let Err(error) = webhooks.store.finish_attempt(FinishedAttempt { claim_id, delivery }).await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(%app_id, endpoint_id, delivery_id, error, "cannot write down a webhook attempt");
    }
}

fn attempt(at: UnixSeconds, answer: Result<u16, DeliveryFault>, took: Duration) -> DeliveryAttempt {
    let (status, fault) = match answer {
        Ok(status @ 200..=299) => (Some(status), None),
        Ok(status) => (Some(status), Some(DeliveryFault::Status)),
        Err(fault) => (None, Some(fault)),
    };
    DeliveryAttempt { at: at.get(), status, fault, latency_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
}

/// Enters the attempt in the delivery's log, and decides how it goes on.
fn note(delivery: &mut DeliveryRecord, attempt: &DeliveryAttempt, now: UnixSeconds) {
    // What is stored was written below.
    let mut attempts: Vec<DeliveryAttempt> = serde_json::from_str(&delivery.attempts).unwrap_or_default();
    attempts.push(attempt.clone());
    let beyond = attempts.len().saturating_sub(MAX_ATTEMPTS);
    attempts.drain(..beyond);
    // Numbers and words into memory: serde_json has no way to fail here.
    delivery.attempts = serde_json::to_string(&attempts).unwrap_or_default();
    delivery.tries += 1;
    match (attempt.fault, schedule::wait_after(delivery.tries)) {
        (None, _) => delivery.state = DeliveryState::Delivered,
        (Some(_), Some(wait)) => delivery.next_attempt_at = now.saturating_add(wait),
        (Some(_), None) => delivery.state = DeliveryState::Failed,
    }
}
