//! What surrounds every request: an id, a span in the log, limits, and headers that every answer carries.

use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{
        HeaderName, HeaderValue, Uri,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, poll};
use rand::{TryRng, rngs::SysRng};
use roompass_wire::http::SERVER_TIME;
use tokio::time::{error::Elapsed, timeout};
use tracing::Instrument;

use super::{limits, problem};
use crate::{app::Service, audit::RequestId, error::Error, metrics::RouteTable, telemetry::traces};

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

/// What the layer needs.
pub(super) struct Edge {
    ids: RequestIds,
    service: Arc<Service>,
    routes: RouteTable,
}

impl Edge {
    /// Counts the requests for `routes`.
    pub(super) fn new(service: Arc<Service>, routes: RouteTable) -> Self {
        Self { ids: RequestIds::default(), service, routes }
    }
}

/// The layer around every route: names the request, lets it in, and turns every failure within into a problem
/// document. One for all of this, because each layer costs every request a copy of everything below it.
pub(super) async fn surround(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    answer(&edge, request, |request| pass(&edge.service, request, next)).await
}

/// The same for a listener whose connections are limited and whose callers are known: nobody is kept out.
pub(super) async fn name(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    answer(&edge, request, async |request| Ok(next.run(request).await)).await
}

/// Has a request done, in time and whatever happens, and puts on the answer what every answer carries.
async fn answer<F>(edge: &Edge, mut request: Request, within: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Result<Response, Error>>,
{
    let begun = Instant::now();
    let request_id = edge.ids.next();
    request.extensions_mut().insert(request_id);
    let request_id = request_id.to_string();
    // The pattern of the route, not the path: a path can hold anything.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    let counts = edge.routes.find(route, request.method());
    let trace = traces::of_request(request.method(), route, request.headers());
    // A span that log lines show costs more than minting: it is made where there is a trace to find by it. Failures are
    // logged with the id of the request anyway.
    let span = match traces::trace_id(&trace) {
        None => tracing::debug_span!("request", request_id, method = %request.method(), route),
        trace_id => tracing::info_span!("request", request_id, method = %request.method(), route, trace_id),
    };
    async {
        let outcome = in_time(within(request));
        let response = match AssertUnwindSafe(outcome).catch_unwind().await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(error))) => error.into_response(),
            Ok(Err(_)) => Error::TimedOut.into_response(),
            // This request fails, the others go on. What it panicked with may hold anything, so it is not logged here.
            Err(_) => {
                edge.service.metrics.panicked();
                Error::Internal("a handler panicked").into_response()
            }
        };
        let mut response = problem::render(response, &request_id);
        tracing::debug!(status = response.status().as_u16(), "answered");
        let headers = response.headers_mut();
        // All that follow at once, rather than by doubling.
        headers.reserve(8);
        // Answers hold tokens or moments in time: nothing may keep them. Files of the console say otherwise themselves.
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // What is no page may load nothing; pages bring a policy of their own.
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING_ALLOWED);
        headers.insert(HeaderName::from_static(SERVER_TIME), edge.service.clock.now().get().into());
        // Digits and letters: it cannot fail.
        if let Ok(request_id) = HeaderValue::try_from(request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
        traces::answered(&trace, response.status().as_u16());
        counts.answered(response.status(), begun.elapsed());
        response
    }
    .instrument(span)
    .instrument(trace.clone())
    .await
}

/// Has `work` done within the limit. Most of it is done the moment it is asked for, and such needs no timer.
async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut work = pin!(work);
    match poll!(&mut work) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(TIME_LIMIT, work).await,
    }
}

/// Hands a request on that may come in, and keeps its place until the answer.
async fn pass(service: &Service, mut request: Request, next: Next) -> Result<Response, Error> {
    let _under_way = limits::admit(service, &mut request)?;
    let framing = limits::framing(&request);
    let is_sound = framing.refused().map_or_else(|| refuse_credentials_in_query(request.uri()), Err);
    let mut response = match is_sound {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    framing.finish(&mut response);
    Ok(response)
}

/// Query strings end up in logs and histories, so a credential in one is refused even where it would be good.
fn refuse_credentials_in_query(uri: &Uri) -> Result<(), Error> {
    let leaks = uri.query().unwrap_or_default().split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = name.to_ascii_lowercase();
        // What names a token is no secret, and far shorter than any token.
        if name == "token_id" && value.len() <= 64 && !value.starts_with("rp_") {
            return false;
        }
        ["token", "key", "secret", "sign", "auth", "password"].iter().any(|word| name.contains(word))
            || value.starts_with("rp_")
    });
    if leaks {
        let reason = "a credential in the query string; send it in the Authorization header, and replace it";
        return Err(Error::BadRequest(reason.to_owned()));
    }
    Ok(())
}
