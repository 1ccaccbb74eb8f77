//! The face for whoever watches the service: its numbers, and whether it lives and can serve. On a listener of its own,
//! so that it answers while the other one has no connection to give, and nobody else sees it.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use roompass_wire::http::{HEALTH_PATH, READY_PATH};

use super::{health, layers, method_not_allowed, not_found};
use crate::{app::Service, metrics};

/// `GET`: the numbers, for Prometheus.
pub(crate) const METRICS_PATH: &str = "/metrics";
/// Connections open at a time. A scraper needs one.
pub(crate) const MAX_CONNECTIONS: usize = 16;

/// What the listener of `[metrics]` serves.
pub(crate) fn router(service: Arc<Service>) -> Router {
    // What is watched shall not change by being watched: nothing is counted here.
    let edge = layers::Edge::new(Arc::clone(&service), metrics::Metrics::default().requests.table([]));
    Router::new()
        .route(METRICS_PATH, get(numbers))
        .route(HEALTH_PATH, get(health::live))
        .route(READY_PATH, get(health::ready))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::new(edge), layers::name))
        .with_state(service)
}

async fn numbers(State(service): State<Arc<Service>>) -> Response {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(metrics::MEDIA_TYPE))]);
    (headers, service.metrics.text(&service).await).into_response()
}
