//! `/v1/apps/{app_id}/webhooks` and what lies below

use std::{sync::Arc, time::Duration};

use axum::{
    Json as Answer,
    extract::{RawPathParams, State},
};
use roompass_wire::http::{
    self as wire, CreateWebhookRequest, CreateWebhookResponse, DeliveriesQuery, DeliveriesResponse, Delivery,
    ListQuery, QueuedResponse, RemoveWebhookResponse, RotateWebhookKeyRequest, RotateWebhookKeyResponse,
    UpdateWebhookRequest, Webhook, WebhookResponse, WebhooksResponse,
};
use token_gen::UnixSeconds;

use super::{
    auth::AppCaller,
    extract::{Json, Page, Query, searched},
    origin::Asking,
    revocations::listed,
};
use crate::{
    admin::{EndpointChange, EndpointView},
    app::Service,
    error::Error,
    store::{DeliveryFilter, DeliveryRecord, DeliveryState, StoreError},
    webhooks::EndpointSettings,
};

/// The longest id of a delivery there is.
const MAX_DELIVERY_ID: usize = 64;

/// Makes an endpoint.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<CreateWebhookRequest>,
) -> Result<Answer<CreateWebhookResponse>, Error> {
    let CreateWebhookRequest { url, events, description, private_network, disabled } = request;
    let events = events.unwrap_or_else(EndpointSettings::default_events);
    let settings = EndpointSettings { url, events, description, private_network };
    let (view, key) = service.admin.by(origin).create_webhook(caller.app_id, settings, !disabled).await?;
    Ok(Answer(CreateWebhookResponse {
        webhook: webhook(view),
        signing_key: key.expose().to_owned(),
        server_time: service.clock.now().get(),
    }))
}

/// Lists endpoints.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
) -> Result<Answer<WebhooksResponse>, Error> {
    let webhooks = service.admin.webhooks_of(caller.app_id).await?.into_iter().map(webhook).collect();
    Ok(Answer(WebhooksResponse { webhooks, server_time: service.clock.now().get() }))
}

/// Shows an endpoint.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    path: RawPathParams,
) -> Result<Answer<WebhookResponse>, Error> {
    let view = service.admin.webhook(caller.app_id, endpoint_id(&path)?).await?;
    Ok(Answer(WebhookResponse { webhook: webhook(view), server_time: service.clock.now().get() }))
}

/// Changes an endpoint.
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    path: RawPathParams,
    Json(request): Json<UpdateWebhookRequest>,
) -> Result<Answer<WebhookResponse>, Error> {
    let UpdateWebhookRequest { version, url, events, description, private_network, enabled } = request;
    let change = EndpointChange { version: Some(version), url, events, description, private_network, enabled };
    let view = service.admin.by(origin).update_webhook(caller.app_id, endpoint_id(&path)?, change).await?;
    Ok(Answer(WebhookResponse { webhook: webhook(view), server_time: service.clock.now().get() }))
}

/// Removes an endpoint.
pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    path: RawPathParams,
) -> Result<Answer<RemoveWebhookResponse>, Error> {
    let endpoint_id = endpoint_id(&path)?;
    if !service.admin.by(origin).remove_webhook(caller.app_id, endpoint_id).await? {
        return Err(Error::Missing("webhook"));
    }
    let endpoint_id = endpoint_id.to_owned();
    Ok(Answer(RemoveWebhookResponse { endpoint_id, server_time: service.clock.now().get() }))
}

/// Makes a new signing key.
pub(super) async fn rotate_key(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    path: RawPathParams,
    Json(request): Json<RotateWebhookKeyRequest>,
) -> Result<Answer<RotateWebhookKeyResponse>, Error> {
    let overlap = request.overlap_secs.map(Duration::from_secs);
    let (key, until) = service.admin.by(origin).rotate_webhook_key(caller.app_id, endpoint_id(&path)?, overlap).await?;
    Ok(Answer(RotateWebhookKeyResponse {
        signing_key: key.expose().to_owned(),
        previous_key_until: until.map(UnixSeconds::get),
        server_time: service.clock.now().get(),
    }))
}

