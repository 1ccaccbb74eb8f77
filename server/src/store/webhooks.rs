//! The part of a store that keeps webhook endpoints and the queue of what they are to be told.

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};

use super::StoreError;

/// An endpoint as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRecord {
    /// The app it is of.
    pub app_id: AppId,
    /// Names it within its app.
    pub endpoint_id: String,
    /// Counts its changes, from 1.
    pub version: i64,
    /// The settings, as JSON.
    pub settings: String,
    /// Whether anything is delivered.
    pub enabled: bool,
    /// The signing key, sealed.
    pub signing_key: Vec<u8>,
    /// The key before it, sealed, and until when deliveries are signed with it too.
    pub previous_key: Option<(Vec<u8>, UnixSeconds)>,
    /// How many deliveries had no room in its queue. Kept by the store: an update does not change it.
    pub dropped: u64,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// When it was last changed.
    pub updated_at: UnixSeconds,
}

/// Something to tell one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The app.
    pub app_id: AppId,
    /// The endpoint.
    pub endpoint_id: String,
    /// Names it. Begins with the time, so that the order of ids is that of time.
    pub delivery_id: String,
    /// The name of the event.
    pub event: String,
    /// The body, as it is sent.
    pub body: String,
    /// When it is queued, and due.
    pub now: UnixSeconds,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It will be tried.
    Pending,
    /// It was taken.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// The word it is stored as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }
}

/// Which deliveries are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// In this state; in any, if there is none.
    pub state: Option<DeliveryState>,
    /// With this in event or body, or with this id; any, if empty.
    pub search: String,
}

/// A delivery as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The app.
    pub app_id: AppId,
    /// The endpoint.
    pub endpoint_id: String,
    /// Names it.
    pub delivery_id: String,
    /// The name of the event.
    pub event: String,
    /// The body, as it is sent.
    pub body: String,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was tried since it was queued, or queued again.
    pub tries: u32,
    /// When it is due, while it is pending.
    pub next_attempt_at: UnixSeconds,
    /// The attempts, as JSON.
    pub attempts: String,
    /// When it was queued.
    pub created_at: UnixSeconds,
}

/// A wish to deliver what is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryClaim {
    /// Names the claim; only its holder may say what became of a delivery.
    pub claim_id: String,
    /// The current time.
    pub now: UnixSeconds,
    /// Until when nobody else gets the same.
    pub until: UnixSeconds,
    /// Endpoints to pass over, by app and id.
    pub except: Vec<(AppId, String)>,
    /// How many deliveries at most of one endpoint.
    pub per_endpoint: u32,
    /// How many at most.
    pub limit: u32,
}

/// A delivery that is ours to make, with the endpoint as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// The delivery.
    pub delivery: DeliveryRecord,
    /// Where to.
    pub endpoint: EndpointRecord,
}

/// What became of a claimed delivery: its claim ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedAttempt {
    /// The claim.
    pub claim_id: String,
    /// The delivery as it is now.
    pub delivery: DeliveryRecord,
}

/// Keeps endpoints and their queues.
#[async_trait]
pub trait WebhookStore: Send + Sync + 'static {
    /// Every endpoint of `app_id`, or of every app, by app and id.
    async fn endpoints(&self, app_id: Option<AppId>) -> Result<Vec<EndpointRecord>, StoreError>;

    /// Adds an endpoint; [`StoreError::Conflict`] if the id is taken, [`StoreError::Missing`] without its app.
    async fn insert_endpoint(&self, endpoint: EndpointRecord) -> Result<(), StoreError>;

    /// Replaces an endpoint if the stored version is still `endpoint.version`, and counts the version up;
    /// [`StoreError::Conflict`] if it is not, or if there is no such endpoint.
    async fn update_endpoint(&self, endpoint: EndpointRecord) -> Result<(), StoreError>;

    /// Removes an endpoint with its deliveries. `false` if there is none by that id.
    async fn delete_endpoint(&self, app_id: AppId, endpoint_id: &str) -> Result<bool, StoreError>;

    /// Queues deliveries. What is of no endpoint any more, or queued already by the same id, is passed over. What finds
    /// `max_pending` of its endpoint waiting is dropped, counted there, and counted in the answer.
    async fn queue_deliveries(&self, deliveries: Vec<NewDelivery>, max_pending: u32) -> Result<u64, StoreError>;

    /// Claims deliveries of enabled endpoints that are due and that nobody claims; of many who try, one gets each.
    /// Those tried least come first.
    async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<ClaimedDelivery>, StoreError>;

    /// Keeps what became of a claimed delivery. `false` if the claim had ended: then nothing has changed.
    async fn finish_attempt(&self, attempt: FinishedAttempt) -> Result<bool, StoreError>;

    /// Up to `limit` deliveries of an endpoint, the latest first, from the one before `before`.
    async fn deliveries(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError>;

    /// The same, only of deliveries that `filter` lets through.
    async fn find_deliveries(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError>;

    /// Makes a delivery due now, whatever became of it, and counts its tries from zero. `false` if there is none by
    /// that id.
    async fn requeue_delivery(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        delivery_id: &str,
        now: UnixSeconds,
    ) -> Result<bool, StoreError>;

    /// Forgets up to `limit` deliveries that were queued before `before`, or that are done and not among the latest
    /// `keep` of their endpoint; says how many it forgot.
    async fn forget_deliveries(&self, before: UnixSeconds, keep: u32, limit: u32) -> Result<usize, StoreError>;
}
