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

use roompass_wire::http::Role;

use super::{auth, method_not_allowed, not_found, session};
use crate::{app::Service, keys::Right};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Anybody. Such a route tells nothing about apps, users or tokens.
    Public,
    /// Whoever holds a backend key with this right, of the app in the path; or an admin whose role there has it. The
    /// rights admin and read are an operator's in every app.
    AppKey(Right),
    /// Anybody who comes from our own pages, to prove who they are. Wrong proofs count.
    Visitor,
    /// Any admin, about themselves.
    SignedIn,
    /// An admin with this role over all apps; to change something, one who has signed in recently.
    Admin(Role),
    /// Whoever holds an operator's key; or an admin with this role over all apps.
    Operator(Role),
}

/// One row of the route table.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) method: Method,
    pub(super) policy: Policy,
    handler: MethodRouter<Arc<Service>>,
    pub(super) takes_key: bool,
}

impl Route {
    pub(super) fn get<T: 'static>(path: &'static str, policy: Policy, handler: impl Handler<T, Arc<Service>>) -> Self {
        Self { path, method: Method::GET, policy, handler: routing::get(handler), takes_key: false }
    }

    pub(super) fn patch<T: 'static>(
        path: &'static str,
        policy: Policy,
        handler: impl Handler<T, Arc<Service>>,
    ) -> Self {
        Self { path, method: Method::PATCH, policy, handler: routing::patch(handler), takes_key: false }
    }

    pub(super) fn put<T: 'static>(path: &'static str, policy: Policy, handler: impl Handler<T, Arc<Service>>) -> Self {
        Self { path, method: Method::PUT, policy, handler: routing::put(handler), takes_key: false }
    }

    pub(super) fn delete<T: 'static>(
        path: &'static str,
        policy: Policy,
        handler: impl Handler<T, Arc<Service>>,
    ) -> Self {
        Self { path, method: Method::DELETE, policy, handler: routing::delete(handler), takes_key: false }
    }

    pub(super) fn post<T: 'static>(path: &'static str, policy: Policy, handler: impl Handler<T, Arc<Service>>) -> Self {
        Self { path, method: Method::POST, policy, handler: routing::post(handler), takes_key: false }
    }

    /// The same route for requests that may name themselves by an Idempotency-Key.
    pub(super) fn once(self) -> Self {
        Self { takes_key: true, ..self }
    }
}

/// Puts each route behind its policy.
pub(super) fn build(routes: Vec<Route>, service: &Arc<Service>) -> Router {
    let table = routes.into_iter().fold(Router::new(), |table, Route { path, policy, handler, takes_key, .. }| {
        let handler = match policy {
            Policy::Public => handler,
            Policy::AppKey(right) => {
                let gate = auth::AppGate { service: Arc::clone(service), right, takes_key };
                handler.route_layer(from_fn_with_state(Arc::new(gate), auth::require_app_key))
            }
            Policy::Visitor => handler.route_layer(from_fn_with_state(Arc::clone(service), session::require_visitor)),
            Policy::SignedIn => {
                handler.route_layer(from_fn_with_state((Arc::clone(service), None), session::require_admin))
            }
            Policy::Admin(role) => {
                handler.route_layer(from_fn_with_state((Arc::clone(service), Some(role)), session::require_admin))
            }
            Policy::Operator(role) => {
                let gate = auth::OperatorGate { service: Arc::clone(service), role, takes_key };
                handler.route_layer(from_fn_with_state(Arc::new(gate), auth::require_operator))
            }
        };
        table.route(path, handler)
    });
    table.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(Arc::clone(service))
}
