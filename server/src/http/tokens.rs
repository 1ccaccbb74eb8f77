//! `/v1/apps/{app_id}/tokens` and `…/batch`

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use roompass_wire::{
    http::{MintBatchItem, MintBatchRequest, MintBatchResponse, MintRequest, MintResponse},
    webhook::{self, EventName, Minted, Refused, RefusedOperation},
};
use token_gen::{Privileges, RoomId, SystemRng, TokenId, UnixSeconds, UserId};

use super::{MAX_BATCH_BODY_BYTES, auth::AppCaller, extract::Json, origin::Asking, problem};
use crate::{
    app::Service,
    apps::names::privileges,
    audit::{Action, Event, Origin},
    error::Error,
    issued::Issued,
    keys::Caller,
    tokens::MintedToken,
    webhooks::millis,
};

/// Mints a token.
pub(super) async fn mint(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<MintRequest>,
) -> Result<Answer<MintResponse>, Error> {
    service.limits.mint()?;
    let now = service.clock.now();
    let (minted, to_note) = mint_one(&service, &caller, origin, request, now)?;
    if let Some(issued) = to_note {
        service.lifecycle.note_issued(caller.app_id, vec![issued]).await?;
    }
    Ok(Answer(minted))
}

/// Mints many tokens, each on its own.
pub(super) async fn mint_batch(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<MintBatchRequest, MAX_BATCH_BODY_BYTES>,
) -> Result<Answer<MintBatchResponse>, Error> {
    service.limits.mint()?;
    let max = MintBatchRequest::MAX_ITEMS;
    if !(1..=max).contains(&request.items.len()) {
        return Err(Error::field("items", format!("must be 1 to {max} items")));
    }
    let now = service.clock.now();
    let (mut items, mut to_note) = (Vec::with_capacity(request.items.len()), Vec::new());
    for item in request.items {
        items.push(match mint_one(&service, &caller, origin.clone(), item, now) {
            Ok((minted, issued)) => {
                to_note.extend(issued);
                MintBatchItem::Minted(minted)
            }
            // What is wrong with an item is its own; what is wrong with us or the caller is everybody's.
            Err(error @ Error::Field { .. }) => MintBatchItem::Refused { problem: problem::document(&error) },
            Err(error) => return Err(error),
        });
    }
    if !to_note.is_empty() {
        service.lifecycle.note_issued(caller.app_id, to_note).await?;
    }
    Ok(Answer(MintBatchResponse { items, server_time: now.get() }))
}

fn mint_one(
    service: &Service,
    caller: &Caller,
    origin: Origin,
    request: MintRequest,
    now: UnixSeconds,
) -> Result<(MintResponse, Option<Issued>), Error> {
    service.audit.ready()?;
    let minted = service.tokens.mint(caller, &request, now, &mut SystemRng);
    let minted = minted.map(|token| (token.minted.token_id(), token));
    let is_announced = minted.is_err() || service.webhooks.wants(caller.app_id, EventName::Minted);
    let told = is_announced.then(|| (request.user_id.clone(), request.room_id.clone()));
    // A token that will not be in the trail is not handed out.
    service.audit.note(now, origin, event(caller, request, &minted))?;
    let (token_id, token) = minted.inspect_err(|error| {
        if let Some(told) = &told {
            announce_refused(service, caller, told, error, now);
        }
    })?;
    tracing::debug!(app_id = %caller.app_id, key_id = caller.key_id, %token_id, "token minted");
    if let Some((user_id, room_id)) = told {
        let announced = Minted {
            token_id: token_id.into(),
            user_id,
            room_id,
            expire_at_ms: millis(token.minted.expire_at),
            key_id: caller.key_id.clone(),
        };
        service.webhooks.announce_soon(caller.app_id, webhook::Event::Minted(announced));
    }
    let minted = MintResponse {
        token_id: token_id.into(),
        issued_at: token.minted.issued_at.get(),
        expire_at: token.minted.expire_at.get(),
        server_time: now.get(),
        kit_token: token.kit_token.map(|kit| kit.0),
        token: token.minted.token,
    };
    Ok((minted, token.to_note))
}

/// What the trail says of it.
fn event(caller: &Caller, request: MintRequest, minted: &Result<(TokenId, MintedToken), Error>) -> Event {
    let MintRequest { user_id, room_id, privileges, stream_ids, payload, terms, .. } = request;
    let is_of_room = room_id.is_some();
    let event = Event {
        user_id: Some(user_id),
        room_id,
        stream_ids,
        terms: terms.map(Box::new),
        privileges: match privileges {
            Some(names) => Some(names.into_iter().map(privileges::privilege).collect()),
            None => is_of_room.then_some(Privileges::ALL),
        },
        details: payload.is_some().then_some("a payload of the caller's own".into()),
        ..Event::of(Action::Mint, caller.app_id)
    };
    match minted {
        Ok((token_id, MintedToken { minted, .. })) => {
            Event { token_id: Some(*token_id), expire_at: Some(minted.expire_at), ..event }
        }
        Err(error @ Error::Field { field, .. }) => {
            event.refused(error.code().as_str()).saying(format!("{field}: {error}"))
        }
        Err(error) => event.refused(error.code().as_str()),
    }
}

/// Names are passed on only if they are names.
fn announce_refused(
    service: &Service,
    caller: &Caller,
    (user_id, room_id): &(String, Option<String>),
    error: &Error,
    now: UnixSeconds,
) {
    let code = error.code();
    let reason = match error {
        Error::Field { field, .. } => format!("{code}: {field}"),
        _ => code.to_string(),
    };
    service.webhooks.announce_refused(
        caller.app_id,
        Refused {
            operation: RefusedOperation::Mint,
            code,
            reason,
            user_id: UserId::new(&**user_id).is_ok().then(|| user_id.clone()),
            room_id: room_id.clone().filter(|room_id| RoomId::new(&**room_id).is_ok()),
            token_id: None,
            count: 1,
            first_at_ms: millis(now),
        },
    );
}
