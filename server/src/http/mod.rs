//! The HTTP edge: every route with its policy, and the layers around them, on one screen.

mod auth;
mod docs;
mod extract;
mod health;
mod layers;
mod openapi;
mod problem;
mod route;
pub(crate) mod server;
mod tokens;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, header::STRICT_TRANSPORT_SECURITY},
    middleware::{from_fn, from_fn_with_state},
};
use roompass_wire::http::{HEALTH_PATH, READY_PATH, TOKENS_PATH};
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};

use crate::{app::Service, error::Error, keys::Right};
use openapi::{OPENAPI_PATH, Undescribed};
use route::{Policy, Route};

/// The largest body of a request.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;
const TWO_YEARS: HeaderValue = HeaderValue::from_static("max-age=63072000");

fn routes() -> Vec<Route> {
    vec![
        Route::get(HEALTH_PATH, Policy::Public, health::live),
        Route::get(READY_PATH, Policy::Public, health::ready),
        Route::post(TOKENS_PATH, Policy::AppKey(Right::Mint), tokens::mint),
        Route::get(OPENAPI_PATH, Policy::Public, docs::openapi),
        Route::get(docs::REFERENCE_PATH, Policy::Public, docs::reference),
        Route::get(docs::PROBLEMS_PATH, Policy::Public, docs::problems),
        Route::get(docs::PROBLEM_PATH, Policy::Public, docs::problem),
        Route::get(docs::CONFIG_PATH, Policy::Public, docs::config),
        Route::get(docs::SECURITY_PATH, Policy::Public, docs::security),
    ]
}

/// The whole HTTP face of `service`, the gateway's upgrade included.
///
/// # Errors
/// A route is not described in the API's document, or the reverse.
pub(crate) fn router(service: Arc<Service>) -> Result<Router, Undescribed> {
    openapi::document()?;
    let router = with_layers(route::build(routes(), &service).merge(Arc::clone(&service.gateway).router()));
    // Whoever came over TLS once comes over TLS from then on.
    Ok(match service.origin.starts_with("https://") {
        true => router.layer(SetResponseHeaderLayer::overriding(STRICT_TRANSPORT_SECURITY, TWO_YEARS)),
        false => router,
    })
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