/// Tries an endpoint.
pub(super) async fn test(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    path: RawPathParams,
) -> Result<Answer<QueuedResponse>, Error> {
    let delivery_id = service.admin.test_webhook(caller.app_id, endpoint_id(&path)?).await?;
    Ok(Answer(QueuedResponse { delivery_id, server_time: service.clock.now().get() }))
}

/// Lists deliveries.
pub(super) async fn deliveries(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    path: RawPathParams,
    Query(DeliveriesQuery { state, search, limit, cursor }): Query<DeliveriesQuery>,
) -> Result<Answer<DeliveriesResponse>, Error> {
    let page = Page::of(&ListQuery { limit, cursor }, |cursor| is_delivery_id(cursor).then(|| cursor.to_owned()))?;
    let filter = DeliveryFilter { state: state.map(stored), search: searched(search.unwrap_or_default())? };
    let (asked, endpoint_id) = (Arc::clone(&service), endpoint_id(&path)?.to_owned());
    let (before, limit, is_search) = (page.after.clone(), page.limit + 1, filter != DeliveryFilter::default());
    let list = async move {
        let before = before.as_deref();
        match is_search {
            false => asked.admin.deliveries(caller.app_id, &endpoint_id, before, limit).await,
            true => asked.admin.find_deliveries(caller.app_id, &endpoint_id, &filter, before, limit).await,
        }
    };
    let mut found = listed(&service, is_search, list).await?;
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|last| last.delivery_id.clone());
    let deliveries = found.into_iter().map(delivery).collect::<Result<_, _>>()?;
    Ok(Answer(DeliveriesResponse { deliveries, cursor, server_time: service.clock.now().get() }))
}

/// Delivers again.
pub(super) async fn redeliver(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    path: RawPathParams,
) -> Result<Answer<QueuedResponse>, Error> {
    let delivery_id = in_path(&path, "delivery_id")?;
    service.admin.redeliver(caller.app_id, endpoint_id(&path)?, delivery_id).await?;
    Ok(Answer(QueuedResponse { delivery_id: delivery_id.to_owned(), server_time: service.clock.now().get() }))
}

fn endpoint_id(path: &RawPathParams) -> Result<&str, Error> {
    in_path(path, "endpoint_id")
}

fn in_path<'a>(path: &'a RawPathParams, wanted: &str) -> Result<&'a str, Error> {
    path.iter().find_map(|(name, value)| (name == wanted).then_some(value)).ok_or(Error::NotFound)
}

fn is_delivery_id(text: &str) -> bool {
    (1..=MAX_DELIVERY_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn stored(state: wire::DeliveryState) -> DeliveryState {
    match state {
        wire::DeliveryState::Pending => DeliveryState::Pending,
        wire::DeliveryState::Delivered => DeliveryState::Delivered,
        wire::DeliveryState::Failed => DeliveryState::Failed,
    }
}

/// An endpoint as it is shown, here and on the command line.
pub(crate) fn webhook(view: EndpointView) -> Webhook {
    let EndpointSettings { url, events, description, private_network } = view.settings;
    Webhook {
        endpoint_id: view.endpoint_id,
        version: view.version,
        url,
        events,
        description,
        private_network,
        enabled: view.enabled,
        previous_key_until: view.previous_key_until.map(UnixSeconds::get),
        dropped: view.dropped,
        created_at: view.created_at.get(),
        updated_at: view.updated_at.get(),
    }
}

/// A delivery as it is shown, here and on the command line.
pub(crate) fn delivery(record: DeliveryRecord) -> Result<Delivery, Error> {
    let unreadable = |what: &str| StoreError::Unreadable(format!("{what} of delivery {}", record.delivery_id));
    Ok(Delivery {
        event: record.event.parse().map_err(|_| unreadable("event"))?,
        attempts: serde_json::from_str(&record.attempts).map_err(|_| unreadable("attempts"))?,
        state: match record.state {
            DeliveryState::Pending => wire::DeliveryState::Pending,
            DeliveryState::Delivered => wire::DeliveryState::Delivered,
            DeliveryState::Failed => wire::DeliveryState::Failed,
        },
        next_attempt_at: (record.state == DeliveryState::Pending).then(|| record.next_attempt_at.get()),
        created_at: record.created_at.get(),
        body: record.body,
        delivery_id: record.delivery_id,
    })
}
