//! From an HTTP request to what [`crate::signed`] judges: the body is read whole and hashed before anything parses it.

use std::{mem::take, sync::Arc};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{
        HeaderMap, HeaderName, Method, Uri,
        header::{CONTENT_ENCODING, CONTENT_TYPE, HOST},
    },
};
use roompass_wire::{http::TOKENS_BATCH_PATH, signed::SignatureHeader};
use sha2::{Digest, Sha256};
use token_gen::UnixSeconds;

use super::{MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES, extract::whole_body};
use crate::{
    app::Service,
    error::Error,
    keys::Caller,
    signed::{self, Received},
};

/// Who signed the request, which can be handled then as if it had come unread.
pub(super) async fn authenticate(
    service: &Service,
    credential: &str,
    request: &mut Request,
    now: UnixSeconds,
) -> Result<Arc<Caller>, Error> {
    // Nonces are forgotten by the clock: set back, it would let old requests in again.
    if !service.tokens.trusts(now) {
        return Err(Error::ClockBehind);
    }
    let header: SignatureHeader = credential.parse().map_err(|_| Error::Unauthorized)?;
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Error::BadRequest("a signed body must not be encoded".to_owned()));
    }
    let max_bytes = match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        Some(TOKENS_BATCH_PATH) => MAX_BATCH_BODY_BYTES,
        _ => MAX_BODY_BYTES,
    };
    let body = whole_body(take(request.body_mut()), max_bytes).await?;
    let body_sha256 = Sha256::digest(&body).into();
    *request.body_mut() = Body::from(body);
    let received = received(request.method(), request.uri(), request.headers(), &body_sha256)?;
    signed::authenticate(received, &header, &service.keyring, &*service.store, now).await
}

fn received<'a>(
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body_sha256: &'a [u8; 32],
) -> Result<Received<'a>, Error> {
    let host = match (only(headers, HOST)?, uri.authority()) {
        (Some(host), None) => host,
        (None, Some(authority)) => authority.as_str(),
        _ => return Err(Error::BadRequest("a signed request names its host once".to_owned())),
    };
    Ok(Received {
        method: method.as_str(),
        host,
        path: uri.path(),
        query: uri.query(),
        content_type: only(headers, CONTENT_TYPE)?,
        body_sha256,
    })
}

/// The value of a header that occurs at most once.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Error> {
    let mut all = headers.get_all(&name).iter();
    let first = all.next().map(|value| value.to_str()).transpose();
    match (first, all.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(Error::BadRequest(format!("a signed request has one readable {name}"))),
    }
}
