//! The HTTP edge: every route with its policy, and the layers around them, on one screen.

mod auth;
mod extract;
mod health;
mod layers;
mod problem;
mod route;
pub(crate) mod server;
mod tokens;

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use roompass_wire::http::{HEALTH_PATH, READY_PATH, TOKENS_PATH};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{app::Service, error::Error, keys::Right};
use route::{Policy, Route};

/// The largest body of a request.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

fn routes() -> Vec<Route> {
    vec![
        Route::get(HEALTH_PATH, Policy::Public, health::live),
        Route::get(READY_PATH, Policy::Public, health::ready),
        Route::post(TOKENS_PATH, Policy::AppKey(Right::Mint), tokens::mint),
    ]
}

/// The whole HTTP face of `service`, the gateway's upgrade included.
pub(crate) fn router(service: Arc<Service>) -> Router {
    with_layers(route::build(routes(), &service).merge(Arc::clone(&service.gateway).router()))
}

fn with_layers(router: Router) -> Router {
    router
        // The first layer here is the innermost.
        .layer(from_fn(layers::refuse_credentials_in_query))
        .layer(from_fn(layers::time_out))
        .layer(CatchPanicLayer::custom(layers::on_panic))
        .layer(from_fn_with_state(Arc::new(layers::RequestIds::default()), layers::finish))
}

/// What an unknown path gets.
async fn not_found() -> Error {
    Error::NotFound
}

/// What a known path gets with an unknown method.
async fn method_not_allowed() -> Error {
    Error::MethodNotAllowed
}

#[cfg(test)]
mod tests;
