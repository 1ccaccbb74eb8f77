//! The limits that every request meets, whoever sends it.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request},
    http::{
        Extensions, HeaderMap, HeaderName, HeaderValue, Version,
        header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    },
    response::Response,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    app::Service,
    error::Error,
    limits::{Allowance, ClientAddress, Source},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Finds the client of a request, counts the request, and hands the client on as an extension. The request is under
/// way until the permit is dropped.
pub(super) fn admit(service: &Service, request: &mut Request) -> Result<OwnedSemaphorePermit, Error> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let ConnectInfo(peer) = peer.ok_or(Error::Internal("a request that came over no socket"))?;
    let forwarded = request.headers().get_all(FORWARDED_FOR).iter();
    // Bytes that are no text are no address either.
    let client = service.limits.client(peer.ip(), forwarded.map(|value| value.to_str().unwrap_or("?")));
    let under_way = service.limits.admit(Source::of(client.0), service.clock.now())?;
    request.extensions_mut().insert(client);
    Ok(under_way)
}

/// Where the request comes from.
pub(super) fn source_of(extensions: &Extensions) -> Result<Source, Error> {
    let client = extensions.get::<ClientAddress>().ok_or(Error::Internal("a request without source"))?;
    Ok(Source::of(client.0))
}

/// Tells the caller what is left.
pub(super) fn tell(headers: &mut HeaderMap, allowance: Allowance) {
    let (burst, window) = (allowance.quota.burst(), allowance.quota.window().as_secs());
    let policy = HeaderValue::try_from(format!("\"key\";q={burst};w={window}"));
    let left = HeaderValue::try_from(format!("\"key\";r={};t={window}", allowance.remaining));
    // Digits and quotes: neither can fail.
    if let (Ok(policy), Ok(left)) = (policy, left) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, left);
    }
}

/// How the length of a request's body was told.
pub(super) struct Framing {
    chunked: bool,
}

/// Refuses requests that another reader on the way may have taken for different ones.
pub(super) fn framing(request: &Request) -> Result<Framing, Error> {
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
    Ok(Framing { chunked })
}

impl Framing {
    /// Ends a connection whose framing another reader may have read differently.
    pub(super) fn finish(self, response: &mut Response) {
        if self.chunked {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}
