//! A route is a path, a method, a policy and a handler. Without a policy there is no [`Route`], and without a
//! [`Route`] nothing is served.

use std::sync::Arc;

use axum::{
    Router,
    handler::Handler,
    http::Method,
    middleware::from_fn_with_state,
    routing::{self, MethodRouter},
};

use super::{auth, idempotency, method_not_allowed, not_found};
use crate::{app::Service, keys::Right};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Anybody. Such a route tells nothing about apps, users or tokens.
    Public,
    /// Whoever holds a backend key with this right, of the app in the path.
    AppKey(Right),
}

/// One row of the route table.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) policy: Policy,
    handler: MethodRouter<Arc<Service>>,
    pub(super) takes_key: bool,
}

impl Route {
    pub(super) fn get<T: 'static>(path: &'static str, policy: Policy, handler: impl Handler<T, Arc<Service>>) -> Self {
        Self { method: Method::GET, path, policy, handler: routing::get(handler), takes_key: false }
    }

    pub(super) fn post<T: 'static>(path: &'static str, policy: Policy, handler: impl Handler<T, Arc<Service>>) -> Self {
        Self { method: Method::POST, path, policy, handler: routing::post(handler), takes_key: false }
    }

    pub(super) fn delete<T: 'static>(
        path: &'static str,
        policy: Policy,
        handler: impl Handler<T, Arc<Service>>,
    ) -> Self {
        Self { method: Method::DELETE, path, policy, handler: routing::delete(handler), takes_key: false }
    }

    /// The same route for requests that may name themselves by an Idempotency-Key.
    pub(super) fn once(self) -> Self {
        Self { takes_key: true, ..self }
    }
}

/// Puts each route behind its policy.
pub(super) fn build(routes: Vec<Route>, service: &Arc<Service>) -> Router {
    let table = routes.into_iter().fold(Router::new(), |table, Route { path, policy, handler, takes_key, .. }| {
        let handler = if takes_key {
            handler.route_layer(from_fn_with_state(Arc::clone(service), idempotency::once))
        } else {
            handler
        };
        let handler = match policy {
            Policy::Public => handler,
            Policy::AppKey(right) => {
                handler.route_layer(from_fn_with_state((Arc::clone(service), right), auth::require_app_key))
            }
        };
        table.route(path, handler)
    });
    table.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(Arc::clone(service))
}
