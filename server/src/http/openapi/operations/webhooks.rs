//! Webhook endpoints and their deliveries.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    http::{
        CreateWebhookRequest, CreateWebhookResponse, DELIVERIES_PATH, DeliveriesQuery, DeliveriesResponse, Delivery,
        DeliveryAttempt, DeliveryFault, DeliveryState, QueuedResponse, REDELIVER_PATH, RemoveWebhookResponse,
        RotateWebhookKeyRequest, RotateWebhookKeyResponse, UpdateWebhookRequest, WEBHOOK_KEY_PATH, WEBHOOK_PATH,
        WEBHOOK_TEST_PATH, WEBHOOKS_PATH, Webhook, WebhookResponse, WebhooksResponse,
    },
    webhook::EventName,
};

use super::super::operation::{Operation, WEBHOOKS};

const NOW: i64 = 1_800_000_000;
const ENDPOINT_ID: &str = "hT4bV0nq9ZkE";
const DELIVERY_ID: &str = "6b49d200Zt3kQwF0aJr8sLx2mVb7Xw";
const URL: &str = "https://hooks.example.com/roompass";

pub(super) fn operations() -> Vec<Operation> {
    [endpoints(), deliveries()].into_iter().flatten().collect()
}

fn new(id: &'static str, method: Method, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, method, path, WEBHOOKS, summary)
}

fn endpoints() -> Vec<Operation> {
    let create = CreateWebhookRequest {
        url: URL.to_owned(),
        events: Some(vec![EventName::Refused, EventName::Revoked]),
        description: "alerts".to_owned(),
        private_network: false,
        disabled: false,
    };
    let webhook = Webhook {
        endpoint_id: ENDPOINT_ID.to_owned(),
        version: 1,
        url: URL.to_owned(),
        events: vec![EventName::Refused, EventName::Revoked],
        description: "alerts".to_owned(),
        private_network: false,
        enabled: true,
        previous_key_until: None,
        dropped: 0,
        created_at: NOW,
        updated_at: NOW,
    };
    let created =
        CreateWebhookResponse { webhook: webhook.clone(), signing_key: "rpwh_zX1pYwQ…".to_owned(), server_time: NOW };
    let shown = WebhookResponse { webhook: webhook.clone(), server_time: NOW };
    let rotated = RotateWebhookKeyResponse {
        signing_key: "rpwh_zX1pYwQ…".to_owned(),
        previous_key_until: Some(NOW + 86_400),
        server_time: NOW,
    };
    let queued = QueuedResponse { delivery_id: DELIVERY_ID.to_owned(), server_time: NOW };
    let update = UpdateWebhookRequest { version: 1, enabled: Some(false), ..UpdateWebhookRequest::default() };
    vec![
        new("create_webhook", Method::POST, WEBHOOKS_PATH, "Make an endpoint")
            .about(
                "The URL must be https, at a public address when it is dialled; `private_network` is for networks that \
                 the server's operator has listed.",
            )
            .body(&create)
            .answer(200, "The endpoint with its signing key, which is in no later answer.", &created)
            .refuses(&[ErrorCode::StoreFull]),
        new("list_webhooks", Method::GET, WEBHOOKS_PATH, "List endpoints").answer(
            200,
            "All of them, at most 20.",
            &WebhooksResponse { webhooks: vec![webhook], server_time: NOW },
        ),
        new("show_webhook", Method::GET, WEBHOOK_PATH, "Show an endpoint")
            .answer(200, "The endpoint, without its signing key.", &shown)
            .refuses(&[ErrorCode::NotFound]),
        new("update_webhook", Method::PATCH, WEBHOOK_PATH, "Change an endpoint")
            .about("What is left out stays. Names the version that was read; another one by now is a conflict.")
            .body(&update)
            .answer(200, "The endpoint as it is now.", &shown)
            .refuses(&[ErrorCode::NotFound, ErrorCode::Conflict]),
        new("remove_webhook", Method::DELETE, WEBHOOK_PATH, "Remove an endpoint")
            .about("What was not delivered yet is not delivered any more.")
            .answer(
                200,
                "It is gone, and so is its log.",
                &RemoveWebhookResponse { endpoint_id: ENDPOINT_ID.to_owned(), server_time: NOW },
            )
            .refuses(&[ErrorCode::NotFound]),
        new("rotate_webhook_key", Method::POST, WEBHOOK_KEY_PATH, "Make a new signing key")
            .about("For a while deliveries carry a signature with each of the two keys.")
            .body(&RotateWebhookKeyRequest { overlap_secs: Some(86_400) })
            .answer(200, "The key, which is in no later answer.", &rotated)
            .refuses(&[ErrorCode::NotFound, ErrorCode::Conflict]),
        new("test_webhook", Method::POST, WEBHOOK_TEST_PATH, "Send a test event")
            .answer(200, "It is in the queue; the log says what becomes of it.", &queued)
            .refuses(&[ErrorCode::NotFound, ErrorCode::FieldInvalid]),
    ]
}

fn deliveries() -> Vec<Operation> {
    let failed = DeliveryAttempt { at: NOW, status: Some(500), fault: Some(DeliveryFault::Status), latency_ms: 12 };
    let delivery = Delivery {
        delivery_id: DELIVERY_ID.to_owned(),
        event: EventName::Test,
        state: DeliveryState::Pending,
        attempts: vec![failed],
        next_attempt_at: Some(NOW + 2),
        created_at: NOW,
        body: "{\"version\":1,…}".to_owned(),
    };
    let queued = QueuedResponse { delivery_id: DELIVERY_ID.to_owned(), server_time: NOW };
    vec![
        new("list_deliveries", Method::GET, DELIVERIES_PATH, "Show the log of deliveries")
            .query::<DeliveriesQuery>()
            .answer(
                200,
                "A page of them, the latest first.",
                &DeliveriesResponse { deliveries: vec![delivery], cursor: None, server_time: NOW },
            )
            .refuses(&[ErrorCode::NotFound]),
        new("redeliver", Method::POST, REDELIVER_PATH, "Deliver again")
            .about("Under the same id, now, whatever became of it; its tries are counted anew.")
            .answer(200, "It is in the queue.", &queued)
            .refuses(&[ErrorCode::NotFound]),
    ]
}
