//! Whether the process lives, and whether it can serve.

use std::sync::Arc;

use axum::{Json, extract::State};
use roompass_wire::http::HealthResponse;

use crate::{app::Service, error::Error};

/// Alive as long as it answers.
pub(super) async fn live(State(service): State<Arc<Service>>) -> Json<HealthResponse> {
    Json(healthy(&service))
}

/// Ready when the store answers and the audit trail is written: without it, nothing is minted.
pub(super) async fn ready(State(service): State<Arc<Service>>) -> Result<Json<HealthResponse>, Error> {
    service.store.ping().await?;
    service.audit.ready()?;
    Ok(Json(healthy(&service)))
}

fn healthy(service: &Service) -> HealthResponse {
    HealthResponse { status: "ok".to_owned(), dev: service.dev, server_time: service.clock.now().get() }
}
