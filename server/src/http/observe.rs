//! The face for whoever watches the service: its numbers, and whether it lives and can serve. On a listener of its own,
//! so that it answers while the other one has no connection to give, and nobody else sees it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use roompass_wire::http::{HEALTH_PATH, READY_PATH};
use tokio::time::timeout;

use super::{health, method_not_allowed, not_found, problem};
use crate::{app::Service, error::Error, metrics};

/// `GET`: the numbers, for Prometheus.
pub(crate) const METRICS_PATH: &str = "/metrics";
/// Connections open at a time. A scraper needs one.
pub(crate) const MAX_CONNECTIONS: usize = 16;
/// The longest an answer may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// What the listener of `[metrics]` serves.
pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route(METRICS_PATH, get(numbers))
        .route(HEALTH_PATH, get(health::live))
        .route(READY_PATH, get(health::ready))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(surround))
        .with_state(service)
}

/// Far less than what surrounds the service's own routes: no limit that clients can meet keeps a watcher out, and what is
/// watched does not change by being watched.
async fn surround(request: Request, next: Next) -> Response {
    let response = timeout(TIME_LIMIT, next.run(request)).await.unwrap_or_else(|_| Error::TimedOut.into_response());
    let mut response = problem::render(response, "-");
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn numbers(State(service): State<Arc<Service>>) -> Response {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(metrics::MEDIA_TYPE))]);
    (headers, service.metrics.text(&service).await).into_response()
}
