//! The HTTP edge: every route with its policy, and the layers around them, on one screen.

mod admins;
pub(crate) mod apps;
pub(crate) mod audit;
mod auth;
pub(crate) mod console;
pub(crate) mod demo;
mod docs;
mod extract;
mod head_timer;
mod health;
mod idempotency;
mod introspection;
pub(crate) mod keys;
mod layers;
mod limits;
mod linger;
mod mode_preview;
pub(crate) mod observe;
mod openapi;
mod origin;
mod problem;
mod reload;
mod revocations;
mod rooms;
mod route;
pub(crate) mod secrets;
pub(crate) mod server;
mod session;
mod signed;
mod streams;
mod tokens;
mod watch;
pub(crate) mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, Method, header::STRICT_TRANSPORT_SECURITY},
    middleware::from_fn_with_state,
};
use roompass_wire::{
    gateway::{GATEWAY_PATH, MEDIA_PATH, WHEP_PATH, WHIP_PATH},
    http::{
        ADMIN_PATH, ADMINS_PATH, APP_AUDIT_EXPORT_PATH, APP_AUDIT_PATH, APP_PATH, APP_REFUSALS_PATH,
        APP_SIGN_RESET_PATH, APP_SIGN_RETIRE_PATH, APP_SIGN_SHOW_PATH, APPS_PATH, AUDIT_EXPORT_PATH, AUDIT_PATH,
        BAN_PATH, BANS_PATH, CLOSE_ROOM_PATH, DELIVERIES_PATH, EXPLAIN_PATH, FEED_PATH, HEALTH_PATH, INTROSPECT_PATH,
        KEY_PATH, KEYS_PATH, KICK_PATH, LIVE_SESSIONS_PATH, MODE_PREVIEW_PATH, NODES_PATH, PASSWORD_PATH,
        RE_AUTHENTICATE_PATH, READY_PATH, RECEIVERS_PATH, REDELIVER_PATH, REFUSALS_PATH, RELOAD_PATH, RETIRE_PATH,
        REVOCATIONS_PATH, REVOKE_PATH, ROOM_MESSAGE_PATH, ROOM_PATH, ROOMS_PATH, ROTATE_PATH, Role, SECRETS_PATH,
        SESSION_ID_PATH, SESSION_PATH, SESSIONS_PATH, SETUP_BEGIN_PATH, SETUP_PATH, SIGN_IN_PATH, SIGN_OUT_PATH,
        STATISTICS_PATH, STOP_STREAM_PATH, STREAMS_PATH, TOKENS_BATCH_PATH, TOKENS_PATH, TOTP_PATH, WEBHOOK_KEY_PATH,
        WEBHOOK_PATH, WEBHOOK_TEST_PATH, WEBHOOKS_PATH, WITHHOLD_PATH,
    },
};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{app::Service, error::Error, keys::Right};
use openapi::OPENAPI_PATH;
use route::{Policy, Route};

/// The largest body of a request.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;
/// The largest body of a request for many things at once.
const MAX_BATCH_BODY_BYTES: usize = 1024 * 1024;
const TWO_YEARS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Who may call what the gateway serves over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByMedia {
    /// Whoever shows a room token that grants it.
    RoomToken,
    /// Whoever knows the address, which only its maker was told.
    Address,
}

/// What the gateway serves over HTTP, which judges by itself who may.
const OF_GATEWAY: &[(&str, Method, ByMedia)] = &[
    (WHIP_PATH, Method::POST, ByMedia::RoomToken),
    (WHEP_PATH, Method::POST, ByMedia::RoomToken),
    (MEDIA_PATH, Method::PATCH, ByMedia::Address),
    (MEDIA_PATH, Method::DELETE, ByMedia::Address),
];

