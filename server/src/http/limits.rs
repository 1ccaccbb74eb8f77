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
use token_gen::UnixSeconds;
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
pub(super) fn admit(service: &Service, request: &mut Request, now: UnixSeconds) -> Result<OwnedSemaphorePermit, Error> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let ConnectInfo(peer) = peer.ok_or(Error::Internal("a request that came over no socket"))?;
    let forwarded = request.headers().get_all(FORWARDED_FOR).iter();
    // Bytes that are no text are no address either.
    let client = service.limits.client(peer.ip(), forwarded.map(|value| value.to_str().unwrap_or("?")));
    let under_way = service.limits.admit(Source::of(client.0), now)?;
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

/// How a request was told apart from the next one on its connection.
pub(super) struct Framing {
    fault: Option<&'static str>,
    closes: bool,
}

/// Looks for what another reader on the way may have taken for a different request.
pub(super) fn framing(request: &Request) -> Framing {
    let headers = request.headers();
    let count = |name| headers.get_all(name).iter().count();
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let is_old = request.version() < Version::HTTP_2;
    let fault = if count(HOST) > 1 || count(CONTENT_LENGTH) > 1 || count(TRANSFER_ENCODING) > 1 {
        Some("a header that must occur once occurs twice")
    } else if chunked && headers.contains_key(CONTENT_LENGTH) {
        Some("both Content-Length and Transfer-Encoding")
    } else if is_old && count(HOST) == 0 && request.uri().authority().is_none() {
        Some("no Host header")
    } else if is_old && !request.uri().path().starts_with('/') {
        Some("what is asked for is no path")
    } else {
        None
    };
    // HTTP/2 frames requests itself, and knows no such header.
    Framing { fault, closes: is_old && (chunked || fault.is_some()) }
}

impl Framing {
    /// Why the request must not be done.
    pub(super) fn refused(&self) -> Option<Error> {
        self.fault.map(|fault| Error::BadRequest(fault.to_owned()))
    }

    /// Ends a connection whose framing another reader may have read differently.
    pub(super) fn finish(self, response: &mut Response) {
        if self.closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}
