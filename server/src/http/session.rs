//! Sessions of the console: the cookie, and the proof that a request comes from our own pages.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN},
        request::Parts,
    },
    response::Response,
};
use roompass_wire::http::{CSRF_HEADER, Role};
use token_gen::UnixSeconds;

use super::{limits, route::Gate};
use crate::{
    admins::{LONGEST_SESSION, SessionToken, SignedIn},
    app::Service,
    error::Error,
    limits::Source,
};

/// Over TLS the browser itself keeps the cookie to this host, path and scheme.
const SECURE_COOKIE: &str = "__Host-roompass";
/// On loopback there may be no TLS.
const LOOPBACK_COOKIE: &str = "roompass";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An admin whom the route's policy has proven.
#[derive(Debug, Clone)]
pub(super) struct Admin(pub(super) SignedIn);

/// Where the request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct From(pub(super) Source);

/// The policy `Visitor`: nobody yet, but from our own pages.
pub(super) async fn require_visitor(gate: &Gate, request: Request, now: UnixSeconds) -> Result<Response, Error> {
    let service = &gate.service;
    let source = limits::source_of(request.extensions())?;
    if !request.method().is_safe() {
        require_own_page(service, request.headers())?;
        service.limits.may_guess(source, now)?;
    }
    let response = gate.run(request).await;
    // Errors are not rendered yet: this is one that says that a name, password or code was wrong.
    if matches!(response.extensions().get::<Arc<Error>>().map(|error| &**error), Some(Error::Unauthorized)) {
        service.limits.note_wrong_guess(source, now);
    }
    Ok(response)
}

/// The policies `SignedIn` and `Admin(role)`: somebody with a session, and with that role over all apps if one is
/// named.
pub(super) async fn require_admin(
    gate: &Gate,
    role: Option<Role>,
    mut request: Request,
    now: UnixSeconds,
) -> Result<Response, Error> {
    admit(&gate.service, role, &mut request, now).await?;
    Ok(gate.run(request).await)
}

/// Who is signed in, if they have that role; the request has the proof in it then.
pub(super) async fn admit(
    service: &Service,
    role: Option<Role>,
    request: &mut Request,
    now: UnixSeconds,
) -> Result<SignedIn, Error> {
    let signed_in = prove(service, request, now).await?;
    if let Some(role) = role {
        signed_in.require(role)?;
        if !request.method().is_safe() {
            signed_in.require_recent(now)?;
        }
    }
    request.extensions_mut().insert(Admin(signed_in.clone()));
    Ok(signed_in)
}

/// Whether the request shows a session and nothing else.
pub(super) fn is_shown(service: &Service, headers: &HeaderMap) -> bool {
    !headers.contains_key(AUTHORIZATION) && cookie(service, headers).is_some()
}

/// Who is signed in, if the request may act for them.
pub(super) async fn prove(service: &Service, request: &mut Request, now: UnixSeconds) -> Result<SignedIn, Error> {
    let source = limits::source_of(request.extensions())?;
    let headers = request.headers();
    let changes = !request.method().is_safe();
    if changes {
        require_own_page(service, headers)?;
    }
    let Some(cookie) = cookie(service, headers) else { return Err(Error::Unauthorized) };
    service.limits.may_guess(source, now)?;
    let proven = service.admins.authenticate(SessionToken::new(cookie)).await;
    if let Err(Error::Unauthorized) = proven {
        service.limits.note_wrong_guess(source, now);
    }
    let signed_in = proven?;
    if changes
        && !only(headers, &HeaderName::from_static(CSRF_HEADER))
            .is_some_and(|text| signed_in.token.has_csrf_token(text))
    {
        return Err(Error::NotAllowed("the CSRF token of the session is missing or wrong"));
    }
    Ok(signed_in)
}

/// Refuses what another site could make a browser send.
fn require_own_page(service: &Service, headers: &HeaderMap) -> Result<(), Error> {
    let media_type = only(headers, &CONTENT_TYPE).unwrap_or_default();
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Error::UnsupportedMediaType);
    }
    let site_is_own = only(headers, &FETCH_SITE).map(|site| site == "same-origin");
    let origin_is_own = only(headers, &ORIGIN).map(|origin| is_own_origin(service, origin, headers));
    let repeated = [FETCH_SITE, ORIGIN].iter().any(|name| headers.get_all(name).iter().count() > 1);
    match (site_is_own, origin_is_own) {
        (Some(false), _) | (_, Some(false)) | (None, None) => {}
        _ if repeated => {}
        _ => return Ok(()),
    }
    Err(Error::NotAllowed("the request does not come from this server's own pages"))
}

/// Our origin is what the operator says; on loopback, whatever loopback name the browser was given.
fn is_own_origin(service: &Service, origin: &str, headers: &HeaderMap) -> bool {
    if origin == service.origin {
        return true;
    }
    let (Some(authority), Some(host)) = (origin.strip_prefix("http://"), only(headers, &HOST)) else { return false };
    let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
    service.origin.starts_with("http://") && authority == host && ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

/// The session cookie, if there is exactly one.
fn cookie<'a>(service: &Service, headers: &'a HeaderMap) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    let mut ours =
        pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == cookie_name(service));
    let (only, None) = (ours.next()?, ours.next()) else { return None };
    Some(only.1)
}

fn cookie_name(service: &Service) -> &'static str {
    if is_secure(service) { SECURE_COOKIE } else { LOOPBACK_COOKIE }
}

fn is_secure(service: &Service) -> bool {
    service.origin.starts_with("https://")
}

/// The value of a header that occurs once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let (only, None) = (all.next()?, all.next()) else { return None };
    only.to_str().ok()
}

/// The `Set-Cookie` that begins a session.
pub(super) fn begin(service: &Service, token: &SessionToken) -> Result<HeaderValue, Error> {
    set_cookie(service, token.expose(), LONGEST_SESSION.as_secs())
}

/// The `Set-Cookie` that ends it.
pub(super) fn end(service: &Service) -> Result<HeaderValue, Error> {
    set_cookie(service, "", 0)
}

fn set_cookie(service: &Service, value: &str, max_age: u64) -> Result<HeaderValue, Error> {
    let (name, secure) = (cookie_name(service), if is_secure(service) { "; Secure" } else { "" });
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age}{secure}");
    let mut header = HeaderValue::from_str(&text).map_err(|_| Error::Internal("a cookie that is no header"))?;
    header.set_sensitive(true);
    Ok(header)
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let proven = parts.extensions.get().cloned();
        proven.ok_or(Error::Internal("a handler wants an admin whom its policy does not prove"))
    }
}

impl<S: Sync> FromRequestParts<S> for From {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        limits::source_of(&parts.extensions).map(Self)
    }
}