fn routes() -> Vec<Route> {
    vec![
        Route::get(HEALTH_PATH, Policy::Public, health::live),
        Route::get(READY_PATH, Policy::Public, health::ready),
        Route::post(TOKENS_PATH, Policy::AppKey(Right::Mint), tokens::mint).once(),
        Route::post(TOKENS_BATCH_PATH, Policy::AppKey(Right::Mint), tokens::mint_batch).once(),
        Route::post(INTROSPECT_PATH, Policy::AppKey(Right::Introspect), introspection::introspect),
        Route::post(EXPLAIN_PATH, Policy::AppKey(Right::Explain), introspection::explain),
        Route::post(REVOKE_PATH, Policy::AppKey(Right::Revoke), revocations::revoke).once(),
        Route::get(REVOCATIONS_PATH, Policy::AppKey(Right::Read), revocations::revocations),
        Route::post(BANS_PATH, Policy::AppKey(Right::Revoke), revocations::ban_target).once(),
        Route::get(BANS_PATH, Policy::AppKey(Right::Read), revocations::bans),
        Route::delete(BAN_PATH, Policy::AppKey(Right::Revoke), revocations::lift_ban).once(),
        Route::get(SETUP_PATH, Policy::Visitor, admins::is_set_up),
        Route::post(SETUP_PATH, Policy::Visitor, admins::finish_setup),
        Route::post(SETUP_BEGIN_PATH, Policy::Visitor, admins::begin_setup),
        Route::post(SIGN_IN_PATH, Policy::Visitor, admins::sign_in),
        Route::post(SIGN_OUT_PATH, Policy::SignedIn, admins::sign_out),
        Route::get(SESSION_PATH, Policy::SignedIn, admins::session),
        Route::get(SESSIONS_PATH, Policy::SignedIn, admins::sessions),
        Route::delete(SESSION_ID_PATH, Policy::SignedIn, admins::end_session),
        Route::post(RE_AUTHENTICATE_PATH, Policy::SignedIn, admins::re_authenticate),
        Route::post(PASSWORD_PATH, Policy::SignedIn, admins::set_password),
        Route::post(TOTP_PATH, Policy::SignedIn, admins::begin_totp),
        Route::put(TOTP_PATH, Policy::SignedIn, admins::set_totp),
        Route::get(ADMINS_PATH, Policy::Admin(Role::Owner), admins::list),
        Route::post(ADMINS_PATH, Policy::Admin(Role::Owner), admins::invite),
        Route::patch(ADMIN_PATH, Policy::Admin(Role::Owner), admins::set_roles),
        Route::delete(ADMIN_PATH, Policy::Admin(Role::Owner), admins::remove),
        Route::post(RELOAD_PATH, Policy::Operator(Role::Admin), reload::reload),
        Route::post(APPS_PATH, Policy::Operator(Role::Admin), apps::create).once(),
        Route::get(APPS_PATH, Policy::Operator(Role::Viewer), apps::list),
        Route::get(APP_PATH, Policy::AppKey(Right::Read), apps::show),
        Route::patch(APP_PATH, Policy::AppKey(Right::Admin), apps::update).once(),
        Route::get(MODE_PREVIEW_PATH, Policy::AppKey(Right::Read), mode_preview::preview),
        Route::get(SECRETS_PATH, Policy::AppKey(Right::Read), secrets::ring),
        Route::post(ROTATE_PATH, Policy::AppKey(Right::Admin), secrets::rotate).once(),
        Route::post(RETIRE_PATH, Policy::AppKey(Right::Admin), secrets::retire).once(),
        Route::post(APP_SIGN_SHOW_PATH, Policy::AppKey(Right::Admin), secrets::show_app_sign),
        Route::post(APP_SIGN_RESET_PATH, Policy::AppKey(Right::Admin), secrets::reset_app_sign).once(),
        Route::post(APP_SIGN_RETIRE_PATH, Policy::AppKey(Right::Admin), secrets::retire_app_sign),
        Route::post(KEYS_PATH, Policy::AppKey(Right::Admin), keys::create).once(),
        Route::get(KEYS_PATH, Policy::AppKey(Right::Read), keys::list),
        Route::delete(KEY_PATH, Policy::AppKey(Right::Admin), keys::revoke).once(),
        Route::post(WEBHOOKS_PATH, Policy::AppKey(Right::Admin), webhooks::create).once(),
        Route::get(WEBHOOKS_PATH, Policy::AppKey(Right::Read), webhooks::list),
        Route::get(WEBHOOK_PATH, Policy::AppKey(Right::Read), webhooks::show),
        Route::patch(WEBHOOK_PATH, Policy::AppKey(Right::Admin), webhooks::update).once(),
        Route::delete(WEBHOOK_PATH, Policy::AppKey(Right::Admin), webhooks::remove).once(),
        Route::post(WEBHOOK_KEY_PATH, Policy::AppKey(Right::Admin), webhooks::rotate_key).once(),
        Route::post(WEBHOOK_TEST_PATH, Policy::AppKey(Right::Admin), webhooks::test).once(),
        Route::get(DELIVERIES_PATH, Policy::AppKey(Right::Read), webhooks::deliveries),
        Route::post(REDELIVER_PATH, Policy::AppKey(Right::Admin), webhooks::redeliver).once(),
        Route::get(AUDIT_PATH, Policy::Operator(Role::Viewer), audit::list),
        Route::get(AUDIT_EXPORT_PATH, Policy::Operator(Role::Viewer), audit::export),
        Route::get(APP_AUDIT_PATH, Policy::AppKey(Right::Read), audit::list_of_app),
        Route::get(APP_AUDIT_EXPORT_PATH, Policy::AppKey(Right::Read), audit::export_of_app),
        Route::get(ROOMS_PATH, Policy::AppKey(Right::Read), rooms::list),
        Route::get(ROOM_PATH, Policy::AppKey(Right::Read), rooms::show),
        Route::get(LIVE_SESSIONS_PATH, Policy::AppKey(Right::Read), rooms::sessions),
        Route::post(KICK_PATH, Policy::AppKey(Right::Operate), rooms::kick).once(),
        Route::post(WITHHOLD_PATH, Policy::AppKey(Right::Operate), rooms::withhold).once(),
        Route::get(STREAMS_PATH, Policy::AppKey(Right::Read), streams::list),
        Route::get(RECEIVERS_PATH, Policy::AppKey(Right::Read), streams::receivers),
        Route::post(STOP_STREAM_PATH, Policy::AppKey(Right::Operate), rooms::stop_stream).once(),
        Route::post(CLOSE_ROOM_PATH, Policy::AppKey(Right::Operate), rooms::close).once(),
        Route::post(ROOM_MESSAGE_PATH, Policy::AppKey(Right::Operate), rooms::message).once(),
        Route::get(REFUSALS_PATH, Policy::Operator(Role::Viewer), watch::refusals),
        Route::get(APP_REFUSALS_PATH, Policy::AppKey(Right::Read), watch::refusals_of_app),
        Route::get(FEED_PATH, Policy::AppKey(Right::Read), watch::feed),
        Route::get(STATISTICS_PATH, Policy::Operator(Role::Viewer), watch::statistics),
        Route::get(NODES_PATH, Policy::Operator(Role::Viewer), watch::nodes),
        Route::get(OPENAPI_PATH, Policy::Public, docs::openapi),
        Route::get(docs::REFERENCE_PATH, Policy::Public, docs::reference),
        Route::get(docs::PROBLEMS_PATH, Policy::Public, docs::problems),
        Route::get(docs::PROBLEM_PATH, Policy::Public, docs::problem),
        Route::get(docs::CONFIG_PATH, Policy::Public, docs::config),
        Route::get(docs::WEBHOOKS_PATH, Policy::Public, docs::webhooks),
        Route::get(docs::SECURITY_PATH, Policy::Public, docs::security),
    ]
}

