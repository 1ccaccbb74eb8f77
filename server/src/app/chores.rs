//! What the service does of its own accord: notes, reservations, tidying, and talking to the other nodes.

use std::{sync::Arc, time::Duration};

use token_gen::UnixSeconds;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::Service;
use crate::{
    error::Error,
    follower::Follower,
    operator::{self, Question},
};

/// How often the last use of keys is written down. What is lost in a crash is when a key was last used, no more.
const LAST_USED_EVERY: Duration = Duration::from_secs(60);
/// How long to wait when the store did not reserve mints.
const RESERVE_AGAIN: Duration = Duration::from_secs(1);
/// How often the time is noted, and what has ended is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// Keeps the store free for others in between.
const FORGET_AT_ONCE: u32 = 10_000;
/// The same for audit records, which are longer.
const FORGET_AUDIT_AT_ONCE: u32 = 1_000;

/// Brings this node's rooms and the others' together, and answers the others, to the end.
pub(crate) async fn meet(service: Arc<Service>) {
    let answer = |app_id, question: Question| {
        let service = Arc::clone(&service);
        async move { operator::answer(&service, app_id, &question).await }
    };
    let (nodes, media) = (&service.nodes, &service.media);
    tokio::join!(nodes.listen(), nodes.speak(), Arc::clone(nodes).answer(answer), media.meet());
}

pub(super) async fn write_down_last_use(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval_at(Instant::now() + LAST_USED_EVERY, LAST_USED_EVERY);
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
pub(super) async fn reserve_mints(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
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
pub(super) async fn tidy(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
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

impl Service {
    /// Remembers how it is, and tells the other nodes.
    async fn take_stock(&self, now: UnixSeconds) {
        self.metrics.sample(self.gateway.occupancy(), now);
        // Names and numbers: serde_json has no way to fail here. Without the bus, nobody is there to be told.
        let card = serde_json::to_string(&self.card(now)).unwrap_or_default();
        let _ = self.nodes.bus().show_card(&card).await;
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
