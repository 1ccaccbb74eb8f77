//! What surrounds every request: an id, a span in the log, a time limit, and headers that every answer carries.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use rand::{TryRng, rngs::SysRng};
use roompass_wire::http::SERVER_TIME;
use tracing::Instrument;

use super::problem;
use crate::{audit::RequestId, clock::Clock, error::Error};

/// The longest a handler may take, from the first byte of the body to the answer.
const TIME_LIMIT: Duration = Duration::from_secs(10);
const NOTHING_ALLOWED: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names requests: a random beginning for this process, then a count.
struct RequestIds {
    process: u32,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        // Ids need not be secret, only different between processes: without randomness they still count.
        Self { process: SysRng.try_next_u32().unwrap_or_default(), next: AtomicU64::new(1) }
    }
}

impl RequestIds {
    fn next(&self) -> RequestId {
        RequestId { process: self.process, count: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

/// What the outermost layer needs.
pub(super) struct Edge {
    ids: RequestIds,
    clock: Arc<dyn Clock>,
}

impl Edge {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { ids: RequestIds::default(), clock }
    }
}

/// The outermost layer: names the request, and turns every failure within into a problem document.
pub(super) async fn finish(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let request_id = edge.ids.next();
    request.extensions_mut().insert(request_id);
    let request_id = request_id.to_string();
    // The pattern of the route, not the path: a path can hold anything.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    let span = tracing::info_span!("request", request_id, method = %request.method(), route);
    async {
        let mut response = problem::render(next.run(request).await, &request_id);
        tracing::debug!(status = response.status().as_u16(), "answered");
        let headers = response.headers_mut();
        // Answers hold tokens or moments in time: nothing may keep them.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // What is no page may load nothing; pages bring a policy of their own.
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING_ALLOWED);
        headers.insert(HeaderName::from_static(SERVER_TIME), edge.clock.now().get().into());
        if let Ok(request_id) = HeaderValue::from_str(&request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
        response
    }
    .instrument(span)
    .await
}

/// Answers with a failure what takes too long.
pub(super) async fn time_out(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::TimedOut.into_response(),
    }
}

/// A handler panicked: this request fails, the others go on. The payload may hold anything, so it is not logged here.
pub(super) fn on_panic(_: Box<dyn Any + Send>) -> Response {
    Error::Internal("a handler panicked").into_response()
}

/// Query strings end up in logs and histories, so a credential in one is refused even where it would be good.
pub(super) async fn refuse_credentials_in_query(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let leaks = query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = name.to_ascii_lowercase();
        ["token", "key", "secret", "sign", "auth", "password"].iter().any(|word| name.contains(word))
            || value.starts_with("rp_")
    });
    if leaks {
        let reason = "a credential in the query string; send it in the Authorization header, and replace it";
        return Error::BadRequest(reason.to_owned()).into_response();
    }
    next.run(request).await
}
