//! Who calls: proves the caller before the handler runs, and hands the proof to it as [`AppCaller`].
//!
//! A backend shows its key or signs the request; an admin who is signed in to the console has a session. All three
//! become the same [`Caller`].

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
    response::Response,
};
use roompass_wire::{http::Role, signed::SCHEME};
use token_gen::{AppId, UnixSeconds};

use super::{
    idempotency, limits,
    origin::{Asking, OperatorKey},
    route::Gate,
    session, signed,
};
use crate::{
    admins::role_for,
    app::Service,
    audit::{Action, Event},
    error::Error,
    keys::{Caller, Holder, Right, Scope},
    limits::Allowance,
};

/// A caller who may act in the app of the path and has the right that the route's policy names.
#[derive(Debug, Clone)]
pub(super) struct AppCaller(pub(super) Arc<Caller>);

/// The policy `AppKey(right)`.
pub(super) async fn require_app_key(
    gate: &Gate,
    right: Right,
    mut request: Request,
    now: UnixSeconds,
) -> Result<Response, Error> {
    let service = &gate.service;
    let app_id = gate.app_id(request.uri());
    let admitted = admit(service, right, app_id, &mut request, now).await;
    let (caller, allowance) = admitted.inspect_err(|error| note_refused(service, &request, app_id, error))?;
    request.extensions_mut().insert(AppCaller(Arc::clone(&caller)));
    let key = if gate.takes_key { idempotency::key(&request)? } else { None };
    let mut response = match key {
        Some(key) => {
            let caller = (caller.app_id.get(), &*caller.key_id);
            Box::pin(idempotency::once(gate, caller, key, request)).await?
        }
        None => gate.run(request).await,
    };
    limits::tell(response.headers_mut(), allowance);
    Ok(response)
}

/// The proven caller, who has the right, and what is left to ask for.
async fn admit(
    service: &Service,
    right: Right,
    app_id: Option<AppId>,
    request: &mut Request,
    now: UnixSeconds,
) -> Result<(Arc<Caller>, Allowance), Error> {
    let caller = if session::is_shown(service, request.headers()) {
        Box::pin(session_caller(service, request, right, app_id, now)).await?
    } else {
        caller_of(prove(service, request, now).await?, right, app_id)?
    };
    let allowance = service.limits.spend(&caller, now)?;
    // Another app answers like one that does not exist, or could not.
    if app_id != Some(caller.app_id) {
        return Err(Error::AppUnknown);
    }
    caller.require(right)?;
    // No such key is made; one may be left of an older server.
    if right == Right::Admin && !caller.scope.may_administer() {
        return Err(Error::NotAllowed(
            "this key is bound to rooms, privileges or a lifetime, and admin reaches beyond",
        ));
    }
    Ok((caller, allowance))
}

/// Records that somebody was not let through. Of an app that is not there only the refusal is kept.
fn note_refused(service: &Service, request: &Request, app_id: Option<AppId>, error: &Error) {
    let app_id = app_id.filter(|&app_id| service.directory.holds(app_id));
    let event = Event { app_id, ..Event::new(Action::Call) };
    let origin = Asking::of(request.extensions());
    service.audit.note_stranger(origin, event.refused(error.code().as_str()).saying(error.to_string()));
}

/// Who holds the key, as a caller. An operator administers every app, and mints for none.
fn caller_of(holder: Holder, right: Right, app_id: Option<AppId>) -> Result<Arc<Caller>, Error> {
    match holder {
        Holder::App(caller) => Ok(caller),
        Holder::Operator { key_id } if matches!(right, Right::Admin | Right::Read | Right::Operate) => {
            let scope = Scope { rights: vec![right], ..Scope::default() };
            Ok(Arc::new(Caller { key_id, app_id: app_id.ok_or(Error::AppUnknown)?, scope }))
        }
        Holder::Operator { .. } => Err(Error::Forbidden(right)),
    }
}

/// The policy `Operator(role)`.
pub(super) async fn require_operator(
    gate: &Gate,
    role: Role,
    mut request: Request,
    now: UnixSeconds,
) -> Result<Response, Error> {
    let service = &gate.service;
    let caller = if session::is_shown(service, request.headers()) {
        let signed_in = session::admit(service, Some(role), &mut request, now).await?;
        format!("admin:{}", signed_in.name)
    } else {
        operator(service, &mut request, now).await?
    };
    match if gate.takes_key { idempotency::key(&request)? } else { None } {
        Some(key) => idempotency::once(gate, (0, &caller), key, request).await,
        None => Ok(gate.run(request).await),
    }
}

/// Whoever shows an operator's key, by its id.
async fn operator(service: &Service, request: &mut Request, now: UnixSeconds) -> Result<String, Error> {
    let proven = match prove(service, request, now).await {
        Ok(Holder::Operator { key_id }) => Ok(key_id),
        Ok(Holder::App(_)) => Err(Error::Forbidden(Right::Admin)),
        Err(error) => Err(error),
    };
    let key_id = proven.inspect_err(|error| note_refused(service, request, None, error))?;
    request.extensions_mut().insert(OperatorKey(key_id.as_str().into()));
    Ok(key_id)
}

/// An admin as a caller: in this app, with the rights of the role there.
async fn session_caller(
    service: &Service,
    request: &mut Request,
    right: Right,
    app_id: Option<AppId>,
    now: UnixSeconds,
) -> Result<Arc<Caller>, Error> {
    let signed_in = session::prove(service, request, now).await?;
    let app_id = app_id.ok_or(Error::AppUnknown)?;
    signed_in.require_in(app_id, role_for(right))?;
    if right == Right::Admin && !request.method().is_safe() {
        signed_in.require_recent(now)?;
    }
    let is_held = |right: &Right| signed_in.require_in(app_id, role_for(*right)).is_ok();
    let rights = Right::ALL.into_iter().filter(is_held).collect();
    let scope = Scope { rights, ..Scope::default() };
    Ok(Arc::new(Caller { key_id: format!("admin:{}", signed_in.name), app_id, scope }))
}

/// The caller. Only a wrong credential counts as a guess, and only against its source.
async fn prove(service: &Service, request: &mut Request, now: UnixSeconds) -> Result<Holder, Error> {
    let source = limits::source_of(request.extensions())?;
    service.limits.may_guess(source, now)?;
    if !request.headers().contains_key(AUTHORIZATION) {
        return Err(Error::Unauthorized);
    }
    let proven = match credential(request.headers()) {
        Some(Credential::Bearer(key)) => service.keyring.holder(key, now).ok_or(Error::Unauthorized),
        Some(Credential::Signature(header)) => {
            let header = header.to_owned();
            Box::pin(signed::authenticate(service, &header, request, now)).await.map(Holder::App)
        }
        None => Err(Error::Unauthorized),
    };
    if let Err(Error::Unauthorized) = proven {
        service.limits.note_wrong_guess(source, now);
    }
    proven
}

/// What a request shows to prove its caller.
enum Credential<'a> {
    /// A key.
    Bearer(&'a str),
    /// The whole header of a signed request.
    Signature(&'a str),
}

/// The credential, if there is exactly one.
fn credential(headers: &HeaderMap) -> Option<Credential<'_>> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (all.next()?, all.next()) else { return None };
    let text = only.to_str().ok()?;
    match text.split_once(' ')? {
        (SCHEME, _) => Some(Credential::Signature(text)),
        (scheme, key) if scheme.eq_ignore_ascii_case("bearer") => Some(Credential::Bearer(key)),
        _ => None,
    }
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
