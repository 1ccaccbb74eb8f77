//! Webhook endpoints and their deliveries: what operators send and get. What an endpoint is sent is in
//! [`crate::webhook`].

use serde::{Deserialize, Serialize};

use super::apps::is_false;
use crate::webhook::EventName;

/// `POST`: makes an endpoint. `GET`: lists them.
pub const WEBHOOKS_PATH: &str = "/v1/apps/{app_id}/webhooks";
/// `GET`: one endpoint. `PATCH`: changes it. `DELETE`: removes it, with its deliveries.
pub const WEBHOOK_PATH: &str = "/v1/apps/{app_id}/webhooks/{endpoint_id}";
/// `POST`: makes a new signing key.
pub const WEBHOOK_KEY_PATH: &str = "/v1/apps/{app_id}/webhooks/{endpoint_id}/key/rotate";
/// `POST`: sends a `test` event.
pub const WEBHOOK_TEST_PATH: &str = "/v1/apps/{app_id}/webhooks/{endpoint_id}/test";
/// `GET`: the deliveries of an endpoint, the latest first.
pub const DELIVERIES_PATH: &str = "/v1/apps/{app_id}/webhooks/{endpoint_id}/deliveries";
/// `POST`: delivers again.
pub const REDELIVER_PATH: &str = "/v1/apps/{app_id}/webhooks/{endpoint_id}/deliveries/{delivery_id}/redeliver";

/// Asks for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateWebhookRequest {
    /// Where to deliver: `https://…`, at most 2,048 characters, without user, password or fragment.
    #[cfg_attr(feature = "openapi", schema(max_length = 2048))]
    pub url: String,
    /// What to deliver; all but `minted` and those of rooms if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub events: Option<Vec<EventName>>,
    /// What it is for: at most 255 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub description: String,
    /// Whether it may be at an address that is not public, in a network that the server's configuration lists.
    #[serde(default, skip_serializing_if = "is_false")]
    pub private_network: bool,
    /// Whether to make it switched off.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
}

/// Changes an endpoint; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhookRequest {
    /// The version that was read; another one by now is a conflict.
    pub version: i64,
    /// Where to deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 2048))]
    pub url: Option<String>,
    /// What to deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub events: Option<Vec<EventName>>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub description: Option<String>,
    /// Whether it may be at an address that is not public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_network: Option<bool>,
    /// Whether anything is delivered. What waits when it is switched off waits on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// An endpoint, without its signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// Names it.
    pub endpoint_id: String,
    /// Counts its changes; name it with the next one.
    pub version: i64,
    /// Where it is.
    pub url: String,
    /// What is delivered.
    pub events: Vec<EventName>,
    /// What it is for.
    pub description: String,
    /// Whether it may be at an address that is not public.
    pub private_network: bool,
    /// Whether anything is delivered.
    pub enabled: bool,
    /// Until when deliveries are signed with the key before the present one too, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_key_until: Option<i64>,
    /// How many events it never got because its queue was full.
    pub dropped: u64,
    /// When it was made.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
}

/// A new endpoint with its signing key, which is in no later answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateWebhookResponse {
    /// The endpoint.
    pub webhook: Webhook,
    /// What proves to the receiver that a delivery is ours.
    pub signing_key: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

impl std::fmt::Debug for CreateWebhookResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateWebhookResponse").field("webhook", &self.webhook).finish_non_exhaustive()
    }
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookResponse {
    /// The endpoint.
    pub webhook: Webhook,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Every endpoint of an app, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhooksResponse {
    /// The endpoints.
    pub webhooks: Vec<Webhook>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// An endpoint was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemoveWebhookResponse {
    /// Which.
    pub endpoint_id: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Asks for a new signing key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateWebhookKeyRequest {
    /// How long deliveries are signed with the present key too, in seconds: until every receiver has the new one. A day
    /// if left out, at most 30 days; 0 ends it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 2_592_000))]
    pub overlap_secs: Option<u64>,
}

/// A new signing key, which is in no later answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotateWebhookKeyResponse {
    /// The key.
    pub signing_key: String,
    /// Until when deliveries are signed with the one before too; absent if it ended at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_key_until: Option<i64>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

impl std::fmt::Debug for RotateWebhookKeyResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RotateWebhookKeyResponse(..)")
    }
}

/// Something is in the queue of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueuedResponse {
    /// The delivery, for the log of deliveries.
    pub delivery_id: String,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It will be tried, or tried again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was tried for a day, and given up.
    Failed,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryFault {
    /// The receiver answered with another status than 2xx. Redirects are not followed.
    Status,
    /// The name has no address.
    NameUnknown,
    /// Every address of the name is one that this endpoint may not be at.
    AddressRefused,
    /// No connection.
    Unreachable,
    /// No TLS: the certificate is not trusted or bears another name, or the handshake failed.
    Tls,
    /// No complete answer in time.
    TimedOut,
    /// The answer is not HTTP.
    Protocol,
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryAttempt {
    /// When, in Unix seconds.
    pub at: i64,
    /// The status of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong; absent if it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<DeliveryFault>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
}

/// A delivery, as the log has it. Answers of receivers are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// Names it; the receiver sees it in `Roompass-Delivery`.
    pub delivery_id: String,
    /// What it tells of.
    pub event: EventName,
    /// What became of it.
    pub state: DeliveryState,
    /// The latest attempts, the first of them first: at most 20.
    pub attempts: Vec<DeliveryAttempt>,
    /// When it is tried next, in Unix seconds; absent if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<i64>,
    /// When it was queued.
    pub created_at: i64,
    /// The body, as it is sent.
    pub body: String,
}

/// Which page of the log of deliveries, and of which of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeliveriesQuery {
    /// Those in this state; in any, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryState>,
    /// Those with this in event or body, or with this id; all, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub search: Option<String>,
    /// How many entries at most: 1 to 1,000, 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
    /// Where to go on: the `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of deliveries, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveriesResponse {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_keys_are_not_shown_by_debug() {
        let rotated =
            RotateWebhookKeyResponse { signing_key: "canary".to_owned(), previous_key_until: None, server_time: 0 };
        let webhook = Webhook {
            endpoint_id: "e".to_owned(),
            version: 1,
            url: String::new(),
            events: Vec::new(),
            description: String::new(),
            private_network: false,
            enabled: true,
            previous_key_until: None,
            dropped: 0,
            created_at: 0,
            updated_at: 0,
        };
        let created = CreateWebhookResponse { webhook, signing_key: "canary".to_owned(), server_time: 0 };
        assert!(!format!("{rotated:?}{created:?}").contains("canary"));
    }
}
