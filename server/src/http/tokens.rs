//! `/v1/apps/{app_id}/tokens` and `…/batch`

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use roompass_wire::http::{MintBatchItem, MintBatchRequest, MintBatchResponse, MintRequest, MintResponse};
use token_gen::{SystemRng, UnixSeconds};

use super::{MAX_BATCH_BODY_BYTES, auth::AppCaller, extract::Json, problem};
use crate::{app::Service, error::Error, keys::Caller};

/// Mints a token.
pub(super) async fn mint(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Json(request): Json<MintRequest>,
) -> Result<Answer<MintResponse>, Error> {
    let now = service.clock.now();
    mint_one(&service, &caller, &request, now).map(Answer)
}

/// Mints many tokens, each on its own.
pub(super) async fn mint_batch(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Json(request): Json<MintBatchRequest, MAX_BATCH_BODY_BYTES>,
) -> Result<Answer<MintBatchResponse>, Error> {
    let max = MintBatchRequest::MAX_ITEMS;
    if !(1..=max).contains(&request.items.len()) {
        return Err(Error::field("items", format!("must be 1 to {max} items")));
    }
    let now = service.clock.now();
    let mut items = Vec::with_capacity(request.items.len());
    for item in &request.items {
        items.push(match mint_one(&service, &caller, item, now) {
            Ok(minted) => MintBatchItem::Minted(minted),
            // What is wrong with an item is its own; what is wrong with us or the caller is everybody's.
            Err(error @ Error::Field { .. }) => MintBatchItem::Refused { problem: problem::document(&error) },
            Err(error) => return Err(error),
        });
    }
    Ok(Answer(MintBatchResponse { items, server_time: now.get() }))
}

fn mint_one(
    service: &Service,
    caller: &Caller,
    request: &MintRequest,
    now: UnixSeconds,
) -> Result<MintResponse, Error> {
    let token = service.tokens.mint(caller, request, now, &mut SystemRng)?;
    let token_id = token.minted.token_id();
    tracing::info!(app_id = %caller.app_id, key_id = caller.key_id, %token_id, "token minted");
    Ok(MintResponse {
        token_id: token_id.into(),
        issued_at: token.minted.issued_at.get(),
        expire_at: token.minted.expire_at.get(),
        server_time: now.get(),
        kit_token: token.kit_token.map(|kit| kit.0),
        token: token.minted.token,
    })
}
