//! A route is a path, a method, a policy and a handler. Without a policy there is no [`Route`], and without a
//! [`Route`] nothing is served.

use std::{convert::Infallible, pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::{Method, Uri},
    response::Response,
    routing::{MethodFilter, on_service},
};
use roompass_wire::http::Role;
use token_gen::{AppId, UnixSeconds};
use tower::service_fn;

use super::{auth, layers, layers::Edge, session};
use crate::{app::Service, error::Error, keys::Right, metrics::RouteCounts};

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

/// A handler, whatever it takes out of a request.
pub(super) type Handle =
    Arc<dyn Fn(Request, Arc<Service>) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// One row of the route table.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) method: Method,
    pub(super) policy: Policy,
    handle: Handle,
    pub(super) takes_key: bool,
}

impl Route {
    pub(super) fn get<T: 'static>(path: &'static str, policy: Policy, handler: impl OfRoute<T>) -> Self {
        Self::new(path, Method::GET, policy, handler)
    }

    pub(super) fn patch<T: 'static>(path: &'static str, policy: Policy, handler: impl OfRoute<T>) -> Self {
        Self::new(path, Method::PATCH, policy, handler)
    }

    pub(super) fn put<T: 'static>(path: &'static str, policy: Policy, handler: impl OfRoute<T>) -> Self {
        Self::new(path, Method::PUT, policy, handler)
    }

    pub(super) fn delete<T: 'static>(path: &'static str, policy: Policy, handler: impl OfRoute<T>) -> Self {
        Self::new(path, Method::DELETE, policy, handler)
    }

    pub(super) fn post<T: 'static>(path: &'static str, policy: Policy, handler: impl OfRoute<T>) -> Self {
        Self::new(path, Method::POST, policy, handler)
    }

    fn new<T: 'static>(path: &'static str, method: Method, policy: Policy, handler: impl OfRoute<T>) -> Self {
        let handle: Handle = Arc::new(move |request, service| handler.clone().call(request, service));
        Self { path, method, policy, handle, takes_key: false }
    }

    /// The same route for requests that may name themselves by an Idempotency-Key.
    pub(super) fn once(self) -> Self {
        Self { takes_key: true, ..self }
    }
}

/// An async function that takes out of a request what it needs.
pub(super) trait OfRoute<T>:
    Handler<T, Arc<Service>, Future = Pin<Box<dyn Future<Output = Response> + Send>>> + Sync
{
}

impl<T, H> OfRoute<T> for H where
    H: Handler<T, Arc<Service>, Future = Pin<Box<dyn Future<Output = Response> + Send>>> + Sync
{
}

/// A handler behind its policy.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) service: Arc<Service>,
    pub(super) handle: Handle,
    /// Whether requests may name themselves by an Idempotency-Key.
    pub(super) takes_key: bool,
    policy: Policy,
    /// Which segment of the path is the app's id.
    app_segment: Option<usize>,
}

impl Gate {
    /// The app in the path.
    pub(super) fn app_id(&self, uri: &Uri) -> Option<AppId> {
        uri.path().split('/').nth(self.app_segment?)?.parse().ok()
    }

    /// Has the request done if whoever sent it may. What is not for keys is in boxes: the largest makes all of them large,
    /// and a request is copied several times on its way.
    async fn pass(&self, request: Request, now: UnixSeconds) -> Result<Response, Error> {
        match self.policy {
            Policy::Public => Ok(self.run(request).await),
            Policy::AppKey(right) => auth::require_app_key(self, right, request, now).await,
            Policy::Visitor => Box::pin(session::require_visitor(self, request, now)).await,
            Policy::SignedIn => Box::pin(session::require_admin(self, None, request, now)).await,
            Policy::Admin(role) => Box::pin(session::require_admin(self, Some(role), request, now)).await,
            Policy::Operator(role) => Box::pin(auth::require_operator(self, role, request, now)).await,
        }
    }

    /// Has a request done that may be.
    pub(super) async fn run(&self, request: Request) -> Response {
        (self.handle)(request, Arc::clone(&self.service)).await
    }
}

/// All that stands on one path for one method.
struct Place {
    edge: Arc<Edge>,
    path: &'static str,
    counts: RouteCounts,
    gate: Gate,
}

/// Puts each route behind its policy, and everything behind `edge`. Each request meets one service: with a layer for
/// each, a request is copied from box to box, which takes longer than minting.
pub(super) fn build(routes: Vec<Route>, service: &Arc<Service>, edge: &Arc<Edge>) -> Router {
    let table = routes.into_iter().fold(Router::new(), |table, Route { path, method, policy, handle, takes_key }| {
        // Of the methods above, each has a filter.
        let Ok(filter) = MethodFilter::try_from(method.clone()) else { return table };
        let counts = service.metrics.requests.route(path, &method);
        let app_segment = path.split('/').position(|segment| segment == "{app_id}");
        let gate = Gate { service: Arc::clone(service), handle, takes_key, policy, app_segment };
        let place = Arc::new(Place { edge: Arc::clone(edge), path, counts, gate });
        let served = service_fn(move |request| {
            let place = Arc::clone(&place);
            async move {
                let Place { edge, path, counts, gate } = &*place;
                let answer = layers::surround(edge, (path, counts), request, |request, now| gate.pass(request, now));
                Ok::<_, Infallible>(answer.await)
            }
        });
        table.route(path, on_service(filter, served))
    });
    let refuse = |error: fn() -> Error| {
        let edge = Arc::clone(edge);
        async move |request: Request| layers::refuse(&edge, request, error()).await
    };
    table.fallback(refuse(|| Error::Missing("path"))).method_not_allowed_fallback(refuse(|| Error::MethodNotAllowed))
}
