//! `/v1/apps/{app_id}/tokens`

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use rand::rngs::SysRng;
use roompass_wire::http::{MintRequest, MintResponse};

use super::{auth::AppCaller, extract::Json};
use crate::{app::Service, error::Error};

/// Mints a token.
pub(super) async fn mint(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Json(request): Json<MintRequest>,
) -> Result<Answer<MintResponse>, Error> {
    let now = service.clock.now();
    let token = service.tokens.mint(&caller, &request, now, &mut SysRng)?;
    let token_id = token.minted.token_id();
    tracing::info!(app_id = %caller.app_id, key_id = caller.key_id, %token_id, "token minted");
    Ok(Answer(MintResponse {
        token_id: token_id.into(),
        issued_at: token.minted.issued_at.get(),
        expire_at: token.minted.expire_at.get(),
        server_time: now.get(),
        kit_token: token.kit_token.map(|kit| kit.0),
        token: token.minted.token,
    }))
}
