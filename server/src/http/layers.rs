//! What surrounds every request: an id, a span in the log, limits, and headers that every answer carries.

use std::{
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
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
        HeaderMap, HeaderName, HeaderValue, Uri,
        header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, poll};
use rand::{TryRng, rngs::SysRng};
use roompass_wire::{http::SERVER_TIME, signed::SCHEME};
use token_gen::UnixSeconds;
use tokio::time::{error::Elapsed, timeout};
use tracing::Instrument;

use super::{limits, problem};
use crate::{
    app::Service,
    audit::RequestId,
    error::Error,
    metrics::{RouteCounts, RouteTable},
    telemetry::traces,
};

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
    /// Counts the requests for `routes`, and those of the table by themselves.
    pub(super) fn new(service: Arc<Service>, routes: RouteTable) -> Self {
        Self { ids: RequestIds::default(), service, routes }
    }

    /// The pattern of the route that was found, and what its requests are counted in.
    fn counts<'a>(&'a self, path: &'a Option<MatchedPath>, request: &Request) -> (&'a str, &'a RouteCounts) {
        let path = path.as_ref().map_or("-", MatchedPath::as_str);
        (path, self.routes.find(path, request.method()))
    }
}

/// What is around every route: names the request, lets it in, and turns every failure within into a problem document.
/// One for all of this, because each layer costs every request a copy of everything below it.
pub(super) async fn surround<F>(
    edge: &Edge,
    (path, counts): (&str, &RouteCounts),
    request: Request,
    within: impl FnOnce(Request, UnixSeconds) -> F,
) -> Response
where
    F: Future<Output = Result<Response, Error>>,
{
    answer(edge, (path, counts), request, |request| pass(&edge.service, request, within)).await
}

/// The same as a layer, for routes that are not in the table.
pub(super) async fn layer(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let path = matched(&request);
    surround(&edge, edge.counts(&path, &request), request, async |request, _| Ok(next.run(request).await)).await
}

/// The same for what is refused whoever asks.
pub(super) async fn refuse(edge: &Edge, request: Request, error: Error) -> Response {
    let path = matched(&request);
    surround(edge, edge.counts(&path, &request), request, async |_, _| Err(error)).await
}

/// The same as a layer on a listener whose connections are limited and whose callers are known: nobody is kept out.
pub(super) async fn name(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let path = matched(&request);
    answer(&edge, edge.counts(&path, &request), request, async |request| Ok(next.run(request).await)).await
}

/// The path of the route that was found.
fn matched(request: &Request) -> Option<MatchedPath> {
    request.extensions().get().cloned()
}

/// Has a request done, in time and whatever happens, and puts on the answer what every answer carries. `path` is the
/// pattern of the route and not the path asked for, which can hold anything.
async fn answer<F>(
    edge: &Edge,
    (path, counts): (&str, &RouteCounts),
    mut request: Request,
    within: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Result<Response, Error>>,
{
    let begun = Instant::now();
    let request_id = edge.ids.next();
    let is_for_page = may_be_for_page(request.headers());
    request.extensions_mut().insert(request_id);
    let request_id = request_id.to_string();
    let trace = traces::of_request(request.method(), path, request.headers());
    // A span that log lines show costs more than minting: it is made where there is a trace to find by it. Failures are
    // logged with the id of the request anyway.
    let span = match traces::trace_id(&trace) {
        None => tracing::debug_span!("request", request_id, method = %request.method(), route = path),
        trace_id => tracing::info_span!("request", request_id, method = %request.method(), route = path, trace_id),
    };
    async {
        let work = pin!(within(request));
        let response = match AssertUnwindSafe(in_time(work)).catch_unwind().await {
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
        if is_for_page {
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            // What is no page may load nothing; pages bring a policy of their own.
            headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING_ALLOWED);
        }
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

/// Whether a browser may show the answer as a page. Of credentials in this header, it shows none but those of the
/// scheme `Basic` for a page; whoever shows another is a program, and reads more headers for nothing.
fn may_be_for_page(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_none_or(|value| {
        let scheme = value.as_bytes().split(|&byte| byte == b' ').next().unwrap_or_default();
        !scheme.eq_ignore_ascii_case(b"bearer") && scheme != SCHEME.as_bytes()
    })
}

/// Has `work` done within the limit. Most of it is done the moment it is asked for, and such needs no timer.
async fn in_time<T>(mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, Elapsed> {
    match poll!(&mut work) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(TIME_LIMIT, work).await,
    }
}

/// Hands a request on that may come in, with the time when it did, and keeps its place until the answer.
async fn pass<F>(
    service: &Service,
    mut request: Request,
    within: impl FnOnce(Request, UnixSeconds) -> F,
) -> Result<Response, Error>
where
    F: Future<Output = Result<Response, Error>>,
{
    let now = service.clock.now();
    let _under_way = limits::admit(service, &mut request, now)?;
    let framing = limits::framing(&request);
    let is_sound = framing.refused().map_or_else(|| refuse_credentials_in_query(request.uri()), Err);
    let done = match is_sound {
        Ok(()) => within(request, now).await,
        Err(error) => Err(error),
    };
    let mut response = done.unwrap_or_else(Error::into_response);
    framing.finish(&mut response);
    Ok(response)
}

/// Query strings end up in logs and histories, so a credential in one is refused even where it would be good.
fn refuse_credentials_in_query(uri: &Uri) -> Result<(), Error> {
    let Some(query) = uri.query() else { return Ok(()) };
    let leaks = query.split('&').any(|pair| {
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
