//! `/v1/reload`

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use roompass_wire::http::ReloadResponse;

use super::origin::Asking;
use crate::{app::Service, error::Error, reload::Reloaded};

/// Reads again what may change while the server runs.
pub(super) async fn reload(
    State(service): State<Arc<Service>>,
    Asking(origin): Asking,
) -> Result<Answer<ReloadResponse>, Error> {
    let Reloaded { taken_up, need_restart, new_certificate } = service.reloader.reload(&service, origin).await?;
    let server_time = service.clock.now().get();
    Ok(Answer(ReloadResponse { taken_up, need_restart, new_certificate, server_time }))
}