/// The whole HTTP face of `service`, the gateway's upgrade included.
pub(crate) fn router(service: Arc<Service>) -> Router {
    let mut table = routes();
    table.extend(console::routes());
    if service.dev {
        table.extend(demo::routes());
    }
    let router = served(table, &service);
    // Whoever came over TLS once comes over TLS from then on.
    match service.origin.starts_with("https://") {
        true => router.layer(SetResponseHeaderLayer::overriding(STRICT_TRANSPORT_SECURITY, TWO_YEARS)),
        false => router,
    }
}

/// These routes and those of the gateway.
fn served(table: Vec<Route>, service: &Arc<Service>) -> Router {
    let of_gateway = OF_GATEWAY.iter().map(|(path, method, _)| (*path, method.clone()));
    let counts = service.metrics.requests.table(of_gateway.chain([(GATEWAY_PATH, Method::GET)]));
    let edge = Arc::new(layers::Edge::new(Arc::clone(service), counts));
    let gateway = Arc::clone(&service.gateway).router().layer(from_fn_with_state(Arc::clone(&edge), layers::layer));
    route::build(table, service, &edge).merge(gateway)
}

/// What an unknown path gets.
async fn not_found() -> Error {
    Error::Missing("path")
}

/// What a known path gets with an unknown method.
async fn method_not_allowed() -> Error {
    Error::MethodNotAllowed
}

#[cfg(test)]
mod audit_tests;
#[cfg(test)]
mod callers_tests;
#[cfg(test)]
mod cbc_tests;
#[cfg(test)]
mod lifecycle_tests;
#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod naughty_tests;
#[cfg(test)]
mod tenants_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod watch_tests;
#[cfg(test)]
mod webhooks_tests;
