//! WHIP and WHEP from pages (CORS): those that may open sockets may publish and play this way as well, and no others. The
//! login is to an app that takes the page's origin, if only some do.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use roompass_wire::{ErrorCode, gateway::MEDIA_PATH};

use crate::gateway::{Gateway, origin, refusal};

const OF_OFFERS: HeaderValue = HeaderValue::from_static("POST");
const OF_RESOURCES: HeaderValue = HeaderValue::from_static("PATCH, DELETE");
const SENT: HeaderValue = HeaderValue::from_static("authorization, content-type, if-match");
const SHOWN: HeaderValue = HeaderValue::from_static("accept-patch, etag, link, location, retry-after");
const TEN_MINUTES: HeaderValue = HeaderValue::from_static("600");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// Lets a request pass if it comes from no page, or from one that may; and lets that page read the answer.
pub(super) async fn serve(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let config = &gateway.config;
    let allowed = config.server_origins.iter().chain(&config.allowed_origins);
    let of_some_app = |origin: &str| gateway.directory.takes_pages_of(origin);
    let Some(comer) = origin::comer(request.headers(), allowed, of_some_app) else {
        return refusal(ErrorCode::Forbidden, "pages of this origin may not publish or play here");
    };
    let page = request.headers().get(header::ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        let is_resource = request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str() == MEDIA_PATH);
        options(if is_resource { OF_RESOURCES } else { OF_OFFERS }, page.is_some())
    } else {
        request.extensions_mut().insert(comer);
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(page) = page {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
    }
    response
}

/// What may be asked, for a browser that asks before, and for anybody who wants to know.
fn options(methods: HeaderValue, is_page: bool) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::ALLOW, methods.clone());
    headers.insert(ACCEPT_POST, super::SDP);
    if is_page {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, TEN_MINUTES);
    }
    (StatusCode::NO_CONTENT, headers).into_response()
}
