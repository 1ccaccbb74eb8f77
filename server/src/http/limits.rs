//! The limits that every request meets, whoever sends it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{
        Extensions, HeaderMap, HeaderName, HeaderValue, Version,
        header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    },
    middleware::Next,
    response::Response,
};

use crate::{
    app::Service,
    error::Error,
    limits::{Allowance, Source},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Finds the source of a request, counts it, and hands it on as an extension.
pub(super) async fn admit(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let ConnectInfo(peer) = peer.ok_or(Error::Internal("a request that came over no socket"))?;
    let forwarded = request.headers().get_all(FORWARDED_FOR);
    // Bytes that are no text are no address either.
    let forwarded: Vec<&str> = forwarded.iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let client = service.limits.client(peer.ip(), forwarded.into_iter());
    let source = Source::of(client.0);
    let _under_way = service.limits.admit(source, service.clock.now())?;
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(source);
    Ok(next.run(request).await)
}

/// Where the request comes from.
pub(super) fn source_of(extensions: &Extensions) -> Result<Source, Error> {
    extensions.get().copied().ok_or(Error::Internal("a request without source"))
}

/// Tells the caller what is left.
pub(super) fn tell(headers: &mut HeaderMap, allowance: Allowance) {
    let (burst, window) = (allowance.quota.burst(), allowance.quota.window().as_secs());
    let policy = HeaderValue::from_str(&format!("\"key\";q={burst};w={window}"));
    let left = HeaderValue::from_str(&format!("\"key\";r={};t={window}", allowance.remaining));
    // Digits and quotes: neither can fail.
    if let (Ok(policy), Ok(left)) = (policy, left) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, left);
    }
}

/// Refuses requests that another reader on the way may have taken for different ones, and ends connections whose
/// framing such a reader may have read differently.
pub(super) async fn refuse_ambiguous_framing(request: Request, next: Next) -> Result<Response, Error> {
    let headers = request.headers();
    let count = |name| headers.get_all(name).iter().count();
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    if count(HOST) > 1 || count(CONTENT_LENGTH) > 1 || count(TRANSFER_ENCODING) > 1 {
        return Err(Error::BadRequest("a header that must occur once occurs twice".to_owned()));
    }
    if chunked && headers.contains_key(CONTENT_LENGTH) {
        return Err(Error::BadRequest("both Content-Length and Transfer-Encoding".to_owned()));
    }
    if request.version() < Version::HTTP_2 && count(HOST) == 0 && request.uri().authority().is_none() {
        return Err(Error::BadRequest("no Host header".to_owned()));
    }
    let mut response = next.run(request).await;
    if chunked {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
