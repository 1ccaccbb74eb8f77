//! `/v1/apps/{app_id}/tokens` and `…/batch`

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use rand::rngs::SysRng;
use roompass_wire::{
    http::{MintBatchItem, MintBatchRequest, MintBatchResponse, MintRequest, MintResponse},
    webhook::{Event, EventName, Minted, Refused, RefusedOperation},
};
use token_gen::{RoomId, UnixSeconds, UserId};

use super::{MAX_BATCH_BODY_BYTES, auth::AppCaller, extract::Json, problem};
use crate::{app::Service, error::Error, keys::Caller, webhooks::millis};

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
    let token = service
        .tokens
        .mint(caller, request, now, &mut SysRng)
        .inspect_err(|error| announce_refused(service, caller, request, error, now))?;
    let token_id = token.minted.token_id();
    tracing::info!(app_id = %caller.app_id, key_id = caller.key_id, %token_id, "token minted");
    if service.webhooks.wants(caller.app_id, EventName::Minted) {
        let minted = Minted {
            token_id: token_id.into(),
            user_id: request.user_id.clone(),
            room_id: request.room_id.clone(),
            expire_at_ms: millis(token.minted.expire_at),
            key_id: caller.key_id.clone(),
        };
        service.webhooks.announce_soon(caller.app_id, Event::Minted(minted));
    }
    Ok(MintResponse {
        token_id: token_id.into(),
        issued_at: token.minted.issued_at.get(),
        expire_at: token.minted.expire_at.get(),
        server_time: now.get(),
        kit_token: token.kit_token.map(|kit| kit.0),
        token: token.minted.token,
    })
}

/// Names are passed on only if they are names.
fn announce_refused(service: &Service, caller: &Caller, request: &MintRequest, error: &Error, now: UnixSeconds) {
    let code = error.code();
    let reason = match error {
        Error::Field { field, .. } => format!("{code}: {field}"),
        _ => code.to_string(),
    };
    let room_id = request.room_id.as_deref().and_then(|room_id| RoomId::new(room_id).ok());
    service.webhooks.announce_refused(
        caller.app_id,
        Refused {
            operation: RefusedOperation::Mint,
            code,
            reason,
            user_id: UserId::new(&*request.user_id).ok().map(|user_id| user_id.as_str().to_owned()),
            room_id: room_id.map(|room_id| room_id.as_str().to_owned()),
            token_id: None,
            count: 1,
            first_at_ms: millis(now),
        },
    );
}
