//! Who calls: proves the caller before the handler runs, and hands the proof to it as [`AppCaller`].

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
    middleware::Next,
    response::Response,
};

use token_gen::AppId;

use crate::{
    app::Service,
    error::Error,
    keys::{Caller, Right},
};

/// A caller whose key is of the app in the path and has the right that the route's policy names.
#[derive(Debug, Clone)]
pub(super) struct AppCaller(pub(super) Arc<Caller>);

/// The policy `AppKey(right)`.
pub(super) async fn require_app_key(
    State((service, right)): State<(Arc<Service>, Right)>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let now = service.clock.now();
    let caller = bearer(request.headers()).and_then(|key| service.keyring.authenticate(key, now));
    let caller = caller.ok_or(Error::Unauthorized)?;
    // Another app answers like one that does not exist, or could not.
    if path.ok().and_then(|path| app_id_in(&path)) != Some(caller.app_id) {
        return Err(Error::AppUnknown);
    }
    caller.require(right)?;
    request.extensions_mut().insert(AppCaller(caller));
    Ok(next.run(request).await)
}

fn app_id_in(path: &RawPathParams) -> Option<AppId> {
    path.iter().find_map(|(name, value)| (name == "app_id").then_some(value))?.parse().ok()
}

/// The text after `Bearer`, if there is exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (all.next()?, all.next()) else { return None };
    let (scheme, credential) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential)
}

impl<S: Sync> FromRequestParts<S> for AppCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or(Error::Internal("a handler wants a caller that its policy does not prove"))
    }
}
